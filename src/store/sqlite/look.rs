//! What operators see.

use rusqlite::Connection;

use super::facts::{self, Facts};
use super::fault::Fault;
use super::sheet::{ENTRIES_MAX, Sheet, Table, damaged};
use super::turn::Turn;
use crate::engine::event::Amount;
use crate::engine::inbound::UnixSeconds;
use crate::store::{Act, Entry, Filter, Page, ROWS_MAX, State};

/// Entries that are forgotten at once, at most: each holds up the writer for some microseconds.
const PRUNED_MAX: usize = 2000;

/// See [`crate::store::Store::entries`].
pub(super) fn entries(
    conn: &Connection,
    filter: &Filter,
    page: Page,
    max: usize,
) -> Result<Vec<Entry>, Fault> {
    let over = |state| matches!(state, State::Delivered | State::Dropped);
    // Where something is open there is a row of messages.
    let table = match filter.state {
        Some(state) if !over(state) => "message JOIN sheet USING (first)",
        Some(_) | None => "sheet",
    };
    let (order, from) = match page {
        Page::Before(before) => ("first < ?1 ORDER BY first DESC", before.unwrap_or(i64::MAX)),
        Page::After(after) => ("first > ?1 ORDER BY first", after.saturating_sub(ENTRIES_MAX)),
    };
    let is_on_page = |seq: i64| match page {
        Page::Before(before) => before.is_none_or(|before| seq < before),
        Page::After(after) => seq > after,
    };
    let max = max.min(ROWS_MAX);
    let mut found = Vec::new();
    let select = format!("SELECT first, sheet.there, sheet.parts FROM {table} WHERE {order}");
    each(conn, &select, from, |conn, sheet| {
        let turns = Turn::of_sheet(conn, sheet.first)?;
        let mut some = Vec::new();
        for part in sheet.parts() {
            let (seq, part) = part?;
            let facts = facts::unpack(seq, part).ok_or_else(|| damaged(seq))?;
            let turn = turns.iter().find(|(other, _)| *other == seq).map(|(_, turn)| turn);
            let turn = turn.cloned().unwrap_or_else(|| Turn::first(&facts.birth));
            if is_on_page(seq) && fits(filter, &facts, &turn) {
                some.push(entry(seq, &facts, turn));
            }
        }
        if let Page::Before(_) = page {
            some.reverse();
        }
        found.append(&mut some);
        Ok(found.len() < max)
    })?;
    found.truncate(max);
    Ok(found)
}

/// Reads sheets as long as they are wanted; all of it at one moment, so that a sheet and what has
/// become of its entries belong together.
fn each(
    conn: &Connection,
    select: &str,
    from: i64,
    mut wanted: impl FnMut(&Connection, &Sheet) -> Result<bool, Fault>,
) -> Result<(), Fault> {
    let moment = conn.unchecked_transaction()?;
    let mut statement = moment.prepare(select)?;
    let mut rows = statement.query([from])?;
    while let Some(row) = rows.next()? {
        if !wanted(&moment, &Sheet::from_columns(row)?)? {
            break;
        }
    }
    Ok(())
}

fn fits(filter: &Filter, facts: &Facts<'_>, turn: &Turn) -> bool {
    let Filter { gateway, route, state, status, why, payment, since, until } = filter;
    let is = |wanted: &Option<String>, found: Option<&str>| {
        wanted.as_deref().is_none_or(|wanted| found == Some(wanted))
    };
    is(gateway, Some(facts.gateway))
        && is(route, Some(facts.route))
        && state.is_none_or(|state| turn.state == state)
        && status.is_none_or(|status| facts.status == status)
        && is(why, turn.why.as_deref())
        && (is(payment, facts.order_id) || is(payment, facts.transaction_id))
        && since.is_none_or(|since| facts.received_at >= since)
        && until.is_none_or(|until| facts.received_at < until)
}

fn entry(seq: i64, facts: &Facts<'_>, turn: Turn) -> Entry {
    let owned = |text: Option<&str>| text.map(ToOwned::to_owned);
    let amount = facts
        .amount
        .map(|(value, currency)| Amount { value: value.to_owned(), currency: currency.to_owned() });
    Entry {
        seq,
        id: facts.id.to_string(),
        state: turn.state,
        marks: facts.birth.marks,
        gateway: facts.gateway.to_owned(),
        route: facts.route.to_owned(),
        upstream: facts.upstream.to_owned(),
        account: owned(facts.account),
        status: facts.status,
        credit: facts.credit,
        order_id: owned(facts.order_id),
        transaction_id: owned(facts.transaction_id),
        amount,
        received_at: facts.received_at,
        changed_at: turn.changed_at,
        due: turn.due,
        attempts: turn.attempts,
        why: turn.why,
    }
}

/// An entry, and its message as it is kept.
type Kept = (Entry, Option<Vec<u8>>);

/// See [`crate::store::Store::entry`].
pub(super) fn one(conn: &Connection, seq: i64) -> Result<Option<Kept>, Fault> {
    let moment = conn.unchecked_transaction()?;
    let Some(sheet) = Sheet::holding(&moment, Table::Entries, seq)? else { return Ok(None) };
    let Some(part) = sheet.part(seq)? else { return Ok(None) };
    let facts = facts::unpack(seq, part).ok_or_else(|| damaged(seq))?;
    let turn = Turn::read(&moment, seq)?.unwrap_or_else(|| Turn::first(&facts.birth));
    // What is over may still be there for the sake of its neighbours.
    let messages =
        if turn.is_over() { None } else { Sheet::holding(&moment, Table::Messages, seq)? };
    let message = messages.as_ref().map_or(Ok(None), |sheet| sheet.part(seq))?.map(<[u8]>::to_vec);
    Ok(Some((entry(seq, &facts, turn), message)))
}

/// See [`crate::store::Store::acts`].
pub(super) fn acts(conn: &Connection, max: usize) -> Result<Vec<Act>, Fault> {
    let max = max.min(ROWS_MAX);
    let select = "SELECT at, by, verb, what, changed FROM act ORDER BY number DESC";
    let mut statement = conn.prepare(&format!("{select} LIMIT {max}"))?;
    let rows = statement.query_map([], |row| {
        Ok(Act {
            at: row.get(0)?,
            by: row.get(1)?,
            verb: row.get(2)?,
            what: row.get(3)?,
            changed: row.get::<_, i64>(4)?.unsigned_abs(),
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Some entries that were delivered or dropped before then. They came about in the order of their
/// numbers, so looking ends at the first that came later.
pub(super) fn over(conn: &Connection, before: UnixSeconds) -> Result<Vec<i64>, Fault> {
    let mut found = Vec::new();
    let select = "SELECT first, there, parts FROM sheet WHERE first > ?1 ORDER BY first";
    each(conn, select, i64::MIN, |conn, sheet| {
        let turns = Turn::of_sheet(conn, sheet.first)?;
        for part in sheet.parts() {
            let (seq, part) = part?;
            let facts = facts::unpack(seq, part).ok_or_else(|| damaged(seq))?;
            if facts.received_at > before.saturating_add(CLOCK_STEP_MAX) {
                return Ok(false);
            }
            let turn = turns.iter().find(|(other, _)| *other == seq).map(|(_, turn)| turn);
            if turn.is_some_and(|turn| turn.is_over() && turn.changed_at < before) {
                found.push(seq);
            }
        }
        Ok(found.len() < PRUNED_MAX)
    })?;
    Ok(found)
}

/// Entries that came while the clock was ahead by no more than this hide none behind them.
const CLOCK_STEP_MAX: UnixSeconds = 3600;
