//! The untrusted request, as the engine sees it.

use std::net::IpAddr;

/// Seconds since the Unix epoch. The engine never asks what time it is.
pub type UnixSeconds = i64;

/// One request, borrowed from whoever received it. Nothing in it is believed.
#[derive(Clone, Copy, Debug)]
pub struct Inbound<'a> {
    /// `POST`, exactly as sent.
    pub method: &'a str,
    /// Path and query, exactly as on the request line.
    pub target: &'a str,
    /// Name and value of each header line, in order; names in any letter case, values without
    /// the white space around them (RFC 9110 §5.5).
    pub headers: &'a [(&'a str, &'a [u8])],
    /// The whole body, already bounded by the caller.
    pub body: &'a [u8],
    /// The peer, after trusted proxies.
    pub remote_addr: Option<IpAddr>,
    /// What the peer has shown in the handshake of its connection, in DER, its own first; it holds
    /// the key of that one. Empty where it has shown none, or was not asked.
    pub client_certificates: &'a [&'a [u8]],
}

impl<'a> Inbound<'a> {
    /// The query without its `?`; empty where there is none.
    pub fn query(&self) -> &'a str {
        self.target.split_once('?').map_or("", |(_, query)| query)
    }

    /// The values of every header line of that name.
    pub fn header_lines(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.headers
            .iter()
            .filter(move |(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| *value)
    }
}
