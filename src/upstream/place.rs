//! Where an upstream is, and how a connection to it is made.

use std::io;
use std::sync::Arc;

use hyper::Uri;
use hyper::header::HeaderValue;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::io::Io;
use super::outgoing::BoxError;

/// One upstream's address.
pub(super) struct Place {
    /// `Host` of every request that has none of its own.
    pub(super) host: HeaderValue,
    name: String,
    port: u16,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl Place {
    /// Of `http://host[:port]` or `https://host[:port]`; the configuration has seen to that form.
    /// For `https` the system's trust anchors are read here, once.
    pub(super) fn new(url: &str) -> Result<Self, BoxError> {
        let uri: Uri = url.parse()?;
        let authority = uri.authority().ok_or("no host")?;
        // Brackets around an IPv6 address belong to the URL, not to the address.
        let name = authority.host().trim_matches(['[', ']']).to_owned();
        let (tls, port) = match uri.scheme_str() {
            Some("http") => (None, 80),
            Some("https") => (Some((connector()?, ServerName::try_from(name.clone())?)), 443),
            Some(_) | None => return Err("neither http nor https".into()),
        };
        Ok(Self {
            host: HeaderValue::from_str(authority.as_str())?,
            name,
            port: authority.port_u16().unwrap_or(port),
            tls,
        })
    }

    /// A new connection. The caller gives it a deadline.
    pub(super) async fn connect(&self) -> io::Result<Io> {
        let stream = TcpStream::connect((self.name.as_str(), self.port)).await?;
        stream.set_nodelay(true)?;
        match &self.tls {
            None => Ok(Io::new(stream)),
            Some((connector, name)) => Ok(Io::new(connector.connect(name.clone(), stream).await?)),
        }
    }
}

/// TLS 1.2 and 1.3, and no way around the verification of certificates.
fn connector() -> Result<TlsConnector, BoxError> {
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    // Some that the system trusts are too old or too odd for us.
    if roots.add_parsable_certificates(system.certs).0 == 0 {
        return Err("the system trusts no certificate authority".into());
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
