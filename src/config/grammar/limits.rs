//! Maxima for clients.

use super::tls::{self, HANDSHAKE_TIMEOUT};
use super::{KIB, MIB, millis, secs};
use crate::text::shape::{Key, Kind, Shape};

pub(in crate::config) static LIMITS: Shape = Shape {
    name: "limits",
    doc: "Maxima for the senders of callbacks. The defaults suit nearly everybody.",
    exactly_one: false,
    keys: &[
        Key::optional(
            "connections",
            Kind::Integer { min: 1, max: 100_000 },
            "Open connections, all listeners together. Default `4096`.",
        ),
        Key::optional(
            "connections_per_address",
            Kind::Integer { min: 1, max: 100_000 },
            "Open connections of one client address, an IPv6 client being its /64 network. Trusted \
             proxies have as many as there are. Default `1024`.",
        ),
        Key::optional(
            "requests_per_connection",
            Kind::Integer { min: 1, max: 1_000_000 },
            "After so many the connection is closed, in good order. Default `10000`.",
        ),
        Key::optional(
            "idle_timeout",
            Kind::Duration { min: millis(10), max: secs(3600) },
            "How long a connection may wait for its next request, 10ms to 1h. Default `60s`.",
        ),
        Key::optional(
            "bytes_per_second",
            Kind::Size { min: 1, max: 64 * KIB },
            "A client that sends its body or takes its answer more slowly, over `body_timeout`, is cut \
             off. 1B to 64KiB. Default `512B`.",
        ),
        HANDSHAKE_TIMEOUT,
        Key::optional(
            "header_bytes",
            Kind::Size { min: 8 * KIB, max: MIB },
            "Request line and headers together, 8KiB to 1MiB. Default `16KiB`.",
        ),
        Key::optional(
            "headers",
            Kind::Integer { min: 1, max: 1000 },
            "Header lines of a request. Default `100`.",
        ),
        Key::optional(
            "header_timeout",
            Kind::Duration { min: millis(10), max: secs(300) },
            "Until the last header has arrived, 10ms to 5m. Default `10s`.",
        ),
        Key::optional(
            "body",
            Kind::Size { min: 1, max: 64 * MIB },
            "A request's body, 1B to 64MiB. Default `1MiB`.",
        ),
        Key::optional(
            "body_timeout",
            Kind::Duration { min: millis(10), max: secs(600) },
            "From the last header to the end of the body, 10ms to 10m. Default `30s`.",
        ),
        tls::HTTP2_REQUESTS,
        tls::HTTP2_STREAMS,
        tls::HTTP2_RESETS,
        tls::HTTP2_IDLE_FRAMES,
        tls::HTTP2_IDLE_TIMEOUT,
        tls::HTTP2_AGE,
        tls::HTTP2_PING_INTERVAL,
        tls::HTTP2_PING_TIMEOUT,
        Key::optional(
            "drain_timeout",
            Kind::Duration { min: millis(0), max: secs(600) },
            "How long requests in flight may take to finish after SIGTERM, up to 10m. Default \
             `30s`.",
        ),
    ],
};
