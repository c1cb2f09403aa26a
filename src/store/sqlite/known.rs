//! Finds entries by the hash of an id or a payment.
//!
//! Hashes come in no order. Each written into an index at once would change a page of its own, and a
//! page is more than all else that is written of an entry. So they are gathered in memory, and when
//! there are many, put into the table in their order, some with every transaction: neighbours share
//! pages. What a crash takes from memory is made again from the entries.

use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;

use super::facts;
use super::fault::Fault;
use super::keys;
use super::many::{Many, TABLES};
use super::sheet::{ENTRIES_MAX, Sheet, damaged};
use super::sieve::Sieve;

/// Keys in memory before they are put into the table: some megabytes.
const GATHERED: usize = 1 << 17;

#[derive(Default)]
pub(super) struct Known {
    /// What is not in the table yet.
    gathered: Many,
    /// What is being put into it.
    round: Option<Round>,
    /// Keys that came since the last transaction.
    came: usize,
    /// `None` until the first transaction.
    sieve: Option<Arc<Sieve>>,
    /// Keys in the table, about.
    keys: usize,
}

struct Round {
    /// The next of [`TABLES`].
    table: usize,
    /// Keys that may be put now.
    quota: usize,
    /// The newest entry when it began. Once it is done, whatever is not newer is in the table.
    newest: i64,
}

impl Known {
    /// At most `max` entries with this key, the newest first, and others that share it by chance.
    pub(super) fn find(&self, conn: &Connection, key: i64, max: usize) -> Result<Vec<i64>, Fault> {
        let mut found: Vec<i64> = self.gathered.of(key).rev().take(max).collect();
        if self.sieve.as_ref().is_some_and(|sieve| !sieve.may_hold(key)) {
            return Ok(found);
        }
        found.extend(keys::find(conn, key, max - found.len())?);
        // What is gathered may be older than what is in the table, and in both.
        found.sort_unstable_by(|a, b| b.cmp(a));
        found.dedup();
        Ok(found)
    }

    pub(super) fn add(&mut self, key: i64, seq: i64) {
        self.gathered.insert(key, seq);
        self.came += 1;
    }

    pub(super) fn forget(&mut self, conn: &Connection, key: i64, seq: i64) -> Result<(), Fault> {
        // It may be in both: gathered again after a crash.
        self.gathered.remove(key, seq);
        keys::remove(conn, (key, seq))
    }

    /// Puts into the table about as much as has come. `newest`: the newest entry.
    pub(super) fn put(&mut self, conn: &Connection, newest: i64) -> Result<(), Fault> {
        let came = std::mem::take(&mut self.came);
        let sieve = self.sieve.take().filter(|sieve| sieve.fits(self.keys));
        let sieve = match (sieve, conn.path()) {
            (None, Some(path)) => Sieve::start(Path::new(path), self.keys),
            (None, None) => return Ok(()),
            (Some(sieve), _) => sieve,
        };
        let sieve = &*self.sieve.insert(sieve);
        if self.round.is_none() && self.gathered.len() > GATHERED {
            self.round = Some(Round { table: 0, quota: 0, newest });
        }
        let Some(round) = &mut self.round else { return Ok(()) };
        // A little more, so that it ends.
        round.quota += came + came / 8 + 1;
        while round.table < TABLES {
            let some = self.gathered.of_table(round.table);
            let Some(quota) = round.quota.checked_sub(some.len()) else { return Ok(()) };
            (round.quota, round.table) = (quota, round.table + 1);
            keys::put(conn, &some)?;
            self.keys = self.keys.saturating_add(some.len());
            for (key, seq) in some {
                sieve.add(key);
                self.gathered.remove(key, seq);
            }
        }
        conn.prepare_cached("UPDATE progress SET known = ?1")?.execute([round.newest])?;
        self.round = None;
        Ok(())
    }

    /// Gathers what is not in the table yet.
    pub(super) fn load(conn: &Connection) -> Result<Self, Fault> {
        let put: i64 = conn.query_row("SELECT known FROM progress", [], |row| row.get(0))?;
        let select = "SELECT coalesce(min(first), 0) FROM sheet";
        let oldest: i64 = conn.query_row(select, [], |row| row.get(0))?;
        let entries = usize::try_from(put.saturating_sub(oldest)).unwrap_or_default();
        let mut known = Self { keys: entries.saturating_mul(2), ..Self::default() };
        let mut select =
            conn.prepare("SELECT first, there, parts FROM sheet WHERE first > ?1 ORDER BY first")?;
        let mut rows = select.query([put.saturating_sub(ENTRIES_MAX)])?;
        while let Some(row) = rows.next()? {
            for part in Sheet::from_columns(row)?.parts() {
                let (seq, part) = part?;
                let facts = facts::unpack(seq, part).ok_or_else(|| damaged(seq))?;
                for key in [Some(facts.id.key()), facts.keys.payment()].into_iter().flatten() {
                    if seq > put {
                        known.gathered.insert(key, seq);
                    }
                }
            }
        }
        known.keep();
        Ok(known)
    }

    pub(super) fn keep(&mut self) {
        self.gathered.keep();
    }

    pub(super) fn undo(&mut self) {
        self.gathered.undo();
        // What it had put and is kept is gathered no more; the rest begins anew.
        self.round = None;
        self.came = 0;
    }
}
