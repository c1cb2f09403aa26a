//! The handshake of TLS: within its deadline, with what the active snapshot shows, counted by how it
//! ends.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::{Error, ProtocolVersion, ServerConnection};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::config::ClientCertificates;
use crate::live::{HTTP_2, Live};
use crate::metrics::{Handshake, Metrics};

/// How the connections of a listener are secured.
pub struct Tls {
    live: Arc<Live>,
    certificates: ClientCertificates,
}

/// What a handshake has come to.
#[derive(Clone, Debug)]
pub struct Session {
    /// The name that the client asked for, in lower case.
    pub server_name: Option<String>,
    /// What the client has shown, its own first; it holds the key of that one. Nothing else is
    /// known of them. Empty where it has shown none.
    pub client_certificates: Vec<CertificateDer<'static>>,
    /// What is spoken in it.
    pub protocol: Protocol,
}

/// What clients and we agree on by ALPN.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Protocol {
    /// HTTP/1.1, also where the client names nothing.
    Http1,
    /// HTTP/2.
    Http2,
}

impl Tls {
    /// With whatever certificates are in `live` when a client comes.
    pub fn new(live: Arc<Live>, certificates: ClientCertificates) -> Self {
        Self { live, certificates }
    }

    /// `None`: there is nobody to speak to.
    pub(super) async fn handshake<S>(
        &self,
        stream: S,
        limit: Duration,
        metrics: &Metrics,
    ) -> Option<(TlsStream<S>, Session)>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        // `config` lets no listener speak TLS without certificates.
        let shown = self.live.load().tls.clone()?;
        let acceptor = TlsAcceptor::from(Arc::clone(shown.handshake(self.certificates)));
        let outcome = match timeout(limit, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => {
                let session = session(stream.get_ref().1, metrics);
                metrics.tls().handshake(Handshake::Done);
                return Some((stream, session));
            }
            Ok(Err(error)) => outcome(&error),
            Err(_) => Handshake::Timeout,
        };
        metrics.tls().handshake(outcome);
        None
    }
}

fn session(connection: &ServerConnection, metrics: &Metrics) -> Session {
    let is_http2 = connection.alpn_protocol() == Some(HTTP_2);
    let protocol = if is_http2 { Protocol::Http2 } else { Protocol::Http1 };
    let version = match connection.protocol_version() {
        Some(ProtocolVersion::TLSv1_3) => "1.3",
        _ => "1.2",
    };
    metrics.tls().session(version, if is_http2 { "h2" } else { "http/1.1" });
    let shown = connection.peer_certificates().unwrap_or_default();
    Session {
        server_name: connection.server_name().map(str::to_ascii_lowercase),
        client_certificates: shown.iter().map(|one| one.clone().into_owned()).collect(),
        protocol,
    }
}

fn outcome(error: &io::Error) -> Handshake {
    match error.get_ref().and_then(|error| error.downcast_ref::<Error>()) {
        None => Handshake::Closed,
        Some(Error::AlertReceived(_)) => Handshake::RefusedByPeer,
        Some(Error::InvalidMessage(_)) => Handshake::NotTls,
        Some(Error::PeerIncompatible(_) | Error::NoApplicationProtocol) => Handshake::NoAgreement,
        // The list is not closed.
        Some(_) => Handshake::Failed,
    }
}
