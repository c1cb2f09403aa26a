//! What judging one inbound comes to, and what the gateway is answered.

use std::sync::Arc;

use crate::engine::event::Event;
use crate::engine::reason::Reject;

/// The outcome of judging one inbound.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// Genuine, and understood.
    Accepted(Accepted),
    /// Refused; nothing of it may go anywhere.
    Rejected(Reject),
}

/// A genuine callback.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Accepted {
    /// What it says: one event as a rule, several for a batch, none for a handshake.
    pub events: Vec<Event>,
    /// What the gateway gets once the events are safe.
    pub reply: Arc<Reply>,
}

/// An answer to the gateway, as its documentation wants it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reply {
    /// HTTP status, 200 to 599.
    pub status: u16,
    /// `Content-Type`; none: the header is left out.
    pub content_type: Option<String>,
    /// The body, as it stands in the rule.
    pub body: Vec<u8>,
}

/// The answers of one rule.
#[derive(Clone, Debug)]
pub struct Replies {
    /// The events are safe: do not send this again.
    pub accepted: Arc<Reply>,
    /// Refused. `None`: the status of the reason's class and the constant body.
    pub refused: Option<Arc<Reply>>,
    /// Not now: send it again. `None`: 503 with `Retry-After`.
    pub try_again: Option<Arc<Reply>>,
}
