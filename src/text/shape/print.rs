//! A grammar as Markdown: a section for each shape, with a table of its keys.

use crate::text::shape::{Key, Kind, Shape};
use crate::text::unit::{show_duration, show_size};

/// What is printed of one shape.
#[derive(Clone, Debug)]
pub struct Section {
    /// The shape.
    pub shape: &'static Shape,
    /// What it is for, the table of its keys, and what the words mean that they take. Links lead to
    /// `#name` of other shapes.
    pub text: String,
}

/// The sections of a grammar, the root first, each shape after the first that names it. Words that
/// an earlier section has explained are not explained again.
pub fn sections(root: &'static Shape) -> Vec<Section> {
    let mut shapes = Vec::new();
    collect(root, &mut shapes);
    let mut explained: Vec<Explained> = Vec::new();
    let section = |shape: &'static Shape| Section { shape, text: section(shape, &mut explained) };
    shapes.into_iter().map(section).collect()
}

/// A list of words, and the shape whose section says what they mean.
type Explained = (Words, &'static str);
type Words = &'static [(&'static str, &'static str)];

fn collect(shape: &'static Shape, into: &mut Vec<&'static Shape>) {
    // Known before its keys are looked at: they may lead back here.
    if into.iter().any(|known| known.name == shape.name) {
        return;
    }
    into.push(shape);
    for key in shape.keys {
        for inner in shapes_of(&key.kind) {
            collect(inner, into);
        }
    }
}

fn shapes_of(kind: &Kind) -> Vec<&'static Shape> {
    match kind {
        Kind::AnyOf(kinds) => kinds.iter().flat_map(shapes_of).collect(),
        Kind::List(kind) | Kind::Named(kind) | Kind::NonEmptyList(kind) | Kind::OneOrMany(kind) => {
            shapes_of(kind)
        }
        Kind::Map(shape) => vec![shape],
        Kind::Any
        | Kind::Bool
        | Kind::Choice(_)
        | Kind::Duration { .. }
        | Kind::Expr(_)
        | Kind::Integer { .. }
        | Kind::Size { .. }
        | Kind::Text
        | Kind::TextOrEmpty => Vec::new(),
    }
}

fn section(shape: &'static Shape, explained: &mut Vec<Explained>) -> String {
    let mut out = vec![shape.doc.to_owned()];
    if shape.exactly_one {
        out.push(" Exactly one of its keys.".to_owned());
        out.push("\n\n| key | takes | meaning |\n|---|---|---|\n".to_owned());
    } else {
        out.push("\n\n| key | | takes | meaning |\n|---|---|---|---|\n".to_owned());
    }
    for key in shape.keys {
        out.push(row(key, shape.exactly_one));
    }
    for key in shape.keys {
        for words in words_of(&key.kind) {
            let known = explained.iter().find(|(known, _)| *known == words);
            let text = match known {
                // The table is enough.
                Some((_, name)) if *name == shape.name => continue,
                Some((_, name)) => {
                    format!("\n`{}`: the words are those of [{name}](#{name}).\n", key.name)
                }
                None => explanation(key.name, words),
            };
            explained.push((words, shape.name));
            out.push(text);
        }
    }
    out.concat()
}

fn row(key: &Key, is_one_of: bool) -> String {
    let Key { name, doc, required, kind } = key;
    let required = match (is_one_of, required) {
        (true, _) => "",
        (false, true) => " required |",
        (false, false) => " |",
    };
    format!("| `{name}` |{required} {} | {} |\n", cell(&takes(kind)), cell(doc))
}

/// A `|` would end the cell, also within a code span.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// What a value may be, with links to the shapes that it may have.
fn takes(kind: &Kind) -> String {
    match kind {
        Kind::Any => "anything".into(),
        Kind::AnyOf([one, Kind::NonEmptyList(many)]) if takes(one) == takes(many) => {
            format!("{}; or a list of these", takes(one))
        }
        Kind::AnyOf(kinds) => {
            let kinds: Vec<String> = kinds.iter().map(takes).collect();
            match kinds.split_last() {
                Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
                _ => kinds.concat(),
            }
        }
        Kind::Bool => "true or false".into(),
        Kind::Choice(_) => "a word".into(),
        Kind::Duration { min, max } => {
            format!("a duration from {} to {}", show_duration(*min), show_duration(*max))
        }
        // The example that it gives belongs into messages.
        Kind::Expr(doc) => doc.split(" such as ").next().unwrap_or(doc).to_owned(),
        Kind::Integer { min, max } => format!("a whole number from {min} to {max}"),
        Kind::List(kind) | Kind::NonEmptyList(kind) => format!("a list, each {}", takes(kind)),
        Kind::Map(shape) => format!("[{0}](#{0})", shape.name),
        Kind::Named(kind) => format!("names, each with {}", takes(kind)),
        Kind::OneOrMany(kind) => format!("{} or a list", takes(kind)),
        Kind::Size { min, max } => {
            format!("a size from {} to {}", show_size(*min), show_size(*max))
        }
        Kind::Text => "text".into(),
        Kind::TextOrEmpty => "text, perhaps empty".into(),
    }
}

fn words_of(kind: &Kind) -> Vec<Words> {
    match kind {
        Kind::AnyOf(kinds) => kinds.iter().flat_map(words_of).collect(),
        Kind::Choice(words) => vec![words],
        Kind::List(kind) | Kind::Named(kind) | Kind::NonEmptyList(kind) | Kind::OneOrMany(kind) => {
            words_of(kind)
        }
        Kind::Any
        | Kind::Bool
        | Kind::Duration { .. }
        | Kind::Expr(_)
        | Kind::Integer { .. }
        | Kind::Map(_)
        | Kind::Size { .. }
        | Kind::Text
        | Kind::TextOrEmpty => Vec::new(),
    }
}

fn explanation(key: &str, words: Words) -> String {
    let mut out = format!("\n`{key}`:\n\n");
    for (word, doc) in words {
        out.extend(["- `", word, "`: ", doc, "\n"]);
    }
    out
}
