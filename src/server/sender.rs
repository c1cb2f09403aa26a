//! Whom a request comes from, after trusted proxies, and whether he may call.

use std::net::IpAddr;
use std::time::Instant;

use hyper::header::{HeaderMap, HeaderName, HeaderValue};

use super::caller::Caller;
use super::limit::rate::Meter;
use super::refusal::Refusal;
use crate::engine::net::{self, Network};
use crate::engine::reason::Reason;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// See the module.
pub(super) struct Sender<'a> {
    pub(super) caller: &'a Caller,
    /// Whom the request comes from; `None`: a trusted proxy says what nobody understands.
    pub(super) client: Option<IpAddr>,
    /// Whether the caller is a trusted proxy.
    pub(super) is_trusted: bool,
}

impl<'a> Sender<'a> {
    /// Of a request with these headers.
    pub(super) fn new(caller: &'a Caller, headers: &HeaderMap, trusted: &[Network]) -> Self {
        let peer = caller.peer.ip().to_canonical();
        let is_trusted = trusted.iter().any(|network| network.contains(peer));
        let client = if is_trusted {
            let lines: Vec<&[u8]> =
                headers.get_all(X_FORWARDED_FOR).iter().map(HeaderValue::as_bytes).collect();
            net::client(peer, &lines, trusted)
        } else {
            Some(peer)
        };
        Self { caller, client, is_trusted }
    }

    /// The other end of the connection.
    pub(super) fn peer(&self) -> IpAddr {
        self.caller.peer.ip().to_canonical()
    }

    /// Whom to name and count: the client, or who has brought him if nobody knows that.
    pub(super) fn known(&self) -> IpAddr {
        self.client.unwrap_or_else(|| self.peer())
    }

    /// Whether he is of these networks (`None`: everybody is), and does not call too often.
    pub(super) fn may_call(
        &self,
        allow: Option<&[Network]>,
        meter: Option<&Meter>,
        now: Instant,
    ) -> Result<(), Refusal> {
        if let Some(allow) = allow {
            let is_in = |client| allow.iter().any(|network| network.contains(client));
            if !self.client.is_some_and(is_in) {
                return Err(Refusal::Judged(Reason::SourceDenied));
            }
        }
        meter.map_or(Ok(()), |meter| meter.call(self.known(), now)).map_err(|wait| {
            let seconds = wait.as_millis().div_ceil(1000);
            Refusal::RateLimited(u32::try_from(seconds).unwrap_or(u32::MAX))
        })
    }
}
