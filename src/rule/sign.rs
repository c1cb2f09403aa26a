//! Makes a rule's own example genuine again: at another time, under other keys, for another
//! account. What `countersign send` posts, and what a forger would who guessed our key.

use crate::engine::Bound;
use crate::engine::bind::CompiledRule;
use crate::engine::inbound::UnixSeconds;
use crate::engine::json;
use crate::engine::params::Params;
use crate::engine::plan::{Expr, Pairs, PathStep, Plan, Proof, Ref, Step};
use crate::engine::scope::{scalar_text, walk};
use crate::engine::sign::Signed;
use crate::rule::request::{Body, Request};

/// Why an example could not be signed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SignError {
    /// The tag is a public-key signature.
    #[error("only the gateway can sign this: its proof is a public-key signature")]
    OnlyTheGateway,
    /// The example lacks something that is signed.
    #[error("the example lacks something that is signed")]
    Incomplete,
}

/// Signs a request with the first key of each proof, dated `now` where the rule wants a near time.
pub fn sign(
    bound: &Bound,
    request: &mut Request,
    now: Option<UnixSeconds>,
) -> Result<(), SignError> {
    let plan = bound.plan();
    if let Some(now) = now {
        for fresh in &plan.fresh {
            let time = fresh.time.format.write(now);
            put(request, plan, &fresh.time.value, time.as_bytes());
        }
    }
    let tags = request.encode().with(|inbound| bound.sign(inbound, now.unwrap_or(0)));
    for signed in tags.map_err(|_| SignError::Incomplete)? {
        match signed {
            Signed::OnlyTheGateway => return Err(SignError::OnlyTheGateway),
            Signed::Authorization(credentials) => {
                if let Some(found) = request.header_mut("authorization") {
                    *found = credentials.into_bytes();
                }
            }
            Signed::At(place, text) => {
                let text = text.ok_or(SignError::OnlyTheGateway)?;
                put(request, plan, &place, text.as_bytes());
            }
        }
    }
    Ok(())
}

/// Puts the values of `to` where the payload says those of `from`: the account that a guard compares
/// is the new one's. Sealed payloads are sealed again under the new key.
pub fn readdress(
    rule: &CompiledRule,
    request: &mut Request,
    (old, from): (&Bound, &Params),
    (new, to): (&Bound, &Params),
) {
    let plan = new.plan();
    let Some(payload) = plan.documents.first() else { return };
    let Some(place) = source_of(plan, &payload.from) else { return };
    let packed = value_of(request, plan, place);
    let Some(mut opened) = packed.and_then(|packed| old.unpack(place, &packed)) else { return };
    let specs = new.guarded_params().filter_map(|index| rule.params.get(index));
    for name in specs.map(|spec| spec.name.as_str()) {
        let values = (from.values(name).first(), to.values(name).first());
        if let (Some(old), Some(new)) = values {
            opened = replace(&opened, old.expose(), new.expose());
        }
    }
    if let Some(packed) = new.pack(place, &opened) {
        put_raw(request, plan, &place.source, &packed);
    }
}

/// The place in the request that the payload is unpacked from.
fn source_of<'p>(plan: &'p Plan, from: &'p Expr) -> Option<&'p Expr> {
    match from.source {
        Ref::Decrypted => plan.proofs.iter().find_map(|proof| match proof {
            Proof::Decrypt { from, .. } => Some(from),
            _ => None,
        }),
        _ => Some(from),
    }
}

fn replace(text: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    if old.is_empty() || old == new {
        return text.to_vec();
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, after)) = rest.split_first() {
        if let Some(after) = rest.strip_prefix(old) {
            out.extend_from_slice(new);
            rest = after;
        } else {
            out.push(first);
            rest = after;
        }
    }
    out
}

/// The raw value at a place of the request, without the steps.
pub(crate) fn value_of(request: &Request, plan: &Plan, place: &Expr) -> Option<Vec<u8>> {
    match &place.source {
        Ref::Body => match &request.body {
            Body::Raw(bytes) => Some(bytes.clone()),
            Body::Form(_) => None,
        },
        Ref::Field(index) => {
            let name = &plan.request.fields.get(*index)?.name;
            request.clone().fields_mut(name).next().map(|value| value.clone())
        }
        Ref::Header(index) => {
            let name = &plan.request.headers.get(*index)?.name;
            request.clone().header_mut(name).map(|value| value.clone())
        }
        Ref::FieldPart(index, part) => {
            let field = plan.request.fields.get(*index)?;
            let value = request.clone().fields_mut(&field.name).next()?.clone();
            value_in(field.pairs.as_ref()?, *part, &value).map(<[u8]>::to_vec)
        }
        Ref::HeaderPart(index, part) => {
            let header = plan.request.headers.get(*index)?;
            let value = request.clone().header_mut(&header.name)?.clone();
            value_in(header.pairs.as_ref()?, *part, &value).map(<[u8]>::to_vec)
        }
        Ref::Document(index, path) => in_body(request, plan, *index, path),
        _ => None,
    }
}

/// The text of a JSON value in a body that is JSON.
fn in_body(request: &Request, plan: &Plan, index: usize, path: &[PathStep]) -> Option<Vec<u8>> {
    let document = plan.documents.get(index)?;
    let (Ref::Body, Body::Raw(body)) = (&document.from.source, &request.body) else { return None };
    let value = json::parse(body).ok()?;
    let found = walk(&value, path)?;
    scalar_text(found).map(|text| text.as_bytes().to_vec())
}

/// Puts a value at a place of the request, in front of it what its steps take away.
pub(crate) fn put(request: &mut Request, plan: &Plan, place: &Expr, value: &[u8]) {
    let mut value = value.to_vec();
    for step in place.steps.iter().rev() {
        if let Step::Strip(words) = step {
            value = [words.as_bytes(), &value].concat();
        }
    }
    put_bare(request, plan, place, &value);
}

/// Puts a value at a place of the request, as it is.
pub(crate) fn put_bare(request: &mut Request, plan: &Plan, place: &Expr, value: &[u8]) {
    if let Ref::Document(..) = place.source {
        let Some(old) = value_of(request, plan, place) else { return };
        let Body::Raw(body) = &request.body else { return };
        let with = |body: Vec<u8>| Request { body: Body::Raw(body), ..request.clone() };
        let mut all = replaced(body, &old, value).map(with);
        // The same text may stand elsewhere as well. Where none of them is the place, the value is
        // no longer readable there, and the last is as good as any.
        let last = all.next();
        let here = |request: &Request| value_of(request, plan, place).as_deref() == Some(value);
        let found = last.iter().cloned().chain(all).find(here).or(last);
        if let Some(found) = found {
            *request = found;
        }
        return;
    }
    put_raw(request, plan, &place.source, value);
}

/// The text with one occurrence replaced, the last first: a tag comes after what it is made of more
/// often than before.
fn replaced<'t>(
    text: &'t [u8],
    old: &'t [u8],
    new: &'t [u8],
) -> impl Iterator<Item = Vec<u8>> + use<'t> {
    (0..text.len()).rev().filter_map(move |at| {
        let (head, tail) = text.split_at_checked(at)?;
        let tail = tail.strip_prefix(old).filter(|_| !old.is_empty())?;
        Some([head, new, tail].concat())
    })
}

/// Puts a value at a place of the request. A key of pairs that occurs several times is replaced by
/// one.
fn put_raw(request: &mut Request, plan: &Plan, place: &Ref, value: &[u8]) {
    match place {
        Ref::Body => request.body = Body::Raw(value.to_vec()),
        Ref::Field(index) => {
            if let Some(field) = plan.request.fields.get(*index)
                && let Some(found) = request.fields_mut(&field.name).next()
            {
                *found = value.to_vec();
            }
        }
        Ref::Header(index) => {
            if let Some(header) = plan.request.headers.get(*index)
                && let Some(found) = request.header_mut(&header.name)
            {
                *found = value.to_vec();
            }
        }
        Ref::FieldPart(index, part) => {
            if let Some(field) = plan.request.fields.get(*index)
                && let Some(pairs) = &field.pairs
                && let Some(found) = request.fields_mut(&field.name).next()
            {
                put_part(pairs, *part, found, value);
            }
        }
        Ref::HeaderPart(index, part) => {
            if let Some(header) = plan.request.headers.get(*index)
                && let Some(pairs) = &header.pairs
                && let Some(found) = request.header_mut(&header.name)
            {
                put_part(pairs, *part, found, value);
            }
        }
        _ => {}
    }
}

/// The value of a key in a value of pairs.
fn value_in<'v>(pairs: &Pairs, part: usize, value: &'v [u8]) -> Option<&'v [u8]> {
    split(pairs, value).find_map(|pair| {
        let (name, rest) = named(pairs, pair)?;
        is_of(pairs, part, name).then_some(rest)
    })
}

fn put_part(pairs: &Pairs, part: usize, found: &mut Vec<u8>, value: &[u8]) {
    let mut parts: Vec<Vec<u8>> = Vec::new();
    let mut done = false;
    for pair in split(pairs, found) {
        match named(pairs, pair) {
            Some((name, _)) if is_of(pairs, part, name) => {
                if !done {
                    parts.push([name, &[pairs.equals], value].concat());
                    done = true;
                }
            }
            _ => parts.push(pair.to_vec()),
        }
    }
    *found = parts.join(&pairs.separator);
}

fn split<'v>(pairs: &Pairs, value: &'v [u8]) -> impl Iterator<Item = &'v [u8]> {
    let (separator, trim) = (pairs.separator, pairs.trim);
    let pieces = value.split(move |&byte| byte == separator);
    pieces.map(move |pair| if trim { pair.trim_ascii() } else { pair })
}

fn named<'v>(pairs: &Pairs, pair: &'v [u8]) -> Option<(&'v [u8], &'v [u8])> {
    let at = pair.iter().position(|&byte| byte == pairs.equals)?;
    Some((pair.get(..at)?, pair.get(at + 1..)?))
}

/// Whether a pair of that name belongs to the key of that position; `*` has every other name.
fn is_of(pairs: &Pairs, part: usize, name: &[u8]) -> bool {
    let key = |wanted: &[u8]| pairs.keys.iter().position(|key| key.name.as_bytes() == wanted);
    key(name).or_else(|| key(b"*")) == Some(part)
}
