//! Events on their way to an upstream: order, signature, repetition.

use std::sync::Arc;

use bytes::Bytes;
use countersign::config::{Forward, Mode, Target};
use countersign::deliver::{self, Accepted, DeliverError, HandoverError, Outlet, Signer};
use countersign::engine::event::Event;
use countersign::engine::inbound::Inbound;
use countersign::engine::secret::Secret;
use countersign::live::Upstream;
use countersign::metrics::Metrics;

use crate::support::outbox::paid;
use crate::support::*;

fn event(id: &str) -> Event {
    Event { id: id.into(), ..paid(id) }
}

fn outlet(upstream: Upstream) -> Outlet {
    Outlet::new(&Arc::new(upstream), None, &Metrics::new().unwrap())
}

async fn send(outlet: &Outlet, ids: &[&str]) -> Result<(), DeliverError> {
    let to = Forward::Canonical { to: "/events?from=us".into() };
    let (_, route) = route("/x", Mode::Enforce, to, upstream(outlet.upstream().target.clone()));
    let inbound = Inbound {
        method: "POST",
        target: "/x",
        headers: &[],
        body: b"",
        remote_addr: None,
        client_certificates: &[],
    };
    let accepted = Accepted {
        route: &route,
        inbound: &inbound,
        body: &Bytes::new(),
        events: ids.iter().map(|id| event(id)).collect(),
        received_at: NOW,
    };
    deliver::send(outlet, accepted, NOW).await.map(drop).map_err(|error| match error {
        HandoverError::Deliver(error) => error,
        HandoverError::InFlight | HandoverError::Store(_) => panic!("no store: {error:?}"),
    })
}

#[tokio::test]
async fn events_arrive_in_order_signed_and_over_one_connection() {
    let stub = Stub::start(&[Act::Say("HTTP/1.1 204 No Content\r\n\r\n")]).await;
    send(&outlet(upstream(stub.target())), &["evt_1", "evt_2"]).await.unwrap();
    let got = stub.got();
    let signer = Signer::new(&Secret::from("a secret of twenty-four bytes"));
    assert_eq!(got.len(), 2);
    for (got, id) in got.iter().zip(["evt_1", "evt_2"]) {
        assert_eq!(got.connection, 0);
        assert_eq!(got.line, "POST /events?from=us HTTP/1.1");
        assert_eq!(got.body.as_bytes(), event(id).to_canonical_json(NOW));
        assert_eq!(got.header("webhook-id"), Some(id));
        assert_eq!(got.header("idempotency-key"), Some(id));
        assert_eq!(got.header("webhook-timestamp"), Some("1700000000"));
        assert_eq!(got.header("content-type"), Some("application/json"));
        let signature = signer.signature(id, NOW, got.body.as_bytes());
        assert_eq!(got.header("webhook-signature"), Some(signature.as_str()));
    }
}

#[tokio::test]
async fn a_batch_stops_at_the_first_event_that_is_not_taken() {
    let no = Act::Say("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n");
    let stub = Stub::start(&[OK, no, OK]).await;
    let result = send(&outlet(upstream(stub.target())), &["evt_1", "evt_2", "evt_3"]).await;
    assert!(matches!(result, Err(DeliverError::Refused(status)) if status == 500), "{result:?}");
    assert_eq!(stub.got().len(), 2);
}

#[tokio::test]
async fn no_event_is_no_request() {
    let stub = Stub::start(&[OK]).await;
    send(&outlet(upstream(stub.target())), &[]).await.unwrap();
    assert!(stub.got().is_empty());
}

#[tokio::test]
async fn an_event_whose_pooled_connection_dies_unanswered_is_sent_once_more() {
    let stub = Stub::start(&[OK, Act::SayAndClose(""), OK]).await;
    let outlet = outlet(upstream(stub.target()));
    send(&outlet, &["evt_1"]).await.unwrap();
    send(&outlet, &["evt_2"]).await.unwrap();
    let got: Vec<_> = stub
        .got()
        .iter()
        .map(|got| (got.connection, got.header("webhook-id").unwrap().to_owned()))
        .collect();
    let want = [(0, "evt_1"), (0, "evt_2"), (1, "evt_2")];
    assert_eq!(got, want.map(|(connection, id)| (connection, id.to_owned())));
}

#[tokio::test]
async fn an_event_whose_fresh_connection_dies_is_not_sent_again() {
    let stub = Stub::start(&[Act::SayAndClose("")]).await;
    let result = send(&outlet(upstream(stub.target())), &["evt_1"]).await;
    assert_eq!(result, Err(DeliverError::Broken));
    assert_eq!(stub.got().len(), 1);
}

#[tokio::test]
async fn a_connection_that_the_upstream_has_closed_is_not_used_again() {
    let polite = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    let stub = Stub::start(&[Act::SayAndClose(polite), OK]).await;
    let outlet = outlet(upstream(stub.target()));
    send(&outlet, &["evt_1"]).await.unwrap();
    send(&outlet, &["evt_2"]).await.unwrap();
    assert_eq!(stub.got().iter().map(|got| got.connection).collect::<Vec<_>>(), [0, 1]);
}

#[tokio::test]
async fn an_interim_answer_is_no_answer() {
    let interim = "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    let stub = Stub::start(&[Act::Say(interim)]).await;
    send(&outlet(upstream(stub.target())), &["evt_1"]).await.unwrap();
    let only = Stub::start(&[Act::Say("HTTP/1.1 103 Early Hints\r\n\r\n")]).await;
    let result = send(&outlet(upstream(only.target())), &["evt_1"]).await;
    assert_eq!(result, Err(DeliverError::Timeout));
}

#[tokio::test]
async fn without_a_secret_nothing_is_sent() {
    let stub = Stub::start(&[OK]).await;
    let unsigned = Upstream { secret: None, ..upstream(stub.target()) };
    assert_eq!(send(&outlet(unsigned), &["evt_1"]).await, Err(DeliverError::NotConfigured));
    assert!(stub.got().is_empty());
}

#[tokio::test]
async fn an_address_that_is_none_is_not_configured() {
    let nowhere = upstream(Target::Http("ftp://127.0.0.1".into()));
    assert_eq!(send(&outlet(nowhere), &["evt_1"]).await, Err(DeliverError::NotConfigured));
}

#[tokio::test]
async fn a_new_secret_keeps_the_connections() {
    let stub = Stub::start(&[OK]).await;
    let metrics = Metrics::new().unwrap();
    let before = Arc::new(upstream(stub.target()));
    let outlet = Outlet::new(&before, None, &metrics);
    send(&outlet, &["evt_1"]).await.unwrap();
    let after =
        Arc::new(Upstream { secret: Some(Secret::from("another one")), ..upstream(stub.target()) });
    let outlet = Outlet::new(&after, Some(&outlet), &metrics);
    send(&outlet, &["evt_1"]).await.unwrap();
    let got = stub.got();
    assert_eq!((got[0].connection, got[1].connection), (0, 0));
    assert_ne!(got[0].header("webhook-signature"), got[1].header("webhook-signature"));
}
