//! From the text of a rule to plans, or to every problem at once.

pub(crate) mod event;
mod names;
mod proofs;
mod request;
mod variants;

use std::collections::BTreeSet;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::engine::bind::{CompiledRule, Variant};
use crate::engine::encoding::Encoding;
use crate::engine::money::Decimals;
use crate::engine::params::{ParamKind, ParamSpec};
use crate::engine::plan::{Plan, Proof, Raw, Ref, RequestPlan};
use crate::rule::{VariantReport, ambiguity, coverage};
use crate::text::node::Node;
use crate::text::problem::{Place, Problems};

use event::{EventCompiler, Use};
use names::Names;
use variants::Choices;

/// Compiles a rule whose shape has been checked: parts that are missing have been reported, so they
/// are passed over here.
pub(crate) fn compile(
    text: &str,
    root: &Node,
    problems: &mut Problems,
) -> (CompiledRule, Vec<VariantReport>) {
    let mut params = names::params(root, problems);
    let has_test = root.get("event").and_then(|event| event.get("test")).is_some();
    let environment = has_test.then(|| environment(root, &mut params, problems));
    let mut variants = Vec::new();
    let mut facts = Vec::new();
    for choices in variants::all(root, &params, problems) {
        let mut found = Problems::new(problems.file.clone());
        let compiled = variant(root, &params, environment, &choices, &mut found);
        // The same mistake shows in every variant; say it once.
        for problem in found.list {
            if !problems.list.contains(&problem) {
                problems.push(problem);
            }
        }
        if let Some((variant, of_variant)) = compiled {
            variants.push(variant);
            facts.push(of_variant);
        }
    }
    let gateway = root.get("gateway").and_then(Node::as_text).unwrap_or_default().to_owned();
    let hash = format!("sha256:{}", Encoding::Hex.encode(&Sha256::digest(text.as_bytes())));
    (CompiledRule { gateway, hash, params, variants }, facts)
}

/// The parameter that says whether a route is for test money. Every rule that can tell has it.
fn environment(root: &Node, params: &mut Vec<ParamSpec>, problems: &mut Problems) -> usize {
    if params.iter().any(|spec| spec.name == "environment") {
        let place = root.get("params").map_or(root.place, |node| node.place);
        problems.add_with_help(
            place,
            "`environment` is declared by `event.test` already",
            "remove the parameter: it is `live` unless a route says `test`",
        );
    }
    params.push(ParamSpec {
        name: "environment".to_owned(),
        kind: ParamKind::Choice(vec!["live".to_owned(), "test".to_owned()]),
        list: false,
        optional: false,
        default: vec!["live".to_owned()],
        hint: Some(
            "live refuses test money; test accepts it, marked and never credited".to_owned(),
        ),
    });
    params.len() - 1
}

fn variant(
    root: &Node,
    params: &[ParamSpec],
    environment: Option<usize>,
    choices: &Choices<'_>,
    problems: &mut Problems,
) -> Option<(Variant, VariantReport)> {
    let mut request = request::request(root, choices, problems);
    let payload_node = request::payload_node(root, choices);
    let mut names = Names {
        params,
        fields: request.fields.clone(),
        headers: request.headers.clone(),
        has_payload: payload_node.is_some(),
        has_decrypted: proofs::has_decrypt(root, choices),
        needs: BTreeSet::new(),
        problems,
    };
    let proofs_and_nodes = proofs::proofs(root, choices, &mut names);
    let fresh = request::fresh(root, choices, &mut names);
    let payload = payload_node.and_then(|node| request::payload(node, &mut names));
    let guards = proofs::guards(root, choices, &mut names);
    let mut events = EventCompiler {
        names: &mut names,
        uses: Vec::new(),
        environment,
        decimals: Decimals::default(),
    };
    let event = events.event(root);
    let mut uses = events.uses;
    let needs: Vec<usize> = names.needs.iter().copied().collect();
    let replies = event::replies(root, problems);
    // What is compared and what is dated must be covered too.
    let place_of = |key: &str| root.get(key).map_or(root.place, |node| node.place);
    for guard in &guards {
        for expr in [&guard.left, &guard.right] {
            uses.push(Use { fact: "guard", place: place_of("guards"), expr: expr.clone() });
        }
    }
    for fresh in &fresh {
        let expr = fresh.time.clone();
        uses.push(Use { fact: "fresh", place: place_of("fresh"), expr });
    }
    // What is covered hangs on the proofs and the payload. Where one of them is broken, that has been
    // said, and every fact would only echo it.
    let (proofs, nodes): (Vec<Proof>, Vec<&Node>) = proofs_and_nodes?.into_iter().unzip();
    if payload_node.is_some() && payload.is_none() {
        return None;
    }
    tags_may_be_missing(&proofs, &mut request);
    let covered = coverage::covered(&proofs, &request, payload.as_ref());
    for (proof, node) in proofs.iter().zip(nodes) {
        for tag in coverage::tags(proof) {
            ambiguity::check(tag, &request, params, node_of(node, "over"), problems);
        }
    }
    let unsigned = root.get("event").and_then(|event| event.get("unsigned"));
    let coverage = coverage::check(&covered, &uses, &request, unsigned, problems);
    let raw = match &payload {
        Some(_) if covered.payload => Raw::Payload,
        _ => Raw::Fields(raw_fields(&request, &covered, &proofs)),
    };
    let title = choices.describe();
    let weak = proofs.iter().flat_map(coverage::tags).filter_map(|tag| tag.weak.clone()).collect();
    let plan = Plan { request, proofs, fresh, payload, guards, event: event?, raw, replies };
    let choices = choices.words.clone();
    Some((
        Variant { choices, needs, plan: Arc::new(plan) },
        VariantReport { title, coverage, weak },
    ))
}

/// A field or header that is the tag of a proof may be missing as far as reading goes: the proof
/// says `signature_missing`, which is what it is.
fn tags_may_be_missing(proofs: &[Proof], request: &mut RequestPlan) {
    for tag in proofs.iter().flat_map(coverage::tags) {
        match tag.tag.source {
            Ref::Field(index) => {
                if let Some(field) = request.fields.get_mut(index) {
                    field.optional = true;
                }
            }
            Ref::Header(index) | Ref::HeaderPart(index, _) => {
                if let Some(header) = request.headers.get_mut(index) {
                    header.optional = true;
                }
            }
            _ => {}
        }
    }
}

/// The covered fields that are no tag, by name.
fn raw_fields(request: &RequestPlan, covered: &coverage::Covered, proofs: &[Proof]) -> Vec<usize> {
    let is_tag = |index: usize| {
        proofs.iter().flat_map(coverage::tags).any(|tag| tag.tag.source == Ref::Field(index))
    };
    let mut indices: Vec<usize> = (0..request.fields.len())
        .filter(|&index| covered.field(index, request) && !is_tag(index))
        .collect();
    // RFC 8785 §3.2.3: by UTF-16 code units.
    indices.sort_by_key(|&index| {
        let name = request.fields.get(index).map_or("", |field| field.name.as_str());
        name.encode_utf16().collect::<Vec<_>>()
    });
    indices
}

fn node_of(node: &Node, key: &str) -> Place {
    // A `first_present` has no parts of its own; its place will do.
    node.get(key).map_or(node.place, |node| node.place)
}
