//! The closed lists that labels come from.

/// What became of one request on a callback listener.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// The sender went away before it had an answer.
    Aborted,
    /// Genuine, and safe with the upstream.
    Accepted,
    /// Forwarded in observe mode; would have been accepted.
    ObservedAccepted,
    /// Forwarded in observe mode; would have been refused.
    ObservedRejected,
    /// Refused for good.
    Rejected,
    /// Could not be judged now; the gateway is asked to come again.
    Unavailable,
    /// Genuine (or observed), but the upstream did not take it; the gateway is asked to come again.
    Undelivered,
}

impl Outcome {
    /// Every one, by the alphabet.
    pub const ALL: [Self; 7] = [
        Self::Aborted,
        Self::Accepted,
        Self::ObservedAccepted,
        Self::ObservedRejected,
        Self::Rejected,
        Self::Unavailable,
        Self::Undelivered,
    ];

    /// The word in metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Aborted => "aborted",
            Self::Accepted => "accepted",
            Self::ObservedAccepted => "observed_accepted",
            Self::ObservedRejected => "observed_rejected",
            Self::Rejected => "rejected",
            Self::Unavailable => "unavailable",
            Self::Undelivered => "undelivered",
        }
    }
}

/// What became of one question to a gateway.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ExchangeOutcome {
    /// There is an answer, whatever its status.
    Answered,
    /// The host has failed too often; it is left alone for a while.
    BreakerOpen,
    /// What came back is not an answer.
    Broken,
    /// As many exchanges as are allowed are under way.
    Busy,
    /// An earlier answer was given again.
    Cached,
    /// No connection.
    ConnectFailed,
    /// Nothing was asked: the URL, or where its host is, is none that may be asked.
    RefusedAddress,
    /// No answer in time.
    Timeout,
    /// Its certificate, or how it speaks TLS, is no good.
    TlsFailed,
    /// The answer is longer than allowed.
    TooLarge,
}

impl ExchangeOutcome {
    /// The word in metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::BreakerOpen => "breaker_open",
            Self::Broken => "broken",
            Self::Busy => "busy",
            Self::Cached => "cached",
            Self::ConnectFailed => "connect_failed",
            Self::RefusedAddress => "refused_address",
            Self::Timeout => "timeout",
            Self::TlsFailed => "tls_failed",
            Self::TooLarge => "too_large",
        }
    }
}

/// A part of the time that one callback takes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stage {
    /// From the head to the last byte of the body.
    Receive,
    /// The rule.
    Judge,
    /// The upstream.
    Deliver,
    /// From the head to the answer.
    Total,
}

impl Stage {
    pub(super) const ALL: [Self; 4] = [Self::Receive, Self::Judge, Self::Deliver, Self::Total];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Receive => "receive",
            Self::Judge => "judge",
            Self::Deliver => "deliver",
            Self::Total => "total",
        }
    }
}

/// How an upstream answered one request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Class {
    /// 200 to 299.
    Success,
    /// 300 to 399.
    Redirect,
    /// 400 to 499.
    ClientError,
    /// 500 to 599.
    ServerError,
    /// No connection.
    ConnectFailed,
    /// No answer in time.
    Timeout,
    /// Something that is no answer.
    Broken,
}

impl Class {
    pub(super) const ALL: [Self; 7] = [
        Self::Success,
        Self::Redirect,
        Self::ClientError,
        Self::ServerError,
        Self::ConnectFailed,
        Self::Timeout,
        Self::Broken,
    ];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Success => "2xx",
            Self::Redirect => "3xx",
            Self::ClientError => "4xx",
            Self::ServerError => "5xx",
            Self::ConnectFailed => "connect_failed",
            Self::Timeout => "timeout",
            Self::Broken => "broken",
        }
    }
}

/// Why a request to an upstream was sent once more.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Retried {
    /// No connection: to another address.
    ConnectFailed,
    /// It was answered with 502 to 504, or not at all, and may be repeated.
    Failed,
    /// The connection ended before anything was sent.
    Unsent,
}

impl Retried {
    pub(super) const ALL: [Self; 3] = [Self::ConnectFailed, Self::Failed, Self::Unsent];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::ConnectFailed => "connect_failed",
            Self::Failed => "failed",
            Self::Unsent => "unsent",
        }
    }
}
