//! From a verified reading to the canonical event. Takes [`Verified`], never a bare reading.

use std::borrow::Cow;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::engine::canonical::Writer;
use crate::engine::event::{Amount, Event, Status};
use crate::engine::form;
use crate::engine::json::{self, JsonError};
use crate::engine::money;
use crate::engine::plan::{
    AmountFact, Case, EventPlan, Expr, Facts, Format, Freshness, Guard, Outcome, Payload, Plan,
    Raw, StatusRule, TimeFact,
};
use crate::engine::proof::Verified;
use crate::engine::reason::{Reason, Reject};
use crate::engine::scope::Scope;
use crate::engine::secret::Secret;
use crate::engine::time;
use crate::engine::value::Value;

/// Bytes of one fact, at most. Real ids have some tens.
const FACT_BYTES_MAX: usize = 1024;

/// What does not come from the request.
pub(crate) struct Identity<'r> {
    pub(crate) gateway: &'r Arc<str>,
    pub(crate) rule_hash: &'r Arc<str>,
}

/// Opens the payload and says what it says.
pub(crate) fn event(
    plan: &Plan,
    params: &[Vec<Secret>],
    verified: &Verified<'_>,
    identity: &Identity<'_>,
) -> Result<Event, Reject> {
    let scope = Scope {
        reading: verified.reading(),
        params,
        decrypted: verified.decrypted(),
        payload: None,
    };
    let packed;
    let payload;
    let scope = match &plan.payload {
        None => scope,
        Some(wanted) => {
            packed = packed_bytes(wanted, scope)?;
            payload = open(wanted, &packed)?;
            let scope = Scope { payload: Some(&payload), ..scope };
            check_places(wanted, scope)?;
            scope
        }
    };
    for guard in &plan.guards {
        check_guard(guard, scope)?;
    }
    say(plan, scope, verified, identity)
}

/// Refuses what was signed too long ago, or is dated too far ahead.
pub(crate) fn check_fresh(
    fresh: &[(Freshness, i64)],
    params: &[Vec<Secret>],
    verified: &Verified<'_>,
    now: i64,
) -> Result<(), Reject> {
    let scope = Scope {
        reading: verified.reading(),
        params,
        decrypted: verified.decrypted(),
        payload: None,
    };
    for (freshness, max_age) in fresh {
        let time = instant(&freshness.time, freshness.milliseconds, scope)?
            .ok_or_else(|| Reject::new(Reason::FieldMissing, &*freshness.time.text))?;
        let age = now.saturating_sub(time);
        let reason = if age > *max_age {
            Reason::TimestampTooOld
        } else if age < -*max_age {
            Reason::TimestampInFuture
        } else {
            continue;
        };
        return Err(Reject::new(reason, &*freshness.time.text));
    }
    Ok(())
}

fn packed_bytes<'s>(payload: &'s Payload, scope: Scope<'s>) -> Result<Cow<'s, [u8]>, Reject> {
    scope
        .bytes(&payload.from)
        .ok()
        .flatten()
        .ok_or_else(|| Reject::new(Reason::PayloadMalformed, &*payload.from.text))
}

fn open<'p>(payload: &Payload, packed: &'p [u8]) -> Result<Value<'p>, Reject> {
    let reject = |reason| Reject::new(reason, &*payload.from.text);
    let read = match payload.format {
        Format::Form => form::parse_flat(packed).map_err(|_| JsonError::Malformed),
        Format::Json => json::parse(packed),
    };
    match read {
        Ok(value @ Value::Object(_)) => Ok(value),
        Err(JsonError::DuplicateKey) => Err(reject(Reason::DuplicateField)),
        Ok(_) | Err(_) => Err(reject(Reason::PayloadMalformed)),
    }
}

fn check_places<'s>(payload: &'s Payload, scope: Scope<'s>) -> Result<(), Reject> {
    for field in &payload.fields {
        let reject = |reason| Err(Reject::new(reason, &*field.at.text));
        match scope.text(&field.at)? {
            None if field.optional => {}
            None => return reject(Reason::FieldMissing),
            Some(text) => {
                if field.pattern.as_ref().is_some_and(|pattern| !pattern.matches(text.as_bytes())) {
                    return reject(Reason::FieldMalformed);
                }
            }
        }
    }
    Ok(())
}

fn check_guard<'s>(guard: &'s Guard, scope: Scope<'s>) -> Result<(), Reject> {
    // An optional parameter that is not configured must meet an absent value, never any value.
    if scope.bytes(&guard.left)? == scope.bytes(&guard.right)? {
        Ok(())
    } else {
        Err(Reject::new(guard.otherwise, &*guard.left.text))
    }
}

fn say<'s>(
    plan: &'s Plan,
    scope: Scope<'s>,
    verified: &Verified<'_>,
    identity: &Identity<'_>,
) -> Result<Event, Reject> {
    let EventPlan { outcome, test, dedupe, unsigned } = &plan.event;
    let (status, facts, may_credit) = outcome_of(outcome, scope)?;
    let test = match test {
        None => None,
        Some(guard) => {
            let is_test = scope.holds(&guard.when);
            let route = scope.params.get(guard.environment).and_then(|values| values.first());
            if is_test && route.is_none_or(|value| value.expose() != b"test") {
                return Err(Reject::new(Reason::TestInLive, "event.test"));
            }
            Some(is_test)
        }
    };
    let amount = amount_of(facts.amount.as_ref(), scope)?;
    let refunded_amount = amount_of(facts.refunded_amount.as_ref(), scope)?;
    let status = match status {
        StatusRule::Is(status) => status,
        StatusRule::RefundedByAmount => by_amount(amount.as_ref(), refunded_amount.as_ref()),
    };
    let order_id = fact(scope.first_text(&facts.order_id)?, "event.order_id")?;
    let transaction_id = fact(scope.first_text(&facts.transaction_id)?, "event.transaction_id")?;
    let credit = may_credit && status == Status::Succeeded && test != Some(true);
    if credit && amount.is_none() {
        return Err(Reject::new(Reason::FieldMissing, "event.amount"));
    }
    if credit && order_id.is_none() && transaction_id.is_none() {
        return Err(Reject::new(Reason::FieldMissing, "event.order_id"));
    }
    let account = fact(scope.first_text(&facts.account)?, "event.account")?;
    Ok(Event {
        id: id(identity.gateway, account.as_deref(), dedupe, scope)?,
        gateway: Arc::clone(identity.gateway),
        event_id: fact(scope.first_text(&facts.event_id)?, "event.event_id")?,
        raw_type: fact(scope.first_text(&facts.raw_type)?, "event.raw_type")?,
        account,
        status,
        credit,
        test,
        order_id,
        transaction_id,
        amount,
        refunded_amount,
        settlement_amount: amount_of(facts.settlement_amount.as_ref(), scope)?,
        fee: amount_of(facts.fee.as_ref(), scope)?,
        occurred_at: match &facts.occurred_at {
            None => None,
            Some(TimeFact { value, milliseconds }) => {
                instant(value, *milliseconds, scope)?.map(time::rfc3339)
            }
        },
        proofs: verified.proven().to_vec(),
        rule: Arc::clone(identity.rule_hash),
        unsigned: unsigned.clone(),
        raw: raw(&plan.raw, plan, scope)?,
    })
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

fn amount_of<'s>(fact: Option<&'s AmountFact>, scope: Scope<'s>) -> Result<Option<Amount>, Reject> {
    let Some(AmountFact { value, currency, rule }) = fact else { return Ok(None) };
    let Some(text) = scope.text(value)? else { return Ok(None) };
    let Some(code) = scope.text(currency)? else {
        return Err(Reject::new(Reason::FieldMissing, &*currency.text));
    };
    money::amount(&text, &code, rule)
        .map(Some)
        .map_err(|_| Reject::new(Reason::FieldMalformed, &*value.text))
}

/// Unix seconds at a place.
fn instant<'s>(
    expr: &'s Expr,
    milliseconds: bool,
    scope: Scope<'s>,
) -> Result<Option<i64>, Reject> {
    let Some(text) = scope.text(expr)? else { return Ok(None) };
    let malformed = || Reject::new(Reason::FieldMalformed, &*expr.text);
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(malformed());
    }
    let number: i64 = text.parse().map_err(|_| malformed())?;
    Ok(Some(if milliseconds { number / 1000 } else { number }))
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

fn raw(wanted: &Raw, plan: &Plan, scope: Scope<'_>) -> Result<String, Reject> {
    let mut json = Writer::with_capacity(scope.reading.body.len() + 64);
    match wanted {
        Raw::Payload => json.write_value(scope.payload.unwrap_or(&Value::Null)),
        Raw::Fields(indices) => {
            json.open();
            for &index in indices {
                let (Some(field), Some(Some(value))) =
                    (plan.request.fields.get(index), scope.reading.fields.get(index))
                else {
                    continue;
                };
                let text = std::str::from_utf8(value).map_err(|_| {
                    Reject::new(Reason::PayloadMalformed, format!("field.{}", field.name))
                })?;
                json.key(&field.name);
                json.write_value(&Value::Text(Cow::Borrowed(text)));
            }
            json.close();
        }
    }
    Ok(json.into_string())
}
