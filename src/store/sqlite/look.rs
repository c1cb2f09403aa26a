//! What operators see.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, Row, params_from_iter};

use super::fault::Fault;
use super::row::{self, Id};
use crate::engine::event::Amount;
use crate::engine::inbound::UnixSeconds;
use crate::store::{Act, Entry, Filter, Page, ROWS_MAX, State};

/// Entries that are forgotten at once, at most: each holds up the writer for some microseconds.
const PRUNED_MAX: usize = 2000;

const SELECT: &str = "SELECT seq, entry.id, state, flags, gateway.name, route.name, upstream.name, \
    account, status, order_id, transaction_id, value, currency, received_at, changed_at, due, \
    attempts, why FROM entry \
    JOIN name AS gateway ON gateway.id = gateway JOIN name AS route ON route.id = route \
    JOIN name AS upstream ON upstream.id = upstream ";

fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let flags = row.get(3)?;
    let amount = match (row.get(11)?, row.get(12)?) {
        (Some(value), Some(currency)) => Some(Amount { value, currency }),
        _ => None,
    };
    let state: State = row.get(2)?;
    Ok(Entry {
        seq: row.get(0)?,
        id: row.get::<_, Id>(1)?.to_string(),
        state,
        marks: row::marks(flags),
        gateway: row.get(4)?,
        route: row.get(5)?,
        upstream: row.get(6)?,
        account: row.get(7)?,
        status: row.get(8)?,
        credit: row::credit(flags),
        order_id: row.get(9)?,
        transaction_id: row.get(10)?,
        amount,
        received_at: row.get(13)?,
        changed_at: row.get(14)?,
        due: row.get(15)?,
        attempts: row.get(16)?,
        why: row.get(17)?,
    })
}

/// Conditions of a query, and what stands for their marks.
#[derive(Default)]
struct Where {
    text: String,
    values: Vec<Value>,
}

impl Where {
    /// `condition` has one `?`.
    fn and(&mut self, condition: &str, value: impl Into<Value>) {
        self.values.push(value.into());
        let number = format!("?{}", self.values.len());
        let word = if self.text.is_empty() { "WHERE" } else { "AND" };
        let condition = condition.replace('?', &number);
        self.text.extend([word, " ", &condition, " "]);
    }

    fn maybe(&mut self, condition: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.and(condition, value);
        }
    }
}

/// See [`crate::store::Store::entries`].
pub(super) fn entries(
    conn: &Connection,
    filter: &Filter,
    page: Page,
    max: usize,
) -> Result<Vec<Entry>, Fault> {
    let Filter { gateway, route, state, status, why, payment, since, until } = filter;
    let mut wanted = Where::default();
    if let Some(state) = state {
        wanted.and("state = ?", *state as i64);
        if !matches!(state, State::Delivered | State::Dropped) {
            // Says what the index of open entries holds, so that it is used.
            wanted.text.push_str("AND state <> 3 AND state <> 5 ");
        }
    }
    wanted.maybe("gateway.name = ?", gateway.clone());
    wanted.maybe("route.name = ?", route.clone());
    wanted.maybe("status = ?", status.map(|status| status.as_str().to_owned()));
    wanted.maybe("why = ?", why.clone());
    wanted.maybe("(order_id = ? OR transaction_id = ?)", payment.clone());
    wanted.maybe("received_at >= ?", *since);
    wanted.maybe("received_at < ?", *until);
    let order = match page {
        Page::Before(before) => {
            wanted.maybe("seq < ?", before);
            "DESC"
        }
        Page::After(after) => {
            wanted.and("seq > ?", after);
            "ASC"
        }
    };
    let Where { text, values } = wanted;
    let max = max.min(ROWS_MAX);
    let mut statement = conn.prepare(&format!("{SELECT}{text}ORDER BY seq {order} LIMIT {max}"))?;
    let rows = statement.query_map(params_from_iter(values), entry)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// An entry, and its message as it is kept.
type Kept = (Entry, Option<Vec<u8>>);

/// See [`crate::store::Store::entry`].
pub(super) fn one(conn: &Connection, seq: i64) -> Result<Option<Kept>, Fault> {
    let found = conn.query_row(&format!("{SELECT}WHERE seq = ?1"), [seq], entry).optional()?;
    let Some(entry) = found else { return Ok(None) };
    let select = "SELECT message FROM message WHERE seq = ?1";
    let message = conn.query_row(select, [seq], |row| row.get(0)).optional()?;
    Ok(Some((entry, message)))
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
    let mut statement =
        conn.prepare("SELECT seq, state, received_at, changed_at FROM entry ORDER BY seq")?;
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()?.filter(|_| found.len() < PRUNED_MAX) {
        let (state, received, changed): (State, UnixSeconds, UnixSeconds) =
            (row.get(1)?, row.get(2)?, row.get(3)?);
        if received > before.saturating_add(CLOCK_STEP_MAX) {
            break;
        }
        if matches!(state, State::Delivered | State::Dropped) && changed < before {
            found.push(row.get(0)?);
        }
    }
    Ok(found)
}

/// Entries that came while the clock was ahead by no more than this hide none behind them.
const CLOCK_STEP_MAX: UnixSeconds = 3600;
