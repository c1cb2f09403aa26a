//! Sockets that somebody else holds, and starts and stops under load.

use crate::support::child::Daemon;
use crate::support::gateways::genuine;
use crate::support::life::{activated, socket};
use crate::support::shop::*;
use crate::support::wrk::{Connections, Wrk};
use crate::support::*;

fn shop(stub: &Stub, listen: &str, admin: &str) -> Folder {
    let text = config(&format!("http://{}", stub.address), &timeless_routes());
    let text = text.replace("timeout: 500ms", "timeout: 10s");
    let text = text.replacen("127.0.0.1:0", listen, 1);
    folder(&text.replacen("\"127.0.0.1:0\"", &format!("\"{admin}\""), 1))
}

#[tokio::test]
async fn passed_sockets_serve_the_listeners_of_their_addresses() {
    let stub = Stub::start(&[OK]).await;
    let ((callbacks, listen), (admin_socket, admin)) = (socket(), socket());
    let (unused, nobody) = socket();
    let folder = shop(&stub, &listen.to_string(), &admin.to_string());
    // In another order than that of the configuration.
    let command = activated(&[&unused, &admin_socket, &callbacks]);
    let mut daemon = Daemon::start_by(&folder, command).await;
    assert_eq!((daemon.address, daemon.admin), (listen, admin));
    let told = tell(listen, genuine("liqpay", 1).once("/liqpay/")).await.unwrap();
    assert_eq!(told.status, 200);
    let log = daemon.stderr.says("a passed socket is not used").await;
    let unused = log.lines().find(|line| line.contains("a passed socket is not used")).unwrap();
    assert!(unused.contains(&nobody.to_string()), "{unused}");
    daemon.process.signal("TERM");
    assert_eq!(daemon.process.ended().await.code(), Some(0));
}

#[tokio::test]
async fn a_listener_without_a_passed_socket_is_bound() {
    let stub = Stub::start(&[OK]).await;
    let (callbacks, listen) = socket();
    let folder = shop(&stub, &listen.to_string(), "127.0.0.1:0");
    let daemon = Daemon::start_by(&folder, activated(&[&callbacks])).await;
    let told = tell(daemon.admin, "GET /readyz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert_eq!(told.await.unwrap().status, 200);
    daemon.stderr.says("no passed socket has this address; it is bound").await;
}

async fn storm(connections: Connections) {
    const ROUNDS: usize = 4;
    let stub = Stub::start(&[OK]).await;
    let ((callbacks, listen), (admin_socket, admin)) = (socket(), socket());
    let folder = shop(&stub, &listen.to_string(), &admin.to_string());
    let mut wrk = Wrk::start(&folder, listen, "/liqpay/", &genuine("liqpay", 1), connections, 8);
    let mut rounds = 0;
    while rounds < ROUNDS && !wrk.is_over() {
        let command = activated(&[&callbacks, &admin_socket]);
        let mut daemon = Daemon::start_by(&folder, command).await;
        let taken = stub.got().len();
        eventually("requests are answered", async || stub.got().len() > taken + 10).await;
        daemon.process.signal("TERM");
        let status = daemon.process.ended().await;
        assert_eq!(status.code(), Some(0), "{}", daemon.stderr.text());
        rounds += 1;
    }
    let last = Daemon::start_by(&folder, activated(&[&callbacks, &admin_socket])).await;
    let requests = wrk.requests().await;
    eprintln!("{rounds} stops and starts, {requests} requests, none failed");
    assert!(rounds >= 2 && requests > 100, "{rounds} rounds, {requests} requests");
    drop(last);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stops_and_starts_on_a_held_socket_cost_no_request_on_connections_that_are_kept() {
    storm(Connections::Kept).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stops_and_starts_on_a_held_socket_cost_no_request_on_fresh_connections() {
    storm(Connections::Fresh).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reloads_cost_wrk_no_request() {
    let stub = Stub::start(&[OK]).await;
    let folder = shop(&stub, "127.0.0.1:0", "127.0.0.1:0");
    let daemon = Daemon::start(&folder).await;
    let callback = genuine("liqpay", 1);
    let mut wrk = Wrk::start(&folder, daemon.address, "/liqpay/", &callback, Connections::Kept, 5);
    let reloads = || daemon.stderr.text().matches("the configuration was reloaded").count();
    while !wrk.is_over() {
        let before = reloads();
        daemon.process.signal("HUP");
        eventually("it reloads", async || reloads() > before || wrk.is_over()).await;
    }
    let requests = wrk.requests().await;
    eprintln!("{} reloads, {requests} requests, none failed", reloads());
    assert!(reloads() > 2 && requests > 100, "{requests}");
}
