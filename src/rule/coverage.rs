//! Which values a signature really protects (law 3), computed from what it is made of. A fact that
//! no proof covers does not compile unless the rule says so, and order, amount, status and account
//! never are.

use std::collections::HashSet;

use crate::engine::cipher::Cipher;
use crate::engine::plan::{Expr, FieldPlace, Payload, Proof, Ref, RequestPlan, Scheme, TagProof};
use crate::rule::compile::event::Use;
use crate::text::node::Node;
use crate::text::problem::Problems;

/// Facts that may never be unsigned, and what decides or guards them.
const NEVER_UNSIGNED: [&str; 8] =
    ["account", "amount", "dedupe", "fresh", "guard", "order_id", "refunded_amount", "status"];

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

/// What the proofs of one variant cover together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Covered {
    /// Each covered place, with the proof that covers it.
    places: Vec<(Ref, &'static str)>,
    /// The payload stands in a covered place.
    pub(crate) payload: bool,
    payload_by: Vec<&'static str>,
}

/// The tags of a proof.
pub(crate) fn tags(proof: &Proof) -> &[TagProof] {
    match proof {
        Proof::Decrypt { .. } => &[],
        Proof::FirstPresent(tags) => tags,
        Proof::Tag(tag) => std::slice::from_ref(tag),
    }
}

/// Computes what is covered.
pub(crate) fn covered(
    proofs: &[Proof],
    request: &RequestPlan,
    payload: Option<&Payload>,
) -> Covered {
    let mut covered = Covered::default();
    for proof in proofs {
        match proof {
            Proof::Tag(tag) => covered.add(places(tag), kind(tag)),
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
                covered.add(common.unwrap_or_default().into_iter(), "signature");
            }
            Proof::Decrypt { cipher, from, .. } => {
                let kind = Cipher::as_str(*cipher);
                covered.add([from.source.clone(), Ref::Decrypted].into_iter(), kind);
            }
        }
    }
    if let Some(payload) = payload {
        covered.payload_by = covered.by(&payload.from, request);
        covered.payload = !covered.payload_by.is_empty();
    }
    covered
}

fn places(tag: &TagProof) -> impl Iterator<Item = Ref> {
    tag.over.iter().map(|expr| expr.source.clone())
}

fn kind(tag: &TagProof) -> &'static str {
    match &tag.scheme {
        Scheme::Digest(_) => "digest",
        Scheme::Hmac { .. } => "hmac",
        Scheme::Signature { algorithm, .. } => algorithm.as_str(),
    }
}

impl Covered {
    fn add(&mut self, places: impl Iterator<Item = Ref>, kind: &'static str) {
        self.places.extend(places.map(|place| (place, kind)));
    }

    /// Whether a proof covers the field of that index.
    pub(crate) fn field(&self, index: usize, request: &RequestPlan) -> bool {
        !self.by_ref(&Ref::Field(index), request).is_empty()
    }

    /// Whether a proof covers a place of the request.
    pub(crate) fn is_covered(&self, place: &Ref, request: &RequestPlan) -> bool {
        !self.by_ref(place, request).is_empty()
    }

    fn by(&self, expr: &Expr, request: &RequestPlan) -> Vec<&'static str> {
        self.by_ref(&expr.source, request)
    }

    /// The proofs that cover a place.
    fn by_ref(&self, place: &Ref, request: &RequestPlan) -> Vec<&'static str> {
        let in_body = match place {
            Ref::Field(index) => {
                request.fields.get(*index).is_some_and(|field| field.place == FieldPlace::Body)
            }
            _ => false,
        };
        let mut kinds: Vec<&'static str> = match place {
            Ref::Literal(_) | Ref::Param(_) => vec!["configuration"],
            Ref::Payload(_) => self.payload_by.clone(),
            _ => self
                .places
                .iter()
                .filter(|(covered, _)| covered == place || (in_body && *covered == Ref::Body))
                .map(|(_, kind)| *kind)
                .collect(),
        };
        kinds.dedup();
        kinds
    }
}

/// Says of each use whether it is covered, and complains of those that must be and are not.
pub(crate) fn check(
    covered: &Covered,
    uses: &[Use],
    request: &RequestPlan,
    unsigned: Option<&Node>,
    problems: &mut Problems,
) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    let mut excused = HashSet::new();
    for Use { fact, place, expr } in uses {
        let covered_by = covered.by(expr, request);
        let excuse = unsigned.and_then(|node| node.get(fact));
        match (covered_by.is_empty(), excuse) {
            (false, _) => {}
            (true, Some(_)) if !NEVER_UNSIGNED.contains(fact) => {
                excused.insert(*fact);
            }
            (true, Some(excuse)) => {
                let message = format!("`{fact}` may never be unsigned");
                problems.add(excuse.place, message);
            }
            (true, None) => {
                let message =
                    format!("no proof covers `{}`, which `{fact}` is taken from", expr.text);
                let help = if NEVER_UNSIGNED.contains(fact) {
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
        if !excused.contains(key.text.as_str()) && !NEVER_UNSIGNED.contains(&key.text.as_str()) {
            let message = format!("`{}` is covered, or not a fact of this rule", key.text);
            problems.add_with_help(key.place, message, "remove it from `unsigned`");
        }
    }
    rows
}
