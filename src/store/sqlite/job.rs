//! What is asked of the writer, and who waits for the answer.

use tokio::sync::oneshot;

use super::fault::Fault;
use super::ledger::Ledger;
use crate::engine::inbound::UnixSeconds;
use crate::store::StoreError;

/// What a job may need of the transaction it is part of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// Takes deposits; most likely it must be synced.
    Deposit,
    /// Takes deposits; most likely it need not be synced.
    Pass,
    /// Changes what is there, and is synced.
    Durable,
    /// Changes what is there, and need not be synced.
    Soft,
}

pub(super) trait Job: Send {
    fn kind(&self) -> Kind;

    /// What time it is for whoever asks.
    fn now(&self) -> Option<UnixSeconds>;

    /// Does it. What it did is undone if this or a later job of the transaction fails.
    fn run(&mut self, ledger: &mut Ledger) -> Result<(), Fault>;

    /// Says what came of it, once the transaction is over.
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
}

/// Work, and where its answer goes.
pub(super) struct Asked<T, W> {
    pub(super) kind: Kind,
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
    fn kind(&self) -> Kind {
        self.kind
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
