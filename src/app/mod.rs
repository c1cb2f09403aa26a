//! The composition root: binds, starts, reloads and drains. Nothing else starts a task that
//! outlives a connection, but for the verb of an operator who has gone away.

pub mod descriptors;
mod keeping;
mod log;
mod reload;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

pub use keeping::open as open_store;
pub use reload::{Reloaded, Source};

use crate::admin::Admin;
use crate::admin::api::Api;
use crate::config::{Boot, Limits, Listener};
use crate::deliver::Outbox;
use crate::engine::inbound::UnixSeconds;
use crate::live::{Live, Store};
use crate::metrics::Metrics;
use crate::server::{Ingress, Keeping, Listening, Manner, Phase, Tls};
use crate::store::captures::Captures;

/// What is needed to start.
pub struct Setup {
    /// Fixed until the next start.
    pub boot: Boot,
    /// What outlives a restart; `None`: nothing.
    pub store: Option<Store>,
    /// With the first snapshot in it.
    pub live: Arc<Live>,
    /// Where the next ones come from; `None`: there are none.
    pub source: Option<Box<dyn Source>>,
    /// The wall clock; [`wall_clock`] unless a test holds it.
    pub clock: fn() -> UnixSeconds,
}

/// A running daemon. Dropped, it stops at once.
pub struct Running {
    /// Where callbacks arrive, in the order of the configuration; ports that were 0 are known.
    pub addresses: Vec<SocketAddr>,
    /// Where metrics and health are served.
    pub admin: Option<SocketAddr>,
    /// The one cell.
    pub live: Arc<Live>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Events that are kept; `None`: there is no store.
    pub outbox: Option<Arc<Outbox>>,
    /// Inbounds that are kept.
    pub captures: Option<Arc<Captures>>,
    callbacks: Arc<Listening>,
    phase: watch::Sender<Phase>,
    /// That of the admin listener, which answers while the others drain.
    admin_phase: watch::Sender<Phase>,
    reloads: mpsc::Sender<()>,
    drain_timeout: Duration,
    /// Sends what waits; ends by itself once the phase is over.
    deliveries: JoinSet<()>,
    tasks: JoinSet<()>,
}

/// Open connections of the admin listener; its own, so that a flood of callbacks cannot hide it.
const ADMIN_CONNECTIONS_MAX: usize = 64;

const HOUSEKEEPING: Duration = Duration::from_secs(1);

/// Seconds since the Unix epoch; 0 where the clock is before it.
pub fn wall_clock() -> UnixSeconds {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixSeconds::try_from(since.as_secs()).unwrap_or(UnixSeconds::MAX)
}

/// Binds every listener, then serves. Fails before it has accepted anything, or not at all.
pub async fn start(setup: Setup) -> io::Result<Running> {
    let Setup { boot, store, live, source, clock } = setup;
    let Boot { listen, admin, limits, store: _, log: _ } = boot;
    let mut listeners = Vec::new();
    for Listener { address, tls, proxy_protocol } in listen {
        let tls = tls.map(|certificates| Tls::new(Arc::clone(&live), certificates));
        listeners.push((bind(address).await?, Manner { tls, proxy_protocol }));
    }
    let admin_listener = match admin {
        Some(address) => Some(bind(address).await?),
        None => None,
    };
    let metrics = Arc::new(Metrics::new().map_err(io::Error::other)?);
    metrics.reloaded(live.load().generation, clock());
    reload::name_what_is_out(&live.load(), clock());
    let keeping = match &store {
        Some(settings) => open_store(settings, &metrics, clock)?,
        None => Keeping::default(),
    };
    let api = match keeping.clone() {
        Keeping { outbox: Some(outbox), captures: Some(captures) } => {
            let rules = source.as_ref().map_or_else(reload::no_rules, |source| source.rules());
            Some(Arc::new(Api::new(outbox, captures, rules, Arc::clone(&metrics), clock)))
        }
        Keeping { .. } => None,
    };
    let (phase, phases) = watch::channel(Phase::Serving);
    let (admin_phase, admin_phases) = watch::channel(Phase::Serving);
    let ingress = Arc::new(Ingress::new(
        Arc::clone(&live),
        Arc::clone(&metrics),
        limits.clone(),
        clock,
        keeping.clone(),
    ));
    let (mut tasks, mut deliveries) = (JoinSet::new(), JoinSet::new());
    let Keeping { outbox, captures } = keeping.clone();
    if let (Some(settings), Some(outbox)) = (store, outbox.clone()) {
        deliveries.spawn(keeping::deliver(outbox, Arc::clone(&ingress), phases.clone()));
        tasks.spawn(keeping::look_after(keeping, settings, Arc::clone(&metrics)));
    }
    let callbacks = Listening::new(limits.clone(), Arc::clone(&metrics), phases.clone());
    let mut addresses = Vec::new();
    for (listener, manner) in listeners {
        addresses.push(listener.local_addr()?);
        tasks.spawn(Arc::clone(&callbacks).serve(listener, manner, Arc::clone(&ingress)));
    }
    let drain_timeout = limits.drain_timeout;
    let mut admin = None;
    if let Some(listener) = admin_listener {
        admin = Some(listener.local_addr()?);
        let limits = Limits { connections_max: ADMIN_CONNECTIONS_MAX, ..limits };
        let service = Admin::new(Arc::clone(&live), Arc::clone(&metrics), phases, api);
        let listening = Listening::new(limits, Arc::clone(&metrics), admin_phases);
        tasks.spawn(listening.serve(listener, Manner::default(), Arc::new(service)));
    }
    let (reloads, triggers) = mpsc::channel(1);
    tasks.spawn(housekeeping(Arc::clone(&ingress)));
    if let Some(source) = source {
        let changed = reloads.clone();
        // A full channel holds a trigger already.
        let watching = source.watch(Box::new(move || {
            changed.try_send(()).ok();
        }));
        let (live, metrics) = (Arc::clone(&live), Arc::clone(&metrics));
        let reloading = reload::Reloading { live, metrics, ingress, clock, source, watching };
        tasks.spawn(reloading.run(triggers));
    }
    Ok(Running {
        addresses,
        admin,
        live,
        metrics,
        outbox,
        captures,
        callbacks,
        phase,
        admin_phase,
        reloads,
        drain_timeout,
        deliveries,
        tasks,
    })
}

impl Running {
    /// Asks the source for a new configuration, soon.
    pub fn reload(&self) {
        // A full channel holds a trigger already; a closed one has no source behind it.
        self.reloads.try_send(()).ok();
    }

    /// Accepts nothing new, finishes what was begun, and cuts off what is not finished in time.
    /// Whether all was finished.
    pub async fn drain(mut self) -> bool {
        self.phase.send_replace(Phase::Draining);
        let all = async {
            self.callbacks.drained().await;
            // A panic has been logged.
            while self.deliveries.join_next().await.is_some() {}
        };
        let drained = timeout(self.drain_timeout, all).await.is_ok();
        self.phase.send_replace(Phase::Over);
        self.admin_phase.send_replace(Phase::Over);
        self.tasks.shutdown().await;
        drained
    }
}

/// Runs the daemon until a signal ends it: SIGTERM and SIGINT drain (a second one does not wait),
/// SIGHUP reloads.
pub fn run(setup: Setup) -> io::Result<()> {
    log::begin(&setup.boot.log);
    let one_thread = std::env::var_os("TOKIO_WORKER_THREADS").is_some_and(|threads| threads == "1");
    let mut runtime = if one_thread {
        tokio::runtime::Builder::new_current_thread()
    } else {
        tokio::runtime::Builder::new_multi_thread()
    };
    runtime.enable_all().build()?.block_on(until_signal(setup))
}

async fn until_signal(setup: Setup) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    descriptors::check(setup.boot.limits.connections_max);
    let running = start(setup).await?;
    for address in &running.addresses {
        tracing::info!(%address, "callbacks are served");
    }
    if let Some(address) = running.admin {
        tracing::info!(%address, "metrics and health are served");
    }
    loop {
        tokio::select! {
            _ = hang_up.recv() => running.reload(),
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
    }
    tracing::info!("draining");
    let drained = tokio::select! {
        drained = running.drain() => drained,
        _ = terminate.recv() => false,
        _ = interrupt.recv() => false,
    };
    if !drained {
        tracing::warn!("requests that were not finished in time are cut off");
    }
    Ok(())
}

async fn housekeeping(ingress: Arc<Ingress>) {
    let mut ticks = interval(HOUSEKEEPING);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        ingress.housekeeping();
    }
}

async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"))
    })
}
