//! Listeners: they accept, limit and drain connections. What a request comes to is decided by the
//! [`Service`] that they are given; for callbacks that is [`Ingress`].

mod body;
mod caller;
mod connection;
pub mod head;
mod http2;
mod ingress;
mod limit;
mod linger;
mod pass;
mod proxy_protocol;
mod record;
mod refusal;
mod respond;
mod sender;
mod stall;
mod switch;
mod tls;
mod vet;
mod wiring;

use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::{Request, Response};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

pub use body::{Body, BodyError};
pub use caller::Caller;
pub use ingress::{Ingress, Keeping};
pub use refusal::Refusal;
pub use respond::refusal;
pub use tls::{Protocol, Session, Tls};

use crate::config::Limits;
use crate::metrics::{Crowd, Metrics};
use head::Bad;
use limit::addresses::Addresses;

/// What answers requests.
pub trait Service: Send + Sync + 'static {
    /// Always an answer: what goes wrong is one too.
    fn answer(
        &self,
        caller: &Caller,
        request: Request<Incoming>,
    ) -> impl Future<Output = Response<Body>> + Send;

    /// Whether this is a proxy of ours, which brings the connections of many.
    fn is_trusted(&self, _peer: IpAddr) -> bool {
        false
    }

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

/// How a listener is spoken to.
#[derive(Default)]
pub struct Manner {
    /// How connections are secured; `None`: not at all.
    pub tls: Option<Tls>,
    /// Whether each begins with the PROXY protocol.
    pub proxy_protocol: bool,
}

/// What all listeners of one kind share.
pub struct Listening {
    limits: Limits,
    places: Arc<Semaphore>,
    addresses: Arc<Addresses>,
    /// Of requests that share connections.
    requests: Arc<Semaphore>,
    metrics: Arc<Metrics>,
    phase: watch::Receiver<Phase>,
}

/// How long to wait when the system has no descriptor for another connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Connections that wait to be accepted, at most: what Linux keeps for one listener (`somaxconn`).
const QUEUE_MAX: usize = 4096;

impl Listening {
    /// Listeners that together hold at most `limits.connections_max` connections.
    pub fn new(limits: Limits, metrics: Arc<Metrics>, phase: watch::Receiver<Phase>) -> Arc<Self> {
        let places = limits.connections_max.min(Semaphore::MAX_PERMITS);
        let requests = limits.http2.requests_max.min(Semaphore::MAX_PERMITS);
        let [places, requests] = [places, requests].map(|most| Arc::new(Semaphore::new(most)));
        Arc::new(Self { limits, places, addresses: Arc::default(), requests, metrics, phase })
    }

    /// Accepts on `listener` until the phase is no longer [`Phase::Serving`], and then what waits to
    /// be accepted: its peer takes it for connected, and would be told by a reset that it is not.
    /// The connections live on; see [`Listening::drained`].
    pub async fn serve(
        self: Arc<Self>,
        listener: TcpListener,
        manner: Manner,
        service: Arc<impl Service>,
    ) {
        let (mut phase, manner) = (self.phase.clone(), Arc::new(manner));
        let Ok(local) = listener.local_addr() else { return };
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = phase.wait_for(|phase| *phase != Phase::Serving) => break,
            };
            match accepted {
                Ok((stream, peer)) => {
                    self.open(stream, Caller::new(peer, local), &manner, &service);
                }
                Err(error) => {
                    tracing::error!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        // Asked directly: the runtime may not have heard of what came last.
        let Ok(listener) = listener.into_std() else { return };
        for _ in 0..QUEUE_MAX {
            let Ok((stream, peer)) = listener.accept() else { return };
            if stream.set_nonblocking(true).is_ok()
                && let Ok(stream) = TcpStream::from_std(stream)
            {
                self.open(stream, Caller::new(peer, local), &manner, &service);
            }
        }
    }

    /// One connection, if there is a place for it.
    fn open(
        self: &Arc<Self>,
        stream: TcpStream,
        caller: Caller,
        manner: &Arc<Manner>,
        service: &Arc<impl Service>,
    ) {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            return self.metrics.connections().refused(Crowd::Total);
        };
        let (listening, service) = (Arc::clone(self), Arc::clone(service));
        let manner = Arc::clone(manner);
        tokio::spawn(async move {
            let _open = listening.metrics.connections().opened();
            listening.connection(stream, caller, &manner, service).await;
            drop(place);
        });
    }

    /// Resolves when no connection is open any more. To be asked when [`Listening::serve`] has
    /// returned: who waits here takes the places of those who come.
    pub async fn drained(&self) {
        let all = self.limits.connections_max.min(Semaphore::MAX_PERMITS);
        // The semaphore is never closed; and `u32` holds more than a machine has descriptors.
        drop(self.places.acquire_many(u32::try_from(all).unwrap_or(u32::MAX)).await);
    }
}
