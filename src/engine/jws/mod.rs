//! Signed tokens: JWS in its compact form (RFC 7515), and sets of keys (RFC 7517) to verify them by.
//! The algorithm is never taken from a token: a token of another one than the rule's is refused.

use crate::engine::certificate::CHAIN_MAX;
use crate::engine::digest::HashAlgorithm;
use crate::engine::encoding::Encoding;
use crate::engine::json;
use crate::engine::signature::{Jwk, SignatureAlgorithm};
use crate::engine::value::{Object, Value};

/// Bytes of a token.
pub const TOKEN_BYTES_MAX: usize = 64 * 1024;
/// Bytes of a set of keys.
pub const KEY_SET_BYTES_MAX: usize = 256 * 1024;
/// Keys in a set.
pub const KEYS_MAX: usize = 100;

/// An algorithm of JWS. There is no `none`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum JwsAlgorithm {
    /// Ed25519 (RFC 8037; `Ed25519` in RFC 9864).
    EdDsa,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// HMAC with SHA-256.
    Hs256,
    /// HMAC with SHA-384.
    Hs384,
    /// HMAC with SHA-512.
    Hs512,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// RSASSA-PSS with SHA-512.
    Ps512,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
}

/// What an algorithm wants a key for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scheme {
    /// A shared secret.
    Hmac(HashAlgorithm),
    /// A public key.
    Signature(SignatureAlgorithm),
}

impl JwsAlgorithm {
    /// Every algorithm.
    pub const ALL: [Self; 11] = [
        Self::EdDsa,
        Self::Es256,
        Self::Es384,
        Self::Hs256,
        Self::Hs384,
        Self::Hs512,
        Self::Ps256,
        Self::Ps512,
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
    ];

    /// The word in rules and in most tokens (RFC 7518 §3.1).
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
            Self::Ps256 => "PS256",
            Self::Ps512 => "PS512",
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
        }
    }

    /// The algorithm of that word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == word)
    }

    /// How it verifies.
    pub fn scheme(self) -> Scheme {
        match self {
            Self::EdDsa => Scheme::Signature(SignatureAlgorithm::Ed25519),
            Self::Es256 => Scheme::Signature(SignatureAlgorithm::EcdsaP256Sha256Raw),
            Self::Es384 => Scheme::Signature(SignatureAlgorithm::EcdsaP384Sha384Raw),
            Self::Hs256 => Scheme::Hmac(HashAlgorithm::Sha256),
            Self::Hs384 => Scheme::Hmac(HashAlgorithm::Sha384),
            Self::Hs512 => Scheme::Hmac(HashAlgorithm::Sha512),
            Self::Ps256 => Scheme::Signature(SignatureAlgorithm::RsaPssSha256),
            Self::Ps512 => Scheme::Signature(SignatureAlgorithm::RsaPssSha512),
            Self::Rs256 => Scheme::Signature(SignatureAlgorithm::RsaSha256),
            Self::Rs384 => Scheme::Signature(SignatureAlgorithm::RsaSha384),
            Self::Rs512 => Scheme::Signature(SignatureAlgorithm::RsaSha512),
        }
    }

    /// The algorithm of that word in a header.
    fn of_header(word: &str) -> Option<Self> {
        Self::from_word(word).or((word == "Ed25519").then_some(Self::EdDsa))
    }
}

/// Why a token was refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum TokenError {
    /// Its algorithm is not among those that the rule names.
    #[error("the token's `alg` is not one that the rule allows")]
    AlgorithmNotAllowed,
    /// Its header wants something understood that is not (`crit`, RFC 7515 §4.1.11).
    #[error("the token's header has `crit`: an extension that is not understood")]
    Critical,
    /// Not three parts in unpadded base64url, the first of them a JSON object with `alg`.
    #[error("not a JWS in compact form")]
    Malformed,
    /// More than [`TOKEN_BYTES_MAX`].
    #[error("a token of more than {TOKEN_BYTES_MAX} bytes")]
    TooLong,
}

/// A token that may be verified. Nothing in it is believed before its signature is.
pub struct Token<'a> {
    algorithm: JwsAlgorithm,
    kid: Option<String>,
    x5c: Vec<Vec<u8>>,
    signing_input: &'a [u8],
    claims: Vec<u8>,
    signature: Vec<u8>,
}

impl<'a> Token<'a> {
    /// Reads a token whose algorithm is one of `allowed`.
    pub fn parse(token: &'a [u8], allowed: &[JwsAlgorithm]) -> Result<Self, TokenError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::TooLong);
        }
        let mut parts = token.split(|&byte| byte == b'.');
        let (Some(header), Some(claims), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(TokenError::Malformed);
        };
        let decode = |part| Encoding::Base64UrlNoPad.decode(part).ok_or(TokenError::Malformed);
        let header_json = decode(header)?;
        let value = json::parse(&header_json).map_err(|_| TokenError::Malformed)?;
        let object = value.as_object().ok_or(TokenError::Malformed)?;
        if object.get("crit").is_some() {
            return Err(TokenError::Critical);
        }
        let alg = text(object, "alg")?.ok_or(TokenError::Malformed)?;
        let algorithm = JwsAlgorithm::of_header(alg).filter(|found| allowed.contains(found));
        let algorithm = algorithm.ok_or(TokenError::AlgorithmNotAllowed)?;
        let signature = decode(signature)?;
        if signature.is_empty() {
            return Err(TokenError::Malformed);
        }
        Ok(Self {
            algorithm,
            kid: text(object, "kid")?.map(str::to_owned),
            x5c: x5c(object)?,
            signing_input: token.get(..=header.len() + claims.len()).unwrap_or_default(),
            claims: decode(claims)?,
            signature,
        })
    }

    /// One of those allowed.
    pub fn algorithm(&self) -> JwsAlgorithm {
        self.algorithm
    }

    /// The name of the key, as the sender says.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Certificates in DER, the leaf first, as the sender says; often none.
    pub fn x5c(&self) -> &[Vec<u8>] {
        &self.x5c
    }

    /// What the signature is of.
    pub fn signing_input(&self) -> &'a [u8] {
        self.signing_input
    }

    /// The signature, at least one byte.
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }

    /// The payload.
    pub fn claims(&self) -> &[u8] {
        &self.claims
    }
}

fn text<'o>(object: &'o Object<'_>, name: &str) -> Result<Option<&'o str>, TokenError> {
    object.get(name).map(|value| value.as_text().ok_or(TokenError::Malformed)).transpose()
}

/// Standard base64 here, unlike everything else in a token (RFC 7515 §4.1.6).
fn x5c(object: &Object<'_>) -> Result<Vec<Vec<u8>>, TokenError> {
    let Some(list) = object.get("x5c") else { return Ok(Vec::new()) };
    let list = list.as_list().filter(|list| (1..=CHAIN_MAX).contains(&list.len()));
    let der = |item: &Value<'_>| Encoding::Base64.decode(item.as_text()?.as_bytes());
    let ders = list.and_then(|list| list.iter().map(der).collect());
    ders.ok_or(TokenError::Malformed)
}

/// Why a set of keys was refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum KeySetError {
    /// Not a JSON object with a list `keys`.
    #[error("not a set of keys: expected a JSON object with a list `keys`")]
    Malformed,
    /// More than [`KEY_SET_BYTES_MAX`].
    #[error("a set of keys of more than {KEY_SET_BYTES_MAX} bytes")]
    TooLong,
    /// More than [`KEYS_MAX`].
    #[error("a set of more than {KEYS_MAX} keys")]
    TooMany,
}

/// The keys of a set that are for signatures and of a kind known here. The others are passed over,
/// as RFC 7517 §5 wants it: a set must be able to get new ones.
pub fn key_set(bytes: &[u8]) -> Result<Vec<Jwk>, KeySetError> {
    if bytes.len() > KEY_SET_BYTES_MAX {
        return Err(KeySetError::TooLong);
    }
    let value = json::parse(bytes).map_err(|_| KeySetError::Malformed)?;
    let keys = value.as_object().and_then(|object| object.get("keys")).and_then(Value::as_list);
    let keys = keys.ok_or(KeySetError::Malformed)?;
    if keys.len() > KEYS_MAX {
        return Err(KeySetError::TooMany);
    }
    Ok(keys.iter().filter_map(|key| Jwk::from_value(key).ok()).collect())
}

/// The keys of that name. Owners should give each key another name, but need not (RFC 7517 §4.5).
pub fn named<'k>(keys: &'k [Jwk], kid: &str) -> impl Iterator<Item = &'k Jwk> {
    keys.iter().filter(move |key| key.kid() == Some(kid))
}

#[cfg(test)]
mod tests;
