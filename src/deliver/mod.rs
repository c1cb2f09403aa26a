//! Hands over what was verified. A success here is the upstream's word that it has it.

mod answer;
mod backoff;
mod deposit;
mod errands;
mod handover;
mod outbox;
mod read;
mod sign;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, StatusCode};

pub use answer::{ANSWER_BYTES_MAX, Answer};
pub use deposit::Accepted;
pub use errands::Errands;
pub use handover::{Handed, HandoverError, send};
pub use outbox::{Clocks, Outbox};
pub use read::read;
pub use sign::Signer;

use crate::config::Target;
use crate::engine::inbound::UnixSeconds;
use crate::live::Upstream;
use crate::metrics::Metrics;
use crate::store::{Form, Message};
use crate::upstream::{self, Pool, Repeat};
use backoff::Health;

/// Why the upstream does not have it, as far as we know.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DeliverError {
    /// What came back is not an answer.
    Broken,
    /// As many requests as are allowed are under way.
    Busy,
    /// No connection.
    ConnectFailed,
    /// This upstream cannot take what the route sends: no secret to sign with, or nothing that a
    /// request could be sent to.
    NotConfigured,
    /// It answered, but not with 2xx.
    Refused(StatusCode),
    /// No answer in time.
    Timeout,
}

impl From<upstream::Error> for DeliverError {
    fn from(error: upstream::Error) -> Self {
        use upstream::Error;
        match error {
            // What is delivered is at hand whole: its body cannot break.
            Error::Broken | Error::RequestBody | Error::Unanswered | Error::Unsent => Self::Broken,
            Error::Busy => Self::Busy,
            Error::ConnectFailed => Self::ConnectFailed,
            Error::NotConfigured => Self::NotConfigured,
            Error::Timeout => Self::Timeout,
        }
    }
}

impl DeliverError {
    /// The word in listings and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Broken => "upstream_broken",
            Self::Busy => "busy",
            Self::ConnectFailed => "upstream_down",
            Self::NotConfigured => "not_configured",
            Self::Refused(_) => "upstream_refused",
            Self::Timeout => "upstream_timeout",
        }
    }

    /// Whether the upstream as a whole is unwell, not this message alone.
    fn is_of_the_upstream(self) -> bool {
        match self {
            Self::Broken | Self::ConnectFailed | Self::Timeout => true,
            Self::Refused(status) => matches!(status.as_u16(), 502..=504),
            Self::Busy | Self::NotConfigured => false,
        }
    }

    /// Whether it may pass by itself. A redirect or a 4xx is the upstream's verdict.
    fn is_passing(self) -> bool {
        match self {
            Self::Broken | Self::Busy | Self::ConnectFailed | Self::Timeout => true,
            Self::Refused(status) => {
                status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429)
            }
            Self::NotConfigured => false,
        }
    }
}

/// A way to one upstream: shared by routes, kept over reloads that leave the upstream as it was.
pub struct Outlet {
    upstream: Arc<Upstream>,
    way: Way,
    signer: Option<Signer>,
    /// Kept as long as the way is.
    health: Arc<Mutex<Health>>,
}

enum Way {
    Http(Arc<Pool>),
    Print,
}

impl Outlet {
    /// The way to `upstream`; that of `before` is kept where it leads to the same place on the
    /// same terms, so that a reload breaks no connection and frees no place under the limit.
    pub fn new(upstream: &Arc<Upstream>, before: Option<&Self>, metrics: &Metrics) -> Self {
        let mut health = None;
        let way = match &upstream.target {
            Target::Print => Way::Print,
            Target::Http(url) => Way::Http(match before.map(|before| (&before.way, before)) {
                Some((Way::Http(pool), before)) if pool.serves(url, upstream) => {
                    health = Some(Arc::clone(&before.health));
                    Arc::clone(pool)
                }
                Some((Way::Http(_) | Way::Print, _)) | None => {
                    Arc::new(Pool::new(url, upstream, metrics.upstream(&upstream.name)))
                }
            }),
        };
        Self {
            upstream: Arc::clone(upstream),
            way,
            signer: upstream.secret.as_ref().map(Signer::new),
            health: health.unwrap_or_default(),
        }
    }

    /// Whom it leads to.
    pub fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    /// Hands over one message, a canonical event counter-signed: what the upstream has said to it.
    /// `None`: nobody is there who says anything.
    pub async fn send(
        &self,
        id: &str,
        message: &Message,
        now: UnixSeconds,
    ) -> Result<Option<Answer>, DeliverError> {
        let Way::Http(pool) = &self.way else { return print(&message.body).map(|()| None) };
        let (request, repeat) = match &message.form {
            Form::Canonical => {
                let signer = self.signer.as_ref().ok_or(DeliverError::NotConfigured)?;
                (signer.request(id, &message.to, message.body.clone(), now), Repeat::Safe)
            }
            // Nobody knows whether it may be repeated.
            Form::Original { method, headers } => {
                (kept_original(message, method, headers), Repeat::Never)
            }
        };
        let request = request.ok_or(DeliverError::NotConfigured)?;
        delivered(self.ask(pool, request, repeat).await?).map(Some)
    }

    /// Hands over the very bytes that were received, whatever the verdict on them. Never repeated by
    /// us: nobody knows whether it may be.
    pub async fn original(&self, original: Original<'_>) -> Result<Answer, DeliverError> {
        match &self.way {
            // Nothing takes requests there; what they say was printed as events.
            Way::Print => {
                Ok(Answer { status: StatusCode::OK, content_type: None, body: Bytes::new() })
            }
            Way::Http(pool) => {
                let request = original.into_request().ok_or(DeliverError::NotConfigured)?;
                delivered(self.ask(pool, request, Repeat::Never).await?)
            }
        }
    }

    async fn ask(
        &self,
        pool: &Arc<Pool>,
        request: Request<Bytes>,
        repeat: Repeat,
    ) -> Result<Answer, DeliverError> {
        answer::ask(pool, request, repeat, self.upstream.timeout).await
    }

    /// The connections to it; `None`: events are printed here.
    pub fn pool(&self) -> Option<&Arc<Pool>> {
        match &self.way {
            Way::Http(pool) => Some(pool),
            Way::Print => None,
        }
    }

    /// Whether events are printed here.
    pub fn prints(&self) -> bool {
        matches!(self.way, Way::Print)
    }

    /// How the upstream has been lately.
    fn health(&self) -> Health {
        *self.lock()
    }

    /// Remembers how sending to the upstream went.
    fn note<T>(&self, result: &Result<T, DeliverError>, now: UnixSeconds) {
        match result {
            Err(error) if error.is_of_the_upstream() => self.lock().failed(now),
            // Nothing was sent.
            Err(DeliverError::Busy | DeliverError::NotConfigured) => {}
            Ok(_) | Err(_) => self.lock().answered(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Health> {
        // A panic while it was held can only have lost a count.
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes connections that nobody has used for a while.
    pub fn sweep(&self) {
        match &self.way {
            Way::Http(pool) => pool.sweep(),
            Way::Print => {}
        }
    }
}

/// An original as it was kept.
fn kept_original(
    message: &Message,
    method: &str,
    headers: &[(String, Vec<u8>)],
) -> Option<Request<Bytes>> {
    let mut request = Request::builder().method(method).uri(&message.to);
    let into = request.headers_mut()?;
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        into.append(name, HeaderValue::from_bytes(value).ok()?);
    }
    request.body(message.body.clone()).ok()
}

/// The one place that says which answers mean that the upstream has it.
fn delivered(answer: Answer) -> Result<Answer, DeliverError> {
    if answer.status.is_success() { Ok(answer) } else { Err(DeliverError::Refused(answer.status)) }
}

/// What was received, to be sent on as it came.
pub struct Original<'a> {
    /// The method of the request.
    pub method: &'a Method,
    /// Path and query at the upstream.
    pub target: &'a str,
    /// The headers of the request.
    pub headers: &'a HeaderMap,
    /// Names of those that go with it, beside `content-type`.
    pub allowed: &'a [HeaderName],
    /// The body.
    pub body: Bytes,
}

impl Original<'_> {
    fn into_request(self) -> Option<Request<Bytes>> {
        let mut request = Request::builder().method(self.method).uri(self.target);
        let headers = request.headers_mut()?;
        for name in std::iter::once(&header::CONTENT_TYPE).chain(self.allowed) {
            for value in self.headers.get_all(name) {
                headers.append(name.clone(), value.clone());
            }
        }
        request.body(self.body).ok()
    }
}

/// The headers of an allow-list that may be passed on at all: ours and those that make the framing
/// are ours to write.
pub fn allowed(names: &[String]) -> Vec<HeaderName> {
    const FRAMING: [HeaderName; 11] = [
        header::CONNECTION,
        header::CONTENT_ENCODING,
        header::CONTENT_LENGTH,
        header::CONTENT_TYPE,
        header::EXPECT,
        header::HOST,
        header::PROXY_AUTHORIZATION,
        header::TE,
        header::TRAILER,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
    ];
    names
        .iter()
        .filter(|name| {
            !["webhook-", "x-countersign-", "idempotency-key", "keep-alive", "proxy-"]
                .iter()
                .any(|ours| name.starts_with(ours))
        })
        .filter_map(|name| HeaderName::from_bytes(name.as_bytes()).ok())
        .filter(|name| !FRAMING.contains(name))
        .collect()
}

/// One event a line on standard output: the only place that writes there.
fn print(event: &[u8]) -> Result<(), DeliverError> {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    let line = [event, b"\n"].concat();
    out.write_all(&line).and_then(|()| out.flush()).map_err(|_| DeliverError::Broken)
}

fn value(text: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(text).ok()
}

#[cfg(test)]
mod tests;
