//! `request:`, `fresh:` and `payload:` of a rule.

use crate::engine::plan::{
    BodyKind, Field, FieldPlace, Format, Freshness, Header, PairKey, Pairs, Payload, PayloadField,
    RequestPlan,
};
use crate::rule::compile::names::{Names, pattern};
use crate::rule::compile::variants::Choices;
use crate::text::node::Node;
use crate::text::problem::Problems;

/// What is asked of the request. Fields that are the tag of a proof are made optional later: the
/// proof misses them.
pub(super) fn request(root: &Node, choices: &Choices<'_>, problems: &mut Problems) -> RequestPlan {
    let node = root.get("request");
    let get = |key| node.and_then(|node| node.get(key));
    let body = match get("body").and_then(Node::as_text) {
        Some("form") => BodyKind::Form,
        Some("json") => BodyKind::Json,
        _ => BodyKind::Any,
    };
    let methods = get("method").map_or(&[][..], Node::one_or_many);
    let mut fields = Vec::new();
    for (key, node) in get("fields").map_or(&[][..], Node::entries) {
        if choices.apply(node) {
            fields.push(Field {
                name: key.text.clone(),
                place: place(node, choices, problems),
                optional: node.get("optional").and_then(Node::as_bool).unwrap_or(false),
                pattern: pattern(node.get("pattern"), problems),
            });
        }
    }
    let absent = get("absent").map_or(&[][..], Node::entries);
    let absent = absent.iter().filter(|(_, node)| choices.apply(node));
    RequestPlan {
        methods: methods.iter().filter_map(Node::as_text).map(str::to_owned).collect(),
        body,
        fields,
        absent: absent.map(|(key, _)| key.text.clone()).collect(),
        headers: get("headers")
            .map_or(&[][..], Node::entries)
            .iter()
            .filter(|(_, node)| choices.apply(node))
            .map(|(key, node)| {
                if key.text.bytes().any(|byte| byte.is_ascii_uppercase()) {
                    let help = format!("write `{}`", key.text.to_ascii_lowercase());
                    problems.add_with_help(key.place, "header names are in lower case here", help);
                }
                header(&key.text, node, problems)
            })
            .collect(),
    }
}

fn place(node: &Node, choices: &Choices<'_>, problems: &mut Problems) -> FieldPlace {
    let Some(found) = node.get("in") else { return FieldPlace::Body };
    let text = found.as_text().unwrap_or_default();
    let word = match text.strip_prefix("param.") {
        Some(name) => choices.word(name).unwrap_or_default(),
        None => text,
    };
    match word {
        "body" => FieldPlace::Body,
        "query" => FieldPlace::Query,
        "either" => FieldPlace::Either,
        _ => {
            problems.add_with_help(
                found.place,
                format!("no such place: `{text}`"),
                "expected body, query, either, or `param.NAME` of a choice between these words",
            );
            FieldPlace::Body
        }
    }
}

fn header(name: &str, node: &Node, problems: &mut Problems) -> Header {
    let pairs = node.get("pairs").map(|pairs| {
        let byte = |key: &str, otherwise: u8| {
            pairs.get(key).and_then(Node::as_text).map_or(otherwise, |text| match text.as_bytes() {
                [byte] => *byte,
                _ => otherwise,
            })
        };
        let (separator, equals) = (byte("separator", b','), byte("equals", b'='));
        let keys = pairs.get("keys").map_or(&[][..], Node::entries);
        let keys = keys.iter().map(|(key, node)| PairKey {
            name: key.text.clone(),
            many: node.get("many").and_then(Node::as_bool).unwrap_or(false),
            pattern: pattern(node.get("pattern"), problems),
        });
        Pairs { separator, equals, keys: keys.collect() }
    });
    Header {
        name: name.to_owned(),
        optional: node.get("optional").and_then(Node::as_bool).unwrap_or(false),
        pattern: pattern(node.get("pattern"), problems),
        pairs,
    }
}

/// The payload of this variant, if there is one.
pub(super) fn payload_node<'n>(root: &'n Node, choices: &Choices<'_>) -> Option<&'n Node> {
    let nodes = root.get("payload").map_or(&[][..], Node::one_or_many);
    nodes.iter().find(|node| choices.apply(node))
}

pub(super) fn payload(node: &Node, names: &mut Names<'_>) -> Option<Payload> {
    let from = names.expr(node.get("from")?);
    let mut fields = Vec::new();
    for (key, node) in node.get("fields").map_or(&[][..], Node::entries) {
        if let Some(at) = names.reference(&key.text, key.place) {
            let optional = node.get("optional").and_then(Node::as_bool).unwrap_or(false);
            let pattern = pattern(node.get("pattern"), names.problems);
            fields.push(PayloadField { at, optional, pattern });
        }
    }
    let format = match node.get("as").and_then(Node::as_text) {
        Some("form") => Format::Form,
        _ => Format::Json,
    };
    Some(Payload { from: from?, format, fields })
}

pub(super) fn fresh(root: &Node, choices: &Choices<'_>, names: &mut Names<'_>) -> Vec<Freshness> {
    let mut all = Vec::new();
    for node in root.get("fresh").map_or(&[][..], Node::items) {
        if !choices.apply(node) {
            continue;
        }
        let time = node.get("time").and_then(|node| names.expr(node));
        let max_age = node.get("max_age").and_then(|node| names.param(node, "seconds"));
        if let (Some(time), Some(max_age)) = (time, max_age) {
            all.push(Freshness { time, milliseconds: milliseconds(node), max_age });
        }
    }
    all
}

pub(super) fn milliseconds(node: &Node) -> bool {
    node.get("unit").and_then(Node::as_text) == Some("ms")
}
