//! The stream that hyper speaks HTTP/2 over: every frame that passes is told to the watch, which may
//! end it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::frames::{Passed, Reader};
use super::watch::{Over, Watch};

/// Shared by a connection's stream and whoever looks at the clock.
#[derive(Clone)]
pub(super) struct Shared(Arc<Mutex<(Watch, Option<Over>)>>);

impl Shared {
    pub(super) fn new(watch: Watch) -> Self {
        Self(Arc::new(Mutex::new((watch, None))))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, (Watch, Option<Over>)> {
        // What is in it is whole at any time.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why the stream has ended by itself.
    pub(super) fn over(&self) -> Option<Over> {
        self.lock().1
    }

    fn tell(
        &self,
        reader: &mut Reader,
        bytes: &[u8],
        how: fn(&mut Watch, Passed, Instant) -> Result<(), Over>,
    ) -> io::Result<()> {
        let mut shared = self.lock();
        let (watch, over) = &mut *shared;
        let now = Instant::now();
        reader.pass(bytes, |passed| {
            if let (None, Err(found)) = (&over, how(watch, passed, now)) {
                *over = Some(found);
            }
        });
        if over.is_some() { Err(io::ErrorKind::InvalidData.into()) } else { Ok(()) }
    }
}

/// See the module.
pub(super) struct Watched<S> {
    stream: S,
    shared: Shared,
    incoming: Reader,
    outgoing: Reader,
}

impl<S> Watched<S> {
    pub(super) fn new(stream: S, shared: Shared) -> Self {
        let (incoming, outgoing) = (Reader::of_client(), Reader::of_server());
        Self { stream, shared, incoming, outgoing }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let start = buf.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, buf))?;
        Poll::Ready(this.shared.tell(&mut this.incoming, &buf.filled()[start..], Watch::came))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = ready!(Pin::new(&mut this.stream).poll_write(cx, buf))?;
        this.shared.tell(&mut this.outgoing, &buf[..written], Watch::went)?;
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = ready!(Pin::new(&mut this.stream).poll_write_vectored(cx, bufs))?;
        let mut left = written;
        for buf in bufs {
            let part = left.min(buf.len());
            this.shared.tell(&mut this.outgoing, &buf[..part], Watch::went)?;
            left -= part;
        }
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
