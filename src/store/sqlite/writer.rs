//! The one thread that writes. It takes what has come and does it in one transaction. What must be on
//! disk before it is answered goes to the thread that syncs ([`super::log`]): the more wait for that,
//! the fewer syncs for each.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::checkpoint::Checkpoint;
use super::fault::Fault;
use super::files;
use super::job::Job;
use super::ledger::{Before, Ledger};
use super::log::{Commit, Log, Syncer};
use super::shared::Shared;
use super::{salvage, schema};
use crate::engine::inbound::UnixSeconds;
use crate::metrics::StoreMetrics;
use crate::store::StoreError;
use crate::store::folder::free_bytes;

/// Jobs of one transaction, at most.
pub(super) const TOGETHER_MAX: usize = 512;

/// How often it is tried again after a fault, and looked whether the file is still there.
const TICK: Duration = Duration::from_secs(1);

/// What must be free on a disk that was full before deposits are taken again.
const FREE_BYTES_MIN: u64 = 4 << 20;

pub(super) struct Writer {
    pub(super) path: PathBuf,
    pub(super) bytes_max: u64,
    pub(super) waiting_max: u64,
    pub(super) shared: Arc<Shared>,
    pub(super) metrics: StoreMetrics,
    /// `None` after a fault.
    open: Option<Open>,
    before: Option<Before>,
    /// What is wrong, while it is.
    trouble: Option<StoreError>,
    looked: Instant,
    /// The latest that anybody said.
    now: UnixSeconds,
    checkpoint: Checkpoint,
    syncer: Syncer,
}

/// Says that the store is closed when the writer ends, also where it ends by a panic: whoever asks
/// then is refused, and nobody takes it for well.
struct Closing(Arc<Shared>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.set_health(Some(StoreError::Closed));
    }
}

/// The file, open.
struct Open {
    ledger: Ledger,
    log: Arc<Log>,
}

impl Writer {
    /// Opens the file; one that is damaged is set aside.
    pub(super) fn open(
        path: PathBuf,
        (bytes_max, waiting_max): (u64, u64),
        now: UnixSeconds,
        shared: Arc<Shared>,
        metrics: StoreMetrics,
    ) -> Result<Self, StoreError> {
        let checkpoint = Checkpoint::new(&path, &shared);
        let syncer = Syncer::start(Arc::clone(&shared), metrics.clone())?;
        let mut writer = Self {
            path,
            bytes_max,
            waiting_max,
            shared,
            metrics,
            open: None,
            before: None,
            trouble: None,
            looked: Instant::now(),
            now,
            checkpoint,
            syncer,
        };
        if let Err(fault) = writer.reopen() {
            let is_damaged = fault.error == StoreError::Corrupt;
            let error = fault.error;
            writer.failed(&fault);
            if !is_damaged || writer.open.is_none() {
                return Err(error);
            }
        }
        Ok(writer)
    }

    /// Until nobody can ask any more.
    pub(super) fn run(mut self, jobs: &Receiver<Box<dyn Job>>) {
        let closing = Closing(Arc::clone(&self.shared));
        while !self.syncer.is_over() {
            match jobs.recv_timeout(TICK) {
                Ok(job) => {
                    if self.looked.elapsed() >= TICK {
                        self.look();
                    }
                    self.answer(job, jobs);
                }
                Err(RecvTimeoutError::Timeout) => self.look(),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        // All are answered before the file is closed, and it is closed here last.
        drop(self.syncer);
        drop(self.checkpoint);
        drop(closing);
    }

    /// Does this and what else has come in one transaction.
    fn answer(&mut self, first: Box<dyn Job>, others: &Receiver<Box<dyn Job>>) {
        let mut group = Group::begin();
        let done = self.transact(&mut group, first, others);
        if let Some(now) = group.jobs.iter().filter_map(|(job, _)| job.now()).max() {
            self.now = now;
        }
        self.metrics.queued(group.jobs.len() + group.refused.len());
        let done = done.map_err(|fault| {
            self.failed(&fault);
            fault.error
        });
        self.tell();
        let Group { begun, jobs, must_sync: _, refused } = group;
        self.refuse(refused, StoreError::Full);
        match done {
            Ok(log) => {
                let (hard, soft): (Vec<_>, Vec<_>) =
                    jobs.into_iter().partition(|(_, must_sync)| *must_sync);
                if !soft.is_empty() {
                    self.metrics.committed(soft.len(), false, begun.elapsed());
                    for (job, _) in soft {
                        job.answer(Ok(()));
                    }
                }
                if !hard.is_empty() {
                    let jobs = hard.into_iter().map(|(job, _)| job).collect();
                    self.syncer.sync(Commit { jobs, begun, log });
                }
            }
            Err(error) => self.refuse(jobs.into_iter().map(|(job, _)| job).collect(), error),
        }
        if let Some(Open { ledger, .. }) = &self.open
            && let Err(fault) = self.checkpoint.step(&ledger.conn)
        {
            self.failed(&fault);
        }
    }

    /// Says which log must be synced for those who need that.
    fn transact(
        &mut self,
        group: &mut Group,
        first: Box<dyn Job>,
        others: &Receiver<Box<dyn Job>>,
    ) -> Result<Arc<Log>, Fault> {
        let is_full = self.trouble == Some(StoreError::Full);
        let Some(Open { ledger, log }) = &mut self.open else {
            group.jobs.push((first, false));
            return Err(Fault::new(self.trouble.unwrap_or(StoreError::Closed), "no file is open"));
        };
        let done = log.sound().and_then(|()| ledger.begin());
        let mut first = Some(first);
        let done = done.and_then(|()| {
            // While what was committed before is being synced there is no hurry to commit more.
            loop {
                let waits = group.must_sync && !self.syncer.is_idle();
                let most = if waits { TOGETHER_MAX } else { TOGETHER_MAX / 4 };
                if group.jobs.len() >= most {
                    break;
                }
                match first.take().or_else(|| others.try_recv().ok()) {
                    Some(job) => group.run(job, is_full, ledger)?,
                    None if waits => self.syncer.wait(),
                    None => break,
                }
            }
            ledger.commit()
        });
        match done {
            Ok(()) => {
                ledger.keep();
                Ok(Arc::clone(log))
            }
            Err(fault) => {
                group.jobs.extend(first.map(|job| (job, false)));
                ledger.undo();
                // It may be over already; and the connection is closed after most faults.
                drop(ledger.conn.execute_batch("ROLLBACK"));
                Err(fault)
            }
        }
    }

    fn refuse(&self, jobs: Vec<Box<dyn Job>>, error: StoreError) {
        for job in jobs {
            self.metrics.failed(error.as_str());
            job.answer(Err(error));
        }
    }

    /// Says how it is; before anybody is answered, so that nobody finds it otherwise.
    fn tell(&self) {
        let Some(Open { ledger, log }) = &self.open else {
            return self.shared.set_health(self.trouble);
        };
        let full = ledger.is_full().then_some(StoreError::Full);
        self.shared.set_health(self.trouble.or(full));
        // In this order: the other thread says first that it failed, and then how it is.
        if let Err(fault) = log.sound() {
            self.shared.set_health(Some(fault.error));
        }
    }

    /// Once in a while: is all well, or well again?
    fn look(&mut self) {
        self.looked = Instant::now();
        let found = match &mut self.open {
            None => self.reopen(),
            Some(Open { ledger, log }) if self.trouble == Some(StoreError::Full) => {
                // Where nobody knows, the next deposit will tell.
                match free_bytes(files::folder(&self.path)) {
                    Some(free) if free < FREE_BYTES_MIN => return,
                    _ => ledger.touch().and_then(|()| log.sync()),
                }
            }
            Some(Open { ledger, log }) => {
                let reported = self.shared.take_fault().map_or(Ok(()), Err);
                reported
                    .and_then(|()| log.sound())
                    .and_then(|()| ledger.room.measure(&ledger.conn))
                    .and_then(|()| self.shared.is_in_place(&self.path))
            }
        };
        match found {
            Ok(()) => {
                if let Some(trouble) = self.trouble.take() {
                    tracing::info!(was = trouble.as_str(), "the store is well again");
                }
                self.tell();
            }
            Err(fault) => self.failed(&fault),
        }
    }

    /// Something did not go as it must. What was begun has been undone.
    fn failed(&mut self, fault: &Fault) {
        if self.trouble != Some(fault.error) {
            let (what, why) = (fault.error.as_str(), &fault.text);
            tracing::error!(fault = what, error = %why, "the store failed");
        }
        self.trouble = Some(fault.error);
        self.shared.set_health(self.trouble);
        if fault.error == StoreError::Full
            && let Some(Open { ledger, .. }) = &self.open
        {
            // What the log takes beyond what it needs is room.
            drop(truncate_log(ledger));
            return;
        }
        if let Some(Open { ledger, .. }) = self.open.take() {
            self.before = Some(ledger.close());
        }
        if fault.error == StoreError::Corrupt {
            self.begin_anew();
        }
    }

    fn begin_anew(&mut self) {
        self.metrics.corrupt();
        let salvaged = salvage::run(&self.path, self.bytes_max, self.now);
        // The others must let go of the old file.
        self.shared.replaced();
        let opened = salvaged.and_then(|salvaged| {
            self.metrics.salvaged(salvaged.kept, salvaged.lost);
            let salvage::Salvaged { kept, lost, aside } = salvaged;
            let aside = aside.display();
            tracing::error!(kept, lost, %aside, "the store was damaged: set aside, a new one begun");
            self.reopen()
        });
        match opened {
            Ok(()) => {
                self.trouble = None;
                self.shared.set_health(None);
            }
            Err(fault) => {
                tracing::error!(error = %fault.text, "a new store cannot be begun");
                self.trouble = Some(StoreError::Disk);
                self.shared.set_health(self.trouble);
            }
        }
    }

    /// Opens the file again. After a sync that failed nothing is believed that was not written to the
    /// file itself and synced there.
    fn reopen(&mut self) -> Result<(), Fault> {
        salvage::finish(&self.path)?;
        let conn = schema::writer(&self.path, self.bytes_max)?;
        conn.execute_batch("BEGIN IMMEDIATE")?;
        let mut ledger = Ledger::load(conn, self.before.as_ref(), self.waiting_max, self.now)?;
        ledger.touch()?;
        ledger.conn.execute_batch("COMMIT")?;
        ledger.keep();
        truncate_log(&ledger)?;
        let log = Log::open(&self.path)?;
        self.shared.opened(&self.path)?;
        self.before = None;
        self.open = Some(Open { ledger, log });
        Ok(())
    }
}

/// Jobs that share a transaction.
struct Group {
    begun: Instant,
    /// And whether the log must be synced before they are answered.
    jobs: Vec<(Box<dyn Job>, bool)>,
    /// Whether it must be for one of them.
    must_sync: bool,
    /// Unseen: the disk is full.
    refused: Vec<Box<dyn Job>>,
}

impl Group {
    fn begin() -> Self {
        let jobs = Vec::with_capacity(TOGETHER_MAX);
        Self { begun: Instant::now(), jobs, must_sync: false, refused: Vec::new() }
    }

    fn run(
        &mut self,
        mut job: Box<dyn Job>,
        is_full: bool,
        ledger: &mut Ledger,
    ) -> Result<(), Fault> {
        if is_full && job.is_intake() {
            self.refused.push(job);
            return Ok(());
        }
        ledger.must_sync = false;
        let done = job.run(ledger);
        self.jobs.push((job, ledger.must_sync));
        self.must_sync |= ledger.must_sync;
        done
    }
}

/// Writes the log into the file, syncs that, and empties the log.
fn truncate_log(ledger: &Ledger) -> Result<(), Fault> {
    let busy: bool =
        ledger.conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    if busy {
        return Err(Fault::new(StoreError::Disk, "the log is still being read"));
    }
    Ok(())
}
