//! Entries as operators see them, and what they do to them.

use super::Marks;
use crate::engine::event::{Amount, Status};
use crate::engine::inbound::UnixSeconds;

/// Where an entry stands.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum State {
    /// A request is sending it.
    Sending,
    /// In the outbox.
    Waiting,
    /// Until an operator has looked at it.
    Held,
    /// The upstream has it.
    Delivered,
    /// Given up.
    Dead,
    /// Thrown away by an operator.
    Dropped,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 6] =
        [Self::Sending, Self::Waiting, Self::Held, Self::Delivered, Self::Dead, Self::Dropped];

    /// The word in metrics, listings and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sending => "sending",
            Self::Waiting => "waiting",
            Self::Held => "held",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
            Self::Dropped => "dropped",
        }
    }

    /// The state of that word, if it is one.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

/// An entry, as operators see it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// Its number.
    pub seq: i64,
    /// Id of the message.
    pub id: String,
    /// Where it stands.
    pub state: State,
    /// What is remarkable about it.
    pub marks: Marks,
    /// Name of the rule.
    pub gateway: String,
    /// Name of the route.
    pub route: String,
    /// Name of the upstream.
    pub upstream: String,
    /// What it says, as far as listings show it.
    pub account: Option<String>,
    /// See [`Event::status`].
    pub status: Status,
    /// See [`Event::credit`].
    pub credit: bool,
    /// See [`Event::order_id`].
    pub order_id: Option<String>,
    /// See [`Event::transaction_id`].
    pub transaction_id: Option<String>,
    /// See [`Event::amount`].
    pub amount: Option<Amount>,
    /// When it came.
    pub received_at: UnixSeconds,
    /// When its state last changed.
    pub changed_at: UnixSeconds,
    /// When it is sent next; `None`: it is not, or waits for an earlier event of its payment.
    pub due: Option<UnixSeconds>,
    /// How often sending it has failed.
    pub attempts: u32,
    /// Why it failed last, was held or dropped.
    pub why: Option<String>,
}

/// Which entries. Everything that is given must hold.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Filter {
    /// Name of the rule.
    pub gateway: Option<String>,
    /// Name of the route.
    pub route: Option<String>,
    /// Where they stand.
    pub state: Option<State>,
    /// What they say.
    pub status: Option<Status>,
    /// Why they failed, were held or dropped.
    pub why: Option<String>,
    /// Order or transaction, exactly.
    pub payment: Option<String>,
    /// Came at or after.
    pub since: Option<UnixSeconds>,
    /// Came before.
    pub until: Option<UnixSeconds>,
}

/// A part of the entries.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Page {
    /// The newest below this number, newest first; `None`: from the newest on.
    Before(Option<i64>),
    /// The oldest above this number, oldest first: to follow what comes.
    After(i64),
}

/// What an operator does to an entry.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Order {
    /// Sends it soon: what waits at once, what was held or is dead anew.
    Retry,
    /// Throws it away, and says why. Not what has been delivered.
    Drop {
        /// In the operator's words.
        why: String,
    },
}

/// What is in the outbox now.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Totals {
    /// Entries by upstream and state, but those delivered and dropped.
    pub entries: Vec<(String, State, u64)>,
    /// When the oldest came that is waiting, by upstream.
    pub oldest: Vec<(String, UnixSeconds)>,
    /// Money that may be booked once it is delivered, by currency: what is waiting, held and dead.
    pub held: Vec<(State, Amount)>,
    /// Bytes of the database.
    pub bytes: u64,
}

/// One act of an operator.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Act {
    /// When.
    pub at: UnixSeconds,
    /// From where: an address, or `local`.
    pub by: String,
    /// What: `events.retry`, `events.drop`, `captures.release`, …
    pub verb: String,
    /// Which entries, and why: one line, no secrets.
    pub what: String,
    /// How many entries were changed.
    pub changed: u64,
}
