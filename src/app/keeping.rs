//! The store: opened at start, drained and looked after as long as the daemon runs.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::deliver::{Clocks, Outbox};
use crate::engine::inbound::UnixSeconds;
use crate::live::Store as Settings;
use crate::metrics::{Contents, Metrics};
use crate::server::{Ingress, Keeping, Phase};
use crate::store::captures::{self, Captures};
use crate::store::seal::Seal;
use crate::store::sqlite::{self, Sqlite};
use crate::store::{State, StoreError, Totals, folder};

use super::upgrade::Predecessor;

/// How long an upstream is left alone after the store has failed.
const STORE_PAUSE_SECONDS: i64 = 1;

/// How long a predecessor that has left the store may take to close its files.
const CLOSE_TIME: Duration = Duration::from_secs(30);

/// How often the outbox is looked at, woken or not.
const LOOK: Duration = Duration::from_secs(1);

/// Seconds between two counts of what is in the outbox.
const COUNT_EVERY: u64 = 5;

/// Seconds between two looks for what is old enough to be forgotten.
const PRUNE_EVERY: u64 = 10;

/// Opens the store, or makes it. [`io::ErrorKind::ResourceBusy`]: another process has it.
pub fn open(
    settings: &Settings,
    metrics: &Metrics,
    clock: fn() -> UnixSeconds,
) -> io::Result<Keeping> {
    let place = &settings.folder;
    let at = |what: &str, error: &dyn std::fmt::Display| {
        io::Error::other(format!("cannot open {what} in {}: {error}", place.display()))
    };
    let at_store = |what: &str, error: StoreError| match error {
        StoreError::Closed => {
            io::Error::new(io::ErrorKind::ResourceBusy, at(what, &"another process has it"))
        }
        error => at(what, &error),
    };
    folder::make(place).map_err(|error| at("the store", &error))?;
    // SQLite would not say what it was that it could not open.
    folder::open_to_us(place).map_err(|error| at("the store", &error))?;
    let seal =
        Seal::new(&settings.keys).ok_or_else(|| at("the store", &"a key is not 32 bytes"))?;
    let seal = Arc::new(seal);
    let steady = steady(clock);
    let store = sqlite::Settings {
        path: place.join("outbox.db"),
        waiting_max: settings.waiting_max as u64,
        bytes_max: settings.events_bytes_max,
        seal: Arc::clone(&seal),
    };
    let store = Sqlite::open(store, steady(), metrics.store())
        .map_err(|error| at_store("the outbox", error))?;
    let captures = captures::Settings {
        path: place.join("captures.db"),
        bytes_max: settings.captures_bytes_max,
        age_max: settings.captures_age,
        seal,
    };
    let captures = Captures::open(captures).map_err(|error| at_store("the captures", error))?;
    let clocks = Clocks { wall: Box::new(clock), steady: Box::new(steady) };
    let counted = metrics.outbox().map_err(io::Error::other)?;
    let outbox = Outbox::new(Arc::new(store), counted, clocks);
    Ok(Keeping { outbox: Some(Arc::new(outbox)), captures: Some(Arc::new(captures)) })
}

/// The same when the predecessor has left it.
pub(super) async fn open_after(
    predecessor: Option<&mut Predecessor>,
    open: impl Fn() -> io::Result<Keeping>,
) -> io::Result<Keeping> {
    let Some(predecessor) = predecessor else { return open() };
    predecessor.leaves().await;
    // Its last threads may be about to close a file.
    let begun = Instant::now();
    loop {
        match open() {
            Err(error)
                if error.kind() == io::ErrorKind::ResourceBusy && begun.elapsed() < CLOSE_TIME =>
            {
                sleep(Duration::from_millis(10)).await;
            }
            opened => return opened,
        }
    }
}

/// The wall clock as it was at start, and the time since then: steps of the wall clock do not touch
/// it.
fn steady(clock: fn() -> UnixSeconds) -> impl Fn() -> UnixSeconds + Send + Sync + Clone {
    let (begun, wall) = (Instant::now(), clock());
    move || wall.saturating_add_unsigned(begun.elapsed().as_secs())
}

/// Delivers what waits, each upstream for itself, until the phase is over.
pub(super) async fn deliver(
    outbox: Arc<Outbox>,
    ingress: Arc<Ingress>,
    mut phase: watch::Receiver<Phase>,
) {
    let mut busy: HashMap<String, Arc<Notify>> = HashMap::new();
    // Woken while it was busy, and has perhaps not heard it: it is looked at once more.
    let mut again = HashSet::new();
    let mut resting: HashMap<String, UnixSeconds> = HashMap::new();
    let mut drains = JoinSet::new();
    loop {
        let now = outbox.now();
        for outlet in ingress.outlets() {
            let name = &outlet.upstream().name;
            let rested = resting.get(name).is_none_or(|until| *until <= now);
            if rested && !busy.contains_key(name) {
                let bell = Arc::<Notify>::default();
                busy.insert(name.clone(), Arc::clone(&bell));
                let (outbox, ingress) = (Arc::clone(&outbox), Arc::clone(&ingress));
                let name = name.clone();
                drains.spawn(async move {
                    let until = outbox.drain(|| ingress.outlet(&name), &bell).await;
                    (name, until)
                });
            }
        }
        tokio::select! {
            Some(done) = drains.join_next() => {
                let Ok((name, until)) = done else {
                    // A panic: nobody knows which one it was.
                    busy.clear();
                    continue;
                };
                busy.remove(&name);
                if !again.remove(&name) {
                    let pause = outbox.now().saturating_add(STORE_PAUSE_SECONDS);
                    resting.insert(name, until.unwrap_or(pause));
                }
            }
            () = outbox.woken() => {
                resting.clear();
                again = busy.keys().cloned().collect();
                for bell in busy.values() {
                    bell.notify_one();
                }
            }
            () = sleep(LOOK) => {}
            _ = phase.wait_for(|phase| *phase != Phase::Serving) => break,
        }
    }
    // What is under way is finished; whoever drains the daemon sets it a deadline.
    outbox.close();
    while drains.join_next().await.is_some() {}
}

/// Counts what is kept, and forgets what is old.
pub(super) async fn look_after(
    keeping: Keeping,
    ingress: Arc<Ingress>,
    settings: Settings,
    metrics: Arc<Metrics>,
) {
    let mut ticks = interval(Duration::from_secs(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (Some(outbox), Some(captures)) = (keeping.outbox, keeping.captures) else { return };
    let (mut was, mut astray) = (Ok(()), BTreeSet::new());
    for second in 0_u64.. {
        ticks.tick().await;
        let health = outbox.store().health();
        say_health(&mut was, health);
        outbox.metrics().store(health.is_ok(), folder::free_bytes(&settings.folder));
        if second.is_multiple_of(COUNT_EVERY)
            && let Ok(totals) = outbox.store().totals().await
        {
            say_astray(&mut astray, &ingress, &totals);
            outbox.metrics().contents(&contents(totals));
            let captures::Totals { count, bytes, oldest, lost } = captures.totals();
            metrics.captures().now(count, bytes, oldest, lost);
        }
        if second.is_multiple_of(PRUNE_EVERY) {
            let age = i64::try_from(settings.events_age.as_secs()).unwrap_or(i64::MAX);
            let before = outbox.now().saturating_sub(age);
            while outbox.store().prune(before).await.is_ok_and(|gone| gone > 0) {}
            while captures.prune(outbox.now()).await.is_ok_and(|gone| gone > 0) {}
        }
    }
}

fn say_health(was: &mut Result<(), StoreError>, is: Result<(), StoreError>) {
    if *was != is {
        match is {
            Ok(()) => tracing::info!("the store takes events again"),
            Err(error) => tracing::error!(
                reason = error.as_str(),
                "the store takes no events; gateways are asked to come again"
            ),
        }
        *was = is;
    }
}

/// Says aloud, once, that events wait for somebody who is not configured any more.
fn say_astray(was: &mut BTreeSet<String>, ingress: &Ingress, totals: &Totals) {
    let waiting = totals.entries.iter().filter(|(_, state, count)| {
        matches!(state, State::Waiting | State::Held | State::Dead) && *count > 0
    });
    let names = waiting.map(|(upstream, _, _)| upstream.clone());
    let is: BTreeSet<String> = names.filter(|name| ingress.outlet(name).is_none()).collect();
    for upstream in is.difference(was) {
        tracing::error!(
            target: "countersign::outbox", upstream,
            "events are kept for an upstream that is not configured any more; put it back under \
             `upstreams`, or drop them"
        );
    }
    *was = is;
}

fn contents(totals: Totals) -> Contents {
    let Totals { entries, oldest, held, bytes } = totals;
    Contents {
        entries: entries
            .into_iter()
            .map(|(upstream, state, count)| (upstream, state.as_str(), count))
            .collect(),
        oldest,
        money: held.into_iter().map(|(state, amount)| (state.as_str(), amount)).collect(),
        bytes,
    }
}
