//! Takes what is in the log into the file, off the way of commits.
//!
//! A thread of its own does nearly all of it while the writer goes on. A log starts over only when
//! all of it has been taken; under a load that never pauses the writer takes the little that is left
//! itself, and rarely.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use rusqlite::Connection;

use super::fault::Fault;
use super::schema;
use super::shared::Shared;
use crate::store::StoreError;

const PAGE_BYTES: u64 = schema::PAGE_BYTES as u64;

/// Pages in the log that have not been taken, for the thread to begin. It syncs the file when it has
/// taken them, and a sync of the log waits behind that: often and little, so that no commit waits
/// long.
const BEGIN: u64 = (1 << 19) / PAGE_BYTES;
/// Pages that it leaves, if it can: while it takes some, others come.
const LEFT: u64 = (1 << 16) / PAGE_BYTES;
/// How often it begins anew until it leaves no more.
const PASSES_MAX: u32 = 8;
/// Pages in the log, for the writer to take the last of them…
const END: u64 = (96 << 20) / PAGE_BYTES;
/// … as soon as the thread has left no more than this; or at once, with whatever is left, and all
/// wait.
const FAR: u64 = (512 << 20) / PAGE_BYTES;

pub(super) struct Checkpoint {
    begin: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
    /// The thread has left little.
    is_near: Arc<AtomicBool>,
}

impl Checkpoint {
    /// Starts the thread. It ends with this.
    pub(super) fn new(path: &Path, shared: &Arc<Shared>) -> Self {
        let (begin, begun) = sync_channel(1);
        let (path, shared) = (path.to_owned(), Arc::clone(shared));
        let is_near = Arc::new(AtomicBool::new(false));
        let near = Arc::clone(&is_near);
        let work = move || take_over(&path, &shared, &begun, &near);
        let thread = thread::Builder::new().name("outbox-log".to_owned());
        // Without it the writer takes the log itself, in time.
        let thread = thread.spawn(work).inspect_err(|error| {
            tracing::warn!(%error, "the outbox has no thread for its log");
        });
        Self { begin: Some(begin), thread: thread.ok(), is_near }
    }

    /// After a commit.
    pub(super) fn step(&self, conn: &Connection) -> Result<(), Fault> {
        let is_near = self.is_near.swap(false, Ordering::Relaxed);
        let (log, taken) = checkpoint(conn, "NOOP")?;
        if log > FAR || (log > END && is_near) {
            checkpoint(conn, "PASSIVE")?;
        } else if log - taken > BEGIN {
            // It may be at it already.
            self.begin.as_ref().map_or(Ok(()), |begin| begin.try_send(())).unwrap_or(());
        }
        Ok(())
    }
}

/// The thread has closed its file then: who is last to close takes over all of the log.
impl Drop for Checkpoint {
    fn drop(&mut self) {
        self.begin = None;
        if let Some(thread) = self.thread.take() {
            // A panic has been printed where it happened.
            drop(thread.join());
        }
    }
}

fn take_over(path: &Path, shared: &Shared, begun: &Receiver<()>, is_near: &AtomicBool) {
    let mut open: Option<(u64, Connection)> = None;
    while begun.recv().is_ok() {
        let generation = shared.generation();
        let opened = match open.take().filter(|(of, _)| *of == generation) {
            Some(open) => Ok(open),
            None => schema::reader(path).map(|conn| (generation, conn)),
        };
        let taken = opened.and_then(|(of, conn)| {
            conn.pragma_update(None, "query_only", false)?;
            for _ in 0..PASSES_MAX {
                checkpoint(&conn, "PASSIVE")?;
                let (log, taken) = checkpoint(&conn, "NOOP")?;
                if log - taken <= LEFT {
                    is_near.store(true, Ordering::Relaxed);
                    break;
                }
            }
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
    let mut pragma = conn.prepare_cached(&format!("PRAGMA wal_checkpoint({how})"))?;
    let pages = pragma.query_row([], |row| Ok((row.get::<_, i64>(1)?, row.get::<_, i64>(2)?)))?;
    let count = |pages: i64| u64::try_from(pages).unwrap_or_default();
    let (log, taken) = (count(pages.0), count(pages.1));
    if taken > log {
        return Err(Fault::new(StoreError::Disk, "more was taken from the log than was in it"));
    }
    Ok((log, taken))
}
