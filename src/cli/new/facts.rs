//! Which place may be which fact, by the names that gateways give.

use crate::cli::new::capture::Place;
use crate::cli::new::look;

/// Letters of the shortest name that is also found at the end of a longer one: `order` in `pg_order`.
const WITHIN_MIN: usize = 4;

/// What each place may be; the best known names of a fact first.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts<'c> {
    pub(super) account: Option<&'c Place>,
    pub(super) amount: Option<&'c Place>,
    pub(super) currency: Option<&'c Place>,
    pub(super) event_id: Option<&'c Place>,
    pub(super) occurred_at: Option<&'c Place>,
    pub(super) order_id: Option<&'c Place>,
    pub(super) status: Option<&'c Place>,
    pub(super) test: Option<&'c Place>,
    pub(super) transaction_id: Option<&'c Place>,
}

const ACCOUNT: &[&str] = &[
    "merchantid",
    "shopid",
    "merchantaccount",
    "projectid",
    "accountid",
    "terminalid",
    "terminalkey",
    "siteid",
    "publickey",
    "eshopid",
    "purse",
    "merchant",
    "shop",
    "account",
    "terminal",
];
const AMOUNT: &[&str] = &[
    "amount",
    "sum",
    "outsum",
    "totalamount",
    "amounttotal",
    "paymentamount",
    "mcgross",
    "total",
    "value",
    "price",
];
const CURRENCY: &[&str] = &["currency", "currencycode", "currencyid", "ccy", "mccurrency", "curr"];
const EVENT_ID: &[&str] = &["eventid", "notificationid", "webhookid", "callbackid", "messageid"];
const OCCURRED_AT: &[&str] = &[
    "paidat",
    "enddate",
    "completedat",
    "createdat",
    "updatedat",
    "created",
    "timestamp",
    "datetime",
    "paymentdate",
    "date",
    "time",
];
const ORDER_ID: &[&str] = &[
    "orderid",
    "merchantorderid",
    "ordernumber",
    "orderreference",
    "orderno",
    "invoiceid",
    "invid",
    "clientreferenceid",
    "merchantreference",
    "externalid",
    "paymentno",
    "billid",
    "accountno",
    "order",
    "invoice",
    "reference",
];
const STATUS: &[&str] = &[
    "status",
    "paymentstatus",
    "transactionstatus",
    "orderstatus",
    "state",
    "orderstate",
    "result",
    "eventtype",
    "event",
    "type",
];
const TEST: &[&str] =
    &["livemode", "istest", "testmode", "testing", "sandbox", "simmode", "test", "live"];
const TRANSACTION_ID: &[&str] = &[
    "transactionid",
    "paymentid",
    "txnid",
    "transid",
    "trxid",
    "tranid",
    "operationid",
    "chargeid",
    "paymentintent",
    "syspaymentid",
    "transaction",
    "payment",
    "uuid",
    "id",
];

impl<'c> Facts<'c> {
    /// Guesses among these places, each of which is one fact at most.
    pub(super) fn guess(places: &[&'c Place]) -> Self {
        let mut left = places.to_vec();
        left.retain(|place| !place.value.is_empty());
        let mut facts = Self::default();
        // What is named alike must not be taken by a fact that is content with less.
        for whole in [true, false] {
            for (fact, names) in [
                (&mut facts.order_id, ORDER_ID),
                (&mut facts.amount, AMOUNT),
                (&mut facts.currency, CURRENCY),
                (&mut facts.test, TEST),
                (&mut facts.event_id, EVENT_ID),
                (&mut facts.transaction_id, TRANSACTION_ID),
                (&mut facts.account, ACCOUNT),
                (&mut facts.status, STATUS),
                (&mut facts.occurred_at, OCCURRED_AT),
            ] {
                if fact.is_none() {
                    *fact = take(&mut left, names, whole);
                }
            }
        }
        facts
    }
}

fn take<'c>(left: &mut Vec<&'c Place>, names: &[&str], whole: bool) -> Option<&'c Place> {
    for name in names {
        let is = |place: &Place| {
            let found = look::plain(&place.name);
            if whole { found == *name } else { name.len() >= WITHIN_MIN && found.ends_with(name) }
        };
        let found = left.iter().enumerate().filter(|(_, place)| is(place));
        if let Some((at, _)) = found.min_by_key(|(_, place)| place.depth) {
            return Some(left.remove(at));
        }
    }
    None
}
