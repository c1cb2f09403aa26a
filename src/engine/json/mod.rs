//! A strict reader of JSON (RFC 8259): one text has one meaning or none. Names that come twice,
//! lone surrogates, a byte order mark and anything after the value are refused.

use std::borrow::Cow;

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
    let value = reader.value(0)?;
    match reader.peek() {
        None => Ok(value),
        Some(_) => Err(JsonError::Malformed),
    }
}

/// The first of `"`, `\` and the control characters at or after `from`, or the end.
pub(crate) fn plain_until(bytes: &[u8], from: usize) -> usize {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGHS: u64 = u64::from_le_bytes([0x80; 8]);
    // Sets the high bit of the first byte that is below `limit`; later bytes may be wrong.
    let below = |word: u64, limit: u8| word.wrapping_sub(ONES * u64::from(limit)) & !word & HIGHS;
    let mut at = from;
    while let Some(eight) = bytes.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let word = u64::from_le_bytes(*eight);
        let found = below(word, 0x20)
            | below(word ^ (ONES * u64::from(b'"')), 1)
            | below(word ^ (ONES * u64::from(b'\\')), 1);
        if found != 0 {
            return at + (found.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    while bytes.get(at).is_some_and(|byte| !matches!(byte, b'"' | b'\\' | 0..0x20)) {
        at += 1;
    }
    at
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

    fn value(&mut self, depth: usize) -> Result<Value<'a>, JsonError> {
        match self.peek() {
            Some(b'"') => self.string().map(Value::Text),
            Some(b'{') => self.object(depth + 1),
            Some(b'[') => self.list(depth + 1),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b'n') => self.word(b"null", Value::Null),
            Some(b't') => self.word(b"true", Value::Bool(true)),
            Some(b'f') => self.word(b"false", Value::Bool(false)),
            _ => Err(JsonError::Malformed),
        }
    }

    fn word(&mut self, word: &[u8], value: Value<'a>) -> Result<Value<'a>, JsonError> {
        if self.bytes.get(self.at..self.at + word.len()) != Some(word) {
            return Err(JsonError::Malformed);
        }
        self.at += word.len();
        Ok(value)
    }

    fn object(&mut self, depth: usize) -> Result<Value<'a>, JsonError> {
        self.enter(depth)?;
        let first = self.members.len();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Value::Object(Object::default()));
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
            let value = self.value(depth)?;
            self.members.push((name, value));
            if self.closes(b'}')? {
                let members = self.members.drain(first..).collect();
                return Object::new(members).map(Value::Object).ok_or(JsonError::DuplicateKey);
            }
        }
    }

    fn list(&mut self, depth: usize) -> Result<Value<'a>, JsonError> {
        self.enter(depth)?;
        let first = self.items.len();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Value::List(Vec::new()));
        }
        loop {
            self.count()?;
            let value = self.value(depth)?;
            self.items.push(value);
            if self.closes(b']')? {
                return Ok(Value::List(self.items.drain(first..).collect()));
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

    fn number(&mut self) -> Result<Value<'a>, JsonError> {
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
        Ok(Value::Number(self.text_between(from, self.at)?))
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
