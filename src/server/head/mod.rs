//! In front of hyper's parser: a request whose framing two readers could read in two ways is
//! refused here, never cleaned up and passed on. hyper by itself removes a `Content-Length` beside
//! a `Transfer-Encoding`, takes a bare line feed for the end of a line, and skips chunk extensions;
//! whoever only sees what it has parsed cannot refuse any of that.
//!
//! [`Scanner`] is pure and knows where each request of a connection ends. Heads pass as a whole or
//! not at all, the lines of chunk framing one by one, data as it comes. `Filtered` does the I/O.

mod bad;
mod fields;
mod filter;
mod http2;
mod syntax;
#[cfg(test)]
mod tests;

use memchr::memchr;

pub use bad::Bad;
use fields::{Framing, Head};
pub(super) use filter::{Filtered, is_mark};
pub(super) use http2::vet;

/// Bytes of all trailers of one body, their line ends included.
const TRAILER_BYTES_MAX: usize = 4 * 1024;

/// How large a head may be.
#[derive(Clone, Copy, Debug)]
pub struct HeadLimits {
    /// Bytes, from the first of the request line to the last of the empty line.
    pub bytes_max: usize,
    /// Header lines.
    pub lines_max: usize,
}

/// Follows the requests of one connection, however their bytes are cut.
pub struct Scanner {
    limits: HeadLimits,
    at: At,
}

/// What comes next.
enum At {
    Head(Head),
    /// So many bytes of data, then the next head.
    Body(u64),
    ChunkSize,
    /// So many bytes of data, then the end of the chunk.
    Chunk(u64),
    ChunkEnd,
    Trailers(Trailers),
    /// Perhaps another protocol. Nothing passes here.
    Upgrade,
}

#[derive(Default)]
struct Trailers {
    /// That have passed.
    bytes: usize,
    lines: usize,
    /// Up to where the line that is being read has no line feed.
    looked: usize,
}

impl Scanner {
    /// At the beginning of a connection.
    pub fn new(limits: HeadLimits) -> Self {
        Self { limits, at: At::Head(Head::default()) }
    }

    /// Looks at `bytes`, which is all that has come and not passed yet, and says how many of them
    /// pass. The others wait and come first in the next call; after [`Bad`] there must be none.
    pub fn scan(&mut self, bytes: &[u8]) -> (usize, Result<(), Bad>) {
        let mut passed = 0;
        while passed < bytes.len() {
            match self.step(&bytes[passed..]) {
                Ok(0) => break,
                Ok(length) => passed += length,
                Err(bad) => return (passed, Err(bad)),
            }
        }
        (passed, Ok(()))
    }

    /// Whether a head is read or awaited; else it is a body.
    pub fn is_in_head(&self) -> bool {
        matches!(self.at, At::Head(_))
    }

    /// Whether what follows may be another protocol, and nothing passes here any more.
    pub fn is_upgrade(&self) -> bool {
        matches!(self.at, At::Upgrade)
    }

    /// As [`Scanner::scan`], but stops at the end of a head, a line, or data.
    fn step(&mut self, bytes: &[u8]) -> Result<usize, Bad> {
        match &mut self.at {
            At::Head(head) => {
                let Some((length, framing)) = head.read(bytes, self.limits)? else { return Ok(0) };
                self.at = match framing {
                    Framing::Chunked => At::ChunkSize,
                    Framing::Length(0) => At::Head(Head::default()),
                    Framing::Length(length) => At::Body(length),
                    Framing::Upgrade => At::Upgrade,
                };
                Ok(length)
            }
            At::Upgrade => Ok(0),
            At::Body(left) => {
                let length = take(left, bytes.len());
                if *left == 0 {
                    self.at = At::Head(Head::default());
                }
                Ok(length)
            }
            At::ChunkSize => {
                let Some((length, size)) = syntax::chunk_size(bytes)? else { return Ok(0) };
                self.at = if size == 0 {
                    At::Trailers(Trailers::default())
                } else {
                    At::Chunk(size.into())
                };
                Ok(length)
            }
            At::Chunk(left) => {
                let length = take(left, bytes.len());
                if *left == 0 {
                    self.at = At::ChunkEnd;
                }
                Ok(length)
            }
            At::ChunkEnd => match bytes {
                [b'\r', b'\n', ..] => {
                    self.at = At::ChunkSize;
                    Ok(2)
                }
                [b'\r'] => Ok(0),
                _ => Err(Bad::ChunkEnd),
            },
            At::Trailers(trailers) => {
                let Some((length, is_last)) = trailers.read(bytes, self.limits)? else {
                    return Ok(0);
                };
                if is_last {
                    self.at = At::Head(Head::default());
                }
                Ok(length)
            }
        }
    }
}

/// As much of what is left as there is.
fn take(left: &mut u64, there: usize) -> usize {
    let length = usize::try_from(*left).map_or(there, |left| left.min(there));
    *left -= length as u64;
    length
}

impl Trailers {
    /// The length of the first line in `bytes`, and whether it is the last.
    fn read(&mut self, bytes: &[u8], limits: HeadLimits) -> Result<Option<(usize, bool)>, Bad> {
        let found = memchr(b'\n', &bytes[self.looked..]);
        let length = found.map_or(bytes.len(), |at| self.looked + at + 1);
        if self.bytes + length > TRAILER_BYTES_MAX || self.lines > limits.lines_max {
            return Err(Bad::Trailer);
        }
        if found.is_none() {
            self.looked = length;
            return Ok(None);
        }
        *self = Self { bytes: self.bytes + length, lines: self.lines + 1, looked: 0 };
        let line = syntax::line(&bytes[..length])?;
        if line.is_empty() {
            return Ok(Some((length, true)));
        }
        let (name, _) = syntax::field(line)?;
        // What frames or routes a request belongs in its head.
        if fields::Known::of(name).is_some() {
            Err(Bad::Trailer)
        } else {
            Ok(Some((length, false)))
        }
    }
}
