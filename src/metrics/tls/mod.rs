//! What is counted of TLS, and of HTTP/2 in it.

mod http2;

use std::collections::HashMap;

use prometheus::{GaugeVec, IntCounterVec, Opts, Registry};

use super::{prune, seconds};
use crate::engine::inbound::UnixSeconds;
pub use http2::{Http2End, Http2Metrics};

/// How a handshake ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Handshake {
    /// The peer went away in the middle.
    Closed,
    /// Well.
    Done,
    /// The peer broke the protocol, or could not prove that its certificate is its own.
    Failed,
    /// The peer knows no version, cipher or protocol that is spoken here.
    NoAgreement,
    /// What came is no TLS: HTTP in the clear, most likely.
    NotTls,
    /// The peer does not like our certificate, or something else.
    RefusedByPeer,
    /// Too late.
    Timeout,
}

impl Handshake {
    const ALL: [Self; 7] = [
        Self::Closed,
        Self::Done,
        Self::Failed,
        Self::NoAgreement,
        Self::NotTls,
        Self::RefusedByPeer,
        Self::Timeout,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::NoAgreement => "no_agreement",
            Self::NotTls => "not_tls",
            Self::RefusedByPeer => "refused_by_peer",
            Self::Timeout => "timeout",
        }
    }
}

/// The families of TLS.
#[derive(Clone)]
pub struct TlsMetrics {
    handshakes: IntCounterVec,
    sessions: IntCounterVec,
    expiry: GaugeVec,
    http2: Http2Metrics,
}

impl TlsMetrics {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            handshakes: IntCounterVec::new(
                Opts::new("tls_handshakes_total", "TLS handshakes by how they ended."),
                &["outcome"],
            )?,
            sessions: IntCounterVec::new(
                Opts::new("tls_sessions_total", "TLS sessions by version and protocol in them."),
                &["version", "protocol"],
            )?,
            expiry: GaugeVec::new(
                Opts::new(
                    "tls_certificate_expiry_timestamp_seconds",
                    "When a certificate that is shown, or one of its chain, ends; by its first name.",
                ),
                &["name"],
            )?,
            http2: Http2Metrics::new(registry)?,
        };
        // They begin at zero, so that a first increase is seen as one.
        for outcome in Handshake::ALL {
            metrics.handshakes.with_label_values(&[outcome.as_str()]);
        }
        registry.register(Box::new(metrics.handshakes.clone()))?;
        registry.register(Box::new(metrics.sessions.clone()))?;
        registry.register(Box::new(metrics.expiry.clone()))?;
        Ok(metrics)
    }

    /// What is counted of HTTP/2.
    pub fn http2(&self) -> &Http2Metrics {
        &self.http2
    }

    /// A handshake has ended.
    pub fn handshake(&self, outcome: Handshake) {
        self.handshakes.with_label_values(&[outcome.as_str()]).inc();
    }

    /// A session has begun. Both words are of closed lists.
    pub fn session(&self, version: &'static str, protocol: &'static str) {
        self.sessions.with_label_values(&[version, protocol]).inc();
    }

    /// These certificates are shown from now on, and no others.
    pub fn shown<'a>(&self, certificates: impl Iterator<Item = (&'a str, UnixSeconds)>) {
        let mut ends: HashMap<&str, UnixSeconds> = HashMap::new();
        for (name, end) in certificates {
            // Of two for one name, such as RSA and ECDSA, what ends first is what matters.
            ends.entry(name).and_modify(|first| *first = end.min(*first)).or_insert(end);
        }
        for (name, end) in &ends {
            self.expiry.with_label_values(&[name]).set(seconds(*end));
        }
        prune(&self.expiry, |of| ends.contains_key(of["name"]));
    }
}
