//! Callbacks over a store: acknowledged when they are safe, delivered once, in order, and those that
//! are remarkable looked at by a person.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use countersign::app::Running;
use countersign::store::{Entry, Filter, Order, Page, State, captures};
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;

use crate::support::counts::Counts;
use crate::support::gateways::{STRIPE_SECRET, forged, genuine, stripe_signed};
use crate::support::ledger;
use crate::support::shop::*;
use crate::support::wire::{Callback, Line};
use crate::support::*;

const NO: Act = Act::Say("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n");
const NEVER: Act = Act::Say("HTTP/1.1 422 Never\r\nContent-Length: 0\r\n\r\n");
const GATEWAY_DOWN: Act = Act::Say("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n");

/// The Stripe route with more keys, before an upstream that is tried again soon.
fn config_of(upstream: SocketAddr, more: &str) -> String {
    let mut route = Wired::usual("stripe");
    route.forward = format!("{{ as: canonical, to: /in }}{more}");
    config_with(&format!("http://{upstream}"), "store: { path: state }\n", &[route])
        .replace("timeout: 500ms, ", "timeout: 500ms, retry: { first: 1s, longest: 1s }, ")
}

async fn kept(upstream: SocketAddr, more: &str) -> (Folder, Running) {
    let folder = folder(&config_of(upstream, more));
    let running = open(&folder).await;
    (folder, running)
}

async fn say(running: &Running, callback: &Callback) -> u16 {
    tell(running.addresses[0], callback.once("/stripe/")).await.unwrap().status
}

/// A word of Stripe's about one payment intent.
fn word(event: &str, kind: &str, intent: usize, amount: usize) -> Callback {
    let body = serde_json::json!({
        "id": event, "object": "event", "created": NOW, "livemode": true,
        "type": format!("payment_intent.{kind}"),
        "data": {"object": {
            "id": format!("pi_{intent}"), "object": "payment_intent", "amount": amount,
            "amount_received": amount, "currency": "eur",
            "metadata": {"order_id": format!("order-{intent}")},
        }},
    });
    stripe_signed(STRIPE_SECRET, &body.to_string())
}

async fn entries(running: &Running) -> Vec<Entry> {
    let store = running.outbox.as_ref().unwrap().store();
    store.entries(&Filter::default(), Page::After(0), 1000).await.unwrap()
}

async fn states(running: &Running) -> Vec<State> {
    entries(running).await.iter().map(|entry| entry.state).collect()
}

fn ended(running: &Running, outcome: &str, reason: &str) -> i64 {
    Counts::of(running).ended(["stripe", outcome, reason, "stripe"])
}

/// The events that the upstream got, in order.
fn events(stub: &Stub) -> Vec<Value> {
    stub.got().iter().map(|got| serde_json::from_str(&got.body).unwrap()).collect()
}

async fn arrives(stub: &Stub, count: usize) {
    eventually("everything arrives", async || stub.got().len() >= count).await;
}

#[tokio::test]
async fn a_durable_callback_is_acknowledged_although_the_upstream_is_away() {
    let address = free_address();
    let (_folder, running) = kept(address, ", delivery: durable").await;
    assert_eq!(say(&running, &genuine("stripe", 1)).await, 200);
    assert_eq!(ended(&running, "accepted", "kept"), 1);
    let stub = Stub::at(address, &[OK]).await;
    arrives(&stub, 1).await;
    let got = &stub.got()[0];
    let event: Value = serde_json::from_str(&got.body).unwrap();
    assert_eq!(got.header("idempotency-key"), event["id"].as_str());
    assert_eq!(event["order_id"], "order-1");
    eventually("it is settled", async || states(&running).await == [State::Delivered]).await;
}

#[tokio::test]
async fn a_spilling_route_is_direct_while_the_upstream_is_well() {
    let stub = Stub::start(&[OK]).await;
    let (_folder, running) = kept(stub.address, "").await;
    assert_eq!(say(&running, &genuine("stripe", 1)).await, 200);
    assert_eq!(stub.got().len(), 1, "before the gateway was answered");
    assert_eq!(ended(&running, "accepted", "ok"), 1);
}

#[tokio::test]
async fn what_the_upstream_cannot_take_now_spills_and_arrives_later() {
    for act in [NO, GATEWAY_DOWN, Act::SayAndClose("")] {
        let stub = Stub::start(&[act, OK]).await;
        let (_folder, running) = kept(stub.address, "").await;
        assert_eq!(say(&running, &genuine("stripe", 1)).await, 200);
        assert_eq!(ended(&running, "accepted", "kept"), 1);
        arrives(&stub, 2).await;
        let keys: BTreeSet<_> = stub
            .got()
            .iter()
            .map(|got| got.header("idempotency-key").unwrap().to_owned())
            .collect();
        assert_eq!(keys.len(), 1, "the key is stable over retries");
    }
}

#[tokio::test]
async fn a_verdict_of_the_upstream_is_no_failure_and_is_not_kept() {
    let stub = Stub::start(&[NEVER, OK]).await;
    let (_folder, running) = kept(stub.address, "").await;
    assert_eq!(say(&running, &genuine("stripe", 1)).await, 502);
    assert!(entries(&running).await.is_empty(), "its gateway has been told");
    let captures = running.captures.as_ref().unwrap();
    let mut listed = Vec::new();
    eventually("it is captured", async || {
        listed = captures.list(captures::Filter::default(), None, 10).await.unwrap();
        !listed.is_empty()
    })
    .await;
    assert_eq!(listed[0].summary.place, "upstream said 422", "whose fault it is");
    assert_eq!(say(&running, &genuine("stripe", 1)).await, 200, "and has come again");
    assert_eq!(stub.got().len(), 2);
}

#[tokio::test]
async fn a_direct_route_keeps_nothing_that_the_upstream_did_not_take() {
    let stub = Stub::start(&[NO, OK]).await;
    let (_folder, running) = kept(stub.address, ", delivery: direct").await;
    assert_eq!(say(&running, &genuine("stripe", 1)).await, 502);
    assert!(entries(&running).await.is_empty());
    assert_eq!(say(&running, &genuine("stripe", 1)).await, 200);
    assert_eq!(states(&running).await, [State::Delivered]);
}

#[tokio::test]
async fn a_repetition_gets_the_success_reply_and_goes_nowhere() {
    for more in ["", ", delivery: direct", ", delivery: durable"] {
        let stub = Stub::start(&[OK]).await;
        let (_folder, running) = kept(stub.address, more).await;
        for _ in 0..3 {
            assert_eq!(say(&running, &genuine("stripe", 1)).await, 200);
        }
        arrives(&stub, 1).await;
        assert_eq!(ended(&running, "accepted", "duplicate"), 2);
        assert_eq!(stub.got().len(), 1, "{more}");
        let by = "countersign_duplicates_total{by=\"delivery\",gateway=\"stripe\"}";
        assert_eq!(Counts::of(&running).whole(by), 2);
    }
}

#[tokio::test]
async fn the_same_money_under_another_id_is_credited_once() {
    let stub = Stub::start(&[OK]).await;
    let route =
        Wired { params: "{ secret: \"file:secrets/ledger\" }".into(), ..Wired::usual_of("ledger") };
    let top = "store: { path: state }\nrules: [ledger.yaml]\n";
    let folder = folder(&config_with(&format!("http://{}", stub.address), top, &[route]));
    folder.write("ledger.yaml", ledger::rule());
    folder.write("secrets/ledger", ledger::SECRET);
    let running = open(&folder).await;
    for (id, payment, state) in
        [("a", "1", "succeeded"), ("b", "1", "succeeded"), ("c", "2", "succeeded")]
    {
        let bytes = ledger::word(id, payment, state).once("/ledger/");
        assert_eq!(tell(running.addresses[0], bytes).await.unwrap().status, 200);
    }
    assert_eq!(events(&stub).len(), 2);
    let by = "countersign_duplicates_total{by=\"credit\",gateway=\"ledger\"}";
    assert_eq!(Counts::of(&running).whole(by), 1);
}

#[tokio::test]
async fn a_known_id_with_other_content_is_held_and_alarmed_not_deduped() {
    let stub = Stub::start(&[OK]).await;
    let (_folder, running) = kept(stub.address, "").await;
    assert_eq!(say(&running, &word("evt_a", "succeeded", 1, 1000)).await, 200);
    for _ in 0..2 {
        assert_eq!(say(&running, &word("evt_a", "succeeded", 1, 9000)).await, 200);
    }
    assert_eq!(events(&stub).len(), 1);
    let entries = entries(&running).await;
    assert_eq!(entries.len(), 2, "held once for each content");
    assert!(entries[1].marks.equivocation);
    assert_eq!(entries[1].state, State::Held);
    let counted = Counts::of(&running).whole("countersign_equivocations_total{gateway=\"stripe\"}");
    assert_eq!(counted, 1);
    // Only an operator lets it go.
    let outbox = running.outbox.as_ref().unwrap();
    let released = outbox.store().order(vec![entries[1].seq], Order::Retry, NOW).await;
    assert_eq!(released, Ok(1));
    outbox.wake();
    arrives(&stub, 2).await;
    assert_eq!(events(&stub)[1]["amount"]["value"], "90.00");
}

#[tokio::test]
async fn a_step_back_is_marked_and_by_policy_held() {
    for (more, held) in [("", false), (", regressive: hold", true)] {
        let stub = Stub::start(&[OK]).await;
        let (_folder, running) = kept(stub.address, more).await;
        assert_eq!(say(&running, &word("evt_a", "succeeded", 1, 1000)).await, 200);
        assert_eq!(say(&running, &word("evt_b", "payment_failed", 1, 1000)).await, 200);
        let got = events(&stub);
        assert_eq!(got[0].get("transition"), None);
        if held {
            assert_eq!(got.len(), 1);
            assert_eq!(states(&running).await, [State::Delivered, State::Held]);
            assert_eq!(ended(&running, "accepted", "held"), 1);
        } else {
            assert_eq!(got[1]["transition"], "regressive");
        }
        let counted =
            Counts::of(&running).whole("countersign_regressive_total{gateway=\"stripe\"}");
        assert_eq!(counted, 1);
    }
}

#[tokio::test]
async fn a_hundred_copies_at_once_reach_the_upstream_once() {
    for more in ["", ", delivery: durable"] {
        let stub =
            Stub::start(&[Act::SayLate("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")]).await;
        let (_folder, running) = kept(stub.address, more).await;
        let (address, bytes) = (running.addresses[0], genuine("stripe", 1).keep("/stripe/"));
        let copies: Vec<_> = (0..100)
            .map(|_| {
                let bytes = bytes.clone();
                tokio::spawn(async move { Line::to(address).say(&bytes).await.unwrap().status })
            })
            .collect();
        let mut told = Vec::new();
        for copy in copies {
            told.push(copy.await.unwrap());
        }
        assert!(told.contains(&200), "{told:?}");
        assert!(told.iter().all(|status| matches!(status, 200 | 503)), "{told:?}");
        arrives(&stub, 1).await;
        assert_eq!(say(&running, &genuine("stripe", 1)).await, 200);
        assert_eq!(stub.got().len(), 1, "{more}");
    }
}

#[tokio::test]
async fn a_later_event_of_a_payment_waits_for_the_earlier_one_and_others_do_not() {
    let first = |got: &Got| got.body.contains("\"pi_1\"");
    let stub = Stub::start(&[NO, NO, OK]).await;
    let text = config_of(stub.address, "").replace("first: 1s, longest: 1s", "first: 4s");
    let folder = folder(&text);
    let running = open(&folder).await;
    assert_eq!(say(&running, &word("evt_a", "processing", 1, 1000)).await, 200, "it spills");
    arrives(&stub, 2).await;
    // It is tried again after two seconds at least.
    assert_eq!(say(&running, &word("evt_b", "succeeded", 1, 1000)).await, 200);
    assert_eq!(say(&running, &word("evt_c", "succeeded", 2, 1000)).await, 200);
    assert_eq!(ended(&running, "accepted", "kept"), 2, "the second waits behind the first");
    assert_eq!(ended(&running, "accepted", "ok"), 1, "another payment does not");
    arrives(&stub, 5).await;
    let of_the_payment: Vec<_> = stub
        .got()
        .iter()
        .filter(|got| first(got))
        .map(|got| serde_json::from_str::<Value>(&got.body).unwrap()["status"].clone())
        .collect();
    assert_eq!(of_the_payment, ["pending", "pending", "pending", "succeeded"]);
}

#[tokio::test]
async fn what_waits_survives_a_restart() {
    let address = free_address();
    let (folder, running) = kept(address, ", delivery: durable").await;
    for n in 0..20 {
        assert_eq!(say(&running, &genuine("stripe", n)).await, 200);
    }
    assert!(running.drain().await);
    let stub = Stub::at(address, &[OK]).await;
    let running = open(&folder).await;
    arrives(&stub, 20).await;
    assert_eq!(say(&running, &genuine("stripe", 3)).await, 200, "the memory survives, too");
    let orders: BTreeSet<_> = events(&stub).iter().map(|e| e["order_id"].to_string()).collect();
    assert_eq!((orders.len(), stub.got().len()), (20, 20));
}

#[tokio::test]
async fn a_store_that_is_full_asks_the_gateway_to_come_again() {
    let address = free_address();
    let text = config_of(address, ", delivery: durable")
        .replace("path: state", "path: state, events: { waiting: 2 }");
    let folder = folder(&text);
    let running = open(&folder).await;
    let mut told = Vec::new();
    for n in 0..4 {
        told.push(say(&running, &genuine("stripe", n)).await);
    }
    assert_eq!(told, [200, 200, 503, 503]);
    assert_eq!(ended(&running, "undelivered", "queue_full"), 2);
    let stub = Stub::at(address, &[OK]).await;
    arrives(&stub, 2).await;
    eventually("there is room again", async || say(&running, &genuine("stripe", 2)).await == 200)
        .await;
}

#[tokio::test]
async fn what_is_rejected_is_captured_and_what_is_forged_is_not_kept() {
    let stub = Stub::start(&[OK]).await;
    let (_folder, running) = kept(stub.address, "").await;
    assert_eq!(say(&running, &forged("stripe", 1)).await, 401);
    assert_eq!(say(&running, &genuine("stripe", 2)).await, 200);
    let captures = running.captures.as_ref().unwrap();
    let mut listed = Vec::new();
    eventually("it is captured", async || {
        listed = captures.list(captures::Filter::default(), None, 10).await.unwrap();
        !listed.is_empty()
    })
    .await;
    assert_eq!(listed.len(), 1, "accepted ones are not wanted");
    let summary = &listed[0].summary;
    assert_eq!(
        (summary.outcome.as_str(), summary.reason.as_str(), summary.answered),
        ("rejected", "signature_mismatch", 401)
    );
    assert_eq!(entries(&running).await.len(), 1);
}

#[tokio::test]
async fn a_clock_that_jumps_delays_nothing_and_kills_nothing() {
    for jump in [-2 * 3600, 400 * 24 * 3600] {
        let address = free_address();
        let (_folder, running) = kept(address, ", delivery: durable").await;
        assert_eq!(say(&running, &genuine("stripe", 1)).await, 200);
        set_clock(NOW + jump);
        // It fails while the clock is wrong, too.
        let failed = "countersign_deliveries_total{outcome=\"failed\",upstream=\"smarty\"}";
        let before = Counts::of(&running).whole(failed);
        eventually("it is tried", async || Counts::of(&running).whole(failed) > before).await;
        let stub = Stub::at(address, &[OK]).await;
        arrives(&stub, 1).await;
        eventually("it is settled", async || states(&running).await == [State::Delivered]).await;
        set_clock(NOW);
    }
}

#[tokio::test]
async fn a_gateway_that_goes_away_before_it_is_answered_leaves_nothing_half_done() {
    for more in ["", ", delivery: direct"] {
        let stub =
            Stub::start(&[Act::SayLate("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")]).await;
        let (_folder, running) = kept(stub.address, more).await;
        let mut stream = tokio::net::TcpStream::connect(running.addresses[0]).await.unwrap();
        stream.write_all(&genuine("stripe", 1).once("/stripe/")).await.unwrap();
        arrives(&stub, 1).await;
        drop(stream);
        eventually("it is settled", async || states(&running).await == [State::Delivered]).await;
        assert_eq!(say(&running, &genuine("stripe", 1)).await, 200);
        assert_eq!(ended(&running, "accepted", "duplicate"), 1);
        assert_eq!(stub.got().len(), 1, "{more}");
    }
}
