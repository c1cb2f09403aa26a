//! The request, and what is packed in it.

use crate::rule::grammar::event::{AMOUNT, CONDITION, CONDITION_DOC};
use crate::rule::grammar::{ONLY, ONLY_DOC, PLACE, REFERENCE};
use crate::text::shape::{Key, Kind, Shape};

pub(super) static REQUEST: Shape = Shape {
    name: "request",
    doc: "The request as it must be. What is not declared here cannot be referred to.",
    exactly_one: false,
    keys: &[
        Key::required(
            "method",
            Kind::OneOrMany(&Kind::Choice(&[
                ("GET", "reading"),
                ("POST", "sending"),
                ("PUT", "sending"),
            ])),
            "The accepted methods.",
        ),
        Key::required(
            "body",
            Kind::Choice(&[
                ("form", "application/x-www-form-urlencoded"),
                ("form-or-json", "either type; the body is a payload, its fields are not fields"),
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
        Key::optional(
            "closed",
            Kind::Map(&CLOSED),
            "No fields but the declared ones and these. Needed where a proof signs values and not \
             their names.",
        ),
        Key::optional(
            "charset",
            Kind::AnyOf(&[Kind::Text, Kind::Map(&CHARSET)]),
            "What names and values of fields are written in: a charset, or `param.NAME` of a \
             choice between some. Default: bytes are taken as they are.",
        ),
        Key::optional("headers", Kind::Named(&Kind::Map(&HEADER)), "Headers, each at most once."),
    ],
};

pub(super) static CLOSED: Shape = Shape {
    name: "closed",
    doc: "Names that may occur although they are not declared one by one.",
    exactly_one: false,
    keys: &[
        Key::optional("names", Kind::NonEmptyList(&Kind::Text), "These."),
        Key::optional("prefixes", Kind::NonEmptyList(&Kind::Text), "All that begin so."),
        Key::optional("param", REFERENCE, "Those that this parameter lists."),
    ],
};

static CHARSET: Shape = Shape {
    name: "charset",
    doc: "A charset that the message names.",
    exactly_one: false,
    keys: &[
        Key::required("field", Kind::Text, "The declared field that names it."),
        Key::required("otherwise", Kind::Text, "Where the field is missing."),
    ],
};

const ELSE: Key = Key::optional(
    "else",
    Kind::Choice(REASONS),
    "What it is if it does not look so. Default: field_malformed.",
);

/// The reasons that a rule may give.
const REASONS: &[(&str, &str)] = &[
    ("account_mismatch", "for another merchant, shop or project"),
    ("algorithm_not_allowed", "the message names another algorithm"),
    ("certificate_rejected", "a certificate or its address is not acceptable"),
    ("confirmation_mismatch", "the gateway's own answer says something else"),
    ("confirmation_refused", "the gateway, asked, says no"),
    ("confirmation_unavailable", "no usable answer now; it is asked to send again"),
    ("field_malformed", "a field does not look as it must"),
    ("field_missing", "a needed field is absent"),
    ("payload_malformed", "cannot be read"),
    ("state_rejected", "a state that is not let pass"),
];

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
        PATTERN,
        ELSE,
        Key::optional("pairs", Kind::Map(&PAIRS), "How a value of pairs is taken apart."),
        Key::optional("only", ONLY, ONLY_DOC),
    ],
};

const PATTERN: Key =
    Key::optional("pattern", Kind::Text, "A regular expression that the whole value matches.");

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
        PATTERN,
        ELSE,
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
        Key::optional("separator", Kind::TextOrEmpty, "The byte between pairs. Default: a comma."),
        Key::optional("equals", Kind::Text, "The byte between key and value. Default: `=`."),
        Key::optional("trim", Kind::Bool, "Blanks around a pair do not count."),
        Key::required(
            "keys",
            Kind::Named(&Kind::Map(&PAIR_KEY)),
            "The keys that count; `*` is every other.",
        ),
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
    Kind::Choice(&[
        ("local", "date and time of day as `format` says"),
        ("ms", "Unix milliseconds"),
        ("rfc3339", "2026-11-23T10:00:00Z"),
        ("s", "Unix seconds"),
        ("s-or-ms", "Unix seconds, or milliseconds where the number is above 10^11"),
    ]),
    "How it is written.",
);
pub(super) const FORMAT_OF_TIME: Key =
    Key::optional("format", Kind::Text, "Of a local time, as for strptime: `%d.%m.%Y %H:%M:%S`.");
pub(super) const OFFSET_OF_TIME: Key = Key::optional(
    "offset",
    Kind::Text,
    "Of a local time: hours and minutes ahead of UTC, such as `+03:00`. Default: `+00:00`.",
);

pub(super) static FRESH: Shape = Shape {
    name: "fresh",
    doc: "A signed time that must be near.",
    exactly_one: false,
    keys: &[
        Key::required("time", REFERENCE, "Where it stands."),
        UNIT_OF_TIME,
        FORMAT_OF_TIME,
        OFFSET_OF_TIME,
        Key::optional("max_age", REFERENCE, "A parameter: seconds it may be away, both ways."),
        Key::optional(
            "must_be",
            Kind::Choice(&[
                ("ahead", "it must not have come yet: the end of a token"),
                ("behind", "it must have come, give or take a minute: its beginning"),
            ]),
            "Instead of `max_age`.",
        ),
        Key::optional("only", ONLY, ONLY_DOC),
    ],
};

pub(super) static PAYLOAD: Shape = Shape {
    name: "payload",
    doc: "What is packed in the request.",
    exactly_one: false,
    keys: &[
        Key::optional("name", Kind::Text, "What references call it. Default: `payload`."),
        Key::required("from", REFERENCE, "Where, and how it is unpacked: `field.data | base64`."),
        Key::optional("optional", Kind::Bool, "It may be missing; then so are its places."),
        Key::required(
            "as",
            Kind::Choice(&[
                ("form", "names and values as in a query, each name once"),
                ("json", "one JSON object, no key twice at any depth"),
                ("json-list", "one JSON list"),
                ("json-or-form", "JSON where it begins with `{`, else names and values"),
                ("xml", "XML without a document type"),
                ("xml-any-case", "the same, names folded to lower case"),
            ]),
            "As what it is read.",
        ),
        Key::optional(
            "closed",
            Kind::Map(&CLOSED),
            "No names at its top but these. Needed where a proof signs values and not their names.",
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
    keys: &[Key::optional("optional", Kind::Bool, "It may be missing."), PATTERN, ELSE],
};

pub(super) static EACH: Shape = Shape {
    name: "each",
    doc: "A list whose items are one event each, and what these must look like.",
    exactly_one: false,
    keys: &[
        Key::required("of", REFERENCE, "The list."),
        Key::optional(
            "fields",
            Kind::Named(&Kind::Map(&PAYLOAD_FIELD)),
            "Places (`item.amount`) that must look a certain way.",
        ),
    ],
};

pub(super) static GUARD: Shape = Shape {
    name: "guard",
    doc: "Something that must hold: one of `equal`, `among`, `holds` and `amounts`.",
    exactly_one: false,
    keys: &[
        Key::optional(
            "equal",
            Kind::NonEmptyList(&PLACE),
            "Two places that hold the same bytes. Absent equals absent only.",
        ),
        Key::optional(
            "among",
            Kind::Named(&REFERENCE),
            "Places, and the parameter that lists what each may hold. One of them at least must. \
             Parameters that are not configured do not count; if none is, nothing is checked.",
        ),
        Key::optional(
            "holds",
            Kind::AnyOf(&[CONDITION, Kind::NonEmptyList(&CONDITION)]),
            CONDITION_DOC,
        ),
        Key::optional(
            "amounts",
            Kind::NonEmptyList(&Kind::Map(&AMOUNT)),
            "Two amounts that are the same money, whatever they are written in.",
        ),
        Key::optional(
            "when",
            Kind::AnyOf(&[CONDITION, Kind::NonEmptyList(&CONDITION)]),
            "Only where this holds.",
        ),
        Key::required("else", Kind::Choice(REASONS), "What it is if it does not hold."),
        Key::optional("only", ONLY, ONLY_DOC),
    ],
};
