//! Takes what is in the log into the file, off the way of commits.
//!
//! A thread of its own does nearly all of it while the writer goes on. A log starts over only when
//! all of it has been taken; under a load that never pauses the writer takes the little that is left
//! itself, and rarely.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use rusqlite::Connection;

use super::fault::Fault;
use super::schema;
use super::shared::Shared;
use crate::store::StoreError;

const PAGE_BYTES: u64 = schema::PAGE_BYTES as u64;

/// Pages in the log that have not been taken, for the thread to begin.
const BEGIN: u64 = (16 << 20) / PAGE_BYTES;
/// Pages in the log, for the writer to take the last of them, if they are no more than…
const END: u64 = (96 << 20) / PAGE_BYTES;
/// … these.
const LEFT_MAX: u64 = (8 << 20) / PAGE_BYTES;
/// Pages in the log that nobody wants to see: the writer takes all of it, and all wait.
const FAR: u64 = (512 << 20) / PAGE_BYTES;

/// Commits between looks at the log.
const EVERY: u32 = 8;

pub(super) struct Checkpoint {
    begin: SyncSender<()>,
    commits: u32,
}

impl Checkpoint {
    /// Starts the thread. It ends with this.
    pub(super) fn new(path: &Path, shared: &Arc<Shared>) -> Self {
        let (begin, begun) = sync_channel(1);
        let (path, shared) = (path.to_owned(), Arc::clone(shared));
        let work = move || take_over(&path, &shared, &begun);
        let thread = thread::Builder::new().name("outbox-log".to_owned());
        // Without it the writer takes the log itself, in time.
        if let Err(error) = thread.spawn(work) {
            tracing::warn!(%error, "the outbox has no thread for its log");
        }
        Self { begin, commits: 0 }
    }

    /// After a commit.
    pub(super) fn step(&mut self, conn: &Connection) -> Result<(), Fault> {
        self.commits += 1;
        if !self.commits.is_multiple_of(EVERY) {
            return Ok(());
        }
        let (log, taken) = checkpoint(conn, "NOOP")?;
        let left = log - taken;
        if left > BEGIN {
            // It may be at it already.
            self.begin.try_send(()).unwrap_or(());
        }
        if log > FAR || (log > END && left <= LEFT_MAX) {
            checkpoint(conn, "PASSIVE")?;
        }
        Ok(())
    }
}

fn take_over(path: &Path, shared: &Shared, begun: &Receiver<()>) {
    let mut open: Option<(u64, Connection)> = None;
    while begun.recv().is_ok() {
        let generation = shared.generation();
        let opened = match open.take().filter(|(of, _)| *of == generation) {
            Some(open) => Ok(open),
            None => schema::reader(path).map(|conn| (generation, conn)),
        };
        let taken = opened.and_then(|(of, conn)| {
            conn.pragma_update(None, "query_only", false)?;
            checkpoint(&conn, "PASSIVE")?;
            open = Some((of, conn));
            Ok(())
        });
        if let Err(fault) = taken {
            shared.report(fault);
        }
    }
}

/// Pages in the log, and how many of them have been taken.
fn checkpoint(conn: &Connection, how: &str) -> Result<(u64, u64), Fault> {
    let pages = conn.query_row(&format!("PRAGMA wal_checkpoint({how})"), [], |row| {
        Ok((row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
    })?;
    let count = |pages: i64| u64::try_from(pages).unwrap_or_default();
    let (log, taken) = (count(pages.0), count(pages.1));
    if taken > log {
        return Err(Fault::new(StoreError::Disk, "more was taken from the log than was in it"));
    }
    Ok((log, taken))
}
