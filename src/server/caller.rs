//! Who sent a request, as far as the connection tells.

use std::net::SocketAddr;

use super::tls::Session;

/// What is known of the other end before a byte of a request is read.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The peer of the connection.
    pub peer: SocketAddr,
    /// What TLS has told; `None`: the connection is in the clear.
    pub tls: Option<Session>,
}
