//! The end: what was begun is finished, and nothing new begins.

use std::time::Duration;

use countersign::config::{Limits, Mode};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::support::*;

const HEAD: &str = "POST /watch/ HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n";

#[tokio::test]
async fn a_request_in_flight_is_finished_and_a_new_connection_is_not_accepted() {
    let stub = Stub::start(&[OK]).await;
    let routes = vec![route("/watch/", Mode::Observe, original(&[]), upstream(stub.target()))];
    let limits = Limits { body_timeout: PATIENCE, header_timeout: PATIENCE, ..limits() };
    let running = daemon(limits, routes).await;
    let (address, admin) = (running.addresses[0], running.admin.unwrap());
    let mut idle = TcpStream::connect(address).await.unwrap();
    let mut begun = TcpStream::connect(address).await.unwrap();
    begun.write_all(HEAD.as_bytes()).await.unwrap();
    eventually("it is under way", async || {
        series(&running, "countersign_callbacks_in_flight").is_some_and(|count| count > 0.0)
    })
    .await;
    let draining = tokio::spawn(running.drain());
    eventually("the listener is closed", async || TcpStream::connect(address).await.is_err()).await;
    assert!(told(&mut idle).await.is_none(), "an idle connection is closed soon");
    let ready = "GET /readyz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let ready = tell(admin, ready).await.unwrap();
    assert_eq!((ready.status, ready.body.as_str()), (503, "draining\n"));
    begun.write_all(b"a=1").await.unwrap();
    let told = told(&mut begun).await.expect("an answer");
    assert_eq!((told.status, told.body.as_str()), (200, "OK"));
    assert!(told.has("connection: close"), "{told:?}");
    assert!(draining.await.unwrap(), "all was finished");
}

#[tokio::test]
async fn what_is_not_finished_in_time_is_cut_off() {
    let stub = Stub::start(&[OK]).await;
    let routes = vec![route("/watch/", Mode::Observe, original(&[]), upstream(stub.target()))];
    let drain_timeout = Duration::from_millis(100);
    let limits = Limits { body_timeout: PATIENCE, drain_timeout, ..limits() };
    let running = daemon(limits, routes).await;
    let mut begun = TcpStream::connect(running.addresses[0]).await.unwrap();
    begun.write_all(HEAD.as_bytes()).await.unwrap();
    eventually("it is under way", async || {
        series(&running, "countersign_callbacks_in_flight").is_some_and(|count| count > 0.0)
    })
    .await;
    assert!(!running.drain().await, "not all was finished");
    assert!(told(&mut begun).await.is_none());
    assert!(stub.got().is_empty());
}
