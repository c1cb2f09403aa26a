//! Asks the person before the terminal whether it is meant so.

use std::io::{IsTerminal as _, Write as _};

use anyhow::{Result, bail};

/// Whether `yes` was said, on the command line or now.
pub(in crate::cli) fn confirmed(question: &str, yes: bool) -> Result<bool> {
    if yes {
        return Ok(true);
    }
    if !std::io::stdin().is_terminal() {
        bail!("{question} Nobody is there to be asked: say `--yes`");
    }
    write!(std::io::stderr(), "{question} [y/N] ")?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
