//! `tls`, what listeners say of it, and the limits of HTTP/2.

use std::time::Duration;

use crate::config::compile::{bounded, duration, text};
use crate::config::store::referred;
use crate::config::{At, CertificatePair, ClientCertificates, Http2, SecretRef, Tls, TlsVersion};
use crate::text::node::Node;
use crate::text::problem::Problems;

/// Each is a metrics label.
const CERTIFICATES_MAX: usize = 100;

/// How a listener speaks TLS; `None`: it does not.
pub(super) fn of_listener(node: &Node, problems: &mut Problems) -> Option<ClientCertificates> {
    let asks = node.get("client_certificates");
    if node.get("tls").and_then(Node::as_bool) != Some(true) {
        if let Some(asks) = asks {
            let what = "only a listener that speaks TLS knows certificates of clients";
            problems.add_with_help(asks.place, what, "add `tls: true` to the listener");
        }
        return None;
    }
    Some(match asks.and_then(Node::as_text) {
        Some("ask") => ClientCertificates::Ask,
        _ => ClientCertificates::Ignore,
    })
}

/// The limits of HTTP/2, among those of the listeners.
pub(super) fn http2(limits: Option<&Node>) -> Http2 {
    let count = |key, default| {
        let count = limits.and_then(|limits| limits.get(key)?.as_integer());
        count.and_then(|count| u32::try_from(count).ok()).unwrap_or(default)
    };
    let seconds = |key, default| duration(limits, key, Duration::from_secs(default));
    Http2 {
        requests_max: usize::try_from(count("http2_requests", 4096)).unwrap_or(usize::MAX),
        streams_max: count("http2_streams", 100),
        resets_max: count("http2_resets", 100),
        idle_frames_max: count("http2_idle_frames", 1000),
        idle_timeout: seconds("http2_idle_timeout", 60),
        age_max: seconds("http2_age", 3600),
        ping_interval: seconds("http2_ping_interval", 20),
        ping_timeout: seconds("http2_ping_timeout", 10),
    }
}

pub(super) fn tls(root: &Node, problems: &mut Problems) -> Option<Tls> {
    let listeners = root.get("listen").map_or(&[][..], Node::items);
    let spoken = listeners.iter().find_map(|listener| {
        listener.get("tls").filter(|tls| tls.as_bool() == Some(true)).map(|tls| tls.place)
    });
    let Some(node) = root.get("tls") else {
        if let Some(place) = spoken {
            let help = "add `tls: { certificates: [{ chain: file:fullchain.pem, key: \
                        file:privkey.pem }] }` to the configuration";
            problems.add_with_help(place, "there is no certificate to speak TLS with", help);
        }
        return None;
    };
    if spoken.is_none() {
        let what = "no listener speaks TLS, so these certificates would not be used";
        problems.add_with_help(node.place, what, "add `tls: true` to a listener");
    }
    let nodes = node.get("certificates").map_or(&[][..], Node::items);
    bounded("certificates", nodes.len(), CERTIFICATES_MAX, node.get("certificates"), problems);
    let certificates = nodes
        .iter()
        .filter_map(|pair| {
            // Both are looked at: one attempt names all.
            let chain = kept(pair.get("chain"), "a certificate", problems);
            let key = kept(pair.get("key"), "a key", problems);
            Some(CertificatePair { chain: chain?, key: key? })
        })
        .collect();
    let min_version = match text(node, "min_version") {
        Some("1.3") => TlsVersion::V13,
        _ => TlsVersion::V12,
    };
    let http2 = node.get("http2").and_then(Node::as_bool).unwrap_or(true);
    Some(Tls { certificates, min_version, http2 })
}

fn kept(node: Option<&Node>, what: &str, problems: &mut Problems) -> Option<At<SecretRef>> {
    referred(node?, &format!("{what} is not written here, but where it is kept"), problems)
}
