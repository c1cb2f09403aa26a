//! How a request is framed, and what counts as an answer.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Frame};

use super::*;

#[test]
fn what_was_not_sent_is_not_counted_as_an_answer() {
    assert_eq!(Error::Busy.class(), None);
    assert_eq!(Error::NotConfigured.class(), None);
    assert_eq!(Error::RequestBody.class(), None);
    assert_eq!(Error::Timeout.class(), Some(Class::Timeout));
    assert_eq!(class(StatusCode::NO_CONTENT), Class::Success);
    assert_eq!(class(StatusCode::SWITCHING_PROTOCOLS), Class::Success);
    assert_eq!(class(StatusCode::FOUND), Class::Redirect);
    assert_eq!(class(StatusCode::from_u16(600).unwrap()), Class::Broken);
}

/// Framing headers as they go out.
fn framed(method: Method, body: Outgoing) -> Vec<(String, String)> {
    let mut request = Request::builder()
        .method(method)
        .uri("/")
        .version(Version::HTTP_10)
        .header("content-length", "7")
        .header("transfer-encoding", "gzip, chunked")
        .header("expect", "100-continue")
        .header("connection", "close, x-secret")
        .body(body)
        .unwrap();
    frame(&mut request, &HeaderValue::from_static("own.example")).unwrap();
    assert_eq!(request.version(), Version::HTTP_11);
    let mut headers: Vec<_> = request
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    headers.sort();
    headers
}

/// A body that does not know its length.
struct Unknown;

impl Body for Unknown {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Poll::Ready(None)
    }
}

#[test]
fn where_a_request_ends_follows_from_its_body_alone() {
    let host = ("host".to_owned(), "own.example".to_owned());
    let with = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned()), host.clone()];
    let known = || Outgoing::streaming(Full::new(Bytes::from_static(b"abc")));
    for method in [Method::GET, Method::HEAD, Method::DELETE] {
        assert_eq!(framed(method.clone(), Bytes::new().into()), std::slice::from_ref(&host));
        let chunked = vec![host.clone(), ("transfer-encoding".into(), "chunked".into())];
        assert_eq!(framed(method, Outgoing::streaming(Unknown)), chunked);
    }
    assert_eq!(framed(Method::POST, Bytes::new().into()), with("content-length", "0"));
    // hyper writes the length.
    assert_eq!(framed(Method::POST, known()), std::slice::from_ref(&host));
    assert_eq!(known().framing(), outgoing::Framing::Length);
}

#[test]
fn a_request_for_a_tunnel_of_its_own_is_not_for_an_upstream() {
    let mut request = Request::new(Outgoing::from(Bytes::new()));
    *request.method_mut() = Method::CONNECT;
    let host = HeaderValue::from_static("own.example");
    assert_eq!(frame(&mut request, &host), Err(Error::NotConfigured));
}

#[test]
fn only_what_is_at_hand_can_be_sent_twice() {
    let mut request = Request::new(Outgoing::from(Bytes::from_static(b"abc")));
    *request.uri_mut() = "/x?y".parse().unwrap();
    request.headers_mut().insert("idempotency-key", HeaderValue::from_static("k"));
    let second = again(&request).unwrap();
    assert_eq!(second.uri(), request.uri());
    assert_eq!(second.headers(), request.headers());
    assert!(again(&Request::new(Outgoing::streaming(Unknown))).is_none());
}
