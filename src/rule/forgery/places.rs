//! Forgeries of what a request says: fields, headers, body, and what stands around them.

use std::collections::HashSet;

use crate::engine::plan::{
    Check, Condition, Expr, Outcome, Plan, Predicate, Question, QuestionAt, Ref,
};
use crate::rule::coverage;
use crate::rule::forgery::change::{Pairs, flips, map_form, map_pairs, part_of, set, swap_case};
use crate::rule::forgery::{Breeder, Must};
use crate::rule::request::{Body, Request};
use crate::rule::sign;

/// Words of conditions that are tried, of one rule.
const WORDS_MAX: usize = 256;

impl Breeder<'_> {
    pub(super) fn fields(&mut self) {
        for (index, field) in self.plan.request.fields.iter().enumerate() {
            let name = field.name.as_str();
            let mut request = self.example.request.clone();
            let Some(value) = request.fields_mut(name).next().map(|value| value.clone()) else {
                continue;
            };
            let place = format!("field.{name}");
            let Some(must) = self.must(&Ref::Field(index)) else { continue };
            for (position, changed) in flips(&value) {
                set(&mut request, name, changed);
                self.attempt(must, &request, || format!("byte {position} of `{place}` changed"));
            }
            set(&mut request, name, Vec::new());
            self.attempt(must, &request, || format!("`{place}` emptied"));
            // A proof may be made of what these have in common with the value.
            let must = if must == Must::BeRejected { Must::KeepFacts } else { must };
            for changed in writings(&value) {
                set(&mut request, name, changed.clone());
                let what = changed.escape_ascii();
                self.attempt(must, &request, || format!("`{place}` written as `{what}`"));
            }
            self.field_names(index, name, &value);
        }
    }

    fn field_names(&mut self, index: usize, name: &str, value: &[u8]) {
        let Some(must) = self.must(&Ref::Field(index)) else { return };
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
        // A proof may be made of all fields, wherever they stand.
        let moved = moved(original, name.as_bytes());
        let kept = if must == Must::BeRejected { Must::KeepFacts } else { must };
        self.attempt(kept, &moved, || format!("`{place}` moved between query and form"));
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

    pub(super) fn headers(&mut self) {
        for (index, header) in self.plan.request.headers.iter().enumerate() {
            let name = header.name.as_str();
            let mut request = self.example.request.clone();
            let Some(value) = request.header_mut(name).map(|value| value.clone()) else { continue };
            let place = format!("header.{name}");
            let mut doubled = request.clone();
            doubled.headers.push((name.to_owned(), value.clone()));
            self.attempt(Must::BeRejected, &doubled, || format!("`{place}` doubled"));
            let pairs = header.pairs.iter();
            let keys = pairs.flat_map(|pairs| pairs.keys.iter().map(move |key| (pairs, key)));
            let whole = self.must(&Ref::Header(index));
            let mut spans: Vec<(usize, usize, Must)> = Vec::new();
            spans.extend(whole.map(|must| (0, value.len(), must)));
            for (part, (pairs, key)) in keys.enumerate() {
                let place = Ref::HeaderPart(index, part);
                if let (Some(must), Some((from, to))) =
                    (self.must(&place), part_of(&value, pairs, &key.name))
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

    pub(super) fn body(&mut self) {
        let original = &self.example.request;
        let Body::Raw(bytes) = &original.body else { return };
        let Some(must) = self.must(&Ref::Body) else { return };
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

    /// What is said in a document or header, written in another way.
    pub(super) fn writings(&mut self) {
        let mut seen = HashSet::new();
        for expr in said(self.plan) {
            for leaf in coverage::leaves(expr) {
                // Fields have been.
                let is_field = matches!(leaf.source, Ref::Field(_));
                if is_field || !seen.insert(&leaf.source) {
                    continue;
                }
                let original = &self.example.request;
                let must = match self.must(&leaf.source) {
                    Some(Must::BeRejected) => Must::KeepFacts,
                    Some(must) => must,
                    None => continue,
                };
                let Some(value) = sign::value_of(original, self.plan, leaf) else { continue };
                for changed in writings(&value) {
                    let mut request = original.clone();
                    sign::put_bare(&mut request, self.plan, leaf, &changed);
                    let what = changed.escape_ascii();
                    self.attempt(must, &request, || format!("`{}` written as `{what}`", leaf.text));
                }
            }
        }
    }

    /// A place that something hangs on says another word that the rule knows.
    pub(super) fn words(&mut self) {
        for (expr, word) in words_of(self.plan).into_iter().take(WORDS_MAX) {
            let Some(must) = self.must(&expr.source) else { continue };
            let mut request = self.example.request.clone();
            sign::put_bare(&mut request, self.plan, expr, word.as_bytes());
            self.attempt(must, &request, || format!("`{}` says `{word}`", expr.text));
        }
    }

    /// What stands around the callback must not change what it says.
    pub(super) fn surroundings(&mut self) {
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
}

/// The request with a field in the query that stood in the form, or the other way round.
fn moved(request: &Request, name: &[u8]) -> Request {
    let mut request = request.clone();
    let Body::Form(form) = &mut request.body else { return request };
    let take = |from: &mut Pairs, to: &mut Pairs| {
        let (found, rest) = std::mem::take(from).into_iter().partition(|(known, _)| known == name);
        *from = rest;
        let found: Pairs = found;
        to.extend(found);
    };
    if form.iter().any(|(known, _)| known == name) {
        take(form, &mut request.query);
    } else {
        take(&mut request.query, form);
    }
    request
}

/// The value in the other letter case, and with something before or behind it.
fn writings(value: &[u8]) -> [Vec<u8>; 7] {
    [
        value.iter().map(|&byte| other_case(byte)).collect(),
        [value, b"0"].concat(),
        [value, b"x"].concat(),
        [value, b" "].concat(),
        [b"0", value].concat(),
        [b"x/", value].concat(),
        [b" ", value].concat(),
    ]
}

fn other_case(byte: u8) -> u8 {
    if byte.is_ascii_alphabetic() { byte ^ 0x20 } else { byte }
}

/// Every value that a fact or the status is taken from.
fn said(plan: &Plan) -> Vec<&Expr> {
    let mut said = Vec::new();
    match &plan.event.outcome {
        Outcome::Cases { cases, common } => {
            said.extend(common.values());
            for case in cases {
                said.extend(case.when.values());
                said.extend(case.facts.values());
            }
        }
        Outcome::Map { from, facts, .. } => {
            said.push(from);
            said.extend(facts.values());
        }
    }
    said
}

/// Every word that a condition or the status compares a place with.
fn words_of(plan: &Plan) -> Vec<(&Expr, &str)> {
    let mut conditions: Vec<&Condition> = Vec::new();
    let guards = plan.questions.iter().flat_map(|question| &question.guards).chain(&plan.guards);
    for guard in guards {
        conditions.extend(&guard.when);
        if let Check::Holds(holds) = &guard.check {
            conditions.push(holds);
        }
    }
    conditions.extend(plan.questions.iter().filter_map(when));
    let mut words = Vec::new();
    match &plan.event.outcome {
        Outcome::Cases { cases, .. } => conditions.extend(cases.iter().map(|case| &case.when)),
        Outcome::Map { from, words: known, .. } => {
            words.extend(known.iter().map(|(word, _)| (from, word.as_str())));
        }
    }
    conditions.extend(plan.event.test.iter().filter_map(|test| test.when.as_ref()));
    for condition in conditions {
        collect(condition, &mut words);
    }
    words
}

fn when(question: &Question) -> Option<&Condition> {
    match &question.at {
        QuestionAt::Handshake(_) => None,
        QuestionAt::Proved(when) | QuestionAt::Unproved(when) => Some(when),
    }
}

fn collect<'p>(condition: &'p Condition, into: &mut Vec<(&'p Expr, &'p str)>) {
    match condition {
        Condition::All(all) | Condition::Any(all) => all.iter().for_each(|one| collect(one, into)),
        Condition::Not(one) => collect(one, into),
        Condition::Value(expr, Predicate::Text(words)) => {
            into.extend(words.iter().map(|word| (expr, word.as_str())));
        }
        Condition::Value(expr, Predicate::Prefix(word) | Predicate::Suffix(word)) => {
            into.push((expr, word));
        }
        Condition::Value(_, Predicate::Matches(_) | Predicate::Present(_)) => {}
    }
}
