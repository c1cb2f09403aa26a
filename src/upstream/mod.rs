//! The way to one upstream: from a request to the head of the answer and its body as a stream.
//!
//! A connection is driven by the request that uses it, not by a task of its own: that saves two
//! wake-ups a request. Idle ones lie in the pool undriven and are looked at before they are used.

mod answer;
mod balance;
mod connection;
mod endpoint;
mod io;
mod line;
mod outgoing;
mod pool;
mod proxy;
mod resolve;
mod shared;
mod timer;
mod way;
mod wellness;

use std::net::SocketAddr;
use std::time::Duration;

use hyper::StatusCode;

pub use answer::{AnswerBody, Tunnel};
pub use io::Io;
pub use outgoing::{BoxError, Outgoing};
pub use pool::{CONNECTS_MAX, Pool};

use crate::metrics::Class;

/// Why there is no answer, or no more of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Error {
    /// What came back is not an answer, or not all of one.
    #[error("what the upstream sent is not a whole answer")]
    Broken,
    /// As many requests as are allowed are under way. Nothing was sent.
    #[error("as many requests to the upstream as are allowed are under way")]
    Busy,
    /// No connection. Nothing was sent.
    #[error("no connection to the upstream")]
    ConnectFailed,
    /// Nothing that a request could be sent to. Nothing was sent.
    #[error("the upstream cannot be used as it is configured")]
    NotConfigured,
    /// The body of the request broke, or stopped coming: its sender's fault, not the upstream's.
    #[error("the body of the request has not come to its end")]
    RequestBody,
    /// No answer in time, or no more of it.
    #[error("the upstream did not answer in time")]
    Timeout,
    /// The connection ended before an answer began. The upstream may have done what was asked.
    #[error("the upstream closed the connection without an answer")]
    Unanswered,
    /// The connection ended before anything was sent.
    #[error("the upstream closed the connection before anything was sent")]
    Unsent,
}

impl Error {
    /// The class under which it is counted; `None`: the upstream had no part in it.
    fn class(self) -> Option<Class> {
        match self {
            Self::Broken | Self::Unanswered | Self::Unsent => Some(Class::Broken),
            Self::ConnectFailed => Some(Class::ConnectFailed),
            Self::Timeout => Some(Class::Timeout),
            Self::Busy | Self::NotConfigured | Self::RequestBody => None,
        }
    }
}

/// Whether a request may be sent a second time when nobody knows what became of the first.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Repeat {
    /// The upstream cannot know it from a new one.
    Never,
    /// It carries an idempotency key.
    Safe,
}

/// How long an answer may take. `None`: for ever. A connection has its own deadline, which is the
/// upstream's.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Deadlines {
    /// From the first byte sent to the last byte of the answer.
    pub whole: Option<Duration>,
    /// From the end of the request to the head of the answer.
    pub head: Option<Duration>,
    /// Without a byte of either body. What holds up the request's body is its sender if that is
    /// whom we wait for: then it ends with [`Error::RequestBody`].
    pub idle: Option<Duration>,
}

/// The two ends of the connection over which a request came, for upstreams that are told of them
/// (PROXY protocol).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Ends {
    /// The client.
    pub source: SocketAddr,
    /// Where it has connected to.
    pub destination: SocketAddr,
}

/// On which terms a request is sent.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// Whether it may be repeated. A streaming body never is, once anything of it was sent.
    pub repeat: Repeat,
    /// How long it may take.
    pub deadlines: Deadlines,
    /// Who asks, if it is somebody else than this daemon.
    pub client: Option<Ends>,
}

/// The class under which an answer is counted.
fn class(status: StatusCode) -> Class {
    match status.as_u16() {
        // 101: it does what it was asked for.
        101 | 200..=299 => Class::Success,
        300..=399 => Class::Redirect,
        400..=499 => Class::ClientError,
        500..=599 => Class::ServerError,
        _ => Class::Broken,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic fails the test")]

    use super::*;

    #[test]
    fn what_was_not_sent_is_not_counted_as_an_answer() {
        assert_eq!(Error::Busy.class(), None);
        assert_eq!(Error::NotConfigured.class(), None);
        assert_eq!(Error::RequestBody.class(), None);
        assert_eq!(Error::Timeout.class(), Some(Class::Timeout));
        assert_eq!(class(StatusCode::NO_CONTENT), Class::Success);
        assert_eq!(class(StatusCode::SWITCHING_PROTOCOLS), Class::Success);
        assert_eq!(class(StatusCode::FOUND), Class::Redirect);
        assert_eq!(class(StatusCode::from_u16(600).unwrap()), Class::Broken);
    }
}
