//! Forgeries bred from an accepted example (law 5). A rule that accepts one does not load.
//!
//! What changes something that a proof covers must be refused, whatever it is. What changes
//! something else (the order of fields, one more field in the query) must be refused or change
//! nothing: the event must be the same, but for facts that the rule itself calls unsigned.

mod answers;
mod change;
mod keys;

use crate::engine::Bound;
use crate::engine::bind::CompiledRule;
use crate::engine::event::Event;
use crate::engine::inbound::UnixSeconds;
use crate::engine::plan::{Order, PartKind, Plan, Proof, Ref};
use crate::engine::verdict::Verdict;
use crate::rule::canned;
use crate::rule::coverage::{self, Covered};
use crate::rule::example::Example;
use crate::rule::request::{Body, Request};
use crate::rule::sign;
use crate::text::problem::Problems;

use change::{flips, map_form, map_pairs, part_of, set, shifts, swap_case};

/// Forgeries of one example that are named when they are accepted.
const NAMED_MAX: usize = 8;

/// What may become of a forgery.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Must {
    /// It changes what a proof covers.
    BeRejected,
    /// It changes something else.
    ChangeNothing,
    /// It moves a boundary of which the rule says that it may move: no fact may change by it.
    KeepFacts,
}

/// What may become of a change of a place. `None`: the rule knows who sends, not what; then nothing
/// can be asked.
fn must(covered: &Covered<'_>, place: &Ref) -> Option<Must> {
    match (covered.notices(place), covered.is_covered(place)) {
        (true, _) => Some(Must::BeRejected),
        (false, true) => None,
        (false, false) => Some(Must::ChangeNothing),
    }
}

/// Breeds forgeries from an example that was accepted as `events`, and complains of each that gets
/// through. Returns how many were tried.
pub(crate) fn breed(
    rule: &CompiledRule,
    bound: &Bound,
    example: &Example,
    events: &[Event],
    problems: &mut Problems,
) -> usize {
    let plan = bound.plan();
    let covered = coverage::covered(plan, &rule.params);
    let mut breeder = Breeder { bound, example, events, accepted: Vec::new(), tried: 0 };
    breeder.fields(plan, &covered);
    breeder.headers(plan, &covered);
    breeder.body(&covered);
    breeder.tags(plan);
    breeder.boundaries(plan);
    breeder.set_boundaries(plan);
    breeder.senders(plan);
    breeder.surroundings();
    breeder.times();
    breeder.keys(rule);
    breeder.answers();
    let Breeder { accepted, tried, .. } = breeder;
    for forgery in accepted.iter().take(NAMED_MAX) {
        let message = format!("accepts a forgery of example `{}`: {forgery}", example.name);
        problems.add(example.place, message);
    }
    tried
}

struct Breeder<'b> {
    bound: &'b Bound,
    example: &'b Example,
    events: &'b [Event],
    accepted: Vec<String>,
    tried: usize,
}

/// Equal, but for facts that the rule itself calls unsigned, and for what is no fact.
fn says_the_same(found: &Event, wanted: &Event, must: Must) -> bool {
    let mut event = found.clone();
    for fact in &wanted.unsigned {
        match fact.as_str() {
            "event_id" => event.event_id.clone_from(&wanted.event_id),
            "fee" => event.fee.clone_from(&wanted.fee),
            "occurred_at" => event.occurred_at.clone_from(&wanted.occurred_at),
            "raw_type" => event.raw_type.clone_from(&wanted.raw_type),
            "settlement_amount" => event.settlement_amount.clone_from(&wanted.settlement_amount),
            "test" => event.test = wanted.test,
            "transaction_id" => event.transaction_id.clone_from(&wanted.transaction_id),
            _ => {}
        }
    }
    // Another of several proofs may have held; what was said is the same.
    event.proofs.clone_from(&wanted.proofs);
    if must == Must::KeepFacts {
        event.raw.clone_from(&wanted.raw);
    }
    event == *wanted
}

impl Breeder<'_> {
    /// Tries one forgery on the example's own route at its own time.
    fn attempt(&mut self, must: Must, request: &Request, what: impl FnOnce() -> String) {
        if *request != self.example.request {
            self.judge(self.bound, must, request, self.example.at, what);
        }
    }

    fn judge(
        &mut self,
        bound: &Bound,
        must: Must,
        request: &Request,
        at: UnixSeconds,
        what: impl FnOnce() -> String,
    ) {
        self.tried += 1;
        let canned = &self.example.canned;
        let outcome = request.encode().with(|inbound| canned::judge(bound, inbound, at, canned));
        if let Verdict::Accepted(accepted) = outcome.verdict {
            let same = accepted.events.len() == self.events.len()
                && accepted
                    .events
                    .iter()
                    .zip(self.events)
                    .all(|(found, wanted)| says_the_same(found, wanted, must));
            // A handshake or question says nothing, so it forges nothing.
            let harmless = same || accepted.events.is_empty();
            if must == Must::BeRejected || !harmless {
                self.accepted.push(what());
            }
        }
    }

    fn fields(&mut self, plan: &Plan, covered: &Covered<'_>) {
        for (index, field) in plan.request.fields.iter().enumerate() {
            let name = field.name.as_str();
            let mut request = self.example.request.clone();
            let Some(value) = request.fields_mut(name).next().map(|value| value.clone()) else {
                continue;
            };
            let place = format!("field.{name}");
            let Some(must) = must(covered, &Ref::Field(index)) else { continue };
            for (position, changed) in flips(&value) {
                set(&mut request, name, changed);
                self.attempt(must, &request, || format!("byte {position} of `{place}` changed"));
            }
            set(&mut request, name, Vec::new());
            self.attempt(must, &request, || format!("`{place}` emptied"));
            self.field_names(name, &value, must);
        }
    }

    fn field_names(&mut self, name: &str, value: &[u8], must: Must) {
        let place = format!("field.{name}");
        let original = &self.example.request;
        let without =
            map_pairs(original, |pairs| pairs.retain(|(found, _)| found != name.as_bytes()));
        self.attempt(must, &without, || format!("`{place}` dropped"));
        let renamed = |to: String| {
            map_pairs(original, |pairs| {
                for (found, _) in pairs.iter_mut().filter(|(found, _)| found == name.as_bytes()) {
                    *found = to.clone().into_bytes();
                }
            })
        };
        let swapped: String = name.chars().map(swap_case).collect();
        for to in [format!("{name}x"), format!("{name}[]"), swapped] {
            let request = renamed(to.clone());
            self.attempt(must, &request, || format!("`{place}` renamed to `{to}`"));
        }
        let other = value.iter().rev().copied().chain(*b"0").collect::<Vec<u8>>();
        for (twin, what) in [(value.to_vec(), "doubled"), (other, "doubled with another value")] {
            let pair = (name.as_bytes().to_vec(), twin);
            let mut in_query = original.clone();
            in_query.query.push(pair.clone());
            // Doubled is ambiguous even where nothing covers the field.
            self.attempt(Must::BeRejected, &in_query, || format!("`{place}` {what} in the query"));
            if let Body::Form(_) = original.body {
                for at_end in [true, false] {
                    let request = map_form(original, |pairs| {
                        if at_end {
                            pairs.push(pair.clone());
                        } else {
                            pairs.insert(0, pair.clone());
                        }
                    });
                    self.attempt(Must::BeRejected, &request, || {
                        format!("`{place}` {what} in the form")
                    });
                }
            }
        }
        let nested = map_form(original, |pairs| {
            pairs.push((format!("{name}[]").into_bytes(), b"x".to_vec()));
        });
        self.attempt(Must::BeRejected, &nested, || format!("`{place}[]` beside `{place}`"));
    }

    fn headers(&mut self, plan: &Plan, covered: &Covered<'_>) {
        for (index, header) in plan.request.headers.iter().enumerate() {
            let name = header.name.as_str();
            let mut request = self.example.request.clone();
            let Some(value) = request.header_mut(name).map(|value| value.clone()) else { continue };
            let place = format!("header.{name}");
            let mut doubled = request.clone();
            doubled.headers.push((name.to_owned(), value.clone()));
            self.attempt(Must::BeRejected, &doubled, || format!("`{place}` doubled"));
            let keys = header.pairs.iter().flat_map(|pairs| &pairs.keys).enumerate();
            let whole = must(covered, &Ref::Header(index));
            let mut spans: Vec<(usize, usize, Must)> = Vec::new();
            spans.extend(whole.map(|must| (0, value.len(), must)));
            for (part, key) in keys {
                let place = Ref::HeaderPart(index, part);
                if let (Some(must), Some((from, to))) =
                    (must(covered, &place), part_of(&value, &key.name))
                {
                    spans.push((from, to, must));
                }
            }
            for (from, to, must) in spans {
                for (position, changed) in flips(&value) {
                    if (from..to).contains(&position) {
                        if let Some(found) = request.header_mut(name) {
                            *found = changed;
                        }
                        self.attempt(must, &request, || {
                            format!("byte {position} of `{place}` changed")
                        });
                    }
                }
            }
        }
    }

    fn body(&mut self, covered: &Covered<'_>) {
        let original = &self.example.request;
        let Body::Raw(bytes) = &original.body else { return };
        let Some(must) = must(covered, &Ref::Body) else { return };
        let with = |body: Vec<u8>| Request { body: Body::Raw(body), ..original.clone() };
        for (position, changed) in flips(bytes) {
            self.attempt(must, &with(changed), || format!("byte {position} of the body changed"));
        }
        let shorter = bytes.split_last().map_or(Vec::new(), |(_, rest)| rest.to_vec());
        for (changed, what) in [
            ([&bytes[..], b"\n"].concat(), "a line break after the body"),
            ([b" ", &bytes[..]].concat(), "a blank before the body"),
            (shorter, "the last byte of the body cut off"),
            (Vec::new(), "no body"),
        ] {
            self.attempt(must, &with(changed), || what.to_owned());
        }
    }

    fn tags(&mut self, plan: &Plan) {
        for tag in plan.proofs.iter().flat_map(coverage::tags) {
            let place = &tag.tag.text;
            let Some(value) = sign::value_of(&self.example.request, plan, &tag.tag) else {
                continue;
            };
            let half = value.get(..value.len() / 2).unwrap_or_default().to_vec();
            let shorter = value.split_last().map_or(Vec::new(), |(_, rest)| rest.to_vec());
            let swapped: Vec<u8> = value
                .iter()
                .map(|&byte| char::from(byte))
                .map(swap_case)
                .map(|c| u8::try_from(c).unwrap_or(b'?'))
                .collect();
            for (changed, what) in [
                (half, "cut in half"),
                (shorter, "one character shorter"),
                ([&value[..], b"0"].concat(), "one character longer"),
                (swapped, "in the other letter case"),
                (Vec::new(), "emptied"),
                (b"0".to_vec(), "replaced by `0`"),
                (b"true".to_vec(), "replaced by `true`"),
            ] {
                let mut request = self.example.request.clone();
                sign::put_bare(&mut request, plan, &tag.tag, &changed);
                self.attempt(Must::ChangeNothing, &request, || format!("`{place}` {what}"));
            }
        }
    }

    /// Moves bytes over the boundary of two parts so that the joined text stays what it was.
    fn boundaries(&mut self, plan: &Plan) {
        for tag in plan.proofs.iter().flat_map(coverage::tags) {
            let must = if tag.ambiguous.is_some() { Must::KeepFacts } else { Must::BeRejected };
            let values = tag.values();
            for pair in values.windows(2) {
                let [left, right] = pair else { continue };
                let original = &self.example.request;
                let (Some(a), Some(b)) =
                    (sign::value_of(original, plan, left), sign::value_of(original, plan, right))
                else {
                    continue;
                };
                for (a, b) in shifts(&a, &b) {
                    let mut request = original.clone();
                    sign::put_bare(&mut request, plan, left, &a);
                    sign::put_bare(&mut request, plan, right, &b);
                    self.attempt(must, &request, || {
                        let (left, right) = (&left.text, &right.text);
                        format!("the boundary between `{left}` and `{right}` moved")
                    });
                }
            }
        }
    }

    /// The same for fields that are joined in the order of their names.
    fn set_boundaries(&mut self, plan: &Plan) {
        let parts = plan.proofs.iter().flat_map(coverage::tags).flat_map(|tag| &tag.over);
        for part in parts {
            let PartKind::Set(set) = &part.kind else { continue };
            let Body::Form(pairs) = &self.example.request.body else { continue };
            let mut names: Vec<Vec<u8>> = pairs.iter().map(|(name, _)| name.clone()).collect();
            names.retain(|name| !set.except.iter().any(|except| except.as_bytes() == name));
            if set.order == Order::AnyCase {
                names.sort_by_key(|name| name.to_ascii_lowercase());
            } else {
                names.sort();
            }
            for pair in names.windows(2) {
                let [left, right] = pair else { continue };
                let value = |name: &[u8]| {
                    pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
                };
                let (Some(a), Some(b)) = (value(left), value(right)) else { continue };
                for (a, b) in shifts(&a, &b) {
                    let request = map_form(&self.example.request, |pairs| {
                        for (name, value) in pairs.iter_mut() {
                            if name == left {
                                value.clone_from(&a);
                            } else if name == right {
                                value.clone_from(&b);
                            }
                        }
                    });
                    self.attempt(Must::KeepFacts, &request, || {
                        let (left, right) = (left.escape_ascii(), right.escape_ascii());
                        format!("the boundary between `{left}` and `{right}` moved")
                    });
                }
            }
        }
    }

    /// Somebody else who sends the same.
    fn senders(&mut self, plan: &Plan) {
        for proof in &plan.proofs {
            match proof {
                Proof::Basic { .. } => {
                    for value in ["", "Basic ", "Basic Og==", "Basic eDp5", "Bearer x"] {
                        let mut request = self.example.request.clone();
                        if let Some(found) = request.header_mut("authorization") {
                            *found = value.as_bytes().to_vec();
                        }
                        self.attempt(Must::BeRejected, &request, || {
                            format!("other credentials: `{value}`")
                        });
                    }
                    let mut request = self.example.request.clone();
                    request.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("authorization"));
                    self.attempt(Must::BeRejected, &request, || "no credentials".to_owned());
                }
                Proof::Source { .. } => {
                    for peer in ["192.0.2.77", "::1", "2001:db8::77"] {
                        let mut request = self.example.request.clone();
                        request.peer = peer.parse().ok();
                        request.headers.retain(|(name, _)| name != "x-forwarded-for");
                        let listed = self.example.request.peer.map(|peer| peer.to_string());
                        let listed = listed.unwrap_or_default().into_bytes();
                        self.attempt(Must::BeRejected, &request, || format!("sent from {peer}"));
                        // Who is not trusted may say what he likes.
                        request.headers.push(("x-forwarded-for".to_owned(), listed));
                        self.attempt(Must::BeRejected, &request, || {
                            format!("sent from {peer} in the name of another")
                        });
                    }
                    let request = Request { peer: None, ..self.example.request.clone() };
                    self.attempt(Must::BeRejected, &request, || "sent from nowhere".to_owned());
                }
                Proof::Token { place, .. } => {
                    let Some(value) = sign::value_of(&self.example.request, plan, place) else {
                        continue;
                    };
                    let longer = [&value[..], b"0"].concat();
                    let shorter = value.split_last().map_or(Vec::new(), |(_, rest)| rest.to_vec());
                    let changed = flips(&value).map(|(_, changed)| changed);
                    for value in changed.chain([longer, shorter, Vec::new()]) {
                        let mut request = self.example.request.clone();
                        sign::put_bare(&mut request, plan, place, &value);
                        self.attempt(Must::BeRejected, &request, || "another token".to_owned());
                    }
                }
                Proof::Confirm { .. }
                | Proof::Decrypt { .. }
                | Proof::FirstPresent(_)
                | Proof::HttpSignature(_)
                | Proof::Jws(_)
                | Proof::Tag(_) => {}
            }
        }
    }

    /// What stands around the callback must not change what it says.
    fn surroundings(&mut self) {
        let original = &self.example.request;
        let mut request = original.clone();
        request.query.push((b"added".to_vec(), b"1".to_vec()));
        self.attempt(Must::ChangeNothing, &request, || "a field added to the query".to_owned());
        let added = map_form(original, |pairs| pairs.push((b"added".to_vec(), b"1".to_vec())));
        self.attempt(Must::ChangeNothing, &added, || "a field added to the form".to_owned());
        let reordered = map_pairs(original, |pairs| pairs.reverse());
        self.attempt(Must::ChangeNothing, &reordered, || "fields reordered".to_owned());
        for method in ["GET", "HEAD", "POST", "PUT"] {
            let request = Request { method: method.to_owned(), ..original.clone() };
            self.attempt(Must::ChangeNothing, &request, || format!("sent by {method}"));
        }
    }

    /// The same bytes long after, and long before.
    fn times(&mut self) {
        let request = self.example.request.clone();
        for max_age in self.bound.max_ages() {
            for (at, what) in [
                (self.example.at.saturating_add(2 * max_age + 1), "judged too late"),
                (self.example.at.saturating_sub(2 * max_age + 1), "judged too early"),
            ] {
                self.judge(self.bound, Must::BeRejected, &request, at, || what.to_owned());
            }
        }
    }
}
