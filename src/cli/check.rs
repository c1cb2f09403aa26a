//! `countersign check`: everything that is wrong with rules and configurations, and what covers
//! each fact.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use crate::app::wall_clock;
use crate::cli::given::read_text;
use crate::cli::{Exit, complain};
use crate::engine::bind::StrengthPlan;
use crate::live::Snapshot;
use crate::live::loader::{Failure, Loaded, Loader, Report};
use crate::live::sources::Sources;
use crate::rule::coverage::Row;
use crate::rule::{self, Recommended, Rule};
use crate::text::node::Node;
use crate::text::{is_hidden, is_yaml};

/// In seconds.
const DAY: i64 = 24 * 3600;

/// Files that a folder is searched for, at most.
const FILES_MAX: usize = 1000;

/// Where a rule is from that is no file.
const SHIPPED: &str = "shipped rule";

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  countersign check                          the shipped rules
  countersign check rules/acme.yaml          a rule
  countersign check rules examples           every rule and configuration in these folders
  countersign check --config countersign.yaml

A YAML file with `routes` or `listen` is taken for a configuration, one with `gateway` for a rule;
another is passed over in a folder, and wrong where it is named.
Exit status: 0 where nothing is wrong, 1 where a route of `--config` is out of service, 2 where something
is wrong. Every problem of every file is shown. Configurations that are found in folders are files like
others: their secrets may be elsewhere.")]
pub(super) struct Args {
    /// A configuration, with the rules that it names.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Rule files, configurations, or folders of them.
    #[arg(value_name = "RULE")]
    rules: Vec<PathBuf>,
    /// No tables of rules: only problems, and what becomes of each route of a configuration.
    #[arg(long, short)]
    quiet: bool,
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<Exit> {
    let mut checker =
        Checker { quiet: args.quiet, shown: BTreeSet::new(), told: BTreeSet::new(), out };
    if args.config.is_none() && args.rules.is_empty() {
        for (_, text) in rule::shipped() {
            checker.rule(SHIPPED, text)?;
        }
    }
    let serves = match &args.config {
        Some(path) => checker.config(path)?,
        None => true,
    };
    for path in &args.rules {
        let mut files = Vec::new();
        if let Err(error) = collect(path, &mut files) {
            checker.problem(format!("error: {error:#}"));
        }
        // A file that was named is meant; what lies in a folder may be of other programs.
        let named = !path.is_dir();
        for file in files {
            checker.file(&file, named)?;
        }
    }
    Ok(match checker.told.is_empty() {
        false => Exit::Problem,
        true if !serves => Exit::No,
        true => Exit::Fine,
    })
}

fn collect(path: &Path, into: &mut Vec<PathBuf>) -> Result<()> {
    if !path.is_dir() {
        into.push(path.to_owned());
        return Ok(());
    }
    let entries =
        std::fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut found: Vec<PathBuf> = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()
        .with_context(|| format!("cannot read {}", path.display()))?;
    found.sort();
    for path in found {
        if !is_hidden(&path) && (path.is_dir() || is_yaml(&path)) {
            ensure!(into.len() < FILES_MAX, "more than {FILES_MAX} files");
            collect(&path, into)?;
        }
    }
    Ok(())
}

/// What the author of a rule has still to decide: `countersign new` marks it.
fn decisions(name: &str, text: &str) -> Option<String> {
    let lines = text.lines().enumerate();
    let left: Vec<String> = lines
        .filter_map(|(at, line)| {
            let (_, what) = line.split_once("TODO: ")?;
            Some(format!(
                "{name}:{}: still to be decided: {}\n",
                at + 1,
                what.trim_end_matches('"')
            ))
        })
        .collect();
    (!left.is_empty()).then(|| left.concat())
}

struct Checker<'o> {
    quiet: bool,
    /// Hashes of the rules whose table was printed: a folder may hold a rule and a configuration
    /// that names it.
    shown: BTreeSet<String>,
    /// The problems that were printed, for the same reason.
    told: BTreeSet<String>,
    out: &'o mut dyn Write,
}

impl Checker<'_> {
    fn problem(&mut self, text: String) {
        if !self.told.contains(&text) {
            complain(&text);
            self.told.insert(text);
        }
    }

    /// A file that may be a rule or a configuration; another is let be, unless it was named.
    fn file(&mut self, path: &Path, named: bool) -> Result<()> {
        let text = match read_text(path) {
            Ok(text) => text,
            Err(error) => {
                self.problem(format!("error: {error:#}"));
                return Ok(());
            }
        };
        let name = path.display().to_string();
        match Node::parse(&name, &text) {
            Ok(root) if root.get("routes").or(root.get("listen")).is_some() => {
                self.config(path)?;
                Ok(())
            }
            Ok(root) if root.get("gateway").or(root.get("proofs")).is_none() => {
                let what = format!("{name}: neither a rule nor a configuration");
                if named {
                    self.problem(format!("error: {what}: it has no `gateway` and no `routes`"));
                } else {
                    writeln!(self.out, "{what}; not checked\n")?;
                }
                Ok(())
            }
            Ok(_) | Err(_) => self.rule(&name, &text),
        }
    }

    fn rule(&mut self, name: &str, text: &str) -> Result<()> {
        match rule::compile(name, text) {
            Ok(rule) => self.table(name, &rule)?,
            Err(problems) => self.problem(problems.render(text)),
        }
        if let Some(left) = decisions(name, text) {
            self.problem(left);
        }
        Ok(())
    }

    fn table(&mut self, name: &str, rule: &Rule) -> Result<()> {
        let out = &mut self.out;
        if self.quiet || !self.shown.insert(rule.hash().to_owned()) {
            return Ok(());
        }
        writeln!(out, "{name}: {} ({})", rule.gateway(), rule.title())?;
        for variant in rule.variants() {
            let title = if variant.title.is_empty() { "facts" } else { &variant.title };
            writeln!(out, "  {title}")?;
            for Row { fact, reference, covered_by } in &variant.coverage {
                let by = match covered_by.as_slice() {
                    [] => "NOTHING (the rule says why)".to_owned(),
                    kinds => kinds.join(", "),
                };
                writeln!(out, "    {fact:<18} {reference:<48} {by}")?;
            }
            let StrengthPlan { least, by_algorithm } = &variant.strength;
            match by_algorithm {
                None => writeln!(out, "    strength: {}", least.as_str())?,
                Some((_, words)) => {
                    let words = words.iter().map(|(word, by)| format!("{} by {word}", by.as_str()));
                    writeln!(out, "    strength: {}", words.collect::<Vec<_>>().join(", "))?;
                }
            }
            for weak in &variant.weak {
                writeln!(out, "    weak: {weak}")?;
            }
        }
        if let Some(Recommended { delivery, because }) = rule.recommended() {
            writeln!(out, "  delivery: {}: {because}", delivery.as_str())?;
        }
        for what in rule.unconfirmed() {
            writeln!(out, "  unconfirmed: {what}")?;
        }
        writeln!(
            out,
            "  {} examples as they must be, {} forgeries refused\n",
            rule.examples().len(),
            rule.forgeries()
        )?;
        Ok(())
    }

    /// A configuration by the same path as at start, and what would be out of service. Whether no
    /// route of it would be.
    fn config(&mut self, path: &Path) -> Result<bool> {
        let mut serves = true;
        let mut loader = Loader::new(path, Sources::of_process());
        let loaded = loader.load();
        for rule in loader.rules() {
            let file = rule.path.as_ref().map(|path| path.display().to_string());
            self.table(file.as_deref().unwrap_or(SHIPPED), &rule.rule)?;
        }
        match loaded {
            Err(Failure { reports }) => {
                reports.iter().map(Report::render).for_each(|text| self.problem(text));
            }
            Ok(Loaded { snapshot, .. }) => {
                let mut routes: Vec<_> = snapshot.routes.iter().collect();
                routes.sort_by_key(|(path, _)| *path);
                writeln!(self.out, "{}: {} routes", path.display(), routes.len())?;
                for (path, route) in routes {
                    let state = match &route.bound {
                        Ok(_) => "ready".to_owned(),
                        Err(reasons) => {
                            serves = false;
                            format!("OUT OF SERVICE: {}", reasons.join("; "))
                        }
                    };
                    let delivery = route.delivery.as_str();
                    writeln!(self.out, "  {path:<40} {:<12} {delivery:<8} {state}", route.gateway)?;
                }
                for warning in &snapshot.warnings {
                    writeln!(self.out, "  WARNING: {warning}")?;
                }
                self.site(&snapshot)?;
                for pair in snapshot.tls.iter().flat_map(|tls| tls.pairs()) {
                    let end = jiff::Timestamp::from_second(pair.expires_at());
                    let end = end.map_or_else(|_| "never".to_owned(), |end| end.to_string());
                    let left = (pair.expires_at() - wall_clock()).div_euclid(DAY);
                    let state =
                        if left < 0 { "HAS ENDED".to_owned() } else { format!("{left} days") };
                    writeln!(
                        self.out,
                        "  certificate of {:<25} until {end}: {state}",
                        pair.name()
                    )?;
                }
                writeln!(self.out)?;
            }
        }
        Ok(serves)
    }

    /// What passes through, and what does not although no route has it.
    fn site(&mut self, snapshot: &Snapshot) -> Result<()> {
        for proxy in &snapshot.site.proxies {
            let proxy = &proxy.config;
            writeln!(self.out, "  {:<40} passes through to {}", proxy.prefix, proxy.upstream)?;
        }
        let mut kept: Vec<(&str, &str)> = Vec::new();
        if !snapshot.site.proxies.is_empty() {
            let routes = snapshot.routes.iter();
            kept.extend(routes.filter_map(|(path, route)| Some((route.forward.to()?, &**path))));
        }
        kept.sort_unstable();
        kept.dedup_by_key(|(to, _)| *to);
        for (to, path) in kept {
            let to = to.split('?').next().unwrap_or(to);
            writeln!(self.out, "  {to:<40} does not: there the events of {path} arrive")?;
        }
        Ok(())
    }
}
