//! Captures: kept, found, forgotten in time; and what a bad disk does to them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign::engine::event::{Amount, Status};
use countersign::engine::secret::Secret;
use countersign::store::captures::{
    Capture, Captures, Filter, Kept, SLACK_BYTES, Said, Settings, Summary, Totals, WAITING_MAX,
};
use countersign::store::seal::{KEY_BYTES, Seal};
use countersign::store::{ROWS_MAX, StoreError};
use rusqlite::Connection;

use crate::support::{NOW, eventually};

const CARD: &str = "4111111111111111";

/// A folder of its own for each test.
fn folder(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("captures").join(test);
    fs::remove_dir_all(&folder).ok();
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn settings(path: &Path, keys: &[u8]) -> Settings {
    let keys: Vec<Secret> = keys.iter().map(|&byte| Secret::new(vec![byte; KEY_BYTES])).collect();
    Settings {
        path: path.to_owned(),
        bytes_max: 1 << 30,
        age_max: Duration::from_secs(24 * 60 * 60),
        seal: Arc::new(Seal::new(&keys).unwrap()),
    }
}

fn open(path: &Path, keys: &[u8]) -> Captures {
    Captures::open(settings(path, keys)).unwrap()
}

/// The `n`-th of some.
fn capture(n: u64) -> Capture {
    let body = format!("order=order-{n}&card={CARD}").into_bytes();
    Capture {
        summary: Summary {
            at: NOW + i64::try_from(n).unwrap(),
            route: "pay".into(),
            gateway: ["liqpay", "stripe"][usize::from(n % 2 == 1)].into(),
            outcome: "accepted".into(),
            reason: "ok".into(),
            place: String::new(),
            answered: 200,
            rule: "sha256:00".into(),
            keys: vec!["secret.0".into(), "other.1".into()],
            said: (!n.is_multiple_of(3)).then(|| Said {
                id: format!("event-{n}"),
                status: [Status::Succeeded, Status::Failed][usize::from(n % 3 == 2)],
                credit: n % 3 == 1,
                order_id: Some(format!("order-{n}")),
                transaction_id: n.is_multiple_of(2).then(|| format!("payment-{n}")),
                amount: Some(Amount { value: "12.50".into(), currency: "EUR".into() }),
            }),
            peer: "192.0.2.1".into(),
            bytes: body.len() as u64,
        },
        inbound: Kept {
            method: "POST".into(),
            target: "/pay?token=query-word".into(),
            headers: vec![("X-Sign".into(), b"header-word".to_vec())],
            body,
            masked: false,
        },
    }
}

async fn wait_for(captures: &Captures, count: u64) {
    eventually("all are written", async || captures.totals().count == count).await;
}

async fn put_all(captures: &Captures, numbers: std::ops::Range<u64>) {
    let wanted = captures.totals().count + (numbers.end - numbers.start);
    for n in numbers {
        eventually("there is room", async || captures.put(capture(n))).await;
    }
    wait_for(captures, wanted).await;
}

async fn ids(captures: &Captures, filter: Filter) -> Vec<i64> {
    let listed = captures.list(filter, None, ROWS_MAX).await.unwrap();
    listed.iter().map(|listed| listed.id).collect()
}

#[tokio::test]
async fn what_was_put_is_listed_newest_first_and_comes_back_whole() {
    let captures = open(&folder("whole").join("c.db"), &[1]);
    put_all(&captures, 0..5).await;
    let listed = captures.list(Filter::default(), None, 100).await.unwrap();
    assert_eq!(listed.iter().map(|listed| listed.id).collect::<Vec<_>>(), [5, 4, 3, 2, 1]);
    for (n, listed) in (0..5).rev().zip(&listed) {
        let capture = capture(n);
        assert_eq!(listed.summary, capture.summary);
        let (again, kept) = captures.get(listed.id).await.unwrap().unwrap();
        assert_eq!(&again, listed);
        assert_eq!(kept, Some(capture.inbound));
    }
    assert_eq!(captures.get(6).await, Ok(None));
    let Totals { count, bytes, oldest, lost } = captures.totals();
    assert_eq!((count, oldest, lost), (5, Some(NOW), 0));
    assert!(bytes > 0);
}

#[tokio::test]
async fn filters_all_must_hold_and_pages_follow_each_other() {
    let captures = open(&folder("filters").join("c.db"), &[]);
    put_all(&captures, 0..10).await;
    let by = |change: fn(&mut Filter)| {
        let mut filter = Filter::default();
        change(&mut filter);
        filter
    };
    let cases: [(Filter, &[i64]); 11] = [
        (by(|f| f.gateway = Some("stripe".into())), &[10, 8, 6, 4, 2]),
        (by(|f| f.route = Some("other".into())), &[]),
        (by(|f| f.outcome = Some("rejected".into())), &[]),
        (by(|f| f.reason = Some("ok".into())), &[10, 9, 8, 7, 6, 5, 4, 3, 2, 1]),
        (by(|f| f.status = Some(Status::Failed)), &[9, 6, 3]),
        (by(|f| f.payment = Some("order-7".into())), &[8]),
        (by(|f| f.payment = Some("payment-4".into())), &[5]),
        (by(|f| f.payment = Some("order-".into())), &[]),
        (by(|f| f.since = Some(NOW + 8)), &[10, 9]),
        (by(|f| f.until = Some(NOW + 2)), &[2, 1]),
        (
            by(|f| {
                f.gateway = Some("liqpay".into());
                f.status = Some(Status::Succeeded);
                f.since = Some(NOW + 4);
            }),
            &[5],
        ),
    ];
    for (filter, wanted) in cases {
        assert_eq!(ids(&captures, filter.clone()).await, wanted, "{filter:?}");
    }
    let mut before = None;
    let mut seen = Vec::new();
    loop {
        let page = captures.list(Filter::default(), before, 3).await.unwrap();
        assert!(page.len() <= 3);
        let Some(last) = page.last() else { break };
        before = Some(last.id);
        seen.extend(page.iter().map(|listed| listed.id));
    }
    assert_eq!(seen, [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]);
}

/// Everything that stands on the disk.
fn on_disk(folder: &Path) -> Vec<u8> {
    let files = fs::read_dir(folder).unwrap();
    files.flat_map(|file| fs::read(file.unwrap().path()).unwrap()).collect()
}

fn has(bytes: &[u8], word: &str) -> bool {
    bytes.windows(word.len()).any(|window| window == word.as_bytes())
}

#[tokio::test]
async fn under_a_key_nothing_of_the_request_can_be_read_on_the_disk() {
    let folder = folder("sealed");
    let path = folder.join("c.db");
    let captures = open(&path, &[1]);
    put_all(&captures, 0..3).await;
    let disk = on_disk(&folder);
    assert!(has(&disk, "order-1"), "that is where it stands");
    for word in [CARD, "query-word", "header-word", "X-Sign"] {
        assert!(!has(&disk, word), "{word}");
    }
    drop(captures);

    let captures = open(&path, &[2]);
    let (listed, kept) = captures.get(2).await.unwrap().unwrap();
    assert_eq!((listed.summary, kept), (capture(1).summary, None), "another key");
    put_all(&captures, 3..4).await;
    drop(captures);
    let captures = open(&path, &[3, 2, 1]);
    for (id, n) in [(2, 1), (4, 3)] {
        assert_eq!(captures.get(id).await.unwrap().unwrap().1, Some(capture(n).inbound));
    }
}

#[tokio::test]
async fn without_a_key_card_numbers_are_taken_out_and_the_capture_says_so() {
    let folder = folder("masked");
    let captures = open(&folder.join("c.db"), &[]);
    let mut without = capture(1);
    without.inbound.body = b"order=17".to_vec();
    let mut packed = capture(2);
    packed.inbound.target = format!("/pay?card={CARD}");
    packed.inbound.headers = vec![("X-Card".into(), format!("card {CARD}").into())];
    // {"pan":"4111111111111111"}
    packed.inbound.body = b"data=eyJwYW4iOiI0MTExMTExMTExMTExMTExIn0%3D".to_vec();
    for capture in [capture(0), without.clone(), packed] {
        assert!(captures.put(capture));
    }
    wait_for(&captures, 3).await;
    let kept = async |id| captures.get(id).await.unwrap().unwrap();
    let (listed, first) = kept(1).await;
    let first = first.unwrap();
    assert!(listed.masked && first.masked);
    assert_eq!(first.body, b"order=order-0&card=411111******1111");
    assert_eq!(kept(2).await.1, Some(without.inbound), "nothing to take out");
    let third = kept(3).await.1.unwrap();
    assert!(third.masked);
    assert_eq!(third.target, "/pay?card=411111******1111");
    assert_eq!(third.headers[0].1, b"card 411111******1111");
    assert!(!has(&on_disk(&folder), CARD));
    assert!(!has(&on_disk(&folder), "NDExMTExMTExMTExMTEx"));
    assert!(!has(&third.body, "eyJwYW4iOiI0MTExMTExMTExMTExMTExIn0"));
}

#[tokio::test]
async fn what_was_put_is_there_after_a_restart_and_numbers_are_never_used_again() {
    let path = folder("reopen").join("c.db");
    let captures = open(&path, &[1]);
    for n in 0..100 {
        assert!(captures.put(capture(n)));
    }
    assert!(matches!(Captures::open(settings(&path, &[1])), Err(StoreError::Closed)));
    drop(captures);
    let captures = open(&path, &[1]);
    assert_eq!(captures.totals().count, 100);
    assert_eq!(ids(&captures, Filter::default()).await.len(), 100);
    assert_eq!(captures.prune(NOW + 1_000_000).await, Ok(100));
    assert_eq!(captures.totals().count, 0);
    drop(captures);
    let captures = open(&path, &[1]);
    put_all(&captures, 0..1).await;
    assert_eq!(ids(&captures, Filter::default()).await, [101]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_old_are_forgotten_while_others_come() {
    let captures = Arc::new(open(&folder("age").join("c.db"), &[1]));
    put_all(&captures, 0..3000).await;
    let writer = std::thread::spawn({
        let captures = captures.clone();
        move || (3000..6000).for_each(|n| while !captures.put(capture(n)) {})
    });
    let mut gone = 0;
    let hours = 24 * 60 * 60;
    while gone < 2000 {
        gone += captures.prune(NOW + hours + 2000).await.unwrap();
    }
    assert_eq!(gone, 2000);
    writer.join().unwrap();
    wait_for(&captures, 4000).await;
    assert_eq!(captures.totals().oldest, Some(NOW + 2000));
    assert_eq!(captures.prune(NOW + hours + 2000).await, Ok(0));
    let oldest = captures.list(Filter::default(), Some(2003), 10).await.unwrap();
    assert_eq!(oldest.iter().map(|listed| listed.id).collect::<Vec<_>>(), [2002, 2001]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_oldest_make_room_for_the_newest_and_the_disk_gets_its_space_back() {
    let folder = folder("bytes");
    let path = folder.join("c.db");
    let mut small = settings(&path, &[1]);
    small.bytes_max = 4 << 20;
    let captures = Captures::open(small).unwrap();
    let big = |n| {
        let mut capture = capture(n);
        capture.inbound.body = vec![b'x'; 100_000];
        capture
    };
    for n in 0..1000 {
        eventually("there is room", async || captures.put(big(n))).await;
        assert!(on_disk_bytes(&folder) <= (4 << 20) + SLACK_BYTES);
    }
    eventually("the last is there", async || ids(&captures, Filter::default()).await[0] == 1000)
        .await;
    let kept = ids(&captures, Filter::default()).await;
    let count = kept.len();
    assert!((20..=42).contains(&count), "{count} of 100 kB in 4 MiB");
    assert!(kept.is_sorted_by(|newer, older| *newer == older + 1), "without a gap");
    wait_for(&captures, count as u64).await;
    drop(captures);

    // Less than before, and more than one step away.
    let captures = open(&path, &[1]);
    for n in 0..500 {
        eventually("there is room", async || captures.put(big(n))).await;
    }
    wait_for(&captures, 500 + count as u64).await;
    drop(captures);
    let mut small = settings(&path, &[1]);
    small.bytes_max = 1 << 20;
    let captures = Captures::open(small).unwrap();
    let gone = captures.prune(NOW).await.unwrap();
    assert!(gone > 480, "{gone}");
    drop(captures);
    assert!(on_disk_bytes(&folder) < 12 << 20, "{}", on_disk_bytes(&folder));
}

fn on_disk_bytes(folder: &Path) -> u64 {
    let files = fs::read_dir(folder).unwrap();
    files.filter_map(|file| Some(file.unwrap().metadata().ok()?.len())).sum()
}

#[tokio::test]
async fn more_than_fits_is_refused_at_once_and_counted() {
    let path = folder("bounded").join("c.db");
    let captures = open(&path, &[]);
    // The writer waits for this one.
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut taken = 0;
    while captures.put(capture(taken)) {
        taken += 1;
        assert!(taken <= 2 * WAITING_MAX as u64, "somewhere is an end");
    }
    assert_eq!(captures.totals().lost, 1);
    other.execute_batch("COMMIT").unwrap();
    drop(other);
    wait_for(&captures, taken).await;
    let mut huge = capture(0);
    huge.inbound.body = vec![0; 17 << 20];
    assert!(!captures.put(huge), "larger than all that may wait");
}

#[tokio::test]
async fn what_cannot_be_a_file_is_said_at_once() {
    let folder = folder("no-file");
    assert!(matches!(Captures::open(settings(&folder, &[])), Err(StoreError::Disk)));
    let nowhere = settings(&folder.join("nowhere/c.db"), &[]);
    assert!(matches!(Captures::open(nowhere), Err(StoreError::Disk)));
}

#[tokio::test]
async fn a_damaged_file_is_set_aside_and_a_new_one_begun() {
    let folder = folder("corrupt");
    let path = folder.join("c.db");
    let captures = open(&path, &[]);
    put_all(&captures, 0..3).await;
    drop(captures);
    fs::write(&path, "this was a database once").unwrap();
    let captures = open(&path, &[]);
    assert_eq!(captures.health(), Ok(()));
    assert_eq!(captures.totals().count, 0);
    put_all(&captures, 0..3).await;
    assert_eq!(ids(&captures, Filter::default()).await, [3, 2, 1]);
    let aside = |folder: &Path| {
        let names = fs::read_dir(folder).unwrap();
        let names = names.map(|file| file.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with("c.db.corrupt-")).count()
    };
    assert_eq!(aside(&folder), 1);

    // The same while it is open, found by a reader.
    let length = fs::metadata(&path).unwrap().len();
    assert!(length > 0);
    drop(captures);
    let damage: Vec<u8> = vec![0xa5; usize::try_from(length).unwrap() - 4096];
    let mut bytes = fs::read(&path).unwrap();
    bytes.splice(4096.., damage);
    let captures = open_or_anew(&path, &bytes);
    eventually("a new one is begun", async || {
        captures.list(Filter::default(), None, 10).await == Ok(Vec::new())
    })
    .await;
    put_all(&captures, 0..2).await;
    assert_eq!(aside(&folder), 2);
}

fn open_or_anew(path: &Path, bytes: &[u8]) -> Captures {
    fs::write(path, bytes).unwrap();
    open(path, &[])
}

#[tokio::test]
async fn no_byte_of_the_file_can_stop_it() {
    let folder = folder("bytes-flipped");
    let path = folder.join("c.db");
    let captures = open(&path, &[]);
    put_all(&captures, 0..20).await;
    drop(captures);
    let sound = fs::read(&path).unwrap();
    // The head of the file, the heads of its pages, and a part of the rest.
    let places = (0..sound.len()).filter(|at| *at < 100 || at % 4096 < 10 || at % 499 == 0);
    for (n, at) in places.enumerate() {
        let mut bytes = sound.clone();
        bytes[at] ^= [0xff, 0x01, 0x80][n % 3];
        let captures = open_or_anew(&path, &bytes);
        // Whatever they say, they say something.
        captures.list(Filter::default(), None, 100).await.ok();
        captures.get(7).await.ok();
        captures.prune(NOW + 24 * 60 * 60 + 5).await.ok();
        eventually("it takes captures", async || captures.put(capture(50))).await;
        eventually("it is well", async || {
            captures.prune(0).await.is_ok() && captures.health().is_ok()
        })
        .await;
        let newest = || async { captures.list(Filter::default(), None, 1).await };
        eventually("it can be read", async || newest().await.is_ok()).await;
    }
}

/// Printed with `--no-capture`, not asserted: how long it takes is for the machine to say.
#[tokio::test]
async fn opening_many_captures_reads_few_of_them() {
    const COUNT: i64 = 1_000_000;
    let path = folder("many").join("c.db");
    drop(open(&path, &[]));
    let other = Connection::open(&path).unwrap();
    other
        .execute_batch(&format!(
            "BEGIN;
             WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {COUNT})
             INSERT INTO capture (at, route, gateway, outcome, reason, place, answered, rule, keys,
                 peer, bytes, masked)
             SELECT {NOW} + n, 'pay', 'acme', 'rejected', 'signature_mismatch', '', 401, '', '',
                 '', 0, 0 FROM n;
             INSERT INTO inbound SELECT id, x'00' FROM capture;
             COMMIT;"
        ))
        .unwrap();
    drop(other);
    let begun = Instant::now();
    let captures = open(&path, &[]);
    let opened = begun.elapsed();
    let totals = captures.totals();
    let page = captures.list(Filter::default(), None, 50).await.unwrap();
    eprintln!("{COUNT} captures: open in {opened:?}, a page after {:?}", begun.elapsed());
    assert_eq!((totals.count, totals.oldest), (1_000_000, Some(NOW + 1)));
    assert_eq!(page.len(), 50);
    assert_eq!((page[0].id, page[49].id), (COUNT, COUNT - 49));
    let before = captures.prune(NOW + 24 * 60 * 60 + 1001).await.unwrap();
    assert_eq!(before, 1000);
    assert_eq!(captures.totals().count, 999_000);
}
