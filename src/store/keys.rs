//! By what repetitions and neighbours of an event are known.

use sha2::{Digest as _, Sha256};

use crate::engine::encoding::Encoding;
use crate::engine::event::{Amount, Event, Status};

/// What the store needs to know of an event to tell it from others. No key can be turned back into
/// what it was made of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Keys {
    /// What the event claims, so that the same id with another claim is noticed: of whom, of which
    /// payment, where that stands, whether it may be booked, the amount; and, unless it may be
    /// booked, how much has gone back: that is what a refund claims.
    ///
    /// Everything else describes, and differs between honest repetitions, since a rule may give one
    /// id to several notifications of one thing: what each is called and when it was said, the
    /// gateway's word and its own fields, the fee, what is settled, what has gone back since of
    /// money that came once.
    pub content: [u8; 16],
    /// Of a credit that names its transaction: gateway, account, transaction, status, amount. `None`:
    /// told apart by its id alone. Only credits have one: two partial refunds of one amount are two.
    pub credit: Option<[u8; 16]>,
    /// Gateway, account and order. Two payments that share it by chance only wait for each other.
    pub order: Option<i64>,
    /// Gateway, account and transaction.
    pub transaction: Option<i64>,
}

impl Keys {
    /// The keys of one event.
    pub fn of(event: &Event) -> Self {
        let account = event.account.as_deref();
        let lane = |word: &str, id: Option<&String>| {
            let key = hash([Some(word), Some(&event.gateway), account, Some(id?.as_str())]);
            Some(i64::from_be_bytes(first(key)))
        };
        Self {
            content: content(event),
            credit: credit(event),
            order: lane("order", event.order_id.as_ref()),
            transaction: lane("transaction", event.transaction_id.as_ref()),
        }
    }

    /// By what the standing of a payment is known: its transaction, or the order where no
    /// transaction is named.
    pub fn payment(&self) -> Option<i64> {
        self.transaction.or(self.order)
    }
}

fn credit(event: &Event) -> Option<[u8; 16]> {
    let transaction = event.transaction_id.as_deref().filter(|_| event.credit)?;
    let (value, currency) = money(event.amount.as_ref());
    let (gateway, account) = (Some(&*event.gateway), event.account.as_deref());
    let status = Some(event.status.as_str());
    Some(first(hash([
        Some("credit"),
        gateway,
        account,
        Some(transaction),
        status,
        value,
        currency,
    ])))
}

fn content(event: &Event) -> [u8; 16] {
    claim(event, false)
}

/// The content as it was told, and is kept, by daemons that took whatever describes an event for
/// part of it: a repetition of what they have delivered is one still.
pub(super) fn former_content(event: &Event) -> [u8; 16] {
    claim(event, true)
}

/// What the event claims; if so wanted, with all that describes it.
fn claim(event: &Event, described: bool) -> [u8; 16] {
    // No `..`: a new fact does not compile until somebody has thought about it here.
    let Event {
        id,
        gateway,
        event_id: _,
        raw_type,
        account,
        status,
        credit,
        test,
        order_id,
        transaction_id,
        amount,
        refunded_amount,
        settlement_amount,
        fee,
        occurred_at: _,
        proofs: _,
        rule: _,
        unsigned: _,
        raw: _,
    } = event;
    let word = |flag: bool| if flag { "true" } else { "false" };
    let amount = money(amount.as_ref());
    let refunded = money(refunded_amount.as_ref().filter(|_| described || !credit));
    let [settled, fee] =
        [settlement_amount, fee].map(|amount| money(amount.as_ref().filter(|_| described)));
    first(hash([
        Some(id.as_str()),
        Some(&**gateway),
        raw_type.as_deref().filter(|_| described),
        account.as_deref(),
        Some(status.as_str()),
        Some(word(*credit)),
        test.map(word),
        order_id.as_deref(),
        transaction_id.as_deref(),
        amount.0,
        amount.1,
        refunded.0,
        refunded.1,
        settled.0,
        settled.1,
        fee.0,
        fee.1,
    ]))
}

fn money(amount: Option<&Amount>) -> (Option<&str>, Option<&str>) {
    (amount.map(|amount| amount.value.as_str()), amount.map(|amount| amount.currency.as_str()))
}

/// Each part with its length before it, so that no two lists run together; absent is not empty.
fn hash<'a>(parts: impl IntoIterator<Item = Option<&'a str>>) -> [u8; 32] {
    let mut digest = Sha256::new();
    for part in parts {
        let len = part.map_or(u64::MAX, |part| part.len() as u64);
        digest.update(len.to_be_bytes());
        digest.update(part.unwrap_or_default());
    }
    digest.finalize().into()
}

fn first<const N: usize>(hash: [u8; 32]) -> [u8; N] {
    std::array::from_fn(|i| hash[i])
}

/// The id of several events that go as one message: the same events give the same id.
pub fn joint_id(events: &[Event]) -> String {
    match events {
        [event] => event.id.clone(),
        events => {
            let hash = hash(events.iter().map(|event| Some(event.id.as_str())));
            format!("evt_{}", Encoding::Hex.encode(&first::<20>(hash)))
        }
    }
}

/// Whether an event with this status tells of a state that a payment has left behind, when events
/// with the statuses of `before` have come earlier: the money was there (or has gone back), and now
/// it is said to be awaited, to have failed, or (once more) to be there.
pub fn is_regressive(before: &[Status], status: Status, credit: bool) -> bool {
    let was = |wanted: &[Status]| before.iter().any(|status| wanted.contains(status));
    match status {
        Status::Pending | Status::Authorized | Status::Failed | Status::Cancelled => was(&[
            Status::Succeeded,
            Status::PartiallyRefunded,
            Status::Refunded,
            Status::ChargedBack,
        ]),
        // A dispute that was won brings back the money without a credit.
        Status::Succeeded if credit => was(&[Status::Refunded, Status::ChargedBack]),
        Status::PartiallyRefunded => was(&[Status::Refunded]),
        Status::ChargedBack
        | Status::OnHold
        | Status::Refunded
        | Status::Succeeded
        | Status::Unknown => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> Event {
        Event {
            id: "evt_1".into(),
            gateway: "acme".into(),
            account: Some("shop".into()),
            event_id: Some("n1".into()),
            raw_type: Some("paid".into()),
            status: Status::Succeeded,
            credit: true,
            test: Some(false),
            order_id: Some("o1".into()),
            transaction_id: Some("t1".into()),
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

    #[test]
    fn what_an_honest_repetition_changes_changes_no_key() {
        let again = Event {
            raw: r#"{"pending_webhooks":"1"}"#.into(),
            rule: "sha256:1".into(),
            event_id: Some("n2".into()),
            occurred_at: Some("2026-11-27T00:00:00Z".into()),
            ..event()
        };
        assert_eq!(Keys::of(&event()), Keys::of(&again));
    }

    #[test]
    fn what_only_describes_a_credit_does_not_contradict_it() {
        let some = || Some(Amount { value: "1.00".into(), currency: "EUR".into() });
        for again in [
            // LiqPay: first `wait_compensation`, then `success`.
            Event { raw_type: Some("settled".into()), ..event() },
            // ArCa: of what was paid once, more and more goes back.
            Event { refunded_amount: some(), ..event() },
            Event { settlement_amount: some(), ..event() },
            Event { fee: some(), ..event() },
        ] {
            assert_eq!(Keys::of(&again), Keys::of(&event()), "{again:?}");
        }
    }

    #[test]
    fn how_much_has_gone_back_is_what_a_refund_claims() {
        let refunded = |value: &str| Event {
            status: Status::PartiallyRefunded,
            credit: false,
            refunded_amount: Some(Amount { value: value.into(), currency: "EUR".into() }),
            ..event()
        };
        assert_ne!(Keys::of(&refunded("1.00")), Keys::of(&refunded("2.00")));
    }

    #[test]
    fn the_former_content_has_all_that_describes_an_event() {
        let former = former_content(&event());
        assert_ne!(former, Keys::of(&event()).content);
        assert_ne!(former, former_content(&Event { raw_type: None, ..event() }));
    }

    #[test]
    fn every_fact_that_money_hangs_on_is_content() {
        let base = Keys::of(&event()).content;
        let other = Some(Amount { value: "10.00".into(), currency: "USD".into() });
        for changed in [
            Event { amount: other, ..event() },
            Event { amount: None, ..event() },
            Event { status: Status::Failed, ..event() },
            Event { credit: false, ..event() },
            Event { test: None, ..event() },
            Event { order_id: None, ..event() },
            Event { order_id: Some(String::new()), ..event() },
            Event { transaction_id: Some("t2".into()), ..event() },
            Event { account: Some("shop2".into()), ..event() },
        ] {
            assert_ne!(Keys::of(&changed).content, base, "{changed:?}");
        }
    }

    #[test]
    fn only_a_credit_that_names_its_transaction_has_a_business_key() {
        let key = |event: Event| Keys::of(&event).credit;
        let base = key(event());
        assert!(base.is_some());
        assert_eq!(key(Event { id: "evt_2".into(), ..event() }), base, "another notification");
        assert_eq!(key(Event { order_id: None, ..event() }), base);
        assert_ne!(key(Event { amount: None, ..event() }), base);
        assert_eq!(key(Event { transaction_id: None, ..event() }), None);
        assert_eq!(key(Event { credit: false, ..event() }), None);
    }

    #[test]
    fn an_order_and_a_transaction_of_one_name_are_two_lanes() {
        let keys = Keys::of(&Event { transaction_id: Some("o1".into()), ..event() });
        assert_ne!(keys.order, keys.transaction);
        assert_eq!(keys.payment(), keys.transaction);
        let keys = Keys::of(&Event { transaction_id: None, ..event() });
        assert_eq!(keys.payment(), keys.order);
    }

    #[test]
    fn money_that_was_there_is_not_awaited_again() {
        use Status::{
            Authorized, Cancelled, ChargedBack, Failed, OnHold, PartiallyRefunded, Pending,
            Refunded, Succeeded, Unknown,
        };
        for (before, status, credit, want) in [
            (&[][..], Pending, false, false),
            (&[Pending, Failed], Succeeded, true, false),
            (&[Succeeded], Pending, false, true),
            (&[Succeeded], Authorized, false, true),
            (&[Succeeded], Failed, false, true),
            (&[Pending, Succeeded], Cancelled, false, true),
            (&[Succeeded], Refunded, false, false),
            (&[Succeeded], OnHold, false, false),
            (&[Succeeded], ChargedBack, false, false),
            (&[Succeeded], Succeeded, true, false),
            (&[Refunded], Succeeded, true, true),
            (&[ChargedBack], Succeeded, true, true),
            (&[ChargedBack], Succeeded, false, false),
            (&[Refunded], PartiallyRefunded, false, true),
            (&[PartiallyRefunded], PartiallyRefunded, false, false),
            (&[Succeeded], Unknown, false, false),
        ] {
            assert_eq!(is_regressive(before, status, credit), want, "{before:?} {status:?}");
        }
    }

    #[test]
    fn a_joint_id_is_that_of_a_lone_event() {
        let other = Event { id: "evt_2".into(), ..event() };
        assert_eq!(joint_id(&[event()]), "evt_1");
        let joint = joint_id(&[event(), other.clone()]);
        assert_eq!(joint.len(), 44);
        assert_ne!(joint, joint_id(&[other, event()]));
    }
}
