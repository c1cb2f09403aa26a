//! What is given on the command line: rules by name or file, parameters as `name=value`.

use std::path::Path;

use anyhow::{Context as _, Result, anyhow, bail};

use crate::cli::complain;
use crate::engine::params::Params;
use crate::engine::secret::Secret;
use crate::rule::{self, Rule};
use crate::text::problem::did_you_mean;

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

fn is_path(name: &str) -> bool {
    name.contains('/')
        || Path::new(name)
            .extension()
            .is_some_and(|extension| extension == "yaml" || extension == "yml")
}

/// A file of text.
pub(super) fn read_text(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// `name=value`; `name=@FILE` and `name=file:PATH` read a file, `name=env:NAME` the environment.
/// The same name again makes a list.
pub(super) fn params(given: &[String]) -> Result<Params> {
    let mut params = Params::new();
    for text in given {
        let (name, value) = text
            .split_once('=')
            .ok_or_else(|| anyhow!("expected NAME=VALUE, found `{}`", name_only(text)))?;
        params.push(name, Secret::new(value_of(value).with_context(|| format!("--param {name}"))?));
    }
    Ok(params)
}

fn value_of(value: &str) -> Result<Vec<u8>> {
    if let Some(path) = value.strip_prefix('@').or_else(|| value.strip_prefix("file:")) {
        let mut bytes = std::fs::read(path).with_context(|| format!("cannot read {path}"))?;
        // As in a configuration: one line break at the end is not part of it.
        if bytes.last() == Some(&b'\n') {
            bytes.pop();
        }
        return Ok(bytes);
    }
    if let Some(name) = value.strip_prefix("env:") {
        let Ok(value) = std::env::var(name) else {
            bail!("the environment has no readable `{name}`");
        };
        return Ok(value.into_bytes());
    }
    Ok(value.as_bytes().to_vec())
}

/// Without what may be a secret.
fn name_only(text: &str) -> &str {
    text.split(char::is_whitespace).next().unwrap_or_default()
}
