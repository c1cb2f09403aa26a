//! What must hold beside the proofs: guards, nearness in time, test money on the right route.

use crate::engine::money;
use crate::engine::plan::{AmountFact, Check, Guard, Instant, Limit, Phase, Plan, Ref, TestGuard};
use crate::engine::reason::{Reason, Reject};
use crate::engine::scope::Scope;

/// Seconds that another clock may be ahead of ours.
const CLOCKS_APART_MAX: i64 = 60;

/// Checks every guard of that phase, and whether test money has come to a route for it.
pub(crate) fn check_all<'s>(plan: &'s Plan, phase: Phase, scope: Scope<'s>) -> Result<(), Reject> {
    for guard in plan.guards.iter().filter(|guard| guard.phase == phase) {
        check(guard, scope)?;
    }
    match &plan.event.test {
        Some(test) if test.phase == phase => is_test(test, scope).map(drop),
        _ => Ok(()),
    }
}

/// Whether it is test money; refused on a route that is not for it.
pub(crate) fn is_test<'s>(test: &'s TestGuard, scope: Scope<'s>) -> Result<bool, Reject> {
    let route = scope.params.get(test.environment).and_then(|values| values.first());
    let test_route = route.is_some_and(|value| value.expose() == b"test");
    let is_test = match &test.when {
        Some(when) => scope.holds(when),
        None => test_route,
    };
    if is_test && !test_route {
        return Err(Reject::new(Reason::TestInLive, "event.test"));
    }
    Ok(is_test)
}

/// Checks one guard.
pub(crate) fn check<'s>(guard: &'s Guard, scope: Scope<'s>) -> Result<(), Reject> {
    if guard.when.as_ref().is_some_and(|when| !scope.holds(when)) {
        return Ok(());
    }
    let (holds, at) = match &guard.check {
        // An optional parameter that is not configured must meet an absent value, never any value.
        Check::Equal(left, right) => (scope.bytes(left)? == scope.bytes(right)?, left.text.clone()),
        Check::Holds(condition) => {
            let at = condition.values().first().map_or("guard".into(), |expr| expr.text.clone());
            (scope.holds(condition), at)
        }
        Check::Among(pairs) => {
            let mut counted = false;
            let mut found = false;
            for (place, param) in pairs {
                let Ref::Param(index) = param.source else { continue };
                let values = scope.params.get(index).map_or(&[][..], Vec::as_slice);
                counted |= !values.is_empty();
                if let Some(value) = scope.bytes(place)? {
                    found |= values.iter().any(|known| known.expose() == &*value);
                }
            }
            let at = pairs.first().map_or("guard".into(), |(place, _)| place.text.clone());
            (found || !counted, at)
        }
        Check::Amounts(sides) => {
            let (left, right) = &**sides;
            (same_amount(left, right, scope)?, left.value.text.clone())
        }
    };
    if holds { Ok(()) } else { Err(Reject::new(guard.otherwise, &*at)) }
}

fn same_amount<'s>(
    left: &'s AmountFact,
    right: &'s AmountFact,
    scope: Scope<'s>,
) -> Result<bool, Reject> {
    let unconfigured = |fact: &AmountFact| match fact.value.source {
        Ref::Param(index) => scope.params.get(index).is_none_or(Vec::is_empty),
        _ => false,
    };
    if unconfigured(left) || unconfigured(right) {
        return Ok(true);
    }
    Ok(amount(left, scope)? == amount(right, scope)?)
}

/// The amount that stands somewhere; `None`: no value is there.
pub(crate) fn amount<'s>(
    fact: &'s AmountFact,
    scope: Scope<'s>,
) -> Result<Option<crate::engine::event::Amount>, Reject> {
    let AmountFact { value, currency, unsigned, may_be_missing, rule } = fact;
    let Some(text) = scope.text(value)? else { return Ok(None) };
    let Some(code) = scope.first_text(currency)? else {
        if *may_be_missing {
            return Ok(None);
        }
        let at = currency.first().map_or("event.amount", |place| &place.text);
        return Err(Reject::new(Reason::FieldMissing, at));
    };
    let text = if *unsigned { text.strip_prefix('-').unwrap_or(&text) } else { &text };
    money::amount(text, &code, rule)
        .map(Some)
        .map_err(|_| Reject::new(Reason::FieldMalformed, &*value.text))
}

/// Refuses what was signed too long ago, or is dated too far ahead.
pub(crate) fn check_fresh<'s>(
    plan: &'s Plan,
    max_ages: &[Option<i64>],
    scope: Scope<'s>,
) -> Result<(), Reject> {
    for (fresh, max_age) in plan.fresh.iter().zip(max_ages) {
        if max_age.is_none() && matches!(fresh.limit, Limit::Within(_)) {
            continue;
        }
        let at = &*fresh.time.value.text;
        let time = instant(&fresh.time, scope)?.ok_or(Reject::new(Reason::FieldMissing, at))?;
        let age = scope.now.saturating_sub(time);
        let (oldest, newest) = match fresh.limit {
            Limit::Ahead => (-1, i64::MIN),
            Limit::Behind => (i64::MAX, -CLOCKS_APART_MAX),
            Limit::Within(_) => (max_age.unwrap_or(0), -max_age.unwrap_or(0)),
        };
        if age > oldest {
            return Err(Reject::new(Reason::TimestampTooOld, at));
        }
        if age < newest {
            return Err(Reject::new(Reason::TimestampInFuture, at));
        }
    }
    Ok(())
}

/// Unix seconds at a place.
pub(crate) fn instant<'s>(time: &'s Instant, scope: Scope<'s>) -> Result<Option<i64>, Reject> {
    let Some(text) = scope.text(&time.value)? else { return Ok(None) };
    let malformed = || Reject::new(Reason::FieldMalformed, &*time.value.text);
    time.format.read(&text).map(Some).ok_or_else(malformed)
}
