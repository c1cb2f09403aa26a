//! What the gateway is answered, and questions that are answered and say nothing.

use crate::rule::grammar::event::{CONDITION, CONDITION_DOC};
use crate::rule::grammar::proofs::{ENCODING, HASH, OVER, SEPARATOR};
use crate::rule::grammar::request::{GUARD, REQUEST};
use crate::rule::grammar::{ONLY, ONLY_DOC, REFERENCE};
use crate::text::shape::{Key, Kind, Shape};

pub(super) static REPLIES: Shape = Shape {
    name: "reply",
    doc: "What the gateway is answered, per outcome.",
    exactly_one: false,
    keys: &[
        Key::optional("accepted", Kind::Map(&REPLY), "The event is safe: do not send this again."),
        Key::optional(
            "duplicate",
            Kind::Map(&REPLY),
            "All of it is known already: the gateway repeats itself. Default: as `accepted`.",
        ),
        Key::optional(
            "refused",
            Kind::Map(&REPLY),
            "Refused. Default: the status of the reason's class.",
        ),
        Key::optional(
            "try_again",
            Kind::Map(&REPLY),
            "Send it again. Default: 503 with Retry-After.",
        ),
    ],
};

pub(super) static REPLY: Shape = Shape {
    name: "answer_given",
    doc: "One answer.",
    exactly_one: false,
    keys: &[
        Key::optional("status", Kind::Integer { min: 200, max: 599 }, "The HTTP status."),
        Key::optional("content_type", Kind::Text, "The content type."),
        Key::optional("body", Kind::TextOrEmpty, "The body, exactly."),
        Key::optional(
            "template",
            Kind::Text,
            "The body with places in it: `OK${field.InvId}`. What is put in is escaped for the \
             content type; a place that is absent is left out.",
        ),
        Key::optional(
            "sign",
            Kind::Map(&SIGN),
            "A tag over the answer, the place `signature` of its template.",
        ),
        Key::optional(
            "relayed",
            Kind::Bool,
            "true: the gateway gets what the upstream has answered, where that has a body.",
        ),
    ],
};

pub(super) static SIGN: Shape = Shape {
    name: "sign",
    doc: "A tag over an answer.",
    exactly_one: true,
    keys: &[
        Key::optional(
            "digest",
            Kind::Map(&SIGN_DIGEST),
            "A plain digest, the secret among its parts.",
        ),
        Key::optional("hmac", Kind::Map(&SIGN_HMAC), "HMAC under the first value of a key."),
    ],
};

static SIGN_DIGEST: Shape = Shape {
    name: "sign_digest",
    doc: "A plain digest, the secret among its parts.",
    exactly_one: false,
    keys: &[HASH, OVER, SEPARATOR, ENCODING],
};

static SIGN_HMAC: Shape = Shape {
    name: "sign_hmac",
    doc: "HMAC under the first value of a key.",
    exactly_one: false,
    keys: &[
        HASH,
        Key::required("key", REFERENCE, "A parameter of type secret, with steps if it is encoded."),
        OVER,
        SEPARATOR,
        ENCODING,
    ],
};

pub(super) static QUESTION: Shape = Shape {
    name: "question",
    doc: "A request that must be answered and yields no event.",
    exactly_one: false,
    keys: &[
        Key::required("name", Kind::Text, "What it is."),
        Key::optional(
            "request",
            Kind::Map(&REQUEST),
            "The request, where it is no callback at all: told by its method and content type. Nothing \
             of it is proved.",
        ),
        Key::optional(
            "when",
            Kind::AnyOf(&[CONDITION, Kind::NonEmptyList(&CONDITION)]),
            CONDITION_DOC,
        ),
        Key::optional(
            "proved",
            Kind::Bool,
            "true: all proofs must hold first. Default: it is answered before they are looked at.",
        ),
        Key::optional(
            "guards",
            Kind::NonEmptyList(&Kind::Map(&GUARD)),
            "What must hold, or it is refused.",
        ),
        Key::optional(
            "ask",
            Kind::Text,
            "An exchange that must be answered first, such as a confirmation that the gateway waits \
             for. Only where it is `proved`.",
        ),
        Key::required("reply", Kind::Map(&REPLY), "The answer."),
        Key::optional("only", ONLY, ONLY_DOC),
    ],
};
