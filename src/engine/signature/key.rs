//! The public keys that operators paste, in the ways in which gateways hand them out. Of an X.509
//! certificate only the key counts: no dates, no chain.

use std::borrow::Cow;

use aws_lc_rs::signature::{ParsedPublicKey, RsaParameters, RsaSubjectPublicKey};
use x509_cert::Certificate;
use x509_cert::der::asn1::AnyRef;
use x509_cert::der::{Decode as _, Encode as _};

use crate::engine::encoding::Encoding;
use crate::engine::json;
use crate::engine::pem;
use crate::engine::signature::{Jwk, KeyKind, PublicKey, RSA_BITS_MAX, SignatureAlgorithm};

/// Bytes of a key's text. A certificate of an 8192 bit key has less than a quarter of this.
pub(super) const KEY_TEXT_BYTES_MAX: usize = 16 * 1024;

/// Bytes of an Ed25519 key as such.
pub(super) const ED25519_BYTES: usize = 32;

/// Before the base64 of an Ed25519 key (Standard Webhooks).
const STANDARD_WEBHOOKS_PREFIX: &[u8] = b"whpk_";

impl PublicKey {
    /// Reads a key as it was pasted. The error says what was expected. One of:
    /// - PEM: `PUBLIC KEY`, `RSA PUBLIC KEY` or `CERTIFICATE`; of several blocks the first;
    /// - base64 of such a text (monobank), or of the DER in it (`ForteBank`, `SendGrid`);
    /// - a JWK (RFC 7517);
    /// - for Ed25519 also the 32 bytes as such, in base64, or in base64 after `whpk_`.
    pub fn from_text(algorithm: SignatureAlgorithm, text: &[u8]) -> Result<Self, String> {
        if text.len() > KEY_TEXT_BYTES_MAX {
            return Err(format!("expected a public key of at most {KEY_TEXT_BYTES_MAX} bytes"));
        }
        // Before anything else: the bytes of a key may look like white space.
        if algorithm == SignatureAlgorithm::Ed25519 && text.len() == ED25519_BYTES {
            return Self::from_der(algorithm, text);
        }
        let text = text.trim_ascii();
        if text.starts_with(b"{") {
            let value = json::parse(text).map_err(|_| "expected a JWK: not JSON".to_owned())?;
            return Jwk::from_value(&value)?.public_key(algorithm);
        }
        if is_pem(text) {
            return Self::from_der(algorithm, &key_of_pem(text)?);
        }
        if let Some(encoded) = text.strip_prefix(STANDARD_WEBHOOKS_PREFIX) {
            let raw = base64(encoded).filter(|raw| raw.len() == ED25519_BYTES);
            let raw = raw.ok_or("expected base64 of 32 bytes after whpk_")?;
            return Self::from_der(algorithm, &raw);
        }
        let decoded = base64(text).ok_or(
            "expected a public key: PEM (PUBLIC KEY or CERTIFICATE), base64 of its DER or of its \
             PEM, a JWK, or whpk_ and base64",
        )?;
        if is_pem(&decoded) {
            return Self::from_der(algorithm, &key_of_pem(&decoded)?);
        }
        Self::from_der(algorithm, &decoded)
    }

    /// Reads a `SubjectPublicKeyInfo` (RFC 5280) or `RSAPublicKey` (RFC 8017) in DER; for ECDSA
    /// also a point (SEC 1), for Ed25519 its 32 bytes.
    pub fn from_der(algorithm: SignatureAlgorithm, der: &[u8]) -> Result<Self, String> {
        let parsed = ParsedPublicKey::new(algorithm.verification(), der).ok();
        parsed.filter(|_| fits(algorithm.key_kind(), der)).map(Self).ok_or_else(|| {
            let expected: Cow<'_, str> = match algorithm.key_kind() {
                KeyKind::Ed25519 => "an Ed25519 key".into(),
                KeyKind::P256 => "an EC key on the curve P-256".into(),
                KeyKind::P384 => "an EC key on the curve P-384".into(),
                KeyKind::Rsa { bits_min } => {
                    format!("an RSA key of {bits_min} to {RSA_BITS_MAX} bits").into()
                }
            };
            format!("not a key for {}: expected {expected}", algorithm.as_str())
        })
    }
}

/// What parsing lets pass: bytes after the key, and RSA keys of any length, which would then never
/// verify anything.
fn fits(kind: KeyKind, der: &[u8]) -> bool {
    let is_one_value = AnyRef::from_der(der).is_ok();
    match kind {
        KeyKind::Ed25519 => der.len() == ED25519_BYTES || is_one_value,
        KeyKind::P256 | KeyKind::P384 => der.first() != Some(&0x30) || is_one_value,
        KeyKind::Rsa { bits_min } => {
            let bits = RsaSubjectPublicKey::from_der(der)
                .ok()
                .and_then(|key| RsaParameters::public_modulus_len(key.as_ref()).ok());
            is_one_value && bits.is_some_and(|bits| (bits_min..=RSA_BITS_MAX).contains(&bits))
        }
    }
}

fn is_pem(text: &[u8]) -> bool {
    memchr::memmem::find(text, b"-----BEGIN ").is_some()
}

/// The DER of the key in the first block.
fn key_of_pem(text: &[u8]) -> Result<Vec<u8>, String> {
    let block = pem::blocks(text).and_then(|blocks| blocks.into_iter().next());
    let pem::Block { label, der } =
        block.ok_or("expected PEM text: -----BEGIN PUBLIC KEY----- or CERTIFICATE")?;
    match label {
        "CERTIFICATE" => Certificate::from_der(&der)
            .and_then(|found| found.tbs_certificate().subject_public_key_info().to_der())
            .map_err(|_| "the CERTIFICATE block holds no X.509 certificate".to_owned()),
        "PUBLIC KEY" | "RSA PUBLIC KEY" => Ok(der),
        _ => Err(format!("expected a public key or a certificate, found `{label}`")),
    }
}

/// Either alphabet, padding whole or absent; lines may be broken.
fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let compact: Vec<u8> =
        text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    Encoding::Base64Any.decode(&compact).filter(|decoded| !decoded.is_empty())
}
