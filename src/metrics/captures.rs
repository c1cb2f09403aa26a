//! What is counted of captures.

use prometheus::{Gauge, IntCounter, IntGauge, Registry};

use super::seconds;
use crate::engine::inbound::UnixSeconds;

/// The families of captures.
#[derive(Clone)]
pub struct CaptureMetrics {
    kept: IntGauge,
    bytes: IntGauge,
    oldest: Gauge,
    lost: IntCounter,
}

impl CaptureMetrics {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            kept: IntGauge::new("captures_kept", "Captures that are kept.")?,
            bytes: IntGauge::new("captures_bytes", "Bytes that captures take up on the disk.")?,
            oldest: Gauge::new(
                "captures_oldest_timestamp_seconds",
                "When the oldest capture came; 0: there is none.",
            )?,
            lost: IntCounter::new(
                "captures_lost_total",
                "Captures lost: too many at once, or the disk had failed.",
            )?,
        };
        registry.register(Box::new(metrics.kept.clone()))?;
        registry.register(Box::new(metrics.bytes.clone()))?;
        registry.register(Box::new(metrics.oldest.clone()))?;
        registry.register(Box::new(metrics.lost.clone()))?;
        Ok(metrics)
    }

    /// This is kept now, and so many have been lost since the start.
    pub fn now(&self, kept: u64, bytes: u64, oldest: Option<UnixSeconds>, lost: u64) {
        self.kept.set(i64::try_from(kept).unwrap_or(i64::MAX));
        self.bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
        self.oldest.set(seconds(oldest.unwrap_or_default()));
        self.lost.inc_by(lost.saturating_sub(self.lost.get()));
    }
}
