//! What a tag is made of, evaluated: values and whole sets of fields, in the rule's order and
//! writing.

use std::borrow::Cow;

use crate::engine::digest::Feed;
use crate::engine::plan::{
    Expr, FieldPlace, Missing, Order, Part, PartKind, Ref, Render, SetOf, SetPlan, TagProof,
};
use crate::engine::reason::{Reason, Reject};
use crate::engine::scope::{Scope, scalar_text};
use crate::engine::secret::Secret;
use crate::engine::value::Value;

/// Levels of a name such as `a[b][c]`.
const LEVELS_MAX: usize = 8;

/// A piece of what is digested: the same whatever the key, or the value of a parameter.
pub(crate) enum Piece<'s> {
    Bytes(Cow<'s, [u8]>),
    Param(&'s [Secret]),
}

/// Feeds the pieces; of a parameter with several values, the one of that position.
pub(crate) fn feed(pieces: &[Piece<'_>], key: usize, into: &mut dyn Feed) {
    for piece in pieces {
        match piece {
            Piece::Bytes(bytes) => into.feed(bytes),
            Piece::Param(values) => {
                if let Some(value) = values.get(key).or(values.first()) {
                    into.feed(value.expose());
                }
            }
        }
    }
}

/// Evaluates what a tag is made of.
pub(crate) fn pieces<'s>(tag: &'s TagProof, scope: Scope<'s>) -> Result<Vec<Piece<'s>>, Reject> {
    let mut out = Vec::with_capacity(tag.over.len());
    let mut first = true;
    for part in &tag.over {
        if part.when.as_ref().is_some_and(|when| !scope.holds(when)) {
            continue;
        }
        let Some(found) = part_of(part, tag, scope)? else { continue };
        if !first && !tag.separator.is_empty() {
            out.push(Piece::Bytes(Cow::Borrowed(&tag.separator)));
        }
        first = false;
        words(&part.before, &mut out);
        out.extend(found);
        words(&part.after, &mut out);
    }
    Ok(out)
}

fn words<'s>(words: &'s [u8], out: &mut Vec<Piece<'s>>) {
    if !words.is_empty() {
        out.push(Piece::Bytes(Cow::Borrowed(words)));
    }
}

/// The pieces of one part; `None`: it is left out.
fn part_of<'s>(
    part: &'s Part,
    tag: &'s TagProof,
    scope: Scope<'s>,
) -> Result<Option<Vec<Piece<'s>>>, Reject> {
    let expr = match &part.kind {
        PartKind::Set(set) => {
            let pieces = set_of(set, tag, scope)?;
            let none = pieces.is_empty() && part.missing == Missing::Skip;
            return Ok((!none).then_some(pieces));
        }
        PartKind::Value(expr) => expr,
    };
    if let Some(piece) = value_of(expr, scope)? {
        return Ok(Some(vec![piece]));
    }
    match part.missing {
        Missing::Empty => Ok(Some(Vec::new())),
        Missing::Skip => Ok(None),
        // A part of the signature's own header is missing: it cannot be a signature.
        Missing::Reject if matches!(expr.source, Ref::HeaderPart(..)) => {
            Err(Reject::new(Reason::SignatureMalformed, &*expr.text))
        }
        Missing::Reject => Err(Reject::new(Reason::FieldMissing, &*expr.text)),
    }
}

fn value_of<'s>(expr: &'s Expr, scope: Scope<'s>) -> Result<Option<Piece<'s>>, Reject> {
    if let (Ref::Param(index), true) = (&expr.source, expr.steps.is_empty()) {
        let values = scope.params.get(*index).map_or(&[][..], Vec::as_slice);
        return Ok((!values.is_empty()).then_some(Piece::Param(values)));
    }
    if expr.source == Ref::Body && expr.steps.is_empty() {
        return Ok(Some(Piece::Bytes(Cow::Borrowed(scope.reading.body))));
    }
    Ok(scope.bytes(expr)?.map(Piece::Bytes))
}

/// A name and a value as they were sent.
type Pair<'s> = (Cow<'s, [u8]>, Cow<'s, [u8]>);

/// A name and a value of a set.
type Entry<'s> = (Cow<'s, [u8]>, Piece<'s>);

fn set_of<'s>(
    set: &'s SetPlan,
    tag: &'s TagProof,
    scope: Scope<'s>,
) -> Result<Vec<Piece<'s>>, Reject> {
    let mut entries: Vec<Pair<'s>> = Vec::new();
    for (name, value) in members(set, scope) {
        if !set.takes(&name) {
            continue;
        }
        let malformed = || Reject::new(Reason::FieldMalformed, &*tag.tag.text);
        // Left out, it would be there for the rule and not for the proof.
        let value = value.ok_or_else(malformed)?;
        if set.skip_empty && value.is_empty() {
            continue;
        }
        let pattern = set.pattern.as_ref();
        if pattern.is_some_and(|wanted| !wanted.matches(&name) || !wanted.matches(&value)) {
            return Err(malformed());
        }
        entries.push((name, value));
    }
    if set.flatten {
        entries = flatten(entries).ok_or(Reject::new(Reason::PayloadMalformed, "form"))?;
    }
    if set.repeats {
        entries.sort();
        entries.dedup();
    } else {
        let mut names: Vec<&[u8]> = entries.iter().map(|(name, _)| &**name).collect();
        names.sort_unstable();
        if names.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(Reject::new(Reason::DuplicateField, "form"));
        }
    }
    let mut entries: Vec<Entry<'s>> =
        entries.into_iter().map(|(name, value)| (name, Piece::Bytes(value))).collect();
    for (name, expr) in &set.insert {
        if let Some(piece) = value_of(expr, scope)? {
            entries.push((Cow::Borrowed(name.as_bytes()), piece));
        }
    }
    match set.order {
        Order::Sent => {}
        // Stable, so that repeated values stay sorted.
        Order::Bytes => entries.sort_by(|(one, _), (other, _)| one.cmp(other)),
        Order::AnyCase => {
            entries.sort_by_cached_key(|(name, _)| name.to_ascii_lowercase());
        }
    }
    render(set, entries)
}

/// A name, and its value as bytes; `None`: a list or an object, which has none.
type Sent<'s> = (Cow<'s, [u8]>, Option<Cow<'s, [u8]>>);

/// Names and values in the order they were sent.
fn members<'s>(set: &SetPlan, scope: Scope<'s>) -> Vec<Sent<'s>> {
    let borrowed = |bytes: &'s [u8]| Cow::Borrowed(bytes);
    match set.of {
        SetOf::Fields | SetOf::Form => scope
            .reading
            .all
            .iter()
            .filter(|(_, _, place)| set.of == SetOf::Fields || *place == FieldPlace::Body)
            .map(|(name, value, _)| (borrowed(name), Some(borrowed(value))))
            .collect(),
        SetOf::Document(index) => {
            let document = scope.room.documents.get(index).and_then(std::cell::OnceCell::get);
            let members = document.and_then(Value::as_object).map_or(&[][..], |top| top.members());
            members
                .iter()
                .map(|(name, value)| {
                    let text = match value {
                        Value::Null => Some(""),
                        value => scalar_text(value),
                    };
                    (borrowed(name.as_bytes()), text.map(|text| borrowed(text.as_bytes())))
                })
                .collect()
        }
    }
}

/// Names like `a[b][]` as PHP nests them, then written as parent, key and the position of the
/// member in its parent from 1 in three digits at every level (Freedom Pay, `makeFlatParamsArray`).
fn flatten(entries: Vec<Pair<'_>>) -> Option<Vec<Pair<'_>>> {
    let mut top = Node::default();
    for (name, value) in entries {
        let path = nested(&name)?;
        top.put(&path, value.into_owned())?;
    }
    let mut flat = Vec::new();
    top.write(b"", &mut flat);
    Some(flat)
}

#[derive(Default)]
struct Node {
    members: Vec<(Vec<u8>, Member)>,
    next: usize,
}

enum Member {
    Text(Vec<u8>),
    Node(Node),
}

impl Node {
    fn put(&mut self, path: &[Vec<u8>], value: Vec<u8>) -> Option<()> {
        let (name, rest) = path.split_first()?;
        let name = if name.is_empty() {
            self.next += 1;
            (self.next - 1).to_string().into_bytes()
        } else {
            name.clone()
        };
        if let Some(number) = std::str::from_utf8(&name).ok().and_then(|text| text.parse().ok()) {
            self.next = self.next.max(usize::saturating_add(number, 1));
        }
        let found = self.members.iter_mut().find(|(known, _)| *known == name);
        match (found, rest.is_empty()) {
            (None, true) => self.members.push((name, Member::Text(value))),
            (None, false) => {
                let mut node = Self::default();
                node.put(rest, value)?;
                self.members.push((name, Member::Node(node)));
            }
            (Some((_, Member::Node(node))), false) => node.put(rest, value)?,
            // A name comes twice.
            (Some(_), _) => return None,
        }
        Some(())
    }

    fn write(self, parent: &[u8], into: &mut Vec<Pair<'_>>) {
        for (position, (name, member)) in self.members.into_iter().enumerate() {
            let position = format!("{:03}", position + 1).into_bytes();
            let name = [parent, &name, &position].concat();
            match member {
                Member::Text(value) => into.push((Cow::Owned(name), Cow::Owned(value))),
                Member::Node(node) => node.write(&name, into),
            }
        }
    }
}

/// `a[b][]` as `a`, `b`, and nothing.
fn nested(name: &[u8]) -> Option<Vec<Vec<u8>>> {
    let Some(open) = memchr::memchr(b'[', name) else { return Some(vec![name.to_vec()]) };
    let (stem, rest) = name.split_at(open);
    let inner = rest.strip_prefix(b"[")?.strip_suffix(b"]")?;
    let mut path = vec![stem.to_vec()];
    let text = std::str::from_utf8(inner).ok()?;
    path.extend(text.split("][").map(|key| key.as_bytes().to_vec()));
    (path.len() <= LEVELS_MAX && !text.replace("][", "").contains(['[', ']'])).then_some(path)
}

fn render<'s>(set: &'s SetPlan, entries: Vec<Entry<'s>>) -> Result<Vec<Piece<'s>>, Reject> {
    let mut out = Vec::with_capacity(entries.len() * 2);
    for (at, (name, value)) in entries.into_iter().enumerate() {
        if at > 0 && !set.separator.is_empty() {
            out.push(Piece::Bytes(Cow::Borrowed(&set.separator)));
        }
        let mut value = Some(value);
        for piece in &set.render {
            match piece {
                Render::Name => out.push(Piece::Bytes(recoded(set, name.clone())?)),
                Render::Text(words) => out.push(Piece::Bytes(Cow::Borrowed(words.as_bytes()))),
                Render::Value => match value.take() {
                    Some(Piece::Bytes(bytes)) => out.push(Piece::Bytes(recoded(set, bytes)?)),
                    Some(param) => out.push(param),
                    None => {}
                },
            }
        }
    }
    Ok(out)
}

/// UTF-8 in the charset of the set.
fn recoded<'s>(set: &SetPlan, bytes: Cow<'s, [u8]>) -> Result<Cow<'s, [u8]>, Reject> {
    match set.charset {
        Some(charset) if !bytes.is_ascii() => {
            let text = std::str::from_utf8(&bytes).ok();
            let encoded = text.and_then(|text| charset.encode(text));
            let encoded = encoded.ok_or(Reject::new(Reason::PayloadMalformed, "form"))?;
            Ok(Cow::Owned(encoded.into_owned()))
        }
        _ => Ok(bytes),
    }
}
