//! Inbounds as they came, and what became of each: to look into a refusal, and to judge again under
//! a mended rule. Kept by each daemon for itself, within an age and a number of bytes.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::engine::event::{Amount, Event, Status};
use crate::engine::inbound::{Inbound, UnixSeconds};
use crate::store::StoreError;
use crate::store::seal::Seal;

/// How captures are kept.
#[derive(Clone)]
pub struct Settings {
    /// The file.
    pub path: PathBuf,
    /// Bytes of the file, about; the oldest make room for the newest.
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
    /// Bytes of the file.
    pub bytes: u64,
    /// When the oldest came.
    pub oldest: Option<UnixSeconds>,
}

/// The captures of this daemon.
pub struct Captures {}

impl Captures {
    /// Opens the file or makes it.
    pub fn open(settings: Settings) -> Result<Self, StoreError> {
        let _ = settings;
        todo!()
    }

    /// Keeps one, soon, and without waiting for the disk: captures are for looking into things, and
    /// no promise hangs on them. `false`: too much is being written already, or the disk has
    /// failed, and it is lost.
    pub fn put(&self, capture: Capture) -> bool {
        let _ = capture;
        todo!()
    }

    /// Those that fit with a number below `before`, the newest first, at most
    /// [`ROWS_MAX`](crate::store::ROWS_MAX).
    pub async fn list(
        &self,
        filter: Filter,
        before: Option<i64>,
        max: usize,
    ) -> Result<Vec<Listed>, StoreError> {
        let _ = (filter, before, max);
        todo!()
    }

    /// One of them. The request is missing where it was sealed under a key that is not here.
    pub async fn get(&self, id: i64) -> Result<Option<(Listed, Option<Kept>)>, StoreError> {
        let _ = id;
        todo!()
    }

    /// Forgets the oldest beyond the age and the bytes; a part at a time, so that nobody waits long.
    /// To be called about once a second. How many went.
    pub async fn prune(&self, now: UnixSeconds) -> Result<u64, StoreError> {
        let _ = now;
        todo!()
    }

    /// What is kept now. Never waits for the disk.
    pub fn totals(&self) -> Totals {
        todo!()
    }
}
