//! A strict reader of JSON (RFC 8259): one text has one meaning or none. Names that come twice,
//! lone surrogates, a byte order mark and anything after the value are refused.

#![expect(
    clippy::inline_always,
    reason = "a value that is built where it stays is read twice as fast"
)]

use std::borrow::Cow;
use std::iter;

use crate::engine::value::{Member, Object, Value};

/// Lists and objects within each other.
pub const DEPTH_MAX: usize = 64;
/// Members and items, all together.
pub const NODES_MAX: usize = 20_000;

/// Why a text was refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum JsonError {
    /// A name comes twice in one object.
    DuplicateKey,
    /// Not JSON, or not UTF-8.
    Malformed,
    /// Deeper than [`DEPTH_MAX`].
    TooDeep,
    /// More than [`NODES_MAX`] members and items.
    TooMany,
}

/// Reads one JSON text.
pub fn parse(bytes: &[u8]) -> Result<Value<'_>, JsonError> {
    let text = std::str::from_utf8(bytes).map_err(|_| JsonError::Malformed)?;
    let mut reader =
        Reader { text, bytes, at: 0, nodes: 0, members: Vec::with_capacity(64), items: Vec::new() };
    reader.value(0, InList)?;
    match (reader.peek(), reader.items.pop()) {
        (None, Some(value)) => Ok(value),
        _ => Err(JsonError::Malformed),
    }
}

/// The first of `"`, `\` and the control characters at or after `from`, or the end.
pub(crate) fn plain_until(bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    while let Some(eight) = bytes.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let found = special(*eight);
        if found != 0 {
            return at + (found.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    if at > from && bytes.last_chunk::<8>().is_some_and(|eight| special(*eight) == 0) {
        return bytes.len();
    }
    while bytes.get(at).is_some_and(|byte| !matches!(byte, b'"' | b'\\' | 0..0x20)) {
        at += 1;
    }
    at
}

/// Zero, or the high bit of the first byte that is `"`, `\` or a control character, and perhaps
/// those of later ones.
fn special(eight: [u8; 8]) -> u64 {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    let word = u64::from_le_bytes(eight);
    // Subtracting what a byte must not be below sets its high bit; a byte that has it already is
    // not ASCII. The lowest bit found is right, whatever was borrowed above it.
    let control = word.wrapping_sub(ONES * 0x20);
    let quote = (word ^ (ONES * u64::from(b'"'))).wrapping_sub(ONES);
    let backslash = (word ^ (ONES * u64::from(b'\\'))).wrapping_sub(ONES);
    (control | quote | backslash) & !word & (ONES * 0x80)
}

/// Where a value belongs. `make` is another type for each kind of value, so that each is written
/// straight into the list it ends up in.
trait Place<'a> {
    fn put(self, reader: &mut Reader<'a>, make: impl FnOnce() -> Value<'a>);
}

struct InList;

impl<'a> Place<'a> for InList {
    #[inline(always)]
    fn put(self, reader: &mut Reader<'a>, make: impl FnOnce() -> Value<'a>) {
        reader.items.extend(iter::once_with(make));
    }
}

struct InObject<'a>(Cow<'a, str>);

impl<'a> Place<'a> for InObject<'a> {
    #[inline(always)]
    fn put(self, reader: &mut Reader<'a>, make: impl FnOnce() -> Value<'a>) {
        reader.members.extend(iter::once_with(|| (self.0, make())));
    }
}

struct Reader<'a> {
    text: &'a str,
    /// Those of `text`.
    bytes: &'a [u8],
    at: usize,
    nodes: usize,
    /// Of all open objects, the innermost last: a closed object takes its own in one allocation.
    members: Vec<Member<'a>>,
    /// The same for lists.
    items: Vec<Value<'a>>,
}

impl<'a> Reader<'a> {
    /// The next byte that is not white space.
    fn peek(&mut self) -> Option<u8> {
        loop {
            match self.bytes.get(self.at) {
                Some(b' ' | b'\t' | b'\n' | b'\r') => self.at += 1,
                other => return other.copied(),
            }
        }
    }

    /// Reads a value and puts it in its place. Returning it would be simpler, but carrying every
    /// value through memory takes longer than reading it.
    #[inline(always)]
    fn value(&mut self, depth: usize, place: impl Place<'a>) -> Result<(), JsonError> {
        match self.peek() {
            Some(b'"') => match self.string()? {
                Cow::Borrowed(text) => place.put(self, || Value::Text(Cow::Borrowed(text))),
                Cow::Owned(text) => place.put(self, || Value::Text(Cow::Owned(text))),
            },
            Some(b'-' | b'0'..=b'9') => {
                let text = self.number()?;
                place.put(self, || Value::Number(text));
            }
            Some(b'n') => {
                self.word(b"null")?;
                place.put(self, || Value::Null);
            }
            Some(b't') => {
                self.word(b"true")?;
                place.put(self, || Value::Bool(true));
            }
            Some(b'f') => {
                self.word(b"false")?;
                place.put(self, || Value::Bool(false));
            }
            Some(b'{') => {
                let object = self.object(depth + 1)?;
                place.put(self, || Value::Object(object));
            }
            Some(b'[') => {
                let items = self.list(depth + 1)?;
                place.put(self, || Value::List(items));
            }
            _ => return Err(JsonError::Malformed),
        }
        Ok(())
    }

    fn word(&mut self, word: &[u8]) -> Result<(), JsonError> {
        if self.bytes.get(self.at..self.at + word.len()) != Some(word) {
            return Err(JsonError::Malformed);
        }
        self.at += word.len();
        Ok(())
    }

    fn object(&mut self, depth: usize) -> Result<Object<'a>, JsonError> {
        self.enter(depth)?;
        let first = self.members.len();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Object::default());
        }
        loop {
            self.count()?;
            if self.peek() != Some(b'"') {
                return Err(JsonError::Malformed);
            }
            let name = self.string()?;
            if self.peek() != Some(b':') {
                return Err(JsonError::Malformed);
            }
            self.at += 1;
            self.value(depth, InObject(name))?;
            if self.closes(b'}')? {
                return Object::new(self.members.split_off(first)).ok_or(JsonError::DuplicateKey);
            }
        }
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Value<'a>>, JsonError> {
        self.enter(depth)?;
        let first = self.items.len();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Vec::new());
        }
        loop {
            self.count()?;
            self.value(depth, InList)?;
            if self.closes(b']')? {
                return Ok(self.items.split_off(first));
            }
        }
    }

    /// Past the opening bracket.
    fn enter(&mut self, depth: usize) -> Result<(), JsonError> {
        self.at += 1;
        if depth > DEPTH_MAX { Err(JsonError::TooDeep) } else { Ok(()) }
    }

    fn count(&mut self) -> Result<(), JsonError> {
        self.nodes += 1;
        if self.nodes > NODES_MAX { Err(JsonError::TooMany) } else { Ok(()) }
    }

    /// Past a comma (`false`) or the closing bracket (`true`).
    fn closes(&mut self, bracket: u8) -> Result<bool, JsonError> {
        let next = self.peek();
        self.at += 1;
        match next {
            Some(b',') => Ok(false),
            Some(byte) if byte == bracket => Ok(true),
            _ => Err(JsonError::Malformed),
        }
    }

    fn number(&mut self) -> Result<&'a str, JsonError> {
        let from = self.at;
        self.skip(b'-');
        if !self.skip(b'0') {
            self.digits()?;
        }
        if self.skip(b'.') {
            self.digits()?;
        }
        if self.skip(b'e') || self.skip(b'E') {
            let _signed = self.skip(b'+') || self.skip(b'-');
            self.digits()?;
        }
        // What follows is looked at by the caller: `01` and `1x` end here and are refused there.
        self.text_between(from, self.at)
    }

    fn skip(&mut self, byte: u8) -> bool {
        let found = self.bytes.get(self.at) == Some(&byte);
        self.at += usize::from(found);
        found
    }

    /// One or more.
    fn digits(&mut self) -> Result<(), JsonError> {
        let from = self.at;
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        if self.at == from { Err(JsonError::Malformed) } else { Ok(()) }
    }

    /// From the opening quotation mark past the closing one.
    #[inline(always)]
    fn string(&mut self) -> Result<Cow<'a, str>, JsonError> {
        let from = self.at + 1;
        let end = plain_until(self.bytes, from);
        match self.bytes.get(end) {
            Some(b'"') => {
                self.at = end + 1;
                self.text_between(from, end).map(Cow::Borrowed)
            }
            Some(b'\\') => self.escaped_string(from, end).map(Cow::Owned),
            _ => Err(JsonError::Malformed),
        }
    }

    /// `from` is the start of the string's text, `end` its first escape.
    #[cold]
    fn escaped_string(&mut self, mut from: usize, mut end: usize) -> Result<String, JsonError> {
        let mut out = String::with_capacity(end - from + 16);
        loop {
            out.push_str(self.text_between(from, end)?);
            self.at = end + 1;
            match self.bytes.get(end) {
                Some(b'"') => return Ok(out),
                Some(b'\\') => out.push(self.escape()?),
                _ => return Err(JsonError::Malformed),
            }
            from = self.at;
            end = plain_until(self.bytes, from);
        }
    }

    /// What stands after a `\`.
    fn escape(&mut self) -> Result<char, JsonError> {
        let byte = self.bytes.get(self.at).copied();
        self.at += 1;
        Ok(match byte {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode(),
            _ => return Err(JsonError::Malformed),
        })
    }

    /// What stands after `\u`; a pair of surrogates is one character, a lone one is none.
    fn unicode(&mut self) -> Result<char, JsonError> {
        let mut code = self.four_hex()?;
        if (0xd800..0xdc00).contains(&code) && self.skip(b'\\') && self.skip(b'u') {
            let low = self.four_hex()?;
            if !(0xdc00..0xe000).contains(&low) {
                return Err(JsonError::Malformed);
            }
            code = 0x1_0000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        }
        char::from_u32(code).ok_or(JsonError::Malformed)
    }

    fn four_hex(&mut self) -> Result<u32, JsonError> {
        let digits = self.bytes.get(self.at..self.at + 4).ok_or(JsonError::Malformed)?;
        self.at += 4;
        digits.iter().try_fold(0, |code, &byte| {
            let digit = char::from(byte).to_digit(16).ok_or(JsonError::Malformed)?;
            Ok(code << 4 | digit)
        })
    }

    /// Both ends are at ASCII characters or the ends of the text, so there always is one.
    fn text_between(&self, from: usize, end: usize) -> Result<&'a str, JsonError> {
        self.text.get(from..end).ok_or(JsonError::Malformed)
    }
}

#[cfg(test)]
mod tests;
