//! The grammar of a rule file: every key, what it takes and what it means. `check` reports what
//! does not fit it; the JSON Schema and the reference are printed from it.

mod event;
mod example;
mod exchange;
mod mtls;
mod proofs;
mod reply;
mod request;
mod tokens;

use crate::text::shape::{Key, Kind, Shape};

use event::EVENT;
use example::EXAMPLE;
use exchange::EXCHANGE;
use proofs::PROOF;
use reply::{QUESTION, REPLIES};
use request::{EACH, FRESH, GUARD, PAYLOAD, REQUEST};

/// A rule file.
pub(super) static RULE: Shape = Shape {
    name: "rule",
    doc: "What one gateway's callbacks look like: how they are proved, read and answered. Holds no \
          secret, no path and no upstream.",
    exactly_one: false,
    keys: &[
        Key::required(
            "gateway",
            Kind::Text,
            "Name of the rule: lower-case letters, digits and `_`.",
        ),
        Key::required("title", Kind::Text, "The gateway's name for people."),
        Key::required("docs", Kind::Text, "The page that the rule was written from."),
        Key::optional(
            "unconfirmed",
            Kind::NonEmptyList(&Kind::Text),
            "What no published value confirms: to be looked at in one real delivery.",
        ),
        Key::optional("params", Kind::Named(&Kind::Map(&PARAM)), "What an operator configures."),
        Key::required("request", Kind::Map(&REQUEST), "The request as it must be."),
        Key::required(
            "proofs",
            Kind::NonEmptyList(&Kind::Map(&PROOF)),
            "What makes a callback genuine. All must hold.",
        ),
        Key::optional(
            "fresh",
            Kind::NonEmptyList(&Kind::Map(&FRESH)),
            "Signed times that must be near.",
        ),
        Key::optional(
            "payload",
            Kind::OneOrMany(&Kind::Map(&PAYLOAD)),
            "What is packed in the request, each perhaps in one before it.",
        ),
        Key::optional(
            "exchanges",
            Kind::Named(&Kind::OneOrMany(&Kind::Map(&EXCHANGE))),
            "What may be asked of the gateway. Each answer is a place of that name. Of several, as for \
             the hosts of two environments, the first that applies.",
        ),
        Key::optional(
            "questions",
            Kind::NonEmptyList(&Kind::Map(&QUESTION)),
            "Handshakes, prerequests, challenges: answered, and no event.",
        ),
        Key::optional(
            "each",
            Kind::AnyOf(&[REFERENCE, Kind::Map(&EACH)]),
            "The list whose items are one event each; `item` is the place of the one looked at.",
        ),
        Key::optional(
            "guards",
            Kind::NonEmptyList(&Kind::Map(&GUARD)),
            "What must hold, or the callback is not for us.",
        ),
        Key::required("event", Kind::Map(&EVENT), "What the callback says."),
        Key::optional("reply", Kind::Map(&REPLIES), "What the gateway is answered."),
        Key::optional(
            "delivery",
            Kind::Map(&DELIVERY),
            "How its callbacks are best delivered. Left out: `spill`, which suits a gateway that \
             repeats what is not answered well.",
        ),
        Key::required(
            "examples",
            Kind::NonEmptyList(&Kind::Map(&EXAMPLE)),
            "Callbacks and what must become of them. They run whenever the rule is loaded, and each \
             accepted one breeds forgeries that must be refused.",
        ),
    ],
};

static ONLY: Kind = Kind::Named(&Kind::OneOrMany(&Kind::Text));
const ONLY_DOC: &str = "Only where these choice parameters have one of these words.";
const REFERENCE: Kind = Kind::Expr("a reference such as `field.data`");
static PLACE: Kind = Kind::AnyOf(&[REFERENCE, Kind::Map(&WORDS)]);

static WORDS: Shape = Shape {
    name: "words",
    doc: "Words of the rule itself.",
    exactly_one: true,
    keys: &[
        Key::optional("text", Kind::Text, "These words."),
        Key::optional(
            "template",
            Kind::Text,
            "Words with places in them: `OK${field.InvId}`. Absent if one of the places is.",
        ),
    ],
};

static DELIVERY: Shape = Shape {
    name: "delivery",
    doc: "What a route does that does not say how it delivers.",
    exactly_one: false,
    keys: &[
        Key::required(
            "recommended",
            Kind::Choice(&[
                (
                    "direct",
                    "the gateway gets the upstream's verdict, and repeats what it did not take",
                ),
                ("durable", "kept and acknowledged first: for a gateway that sends once"),
                (
                    "spill",
                    "direct while the upstream is well, kept and acknowledged while it is not",
                ),
            ]),
            "How.",
        ),
        Key::required(
            "because",
            Kind::Text,
            "What the gateway does when it is not answered well, and where that is written.",
        ),
    ],
};

static PARAM: Shape = Shape {
    name: "param",
    doc: "A parameter of the rule.",
    exactly_one: false,
    keys: &[
        Key::required(
            "type",
            Kind::Choice(&[
                ("certificate", "PEM certificates"),
                ("choice", "one of the words in `of`"),
                ("network", "an address or a network such as 192.0.2.0/24"),
                ("public_key", "a PEM public key, or a certificate of which only the key counts"),
                ("seconds", "a whole number of seconds"),
                ("secret", "only by reference (env:, file:), never in a configuration"),
                ("text", "words that anybody may read"),
                ("url", "the beginning of a URL: scheme, host, perhaps a path; no `/` at its end"),
            ]),
            "What its values are.",
        ),
        Key::optional("pattern", Kind::Text, "A regular expression that the whole value matches."),
        Key::optional("of", Kind::NonEmptyList(&Kind::Text), "The words of a choice."),
        Key::optional(
            "list",
            Kind::Bool,
            "Several values may be active, as while a secret is changed.",
        ),
        Key::optional("optional", Kind::Bool, "The rule does without it."),
        Key::optional(
            "default",
            Kind::OneOrMany(&Kind::Text),
            "The values where none is configured.",
        ),
        Key::optional("hint", Kind::Text, "Where the operator finds it."),
    ],
};
