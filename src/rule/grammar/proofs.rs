//! Proofs.

use crate::rule::grammar::{ONLY, ONLY_DOC, PLACE, REFERENCE};
use crate::text::shape::{Key, Kind, Shape};

pub(super) static PROOF: Shape = Shape {
    name: "proof",
    doc: "One authenticator.",
    exactly_one: true,
    keys: &[
        Key::optional(
            "digest",
            Kind::Map(&DIGEST),
            "A plain digest over parts, the secret among them.",
        ),
        Key::optional("hmac", Kind::Map(&HMAC), "HMAC (RFC 2104) under each value of a key."),
        Key::optional("signature", Kind::Map(&SIGNATURE), "A public-key signature."),
        Key::optional("decrypt", Kind::Map(&DECRYPT), "What opens under our key is genuine."),
        Key::optional(
            "first_present",
            Kind::Map(&FIRST_PRESENT),
            "The first of several whose tag is present decides, alone.",
        ),
    ],
};

pub(super) static TAG_PROOF: Shape = Shape {
    name: "tag_proof",
    doc: "A proof that is a tag.",
    exactly_one: true,
    keys: &[
        Key::optional(
            "digest",
            Kind::Map(&DIGEST),
            "A plain digest over parts, the secret among them.",
        ),
        Key::optional("hmac", Kind::Map(&HMAC), "HMAC (RFC 2104) under each value of a key."),
        Key::optional("signature", Kind::Map(&SIGNATURE), "A public-key signature."),
    ],
};

pub(super) const OVER: Key = Key::required(
    "over",
    Kind::NonEmptyList(&PLACE),
    "What the tag is made of, in order, joined without anything between.",
);
pub(super) const TAG: Key =
    Key::required("tag", REFERENCE, "Where the tag stands: a field or a header.");
pub(super) const WEAK: Key = Key::optional(
    "weak",
    Kind::Text,
    "Why an algorithm that is no longer trusted is let pass. Required for such an algorithm.",
);
pub(super) const ENCODING: Key = Key::required(
    "encoding",
    Kind::Choice(&[
        ("hex", "lower-case letters only"),
        ("hex-upper", "upper-case letters only"),
        ("hex-any", "letters of any case"),
        ("base64", "standard alphabet, padded"),
        ("base64url", "URL-safe alphabet, padded"),
        ("base64url-unpadded", "URL-safe alphabet, without padding"),
        ("base64-any", "either alphabet, padding optional"),
    ]),
    "How the tag is written.",
);
pub(super) const HASH: Key = Key::required(
    "algorithm",
    Kind::Text,
    "md5, sha1, sha256, sha384, sha512, sha3-256, or `param.NAME` of a choice between these.",
);

pub(super) static DIGEST: Shape = Shape {
    name: "digest",
    doc: "A plain digest over parts, the secret among them.",
    exactly_one: false,
    keys: &[HASH, OVER, TAG, ENCODING, WEAK, Key::optional("only", ONLY, ONLY_DOC)],
};

pub(super) static HMAC: Shape = Shape {
    name: "hmac",
    doc: "HMAC (RFC 2104) under each value of a key.",
    exactly_one: false,
    keys: &[
        HASH,
        Key::required("key", REFERENCE, "A parameter of type secret, with steps if it is encoded."),
        OVER,
        TAG,
        ENCODING,
        WEAK,
        Key::optional("only", ONLY, ONLY_DOC),
    ],
};

pub(super) static SIGNATURE: Shape = Shape {
    name: "signature",
    doc: "A public-key signature.",
    exactly_one: false,
    keys: &[
        Key::required(
            "algorithm",
            Kind::Choice(&[
                ("ecdsa-p256-sha256", "ECDSA on P-256 with SHA-256, in DER"),
                ("ecdsa-p256-sha256-raw", "the same, as r and s of 32 bytes each"),
                ("ecdsa-p384-sha384", "ECDSA on P-384 with SHA-384, in DER"),
                ("ecdsa-p384-sha384-raw", "the same, as r and s of 48 bytes each"),
                ("ed25519", "Ed25519 (RFC 8032)"),
                ("rsa-pss-sha256", "RSASSA-PSS with SHA-256, 32 bytes of salt"),
                ("rsa-pss-sha512", "RSASSA-PSS with SHA-512, 64 bytes of salt"),
                ("rsa-sha1", "RSASSA-PKCS1-v1_5 with SHA-1"),
                ("rsa-sha256", "RSASSA-PKCS1-v1_5 with SHA-256"),
                ("rsa-sha384", "RSASSA-PKCS1-v1_5 with SHA-384"),
                ("rsa-sha512", "RSASSA-PKCS1-v1_5 with SHA-512"),
            ]),
            "The one algorithm.",
        ),
        Key::required("key", REFERENCE, "A parameter of type public_key."),
        OVER,
        TAG,
        ENCODING,
        WEAK,
        Key::optional("only", ONLY, ONLY_DOC),
    ],
};

pub(super) static DECRYPT: Shape = Shape {
    name: "decrypt",
    doc: "Authenticated encryption: what opens under our key is genuine. Opened, it is the place \
          `decrypted`.",
    exactly_one: false,
    keys: &[
        Key::required(
            "cipher",
            Kind::Choice(&[("aes-256-gcm", "12 bytes nonce, ciphertext, 16 bytes tag")]),
            "The cipher and how its message is laid out.",
        ),
        Key::required("from", REFERENCE, "Where the message stands."),
        Key::required("key", REFERENCE, "A parameter of type secret: `param.password | fit 32`."),
        Key::optional("only", ONLY, ONLY_DOC),
    ],
};

pub(super) static FIRST_PRESENT: Shape = Shape {
    name: "first_present",
    doc: "The first of several proofs whose tag is present decides, alone.",
    exactly_one: false,
    keys: &[
        Key::required("of", Kind::NonEmptyList(&Kind::Map(&TAG_PROOF)), "In order of preference."),
        Key::optional("only", ONLY, ONLY_DOC),
    ],
};
