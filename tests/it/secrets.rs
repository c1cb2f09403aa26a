//! Canaries: secrets, signatures and a card number go in by every way there is. Nothing that the
//! daemon writes may hold them: log, output, metrics, events.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign::config::Target;
use serde_json::Value;

use crate::support::child::Daemon;
use crate::support::gateways::*;
use crate::support::shop::*;
use crate::support::wire::Callback;
use crate::support::*;

const CARD: &str = "4111111111111111";

/// Written into the configuration by mistake.
const LITERAL: &str = "canary-literal-secret-in-yaml-44c1";

/// What a terminal or a log reader may stumble over: line breaks, colours, text from right to left.
const NASTY: &str = "a\r\n{\"level\":\"FORGED\"}\u{1b}[31m\u{202e}\u{7f}\u{2028}";

struct Out {
    canonical: Stub,
    legacy: Stub,
    daemon: Daemon,
    folder: Folder,
}

/// A daemon with a route of every kind for each gateway: to an upstream that takes events, to one
/// that is not there, to its own output, and observing.
async fn started() -> Out {
    let (canonical, legacy) = (Stub::start(&[OK]).await, Stub::start(&[OK]).await);
    let Target::Http(nobody) = nobody() else { panic!("an address") };
    let folder = folder(&config_of(&canonical, &legacy, &nobody));
    let daemon = Daemon::start(&folder).await;
    Out { canonical, legacy, daemon, folder }
}

fn config_of(canonical: &Stub, legacy: &Stub, nobody: &str) -> String {
    let mut routes = Vec::new();
    for route in timeless_routes() {
        for (kind, upstream, mode) in [
            ("", "smarty", "enforce"),
            ("-lost", "nobody", "enforce"),
            ("-print", "printer", "enforce"),
            ("-watch", "legacy", "observe"),
        ] {
            let name = format!("{}{kind}", route.name);
            let forward = match mode {
                "observe" => "{ as: original, headers: [x-card] }".to_owned(),
                _ => route.forward.clone(),
            };
            routes.push(Wired { name, forward, mode, upstream, ..route.clone() });
        }
    }
    let more = format!(
        "upstreams:\n  legacy: {{ url: \"http://{}\" }}\n  printer: {{ print: events }}\n  \
         nobody: {{ url: \"{nobody}\", secret: \"file:secrets/upstream\" }}\n",
        legacy.address
    );
    config(&format!("http://{}", canonical.address), &routes).replace("upstreams:\n", &more)
}

const KINDS: [&str; 4] = ["", "-lost", "-print", "-watch"];

/// The card number where a proof covers it and where none does, in every part of a request.
fn callbacks(secrets: bool) -> Vec<(&'static str, Callback)> {
    let by = |gateway| if secrets { secret(gateway).1 } else { "whsec_not the secret" };
    let text = format!("{NASTY} {CARD}");
    let json = serde_json::json!({
        "id": "evt_card", "created": NOW, "livemode": true, "type": "payment_intent.succeeded",
        "data": {"object": {
            "id": "pi_card", "amount": 1000, "amount_received": 1000, "currency": "eur",
            "description": text, "number": 4_111_111_111_111_111_u64,
            "metadata": {"order_id": "order-card", "list": [CARD, {"deep": CARD}]},
        }},
    });
    let mut smartexpay = smartexpay(by("smartexpay"), 1);
    smartexpay.body.extend(b"&");
    smartexpay.body.extend(form(&[("card", CARD), (NASTY, NASTY)]).into_bytes());
    let mut callbacks = vec![
        ("liqpay", liqpay(by("liqpay"), 1, &text)),
        ("paysera", paysera(by("paysera"), 1, &text)),
        ("smartexpay", smartexpay),
        ("stripe", stripe_signed(by("stripe"), &json.to_string())),
    ];
    for (_, callback) in &mut callbacks {
        let sign = if callback.query.is_empty() { "?" } else { "&" };
        callback.query += &format!("{sign}{}", form(&[("pan", CARD), ("q", NASTY)]));
        callback.headers.push(("x-card".into(), CARD.into()));
        callback.headers.push(("x-turned".into(), "\u{202e}".into()));
    }
    callbacks
}

/// What was sent as a signature, as it stands in the request.
fn signature(gateway: &str, callback: &Callback) -> String {
    let body = String::from_utf8_lossy(&callback.body).into_owned();
    let field = |text: &str, name: &str| {
        let value = text.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}=")));
        value.unwrap().replace("%3D", "=").replace("%2B", "+").replace("%2F", "/")
    };
    match gateway {
        "liqpay" => field(&body, "signature"),
        "paysera" => field(&callback.query[1..], "ss1"),
        "smartexpay" => field(&body, "hash"),
        "stripe" => {
            let (_, value) = &callback.headers[1];
            let value = std::str::from_utf8(value).unwrap();
            value.split_once("v1=").unwrap().1.to_owned()
        }
        other => panic!("no such gateway: {other}"),
    }
}

#[track_caller]
fn no_canary_in(what: &str, text: &str, canaries: &[String]) {
    for canary in canaries {
        assert!(!text.contains(canary.as_str()), "{what} holds {canary}:\n{text}");
    }
}

#[tokio::test]
async fn nothing_that_the_daemon_writes_holds_a_secret_a_signature_or_a_card_number() {
    let out = started().await;
    let mut canaries: Vec<_> =
        GATEWAYS.iter().map(|gateway| secret(gateway).1.to_owned()).collect();
    canaries.extend([WEBHOOK_SECRET, &WEBHOOK_SECRET[6..], CARD, LITERAL].map(str::to_owned));
    canaries.push(String::from_utf8(WEBHOOK_KEY.to_vec()).unwrap());
    canaries.push(STANDARD.encode(CARD));
    for genuine in [true, false] {
        for (gateway, callback) in callbacks(genuine) {
            canaries.push(signature(gateway, &callback));
            for kind in KINDS {
                let bytes = callback.once(&format!("/{gateway}{kind}/"));
                let told = tell(out.daemon.address, bytes).await.unwrap();
                let status = match (kind, genuine) {
                    ("-watch", _) | ("" | "-print", true) => 200,
                    ("-lost", true) => 502,
                    _ => 401,
                };
                assert_eq!(told.status, status, "{gateway}{kind} {genuine}: {told:?}");
                if kind != "-watch" {
                    no_canary_in("the answer", &told.body, &canaries);
                }
            }
        }
    }
    let nowhere = genuine("stripe", 1).once(&format!("/{CARD}/{STRIPE_SECRET}"));
    assert_eq!(tell(out.daemon.address, nowhere).await.unwrap().status, 404);
    // A reload that fails where a secret stands: its excerpt must not show it.
    let good = out.folder.read("countersign.yaml");
    for secret in [LITERAL, STRIPE_SECRET] {
        let bad = good.replace("\"file:secrets/stripe\"", &format!("\"{secret}\""));
        let failures = failures(&out.daemon);
        out.folder.replace("countersign.yaml", bad);
        eventually("the reload fails", async || self::failures(&out.daemon) > failures).await;
        out.folder.replace("countersign.yaml", format!("{good}\n  - {secret}: [\n"));
        out.daemon.process.signal("HUP");
        eventually("the reload fails", async || self::failures(&out.daemon) > failures + 1).await;
    }
    let legacy = out.legacy.got();
    assert_eq!(legacy.len(), 8, "originals arrive as they were sent");
    assert!(legacy.iter().all(|got| got.header("x-card") == Some(CARD)));
    let events = out.canonical.got();
    assert_eq!(events.len(), 4);
    let masked = events.iter().filter(|got| got.body.contains("411111******1111")).count();
    assert_eq!(masked, 3, "masked where a proof covers it");
    for got in &events {
        no_canary_in("an event", &format!("{}{:?}", got.body, got.headers), &canaries);
    }
    let ask = |path| format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    for path in ["/metrics", "/readyz", "/livez"] {
        let told = tell(out.daemon.admin, ask(path)).await.unwrap();
        assert_eq!(told.status, 200);
        no_canary_in(path, &told.body, &canaries);
    }
    eventually("events are printed", async || out.daemon.stdout.text().lines().count() == 4).await;
    no_canary_in("the output", &out.daemon.stdout.text(), &canaries);
    eventually("it has logged", async || out.daemon.stderr.text().lines().count() > 30).await;
    no_canary_in("the log", &out.daemon.stderr.text(), &canaries);
}

fn failures(daemon: &Daemon) -> usize {
    daemon.stderr.text().matches("was not reloaded").count()
}

#[tokio::test]
async fn every_line_of_the_log_is_one_object_whatever_senders_write() {
    let out = started().await;
    let mut sent = 0;
    for (gateway, callback) in callbacks(true).into_iter().chain(callbacks(false)) {
        for kind in KINDS {
            let bytes = callback.once(&format!("/{gateway}{kind}/"));
            assert!(tell(out.daemon.address, bytes).await.is_some());
            sent += 1;
        }
    }
    let twice = form(&[(NASTY, "1"), (NASTY, "2"), ("data", NASTY), ("signature", NASTY)]);
    let nasty = form(&[(NASTY, "")]);
    for (path, callback) in [
        ("/liqpay/", Callback::post(wire::FORM, twice)),
        ("/smartexpay/", Callback::post(wire::FORM, nasty.clone())),
        (
            "/stripe/",
            Callback::post("application/json", NASTY).with("stripe-signature", "t=\u{202e}"),
        ),
        ("/stripe/", Callback::post("\u{202e}/json", NASTY)),
        ("/%0d%0a%1b%5b31m%e2%80%ae/", Callback::post(wire::FORM, "")),
        ("/stripe/", Callback { method: "M\u{21}".into(), ..Callback::post(wire::FORM, "") }),
    ] {
        let told = tell(out.daemon.address, callback.once(path)).await.unwrap();
        assert!((400..500).contains(&told.status), "{told:?}");
        sent += 1;
    }
    // What is no HTTP gets no line of its own; it must not break others either.
    let raw = "POST /stripe/ HTTP/1.1\r\nHost: a\r\nX: \u{1b}[31m\r\n\r\n";
    tell(out.daemon.address, raw).await;
    let lines = || {
        let log = out.daemon.stderr.text();
        log.lines().filter(|line| line.contains("countersign::callback")).count()
    };
    eventually("every line is there", async || lines() >= sent).await;
    let log = out.daemon.stderr.text();
    for line in log.lines() {
        let object: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line:?}"));
        assert!(object.is_object(), "{line:?}");
        assert_ne!(object["level"], "FORGED");
        let odd = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2028}');
        assert!(!line.contains(odd), "{line:?}");
        let texts = object.as_object().unwrap().values().filter_map(Value::as_str);
        // Problems of rules have several lines; nothing else of what is logged comes from people.
        assert!(!texts.clone().any(|text| text.contains('\u{1b}')), "{line:?}");
    }
    assert_eq!(log.lines().filter(|line| line.contains("FORGED")).count(), 0);
}
