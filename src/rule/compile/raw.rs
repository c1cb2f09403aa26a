//! What is shown as the gateway's own fields: what a proof covers, and no tag.

use std::sync::Arc;

use crate::engine::plan::{Expr, PathStep, Plan, Proof, Raw, Ref};
use crate::rule::coverage::{self, Covered};

/// The whole payload where all of it is covered, else each covered place.
pub(super) fn raw(plan: &Plan, covered: &Covered<'_>) -> Raw {
    if plan.batch.is_some() && covered.is_covered(&Ref::Item(Vec::new())) {
        return Raw::Item;
    }
    let whole = |index: &usize| covered.is_covered(&Ref::Document(*index, Vec::new()));
    let named = plan.documents.iter().position(|document| document.name == "payload");
    let last = (0..plan.documents.len()).rev().find(whole);
    if let Some(index) = named.filter(whole).or(last) {
        return Raw::Document(index);
    }
    let mut places: Vec<(String, Ref)> = Vec::new();
    for (index, field) in plan.request.fields.iter().enumerate() {
        places.push((field.name.clone(), Ref::Field(index)));
    }
    for (index, document) in plan.documents.iter().enumerate() {
        let closed = document.closed.as_ref().map_or(&[][..], |closed| &closed.names);
        for name in closed {
            let path = vec![PathStep::Key(name.clone())];
            places.push((name.clone(), Ref::Document(index, path)));
        }
    }
    for tag in plan.proofs.iter().flat_map(coverage::tags) {
        for place in tag.values().into_iter().flat_map(Expr::places) {
            if let Ref::Document(_, path) | Ref::Item(path) = place
                && let Some(PathStep::Key(name)) = path.last()
            {
                places.push((name.clone(), place.clone()));
            }
        }
    }
    // The gateway's own answer.
    for proof in &plan.proofs {
        if let Proof::Confirm { exchange, .. } = proof
            && let Some(asked) = plan.exchanges.get(*exchange)
        {
            let index = plan.documents.len() + exchange;
            places.push((asked.name.to_string(), Ref::Document(index, Vec::new())));
        }
    }
    let is_tag = |place: &Ref| {
        plan.proofs.iter().flat_map(coverage::tags).any(|tag| tag.tag.source == *place)
    };
    places.retain(|(_, place)| covered.is_covered(place) && !is_tag(place));
    // RFC 8785 §3.2.3: by UTF-16 code units.
    places.sort_by_key(|(name, _)| name.encode_utf16().collect::<Vec<_>>());
    places.dedup_by(|(one, _), (other, _)| one == other);
    let place = |(name, source): (String, Ref)| {
        let text = Arc::from(name.as_str());
        (name, Expr { source, steps: Vec::new(), text })
    };
    Raw::Places(places.into_iter().map(place).collect())
}
