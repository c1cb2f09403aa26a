//! `countersign events list`: the newest first.

use std::io::Write;

use anyhow::Result;

use crate::cli::Exit;
use crate::cli::operate::{Common, Desk, EventFilter, Sum, lines, target};
use crate::store::ROWS_MAX;

use super::{row, table};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  countersign events list
  countersign events list --state dead --since 7d
  countersign events list --payment order-4711 --json
  countersign events list --config /etc/countersign/countersign.yaml --limit 5000 --route /liqpay/

The running daemon is asked; where none runs, its files are read. Exit status: 0 with a list, also an
empty one; 1 where it is empty because a name is not known, or where the daemon cannot answer now;
2 where the configuration or the request is wrong.")]
pub(super) struct Args {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    filter: EventFilter,
    /// Events at most.
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<Exit> {
    let Some(desk) = Desk::open(&args.common)? else { return Ok(Exit::Problem) };
    let (mut left, mut before) = (args.limit, None);
    let (mut table, mut sum) = (table(), Sum::default());
    while left > 0 {
        let page = left.min(ROWS_MAX);
        let mut pairs = args.filter.pairs();
        pairs.push(("limit", page.to_string()));
        pairs.extend(before.map(|before: i64| ("before", before.to_string())));
        let answer = desk.get(&target("/v1/events", &pairs))?;
        if args.common.json {
            lines(out, &answer["events"])?;
        }
        for event in answer["events"].as_array().into_iter().flatten() {
            table.row(row(event));
            sum.add(&event["state"], event);
        }
        if !args.common.json {
            table.print(out)?;
        }
        left -= page;
        before = answer["next"].as_i64();
        if before.is_none() {
            break;
        }
    }
    if !args.common.json {
        let more = if before.is_some() { "; there are more (`--limit`)" } else { "" };
        writeln!(out, "{}{more}", sum.said("event"))?;
    }
    Ok(if sum.is_empty() { desk.nothing(&args.filter.pairs()) } else { Exit::Fine })
}
