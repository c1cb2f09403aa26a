//! What the database or the disk did not do, in words for the log and in the store's own.

use rusqlite::ErrorCode;

use crate::store::StoreError;

/// Why a transaction came to nothing.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    /// For whoever asked.
    pub(super) error: StoreError,
    /// For the log.
    pub(super) text: String,
}

impl Fault {
    pub(super) fn new(error: StoreError, text: impl Into<String>) -> Self {
        Self { error, text: text.into() }
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::Error::{
            FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType, Utf8Error,
        };
        let kind = match &error {
            // A row that is not what was written.
            FromSqlConversionFailure(..)
            | IntegralValueOutOfRange(..)
            | InvalidColumnType(..)
            | Utf8Error(..) => StoreError::Corrupt,
            error => match error.sqlite_error_code() {
                // Nothing is written that a sound file would refuse.
                Some(
                    ErrorCode::ConstraintViolation
                    | ErrorCode::DatabaseCorrupt
                    | ErrorCode::NotADatabase
                    | ErrorCode::TypeMismatch,
                ) => StoreError::Corrupt,
                Some(ErrorCode::DiskFull) => StoreError::Full,
                _ => StoreError::Disk,
            },
        };
        Self { error: kind, text: error.to_string() }
    }
}

impl From<std::io::Error> for Fault {
    fn from(error: std::io::Error) -> Self {
        let full = error.kind() == std::io::ErrorKind::StorageFull;
        let kind = if full { StoreError::Full } else { StoreError::Disk };
        Self { error: kind, text: error.to_string() }
    }
}
