//! What it costs to keep an event before it is acknowledged: `cargo bench --bench durable`. Beside it,
//! in the same run and in turns, a bare append and fdatasync of the same messages with the same
//! group commit: one thread, one file, as many together as have come.
//!
//! `commit` is the mean of whole commits: from where the writer has taken a group until that is
//! synced. Who comes just after a group was taken waits for that one and for its own, so two commits
//! are as good as it gets; the p99 stands in these commits behind them, for both in the same way.
//! `sync` is the bare fdatasync of the raw append, so that a slow disk is seen. `cpu` are
//! microseconds of all threads for each event, producers too: they change less than rates do where
//! others use the machine.
//!
//! The folder is `COUNTERSIGN_BENCH_FOLDER`, or one under the target folder. What a slow disk does
//! to both can be seen with `strace -f --seccomp-bpf -qq -o /dev/null -e trace=fdatasync -e
//! inject=fdatasync:delay_exit=1000` before the binary, in microseconds; without `--seccomp-bpf` every
//! other call is held up too.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    missing_docs,
    reason = "a benchmark prints, and stops where it cannot go on"
)]

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use countersign::engine::event::{Amount, Event, Status};
use countersign::metrics::{Metrics, StoreMetrics};
use countersign::store::keys::Keys;
use countersign::store::sqlite::{Settings, Sqlite};
use countersign::store::{Deposit, Form, Intake, Message, Settled, Settlement, Store};
use tokio::sync::oneshot;

/// As in the daemon.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const NOW: i64 = 1_700_000_000;
const BODY_BYTES: usize = 1500;
const TURN: Duration = Duration::from_secs(3);
const TURNS: u32 = 3;
const TOGETHER_MAX: usize = 512;
/// Entries that wait for the drain.
const DRAINED: u64 = 100_000;

fn main() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let folder = std::env::var_os("COUNTERSIGN_BENCH_FOLDER").map(PathBuf::from);
    let folder = folder.unwrap_or_else(|| Path::new(env!("CARGO_TARGET_TMPDIR")).join("durable"));
    println!("milliseconds; p99 also in commits; cpu in microseconds for each event");
    println!(
        "producers |    raw/s    p50    p99 commit          cpu   sync \
         |  store/s    p50    p99 commit          cpu | ratio"
    );
    // `cargo bench --bench durable -- 256`: only so many producers.
    let wanted: Option<u64> = std::env::args().skip(1).find_map(|word| word.parse().ok());
    for producers in [1, 32, 256].into_iter().filter(|n| wanted.is_none_or(|wanted| *n == wanted)) {
        let (mut raw, mut store, mut sync) = (Measured::default(), Measured::default(), 0);
        for _ in 0..TURNS {
            fresh(&folder);
            let file = Arc::new(Raw::open(&folder));
            raw.add(runtime.block_on(measure(producers, &file, Raw::put)));
            raw.commits(file.commits.load(Ordering::Relaxed), file.nanos.load(Ordering::Relaxed));
            sync += file.sync_nanos.load(Ordering::Relaxed);
            drop(file);
            fresh(&folder);
            let (kept, metrics) = open(&folder);
            store.add(runtime.block_on(measure(producers, &kept, keep)));
            let (count, seconds, _) = metrics.synced();
            store.commits(count, (seconds * 1e9) as u64);
        }
        let sync = sync as f64 / 1e6 / raw.commits as f64;
        let [(raw_rate, raw), (rate, store)] = [raw, store].map(Measured::figures);
        println!("{producers:>9} | {raw} {sync:>6.2} | {store} | {:>5.2}", rate / raw_rate);
    }
    fresh(&folder);
    let (store, _) = open(&folder);
    let rate = runtime.block_on(drain(&store));
    println!("drained: {rate:.0}/s claimed and settled, with {DRAINED} waiting at first");
    drop(store);
    std::fs::remove_dir_all(&folder).unwrap();
}

fn fresh(folder: &Path) {
    if folder.exists() {
        std::fs::remove_dir_all(folder).unwrap();
    }
    std::fs::create_dir_all(folder).unwrap();
}

fn open(folder: &Path) -> (Arc<Sqlite>, StoreMetrics) {
    let metrics = Metrics::new().unwrap().store();
    let settings = Settings {
        path: folder.join("outbox.db"),
        waiting_max: u64::MAX,
        bytes_max: u64::MAX,
        seal: Arc::default(),
    };
    (Arc::new(Sqlite::open(settings, NOW, metrics.clone()).unwrap()), metrics)
}

async fn keep(store: Arc<Sqlite>, deposit: Deposit) {
    store.admit(vec![deposit], Intake::Queue, NOW).await.unwrap();
}

/// What producers saw of one of the two, over all turns.
#[derive(Default)]
struct Measured {
    nanos: Vec<u64>,
    time: Duration,
    cpu: Duration,
    commits: u64,
    commit_nanos: u64,
}

impl Measured {
    fn add(&mut self, other: Self) {
        self.nanos.extend(other.nanos);
        self.time += other.time;
        self.cpu += other.cpu;
    }

    fn commits(&mut self, count: u64, nanos: u64) {
        self.commits += count;
        self.commit_nanos += nanos;
    }

    /// The rate, and a line.
    fn figures(mut self) -> (f64, String) {
        self.nanos.sort_unstable();
        let at = |part: f64| self.nanos[(self.nanos.len() as f64 * part) as usize] as f64 / 1e6;
        let (p50, p99) = (at(0.5), at(0.99));
        let rate = self.nanos.len() as f64 / self.time.as_secs_f64();
        let commit = self.commit_nanos as f64 / 1e6 / self.commits as f64;
        let in_commits = p99 / commit;
        let cpu = self.cpu.as_secs_f64() * 1e6 / self.nanos.len() as f64;
        let line = format!("{rate:>8.0} {p50:>6.2} {p99:>6.2} {commit:>6.2} ({in_commits:>4.1})");
        (rate, format!("{line} {cpu:>5.1}"))
    }
}

/// Each producer waits for one answer before it asks again.
async fn measure<T, F>(
    producers: u64,
    to: &Arc<T>,
    put: impl Fn(Arc<T>, Deposit) -> F + Copy + Send + 'static,
) -> Measured
where
    T: Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let (begun, used) = (Instant::now(), cpu());
    let produce = |to: Arc<T>| async move {
        let mut nanos = Vec::new();
        while begun.elapsed() < TURN {
            let deposit = deposit();
            let asked = Instant::now();
            put(Arc::clone(&to), deposit).await;
            nanos.push(asked.elapsed().as_nanos() as u64);
        }
        nanos
    };
    let tasks: Vec<_> = (0..producers).map(|_| tokio::spawn(produce(Arc::clone(to)))).collect();
    let mut nanos = Vec::new();
    for task in tasks {
        nanos.extend(task.await.unwrap());
    }
    Measured {
        nanos,
        time: begun.elapsed(),
        cpu: cpu().saturating_sub(used),
        ..Measured::default()
    }
}

/// What all threads of this process have used of processors, as the kernel counts it: in hundredths
/// of a second.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    // The name of the program may hold anything.
    let (_, rest) = stat.rsplit_once(')').unwrap();
    let ticks = rest.split_whitespace().skip(11).take(2).map(|part| part.parse::<u64>().unwrap());
    Duration::from_millis(10 * ticks.sum::<u64>())
}

/// One that nobody has seen before.
fn deposit() -> Deposit {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    // As evenly spread as the digest that it is in earnest.
    let spread = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32);
    let event = Event {
        id: format!("evt_{spread:016x}{number:024x}"),
        gateway: "acme".into(),
        account: Some("shop".into()),
        event_id: None,
        raw_type: Some("payment.paid".into()),
        status: Status::Succeeded,
        credit: true,
        test: Some(false),
        order_id: Some(format!("order-{number}")),
        transaction_id: Some(format!("{spread:016x}")),
        amount: Some(Amount { value: "100.10".into(), currency: "EUR".into() }),
        refunded_amount: None,
        settlement_amount: None,
        fee: None,
        occurred_at: None,
        proofs: vec![],
        rule: "sha256:0".into(),
        unsigned: vec![],
        raw: "{}".into(),
    };
    Deposit {
        id: event.id.clone(),
        keys: Keys::of(&event),
        events: 1,
        route: "acme".into(),
        upstream: "shop".into(),
        received_at: NOW,
        hold_regressive: false,
        message: Message {
            to: "/billing/payment/canonical/".into(),
            form: Form::Canonical,
            body: vec![b'x'; BODY_BYTES].into(),
        },
        event: Arc::new(event),
    }
}

/// Claims and settles until nothing is left, as workers would.
async fn drain(store: &Arc<Sqlite>) -> f64 {
    let fill = (0..256).map(|_| {
        let store = Arc::clone(store);
        tokio::spawn(async move {
            for _ in 0..DRAINED / 256 {
                keep(Arc::clone(&store), deposit()).await;
            }
        })
    });
    for task in fill.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    let begun = Instant::now();
    let mut drained = 0_u32;
    loop {
        let claimed = store.claim("shop", 256, NOW, NOW + 60).await.unwrap();
        if claimed.parcels.is_empty() {
            return f64::from(drained) / begun.elapsed().as_secs_f64();
        }
        let settle = claimed.parcels.into_iter().map(|parcel| {
            let store = Arc::clone(store);
            tokio::spawn(async move {
                store.settle(parcel.ticket, Settlement::Delivered, NOW).await.unwrap()
            })
        });
        for settled in settle.collect::<Vec<_>>() {
            assert_ne!(settled.await.unwrap(), Settled::Void);
            drained += 1;
        }
    }
}

/// An append-only file: length, checksum, message.
struct Raw {
    put: SyncSender<(Vec<u8>, oneshot::Sender<()>)>,
    commits: Arc<AtomicU64>,
    nanos: Arc<AtomicU64>,
    sync_nanos: Arc<AtomicU64>,
}

impl Raw {
    fn open(folder: &Path) -> Self {
        let (put, taken) = sync_channel(4096);
        let file = File::options().create(true).append(true).open(folder.join("raw")).unwrap();
        let [commits, nanos, sync_nanos]: [Arc<AtomicU64>; 3] = Default::default();
        let figures = [&commits, &nanos, &sync_nanos].map(Arc::clone);
        let raw = Self { put, commits, nanos, sync_nanos };
        std::thread::spawn(move || append(file, &taken, &figures));
        raw
    }

    async fn put(raw: Arc<Self>, deposit: Deposit) {
        let body = &deposit.message.body;
        let mut record = Vec::with_capacity(body.len() + deposit.id.len() + 8);
        let len = u32::try_from(body.len() + deposit.id.len()).unwrap();
        record.extend_from_slice(&len.to_le_bytes());
        record.extend_from_slice(&crc32fast::hash(body).to_le_bytes());
        record.extend_from_slice(deposit.id.as_bytes());
        record.extend_from_slice(body);
        let (reply, answer) = oneshot::channel();
        raw.put.try_send((record, reply)).unwrap();
        answer.await.unwrap();
    }
}

fn append(
    mut file: File,
    taken: &Receiver<(Vec<u8>, oneshot::Sender<()>)>,
    [commits, nanos, sync_nanos]: &[Arc<AtomicU64>; 3],
) {
    let mut text = Vec::new();
    while let Ok(first) = taken.recv() {
        text.clear();
        let mut replies = Vec::with_capacity(TOGETHER_MAX);
        let rest = taken.try_iter().take(TOGETHER_MAX - 1);
        let begun = Instant::now();
        for (record, reply) in std::iter::once(first).chain(rest) {
            text.extend_from_slice(&record);
            replies.push(reply);
        }
        file.write_all(&text).unwrap();
        let written = Instant::now();
        file.sync_data().unwrap();
        sync_nanos.fetch_add(written.elapsed().as_nanos() as u64, Ordering::Relaxed);
        commits.fetch_add(1, Ordering::Relaxed);
        nanos.fetch_add(begun.elapsed().as_nanos() as u64, Ordering::Relaxed);
        for reply in replies {
            reply.send(()).unwrap();
        }
    }
}
