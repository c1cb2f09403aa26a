//! Forgeries of batches: none, one more, one that nobody has signed.

use serde_json::Value;

use crate::engine::plan::{PathStep, Ref};
use crate::rule::forgery::{Breeder, Must};
use crate::rule::request::{Body, Request};

impl Breeder<'_> {
    pub(super) fn batches(&mut self) {
        let Some(batch) = &self.plan.batch else { return };
        let Ref::Document(index, path) = &batch.list.source else { return };
        let within = self.plan.documents.get(*index).map(|document| &document.from);
        let Body::Raw(bytes) = &self.example.request.body else { return };
        if !within.is_some_and(|from| from.source == Ref::Body && from.steps.is_empty()) {
            return;
        }
        let Ok(body) = serde_json::from_slice::<Value>(bytes) else { return };
        let Some(items) = list(&mut body.clone(), path).cloned() else { return };
        let Some(first) = items.first().cloned() else { return };
        let must = |must: Must| self.must(&Ref::Body).map(|_| must);
        let (rejected, nothing_new) = (must(Must::BeRejected), must(Must::SayNothingNew));
        let reversed: Vec<Value> = items.iter().rev().cloned().collect();
        let with = |item: Value| [&items[..], &[item]].concat();
        let mut forgeries = vec![
            (Some(Must::BeRejected), Vec::new(), "a batch of nothing".to_owned()),
            (nothing_new, with(first.clone()), "an item that comes twice".to_owned()),
            (nothing_new, reversed, "a batch in another order".to_owned()),
            (nothing_new, vec![first.clone()], "a batch of its first item".to_owned()),
        ];
        for item in [Value::Null, Value::Object(serde_json::Map::new()), Value::from("x")] {
            let what = format!("an item more: `{item}`");
            forgeries.push((rejected, with(item), what));
        }
        for changed in changes(&first) {
            let what = "an item more that has been changed".to_owned();
            forgeries.push((nothing_new, with(changed.clone()), what));
            let mut changed = vec![changed];
            changed.extend(items.iter().skip(1).cloned());
            let what = "an item that has been changed".to_owned();
            forgeries.push((nothing_new, changed, what));
        }
        for (must, items, what) in forgeries {
            let mut body = body.clone();
            let (Some(must), Some(found)) = (must, list(&mut body, path)) else { continue };
            *found = items;
            let body = Body::Raw(body.to_string().into_bytes());
            let request = Request { body, ..self.example.request.clone() };
            self.attempt(must, &request, || what);
        }
    }
}

/// The list at that path.
fn list<'v>(body: &'v mut Value, path: &[PathStep]) -> Option<&'v mut Vec<Value>> {
    let mut value = body;
    for step in path {
        value = match step {
            PathStep::Key(name) => value.get_mut(name)?,
            PathStep::Index(index) => value.get_mut(index)?,
            PathStep::Where(..) => return None,
        };
    }
    value.as_array_mut()
}

/// The item with one of its texts or numbers changed at a time, however deep.
fn changes(item: &Value) -> Vec<Value> {
    match item {
        Value::String(text) => vec![Value::from(format!("{text}1"))],
        Value::Number(number) => vec![Value::from(format!("{number}1"))],
        Value::Bool(truth) => vec![Value::Bool(!truth)],
        Value::Null => Vec::new(),
        Value::Array(items) => {
            let with = |at: usize, changed: Value| {
                let mut items = items.clone();
                if let Some(found) = items.get_mut(at) {
                    *found = changed;
                }
                Value::Array(items)
            };
            let each = items.iter().enumerate();
            each.flat_map(|(at, item)| changes(item).into_iter().map(move |one| with(at, one)))
                .collect()
        }
        Value::Object(members) => {
            let with = |name: &String, changed: Value| {
                let mut members = members.clone();
                members.insert(name.clone(), changed);
                Value::Object(members)
            };
            let each = members.iter();
            each.flat_map(|(name, item)| changes(item).into_iter().map(move |one| with(name, one)))
                .collect()
        }
    }
}
