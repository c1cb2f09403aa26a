//! Refuses a request for what its head says of the body, before a byte of that is read. That the head
//! can be read in one way only, `head` has seen to.

use hyper::header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderMap, UPGRADE};

use super::refusal::Refusal;

/// What may be read with these headers is a callback, and not too long.
pub(super) fn headers(headers: &HeaderMap, body_bytes_max: usize) -> Result<(), Refusal> {
    // A callback has nothing to say in another protocol.
    if headers.contains_key(UPGRADE) {
        return Err(Refusal::BadHttp);
    }
    let is_plain =
        |value: &hyper::header::HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
    if !headers.get_all(CONTENT_ENCODING).iter().all(is_plain) {
        return Err(Refusal::UnsupportedEncoding);
    }
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if length.is_some_and(|length: u64| length > body_bytes_max as u64) {
        return Err(Refusal::TooLarge);
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn vet(lines: &[(&'static str, &'static str)]) -> Result<(), Refusal> {
        let mut all = HeaderMap::new();
        for (name, value) in lines {
            all.append(*name, value.parse().unwrap());
        }
        headers(&all, 1000)
    }

    #[test]
    fn an_ordinary_head_passes() {
        for line in [
            ("content-length", "1000"),
            ("transfer-encoding", "chunked"),
            ("content-encoding", "identity"),
        ] {
            assert_eq!(vet(&[line]), Ok(()), "{line:?}");
        }
        assert_eq!(vet(&[]), Ok(()));
    }

    #[test]
    fn what_asks_for_another_protocol_is_refused() {
        let h2c = [("upgrade", "h2c"), ("connection", "upgrade")];
        assert_eq!(vet(&h2c), Err(Refusal::BadHttp));
    }

    #[test]
    fn a_body_that_says_that_it_is_too_long_or_encoded_is_not_read() {
        for length in ["1001", "18446744073709551615"] {
            assert_eq!(vet(&[("content-length", length)]), Err(Refusal::TooLarge));
        }
        for coding in ["gzip", "br", "identity, gzip", "deflate"] {
            assert_eq!(vet(&[("content-encoding", coding)]), Err(Refusal::UnsupportedEncoding));
        }
    }
}
