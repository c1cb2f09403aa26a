//! What several families need.

use std::collections::HashMap;

use prometheus::IntGauge;
use prometheus::core::{Collector as _, MetricVec, MetricVecBuilder};

use crate::engine::inbound::UnixSeconds;

/// One more, until dropped.
pub struct Held(IntGauge);

impl Held {
    pub(super) fn new(gauge: &IntGauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Prometheus knows numbers as floats only; whole seconds are exact in them for ages to come.
#[expect(clippy::cast_precision_loss, reason = "exact below 2^53 seconds")]
pub(super) fn seconds(time: UnixSeconds) -> f64 {
    time as f64
}

/// Removes the series whose labels `keep` does not want.
pub(super) fn prune<B: MetricVecBuilder>(
    vec: &MetricVec<B>,
    keep: impl Fn(&HashMap<&str, &str>) -> bool,
) {
    for family in vec.collect() {
        for metric in family.get_metric() {
            let labels: HashMap<_, _> =
                metric.get_label().iter().map(|pair| (pair.name(), pair.value())).collect();
            if !keep(&labels) {
                // It can only be gone already.
                drop(vec.remove(&labels));
            }
        }
    }
}
