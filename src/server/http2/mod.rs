//! HTTP/2, for clients that choose it by ALPN: hyper's own server, bounded where it takes a bound and
//! watched where it takes none. What a request comes to is decided by the same service, along the
//! same line, as over HTTP/1.1.

mod frames;
mod streams;
mod watch;
mod watched;

use std::convert::Infallible;
use std::error::Error as _;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use hyper::Request;
use hyper::body::Incoming;
use hyper::header::CONNECTION;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::sleep;

use self::streams::Streams;
use self::watch::{Bounds, Over, Watch};
use self::watched::{Shared, Watched};
use super::caller::Caller;
use super::head::{Bad, HeadLimits, vet};
use super::{Listening, Phase, Service};
use crate::config::Limits;
use crate::metrics::Http2End;

/// Bytes of one request's body that may come before they are wanted.
const STREAM_WINDOW_BYTES: u32 = 256 * 1024;

/// The same of all requests of a connection.
const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;

/// Bytes of one answer that wait for the peer.
const SEND_BYTES_MAX: usize = 64 * 1024;

/// What h2 counts for a header beside its name and value (RFC 9113 §6.5.2).
const HEADER_OVERHEAD_BYTES: usize = 32;

impl Listening {
    /// Serves a connection until its end.
    pub(super) async fn http2<S>(&self, stream: S, caller: Caller, service: Arc<impl Service>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let limits = &self.limits;
        let head = HeadLimits { bytes_max: limits.header_bytes_max, lines_max: limits.headers_max };
        let bounds = Bounds {
            http2: limits.http2.clone(),
            head: limits.header_timeout,
            write: limits.body_timeout,
        };
        let (begun, age_max) = (Instant::now(), limits.http2.age_max);
        let watch = Watch::new(bounds, begun);
        let (pace, shared) = (watch.pace(), Shared::new(watch));
        let io = TokioIo::new(Watched::new(stream, shared.clone()));
        let (caller, requests) = (Arc::new(caller), Arc::clone(&self.requests));
        let answer = service_fn(move |mut request: Request<Incoming>| {
            let (service, caller) = (Arc::clone(&service), Arc::clone(&caller));
            let requests = Arc::clone(&requests);
            async move {
                let place = requests.try_acquire();
                let vetted = vet(&mut request, head);
                let vetted = vetted.and(place.as_ref().map_err(|_| Bad::TooMany).map(drop));
                let mut response = match vetted {
                    Ok(()) => service.answer(&caller, request).await,
                    Err(bad) => service.refuse(&caller, bad),
                };
                // Over HTTP/1.1 it ends the connection; here each request stands for itself.
                response.headers_mut().remove(CONNECTION);
                Ok::<_, Infallible>(response)
            }
        });
        let streams = Streams::default();
        let mut connection = pin!(builder(limits, streams).serve_connection(io, answer));
        let mut phase = self.phase.clone();
        let mut leaving: Option<Http2End> = None;
        let end = loop {
            let now = *phase.borrow_and_update();
            match now {
                Phase::Serving => {}
                Phase::Draining => connection.as_mut().graceful_shutdown(),
                Phase::Over => break Http2End::CutOff,
            }
            tokio::select! {
                result = connection.as_mut() => break match (shared.over(), result) {
                    (Some(over), _) => end_of(over),
                    (None, Ok(())) => leaving.unwrap_or(Http2End::Done),
                    (None, Err(error)) => ended(&error),
                },
                changed = phase.changed() => if changed.is_err() { break Http2End::CutOff },
                () = sleep(pace) => {}
            }
            self.count(&shared);
            let looked = shared.lock().0.look(Instant::now());
            match looked {
                Ok(()) if leaving.is_none() && begun.elapsed() >= age_max => {
                    leaving = Some(Http2End::Age);
                    connection.as_mut().graceful_shutdown();
                }
                Ok(()) => {}
                Err(Over::Idle) if leaving.is_none() => {
                    leaving = Some(Http2End::Idle);
                    connection.as_mut().graceful_shutdown();
                }
                // Told to go, it has not gone.
                Err(over) => break end_of(over),
            }
        };
        self.count(&shared);
        self.metrics.tls().http2().ended(end);
    }

    fn count(&self, shared: &Shared) {
        let told = shared.lock().0.told();
        self.metrics.tls().http2().reset(told.reset_by_peer, told.reset_by_us, told.refused);
    }
}

fn builder(limits: &Limits, streams: Streams) -> http2::Builder<Streams> {
    let bounds = &limits.http2;
    // What is larger, but not much, is refused like over HTTP/1.1, and counted.
    let overhead = HEADER_OVERHEAD_BYTES.saturating_mul(limits.headers_max.saturating_add(8));
    let list = limits.header_bytes_max.saturating_add(overhead);
    let resets = usize::try_from(bounds.resets_max).unwrap_or(usize::MAX);
    let mut builder = http2::Builder::new(streams);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(bounds.streams_max)
        .max_header_list_size(u32::try_from(list).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(resets)
        .max_local_error_reset_streams(resets)
        .keep_alive_interval(bounds.ping_interval)
        .keep_alive_timeout(bounds.ping_timeout)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_send_buf_size(SEND_BYTES_MAX);
    builder
}

fn end_of(over: Over) -> Http2End {
    match over {
        Over::HeadTimeout => Http2End::HeadTimeout,
        Over::Idle => Http2End::Idle,
        Over::IdleFrames => Http2End::IdleFrames,
        Over::Resets => Http2End::Resets,
        Over::Stalled => Http2End::Stalled,
    }
}

/// What hyper has ended it for.
fn ended(error: &hyper::Error) -> Http2End {
    if error.is_timeout() {
        return Http2End::PingTimeout;
    }
    let source = error.source();
    let io = source.and_then(|source| source.downcast_ref::<io::Error>());
    if io.is_some_and(|error| error.kind() == io::ErrorKind::TimedOut) {
        // It reads nothing at all.
        return Http2End::Stalled;
    }
    match source.and_then(|source| source.downcast_ref::<h2::Error>()) {
        Some(error) if error.is_library() || error.is_go_away() && !error.is_remote() => {
            match error.reason() {
                Some(h2::Reason::ENHANCE_YOUR_CALM) => Http2End::Calm,
                Some(_) | None => Http2End::Protocol,
            }
        }
        Some(_) | None => Http2End::Closed,
    }
}
