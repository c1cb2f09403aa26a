//! What a callback says, and what it is answered.

use crate::rule::grammar::request::{FORMAT_OF_TIME, OFFSET_OF_TIME, UNIT_OF_TIME};
use crate::rule::grammar::{PLACE, REFERENCE};
use crate::text::shape::{Key, Kind, Shape};

pub(super) const FACT: Kind = Kind::OneOrMany(&PLACE);
pub(super) const AMOUNT_FACT: Kind = Kind::Map(&AMOUNT);
pub(super) const DECIMALS: Kind = Kind::Named(&Kind::Integer { min: 0, max: 8 });

macro_rules! facts {
    ($($more:expr),* $(,)?) => {
        &[
            $($more,)*
            Key::optional("account", FACT, "Merchant, shop or project."),
            Key::optional("event_id", FACT, "The gateway's id of this notification."),
            Key::optional("raw_type", FACT, "The gateway's own word for the event or status."),
            Key::optional("order_id", FACT, "The merchant's reference. Of several places the first that is there."),
            Key::optional("transaction_id", FACT, "The gateway's id of the payment."),
            Key::optional("amount", AMOUNT_FACT, "Of the payment."),
            Key::optional("refunded_amount", AMOUNT_FACT, "How much has gone back."),
            Key::optional(
                "refunded_of",
                AMOUNT_FACT,
                "What the refunded amount is compared with. Default: the amount.",
            ),
            Key::optional("settlement_amount", AMOUNT_FACT, "What the merchant receives."),
            Key::optional("fee", AMOUNT_FACT, "What the gateway keeps."),
            Key::optional("occurred_at", Kind::Map(&TIME), "When it happened."),
        ]
    };
}

pub(super) static EVENT: Shape = Shape {
    name: "event",
    doc: "What the callback says.",
    exactly_one: false,
    keys: facts![
        Key::optional("status", Kind::Map(&STATUS), "The status, where one value decides it."),
        Key::optional(
            "cases",
            Kind::NonEmptyList(&Kind::Map(&CASE)),
            "The status and its facts, where more decides. The first that holds counts; where none \
             does, the status is unknown and no amount is said.",
        ),
        Key::optional(
            "decimals",
            DECIMALS,
            "Decimals by currency where they are not ISO 4217's; `otherwise` for all others."
        ),
        Key::optional(
            "test",
            Kind::Map(&TEST),
            "What is test money. Gives the rule the parameter `environment`."
        ),
        Key::required("dedupe", FACT, DEDUPE_DOC),
        Key::optional(
            "unsigned",
            Kind::Named(&Kind::Text),
            "Facts that no proof covers, each with the reason why it is said all the same.",
        ),
    ],
};

const DEDUPE_DOC: &str = "What tells one notification from another, beside gateway and account: all \
    of them together. Gives the event its id.";

pub(super) static CASE: Shape = Shape {
    name: "case",
    doc: "One way that the status and its facts can turn out. Facts that are not given here are \
          those of the event.",
    exactly_one: false,
    keys: facts![
        Key::required(
            "when",
            Kind::AnyOf(&[CONDITION, Kind::NonEmptyList(&CONDITION)]),
            CONDITION_DOC
        ),
        Key::required("status", STATUS_WORD, "What it means."),
        Key::optional(
            "credit",
            Kind::Bool,
            "false: succeeded is no new money here, as of a dispute won back."
        ),
        Key::optional("dedupe", FACT, DEDUPE_DOC),
    ],
};

pub(super) const CONDITION: Kind =
    Kind::Named(&Kind::AnyOf(&[Kind::Bool, Kind::OneOrMany(&Kind::Text), Kind::Map(&PREDICATE)]));
pub(super) const CONDITION_DOC: &str = "Places and what they must hold: a text, one of several texts, true, \
    false, `{ prefix: … }` or `{ present: true }`. All of a map; one at least of a list of maps.";

pub(super) static PREDICATE: Shape = Shape {
    name: "predicate",
    doc: "Something about one value.",
    exactly_one: true,
    keys: &[
        Key::optional("prefix", Kind::Text, "Its text begins so."),
        Key::optional("suffix", Kind::Text, "Its text ends so."),
        Key::optional("pattern", Kind::Text, "A regular expression that its whole text matches."),
        Key::optional(
            "present",
            Kind::Bool,
            "It is there (not absent, null or empty), or it is not.",
        ),
    ],
};

pub(super) const STATUS_WORD: Kind = Kind::Choice(&[
    ("authorized", "reserved, not yet taken"),
    ("cancelled", "given up before any money moved"),
    ("charged_back", "taken back in a dispute"),
    ("failed", "will not happen"),
    ("on_hold", "held by the gateway"),
    ("partially_refunded", "a part was given back"),
    ("pending", "under way"),
    ("refunded", "given back"),
    (
        "refunded_by_amount",
        "partially_refunded where less than the amount has gone back, else refunded",
    ),
    ("succeeded", "paid"),
    ("succeeded_by_amount", "succeeded while nothing has gone back, else as refunded_by_amount"),
    ("unknown", "not to be acted on"),
]);

pub(super) static STATUS: Shape = Shape {
    name: "status",
    doc: "The status, where one value decides it. A word that is not in the map is unknown.",
    exactly_one: false,
    keys: &[
        Key::required("from", REFERENCE, "The value."),
        Key::required("map", Kind::Named(&STATUS_WORD), "Its words."),
    ],
};

pub(in crate::rule::grammar) static AMOUNT: Shape = Shape {
    name: "amount",
    doc: "An amount of money. Exact: what does not fit the currency is refused, never rounded.",
    exactly_one: false,
    keys: &[
        Key::required("value", REFERENCE, "Decimal text or an integer."),
        Key::required(
            "currency",
            FACT,
            "A code: ISO 4217 letters or number. Of several places the first that is there.",
        ),
        Key::required(
            "unit",
            Kind::Choice(&[
                ("major", "12.34"),
                ("milli", "12340, in thousandths, whatever the currency's smallest unit is"),
                ("minor", "1234, in the currency's smallest unit"),
            ]),
            "What the value counts.",
        ),
        Key::optional("decimals", DECIMALS, "As `event.decimals`, for this amount."),
        Key::optional(
            "notation",
            Kind::Choice(&[
                ("plain", "digits, perhaps a point and digits"),
                ("javascript", "as JavaScript prints numbers: 1e-7 too"),
            ]),
            "How the value is written. Default: plain.",
        ),
        Key::optional(
            "sign",
            Kind::Choice(&[("dropped", "a minus sign before it does not count")]),
            "For gateways that write refunds as negative amounts. Never for a credit.",
        ),
        Key::optional(
            "may_be_missing",
            Kind::Text,
            "Why a credit may do without it, or without its currency: the shop must then compare with \
             the order.",
        ),
        Key::optional(
            "codes",
            Kind::Choice(&[
                ("any", "others too: they stay as they are, and so does their amount"),
                ("iso", "ISO 4217 only"),
            ]),
            "Which currency codes are taken. Default: iso.",
        ),
    ],
};

pub(super) static TIME: Shape = Shape {
    name: "time",
    doc: "A time.",
    exactly_one: false,
    keys: &[
        Key::required("value", REFERENCE, "Where it stands."),
        UNIT_OF_TIME,
        FORMAT_OF_TIME,
        OFFSET_OF_TIME,
    ],
};

pub(super) static TEST: Shape = Shape {
    name: "test",
    doc: "What is test money. A live route refuses it; a test route accepts it, marked.",
    exactly_one: true,
    keys: &[
        Key::optional(
            "when",
            Kind::AnyOf(&[CONDITION, Kind::NonEmptyList(&CONDITION)]),
            "It is if this holds.",
        ),
        Key::optional(
            "unless",
            Kind::AnyOf(&[CONDITION, Kind::NonEmptyList(&CONDITION)]),
            "It is unless this holds.",
        ),
        Key::optional(
            "route",
            Kind::Bool,
            "true: nothing in the message tells. On a test route everything is, because the two \
             environments have keys or hosts of their own.",
        ),
    ],
};
