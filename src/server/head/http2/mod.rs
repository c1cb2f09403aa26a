//! The head of a request over HTTP/2 (RFC 9113 §8): whatever it leaves to be read in two ways, above
//! all by a server of HTTP/1.1 that it is passed on to, is refused. What h2 refuses by itself is looked
//! at once more where it matters.

use hyper::body::Body;
use hyper::header::{CONTENT_LENGTH, COOKIE, HOST, HeaderMap, HeaderValue};
use hyper::http::uri::Authority;
use hyper::{Method, Request, Uri};

use super::bad::Bad;
use super::fields::{Known, TARGET_BYTES_MAX};
use super::{HeadLimits, syntax};

/// What belongs to a connection of HTTP/1.1 (RFC 9113 §8.2.2), beside what frames.
const OF_CONNECTIONS: [&str; 2] = ["keep-alive", "proxy-connection"];

/// Bytes that a line of HTTP/1.1 has beside name and value: `: ` and its end.
const LINE_OVERHEAD_BYTES: usize = 4;

/// `GET / HTTP/1.1` without method and target.
const REQUEST_LINE_OVERHEAD_BYTES: usize = 12;

/// Passes a head with one reading, in the form that it has over HTTP/1.1: the authority as `host`, and
/// cookies in one line.
pub(in crate::server) fn vet<B: Body>(
    request: &mut Request<B>,
    limits: HeadLimits,
) -> Result<(), Bad> {
    if request.method() == Method::CONNECT {
        return Err(Bad::Method);
    }
    let target = target(request.uri())?;
    let bytes = request.method().as_str().len() + target + REQUEST_LINE_OVERHEAD_BYTES;
    let host = host(request.uri(), request.headers())?;
    let headers = request.headers();
    fields(headers, bytes, limits)?;
    if length(headers)?.is_some_and(|length| length > 0) && request.body().is_end_stream() {
        return Err(Bad::Length);
    }
    let cookies = cookies(headers)?;
    let headers = request.headers_mut();
    if let Some(host) = host {
        headers.insert(HOST, host);
    }
    if let Some(cookies) = cookies {
        headers.insert(COOKIE, cookies);
    }
    Ok(())
}

/// The length of path and query.
fn target(uri: &Uri) -> Result<usize, Bad> {
    // Whoever speaks it has a secured connection, and h2 forgets a scheme without authority.
    if uri.scheme_str().is_some_and(|scheme| scheme != "https") {
        return Err(Bad::Target);
    }
    let target = uri.path_and_query().map_or("", |target| target.as_str());
    if target.len() > TARGET_BYTES_MAX {
        return Err(Bad::TooLarge);
    }
    if syntax::is_path(target.as_bytes()) { Ok(target.len()) } else { Err(Bad::Target) }
}

/// The one host that a request names, as a line that it does not have yet.
fn host(uri: &Uri, headers: &HeaderMap) -> Result<Option<HeaderValue>, Bad> {
    let mut lines = headers.get_all(HOST).iter();
    let (line, second) = (lines.next(), lines.next());
    let authority = uri.authority().map(Authority::as_str);
    let host = match (line, authority) {
        (Some(line), Some(authority)) => {
            let is_same = line.as_bytes().eq_ignore_ascii_case(authority.as_bytes());
            if is_same { line.as_bytes() } else { return Err(Bad::Host) }
        }
        (Some(line), None) => line.as_bytes(),
        (None, Some(authority)) => authority.as_bytes(),
        (None, None) => return Err(Bad::Host),
    };
    if second.is_some() || !syntax::is_host(host) {
        return Err(Bad::Host);
    }
    match line {
        Some(_) => Ok(None),
        None => HeaderValue::from_bytes(host).map(Some).map_err(|_| Bad::Host),
    }
}

/// Every line by itself, and all of them together.
fn fields(headers: &HeaderMap, mut bytes: usize, limits: HeadLimits) -> Result<(), Bad> {
    if headers.len() > limits.lines_max {
        return Err(Bad::TooLarge);
    }
    for (name, value) in headers {
        let (name, value) = (name.as_str(), value.as_bytes());
        bytes = bytes.saturating_add(name.len() + value.len() + LINE_OVERHEAD_BYTES);
        if !syntax::is_name(name.as_bytes()) {
            return Err(Bad::Name);
        }
        if syntax::has_control(value) {
            return Err(Bad::Control);
        }
        if value.trim_ascii().len() != value.len() {
            return Err(Bad::Padding);
        }
        match Known::of(name.as_bytes()) {
            Some(Known::Connection | Known::Upgrade) => return Err(Bad::Connection),
            Some(Known::TransferEncoding) => return Err(Bad::Coding),
            Some(Known::Expect) if !value.eq_ignore_ascii_case(b"100-continue") => {
                return Err(Bad::Expect);
            }
            None if OF_CONNECTIONS.contains(&name) => return Err(Bad::Connection),
            None if name == "te" && value != b"trailers" => return Err(Bad::Connection),
            Some(Known::ContentLength | Known::Expect | Known::Host) | None => {}
        }
    }
    if bytes > limits.bytes_max { Err(Bad::TooLarge) } else { Ok(()) }
}

fn length(headers: &HeaderMap) -> Result<Option<u64>, Bad> {
    let mut lines = headers.get_all(CONTENT_LENGTH).iter();
    match (lines.next(), lines.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => syntax::length(value.as_bytes()).map(Some),
        (Some(_), Some(_)) => Err(Bad::Length),
    }
}

/// Crumbs of a cookie, put together again (RFC 9113 §8.2.3).
fn cookies(headers: &HeaderMap) -> Result<Option<HeaderValue>, Bad> {
    let crumbs: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if crumbs.len() < 2 {
        return Ok(None);
    }
    HeaderValue::from_bytes(&crumbs.join(&b"; "[..])).map(Some).map_err(|_| Bad::Control)
}
#[cfg(test)]
mod tests;
