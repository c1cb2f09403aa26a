//! A strict reader of small XML documents (XML 1.0, fifth edition), as gateways answer with them:
//! one text has one meaning or none. No DTD, so there are no entities but the five that XML has,
//! and nothing grows; no processing instructions; no encoding but UTF-8; no mixed content.
//!
//! It is our own because most of it is what it must refuse. `quick-xml` finds the ends of tags,
//! and leaves to its caller (tafia/quick-xml#848, #641 and #368, as of 0.42) what a name is,
//! `<a b="<"/>`, `<a b="1"c="2"/>`, a raw `]]>`, characters that XML has not (also as `&#1;`),
//! what a declaration says and where it stands, a second root, text beside it, and elements that
//! never end.

mod chars;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::mem;

use crate::engine::value::{Member, Object, Value};

use chars::{is_char, is_name, is_name_start, is_space};

/// Elements within each other.
pub const DEPTH_MAX: usize = 64;
/// Elements and attributes, all together.
pub const NODES_MAX: usize = 10_000;
/// Bytes of one name.
pub const NAME_BYTES_MAX: usize = 256;

/// The member that holds the text of an element with attributes or children. No name of XML begins
/// with `#`.
pub const TEXT: &str = "#text";

/// Why a document was refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum XmlError {
    /// An attribute comes twice, or a child has the name of an attribute.
    DuplicateKey,
    /// Not XML, not UTF-8, or a part of XML that is never read: a DTD, a processing instruction,
    /// an entity of the document's own, text in more than one piece.
    Malformed,
    /// Deeper than [`DEPTH_MAX`].
    TooDeep,
    /// A name of more than [`NAME_BYTES_MAX`] bytes.
    TooLong,
    /// More than [`NODES_MAX`] elements and attributes.
    TooMany,
}

/// How the names of elements and attributes are given.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Names {
    /// As they were sent.
    AsWritten,
    /// With A–Z as a–z, for gateways that may change the letter case of their names: `Amount` and
    /// `amount` are one name then. Start and end of an element must still be written alike.
    Lower,
}

/// Reads one document, as an object with one member: the root element.
///
/// An element without attributes and children is its text, unescaped, white space and all. Every
/// other is an object: its attributes, its children, each name where it came first, and its text
/// as [`TEXT`] if that is more than white space. Children of one name are a list, in order.
/// `<a nil="true"/>` is null: so Rails writes what is not there, and Braintree does.
/// Prefixes of names stay what they are, and are not resolved.
pub fn parse(text: &[u8], names: Names) -> Result<Value<'_>, XmlError> {
    let text = std::str::from_utf8(text).map_err(|_| XmlError::Malformed)?;
    if !text.chars().all(is_char) {
        return Err(XmlError::Malformed);
    }
    let rest = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader { rest, names, nodes: 0 };
    reader.declaration()?;
    reader.comments()?;
    reader.expect("<")?;
    let root = reader.element(1)?;
    reader.comments()?;
    if !reader.rest.is_empty() {
        return Err(XmlError::Malformed);
    }
    object(vec![root])
}

struct Reader<'a> {
    rest: &'a str,
    names: Names,
    nodes: usize,
}

impl<'a> Reader<'a> {
    /// `<?xml …?>`, which may stand at the very start and nowhere else.
    fn declaration(&mut self) -> Result<(), XmlError> {
        if !self.skip("<?xml") {
            return Ok(());
        }
        let said = |fine| if fine { Ok(()) } else { Err(XmlError::Malformed) };
        said(self.space() && self.skip("version"))?;
        // 1.1 has other characters and other ends of lines.
        said(self.quoted()? == "1.0")?;
        let mut spaced = self.space();
        if spaced && self.skip("encoding") {
            said(self.quoted()?.eq_ignore_ascii_case("utf-8"))?;
            spaced = self.space();
        }
        if spaced && self.skip("standalone") {
            said(matches!(self.quoted()?, "yes" | "no"))?;
            self.space();
        }
        self.expect("?>")
    }

    /// What may stand beside the root.
    fn comments(&mut self) -> Result<(), XmlError> {
        self.space();
        while self.skip("<!--") {
            self.comment()?;
            self.space();
        }
        Ok(())
    }

    /// Past its `<!--`.
    fn comment(&mut self) -> Result<(), XmlError> {
        self.until("--")?;
        self.expect(">")
    }

    /// Past its `<`.
    fn element(&mut self, depth: usize) -> Result<Member<'a>, XmlError> {
        if depth > DEPTH_MAX {
            return Err(XmlError::TooDeep);
        }
        let name = self.name()?;
        let mut members = Vec::new();
        loop {
            let spaced = self.space();
            if self.skip("/>") {
                return Ok((self.fold(name), value(members, Vec::new(), Text::default())?));
            }
            if self.skip(">") {
                let (children, text) = self.content(name, depth)?;
                return Ok((self.fold(name), value(members, children, text)?));
            }
            if !spaced {
                return Err(XmlError::Malformed);
            }
            let attribute = self.name()?;
            let raw = self.quoted()?;
            if raw.contains('<') {
                return Err(XmlError::Malformed);
            }
            members.push((self.fold(attribute), Value::Text(resolve(raw, Place::Attribute)?)));
        }
    }

    /// Past the start of an element, to the end of its end.
    fn content(
        &mut self,
        name: &str,
        depth: usize,
    ) -> Result<(Vec<Member<'a>>, Text<'a>), XmlError> {
        let mut children = Vec::new();
        let mut text = Text::default();
        loop {
            let raw = self.until("<")?;
            if raw.contains("]]>") {
                return Err(XmlError::Malformed);
            }
            text.add(resolve(raw, Place::Content)?)?;
            if let Some(rest) = self.rest.strip_prefix('/') {
                self.rest = rest.strip_prefix(name).ok_or(XmlError::Malformed)?;
                self.space();
                self.expect(">")?;
                return Ok((children, text));
            } else if self.skip("!--") {
                self.comment()?;
                text.cut = text.filled;
            } else if self.skip("![CDATA[") {
                text.add(resolve(self.until("]]>")?, Place::Section)?)?;
            } else {
                text.end_run();
                children.push(self.element(depth + 1)?);
            }
        }
    }

    /// Of an element or attribute; each has one, so that is where they are counted.
    fn name(&mut self) -> Result<&'a str, XmlError> {
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            return Err(XmlError::TooMany);
        }
        let end = self.rest.find(|c| !is_name(c)).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        if !name.starts_with(is_name_start) {
            return Err(XmlError::Malformed);
        }
        if name.len() > NAME_BYTES_MAX {
            return Err(XmlError::TooLong);
        }
        self.rest = rest;
        Ok(name)
    }

    fn fold(&self, name: &'a str) -> Cow<'a, str> {
        match self.names {
            Names::Lower if name.bytes().any(|byte| byte.is_ascii_uppercase()) => {
                Cow::Owned(name.to_ascii_lowercase())
            }
            Names::AsWritten | Names::Lower => Cow::Borrowed(name),
        }
    }

    /// What stands between quotation marks after a `=`, as written.
    fn quoted(&mut self) -> Result<&'a str, XmlError> {
        self.space();
        self.expect("=")?;
        self.space();
        if self.skip("\"") {
            return self.until("\"");
        }
        self.expect("'")?;
        self.until("'")
    }

    /// Whether there was any.
    fn space(&mut self) -> bool {
        let before = self.rest;
        self.rest = before.trim_start_matches(is_space);
        self.rest.len() < before.len()
    }

    /// Up to `end`, and past it.
    fn until(&mut self, end: &str) -> Result<&'a str, XmlError> {
        let (before, rest) = self.rest.split_once(end).ok_or(XmlError::Malformed)?;
        self.rest = rest;
        Ok(before)
    }

    fn expect(&mut self, word: &str) -> Result<(), XmlError> {
        if self.skip(word) { Ok(()) } else { Err(XmlError::Malformed) }
    }

    fn skip(&mut self, word: &str) -> bool {
        let rest = self.rest.strip_prefix(word);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }
}

/// The text of one element: one run of it may be more than white space.
#[derive(Default)]
struct Text<'a> {
    /// Since the start of the element or its last child.
    run: Cow<'a, str>,
    /// `run` is more than white space.
    filled: bool,
    /// A comment came after that. It may not go on then, because readers differ on whether
    /// `12<!-- -->34` says 12 or 1234 (as with SAML in 2018, CVE-2017-11427).
    cut: bool,
    /// An earlier run that was more than white space.
    piece: Option<Cow<'a, str>>,
}

impl<'a> Text<'a> {
    fn add(&mut self, text: Cow<'a, str>) -> Result<(), XmlError> {
        let filled = !text.chars().all(is_space);
        if filled && (self.cut || self.piece.is_some()) {
            return Err(XmlError::Malformed);
        }
        self.filled |= filled;
        if self.run.is_empty() {
            self.run = text;
        } else if !text.is_empty() {
            self.run.to_mut().push_str(&text);
        }
        Ok(())
    }

    fn end_run(&mut self) {
        let run = mem::take(&mut self.run);
        if mem::take(&mut self.filled) {
            self.piece = Some(run);
        }
    }
}

/// What an element is, see [`parse`].
fn value<'a>(
    attributes: Vec<Member<'a>>,
    children: Vec<Member<'a>>,
    mut text: Text<'a>,
) -> Result<Value<'a>, XmlError> {
    if attributes.is_empty() && children.is_empty() {
        return Ok(Value::Text(text.run));
    }
    let is_nil = |(name, value): &Member<'_>| name == "nil" && value.as_text() == Some("true");
    let says_nil = children.is_empty() && attributes.iter().any(is_nil);
    let mut members = attributes;
    let mut places = BTreeMap::new();
    for (name, child) in children {
        match places.entry(name) {
            Entry::Vacant(place) => {
                members.push((place.key().clone(), child));
                place.insert(members.len() - 1);
            }
            Entry::Occupied(place) => match &mut members[*place.get()].1 {
                Value::List(children) => children.push(child),
                first => {
                    let children = vec![mem::replace(first, Value::Null), child];
                    *first = Value::List(children);
                }
            },
        }
    }
    text.end_run();
    match text.piece {
        Some(piece) => members.push((Cow::Borrowed(TEXT), Value::Text(piece))),
        None if says_nil => return Ok(Value::Null),
        None => {}
    }
    object(members)
}

fn object(members: Vec<Member<'_>>) -> Result<Value<'_>, XmlError> {
    Object::new(members).map(Value::Object).ok_or(XmlError::DuplicateKey)
}

/// Where text stands, and so what stands for something else in it.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Place {
    Attribute,
    Content,
    /// `<![CDATA[…]]>`
    Section,
}

/// What a text stands for: references undone, the ends of lines made `\n` (§2.11), white space in
/// an attribute made blanks (§3.3.3).
fn resolve(raw: &str, place: Place) -> Result<Cow<'_, str>, XmlError> {
    let special = |c| match c {
        '&' => place != Place::Section,
        '\r' => true,
        '\n' | '\t' => place == Place::Attribute,
        _ => false,
    };
    let line_end = if place == Place::Attribute { ' ' } else { '\n' };
    let mut out = String::new();
    let mut rest = raw;
    while let Some(at) = rest.find(special) {
        let (plain, after) = rest.split_at(at);
        out.push_str(plain);
        if let Some(reference) = after.strip_prefix('&') {
            let (name, after) = reference.split_once(';').ok_or(XmlError::Malformed)?;
            out.push(referred(name).ok_or(XmlError::Malformed)?);
            rest = after;
        } else {
            out.push(line_end);
            let one = after.strip_prefix("\r\n").or_else(|| after.strip_prefix(is_space));
            rest = one.unwrap_or_default();
        }
    }
    if out.is_empty() {
        return Ok(Cow::Borrowed(rest));
    }
    out.push_str(rest);
    Ok(Cow::Owned(out))
}

/// The character that stands between `&` and `;`.
fn referred(name: &str) -> Option<char> {
    Some(match name {
        "amp" => '&',
        "apos" => '\'',
        "gt" => '>',
        "lt" => '<',
        "quot" => '"',
        _ => {
            let number = name.strip_prefix('#')?;
            let (digits, radix) = number.strip_prefix('x').map_or((number, 10), |hex| (hex, 16));
            let code = digits.chars().try_fold(0_u32, |code, digit| {
                code.checked_mul(radix)?.checked_add(digit.to_digit(radix)?)
            });
            // No digits are 0, which is no character of XML.
            return char::from_u32(code?).filter(|c| is_char(*c));
        }
    })
}

#[cfg(test)]
mod tests;
