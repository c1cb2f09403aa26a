//! `countersign new`: starts a rule from a captured request.

mod capture;
mod draft;
mod facts;
mod look;
mod packed;
mod proofs;
mod yaml;

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};

use crate::cli::{Exit, message};
use crate::engine::pan::packed as cards;
use crate::rule;
use crate::text::node::{FILE_BYTES_MAX, Node};
use crate::text::problem::Problems;
use crate::text::shape;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  countersign new acme --from capture.http --to rules/acme.yaml
  countersign new acme --from - < capture.http

The capture is raw HTTP/1.1: request line, headers, an empty line, the body. What is printed is a
start: the request as it was, guesses at the signature and the facts, and the capture as an example.
Each TODO is a decision that only the gateway's documentation can make; `countersign check` lists
them and says what else is missing. Secrets and card numbers of the capture are left out.
Exit status: 0, or 2 where there is nothing to start from or the file exists.")]
pub(super) struct Args {
    /// Name of the rule: lower-case letters, digits and `_`.
    name: String,
    /// The captured request; `-`: from standard input.
    #[arg(long, value_name = "CAPTURE")]
    from: PathBuf,
    /// Where to write the rule; never over a file that exists. Default: standard output.
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<Exit> {
    let Args { name, from, to } = args;
    ensure!(
        rule::is_name(name),
        "`{}`: a rule's name is lower-case letters, digits and `_`, and begins with a letter",
        name.escape_debug()
    );
    let message = message::parse(&message::read(from)?).context("cannot read the request")?;
    let text = start(name, &message)?;
    match to {
        None => write!(out, "{text}")?,
        Some(path) => {
            write_new(path, &text)?;
            let path = path.display();
            writeln!(out, "{path} is a start. Decide what is marked TODO, then:")?;
            writeln!(out, "  countersign check {path}")?;
        }
    }
    Ok(Exit::Fine)
}

/// The text of a rule that is structurally one, whatever was captured.
fn start(name: &str, message: &message::Message) -> Result<String> {
    let masked = without_cards(message);
    let text = draft::draft(name, &capture::Capture::of(&masked)?, masked != *message);
    ensure!(
        text.len() <= FILE_BYTES_MAX,
        "the request is too large to be an example: a rule has at most {FILE_BYTES_MAX} bytes"
    );
    let mut problems = Problems::new(name);
    match Node::parse(name, &text) {
        Ok(root) => shape::check(&root, rule::grammar(), &mut problems),
        Err(found) => problems.append(found),
    }
    if !problems.is_empty() {
        bail!("no rule can be started from this request:\n{}", problems.render(&text));
    }
    Ok(text)
}

fn without_cards(message: &message::Message) -> message::Message {
    let headers = message.headers.iter();
    message::Message {
        method: message.method.clone(),
        target: cards::mask_target(&message.target),
        headers: headers.map(|(name, value)| (name.clone(), cards::mask(value))).collect(),
        body: cards::mask(&message.body),
    }
}

/// Writes a file that was not there.
fn write_new(path: &Path, text: &str) -> Result<()> {
    let mut file = match std::fs::File::create_new(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            bail!("{} exists and stays as it is: give another name", path.display())
        }
        Err(error) => {
            return Err(error).with_context(|| format!("cannot write {}", path.display()));
        }
    };
    file.write_all(text.as_bytes()).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must say where")]
mod tests;
