//! Small changes of requests, of which forgeries are made.

use crate::engine::plan;
use crate::rule::request::{Body, Request};

/// Bytes of one value that are changed one by one; of longer values as many, evenly spread.
const FLIPS_MAX: usize = 96;

/// The value with one byte changed, for each byte, or for some of a long value.
pub(super) fn flips(value: &[u8]) -> impl Iterator<Item = (usize, Vec<u8>)> + use<'_> {
    let step = value.len().div_ceil(FLIPS_MAX).max(1);
    (0..value.len()).step_by(step).map(move |position| {
        let mut changed = value.to_vec();
        if let Some(byte) = changed.get_mut(position) {
            *byte ^= 1;
        }
        (position, changed)
    })
}

pub(super) fn set(request: &mut Request, name: &str, value: Vec<u8>) {
    if let Some(found) = request.fields_mut(name).next() {
        *found = value;
    }
}

pub(super) type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

pub(super) fn map_form(request: &Request, change: impl FnOnce(&mut Pairs)) -> Request {
    let mut request = request.clone();
    if let Body::Form(pairs) = &mut request.body {
        change(pairs);
    }
    request
}

pub(super) fn map_pairs(request: &Request, change: impl Fn(&mut Pairs)) -> Request {
    let mut request = map_form(request, &change);
    change(&mut request.query);
    request
}

/// Where the value of a key of pairs stands in a header value.
pub(super) fn part_of(value: &[u8], pairs: &plan::Pairs, key: &str) -> Option<(usize, usize)> {
    let prefix = [key.as_bytes(), &[pairs.equals]].concat();
    let mut from = 0;
    for pair in value.split(|&byte| byte == pairs.separator) {
        let bare = if pairs.trim { pair.trim_ascii_start() } else { pair };
        if bare.starts_with(&prefix) {
            let start = from + pair.len() - bare.len();
            return Some((start + prefix.len(), start + bare.len()));
        }
        from += pair.len() + 1;
    }
    None
}

/// The two values with their boundary a byte to the left and to the right, joined as before.
pub(super) fn shifts(a: &[u8], b: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let joined = [a, b].concat();
    [a.len().wrapping_sub(1), a.len() + 1]
        .into_iter()
        .filter(|cut| *cut > 0 && *cut < joined.len())
        .filter_map(|cut| joined.split_at_checked(cut).map(|(a, b)| (a.to_vec(), b.to_vec())))
        .collect()
}

pub(super) fn swap_case(c: char) -> char {
    if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::plan::{PairKey, Pairs};

    #[test]
    fn the_value_of_a_key_is_found_as_the_rule_takes_it_apart() {
        let key = |name: &str| PairKey { name: name.to_owned(), many: false, pattern: None };
        let pairs = |separator, equals, trim| Pairs {
            separator,
            equals,
            trim,
            keys: vec![key("ts"), key("h1")],
        };
        let cases: [(&str, Pairs, &str, Option<&str>); 6] = [
            ("t=1,v1=ab", pairs(b',', b'=', false), "v1", Some("ab")),
            ("ts=17;h1=ab;h1=cd", pairs(b';', b'=', false), "ts", Some("17")),
            ("ts=17;h1=ab;h1=cd", pairs(b';', b'=', false), "h1", Some("ab")),
            ("ts=1, h1=ab", pairs(b',', b'=', true), "h1", Some("ab")),
            ("ts=1, h1=ab", pairs(b',', b'=', false), "h1", None),
            ("ts:1|h1:ab", pairs(b'|', b':', false), "h1", Some("ab")),
        ];
        for (value, pairs, key, want) in cases {
            let found = part_of(value.as_bytes(), &pairs, key);
            let found = found.and_then(|(from, to)| value.get(from..to));
            assert_eq!(found, want, "{value} {key}");
        }
    }
}
