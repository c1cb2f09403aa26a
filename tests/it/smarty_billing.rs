//! The application of `examples/smarty`, asked directly: what it books, and what it does not.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::task::JoinSet;

use crate::support::shop::WEBHOOK_KEY;
use crate::support::site::*;
use crate::support::*;

/// nginx and uwsgi; in the place of countersign stands the test.
async fn billing() -> Site {
    let mut site = Site::clocked();
    // What is too long is then for the application to refuse.
    site.change("nginx.conf", "client_max_body_size 4m;", "client_max_body_size 8m;");
    site.start_nginx(free_address()).await;
    site.start_uwsgi().await;
    site
}

/// One payment of 10.00.
fn event(n: usize) -> Value {
    json!({
        "schema": "1", "id": format!("evt_{n}"), "gateway": "acme", "account": "shop",
        "status": "succeeded", "type": "payment.succeeded", "credit": true, "test": false,
        "order_id": format!("order-{n}"), "transaction_id": format!("t-{n}"),
        "amount": { "value": "10.00", "currency": "EUR" }, "raw": { "note": "їжа" },
    })
}

fn signature(key: &[u8], id: &str, time: i64, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(format!("{id}.{time}.{body}").as_bytes());
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

fn delivery(id: &str, time: i64, signature: &str, body: &str) -> String {
    let headers = format!(
        "Content-Type: application/json\r\nwebhook-id: {id}\r\nwebhook-timestamp: {time}\r\n\
         webhook-signature: {signature}\r\nidempotency-key: {id}\r\n"
    );
    post(CANONICAL, &headers, body)
}

/// As countersign delivers it.
fn signed(event: &Value) -> String {
    let (id, body) = (event["id"].as_str().unwrap(), event.to_string());
    delivery(id, NOW, &signature(WEBHOOK_KEY, id, NOW, &body), &body)
}

async fn status(site: &Site, request: &str) -> u16 {
    tell(site.inner, request).await.unwrap().status
}

/// `booked` and `note` of every entry.
async fn entries(site: &Site) -> Vec<(bool, String)> {
    let entry =
        |entry: Value| (entry["booked"] == true, entry["note"].as_str().unwrap().to_owned());
    site.ledger().await.into_iter().map(entry).collect()
}

#[tokio::test]
async fn what_is_not_countersigned_is_refused_and_leaves_nothing() {
    let site = billing().await;
    let body = event(1).to_string();
    let sign = |key: &[u8], id, time, body: &str| signature(key, id, time, body);
    let good = sign(WEBHOOK_KEY, "evt_1", NOW, &body);
    let forged = body.replace("10.00", "90.00");
    for (why, request) in [
        ("no signature", post(CANONICAL, "", &body)),
        ("an empty one", delivery("evt_1", NOW, "", &body)),
        ("no v1", delivery("evt_1", NOW, &good[3..], &body)),
        ("v1 only", delivery("evt_1", NOW, "v1,", &body)),
        ("cut short", delivery("evt_1", NOW, &good[..good.len() - 1], &body)),
        ("not ASCII", delivery("evt_1", NOW, "v1,\u{e9}", &body)),
        ("another key", delivery("evt_1", NOW, &sign(&[7; 29], "evt_1", NOW, &body), &body)),
        ("an empty key", delivery("evt_1", NOW, &sign(&[], "evt_1", NOW, &body), &body)),
        ("another body", delivery("evt_1", NOW, &good, &forged)),
        ("another id", delivery("evt_2", NOW, &good, &body)),
        ("another time", delivery("evt_1", NOW + 1, &good, &body)),
        (
            "too old",
            delivery("evt_1", NOW - 301, &sign(WEBHOOK_KEY, "evt_1", NOW - 301, &body), &body),
        ),
        (
            "from the future",
            delivery("evt_1", NOW + 301, &sign(WEBHOOK_KEY, "evt_1", NOW + 301, &body), &body),
        ),
    ] {
        assert_eq!(status(&site, &request).await, 401, "{why}");
    }
    let id_of_another = delivery("evt_9", NOW, &sign(WEBHOOK_KEY, "evt_9", NOW, &body), &body);
    assert_eq!(status(&site, &id_of_another).await, 400, "the body names another id");
    let too_long = post(CANONICAL, "", &"x".repeat(4 * 1024 * 1024 + 1));
    assert_eq!(status(&site, &too_long).await, 413);
    assert_eq!(status(&site, &get(CANONICAL).replace("GET", "PUT")).await, 405);
    assert!(site.ledger().await.is_empty());
}

#[tokio::test]
async fn a_signature_holds_for_five_minutes_beside_others_and_under_the_secret_of_before() {
    let site = billing().await;
    let old = b"the secret that was in use before";
    site.folder.write("secrets/upstream.old", format!("whsec_{}\n", STANDARD.encode(old)));
    for (n, key, time) in
        [(1, WEBHOOK_KEY, NOW - 300), (2, WEBHOOK_KEY, NOW + 300), (3, &old[..], NOW)]
    {
        let (id, body) = (format!("evt_{n}"), event(n).to_string());
        let good = signature(key, &id, time, &body);
        let list = format!("v1a,{good} v1,AAAA {good}");
        assert_eq!(status(&site, &delivery(&id, time, &list, &body)).await, 204, "{n}");
    }
    assert_eq!(entries(&site).await.len(), 3);
    std::fs::remove_file(site.folder.at("secrets/upstream.old")).unwrap();
    let (id, body) = ("evt_4", event(4).to_string());
    let request = delivery(id, NOW, &signature(old, id, NOW, &body), &body);
    assert_eq!(status(&site, &request).await, 401, "it is gone");
}

#[tokio::test]
async fn without_a_good_secret_nothing_is_taken() {
    let site = billing().await;
    for secret in ["", "whsec_", "whsec_!", "whsec_YQ=="] {
        site.folder.write("secrets/upstream", secret);
        assert!(status(&site, &signed(&event(1))).await >= 500, "{secret:?}");
    }
    std::fs::remove_file(site.folder.at("secrets/upstream")).unwrap();
    assert!(status(&site, &signed(&event(1))).await >= 500, "none");
    assert!(site.ledger().await.is_empty());
}

#[tokio::test]
async fn an_event_that_comes_many_times_at_once_is_booked_once() {
    let site = billing().await;
    let mut all = JoinSet::new();
    for n in 0..20 {
        for _ in 0..10 {
            let (address, request) = (site.inner, signed(&event(n)));
            all.spawn(async move { tell(address, request).await.unwrap().status });
        }
    }
    assert_eq!(all.join_all().await, [204; 200]);
    let mut ledger = site.ledger().await;
    ledger.sort_by_key(|entry| entry["id"].as_str().unwrap()[4..].parse::<usize>().unwrap());
    let once = |n| {
        json!({
            "booked": true, "order_id": format!("order-{n}"), "amount": "10.00",
            "currency": "EUR", "gateway": "acme", "status": "succeeded", "note": "",
            "id": format!("evt_{n}"),
        })
    };
    assert_eq!(ledger, (0..20).map(once).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_is_no_money_is_remembered_and_not_booked() {
    let site = billing().await;
    for (n, credit) in [json!(false), json!("true"), json!(1), json!(null)].into_iter().enumerate()
    {
        let mut event = event(n);
        event["credit"] = credit;
        for _ in 0..2 {
            assert_eq!(status(&site, &signed(&event)).await, 204);
        }
    }
    assert_eq!(entries(&site).await, vec![(false, "not money".to_owned()); 4]);
}

#[tokio::test]
async fn one_payment_that_two_events_tell_of_is_booked_once() {
    let site = billing().await;
    let told = [
        ("liqpay", "t-1", ""),
        ("liqpay", "t-1", "HELD: this payment is booked as evt_0"),
        ("stripe", "t-1", ""),
        ("paypal", "t-2", ""),
        ("paypal_ipn", "t-2", "HELD: this payment is booked as evt_3"),
        ("rbs", "t-3", ""),
        ("arca", "t-3", "HELD: this payment is booked as evt_5"),
        ("arca", "t-4", ""),
    ];
    for (n, (gateway, transaction, _)) in told.into_iter().enumerate() {
        let mut event = event(n);
        event["gateway"] = json!(gateway);
        event["transaction_id"] = json!(transaction);
        assert_eq!(status(&site, &signed(&event)).await, 204);
    }
    let wanted = told.map(|(_, _, note)| (note.is_empty(), note.to_owned()));
    assert_eq!(entries(&site).await, wanted);
}

#[tokio::test]
async fn money_without_an_order_waits_for_a_person() {
    let site = billing().await;
    let (mut no_order, mut no_amount, mut no_transaction) = (event(1), event(2), event(3));
    no_order.as_object_mut().unwrap().remove("order_id");
    no_amount.as_object_mut().unwrap().remove("amount");
    no_transaction.as_object_mut().unwrap().remove("transaction_id");
    let mut another = no_transaction.clone();
    another["id"] = json!("evt_4");
    for event in [no_order, no_amount, no_transaction, another] {
        assert_eq!(status(&site, &signed(&event)).await, 204);
    }
    let held = "HELD: no order or no amount";
    let wanted = [(false, held), (false, held), (true, ""), (true, "")];
    assert_eq!(entries(&site).await, wanted.map(|(booked, note)| (booked, note.to_owned())));
    let told = tell(site.inner, get(&format!("{CANONICAL}?order=order-3"))).await.unwrap();
    assert_eq!(told.body.lines().count(), 2, "{told:?}");
}
