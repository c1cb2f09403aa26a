//! Public-key signatures by closed names, and the public keys that operators paste: PEM of a bare
//! key or of an X.509 certificate, of which only the key counts (no dates, no chain).

use aws_lc_rs::signature::{
    ParsedPublicKey, RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
    RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
    VerificationAlgorithm,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use x509_cert::Certificate;
use x509_cert::der::{Decode as _, Encode as _};

/// A signature algorithm.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SignatureAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-1, keys of 1024 bits and more.
    RsaSha1,
    /// RSASSA-PKCS1-v1_5 with SHA-256, keys of 1024 bits and more.
    RsaSha256,
    /// RSASSA-PKCS1-v1_5 with SHA-512, keys of 1024 bits and more.
    RsaSha512,
}

impl SignatureAlgorithm {
    /// Every algorithm.
    pub const ALL: [Self; 3] = [Self::RsaSha1, Self::RsaSha256, Self::RsaSha512];

    /// The word in rules, events and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RsaSha1 => "rsa-sha1",
            Self::RsaSha256 => "rsa-sha256",
            Self::RsaSha512 => "rsa-sha512",
        }
    }

    /// The algorithm of that word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == word)
    }

    /// The field no longer trusts it.
    pub fn is_weak(self) -> bool {
        matches!(self, Self::RsaSha1)
    }

    fn verification(self) -> &'static dyn VerificationAlgorithm {
        match self {
            Self::RsaSha1 => &RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
            Self::RsaSha256 => &RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
            Self::RsaSha512 => &RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
        }
    }
}

/// A public key, parsed once.
pub struct PublicKey(ParsedPublicKey);

impl PublicKey {
    /// Reads one PEM block. The error says what was expected.
    pub fn from_pem(algorithm: SignatureAlgorithm, pem: &[u8]) -> Result<Self, String> {
        let (label, der) = pem_block(pem)?;
        let spki = match label {
            "CERTIFICATE" => Certificate::from_der(&der)
                .and_then(|found| found.tbs_certificate().subject_public_key_info().to_der())
                .map_err(|_| "the CERTIFICATE block holds no X.509 certificate".to_owned())?,
            // aws-lc takes SubjectPublicKeyInfo and PKCS#1 alike.
            "PUBLIC KEY" | "RSA PUBLIC KEY" => der,
            _ => return Err(format!("expected a public key or a certificate, found `{label}`")),
        };
        ParsedPublicKey::new(algorithm.verification(), &spki)
            .map(Self)
            .map_err(|_| format!("not a key for {}: RSA of 1024 to 8192 bits", algorithm.as_str()))
    }

    /// Whether `signature` is one of this key over `message`.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.0.verify_sig(message, signature).is_ok()
    }
}

/// The label and the bytes of the first PEM block (RFC 7468); text around it is let be.
fn pem_block(pem: &[u8]) -> Result<(&str, Vec<u8>), String> {
    let expected = || "expected PEM text: -----BEGIN PUBLIC KEY----- or CERTIFICATE".to_owned();
    let text = std::str::from_utf8(pem).map_err(|_| expected())?;
    let (_, rest) = text.split_once("-----BEGIN ").ok_or_else(expected)?;
    let (label, rest) = rest.split_once("-----").ok_or_else(expected)?;
    let (body, _) = rest.split_once(&format!("-----END {label}-----")).ok_or_else(expected)?;
    let compact: String = body.split_ascii_whitespace().collect();
    let der = STANDARD.decode(compact).map_err(|_| expected())?;
    Ok((label, der))
}
