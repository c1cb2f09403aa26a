//! Who sends, by the certificate that it connects with.

use std::time::{SystemTime, UNIX_EPOCH};

use countersign::app::Running;
use countersign::live::loader::{Loader, Report};
use countersign::live::sources::Sources;
use countersign::rule;

use crate::support::authority::*;
use crate::support::http2::{self, Peer};
use crate::support::shop::*;
use crate::support::tls::*;
use crate::support::{OK, Stub, series};

const CLIENT: &str = "basicConstraints = critical, CA:FALSE\nextendedKeyUsage = clientAuth\n\
                      subjectAltName = DNS:gateway.acme.example, URI:spiffe://acme.example/sender, \
                      email:ops@acme.example";

const DAY: i64 = 24 * 3600;

const BODY: &str = r#"{"id":"p1","order":"o1","amount":1000,"currency":"EUR","state":"paid"}"#;

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

/// A rule that knows its sender by its certificate alone, proved by an example with these two.
fn acme(root: &str, certificate: &str, at: i64, proof: &str, names: &str) -> String {
    let indented = |pem: &str, by: usize| {
        pem.lines().map(|line| format!("{}{line}\n", " ".repeat(by))).collect::<String>()
    };
    format!(
        "gateway: acme
title: Acme
docs: https://acme.example/callbacks
params:
  authority: {{ type: certificate }}
  senders: {{ type: text, list: true }}
request: {{ method: POST, body: json }}
proofs:
  - mtls: {{ {proof} }}
payload: {{ from: body, as: json }}
event:
  transaction_id: payload.id
  order_id: payload.order
  amount: {{ value: payload.amount, currency: payload.currency, unit: minor }}
  status: {{ from: payload.state, map: {{ paid: succeeded }} }}
  test: {{ route: true }}
  dedupe: payload.id
reply: {{ accepted: {{ status: 200 }} }}
examples:
  - name: paid
    at: {at}
    params:
      senders: {names}
      authority: |
{}    request:
      client_certificate: |
{}      body: '{BODY}'
    expect: {{ accept: {{ order_id: o1, amount: {{ value: '10.00', currency: EUR }}, credit: true }} }}
",
        indented(root, 8),
        indented(certificate, 8)
    )
}

fn authority() -> Authority {
    let authority = Authority::new();
    authority.issue("a", "subjectAltName = DNS:pay.example", EC);
    authority.issue("gateway", CLIENT, EC);
    authority.issue("other", &CLIENT.replace("acme.example", "other.example"), EC);
    authority.issue("server", &CLIENT.replace("clientAuth", "serverAuth"), EC);
    authority
}

const NAMED: &str = "roots: param.authority, names: param.senders";

/// What is wrong with the rule; empty: nothing.
fn problems(text: &str) -> String {
    rule::compile("acme.yaml", text).err().map_or(String::new(), |problems| problems.render(text))
}

#[test]
fn a_rule_by_certificate_proves_itself() {
    let authority = authority();
    let (root, at) = (authority.read("ca.pem"), now());
    let of = |certificate: &str, proof: &str, names: &str| {
        problems(&acme(&root, &authority.read(certificate), at, proof, names))
    };
    for name in [
        "dns:gateway.acme.example",
        "uri:spiffe://acme.example/sender",
        "email:ops@acme.example",
        "cn:gateway",
    ] {
        assert_eq!(of("gateway.pem", NAMED, &format!("[\"{name}\"]")), "", "{name}");
    }
    assert_eq!(of("gateway.pem", NAMED, "[\"dns:x\", \"dns:GATEWAY.acme.example\"]"), "");

    for (certificate, names, said) in [
        ("gateway.pem", "[\"dns:acme.example\"]", "the leaf is for another name"),
        ("gateway.pem", "[\"uri:gateway.acme.example\"]", "the leaf is for another name"),
        ("other.pem", "[\"dns:gateway.acme.example\"]", "the leaf is for another name"),
        ("server.pem", "[\"dns:gateway.acme.example\"]", "is for another use"),
        ("ca.pem", "[\"cn:ca\"]", "the certificate of an authority"),
        ("gateway.pem", "[gateway.acme.example]", "expected `dns:`, `uri:`, `email:` or `cn:`"),
    ] {
        let found = of(certificate, NAMED, names);
        assert!(found.contains(said), "{certificate} {names}: {found}");
    }
    // Who may send is said, or that it does not matter.
    let found = of("gateway.pem", "roots: param.authority", "[\"dns:x\"]");
    assert!(found.contains("whose certificate? give either `names` or `any_name`"), "{found}");
    let any = "roots: param.authority, any_name: nobody else is certified";
    let unused = "  senders: { type: text, list: true }\n";
    let text = acme(&root, &authority.read("other.pem"), at, any, "[x]").replace(unused, "");
    assert_eq!(problems(&text.replace("      senders: [x]\n", "")), "");

    // Another's root, a time outside of its validity, and no certificate at all.
    let strange = acme(
        &Authority::new().read("ca.pem"),
        &authority.read("gateway.pem"),
        at,
        NAMED,
        "[\"cn:gateway\"]",
    );
    assert!(problems(&strange).contains("no chain leads to a trusted root"));
    for (at, said) in [(at + 3 * DAY, "has expired"), (at - DAY, "is not valid yet")] {
        let text = acme(&root, &authority.read("gateway.pem"), at, NAMED, "[\"cn:gateway\"]");
        assert!(problems(&text).contains(said), "{said}");
    }
    let bare =
        acme(&root, "", at, NAMED, "[\"cn:gateway\"]").replace("      client_certificate: |\n", "");
    assert!(problems(&bare).contains("credentials_missing"), "{}", problems(&bare));
}

#[test]
fn forgeries_are_bred_and_it_covers_everything_and_is_strong() {
    let authority = authority();
    let text = acme(
        &authority.read("ca.pem"),
        &authority.read("gateway.pem"),
        now(),
        NAMED,
        "[\"cn:gateway\"]",
    );
    let rule = rule::compile("acme.yaml", &text).unwrap_or_else(|p| panic!("{}", p.render(&text)));
    let [variant] = rule.variants() else { panic!("one variant") };
    assert_eq!(variant.strength.least.as_str(), "strong");
    assert!(
        variant.coverage.iter().all(|row| row.covered_by == ["mtls"]),
        "{:?}",
        variant.coverage
    );
    assert!(rule.forgeries() > 100, "{}", rule.forgeries());
}

/// A shop that Acme calls; who may send is `senders`.
async fn shop(authority: &Authority, senders: &str) -> (Stub, Folder, Running) {
    let stub = Stub::start(&[OK]).await;
    let folder = prepared(authority, &stub, senders, "tls: true, client_certificates: ask");
    let running = open(&folder).await;
    (stub, folder, running)
}

fn prepared(authority: &Authority, stub: &Stub, senders: &str, listener: &str) -> Folder {
    set_clock(now());
    let mut wired = Wired::usual_of("acme");
    wired.params = format!("{{ authority: \"file:ca.pem\", senders: {senders} }}");
    let text = config(&format!("http://{}", stub.address), &[wired]);
    let plain = "listen: [{ address: \"127.0.0.1:0\" }]";
    let tls =
        "tls: { certificates: [{ chain: \"file:a.pem\", key: \"file:a.key\" }] }\nrules: [rules]";
    let text = text
        .replace(plain, &format!("listen: [{{ address: \"127.0.0.1:0\", {listener} }}]\n{tls}"));
    let folder = folder(&text);
    for file in ["ca.pem", "a.pem", "a.key"] {
        folder.write(file, authority.read(file));
    }
    let (root, certificate) = (authority.read("ca.pem"), authority.read("gateway.pem"));
    folder.write("rules/acme.yaml", acme(&root, &certificate, now(), NAMED, "[\"cn:gateway\"]"));
    folder
}

fn request() -> String {
    format!(
        "POST /acme/ HTTP/1.1\r\nHost: pay.example\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{BODY}",
        BODY.len()
    )
}

fn refused(running: &Running, reason: &str) -> Option<f64> {
    let labels = format!(
        "countersign_callbacks_total{{gateway=\"acme\",outcome=\"rejected\",reason=\"{reason}\",\
         route=\"acme\"}}"
    );
    series(running, &labels)
}

#[tokio::test]
async fn only_the_sender_whose_certificate_it_is_is_believed() {
    let authority = authority();
    let stranger = Authority::new();
    stranger.issue("gateway", CLIENT, EC);
    let (stub, _folder, running) = shop(&authority, "[\"dns:gateway.acme.example\"]").await;
    let address = running.addresses[0];
    let status = async |client: Client| {
        client.tell(address, "pay.example", request()).await.map(|told| (told.status, told.body))
    };
    let refusal = |status: u16| Some((status, "refused\n".to_owned()));

    assert_eq!(status(Client::of(&authority)).await, refusal(401), "without a certificate");
    assert_eq!(refused(&running, "credentials_missing"), Some(1.0));
    assert_eq!(status(Client::with(&authority, "other")).await, refusal(401), "another's");
    assert_eq!(status(Client::with(&authority, "server")).await, refusal(401), "for another use");
    let strange = Client::with(&stranger, "gateway").trusting(&authority);
    assert_eq!(status(strange).await, refusal(401), "another authority's");
    assert_eq!(refused(&running, "certificate_rejected"), Some(3.0));
    assert!(stub.got().is_empty());

    let genuine = Client::with(&authority, "gateway");
    assert_eq!(status(genuine.clone()).await.map(|(status, _)| status), Some(200));
    assert_eq!(stub.got().len(), 1);
    assert!(stub.got()[0].body.contains(r#""strength":"strong""#), "{}", stub.got()[0].body);

    // The connection is older than the end of the certificate: each request is judged anew.
    let mut line = Peer::to(&genuine, address).await;
    let mut head = http2::pseudo("POST", "/acme/");
    head.extend(http2::fields(&[("content-type", "application/json")]));
    for (stream, late, want) in [(1, 0, 200), (3, 3 * DAY, 0)] {
        set_clock(now() + late);
        line.send(&http2::frame(http2::HEADERS, http2::END_HEADERS, stream, &head)).await;
        line.send(&http2::frame(http2::DATA, http2::END_STREAM, stream, BODY.as_bytes())).await;
        assert_eq!(line.end(stream).await, http2::End::Answered(want), "{late}");
    }
    assert_eq!(refused(&running, "certificate_rejected"), Some(4.0));
}

#[tokio::test]
async fn curl_is_believed_by_its_certificate_and_a_key_of_another_is_not() {
    let authority = authority();
    let (stub, _folder, running) = shop(&authority, "[\"uri:spiffe://acme.example/sender\"]").await;
    let address = running.addresses[0];
    let url = format!("https://pay.example:{}/acme/", address.port());
    let at = |file: &str| authority.at(file).display().to_string();
    for version in ["1.2", "1.3"] {
        let (cert, key) = (at("gateway.pem"), at("gateway.key"));
        let tls = format!("--tlsv{version}");
        let arguments = [
            "--cert",
            &cert,
            "--key",
            &key,
            &tls,
            "--tls-max",
            version,
            "-H",
            "content-type: application/json",
            "-d",
            BODY,
            "-w",
            " %{http_code}",
            &url,
        ];
        let (well, said) = curl_at(address, authority.at("ca.pem"), &arguments).await;
        assert!(well && said.ends_with(" 200"), "{version}: {said}");
    }
    assert_eq!(stub.got().len(), 2);

    // By the certificate of the gateway without its key there is no connection.
    let thief = Client::with_key_of(&authority, "gateway", "other");
    assert!(thief.tell(address, "pay.example", request()).await.is_none());
    assert_eq!(stub.got().len(), 2);
    let failed = series(&running, "countersign_tls_handshakes_total{outcome=\"failed\"}");
    assert_eq!(failed, Some(1.0));
}

#[tokio::test]
async fn a_rule_by_certificate_needs_a_listener_that_asks() {
    let authority = authority();
    let stub = Stub::start(&[OK]).await;
    let folder = prepared(&authority, &stub, "[\"cn:gateway\"]", "tls: true");
    let mut loader = Loader::new(folder.at("countersign.yaml"), Sources::of_process());
    let failure = loader.load().err().expect("nobody asks");
    let said: String = failure.reports.iter().map(Report::render).collect();
    assert!(
        said.contains("`acme` knows its senders by certificates, and no listener asks"),
        "{said}"
    );
}

#[tokio::test]
async fn a_ticket_brings_back_the_certificate_that_was_shown() {
    let authority = authority();
    let (stub, _folder, running) = shop(&authority, "[\"cn:gateway\"]").await;
    let mut client = Client::with(&authority, "gateway");
    client.0.resumption = rustls::client::Resumption::default();
    for n in 1..=3 {
        let told = client.tell(running.addresses[0], "pay.example", request()).await.unwrap();
        assert_eq!((told.status, stub.got().len()), (200, n), "{told:?}");
    }
}

#[tokio::test]
async fn a_capture_without_its_certificate_is_undecided_and_verify_is_given_one() {
    let authority = authority();
    let stub = Stub::start(&[OK]).await;
    let asks = "tls: true, client_certificates: ask";
    let folder = prepared(&authority, &stub, "[\"cn:gateway\"]", asks);
    let text = folder.read("countersign.yaml");
    folder.write("countersign.yaml", text.replace("rules:", "store: { path: state }\nrules:"));
    let running = open(&folder).await;
    let client = Client::of(&authority);
    let told = client.tell(running.addresses[0], "pay.example", request()).await.unwrap();
    assert_eq!(told.status, 401);
    assert!(running.drain().await);
    let countersign = async |arguments: &[&str]| {
        let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        run(env!("CARGO_BIN_EXE_countersign"), arguments).await
    };
    let at = |file: &str| folder.at(file).display().to_string();
    let config = at("countersign.yaml");
    let (_, said) = countersign(&["captures", "rejudge", "--config", &config, "--json"]).await;
    assert!(said.contains("certificate_not_kept"), "{said}");

    folder.write("capture.http", request());
    folder.write("gateway.pem", authority.read("gateway.pem"));
    let (rule, capture, gateway) = (at("rules/acme.yaml"), at("capture.http"), at("gateway.pem"));
    let root = format!("authority=@{}", at("ca.pem"));
    let usual =
        ["verify", &rule, "--request", &capture, "--param", &root, "--param", "senders=cn:gateway"];
    let (well, said) = countersign(&usual).await;
    assert!(
        !well && said.contains("rejected: credentials_missing (at client_certificate)"),
        "{said}"
    );
    let shown = ["--client-certificate", &gateway];
    let (well, said) = countersign(&[&usual[..], &shown].concat()).await;
    assert!(well && said.contains("accepted"), "{said}");
}
