//! What is packed in the values of a request.

use crate::cli::new::look::{Look, look};
use crate::engine::encoding::Encoding;
use crate::engine::value::Value;
use crate::engine::{form, json, xml};

/// Bytes of the shortest document that is worth being packed.
const PACKED_MIN: usize = 8;

/// Headers that belong to the way that a request takes.
pub(super) fn is_of_the_way(name: &str) -> bool {
    const NAMES: [&str; 22] = [
        "accept",
        "accept-charset",
        "accept-encoding",
        "accept-language",
        "cache-control",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "cookie",
        "date",
        "etag",
        "expect",
        "forwarded",
        "host",
        "keep-alive",
        "origin",
        "transfer-encoding",
        "traceparent",
        "user-agent",
        "via",
        "x-real-ip",
    ];
    const PREFIXES: [&str; 4] = ["cf-", "x-amzn-", "x-b3-", "x-forwarded-"];
    NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// `t=1760000000,v1=75fa…`: the pairs, if one of them is a tag.
pub(super) fn taken_apart(value: &str) -> Vec<(String, String)> {
    let pairs: Option<Vec<(String, String)>> = value
        .split(',')
        .map(|pair| pair.split_once('=').map(|(key, part)| (key.to_owned(), part.to_owned())))
        .collect();
    let is_key = |key: &str| {
        !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
    };
    let mut pairs =
        pairs.filter(|pairs| pairs.iter().all(|(key, _)| is_key(key))).unwrap_or_default();
    if !pairs.iter().any(|(_, part)| !matches!(look(part), Look::Words)) {
        return Vec::new();
    }
    let mut known: Vec<String> = Vec::new();
    pairs.retain(|(key, _)| {
        !known.contains(key) && {
            known.push(key.clone());
            true
        }
    });
    pairs
}

/// A document of a kind that rules read.
pub(super) fn document(bytes: &[u8]) -> Option<(&'static str, Value<'_>)> {
    match bytes.trim_ascii_start().first()? {
        b'{' => Some(("json", json::parse(bytes).ok()?)),
        b'[' => Some(("json-list", json::parse(bytes).ok()?)),
        b'<' => Some(("xml", xml::parse(bytes, xml::Names::AsWritten).ok()?)),
        _ if bytes.contains(&b'=') => {
            let value = form::parse_flat(bytes).ok()?;
            let is_name = |name: &str| {
                !name.is_empty()
                    && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.[]".contains(c))
            };
            let plain = value.as_object()?.members().iter().all(|(name, _)| is_name(name));
            plain.then_some(("form", value))
        }
        _ => None,
    }
}

/// The steps by which a text becomes a document, and its bytes.
pub(super) fn unpacked(text: &str) -> Option<(String, Vec<u8>)> {
    if text.starts_with(['{', '<']) {
        return Some((String::new(), text.as_bytes().to_vec()));
    }
    let encodings = [
        Encoding::Hex,
        Encoding::HexUpper,
        Encoding::Base64,
        Encoding::Base64Url,
        Encoding::Base64UrlNoPad,
        Encoding::Base64Any,
    ];
    encodings.into_iter().find_map(|encoding| {
        let bytes = encoding.decode(text.as_bytes())?;
        let is_one = bytes.len() >= PACKED_MIN && document(&bytes).is_some();
        is_one.then(|| (format!(" | {}", encoding.as_str()), bytes))
    })
}
