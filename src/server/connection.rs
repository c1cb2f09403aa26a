//! One connection: what stands between the socket and hyper, and how long it lives.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::caller::Caller;
use super::head::{Bad, Filtered, HeadLimits, Refused, is_mark};
use super::stall::Stalling;
use super::tls::{Protocol, Tls};
use super::{Listening, Phase, Service};

/// Room that hyper's parser needs at least.
const BUFFER_BYTES_MIN: usize = 8 * 1024;

impl Listening {
    /// Serves it until its end.
    pub(super) async fn connection(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        tls: Option<&Tls>,
        service: Arc<impl Service>,
    ) {
        // Answers are one small write each; a failure to say so costs time only.
        drop(stream.set_nodelay(true));
        // Below TLS: what matters is what the peer takes, not what is enciphered for it.
        let stream = Stalling::new(stream, self.limits.body_timeout);
        let Some(tls) = tls else {
            return self.http1(stream, Caller { peer, tls: None }, &*service).await;
        };
        let mut phase = self.phase.clone();
        let secured = tokio::select! {
            secured = tls.handshake(stream, self.limits.handshake_timeout, &self.metrics) => secured,
            _ = phase.wait_for(|phase| *phase == Phase::Over) => return,
        };
        let Some((stream, session)) = secured else { return };
        let protocol = session.protocol;
        let caller = Caller { peer, tls: Some(session) };
        match protocol {
            Protocol::Http1 => self.http1(stream, caller, &*service).await,
            Protocol::Http2 => self.http2(stream, caller, service).await,
        }
    }

    /// Over whatever carries it.
    async fn http1<S>(&self, stream: S, caller: Caller, service: &impl Service)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let limits = &self.limits;
        let head = HeadLimits { bytes_max: limits.header_bytes_max, lines_max: limits.headers_max };
        let refused = Refused::default();
        let io = TokioIo::new(Filtered::new(stream, head, Arc::clone(&refused)));
        let answer = service_fn(|request: Request<Incoming>| {
            let bad = refused.get().filter(|_| is_mark(request.uri().path()));
            let caller = &caller;
            async move {
                Ok::<_, std::convert::Infallible>(match bad {
                    Some(&bad) => service.refuse(caller, bad),
                    None => service.answer(caller, request).await,
                })
            }
        });
        let mut connection = pin!(
            http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(limits.header_timeout)
                .max_headers(limits.headers_max)
                .max_header_size(limits.header_bytes_max)
                .max_buf_size(limits.header_bytes_max.max(BUFFER_BYTES_MIN))
                .half_close(false)
                .serve_connection(io, answer)
        );
        let mut phase = self.phase.clone();
        let result = loop {
            let now = *phase.borrow_and_update();
            match now {
                Phase::Serving => {}
                Phase::Draining => connection.as_mut().graceful_shutdown(),
                Phase::Over => return,
            }
            tokio::select! {
                result = connection.as_mut() => break result,
                changed = phase.changed() => if changed.is_err() { return },
            }
        };
        if result.is_err_and(|error| error.is_parse()) {
            // What hyper refuses, the filter has refused before it; a test and a fuzzer say so.
            // Should that ever be wrong, it is counted; hyper has answered.
            drop(service.refuse(&caller, Bad::Target));
        }
    }
}
