//! How upstreams are reached, with the files that the configuration refers to.

use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use zeroize::Zeroizing;

use crate::config::{self, Address, At, Reach, SecretRef, TlsVersion};
use crate::engine::secret::Secret;
use crate::live::exchanges::certificates;
use crate::live::sources::Sources;
use crate::text::problem::Problems;

/// Bytes of a Standard Webhooks secret.
const WEBHOOK_SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// How an upstream is spoken to over TLS. Two that are equal are spoken to alike.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct UpstreamTls {
    /// Trusted instead of the system's; empty: the system's are. Each can be.
    pub roots: Vec<CertificateDer<'static>>,
    /// What we show; it fits together.
    pub client: Option<Client>,
    /// The name in its certificate, if it is not the host of its URL.
    pub server_name: Option<String>,
    /// The oldest version that will do.
    pub min_version: TlsVersion,
}

/// A certificate of ours.
#[derive(Debug, Eq, PartialEq)]
pub struct Client {
    /// It, and what is between it and its authority.
    pub chain: Vec<CertificateDer<'static>>,
    /// Its key.
    pub key: PrivateKeyDer<'static>,
}

impl Clone for Client {
    fn clone(&self) -> Self {
        Self { chain: self.chain.clone(), key: self.key.clone_key() }
    }
}

/// Sockets are relative to the configuration's folder.
pub(super) fn based(reach: &Reach, base: &Path) -> Reach {
    let addresses = reach.addresses.iter().map(|address| match address {
        Address::Unix(path) => Address::Unix(base.join(path)),
        Address::Ip(_) | Address::Name { .. } => address.clone(),
    });
    Reach { addresses: addresses.collect(), ..reach.clone() }
}

/// What cannot be had is a problem of the configuration: whoever names it relies on it.
pub(super) fn tls(
    config: &config::UpstreamTls,
    base: &Path,
    sources: &mut Sources,
    problems: &mut Problems,
) -> UpstreamTls {
    let config::UpstreamTls { roots, client, server_name, min_version } = config;
    let roots = roots.as_ref().and_then(|At { value, place }| {
        let roots = certificates(value, base, sources).map_err(|why| {
            let help = "a PEM file with the certificates of the authorities to trust";
            problems.add_with_help(*place, format!("`roots`: {why}"), help);
        });
        roots.ok()
    });
    let client = client.as_ref().and_then(|(chain, key)| {
        let found = certificates(&chain.value, base, sources).map_err(|why| {
            let help = "a PEM file with the certificate, then those between it and its authority";
            problems.add_with_help(chain.place, format!("`chain`: {why}"), help);
        });
        let key_found = private_key(&key.value, base, sources).map_err(|why| {
            let help = "a PEM file with the private key of the certificate";
            problems.add_with_help(key.place, format!("`key`: {why}"), help);
        });
        let client = Client { chain: found.ok()?, key: key_found.ok()? };
        if let Err(why) = fits(&client) {
            problems.add_with_help(key.place, why, "name the key that the certificate is for");
            return None;
        }
        Some(client)
    });
    UpstreamTls {
        roots: roots.unwrap_or_default(),
        client,
        server_name: server_name.clone(),
        min_version: *min_version,
    }
}

fn private_key(
    from: &SecretRef,
    base: &Path,
    sources: &mut Sources,
) -> Result<PrivateKeyDer<'static>, String> {
    let pem = sources.secret(base, from)?;
    PrivateKeyDer::from_pem_slice(pem.expose()).map_err(|_| "there is no key in PEM".to_owned())
}

/// Whether the key is the certificate's.
fn fits(client: &Client) -> Result<(), &'static str> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let Client { chain, key } = client;
    match CertifiedKey::from_der(chain.clone(), key.clone_key(), &provider) {
        Ok(_) => Ok(()),
        Err(rustls::Error::InconsistentKeys(_)) => Err("the key is not that of the certificate"),
        Err(_) => Err("the key is of no kind that can be used"),
    }
}

/// The key of a Standard Webhooks secret: `whsec_` and Base64, or plain Base64.
pub(super) fn webhook_secret(text: &Secret) -> Option<Secret> {
    let text = text.expose().trim_ascii();
    let text = text.strip_prefix(b"whsec_").unwrap_or(text);
    let decoded = STANDARD.decode(text).or_else(|_| STANDARD_NO_PAD.decode(text)).ok()?;
    let decoded = Zeroizing::new(decoded);
    WEBHOOK_SECRET_BYTES.contains(&decoded.len()).then(|| Secret::new(decoded.to_vec()))
}
