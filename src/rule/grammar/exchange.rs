//! What may be asked of the gateway.

use std::time::Duration;

use crate::rule::grammar::request::PAYLOAD_FIELD;
use crate::rule::grammar::{ONLY, ONLY_DOC, PLACE, REFERENCE};
use crate::text::shape::{Key, Kind, Shape};

pub(super) static EXCHANGE: Shape = Shape {
    name: "exchange",
    doc: "A question that the gateway is asked over TLS while a callback waits, and what is taken \
          for an answer. What comes from the message and is put into it needs a pattern.",
    exactly_one: false,
    keys: &[
        Key::required(
            "method",
            Kind::Choice(&[("GET", "reading"), ("POST", "sending")]),
            "The method.",
        ),
        Key::required(
            "url",
            PLACE,
            "The address. It begins with words of the rule or a parameter of type url, or else \
             `hosts` says where it may lead. What is put in is percent-encoded.",
        ),
        Key::optional(
            "hosts",
            Kind::NonEmptyList(&Kind::Text),
            "The only hosts that it may name: needed where the message gives the whole address.",
        ),
        Key::optional(
            "headers",
            Kind::Named(&PLACE),
            "Header lines; `authorization` for schemes that are neither `basic` nor `bearer`.",
        ),
        Key::optional("basic", Kind::Map(&BASIC_AUTH), "Credentials (RFC 7617)."),
        Key::optional("bearer", REFERENCE, "A token (RFC 6750): a parameter, or an answer."),
        Key::optional("form", Kind::Named(&PLACE), "The body, as fields of a form in this order."),
        Key::optional("body", Kind::Map(&RAW), "The body, as bytes."),
        Key::optional(
            "cache",
            Kind::Duration { min: Duration::from_secs(1), max: Duration::from_secs(86_400) },
            "How long an answer may be given again to an equal question. Default: not at all.",
        ),
        Key::optional(
            "refused",
            Kind::NonEmptyList(&Kind::Integer { min: 400, max: 499 }),
            "Statuses by which the gateway says no. All others but 200 are no answer.",
        ),
        Key::required("answer", Kind::Map(&ANSWER), "What is taken for an answer."),
        Key::optional("only", ONLY, ONLY_DOC),
    ],
};

static BASIC_AUTH: Shape = Shape {
    name: "basic_auth",
    doc: "Credentials.",
    exactly_one: false,
    keys: &[
        Key::required("user", REFERENCE, "The user: a parameter."),
        Key::optional("password", REFERENCE, "The password: a parameter. Default: empty."),
    ],
};

static RAW: Shape = Shape {
    name: "raw_body",
    doc: "A body as bytes.",
    exactly_one: false,
    keys: &[
        Key::required("type", Kind::Text, "Its content type."),
        Key::required("of", PLACE, "The bytes. Inserts of a template are escaped for the type."),
    ],
};

static ANSWER: Shape = Shape {
    name: "answer",
    doc: "What is taken for an answer. Anything else is none, and the gateway is asked to send the \
          callback again.",
    exactly_one: false,
    keys: &[
        Key::required(
            "as",
            Kind::Choice(&[
                ("form", "names and values as in a query"),
                ("json", "one JSON object"),
                ("keys", "PEM certificates or a key set; whoever needs it reads it"),
                ("words", "the words of `yes` or those of `no`, exactly"),
                ("xml", "XML without a document type"),
                ("xml-any-case", "the same, names folded to lower case"),
            ]),
            "As what it is read.",
        ),
        Key::optional("yes", Kind::Text, "By this the gateway says yes."),
        Key::optional("no", Kind::Text, "By this it says no."),
        Key::optional(
            "fields",
            Kind::Named(&Kind::Map(&PAYLOAD_FIELD)),
            "Places of the answer that must look a certain way, or it is no answer.",
        ),
    ],
};
