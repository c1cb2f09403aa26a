//! A thousand reloads under load: every request is answered, by one configuration or the next.

use std::sync::Arc;

use tokio::task::spawn_blocking;

use crate::support::child::Daemon;
use crate::support::counts::Counts;
use crate::support::load::Load;
use crate::support::shop::*;
use crate::support::*;

fn to(stub: &Stub, path: &str) -> String {
    let routes = timeless_routes()
        .into_iter()
        .map(|route| Wired { forward: format!("{{ as: canonical, to: {path} }}"), ..route });
    let upstream = format!("http://{}", stub.address);
    // Under load on a small machine the upstream of a test may be slow.
    config(&upstream, &routes.collect::<Vec<_>>()).replace("timeout: 500ms", "timeout: 10s")
}

/// Everything went to one of the two places; how much to each.
fn count(stub: &Stub, counts: &mut [usize; 2]) {
    for got in stub.take() {
        match got.line.as_str() {
            "POST /a HTTP/1.1" => counts[0] += 1,
            "POST /b HTTP/1.1" => counts[1] += 1,
            other => panic!("neither of A nor of B: {other}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_reloads_cost_no_request_and_no_memory() {
    const RELOADS: usize = 1000;
    let stub = Stub::start(&[OK]).await;
    let folder = Arc::new(folder(&to(&stub, "/a")));
    let (mut loader, loaded) = load(&folder);
    // Driven by hand: the pauses that gather changes would make this last for minutes.
    let running = start(loaded, None).await;
    let load = Load::on(running.addresses[0]);
    let (mut snapshots, mut before, mut landed) = (Vec::new(), 0, [0; 2]);
    for n in 1..=RELOADS {
        let text = to(&stub, if n % 2 == 0 { "/a" } else { "/b" });
        let files = Arc::clone(&folder);
        let loaded;
        (loader, loaded) = spawn_blocking(move || {
            files.replace("countersign.yaml", text);
            let loaded = loader.load();
            (loader, loaded)
        })
        .await
        .unwrap();
        let Ok(loaded) = loaded else { panic!("reload {n} failed") };
        assert!(loaded.reports.is_empty());
        running.live.publish(loaded.snapshot);
        snapshots.push(Arc::downgrade(&running.live.load()));
        count(&stub, &mut landed);
        if n == RELOADS / 10 {
            before = resident(std::process::id());
        }
        let answered = load.answered();
        eventually("requests are answered", async || load.answered() > answered).await;
    }
    let after = resident(std::process::id());
    let answered = load.stop().await;
    count(&stub, &mut landed);
    eprintln!("{RELOADS} reloads, {answered} requests, resident {before} KiB, then {after} KiB");
    assert_eq!(landed[0] + landed[1], answered, "each answer was one event");
    assert!(landed[0] > 100 && landed[1] > 100, "{landed:?}");
    eventually("old snapshots are gone", async || {
        // The active one, and the one that the server has at hand until the next request.
        snapshots.iter().filter(|snapshot| snapshot.strong_count() > 0).count() <= 2
    })
    .await;
    assert!(after < before + 64 * 1024, "resident {before} KiB, then {after} KiB");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sighup_reloads_a_process_under_load() {
    const RELOADS: i64 = 10;
    let stub = Stub::start(&[OK]).await;
    let folder = folder(&to(&stub, "/a"));
    let daemon = Daemon::start(&folder).await;
    let metrics = async || {
        let request = "GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        Counts::read(&tell(daemon.admin, request).await.unwrap().body)
    };
    let generation = async || metrics().await.whole("countersign_config_generation");
    // Nothing has changed: only the signal can be the cause.
    daemon.process.signal("HUP");
    eventually("it reloads", async || generation().await == 2).await;
    let load = Load::on(daemon.address);
    let mut landed = [0; 2];
    let before = resident(daemon.id());
    for n in 0..RELOADS {
        let now = generation().await;
        folder.replace("countersign.yaml", to(&stub, if n % 2 == 0 { "/b" } else { "/a" }));
        daemon.process.signal("HUP");
        eventually("it reloads", async || generation().await > now).await;
        count(&stub, &mut landed);
    }
    let after = resident(daemon.id());
    let answered = load.stop().await;
    count(&stub, &mut landed);
    eprintln!("{answered} requests, resident {before} KiB, then {after} KiB");
    assert_eq!(landed[0] + landed[1], answered);
    assert!(landed[0] > 0 && landed[1] > 0, "{landed:?}");
    assert!(after < before + 16 * 1024, "resident {before} KiB, then {after} KiB");
    assert_eq!(metrics().await.whole("countersign_config_last_reload_successful"), 1);
}
