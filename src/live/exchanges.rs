//! How gateways are asked, with the certificates that the configuration refers to.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::config::{self, At, Host, SecretRef};
use crate::live::sources::Sources;
use crate::text::problem::Problems;

/// How gateways are asked what a rule must know. Two that are equal ask alike.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Exchanges {
    /// Until a connection stands: name, TCP and TLS.
    pub connect_timeout: Duration,
    /// The whole exchange.
    pub timeout: Duration,
    /// Bytes of an answer's body; a longer one is no answer.
    pub answer_bytes_max: usize,
    /// Exchanges under way at a time, over all hosts.
    pub in_flight_max: usize,
    /// Hosts that are asked at this address instead of by DNS.
    pub addresses: BTreeMap<Host, SocketAddr>,
    /// Hosts that may be at private addresses.
    pub private: BTreeSet<Host>,
    /// Trusted beside those of the system; each can be.
    pub roots: Vec<CertificateDer<'static>>,
}

/// Roots that cannot be had are a problem of the configuration: whoever names them relies on them.
pub(super) fn exchanges(
    config: &config::Exchanges,
    base: &Path,
    sources: &mut Sources,
    problems: &mut Problems,
) -> Arc<Exchanges> {
    let config::Exchanges {
        connect_timeout,
        timeout,
        answer_bytes_max,
        in_flight_max,
        addresses,
        private,
        roots,
    } = config;
    let roots = roots.as_ref().map_or(Ok(Vec::new()), |At { value, place }| {
        certificates(value, base, sources).map_err(|why| {
            let help = "a PEM file with the certificates of the authorities to trust";
            problems.add_with_help(*place, format!("`roots`: {why}"), help);
        })
    });
    Arc::new(Exchanges {
        connect_timeout: *connect_timeout,
        timeout: *timeout,
        answer_bytes_max: *answer_bytes_max,
        in_flight_max: *in_flight_max,
        addresses: addresses.clone(),
        private: private.clone(),
        roots: roots.unwrap_or_default(),
    })
}

/// At least one; no error shows what was read.
pub(super) fn certificates(
    from: &SecretRef,
    base: &Path,
    sources: &mut Sources,
) -> Result<Vec<CertificateDer<'static>>, String> {
    let pem = sources.secret(base, from)?;
    let mut certificates = Vec::new();
    for (number, certificate) in (1..).zip(CertificateDer::pem_slice_iter(pem.expose())) {
        let unreadable = || format!("certificate {number} cannot be read");
        let certificate = certificate.map_err(|_| unreadable())?;
        RootCertStore::empty().add(certificate.clone()).map_err(|_| unreadable())?;
        certificates.push(certificate);
    }
    if certificates.is_empty() {
        return Err("there is no certificate in PEM".to_owned());
    }
    Ok(certificates)
}
