//! What the store in a file promises beside the contract: shared commits, one opener, sealed bodies,
//! and what becomes of it when the disk or the file is not as it should be.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use countersign::engine::event::Event;
use countersign::engine::secret::Secret;
use countersign::store::seal::Seal;
use countersign::store::{
    Admission, Duplicate, Entry, Filter, Intake, Order, Page, Settled, Settlement, State, Store,
    StoreError,
};

use crate::support::outbox::{
    Backend, Files, SHOP, admit, all, claim, deposit, drain, entry, paid, queue, send, settle,
    spill,
};
use crate::support::{NOW, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn those_who_come_together_share_a_commit() {
    let files = Files::new();
    let store = files.open(NOW);
    let before = files.metrics.store().synced();
    let producers = (0..64).map(|producer| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for n in 0..20 {
                queue(&*store, paid(&format!("{producer}-{n}"))).await;
            }
        })
    });
    for producer in producers.collect::<Vec<_>>() {
        producer.await.unwrap();
    }
    let after = files.metrics.store().synced();
    let (commits, operations) = (after.0 - before.0, after.2 - before.2);
    assert!((operations - 1280.0).abs() < 0.5, "{operations}");
    assert!(commits <= 640, "{commits} commits for 1280 entries");
}

#[tokio::test]
async fn only_what_is_promised_is_synced() {
    let files = Files::new();
    let store = files.open(NOW);
    let metrics = files.metrics.store();
    let (synced, unsynced) = (metrics.synced().0, metrics.unsynced());
    let ticket = send(&*store, paid("a"), spill(NOW)).await;
    settle(&*store, ticket, Settlement::Delivered).await;
    let ticket = send(&*store, paid("b"), spill(NOW)).await;
    assert_eq!((metrics.synced().0, metrics.unsynced()), (synced, unsynced + 3));
    let wait = Settlement::Wait { due: NOW, why: "timeout", counts: true };
    settle(&*store, ticket, wait).await;
    assert_eq!(metrics.synced().0, synced + 1, "what waits is promised");
    queue(&*store, paid("c")).await;
    assert_eq!(metrics.synced().0, synced + 2);
    assert_eq!(metrics.unsynced(), unsynced + 3);
}

#[tokio::test]
async fn a_file_has_one_opener() {
    let files = Files::new();
    let store = files.open(NOW);
    assert_eq!(files.sqlite(NOW).err(), Some(StoreError::Closed));
    drop(store);
    files.open(NOW);
}

#[tokio::test]
async fn a_sealed_body_is_not_in_the_file() {
    let secret = "very-private-reference";
    let found = async |seal: Seal| {
        let files = Files { seal: Arc::new(seal), ..Files::new() };
        let store = files.open(NOW);
        let raw = format!(r#"{{"note":"{secret}"}}"#);
        queue(&*store, Event { raw, ..paid("a") }).await;
        let body = claim(&*store, NOW).await.parcels[0].message.body.clone();
        assert!(String::from_utf8(body.to_vec()).unwrap().contains(secret));
        drop(store);
        let bytes = fs::read(files.folder.at("outbox.db")).unwrap();
        bytes.windows(secret.len()).any(|window| window == secret.as_bytes())
    };
    assert!(found(Seal::default()).await, "nobody wanted it sealed");
    assert!(!found(Seal::new(&[Secret::new(vec![7; 32])]).unwrap()).await);
}

#[tokio::test]
async fn what_cannot_be_opened_is_dead_until_its_key_is_back() {
    let key = Arc::new(Seal::new(&[Secret::new(vec![7; 32])]).unwrap());
    let mut files = Files { seal: Arc::clone(&key), ..Files::new() };
    queue(&*files.open(NOW), paid("a")).await;
    files.seal = Arc::default();
    let store = files.open(NOW);
    assert!(claim(&*store, NOW).await.parcels.is_empty());
    let dead = entry(&*store, "a").await;
    assert_eq!((dead.state, dead.why.as_deref()), (State::Dead, Some("message_unreadable")));
    drop(store);
    files.seal = key;
    let store = files.open(NOW);
    store.order(vec![dead.seq], Order::Retry, NOW).await.unwrap();
    assert_eq!(drain(&*store, NOW).await, ["a"]);
}

#[tokio::test]
async fn a_full_outbox_takes_no_more_and_works_on() {
    let files = Files { waiting_max: 3, ..Files::new() };
    let store = files.open(NOW);
    for name in ["a", "b", "c"] {
        assert_eq!(store.health(), Ok(()));
        queue(&*store, paid(name)).await;
    }
    assert_eq!(store.health(), Err(StoreError::Full));
    let more = store.admit(vec![deposit(paid("d"))], Intake::Queue, NOW).await;
    assert_eq!(more, Err(StoreError::Full));
    let again = Admission::Duplicate { by: Duplicate::Delivery, of: State::Waiting };
    assert_eq!(admit(&*store, paid("a"), Intake::Queue).await, again, "that is no more");
    let two = store.admit(vec![deposit(paid("a")), deposit(paid("e"))], Intake::Queue, NOW).await;
    assert_eq!(two, Err(StoreError::Full), "all or none");
    let ticket = send(&*store, paid("sent"), spill(NOW)).await;
    assert!(settle(&*store, ticket, Settlement::Delivered).await, "what does not wait is taken");
    assert_eq!(drain(&*store, NOW).await, ["a", "b", "c"]);
    assert_eq!(store.health(), Ok(()));
    queue(&*store, paid("d")).await;
}

#[tokio::test]
async fn a_full_file_takes_no_more_and_works_on() {
    let files = Files { bytes_max: 2 << 20, ..Files::new() };
    let store = files.open(NOW);
    let big = |name: &str| Event { raw: format!("\"{}\"", "x".repeat(20_000)), ..paid(name) };
    let mut taken = 0;
    let full = loop {
        let next = deposit(big(&taken.to_string()));
        match store.admit(vec![next], Intake::Queue, NOW).await {
            Ok(_) => taken += 1,
            Err(error) => break error,
        }
        assert!(taken < 1000, "it never fills");
    };
    assert_eq!(full, StoreError::Full);
    assert!(taken > 20, "{taken}");
    let one = entry(&*store, "0").await.seq;
    assert_eq!(store.order(vec![one], Order::Drop { why: "x".into() }, NOW).await.unwrap(), 1);
    assert_eq!(drain(&*store, NOW).await.len(), taken - 1);
    eventually("there is room again", async || store.health() == Ok(())).await;
    queue(&*store, big("more")).await;
}

#[tokio::test]
async fn a_folder_that_went_away_is_waited_for() {
    let files = Files::new();
    fs::create_dir(files.folder.at("in")).unwrap();
    let inner = Files { folder: crate::support::shop::Folder::new(), ..Files::new() };
    let (here, there) = (inner.folder.path().to_owned(), files.folder.at("there"));
    let store = inner.open(NOW);
    queue(&*store, paid("a")).await;
    fs::rename(&here, &there).unwrap();
    eventually("the loss is noticed", async || store.health() == Err(StoreError::Disk)).await;
    let refused = store.admit(vec![deposit(paid("b"))], Intake::Queue, NOW).await;
    assert_eq!(refused, Err(StoreError::Disk));
    fs::rename(&there, &here).unwrap();
    eventually("it is well again", async || store.health() == Ok(())).await;
    queue(&*store, paid("b")).await;
    assert_eq!(drain(&*store, NOW).await, ["a", "b"]);
}

#[tokio::test]
async fn a_file_that_is_none_is_set_aside() {
    let files = Files::new();
    fs::write(files.folder.at("outbox.db"), "no database at all".repeat(1000)).unwrap();
    let store = files.open(NOW);
    assert_eq!(store.health(), Ok(()));
    queue(&*store, paid("a")).await;
    assert_eq!(aside(&files).len(), 1);
    drop(store);
    assert_eq!(drain(&*files.open(NOW), NOW).await, ["a"]);
}

fn aside(files: &Files) -> Vec<PathBuf> {
    let names = fs::read_dir(files.folder.path()).unwrap().map(|entry| entry.unwrap().path());
    let is_aside = |path: &PathBuf| path.to_str().unwrap().contains(".corrupt-");
    names.filter(is_aside).collect()
}

/// A file with some of everything, closed.
async fn some_of_everything(files: &Files) {
    let store = files.open(NOW);
    for n in 0..50 {
        queue(&*store, paid(&format!("{n:03}"))).await;
    }
    // And many that lie together.
    let together = (50..100).map(|n| deposit(paid(&format!("{n:03}")))).collect();
    store.admit(together, Intake::Queue, NOW).await.unwrap();
    let claimed = store.claim(SHOP, 70, NOW, NOW + 60).await.unwrap();
    for (n, parcel) in claimed.parcels.into_iter().enumerate() {
        let dead = Settlement::Dead { why: "horizon" };
        settle(&*store, parcel.ticket, if n < 60 { Settlement::Delivered } else { dead }).await;
    }
}

#[tokio::test]
async fn a_damaged_page_costs_no_more_than_what_stood_on_it() {
    let files = Files::new();
    some_of_everything(&files).await;
    let path = files.folder.at("outbox.db");
    let whole = fs::read(&path).unwrap();
    let page = 8 << 10;
    let (mut salvaged, mut most_lost, mut turned) = (0, 0, 0);
    for at in 1..whole.len() / page {
        let mut damaged = whole.clone();
        damaged[at * page..at * page + 64].fill(0xa5);
        for name in ["outbox.db", "outbox.db-wal", "outbox.db-shm"] {
            drop(fs::remove_file(files.folder.at(name)));
        }
        fs::write(&path, &damaged).unwrap();
        let store = files.open(NOW);
        // Whatever is touched and cannot be read makes it begin anew, by itself.
        let drained = async {
            loop {
                let claimed = store.claim(SHOP, 100, NOW, NOW + 60).await?;
                if claimed.parcels.is_empty() {
                    return Ok::<_, StoreError>(());
                }
                for parcel in claimed.parcels {
                    store.settle(parcel.ticket, Settlement::Delivered, NOW).await?;
                }
            }
        };
        assert!(matches!(drained.await, Ok(()) | Err(StoreError::Corrupt)), "page {at}");
        eventually("it works", async || {
            store.admit(vec![deposit(paid("new"))], Intake::Queue, NOW).await.is_ok()
        })
        .await;
        let states = store.entries(&Filter::default(), Page::After(0), 1000).await;
        let states = states.unwrap_or_default();
        most_lost = most_lost.max(101_usize.saturating_sub(states.len()));
        assert!(states.iter().all(|entry| entry.id != "evt_new" || entry.seq > 70), "page {at}");
        let was_over = |entry: &&Entry| entry.seq <= 60;
        let is_over = |entry: &Entry| entry.state == State::Delivered;
        turned += usize::from(!states.iter().filter(was_over).all(is_over));
        let left = aside(&files);
        salvaged += usize::from(!left.is_empty());
        for path in left {
            fs::remove_file(path).unwrap();
        }
    }
    assert!(salvaged > 0, "no page was missed");
    assert!(most_lost < 101, "a page took everything with it: {most_lost}");
    assert!(turned <= 1, "but for the page that says so, what was delivered stays so: {turned}");
}

#[tokio::test]
async fn a_flipped_bit_anywhere_panics_nobody() {
    let files = Files::new();
    some_of_everything(&files).await;
    let path = files.folder.at("outbox.db");
    let whole = fs::read(&path).unwrap();
    for step in 0..60 {
        let at = (step * whole.len() / 60 + step * 131) % whole.len();
        let mut damaged = whole.clone();
        damaged[at] ^= 1 << (step % 8);
        for name in ["outbox.db", "outbox.db-wal", "outbox.db-shm"] {
            drop(fs::remove_file(files.folder.at(name)));
        }
        fs::write(&path, &damaged).unwrap();
        let Ok(store) = files.sqlite(NOW) else { continue };
        let claimed = store.claim(SHOP, 100, NOW, NOW + 60).await;
        for parcel in claimed.map(|claimed| claimed.parcels).unwrap_or_default() {
            let id = parcel.id.strip_prefix("evt_").unwrap_or_default();
            assert_eq!(parcel.message, deposit(paid(id)).message, "byte {at}: never another body");
            let settled = store.settle(parcel.ticket, Settlement::Delivered, NOW).await;
            assert!(settled != Ok(Settled::Void), "byte {at}");
        }
        drop(store.entries(&Filter::default(), Page::Before(None), 1000).await);
        for path in aside(&files) {
            fs::remove_file(path).unwrap();
        }
    }
}

#[tokio::test]
async fn what_is_over_costs_nothing_when_it_is_opened() {
    let files = Files::new();
    let store = files.open(NOW);
    for hundred in 0..20 {
        let deposits = (0..100).map(|n| deposit(paid(&format!("{hundred}-{n}")))).collect();
        store.admit(deposits, Intake::Queue, NOW).await.unwrap();
    }
    drain(&*store, NOW).await;
    queue(&*store, paid("waits")).await;
    drop(store);
    let store = files.open(NOW);
    let totals = store.totals().await.unwrap();
    assert_eq!(totals.entries, [(SHOP.to_owned(), State::Waiting, 1)]);
    let bytes = totals.bytes;
    assert!(bytes < 8 << 20, "{bytes} bytes: what was sent is not kept");
    assert_eq!(all(&*store).await.len(), 1000, "but that it was");
}
