//! The one table from what a request came to, to what its sender is told.
#![deny(clippy::wildcard_enum_match_arm)]

use bytes::Bytes;
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};

use super::body::Body;
use super::refusal::Refusal;
use crate::deliver::Answer;
use crate::engine::plan::ReplyPlans;
use crate::engine::reason::Reason;
use crate::engine::verdict::Reply;
use crate::metrics::Outcome;

/// The body of every refusal, whatever its reason: the sender learns nothing from it.
const REFUSED: &[u8] = b"refused\n";

/// Its content type.
const PLAIN: &str = "text/plain";

/// Seconds after which a gateway should come again.
const RETRY_SECONDS: HeaderValue = HeaderValue::from_static("60");

/// What a refusal asks of the sender.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Ask {
    /// Nothing: it is refused for good.
    GiveUp,
    /// The same; and what follows on this connection is not to be trusted.
    GoAway,
    /// To send it again later.
    TryAgain,
    /// The same, after so many seconds.
    Wait(u32),
}

/// 4xx: never acceptable. 5xx: please send it again.
fn table(refusal: Refusal) -> (StatusCode, Ask, Outcome) {
    use Ask::{GiveUp, GoAway, TryAgain, Wait};
    use Outcome::{Rejected, Unavailable, Undelivered};
    match refusal {
        Refusal::Judged(reason) => match reason {
            Reason::CertificateRejected
            | Reason::CredentialsMismatch
            | Reason::CredentialsMissing
            | Reason::SignatureMalformed
            | Reason::SignatureMismatch
            | Reason::SignatureMissing => (StatusCode::UNAUTHORIZED, GiveUp, Rejected),
            Reason::AccountMismatch
            | Reason::AlgorithmNotAllowed
            | Reason::ConfirmationMismatch
            | Reason::ConfirmationRefused
            | Reason::SourceDenied
            | Reason::StateRejected
            | Reason::TestInLive
            | Reason::TimestampInFuture
            | Reason::TimestampTooOld => (StatusCode::FORBIDDEN, GiveUp, Rejected),
            Reason::DuplicateField
            | Reason::DuplicateHeader
            | Reason::FieldMalformed
            | Reason::FieldMissing
            | Reason::PayloadMalformed
            | Reason::UnexpectedField => (StatusCode::BAD_REQUEST, GiveUp, Rejected),
            Reason::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, GiveUp, Rejected),
            Reason::UnsupportedMediaType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, GiveUp, Rejected),
            Reason::ConfirmationUnavailable => {
                (StatusCode::SERVICE_UNAVAILABLE, TryAgain, Unavailable)
            }
        },
        Refusal::NoRoute | Refusal::Protected => (StatusCode::NOT_FOUND, GiveUp, Rejected),
        Refusal::RateLimited(seconds) => {
            (StatusCode::TOO_MANY_REQUESTS, Wait(seconds), Unavailable)
        }
        Refusal::BadHttp => (StatusCode::BAD_REQUEST, GoAway, Rejected),
        Refusal::BodyTimeout | Refusal::HeadTimeout => {
            (StatusCode::REQUEST_TIMEOUT, GoAway, Rejected)
        }
        Refusal::HeadTooLarge => (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, GoAway, Rejected),
        Refusal::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, GoAway, Rejected),
        Refusal::UnsupportedEncoding => (StatusCode::UNSUPPORTED_MEDIA_TYPE, GoAway, Rejected),
        Refusal::NotReady => (StatusCode::SERVICE_UNAVAILABLE, TryAgain, Unavailable),
        Refusal::Busy | Refusal::DiskError | Refusal::InFlight | Refusal::QueueFull => {
            (StatusCode::SERVICE_UNAVAILABLE, TryAgain, Undelivered)
        }
        Refusal::UpstreamBroken | Refusal::UpstreamDown | Refusal::UpstreamRefused => {
            (StatusCode::BAD_GATEWAY, TryAgain, Undelivered)
        }
        Refusal::UpstreamTimeout => (StatusCode::GATEWAY_TIMEOUT, TryAgain, Undelivered),
    }
}

/// What is counted for a refusal.
pub(super) fn outcome(refusal: Refusal) -> Outcome {
    table(refusal).2
}

/// The answer to a refusal: the rule's own where it has one for the case.
pub(super) fn refused(refusal: Refusal, replies: Option<&ReplyPlans>) -> Response<Body> {
    let (status, ask, _) = table(refusal);
    if let Some(own) = replies.and_then(|replies| own(ask, replies)) {
        return reply(own);
    }
    let mut response = Response::new(Body::from(Bytes::from_static(REFUSED)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(PLAIN));
    match ask {
        Ask::GiveUp => {}
        Ask::GoAway => drop(headers.insert(CONNECTION, HeaderValue::from_static("close"))),
        Ask::TryAgain => drop(headers.insert(RETRY_AFTER, RETRY_SECONDS)),
        Ask::Wait(seconds) => drop(headers.insert(RETRY_AFTER, seconds.into())),
    }
    response
}

/// What the sender of a callback is told that was rejected, for those who judge without a server.
pub fn refusal(reason: Reason, replies: &ReplyPlans) -> Reply {
    let (status, ask, _) = table(Refusal::Judged(reason));
    own(ask, replies).cloned().unwrap_or_else(|| Reply {
        status: status.as_u16(),
        content_type: Some(PLAIN.to_owned()),
        body: REFUSED.to_vec(),
    })
}

/// The rule's own answer, where it has one for the case.
fn own(ask: Ask, replies: &ReplyPlans) -> Option<&Reply> {
    match ask {
        Ask::GiveUp => replies.refused.as_deref(),
        Ask::GoAway | Ask::Wait(_) => None,
        Ask::TryAgain => replies.try_again.as_deref(),
    }
}

/// An answer as the rule has it.
pub(super) fn reply(reply: &Reply) -> Response<Body> {
    let mut response = Response::new(Body::from(Bytes::copy_from_slice(&reply.body)));
    // The rule compiler has checked both.
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::OK);
    let content_type = reply.content_type.as_deref().map(HeaderValue::from_str);
    if let Some(Ok(content_type)) = content_type {
        response.headers_mut().insert(CONTENT_TYPE, content_type);
    }
    response
}

/// In observe mode the gateway gets what the middleware has said.
pub(super) fn passed_on(answer: Answer) -> Response<Body> {
    let mut response = Response::new(Body::from(answer.body));
    if let Some(content_type) = answer.content_type {
        response.headers_mut().insert(CONTENT_TYPE, content_type);
    }
    response
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::sync::Arc;

    use crate::engine::plan::ReplyPlan;
    use http_body_util::BodyExt as _;

    use super::*;

    const TRANSPORT: [(Refusal, u16); 18] = [
        (Refusal::BadHttp, 400),
        (Refusal::BodyTimeout, 408),
        (Refusal::Busy, 503),
        (Refusal::DiskError, 503),
        (Refusal::HeadTimeout, 408),
        (Refusal::HeadTooLarge, 431),
        (Refusal::InFlight, 503),
        (Refusal::Protected, 404),
        (Refusal::QueueFull, 503),
        (Refusal::RateLimited(7), 429),
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

    fn body(response: Response<Body>) -> Bytes {
        let mut body = response.into_body();
        let waker = std::task::Waker::noop();
        let mut cx = std::task::Context::from_waker(waker);
        let std::task::Poll::Ready(frame) = std::pin::pin!(body.frame()).poll(&mut cx) else {
            panic!("the body is there at once")
        };
        frame.unwrap().unwrap().into_data().unwrap()
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
    fn every_refusal_has_the_same_body_and_every_5xx_and_429_says_when_to_come_again() {
        for refusal in all() {
            let response = refused(refusal, None);
            let status = response.status();
            assert_eq!(
                status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS,
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
        assert_eq!(words, Refusal::words().collect(), "all of them can be listed");
    }

    #[test]
    fn a_rule_may_word_refusals_and_retries_but_not_broken_framing() {
        let own = |text: &str| {
            let (status, content_type) = (200, Some("text/html".to_owned()));
            Arc::new(Reply { status, content_type, body: text.as_bytes().to_vec() })
        };
        let replies = ReplyPlans {
            accepted: ReplyPlan::Fixed(own("OK")),
            duplicate: None,
            refused: Some(own("NO")),
            try_again: Some(own("LATER")),
        };
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
}
