//! The section `exchanges`: how gateways are asked.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use crate::config::compile::{bounded, checked, count, duration, size, socket_address};
use crate::config::store::referred;
use crate::config::{Exchanges, Host};
use crate::text::node::Node;
use crate::text::problem::Problems;

/// Hosts under `addresses`, and under `private`.
const HOSTS_MAX: usize = 64;

/// `node` is the section; a file without it has the defaults.
/// Said where certificates are written instead of a reference.
const NOT_HERE: &str = "certificates are not written here, but where they are kept";

pub(super) fn exchanges(node: Option<&Node>, problems: &mut Problems) -> Exchanges {
    Exchanges {
        connect_timeout: duration(node, "connect_timeout", Duration::from_secs(2)),
        timeout: duration(node, "timeout", Duration::from_secs(5)),
        answer_bytes_max: size(node, "answer_bytes_max", 256 * 1024),
        in_flight_max: count(node, "in_flight_max", 64),
        addresses: addresses(node.and_then(|node| node.get("addresses")), problems),
        private: private(node.and_then(|node| node.get("private")), problems),
        roots: node.and_then(|node| referred(node.get("roots")?, NOT_HERE, problems)),
    }
}

fn addresses(node: Option<&Node>, problems: &mut Problems) -> BTreeMap<Host, SocketAddr> {
    let entries = node.map_or(&[][..], Node::entries);
    bounded("hosts", entries.len(), HOSTS_MAX, node, problems);
    let mut addresses = BTreeMap::new();
    for (key, value) in entries {
        let address = checked(Some(value), address, problems);
        match Host::parse(&key.text) {
            Err(what) => problems.add(key.place, what),
            Ok(host) if addresses.contains_key(&host) => {
                problems.add(key.place, format!("`{host}` has an address already"));
            }
            Ok(host) => {
                addresses.extend(address.map(|address| (host, address)));
            }
        }
    }
    addresses
}

fn address(text: &str) -> Result<SocketAddr, String> {
    match socket_address(text)? {
        address if address.port() == 0 => Err("the port is not a number from 1 to 65535".into()),
        address => Ok(address),
    }
}

fn private(node: Option<&Node>, problems: &mut Problems) -> BTreeSet<Host> {
    let items = node.map_or(&[][..], Node::items);
    bounded("hosts", items.len(), HOSTS_MAX, node, problems);
    let mut hosts = BTreeSet::new();
    for item in items {
        let Some(host) = checked(Some(item), Host::parse, problems) else { continue };
        if !hosts.insert(host) {
            let what = format!("`{}` is listed twice", item.as_text().unwrap_or_default());
            problems.add(item.place, what);
        }
    }
    hosts
}
