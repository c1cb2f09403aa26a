//! Forgeries bred from an accepted example (law 5). A rule that accepts one does not load.
//!
//! What changes something that a proof covers must be refused, whatever it is. What changes
//! something else (the order of fields, one more field in the query) must be refused or change
//! nothing: the event must be the same, but for facts that the rule itself calls unsigned. A
//! request that is answered and says nothing forges nothing.

mod answers;
mod batches;
mod change;
mod keys;
mod places;
mod senders;
mod tags;
mod tokens;

use crate::engine::Bound;
use crate::engine::bind::CompiledRule;
use crate::engine::event::Event;
use crate::engine::form;
use crate::engine::inbound::UnixSeconds;
use crate::engine::plan::{BodyKind, Plan, Ref};
use crate::engine::reason::Reason;
use crate::engine::verdict::Verdict;
use crate::rule::canned::{self, Canned};
use crate::rule::coverage::{self, Covered};
use crate::rule::example::Example;
use crate::rule::request::{Body, Request};
use crate::text::problem::Problems;

/// Forgeries of one example that are named when they are accepted.
const NAMED_MAX: usize = 8;

/// What may become of a forgery.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Must {
    /// It is the gateway that failed: the callback must be sent again, not refused for good.
    BeAskedAgain,
    /// It changes what a proof covers.
    BeRejected,
    /// It changes something else.
    ChangeNothing,
    /// It moves a boundary of which the rule says that it may move, or writes the same value in
    /// another way: no fact may change by it.
    KeepFacts,
    /// The gateway's answer is another: what is not taken from it must stay as it was.
    SayWhatIsAnswered,
    /// It sends what is genuine in another number: each event must be one of those.
    SayNothingNew,
}

/// Breeds forgeries from an example that was accepted as `events`, and complains of each that gets
/// through. Of a question there are no events, and none may come of its forgeries. Returns how many
/// were tried.
pub(crate) fn breed(
    rule: &CompiledRule,
    bound: &Bound,
    example: &Example,
    events: &[Event],
    problems: &mut Problems,
) -> usize {
    let mut breeder = Breeder::new(rule, bound, example, events);
    breeder.fields();
    breeder.headers();
    breeder.body();
    breeder.writings();
    breeder.words();
    breeder.surroundings();
    breeder.tags();
    breeder.boundaries();
    breeder.set_boundaries();
    breeder.tokens();
    breeder.senders();
    breeder.batches();
    breeder.answers();
    if !events.is_empty() {
        breeder.times();
        breeder.keys();
    }
    let Breeder { mut complaints, mut tried, .. } = breeder;
    // A form that the example writes as bytes is forged field by field as well.
    if let Some(example) = taken_apart(bound.plan(), example) {
        let mut breeder = Breeder::new(rule, bound, &example, events);
        breeder.fields();
        breeder.words();
        breeder.surroundings();
        breeder.tags();
        breeder.boundaries();
        breeder.set_boundaries();
        breeder.tokens();
        breeder.senders();
        complaints.extend(breeder.complaints);
        tried += breeder.tried;
    }
    for complaint in complaints.into_iter().take(NAMED_MAX) {
        problems.add(example.place, complaint);
    }
    tried
}

/// The example with the fields of its body instead of its bytes, where that is a form.
fn taken_apart(plan: &Plan, example: &Example) -> Option<Example> {
    let Body::Raw(bytes) = &example.request.body else { return None };
    if plan.request.body != BodyKind::Form || bytes.is_empty() {
        return None;
    }
    let pair = |(name, value): form::Pair<'_>| (name.into_owned(), value.into_owned());
    let pairs: Result<_, _> = form::pairs(bytes).map(|found| found.map(pair)).collect();
    let request = Request { body: Body::Form(pairs.ok()?), ..example.request.clone() };
    Some(Example { request, ..example.clone() })
}

struct Breeder<'b> {
    rule: &'b CompiledRule,
    bound: &'b Bound,
    plan: &'b Plan,
    covered: Covered<'b>,
    /// Facts that are taken from answers of the gateway.
    answered: Vec<&'static str>,
    example: &'b Example,
    events: &'b [Event],
    complaints: Vec<String>,
    tried: usize,
}

/// One forgery.
struct Trial<'t> {
    bound: &'t Bound,
    request: &'t Request,
    at: UnixSeconds,
    canned: &'t [Canned],
}

impl<'b> Breeder<'b> {
    fn new(
        rule: &'b CompiledRule,
        bound: &'b Bound,
        example: &'b Example,
        events: &'b [Event],
    ) -> Self {
        let plan = bound.plan();
        let covered = coverage::covered(plan, &rule.params);
        let answered = answers::facts(plan);
        let complaints = Vec::new();
        Self { rule, bound, plan, covered, answered, example, events, complaints, tried: 0 }
    }

    /// What may become of a change of a place. `None`: the rule knows who sends, not what; then
    /// nothing can be asked.
    fn must(&self, place: &Ref) -> Option<Must> {
        match (self.covered.notices(place), self.covered.is_covered(place)) {
            (true, _) => Some(Must::BeRejected),
            (false, true) => None,
            (false, false) => Some(Must::ChangeNothing),
        }
    }

    /// The example as it stands.
    fn genuine(&self) -> Trial<'b> {
        let Example { request, at, canned, .. } = self.example;
        Trial { bound: self.bound, request, at: *at, canned }
    }

    /// Tries one forgery on the example's own route at its own time.
    fn attempt(&mut self, must: Must, request: &Request, what: impl FnOnce() -> String) {
        if *request != self.example.request {
            self.judge(must, &Trial { request, ..self.genuine() }, what);
        }
    }

    fn judge(&mut self, must: Must, trial: &Trial<'_>, what: impl FnOnce() -> String) {
        let Trial { bound, request, at, canned } = trial;
        self.tried += 1;
        let outcome = request.encode().with(|inbound| canned::judge(bound, inbound, *at, canned));
        match outcome.verdict {
            Verdict::Accepted(accepted) => {
                // A handshake or question says nothing, so it forges nothing.
                let harmless = accepted.events.is_empty() && must != Must::BeAskedAgain;
                if !harmless && !self.is_harmless(&accepted.events, must) {
                    let name = &self.example.name;
                    let what = what();
                    self.complaints.push(format!("accepts a forgery of example `{name}`: {what}"));
                }
            }
            Verdict::Rejected(reject) => {
                let again = reject.reason == Reason::ConfirmationUnavailable;
                if must == Must::BeAskedAgain && !again {
                    let (name, reason) = (&self.example.name, reject.reason.as_str());
                    let what = what();
                    self.complaints.push(format!(
                        "refuses example `{name}` for good ({reason}) where it is the gateway that \
                         fails: {what}"
                    ));
                }
            }
            Verdict::Ask(_) => {}
        }
    }

    fn is_harmless(&self, found: &[Event], must: Must) -> bool {
        let same = |found: &Event, wanted: &Event| self.says_the_same(found, wanted, must);
        match must {
            Must::BeAskedAgain | Must::BeRejected => false,
            Must::SayNothingNew => {
                found.iter().all(|found| self.events.iter().any(|wanted| same(found, wanted)))
            }
            Must::ChangeNothing | Must::KeepFacts | Must::SayWhatIsAnswered => {
                found.len() == self.events.len()
                    && found.iter().zip(self.events).all(|(found, wanted)| same(found, wanted))
            }
        }
    }

    /// Equal, but for what may differ.
    fn says_the_same(&self, found: &Event, wanted: &Event, must: Must) -> bool {
        let mut event = found.clone();
        for fact in &wanted.unsigned {
            take_over(&mut event, wanted, fact);
        }
        // Another of several proofs may have held; what was said is the same.
        event.proofs.clone_from(&wanted.proofs);
        if must == Must::KeepFacts {
            event.raw.clone_from(&wanted.raw);
        }
        if must == Must::SayWhatIsAnswered {
            for fact in &self.answered {
                take_over(&mut event, wanted, fact);
            }
            // Whether it is money hangs on these two.
            if self.answered.iter().any(|fact| matches!(*fact, "status" | "test")) {
                event.credit = wanted.credit;
            }
            event.id.clone_from(&wanted.id);
            event.raw.clone_from(&wanted.raw);
        }
        event == *wanted
    }
}

/// Makes that fact the same.
fn take_over(event: &mut Event, wanted: &Event, fact: &str) {
    match fact {
        "account" => event.account.clone_from(&wanted.account),
        "amount" => event.amount.clone_from(&wanted.amount),
        "event_id" => event.event_id.clone_from(&wanted.event_id),
        "fee" => event.fee.clone_from(&wanted.fee),
        "occurred_at" => event.occurred_at.clone_from(&wanted.occurred_at),
        "order_id" => event.order_id.clone_from(&wanted.order_id),
        "raw_type" => event.raw_type.clone_from(&wanted.raw_type),
        "refunded_amount" => event.refunded_amount.clone_from(&wanted.refunded_amount),
        "settlement_amount" => event.settlement_amount.clone_from(&wanted.settlement_amount),
        "status" => event.status = wanted.status,
        "test" => event.test = wanted.test,
        "transaction_id" => event.transaction_id.clone_from(&wanted.transaction_id),
        _ => {}
    }
}
