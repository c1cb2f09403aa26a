//! The table as the security contract has it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use http_body_util::BodyExt as _;

use super::*;

const TRANSPORT: [(Refusal, u16); 11] = [
    (Refusal::BadHttp, 400),
    (Refusal::BodyTimeout, 408),
    (Refusal::Busy, 503),
    (Refusal::NoRoute, 404),
    (Refusal::NotReady, 503),
    (Refusal::TooLarge, 413),
    (Refusal::UnsupportedEncoding, 415),
    (Refusal::UpstreamBroken, 502),
    (Refusal::UpstreamDown, 502),
    (Refusal::UpstreamRefused, 502),
    (Refusal::UpstreamTimeout, 504),
];

fn all() -> impl Iterator<Item = Refusal> {
    let judged = Reason::ALL.into_iter().map(Refusal::Judged);
    judged.chain(TRANSPORT.map(|(refusal, _)| refusal))
}

fn body(response: Response<Full<Bytes>>) -> Bytes {
    let mut body = response.into_body();
    let waker = std::task::Waker::noop();
    let mut cx = std::task::Context::from_waker(waker);
    match std::pin::pin!(body.frame()).poll(&mut cx) {
        std::task::Poll::Ready(Some(Ok(frame))) => frame.into_data().unwrap(),
        other => panic!("no body at once: {other:?}"),
    }
}

#[test]
fn every_reason_has_the_status_of_its_class() {
    for (reason, status) in [
        ("signature_missing", 401),
        ("signature_malformed", 401),
        ("signature_mismatch", 401),
        ("credentials_missing", 401),
        ("credentials_mismatch", 401),
        ("account_mismatch", 403),
        ("test_in_live", 403),
        ("confirmation_mismatch", 403),
        ("timestamp_too_old", 403),
        ("timestamp_in_future", 403),
        ("source_denied", 403),
        ("state_rejected", 403),
        ("duplicate_field", 400),
        ("duplicate_header", 400),
        ("payload_malformed", 400),
        ("field_missing", 400),
        ("field_malformed", 400),
        ("unexpected_field", 400),
        ("method_not_allowed", 405),
        ("unsupported_media_type", 415),
        ("confirmation_unavailable", 503),
    ] {
        let refusal = Refusal::Judged(Reason::from_word(reason).unwrap());
        assert_eq!(refused(refusal, None).status(), status, "{reason}");
    }
    for (refusal, status) in TRANSPORT {
        assert_eq!(refused(refusal, None).status(), status, "{refusal:?}");
    }
}

#[test]
fn every_refusal_has_the_same_body_and_every_5xx_says_when_to_come_again() {
    for refusal in all() {
        let response = refused(refusal, None);
        assert_eq!(
            response.status().is_server_error(),
            response.headers().contains_key(RETRY_AFTER),
            "{refusal:?}"
        );
        assert_eq!(response.headers()[CONTENT_TYPE], "text/plain", "{refusal:?}");
        assert_eq!(body(response), "refused\n", "{refusal:?}");
    }
}

#[test]
fn the_words_are_distinct() {
    let words: std::collections::HashSet<_> = all().map(Refusal::as_str).collect();
    assert_eq!(words.len(), all().count());
}

#[test]
fn a_rule_may_word_refusals_and_retries_but_not_broken_framing() {
    let own = |text: &str| {
        let (status, content_type) = (200, Some("text/html".to_owned()));
        Arc::new(Reply { status, content_type, body: text.as_bytes().to_vec() })
    };
    let replies =
        Replies { accepted: own("OK"), refused: Some(own("NO")), try_again: Some(own("LATER")) };
    for (refusal, want) in [
        (Refusal::Judged(Reason::SignatureMismatch), "NO"),
        (Refusal::Judged(Reason::ConfirmationUnavailable), "LATER"),
        (Refusal::UpstreamDown, "LATER"),
        (Refusal::Busy, "LATER"),
        (Refusal::BadHttp, "refused\n"),
        (Refusal::TooLarge, "refused\n"),
    ] {
        assert_eq!(body(refused(refusal, Some(&replies))), want, "{refusal:?}");
    }
}
