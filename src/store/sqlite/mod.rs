//! The outbox in a file of its own: `SQLite`, one writer, commits that many share.
//!
//! Read in this order: `schema` the tables; `sheet`, `facts` and `turn` how an
//! entry lies in them, `row` what is made of that; `queue` who may be sent; `ledger`
//! both of them together, with `admit` and `settle` for what can be asked of it; `writer` the
//! thread that does it in transactions and looks after faults, `log` the one that syncs them; `salvage` what becomes of a file that
//! is damaged.
//!
//! One daemon has the file; a lock beside it says so. What is leased is therefore known to this
//! process alone, and has ended when a file is opened.

mod admit;
mod checkpoint;
mod counts;
mod facts;
mod fault;
mod files;
mod fresh;
mod job;
mod kept;
mod keys;
mod known;
mod ledger;
mod log;
mod look;
mod many;
mod message;
mod money;
mod names;
mod pack;
mod queue;
mod reader;
mod room;
mod row;
mod salvage;
mod schema;
mod settle;
mod shared;
mod sheet;
mod sieve;
mod turn;
mod undo;
mod writer;

use std::fs::{File, TryLockError};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};

use tokio::sync::oneshot;

use crate::engine::event::Amount;
use crate::engine::inbound::UnixSeconds;
use crate::metrics::StoreMetrics;
use crate::store::seal::Seal;
use crate::store::{
    Act, Admission, Answer, Claimed, Deposit, Entry, Filter, Intake, Message, Order, Page, Parcel,
    Settled, Settlement, Store, StoreError, Ticket, Totals,
};
use admit::Ready;
use fault::Fault;
use job::{Asked, Job};
use ledger::Ledger;
use reader::Reader;
use settle::Given;
use shared::Shared;
use writer::Writer;

/// Requests that wait for the writer, at most; then the store is busy.
const REQUESTS_MAX: usize = 8 * writer::TOGETHER_MAX;

/// Why an entry is dead whose message cannot be read.
const UNREADABLE: &str = "message_unreadable";

/// How the outbox is kept.
pub struct Settings {
    /// The file.
    pub path: PathBuf,
    /// Entries that wait, at most.
    pub waiting_max: u64,
    /// Bytes of the file, at most; a part of them is not for deposits.
    pub bytes_max: u64,
    /// Seals messages.
    pub seal: Arc<Seal>,
}

/// The outbox in a file.
pub struct Sqlite {
    /// `None` once it is closed.
    jobs: Option<SyncSender<Box<dyn Job>>>,
    writer: Option<JoinHandle<()>>,
    reader: Reader,
    shared: Arc<Shared>,
    seal: Arc<Seal>,
    path: PathBuf,
    /// Held while the file is open.
    _lock: File,
}

impl Sqlite {
    /// Opens the file, or begins it. Entries that were being sent are due again. Waits for the disk.
    pub fn open(
        settings: Settings,
        now: UnixSeconds,
        metrics: StoreMetrics,
    ) -> Result<Self, StoreError> {
        let Settings { path, waiting_max, bytes_max, seal } = settings;
        let lock = lock(&path)?;
        let shared = Arc::new(Shared::default());
        let (jobs, asked) = sync_channel(REQUESTS_MAX);
        let limits = (bytes_max, waiting_max);
        let writer = Writer::open(path.clone(), limits, now, Arc::clone(&shared), metrics)?;
        let thread = thread::Builder::new().name("outbox-writer".to_owned());
        let writer = thread.spawn(move || writer.run(&asked)).map_err(|_| StoreError::Disk)?;
        let reader = Reader::start(path.clone(), Arc::clone(&shared));
        let reader = reader.map_err(|_| StoreError::Disk)?;
        Ok(Self { jobs: Some(jobs), writer: Some(writer), reader, shared, seal, path, _lock: lock })
    }

    /// Has the writer do this.
    async fn ask<T: Send + 'static>(
        &self,
        now: Option<UnixSeconds>,
        work: impl FnMut(&mut Ledger) -> Result<Result<T, StoreError>, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.submit(false, now, work).await
    }

    /// See [`Job::is_intake`].
    async fn submit<T: Send + 'static>(
        &self,
        is_intake: bool,
        now: Option<UnixSeconds>,
        work: impl FnMut(&mut Ledger) -> Result<Result<T, StoreError>, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Asked { is_intake, now, work, done: None, reply });
        let jobs = self.jobs.as_ref().ok_or(StoreError::Closed)?;
        jobs.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::Busy,
            TrySendError::Disconnected(_) => StoreError::Closed,
        })?;
        answer.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Opens a message that was given out. One that cannot be opened must not be given out again and
    /// again: it is dead, until an operator has found its key.
    async fn parcel(&self, given: Given, now: UnixSeconds) -> Result<Option<Parcel>, StoreError> {
        let Given { ticket, id, attempts, received_at, message } = given;
        if let Some(message) = message::read(&self.seal, &id, &message) {
            return Ok(Some(Parcel { ticket, id, attempts, received_at, message }));
        }
        tracing::error!(id, seq = ticket.seq, "a message cannot be read: no key, or damaged");
        self.settle(ticket, Settlement::Dead { why: UNREADABLE }, now).await?;
        Ok(None)
    }
}

fn lock(path: &std::path::Path) -> Result<File, StoreError> {
    let options = &mut File::options();
    let file = options.create(true).truncate(false).write(true).open(files::beside(path, ".lock"));
    let file = file.map_err(|_| StoreError::Disk)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::Closed),
        Err(TryLockError::Error(_)) => Err(StoreError::Disk),
    }
}

/// Finishes what was begun.
impl Drop for Sqlite {
    fn drop(&mut self) {
        // The writer is last to close the file.
        self.reader.close();
        self.jobs = None;
        if let Some(writer) = self.writer.take() {
            // A panic has been printed where it happened.
            drop(writer.join());
        }
    }
}

impl Store for Sqlite {
    fn admit(
        &self,
        deposits: Vec<Deposit>,
        intake: Intake,
        now: UnixSeconds,
    ) -> Answer<'_, Vec<Admission>> {
        Box::pin(async move {
            let ready = deposits.into_iter().map(|deposit| Ready::new(&self.seal, deposit));
            // Held here until the answer is there, so that the writer need not free it.
            let ready: Arc<[Ready]> = ready.collect();
            let lent = Arc::clone(&ready);
            self.submit(true, Some(now), move |ledger| ledger.admit(&lent, intake, now)).await
        })
    }

    fn claim(
        &self,
        upstream: &str,
        max: usize,
        now: UnixSeconds,
        lease_until: UnixSeconds,
    ) -> Answer<'_, Claimed> {
        let upstream = upstream.to_owned();
        Box::pin(async move {
            let claim = move |ledger: &mut Ledger| {
                Ok(Ok(ledger.claim(&upstream, max, now, lease_until)?))
            };
            let (given, next_due) = self.ask(Some(now), claim).await?;
            let mut parcels = Vec::with_capacity(given.len());
            for given in given {
                parcels.extend(self.parcel(given, now).await?);
            }
            Ok(Claimed { parcels, next_due })
        })
    }

    fn settle(
        &self,
        ticket: Ticket,
        settlement: Settlement,
        now: UnixSeconds,
    ) -> Answer<'_, Settled> {
        Box::pin(
            self.ask(Some(now), move |ledger| Ok(Ok(ledger.settle(ticket, &settlement, now)?))),
        )
    }

    fn entries(&self, filter: &Filter, page: Page, max: usize) -> Answer<'_, Vec<Entry>> {
        let filter = filter.clone();
        Box::pin(self.reader.ask(move |conn| look::entries(conn, &filter, page, max)))
    }

    fn entry(&self, seq: i64) -> Answer<'_, Option<(Entry, Option<Message>)>> {
        Box::pin(async move {
            let found = self.reader.ask(move |conn| look::one(conn, seq)).await?;
            Ok(found.map(|(entry, kept)| {
                let message = kept.and_then(|kept| message::read(&self.seal, &entry.id, &kept));
                (entry, message)
            }))
        })
    }

    fn order(&self, seqs: Vec<i64>, order: Order, now: UnixSeconds) -> Answer<'_, u64> {
        Box::pin(self.ask(Some(now), move |ledger| Ok(Ok(ledger.order(&seqs, &order, now)?))))
    }

    fn totals(&self) -> Answer<'_, Totals> {
        Box::pin(async move {
            let mut totals = self.ask(None, |ledger| Ok(Ok(totals(ledger)))).await?;
            let files = ["", "-wal"].map(|end| files::len(&files::beside(&self.path, end)));
            totals.bytes = files.into_iter().sum();
            Ok(totals)
        })
    }

    fn prune(&self, before: UnixSeconds) -> Answer<'_, u64> {
        Box::pin(async move {
            let seqs = self.reader.ask(move |conn| look::over(conn, before)).await?;
            if seqs.is_empty() {
                return Ok(0);
            }
            self.ask(None, move |ledger| Ok(Ok(ledger.prune(&seqs, before)?))).await
        })
    }

    fn record(&self, act: Act) -> Answer<'_, ()> {
        let now = act.at;
        Box::pin(self.ask(Some(now), move |ledger| Ok(Ok(ledger.record(&act)?))))
    }

    fn acts(&self, max: usize) -> Answer<'_, Vec<Act>> {
        Box::pin(self.reader.ask(move |conn| look::acts(conn, max)))
    }

    fn health(&self) -> Result<(), StoreError> {
        self.shared.health()
    }
}

fn totals(ledger: &Ledger) -> Totals {
    let names: Vec<(&str, i64)> = ledger.names.iter().collect();
    let name = |upstream| {
        let found = names.iter().find(|(_, number)| *number == upstream);
        found.map(|(name, _)| (*name).to_owned()).unwrap_or_default()
    };
    let counts = &ledger.counts;
    let entries = counts.entries().map(|(upstream, state, count)| (name(upstream), state, count));
    let oldest = names
        .iter()
        .filter_map(|(name, number)| counts.oldest(*number).map(|at| ((*name).to_owned(), at)));
    let held = counts.money().map(|(state, currency, sum)| {
        (state, Amount { value: sum.to_string(), currency: currency.to_owned() })
    });
    let mut totals = Totals {
        entries: entries.collect(),
        oldest: oldest.collect(),
        held: held.collect(),
        bytes: 0,
    };
    totals.entries.sort();
    totals.oldest.sort();
    totals
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test fails by panicking, and tells")]
mod tests;
