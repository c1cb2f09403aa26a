//! Proofs of who sends: by address, by certificate.

use crate::engine::params::ParamKind;
use crate::engine::plan::{MtlsPlan, Proof};
use crate::rule::compile::names::Names;
use crate::text::node::Node;

pub(super) fn source(node: &Node, names: &mut Names<'_>) -> Option<Proof> {
    let listed = of_kind(node, "networks", &ParamKind::Network, names);
    let proxies = of_kind(node, "proxies", &ParamKind::Network, names);
    Some(Proof::Source { networks: listed?, proxies })
}

pub(super) fn mtls(node: &Node, names: &mut Names<'_>) -> Option<Proof> {
    let roots = of_kind(node, "roots", &ParamKind::Certificate, names);
    let intermediates = of_kind(node, "intermediates", &ParamKind::Certificate, names);
    let listed = of_kind(node, "names", &ParamKind::Text, names);
    if node.get("names").is_some() == node.get("any_name").is_some() {
        names.problems.add_with_help(
            node.place,
            "whose certificate? give either `names` or `any_name`",
            "`names: param.names`, or `any_name: <reason>` where the authority certifies nobody else",
        );
        return None;
    }
    Some(Proof::Mtls(MtlsPlan { roots: roots?, intermediates, names: listed }))
}

/// The index of the parameter of this kind that a key names.
fn of_kind(node: &Node, key: &str, kind: &ParamKind, names: &mut Names<'_>) -> Option<usize> {
    let node = node.get(key)?;
    let word = match kind {
        ParamKind::Certificate => "certificate",
        ParamKind::Network => "network",
        _ => "text",
    };
    let index = names.param(node, word)?;
    if names.params.get(index).is_some_and(|spec| spec.kind != *kind) {
        names.problems.add(node.place, format!("expected a parameter of type {word}"));
        return None;
    }
    Some(index)
}
