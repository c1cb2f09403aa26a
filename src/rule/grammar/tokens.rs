//! Proofs that are signed tokens, or signatures over HTTP messages.

use crate::rule::grammar::{ONLY, ONLY_DOC, REFERENCE};
use crate::text::shape::{Key, Kind, Shape};

pub(super) static JWS: Shape = Shape {
    name: "jws",
    doc: "A signed token (RFC 7515). What it says is covered and is the place `claims`.",
    exactly_one: false,
    keys: &[
        Key::required(
            "token",
            REFERENCE,
            "Where it stands: `header.authorization | strip 'Bearer '`.",
        ),
        Key::required(
            "algorithm",
            Kind::Choice(&[
                ("EdDSA", "Ed25519"),
                ("ES256", "ECDSA on P-256 with SHA-256"),
                ("ES384", "ECDSA on P-384 with SHA-384"),
                ("HS256", "HMAC with SHA-256"),
                ("HS384", "HMAC with SHA-384"),
                ("HS512", "HMAC with SHA-512"),
                ("PS256", "RSASSA-PSS with SHA-256"),
                ("PS512", "RSASSA-PSS with SHA-512"),
                ("RS256", "RSASSA-PKCS1-v1_5 with SHA-256"),
                ("RS384", "RSASSA-PKCS1-v1_5 with SHA-384"),
                ("RS512", "RSASSA-PKCS1-v1_5 with SHA-512"),
            ]),
            "The one algorithm.",
        ),
        Key::required(
            "key",
            Kind::AnyOf(&[REFERENCE, Kind::Map(&JWS_KEY)]),
            "A parameter of type public_key (or secret, for HS…), a key set, or a chain.",
        ),
        Key::optional(
            "bearer",
            Kind::Bool,
            "true: it says who sends; the rest of the request is taken on that word. Then `weak` says \
             why.",
        ),
        Key::optional("weak", Kind::Text, "Why a bearer must do."),
        Key::optional("only", ONLY, ONLY_DOC),
    ],
};

static JWS_KEY: Shape = Shape {
    name: "jws_key",
    doc: "A key that is no parameter.",
    exactly_one: true,
    keys: &[
        Key::optional("set", Kind::Text, "The exchange that fetches a key set (RFC 7517)."),
        Key::optional(
            "chain",
            Kind::Map(&CHAIN),
            "The certificates in the token's own header, `x5c`.",
        ),
    ],
};

static CHAIN: Shape = Shape {
    name: "chain",
    doc: "A chain of certificates up to a trusted root, by its extensions.",
    exactly_one: false,
    keys: &[
        Key::required("roots", REFERENCE, "A parameter of type certificate."),
        Key::required(
            "leaf",
            Kind::Text,
            "An extension that the leaf has: 1.2.840.113635.100.6.11.1.",
        ),
        Key::required("issuer", Kind::Text, "An extension that the certificate above it has."),
    ],
};

pub(super) static HTTP_SIGNATURE: Shape = Shape {
    name: "http_signature",
    doc: "A signature over parts of the HTTP message (RFC 9421).",
    exactly_one: false,
    keys: &[
        Key::required("label", Kind::Text, "Which of the signatures: `sig1`."),
        Key::required(
            "components",
            Kind::NonEmptyList(&Kind::Text),
            "What must be covered at least: `@method`, `@authority`, `@target-uri`, `content-digest` \
             (then the digest is checked and the body is covered), names of headers.",
        ),
        Key::required(
            "algorithm",
            Kind::Choice(&[
                ("ecdsa-p256-sha256", "ECDSA on P-256 with SHA-256"),
                ("ecdsa-p384-sha384", "ECDSA on P-384 with SHA-384"),
                ("ed25519", "Ed25519"),
                ("hmac-sha256", "HMAC with SHA-256"),
                ("rsa-pss-sha512", "RSASSA-PSS with SHA-512"),
                ("rsa-v1_5-sha256", "RSASSA-PKCS1-v1_5 with SHA-256"),
            ]),
            "The one algorithm.",
        ),
        Key::required("key", REFERENCE, "A parameter of type public_key, or secret for hmac."),
        Key::required("origin", REFERENCE, "A parameter of type url: what the sender calls us."),
        Key::optional("max_age", REFERENCE, "A parameter: seconds that `created` may be away."),
        Key::optional("only", ONLY, ONLY_DOC),
    ],
};
