//! A file that is damaged: set aside, and whatever can still be read of it carried over.
//!
//! The new file is filled under another name first. So a crash at any moment finds either the
//! damaged file in its place, to begin again, or the new one whole.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, params_from_iter};

use super::fault::Fault;
use super::files::{self, beside};
use super::row::Row;
use super::sheet::{self, ENTRIES_MAX, Sheet, Table, bit};
use super::turn::Turn;
use super::{facts, pack, schema};
use crate::engine::inbound::UnixSeconds;
use crate::store::State;

/// Reads that fail before nothing more is expected of a table.
const FAILURES_MAX: u64 = 100_000;

/// What came of it.
pub(super) struct Salvaged {
    /// Entries that were carried over.
    pub(super) kept: u64,
    /// Numbers of entries that could not be read, or were never there, at most.
    pub(super) lost: u64,
    /// Where the damaged file is now.
    pub(super) aside: PathBuf,
}

const FILLING: &str = ".filling";
const FILLED: &str = ".filled";

/// Sets the file aside and puts a new one in its place.
pub(super) fn run(path: &Path, bytes_max: u64, now: UnixSeconds) -> Result<Salvaged, Fault> {
    let filling = beside(path, FILLING);
    remove(&filling)?;
    remove(&beside(path, FILLED))?;
    let mut salvaged = Salvaged { kept: 0, lost: 0, aside: free_name(path, now) };
    fill(path, &filling, bytes_max, &mut salvaged)?;
    fs::rename(&filling, beside(path, FILLED))?;
    files::sync_folder(path)?;
    for end in ["", "-wal", "-shm"] {
        if beside(path, end).exists() {
            fs::rename(beside(path, end), beside(&salvaged.aside, end))?;
        }
    }
    finish(path)?;
    Ok(salvaged)
}

/// Takes the last step of what a crash has cut short.
pub(super) fn finish(path: &Path) -> Result<(), Fault> {
    let filled = beside(path, FILLED);
    if filled.exists() && !path.exists() {
        // Of the damaged file: nothing for the new one.
        for end in ["-wal", "-shm"] {
            remove(&beside(path, end))?;
        }
        fs::rename(filled, path)?;
        files::sync_folder(path)?;
    }
    Ok(())
}

fn free_name(path: &Path, now: UnixSeconds) -> PathBuf {
    let mut name = beside(path, &format!(".corrupt-{now}"));
    let mut count = 0;
    while name.exists() {
        count += 1;
        name = beside(path, &format!(".corrupt-{now}.{count}"));
    }
    name
}

fn remove(path: &Path) -> Result<(), Fault> {
    for end in ["", "-wal", "-shm"] {
        match fs::remove_file(beside(path, end)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}

fn fill(path: &Path, filling: &Path, bytes_max: u64, salvaged: &mut Salvaged) -> Result<(), Fault> {
    let new = schema::writer(filling, bytes_max)?;
    new.execute_batch("BEGIN IMMEDIATE")?;
    if let Ok(old) = damaged(path) {
        let upper = files::len(path) / 16;
        for table in ["sheet", "message", "turn", "act"] {
            let mut copy = Copy { old: &old, new: &new, table, lost: 0, failures: 0 };
            copy.all(upper)?;
            if table == "sheet" {
                salvaged.lost = copy.lost;
            }
        }
    }
    mend(&new, salvaged)?;
    new.execute_batch("COMMIT; PRAGMA wal_checkpoint(TRUNCATE);")?;
    new.close().map_err(|(_, error)| error.into())
}

/// Makes of what could be read what the tables promise.
fn mend(new: &Connection, salvaged: &mut Salvaged) -> Result<(), Fault> {
    // No number is given twice, even where the entry that had it is lost; one that no outbox has ever
    // reached is damage.
    new.execute_batch(
        "DELETE FROM message WHERE first NOT IN (SELECT first FROM sheet);
         UPDATE progress SET known = 0, newest =
             (SELECT coalesce(max(seq), 0) FROM turn WHERE seq < 1000000000000000);",
    )?;
    let mut select = new.prepare("SELECT first FROM sheet ORDER BY first")?;
    let firsts = select.query_map([], |row| row.get(0))?.collect::<Result<Vec<i64>, _>>()?;
    let mut before = i64::MIN;
    for first in firsts {
        let Some(sheet) = Sheet::at(new, Table::Entries, first)? else { continue };
        let left = mend_sheet(new, &sheet)?;
        salvaged.kept += u64::from(left.count_ones());
        salvaged.lost += u64::from((sheet.there & !left).count_ones());
        for seq in sheet::seqs(first, left) {
            forget_turns(new, before, seq)?;
            before = seq;
        }
    }
    forget_turns(new, before, i64::MAX)
}

/// Of entries between these, which are not there any more.
fn forget_turns(new: &Connection, after: i64, before: i64) -> Result<(), Fault> {
    if after.checked_add(1) == Some(before) {
        return Ok(());
    }
    let mut delete = new.prepare_cached("DELETE FROM turn WHERE seq > ?1 AND seq < ?2")?;
    delete.execute((after, before))?;
    Ok(())
}

/// Which entries of it there are.
fn mend_sheet(new: &Connection, sheet: &Sheet) -> Result<u32, Fault> {
    let first = sheet.first;
    let entries = readable(sheet, |seq, part| facts::unpack(seq, part).is_some());
    // Whether it is what was sent its checksum tells when it is sent.
    let messages = Sheet::at(new, Table::Messages, first)?;
    let messages = messages.map(|sheet| readable(&sheet, |_, _| true));
    let mut messages = messages.unwrap_or(Sheet { first, there: 0, parts: Vec::new() });
    let turns = Turn::of_sheet(new, first)?;
    let mut open = 0;
    for part in entries.parts() {
        let (seq, part) = part?;
        let facts = facts::unpack(seq, part).ok_or_else(|| sheet::damaged(seq))?;
        let turn = turns.iter().find(|(other, _)| *other == seq).map(|(_, turn)| turn.clone());
        let mut row = Row::new(seq, facts, turn, 0);
        if row.turn.is_over() {
            continue;
        }
        open |= bit(first, seq).unwrap_or_default();
        // What is to be sent without its message is nothing.
        if row.turn.state != State::Dead && !messages.holds(seq) {
            row.turn.state = State::Dead;
            row.turn.why = Some("message_lost".to_owned());
            row.turn.due = None;
            Turn::write(new, &row)?;
        }
    }
    messages = messages.only(open)?;
    if open == 0 {
        Sheet::delete(new, Table::Messages, first)?;
    } else {
        messages.write(new, Table::Messages)?;
    }
    if entries.there == 0 {
        Sheet::delete(new, Table::Entries, first)?;
    } else {
        entries.write(new, Table::Entries)?;
    }
    Ok(entries.there)
}

/// What of it can be read.
fn readable(sheet: &Sheet, is_sound: impl Fn(i64, &[u8]) -> bool) -> Sheet {
    let mut sound = Sheet { first: sheet.first, there: 0, parts: Vec::new() };
    // Behind a damaged length nothing has a place.
    for (seq, part) in sheet.parts().map_while(Result::ok) {
        if is_sound(seq, part) {
            sound.there |= bit(sheet.first, seq).unwrap_or_default();
            pack::put(&mut sound.parts, part);
        }
    }
    sound
}

/// Opens it so that nothing is changed but what recovery of its log changes.
fn damaged(path: &Path) -> Result<Connection, Fault> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    conn.pragma_update(None, "query_only", true)?;
    Ok(conn)
}

/// Carries the rows of one table over, around those that cannot be read.
struct Copy<'a> {
    old: &'a Connection,
    new: &'a Connection,
    table: &'static str,
    /// Numbers that may have been of entries.
    lost: u64,
    failures: u64,
}

impl Copy<'_> {
    /// `rows`: how many there may be at most.
    fn all(&mut self, rows: u64) -> Result<(), Fault> {
        let last = |order: &str| {
            let select = format!("SELECT rowid FROM {} ORDER BY rowid {order} LIMIT 1", self.table);
            self.old.query_row(&select, [], |row| row.get::<_, i64>(0))
        };
        let first = last("ASC").unwrap_or(1);
        let most = i64::try_from(rows).unwrap_or(i64::MAX);
        let last = last("DESC").unwrap_or(first.saturating_add(most));
        self.range(first, last)
    }

    /// Halves what fails until single rows are left.
    fn range(&mut self, first: i64, last: i64) -> Result<(), Fault> {
        let mut ranges = vec![(first, last)];
        while let Some((mut first, last)) = ranges.pop() {
            if self.scan(&mut first, last)? || first > last {
                continue;
            }
            self.failures += 1;
            if first == last || self.failures > FAILURES_MAX {
                // The last may have been that of a whole sheet.
                self.lost += last.abs_diff(first) + ENTRIES_MAX.unsigned_abs();
                continue;
            }
            let middle = first.midpoint(last);
            ranges.push((middle + 1, last));
            ranges.push((first, middle));
        }
        Ok(())
    }

    /// Carries rows over until one cannot be read, which is `first` then or comes after it. Whether
    /// all could.
    fn scan(&mut self, first: &mut i64, last: i64) -> Result<bool, Fault> {
        let select = format!("SELECT rowid, * FROM {} WHERE rowid BETWEEN ?1 AND ?2", self.table);
        let Ok(mut statement) = self.old.prepare_cached(&select) else { return Ok(false) };
        let columns = statement.column_count();
        let Ok(mut rows) = statement.query([*first, last]) else { return Ok(false) };
        let marks = vec!["?"; columns - 1].join(", ");
        let insert = format!("INSERT OR IGNORE INTO {} VALUES ({marks})", self.table);
        let mut insert = self.new.prepare_cached(&insert)?;
        loop {
            let Ok(row) = rows.next() else { return Ok(false) };
            let Some(row) = row else { return Ok(true) };
            let Ok(number) = row.get::<_, i64>(0) else { return Ok(false) };
            if number < *first {
                return Ok(false);
            }
            let values: Result<Vec<Value>, _> = (1..columns).map(|at| row.get(at)).collect();
            // What no longer is what the table may hold is lost; a full disk is the caller's.
            let kept = values.is_ok_and(|values| insert.execute(params_from_iter(values)).is_ok());
            self.lost += if kept { 0 } else { ENTRIES_MAX.unsigned_abs() };
            let Some(next) = number.checked_add(1) else { return Ok(true) };
            *first = next;
        }
    }
}
