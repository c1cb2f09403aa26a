//! `guards:` of a rule.

use crate::engine::plan::{Check, Expr, Guard, Phase, Ref};
use crate::engine::reason::Reason;
use crate::rule::compile::condition::condition_of;
use crate::rule::compile::event::EventCompiler;
use crate::rule::compile::variants::Choices;
use crate::text::node::Node;
use crate::text::problem::Place;

/// The guards below a node (of a rule, or of a question), each with its place.
pub(super) fn guards(
    root: &Node,
    choices: &Choices<'_>,
    events: &mut EventCompiler<'_, '_>,
) -> Vec<(Guard, Place)> {
    let mut all = Vec::new();
    for node in root.get("guards").map_or(&[][..], Node::items) {
        if choices.apply(node) {
            all.extend(guard(node, events).map(|guard| (guard, node.place)));
        }
    }
    all
}

fn guard(node: &Node, events: &mut EventCompiler<'_, '_>) -> Option<Guard> {
    let given: Vec<&str> = ["amounts", "among", "equal", "holds"]
        .into_iter()
        .filter(|key| node.get(key).is_some())
        .collect();
    let [kind] = given.as_slice() else {
        let message = "a guard is one of `equal`, `among`, `holds` and `amounts`";
        events.names.problems.add(node.place, message);
        return None;
    };
    let check = match *kind {
        "equal" => {
            let [left, right] = two(node, "equal", events, |node, events| events.names.expr(node))?;
            Check::Equal(left, right)
        }
        "amounts" => {
            let [left, right] = two(node, "amounts", events, |node, events| events.compared(node))?;
            Check::Amounts(Box::new((left, right)))
        }
        "among" => {
            let mut pairs: Vec<(Expr, Expr)> = Vec::new();
            for (key, param) in node.get("among").map_or(&[][..], Node::entries) {
                let place = events.names.reference(&key.text, key.place)?;
                let listed = events.names.expr(param)?;
                if !matches!(listed.source, Ref::Param(_)) || !listed.steps.is_empty() {
                    let message = "what a place may hold is listed by a parameter: `param.NAME`";
                    events.names.problems.add(param.place, message);
                    return None;
                }
                pairs.push((place, listed));
            }
            Check::Among(pairs)
        }
        _ => Check::Holds(condition_of(node, "holds", events.names)?),
    };
    let when = match node.get("when") {
        Some(_) => Some(condition_of(node, "when", events.names)?),
        None => None,
    };
    let word = node.get("else").and_then(Node::as_text);
    let otherwise = word.and_then(Reason::from_word)?;
    let mut guard = Guard { check, when, otherwise, phase: Phase::Local };
    let payloads = events.names.payloads;
    guard.phase =
        guard.values().into_iter().map(|expr| expr.phase(payloads)).max().unwrap_or(Phase::Local);
    Some(guard)
}

fn two<'c, 'n, T>(
    node: &Node,
    key: &str,
    events: &mut EventCompiler<'c, 'n>,
    one: impl Fn(&Node, &mut EventCompiler<'c, 'n>) -> Option<T>,
) -> Option<[T; 2]> {
    let nodes = node.get(key).map_or(&[][..], Node::items);
    let sides: Vec<T> = nodes.iter().filter_map(|node| one(node, events)).collect();
    let written = nodes.len();
    let read = sides.len();
    let sides = <[T; 2]>::try_from(sides).ok();
    // Fewer because one could not be read: that has been said already.
    if sides.is_none() && written == read {
        events.names.problems.add(node.place, format!("`{key}` compares two places"));
    }
    sides
}
