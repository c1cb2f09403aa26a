//! `countersign events retry`: send events again, soon.

use std::io::Write;

use anyhow::Result;

use super::act::{Which, act};
use crate::cli::Exit;
use crate::cli::operate::Common;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  countersign events retry 17 18
  countersign events retry --all --state dead --route /liqpay/
  countersign events retry --all --state held --since 2h --yes

What waits goes at once, what was held or is dead goes as if it had just come. Each goes once, with the
idempotency key that it had: so an application that books once per id takes a known id with another
content (`equivocation`) for known. Where that is the one that is true, book it by hand and drop it.
Exit status: 0 where it was done to all, 1 where to fewer or none, 2 where
it could not be asked for.")]
pub(super) struct Args {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    which: Which,
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<Exit> {
    act("retry", &args.which, &args.common, &[], out)
}
