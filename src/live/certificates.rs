//! Certificates that listeners show, with their keys: read from files that somebody else replaces,
//! one after the other.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SigningKey};
use x509_cert::Certificate;
use x509_cert::der::Decode as _;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;
use zeroize::Zeroize as _;

use crate::config::{At, CertificatePair, SecretRef};
use crate::engine::inbound::UnixSeconds;
use crate::engine::pem;
use crate::live::sources::Sources;
use crate::text::problem::Problem;

/// Certificates of a chain; a root that is sent along is one of them.
const CHAIN_MAX: usize = 10;

/// DNS names of a certificate. Authorities issue them with a hundred.
const NAMES_MAX: usize = 1000;

/// A certificate that can be shown, and when it ends.
pub struct Pair {
    /// Where it was read, to know it again.
    from: CertificatePair,
    /// Lower case; wildcards begin with `*.`.
    names: Vec<String>,
    expires_at: UnixSeconds,
    pub(super) key: Arc<CertifiedKey>,
}

impl Pair {
    /// Its first DNS name, for metrics; `none` where it has none.
    pub fn name(&self) -> &str {
        self.names.first().map_or("none", String::as_str)
    }

    /// Nobody can ask for it.
    pub(super) fn has_no_name(&self) -> bool {
        self.names.is_empty()
    }

    /// When the first certificate of its chain ends.
    pub fn expires_at(&self) -> UnixSeconds {
        self.expires_at
    }

    /// Whether this name, in lower case, is one of its names.
    pub(super) fn is_for(&self, name: &str) -> bool {
        self.names.iter().any(|found| found == name)
    }

    /// Whether one of its wildcards stands for this name, in lower case.
    pub(super) fn is_wild_for(&self, name: &str) -> bool {
        let parent = name.split_once('.').map(|(_, parent)| parent);
        let wild = |found: &String| found.strip_prefix("*.").is_some_and(|of| Some(of) == parent);
        self.names.iter().any(wild)
    }

    /// Whether it was read from these files.
    pub(super) fn is_of(&self, from: &CertificatePair) -> bool {
        let CertificatePair { chain, key } = from;
        self.from.chain.value == chain.value && self.from.key.value == key.value
    }
}

/// Reads a pair, or says what is wrong with it and where. Nothing of a key is ever said.
pub(super) fn read(
    from: &CertificatePair,
    base: &Path,
    sources: &mut Sources,
) -> Result<Pair, Problem> {
    let CertificatePair { chain: At { value: chain_at, place }, key: key_at } = from;
    let bad = |why: String| {
        let help = "a PEM file that begins with the certificate and goes on with its issuer: \
                    `fullchain.pem`";
        Problem::new(*place, format!("certificate {}: {why}", of(chain_at))).help(help).sensitive()
    };
    // The key is read even where the chain is broken: both files are to be watched.
    let (text, key) = (sources.secret(base, chain_at), key(key_at, base, sources));
    let chain = chain(text.map_err(bad)?.expose()).map_err(bad)?;
    let key = key?;
    let Chain { ders, names, expires_at } = chain;
    let key = CertifiedKey::new(ders, key);
    key.keys_match().map_err(|_| {
        let what = format!(
            "key {}: it is not the key of the certificate {}",
            of(&key_at.value),
            of(chain_at)
        );
        let help = "both files of a pair are replaced at a renewal; if one is still the old one, \
                    replace it, too";
        Problem::new(key_at.place, what).help(help).sensitive()
    })?;
    Ok(Pair { from: from.clone(), names, expires_at, key: Arc::new(key) })
}

/// Where something is kept, as the configuration has it.
fn of(reference: &SecretRef) -> String {
    match reference {
        SecretRef::Env(name) => format!("env:{name}"),
        SecretRef::File(path) => format!("file:{}", path.display()),
    }
}

struct Chain {
    ders: Vec<CertificateDer<'static>>,
    names: Vec<String>,
    expires_at: UnixSeconds,
}

fn chain(text: &[u8]) -> Result<Chain, String> {
    let blocks = pem::blocks(text).ok_or("it is not PEM, or cut off in the middle")?;
    if let Some(other) = blocks.iter().find(|block| block.label != "CERTIFICATE") {
        return Err(format!(
            "there is a `{}` in it, and only certificates belong here",
            other.label
        ));
    }
    if blocks.len() > CHAIN_MAX {
        return Err(format!("there are more than {CHAIN_MAX} certificates in it"));
    }
    let mut read = Vec::with_capacity(blocks.len());
    for (number, block) in (1..).zip(&blocks) {
        let unreadable = |_| format!("its certificate {number} is not X.509");
        read.push(Certificate::from_der(&block.der).map_err(unreadable)?);
    }
    for (number, pair) in (2..).zip(read.windows(2)) {
        let [below, above] = pair else { continue };
        if below.tbs_certificate().issuer() != above.tbs_certificate().subject() {
            let before = number - 1;
            return Err(format!("its certificate {number} is not the issuer of number {before}"));
        }
    }
    let ends = read.iter().map(|one| one.tbs_certificate().validity().not_after);
    let ends = ends.map(|end| end.to_unix_duration().as_secs()).min().unwrap_or_default();
    Ok(Chain {
        names: read.first().map_or(Ok(Vec::new()), names)?,
        expires_at: UnixSeconds::try_from(ends).unwrap_or(UnixSeconds::MAX),
        ders: blocks.into_iter().map(|block| CertificateDer::from(block.der)).collect(),
    })
}

fn names(leaf: &Certificate) -> Result<Vec<String>, String> {
    let found = leaf.tbs_certificate().get_extension::<SubjectAltName>();
    let found = found.map_err(|_| "its alternative names cannot be read")?;
    let names = found.map_or(Vec::new(), |(_critical, names)| names.0);
    if names.len() > NAMES_MAX {
        return Err(format!("it has more than {NAMES_MAX} names"));
    }
    let dns = |name| match name {
        GeneralName::DnsName(name) => Some(name.as_str().to_ascii_lowercase()),
        _ => None,
    };
    Ok(names.into_iter().filter_map(dns).collect())
}

fn key(
    at: &At<SecretRef>,
    base: &Path,
    sources: &mut Sources,
) -> Result<Arc<dyn SigningKey>, Problem> {
    let bad = |why: String| {
        let help = "a PEM file with the private key alone: RSA of 2048 bits or more, ECDSA (P-256, \
                    P-384, P-521) or Ed25519";
        Problem::new(at.place, format!("key {}: {why}", of(&at.value))).help(help).sensitive()
    };
    let text = sources.secret(base, &at.value).map_err(bad)?;
    let Ok(mut der) = PrivateKeyDer::from_pem_slice(text.expose()) else {
        let why = "there is no private key in PEM in it, or it is cut off, or it has a passphrase";
        return Err(bad(why.to_owned()));
    };
    let key = any_supported_type(&der);
    der.zeroize();
    key.map_err(|_| bad("it is of a kind that cannot be used".to_owned()))
}
