//! How a request is framed.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Frame};

use super::*;

fn way(http: Http) -> Way {
    Way {
        host: HeaderValue::from_static("own.example"),
        own: Address::Name { host: "own.example".into(), port: 80 },
        http,
        keep_alive: true,
        scheme: Scheme::HTTP,
        tls: None,
        proxy_protocol: None,
    }
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
    way(Http::One).frame(&mut request).unwrap();
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
    assert_eq!(known().framing(), Framing::Length);
}

#[test]
fn a_request_for_a_tunnel_of_its_own_is_not_for_an_upstream() {
    let mut request = Request::new(Outgoing::from(Bytes::new()));
    *request.method_mut() = Method::CONNECT;
    assert_eq!(way(Http::One).frame(&mut request), Err(Error::NotConfigured));
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

#[test]
fn over_http_2_the_host_is_part_of_the_address_and_nothing_is_of_the_connection() {
    let mut request = Request::post("/x?y")
        .header("host", "shop.example:8080")
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .body(Outgoing::streaming(Unknown))
        .unwrap();
    for _ in 0..2 {
        way(Http::Two).frame(&mut request).unwrap();
        assert!(request.headers().is_empty(), "{:?}", request.headers());
        request.headers_mut().insert("host", HeaderValue::from_static("shop.example:8080"));
    }
    assert_eq!(request.uri(), "http://shop.example:8080/x?y");
    let mut request = Request::post("/x").body(Outgoing::from(Bytes::new())).unwrap();
    request.headers_mut().insert("host", HeaderValue::from_static("a/b@c"));
    assert_eq!(way(Http::Two).frame(&mut request), Err(Error::NotConfigured));
}

#[tokio::test]
async fn an_upstream_on_this_machine_is_not_given_the_room_of_a_distant_one() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        // Some machines have no IPv6.
        let Ok(listener) = std::net::TcpListener::bind(address) else { continue };
        let stream = socket(&listener.local_addr().unwrap()).unwrap();
        let stream = stream.connect(listener.local_addr().unwrap()).await.unwrap();
        let (accepted, _) = listener.accept().unwrap();
        // Linux doubles what is asked for.
        let room = SockRef::from(&stream).recv_buffer_size().unwrap();
        assert_eq!(room, 2 * LOOPBACK_WINDOW_BYTES);
        let segment = SockRef::from(&accepted).tcp_mss().unwrap();
        assert!(segment <= LOOPBACK_SEGMENT_BYTES, "{segment}");
    }
}
