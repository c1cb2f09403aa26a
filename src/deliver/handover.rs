//! What becomes of an accepted callback while its gateway waits: sent, kept, or known already.

use crate::config::Delivery;
use std::sync::Arc;

use crate::deliver::deposit::{Accepted, Sendable};
use crate::deliver::outbox::patience;
use crate::deliver::{Answer, DeliverError, Outbox, Outlet};
use crate::engine::inbound::UnixSeconds;
use crate::metrics::Handling;
use crate::store::{
    Admission, Deposit, Duplicate, Form, Intake, Marks, Message, Settled, Settlement, State,
    StoreError, Ticket,
};

/// Messages of one callback that a lease is long enough for.
const LEASES_MAX: i64 = 8;

/// How it ended well: the gateway may be told so.
#[derive(Debug)]
pub enum Handed {
    /// The upstream has it; what it has said to the last message. `None`: there was nothing to hand
    /// over, or nobody who answers.
    Delivered(Option<Answer>),
    /// It was delivered, or kept, before.
    Duplicate(Duplicate),
    /// On disk, to be delivered.
    Kept,
    /// On disk, until an operator has looked at it.
    Held,
}

/// Why it did not. Its gateway is asked to come again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum HandoverError {
    /// The upstream does not have it.
    Deliver(DeliverError),
    /// The same callback, or an earlier one of its payment, is being sent just now.
    InFlight,
    /// It cannot be kept.
    Store(StoreError),
}

impl From<DeliverError> for HandoverError {
    fn from(error: DeliverError) -> Self {
        Self::Deliver(error)
    }
}

impl From<StoreError> for HandoverError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Without a store: sends one message after the other, and stops at the first that the upstream
/// does not take. Those before it are there already, and will come again with the same ids when the
/// gateway repeats the callback.
pub async fn send(
    outlet: &Outlet,
    accepted: Accepted<'_>,
    now: UnixSeconds,
) -> Result<Handed, HandoverError> {
    if accepted.route.delivery == Delivery::Durable {
        // It became so by a reload, and a store needs a restart.
        return Err(StoreError::Closed.into());
    }
    let mut last = None;
    for Sendable { id, message, .. } in accepted.sendables() {
        last = outlet.send(&id, &message, now).await?;
    }
    Ok(Handed::Delivered(last))
}

impl Outbox {
    /// Hands over what was accepted, as its route delivers. `relayed`: the gateway waits for what
    /// the upstream says.
    pub async fn hand_over(
        self: &Arc<Self>,
        outlet: &Arc<Outlet>,
        accepted: Accepted<'_>,
        relayed: bool,
        now: UnixSeconds,
    ) -> Result<Handed, HandoverError> {
        let route = accepted.route;
        let deposits = accepted.deposits();
        if deposits.is_empty() {
            return Ok(Handed::Delivered(None));
        }
        // What is a question is asked again; what is money is kept.
        let keepable = !relayed || deposits.iter().any(|deposit| deposit.event.credit);
        let well = outlet.health().is_well();
        let or_queue = match route.delivery {
            Delivery::Durable => return self.keep(deposits).await,
            Delivery::Spill if !well && keepable => return self.keep(deposits).await,
            Delivery::Spill => keepable,
            Delivery::Direct => false,
        };
        let (outbox, outlet) = (Arc::clone(self), Arc::clone(outlet));
        let way = Direct { outlet, or_queue, relayed };
        // A gateway that goes away meanwhile leaves nothing half done.
        let sent = async move { outbox.direct(&way, deposits, now).await };
        // What does not come to its end is brought back by its lease.
        self.errands().see_through(sent).await.unwrap_or(Err(HandoverError::InFlight))
    }

    /// On disk first.
    pub async fn keep(&self, deposits: Vec<Deposit>) -> Result<Handed, HandoverError> {
        let mut tally = Tally::default();
        self.queue_and_tally(deposits, &mut tally).await?;
        tally.into_handed()
    }

    /// On disk, to be delivered as soon as may be: what has become of each.
    pub async fn queue(&self, deposits: Vec<Deposit>) -> Result<Vec<Admission>, StoreError> {
        self.queue_and_tally(deposits, &mut Tally::default()).await
    }

    async fn queue_and_tally(
        &self,
        deposits: Vec<Deposit>,
        tally: &mut Tally,
    ) -> Result<Vec<Admission>, StoreError> {
        let admissions = self.store.admit(deposits.clone(), Intake::Queue, self.now()).await?;
        for (deposit, admission) in deposits.iter().zip(&admissions) {
            self.tally(deposit, admission, tally);
        }
        Ok(admissions)
    }

    /// To the upstream, and on disk only where it fails.
    async fn direct(
        &self,
        way: &Direct,
        deposits: Vec<Deposit>,
        now: UnixSeconds,
    ) -> Result<Handed, HandoverError> {
        let Direct { ref outlet, or_queue, relayed } = *way;
        let begun = self.now();
        // They go one after the other. Of a long batch the last may be given out to others meanwhile:
        // better twice under one key than nobody's for hours, should this daemon die.
        let count = i64::try_from(deposits.len()).unwrap_or(i64::MAX);
        let lease = patience(outlet).saturating_mul(count.min(LEASES_MAX));
        let intake = Intake::Send { or_queue, lease_until: begun.saturating_add(lease) };
        let admissions = self.store.admit(deposits.clone(), intake, begun).await?;
        let mut tally = Tally::default();
        let mut sent = deposits.iter().zip(admissions);
        while let Some((deposit, admission)) = sent.next() {
            let ticket = match admission {
                Admission::Send(ticket) => ticket,
                // The gateway needs the upstream's word, and the upstream knows the id. Of what it
                // does not have it is told in its turn, or by an operator.
                Admission::Duplicate { by: Duplicate::Delivery, of: State::Delivered }
                    if relayed =>
                {
                    match self.send(outlet, &deposit.id, &deposit.message, now).await {
                        Ok(answer) => tally.answer = answer,
                        Err(error) => {
                            self.not_taken(outlet, rest(sent), error, or_queue).await?;
                            return Err(error.into());
                        }
                    }
                    continue;
                }
                known => {
                    self.tally(deposit, &known, &mut tally);
                    continue;
                }
            };
            let message = to_send(deposit, ticket);
            self.remark(deposit, ticket.marks);
            match self.send(outlet, &deposit.id, &message, now).await {
                Ok(answer) => {
                    tally.add(Fate::Delivered);
                    tally.answer = answer;
                    self.settle(ticket, Settlement::Delivered, self.now()).await?;
                    self.metrics.handled(&deposit.upstream, Handling::Delivered);
                }
                Err(error) => {
                    let all = [(deposit, ticket)].into_iter().chain(rest(sent)).collect();
                    return match self.not_taken(outlet, all, error, or_queue).await? {
                        Some(handed) => Ok(handed),
                        None => Err(error.into()),
                    };
                }
            }
        }
        tally.into_handed()
    }

    /// What the upstream did not take is kept, or forgotten so that the gateway's next attempt is
    /// not taken for a repetition. `None`: it is not kept.
    async fn not_taken(
        &self,
        outlet: &Outlet,
        rest: Vec<(&Deposit, Ticket)>,
        error: DeliverError,
        or_queue: bool,
    ) -> Result<Option<Handed>, HandoverError> {
        let keep = or_queue && error.is_passing();
        let at = self.now();
        let settlement = if keep {
            Settlement::Wait { due: at, why: error.as_str(), counts: false }
        } else {
            Settlement::Forget
        };
        let mut void = Vec::new();
        for (deposit, ticket) in rest {
            if self.settle(ticket, settlement, at).await? == Settled::Void {
                void.push(deposit.clone());
            }
        }
        if !keep {
            return Ok(None);
        }
        self.wake();
        self.metrics.handled(&outlet.upstream().name, Handling::Spilled);
        if void.is_empty() {
            return Ok(Some(Handed::Kept));
        }
        // Somebody else has them, or they went with a file that was lost meanwhile: ask.
        self.keep(void).await.map(Some)
    }

    fn tally(&self, deposit: &Deposit, admission: &Admission, tally: &mut Tally) {
        match admission {
            // Nobody is given one to send who has not asked for it.
            Admission::InFlight | Admission::Send(_) => tally.add(Fate::InFlight),
            Admission::Duplicate { by, of: _ } => {
                self.metrics.duplicate(&deposit.event.gateway, by.as_str());
                tally.add(Fate::Duplicate(*by));
            }
            Admission::Held(marks) => {
                self.remark(deposit, *marks);
                self.metrics.handled(&deposit.upstream, Handling::Held);
                tally.add(Fate::Held);
            }
            Admission::Queued(marks) => {
                self.remark(deposit, *marks);
                self.metrics.handled(&deposit.upstream, Handling::Kept);
                self.wake();
                tally.add(Fate::Kept);
            }
        }
    }

    /// Says aloud what an operator must know of.
    fn remark(&self, deposit: &Deposit, marks: Marks) {
        let Deposit { id, event, route, .. } = deposit;
        if marks.equivocation {
            self.metrics.equivocation(&event.gateway);
            tracing::error!(
                target: "countersign::outbox", event = id, gateway = &*event.gateway,
                route = &**route, "a known id came with another content; it is held"
            );
        }
        if marks.regressive {
            self.metrics.regressive(&event.gateway);
            tracing::warn!(
                target: "countersign::outbox", event = id, gateway = &*event.gateway,
                route = &**route, status = event.status.as_str(),
                "an event tells of a state that its payment has left behind"
            );
        }
    }
}

/// How messages go while the gateway waits.
struct Direct {
    outlet: Arc<Outlet>,
    or_queue: bool,
    relayed: bool,
}

/// What has become of one message, what matters more to its gateway last.
#[derive(Clone, Copy, Eq, Ord, PartialEq, PartialOrd)]
enum Fate {
    Duplicate(Duplicate),
    Delivered,
    Held,
    Kept,
    InFlight,
}

/// What has become of the messages of one callback.
#[derive(Default)]
struct Tally {
    fate: Option<Fate>,
    answer: Option<Answer>,
}

impl Tally {
    fn add(&mut self, fate: Fate) {
        self.fate = self.fate.max(Some(fate));
    }

    fn into_handed(self) -> Result<Handed, HandoverError> {
        match (self.fate, self.answer) {
            (Some(Fate::InFlight), _) => Err(HandoverError::InFlight),
            (Some(Fate::Kept), _) => Ok(Handed::Kept),
            (Some(Fate::Held), _) => Ok(Handed::Held),
            (Some(Fate::Duplicate(by)), None) => Ok(Handed::Duplicate(by)),
            (Some(Fate::Delivered | Fate::Duplicate(_)) | None, answer) => {
                Ok(Handed::Delivered(answer))
            }
        }
    }
}

/// Those that were to be sent.
fn rest<'d>(sent: impl Iterator<Item = (&'d Deposit, Admission)>) -> Vec<(&'d Deposit, Ticket)> {
    sent.filter_map(|(deposit, admission)| match admission {
        Admission::Send(ticket) => Some((deposit, ticket)),
        Admission::Duplicate { .. }
        | Admission::Held(_)
        | Admission::InFlight
        | Admission::Queued(_) => None,
    })
    .collect()
}

/// The message of an entry that was admitted to be sent.
fn to_send(deposit: &Deposit, ticket: Ticket) -> Message {
    let mut message = deposit.message.clone();
    if ticket.marks.regressive && message.form == Form::Canonical {
        message.body = deposit.event.to_regressive_json(deposit.received_at).into();
    }
    message
}
