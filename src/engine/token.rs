//! Checks signed tokens (RFC 7515) and signatures over HTTP messages (RFC 9421).

use crate::engine::asking::{self, Stop};
use crate::engine::certificate::{self, Names, Trust};
use crate::engine::digest::Hmacer;
use crate::engine::event::Proven;
use crate::engine::http_signature::{
    self, Component, HMAC_SHA256, HttpSignature, HttpSignatureError, Origin,
};
use crate::engine::jws::{self, JwsAlgorithm, Token, TokenError};
use crate::engine::plan::{Expr, HttpSignaturePlan};
use crate::engine::proof::Proving;
use crate::engine::reason::{Reason, Reject};
use crate::engine::scope::Scope;
use crate::engine::signature::PublicKey;
use crate::engine::value::Value;

use subtle::ConstantTimeEq as _;

/// A key that a signature is checked with.
pub(crate) enum Verifier {
    Hmac(Box<Hmacer>),
    Signature(PublicKey),
}

impl Verifier {
    fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Hmac(mac) => mac.tag(|into| into.feed(message)).bytes().ct_eq(signature).into(),
            Self::Signature(key) => key.verifies(message, signature),
        }
    }
}

/// A signed token, its keys at hand.
pub(crate) struct BoundJws {
    pub(crate) token: Expr,
    pub(crate) algorithm: JwsAlgorithm,
    pub(crate) keys: TokenKeys,
}

/// Where the key of a token is.
pub(crate) enum TokenKeys {
    /// In the token's own header, up to a root.
    Chain(Box<(Trust, Names)>, Proven),
    Known(Vec<(Verifier, Proven)>),
    /// In a set that an exchange fetches.
    Set(usize, Proven),
}

impl TokenKeys {
    pub(crate) fn proven(&self) -> impl Iterator<Item = &Proven> {
        let (one, known) = match self {
            Self::Chain(_, proven) | Self::Set(_, proven) => (Some(proven), &[][..]),
            Self::Known(known) => (None, known.as_slice()),
        };
        one.into_iter().chain(known.iter().map(|(_, proven)| proven))
    }
}

/// A signature over the message, its keys at hand.
pub(crate) struct BoundHttpSignature {
    pub(crate) plan: HttpSignaturePlan,
    pub(crate) label: String,
    pub(crate) origin: Origin,
    pub(crate) max_age: Option<i64>,
    pub(crate) keys: Vec<(Verifier, Proven)>,
}

/// Checks a signed token; what it says is the place `claims` then.
pub(crate) fn check_jws<'s>(
    bound: &'s BoundJws,
    proving: Proving<'s>,
    scope: Scope<'s>,
) -> Result<Proven, Stop> {
    let at = &*bound.token.text;
    let reject = |reason| Stop::Reject(Reject::new(reason, at));
    // What cannot take the steps (`strip 'Bearer '`) is no token.
    let text = scope.bytes(&bound.token).map_err(|_| reject(Reason::SignatureMalformed))?;
    let text = text.ok_or_else(|| reject(Reason::SignatureMissing))?;
    let token = Token::parse(&text, &[bound.algorithm]).map_err(|error| match error {
        TokenError::AlgorithmNotAllowed => reject(Reason::AlgorithmNotAllowed),
        TokenError::Critical | TokenError::Malformed | TokenError::TooLong => {
            reject(Reason::SignatureMalformed)
        }
    })?;
    let signed = |verifier: &Verifier| verifier.verifies(token.signing_input(), token.signature());
    let proven = match &bound.keys {
        TokenKeys::Known(keys) => keys.iter().find(|(verifier, _)| signed(verifier)),
        TokenKeys::Chain(..) | TokenKeys::Set(..) => None,
    };
    let proven = match (&bound.keys, proven) {
        (TokenKeys::Known(_), found) => found.map(|(_, proven)| proven),
        (TokenKeys::Chain(trust, proven), _) => {
            let (trust, names) = &**trust;
            let spki = certificate::leaf_of_ders(token.x5c(), trust, scope.now, names)
                .map_err(|_| reject(Reason::CertificateRejected))?;
            let key =
                public_key(bound.algorithm, |algorithm| PublicKey::from_der(algorithm, &spki).ok());
            key.filter(signed).map(|_| proven)
        }
        (TokenKeys::Set(exchange, proven), _) => {
            let keys = set_of(bound.algorithm, *exchange, &token, proving, scope)?;
            keys.iter().any(signed).then_some(proven)
        }
    };
    let proven = proven.ok_or_else(|| reject(Reason::SignatureMismatch))?.clone();
    scope.room.claims.get_or_init(|| token.claims().to_vec());
    Ok(proven)
}

fn public_key(
    algorithm: JwsAlgorithm,
    key: impl Fn(crate::engine::signature::SignatureAlgorithm) -> Option<PublicKey>,
) -> Option<Verifier> {
    match algorithm.scheme() {
        jws::Scheme::Hmac(_) => None,
        jws::Scheme::Signature(algorithm) => key(algorithm).map(Verifier::Signature),
    }
}

/// The keys of a fetched set that the token names. A set out of the cache that lacks it is fetched
/// once more: gateways change their keys.
fn set_of<'s>(
    algorithm: JwsAlgorithm,
    exchange: usize,
    token: &Token<'_>,
    proving: Proving<'s>,
    scope: Scope<'s>,
) -> Result<Vec<Verifier>, Stop> {
    asking::answered(proving.plan, exchange, scope, proving.answers)?;
    let index = proving.plan.documents.len() + exchange;
    let document = scope.room.documents.get(index).and_then(|cell| cell.get());
    let text = document.and_then(Value::as_text).unwrap_or_default();
    let name = proving.plan.exchanges.get(exchange).map_or("", |exchange| &exchange.name);
    let keys = jws::key_set(text.as_bytes())
        .map_err(|_| Reject::new(Reason::ConfirmationUnavailable, format!("exchange.{name}")))?;
    let named = jws::named(&keys, token.kid().unwrap_or_default());
    let named: Vec<Verifier> = named
        .filter_map(|jwk| public_key(algorithm, |algorithm| jwk.public_key(algorithm).ok()))
        .collect();
    if named.is_empty() {
        asking::again(proving.plan, exchange, scope, proving.answers)?;
    }
    Ok(named)
}

/// Checks a signature over the message itself.
pub(crate) fn check_http_signature(
    bound: &BoundHttpSignature,
    scope: Scope<'_>,
) -> Result<Proven, Reject> {
    let reject = |reason| Reject::new(reason, "header.signature");
    let inbound = &scope.reading.inbound;
    let read = HttpSignature::read(inbound, &bound.origin, &bound.label);
    let signature = read.map_err(|error| match error {
        HttpSignatureError::LabelMissing => reject(Reason::SignatureMissing),
        HttpSignatureError::ComponentMissing => reject(Reason::FieldMissing),
        HttpSignatureError::Duplicate
        | HttpSignatureError::Malformed
        | HttpSignatureError::NotSupported
        | HttpSignatureError::TooLong => reject(Reason::SignatureMalformed),
    })?;
    let wanted = &bound.plan.components;
    if !wanted.iter().all(|component| component.is_within(&signature.components)) {
        // It is a signature, but not one over what counts.
        return Err(reject(Reason::SignatureMissing));
    }
    let known = match bound.plan.algorithm {
        None => Some(HMAC_SHA256),
        Some(algorithm) => http_signature::registered_name(algorithm),
    };
    if signature.params.alg.is_some() && signature.params.alg.as_deref() != known {
        return Err(reject(Reason::AlgorithmNotAllowed));
    }
    let right = bound
        .keys
        .iter()
        .find(|(verifier, _)| verifier.verifies(&signature.base, &signature.signature));
    let (_, proven) = right.ok_or_else(|| reject(Reason::SignatureMismatch))?;
    if wanted.iter().any(is_digest) && http_signature::content_digest_matches(inbound) != Some(true)
    {
        return Err(Reject::new(Reason::SignatureMismatch, "header.content-digest"));
    }
    if let Some(max_age) = bound.max_age {
        let created = signature.params.created.ok_or_else(|| reject(Reason::FieldMissing))?;
        let age = scope.now.saturating_sub(created);
        if age > max_age {
            return Err(reject(Reason::TimestampTooOld));
        }
        if age < -max_age {
            return Err(reject(Reason::TimestampInFuture));
        }
    }
    if signature.params.expires.is_some_and(|expires| expires < scope.now) {
        return Err(reject(Reason::TimestampTooOld));
    }
    Ok(proven.clone())
}

/// Whether a component is the digest of the body.
pub(crate) fn is_digest(component: &Component) -> bool {
    matches!(component, Component::Field(name) if name == "content-digest")
}
