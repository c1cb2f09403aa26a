//! The one table from what a request came to, to what its sender is told.
#![deny(clippy::wildcard_enum_match_arm)]

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};

use super::refusal::Refusal;
use crate::deliver::Answer;
use crate::engine::reason::Reason;
use crate::engine::verdict::{Replies, Reply};
use crate::metrics::Outcome;

/// The body of every refusal, whatever its reason: the sender learns nothing from it.
const REFUSED: &[u8] = b"refused\n";

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
}

/// 4xx: never acceptable. 5xx: please send it again.
fn table(refusal: Refusal) -> (StatusCode, Ask, Outcome) {
    use Ask::{GiveUp, GoAway, TryAgain};
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
        Refusal::NoRoute => (StatusCode::NOT_FOUND, GiveUp, Rejected),
        Refusal::BadHttp => (StatusCode::BAD_REQUEST, GoAway, Rejected),
        Refusal::BodyTimeout => (StatusCode::REQUEST_TIMEOUT, GoAway, Rejected),
        Refusal::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, GoAway, Rejected),
        Refusal::UnsupportedEncoding => (StatusCode::UNSUPPORTED_MEDIA_TYPE, GoAway, Rejected),
        Refusal::NotReady => (StatusCode::SERVICE_UNAVAILABLE, TryAgain, Unavailable),
        Refusal::Busy => (StatusCode::SERVICE_UNAVAILABLE, TryAgain, Undelivered),
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
pub(super) fn refused(refusal: Refusal, replies: Option<&Replies>) -> Response<Full<Bytes>> {
    let (status, ask, _) = table(refusal);
    let own = replies.and_then(|replies| match ask {
        Ask::GiveUp => replies.refused.as_deref(),
        Ask::GoAway => None,
        Ask::TryAgain => replies.try_again.as_deref(),
    });
    if let Some(own) = own {
        return reply(own);
    }
    let mut response = Response::new(Full::new(Bytes::from_static(REFUSED)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    match ask {
        Ask::GiveUp => {}
        Ask::GoAway => drop(headers.insert(CONNECTION, HeaderValue::from_static("close"))),
        Ask::TryAgain => drop(headers.insert(RETRY_AFTER, RETRY_SECONDS)),
    }
    response
}

/// An answer as the rule has it.
pub(super) fn reply(reply: &Reply) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::copy_from_slice(&reply.body)));
    // The rule compiler has checked both.
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::OK);
    let content_type = reply.content_type.as_deref().map(HeaderValue::from_str);
    if let Some(Ok(content_type)) = content_type {
        response.headers_mut().insert(CONTENT_TYPE, content_type);
    }
    response
}

/// In observe mode the gateway gets what the middleware has said.
pub(super) fn passed_on(answer: Answer) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(answer.body));
    if let Some(content_type) = answer.content_type {
        response.headers_mut().insert(CONTENT_TYPE, content_type);
    }
    response
}

#[cfg(test)]
mod tests;
