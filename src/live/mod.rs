//! The one cell that changes at run time, and the only reader of disk and environment.

mod build;
mod certificates;
mod exchanges;
pub mod loader;
pub mod rules;
pub mod sources;
mod store;
mod tls;
mod upstreams;
mod warning;
pub mod watch;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::config::{self, Capture, Delivery, Forward, Mode, Rate, Reach, Retry, Target};
pub use certificates::Pair;
pub use exchanges::Exchanges;
pub use store::{Store, Token};
pub use tls::{HTTP_2, Tls};
pub use upstreams::{Client, UpstreamTls};

use crate::engine::Bound;
use crate::engine::net::Network;
use crate::engine::secret::Secret;

/// Everything that a request needs, built whole and never changed.
pub struct Snapshot {
    /// 1 at start, one more with each reload that took effect.
    pub generation: u64,
    /// Routes by their exact path.
    pub routes: HashMap<String, Arc<Route>>,
    /// Those who receive, by name. Also who no route leads to any more: events may wait for them.
    pub upstreams: HashMap<String, Arc<Upstream>>,
    /// What passes through, unjudged.
    pub site: Arc<Site>,
    /// What the listeners that speak TLS show; `None`: none does.
    pub tls: Option<Arc<Tls>>,
    /// How gateways are asked.
    pub exchanges: Arc<Exchanges>,
    /// What opens the API for operators; `Err`: why it is shut.
    pub token: Result<Token, String>,
    /// What is allowed, and hardly meant: for the operator, a line each.
    pub warnings: Vec<String>,
}

/// A route that is ready to judge, or the reasons why it is not.
pub struct Route {
    /// Its name in metrics and logs.
    pub name: String,
    /// Name of the rule.
    pub gateway: String,
    /// The rule with this route's parameters; `Err`: what is missing, for the operator. Such a
    /// route answers 503 and is never open.
    pub bound: Result<Bound, Vec<String>>,
    /// Who receives what it accepts.
    pub upstream: Arc<Upstream>,
    /// In which form.
    pub forward: Forward,
    /// Whether a refusal stops the request.
    pub mode: Mode,
    /// When the gateway is told that all is well.
    pub delivery: Delivery,
    /// Which inbounds are kept as they came.
    pub capture: Capture,
    /// Whether an event that tells of a state left behind is held.
    pub hold_regressive: bool,
    /// Who may call; `None`: everybody.
    pub allow: Option<Vec<Network>>,
    /// How often each client address may call.
    pub rate: Option<Rate>,
}

/// What passes through, and who is believed on whom it comes from.
#[derive(Default)]
pub struct Site {
    /// In the order of the configuration.
    pub proxies: Vec<Arc<Proxy>>,
    /// Whose word on the client's address is believed.
    pub trusted_proxies: Vec<Network>,
}

/// A part of the site that passes through.
pub struct Proxy {
    /// As configured.
    pub config: config::Proxy,
    /// Where to.
    pub upstream: Arc<Upstream>,
}

/// Who receives events, with what is needed to reach it.
pub struct Upstream {
    /// Its name in metrics and logs.
    pub name: String,
    /// Where it is.
    pub target: Target,
    /// Until a connection stands.
    pub connect_timeout: Duration,
    /// From the first byte sent to the last byte of the answer.
    pub timeout: Duration,
    /// Requests under way at a time.
    pub in_flight_max: usize,
    /// The decoded Standard Webhooks secret.
    pub secret: Option<Secret>,
    /// When what it did not take is sent again.
    pub retry: Retry,
    /// Its addresses, and how they are spoken to.
    pub reach: Reach,
    /// How it is spoken to over TLS.
    pub tls: UpstreamTls,
}

/// The one cell. A request loads it once and keeps what it got until it is answered.
pub struct Live {
    current: ArcSwap<Snapshot>,
}

impl Live {
    /// Starts with a snapshot.
    pub fn new(snapshot: Snapshot) -> Self {
        Self { current: ArcSwap::from_pointee(snapshot) }
    }

    /// What is active now.
    pub fn load(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// Infallible: whatever could fail has failed while the snapshot was built.
    pub fn publish(&self, snapshot: Snapshot) {
        self.current.store(Arc::new(snapshot));
    }
}

#[cfg(test)]
mod tests;
