//! `store`, and what routes and upstreams say of keeping and sending again.

use std::time::Duration;

use crate::config::check;
use crate::config::compile::{checked, count, duration, kept_elsewhere, text};
use crate::config::{At, Capture, Delivery, Mode, Retry, SecretRef, Store};
use crate::text::node::Node;
use crate::text::problem::Problems;
use crate::text::unit::parse_size;

const DAY: Duration = Duration::from_secs(24 * 3600);
const GIB: u64 = 1024 * 1024 * 1024;

/// Keys of bodies at rest: one in use, and those that it has replaced.
const KEYS_MAX: usize = 16;

pub(super) fn store(node: Option<&Node>, problems: &mut Problems) -> Option<Store> {
    let node = node?;
    let path = checked(node.get("path"), check::folder, problems).unwrap_or_default();
    let keys = node.get("keys").map_or(&[][..], Node::one_or_many);
    if keys.len() > KEYS_MAX {
        problems.add(node.place, format!("at most {KEYS_MAX} keys are supported"));
    }
    let (events, captures) = (node.get("events"), node.get("captures"));
    let bytes = |node: Option<&Node>, default| {
        node.and_then(|node| parse_size(text(node, "bytes")?)).unwrap_or(default)
    };
    Some(Store {
        path,
        keys: keys.iter().filter_map(|node| secret(node, problems)).collect(),
        events_age: duration(events, "age", 90 * DAY),
        waiting_max: count(events, "waiting", 2_000_000),
        events_bytes_max: bytes(events, 64 * GIB),
        captures_age: duration(captures, "age", 30 * DAY),
        captures_bytes_max: bytes(captures, GIB),
    })
}

/// Where a secret is kept.
pub(super) fn secret(node: &Node, problems: &mut Problems) -> Option<At<SecretRef>> {
    referred(node, "a secret is not written here, but where it is kept", problems)
}

/// Where something is kept; `not_here` is said where it is written instead.
pub(super) fn referred(
    node: &Node,
    not_here: &str,
    problems: &mut Problems,
) -> Option<At<SecretRef>> {
    let reference = check::reference(node.as_text()?).unwrap_or_else(|| Err(not_here.to_owned()));
    match reference {
        Ok(value) => Some(At { value, place: node.place }),
        Err(what) => {
            problems.push(kept_elsewhere(node.place, what));
            None
        }
    }
}

pub(super) fn retry(node: Option<&Node>, problems: &mut Problems) -> Retry {
    let retry = Retry {
        first: duration(node, "first", Duration::from_secs(5)),
        longest: duration(node, "longest", Duration::from_secs(3600)),
        horizon: duration(node, "horizon", 14 * DAY),
    };
    if let Some(node) = node {
        let Retry { first, longest, horizon: _ } = retry;
        if first.subsec_nanos() != 0 || longest.subsec_nanos() != 0 {
            problems.add(node.place, "waits are whole seconds");
        }
        if first > longest {
            problems.add(node.place, "`first` is longer than `longest`");
        }
    }
    retry
}

/// What a route says of keeping.
pub(super) struct Keeping {
    pub(super) delivery: Option<At<Delivery>>,
    pub(super) capture: Capture,
    pub(super) hold_regressive: bool,
}

pub(super) fn keeping(
    route: &Node,
    mode: Mode,
    has_store: bool,
    problems: &mut Problems,
) -> Keeping {
    const HELP: &str = "add `store: { path: state }` to the configuration";
    let delivery = route.get("delivery").and_then(|node| {
        let value = Delivery::from_word(node.as_text()?)?;
        if mode == Mode::Observe {
            let what = "`mode: observe` hands over what came, at once; it keeps nothing";
            problems.add_with_help(node.place, what, "remove `delivery`");
        } else if value != Delivery::Direct && !has_store {
            let what = format!("`{}` needs a store to keep events in", value.as_str());
            problems.add_with_help(node.place, what, HELP);
        }
        Some(At { value, place: node.place })
    });
    let capture = match route.get("capture").and_then(|node| Some((node, node.as_text()?))) {
        Some((node, word @ ("all" | "rejected"))) => {
            if !has_store {
                problems.add_with_help(node.place, "captures need a store to be kept in", HELP);
            }
            if word == "all" { Capture::All } else { Capture::Rejected }
        }
        Some((_, "none")) => Capture::None,
        Some(_) | None if has_store => Capture::Rejected,
        Some(_) | None => Capture::None,
    };
    let regressive = route.get("regressive");
    if let Some(node) = regressive.filter(|_| !has_store) {
        problems.add_with_help(node.place, "without a store nobody knows what came before", HELP);
    }
    let hold_regressive = regressive.and_then(Node::as_text) == Some("hold");
    Keeping { delivery, capture, hold_regressive }
}
