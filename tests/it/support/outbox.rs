//! Deposits, and stores to put them into.

use std::sync::Arc;

use bytes::Bytes;
use countersign::engine::event::{Amount, Event, Status};
use countersign::engine::inbound::UnixSeconds;
use countersign::metrics::Metrics;
use countersign::store::keys::Keys;
use countersign::store::seal::Seal;
use countersign::store::sqlite::{Settings, Sqlite};
use countersign::store::{
    Admission, Claimed, Deposit, Entry, Filter, Form, Intake, Message, Page, Settled, Settlement,
    Store, StoreError, Ticket,
};

use super::NOW;
use super::shop::Folder;

/// The upstream of every deposit that names no other.
pub(crate) const SHOP: &str = "shop";

/// How long leases last in tests.
pub(crate) const LEASE: UnixSeconds = 60;

/// Where a store is, to be opened as often as one likes.
pub(crate) trait Backend {
    fn open(&self, now: UnixSeconds) -> Arc<dyn Store>;
}

/// An `SQLite` file in a folder of its own.
pub(crate) struct Files {
    pub(crate) folder: Folder,
    pub(crate) waiting_max: u64,
    pub(crate) bytes_max: u64,
    pub(crate) seal: Arc<Seal>,
    pub(crate) metrics: Metrics,
}

impl Files {
    pub(crate) fn new() -> Self {
        Self {
            folder: Folder::new(),
            waiting_max: 1_000_000,
            bytes_max: 1 << 40,
            seal: Arc::default(),
            metrics: Metrics::new().unwrap(),
        }
    }

    pub(crate) fn sqlite(&self, now: UnixSeconds) -> Result<Sqlite, StoreError> {
        let settings = Settings {
            path: self.folder.at("outbox.db"),
            waiting_max: self.waiting_max,
            bytes_max: self.bytes_max,
            seal: Arc::clone(&self.seal),
        };
        Sqlite::open(settings, now, self.metrics.store())
    }
}

impl Backend for Files {
    fn open(&self, now: UnixSeconds) -> Arc<dyn Store> {
        Arc::new(self.sqlite(now).unwrap())
    }
}

/// A paid order of its own.
pub(crate) fn paid(name: &str) -> Event {
    Event {
        id: format!("evt_{name}"),
        gateway: "acme".into(),
        account: Some("a1".into()),
        event_id: None,
        raw_type: None,
        status: Status::Succeeded,
        credit: true,
        test: None,
        order_id: Some(format!("order-{name}")),
        transaction_id: Some(format!("transaction-{name}")),
        amount: Some(Amount { value: "10.00".into(), currency: "EUR".into() }),
        refunded_amount: None,
        settlement_amount: None,
        fee: None,
        occurred_at: None,
        proofs: vec![],
        rule: "sha256:0".into(),
        unsigned: vec![],
        raw: "{}".into(),
    }
}

pub(crate) fn euros(value: &str) -> Amount {
    Amount { value: value.into(), currency: "EUR".into() }
}

/// An event of this payment that is no money.
pub(crate) fn said(name: &str, order: &str, transaction: &str, status: Status) -> Event {
    let id = |id: &str| Some(id.to_owned()).filter(|id| !id.is_empty());
    Event {
        status,
        credit: false,
        order_id: id(order),
        transaction_id: id(transaction),
        ..paid(name)
    }
}

pub(crate) fn deposit(event: Event) -> Deposit {
    let keys = Keys::of(&event);
    Deposit {
        id: event.id.clone(),
        keys,
        events: 1,
        route: "route".into(),
        upstream: SHOP.into(),
        received_at: NOW,
        hold_regressive: false,
        message: Message {
            to: "/billing/?a=b".into(),
            form: Form::Canonical,
            body: Bytes::from(event.to_canonical_json(NOW)),
        },
        event: Arc::new(event),
    }
}

/// Sent at once, and queued if that fails.
pub(crate) fn spill(now: UnixSeconds) -> Intake {
    Intake::Send { or_queue: true, lease_until: now + LEASE }
}

/// Sent at once or not at all.
pub(crate) fn direct(now: UnixSeconds) -> Intake {
    Intake::Send { or_queue: false, lease_until: now + LEASE }
}

pub(crate) async fn admit(store: &dyn Store, event: Event, intake: Intake) -> Admission {
    admit_at(store, event, intake, NOW).await
}

pub(crate) async fn admit_at(
    store: &dyn Store,
    event: Event,
    intake: Intake,
    now: UnixSeconds,
) -> Admission {
    let mut all = store.admit(vec![deposit(event)], intake, now).await.unwrap();
    assert_eq!(all.len(), 1);
    all.remove(0)
}

pub(crate) async fn queue(store: &dyn Store, event: Event) {
    let admission = admit(store, event, Intake::Queue).await;
    assert!(matches!(admission, Admission::Queued(_)), "{admission:?}");
}

pub(crate) async fn send(store: &dyn Store, event: Event, intake: Intake) -> Ticket {
    match admit(store, event, intake).await {
        Admission::Send(ticket) => ticket,
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn claim(store: &dyn Store, now: UnixSeconds) -> Claimed {
    store.claim(SHOP, 100, now, now + LEASE).await.unwrap()
}

/// Names of what is given out now.
pub(crate) async fn claimed(store: &dyn Store, now: UnixSeconds) -> Vec<String> {
    let claimed = claim(store, now).await;
    claimed.parcels.iter().map(|parcel| name(&parcel.id)).collect()
}

pub(crate) async fn settle(store: &dyn Store, ticket: Ticket, settlement: Settlement) -> bool {
    store.settle(ticket, settlement, NOW).await.unwrap() != Settled::Void
}

pub(crate) fn wait(due: UnixSeconds) -> Settlement {
    Settlement::Wait { due, why: "timeout", counts: true }
}

pub(crate) fn name(id: &str) -> String {
    id.strip_prefix("evt_").unwrap_or(id).to_owned()
}

/// Delivers whatever is due until nothing is; names in the order of delivery.
pub(crate) async fn drain(store: &dyn Store, now: UnixSeconds) -> Vec<String> {
    let mut delivered = Vec::new();
    loop {
        let parcels = claim(store, now).await.parcels;
        if parcels.is_empty() {
            return delivered;
        }
        for parcel in parcels {
            let settled = store.settle(parcel.ticket, Settlement::Delivered, now).await;
            assert_ne!(settled, Ok(Settled::Void));
            delivered.push(name(&parcel.id));
        }
    }
}

/// Every entry, the oldest first.
pub(crate) async fn all(store: &dyn Store) -> Vec<Entry> {
    store.entries(&Filter::default(), Page::After(0), 1000).await.unwrap()
}

/// The entry of that name; the latest, if there are several.
pub(crate) async fn entry(store: &dyn Store, name: &str) -> Entry {
    let id = format!("evt_{name}");
    let found = all(store).await.into_iter().rfind(|entry| entry.id == id);
    found.unwrap_or_else(|| panic!("no entry {name}"))
}
