//! What is covered is asked of each fact: the table, what must not be uncovered, what it is worth.

use std::collections::HashSet;

use crate::engine::event::Strength;
use crate::rule::compile::event::Use;
use crate::rule::coverage::Covered;
use crate::text::node::Node;
use crate::text::problem::Problems;

/// Facts that may never be unsigned, and what decides or guards them.
const NEVER_UNSIGNED: [&str; 9] = [
    "account",
    "amount",
    "dedupe",
    "fresh",
    "guard",
    "order_id",
    "refunded_amount",
    "refunded_of",
    "status",
];

/// Facts that money hangs on: what they are worth is what the rule is worth.
const MONEY: [&str; 4] = ["amount", "order_id", "status", "transaction_id"];

/// Facts that are read as sums: `19.90` says what `19.9` says.
const SUMS: [&str; 5] = ["amount", "fee", "refunded_amount", "refunded_of", "settlement_amount"];

/// A line of the coverage table.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Row {
    /// `amount`, `order_id`, …
    pub fact: &'static str,
    /// The place, as the rule writes it.
    pub reference: String,
    /// The proofs that cover it; empty: nothing does, and the rule says so.
    pub covered_by: Vec<&'static str>,
}

/// Says of each use whether it is covered, and complains of those that must be and are not.
pub(crate) fn check(
    covered: &Covered<'_>,
    uses: &[Use],
    unsigned: Option<&Node>,
    problems: &mut Problems,
) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    let mut excused = HashSet::new();
    for Use { fact, place, expr } in uses {
        let covered_by: Vec<&'static str> =
            covered.of_use(expr, SUMS.contains(fact)).into_iter().map(|by| by.kind).collect();
        let excuse = unsigned.and_then(|node| node.get(fact));
        match (covered_by.is_empty(), excuse) {
            (false, _) => {}
            (true, Some(_)) => {
                excused.insert(*fact);
            }
            (true, None) => {
                let message =
                    format!("no proof covers `{}`, which `{fact}` is taken from", expr.text);
                let help = if covered.is_folded(expr) {
                    "the proof takes it with steps that fold its writing: take it so as well"
                        .to_owned()
                } else if NEVER_UNSIGNED.contains(fact) {
                    "take it from a value that is signed: anybody could have changed this one"
                        .to_owned()
                } else {
                    format!(
                        "take it from a value that is signed, or say why not: \
                         `unsigned: {{ {fact}: <reason> }}`"
                    )
                };
                problems.add_with_help(*place, message, help);
            }
        }
        let row = Row { fact, reference: expr.text.to_string(), covered_by };
        if !rows.contains(&row) {
            rows.push(row);
        }
    }
    for (key, _) in unsigned.map_or(&[][..], Node::entries) {
        let fact = key.text.as_str();
        if NEVER_UNSIGNED.contains(&fact) {
            problems.add(key.place, format!("`{fact}` may never be unsigned"));
        } else if !excused.contains(fact) {
            let message = format!("`{fact}` is covered, or not a fact of this rule");
            problems.add_with_help(key.place, message, "remove it from `unsigned`");
        }
    }
    rows
}

/// What a variant is worth: of what money hangs on, the least; of each, the best proof over it.
pub(crate) fn strength(covered: &Covered<'_>, uses: &[Use]) -> Strength {
    let of = |one: &Use| {
        let by = covered.of_use(&one.expr, SUMS.contains(&one.fact)).into_iter();
        by.map(|by| by.strength).max()
    };
    let money = uses.iter().filter(|one| MONEY.contains(&one.fact));
    let least = money.filter_map(of).min();
    least.unwrap_or_else(|| {
        let all = covered.places.iter().map(|(_, by)| by.strength);
        all.min().unwrap_or(Strength::Weak)
    })
}
