//! Headers on their way through: those of a connection stay with it, and who called is said by us.

use std::net::IpAddr;

use hyper::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, FORWARDED, HOST, HeaderMap, HeaderName, HeaderValue,
    PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// Belong to a connection or frame a message on it (RFC 9110 §7.6.1): written anew on each.
const OF_A_CONNECTION: [HeaderName; 11] = [
    CONNECTION,
    CONTENT_LENGTH,
    EXPECT,
    KEEP_ALIVE,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    PROXY_CONNECTION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Say another path than the request line, and are believed by Symfony, Zend, IIS and others; what
/// is protected would be reached by them.
const OF_ANOTHER_PATH: [&str; 3] = ["x-original-url", "x-rewrite-url", "x-original-uri"];

/// Who sent a request, as it is said to an upstream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Said<'a> {
    /// The other end of the connection.
    pub(super) peer: IpAddr,
    /// Whom the request comes from, after trusted proxies; the peer where nobody knows.
    pub(super) client: IpAddr,
    /// Whether the peer is a trusted proxy, so that what it says of those before it is kept.
    pub(super) is_trusted: bool,
    /// Whether it came over TLS.
    pub(super) is_encrypted: bool,
    /// `Host`, or what HTTP/2 has for it.
    pub(super) host: Option<&'a HeaderValue>,
}

/// What goes on to an upstream of the headers of a request.
pub(super) fn to_upstream(headers: &mut HeaderMap, said: Said<'_>) {
    let trailer = kept_trailers(headers);
    let takes_trailers = headers.get_all(TE).iter().any(has_trailers);
    without_connection(headers);
    for name in OF_ANOTHER_PATH {
        headers.remove(name);
    }
    // Only what we have verified and signed carries these.
    let ours = |name: &HeaderName| {
        ["webhook-", "x-countersign-"].iter().any(|ours| name.as_str().starts_with(ours))
    };
    let ours: Vec<HeaderName> = headers.keys().filter(|name| ours(name)).cloned().collect();
    for name in ours {
        headers.remove(name);
    }
    forwarded(headers, said);
    if let Some(trailer) = trailer {
        headers.insert(TRAILER, trailer);
    }
    if takes_trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    if let Some(host) = said.host {
        headers.insert(HOST, host.clone());
    }
}

/// What goes back to the client of the headers of an answer.
pub(super) fn to_client(headers: &mut HeaderMap) {
    let trailer = kept_trailers(headers);
    without_connection(headers);
    if let Some(trailer) = trailer {
        headers.insert(TRAILER, trailer);
    }
}

/// Removes those of the connection, also those that it names itself.
fn without_connection(headers: &mut HeaderMap) {
    let mut named = Vec::new();
    for value in headers.get_all(CONNECTION) {
        let names = value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        named.extend(names.filter_map(|name| HeaderName::from_bytes(name).ok()));
    }
    for name in named.iter().chain(&OF_A_CONNECTION) {
        // A message without its host is another message.
        if *name != HOST {
            headers.remove(name);
        }
    }
}

fn has_trailers(value: &HeaderValue) -> bool {
    let mut codings = value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    codings.any(|coding| coding.eq_ignore_ascii_case(b"trailers"))
}

/// Beginnings of names that a trailer must not have: some read trailers as if they had stood in the
/// head, and these say who calls, who may, what the content is, or that we have verified it
/// (RFC 9110 §6.5.1).
const NOT_OF_TRAILERS: [&str; 19] = [
    "authorization",
    "cache-control",
    "content-",
    "cookie",
    "forwarded",
    "idempotency-key",
    "if-",
    "max-forwards",
    "pragma",
    "range",
    "set-cookie",
    "webhook-",
    "www-authenticate",
    "x-accel-",
    "x-countersign-",
    "x-forwarded-",
    "x-original-",
    "x-real-ip",
    "x-rewrite-",
];

/// Whether a trailer of that name may pass.
fn is_of_trailers(name: &HeaderName) -> bool {
    let begins = |with: &&str| name.as_str().starts_with(*with);
    *name != HOST && !OF_A_CONNECTION.contains(name) && !NOT_OF_TRAILERS.iter().any(begins)
}

/// Leaves the trailers that may pass: over HTTP/2 they need not be announced.
pub(super) fn vet_trailers(trailers: &mut HeaderMap) {
    let unfit: Vec<_> = trailers.keys().filter(|name| !is_of_trailers(name)).cloned().collect();
    for name in unfit {
        trailers.remove(name);
    }
}

/// The trailers that are announced and may pass; those that frame, route or vouch may not.
fn kept_trailers(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut kept: Vec<HeaderName> = Vec::new();
    for value in headers.get_all(TRAILER) {
        let names = value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        let names = names.filter_map(|name| HeaderName::from_bytes(name).ok());
        kept.extend(names.filter(is_of_trailers));
    }
    let kept: Vec<&str> = kept.iter().map(HeaderName::as_str).collect();
    (!kept.is_empty()).then(|| HeaderValue::from_str(&kept.join(", ")).ok()).flatten()
}

/// Whom the request comes from, in the words of RFC 7239 and in those from before it.
fn forwarded(headers: &mut HeaderMap, said: Said<'_>) {
    let chain = said.is_trusted.then(|| {
        let values = headers.get_all(X_FORWARDED_FOR).iter().map(HeaderValue::as_bytes);
        values.collect::<Vec<_>>().join(&b", "[..])
    });
    let scheme = headers.get(X_FORWARDED_PROTO).filter(|_| said.is_trusted);
    let is_encrypted = scheme.map_or(said.is_encrypted, |scheme| scheme == "https");
    let host = headers.get(X_FORWARDED_HOST).filter(|_| said.is_trusted).or(said.host).cloned();
    let theirs = |name: &HeaderName| name.as_str().starts_with("x-forwarded-");
    let theirs: Vec<HeaderName> = headers.keys().filter(|name| theirs(name)).cloned().collect();
    for name in theirs {
        headers.remove(name);
    }
    let peer = said.peer.to_string();
    let chain = match chain {
        Some(chain) if !chain.is_empty() => [&chain, &b", "[..], peer.as_bytes()].concat(),
        Some(_) | None => peer.into_bytes(),
    };
    let scheme = if is_encrypted { "https" } else { "http" };
    let mut element = match said.client {
        IpAddr::V4(client) => format!("for={client};proto={scheme}"),
        IpAddr::V6(client) => format!("for=\"[{client}]\";proto={scheme}"),
    };
    // A host has no quotation mark and no backslash.
    if let Some(host) = host.as_ref().and_then(|host| host.to_str().ok())
        && !host.contains(['"', '\\'])
    {
        element = format!("{element};host=\"{host}\"");
    }
    let mut set = |name: HeaderName, value: Result<HeaderValue, _>| match value {
        Ok(value) => drop(headers.insert(name, value)),
        // Nothing that is no header gets here; it would be dropped, not passed on.
        Err::<_, hyper::header::InvalidHeaderValue>(_) => drop(headers.remove(name)),
    };
    set(X_FORWARDED_FOR, HeaderValue::from_bytes(&chain));
    set(X_FORWARDED_PROTO, Ok(HeaderValue::from_static(scheme)));
    set(X_REAL_IP, HeaderValue::from_str(&said.client.to_string()));
    set(FORWARDED, HeaderValue::from_str(&element));
    if let Some(host) = host {
        set(X_FORWARDED_HOST, Ok(host));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn map(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in lines {
            map.append(*name, value.parse().unwrap());
        }
        map
    }

    fn lines(map: &HeaderMap) -> Vec<String> {
        let line = |(name, value): (&HeaderName, &HeaderValue)| {
            format!("{name}: {}", value.to_str().unwrap())
        };
        let mut lines: Vec<_> = map.iter().map(line).collect();
        lines.sort();
        lines
    }

    const HOST_VALUE: HeaderValue = HeaderValue::from_static("shop.example");

    fn said(is_trusted: bool) -> Said<'static> {
        static HOST: HeaderValue = HOST_VALUE;
        Said {
            peer: "192.0.2.7".parse().unwrap(),
            client: if is_trusted { "198.51.100.9" } else { "192.0.2.7" }.parse().unwrap(),
            is_trusted,
            is_encrypted: false,
            host: Some(&HOST),
        }
    }

    #[test]
    fn what_belongs_to_a_connection_or_is_ours_to_say_stays_behind() {
        let mut headers = map(&[
            ("connection", "keep-alive, x-named, Accept"),
            ("content-length", "3"),
            ("expect", "100-continue"),
            ("keep-alive", "timeout=5"),
            ("proxy-authorization", "Basic x"),
            ("proxy-connection", "keep-alive"),
            ("te", "trailers, deflate"),
            ("trailer", "Server-Timing, Content-Length, host, X-Forwarded-For, Cookie"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("x-named", "1"),
            ("accept", "*/*"),
            ("cookie", "a=b"),
            ("host", "shop.example"),
            ("webhook-id", "evt_1"),
            ("webhook-signature", "v1,x"),
            ("x-countersign-verified", "yes"),
            ("x-original-url", "/billing/payment/liqpay/"),
            ("x-rewrite-url", "/billing/payment/liqpay/"),
            ("x-forwarded-for", "127.0.0.1"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "evil.example"),
            ("x-forwarded-prefix", "/x"),
            ("x-real-ip", "127.0.0.1"),
            ("forwarded", "for=127.0.0.1"),
        ]);
        to_upstream(&mut headers, said(false));
        assert_eq!(
            lines(&headers),
            [
                "cookie: a=b",
                "forwarded: for=192.0.2.7;proto=http;host=\"shop.example\"",
                "host: shop.example",
                "te: trailers",
                "trailer: server-timing",
                "x-forwarded-for: 192.0.2.7",
                "x-forwarded-host: shop.example",
                "x-forwarded-proto: http",
                "x-real-ip: 192.0.2.7",
            ]
        );
    }

    #[test]
    fn a_trusted_proxy_says_who_called_it() {
        let mut headers = map(&[
            ("x-forwarded-for", "203.0.113.5"),
            ("x-forwarded-for", "198.51.100.9"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "www.shop.example"),
            ("forwarded", "for=203.0.113.5"),
            ("x-real-ip", "203.0.113.5"),
        ]);
        to_upstream(&mut headers, said(true));
        assert_eq!(
            lines(&headers),
            [
                "forwarded: for=198.51.100.9;proto=https;host=\"www.shop.example\"",
                "host: shop.example",
                "x-forwarded-for: 203.0.113.5, 198.51.100.9, 192.0.2.7",
                "x-forwarded-host: www.shop.example",
                "x-forwarded-proto: https",
                "x-real-ip: 198.51.100.9",
            ]
        );
    }

    #[test]
    fn a_trailer_that_vouches_for_something_is_dropped() {
        let mut trailers = map(&[
            ("grpc-status", "0"),
            ("x-checksum", "1"),
            ("x-real-ip", "127.0.0.1"),
            ("forwarded", "for=127.0.0.1"),
            ("authorization", "Basic x"),
            ("webhook-signature", "v1,x"),
            ("content-length", "3"),
            ("host", "evil.example"),
        ]);
        vet_trailers(&mut trailers);
        assert_eq!(lines(&trailers), ["grpc-status: 0", "x-checksum: 1"]);
    }

    #[test]
    fn nobody_makes_the_host_or_our_word_a_matter_of_the_connection() {
        let mut headers = map(&[("connection", "host, x-forwarded-for"), ("host", "shop.example")]);
        to_upstream(&mut headers, said(false));
        assert_eq!(headers[HOST], "shop.example");
        assert_eq!(headers[X_FORWARDED_FOR], "192.0.2.7");
    }

    #[test]
    fn an_ipv6_address_is_written_as_the_header_wants_it() {
        let mut headers = HeaderMap::new();
        let client = "2001:db8::1".parse().unwrap();
        let said = Said { peer: client, client, is_trusted: false, is_encrypted: true, host: None };
        to_upstream(&mut headers, said);
        assert_eq!(headers[FORWARDED], "for=\"[2001:db8::1]\";proto=https");
        assert_eq!(headers[X_FORWARDED_FOR], "2001:db8::1");
    }

    #[test]
    fn an_answer_leaves_its_connection_behind_too() {
        let mut headers = map(&[
            ("connection", "close, x-hop"),
            ("x-hop", "1"),
            ("transfer-encoding", "chunked"),
            ("trailer", "digest"),
            ("keep-alive", "timeout=5"),
            ("set-cookie", "a=1"),
            ("set-cookie", "b=2"),
        ]);
        to_client(&mut headers);
        assert_eq!(lines(&headers), ["set-cookie: a=1", "set-cookie: b=2", "trailer: digest"]);
    }
}
