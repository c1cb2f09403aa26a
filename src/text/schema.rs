//! A grammar as JSON Schema (draft 2020-12), for editors and for those who generate files.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::text::shape::{Key, Kind, Shape};

/// The schema of a file whose top is a map of this shape.
pub fn schema(id: &str, root: &'static Shape) -> Value {
    let mut defs = BTreeMap::new();
    define(root, &mut defs);
    let defs: Map<String, Value> = defs.into_iter().map(|(name, def)| (name.into(), def)).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": id,
        "title": root.name,
        "description": root.doc,
        "$ref": reference(root),
        "$defs": defs,
    })
}

fn reference(shape: &Shape) -> String {
    // A name goes into a JSON pointer within a URI fragment.
    format!("#/$defs/{}", shape.name.replace(' ', "%20"))
}

fn define(shape: &'static Shape, defs: &mut BTreeMap<&'static str, Value>) {
    if defs.contains_key(shape.name) {
        return;
    }
    // Known before its keys are looked at: they may lead back here.
    defs.insert(shape.name, Value::Null);
    let properties: Map<String, Value> =
        shape.keys.iter().map(|key| (key.name.to_owned(), property(key, defs))).collect();
    let mut def = json!({
        "title": shape.name,
        "description": shape.doc,
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    });
    if shape.exactly_one {
        def["minProperties"] = json!(1);
        def["maxProperties"] = json!(1);
    } else {
        let required: Vec<&str> =
            shape.keys.iter().filter(|key| key.required).map(|key| key.name).collect();
        def["required"] = json!(required);
    }
    defs.insert(shape.name, def);
}

fn property(key: &Key, defs: &mut BTreeMap<&'static str, Value>) -> Value {
    let mut value = kind_schema(&key.kind, defs);
    value["description"] = json!(key.doc);
    value
}

fn kind_schema(kind: &Kind, defs: &mut BTreeMap<&'static str, Value>) -> Value {
    // What is between bounds is said in words: JSON Schema cannot compare `90s` with `1m`.
    match kind {
        Kind::Any => json!({}),
        Kind::AnyOf(kinds) => {
            let kinds: Vec<Value> = kinds.iter().map(|kind| kind_schema(kind, defs)).collect();
            json!({ "anyOf": kinds })
        }
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::Choice(words) => {
            let words: Vec<Value> = words
                .iter()
                .map(|(word, doc)| json!({ "const": word, "description": doc }))
                .collect();
            json!({ "oneOf": words })
        }
        Kind::Duration { .. } => json!({ "type": "string", "pattern": "^[0-9]+(ms|s|m|h|d)$" }),
        Kind::Expr(_) | Kind::Text => {
            json!({ "type": ["string", "number"], "pattern": "\\S" })
        }
        Kind::Integer { min, max } => {
            json!({ "type": "integer", "minimum": min, "maximum": max })
        }
        Kind::List(kind) => json!({ "type": "array", "items": kind_schema(kind, defs) }),
        Kind::Map(shape) => {
            define(shape, defs);
            json!({ "$ref": reference(shape) })
        }
        Kind::Named(kind) => {
            json!({ "type": "object", "additionalProperties": kind_schema(kind, defs) })
        }
        Kind::NonEmptyList(kind) => {
            json!({ "type": "array", "items": kind_schema(kind, defs), "minItems": 1 })
        }
        Kind::OneOrMany(kind) => json!({
            "anyOf": [
                kind_schema(kind, defs),
                { "type": "array", "items": kind_schema(kind, defs), "minItems": 1 },
            ]
        }),
        Kind::Size { min, max } => json!({
            "anyOf": [
                { "type": "integer", "minimum": min, "maximum": max },
                { "type": "string", "pattern": "^[0-9]+(B|KiB|MiB|GiB)?$" },
            ]
        }),
        Kind::TextOrEmpty => json!({ "type": ["string", "number"] }),
    }
}
