//! What is counted of the outbox.

use std::collections::HashSet;

use prometheus::{GaugeVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

use super::{prune, seconds};
use crate::engine::event::Amount;
use crate::engine::inbound::UnixSeconds;

/// What became of a message in the outbox, or on its way around it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Handling {
    /// Given up after the horizon.
    Dead,
    /// The upstream has it.
    Delivered,
    /// An attempt to deliver it has failed; it waits.
    Failed,
    /// It waits for an operator.
    Held,
    /// Kept and acknowledged before it was sent.
    Kept,
    /// Kept and acknowledged because the upstream did not take it.
    Spilled,
}

impl Handling {
    const ALL: [Self; 6] =
        [Self::Dead, Self::Delivered, Self::Failed, Self::Held, Self::Kept, Self::Spilled];

    fn as_str(self) -> &'static str {
        match self {
            Self::Dead => "dead",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Held => "held",
            Self::Kept => "kept",
            Self::Spilled => "spilled",
        }
    }
}

/// What is in the outbox, as gauges show it.
#[derive(Debug, Default)]
pub struct Contents {
    /// Entries by upstream and state.
    pub entries: Vec<(String, &'static str, u64)>,
    /// When the oldest that waits came, by upstream.
    pub oldest: Vec<(String, UnixSeconds)>,
    /// Money that is not booked yet, by state.
    pub money: Vec<(&'static str, Amount)>,
    /// Bytes of the database.
    pub bytes: u64,
}

/// What is counted of the outbox.
pub struct OutboxMetrics {
    handled: IntCounterVec,
    duplicates: IntCounterVec,
    equivocations: IntCounterVec,
    regressive: IntCounterVec,
    entries: IntGaugeVec,
    oldest: GaugeVec,
    money: GaugeVec,
    bytes: IntGauge,
    disk_free: IntGauge,
    ready: IntGauge,
}

impl OutboxMetrics {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let opts = Opts::new;
        let metrics = Self {
            handled: IntCounterVec::new(
                opts("deliveries_total", "Messages by what became of them."),
                &["upstream", "outcome"],
            )?,
            duplicates: IntCounterVec::new(
                opts("duplicates_total", "Repetitions that went nowhere, by how they were known."),
                &["gateway", "by"],
            )?,
            equivocations: IntCounterVec::new(
                opts("equivocations_total", "Known ids that came with another content."),
                &["gateway"],
            )?,
            regressive: IntCounterVec::new(
                opts("regressive_total", "Events of a state that their payment has left behind."),
                &["gateway"],
            )?,
            entries: IntGaugeVec::new(
                opts("outbox_events", "Events that are not delivered yet, by where they stand."),
                &["upstream", "state"],
            )?,
            oldest: GaugeVec::new(
                opts("outbox_oldest_timestamp_seconds", "When the oldest waiting event came."),
                &["upstream"],
            )?,
            money: GaugeVec::new(
                opts("outbox_money", "Credits that are not delivered yet, in major units."),
                &["currency", "state"],
            )?,
            bytes: IntGauge::new("outbox_bytes", "Bytes of the outbox.")?,
            disk_free: IntGauge::new("store_disk_free_bytes", "Free bytes where the store is.")?,
            ready: IntGauge::new("store_ready", "Whether the store takes events.")?,
        };
        registry.register(Box::new(metrics.handled.clone()))?;
        registry.register(Box::new(metrics.duplicates.clone()))?;
        registry.register(Box::new(metrics.equivocations.clone()))?;
        registry.register(Box::new(metrics.regressive.clone()))?;
        registry.register(Box::new(metrics.entries.clone()))?;
        registry.register(Box::new(metrics.oldest.clone()))?;
        registry.register(Box::new(metrics.money.clone()))?;
        registry.register(Box::new(metrics.bytes.clone()))?;
        registry.register(Box::new(metrics.disk_free.clone()))?;
        registry.register(Box::new(metrics.ready.clone()))?;
        Ok(metrics)
    }

    /// These are the upstreams and gateways: their series begin at zero, so that a first increase is
    /// seen as one, and the series of others vanish.
    pub fn published(&self, upstreams: &HashSet<&str>, gateways: &HashSet<&str>) {
        for upstream in upstreams {
            for handling in Handling::ALL {
                self.handled.with_label_values(&[upstream, handling.as_str()]);
            }
        }
        for gateway in gateways {
            self.duplicates.with_label_values(&[gateway, "delivery"]);
            self.duplicates.with_label_values(&[gateway, "credit"]);
            self.equivocations.with_label_values(&[gateway]);
            self.regressive.with_label_values(&[gateway]);
        }
        prune(&self.handled, |of| upstreams.contains(of["upstream"]));
        for vec in [&self.duplicates, &self.equivocations, &self.regressive] {
            prune(vec, |of| gateways.contains(of["gateway"]));
        }
    }

    /// A message of this upstream.
    pub fn handled(&self, upstream: &str, handling: Handling) {
        self.handled.with_label_values(&[upstream, handling.as_str()]).inc();
    }

    /// A repetition went nowhere.
    pub fn duplicate(&self, gateway: &str, by: &'static str) {
        self.duplicates.with_label_values(&[gateway, by]).inc();
    }

    /// A known id came with another content.
    pub fn equivocation(&self, gateway: &str) {
        self.equivocations.with_label_values(&[gateway]).inc();
    }

    /// An event told of a state left behind.
    pub fn regressive(&self, gateway: &str) {
        self.regressive.with_label_values(&[gateway]).inc();
    }

    /// What is in the outbox now.
    pub fn contents(&self, contents: &Contents) {
        for (upstream, state, count) in &contents.entries {
            let count = i64::try_from(*count).unwrap_or(i64::MAX);
            self.entries.with_label_values(&[upstream.as_str(), state]).set(count);
        }
        for (upstream, came) in &contents.oldest {
            self.oldest.with_label_values(&[upstream.as_str()]).set(seconds(*came));
        }
        for (state, Amount { value, currency }) in &contents.money {
            // For eyes and alerts only; the exact sum is in the API.
            let value = value.parse().unwrap_or(f64::NAN);
            self.money.with_label_values(&[currency.as_str(), state]).set(value);
        }
        self.bytes.set(i64::try_from(contents.bytes).unwrap_or(i64::MAX));
        // Afterwards, so that nobody who looks meanwhile misses one that is still there.
        let Contents { entries, oldest, money, bytes: _ } = contents;
        prune(&self.entries, |of| {
            entries.iter().any(|(upstream, state, _)| {
                of["upstream"] == upstream.as_str() && of["state"] == *state
            })
        });
        prune(&self.oldest, |of| {
            oldest.iter().any(|(upstream, _)| of["upstream"] == upstream.as_str())
        });
        prune(&self.money, |of| {
            money.iter().any(|(state, amount)| {
                of["state"] == *state && of["currency"] == amount.currency.as_str()
            })
        });
    }

    /// Whether the store takes events, and how much room its disk has.
    pub fn store(&self, ready: bool, disk_free: Option<u64>) {
        self.ready.set(i64::from(ready));
        if let Some(free) = disk_free {
            self.disk_free.set(i64::try_from(free).unwrap_or(i64::MAX));
        }
    }
}
