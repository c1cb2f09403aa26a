//! New entries of a transaction and their messages, written some to a statement: it costs as much
//! again as a row.

use bytes::Bytes;
use rusqlite::Connection;

use super::fault::Fault;
use super::row::{COLUMNS, Facts, Row};

/// Rows of one statement, at most.
const TOGETHER: usize = 8;

/// What is not written yet.
#[derive(Default)]
pub(super) struct Fresh(Vec<(Row, Facts, Bytes)>);

impl Fresh {
    pub(super) fn add(&mut self, row: Row, facts: Facts, message: Bytes) {
        self.0.push((row, facts, message));
    }

    /// Whether an entry is among these: their numbers are the highest.
    pub(super) fn may_hold(&self, seq: i64) -> bool {
        self.0.first().is_some_and(|(first, ..)| first.seq <= seq)
    }

    /// Writes all of it.
    pub(super) fn write(&mut self, conn: &Connection) -> Result<(), Fault> {
        for some in self.0.chunks(TOGETHER) {
            let mut insert = conn.prepare_cached(&statement("entry", COLUMNS, some.len()))?;
            for ((row, facts, _), at) in some.iter().zip(0..) {
                row.bind(facts, &mut insert, at * COLUMNS)?;
            }
            insert.raw_execute()?;
            let mut insert = conn.prepare_cached(&statement("message", 2, some.len()))?;
            for ((row, _, message), at) in some.iter().zip(0..) {
                insert.raw_bind_parameter(2 * at + 1, row.seq)?;
                insert.raw_bind_parameter(2 * at + 2, &**message)?;
            }
            insert.raw_execute()?;
        }
        self.forget();
        Ok(())
    }

    pub(super) fn forget(&mut self) {
        self.0.clear();
    }
}

fn statement(table: &str, columns: usize, rows: usize) -> String {
    let row = format!("({})", vec!["?"; columns].join(", "));
    format!("INSERT INTO {table} VALUES {}", vec![row; rows].join(", "))
}
