//! What is wrong with a request, in words for the operator.

use crate::server::refusal::Refusal;

/// Closed, and without a byte of the sender.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Bad {
    /// A line ends with a line feed alone.
    BareLineFeed,
    /// After the data of a chunk stands something else than the end of a line.
    ChunkEnd,
    /// A chunk's size is not plain hexadecimal digits alone on their line.
    ChunkSize,
    /// `Transfer-Encoding` is not once and exactly `chunked`, or not for this version.
    Coding,
    /// `Connection` names a header that frames or routes, or is no list of names.
    Connection,
    /// A byte that no line of text has.
    Control,
    /// `Expect` asks for something else than `100-continue`.
    Expect,
    /// A header line begins with white space.
    Fold,
    /// `Host` is missing, double, no host, or another one than in the target.
    Host,
    /// `Content-Length` is not once and only digits.
    Length,
    /// `Content-Length` and `Transfer-Encoding`.
    LengthAndCoding,
    /// Not a method that is served; `CONNECT` is none.
    Method,
    /// Not a header's name, or one that others read as another's.
    Name,
    /// White space around a value, which belongs to none over HTTP/2.
    Padding,
    /// Not a path, nor a URL with one.
    Target,
    /// The head did not come in time.
    TooSlow,
    /// The head is longer than allowed.
    TooLarge,
    /// As many requests of HTTP/2 as may be are under way.
    TooMany,
    /// A trailer that frames or routes, or too many of them.
    Trailer,
    /// Asks for another protocol, and has a body or is of HTTP/1.0.
    Upgrade,
    /// Neither HTTP/1.0 nor HTTP/1.1.
    Version,
}

impl Bad {
    /// Where the log says that it was.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BareLineFeed => "line end",
            Self::ChunkEnd => "chunk end",
            Self::ChunkSize => "chunk size",
            Self::Coding => "transfer-encoding",
            Self::Connection => "connection",
            Self::Control => "control byte",
            Self::Expect => "expect",
            Self::Fold => "folded header",
            Self::Host => "host",
            Self::Length => "content-length",
            Self::LengthAndCoding => "content-length with transfer-encoding",
            Self::Method => "method",
            Self::Name => "header name",
            Self::Padding => "white space around a value",
            Self::Target => "target",
            Self::TooLarge => "head",
            Self::TooSlow => "time of the head",
            Self::TooMany => "too many requests",
            Self::Trailer => "trailer",
            Self::Upgrade => "upgrade",
            Self::Version => "version",
        }
    }

    /// What its sender is told.
    pub(in crate::server) fn refusal(self) -> Refusal {
        match self {
            Self::TooLarge => Refusal::HeadTooLarge,
            Self::TooSlow => Refusal::HeadTimeout,
            Self::TooMany => Refusal::Busy,
            Self::BareLineFeed
            | Self::ChunkEnd
            | Self::ChunkSize
            | Self::Coding
            | Self::Connection
            | Self::Control
            | Self::Expect
            | Self::Fold
            | Self::Host
            | Self::Length
            | Self::LengthAndCoding
            | Self::Method
            | Self::Name
            | Self::Padding
            | Self::Target
            | Self::Trailer
            | Self::Upgrade
            | Self::Version => Refusal::BadHttp,
        }
    }
}
