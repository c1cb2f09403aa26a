//! `countersign captures show`: one capture, as far as anybody may see it.

use std::io::Write;

use anyhow::Result;

use crate::cli::Exit;
use crate::cli::operate::{Common, Desk, details, request};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  countersign captures show 42
  countersign captures show 42 --json

No secret, no signature and no card number is shown. Exit status: 0 where there is such a capture, 1
where there is none, 2 where it cannot be asked for.")]
pub(super) struct Args {
    #[command(flatten)]
    common: Common,
    /// The number of the capture, as `captures list` has it.
    id: u64,
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<Exit> {
    let Some(desk) = Desk::open(&args.common)? else { return Ok(Exit::Problem) };
    let answer = desk.get(&format!("/v1/captures/{}", args.id))?;
    if args.common.json {
        writeln!(out, "{answer}")?;
        return Ok(Exit::Fine);
    }
    details(out, &answer["capture"])?;
    writeln!(out)?;
    if answer["request"].is_null() {
        writeln!(out, "the request is sealed under a key that is not in `store.keys`")?;
    } else {
        request(out, &answer["request"])?;
    }
    Ok(Exit::Fine)
}
