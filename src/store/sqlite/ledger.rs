//! The database and what is kept in memory beside it. Everything here happens within a transaction
//! of the writer, which keeps or undoes both.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::Connection;

use super::counts::Counts;
use super::fault::Fault;
use super::fresh::Fresh;
use super::known::Known;
use super::queue::{Lanes, Lease, Queue};
use super::room::Room;
use super::row::Row;
use super::undo::Undoable;
use crate::engine::inbound::UnixSeconds;
use crate::store::{State, Ticket};

/// No wait that was meant is longer; the wall clock was set back.
pub(super) const DUE_AHEAD_MAX: UnixSeconds = 3600;

pub(super) struct Ledger {
    pub(super) conn: Connection,
    pub(super) queue: Queue,
    pub(super) counts: Counts,
    pub(super) known: Known,
    /// Entries of this transaction that are not in the table yet.
    pub(super) fresh: Fresh,
    pub(super) room: Room,
    names: Undoable<Arc<str>, i64>,
    /// Number of the newest entry.
    pub(super) newest: i64,
    /// Of the latest lease.
    token: i64,
    /// This transaction and all before it must be synced before the job is answered.
    pub(super) must_sync: bool,
}

/// What a ledger leaves to the next.
pub(super) struct Before {
    leases: Vec<(i64, Lease)>,
    newest: i64,
    token: i64,
}

impl Ledger {
    /// Reads what is in memory. Leases of `before` go on where their entries are still there; all
    /// others have ended. Writes: within a transaction.
    pub(super) fn load(
        conn: Connection,
        before: Option<&Before>,
        waiting_max: u64,
        now: UnixSeconds,
    ) -> Result<Self, Fault> {
        let newest = conn.query_row(
            "SELECT max(newest, coalesce((SELECT max(seq) FROM entry), 0)) FROM progress",
            [],
            |row| row.get(0),
        );
        let newest = newest?;
        let mut ledger = Self {
            queue: Queue::default(),
            counts: Counts::default(),
            known: Known::load(&conn)?,
            fresh: Fresh::default(),
            room: Room::new(&conn, waiting_max)?,
            names: Undoable::default(),
            newest: before.map_or(newest, |before| before.newest.max(newest)),
            token: before.map_or(0, |before| before.token),
            must_sync: false,
            conn,
        };
        ledger.load_names()?;
        if let Some(before) = before {
            ledger.resume(before)?;
        }
        ledger.load_open(now)?;
        Ok(ledger)
    }

    /// Leases that are not over go on.
    fn resume(&mut self, before: &Before) -> Result<(), Fault> {
        for (seq, lease) in &before.leases {
            if let Some(row) = Row::read(&self.conn, *seq)?.filter(Row::is_active) {
                self.queue.lease(*seq, row.lanes(), *lease);
            }
        }
        Ok(())
    }

    /// Whatever is under way or looked after takes its place.
    fn load_open(&mut self, now: UnixSeconds) -> Result<(), Fault> {
        let Self { conn, queue, counts, .. } = self;
        let (mut stray, mut moved) = (Vec::new(), Vec::new());
        Row::each_open(conn, |row| {
            let is_leased = queue.leased(row.seq).is_some();
            if row.state == State::Sending && !is_leased {
                // Those that wait behind it come later, so only its place must be taken now.
                if row.or_queue {
                    queue.enter(row.seq, row.lanes());
                }
                stray.push(row);
                return Ok(());
            }
            counts.enter(&row);
            if row.is_active() {
                queue.enter(row.seq, row.lanes());
            }
            if row.state == State::Waiting && !is_leased {
                let due = row.due.unwrap_or(now).min(now.saturating_add(DUE_AHEAD_MAX));
                let due = queue.is_free(row.seq, row.lanes()).then_some(due);
                if let Some(due) = due {
                    queue.schedule(row.upstream, due, row.seq);
                }
                if due != row.due {
                    moved.push((row.seq, due));
                }
            }
            Ok(())
        })?;
        for (seq, due) in moved {
            let mut update = conn.prepare_cached("UPDATE entry SET due = ?2 WHERE seq = ?1")?;
            update.execute((seq, due))?;
        }
        let mut gone = Vec::new();
        for mut row in stray {
            if row.or_queue {
                row.state = State::Waiting;
                counts.enter(&row);
                row.due = queue.is_free(row.seq, row.lanes()).then_some(now);
                if let Some(due) = row.due {
                    queue.schedule(row.upstream, due, row.seq);
                }
                row.update(conn)?;
            } else {
                gone.push(row);
            }
        }
        gone.iter().try_for_each(|row| self.erase(row))
    }

    fn load_names(&mut self) -> Result<(), Fault> {
        let mut statement = self.conn.prepare("SELECT name, id FROM name")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            self.names.insert(row.get(0)?, row.get(1)?);
        }
        Ok(())
    }

    /// The number of a gateway, route or upstream: names come from the configuration, so they are
    /// few.
    pub(super) fn number_of(&mut self, name: &Arc<str>) -> Result<i64, Fault> {
        if let Some(number) = self.names.get(name) {
            return Ok(*number);
        }
        self.conn.prepare_cached("INSERT INTO name (name) VALUES (?1)")?.execute([name])?;
        let number = self.conn.last_insert_rowid();
        self.names.insert(name.clone(), number);
        Ok(number)
    }

    /// The number of a name, if anything was ever kept under it.
    pub(super) fn known_number(&self, name: &str) -> Option<i64> {
        self.names.get(&Arc::from(name)).copied()
    }

    /// The names, by their numbers.
    pub(super) fn names(&self) -> HashMap<i64, Arc<str>> {
        self.names.iter().map(|(name, number)| (*number, name.clone())).collect()
    }

    /// The entry of that number.
    pub(super) fn row(&mut self, seq: i64) -> Result<Option<Row>, Fault> {
        if self.fresh.may_hold(seq) {
            self.fresh.write(&self.conn)?;
        }
        Row::read(&self.conn, seq)
    }

    /// At most `max` entries with a key, the newest first; some may have it by chance only.
    pub(super) fn rows(&mut self, key: i64, max: usize) -> Result<Vec<Row>, Fault> {
        let found = self.known.find(&self.conn, key, max)?;
        found.into_iter().filter_map(|seq| self.row(seq).transpose()).collect()
    }

    /// An entry is given out.
    pub(super) fn lease(&mut self, row: &Row, until: UnixSeconds, fresh: bool) -> Ticket {
        self.token += 1;
        let lease = Lease { until, token: self.token, upstream: row.upstream, fresh };
        self.queue.lease(row.seq, row.lanes(), lease);
        Ticket { seq: row.seq, token: self.token, marks: row.marks }
    }

    /// Takes an entry from one state to another. `change` says what else is new; who waits for it is
    /// looked after by the caller ([`Ledger::wake`]).
    pub(super) fn turn(&mut self, row: &mut Row, state: State, now: UnixSeconds) {
        let was_active = row.is_active();
        self.counts.leave(row);
        if let Some(due) = row.due.take() {
            self.queue.unschedule(row.upstream, due, row.seq);
        }
        row.state = state;
        row.changed_at = now;
        self.counts.enter(row);
        match (was_active, row.is_active()) {
            (true, false) => self.queue.leave(row.seq, row.lanes()),
            (false, true) => self.queue.enter(row.seq, row.lanes()),
            _ => {}
        }
    }

    /// An entry that waits is due at `due` if nothing stands before it.
    pub(super) fn place(&mut self, row: &mut Row, due: UnixSeconds) {
        if self.queue.is_free(row.seq, row.lanes()) {
            self.queue.schedule(row.upstream, due, row.seq);
            row.due = Some(due);
        }
    }

    /// Makes due who is first in these lanes now and may be sent.
    pub(super) fn wake(&mut self, lanes: Lanes, now: UnixSeconds) -> Result<(), Fault> {
        for lane in lanes.into_iter().flatten() {
            let Some(seq) = self.queue.first(lane) else { continue };
            if self.queue.leased(seq).is_some() {
                continue;
            }
            let Some(mut row) = self.row(seq)? else { continue };
            if row.due.is_none() {
                self.place(&mut row, now);
                if row.due.is_some() {
                    row.update(&self.conn)?;
                }
            }
        }
        Ok(())
    }

    /// An entry that came earlier waits again: who was first after it in its lanes is not any more.
    pub(super) fn hold_back(&mut self, row: &Row) -> Result<(), Fault> {
        for lane in row.lanes().into_iter().flatten() {
            let Some(seq) = self.queue.after(lane, row.seq) else { continue };
            if self.queue.leased(seq).is_some() {
                continue;
            }
            let Some(mut next) = self.row(seq)? else { continue };
            if let Some(due) = next.due.take() {
                self.queue.unschedule(next.upstream, due, seq);
                next.update(&self.conn)?;
            }
        }
        Ok(())
    }

    /// Takes back the leases that have ended.
    pub(super) fn expire(&mut self, now: UnixSeconds) -> Result<(), Fault> {
        while let Some(seq) = self.queue.ended(now) {
            let Some(mut row) = self.row(seq)? else {
                self.queue.release(seq, [None; 2]);
                continue;
            };
            self.queue.release(seq, row.lanes());
            if row.state == State::Sending && !row.or_queue {
                self.counts.leave(&row);
                self.queue.leave(seq, row.lanes());
                self.erase(&row)?;
            } else {
                row.due = None;
                if row.state == State::Sending {
                    self.turn(&mut row, State::Waiting, now);
                }
                self.place(&mut row, now);
                row.update(&self.conn)?;
            }
            self.wake(row.lanes(), now)?;
        }
        Ok(())
    }

    /// Takes an entry out of the tables.
    pub(super) fn erase(&mut self, row: &Row) -> Result<(), Fault> {
        self.known.forget(&self.conn, row.id.key(), row.seq)?;
        if let Some(payment) = row.keys.payment() {
            self.known.forget(&self.conn, payment, row.seq)?;
        }
        self.conn.prepare_cached("DELETE FROM entry WHERE seq = ?1")?.execute([row.seq])?;
        // No number is given twice.
        self.conn
            .prepare_cached("UPDATE progress SET newest = ?1 WHERE newest < ?1")?
            .execute([row.seq])?;
        self.forget_message(row.seq)
    }

    /// What was sent is kept no longer.
    pub(super) fn forget_message(&self, seq: i64) -> Result<(), Fault> {
        self.conn.prepare_cached("DELETE FROM message WHERE seq = ?1")?.execute([seq])?;
        Ok(())
    }

    /// Writes something, so that there is something to sync.
    pub(super) fn touch(&self) -> Result<(), Fault> {
        self.conn.prepare_cached("UPDATE progress SET touched = touched + 1")?.execute([])?;
        Ok(())
    }

    /// Closes the file.
    pub(super) fn close(self) -> Before {
        Before { leases: self.queue.leases(), newest: self.newest, token: self.token }
    }

    /// Whether deposits that must wait are refused.
    pub(super) fn is_full(&self) -> bool {
        self.counts.waiting() >= self.room.waiting_max || self.room.is_full()
    }

    pub(super) fn keep(&mut self) {
        self.queue.keep();
        self.counts.keep();
        self.known.keep();
        self.names.keep();
    }

    pub(super) fn undo(&mut self) {
        self.queue.undo();
        self.counts.undo();
        self.known.undo();
        self.names.undo();
        self.fresh.forget();
    }
}
