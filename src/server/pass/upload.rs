//! The body of a request on its way through: no longer than allowed, and not slower.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep, sleep};

use super::headers;
use crate::metrics::ProxyMetrics;
use crate::server::refusal::Refusal;

/// Why a body ended before its end; empty as long as it is well.
pub(super) type Fault = Arc<OnceLock<Refusal>>;

/// How slow a sender may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// How long we wait for it in all, before it is looked at what came.
    pub(super) window: Duration,
    /// What must have come then, if the body has not ended.
    pub(super) bytes_min: usize,
}

/// See the module.
pub(super) struct Upload {
    body: Incoming,
    left: u64,
    fault: Fault,
    pace: Pace,
    metrics: ProxyMetrics,
    bytes_max: u64,
    /// Of this window.
    bytes: usize,
    waited: Duration,
    /// Since when we wait for the sender, if we do.
    waiting: Option<Instant>,
    until: Option<Pin<Box<Sleep>>>,
}

impl Upload {
    /// At most so many bytes.
    pub(super) fn new(
        body: Incoming,
        bytes_max: u64,
        pace: Pace,
        fault: Fault,
        metrics: ProxyMetrics,
    ) -> Self {
        Self {
            body,
            left: bytes_max,
            fault,
            pace,
            metrics,
            bytes_max,
            bytes: 0,
            waited: Duration::ZERO,
            waiting: None,
            until: None,
        }
    }

    fn fail(&self, refusal: Refusal) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        self.fault.set(refusal).ok();
        Poll::Ready(Some(Err(Broken)))
    }

    /// Ready when the sender is too slow. What the upstream keeps us waiting is not its fault.
    fn is_late(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let since = *self.waiting.get_or_insert_with(Instant::now);
        let left = self.pace.window.saturating_sub(self.waited);
        let until = self.until.get_or_insert_with(|| Box::pin(sleep(left)));
        if until.deadline() != since + left {
            until.as_mut().reset(since + left);
        }
        ready!(until.as_mut().poll(cx));
        Poll::Ready(())
    }

    fn came(&mut self, bytes: usize) {
        if let Some(since) = self.waiting.take() {
            self.waited += since.elapsed();
        }
        self.bytes = self.bytes.saturating_add(bytes);
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let this = &mut *self;
        loop {
            match Pin::new(&mut this.body).poll_frame(cx) {
                Poll::Ready(Some(Ok(mut frame))) => {
                    if let Some(trailers) = frame.trailers_mut() {
                        headers::vet_trailers(trailers);
                    }
                    let length = frame.data_ref().map_or(0, Bytes::len);
                    this.came(length);
                    let Some(left) = this.left.checked_sub(length as u64) else {
                        return this.fail(Refusal::TooLarge);
                    };
                    this.left = left;
                    return Poll::Ready(Some(Ok(frame)));
                }
                Poll::Ready(Some(Err(_))) => return this.fail(Refusal::BadHttp),
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => {
                    ready!(this.is_late(cx));
                    if this.bytes < this.pace.bytes_min {
                        return this.fail(Refusal::BodyTimeout);
                    }
                    (this.bytes, this.waited, this.waiting) = (0, Duration::ZERO, None);
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        self.metrics.received(self.bytes_max - self.left);
    }
}

/// The sender's fault; what it was is in [`Fault`].
#[derive(Debug)]
pub(super) struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the body did not come to its end")
    }
}

impl std::error::Error for Broken {}
