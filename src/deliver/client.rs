//! One upstream over HTTP/1.1: deadlines, a limit of requests under way, and a small pool.
//!
//! A connection is driven by the request that uses it, not by a task of its own: that saves two
//! wake-ups a request. Idle ones lie in the pool undriven and are looked at before they are used.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderValue, TRANSFER_ENCODING};
use hyper::{Request, Response, StatusCode, body::Incoming};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::place::{Io, Place};
use super::read::read;
use super::{DeliverError, Repeat, class};
use crate::live::Upstream;
use crate::metrics::UpstreamMetrics;

/// Bytes of an upstream's answer that are kept; what is longer is cut there.
pub const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Bytes of the head of an upstream's answer.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// How long an idle connection is kept: below the five seconds after which common servers close.
const IDLE_MAX: Duration = Duration::from_secs(4);

/// What an upstream said.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Any status from 200.
    pub status: StatusCode,
    /// Its `Content-Type`.
    pub content_type: Option<HeaderValue>,
    /// Its body, cut at [`ANSWER_BYTES_MAX`].
    pub body: Bytes,
}

/// The connections to one upstream.
pub struct Client {
    url: String,
    connect_timeout: Duration,
    timeout: Duration,
    in_flight_max: usize,
    place: Option<Place>,
    permits: Semaphore,
    /// The most recently used last.
    idle: Mutex<VecDeque<Link>>,
    metrics: UpstreamMetrics,
}

/// Why there is no answer on a connection, in the terms of whether to try another one.
enum Lost {
    /// Not a byte of the request was written.
    Unsent(Box<Request<Full<Bytes>>>),
    /// The connection ended before an answer began.
    Unanswered,
    /// Anything else.
    For(DeliverError),
}

impl Client {
    pub(super) fn new(url: &str, upstream: &Upstream, metrics: UpstreamMetrics) -> Self {
        let Upstream {
            name,
            target: _,
            connect_timeout,
            timeout,
            in_flight_max,
            secret: _,
            retry: _,
        } = upstream;
        Self {
            url: url.to_owned(),
            connect_timeout: *connect_timeout,
            timeout: *timeout,
            in_flight_max: *in_flight_max,
            place: Place::new(url)
                .inspect_err(|error| tracing::error!(upstream = %name, %error, "unusable upstream"))
                .ok(),
            permits: Semaphore::new((*in_flight_max).min(Semaphore::MAX_PERMITS)),
            idle: Mutex::default(),
            metrics,
        }
    }

    /// Whether this is the client for `upstream` at `url`, whatever its secret.
    pub(super) fn serves(&self, url: &str, upstream: &Upstream) -> bool {
        self.url == url
            && self.connect_timeout == upstream.connect_timeout
            && self.timeout == upstream.timeout
            && self.in_flight_max == upstream.in_flight_max
    }

    /// Sends one request and reads the whole answer.
    pub(super) async fn send(
        &self,
        request: Request<Bytes>,
        repeat: Repeat,
    ) -> Result<Answer, DeliverError> {
        let _permit = self.permits.try_acquire().map_err(|_| DeliverError::Busy)?;
        let begun = Instant::now();
        let result = self.send_to_place(request.map(Full::new), repeat).await;
        let status = result.as_ref().map(|answer| answer.status).map_err(|error| *error);
        if let Some(class) = class(status) {
            self.metrics.answered(class, begun.elapsed());
        }
        result
    }

    /// Over a pooled connection where there is one. That may have died unnoticed: then once more
    /// over a fresh one, if the request was not written at all or is safe to repeat.
    async fn send_to_place(
        &self,
        mut request: Request<Full<Bytes>>,
        repeat: Repeat,
    ) -> Result<Answer, DeliverError> {
        let place = self.place.as_ref().ok_or(DeliverError::NotConfigured)?;
        request.headers_mut().insert(HOST, place.host.clone());
        if let Some(link) = self.pooled().await {
            let spare = (repeat == Repeat::Safe).then(|| request.clone());
            match (self.exchange(link, request).await, spare) {
                (Ok(answer), _) => return Ok(answer),
                (Err(Lost::Unsent(unsent)), _) => request = *unsent,
                (Err(Lost::Unanswered), Some(spare)) => request = spare,
                (Err(Lost::Unanswered), None) => return Err(DeliverError::Broken),
                (Err(Lost::For(error)), _) => return Err(error),
            }
        }
        let io = timeout(self.connect_timeout, place.connect())
            .await
            .map_err(|_| DeliverError::ConnectFailed)?
            .map_err(|_| DeliverError::ConnectFailed)?;
        let (sender, driver) = http1::Builder::new()
            .max_header_size(HEAD_BYTES_MAX)
            .handshake(io)
            .await
            .map_err(|_| DeliverError::ConnectFailed)?;
        let link = Link { sender, driver: Some(Box::pin(driver)), idle_since: Instant::now() };
        self.exchange(link, request).await.map_err(|lost| match lost {
            Lost::Unsent(_) | Lost::Unanswered => DeliverError::Broken,
            Lost::For(error) => error,
        })
    }

    /// One request, one answer; the connection goes (back) to the pool if both are complete.
    async fn exchange(
        &self,
        mut link: Link,
        request: Request<Full<Bytes>>,
    ) -> Result<Answer, Lost> {
        let answer = timeout(self.timeout, link.exchange(request))
            .await
            .map_err(|_| Lost::For(DeliverError::Timeout))?;
        if answer.is_ok() && link.is_usable().await {
            link.idle_since = Instant::now();
            self.idle().push_back(link);
        }
        answer
    }

    /// The connection that was used last, if it is still good.
    async fn pooled(&self) -> Option<Link> {
        loop {
            let mut link = self.idle().pop_back()?;
            if link.idle_since.elapsed() < IDLE_MAX && link.is_usable().await {
                return Some(link);
            }
        }
    }

    /// Closes what has been idle for too long.
    pub(super) fn sweep(&self) {
        let mut idle = self.idle();
        while idle.front().is_some_and(|link| link.idle_since.elapsed() >= IDLE_MAX) {
            idle.pop_front();
        }
    }

    fn idle(&self) -> MutexGuard<'_, VecDeque<Link>> {
        // A panic while it was held can only have lost connections.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What reads and writes on a connection when it is polled; `None` once that has come to its end.
type Driver = Option<Pin<Box<Connection<Io, Full<Bytes>>>>>;

/// One connection.
struct Link {
    sender: SendRequest<Full<Bytes>>,
    driver: Driver,
    idle_since: Instant,
}

impl Link {
    async fn exchange(&mut self, request: Request<Full<Bytes>>) -> Result<Answer, Lost> {
        let sent = self.sender.try_send_request(request);
        let response = drive(&mut self.driver, sent).await.map_err(|mut error| {
            match error.take_message() {
                Some(unsent) => Lost::Unsent(Box::new(unsent)),
                None if error.error().is_parse() => Lost::For(DeliverError::Broken),
                None => Lost::Unanswered,
            }
        })?;
        let (head, body) = framed(response).ok_or(Lost::For(DeliverError::Broken))?.into_parts();
        let body = drive(&mut self.driver, read(body, ANSWER_BYTES_MAX))
            .await
            .map_err(|_| Lost::For(DeliverError::Broken))?;
        if body.cut {
            self.driver = None;
        }
        let content_type = head.headers.get(CONTENT_TYPE).cloned();
        Ok(Answer { status: head.status, content_type, body: body.bytes })
    }

    /// Whether the next request may use it: the last one and its answer are complete, the peer has
    /// not closed, and has not sent anything that nobody asked for.
    async fn is_usable(&mut self) -> bool {
        poll_fn(|cx| {
            advance(&mut self.driver, cx);
            let ready = matches!(self.sender.poll_ready(cx), Poll::Ready(Ok(())));
            Poll::Ready(self.driver.is_some() && ready)
        })
        .await
    }
}

/// Works on the connection until `wanted` has come out of it.
async fn drive<F: Future>(driver: &mut Driver, wanted: F) -> F::Output {
    let mut wanted = pin!(wanted);
    poll_fn(|cx| {
        if let Poll::Ready(output) = wanted.as_mut().poll(cx) {
            return Poll::Ready(output);
        }
        advance(driver, cx);
        wanted.as_mut().poll(cx)
    })
    .await
}

fn advance(driver: &mut Driver, cx: &mut Context<'_>) {
    if driver.as_mut().is_some_and(|driver| driver.as_mut().poll(cx).is_ready()) {
        // Closed, in whatever way. What was still expected from it learns that by the drop.
        *driver = None;
    }
}

/// The answer, if it says in one way only where it ends, and is one.
fn framed(response: Response<Incoming>) -> Option<Response<Incoming>> {
    let headers = response.headers();
    let lengths = headers.get_all(CONTENT_LENGTH).iter().count();
    let codings = headers.get_all(TRANSFER_ENCODING).iter().count();
    (lengths + codings <= 1 && response.status().as_u16() >= 200).then_some(response)
}
