//! The body of an answer, as a stream; and what a connection becomes after 101.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::{Response, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::JoinHandle;

use super::Error;
use super::connection::{Answered, Connection};
use super::endpoint::Load;
use super::io::Io;
use super::line::Line;
use super::pool::Place;
use super::timer::Timer;
use crate::metrics::{Class, Held};

/// The body of an answer. Whoever polls it works on the connection. At its end the connection is
/// kept for the next request if the request, too, has gone whole; dropped before, it is closed.
pub struct AnswerBody {
    body: Incoming,
    way: Way,
    timer: Timer,
    /// Until the end is known.
    counted: Option<Counted>,
}

/// What works on the connection.
enum Way {
    /// Whoever polls the body.
    Own(Line),
    /// A task that serves others, too.
    Shared,
    /// A task: some of the request has yet to go, and whoever reads the answer may stop reading
    /// before all of it has gone.
    Task(JoinHandle<()>),
    /// Nothing any more.
    Closed,
    /// It no longer speaks HTTP.
    Switched(Line),
}

impl AnswerBody {
    /// The answer with this head.
    pub(super) async fn open(answered: Answered, counted: Counted) -> Response<Self> {
        let Answered { response, connection, timer } = answered;
        let (head, body) = response.into_parts();
        let uploads = timer.uploads();
        let way = match connection {
            Connection::Own(line) if head.status == StatusCode::SWITCHING_PROTOCOLS => {
                Way::Switched(line)
            }
            Connection::Own(line) if uploads && !body.is_end_stream() => {
                Way::Task(tokio::spawn(line.run()))
            }
            Connection::Own(line) => Way::Own(line),
            Connection::Shared(_) => Way::Shared,
        };
        let mut answer = Self { body, way, timer, counted: Some(counted) };
        if answer.body.is_end_stream() {
            poll_fn(|cx| {
                answer.finish(cx);
                Poll::Ready(())
            })
            .await;
        }
        Response::from_parts(head, answer)
    }

    /// What goes on after 101: bytes in both directions. `None`: the answer was another one.
    pub fn into_tunnel(mut self) -> Option<Tunnel> {
        let Way::Switched(line) = std::mem::replace(&mut self.way, Way::Closed) else {
            return None;
        };
        let held = self.counted.take()?.ended();
        let (io, early, open) = line.into_io()?;
        Some(Tunnel { io, early, _held: (held, open) })
    }

    /// All of the answer is there.
    fn finish(&mut self, cx: &mut Context<'_>) {
        if matches!(self.way, Way::Switched(_)) {
            return;
        }
        let Some(counted) = self.counted.take() else { return };
        match std::mem::replace(&mut self.way, Way::Closed) {
            Way::Own(mut line) => {
                if line.is_usable(cx) {
                    counted.load.0.give_back(line, counted.place.metrics());
                }
            }
            // Nobody waits for the rest of the request to go.
            Way::Task(task) => task.abort(),
            Way::Shared | Way::Closed | Way::Switched(_) => {}
        }
        drop(counted.ended());
    }

    /// There will be no more of it.
    fn fail(&mut self, error: Error) -> Error {
        let error = self.timer.fault(error);
        self.close();
        if let Some(Counted { place, load, class, took, well: _ }) = self.counted.take() {
            if error.class().is_some() {
                load.0.noted(false);
            }
            let class = error.class().unwrap_or(class);
            load.0.counted(class);
            place.metrics().answered(class, took);
        }
        error
    }

    fn close(&mut self) {
        if let Way::Task(task) = std::mem::replace(&mut self.way, Way::Closed) {
            task.abort();
        }
    }
}

/// A request that is counted when its answer has come to its end.
pub(super) struct Counted {
    pub(super) place: Place,
    pub(super) load: Load,
    pub(super) class: Class,
    /// Until the head of the answer.
    pub(super) took: Duration,
    /// Whether the head speaks for its address. Only the end proves it.
    pub(super) well: bool,
}

impl Counted {
    /// It came to its end as its head has promised.
    fn ended(self) -> (Place, Load) {
        let Self { place, load, class, took, well } = self;
        if well {
            load.0.noted(true);
        }
        load.0.counted(class);
        place.metrics().answered(class, took);
        (place, load)
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        self.close();
        // Nobody wanted the rest.
        if let Some(counted) = self.counted.take() {
            drop(counted.ended());
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = self.get_mut();
        let body = &mut this.body;
        let mut wanted = |cx: &mut Context<'_>| Pin::new(&mut *body).poll_frame(cx);
        let polled = match &mut this.way {
            Way::Own(line) => line.drive(cx, wanted),
            Way::Shared | Way::Task(_) | Way::Closed | Way::Switched(_) => wanted(cx),
        };
        match polled {
            Poll::Ready(Some(Ok(frame))) => {
                this.timer.progress();
                // Nobody need ask again who knows the length.
                if this.body.is_end_stream() {
                    this.finish(cx);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(_))) => Poll::Ready(Some(Err(this.fail(Error::Broken)))),
            Poll::Ready(None) => {
                this.finish(cx);
                Poll::Ready(None)
            }
            Poll::Pending => match this.timer.poll_own(cx) {
                Poll::Ready(error) => Poll::Ready(Some(Err(this.fail(error)))),
                Poll::Pending => Poll::Pending,
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A connection after 101: bytes in both directions, those first that came with the answer. It
/// holds its place under `in_flight` until it is dropped.
pub struct Tunnel {
    io: Io,
    early: Bytes,
    _held: ((Place, Load), Held),
}

impl AsyncRead for Tunnel {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.early.is_empty() {
            return Pin::new(&mut self.io).poll_read(cx, buffer);
        }
        let length = self.early.len().min(buffer.remaining());
        buffer.put_slice(&self.early.split_to(length));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tunnel {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
