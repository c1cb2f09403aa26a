//! Hands over what was verified. A success here is the upstream's word that it has it.

mod client;
mod place;
mod read;
mod sign;

use std::sync::Arc;

use bytes::Bytes;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, StatusCode};

pub use client::{ANSWER_BYTES_MAX, Answer, Client};
pub use read::read;
pub use sign::Signer;

use crate::config::Target;
use crate::engine::event::Event;
use crate::engine::inbound::UnixSeconds;
use crate::live::Upstream;
use crate::metrics::{Class, Metrics};

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

/// A way to one upstream: shared by routes, kept over reloads that leave the upstream as it was.
pub struct Outlet {
    way: Way,
    signer: Option<Signer>,
}

enum Way {
    Http(Arc<Client>),
    Print,
}

impl Outlet {
    /// The way to `upstream`; that of `before` is kept where it leads to the same place on the
    /// same terms, so that a reload breaks no connection and frees no place under the limit.
    pub fn new(upstream: &Upstream, before: Option<&Self>, metrics: &Metrics) -> Self {
        let way = match &upstream.target {
            Target::Print => Way::Print,
            Target::Http(url) => Way::Http(match before.map(|before| &before.way) {
                Some(Way::Http(client)) if client.serves(url, upstream) => Arc::clone(client),
                Some(Way::Http(_) | Way::Print) | None => {
                    Arc::new(Client::new(url, upstream, metrics.upstream(&upstream.name)))
                }
            }),
        };
        Self { way, signer: upstream.secret.as_ref().map(Signer::new) }
    }

    /// Hands over events in their order, each one counter-signed; stops at the first that the
    /// upstream does not take. Those before it are there already and will come again with the
    /// same ids when the gateway repeats the callback. What the upstream has said to the last.
    pub async fn events(
        &self,
        events: &[Event],
        to: &str,
        now: UnixSeconds,
    ) -> Result<Option<Answer>, DeliverError> {
        match &self.way {
            Way::Print => print(events, now).map(|()| None),
            Way::Http(client) => {
                let signer = self.signer.as_ref().ok_or(DeliverError::NotConfigured)?;
                let mut last = None;
                for event in events {
                    let request = signer.request(&event.id, to, event.to_canonical_json(now), now);
                    let request = request.ok_or(DeliverError::NotConfigured)?;
                    last = Some(delivered(client.send(request, Repeat::Safe).await?)?);
                }
                Ok(last)
            }
        }
    }

    /// Hands over the very bytes that were received. Never repeated by us: nobody knows whether
    /// it may be.
    pub async fn original(&self, original: Original<'_>) -> Result<Answer, DeliverError> {
        match &self.way {
            // Nothing takes requests there; what they say was printed as events.
            Way::Print => {
                Ok(Answer { status: StatusCode::OK, content_type: None, body: Bytes::new() })
            }
            Way::Http(client) => {
                let request = original.into_request().ok_or(DeliverError::NotConfigured)?;
                delivered(client.send(request, Repeat::Never).await?)
            }
        }
    }

    /// Whether events are printed here.
    pub fn prints(&self) -> bool {
        matches!(self.way, Way::Print)
    }

    /// Closes connections that nobody has used for a while.
    pub fn sweep(&self) {
        match &self.way {
            Way::Http(client) => client.sweep(),
            Way::Print => {}
        }
    }
}

/// Whether a request may be sent a second time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Repeat {
    /// The upstream cannot know it from a new one.
    Never,
    /// It carries an idempotency key.
    Safe,
}

/// The one place that says which answers mean that the upstream has it.
fn delivered(answer: Answer) -> Result<Answer, DeliverError> {
    if answer.status.is_success() { Ok(answer) } else { Err(DeliverError::Refused(answer.status)) }
}

/// The class under which an answer is counted.
fn class(result: Result<StatusCode, DeliverError>) -> Option<Class> {
    match result {
        Ok(status) | Err(DeliverError::Refused(status)) => Some(match status.as_u16() {
            200..=299 => Class::Success,
            300..=399 => Class::Redirect,
            400..=499 => Class::ClientError,
            500..=599 => Class::ServerError,
            _ => Class::Broken,
        }),
        Err(DeliverError::Broken) => Some(Class::Broken),
        Err(DeliverError::ConnectFailed) => Some(Class::ConnectFailed),
        Err(DeliverError::Timeout) => Some(Class::Timeout),
        // Nothing was sent.
        Err(DeliverError::Busy | DeliverError::NotConfigured) => None,
    }
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
fn print(events: &[Event], now: UnixSeconds) -> Result<(), DeliverError> {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    for event in events {
        let mut line = event.to_canonical_json(now);
        line.push(b'\n');
        out.write_all(&line).map_err(|_| DeliverError::Broken)?;
    }
    out.flush().map_err(|_| DeliverError::Broken)
}

fn value(text: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(text).ok()
}

#[cfg(test)]
mod tests;
