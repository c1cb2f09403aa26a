//! An upstream that is away for long: nothing is lost, everything arrives in order, and what is too
//! old is given up aloud.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use countersign::config::Target;
use countersign::engine::event::{Event, Status};
use countersign::store::{
    Act as Deed, Admission, Answer, Claimed, Deposit, Entry, Filter, Intake, Message, Order, Page,
    Settled, Settlement, State, Store, StoreError, Ticket, Totals,
};
use sha2::{Digest as _, Sha256};
use tokio::sync::Notify;

use crate::support::gateways::hex;
use crate::support::outbox::paid;
use crate::support::post::Post;
use crate::support::*;

const HOUR: i64 = 3600;
const WEEK: i64 = 7 * 24 * HOUR;

fn event(n: usize, payment: usize, status: Status) -> Event {
    Event {
        // As the engine makes them: spread evenly.
        id: format!("evt_{}", &hex(Sha256::digest(n.to_be_bytes()))[..40]),
        status,
        credit: status == Status::Succeeded,
        order_id: Some(format!("order-{payment}")),
        transaction_id: Some(format!("t-{payment}")),
        ..paid("")
    }
}

#[tokio::test]
async fn a_week_without_the_upstream_loses_nothing_and_then_all_of_it_arrives_in_order() {
    let address = free_address();
    let post =
        Post::new(Target::Http(format!("http://{address}")), Duration::from_secs(14 * 24 * 3600));
    let outlet = post.outlet();
    let (mut kept, mut attempts) = (0, 0);
    for hour in 0..WEEK / HOUR {
        let end = NOW + (hour + 1) * HOUR;
        let payment = kept / 3;
        for status in [Status::Pending, Status::Authorized, Status::Succeeded] {
            post.keep(vec![event(kept, payment, status)]).await;
            kept += 1;
        }
        loop {
            let next = post.drain(&outlet).await;
            attempts += 1;
            // Of the many looks an hour has, some will do.
            let now = post.clock.load(Ordering::Relaxed).max(next) + 60;
            post.clock.store(now.min(end), Ordering::Relaxed);
            if now >= end {
                break;
            }
        }
    }
    assert!(attempts > 24 * 7 * 10, "it was tried all the time: {attempts}");
    assert_eq!(post.count(State::Waiting).await, kept);
    assert_eq!(post.count(State::Dead).await, 0);
    let stub = Stub::at(address, &[OK]).await;
    post.clock.fetch_add(60, Ordering::Relaxed);
    post.drain(&outlet).await;
    let got = stub.got();
    assert_eq!(got.len(), kept, "each once");
    for payment in 0..kept / 3 {
        let mine = |got: &&Got| got.body.contains(&format!("\"t-{payment}\""));
        let statuses: Vec<_> = got
            .iter()
            .filter(mine)
            .map(|got| {
                serde_json::from_str::<serde_json::Value>(&got.body).unwrap()["status"].clone()
            })
            .collect();
        assert_eq!(statuses, ["pending", "authorized", "succeeded"], "payment {payment}");
    }
    assert_eq!(post.count(State::Waiting).await, 0);
}

#[tokio::test]
async fn what_is_older_than_the_horizon_is_a_dead_letter_until_an_operator_decides() {
    let address = free_address();
    let post = Post::new(Target::Http(format!("http://{address}")), Duration::from_secs(24 * 3600));
    let outlet = post.outlet();
    post.keep(vec![event(1, 1, Status::Succeeded)]).await;
    post.keep(vec![event(2, 1, Status::Refunded)]).await;
    for _ in 0..3 {
        post.clock.fetch_add(12 * HOUR, Ordering::Relaxed);
        post.drain(&outlet).await;
    }
    post.clock.fetch_add(60, Ordering::Relaxed);
    post.drain(&outlet).await;
    assert_eq!(post.count(State::Dead).await, 2);
    let filter = Filter { state: Some(State::Dead), ..Filter::default() };
    let dead = post.outbox.store().entries(&filter, Page::After(0), 10).await.unwrap();
    assert_eq!(dead[0].why.as_deref(), Some("upstream_down"));
    // Nothing prunes a dead letter.
    let later = post.clock.load(Ordering::Relaxed) + 1000 * WEEK;
    assert_eq!(post.outbox.store().prune(later).await, Ok(0));
    let stub = Stub::at(address, &[OK]).await;
    let seqs = dead.iter().map(|entry| entry.seq).collect();
    let now = post.clock.load(Ordering::Relaxed);
    assert_eq!(post.outbox.store().order(seqs, Order::Retry, now).await, Ok(2));
    post.clock.fetch_add(60, Ordering::Relaxed);
    post.drain(&outlet).await;
    assert_eq!(stub.got().len(), 2);
    assert!(stub.got()[0].body.contains("succeeded"), "still in order");
}

#[tokio::test]
async fn one_payment_that_is_stuck_does_not_hold_up_the_others() {
    let no = Act::Say("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n");
    let stub = Stub::start(&[no, OK]).await;
    let post = Post::new(stub.target(), Duration::from_secs(14 * 24 * 3600));
    let outlet = post.outlet();
    post.keep(vec![event(0, 0, Status::Pending)]).await;
    post.drain(&outlet).await;
    for n in 1..50 {
        post.keep(vec![event(n, n, Status::Succeeded)]).await;
    }
    post.keep(vec![event(50, 0, Status::Succeeded)]).await;
    post.drain(&outlet).await;
    assert_eq!(stub.got().len(), 50, "all but the stuck one and what waits behind it");
    assert_eq!(post.count(State::Waiting).await, 2);
    post.clock.fetch_add(120, Ordering::Relaxed);
    post.drain(&outlet).await;
    assert_eq!(post.count(State::Waiting).await, 0);
    let last: Vec<_> = stub.got()[50..]
        .iter()
        .map(|got| serde_json::from_str::<serde_json::Value>(&got.body).unwrap()["status"].clone())
        .collect();
    assert_eq!(last, ["pending", "succeeded"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_thousand_waiting_events_are_drained() {
    const EVENTS: usize = 100_000;
    let stub = Stub::start(&[OK]).await;
    let post = Post::new(stub.target(), Duration::from_secs(14 * 24 * 3600));
    for first in (0..EVENTS).step_by(500) {
        let events = (first..first + 500).map(|n| event(n, n / 2, Status::Pending)).collect();
        post.keep(events).await;
    }
    let began = std::time::Instant::now();
    post.drain(&post.outlet()).await;
    eprintln!("{EVENTS} events drained in {:?}", began.elapsed());
    let mut got = stub.take();
    assert_eq!(got.len(), EVENTS);
    assert_eq!(post.count(State::Waiting).await, 0);
    let mut keys: Vec<_> = got.iter_mut().map(|got| std::mem::take(&mut got.body)).collect();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), EVENTS);
}

/// A store that cannot say for a while what came of anything.
struct Forgetful {
    store: Arc<dyn Store>,
    refuses: AtomicUsize,
}

impl Store for Forgetful {
    fn admit(&self, all: Vec<Deposit>, by: Intake, now: i64) -> Answer<'_, Vec<Admission>> {
        self.store.admit(all, by, now)
    }
    fn claim(&self, upstream: &str, max: usize, now: i64, until: i64) -> Answer<'_, Claimed> {
        self.store.claim(upstream, max, now, until)
    }
    fn settle(&self, ticket: Ticket, settlement: Settlement, now: i64) -> Answer<'_, Settled> {
        let left = self
            .refuses
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        match left {
            Ok(_) => Box::pin(async { Err(StoreError::Busy) }),
            Err(_) => self.store.settle(ticket, settlement, now),
        }
    }
    fn entries(&self, filter: &Filter, page: Page, max: usize) -> Answer<'_, Vec<Entry>> {
        self.store.entries(filter, page, max)
    }
    fn entry(&self, seq: i64) -> Answer<'_, Option<(Entry, Option<Message>)>> {
        self.store.entry(seq)
    }
    fn order(&self, seqs: Vec<i64>, order: Order, now: i64) -> Answer<'_, u64> {
        self.store.order(seqs, order, now)
    }
    fn totals(&self) -> Answer<'_, Totals> {
        self.store.totals()
    }
    fn prune(&self, before: i64) -> Answer<'_, u64> {
        self.store.prune(before)
    }
    fn record(&self, act: Deed) -> Answer<'_, ()> {
        self.store.record(act)
    }
    fn acts(&self, max: usize) -> Answer<'_, Vec<Deed>> {
        self.store.acts(max)
    }
    fn health(&self) -> Result<(), StoreError> {
        self.store.health()
    }
}

#[tokio::test]
async fn an_error_of_the_store_cuts_off_nothing_that_is_under_way() {
    let stub = Stub::start(&[Act::SayLate("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")]).await;
    let post = Post::over(stub.target(), Duration::from_secs(24 * 3600), |store| {
        Arc::new(Forgetful { store, refuses: AtomicUsize::new(1) })
    });
    for n in 0..12 {
        post.keep(vec![event(n, n, Status::Succeeded)]).await;
    }
    let outlet = post.outlet();
    let way = || Some(Arc::clone(&outlet));
    let drained = post.outbox.drain(way, &Notify::new()).await;
    assert_eq!(drained, Err(StoreError::Busy));
    assert_eq!((stub.got().len(), post.count(State::Delivered).await), (12, 11));
    post.drain(&outlet).await;
    assert_eq!(stub.got().len(), 12, "none is sent again as long as its lease holds");
}
