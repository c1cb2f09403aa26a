//! The grammar of a file as data: one table checks its structure, yields its JSON Schema, and
//! documents it.

pub mod print;

use std::time::Duration;

use crate::text::node::{Key as NodeKey, Kind as NodeKind, Node};
use crate::text::problem::{Place, Problem, Problems, did_you_mean};
use crate::text::unit::{parse_duration, parse_size, show_duration, show_size};

/// A map with known keys. Its name is unique among the shapes of one grammar.
#[derive(Debug)]
pub struct Shape {
    /// Its name in the JSON Schema and the reference.
    pub name: &'static str,
    /// What it is for, in a sentence or two.
    pub doc: &'static str,
    /// The keys it knows.
    pub keys: &'static [Key],
    /// Exactly one of the keys is given, and says which form this is.
    pub exactly_one: bool,
}

/// A key of a [`Shape`].
#[derive(Debug)]
pub struct Key {
    /// As written.
    pub name: &'static str,
    /// What it means; unit and default too.
    pub doc: &'static str,
    /// Whether the map must have it.
    pub required: bool,
    /// What its value may be.
    pub kind: Kind,
}

impl Key {
    /// A key that must be given.
    pub const fn required(name: &'static str, kind: Kind, doc: &'static str) -> Self {
        Self { name, doc, required: true, kind }
    }

    /// A key that may be left out.
    pub const fn optional(name: &'static str, kind: Kind, doc: &'static str) -> Self {
        Self { name, doc, required: false, kind }
    }
}

/// What a value may be. Recursion must pass through a [`Shape`] (`Map`), which a static may hold
/// a reference to itself with.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Anything; whoever takes it checks it.
    Any,
    /// The first kind that takes the value's YAML type decides, and is then checked in full.
    AnyOf(&'static [Kind]),
    /// `true` or `false`.
    Bool,
    /// One of these words, each with what it means.
    Choice(&'static [(&'static str, &'static str)]),
    /// `10ms`, `2s`, `5m`, `1h`, within these bounds.
    Duration {
        /// The least.
        min: Duration,
        /// The most.
        max: Duration,
    },
    /// Text in the reference language; the word says of what type.
    Expr(&'static str),
    /// A whole number within these bounds.
    Integer {
        /// The least.
        min: i64,
        /// The most.
        max: i64,
    },
    /// A list, perhaps empty.
    List(&'static Kind),
    /// A map of this shape.
    Map(&'static Shape),
    /// A map of any names to values of this kind.
    Named(&'static Kind),
    /// A list of at least one item.
    NonEmptyList(&'static Kind),
    /// A value, or a list of at least one.
    OneOrMany(&'static Kind),
    /// `200`, `64KiB`, `1MiB`, within these bounds of bytes.
    Size {
        /// The least.
        min: u64,
        /// The most.
        max: u64,
    },
    /// Text that is not empty. Numbers are taken as they are written.
    Text,
    /// Text that may be empty.
    TextOrEmpty,
}

impl Kind {
    /// What it takes, for messages: `a list`.
    pub fn describe(&self) -> String {
        match self {
            Self::Any => "a value".into(),
            Self::AnyOf(kinds) => {
                let mut names: Vec<String> = kinds.iter().map(Self::describe).collect();
                names.dedup();
                names.join(" or ")
            }
            Self::Bool => "true or false".into(),
            Self::Choice(words) => {
                format!("one of {}", list_of_names(words.iter().map(|(word, _)| *word)))
            }
            Self::Duration { .. } => "a duration such as `10s`".into(),
            Self::Expr(doc) => (*doc).into(),
            Self::Integer { .. } => "a whole number".into(),
            Self::List(_) | Self::NonEmptyList(_) => "a list".into(),
            Self::Map(_) | Self::Named(_) => "a map".into(),
            Self::OneOrMany(kind) => format!("{} or a list", kind.describe()),
            Self::Size { .. } => "a size such as `64KiB`".into(),
            Self::Text | Self::TextOrEmpty => "text".into(),
        }
    }

    /// Whether a value of this YAML type can be of this kind at all.
    fn takes(&self, node: &Node) -> bool {
        match self {
            Self::Any => true,
            Self::AnyOf(kinds) => kinds.iter().any(|kind| kind.takes(node)),
            Self::Bool => matches!(node.kind, NodeKind::Bool(_)),
            Self::Choice(_)
            | Self::Duration { .. }
            | Self::Expr(_)
            | Self::Size { .. }
            | Self::Text
            | Self::TextOrEmpty => node.as_text().is_some(),
            Self::Integer { .. } => matches!(node.kind, NodeKind::Number(_)),
            Self::List(_) | Self::NonEmptyList(_) => matches!(node.kind, NodeKind::List(_)),
            Self::Map(_) | Self::Named(_) => matches!(node.kind, NodeKind::Map(_)),
            Self::OneOrMany(kind) => matches!(node.kind, NodeKind::List(_)) || kind.takes(node),
        }
    }
}

/// Adds every structural problem of a document: unknown and missing keys, wrong types, words and
/// numbers out of range. What is left without problems can be read without further questions.
pub fn check(node: &Node, shape: &'static Shape, problems: &mut Problems) {
    check_kind(node, &Kind::Map(shape), problems);
}

/// Adds every structural problem of a value.
pub fn check_kind(node: &Node, kind: &Kind, problems: &mut Problems) {
    Checker { problems }.value(node, kind, "");
}

struct Checker<'a> {
    problems: &'a mut Problems,
}

impl Checker<'_> {
    /// `owner` is the key whose value, or part of it, this is; empty at the top.
    fn value(&mut self, node: &Node, kind: &Kind, owner: &str) {
        if !kind.takes(node) {
            self.problems.push(wrong_type(node, kind, owner));
            return;
        }
        match kind {
            Kind::Any | Kind::Bool | Kind::TextOrEmpty => {}
            Kind::AnyOf(kinds) => {
                if let Some(kind) = kinds.iter().find(|kind| kind.takes(node)) {
                    self.value(node, kind, owner);
                }
            }
            Kind::Choice(words) => self.choice(node, words, owner),
            Kind::Duration { min, max } => self.duration(node, *min, *max, owner),
            Kind::Expr(_) | Kind::Text => {
                if node.as_text().is_some_and(|text| text.trim().is_empty()) {
                    self.add(node.place, owner, "the text is empty");
                }
            }
            Kind::Integer { min, max } => {
                if !node.as_integer().is_some_and(|number| (*min..=*max).contains(&number)) {
                    let what = format!("expected a whole number from {min} to {max}");
                    self.add(node.place, owner, what);
                }
            }
            Kind::List(kind) => self.list(node, kind, owner),
            Kind::NonEmptyList(kind) => {
                if node.items().is_empty() {
                    self.add(node.place, owner, "the list is empty");
                }
                self.list(node, kind, owner);
            }
            Kind::OneOrMany(one) if !matches!(node.kind, NodeKind::List(_)) => {
                self.value(node, one, owner);
            }
            Kind::OneOrMany(one) => self.value(node, &Kind::NonEmptyList(one), owner),
            Kind::Map(shape) => self.map(node, shape),
            Kind::Named(kind) => {
                for (key, value) in node.entries() {
                    if key.text.trim().is_empty() {
                        self.add(key.place, owner, "the name is empty");
                    }
                    self.value(value, kind, &key.text);
                }
            }
            Kind::Size { min, max } => self.size(node, *min, *max, owner),
        }
    }

    fn add(&mut self, place: Place, owner: &str, what: impl AsRef<str>) {
        self.problems.push(owned(place, owner, what.as_ref()));
    }

    fn list(&mut self, node: &Node, kind: &Kind, owner: &str) {
        for item in node.items() {
            self.value(item, kind, owner);
        }
    }

    fn choice(&mut self, node: &Node, words: &'static [(&str, &str)], owner: &str) {
        let names = || words.iter().map(|(word, _)| *word);
        let Some(text) = node.as_text().filter(|text| !names().any(|name| name == *text)) else {
            return;
        };
        let problem = owned(node.place, owner, &format!("there is no choice `{}`", short(text)));
        self.problems.push(match did_you_mean(text, names()) {
            Some(near) => problem.help(format!("did you mean `{near}`?")),
            None => problem.help(format!("choose one of {}", list_of_names(names()))),
        });
    }

    fn duration(&mut self, node: &Node, min: Duration, max: Duration, owner: &str) {
        match node.as_text().and_then(parse_duration) {
            None => self.problems.push(
                owned(node.place, owner, "expected a duration")
                    .help("a whole number and one of `ms`, `s`, `m`, `h`: `10s`"),
            ),
            Some(found) if !(min..=max).contains(&found) => {
                let (min, max) = (show_duration(min), show_duration(max));
                self.add(node.place, owner, format!("expected a duration from {min} to {max}"));
            }
            Some(_) => {}
        }
    }

    fn size(&mut self, node: &Node, min: u64, max: u64, owner: &str) {
        match node.as_text().and_then(parse_size) {
            None => self.problems.push(
                owned(node.place, owner, "expected a size")
                    .help("a whole number of bytes, or one with `KiB` or `MiB`: `64KiB`"),
            ),
            Some(found) if !(min..=max).contains(&found) => {
                let (min, max) = (show_size(min), show_size(max));
                self.add(node.place, owner, format!("expected a size from {min} to {max}"));
            }
            Some(_) => {}
        }
    }

    fn map(&mut self, node: &Node, shape: &'static Shape) {
        let mut known: Vec<&NodeKey> = Vec::new();
        for (key, value) in node.entries() {
            if let Some(found) = shape.keys.iter().find(|known| known.name == key.text) {
                known.push(key);
                self.value(value, &found.kind, &key.text);
            } else {
                self.problems.push(unknown_key(node, key, shape));
            }
        }
        if shape.exactly_one {
            let names = list_of_names(shape.keys.iter().map(|key| key.name));
            if known.is_empty() && node.entries().is_empty() {
                self.problems.add(node.place, format!("expected one of the keys {names}"));
            }
            for key in known.iter().skip(1) {
                let what = format!("`{}` cannot stand beside `{}`", key.text, known[0].text);
                self.problems.add_with_help(key.place, what, format!("give one of {names}"));
            }
            return;
        }
        for key in shape.keys.iter().filter(|key| key.required && node.get(key.name).is_none()) {
            let what = format!("the key `{}` is missing", key.name);
            self.problems.add_with_help(node.place, what, key.doc);
        }
    }
}

fn owned(place: Place, owner: &str, what: &str) -> Problem {
    if owner.is_empty() {
        Problem::new(place, what)
    } else {
        Problem::new(place, format!("`{}`: {what}", short(owner)))
    }
}

fn wrong_type(node: &Node, kind: &Kind, owner: &str) -> Problem {
    let what = format!("expected {}, found {}", kind.describe(), node.describe());
    let problem = owned(node.place, owner, &what);
    match node.kind {
        NodeKind::Null => problem.help("write a value, or leave the key out"),
        NodeKind::Bool(value) => {
            problem.help(format!("where the word is meant, quote it: '{value}'"))
        }
        NodeKind::Text(_) if matches!(kind, Kind::Bool) => {
            problem.help("write `true` or `false`, without quotes")
        }
        NodeKind::Text(_) if matches!(kind, Kind::Integer { .. }) => {
            problem.help("write digits only, without quotes, sign `+` or leading zeros")
        }
        _ => problem,
    }
}

fn unknown_key(map: &Node, key: &NodeKey, shape: &'static Shape) -> Problem {
    // A key that is there already was hardly meant a second time.
    let names = || shape.keys.iter().map(|key| key.name).filter(|name| map.get(name).is_none());
    let problem = Problem::new(key.place, format!("unknown key `{}`", short(&key.text)));
    match did_you_mean(&key.text, names()) {
        Some(near) => problem.help(format!("did you mean `{near}`?")),
        None => problem.help(format!(
            "the keys here are {}",
            list_of_names(shape.keys.iter().map(|key| key.name))
        )),
    }
}

fn list_of_names<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// What a file says, cut to what fits into a message.
fn short(text: &str) -> String {
    let mut chars = text.chars();
    let mut short: String = chars.by_ref().take(60).collect();
    if chars.next().is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests;
