//! The way to one upstream: from a request to the head of the answer and its body as a stream.
//!
//! A connection is driven by the request that uses it, not by a task of its own: that saves two
//! wake-ups a request. Idle ones lie in the pool undriven and are looked at before they are used.

mod answer;
mod io;
mod line;
mod outgoing;
mod place;
mod timer;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hyper::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderValue, TRANSFER_ENCODING, UPGRADE,
};
use hyper::{Method, Request, Response, StatusCode, Version};
use tokio::sync::Semaphore;
use tokio::time::timeout;

pub use answer::{AnswerBody, Tunnel};
pub use io::Io;
pub use outgoing::{BoxError, Outgoing};

use crate::live;
use crate::metrics::{Class, UpstreamMetrics};
use line::{Line, Lost};
use place::Place;
use timer::Timer;

/// How long an idle connection is kept: below the five seconds after which common servers close.
const IDLE_MAX: Duration = Duration::from_secs(4);

/// Why there is no answer, or no more of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Error {
    /// What came back is not an answer, or not all of one.
    #[error("what the upstream sent is not a whole answer")]
    Broken,
    /// As many requests as are allowed are under way. Nothing was sent.
    #[error("as many requests to the upstream as are allowed are under way")]
    Busy,
    /// No connection. Nothing was sent.
    #[error("no connection to the upstream")]
    ConnectFailed,
    /// Nothing that a request could be sent to. Nothing was sent.
    #[error("the upstream cannot be used as it is configured")]
    NotConfigured,
    /// The body of the request broke, or stopped coming: its sender's fault, not the upstream's.
    #[error("the body of the request has not come to its end")]
    RequestBody,
    /// No answer in time, or no more of it.
    #[error("the upstream did not answer in time")]
    Timeout,
    /// The connection ended before an answer began. The upstream may have done what was asked.
    #[error("the upstream closed the connection without an answer")]
    Unanswered,
    /// The connection ended before anything was sent.
    #[error("the upstream closed the connection before anything was sent")]
    Unsent,
}

impl Error {
    /// The class under which it is counted; `None`: the upstream had no part in it.
    fn class(self) -> Option<Class> {
        match self {
            Self::Broken | Self::Unanswered | Self::Unsent => Some(Class::Broken),
            Self::ConnectFailed => Some(Class::ConnectFailed),
            Self::Timeout => Some(Class::Timeout),
            Self::Busy | Self::NotConfigured | Self::RequestBody => None,
        }
    }
}

/// Whether a request may be sent a second time when nobody knows what became of the first.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Repeat {
    /// The upstream cannot know it from a new one.
    Never,
    /// It carries an idempotency key.
    Safe,
}

/// How long an answer may take. `None`: for ever. A connection has its own deadline, which is the
/// upstream's.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Deadlines {
    /// From the first byte sent to the last byte of the answer.
    pub whole: Option<Duration>,
    /// From the end of the request to the head of the answer.
    pub head: Option<Duration>,
    /// Without a byte of either body. What holds up the request's body is its sender if that is
    /// whom we wait for: then it ends with [`Error::RequestBody`].
    pub idle: Option<Duration>,
}

/// The two ends of the connection over which a request came, for upstreams that are told of them
/// (PROXY protocol).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Ends {
    /// The client.
    pub source: SocketAddr,
    /// Where it has connected to.
    pub destination: SocketAddr,
}

/// On which terms a request is sent.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// Whether it may be repeated. A streaming body never is, once anything of it was sent.
    pub repeat: Repeat,
    /// How long it may take.
    pub deadlines: Deadlines,
    /// Who asks, if it is somebody else than this daemon.
    pub client: Option<Ends>,
}

/// The connections to one upstream: shared by routes, kept over reloads that leave it as it was.
pub struct Pool {
    url: String,
    connect_timeout: Duration,
    in_flight_max: usize,
    place: Option<Place>,
    permits: Semaphore,
    /// The most recently used last.
    idle: Mutex<VecDeque<Line>>,
    metrics: UpstreamMetrics,
}

impl Pool {
    /// To `upstream` at `url`.
    pub fn new(url: &str, upstream: &live::Upstream, metrics: UpstreamMetrics) -> Self {
        let live::Upstream {
            name,
            target: _,
            connect_timeout,
            timeout: _,
            in_flight_max,
            secret: _,
            retry: _,
        } = upstream;
        Self {
            url: url.to_owned(),
            connect_timeout: *connect_timeout,
            in_flight_max: *in_flight_max,
            place: Place::new(url)
                .inspect_err(|error| tracing::error!(upstream = %name, %error, "unusable upstream"))
                .ok(),
            permits: Semaphore::new((*in_flight_max).min(Semaphore::MAX_PERMITS)),
            idle: Mutex::default(),
            metrics,
        }
    }

    /// Whether this is the pool for `upstream` at `url`, whatever its secret and deadlines.
    pub fn serves(&self, url: &str, upstream: &live::Upstream) -> bool {
        self.url == url
            && self.connect_timeout == upstream.connect_timeout
            && self.in_flight_max == upstream.in_flight_max
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
        let held = Held::take(self).ok_or(Error::Busy)?;
        let begun = Instant::now();
        let sent = self.send_to_place(request, &terms).await;
        let took = begun.elapsed();
        match sent {
            Ok((line, response, timer)) => {
                let class = class(response.status());
                let answer = AnswerBody::open(response, line, timer, Counted { held, class, took });
                Ok(answer.await)
            }
            Err(error) => {
                if let Some(class) = error.class() {
                    self.metrics.answered(class, took);
                }
                Err(error)
            }
        }
    }

    /// Over a pooled connection where there is one. That may have died unnoticed: then once more
    /// over a fresh one, if the request was not written at all or is safe to repeat.
    async fn send_to_place(
        &self,
        mut request: Request<Outgoing>,
        terms: &Terms,
    ) -> Result<(Line, Response<hyper::body::Incoming>, Timer), Error> {
        let place = self.place.as_ref().ok_or(Error::NotConfigured)?;
        frame(&mut request, &place.host)?;
        if let Some(line) = self.pooled().await {
            let spare = match terms.repeat {
                Repeat::Safe => again(&request),
                Repeat::Never => None,
            };
            match (line.ask(request, &terms.deadlines).await, spare) {
                (Ok(answered), _) => return Ok(answered),
                (Err(Lost::Unsent(unsent)), _) => request = *unsent,
                (Err(Lost::For(Error::Unanswered)), Some(spare)) => request = spare,
                (Err(Lost::For(error)), _) => return Err(error),
            }
        }
        let io = timeout(self.connect_timeout, place.connect())
            .await
            .map_err(|_| Error::ConnectFailed)?
            .map_err(|_| Error::ConnectFailed)?;
        let line = Line::over(io).await.map_err(|_| Error::ConnectFailed)?;
        line.ask(request, &terms.deadlines).await.map_err(|lost| match lost {
            Lost::Unsent(_) => Error::Unsent,
            Lost::For(error) => error,
        })
    }

    /// The connection that was used last, if it is still good.
    async fn pooled(&self) -> Option<Line> {
        loop {
            let mut line = self.idle().pop_back()?;
            if line.idle_for() < IDLE_MAX && line.is_usable_now().await {
                return Some(line);
            }
        }
    }

    /// Keeps a connection for the next request.
    fn give_back(&self, line: Line) {
        self.idle().push_back(line);
    }

    /// Closes what has been idle for too long. To be called about once a second.
    pub fn sweep(&self) {
        let mut idle = self.idle();
        while idle.front().is_some_and(|line| line.idle_for() >= IDLE_MAX) {
            idle.pop_front();
        }
    }

    fn idle(&self) -> MutexGuard<'_, VecDeque<Line>> {
        // A panic while it was held can only have lost connections.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of the places under `in_flight`, until dropped.
struct Held {
    pool: Arc<Pool>,
}

impl Held {
    fn take(pool: &Arc<Pool>) -> Option<Self> {
        pool.permits.try_acquire().ok()?.forget();
        Some(Self { pool: Arc::clone(pool) })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.pool.permits.add_permits(1);
    }
}

/// A request that is counted when its answer has come to its end.
struct Counted {
    held: Held,
    class: Class,
    /// Until the head of the answer.
    took: Duration,
}

/// Makes the framing ours, so that nothing that a client has sent says where a request ends.
fn frame(request: &mut Request<Outgoing>, host: &HeaderValue) -> Result<(), Error> {
    if request.method() == Method::CONNECT {
        return Err(Error::NotConfigured);
    }
    *request.version_mut() = Version::HTTP_11;
    let framing = request.body().framing();
    let expects_content = matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH);
    let headers = request.headers_mut();
    for name in [CONTENT_LENGTH, TRANSFER_ENCODING, EXPECT] {
        headers.remove(name);
    }
    if !headers.contains_key(UPGRADE) {
        headers.remove(CONNECTION);
    }
    if !headers.contains_key(HOST) {
        headers.insert(HOST, host.clone());
    }
    match framing {
        // Some servers want to be told.
        outgoing::Framing::Empty if expects_content => {
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        outgoing::Framing::Empty | outgoing::Framing::Length => {}
        // Not for every method would hyper say so by itself.
        outgoing::Framing::Chunked => {
            headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
    }
    Ok(())
}

/// The same request once more; `None`: its body is a stream.
fn again(request: &Request<Outgoing>) -> Option<Request<Outgoing>> {
    let body = request.body().again()?;
    let mut again = Request::new(body);
    *again.method_mut() = request.method().clone();
    *again.uri_mut() = request.uri().clone();
    *again.headers_mut() = request.headers().clone();
    Some(again)
}

/// The class under which an answer is counted.
fn class(status: StatusCode) -> Class {
    match status.as_u16() {
        // 101: it does what it was asked for.
        101 | 200..=299 => Class::Success,
        300..=399 => Class::Redirect,
        400..=499 => Class::ClientError,
        500..=599 => Class::ServerError,
        _ => Class::Broken,
    }
}

#[cfg(test)]
mod tests;
