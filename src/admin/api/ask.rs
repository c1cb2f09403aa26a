//! What is asked: queries and bodies, closed. What is not known is refused, not ignored.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::fault::Fault;
use crate::engine::event::Status;
use crate::engine::inbound::UnixSeconds;
use crate::engine::pan;
use crate::engine::time::TimeFormat;
use crate::engine::{form, json};
use crate::store::{self, ROWS_MAX, State, captures};

/// Rows of one answer where nobody says how many.
const ROWS: usize = 100;

/// Characters of a text in the audit trail.
const NOTE_CHARS_MAX: usize = 300;

/// The parameters of a query.
pub(super) struct Query(Map<String, Value>);

impl Query {
    pub(super) fn read(target: &str, known: &[&[&str]]) -> Result<Self, Fault> {
        let query = target.split_once('?').map_or("", |(_, query)| query);
        let mut found = Map::new();
        for pair in form::pairs(query.as_bytes()) {
            let unreadable = || Fault::unclear("the query cannot be read", "percent-encode it");
            let (name, value) = pair.map_err(|_| unreadable())?;
            let text = |bytes: &[u8]| std::str::from_utf8(bytes).map(str::to_owned);
            let name = text(&name).map_err(|_| unreadable())?;
            let value = text(&value).map_err(|_| unreadable())?;
            if !known.concat().contains(&name.as_str()) {
                let hint = match known.concat().as_slice() {
                    [] => "there are no parameters here".to_owned(),
                    known => format!("there are {}", known.join(", ")),
                };
                return Err(Fault::unclear(format!("unknown parameter `{}`", note(&name)), hint));
            }
            if found.insert(name.clone(), value.into()).is_some() {
                return Err(Fault::unclear(format!("`{name}` is there twice"), "give it once"));
            }
        }
        Ok(Self(found))
    }

    /// A whole number, taken out.
    pub(super) fn number(&mut self, name: &str) -> Result<Option<i64>, Fault> {
        let Some(value) = self.0.remove(name) else { return Ok(None) };
        let number = value.as_str().and_then(|text| TimeFormat::Seconds.read(text));
        number.map(Some).ok_or_else(|| {
            Fault::unclear(format!("`{name}` is not a number"), "give digits and nothing else")
        })
    }

    /// How many rows are wanted, taken out.
    pub(super) fn limit(&mut self) -> Result<usize, Fault> {
        let Some(limit) = self.number("limit")? else { return Ok(ROWS) };
        usize::try_from(limit).ok().filter(|limit| (1..=ROWS_MAX).contains(limit)).ok_or_else(
            || {
                let hint = format!("1 to {ROWS_MAX}; go on with `next` for more");
                Fault::unclear("`limit` is out of range", hint)
            },
        )
    }

    /// What is left.
    pub(super) fn filter<T: DeserializeOwned>(self) -> Result<T, Fault> {
        read(self.0.into())
    }
}

/// A body: a JSON object, closed, no key twice. Its reader would take a list for one.
pub(super) fn body<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Fault> {
    let hint = "`/openapi.json` describes the body";
    let strict = json::parse(bytes).ok();
    let object = strict.as_ref().and_then(|body| body.as_object());
    let filter = object.and_then(|body| body.get("filter"));
    if object.is_none() || filter.is_some_and(|filter| filter.as_object().is_none()) {
        return Err(Fault::unclear("the body is not what it must be: a JSON object", hint));
    }
    let read = serde_json::from_slice(bytes);
    read.map_err(|error| Fault::unclear(format!("the body: {}", note(&error.to_string())), hint))
}

fn read<T: DeserializeOwned>(value: Value) -> Result<T, Fault> {
    let read = serde_json::from_value(value);
    read.map_err(|error| Fault::unclear(note(&error.to_string()), "see `/openapi.json`"))
}

/// See [`store::Filter`].
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Events {
    gateway: Option<String>,
    route: Option<String>,
    state: Option<String>,
    status: Option<String>,
    why: Option<String>,
    payment: Option<String>,
    since: Option<Value>,
    until: Option<Value>,
}

impl Events {
    pub(super) const NAMES: &'static [&'static str] =
        &["gateway", "route", "state", "status", "why", "payment", "since", "until"];

    pub(super) fn resolve(self) -> Result<store::Filter, Fault> {
        let Self { gateway, route, state, status, why, payment, since, until } = self;
        Ok(store::Filter {
            gateway,
            route,
            state: word("state", state, State::from_word, &State::ALL.map(State::as_str))?,
            status: status_of(status)?,
            why,
            payment,
            since: time("since", since.as_ref())?,
            until: time("until", until.as_ref())?,
        })
    }
}

/// See [`captures::Filter`].
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Captures {
    gateway: Option<String>,
    route: Option<String>,
    outcome: Option<String>,
    reason: Option<String>,
    status: Option<String>,
    payment: Option<String>,
    since: Option<Value>,
    until: Option<Value>,
}

impl Captures {
    pub(super) const NAMES: &'static [&'static str] =
        &["gateway", "route", "outcome", "reason", "status", "payment", "since", "until"];

    pub(super) fn resolve(self) -> Result<captures::Filter, Fault> {
        let Self { gateway, route, outcome, reason, status, payment, since, until } = self;
        Ok(captures::Filter {
            gateway,
            route,
            outcome,
            reason,
            status: status_of(status)?,
            payment,
            since: time("since", since.as_ref())?,
            until: time("until", until.as_ref())?,
        })
    }
}

fn status_of(word_given: Option<String>) -> Result<Option<Status>, Fault> {
    word("status", word_given, Status::from_word, &Status::ALL.map(Status::as_str))
}

/// A word of a closed list.
fn word<T>(
    name: &str,
    given: Option<String>,
    read: impl Fn(&str) -> Option<T>,
    all: &[&str],
) -> Result<Option<T>, Fault> {
    let Some(given) = given else { return Ok(None) };
    read(&given).map(Some).ok_or_else(|| {
        let hint = format!("one of {}", all.join(", "));
        Fault::unclear(format!("`{name}` is not `{}`", note(&given)), hint)
    })
}

/// RFC 3339, a date in UTC, or Unix seconds.
pub fn moment(text: &str) -> Option<UnixSeconds> {
    let midnight = || TimeFormat::Rfc3339.read(&format!("{text}T00:00:00Z"));
    let written = TimeFormat::Seconds.read(text).or_else(|| TimeFormat::Rfc3339.read(text));
    written.or_else(midnight)
}

/// See [`moment`].
fn time(name: &str, given: Option<&Value>) -> Result<Option<UnixSeconds>, Fault> {
    let read = match given {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) => moment(text),
        Some(other) => other.as_i64(),
    };
    read.map(Some).ok_or_else(|| {
        let hint = "`2026-11-27T08:00:00Z`, `2026-11-27` or Unix seconds";
        Fault::unclear(format!("`{name}` is not a time"), hint)
    })
}

/// What somebody has written, fit for a line of a log: no card number, nothing that moves a cursor,
/// not longer than a line.
pub(super) fn note(text: &str) -> String {
    let masked = pan::mask(text);
    let plain = masked.chars().map(|c| if c.is_control() { ' ' } else { c });
    plain.take(NOTE_CHARS_MAX).collect()
}

/// A filter in one line: what was asked for.
pub(super) fn described(parts: &[(&str, Option<String>)]) -> String {
    let given = parts.iter().filter_map(|(name, value)| Some((name, value.as_deref()?)));
    let words: Vec<String> = given.map(|(name, value)| format!("{name}={value}")).collect();
    note(&if words.is_empty() { "all".to_owned() } else { words.join(" ") })
}
