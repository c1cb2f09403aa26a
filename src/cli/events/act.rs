//! What retry and drop have in common: which events, and asking before it is done to many.

use std::io::Write;

use anyhow::{Result, bail, ensure};
use serde_json::{Value, json};

use crate::cli::operate::{Common, Desk, EventFilter, confirmed, target};
use crate::cli::{Exit, complain};

#[derive(Debug, clap::Args)]
pub(super) struct Which {
    /// Numbers of events, as `events list` has them.
    #[arg(value_name = "SEQ", conflicts_with = "all", required_unless_present = "all")]
    seqs: Vec<u64>,
    /// All events that fit and are waiting, held or dead.
    #[arg(long)]
    all: bool,
    /// Do not ask whether it is meant so.
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    filter: EventFilter,
}

/// `verb` is also a word for people, and `more` goes into the body.
pub(super) fn act(
    verb: &str,
    which: &Which,
    common: &Common,
    more: &[(&str, &str)],
    out: &mut dyn Write,
) -> Result<Exit> {
    ensure!(
        which.all || which.filter.is_empty(),
        "numbers name the events; `--all` goes with filters"
    );
    let Some(desk) = Desk::open(common)? else { return Ok(Exit::Problem) };
    let mut body = if which.all {
        let sums = desk.get(&target("/v1/events/sums", &which.filter.pairs()))?;
        let (count, worth) = actionable(&sums);
        if count == 0 {
            desk.nothing(&which.filter.pairs());
            complain("no event fits that is waiting, held or dead");
            return Ok(Exit::No);
        }
        if !confirmed(&format!("{verb} {count} events ({worth})?"), which.yes)? {
            complain("nothing was done");
            return Ok(Exit::No);
        }
        json!({ "filter": which.filter.to_json(), "expect": count })
    } else {
        json!({ "seqs": which.seqs })
    };
    for (key, value) in more {
        body[*key] = json!(value);
    }
    let answer = desk.post(&format!("/v1/events/{verb}"), &body)?;
    let (Some(matched), Some(changed)) = (answer["matched"].as_u64(), answer["changed"].as_u64())
    else {
        bail!("the answer is not one of this version of countersign");
    };
    if common.json {
        writeln!(out, "{answer}")?;
    } else {
        writeln!(out, "{verb}: {changed} of {matched} events")?;
    }
    if changed < matched && !common.json {
        complain("the others are not there, are being sent just now, or are over already");
    }
    Ok(if changed == matched { Exit::Fine } else { Exit::No })
}

/// How many, and their credits, by state.
fn actionable(sums: &Value) -> (u64, String) {
    let (mut count, mut worth) = (0, Vec::new());
    for state in sums["states"].as_array().into_iter().flatten() {
        let word = state["state"].as_str().unwrap_or_default();
        if ["waiting", "held", "dead"].contains(&word) {
            let of_state = state["count"].as_u64().unwrap_or_default();
            count += of_state;
            let credits = crate::cli::operate::credits(&state["credits"]);
            worth.push(format!("{of_state} {word}, credits: {credits}"));
        }
    }
    (count, worth.join("; "))
}
