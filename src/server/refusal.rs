//! Why a request did not come to its good end: the engine's reasons, and those of the transport.

use crate::deliver::{DeliverError, HandoverError};
use crate::engine::reason::Reason;
use crate::store::StoreError;

/// Closed on purpose: a new one must be given its answer in `respond.rs`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// The head is ambiguous, or the body does not keep to its framing.
    BadHttp,
    /// The body did not come in time.
    BodyTimeout,
    /// As many requests to the upstream as are allowed are under way.
    Busy,
    /// The disk under the store does not do as it is told.
    DiskError,
    /// Request line and headers did not come in time.
    HeadTimeout,
    /// Request line and headers are longer, or more, than is allowed.
    HeadTooLarge,
    /// The same callback, or an earlier one of its payment, is being handed over just now.
    InFlight,
    /// The rule says no.
    Judged(Reason),
    /// No route has this path.
    NoRoute,
    /// The route cannot judge: a secret is missing, or its upstream cannot take what it sends.
    NotReady,
    /// The path is a webhook's in another spelling, or one that does not pass.
    Protected,
    /// The store is full.
    QueueFull,
    /// The client calls too often; it may again in so many seconds.
    RateLimited(u32),
    /// The body is longer than is allowed.
    TooLarge,
    /// The body is compressed, or encoded in some other way.
    UnsupportedEncoding,
    /// What the upstream sent is not an answer.
    UpstreamBroken,
    /// No connection to the upstream.
    UpstreamDown,
    /// The upstream answered, but not with 2xx.
    UpstreamRefused,
    /// The upstream did not answer in time.
    UpstreamTimeout,
}

impl Refusal {
    /// Those that no rule has judged.
    const UNJUDGED: [Self; 18] = [
        Self::BadHttp,
        Self::BodyTimeout,
        Self::Busy,
        Self::DiskError,
        Self::HeadTimeout,
        Self::HeadTooLarge,
        Self::InFlight,
        Self::NoRoute,
        Self::NotReady,
        Self::Protected,
        Self::QueueFull,
        Self::RateLimited(0),
        Self::TooLarge,
        Self::UnsupportedEncoding,
        Self::UpstreamBroken,
        Self::UpstreamDown,
        Self::UpstreamRefused,
        Self::UpstreamTimeout,
    ];

    /// The words of all.
    pub fn words() -> impl Iterator<Item = &'static str> {
        let judged = Reason::ALL.into_iter().map(Self::Judged);
        judged.chain(Self::UNJUDGED).map(Self::as_str)
    }

    /// The word in metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BadHttp => "bad_http",
            Self::BodyTimeout => "body_timeout",
            Self::Busy => "busy",
            Self::DiskError => "disk_error",
            Self::HeadTimeout => "head_timeout",
            Self::HeadTooLarge => "head_too_large",
            Self::InFlight => "in_flight",
            Self::Judged(reason) => reason.as_str(),
            Self::NoRoute => "no_route",
            Self::NotReady => "not_ready",
            Self::Protected => "protected_path",
            Self::QueueFull => "queue_full",
            Self::RateLimited(_) => "rate_limited",
            Self::TooLarge => "too_large",
            Self::UnsupportedEncoding => "unsupported_encoding",
            Self::UpstreamBroken => "upstream_broken",
            Self::UpstreamDown => "upstream_down",
            Self::UpstreamRefused => "upstream_refused",
            Self::UpstreamTimeout => "upstream_timeout",
        }
    }
}

impl From<DeliverError> for Refusal {
    fn from(error: DeliverError) -> Self {
        match error {
            DeliverError::Broken => Self::UpstreamBroken,
            DeliverError::Busy => Self::Busy,
            DeliverError::ConnectFailed => Self::UpstreamDown,
            DeliverError::NotConfigured => Self::NotReady,
            DeliverError::Refused(_) => Self::UpstreamRefused,
            DeliverError::Timeout => Self::UpstreamTimeout,
        }
    }
}

impl From<HandoverError> for Refusal {
    fn from(error: HandoverError) -> Self {
        match error {
            HandoverError::Deliver(error) => error.into(),
            HandoverError::InFlight => Self::InFlight,
            HandoverError::Store(error) => match error {
                StoreError::Busy => Self::Busy,
                StoreError::Closed => Self::NotReady,
                StoreError::Corrupt | StoreError::Disk => Self::DiskError,
                StoreError::Full => Self::QueueFull,
            },
        }
    }
}
