//! `countersign events show`: one event and its message.

use std::io::Write;

use anyhow::Result;

use crate::cli::Exit;
use crate::cli::operate::{Common, Desk, details};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  countersign events show 4711
  countersign events show 4711 --json | jq .message.event

Of an original it is shown what anybody may see: no secret, no signature, no card number. Exit status:
0 where there is such an event, 1 where there is none, 2 where it cannot be asked for.")]
pub(super) struct Args {
    #[command(flatten)]
    common: Common,
    /// The number of the event, as `events list` has it.
    seq: u64,
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<Exit> {
    let Some(desk) = Desk::open(&args.common)? else { return Ok(Exit::Problem) };
    let answer = desk.get(&format!("/v1/events/{}", args.seq))?;
    if args.common.json {
        writeln!(out, "{answer}")?;
        return Ok(Exit::Fine);
    }
    details(out, &answer["event"])?;
    match &answer["message"] {
        message if message.is_null() => writeln!(out, "\nits message is not kept any more")?,
        message => {
            writeln!(out)?;
            details(out, message)?;
        }
    }
    Ok(Exit::Fine)
}
