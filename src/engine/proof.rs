//! Proof checking: the only maker of [`Verified`].

use subtle::ConstantTimeEq as _;

use crate::engine::asking::{self, Stop};
use crate::engine::cipher::{OpenError, Opener};
use crate::engine::digest::{HashAlgorithm, digest};
use crate::engine::document;
use crate::engine::encoding::Encoding;
use crate::engine::event::Proven;
use crate::engine::exchange::Answered;
use crate::engine::guard;
use crate::engine::mtls::{self, BoundMtls};
use crate::engine::net::{self, Network};
use crate::engine::plan::{Batch, Condition, Expr, Phase, Plan};
use crate::engine::reason::{Reason, Reject};
use crate::engine::scope::Scope;
use crate::engine::secret::Secret;
use crate::engine::tag::{self, BoundTag};
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
    Mtls(BoundMtls),
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
                proven.push(tag::check(tag, proving, scope)?);
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
        BoundProof::Tag(tag) => tag::check(tag, proving, scope)?,
        BoundProof::FirstPresent(tags) => {
            let present = tags.iter().find(|tag| !tag::presented(&tag.tag.tag, scope).is_empty());
            // None is there: the first one says what is missing.
            tag::check(present.or(tags.first()).ok_or_else(no_proof)?, proving, scope)?
        }
        BoundProof::Decrypt(decrypt) => open(decrypt, scope)?,
        BoundProof::Basic { credentials, proven } => {
            check_basic(credentials, scope)?;
            proven.clone()
        }
        BoundProof::Token { place, values } => check_token(place, values, scope)?,
        BoundProof::HttpSignature(bound) => token::check_http_signature(bound, scope)?,
        BoundProof::Jws(bound) => token::check_jws(bound, proving, scope)?,
        BoundProof::Mtls(bound) => mtls::check(bound, scope)?,
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
