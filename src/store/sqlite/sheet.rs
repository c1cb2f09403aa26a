//! Rows of many: entries that came together lie in one row of `sheet`, and their messages in one of
//! `message`, for what a row costs it costs whatever is in it. A row has a number of parts, each with
//! its length before it; which entries they belong to the bits of a mask say.

use rusqlite::{Connection, OptionalExtension as _, Row};

use super::fault::Fault;
use super::pack::{self, Unpack};
use crate::store::StoreError;

/// Entries of one sheet, at most: its mask has a bit for each.
pub(super) const ENTRIES_MAX: i64 = 32;

/// In which table.
#[derive(Clone, Copy)]
pub(super) enum Table {
    /// What entries say.
    Entries,
    /// What is sent.
    Messages,
}

/// A row of many.
#[derive(Clone)]
pub(super) struct Sheet {
    /// The number of the entry of the lowest bit.
    pub(super) first: i64,
    /// Whose parts are there.
    pub(super) there: u32,
    pub(super) parts: Vec<u8>,
}

/// The bit of an entry in a mask, if it can be in it.
pub(super) fn bit(first: i64, seq: i64) -> Option<u32> {
    let at = seq.checked_sub(first).filter(|at| (0..ENTRIES_MAX).contains(at))?;
    Some(1 << at)
}

/// The entries of a mask.
pub(super) fn seqs(first: i64, mask: u32) -> impl Iterator<Item = i64> {
    (0..ENTRIES_MAX).filter(move |at| mask & (1 << at) != 0).map(move |at| first.saturating_add(at))
}

impl Sheet {
    /// The sheet in which this entry is.
    pub(super) fn holding(
        conn: &Connection,
        table: Table,
        seq: i64,
    ) -> Result<Option<Self>, Fault> {
        let mut select = conn.prepare_cached(match table {
            Table::Entries => {
                "SELECT first, there, parts FROM sheet WHERE first <= ?1 \
                 ORDER BY first DESC LIMIT 1"
            }
            Table::Messages => {
                "SELECT first, there, parts FROM message WHERE first <= ?1 \
                 ORDER BY first DESC LIMIT 1"
            }
        })?;
        let found = select.query_row([seq], Self::from_columns).optional()?;
        Ok(found.filter(|sheet| sheet.holds(seq)))
    }

    /// The sheet of that first number.
    pub(super) fn at(conn: &Connection, table: Table, first: i64) -> Result<Option<Self>, Fault> {
        let mut select = conn.prepare_cached(match table {
            Table::Entries => "SELECT first, there, parts FROM sheet WHERE first = ?1",
            Table::Messages => "SELECT first, there, parts FROM message WHERE first = ?1",
        })?;
        Ok(select.query_row([first], Self::from_columns).optional()?)
    }

    /// The sheet of the newest entries.
    pub(super) fn last(conn: &Connection) -> Result<Option<Self>, Fault> {
        let select = "SELECT first, there, parts FROM sheet ORDER BY first DESC LIMIT 1";
        Ok(conn.query_row(select, [], Self::from_columns).optional()?)
    }

    /// Columns: first, there, parts.
    pub(super) fn from_columns(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self { first: row.get(0)?, there: row.get(1)?, parts: row.get(2)? })
    }

    pub(super) fn seqs(&self) -> impl Iterator<Item = i64> + use<> {
        seqs(self.first, self.there)
    }

    pub(super) fn holds(&self, seq: i64) -> bool {
        bit(self.first, seq).is_some_and(|bit| self.there & bit != 0)
    }

    /// The entries and their parts, in their order.
    pub(super) fn parts(&self) -> impl Iterator<Item = Result<(i64, &[u8]), Fault>> {
        let mut rest = Unpack(&self.parts);
        self.seqs().map(move |seq| {
            let part = rest.part().ok_or_else(|| damaged(self.first))?;
            Ok((seq, part))
        })
    }

    /// The part of one entry.
    pub(super) fn part(&self, seq: i64) -> Result<Option<&[u8]>, Fault> {
        if !self.holds(seq) {
            return Ok(None);
        }
        let found = self.parts().find(|part| !matches!(part, Ok((other, _)) if *other != seq));
        found.transpose().map(|found| found.map(|(_, part)| part))
    }

    /// Only the parts of these.
    pub(super) fn only(&self, mask: u32) -> Result<Self, Fault> {
        let mut only = Self { first: self.first, there: self.there & mask, parts: Vec::new() };
        for part in self.parts() {
            let (seq, part) = part?;
            if only.holds(seq) {
                pack::put(&mut only.parts, part);
            }
        }
        Ok(only)
    }

    /// Writes it, in the place of what was there.
    pub(super) fn write(&self, conn: &Connection, table: Table) -> Result<(), Fault> {
        let mut insert = conn.prepare_cached(match table {
            Table::Entries => "INSERT OR REPLACE INTO sheet VALUES (?1, ?2, ?3)",
            Table::Messages => "INSERT OR REPLACE INTO message VALUES (?1, ?2, ?3)",
        })?;
        insert.execute((self.first, self.there, &self.parts))?;
        Ok(())
    }

    pub(super) fn delete(conn: &Connection, table: Table, first: i64) -> Result<(), Fault> {
        let mut delete = conn.prepare_cached(match table {
            Table::Entries => "DELETE FROM sheet WHERE first = ?1",
            Table::Messages => "DELETE FROM message WHERE first = ?1",
        })?;
        delete.execute([first])?;
        Ok(())
    }
}

/// What was read is not what was written.
pub(super) fn damaged(seq: i64) -> Fault {
    Fault::new(StoreError::Corrupt, format!("the entries from {seq} on cannot be read"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn parts_are_found_by_their_numbers_and_damage_is_noticed() {
        let mut sheet = Sheet { first: 7, there: 0b1_0000_1011, parts: Vec::new() };
        let numbers: Vec<i64> = seqs(7, sheet.there).collect();
        assert_eq!(numbers, [7, 8, 10, 15]);
        for seq in &numbers {
            pack::put(&mut sheet.parts, seq.to_string().as_bytes());
        }
        for seq in 0..50 {
            let want = numbers.contains(&seq).then(|| seq.to_string());
            let found = sheet.part(seq).unwrap();
            assert_eq!(found, want.as_deref().map(str::as_bytes), "{seq}");
        }
        let only = sheet.only(0b1010).unwrap();
        let left: Vec<_> = only.parts().map(Result::unwrap).collect();
        assert_eq!(left, [(8, &b"8"[..]), (10, b"10")]);
        sheet.parts.pop();
        assert!(sheet.part(15).is_err() && sheet.only(1).is_err());
        assert_eq!(sheet.part(10).unwrap(), Some(&b"10"[..]));
    }

    #[test]
    fn the_last_number_of_all_is_in_no_sheet_by_mistake() {
        assert_eq!(bit(i64::MAX, i64::MAX), Some(1));
        assert_eq!((bit(i64::MIN, i64::MAX), bit(5, 4), bit(0, ENTRIES_MAX)), (None, None, None));
    }
}
