//! Captures under the rules on disk: what a mended rule would change, in money, and that what was
//! refused by mistake is delivered once.

use countersign::config::Target;
use countersign::store::captures::Capture;
use serde_json::{Value, json};

use crate::support::asked::Asked;
use crate::support::cases::named;
use crate::support::gateways::{GATEWAYS, LIQPAY_KEY, forged, genuine, genuine_by, liqpay};
use crate::support::operate::*;
use crate::support::shop::{Wired, set_clock};
use crate::support::*;

const REJUDGE: &str = "/v1/captures/rejudge";
const CARD: &str = "4111111111111111";

fn routes() -> [Wired; 2] {
    [Wired::usual("liqpay"), Wired::usual("stripe")]
}

fn sum(value: &str, currency: &str) -> Value {
    json!([{ "value": value, "currency": currency }])
}

/// A shop that knows a wrong secret of its gateway, refused five payments for it, and one forgery.
async fn mistaken() -> Office {
    let mut office = Office::closed(&routes()).await;
    office.folder.write("secrets/liqpay", "not what LiqPay signs with");
    office.start().await;
    for n in 1..=5 {
        assert_eq!(office.call("liqpay", &genuine("liqpay", n)).await, 401);
    }
    assert_eq!(office.call("liqpay", &forged("liqpay", 6)).await, 401);
    assert_eq!(office.call("stripe", &genuine("stripe", 7)).await, 200);
    office.captured(6).await;
    office.stub.take();
    office
}

async fn mended() -> Office {
    let office = mistaken().await;
    office.folder.write("secrets/liqpay", LIQPAY_KEY);
    office
}

fn kinds(report: &Value) -> Vec<(&str, u64)> {
    let kinds = report["kinds"].as_object().unwrap();
    kinds
        .iter()
        .map(|(kind, counted)| (kind.as_str(), counted["captures"].as_u64().unwrap()))
        .filter(|(_, captures)| *captures > 0)
        .collect()
}

async fn rejudge(office: &Office, body: Value) -> Value {
    office.well("POST", REJUDGE, &body).await
}

#[tokio::test]
async fn under_the_rules_of_then_nothing_changes() {
    let office = mistaken().await;
    let report = rejudge(&office, json!({})).await;
    assert_eq!(kinds(&report), [("same", 6)]);
    let reasons = json!([{
        "before": "signature_mismatch", "after": "signature_mismatch", "captures": 6,
    }]);
    assert_eq!(report["reasons"], reasons);
    assert_eq!(report["credits"], json!({ "gained": [], "lost": [] }));
    assert_eq!(report["deliverable"]["count"], 0);
}

#[tokio::test]
async fn a_mended_secret_shows_what_it_is_worth_and_releases_it_once() {
    let office = mended().await;
    let report = rejudge(&office, json!({ "filter": { "route": "liqpay" } })).await;
    assert_eq!(kinds(&report), [("now_accepted", 5), ("same", 1)]);
    assert_eq!(report["kinds"]["now_accepted"]["examples"].as_array().unwrap().len(), 5);
    assert_eq!(report["credits"], json!({ "gained": sum("50.00", "UAH"), "lost": [] }));
    assert_eq!(
        report["deliverable"],
        json!({ "count": 5, "events": 5, "credits": sum("50.00", "UAH") })
    );
    assert_eq!(report["released"], Value::Null);
    assert!(office.stub.got().is_empty(), "nothing was released");
    let acts = office.well("GET", "/v1/audit", &Value::Null).await;
    assert_eq!(acts["acts"], json!([]), "looking is no act");

    let report = rejudge(&office, json!({ "release": true })).await;
    let none = json!({ "count": 0, "events": 0, "credits": [] });
    let queued = json!({ "count": 5, "events": 5, "credits": sum("50.00", "UAH") });
    assert_eq!(
        report["released"],
        json!({ "queued": queued, "held": none, "duplicates": none, "in_flight": none })
    );
    eventually("they are delivered", async || office.stub.got().len() == 5).await;
    let orders: Vec<_> = office
        .stub
        .got()
        .iter()
        .map(|got| serde_json::from_str::<Value>(&got.body).unwrap())
        .map(|event| {
            assert_eq!(event["received_at"], "2023-11-14T22:13:20Z", "when it came");
            event["order_id"].as_str().unwrap().to_owned()
        })
        .collect();
    let mut sorted = orders.clone();
    sorted.sort();
    assert_eq!(sorted, ["order-1", "order-2", "order-3", "order-4", "order-5"]);
    let all = office.well("GET", "/v1/events?gateway=liqpay", &Value::Null).await;
    let orders: Vec<_> =
        all["events"].as_array().unwrap().iter().map(|e| e["order_id"].clone()).collect();
    assert_eq!(orders, ["order-5", "order-4", "order-3", "order-2", "order-1"], "in their order");

    let report = rejudge(&office, json!({ "release": true })).await;
    assert_eq!(report["released"]["queued"], none);
    assert_eq!(report["released"]["duplicates"], queued);
    eventually("the daemon has reloaded", async || office.running().live.load().generation > 1)
        .await;
    assert_eq!(office.call("liqpay", &genuine("liqpay", 3)).await, 200, "known by now");
    tokio::time::sleep(LONG_ENOUGH).await;
    assert_eq!(office.stub.got().len(), 5, "delivered once");

    let acts = office.well("GET", "/v1/audit", &Value::Null).await["acts"].clone();
    let told: Vec<_> = acts
        .as_array()
        .unwrap()
        .iter()
        .map(|act| (act["verb"].clone(), act["what"].clone(), act["changed"].clone()))
        .collect();
    let of = |what: &str, changed: u64| (json!("captures.release"), json!(what), json!(changed));
    assert_eq!(
        told,
        [
            of("all: 0 queued (no credit), 0 held, 5 duplicates, 0 in flight", 0),
            of("all: 5 queued (50.00 UAH), 0 held, 0 duplicates, 0 in flight", 5),
        ]
    );
}

#[tokio::test]
async fn money_that_a_gateway_told_of_repeatedly_counts_once() {
    let office = mistaken().await;
    for _ in 1..=4 {
        assert_eq!(office.call("liqpay", &genuine("liqpay", 1)).await, 401);
    }
    office.captured(10).await;
    office.folder.write("secrets/liqpay", LIQPAY_KEY);
    let report = rejudge(&office, json!({ "release": true })).await;
    assert_eq!(kinds(&report), [("now_accepted", 9), ("same", 1)]);
    assert_eq!(report["credits"], json!({ "gained": sum("50.00", "UAH"), "lost": [] }));
    let of = |count: u64, events: u64, value: &str| json!({ "count": count, "events": events, "credits": sum(value, "UAH") });
    assert_eq!(report["deliverable"], of(9, 5, "50.00"));
    assert_eq!(report["released"]["queued"], of(5, 5, "50.00"));
    assert_eq!(report["released"]["duplicates"], of(4, 1, "10.00"));
}

/// An outbox that was woken has sent by then.
const LONG_ENOUGH: std::time::Duration = std::time::Duration::from_millis(300);

#[tokio::test]
async fn a_tightened_rule_shows_what_it_would_refuse() {
    let mut office = Office::closed(&routes()).await;
    let config = office.folder.read("countersign.yaml").replace("mode: enforce", "capture: all");
    office.folder.write("countersign.yaml", &config);
    office.start().await;
    for n in 1..=3 {
        assert_eq!(office.call("liqpay", &genuine("liqpay", n)).await, 200);
        assert_eq!(office.call("stripe", &genuine("stripe", n)).await, 200);
    }
    office.captured(6).await;
    office.folder.write("secrets/liqpay", "another");
    office.folder.write("countersign.yaml", config.replace("name: stripe", "name: renamed"));
    let report = rejudge(&office, json!({})).await;
    assert_eq!(kinds(&report), [("now_rejected", 3), ("undecided", 3)]);
    assert_eq!(report["credits"], json!({ "gained": [], "lost": sum("30.00", "UAH") }));
    assert_eq!(
        report["reasons"],
        json!([
            { "before": "ok", "after": "route_gone", "captures": 3 },
            { "before": "ok", "after": "signature_mismatch", "captures": 3 },
        ])
    );
    // What was accepted then is not released, whatever is said of it now.
    office.folder.write("secrets/liqpay", LIQPAY_KEY);
    let report = rejudge(&office, json!({ "release": true })).await;
    assert_eq!(report["released"]["queued"]["count"], 0);
    assert_eq!(report["released"]["duplicates"]["count"], 0);
}

#[tokio::test]
async fn each_is_judged_as_of_the_time_at_which_it_came() {
    let office = Office::open(&routes()).await;
    assert_eq!(office.call("stripe", &forged("stripe", 1)).await, 401);
    office.captured(1).await;
    // Stripe's signatures are good for minutes.
    set_clock(NOW + 3 * 24 * 3600);
    office.folder.write("secrets/stripe", "whsec_not the secret");
    let report = rejudge(&office, json!({})).await;
    assert_eq!(kinds(&report), [("now_accepted", 1)]);
}

#[tokio::test]
async fn rules_that_are_broken_are_named_and_nothing_is_judged() {
    let office = mended().await;
    let config = office.folder.read("countersign.yaml");
    office.folder.write("countersign.yaml", config.replace("gateway: stripe", "gateway: strype"));
    let (status, answer) = office.post(REJUDGE, &json!({ "release": true })).await;
    assert_eq!(status, 400);
    assert_eq!(answer["error"], "the rules on disk are broken");
    let problems = answer["problems"].as_array().unwrap();
    assert!(problems[0].as_str().unwrap().contains("did you mean `stripe`?"), "{answer}");
    office.folder.write("countersign.yaml", &config);
    std::fs::remove_file(office.folder.at("secrets/liqpay")).unwrap();
    let report = rejudge(&office, json!({})).await;
    assert_eq!(kinds(&report), [("undecided", 6)]);
    assert_eq!(report["reasons"][0]["after"], "route_not_ready");
}

#[tokio::test]
async fn what_was_sealed_under_a_key_that_is_gone_is_undecided() {
    let mut office = mended().await;
    office.stop().await;
    let other = "b3RoZXItc2VhbC1rZXktMDEyMzQ1Njc4OTAxMjM0NTY=";
    office.folder.write("secrets/seal", other);
    office.start().await;
    let report = rejudge(&office, json!({})).await;
    assert_eq!(kinds(&report), [("undecided", 6)]);
    assert_eq!(report["reasons"][0]["after"], "sealed");
    let shown = office.well("GET", "/v1/captures/1", &Value::Null).await;
    assert_eq!(shown["request"], Value::Null);
}

#[tokio::test]
async fn what_lost_its_card_numbers_is_undecided() {
    let mut office = Office::closed(&routes()).await;
    let config = office.folder.read("countersign.yaml");
    office.folder.write("countersign.yaml", config.replace(", keys: \"file:secrets/seal\"", ""));
    office.start().await;
    let callback = liqpay("wrong", 1, CARD);
    assert_eq!(office.call("liqpay", &callback).await, 401);
    office.captured(1).await;
    let report = rejudge(&office, json!({})).await;
    assert_eq!(report["reasons"][0]["after"], "masked");
}

#[tokio::test]
async fn what_the_upstream_did_not_take_is_released_too() {
    let mut office = Office::closed(&routes()).await;
    let config = office.folder.read("countersign.yaml");
    let config = config.replace("mode: enforce", "delivery: direct");
    let Target::Http(lost) = nobody() else { unreachable!() };
    let down = config.replace(&format!("http://{}", office.stub.address), &lost);
    office.folder.write("countersign.yaml", down);
    office.start().await;
    assert_eq!(office.call("liqpay", &genuine("liqpay", 1)).await, 502);
    office.captured(1).await;
    office.folder.write("countersign.yaml", config);
    let report = rejudge(&office, json!({ "release": true })).await;
    assert_eq!(kinds(&report), [("same", 1)], "it was verified then");
    assert_eq!(
        report["released"]["queued"],
        json!({ "count": 1, "events": 1, "credits": sum("10.00", "UAH") })
    );
}

#[tokio::test]
async fn gateways_are_asked_where_a_rule_must_ask_them() {
    let case = named("payture", "charged");
    set_clock(case.now.unwrap_or(NOW));
    let mut silent = case.exchanges.clone();
    silent.last_mut().unwrap()["response"] = json!({ "status": 503, "headers": [] });
    let (silent, answering) = (Asked::start(&silent).await, Asked::start(&case.exchanges).await);
    let mut office = Office::closed(&[]).await;
    let params = case.params(&office.folder).to_string();
    let route = Wired {
        name: "payture".into(),
        gateway: "payture".into(),
        params,
        ..Wired::usual("stripe")
    };
    let config = |asked: &Asked| {
        let config = config(office.stub.address, office.admin, std::slice::from_ref(&route));
        config.replace("store:", &format!("exchanges: {}\nstore:", asked.config()))
    };
    let (before, after) = (config(&silent), config(&answering));
    office.folder.write("countersign.yaml", before);
    office.start().await;
    assert_eq!(office.call("payture", &case.callback).await, 503);
    office.captured(1).await;
    let report = rejudge(&office, json!({})).await;
    assert_eq!(kinds(&report), [("undecided", 1)]);
    assert_eq!(report["reasons"][0]["after"], "confirmation_unavailable");
    office.folder.write("countersign.yaml", after);
    let report = rejudge(&office, json!({ "release": true })).await;
    assert_eq!(kinds(&report), [("now_accepted", 1)]);
    assert_eq!(answering.questions().len(), case.exchanges.len());
    eventually("it is delivered", async || office.stub.got().len() == 1).await;
}

#[tokio::test]
async fn of_two_at_once_one_is_asked_to_wait_and_progress_is_told() {
    let office = mended().await;
    let far = office.well("GET", REJUDGE, &Value::Null).await;
    assert_eq!(far, json!({ "running": false, "judged": 0, "of": 0 }));
    let body = json!({});
    let (a, b) = tokio::join!(office.post(REJUDGE, &body), office.post(REJUDGE, &body));
    let mut statuses = [a.0, b.0];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409]);
    let far = office.well("GET", REJUDGE, &Value::Null).await;
    assert_eq!(far, json!({ "running": false, "judged": 6, "of": 6 }));
}

#[tokio::test]
async fn many_pages_of_captures_are_judged_in_the_order_in_which_they_came() {
    let office = mended().await;
    let captures = office.running().captures.as_ref().unwrap();
    let one = captures.get(1).await.unwrap().unwrap();
    let capture = Capture { summary: one.0.summary, inbound: one.1.unwrap() };
    for _ in 0..2500 {
        assert!(captures.put(capture.clone()));
    }
    office.captured(2506).await;
    let report = rejudge(&office, json!({ "release": true })).await;
    assert_eq!(report["captures"], 2506);
    assert_eq!(kinds(&report), [("now_accepted", 2505), ("same", 1)]);
    assert_eq!(report["credits"]["gained"], sum("50.00", "UAH"));
    assert_eq!(report["released"]["queued"]["count"], 5);
    assert_eq!(report["released"]["duplicates"]["count"], 2500);
}

#[tokio::test]
async fn no_verb_shows_a_secret_a_signature_or_a_card_number() {
    let routes: Vec<_> = GATEWAYS.iter().map(|gateway| Wired::usual(gateway)).collect();
    let mut office = Office::open(&routes).await;
    let mut canaries = vec![CARD.to_owned(), TOKEN.to_owned(), "canary-seal".to_owned()];
    for gateway in GATEWAYS {
        let secret = gateways::secret(gateway).1;
        canaries.push(secret.to_owned());
        for by in ["whsec_wrong", secret] {
            let mut callback = genuine_by(gateway, by, 1);
            callback.query += if callback.query.is_empty() { "?pan=" } else { "&pan=" };
            callback.query += CARD;
            callback.headers.push(("x-card".into(), CARD.into()));
            canaries.push(signature(gateway, &callback));
            office.call(gateway, &callback).await;
        }
    }
    let refused = office.running().captures.as_ref().unwrap();
    eventually("they are kept", async || refused.totals().count >= 4).await;
    let mut texts = Vec::new();
    let listed = office.well("GET", "/v1/captures", &Value::Null).await;
    for capture in listed["captures"].as_array().unwrap() {
        let id = &capture["id"];
        texts.push(office.get(&format!("/v1/captures/{id}")).await.1.to_string());
        texts.push(office.cli(&["captures", "show", &id.to_string()]).await.1);
    }
    texts.push(listed.to_string());
    let events = office.well("GET", "/v1/events", &Value::Null).await;
    for event in events["events"].as_array().unwrap() {
        texts.push(office.get(&format!("/v1/events/{}", event["seq"])).await.1.to_string());
    }
    texts.push(events.to_string());
    texts.push(rejudge(&office, json!({ "release": true })).await.to_string());
    for target in ["/v1/audit", "/v1/totals", "/v1/events/sums"] {
        texts.push(office.get(target).await.1.to_string());
    }
    for args in [
        &["captures", "list"][..],
        &["captures", "rejudge"],
        &["captures", "rejudge", "--release", "--yes"],
        &["events", "list"],
        &["events", "list", "--json"],
    ] {
        let (_, out, err) = office.cli(args).await;
        texts.extend([out, err]);
    }
    office.stop().await;
    let (_, out, err) = office.cli(&["captures", "list"]).await;
    texts.extend([out, err]);
    for text in &texts {
        for canary in &canaries {
            assert!(!text.contains(canary.as_str()), "{canary} in {text}");
        }
    }
}

/// What was sent as a signature.
fn signature(gateway: &str, callback: &wire::Callback) -> String {
    let body = std::str::from_utf8(&callback.body).unwrap();
    let (text, name) = match gateway {
        "liqpay" => (body, "signature="),
        "paysera" => (callback.query.as_str(), "ss1="),
        "smartexpay" => (body, "hash="),
        _ => (std::str::from_utf8(&callback.headers[1].1).unwrap(), "v1="),
    };
    let value = text.split_once(name).unwrap().1.split(['&', ',']).next().unwrap();
    value.replace("%3D", "=").replace("%2B", "+").replace("%2F", "/")
}
