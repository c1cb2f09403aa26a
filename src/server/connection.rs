//! One connection: what stands between the socket and hyper, and how long it lives.

use std::convert::Infallible;
use std::error::Error as _;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue, UPGRADE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::caller::Caller;
use super::head::{Bad, Filtered, HeadLimits, is_mark};
use super::proxy_protocol::{self, Said};
use super::stall::Stalling;
use super::switch::{Switch, Tunnel};
use super::tls::{Protocol, Tls};
use super::{Listening, Manner, Phase, Service};
use crate::metrics::{Crowd, Ending};

/// What the system keeps of an answer that it has not sent. Else it keeps megabytes for each peer that
/// hardly reads, and we fetch them from the upstream for it.
const UNSENT_BYTES_MAX: u32 = 128 * 1024;

/// Room that hyper's parser needs at least.
const BUFFER_BYTES_MIN: usize = 8 * 1024;

/// How long a connection may still bring a request when the drain begins. It may be on its way
/// already, and a connection that is closed then answers it with a reset.
const LAST_REQUEST: Duration = Duration::from_secs(1);

impl Listening {
    /// Serves it until its end.
    pub(super) async fn connection(
        &self,
        mut stream: TcpStream,
        mut caller: Caller,
        manner: &Manner,
        service: Arc<impl Service>,
    ) {
        // Answers are one small write each; a failure to say so costs time only.
        drop(stream.set_nodelay(true));
        drop(SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT_BYTES_MAX));
        let limits = &self.limits;
        let connections = self.metrics.connections();
        if manner.proxy_protocol {
            let said = async {
                let is_trusted = service.is_trusted(caller.peer.ip());
                if is_trusted { proxy_protocol::read(&mut stream).await } else { None }
            };
            match Box::pin(timeout(limits.header_timeout, said)).await {
                Ok(Some(Said::For { source, destination })) => {
                    (caller.peer, caller.local) = (source, destination);
                }
                Ok(Some(Said::Itself)) => {}
                Ok(None) | Err(_) => return connections.refused(Crowd::ProxyProtocol),
            }
        }
        let peer = caller.peer.ip();
        let own = self.addresses.take(peer, limits.connections_per_address_max);
        // A trusted proxy brings the connections of many.
        if own.is_none() && !service.is_trusted(peer) {
            return connections.refused(Crowd::Address);
        }
        // Below TLS: what matters is what the peer takes, not what is enciphered for it.
        let stream = Stalling::new(stream, limits.body_timeout, limits.bytes_min());
        match &manner.tls {
            None => self.http1(stream, caller, &*service).await,
            // Boxed, as the reading of what a proxy says: a connection in the clear keeps no room
            // for them.
            Some(tls) => Box::pin(self.secured(stream, caller, tls, service)).await,
        }
    }

    /// Over TLS.
    async fn secured(
        &self,
        stream: Stalling<TcpStream>,
        caller: Caller,
        tls: &Tls,
        service: Arc<impl Service>,
    ) {
        let mut phase = self.phase.clone();
        let limit = self.limits.handshake_timeout;
        let secured = tokio::select! {
            secured = tls.handshake(stream, limit, &self.metrics) => secured,
            _ = phase.wait_for(|phase| *phase == Phase::Over) => return,
        };
        let Some((stream, session)) = secured else { return };
        let protocol = session.protocol;
        let caller = caller.over_tls(session);
        match protocol {
            Protocol::Http1 => self.http1(stream, caller, &*service).await,
            Protocol::Http2 => self.http2(stream, caller, service).await,
        }
    }

    /// Over whatever carries it.
    async fn http1<S>(&self, stream: S, caller: Caller, service: &impl Service)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let limits = &self.limits;
        let switch = Arc::<Switch>::default();
        let caller = caller.with(&switch);
        let head = HeadLimits { bytes_max: limits.header_bytes_max, lines_max: limits.headers_max };
        let stream = Filtered::new(stream, head, limits.header_timeout, Arc::clone(&switch));
        let served = AtomicUsize::new(0);
        let answer = service_fn(|request: Request<Incoming>| {
            let bad = switch.refused().filter(|_| is_mark(request.uri().path()));
            let is_upgrade = request.headers().contains_key(UPGRADE);
            let (caller, served) = (&caller, &served);
            async move {
                let mut response = match bad {
                    Some(bad) => service.refuse(caller, bad),
                    // Boxed: hyper keeps room for it as long as the connection lives, and most of
                    // that time a connection waits.
                    None => Box::pin(service.answer(caller, request)).await,
                };
                let nth = served.fetch_add(1, Relaxed) + 1;
                let is_over = response.status() == StatusCode::SWITCHING_PROTOCOLS;
                // Behind what asked for another protocol, and did not get it, nothing is read.
                let is_last = nth >= limits.requests_per_connection_max
                    || is_upgrade
                    || *self.phase.borrow() != Phase::Serving;
                if is_last && !is_over {
                    let close = HeaderValue::from_static("close");
                    response.headers_mut().insert(CONNECTION, close);
                }
                Ok::<_, Infallible>(response)
            }
        });
        let mut connection = pin!(
            http1::Builder::new()
                .timer(TokioTimer::new())
                // Of the head alone the filter keeps the time.
                .header_read_timeout(limits.idle_timeout.max(limits.header_timeout))
                .max_headers(limits.headers_max)
                .max_header_size(limits.header_bytes_max)
                .max_buf_size(limits.header_bytes_max.max(BUFFER_BYTES_MIN))
                .half_close(false)
                .serve_connection(TokioIo::new(stream), answer)
                .with_upgrades()
        );
        let mut phase = self.phase.clone();
        let mut last_request = pin!(sleep(Duration::ZERO));
        let mut waiting = false;
        let result = loop {
            let now = *phase.borrow_and_update();
            match now {
                Phase::Serving => {}
                Phase::Draining if !waiting => {
                    last_request.set(sleep(LAST_REQUEST.min(limits.drain_timeout / 2)));
                    waiting = true;
                }
                Phase::Draining => connection.as_mut().graceful_shutdown(),
                Phase::Over => return,
            }
            tokio::select! {
                result = connection.as_mut() => break result,
                changed = phase.changed() => if changed.is_err() { return },
                () = last_request.as_mut(), if waiting && !last_request.is_elapsed() => {}
            }
        };
        let served = served.load(Relaxed);
        match result {
            // Not even that it was late was told to anybody.
            _ if served == 0 && switch.refused() == Some(Bad::TooSlow) => {
                self.metrics.connections().ended(Ending::Silent);
            }
            Ok(()) if served >= limits.requests_per_connection_max => {
                self.metrics.connections().ended(Ending::Requests);
            }
            Ok(()) => {}
            Err(error) => self.failed(&error, &caller, service),
        }
        if let Some(tunnel) = switch.take() {
            self.tunnel(tunnel).await;
        }
    }

    /// Counts why a connection has ended that did not end well.
    fn failed(&self, error: &hyper::Error, caller: &Caller, service: &impl Service) {
        let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
        if error.is_timeout() {
            self.metrics.connections().ended(Ending::Idle);
        } else if cause.is_some_and(|cause| cause.kind() == io::ErrorKind::TimedOut) {
            self.metrics.connections().ended(Ending::SlowReader);
        } else if error.is_parse() {
            // What hyper refuses, the filter has refused before it; a test and a fuzzer say so.
            // Should that ever be wrong, it is counted; hyper has answered.
            drop(service.refuse(caller, Bad::Target));
        }
    }

    /// Another protocol, to its end or ours.
    async fn tunnel(&self, tunnel: Tunnel) {
        let mut phase = self.phase.clone();
        tokio::select! {
            () = tunnel => {}
            // Whether the phase is over or nobody sets it any more.
            _ = phase.wait_for(|phase| *phase == Phase::Over) => {}
        }
    }
}
