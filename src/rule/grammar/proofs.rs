//! Proofs.

use crate::rule::grammar::event::CONDITION;
use crate::rule::grammar::mtls::MTLS;
use crate::rule::grammar::tokens::{HTTP_SIGNATURE, JWS};
use crate::rule::grammar::{ONLY, ONLY_DOC, REFERENCE};
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
        Key::optional("basic", Kind::Map(&BASIC), "HTTP Basic credentials of the sender."),
        Key::optional("confirm", Kind::Map(&CONFIRM), "The gateway, asked, says so itself."),
        Key::optional("jws", Kind::Map(&JWS), "A signed token (RFC 7515)."),
        Key::optional(
            "http_signature",
            Kind::Map(&HTTP_SIGNATURE),
            "A signature over parts of the HTTP message (RFC 9421).",
        ),
        Key::optional("mtls", Kind::Map(&MTLS), "The certificate of the sender."),
        Key::optional("source", Kind::Map(&SOURCE), "The address of the sender."),
        Key::optional("token", Kind::Map(&TOKEN), "Words that the sender knows."),
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

pub(super) const OVER: Key =
    Key::required("over", Kind::NonEmptyList(&OVER_PART), "What the tag is made of, in order.");
static OVER_PART: Kind = Kind::AnyOf(&[REFERENCE, Kind::Map(&PART)]);
pub(super) const SEPARATOR: Key = Key::optional(
    "separator",
    Kind::TextOrEmpty,
    "What stands between the parts. Default: nothing.",
);
const AMBIGUOUS: Key = Key::optional(
    "ambiguous",
    Kind::Text,
    "Why a boundary that can move between the parts does no harm: where the gateway joins values \
     that anybody may choose. What facts are taken from needs patterns, and names a closed list; \
     where names are not signed, each needs a pattern without what stands between values.",
);

static PART: Shape = Shape {
    name: "part",
    doc: "One part of what a tag is made of: one of `place`, `set`, `template` and `text`.",
    exactly_one: false,
    keys: &[
        Key::optional("text", Kind::Text, "Words of the rule itself."),
        Key::optional("template", Kind::Text, "Words with places in them: `${field.a};`."),
        Key::optional("place", REFERENCE, "One value."),
        Key::optional("set", Kind::Map(&SET), "A set of fields."),
        Key::optional("before", Kind::TextOrEmpty, "Stands before it, where it is."),
        Key::optional("after", Kind::TextOrEmpty, "Stands after it, where it is."),
        Key::optional(
            "missing",
            Kind::Choice(&[
                ("empty", "it counts as an empty value"),
                ("reject", "the callback is refused"),
                ("skip", "it is left out, with what stands before and after it"),
            ]),
            "What becomes of it where the value is missing. Default: reject.",
        ),
        Key::optional(
            "when",
            Kind::AnyOf(&[CONDITION, Kind::NonEmptyList(&CONDITION)]),
            "Only where this holds.",
        ),
    ],
};

static SET: Shape = Shape {
    name: "set",
    doc: "A set of fields, ordered and written one after the other. The tag is never among them.",
    exactly_one: false,
    keys: &[
        Key::required(
            "of",
            Kind::Text,
            "fields (query and form), form, or the name of a payload: what stands at its top. A list or an object there is refused, unless it takes no part.",
        ),
        Key::optional("except", Kind::NonEmptyList(&Kind::Text), "Names that take no part."),
        Key::optional("prefix", Kind::Text, "Only names that begin so, in any letter case."),
        Key::required(
            "order",
            Kind::Choice(&[
                ("any-case", "by name, letters of any case alike"),
                ("bytes", "by name, byte for byte"),
                ("sent", "as they were sent"),
            ]),
            "In which order.",
        ),
        Key::optional(
            "insert",
            Kind::Named(&REFERENCE),
            "Values that are sorted in as if they were fields of these names.",
        ),
        Key::optional("skip_empty", Kind::Bool, "Empty values take no part."),
        Key::optional(
            "flatten",
            Kind::Bool,
            "Names like `a[b]` are sorted as parent, key and position in three digits.",
        ),
        Key::optional(
            "repeats",
            Kind::Bool,
            "A name may come several times: its distinct values, sorted.",
        ),
        Key::optional(
            "pattern",
            Kind::Text,
            "What each name and each value must match, so that the joined text has one reading.",
        ),
        Key::optional(
            "render",
            Kind::Text,
            "How each is written, such as `${name}=${value}`. Default: `${value}`.",
        ),
        Key::optional(
            "separator",
            Kind::TextOrEmpty,
            "What stands between them. Default: nothing.",
        ),
        Key::optional(
            "charset",
            Kind::Text,
            "What they are written in when they are digested. Default: as they came.",
        ),
    ],
};

pub(super) const TAG: Key = Key::required(
    "tag",
    REFERENCE,
    "Where the tag stands: a field, a header, a place of a payload.",
);
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
    keys: &[
        HASH,
        OVER,
        SEPARATOR,
        TAG,
        ENCODING,
        WEAK,
        AMBIGUOUS,
        Key::optional("only", ONLY, ONLY_DOC),
    ],
};

pub(super) static HMAC: Shape = Shape {
    name: "hmac",
    doc: "HMAC (RFC 2104) under each value of a key.",
    exactly_one: false,
    keys: &[
        HASH,
        Key::required("key", REFERENCE, "A parameter of type secret, with steps if it is encoded."),
        OVER,
        SEPARATOR,
        TAG,
        ENCODING,
        WEAK,
        AMBIGUOUS,
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
        Key::required(
            "key",
            Kind::AnyOf(&[REFERENCE, Kind::Map(&CERTIFICATE)]),
            "A parameter of type public_key, or a certificate that is fetched.",
        ),
        OVER,
        SEPARATOR,
        TAG,
        ENCODING,
        WEAK,
        AMBIGUOUS,
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

static CERTIFICATE: Shape = Shape {
    name: "certificate",
    doc: "The key of a certificate that an exchange fetches: it must chain to a trusted root now.",
    exactly_one: false,
    keys: &[
        Key::required("certificate", Kind::Text, "The exchange that fetches it."),
        Key::required("roots", REFERENCE, "A parameter of type certificate: trusted roots."),
        Key::optional("intermediates", REFERENCE, "A parameter of type certificate."),
        Key::optional(
            "common_name",
            Kind::Text,
            "Its only common name, exactly, which is among its DNS names too.",
        ),
        Key::optional(
            "dns_name",
            Kind::Text,
            "One of its DNS names, in any letter case and not as a wildcard. One of the two is given.",
        ),
    ],
};

const WHY_WEAK: Key = Key::required("weak", Kind::Text, "Why so little must do.");

static BASIC: Shape = Shape {
    name: "basic",
    doc: "HTTP Basic credentials (RFC 7617). They say who sends, not what; nothing is signed.",
    exactly_one: false,
    keys: &[
        Key::required("user", REFERENCE, "A parameter, or words."),
        Key::required("password", REFERENCE, "A parameter of type secret."),
        WHY_WEAK,
        Key::optional("only", ONLY, ONLY_DOC),
    ],
};

static TOKEN: Shape = Shape {
    name: "token",
    doc: "Words that the sender knows. They say who sends, not what; nothing is signed.",
    exactly_one: false,
    keys: &[
        Key::required("place", REFERENCE, "Where they stand."),
        Key::required("secret", REFERENCE, "A parameter of type secret."),
        WHY_WEAK,
        Key::optional("only", ONLY, ONLY_DOC),
    ],
};

static SOURCE: Shape = Shape {
    name: "source",
    doc: "The address of the sender. It says who sends, not what; nothing is signed.",
    exactly_one: false,
    keys: &[
        Key::required("networks", REFERENCE, "A parameter of type network."),
        Key::optional(
            "proxies",
            REFERENCE,
            "A parameter of type network: whose X-Forwarded-For is believed. The right-most address \
             outside of them is the sender.",
        ),
        WHY_WEAK,
        Key::optional("only", ONLY, ONLY_DOC),
    ],
};

static CONFIRM: Shape = Shape {
    name: "confirm",
    doc: "The gateway is asked, after everything else has been checked. Its answer is covered, and \
          so is every place that a guard wants equal to it.",
    exactly_one: false,
    keys: &[
        Key::required("by", Kind::Text, "The exchange."),
        Key::optional(
            "when",
            Kind::AnyOf(&[CONDITION, Kind::NonEmptyList(&CONDITION)]),
            "Only where this holds.",
        ),
        Key::optional(
            "vouches",
            Kind::NonEmptyList(&REFERENCE),
            "Places that are sent whole and vouched for by the answer: `body` of a postback.",
        ),
        Key::optional("only", ONLY, ONLY_DOC),
    ],
};
