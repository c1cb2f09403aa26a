//! Forgeries bred from an accepted example (law 5). A rule that accepts one does not load.
//!
//! What changes something that a proof covers must be refused, whatever it is. What changes
//! something else (the order of fields, one more field in the query) must be refused or change
//! nothing: the event must be the same, but for facts that the rule itself calls unsigned.

mod change;

use crate::engine::Bound;
use crate::engine::bind::CompiledRule;
use crate::engine::event::Event;
use crate::engine::inbound::UnixSeconds;
use crate::engine::params::{ParamKind, Params};
use crate::engine::plan::{Plan, Ref, TagProof};
use crate::engine::secret::Secret;
use crate::engine::verdict::Verdict;
use crate::rule::coverage::{self, Covered};
use crate::rule::example::Example;
use crate::rule::request::{Body, Request};
use crate::rule::sign;
use crate::text::problem::Problems;

use change::{flips, map_form, map_pairs, part_of, set, swap_case};

/// Forgeries of one example that are named when they are accepted.
const NAMED_MAX: usize = 8;

/// A public key that no gateway has: RSA, 2048 bits, its private half thrown away.
const STRANGERS_KEY: &str = include_str!("stranger.pem");

/// What may become of a forgery.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Must {
    /// It changes what a proof covers.
    BeRejected,
    /// It changes something else.
    ChangeNothing,
}

fn must(is_covered: bool) -> Must {
    if is_covered { Must::BeRejected } else { Must::ChangeNothing }
}

/// Breeds forgeries from an example that was accepted as `event`, and complains of each that gets
/// through. Returns how many were tried.
pub(crate) fn breed(
    rule: &CompiledRule,
    bound: &Bound,
    example: &Example,
    event: &Event,
    problems: &mut Problems,
) -> usize {
    let plan = bound.plan();
    let covered = coverage::covered(&plan.proofs, &plan.request, plan.payload.as_ref());
    let mut breeder = Breeder { bound, example, event, accepted: Vec::new(), tried: 0 };
    breeder.fields(plan, &covered);
    breeder.headers(plan, &covered);
    breeder.body(&covered, plan);
    breeder.tags(plan);
    breeder.boundaries(plan);
    breeder.surroundings();
    breeder.times();
    breeder.keys(rule);
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
    event: &'b Event,
    accepted: Vec<String>,
    tried: usize,
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
        let verdict = request.encode().with(|inbound| bound.judge(inbound, at));
        if let Verdict::Accepted(accepted) = verdict {
            let same = accepted.events.iter().all(|event| self.says_the_same(event));
            if must == Must::BeRejected || !same {
                self.accepted.push(what());
            }
        }
    }

    /// Equal, but for facts that the rule itself calls unsigned.
    fn says_the_same(&self, event: &Event) -> bool {
        let mut event = event.clone();
        for fact in &self.event.unsigned {
            match fact.as_str() {
                "event_id" => event.event_id.clone_from(&self.event.event_id),
                "fee" => event.fee.clone_from(&self.event.fee),
                "occurred_at" => event.occurred_at.clone_from(&self.event.occurred_at),
                "raw_type" => event.raw_type.clone_from(&self.event.raw_type),
                "settlement_amount" => {
                    event.settlement_amount.clone_from(&self.event.settlement_amount);
                }
                "test" => event.test = self.event.test,
                "transaction_id" => event.transaction_id.clone_from(&self.event.transaction_id),
                _ => {}
            }
        }
        // Another of several proofs may have held; what was said is the same.
        event.proofs.clone_from(&self.event.proofs);
        event == *self.event
    }

    fn fields(&mut self, plan: &Plan, covered: &Covered) {
        for (index, field) in plan.request.fields.iter().enumerate() {
            let name = field.name.as_str();
            let mut request = self.example.request.clone();
            let Some(value) = request.fields_mut(name).next().map(|value| value.clone()) else {
                continue;
            };
            let place = format!("field.{name}");
            let must = if covered.field(index, &plan.request) {
                Must::BeRejected
            } else {
                Must::ChangeNothing
            };
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

    fn headers(&mut self, plan: &Plan, covered: &Covered) {
        for (index, header) in plan.request.headers.iter().enumerate() {
            let name = header.name.as_str();
            let mut request = self.example.request.clone();
            let Some(value) = request.header_mut(name).map(|value| value.clone()) else { continue };
            let place = format!("header.{name}");
            let mut doubled = request.clone();
            doubled.headers.push((name.to_owned(), value.clone()));
            self.attempt(Must::BeRejected, &doubled, || format!("`{place}` doubled"));
            let is_covered = covered.is_covered(&Ref::Header(index), &plan.request);
            let keys = header.pairs.iter().flat_map(|pairs| &pairs.keys).enumerate();
            let mut spans: Vec<(usize, usize, bool)> = vec![(0, value.len(), is_covered)];
            for (part, key) in keys {
                let is_covered = covered.is_covered(&Ref::HeaderPart(index, part), &plan.request);
                spans.extend(part_of(&value, &key.name).map(|(from, to)| (from, to, is_covered)));
            }
            for (from, to, is_covered) in spans {
                let must = must(is_covered);
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

    fn body(&mut self, covered: &Covered, plan: &Plan) {
        let original = &self.example.request;
        let Body::Raw(bytes) = &original.body else { return };
        let must = if covered.is_covered(&Ref::Body, &plan.request) {
            Must::BeRejected
        } else {
            Must::ChangeNothing
        };
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
            let Some(value) = sign::value_of(&self.example.request, plan, &tag.tag.source) else {
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
                sign::put(&mut request, plan, &tag.tag.source, &changed);
                self.attempt(Must::ChangeNothing, &request, || format!("`{place}` {what}"));
            }
        }
    }

    /// Moves bytes over the boundary of two parts so that the joined text stays what it was.
    fn boundaries(&mut self, plan: &Plan) {
        for TagProof { over, .. } in plan.proofs.iter().flat_map(coverage::tags) {
            for pair in over.windows(2) {
                let [left, right] = pair else { continue };
                let original = &self.example.request;
                let (Some(a), Some(b)) = (
                    sign::value_of(original, plan, &left.source),
                    sign::value_of(original, plan, &right.source),
                ) else {
                    continue;
                };
                let joined = [&a[..], &b[..]].concat();
                for cut in [a.len().wrapping_sub(1), a.len() + 1] {
                    if cut < joined.len() && cut > 0 {
                        let (a, b) = joined.split_at(cut);
                        let mut request = original.clone();
                        sign::put(&mut request, plan, &left.source, a);
                        sign::put(&mut request, plan, &right.source, b);
                        self.attempt(Must::BeRejected, &request, || {
                            format!(
                                "the boundary between `{}` and `{}` moved",
                                left.text, right.text
                            )
                        });
                    }
                }
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

    /// Other keys, an empty key, another account.
    fn keys(&mut self, rule: &CompiledRule) {
        let request = self.example.request.clone();
        for &index in self.bound.needs() {
            let Some(spec) = rule.params.get(index) else { continue };
            let name = spec.name.as_str();
            let given = self.example.params.values(name);
            let others: Vec<Secret> = match spec.kind {
                ParamKind::Secret | ParamKind::Text if given.is_empty() => vec!["other".into()],
                // In front: where a key is cut to a length, what is appended would be cut off.
                ParamKind::Secret | ParamKind::Text => {
                    given.iter().map(|value| Secret::new([b"x", value.expose()].concat())).collect()
                }
                ParamKind::PublicKey => vec![STRANGERS_KEY.into()],
                ParamKind::Choice(_) | ParamKind::Seconds => continue,
            };
            let mut params = self.example.params.clone();
            params.set(name, others);
            if let Ok(other) = Bound::new(rule, &params) {
                self.judge(&other, Must::BeRejected, &request, self.example.at, || {
                    format!("judged with another `{name}`")
                });
            }
            if spec.kind == ParamKind::Secret {
                self.empty_key(rule, name);
            }
        }
    }

    fn empty_key(&mut self, rule: &CompiledRule, name: &str) {
        let mut params: Params = self.example.params.clone();
        params.set(name, vec![Secret::new(Vec::new())]);
        if Bound::new(rule, &params).is_ok() {
            self.accepted.push(format!("`{name}` may be empty"));
        }
        // What somebody would sign who hopes that ours is empty.
        if let Ok(empty) = Bound::with_empty_secrets(rule, &params) {
            let mut request = self.example.request.clone();
            if sign::sign(&empty, &mut request, None).is_ok() {
                self.attempt(Must::BeRejected, &request, || {
                    format!("signed with an empty `{name}`")
                });
            }
        }
    }
}
