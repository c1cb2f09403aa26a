//! `countersign rules`: what is shipped.

use std::io::Write;

use anyhow::{Context as _, Result};

use crate::cli::{Exit, given};
use crate::engine::params::{ParamKind, ParamSpec};
use crate::rule;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  countersign rules                               what is shipped
  countersign rules stripe                        its parameters, and where they are found
  countersign rules stripe --yaml > my.yaml       its text, to be changed")]
pub(super) struct Args {
    /// One of them, with its parameters.
    gateway: Option<String>,
    /// Its text.
    #[arg(long, requires = "gateway")]
    yaml: bool,
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<Exit> {
    let Some(name) = &args.gateway else {
        for (gateway, text) in rule::shipped() {
            if let Ok(rule) = rule::compile(gateway, text) {
                let params: Vec<&str> =
                    rule.params().iter().map(|spec| spec.name.as_str()).collect();
                writeln!(out, "{gateway:<14} {:<20} {}", rule.title(), params.join(", "))?;
            }
        }
        return Ok(Exit::Fine);
    };
    let Some(rule) = given::rule(name)? else { return Ok(Exit::Problem) };
    if args.yaml {
        let (_, text) = rule::shipped()
            .iter()
            .find(|(gateway, _)| gateway == name)
            .context("only the text of a shipped rule is printed; yours is in its file")?;
        write!(out, "{text}")?;
        return Ok(Exit::Fine);
    }
    writeln!(
        out,
        "{} ({})\n{}\n{}\n\nparameters:",
        rule.gateway(),
        rule.title(),
        rule.docs(),
        rule.hash()
    )?;
    for spec in rule.params() {
        writeln!(out, "  {:<18} {}", spec.name, describe(spec))?;
        if let Some(hint) = &spec.hint {
            writeln!(out, "  {:<18}   {hint}", "")?;
        }
    }
    Ok(Exit::Fine)
}

fn describe(spec: &ParamSpec) -> String {
    let kind = match &spec.kind {
        ParamKind::Certificate => "PEM certificates".to_owned(),
        ParamKind::Network => "an address or a network".to_owned(),
        ParamKind::Url => "the beginning of a URL".to_owned(),
        ParamKind::Choice(words) => format!("one of {}", words.join(", ")),
        ParamKind::PublicKey => "a PEM public key or certificate".to_owned(),
        ParamKind::Seconds => "seconds".to_owned(),
        ParamKind::Secret => "a secret, by reference (env:, file:)".to_owned(),
        ParamKind::Text => "text".to_owned(),
    };
    let list = if spec.list { "; several may be active" } else { "" };
    let optional = if spec.optional { "; optional" } else { "" };
    let default = match spec.default.as_slice() {
        [] => String::new(),
        words => format!("; default {}", words.join(", ")),
    };
    format!("{kind}{list}{optional}{default}")
}
