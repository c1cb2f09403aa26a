//! A disk that fails while it is written to.

use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use super::*;

fn settings(test: &str) -> Settings {
    let folder = std::env::temp_dir().join(format!("countersign-captures-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join(test);
    let age_max = Duration::from_secs(3600);
    Settings { path, bytes_max: 1 << 30, age_max, seal: Arc::default() }
}

fn capture(bytes: usize) -> Capture {
    let word = String::new;
    let summary = Summary {
        at: 0,
        route: word(),
        gateway: word(),
        outcome: word(),
        reason: word(),
        place: word(),
        answered: 200,
        rule: word(),
        keys: Vec::new(),
        said: None,
        peer: word(),
        bytes: bytes as u64,
    };
    let body = vec![b'x'; bytes];
    let (method, target) = (word(), word());
    Capture { summary, inbound: Kept { method, target, headers: Vec::new(), body, masked: false } }
}

/// Waits, but not for ever.
fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..1000 {
        if holds() {
            return;
        }
        sleep(Duration::from_millis(10));
    }
    panic!("never: {what}");
}

#[test]
fn a_full_disk_loses_captures_and_says_so_until_it_has_room_again() {
    let queue = Arc::new(Queue::default());
    let mut writer = Writer::open(settings("full.db"), queue.clone()).unwrap();
    writer.fill_disk();
    let thread = writer.spawn().unwrap();
    assert!(queue.put(capture(1_000_000)), "nobody knows yet");
    eventually("it is known", || queue.health() == Err(StoreError::Full));
    assert!(!queue.put(capture(1)));
    assert_eq!(queue.totals().lost, 2);
    eventually("it is tried again", || queue.health().is_ok());
    assert!(queue.put(capture(1_000_000)));
    eventually("it is kept", || queue.totals().count == 1);
    assert_eq!(queue.totals().lost, 2);
    queue.close();
    thread.join().unwrap();
    std::fs::remove_dir_all(settings("").path).unwrap();
}
