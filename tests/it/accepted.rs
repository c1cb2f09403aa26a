//! Genuine callbacks of the four gateways, over the socket to an upstream that records: what it
//! gets, and what the gateway is told.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign::engine::params::{ParamKind, Params};
use countersign::engine::secret::Secret;
use countersign::rule::example::Expect;
use countersign::rule::sign::{SignError, readdress, sign};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::Sha256;

use crate::support::cases::{own, rule};
use crate::support::counts::Counts;
use crate::support::gateways::{GATEWAYS, genuine};
use crate::support::shop::*;
use crate::support::wire::Callback;
use crate::support::*;

/// What was forwarded is a canonical event, is written canonically, and is signed; the event.
#[track_caller]
fn canonical_event(got: &Got) -> Value {
    assert_eq!(got.line, "POST /billing/payment/canonical/ HTTP/1.1");
    let names: Vec<_> = got.headers.iter().map(|(name, _)| name.as_str()).collect();
    let wanted = "content-length content-type host idempotency-key webhook-id webhook-signature \
                  webhook-timestamp";
    assert_eq!(names.join(" "), wanted);
    assert_eq!(got.header("content-type"), Some("application/json"));
    let event: Value = serde_json::from_str(&got.body).unwrap();
    let schema = include_str!("../../src/engine/event.schema.json");
    let schema = jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap();
    let faults: Vec<_> = schema.iter_errors(&event).map(|fault| fault.to_string()).collect();
    assert!(faults.is_empty(), "{faults:?}\n{}", got.body);
    assert_eq!(rfc8785(&event), got.body);
    let id = got.header("webhook-id").unwrap();
    assert_eq!((event["id"].as_str(), got.header("idempotency-key")), (Some(id), Some(id)));
    let time = got.header("webhook-timestamp").unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(WEBHOOK_KEY).unwrap();
    mac.update(format!("{id}.{time}.{}", got.body).as_bytes());
    let signature = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    assert_eq!(got.header("webhook-signature"), Some(signature.as_str()));
    event
}

/// RFC 8785 of what holds no numbers: those would have to be rounded.
fn rfc8785(value: &Value) -> String {
    match value {
        Value::Number(number) => panic!("{number} is a number"),
        Value::Array(items) => {
            format!("[{}]", items.iter().map(rfc8785).collect::<Vec<_>>().join(","))
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by_key(|(name, _)| name.encode_utf16().collect::<Vec<_>>());
            let members = members
                .iter()
                .map(|(name, value)| format!("{}:{}", Value::from(name.as_str()), rfc8785(value)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(","))
        }
        Value::Null | Value::Bool(_) | Value::String(_) => value.to_string(),
    }
}

/// What a gateway is told that gets no words of its own.
const NOTHING: (&str, Option<&str>) = ("", None);

#[track_caller]
fn replied(told: &Told, expect: &Value) {
    let (body, media_type) = match expect["body"].as_str() {
        Some(body) => (body, expect["content_type"].as_str()),
        None => NOTHING,
    };
    assert_eq!((told.status, told.body.as_str()), (200, body), "{told:?}");
    match media_type {
        Some(media_type) => assert!(told.has(&format!("content-type: {media_type}")), "{told:?}"),
        None => assert!(!told.head.to_lowercase().contains("content-type"), "{told:?}"),
    }
}

#[tokio::test]
async fn every_accepted_vector_becomes_one_signed_canonical_event() {
    let stub = Stub::start(&[OK]).await;
    let cases = own("accept");
    let folder = folder("");
    let routes: Vec<_> = cases.iter().map(|case| case.route(&folder)).collect();
    folder.write("countersign.yaml", config(&format!("http://{}", stub.address), &routes));
    let running = open(&folder).await;
    for (n, case) in cases.iter().enumerate() {
        set_clock(case.now.unwrap_or(NOW));
        let before = Counts::of(&running);
        let bytes = case.callback.once(&format!("/{}/", case.name));
        let told = tell(running.addresses[0], bytes).await.unwrap();
        assert_eq!(told.status, 200, "{}: {told:?}", case.name);
        replied(&told, &case.expect["reply"]);
        assert_eq!(stub.got().len(), n + 1, "{}", case.name);
        let event = canonical_event(&stub.got()[n]);
        for (fact, value) in case.expect["event"].as_object().unwrap() {
            assert_eq!(event[fact], *value, "{}: {fact}", case.name);
        }
        let counted = Counts::of(&running).callbacks_since(&before);
        let wanted = counts::ended([&case.gateway, "accepted", "ok", &case.name]);
        assert_eq!(counted, [(wanted, 1)]);
    }
}

/// The shop's own secret instead of the made-up one of an example.
fn rekeyed(gateway: &str, params: &Params) -> Params {
    let mut own = params.clone();
    for spec in rule(gateway).params() {
        if spec.kind == ParamKind::Secret && !params.values(&spec.name).is_empty() {
            own.set(&spec.name, vec![Secret::from("whsec_the shop's own secret")]);
        }
    }
    own
}

#[tokio::test]
async fn every_example_signed_anew_for_this_shop_is_accepted() {
    let mut signed = Vec::new();
    let folder = folder("");
    folder.write("secrets/own", "whsec_the shop's own secret");
    for gateway in GATEWAYS {
        let rule = rule(gateway);
        for (n, example) in rule.examples().iter().enumerate() {
            let Expect::Accept(..) = &example.expect else { continue };
            let params = rekeyed(gateway, &example.params);
            let (old, new) = (rule.bind(&example.params).ok(), rule.bind(&params).ok());
            let (old, new) = (old.unwrap(), new.unwrap());
            let mut request = example.request.clone();
            readdress(rule.compiled(), &mut request, (&old, &example.params), (&new, &params));
            match sign(&new, &mut request, Some(NOW)) {
                Ok(()) => {}
                // Of an RSA signature only the gateway has the key.
                Err(SignError::OnlyTheGateway) => continue,
                Err(error) => panic!("{gateway}: {}: {error}", example.name),
            }
            let yaml = rule.params().iter().filter(|spec| !params.values(&spec.name).is_empty());
            let yaml = yaml.map(|spec| {
                let values = params.values(&spec.name).iter().map(|value| match spec.kind {
                    ParamKind::Secret => "\"file:secrets/own\"".to_owned(),
                    _ => Value::from(std::str::from_utf8(value.expose()).unwrap()).to_string(),
                });
                let values = values.collect::<Vec<_>>().join(", ");
                format!("{}: {}", spec.name, if spec.list { format!("[{values}]") } else { values })
            });
            let params = format!("{{ {} }}", yaml.collect::<Vec<_>>().join(", "));
            let route = Wired { name: format!("{gateway}-{n}"), params, ..Wired::usual(gateway) };
            signed.push((route, Callback::of(&request)));
        }
    }
    let gateways: std::collections::BTreeSet<_> =
        signed.iter().map(|(route, _)| route.gateway.as_str()).collect();
    assert_eq!(gateways.into_iter().collect::<Vec<_>>(), GATEWAYS, "each signs something");
    let stub = Stub::start(&[OK]).await;
    let routes: Vec<_> = signed.iter().map(|(route, _)| route.clone()).collect();
    folder.write("countersign.yaml", config(&format!("http://{}", stub.address), &routes));
    let running = open(&folder).await;
    for (n, (route, callback)) in signed.iter().enumerate() {
        let told = tell(running.addresses[0], callback.once(&format!("/{}/", route.name))).await;
        let told = told.unwrap();
        assert_eq!(told.status, 200, "{}: {told:?}", route.name);
        assert_eq!(canonical_event(&stub.got()[n])["gateway"], *route.gateway);
    }
}

#[tokio::test]
async fn the_same_callback_has_the_same_id_at_any_time_and_another_has_another() {
    let stub = Stub::start(&[OK]).await;
    let (_folder, running) = usual(stub.address).await;
    for gateway in GATEWAYS {
        let sent = stub.got().len();
        for (n, now) in [(1, NOW), (1, NOW + 60), (2, NOW + 60)] {
            set_clock(now);
            let bytes = genuine(gateway, n).once(&format!("/{gateway}/"));
            let told = tell(running.addresses[0], bytes).await.unwrap();
            assert_eq!(told.status, 200, "{gateway}: {told:?}");
        }
        let got = &stub.got()[sent..];
        let events: Vec<_> = got.iter().map(canonical_event).collect();
        assert_eq!(events[0]["id"], events[1]["id"], "{gateway}");
        assert_ne!(events[0]["received_at"], events[1]["received_at"], "{gateway}");
        assert_ne!(events[0]["id"], events[2]["id"], "{gateway}");
        assert_eq!(events[2]["order_id"], "order-2", "{gateway}");
        assert_eq!(
            (&events[2]["credit"], &events[2]["status"]),
            (&true.into(), &"succeeded".into())
        );
    }
}

#[tokio::test]
async fn gateways_get_the_answer_that_they_wait_for() {
    let stub = Stub::start(&[Act::Say(
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 10\r\n\r\n<p>hello\r\n",
    )])
    .await;
    let (_folder, running) = usual(stub.address).await;
    for gateway in GATEWAYS {
        let bytes = genuine(gateway, 1).once(&format!("/{gateway}/"));
        let told = tell(running.addresses[0], bytes).await.unwrap();
        let (body, media_type) = match gateway {
            "paysera" => ("OK", Some("text/plain")),
            _ => NOTHING,
        };
        replied(&told, &serde_json::json!({ "body": body, "content_type": media_type }));
    }
}

#[tokio::test]
async fn an_original_arrives_byte_for_byte_with_the_headers_of_its_list() {
    let stub = Stub::start(&[OK]).await;
    let forward = "{ as: original, headers: [stripe-signature, x-request-id] }";
    let routes: Vec<_> = usual_routes()
        .into_iter()
        .map(|route| Wired { forward: forward.into(), ..route })
        .collect();
    let folder = folder(&config(&format!("http://{}", stub.address), &routes));
    let running = open(&folder).await;
    for (n, gateway) in GATEWAYS.into_iter().enumerate() {
        let mut callback = genuine(gateway, 1)
            .with("X-Request-Id", "r-1")
            .with("Cookie", "a=b")
            .with("X-Forwarded-For", "10.0.0.1")
            .with("Authorization", "Basic eDp5")
            .with("Webhook-Signature", "v1,forged")
            .with("X-Countersign-Verified", "1");
        if gateway == "liqpay" {
            // Raw where it may be, escaped where it need not be: no other writer does it so.
            let body = String::from_utf8(callback.body).unwrap();
            callback.body = body.replace("%3D", "=").replacen('e', "%65", 2).into_bytes();
        }
        let bytes = callback.once(&format!("/{gateway}/"));
        let told = tell(running.addresses[0], bytes).await.unwrap();
        assert_eq!(told.status, 200, "{gateway}: {told:?}");
        assert_eq!(told.body, if gateway == "paysera" { "OK" } else { "" });
        let got = &stub.got()[n];
        let target = format!("/{gateway}/{}", callback.query);
        assert_eq!(got.line, format!("{} {target} HTTP/1.1", callback.method));
        assert_eq!(got.body.as_bytes(), callback.body, "{gateway}");
        let names: Vec<_> = got.headers.iter().map(|(name, _)| name.as_str()).collect();
        let wanted: &[_] = match gateway {
            "paysera" => &["host", "x-request-id"],
            "stripe" => {
                &["content-length", "content-type", "host", "stripe-signature", "x-request-id"]
            }
            _ => &["content-length", "content-type", "host", "x-request-id"],
        };
        assert_eq!(names, wanted, "{gateway}");
    }
}
