//! What may be done with a value, step by step.

use std::borrow::Cow;

use crate::engine::digest::digest;
use crate::engine::encoding::Encoding;
use crate::engine::form;
use crate::engine::money;
use crate::engine::plan::{Escape, Step};

/// One step; `None`: the value cannot be taken so.
pub(crate) fn apply<'b>(step: &Step, bytes: Cow<'b, [u8]>) -> Option<Cow<'b, [u8]>> {
    let owned = |bytes: Vec<u8>| Some(Cow::Owned(bytes));
    match step {
        Step::Currency => owned(money::letters(text(&bytes)?)?.as_bytes().to_vec()),
        Step::Charset(charset) => owned(charset.encode(text(&bytes)?)?.into_owned()),
        Step::Crc32 => owned(crc32fast::hash(&bytes).to_string().into_bytes()),
        Step::Decode(encoding) => encoding.decode(&bytes).map(Cow::Owned),
        Step::Digest(algorithm) => {
            owned(digest(*algorithm, |into| into.feed(&bytes)).bytes().to_vec())
        }
        Step::Encode(encoding) => owned(encoding.encode(&bytes).into_bytes()),
        Step::Escape(escape) => owned(escaped(*escape, &bytes)?),
        Step::Fit(len) => {
            let mut bytes = bytes.into_owned();
            bytes.resize(*len, 0);
            owned(bytes)
        }
        Step::Last(separator) => match bytes.iter().rposition(|byte| byte == separator) {
            Some(at) => owned(bytes.get(at + 1..)?.to_vec()),
            None => Some(bytes),
        },
        Step::Lower => owned(bytes.to_ascii_lowercase()),
        Step::Number => owned(money::shortest(text(&bytes)?)?.into_bytes()),
        Step::Reverse => owned(bytes.iter().rev().copied().collect()),
        Step::Strip(words) => owned(bytes.strip_prefix(words.as_bytes())?.to_vec()),
        Step::Unjws => {
            let mut parts = bytes.split(|&byte| byte == b'.');
            let (_, claims, _) = (parts.next()?, parts.next()?, parts.next()?);
            if parts.next().is_some() {
                return None;
            }
            owned(Encoding::Base64UrlNoPad.decode(claims)?)
        }
        Step::Unwrap => {
            owned(bytes.iter().copied().filter(|byte| !b"\r\n".contains(byte)).collect())
        }
        Step::Upper => owned(bytes.to_ascii_uppercase()),
    }
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// Text made safe for what it is put into.
fn escaped(escape: Escape, bytes: &[u8]) -> Option<Vec<u8>> {
    match escape {
        Escape::Json => {
            let mut out = Vec::with_capacity(bytes.len());
            for c in text(bytes)?.chars() {
                match c {
                    '"' => out.extend(b"\\\""),
                    '\\' => out.extend(b"\\\\"),
                    '\n' => out.extend(b"\\n"),
                    c if u32::from(c) < 0x20 => {
                        out.extend(format!("\\u{:04x}", u32::from(c)).bytes());
                    }
                    c => out.extend(c.encode_utf8(&mut [0; 4]).bytes()),
                }
            }
            Some(out)
        }
        Escape::Percent => {
            let mut out = Vec::with_capacity(bytes.len());
            form::encode(bytes, &mut out);
            Some(out)
        }
        Escape::Xml => {
            let mut out = Vec::with_capacity(bytes.len());
            for c in text(bytes)?.chars() {
                match c {
                    '&' => out.extend(b"&amp;"),
                    '<' => out.extend(b"&lt;"),
                    '>' => out.extend(b"&gt;"),
                    '"' => out.extend(b"&quot;"),
                    '\'' => out.extend(b"&apos;"),
                    // XML 1.0 has no way to write them.
                    c if c.is_control() && !"\t\n\r".contains(c) => return None,
                    c => out.extend(c.encode_utf8(&mut [0; 4]).bytes()),
                }
            }
            Some(out)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::digest::HashAlgorithm;

    fn run(step: &Step, text: &str) -> Option<String> {
        let bytes = apply(step, Cow::Borrowed(text.as_bytes()))?.into_owned();
        Some(
            String::from_utf8(bytes)
                .unwrap_or_else(|error| Encoding::Hex.encode(&error.into_bytes())),
        )
    }

    #[test]
    fn a_step_does_what_its_name_says_or_refuses() {
        let strip = || Step::Strip("sha256=".to_owned());
        let cases = [
            (Step::Currency, "051", Some("AMD")),
            (Step::Currency, "usd", Some("USD")),
            (Step::Currency, "WMZ", None),
            // The check value of the CRC catalogue.
            (Step::Crc32, "123456789", Some("3421780262")),
            (Step::Decode(Encoding::Hex), "4142", Some("AB")),
            (Step::Decode(Encoding::Hex), "4", None),
            (Step::Encode(Encoding::HexUpper), "JK", Some("4A4B")),
            (Step::Unwrap, "ab\r\ncd\n", Some("abcd")),
            (Step::Fit(3), "abcdef", Some("abc")),
            (Step::Fit(3), "a", Some("a\0\0")),
            (Step::Last(b'/'), "/pay/result.php", Some("result.php")),
            (Step::Last(b'/'), "plain", Some("plain")),
            (Step::Lower, "AbC", Some("abc")),
            (Step::Upper, "AbC", Some("ABC")),
            (Step::Number, "19.90", Some("19.9")),
            (Step::Number, "x", None),
            (Step::Reverse, "abc", Some("cba")),
            (strip(), "sha256=ab", Some("ab")),
            (strip(), "sha1=ab", None),
            (Step::Unjws, "e30.eyJhIjoxfQ.c2ln", Some("{\"a\":1}")),
            (Step::Unjws, "e30.eyJhIjoxfQ", None),
            (Step::Unjws, "e30.eyJhIjoxfQ.c2ln.x", None),
            (Step::Escape(Escape::Json), "a\"\\\n\u{1}", Some("a\\\"\\\\\\n\\u0001")),
            (Step::Escape(Escape::Percent), "a b/&", Some("a%20b%2F%26")),
            (Step::Escape(Escape::Xml), "<a b='&'>", Some("&lt;a b=&apos;&amp;&apos;&gt;")),
            (Step::Escape(Escape::Xml), "\u{1}", None),
            (Step::Digest(HashAlgorithm::Md5), "", Some("d41d8cd98f00b204e9800998ecf8427e")),
        ];
        for (step, text, want) in cases {
            assert_eq!(run(&step, text).as_deref(), want, "{step:?} {text:?}");
        }
    }
}
