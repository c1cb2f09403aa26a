//! What a text or a body holds, as far as it can be read.

use crate::engine::encoding::Encoding;
use crate::engine::form::{self, Pair};
use crate::engine::value::Value;
use crate::engine::{json, xml};

/// Bytes of the shortest document that is worth being packed.
const PACKED_MIN: usize = 8;

pub(super) enum Document<'a> {
    /// JSON or XML.
    Value(Value<'a>),
    Form(Vec<Pair<'a>>),
}

/// A document that is told by its bytes alone.
pub(super) fn document(bytes: &[u8]) -> Option<Document<'_>> {
    match bytes.trim_ascii_start().first()? {
        b'{' | b'[' => Some(Document::Value(json::parse(bytes).ok()?)),
        b'<' => Some(Document::Value(xml::parse(bytes, xml::Names::AsWritten).ok()?)),
        _ if bytes.contains(&b'=') => {
            let pairs: Vec<Pair<'_>> = form::pairs(bytes).collect::<Result<_, _>>().ok()?;
            let is_of_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-.[]".contains(byte);
            let is_name = |name: &[u8]| !name.is_empty() && name.iter().all(is_of_name);
            // Base64 may end in `=`.
            let has_value = pairs.iter().any(|(_, value)| !value.iter().all(|&byte| byte == b'='));
            (has_value && pairs.iter().all(|(name, _)| is_name(name)))
                .then_some(Document::Form(pairs))
        }
        _ => None,
    }
}

/// How a document stands in a text, and its bytes.
pub(super) fn packed(text: &str) -> Option<(&'static str, Vec<u8>)> {
    let text = text.trim();
    if text.starts_with(['{', '[', '<']) {
        document(text.as_bytes())?;
        return Some(("text", text.as_bytes().to_vec()));
    }
    if let Some(claims) = claims(text) {
        return Some(("signed token", claims));
    }
    let encodings = [Encoding::Base64Any, Encoding::Base64Url, Encoding::Hex, Encoding::HexUpper];
    encodings.into_iter().find_map(|encoding| {
        let bytes = encoding.decode(text.as_bytes())?;
        let is_one = bytes.len() >= PACKED_MIN
            && std::str::from_utf8(&bytes).is_ok()
            && document(&bytes).is_some();
        is_one.then_some((encoding.as_str(), bytes))
    })
}

/// What a signed token (RFC 7515) says.
fn claims(text: &str) -> Option<Vec<u8>> {
    let parts: Vec<&str> = text.split('.').collect();
    let [head, claims, _] = parts.as_slice() else { return None };
    let decode = |part: &str| {
        let bytes = Encoding::Base64UrlNoPad.decode(part.as_bytes())?;
        json::parse(&bytes).ok()?.as_object()?;
        Some(bytes)
    };
    decode(head)?;
    decode(claims)
}

/// The parts of a form of several parts (RFC 7578): names and values.
pub(super) fn parts(text: &str) -> Option<Vec<(&str, &str)>> {
    let (boundary, _) = text.split_once('\n')?;
    let boundary = boundary.trim_end();
    let is_one = boundary.starts_with("--") && boundary.len() > 2;
    let mut parts = Vec::new();
    for part in text.split(boundary).filter(|part| is_one && part.contains("name=")) {
        let (head, value) = part.split_once("\r\n\r\n").or_else(|| part.split_once("\n\n"))?;
        let (_, name) = head.split_once(" name=")?;
        let name = name.trim_start_matches('"').split(['"', ';', '\r', '\n']).next()?;
        parts.push((name, value.trim_end_matches(['\r', '\n'])));
    }
    (!parts.is_empty()).then_some(parts)
}
