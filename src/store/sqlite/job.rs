//! What is asked of the writer, and who waits for the answer.

use tokio::sync::oneshot;

use super::fault::Fault;
use super::ledger::Ledger;
use crate::engine::inbound::UnixSeconds;
use crate::store::StoreError;

pub(super) trait Job: Send {
    /// Whether it takes deposits, which a full disk refuses unseen.
    fn is_intake(&self) -> bool;

    /// What time it is for whoever asks.
    fn now(&self) -> Option<UnixSeconds>;

    /// Does it. What it did is undone if this or a later job of the transaction fails.
    fn run(&mut self, ledger: &mut Ledger) -> Result<(), Fault>;

    /// Says what came of it, once the transaction is over, and synced if it must be.
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
}

/// Work, and where its answer goes.
pub(super) struct Asked<T, W> {
    pub(super) is_intake: bool,
    pub(super) now: Option<UnixSeconds>,
    pub(super) work: W,
    pub(super) done: Option<Result<T, StoreError>>,
    pub(super) reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, W> Job for Asked<T, W>
where
    T: Send,
    W: FnMut(&mut Ledger) -> Result<Result<T, StoreError>, Fault> + Send,
{
    fn is_intake(&self) -> bool {
        self.is_intake
    }

    fn now(&self) -> Option<UnixSeconds> {
        self.now
    }

    fn run(&mut self, ledger: &mut Ledger) -> Result<(), Fault> {
        self.done = Some((self.work)(ledger)?);
        Ok(())
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>) {
        let Self { work, done, reply, .. } = *self;
        // Before the answer: whoever asked keeps what is dear to free, and does it after this.
        drop(work);
        // Whoever asked may have gone away.
        drop(reply.send(committed.and(done.unwrap_or(Err(StoreError::Closed)))));
    }
}
