//! A capture as an operator may see it: no secret, no signature, no card number.
//!
//! What is a secret is not known here, so more is hidden than need be: every header but a few,
//! every value whose name may be that of a secret, and every run of characters that nobody could
//! read. Documents within each other are opened, so that what they say can be seen, and what is
//! secret in them cannot.

mod document;
mod names;
mod text;

use std::borrow::Cow;

use super::Kept;
use crate::engine::charset::Charset;
use crate::engine::form::{self, Pair};
use crate::engine::pan;
use crate::engine::value::{Object, Value};
use document::{Document, document, packed, parts};
use names::{Says, says, says_signed};
use text::{hidden, not_text, shown as leaf};

/// Bytes of the body that are shown.
pub const BODY_BYTES_MAX: usize = 16 * 1024;
/// Documents within each other that are opened.
const DEPTH_MAX: usize = 6;
/// Headers that say nothing about who sent it but what anybody may know.
const HEADERS: [&str; 6] =
    ["accept", "content-length", "content-type", "date", "host", "user-agent"];

/// What an operator may see.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Shown {
    /// Its method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Names and values of its headers, in order.
    pub headers: Vec<(String, String)>,
    /// What its body says, at most [`BODY_BYTES_MAX`] of it; of a request without one, what its
    /// query says.
    pub body: String,
}

/// What an operator may see of it.
pub fn shown(kept: &Kept) -> Shown {
    let charset = declared(kept);
    let (path, query) = kept.target.split_once('?').unwrap_or((&kept.target, ""));
    let fields = if kept.body.is_empty() { query.as_bytes() } else { &kept.body };
    Shown {
        method: leaf("", &kept.method),
        target: target(path, query, charset),
        headers: kept.headers.iter().map(|(name, value)| header(name, value)).collect(),
        body: cut(body(fields, charset)),
    }
}

fn header(name: &str, value: &[u8]) -> (String, String) {
    let is_shown = HEADERS.iter().any(|known| name.eq_ignore_ascii_case(known));
    let value = match std::str::from_utf8(value) {
        Ok(value) if is_shown => leaf("", value),
        _ => hidden(value.len()),
    };
    (leaf("", name), value)
}

/// The charset that the sender says.
fn declared(kept: &Kept) -> Option<Charset> {
    let is_type = |name: &str| name.eq_ignore_ascii_case("content-type");
    let (_, value) = kept.headers.iter().find(|(name, _)| is_type(name))?;
    let value = std::str::from_utf8(value).ok()?.to_ascii_lowercase();
    let (_, charset) = value.split_once("charset=")?;
    Charset::from_word(charset.split(';').next()?.trim().trim_matches('"'))
}

/// The text of these bytes. Gateways that write in another charset without saying so write in
/// windows-1251. `None`: it is no text.
fn readable(bytes: &[u8], charset: Option<Charset>) -> Option<Cow<'_, str>> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => charset.unwrap_or(Charset::Windows1251).decode(bytes)?,
    };
    let is_of_text = |c: char| !c.is_control() || matches!(c, '\t' | '\n' | '\r');
    text.chars().all(is_of_text).then_some(text)
}

fn target(path: &str, query: &str, charset: Option<Charset>) -> String {
    let path: Vec<String> = path.split('/').map(|segment| leaf("", segment)).collect();
    let mut out = path.join("/");
    let pieces = query.split('&').map(|piece| {
        let pair = form::pairs(piece.as_bytes()).next().transpose();
        let Ok(Some((name, value))) = pair else { return leaf("", piece) };
        let is_plain =
            readable(&name, charset).zip(readable(&value, charset)).is_some_and(|(name, value)| {
                !says(&name).is_secret() && leaf("", &name) == name && leaf(&name, &value) == value
            });
        let name =
            readable(&name, charset).map_or_else(|| hidden(name.len()), |name| leaf("", &name));
        if is_plain { leaf(&name, piece) } else { format!("{name}={}", hidden(value.len())) }
    });
    let pieces: Vec<String> = pieces.collect();
    if !query.is_empty() {
        out.push('?');
        out.push_str(&pieces.join("&"));
    }
    pan::mask(&out).into_owned()
}

fn body(bytes: &[u8], charset: Option<Charset>) -> String {
    let mut page = Page { out: String::new(), charset, packings: 0 };
    match document(bytes) {
        Some(Document::Form(pairs)) => page.lines(&pairs),
        Some(Document::Value(value)) => page.value("", &value, Says::Nothing, 0),
        None => page.other(bytes),
    }
    // Also what only became a number where it stands now.
    pan::mask(&page.out).into_owned()
}

fn cut(text: String) -> String {
    let all = text.len();
    let mut end = BODY_BYTES_MAX.min(all);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    match text.split_at(end) {
        (_, "") => text,
        (shown, _) => format!("{shown}\n‹cut: {end} of {all} bytes are shown›"),
    }
}

/// What is written, and what is being read.
struct Page {
    out: String,
    charset: Option<Charset>,
    /// Documents that have been opened, within each other.
    packings: usize,
}

impl Page {
    fn other(&mut self, bytes: &[u8]) {
        let charset = self.charset;
        let Some(text) = readable(bytes, charset) else {
            self.out.push_str(&not_text(bytes.len()));
            return;
        };
        if let Some(Document::Value(value)) = document(text.as_bytes()) {
            self.value("", &value, Says::Nothing, 0);
        } else if let Some(parts) = parts(&text) {
            let pairs: Vec<Pair<'_>> = parts
                .into_iter()
                .map(|(name, value)| (name.as_bytes().into(), value.as_bytes().into()))
                .collect();
            self.lines(&pairs);
        } else if !self.opened("", &text, 0) {
            self.out.push_str(&leaf("", &text));
        }
    }

    /// A form: a field in each line.
    fn lines(&mut self, pairs: &[Pair<'_>]) {
        for (at, (name, value)) in pairs.iter().enumerate() {
            if at > 0 {
                self.out.push('\n');
            }
            self.field(name, value, 0, |page, text| page.out.push_str(text));
        }
    }

    /// `name=value`, or as `write` writes the value.
    fn field(&mut self, name: &[u8], value: &[u8], depth: usize, write: impl Fn(&mut Self, &str)) {
        let charset = self.charset;
        let name = readable(name, charset).unwrap_or_default();
        self.out.push_str(&leaf("", &name));
        self.out.push('=');
        match readable(value, charset) {
            None => self.out.push_str(&not_text(value.len())),
            Some(value) => self.text(&name, &value, says(&name), depth, write),
        }
    }

    /// A text of that name: hidden, opened, or written.
    fn text(
        &mut self,
        name: &str,
        text: &str,
        says: Says,
        depth: usize,
        write: impl Fn(&mut Self, &str),
    ) {
        let may_open = !says.is_secret() || says_signed(name);
        if may_open && self.opened(name, text, depth) {
        } else if says.is_secret() && !text.is_empty() {
            write(self, &hidden(text.len()));
        } else {
            write(self, &leaf(name, text));
        }
    }

    /// Opens what is packed in the text, if something is.
    fn opened(&mut self, name: &str, text: &str, depth: usize) -> bool {
        if self.packings == DEPTH_MAX {
            return false;
        }
        let Some((how, bytes)) = packed(text) else { return false };
        let Some(inner) = document(&bytes) else { return false };
        self.packings += 1;
        self.out.extend(["‹", how, "› "]);
        match inner {
            Document::Value(value) => self.value(name, &value, Says::Nothing, depth),
            Document::Form(pairs) => {
                self.block('{', '}', depth, &pairs, |page, (name, value)| {
                    page.field(name, value, depth + 1, Self::quoted);
                });
            }
        }
        self.packings -= 1;
        true
    }

    /// A value as JSON, each member in a line of its own.
    fn value(&mut self, name: &str, value: &Value<'_>, says: Says, depth: usize) {
        match value {
            Value::Null => self.out.push_str("null"),
            Value::Bool(value) => self.out.push_str(if *value { "true" } else { "false" }),
            Value::Number(text) if says.is_secret() => self.out.push_str(&hidden(text.len())),
            Value::Number(text) => self.out.push_str(&pan::mask(text)),
            Value::Text(text) => self.text(name, text, says, depth, Self::quoted),
            Value::List(items) => self.block('[', ']', depth, items, |page, item| {
                page.value(name, item, says, depth + 1);
            }),
            Value::Object(object) => {
                let inherited = inherited(object, says);
                self.block('{', '}', depth, object.members(), |page, (name, value)| {
                    page.quoted(&leaf("", name));
                    page.out.push_str(": ");
                    let own = names::says(name);
                    let says = if inherited == Says::Secret { inherited } else { own };
                    page.value(name, value, says, depth + 1);
                });
            }
        }
    }

    fn block<T>(
        &mut self,
        open: char,
        close: char,
        depth: usize,
        items: &[T],
        write: impl Fn(&mut Self, &T),
    ) {
        self.out.push(open);
        for (at, item) in items.iter().enumerate() {
            self.out.push_str(if at > 0 { ",\n" } else { "\n" });
            self.out.extend(std::iter::repeat_n("  ", depth + 1));
            write(self, item);
        }
        if !items.is_empty() {
            self.out.push('\n');
            self.out.extend(std::iter::repeat_n("  ", depth));
        }
        self.out.push(close);
    }

    fn quoted(&mut self, text: &str) {
        let text = serde_json::Value::from(text);
        self.out.push_str(&text.to_string());
    }
}

/// What an object says of all its members: it may stand for a field, whose name is one of them.
fn inherited(object: &Object<'_>, says: Says) -> Says {
    let name = |member: &str| object.get(member).and_then(Value::as_text);
    let is_secret = |name: &str| names::says(name).is_secret();
    let names_secret = ["name", "Name", "key", "Key", "field"].into_iter().filter_map(name);
    if says == Says::Secret || names_secret.into_iter().any(is_secret) {
        Says::Secret
    } else {
        Says::Nothing
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
mod tests;
