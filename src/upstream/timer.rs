//! When an answer is too late. Nothing is set while everything is at hand.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::time::{Sleep, sleep_until};

use super::outgoing::{Stage, Upload};
use super::{Deadlines, Error};

/// The deadlines of one request.
pub(super) struct Timer {
    deadlines: Deadlines,
    begun: Instant,
    /// When the last of the answer came; `None`: nothing of it has.
    answered: Option<Instant>,
    upload: Option<Arc<Upload>>,
    /// Set when somebody has had to wait for the body of the answer.
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Timer {
    pub(super) fn new(deadlines: Deadlines, upload: Option<Arc<Upload>>) -> Self {
        let begun = Instant::now();
        Self { deadlines, begun, answered: None, upload, sleep: None }
    }

    /// Some of the answer has come.
    pub(super) fn progress(&mut self) {
        if self.deadlines.idle.is_some() || self.answered.is_none() {
            self.answered = Some(Instant::now());
        }
    }

    /// Whether some of the request has yet to go.
    pub(super) fn uploads(&self) -> bool {
        let stage = self.upload.as_ref().map(|upload| upload.progress().stage);
        matches!(stage, Some(Stage::Awaited | Stage::Going))
    }

    /// Whether the request itself broke, whatever that looks like on the connection.
    pub(super) fn fault(&self, otherwise: Error) -> Error {
        match self.upload.as_ref().map(|upload| upload.progress().stage) {
            Some(Stage::Broken) => Error::RequestBody,
            Some(Stage::Awaited | Stage::Going | Stage::Gone) | None => otherwise,
        }
    }

    /// When it is too late, as far as is known now.
    fn limit(&self) -> Option<Instant> {
        let Deadlines { whole, head, idle } = self.deadlines;
        let upload = self.upload.as_ref().map(|upload| upload.progress());
        let moved = upload.map_or(self.begun, |upload| upload.at);
        let gone = upload.is_none_or(|upload| upload.stage == Stage::Gone);
        let next = match self.answered {
            None if gone => head.map(|head| moved + head),
            None => idle.map(|idle| moved + idle),
            Some(answered) => idle.map(|idle| answered.max(moved) + idle),
        };
        let whole = whole.map(|whole| self.begun + whole);
        match (whole, next) {
            (Some(whole), Some(next)) => Some(whole.min(next)),
            (one, other) => one.or(other),
        }
    }

    /// Whose fault it is that it is too late.
    fn expired(&self) -> Error {
        match self.upload.as_ref().map(|upload| upload.progress().stage) {
            Some(Stage::Awaited | Stage::Broken) => Error::RequestBody,
            Some(Stage::Going | Stage::Gone) | None => Error::Timeout,
        }
    }

    /// A first guess at when to look.
    fn sleep(&self) -> Option<Sleep> {
        self.limit().map(|limit| sleep_until(limit.into()))
    }

    /// Ready when it is too late. `sleep` is set to when to look again.
    fn poll(&self, mut sleep: Pin<&mut Sleep>, cx: &mut Context<'_>) -> Poll<Error> {
        // The end of the request may have brought it nearer.
        if let Some(limit) = self.limit()
            && limit < sleep.deadline().into()
        {
            sleep.as_mut().reset(limit.into());
        }
        loop {
            match sleep.as_mut().poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(()) => match self.limit() {
                    Some(limit) if limit > Instant::now() => sleep.as_mut().reset(limit.into()),
                    Some(_) | None => return Poll::Ready(self.expired()),
                },
            }
        }
    }

    /// What comes out of `wanted`, unless it is too late before.
    pub(super) async fn within<T>(
        &self,
        mut wanted: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Result<T, Error> {
        let mut sleep: Pin<&mut Option<Sleep>> = pin!(self.sleep());
        poll_fn(|cx| {
            if let Poll::Ready(output) = wanted(cx) {
                return Poll::Ready(Ok(output));
            }
            if sleep.is_none() {
                sleep.set(self.sleep());
            }
            match sleep.as_mut().as_pin_mut() {
                Some(sleep) => self.poll(sleep, cx).map(Err),
                None => Poll::Pending,
            }
        })
        .await
    }

    /// The same with a sleep of its own, for whoever waits for more of the answer's body.
    pub(super) fn poll_own(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        let mut sleep = match self.sleep.take() {
            Some(sleep) => sleep,
            None => match self.sleep() {
                Some(sleep) => Box::pin(sleep),
                None => return Poll::Pending,
            },
        };
        let polled = self.poll(sleep.as_mut(), cx);
        self.sleep = Some(sleep);
        polled
    }
}
