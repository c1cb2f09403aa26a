//! What waits for the writer, bounded in number and bytes; and what the writer says back.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use super::{Capture, Totals, WAITING_BYTES_MAX, WAITING_MAX};
use crate::engine::inbound::UnixSeconds;
use crate::store::StoreError;

/// How long a failed disk is left alone.
const RETRY_AFTER: Duration = Duration::from_millis(500);
/// Calls of [`super::Captures::prune`] at once.
const PRUNES_MAX: usize = 16;
/// What a capture takes up beside its request, about.
const SUMMARY_BYTES: usize = 1024;

/// A part of pruning that has been done.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Step {
    /// How many went.
    pub(super) gone: u64,
    /// Whether there is more to do.
    pub(super) more: bool,
}

/// A step of pruning that somebody waits for.
pub(super) struct Prune {
    pub(super) now: UnixSeconds,
    pub(super) answer: oneshot::Sender<Result<Step, StoreError>>,
}

/// What the writer does in one go.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) captures: Vec<Capture>,
    pub(super) prunes: Vec<Prune>,
    /// A reader has found the file of this generation damaged.
    pub(super) damaged: Option<u64>,
}

#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    batch: Batch,
    bytes: usize,
    closed: bool,
    /// Why the last transaction failed.
    failed: Option<StoreError>,
    totals: Totals,
    generation: u64,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that is done under the lock can be left half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `false`: there is no room, or nobody to write it.
    pub(super) fn put(&self, capture: Capture) -> bool {
        let bytes = size(&capture);
        let mut state = self.lock();
        let has_room = state.batch.captures.len() < WAITING_MAX
            && state.bytes.saturating_add(bytes) <= WAITING_BYTES_MAX;
        let taken = has_room && !state.closed && state.failed.is_none();
        if taken {
            state.bytes += bytes;
            state.batch.captures.push(capture);
            self.wake.notify_one();
        } else {
            state.totals.lost += 1;
        }
        taken
    }

    pub(super) fn prune(
        &self,
        now: UnixSeconds,
    ) -> Result<oneshot::Receiver<Result<Step, StoreError>>, StoreError> {
        let mut state = self.lock();
        if state.closed {
            return Err(StoreError::Closed);
        }
        if state.batch.prunes.len() >= PRUNES_MAX {
            return Err(StoreError::Busy);
        }
        let (answer, done) = oneshot::channel();
        state.batch.prunes.push(Prune { now, answer });
        self.wake.notify_one();
        Ok(done)
    }

    /// Says that the file of this generation cannot be read.
    pub(super) fn damaged(&self, generation: u64) {
        self.lock().batch.damaged = Some(generation);
        self.wake.notify_one();
    }

    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.wake.notify_one();
    }

    /// All that waits; nothing, where a failed disk is to be tried again. `None`: there will be
    /// no more.
    pub(super) fn take(&self) -> Option<Batch> {
        let mut state = self.lock();
        let idle = |state: &mut State| {
            let Batch { captures, prunes, damaged } = &state.batch;
            captures.is_empty() && prunes.is_empty() && damaged.is_none() && !state.closed
        };
        state = if state.failed.is_some() {
            let waited = self.wake.wait_timeout_while(state, RETRY_AFTER, idle);
            waited.unwrap_or_else(PoisonError::into_inner).0
        } else {
            self.wake.wait_while(state, idle).unwrap_or_else(PoisonError::into_inner)
        };
        state.bytes = 0;
        let batch = std::mem::take(&mut state.batch);
        let is_empty = batch.captures.is_empty() && batch.prunes.is_empty();
        (!state.closed || !is_empty).then_some(batch)
    }

    /// The last transaction succeeded, and this is what is kept now.
    pub(super) fn written(&self, totals: Totals) {
        let mut state = self.lock();
        state.failed = None;
        state.totals = Totals { lost: state.totals.lost, ..totals };
    }

    /// The last transaction failed, and so many captures with it.
    pub(super) fn failed(&self, why: StoreError, lost: usize) {
        let mut state = self.lock();
        state.failed = Some(why);
        state.totals.lost += lost as u64;
    }

    /// A new file has been begun.
    pub(super) fn begin(&self) {
        self.lock().generation += 1;
    }

    /// Which file it is that is being written.
    pub(super) fn generation(&self) -> u64 {
        self.lock().generation
    }

    pub(super) fn totals(&self) -> Totals {
        self.lock().totals
    }

    pub(super) fn health(&self) -> Result<(), StoreError> {
        self.lock().failed.map_or(Ok(()), Err)
    }
}

fn size(capture: &Capture) -> usize {
    let kept = &capture.inbound;
    let headers = kept.headers.iter().map(|(name, value)| name.len() + value.len());
    SUMMARY_BYTES + kept.target.len() + kept.body.len() + headers.sum::<usize>()
}
