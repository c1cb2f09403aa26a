//! `countersign captures`: inbounds as they came, and what rules say to them. One file per verb.

mod list;
mod rejudge;
mod show;

use std::io::Write;

use anyhow::Result;
use clap::Subcommand;

use crate::cli::Exit;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List captures, the newest first.
    List(list::Args),
    /// Show one capture, as far as anybody may see it.
    Show(show::Args),
    /// Judge captures under the rules on disk, and release what verifies now.
    Rejudge(rejudge::Args),
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<Exit> {
    match &args.verb {
        Verb::List(args) => list::run(args, out),
        Verb::Show(args) => show::run(args, out),
        Verb::Rejudge(args) => rejudge::run(args, out),
    }
}
