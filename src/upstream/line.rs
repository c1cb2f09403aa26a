//! One connection over HTTP/1.1, driven by whoever waits for what comes out of it.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper::header::{CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;

use super::io::Io;
use super::outgoing::Outgoing;
use super::timer::Timer;
use super::{Deadlines, Ends, Error};
use crate::metrics::Held;

/// Bytes of the head of an upstream's answer.
pub(super) const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Why there is no answer on a connection, in the terms of whether to try another one.
pub(super) enum Lost {
    /// Not a byte of the request was written.
    Unsent(Box<Request<Outgoing>>),
    /// Anything else.
    For(Error),
}

/// One connection.
pub(super) struct Line {
    sender: SendRequest<Outgoing>,
    driver: Driver,
    idle_since: Instant,
    /// For whom alone it may be used, where the upstream was told.
    pub(super) client: Option<Ends>,
    open: Held,
}

/// What reads and writes on a connection when it is polled.
enum Driver {
    Running(Box<Connection<TokioIo<Io>, Outgoing>>),
    /// It has come to its end: closed, or no longer HTTP.
    Ended(Box<Connection<TokioIo<Io>, Outgoing>>),
    Gone,
}

impl Line {
    pub(super) async fn over(
        io: Io,
        client: Option<Ends>,
        open: Held,
    ) -> Result<Self, hyper::Error> {
        let (sender, driver) = http1::Builder::new()
            .max_header_size(HEAD_BYTES_MAX)
            // Nor is more read ahead of a body whose peer does not take it.
            .max_buf_size(HEAD_BYTES_MAX)
            .handshake(TokioIo::new(io))
            .await?;
        let driver = Driver::Running(Box::new(driver));
        Ok(Self { sender, driver, idle_since: Instant::now(), client, open })
    }

    pub(super) fn idle_for(&self) -> Duration {
        self.idle_since.elapsed()
    }

    /// One request, and the head of its answer.
    pub(super) async fn ask(
        mut self,
        request: Request<Outgoing>,
        deadlines: &Deadlines,
    ) -> Result<(Self, Response<Incoming>, Timer), Lost> {
        let mut timer = Timer::new(*deadlines, request.body().upload());
        let upgrades = request.headers().contains_key(UPGRADE);
        let response = {
            let mut sent = pin!(self.sender.try_send_request(request));
            let driver = &mut self.driver;
            timer.within(|cx| driver.drive(cx, |cx| sent.as_mut().poll(cx))).await
        };
        let response =
            response.map_err(Lost::For)?.map_err(|mut error| match error.take_message() {
                Some(unsent) => Lost::Unsent(Box::new(unsent)),
                None if error.error().is_parse() => Lost::For(timer.fault(Error::Broken)),
                None => Lost::For(timer.fault(Error::Unanswered)),
            })?;
        let response = framed(response, upgrades).ok_or(Lost::For(Error::Broken))?;
        timer.progress();
        Ok((self, response, timer))
    }

    /// Works on the connection until `wanted` has come out of it.
    pub(super) fn drive<T>(
        &mut self,
        cx: &mut Context<'_>,
        wanted: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        self.driver.drive(cx, wanted)
    }

    /// Whether the next request may use it: the last one and its answer are complete, the peer has
    /// not closed, and has not sent anything that nobody asked for.
    pub(super) fn is_usable(&mut self, cx: &mut Context<'_>) -> bool {
        self.driver.advance(cx);
        self.idle_since = Instant::now();
        let ready = matches!(self.sender.poll_ready(cx), Poll::Ready(Ok(())));
        ready && matches!(self.driver, Driver::Running(_))
    }

    /// The same, for one that was idle.
    pub(super) async fn is_usable_now(&mut self) -> bool {
        poll_fn(|cx| Poll::Ready(self.is_usable(cx))).await
    }

    /// Works on the connection until it has come to its end.
    pub(super) async fn run(mut self) {
        poll_fn(|cx| {
            self.driver.advance(cx);
            if matches!(self.driver, Driver::Running(_)) { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
    }

    /// The bare connection after a 101, and what was read of it beyond the answer.
    pub(super) fn into_io(self) -> Option<(Io, Bytes, Held)> {
        match self.driver {
            Driver::Ended(driver) => {
                let parts = driver.into_parts();
                Some((parts.io.into_inner().strict(), parts.read_buf, self.open))
            }
            Driver::Running(_) | Driver::Gone => None,
        }
    }
}

impl Driver {
    /// `wanted` is polled before and after. What can no longer come out of the connection learns
    /// that when the connection is dropped.
    fn drive<T>(
        &mut self,
        cx: &mut Context<'_>,
        mut wanted: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        if let Poll::Ready(output) = wanted(cx) {
            return Poll::Ready(output);
        }
        self.advance(cx);
        match wanted(cx) {
            Poll::Pending if matches!(self, Self::Ended(_)) => {
                *self = Self::Gone;
                wanted(cx)
            }
            polled => polled,
        }
    }

    fn advance(&mut self, cx: &mut Context<'_>) {
        if let Self::Running(driver) = self
            && Pin::new(driver.as_mut()).poll(cx).is_ready()
        {
            // Closed, in whatever way, or no longer HTTP.
            if let Self::Running(driver) = std::mem::replace(self, Self::Gone) {
                *self = Self::Ended(driver);
            }
        }
    }
}

/// The answer, if it says in one way only where it ends, and is one. 101 is one to whom has asked
/// for it.
pub(super) fn framed(response: Response<Incoming>, upgrades: bool) -> Option<Response<Incoming>> {
    let headers = response.headers();
    let lengths = headers.get_all(CONTENT_LENGTH).iter().count();
    let codings = headers.get_all(TRANSFER_ENCODING);
    let ends = lengths + codings.iter().count() <= 1
        && codings.iter().all(|coding| coding.as_bytes().eq_ignore_ascii_case(b"chunked"));
    let final_one = response.status().as_u16() >= 200;
    let switched = response.status() == StatusCode::SWITCHING_PROTOCOLS && upgrades;
    (ends && (final_one || switched)).then_some(response)
}
