//! What the rules on disk say to one capture.

use crate::engine::event::Event;
use crate::engine::inbound::Inbound;
use crate::engine::reason::Reason;
use crate::exchange::Exchanger;
use crate::live::Route;
use crate::store::captures::{Kept, Listed};

/// What they say.
pub(super) enum Now {
    Accepted(Vec<Event>),
    Rejected(Reason),
    /// Nobody knows, and why.
    Undecided(&'static str),
}

impl Now {
    /// The word of the reason.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Accepted(_) => "ok",
            Self::Rejected(reason) => reason.as_str(),
            Self::Undecided(why) => why,
        }
    }
}

/// Headers as [`Inbound`] borrows them.
pub(super) fn headers(kept: &Kept) -> Vec<(&str, &[u8])> {
    kept.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect()
}

/// The request as it came.
pub(super) fn inbound<'a>(
    listed: &Listed,
    kept: &'a Kept,
    headers: &'a [(&'a str, &'a [u8])],
) -> Inbound<'a> {
    Inbound {
        method: &kept.method,
        target: &kept.target,
        headers,
        body: &kept.body,
        remote_addr: listed.summary.peer.parse().ok(),
        client_certificates: &[],
    }
}

pub(super) async fn judge(
    route: Option<&Route>,
    exchanger: &Exchanger,
    listed: &Listed,
    kept: &Kept,
) -> Now {
    let Some(route) = route else { return Now::Undecided("route_gone") };
    let Ok(bound) = &route.bound else { return Now::Undecided("route_not_ready") };
    if bound.wants_certificates() {
        // It came with the connection, not with the request, and is not kept.
        return Now::Undecided("certificate_not_kept");
    }
    let headers = headers(kept);
    let inbound = inbound(listed, kept, &headers);
    let at = listed.summary.at;
    match exchanger.judge(bound, &route.gateway, &inbound, at).await {
        Ok(accepted) => Now::Accepted(accepted.events),
        Err(reject) if reject.reason == Reason::ConfirmationUnavailable => {
            Now::Undecided(reject.reason.as_str())
        }
        Err(reject) => Now::Rejected(reject.reason),
    }
}
