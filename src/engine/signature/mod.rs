//! Public-key signatures by closed names. The algorithm comes from the rule: a key is parsed for
//! one algorithm and verifies by that one only.

mod jwk;
mod key;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_ASN1,
    ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey,
    RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
    RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA384,
    RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA512, VerificationAlgorithm,
};

pub use jwk::Jwk;

/// A signature algorithm.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SignatureAlgorithm {
    /// ECDSA on P-256 with SHA-256, the signature in DER (X9.62).
    EcdsaP256Sha256,
    /// The same, the signature as r and s, 32 bytes each (RFC 7518 §3.4, RFC 9421 §3.3.4).
    EcdsaP256Sha256Raw,
    /// ECDSA on P-384 with SHA-384, the signature in DER.
    EcdsaP384Sha384,
    /// The same, the signature as r and s, 48 bytes each.
    EcdsaP384Sha384Raw,
    /// Ed25519 (RFC 8032), the message not hashed beforehand.
    Ed25519,
    /// RSASSA-PSS with SHA-256, MGF1 with the same, 32 bytes of salt, keys of 2048 bits and more.
    RsaPssSha256,
    /// RSASSA-PSS with SHA-512, MGF1 with the same, 64 bytes of salt, keys of 2048 bits and more.
    RsaPssSha512,
    /// RSASSA-PKCS1-v1_5 with SHA-1, keys of 1024 bits and more.
    RsaSha1,
    /// RSASSA-PKCS1-v1_5 with SHA-256, keys of 1024 bits and more.
    RsaSha256,
    /// RSASSA-PKCS1-v1_5 with SHA-384, keys of 2048 bits and more.
    RsaSha384,
    /// RSASSA-PKCS1-v1_5 with SHA-512, keys of 1024 bits and more.
    RsaSha512,
}

/// What sort of key an algorithm wants.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum KeyKind {
    Ed25519,
    P256,
    P384,
    Rsa { bits_min: u32 },
}

/// Bits of the longest RSA key.
const RSA_BITS_MAX: u32 = 8192;

impl SignatureAlgorithm {
    /// Every algorithm.
    pub const ALL: [Self; 11] = [
        Self::EcdsaP256Sha256,
        Self::EcdsaP256Sha256Raw,
        Self::EcdsaP384Sha384,
        Self::EcdsaP384Sha384Raw,
        Self::Ed25519,
        Self::RsaPssSha256,
        Self::RsaPssSha512,
        Self::RsaSha1,
        Self::RsaSha256,
        Self::RsaSha384,
        Self::RsaSha512,
    ];

    /// The word in rules, events and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EcdsaP256Sha256 => "ecdsa-p256-sha256",
            Self::EcdsaP256Sha256Raw => "ecdsa-p256-sha256-raw",
            Self::EcdsaP384Sha384 => "ecdsa-p384-sha384",
            Self::EcdsaP384Sha384Raw => "ecdsa-p384-sha384-raw",
            Self::Ed25519 => "ed25519",
            Self::RsaPssSha256 => "rsa-pss-sha256",
            Self::RsaPssSha512 => "rsa-pss-sha512",
            Self::RsaSha1 => "rsa-sha1",
            Self::RsaSha256 => "rsa-sha256",
            Self::RsaSha384 => "rsa-sha384",
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
            Self::EcdsaP256Sha256 => &ECDSA_P256_SHA256_ASN1,
            Self::EcdsaP256Sha256Raw => &ECDSA_P256_SHA256_FIXED,
            Self::EcdsaP384Sha384 => &ECDSA_P384_SHA384_ASN1,
            Self::EcdsaP384Sha384Raw => &ECDSA_P384_SHA384_FIXED,
            Self::Ed25519 => &ED25519,
            Self::RsaPssSha256 => &RSA_PSS_2048_8192_SHA256,
            Self::RsaPssSha512 => &RSA_PSS_2048_8192_SHA512,
            Self::RsaSha1 => &RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
            Self::RsaSha256 => &RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
            Self::RsaSha384 => &RSA_PKCS1_2048_8192_SHA384,
            Self::RsaSha512 => &RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
        }
    }

    fn key_kind(self) -> KeyKind {
        match self {
            Self::EcdsaP256Sha256 | Self::EcdsaP256Sha256Raw => KeyKind::P256,
            Self::EcdsaP384Sha384 | Self::EcdsaP384Sha384Raw => KeyKind::P384,
            Self::Ed25519 => KeyKind::Ed25519,
            Self::RsaSha1 | Self::RsaSha256 | Self::RsaSha512 => KeyKind::Rsa { bits_min: 1024 },
            Self::RsaPssSha256 | Self::RsaPssSha512 | Self::RsaSha384 => {
                KeyKind::Rsa { bits_min: 2048 }
            }
        }
    }
}

/// A public key, parsed once, and the algorithm that it verifies by.
pub struct PublicKey(ParsedPublicKey);

impl PublicKey {
    /// Whether `signature` is one of this key over `message`.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.0.verify_sig(message, signature).is_ok()
    }
}

#[cfg(test)]
mod tests;
