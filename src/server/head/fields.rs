//! One head, line by line: what it says of its own end and of that of its body.

use std::ops::Range;

use memchr::memchr;

use super::HeadLimits;
use super::bad::Bad;
use super::syntax;

/// Senders from long ago end a body with one that its length does not count.
const BLANK_LINES_MAX: usize = 2;

/// The longest that hyper takes.
pub(super) const TARGET_BYTES_MAX: usize = u16::MAX as usize - 1;

/// How the body ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Framing {
    Chunked,
    /// Also of what has no body.
    Length(u64),
    /// There is none; and what follows may be another protocol.
    Upgrade,
}

/// Headers that frame or route a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Known {
    Connection,
    ContentLength,
    Expect,
    Host,
    TransferEncoding,
    Upgrade,
}

impl Known {
    const ALL: [(&[u8], Self); 6] = [
        (b"connection", Self::Connection),
        (b"content-length", Self::ContentLength),
        (b"expect", Self::Expect),
        (b"host", Self::Host),
        (b"transfer-encoding", Self::TransferEncoding),
        (b"upgrade", Self::Upgrade),
    ];

    pub(super) fn of(name: &[u8]) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, known)| known)
    }
}

/// What the lines so far have said.
#[derive(Default)]
pub(super) struct Head {
    /// Where the line begins that is being read.
    line: usize,
    /// Up to where it has no line feed.
    looked: usize,
    blank_lines: usize,
    request: Option<RequestLine>,
    lines: usize,
    has_host: bool,
    length: Option<u64>,
    is_chunked: bool,
    is_upgrade: bool,
}

struct RequestLine {
    is_http_11: bool,
    /// Where it stands, if the target is a URL.
    authority: Option<Range<usize>>,
}

impl Head {
    /// The length of the head with which `bytes` begins, once it is there, and how its body ends.
    pub(super) fn read(
        &mut self,
        bytes: &[u8],
        limits: HeadLimits,
    ) -> Result<Option<(usize, Framing)>, Bad> {
        // What does not even begin like a request is not waited for.
        if bytes.first().is_some_and(|&byte| !syntax::is_token_byte(byte) && byte != b'\r') {
            return Err(Bad::Method);
        }
        while let Some(at) = memchr(b'\n', &bytes[self.looked..]) {
            let end = self.looked + at + 1;
            if end > limits.bytes_max {
                return Err(Bad::TooLarge);
            }
            let line = syntax::line(&bytes[self.line..end])?;
            if self.request.is_some() && line.is_empty() {
                return Ok(Some((end, self.framing()?)));
            }
            self.take(line, bytes, limits)?;
            (self.line, self.looked) = (end, end);
        }
        self.looked = bytes.len();
        if bytes.len() < limits.bytes_max { Ok(None) } else { Err(Bad::TooLarge) }
    }

    fn take(&mut self, line: &[u8], bytes: &[u8], limits: HeadLimits) -> Result<(), Bad> {
        if self.request.is_some() {
            self.lines += 1;
            if self.lines > limits.lines_max {
                return Err(Bad::TooLarge);
            }
            self.field(line, bytes)
        } else if line.is_empty() {
            self.blank_lines += 1;
            if self.blank_lines > BLANK_LINES_MAX { Err(Bad::Method) } else { Ok(()) }
        } else {
            self.request = Some(RequestLine::read(line, self.line)?);
            Ok(())
        }
    }

    fn field(&mut self, line: &[u8], bytes: &[u8]) -> Result<(), Bad> {
        let (name, value) = syntax::field(line)?;
        match Known::of(name) {
            None => Ok(()),
            Some(Known::Connection) => {
                let is_harmless = |option: &[u8]| {
                    let known = Known::of(option).filter(|known| *known != Known::Upgrade);
                    option.is_empty() || (syntax::is_token(option) && known.is_none())
                };
                let mut options = value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
                if options.all(is_harmless) { Ok(()) } else { Err(Bad::Connection) }
            }
            Some(Known::ContentLength) => {
                if self.length.replace(syntax::length(value)?).is_some() {
                    return Err(Bad::Length);
                }
                if self.is_chunked { Err(Bad::LengthAndCoding) } else { Ok(()) }
            }
            Some(Known::Expect) => {
                let is_known = value.eq_ignore_ascii_case(b"100-continue");
                if is_known { Ok(()) } else { Err(Bad::Expect) }
            }
            Some(Known::Host) => {
                let target = self.request.as_ref().and_then(|line| line.authority.clone());
                let is_same = target.is_none_or(|at| bytes[at].eq_ignore_ascii_case(value));
                let is_first = !std::mem::replace(&mut self.has_host, true);
                if is_first && is_same && syntax::is_host(value) { Ok(()) } else { Err(Bad::Host) }
            }
            Some(Known::TransferEncoding) => {
                let is_first = !std::mem::replace(&mut self.is_chunked, true);
                if !is_first || !value.eq_ignore_ascii_case(b"chunked") {
                    return Err(Bad::Coding);
                }
                if self.length.is_some() { Err(Bad::LengthAndCoding) } else { Ok(()) }
            }
            Some(Known::Upgrade) => {
                self.is_upgrade = true;
                Ok(())
            }
        }
    }

    /// All lines are there.
    fn framing(&self) -> Result<Framing, Bad> {
        if !self.has_host {
            return Err(Bad::Host);
        }
        let is_http_11 = self.request.as_ref().is_some_and(|line| line.is_http_11);
        let framing = match self.length {
            None if self.is_chunked && !is_http_11 => return Err(Bad::Coding),
            None if self.is_chunked => Framing::Chunked,
            length => Framing::Length(length.unwrap_or(0)),
        };
        if !self.is_upgrade {
            return Ok(framing);
        }
        // Where the body ends and the other protocol begins is a matter of dispute.
        let is_plain = is_http_11 && framing == Framing::Length(0);
        if is_plain { Ok(Framing::Upgrade) } else { Err(Bad::Upgrade) }
    }
}

impl RequestLine {
    /// Method, target and version with one blank between them; the line begins at `start`.
    fn read(line: &[u8], start: usize) -> Result<Self, Bad> {
        let (method, rest) = word(line).ok_or(Bad::Method)?;
        if !syntax::is_token(method) || method == b"CONNECT" {
            return Err(Bad::Method);
        }
        let (target, version) = word(rest).ok_or(Bad::Target)?;
        let authority = authority(target)?;
        let is_http_11 = match version {
            b"HTTP/1.1" => true,
            b"HTTP/1.0" => false,
            _ => return Err(Bad::Version),
        };
        let offset = start + method.len() + 1;
        let authority = authority.map(|at| at.start + offset..at.end + offset);
        Ok(Self { is_http_11, authority })
    }
}

/// Where the authority stands in a target; a path alone has none.
fn authority(target: &[u8]) -> Result<Option<Range<usize>>, Bad> {
    if target.len() > TARGET_BYTES_MAX {
        return Err(Bad::TooLarge);
    }
    let schemes: [&[u8]; 2] = [b"http://", b"https://"];
    let authority = schemes.iter().find(|scheme| target.starts_with(scheme)).map(|scheme| {
        let start = scheme.len();
        start..memchr(b'/', &target[start..]).map_or(target.len(), |at| start + at)
    });
    let path = authority.as_ref().map_or(target, |authority| &target[authority.end..]);
    if syntax::is_path(path) { Ok(authority) } else { Err(Bad::Target) }
}

/// What stands before the first blank, and what after it.
fn word(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = memchr(b' ', line)?;
    Some((&line[..at], &line[at + 1..]))
}
