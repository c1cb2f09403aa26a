//! Conditions: what places must hold.

use crate::engine::plan::{Condition, Expr, Predicate};
use crate::rule::compile::names::{Names, pattern};
use crate::text::node::{Kind, Node};
use crate::text::problem::Place;

/// The condition under a key, if it is there.
pub(super) fn condition_of(node: &Node, key: &str, names: &mut Names<'_>) -> Option<Condition> {
    condition(node.get(key)?, names, &mut Vec::new())
}

/// `{ place: what, … }`: all of them; a list of these: one at least. Adds what it looks at to
/// `values`.
pub(super) fn condition(
    node: &Node,
    names: &mut Names<'_>,
    values: &mut Vec<(Place, Expr)>,
) -> Option<Condition> {
    if let Kind::List(items) = &node.kind {
        let any: Option<Vec<_>> = items.iter().map(|node| condition(node, names, values)).collect();
        return any.map(Condition::Any);
    }
    let mut all = Vec::new();
    for (key, wanted) in node.entries() {
        let expr = names.reference(&key.text, key.place)?;
        values.push((key.place, expr.clone()));
        all.push(Condition::Value(expr, predicate(wanted, names)?));
    }
    if all.is_empty() {
        names.problems.add(node.place, "an empty condition always holds: name a place");
        return None;
    }
    Some(Condition::All(all))
}

fn predicate(node: &Node, names: &mut Names<'_>) -> Option<Predicate> {
    if let Some(truth) = node.as_bool() {
        return Some(Predicate::Text(vec![truth.to_string()]));
    }
    let text = |key| node.get(key).and_then(Node::as_text).map(str::to_owned);
    if let Some(prefix) = text("prefix") {
        return Some(Predicate::Prefix(prefix));
    }
    if let Some(suffix) = text("suffix") {
        return Some(Predicate::Suffix(suffix));
    }
    if node.get("pattern").is_some() {
        return pattern(node.get("pattern"), names.problems).map(Predicate::Matches);
    }
    if let Some(present) = node.get("present").and_then(Node::as_bool) {
        return Some(Predicate::Present(present));
    }
    let words: Vec<String> =
        node.one_or_many().iter().filter_map(Node::as_text).map(str::to_owned).collect();
    if words.is_empty() || words.len() < node.one_or_many().len() {
        names.problems.add_with_help(
            node.place,
            "cannot compare with this",
            "expected text, a list of texts, true, false, `{ prefix: … }`, `{ suffix: … }`, \
             `{ pattern: … }` or `{ present: true }`",
        );
        return None;
    }
    Some(Predicate::Text(words))
}
