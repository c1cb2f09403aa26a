//! A choice among parameters (`mode: rsa`) makes variants of a rule. Each is compiled and checked
//! by itself, as if it were the only one, so no law can be escaped by a setting.

use crate::engine::params::{ParamKind, ParamSpec};
use crate::text::node::{Kind, Node};
use crate::text::problem::{Problems, did_you_mean};

/// Variants of one rule, at most.
const VARIANTS_MAX: usize = 64;

/// One way that the choices can turn out.
#[derive(Clone)]
pub(super) struct Choices<'p> {
    specs: &'p [ParamSpec],
    /// Index of a choice parameter, and its word.
    pub(super) words: Vec<(usize, String)>,
}

impl Choices<'_> {
    /// Whether a part with this `only:` belongs to this variant.
    pub(super) fn apply(&self, node: &Node) -> bool {
        node.get("only").map_or(&[][..], Node::entries).iter().all(|(key, wanted)| {
            let word = self.word(&key.text);
            word.is_some_and(|word| {
                wanted.one_or_many().iter().any(|node| node.as_text() == Some(word))
            })
        })
    }

    /// The word of a choice parameter in this variant.
    pub(super) fn word(&self, name: &str) -> Option<&str> {
        self.words
            .iter()
            .find(|(index, _)| self.specs.get(*index).is_some_and(|spec| spec.name == name))
            .map(|(_, word)| word.as_str())
    }

    /// `mode: rsa`, for messages and tables; empty where there is no choice.
    pub(super) fn describe(&self) -> String {
        let words = self.words.iter().filter_map(|(index, word)| {
            self.specs.get(*index).map(|spec| format!("{}: {word}", spec.name))
        });
        words.collect::<Vec<_>>().join(", ")
    }
}

/// Every way that the choices named by `only:` and `in: param.…` can turn out.
pub(super) fn all<'p>(
    root: &Node,
    specs: &'p [ParamSpec],
    problems: &mut Problems,
) -> Vec<Choices<'p>> {
    let mut indices = Vec::new();
    collect(root, specs, &mut indices, problems);
    indices.sort_unstable();
    indices.dedup();
    let mut variants = vec![Choices { specs, words: Vec::new() }];
    for index in indices {
        let Some(ParamSpec { kind: ParamKind::Choice(words), .. }) = specs.get(index) else {
            continue;
        };
        if variants.len() * words.len() > VARIANTS_MAX {
            problems.add(root.place, format!("more than {VARIANTS_MAX} variants of one rule"));
            break;
        }
        variants = variants
            .iter()
            .flat_map(|variant| {
                words.iter().map(|word| {
                    let mut variant = variant.clone();
                    variant.words.push((index, word.clone()));
                    variant
                })
            })
            .collect();
    }
    variants
}

fn collect(node: &Node, specs: &[ParamSpec], into: &mut Vec<usize>, problems: &mut Problems) {
    match &node.kind {
        Kind::List(items) => items.iter().for_each(|item| collect(item, specs, into, problems)),
        Kind::Map(entries) => {
            for (key, value) in entries {
                match (key.text.as_str(), value.as_text()) {
                    ("only", _) => only(value, specs, into, problems),
                    ("charset" | "in", Some(text)) => {
                        if let Some(name) = text.strip_prefix("param.") {
                            into.extend(specs.iter().position(|spec| spec.name == name));
                        }
                    }
                    // Examples are data: nothing in them is a choice of the rule.
                    ("examples", _) => {}
                    _ => collect(value, specs, into, problems),
                }
            }
        }
        _ => {}
    }
}

fn only(node: &Node, specs: &[ParamSpec], into: &mut Vec<usize>, problems: &mut Problems) {
    for (key, wanted) in node.entries() {
        let index = specs.iter().position(|spec| spec.name == key.text);
        let Some((index, words)) = index.and_then(|index| match &specs.get(index)?.kind {
            ParamKind::Choice(words) => Some((index, words)),
            _ => None,
        }) else {
            let names = specs.iter().map(|spec| spec.name.as_str());
            let help = match did_you_mean(&key.text, names) {
                Some(near) if near != key.text => format!("did you mean `{near}`?"),
                _ => "`only` chooses by a parameter of type choice".to_owned(),
            };
            let message = format!("`{}` is no choice of this rule", key.text);
            problems.add_with_help(key.place, message, help);
            continue;
        };
        into.push(index);
        for node in wanted.one_or_many() {
            let word = node.as_text().unwrap_or_default();
            if !words.iter().any(|known| known == word) {
                let help = match did_you_mean(word, words.iter().map(String::as_str)) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("expected one of {}", words.join(", ")),
                };
                let message = format!("`{word}` is no word of `{}`", key.text);
                problems.add_with_help(node.place, message, help);
            }
        }
    }
}
