//! What is counted, in methods named for what happened. The only layer that names `prometheus`.
//! Labels come from the configuration and from closed lists, never from a request.

mod captures;
mod connections;
mod exchange;
mod labels;
mod outbox;
mod parts;
mod proxy;
mod store;
mod tls;
mod upstream;

use std::collections::HashSet;
use std::time::Duration;

use prometheus::core::Collector;
use prometheus::process_collector::ProcessCollector;
use prometheus::{
    Encoder, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec,
    IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
};

use crate::engine::inbound::UnixSeconds;
use proxy::ProxyFamilies;
use upstream::UpstreamFamilies;

pub use captures::CaptureMetrics;
pub use connections::{ConnectionMetrics, Crowd, Ending};
pub use exchange::ExchangeMetrics;
pub use labels::{Class, ExchangeOutcome, Outcome, Retried, Stage};
pub use outbox::{Contents, Handling, OutboxMetrics};
pub use parts::Held;
use parts::{prune, seconds};
pub use proxy::{Passed, ProxyMetrics};
pub use store::StoreMetrics;
pub use tls::{Handshake, Http2End, Http2Metrics, TlsMetrics};
pub use upstream::{AddressMetrics, UpstreamMetrics};

/// Content type of [`Metrics::text`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The label of what belongs to no route.
pub const NONE: &str = "none";

/// Seconds, from well below one digest to the longest deadline that anybody configures.
const BUCKETS: &[f64] = &[
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
    1.0, 2.5, 5.0, 10.0, 30.0,
];

/// One route, as [`Metrics::published`] needs to know it.
pub struct RouteLabels<'a> {
    /// Name of the route.
    pub route: &'a str,
    /// Name of its rule.
    pub gateway: &'a str,
    /// Name of its upstream.
    pub upstream: &'a str,
    /// Whether it can judge.
    pub ready: bool,
    /// What its proofs are worth; `None`: it cannot judge.
    pub strength: Option<&'static str>,
    /// Every key that can match.
    pub keys: &'a [String],
}

/// Everything that the daemon counts, in a registry of its own.
pub struct Metrics {
    registry: Registry,
    /// Its families carry no prefix of ours, so it stands beside the registry.
    process: ProcessCollector,
    callbacks: IntCounterVec,
    durations: HistogramVec,
    in_flight: IntGauge,
    upstreams: UpstreamFamilies,
    exchanges: ExchangeMetrics,
    proxies: ProxyFamilies,
    store: StoreMetrics,
    captures: CaptureMetrics,
    tls: TlsMetrics,
    reload_successful: IntGauge,
    reload_success_time: Gauge,
    generation: IntGauge,
    ready: IntGaugeVec,
    strengths: IntGaugeVec,
    key_matches: GaugeVec,
    connections: ConnectionMetrics,
    log_lines_suppressed: IntCounter,
    upgrades_failed: IntCounter,
}

impl Metrics {
    /// All families, at zero.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new_custom(Some("countersign".to_owned()), None)?;
        let (opts, of) =
            (Opts::new, |name, help| HistogramOpts::new(name, help).buckets(BUCKETS.to_vec()));
        let metrics = Self {
            callbacks: IntCounterVec::new(
                opts("callbacks_total", "Requests on callback listeners by what became of them."),
                &["route", "gateway", "outcome", "reason"],
            )?,
            durations: HistogramVec::new(
                of("callback_duration_seconds", "Time that callbacks take, by stage."),
                &["gateway", "stage"],
            )?,
            in_flight: IntGauge::new("callbacks_in_flight", "Requests that wait for an answer.")?,
            upstreams: UpstreamFamilies::new(&registry)?,
            exchanges: ExchangeMetrics::new(&registry)?,
            proxies: ProxyFamilies::new(&registry)?,
            store: StoreMetrics::new(&registry)?,
            captures: CaptureMetrics::new(&registry)?,
            tls: TlsMetrics::new(&registry)?,
            reload_successful: IntGauge::new(
                "config_last_reload_successful",
                "Whether the last attempt to load the configuration succeeded.",
            )?,
            reload_success_time: Gauge::new(
                "config_last_reload_success_timestamp_seconds",
                "When a configuration was last loaded.",
            )?,
            generation: IntGauge::new(
                "config_generation",
                "Number of the active configuration, 1 at start.",
            )?,
            strengths: IntGaugeVec::new(
                opts("route_strength", "1 for what the proofs of a route are worth."),
                &["route", "gateway", "strength"],
            )?,
            ready: IntGaugeVec::new(
                opts("route_ready", "Whether a route can judge; 0: it answers 503."),
                &["route"],
            )?,
            key_matches: GaugeVec::new(
                opts(
                    "key_last_match_timestamp_seconds",
                    "When a key last proved a callback; 0: not since the start.",
                ),
                &["route", "key"],
            )?,
            connections: ConnectionMetrics::new(&registry)?,
            log_lines_suppressed: IntCounter::new(
                "log_lines_suppressed_total",
                "Refusals that were counted but not logged one by one.",
            )?,
            upgrades_failed: IntCounter::new(
                "upgrades_failed_total",
                "Processes that were to replace this one and did not come up.",
            )?,
            process: ProcessCollector::for_self(),
            registry,
        };
        let build = IntGauge::with_opts(
            opts("build_info", "The running program.")
                .const_label("version", env!("CARGO_PKG_VERSION")),
        )?;
        build.set(1);
        for collector in [
            Box::new(build) as Box<dyn Collector>,
            Box::new(metrics.callbacks.clone()),
            Box::new(metrics.durations.clone()),
            Box::new(metrics.in_flight.clone()),
            Box::new(metrics.reload_successful.clone()),
            Box::new(metrics.reload_success_time.clone()),
            Box::new(metrics.generation.clone()),
            Box::new(metrics.ready.clone()),
            Box::new(metrics.strengths.clone()),
            Box::new(metrics.key_matches.clone()),
            Box::new(metrics.log_lines_suppressed.clone()),
            Box::new(metrics.upgrades_failed.clone()),
        ] {
            metrics.registry.register(collector)?;
        }
        Ok(metrics)
    }

    /// Everything in the Prometheus text format.
    pub fn text(&self) -> Result<Vec<u8>, prometheus::Error> {
        let mut families = self.registry.gather();
        families.extend(self.process.collect());
        let mut text = Vec::with_capacity(16 * 1024);
        TextEncoder::new().encode(&families, &mut text)?;
        Ok(text)
    }

    /// A request outside any route was refused.
    pub fn refused_before_route(&self, outcome: Outcome, reason: &'static str) {
        self.callbacks.with_label_values(&[NONE, NONE, outcome.as_str(), reason]).inc();
    }

    /// A request waits for its answer until the guard is dropped.
    pub fn request_begun(&self) -> Held {
        Held::new(&self.in_flight)
    }

    /// What is counted of connections.
    pub fn connections(&self) -> &ConnectionMetrics {
        &self.connections
    }

    /// Refusals were not logged one by one.
    pub fn log_lines_suppressed(&self, lines: u64) {
        self.log_lines_suppressed.inc_by(lines);
    }

    /// A process that was to replace this one has not come up.
    pub fn upgrade_failed(&self) {
        self.upgrades_failed.inc();
    }

    /// A configuration took effect.
    pub fn reloaded(&self, generation: u64, now: UnixSeconds) {
        self.reload_successful.set(1);
        self.reload_success_time.set(seconds(now));
        self.generation.set(i64::try_from(generation).unwrap_or(i64::MAX));
    }

    /// A configuration was no good; the old one goes on.
    pub fn reload_failed(&self) {
        self.reload_successful.set(0);
    }

    /// A configuration took effect but for a part that is no good.
    pub fn reloaded_in_part(&self, generation: u64) {
        self.reload_successful.set(0);
        self.generation.set(i64::try_from(generation).unwrap_or(i64::MAX));
    }

    /// A snapshot is active: its routes are known, and the series of others vanish.
    pub fn published<'a>(&self, routes: impl Iterator<Item = RouteLabels<'a>>) {
        let (mut names, mut gateways, mut upstreams) =
            (HashSet::from([NONE]), HashSet::from([NONE]), HashSet::new());
        let (mut keys, mut strengths) = (HashSet::new(), HashSet::new());
        for route in routes {
            self.ready.with_label_values(&[route.route]).set(i64::from(route.ready));
            if let Some(strength) = route.strength {
                let labels = [route.route, route.gateway, strength];
                self.strengths.with_label_values(&labels).set(1);
                strengths.insert(labels);
            }
            names.insert(route.route);
            gateways.insert(route.gateway);
            upstreams.insert(route.upstream);
            keys.extend(route.keys.iter().map(|key| (route.route, key.as_str())));
        }
        prune(&self.callbacks, |of| {
            names.contains(of["route"]) && gateways.contains(of["gateway"])
        });
        prune(&self.durations, |of| gateways.contains(of["gateway"]));
        self.upstreams.retain(&upstreams);
        self.exchanges.retain(&gateways);
        prune(&self.strengths, |of| {
            strengths.contains(&[of["route"], of["gateway"], of["strength"]])
        });
        prune(&self.ready, |of| names.contains(of["route"]));
        prune(&self.key_matches, |of| keys.contains(&(of["route"], of["key"])));
    }

    /// The counters of one route, looked up once.
    pub fn route(&self, route: &str, gateway: &str, keys: &[String]) -> RouteMetrics {
        RouteMetrics {
            route: route.to_owned(),
            gateway: gateway.to_owned(),
            callbacks: self.callbacks.clone(),
            accepted: self.callbacks.with_label_values(&[
                route,
                gateway,
                Outcome::Accepted.as_str(),
                "ok",
            ]),
            stages: Stage::ALL
                .map(|stage| self.durations.with_label_values(&[gateway, stage.as_str()])),
            keys: keys
                .iter()
                .map(|key| (key.clone(), self.key_matches.with_label_values(&[route, key])))
                .collect(),
        }
    }

    /// A snapshot is active: these parts of the site pass through to these upstreams, and the series
    /// of others vanish.
    pub fn site_published<'a>(&self, parts: impl Iterator<Item = (&'a str, &'a str)>) {
        let (names, upstreams) = parts.unzip();
        self.proxies.retain(&names);
        self.upstreams.retain_of_site(&upstreams);
    }

    /// The counters of one upstream that parts of the site pass through to.
    pub fn upstream_of_site(&self, upstream: &str) -> UpstreamMetrics {
        self.upstreams.of_site(upstream)
    }

    /// The counters of one part of the site, looked up once.
    pub fn proxy(&self, name: &str) -> ProxyMetrics {
        self.proxies.of(name)
    }

    /// What is counted of questions to gateways. No breaker is known any more: whoever takes this
    /// begins anew.
    pub fn exchanges(&self) -> ExchangeMetrics {
        self.exchanges.forget_breakers();
        self.exchanges.clone()
    }

    /// What is counted of the outbox; to be called once, where there is one.
    pub fn outbox(&self) -> Result<OutboxMetrics, prometheus::Error> {
        OutboxMetrics::new(&self.registry)
    }

    /// What is counted of the store.
    pub fn store(&self) -> StoreMetrics {
        self.store.clone()
    }

    /// What is counted of TLS, and of HTTP/2 in it.
    pub fn tls(&self) -> &TlsMetrics {
        &self.tls
    }

    /// What is counted of captures.
    pub fn captures(&self) -> CaptureMetrics {
        self.captures.clone()
    }

    /// The counters of one upstream, looked up once.
    pub fn upstream(&self, upstream: &str) -> UpstreamMetrics {
        self.upstreams.upstream(upstream)
    }
}

/// The counters of one route.
pub struct RouteMetrics {
    route: String,
    gateway: String,
    callbacks: IntCounterVec,
    accepted: IntCounter,
    stages: [Histogram; 4],
    keys: Vec<(String, Gauge)>,
}

impl RouteMetrics {
    /// A request of this route has come to its end.
    pub fn callback(&self, outcome: Outcome, reason: &'static str) {
        if outcome == Outcome::Accepted && reason == "ok" {
            return self.accepted.inc();
        }
        let labels = [&self.route, &self.gateway, outcome.as_str(), reason];
        self.callbacks.with_label_values(&labels).inc();
    }

    /// A part of the way took that long.
    pub fn took(&self, stage: Stage, time: Duration) {
        self.stages[stage as usize].observe(time.as_secs_f64());
    }

    /// A key proved a callback. One that the route did not announce is not counted.
    pub fn key_matched(&self, key: &str, now: UnixSeconds) {
        if let Some((_, gauge)) = self.keys.iter().find(|(known, _)| known == key) {
            gauge.set(seconds(now));
        }
    }
}

#[cfg(test)]
mod tests;
