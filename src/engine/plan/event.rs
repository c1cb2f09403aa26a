//! What a callback says: where the status, the facts and the amounts stand.

use std::sync::Arc;

use crate::engine::event::Status;
use crate::engine::money::MoneyRule;
use crate::engine::plan::{Condition, Expr, Phase};
use crate::engine::time::TimeFormat;

/// What the callback says.
#[derive(Clone, Debug)]
pub struct EventPlan {
    /// How the status and the facts are found.
    pub outcome: Outcome,
    /// Whether it is test money; `None`: the gateway does not say.
    pub test: Option<TestGuard>,
    /// Names of facts that no proof covers.
    pub unsigned: Vec<String>,
}

/// Test money, and whether this route is for it.
#[derive(Clone, Debug)]
pub struct TestGuard {
    /// It is test money if this holds; `None`: on a route for it everything is, because the two
    /// environments have proofs of their own.
    pub when: Option<Condition>,
    /// The parameter that says `live` or `test`.
    pub environment: usize,
    /// When all that it looks at is known.
    pub phase: Phase,
}

/// How the status and the facts are found.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// By cases: the first that holds. None holds: `unknown` with the common facts.
    Cases {
        /// In order.
        cases: Vec<Case>,
        /// The facts where no case holds.
        common: Box<Facts>,
    },
    /// By one value.
    Map {
        /// The value.
        from: Expr,
        /// Its words, sorted.
        words: Vec<(String, StatusRule)>,
        /// The facts.
        facts: Box<Facts>,
    },
}

/// One case.
#[derive(Clone, Debug)]
pub struct Case {
    /// It holds if this does.
    pub when: Condition,
    /// What it means.
    pub status: StatusRule,
    /// `succeeded` is money here. Off for a dispute won back, or a mere notice.
    pub credit: bool,
    /// Its own facts over the common ones.
    pub facts: Facts,
}

/// What a word or case means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StatusRule {
    /// This.
    Is(Status),
    /// `partially_refunded` where less than the amount has gone back, else `refunded`.
    RefundedByAmount,
    /// `succeeded` while nothing has gone back, else as above.
    SucceededByAmount,
}

/// Where each fact stands. Empty: the gateway does not say.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Merchant, shop or project.
    pub account: Vec<Expr>,
    /// The gateway's id of this notification.
    pub event_id: Vec<Expr>,
    /// The gateway's own word.
    pub raw_type: Vec<Expr>,
    /// The merchant's reference. The first that is there counts, here and in the others.
    pub order_id: Vec<Expr>,
    /// The gateway's id of the payment.
    pub transaction_id: Vec<Expr>,
    /// Of the payment.
    pub amount: Option<AmountFact>,
    /// What `refunded_amount` is compared with; `None`: with the amount.
    pub refunded_of: Option<AmountFact>,
    /// How much has gone back.
    pub refunded_amount: Option<AmountFact>,
    /// What the merchant receives.
    pub settlement_amount: Option<AmountFact>,
    /// What the gateway keeps.
    pub fee: Option<AmountFact>,
    /// When it happened.
    pub occurred_at: Option<Instant>,
    /// What tells one notification from another, beside gateway and account: all of them.
    pub dedupe: Vec<Expr>,
}

/// An amount and its currency.
#[derive(Clone, Debug)]
pub struct AmountFact {
    /// Decimal text or integer.
    pub value: Expr,
    /// A code, or a literal. Of several places the first that is there.
    pub currency: Vec<Expr>,
    /// A minus sign before it does not count: the event's name says which way the money went.
    pub unsigned: bool,
    /// A credit may do without it, or without its currency: the shop knows what the order costs.
    pub may_be_missing: bool,
    /// Unit, decimals, notation.
    pub rule: Arc<MoneyRule>,
}

/// A time.
#[derive(Clone, Debug)]
pub struct Instant {
    /// Where it stands.
    pub value: Expr,
    /// How it is written.
    pub format: TimeFormat,
}

impl Facts {
    /// Every value that a fact is taken from.
    pub fn values(&self) -> Vec<&Expr> {
        let Self {
            account,
            event_id,
            raw_type,
            order_id,
            transaction_id,
            amount,
            refunded_of,
            refunded_amount,
            settlement_amount,
            fee,
            occurred_at,
            dedupe,
        } = self;
        let mut values: Vec<&Expr> = Vec::new();
        for exprs in [account, event_id, raw_type, order_id, transaction_id, dedupe] {
            values.extend(exprs);
        }
        let sums = [amount, refunded_of, refunded_amount, settlement_amount, fee];
        for AmountFact { value, currency, .. } in sums.into_iter().flatten() {
            values.push(value);
            values.extend(currency);
        }
        values.extend(occurred_at.iter().map(|time| &time.value));
        values
    }
}
