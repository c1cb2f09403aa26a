//! `params:` of a rule.

use crate::engine::params::{ParamKind, ParamSpec};
use crate::rule::compile::names::pattern;
use crate::text::node::Node;
use crate::text::problem::Problems;

/// The parameters that a rule declares.
pub(super) fn params(root: &Node, problems: &mut Problems) -> Vec<ParamSpec> {
    let mut specs = Vec::new();
    for (key, node) in root.get("params").map_or(&[][..], Node::entries) {
        let words = |name| -> Vec<String> {
            let nodes = node.get(name).map_or(&[][..], Node::one_or_many);
            nodes.iter().filter_map(Node::as_text).map(str::to_owned).collect()
        };
        let kind = match node.get("type").and_then(Node::as_text) {
            Some("choice") => {
                if words("of").is_empty() {
                    problems.add_with_help(
                        node.place,
                        "a choice needs its words",
                        "say which: `of: [live, test]`",
                    );
                }
                ParamKind::Choice(words("of"))
            }
            Some("certificate") => ParamKind::Certificate,
            Some("network") => ParamKind::Network,
            Some("url") => ParamKind::Url,
            Some("public_key") => ParamKind::PublicKey,
            Some("seconds") => ParamKind::Seconds,
            Some("secret") => ParamKind::Secret,
            _ => ParamKind::Text,
        };
        let flag = |name| node.get(name).and_then(Node::as_bool).unwrap_or(false);
        let spec = ParamSpec {
            name: key.text.clone(),
            kind,
            pattern: pattern(node.get("pattern"), problems),
            list: flag("list"),
            optional: flag("optional"),
            default: words("default"),
            hint: node.get("hint").and_then(Node::as_text).map(str::to_owned),
        };
        if !spec.default.is_empty() && spec.kind == ParamKind::Secret {
            problems.add(node.place, "a secret has no default");
        }
        for word in &spec.default {
            if spec.check(&word.as_str().into()).is_err() {
                problems
                    .add(node.place, format!("the default `{word}` is not a value of this type"));
            }
        }
        specs.push(spec);
    }
    specs
}
