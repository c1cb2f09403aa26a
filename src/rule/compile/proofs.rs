//! `proofs:` and `guards:` of a rule.

use crate::engine::cipher::Cipher;
use crate::engine::digest::HashAlgorithm;
use crate::engine::encoding::Encoding;
use crate::engine::params::ParamKind;
use crate::engine::plan::{Algorithms, Expr, Guard, Proof, Ref, Scheme, TagProof};
use crate::engine::reason::Reason;
use crate::engine::signature::SignatureAlgorithm;
use crate::rule::compile::names::Names;
use crate::rule::compile::variants::Choices;
use crate::text::node::Node;

/// The one entry of a proof: its kind and what belongs to it.
fn kind(node: &Node) -> Option<(&str, &Node)> {
    node.entries().first().map(|(key, node)| (key.text.as_str(), node))
}

/// Whether this variant decrypts, so that `decrypted` is a place.
pub(super) fn has_decrypt(root: &Node, choices: &Choices<'_>) -> bool {
    let proofs = root.get("proofs").map_or(&[][..], Node::items);
    proofs.iter().filter_map(kind).any(|(kind, node)| kind == "decrypt" && choices.apply(node))
}

/// The proofs of this variant, each with the node that it was compiled from. `None`: there is none,
/// or one of them is broken, so nobody can say what is covered.
pub(super) fn proofs<'n>(
    root: &'n Node,
    choices: &Choices<'_>,
    names: &mut Names<'_>,
) -> Option<Vec<(Proof, &'n Node)>> {
    let mut all = Vec::new();
    for (kind, node) in root.get("proofs").map_or(&[][..], Node::items).iter().filter_map(kind) {
        if choices.apply(node) {
            all.push(proof(kind, node, names).map(|proof| (proof, node)));
        }
    }
    if all.is_empty() && root.get("proofs").is_some() {
        let place = root.get("proofs").map_or(root.place, |node| node.place);
        let variant = choices.describe();
        let message = match variant.as_str() {
            "" => "no proof: such a rule would accept anything".to_owned(),
            _ => format!("no proof for {variant}: such a rule would accept anything"),
        };
        names.problems.add(place, message);
    }
    all.into_iter().collect::<Option<Vec<_>>>().filter(|all| !all.is_empty())
}

fn proof(kind: &str, node: &Node, names: &mut Names<'_>) -> Option<Proof> {
    match kind {
        "decrypt" => {
            let cipher = node.get("cipher").and_then(Node::as_text).and_then(Cipher::from_word);
            let from = node.get("from").and_then(|node| names.expr(node));
            let key = node.get("key").and_then(|node| secret_key(node, names));
            Some(Proof::Decrypt { cipher: cipher?, from: from?, key: key? })
        }
        "first_present" => {
            let of = node.get("of").map_or(&[][..], Node::items);
            let tags: Vec<TagProof> = of
                .iter()
                .filter_map(self::kind)
                .filter_map(|(kind, node)| tag(kind, node, names))
                .collect();
            (tags.len() == of.len()).then_some(Proof::FirstPresent(tags))
        }
        _ => tag(kind, node, names).map(Proof::Tag),
    }
}

fn tag(kind: &str, node: &Node, names: &mut Names<'_>) -> Option<TagProof> {
    let over: Vec<Expr> = names.exprs(node.get("over"));
    let tag = node.get("tag").and_then(|node| names.expr(node));
    let encoding = node.get("encoding").and_then(Node::as_text).and_then(Encoding::from_word);
    let weak = node.get("weak").and_then(Node::as_text).map(str::to_owned);
    let (scheme, is_weak) = scheme(kind, node, names)?;
    if is_weak && weak.is_none() {
        names.problems.add_with_help(
            node.place,
            "this algorithm is no longer trusted",
            "if the gateway offers nothing better, say so: `weak: <reason>`",
        );
    }
    if let (false, Some(reason)) = (is_weak, node.get("weak")) {
        names.problems.add(reason.place, "`weak` on an algorithm that is trusted: remove it");
    }
    let tag = tag?;
    if !matches!(tag.source, Ref::Field(_) | Ref::Header(_) | Ref::HeaderPart(..)) {
        let place = node.get("tag").map_or(node.place, |node| node.place);
        names.problems.add(place, "a tag stands in a field or a header");
    }
    if let Scheme::Digest(_) = scheme {
        let secret = |expr: &Expr| match expr.source {
            Ref::Param(index) => {
                names.params.get(index).is_some_and(|spec| spec.kind == ParamKind::Secret)
            }
            _ => false,
        };
        if !over.iter().any(secret) {
            let place = node.get("over").map_or(node.place, |node| node.place);
            names.problems.add_with_help(
                place,
                "a digest without a secret proves nothing: anybody can compute it",
                "put the secret parameter among the parts",
            );
        }
    }
    Some(TagProof { scheme, over, tag, encoding: encoding?, weak })
}

fn scheme(kind: &str, node: &Node, names: &mut Names<'_>) -> Option<(Scheme, bool)> {
    match kind {
        "digest" => {
            let (algorithms, all) = algorithms(node, names)?;
            let weak = all.into_iter().any(HashAlgorithm::is_weak_digest);
            Some((Scheme::Digest(algorithms), weak))
        }
        "hmac" => {
            let key = node.get("key").and_then(|node| secret_key(node, names));
            let (algorithms, all) = algorithms(node, names)?;
            let weak = all.into_iter().any(HashAlgorithm::is_weak_hmac);
            Some((Scheme::Hmac { algorithms, key: key? }, weak))
        }
        "signature" => {
            let algorithm = node.get("algorithm").and_then(Node::as_text);
            let algorithm = algorithm.and_then(SignatureAlgorithm::from_word);
            let key = node.get("key").and_then(|node| {
                let key = names.expr(node)?;
                is_param(&key, &ParamKind::PublicKey, node, names).then_some(key)
            });
            let algorithm = algorithm?;
            Some((Scheme::Signature { algorithm, key: key? }, algorithm.is_weak()))
        }
        _ => None,
    }
}

/// One algorithm, or the parameter that lists those of the route.
fn algorithms(node: &Node, names: &mut Names<'_>) -> Option<(Algorithms, Vec<HashAlgorithm>)> {
    let node = node.get("algorithm")?;
    let text = node.as_text()?;
    if let Some(algorithm) = HashAlgorithm::from_word(text) {
        return Some((Algorithms::Fixed(algorithm), vec![algorithm]));
    }
    let expected = format!(
        "expected one of {}, or `param.NAME` of a choice between them",
        HashAlgorithm::ALL.map(HashAlgorithm::as_str).join(", ")
    );
    if !text.starts_with("param.") {
        names.problems.add_with_help(node.place, format!("no such algorithm: `{text}`"), expected);
        return None;
    }
    let index = names.param(node, "choice")?;
    let words = match names.params.get(index).map(|spec| &spec.kind) {
        Some(ParamKind::Choice(words)) => words.as_slice(),
        _ => &[],
    };
    let all: Vec<HashAlgorithm> =
        words.iter().filter_map(|word| HashAlgorithm::from_word(word)).collect();
    if all.is_empty() || all.len() < words.len() {
        names.problems.add_with_help(node.place, "not a choice between algorithms", expected);
        return None;
    }
    Some((Algorithms::Param(index), all))
}

fn secret_key(node: &Node, names: &mut Names<'_>) -> Option<Expr> {
    let key = names.expr(node)?;
    is_param(&key, &ParamKind::Secret, node, names).then_some(key)
}

fn is_param(key: &Expr, kind: &ParamKind, node: &Node, names: &mut Names<'_>) -> bool {
    let is = match key.source {
        Ref::Param(index) => names.params.get(index).is_some_and(|spec| spec.kind == *kind),
        _ => false,
    };
    if !is {
        let word = if *kind == ParamKind::Secret { "secret" } else { "public_key" };
        names.problems.add(node.place, format!("a key is a parameter of type {word}"));
    }
    is
}

pub(super) fn guards(root: &Node, choices: &Choices<'_>, names: &mut Names<'_>) -> Vec<Guard> {
    let mut all = Vec::new();
    for node in root.get("guards").map_or(&[][..], Node::items) {
        if !choices.apply(node) {
            continue;
        }
        let sides = names.exprs(node.get("equal"));
        let word = node.get("else").and_then(Node::as_text);
        let otherwise = word.and_then(Reason::from_word);
        match (<[Expr; 2]>::try_from(sides), otherwise) {
            (Ok([left, right]), Some(otherwise)) => all.push(Guard { left, right, otherwise }),
            (Err(sides), _) => {
                let written = node.get("equal").map_or(0, |node| node.items().len());
                // Fewer because one could not be read: that has been said already.
                if written == sides.len() {
                    names.problems.add(node.place, "`equal` compares two places");
                }
            }
            (Ok(_), None) => {}
        }
    }
    all
}
