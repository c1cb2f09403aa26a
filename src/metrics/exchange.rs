//! What is counted of questions to gateways.

use std::collections::HashSet;
use std::time::Duration;

use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry};

use super::labels::ExchangeOutcome;
use super::{BUCKETS, prune};

/// The families of exchanges. Gateways and exchanges are named by rules; whoever names hosts keeps
/// their number small.
#[derive(Clone)]
pub struct ExchangeMetrics {
    asked: IntCounterVec,
    durations: HistogramVec,
    breakers: IntGaugeVec,
}

impl ExchangeMetrics {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            asked: IntCounterVec::new(
                Opts::new("exchanges_total", "Questions to gateways by what became of them."),
                &["gateway", "exchange", "outcome"],
            )?,
            durations: HistogramVec::new(
                HistogramOpts::new(
                    "exchange_seconds",
                    "Time until a gateway that was asked has answered or failed.",
                )
                .buckets(BUCKETS.to_vec()),
                &["gateway", "exchange"],
            )?,
            breakers: IntGaugeVec::new(
                Opts::new(
                    "exchange_breaker_open",
                    "Whether a host of a gateway is left alone because it has failed too often.",
                ),
                &["host"],
            )?,
        };
        registry.register(Box::new(metrics.asked.clone()))?;
        registry.register(Box::new(metrics.durations.clone()))?;
        registry.register(Box::new(metrics.breakers.clone()))?;
        Ok(metrics)
    }

    /// A question has come to its end.
    pub fn ended(&self, gateway: &str, exchange: &str, outcome: ExchangeOutcome) {
        self.asked.with_label_values(&[gateway, exchange, outcome.as_str()]).inc();
    }

    /// The gateway was asked, and that is how long it took.
    pub fn took(&self, gateway: &str, exchange: &str, time: Duration) {
        self.durations.with_label_values(&[gateway, exchange]).observe(time.as_secs_f64());
    }

    /// Whether this host is left alone.
    pub fn breaker(&self, host: &str, open: bool) {
        self.breakers.with_label_values(&[host]).set(i64::from(open));
    }

    /// Nothing is known of this host any more.
    pub fn breaker_forgotten(&self, host: &str) {
        // It can only be gone already.
        drop(self.breakers.remove_label_values(&[host]));
    }

    pub(super) fn forget_breakers(&self) {
        self.breakers.reset();
    }

    /// The series of other gateways vanish.
    pub(super) fn retain(&self, gateways: &HashSet<&str>) {
        prune(&self.asked, |of| gateways.contains(of["gateway"]));
        prune(&self.durations, |of| gateways.contains(of["gateway"]));
    }
}
