//! Which events or captures: options of the command line, as the API takes them.

use clap::builder::PossibleValuesParser;
use serde_json::{Map, Value};

use crate::admin::api::moment;
use crate::app::wall_clock;
use crate::engine::event::Status;
use crate::engine::form;
use crate::store::State;
use crate::text::unit::parse_duration;

fn states() -> PossibleValuesParser {
    State::ALL.map(State::as_str).into()
}

fn statuses() -> PossibleValuesParser {
    Status::ALL.map(Status::as_str).into()
}

/// A time as the API takes it; `2h` is two hours ago.
fn time(text: &str) -> Result<String, String> {
    let Some(ago) = parse_duration(text) else {
        return moment(text).map(|_| text.to_owned()).ok_or_else(|| {
            "expected `2h` (ago), `2026-11-27`, `2026-11-27T08:00:00Z` or Unix seconds".to_owned()
        });
    };
    let ago = i64::try_from(ago.as_secs()).unwrap_or(i64::MAX);
    Ok(wall_clock().saturating_sub(ago).max(0).to_string())
}

/// Of events.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Which")]
pub(in crate::cli) struct EventFilter {
    /// Of this gateway.
    #[arg(long, value_name = "NAME")]
    gateway: Option<String>,
    /// That came on this route: its `name`, or its path where it has none.
    #[arg(long, value_name = "NAME")]
    route: Option<String>,
    /// That stand so.
    #[arg(long, value_name = "STATE", value_parser = states())]
    state: Option<String>,
    /// That say so.
    #[arg(long, value_name = "STATUS", value_parser = statuses())]
    status: Option<String>,
    /// That failed, were held or dropped for this reason.
    #[arg(long, value_name = "WORD", id = "reason")]
    reason: Option<String>,
    /// Of this order or transaction.
    #[arg(long, value_name = "ID")]
    payment: Option<String>,
    /// That came then or later: `2h` ago, `2026-11-27`, `2026-11-27T08:00:00Z`, Unix seconds.
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<String>,
    /// That came before.
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<String>,
}

impl EventFilter {
    pub(in crate::cli) fn pairs(&self) -> Vec<(&'static str, String)> {
        let Self { gateway, route, state, status, reason, payment, since, until } = self;
        given([
            ("gateway", gateway),
            ("route", route),
            ("state", state),
            ("status", status),
            ("why", reason),
            ("payment", payment),
            ("since", since),
            ("until", until),
        ])
    }

    pub(in crate::cli) fn is_empty(&self) -> bool {
        self.pairs().is_empty()
    }

    pub(in crate::cli) fn to_json(&self) -> Value {
        object(self.pairs())
    }
}

/// Of captures.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Which")]
pub(in crate::cli) struct CaptureFilter {
    /// Of this gateway.
    #[arg(long, value_name = "NAME")]
    gateway: Option<String>,
    /// That came on this route: its `name`, or its path where it has none.
    #[arg(long, value_name = "NAME")]
    route: Option<String>,
    /// That ended so: `accepted`, `rejected`, `undelivered`, ….
    #[arg(long, value_name = "OUTCOME")]
    outcome: Option<String>,
    /// For this reason: `signature_mismatch`, `upstream_down`, ….
    #[arg(long, value_name = "WORD")]
    reason: Option<String>,
    /// Whose event says so.
    #[arg(long, value_name = "STATUS", value_parser = statuses())]
    status: Option<String>,
    /// Whose event is of this order or transaction.
    #[arg(long, value_name = "ID")]
    payment: Option<String>,
    /// That came then or later: `2h` ago, `2026-11-27`, `2026-11-27T08:00:00Z`, Unix seconds.
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<String>,
    /// That came before.
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<String>,
}

impl CaptureFilter {
    pub(in crate::cli) fn pairs(&self) -> Vec<(&'static str, String)> {
        let Self { gateway, route, outcome, reason, status, payment, since, until } = self;
        given([
            ("gateway", gateway),
            ("route", route),
            ("outcome", outcome),
            ("reason", reason),
            ("status", status),
            ("payment", payment),
            ("since", since),
            ("until", until),
        ])
    }

    pub(in crate::cli) fn to_json(&self) -> Value {
        object(self.pairs())
    }
}

fn given<const N: usize>(
    options: [(&'static str, &Option<String>); N],
) -> Vec<(&'static str, String)> {
    options.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))).collect()
}

fn object(pairs: Vec<(&'static str, String)>) -> Value {
    let members = pairs.into_iter().map(|(name, value)| (name.to_owned(), value.into()));
    Value::Object(members.collect::<Map<_, _>>())
}

/// Path and query.
pub(in crate::cli) fn target(path: &str, pairs: &[(&str, String)]) -> String {
    let pairs: Vec<(&[u8], &[u8])> =
        pairs.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    // It is ASCII.
    let query = String::from_utf8(form::encode_pairs(&pairs)).unwrap_or_default();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}
