//! What is counted of what passes through.

use std::collections::HashSet;
use std::time::Duration;

use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGaugeVec, Opts, Registry,
};

use super::{BUCKETS, Held, prune};

/// All parts of the site.
pub(super) struct ProxyFamilies {
    requests: IntCounterVec,
    durations: HistogramVec,
    bytes: IntCounterVec,
    tunnels: IntGaugeVec,
}

/// The counters of one part.
#[derive(Clone)]
pub struct ProxyMetrics {
    name: String,
    requests: IntCounterVec,
    classes: [IntCounter; 5],
    duration: Histogram,
    received: IntCounter,
    sent: IntCounter,
    tunnels: prometheus::IntGauge,
}

/// The class of an answer that was passed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Passed {
    /// 101.
    GoneOver,
    /// 2xx.
    Success,
    /// 3xx.
    Redirect,
    /// 4xx.
    ClientError,
    /// 5xx, and what is no status at all.
    ServerError,
}

impl Passed {
    const ALL: [Self; 5] =
        [Self::GoneOver, Self::Success, Self::Redirect, Self::ClientError, Self::ServerError];

    /// That of a status.
    pub fn of(status: u16) -> Self {
        match status {
            100..=199 => Self::GoneOver,
            200..=299 => Self::Success,
            300..=399 => Self::Redirect,
            400..=499 => Self::ClientError,
            _ => Self::ServerError,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::GoneOver => "1xx",
            Self::Success => "2xx",
            Self::Redirect => "3xx",
            Self::ClientError => "4xx",
            Self::ServerError => "5xx",
        }
    }
}

impl ProxyFamilies {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let families = Self {
            requests: IntCounterVec::new(
                Opts::new(
                    "proxy_requests_total",
                    "Requests that pass through, by class of the answer or why they did not pass.",
                ),
                &["proxy", "outcome"],
            )?,
            durations: HistogramVec::new(
                HistogramOpts::new(
                    "proxy_duration_seconds",
                    "Time until the head of an answer has come back.",
                )
                .buckets(BUCKETS.to_vec()),
                &["proxy"],
            )?,
            bytes: IntCounterVec::new(
                Opts::new("proxy_bytes_total", "Bytes of bodies that have passed through."),
                &["proxy", "direction"],
            )?,
            tunnels: IntGaugeVec::new(
                Opts::new("proxy_tunnels_open", "Connections that have gone over to WebSocket."),
                &["proxy"],
            )?,
        };
        registry.register(Box::new(families.requests.clone()))?;
        registry.register(Box::new(families.durations.clone()))?;
        registry.register(Box::new(families.bytes.clone()))?;
        registry.register(Box::new(families.tunnels.clone()))?;
        Ok(families)
    }

    /// Those of others vanish.
    pub(super) fn retain(&self, names: &HashSet<&str>) {
        prune(&self.requests, |of| names.contains(of["proxy"]));
        prune(&self.durations, |of| names.contains(of["proxy"]));
        prune(&self.bytes, |of| names.contains(of["proxy"]));
        prune(&self.tunnels, |of| names.contains(of["proxy"]));
    }

    pub(super) fn of(&self, name: &str) -> ProxyMetrics {
        ProxyMetrics {
            name: name.to_owned(),
            requests: self.requests.clone(),
            classes: Passed::ALL
                .map(|class| self.requests.with_label_values(&[name, class.as_str()])),
            duration: self.durations.with_label_values(&[name]),
            received: self.bytes.with_label_values(&[name, "in"]),
            sent: self.bytes.with_label_values(&[name, "out"]),
            tunnels: self.tunnels.with_label_values(&[name]),
        }
    }
}

impl ProxyMetrics {
    /// The head of an answer goes back after that long.
    pub fn passed(&self, class: Passed, time: Duration) {
        self.classes[class as usize].inc();
        self.duration.observe(time.as_secs_f64());
    }

    /// It did not pass.
    pub fn refused(&self, reason: &'static str) {
        self.requests.with_label_values(&[self.name.as_str(), reason]).inc();
    }

    /// So much of a request's body has come.
    pub fn received(&self, bytes: u64) {
        self.received.inc_by(bytes);
    }

    /// So much of an answer's body has gone.
    pub fn sent(&self, bytes: u64) {
        self.sent.inc_by(bytes);
    }

    /// A connection has gone over until the guard is dropped.
    pub fn tunnel_opened(&self) -> Held {
        Held::new(&self.tunnels)
    }
}
