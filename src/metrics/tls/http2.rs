//! What is counted of HTTP/2.

use prometheus::{IntCounter, IntCounterVec, Opts, Registry};

/// How a connection of HTTP/2 ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Http2End {
    /// It was used for as long as it may be.
    Age,
    /// h2 had enough of it: too many resets, continuations or the like.
    Calm,
    /// The peer has gone away.
    Closed,
    /// The drain was over before it was.
    CutOff,
    /// Well.
    Done,
    /// A head did not come to its end, or none came.
    HeadTimeout,
    /// Nothing was asked for a while.
    Idle,
    /// Too many frames that bring nothing.
    IdleFrames,
    /// The peer does not say that it is there.
    PingTimeout,
    /// The peer broke the protocol.
    Protocol,
    /// Too many requests that were reset.
    Resets,
    /// An answer that the peer did not take.
    Stalled,
}

impl Http2End {
    const ALL: [Self; 12] = [
        Self::Age,
        Self::Calm,
        Self::Closed,
        Self::CutOff,
        Self::Done,
        Self::HeadTimeout,
        Self::Idle,
        Self::IdleFrames,
        Self::PingTimeout,
        Self::Protocol,
        Self::Resets,
        Self::Stalled,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Self::Age => "age",
            Self::Calm => "calm",
            Self::Closed => "closed",
            Self::CutOff => "cut_off",
            Self::Done => "done",
            Self::HeadTimeout => "head_timeout",
            Self::Idle => "idle",
            Self::IdleFrames => "idle_frames",
            Self::PingTimeout => "ping_timeout",
            Self::Protocol => "protocol",
            Self::Resets => "resets",
            Self::Stalled => "stalled",
        }
    }
}

/// The families of HTTP/2.
#[derive(Clone)]
pub struct Http2Metrics {
    ends: IntCounterVec,
    by_peer: IntCounter,
    by_us: IntCounter,
    refused: IntCounter,
}

impl Http2Metrics {
    pub(in crate::metrics) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let ends = IntCounterVec::new(
            Opts::new("http2_connections_total", "Connections of HTTP/2 by how they ended."),
            &["end"],
        )?;
        let resets = IntCounterVec::new(
            Opts::new(
                "http2_streams_reset_total",
                "Requests over HTTP/2 that were reset: by the peer, for its mistakes, or because too \
                 many were under way.",
            ),
            &["why"],
        )?;
        // They begin at zero, so that a first increase is seen as one.
        for end in Http2End::ALL {
            ends.with_label_values(&[end.as_str()]);
        }
        let why = |word| resets.with_label_values(&[word]);
        let (by_peer, by_us, refused) = (why("cancelled"), why("mistake"), why("too_many"));
        registry.register(Box::new(ends.clone()))?;
        registry.register(Box::new(resets))?;
        Ok(Self { ends, by_peer, by_us, refused })
    }

    /// A connection has ended.
    pub fn ended(&self, end: Http2End) {
        self.ends.with_label_values(&[end.as_str()]).inc();
    }

    /// So many requests were reset by the peer, for its mistakes, and because too many were under way.
    pub fn reset(&self, by_peer: u32, by_us: u32, refused: u32) {
        self.by_peer.inc_by(by_peer.into());
        self.by_us.inc_by(by_us.into());
        self.refused.inc_by(refused.into());
    }
}
