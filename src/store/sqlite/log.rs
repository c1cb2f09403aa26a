//! Has the disk keep what was committed, and answers only then.
//!
//! A thread of its own, so that the writer makes the next transaction meanwhile. `SQLite` would sync
//! its log within each commit (`synchronous` FULL); it is told not to (NORMAL), and the same sync is
//! made here. What it does by itself under NORMAL is enough for the file: the log is synced before
//! any of it is taken over, and the file before the log starts anew.

use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SendError, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use super::fault::Fault;
use super::files::beside;
use super::job::Job;
use super::shared::Shared;
use crate::metrics::StoreMetrics;
use crate::store::StoreError;

/// The log of a file that is open.
pub(super) struct Log {
    file: File,
    /// A sync has failed. The system may have forgotten what it could not write, and say of the next
    /// sync that it went well: nothing is believed of this log any more.
    failed: AtomicBool,
}

impl Log {
    /// Of the file at this path, which is open.
    pub(super) fn open(path: &Path) -> Result<Arc<Self>, Fault> {
        let file = File::open(beside(path, "-wal"))?;
        Ok(Arc::new(Self { file, failed: AtomicBool::new(false) }))
    }

    /// Whether all that was ever committed to it can still be believed to be there.
    pub(super) fn sound(&self) -> Result<(), Fault> {
        if self.failed.load(Ordering::SeqCst) {
            return Err(Fault::new(StoreError::Disk, "the log could not be synced"));
        }
        Ok(())
    }

    /// Everything that was committed before is on disk.
    pub(super) fn sync(&self) -> Result<(), Fault> {
        self.sound()?;
        self.file.sync_data().map_err(|error| {
            self.failed.store(true, Ordering::SeqCst);
            // Also where the disk is full: what is in the log now is lost.
            Fault::new(StoreError::Disk, format!("the log could not be synced: {error}"))
        })
    }
}

/// What was committed together.
pub(super) struct Commit {
    pub(super) jobs: Vec<Box<dyn Job>>,
    /// When the writer took it.
    pub(super) begun: Instant,
    pub(super) log: Arc<Log>,
}

/// The thread that syncs. It ends with this, when all have been answered.
pub(super) struct Syncer {
    commits: Option<SyncSender<(Commit, Pending)>>,
    thread: Option<JoinHandle<()>>,
    busy: Arc<Busy>,
}

/// How many commits are being synced or wait for it.
#[derive(Default)]
struct Busy {
    commits: Mutex<usize>,
    over: Condvar,
}

impl Busy {
    /// Nothing is left half done under it.
    fn lock(&self) -> MutexGuard<'_, usize> {
        self.commits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of those. Over when it goes, also where the thread panics: nobody waits for what will not be.
struct Pending(Arc<Busy>);

impl Pending {
    fn begin(busy: &Arc<Busy>) -> Self {
        *busy.lock() += 1;
        Self(Arc::clone(busy))
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        *self.0.lock() -= 1;
        self.0.over.notify_all();
    }
}

impl Syncer {
    pub(super) fn start(shared: Arc<Shared>, metrics: StoreMetrics) -> Result<Self, StoreError> {
        let (commits, committed) = sync_channel(1);
        let thread = thread::Builder::new().name("outbox-sync".to_owned());
        let thread = thread.spawn(move || run(&committed, &shared, &metrics));
        let thread = thread.map_err(|_| StoreError::Disk)?;
        Ok(Self { commits: Some(commits), thread: Some(thread), busy: Arc::default() })
    }

    /// Whether the thread has panicked: nothing is synced any more.
    pub(super) fn is_over(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Whether a commit would be synced at once.
    pub(super) fn is_idle(&self) -> bool {
        *self.busy.lock() == 0
    }

    /// Until it is idle.
    pub(super) fn wait(&self) {
        let commits = self.busy.lock();
        drop(self.busy.over.wait_while(commits, |commits| *commits > 0));
    }

    /// Syncs it and answers.
    pub(super) fn sync(&self, commit: Commit) {
        let commits = self.commits.as_ref().expect("it is there until this ends");
        if let Err(SendError((lost, _))) = commits.send((commit, Pending::begin(&self.busy))) {
            // The thread has panicked. Nobody is told that anything was kept.
            for job in lost.jobs {
                job.answer(Err(StoreError::Closed));
            }
        }
    }
}

impl Drop for Syncer {
    fn drop(&mut self) {
        self.commits = None;
        if let Some(thread) = self.thread.take() {
            // A panic has been printed where it happened.
            drop(thread.join());
        }
    }
}

fn run(committed: &Receiver<(Commit, Pending)>, shared: &Shared, metrics: &StoreMetrics) {
    while let Ok((Commit { jobs, begun, log }, pending)) = committed.recv() {
        let synced = log.sync().map_err(|fault| {
            // Before anybody is answered, so that nobody finds it otherwise. The writer comes across
            // it by itself.
            shared.set_health(Some(fault.error));
            shared.report(fault.clone());
            fault.error
        });
        drop(pending);
        match synced {
            Ok(()) => metrics.committed(jobs.len(), true, begun.elapsed()),
            Err(error) => jobs.iter().for_each(|_| metrics.failed(error.as_str())),
        }
        for job in jobs {
            job.answer(synced);
        }
    }
}
