//! What an upstream says to what is delivered, read whole.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Request, StatusCode};

use super::DeliverError;
use super::read::read;
use crate::upstream::{Deadlines, Outgoing, Pool, Repeat, Terms};

/// Bytes of an upstream's answer that are kept; what is longer is cut there.
pub const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// What an upstream said.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Any status from 200.
    pub status: StatusCode,
    /// Its `Content-Type`.
    pub content_type: Option<HeaderValue>,
    /// Its body, cut at [`ANSWER_BYTES_MAX`].
    pub body: Bytes,
}

/// Sends one request and reads the whole answer.
pub(super) async fn ask(
    pool: &Arc<Pool>,
    request: Request<Bytes>,
    repeat: Repeat,
    timeout: Duration,
) -> Result<Answer, DeliverError> {
    let deadlines = Deadlines { whole: Some(timeout), ..Deadlines::default() };
    let terms = Terms { repeat, deadlines, client: None };
    let (head, body) = pool.send(request.map(Outgoing::from), terms).await?.into_parts();
    let body = read(body, ANSWER_BYTES_MAX).await?.bytes;
    let content_type = head.headers.get(CONTENT_TYPE).cloned();
    Ok(Answer { status: head.status, content_type, body })
}
