//! `countersign completions` and `countersign man`, generated from the command line itself.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::cli::{Cli, Exit};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  countersign completions bash > /etc/bash_completion.d/countersign
  countersign completions zsh > ~/.zfunc/_countersign")]
pub(super) struct CompletionsArgs {
    /// For which shell.
    shell: Shell,
}

pub(super) fn completions(args: &CompletionsArgs, out: &mut dyn Write) -> Result<Exit> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "countersign", &mut text);
    out.write_all(&text)?;
    Ok(Exit::Fine)
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  countersign man | man -l -
  countersign man --out /usr/local/share/man/man1")]
pub(super) struct ManArgs {
    /// A folder for the pages of all commands.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(super) fn man(args: &ManArgs, out: &mut dyn Write) -> Result<Exit> {
    match &args.out {
        Some(folder) => clap_mangen::generate_to(Cli::command(), folder)
            .with_context(|| format!("cannot write to {}", folder.display()))?,
        None => clap_mangen::Man::new(Cli::command()).render(&mut &mut *out)?,
    }
    Ok(Exit::Fine)
}
