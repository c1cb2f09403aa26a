//! Proof checking: the only maker of [`Verified`].

use std::borrow::Cow;

use subtle::ConstantTimeEq as _;

use crate::engine::asking::{self, Stop};
use crate::engine::certificate;
use crate::engine::cipher::{OpenError, Opener};
use crate::engine::digest::{Feed, HashAlgorithm, Hmacer, TAG_BYTES_MAX, Tag, digest};
use crate::engine::document;
use crate::engine::encoding::Encoding;
use crate::engine::event::Proven;
use crate::engine::exchange::Answered;
use crate::engine::guard;
use crate::engine::net::{self, Network};
use crate::engine::parts::{self, Piece};
use crate::engine::plan::{Batch, Condition, Expr, Phase, Plan, Ref, TagProof};
use crate::engine::reason::{Reason, Reject};
use crate::engine::scope::{Scope, walk};
use crate::engine::secret::Secret;
use crate::engine::signature::{PublicKey, SignatureAlgorithm};
use crate::engine::token::{self, BoundHttpSignature, BoundJws};
use crate::engine::value::Value;

/// Events of one batch.
const ITEMS_MAX: usize = 1000;

/// An inbound whose proofs all hold. The fields are private to this file on purpose: mapping takes
/// nothing else, and nothing else can make one.
pub(crate) struct Verified<'s> {
    scope: Scope<'s>,
    proven: Vec<Proven>,
    items: Option<Vec<Item<'s>>>,
}

/// A proved item of a batch.
struct Item<'s> {
    value: &'s Value<'s>,
    proven: Vec<Proven>,
}

impl<'s> Verified<'s> {
    /// What can be seen beside the items of a batch.
    pub(crate) fn scope(&self) -> Scope<'s> {
        self.scope
    }

    /// What each event is made of, and how that was proved: the callback, or each item of a batch.
    pub(crate) fn subjects(&self) -> Vec<(Scope<'s>, Vec<Proven>)> {
        match &self.items {
            None => vec![(self.scope, self.proven.clone())],
            Some(items) => items
                .iter()
                .map(|Item { value, proven }| {
                    let scope = Scope { item: Some(value), ..self.scope };
                    (scope, [&self.proven[..], proven].concat())
                })
                .collect(),
        }
    }
}

/// A proof with its keys in it, ready to check.
pub(crate) enum BoundProof {
    Basic { credentials: Secret, proven: Proven },
    Confirm(BoundConfirm),
    Decrypt(BoundDecrypt),
    FirstPresent(Vec<BoundTag>),
    HttpSignature(BoundHttpSignature),
    Jws(BoundJws),
    Source { networks: Vec<Network>, proxies: Vec<Network>, proven: Proven },
    Tag(BoundTag),
    Token { place: Expr, values: Vec<(Secret, Proven)> },
}

pub(crate) struct BoundConfirm {
    pub(crate) exchange: usize,
    pub(crate) when: Option<Condition>,
    pub(crate) proven: Proven,
}

pub(crate) struct BoundDecrypt {
    pub(crate) from: Expr,
    pub(crate) proven: Proven,
    pub(crate) opener: Opener,
}

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

/// Everything that proving looks at.
#[derive(Clone, Copy)]
pub(crate) struct Proving<'s> {
    pub(crate) plan: &'s Plan,
    pub(crate) proofs: &'s [BoundProof],
    pub(crate) max_ages: &'s [Option<i64>],
    pub(crate) answers: &'s [Answered],
}

/// Checks every proof. What costs nothing comes first: the gateway is asked last, and only about a
/// callback that nothing else speaks against.
pub(crate) fn check<'s>(proving: Proving<'s>, scope: Scope<'s>) -> Result<Verified<'s>, Stop> {
    let Proving { plan, proofs, max_ages, answers } = proving;
    let mut proven = Vec::with_capacity(proofs.len());
    for proof in proofs {
        proven.extend(check_one(proof, proving, scope)?);
    }
    for (index, document) in plan.documents.iter().enumerate() {
        document::open(document, index, scope)?;
    }
    guard::check_fresh(plan, max_ages, scope)?;
    guard::check_all(plan, Phase::Local, scope)?;
    let items = items(proving, scope)?;
    for proof in proofs {
        if let BoundProof::Confirm(BoundConfirm { exchange, when, proven: holds }) = proof
            && when.as_ref().is_none_or(|when| scope.holds(when))
        {
            asking::answered(plan, *exchange, scope, answers)?;
            proven.push(holds.clone());
        }
    }
    guard::check_all(plan, Phase::Asked, scope)?;
    let all_proved = items
        .as_ref()
        .is_some_and(|items| !items.is_empty() && items.iter().all(|item| !item.proven.is_empty()));
    if proven.is_empty() && !all_proved {
        return Err(no_proof().into());
    }
    Ok(Verified { scope, proven, items })
}

/// Proves each item of a batch.
fn items<'s>(proving: Proving<'s>, scope: Scope<'s>) -> Result<Option<Vec<Item<'s>>>, Stop> {
    let Some(Batch { list, fields }) = &proving.plan.batch else { return Ok(None) };
    let malformed = || Reject::new(Reason::PayloadMalformed, &*list.text);
    let values = scope.value(list).and_then(Value::as_list).ok_or_else(malformed)?;
    if values.is_empty() || values.len() > ITEMS_MAX {
        return Err(malformed().into());
    }
    let mut items = Vec::with_capacity(values.len());
    for value in values {
        let scope = Scope { item: Some(value), ..scope };
        document::check_places(fields, scope)?;
        let mut proven = Vec::new();
        for proof in proving.proofs {
            if let BoundProof::Tag(tag) = proof
                && tag.of_items
            {
                proven.push(check_tag(tag, proving, scope)?);
            }
        }
        guard::check_all(proving.plan, Phase::Item, scope)?;
        items.push(Item { value, proven });
    }
    Ok(Some(items))
}

/// One proof, if it can be checked without asking what the callback says.
fn check_one<'s>(
    proof: &'s BoundProof,
    proving: Proving<'s>,
    scope: Scope<'s>,
) -> Result<Option<Proven>, Stop> {
    Ok(Some(match proof {
        BoundProof::Confirm(_) => return Ok(None),
        BoundProof::Tag(tag) if tag.of_items => return Ok(None),
        BoundProof::Tag(tag) => check_tag(tag, proving, scope)?,
        BoundProof::FirstPresent(tags) => {
            let present = tags.iter().find(|tag| !tags_of(&tag.tag.tag, scope).is_empty());
            // None is there: the first one says what is missing.
            check_tag(present.or(tags.first()).ok_or_else(no_proof)?, proving, scope)?
        }
        BoundProof::Decrypt(decrypt) => open(decrypt, scope)?,
        BoundProof::Basic { credentials, proven } => {
            check_basic(credentials, scope)?;
            proven.clone()
        }
        BoundProof::Token { place, values } => check_token(place, values, scope)?,
        BoundProof::HttpSignature(bound) => token::check_http_signature(bound, scope)?,
        BoundProof::Jws(bound) => token::check_jws(bound, proving, scope)?,
        BoundProof::Source { networks, proxies, proven } => {
            let reading = scope.reading;
            let client =
                reading.peer.and_then(|peer| net::client(peer, &reading.forwarded_for, proxies));
            if !client.is_some_and(|client| networks.iter().any(|net| net.contains(client))) {
                return Err(Reject::new(Reason::SourceDenied, "source").into());
            }
            proven.clone()
        }
    }))
}

/// No rule without a proof compiles; if one did, it would accept nothing.
fn no_proof() -> Reject {
    Reject::new(Reason::SignatureMissing, "proofs")
}

fn open<'s>(decrypt: &'s BoundDecrypt, scope: Scope<'s>) -> Result<Proven, Reject> {
    let at = &*decrypt.from.text;
    let message = scope
        .bytes(&decrypt.from)
        .map_err(|reject| Reject { reason: Reason::SignatureMalformed, ..reject })?;
    let message = message.ok_or_else(|| Reject::new(Reason::FieldMissing, at))?;
    let opened = decrypt.opener.open(&message).map_err(|error| {
        let reason = match error {
            OpenError::Malformed => Reason::SignatureMalformed,
            OpenError::Mismatch => Reason::SignatureMismatch,
        };
        Reject::new(reason, at)
    })?;
    scope.room.decrypted.get_or_init(|| opened);
    Ok(decrypt.proven.clone())
}

/// The scheme's credentials, compared whole: nobody learns whether the user was right.
fn check_basic(credentials: &Secret, scope: Scope<'_>) -> Result<(), Reject> {
    let at = "header.authorization";
    let Some(found) = scope.reading.authorization else {
        return Err(Reject::new(Reason::CredentialsMissing, at));
    };
    let mismatch = || Reject::new(Reason::CredentialsMismatch, at);
    let (scheme, rest) = found.split_at_checked(6).ok_or_else(mismatch)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return Err(Reject::new(Reason::CredentialsMissing, at));
    }
    let given = Encoding::Base64.decode(rest.trim_ascii()).ok_or_else(mismatch)?;
    if same(&given, credentials.expose()) { Ok(()) } else { Err(mismatch()) }
}

fn check_token<'s>(
    place: &'s Expr,
    values: &'s [(Secret, Proven)],
    scope: Scope<'s>,
) -> Result<Proven, Reject> {
    let Some(given) = scope.bytes(place)? else {
        return Err(Reject::new(Reason::CredentialsMissing, &*place.text));
    };
    let right = values.iter().find(|(secret, _)| same(&given, secret.expose()));
    let (_, proven) =
        right.ok_or_else(|| Reject::new(Reason::CredentialsMismatch, &*place.text))?;
    Ok(proven.clone())
}

/// In constant time for values of the same length: their digests are compared.
fn same(one: &[u8], other: &[u8]) -> bool {
    let digest = |bytes: &[u8]| digest(HashAlgorithm::Sha256, |into| into.feed(bytes));
    digest(one).bytes().ct_eq(digest(other).bytes()).into()
}

fn check_tag<'s>(
    bound: &'s BoundTag,
    proving: Proving<'s>,
    scope: Scope<'s>,
) -> Result<Proven, Stop> {
    let place = &bound.tag.tag;
    let reject = |reason| Err(Reject::new(reason, &*place.text).into());
    let presented = tags_of(place, scope);
    if presented.is_empty() {
        return reject(Reason::SignatureMissing);
    }
    let pieces = parts::pieces(&bound.tag, scope)?;
    let mut well_formed = false;
    for alternative in &bound.alternatives {
        if let How::Certificate(from) = &alternative.how {
            asking::answered(proving.plan, from.exchange, scope, proving.answers)?;
        }
        for text in &presented {
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
fn tags_of<'s>(tag: &'s Expr, scope: Scope<'s>) -> Vec<Cow<'s, [u8]>> {
    let reading = scope.reading;
    let several = match &tag.source {
        Ref::FieldPart(index, part) => reading.fields.get(*index).map(|field| (field, *part)),
        Ref::HeaderPart(index, part) => reading.headers.get(*index).map(|header| (header, *part)),
        _ => None,
    };
    let values: Vec<Cow<'s, [u8]>> = match several {
        Some((found, part)) => {
            let values = found.parts.get(part).map_or(&[][..], Vec::as_slice);
            values.iter().map(|value| Cow::Borrowed(&value[..])).collect()
        }
        None => {
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
        }
    };
    let stepped = |value: Cow<'s, [u8]>| {
        let end =
            tag.steps.iter().try_fold(value, |value, step| crate::engine::step::apply(step, value));
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
