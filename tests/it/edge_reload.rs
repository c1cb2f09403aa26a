//! One swap: what follows it is answered by the new snapshot, whatever the loader went through.

use std::collections::VecDeque;

use countersign::app::Source;
use countersign::config::Mode;
use countersign::live::Snapshot;

use crate::support::*;

struct Script(VecDeque<Result<Option<Snapshot>, Vec<String>>>);

impl Source for Script {
    fn load(&mut self) -> Result<Option<Snapshot>, Vec<String>> {
        self.0.pop_front().unwrap()
    }
}

fn value(running: &countersign::app::Running, name: &str) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "small whole numbers")]
    series(running, name).map_or(-1, |value| value as i64)
}

#[tokio::test]
async fn a_reload_swaps_routes_and_a_bad_one_keeps_them() {
    let stub = Stub::start(&[OK]).await;
    let observed = |path| route(path, Mode::Observe, original(&[]), upstream(stub.target()));
    let script = Script(VecDeque::from([
        Err(vec!["countersign.yaml:3:1: no such upstream".to_owned()]),
        Ok(None),
        Ok(Some(snapshot(vec![observed("/new/")]))),
    ]));
    let running = daemon_of(limits(), vec![observed("/old/")], Some(Box::new(script))).await;
    let address = running.addresses[0];
    let status = async |path: &str| tell(address, post(path, "", "a=1")).await.unwrap().status;
    let successful = "countersign_config_last_reload_successful";
    assert_eq!((status("/old/").await, status("/new/").await), (200, 404));

    running.reload();
    eventually("the bad one is noticed", async || value(&running, successful) == 0).await;
    assert_eq!((status("/old/").await, status("/new/").await), (200, 404));

    running.reload();
    eventually("nothing new is good", async || value(&running, successful) == 1).await;
    assert_eq!(value(&running, "countersign_config_generation"), 1);

    running.reload();
    eventually("the good one is there", async || {
        value(&running, "countersign_config_generation") == 2
    })
    .await;
    assert_eq!((status("/old/").await, status("/new/").await), (404, 200));
    assert_eq!(value(&running, "countersign_route_ready{route=\"new\"}"), 0);
    assert_eq!(value(&running, "countersign_route_ready{route=\"old\"}"), -1, "it has vanished");
    assert!(stub.got().iter().all(|got| got.connection == 0), "the pool outlives the reload");
}
