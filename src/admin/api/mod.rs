//! The operators' verbs: the same for whoever asks over HTTP and for the command line that has opened
//! the files of a daemon that does not run.
//!
//! Each verb is one request and one answer in JSON, described by `openapi.json`. What changes
//! something is written into the audit trail before it is answered.

mod ask;
mod captures;
mod events;
mod fault;
mod gate;
mod ledger;
mod rejudge;
mod show;

use std::sync::{Arc, Mutex, PoisonError};

use hyper::StatusCode;
use serde_json::Value;

use crate::deliver::Outbox;
use crate::engine::inbound::UnixSeconds;
use crate::exchange::Exchanger;
use crate::live::Snapshot;
use crate::metrics::Metrics;
use crate::store::captures::Captures;
use crate::store::{Act, Store};
pub use ask::moment;
use fault::Fault;
use rejudge::Progress;

pub(super) use gate::{Gate, no_body, no_store};

/// Bytes of a body, at most.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;

/// Builds a snapshot from what is on disk now, and publishes it nowhere; else every problem, worded
/// for the operator. May take seconds.
pub type Rules = Arc<dyn Fn() -> Result<Snapshot, Vec<String>> + Send + Sync>;

/// What the verbs work on.
pub struct Api {
    /// Events that are kept.
    pub outbox: Arc<Outbox>,
    /// Inbounds that are kept.
    pub captures: Arc<Captures>,
    /// The rules on disk.
    pub rules: Rules,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The wall clock.
    pub clock: fn() -> UnixSeconds,
    /// Asks gateways in the name of captures; kept as long as its settings stay.
    exchanger: Mutex<Option<Arc<Exchanger>>>,
    progress: Progress,
}

/// An answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    /// HTTP status.
    pub status: StatusCode,
    /// What is said.
    pub body: Value,
}

impl Answer {
    /// Something failed that cannot.
    pub(super) fn broken() -> Self {
        let hint = "the log says where; please report it";
        Fault::new(StatusCode::INTERNAL_SERVER_ERROR, "the verb has failed", hint).into()
    }
}

impl From<Fault> for Answer {
    fn from(fault: Fault) -> Self {
        Self { status: fault.status, body: fault.into_body() }
    }
}

/// Who asks for what.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// From where: an address, or `local`.
    pub by: &'a str,
    /// `GET` or `POST`.
    pub method: &'a str,
    /// Path and query.
    pub target: &'a str,
    /// JSON, or nothing.
    pub body: &'a [u8],
}

impl Api {
    /// Over these.
    pub fn new(
        outbox: Arc<Outbox>,
        captures: Arc<Captures>,
        rules: Rules,
        metrics: Arc<Metrics>,
        clock: fn() -> UnixSeconds,
    ) -> Self {
        let (exchanger, progress) = (Mutex::default(), Progress::default());
        Self { outbox, captures, rules, metrics, clock, exchanger, progress }
    }

    /// Does one verb.
    pub async fn answer(&self, asked: Asked<'_>) -> Answer {
        match self.verb(asked).await {
            Ok(body) => Answer { status: StatusCode::OK, body },
            Err(fault) => fault.into(),
        }
    }

    async fn verb(&self, asked: Asked<'_>) -> Result<Value, Fault> {
        let Asked { by, method, target, body } = asked;
        let path = target.split('?').next().unwrap_or_default();
        let (verb, number) = find(method, path)?;
        match verb {
            Verb::EventsList => events::list(self, target).await,
            Verb::EventsSums => events::sums(self, target).await,
            Verb::EventsShow => events::show(self, target, number).await,
            Verb::EventsRetry => events::retry(self, by, target, body).await,
            Verb::EventsDrop => events::drop(self, by, target, body).await,
            Verb::CapturesList => captures::list(self, target).await,
            Verb::CapturesShow => captures::show(self, target, number).await,
            Verb::Rejudge => rejudge::rejudge(self, by, target, body).await,
            Verb::RejudgeProgress => rejudge::progress(self, target),
            Verb::Totals => ledger::totals(self, target).await,
            Verb::Audit => ledger::audit(self, target).await,
        }
    }

    fn store(&self) -> &dyn Store {
        &**self.outbox.store()
    }

    /// Writes down what was done, in the log whatever happens.
    async fn record(&self, by: &str, verb: &str, what: String, changed: u64) -> Result<(), Fault> {
        tracing::info!(target: "countersign::audit", by, verb, what, changed, "an operator acted");
        let act =
            Act { at: (self.clock)(), by: by.to_owned(), verb: verb.to_owned(), what, changed };
        let recorded = self.store().record(act).await;
        recorded.map_err(|error| {
            Fault::from(error).after("it was done and logged, but not recorded in the audit trail")
        })
    }

    /// The one that asks as `snapshot` says.
    fn exchanger(&self, snapshot: &Snapshot) -> Arc<Exchanger> {
        // Nothing is half done when this panics.
        let mut kept = self.exchanger.lock().unwrap_or_else(PoisonError::into_inner);
        match &*kept {
            Some(exchanger) if exchanger.serves(&snapshot.exchanges) => Arc::clone(exchanger),
            _ => {
                let new = Arc::new(Exchanger::new(&snapshot.exchanges, &self.metrics));
                Arc::clone(kept.insert(new))
            }
        }
    }
}

/// What can be asked.
#[derive(Clone, Copy)]
enum Verb {
    EventsList,
    EventsSums,
    EventsShow,
    EventsRetry,
    EventsDrop,
    CapturesList,
    CapturesShow,
    Rejudge,
    RejudgeProgress,
    Totals,
    Audit,
}

/// Method, path and verb. A `#` stands for a number, behind the words that might stand there.
const VERBS: [(&str, &str, Verb); 11] = [
    ("GET", "/v1/events", Verb::EventsList),
    ("GET", "/v1/events/sums", Verb::EventsSums),
    ("POST", "/v1/events/retry", Verb::EventsRetry),
    ("POST", "/v1/events/drop", Verb::EventsDrop),
    ("GET", "/v1/events/#", Verb::EventsShow),
    ("GET", "/v1/captures", Verb::CapturesList),
    ("POST", "/v1/captures/rejudge", Verb::Rejudge),
    ("GET", "/v1/captures/rejudge", Verb::RejudgeProgress),
    ("GET", "/v1/captures/#", Verb::CapturesShow),
    ("GET", "/v1/totals", Verb::Totals),
    ("GET", "/v1/audit", Verb::Audit),
];

/// Method and path of every verb; a `#` stands for a number.
pub fn verbs() -> impl Iterator<Item = (&'static str, &'static str)> {
    VERBS.into_iter().map(|(method, path, _)| (method, path))
}

/// The verb, and the number in its path.
fn find(method: &str, path: &str) -> Result<(Verb, i64), Fault> {
    let mut is_there = false;
    for (known, template, verb) in VERBS {
        let number = match template.strip_suffix('#') {
            None => (path == template).then_some(0),
            Some(before) => path.strip_prefix(before).and_then(number),
        };
        let Some(number) = number else { continue };
        if known == method {
            return Ok((verb, number));
        }
        is_there = true;
    }
    let hint = "`/openapi.json` describes what there is";
    Err(if is_there {
        let error = format!("`{}` is not done to `{}`", ask::note(method), ask::note(path));
        Fault::new(StatusCode::METHOD_NOT_ALLOWED, error, hint)
    } else {
        Fault::absent(format!("there is no `{}`", ask::note(path)), hint)
    })
}

fn number(text: &str) -> Option<i64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}
