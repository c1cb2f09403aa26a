//! What passes through, who may call, and how often.

use super::{MIB, millis, secs};
use crate::text::shape::{Key, Kind, Shape};

const GIB: u64 = 1024 * MIB;

pub(super) static PROXY: Shape = Shape {
    name: "proxy",
    doc: "A part of the site that passes through to an upstream, unjudged. No path of a route, nor one \
          that a route forwards to, is reached by it in any spelling.",
    exactly_one: false,
    keys: &[
        Key::optional(
            "prefix",
            Kind::Text,
            "Whole segments that the path begins with: `/static/`. Of several the longest counts. \
             Default `/`: whatever no other one has.",
        ),
        Key::optional(
            "hosts",
            Kind::OneOrMany(&Kind::Text),
            "For these hosts only: `www.example`, or `*.example` for all below it. One with hosts \
             counts before one without. Default: every host.",
        ),
        Key::optional(
            "name",
            Kind::Text,
            "Its name in metrics and logs. Each name once. Default: the prefix.",
        ),
        Key::required("upstream", Kind::Text, "Name of the upstream that it passes to."),
        Key::optional(
            "deny",
            Kind::List(&Kind::Text),
            "Paths that do not pass, with all below them, in any spelling: callbacks that the \
             upstream knows under other names, its internal pages. Answered with 404.",
        ),
        Key::optional(
            "upgrade",
            Kind::Choice(&[("none", "No other protocol."), ("websocket", "WebSocket (RFC 6455).")]),
            "Which protocol a client may go over to. Default `none`.",
        ),
        Key::optional(
            "body",
            Kind::Size { min: 1, max: 1024 * GIB },
            "A request's body, 1B to 1024GiB; it is not buffered. Default `1GiB`.",
        ),
        Key::optional(
            "idle_timeout",
            Kind::Duration { min: millis(10), max: secs(24 * 3600) },
            "How long the upstream may be silent, before its answer, within it, and both sides of an \
             upgraded connection, 10ms to 24h. Default `60s`.",
        ),
        Key::optional(
            "allow",
            Kind::OneOrMany(&Kind::Text),
            "Networks whose clients may call: `10.0.0.0/8`. Others get 403. Default: everybody.",
        ),
        Key::optional("rate", Kind::Map(&RATE), "How often each client address may call."),
    ],
};

pub(super) static RATE: Shape = Shape {
    name: "rate",
    doc: "How often each client address may call. What comes more often is answered with 429 and \
          `Retry-After`. An IPv6 client is its /64 network.",
    exactly_one: false,
    keys: &[
        Key::required(
            "requests",
            Kind::Integer { min: 1, max: 1_000_000 },
            "So many in `per`, spread evenly.",
        ),
        Key::optional(
            "per",
            Kind::Duration { min: millis(100), max: secs(3600) },
            "100ms to 1h. Default `1s`.",
        ),
        Key::optional(
            "burst",
            Kind::Integer { min: 1, max: 1_000_000 },
            "So many at once, after a silence. Default: as `requests`.",
        ),
    ],
};
