//! The certificate that a client has shown in the handshake of its connection (RFC 8446 §4.4.2). That
//! it holds the key, the handshake has proved; here it is judged whose it is.

use crate::engine::certificate::{self, CertificateError, Names, Trust};
use crate::engine::event::Proven;
use crate::engine::reason::{Reason, Reject};
use crate::engine::scope::Scope;

/// Where it stands, in the words of rules.
const AT: &str = "client_certificate";

/// Ready to check.
pub(crate) struct BoundMtls {
    pub(crate) trust: Trust,
    pub(crate) names: Names,
    pub(crate) proven: Proven,
}

/// Whether the chain leads to a trusted root now, and the client is one of those that may send.
pub(crate) fn check(bound: &BoundMtls, scope: Scope<'_>) -> Result<Proven, Reject> {
    let shown = scope.reading.inbound.client_certificates;
    if shown.is_empty() {
        return Err(Reject::new(Reason::CredentialsMissing, AT));
    }
    let chain: Vec<Vec<u8>> = shown.iter().map(|der| der.to_vec()).collect();
    match certificate::leaf_of_ders(&chain, &bound.trust, scope.now, &bound.names) {
        Ok(_key) => Ok(bound.proven.clone()),
        Err(CertificateError::NotACertificate) => Err(Reject::new(Reason::CertificateRejected, AT)),
        Err(CertificateError::Rejected(flaw)) => {
            Err(Reject::new(Reason::CertificateRejected, format!("{AT}: {flaw}")))
        }
    }
}
