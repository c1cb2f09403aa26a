//! The body of a request: at hand, or still on its way from a client.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Frame, SizeHint};

/// Whatever went wrong with a body.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What is sent with a request.
#[derive(Debug)]
pub struct Outgoing(Kind);

#[derive(Debug)]
enum Kind {
    Whole(Full<Bytes>),
    Streaming(Streaming),
}

#[derive(Debug)]
struct Streaming {
    body: UnsyncBoxBody<Bytes, BoxError>,
    upload: Arc<Upload>,
}

/// How far a streaming body has come, for whoever has sent it on its way.
#[derive(Debug)]
pub(super) struct Upload(Mutex<Progress>);

#[derive(Clone, Copy, Debug)]
pub(super) struct Progress {
    pub(super) stage: Stage,
    /// When that was last so, or the last part of it came.
    pub(super) at: Instant,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Stage {
    /// We wait for more of it.
    Awaited,
    /// We have some of it, and the upstream takes its time.
    Going,
    /// Nothing more is wanted of it.
    Gone,
    /// It broke.
    Broken,
}

/// How a request says where its body ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Framing {
    /// There is none.
    Empty,
    /// By a length.
    Length,
    /// By chunks.
    Chunked,
}

impl From<Bytes> for Outgoing {
    fn from(bytes: Bytes) -> Self {
        Self(Kind::Whole(Full::new(bytes)))
    }
}

impl Outgoing {
    /// A body that is sent as it comes. Its length is what it says of itself in its size hint; a
    /// body that does not know goes in chunks.
    pub fn streaming<B>(body: B) -> Self
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        if body.is_end_stream() {
            return Self::from(Bytes::new());
        }
        let progress = Progress { stage: Stage::Awaited, at: Instant::now() };
        Self(Kind::Streaming(Streaming {
            body: body.map_err(Into::into).boxed_unsync(),
            upload: Arc::new(Upload(Mutex::new(progress))),
        }))
    }

    pub(super) fn framing(&self) -> Framing {
        match (self.is_end_stream(), self.size_hint().exact()) {
            (true, _) => Framing::Empty,
            (false, Some(_)) => Framing::Length,
            (false, None) => Framing::Chunked,
        }
    }

    /// The same once more; `None`: it is a stream.
    pub(super) fn again(&self) -> Option<Self> {
        match &self.0 {
            Kind::Whole(body) => Some(Self(Kind::Whole(body.clone()))),
            Kind::Streaming(_) => None,
        }
    }

    /// What will be known of its progress; `None`: it is at hand.
    pub(super) fn upload(&self) -> Option<Arc<Upload>> {
        match &self.0 {
            Kind::Whole(_) => None,
            Kind::Streaming(streaming) => Some(Arc::clone(&streaming.upload)),
        }
    }
}

impl Upload {
    pub(super) fn progress(&self) -> Progress {
        *self.lock()
    }

    fn note(&self, stage: Stage) {
        let mut progress = self.lock();
        // What broke was not gone.
        if progress.stage != Stage::Broken {
            *progress = Progress { stage, at: Instant::now() };
        }
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        // Nothing is half done when this panics.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Streaming {
    fn drop(&mut self) {
        self.upload.note(Stage::Gone);
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.0 {
            Kind::Whole(body) => Pin::new(body).poll_frame(cx).map_err(|never| match never {}),
            Kind::Streaming(Streaming { body, upload }) => {
                let polled = Pin::new(body).poll_frame(cx);
                match &polled {
                    // Since when we wait is when it last came.
                    Poll::Pending => upload.lock().stage = Stage::Awaited,
                    Poll::Ready(Some(Ok(_))) => upload.note(Stage::Going),
                    Poll::Ready(None) => upload.note(Stage::Gone),
                    Poll::Ready(Some(Err(_))) => upload.note(Stage::Broken),
                }
                polled
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Whole(body) => body.is_end_stream(),
            Kind::Streaming(streaming) => streaming.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Whole(body) => body.size_hint(),
            Kind::Streaming(streaming) => streaming.body.size_hint(),
        }
    }
}
