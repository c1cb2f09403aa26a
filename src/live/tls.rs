//! What the listeners that speak TLS show and accept, ready for a handshake.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature,
    verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, ProducesTickets, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{
    DigitallySignedStruct, DistinguishedName, Error, ServerConfig, SignatureScheme, version,
};

use crate::config::{self, ClientCertificates, TlsVersion};
use crate::live::certificates::{self, Pair};
use crate::live::sources::Sources;
use crate::text::problem::{Place, Problem, Problems};

/// Protocols by their names in ALPN.
pub const HTTP_2: &[u8] = b"h2";
const HTTP_1: &[u8] = b"http/1.1";

/// What is shown and accepted, built whole and never changed.
pub struct Tls {
    pairs: Vec<Arc<Pair>>,
    asking: Arc<ServerConfig>,
    ignoring: Arc<ServerConfig>,
}

impl Tls {
    /// What a handshake goes by.
    pub fn handshake(&self, certificates: ClientCertificates) -> &Arc<ServerConfig> {
        match certificates {
            ClientCertificates::Ask => &self.asking,
            ClientCertificates::Ignore => &self.ignoring,
        }
    }

    /// Every certificate, in the order of the configuration.
    pub fn pairs(&self) -> &[Arc<Pair>] {
        &self.pairs
    }
}

/// What clients keep to shorten their next handshake, and the keys of it. They outlive reloads: a
/// renewal costs nobody a full handshake. Those who were asked for a certificate have their own, so
/// that nobody comes back by a ticket of a listener that did not ask.
pub(super) struct Tickets {
    asking: Arc<dyn ProducesTickets>,
    ignoring: Arc<dyn ProducesTickets>,
}

impl Tickets {
    fn new() -> Result<Self, Error> {
        Ok(Self { asking: aws_lc_rs::Ticketer::new()?, ignoring: aws_lc_rs::Ticketer::new()? })
    }
}

/// What there is of TLS before a snapshot is built.
pub(super) struct Before<'a> {
    /// What is active.
    pub(super) active: Option<&'a Tls>,
    pub(super) tickets: &'a mut Option<Tickets>,
    /// What was left as it was, because it is broken now.
    pub(super) stale: &'a mut Problems,
}

/// A pair that is broken stays as it was; if it was not there, it is a problem.
pub(super) fn tls(
    config: &config::Tls,
    before: Before<'_>,
    base: &Path,
    sources: &mut Sources,
    problems: &mut Problems,
) -> Option<Arc<Tls>> {
    let Before { active, tickets, stale } = before;
    let mut pairs: Vec<Arc<Pair>> = Vec::with_capacity(config.certificates.len());
    for from in &config.certificates {
        match certificates::read(from, base, sources) {
            Ok(pair) => {
                if pair.has_no_name() && !pairs.is_empty() {
                    let what = "this certificate has no DNS name, so nobody can ask for it";
                    let help = "put it first: the first one is shown to who asks for no name";
                    problems.add_with_help(from.chain.place, what, help);
                }
                pairs.push(Arc::new(pair));
            }
            Err(problem) => {
                let old = active.and_then(|tls| tls.pairs.iter().find(|pair| pair.is_of(from)));
                match old {
                    Some(old) => {
                        pairs.push(Arc::clone(old));
                        stale.push(problem);
                    }
                    None => problems.push(problem),
                }
            }
        }
    }
    if tickets.is_none() {
        *tickets = Tickets::new().map_err(|error| problems.push(cannot(&error))).ok();
    }
    let tickets = tickets.as_ref()?;
    let server = |asks, tickets: &Arc<dyn ProducesTickets>| server(config, &pairs, asks, tickets);
    let both = server(ClientCertificates::Ask, &tickets.asking)
        .and_then(|asking| Ok((asking, server(ClientCertificates::Ignore, &tickets.ignoring)?)));
    match both {
        Ok((asking, ignoring)) => Some(Arc::new(Tls { pairs, asking, ignoring })),
        Err(error) => {
            problems.push(cannot(&error));
            None
        }
    }
}

/// The machine has no random numbers, or the like.
fn cannot(error: &Error) -> Problem {
    let top = Place { line: 1, column: 1, len: 1 };
    Problem::new(top, format!("TLS cannot be set up: {error}")).sensitive()
}

fn server(
    config: &config::Tls,
    pairs: &[Arc<Pair>],
    asks: ClientCertificates,
    tickets: &Arc<dyn ProducesTickets>,
) -> Result<Arc<ServerConfig>, Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let versions = match config.min_version {
        TlsVersion::V12 => &[&version::TLS13, &version::TLS12][..],
        TlsVersion::V13 => &[&version::TLS13],
    };
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)?;
    let builder = match asks {
        ClientCertificates::Ask => {
            builder.with_client_cert_verifier(Arc::new(Possession::of(&provider)))
        }
        ClientCertificates::Ignore => builder.with_no_client_auth(),
    };
    let mut server = builder.with_cert_resolver(Arc::new(Shown { pairs: pairs.to_vec() }));
    server.alpn_protocols =
        if config.http2 { vec![HTTP_2.to_vec(), HTTP_1.to_vec()] } else { vec![HTTP_1.to_vec()] };
    server.ticketer = Arc::clone(tickets);
    Ok(Arc::new(server))
}

/// Chooses the certificate for a client.
struct Shown {
    pairs: Vec<Arc<Pair>>,
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.pairs.iter().map(|pair| pair.name())).finish()
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let schemes = hello.signature_schemes();
        let found = hello.server_name().and_then(|name| {
            let name = name.to_ascii_lowercase();
            self.choose(schemes, |pair| pair.is_for(&name))
                .or_else(|| self.choose(schemes, |pair| pair.is_wild_for(&name)))
        });
        found.or(self.pairs.first()).map(|pair| Arc::clone(&pair.key))
    }
}

impl Shown {
    /// The first one that is wanted and that the client can verify; else the first that is wanted.
    fn choose(
        &self,
        schemes: &[SignatureScheme],
        is_wanted: impl Fn(&Pair) -> bool,
    ) -> Option<&Arc<Pair>> {
        let wanted = || self.pairs.iter().filter(|pair| is_wanted(pair));
        wanted().find(|pair| pair.key.key.choose_scheme(schemes).is_some()).or(wanted().next())
    }
}

/// Whoever shows a certificate holds its key: that is all that a handshake looks at. Whom it names,
/// who has issued it and until when it holds is judged later, by the rule of a route.
#[derive(Debug)]
struct Possession(WebPkiSupportedAlgorithms);

impl Possession {
    fn of(provider: &CryptoProvider) -> Self {
        Self(provider.signature_verification_algorithms)
    }
}

impl ClientCertVerifier for Possession {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    /// None: clients that choose by these would choose by all routes together.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}
