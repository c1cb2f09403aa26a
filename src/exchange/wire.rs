//! The way of one question: name, address, connection, answer. A new connection each time: what is
//! asked often is cached, and TLS sessions are resumed.

use std::error::Error;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1;
use hyper::header::{
    ACCEPT_ENCODING, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, EXPECT, HOST, HeaderName,
    HeaderValue, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, USER_AGENT,
};
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::address::{Reach, reach};
use super::place::{Place, Way};
use super::{Failure, Given};
use crate::config::Host;
use crate::engine::exchange::Exchange;
use crate::live::Exchanges;

/// Bytes of an answer's head.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Addresses of one name that are looked at.
const ADDRESSES_MAX: usize = 8;
/// Names that are being resolved. The resolver cannot be interrupted and may work on long after
/// nobody waits for it any more; each holds a thread.
const LOOKUPS_MAX: usize = 64;

const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("countersign/", env!("CARGO_PKG_VERSION")));

/// What of a request belongs to its connection, and is never a rule's to say.
const OF_CONNECTION: [HeaderName; 6] =
    [CONTENT_LENGTH, EXPECT, TE, TRAILER, TRANSFER_ENCODING, UPGRADE];

/// Makes connections.
pub(super) struct Wire {
    connect_timeout: Duration,
    answer_bytes_max: usize,
    tls: TlsConnector,
    lookups: Arc<Semaphore>,
}

/// A connection that stands.
enum Line {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Wire {
    /// Reads the system's roots.
    pub(super) fn new(settings: &Exchanges) -> Self {
        Self {
            connect_timeout: settings.connect_timeout,
            answer_bytes_max: settings.answer_bytes_max,
            tls: TlsConnector::from(Arc::new(tls(settings))),
            lookups: Arc::new(Semaphore::new(LOOKUPS_MAX)),
        }
    }

    /// Asks once. The caller gives it a deadline.
    pub(super) async fn ask(
        &self,
        place: &Place,
        request: Request<Full<Bytes>>,
    ) -> Result<Given, Failure> {
        let late = || Failure::ConnectFailed("no connection in time".to_owned());
        let connected = timeout(self.connect_timeout, self.connect(place)).await;
        match connected.map_err(|_| late())?? {
            Line::Plain(stream) => self.speak(stream, request).await,
            Line::Tls(stream) => self.speak(*stream, request).await,
        }
    }

    async fn connect(&self, place: &Place) -> Result<Line, Failure> {
        let addresses = match place.way {
            Way::Fixed(address) => vec![address],
            Way::Resolve { port, private } => {
                let addresses = self.resolve(&place.host, port).await?;
                for address in &addresses {
                    permit(address.ip(), private)?;
                }
                addresses
            }
        };
        let stream = self.reach_one_of(&addresses).await?;
        stream.set_nodelay(true).map_err(|error| Failure::ConnectFailed(error.to_string()))?;
        let Some(name) = &place.name else { return Ok(Line::Plain(stream)) };
        let stream = self.tls.connect(name.clone(), stream).await;
        let stream = stream.map_err(|error| Failure::TlsFailed(error.to_string()))?;
        Ok(Line::Tls(Box::new(stream)))
    }

    /// At least one address, and what is judged is what is connected to: no name is resolved twice.
    async fn resolve(&self, host: &Host, port: u16) -> Result<Vec<SocketAddr>, Failure> {
        let name = match host {
            Host::Address(address) => return Ok(vec![SocketAddr::new(*address, port)]),
            Host::Name(name) => name.clone(),
        };
        let permit = Arc::clone(&self.lookups).try_acquire_owned().map_err(|_| Failure::Busy)?;
        let lookup = spawn_blocking(move || {
            let addresses = (name.as_str(), port).to_socket_addrs();
            drop(permit);
            addresses.map(|addresses| addresses.take(ADDRESSES_MAX).collect::<Vec<_>>())
        });
        let unresolved = |error: io::Error| Failure::ConnectFailed(error.to_string());
        let addresses = lookup.await.map_err(io::Error::other).flatten().map_err(unresolved)?;
        if addresses.is_empty() {
            return Err(Failure::ConnectFailed("the name has no address".to_owned()));
        }
        Ok(addresses)
    }

    /// One after the other, each for its share of the time.
    async fn reach_one_of(&self, addresses: &[SocketAddr]) -> Result<TcpStream, Failure> {
        let share = self.connect_timeout / u32::try_from(addresses.len()).unwrap_or(u32::MAX);
        let mut why = "no connection in time".to_owned();
        for address in addresses {
            match timeout(share, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => why = error.to_string(),
                Err(_) => {}
            }
        }
        Err(Failure::ConnectFailed(why))
    }

    async fn speak<S>(&self, stream: S, request: Request<Full<Bytes>>) -> Result<Given, Failure>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (mut sender, connection) = http1::Builder::new()
            .max_header_size(HEAD_BYTES_MAX)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(broken)?;
        // Dropped with this future, it ends the connection.
        let mut driver = JoinSet::new();
        driver.spawn(connection);
        let response = sender.send_request(request).await.map_err(broken)?;
        self.read(response).await
    }

    async fn read(&self, response: Response<Incoming>) -> Result<Given, Failure> {
        let (head, body) = response.into_parts();
        let count = |name: HeaderName| head.headers.get_all(name).iter().count();
        if head.status.as_u16() < 200 || count(CONTENT_LENGTH) + count(TRANSFER_ENCODING) > 1 {
            return Err(Failure::Broken("it is not one answer with one end".to_owned()));
        }
        let mut codings = head.headers.get_all(CONTENT_ENCODING).iter();
        if codings.any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
            return Err(Failure::Broken("its body is encoded".to_owned()));
        }
        if body.size_hint().lower() > self.answer_bytes_max as u64 {
            return Err(Failure::TooLarge);
        }
        let body = Limited::new(body, self.answer_bytes_max).collect().await;
        let body = body.map_err(|error| match error.downcast::<LengthLimitError>() {
            Ok(_) => Failure::TooLarge,
            Err(error) => broken(error),
        })?;
        Ok(Given { status: head.status.as_u16(), body: Arc::from(&*body.to_bytes()) })
    }
}

/// What is sent, with everything that belongs to the connection. A question that cannot be said in
/// HTTP is refused: a callback may have had its hand in it, the host has not.
pub(super) fn request(place: &Place, exchange: &Exchange) -> Result<Request<Full<Bytes>>, Failure> {
    let refused = |_| Failure::Refused("the question is no HTTP request".to_owned());
    let mut request = Request::builder()
        .method(exchange.method)
        .uri(Uri::from(place.target.clone()))
        // A copy that is wiped when it has been sent.
        .body(Full::new(Bytes::from_owner(exchange.body.clone())))
        .map_err(refused)?;
    let headers = request.headers_mut();
    for (name, value) in &exchange.headers {
        let name =
            HeaderName::from_bytes(name.as_bytes()).map_err(|error| refused(error.into()))?;
        let mut value =
            HeaderValue::from_bytes(value.as_bytes()).map_err(|error| refused(error.into()))?;
        value.set_sensitive(true);
        headers.append(name, value);
    }
    for name in OF_CONNECTION {
        headers.remove(name);
    }
    headers.insert(HOST, place.authority.clone());
    headers.insert(USER_AGENT, AGENT);
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    Ok(request)
}

/// Whether an address may be connected to. One that may not condemns the whole name: whoever put
/// it there is not to be trusted with the others.
fn permit(address: IpAddr, private: bool) -> Result<(), Failure> {
    match reach(address) {
        Reach::Public => Ok(()),
        Reach::Private if private => Ok(()),
        Reach::Private => Err(Failure::Refused(format!(
            "{address} is private; name the host in `exchanges.private` if it is meant"
        ))),
        Reach::Nowhere => Err(Failure::Refused(format!("no gateway is at {address}"))),
    }
}

/// TLS 1.2 and 1.3, and no way around the verification of certificates.
fn tls(settings: &Exchanges) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    // Some that the system trusts are too old or too odd for us.
    let (trusted, _) = roots.add_parsable_certificates(system.certs);
    if trusted == 0 {
        tracing::warn!(errors = ?system.errors, "the system trusts no certificate authority");
    }
    roots.add_parsable_certificates(settings.roots.iter().cloned());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("this provider knows these versions")
        .with_root_certificates(roots)
        .with_no_client_auth()
}

fn broken(error: impl Into<Box<dyn Error + Send + Sync>>) -> Failure {
    Failure::Broken(error.into().to_string())
}
