//! The roots, and the intermediates that a sender may leave out.

use std::ops::RangeInclusive;

use rustls_pki_types::{CertificateDer, TrustAnchor};
use x509_cert::Certificate;
use x509_cert::der::Decode as _;
use x509_cert::ext::pkix::{BasicConstraints, KeyUsage};

use crate::engine::certificate::Flaw;
use crate::engine::pem;

/// Roots, or intermediates. The bundles of browsers have half as many.
pub(super) const TRUSTED_MAX: usize = 300;

/// What a chain must lead to.
pub struct Trust {
    anchors: Vec<TrustAnchor<'static>>,
    /// One for each anchor.
    limits: Vec<Limits>,
    intermediates: Vec<CertificateDer<'static>>,
}

/// What a root says about itself.
struct Limits {
    /// Unix seconds.
    valid: RangeInclusive<u64>,
    /// Intermediates below it, at most.
    path_len: Option<usize>,
}

impl Trust {
    /// Reads texts in PEM, each with one or several certificates. At least one root. The error says
    /// what was expected.
    pub fn from_pem<'t>(
        roots: impl IntoIterator<Item = &'t [u8]>,
        intermediates: impl IntoIterator<Item = &'t [u8]>,
    ) -> Result<Self, String> {
        let (mut anchors, mut limits) = (Vec::new(), Vec::new());
        for (der, read) in certificates(roots, "root")? {
            let constraints = authority(&read, "root")?;
            let validity = read.tbs_certificate().validity();
            let from = validity.not_before.to_unix_duration().as_secs();
            let until = validity.not_after.to_unix_duration().as_secs();
            let path_len = constraints.path_len_constraint.map(usize::from);
            let anchor = webpki::anchor_from_trusted_cert(&der);
            anchors.push(anchor.map_err(|_| not_x509("root"))?.to_owned());
            limits.push(Limits { valid: from..=until, path_len });
        }
        if anchors.is_empty() {
            return Err("expected at least one root certificate".to_owned());
        }
        let intermediates = certificates(intermediates, "intermediate")?
            .into_iter()
            .map(|(der, read)| authority(&read, "intermediate").map(|_| der))
            .collect::<Result<_, _>>()?;
        Ok(Self { anchors, limits, intermediates })
    }

    pub(super) fn anchors(&self) -> &[TrustAnchor<'static>] {
        &self.anchors
    }

    pub(super) fn intermediates(&self) -> &[CertificateDer<'static>] {
        &self.intermediates
    }

    /// Whether one of the roots with that name and key is valid `at` that time, for that many
    /// intermediates.
    pub(super) fn check_root(
        &self,
        anchor: &TrustAnchor<'_>,
        at: u64,
        intermediates: usize,
    ) -> Result<(), Flaw> {
        let mut result = Err(Flaw::Untrusted);
        for (known, Limits { valid, path_len }) in self.anchors.iter().zip(&self.limits) {
            if known != anchor {
                continue;
            }
            result = if at < *valid.start() {
                Err(Flaw::NotYetValid)
            } else if at > *valid.end() {
                Err(Flaw::Expired)
            } else if path_len.is_some_and(|most| intermediates > most) {
                Err(Flaw::IssuerNotAllowed)
            } else {
                return Ok(());
            };
        }
        result
    }
}

/// `keyUsage` of an issuer, if it has any, names the signing of certificates (RFC 5280 §4.2.1.3).
pub(super) fn may_sign_certificates(certificate: &Certificate) -> bool {
    let usage = certificate.tbs_certificate().get_extension::<KeyUsage>();
    usage.is_ok_and(|usage| usage.is_none_or(|(_critical, usage)| usage.key_cert_sign()))
}

fn certificates<'t>(
    texts: impl IntoIterator<Item = &'t [u8]>,
    what: &str,
) -> Result<Vec<(CertificateDer<'static>, Certificate)>, String> {
    let mut found = Vec::new();
    for text in texts {
        let blocks = pem::blocks(text)
            .filter(|blocks| blocks.iter().all(|block| block.label == "CERTIFICATE"));
        let blocks = blocks.ok_or_else(|| {
            format!("expected {what} certificates in PEM: -----BEGIN CERTIFICATE-----")
        })?;
        for block in blocks {
            let read = Certificate::from_der(&block.der).map_err(|_| not_x509(what))?;
            found.push((CertificateDer::from(block.der), read));
            if found.len() > TRUSTED_MAX {
                return Err(format!("expected at most {TRUSTED_MAX} {what} certificates"));
            }
        }
    }
    Ok(found)
}

/// The certificate is one of an authority that may sign others.
fn authority(certificate: &Certificate, what: &str) -> Result<BasicConstraints, String> {
    let constraints = certificate.tbs_certificate().get_extension::<BasicConstraints>();
    let constraints = constraints.ok().flatten().map(|(_critical, constraints)| constraints);
    let authority = constraints.filter(|found| found.ca && may_sign_certificates(certificate));
    authority.ok_or_else(|| {
        format!("expected {what} certificates of authorities: CA is not TRUE in one of them")
    })
}

fn not_x509(what: &str) -> String {
    format!("expected {what} certificates: a CERTIFICATE block holds no X.509 certificate")
}
