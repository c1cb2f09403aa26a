//! Judges captures under the rules on disk, each at the time at which it came, and says what they
//! would change. Nothing is published. Released, what was not accepted and now verifies is delivered:
//! once, as the outbox delivers anything.

mod report;
mod verdict;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use super::Api;
use super::ask::{self, Query};
use super::fault::Fault;
use crate::deliver::Accepted;
use crate::engine::event::Event;
use crate::engine::time::rfc3339;
use crate::exchange::Exchanger;
use crate::live::{Route, Snapshot};
use crate::store::captures::{Filter, Kept, Listed};
use crate::store::{ROWS_MAX, StoreError};
use report::{Credited, Report};
use verdict::{Now, inbound, judge};

/// How far the one that runs has come.
#[derive(Default)]
pub(super) struct Progress {
    running: AtomicBool,
    judged: AtomicU64,
    of: AtomicU64,
}

/// As long as one runs.
struct Running<'a>(&'a Progress);

impl Progress {
    /// One at a time: it takes a processor for itself.
    fn begin(&self) -> Result<Running<'_>, Fault> {
        if self.running.swap(true, Ordering::AcqRel) {
            let hint = "GET `/v1/captures/rejudge` says how far it is; ask again after it";
            return Err(Fault::conflict("captures are being judged already", hint));
        }
        self.judged.store(0, Ordering::Relaxed);
        self.of.store(0, Ordering::Relaxed);
        Ok(Running(self))
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.store(false, Ordering::Release);
    }
}

pub(super) fn progress(api: &Api, target: &str) -> Result<Value, Fault> {
    Query::read(target, &[])?;
    let Progress { running, judged, of } = &api.progress;
    Ok(json!({
        "running": running.load(Ordering::Acquire),
        "judged": judged.load(Ordering::Relaxed),
        "of": of.load(Ordering::Relaxed),
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Which {
    #[serde(default)]
    filter: ask::Captures,
    #[serde(default)]
    release: bool,
}

pub(super) async fn rejudge(
    api: &Api,
    by: &str,
    target: &str,
    body: &[u8],
) -> Result<Value, Fault> {
    Query::read(target, &[])?;
    let Which { filter, release } = ask::body(body)?;
    let filter = filter.resolve()?;
    let _running = api.progress.begin()?;
    let bench = Bench::new(api, on_disk(api).await?);
    let mut report = Report::new(release);
    let judged = bench.all(&filter, &mut report).await;
    if let Some(released) = &report.released {
        let what = format!("{}: {}", described(&filter), released.note());
        let changed = released.changed();
        if judged.is_ok() || changed > 0 {
            api.record(by, "captures.release", ask::note(&what), changed).await?;
        }
        judged.map_err(|error| {
            let done = format!("{changed} events were released, and stay so");
            Fault::from(error).after(&done)
        })?;
    } else {
        judged?;
    }
    Ok(report.into_json())
}

async fn on_disk(api: &Api) -> Result<Snapshot, Fault> {
    let rules = Arc::clone(&api.rules);
    let built = spawn_blocking(move || rules()).await;
    let built = built.unwrap_or_else(|_| Err(vec!["the loader has failed".to_owned()]));
    built.map_err(|problems| {
        let hint = "mend what `countersign check --config` names, then ask again";
        Fault::unclear("the rules on disk are broken", hint).with_problems(problems)
    })
}

/// All that captures are judged with.
struct Bench<'a> {
    api: &'a Api,
    routes: HashMap<String, Arc<Route>>,
    exchanger: Arc<Exchanger>,
}

/// Captures with numbers between these, the newest first as they are listed.
struct Page {
    before: Option<i64>,
    /// The last.
    to: i64,
}

impl<'a> Bench<'a> {
    fn new(api: &'a Api, snapshot: Snapshot) -> Self {
        let exchanger = api.exchanger(&snapshot);
        let routes = snapshot.routes.into_values().map(|route| (route.name.clone(), route));
        Self { api, routes: routes.collect(), exchanger }
    }

    /// Those that fit, in the order in which they came: an earlier event of a payment goes first.
    /// They are listed the other way round, so the pages are found first, then turned back.
    async fn all(&self, filter: &Filter, report: &mut Report) -> Result<(), StoreError> {
        let (mut pages, mut before) = (Vec::new(), None);
        loop {
            let page = self.api.captures.list(filter.clone(), before, ROWS_MAX).await?;
            self.api.progress.of.fetch_add(page.len() as u64, Ordering::Relaxed);
            let Some(last) = page.last() else { break };
            pages.push(Page { before, to: last.id });
            before = Some(last.id);
        }
        for Page { before, to } in pages.into_iter().rev() {
            let page = self.api.captures.list(filter.clone(), before, ROWS_MAX).await?;
            for listed in page.into_iter().rev().filter(|listed| listed.id >= to) {
                self.one(&listed, report).await?;
                self.api.progress.judged.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    async fn one(&self, listed: &Listed, report: &mut Report) -> Result<(), StoreError> {
        // It may have made room for others since it was listed.
        let Some((_, kept)) = self.api.captures.get(listed.id).await? else { return Ok(()) };
        let route = self.routes.get(&listed.summary.route);
        let now = match &kept {
            _ if listed.masked => Now::Undecided("masked"),
            None => Now::Undecided("sealed"),
            Some(kept) => judge(route.map(|route| &**route), &self.exchanger, listed, kept).await,
        };
        report.judged(listed, &now);
        if let (Now::Accepted(events), Some(route), Some(kept)) = (now, route, kept)
            && report::is_deliverable(listed)
            && report.released.is_some()
        {
            self.release(route, listed, &kept, events, report).await?;
        }
        Ok(())
    }

    async fn release(
        &self,
        route: &Route,
        listed: &Listed,
        kept: &Kept,
        events: Vec<Event>,
        report: &mut Report,
    ) -> Result<(), StoreError> {
        let said: Vec<_> = events.iter().map(Credited::of).collect();
        let headers = verdict::headers(kept);
        let accepted = Accepted {
            route,
            inbound: &inbound(listed, kept, &headers),
            body: &Bytes::copy_from_slice(&kept.body),
            events,
            received_at: listed.summary.at,
        };
        let deposits = accepted.deposits();
        if deposits.is_empty() {
            return Ok(());
        }
        let together = deposits.len() < said.len();
        let admissions = self.api.outbox.queue(deposits).await?;
        let Some(released) = &mut report.released else { return Ok(()) };
        for (index, admission) in admissions.iter().enumerate() {
            // An original with several events is one message.
            released.add(admission, if together { &said[..] } else { &said[index..=index] });
        }
        Ok(())
    }
}

fn described(filter: &Filter) -> String {
    let Filter { gateway, route, outcome, reason, status, payment, since, until } = filter;
    ask::described(&[
        ("gateway", gateway.clone()),
        ("route", route.clone()),
        ("outcome", outcome.clone()),
        ("reason", reason.clone()),
        ("status", status.map(|status| status.as_str().to_owned())),
        ("payment", payment.clone()),
        ("since", since.map(rfc3339)),
        ("until", until.map(rfc3339)),
    ])
}
