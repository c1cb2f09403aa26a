//! What is kept over restarts: the *outbox*, events that were acknowledged or are on their way, and
//! what has been delivered, so that nothing is delivered twice; and *captures*, inbounds as they
//! came.
//!
//! [`Store`] is the outbox. Behind it stands an embedded database ([`sqlite`]); one that a fleet
//! shares can take its place, so each method says what it promises to several daemons at once.
//! Every backend must pass the contract in `tests/it/store_contract.rs`. Captures belong to one
//! daemon and have no such trait.
//!
//! # The life of an entry
//!
//! ```text
//!            admit(Send)                    settle(Delivered)
//! deposit ───────────────▶ sending ─────────────────────────────▶ delivered
//!    │                      │   │ settle(Queue): durable             ▲
//!    │ admit(Queue):        │   └──────────────▶ waiting ──claim──▶ (leased) ──settle──┘
//!    │ durable              │ settle(Forget)       ▲   │
//!    ├──────────────────────│──────────────────────┘   │ settle(Dead)
//!    │                      ▼                          ▼
//!    │                  (nothing)                     dead ◀── operators: retry, drop
//!    └──▶ held: an equivocation or, by policy, a regressive transition; waits for an operator
//! ```

pub mod captures;
mod entry;
pub mod folder;
pub mod keys;
pub mod seal;
pub mod sqlite;

use std::future::Future;
use std::pin::Pin;

use crate::engine::inbound::UnixSeconds;
pub use entry::{
    Act, Admission, Claimed, Deposit, Duplicate, Entry, Filter, Form, Intake, Marks, Message,
    Order, Page, Parcel, Settled, Settlement, State, Ticket, Totals,
};
#[cfg(doc)]
use keys::Keys;

/// What a method of [`Store`] gives once it is done.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Rows of one answer, at most.
pub const ROWS_MAX: usize = 1000;

/// Why the store cannot do as it is told. In every case nothing of what was asked was done.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum StoreError {
    /// More requests to the store are under way than it takes.
    #[error("the store is busy")]
    Busy,
    /// The database cannot be read any more. It is set aside and a new one begun.
    #[error("the store's file is damaged")]
    Corrupt,
    /// The disk did not do as it was told: reading, writing, syncing.
    #[error("the disk failed")]
    Disk,
    /// The disk, or the share of it that is configured, is full.
    #[error("the store is full")]
    Full,
    /// Another process has it, or it has been closed.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    /// Every one.
    pub const ALL: [Self; 5] = [Self::Busy, Self::Closed, Self::Corrupt, Self::Disk, Self::Full];

    /// The word in metrics, logs and readiness.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::Closed => "closed",
            Self::Corrupt => "corrupt",
            Self::Disk => "disk_error",
            Self::Full => "full",
        }
    }
}

/// The outbox: what was acknowledged is not lost, and what was delivered is not delivered again.
///
/// *One after another*: every method that changes something happens at one moment, as in a
/// serializable transaction. *All or nothing*: an error means that nothing was done; with the one
/// exception of a disk that says it has failed and has not, which may bring back what an error
/// denied, never lose what was promised.
///
/// # In a fleet
///
/// Several daemons share one store and drain it together. What keeps them apart are leases: an entry
/// that was given out ([`Admission::Send`], [`Parcel`]) belongs to its ticket until the lease ends. A
/// daemon that dies leaves leases behind; when they end, its entries are due again (or forgotten, see
/// [`Intake::Send`]) for whoever claims next. A daemon that slept over its lease finds its ticket
/// void. So an entry may be sent twice, always with the same idempotency key, and is settled once.
/// Leases are compared with the `now` of whoever claims: the clocks of a fleet must agree to well
/// within a lease.
pub trait Store: Send + Sync + 'static {
    /// Takes deposits of one callback, all or none, and says of each what has become of it.
    ///
    /// *Repetition.* Of all deposits with one id, and of all credits with one business key
    /// ([`keys::Keys::credit`]), in all daemons, one is delivered; the others are
    /// [`Admission::Duplicate`], or [`Admission::InFlight`] while the first is being sent. A shared
    /// backend needs a unique index for each of the two, and must look again after a conflict. A
    /// deposit whose id is known with other content ([`keys::Keys::content`]: what it claims, not
    /// how it is described) is an *equivocation*: it is held, whatever `intake` says, once for each
    /// content: the pair of id and content is what is unique. It never stands for a credit, unless
    /// an operator has let it go. A repetition
    /// of a dead letter queues that again, whatever `intake` says, in its old place, unless it is
    /// an equivocation. A repetition of what an operator has dropped stays a duplicate. A
    /// repetition within one call shares the fate of the first: it is a duplicate at once.
    ///
    /// *Order.* A deposit whose payment ([`keys::Keys::order`], [`keys::Keys::transaction`]) has an
    /// earlier entry that waits, or is being sent and was not deposited together with it, is queued
    /// behind it. What was revived goes before what came later, but for what is being sent already.
    /// A shared backend must number entries of one payment in the order of their commits: an
    /// advisory lock per payment, or a locked row.
    ///
    /// *Standing.* A deposit is *regressive* if [`keys::is_regressive`] says so of the earlier
    /// entries of its payment (the latest few hundred will do), dropped ones and equivocations not
    /// counted. It is marked, and held where [`Deposit::hold_regressive`] says so.
    ///
    /// *Durability.* Of what is [`Admission::Queued`] or [`Admission::Held`], and of what a
    /// [`Admission::Duplicate`] repeats unless that was delivered, it is on disk and synced (on as
    /// many nodes as the database promises) when the answer is there.
    fn admit(
        &self,
        deposits: Vec<Deposit>,
        intake: Intake,
        now: UnixSeconds,
    ) -> Answer<'_, Vec<Admission>>;

    /// Gives out at most `max` entries for one upstream that are due, the earliest first, and leases
    /// them. Of a payment only the first that waits is ever due: the next becomes so when that is
    /// settled as delivered or dead, or dropped. Leases that have ended by `now` are taken back
    /// first. A shared backend selects `FOR UPDATE SKIP LOCKED`, so that daemons that claim together
    /// get different entries and none waits for another.
    fn claim(
        &self,
        upstream: &str,
        max: usize,
        now: UnixSeconds,
        lease_until: UnixSeconds,
    ) -> Answer<'_, Claimed>;

    /// Says what came of sending an entry.
    /// [`Settlement::Wait`] is durable when the answer is there if the ticket came from
    /// [`Admission::Send`]; the others need not be. Makes due what waited for the entry alone. An
    /// entry that must wait for another when it is settled forgets its time: it is due as soon as
    /// that is gone.
    fn settle(
        &self,
        ticket: Ticket,
        settlement: Settlement,
        now: UnixSeconds,
    ) -> Answer<'_, Settled>;

    /// Entries that fit, at most [`ROWS_MAX`]. Needs not see what is being written.
    fn entries(&self, filter: &Filter, page: Page, max: usize) -> Answer<'_, Vec<Entry>>;

    /// One entry and its message, as long as that is kept.
    fn entry(&self, seq: i64) -> Answer<'_, Option<(Entry, Option<Message>)>>;

    /// Does it to each of these entries that it can be done to, and says to how many. Those that are
    /// leased are left alone.
    fn order(&self, seqs: Vec<i64>, order: Order, now: UnixSeconds) -> Answer<'_, u64>;

    /// What is there now. A shared backend tells of all daemons.
    fn totals(&self) -> Answer<'_, Totals>;

    /// Forgets entries that were delivered or dropped before `before`, at most some thousands; how
    /// many. With them goes the memory of their ids: a repetition after that is new. Never touches
    /// what waits, is held or dead.
    fn prune(&self, before: UnixSeconds) -> Answer<'_, u64>;

    /// Writes down what an operator did. On disk when the answer is there.
    fn record(&self, act: Act) -> Answer<'_, ()>;

    /// What operators did, the latest first, at most [`ROWS_MAX`].
    fn acts(&self, max: usize) -> Answer<'_, Vec<Act>>;

    /// Whether deposits can be taken now; if not, why. A store that is full still takes what is sent
    /// at once and need not wait. Never waits for the disk.
    fn health(&self) -> Result<(), StoreError>;
}
