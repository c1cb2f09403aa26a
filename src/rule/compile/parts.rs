//! What a tag is made of: `over:` of a proof or a signed reply.

use crate::engine::charset::Charset;
use crate::engine::plan::{Missing, Order, Part, PartKind, Render, SetOf, SetPlan};
use crate::rule::compile::condition::condition_of;
use crate::rule::compile::names::{Names, pattern};
use crate::rule::compile::request::flag;
use crate::rule::reference::{self, Piece};
use crate::text::node::{Kind, Node};
use crate::text::problem::did_you_mean;

/// The parts, in order. `tag` is the name under which the tag itself stands among fields.
pub(super) fn over(node: &Node, tag: Option<&str>, names: &mut Names<'_>) -> Option<Vec<Part>> {
    let nodes = node.get("over").map_or(&[][..], Node::one_or_many);
    let parts: Vec<Part> = nodes.iter().filter_map(|node| part(node, tag, names)).collect();
    (parts.len() == nodes.len()).then_some(parts)
}

fn part(node: &Node, tag: Option<&str>, names: &mut Names<'_>) -> Option<Part> {
    let value = |kind| Part {
        kind,
        before: Vec::new(),
        after: Vec::new(),
        missing: Missing::Reject,
        when: None,
    };
    if !matches!(node.kind, Kind::Map(_)) {
        return names.expr(node).map(|expr| value(PartKind::Value(expr)));
    }
    let given: Vec<&str> = ["place", "set", "template", "text"]
        .into_iter()
        .filter(|key| node.get(key).is_some())
        .collect();
    let [kind] = given.as_slice() else {
        let message = "a part is one of `place`, `set`, `template` and `text`";
        names.problems.add(node.place, message);
        return None;
    };
    let kind = match (*kind, node.get(kind)) {
        ("set", Some(set)) => PartKind::Set(Box::new(self::set(set, tag, names)?)),
        ("place", Some(place)) => PartKind::Value(names.expr(place)?),
        _ => PartKind::Value(names.expr(node)?),
    };
    let bytes = |key| node.get(key).and_then(Node::as_text).unwrap_or_default().as_bytes().to_vec();
    let missing = match node.get("missing").and_then(Node::as_text) {
        Some("empty") => Missing::Empty,
        Some("skip") => Missing::Skip,
        _ => Missing::Reject,
    };
    let when = condition_of(node, "when", names);
    Some(Part { kind, before: bytes("before"), after: bytes("after"), missing, when })
}

fn set(node: &Node, tag: Option<&str>, names: &mut Names<'_>) -> Option<SetPlan> {
    let of_node = node.get("of")?;
    let of = match of_node.as_text()? {
        "fields" => SetOf::Fields,
        "form" => SetOf::Form,
        name => {
            let payloads = names.documents.get(..names.payloads).unwrap_or_default();
            let Some(index) = payloads.iter().position(|known| known == name) else {
                let known = payloads.iter().map(String::as_str).chain(["fields", "form"]);
                let help = match did_you_mean(name, known) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "expected fields, form, or the name of a payload".to_owned(),
                };
                names.problems.add_with_help(of_node.place, format!("no set of `{name}`"), help);
                return None;
            };
            SetOf::Document(index)
        }
    };
    let text = |key| node.get(key).and_then(Node::as_text);
    let except = node.get("except").map_or(&[][..], Node::items).iter().filter_map(Node::as_text);
    let mut insert = Vec::new();
    for (key, node) in node.get("insert").map_or(&[][..], Node::entries) {
        insert.push((key.text.clone(), names.expr(node)?));
    }
    let charset = match node.get("charset") {
        None => None,
        Some(node) => {
            let charset = Charset::from_word(node.as_text()?);
            if charset.is_none() {
                names.problems.add(node.place, "no such charset");
            }
            Some(charset?)
        }
    };
    Some(SetPlan {
        of,
        except: except.chain(tag).map(str::to_owned).collect(),
        prefix: text("prefix").map(str::to_owned),
        order: match text("order") {
            Some("any-case") => Order::AnyCase,
            Some("sent") => Order::Sent,
            _ => Order::Bytes,
        },
        insert,
        skip_empty: flag(node, "skip_empty"),
        flatten: flag(node, "flatten"),
        repeats: flag(node, "repeats"),
        pattern: pattern(node.get("pattern"), names.problems),
        render: render(node, names)?,
        separator: text("separator").unwrap_or_default().as_bytes().to_vec(),
        charset,
    })
}

/// `${name}=${value}`, taken apart.
fn render(node: &Node, names: &mut Names<'_>) -> Option<Vec<Render>> {
    let Some(node) = node.get("render") else { return Some(vec![Render::Value]) };
    let pieces = match reference::template(node.as_text()?) {
        Ok(pieces) => pieces,
        Err(message) => {
            names.problems.add(node.place, message);
            return None;
        }
    };
    let render: Option<Vec<Render>> = pieces
        .into_iter()
        .map(|piece| match piece {
            Piece::Words(words) => Some(Render::Text(words.to_owned())),
            Piece::Place("name") => Some(Render::Name),
            Piece::Place("value") => Some(Render::Value),
            Piece::Place(_) => None,
        })
        .collect();
    let values = |render: &Vec<Render>| render.iter().filter(|one| **one == Render::Value).count();
    if render.as_ref().is_none_or(|render| values(render) != 1) {
        let message = "a field is written with `${value}`, once, and perhaps `${name}`";
        names.problems.add(node.place, message);
        return None;
    }
    render
}
