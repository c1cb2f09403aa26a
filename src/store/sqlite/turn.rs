//! Where an entry stands once that is not where it stood at first: a row for each, and no more of it
//! than changes.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::facts::Birth;
use super::fault::Fault;
use super::row::Row;
use super::sheet::ENTRIES_MAX;
use crate::engine::inbound::UnixSeconds;
use crate::store::{Marks, State};

#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Turn {
    pub(super) state: State,
    pub(super) changed_at: UnixSeconds,
    pub(super) due: Option<UnixSeconds>,
    pub(super) attempts: u32,
    pub(super) why: Option<String>,
}

impl Turn {
    /// Of an entry of which nothing has changed.
    pub(super) fn first(birth: &Birth) -> Self {
        let Birth { state, marks, or_queue: _, at, due } = *birth;
        let why = match marks {
            _ if state != State::Held => None,
            Marks { equivocation: true, .. } => Some("equivocation".to_owned()),
            Marks { equivocation: false, .. } => Some("regressive".to_owned()),
        };
        Self { state, changed_at: at, due, attempts: 0, why }
    }

    /// Whether it is done with: delivered or dropped.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.state, State::Delivered | State::Dropped)
    }

    pub(super) fn read(conn: &Connection, seq: i64) -> Result<Option<Self>, Fault> {
        let mut select = conn.prepare_cached(
            "SELECT seq, state, changed_at, due, attempts, why FROM turn WHERE seq = ?1",
        )?;
        Ok(select.query_row([seq], Self::from_columns).optional()?.map(|(_, turn)| turn))
    }

    /// Of the entries of one sheet that have one, in their order.
    pub(super) fn of_sheet(conn: &Connection, first: i64) -> Result<Vec<(i64, Self)>, Fault> {
        let mut select = conn.prepare_cached(
            "SELECT seq, state, changed_at, due, attempts, why FROM turn \
             WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq",
        )?;
        let last = first.saturating_add(ENTRIES_MAX - 1);
        let turns = select.query_map([first, last], Self::from_columns)?;
        Ok(turns.collect::<Result<_, _>>()?)
    }

    fn from_columns(row: &rusqlite::Row<'_>) -> rusqlite::Result<(i64, Self)> {
        let turn = Self {
            state: row.get(1)?,
            changed_at: row.get(2)?,
            due: row.get(3)?,
            attempts: row.get(4)?,
            why: row.get(5)?,
        };
        Ok((row.get(0)?, turn))
    }

    /// Writes down where an entry stands now.
    pub(super) fn write(conn: &Connection, row: &Row) -> Result<(), Fault> {
        let Self { state, changed_at, due, attempts, why } = &row.turn;
        let mut insert =
            conn.prepare_cached("INSERT OR REPLACE INTO turn VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
        insert.execute(params![row.seq, state, changed_at, due, attempts, why])?;
        Ok(())
    }

    pub(super) fn delete(conn: &Connection, seq: i64) -> Result<(), Fault> {
        conn.prepare_cached("DELETE FROM turn WHERE seq = ?1")?.execute([seq])?;
        Ok(())
    }
}
