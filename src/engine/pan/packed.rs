//! Card numbers in a request, also in what is packed in it: base64 and forms within each other.

use crate::engine::encoding::Encoding;
use crate::engine::{form, json, pan};

/// Packings within each other that are looked into.
const DEPTH_MAX: usize = 4;
/// Characters of the shortest run that may be packed in base64: a card number's own 13 digits.
const PACKED_MIN: usize = 18;

/// The value of a header, or a body, with its card numbers masked.
pub fn mask(from: &[u8]) -> Vec<u8> {
    bytes(from, 0)
}

/// Path and query with their card numbers masked.
pub fn mask_target(target: &str) -> String {
    match target.split_once('?') {
        None => text(target),
        Some((path, query)) => format!("{}?{}", text(path), text(query)),
    }
}

fn text(text: &str) -> String {
    String::from_utf8(bytes(text.as_bytes(), 0)).unwrap_or_default()
}

fn bytes(from: &[u8], depth: usize) -> Vec<u8> {
    let direct = digits(from);
    let direct = packed(&direct, depth).unwrap_or(direct);
    of_form(&direct, depth).unwrap_or(direct)
}

/// The numbers that stand there as they are.
fn digits(from: &[u8]) -> Vec<u8> {
    // Whatever the charset: a byte is a character here, and digits are digits.
    let chars: String = from.iter().map(|&byte| char::from(byte)).collect();
    let masked = pan::mask(&chars);
    let back =
        |text: &str| -> Vec<u8> { text.chars().map(|c| u8::try_from(c).unwrap_or(b'?')).collect() };
    let out = back(&masked);
    // A number of JSON stays a number.
    if out != from && json::parse(from).is_ok() && json::parse(&out).is_err() {
        let as_number = |digit: u8| -> Vec<u8> {
            let pairs = from.iter().zip(&out);
            pairs.map(|(&old, &new)| if old == new { new } else { digit }).collect()
        };
        let numbers = (b'0'..=b'9').map(as_number);
        return numbers.into_iter().find(|out| is_clean(out)).unwrap_or_default();
    }
    out
}

fn is_clean(bytes: &[u8]) -> bool {
    let chars: String = bytes.iter().map(|&byte| char::from(byte)).collect();
    pan::mask(&chars) == chars
}

/// The same where text is packed in base64. `None`: nothing is to be hidden there.
fn packed(from: &[u8], depth: usize) -> Option<Vec<u8>> {
    if depth == DEPTH_MAX {
        return None;
    }
    let mut out = Vec::with_capacity(from.len());
    let mut changed = false;
    let mut rest = from;
    while let Some(&first) = rest.first() {
        let run = run(rest);
        let (piece, after) = rest.split_at(run.max(1));
        rest = after;
        match repacked(piece, depth).filter(|_| run >= PACKED_MIN) {
            Some(hidden) => {
                changed = true;
                out.extend(hidden);
            }
            None if run > 0 => out.extend(piece),
            None => out.push(first),
        }
    }
    changed.then_some(out)
}

/// Bytes that may be base64, also as JSON writers of PHP write it: `\/`.
fn run(bytes: &[u8]) -> usize {
    let mut at = 0;
    loop {
        match bytes.get(at..).unwrap_or_default() {
            [b'\\', b'/', ..] => at += 2,
            [byte, ..] if byte.is_ascii_alphanumeric() || b"+/-_=".contains(byte) => at += 1,
            _ => return at,
        }
    }
}

fn repacked(piece: &[u8], depth: usize) -> Option<Vec<u8>> {
    let plain: Vec<u8> = piece.iter().copied().filter(|&byte| byte != b'\\').collect();
    let encodings =
        [Encoding::Base64, Encoding::Base64Url, Encoding::Base64UrlNoPad, Encoding::Base64Any];
    for encoding in encodings {
        if let Some(inner) = encoding.decode(&plain) {
            let hidden = bytes(&inner, depth + 1);
            return (hidden != inner).then(|| encoding.encode(&hidden).into_bytes());
        }
    }
    None
}

/// The same where it is a form: names and values are looked at as they are meant.
fn of_form(from: &[u8], depth: usize) -> Option<Vec<u8>> {
    if depth == DEPTH_MAX || !from.contains(&b'=') {
        return None;
    }
    let pairs: Vec<form::Pair<'_>> = form::pairs(from).collect::<Result<_, _>>().ok()?;
    let hidden: Vec<(Vec<u8>, Vec<u8>)> = pairs
        .iter()
        .map(|(name, value)| (bytes(name, depth + 1), bytes(value, depth + 1)))
        .collect();
    let same = pairs.iter().zip(&hidden).all(|(old, new)| *old.0 == new.0 && *old.1 == new.1);
    let hidden: Vec<(&[u8], &[u8])> =
        hidden.iter().map(|(name, value)| (&name[..], &value[..])).collect();
    (!same).then(|| form::encode_pairs(&hidden))
}
