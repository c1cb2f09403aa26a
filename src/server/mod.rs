//! Listeners: they accept, limit and drain connections. What a request comes to is decided by the
//! [`Service`] that they are given; for callbacks that is [`Ingress`].

mod body;
mod caller;
mod connection;
pub mod head;
mod http2;
mod ingress;
mod linger;
mod record;
mod refusal;
mod respond;
mod stall;
mod tls;
mod vet;
mod wiring;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::{Request, Response};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

pub use body::{Body, BodyError};
pub use caller::Caller;
pub use ingress::{Ingress, Keeping};
pub use refusal::Refusal;
pub use respond::refusal;
pub use tls::{Protocol, Session, Tls};

use crate::config::Limits;
use crate::metrics::Metrics;
use head::Bad;

/// What answers requests.
pub trait Service: Send + Sync + 'static {
    /// Always an answer: what goes wrong is one too.
    fn answer(
        &self,
        caller: &Caller,
        request: Request<Incoming>,
    ) -> impl Future<Output = Response<Body>> + Send;

    /// The answer to what was sent instead of a request that can be read in one way.
    fn refuse(&self, _caller: &Caller, bad: Bad) -> Response<Body> {
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
    /// Of requests that share connections.
    requests: Arc<Semaphore>,
    metrics: Arc<Metrics>,
    phase: watch::Receiver<Phase>,
}

/// How long to wait when the system has no descriptor for another connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

impl Listening {
    /// Listeners that together hold at most `limits.connections_max` connections.
    pub fn new(limits: Limits, metrics: Arc<Metrics>, phase: watch::Receiver<Phase>) -> Arc<Self> {
        let places = limits.connections_max.min(Semaphore::MAX_PERMITS);
        let requests = limits.http2.requests_max.min(Semaphore::MAX_PERMITS);
        let [places, requests] = [places, requests].map(|most| Arc::new(Semaphore::new(most)));
        Arc::new(Self { limits, places, requests, metrics, phase })
    }

    /// Accepts on `listener` until the phase is no longer [`Phase::Serving`]. The connections
    /// live on; see [`Listening::drained`].
    pub async fn serve(
        self: Arc<Self>,
        listener: TcpListener,
        tls: Option<Tls>,
        service: Arc<impl Service>,
    ) {
        let (mut phase, tls) = (self.phase.clone(), tls.map(Arc::new));
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
            let tls = tls.clone();
            tokio::spawn(async move {
                let _open = listening.metrics.connection_opened();
                listening.connection(stream, peer, tls.as_deref(), service).await;
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
}
