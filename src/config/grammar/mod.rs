//! The grammar of `countersign.yaml`. What is said here is what the JSON Schema and the reference
//! say.

use std::time::Duration;

use crate::text::shape::{Key, Kind, Shape};

mod exchanges;
mod keep;
mod limits;
mod proxy;
mod tls;
mod upstream;

pub(super) use exchanges::EXCHANGES;
use keep::STORE;
pub(super) use limits::LIMITS;
use proxy::{PROXY, RATE};
pub(super) use tls::TLS;
use upstream::UPSTREAM;

const fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

/// The whole file.
pub(super) static CONFIG: Shape = Shape {
    name: "configuration",
    doc: "What countersign listens on, whom it believes, and who receives what it accepts.",
    exactly_one: false,
    keys: &[
        Key::required(
            "listen",
            Kind::NonEmptyList(&Kind::Map(&LISTENER)),
            "Where callbacks arrive. At least one address. A change needs a restart.",
        ),
        Key::optional(
            "admin",
            Kind::Map(&ADMIN),
            "Where `/metrics`, `/livez` and `/readyz` are served. Left out: nowhere. A change \
             needs a restart.",
        ),
        Key::optional(
            "store",
            Kind::Map(&STORE),
            "Where events and captures are kept over restarts. Left out: nothing is kept, every \
             route delivers `direct`, and repetitions are not recognized. A change needs a restart.",
        ),
        Key::optional("log", Kind::Map(&LOG), "How the log looks. A change needs a restart."),
        Key::optional(
            "limits",
            Kind::Map(&LIMITS),
            "What the senders of callbacks may use at most. A change needs a restart.",
        ),
        Key::optional(
            "rules",
            Kind::List(&Kind::Text),
            "Rule files, and folders whose `*.yaml` and `*.yml` are rule files, relative to this file. \
             A rule here replaces the shipped rule of the same gateway. Left out: the shipped rules only.",
        ),
        Key::optional("tls", Kind::Map(&TLS), "Certificates of the listeners that speak TLS."),
        Key::required(
            "upstreams",
            Kind::Named(&Kind::Map(&UPSTREAM)),
            "Who receives events, by name. The names appear in routes, metrics and logs.",
        ),
        Key::optional(
            "exchanges",
            Kind::Map(&EXCHANGES),
            "How gateways are asked, where a rule must ask its gateway.",
        ),
        Key::required(
            "routes",
            Kind::NonEmptyList(&Kind::Map(&ROUTE)),
            "Which path is judged by which rule and forwarded to which upstream. Every other path \
             is answered with 404, unless `proxy` has it.",
        ),
        Key::optional(
            "proxy",
            Kind::List(&Kind::Map(&PROXY)),
            "What passes through, unjudged, so that countersign can stand in front of a whole site. \
             Left out: nothing.",
        ),
        Key::optional(
            "trusted_proxies",
            Kind::OneOrMany(&Kind::Text),
            "Networks of the proxies in front of countersign: `10.0.0.0/8`. What they say of the \
             client (`X-Forwarded-For`, `X-Forwarded-Proto`, the PROXY protocol) is believed. \
             Default: nobody.",
        ),
    ],
};

static LISTENER: Shape = Shape {
    name: "listener",
    doc: "One address that callbacks arrive at.",
    exactly_one: false,
    keys: &[
        Key::required(
            "address",
            Kind::Text,
            "IP address and port: `127.0.0.1:8080`, `0.0.0.0:8080`, `[::1]:8080`.",
        ),
        tls::LISTENER_TLS,
        tls::LISTENER_CLIENT_CERTIFICATES,
        Key::optional(
            "proxy_protocol",
            Kind::Bool,
            "Whether each connection begins with the PROXY protocol (1 or 2), which says whom it is \
             for. Needs `trusted_proxies`: others are closed at once. Default `false`.",
        ),
    ],
};

static ADMIN: Shape = Shape {
    name: "admin",
    doc: "The listener for operators. Keep it away from the internet.",
    exactly_one: false,
    keys: &[
        Key::required("address", Kind::Text, "IP address and port: `127.0.0.1:9464`."),
        Key::optional(
            "token",
            Kind::Text,
            "What opens the API for operators (`/v1/`, described by `/openapi.json`), as a reference: \
             `env:NAME` or `file:PATH`. At least 16 characters. Left out: the API is shut.",
        ),
    ],
};

static LOG: Shape = Shape {
    name: "log",
    doc: "How the log looks. It goes to standard error and never holds secrets or bodies.",
    exactly_one: false,
    keys: &[
        Key::optional(
            "format",
            Kind::Choice(&[
                ("json", "One JSON object a line, for machines."),
                ("pretty", "Text for people."),
            ]),
            "Default `json`.",
        ),
        Key::optional(
            "level",
            Kind::Choice(&[
                ("debug", "Everything."),
                ("info", "Every callback, and what follows."),
                ("warn", "Refused callbacks, and what follows."),
                ("error", "Undelivered events and failures only."),
            ]),
            "The least severe level that is written. Default `info`.",
        ),
    ],
};

static ROUTE: Shape = Shape {
    name: "route",
    doc: "A path, the rule that judges what arrives there, and who receives it.",
    exactly_one: false,
    keys: &[
        Key::required(
            "path",
            Kind::Text,
            "The exact path that the gateway calls: `/billing/payment/liqpay/`. Each path once.",
        ),
        Key::optional(
            "name",
            Kind::Text,
            "Its name in metrics and logs. Each name once. Default: the path.",
        ),
        Key::required(
            "gateway",
            Kind::Text,
            "Name of the rule: `liqpay`. `countersign rules` prints those that are shipped.",
        ),
        Key::optional(
            "params",
            Kind::Named(&Kind::OneOrMany(&Kind::Text)),
            "The rule's parameters. A secret is written as a reference, `env:NAME` or \
             `file:PATH`; several values as a list.",
        ),
        Key::required("upstream", Kind::Text, "Name of the upstream that receives it."),
        Key::required("forward", Kind::Map(&FORWARD), "In which form."),
        Key::optional(
            "mode",
            Kind::Choice(&[
                ("enforce", "What is refused is not forwarded."),
                (
                    "observe",
                    "Callbacks are judged, counted and logged, and forwarded as they came whatever \
                     the verdict. For migrations only: nothing is kept out.",
                ),
            ]),
            "Default `enforce`.",
        ),
        Key::optional(
            "delivery",
            Kind::Choice(&[
                (
                    "direct",
                    "The gateway gets the upstream's verdict. What the upstream does not take, the \
                     gateway is asked to send again.",
                ),
                (
                    "durable",
                    "Kept, synced, acknowledged, and delivered then. For gateways that send once.",
                ),
                (
                    "spill",
                    "Direct while the upstream is well; what it cannot take now is kept, synced and \
                     acknowledged, and delivered in order when it is well again.",
                ),
            ]),
            "When the gateway is told that all is well. Needs `store`, but for `direct`. Default: \
             what the rule recommends, else `spill`; without a store `direct`.",
        ),
        Key::optional(
            "capture",
            Kind::Choice(&[
                ("all", "Every inbound."),
                ("none", "None."),
                ("rejected", "Those that were not accepted."),
            ]),
            "Which inbounds are kept as they came, to look into them and to judge them again. Needs \
             `store`. Default `rejected`; without a store `none`.",
        ),
        Key::optional(
            "regressive",
            Kind::Choice(&[
                ("hold", "Held until an operator has looked at it."),
                ("mark", "Delivered; the event says `transition: regressive`."),
            ]),
            "What becomes of an event that tells of a state that its payment has left behind, such \
             as pending after paid. Default `mark`.",
        ),
        Key::optional(
            "allow",
            Kind::OneOrMany(&Kind::Text),
            "Networks whose clients may call: `10.0.0.0/8`. Others get 403. Default: everybody.",
        ),
        Key::optional("rate", Kind::Map(&RATE), "How often each client address may call."),
        Key::optional(
            "strength",
            Kind::Choice(&[
                ("weak", "md5, sha1, a checksum, credentials or an address will do"),
                ("sound", "a plain SHA-2 digest with a secret among its parts, at least"),
                (
                    "strong",
                    "HMAC, a public-key signature, the gateway's own answer over TLS, or the \
                     certificate that it connects with",
                ),
            ]),
            "What the proofs of this gateway, with these parameters, must be worth at least. \
             Default `weak`: whatever the rule offers.",
        ),
    ],
};

static FORWARD: Shape = Shape {
    name: "forward",
    doc: "What the upstream receives.",
    exactly_one: false,
    keys: &[
        Key::required(
            "as",
            Kind::Choice(&[
                ("canonical", "The canonical event as JSON, counter-signed, by POST."),
                ("original", "The verified request itself, byte for byte."),
            ]),
            "The form.",
        ),
        Key::optional(
            "to",
            Kind::Text,
            "Path and query at the upstream. Needed for `canonical`; for `original` the default \
             is that of the request.",
        ),
        Key::optional(
            "headers",
            Kind::List(&Kind::Text),
            "For `original`: names of request headers that go with it, beside `content-type`. \
             Default: none.",
        ),
    ],
};
