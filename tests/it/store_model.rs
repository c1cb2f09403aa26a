//! A store beside a model of it that is too simple to be wrong: whatever is asked of both, in whatever
//! order, is answered alike, over restarts too.

use std::collections::BTreeMap;

use countersign::engine::event::{Event, Status};
use countersign::engine::inbound::UnixSeconds;
use countersign::store::keys::Keys;
use countersign::store::{
    Admission, Duplicate, Intake, Order, Settled, Settlement, State, Store, Ticket,
};
use proptest::prelude::*;

use crate::support::NOW;
use crate::support::outbox::{Backend, Files, LEASE, SHOP, all, deposit, drain, name, said};

/// What is asked. Numbers choose among what is there.
#[derive(Clone, Debug)]
enum Ask {
    Admit { ids: Vec<(u8, bool)>, how: How },
    Claim { max: usize },
    Settle { ticket: usize, what: What },
    Retry { seq: i64 },
    Drop { seq: i64 },
    Later { by: UnixSeconds },
    Reopen,
}

#[derive(Clone, Copy, Debug)]
enum How {
    Queue,
    Spill,
    Direct,
}

#[derive(Clone, Copy, Debug)]
enum What {
    Delivered,
    Wait(UnixSeconds),
    Dead,
    Forget,
}

fn ask() -> impl Strategy<Value = Ask> {
    let how = prop_oneof![Just(How::Queue), Just(How::Spill), Just(How::Direct)];
    // One in eight says something else under a known id.
    let id = (0_u8..12, (0_u8..8).prop_map(|n| n == 0));
    let what = prop_oneof![
        3 => Just(What::Delivered),
        2 => (0..100_i64).prop_map(What::Wait),
        1 => Just(What::Dead),
        1 => Just(What::Forget),
    ];
    prop_oneof![
        6 => (prop::collection::vec(id, 1..4), how).prop_map(|(ids, how)| Ask::Admit { ids, how }),
        4 => (1_usize..5).prop_map(|max| Ask::Claim { max }),
        6 => (0_usize..8, what).prop_map(|(ticket, what)| Ask::Settle { ticket, what }),
        1 => (1_i64..20).prop_map(|seq| Ask::Retry { seq }),
        1 => (1_i64..20).prop_map(|seq| Ask::Drop { seq }),
        2 => (1_i64..100).prop_map(|by| Ask::Later { by }),
        1 => Just(Ask::Reopen),
    ]
}

/// An id always tells of one payment; some tell of money, and some of those of the same.
fn event(id: u8, other: bool) -> Event {
    let order = if id % 4 == 3 { String::new() } else { format!("o{}", id % 3) };
    let transaction = if id % 5 == 4 { String::new() } else { format!("t{}", id % 4) };
    let status = Status::Unknown;
    let said = said(&id.to_string(), &order, &transaction, status);
    Event { credit: id.is_multiple_of(3), test: Some(other), ..said }
}

struct Entry {
    id: u8,
    keys: Keys,
    equivocation: bool,
    or_queue: bool,
    state: State,
    /// Not before; whoever stands behind another is due as soon as that is gone.
    due: UnixSeconds,
    lease: Option<Lease>,
}

struct Lease {
    until: UnixSeconds,
    token: i64,
    fresh: bool,
}

impl Entry {
    fn is_active(&self) -> bool {
        matches!(self.state, State::Sending | State::Waiting)
    }

    fn shares_a_lane(&self, keys: &Keys) -> bool {
        let same = |a: Option<i64>, b: Option<i64>| a.is_some() && a == b;
        same(self.keys.order, keys.order) || same(self.keys.transaction, keys.transaction)
    }

    fn counts_as_credit(&self) -> bool {
        !(self.equivocation && matches!(self.state, State::Held | State::Dead | State::Dropped))
    }
}

#[derive(Default)]
struct Model {
    entries: BTreeMap<i64, Entry>,
    newest: i64,
    /// How often each id and content was delivered.
    delivered: BTreeMap<(u8, [u8; 16]), u32>,
}

impl Model {
    fn is_free(&self, seq: i64) -> bool {
        let entry = &self.entries[&seq];
        let blocks = |(other, it): (&i64, &Entry)| {
            it.shares_a_lane(&entry.keys)
                && it.is_active()
                && *other != seq
                && (*other < seq || it.lease.is_some())
        };
        !self.entries.iter().any(blocks)
    }

    /// Who stands behind another does not remember when it was due.
    fn settle_down(&mut self) {
        let seqs: Vec<i64> = self.entries.keys().copied().collect();
        for seq in seqs {
            let entry = &self.entries[&seq];
            if entry.state == State::Waiting && entry.lease.is_none() && !self.is_free(seq) {
                self.entries.get_mut(&seq).unwrap().due = 0;
            }
        }
    }

    fn expire(&mut self, now: UnixSeconds) {
        self.entries.retain(|_, entry| {
            let over = entry.lease.as_ref().is_some_and(|lease| lease.until <= now);
            if over {
                entry.lease = None;
                if entry.state == State::Sending && !entry.or_queue {
                    return false;
                }
                entry.state = State::Waiting;
                entry.due = 0;
            }
            true
        });
        self.settle_down();
    }

    fn reopen(&mut self) {
        self.expire(UnixSeconds::MAX);
    }

    /// What must become of a deposit; `Send` without its ticket.
    fn admit(&mut self, id: u8, other: bool, how: How, first: i64) -> Option<Admission> {
        let event = event(id, other);
        let keys = Keys::of(&event);
        let same_id: Vec<i64> = self.find(|entry| entry.id == id);
        let same = |seq: &&i64| self.entries[seq].keys.content == keys.content;
        if let Some(seq) = same_id.iter().find(same) {
            return Some(self.repeat(*seq, Duplicate::Delivery, first));
        }
        let equivocation = !same_id.is_empty();
        if !equivocation && keys.credit.is_some() {
            let same = |it: &Entry| it.keys.credit == keys.credit && it.counts_as_credit();
            if let Some(seq) = self.find(same).first() {
                return Some(self.repeat(*seq, Duplicate::Credit, first));
            }
        }
        let behind = self.entries.iter().any(|(seq, it)| {
            it.is_active() && it.shares_a_lane(&keys) && (*seq <= first || it.lease.is_none())
        });
        let state = match how {
            _ if equivocation => State::Held,
            How::Direct if behind => return Some(Admission::InFlight),
            How::Spill if behind => State::Waiting,
            How::Queue => State::Waiting,
            How::Spill | How::Direct => State::Sending,
        };
        self.newest += 1;
        let or_queue = matches!(how, How::Spill);
        let entry = Entry { id, keys, equivocation, or_queue, state, due: 0, lease: None };
        self.entries.insert(self.newest, entry);
        let marks = countersign::store::Marks { equivocation, regressive: false };
        match state {
            State::Sending => None,
            State::Held => Some(Admission::Held(marks)),
            _ => Some(Admission::Queued(marks)),
        }
    }

    fn repeat(&mut self, seq: i64, by: Duplicate, first: i64) -> Admission {
        let entry = self.entries.get_mut(&seq).unwrap();
        match entry.state {
            State::Sending if seq <= first => return Admission::InFlight,
            State::Dead if !entry.equivocation => {
                entry.state = State::Waiting;
                entry.due = 0;
                self.settle_down();
                return Admission::Queued(countersign::store::Marks::default());
            }
            _ => {}
        }
        Admission::Duplicate { by, of: entry.state }
    }

    fn find(&self, wanted: impl Fn(&Entry) -> bool) -> Vec<i64> {
        let found = self.entries.iter().filter(|(_, entry)| wanted(entry));
        found.map(|(seq, _)| *seq).collect()
    }

    /// Everything that may be given out, with what is due first before it.
    fn due(&self, now: UnixSeconds) -> Vec<i64> {
        self.free().into_iter().filter(|seq| self.entries[seq].due <= now).collect()
    }

    fn lease(&mut self, ticket: Ticket, until: UnixSeconds, fresh: bool) {
        let entry = self.entries.get_mut(&ticket.seq).unwrap();
        assert!(entry.lease.is_none(), "given out twice");
        entry.lease = Some(Lease { until, token: ticket.token, fresh });
    }

    fn settle(&mut self, ticket: Ticket, what: What, now: UnixSeconds) -> Settled {
        let before = self.free();
        let Some(entry) = self.entries.get_mut(&ticket.seq) else { return Settled::Void };
        let Some(_) = entry.lease.take_if(|lease| {
            lease.token == ticket.token && (lease.fresh || !matches!(what, What::Forget))
        }) else {
            return Settled::Void;
        };
        match what {
            What::Delivered => {
                entry.state = State::Delivered;
                *self.delivered.entry((entry.id, entry.keys.content)).or_default() += 1;
            }
            What::Wait(by) => {
                entry.state = State::Waiting;
                entry.due = now + by;
            }
            What::Dead => entry.state = State::Dead,
            What::Forget => drop(self.entries.remove(&ticket.seq)),
        }
        self.settle_down();
        let is_freed = |seq: &i64| *seq != ticket.seq && !before.contains(seq);
        if self.free().iter().any(is_freed) { Settled::Freed } else { Settled::Done }
    }

    /// What waits, and for nobody.
    fn free(&self) -> Vec<i64> {
        let free = |seq: &i64| {
            let entry = &self.entries[seq];
            entry.state == State::Waiting && entry.lease.is_none() && self.is_free(*seq)
        };
        self.entries.keys().copied().filter(free).collect()
    }

    fn order(&mut self, seq: i64, retry: bool, now: UnixSeconds) -> u64 {
        let free = self.entries.contains_key(&seq) && self.is_free(seq);
        let credited = self.entries.get(&seq).is_some_and(|entry| {
            entry.keys.credit.is_some()
                && self.entries.iter().any(|(other, it)| {
                    *other != seq
                        && it.keys.credit == entry.keys.credit
                        && it.counts_as_credit()
                        && it.state != State::Dropped
                })
        });
        let Some(entry) = self.entries.get_mut(&seq).filter(|entry| entry.lease.is_none()) else {
            return 0;
        };
        match (retry, entry.state) {
            (true, State::Waiting) if free => entry.due = entry.due.min(now),
            (true, State::Held | State::Dead) if !credited => {
                entry.state = State::Waiting;
                entry.due = 0;
            }
            (false, State::Waiting | State::Held | State::Dead) => entry.state = State::Dropped,
            _ => return 0,
        }
        self.settle_down();
        1
    }
}

async fn agree(asks: Vec<Ask>) {
    let files = Files::new();
    let mut store = files.open(NOW);
    let mut model = Model::default();
    let (mut now, mut tickets) = (NOW, Vec::<Ticket>::new());
    for ask in asks {
        match ask {
            Ask::Admit { ids, how } => {
                let intake = match how {
                    How::Queue => Intake::Queue,
                    How::Spill => Intake::Send { or_queue: true, lease_until: now + LEASE },
                    How::Direct => Intake::Send { or_queue: false, lease_until: now + LEASE },
                };
                let deposits = ids.iter().map(|&(id, other)| deposit(event(id, other)));
                let admitted = store.admit(deposits.collect(), intake, now).await.unwrap();
                model.expire(now);
                let first = model.newest;
                for ((id, other), got) in ids.into_iter().zip(admitted) {
                    match (model.admit(id, other, how, first), got) {
                        (None, Admission::Send(ticket)) => {
                            assert_eq!(ticket.seq, model.newest);
                            model.lease(ticket, now + LEASE, true);
                            tickets.push(ticket);
                        }
                        (want, got) => assert_eq!(Some(got), want, "{id} {other}"),
                    }
                }
            }
            Ask::Claim { max } => {
                let claimed = store.claim(SHOP, max, now, now + LEASE).await.unwrap();
                model.expire(now);
                let due = model.due(now);
                let got: Vec<i64> =
                    claimed.parcels.iter().map(|parcel| parcel.ticket.seq).collect();
                assert_eq!(got.len(), due.len().min(max), "{got:?} of {due:?}");
                for parcel in claimed.parcels {
                    assert!(due.contains(&parcel.ticket.seq), "{} of {due:?}", parcel.ticket.seq);
                    let id = model.entries[&parcel.ticket.seq].id;
                    assert_eq!(name(&parcel.id), id.to_string());
                    model.lease(parcel.ticket, now + LEASE, false);
                    tickets.push(parcel.ticket);
                }
            }
            Ask::Settle { ticket, what } => {
                let Some(ticket) = tickets.iter().rev().nth(ticket).copied() else { continue };
                let settlement = match what {
                    What::Delivered => Settlement::Delivered,
                    What::Wait(by) => {
                        Settlement::Wait { due: now + by, why: "timeout", counts: true }
                    }
                    What::Dead => Settlement::Dead { why: "horizon" },
                    What::Forget => Settlement::Forget,
                };
                let got = store.settle(ticket, settlement, now).await.unwrap();
                assert_eq!(got, model.settle(ticket, what, now), "{ticket:?}");
            }
            Ask::Retry { seq } => {
                let got = store.order(vec![seq], Order::Retry, now).await.unwrap();
                model.expire(now);
                assert_eq!(got, model.order(seq, true, now));
            }
            Ask::Drop { seq } => {
                let why = Order::Drop { why: "so".into() };
                let got = store.order(vec![seq], why, now).await.unwrap();
                model.expire(now);
                assert_eq!(got, model.order(seq, false, now));
            }
            Ask::Later { by } => now += by,
            Ask::Reopen => {
                drop(store);
                store = files.open(now);
                model.reopen();
                tickets.clear();
            }
        }
        check(&*store, &model).await;
    }
    drop(store);
    let store = files.open(now);
    model.reopen();
    finish(&*store, &mut model, now + 1000).await;
}

/// Everything is where the model has it.
async fn check(store: &dyn Store, model: &Model) {
    let got: Vec<_> = all(store).await.iter().map(|e| (e.seq, name(&e.id), e.state)).collect();
    let want: Vec<_> =
        model.entries.iter().map(|(seq, e)| (*seq, e.id.to_string(), e.state)).collect();
    assert_eq!(got, want);
}

/// Whatever waits is delivered, and nothing twice.
async fn finish(store: &dyn Store, model: &mut Model, now: UnixSeconds) {
    let waiting = model.find(|entry| entry.state == State::Waiting);
    let mut want: Vec<_> = waiting.iter().map(|seq| model.entries[seq].id.to_string()).collect();
    let mut got = drain(store, now).await;
    want.sort();
    got.sort();
    assert_eq!(got, want);
    for seq in waiting {
        let entry = &model.entries[&seq];
        *model.delivered.entry((entry.id, entry.keys.content)).or_default() += 1;
    }
    for (id, times) in &model.delivered {
        assert_eq!(*times, 1, "{id:?}");
    }
    assert!(drain(store, now + 1000).await.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_store_and_its_model_agree(asks in prop::collection::vec(ask(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(agree(asks));
    }
}
