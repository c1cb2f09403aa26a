//! Clients that speak TLS: curl and OpenSSL as they are, and one of rustls that looks closely.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use rustls::client::{ResolvesClientCert, Resumption};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore, SignatureScheme, version};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::authority::Authority;
use super::{PATIENCE, Told};

/// A client that trusts one authority.
#[derive(Clone)]
pub(crate) struct Client(pub(crate) ClientConfig);

impl Client {
    /// Each handshake is a whole one.
    pub(crate) fn of(authority: &Authority) -> Self {
        let mut client = Self::that_resumes(authority);
        client.0.resumption = Resumption::disabled();
        client
    }

    /// It comes back by the ticket that it was given.
    pub(crate) fn that_resumes(authority: &Authority) -> Self {
        let mut roots = RootCertStore::empty();
        let ca = authority.read("ca.pem");
        roots.add(CertificateDer::from_pem_slice(ca.as_bytes()).unwrap()).unwrap();
        Self(builder().with_root_certificates(roots).with_no_client_auth())
    }

    /// The same that trusts another authority.
    pub(crate) fn trusting(self, authority: &Authority) -> Self {
        let shown = Arc::clone(&self.0.client_auth_cert_resolver);
        let mut client = Self::of(authority);
        client.0.client_auth_cert_resolver = shown;
        client
    }

    /// It shows this certificate of the authority, if it is asked for one.
    pub(crate) fn with(authority: &Authority, name: &str) -> Self {
        let mut client = Self::with_key_of(authority, name, name);
        client.0.resumption = Resumption::disabled();
        client
    }

    /// It shows a certificate that is not its own: it has another's key.
    pub(crate) fn with_key_of(authority: &Authority, name: &str, other: &str) -> Self {
        let mut client = Self::of(authority);
        let chain = authority.read(&format!("{name}.pem"));
        let chain = CertificateDer::pem_slice_iter(chain.as_bytes()).map(Result::unwrap).collect();
        let key = authority.read(&format!("{other}.key"));
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).unwrap();
        let shown = Arc::new(CertifiedKey::new(chain, key));
        client.0.client_auth_cert_resolver = Arc::new(Shown(shown));
        client
    }

    pub(crate) fn speaking(mut self, protocol: &str) -> Self {
        self.0.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        self
    }

    pub(crate) async fn connect(
        &self,
        address: SocketAddr,
        name: &str,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let connector = TlsConnector::from(Arc::new(self.0.clone()));
        timeout(PATIENCE, connector.connect(name, stream)).await.expect("a handshake ends")
    }

    /// The certificate that is shown for this name.
    pub(crate) async fn shown(&self, address: SocketAddr, name: &str) -> std::io::Result<Vec<u8>> {
        let stream = self.connect(address, name).await?;
        let shown = stream.get_ref().1.peer_certificates().unwrap();
        Ok(shown[0].to_vec())
    }

    /// Sends bytes and reads until the peer closes.
    pub(crate) async fn tell(
        &self,
        address: SocketAddr,
        name: &str,
        bytes: impl AsRef<[u8]>,
    ) -> Option<Told> {
        let mut stream = self.connect(address, name).await.ok()?;
        stream.write_all(bytes.as_ref()).await.ok()?;
        let mut text = Vec::new();
        timeout(PATIENCE, stream.read_to_end(&mut text)).await.expect("the peer closes").ok();
        let text = String::from_utf8(text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Some(Told { status, head: head.to_owned(), body: body.to_owned() })
    }
}

/// Whoever asks is shown this.
#[derive(Debug)]
struct Shown(Arc<CertifiedKey>);

impl ResolvesClientCert for Shown {
    fn resolve(&self, _hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

fn builder() -> rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let versions = [&version::TLS13, &version::TLS12];
    ClientConfig::builder_with_provider(provider).with_protocol_versions(&versions).unwrap()
}

/// Runs a program to its end while the daemon of this test serves; what it has said.
pub(crate) async fn run(program: &'static str, arguments: Vec<String>) -> (bool, String) {
    let output = spawn_blocking(move || {
        Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .unwrap_or_else(|error| panic!("{program}: {error}; tests/run installs it"))
    })
    .await
    .unwrap();
    let said =
        [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned());
    (output.status.success(), said.concat())
}

/// curl, which finds every host at this address and trusts this authority.
pub(crate) async fn curl_at(
    address: SocketAddr,
    ca: PathBuf,
    arguments: &[&str],
) -> (bool, String) {
    let mut all: Vec<String> = ["-sS", "--max-time", "10", "--cacert"].map(str::to_owned).into();
    all.extend([ca.display().to_string(), "--connect-to".into(), format!("::{address}")]);
    all.extend(arguments.iter().map(|&argument| argument.to_owned()));
    run("curl", all).await
}
