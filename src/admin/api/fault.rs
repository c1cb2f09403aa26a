//! Why a verb was not done, and what to do about it.

use hyper::StatusCode;
use serde_json::{Map, Value};

use crate::store::StoreError;

/// An answer that is no success.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Fault {
    pub(super) status: StatusCode,
    error: String,
    hint: String,
    /// Of files, one text for each.
    problems: Vec<String>,
}

impl Fault {
    pub(super) fn new(
        status: StatusCode,
        error: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self { status, error: error.into(), hint: hint.into(), problems: Vec::new() }
    }

    /// What was asked cannot be understood.
    pub(super) fn unclear(error: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error, hint)
    }

    pub(super) fn absent(error: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, error, hint)
    }

    pub(super) fn conflict(error: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, error, hint)
    }

    pub(super) fn with_problems(mut self, problems: Vec<String>) -> Self {
        self.problems = problems;
        self
    }

    /// The same after a part was done.
    pub(super) fn after(mut self, done: &str) -> Self {
        self.error = format!("{done}; then {}", self.error);
        self
    }

    pub(super) fn into_body(self) -> Value {
        let mut body = Map::new();
        body.insert("error".to_owned(), self.error.into());
        body.insert("hint".to_owned(), self.hint.into());
        if !self.problems.is_empty() {
            body.insert("problems".to_owned(), self.problems.into());
        }
        body.into()
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        let hint = match error {
            StoreError::Busy => "ask again in a moment",
            StoreError::Closed => "the daemon is ending; ask again once it has started",
            StoreError::Corrupt => {
                "a new file is begun by itself; the log says where the old one is"
            }
            StoreError::Disk => "look at the disk and at the log",
            StoreError::Full => "make room on the disk, or raise the limits of `store`",
        };
        Self::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string(), hint)
    }
}
