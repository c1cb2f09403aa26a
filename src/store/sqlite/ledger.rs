//! The database and what is kept in memory beside it. Everything here happens within a transaction
//! of the writer, which keeps or undoes both.

use rusqlite::Connection;

use super::counts::Counts;
use super::facts;
use super::fault::Fault;
use super::fresh::Fresh;
use super::kept::Kept;
use super::known::Known;
use super::names::Names;
use super::queue::{Lanes, Lease, Queue};
use super::room::Room;
use super::row::Row;
use super::sheet::{Sheet, Table, bit, damaged};
use super::turn::Turn;
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
    pub(super) kept: Kept,
    pub(super) room: Room,
    pub(super) names: Names,
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
        let given = conn.query_row("SELECT newest FROM progress", [], |row| row.get(0))?;
        let last = Sheet::last(&conn)?.and_then(|sheet| sheet.seqs().last());
        let newest = last.unwrap_or_default().max(given);
        let mut ledger = Self {
            queue: Queue::default(),
            counts: Counts::default(),
            known: Known::load(&conn)?,
            fresh: Fresh::default(),
            kept: Kept::default(),
            room: Room::new(&conn, waiting_max)?,
            names: Names::default(),
            newest: before.map_or(newest, |before| before.newest.max(newest)),
            token: before.map_or(0, |before| before.token),
            must_sync: false,
            conn,
        };
        if let Some(before) = before {
            ledger.resume(before)?;
        }
        ledger.load_open(now)?;
        Ok(ledger)
    }

    /// Leases that are not over go on.
    fn resume(&mut self, before: &Before) -> Result<(), Fault> {
        for (seq, lease) in &before.leases {
            if let Some(row) = self.row(*seq)?.filter(Row::is_active) {
                let lease = Lease { upstream: row.upstream, ..*lease };
                self.queue.lease(*seq, row.lanes(), lease);
            }
        }
        Ok(())
    }

    /// Whatever is under way or looked after takes its place, in the order in which it came.
    fn load_open(&mut self, now: UnixSeconds) -> Result<(), Fault> {
        let mut changed = Vec::new();
        let mut select = self.conn.prepare("SELECT first, there FROM message ORDER BY first")?;
        let sheets = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let sheets: Vec<(i64, u32)> = sheets.collect::<Result<_, _>>()?;
        drop(select);
        for (first, there) in sheets {
            let sheet = Sheet::at(&self.conn, Table::Entries, first)?;
            let sheet = sheet.ok_or_else(|| damaged(first))?;
            let mut open = 0;
            for row in self.rows_of(&sheet)? {
                if !row.turn.is_over() {
                    open |= bit(first, row.seq).unwrap_or_default();
                    changed.extend(self.stand(row, now));
                }
            }
            self.kept.begin(first, open, there);
        }
        for row in changed {
            if row.turn.state == State::Sending {
                self.erase(&row)?;
            } else {
                Turn::write(&self.conn, &row)?;
            }
        }
        Ok(())
    }

    /// Takes its place. Gives it back if that is another than is written; if it is still being sent,
    /// by nobody, it is forgotten.
    fn stand(&mut self, mut row: Row, now: UnixSeconds) -> Option<Row> {
        let is_leased = self.queue.leased(row.seq).is_some();
        let is_stray = row.turn.state == State::Sending && !is_leased;
        if is_stray && !row.or_queue {
            return Some(row);
        }
        let before = row.turn.due;
        if is_stray {
            row.turn.state = State::Waiting;
        }
        self.counts.enter(&row);
        if row.is_active() {
            self.queue.enter(row.seq, row.lanes());
        }
        if row.turn.state == State::Waiting && !is_leased {
            let due = row.turn.due.take().unwrap_or(now);
            self.place(&mut row, due.min(now.saturating_add(DUE_AHEAD_MAX)));
        }
        (is_stray || row.turn.due != before).then_some(row)
    }

    /// The entries of a sheet.
    fn rows_of(&mut self, sheet: &Sheet) -> Result<Vec<Row>, Fault> {
        let mut turns = Turn::of_sheet(&self.conn, sheet.first)?.into_iter().peekable();
        let row = |part: Result<(i64, &[u8]), Fault>| {
            let (seq, part) = part?;
            while turns.next_if(|(other, _)| *other < seq).is_some() {}
            let turn = turns.next_if(|(other, _)| *other == seq).map(|(_, turn)| turn);
            let facts = facts::unpack(seq, part).ok_or_else(|| damaged(seq))?;
            let upstream = self.names.number(facts.upstream);
            Ok(Row::new(seq, facts, turn, upstream))
        };
        sheet.parts().map(row).collect()
    }

    /// The entry of that number in its sheet.
    pub(super) fn row_of(&mut self, sheet: &Sheet, seq: i64) -> Result<Option<Row>, Fault> {
        let Some(part) = sheet.part(seq)? else { return Ok(None) };
        let facts = facts::unpack(seq, part).ok_or_else(|| damaged(seq))?;
        let turn = Turn::read(&self.conn, seq)?;
        let upstream = self.names.number(facts.upstream);
        Ok(Some(Row::new(seq, facts, turn, upstream)))
    }

    /// The sheet in which an entry is.
    pub(super) fn sheet(&mut self, table: Table, seq: i64) -> Result<Option<Sheet>, Fault> {
        if self.fresh.may_hold(seq) {
            self.write_fresh()?;
        }
        Sheet::holding(&self.conn, table, seq)
    }

    /// The entry of that number.
    pub(super) fn row(&mut self, seq: i64) -> Result<Option<Row>, Fault> {
        match self.sheet(Table::Entries, seq)? {
            Some(sheet) => self.row_of(&sheet, seq),
            None => Ok(None),
        }
    }

    /// What is new is in the tables after this.
    pub(super) fn write_fresh(&mut self) -> Result<(), Fault> {
        if let Some((first, there)) = self.fresh.write(&self.conn)? {
            self.kept.begin(first, there, there);
        }
        Ok(())
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
        if let Some(due) = row.turn.due.take() {
            self.queue.unschedule(row.upstream, due, row.seq);
        }
        row.turn.state = state;
        row.turn.changed_at = now;
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
            row.turn.due = Some(due);
        }
    }

    /// Makes due who is first in these lanes now and may be sent. Whether anybody became so.
    pub(super) fn wake(&mut self, lanes: Lanes, now: UnixSeconds) -> Result<bool, Fault> {
        let mut woken = false;
        for lane in lanes.into_iter().flatten() {
            let Some(seq) = self.queue.first(lane) else { continue };
            if self.queue.leased(seq).is_some() {
                continue;
            }
            let Some(mut row) = self.row(seq)? else { continue };
            if row.turn.due.is_none() {
                self.place(&mut row, now);
                if row.turn.due.is_some() {
                    Turn::write(&self.conn, &row)?;
                    woken = true;
                }
            }
        }
        Ok(woken)
    }

    /// An entry that came earlier waits again: who was first after it in its lanes is not any more.
    pub(super) fn hold_back(&mut self, row: &Row) -> Result<(), Fault> {
        for lane in row.lanes().into_iter().flatten() {
            let Some(seq) = self.queue.after(lane, row.seq) else { continue };
            if self.queue.leased(seq).is_some() {
                continue;
            }
            let Some(mut next) = self.row(seq)? else { continue };
            if let Some(due) = next.turn.due.take() {
                self.queue.unschedule(next.upstream, due, seq);
                Turn::write(&self.conn, &next)?;
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
            if row.turn.state == State::Sending && !row.or_queue {
                self.counts.leave(&row);
                self.queue.leave(seq, row.lanes());
                self.erase(&row)?;
            } else {
                row.turn.due = None;
                if row.turn.state == State::Sending {
                    self.turn(&mut row, State::Waiting, now);
                }
                self.place(&mut row, now);
                Turn::write(&self.conn, &row)?;
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
        if let Some(sheet) = Sheet::holding(&self.conn, Table::Entries, row.seq)? {
            let left = sheet.there & !bit(sheet.first, row.seq).unwrap_or_default();
            if left == 0 {
                Sheet::delete(&self.conn, Table::Entries, sheet.first)?;
            } else {
                sheet.only(left)?.write(&self.conn, Table::Entries)?;
            }
        }
        Turn::delete(&self.conn, row.seq)?;
        // No number is given twice.
        self.conn
            .prepare_cached("UPDATE progress SET newest = ?1 WHERE newest < ?1")?
            .execute([row.seq])?;
        self.kept.close(&self.conn, row.seq)
    }

    pub(super) fn begin(&self) -> Result<(), Fault> {
        self.conn.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        Ok(())
    }

    pub(super) fn commit(&mut self) -> Result<(), Fault> {
        self.write_fresh()?;
        self.known.put(&self.conn, self.newest)?;
        self.conn.prepare_cached("COMMIT")?.execute([])?;
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
        self.kept.keep();
    }

    pub(super) fn undo(&mut self) {
        self.queue.undo();
        self.counts.undo();
        self.known.undo();
        self.kept.undo();
        self.fresh.forget();
    }
}
