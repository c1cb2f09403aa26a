//! An entry, as far as the ledger must know it to move it.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, Value, ValueRef};
use sha2::{Digest as _, Sha256};

use super::facts::Facts;
use super::queue::Lanes;
use super::turn::Turn;
use crate::engine::encoding::Encoding;
use crate::engine::event::{Amount, Status};
use crate::engine::inbound::UnixSeconds;
use crate::store::keys::Keys;
use crate::store::{Marks, State};

#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) seq: i64,
    pub(super) id: Id,
    pub(super) keys: Keys,
    pub(super) marks: Marks,
    /// If it is still being sent when the daemon dies, it waits.
    pub(super) or_queue: bool,
    pub(super) credit: bool,
    pub(super) status: Status,
    /// By its number in this process.
    pub(super) upstream: i64,
    pub(super) amount: Option<Amount>,
    pub(super) received_at: UnixSeconds,
    /// Where it stands.
    pub(super) turn: Turn,
}

impl Row {
    /// `turn`: where it stands, if that is not where it stood at first.
    pub(super) fn new(seq: i64, facts: Facts<'_>, turn: Option<Turn>, upstream: i64) -> Self {
        let Facts { id, keys, credit, status, amount, received_at, birth, .. } = facts;
        let amount = amount.map(|(value, currency)| Amount {
            value: value.to_owned(),
            currency: currency.to_owned(),
        });
        Self {
            seq,
            id,
            keys,
            marks: birth.marks,
            or_queue: birth.or_queue,
            credit,
            status,
            upstream,
            amount,
            received_at,
            turn: turn.unwrap_or_else(|| Turn::first(&birth)),
        }
    }

    pub(super) fn lanes(&self) -> Lanes {
        [self.keys.order, self.keys.transaction]
    }

    /// Whether it stands in its lanes.
    pub(super) fn is_active(&self) -> bool {
        matches!(self.turn.state, State::Sending | State::Waiting)
    }

    /// Whether its money is or may be booked: an equivocation is suspect until an operator has
    /// let it go.
    pub(super) fn counts_as_credit(&self) -> bool {
        let is_looked_after = matches!(self.turn.state, State::Held | State::Dead | State::Dropped);
        !(self.marks.equivocation && is_looked_after)
    }
}

/// The id of a message: the twenty bytes behind `evt_` where it has that form, else the text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Id {
    Hash([u8; 20]),
    Text(String),
}

const PREFIX: &str = "evt_";

impl Id {
    pub(super) fn new(text: &str) -> Self {
        let hex = text.strip_prefix(PREFIX).and_then(|hex| Encoding::Hex.decode(hex.as_bytes()));
        match hex.and_then(|bytes| bytes.try_into().ok()) {
            Some(hash) => Self::Hash(hash),
            None => Self::Text(text.to_owned()),
        }
    }

    /// By which `known` finds it. Two that share it by chance are told apart by their rows.
    pub(super) fn key(&self) -> i64 {
        let first = |bytes: &[u8]| i64::from_be_bytes(std::array::from_fn(|i| bytes[i]));
        match self {
            Self::Hash(hash) => first(hash),
            Self::Text(text) => first(&Sha256::digest(text)),
        }
    }
}

impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Hash(hash) => write!(f, "{PREFIX}{}", Encoding::Hex.encode(hash)),
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl ToSql for State {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Owned(Value::Integer(*self as i64)))
    }
}

impl FromSql for State {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let number = value.as_i64()?;
        let state = Self::ALL.into_iter().find(|state| *state as i64 == number);
        state.ok_or(FromSqlError::OutOfRange(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_twenty_bytes_or_its_text() {
        let hex = format!("evt_{}", "0a".repeat(20));
        assert_eq!(Id::new(&hex), Id::Hash([10; 20]));
        for text in
            [&hex, "evt_0A", "evt_", "", "order-1", &hex.to_uppercase(), &format!("{hex}00")]
        {
            assert_eq!(Id::new(text).to_string(), *text);
        }
    }

    #[test]
    fn states_keep_their_numbers() {
        // Partial indexes and files that exist name them.
        assert_eq!(State::ALL.map(|state| state as i64), [0, 1, 2, 3, 4, 5]);
    }
}
