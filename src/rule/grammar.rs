//! The grammar of a rule file: every key, what it takes and what it means. `check` reports what
//! does not fit it; the JSON Schema and the reference are printed from it.

use crate::text::shape::{Key, Kind, Shape};

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
            "What is packed in the request. Several: one for each variant.",
        ),
        Key::optional(
            "guards",
            Kind::NonEmptyList(&Kind::Map(&GUARD)),
            "What must be equal, or the callback is not for us.",
        ),
        Key::required("event", Kind::Map(&EVENT), "What the callback says."),
        Key::optional("reply", Kind::Map(&REPLIES), "What the gateway is answered."),
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
    exactly_one: false,
    keys: &[Key::required("text", Kind::Text, "The words.")],
};

static PARAM: Shape = Shape {
    name: "param",
    doc: "A parameter of the rule.",
    exactly_one: false,
    keys: &[
        Key::required(
            "type",
            Kind::Choice(&[
                ("choice", "one of the words in `of`"),
                ("public_key", "a PEM public key, or a certificate of which only the key counts"),
                ("seconds", "a whole number of seconds"),
                ("secret", "only by reference (env:, file:), never in a configuration"),
                ("text", "words that anybody may read"),
            ]),
            "What its values are.",
        ),
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

static REQUEST: Shape = Shape {
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

static FIELD: Shape = Shape {
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

static ABSENT: Shape = Shape {
    name: "absent",
    doc: "A name that must not occur.",
    exactly_one: false,
    keys: &[Key::optional("only", ONLY, ONLY_DOC)],
};

static HEADER: Shape = Shape {
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

static PAIRS: Shape = Shape {
    name: "pairs",
    doc: "A value of `key=value` pairs. Keys that are not listed are ignored.",
    exactly_one: false,
    keys: &[
        Key::optional("separator", Kind::Text, "The byte between pairs. Default: a comma."),
        Key::optional("equals", Kind::Text, "The byte between key and value. Default: `=`."),
        Key::required("keys", Kind::Named(&Kind::Map(&PAIR_KEY)), "The keys that count."),
    ],
};

static PAIR_KEY: Shape = Shape {
    name: "pair_key",
    doc: "A key of a header of pairs.",
    exactly_one: false,
    keys: &[
        Key::optional("many", Kind::Bool, "It may come several times (16 at most)."),
        Key::optional("pattern", Kind::Text, "A regular expression that the whole value matches."),
    ],
};

static PROOF: Shape = Shape {
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
        Key::optional(
            "first_present",
            Kind::Map(&FIRST_PRESENT),
            "The first of several whose tag is present decides, alone.",
        ),
    ],
};

static TAG_PROOF: Shape = Shape {
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

const OVER: Key = Key::required(
    "over",
    Kind::NonEmptyList(&PLACE),
    "What the tag is made of, in order, joined without anything between.",
);
const TAG: Key = Key::required("tag", REFERENCE, "Where the tag stands: a field or a header.");
const WEAK: Key = Key::optional(
    "weak",
    Kind::Text,
    "Why an algorithm that is no longer trusted is let pass. Required for such an algorithm.",
);
const ENCODING: Key = Key::required(
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
const HASH: Key = Key::required(
    "algorithm",
    Kind::Text,
    "md5, sha1, sha256, sha384, sha512, sha3-256, or `param.NAME` of a choice between these.",
);

static DIGEST: Shape = Shape {
    name: "digest",
    doc: "A plain digest over parts, the secret among them.",
    exactly_one: false,
    keys: &[HASH, OVER, TAG, ENCODING, WEAK, Key::optional("only", ONLY, ONLY_DOC)],
};

static HMAC: Shape = Shape {
    name: "hmac",
    doc: "HMAC (RFC 2104) under each value of a key.",
    exactly_one: false,
    keys: &[
        HASH,
        Key::required("key", REFERENCE, "A parameter of type secret, with steps if it is encoded."),
        OVER,
        TAG,
        ENCODING,
        WEAK,
        Key::optional("only", ONLY, ONLY_DOC),
    ],
};

static SIGNATURE: Shape = Shape {
    name: "signature",
    doc: "A public-key signature.",
    exactly_one: false,
    keys: &[
        Key::required(
            "algorithm",
            Kind::Choice(&[
                ("rsa-sha1", "RSASSA-PKCS1-v1_5 with SHA-1"),
                ("rsa-sha256", "RSASSA-PKCS1-v1_5 with SHA-256"),
                ("rsa-sha512", "RSASSA-PKCS1-v1_5 with SHA-512"),
            ]),
            "The one algorithm.",
        ),
        Key::required("key", REFERENCE, "A parameter of type public_key."),
        OVER,
        TAG,
        ENCODING,
        WEAK,
        Key::optional("only", ONLY, ONLY_DOC),
    ],
};

static DECRYPT: Shape = Shape {
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

static FIRST_PRESENT: Shape = Shape {
    name: "first_present",
    doc: "The first of several proofs whose tag is present decides, alone.",
    exactly_one: false,
    keys: &[
        Key::required("of", Kind::NonEmptyList(&Kind::Map(&TAG_PROOF)), "In order of preference."),
        Key::optional("only", ONLY, ONLY_DOC),
    ],
};

const UNIT_OF_TIME: Key = Key::required(
    "unit",
    Kind::Choice(&[("s", "Unix seconds"), ("ms", "Unix milliseconds")]),
    "What it counts.",
);

static FRESH: Shape = Shape {
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

static PAYLOAD: Shape = Shape {
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

static PAYLOAD_FIELD: Shape = Shape {
    name: "payload_field",
    doc: "What a place of the payload must look like.",
    exactly_one: false,
    keys: &[
        Key::optional("optional", Kind::Bool, "It may be missing."),
        Key::optional("pattern", Kind::Text, "A regular expression that the whole value matches."),
    ],
};

static GUARD: Shape = Shape {
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

const FACT: Kind = Kind::OneOrMany(&PLACE);
const AMOUNT_FACT: Kind = Kind::Map(&AMOUNT);
const DECIMALS: Kind = Kind::Named(&Kind::Integer { min: 0, max: 8 });

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
            Key::optional("settlement_amount", AMOUNT_FACT, "What the merchant receives."),
            Key::optional("fee", AMOUNT_FACT, "What the gateway keeps."),
            Key::optional("occurred_at", Kind::Map(&TIME), "When it happened."),
        ]
    };
}

static EVENT: Shape = Shape {
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
        Key::required(
            "dedupe",
            FACT,
            "What tells one notification from another, beside gateway and account. Gives the event its id.",
        ),
        Key::optional(
            "unsigned",
            Kind::Named(&Kind::Text),
            "Facts that no proof covers, each with the reason why it is said all the same.",
        ),
    ],
};

static CASE: Shape = Shape {
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
    ],
};

const CONDITION: Kind =
    Kind::Named(&Kind::AnyOf(&[Kind::Bool, Kind::OneOrMany(&Kind::Text), Kind::Map(&PREDICATE)]));
const CONDITION_DOC: &str = "Places and what they must hold: a text, one of several texts, true, \
    false, `{ prefix: … }` or `{ present: true }`. All of a map; one at least of a list of maps.";

static PREDICATE: Shape = Shape {
    name: "predicate",
    doc: "Something about one value.",
    exactly_one: true,
    keys: &[
        Key::optional("prefix", Kind::Text, "Its text begins so."),
        Key::optional(
            "present",
            Kind::Bool,
            "It is there (not absent, null or empty), or it is not.",
        ),
    ],
};

const STATUS_WORD: Kind = Kind::Choice(&[
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
    ("unknown", "not to be acted on"),
]);

static STATUS: Shape = Shape {
    name: "status",
    doc: "The status, where one value decides it. A word that is not in the map is unknown.",
    exactly_one: false,
    keys: &[
        Key::required("from", REFERENCE, "The value."),
        Key::required("map", Kind::Named(&STATUS_WORD), "Its words."),
    ],
};

static AMOUNT: Shape = Shape {
    name: "amount",
    doc: "An amount of money. Exact: what does not fit the currency is refused, never rounded.",
    exactly_one: false,
    keys: &[
        Key::required("value", REFERENCE, "Decimal text or an integer."),
        Key::required("currency", PLACE, "A code: ISO 4217 letters or number."),
        Key::required(
            "unit",
            Kind::Choice(&[("major", "12.34"), ("minor", "1234, in the currency's smallest unit")]),
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
            "codes",
            Kind::Choice(&[
                ("any", "others too: they stay as they are, and so does their amount"),
                ("iso", "ISO 4217 only"),
            ]),
            "Which currency codes are taken. Default: iso.",
        ),
    ],
};

static TIME: Shape = Shape {
    name: "time",
    doc: "A time.",
    exactly_one: false,
    keys: &[Key::required("value", REFERENCE, "A whole number."), UNIT_OF_TIME],
};

static TEST: Shape = Shape {
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
    ],
};

static REPLIES: Shape = Shape {
    name: "reply",
    doc: "What the gateway is answered, per outcome.",
    exactly_one: false,
    keys: &[
        Key::optional("accepted", Kind::Map(&REPLY), "The event is safe: do not send this again."),
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

static REPLY: Shape = Shape {
    name: "answer",
    doc: "One answer.",
    exactly_one: false,
    keys: &[
        Key::optional("status", Kind::Integer { min: 200, max: 599 }, "The HTTP status."),
        Key::optional("content_type", Kind::Text, "The content type."),
        Key::optional("body", Kind::TextOrEmpty, "The body, exactly."),
    ],
};

static EXAMPLE: Shape = Shape {
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

static EXAMPLE_REQUEST: Shape = Shape {
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

static EXPECT: Shape = Shape {
    name: "expect",
    doc: "What must become of an example.",
    exactly_one: true,
    keys: &[
        Key::optional("accept", Kind::Named(&Kind::Any), "The facts of its event that matter."),
        Key::optional("reject", Kind::OneOrMany(&Kind::Text), "The reason, or any of several."),
    ],
};
