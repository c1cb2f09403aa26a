//! One address of an upstream: its connections, how much it has to do, how well it is.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::connection::Connection;
use super::line::Line;
use super::resolve::Spot;
use super::shared::Shared;
use super::way::Way;
use super::wellness::{Change, Wellness};
use super::{Ends, Error};
use crate::config::Http;
use crate::metrics::{AddressMetrics, Class, Held, UpstreamMetrics};

/// How long an idle connection is kept: below the five seconds after which common servers close.
const IDLE_MAX: Duration = Duration::from_secs(4);

pub(super) struct Endpoint {
    pub(super) spot: Spot,
    pub(super) name: String,
    upstream: String,
    /// The most recently used last.
    idle: Mutex<VecDeque<Idle>>,
    shared: tokio::sync::Mutex<Option<Shared>>,
    load: AtomicUsize,
    wellness: Mutex<Wellness>,
    metrics: AddressMetrics,
    /// When it is asked next whether it is well.
    probe_at: Mutex<Option<Instant>>,
    probed: AtomicBool,
}

/// A connection that nobody uses.
struct Idle {
    line: Line,
    _counted: Held,
}

impl Endpoint {
    pub(super) fn new(spot: Spot, wellness: Wellness, metrics: &UpstreamMetrics) -> Self {
        let name = spot.to_string();
        Self {
            metrics: metrics.address(&name),
            spot,
            name,
            upstream: metrics.upstream().to_owned(),
            idle: Mutex::default(),
            shared: tokio::sync::Mutex::default(),
            load: AtomicUsize::new(0),
            wellness: Mutex::new(wellness),
            probe_at: Mutex::default(),
            probed: AtomicBool::new(false),
        }
    }

    /// A connection that is there already, and still good as far as anybody knows.
    pub(super) async fn kept(&self, way: &Way, client: Option<&Ends>) -> Option<Connection> {
        match way.http {
            Http::One => self.pooled(client).await.map(Connection::Own),
            Http::Two => {
                let shared = self.shared.lock().await;
                shared.as_ref().filter(|shared| shared.is_open()).cloned().map(Connection::Shared)
            }
        }
    }

    /// The connection for this client that was used last.
    async fn pooled(&self, client: Option<&Ends>) -> Option<Line> {
        loop {
            let mut line = {
                let mut idle = lock(&self.idle);
                let at = idle.iter().rposition(|idle| idle.line.client.as_ref() == client)?;
                idle.remove(at)?.line
            };
            if line.idle_for() < IDLE_MAX && line.is_usable_now().await {
                return Some(line);
            }
        }
    }

    /// A new connection. The caller gives it a deadline.
    pub(super) async fn connect(
        &self,
        way: &Way,
        client: Option<Ends>,
        metrics: &UpstreamMetrics,
    ) -> Result<Connection, Error> {
        let connect = async || {
            let io = way.connect(&self.spot, client.as_ref()).await.map_err(|error| {
                let Self { upstream, name, .. } = self;
                tracing::debug!(upstream, address = name, %error, "no connection to an upstream");
                Error::ConnectFailed
            })?;
            Ok((io, metrics.connection_opened()))
        };
        let failed = |_| Error::ConnectFailed;
        match way.http {
            Http::One => {
                let (io, open) = connect().await?;
                Ok(Connection::Own(Line::over(io, client, open).await.map_err(failed)?))
            }
            Http::Two => {
                // One at a time: the others will use what the first has made.
                let mut shared = self.shared.lock().await;
                if let Some(shared) = shared.as_ref().filter(|shared| shared.is_open()) {
                    return Ok(Connection::Shared(shared.clone()));
                }
                let (io, open) = connect().await?;
                let new = Shared::over(io, open).await.map_err(failed)?;
                *shared = Some(new.clone());
                Ok(Connection::Shared(new))
            }
        }
    }

    /// Keeps a connection for the next request.
    pub(super) fn give_back(&self, line: Line, metrics: &UpstreamMetrics) {
        lock(&self.idle).push_back(Idle { line, _counted: metrics.connection_idle() });
    }

    /// Closes what has been idle for too long.
    pub(super) fn sweep(&self) {
        let mut idle = lock(&self.idle);
        while idle.front().is_some_and(|idle| idle.line.idle_for() >= IDLE_MAX) {
            idle.pop_front();
        }
    }

    pub(super) fn load(&self) -> usize {
        self.load.load(Ordering::Relaxed)
    }

    /// Whether requests may go to it, and how much of its share it gets.
    pub(super) fn standing(&self, now: Instant, slow_start: Duration) -> (bool, u32) {
        let wellness = *lock(&self.wellness);
        (wellness.is_usable(now), wellness.share(now, slow_start))
    }

    /// It was asked, and answered or failed so.
    pub(super) fn counted(&self, class: Class) {
        self.metrics.answered(class);
    }

    /// How an attempt at it ended, as far as that says how well it is.
    pub(super) fn noted(&self, well: bool) {
        let now = Instant::now();
        let change = {
            let mut wellness = lock(&self.wellness);
            if well { wellness.answered(now) } else { wellness.failed(now) }
        };
        self.tell(change);
    }

    /// What it was found to be when it was asked whether it is well; so many in a row decide.
    pub(super) fn probed(&self, good: bool, enough: u32) {
        let change = lock(&self.wellness).probed(good, enough, Instant::now());
        self.tell(change);
        self.probed.store(false, Ordering::Relaxed);
    }

    /// Whether it is to be asked now; then nobody else asks until it was.
    pub(super) fn is_due(&self, interval: Duration, now: Instant) -> bool {
        let mut at = lock(&self.probe_at);
        if at.is_some_and(|at| now < at) || self.probed.swap(true, Ordering::Relaxed) {
            return false;
        }
        *at = Some(now + interval);
        true
    }

    fn tell(&self, change: Option<Change>) {
        match change {
            Some(Change::Up) => {
                self.metrics.up();
                let Self { upstream, name, .. } = self;
                tracing::info!(upstream, address = name, "an upstream's address is well again");
            }
            Some(Change::Down) => {
                self.metrics.down();
                let Self { upstream, name, .. } = self;
                tracing::warn!(
                    upstream,
                    address = name,
                    "an upstream's address is unwell; it is left alone while there are others"
                );
            }
            None => {}
        }
    }
}

/// One more request under way at an address, until dropped.
pub(super) struct Load(pub(super) Arc<Endpoint>);

impl Load {
    pub(super) fn on(endpoint: &Arc<Endpoint>) -> Self {
        endpoint.load.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(endpoint))
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.0.load.fetch_sub(1, Ordering::Relaxed);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic while it was held can only have lost connections or a count.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
