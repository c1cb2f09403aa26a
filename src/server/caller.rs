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

impl Caller {
    /// What the client has shown, in DER, its own certificate first.
    pub(super) fn client_certificates(&self) -> impl Iterator<Item = &[u8]> {
        self.tls.iter().flat_map(|session| &session.client_certificates).map(AsRef::as_ref)
    }
}
