//! From references as they are written to places in a plan. What a rule does not declare cannot be
//! referred to.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::engine::encoding::Encoding;
use crate::engine::params::{ParamKind, ParamSpec};
use crate::engine::pattern::Pattern;
use crate::engine::plan::{Expr, Field, Header, PathStep, Ref, Step};
use crate::rule::reference::{self, Reference, Segment};
use crate::text::node::Node;
use crate::text::problem::{Place, Problems, did_you_mean};

/// Where references may lead, and what was found wrong on the way.
pub(super) struct Names<'n> {
    pub(super) params: &'n [ParamSpec],
    pub(super) fields: Vec<Field>,
    pub(super) headers: Vec<Header>,
    pub(super) has_payload: bool,
    pub(super) has_decrypted: bool,
    /// Parameters that something refers to.
    pub(super) needs: BTreeSet<usize>,
    pub(super) problems: &'n mut Problems,
}

impl Names<'_> {
    /// A reference, or `{ text: words }` for words of the rule itself.
    pub(super) fn expr(&mut self, node: &Node) -> Option<Expr> {
        if let Some(words) = node.get("text") {
            let words = words.as_text()?.to_owned();
            let text = Arc::from(format!("'{words}'"));
            return Some(Expr { source: Ref::Literal(words), steps: Vec::new(), text });
        }
        self.reference(node.as_text()?, node.place)
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
            ("decrypted", []) => {
                if !self.has_decrypted {
                    self.problems.add(place, "nothing is decrypted: there is no `decrypt` proof");
                }
                Some(Ref::Decrypted)
            }
            ("field", [Segment::Name(name)]) => self.field(name, place),
            ("header", [Segment::Name(name)]) => self.header(name, None, place),
            ("header", [Segment::Name(name), Segment::Name(key)]) => {
                self.header(name, Some(key), place)
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
            ("payload", path) => {
                if !self.has_payload {
                    self.problems.add_with_help(
                        place,
                        "there is no payload to read from",
                        "say where it is: `payload: { from: body, as: json }`",
                    );
                }
                let step = |segment: &Segment| match segment {
                    Segment::Name(name) => PathStep::Key(name.clone()),
                    Segment::Index(index) => PathStep::Index(*index),
                };
                Some(Ref::Payload(path.iter().map(step).collect()))
            }
            _ => {
                let roots = ["body", "decrypted", "field", "header", "param", "payload"];
                let help = match did_you_mean(root, roots) {
                    Some(near) if near != root => format!("did you mean `{near}`?"),
                    _ => "expected body, decrypted, field.NAME, header.NAME[.KEY], param.NAME or \
                          payload.PATH"
                        .to_owned(),
                };
                self.problems.add_with_help(place, format!("no such place: `{root}…`"), help);
                None
            }
        }
    }

    fn field(&mut self, name: &str, place: Place) -> Option<Ref> {
        if let Some(index) = self.fields.iter().position(|field| field.name == name) {
            return Some(Ref::Field(index));
        }
        let near = did_you_mean(name, self.fields.iter().map(|field| field.name.as_str()));
        let near = near.map(str::to_owned);
        self.undeclared("field", name, near.as_deref(), place)
    }

    fn header(&mut self, name: &str, key: Option<&str>, place: Place) -> Option<Ref> {
        let Some(index) = self.headers.iter().position(|header| header.name == name) else {
            let near = did_you_mean(name, self.headers.iter().map(|header| header.name.as_str()));
            let near = near.map(str::to_owned);
            return self.undeclared("header", name, near.as_deref(), place);
        };
        let Some(key) = key else { return Some(Ref::Header(index)) };
        let keys = self.headers.get(index).and_then(|header| header.pairs.as_ref());
        let keys = keys.map_or(&[][..], |pairs| pairs.keys.as_slice());
        if let Some(part) = keys.iter().position(|declared| declared.name == key) {
            return Some(Ref::HeaderPart(index, part));
        }
        let near = did_you_mean(key, keys.iter().map(|declared| declared.name.as_str()));
        let near = near.map(str::to_owned);
        self.undeclared("key of that header", key, near.as_deref(), place)
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

    fn step(&mut self, word: &str, place: Place) -> Option<Step> {
        let step = match word {
            "lower" => Some(Step::Lower),
            "upper" => Some(Step::Upper),
            _ => word
                .strip_prefix("fit ")
                .and_then(|bytes| bytes.trim().parse().ok())
                .filter(|bytes| (1..=4096).contains(bytes))
                .map(Step::Fit)
                .or_else(|| Encoding::from_word(word).map(Step::Decode)),
        };
        if step.is_none() {
            let words = Encoding::ALL.map(Encoding::as_str);
            let help = match did_you_mean(word, words.into_iter().chain(["lower", "upper"])) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("expected one of {}, lower, upper, fit BYTES", words.join(", ")),
            };
            self.problems.add_with_help(place, format!("no such step: `{word}`"), help);
        }
        step
    }
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
            Some("public_key") => ParamKind::PublicKey,
            Some("seconds") => ParamKind::Seconds,
            Some("secret") => ParamKind::Secret,
            _ => ParamKind::Text,
        };
        let flag = |name| node.get(name).and_then(Node::as_bool).unwrap_or(false);
        let spec = ParamSpec {
            name: key.text.clone(),
            kind,
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
