//! What an outage of weeks leaves behind, and what a panic does.

use std::path::Path;

use super::facts::Birth;
use super::fresh::Fresh;
use super::row::Id;
use super::*;
use crate::engine::event::{Event, Status};
use crate::store::keys::Keys;
use crate::store::{Form, Marks, State};

const NOW: UnixSeconds = 1_700_000_000;
const SHOP: &str = "shop";

/// Each of a payment of its own.
fn paid(number: i64) -> Deposit {
    let event = Event {
        // As evenly spread as the digest that it is in earnest.
        id: format!("evt_{:016x}{number:024x}", number.wrapping_mul(0x1e37_79b9_7f4a_7c15)),
        gateway: "acme".into(),
        account: None,
        event_id: None,
        raw_type: None,
        status: Status::Succeeded,
        credit: true,
        test: None,
        order_id: Some(format!("order-{number}")),
        transaction_id: Some(number.to_string()),
        amount: Some(Amount { value: "1.00".into(), currency: "EUR".into() }),
        refunded_amount: None,
        settlement_amount: None,
        fee: None,
        occurred_at: None,
        proofs: vec![],
        rule: "sha256:0".into(),
        unsigned: vec![],
        raw: "{}".into(),
    };
    let (to, form, body) = ("/".into(), Form::Canonical, number.to_string().into());
    Deposit {
        id: event.id.clone(),
        keys: Keys::of(&event),
        events: 1,
        route: "acme".into(),
        upstream: SHOP.into(),
        received_at: NOW,
        hold_regressive: false,
        message: Message { to, form, body },
        event: Arc::new(event),
    }
}

/// As they lie there after a crash: nothing of them is in the table of keys yet.
fn lie_there(path: &Path, count: i64) {
    let conn = schema::writer(path, 1 << 40).unwrap();
    conn.execute_batch("BEGIN").unwrap();
    let (mut fresh, seal) = (Fresh::default(), Seal::default());
    let marks = Marks::default();
    let birth = Birth { state: State::Waiting, marks, or_queue: false, at: NOW, due: Some(NOW) };
    for number in 1..=count {
        if fresh.is_full() {
            fresh.write(&conn).unwrap();
        }
        let deposit = paid(number);
        let facts = facts::pack(&Id::new(&deposit.id), &deposit);
        fresh.add(number, &facts, &birth, &message::keep(&seal, &deposit.id, &deposit.message));
    }
    fresh.write(&conn).unwrap();
    conn.execute_batch("COMMIT").unwrap();
}

/// KiB of memory that this process has.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[tokio::test]
async fn a_million_that_wait_take_a_bounded_part_of_memory() {
    const COUNT: i64 = 1_000_000;
    let folder = std::env::temp_dir().join(format!("countersign-outbox-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("outbox.db");
    lie_there(&path, COUNT);
    let before = resident();
    let begun = std::time::Instant::now();
    let metrics = crate::metrics::Metrics::new().unwrap().store();
    let settings = Settings {
        path,
        waiting_max: 2 * COUNT.unsigned_abs(),
        bytes_max: 1 << 40,
        seal: Arc::default(),
    };
    let store = Sqlite::open(settings, NOW, metrics).unwrap();
    let opened = begun.elapsed();
    let totals = store.totals().await.unwrap();
    assert_eq!(totals.entries, [(SHOP.to_owned(), State::Waiting, COUNT.unsigned_abs())]);
    let claimed = store.claim(SHOP, 10, NOW, NOW + 60).await.unwrap();
    let bodies: Vec<&[u8]> = claimed.parcels.iter().map(|parcel| &*parcel.message.body).collect();
    assert_eq!(bodies[..3], [b"1", b"2", b"3"]);
    let more = resident().saturating_sub(before);
    eprintln!("{COUNT} that wait: {} MiB more, opened in {opened:?}", more / 1024);
    assert!(more < 512 * 1024, "{more} KiB");
    drop(store);
    std::fs::remove_dir_all(&folder).unwrap();
}

/// Panics in the thread that frees it.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("as a defect of ours would");
    }
}

/// A store, and its folder, after something has panicked in it.
async fn after_panic(name: &str, must_sync: bool) -> (Sqlite, PathBuf) {
    let folder = std::env::temp_dir().join(format!("countersign-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("outbox.db");
    let metrics = crate::metrics::Metrics::new().unwrap().store();
    let settings =
        Settings { path, waiting_max: 1 << 20, bytes_max: 1 << 30, seal: Arc::default() };
    let store = Sqlite::open(settings, NOW, metrics).unwrap();
    let bomb = Bomb;
    // What must be synced is answered, and freed, by the thread that syncs; else by the writer.
    let work = move |ledger: &mut Ledger| {
        let _ = &bomb;
        ledger.must_sync = must_sync;
        Ok(Ok(()))
    };
    assert_eq!(store.ask(None, work).await, Err(StoreError::Closed));
    (store, folder)
}

#[tokio::test]
async fn where_a_thread_of_the_store_panics_everybody_is_refused_and_nobody_waits() {
    for (name, must_sync) in [("syncer", true), ("writer", false)] {
        let (store, folder) = after_panic(name, must_sync).await;
        for number in 1..4 {
            let admitted = store.admit(vec![paid(number)], Intake::Queue, NOW).await;
            assert_eq!(admitted, Err(StoreError::Closed), "{name}");
        }
        let over = store.writer.as_ref().unwrap();
        while !over.is_finished() {
            thread::yield_now();
        }
        assert_eq!(store.health(), Err(StoreError::Closed), "{name}");
        drop(store);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}

#[tokio::test]
async fn what_was_kept_with_its_former_content_is_known_when_it_comes_again() {
    let folder = std::env::temp_dir().join(format!("countersign-former-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("outbox.db");
    let metrics = crate::metrics::Metrics::new().unwrap().store();
    let settings =
        Settings { path, waiting_max: 1 << 20, bytes_max: 1 << 30, seal: Arc::default() };
    let store = Sqlite::open(settings, NOW, metrics).unwrap();
    let said = |raw_type: &str| {
        let event = Event { raw_type: Some(raw_type.into()), ..(*paid(1).event).clone() };
        Deposit { keys: Keys::of(&event), event: Arc::new(event), ..paid(1) }
    };
    let mut before = said("paid");
    before.keys.content = crate::store::keys::former_content(&before.event);
    assert_ne!(before.keys, said("paid").keys);
    store.admit(vec![before], Intake::Queue, NOW).await.unwrap();
    let again = store.admit(vec![said("paid")], Intake::Queue, NOW).await.unwrap();
    let known = Admission::Duplicate { by: crate::store::Duplicate::Delivery, of: State::Waiting };
    assert_eq!(again, [known]);
    drop(store);
    std::fs::remove_dir_all(&folder).unwrap();
}
