//! One connection over HTTP/2, shared by all requests to an address and driven by a task.

use std::pin::pin;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};

use super::io::Io;
use super::line::{HEAD_BYTES_MAX, Lost, framed};
use super::outgoing::Outgoing;
use super::timer::Timer;
use super::{Deadlines, Error};
use crate::metrics::Held;

/// A connection on which nothing has been heard for so long is asked whether it is still there …
const QUIET_MAX: Duration = Duration::from_secs(20);
/// … and is given up without an answer.
const PING_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Clone)]
pub(super) struct Shared(SendRequest<Outgoing>);

impl Shared {
    pub(super) async fn over(io: Io, open: Held) -> Result<Self, hyper::Error> {
        let (sender, driver) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(QUIET_MAX)
            .keep_alive_timeout(PING_TIMEOUT)
            .max_header_list_size(u32::try_from(HEAD_BYTES_MAX).unwrap_or(u32::MAX))
            .handshake(TokioIo::new(io))
            .await?;
        tokio::spawn(async move {
            let _open = open;
            // Whoever has sent something learns by itself what became of it.
            driver.await.ok();
        });
        Ok(Self(sender))
    }

    pub(super) fn is_open(&self) -> bool {
        !self.0.is_closed()
    }

    /// One request, and the head of its answer. As many as the peer allows are under way at a time,
    /// further ones wait.
    pub(super) async fn ask(
        mut self,
        request: Request<Outgoing>,
        deadlines: &Deadlines,
    ) -> Result<(Self, Response<Incoming>, Timer), Lost> {
        let mut timer = Timer::new(*deadlines, request.body().upload());
        let response = {
            let mut sent = pin!(self.0.try_send_request(request));
            timer.within(|cx| sent.as_mut().poll(cx)).await
        };
        let response =
            response.map_err(Lost::For)?.map_err(|mut error| match error.take_message() {
                Some(unsent) => Lost::Unsent(Box::new(unsent)),
                None => Lost::For(timer.fault(Error::Unanswered)),
            })?;
        let response = framed(response, false).ok_or(Lost::For(Error::Broken))?;
        timer.progress();
        Ok((self, response, timer))
    }
}
