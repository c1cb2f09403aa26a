//! Examples.

use crate::text::shape::{Key, Kind, Shape};

pub(super) static EXAMPLE: Shape = Shape {
    name: "example",
    doc: "A callback and what must become of it.",
    exactly_one: false,
    keys: &[
        Key::required("name", Kind::Text, "What it shows."),
        Key::optional(
            "source",
            Kind::Text,
            "Where its values come from, if somebody else published them.",
        ),
        Key::required(
            "params",
            Kind::Named(&Kind::OneOrMany(&Kind::Text)),
            "The parameters; made-up or published secrets only.",
        ),
        Key::optional(
            "at",
            Kind::Integer { min: 0, max: 253_402_300_799 },
            "The time to assume, Unix seconds. Default: any will do.",
        ),
        Key::required("request", Kind::Map(&EXAMPLE_REQUEST), "The request."),
        Key::required("expect", Kind::Map(&EXPECT), "What must become of it."),
    ],
};

pub(super) static EXAMPLE_REQUEST: Shape = Shape {
    name: "example_request",
    doc: "A request. The content type is that of the rule's body unless a header says otherwise.",
    exactly_one: false,
    keys: &[
        Key::optional("method", Kind::Text, "Default: the rule's first method."),
        Key::optional("path", Kind::Text, "Default: `/`."),
        Key::optional(
            "query",
            Kind::Named(&Kind::TextOrEmpty),
            "Fields of the query, not yet encoded.",
        ),
        Key::optional("headers", Kind::Named(&Kind::TextOrEmpty), "Header lines."),
        Key::optional(
            "form",
            Kind::Named(&Kind::TextOrEmpty),
            "Fields of a form body, not yet encoded.",
        ),
        Key::optional("body", Kind::TextOrEmpty, "The body, exactly."),
    ],
};

pub(super) static EXPECT: Shape = Shape {
    name: "expect",
    doc: "What must become of an example.",
    exactly_one: true,
    keys: &[
        Key::optional("accept", Kind::Named(&Kind::Any), "The facts of its event that matter."),
        Key::optional("reject", Kind::OneOrMany(&Kind::Text), "The reason, or any of several."),
    ],
};
