//! The outbox: what was acknowledged is delivered, in order for each payment, until the upstream
//! has it or it is given up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::config::Retry;
use crate::deliver::backoff::{is_over, next_attempt};
use crate::deliver::{Answer, DeliverError, Errands, Outlet};
use crate::engine::inbound::UnixSeconds;
use crate::live::Upstream;
use crate::metrics::{Handling, OutboxMetrics};
use crate::store::{Message, Parcel, Settled, Settlement, Store, StoreError, Ticket};
use crate::upstream::CONNECTS_MAX;

/// Messages under way to one upstream at a time, at most.
const IN_FLIGHT_MAX: usize = 64;

/// Seconds between two looks at an outbox that nobody has woken up.
const LOOK_SECONDS: i64 = 30;

/// How often whoever has messages under way looks at the clock.
const LOOK: Duration = Duration::from_secs(1);

/// What time it is.
pub struct Clocks {
    /// The wall clock: upstreams compare signatures with theirs.
    pub wall: Box<dyn Fn() -> UnixSeconds + Send + Sync>,
    /// Seconds that only ever go forward, whatever becomes of the wall clock: leases and waits are
    /// measured in them.
    pub steady: Box<dyn Fn() -> UnixSeconds + Send + Sync>,
}

/// Keeps what cannot be delivered now, and delivers it.
pub struct Outbox {
    pub(super) store: Arc<dyn Store>,
    pub(super) metrics: OutboxMetrics,
    clocks: Clocks,
    woken: Notify,
    closing: AtomicBool,
    errands: Errands,
}

impl Outbox {
    /// Over this store.
    pub fn new(store: Arc<dyn Store>, metrics: OutboxMetrics, clocks: Clocks) -> Self {
        let (woken, closing) = (Notify::new(), AtomicBool::new(false));
        Self { store, metrics, clocks, woken, closing, errands: Errands::default() }
    }

    /// What it keeps things in.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// What is done with it for requests.
    pub fn errands(&self) -> &Errands {
        &self.errands
    }

    /// What is counted.
    pub fn metrics(&self) -> &OutboxMetrics {
        &self.metrics
    }

    /// Sends a message, and remembers how the upstream is.
    pub(super) async fn send(
        &self,
        outlet: &Outlet,
        id: &str,
        message: &Message,
        now: UnixSeconds,
    ) -> Result<Option<Answer>, DeliverError> {
        let sent = outlet.send(id, message, now).await;
        outlet.note(&sent, self.now());
        sent
    }

    /// Says what came of sending an entry, and has those looked at that waited for it.
    pub(super) async fn settle(
        &self,
        ticket: Ticket,
        settlement: Settlement,
        now: UnixSeconds,
    ) -> Result<Settled, StoreError> {
        let settled = self.store.settle(ticket, settlement, now).await?;
        if settled == Settled::Freed {
            self.wake();
        }
        Ok(settled)
    }

    /// Something may be due.
    pub fn wake(&self) {
        self.woken.notify_one();
    }

    /// Resolves when somebody has called [`Outbox::wake`] since the last time; for one waiter.
    pub async fn woken(&self) {
        self.woken.notified().await;
    }

    /// Gives out nothing more: what is under way is finished, the rest waits for the next start.
    pub fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
        self.wake();
    }

    /// What time it is, by the clock that waits are measured with.
    pub fn now(&self) -> UnixSeconds {
        (self.clocks.steady)()
    }

    /// Sends what is due to one upstream until nothing is, or the upstream is unwell. `way` says where
    /// it is now: a reload counts from the next claim on. `bell`: something may have become due.
    /// When to look again, unless woken before.
    pub async fn drain(
        self: &Arc<Self>,
        way: impl Fn() -> Option<Arc<Outlet>>,
        bell: &Notify,
    ) -> Result<UnixSeconds, StoreError> {
        let mut under_way = JoinSet::new();
        // While it is some time, nothing is due before then.
        let mut look_at: Option<UnixSeconds> = None;
        let mut failed = Ok(());
        loop {
            let now = self.now();
            look_at = look_at.filter(|at| *at > now || under_way.is_empty());
            let is_closing = self.closing.load(Ordering::Relaxed);
            let outlet = way().filter(|_| !is_closing && failed.is_ok());
            if let (Some(outlet), None) = (&outlet, look_at) {
                match self.claim(outlet, under_way.len(), now).await {
                    Ok((parcels, at)) => {
                        look_at = at;
                        for parcel in parcels {
                            let (outbox, outlet) = (Arc::clone(self), Arc::clone(outlet));
                            under_way.spawn(async move { outbox.attempt(&outlet, parcel).await });
                        }
                    }
                    Err(error) => failed = Err(error),
                }
            }
            if under_way.is_empty() && (outlet.is_none() || failed.is_err() || look_at.is_some()) {
                return failed.map(|()| look_at.unwrap_or(now));
            }
            tokio::select! {
                Some(done) = under_way.join_next() => match done {
                    // What was settled may have made others due.
                    Ok(Ok(())) => look_at = None,
                    // What else is under way is finished, and tries to say what came of it.
                    Ok(Err(error)) => failed = Err(error),
                    Err(error) => {
                        // A panic; the lease brings the entry back.
                        tracing::error!(%error, "a delivery has failed");
                    }
                },
                () = bell.notified() => look_at = None,
                // The clock may have come to what is due next.
                () = sleep(LOOK), if look_at.is_some() => {}
            }
        }
    }

    /// What is due and has room beside what is under way; when to look again, if that was all.
    async fn claim(
        &self,
        outlet: &Outlet,
        under_way: usize,
        now: UnixSeconds,
    ) -> Result<(Vec<Parcel>, Option<UnixSeconds>), StoreError> {
        let health = outlet.health();
        // An upstream that was unwell is tried with one message, not with a flood.
        let room = match outlet.upstream().in_flight_max / 2 {
            room if health.is_well() => room.clamp(1, IN_FLIGHT_MAX),
            _ => 1,
        };
        // Half of the room at a time, so that a claim is worth its transaction.
        if under_way > room / 2 {
            return Ok((Vec::new(), None));
        }
        if health.retry_at() > now {
            return Ok((Vec::new(), Some(health.retry_at())));
        }
        let wanted = room - under_way;
        let lease_until = now.saturating_add(patience(outlet));
        let claimed = self.store.claim(&outlet.upstream().name, wanted, now, lease_until).await?;
        let is_all = claimed.parcels.len() < wanted;
        let next = now.saturating_add(LOOK_SECONDS);
        let at = claimed.next_due.map_or(next, |due| due.min(next));
        Ok((claimed.parcels, is_all.then_some(at)))
    }

    /// One message, and what came of it.
    async fn attempt(&self, outlet: &Outlet, parcel: Parcel) -> Result<(), StoreError> {
        let Parcel { ticket, id, attempts, received_at, message } = parcel;
        let upstream = outlet.upstream();
        let sent = self.send(outlet, &id, &message, (self.clocks.wall)()).await;
        let now = self.now();
        let settlement = match sent {
            Ok(_) => Settlement::Delivered,
            Err(error) => {
                let age = now.min((self.clocks.wall)()).saturating_sub(received_at);
                let chance = ticket.seq.wrapping_add(ticket.token).unsigned_abs();
                after(error, &upstream.retry, &Failed { attempts, age, now, chance })
            }
        };
        self.metrics.handled(
            &upstream.name,
            match settlement {
                Settlement::Delivered => Handling::Delivered,
                Settlement::Dead { .. } => Handling::Dead,
                Settlement::Forget | Settlement::Wait { .. } => Handling::Failed,
            },
        );
        if let Settlement::Dead { why } = settlement {
            tracing::error!(
                target: "countersign::outbox", event = id, upstream = upstream.name, why,
                "an event is given up; it is a dead letter now"
            );
        }
        self.settle(ticket, settlement, now).await.map(drop)
    }
}

/// An attempt that has failed.
struct Failed {
    /// How many had before it.
    attempts: u32,
    /// Seconds since the event came. By the clock that says less: one that is set wrong must not
    /// make dead letters.
    age: i64,
    now: UnixSeconds,
    /// Any number.
    chance: u64,
}

/// Seconds after which a message that was sent is no longer under way.
pub(super) fn patience(outlet: &Outlet) -> i64 {
    let Upstream { connect_timeout, timeout, .. } = outlet.upstream();
    // Time for a name, for all addresses that may be tried, for a second attempt, and for the store.
    let connects = u32::try_from(CONNECTS_MAX + 1).unwrap_or(u32::MAX);
    let wait = connect_timeout.saturating_mul(connects).as_secs() + 2 * timeout.as_secs() + 5;
    i64::try_from(wait).unwrap_or(i64::MAX)
}

/// What becomes of an event that the upstream did not take.
fn after(error: DeliverError, retry: &Retry, failed: &Failed) -> Settlement {
    let Failed { attempts, age, now, chance } = *failed;
    let why = error.as_str();
    if error.is_of_the_upstream() || error == DeliverError::Busy {
        // No fault of the event: it goes as soon as the upstream is well.
        return if is_over(retry, age) {
            Settlement::Dead { why }
        } else {
            Settlement::Wait { due: now.saturating_add(1), why, counts: false }
        };
    }
    match next_attempt(retry, attempts.saturating_add(1), age, chance) {
        Some(wait) => Settlement::Wait { due: now.saturating_add(wait), why, counts: true },
        None => Settlement::Dead { why },
    }
}
