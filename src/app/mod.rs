//! The composition root: binds, starts, reloads and drains. Nothing else starts a task that
//! outlives a connection, but for the verb of an operator who has gone away.

pub mod descriptors;
mod keeping;
mod log;
mod notify;
mod reload;
mod signals;
mod sockets;
mod upgrade;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

pub use keeping::open as open_store;
pub use reload::{Reloaded, Source};
pub use signals::Ended;

use crate::admin::Admin;
use crate::admin::api::Api;
use crate::config::{Boot, Limits, Listener};
use crate::deliver::Outbox;
use crate::engine::inbound::UnixSeconds;
use crate::live::{Live, Store};
use crate::metrics::Metrics;
use crate::server::{Ingress, Keeping, Listening, Manner, Phase, Tls};
use crate::store::captures::Captures;
use sockets::Sockets;
use upgrade::Predecessor;

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
    reloads: reload::Asker,
    drain_timeout: Duration,
    sockets: Sockets,
    /// They accept; each ends when its listener is closed.
    listeners: JoinSet<()>,
    admin_listener: JoinSet<()>,
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
    start_on(setup, Sockets::default(), None).await
}

/// The same with sockets that were passed; a store is opened when the predecessor has left it.
async fn start_on(
    setup: Setup,
    mut sockets: Sockets,
    predecessor: Option<&mut Predecessor>,
) -> io::Result<Running> {
    let Setup { boot, store, live, source, clock } = setup;
    let Boot { listen, admin, limits, store: _, log: _ } = boot;
    let mut listeners = Vec::new();
    for Listener { address, tls, proxy_protocol } in listen {
        let tls = tls.map(|certificates| Tls::new(Arc::clone(&live), certificates));
        listeners.push((sockets.listen(address).await?, Manner { tls, proxy_protocol }));
    }
    let admin_listener = match admin {
        Some(address) => Some(sockets.listen(address).await?),
        None => None,
    };
    sockets.close_unclaimed();
    let metrics = Arc::new(Metrics::new().map_err(io::Error::other)?);
    metrics.reloaded(live.load().generation, clock());
    reload::name_what_is_out(&live.load(), clock());
    let keeping = match &store {
        Some(settings) => {
            keeping::open_after(predecessor, || open_store(settings, &metrics, clock)).await?
        }
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
        let (ingress, metrics) = (Arc::clone(&ingress), Arc::clone(&metrics));
        tasks.spawn(keeping::look_after(keeping, ingress, settings, metrics));
    }
    let callbacks = Listening::new(limits.clone(), Arc::clone(&metrics), phases.clone());
    let (mut addresses, mut accepting) = (Vec::new(), JoinSet::new());
    for (listener, manner) in listeners {
        addresses.push(listener.local_addr()?);
        accepting.spawn(Arc::clone(&callbacks).serve(listener, manner, Arc::clone(&ingress)));
    }
    let drain_timeout = limits.drain_timeout;
    let (mut admin, mut admin_accepting) = (None, JoinSet::new());
    if let Some(listener) = admin_listener {
        admin = Some(listener.local_addr()?);
        let limits = Limits { connections_max: ADMIN_CONNECTIONS_MAX, ..limits };
        let service = Admin::new(Arc::clone(&live), Arc::clone(&metrics), phases, api);
        let listening = Listening::new(limits, Arc::clone(&metrics), admin_phases);
        admin_accepting.spawn(listening.serve(listener, Manner::default(), Arc::new(service)));
    }
    let (trigger, triggers) = mpsc::channel(1);
    let (reloads, attempts) = reload::asker(trigger.clone());
    tasks.spawn(housekeeping(Arc::clone(&ingress)));
    if let Some(source) = source {
        // A full channel holds a trigger already.
        let watching = source.watch(Box::new(move || {
            trigger.try_send(()).ok();
        }));
        let (live, metrics) = (Arc::clone(&live), Arc::clone(&metrics));
        let reloading =
            reload::Reloading { live, metrics, ingress, clock, source, watching, attempts };
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
        sockets,
        listeners: accepting,
        admin_listener: admin_accepting,
        deliveries,
        tasks,
    })
}

impl Running {
    /// Asks the source for a new configuration, soon.
    pub fn reload(&self) {
        drop(self.reloads.ask());
    }

    /// Accepts nothing new, finishes what was begun, and cuts off what is not finished in time.
    /// Whether all was finished.
    pub async fn drain(mut self) -> bool {
        self.phase.send_replace(Phase::Draining);
        self.sockets = Sockets::default();
        let all = async {
            while self.listeners.join_next().await.is_some() {}
            self.callbacks.drained().await;
            // A panic has been logged.
            while self.deliveries.join_next().await.is_some() {}
            if let Some(outbox) = &self.outbox {
                outbox.errands().over().await;
            }
        };
        let drained = timeout(self.drain_timeout, all).await.is_ok();
        self.phase.send_replace(Phase::Over);
        self.admin_phase.send_replace(Phase::Over);
        self.listeners.shutdown().await;
        self.admin_listener.shutdown().await;
        self.tasks.shutdown().await;
        drained
    }

    /// Leaves what is not accepted yet, also by the admin listener, to another process.
    async fn leave(mut self) -> Self {
        self.listeners.shutdown().await;
        self.admin_listener.shutdown().await;
        self.admin_phase.send_replace(Phase::Draining);
        self
    }
}

/// Runs the daemon until a signal ends it: SIGTERM and SIGINT drain (a second one does not wait),
/// SIGHUP reloads, SIGUSR2 has a new process take over. To be called before there are threads.
pub fn run(setup: Setup) -> io::Result<Ended> {
    log::begin(&setup.boot.log);
    let (sockets, line) = Sockets::of_process()?;
    let one_thread = std::env::var_os("TOKIO_WORKER_THREADS").is_some_and(|threads| threads == "1");
    let mut runtime = if one_thread {
        tokio::runtime::Builder::new_current_thread()
    } else {
        tokio::runtime::Builder::new_multi_thread()
    };
    descriptors::check(setup.boot.limits.connections_max);
    runtime.enable_all().build()?.block_on(async {
        let predecessor = line.map(Predecessor::new).transpose()?;
        signals::until_signal(setup, sockets, predecessor).await
    })
}

async fn housekeeping(ingress: Arc<Ingress>) {
    let mut ticks = interval(HOUSEKEEPING);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        ingress.housekeeping();
    }
}
