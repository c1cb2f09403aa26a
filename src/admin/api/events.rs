//! What is in the outbox, and what an operator does to it.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::ask::{self, Query, note};
use super::fault::Fault;
use super::{Api, show};
use crate::engine::money::Sums;
use crate::store::{Entry, Filter, Order, Page, ROWS_MAX, State};

/// Entries that one request looks at for a sum, or changes.
const MATCHES_MAX: usize = 1_000_000;

/// Numbers that one body names.
const SEQS_MAX: usize = 10_000;

/// Numbers that the audit trail names of one act.
const NAMED_MAX: usize = 20;

pub(super) async fn list(api: &Api, target: &str) -> Result<Value, Fault> {
    let mut query = Query::read(target, &[ask::Events::NAMES, &["before", "after", "limit"]])?;
    let limit = query.limit()?;
    let page = match (query.number("before")?, query.number("after")?) {
        (before, None) => Page::Before(before),
        (None, Some(after)) => Page::After(after),
        (Some(_), Some(_)) => {
            return Err(Fault::unclear("`before` and `after` are both there", "give one of them"));
        }
    };
    let filter = query.filter::<ask::Events>()?.resolve()?;
    let entries = api.store().entries(&filter, page, limit).await?;
    let more = entries.len() == limit;
    let next = entries.last().filter(|_| more).map(|entry| entry.seq);
    let entries: Value = entries.iter().map(show::entry).collect();
    Ok(json!({ "events": entries, "next": next }))
}

pub(super) async fn show(api: &Api, target: &str, seq: i64) -> Result<Value, Fault> {
    Query::read(target, &[])?;
    let found = api.store().entry(seq).await?;
    let (entry, message) = found.ok_or_else(|| {
        Fault::absent(format!("there is no event {seq}"), "it was never there, or is forgotten")
    })?;
    let message = message.as_ref().map(show::message);
    Ok(json!({ "event": show::entry(&entry), "message": message }))
}

/// How many there are, and what they are worth.
pub(super) async fn sums(api: &Api, target: &str) -> Result<Value, Fault> {
    let filter = Query::read(target, &[ask::Events::NAMES])?.filter::<ask::Events>()?.resolve()?;
    let mut found: BTreeMap<State, (u64, Sums)> = BTreeMap::new();
    every(api, &filter, |entry| {
        let (count, sums) = found.entry(entry.state).or_default();
        *count += 1;
        if let Some(amount) = entry.amount.filter(|_| entry.credit) {
            sums.add(&amount);
        }
    })
    .await?;
    let count: u64 = found.values().map(|(count, _)| count).sum();
    let states: Value = found
        .iter()
        .map(|(state, (count, credits))| {
            json!({ "state": state.as_str(), "count": count, "credits": show::sums(credits) })
        })
        .collect();
    Ok(json!({ "count": count, "states": states }))
}

/// Which events: by number, or by a filter and how many it finds.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Which {
    seqs: Option<Vec<i64>>,
    filter: Option<ask::Events>,
    expect: Option<u64>,
    /// Of a drop.
    why: Option<String>,
}

pub(super) async fn retry(api: &Api, by: &str, target: &str, body: &[u8]) -> Result<Value, Fault> {
    Query::read(target, &[])?;
    let which: Which = ask::body(body)?;
    if which.why.is_some() {
        return Err(Fault::unclear("nobody asks why events are retried", "leave out `why`"));
    }
    let states = [State::Waiting, State::Held, State::Dead];
    let act = Planned { verb: "events.retry", order: Order::Retry, states: &states };
    let answer = act.carry_out(api, by, which).await;
    api.outbox.wake();
    answer
}

pub(super) async fn drop(api: &Api, by: &str, target: &str, body: &[u8]) -> Result<Value, Fault> {
    Query::read(target, &[])?;
    let which: Which = ask::body(body)?;
    let why = which.why.as_deref().map(note).filter(|why| !why.trim().is_empty());
    let why = why.ok_or_else(|| {
        Fault::unclear(
            "`why` is missing",
            "say why: it stands in the audit trail, and in the event",
        )
    })?;
    let states = [State::Waiting, State::Held, State::Dead];
    let act = Planned { verb: "events.drop", order: Order::Drop { why }, states: &states };
    let answer = act.carry_out(api, by, which).await;
    // What waited for them may be due.
    api.outbox.wake();
    answer
}

/// What is to be done to events.
struct Planned<'a> {
    verb: &'static str,
    order: Order,
    /// To which it can be done.
    states: &'a [State],
}

impl Planned<'_> {
    async fn carry_out(&self, api: &Api, by: &str, which: Which) -> Result<Value, Fault> {
        let Which { seqs, filter, expect, why: _ } = which;
        let (seqs, what) = match (seqs, filter, expect) {
            (Some(seqs), None, None) => {
                if seqs.is_empty() || seqs.len() > SEQS_MAX {
                    let hint = format!("1 to {SEQS_MAX} numbers; for more use a filter");
                    return Err(Fault::unclear("`seqs` has no good length", hint));
                }
                let what = named(&seqs);
                (seqs, what)
            }
            (None, Some(filter), Some(expect)) => {
                let filter = filter.resolve()?;
                (self.expected(api, &filter, expect).await?, described(&filter))
            }
            _ => {
                let hint = "give `seqs`, or `filter` and in `expect` how many events it finds \
                            (`/v1/events/sums` says)";
                return Err(Fault::unclear("it is not said which events", hint));
            }
        };
        let what = match &self.order {
            Order::Retry => what,
            Order::Drop { why } => note(&format!("{what}: {why}")),
        };
        let (matched, mut changed) = (seqs.len(), 0);
        let mut trouble = None;
        for part in seqs.chunks(ROWS_MAX) {
            match api.store().order(part.to_vec(), self.order.clone(), api.outbox.now()).await {
                Ok(count) => changed += count,
                Err(error) => {
                    trouble = Some(Fault::from(error).after(&format!("{changed} were changed")));
                    break;
                }
            }
        }
        if trouble.is_none() || changed > 0 {
            api.record(by, self.verb, what, changed).await?;
        }
        match trouble {
            Some(fault) => Err(fault),
            None => Ok(json!({ "matched": matched, "changed": changed })),
        }
    }

    /// Those that fit, if there are as many as whoever asks has seen.
    async fn expected(&self, api: &Api, filter: &Filter, expect: u64) -> Result<Vec<i64>, Fault> {
        let mut seqs = Vec::new();
        every(api, filter, |entry| {
            if self.states.contains(&entry.state) {
                seqs.push(entry.seq);
            }
        })
        .await?;
        if seqs.len() as u64 != expect {
            let error = format!("{} events fit by now, not {expect}", seqs.len());
            return Err(Fault::conflict(error, "look again, then say how many you have seen"));
        }
        // In the order in which they came.
        seqs.reverse();
        Ok(seqs)
    }
}

/// Every entry that fits, the newest first.
async fn every(api: &Api, filter: &Filter, mut each: impl FnMut(Entry)) -> Result<(), Fault> {
    let (mut before, mut seen) = (None, 0);
    loop {
        let entries = api.store().entries(filter, Page::Before(before), ROWS_MAX).await?;
        let more = entries.len() == ROWS_MAX;
        seen += entries.len();
        before = entries.last().map(|entry| entry.seq);
        entries.into_iter().for_each(&mut each);
        if !more {
            return Ok(());
        }
        if seen >= MATCHES_MAX {
            let error = format!("more than {MATCHES_MAX} events fit");
            return Err(Fault::unclear(error, "ask for fewer, by `since` and `until`"));
        }
    }
}

fn named(seqs: &[i64]) -> String {
    let first: Vec<String> = seqs.iter().take(NAMED_MAX).map(ToString::to_string).collect();
    let rest = seqs.len().saturating_sub(NAMED_MAX);
    let rest = if rest > 0 { format!(" and {rest} more") } else { String::new() };
    format!("seq {}{rest}", first.join(" "))
}

fn described(filter: &Filter) -> String {
    let Filter { gateway, route, state, status, why, payment, since, until } = filter;
    ask::described(&[
        ("gateway", gateway.clone()),
        ("route", route.clone()),
        ("state", state.map(|state| state.as_str().to_owned())),
        ("status", status.map(|status| status.as_str().to_owned())),
        ("why", why.clone()),
        ("payment", payment.clone()),
        ("since", since.map(crate::engine::time::rfc3339)),
        ("until", until.map(crate::engine::time::rfc3339)),
    ])
}
