//! The grammar of TLS and HTTP/2.

use super::{millis, secs};
use crate::text::shape::{Key, Kind, Shape};

pub(super) const LISTENER_TLS: Key = Key::optional(
    "tls",
    Kind::Bool,
    "Speak TLS with the certificates under `tls`; clients choose HTTP/2 or HTTP/1.1 by ALPN. \
     Default `false`: HTTP/1.1 in the clear.",
);

pub(super) const LISTENER_CLIENT_CERTIFICATES: Key = Key::optional(
    "client_certificates",
    Kind::Choice(&[
        (
            "ask",
            "Clients are asked for a certificate, and may go without. Who has one must hold its \
             key; whom it names is judged by the `mtls` proof of a route.",
        ),
        ("ignore", "Nobody is asked. Browsers would show their users a choice of certificates."),
    ]),
    "Needed for routes whose rule has an `mtls` proof. Default `ignore`.",
);

pub(crate) static TLS: Shape = Shape {
    name: "tls",
    doc: "What the listeners with `tls: true` show and accept. Files are watched: a renewed \
          certificate is used from the next handshake on, and a pair that does not fit together, \
          because one of its files is still the old one, leaves the pair in place that there was.",
    exactly_one: false,
    keys: &[
        Key::required(
            "certificates",
            Kind::NonEmptyList(&Kind::Map(&CERTIFICATE)),
            "A client is shown the one for the name that it asks for (SNI): one that has the name \
             itself rather than a wildcard, of those one of a kind that the client can verify, of \
             those the first. Who asks for no name, or for another, is shown the first of all.",
        ),
        Key::optional(
            "min_version",
            Kind::Choice(&[
                ("1.2", "TLS 1.2 and 1.3, with forward secrecy and authenticated ciphers only."),
                ("1.3", "TLS 1.3 only."),
            ]),
            "The oldest version that is spoken. Default `1.2`.",
        ),
        Key::optional(
            "http2",
            Kind::Bool,
            "Whether clients may choose HTTP/2; else they speak HTTP/1.1. Default `true`.",
        ),
    ],
};

static CERTIFICATE: Shape = Shape {
    name: "certificate_pair",
    doc: "A certificate and its key. The names are those in the certificate, wildcards too.",
    exactly_one: false,
    keys: &[
        Key::required(
            "chain",
            Kind::Text,
            "The certificate in PEM and those that lead from it towards its root, in this order, \
             as a reference: `file:PATH` (Let's Encrypt's `fullchain.pem`) or `env:NAME`.",
        ),
        Key::required(
            "key",
            Kind::Text,
            "Its private key in PEM, without a passphrase, as a reference: `file:PATH` \
             (`privkey.pem`) or `env:NAME`. RSA of 2048 bits or more, ECDSA or Ed25519.",
        ),
    ],
};

pub(super) const HANDSHAKE_TIMEOUT: Key = Key::optional(
    "handshake_timeout",
    Kind::Duration { min: millis(10), max: secs(300) },
    "From the begin of a connection to the end of the TLS handshake, 10ms to 5m. Default `5s`.",
);

pub(super) const HTTP2_REQUESTS: Key = Key::optional(
    "http2_requests",
    Kind::Integer { min: 1, max: 100_000 },
    "Requests over HTTP/2 under way at a time, on all connections together; the sender of a further one \
     is asked to come again. Default `4096`.",
);

pub(super) const HTTP2_STREAMS: Key = Key::optional(
    "http2_streams",
    Kind::Integer { min: 1, max: 1000 },
    "Requests under way at a time on a connection of HTTP/2. Default `100`.",
);

pub(super) const HTTP2_RESETS: Key = Key::optional(
    "http2_resets",
    Kind::Integer { min: 1, max: 100_000 },
    "Requests of a connection of HTTP/2 that are reset, by the client or for its mistakes, at once and \
     again each minute. Each answer that is taken makes good for one; with one more, the connection is \
     closed. Default `100`.",
);

pub(super) const HTTP2_IDLE_FRAMES: Key = Key::optional(
    "http2_idle_frames",
    Kind::Integer { min: 10, max: 1_000_000 },
    "Frames of a connection of HTTP/2 that bring nothing (settings, pings, priorities, windows, empty \
     data, continuations, …), at once and again each minute. Each answer makes good for four, each \
     frame of data for two; with one more, the connection is closed. Default `1000`.",
);

pub(super) const HTTP2_IDLE_TIMEOUT: Key = Key::optional(
    "http2_idle_timeout",
    Kind::Duration { min: millis(10), max: secs(3600) },
    "How long a connection of HTTP/2 on which nothing is asked is kept, 10ms to 1h. Default `60s`.",
);

pub(super) const HTTP2_AGE: Key = Key::optional(
    "http2_age",
    Kind::Duration { min: millis(10), max: secs(24 * 3600) },
    "How long a connection of HTTP/2 is used, 10ms to 1d; what is under way then is finished. Default \
     `1h`.",
);

pub(super) const HTTP2_PING_INTERVAL: Key = Key::optional(
    "http2_ping_interval",
    Kind::Duration { min: millis(10), max: secs(3600) },
    "How often a client of HTTP/2 is asked whether it is still there, 10ms to 1h. Default `20s`.",
);

pub(super) const HTTP2_PING_TIMEOUT: Key = Key::optional(
    "http2_ping_timeout",
    Kind::Duration { min: millis(10), max: secs(300) },
    "How long it has to say so, 10ms to 5m. Default `10s`.",
);
