//! What the service manager is told; the test is the peer that hears it.

use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;

use crate::support::child::Daemon;
use crate::support::life::Successor;
use crate::support::shop::*;
use crate::support::*;

/// Every message so far, one string each.
type Heard = Arc<Mutex<Vec<String>>>;

async fn started(watchdog: Option<&str>) -> (Heard, Folder, Daemon) {
    let stub = Stub::start(&[OK]).await;
    let folder = folder(&config(&format!("http://{}", stub.address), &timeless_routes()));
    let socket = UnixDatagram::bind(folder.at("notify")).unwrap();
    let heard = Heard::default();
    let all = Arc::clone(&heard);
    // Ends with the process of the test.
    thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(length) = socket.recv(&mut bytes) {
            all.lock().unwrap().push(String::from_utf8(bytes[..length].to_vec()).unwrap());
        }
    });
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    command.env("NOTIFY_SOCKET", folder.at("notify"));
    if let Some(watchdog) = watchdog {
        command.env("WATCHDOG_USEC", watchdog);
    }
    let daemon = Daemon::start_by(&folder, command).await;
    (heard, folder, daemon)
}

fn has(heard: &Heard, lines: &[&str]) -> bool {
    let heard = heard.lock().unwrap();
    heard.iter().any(|message| lines.iter().all(|line| message.lines().any(|it| it == *line)))
}

#[tokio::test]
async fn ready_reloading_and_stopping_are_told_in_this_order() {
    let (heard, _folder, mut daemon) = started(None).await;
    let id = format!("MAINPID={}", daemon.id());
    eventually("it is ready", async || has(&heard, &["READY=1", &id])).await;
    heard.lock().unwrap().clear();
    daemon.process.signal("HUP");
    eventually("it has reloaded", async || has(&heard, &["READY=1"])).await;
    {
        let mut heard = heard.lock().unwrap();
        assert_eq!(heard.len(), 2, "{heard:?}");
        let time = heard[0].lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC="));
        assert!(heard[0].starts_with("RELOADING=1\n"), "{heard:?}");
        assert!(time.unwrap().parse::<u64>().unwrap() > 0, "{heard:?}");
        heard.clear();
    }
    daemon.stderr.says("the configuration was reloaded").await;
    daemon.process.signal("TERM");
    eventually("it stops", async || has(&heard, &["STOPPING=1"])).await;
    assert_eq!(daemon.process.ended().await.code(), Some(0));
}

#[tokio::test]
async fn the_watchdog_hears_twice_in_its_time_that_all_is_well() {
    let (heard, _folder, _daemon) = started(Some("200000")).await;
    let pings = || heard.lock().unwrap().iter().filter(|text| *text == "WATCHDOG=1\n").count();
    eventually("it is fed again and again", async || pings() > 4).await;
}

#[tokio::test]
async fn a_successor_says_that_it_is_the_main_process_now() {
    let (heard, _folder, mut daemon) = started(Some("200000")).await;
    heard.lock().unwrap().clear();
    daemon.process.signal("USR2");
    assert_eq!(daemon.process.ended().await.code(), Some(0));
    daemon.stderr.says("a successor is started").await;
    let successor = Successor::last_of(&daemon).unwrap();
    let id = format!("MAINPID={}", successor.0);
    eventually("it says so", async || has(&heard, &["READY=1", &id])).await;
    assert!(!has(&heard, &["STOPPING=1"]), "the service does not stop");
    heard.lock().unwrap().clear();
    eventually("it feeds the watchdog", async || has(&heard, &["WATCHDOG=1"])).await;
}
