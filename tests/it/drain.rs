//! The end of a real process under load.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::support::child::Daemon;
use crate::support::gateways::{GATEWAYS, genuine};
use crate::support::shop::*;
use crate::support::wire::Line;
use crate::support::*;

const LATE: Act = Act::SayLate("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");

async fn started() -> (Stub, Folder, Daemon) {
    let stub = Stub::start(&[LATE]).await;
    let folder = folder(&config(&format!("http://{}", stub.address), &timeless_routes()));
    let daemon = Daemon::start(&folder).await;
    (stub, folder, daemon)
}

/// Sends until the daemon is gone; the orders that were acknowledged.
async fn send_to_the_end(address: SocketAddr, gateway: &str, from: usize) -> BTreeSet<String> {
    let mut acknowledged = BTreeSet::new();
    let mut line = Line::to(address);
    for n in from.. {
        let bytes = genuine(gateway, n).keep(&format!("/{gateway}/"));
        let Some(told) = line.say(&bytes).await else { break };
        assert_eq!(told.status, 200, "{told:?}");
        acknowledged.insert(format!("{gateway} order-{n}"));
    }
    acknowledged
}

async fn drains(signal: &str) {
    let (stub, _folder, mut daemon) = started().await;
    // Several of each gateway, so that at any time some are on their way.
    let senders: Vec<_> = (0..12)
        .map(|n| {
            let (address, gateway) = (daemon.address, GATEWAYS[n % 4]);
            tokio::spawn(send_to_the_end(address, gateway, n * 100_000))
        })
        .collect();
    eventually("the load is on", async || stub.got().len() > 50).await;
    daemon.process.signal(signal);
    let status = daemon.process.ended().await;
    assert_eq!(status.code(), Some(0), "{}", daemon.stderr.text());
    let mut acknowledged = BTreeSet::new();
    for sender in senders {
        acknowledged.append(&mut sender.await.unwrap());
    }
    let taken: BTreeSet<_> = stub
        .got()
        .iter()
        .map(|got| serde_json::from_str::<Value>(&got.body).unwrap())
        .map(|event| {
            format!(
                "{} {}",
                event["gateway"].as_str().unwrap(),
                event["order_id"].as_str().unwrap()
            )
        })
        .collect();
    let lost: Vec<_> = acknowledged.difference(&taken).collect();
    assert!(lost.is_empty(), "acknowledged, not delivered: {lost:?}");
    let cut: Vec<_> = taken.difference(&acknowledged).collect();
    assert!(cut.is_empty(), "begun, not finished: {cut:?}");
    let log = daemon.stderr.says("\"draining\"").await;
    assert!(!log.contains("cut off"), "{log}");
}

#[tokio::test]
async fn sigterm_finishes_what_was_begun() {
    drains("TERM").await;
}

#[tokio::test]
async fn sigint_finishes_what_was_begun() {
    drains("INT").await;
}

#[tokio::test]
async fn a_body_that_is_still_coming_is_waited_for() {
    let (stub, _folder, mut daemon) = started().await;
    let bytes = genuine("liqpay", 1).keep("/liqpay/");
    let (begin, rest) = bytes.split_at(bytes.len() - 20);
    let mut slow = TcpStream::connect(daemon.address).await.unwrap();
    slow.write_all(begin).await.unwrap();
    eventually("it is under way", async || {
        let request = "GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        let metrics = tell(daemon.admin, request).await.unwrap().body;
        metrics.contains("countersign_callbacks_in_flight 1\n")
    })
    .await;
    daemon.process.signal("TERM");
    eventually("nothing new is let in", async || TcpStream::connect(daemon.address).await.is_err())
        .await;
    slow.write_all(rest).await.unwrap();
    let told = told(&mut slow).await.expect("an answer");
    assert_eq!(told.status, 200);
    assert!(told.has("connection: close"), "{told:?}");
    assert_eq!(daemon.process.ended().await.code(), Some(0));
    assert_eq!(stub.got().len(), 1);
}
