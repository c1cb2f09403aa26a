//! `proxy`, and what routes say too of who may call and how often.

use std::collections::HashMap;
use std::time::Duration;

use crate::config::compile::{bounded, checked, count, duration, text, upstream};
use crate::config::{Host, Upstream, check};
use crate::engine::net::Network;
use crate::text::node::Node;
use crate::text::problem::Problems;
use crate::text::unit::parse_size;

/// A part of the site that passes through, unjudged.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Proxy {
    /// Its name in metrics and logs; the prefix where none is given.
    pub name: String,
    /// Whole segments that the path begins with.
    pub prefix: String,
    /// For which hosts.
    pub hosts: Hosts,
    /// Name of an upstream of this configuration.
    pub upstream: String,
    /// Paths that do not pass, with all below them.
    pub deny: Vec<String>,
    /// Which protocol a client may go over to.
    pub upgrade: Upgrade,
    /// Bytes of a request's body.
    pub body_bytes_max: u64,
    /// How long the upstream may be silent.
    pub idle_timeout: Duration,
    /// Who may call; `None`: everybody.
    pub allow: Option<Vec<Network>>,
    /// How often each client address may call; `None`: as often as it likes.
    pub rate: Option<Rate>,
}

/// For which hosts something is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Hosts {
    /// Whatever the request says.
    All,
    /// In lower case, without a port.
    These {
        /// These themselves.
        exact: Vec<String>,
        /// All below these, and not these.
        below: Vec<String>,
    },
}

/// Which protocol a client may go over to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Upgrade {
    /// None.
    None,
    /// RFC 6455.
    WebSocket,
}

/// How often something may happen.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rate {
    /// So many in `per`. At least 1.
    pub requests: u32,
    /// See `requests`.
    pub per: Duration,
    /// So many at once, after a silence. At least 1.
    pub burst: u32,
}

/// Each is a metrics label.
const PROXIES_MAX: usize = 100;
/// Of one list.
const NETWORKS_MAX: usize = 1000;
const HOSTS_MAX: usize = 100;
const DENIED_MAX: usize = 1000;

const GIB: u64 = 1024 * 1024 * 1024;

pub(super) fn proxies(node: &Node, upstreams: &[Upstream], problems: &mut Problems) -> Vec<Proxy> {
    let list = node.get("proxy");
    let nodes = list.map_or(&[][..], Node::items);
    bounded("entries of `proxy`", nodes.len(), PROXIES_MAX, list, problems);
    let mut names: HashMap<String, u32> = HashMap::new();
    let mut places: Vec<(String, Hosts, u32)> = Vec::new();
    let mut proxies = Vec::with_capacity(nodes.len());
    for node in nodes {
        checked(node.get("prefix"), check::path, problems);
        checked(node.get("name"), check::name, problems);
        let prefix = text(node, "prefix").unwrap_or("/").to_owned();
        let name = text(node, "name").unwrap_or(&prefix).to_owned();
        if let Some(first) = names.insert(name.clone(), node.place.line) {
            let what = format!("the part of the site in line {first} is called `{name}`, too");
            problems.add_with_help(node.place, what, "give one of them another `name`");
        }
        if let Some(upstream) = upstream(node, upstreams, problems)
            && matches!(upstream.target, crate::config::Target::Print)
            && let Some(node) = node.get("upstream")
        {
            problems.add(node.place, "what prints events takes no requests");
        }
        let hosts = hosts(node, problems);
        match places.iter().find(|(other, of, _)| *other == prefix && *of == hosts) {
            Some((_, _, line)) => {
                problems.add(
                    node.place,
                    format!("the part in line {line} has this prefix and these hosts already"),
                );
            }
            None => places.push((prefix.clone(), hosts.clone(), node.place.line)),
        }
        let deny = node.get("deny").map_or(&[][..], Node::items);
        bounded("denied paths", deny.len(), DENIED_MAX, node.get("deny"), problems);
        for path in deny {
            checked(Some(path), check::path, problems);
        }
        proxies.push(Proxy {
            name,
            prefix,
            hosts,
            upstream: text(node, "upstream").unwrap_or_default().to_owned(),
            deny: deny.iter().filter_map(|path| Some(path.as_text()?.to_owned())).collect(),
            upgrade: match text(node, "upgrade") {
                Some("websocket") => Upgrade::WebSocket,
                _ => Upgrade::None,
            },
            body_bytes_max: text(node, "body").and_then(parse_size).unwrap_or(GIB),
            idle_timeout: duration(Some(node), "idle_timeout", Duration::from_secs(60)),
            allow: networks(node.get("allow"), problems),
            rate: rate(node.get("rate")),
        });
    }
    proxies
}

/// `None`: everybody.
pub(super) fn networks(node: Option<&Node>, problems: &mut Problems) -> Option<Vec<Network>> {
    let nodes = node?.one_or_many();
    bounded("networks", nodes.len(), NETWORKS_MAX, node, problems);
    let network = |text: &str| {
        let why = "expected a network, such as `10.0.0.0/8`, or an address";
        Network::parse(text).ok_or_else(|| why.to_owned())
    };
    Some(nodes.iter().filter_map(|node| checked(Some(node), network, problems)).collect())
}

pub(super) fn rate(node: Option<&Node>) -> Option<Rate> {
    let requests = count(Some(node?), "requests", 1);
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    Some(Rate {
        requests: number(requests),
        per: duration(node, "per", Duration::from_secs(1)),
        burst: number(count(node, "burst", requests)),
    })
}

fn hosts(node: &Node, problems: &mut Problems) -> Hosts {
    let Some(list) = node.get("hosts") else { return Hosts::All };
    let nodes = list.one_or_many();
    bounded("hosts", nodes.len(), HOSTS_MAX, Some(list), problems);
    let (mut exact, mut below) = (Vec::new(), Vec::new());
    for node in nodes {
        let parse = |text: &str| match text.strip_prefix("*.") {
            Some(rest) => Host::parse(rest).map(|host| (true, host)),
            None => Host::parse(text).map(|host| (false, host)),
        };
        match checked(Some(node), parse, problems) {
            Some((true, host)) => below.push(host.to_string()),
            Some((false, host)) => exact.push(host.to_string()),
            None => {}
        }
    }
    exact.sort();
    below.sort();
    Hosts::These { exact, below }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic fails the test")]

    use super::*;
    use crate::config::{Config, parse};

    const HEAD: &str = "listen: [{ address: 127.0.0.1:1 }]\n\
        upstreams: { site: { url: http://h }, p: { print: events } }\n\
        routes: [{ path: /pay/, gateway: g, upstream: p, forward: { as: original } }]\n";

    fn good(text: &str) -> Config {
        parse(&format!("{HEAD}{text}"), "c.yaml").unwrap_or_else(|problems| {
            panic!("{}", problems.render(text));
        })
    }

    #[test]
    fn a_part_of_the_site_has_safe_defaults() {
        let Config { hot, .. } = good("proxy: [{ upstream: site }]\n");
        let want = Proxy {
            name: "/".into(),
            prefix: "/".into(),
            hosts: Hosts::All,
            upstream: "site".into(),
            deny: Vec::new(),
            upgrade: Upgrade::None,
            body_bytes_max: GIB,
            idle_timeout: Duration::from_secs(60),
            allow: None,
            rate: None,
        };
        assert_eq!(hot.proxies, [want]);
        assert!(hot.trusted_proxies.is_empty());
    }

    #[test]
    fn a_part_of_the_site_may_say_everything() {
        let Config { hot, .. } = good(
            "trusted_proxies: [10.0.0.0/8, \"::1\"]\nproxy:\n- { name: chat, prefix: /chat/, \
             hosts: [B.example, a.example, \"*.C.example\"], upstream: site, deny: [/chat/admin], \
             upgrade: websocket, body: 1KiB, idle_timeout: 10m, allow: 192.0.2.0/24, \
             rate: { requests: 5, per: 1m } }\n",
        );
        let networks = ["10.0.0.0/8", "::1"].map(|text| Network::parse(text).unwrap());
        assert_eq!(hot.trusted_proxies, networks);
        let want = Proxy {
            name: "chat".into(),
            prefix: "/chat/".into(),
            hosts: Hosts::These {
                exact: vec!["a.example".into(), "b.example".into()],
                below: vec!["c.example".into()],
            },
            upstream: "site".into(),
            deny: vec!["/chat/admin".into()],
            upgrade: Upgrade::WebSocket,
            body_bytes_max: 1024,
            idle_timeout: Duration::from_secs(600),
            allow: Some(vec![Network::parse("192.0.2.0/24").unwrap()]),
            rate: Some(Rate { requests: 5, per: Duration::from_secs(60), burst: 5 }),
        };
        assert_eq!(hot.proxies, [want]);
    }

    #[test]
    fn what_is_wrong_is_said_where_it_is_wrong() {
        for (text, line, what) in [
            ("proxy:\n- { upstream: nobody }", 5, "there is no upstream `nobody`"),
            ("proxy:\n- { upstream: p }", 5, "what prints events takes no requests"),
            ("proxy:\n- { upstream: site, prefix: x }", 5, "a path starts with `/`"),
            ("proxy:\n- { upstream: site, deny: [/a//b] }", 5, "a path does not contain `//`"),
            ("proxy:\n- { upstream: site, hosts: \"a b\" }", 5, "neither a DNS name nor"),
            ("proxy:\n- { upstream: site, allow: 10.0.0.1/8 }", 5, "expected a network"),
            ("trusted_proxies: everybody", 4, "expected a network"),
            ("proxy:\n- { upstream: site }\n- { upstream: site }", 6, "is called `/`, too"),
            (
                "proxy:\n- { upstream: site, name: a }\n- { upstream: site, name: b }",
                6,
                "the part in line 5 has this prefix and these hosts already",
            ),
            ("proxy:\n- { upstream: site, rate: { per: 1s } }", 5, "`requests` is missing"),
        ] {
            let problems = parse(&format!("{HEAD}{text}\n"), "c.yaml").unwrap_err();
            let found = problems
                .list
                .iter()
                .any(|problem| problem.place.line == line && problem.message.contains(what));
            assert!(found, "{text}: {}", problems.render(text));
        }
    }
}
