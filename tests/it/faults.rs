//! Disks that do not do as they are told: the gateway is asked to come again, readiness and metrics
//! say why, and nobody has to lend a hand when it is over.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::process::Command;

use crate::support::child::Daemon;
use crate::support::counts::{Counts, ended};
use crate::support::gateways::genuine;
use crate::support::shop::*;
use crate::support::*;

/// A durable route before this upstream.
fn text(upstream: SocketAddr) -> String {
    let mut routes = timeless_routes();
    routes.retain(|route| route.gateway == "smartexpay");
    routes[0].mode = "enforce, delivery: durable";
    config_with(&format!("http://{upstream}"), "store: { path: state/store }\n", &routes)
        .replace("timeout: 500ms, ", "timeout: 500ms, retry: { first: 1s, longest: 1s }, ")
}

async fn say(daemon: &Daemon, n: usize) -> u16 {
    let bytes = genuine("smartexpay", n).once("/smartexpay/");
    tell(daemon.address, bytes).await.unwrap().status
}

async fn admin(daemon: &Daemon, path: &str) -> Told {
    let bytes = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    tell(daemon.admin, bytes).await.unwrap()
}

async fn counts(daemon: &Daemon) -> Counts {
    Counts::read(&admin(daemon, "/metrics").await.body)
}

fn undelivered(counts: &Counts, reason: &str) -> i64 {
    counts.whole(&ended(["smartexpay", "undelivered", reason, "smartexpay"]))
}

/// Readiness and the metric say so.
async fn unready(daemon: &Daemon, why: &str) {
    eventually("the metric says it", async || {
        counts(daemon).await.whole("countersign_store_ready") == 0
    })
    .await;
    let told = admin(daemon, "/readyz").await;
    assert_eq!((told.status, told.body.contains(why)), (503, true), "{told:?}");
}

/// A file system of its own, of so many bytes.
struct Disk<'a>(&'a Folder);

impl<'a> Disk<'a> {
    fn new(folder: &'a Folder, size: &str) -> Self {
        std::fs::create_dir_all(folder.at("state")).unwrap();
        let size = format!("size={size}");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(folder.at("state"))
            .status()
            .unwrap();
        assert!(mounted.success(), "these tests mount a small file system, as root");
        Self(folder)
    }

    fn remount(&self, how: &str) {
        let how = format!("remount,{how}");
        let done =
            Command::new("mount").args(["-o", &how]).arg(self.0.at("state")).status().unwrap();
        assert!(done.success(), "{how}");
    }
}

impl Drop for Disk<'_> {
    fn drop(&mut self) {
        Command::new("umount").args(["-l"]).arg(self.0.at("state")).status().ok();
    }
}

/// How many that were acknowledged have not come yet.
fn missing(stub: &Stub, acknowledged: &[usize]) -> usize {
    let got = stub.got();
    let order = |body: &str| {
        let (_, rest) = body.split_once("\"order-")?;
        rest.split_once('"')?.0.parse::<usize>().ok()
    };
    let came: HashSet<_> = got.iter().filter_map(|got| order(&got.body)).collect();
    acknowledged.iter().filter(|n| !came.contains(n)).count()
}

/// Waits for as long as more of them come.
async fn all_arrive(stub: &Stub, acknowledged: &[usize]) {
    let mut left = acknowledged.len() + 1;
    while left > 0 {
        let before = left;
        eventually(&format!("fewer than {before} are missing"), async || {
            left = missing(stub, acknowledged);
            left < before
        })
        .await;
    }
}

#[tokio::test]
async fn a_full_disk_makes_gateways_come_again_and_heals_by_itself() {
    let address = free_address();
    let folder = folder(&text(address));
    let disk = Disk::new(&folder, "3m");
    let daemon = Daemon::start(&folder).await;
    let (mut acknowledged, mut refused, mut n) = (Vec::new(), 0, 0);
    while refused < 20 {
        match say(&daemon, n).await {
            200 => acknowledged.push(n),
            503 => refused += 1,
            other => panic!("{other}"),
        }
        n += 1;
        assert!(n < 50_000, "the disk is never full");
    }
    assert!(acknowledged.len() > 100, "{}", acknowledged.len());
    let now = counts(&daemon).await;
    let counted = undelivered(&now, "queue_full") + undelivered(&now, "disk_error");
    assert_eq!(counted, refused, "each by its reason");
    unready(&daemon, "full").await;
    disk.remount("size=64m");
    eventually("it takes events again", async || {
        let took = say(&daemon, n).await == 200;
        if took {
            acknowledged.push(n);
        }
        took
    })
    .await;
    eventually("it is ready", async || admin(&daemon, "/readyz").await.status == 200).await;
    let stub = Stub::at(address, &[OK]).await;
    all_arrive(&stub, &acknowledged).await;
}

#[tokio::test]
async fn a_disk_that_is_read_only_for_a_while_loses_nothing() {
    let address = free_address();
    let folder = folder(&text(address));
    let disk = Disk::new(&folder, "64m");
    let daemon = Daemon::start(&folder).await;
    assert_eq!(say(&daemon, 0).await, 200);
    // An open file could still be written on a file system that is remounted by force only.
    let remount =
        Command::new("mount").args(["-o", "remount,ro"]).arg(folder.at("state")).status().unwrap();
    if !remount.success() {
        // The kernel refuses it while a file is open for writing: take the folder away instead.
        std::fs::rename(folder.at("state/store"), folder.at("state/away")).unwrap();
    }
    eventually("it asks to come again", async || say(&daemon, 1).await == 503).await;
    unready(&daemon, "disk_error").await;
    if remount.success() {
        disk.remount("rw");
    } else {
        std::fs::rename(folder.at("state/away"), folder.at("state/store")).unwrap();
    }
    eventually("it takes events again", async || say(&daemon, 2).await == 200).await;
    let stub = Stub::at(address, &[OK]).await;
    all_arrive(&stub, &[0, 2]).await;
}

/// The daemon under strace, which makes system calls fail.
async fn injected(folder: &Folder, inject: &str) -> Daemon {
    Daemon::start_under(
        folder,
        Command::new("strace")
            .args(["-D", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync,fdatasync"])
            .args(["-e", &format!("inject={inject}")]),
    )
    .await
}

#[tokio::test]
async fn a_sync_that_fails_is_no_acknowledgement() {
    let address = free_address();
    let folder = folder(&text(address));
    folder.write("state/README", "");
    // The first ones belong to the start.
    let daemon = injected(&folder, "fsync,fdatasync:error=EIO:when=40..43").await;
    let (mut acknowledged, mut refused) = (Vec::new(), 0);
    for n in 0..200 {
        match say(&daemon, n).await {
            200 => acknowledged.push(n),
            503 => {
                refused += 1;
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
            other => panic!("{other}"),
        }
    }
    assert!(refused > 0, "no sync was made to fail");
    assert!(undelivered(&counts(&daemon).await, "disk_error") > 0);
    eventually("it takes events again", async || say(&daemon, 1000).await == 200).await;
    acknowledged.push(1000);
    let stub = Stub::at(address, &[OK]).await;
    all_arrive(&stub, &acknowledged).await;
}

#[tokio::test]
async fn a_slow_sync_is_waited_for() {
    let stub = Stub::start(&[OK]).await;
    let folder = folder(&text(stub.address));
    folder.write("state/README", "");
    let daemon = injected(&folder, "fsync,fdatasync:delay_enter=30000").await;
    for n in 0..10 {
        assert_eq!(say(&daemon, n).await, 200);
    }
    all_arrive(&stub, &(0..10).collect::<Vec<_>>()).await;
    let metrics = admin(&daemon, "/metrics").await.body;
    assert!(metrics.contains("countersign_store_commit_seconds"), "{metrics}");
}

#[tokio::test]
async fn a_damaged_file_is_set_aside_and_what_can_be_read_is_delivered() {
    let address = free_address();
    let folder = folder(&text(address));
    folder.write("state/README", "");
    let mut daemon = Daemon::start(&folder).await;
    for n in 0..200 {
        assert_eq!(say(&daemon, n).await, 200);
    }
    daemon.process.signal("TERM");
    assert!(daemon.process.ended().await.success());
    let path = folder.at("state/store/outbox.db");
    assert!(!folder.at("state/store/outbox.db-wal").exists(), "all is in the file");
    let mut bytes = std::fs::read(&path).unwrap();
    // A page in the middle.
    let at = bytes.len() / 2 / 8192 * 8192;
    bytes[at..at + 8192].fill(0xA5);
    std::fs::write(&path, bytes).unwrap();
    let daemon = Daemon::start(&folder).await;
    let stub = Stub::at(address, &[OK]).await;
    eventually("it takes events", async || say(&daemon, 1000).await == 200).await;
    eventually("most of it arrives", async || stub.got().len() > 100).await;
    // It is found when what stood on it is to be sent, at the latest.
    eventually("the damaged file is kept", async || {
        let mut files = std::fs::read_dir(folder.at("state/store")).unwrap();
        files.any(|file| file.unwrap().file_name().to_string_lossy().contains("corrupt"))
    })
    .await;
}
