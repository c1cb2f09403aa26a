//! `countersign test`: the examples of rules, and test vectors.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use anyhow::{Result, anyhow};

use crate::cli::given::read_text;
use crate::cli::{Exit, complain};
use crate::rule::vector::Vector;
use crate::rule::{self, Rule};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  countersign test                                     the shipped rules
  countersign test rules/acme.yaml                     a rule of your own
  countersign test --vectors tests/vectors/*.jsonl     vectors under the shipped rules
  countersign test rules/acme.yaml --vectors acme.jsonl

What fails is printed, a line each; the last line is `N passed, N failed`.
Exit status: 0 where all passed, 1 where something failed, 2 where something cannot be read.")]
pub(super) struct Args {
    /// Rule files; beside them the shipped rules count where vectors need them.
    #[arg(value_name = "RULE")]
    rules: Vec<PathBuf>,
    /// Files of vectors, one JSON object a line.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    vectors: Vec<PathBuf>,
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<Exit> {
    let mut tally = Tally::default();
    let mut rules: BTreeMap<String, Rule> = BTreeMap::new();
    let mut sources: Vec<(String, String)> = Vec::new();
    for path in &args.rules {
        match read_text(path) {
            Ok(text) => sources.push((path.display().to_string(), text)),
            Err(error) => tally.unreadable(&error),
        }
    }
    // Vectors need rules; so does a call without any argument.
    if args.rules.is_empty() || !args.vectors.is_empty() {
        let shipped = rule::shipped().iter();
        sources
            .extend(shipped.map(|(name, text)| (format!("rules/{name}.yaml"), (*text).to_owned())));
    }
    for (name, text) in sources {
        match rule::compile(&name, &text) {
            Ok(rule) => {
                // One of your own goes before a shipped one of the same gateway.
                if !rules.contains_key(rule.gateway()) {
                    tally.passed += rule.examples().len() + rule.forgeries();
                    rules.insert(rule.gateway().to_owned(), rule);
                }
            }
            Err(problems) => {
                tally.failed += problems.list.len();
                complain(&problems.render(&text));
            }
        }
    }
    for path in &args.vectors {
        let text = match read_text(path) {
            Ok(text) => text,
            Err(error) => {
                tally.unreadable(&error);
                continue;
            }
        };
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        for (number, line) in lines {
            let place = format!("{}:{}", path.display(), number + 1);
            let vector = match Vector::parse(line) {
                Ok(vector) => vector,
                Err(what) => {
                    tally.unreadable(&anyhow!("{place}: {what}"));
                    continue;
                }
            };
            if let Err(what) = run_one(&vector, &rules) {
                tally.failed += 1;
                writeln!(out, "{place}: {}/{}: {what}", vector.gateway, vector.name)?;
            } else {
                tally.passed += 1;
            }
        }
    }
    let Tally { passed, failed, unreadable } = tally;
    writeln!(out, "{passed} passed, {failed} failed")?;
    Ok(match (unreadable, failed) {
        (true, _) => Exit::Problem,
        (false, 0) => Exit::Fine,
        (false, _) => Exit::No,
    })
}

#[derive(Default)]
struct Tally {
    passed: usize,
    failed: usize,
    /// Something was not run at all.
    unreadable: bool,
}

impl Tally {
    /// The rest is run nevertheless.
    fn unreadable(&mut self, why: &anyhow::Error) {
        self.unreadable = true;
        complain(&format!("error: {why:#}"));
    }
}

fn run_one(vector: &Vector, rules: &BTreeMap<String, Rule>) -> Result<(), String> {
    vector.run(rules.get(&vector.gateway).ok_or("no rule for this gateway")?)
}
