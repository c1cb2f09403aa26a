//! The counter-signature: Standard Webhooks 1.0, symmetric (`v1`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Method, Request};
use sha2::Sha256;

use super::value;
use crate::engine::inbound::UnixSeconds;
use crate::engine::secret::Secret;

const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// A secret, keyed once and used for every event.
pub struct Signer(Hmac<Sha256>);

impl Signer {
    /// Keys the digest.
    pub fn new(secret: &Secret) -> Self {
        let Ok(keyed) = Hmac::new_from_slice(secret.expose()) else {
            unreachable!("HMAC takes keys of any length")
        };
        Self(keyed)
    }

    /// `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`.
    pub fn signature(&self, id: &str, timestamp: UnixSeconds, body: &[u8]) -> String {
        let mut mac = self.0.clone();
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body);
        let mut text = String::from("v1,");
        STANDARD.encode_string(mac.finalize().into_bytes(), &mut text);
        text
    }

    /// The request that carries one event. `None`: the path is none, which the configuration has
    /// ruled out.
    pub(super) fn request(
        &self,
        id: &str,
        to: &str,
        body: Bytes,
        now: UnixSeconds,
    ) -> Option<Request<Bytes>> {
        let signature = self.signature(id, now, &body);
        let mut request = Request::builder().method(Method::POST).uri(to);
        let headers = request.headers_mut()?;
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ID, value(id)?);
        headers.insert(TIMESTAMP, HeaderValue::from(now));
        headers.insert(SIGNATURE, value(&signature)?);
        headers.insert(IDEMPOTENCY_KEY, value(id)?);
        request.body(body).ok()
    }
}
