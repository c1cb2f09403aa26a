//! The one thread that writes. It takes what has come, does it in one transaction, and answers once
//! that is on disk: the more wait, the fewer syncs for each.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::checkpoint::Checkpoint;
use super::fault::Fault;
use super::files;
use super::job::{Job, Kind};
use super::ledger::{Before, Ledger};
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
    ledger: Option<Ledger>,
    before: Option<Before>,
    /// What is wrong, while it is.
    trouble: Option<StoreError>,
    looked: Instant,
    /// The latest that anybody said.
    now: UnixSeconds,
    /// Whether the connection syncs with every commit.
    syncs: bool,
    checkpoint: Checkpoint,
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
        let mut writer = Self {
            path,
            bytes_max,
            waiting_max,
            shared,
            metrics,
            ledger: None,
            before: None,
            trouble: None,
            looked: Instant::now(),
            now,
            syncs: true,
            checkpoint,
        };
        if let Err(fault) = writer.reopen() {
            let is_damaged = fault.error == StoreError::Corrupt;
            let error = fault.error;
            writer.failed(&fault);
            if !is_damaged || writer.ledger.is_none() {
                return Err(error);
            }
        }
        Ok(writer)
    }

    /// Until nobody can ask any more.
    pub(super) fn run(mut self, jobs: &Receiver<Box<dyn Job>>) {
        loop {
            match jobs.recv_timeout(TICK) {
                Ok(job) => {
                    let mut batch = vec![job];
                    batch.extend(jobs.try_iter().take(TOGETHER_MAX - 1));
                    self.metrics.queued(batch.len());
                    if self.looked.elapsed() >= TICK {
                        self.look();
                    }
                    self.answer(batch);
                }
                Err(RecvTimeoutError::Timeout) => self.look(),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.shared.set_health(Some(StoreError::Closed));
    }

    fn answer(&mut self, batch: Vec<Box<dyn Job>>) {
        if let Some(now) = batch.iter().filter_map(|job| job.now()).max() {
            self.now = now;
        }
        let full = self.trouble == Some(StoreError::Full);
        let (refused, mut taken): (Vec<_>, Vec<_>) = batch
            .into_iter()
            .partition(|job| full && matches!(job.kind(), Kind::Deposit | Kind::Pass));
        let committed = match &mut self.ledger {
            None => Err(self.trouble.unwrap_or(StoreError::Closed)),
            Some(ledger) => {
                let begun = Instant::now();
                let done = transact(ledger, &mut self.syncs, &mut taken);
                if let Ok(synced) = done {
                    self.metrics.committed(taken.len(), synced, begun.elapsed());
                }
                done.map(drop).map_err(|fault| {
                    self.failed(&fault);
                    fault.error
                })
            }
        };
        self.tell();
        for job in refused {
            self.metrics.failed(StoreError::Full.as_str());
            job.answer(Err(StoreError::Full));
        }
        for job in taken {
            if let Err(error) = committed {
                self.metrics.failed(error.as_str());
            }
            job.answer(committed);
        }
        if let Some(ledger) = &self.ledger
            && let Err(fault) = self.checkpoint.step(&ledger.conn)
        {
            self.failed(&fault);
        }
    }

    /// Says how it is; before anybody is answered, so that nobody finds it otherwise.
    fn tell(&self) {
        let full = self.ledger.as_ref().is_some_and(Ledger::is_full).then_some(StoreError::Full);
        self.shared.set_health(self.trouble.or(full));
    }

    /// Once in a while: is all well, or well again?
    fn look(&mut self) {
        self.looked = Instant::now();
        let found = match &mut self.ledger {
            None => self.reopen(),
            Some(ledger) if self.trouble == Some(StoreError::Full) => {
                // Where nobody knows, the next deposit will tell.
                match free_bytes(files::folder(&self.path)) {
                    Some(free) if free < FREE_BYTES_MIN => return,
                    _ => probe(ledger, &mut self.syncs),
                }
            }
            Some(ledger) => {
                let reported = self.shared.take_fault().map_or(Ok(()), Err);
                reported
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
        if fault.error == StoreError::Full && self.ledger.is_some() {
            // What the log takes beyond what it needs is room.
            if let Some(ledger) = &self.ledger {
                drop(truncate_log(ledger));
            }
            return;
        }
        if let Some(ledger) = self.ledger.take() {
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
        self.syncs = true;
        conn.execute_batch("BEGIN IMMEDIATE")?;
        let mut ledger = Ledger::load(conn, self.before.as_ref(), self.waiting_max, self.now)?;
        ledger.touch()?;
        ledger.conn.execute_batch("COMMIT")?;
        ledger.keep();
        truncate_log(&ledger)?;
        ledger.must_sync = false;
        ledger.unsynced = false;
        self.shared.opened(&self.path)?;
        self.before = None;
        self.ledger = Some(ledger);
        Ok(())
    }
}

/// Runs the jobs in one transaction; whether it was synced.
fn transact(
    ledger: &mut Ledger,
    syncs: &mut bool,
    jobs: &mut [Box<dyn Job>],
) -> Result<bool, Fault> {
    let sync = jobs.iter().any(|job| matches!(job.kind(), Kind::Deposit | Kind::Durable));
    set_sync(ledger, syncs, sync)?;
    if let Err(fault) = attempt(ledger, jobs) {
        ledger.undo();
        // It may be over already; and the connection is closed after most faults.
        drop(ledger.conn.execute_batch("ROLLBACK"));
        return Err(fault);
    }
    ledger.keep();
    ledger.unsynced = !sync;
    if !sync && ledger.must_sync {
        // Found only when it was done: a second transaction syncs the first as well.
        probe(ledger, syncs)?;
        ledger.unsynced = false;
        return Ok(true);
    }
    Ok(sync)
}

fn attempt(ledger: &mut Ledger, jobs: &mut [Box<dyn Job>]) -> Result<(), Fault> {
    (ledger.must_sync, ledger.must_touch) = (false, false);
    ledger.conn.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
    for job in jobs {
        job.run(ledger)?;
    }
    if ledger.must_touch {
        ledger.touch()?;
    }
    ledger.fresh.write(&ledger.conn)?;
    ledger.known.put(&ledger.conn, ledger.newest)?;
    ledger.conn.prepare_cached("COMMIT")?.execute([])?;
    Ok(())
}

/// Writes something and syncs it.
fn probe(ledger: &Ledger, syncs: &mut bool) -> Result<(), Fault> {
    set_sync(ledger, syncs, true)?;
    ledger.touch()
}

fn set_sync(ledger: &Ledger, syncs: &mut bool, sync: bool) -> Result<(), Fault> {
    if *syncs != sync {
        let word = if sync { "FULL" } else { "NORMAL" };
        ledger.conn.pragma_update(None, "synchronous", word)?;
        *syncs = sync;
    }
    Ok(())
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
