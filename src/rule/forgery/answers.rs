//! What the gateway answers, changed: an answer that does not come must never be accepted as money,
//! and one that comes says only what it says.

use std::sync::Arc;

use crate::engine::exchange::Answer;
use crate::engine::plan::{AmountFact, Expr, Facts, Outcome, Plan, Ref};
use crate::rule::canned::Canned;
use crate::rule::forgery::change::flips;
use crate::rule::forgery::{Breeder, Must, Trial};

/// Answers that say nothing, with status 200.
const EMPTY: [&str; 6] =
    ["", "{}", "[]", "<a/>", "a=", "<!DOCTYPE html><html><body>Maintenance</body></html>"];

impl Breeder<'_> {
    pub(super) fn answers(&mut self) {
        for (index, canned) in self.example.canned.iter().enumerate() {
            let Answer::Given { status, body, .. } = &canned.answer else { continue };
            let what = |what: &str| format!("{} {} {what}", canned.method, canned.url);
            self.answer(index, Must::BeAskedAgain, Answer::Unavailable, || what("not answered"));
            for other in [204, 302, 429, 500, 503] {
                let given = Answer::Given { status: other, body: Arc::clone(body), cached: false };
                self.answer(index, Must::BeAskedAgain, given, || {
                    what(&format!("answered with status {other}"))
                });
            }
            for empty in EMPTY {
                self.answer(index, Must::BeRejected, saying(*status, empty.as_bytes()), || {
                    what(&format!("answered with `{empty}`"))
                });
            }
            for (position, changed) in flips(body) {
                self.answer(index, Must::SayWhatIsAnswered, saying(*status, &changed), || {
                    what(&format!("answered with byte {position} changed"))
                });
            }
            let shorter = body.split_last().map_or(&[][..], |(_, rest)| rest);
            self.answer(index, Must::SayWhatIsAnswered, saying(*status, shorter), || {
                what("answered without the last byte")
            });
            let half = body.get(..body.len() / 2).unwrap_or_default();
            let page = [b"<html>", &body[..], b"</html>"].concat();
            let mut spoiled =
                vec![(400, &body[..], "with status 400"), (*status, half, "with half of it")];
            // Words around a PEM block say nothing (RFC 7468, section 5.2).
            if !body.starts_with(b"-----BEGIN") {
                spoiled.push((*status, &page, "with a page around it"));
            }
            for (status, body, how) in spoiled {
                self.answer(index, Must::BeRejected, saying(status, body), || {
                    what(&format!("answered {how}"))
                });
            }
            for other in self.example.canned.iter().filter(|other| other.answer != canned.answer) {
                self.answer(index, Must::ChangeNothing, other.answer.clone(), || {
                    what(&format!("answered as {} {}", other.method, other.url))
                });
            }
        }
    }

    /// The example with another answer in that place.
    fn answer(&mut self, index: usize, must: Must, answer: Answer, what: impl FnOnce() -> String) {
        let mut canned: Vec<Canned> = self.example.canned.clone();
        match canned.get_mut(index) {
            Some(changed) if changed.answer != answer => changed.answer = answer,
            _ => return,
        }
        self.judge(must, &Trial { canned: &canned, ..self.genuine() }, what);
    }
}

fn saying(status: u16, body: &[u8]) -> Answer {
    Answer::Given { status, body: body.into(), cached: false }
}

/// The facts that are taken from answers.
pub(super) fn facts(plan: &Plan) -> Vec<&'static str> {
    let is_answer = |expr: &Expr| {
        let place = |place: &&Ref| matches!(place, Ref::Document(index, _) if *index >= plan.documents.len());
        expr.places().iter().any(place)
    };
    let mut found = Vec::new();
    let mut of = |facts: &Facts| {
        let Facts { account, event_id, raw_type, order_id, transaction_id, occurred_at, .. } =
            facts;
        for (name, exprs) in [
            ("account", account),
            ("event_id", event_id),
            ("order_id", order_id),
            ("raw_type", raw_type),
            ("transaction_id", transaction_id),
        ] {
            if exprs.iter().any(is_answer) {
                found.push(name);
            }
        }
        if occurred_at.as_ref().is_some_and(|time| is_answer(&time.value)) {
            found.push("occurred_at");
        }
        let told = |fact: &Option<AmountFact>| {
            fact.as_ref()
                .is_some_and(|fact| is_answer(&fact.value) || fact.currency.iter().any(is_answer))
        };
        let Facts { amount, refunded_amount, refunded_of, settlement_amount, fee, .. } = facts;
        for (name, fact) in
            [("amount", amount), ("fee", fee), ("settlement_amount", settlement_amount)]
        {
            if told(fact) {
                found.push(name);
            }
        }
        // Whether all has gone back is a question of these.
        if [amount, refunded_amount, refunded_of].into_iter().any(told) {
            found.extend(["refunded_amount", "status"]);
        }
    };
    match &plan.event.outcome {
        Outcome::Cases { cases, common } => {
            of(common);
            for case in cases {
                of(&case.facts);
            }
            // Each case has facts of its own.
            if cases.iter().flat_map(|case| case.when.values()).any(is_answer) {
                found.extend(ALL);
            }
        }
        Outcome::Map { from, facts, .. } => {
            of(facts);
            if is_answer(from) {
                found.push("status");
            }
        }
    }
    let test = plan.event.test.iter().filter_map(|test| test.when.as_ref());
    if test.flat_map(crate::engine::plan::Condition::values).any(is_answer) {
        found.push("test");
    }
    found
}

/// Every fact that a case may say otherwise.
const ALL: [&str; 11] = [
    "account",
    "amount",
    "event_id",
    "fee",
    "occurred_at",
    "order_id",
    "raw_type",
    "refunded_amount",
    "settlement_amount",
    "status",
    "transaction_id",
];
