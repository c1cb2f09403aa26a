//! What is given on the command line: rules by name or file, parameters as `name=value`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};

use crate::cli::complain;
use crate::config::{self, SecretRef};
use crate::engine::params::Params;
use crate::engine::secret::Secret;
use crate::live::sources::Sources;
use crate::rule::{self, Rule};
use crate::text::problem::{Place, did_you_mean};
use crate::text::{NOT_UTF8, is_yaml, utf8};

/// A shipped rule by its gateway, or the rule of a file. Problems are printed; `None`: it has some.
pub(super) fn rule(name: &str) -> Result<Option<Rule>> {
    let (file, text) = if is_path(name) {
        (name.to_owned(), read_text(Path::new(name))?)
    } else {
        let shipped = rule::shipped();
        let found = shipped.iter().find(|(gateway, _)| *gateway == name).ok_or_else(|| {
            let near = did_you_mean(name, shipped.iter().map(|(gateway, _)| *gateway));
            let near = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
            anyhow!("no rule `{name}` is shipped{near} (a file: give its path, ending in .yaml)")
        })?;
        (format!("rules/{name}.yaml"), found.1.to_owned())
    };
    match rule::compile(&file, &text) {
        Ok(rule) => Ok(Some(rule)),
        Err(problems) => {
            complain(&problems.render(&text));
            Ok(None)
        }
    }
}

/// Whether it names a file, not a shipped rule.
pub(super) fn is_path(name: &str) -> bool {
    name.contains('/') || is_yaml(Path::new(name))
}

/// A file of text.
pub(super) fn read_text(path: &Path) -> Result<String> {
    let name = path.display();
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {name}"))?;
    utf8(bytes).map_err(|Place { line, column, .. }| anyhow!("{name}:{line}:{column}: {NOT_UTF8}"))
}

/// `name=value`; `name=@FILE` and `name=file:PATH` read a file, `name=env:NAME` the environment, as a
/// configuration does. The same name again makes a list.
pub(super) fn params(given: &[String]) -> Result<Params> {
    let mut sources = Sources::of_process();
    let mut params = Params::new();
    for text in given {
        // What has no name may be a secret that lost it: it is not shown.
        let (name, value) = text
            .split_once('=')
            .filter(|(name, _)| !name.is_empty())
            .context("--param: expected NAME=VALUE")?;
        let reference = match value.strip_prefix('@') {
            Some(path) => Some(Ok(SecretRef::File(PathBuf::from(path)))),
            None => config::reference(value),
        };
        let value = match reference {
            None => Ok(Secret::from(value)),
            Some(from) => from.and_then(|from| sources.secret(Path::new(""), &from)),
        };
        let value = value.map_err(|why| anyhow!("parameter `{name}`: {why}"))?;
        params.push(name, value);
    }
    Ok(params)
}
