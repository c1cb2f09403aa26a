//! Reloads: one trigger, one attempt, one swap. A bad configuration leaves the good one in place.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::engine::inbound::UnixSeconds;
use crate::live::{Live, Snapshot};
use crate::metrics::Metrics;
use crate::server::Ingress;

/// Where snapshots come from. The daemon's is the loader of `live`; tests have their own.
pub trait Source: Send + 'static {
    /// Builds the configuration anew; may take seconds, and is given a thread for it. `None`:
    /// nothing has changed. `Err`: every problem, already worded for the operator; what is active
    /// stays. The generation is set by the caller.
    fn load(&mut self) -> Result<Option<Snapshot>, Vec<String>>;

    /// Begins to call `changed` whenever what this was loaded from may have changed, until the
    /// returned guard is dropped. `None`: only signals reload.
    fn watch(&self, changed: Box<dyn Fn() + Send + Sync>) -> Option<Box<dyn Any + Send>> {
        drop(changed);
        None
    }
}

/// How long to wait for the next change after one: editors and checkouts make several.
const SETTLE: Duration = Duration::from_millis(200);

/// How many changes are waited for, lest one that never ends keeps a good configuration out.
const SETTLES_MAX: usize = 10;

/// All that a reload needs.
pub(super) struct Reloading {
    pub(super) live: Arc<Live>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) ingress: Arc<Ingress>,
    pub(super) clock: fn() -> UnixSeconds,
    pub(super) source: Box<dyn Source>,
    /// Kept as long as this runs.
    pub(super) watching: Option<Box<dyn Any + Send>>,
}

impl Reloading {
    /// One attempt for each trigger, or burst of them.
    pub(super) async fn run(self, mut triggers: mpsc::Receiver<()>) {
        let Self { live, metrics, ingress, clock, mut source, watching } = self;
        while triggers.recv().await.is_some() {
            for _ in 0..SETTLES_MAX {
                if timeout(SETTLE, triggers.recv()).await.is_err() {
                    break;
                }
            }
            let attempt = spawn_blocking(move || {
                let loaded = source.load();
                (source, loaded)
            });
            let loaded;
            (source, loaded) = match attempt.await {
                Ok(done) => done,
                Err(error) => {
                    metrics.reload_failed();
                    tracing::error!(%error, "the loader has failed; no reload from now on");
                    break;
                }
            };
            match loaded {
                Ok(None) => {
                    // What is on disk is what is active: good again, if it was bad in between.
                    metrics.reloaded(live.load().generation, clock());
                    tracing::debug!("the configuration has not changed");
                }
                Ok(Some(mut snapshot)) => {
                    let generation = live.load().generation + 1;
                    snapshot.generation = generation;
                    live.publish(snapshot);
                    ingress.refresh();
                    metrics.reloaded(generation, clock());
                    tracing::info!(generation, "the configuration was reloaded");
                }
                Err(problems) => {
                    metrics.reload_failed();
                    for problem in problems {
                        tracing::error!(problem, "the configuration was not reloaded");
                    }
                }
            }
        }
        drop(watching);
    }
}
