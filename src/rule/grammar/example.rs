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
        Key::optional(
            "exchanges",
            Kind::NonEmptyList(&Kind::Map(&EXAMPLE_EXCHANGE)),
            "What the gateway would answer. A question that is not among them gets no answer.",
        ),
        Key::required("expect", Kind::Map(&EXPECT), "What must become of it."),
    ],
};

pub(super) static EXAMPLE_REQUEST: Shape = Shape {
    name: "example_request",
    doc: "A request. The content type is that of the rule's body unless a header says otherwise.",
    exactly_one: false,
    keys: &[
        Key::optional("method", Kind::Text, "Default: the rule's first method."),
        Key::optional("from", Kind::Text, "The address of the peer."),
        Key::optional(
            "client_certificate",
            Kind::Text,
            "The certificate that the sender shows when it connects, in PEM, perhaps with those \
             between it and its root. `at` must lie within its validity.",
        ),
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

pub(super) static EXAMPLE_EXCHANGE: Shape = Shape {
    name: "example_exchange",
    doc: "A question to the gateway, and its answer.",
    exactly_one: false,
    keys: &[
        Key::optional("method", Kind::Text, "Default: GET, or POST where there is a form or body."),
        Key::required("url", Kind::Text, "The whole address."),
        Key::optional(
            "headers",
            Kind::Named(&Kind::Text),
            "Header lines that must be among those sent.",
        ),
        Key::optional("form", Kind::Named(&Kind::TextOrEmpty), "The fields that are sent."),
        Key::optional("body", Kind::TextOrEmpty, "The body that is sent."),
        Key::optional(
            "status",
            Kind::Integer { min: 200, max: 599 },
            "Of the answer. Default: 200.",
        ),
        Key::optional("answer", Kind::TextOrEmpty, "The body of the answer."),
        Key::optional("fails", Kind::Bool, "true: no answer comes."),
    ],
};

pub(super) static EXPECT: Shape = Shape {
    name: "expect",
    doc: "What must become of an example: `accept`, `reject`, or, for a question, only `reply`.",
    exactly_one: false,
    keys: &[
        Key::optional(
            "accept",
            Kind::OneOrMany(&Kind::Named(&Kind::Any)),
            "The facts of its event that matter, of money its `amount`; of a batch, a list of them.",
        ),
        Key::optional("reject", Kind::OneOrMany(&Kind::Text), "The reason, or any of several."),
        Key::optional("reply", Kind::TextOrEmpty, "The body that it is answered with."),
    ],
};
