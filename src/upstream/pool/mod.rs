//! One upstream as a whole: which address, which connection, and what is tried again.

mod addresses;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use hyper::{Request, Response};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::answer::{AnswerBody, Counted};
use super::balance::choose;
use super::connection::{Answered, Connection};
use super::endpoint::{Endpoint, Load};
use super::line::Lost;
use super::outgoing::Outgoing;
use super::resolve::Known;
use super::way::{Way, again};
use super::{Ends, Error, Repeat, Terms, class};
use crate::config::Reach;
use crate::live::{self, UpstreamTls};
use crate::metrics::{Retried, UpstreamMetrics};

/// Addresses that are tried for one request.
pub const CONNECTS_MAX: usize = 3;

/// The connections to one upstream: shared by routes, kept over reloads that leave it as it was.
pub struct Pool {
    settings: Settings,
    /// `None`: its URL is no good.
    way: Option<Way>,
    permits: Semaphore,
    endpoints: RwLock<Arc<[Arc<Endpoint>]>>,
    /// What the endpoints were made from; locked while names are looked up.
    known: tokio::sync::Mutex<Vec<Known>>,
    /// When names are looked up next; `None`: there are none.
    look_at: Mutex<Option<Instant>>,
    /// One more with each request.
    turn: AtomicUsize,
    metrics: UpstreamMetrics,
}

/// What makes one pool another one.
#[derive(Eq, PartialEq)]
struct Settings {
    url: String,
    connect_timeout: Duration,
    in_flight_max: usize,
    reach: Reach,
    tls: UpstreamTls,
}

impl Settings {
    fn of(url: &str, upstream: &live::Upstream) -> Self {
        let live::Upstream {
            name: _,
            target: _,
            connect_timeout,
            // It is part of the terms of each request.
            timeout: _,
            in_flight_max,
            secret: _,
            retry: _,
            reach,
            tls,
        } = upstream;
        Self {
            url: url.to_owned(),
            connect_timeout: *connect_timeout,
            in_flight_max: *in_flight_max,
            reach: reach.clone(),
            tls: tls.clone(),
        }
    }
}

impl Pool {
    /// To `upstream` at `url`.
    pub fn new(url: &str, upstream: &live::Upstream, metrics: UpstreamMetrics) -> Self {
        let settings = Settings::of(url, upstream);
        let name = &upstream.name;
        let way = Way::new(url, upstream)
            .inspect_err(|error| tracing::error!(upstream = %name, %error, "unusable upstream"))
            .ok();
        let addresses = match (&way, settings.reach.addresses.is_empty()) {
            (Some(way), true) => vec![way.own.clone()],
            _ => settings.reach.addresses.clone(),
        };
        let known: Vec<_> = addresses.into_iter().map(Known::new).collect();
        let look_at = known.iter().any(Known::is_name).then(Instant::now);
        let pool = Self {
            way,
            permits: Semaphore::new(settings.in_flight_max.min(Semaphore::MAX_PERMITS)),
            settings,
            endpoints: RwLock::new(Arc::new([])),
            known: tokio::sync::Mutex::new(Vec::new()),
            look_at: Mutex::new(look_at),
            turn: AtomicUsize::new(0),
            metrics,
        };
        if look_at.is_none() {
            pool.publish(&known);
        }
        Self { known: tokio::sync::Mutex::new(known), ..pool }
    }

    /// Whether this is the pool for `upstream` at `url`, whatever its secret and deadlines.
    pub fn serves(&self, url: &str, upstream: &live::Upstream) -> bool {
        self.settings == Settings::of(url, upstream)
    }

    /// Sends one request: the head of its answer, and its body as a stream. The answer may come
    /// before all of the request has gone. It holds one of the places under `in_flight` until its
    /// body has come to its end or is dropped.
    ///
    /// `Host` is the upstream's own where the request names none. `Content-Length`,
    /// `Transfer-Encoding` and `Expect` are ours: they follow from the body. What else belongs to
    /// a connection is for the caller to leave out, but for `Connection: upgrade` and `Upgrade`:
    /// after them the answer may be 101, and then [`AnswerBody::into_tunnel`] is what goes on.
    /// `CONNECT` is not for us. Other interim answers are passed over, or shown to the callback of
    /// [`hyper::ext::on_informational`].
    pub async fn send(
        self: &Arc<Self>,
        request: Request<Outgoing>,
        terms: Terms,
    ) -> Result<Response<AnswerBody>, Error> {
        let Some(place) = Place::take(self) else {
            self.metrics.busy();
            return Err(Error::Busy);
        };
        let begun = Instant::now();
        let sent = self.try_addresses(request, &terms).await;
        let took = begun.elapsed();
        match sent {
            Ok((answered, load)) => {
                let class = class(answered.response.status());
                let well = !is_unwell(&answered.response);
                Ok(AnswerBody::open(answered, Counted { place, load, class, took, well }).await)
            }
            Err(error) => {
                if let Some(class) = error.class() {
                    self.metrics.answered(class, took);
                }
                Err(error)
            }
        }
    }

    /// One address after the other, as long as nothing was sent; once more if it may be repeated.
    async fn try_addresses(
        &self,
        mut request: Request<Outgoing>,
        terms: &Terms,
    ) -> Result<(Answered, Load), Error> {
        let way = self.way.as_ref().ok_or(Error::NotConfigured)?;
        way.frame(&mut request)?;
        let client = way.ends(terms.client);
        let endpoints = self.endpoints().await?;
        let mut tries = Tries { tried: Vec::new(), repeated: terms.repeat == Repeat::Never };
        let mut next = self.choose(&endpoints, &tries).ok_or(Error::ConnectFailed)?;
        let mut fresh = false;
        loop {
            let load = Load::on(next);
            let kept = if fresh { None } else { next.kept(way, client.as_ref()).await };
            let was_kept = kept.is_some();
            let connection = match kept {
                Some(connection) => Ok(connection),
                None => self.connect(next, way, client).await,
            };
            let others = tries.tried.len() + 1 < endpoints.len().min(CONNECTS_MAX);
            let connection = match connection {
                Ok(connection) => connection,
                Err(error) => {
                    next = self.elsewhere(
                        next,
                        &endpoints,
                        &mut tries,
                        error,
                        Retried::ConnectFailed,
                    )?;
                    fresh = false;
                    continue;
                }
            };
            let spare =
                (!tries.repeated && (was_kept || others)).then(|| again(&request)).flatten();
            match (connection.ask(request, &terms.deadlines).await, spare) {
                (Ok(answered), Some(spare)) if others && is_unwell(&answered.response) => {
                    next.counted(class(answered.response.status()));
                    (request, tries.repeated) = (spare, true);
                    next = match self.elsewhere(
                        next,
                        &endpoints,
                        &mut tries,
                        Error::Broken,
                        Retried::Failed,
                    ) {
                        Ok(other) => other,
                        Err(_) => return Ok((answered, load)),
                    };
                    fresh = false;
                }
                (Ok(answered), _) => {
                    if is_unwell(&answered.response) {
                        next.noted(false);
                    }
                    return Ok((answered, load));
                }
                // It died unnoticed.
                (Err(Lost::Unsent(unsent)), _) if was_kept => {
                    self.metrics.retried(Retried::Unsent);
                    (request, fresh) = (*unsent, true);
                }
                (Err(Lost::Unsent(unsent)), _) => {
                    request = *unsent;
                    next = self.elsewhere(
                        next,
                        &endpoints,
                        &mut tries,
                        Error::Unsent,
                        Retried::Unsent,
                    )?;
                    fresh = false;
                }
                (Err(Lost::For(Error::Unanswered)), Some(spare)) if was_kept => {
                    self.metrics.retried(Retried::Failed);
                    (request, tries.repeated, fresh) = (spare, true, true);
                }
                (Err(Lost::For(error @ Error::Unanswered)), Some(spare)) => {
                    (request, tries.repeated) = (spare, true);
                    next = self.elsewhere(next, &endpoints, &mut tries, error, Retried::Failed)?;
                    fresh = false;
                }
                (Err(Lost::For(error)), _) => {
                    fail(next, error);
                    return Err(error);
                }
            }
        }
    }

    async fn connect(
        &self,
        endpoint: &Endpoint,
        way: &Way,
        client: Option<Ends>,
    ) -> Result<Connection, Error> {
        let connect = endpoint.connect(way, client, &self.metrics);
        timeout(self.settings.connect_timeout, connect).await.map_err(|_| Error::ConnectFailed)?
    }

    /// The next address after this one has failed; `Err`: there is none.
    fn elsewhere<'a>(
        &self,
        failed: &'a Arc<Endpoint>,
        endpoints: &'a [Arc<Endpoint>],
        tries: &mut Tries,
        error: Error,
        why: Retried,
    ) -> Result<&'a Arc<Endpoint>, Error> {
        fail(failed, error);
        tries.tried.push(Arc::clone(failed));
        let next = self.choose(endpoints, tries).ok_or(error)?;
        self.metrics.retried(why);
        Ok(next)
    }

    fn choose<'a>(
        &self,
        endpoints: &'a [Arc<Endpoint>],
        tries: &Tries,
    ) -> Option<&'a Arc<Endpoint>> {
        if tries.tried.len() >= CONNECTS_MAX {
            return None;
        }
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        choose(endpoints, &tries.tried, turn, self.settings.reach.slow_start)
    }
}

/// What was tried for one request.
struct Tries {
    tried: Vec<Arc<Endpoint>>,
    /// It must not be repeated, or was once.
    repeated: bool,
}

/// It says that it cannot serve now.
fn is_unwell<B>(response: &Response<B>) -> bool {
    matches!(response.status().as_u16(), 502..=504)
}

/// Remembers that an address has failed so, if it was its fault.
fn fail(endpoint: &Endpoint, error: Error) {
    if let Some(class) = error.class() {
        endpoint.counted(class);
        endpoint.noted(false);
    }
}

/// One of the places under `in_flight`, until dropped.
pub(super) struct Place {
    pool: Arc<Pool>,
}

impl Place {
    fn take(pool: &Arc<Pool>) -> Option<Self> {
        pool.permits.try_acquire().ok()?.forget();
        Some(Self { pool: Arc::clone(pool) })
    }

    pub(super) fn metrics(&self) -> &UpstreamMetrics {
        &self.pool.metrics
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.pool.permits.add_permits(1);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing is half done when this panics.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
