//! The end of a connection whose peer may still be sending. Closed at once, the system would answer
//! what still arrives with a reset, and that takes from the peer the answer that it has not read.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::{Sleep, sleep};

/// Enough for the answer to be read on the other side of the world.
const LINGER_TIME: Duration = Duration::from_secs(1);

const LINGER_BYTES_MAX: usize = 1024 * 1024;

/// Reads what still comes, and throws it away.
pub(super) struct Linger {
    until: Pin<Box<Sleep>>,
    bytes: usize,
}

impl Linger {
    pub(super) fn new() -> Self {
        Self { until: Box::pin(sleep(LINGER_TIME)), bytes: 0 }
    }

    /// Ready when the peer has ended, or has had time and bytes enough.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut (impl AsyncRead + Unpin),
    ) -> Poll<()> {
        let mut waste = [0; 4096];
        while self.bytes < LINGER_BYTES_MAX && self.until.as_mut().poll(cx).is_pending() {
            let mut buf = ReadBuf::new(&mut waste);
            match Pin::new(&mut *stream).poll_read(cx, &mut buf) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => self.bytes += buf.filled().len(),
                Poll::Ready(_) => break,
            }
        }
        Poll::Ready(())
    }
}
