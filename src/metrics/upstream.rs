//! What is counted of upstreams and of their addresses. Addresses come from the configuration and
//! from DNS, and there is a cap on how many are used.

use std::collections::HashSet;
use std::time::Duration;

use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry,
};

use super::labels::{Class, Retried};
use super::{BUCKETS, Held, prune};

/// Behind the name of an upstream in the label of what passes through to it.
const OF_SITE: &str = " (site)";

/// The families, for all upstreams.
#[derive(Clone)]
pub(super) struct UpstreamFamilies {
    answers: IntCounterVec,
    durations: HistogramVec,
    requests: IntCounterVec,
    busy: IntCounterVec,
    retries: IntCounterVec,
    addresses: IntGaugeVec,
    usable: IntGaugeVec,
    unused: IntGaugeVec,
    changes: IntCounterVec,
    dns_failures: IntCounterVec,
    connections: IntGaugeVec,
}

impl UpstreamFamilies {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counter = |name, help, labels: &[&str]| -> Result<_, prometheus::Error> {
            let family = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(family.clone()))?;
            Ok(family)
        };
        let gauge = |name, help, labels: &[&str]| -> Result<_, prometheus::Error> {
            let family = IntGaugeVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(family.clone()))?;
            Ok(family)
        };
        let durations = HistogramVec::new(
            HistogramOpts::new(
                "upstream_duration_seconds",
                "Time until an upstream has begun to answer, or failed.",
            )
            .buckets(BUCKETS.to_vec()),
            &["upstream"],
        )?;
        registry.register(Box::new(durations.clone()))?;
        Ok(Self {
            durations,
            answers: counter(
                "upstream_responses_total",
                "Requests to upstreams by class of the answer.",
                &["upstream", "class"],
            )?,
            requests: counter(
                "upstream_requests_total",
                "Attempts at an address of an upstream by class of the answer.",
                &["upstream", "address", "class"],
            )?,
            busy: counter(
                "upstream_busy_total",
                "Requests not sent because as many as are allowed were under way.",
                &["upstream"],
            )?,
            retries: counter(
                "upstream_retries_total",
                "Attempts made again, by what became of the one before.",
                &["upstream", "reason"],
            )?,
            addresses: gauge(
                "upstream_addresses",
                "Addresses of an upstream that are in use.",
                &["upstream"],
            )?,
            usable: gauge(
                "upstream_addresses_usable",
                "Addresses of an upstream that are well; with none of them well, all are tried.",
                &["upstream"],
            )?,
            unused: gauge(
                "upstream_addresses_unused",
                "Addresses of an upstream that are left out because there are too many.",
                &["upstream"],
            )?,
            changes: counter(
                "upstream_health_changes_total",
                "Times that an address of an upstream was taken out or came back.",
                &["upstream", "address", "to"],
            )?,
            dns_failures: counter(
                "upstream_dns_failures_total",
                "Names of upstreams that were looked up in vain.",
                &["upstream"],
            )?,
            connections: gauge(
                "upstream_connections",
                "Connections to an upstream: all that are open, and those that are idle.",
                &["upstream", "state"],
            )?,
        })
    }

    /// The series of other upstreams vanish, but for those of the site.
    pub(super) fn retain(&self, upstreams: &HashSet<&str>) {
        self.keep(|upstream| upstream.ends_with(OF_SITE) || upstreams.contains(upstream));
    }

    /// Of the series of the site those of other upstreams vanish.
    pub(super) fn retain_of_site(&self, upstreams: &HashSet<&str>) {
        self.keep(|upstream| {
            upstream.strip_suffix(OF_SITE).is_none_or(|upstream| upstreams.contains(upstream))
        });
    }

    fn keep(&self, wanted: impl Fn(&str) -> bool) {
        for family in [
            &self.answers,
            &self.requests,
            &self.busy,
            &self.retries,
            &self.changes,
            &self.dns_failures,
        ] {
            prune(family, |of| wanted(of["upstream"]));
        }
        for family in [&self.addresses, &self.usable, &self.unused, &self.connections] {
            prune(family, |of| wanted(of["upstream"]));
        }
        prune(&self.durations, |of| wanted(of["upstream"]));
    }

    /// What visitors of the site have of an upstream is counted beside what events have of it.
    pub(super) fn of_site(&self, upstream: &str) -> UpstreamMetrics {
        self.upstream(&format!("{upstream}{OF_SITE}"))
    }

    pub(super) fn upstream(&self, upstream: &str) -> UpstreamMetrics {
        let only = [upstream];
        let state = |state| self.connections.with_label_values(&[upstream, state]);
        UpstreamMetrics {
            upstream: upstream.to_owned(),
            classes: Class::ALL
                .map(|class| self.answers.with_label_values(&[upstream, class.as_str()])),
            duration: self.durations.with_label_values(&only),
            busy: self.busy.with_label_values(&only),
            retries: Retried::ALL
                .map(|reason| self.retries.with_label_values(&[upstream, reason.as_str()])),
            addresses: self.addresses.with_label_values(&only),
            usable: self.usable.with_label_values(&only),
            unused: self.unused.with_label_values(&only),
            dns_failures: self.dns_failures.with_label_values(&only),
            open: state("open"),
            idle: state("idle"),
            families: self.clone(),
        }
    }
}

/// The counters of one upstream.
pub struct UpstreamMetrics {
    upstream: String,
    classes: [IntCounter; 7],
    duration: Histogram,
    busy: IntCounter,
    retries: [IntCounter; 3],
    addresses: IntGauge,
    usable: IntGauge,
    unused: IntGauge,
    dns_failures: IntCounter,
    open: IntGauge,
    idle: IntGauge,
    families: UpstreamFamilies,
}

impl UpstreamMetrics {
    /// It answered, or failed to, after that long.
    pub fn answered(&self, class: Class, time: Duration) {
        self.classes[class as usize].inc();
        self.duration.observe(time.as_secs_f64());
    }

    /// A request was not sent because as many as are allowed were under way.
    pub fn busy(&self) {
        self.busy.inc();
    }

    /// A request is sent again.
    pub fn retried(&self, reason: Retried) {
        self.retries[reason as usize].inc();
    }

    /// How many addresses it has, and how many more are not used.
    pub fn addresses(&self, used: usize, unused: usize) {
        self.addresses.set(count(used));
        self.unused.set(count(unused));
    }

    /// How many of its addresses are well.
    pub fn usable(&self, usable: usize) {
        self.usable.set(count(usable));
    }

    /// A name was looked up in vain.
    pub fn dns_failed(&self) {
        self.dns_failures.inc();
    }

    /// A connection is open until the guard is dropped.
    pub fn connection_opened(&self) -> Held {
        Held::new(&self.open)
    }

    /// A connection is idle until the guard is dropped.
    pub fn connection_idle(&self) -> Held {
        Held::new(&self.idle)
    }

    /// Its name.
    pub fn upstream(&self) -> &str {
        &self.upstream
    }

    /// The counters of one of its addresses.
    pub fn address(&self, address: &str) -> AddressMetrics {
        let labels = |last| [self.upstream.as_str(), address, last];
        AddressMetrics {
            classes: Class::ALL
                .map(|class| self.families.requests.with_label_values(&labels(class.as_str()))),
            up: self.families.changes.with_label_values(&labels("up")),
            down: self.families.changes.with_label_values(&labels("down")),
        }
    }

    /// These are its addresses now: the series of others vanish.
    pub fn retain(&self, addresses: &HashSet<&str>) {
        for family in [&self.families.requests, &self.families.changes] {
            prune(family, |of| {
                of["upstream"] != self.upstream || addresses.contains(of["address"])
            });
        }
    }
}

/// The counters of one address of an upstream.
pub struct AddressMetrics {
    classes: [IntCounter; 7],
    up: IntCounter,
    down: IntCounter,
}

impl AddressMetrics {
    /// It was asked, and answered or failed so.
    pub fn answered(&self, class: Class) {
        self.classes[class as usize].inc();
    }

    /// It is well again.
    pub fn up(&self) {
        self.up.inc();
    }

    /// It gets no requests for a while.
    pub fn down(&self) {
        self.down.inc();
    }
}

fn count(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
