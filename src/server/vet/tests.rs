//! Heads that are refused, one line each.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use hyper::Request;

use super::*;

const HOST: (&str, &str) = ("host", "pay.example");

fn vet(target: &str, headers: &[(&str, &str)]) -> Result<(), Refusal> {
    let mut request = Request::builder().method("POST").uri(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    head(&request.body(()).unwrap().into_parts().0, 1000)
}

#[track_caller]
fn refused(refusal: Refusal, headers: &[(&str, &str)]) {
    let all: Vec<_> = std::iter::once(HOST).chain(headers.iter().copied()).collect();
    assert_eq!(vet("/pay", &all), Err(refusal), "{headers:?}");
}

#[track_caller]
fn let_pass(headers: &[(&str, &str)]) {
    let all: Vec<_> = std::iter::once(HOST).chain(headers.iter().copied()).collect();
    assert_eq!(vet("/pay", &all), Ok(()), "{headers:?}");
}

#[test]
fn an_ordinary_head_passes() {
    let_pass(&[]);
    let_pass(&[("content-length", "1000")]);
    let_pass(&[("transfer-encoding", "chunked")]);
    let_pass(&[("transfer-encoding", "Chunked")]);
    let_pass(&[("expect", "100-continue")]);
    let_pass(&[("content-encoding", "identity")]);
}

#[test]
fn framing_that_can_be_read_in_two_ways_is_refused() {
    for coding in ["gzip, chunked", ",chunked", "chunked, chunked", "chunked;x=1", "identity", ""] {
        refused(Refusal::BadHttp, &[("transfer-encoding", coding)]);
    }
    refused(
        Refusal::BadHttp,
        &[("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")],
    );
    refused(Refusal::BadHttp, &[("transfer-encoding", "chunked"), ("content-length", "3")]);
    refused(Refusal::BadHttp, &[("content-length", "3"), ("content-length", "3")]);
    refused(Refusal::BadHttp, &[("content-length", "+3")]);
    refused(Refusal::BadHttp, &[("content-length", "3, 3")]);
}

#[test]
fn names_with_underscores_are_refused() {
    refused(Refusal::BadHttp, &[("transfer_encoding", "chunked")]);
    refused(Refusal::BadHttp, &[("x_signature", "00")]);
}

#[test]
fn what_asks_for_another_protocol_is_refused() {
    refused(Refusal::BadHttp, &[("upgrade", "h2c"), ("connection", "upgrade")]);
    refused(Refusal::BadHttp, &[("expect", "200-ok")]);
}

#[test]
fn there_must_be_exactly_one_good_host() {
    for headers in [
        &[][..],
        &[("host", "a"), ("host", "a")],
        &[("host", "")],
        &[("host", "a, b")],
        &[("host", "user@a")],
        &[("host", "a/b")],
    ] {
        assert_eq!(vet("/pay", headers), Err(Refusal::BadHttp), "{headers:?}");
    }
    assert_eq!(vet("http://pay.example/pay", &[HOST]), Ok(()));
    assert_eq!(vet("http://PAY.example/pay", &[HOST]), Ok(()));
    assert_eq!(vet("http://other.example/pay", &[HOST]), Err(Refusal::BadHttp));
    assert_eq!(vet("http://a@pay.example/pay", &[HOST]), Err(Refusal::BadHttp));
}

#[test]
fn a_body_that_says_that_it_is_too_long_or_encoded_is_not_read() {
    refused(Refusal::TooLarge, &[("content-length", "1001")]);
    refused(Refusal::TooLarge, &[("content-length", "18446744073709551615")]);
    for coding in ["gzip", "br", "identity, gzip", "deflate"] {
        refused(Refusal::UnsupportedEncoding, &[("content-encoding", coding)]);
    }
}
