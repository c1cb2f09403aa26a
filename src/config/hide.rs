//! What of a configuration no excerpt in a problem may show.

use crate::text::node::{Kind, Node};
use crate::text::problem::Problems;

/// Masks what may be a secret that should not be here: literal parameters and secrets, and
/// whatever follows an unknown key, which may be a misspelt one.
pub(super) fn hide_literals(node: &Node, problems: &mut Problems) {
    const STRUCTURE: &[&str] = &[
        "admin",
        "certificates",
        "exchanges",
        "forward",
        "limits",
        "listen",
        "log",
        "routes",
        "rules",
        "tls",
    ];
    const PLAIN: &[&str] = &[
        "address",
        "answer_bytes_max",
        "as",
        "body",
        "body_timeout",
        "client_certificates",
        "connect_timeout",
        "connections",
        "drain_timeout",
        "format",
        "gateway",
        "handshake_timeout",
        "header_bytes",
        "header_timeout",
        "headers",
        "http2",
        "http2_age",
        "http2_idle_frames",
        "http2_idle_timeout",
        "http2_ping_interval",
        "http2_ping_timeout",
        "http2_requests",
        "http2_resets",
        "http2_streams",
        "in_flight",
        "in_flight_max",
        "level",
        "min_version",
        "mode",
        "name",
        "path",
        "print",
        "private",
        "strength",
        "timeout",
        "to",
        "upstream",
    ];
    for item in node.items() {
        hide_literals(item, problems);
    }
    for (key, value) in node.entries() {
        match key.text.as_str() {
            "upstreams" => {
                for (_, upstream) in value.entries() {
                    hide_literals(upstream, problems);
                }
            }
            "addresses" => {
                for (_, address) in value.entries().iter().filter(|(_, value)| !is_flat(value)) {
                    hide(address, problems);
                }
            }
            "url" if value.as_text().is_some_and(|url| !url.contains('@')) => {}
            // A key may have been pasted where its file should be named.
            "certificates" | "tls" if value.as_text().is_some() => hide(value, problems),
            key if STRUCTURE.contains(&key) => hide_literals(value, problems),
            key if PLAIN.contains(&key) && is_flat(value) => {}
            _ => hide(value, problems),
        }
    }
}

/// A scalar, or a list of them.
fn is_flat(node: &Node) -> bool {
    node.one_or_many().iter().all(|item| !matches!(item.kind, Kind::List(_) | Kind::Map(_)))
}

fn hide(node: &Node, problems: &mut Problems) {
    let is_reference = |text: &str| text.starts_with("env:") || text.starts_with("file:");
    if node.as_text().is_some_and(|text| !is_reference(text)) {
        problems.hide(node.place);
    }
    for item in node.items() {
        hide(item, problems);
    }
    for (_, value) in node.entries() {
        hide(value, problems);
    }
}
