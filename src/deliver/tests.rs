//! The counter-signature, what may be passed on, and what counts as delivered.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use crate::engine::secret::Secret;

/// The example of the Standard Webhooks specification and its reference libraries.
#[test]
fn the_signature_is_that_of_standard_webhooks() {
    use base64::Engine as _;
    let secret = base64::engine::general_purpose::STANDARD
        .decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
        .unwrap();
    let signer = Signer::new(&Secret::new(secret));
    assert_eq!(
        signer.signature("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#),
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    );
}

#[test]
fn an_event_travels_as_a_signed_post_with_an_idempotency_key() {
    let signer = Signer::new(&Secret::from("k"));
    let request =
        signer.request("evt_1", "/in?x=1", Bytes::from_static(b"{}"), 1_700_000_000).unwrap();
    let header = |name: &str| request.headers().get(name).unwrap().to_str().unwrap().to_owned();
    assert_eq!(request.method(), Method::POST);
    assert_eq!(request.uri(), "/in?x=1");
    assert_eq!(header("webhook-id"), "evt_1");
    assert_eq!(header("idempotency-key"), "evt_1");
    assert_eq!(header("webhook-timestamp"), "1700000000");
    assert_eq!(header("content-type"), "application/json");
    assert_eq!(header("webhook-signature"), signer.signature("evt_1", 1_700_000_000, b"{}"));
}

#[test]
fn reserved_and_framing_headers_are_never_passed_on() {
    let names = [
        "stripe-signature",
        "webhook-id",
        "webhook-signature",
        "idempotency-key",
        "x-countersign-verified",
        "content-length",
        "transfer-encoding",
        "host",
        "connection",
        "keep-alive",
        "proxy-authorization",
        "not a name",
        "user-agent",
    ];
    let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
    assert_eq!(allowed(&names), ["stripe-signature", "user-agent"]);
}

#[test]
fn only_2xx_is_delivered() {
    let answer = |status| Answer {
        status: StatusCode::from_u16(status).unwrap(),
        content_type: None,
        body: Bytes::new(),
    };
    for status in [200, 201, 202, 204, 299] {
        assert!(delivered(answer(status)).is_ok(), "{status}");
    }
    for status in [300, 301, 304, 400, 404, 409, 429, 500, 503, 599, 600, 999] {
        let refused = DeliverError::Refused(StatusCode::from_u16(status).unwrap());
        assert_eq!(delivered(answer(status)).err(), Some(refused), "{status}");
    }
}
