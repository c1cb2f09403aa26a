//! Listeners: they accept, limit and drain connections. What a request comes to is decided by the
//! [`Service`] that they are given; for callbacks that is [`Ingress`].

pub mod head;
mod ingress;
mod linger;
mod record;
mod refusal;
mod respond;
mod stall;
mod vet;
mod wiring;

use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

pub use ingress::{Ingress, Keeping};
pub use refusal::Refusal;
pub use respond::refusal;

use crate::config::Limits;
use crate::metrics::Metrics;
use head::{Bad, Filtered, HeadLimits, Refused, is_mark};
use stall::Stalling;

/// What answers requests.
pub trait Service: Send + Sync + 'static {
    /// Always an answer: what goes wrong is one too.
    fn answer(
        &self,
        peer: SocketAddr,
        request: Request<Incoming>,
    ) -> impl Future<Output = Response<Full<Bytes>>> + Send;

    /// The answer to what was sent instead of a request that can be read in one way.
    fn refuse(&self, _peer: SocketAddr, bad: Bad) -> Response<Full<Bytes>> {
        respond::refused(bad.refusal(), None)
    }
}

/// Where the daemon is in its life. Only ever moves forward.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Phase {
    /// Everything is answered.
    Serving,
    /// Nothing new is accepted; what was begun is finished.
    Draining,
    /// What is still not finished is cut off.
    Over,
}

/// What all listeners of one kind share.
pub struct Listening {
    limits: Limits,
    places: Arc<Semaphore>,
    metrics: Arc<Metrics>,
    phase: watch::Receiver<Phase>,
}

/// Room that hyper's parser needs at least.
const BUFFER_BYTES_MIN: usize = 8 * 1024;

/// How long to wait when the system has no descriptor for another connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

impl Listening {
    /// Listeners that together hold at most `limits.connections_max` connections.
    pub fn new(limits: Limits, metrics: Arc<Metrics>, phase: watch::Receiver<Phase>) -> Arc<Self> {
        let places = limits.connections_max.min(Semaphore::MAX_PERMITS);
        Arc::new(Self { limits, places: Arc::new(Semaphore::new(places)), metrics, phase })
    }

    /// Accepts on `listener` until the phase is no longer [`Phase::Serving`]. The connections
    /// live on; see [`Listening::drained`].
    pub async fn serve(self: Arc<Self>, listener: TcpListener, service: Arc<impl Service>) {
        let mut phase = self.phase.clone();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = phase.wait_for(|phase| *phase != Phase::Serving) => return,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::error!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
                self.metrics.connection_refused();
                continue;
            };
            let (listening, service) = (Arc::clone(&self), Arc::clone(&service));
            tokio::spawn(async move {
                let _open = listening.metrics.connection_opened();
                listening.connection(stream, peer, &*service).await;
                drop(place);
            });
        }
    }

    /// Resolves when no connection is open any more.
    pub async fn drained(&self) {
        let all = self.limits.connections_max.min(Semaphore::MAX_PERMITS);
        // The semaphore is never closed; and `u32` holds more than a machine has descriptors.
        drop(self.places.acquire_many(u32::try_from(all).unwrap_or(u32::MAX)).await);
    }

    async fn connection(&self, stream: TcpStream, peer: SocketAddr, service: &impl Service) {
        // Answers are one small write each; a failure to say so costs time only.
        drop(stream.set_nodelay(true));
        let limits = &self.limits;
        let head = HeadLimits { bytes_max: limits.header_bytes_max, lines_max: limits.headers_max };
        let refused = Refused::default();
        let stream = Stalling::new(stream, limits.body_timeout);
        let io = TokioIo::new(Filtered::new(stream, head, Arc::clone(&refused)));
        let answer = service_fn(|request: Request<Incoming>| {
            let bad = refused.get().filter(|_| is_mark(request.uri().path()));
            async move {
                Ok::<_, std::convert::Infallible>(match bad {
                    Some(&bad) => service.refuse(peer, bad),
                    None => service.answer(peer, request).await,
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
            drop(service.refuse(peer, Bad::Target));
        }
    }
}
