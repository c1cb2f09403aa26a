//! From references as they are written to places in a plan. What a rule does not declare cannot be
//! referred to.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::engine::charset::Charset;
use crate::engine::digest::HashAlgorithm;
use crate::engine::encoding::Encoding;
use crate::engine::params::{ParamKind, ParamSpec};
use crate::engine::pattern::Pattern;
use crate::engine::plan::{Escape, Expr, Field, Header, Pairs, PathStep, Ref, Step};
use crate::rule::reference::{self, Piece, Reference, Segment};
use crate::text::node::Node;
use crate::text::problem::{Place, Problems, did_you_mean};

/// Where references may lead, and what was found wrong on the way.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each says whether one root of references is there"
)]
pub(super) struct Names<'n> {
    pub(super) params: &'n [ParamSpec],
    pub(super) fields: Vec<Field>,
    pub(super) headers: Vec<Header>,
    /// Names of what is packed in the request, then of the exchanges.
    pub(super) documents: Vec<String>,
    /// How many of them are packed in the request.
    pub(super) payloads: usize,
    pub(super) has_decrypted: bool,
    pub(super) has_claims: bool,
    pub(super) has_items: bool,
    /// `signature` is a place: this is a reply that carries one.
    pub(super) has_signature: bool,
    /// Places of payloads that are declared with a pattern.
    pub(super) patterned: Vec<Ref>,
    /// Parameters that something refers to.
    pub(super) needs: BTreeSet<usize>,
    pub(super) problems: &'n mut Problems,
}

impl Names<'_> {
    /// A reference, `{ text: words }` for words of the rule itself, or `{ template: words }` with
    /// places in them.
    pub(super) fn expr(&mut self, node: &Node) -> Option<Expr> {
        self.expr_into(node, None)
    }

    /// The same, inserts of a template escaped for what they are put into.
    pub(super) fn expr_into(&mut self, node: &Node, escape: Option<Escape>) -> Option<Expr> {
        if let Some(words) = node.get("text") {
            return Some(literal(words.as_text()?));
        }
        if let Some(template) = node.get("template") {
            return self.template(template.as_text()?, template.place, escape);
        }
        self.reference(node.as_text()?, node.place)
    }

    /// Words with places in them.
    pub(super) fn template(
        &mut self,
        text: &str,
        place: Place,
        escape: Option<Escape>,
    ) -> Option<Expr> {
        let pieces = match reference::template(text) {
            Ok(pieces) => pieces,
            Err(message) => {
                self.problems.add(place, message);
                return None;
            }
        };
        let mut parts = Vec::with_capacity(pieces.len());
        for (at, piece) in pieces.into_iter().enumerate() {
            parts.push(match piece {
                Piece::Words(words) => literal(words),
                Piece::Place(reference) => {
                    let mut expr = self.reference(reference, place)?;
                    // The beginning of an address is scheme and host, which the operator gives.
                    let is_base = at == 0 && self.is_url(&expr);
                    if let (Some(escape), false) = (escape, is_base) {
                        expr.steps.push(Step::Escape(escape));
                    }
                    expr
                }
            });
        }
        Some(Expr { source: Ref::Joined(parts), steps: Vec::new(), text: Arc::from(text) })
    }

    fn is_url(&self, expr: &Expr) -> bool {
        match expr.source {
            Ref::Param(index) => {
                self.params.get(index).is_some_and(|spec| spec.kind == ParamKind::Url)
            }
            _ => false,
        }
    }

    /// A reference written in a key or value.
    pub(super) fn reference(&mut self, text: &str, place: Place) -> Option<Expr> {
        let reference = match reference::parse(text) {
            Ok(reference) => reference,
            Err(message) => {
                let help = "words of the rule itself are written `{ text: … }`";
                self.problems.add_with_help(place, message, help);
                return None;
            }
        };
        let source = self.source(&reference, place)?;
        let steps =
            reference.steps.iter().map(|step| self.step(step, place)).collect::<Option<_>>();
        Some(Expr { source, steps: steps?, text: Arc::from(text) })
    }

    /// One reference or several.
    pub(super) fn exprs(&mut self, node: Option<&Node>) -> Vec<Expr> {
        let nodes = node.map_or(&[][..], Node::one_or_many);
        nodes.iter().filter_map(|node| self.expr(node)).collect()
    }

    /// The index of a parameter that a reference names, of that kind.
    pub(super) fn param(&mut self, node: &Node, kind: &str) -> Option<usize> {
        let expr = self.expr(node)?;
        match expr.source {
            Ref::Param(index) if expr.steps.is_empty() => Some(index),
            _ => {
                let message = format!("expected a parameter ({kind}) such as `param.name`");
                self.problems.add(node.place, message);
                None
            }
        }
    }

    fn source(&mut self, reference: &Reference, place: Place) -> Option<Ref> {
        let Reference { root, path, .. } = reference;
        match (root.as_str(), path.as_slice()) {
            ("body", []) => Some(Ref::Body),
            ("claims", []) => {
                if !self.has_claims {
                    self.problems.add(place, "there are no claims: there is no `jws` proof");
                }
                Some(Ref::Claims)
            }
            ("decrypted", []) => {
                if !self.has_decrypted {
                    self.problems.add(place, "nothing is decrypted: there is no `decrypt` proof");
                }
                Some(Ref::Decrypted)
            }
            ("now", []) => Some(Ref::Now),
            ("path", []) => Some(Ref::Path),
            ("signature", []) if self.has_signature => Some(Ref::ReplyTag),
            ("target", []) => Some(Ref::Target),
            ("field", [Segment::Name(name)]) => self.field(name, None, place),
            ("field", [Segment::Name(name), Segment::Name(key)]) => {
                self.field(name, Some(key), place)
            }
            ("header", [Segment::Name(name)]) => self.header(name, None, place),
            ("header", [Segment::Name(name), Segment::Name(key)]) => {
                self.header(name, Some(key), place)
            }
            ("item", path) => {
                if !self.has_items {
                    let help = "say which list holds them: `each: payload.events`";
                    self.problems.add_with_help(place, "the callback has no items", help);
                }
                Some(Ref::Item(steps_of(path)))
            }
            ("param", [Segment::Name(name)]) => {
                let index = self.params.iter().position(|spec| spec.name == *name);
                if let Some(index) = index {
                    self.needs.insert(index);
                    Some(Ref::Param(index))
                } else {
                    let names = self.params.iter().map(|spec| spec.name.as_str());
                    let near = did_you_mean(name, names);
                    self.undeclared("parameter", name, near, place)
                }
            }
            (root, path) => self.document(root, path, place),
        }
    }

    fn document(&mut self, root: &str, path: &[Segment], place: Place) -> Option<Ref> {
        if let Some(index) = self.documents.iter().position(|known| known == root) {
            return Some(Ref::Document(index, steps_of(path)));
        }
        if root == "payload" {
            self.problems.add_with_help(
                place,
                "there is no payload to read from",
                "say where it is: `payload: { from: body, as: json }`",
            );
            return None;
        }
        let roots = ["body", "decrypted", "field", "header", "param", "path", "payload", "target"];
        let known = roots.into_iter().chain(self.documents.iter().map(String::as_str));
        let help = match did_you_mean(root, known) {
            Some(near) if near != root => format!("did you mean `{near}`?"),
            _ => "expected body, decrypted, field.NAME, header.NAME[.KEY], param.NAME or \
                  payload.PATH"
                .to_owned(),
        };
        self.problems.add_with_help(place, format!("no such place: `{root}…`"), help);
        None
    }

    /// The index of an exchange.
    pub(super) fn exchange(&mut self, node: &Node) -> Option<usize> {
        let name = node.as_text()?;
        let names = self.documents.get(self.payloads..).unwrap_or_default();
        let found = names.iter().position(|known| known == name);
        if found.is_none() {
            let help = match did_you_mean(name, names.iter().map(String::as_str)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "declare it under `exchanges:`".to_owned(),
            };
            self.problems.add_with_help(node.place, format!("no exchange `{name}`"), help);
        }
        found
    }

    fn field(&mut self, name: &str, key: Option<&str>, place: Place) -> Option<Ref> {
        let Some(index) = self.fields.iter().position(|field| field.name == name) else {
            let near = did_you_mean(name, self.fields.iter().map(|field| field.name.as_str()));
            let near = near.map(str::to_owned);
            return self.undeclared("field", name, near.as_deref(), place);
        };
        let Some(key) = key else { return Some(Ref::Field(index)) };
        let pairs = self.fields.get(index).and_then(|field| field.pairs.clone());
        self.key(pairs, key, place).map(|part| Ref::FieldPart(index, part))
    }

    fn header(&mut self, name: &str, key: Option<&str>, place: Place) -> Option<Ref> {
        let Some(index) = self.headers.iter().position(|header| header.name == name) else {
            let near = did_you_mean(name, self.headers.iter().map(|header| header.name.as_str()));
            let near = near.map(str::to_owned);
            return self.undeclared("header", name, near.as_deref(), place);
        };
        let Some(key) = key else { return Some(Ref::Header(index)) };
        let pairs = self.headers.get(index).and_then(|header| header.pairs.clone());
        self.key(pairs, key, place).map(|part| Ref::HeaderPart(index, part))
    }

    fn key(&mut self, pairs: Option<Pairs>, key: &str, place: Place) -> Option<usize> {
        let keys = pairs.map_or_else(Vec::new, |pairs| pairs.keys);
        // `any` is the key of the rule file for keys that are not listed.
        let wanted = if key == "any" { "*" } else { key };
        let part = keys.iter().position(|declared| declared.name == wanted);
        if part.is_none() {
            let near = did_you_mean(key, keys.iter().map(|declared| declared.name.as_str()));
            self.undeclared("key of that value", key, near, place);
        }
        part
    }

    fn undeclared(
        &mut self,
        what: &str,
        name: &str,
        near: Option<&str>,
        place: Place,
    ) -> Option<Ref> {
        let help = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("declare the {what} first"),
        };
        self.problems.add_with_help(place, format!("no {what} `{name}` is declared"), help);
        None
    }

    fn step(&mut self, text: &str, place: Place) -> Option<Step> {
        let step = step(text);
        if step.is_none() {
            let words = STEPS.into_iter().chain(Encoding::ALL.map(Encoding::as_str));
            let words: Vec<&str> =
                words.chain(HashAlgorithm::ALL.map(HashAlgorithm::as_str)).collect();
            let first = text.split(' ').next().unwrap_or_default();
            let help = match did_you_mean(first, words.iter().copied()) {
                Some(near) if near != first => format!("did you mean `{near}`?"),
                _ => format!("expected one of {}", words.join(", ")),
            };
            self.problems.add_with_help(place, format!("no such step: `{text}`"), help);
        }
        step
    }
}

/// Steps that are neither an encoding, which decodes, nor a digest.
pub(crate) const STEPS: [&str; 13] = [
    "charset NAME",
    "claims",
    "crc32",
    "currency",
    "fit BYTES",
    "last BYTE",
    "lower",
    "number",
    "reverse",
    "strip WORDS",
    "to ENCODING",
    "unwrap",
    "upper",
];

fn step(text: &str) -> Option<Step> {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    let rest = rest.trim();
    // Quoted where blanks count.
    let rest = rest.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')).unwrap_or(rest);
    let bare = |step: Step| rest.is_empty().then_some(step);
    match word {
        "charset" => Charset::from_word(rest).map(Step::Charset),
        "claims" => bare(Step::Unjws),
        "crc32" => bare(Step::Crc32),
        "currency" => bare(Step::Currency),
        "fit" => rest.parse().ok().filter(|bytes| (1..=4096).contains(bytes)).map(Step::Fit),
        "last" => match rest.as_bytes() {
            [byte] => Some(Step::Last(*byte)),
            _ => None,
        },
        "lower" => bare(Step::Lower),
        "number" => bare(Step::Number),
        "reverse" => bare(Step::Reverse),
        "strip" => (!rest.is_empty()).then(|| Step::Strip(rest.to_owned())),
        "to" => Encoding::from_word(rest).map(Step::Encode),
        "unwrap" => bare(Step::Unwrap),
        "upper" => bare(Step::Upper),
        word => Encoding::from_word(word)
            .map(Step::Decode)
            .or_else(|| HashAlgorithm::from_word(word).map(Step::Digest))
            .and_then(bare),
    }
}

fn steps_of(path: &[Segment]) -> Vec<PathStep> {
    let step = |segment: &Segment| match segment {
        Segment::Name(name) => PathStep::Key(name.clone()),
        Segment::Index(index) => PathStep::Index(*index),
        Segment::Where(key, value) => PathStep::Where(key.clone(), value.clone()),
    };
    path.iter().map(step).collect()
}

/// Words of the rule itself.
pub(super) fn literal(words: &str) -> Expr {
    let text = Arc::from(format!("'{words}'"));
    Expr { source: Ref::Literal(words.to_owned()), steps: Vec::new(), text }
}

/// A pattern, compiled, or what is wrong with it.
pub(super) fn pattern(node: Option<&Node>, problems: &mut Problems) -> Option<Arc<Pattern>> {
    let node = node?;
    match Pattern::new(node.as_text()?) {
        Ok(pattern) => Some(Arc::new(pattern)),
        Err(message) => {
            problems.add(node.place, format!("not a pattern: {message}"));
            None
        }
    }
}
