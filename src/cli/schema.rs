//! `countersign schema`: JSON Schemas for editors, and for whoever reads events.

use std::io::Write;

use anyhow::Result;
use clap::ValueEnum;

use crate::cli::Exit;
use crate::engine::event;
use crate::{config, rule};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  countersign schema rule > rule.schema.json     # yaml-language-server: $schema=rule.schema.json
  countersign schema event")]
pub(super) struct Args {
    /// Of what.
    of: Of,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Of {
    /// The canonical event.
    Event,
    /// Rule files.
    Rule,
    /// The configuration.
    Config,
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<Exit> {
    match args.of {
        Of::Event => write!(out, "{}", event::SCHEMA)?,
        Of::Rule => writeln!(out, "{:#}", rule::schema())?,
        Of::Config => writeln!(out, "{:#}", config::schema())?,
    }
    Ok(Exit::Fine)
}
