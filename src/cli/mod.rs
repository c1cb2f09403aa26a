//! The command line: one file per subcommand, the exit codes here.

mod captures;
mod check;
mod events;
mod given;
mod message;
mod new;
mod operate;
mod pages;
mod rules;
mod run;
mod schema;
mod send;
mod test;
mod verify;

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use operate::Declined;

/// How a command ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Exit {
    /// Fine.
    Fine,
    /// The question was answered with no: rejected, not delivered, a vector that fails.
    No,
    /// The input is wrong: configuration, rule, parameters, usage.
    Problem,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Fine => 0,
            Exit::No => 1,
            Exit::Problem => 2,
        })
    }
}

/// Verifies payment callbacks by YAML rules, normalizes them to one canonical event and forwards it
/// counter-signed.
#[derive(Debug, Parser)]
#[command(name = "countersign", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve callbacks.
    Run(run::Args),
    /// Say everything that is wrong with rules and configurations, and what covers each fact.
    Check(check::Args),
    /// Start a rule from a captured request.
    New(new::Args),
    /// Run the examples of rules, and test vectors.
    Test(test::Args),
    /// Judge one request from a file.
    Verify(verify::Args),
    /// Sign an example of a rule and post it.
    Send(send::Args),
    /// Look at events that are kept, and retry or drop them.
    Events(events::Args),
    /// Look at inbounds that were kept, and judge them again.
    Captures(captures::Args),
    /// Show the shipped rules.
    Rules(rules::Args),
    /// Print a JSON Schema, or the reference of rule files.
    Schema(schema::Args),
    /// Print shell completions.
    Completions(pages::CompletionsArgs),
    /// Print the manual page, or write one for each command.
    Man(pages::ManArgs),
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let Cli { command } = Cli::parse();
    let mut out = io::stdout().lock();
    let done = match command {
        // The daemon prints events itself, from its own threads.
        Command::Run(args) => {
            drop(out);
            return run::run(&args).into();
        }
        Command::Check(args) => check::run(&args, &mut out),
        Command::New(args) => new::run(&args, &mut out),
        Command::Test(args) => test::run(&args, &mut out),
        Command::Verify(args) => verify::run(&args, &mut out),
        Command::Send(args) => send::run(&args, &mut out),
        Command::Events(args) => events::run(&args, &mut out),
        Command::Captures(args) => captures::run(&args, &mut out),
        Command::Rules(args) => rules::run(&args, &mut out),
        Command::Schema(args) => schema::run(&args, &mut out),
        Command::Completions(args) => pages::completions(&args, &mut out),
        Command::Man(args) => pages::man(&args, &mut out),
    };
    match done.and_then(|exit| out.flush().map(|()| exit).map_err(Into::into)) {
        Ok(exit) => exit.into(),
        // Whoever read our output has seen enough. It is no yes: nobody has heard the answer.
        Err(error) if is_broken_pipe(&error) => Exit::Problem.into(),
        Err(error) => tell(&error).into(),
    }
}

/// What went wrong, to whoever must mend it.
fn tell(error: &anyhow::Error) -> Exit {
    if let Some(declined) = error.downcast_ref::<Declined>() {
        return declined.tell();
    }
    complain(&format!("error: {error:#}"));
    Exit::Problem
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == ErrorKind::BrokenPipe)
}

/// A line for the operator on standard error. If even that is gone, nobody is there to be told.
fn complain(text: &str) {
    writeln!(io::stderr(), "{}", text.trim_end()).ok();
}
