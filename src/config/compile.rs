//! From the tree of `countersign.yaml` to [`Config`]. Every function goes on after a problem, with
//! a stand-in that never leaves this file, so that all problems are named at once.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::exchanges::exchanges;
use crate::config::grammar::CONFIG;
use crate::config::hide::hide_literals;
use crate::config::limits::limits;
use crate::config::proxy::{networks, proxies, rate};
use crate::config::store::{Keeping, keeping, retry, secret, store};
use crate::config::tls::{self, tls};
use crate::config::upstream::{self, reach};
use crate::config::{
    At, Boot, Config, Forward, Hot, Listener, Log, LogFormat, LogLevel, Mode, Param, ParamValue,
    Route, Target, Upstream, check,
};
use crate::engine::event::Strength;
use crate::text::node::{Kind, Node};
use crate::text::problem::{Place, Problem, Problems, did_you_mean};
use crate::text::shape;
use crate::text::unit::{parse_duration, parse_size};

/// Addresses of listeners.
const LISTENERS_MAX: usize = 16;
/// Each is a metrics label.
const ROUTES_MAX: usize = 1000;
/// Each is a metrics label and a pool of connections.
const UPSTREAMS_MAX: usize = 100;

pub(super) fn compile(node: &Node, file: &str) -> Result<Config, Problems> {
    let mut problems = Problems::new(file);
    hide_literals(node, &mut problems);
    shape::check(node, &CONFIG, &mut problems);
    let boot = boot(node, &mut problems);
    let tls = tls(node, &mut problems);
    let upstreams = upstreams(node, &mut problems);
    let routes = routes(node, &upstreams, boot.store.is_some(), &mut problems);
    let proxies = proxies(node, &upstreams, &mut problems);
    let trusted_proxies = networks(node.get("trusted_proxies"), &mut problems).unwrap_or_default();
    let exchanges = exchanges(node.get("exchanges"), &mut problems);
    let rules = rules(node);
    let token = node.get("admin").and_then(|admin| admin.get("token"));
    let admin_token = token.and_then(|node| secret(node, &mut problems));
    let hot =
        Hot { rules, upstreams, tls, exchanges, routes, proxies, trusted_proxies, admin_token };
    problems.into_result(Config { boot, hot })
}

pub(super) fn rules(node: &Node) -> Vec<At<PathBuf>> {
    let rules = node.get("rules").map_or(&[][..], Node::items);
    rules
        .iter()
        .filter_map(|rule| Some(At { value: PathBuf::from(rule.as_text()?), place: rule.place }))
        .collect()
}

pub(super) fn text<'a>(node: &'a Node, key: &str) -> Option<&'a str> {
    node.get(key)?.as_text()
}

pub(super) fn duration(node: Option<&Node>, key: &str, default: Duration) -> Duration {
    node.and_then(|node| parse_duration(text(node, key)?)).unwrap_or(default)
}

pub(super) fn size(node: Option<&Node>, key: &str, default: usize) -> usize {
    let size = node.and_then(|node| parse_size(text(node, key)?));
    size.and_then(|size| usize::try_from(size).ok()).unwrap_or(default)
}

pub(super) fn count(node: Option<&Node>, key: &str, default: usize) -> usize {
    let count = node.and_then(|node| node.get(key)?.as_integer());
    count.and_then(|count| usize::try_from(count).ok()).unwrap_or(default)
}

/// Runs a check of [`check`] on a text, if it is one.
pub(super) fn checked<T>(
    node: Option<&Node>,
    check: impl FnOnce(&str) -> Result<T, String>,
    problems: &mut Problems,
) -> Option<T> {
    let node = node?;
    match check(node.as_text()?) {
        Ok(value) => Some(value),
        Err(message) => {
            problems.add(node.place, message);
            None
        }
    }
}

fn boot(node: &Node, problems: &mut Problems) -> Boot {
    let listeners = node.get("listen").map_or(&[][..], Node::items);
    bounded("listeners", listeners.len(), LISTENERS_MAX, node.get("listen"), problems);
    let mut seen = HashMap::new();
    let mut address = |listener: &Node, problems: &mut Problems| {
        let node = listener.get("address")?;
        let address = checked(Some(node), socket_address, problems)?;
        // Port 0 is a new port each time.
        if address.port() != 0
            && let Some(first) = seen.insert(address, node.place.line)
        {
            problems.add(node.place, format!("line {first} listens on this address already"));
        }
        Some(address)
    };
    let listen = listeners
        .iter()
        .filter_map(|listener| {
            let address = address(listener, problems)?;
            let tls = tls::of_listener(listener, problems);
            Some(Listener {
                address,
                tls,
                proxy_protocol: proxy_protocol(listener, node, problems),
            })
        })
        .collect();
    let admin = node.get("admin").and_then(|admin| address(admin, problems));
    Boot {
        listen,
        admin,
        limits: limits(node.get("limits")),
        store: store(node.get("store"), problems),
        log: log(node.get("log")),
    }
}

/// Whose word on it is believed, must be said, too.
fn proxy_protocol(listener: &Node, root: &Node, problems: &mut Problems) -> bool {
    let Some(key) = listener.get("proxy_protocol") else { return false };
    let is_spoken = key.as_bool().unwrap_or(false);
    if is_spoken && root.get("trusted_proxies").is_none() {
        let what = "nobody is believed whom a connection is for, so all would be closed";
        problems.add_with_help(key.place, what, "add `trusted_proxies`");
    }
    is_spoken
}

pub(super) fn socket_address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "expected IP address and port, such as `127.0.0.1:8080`".to_owned())
}

fn log(node: Option<&Node>) -> Log {
    let word = |key| node.and_then(|node| text(node, key));
    Log {
        format: match word("format") {
            Some("pretty") => LogFormat::Pretty,
            _ => LogFormat::Json,
        },
        level: match word("level") {
            Some("debug") => LogLevel::Debug,
            Some("warn") => LogLevel::Warn,
            Some("error") => LogLevel::Error,
            _ => LogLevel::Info,
        },
    }
}

pub(super) fn bounded(
    what: &str,
    n: usize,
    max: usize,
    node: Option<&Node>,
    problems: &mut Problems,
) {
    if let Some(node) = node.filter(|_| n > max) {
        problems.add(node.place, format!("there are {n} {what}; at most {max} are supported"));
    }
}

fn upstreams(node: &Node, problems: &mut Problems) -> Vec<Upstream> {
    let entries = node.get("upstreams").map_or(&[][..], Node::entries);
    bounded("upstreams", entries.len(), UPSTREAMS_MAX, node.get("upstreams"), problems);
    let mut upstreams = Vec::with_capacity(entries.len());
    for (key, node) in entries {
        if let Err(message) = check::name(&key.text) {
            problems.add(key.place, message);
        }
        let target = target(node, problems);
        let secret = node.get("secret").and_then(|node| secret(node, problems));
        upstreams.push(Upstream {
            name: key.text.clone(),
            target,
            connect_timeout: duration(Some(node), "connect_timeout", Duration::from_secs(2)),
            timeout: duration(Some(node), "timeout", Duration::from_secs(10)),
            in_flight_max: count(Some(node), "in_flight", 256),
            secret: secret.map(|at| at.value),
            retry: retry(node.get("retry"), problems),
            reach: reach(node, problems),
            tls: upstream::tls(node, problems),
        });
    }
    upstreams
}

pub(super) fn kept_elsewhere(place: Place, message: String) -> Problem {
    Problem::new(place, message).help("`env:NAME` or `file:PATH`").sensitive()
}

fn target(node: &Node, problems: &mut Problems) -> Target {
    let url = node.get("url");
    if node.get("print").is_some() {
        for (key, _) in node.entries().iter().filter(|(key, _)| key.text != "print") {
            problems.add(key.place, format!("`{}` has no meaning beside `print`", key.text));
        }
        return Target::Print;
    }
    if url.is_none() && matches!(node.kind, Kind::Map(_)) {
        let help = "`url: http://host:port`, or `print: events` to try things out";
        problems.add_with_help(node.place, "the key `url` is missing", help);
    }
    checked(url, check::url, problems);
    Target::Http(url.and_then(Node::as_text).unwrap_or_default().to_owned())
}

fn routes(
    node: &Node,
    upstreams: &[Upstream],
    has_store: bool,
    problems: &mut Problems,
) -> Vec<Route> {
    let nodes = node.get("routes").map_or(&[][..], Node::items);
    bounded("routes", nodes.len(), ROUTES_MAX, node.get("routes"), problems);
    let mut names = HashMap::new();
    let mut paths = HashMap::new();
    let mut routes = Vec::with_capacity(nodes.len());
    for node in nodes {
        let path = text(node, "path").unwrap_or_default();
        checked(node.get("path"), check::exact_path, problems);
        checked(node.get("name"), check::name, problems);
        unique(node.get("path"), "path", &mut paths, problems);
        // A route without a name is called like its path, which is unique already.
        unique(node.get("name").or(node.get("path")), "name", &mut names, problems);
        let upstream = upstream(node, upstreams, problems);
        let mode = match text(node, "mode") {
            Some("observe") => Mode::Observe,
            _ => Mode::Enforce,
        };
        let forward = forward(node, problems);
        if let (Forward::Canonical { .. }, Some(place)) =
            (&forward, node.get("forward").map(|node| node.place))
        {
            canonical(upstream, mode, place, problems);
        }
        let gateway = node.get("gateway");
        let Keeping { delivery, capture, hold_regressive } =
            keeping(node, mode, has_store, problems);
        routes.push(Route {
            name: text(node, "name").unwrap_or(path).to_owned(),
            path: path.to_owned(),
            gateway: At {
                value: gateway.and_then(Node::as_text).unwrap_or_default().to_owned(),
                place: gateway.unwrap_or(node).place,
            },
            params: params(node, problems),
            upstream: text(node, "upstream").unwrap_or_default().to_owned(),
            forward,
            mode,
            delivery,
            capture,
            hold_regressive,
            allow: networks(node.get("allow"), problems),
            rate: rate(node.get("rate")),
            strength: At {
                value: text(node, "strength")
                    .and_then(Strength::from_word)
                    .unwrap_or(Strength::Weak),
                place: node.get("strength").map_or(node.place, |node| node.place),
            },
            place: node.place,
        });
    }
    routes
}

fn unique<'a>(
    node: Option<&'a Node>,
    what: &str,
    seen: &mut HashMap<&'a str, u32>,
    problems: &mut Problems,
) {
    let Some((node, text)) = node.and_then(|node| Some((node, node.as_text()?))) else { return };
    if let Some(first) = seen.insert(text, node.place.line)
        && !problems.list.iter().any(|problem| problem.place == node.place)
    {
        problems.add(node.place, format!("the route in line {first} has this {what} already"));
    }
}

pub(super) fn upstream<'a>(
    route: &Node,
    upstreams: &'a [Upstream],
    problems: &mut Problems,
) -> Option<&'a Upstream> {
    let node = route.get("upstream")?;
    let name = node.as_text()?;
    let found = upstreams.iter().find(|upstream| upstream.name == name);
    if found.is_none() {
        let problem = Problem::new(node.place, format!("there is no upstream `{name}`"));
        let names = upstreams.iter().map(|upstream| upstream.name.as_str());
        problems.push(match did_you_mean(name, names) {
            Some(near) => problem.help(format!("did you mean `{near}`?")),
            None => problem.help("name one of `upstreams`"),
        });
    }
    found
}

/// What a canonical event needs: somebody who can check that it is ours, and a verdict.
fn canonical(upstream: Option<&Upstream>, mode: Mode, place: Place, problems: &mut Problems) {
    if mode == Mode::Observe {
        problems.add_with_help(
            place,
            "`mode: observe` forwards what came, whatever the verdict, not canonical events",
            "write `forward: { as: original }`",
        );
    } else if let Some(Upstream { target: Target::Http(_), secret: None, name, .. }) = upstream {
        problems.add_with_help(
            place,
            format!("canonical events are counter-signed, and upstream `{name}` has no secret"),
            "add `secret: env:NAME` or `secret: file:PATH` to the upstream",
        );
    }
}

fn forward(route: &Node, problems: &mut Problems) -> Forward {
    let Some(node) = route.get("forward") else { return Forward::Canonical { to: String::new() } };
    checked(node.get("to"), check::target, problems);
    let to = text(node, "to").map(str::to_owned);
    let headers = node.get("headers");
    match text(node, "as") {
        Some("original") => {
            let mut names = Vec::new();
            for header in headers.map_or(&[][..], Node::items) {
                let Some(name) = checked(Some(header), check::header, problems) else { continue };
                if names.contains(&name) {
                    problems.add(header.place, format!("`{name}` is listed twice"));
                }
                names.push(name);
            }
            Forward::Original { to, headers: names }
        }
        Some("canonical") => {
            if let Some(headers) = headers {
                let what = "a canonical event goes with its own headers only";
                problems.add_with_help(headers.place, what, "remove `headers`");
            }
            if node.get("to").is_none() {
                let help = "the path of the upstream that takes canonical events";
                problems.add_with_help(node.place, "the key `to` is missing", help);
            }
            Forward::Canonical { to: to.unwrap_or_default() }
        }
        // Its problem is known; the checks of `canonical` would only mislead.
        _ => Forward::Original { to, headers: Vec::new() },
    }
}

fn params(route: &Node, problems: &mut Problems) -> Vec<Param> {
    let entries = route.get("params").map_or(&[][..], Node::entries);
    let mut params = Vec::with_capacity(entries.len());
    for (key, node) in entries {
        let mut values = Vec::new();
        for item in node.one_or_many() {
            let Some(text) = item.as_text() else { continue };
            let value = match check::reference(text) {
                None => ParamValue::Literal(text.to_owned()),
                Some(Ok(reference)) => ParamValue::Reference(reference),
                Some(Err(what)) => {
                    problems.push(kept_elsewhere(item.place, what));
                    continue;
                }
            };
            values.push(At { value, place: item.place });
        }
        let list = matches!(node.kind, Kind::List(_));
        params.push(Param { name: key.text.clone(), values, list, place: key.place });
    }
    params
}
