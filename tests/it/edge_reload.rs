//! One swap: what follows it is answered by the new snapshot, whatever the loader went through.

use std::collections::VecDeque;

use countersign::app::{Reloaded, Source};
use countersign::config::Mode;

use crate::support::*;

struct Script(VecDeque<Result<Reloaded, Vec<String>>>);

impl Source for Script {
    fn load(&mut self) -> Result<Reloaded, Vec<String>> {
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
        Ok(Reloaded {
            snapshot: snapshot(vec![observed("/new/")]),
            problems: vec!["rules/acme.yaml:1:1: broken".to_owned()],
        }),
        Ok(Reloaded { snapshot: snapshot(vec![observed("/new/")]), problems: Vec::new() }),
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
    eventually("what is good of it is there", async || status("/new/").await == 200).await;
    assert_eq!(status("/old/").await, 404);
    assert_eq!(value(&running, successful), 0, "a part of it was broken");

    running.reload();
    eventually("all of it is good", async || value(&running, successful) == 1).await;
    assert_eq!(value(&running, "countersign_config_generation"), 3);
    assert_eq!(value(&running, "countersign_route_ready{route=\"new\"}"), 0);
    assert_eq!(value(&running, "countersign_route_ready{route=\"old\"}"), -1, "it has vanished");
    assert!(stub.got().iter().all(|got| got.connection == 0), "the pool outlives the reload");
}
