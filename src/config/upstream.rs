//! How an upstream is reached, from the tree of the file.

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::compile::{bounded, checked, count, duration, text};
use crate::config::store::{referred, secret};
use crate::config::{At, Host, SecretRef, TlsVersion, check};
use crate::text::node::{Kind, Node};
use crate::text::problem::Problems;

/// Addresses of one upstream: each is a metrics label, and a place to ask.
pub const ADDRESSES_MAX: usize = 64;

/// Where an upstream is, how it is spoken to, and when it counts as well.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reach {
    /// Where it is; empty: where the host of its URL is.
    pub addresses: Vec<Address>,
    /// How often names are looked up again.
    pub resolve_every: Duration,
    /// The version of HTTP.
    pub http: Http,
    /// Whether a connection is used for more than one request.
    pub keep_alive: bool,
    /// Whether it is told whom a connection is for.
    pub proxy_protocol: Option<ProxyProtocol>,
    /// How it is asked whether it is well; `None`: not at all.
    pub health: Option<HealthCheck>,
    /// How long an address that has come back gets less than its share.
    pub slow_start: Duration,
}

impl Default for Reach {
    fn default() -> Self {
        Self {
            addresses: Vec::new(),
            resolve_every: Duration::from_secs(30),
            http: Http::One,
            keep_alive: true,
            proxy_protocol: None,
            health: None,
            slow_start: Duration::from_secs(10),
        }
    }
}

/// One address of an upstream.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Address {
    /// IP address and port.
    Ip(SocketAddr),
    /// A name in DNS, and a port.
    Name {
        /// As DNS knows it.
        host: String,
        /// The port.
        port: u16,
    },
    /// A Unix socket; `live` makes it relative to the configuration's folder.
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Name { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A version of HTTP.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Http {
    /// HTTP/1.1.
    One,
    /// HTTP/2.
    Two,
}

/// A version of the PROXY protocol.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ProxyProtocol {
    /// A line of text.
    V1,
    /// Binary.
    V2,
}

/// How each address is asked whether it is well.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HealthCheck {
    /// Path and query.
    pub path: String,
    /// How often.
    pub interval: Duration,
    /// Until the head of the answer.
    pub timeout: Duration,
    /// Good answers in a row until it is well.
    pub healthy: u32,
    /// Failures in a row until it is not.
    pub unhealthy: u32,
    /// What a good answer is.
    pub status: RangeInclusive<u16>,
}

/// How an upstream is spoken to over TLS.
#[derive(Clone, Debug, Default)]
pub struct UpstreamTls {
    /// Authorities that are trusted instead of the system's.
    pub roots: Option<At<SecretRef>>,
    /// What we show: chain and key.
    pub client: Option<(At<SecretRef>, At<SecretRef>)>,
    /// The name in its certificate, if it is not the host of its URL.
    pub server_name: Option<String>,
    /// The oldest version that will do.
    pub min_version: TlsVersion,
}

pub(super) fn reach(node: &Node, problems: &mut Problems) -> Reach {
    let Reach { resolve_every, slow_start, .. } = Reach::default();
    let http = match text(node, "http") {
        Some("2") => Http::Two,
        _ => Http::One,
    };
    let proxy_protocol = match text(node, "proxy_protocol") {
        Some("v1") => Some(ProxyProtocol::V1),
        Some("v2") => Some(ProxyProtocol::V2),
        _ => None,
    };
    if let (Http::Two, Some(proxy)) = (http, node.get("proxy_protocol")) {
        let what = "over HTTP/2 clients share a connection, which can tell of one only";
        problems.add_with_help(proxy.place, what, "remove `proxy_protocol`, or `http: 2`");
    }
    let keep_alive = node.get("keep_alive");
    let kept = !matches!(keep_alive.map(|node| &node.kind), Some(Kind::Bool(false)));
    if let (Http::Two, false, Some(keep_alive)) = (http, kept, keep_alive) {
        let what = "over HTTP/2 a connection is for many requests";
        problems.add_with_help(keep_alive.place, what, "remove `keep_alive`, or `http: 2`");
    }
    Reach {
        keep_alive: kept,
        addresses: addresses(node.get("addresses"), problems),
        resolve_every: duration(Some(node), "resolve_every", resolve_every),
        http,
        proxy_protocol,
        health: node.get("health").map(|node| health(node, problems)),
        slow_start: duration(Some(node), "slow_start", slow_start),
    }
}

fn addresses(node: Option<&Node>, problems: &mut Problems) -> Vec<Address> {
    let items = node.map_or(&[][..], Node::items);
    bounded("addresses", items.len(), ADDRESSES_MAX, node, problems);
    let mut seen = HashMap::new();
    let mut addresses = Vec::with_capacity(items.len());
    for item in items {
        let Some(address) = checked(Some(item), address, problems) else { continue };
        if let Some(first) = seen.insert(address.clone(), item.place.line) {
            problems.add(item.place, format!("this address stands in line {first} already"));
        }
        addresses.push(address);
    }
    addresses
}

fn address(text: &str) -> Result<Address, String> {
    if let Some(path) = text.strip_prefix("unix:") {
        let path = check::folder(path).map_err(|why| format!("the Unix socket: {why}"))?;
        if path.as_os_str().is_empty() {
            return Err("the path of the socket is missing after `unix:`".into());
        }
        return Ok(Address::Unix(path));
    }
    let expected = || {
        "expected an address with its port, such as `10.0.0.1:8080`, `app.internal:8080` or \
         `unix:run/app.sock`"
            .to_owned()
    };
    if let Ok(address) = text.parse::<SocketAddr>() {
        return if address.port() == 0 { Err(expected()) } else { Ok(Address::Ip(address)) };
    }
    let (host, port) = text.rsplit_once(':').ok_or_else(expected)?;
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    let port = port.parse().ok().filter(|port| digits && *port > 0).ok_or_else(expected)?;
    match Host::parse(host) {
        Ok(Host::Name(host)) => Ok(Address::Name { host, port }),
        Ok(Host::Address(_)) => Err(expected()),
        Err(why) => Err(why),
    }
}

fn health(node: &Node, problems: &mut Problems) -> HealthCheck {
    checked(node.get("path"), check::target, problems);
    let times = |key, default| u32::try_from(count(Some(node), key, default)).unwrap_or(u32::MAX);
    HealthCheck {
        path: text(node, "path").unwrap_or_default().to_owned(),
        interval: duration(Some(node), "interval", Duration::from_secs(5)),
        timeout: duration(Some(node), "timeout", Duration::from_secs(2)),
        healthy: times("healthy", 2),
        unhealthy: times("unhealthy", 3),
        status: checked(node.get("status"), statuses, problems).unwrap_or(200..=299),
    }
}

fn statuses(text: &str) -> Result<RangeInclusive<u16>, String> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let status = |text: &str| {
        let plain = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u16>().ok().filter(|status| plain && (200..=599).contains(status))
    };
    match (status(first), status(last)) {
        (Some(first), Some(last)) if first <= last => Ok(first..=last),
        _ => Err("expected a status from 200 to 599, or a range such as `200-399`".into()),
    }
}

pub(super) fn tls(upstream: &Node, problems: &mut Problems) -> UpstreamTls {
    let Some(node) = upstream.get("tls") else { return UpstreamTls::default() };
    if text(upstream, "url").is_some_and(|url| url.starts_with("http://")) {
        let help = "write `https://` in `url`, or remove `tls`";
        problems.add_with_help(node.place, "the URL of this upstream is without TLS", help);
    }
    let not_here = "certificates are not written here, but where they are kept";
    let roots = node.get("roots").and_then(|node| referred(node, not_here, problems));
    let client = node.get("client_certificate").and_then(|node| {
        let chain = node.get("chain").and_then(|node| referred(node, not_here, problems));
        let key = node.get("key").and_then(|node| secret(node, problems));
        chain.zip(key)
    });
    let server_name = node.get("server_name");
    let named = checked(server_name, Host::parse, problems).is_some();
    UpstreamTls {
        roots,
        client,
        server_name: server_name.and_then(Node::as_text).filter(|_| named).map(str::to_owned),
        min_version: match text(node, "min_version") {
            Some("1.3") => TlsVersion::V13,
            _ => TlsVersion::V12,
        },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic fails the test")]

    use super::*;

    #[test]
    fn an_address_is_ip_and_port_name_and_port_or_a_socket() {
        for (text, shown) in [
            ("10.0.0.1:8080", "10.0.0.1:8080"),
            ("[::1]:80", "[::1]:80"),
            ("App.Internal:8080", "app.internal:8080"),
            ("unix:run/app.sock", "unix:run/app.sock"),
            ("unix:/run/app.sock", "unix:/run/app.sock"),
        ] {
            assert_eq!(address(text).unwrap().to_string(), shown);
        }
        for bad in [
            "",
            "10.0.0.1",
            "10.0.0.1:0",
            "10.0.0.1:65536",
            "127.1:80",
            "app",
            "app:",
            "app:+80",
            ":80",
            "::1:80",
            "http://a:80",
            "a b:80",
            "unix:",
            "unix: x",
            "[::1]",
        ] {
            assert!(address(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_good_status_is_one_or_a_range() {
        assert_eq!(statuses("204"), Ok(204..=204));
        assert_eq!(statuses("200-399"), Ok(200..=399));
        for bad in ["", "100", "600", "399-200", "2xx", "200-", "-", "+200", "0200", "200-300-400"]
        {
            assert!(statuses(bad).is_err(), "{bad:?}");
        }
    }
}
