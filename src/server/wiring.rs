//! What a request needs beside the snapshot: counters and ways to upstreams, looked up once for
//! each snapshot instead of once for each request.

use std::collections::HashMap;
use std::sync::Arc;

use hyper::header::HeaderName;

use super::limit::rate::Meter;
use super::pass::Passages;
use crate::config::Forward;
use crate::deliver::{Outbox, Outlet, allowed};
use crate::exchange::Exchanger;
use crate::live::{Route, Snapshot, Upstream};
use crate::metrics::{Metrics, RouteLabels, RouteMetrics};

/// One snapshot, made ready to serve.
pub(super) struct Wiring {
    pub(super) snapshot: Arc<Snapshot>,
    routes: HashMap<String, Wired>,
    outlets: HashMap<String, Arc<Outlet>>,
    pub(super) passages: Passages,
    pub(super) exchanger: Arc<Exchanger>,
}

/// One route, made ready to serve.
pub(super) struct Wired {
    pub(super) route: Arc<Route>,
    pub(super) metrics: RouteMetrics,
    pub(super) outlet: Arc<Outlet>,
    /// How often each client address may call.
    pub(super) meter: Option<Arc<Meter>>,
    /// The request headers that go with an original.
    pub(super) allowed: Vec<HeaderName>,
}

impl Wiring {
    /// Takes over from `before` whatever stays as it was.
    pub(super) fn new(
        snapshot: Arc<Snapshot>,
        before: Option<&Self>,
        metrics: &Metrics,
        outbox: Option<&Outbox>,
    ) -> Self {
        metrics.published(snapshot.routes.values().map(|route| RouteLabels {
            route: &route.name,
            gateway: &route.gateway,
            upstream: &route.upstream.name,
            ready: route.bound.is_ok(),
            strength: route.bound.as_ref().ok().map(|bound| bound.strength().as_str()),
            keys: keys(route),
        }));
        let shown = snapshot.tls.iter().flat_map(|tls| tls.pairs());
        metrics.tls().shown(shown.map(|pair| (pair.name(), pair.expires_at())));
        if let Some(outbox) = outbox {
            let upstreams = snapshot.upstreams.keys().map(String::as_str).collect();
            let gateways = snapshot.routes.values().map(|route| route.gateway.as_str()).collect();
            outbox.metrics().published(&upstreams, &gateways);
        }
        let outlet = |upstream: &Arc<Upstream>| {
            let before = before.and_then(|before| before.outlets.get(&upstream.name));
            Arc::new(Outlet::new(upstream, before.map(Arc::as_ref), metrics))
        };
        let mut outlets: HashMap<String, Arc<Outlet>> =
            snapshot.upstreams.iter().map(|(name, one)| (name.clone(), outlet(one))).collect();
        let mut routes = HashMap::new();
        for (path, route) in &snapshot.routes {
            let upstream = &route.upstream;
            let outlet = outlets.entry(upstream.name.clone()).or_insert_with(|| outlet(upstream));
            let wired = Wired {
                metrics: metrics.route(&route.name, &route.gateway, keys(route)),
                outlet: Arc::clone(outlet),
                meter: Meter::of(
                    route.rate,
                    before.and_then(|before| before.routes.get(path)?.meter.as_ref()),
                ),
                allowed: match &route.forward {
                    Forward::Canonical { .. } => Vec::new(),
                    Forward::Original { headers, .. } => allowed(headers),
                },
                route: Arc::clone(route),
            };
            routes.insert(path.clone(), wired);
        }
        let exchanger = match before.map(|before| &before.exchanger) {
            Some(exchanger) if exchanger.serves(&snapshot.exchanges) => Arc::clone(exchanger),
            _ => Arc::new(Exchanger::new(&snapshot.exchanges, metrics)),
        };
        let none = Passages::default();
        let passages = before.map_or(&none, |before| &before.passages);
        let passages = Passages::new(&snapshot, passages, metrics);
        Self { snapshot, routes, outlets, passages, exchanger }
    }

    /// The route of exactly this path.
    pub(super) fn route(&self, path: &str) -> Option<&Wired> {
        self.routes.get(path)
    }

    /// The path of the route that is meant where only the letters' case or a slash at the end differs.
    pub(super) fn nearly(&self, path: &str) -> Option<&str> {
        let plain = |path: &str| path.trim_end_matches('/').to_ascii_lowercase();
        let wanted = plain(path);
        self.routes.keys().map(String::as_str).find(|known| plain(known) == wanted)
    }

    /// The ways to all upstreams.
    pub(super) fn outlets(&self) -> impl Iterator<Item = &Arc<Outlet>> {
        self.outlets.values()
    }

    /// The way to the upstream of this name.
    pub(super) fn outlet(&self, upstream: &str) -> Option<&Arc<Outlet>> {
        self.outlets.get(upstream)
    }

    /// Closes connections that nobody has used for a while.
    pub(super) fn sweep(&self) {
        self.outlets.values().for_each(|outlet| outlet.sweep());
        self.passages.sweep();
    }
}

fn keys(route: &Route) -> &[String] {
    route.bound.as_ref().map_or(&[], |bound| bound.keys())
}
