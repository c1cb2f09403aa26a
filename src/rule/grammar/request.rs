//! The request, and what is packed in it.

use crate::rule::grammar::{ONLY, ONLY_DOC, PLACE, REFERENCE};
use crate::text::shape::{Key, Kind, Shape};

pub(super) static REQUEST: Shape = Shape {
    name: "request",
    doc: "The request as it must be. What is not declared here cannot be referred to.",
    exactly_one: false,
    keys: &[
        Key::required(
            "method",
            Kind::OneOrMany(&Kind::Choice(&[("GET", "reading"), ("POST", "sending")])),
            "The accepted methods.",
        ),
        Key::required(
            "body",
            Kind::Choice(&[
                ("form", "application/x-www-form-urlencoded"),
                ("json", "application/json"),
                ("any", "any bytes under any content type"),
            ]),
            "What the body is. The content type must agree; it never chooses the parser.",
        ),
        Key::optional(
            "fields",
            Kind::Named(&Kind::Map(&FIELD)),
            "Fields of query and form. Each may come once over both, and only where it belongs.",
        ),
        Key::optional(
            "absent",
            Kind::Named(&Kind::Map(&ABSENT)),
            "Names that must occur neither in query nor in form.",
        ),
        Key::optional("headers", Kind::Named(&Kind::Map(&HEADER)), "Headers, each at most once."),
    ],
};

pub(super) static FIELD: Shape = Shape {
    name: "field",
    doc: "A field of query or form.",
    exactly_one: false,
    keys: &[
        Key::optional(
            "in",
            Kind::Text,
            "body, query, either, or `param.NAME` of a choice between these words. Default: body.",
        ),
        Key::optional("optional", Kind::Bool, "It may be missing."),
        Key::optional("pattern", Kind::Text, "A regular expression that the whole value matches."),
        Key::optional("only", ONLY, ONLY_DOC),
    ],
};

pub(super) static ABSENT: Shape = Shape {
    name: "absent",
    doc: "A name that must not occur.",
    exactly_one: false,
    keys: &[Key::optional("only", ONLY, ONLY_DOC)],
};

pub(super) static HEADER: Shape = Shape {
    name: "header",
    doc: "A header.",
    exactly_one: false,
    keys: &[
        Key::optional("optional", Kind::Bool, "It may be missing."),
        Key::optional("pattern", Kind::Text, "A regular expression that the whole value matches."),
        Key::optional(
            "pairs",
            Kind::Map(&PAIRS),
            "How a value of `key=value` pairs is taken apart.",
        ),
        Key::optional("only", ONLY, ONLY_DOC),
    ],
};

pub(super) static PAIRS: Shape = Shape {
    name: "pairs",
    doc: "A value of `key=value` pairs. Keys that are not listed are ignored.",
    exactly_one: false,
    keys: &[
        Key::optional("separator", Kind::Text, "The byte between pairs. Default: a comma."),
        Key::optional("equals", Kind::Text, "The byte between key and value. Default: `=`."),
        Key::required("keys", Kind::Named(&Kind::Map(&PAIR_KEY)), "The keys that count."),
    ],
};

pub(super) static PAIR_KEY: Shape = Shape {
    name: "pair_key",
    doc: "A key of a header of pairs.",
    exactly_one: false,
    keys: &[
        Key::optional("many", Kind::Bool, "It may come several times (16 at most)."),
        Key::optional("pattern", Kind::Text, "A regular expression that the whole value matches."),
    ],
};

pub(super) const UNIT_OF_TIME: Key = Key::required(
    "unit",
    Kind::Choice(&[("s", "Unix seconds"), ("ms", "Unix milliseconds")]),
    "What it counts.",
);

pub(super) static FRESH: Shape = Shape {
    name: "fresh",
    doc: "A signed time that must be near.",
    exactly_one: false,
    keys: &[
        Key::required("time", REFERENCE, "Where it stands."),
        UNIT_OF_TIME,
        Key::required("max_age", REFERENCE, "A parameter: seconds it may be away, both ways."),
        Key::optional("only", ONLY, ONLY_DOC),
    ],
};

pub(super) static PAYLOAD: Shape = Shape {
    name: "payload",
    doc: "What is packed in the request.",
    exactly_one: false,
    keys: &[
        Key::required("from", REFERENCE, "Where, and how it is unpacked: `field.data | base64`."),
        Key::required(
            "as",
            Kind::Choice(&[
                ("form", "names and values as in a query, each name once"),
                ("json", "one JSON object, no key twice at any depth"),
            ]),
            "As what it is read.",
        ),
        Key::optional(
            "fields",
            Kind::Named(&Kind::Map(&PAYLOAD_FIELD)),
            "Places (`payload.amount`) that must look a certain way.",
        ),
        Key::optional("only", ONLY, ONLY_DOC),
    ],
};

pub(super) static PAYLOAD_FIELD: Shape = Shape {
    name: "payload_field",
    doc: "What a place of the payload must look like.",
    exactly_one: false,
    keys: &[
        Key::optional("optional", Kind::Bool, "It may be missing."),
        Key::optional("pattern", Kind::Text, "A regular expression that the whole value matches."),
    ],
};

pub(super) static GUARD: Shape = Shape {
    name: "guard",
    doc: "Two places that must hold the same bytes. Absent equals absent only.",
    exactly_one: false,
    keys: &[
        Key::required("equal", Kind::NonEmptyList(&PLACE), "The two places."),
        Key::required(
            "else",
            Kind::Choice(&[
                ("account_mismatch", "for another merchant, shop or project"),
                ("algorithm_not_allowed", "the message names another algorithm"),
                ("state_rejected", "a state that is not let pass"),
            ]),
            "What it is if they differ.",
        ),
        Key::optional("only", ONLY, ONLY_DOC),
    ],
};
