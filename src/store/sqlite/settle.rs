//! Entries on their way: given out, settled, ordered about, forgotten.

use super::fault::Fault;
use super::ledger::Ledger;
use super::row::Row;
use super::sheet::{Sheet, Table};
use super::turn::Turn;
use crate::engine::inbound::UnixSeconds;
use crate::store::{Act, Order, Settled, Settlement, State, Ticket};

/// An entry given out, its message as it is kept.
pub(super) struct Given {
    pub(super) ticket: Ticket,
    pub(super) id: String,
    pub(super) attempts: u32,
    pub(super) received_at: UnixSeconds,
    pub(super) message: Vec<u8>,
}

impl Ledger {
    /// See [`crate::store::Store::claim`].
    pub(super) fn claim(
        &mut self,
        upstream: &str,
        max: usize,
        now: UnixSeconds,
        lease_until: UnixSeconds,
    ) -> Result<(Vec<Given>, Option<UnixSeconds>), Fault> {
        self.expire(now)?;
        let Some(upstream) = self.names.known(upstream) else { return Ok((Vec::new(), None)) };
        let mut seqs = self.queue.due(upstream, now, max);
        // Neighbours share a sheet.
        seqs.sort_unstable();
        let (mut given, mut sheets) = (Vec::new(), [None, None]);
        for seq in seqs {
            let [entries, messages] = &mut sheets;
            let entries = self.next_sheet(entries, Table::Entries, seq)?;
            let Some(row) = entries.map_or(Ok(None), |sheet| self.row_of(sheet, seq))? else {
                continue;
            };
            if let Some(due) = row.turn.due {
                self.queue.unschedule(upstream, due, seq);
            }
            let messages = self.next_sheet(messages, Table::Messages, seq)?;
            // One that is lost is like one that cannot be opened.
            let message = messages.map_or(Ok(None), |sheet| sheet.part(seq))?.unwrap_or_default();
            given.push(Given {
                ticket: self.lease(&row, lease_until, false),
                id: row.id.to_string(),
                attempts: row.turn.attempts,
                received_at: row.received_at,
                message: message.to_vec(),
            });
        }
        let ends = self.queue.next_end(upstream).filter(|_| given.is_empty());
        let next = self.queue.next_due(upstream).into_iter().chain(ends).min();
        Ok((given, next))
    }

    /// The sheet in which an entry is, if it is not the one that was read before.
    fn next_sheet<'a>(
        &mut self,
        before: &'a mut Option<Sheet>,
        table: Table,
        seq: i64,
    ) -> Result<Option<&'a Sheet>, Fault> {
        if !before.as_ref().is_some_and(|sheet| sheet.holds(seq)) {
            *before = self.sheet(table, seq)?;
        }
        Ok(before.as_ref())
    }

    /// See [`crate::store::Store::settle`].
    pub(super) fn settle(
        &mut self,
        ticket: Ticket,
        settlement: &Settlement,
        now: UnixSeconds,
    ) -> Result<Settled, Fault> {
        let Some(lease) = self.queue.leased(ticket.seq).filter(|lease| lease.token == ticket.token)
        else {
            return Ok(Settled::Void);
        };
        let Some(mut row) = self.row(ticket.seq)? else { return Ok(Settled::Void) };
        if matches!(settlement, Settlement::Forget) && !lease.fresh {
            return Ok(Settled::Void);
        }
        self.queue.release(row.seq, row.lanes());
        match settlement {
            Settlement::Delivered => {
                self.turn(&mut row, State::Delivered, now);
                row.turn.why = None;
                Turn::write(&self.conn, &row)?;
                self.kept.close(&self.conn, row.seq)?;
            }
            Settlement::Wait { due, why, counts } => {
                self.turn(&mut row, State::Waiting, now);
                row.turn.attempts += u32::from(*counts);
                row.turn.why = Some((*why).to_owned());
                self.place(&mut row, *due);
                Turn::write(&self.conn, &row)?;
                self.must_sync |= lease.fresh;
            }
            Settlement::Dead { why } => {
                self.turn(&mut row, State::Dead, now);
                row.turn.why = Some((*why).to_owned());
                Turn::write(&self.conn, &row)?;
            }
            Settlement::Forget => {
                self.counts.leave(&row);
                self.queue.leave(row.seq, row.lanes());
                self.erase(&row)?;
            }
        }
        Ok(if self.wake(row.lanes(), now)? { Settled::Freed } else { Settled::Done })
    }

    /// See [`crate::store::Store::order`].
    pub(super) fn order(
        &mut self,
        seqs: &[i64],
        order: &Order,
        now: UnixSeconds,
    ) -> Result<u64, Fault> {
        self.expire(now)?;
        self.must_sync = true;
        let mut changed = 0;
        for seq in seqs {
            let Some(mut row) = self.row(*seq)? else { continue };
            if self.queue.leased(*seq).is_some() {
                continue;
            }
            let done = match (order, row.turn.state) {
                (Order::Retry, State::Waiting) => self.hasten(&mut row, now)?,
                (Order::Retry, State::Held | State::Dead) if !self.is_credited(&row)? => {
                    self.revive(&mut row, now)?;
                    true
                }
                (Order::Drop { why }, State::Waiting | State::Held | State::Dead) => {
                    self.turn(&mut row, State::Dropped, now);
                    row.turn.why = Some(why.clone());
                    Turn::write(&self.conn, &row)?;
                    self.kept.close(&self.conn, row.seq)?;
                    self.wake(row.lanes(), now)?;
                    true
                }
                _ => false,
            };
            changed += u64::from(done);
        }
        Ok(changed)
    }

    /// What waits for a later time is due now. What waits for another goes on waiting.
    fn hasten(&mut self, row: &mut Row, now: UnixSeconds) -> Result<bool, Fault> {
        let Some(due) = row.turn.due.take() else { return Ok(false) };
        self.queue.unschedule(row.upstream, due, row.seq);
        self.place(row, due.min(now));
        Turn::write(&self.conn, row)?;
        Ok(true)
    }

    /// What was held or is dead waits anew, in its old place.
    pub(super) fn revive(&mut self, row: &mut Row, now: UnixSeconds) -> Result<(), Fault> {
        self.must_sync = true;
        self.turn(row, State::Waiting, now);
        row.turn.attempts = 0;
        row.turn.why = None;
        self.hold_back(row)?;
        self.place(row, now);
        Turn::write(&self.conn, row)
    }

    /// Whether another entry has or will bring the money that this one would bring.
    fn is_credited(&mut self, row: &Row) -> Result<bool, Fault> {
        let (Some(credit), Some(payment)) = (row.keys.credit, row.keys.payment()) else {
            return Ok(false);
        };
        let others = self.rows(payment, usize::MAX)?;
        let same = |other: &&Row| other.seq != row.seq && other.keys.credit == Some(credit);
        Ok(others
            .iter()
            .filter(same)
            .any(|other| other.counts_as_credit() && other.turn.state != State::Dropped))
    }

    /// See [`crate::store::Store::prune`]; the entries were found by a reader.
    pub(super) fn prune(&mut self, seqs: &[i64], before: UnixSeconds) -> Result<u64, Fault> {
        let mut pruned = 0;
        for seq in seqs {
            let Some(row) = self.row(*seq)? else { continue };
            let over = matches!(row.turn.state, State::Delivered | State::Dropped);
            if over && row.turn.changed_at < before {
                self.erase(&row)?;
                pruned += 1;
            }
        }
        // What is free beyond a part of the file goes back to the disk, little by little.
        self.conn.execute_batch("PRAGMA incremental_vacuum(64)")?;
        Ok(pruned)
    }

    /// See [`crate::store::Store::record`].
    pub(super) fn record(&mut self, act: &Act) -> Result<(), Fault> {
        self.must_sync = true;
        let Act { at, by, verb, what, changed } = act;
        let mut insert = self.conn.prepare_cached(
            "INSERT INTO act (at, by, verb, what, changed) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?;
        let changed = i64::try_from(*changed).unwrap_or(i64::MAX);
        insert.execute((at, by, verb, what, changed))?;
        Ok(())
    }
}
