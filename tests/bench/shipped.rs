//! What judging a payment costs under each rule that is shipped, whatever proves it. What a gateway
//! is asked is answered from memory: all judging is counted, from the first byte to the last answer,
//! and no network.

use std::hint::black_box;
use std::sync::Arc;

use countersign::engine::Bound;
use countersign::engine::exchange::Answered;
use countersign::engine::inbound::{Inbound, UnixSeconds};
use countersign::engine::verdict::{Accepted, Verdict};
use countersign::rule::canned::{self, ROUNDS_MAX};
use countersign::rule::example::Example;
use countersign::rule::{self, Rule};

use crate::{Work, measure};

/// Prints one line for each gateway whose name starts so.
pub(crate) fn print(wanted: Option<&str>) {
    let is_wanted = |name: &str| wanted.is_none_or(|wanted| name.starts_with(wanted));
    println!("ns, best (median)     bytes  asks    judge          judge + canonical");
    for (gateway, text) in rule::shipped().iter().filter(|(name, _)| is_wanted(name)) {
        let rule = rule::compile(gateway, text).unwrap_or_else(|p| panic!("{}", p.render(text)));
        let Some((bound, example)) = payment(&rule) else { continue };
        let answers = answers(&bound, example);
        let (bytes, asks) = (example.request.encode().body().len(), answers.len());
        let work = [false, true].map(|canonical| work(&rule, example, &answers, canonical));
        print!("{gateway:<22}{bytes:>5} {asks:>5}");
        for (best, median) in measure(&work) {
            print!("{best:>9} {:<9}", format!("({median})"));
        }
        println!();
    }
}

/// The first example that is booked; of gateways that book nothing, the first that says something.
fn payment(rule: &Rule) -> Option<(Bound, &Example)> {
    let judged: Vec<_> = rule
        .accepted_examples()
        .filter_map(|example| {
            let bound = rule.bind(&example.params).ok()?;
            let answers = answers(&bound, example);
            let event = judge(&bound, example, &answers).events.into_iter().next()?;
            Some((event.credit, bound, example))
        })
        .collect();
    let first = judged.iter().position(|(credit, ..)| *credit).unwrap_or(0);
    judged.into_iter().nth(first).map(|(_, bound, example)| (bound, example))
}

/// What the gateway answers, in the order of the questions.
fn answers(bound: &Bound, example: &Example) -> Vec<Answered> {
    let mut answers: Vec<Answered> = Vec::new();
    example.request.encode().with(|inbound| {
        while answers.len() < ROUNDS_MAX
            && let Verdict::Ask(asked) = bound.judge(inbound, example.at, &answers)
        {
            let answer =
                canned::answer(&example.canned, &asked).expect("a question of the example");
            answers.push(Answered { name: Arc::clone(&asked.name), answer });
        }
    });
    answers
}

fn judge(bound: &Bound, example: &Example, answers: &[Answered]) -> Accepted {
    example.request.encode().with(|inbound| accepted(bound, inbound, example.at, answers))
}

/// As the edge does: judged anew with each answer.
fn accepted(
    bound: &Bound,
    inbound: &Inbound<'_>,
    at: UnixSeconds,
    answers: &[Answered],
) -> Accepted {
    for known in 0..=answers.len() {
        match bound.judge(inbound, at, answers.get(..known).unwrap_or_default()) {
            Verdict::Accepted(accepted) => return accepted,
            Verdict::Ask(_) => {}
            Verdict::Rejected(reject) => panic!("{reject:?}"),
        }
    }
    panic!("asks without end")
}

fn work(rule: &Rule, example: &Example, answers: &[Answered], canonical: bool) -> Work {
    let bound = rule.bind(&example.params).map_err(|errors| errors.len()).expect("parameters");
    let (wire, at, answers) = (example.request.encode(), example.at, answers.to_vec());
    Box::new(move || {
        wire.with(|inbound| {
            let accepted = accepted(&bound, black_box(inbound), at, &answers);
            if canonical {
                for event in &accepted.events {
                    black_box(event.to_canonical_json(at));
                }
            }
            black_box(accepted);
        });
    })
}
