//! The stream that hyper reads from: what the scanner does not let pass never gets there.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Bad, HeadLimits, Scanner};
use crate::server::linger::Linger;

/// Takes the place of a head that is refused. Whoever answers requests refuses it, so the answer is
/// made, counted and logged like any other, and hyper writes it when those before it are written:
/// nothing else may write to the connection, nor could know when. No sender can have sent it,
/// because `*` never passes.
const MARK: &[u8] = b"OPTIONS * HTTP/1.1\r\nHost: refused\r\nConnection: close\r\n\r\n";

/// Whether a request's path is that of the mark.
pub(in crate::server) fn is_mark(path: &str) -> bool {
    path == "*"
}

/// Why a connection ends, once it is known.
pub(in crate::server) type Refused = Arc<OnceLock<Bad>>;

/// Lets pass what the scanner lets pass.
pub(in crate::server) struct Filtered<S> {
    stream: S,
    scanner: Scanner,
    refused: Refused,
    /// Begins with what has passed and did not fit into the reader's buffer; the rest is a line or
    /// head that has not ended. At most a head and one read.
    held: Vec<u8>,
    passed: usize,
    /// Since our side has ended.
    linger: Option<Linger>,
}

impl<S> Filtered<S> {
    pub(in crate::server) fn new(stream: S, limits: HeadLimits, refused: Refused) -> Self {
        let scanner = Scanner::new(limits);
        Self { stream, scanner, refused, held: Vec::new(), passed: 0, linger: None }
    }

    /// Takes over what is held and passes, as much as fits.
    fn hand_over(&mut self, buf: &mut ReadBuf<'_>) {
        let length = self.passed.min(buf.remaining());
        buf.put_slice(&self.held[..length]);
        self.held.drain(..length);
        self.passed -= length;
        if self.held.is_empty() {
            // An idle connection holds no memory.
            self.held = Vec::new();
        }
    }

    /// Looks at what has come and stands in `buf` from `start`; there remains what passes at once.
    fn look(&mut self, buf: &mut ReadBuf<'_>, start: usize) {
        let came = &buf.filled()[start..];
        let verdict;
        if self.held.is_empty() {
            let (passed, found) = self.scanner.scan(came);
            self.held.extend_from_slice(&came[passed..]);
            buf.set_filled(start + passed);
            verdict = found;
        } else {
            self.held.extend_from_slice(came);
            buf.set_filled(start);
            (self.passed, verdict) = self.scanner.scan(&self.held);
        }
        if let Err(bad) = verdict {
            self.held.truncate(self.passed);
            if self.scanner.is_in_head() {
                self.held.extend_from_slice(MARK);
                self.passed = self.held.len();
            }
            // It can only be empty: this is the first and last time.
            self.refused.set(bad).ok();
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Filtered<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let start = buf.filled().len();
        loop {
            if this.passed > 0 {
                this.hand_over(buf);
            }
            if buf.filled().len() > start || buf.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
            if this.refused.get().is_some() {
                return if this.scanner.is_in_head() {
                    // Nothing comes after the mark. The end of the stream would tell hyper that
                    // nobody waits for what it has not answered yet.
                    Poll::Pending
                } else {
                    // Whoever reads the body refuses the request.
                    Poll::Ready(Err(io::ErrorKind::InvalidData.into()))
                };
            }
            ready!(Pin::new(&mut this.stream).poll_read(cx, buf))?;
            if buf.filled().len() == start {
                // The end, in the middle of what is held: that will never be a request.
                return Poll::Ready(Ok(()));
            }
            this.look(buf, start);
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Filtered<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.linger.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
            if this.scanner.is_in_head() && this.refused.get().is_none() {
                // What was sent was read to its end.
                return Poll::Ready(Ok(()));
            }
        }
        this.linger.get_or_insert_with(Linger::new).poll(cx, &mut this.stream).map(Ok)
    }
}
