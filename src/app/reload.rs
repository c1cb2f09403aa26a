//! Reloads: one trigger, one attempt, one swap. A bad configuration leaves the good one in place.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::admin::api::Rules;
use crate::engine::inbound::UnixSeconds;
use crate::live::loader::{Failure, Loaded, Loader, Report};
use crate::live::{Live, Snapshot};
use crate::metrics::Metrics;
use crate::server::Ingress;

/// Where snapshots come from: the [`Loader`]; tests may have their own.
pub trait Source: Send + 'static {
    /// Builds the configuration anew; may take seconds, and is given a thread for it. `Err`: every
    /// problem, already worded for the operator; what is active stays. The generation is set by the
    /// caller.
    fn load(&mut self) -> Result<Reloaded, Vec<String>>;

    /// Begins to call `changed` whenever what this was loaded from may have changed, until the
    /// returned guard is dropped. `None`: only signals reload.
    fn watch(&self, changed: Box<dyn Fn() + Send + Sync>) -> Option<Box<dyn Any + Send>> {
        drop(changed);
        None
    }

    /// Builds a snapshot of what is there when it is called, to be looked at and not published.
    fn rules(&self) -> Rules {
        no_rules()
    }
}

/// Of a daemon that was given its snapshot.
pub(super) fn no_rules() -> Rules {
    Arc::new(|| Err(vec!["there is no configuration on disk".to_owned()]))
}

/// A new snapshot, and what was left as it was because it is broken.
pub struct Reloaded {
    /// To be published.
    pub snapshot: Snapshot,
    /// Not empty: the reload has failed in part (the rule of one gateway stays as it was).
    pub problems: Vec<String>,
}

impl Source for Loader {
    fn load(&mut self) -> Result<Reloaded, Vec<String>> {
        let render = |reports: Vec<Report>| reports.iter().map(Report::render).collect();
        match Self::load(self) {
            Ok(Loaded { boot: _, store: _, snapshot, reports }) => {
                Ok(Reloaded { snapshot, problems: render(reports) })
            }
            Err(Failure { reports }) => Err(render(reports)),
        }
    }

    fn rules(&self) -> Rules {
        Arc::new(self.on_disk())
    }

    fn watch(&self, changed: Box<dyn Fn() + Send + Sync>) -> Option<Box<dyn Any + Send>> {
        match Self::watch(self, changed) {
            Ok(watch) => Some(Box::new(watch)),
            Err(error) => {
                tracing::error!(%error, "files are not watched; SIGHUP still reloads");
                None
            }
        }
    }
}

/// How long to wait for the next change after one: editors and checkouts make several.
const SETTLE: Duration = Duration::from_millis(200);

/// How many changes are waited for, lest one that never ends keeps a good configuration out.
const SETTLES_MAX: usize = 10;

/// Asks for reloads, and hears what has been tried.
pub(super) struct Asker {
    trigger: mpsc::Sender<()>,
    asked: Arc<AtomicU64>,
    tried: watch::Receiver<u64>,
}

/// The other end of an [`Asker`].
pub(super) struct Attempts {
    asked: Arc<AtomicU64>,
    tried: watch::Sender<u64>,
}

/// Both ends.
pub(super) fn asker(trigger: mpsc::Sender<()>) -> (Asker, Attempts) {
    let (asked, (sender, tried)) = (Arc::<AtomicU64>::default(), watch::channel(0));
    let attempts = Attempts { asked: Arc::clone(&asked), tried: sender };
    (Asker { trigger, asked, tried }, attempts)
}

impl Asker {
    /// Asks. Resolves when an attempt that began later has ended, or nobody is there to make one.
    pub(super) fn ask(&self) -> impl Future<Output = ()> + Send + use<> {
        let number = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        // A full channel holds a trigger already; a closed one has no source behind it.
        self.trigger.try_send(()).ok();
        let mut tried = self.tried.clone();
        async move {
            tried.wait_for(|tried| *tried >= number).await.ok();
        }
    }
}

/// All that a reload needs.
pub(super) struct Reloading {
    pub(super) live: Arc<Live>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) ingress: Arc<Ingress>,
    pub(super) clock: fn() -> UnixSeconds,
    pub(super) source: Box<dyn Source>,
    /// Kept as long as this runs.
    pub(super) watching: Option<Box<dyn Any + Send>>,
    pub(super) attempts: Attempts,
}

impl Reloading {
    /// One attempt for each trigger, or burst of them.
    pub(super) async fn run(self, mut triggers: mpsc::Receiver<()>) {
        let Self { live, metrics, ingress, clock, mut source, watching, attempts } = self;
        while triggers.recv().await.is_some() {
            for _ in 0..SETTLES_MAX {
                if timeout(SETTLE, triggers.recv()).await.is_err() {
                    break;
                }
            }
            let number = attempts.asked.load(Ordering::SeqCst);
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
                Ok(Reloaded { mut snapshot, problems }) => {
                    let generation = live.load().generation + 1;
                    snapshot.generation = generation;
                    name_what_is_out(&snapshot, clock());
                    live.publish(snapshot);
                    ingress.refresh();
                    if problems.is_empty() {
                        metrics.reloaded(generation, clock());
                        tracing::info!(generation, "the configuration was reloaded");
                    } else {
                        metrics.reloaded_in_part(generation);
                        for problem in problems {
                            tracing::error!(generation, problem, "a part was not reloaded");
                        }
                    }
                }
                Err(problems) => {
                    metrics.reload_failed();
                    for problem in problems {
                        tracing::error!(problem, "the configuration was not reloaded");
                    }
                }
            }
            attempts.tried.send_replace(number);
        }
        drop(watching);
    }
}

/// Routes that answer 503, and why; certificates that clients will not believe; and what is hardly
/// meant.
pub(super) fn name_what_is_out(snapshot: &Snapshot, now: UnixSeconds) {
    for warning in &snapshot.warnings {
        tracing::warn!(warning, "the configuration is hardly meant so");
    }
    for pair in snapshot.tls.iter().flat_map(|tls| tls.pairs()) {
        if pair.expires_at() < now {
            tracing::error!(name = pair.name(), "a certificate that is shown has ended");
        }
    }
    for route in snapshot.routes.values() {
        for reason in route.bound.as_ref().err().into_iter().flatten() {
            tracing::warn!(route = route.name, reason, "a route is out of service");
        }
    }
}
