//! `event:` of a rule.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::engine::event::Status;
use crate::engine::money::{Decimals, MoneyRule, Notation, Unit};
use crate::engine::plan::{
    AmountFact, Case, Condition, EventPlan, Expr, Facts, Instant, Outcome, Phase, StatusRule,
    TestGuard,
};
use crate::rule::compile::condition::condition;
use crate::rule::compile::names::Names;
use crate::rule::compile::request::time_format;
use crate::text::node::Node;
use crate::text::problem::{Place, did_you_mean};

/// A value that something is decided by, or that becomes a fact, and where the rule says so.
/// `coverage` asks of each whether a proof covers it.
#[derive(Clone, Debug)]
pub(crate) struct Use {
    /// `amount`, `status`, `test`, …
    pub(crate) fact: &'static str,
    pub(crate) place: Place,
    pub(crate) expr: Expr,
}

/// Compiles `event:`.
pub(super) struct EventCompiler<'c, 'n> {
    pub(super) names: &'c mut Names<'n>,
    pub(super) uses: Vec<Use>,
    /// Index of the parameter `environment`, if the rule has a `test`.
    pub(super) environment: Option<usize>,
    /// Of every amount that has no count of its own.
    pub(super) decimals: Decimals,
}

impl EventCompiler<'_, '_> {
    /// An amount that a guard compares.
    pub(super) fn compared(&mut self, node: &Node) -> Option<AmountFact> {
        self.amount("guard", node)
    }

    pub(super) fn event(&mut self, root: &Node) -> Option<EventPlan> {
        let node = root.get("event")?;
        self.decimals = node.get("decimals").map(decimals).unwrap_or_default();
        let common = self.facts(node, &Facts::default());
        let outcome = match (node.get("status"), node.get("cases")) {
            (Some(status), None) => {
                let from = status.get("from").and_then(|node| self.used("status", node));
                let mut words: Vec<(String, StatusRule)> = Vec::new();
                for (key, node) in status.get("map").map_or(&[][..], Node::entries) {
                    words.extend(self.status(node).map(|status| (key.text.clone(), status)));
                }
                words.sort_by(|(one, _), (other, _)| one.cmp(other));
                Outcome::Map { from: from?, words, facts: Box::new(common) }
            }
            (None, Some(cases)) => {
                let cases: Vec<Case> =
                    cases.items().iter().filter_map(|node| self.case(node, &common)).collect();
                // Of a notification that the rule does not know, nobody knows what an amount means.
                let ids = Facts {
                    amount: None,
                    refunded_amount: None,
                    refunded_of: None,
                    settlement_amount: None,
                    fee: None,
                    ..common
                };
                Outcome::Cases { cases, common: Box::new(ids) }
            }
            _ => {
                let help = "`status: { from: …, map: { … } }`, or `cases:` where it hangs on more";
                let message = "an event has either `status` or `cases`";
                self.names.problems.add_with_help(node.place, message, help);
                return None;
            }
        };
        let test = node.get("test").and_then(|node| self.test(node));
        let unsigned = node.get("unsigned").map_or(&[][..], Node::entries);
        let unsigned = unsigned.iter().map(|(key, _)| key.text.clone()).collect();
        Some(EventPlan { outcome, test, unsigned })
    }

    fn case(&mut self, node: &Node, common: &Facts) -> Option<Case> {
        let when = node.get("when").and_then(|node| self.condition("status", node));
        let status = node.get("status").and_then(|node| self.status(node));
        let credit = node.get("credit").and_then(Node::as_bool).unwrap_or(true);
        let facts = self.facts(node, common);
        Some(Case { when: when?, status: status?, credit, facts })
    }

    fn facts(&mut self, node: &Node, common: &Facts) -> Facts {
        let mut text = |fact, common: &Vec<Expr>| match node.get(fact) {
            Some(found) => self.text_fact(fact, Some(found)),
            None => common.clone(),
        };
        let account = text("account", &common.account);
        let event_id = text("event_id", &common.event_id);
        let raw_type = text("raw_type", &common.raw_type);
        let order_id = text("order_id", &common.order_id);
        let transaction_id = text("transaction_id", &common.transaction_id);
        let dedupe = text("dedupe", &common.dedupe);
        let mut money = |fact, common: &Option<AmountFact>| match node.get(fact) {
            Some(found) => self.amount(fact, found),
            None => common.clone(),
        };
        let amount = money("amount", &common.amount);
        let refunded_amount = money("refunded_amount", &common.refunded_amount);
        let refunded_of = money("refunded_of", &common.refunded_of);
        let settlement_amount = money("settlement_amount", &common.settlement_amount);
        let fee = money("fee", &common.fee);
        let occurred_at = match node.get("occurred_at") {
            None => common.occurred_at.clone(),
            Some(found) => found.get("value").and_then(|value| {
                let value = self.used("occurred_at", value)?;
                Some(Instant { value, format: time_format(found, self.names.problems) })
            }),
        };
        Facts {
            account,
            event_id,
            raw_type,
            order_id,
            transaction_id,
            amount,
            refunded_of,
            refunded_amount,
            settlement_amount,
            fee,
            occurred_at,
            dedupe,
        }
    }

    fn used(&mut self, fact: &'static str, node: &Node) -> Option<Expr> {
        let expr = self.names.expr(node)?;
        self.uses.push(Use { fact, place: node.place, expr: expr.clone() });
        Some(expr)
    }

    fn text_fact(&mut self, fact: &'static str, node: Option<&Node>) -> Vec<Expr> {
        let nodes = node.map_or(&[][..], Node::one_or_many);
        nodes.iter().filter_map(|node| self.used(fact, node)).collect()
    }

    fn amount(&mut self, fact: &'static str, node: &Node) -> Option<AmountFact> {
        let value = node.get("value").and_then(|value| self.used(fact, value));
        let currency = self.text_fact(fact, node.get("currency"));
        let word = |key| node.get(key).and_then(Node::as_text);
        let unit = match word("unit") {
            Some("milli") => Unit::Milli,
            Some("minor") => Unit::Minor,
            _ => Unit::Major,
        };
        let notation = match word("notation") {
            Some("javascript") => Notation::JavaScript,
            _ => Notation::Plain,
        };
        let foreign_codes = word("codes") == Some("any");
        if foreign_codes && unit != Unit::Major {
            let message = "thousandths and minor units need ISO 4217 codes: of others nobody knows the decimals";
            self.names.problems.add(node.place, message);
        }
        let decimals = node.get("decimals").map_or_else(|| self.decimals.clone(), decimals);
        let rule = Arc::new(MoneyRule { unit, notation, decimals, foreign_codes });
        let unsigned = word("sign") == Some("dropped");
        let may_be_missing = word("may_be_missing").is_some();
        Some(AmountFact { value: value?, currency, unsigned, may_be_missing, rule })
    }

    fn status(&mut self, node: &Node) -> Option<StatusRule> {
        let word = node.as_text()?;
        match word {
            "refunded_by_amount" => return Some(StatusRule::RefundedByAmount),
            "succeeded_by_amount" => return Some(StatusRule::SucceededByAmount),
            _ => {}
        }
        let status = Status::from_word(word).map(StatusRule::Is);
        if status.is_none() {
            let words = Status::ALL.map(Status::as_str);
            let help = match did_you_mean(word, words.into_iter().chain(["refunded_by_amount"])) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("expected one of {}, refunded_by_amount", words.join(", ")),
            };
            self.names.problems.add_with_help(
                node.place,
                format!("no such status: `{word}`"),
                help,
            );
        }
        status
    }

    fn test(&mut self, node: &Node) -> Option<TestGuard> {
        let when = match (node.get("when"), node.get("unless"), node.get("route")) {
            (Some(when), None, None) => Some(self.condition("test", when)?),
            (None, Some(unless), None) => {
                Some(Condition::Not(Box::new(self.condition("test", unless)?)))
            }
            (None, None, Some(_)) => None,
            _ => {
                let message = "`test` has one of `when`, `unless` and `route`";
                self.names.problems.add(node.place, message);
                return None;
            }
        };
        let environment = self.environment?;
        self.names.needs.insert(environment);
        let values = when.iter().flat_map(Condition::values);
        let phase = values.map(|expr| expr.phase(self.names.payloads)).max();
        let phase = phase.unwrap_or(Phase::Local);
        Some(TestGuard { when, environment, phase })
    }

    fn condition(&mut self, fact: &'static str, node: &Node) -> Option<Condition> {
        let mut values = Vec::new();
        let found = condition(node, self.names, &mut values);
        self.uses.extend(values.into_iter().map(|(place, expr)| Use { fact, place, expr }));
        found
    }
}

/// A count of decimals by currency.
fn decimals(node: &Node) -> Decimals {
    let mut decimals = Decimals { own: BTreeMap::new(), otherwise: None };
    for (key, node) in node.entries() {
        let count = node.as_integer().and_then(|count| u8::try_from(count).ok());
        match (key.text.as_str(), count) {
            ("otherwise", count) => decimals.otherwise = count,
            (code, Some(count)) => {
                decimals.own.insert(code.to_owned(), count);
            }
            (_, None) => {}
        }
    }
    decimals
}
