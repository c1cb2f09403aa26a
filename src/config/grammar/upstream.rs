//! What is said of upstreams: where they are, how they are spoken to, when they count as well.

use super::keep::RETRY;
use super::{millis, secs};
use crate::text::shape::{Key, Kind, Shape};

pub(super) static UPSTREAM: Shape = Shape {
    name: "upstream",
    doc: "One receiver of events: an HTTP server (`url`), or countersign's own output (`print`).",
    exactly_one: false,
    keys: &[
        Key::optional(
            "url",
            Kind::Text,
            "`http://host:port` or `https://host:port`, without a path: the path is the route's. It \
             says the scheme, the `Host` header and the name in the certificate; where the server is, \
             too, unless `addresses` does.",
        ),
        Key::optional(
            "addresses",
            Kind::NonEmptyList(&Kind::Text),
            "Where it is: `10.0.0.1:8080`, `app.internal:8080`, `unix:run/app.sock` (relative to this \
             file). Requests go to the one with the fewest under way. Left out: all addresses that DNS \
             has for the host of `url`.",
        ),
        Key::optional(
            "resolve_every",
            Kind::Duration { min: secs(1), max: secs(3600) },
            "How often names are looked up again, in the background, 1s to 1h. While DNS fails the old \
             answer is kept. Default `30s`.",
        ),
        Key::optional(
            "print",
            Kind::Choice(&[("events", "Each event on one line of standard output.")]),
            "Instead of `url`: a built-in upstream, to try things out.",
        ),
        Key::optional(
            "secret",
            Kind::Text,
            "The Standard Webhooks secret that events are counter-signed with, as a reference: \
             `env:NAME` or `file:PATH`. What it refers to is `whsec_` and 24 to 64 bytes in \
             Base64. Needed for `forward: { as: canonical }`.",
        ),
        Key::optional(
            "connect_timeout",
            Kind::Duration { min: millis(10), max: secs(60) },
            "Until a connection stands, 10ms to 1m. Default `2s`.",
        ),
        Key::optional(
            "timeout",
            Kind::Duration { min: millis(10), max: secs(300) },
            "From the first byte sent to the last byte of the answer, 10ms to 5m. Less than the \
             gateway waits. Default `10s`.",
        ),
        Key::optional(
            "in_flight",
            Kind::Integer { min: 1, max: 65_536 },
            "Requests under way at a time; the gateway of a further one is asked to come again. \
             Default `256`.",
        ),
        Key::optional(
            "tls",
            Kind::Map(&TLS),
            "For `https`: whom to believe and who we are. Left out: the system's authorities, and \
             nobody.",
        ),
        Key::optional(
            "http",
            Kind::Choice(&[
                ("1.1", "One request at a time on each connection."),
                (
                    "2",
                    "One connection to each address, shared by all requests. The server must speak it: \
                     over TLS it is agreed upon, over clear text it is taken for granted.",
                ),
            ]),
            "The version of HTTP. Default `1.1`.",
        ),
        Key::optional(
            "keep_alive",
            Kind::Bool,
            "Whether a connection is used for more than one request. `false` for servers that close \
             it without saying so, such as uwsgi's `http-socket`. Default `true`.",
        ),
        Key::optional(
            "proxy_protocol",
            Kind::Choice(&[("v1", "The line of text."), ("v2", "The binary form.")]),
            "Tells the server, at the beginning of each connection, which client it is for. No two \
             clients share a connection then. Left out: it is not told.",
        ),
        Key::optional(
            "health",
            Kind::Map(&HEALTH),
            "Asks each address regularly whether it is well. Left out: what requests say decides \
             alone.",
        ),
        Key::optional(
            "slow_start",
            Kind::Duration { min: millis(0), max: secs(900) },
            "How long it takes until an address that is new or has come back gets its full share, up \
             to 15m. Default `10s`.",
        ),
        Key::optional("retry", Kind::Map(&RETRY), "When what it did not take is sent again."),
    ],
};

static TLS: Shape = Shape {
    name: "upstream_tls",
    doc: "How an upstream is spoken to over TLS. There is no way not to verify its certificate.",
    exactly_one: false,
    keys: &[
        Key::optional(
            "roots",
            Kind::Text,
            "PEM certificates of the authorities that are trusted here, instead of those of the \
             system, as a reference: `file:PATH` or `env:NAME`.",
        ),
        Key::optional(
            "client_certificate",
            Kind::Map(&CLIENT_CERTIFICATE),
            "What we show to a server that wants to know who we are.",
        ),
        Key::optional(
            "server_name",
            Kind::Text,
            "The name that its certificate must have. Default: the host of `url`.",
        ),
        Key::optional(
            "min_version",
            Kind::Choice(&[("1.2", "TLS 1.2 or 1.3."), ("1.3", "TLS 1.3 only.")]),
            "The oldest version of TLS that will do. Default `1.2`.",
        ),
    ],
};

static CLIENT_CERTIFICATE: Shape = Shape {
    name: "client_certificate",
    doc: "A certificate and its key.",
    exactly_one: false,
    keys: &[
        Key::required(
            "chain",
            Kind::Text,
            "The certificate and those between it and its authority, in PEM, as a reference: \
             `file:PATH` or `env:NAME`.",
        ),
        Key::required(
            "key",
            Kind::Text,
            "Its private key in PEM, as a reference: `file:PATH` or `env:NAME`.",
        ),
    ],
};

static HEALTH: Shape = Shape {
    name: "health",
    doc: "Each address is asked with `GET`. One that fails gets no requests, unless all fail.",
    exactly_one: false,
    keys: &[
        Key::required("path", Kind::Text, "Path and query: `/health`."),
        Key::optional(
            "interval",
            Kind::Duration { min: secs(1), max: secs(600) },
            "How often, 1s to 10m. Default `5s`.",
        ),
        Key::optional(
            "timeout",
            Kind::Duration { min: millis(10), max: secs(60) },
            "Until the head of the answer, connecting included, 10ms to 1m. Default `2s`.",
        ),
        Key::optional(
            "healthy",
            Kind::Integer { min: 1, max: 100 },
            "Good answers in a row after which an address is well again. Default `2`.",
        ),
        Key::optional(
            "unhealthy",
            Kind::Integer { min: 1, max: 100 },
            "Failures in a row after which it is not. Default `3`.",
        ),
        Key::optional(
            "status",
            Kind::Text,
            "What a good answer is: `200`, or a range such as `200-399`. Default `200-299`.",
        ),
    ],
};
