//! What judging one inbound comes to, and what the gateway is answered.

use std::sync::Arc;

use crate::engine::event::Event;
use crate::engine::exchange::Exchange;
use crate::engine::reason::Reject;

/// The outcome of judging one inbound.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// Genuine, and understood.
    Accepted(Accepted),
    /// The gateway must be asked this first; then judge again, with the answer.
    Ask(Exchange),
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
    /// The upstream's own answer takes the place of `reply`, where it has a body.
    pub relayed: bool,
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
