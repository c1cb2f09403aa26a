//! Certificates (RFC 5280) of signing keys that a gateway sends along or has at an address, up to
//! roots that the operator trusts. Whether one was revoked is not asked: nothing here asks anybody.

mod client;
mod trust;

use std::cell::Cell;
use std::time::Duration;

use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm, UnixTime};
use webpki::{EndEntityCert, ExtendedKeyUsageValidator, KeyPurposeIdIter, KeyUsage, VerifiedPath};
use x509_cert::Certificate;
use x509_cert::der::Decode as _;
use x509_cert::der::asn1::{ObjectIdentifier, PrintableStringRef, Utf8StringRef};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use crate::engine::inbound::UnixSeconds;
use crate::engine::pem;

pub use client::ClientName;
pub use trust::Trust;

/// Bytes of a document; three certificates of long keys have a tenth of this.
pub const DOCUMENT_BYTES_MAX: usize = 64 * 1024;

/// Certificates in a document, and in a chain from the leaf to the root, both counted.
pub const CHAIN_MAX: usize = 6;

const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

/// How certificates may be signed: nothing with SHA-1, no RSA key below 2048 bits. How a root is
/// signed does not matter.
static SIGNED_BY: &[&dyn SignatureVerificationAlgorithm] = &[
    webpki::aws_lc_rs::ECDSA_P256_SHA256,
    webpki::aws_lc_rs::ECDSA_P256_SHA384,
    webpki::aws_lc_rs::ECDSA_P256_SHA512,
    webpki::aws_lc_rs::ECDSA_P384_SHA256,
    webpki::aws_lc_rs::ECDSA_P384_SHA384,
    webpki::aws_lc_rs::ECDSA_P384_SHA512,
    webpki::aws_lc_rs::ECDSA_P521_SHA256,
    webpki::aws_lc_rs::ECDSA_P521_SHA384,
    webpki::aws_lc_rs::ECDSA_P521_SHA512,
    webpki::aws_lc_rs::ED25519,
    webpki::aws_lc_rs::RSA_PKCS1_2048_8192_SHA256,
    webpki::aws_lc_rs::RSA_PKCS1_2048_8192_SHA384,
    webpki::aws_lc_rs::RSA_PKCS1_2048_8192_SHA512,
    webpki::aws_lc_rs::RSA_PSS_2048_8192_SHA256_LEGACY_KEY,
    webpki::aws_lc_rs::RSA_PSS_2048_8192_SHA384_LEGACY_KEY,
    webpki::aws_lc_rs::RSA_PSS_2048_8192_SHA512_LEGACY_KEY,
];

/// Whose key it must be: what tells the gateway's leaf from every other leaf under its root.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Names {
    /// One of these is among the names of the leaf; of none, any leaf will do. A leaf or an issuer
    /// that is restricted to certain uses must allow TLS clients.
    Clients(Vec<ClientName>),
    /// The leaf has exactly one common name, this one, letter for letter; and the same name among
    /// its DNS names, which is where authorities check a name and where constraints bear on it.
    /// A leaf or an issuer that is restricted to certain uses must allow TLS servers.
    CommonName(String),
    /// This DNS name is among those of the leaf, in any letter case, not as a wildcard. The same
    /// about uses.
    DnsName(String),
    /// The leaf and the certificate above it have these extensions, whatever they say (Apple). The
    /// certificate above is no root.
    Extensions {
        /// In the leaf.
        leaf: Oid,
        /// In the certificate above it.
        issuer: Oid,
    },
}

/// An object identifier.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Oid(ObjectIdentifier);

impl Oid {
    /// Reads `1.2.840.113635.100.6.11.1`.
    pub fn parse(dotted: &str) -> Option<Self> {
        ObjectIdentifier::new(dotted).ok().map(Self)
    }
}

/// Why there is no key.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum CertificateError {
    /// The document holds no certificates: something else was served in their place. Fetching it
    /// again may help.
    #[error("not PEM of certificates: something else was served in their place")]
    NotACertificate,
    /// There are certificates, and they are not acceptable.
    #[error("{0}")]
    Rejected(Flaw),
}

/// What is wrong with a chain. Of several things, one.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Flaw {
    /// The time is past the end of a certificate's validity.
    #[error("a certificate of the chain has expired")]
    Expired,
    /// An issuer is no authority, or not for a chain of this length, or not for signing certificates.
    #[error("an issuer in the chain may not issue what is below it")]
    IssuerNotAllowed,
    /// The leaf is itself an authority.
    #[error("the leaf is the certificate of an authority")]
    LeafIsAuthority,
    /// The time is before the begin of a certificate's validity.
    #[error("a certificate of the chain is not valid yet")]
    NotYetValid,
    /// More than [`CHAIN_MAX`], or more ways to build a chain than will be tried.
    #[error("more than {CHAIN_MAX} certificates")]
    TooMany,
    /// Not X.509, or with a critical extension that is not known here.
    #[error("a certificate cannot be read")]
    Unreadable,
    /// No chain of good signatures leads to a trusted root.
    #[error("no chain leads to a trusted root")]
    Untrusted,
    /// Restricted to uses that are not this one.
    #[error("a certificate of the chain is for another use")]
    WrongUse,
    /// Not whom the rule names.
    #[error("the leaf is for another name")]
    WrongName,
}

/// The key of the leaf of a document: PEM, the leaf first, perhaps with intermediates after it.
/// `SubjectPublicKeyInfo` in DER, for [`PublicKey::from_der`].
///
/// [`PublicKey::from_der`]: crate::engine::signature::PublicKey::from_der
pub fn leaf_of_pem(
    document: &[u8],
    trust: &Trust,
    at: UnixSeconds,
    names: &Names,
) -> Result<Vec<u8>, CertificateError> {
    let not_a_certificate = CertificateError::NotACertificate;
    if document.len() > DOCUMENT_BYTES_MAX {
        return Err(not_a_certificate);
    }
    let blocks = pem::blocks(document).ok_or(not_a_certificate)?;
    if blocks.iter().any(|block| block.label != "CERTIFICATE") {
        return Err(not_a_certificate);
    }
    let chain: Vec<Vec<u8>> = blocks.into_iter().map(|block| block.der).collect();
    leaf_of_ders(&chain, trust, at, names)
}

/// The same for certificates in DER, the leaf first (`x5c`, RFC 7515 §4.1.6).
pub fn leaf_of_ders(
    chain: &[Vec<u8>],
    trust: &Trust,
    at: UnixSeconds,
    names: &Names,
) -> Result<Vec<u8>, CertificateError> {
    leaf(chain, trust, at, names).map_err(CertificateError::Rejected)
}

fn leaf(chain: &[Vec<u8>], trust: &Trust, at: UnixSeconds, names: &Names) -> Result<Vec<u8>, Flaw> {
    let bytes: usize = chain.iter().map(Vec::len).sum();
    if chain.len() > CHAIN_MAX || bytes > DOCUMENT_BYTES_MAX {
        return Err(Flaw::TooMany);
    }
    let (first, others) = chain.split_first().ok_or(Flaw::Unreadable)?;
    let seconds = u64::try_from(at).map_err(|_| Flaw::NotYetValid)?;
    let time = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    let der = CertificateDer::from(first.as_slice());
    let end_entity = EndEntityCert::try_from(&der).map_err(|error| flaw_of(&error))?;
    let read = Certificate::from_der(first).map_err(|_| Flaw::Unreadable)?;
    let others = others.iter().map(|der| CertificateDer::from(der.as_slice()));
    let intermediates: Vec<CertificateDer<'_>> =
        others.chain(trust.intermediates().iter().cloned()).collect();

    // A chain that is refused here makes the search go on; what it was refused for is the best that
    // can be said if no other is found.
    let refused = Cell::new(None);
    let check = |path: &VerifiedPath<'_>| {
        check_path(path, trust, seconds, names).map_err(|flaw| {
            refused.set(Some(flaw));
            webpki::Error::UnknownIssuer
        })
    };
    let _path = end_entity
        .verify_for_usage(
            SIGNED_BY,
            trust.anchors(),
            &intermediates,
            time,
            Use::of(names),
            None,
            Some(&check),
        )
        .map_err(|error| refused.get().unwrap_or_else(|| flaw_of(&error)))?;
    check_leaf(&read, names)?;
    Ok(end_entity.subject_public_key_info().to_vec())
}

/// What webpki leaves open: it takes a root for a name and a key, whatever else it says, and does
/// not look at `keyUsage`.
fn check_path(path: &VerifiedPath<'_>, trust: &Trust, at: u64, names: &Names) -> Result<(), Flaw> {
    let mut issuers = Vec::new();
    for issuer in path.intermediate_certificates() {
        let read = Certificate::from_der(&issuer.der()).map_err(|_| Flaw::Unreadable)?;
        if !trust::may_sign_certificates(&read) {
            return Err(Flaw::IssuerNotAllowed);
        }
        issuers.push(read);
    }
    if issuers.len() + 2 > CHAIN_MAX {
        return Err(Flaw::TooMany);
    }
    trust.check_root(path.anchor(), at, issuers.len())?;
    match names {
        Names::Extensions { issuer, .. } => {
            let found = issuers.first().is_some_and(|read| has_extension(read, *issuer));
            if found { Ok(()) } else { Err(Flaw::WrongName) }
        }
        Names::Clients(_) | Names::CommonName(_) | Names::DnsName(_) => Ok(()),
    }
}

fn check_leaf(leaf: &Certificate, names: &Names) -> Result<(), Flaw> {
    let is_right = match names {
        Names::Clients(wanted) => client::has_one(leaf, wanted)?,
        Names::CommonName(name) => {
            let has_dns_name = dns_names(leaf)?.iter().any(|found| found == name);
            has_dns_name && is_only_common_name(leaf, name)
        }
        Names::DnsName(name) => {
            dns_names(leaf)?.iter().any(|found| found.eq_ignore_ascii_case(name))
        }
        Names::Extensions { leaf: oid, .. } => has_extension(leaf, *oid),
    };
    if is_right { Ok(()) } else { Err(Flaw::WrongName) }
}

fn has_extension(certificate: &Certificate, oid: Oid) -> bool {
    let extensions = certificate.tbs_certificate().extensions();
    extensions.is_some_and(|found| found.iter().any(|extension| extension.extn_id == oid.0))
}

fn is_only_common_name(certificate: &Certificate, name: &str) -> bool {
    let attributes = certificate.tbs_certificate().subject().iter();
    let mut found = attributes.filter(|attribute| attribute.oid == COMMON_NAME);
    let (Some(only), None) = (found.next(), found.next()) else { return false };
    let printable = only.value.decode_as::<PrintableStringRef<'_>>();
    let utf8 = only.value.decode_as::<Utf8StringRef<'_>>();
    printable.is_ok_and(|text| text.as_str() == name)
        || utf8.is_ok_and(|text| text.as_str() == name)
}

fn dns_names(certificate: &Certificate) -> Result<Vec<String>, Flaw> {
    let names = certificate.tbs_certificate().get_extension::<SubjectAltName>();
    let names = names.map_err(|_| Flaw::Unreadable)?.map(|(_critical, names)| names.0);
    let dns_name = |name| match name {
        GeneralName::DnsName(text) => Some(text.to_string()),
        _ => None,
    };
    Ok(names.into_iter().flatten().filter_map(dns_name).collect())
}

/// What the certificates of a chain must allow to be used for, if they restrict it.
enum Use {
    /// Of senders.
    Clients,
    /// Names are those of servers, and checked by authorities in certificates for servers only.
    Servers,
    Any,
}

impl Use {
    fn of(names: &Names) -> Self {
        match names {
            Names::Clients(_) => Self::Clients,
            Names::CommonName(_) | Names::DnsName(_) => Self::Servers,
            Names::Extensions { .. } => Self::Any,
        }
    }
}

impl ExtendedKeyUsageValidator for Use {
    fn validate(&self, uses: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        match self {
            Self::Clients => KeyUsage::client_auth().validate(uses),
            Self::Servers => KeyUsage::server_auth().validate(uses),
            Self::Any => Ok(()),
        }
    }
}

fn flaw_of(error: &webpki::Error) -> Flaw {
    use webpki::Error;
    match error {
        Error::CertExpired { .. } | Error::InvalidCertValidity => Flaw::Expired,
        Error::CertNotValidYet { .. } => Flaw::NotYetValid,
        Error::CaUsedAsEndEntity => Flaw::LeafIsAuthority,
        Error::EndEntityUsedAsCa
        | Error::NameConstraintViolation
        | Error::PathLenConstraintViolated => Flaw::IssuerNotAllowed,
        Error::RequiredEkuNotFoundContext(_) | Error::EmptyEkuExtension => Flaw::WrongUse,
        Error::MaximumPathDepthExceeded
        | Error::MaximumPathBuildCallsExceeded
        | Error::MaximumSignatureChecksExceeded
        | Error::MaximumNameConstraintComparisonsExceeded => Flaw::TooMany,
        Error::UnknownIssuer
        | Error::CertDistrusted
        | Error::InvalidSignatureForPublicKey
        | Error::UnsupportedSignatureAlgorithmContext(_)
        | Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => Flaw::Untrusted,
        // The list is not closed. The rest is about how a certificate is written.
        _ => Flaw::Unreadable,
    }
}

#[cfg(test)]
mod tests;
