//! `countersign run`: serve callbacks.

use std::path::PathBuf;
use std::sync::Arc;

use crate::app::{self, Ended, Setup};
use crate::cli::{Exit, complain};
use crate::live::Live;
use crate::live::loader::{Failure, Loaded, Loader, Report};
use crate::live::sources::Sources;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  countersign run --config /etc/countersign/countersign.yaml
  countersign run --config examples/quickstart/countersign.yaml

Files are watched; SIGHUP reloads, SIGTERM and SIGINT drain, SIGUSR2 starts the program anew and has
it take over the sockets. The log goes to standard error. Sockets that systemd passes are served by
the listeners of the same address.
Exit status: 0 after a drain, 1 where it had to cut off what was not finished in time, 2 where the
configuration or a rule is broken or a successor has not come up with the store.")]
pub(super) struct Args {
    /// The configuration.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

pub(super) fn run(args: &Args) -> Exit {
    let mut loader = Loader::new(&args.config, Sources::of_process());
    let Loaded { boot, store, snapshot, reports } = match loader.load() {
        Ok(first) => first,
        Err(Failure { reports }) => {
            reports.iter().map(Report::render).for_each(|text| complain(&text));
            return Exit::Problem;
        }
    };
    reports.iter().map(Report::render).for_each(|text| complain(&text));
    let live = Arc::new(Live::new(snapshot));
    let setup = Setup { boot, store, live, source: Some(Box::new(loader)), clock: app::wall_clock };
    match app::run(setup) {
        Ok(Ended::Drained) => Exit::Fine,
        Ok(Ended::CutOff) => Exit::No,
        Err(error) => {
            complain(&format!("error: {error}"));
            Exit::Problem
        }
    }
}
