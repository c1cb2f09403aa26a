//! What a value may be, by its name and by how it looks.

use crate::engine::digest::HashAlgorithm;
use crate::engine::encoding::Encoding;
use crate::engine::json;
use crate::engine::jws::JwsAlgorithm;

/// Characters of the longest scheme before a tag: `hmac-sha256=`.
const SCHEME_MAX: usize = 16;

/// What a text looks like.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Look {
    /// As long as a digest.
    Digest(HashAlgorithm, Written),
    /// A signed token (RFC 7515) that names this algorithm.
    Jws(JwsAlgorithm),
    /// As long as a public-key signature.
    Signature(&'static str, Written),
    /// Anything else.
    Words,
}

/// How a tag is written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Written {
    pub(super) encoding: Encoding,
    /// What stands before it: `sha256=`.
    pub(super) scheme: String,
    /// It is nothing else than a tag by its looks alone: padded, or hexadecimal.
    pub(super) for_sure: bool,
}

/// What a text looks like.
pub(super) fn look(text: &str) -> Look {
    if let Some(algorithm) = jws(text) {
        return Look::Jws(algorithm);
    }
    let at = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_'));
    let (scheme, rest) = match at {
        Some(at) if at > 0 && at < SCHEME_MAX => {
            text.split_at_checked(at + 1).unwrap_or(("", text))
        }
        _ => ("", text),
    };
    tag(text, "").or_else(|| tag(rest, scheme)).unwrap_or(Look::Words)
}

fn tag(text: &str, scheme: &str) -> Option<Look> {
    let (encoding, bytes) = decoded(text)?;
    let is_hex = matches!(encoding, Encoding::Hex | Encoding::HexAny | Encoding::HexUpper);
    let for_sure = is_hex || text.ends_with('=');
    let written = Written { encoding, scheme: scheme.to_owned(), for_sure };
    // Of two of 32 bytes the common one.
    let digest = HashAlgorithm::ALL.into_iter().find(|hash| hash.tag_bytes() == bytes.len());
    if let Some(hash) = digest {
        return Some(Look::Digest(hash, written));
    }
    let algorithm = match (bytes.len(), bytes.first()) {
        (128 | 256 | 384 | 512, _) => "rsa-sha256",
        // A DER sequence of two numbers of 32 bytes.
        (68..=72, Some(0x30)) => "ecdsa-p256-sha256",
        _ => return None,
    };
    Some(Look::Signature(algorithm, written))
}

fn decoded(text: &str) -> Option<(Encoding, Vec<u8>)> {
    let has = |test: fn(&u8) -> bool| text.bytes().any(|byte| test(&byte));
    let hex = match (has(u8::is_ascii_lowercase), has(u8::is_ascii_uppercase)) {
        (true, false) => Some(Encoding::Hex),
        (false, true) => Some(Encoding::HexUpper),
        (true, true) => Some(Encoding::HexAny),
        // Digits alone are a number.
        (false, false) => None,
    };
    let others =
        [Encoding::Base64, Encoding::Base64Url, Encoding::Base64UrlNoPad, Encoding::Base64Any];
    let encodings = hex.into_iter().chain(others);
    encodings
        .filter_map(|encoding| Some((encoding, encoding.decode(text.as_bytes())?)))
        .find(|(_, bytes)| !bytes.is_empty())
}

/// The algorithm that a token names, if it is a token.
fn jws(text: &str) -> Option<JwsAlgorithm> {
    let parts: Vec<&str> = text.split('.').collect();
    let [head, claims, signature] = parts.as_slice() else { return None };
    let decode = |part: &&str| Encoding::Base64UrlNoPad.decode(part.as_bytes());
    let (head, _, _) = (decode(head)?, decode(claims)?, decode(signature)?);
    let head = json::parse(&head).ok()?;
    JwsAlgorithm::from_word(head.as_object()?.get("alg")?.as_text()?)
}

/// The words that a name is made of, in lower case: `X-Api-Signature`, `merchantSignature`, `pg_sig`.
pub(super) fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut before = ' ';
    for c in name.chars() {
        let starts = !before.is_ascii_alphanumeric()
            || (c.is_ascii_uppercase() && before.is_ascii_lowercase());
        if c.is_ascii_alphanumeric() {
            match words.last_mut() {
                Some(word) if !starts => word.push(c.to_ascii_lowercase()),
                _ => words.push(c.to_ascii_lowercase().to_string()),
            }
        }
        before = c;
    }
    words
}

/// A name without what only divides it: `order_id` and `OrderId` are one.
pub(super) fn plain(name: &str) -> String {
    words(name).concat()
}

/// Whether a name is that of a signature.
pub(super) fn says_tag(name: &str) -> bool {
    const WITHIN: [&str; 5] = ["signature", "hmac", "checksum", "digest", "hash"];
    const ALONE: [&str; 10] =
        ["crc", "mac", "md5", "sgn", "sha1", "sha256", "sha512", "sig", "sign", "token"];
    let plain = plain(name);
    WITHIN.iter().any(|word| plain.contains(word))
        || words(name).iter().any(|word| ALONE.contains(&word.as_str()))
        || plain.ends_with("sign")
}

/// Whether a name is that of words that nobody else may know.
pub(super) fn says_secret(name: &str) -> bool {
    const ALONE: [&str; 5] = ["apikey", "passwd", "password", "secret", "token"];
    let plain = plain(name);
    ALONE.iter().any(|word| plain.ends_with(word))
}

/// Whether a name is that of a time or a number used once, as they stand beside a signature.
pub(super) fn says_stamp(name: &str) -> bool {
    let words = words(name);
    ["nonce", "timestamp", "ts"].iter().any(|stamp| words.iter().any(|word| word == stamp))
        || plain(name) == "webhookid"
}
