//! After 101: bytes in both directions, until one side ends or both are silent.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional};
use tokio::time::{Instant, sleep_until};

use crate::metrics::Held;
use crate::upstream::Tunnel;

/// Joins the client's side, once it is free, to the upstream's.
pub(super) async fn join(client: OnUpgrade, upstream: Tunnel, idle: Duration, _open: Held) {
    // The client went away before it had the answer.
    let Ok(client) = client.await else { return };
    let activity = Activity { begun: Instant::now(), last: AtomicU64::new(0) };
    let mut client = Watched { stream: TokioIo::new(client), activity: &activity };
    let mut upstream = Watched { stream: upstream, activity: &activity };
    tokio::select! {
        // However it ends, both sides are closed by the drop.
        _ = copy_bidirectional(&mut client, &mut upstream) => {}
        () = activity.rest(idle) => {}
    }
}

/// When a byte last went through, in milliseconds since the beginning.
struct Activity {
    begun: Instant,
    last: AtomicU64,
}

impl Activity {
    fn note(&self) {
        let millis = self.begun.elapsed().as_millis();
        self.last.store(u64::try_from(millis).unwrap_or(u64::MAX), Relaxed);
    }

    /// Ends when nothing has happened for that long.
    async fn rest(&self, idle: Duration) {
        loop {
            let until = self.begun + Duration::from_millis(self.last.load(Relaxed)) + idle;
            if until <= Instant::now() {
                return;
            }
            sleep_until(until).await;
        }
    }
}

struct Watched<'a, S> {
    stream: S,
    activity: &'a Activity,
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<'_, S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if read.is_ready() {
            self.activity.note();
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<'_, S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        if written.is_ready() {
            self.activity.note();
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
