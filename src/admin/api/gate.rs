//! Who may ask: whoever knows the token, by an address that no page on the web can borrow.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderName};
use hyper::http::request::Parts;
use hyper::http::uri::Authority;
use hyper::{Method, StatusCode};

use super::fault::Fault;
use super::{Answer, ask};
use crate::live::Token;

/// How long whoever does not know the token waits for a word.
const PAUSE: Duration = Duration::from_millis(200);

/// Time between two lines of the log about that.
const QUIET: Duration = Duration::from_secs(10);

/// Lets requests in, or not.
#[derive(Default)]
pub(in crate::admin) struct Gate(Mutex<Knocks>);

/// Who did not know the token.
#[derive(Default)]
struct Knocks {
    told: Option<Instant>,
    /// Since then.
    silent: u64,
}

impl Gate {
    /// Whether the verb may be done; else the answer, late where somebody may be guessing.
    pub(in crate::admin) async fn admit(
        &self,
        peer: IpAddr,
        head: &Parts,
        token: &Result<Token, String>,
    ) -> Result<(), Answer> {
        named_plainly(head)?;
        let token = token.as_ref().map_err(|why| {
            let hint = "write `token: file:PATH` under `admin` in the configuration; the file holds \
                        16 or more characters (`openssl rand -hex 32` makes them)";
            Fault::new(StatusCode::FORBIDDEN, format!("the API is shut: {why}"), hint)
        })?;
        if let Err(fault) = knows(head, token) {
            self.knocked(peer);
            tokio::time::sleep(PAUSE).await;
            return Err(fault.into());
        }
        json_or_nothing(head).map_err(Into::into)
    }

    fn knocked(&self, peer: IpAddr) {
        let mut knocks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if knocks.told.is_some_and(|told| now.saturating_duration_since(told) < QUIET) {
            knocks.silent += 1;
            return;
        }
        tracing::warn!(
            target: "countersign::audit", %peer, held_back = knocks.silent,
            "somebody asked the API without its token"
        );
        *knocks = Knocks { told: Some(now), silent: 0 };
    }
}

/// A page on the web can have a browser ask us, by a name of its own that leads here. It cannot have
/// a name that is an address.
fn named_plainly(head: &Parts) -> Result<(), Fault> {
    let mut hosts = head.headers.get_all(HOST).iter();
    let plain = |host: &[u8]| {
        let Ok(authority) = Authority::try_from(host) else { return false };
        let name = authority.host().trim_matches(['[', ']']);
        name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
    };
    match (hosts.next(), hosts.next()) {
        (Some(host), None) if plain(host.as_bytes()) => Ok(()),
        _ => {
            let hint = "ask for the listener by its IP address or as `localhost`";
            Err(Fault::new(StatusCode::FORBIDDEN, "`host` is not this listener", hint))
        }
    }
}

fn knows(head: &Parts, token: &Token) -> Result<(), Fault> {
    let unauthorized = |error: &str| {
        let hint = "send `authorization: Bearer TOKEN`, what `admin.token` refers to";
        Fault::new(StatusCode::UNAUTHORIZED, error, hint)
    };
    let value = one(head, &AUTHORIZATION).ok_or_else(|| unauthorized("the token is missing"))?;
    let given = match value.split_at_checked(7) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case(b"bearer ") => rest,
        _ => return Err(unauthorized("the token is missing")),
    };
    if token.is(given.trim_ascii()) { Ok(()) } else { Err(unauthorized("the token is wrong")) }
}

fn json_or_nothing(head: &Parts) -> Result<(), Fault> {
    if head.method == Method::GET {
        return Ok(());
    }
    let essence = one(head, &CONTENT_TYPE).unwrap_or_default();
    let essence = essence.split(|&byte| byte == b';').next().unwrap_or_default();
    if essence.trim_ascii().eq_ignore_ascii_case(b"application/json") {
        return Ok(());
    }
    let hint = "send `content-type: application/json`";
    Err(Fault::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body is not said to be JSON", hint))
}

/// The value of a header that is there once.
fn one<'a>(head: &'a Parts, name: &HeaderName) -> Option<&'a [u8]> {
    let mut values = head.headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none()).map(hyper::header::HeaderValue::as_bytes)
}

/// There is nothing that verbs could work on.
pub(in crate::admin) fn no_store() -> Answer {
    let hint = "add `store: { path: state }` to the configuration, and restart";
    Fault::absent("nothing is kept here: there is no `store`", hint).into()
}

/// The body is too long, or did not come.
pub(in crate::admin) fn no_body(why: &str) -> Answer {
    let hint = format!("at most {} bytes, within the body timeout", super::BODY_BYTES_MAX);
    Fault::new(StatusCode::PAYLOAD_TOO_LARGE, ask::note(why), hint).into()
}
