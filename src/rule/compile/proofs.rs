//! `proofs:` of a rule.

use crate::engine::certificate::{Names as CertificateNames, Oid};
use crate::engine::cipher::Cipher;
use crate::engine::digest::HashAlgorithm;
use crate::engine::encoding::Encoding;
use crate::engine::event::Strength;
use crate::engine::http_signature::Component;
use crate::engine::jws::{self, JwsAlgorithm};
use crate::engine::params::{ParamKind, ParamSpec};
use crate::engine::plan::{
    Algorithms, Expr, HttpSignaturePlan, JwsKey, JwsPlan, KeySource, PathStep, Proof, Ref, Scheme,
    TagProof,
};
use crate::engine::signature::SignatureAlgorithm;
use crate::rule::compile::condition::condition_of;
use crate::rule::compile::names::{Names, literal};
use crate::rule::compile::parts::over;
use crate::rule::compile::request::flag;
use crate::rule::compile::senders;
use crate::rule::compile::variants::Choices;
use crate::text::node::Node;

/// The one entry of a proof: its kind and what belongs to it.
fn kind(node: &Node) -> Option<(&str, &Node)> {
    node.entries().first().map(|(key, node)| (key.text.as_str(), node))
}

/// Whether this variant has a proof of that kind, so that what it opens is a place.
pub(super) fn has(root: &Node, choices: &Choices<'_>, wanted: &str) -> bool {
    let proofs = root.get("proofs").map_or(&[][..], Node::items);
    proofs.iter().filter_map(kind).any(|(kind, node)| kind == wanted && choices.apply(node))
}

/// The proofs of this variant, each with the node that it was compiled from. `None`: there is none,
/// or one of them is broken, so nobody can say what is covered.
pub(super) fn proofs<'n>(
    root: &'n Node,
    choices: &Choices<'_>,
    names: &mut Names<'_>,
) -> Option<Vec<(Proof, &'n Node)>> {
    let mut all = Vec::new();
    let mut opened: Vec<&str> = Vec::new();
    for (kind, node) in root.get("proofs").map_or(&[][..], Node::items).iter().filter_map(kind) {
        if choices.apply(node) {
            if opened.contains(&kind) {
                let message =
                    format!("a second `{kind}`: nobody could tell which of them a place is of");
                names.problems.add(node.place, message);
            }
            if matches!(kind, "decrypt" | "jws") {
                opened.push(kind);
            }
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
        "basic" => {
            let user = node.get("user").and_then(|node| names.expr(node));
            let password = node.get("password").and_then(|node| secret_key(node, names));
            Some(Proof::Basic { user: user?, password: password? })
        }
        "confirm" => {
            let exchange = node.get("by").and_then(|node| names.exchange(node));
            let when = condition_of(node, "when", names);
            let vouches = names.exprs(node.get("vouches"));
            Some(Proof::Confirm { exchange: exchange?, when, vouches })
        }
        "mtls" => senders::mtls(node, names),
        "source" => senders::source(node, names),
        "http_signature" => http_signature(node, names).map(Proof::HttpSignature),
        "jws" => jws(node, names).map(Proof::Jws),
        "token" => {
            let place = node.get("place").and_then(|node| names.expr(node));
            let secret = node.get("secret").and_then(|node| secret_key(node, names));
            Some(Proof::Token { place: place?, secret: secret? })
        }
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

fn jws(node: &Node, names: &mut Names<'_>) -> Option<JwsPlan> {
    let token = node.get("token").and_then(|node| names.expr(node));
    let algorithm = node.get("algorithm").and_then(Node::as_text);
    let algorithm = algorithm.and_then(JwsAlgorithm::from_word)?;
    let bearer = flag(node, "bearer");
    if bearer != node.get("weak").is_some() {
        let message = "a bearer is weak, and says why: `weak: <reason>`; others are not";
        names.problems.add(node.place, message);
    }
    let key = node.get("key")?;
    let key = if let Some(set) = key.get("set") {
        JwsKey::Set(names.exchange(set)?)
    } else if let Some(chain) = key.get("chain") {
        let roots = chain.get("roots").and_then(|node| names.param(node, "certificate"));
        let mut oid = |key: &str| {
            let node = chain.get(key)?;
            let oid = node.as_text().and_then(Oid::parse);
            if oid.is_none() {
                names.problems.add(node.place, "expected an object identifier: 1.2.840.113635");
            }
            oid
        };
        let (leaf, issuer) = (oid("leaf"), oid("issuer"));
        JwsKey::X5c {
            roots: roots?,
            names: CertificateNames::Extensions { leaf: leaf?, issuer: issuer? },
        }
    } else {
        let kind = match algorithm.scheme() {
            jws::Scheme::Hmac(_) => ParamKind::Secret,
            jws::Scheme::Signature(_) => ParamKind::PublicKey,
        };
        let expr = names.expr(key)?;
        if !is_param(&expr, &kind, key, names) {
            return None;
        }
        JwsKey::Param(expr)
    };
    Some(JwsPlan { token: token?, algorithm, key, bearer })
}

fn http_signature(node: &Node, names: &mut Names<'_>) -> Option<HttpSignaturePlan> {
    let label = node.get("label")?;
    let label = match label.as_text()? {
        words if words.starts_with("param.") => names.reference(words, label.place)?,
        words => literal(words),
    };
    let mut components = Vec::new();
    for node in node.get("components").map_or(&[][..], Node::items) {
        match node.as_text().and_then(Component::from_word) {
            Some(component) => components.push(component),
            None => names.problems.add_with_help(
                node.place,
                "no such component",
                "expected @method, @authority, @target-uri, @path, @query, or the name of a header",
            ),
        }
    }
    let word = node.get("algorithm").and_then(Node::as_text)?;
    let algorithm = SignatureAlgorithm::ALL
        .into_iter()
        .find(|algorithm| crate::engine::http_signature::registered_name(*algorithm) == Some(word));
    let kind = if algorithm.is_some() { ParamKind::PublicKey } else { ParamKind::Secret };
    let key_node = node.get("key")?;
    let key = names.expr(key_node)?;
    if !is_param(&key, &kind, key_node, names) {
        return None;
    }
    let origin = node.get("origin").and_then(|node| names.param(node, "url"))?;
    let max_age = match node.get("max_age") {
        Some(node) => Some(names.param(node, "seconds")?),
        None => None,
    };
    Some(HttpSignaturePlan { label, components, algorithm, key, origin, max_age })
}

fn tag(kind: &str, node: &Node, names: &mut Names<'_>) -> Option<TagProof> {
    let tag = node.get("tag").and_then(|node| names.expr(node));
    let name = tag.as_ref().and_then(|tag| last_name(tag, names));
    let mut made = made(kind, node, name.as_deref(), names)?;
    let weak = node.get("weak").and_then(Node::as_text).map(str::to_owned);
    let is_weak = match &made.scheme {
        Scheme::Signature { algorithm, .. } => made.strength(*algorithm) == Strength::Weak,
        Scheme::Digest(algorithms) => all_of(algorithms, names.params)
            .into_iter()
            .any(|algorithm| algorithm.digest_strength() == Strength::Weak),
        Scheme::Hmac { algorithms, .. } => all_of(algorithms, names.params)
            .into_iter()
            .any(|algorithm| algorithm.hmac_strength() == Strength::Weak),
    };
    let is_weak = is_weak || made.is_over_checksum();
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
    let is_place = matches!(
        tag.source,
        Ref::Document(..)
            | Ref::Field(_)
            | Ref::FieldPart(..)
            | Ref::Header(_)
            | Ref::HeaderPart(..)
            | Ref::Item(_)
    );
    if !is_place {
        let place = node.get("tag").map_or(node.place, |node| node.place);
        names.problems.add(place, "a tag stands in a field, a header or a payload");
    }
    made.tag = tag;
    made.weak = weak;
    Some(made)
}

/// The name under which a tag stands among others, so that no set contains it.
fn last_name(tag: &Expr, names: &Names<'_>) -> Option<String> {
    match &tag.source {
        Ref::Field(index) | Ref::FieldPart(index, _) => {
            names.fields.get(*index).map(|field| field.name.clone())
        }
        Ref::Document(_, path) | Ref::Item(path) => match path.last() {
            Some(PathStep::Key(name)) => Some(name.clone()),
            _ => None,
        },
        _ => None,
    }
}

/// A tag without the place where it stands: what a proof checks and a reply carries.
pub(super) fn made(
    kind: &str,
    node: &Node,
    name: Option<&str>,
    names: &mut Names<'_>,
) -> Option<TagProof> {
    let over = over(node, name, names);
    let encoding = node.get("encoding").and_then(Node::as_text).and_then(Encoding::from_word);
    let separator = node.get("separator").and_then(Node::as_text).unwrap_or_default();
    let scheme = scheme(kind, node, names)?;
    let ambiguous = node.get("ambiguous").and_then(Node::as_text).map(str::to_owned);
    let made = TagProof {
        scheme,
        over: over?,
        separator: separator.as_bytes().to_vec(),
        tag: literal(""),
        encoding: encoding?,
        weak: None,
        ambiguous,
    };
    if let Scheme::Digest(_) = made.scheme {
        let secret = |expr: &&Expr| match expr.source {
            Ref::Param(index) => {
                names.params.get(index).is_some_and(|spec| spec.kind == ParamKind::Secret)
            }
            _ => false,
        };
        if !made.values().iter().any(secret) {
            let place = node.get("over").map_or(node.place, |node| node.place);
            names.problems.add_with_help(
                place,
                "a digest without a secret proves nothing: anybody can compute it",
                "put the secret parameter among the parts",
            );
        }
    }
    Some(made)
}

fn scheme(kind: &str, node: &Node, names: &mut Names<'_>) -> Option<Scheme> {
    match kind {
        "digest" => algorithms(node, names).map(Scheme::Digest),
        "hmac" => {
            let key = node.get("key").and_then(|node| secret_key(node, names));
            let algorithms = algorithms(node, names)?;
            Some(Scheme::Hmac { algorithms, key: key? })
        }
        "signature" => {
            let algorithm = node.get("algorithm").and_then(Node::as_text);
            let algorithm = algorithm.and_then(SignatureAlgorithm::from_word);
            let key = node.get("key").and_then(|node| key_source(node, names));
            Some(Scheme::Signature { algorithm: algorithm?, key: key? })
        }
        _ => None,
    }
}

fn key_source(node: &Node, names: &mut Names<'_>) -> Option<KeySource> {
    let Some(certificate) = node.get("certificate") else {
        let key = names.expr(node)?;
        return is_param(&key, &ParamKind::PublicKey, node, names).then_some(KeySource::Param(key));
    };
    let exchange = names.exchange(certificate);
    let mut certificates = |key: &str| {
        let node = node.get(key)?;
        let index = names.param(node, "certificate")?;
        if names.params.get(index).is_some_and(|spec| spec.kind != ParamKind::Certificate) {
            names.problems.add(node.place, "expected a parameter of type certificate");
        }
        Some(index)
    };
    let roots = certificates("roots");
    let intermediates = certificates("intermediates");
    let text = |key| node.get(key).and_then(Node::as_text).map(str::to_owned);
    let names = match (text("common_name"), text("dns_name")) {
        (Some(name), None) => CertificateNames::CommonName(name),
        (None, Some(name)) => CertificateNames::DnsName(name),
        _ => {
            let message = "whose certificate? give either `common_name` or `dns_name`";
            names.problems.add(node.place, message);
            return None;
        }
    };
    Some(KeySource::Certificate { exchange: exchange?, roots: roots?, intermediates, names })
}

/// One algorithm, or the parameter that lists those of the route.
fn algorithms(node: &Node, names: &mut Names<'_>) -> Option<Algorithms> {
    let node = node.get("algorithm")?;
    let text = node.as_text()?;
    if let Some(algorithm) = HashAlgorithm::from_word(text) {
        return Some(Algorithms::Fixed(algorithm));
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
        Some(ParamKind::Choice(words)) => words.len(),
        _ => 0,
    };
    let algorithms = Algorithms::Param(index);
    let known = all_of(&algorithms, names.params).len();
    if known == 0 || known < words {
        names.problems.add_with_help(node.place, "not a choice between algorithms", expected);
        return None;
    }
    Some(algorithms)
}

/// Every algorithm that a route can allow.
pub(crate) fn all_of(algorithms: &Algorithms, params: &[ParamSpec]) -> Vec<HashAlgorithm> {
    match algorithms {
        Algorithms::Fixed(algorithm) => vec![*algorithm],
        Algorithms::Param(index) => match params.get(*index).map(|spec| &spec.kind) {
            Some(ParamKind::Choice(words)) => {
                words.iter().filter_map(|word| HashAlgorithm::from_word(word)).collect()
            }
            _ => Vec::new(),
        },
    }
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
