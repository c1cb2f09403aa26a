//! From a verified reading to canonical events. Takes [`Verified`], never a bare reading.

use std::borrow::Cow;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::engine::canonical::Writer;
use crate::engine::event::{Amount, Event, Proven, Status};
use crate::engine::guard::{self, amount};
use crate::engine::money;
use crate::engine::plan::{Case, EventPlan, Expr, Facts, Outcome, Plan, Raw, StatusRule};
use crate::engine::proof::Verified;
use crate::engine::reason::{Reason, Reject};
use crate::engine::scope::Scope;
use crate::engine::time;
use crate::engine::value::Value;

/// Bytes of one fact, at most. Real ids have some tens.
const FACT_BYTES_MAX: usize = 1024;

/// What does not come from the request.
pub(crate) struct Identity<'r> {
    pub(crate) gateway: &'r Arc<str>,
    pub(crate) rule_hash: &'r Arc<str>,
}

/// Says what a callback says: one event, or one for each item of a batch.
pub(crate) fn events<'s>(
    plan: &'s Plan,
    verified: &Verified<'s>,
    identity: &Identity<'_>,
) -> Result<Vec<Event>, Reject> {
    verified
        .subjects()
        .into_iter()
        .map(|(scope, proven)| say(plan, scope, proven, identity))
        .collect()
}

fn say<'s>(
    plan: &'s Plan,
    scope: Scope<'s>,
    proofs: Vec<Proven>,
    identity: &Identity<'_>,
) -> Result<Event, Reject> {
    let EventPlan { outcome, test, unsigned } = &plan.event;
    let (status, facts, may_credit) = outcome_of(outcome, scope)?;
    let test = test.as_ref().map(|test| guard::is_test(test, scope)).transpose()?;
    let money = |fact: Option<&'s _>| fact.map_or(Ok(None), |fact| amount(fact, scope));
    let paid = money(facts.amount.as_ref())?;
    let refunded_amount = money(facts.refunded_amount.as_ref())?;
    let refunded_of = match &facts.refunded_of {
        Some(fact) => amount(fact, scope)?,
        None => paid.clone(),
    };
    let status = match status {
        StatusRule::Is(status) => status,
        StatusRule::RefundedByAmount => by_amount(refunded_of.as_ref(), refunded_amount.as_ref()),
        StatusRule::SucceededByAmount => match &refunded_amount {
            Some(refunded) if !money::is_zero(refunded) => {
                by_amount(refunded_of.as_ref(), Some(refunded))
            }
            _ => Status::Succeeded,
        },
    };
    let order_id = fact(scope.first_text(&facts.order_id)?, "event.order_id")?;
    let transaction_id = fact(scope.first_text(&facts.transaction_id)?, "event.transaction_id")?;
    let credit = may_credit && status == Status::Succeeded && test != Some(true);
    if credit {
        creditable(facts, scope, paid.as_ref())?;
    }
    if credit && order_id.is_none() && transaction_id.is_none() {
        return Err(Reject::new(Reason::FieldMissing, "event.order_id"));
    }
    if status != Status::Unknown && !is_told_apart(&facts.dedupe, scope)? {
        return Err(Reject::new(Reason::FieldMissing, "event.dedupe"));
    }
    let account = fact(scope.first_text(&facts.account)?, "event.account")?;
    Ok(Event {
        id: id(identity.gateway, account.as_deref(), &facts.dedupe, scope)?,
        gateway: Arc::clone(identity.gateway),
        event_id: fact(scope.first_text(&facts.event_id)?, "event.event_id")?,
        raw_type: fact(scope.first_text(&facts.raw_type)?, "event.raw_type")?,
        account,
        status,
        credit,
        test,
        order_id,
        transaction_id,
        amount: paid,
        refunded_amount,
        settlement_amount: money(facts.settlement_amount.as_ref())?,
        fee: money(facts.fee.as_ref())?,
        occurred_at: match &facts.occurred_at {
            None => None,
            Some(time) => guard::instant(time, scope)?.map(time::rfc3339),
        },
        proofs,
        rule: Arc::clone(identity.rule_hash),
        unsigned: unsigned.clone(),
        raw: raw(&plan.raw, scope)?,
    })
}

/// Money that comes in has an amount, and no minus sign.
fn creditable<'s>(facts: &'s Facts, scope: Scope<'s>, paid: Option<&Amount>) -> Result<(), Reject> {
    let fact = match (&facts.amount, paid) {
        (Some(fact), Some(_)) => fact,
        (Some(fact), None) if fact.may_be_missing => return Ok(()),
        _ => return Err(Reject::new(Reason::FieldMissing, "event.amount")),
    };
    match scope.text(&fact.value)? {
        Some(text) if text.starts_with('-') => {
            Err(Reject::new(Reason::FieldMalformed, &*fact.value.text))
        }
        _ => Ok(()),
    }
}

/// The status, where the facts stand, and whether success is money.
fn outcome_of<'s>(
    outcome: &'s Outcome,
    scope: Scope<'s>,
) -> Result<(StatusRule, &'s Facts, bool), Reject> {
    let unknown = StatusRule::Is(Status::Unknown);
    match outcome {
        Outcome::Map { from, words, facts } => {
            let status = match scope.text(from)? {
                None => unknown,
                Some(word) => words
                    .binary_search_by(|(known, _)| known.as_str().cmp(&word))
                    .ok()
                    .and_then(|index| words.get(index))
                    .map_or(unknown, |(_, status)| *status),
            };
            Ok((status, facts, true))
        }
        Outcome::Cases { cases, common } => {
            Ok(match cases.iter().find(|case| scope.holds(&case.when)) {
                Some(Case { status, credit, facts, .. }) => (*status, facts, *credit),
                None => (unknown, &**common, false),
            })
        }
    }
}

/// Both amounts are named and less than all has gone back: a part. Otherwise the shop compares.
fn by_amount(amount: Option<&Amount>, refunded: Option<&Amount>) -> Status {
    match (amount, refunded) {
        (Some(amount), Some(refunded))
            if money::compare(refunded, amount) == Some(std::cmp::Ordering::Less) =>
        {
            Status::PartiallyRefunded
        }
        _ => Status::Refunded,
    }
}

/// A fact as owned text. Control characters have no place in an id, and do harm in logs.
fn fact(text: Option<Cow<'_, str>>, at: &str) -> Result<Option<String>, Reject> {
    match text {
        Some(text) if text.len() > FACT_BYTES_MAX || text.chars().any(char::is_control) => {
            Err(Reject::new(Reason::FieldMalformed, at))
        }
        text => Ok(text.map(Cow::into_owned)),
    }
}

/// Whether one at least of what tells notifications apart is there. Without, all of them would be
/// one, and all but the first be lost.
fn is_told_apart<'s>(dedupe: &'s [Expr], scope: Scope<'s>) -> Result<bool, Reject> {
    for expr in dedupe {
        if scope.bytes(expr)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The same notification gives the same id: gateway, account and the rule's `dedupe` values, each
/// with its length before it so that no two lists run together.
fn id<'s>(
    gateway: &str,
    account: Option<&str>,
    dedupe: &'s [Expr],
    scope: Scope<'s>,
) -> Result<String, Reject> {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut digest = Sha256::new();
    let mut absorb = |part: Option<&[u8]>| {
        // Absent is not empty.
        let len = part.map_or(u64::MAX, |part| part.len() as u64);
        digest.update(len.to_be_bytes());
        digest.update(part.unwrap_or_default());
    };
    absorb(Some(gateway.as_bytes()));
    absorb(account.map(str::as_bytes));
    for expr in dedupe {
        absorb(scope.bytes(expr)?.as_deref());
    }
    let mut id = String::with_capacity(44);
    id.push_str("evt_");
    for byte in digest.finalize().iter().take(20) {
        id.push(char::from(HEX[usize::from(byte >> 4)]));
        id.push(char::from(HEX[usize::from(byte & 15)]));
    }
    Ok(id)
}

fn raw<'s>(wanted: &'s Raw, scope: Scope<'s>) -> Result<String, Reject> {
    let mut json = Writer::with_capacity(scope.reading.body.len() + 64);
    match wanted {
        Raw::Document(index) => {
            let document = scope.room.documents.get(*index).and_then(std::cell::OnceCell::get);
            if let Some(document) = document {
                json.write_value(document);
            } else {
                // It may be missing, and what is shown is an object.
                json.open();
                json.close();
            }
        }
        Raw::Item => json.write_value(scope.item.unwrap_or(&Value::Null)),
        Raw::Places(places) => {
            json.open();
            for (name, expr) in places {
                // Lists and objects are written as they are, everything else as its text. What is
                // empty is not there, here as everywhere: a proof may not tell the two apart.
                if let Some(value) = scope.value(expr) {
                    if matches!(value, Value::Null) || value.as_text() == Some("") {
                        continue;
                    }
                    json.key(name);
                    json.write_value(value);
                } else if let Some(text) = scope.text(expr)? {
                    json.key(name);
                    json.write_value(&Value::Text(text));
                }
            }
            json.close();
        }
    }
    Ok(json.into_string())
}
