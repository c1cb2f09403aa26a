//! Deposits: which are new, which were there before, and where each is to stand.

use std::sync::Arc;

use super::facts::{self, Birth};
use super::fault::Fault;
use super::ledger::Ledger;
use super::message;
use super::queue::Lanes;
use super::row::{Id, Row};
use super::turn::Turn;
use crate::engine::event::{Event, Status};
use crate::engine::inbound::UnixSeconds;
use crate::store::keys::{self, Keys};
use crate::store::seal::Seal;
use crate::store::{
    Admission, Deposit, Duplicate, Form, Intake, Marks, Message, State, StoreError,
};

/// Earlier entries of a payment that its standing is told from, at most: a test shop may send all
/// its callbacks under one order.
const STANDING_MAX: usize = 256;

/// A deposit with all that can be made ready before it is the writer's turn.
pub(super) struct Ready {
    id: Id,
    event: Arc<Event>,
    /// What it says, as it is kept.
    facts: Vec<u8>,
    upstream: Arc<str>,
    received_at: UnixSeconds,
    keys: Keys,
    hold_regressive: bool,
    message: Vec<u8>,
    /// Where a canonical event goes, should it have to be written anew.
    to: Option<String>,
    seal: Arc<Seal>,
}

impl Ready {
    pub(super) fn new(seal: &Arc<Seal>, deposit: Deposit) -> Self {
        let id = Id::new(&deposit.id);
        let facts = facts::pack(&id, &deposit);
        let Deposit {
            id: text, event, upstream, received_at, keys, hold_regressive, message, ..
        } = deposit;
        let to = (message.form == Form::Canonical).then(|| message.to.clone());
        let message = message::keep(seal, &text, &message);
        let seal = Arc::clone(seal);
        Self { id, event, facts, upstream, received_at, keys, hold_regressive, message, to, seal }
    }

    /// The message of an event that tells of a state left behind, if it says so itself.
    fn regressive(&self) -> Option<Vec<u8>> {
        let message = Message {
            to: self.to.clone()?,
            form: Form::Canonical,
            body: self.event.to_regressive_json(self.received_at).into(),
        };
        Some(message::keep(&self.seal, &self.id.to_string(), &message))
    }

    fn lanes(&self) -> Lanes {
        [self.keys.order, self.keys.transaction]
    }
}

impl Ledger {
    /// See [`crate::store::Store::admit`]. An error in the answer comes before anything is written.
    pub(super) fn admit(
        &mut self,
        deposits: &[Ready],
        intake: Intake,
        now: UnixSeconds,
    ) -> Result<Result<Vec<Admission>, StoreError>, Fault> {
        self.expire(now)?;
        if !self.fits(deposits, intake)? {
            return Ok(Err(StoreError::Full));
        }
        let first = self.newest;
        let admissions = deposits.iter().map(|deposit| self.admit_one(deposit, intake, now, first));
        admissions.collect::<Result<_, _>>().map(Ok)
    }

    /// Whether there is room for what is new among these.
    fn fits(&mut self, deposits: &[Ready], intake: Intake) -> Result<bool, Fault> {
        let many = self.counts.waiting().saturating_add(deposits.len() as u64);
        let too_many = many > self.room.waiting_max;
        for deposit in deposits {
            let waits = match intake {
                Intake::Queue => true,
                // The only others that waited would be those that must.
                Intake::Send { or_queue, .. } => {
                    too_many && or_queue && self.queue.is_behind(deposit.lanes(), self.newest)
                }
            };
            let fits = !(waits && too_many) && self.room.take(&self.conn, deposit.message.len())?;
            if !fits {
                let same = self.rows(deposit.id.key(), usize::MAX)?;
                if !same.iter().any(|row| row.id == deposit.id) {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// `first`: entries after it were deposited together with this.
    fn admit_one(
        &mut self,
        deposit: &Ready,
        intake: Intake,
        now: UnixSeconds,
        first: i64,
    ) -> Result<Admission, Fault> {
        let keys = &deposit.keys;
        let mut same_id = self.rows(deposit.id.key(), usize::MAX)?;
        same_id.retain(|row| row.id == deposit.id);
        let same = |row: &&Row| {
            let content = row.keys.content;
            content == keys.content || content == keys::former_content(&deposit.event)
        };
        if let Some(row) = same_id.iter().find(same) {
            return self.repeated(row.clone(), Duplicate::Delivery, now, first);
        }
        let equivocation = !same_id.is_empty();
        // Money must be found however far back; for a mark the latest will do.
        let max = if keys.credit.is_some() { usize::MAX } else { STANDING_MAX };
        let payment = match keys.payment() {
            Some(payment) => self.rows(payment, max)?,
            None => Vec::new(),
        };
        let credited = |row: &&Row| keys.credit.is_some() && row.keys.credit == keys.credit;
        if !equivocation {
            let before = payment.iter().filter(credited).find(|row| row.counts_as_credit());
            if let Some(row) = before {
                return self.repeated(row.clone(), Duplicate::Credit, now, first);
            }
        }
        let event = &deposit.event;
        let statuses: Vec<Status> = payment
            .iter()
            .filter(|row| row.keys.payment() == keys.payment() && !row.marks.equivocation)
            .filter(|row| row.turn.state != State::Dropped)
            .map(|row| row.status)
            .collect();
        let regressive = keys::is_regressive(&statuses, event.status, event.credit);
        let marks = Marks { equivocation, regressive };
        let held = equivocation || (regressive && deposit.hold_regressive);
        self.enter(deposit, marks, held, intake, now, first)
    }

    /// A new entry takes its place.
    fn enter(
        &mut self,
        deposit: &Ready,
        marks: Marks,
        held: bool,
        intake: Intake,
        now: UnixSeconds,
        first: i64,
    ) -> Result<Admission, Fault> {
        let lanes = deposit.lanes();
        let behind = self.queue.is_behind(lanes, first);
        let (state, or_queue) = match intake {
            _ if held => (State::Held, false),
            Intake::Queue => (State::Waiting, false),
            Intake::Send { or_queue: false, .. } if behind => return Ok(Admission::InFlight),
            Intake::Send { or_queue: true, .. } if behind => (State::Waiting, false),
            Intake::Send { or_queue, .. } => (State::Sending, or_queue),
        };
        let event = &deposit.event;
        self.newest += 1;
        // Whoever is behind nobody is first, and who is sent before it would be one of those.
        let due = (state == State::Waiting && !behind).then_some(now);
        let birth = Birth { state, marks, or_queue, at: now, due };
        let row = Row {
            seq: self.newest,
            id: deposit.id.clone(),
            keys: deposit.keys,
            marks,
            or_queue,
            credit: event.credit,
            status: event.status,
            upstream: self.names.number(&deposit.upstream),
            amount: event.amount.clone(),
            received_at: deposit.received_at,
            turn: Turn::first(&birth),
        };
        self.counts.enter(&row);
        if row.is_active() {
            self.queue.enter(row.seq, lanes);
        }
        if let Some(due) = due {
            self.queue.schedule(row.upstream, due, row.seq);
        }
        self.known.add(row.id.key(), row.seq);
        if let Some(payment) = row.keys.payment() {
            self.known.add(payment, row.seq);
        }
        let admission = match intake {
            Intake::Send { lease_until, .. } if state == State::Sending => {
                Admission::Send(self.lease(&row, lease_until, true))
            }
            _ => {
                self.must_sync = true;
                if held { Admission::Held(marks) } else { Admission::Queued(marks) }
            }
        };
        let regressive = if marks.regressive { deposit.regressive() } else { None };
        if self.fresh.is_full() {
            self.write_fresh()?;
        }
        let message = regressive.as_ref().unwrap_or(&deposit.message);
        self.fresh.add(row.seq, &deposit.facts, &birth, message);
        Ok(admission)
    }

    fn repeated(
        &mut self,
        mut row: Row,
        by: Duplicate,
        now: UnixSeconds,
        first: i64,
    ) -> Result<Admission, Fault> {
        match row.turn.state {
            State::Sending if row.seq <= first => return Ok(Admission::InFlight),
            // Delivered; or deposited together, and it shares the other's fate.
            State::Delivered | State::Sending => {}
            // What an operator must look at waits for him, however often it comes.
            State::Dead if !row.marks.equivocation => {
                self.revive(&mut row, now)?;
                return Ok(Admission::Queued(row.marks));
            }
            State::Dead | State::Dropped | State::Held | State::Waiting => self.must_sync = true,
        }
        Ok(Admission::Duplicate { by, of: row.turn.state })
    }
}
