//! `countersign captures rejudge`: what the rules on disk say to what has come, in captures and in
//! money.

use std::io::{self, Write};

use anyhow::Result;
use serde_json::{Value, json};

use crate::cli::operate::{CaptureFilter, Common, Desk, Table, cell, confirmed, credits};
use crate::cli::{Exit, complain};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  countersign captures rejudge --since 7d                       what would the rules on disk change?
  countersign captures rejudge --route /liqpay/ --outcome rejected
  countersign captures rejudge --route /liqpay/ --since 2h --release

Each capture is judged as of the time at which it came, by the route of the same name, under the rules
and secrets that are on disk now; nothing is published. Gateways are asked where a rule must ask them.
An event counts, and its money, once, however often its gateway has told of it.
With `--release`, what was not accepted and verifies now is delivered: through the outbox, once, also
if it is released again; what was delivered already is a duplicate. Exit status: 0 with a report, 1
where no capture fits because a name is not known, or where the daemon cannot answer now, 2 where the
rules on disk, the configuration or the request are wrong.")]
pub(super) struct Args {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    filter: CaptureFilter,
    /// Deliver what verifies now.
    #[arg(long)]
    release: bool,
    /// Do not ask whether it is meant so.
    #[arg(long, short)]
    yes: bool,
}

const PATH: &str = "/v1/captures/rejudge";

pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<Exit> {
    let Some(desk) = Desk::open(&args.common)? else { return Ok(Exit::Problem) };
    let mut report = ask(&desk, args, args.release && args.yes)?;
    if args.release && !args.yes {
        let deliverable = &report["deliverable"];
        let question = format!("release {}?", worth(deliverable, "capture"));
        if deliverable["count"] != 0 && !confirmed(&question, args.yes)? {
            complain("nothing was released");
            return Ok(Exit::No);
        }
        report = ask(&desk, args, true)?;
    }
    if args.common.json {
        writeln!(out, "{report}")?;
    } else {
        show(out, &report)?;
    }
    let nothing = report["captures"] == 0;
    Ok(if nothing { desk.nothing(&args.filter.pairs()) } else { Exit::Fine })
}

fn ask(desk: &Desk, args: &Args, release: bool) -> Result<Value> {
    let body = json!({ "filter": args.filter.to_json(), "release": release });
    desk.post_long(PATH, &body, PATH, |far| {
        let doing = if release { "releasing" } else { "judging" };
        format!("{doing}: {} of {} captures", cell(&far["judged"]), cell(&far["of"]))
    })
}

fn show(out: &mut dyn Write, report: &Value) -> io::Result<()> {
    let mut kinds = Table::new(&["NOW", "CAPTURES", "FOR EXAMPLE"]);
    for kind in ["same", "now_accepted", "now_rejected", "changed", "undecided"] {
        let counted = &report["kinds"][kind];
        let examples: Vec<String> =
            counted["examples"].as_array().into_iter().flatten().map(cell).collect();
        kinds.row(vec![kind.to_owned(), cell(&counted["captures"]), examples.join(" ")]);
    }
    kinds.print(out)?;
    let reasons = report["reasons"].as_array().map_or(&[][..], Vec::as_slice);
    if !reasons.is_empty() {
        writeln!(out)?;
        let mut table = Table::new(&["REASON THEN", "REASON NOW", "CAPTURES"]);
        for reason in reasons {
            table.row(["before", "after", "captures"].map(|key| cell(&reason[key])).to_vec());
        }
        table.print(out)?;
    }
    writeln!(out, "\ncredits gained: {}", credits(&report["credits"]["gained"]))?;
    writeln!(out, "credits lost:   {}", credits(&report["credits"]["lost"]))?;
    match &report["released"] {
        Value::Null => {
            let deliverable = worth(&report["deliverable"], "capture");
            writeln!(out, "\n`--release` would deliver: {deliverable}, less what is known already")
        }
        released => {
            writeln!(out, "\nqueued:     {}", worth(&released["queued"], "message"))?;
            writeln!(out, "held:       {}", worth(&released["held"], "message"))?;
            writeln!(out, "duplicates: {}", worth(&released["duplicates"], "message"))?;
            writeln!(out, "in flight:  {}", worth(&released["in_flight"], "message"))
        }
    }
}

/// `5 captures, 1 event (credits: 12.50 EUR)`: a gateway may have told of one event more than once.
fn worth(of: &Value, noun: &str) -> String {
    let counted = |count: &Value, noun: &str| {
        format!("{} {noun}{}", cell(count), if *count == 1 { "" } else { "s" })
    };
    let (count, events) = (counted(&of["count"], noun), counted(&of["events"], "event"));
    format!("{count}, {events} (credits: {})", credits(&of["credits"]))
}
