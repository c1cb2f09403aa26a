//! The operators' API: who may ask, what is understood, what is done and written down.

use std::collections::BTreeMap;

use bytes::Bytes;
use countersign::store::{Form, Intake, Message, Settled, Settlement, Store};
use serde_json::{Value, json};

use crate::support::gateways::{STRIPE_SECRET, forged, genuine};
use crate::support::operate::*;
use crate::support::outbox::{SHOP, deposit, paid, queue};
use crate::support::shop::Wired;
use crate::support::*;

fn routes() -> [Wired; 1] {
    [Wired::usual("stripe")]
}

/// Three that wait, one that is dead, one that is held; of an upstream that nobody serves.
async fn filled() -> Office {
    let office = Office::open(&routes()).await;
    fill(office.store()).await;
    office
}

pub(crate) async fn fill(store: &dyn Store) {
    for name in ["dead", "a", "b", "c"] {
        queue(store, paid(name)).await;
    }
    let parcel = store.claim(SHOP, 1, NOW, NOW + 60).await.unwrap().parcels.remove(0);
    let dead = Settlement::Dead { why: "upstream_refused" };
    assert_eq!(store.settle(parcel.ticket, dead, NOW).await, Ok(Settled::Done));
    let mut other = paid("a");
    other.amount.as_mut().unwrap().value = "99.50".into();
    store.admit(vec![deposit(other)], Intake::Queue, NOW).await.unwrap();
}

fn states(answer: &Value) -> Vec<&str> {
    answer["events"].as_array().unwrap().iter().map(|e| e["state"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn only_the_token_opens_the_api_and_only_at_a_plain_address() {
    let office = Office::open(&routes()).await;
    let bearer = |token: &str| format!("Authorization: Bearer {token}\r\n");
    let right = bearer(TOKEN);
    for (host, authorization, want) in [
        ("127.0.0.1", right.clone(), 200),
        ("localhost", right.clone(), 200),
        ("LOCALHOST:9464", right.clone(), 200),
        ("[::1]:9464", right.clone(), 200),
        ("10.1.2.3", right.clone(), 200),
        ("127.0.0.1", format!("Authorization: bearer {TOKEN}\r\n"), 200),
        ("127.0.0.1", String::new(), 401),
        ("127.0.0.1", bearer(""), 401),
        ("127.0.0.1", bearer("wrong"), 401),
        ("127.0.0.1", bearer(&TOKEN[1..]), 401),
        ("127.0.0.1", bearer(&format!("{TOKEN}x")), 401),
        ("127.0.0.1", format!("Authorization: Basic {TOKEN}\r\n"), 401),
        ("127.0.0.1", format!("Authorization: {TOKEN}\r\n"), 401),
        ("127.0.0.1", format!("{right}{right}"), 401),
        ("127.0.0.1", format!("Cookie: token={TOKEN}\r\n"), 401),
        ("evil.example", right.clone(), 403),
        ("evil.example:9464", right.clone(), 403),
        ("127.0.0.1.evil.example", right.clone(), 403),
        ("localhost.evil.example", right.clone(), 403),
    ] {
        let headers = format!("Host: {host}\r\n{authorization}");
        let ask = asking_with("GET", "/v1/totals", &headers, "");
        let told = tell(office.admin, ask).await.unwrap();
        assert_eq!(told.status, want, "{host} {authorization}: {told:?}");
        let answer = serde_json::from_str(&told.body).unwrap();
        hold("GET", "/v1/totals", told.status, &answer);
        assert!(told.has("cache-control: no-store"), "{told:?}");
    }
    for host in ["", "127.0.0.1\r\nHost: evil.example"] {
        let ask = asking_with("GET", "/v1/totals", &format!("Host: {host}\r\n{right}"), "");
        assert_eq!(tell(office.admin, ask).await.unwrap().status, 400, "{host:?} is no host");
    }
    for path in ["/metrics", "/livez", "/readyz", "/openapi.json"] {
        let ask = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        assert_eq!(tell(office.admin, ask).await.unwrap().status, 200, "{path} stays open");
    }
}

#[tokio::test]
async fn without_a_token_the_api_is_shut_and_says_how_to_open_it() {
    let mut office = Office::closed(&routes()).await;
    for (text, why) in [
        ("short", "it is not 16 or more plain characters"),
        ("", "is empty"),
        ("with a space in its middle", "plain characters"),
    ] {
        office.folder.write("secrets/token", text);
        office.start().await;
        let (status, answer) = office.get("/v1/events").await;
        assert_eq!(status, 403, "{answer}");
        assert!(answer["error"].as_str().unwrap().contains(why), "{answer}");
        assert!(answer["hint"].as_str().unwrap().contains("token: file:PATH"), "{answer}");
        office.stop().await;
    }
    let config = office.folder.read("countersign.yaml");
    let config = config.replace(", token: \"file:secrets/token\"", "");
    office.folder.write("countersign.yaml", config);
    office.start().await;
    let (status, answer) = office.get("/v1/events").await;
    assert_eq!(
        (status, &answer["error"]),
        (403, &json!("the API is shut: no `token` is configured"))
    );
}

#[tokio::test]
async fn without_a_store_there_is_nothing_to_ask_for() {
    let mut office = Office::closed(&routes()).await;
    let config = office.folder.read("countersign.yaml");
    let start = config.find("store:").unwrap();
    let end = start + config[start..].find('\n').unwrap() + 1;
    office.folder.write("countersign.yaml", format!("{}{}", &config[..start], &config[end..]));
    office.start().await;
    let (status, answer) = office.get("/v1/events").await;
    assert_eq!(status, 404);
    assert!(answer["hint"].as_str().unwrap().contains("store: { path: state }"), "{answer}");
}

#[tokio::test]
async fn what_is_not_known_is_refused_and_what_is_known_is_named() {
    let office = filled().await;
    for (target, says) in [
        ("/v1/events?gatewya=x", "unknown parameter `gatewya`"),
        ("/v1/events?gateway=x&gateway=y", "`gateway` is there twice"),
        ("/v1/events?state=lost", "`state` is not `lost`"),
        ("/v1/events?status=paid", "`status` is not `paid`"),
        ("/v1/events?since=yesterday", "`since` is not a time"),
        ("/v1/events?since=-5", "`since` is not a time"),
        ("/v1/events?limit=0", "`limit` is out of range"),
        ("/v1/events?limit=1001", "`limit` is out of range"),
        ("/v1/events?limit=many", "`limit` is not a number"),
        ("/v1/events?before=1&after=2", "`before` and `after`"),
        ("/v1/events?gateway=%zz", "cannot be read"),
        ("/v1/events/sums?limit=3", "unknown parameter `limit`"),
        ("/v1/events/1?x=y", "unknown parameter `x`"),
        ("/v1/captures?why=x", "unknown parameter `why`"),
        ("/v1/captures?after=1", "unknown parameter `after`"),
        ("/v1/captures/1?x", "unknown parameter `x`"),
        ("/v1/captures/rejudge?x", "unknown parameter `x`"),
        ("/v1/totals?x", "unknown parameter `x`"),
        ("/v1/audit?since=1", "unknown parameter `since`"),
    ] {
        let (status, answer) = office.get(target).await;
        assert_eq!(status, 400, "{target}: {answer}");
        assert!(answer["error"].as_str().unwrap().contains(says), "{target}: {answer}");
        assert!(!answer["hint"].as_str().unwrap().is_empty());
    }
    let hint = office.get("/v1/audit?x").await.1["hint"].clone();
    assert_eq!(hint, "there are limit");
    for (target, body) in [
        ("/v1/events/retry", json!({})),
        ("/v1/events/retry", json!({ "seqs": [] })),
        ("/v1/events/retry", json!({ "seqs": [1], "force": true })),
        ("/v1/events/retry", json!({ "seqs": ["1"] })),
        ("/v1/events/retry", json!({ "seqs": [1], "why": "x" })),
        ("/v1/events/retry", json!({ "filter": {} })),
        ("/v1/events/retry", json!({ "seqs": [1], "filter": {}, "expect": 1 })),
        ("/v1/events/retry", json!({ "filter": { "sate": "dead" }, "expect": 1 })),
        ("/v1/events/retry?all", json!({ "seqs": [1] })),
        ("/v1/events/drop", json!({ "seqs": [1] })),
        ("/v1/events/drop", json!({ "seqs": [1], "why": "  " })),
        ("/v1/captures/rejudge", json!({ "relaese": true })),
        ("/v1/captures/rejudge", json!({ "release": "yes" })),
        ("/v1/captures/rejudge", json!({ "filter": { "since": "soon" } })),
        ("/v1/captures/rejudge", json!([])),
        ("/v1/captures/rejudge", json!({ "filter": [] })),
        ("/v1/captures/rejudge", json!({ "filter": { "gateway": 1 } })),
    ] {
        let (status, answer) = office.post(target, &body).await;
        assert_eq!(status, 400, "{target} {body}: {answer}");
    }
    for (method, target, want) in [
        ("GET", "/v1/", 404),
        ("GET", "/v1/nothing", 404),
        ("GET", "/v1/events/x", 404),
        ("GET", "/v1/events/999", 404),
        ("GET", "/v1/captures/999", 404),
        ("GET", "/v1/events/99999999999999999999", 404),
        ("GET", "/v1/events/1/message", 404),
        ("POST", "/v1/events", 405),
        ("GET", "/v1/events/drop", 405),
        ("DELETE", "/v1/events/1", 405),
        ("POST", "/v1/totals", 405),
    ] {
        let told = tell(office.admin, asking(method, target, "")).await.unwrap();
        assert_eq!(told.status, want, "{method} {target}: {told:?}");
        assert!(told.body.contains("\"hint\""), "{told:?}");
    }
    let twice = asking("POST", "/v1/events/retry", r#"{"seqs":[1],"seqs":[2]}"#);
    assert_eq!(tell(office.admin, twice).await.unwrap().status, 400);
    let plain = asking("POST", "/v1/events/retry", "{}").replace("application/json", "text/plain");
    assert_eq!(tell(office.admin, plain).await.unwrap().status, 415);
    let long = asking("POST", "/v1/events/retry", &" ".repeat(api_body_max() + 1));
    assert_eq!(tell(office.admin, long).await.unwrap().status, 413);
    assert!(
        office.well("GET", "/v1/audit", &Value::Null).await["acts"].as_array().unwrap().is_empty()
    );
}

fn api_body_max() -> usize {
    countersign::admin::api::BODY_BYTES_MAX
}

#[tokio::test]
async fn events_are_found_by_what_they_say_and_page_by_page() {
    let office = filled().await;
    let all = office.well("GET", "/v1/events", &Value::Null).await;
    assert_eq!(states(&all), ["held", "waiting", "waiting", "waiting", "dead"]);
    assert_eq!(all["next"], Value::Null);
    let held = &all["events"][0];
    assert_eq!(held["equivocation"], true);
    assert_eq!(held["amount"], json!({ "value": "99.50", "currency": "EUR" }));
    for (query, want) in [
        ("state=dead", 1),
        ("state=delivered", 0),
        ("why=upstream_refused", 1),
        ("gateway=acme", 5),
        ("gateway=other", 0),
        ("route=route&status=succeeded", 5),
        ("status=failed", 0),
        ("payment=order-a", 2),
        ("payment=transaction-b", 1),
        ("since=2023-11-14T22:13:20Z", 5),
        ("since=2023-11-15", 0),
        ("until=1700000000", 0),
        ("until=2023-11-14T22:13:21Z", 5),
    ] {
        let found = office.well("GET", &format!("/v1/events?{query}"), &Value::Null).await;
        assert_eq!(states(&found).len(), want, "{query}");
    }
    let mut seqs = Vec::new();
    let mut target = "/v1/events?limit=2".to_owned();
    loop {
        let page = office.well("GET", &target, &Value::Null).await;
        seqs.extend(page["events"].as_array().unwrap().iter().map(|e| e["seq"].as_i64().unwrap()));
        let Some(next) = page["next"].as_i64() else { break };
        target = format!("/v1/events?limit=2&before={next}");
    }
    assert_eq!(seqs.len(), 5);
    assert!(seqs.is_sorted_by(|a, b| a > b), "{seqs:?}");
    let later = office.well("GET", &format!("/v1/events?after={}", seqs[3]), &Value::Null).await;
    assert_eq!(later["events"][0]["seq"], seqs[2], "the oldest first");
    let sums = office.well("GET", "/v1/events/sums?gateway=acme", &Value::Null).await;
    assert_eq!(sums["count"], 5);
    let eur = |value: &str| json!([{ "value": value, "currency": "EUR" }]);
    assert_eq!(
        sums["states"],
        json!([
            { "state": "waiting", "count": 3, "credits": eur("30.00") },
            { "state": "held", "count": 1, "credits": eur("99.50") },
            { "state": "dead", "count": 1, "credits": eur("10.00") },
        ])
    );
    let totals = office.well("GET", "/v1/totals", &Value::Null).await;
    let worth: BTreeMap<&str, &str> = totals["credits"]
        .as_array()
        .unwrap()
        .iter()
        .map(|sum| (sum["state"].as_str().unwrap(), sum["amount"]["value"].as_str().unwrap()))
        .collect();
    assert_eq!(worth, BTreeMap::from([("dead", "10.00"), ("held", "99.50"), ("waiting", "30.00")]));
}

#[tokio::test]
async fn an_event_is_shown_as_it_is_sent_and_an_original_without_its_secrets() {
    let office = filled().await;
    let all = office.well("GET", "/v1/events?payment=order-b", &Value::Null).await;
    let seq = all["events"][0]["seq"].as_i64().unwrap();
    let shown = office.well("GET", &format!("/v1/events/{seq}"), &Value::Null).await;
    assert_eq!(shown["event"]["order_id"], "order-b");
    assert_eq!(shown["message"]["form"], "canonical");
    assert_eq!(shown["message"]["event"]["amount"]["value"], "10.00");
    let mut original = deposit(paid("original"));
    original.message = Message {
        to: "/pay?sign=canary-in-the-query".into(),
        form: Form::Original {
            method: "POST".into(),
            headers: vec![
                ("content-type".into(), b"application/json".to_vec()),
                ("x-signature".into(), b"canary-in-a-header".to_vec()),
            ],
        },
        body: Bytes::from_static(
            br#"{"order":"o1","token":"canary-in-the-body","pan":"4111111111111111"}"#,
        ),
    };
    office.store().admit(vec![original], Intake::Queue, NOW).await.unwrap();
    let newest = office.well("GET", "/v1/events?limit=1", &Value::Null).await;
    let seq = newest["events"][0]["seq"].as_i64().unwrap();
    let shown = office.well("GET", &format!("/v1/events/{seq}"), &Value::Null).await;
    assert_eq!(shown["message"]["form"], "original");
    let text = shown.to_string();
    assert!(!text.contains("canary") && !text.contains("4111111111111111"), "{text}");
    assert!(shown["message"]["request"]["body"].as_str().unwrap().contains("o1"), "{shown}");
}

#[tokio::test]
async fn what_an_operator_does_is_done_once_and_written_down() {
    let office = filled().await;
    let dead = office.well("GET", "/v1/events?state=dead", &Value::Null).await;
    let dead = dead["events"][0]["seq"].as_i64().unwrap();
    let done = office.well("POST", "/v1/events/retry", &json!({ "seqs": [dead, 999_999] })).await;
    assert_eq!(done, json!({ "matched": 2, "changed": 1 }));
    let shown = office.well("GET", &format!("/v1/events/{dead}"), &Value::Null).await;
    assert_eq!(shown["event"]["state"], "waiting");

    let body = json!({ "filter": { "state": "waiting" }, "expect": 3, "why": "too few" });
    let (status, answer) = office.post("/v1/events/drop", &body).await;
    assert_eq!(status, 409);
    assert_eq!(answer["error"], "4 events fit by now, not 3");
    let body = json!({
        "filter": { "state": "waiting", "gateway": "acme" }, "expect": 4,
        "why": "booked by hand\n, card 4111111111111111",
    });
    let done = office.well("POST", "/v1/events/drop", &body).await;
    assert_eq!(done, json!({ "matched": 4, "changed": 4 }));
    let all = office.well("GET", "/v1/events", &Value::Null).await;
    assert_eq!(states(&all), ["held", "dropped", "dropped", "dropped", "dropped"]);
    assert!(all["events"][1]["why"].as_str().unwrap().starts_with("booked by hand"), "{all}");
    let done = office.well("POST", "/v1/events/drop", &json!({ "seqs": [dead], "why": "x" })).await;
    assert_eq!(done, json!({ "matched": 1, "changed": 0 }), "it is over");

    let acts = office.well("GET", "/v1/audit", &Value::Null).await["acts"].clone();
    let acts: Vec<_> = acts
        .as_array()
        .unwrap()
        .iter()
        .map(|act| {
            assert_eq!(act["by"], "127.0.0.1");
            let text = |key: &str| act[key].as_str().unwrap().to_owned();
            (text("verb"), text("what"), act["changed"].as_u64().unwrap())
        })
        .collect();
    let act = |verb: &str, what: &str, changed| (verb.to_owned(), what.to_owned(), changed);
    assert_eq!(
        acts,
        [
            act("events.drop", &format!("seq {dead}: x"), 0),
            act(
                "events.drop",
                "gateway=acme state=waiting: booked by hand , card 411111******1111",
                4
            ),
            act("events.retry", &format!("seq {dead} 999999"), 1),
        ]
    );
    assert_eq!(
        office.well("GET", "/v1/audit?limit=1", &Value::Null).await["acts"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn captures_are_found_by_how_they_ended_and_shown_without_their_secrets() {
    let office = Office::open(&routes()).await;
    for n in 0..3 {
        assert_eq!(office.call("stripe", &forged("stripe", n)).await, 401);
    }
    assert_eq!(office.call("stripe", &genuine("stripe", 1)).await, 200);
    office.captured(3).await;
    let all = office.well("GET", "/v1/captures", &Value::Null).await;
    let all = all["captures"].as_array().unwrap();
    assert_eq!(all.len(), 3);
    assert_eq!(all[0]["reason"], "signature_mismatch");
    assert_eq!(all[0]["answered"], 401);
    for (query, want) in [
        ("outcome=rejected", 3),
        ("outcome=accepted", 0),
        ("reason=signature_mismatch&route=stripe&gateway=stripe", 3),
        ("reason=signature_missing", 0),
        ("since=2023-11-14T22:13:20Z", 3),
        ("until=2023-11-14T22:13:20Z", 0),
        ("payment=order-1", 0),
        ("limit=2", 2),
    ] {
        let found = office.well("GET", &format!("/v1/captures?{query}"), &Value::Null).await;
        assert_eq!(found["captures"].as_array().unwrap().len(), want, "{query}");
    }
    let id = all[0]["id"].as_i64().unwrap();
    let shown = office.well("GET", &format!("/v1/captures/{id}"), &Value::Null).await;
    assert_eq!(shown["capture"], all[0]);
    assert!(shown["request"]["body"].as_str().unwrap().contains("payment_intent"), "{shown}");
    let callback = forged("stripe", 2);
    let (_, signature) = &callback.headers[1];
    let signature = std::str::from_utf8(signature).unwrap().split_once("v1=").unwrap().1;
    let text = shown.to_string();
    assert!(!text.contains(signature) && !text.contains(STRIPE_SECRET), "{text}");
}

#[tokio::test]
async fn the_description_and_the_daemon_have_the_same_verbs() {
    assert_eq!(described(), served());
    let office = filled().await;
    for (method, path) in served() {
        let target = path.replace('#', "1");
        let body = if method == "POST" { "{}" } else { "" };
        let told = tell(office.admin, asking(&method, &target, body)).await.unwrap();
        assert!(![405, 500].contains(&told.status), "{method} {target}: {told:?}");
        let answer = serde_json::from_str(&told.body).unwrap();
        hold(&method, &target, told.status, &answer);
    }
    let ask = "GET /openapi.json HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let told = tell(office.admin, ask).await.unwrap();
    let file: Value = serde_json::from_str(&told.body).unwrap();
    assert_eq!(file["openapi"], "3.1.0");
    for path in ["/metrics", "/livez", "/readyz", "/openapi.json"] {
        assert!(file["paths"][path]["get"]["security"].as_array().unwrap().is_empty(), "{path}");
    }
    let mut others: Vec<_> = file["paths"].as_object().unwrap().keys().collect();
    others.retain(|path| !path.starts_with("/v1/"));
    assert_eq!(others, ["/livez", "/metrics", "/openapi.json", "/readyz"]);
}
