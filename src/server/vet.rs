//! Refuses what two readers could read in two ways, before a byte of the body is read.

use hyper::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue,
    TRANSFER_ENCODING, UPGRADE,
};
use hyper::http::request::Parts;
use hyper::http::uri::Authority;
use hyper::{Method, Version};

use super::refusal::Refusal;

/// The head of a request that can be read in one way only, and whose body may be read.
pub(super) fn head(head: &Parts, body_bytes_max: usize) -> Result<(), Refusal> {
    let headers = &head.headers;
    let unambiguous = head.method != Method::CONNECT
        && matches!(head.version, Version::HTTP_10 | Version::HTTP_11)
        && !headers.contains_key(UPGRADE)
        // `X_Signature` and `X-Signature` are one variable to CGI and its heirs.
        && headers.keys().all(|name| !name.as_str().contains('_'))
        && one_host(head)
        && one_framing(headers, head.version)
        && lines(headers, EXPECT).all(|value| value.eq_ignore_ascii_case(b"100-continue"));
    if !unambiguous {
        return Err(Refusal::BadHttp);
    }
    if !lines(headers, CONTENT_ENCODING).all(|value| value.eq_ignore_ascii_case(b"identity")) {
        return Err(Refusal::UnsupportedEncoding);
    }
    let length = headers.get(CONTENT_LENGTH).map(length).transpose()?;
    if length.is_some_and(|length| length > body_bytes_max as u64) {
        return Err(Refusal::TooLarge);
    }
    Ok(())
}

/// Exactly one `Host`, an authority without user name, and the same as in the target, if there.
fn one_host(head: &Parts) -> bool {
    let mut hosts = head.headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    let Ok(host) = Authority::try_from(host.as_bytes()) else { return false };
    let same = head
        .uri
        .authority()
        .is_none_or(|target| target.as_str().eq_ignore_ascii_case(host.as_str()));
    same && !host.as_str().contains('@') && !host.host().is_empty()
}

/// No framing, one `Content-Length`, or one `Transfer-Encoding: chunked`. hyper has refused or
/// cleaned up most of the rest before we see it.
fn one_framing(headers: &HeaderMap, version: Version) -> bool {
    let lengths = lines(headers, CONTENT_LENGTH).count();
    let mut codings = lines(headers, TRANSFER_ENCODING);
    match (codings.next(), codings.next()) {
        (None, _) => lengths <= 1,
        (Some(coding), None) => {
            coding.eq_ignore_ascii_case(b"chunked") && lengths == 0 && version == Version::HTTP_11
        }
        (Some(_), Some(_)) => false,
    }
}

/// Digits only: RFC 9112 §6.2 knows no sign, list or white space.
fn length(value: &HeaderValue) -> Result<u64, Refusal> {
    let text = value.to_str().map_err(|_| Refusal::BadHttp)?;
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Refusal::BadHttp);
    }
    text.parse().map_err(|_| Refusal::BadHttp)
}

fn lines(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &[u8]> {
    headers.get_all(name).into_iter().map(HeaderValue::as_bytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
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
        for coding in
            ["gzip, chunked", ",chunked", "chunked, chunked", "chunked;x=1", "identity", ""]
        {
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
}
