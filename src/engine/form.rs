//! A strict reader of `application/x-www-form-urlencoded` (WHATWG URL §5.1, without its leniency):
//! what another reader might understand differently is refused. Names and values are bytes; which
//! charset they are in is somebody else's question.

use std::borrow::Cow;

use crate::engine::value::{Object, Value};

/// Pairs in one form.
pub const PAIRS_MAX: usize = 1000;

/// Why a form was refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FormError {
    /// A name comes twice; only [`parse_flat`] minds.
    DuplicateKey,
    /// A broken percent escape, a NUL, a raw control character; for [`parse_flat`] also what is
    /// not UTF-8.
    Malformed,
    /// More than [`PAIRS_MAX`] pairs.
    TooMany,
}

/// A name and its value, decoded.
pub type Pair<'a> = (Cow<'a, [u8]>, Cow<'a, [u8]>);

/// Reads the pairs in the order they were sent. Nothing between two `&` is no pair; a name without
/// `=` has an empty value. After an error nothing follows.
pub fn pairs(text: &[u8]) -> Pairs<'_> {
    Pairs { rest: Some(text), seen: 0 }
}

/// See [`pairs`].
#[derive(Clone, Debug)]
pub struct Pairs<'a> {
    rest: Option<&'a [u8]>,
    seen: usize,
}

impl<'a> Iterator for Pairs<'a> {
    type Item = Result<Pair<'a>, FormError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let rest = self.rest.take()?;
            let (piece, after) = split(rest, b'&');
            self.rest = after;
            if !piece.is_empty() {
                let pair = self.pair(piece);
                if pair.is_err() {
                    self.rest = None;
                }
                return Some(pair);
            }
        }
    }
}

impl<'a> Pairs<'a> {
    fn pair(&mut self, piece: &'a [u8]) -> Result<Pair<'a>, FormError> {
        self.seen += 1;
        if self.seen > PAIRS_MAX {
            return Err(FormError::TooMany);
        }
        let (name, value) = split(piece, b'=');
        Ok((decode(name)?, decode(value.unwrap_or_default())?))
    }
}

/// Before and after the first `at`.
fn split(bytes: &[u8], at: u8) -> (&[u8], Option<&[u8]>) {
    match memchr::memchr(at, bytes) {
        Some(place) => (&bytes[..place], Some(&bytes[place + 1..])),
        None => (bytes, None),
    }
}

fn decode(raw: &[u8]) -> Result<Cow<'_, [u8]>, FormError> {
    let special = |byte: &u8| matches!(byte, b'+' | b'%' | 0..0x20 | 0x7f);
    let Some(plain) = raw.iter().position(special) else {
        return Ok(Cow::Borrowed(raw));
    };
    let mut out = Vec::with_capacity(raw.len());
    let (start, rest) = raw.split_at(plain);
    out.extend_from_slice(start);
    let mut bytes = rest.iter();
    while let Some(&byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || bytes.next().and_then(|&byte| char::from(byte).to_digit(16));
                let (high, low) = digit().zip(digit()).ok_or(FormError::Malformed)?;
                match u8::try_from(high << 4 | low) {
                    Ok(0) | Err(_) => return Err(FormError::Malformed),
                    Ok(byte) => byte,
                }
            }
            0..0x20 | 0x7f => return Err(FormError::Malformed),
            plain => plain,
        });
    }
    Ok(Cow::Owned(out))
}

/// Reads a form as an object of texts: UTF-8, no name twice.
pub fn parse_flat(text: &[u8]) -> Result<Value<'_>, FormError> {
    let members: Result<Vec<_>, FormError> = pairs(text)
        .map(|pair| {
            let (name, value) = pair?;
            Ok((utf8(name)?, Value::Text(utf8(value)?)))
        })
        .collect();
    Object::new(members?).map(Value::Object).ok_or(FormError::DuplicateKey)
}

fn utf8(bytes: Cow<'_, [u8]>) -> Result<Cow<'_, str>, FormError> {
    match bytes {
        Cow::Borrowed(bytes) => std::str::from_utf8(bytes).map(Cow::Borrowed).ok(),
        Cow::Owned(bytes) => String::from_utf8(bytes).map(Cow::Owned).ok(),
    }
    .ok_or(FormError::Malformed)
}

/// Writes pairs with everything escaped but letters, digits and `-._~` (RFC 3986 §2.3), so that
/// every reader understands the same.
pub fn encode_pairs(pairs: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut out =
        Vec::with_capacity(pairs.iter().map(|(name, value)| name.len() + value.len() + 2).sum());
    for (at, (name, value)) in pairs.iter().enumerate() {
        if at > 0 {
            out.push(b'&');
        }
        encode(name, &mut out);
        out.push(b'=');
        encode(value, &mut out);
    }
    out
}

/// Escapes all but letters, digits and `-._~`.
pub(crate) fn encode(bytes: &[u8], out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(byte);
        } else {
            out.extend([b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that panics fails, which is what it is for")]

    use proptest::prelude::*;

    use super::*;

    type Read<'a> = Result<Vec<(&'a [u8], &'a [u8])>, FormError>;

    #[test]
    fn a_form_has_one_meaning_or_none() {
        const BAD: Read<'_> = Err(FormError::Malformed);
        let cases: &[(&[u8], Read<'_>)] = &[
            (b"", Ok(vec![])),
            (b"&&", Ok(vec![])),
            (b"a=1", Ok(vec![(b"a", b"1")])),
            (b"b=2&a=1&b=3", Ok(vec![(b"b", b"2"), (b"a", b"1"), (b"b", b"3")])),
            (b"&a=1&&b=2&", Ok(vec![(b"a", b"1"), (b"b", b"2")])),
            (b"a", Ok(vec![(b"a", b"")])),
            (b"a=&=b&=", Ok(vec![(b"a", b""), (b"", b"b"), (b"", b"")])),
            (b"a=b=c", Ok(vec![(b"a", b"b=c")])),
            (b"a+b=c+%2B", Ok(vec![(b"a b", b"c +")])),
            (b"%61%3d=%26%0A%fF", Ok(vec![(b"a=", b"&\n\xff")])),
            (b"a=\xd0\x96\xff", Ok(vec![(b"a", b"\xd0\x96\xff")])),
            (b"a;b=1;2", Ok(vec![(b"a;b", b"1;2")])),
            (b"a=%", BAD),
            (b"a=%4", BAD),
            (b"a=%zz", BAD),
            (b"a=%+1", BAD),
            (b"a=%u0041", BAD),
            (b"a=%4&1", BAD),
            (b"%=1", BAD),
            (b"a=%00", BAD),
            (b"a=\0", BAD),
            (b"a=1\n", BAD),
            (b"a\t=1", BAD),
            (b"a=\x7f", BAD),
            (b"a=%%41", BAD),
        ];
        for (text, expected) in cases {
            let read: Result<Vec<Pair<'_>>, FormError> = pairs(text).collect();
            let read = read.as_ref().map_err(|error| *error).map(|read| {
                read.iter().map(|(name, value)| (name.as_ref(), value.as_ref())).collect()
            });
            assert_eq!(read, *expected, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn after_an_error_nothing_follows() {
        let mut pairs = pairs(b"a=%&b=1");
        assert_eq!(pairs.next(), Some(Err(FormError::Malformed)));
        assert_eq!(pairs.next(), None);
    }

    #[test]
    fn the_number_of_pairs_is_bounded() {
        let form = |count: usize| "a=1&&".repeat(count);
        assert_eq!(pairs(form(PAIRS_MAX).as_bytes()).flatten().count(), PAIRS_MAX);
        let too_many = form(PAIRS_MAX + 1);
        let last = pairs(too_many.as_bytes()).last();
        assert_eq!(last, Some(Err(FormError::TooMany)));
    }

    #[test]
    fn a_pair_without_escapes_is_borrowed() {
        let pair = pairs(b"a=\xff1").next().unwrap().unwrap();
        assert!(matches!(pair, (Cow::Borrowed(b"a"), Cow::Borrowed(b"\xff1"))));
    }

    #[test]
    fn a_flat_form_is_an_object_of_texts() {
        let form = parse_flat(b"amount=100.10&who=%D0%96+x&empty").unwrap();
        let form = form.as_object().unwrap();
        let texts = ["amount", "who", "empty", "other"].map(|name| form.get(name)?.as_text());
        assert_eq!(texts, [Some("100.10"), Some("\u{416} x"), Some(""), None]);
        assert_eq!(parse_flat(b"a=1&%61=2"), Err(FormError::DuplicateKey));
        assert_eq!(parse_flat(b"a=%FF"), Err(FormError::Malformed));
        assert_eq!(parse_flat(b"\xff=1"), Err(FormError::Malformed));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            form in prop::collection::vec(
                (prop::collection::vec(1_u8.., 0..9), prop::collection::vec(1_u8.., 0..9)), 0..9)
        ) {
            let form: Vec<(&[u8], &[u8])> =
                form.iter().map(|(name, value)| (name.as_slice(), value.as_slice())).collect();
            let text = encode_pairs(&form);
            let read: Vec<Pair<'_>> = pairs(&text).collect::<Result<_, _>>().unwrap();
            let read: Vec<_> = read.iter().map(|(name, value)| (name.as_ref(), value.as_ref())).collect();
            prop_assert_eq!(read, form);
        }

        #[test]
        fn any_bytes_are_read_or_refused(text in prop::collection::vec(any::<u8>(), 0..64)) {
            for (name, value) in pairs(&text).flatten() {
                prop_assert!(!name.contains(&0) && !value.contains(&0));
            }
        }
    }
}
