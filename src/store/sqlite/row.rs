//! A row of `entry`: what decides an entry's way, and how its columns are written and read.

use std::sync::Arc;

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, Value, ValueRef};
use rusqlite::{OptionalExtension as _, params};
use sha2::{Digest as _, Sha256};

use super::fault::Fault;
use super::queue::Lanes;
use crate::engine::encoding::Encoding;
use crate::engine::event::{Amount, Event, Status};
use crate::engine::inbound::UnixSeconds;
use crate::store::keys::Keys;
use crate::store::{Marks, State};

const EQUIVOCATION: i64 = 1;
const REGRESSIVE: i64 = 2;
const OR_QUEUE: i64 = 4;
const CREDIT: i64 = 8;

/// Columns of an entry.
pub(super) const COLUMNS: usize = 22;

/// What the ledger must know of an entry to move it.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) seq: i64,
    pub(super) id: Id,
    pub(super) keys: Keys,
    pub(super) state: State,
    pub(super) marks: Marks,
    /// If it is still being sent when the daemon dies, it waits.
    pub(super) or_queue: bool,
    pub(super) credit: bool,
    pub(super) status: Status,
    pub(super) upstream: i64,
    pub(super) amount: Option<Amount>,
    pub(super) received_at: UnixSeconds,
    pub(super) changed_at: UnixSeconds,
    pub(super) due: Option<UnixSeconds>,
    pub(super) attempts: u32,
    pub(super) why: Option<String>,
}

/// What is only written and shown.
pub(super) struct Facts {
    pub(super) event: Arc<Event>,
    pub(super) gateway: i64,
    pub(super) route: i64,
}

/// Begins every query for rows.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT seq, id, content, credit, order_lane, transaction_lane, state, flags, \
    status, upstream, value, currency, received_at, changed_at, due, attempts, why FROM entry ",
            $rest
        )
    };
}

impl Row {
    pub(super) fn lanes(&self) -> Lanes {
        [self.keys.order, self.keys.transaction]
    }

    /// Whether it stands in its lanes.
    pub(super) fn is_active(&self) -> bool {
        matches!(self.state, State::Sending | State::Waiting)
    }

    /// Whether its money is or may be booked: an equivocation is suspect until an operator has
    /// let it go.
    pub(super) fn counts_as_credit(&self) -> bool {
        let is_looked_after = matches!(self.state, State::Held | State::Dead | State::Dropped);
        !(self.marks.equivocation && is_looked_after)
    }

    fn flags(&self) -> i64 {
        let flag = |set: bool, flag: i64| if set { flag } else { 0 };
        flag(self.marks.equivocation, EQUIVOCATION)
            | flag(self.marks.regressive, REGRESSIVE)
            | flag(self.or_queue, OR_QUEUE)
            | flag(self.credit, CREDIT)
    }

    fn from_columns(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        let flags: i64 = row.get(7)?;
        let amount = match (row.get(10)?, row.get(11)?) {
            (Some(value), Some(currency)) => Some(Amount { value, currency }),
            _ => None,
        };
        Ok(Self {
            seq: row.get(0)?,
            id: row.get(1)?,
            keys: Keys {
                content: row.get(2)?,
                credit: row.get(3)?,
                order: row.get(4)?,
                transaction: row.get(5)?,
            },
            state: row.get(6)?,
            marks: marks(flags),
            or_queue: flags & OR_QUEUE != 0,
            credit: flags & CREDIT != 0,
            status: row.get(8)?,
            upstream: row.get(9)?,
            amount,
            received_at: row.get(12)?,
            changed_at: row.get(13)?,
            due: row.get(14)?,
            attempts: row.get(15)?,
            why: row.get(16)?,
        })
    }

    /// The entry of that number.
    pub(super) fn read(conn: &rusqlite::Connection, seq: i64) -> Result<Option<Self>, Fault> {
        let mut statement = conn.prepare_cached(select!("WHERE seq = ?1"))?;
        Ok(statement.query_row([seq], Self::from_columns).optional()?)
    }

    /// Every entry that is not delivered or dropped.
    pub(super) fn each_open(
        conn: &rusqlite::Connection,
        mut each: impl FnMut(Self) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        // As many single values as the partial index has, so that it is used.
        let mut statement = conn.prepare(select!(
            "INDEXED BY entry_open WHERE state = ?1 AND state <> 3 AND state <> 5"
        ))?;
        for state in [State::Sending, State::Waiting, State::Held, State::Dead] {
            let mut rows = statement.query([state])?;
            while let Some(row) = rows.next()? {
                each(Self::from_columns(row)?)?;
            }
        }
        Ok(())
    }

    /// Binds the columns of a new entry, from the one after `at` on, in the order of the table.
    pub(super) fn bind(
        &self,
        facts: &Facts,
        insert: &mut rusqlite::Statement<'_>,
        at: usize,
    ) -> Result<(), Fault> {
        let Facts { event, gateway, route } = facts;
        let columns: [&dyn ToSql; COLUMNS] = [
            &self.seq,
            &self.id,
            &self.keys.content,
            &self.keys.credit,
            &self.keys.order,
            &self.keys.transaction,
            &self.state,
            &self.flags(),
            &self.status,
            gateway,
            route,
            &self.upstream,
            &event.account,
            &event.order_id,
            &event.transaction_id,
            &self.amount.as_ref().map(|amount| &amount.value),
            &self.amount.as_ref().map(|amount| &amount.currency),
            &self.received_at,
            &self.changed_at,
            &self.due,
            &self.attempts,
            &self.why,
        ];
        for (column, number) in columns.into_iter().zip(at + 1..) {
            insert.raw_bind_parameter(number, column)?;
        }
        Ok(())
    }

    /// Writes down what has changed.
    pub(super) fn update(&self, conn: &rusqlite::Connection) -> Result<(), Fault> {
        let mut statement = conn.prepare_cached(
            "UPDATE entry SET state = ?2, flags = ?3, changed_at = ?4, due = ?5, attempts = ?6, \
             why = ?7 WHERE seq = ?1",
        )?;
        statement.execute(params![
            self.seq,
            self.state,
            self.flags(),
            self.changed_at,
            self.due,
            self.attempts,
            self.why,
        ])?;
        Ok(())
    }
}

/// The marks of a column of flags.
pub(super) fn marks(flags: i64) -> Marks {
    Marks { equivocation: flags & EQUIVOCATION != 0, regressive: flags & REGRESSIVE != 0 }
}

/// Whether a column of flags tells of money.
pub(super) fn credit(flags: i64) -> bool {
    flags & CREDIT != 0
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

impl ToSql for Id {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Hash(hash) => ValueRef::Blob(hash),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
        }))
    }
}

impl FromSql for Id {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value {
            ValueRef::Blob(bytes) => {
                bytes.try_into().map(Self::Hash).map_err(|_| FromSqlError::InvalidType)
            }
            value => Ok(Self::Text(value.as_str()?.to_owned())),
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

/// Statuses are kept by their words: their numbers are nobody's promise.
impl ToSql for Status {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Text(self.as_str().as_bytes())))
    }
}

impl FromSql for Status {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Self::from_word(value.as_str()?).ok_or(FromSqlError::InvalidType)
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
