//! One connection: what stands between the socket and hyper, and how long it lives.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::caller::Caller;
use super::head::{Bad, Filtered, HeadLimits, Refused, is_mark};
use super::stall::Stalling;
use super::{Listening, Phase, Service};

/// Room that hyper's parser needs at least.
const BUFFER_BYTES_MIN: usize = 8 * 1024;

/// How long a connection may still bring a request when the drain begins. It may be on its way
/// already, and a connection that is closed then answers it with a reset.
const LAST_REQUEST: Duration = Duration::from_secs(1);

impl Listening {
    /// Serves it until its end.
    pub(super) async fn connection(
        &self,
        stream: TcpStream,
        caller: Caller,
        service: &impl Service,
    ) {
        // Answers are one small write each; a failure to say so costs time only.
        drop(stream.set_nodelay(true));
        self.http1(stream, caller, service).await;
    }

    /// Over whatever carries it.
    async fn http1<S>(&self, stream: S, caller: Caller, service: &impl Service)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let limits = &self.limits;
        let head = HeadLimits { bytes_max: limits.header_bytes_max, lines_max: limits.headers_max };
        let refused = Refused::default();
        let stream = Stalling::new(stream, limits.body_timeout);
        let io = TokioIo::new(Filtered::new(stream, head, Arc::clone(&refused)));
        let answer = service_fn(|request: Request<Incoming>| {
            let bad = refused.get().filter(|_| is_mark(request.uri().path()));
            let caller = &caller;
            async move {
                let mut response = match bad {
                    Some(&bad) => service.refuse(caller, bad),
                    None => service.answer(caller, request).await,
                };
                if *self.phase.borrow() != Phase::Serving {
                    let close = HeaderValue::from_static("close");
                    response.headers_mut().insert(CONNECTION, close);
                }
                Ok::<_, std::convert::Infallible>(response)
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
        if result.is_err_and(|error| error.is_parse()) {
            // What hyper refuses, the filter has refused before it; a test and a fuzzer say so.
            // Should that ever be wrong, it is counted; hyper has answered.
            drop(service.refuse(&caller, Bad::Target));
        }
    }
}
