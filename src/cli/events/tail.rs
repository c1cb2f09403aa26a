//! `countersign events tail`: events as they come.

use std::io::Write;
use std::time::Duration;

use anyhow::Result;

use crate::cli::operate::{Common, Desk, EventFilter, lines, target};
use crate::cli::{Exit, complain};
use crate::store::ROWS_MAX;

use super::{row, table};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  countersign events tail
  countersign events tail --gateway stripe --status succeeded --json
  countersign events tail --last 100

Goes on until it is interrupted or the daemon ends. What becomes of an event after it came, `events list` shows.")]
pub(super) struct Args {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    filter: EventFilter,
    /// Begin with so many that are there already.
    #[arg(long, value_name = "N", default_value_t = 10)]
    last: usize,
}

const POLL: Duration = Duration::from_secs(1);

pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<Exit> {
    let Some(desk) = Desk::open(&args.common)? else { return Ok(Exit::Problem) };
    let mut table = table();
    let (is_any, last) = last(&desk, args)?;
    if !is_any && desk.nothing(&args.filter.pairs()) == Exit::No {
        return Ok(Exit::No);
    }
    let mut after = last.unwrap_or(0);
    loop {
        let mut pairs = args.filter.pairs();
        pairs.extend([("limit", ROWS_MAX.to_string()), ("after", after.to_string())]);
        let answer = desk.get(&target("/v1/events", &pairs))?;
        for event in answer["events"].as_array().into_iter().flatten() {
            after = event["seq"].as_i64().unwrap_or(after);
            table.row(row(event));
        }
        if args.common.json {
            lines(out, &answer["events"])?;
        } else {
            table.print(out)?;
        }
        out.flush()?;
        if !answer["next"].is_null() {
            continue;
        }
        if !desk.is_live() {
            complain("nothing comes while the daemon does not run");
            return Ok(Exit::Fine);
        }
        desk.wait(POLL);
    }
}

/// Whether there are any, and the number behind which the last few come; `None`: they are all there
/// is.
fn last(desk: &Desk, args: &Args) -> Result<(bool, Option<i64>)> {
    let mut pairs = args.filter.pairs();
    pairs.push(("limit", args.last.saturating_add(1).clamp(1, ROWS_MAX).to_string()));
    let answer = desk.get(&target("/v1/events", &pairs))?;
    let events = answer["events"].as_array().map_or(&[][..], Vec::as_slice);
    let behind = events.get(args.last).or(events.last().filter(|_| events.len() == ROWS_MAX));
    Ok((!events.is_empty(), behind.and_then(|event| event["seq"].as_i64())))
}
