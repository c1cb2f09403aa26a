//! A connection that gives up when its peer hardly reads: hyper waits for such peers for ever.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// See the module.
pub(super) struct Stalling<S> {
    stream: S,
    limit: Duration,
    /// What a peer takes within the limit, if there is as much for it.
    taken_min: usize,
    /// Armed from the first write that waits until everything is written.
    until: Option<Pin<Box<Sleep>>>,
    /// Bytes since it was armed.
    taken: usize,
}

impl<S> Stalling<S> {
    /// Gives up when what waits was not taken within `limit`, nor `taken_min` bytes of it.
    pub(super) fn new(stream: S, limit: Duration, taken_min: usize) -> Self {
        Self { stream, limit, taken_min, until: None, taken: 0 }
    }

    fn guard(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(written) = written {
            self.taken += written.as_ref().unwrap_or(&0);
            return Poll::Ready(written);
        }
        let limit = self.limit;
        let until = self.until.get_or_insert_with(|| {
            self.taken = 0;
            Box::pin(sleep(limit))
        });
        loop {
            ready!(until.as_mut().poll(cx));
            if self.taken < self.taken_min {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            self.taken = 0;
            until.as_mut().reset(Instant::now() + limit);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Stalling<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Stalling<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.guard(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.guard(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// hyper flushes when it has written everything that it has.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.until = None;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    const LIMIT: Duration = Duration::from_millis(100);

    #[tokio::test]
    async fn a_peer_that_reads_a_little_now_and_then_is_given_up() {
        let (ours, mut theirs) = duplex(1024);
        let peer = tokio::spawn(async move {
            while theirs.read_u8().await.is_ok() {
                sleep(LIMIT / 20).await;
            }
        });
        let (begun, mut ours) = (Instant::now(), Stalling::new(ours, LIMIT, 16 * 1024));
        let error = ours.write_all(&vec![b'x'; 128 * 1024]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(begun.elapsed() < 10 * LIMIT, "{:?}", begun.elapsed());
        peer.abort();
    }

    #[tokio::test]
    async fn a_peer_that_reads_at_a_fair_rate_has_all_the_time_it_needs() {
        let (ours, mut theirs) = duplex(64 * 1024);
        let peer = tokio::spawn(async move {
            let mut buffer = vec![0; 64 * 1024];
            for _ in 0..4 {
                theirs.read_exact(&mut buffer).await.unwrap();
                sleep(LIMIT * 7 / 10).await;
            }
        });
        let mut ours = Stalling::new(ours, LIMIT, 16 * 1024);
        ours.write_all(&vec![b'x'; 4 * 64 * 1024]).await.unwrap();
        peer.await.unwrap();
    }
}
