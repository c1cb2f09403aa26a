//! How a connection to an upstream is made, and how its requests are framed.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use hyper::Uri;
use hyper::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderValue, TRANSFER_ENCODING, UPGRADE,
};
use hyper::http::uri::Scheme;
use hyper::{Method, Request, Version};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use socket2::SockRef;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpSocket, UnixStream};
use tokio_rustls::TlsConnector;

use super::io::{Io, Stream};
use super::outgoing::{BoxError, Framing, Outgoing};
use super::resolve::Spot;
use super::{Ends, Error, proxy};
use crate::config::{Address, Host, Http, ProxyProtocol, TlsVersion};
use crate::live::{self, UpstreamTls};

/// Bytes of a segment where the network is this machine: as of the largest frames of an Ethernet.
///
/// Over the loopback a segment has 64 KiB, and Linux gives whoever sends a buffer of twenty at once:
/// some hundred answers that nobody takes are gigabytes of the kernel's, and then all connections of
/// the machine wait for its timers. A buffer grows where what is in it is taken.
const LOOPBACK_SEGMENT_BYTES: u32 = 8960;

/// What the kernel keeps of an answer over the loopback before it is taken, for the same reason. Over
/// a way without delay a larger window brings nothing.
const LOOPBACK_WINDOW_BYTES: usize = 128 << 10;

/// One upstream's manner of speaking.
pub(super) struct Way {
    /// `Host` of every request that has none of its own.
    pub(super) host: HeaderValue,
    /// Where it is if nothing else is said.
    pub(super) own: Address,
    pub(super) http: Http,
    keep_alive: bool,
    scheme: Scheme,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    proxy_protocol: Option<ProxyProtocol>,
}

impl Way {
    /// To `http://host[:port]` or `https://host[:port]`; the configuration has seen to that form.
    /// For `https` the system's trust anchors are read here, once.
    pub(super) fn new(url: &str, upstream: &live::Upstream) -> Result<Self, BoxError> {
        let uri: Uri = url.parse()?;
        let authority = uri.authority().ok_or("no host")?;
        let scheme = uri.scheme().ok_or("no scheme")?.clone();
        let http = upstream.reach.http;
        let host = authority.host();
        // Brackets around an IPv6 address belong to the URL, not to the address.
        let name = host.trim_matches(['[', ']']).to_owned();
        let (tls, port) = if scheme == Scheme::HTTP {
            (None, 80)
        } else if scheme == Scheme::HTTPS {
            let expected = upstream.tls.server_name.clone().unwrap_or_else(|| name.clone());
            let expected = expected.trim_matches(['[', ']']).to_owned();
            (Some((connector(&upstream.tls, http)?, ServerName::try_from(expected)?)), 443)
        } else {
            return Err("neither http nor https".into());
        };
        let port = authority.port_u16().unwrap_or(port);
        Ok(Self {
            host: HeaderValue::from_str(authority.as_str())?,
            own: match Host::parse(host) {
                Ok(Host::Address(address)) => Address::Ip((address, port).into()),
                // Whatever a resolver knows.
                Ok(Host::Name(_)) | Err(_) => Address::Name { host: name, port },
            },
            http,
            keep_alive: upstream.reach.keep_alive,
            scheme,
            tls,
            proxy_protocol: upstream.reach.proxy_protocol,
        })
    }

    /// Whom a connection is for, where the upstream is told.
    pub(super) fn ends(&self, client: Option<Ends>) -> Option<Ends> {
        client.filter(|_| self.proxy_protocol.is_some())
    }

    /// A new connection. The caller gives it a deadline.
    pub(super) async fn connect(&self, to: &Spot, client: Option<&Ends>) -> io::Result<Io> {
        match to {
            Spot::Tcp(address) => {
                let stream = socket(address)?.connect(*address).await?;
                stream.set_nodelay(true)?;
                self.dress(stream, client).await
            }
            Spot::Unix(path) => self.dress(UnixStream::connect(path).await?, client).await,
        }
    }

    async fn dress(
        &self,
        mut stream: impl Stream + 'static,
        client: Option<&Ends>,
    ) -> io::Result<Io> {
        if let Some(version) = self.proxy_protocol {
            stream.write_all(&proxy::header(version, client)).await?;
        }
        let Some((connector, name)) = &self.tls else { return Ok(Io::new(stream)) };
        let stream = connector.connect(name.clone(), stream).await?;
        let agreed = stream.get_ref().1.alpn_protocol();
        if self.http == Http::Two && agreed != Some(b"h2") {
            return Err(io::Error::other("the server does not speak HTTP/2"));
        }
        Ok(Io::new(stream))
    }

    /// Makes the framing ours, so that nothing that a client has sent says where a request ends.
    pub(super) fn frame(&self, request: &mut Request<Outgoing>) -> Result<(), Error> {
        if request.method() == Method::CONNECT {
            return Err(Error::NotConfigured);
        }
        let framing = request.body().framing();
        let content = matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH);
        let headers = request.headers_mut();
        for name in [CONTENT_LENGTH, TRANSFER_ENCODING, EXPECT] {
            headers.remove(name);
        }
        if self.http == Http::Two {
            headers.remove(UPGRADE);
        }
        if !headers.contains_key(UPGRADE) {
            headers.remove(CONNECTION);
            if !self.keep_alive {
                headers.insert(CONNECTION, HeaderValue::from_static("close"));
            }
        }
        match framing {
            // Some servers want to be told.
            Framing::Empty if content => {
                headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
            }
            // Not for every method would hyper say so by itself.
            Framing::Chunked if self.http == Http::One => {
                headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
            }
            Framing::Empty | Framing::Length | Framing::Chunked => {}
        }
        match self.http {
            Http::One => {
                headers.entry(HOST).or_insert_with(|| self.host.clone());
                *request.version_mut() = Version::HTTP_11;
            }
            Http::Two => {
                let host = headers.remove(HOST).unwrap_or_else(|| self.host.clone());
                let mut parts = request.uri().clone().into_parts();
                parts.scheme = Some(self.scheme.clone());
                parts.authority =
                    Some(host.as_bytes().try_into().map_err(|_| Error::NotConfigured)?);
                *request.uri_mut() = Uri::from_parts(parts).map_err(|_| Error::NotConfigured)?;
                *request.version_mut() = Version::HTTP_2;
            }
        }
        Ok(())
    }
}

fn socket(address: &SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    if address.ip().is_loopback() {
        // A system that knows no such thing has no such buffers.
        drop(SockRef::from(&socket).set_tcp_mss(LOOPBACK_SEGMENT_BYTES));
        drop(SockRef::from(&socket).set_recv_buffer_size(LOOPBACK_WINDOW_BYTES));
    }
    Ok(socket)
}

/// No way around the verification of certificates.
fn connector(tls: &UpstreamTls, http: Http) -> Result<TlsConnector, BoxError> {
    let UpstreamTls { roots, client, server_name: _, min_version } = tls;
    let mut trusted = RootCertStore::empty();
    if roots.is_empty() {
        let system = rustls_native_certs::load_native_certs();
        // Some that the system trusts are too old or too odd for us.
        if trusted.add_parsable_certificates(system.certs).0 == 0 {
            return Err("the system trusts no certificate authority".into());
        }
    }
    for root in roots {
        trusted.add(root.clone())?;
    }
    let versions: &[_] = match min_version {
        TlsVersion::V12 => &[&rustls::version::TLS13, &rustls::version::TLS12],
        TlsVersion::V13 => &[&rustls::version::TLS13],
    };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)?
        .with_root_certificates(trusted);
    let mut config = match client {
        Some(client) => {
            config.with_client_auth_cert(client.chain.clone(), client.key.clone_key())?
        }
        None => config.with_no_client_auth(),
    };
    config.alpn_protocols = match http {
        Http::One => vec![b"http/1.1".to_vec()],
        Http::Two => vec![b"h2".to_vec()],
    };
    Ok(TlsConnector::from(Arc::new(config)))
}

/// The same request once more; `None`: its body is a stream.
pub(super) fn again(request: &Request<Outgoing>) -> Option<Request<Outgoing>> {
    let body = request.body().again()?;
    let mut again = Request::new(body);
    *again.method_mut() = request.method().clone();
    *again.uri_mut() = request.uri().clone();
    *again.version_mut() = request.version();
    *again.headers_mut() = request.headers().clone();
    Some(again)
}

#[cfg(test)]
mod tests;
