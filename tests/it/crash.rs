//! The daemon is killed at random moments under load, again and again. The gateway and the upstream
//! keep their own ledgers: what was acknowledged has arrived, once but for repetitions under the same
//! idempotency key, and in order for each payment.
//!
//! 200 times; `COUNTERSIGN_CRASHES=1000 tests/run crash` for more.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use crate::support::child::Daemon;
use crate::support::ledger;
use crate::support::shop::{Folder, WEBHOOK_SECRET};
use crate::support::wire::Line;
use crate::support::{PATIENCE, free_address, request};

const CRASHES: u64 = 200;

/// Senders at a time.
const SENDERS: usize = 9;

/// What each payment goes through.
const STATES: [&str; 4] = ["pending", "authorized", "succeeded", "refunded"];

const DELIVERIES: [&str; 3] = ["direct", "spill", "durable"];

fn config(address: SocketAddr, upstream: SocketAddr) -> String {
    let mut text = format!(
        "listen: [{{ address: \"{address}\" }}]\nadmin: {{ address: \"127.0.0.1:0\" }}\n\
         rules: [ledger.yaml]\nstore: {{ path: state }}\nlimits: {{ drain_timeout: 10s }}\n\
         upstreams:\n  shop: {{ url: \"http://{upstream}\", secret: \"file:upstream\", \
         timeout: 5s, retry: {{ first: 1s, longest: 2s }} }}\nroutes:\n"
    );
    for delivery in DELIVERIES {
        writeln!(
            text,
            "  - {{ path: /{delivery}/, gateway: ledger, params: {{ secret: \"file:secret\" }}, \
             upstream: shop, forward: {{ as: canonical, to: /in }}, delivery: {delivery} }}"
        )
        .unwrap();
    }
    text
}

/// A pattern that looks like chance (`SplitMix64`); its seed is printed.
struct Chance(AtomicU64);

impl Chance {
    fn below(&self, max: u64) -> u64 {
        let mut z = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % max
    }
}

/// What the upstream has taken: idempotency key and event, in order.
#[derive(Default)]
struct Taken(Mutex<Vec<(String, Value)>>);

/// An upstream that takes most things, fails at some, and now and then takes one and dies before it
/// can say so.
async fn upstream(
    listener: TcpListener,
    taken: Arc<Taken>,
    chance: Arc<Chance>,
    calm: Arc<AtomicBool>,
) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (taken, chance, calm) = (Arc::clone(&taken), Arc::clone(&chance), Arc::clone(&calm));
        tokio::spawn(async move { serve(stream, &taken, &chance, &calm).await });
    }
}

async fn serve(mut stream: TcpStream, taken: &Taken, chance: &Chance, calm: &AtomicBool) {
    const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    const NO: &[u8] = b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n";
    let mut text = Vec::new();
    loop {
        let got = loop {
            if let Some((got, length)) = request(&text, 0) {
                text.drain(..length);
                break got;
            }
            if stream.read_buf(&mut text).await.unwrap_or(0) == 0 {
                return;
            }
        };
        let draw = if calm.load(Ordering::Relaxed) { 99 } else { chance.below(100) };
        let take = || {
            let key = got.header("idempotency-key").unwrap().to_owned();
            taken.0.lock().unwrap().push((key, serde_json::from_str(&got.body).unwrap()));
        };
        let answer = match draw {
            0..4 => return,
            4..8 => {
                take();
                return;
            }
            8..16 => NO,
            _ => {
                take();
                OK
            }
        };
        if stream.write_all(answer).await.is_err() {
            return;
        }
    }
}

/// A gateway: each payment from its first state to its last, each word of it until it is answered
/// with 200. What was answered so is in the ledger.
async fn gateway(
    address: SocketAddr,
    number: usize,
    acknowledged: Arc<Mutex<Vec<String>>>,
    over: Arc<AtomicBool>,
) {
    let mut line = Line::to(address);
    let delivery = DELIVERIES[number % DELIVERIES.len()];
    for payment in 0.. {
        for state in STATES {
            let id = format!("{number}-{payment}-{state}");
            let callback = ledger::word(&id, &format!("{number}-{payment}"), state);
            let bytes = callback.keep(&format!("/{delivery}/"));
            loop {
                match line.say(&bytes).await.map(|told| told.status) {
                    Some(200) => {
                        acknowledged.lock().unwrap().push(id);
                        break;
                    }
                    Some(502..=504) | None => {}
                    Some(other) => panic!("{id}: {other}"),
                }
                if over.load(Ordering::Relaxed) {
                    return;
                }
                sleep(Duration::from_millis(3)).await;
            }
        }
        if over.load(Ordering::Relaxed) {
            return;
        }
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_acknowledged_event_is_lost_or_doubled_by_a_killed_daemon() {
    let crashes = number("COUNTERSIGN_CRASHES", CRASHES);
    let seed = number("COUNTERSIGN_SEED", u64::from(std::process::id()));
    let chance = Arc::new(Chance(AtomicU64::new(seed)));
    let folder = Folder::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = free_address();
    folder.write("ledger.yaml", ledger::rule());
    folder.write("secret", ledger::SECRET);
    folder.write("upstream", WEBHOOK_SECRET);
    folder.write("countersign.yaml", config(address, listener.local_addr().unwrap()));
    let (taken, calm) = (Arc::<Taken>::default(), Arc::<AtomicBool>::default());
    tokio::spawn(upstream(listener, Arc::clone(&taken), Arc::clone(&chance), Arc::clone(&calm)));
    let (acknowledged, over) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<AtomicBool>::default());
    let senders: Vec<_> = (0..SENDERS)
        .map(|n| tokio::spawn(gateway(address, n, Arc::clone(&acknowledged), Arc::clone(&over))))
        .collect();
    for _ in 0..crashes {
        let mut daemon = Daemon::start(&folder).await;
        sleep(Duration::from_micros(chance.below(150_000))).await;
        daemon.process.0.kill().unwrap();
        daemon.process.0.wait().unwrap();
    }
    over.store(true, Ordering::Relaxed);
    calm.store(true, Ordering::Relaxed);
    let daemon = Daemon::start(&folder).await;
    for sender in senders {
        sender.await.unwrap();
    }
    let acknowledged = acknowledged.lock().unwrap().clone();
    let taken_ids = || -> BTreeSet<String> {
        let taken = taken.0.lock().unwrap();
        taken.iter().map(|(_, event)| event["event_id"].as_str().unwrap().to_owned()).collect()
    };
    let began = std::time::Instant::now();
    let missing = loop {
        let there = taken_ids();
        let missing: Vec<_> = acknowledged.iter().filter(|id| !there.contains(*id)).collect();
        if missing.is_empty() || began.elapsed() > 3 * PATIENCE {
            break missing.into_iter().cloned().collect::<Vec<_>>();
        }
        sleep(Duration::from_millis(50)).await;
    };
    drop(daemon);
    let taken = taken.0.lock().unwrap();
    let doubled = taken.len() - taken_ids_of(&taken).len();
    eprintln!(
        "seed {seed}: {crashes} crashes, {} acknowledged, {} taken, {} lost, {doubled} repeated",
        acknowledged.len(),
        taken.len(),
        missing.len(),
    );
    assert!(missing.is_empty(), "seed {seed}: acknowledged and lost: {missing:?}");
    assert!(acknowledged.len() as u64 > crashes, "hardly anything was sent");
    one_key_for_each_event(&taken);
    in_order(&taken);
}

fn taken_ids_of(taken: &[(String, Value)]) -> BTreeSet<&str> {
    taken.iter().map(|(_, event)| event["event_id"].as_str().unwrap()).collect()
}

fn one_key_for_each_event(taken: &[(String, Value)]) {
    let (mut keys, mut events) = (BTreeMap::new(), BTreeMap::new());
    for (key, event) in taken {
        let id = event["event_id"].as_str().unwrap();
        assert_eq!(event["id"], **key);
        assert_eq!(keys.entry(id).or_insert(key), &key, "{id} under two keys");
        assert_eq!(events.entry(key).or_insert(id), &id, "{key} for two events");
    }
}

/// The first time that each word of a payment was taken.
fn in_order(taken: &[(String, Value)]) {
    let mut reached: HashMap<&str, usize> = HashMap::new();
    let mut seen = BTreeSet::new();
    for (key, event) in taken {
        if seen.insert(key) {
            let payment = event["transaction_id"].as_str().unwrap();
            let state = STATES.iter().position(|state| event["raw_type"] == *state).unwrap();
            let next = reached.entry(payment).or_default();
            assert_eq!(state, *next, "{payment}: {} too early or too late", STATES[state]);
            *next += 1;
        }
    }
}
