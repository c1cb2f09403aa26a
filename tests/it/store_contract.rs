//! What every store promises, whatever is behind it: the promises of `store::Store`, one by one. A
//! backend is plugged in by one line at the end.

use std::sync::Arc;

use countersign::engine::event::{Amount, Event, Status};
use countersign::store::{
    Act, Admission, Duplicate, Filter, Form, Intake, Marks, Order, Page, Settlement, State, Ticket,
};

use crate::support::NOW;
use crate::support::outbox::{
    Backend, Files, LEASE, SHOP, admit, admit_at, all, claim, claimed, deposit, direct, drain,
    entry, euros, name, paid, queue, said, send, settle, spill, wait,
};

const NONE: Marks = Marks { equivocation: false, regressive: false };

fn money(value: &str, currency: &str) -> Amount {
    Amount { value: value.into(), currency: currency.into() }
}

async fn what_is_queued_is_given_out_as_it_came_and_once(backend: &dyn Backend) {
    let store = backend.open(NOW);
    let mut original = deposit(paid("a"));
    original.message.form = Form::Original {
        method: "POST".into(),
        headers: vec![("x-signature".into(), vec![0xff, 0]), ("x-signature".into(), vec![])],
    };
    let want = original.message.clone();
    store.admit(vec![original, deposit(paid("b"))], Intake::Queue, NOW).await.unwrap();
    let parcels = claim(&*store, NOW).await.parcels;
    assert_eq!(parcels.iter().map(|parcel| name(&parcel.id)).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(parcels[0].message, want);
    assert_eq!(parcels[1].message, deposit(paid("b")).message);
    assert_eq!((parcels[0].attempts, parcels[0].received_at), (0, NOW));
    assert!(claimed(&*store, NOW).await.is_empty(), "leased");
    for parcel in parcels {
        assert!(settle(&*store, parcel.ticket, Settlement::Delivered).await);
        assert!(!settle(&*store, parcel.ticket, Settlement::Delivered).await, "settled once");
    }
    assert!(claimed(&*store, NOW + 1000).await.is_empty());
    assert_eq!(entry(&*store, "a").await.state, State::Delivered);
}

async fn an_upstream_gets_what_is_its_own(backend: &dyn Backend) {
    let store = backend.open(NOW);
    let mut other = deposit(paid("b"));
    other.upstream = "other".into();
    store.admit(vec![deposit(paid("a")), other], Intake::Queue, NOW).await.unwrap();
    let claimed = store.claim("other", 10, NOW, NOW + LEASE).await.unwrap();
    assert_eq!(claimed.parcels.iter().map(|parcel| name(&parcel.id)).collect::<Vec<_>>(), ["b"]);
    assert!(store.claim("nobody", 10, NOW, NOW + LEASE).await.unwrap().parcels.is_empty());
    assert_eq!(drain(&*store, NOW).await, ["a"]);
}

async fn of_one_id_one_is_delivered(backend: &dyn Backend) {
    let store = backend.open(NOW);
    let again = |of| Admission::Duplicate { by: Duplicate::Delivery, of };
    let ticket = send(&*store, paid("a"), spill(NOW)).await;
    assert_eq!(admit(&*store, paid("a"), spill(NOW)).await, Admission::InFlight);
    assert_eq!(admit(&*store, paid("a"), direct(NOW)).await, Admission::InFlight);
    assert_eq!(admit(&*store, paid("a"), Intake::Queue).await, Admission::InFlight);
    settle(&*store, ticket, Settlement::Delivered).await;
    for intake in [spill(NOW), direct(NOW), Intake::Queue] {
        assert_eq!(admit(&*store, paid("a"), intake).await, again(State::Delivered), "{intake:?}");
    }
    queue(&*store, paid("b")).await;
    assert_eq!(admit(&*store, paid("b"), spill(NOW)).await, again(State::Waiting), "it waits");
    let twice = vec![deposit(paid("c")), deposit(paid("c"))];
    let admitted = store.admit(twice, Intake::Queue, NOW).await.unwrap();
    assert_eq!(admitted, [Admission::Queued(NONE), again(State::Waiting)], "in one callback");
    let twice = vec![deposit(paid("d")), deposit(paid("d"))];
    let admitted = store.admit(twice, spill(NOW), NOW).await.unwrap();
    assert!(matches!(admitted[0], Admission::Send(_)));
    assert_eq!(admitted[1], again(State::Sending), "it shares the fate of the first");
    assert_eq!(drain(&*store, NOW).await, ["b", "c"]);
}

async fn a_credit_comes_once_under_whatever_id(backend: &dyn Backend) {
    let store = backend.open(NOW);
    let other = |id: &str| Event { id: format!("evt_{id}"), ..paid("a") };
    let again = |of| Admission::Duplicate { by: Duplicate::Credit, of };
    let ticket = send(&*store, paid("a"), spill(NOW)).await;
    assert_eq!(admit(&*store, other("a2"), spill(NOW)).await, Admission::InFlight);
    settle(&*store, ticket, wait(NOW)).await;
    assert_eq!(admit(&*store, other("a2"), spill(NOW)).await, again(State::Waiting));
    assert_eq!(drain(&*store, NOW).await, ["a"]);
    assert_eq!(admit(&*store, other("a2"), Intake::Queue).await, again(State::Delivered));
    let more = Event { amount: Some(euros("10.01")), ..other("a3") };
    queue(&*store, more).await;
    let no_money = Event { credit: false, ..other("a4") };
    queue(&*store, no_money).await;
    let nameless = |id| Event { transaction_id: None, ..other(id) };
    queue(&*store, nameless("a5")).await;
    queue(&*store, nameless("a6")).await;
}

async fn the_same_id_with_other_content_is_held_once_for_each_content(backend: &dyn Backend) {
    let store = backend.open(NOW);
    let other = |value| Event { amount: Some(euros(value)), ..paid("a") };
    let marks = Marks { equivocation: true, regressive: false };
    let ticket = send(&*store, paid("a"), spill(NOW)).await;
    assert_eq!(admit(&*store, other("99.00"), direct(NOW)).await, Admission::Held(marks));
    let again = |of| Admission::Duplicate { by: Duplicate::Delivery, of };
    assert_eq!(admit(&*store, other("99.00"), spill(NOW)).await, again(State::Held));
    assert_eq!(admit(&*store, other("98.00"), Intake::Queue).await, Admission::Held(marks));
    settle(&*store, ticket, Settlement::Delivered).await;
    assert_eq!(admit(&*store, other("97.00"), Intake::Queue).await, Admission::Held(marks));
    let first = admit(&*store, paid("a"), Intake::Queue).await;
    assert_eq!(first, again(State::Delivered), "the first is known still");
    assert!(drain(&*store, NOW + 1000).await.is_empty(), "never delivered");
    let held = entry(&*store, "a").await;
    assert_eq!((held.state, held.marks), (State::Held, marks));
    // Not by another id either: what is suspect takes nobody's place.
    let honest = Event { id: "evt_b".into(), ..other("97.00") };
    queue(&*store, honest).await;
    assert_eq!(store.order(vec![held.seq], Order::Retry, NOW).await.unwrap(), 0, "credited twice");
    let held = all(&*store).await.into_iter().find(|entry| entry.amount == Some(euros("99.00")));
    assert_eq!(store.order(vec![held.unwrap().seq], Order::Retry, NOW).await.unwrap(), 1);
    assert_eq!(drain(&*store, NOW).await, ["a", "b"], "an operator let one go");
}

async fn another_description_of_what_is_known_is_a_repetition(backend: &dyn Backend) {
    let store = backend.open(NOW);
    let told = |raw_type: &str, refunded: Option<&str>| Event {
        raw_type: Some(raw_type.into()),
        refunded_amount: refunded.map(euros),
        ..paid("a")
    };
    queue(&*store, told("wait_compensation", None)).await;
    let again = |of| Admission::Duplicate { by: Duplicate::Delivery, of };
    assert_eq!(admit(&*store, told("success", None), Intake::Queue).await, again(State::Waiting));
    assert_eq!(drain(&*store, NOW).await, ["a"]);
    assert_eq!(
        admit(&*store, told("success", Some("4.00")), spill(NOW)).await,
        again(State::Delivered)
    );
    assert_eq!(store.totals().await.unwrap().held, []);
}

async fn a_payment_keeps_its_order(backend: &dyn Backend) {
    let store = backend.open(NOW);
    let of = |name: &str| said(name, "o", "t", Status::Unknown);
    for name in ["a", "b", "c"] {
        queue(&*store, of(name)).await;
    }
    queue(&*store, paid("other")).await;
    assert_eq!(entry(&*store, "b").await.due, None, "it waits for another");
    let first = claim(&*store, NOW).await;
    assert_eq!(first.parcels.iter().map(|p| name(&p.id)).collect::<Vec<_>>(), ["a", "other"]);
    assert_eq!(admit(&*store, of("d"), spill(NOW)).await, Admission::Queued(NONE));
    assert_eq!(admit(&*store, of("e"), direct(NOW)).await, Admission::InFlight);
    settle(&*store, first.parcels[0].ticket, wait(NOW + 50)).await;
    let none = claim(&*store, NOW).await;
    assert!(none.parcels.is_empty(), "what waits for it goes on waiting: {none:?}");
    let again = claim(&*store, NOW + 50).await;
    assert_eq!((again.parcels.len(), again.parcels[0].attempts), (1, 1));
    settle(&*store, again.parcels[0].ticket, Settlement::Dead { why: "horizon" }).await;
    assert_eq!(drain(&*store, NOW + 50).await, ["b", "c", "d"]);
    let ticket = send(&*store, of("e"), direct(NOW)).await;
    assert_eq!(ticket.marks, NONE);
}

async fn an_entry_stands_in_the_lanes_of_its_order_and_of_its_transaction(backend: &dyn Backend) {
    let store = backend.open(NOW);
    queue(&*store, said("a", "o1", "", Status::Unknown)).await;
    queue(&*store, said("b", "", "t1", Status::Unknown)).await;
    queue(&*store, said("both", "o1", "t1", Status::Unknown)).await;
    queue(&*store, said("c", "o1", "", Status::Unknown)).await;
    let claimed_now = claim(&*store, NOW).await.parcels;
    assert_eq!(claimed_now.len(), 2);
    settle(&*store, claimed_now[0].ticket, Settlement::Delivered).await;
    assert!(claimed(&*store, NOW).await.is_empty(), "`both` is first in one of two lanes");
    settle(&*store, claimed_now[1].ticket, Settlement::Delivered).await;
    assert_eq!(drain(&*store, NOW).await, ["both", "c"]);
}

async fn what_came_together_is_sent_together_and_then_waits_in_order(backend: &dyn Backend) {
    let store = backend.open(NOW);
    let of = |name: &str| deposit(said(name, "o", "", Status::Unknown));
    let three = vec![of("a"), of("b"), of("c")];
    let tickets: Vec<Ticket> = store
        .admit(three, spill(NOW), NOW)
        .await
        .unwrap()
        .into_iter()
        .map(|admission| match admission {
            Admission::Send(ticket) => ticket,
            other => panic!("{other:?}"),
        })
        .collect();
    settle(&*store, tickets[1], wait(NOW)).await;
    assert!(claimed(&*store, NOW).await.is_empty(), "`a` is under way before it");
    settle(&*store, tickets[2], wait(NOW)).await;
    settle(&*store, tickets[0], wait(NOW)).await;
    assert_eq!(drain(&*store, NOW).await, ["a", "b", "c"]);
    // Together with one that must wait.
    queue(&*store, said("d", "p", "", Status::Unknown)).await;
    let (e, f) = (said("e", "p", "q", Status::Unknown), said("f", "", "q", Status::Unknown));
    let admitted = store.admit(vec![deposit(e), deposit(f)], spill(NOW), NOW).await.unwrap();
    assert_eq!(admitted, [Admission::Queued(NONE), Admission::Queued(NONE)]);
    assert_eq!(drain(&*store, NOW).await, ["d", "e", "f"]);
}

async fn what_a_payment_has_left_behind_is_marked_and_by_policy_held(backend: &dyn Backend) {
    let store = backend.open(NOW);
    let marks = Marks { equivocation: false, regressive: true };
    queue(&*store, said("paid", "o", "t", Status::Succeeded)).await;
    assert_eq!(drain(&*store, NOW).await, ["paid"]);
    let late = said("late", "o", "t", Status::Pending);
    assert_eq!(admit(&*store, late, Intake::Queue).await, Admission::Queued(marks));
    let parcels = claim(&*store, NOW).await.parcels;
    assert_eq!(parcels[0].ticket.marks, marks);
    settle(&*store, parcels[0].ticket, Settlement::Delivered).await;
    let later = said("later", "o", "t", Status::Failed);
    let mut policy = deposit(later);
    policy.hold_regressive = true;
    let held = store.admit(vec![policy], direct(NOW), NOW).await.unwrap();
    assert_eq!(held, [Admission::Held(marks)]);
    assert_eq!(entry(&*store, "later").await.why.as_deref(), Some("regressive"));
    // What was dropped and what was forgotten has not been.
    queue(&*store, said("x", "o2", "t2", Status::Succeeded)).await;
    let seq = entry(&*store, "x").await.seq;
    let drop = Order::Drop { why: "a test".into() };
    assert_eq!(store.order(vec![seq], drop, NOW).await.unwrap(), 1);
    let ticket = send(&*store, said("y", "o2", "t2", Status::Succeeded), direct(NOW)).await;
    settle(&*store, ticket, Settlement::Forget).await;
    assert_eq!(
        admit(&*store, said("z", "o2", "t2", Status::Pending), Intake::Queue).await,
        Admission::Queued(NONE)
    );
}

async fn a_lease_ends_and_its_ticket_with_it(backend: &dyn Backend) {
    let store = backend.open(NOW);
    queue(&*store, paid("a")).await;
    let first = claim(&*store, NOW).await.parcels;
    assert!(claimed(&*store, NOW + LEASE - 1).await.is_empty());
    let second = claim(&*store, NOW + LEASE).await.parcels;
    assert_eq!(second.len(), 1, "due again");
    assert!(!settle(&*store, first[0].ticket, Settlement::Delivered).await, "void");
    assert!(!settle(&*store, first[0].ticket, wait(NOW)).await, "void");
    assert_eq!(entry(&*store, "a").await.state, State::Waiting);
    assert!(settle(&*store, second[0].ticket, Settlement::Delivered).await);
}

async fn a_request_that_dies_leaves_what_may_wait_and_nothing_else(backend: &dyn Backend) {
    let store = backend.open(NOW);
    send(&*store, paid("a"), spill(NOW)).await;
    let gone = send(&*store, paid("b"), direct(NOW)).await;
    assert_eq!(claimed(&*store, NOW + LEASE).await, ["a"]);
    assert!(!settle(&*store, gone, Settlement::Delivered).await);
    let later = NOW + LEASE;
    let again = admit_at(&*store, paid("b"), direct(later), later).await;
    assert!(matches!(again, Admission::Send(_)), "as if it had never come: {again:?}");
    let later = later + LEASE;
    let again = admit_at(&*store, paid("b"), direct(later), later).await;
    assert!(matches!(again, Admission::Send(_)), "noticed without a claim: {again:?}");
}

async fn two_who_claim_get_different_entries(backend: &dyn Backend) {
    let store = backend.open(NOW);
    for n in 0..50 {
        queue(&*store, paid(&format!("{n:02}"))).await;
    }
    let claims = (0..10).map(|_| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.claim(SHOP, 7, NOW, NOW + LEASE).await.unwrap() })
    });
    let mut seen = Vec::new();
    for claim in claims.collect::<Vec<_>>() {
        let parcels = claim.await.unwrap().parcels;
        assert!(parcels.is_sorted_by_key(|parcel| parcel.ticket.seq));
        seen.extend(parcels.into_iter().map(|parcel| parcel.id));
    }
    assert_eq!(seen.len(), 50);
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 50);
}

async fn a_claim_says_when_there_is_more(backend: &dyn Backend) {
    let store = backend.open(NOW);
    assert_eq!(claim(&*store, NOW).await.next_due, None);
    queue(&*store, paid("a")).await;
    queue(&*store, paid("b")).await;
    let one = store.claim(SHOP, 1, NOW, NOW + LEASE).await.unwrap();
    assert_eq!(one.next_due, Some(NOW), "there is more already");
    let two = store.claim(SHOP, 1, NOW, NOW + LEASE).await.unwrap();
    settle(&*store, one.parcels[0].ticket, wait(NOW + 30)).await;
    settle(&*store, two.parcels[0].ticket, wait(NOW + 20)).await;
    let none = claim(&*store, NOW).await;
    assert_eq!((none.parcels.len(), none.next_due), (0, Some(NOW + 20)));
    assert_eq!(claimed(&*store, NOW + 20).await, ["b"]);
}

async fn a_wait_counts_if_it_says_so(backend: &dyn Backend) {
    let store = backend.open(NOW);
    queue(&*store, paid("a")).await;
    for (counts, want) in [(true, 1), (false, 1), (true, 2)] {
        let parcels = claim(&*store, NOW).await.parcels;
        let wait = Settlement::Wait { due: NOW, why: "refused", counts };
        assert!(settle(&*store, parcels[0].ticket, wait).await);
        let entry = entry(&*store, "a").await;
        assert_eq!((entry.attempts, entry.why.as_deref()), (want, Some("refused")));
    }
}

async fn what_was_promised_is_not_forgotten(backend: &dyn Backend) {
    let store = backend.open(NOW);
    queue(&*store, paid("a")).await;
    let parcels = claim(&*store, NOW).await.parcels;
    assert!(!settle(&*store, parcels[0].ticket, Settlement::Forget).await);
    assert_eq!(claimed(&*store, NOW + LEASE).await, ["a"]);
    let ticket = send(&*store, paid("b"), spill(NOW)).await;
    assert!(settle(&*store, ticket, Settlement::Forget).await);
    send(&*store, paid("b"), spill(NOW)).await;
}

async fn a_dead_letter_waits_for_its_gateway_or_an_operator(backend: &dyn Backend) {
    let store = backend.open(NOW);
    let of = |name: &str| said(name, "o", "t", Status::Unknown);
    for name in ["a", "b", "c"] {
        queue(&*store, of(name)).await;
    }
    let die = async |name: &str| {
        let parcels = claim(&*store, NOW).await.parcels;
        let parcel = parcels.into_iter().find(|parcel| parcel.id == format!("evt_{name}")).unwrap();
        settle(&*store, parcel.ticket, Settlement::Dead { why: "horizon" }).await;
    };
    die("a").await;
    let dead = entry(&*store, "a").await;
    assert_eq!((dead.state, dead.why.as_deref(), dead.due), (State::Dead, Some("horizon"), None));
    // While a later one is under way the earlier waits, and goes first after that.
    let b = claim(&*store, NOW).await.parcels;
    assert_eq!(admit(&*store, of("a"), direct(NOW)).await, Admission::Queued(NONE));
    assert!(claimed(&*store, NOW).await.is_empty());
    settle(&*store, b[0].ticket, wait(NOW)).await;
    assert_eq!(drain(&*store, NOW).await, ["a", "b", "c"]);
    queue(&*store, of("d")).await;
    queue(&*store, of("e")).await;
    die("d").await;
    let d = entry(&*store, "d").await.seq;
    assert_eq!(store.order(vec![d], Order::Retry, NOW).await.unwrap(), 1);
    let revived = entry(&*store, "d").await;
    assert_eq!((revived.state, revived.attempts, revived.why), (State::Waiting, 0, None));
    assert_eq!(drain(&*store, NOW).await, ["d", "e"], "an earlier one goes first again");
}

async fn an_operator_hastens_and_drops(backend: &dyn Backend) {
    let store = backend.open(NOW);
    let of = |name: &str| said(name, "o", "t", Status::Unknown);
    queue(&*store, of("a")).await;
    queue(&*store, of("b")).await;
    let (a, b) = (entry(&*store, "a").await.seq, entry(&*store, "b").await.seq);
    let drop = || Order::Drop { why: "paid in cash".into() };
    let parcels = claim(&*store, NOW).await.parcels;
    for order in [Order::Retry, drop()] {
        assert_eq!(store.order(vec![a], order, NOW).await.unwrap(), 0, "leased");
    }
    settle(&*store, parcels[0].ticket, wait(NOW + 1000)).await;
    assert_eq!(store.order(vec![b], Order::Retry, NOW).await.unwrap(), 0, "it waits for another");
    assert_eq!(store.order(vec![a, b, 99], Order::Retry, NOW).await.unwrap(), 1);
    assert_eq!(claim(&*store, NOW).await.parcels[0].attempts, 1);
    let later = NOW + LEASE;
    claim(&*store, later).await;
    let much_later = later + LEASE;
    assert_eq!(store.order(vec![a], drop(), much_later).await.unwrap(), 1);
    let dropped = entry(&*store, "a").await;
    assert_eq!((dropped.state, dropped.why.as_deref()), (State::Dropped, Some("paid in cash")));
    assert_eq!(drain(&*store, much_later).await, ["b"], "nothing stands before it");
    assert_eq!(store.order(vec![a, b], drop(), NOW).await.unwrap(), 0);
    assert_eq!(store.order(vec![a, b], Order::Retry, NOW).await.unwrap(), 0);
    let again = Admission::Duplicate { by: Duplicate::Delivery, of: State::Dropped };
    assert_eq!(admit(&*store, of("a"), Intake::Queue).await, again, "stays dropped");
}

async fn entries_are_found_by_what_they_are(backend: &dyn Backend) {
    let store = backend.open(NOW);
    for n in 0..20 {
        let mut one = deposit(Event {
            gateway: if n % 2 == 0 { "even".into() } else { "odd".into() },
            status: if n < 10 { Status::Succeeded } else { Status::Pending },
            credit: n < 10,
            ..paid(&format!("{n:02}"))
        });
        one.route = format!("r{}", n % 3).into();
        one.received_at = NOW + n;
        store.admit(vec![one], Intake::Queue, NOW).await.unwrap();
    }
    let seq = entry(&*store, "03").await.seq;
    store.order(vec![seq], Order::Drop { why: "x".into() }, NOW).await.unwrap();
    let find = async |filter: Filter| {
        let found = store.entries(&filter, Page::Before(None), 100).await.unwrap();
        found.iter().map(|entry| name(&entry.id)).collect::<Vec<_>>()
    };
    let none = Filter::default;
    assert_eq!(find(none()).await.len(), 20);
    assert_eq!(find(Filter { state: Some(State::Dropped), ..none() }).await, ["03"]);
    assert_eq!(find(Filter { why: Some("x".into()), ..none() }).await, ["03"]);
    assert_eq!(find(Filter { state: Some(State::Waiting), ..none() }).await.len(), 19);
    assert_eq!(find(Filter { status: Some(Status::Pending), ..none() }).await.len(), 10);
    assert_eq!(find(Filter { payment: Some("order-07".into()), ..none() }).await, ["07"]);
    assert_eq!(find(Filter { payment: Some("transaction-07".into()), ..none() }).await, ["07"]);
    let both = Filter { gateway: Some("even".into()), route: Some("r0".into()), ..none() };
    assert_eq!(find(both).await, ["18", "12", "06", "00"]);
    let time = Filter { since: Some(NOW + 3), until: Some(NOW + 5), ..none() };
    assert_eq!(find(time).await, ["04", "03"]);
    assert!(find(Filter { gateway: Some("nobody".into()), ..none() }).await.is_empty());
    let page = async |page, max| {
        let found = store.entries(&none(), page, max).await.unwrap();
        found.iter().map(|entry| name(&entry.id)).collect::<Vec<_>>()
    };
    assert_eq!(page(Page::Before(None), 2).await, ["19", "18"]);
    let seq = entry(&*store, "18").await.seq;
    assert_eq!(page(Page::Before(Some(seq)), 2).await, ["17", "16"]);
    assert_eq!(page(Page::After(seq), 9).await, ["19"]);
    assert_eq!(page(Page::After(0), 2).await, ["00", "01"]);
    let (one, message) = store.entry(seq).await.unwrap().unwrap();
    assert_eq!(one, entry(&*store, "18").await);
    assert_eq!(message.unwrap().to, "/billing/?a=b");
    assert!(store.entry(9999).await.unwrap().is_none());
}

async fn what_is_long_over_is_forgotten_and_nothing_else(backend: &dyn Backend) {
    let store = backend.open(NOW);
    for name in ["delivered", "dropped", "dead", "late"] {
        queue(&*store, paid(name)).await;
    }
    let parcels = claim(&*store, NOW).await.parcels;
    settle(&*store, parcels[0].ticket, Settlement::Delivered).await;
    settle(&*store, parcels[1].ticket, wait(NOW)).await;
    settle(&*store, parcels[2].ticket, Settlement::Dead { why: "x" }).await;
    store.settle(parcels[3].ticket, Settlement::Delivered, NOW + 100).await.unwrap();
    let dropped = entry(&*store, "dropped").await.seq;
    store.order(vec![dropped], Order::Drop { why: "x".into() }, NOW).await.unwrap();
    queue(&*store, paid("waiting")).await;
    queue(&*store, said("held", "o", "t", Status::Unknown)).await;
    let held = Event { order_id: None, ..said("held", "o", "t", Status::Unknown) };
    admit(&*store, held, Intake::Queue).await;
    assert_eq!(store.prune(NOW).await.unwrap(), 0);
    assert_eq!(store.prune(NOW + 50).await.unwrap(), 2);
    assert_eq!(store.prune(NOW + 50).await.unwrap(), 0);
    let left: Vec<_> = all(&*store).await.iter().map(|entry| name(&entry.id)).collect();
    assert_eq!(left, ["dead", "late", "waiting", "held", "held"]);
    queue(&*store, paid("delivered")).await;
    let again = Admission::Duplicate { by: Duplicate::Delivery, of: State::Delivered };
    assert_eq!(admit(&*store, paid("late"), Intake::Queue).await, again);
    assert_eq!(store.prune(NOW + 1_000_000).await.unwrap(), 1);
}

async fn money_is_counted_exactly(backend: &dyn Backend) {
    let store = backend.open(NOW);
    for (n, (value, currency)) in [
        ("0.1", "EUR"),
        ("0.2", "EUR"),
        ("100", "JPY"),
        ("250", "JPY"),
        ("0.00000001", "BTC"),
        ("20999999.99999999", "BTC"),
        ("0.000000000000000001", "ETH"),
    ]
    .into_iter()
    .enumerate()
    {
        let event = Event { amount: Some(money(value, currency)), ..paid(&n.to_string()) };
        let mut one = deposit(event);
        one.received_at = NOW - 7 + i64::try_from(n).unwrap();
        store.admit(vec![one], Intake::Queue, NOW).await.unwrap();
    }
    queue(&*store, said("no-money", "o", "t", Status::Pending)).await;
    send(&*store, paid("sending"), spill(NOW)).await;
    let held = |state, value: &str, currency: &str| (state, money(value, currency));
    let totals = store.totals().await.unwrap();
    let waiting = State::Waiting;
    let mut want = vec![
        held(waiting, "0.3", "EUR"),
        held(waiting, "350", "JPY"),
        held(waiting, "21000000.00000000", "BTC"),
        held(waiting, "0.000000000000000001", "ETH"),
    ];
    sort(&mut want);
    assert_eq!(sorted(&totals.held), want);
    let shop = SHOP.to_owned();
    assert_eq!(
        totals.entries,
        [(shop.clone(), State::Sending, 1), (shop.clone(), State::Waiting, 8)]
    );
    assert_eq!(totals.oldest, [(shop.clone(), NOW - 7)]);
    assert!(totals.bytes > 0);
    drop(store);
    let store = backend.open(NOW);
    let totals = store.totals().await.unwrap();
    want.retain(|(_, amount)| amount.currency != "EUR");
    want.push(held(waiting, "10.30", "EUR"));
    sort(&mut want);
    assert_eq!(sorted(&totals.held), want, "counted anew, what was being sent with it");
    let seqs: Vec<i64> = all(&*store).await.iter().map(|entry| entry.seq).collect();
    store.order(seqs, Order::Drop { why: "x".into() }, NOW).await.unwrap();
    let totals = store.totals().await.unwrap();
    assert_eq!((totals.entries, totals.oldest, totals.held), (vec![], vec![], vec![]));
}

fn sort(held: &mut [(State, Amount)]) {
    held.sort_by(|(_, a), (_, b)| (&a.currency, &a.value).cmp(&(&b.currency, &b.value)));
}

fn sorted(held: &[(State, Amount)]) -> Vec<(State, Amount)> {
    let mut held = held.to_vec();
    sort(&mut held);
    held
}

async fn what_operators_did_is_written_down(backend: &dyn Backend) {
    let store = backend.open(NOW);
    let act = |n: u64| Act {
        at: NOW,
        by: "local".into(),
        verb: "events.retry".into(),
        what: format!("entry {n}"),
        changed: n,
    };
    for n in 0..3 {
        store.record(act(n)).await.unwrap();
    }
    assert_eq!(store.acts(2).await.unwrap(), [act(2), act(1)]);
    drop(store);
    assert_eq!(backend.open(NOW).acts(10).await.unwrap(), [act(2), act(1), act(0)]);
}

async fn nothing_that_was_promised_is_lost_when_it_is_opened_again(backend: &dyn Backend) {
    let store = backend.open(NOW);
    queue(&*store, paid("waits")).await;
    queue(&*store, said("behind", "order-waits", "", Status::Pending)).await;
    queue(&*store, paid("leased")).await;
    queue(&*store, paid("later")).await;
    send(&*store, paid("spilled"), spill(NOW)).await;
    send(&*store, paid("forgotten"), direct(NOW)).await;
    let ticket = send(&*store, paid("failed"), direct(NOW)).await;
    settle(&*store, ticket, wait(NOW + 10)).await;
    let parcels = claim(&*store, NOW).await.parcels;
    let later = parcels.iter().find(|parcel| parcel.id == "evt_later").unwrap();
    settle(&*store, later.ticket, wait(NOW + 20)).await;
    drop(store);
    let store = backend.open(NOW + 1);
    assert!(!settle(&*store, parcels[0].ticket, Settlement::Delivered).await, "void");
    let again = Admission::Duplicate { by: Duplicate::Delivery, of: State::Waiting };
    assert_eq!(admit(&*store, paid("waits"), Intake::Queue).await, again);
    let first = drain(&*store, NOW + 1).await;
    assert_eq!(first, ["waits", "leased", "spilled", "behind"]);
    assert_eq!(drain(&*store, NOW + 10).await, ["failed"]);
    assert_eq!(drain(&*store, NOW + 20).await, ["later"]);
    send(&*store, paid("forgotten"), direct(NOW)).await;
    drop(store);
    let store = backend.open(NOW + 30);
    assert!(drain(&*store, NOW + 1000).await.is_empty(), "delivered once");
}

async fn a_clock_that_was_set_back_keeps_nothing_for_long(backend: &dyn Backend) {
    let store = backend.open(NOW);
    queue(&*store, paid("a")).await;
    let parcels = claim(&*store, NOW).await.parcels;
    settle(&*store, parcels[0].ticket, wait(NOW + 10)).await;
    drop(store);
    let past = NOW - 1_000_000;
    let store = backend.open(past);
    assert!(claimed(&*store, past).await.is_empty());
    assert_eq!(claimed(&*store, past + 3600).await, ["a"]);
}

macro_rules! contract {
    ($backend:ident: $make:expr => $($promise:ident)*) => {
        mod $backend {
            $(#[tokio::test]
            async fn $promise() {
                super::$promise(&$make).await;
            })*
        }
    };
}

contract! { sqlite: super::Files::new() =>
    a_claim_says_when_there_is_more
    a_clock_that_was_set_back_keeps_nothing_for_long
    a_credit_comes_once_under_whatever_id
    a_dead_letter_waits_for_its_gateway_or_an_operator
    a_lease_ends_and_its_ticket_with_it
    a_payment_keeps_its_order
    a_request_that_dies_leaves_what_may_wait_and_nothing_else
    a_wait_counts_if_it_says_so
    an_entry_stands_in_the_lanes_of_its_order_and_of_its_transaction
    an_operator_hastens_and_drops
    an_upstream_gets_what_is_its_own
    another_description_of_what_is_known_is_a_repetition
    entries_are_found_by_what_they_are
    money_is_counted_exactly
    nothing_that_was_promised_is_lost_when_it_is_opened_again
    of_one_id_one_is_delivered
    the_same_id_with_other_content_is_held_once_for_each_content
    two_who_claim_get_different_entries
    what_a_payment_has_left_behind_is_marked_and_by_policy_held
    what_came_together_is_sent_together_and_then_waits_in_order
    what_is_long_over_is_forgotten_and_nothing_else
    what_is_queued_is_given_out_as_it_came_and_once
    what_operators_did_is_written_down
    what_was_promised_is_not_forgotten
}
