//! `limits`: maxima for clients.

use std::time::Duration;

use crate::config::compile::{count, duration, size};
use crate::config::tls;
use crate::text::node::Node;

/// Maxima of the listeners. All have safe defaults.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Open connections at a time, all listeners together.
    pub connections_max: usize,
    /// Open connections at a time of one client address.
    pub connections_per_address_max: usize,
    /// After so many the connection is closed.
    pub requests_per_connection_max: usize,
    /// Until the first byte of the next request.
    pub idle_timeout: Duration,
    /// What a client must send or take at least, over `body_timeout`.
    pub bytes_per_second_min: usize,
    /// From the begin of a connection to the end of the TLS handshake.
    pub handshake_timeout: Duration,
    /// Bytes of request line and headers together.
    pub header_bytes_max: usize,
    /// Header lines.
    pub headers_max: usize,
    /// From the first byte awaited to the end of the headers.
    pub header_timeout: Duration,
    /// Bytes of a body.
    pub body_bytes_max: usize,
    /// From the end of the headers to the end of the body.
    pub body_timeout: Duration,
    /// What holds for HTTP/2 alone.
    pub http2: Http2,
    /// How long requests in flight may take to finish after SIGTERM.
    pub drain_timeout: Duration,
}

/// Maxima of one connection of HTTP/2.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Http2 {
    /// Requests under way at a time, on all connections together.
    pub requests_max: usize,
    /// Requests under way at a time.
    pub streams_max: u32,
    /// Requests that are reset, by the peer or for its mistakes, at once and again each minute; each
    /// answer that is taken makes good for one.
    pub resets_max: u32,
    /// Frames that bring nothing, at once and again each minute; each answer makes good for four,
    /// each frame of data for two.
    pub idle_frames_max: u32,
    /// How long a connection on which nothing is asked is kept.
    pub idle_timeout: Duration,
    /// How long a connection is used; what is under way then is finished.
    pub age_max: Duration,
    /// How often the peer is asked whether it is still there.
    pub ping_interval: Duration,
    /// How long it has to say so.
    pub ping_timeout: Duration,
}

impl Limits {
    /// Bytes that a client must send or take within `body_timeout`.
    pub fn bytes_min(&self) -> usize {
        let millis = self.body_timeout.as_millis();
        usize::try_from(millis * self.bytes_per_second_min as u128 / 1000).unwrap_or(usize::MAX)
    }
}

pub(super) fn limits(limits: Option<&Node>) -> Limits {
    Limits {
        connections_max: count(limits, "connections", 4096),
        connections_per_address_max: count(limits, "connections_per_address", 1024),
        requests_per_connection_max: count(limits, "requests_per_connection", 10_000),
        idle_timeout: duration(limits, "idle_timeout", Duration::from_secs(60)),
        bytes_per_second_min: size(limits, "bytes_per_second", 512),
        handshake_timeout: duration(limits, "handshake_timeout", Duration::from_secs(5)),
        header_bytes_max: size(limits, "header_bytes", 16 * 1024),
        headers_max: count(limits, "headers", 100),
        header_timeout: duration(limits, "header_timeout", Duration::from_secs(10)),
        body_bytes_max: size(limits, "body", 1024 * 1024),
        body_timeout: duration(limits, "body_timeout", Duration::from_secs(30)),
        http2: tls::http2(limits),
        drain_timeout: duration(limits, "drain_timeout", Duration::from_secs(30)),
    }
}
