//! Whether values that are joined can be told apart again (law 4): are there two different lists of
//! values that give the same joined text? If so, a signature over one of them is a signature over
//! the other, and an amount can borrow a digit of its neighbour.

mod decide;
mod sets;

use std::sync::Arc;

use crate::engine::params::{ParamKind, ParamSpec};
use crate::engine::pattern::Pattern;
use crate::engine::plan::{
    DocumentField, Expr, Missing, Part, PartKind, Plan, Ref, SetOf, SetPlan, Step, TagProof,
};
use crate::rule::compile::event::Use;
use crate::text::problem::{Place, Problems};

use decide::{Finding, Line, Piece};

/// Complains of a tag whose parts can be cut in two ways.
pub(crate) fn check(
    tag: &TagProof,
    plan: &Plan,
    params: &[ParamSpec],
    uses: &[Use],
    place: Place,
    problems: &mut Problems,
) {
    let sets: Vec<&SetPlan> = tag
        .over
        .iter()
        .filter_map(|part| match &part.kind {
            PartKind::Set(set) => Some(&**set),
            PartKind::Value(_) => None,
        })
        .collect();
    let found = sets
        .iter()
        .find_map(|set| sets::what_is_wrong(set))
        .or_else(|| of_parts(tag, plan, params));
    match (found, &tag.ambiguous) {
        (None, None) => {}
        (None, Some(_)) => {
            problems.add(place, "`ambiguous` where there is one reading only: remove it");
        }
        (Some(message), None) => {
            let help = "give the parts patterns that leave one way to cut the joined text, \
                        for example `pattern: '[^:]+'` where `:` separates them";
            problems.add_with_help(place, message, help);
        }
        // It is so and the rule says why that is let pass: then no fact may be moved by it.
        (Some(_), Some(_)) => facts_are_patterned(tag, &sets, plan, uses, problems),
    }
    for set in sets.iter().filter(|set| !set.signs_names()) {
        sets::names_are_closed(set, plan, place, problems);
    }
}

/// What is wrong with the parts one after the other.
fn of_parts(tag: &TagProof, plan: &Plan, params: &[ParamSpec]) -> Option<String> {
    let mut line = Line::default();
    let words = |bytes: &[u8]| (!bytes.is_empty()).then(|| Piece::Literal(bytes.to_vec()));
    // The first part that is always there. A separator belongs to what it joins to that.
    let always = tag.over.iter().position(|part| !may_lack(part));
    for (at, part) in tag.over.iter().enumerate() {
        let whole = line.len();
        if let Some(piece) = words(&tag.separator)
            && at > always.unwrap_or(0)
        {
            line.add(piece, "the separator");
            // Nobody knows whether there is anything before it.
            if always.is_none() {
                line.may_lack(whole);
            }
        }
        if let Some(piece) = words(&part.before) {
            line.add(piece, "words");
        }
        let value = line.len();
        match &part.kind {
            PartKind::Set(_) => line.add(Piece::Any, "the set"),
            PartKind::Value(expr) => {
                for leaf in leaves(expr) {
                    line.add(piece(leaf, plan, params), &leaf.text);
                }
            }
        }
        if part.missing == Missing::Empty && !is_configured(part) {
            line.may_lack(value);
        }
        if let Some(piece) = words(&part.after) {
            line.add(piece, "words");
        }
        if let Some(piece) = words(&tag.separator)
            && always.is_some_and(|always| at < always)
        {
            line.add(piece, "the separator");
        }
        if may_lack(part) {
            line.may_lack(whole);
        }
    }
    match line.decide() {
        Finding::Unique => None,
        Finding::TooComplex => {
            Some("cannot prove that these parts have one reading only".to_owned())
        }
        Finding::Ambiguous { left, right, example } => Some(format!(
            "the boundary between `{left}` and `{right}` can move: `{}` has two readings",
            example.escape_ascii(),
        )),
    }
}

/// Whether a sender decides that a part is left out with all that belongs to it.
fn may_lack(part: &Part) -> bool {
    part.when.is_some() || (part.missing == Missing::Skip && !is_configured(part))
}

/// Whether a part is the same in every text.
fn is_configured(part: &Part) -> bool {
    let is = |leaf: &Expr| matches!(leaf.source, Ref::Literal(_) | Ref::Param(_));
    match &part.kind {
        PartKind::Set(_) => false,
        PartKind::Value(expr) => leaves(expr).into_iter().all(is),
    }
}

fn leaves(expr: &Expr) -> Vec<&Expr> {
    match &expr.source {
        Ref::Joined(parts) => parts.iter().flat_map(leaves).collect(),
        _ => vec![expr],
    }
}

/// Where boundaries move, what a fact is taken from must look a certain way, so that what is left
/// of it after a move is no such value.
fn facts_are_patterned(
    tag: &TagProof,
    sets: &[&SetPlan],
    plan: &Plan,
    uses: &[Use],
    problems: &mut Problems,
) {
    let in_parts =
        |place: &Ref| tag.values().into_iter().flat_map(Expr::places).any(|p| p == place);
    for Use { fact, place, expr } in uses {
        for found in expr.places().into_iter().flat_map(|place| origins(place, plan)) {
            let patterned = match found {
                Ref::Field(index) => {
                    plan.request.fields.get(*index).is_some_and(|field| field.pattern.is_some())
                }
                Ref::Document(..) | Ref::Item(_) => pattern_at(found, plan).is_some(),
                _ => continue,
            };
            let concerned = in_parts(found)
                || sets.iter().any(|set| match (set.of, found) {
                    (SetOf::Document(of), Ref::Document(index, _)) => of == *index,
                    (SetOf::Fields | SetOf::Form, Ref::Field(_)) => true,
                    _ => false,
                });
            if concerned && !patterned {
                let message =
                    format!("`{}`, which `{fact}` is taken from, may be anything", expr.text);
                let help =
                    "its boundary can move: give it a pattern as narrow as the gateway allows";
                problems.add_with_help(*place, message, help);
            }
        }
    }
}

/// A place and, where it lies in something packed, the places that this is packed in.
fn origins<'p>(place: &'p Ref, plan: &'p Plan) -> Vec<&'p Ref> {
    let mut found = vec![place];
    let mut at = 0;
    while let Some(place) = found.get(at).copied() {
        if let Ref::Document(index, _) = place
            && let Some(document) = plan.documents.get(*index)
        {
            for place in document.from.places() {
                if !found.contains(&place) {
                    found.push(place);
                }
            }
        }
        at += 1;
    }
    found
}

/// What a place of a document, or of the items of a batch, must look like as it is.
fn pattern_at<'p>(place: &Ref, plan: &'p Plan) -> Option<&'p Arc<Pattern>> {
    let fields = match place {
        Ref::Document(index, _) => &plan.documents.get(*index)?.fields,
        Ref::Item(_) => &plan.batch.as_ref()?.fields,
        _ => return None,
    };
    let same = |field: &&DocumentField| field.at.source == *place && field.at.steps.is_empty();
    fields.iter().find(same)?.pattern.as_ref()
}

fn piece(expr: &Expr, plan: &Plan, params: &[ParamSpec]) -> Piece {
    let request = &plan.request;
    let pattern = match &expr.source {
        Ref::Literal(words) => return Piece::Literal(words.as_bytes().to_vec()),
        Ref::Param(index) => {
            let spec = params.get(*index);
            match spec.map(|spec| &spec.kind) {
                Some(ParamKind::Secret) => return Piece::Secret,
                _ => match spec.and_then(|spec| spec.pattern.as_ref()) {
                    Some(pattern) => Some(pattern),
                    None => return Piece::Constant,
                },
            }
        }
        Ref::Field(index) => request.fields.get(*index).and_then(|field| field.pattern.as_ref()),
        Ref::FieldPart(index, key) => request
            .fields
            .get(*index)
            .and_then(|field| field.pairs.as_ref()?.keys.get(*key)?.pattern.as_ref()),
        Ref::Header(index) => {
            request.headers.get(*index).and_then(|header| header.pattern.as_ref())
        }
        Ref::HeaderPart(header, key) => request
            .headers
            .get(*header)
            .and_then(|header| header.pairs.as_ref()?.keys.get(*key)?.pattern.as_ref()),
        Ref::Document(..) | Ref::Item(_) => pattern_at(&expr.source, plan),
        Ref::Body
        | Ref::Claims
        | Ref::Decrypted
        | Ref::Joined(_)
        | Ref::Now
        | Ref::Path
        | Ref::ReplyTag
        | Ref::Target => None,
    };
    match (pattern, expr.steps.as_slice()) {
        (Some(pattern), []) => Piece::Pattern(Arc::clone(pattern)),
        // Digits, whatever it is a checksum of.
        (_, [.., Step::Crc32]) => match Pattern::new("[0-9]{1,10}") {
            Ok(digits) => Piece::Pattern(Arc::new(digits)),
            Err(_) => Piece::Any,
        },
        _ => Piece::Any,
    }
}
