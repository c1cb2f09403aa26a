//! Tags: whether one is right for what it covers, and what it would have to be.

use std::borrow::Cow;

use subtle::ConstantTimeEq as _;

use crate::engine::asking::{self, Stop};
use crate::engine::certificate;
use crate::engine::digest::{Feed, HashAlgorithm, Hmacer, TAG_BYTES_MAX, Tag, digest};
use crate::engine::event::Proven;
use crate::engine::parts::{self, Piece};
use crate::engine::plan::{Expr, Plan, Ref, TagProof};
use crate::engine::proof::Proving;
use crate::engine::reason::{Reason, Reject};
use crate::engine::scope::{Scope, walk};
use crate::engine::signature::{PublicKey, SignatureAlgorithm};
use crate::engine::step;
use crate::engine::value::Value;

/// A tag with its keys.
pub(crate) struct BoundTag {
    pub(crate) tag: TagProof,
    /// It stands in, or is made of, the items of a batch.
    pub(crate) of_items: bool,
    /// Each key and algorithm that the route allows.
    pub(crate) alternatives: Vec<Alternative>,
}

/// One key under one algorithm.
pub(crate) struct Alternative {
    pub(crate) proven: Proven,
    pub(crate) how: How,
}

pub(crate) enum How {
    /// The key is in a certificate that is fetched.
    Certificate(Box<FromCertificate>),
    /// The secret is among the parts: the value of that position of each parameter.
    Digest(HashAlgorithm, usize),
    Hmac(Box<Hmacer>, usize),
    Signature(PublicKey),
}

/// A key in a certificate that is fetched.
pub(crate) struct FromCertificate {
    pub(crate) exchange: usize,
    pub(crate) algorithm: SignatureAlgorithm,
    pub(crate) trust: certificate::Trust,
    pub(crate) name: certificate::Names,
}

/// Checks a tag under each key that the route allows.
pub(crate) fn check<'s>(
    bound: &'s BoundTag,
    proving: Proving<'s>,
    scope: Scope<'s>,
) -> Result<Proven, Stop> {
    let place = &bound.tag.tag;
    let reject = |reason| Err(Reject::new(reason, &*place.text).into());
    let found = presented(place, scope);
    if found.is_empty() {
        return reject(Reason::SignatureMissing);
    }
    let pieces = parts::pieces(&bound.tag, scope)?;
    let mut well_formed = false;
    for alternative in &bound.alternatives {
        if let How::Certificate(from) = &alternative.how {
            asking::answered(proving.plan, from.exchange, scope, proving.answers)?;
        }
        for text in &found {
            match alternative.matches(bound, proving.plan, &pieces, text, scope)? {
                None => {}
                Some(false) => well_formed = true,
                Some(true) => return Ok(alternative.proven.clone()),
            }
        }
    }
    reject(if well_formed { Reason::SignatureMismatch } else { Reason::SignatureMalformed })
}

/// Everything that claims to be the tag, steps applied; what cannot take them is no tag.
pub(crate) fn presented<'s>(tag: &'s Expr, scope: Scope<'s>) -> Vec<Cow<'s, [u8]>> {
    let reading = scope.reading;
    let several = match &tag.source {
        Ref::FieldPart(index, part) => reading.fields.get(*index).map(|field| (field, *part)),
        Ref::HeaderPart(index, part) => reading.headers.get(*index).map(|header| (header, *part)),
        _ => None,
    };
    let values: Vec<Cow<'s, [u8]>> = if let Some((found, part)) = several {
        let values = found.parts.get(part).map_or(&[][..], Vec::as_slice);
        values.iter().map(|value| Cow::Borrowed(&value[..])).collect()
    } else {
        let bare = match &tag.source {
            Ref::Field(index) => reading.fields.get(*index).and_then(|f| f.value.as_deref()),
            Ref::Header(index) => reading.headers.get(*index).and_then(|h| h.value.as_deref()),
            Ref::Document(index, path) => {
                let document = scope.room.documents.get(*index).and_then(|cell| cell.get());
                let value = document.and_then(|document| walk(document, path));
                value.and_then(Value::as_text).map(str::as_bytes)
            }
            Ref::Item(path) => {
                let value = scope.item.and_then(|item| walk(item, path));
                value.and_then(Value::as_text).map(str::as_bytes)
            }
            _ => None,
        };
        bare.filter(|bare| !bare.is_empty()).map(Cow::Borrowed).into_iter().collect()
    };
    let stepped = |value: Cow<'s, [u8]>| {
        let end = tag.steps.iter().try_fold(value, |value, step| step::apply(step, value));
        // No encoding reads this, so it counts as malformed.
        end.unwrap_or(Cow::Borrowed(b"?"))
    };
    values.into_iter().map(stepped).collect()
}

impl Alternative {
    /// Whether `text` is the tag of `pieces`; `None`: it cannot be a tag of this kind at all.
    fn matches<'s>(
        &self,
        bound: &BoundTag,
        plan: &'s Plan,
        pieces: &[Piece<'_>],
        text: &[u8],
        scope: Scope<'s>,
    ) -> Result<Option<bool>, Reject> {
        let encoding = bound.tag.encoding;
        let verify = |key: &PublicKey| {
            let signature = encoding.decode(text)?;
            let mut message = Gather::default();
            parts::feed(pieces, 0, &mut message);
            Some(key.verifies(&message.0, &signature))
        };
        let want = match &self.how {
            How::Signature(key) => return Ok(verify(key)),
            How::Certificate(from) => return Ok(verify(&certified(from, plan, scope)?)),
            How::Digest(..) | How::Hmac(..) => self.compute(pieces),
        };
        let Some(want) = want else { return Ok(None) };
        let mut decoded = [0; TAG_BYTES_MAX];
        let found = encoding.decode_into(text, &mut decoded).and_then(|len| decoded.get(..len));
        // Lengths first, then every byte: a prefix of the right tag is not a tag.
        let found = found.filter(|found| found.len() == want.bytes().len());
        Ok(found.map(|found| found.ct_eq(want.bytes()).into()))
    }

    /// The tag of `pieces`; `None`: only the gateway can make it.
    fn compute(&self, pieces: &[Piece<'_>]) -> Option<Tag> {
        match &self.how {
            How::Digest(algorithm, key) => {
                Some(digest(*algorithm, |into| parts::feed(pieces, *key, into)))
            }
            How::Hmac(mac, key) => Some(mac.tag(|into| parts::feed(pieces, *key, into))),
            How::Certificate(_) | How::Signature(_) => None,
        }
    }
}

/// The key of a fetched certificate that chains to a trusted root now.
fn certified<'s>(
    from: &FromCertificate,
    plan: &'s Plan,
    scope: Scope<'s>,
) -> Result<PublicKey, Reject> {
    let index = plan.documents.len() + from.exchange;
    let document = scope.room.documents.get(index).and_then(|cell| cell.get());
    let pem = document.and_then(Value::as_text).unwrap_or_default();
    let at = plan.exchanges.get(from.exchange).map_or("", |exchange| &exchange.name);
    let reject = |reason| Reject::new(reason, format!("exchange.{at}"));
    let leaf = certificate::leaf_of_pem(pem.as_bytes(), &from.trust, scope.now, &from.name);
    let spki = leaf.map_err(|error| match error {
        // An error page in its place is no word about the sender.
        certificate::CertificateError::NotACertificate => reject(Reason::ConfirmationUnavailable),
        certificate::CertificateError::Rejected(_) => reject(Reason::CertificateRejected),
    })?;
    PublicKey::from_der(from.algorithm, &spki).map_err(|_| reject(Reason::CertificateRejected))
}

impl BoundTag {
    /// The right text of this tag, under its first key: what a rule's own example, or a signed
    /// reply, is signed with. `None`: only the gateway can make it.
    pub(crate) fn sign<'s>(&'s self, scope: Scope<'s>) -> Result<Option<String>, Reject> {
        let pieces = parts::pieces(&self.tag, scope)?;
        let tag = self.alternatives.first().and_then(|first| first.compute(&pieces));
        Ok(tag.map(|tag| self.tag.encoding.encode(tag.bytes())))
    }
}

#[derive(Default)]
struct Gather(Vec<u8>);

impl Feed for Gather {
    fn feed(&mut self, part: &[u8]) {
        self.0.extend_from_slice(part);
    }
}
