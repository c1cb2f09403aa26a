//! Heads of one reading, and of two.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use bytes::Bytes;
use http_body_util::Full;

use super::*;

const LIMITS: HeadLimits = HeadLimits { bytes_max: 200, lines_max: 5 };

fn request(method: &str, uri: &str, lines: &[(&str, &str)]) -> Request<Full<Bytes>> {
    let builder = Request::builder().method(method).uri(uri);
    let with = |builder: hyper::http::request::Builder, (name, value): &(&str, &str)| {
        builder.header(*name, *value)
    };
    lines.iter().fold(builder, with).body(Full::default()).unwrap()
}

#[track_caller]
fn refused(method: &str, uri: &str, lines: &[(&str, &str)], bad: Bad) {
    assert_eq!(vet(&mut request(method, uri, lines), LIMITS), Err(bad), "{method} {uri} {lines:?}");
}

const URL: &str = "https://pay.example/a?b=c";

#[test]
fn the_authority_becomes_the_host_and_crumbs_one_cookie() {
    let lines = [("cookie", "a=1"), ("x-a", "y"), ("cookie", "b=2"), ("te", "trailers")];
    let mut request = request("POST", URL, &lines);
    assert_eq!(vet(&mut request, LIMITS), Ok(()));
    let all = |name: &str| -> Vec<_> {
        request.headers().get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
    };
    assert_eq!(all("host"), ["pay.example"]);
    assert_eq!(all("cookie"), ["a=1; b=2"]);
    assert_eq!(all("x-a"), ["y"]);
}

#[test]
fn a_host_is_named_once_or_twice_the_same() {
    for (uri, lines) in [
        (URL, &[("host", "pay.example")][..]),
        (URL, &[("host", "PAY.example")]),
        ("/a", &[("host", "pay.example:443")]),
        ("https://[::1]:8443/a", &[]),
    ] {
        assert_eq!(vet(&mut request("GET", uri, lines), LIMITS), Ok(()), "{uri} {lines:?}");
    }
    for (uri, lines) in [
        (URL, &[("host", "other.example")][..]),
        (URL, &[("host", "pay.example:443")]),
        (URL, &[("host", "pay.example"), ("host", "pay.example")]),
        ("/a", &[]),
        ("/a", &[("host", "")]),
        ("/a", &[("host", "a,b")]),
        ("https://user@pay.example/a", &[]),
    ] {
        refused("GET", uri, lines, Bad::Host);
    }
}

#[test]
fn a_target_is_a_path() {
    refused("OPTIONS", "*", &[("host", "a")], Bad::Target);
    refused("GET", "http://pay.example/a", &[], Bad::Target);
    refused("CONNECT", "pay.example:443", &[], Bad::Method);
    refused("CONNECT", URL, &[], Bad::Method);
}

#[test]
fn a_line_means_the_same_to_everybody() {
    for (name, value, bad) in [
        ("x_a", "1", Bad::Name),
        ("connection", "close", Bad::Connection),
        ("keep-alive", "1", Bad::Connection),
        ("proxy-connection", "close", Bad::Connection),
        ("upgrade", "h2c", Bad::Connection),
        ("te", "gzip", Bad::Connection),
        ("te", "trailers, gzip", Bad::Connection),
        ("transfer-encoding", "chunked", Bad::Coding),
        ("expect", "x", Bad::Expect),
        ("x-a", " 1", Bad::Padding),
        ("x-a", "1\t", Bad::Padding),
        ("content-length", "+1", Bad::Length),
        ("content-length", "1, 1", Bad::Length),
        ("content-length", "", Bad::Length),
        ("content-length", "5", Bad::Length),
    ] {
        refused("POST", URL, &[(name, value)], bad);
    }
    refused("POST", URL, &[("content-length", "0"), ("content-length", "0")], Bad::Length);
    assert_eq!(vet(&mut request("POST", URL, &[("content-length", "0")]), LIMITS), Ok(()));
    assert_eq!(vet(&mut request("POST", URL, &[("expect", "100-continue")]), LIMITS), Ok(()));
}

#[test]
fn lines_and_bytes_are_counted_as_over_http1() {
    let names = ["a", "b", "c", "d", "e", "f"].map(|name| (name, "1"));
    assert_eq!(vet(&mut request("GET", URL, &names[..5]), LIMITS), Ok(()));
    refused("GET", URL, &names, Bad::TooLarge);
    // `GET /a?b=c HTTP/1.1`, and the line `x-a: …`, each with its end.
    let fits = "y".repeat(200 - 21 - 7);
    assert_eq!(vet(&mut request("GET", URL, &[("x-a", &fits)]), LIMITS), Ok(()));
    refused("GET", URL, &[("x-a", &(fits + "y"))], Bad::TooLarge);
}
