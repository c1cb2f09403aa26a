//! Where an upstream is, and how a connection to it is made.

use std::error::Error;
use std::io;

use hyper::Uri;
use hyper::header::HeaderValue;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower_service::Service as _;

/// A connection, encrypted or not.
pub(super) type Io = MaybeHttpsStream<TokioIo<TcpStream>>;

/// One upstream's address.
pub(super) struct Place {
    /// `Host` of every request.
    pub(super) host: HeaderValue,
    uri: Uri,
    name: String,
    port: u16,
    tls: Option<HttpsConnector<HttpConnector>>,
}

impl Place {
    /// Of `http://host[:port]` or `https://host[:port]`; the configuration has seen to that form.
    /// For `https` the system's trust anchors are read here, once.
    pub(super) fn new(url: &str) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let uri: Uri = url.parse()?;
        let authority = uri.authority().ok_or("no host")?;
        let (tls, port) = match uri.scheme_str() {
            Some("http") => (None, 80),
            Some("https") => (Some(connector()?), 443),
            Some(_) | None => return Err("neither http nor https".into()),
        };
        Ok(Self {
            host: HeaderValue::from_str(authority.as_str())?,
            // Brackets around an IPv6 address belong to the URL, not to the address.
            name: authority.host().trim_matches(['[', ']']).to_owned(),
            port: authority.port_u16().unwrap_or(port),
            tls,
            uri,
        })
    }

    /// A new connection. The caller gives it a deadline.
    pub(super) async fn connect(&self) -> io::Result<Io> {
        match &self.tls {
            None => {
                let stream = TcpStream::connect((self.name.as_str(), self.port)).await?;
                stream.set_nodelay(true)?;
                Ok(MaybeHttpsStream::Http(TokioIo::new(stream)))
            }
            Some(connector) => {
                connector.clone().call(self.uri.clone()).await.map_err(io::Error::other)
            }
        }
    }
}

fn connector() -> io::Result<HttpsConnector<HttpConnector>> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    Ok(HttpsConnectorBuilder::new()
        .with_provider_and_native_roots(rustls::crypto::aws_lc_rs::default_provider())?
        .https_only()
        .enable_http1()
        .wrap_connector(tcp))
}
