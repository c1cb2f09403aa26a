//! Which values a proof really protects (law 3), computed from what it is made of. A fact that no
//! proof covers does not compile unless the rule says so, and order, amount, status and account
//! never are.

mod facts;
mod spot;

use std::collections::HashSet;

use crate::engine::cipher::Cipher;
use crate::engine::event::Strength;
use crate::engine::http_signature::Component;
use crate::engine::params::ParamSpec;
use crate::engine::plan::{
    Check, Condition, Expr, FieldPlace, Guard, HttpSignaturePlan, PartKind, PathStep, Plan, Proof,
    Ref, Scheme, SetOf, SetPlan, Step, TagProof,
};
use crate::rule::compile::proofs::all_of;

use spot::Spot;

pub use facts::Row;
pub(crate) use facts::{check, strength};
pub(crate) use spot::leaves;

/// What the rule and the route say themselves.
const CONFIGURATION: &str = "configuration";

/// One proof over something.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct By {
    kind: &'static str,
    strength: Strength,
    /// A change of the value would be noticed; else it is only known who sent it.
    notices: bool,
}

/// What the proofs of one variant cover together.
#[derive(Clone, Debug)]
pub(crate) struct Covered<'p> {
    plan: &'p Plan,
    /// Each covered place, with the proof that covers it.
    places: Vec<(Spot, By)>,
    sets: Vec<(&'p SetPlan, By)>,
    /// Proofs of who sends, not of what.
    senders: Vec<By>,
}

/// The tags of a proof.
pub(crate) fn tags(proof: &Proof) -> &[TagProof] {
    match proof {
        Proof::FirstPresent(tags) => tags,
        Proof::Tag(tag) => std::slice::from_ref(tag),
        Proof::Basic { .. }
        | Proof::Confirm { .. }
        | Proof::Decrypt { .. }
        | Proof::HttpSignature(_)
        | Proof::Jws(_)
        | Proof::Mtls(_)
        | Proof::Source { .. }
        | Proof::Token { .. } => &[],
    }
}

/// Computes what is covered.
pub(crate) fn covered<'p>(plan: &'p Plan, params: &[ParamSpec]) -> Covered<'p> {
    let mut covered = Covered { plan, places: Vec::new(), sets: Vec::new(), senders: Vec::new() };
    let sender = |kind| By { kind, strength: Strength::Weak, notices: false };
    for proof in &plan.proofs {
        match proof {
            Proof::Tag(tag) => {
                let by = by(tag, params);
                covered.places.extend(places(tag).map(|place| (place, by)));
                covered.sets.extend(sets(tag).map(|set| (set, by)));
            }
            // Any one of them may be the one that is checked, so what all of them cover is covered.
            Proof::FirstPresent(tags) => {
                let mut common: Option<HashSet<_>> = None;
                for tag in tags {
                    let of_tag: HashSet<_> = places(tag).collect();
                    common = Some(match common {
                        None => of_tag,
                        Some(common) => common.intersection(&of_tag).cloned().collect(),
                    });
                }
                let least = tags.iter().map(|tag| by(tag, params).strength).min();
                let strength = least.unwrap_or(Strength::Weak);
                let by = By { kind: "signature", strength, notices: true };
                covered.places.extend(common.unwrap_or_default().into_iter().map(|p| (p, by)));
            }
            Proof::Decrypt { cipher, from, .. } => {
                let kind = Cipher::as_str(*cipher);
                let by = By { kind, strength: Strength::Strong, notices: true };
                covered.places.extend([(Spot::of(from), by), (Spot::at(Ref::Decrypted), by)]);
            }
            Proof::Confirm { exchange, vouches, when } => {
                let by = By { kind: "confirmed", strength: Strength::Strong, notices: true };
                let answer = Ref::Document(plan.documents.len() + exchange, Vec::new());
                covered.places.push((Spot::at(answer), by));
                // Where it may not be asked, nobody vouches.
                let vouches = vouches.iter().filter(|_| when.is_none());
                covered.places.extend(vouches.map(|expr| (Spot::of(expr), by)));
            }
            Proof::HttpSignature(signature) => {
                let by = By { kind: "http-signature", strength: Strength::Strong, notices: true };
                let places = signed_places(signature, plan).map(Spot::at);
                covered.places.extend(places.map(|place| (place, by)));
            }
            Proof::Jws(token) => {
                let kind = token.algorithm.as_str();
                let by = By { kind, strength: Strength::Strong, notices: true };
                covered.places.push((Spot::at(Ref::Claims), by));
                if token.bearer {
                    covered.senders.push(sender(kind));
                }
            }
            // Nobody else can have written a byte of what came over the connection.
            Proof::Mtls(_) => {
                covered.senders.push(By { strength: Strength::Strong, ..sender("mtls") });
            }
            Proof::Basic { .. } => covered.senders.push(sender("basic")),
            Proof::Source { .. } => covered.senders.push(sender("source")),
            Proof::Token { .. } => covered.senders.push(sender("token")),
        }
    }
    covered.add_equals(&plan.guards);
    covered
}

/// The places that a signature over the message covers.
fn signed_places(signature: &HttpSignaturePlan, plan: &Plan) -> impl Iterator<Item = Ref> {
    let mut places = Vec::new();
    for component in &signature.components {
        match component {
            Component::RequestTarget | Component::TargetUri => places.push(Ref::Target),
            Component::Path => places.push(Ref::Path),
            Component::Field(name) => {
                let known = plan.request.headers.iter().position(|header| header.name == *name);
                places.extend(known.map(Ref::Header));
                if name == "content-digest" {
                    places.push(Ref::Body);
                }
            }
            Component::Authority
            | Component::Method
            | Component::Query
            | Component::QueryParam(_)
            | Component::Scheme => {}
        }
    }
    places.into_iter()
}

fn by(tag: &TagProof, params: &[ParamSpec]) -> By {
    let least = |strengths: Vec<Strength>| strengths.into_iter().min().unwrap_or(Strength::Weak);
    let (kind, strength) = match &tag.scheme {
        Scheme::Digest(algorithms) => {
            let all = all_of(algorithms, params);
            (
                "digest",
                least(
                    all.into_iter()
                        .map(super::super::engine::digest::HashAlgorithm::digest_strength)
                        .collect(),
                ),
            )
        }
        Scheme::Hmac { algorithms, .. } => {
            let all = all_of(algorithms, params);
            (
                "hmac",
                least(
                    all.into_iter()
                        .map(super::super::engine::digest::HashAlgorithm::hmac_strength)
                        .collect(),
                ),
            )
        }
        Scheme::Signature { algorithm, .. } => (algorithm.as_str(), tag.strength(*algorithm)),
    };
    By { kind, strength: tag.worth(strength), notices: true }
}

/// The places that a tag is always made of.
fn places(tag: &TagProof) -> impl Iterator<Item = Spot> {
    let always = tag.over.iter().filter(|part| part.when.is_none());
    let values = always.filter_map(|part| match &part.kind {
        PartKind::Value(expr) => Some(expr),
        PartKind::Set(_) => None,
    });
    values.flat_map(leaves).filter(|leaf| !spot::loses(leaf)).map(Spot::of)
}

fn sets(tag: &TagProof) -> impl Iterator<Item = &SetPlan> {
    let always = tag.over.iter().filter(|part| part.when.is_none());
    always.filter_map(|part| match &part.kind {
        PartKind::Set(set) => Some(&**set),
        PartKind::Value(_) => None,
    })
}

impl Covered<'_> {
    /// What must equal a covered value can be nothing else, so it is covered as well.
    fn add_equals(&mut self, guards: &[Guard]) {
        for guard in guards.iter().filter(|guard| guard.when.is_none()) {
            let pairs: Vec<(&Expr, &Expr, Option<Step>)> = match &guard.check {
                Check::Equal(left, right) => vec![(left, right, None)],
                // Equal as sums: however they are written.
                Check::Amounts(sides) => {
                    let mut pairs = vec![(&sides.0.value, &sides.1.value, Some(Step::Number))];
                    // Of several places nobody knows which one is compared.
                    if let ([left], [right]) = (&*sides.0.currency, &*sides.1.currency) {
                        pairs.push((left, right, Some(Step::Currency)));
                    }
                    pairs
                }
                Check::Among(_) | Check::Holds(_) => vec![],
            };
            for (left, right, read) in pairs {
                for (known, other) in [(left, right), (right, left)] {
                    // Equal to what is configured it may have been made by anybody who knows that.
                    let noticed = self
                        .of_use(known, read.is_some())
                        .into_iter()
                        .find(|by| by.notices && by.kind != CONFIGURATION);
                    if let Some(mut by) = noticed
                        && self.of_expr(other).iter().all(|by| !by.notices)
                        && !spot::loses(other)
                    {
                        if other.steps.contains(&Step::Crc32) {
                            by.strength = Strength::Weak;
                        }
                        self.places.push((Spot::read_as(other, read.clone()), by));
                    }
                }
            }
        }
    }

    /// Whether a proof, and not only the configuration, covers a value.
    pub(crate) fn is_told(&self, expr: &Expr) -> bool {
        self.of_expr(expr).iter().any(|by| by.kind != CONFIGURATION)
    }

    /// Whether what holds or not is told by somebody who can be believed: one at least of what must
    /// hold together, all of what may hold instead of each other.
    pub(crate) fn is_guarded(&self, check: &Check) -> bool {
        match check {
            Check::Amounts(sides) => {
                let sides = [&sides.0, &sides.1];
                let values =
                    sides.into_iter().flat_map(|side| side.currency.iter().chain([&side.value]));
                values.into_iter().any(|expr| self.is_told(expr))
            }
            Check::Among(pairs) => pairs.iter().all(|(place, _)| self.is_told(place)),
            Check::Equal(left, right) => self.is_told(left) || self.is_told(right),
            Check::Holds(condition) => self.is_told_of(condition),
        }
    }

    fn is_told_of(&self, condition: &Condition) -> bool {
        match condition {
            Condition::All(all) => all.iter().any(|one| self.is_told_of(one)),
            Condition::Any(any) => any.iter().all(|one| self.is_told_of(one)),
            Condition::Not(one) => one.values().into_iter().all(|expr| self.is_told(expr)),
            Condition::Value(expr, _) => self.is_told(expr),
        }
    }

    /// Whether a change of a place would be noticed.
    pub(crate) fn notices(&self, place: &Ref) -> bool {
        self.of_place(place, &[], false).iter().any(|by| by.notices)
    }

    /// Whether a proof covers a place.
    pub(crate) fn is_covered(&self, place: &Ref) -> bool {
        !self.of_place(place, &[], false).is_empty()
    }

    /// The proofs over a value, taken as it is written.
    fn of_expr(&self, expr: &Expr) -> Vec<By> {
        self.of_use(expr, false)
    }

    /// The proofs over a value: those that cover every place that it is made of. Of several places
    /// those over the one that is covered least; words and parameters count where there is nothing
    /// else.
    fn of_use(&self, expr: &Expr, as_money: bool) -> Vec<By> {
        let worth = |by: &Vec<By>| {
            let configured = by.iter().any(|by| by.kind == CONFIGURATION);
            (configured, by.iter().map(|by| by.strength).max())
        };
        let places = leaves(expr).into_iter();
        let places = places.map(|leaf| self.of_place(&leaf.source, &leaf.steps, as_money));
        // What nothing covers comes first: `None` is less than any strength.
        places.min_by_key(worth).unwrap_or_default()
    }

    /// Whether a proof covers it in the rule's writing only.
    fn is_folded(&self, expr: &Expr) -> bool {
        let folded = |place: &Ref| self.places.iter().any(|(known, _)| known.is_folded(place));
        expr.places().into_iter().any(folded)
    }

    /// The proofs over a place, where these steps are done with it.
    fn of_place(&self, place: &Ref, steps: &[Step], as_money: bool) -> Vec<By> {
        let Self { plan, places, sets, senders } = self;
        let configuration = By { kind: CONFIGURATION, strength: Strength::Strong, notices: true };
        if matches!(place, Ref::Literal(_) | Ref::Param(_) | Ref::Now | Ref::ReplyTag) {
            return vec![configuration];
        }
        let mut found: Vec<By> = places
            .iter()
            .filter(|(known, _)| known.covers(place, steps, as_money))
            .map(|(_, by)| *by)
            .collect();
        found.extend(sets.iter().filter(|(set, _)| self.in_set(set, place)).map(|(_, by)| *by));
        match place {
            Ref::Field(index) | Ref::FieldPart(index, _) => {
                let field = plan.request.fields.get(*index);
                let within = match field.map(|field| field.place) {
                    Some(FieldPlace::Body) => Some(Ref::Body),
                    Some(FieldPlace::Query) => Some(Ref::Target),
                    Some(FieldPlace::Either) | None => None,
                };
                found.extend(within.iter().flat_map(|within| self.directly(within)));
            }
            Ref::Path => found.extend(self.directly(&Ref::Target)),
            // All of it, where what it is packed in is covered.
            Ref::Document(index, _) => {
                if let Some(document) = plan.documents.get(*index) {
                    found.extend(self.of_expr(&document.from).into_iter().filter(|by| by.notices));
                }
            }
            Ref::Item(_) => {
                if let Some(batch) = &plan.batch {
                    found.extend(self.of_expr(&batch.list).into_iter().filter(|by| by.notices));
                }
            }
            _ => {}
        }
        // Answers of exchanges do not come from the sender.
        let from_sender =
            !matches!(place, Ref::Document(index, _) if *index >= plan.documents.len());
        if from_sender {
            found.extend(senders);
        }
        let mut unique: Vec<By> = Vec::new();
        for by in found {
            if !unique.contains(&by) {
                unique.push(by);
            }
        }
        unique
    }

    fn directly(&self, place: &Ref) -> Vec<By> {
        let all = self.places.iter().filter(|(known, _)| *known == Spot::at(place.clone()));
        all.map(|(_, by)| *by).collect()
    }

    fn in_set(&self, set: &SetPlan, place: &Ref) -> bool {
        let name = match (set.of, place) {
            (SetOf::Document(of), Ref::Document(index, path)) if of == *index => {
                match path.as_slice() {
                    [PathStep::Key(name)] => name,
                    _ => return false,
                }
            }
            (SetOf::Fields | SetOf::Form, Ref::Field(index) | Ref::FieldPart(index, _)) => {
                let Some(field) = self.plan.request.fields.get(*index) else { return false };
                let covered = match set.of {
                    SetOf::Form => field.place == FieldPlace::Body,
                    // The set has it wherever it stands, and the rule where it belongs: what may be
                    // missing can be moved away.
                    _ => field.place == FieldPlace::Either || !field.optional,
                };
                if !covered {
                    return false;
                }
                &field.name
            }
            _ => return false,
        };
        set.takes(name.as_bytes())
    }
}
