//! One process replaces another under load: no request fails, no event is lost or doubled.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use crate::support::child::Daemon;
use crate::support::counts::Counts;
use crate::support::gateways::{GATEWAYS, genuine};
use crate::support::life::{Successor, starts};
use crate::support::load::Load;
use crate::support::shop::*;
use crate::support::wire::Line;
use crate::support::wrk::{Connections, Wrk};
use crate::support::*;

const STORE: &str = "store: { path: state }\n";

async fn started(stub: &Stub, top: &str) -> (Folder, Daemon) {
    let upstream = format!("http://{}", stub.address);
    let text = config_with(&upstream, top, &timeless_routes());
    // Under load on a small machine the upstream of a test may be slow.
    let folder = folder(&text.replace("timeout: 500ms", "timeout: 10s"));
    let daemon = Daemon::start(&folder).await;
    (folder, daemon)
}

/// Has it replaced; `before` is the process that is, where it is not the one that the test started.
async fn upgrade(daemon: &mut Daemon, before: Option<Successor>) -> Successor {
    let count = starts(daemon);
    if let Some(before) = before {
        before.signal("USR2");
        before.ended().await;
    } else {
        daemon.process.signal("USR2");
        let status = daemon.process.ended().await;
        assert_eq!(status.code(), Some(0), "{}", daemon.stderr.text());
    }
    eventually("the successor serves", async || starts(daemon) > count).await;
    Successor::last_of(daemon).unwrap()
}

async fn upgrades_under_wrk(top: &str, connections: Connections) {
    let stub = Stub::start(&[OK]).await;
    let (folder, mut daemon) = started(&stub, top).await;
    let callback = genuine("liqpay", 1);
    // Known from now on: a repetition of what is under way would be asked to come again.
    let told = tell(daemon.address, callback.once("/liqpay/")).await.unwrap();
    assert_eq!(told.status, 200);
    let mut wrk = Wrk::start(&folder, daemon.address, "/liqpay/", &callback, connections, 8);
    let (mut successor, mut upgrades) = (None, 0);
    while !wrk.is_over() && upgrades < 4 {
        successor = Some(upgrade(&mut daemon, successor).await);
        upgrades += 1;
    }
    let requests = wrk.requests().await;
    eprintln!("{upgrades} upgrades, {requests} requests, none failed");
    assert!(upgrades >= 2 && requests > 100, "{upgrades} upgrades, {requests} requests");
    let log = daemon.stderr.text();
    assert!(!log.contains("cut off") && !log.contains("ERROR"), "{log}");
    drop(successor);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn upgrades_cost_no_request_on_connections_that_are_kept() {
    upgrades_under_wrk("", Connections::Kept).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn upgrades_cost_no_request_on_fresh_connections() {
    upgrades_under_wrk("", Connections::Fresh).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn upgrades_with_a_store_cost_no_request_on_connections_that_are_kept() {
    upgrades_under_wrk(STORE, Connections::Kept).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn upgrades_with_a_store_cost_no_request_on_fresh_connections() {
    upgrades_under_wrk(STORE, Connections::Fresh).await;
}

/// Sends until it is told to stop; the orders, each of which was acknowledged.
async fn send(
    address: SocketAddr,
    gateway: &str,
    from: usize,
    over: Arc<AtomicBool>,
) -> BTreeSet<String> {
    let mut acknowledged = BTreeSet::new();
    let mut line = Line::to(address);
    for n in from.. {
        let told = line.say(&genuine(gateway, n).keep(&format!("/{gateway}/"))).await;
        let told = told.unwrap_or_else(|| panic!("{gateway} {n}: no answer"));
        assert_eq!(told.status, 200, "{gateway} {n}: {told:?}");
        acknowledged.insert(format!("{gateway} order-{n}"));
        if over.load(Ordering::Relaxed) {
            break;
        }
    }
    acknowledged
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_acknowledged_while_processes_change_is_delivered_once() {
    let stub = Stub::start(&[OK]).await;
    let (_folder, mut daemon) = started(&stub, STORE).await;
    let over = Arc::<AtomicBool>::default();
    let senders: Vec<_> = (0..8)
        .map(|n| {
            let (address, over) = (daemon.address, Arc::clone(&over));
            tokio::spawn(send(address, GATEWAYS[n % 4], n * 100_000, over))
        })
        .collect();
    let mut successor = None;
    for _ in 0..4 {
        let taken = stub.got().len();
        eventually("events arrive", async || stub.got().len() > taken + 20).await;
        successor = Some(upgrade(&mut daemon, successor).await);
    }
    over.store(true, Ordering::Relaxed);
    let mut acknowledged = BTreeSet::new();
    for sender in senders {
        acknowledged.append(&mut sender.await.unwrap());
    }
    let taken = || -> Vec<String> {
        let event = |got: &Got| serde_json::from_str::<Value>(&got.body).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let name =
            |event: Value| format!("{} {}", text(&event["gateway"]), text(&event["order_id"]));
        stub.got().iter().map(event).map(name).collect()
    };
    eventually("everything is delivered", async || taken().len() >= acknowledged.len()).await;
    let taken = taken();
    let once: BTreeSet<_> = taken.iter().cloned().collect();
    eprintln!("{} acknowledged, {} delivered", acknowledged.len(), taken.len());
    assert_eq!(once, acknowledged);
    assert_eq!(taken.len(), once.len(), "something was delivered twice");
    drop(successor);
}

#[tokio::test]
async fn what_an_upstream_does_not_answer_keeps_the_store_from_no_successor() {
    let stub = Stub::start(&[Act::Silence]).await;
    let top = format!("{STORE}limits: {{ drain_timeout: 1s }}\n");
    let text = config_with(&format!("http://{}", stub.address), &top, &timeless_routes());
    let folder = folder(&text.replace("timeout: 500ms", "timeout: 60s"));
    let mut daemon = Daemon::start(&folder).await;
    let gateway = tokio::spawn(tell(daemon.address, genuine("liqpay", 1).once("/liqpay/")));
    eventually("the upstream has it", async || stub.got().len() == 1).await;
    // Its gateway goes away.
    gateway.abort();
    gateway.await.unwrap_err();
    let count = starts(&daemon);
    daemon.process.signal("USR2");
    eventually("the successor serves", async || starts(&daemon) > count).await;
    daemon.process.ended().await;
    let successor = Successor::last_of(&daemon).unwrap();
    assert!(successor.runs());
    let ready = "GET /readyz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    assert_eq!(tell(daemon.admin, ready).await.unwrap().status, 200);
    eventually("it is sent again", async || stub.got().len() == 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_successor_with_a_broken_configuration_changes_nothing() {
    let stub = Stub::start(&[OK]).await;
    for top in ["", STORE] {
        let (folder, daemon) = started(&stub, top).await;
        let load = Load::on(daemon.address);
        folder.replace("countersign.yaml", "listen: [{ address: nowhere }]\n");
        daemon.process.signal("USR2");
        let metrics = async || {
            let request = "GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
            Counts::read(&tell(daemon.admin, request).await.unwrap().body)
        };
        eventually("it says so", async || {
            metrics().await.whole("countersign_upgrades_failed_total") == 1
        })
        .await;
        let log = daemon.stderr.says("the successor has failed; this process goes on").await;
        assert!(log.contains("nowhere"), "what is wrong: {log}");
        let answered = load.answered();
        eventually("requests are answered", async || load.answered() > answered + 10).await;
        load.stop().await;
        let successor = Successor::last_of(&daemon).unwrap();
        assert!(!successor.runs());
    }
}
