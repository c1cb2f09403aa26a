//! The stream that hyper reads from: what the scanner does not let pass never gets there.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::{Bad, HeadLimits, Scanner};
use crate::server::linger::Linger;
use crate::server::switch::Switch;

/// Takes the place of a head that is refused. Whoever answers requests refuses it, so the answer is
/// made, counted and logged like any other, and hyper writes it when those before it are written:
/// nothing else may write to the connection, nor could know when. No sender can have sent it,
/// because `*` never passes.
const MARK: &[u8] = b"OPTIONS * HTTP/1.1\r\nHost: refused\r\nConnection: close\r\n\r\n";

/// Whether a request's path is that of the mark.
pub(in crate::server) fn is_mark(path: &str) -> bool {
    path == "*"
}

/// Lets pass what the scanner lets pass.
pub(in crate::server) struct Filtered<S> {
    stream: S,
    scanner: Scanner,
    switch: Arc<Switch>,
    /// For the first head, and each one that has begun.
    header_timeout: Duration,
    until: Option<Pin<Box<Sleep>>>,
    /// Begins with what has passed and did not fit into the reader's buffer; the rest is a line or
    /// head that has not ended. At most a head and one read.
    held: Vec<u8>,
    passed: usize,
    /// Since our side has ended.
    linger: Option<Linger>,
}

impl<S> Filtered<S> {
    pub(in crate::server) fn new(
        stream: S,
        limits: HeadLimits,
        header_timeout: Duration,
        switch: Arc<Switch>,
    ) -> Self {
        Self {
            stream,
            scanner: Scanner::new(limits),
            switch,
            header_timeout,
            until: Some(Box::pin(sleep(header_timeout))),
            held: Vec::new(),
            passed: 0,
            linger: None,
        }
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
            self.refuse(bad);
        }
        let is_waiting = self.scanner.is_in_head() && self.held.len() > self.passed;
        if !is_waiting {
            self.until = None;
        } else if self.until.is_none() {
            self.until = Some(Box::pin(sleep(self.header_timeout)));
        }
    }

    fn refuse(&mut self, bad: Bad) {
        self.held.truncate(self.passed);
        if self.scanner.is_in_head() {
            self.held.extend_from_slice(MARK);
            self.passed = self.held.len();
        }
        self.switch.refuse(bad);
    }
}

impl<S> Filtered<S> {
    /// Ready when a head has not come in time: then it is refused, or the connection is over if not
    /// a byte of it has come.
    fn late(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(until) = &mut self.until else { return Poll::Pending };
        ready!(until.as_mut().poll(cx));
        self.until = None;
        if self.held.is_empty() {
            self.switch.refuse(Bad::TooSlow);
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        self.refuse(Bad::TooSlow);
        Poll::Ready(Ok(()))
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
            if this.scanner.is_upgrade() {
                if !this.switch.is_tunnel() {
                    // Nobody knows yet what it is. Who answers ends the connection, or goes over.
                    return Poll::Pending;
                }
                if this.held.is_empty() {
                    return Pin::new(&mut this.stream).poll_read(cx, buf);
                }
                this.passed = this.held.len();
                continue;
            }
            if this.switch.refused().is_some() {
                return if this.scanner.is_in_head() {
                    // Nothing comes after the mark. The end of the stream would tell hyper that
                    // nobody waits for what it has not answered yet.
                    Poll::Pending
                } else {
                    // Whoever reads the body refuses the request.
                    Poll::Ready(Err(io::ErrorKind::InvalidData.into()))
                };
            }
            let Poll::Ready(read) = Pin::new(&mut this.stream).poll_read(cx, buf) else {
                ready!(this.late(cx))?;
                continue;
            };
            read?;
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
            let is_between = this.scanner.is_in_head() || this.scanner.is_upgrade();
            if is_between && this.switch.refused().is_none() {
                // What was sent was read to its end.
                return Poll::Ready(Ok(()));
            }
        }
        this.linger.get_or_insert_with(Linger::new).poll(cx, &mut this.stream).map(Ok)
    }
}
