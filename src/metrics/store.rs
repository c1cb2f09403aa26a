//! What is counted of the store.

use std::time::Duration;

use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry,
};

use super::BUCKETS;

/// Operations of one commit: powers of two up to as many as are ever taken together.
const TOGETHER: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

/// The families of the store.
#[derive(Clone)]
pub struct StoreMetrics {
    synced: Histogram,
    unsynced: Histogram,
    operations: Histogram,
    waiting: IntGauge,
    failures: IntCounterVec,
    corrupt: IntCounter,
    salvaged: IntCounterVec,
}

impl StoreMetrics {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let commits = HistogramVec::new(
            HistogramOpts::new("store_commit_seconds", "Time of a commit, by whether it synced.")
                .buckets(BUCKETS.to_vec()),
            &["synced"],
        )?;
        let metrics = Self {
            synced: commits.with_label_values(&["true"]),
            unsynced: commits.with_label_values(&["false"]),
            operations: Histogram::with_opts(
                HistogramOpts::new("store_commit_operations", "Operations that shared a commit.")
                    .buckets(TOGETHER.to_vec()),
            )?,
            waiting: IntGauge::new(
                "store_operations_taken",
                "Operations that the writer found waiting when it last looked.",
            )?,
            failures: IntCounterVec::new(
                Opts::new("store_failures_total", "Operations that the store did not do, by why."),
                &["error"],
            )?,
            corrupt: IntCounter::new(
                "store_corrupt_total",
                "Damaged files that were set aside and replaced.",
            )?,
            salvaged: IntCounterVec::new(
                Opts::new(
                    "store_salvaged_entries_total",
                    "Entries of damaged files by whether they were carried over.",
                ),
                &["result"],
            )?,
        };
        // They begin at zero, so that a first increase is seen as one.
        for error in ["busy", "closed", "corrupt", "disk_error", "full"] {
            metrics.failures.with_label_values(&[error]);
        }
        metrics.salvaged(0, 0);
        registry.register(Box::new(commits))?;
        registry.register(Box::new(metrics.operations.clone()))?;
        registry.register(Box::new(metrics.waiting.clone()))?;
        registry.register(Box::new(metrics.failures.clone()))?;
        registry.register(Box::new(metrics.corrupt.clone()))?;
        registry.register(Box::new(metrics.salvaged.clone()))?;
        Ok(metrics)
    }

    /// So many operations were committed together, and it took that long.
    pub fn committed(&self, operations: usize, synced: bool, time: Duration) {
        let seconds = if synced { &self.synced } else { &self.unsynced };
        seconds.observe(time.as_secs_f64());
        self.operations.observe(f64::from(u32::try_from(operations).unwrap_or(u32::MAX)));
    }

    /// So many operations were waiting when the writer looked.
    pub fn queued(&self, operations: usize) {
        self.waiting.set(i64::try_from(operations).unwrap_or(i64::MAX));
    }

    /// An operation was not done. `error` is a word of a closed list.
    pub fn failed(&self, error: &'static str) {
        self.failures.with_label_values(&[error]).inc();
    }

    /// A damaged file was set aside.
    pub fn corrupt(&self) {
        self.corrupt.inc();
    }

    /// So much of a damaged file was carried over, and so much could not be read.
    pub fn salvaged(&self, kept: u64, lost: u64) {
        self.salvaged.with_label_values(&["kept"]).inc_by(kept);
        self.salvaged.with_label_values(&["lost"]).inc_by(lost);
    }

    /// Commits so far that synced, their seconds, and operations of all commits.
    pub fn synced(&self) -> (u64, f64, f64) {
        let synced = &self.synced;
        (synced.get_sample_count(), synced.get_sample_sum(), self.operations.get_sample_sum())
    }

    /// Commits so far that did not sync.
    pub fn unsynced(&self) -> u64 {
        self.unsynced.get_sample_count()
    }
}
