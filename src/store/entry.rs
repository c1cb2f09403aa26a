//! What goes into the outbox and comes out of it.

use std::sync::Arc;

use bytes::Bytes;

use crate::engine::event::{Amount, Event, Status};
use crate::engine::inbound::UnixSeconds;
use crate::store::keys::Keys;

/// One message for an upstream, and what it says.
#[derive(Clone, Debug)]
pub struct Deposit {
    /// The id of the event, or of all events of an original with several. Upstreams know the
    /// message by it ([`Message`] goes out with it as `webhook-id` and `idempotency-key`).
    pub id: String,
    /// What it says; of an original with several events the first.
    pub event: Arc<Event>,
    /// How many events it says.
    pub events: usize,
    /// Name of the route on which it came.
    pub route: Arc<str>,
    /// Name of the upstream that it is for.
    pub upstream: Arc<str>,
    /// When it came.
    pub received_at: UnixSeconds,
    /// By what repetitions and neighbours are known.
    pub keys: Keys,
    /// Whether a regressive transition is held.
    pub hold_regressive: bool,
    /// What is sent.
    pub message: Message,
}

/// What is sent, as it is kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Message {
    /// Path and query at the upstream.
    pub to: String,
    /// In which form.
    pub form: Form,
    /// The body. Of a canonical event its bytes but for the mark of a regressive transition, which
    /// the backend makes anew where it finds one.
    pub body: Bytes,
}

/// The form of a message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Form {
    /// The canonical event; counter-signed when it is sent.
    Canonical,
    /// The inbound, byte for byte.
    Original {
        /// Its method.
        method: String,
        /// Names and values of the headers that go with it.
        headers: Vec<(String, Vec<u8>)>,
    },
}

/// What is to become of deposits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Intake {
    /// They wait in the outbox. When the answer is there they are on disk and synced: whoever sent
    /// them may be told so.
    Queue,
    /// The caller sends them at once. Nothing is promised, and nothing need be synced; but until
    /// [`Store::settle`](crate::store::Store::settle) or `lease_until`, whichever is first, no other daemon and no other request
    /// has them.
    Send {
        /// What becomes of one whose payment has earlier events under way or waiting, and of those
        /// that are still being sent when the daemon dies: they wait in the outbox (`true`), or
        /// they are forgotten because the gateway will send them again (`false`).
        or_queue: bool,
        /// Until when the caller has them.
        lease_until: UnixSeconds,
    },
}

/// What has become of a deposit.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Admission {
    /// The caller has it and sends it. Only to [`Intake::Send`].
    Send(Ticket),
    /// On disk. It will be delivered; also a dead letter that its gateway has sent again.
    Queued(Marks),
    /// On disk, and held until an operator has looked at it.
    Held(Marks),
    /// Known already, and delivered or on disk: a success for the gateway, and it goes nowhere.
    Duplicate {
        /// By what it was known.
        by: Duplicate,
        /// Where the entry stands that it repeats. [`State::Sending`]: deposited together with it.
        of: State,
    },
    /// Known, and being sent by another request just now: nothing can be promised yet. Or an earlier
    /// event of its payment is, and this one may not wait ([`Intake::Send`] with `or_queue: false`).
    /// The gateway is asked to come again.
    InFlight,
}

/// By what a duplicate was known.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Duplicate {
    /// The id of the notification.
    Delivery,
    /// The business key: this payment was credited with this amount already, under another id.
    Credit,
}

impl Duplicate {
    /// The word in metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delivery => "delivery",
            Self::Credit => "credit",
        }
    }
}

/// What is remarkable about an entry.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Marks {
    /// Its id was there before with other content. Never delivered but by an operator.
    pub equivocation: bool,
    /// It tells of a state that its payment has left behind.
    pub regressive: bool,
}

/// The right to settle an entry. A later claim of the same entry makes it void, so that a daemon
/// that slept over its lease changes nothing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Ticket {
    /// The entry's number: entries are numbered in the order in which they came.
    pub seq: i64,
    /// Which giving out it was: no two of one entry have the same.
    pub token: i64,
    /// What is remarkable about it.
    pub marks: Marks,
}

/// What became of a settlement.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Settled {
    /// Nothing: the ticket is void.
    Void,
    /// It was taken.
    Done,
    /// It was taken, and something that waited for the entry is due now.
    Freed,
}

/// What came of sending an entry.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Settlement {
    /// The upstream has it. Need not be synced: forgotten in a crash, it is delivered again with the
    /// same idempotency key.
    Delivered,
    /// The upstream does not have it. It waits, and what waits for it goes on waiting.
    Wait {
        /// When to try again.
        due: UnixSeconds,
        /// Why it failed: a word of a closed list.
        why: &'static str,
        /// Whether the attempt counts against the entry.
        counts: bool,
    },
    /// Given up: a dead letter.
    Dead {
        /// Why: a word of a closed list.
        why: &'static str,
    },
    /// As if it had never come: its gateway has been told so. Only of what came from
    /// [`Admission::Send`]: of an entry that was promised it does nothing.
    Forget,
}

/// An entry given out to be sent.
#[derive(Clone, Debug)]
pub struct Parcel {
    /// To settle it with.
    pub ticket: Ticket,
    /// Id of the message.
    pub id: String,
    /// How often sending it has failed.
    pub attempts: u32,
    /// When it came.
    pub received_at: UnixSeconds,
    /// What to send.
    pub message: Message,
}

/// What is given out, and when there is more.
#[derive(Debug, Default)]
pub struct Claimed {
    /// In the order in which they came.
    pub parcels: Vec<Parcel>,
    /// When there may be more for this upstream: when the next entry is due, or, if none was given
    /// out, a lease ends.
    pub next_due: Option<UnixSeconds>,
}

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
    /// Sends it soon: what waits for its time at once, what was held or is dead anew, in its old
    /// place and with its attempts forgotten. Not what waits for another, nor what would bring money
    /// that another entry brings or has brought.
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
