//! Finds entries by the hash of an id or a payment.
//!
//! Hashes come in no order. Each written into an index at once would change a page of its own, and a
//! page is more than all else that is written of an entry. So they are gathered in memory, where
//! they are in order, and put into the table in that order, some with every transaction: neighbours
//! share pages. What a crash takes from memory is made again from the entries.

use rusqlite::Connection;

use super::fault::Fault;
use super::undo::Undoable;

/// Keys in memory before the oldest are put into the table: some five megabytes.
const GATHERED: usize = 1 << 17;

#[derive(Default)]
pub(super) struct Known {
    /// Key and entry, of what is not in the table yet.
    gathered: Undoable<(i64, i64), ()>,
    round: Round,
    /// What [`Known::undo`] goes back to.
    kept: Round,
    /// Keys that came since the last transaction.
    came: usize,
}

/// How far putting has come in its way over all keys.
#[derive(Clone, Copy, Default)]
struct Round {
    /// Where it goes on.
    cursor: Option<(i64, i64)>,
    /// The newest entry when it began. Once it is done, whatever is not newer is in the table.
    newest: i64,
}

impl Known {
    /// At most `max` entries with this key, the newest first, and others that share it by chance.
    pub(super) fn find(&self, conn: &Connection, key: i64, max: usize) -> Result<Vec<i64>, Fault> {
        // One search; with two bounds it would be two.
        let gathered = self.gathered.range(..=(key, i64::MAX)).rev().map(|(found, ())| *found);
        let gathered = gathered.take_while(|(found, _)| *found == key).take(max);
        let mut found: Vec<i64> = gathered.map(|(_, seq)| seq).collect();
        let mut statement =
            conn.prepare_cached("SELECT seq FROM known WHERE key = ?1 ORDER BY seq DESC")?;
        let mut rows = statement.query([key])?;
        while found.len() < max {
            let Some(row) = rows.next()? else { break };
            found.push(row.get(0)?);
        }
        // What is gathered may be older than what is in the table, and in both.
        found.sort_unstable_by(|a, b| b.cmp(a));
        found.dedup();
        Ok(found)
    }

    pub(super) fn add(&mut self, key: i64, seq: i64) {
        self.gathered.insert((key, seq), ());
        self.came += 1;
    }

    pub(super) fn forget(&mut self, conn: &Connection, key: i64, seq: i64) -> Result<(), Fault> {
        // It may be in both: gathered again after a crash.
        self.gathered.remove(&(key, seq));
        conn.prepare_cached("DELETE FROM known WHERE key = ?1 AND seq = ?2")?
            .execute([key, seq])?;
        Ok(())
    }

    /// Puts into the table about as much as has come. `newest`: the newest entry.
    pub(super) fn put(&mut self, conn: &Connection, newest: i64) -> Result<(), Fault> {
        let came = std::mem::take(&mut self.came);
        if self.gathered.len() <= GATHERED {
            return Ok(());
        }
        // A little more, so that it ends.
        let from = self.round.cursor.unwrap_or((i64::MIN, i64::MIN));
        let some = self.gathered.range(from..).map(|(key, ())| *key);
        let some: Vec<_> = some.take(came + came / 8 + 8).collect();
        let mut insert = conn.prepare_cached("INSERT OR IGNORE INTO known VALUES (?1, ?2)")?;
        for (key, seq) in &some {
            insert.execute([key, seq])?;
            self.gathered.remove(&(*key, *seq));
        }
        if let Some(last) = some.last() {
            self.round.cursor = Some(*last);
            return Ok(());
        }
        conn.prepare_cached("UPDATE progress SET known = ?1")?.execute([self.round.newest])?;
        self.round = Round { cursor: None, newest };
        Ok(())
    }

    /// Gathers what is not in the table yet.
    pub(super) fn load(conn: &Connection) -> Result<Self, Fault> {
        let put: i64 = conn.query_row("SELECT known FROM progress", [], |row| row.get(0))?;
        let mut known = Self::default();
        known.round.newest = put;
        let mut statement = conn.prepare(
            "SELECT seq, id, coalesce(transaction_lane, order_lane) FROM entry WHERE seq > ?1",
        )?;
        let mut rows = statement.query([put])?;
        while let Some(row) = rows.next()? {
            let (seq, id): (i64, super::row::Id) = (row.get(0)?, row.get(1)?);
            known.round.newest = seq;
            known.gathered.insert((id.key(), seq), ());
            if let Some(payment) = row.get(2)? {
                known.gathered.insert((payment, seq), ());
            }
        }
        known.keep();
        Ok(known)
    }

    pub(super) fn keep(&mut self) {
        self.gathered.keep();
        self.kept = self.round;
    }

    pub(super) fn undo(&mut self) {
        self.gathered.undo();
        self.round = self.kept;
        self.came = 0;
    }
}
