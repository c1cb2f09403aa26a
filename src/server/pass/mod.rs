//! One request that passes through, one straight line: part of the site, client, limits, headers,
//! upstream, answer. Nothing of it is judged, and nothing buffered.

mod headers;
mod path;
mod site;
mod tunnel;
mod upload;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use hyper::body::{Body as _, Frame, Incoming, SizeHint};
use hyper::header::{CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderValue, UPGRADE};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode, Uri, Version, upgrade};

use self::headers::Said;
pub(super) use self::site::{Passage, Passages};
use self::upload::{Fault, Pace, Upload};
use super::record::Limiter;
use super::refusal::Refusal;
use super::sender::Sender;
use super::{Body, respond};
use crate::config::{self, Limits};
use crate::metrics::{Passed, ProxyMetrics};
use crate::upstream::{AnswerBody, Deadlines, Ends, Error, Outgoing, Repeat, Terms};

/// The protocol that a client may go over to.
const WEBSOCKET: HeaderValue = HeaderValue::from_static("websocket");

/// Always an answer: what goes wrong is one too.
pub(super) async fn answer(
    passage: &Passage,
    sender: &Sender<'_>,
    limits: &Limits,
    limiter: &Limiter,
    request: Request<Incoming>,
) -> Response<Body> {
    let begun = Instant::now();
    match pass(passage, sender, limits, request).await {
        Ok(response) => {
            passage.metrics.passed(Passed::of(response.status().as_u16()), begun.elapsed());
            response
        }
        Err(refusal) => {
            passage.metrics.refused(refusal.as_str());
            let response = respond::refused(refusal, None);
            let name = &passage.proxy.config.name;
            if limiter.admit(name, refusal.as_str(), begun) {
                tracing::warn!(
                    target: "countersign::proxy",
                    proxy = name,
                    reason = refusal.as_str(),
                    status = response.status().as_u16(),
                    peer = %sender.known(),
                    "request not passed"
                );
            }
            response
        }
    }
}

async fn pass(
    passage: &Passage,
    sender: &Sender<'_>,
    limits: &Limits,
    mut request: Request<Incoming>,
) -> Result<Response<Body>, Refusal> {
    let config = &passage.proxy.config;
    sender.may_call(config.allow.as_deref(), passage.meter.as_deref(), Instant::now())?;
    if declared_length(request.headers()).is_some_and(|length| length > config.body_bytes_max) {
        return Err(Refusal::TooLarge);
    }
    let goes_over = config.upgrade == config::Upgrade::WebSocket
        && sender.caller.can_go_over()
        && wants_websocket(&request);
    let over = goes_over.then(|| upgrade::on(&mut request));
    let is_head = request.method() == Method::HEAD;
    let fault = Fault::default();
    let pace = Pace { window: limits.body_timeout, bytes_min: limits.bytes_min() };
    let (mut head, body) = request.into_parts();
    onward(&mut head, sender, goes_over)?;
    let body = if body.is_end_stream() {
        Outgoing::from(Bytes::new())
    } else {
        let (bytes_max, metrics) = (config.body_bytes_max, passage.metrics.clone());
        Outgoing::streaming(Upload::new(body, bytes_max, pace, Arc::clone(&fault), metrics))
    };
    let request = Request::from_parts(head, body);
    let terms = terms(passage, sender);
    let answer = passage.pool.send(request, terms).await.map_err(|error| refusal(error, &fault))?;
    let (mut head, body) = answer.into_parts();
    let length = head.headers.get(CONTENT_LENGTH).cloned();
    let protocol = head.headers.get(UPGRADE).cloned();
    headers::to_client(&mut head.headers);
    if head.status == StatusCode::SWITCHING_PROTOCOLS {
        let is_asked = protocol.is_some_and(|found| is_websocket(&found));
        let over = over.filter(|_| is_asked).ok_or(Refusal::UpstreamBroken)?;
        let tunnel = body.into_tunnel().ok_or(Refusal::UpstreamBroken)?;
        head.headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        head.headers.insert(UPGRADE, WEBSOCKET);
        let open = passage.metrics.tunnel_opened();
        sender.caller.go_over(Box::pin(tunnel::join(over, tunnel, config.idle_timeout, open)));
        return Ok(Response::from_parts(head, Body::from(Bytes::new())));
    }
    // Here only the header knows how long the body would be (RFC 9110 §8.6).
    if let Some(length) = length.filter(|_| is_head) {
        head.headers.insert(CONTENT_LENGTH, length);
    }
    head.version = Version::HTTP_11;
    let metrics = passage.metrics.clone();
    let body = Body::Streaming(Box::pin(Download { body, bytes: 0, metrics }));
    Ok(Response::from_parts(head, body))
}

/// The head as it goes on: path and query byte for byte, framing and forwarding written anew.
fn onward(head: &mut Parts, sender: &Sender<'_>, goes_over: bool) -> Result<(), Refusal> {
    let host = head.headers.get(HOST).cloned().or_else(|| {
        let authority = head.uri.authority()?;
        HeaderValue::from_str(authority.as_str()).ok()
    });
    let said = Said {
        peer: sender.peer(),
        client: sender.known(),
        is_trusted: sender.is_trusted,
        is_encrypted: sender.caller.is_encrypted(),
        host: host.as_ref(),
    };
    headers::to_upstream(&mut head.headers, said);
    if goes_over {
        head.headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        head.headers.insert(UPGRADE, WEBSOCKET);
    }
    if head.uri.authority().is_some() {
        let target = head.uri.path_and_query().cloned().ok_or(Refusal::BadHttp)?;
        head.uri = Uri::from(target);
    }
    head.version = Version::HTTP_11;
    // What hyper keeps there is for the connection that it came over.
    head.extensions.clear();
    Ok(())
}

fn terms(passage: &Passage, sender: &Sender<'_>) -> Terms {
    let idle = Some(passage.proxy.config.idle_timeout);
    Terms {
        // Nobody but the client knows what may be repeated.
        repeat: Repeat::Never,
        deadlines: Deadlines { whole: None, head: idle, idle },
        client: Some(Ends { source: sender.caller.peer, destination: sender.caller.local }),
    }
}

/// What the sender's body was, if that is what it was, else the upstream's failure.
fn refusal(error: Error, fault: &Fault) -> Refusal {
    match error {
        Error::RequestBody => fault.get().copied().unwrap_or(Refusal::BodyTimeout),
        Error::Broken | Error::Unanswered | Error::Unsent => Refusal::UpstreamBroken,
        Error::Busy => Refusal::Busy,
        Error::ConnectFailed => Refusal::UpstreamDown,
        Error::NotConfigured => Refusal::NotReady,
        Error::Timeout => Refusal::UpstreamTimeout,
    }
}

fn declared_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// RFC 6455 §4.1. The filter has seen to it that there is no body.
fn wants_websocket(request: &Request<Incoming>) -> bool {
    let mut protocols = request.headers().get_all(UPGRADE).iter();
    let is_one = protocols.next().is_some_and(is_websocket) && protocols.next().is_none();
    let is_option = |value: &HeaderValue| {
        let mut options = value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        options.any(|option| option.eq_ignore_ascii_case(b"upgrade"))
    };
    is_one
        && request.method() == Method::GET
        && request.headers().get_all(CONNECTION).iter().any(is_option)
}

fn is_websocket(value: &HeaderValue) -> bool {
    value.as_bytes().eq_ignore_ascii_case(b"websocket")
}

/// The answer's body on its way back, counted.
struct Download {
    body: AnswerBody,
    bytes: u64,
    metrics: ProxyMetrics,
}

impl hyper::body::Body for Download {
    type Data = Bytes;
    type Error = super::BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &frame {
            self.bytes += frame.data_ref().map_or(0, Bytes::len) as u64;
        }
        frame.map(|frame| frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Download {
    fn drop(&mut self) {
        self.metrics.sent(self.bytes);
    }
}
