//! `countersign events drop`: throw events away.

use std::io::Write;

use anyhow::Result;

use super::act::{Which, act};
use crate::cli::Exit;
use crate::cli::operate::Common;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  countersign events drop 17 --why 'booked by hand, ticket 4711'
  countersign events drop --all --state held --gateway stripe --why 'test shop'

They are not delivered any more, and repetitions of them stay duplicates. Exit status: 0 where it was
done to all, 1 where to fewer or none, 2 where it could not be asked for.")]
pub(super) struct Args {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    which: Which,
    /// Why; it stands in the audit trail, and in the events.
    #[arg(long, value_name = "TEXT")]
    why: String,
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<Exit> {
    act("drop", &args.which, &args.common, &[("why", &args.why)], out)
}
