//! Properties of every shipped rule, whatever proves it: forms whose sets are signed, batches, tokens,
//! XML, other charsets, and what gateways answer. No broken request and no broken answer makes money
//! that nobody spoke of.

use std::sync::{Arc, LazyLock};
use std::time::Instant;

use countersign::engine::Bound;
use countersign::engine::event::{Amount, Event, Status};
use countersign::engine::exchange::Answer;
use countersign::engine::verdict::Verdict;
use countersign::rule;
use countersign::rule::canned::{self, Canned};
use countersign::rule::example::Example;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::properties::{Change, PATIENCE, Sent, any_change, cases};

/// An example that is accepted with one event or more, ready to be judged.
struct Genuine {
    name: String,
    example: Example,
    bound: Bound,
    events: Vec<Event>,
}

impl std::fmt::Debug for Genuine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.name)
    }
}

/// A list for each rule, so that one with many examples is not tried more than the others.
static RULES: LazyLock<Vec<Vec<Genuine>>> = LazyLock::new(|| {
    let shipped = rule::shipped().iter().map(|(gateway, text)| {
        let rule = rule::compile(gateway, text).unwrap_or_else(|p| panic!("{}", p.render(text)));
        let genuine = rule.accepted_examples().filter_map(|example| {
            let name = format!("{gateway}: {}", example.name);
            let bound = rule.bind(&example.params).map_err(|errors| errors.len()).expect(&name);
            let events = match judge(&bound, example, &Sent::of(&example.request)) {
                Verdict::Accepted(accepted) => accepted.events,
                verdict => panic!("{name}: {verdict:?}"),
            };
            let example = example.clone();
            (!events.is_empty()).then_some(Genuine { name, example, bound, events })
        });
        genuine.collect()
    });
    shipped.filter(|rule: &Vec<_>| !rule.is_empty()).collect()
});

/// Those for which the gateway is asked.
static ASKED: LazyLock<Vec<Vec<&Genuine>>> = LazyLock::new(|| {
    let of_rule = |rule: &'static Vec<Genuine>| -> Vec<&Genuine> {
        rule.iter().filter(|genuine| !genuine.example.canned.is_empty()).collect()
    };
    RULES.iter().map(of_rule).filter(|rule| !rule.is_empty()).collect()
});

fn any_genuine() -> impl Strategy<Value = &'static Genuine> {
    (any::<Index>(), any::<Index>()).prop_map(|(rule, example)| example.get(&rule.get(&RULES)[..]))
}

fn any_asked() -> impl Strategy<Value = &'static Genuine> {
    (any::<Index>(), any::<Index>()).prop_map(|(rule, example)| *example.get(&rule.get(&ASKED)[..]))
}

fn judge(bound: &Bound, example: &Example, sent: &Sent) -> Verdict {
    sent.with(example.request.peer, |inbound| {
        canned::judge(bound, inbound, example.at, &example.canned).verdict
    })
}

/// What is booked, and what it is told by when it comes again.
fn booked(event: &Event) -> impl PartialEq + std::fmt::Debug {
    let Event { id, account, order_id, amount, refunded_amount, status, test, .. } = event.clone();
    (id, account, order_id, amount, refunded_amount, status, test)
}

/// Whether an event claims no money that it must not claim.
fn is_sound(event: &Event) -> bool {
    let is_money = event.status == Status::Succeeded && event.test != Some(true);
    !event.credit || is_money
}

/// The canned answers, one of them changed.
fn answered(example: &Example, which: Index, changes: &[Change], donor: &[u8]) -> Vec<Canned> {
    let mut canned = example.canned.clone();
    let len = canned.len();
    let answer = &mut canned[which.index(len)].answer;
    if let Answer::Given { status, body, cached } = answer {
        let changed = changes.iter().fold(body.to_vec(), |body, change| change.apply(&body, donor));
        *answer = Answer::Given { status: *status, body: changed.into(), cached: *cached };
    }
    canned
}

/// All that the gateway has answered.
fn said(canned: &[Canned]) -> Vec<u8> {
    let bodies = canned.iter().map(|canned| match &canned.answer {
        Answer::Given { body, .. } => Arc::clone(body),
        Answer::Unavailable => Arc::from(&b""[..]),
    });
    bodies.flat_map(|body| body.to_vec()).collect()
}

fn digits(text: &[u8]) -> Vec<u8> {
    text.iter().copied().filter(u8::is_ascii_digit).collect()
}

/// Whether the digits of an amount stand in what was said, zeros at the ends aside.
fn is_said(amount: Option<&Amount>, said: &[u8]) -> bool {
    let Some(amount) = amount else { return true };
    let figures = digits(amount.value.as_bytes());
    let figures = std::str::from_utf8(&figures).unwrap().trim_matches('0').to_owned();
    digits(said).windows(figures.len().max(1)).any(|window| window == figures.as_bytes())
        || figures.is_empty()
}

proptest! {
    #![proptest_config(cases(4000))]

    #[test]
    fn a_broken_request_credits_nothing_but_what_was_signed(
        genuine in any_genuine(),
        other in any_genuine(),
        changes in prop::collection::vec((any::<Index>(), any_change()), 1..4),
    ) {
        let Genuine { name, example, bound, events } = genuine;
        let donor = Sent::of(&other.example.request);
        let mut sent = Sent::of(&example.request);
        for (part, change) in &changes {
            sent.change(*part, change, &donor);
        }
        let started = Instant::now();
        let verdict = judge(bound, example, &sent);
        prop_assert!(started.elapsed() < PATIENCE, "{}: {:?}", name, sent);
        let Verdict::Accepted(accepted) = verdict else { return Ok(()) };
        for event in accepted.events {
            prop_assert!(is_sound(&event), "{}: {:?}", name, event);
            // Splices may end in the donor as a whole, which is as genuine where the keys are the same.
            let mut signed = events.iter().chain(&other.events);
            let is_signed = signed.any(|signed| booked(signed) == booked(&event));
            prop_assert!(!event.credit || is_signed, "{}: {:?} says {:?}", name, sent, event);
        }
    }

    #[test]
    fn a_broken_answer_credits_nothing_but_what_it_says(
        genuine in any_asked(),
        other in any_asked(),
        which in any::<Index>(),
        changes in prop::collection::vec(any_change(), 1..3),
    ) {
        let Genuine { name, example, bound, events } = genuine;
        let canned = answered(example, which, &changes, &said(&other.example.canned));
        let started = Instant::now();
        let outcome = Sent::of(&example.request).with(example.request.peer, |inbound| {
            canned::judge(bound, inbound, example.at, &canned)
        });
        prop_assert!(started.elapsed() < PATIENCE, "{}: {:?}", name, canned);
        let Verdict::Accepted(accepted) = outcome.verdict else { return Ok(()) };
        let said = said(&canned);
        for event in &accepted.events {
            prop_assert!(is_sound(event), "{}: {:?}", name, event);
            let is_known = events.iter().any(|known| known.amount == event.amount);
            prop_assert!(
                is_known || is_said(event.amount.as_ref(), &said),
                "{}: {:?} says {:?}", name, canned, event
            );
        }
    }
}
