//! Proof checking: the only maker of [`Verified`].

use std::borrow::Cow;

use subtle::ConstantTimeEq as _;

use crate::engine::cipher::{OpenError, Opener};
use crate::engine::digest::{Feed, HashAlgorithm, Hmacer, TAG_BYTES_MAX, Tag, digest};
use crate::engine::encoding::Encoding;
use crate::engine::event::Proven;
use crate::engine::plan::{Expr, Ref};
use crate::engine::reason::{Reason, Reject};
use crate::engine::request::Reading;
use crate::engine::scope::Scope;
use crate::engine::secret::Secret;
use crate::engine::signature::PublicKey;

/// A reading whose proofs all hold. The fields are private to this file on purpose: mapping takes
/// nothing else, and nothing else can make one.
pub(crate) struct Verified<'a> {
    reading: Reading<'a>,
    decrypted: Option<Vec<u8>>,
    proven: Vec<Proven>,
}

impl<'a> Verified<'a> {
    pub(crate) fn reading(&self) -> &Reading<'a> {
        &self.reading
    }

    pub(crate) fn decrypted(&self) -> Option<&[u8]> {
        self.decrypted.as_deref()
    }

    pub(crate) fn proven(&self) -> &[Proven] {
        &self.proven
    }
}

/// A proof with its keys in it, ready to check.
pub(crate) enum BoundProof {
    Decrypt(BoundDecrypt),
    FirstPresent(Vec<BoundTag>),
    Tag(BoundTag),
}

pub(crate) struct BoundDecrypt {
    pub(crate) from: Expr,
    pub(crate) proven: Proven,
    pub(crate) opener: Opener,
}

pub(crate) struct BoundTag {
    pub(crate) tag: Expr,
    pub(crate) encoding: Encoding,
    pub(crate) over: Vec<Expr>,
    /// Each key and algorithm that the route allows.
    pub(crate) alternatives: Vec<Alternative>,
}

/// One key under one algorithm.
pub(crate) struct Alternative {
    pub(crate) proven: Proven,
    pub(crate) how: How,
}

pub(crate) enum How {
    /// The secret is among the parts: the value of that position of each parameter.
    Digest(HashAlgorithm, usize),
    Hmac(Box<Hmacer>, usize),
    Signature(PublicKey),
}

/// Checks every proof, in the rule's order.
pub(crate) fn check<'a>(
    proofs: &[BoundProof],
    params: &[Vec<Secret>],
    reading: Reading<'a>,
) -> Result<Verified<'a>, Reject> {
    let mut proven = Vec::with_capacity(proofs.len());
    let mut decrypted = None;
    for proof in proofs {
        let scope = Scope { reading: &reading, params, decrypted: None, payload: None };
        proven.push(match proof {
            BoundProof::Tag(tag) => check_tag(tag, scope)?,
            BoundProof::FirstPresent(tags) => {
                let present = tags.iter().find(|tag| !tags_of(&tag.tag, scope).is_empty());
                // None is there: the first one says what is missing.
                check_tag(present.or(tags.first()).ok_or_else(no_proof)?, scope)?
            }
            BoundProof::Decrypt(decrypt) => {
                let message = scope
                    .bytes(&decrypt.from)
                    .map_err(|reject| Reject { reason: Reason::SignatureMalformed, ..reject })?;
                let at = &*decrypt.from.text;
                let message = message.ok_or_else(|| Reject::new(Reason::FieldMissing, at))?;
                decrypted = Some(decrypt.opener.open(&message).map_err(|error| {
                    let reason = match error {
                        OpenError::Malformed => Reason::SignatureMalformed,
                        OpenError::Mismatch => Reason::SignatureMismatch,
                    };
                    Reject::new(reason, at)
                })?);
                decrypt.proven.clone()
            }
        });
    }
    if proven.is_empty() {
        return Err(no_proof());
    }
    Ok(Verified { reading, decrypted, proven })
}

/// No rule without a proof compiles; if one did, it would accept nothing.
fn no_proof() -> Reject {
    Reject::new(Reason::SignatureMissing, "proofs")
}

fn check_tag(tag: &BoundTag, scope: Scope<'_>) -> Result<Proven, Reject> {
    let reject = |reason| Err(Reject::new(reason, &*tag.tag.text));
    let presented = tags_of(&tag.tag, scope);
    if presented.is_empty() {
        return reject(Reason::SignatureMissing);
    }
    let mut parts = Parts::with_capacity(tag.over.len());
    for expr in &tag.over {
        parts.push(part(expr, scope)?);
    }
    let mut well_formed = false;
    for alternative in &tag.alternatives {
        for text in &presented {
            match alternative.matches(tag, &parts, text) {
                None => {}
                Some(false) => well_formed = true,
                Some(true) => return Ok(alternative.proven.clone()),
            }
        }
    }
    reject(if well_formed { Reason::SignatureMismatch } else { Reason::SignatureMalformed })
}

/// Everything that claims to be the tag.
fn tags_of<'s>(tag: &Expr, scope: Scope<'s>) -> Vec<&'s [u8]> {
    let reading = scope.reading;
    match &tag.source {
        Ref::Field(index) => {
            reading.fields.get(*index).and_then(Option::as_deref).into_iter().collect()
        }
        Ref::Header(index) => {
            reading.headers.get(*index).and_then(|h| h.value).into_iter().collect()
        }
        Ref::HeaderPart(header, part) => reading
            .headers
            .get(*header)
            .and_then(|header| header.parts.get(*part))
            .cloned()
            .unwrap_or_default(),
        Ref::Body | Ref::Decrypted | Ref::Literal(_) | Ref::Param(_) | Ref::Payload(_) => {
            Vec::new()
        }
    }
}

/// A part of what a tag covers: the same whatever the key, or the value of a parameter.
enum Part<'s> {
    Bytes(Cow<'s, [u8]>),
    Param(&'s [Secret]),
}

type Parts<'s> = Vec<Part<'s>>;

fn part<'s>(expr: &'s Expr, scope: Scope<'s>) -> Result<Part<'s>, Reject> {
    if let (Ref::Param(index), true) = (&expr.source, expr.steps.is_empty()) {
        return Ok(Part::Param(scope.params.get(*index).map_or(&[], Vec::as_slice)));
    }
    if expr.source == Ref::Body && expr.steps.is_empty() {
        return Ok(Part::Bytes(Cow::Borrowed(scope.reading.body)));
    }
    match scope.bytes(expr)? {
        Some(bytes) => Ok(Part::Bytes(bytes)),
        // A part of the signature's own header is missing: it cannot be a signature.
        None if matches!(expr.source, Ref::HeaderPart(..)) => {
            Err(Reject::new(Reason::SignatureMalformed, &*expr.text))
        }
        None => Err(Reject::new(Reason::FieldMissing, &*expr.text)),
    }
}

fn feed(parts: &[Part<'_>], key: usize, into: &mut dyn Feed) {
    for part in parts {
        match part {
            Part::Bytes(bytes) => into.feed(bytes),
            Part::Param(values) => {
                if let Some(value) = values.get(key).or(values.first()) {
                    into.feed(value.expose());
                }
            }
        }
    }
}

impl Alternative {
    /// Whether `text` is the tag of `parts`; `None`: it cannot be a tag of this kind at all.
    fn matches(&self, bound: &BoundTag, parts: &[Part<'_>], text: &[u8]) -> Option<bool> {
        let want = match &self.how {
            How::Signature(key) => {
                let signature = bound.encoding.decode(text)?;
                let mut message = Gather::default();
                feed(parts, 0, &mut message);
                return Some(key.verifies(&message.0, &signature));
            }
            How::Digest(..) | How::Hmac(..) => self.compute(parts)?,
        };
        let mut decoded = [0; TAG_BYTES_MAX];
        let len = bound.encoding.decode_into(text, &mut decoded)?;
        // Lengths first, then every byte: a prefix of the right tag is not a tag.
        let found = decoded.get(..len).filter(|found| found.len() == want.bytes().len())?;
        Some(found.ct_eq(want.bytes()).into())
    }

    /// The tag of `parts`; `None`: only the gateway can make it.
    fn compute(&self, parts: &[Part<'_>]) -> Option<Tag> {
        match &self.how {
            How::Digest(algorithm, key) => Some(digest(*algorithm, |into| feed(parts, *key, into))),
            How::Hmac(mac, key) => Some(mac.tag(|into| feed(parts, *key, into))),
            How::Signature(_) => None,
        }
    }
}

impl BoundTag {
    /// The right text of this tag for a reading, under its first key: what a rule's own example is
    /// signed with. `None`: only the gateway can make it.
    pub(crate) fn sign(&self, scope: Scope<'_>) -> Result<Option<String>, Reject> {
        let parts =
            self.over.iter().map(|expr| part(expr, scope)).collect::<Result<Parts<'_>, _>>()?;
        let tag = self.alternatives.first().and_then(|first| first.compute(&parts));
        Ok(tag.map(|tag| self.encoding.encode(tag.bytes())))
    }
}

#[derive(Default)]
struct Gather(Vec<u8>);

impl Feed for Gather {
    fn feed(&mut self, part: &[u8]) {
        self.0.extend_from_slice(part);
    }
}
