//! `countersign schema`: JSON Schemas for editors, and for whoever reads events; the grammar of rules
//! for people.

use std::io::Write;

use anyhow::Result;
use clap::ValueEnum;

use crate::cli::Exit;
use crate::engine::event;
use crate::text::shape::print::{self, Section};
use crate::{config, rule};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  countersign schema rule > rules/rule.schema.json
  countersign schema event
  countersign schema reference | less

With `# yaml-language-server: $schema=./rule.schema.json` as the first line of a rule beside that file,
an editor completes and checks the rule.")]
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
    /// Rule files, as tables in Markdown.
    Reference,
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<Exit> {
    match args.of {
        Of::Event => write!(out, "{}", event::SCHEMA)?,
        Of::Rule => writeln!(out, "{:#}", rule::schema())?,
        Of::Config => writeln!(out, "{:#}", config::schema())?,
        Of::Reference => {
            for Section { shape, text } in print::sections(rule::grammar()) {
                writeln!(out, "### {}\n\n{text}", shape.name)?;
            }
        }
    }
    Ok(Exit::Fine)
}
