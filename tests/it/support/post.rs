//! An outbox without a listener before it: a test hands over events and turns the clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use countersign::config::{Delivery, Mode, Retry, Target};
use countersign::deliver::{Accepted, Clocks, Handed, HandoverError, Outbox, Outlet};
use countersign::engine::event::Event;
use countersign::engine::inbound::{Inbound, UnixSeconds};
use countersign::live::{Route, Upstream};
use countersign::metrics::Metrics;
use countersign::store::seal::Seal;
use countersign::store::sqlite::{Settings, Sqlite};
use countersign::store::{Filter, Page, State, Store};

use tokio::sync::Notify;

use super::shop::Folder;
use super::*;

/// An outbox in a folder of its own, with a clock that the test turns.
pub(crate) struct Post {
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) clock: Arc<AtomicI64>,
    pub(crate) metrics: Metrics,
    pub(crate) route: Route,
    pub(crate) folder: Folder,
}

impl Post {
    pub(crate) fn new(target: Target, horizon: Duration) -> Self {
        Self::over(target, horizon, |store| store)
    }

    /// The same over what is made of its store.
    pub(crate) fn over(
        target: Target,
        horizon: Duration,
        make: impl FnOnce(Arc<dyn Store>) -> Arc<dyn Store>,
    ) -> Self {
        let (folder, metrics) = (Folder::new(), Metrics::new().unwrap());
        let settings = Settings {
            path: folder.at("outbox.db"),
            waiting_max: 1_000_000,
            bytes_max: 4 << 30,
            seal: Arc::new(Seal::default()),
        };
        let store = Sqlite::open(settings, NOW, metrics.store()).unwrap();
        let clock = Arc::new(AtomicI64::new(NOW));
        let [wall, steady] = [&clock, &clock].map(|clock| {
            let clock = Arc::clone(clock);
            Box::new(move || clock.load(Ordering::Relaxed))
                as Box<dyn Fn() -> UnixSeconds + Send + Sync>
        });
        let store = make(Arc::new(store));
        let outbox = Outbox::new(store, metrics.outbox().unwrap(), Clocks { wall, steady });
        let upstream = Upstream {
            timeout: PATIENCE,
            connect_timeout: PATIENCE,
            in_flight_max: 64,
            retry: Retry { horizon, ..retry() },
            ..upstream(target)
        };
        let (_, mut route) = route("/x", Mode::Enforce, canonical(), upstream);
        route.delivery = Delivery::Durable;
        Self { outbox: Arc::new(outbox), clock, metrics, route, folder }
    }

    pub(crate) fn outlet(&self) -> Arc<Outlet> {
        Arc::new(Outlet::new(&self.route.upstream, None, &self.metrics))
    }

    /// A callback that said this. `relayed`: its gateway waits for what the upstream says.
    pub(crate) async fn hand(
        &self,
        events: Vec<Event>,
        relayed: bool,
    ) -> Result<Handed, HandoverError> {
        let inbound = Inbound {
            method: "POST",
            target: "/x",
            headers: &[],
            body: b"",
            remote_addr: None,
            client_certificates: &[],
        };
        let now = self.clock.load(Ordering::Relaxed);
        let accepted = Accepted {
            route: &self.route,
            inbound: &inbound,
            body: &Bytes::new(),
            events,
            received_at: now,
        };
        self.outbox.hand_over(&self.outlet(), accepted, relayed, now).await
    }

    pub(crate) async fn keep(&self, events: Vec<Event>) {
        let handed = self.hand(events, false).await;
        assert!(matches!(handed, Ok(Handed::Kept)), "{handed:?}");
    }

    /// Sends what is due; when to look again.
    pub(crate) async fn drain(&self, outlet: &Arc<Outlet>) -> UnixSeconds {
        let way = || Some(Arc::clone(outlet));
        self.outbox.drain(way, &Notify::new()).await.unwrap()
    }

    pub(crate) async fn count(&self, state: State) -> usize {
        let filter = Filter { state: Some(state), ..Filter::default() };
        self.outbox.store().entries(&filter, Page::After(0), 1000).await.unwrap().len()
    }
}
