//! Who sent a request, as far as the connection tells.

use std::net::SocketAddr;
use std::sync::Arc;

use super::switch::{Switch, Tunnel};
use super::tls::Session;

/// What is known of the other end before a byte of a request is read.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The peer of the connection.
    pub peer: SocketAddr,
    /// Where it has connected to.
    pub local: SocketAddr,
    /// What TLS has told; `None`: the connection is in the clear.
    pub tls: Option<Session>,
    /// Of HTTP/1, which can go over to another protocol.
    switch: Option<Arc<Switch>>,
}

impl Caller {
    /// In the clear, and nothing is spoken yet.
    pub(super) fn new(peer: SocketAddr, local: SocketAddr) -> Self {
        Self { peer, local, tls: None, switch: None }
    }

    /// The same over TLS.
    pub(super) fn over_tls(self, session: Session) -> Self {
        Self { tls: Some(session), ..self }
    }

    /// The same over HTTP/1.
    pub(super) fn with(self, switch: &Arc<Switch>) -> Self {
        Self { switch: Some(Arc::clone(switch)), ..self }
    }

    /// Whether nobody between can have read it.
    pub(super) fn is_encrypted(&self) -> bool {
        self.tls.is_some()
    }

    /// Whether [`Caller::go_over`] can do anything.
    pub(super) fn can_go_over(&self) -> bool {
        self.switch.is_some()
    }

    /// After the answer of now, 101, nothing more is HTTP; then comes this.
    pub(super) fn go_over(&self, tunnel: Tunnel) {
        if let Some(switch) = &self.switch {
            switch.go_over(tunnel);
        }
    }
}

impl Caller {
    /// What the client has shown, in DER, its own certificate first.
    pub(super) fn client_certificates(&self) -> impl Iterator<Item = &[u8]> {
        self.tls.iter().flat_map(|session| &session.client_certificates).map(AsRef::as_ref)
    }
}
