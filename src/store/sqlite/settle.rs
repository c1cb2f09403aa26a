//! Entries on their way: given out, settled, ordered about, forgotten.

use rusqlite::OptionalExtension as _;

use super::fault::Fault;
use super::ledger::Ledger;
use super::row::Row;
use crate::engine::inbound::UnixSeconds;
use crate::store::{Act, Order, Settlement, State, Ticket};

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
        let Some(upstream) = self.known_number(upstream) else { return Ok((Vec::new(), None)) };
        let mut given = Vec::new();
        for seq in self.queue.due(upstream, now, max) {
            let Some(row) = self.row(seq)? else { continue };
            if let Some(due) = row.due {
                self.queue.unschedule(upstream, due, seq);
            }
            let mut select =
                self.conn.prepare_cached("SELECT message FROM message WHERE seq = ?1")?;
            // One that is lost is like one that cannot be opened.
            let message = select.query_row([seq], |row| row.get(0)).optional()?.unwrap_or_default();
            drop(select);
            given.push(Given {
                ticket: self.lease(&row, lease_until, false),
                id: row.id.to_string(),
                attempts: row.attempts,
                received_at: row.received_at,
                message,
            });
        }
        given.sort_unstable_by_key(|given| given.ticket.seq);
        let ends = self.queue.next_end(upstream).filter(|_| given.is_empty());
        let next = self.queue.next_due(upstream).into_iter().chain(ends).min();
        Ok((given, next))
    }

    /// See [`crate::store::Store::settle`].
    pub(super) fn settle(
        &mut self,
        ticket: Ticket,
        settlement: &Settlement,
        now: UnixSeconds,
    ) -> Result<bool, Fault> {
        let Some(lease) = self.queue.leased(ticket.seq).filter(|lease| lease.token == ticket.token)
        else {
            return Ok(false);
        };
        let Some(mut row) = self.row(ticket.seq)? else { return Ok(false) };
        if matches!(settlement, Settlement::Forget) && !lease.fresh {
            return Ok(false);
        }
        self.queue.release(row.seq, row.lanes());
        match settlement {
            Settlement::Delivered => {
                self.turn(&mut row, State::Delivered, now);
                row.why = None;
                row.update(&self.conn)?;
                self.forget_message(row.seq)?;
            }
            Settlement::Wait { due, why, counts } => {
                self.turn(&mut row, State::Waiting, now);
                row.attempts += u32::from(*counts);
                row.why = Some((*why).to_owned());
                self.place(&mut row, *due);
                row.update(&self.conn)?;
                self.must_sync |= lease.fresh;
            }
            Settlement::Dead { why } => {
                self.turn(&mut row, State::Dead, now);
                row.why = Some((*why).to_owned());
                row.update(&self.conn)?;
            }
            Settlement::Forget => {
                self.counts.leave(&row);
                self.queue.leave(row.seq, row.lanes());
                self.erase(&row)?;
            }
        }
        self.wake(row.lanes(), now)?;
        Ok(true)
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
            let done = match (order, row.state) {
                (Order::Retry, State::Waiting) => self.hasten(&mut row, now)?,
                (Order::Retry, State::Held | State::Dead) if !self.is_credited(&row)? => {
                    self.revive(&mut row, now)?;
                    true
                }
                (Order::Drop { why }, State::Waiting | State::Held | State::Dead) => {
                    self.turn(&mut row, State::Dropped, now);
                    row.why = Some(why.clone());
                    row.update(&self.conn)?;
                    self.forget_message(row.seq)?;
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
        let Some(due) = row.due.take() else { return Ok(false) };
        self.queue.unschedule(row.upstream, due, row.seq);
        self.place(row, due.min(now));
        row.update(&self.conn)?;
        Ok(true)
    }

    /// What was held or is dead waits anew, in its old place.
    pub(super) fn revive(&mut self, row: &mut Row, now: UnixSeconds) -> Result<(), Fault> {
        self.must_sync = true;
        self.turn(row, State::Waiting, now);
        row.attempts = 0;
        row.why = None;
        self.hold_back(row)?;
        self.place(row, now);
        row.update(&self.conn)
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
            .any(|other| other.counts_as_credit() && other.state != State::Dropped))
    }

    /// See [`crate::store::Store::prune`]; the entries were found by a reader.
    pub(super) fn prune(&mut self, seqs: &[i64], before: UnixSeconds) -> Result<u64, Fault> {
        let mut pruned = 0;
        for seq in seqs {
            let Some(row) = self.row(*seq)? else { continue };
            let over = matches!(row.state, State::Delivered | State::Dropped);
            if over && row.changed_at < before {
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
