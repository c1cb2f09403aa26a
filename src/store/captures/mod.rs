//! Inbounds as they came, and what became of each: to look into a refusal, and to judge again under
//! a mended rule. Kept by each daemon for itself, within an age and a number of bytes.
//!
//! They stand in an `SQLite` file of their own. One thread writes: what has come since its last
//! transaction makes the next one. Another reads. Nobody else touches the disk. A file that cannot
//! be read any more is set aside as `<file>.corrupt-<when it was last written>`, and a new one begun.

mod blob;
mod file;
mod queue;
mod reader;
pub mod shown;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crate::engine::event::{Amount, Event, Status};
use crate::engine::inbound::{Inbound, UnixSeconds};
use crate::store::StoreError;
use crate::store::seal::Seal;
use queue::Queue;
use reader::Reader;
use writer::Writer;

/// Captures that wait to be written.
pub const WAITING_MAX: usize = 4096;
/// Bytes of those; as many again are being written.
pub const WAITING_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How far the disk's use may exceed [`Settings::bytes_max`]: a transaction, the log of writes
/// before it, and space that is kept for what comes next.
pub const SLACK_BYTES: u64 = 48 * 1024 * 1024;
/// Parts that one call of [`Captures::prune`] does.
const PRUNE_STEPS_MAX: usize = 64;

/// How captures are kept.
#[derive(Clone)]
pub struct Settings {
    /// The file.
    pub path: PathBuf,
    /// Bytes of the file, but for [`SLACK_BYTES`]; the oldest make room for the newest.
    pub bytes_max: u64,
    /// How long they are kept.
    pub age_max: Duration,
    /// Seals heads and bodies.
    pub seal: Arc<Seal>,
}

/// One inbound, what was made of it, and when.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Capture {
    /// What listings show.
    pub summary: Summary,
    /// The request itself.
    pub inbound: Kept,
}

/// What listings show of a capture: no header, no body, no query.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Summary {
    /// When it came.
    pub at: UnixSeconds,
    /// Name of the route.
    pub route: String,
    /// Name of the rule.
    pub gateway: String,
    /// `accepted`, `rejected`, …: what was counted.
    pub outcome: String,
    /// `ok`, or why not: a word of a closed list.
    pub reason: String,
    /// The place in the rule that decided; empty where none did.
    pub place: String,
    /// The status that the gateway was answered with.
    pub answered: u16,
    /// `sha256:…` of the rule; empty where the route could not judge.
    pub rule: String,
    /// Parameter and position of each key that matched.
    pub keys: Vec<String>,
    /// What the first event said, if there was one.
    pub said: Option<Said>,
    /// Address of the peer.
    pub peer: String,
    /// Bytes of the body.
    pub bytes: u64,
}

/// What an event said, as far as listings show it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Said {
    /// Its id.
    pub id: String,
    /// See [`crate::engine::event::Event::status`].
    pub status: Status,
    /// See [`crate::engine::event::Event::credit`].
    pub credit: bool,
    /// See [`crate::engine::event::Event::order_id`].
    pub order_id: Option<String>,
    /// See [`crate::engine::event::Event::transaction_id`].
    pub transaction_id: Option<String>,
    /// See [`crate::engine::event::Event::amount`].
    pub amount: Option<Amount>,
}

impl Said {
    /// What this event says.
    pub fn of(event: &Event) -> Self {
        Self {
            id: event.id.clone(),
            status: event.status,
            credit: event.credit,
            order_id: event.order_id.clone(),
            transaction_id: event.transaction_id.clone(),
            amount: event.amount.clone(),
        }
    }
}

impl Kept {
    /// This request, whole.
    pub fn of(inbound: &Inbound<'_>) -> Self {
        let headers = inbound.headers.iter();
        Self {
            method: inbound.method.to_owned(),
            target: inbound.target.to_owned(),
            headers: headers.map(|(name, value)| ((*name).to_owned(), value.to_vec())).collect(),
            body: inbound.body.to_vec(),
            masked: false,
        }
    }
}

/// A request, as [`crate::engine::inbound::Inbound`] has it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Kept {
    /// Its method.
    pub method: String,
    /// Path and query, exactly as on the request line.
    pub target: String,
    /// Names and values of its headers, in order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Its body.
    pub body: Vec<u8>,
    /// Whether card numbers have been taken out, because there is no key to seal them under: no
    /// signature holds for it any more, and it cannot be judged again.
    pub masked: bool,
}

/// A capture that has been kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Listed {
    /// Its number: they are numbered in the order in which they came.
    pub id: i64,
    /// What it was.
    pub summary: Summary,
    /// See [`Kept::masked`].
    pub masked: bool,
}

/// Which captures. Everything that is given must hold.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Filter {
    /// Name of the rule.
    pub gateway: Option<String>,
    /// Name of the route.
    pub route: Option<String>,
    /// What was counted.
    pub outcome: Option<String>,
    /// Why not.
    pub reason: Option<String>,
    /// What the first event said.
    pub status: Option<Status>,
    /// Order or transaction of the first event, exactly.
    pub payment: Option<String>,
    /// Came at or after.
    pub since: Option<UnixSeconds>,
    /// Came before.
    pub until: Option<UnixSeconds>,
}

/// What is kept.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Totals {
    /// Captures.
    pub count: u64,
    /// Bytes of the file and its log.
    pub bytes: u64,
    /// When the oldest came.
    pub oldest: Option<UnixSeconds>,
    /// Captures lost since the start: too many at once, or the disk had failed.
    pub lost: u64,
}

/// The captures of this daemon.
pub struct Captures {
    queue: Arc<Queue>,
    seal: Arc<Seal>,
    /// `None` only while it is dropped; the same with the threads.
    reader: Option<Reader>,
    reading: Option<JoinHandle<()>>,
    writing: Option<JoinHandle<()>>,
}

impl Captures {
    /// Opens the file or makes it. A full disk is no reason not to begin: see [`Self::health`].
    pub fn open(settings: Settings) -> Result<Self, StoreError> {
        let queue = Arc::new(Queue::default());
        let seal = settings.seal.clone();
        let path = settings.path.clone();
        let writer = Writer::open(settings, queue.clone())?;
        let (reader, reading) = Reader::spawn(path, queue.clone())?;
        let writing = Some(writer.spawn()?);
        Ok(Self { queue, seal, reader: Some(reader), reading: Some(reading), writing })
    }

    /// Keeps one, soon, and without waiting for the disk: captures are for looking into things, and
    /// no promise hangs on them. `false`: too much is being written already, or the disk has
    /// failed, and it is lost.
    pub fn put(&self, capture: Capture) -> bool {
        self.queue.put(capture)
    }

    /// Those that fit with a number below `before`, the newest first, at most
    /// [`ROWS_MAX`](crate::store::ROWS_MAX).
    pub async fn list(
        &self,
        filter: Filter,
        before: Option<i64>,
        max: usize,
    ) -> Result<Vec<Listed>, StoreError> {
        self.read(move |file| file::list(file, &filter, before, max)).await
    }

    /// One of them. The request is missing where it was sealed under a key that is not here.
    pub async fn get(&self, id: i64) -> Result<Option<(Listed, Option<Kept>)>, StoreError> {
        let seal = self.seal.clone();
        self.read(move |file| {
            let found = file::get(file, id)?;
            Ok(found.map(|(listed, sealed)| {
                let kept = seal.open(blob::PLACE, &sealed);
                let kept = kept.and_then(|bytes| blob::unpack(&bytes, listed.masked));
                (listed, kept)
            }))
        })
        .await
    }

    async fn read<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let reader = self.reader.as_ref().ok_or(StoreError::Closed)?;
        reader.read(ask).await
    }

    /// Forgets the oldest beyond the age and the bytes; a part at a time, so that nobody waits long.
    /// To be called about once a second. How many went.
    pub async fn prune(&self, now: UnixSeconds) -> Result<u64, StoreError> {
        let mut gone = 0;
        for _ in 0..PRUNE_STEPS_MAX {
            let step = self.queue.prune(now)?.await.map_err(|_| StoreError::Closed)??;
            gone += step.gone;
            if !step.more {
                break;
            }
        }
        Ok(gone)
    }

    /// What is kept now. Never waits for the disk.
    pub fn totals(&self) -> Totals {
        self.queue.totals()
    }

    /// Whether captures are being kept; if not, why. Never waits for the disk.
    pub fn health(&self) -> Result<(), StoreError> {
        self.queue.health()
    }
}

impl Drop for Captures {
    /// What waits is written, if the disk lets it. The writer goes last: it works off the log, for
    /// which it must be alone.
    fn drop(&mut self) {
        let join = |thread: Option<JoinHandle<()>>| thread.map(JoinHandle::join);
        self.reader = None;
        drop(join(self.reading.take()));
        self.queue.close();
        drop(join(self.writing.take()));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
mod tests;
