//! What a rule asks its gateway, and what it was answered. The engine does no I/O: it returns the
//! question, the edge asks it, and the inbound is judged again with the answer.

use std::sync::Arc;

use zeroize::Zeroizing;

/// An outgoing question. It may carry credentials, so it shows none of itself but name and host.
#[derive(Clone, Eq, PartialEq)]
pub struct Exchange {
    /// Its name in the rule (`certificate`, `transaction`): what metrics and logs call it.
    pub name: Arc<str>,
    /// `GET` or `POST`.
    pub method: &'static str,
    /// `https`, or `http` where the operator has configured the address himself.
    pub url: Zeroizing<String>,
    /// Names in lower case. `host` and `content-length` are the edge's.
    pub headers: Vec<(&'static str, Zeroizing<String>)>,
    /// The body, exactly.
    pub body: Zeroizing<Vec<u8>>,
    /// Seconds for which an answer of status 200 may be given again to an equal question.
    pub cache_seconds: Option<u32>,
    /// An answer from the cache has not done: ask the gateway itself.
    pub refresh: bool,
}

/// What became of a question.
#[derive(Clone, Eq, PartialEq)]
pub enum Answer {
    /// The gateway has answered: whatever the status, the whole body.
    Given {
        /// HTTP status.
        status: u16,
        /// The body, within the limit of the edge.
        body: Arc<[u8]>,
        /// It was kept from an earlier question.
        cached: bool,
    },
    /// Nothing usable came: no connection, no valid certificate, no end within the limits.
    Unavailable,
}

/// A question that has been asked: its name, and what became of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answered {
    /// [`Exchange::name`].
    pub name: Arc<str>,
    /// The answer.
    pub answer: Answer,
}

impl Exchange {
    /// The host part of the URL, as it was written; empty where there is none.
    pub fn host(&self) -> &str {
        let rest = self.url.split_once("://").map_or("", |(_, rest)| rest);
        rest.split(['/', '?', '#']).next().unwrap_or_default()
    }
}

impl std::fmt::Debug for Exchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Exchange({}, {} {})", self.name, self.method, self.host())
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Given { status, body, cached } => {
                write!(f, "Given({status}, {} bytes, cached: {cached})", body.len())
            }
            Self::Unavailable => f.write_str("Unavailable"),
        }
    }
}
