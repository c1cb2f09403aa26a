//! `countersign captures list`: the newest first.

use std::io::Write;

use anyhow::Result;
use serde_json::Value;

use crate::cli::Exit;
use crate::cli::operate::{CaptureFilter, Common, Desk, Sum, Table, cell, lines, target};
use crate::store::ROWS_MAX;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  countersign captures list
  countersign captures list --outcome rejected --since 2h
  countersign captures list --reason signature_mismatch --route /liqpay/ --json

The running daemon is asked; where none runs, its files are read. Exit status: 0 with a list, also an
empty one; 1 where it is empty because a name is not known, or where the daemon cannot answer now;
2 where the configuration or the request is wrong.")]
pub(super) struct Args {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    filter: CaptureFilter,
    /// Captures at most.
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<Exit> {
    let Some(desk) = Desk::open(&args.common)? else { return Ok(Exit::Problem) };
    let (mut left, mut before) = (args.limit, None);
    let head = ["ID", "RECEIVED", "ROUTE", "OUTCOME", "REASON", "AT", "ORDER", "AMOUNT", "PEER"];
    let (mut table, mut sum) = (Table::new(&head), Sum::default());
    while left > 0 {
        let page = left.min(ROWS_MAX);
        let mut pairs = args.filter.pairs();
        pairs.push(("limit", page.to_string()));
        pairs.extend(before.map(|before: i64| ("before", before.to_string())));
        let answer = desk.get(&target("/v1/captures", &pairs))?;
        if args.common.json {
            lines(out, &answer["captures"])?;
        }
        for capture in answer["captures"].as_array().into_iter().flatten() {
            table.row(row(capture));
            sum.add(&capture["outcome"], &capture["said"]);
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
        writeln!(out, "{}{more}", sum.said("capture"))?;
    }
    Ok(if sum.is_empty() { desk.nothing(&args.filter.pairs()) } else { Exit::Fine })
}

fn row(capture: &Value) -> Vec<String> {
    let said = &capture["said"];
    let of = |key: &str| cell(&capture[key]);
    vec![
        of("id"),
        of("received_at"),
        of("route"),
        of("outcome"),
        of("reason"),
        of("place"),
        cell(&said["order_id"]),
        cell(&said["amount"]),
        of("peer"),
    ]
}
