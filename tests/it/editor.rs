//! What an editor needs to complete and check rule files: the schema beside them, and the line that
//! names it.

use std::path::Path;

use countersign::rule;
use countersign::text::node::{Kind, Node};
use jsonschema::Validator;
use serde_json::Value;

use crate::support::written::is_written;

const FIRST_LINE: &str = "# yaml-language-server: $schema=./rule.schema.json\n";

/// A document as the schema sees it: numbers are numbers.
fn json(node: &Node) -> Value {
    match &node.kind {
        Kind::Null => Value::Null,
        Kind::Bool(truth) => Value::Bool(*truth),
        Kind::Number(digits) => serde_json::from_str(digits).unwrap(),
        Kind::Text(text) => Value::String(text.clone()),
        Kind::List(items) => items.iter().map(json).collect(),
        Kind::Map(entries) => {
            entries.iter().map(|(key, node)| (key.text.clone(), json(node))).collect()
        }
    }
}

fn schema() -> Validator {
    let text = include_str!("../../rules/rule.schema.json");
    jsonschema::validator_for(&serde_json::from_str(text).unwrap()).unwrap()
}

/// File name and text of every rule in the folder.
fn rules() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules");
    let mut rules: Vec<(String, String)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read_to_string(path).unwrap())
        })
        .collect();
    rules.sort();
    assert!(rules.len() > 4, "the rules are not where they are looked for");
    rules
}

#[test]
fn the_schema_in_the_repository_is_what_the_code_prints() {
    is_written("rules/rule.schema.json", &format!("{:#}\n", rule::schema()));
}

#[test]
fn every_rule_names_the_schema_beside_it_in_its_first_line() {
    for (name, text) in rules() {
        assert!(text.starts_with(FIRST_LINE), "rules/{name} must begin with {FIRST_LINE}");
    }
}

#[test]
fn every_rule_fits_the_schema() {
    let schema = schema();
    for (name, text) in rules() {
        let Ok(node) = Node::parse(&name, &text) else { panic!("rules/{name} is no YAML") };
        if let Err(error) = schema.validate(&json(&node)) {
            panic!("rules/{name}: {error} at {}", error.instance_path());
        }
    }
}

#[test]
fn what_is_mistyped_does_not_fit_the_schema() {
    let schema = schema();
    let rules = rules();
    let (_, stripe) = rules.iter().find(|(name, _)| name == "stripe.yaml").unwrap();
    let fits = |text: &str| {
        let Ok(node) = Node::parse("", text) else { panic!("no YAML:\n{text}") };
        schema.is_valid(&json(&node))
    };
    assert!(fits(stripe));
    for (from, to) in [
        ("title: Stripe", "titel: Stripe"),
        ("gateway: stripe\n", ""),
        ("method: POST", "method: PSOT"),
        ("method: POST", "method: []"),
        ("body: json", "body: yaml"),
        ("type: seconds", "type: second"),
        ("list: true", "list: \"yes\""),
        ("encoding: hex", "encoding: base46"),
        ("  - hmac:", "  - hmca:"),
        ("  - hmac:", "  - token: { place: body, secret: param.x, weak: y }\n    hmac:"),
        ("key: param.signing_secrets", "key: [param.signing_secrets]"),
        ("unit: minor", "unit: cents"),
        ("status: succeeded", "status: suceeded"),
        ("else: account_mismatch", "else: no"),
        ("examples:\n", "examples: []\nexample:\n"),
    ] {
        let mistyped = stripe.replacen(from, to, 1);
        assert_ne!(mistyped, *stripe, "the rule has no {from:?}");
        assert!(!fits(&mistyped), "{from:?} as {to:?}");
    }
}

#[test]
fn every_key_and_every_word_is_described() {
    let schema = rule::schema();
    let described = |value: &Value, what: &str| {
        let text = value["description"].as_str().unwrap_or_default();
        assert!(text.len() > 3, "{what} is not described");
    };
    let mut words = 0;
    for (name, shape) in schema["$defs"].as_object().unwrap() {
        described(shape, name);
        for (key, value) in shape["properties"].as_object().unwrap() {
            described(value, &format!("{name}.{key}"));
            let mut kinds = vec![value];
            while let Some(kind) = kinds.pop() {
                for word in kind["oneOf"].as_array().into_iter().flatten() {
                    described(word, &format!("a word of {name}.{key}"));
                    words += 1;
                }
                kinds.extend(kind["anyOf"].as_array().into_iter().flatten());
                kinds
                    .extend(["items", "additionalProperties"].iter().filter_map(|at| kind.get(at)));
            }
        }
    }
    assert!(words > 100, "{words}");
}
