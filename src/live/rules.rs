//! Which rules are active: those on disk, then the shipped ones. A broken file leaves the rule
//! that it held before.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use crate::live::loader::Report;
use crate::live::sources::{Digest, RulePath, Sources, digest};
use crate::rule::{self, Rule};
use crate::text::node::Node;
use crate::text::problem::{Place, Problem, Problems};

/// A compiled rule and where it is from.
#[derive(Clone)]
pub struct LoadedRule {
    /// Its file; `None`: shipped with countersign.
    pub path: Option<PathBuf>,
    /// The rule.
    pub rule: Rule,
}

/// Rules by gateway.
#[derive(Clone, Default)]
pub(super) struct RuleSet {
    rules: BTreeMap<String, LoadedRule>,
    /// Gateways whose rule is that of before, because its file is broken now.
    stale: BTreeSet<String>,
    /// Some file is broken, and nobody knows which gateway it was meant for.
    pub(super) incomplete: bool,
}

impl RuleSet {
    pub(super) fn get(&self, gateway: &str) -> Option<&Rule> {
        self.rules.get(gateway).map(|loaded| &loaded.rule)
    }

    pub(super) fn is_stale(&self, gateway: &str) -> bool {
        self.stale.contains(gateway)
    }

    /// By gateway.
    pub(super) fn all(&self) -> impl Iterator<Item = &LoadedRule> {
        self.rules.values()
    }

    /// Every gateway that a route may name.
    pub(super) fn gateways(&self) -> impl Iterator<Item = &str> {
        let shipped = rule::shipped().iter().map(|(gateway, _)| *gateway);
        self.rules.keys().map(String::as_str).chain(shipped)
    }
}

/// Compiles rules, each text once: compiling also runs the examples and their forgeries.
#[derive(Default)]
pub(super) struct Compiler {
    cache: HashMap<(String, Digest), Rule>,
    /// How often a text was compiled.
    pub(super) compilations: u64,
}

impl Compiler {
    fn compile(&mut self, file: &str, text: &str) -> Result<Rule, Report> {
        let key = (file.to_owned(), digest(text));
        if let Some(rule) = self.cache.get(&key) {
            return Ok(rule.clone());
        }
        self.compilations += 1;
        let rule = rule::compile(file, text)
            .map_err(|problems| Report { problems, source: text.to_owned() })?;
        // A file's older texts are not needed again.
        self.cache.retain(|(cached, _), _| cached != file);
        self.cache.insert(key, rule.clone());
        Ok(rule)
    }

    /// The rules of these files and folders, those of `before` where a file is broken, and the
    /// shipped ones of the gateways `wanted`. Every file is looked at.
    pub(super) fn load(
        &mut self,
        paths: &[PathBuf],
        wanted: &BTreeSet<&str>,
        before: &RuleSet,
        sources: &mut Sources,
    ) -> (RuleSet, Vec<Report>) {
        let mut loading = Loading { compiler: self, sources, set: RuleSet::default() };
        let mut reports = Vec::new();
        let mut broken: Vec<PathBuf> = Vec::new();
        for path in loading.files(paths, &mut reports, &mut broken) {
            if let Err(report) = loading.file(&path) {
                reports.push(report);
                broken.push(path);
            }
        }
        let mut set = loading.set;
        set.incomplete = !broken.is_empty();
        for (gateway, old) in &before.rules {
            let from = |path: &PathBuf| broken.iter().any(|broken| path.starts_with(broken));
            if !set.rules.contains_key(gateway) && old.path.as_ref().is_some_and(from) {
                set.stale.insert(gateway.clone());
                set.rules.insert(gateway.clone(), old.clone());
            }
        }
        for (gateway, text) in rule::shipped() {
            if wanted.contains(gateway) && !set.rules.contains_key(*gateway) {
                match self.compile(&format!("shipped {gateway}.yaml"), text) {
                    Ok(rule) => {
                        set.rules.insert((*gateway).to_owned(), LoadedRule { path: None, rule });
                    }
                    Err(report) => reports.push(report),
                }
            }
        }
        (set, reports)
    }
}

struct Loading<'a> {
    compiler: &'a mut Compiler,
    sources: &'a mut Sources,
    set: RuleSet,
}

impl Loading<'_> {
    fn files(
        &mut self,
        paths: &[PathBuf],
        reports: &mut Vec<Report>,
        broken: &mut Vec<PathBuf>,
    ) -> BTreeSet<PathBuf> {
        let mut files = BTreeSet::new();
        for path in paths {
            match self.sources.rule_path(path) {
                Ok(RulePath::File) => {
                    files.insert(path.clone());
                }
                Ok(RulePath::Folder(found)) => files.extend(found),
                Err(error) => {
                    reports.push(Report::unreadable(path, error.into()));
                    broken.push(path.clone());
                }
            }
        }
        files
    }

    fn file(&mut self, path: &Path) -> Result<(), Report> {
        let text = self.sources.text(path).map_err(|unread| Report::unreadable(path, unread))?;
        let rule = self.compiler.compile(&path.display().to_string(), &text)?;
        if let Some(first) = self.set.rules.get(rule.gateway()) {
            let first = first.path.as_deref().unwrap_or(Path::new("")).display().to_string();
            return Err(defined_twice(path, text, rule.gateway(), &first));
        }
        let loaded = LoadedRule { path: Some(path.to_owned()), rule: rule.clone() };
        self.set.rules.insert(rule.gateway().to_owned(), loaded);
        Ok(())
    }
}

fn defined_twice(path: &Path, text: String, gateway: &str, first: &str) -> Report {
    let file = path.display().to_string();
    let node = Node::parse(&file, &text).ok();
    let place = node.and_then(|node| Some(node.get("gateway")?.place));
    let mut problems = Problems::new(file);
    problems.push(
        Problem::new(
            place.unwrap_or(Place { line: 1, column: 1, len: 1 }),
            format!("the gateway `{gateway}` has a rule already"),
        )
        .help(format!("it is in {first}; remove one of the two")),
    );
    Report { problems, source: text }
}
