//! `examples/smarty`, run as it is: sender → nginx → countersign → nginx → uwsgi → the billing.

use countersign::app::Running;
use countersign::rule;
use serde_json::{Value, json};

use crate::support::asked::{Asked, Question};
use crate::support::cases::{Case, named};
use crate::support::counts::Counts;
use crate::support::shop::*;
use crate::support::site::*;
use crate::support::wire::{Callback, FORM};
use crate::support::*;

/// A gateway of the example.
struct Gateway {
    name: &'static str,
    /// The vector of a payment that is to be booked.
    vector: &'static str,
    /// Where a forger changes one byte: the one after this text, in the query or in the body. It is
    /// part of a value that the proof covers.
    changed_after: &'static str,
    /// Parameters that are the example's also in this test, not the vector's.
    kept: &'static [&'static str],
}

const fn gateway(name: &'static str, vector: &'static str, changed_after: &'static str) -> Gateway {
    Gateway { name, vector, changed_after, kept: &[] }
}

const GATEWAYS: [Gateway; 16] = [
    gateway("arca", "deposited", "orderId="),
    gateway("fortebank", "payment", "\"amount\": "),
    // The amount within Base64: 100.1 becomes 101.1.
    gateway("liqpay", "success_sha1", "ImFtb3VudCI6MTA"),
    gateway("paymaster", "sha1", "LMI_PAYMENT_AMOUNT="),
    gateway("paymaster_ua", "sha256_upper_hex", "LMI_PAYMENT_AMOUNT="),
    gateway("paypal", "unicode_body", "\"value\":\""),
    gateway("paypal_ipn", "completed", "mc_gross="),
    // The same: 1234 becomes 5234.
    gateway("paysera", "post_form_ss1_ss2_ss3", "dCZhbW91bnQ9"),
    gateway("paysera_modern", "order_paid", "\"amount\":"),
    gateway("payture", "charged", "&Amount="),
    gateway("rbs", "another_payment", "&amount="),
    gateway("smartexpay", "status_done", "&inAmount="),
    gateway("square", "payment_completed", "\"amount\":"),
    gateway("stripe", "age_299", "\"amount_received\": "),
    Gateway { kept: &["trusted_proxies"], ..gateway("viva", "payment_created", "\"Amount\":") },
    gateway("wallet_one", "sha1_cp1251", "WMI_PAYMENT_AMOUNT="),
];

/// Those whose rule is not shipped yet. Who ships one takes it out here.
const NOT_YET: [&str; 0] = [];

fn is_shipped(gateway: &str) -> bool {
    rule::shipped().iter().any(|(name, _)| *name == gateway)
}

/// Where the gateway of the example calls: at its route, unless nginx brings it there.
fn endpoint(config: &Value, gateway: &str) -> String {
    if gateway == "paypal_ipn" {
        return "/billing/payment/paypal/result/".to_owned();
    }
    route(&mut config.clone(), gateway)["path"].as_str().unwrap().to_owned()
}

fn route<'a>(config: &'a mut Value, gateway: &str) -> &'a mut Value {
    let routes = config["routes"].as_array_mut().unwrap();
    routes.iter_mut().find(|route| route["gateway"] == gateway).unwrap()
}

/// The daemon of that configuration, in this process, and the rest of the site.
async fn open_site(site: &mut Site, config: &Value) -> Running {
    site.configure(config);
    let running = open(&site.folder).await;
    site.start_nginx(running.addresses[0]).await;
    site.start_uwsgi().await;
    running
}

/// The same callback with one byte changed.
fn forged(callback: &Callback, after: &str) -> Callback {
    let (mut query, mut body) = (callback.query.clone().into_bytes(), callback.body.clone());
    let bytes = if callback.query.contains(after) { &mut query } else { &mut body };
    let found = bytes.windows(after.len()).position(|window| window == after.as_bytes());
    let at = found.unwrap_or_else(|| panic!("no `{after}`")) + after.len();
    bytes[at] = match bytes[at] {
        b'z' | b'Z' | b'9' => bytes[at] - 1,
        byte if byte.is_ascii_alphanumeric() => byte + 1,
        other => panic!("{other} after `{after}`"),
    };
    Callback { query: String::from_utf8(query).unwrap(), body, ..callback.clone() }
}

#[test]
fn the_gateways_of_this_test_are_those_of_the_example_and_those_that_wait_have_no_rule() {
    let config = example_config();
    let routes = config["routes"].as_array().unwrap();
    let mut wired: Vec<_> = routes.iter().map(|route| route["gateway"].as_str().unwrap()).collect();
    wired.sort_unstable();
    let names: Vec<_> = GATEWAYS.iter().map(|gateway| gateway.name).collect();
    assert_eq!(wired, names);
    let waiting: Vec<_> = names.into_iter().filter(|name| !is_shipped(name)).collect();
    assert_eq!(waiting, NOT_YET);
}

#[tokio::test]
async fn a_genuine_callback_of_every_gateway_is_booked_once_and_its_forgery_is_not() {
    let mut site = Site::clocked();
    // Some gateways are known by their addresses.
    site.behind_a_load_balancer();
    let mut config = site.config();
    let shipped = GATEWAYS.iter().filter(|gateway| is_shipped(gateway.name));
    let cases: Vec<_> =
        shipped.map(|gateway| (gateway, named(gateway.name, gateway.vector))).collect();
    for (gateway, case) in &cases {
        let params = &mut route(&mut config, gateway.name)["params"];
        let mut of_vector = case.params(&site.folder);
        for name in gateway.kept {
            of_vector[*name] = params[*name].clone();
        }
        *params = of_vector;
    }
    let exchanges: Vec<_> = cases.iter().flat_map(|(_, case)| &case.exchanges).cloned().collect();
    let asked = if exchanges.is_empty() { None } else { Some(Asked::start(&exchanges).await) };
    if let Some(asked) = &asked {
        config["exchanges"] = asked.config();
    }
    let running = open_site(&mut site, &config).await;
    for (gateway, case) in &cases {
        let path = endpoint(&config, gateway.name);
        booked_once(&site, &running, gateway, case, &path).await;
        eprintln!("{}: booked once at {path}", gateway.name);
    }
    let questions = asked.as_ref().map_or(Vec::new(), Asked::questions);
    for exchange in &exchanges {
        let question = Question::of(&exchange["request"]);
        assert!(questions.iter().any(|asked| asked.is(&question)), "never asked: {question:?}");
    }
}

async fn booked_once(site: &Site, running: &Running, gateway: &Gateway, case: &Case, path: &str) {
    let name = gateway.name;
    site.set_clock(case.now.unwrap_or(NOW));
    let from = |callback: Callback| match &case.remote_addr {
        Some(address) => callback.with("X-Forwarded-For", address.as_bytes()),
        None => callback,
    };
    let own_path = running.live.load();
    let own_path = own_path.routes.iter().find(|(_, route)| route.gateway == name).unwrap().0;
    // At once, from the store, or known already: each is a success for its gateway.
    let accepted = |counts: &Counts| -> i64 {
        let of = |reason| counts.ended([name, "accepted", reason, own_path]);
        of("ok") + of("kept") + of("duplicate")
    };
    let before = site.ledger().await;
    let counts = Counts::of(running);

    let genuine = from(case.callback.clone()).once(path);
    for time in 1..=2 {
        let told = tell(site.front, &genuine).await.unwrap();
        assert_eq!(told.status, 200, "{name}, time {time}: {told:?}");
        if let Some(body) = case.expect["reply"]["body"].as_str() {
            assert_eq!(told.body, body, "{name}");
        }
        let now = Counts::of(running);
        assert_eq!(accepted(&now) - accepted(&counts), time, "{name}");
        let all: i64 = now.callbacks_since(&counts).iter().map(|(_, more)| more).sum();
        assert_eq!(all, time, "{name}");
    }
    eventually("it is booked", async || site.ledger().await.len() > before.len()).await;
    let booked = site.ledger().await;
    assert_eq!(booked.len(), before.len() + 1, "{name}: {booked:?}");
    let (entry, event) = (booked.last().unwrap(), &case.expect["event"]);
    assert_eq!((&entry["booked"], &entry["gateway"]), (&json!(true), &json!(name)));
    for fact in ["order_id", "status"] {
        assert_eq!(entry[fact], event[fact], "{name}: {fact}");
    }
    assert_eq!(entry["amount"], event["amount"]["value"], "{name}");
    assert_eq!(entry["currency"], event["amount"]["currency"], "{name}");

    let forgery = from(forged(&case.callback, gateway.changed_after)).once(path);
    assert_eq!(forgery.len(), genuine.len(), "{name}");
    let told = tell(site.front, &forgery).await.unwrap();
    assert!(told.status >= 400, "{name}: a forgery was answered with success: {told:?}");
    assert_eq!(site.ledger().await, booked, "{name}: a forgery is in the ledger");
    let now = Counts::of(running);
    let all: i64 = now.callbacks_since(&counts).iter().map(|(_, more)| more).sum();
    assert_eq!((accepted(&now) - accepted(&counts), all), (2, 3), "{name}");
}

#[tokio::test]
async fn nothing_but_countersign_answers_at_an_endpoint_however_it_is_spelled() {
    let mut site = Site::clocked();
    let config = site.config();
    let _running = open_site(&mut site, &config).await;
    let all = example_config();
    for path in
        all["routes"].as_array().unwrap().iter().map(|route| route["path"].as_str().unwrap())
    {
        let bare = path.trim_end_matches('/');
        for spelled in [
            path.to_owned(),
            bare.to_owned(),
            format!("{bare}/"),
            format!("{bare}//"),
            format!("{bare}/x"),
            format!("{bare}x"),
            format!("/{path}"),
            path.replace("payment", "payment/."),
            path.replace("payment", "payment/x/.."),
            path.replace("payment", "%70ayment"),
            path.replace("billing/", "billing%2F"),
        ] {
            for method in ["GET", "POST"] {
                let request = format!(
                    "{method} {spelled} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\
                     Content-Length: 0\r\n\r\n"
                );
                let told = tell(site.front, request).await.unwrap();
                assert!(told.status >= 400, "{method} {spelled}: {told:?}");
                assert!(!told.body.contains("Smarty"), "{method} {spelled}: {told:?}");
            }
        }
    }
    assert_eq!(site.ledger().await, [json!(null); 0]);
}

#[tokio::test]
async fn events_do_not_come_in_from_outside_and_all_else_reaches_the_application() {
    let mut site = Site::clocked();
    let config = site.config();
    let _running = open_site(&mut site, &config).await;
    for path in [
        CANONICAL,
        CANONICAL.trim_end_matches('/'),
        "//billing//payment//canonical/",
        "/billing/payment/%63anonical/",
        "/billing/payment/x/../canonical/",
        "/billing/payment/canonical/?order=1",
        "/countersign/arca",
    ] {
        let told = tell(site.front, get(path)).await.unwrap();
        assert_eq!(told.status, 404, "{path}: {told:?}");
        assert!(!told.body.contains("Smarty"), "{path}: {told:?}");
    }
    for path in ["/", "/billing/payment/", "/billing/payment/stripe/", "/tvmiddleware/api/x"] {
        let told = tell(site.front, get(path)).await.unwrap();
        let page = format!("Smarty: GET {path} from 127.0.0.1\n");
        assert_eq!((told.status, told.body), (200, page));
    }
    for path in ["/", "/billing/payment/stripe/validate_notify"] {
        let told = tell(site.inner, get(path)).await.unwrap();
        assert_eq!(told.status, 404, "inside there are events only");
    }
}

#[tokio::test]
async fn qr_codes_come_from_one_server_however_many_there_are() {
    let mut site = Site::clocked();
    let config = site.config();
    // The other one is down: who is sent there is told so.
    let other = format!("upstream smarty {{ server {};", free_address());
    let text = site.folder.read("nginx.conf");
    let (begin, rest) = text.split_once("upstream smarty {").unwrap();
    let (server, rest) = rest.split_once(';').unwrap();
    assert_eq!(server.split_whitespace().next(), Some("server"));
    site.folder.write("nginx.conf", format!("{begin}{other}{rest}"));
    let _running = open_site(&mut site, &config).await;
    assert_eq!(tell(site.front, get("/")).await.unwrap().status, 502);
    for path in [
        "/media/upload/tvmiddleware/qrcodes/1.png",
        "/tvmiddleware/api/payment/qrcode/",
        "/api/tvmiddleware/api/payment/qrcode/?order=1",
    ] {
        let told = tell(site.front, get(path)).await.unwrap();
        assert_eq!(told.status, 200, "{path}: {told:?}");
        assert!(told.body.starts_with("Smarty: GET "), "{told:?}");
    }
}

#[tokio::test]
async fn nginx_hands_countersign_what_it_got_and_says_whom_it_got_it_from() {
    let mut site = Site::clocked();
    let stub = Stub::start(&[OK]).await;
    site.start_nginx(stub.address).await;
    let body = "a=%20b&c=%5B+%5d&\0\u{fe}=\r\n";
    let told = tell(
        site.front,
        Callback::post(FORM, body)
            .with("Stripe-Signature", "t=1,v1=2")
            .with("X-Forwarded-For", "51.138.37.238")
            .with("X_Forwarded_For", "51.138.37.238")
            .with("Expect", "100-continue")
            .once("/billing/payment/liqpay/?a=%20b&a=+&%2f//"),
    )
    .await
    .unwrap();
    assert!(told.head.starts_with("HTTP/1.1 100"), "{told:?}");
    let got = &stub.take()[0];
    assert_eq!(got.line, "POST /billing/payment/liqpay/?a=%20b&a=+&%2f// HTTP/1.1");
    assert_eq!(got.body, body);
    let names: Vec<_> = got.headers.iter().map(|(name, _)| name.as_str()).collect();
    let wanted = "connection content-length content-type host stripe-signature x-forwarded-for";
    assert_eq!(names.join(" "), wanted);
    assert_eq!(got.header("x-forwarded-for"), Some("127.0.0.1"), "not what the sender says");
    assert_eq!(got.header("host"), Some("pay.example"));
    assert_eq!(got.header("stripe-signature"), Some("t=1,v1=2"));
    assert_eq!(got.header("content-type"), Some(FORM));

    let chunked = "POST /billing/payment/viva/result HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\
                   Transfer-Encoding: chunked\r\n\r\n2\r\n{\"\r\n3\r\n\":1\r\n1\r\n}\r\n0\r\n\r\n";
    assert_eq!(tell(site.front, chunked).await.unwrap().status, 200);
    let got = &stub.take()[0];
    assert_eq!((got.body.as_str(), got.header("content-length")), ("{\"\":1}", Some("6")));
    assert_eq!(got.header("transfer-encoding"), None);

    let large = Callback::post(FORM, "x".repeat(1024 * 1024 + 1)).once("/billing/payment/liqpay/");
    assert_eq!(tell(site.front, large).await.unwrap().status, 413);
    assert!(stub.take().is_empty());
}

#[tokio::test]
async fn one_endpoint_of_paypal_takes_both_of_its_dialects() {
    let mut site = Site::clocked();
    let stub = Stub::start(&[OK]).await;
    site.start_nginx(stub.address).await;
    for (media_type, path) in [
        ("application/json", "/billing/payment/paypal/result/"),
        (FORM, "/billing/payment/paypal/ipn/"),
        ("Application/X-WWW-Form-URLEncoded; charset=utf-8", "/billing/payment/paypal/ipn/"),
        ("text/plain; x=application/x-www-form-urlencoded", "/billing/payment/paypal/result/"),
    ] {
        let callback = Callback::post(media_type, "a=%20");
        let told = tell(site.front, callback.once("/billing/payment/paypal/result/?b=%20")).await;
        assert_eq!(told.unwrap().status, 200, "{media_type}");
        let got = &stub.take()[0];
        assert_eq!(got.line, format!("POST {path}?b=%20 HTTP/1.1"), "{media_type}");
        assert_eq!((got.body.as_str(), got.header("content-type")), ("a=%20", Some(media_type)));
    }
}

#[tokio::test]
async fn a_buyer_who_comes_back_from_arca_sees_a_page_of_smarty_when_the_payment_is_booked() {
    const NO: Act = Act::Say("HTTP/1.1 403 No\r\nContent-Length: 8\r\n\r\nrefused\n");
    const LATER: Act = Act::Say("HTTP/1.1 503 Later\r\nContent-Length: 8\r\n\r\nrefused\n");
    let mut site = Site::clocked();
    let stub = Stub::start(&[OK, NO, LATER]).await;
    site.start_nginx(stub.address).await;
    site.start_uwsgi().await;
    let back = get("/billing/payment/arca/return/?orderId=d9b4&x=%20");
    let told = tell(site.front, &back).await.unwrap();
    let page = "Smarty: GET /billing/payment/arca/return/ from 127.0.0.1\n";
    assert_eq!((told.status, told.body.as_str()), (200, page));
    for status in [403, 500] {
        let told = tell(site.front, &back).await.unwrap();
        assert_eq!(told.status, status);
        assert!(!told.body.contains("Smarty"), "{told:?}");
    }
    let got = stub.take();
    assert_eq!(got.len(), 3);
    for got in got {
        assert_eq!(got.line, "GET /billing/payment/arca/return/?orderId=d9b4&x=%20 HTTP/1.1");
        assert_eq!(got.header("x-forwarded-for"), Some("127.0.0.1"));
    }
}

#[tokio::test]
async fn the_stand_in_for_gateways_that_are_asked_knows_each_question_to_the_last_byte() {
    use base64::Engine as _;
    let base64 = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    let exchange = |method: &str, url: &str, headers: Value, body: &str, answer: Value| {
        json!({
            "request": {
                "method": method, "url": url, "headers": headers, "body_base64": base64(body),
            },
            "response": answer,
        })
    };
    let (form, json) = (json!(["Content-Type", FORM]), json!(["Content-Type", "application/json"]));
    let basic = json!(["Authorization", "Basic YTpi"]);
    let xml = "<GetState State=\"Charged\" Amount=\"$1\"/>";
    let answers = [
        json!({ "status": 200, "headers": [["Content-Type", "text/xml; charset=utf-8"]],
                "body_base64": base64(xml) }),
        json!({ "status": 200, "headers": [json], "body_base64": base64("{\"a\": 1}") }),
        json!({ "status": 404, "headers": [], "body_base64": "" }),
    ];
    let [first, second, third] = answers;
    let asked = Asked::start(&[
        exchange("POST", "https://Pay.example.com/State", json!([form]), "a=%22&b=\\\"$x", first),
        exchange("POST", "https://api.example.com/token", json!([basic, form]), "g=c", second),
        exchange("GET", "https://api.example.com/t/1?x=%20", json!([]), "", third),
    ])
    .await;
    let curl = |url: &str, args: &[&str]| {
        let to = format!("::{}", asked.address);
        let output = std::process::Command::new("curl")
            .args([
                "-sS",
                "--max-time",
                "5",
                "--connect-to",
                &to,
                "-w",
                "\n%{http_code} %{content_type}",
            ])
            .args(["--cacert".as_ref(), asked.roots().as_os_str(), url.as_ref()])
            .args(args)
            .output()
            .expect("apt-get install curl");
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    };
    let (post, basic) = ("--data-binary", ["-H", "Authorization: Basic YTpi"]);
    let state = "https://pay.example.com/State";
    assert_eq!(
        curl(state, &[post, "a=%22&b=\\\"$x"]),
        format!("{xml}\n200 text/xml; charset=utf-8")
    );
    let token = "https://api.example.com/token";
    assert_eq!(
        curl(token, &[&[post, "g=c"][..], &basic].concat()),
        "{\"a\": 1}\n200 application/json"
    );
    assert!(curl("https://api.example.com/t/1?x=%20", &[]).contains("\n404 "));
    let questions = asked.questions();
    assert_eq!(questions.len(), 3);
    // One byte of the body, a header, the method, the query, the host.
    for (url, args) in [
        (state, &[post, "a=%22&b=\\\"$y"][..]),
        (token, &[post, "g=c"]),
        (state, &[]),
        ("https://pay.example.com/State?x=1", &[post, "a=%22&b=\\\"$x"]),
        ("https://api.example.com/State", &[post, "a=%22&b=\\\"$x"]),
    ] {
        let said = curl(url, args);
        assert!(said.contains("\n404 "), "{url} {args:?}: {said}");
    }
    let said = curl("https://other.example.com/State", &[post, "a"]);
    assert!(said.contains("\n000 ") && said.contains("certificate"), "{said}");
    assert_eq!(asked.questions().len(), 8, "each question is written down");
    let address = json!(asked.address.to_string());
    let addresses = json!({ "api.example.com": address, "pay.example.com": address });
    assert_eq!(asked.config()["addresses"], addresses);
}
