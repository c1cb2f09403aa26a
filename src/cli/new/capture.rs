//! A captured request, taken apart into what a rule can refer to.

use anyhow::{Result, bail};

use crate::cli::message::Message;
use crate::cli::new::look::{self, Look, look};
use crate::cli::new::packed::{document, is_of_the_way, taken_apart, unpacked};
use crate::engine::charset::Charset;
use crate::engine::encoding::Encoding;
use crate::engine::form;
use crate::engine::jws::JwsAlgorithm;
use crate::engine::value::Value;
use crate::engine::{json, xml};

/// Places of one payload that are looked at.
const PLACES_MAX: usize = 500;
/// Values within each other that are looked at.
const DEPTH_MAX: usize = 12;

/// A value and how a rule refers to it.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) kind: Kind,
    pub(super) reference: String,
    /// The last name in it.
    pub(super) name: String,
    pub(super) value: String,
    /// Names in it; of two of the same name the upper one counts.
    pub(super) depth: usize,
    /// A truth value, not a text.
    pub(super) is_bool: bool,
}

/// Where a value stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Field,
    Header,
    Leaf,
}

/// A field of query or form.
#[derive(Clone, Debug)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) in_query: bool,
    pub(super) is_empty: bool,
}

/// A header that a rule may need.
#[derive(Clone, Debug)]
pub(super) struct Header {
    pub(super) name: String,
    pub(super) value: String,
    /// Its keys, if it is one of pairs.
    pub(super) pairs: Vec<(String, String)>,
}

/// What is packed in the request.
#[derive(Clone, Debug)]
pub(super) struct Payload {
    pub(super) name: &'static str,
    pub(super) from: String,
    pub(super) format: &'static str,
}

/// A captured request.
#[derive(Clone, Debug)]
pub(super) struct Capture {
    pub(super) method: &'static str,
    /// The word of `request.body`.
    pub(super) body: &'static str,
    pub(super) charset: Option<&'static str>,
    pub(super) fields: Vec<Field>,
    pub(super) headers: Vec<Header>,
    /// The value of `authorization`, where it holds credentials.
    pub(super) credentials: Option<String>,
    pub(super) payloads: Vec<Payload>,
    /// Everything that can be referred to, as it was sent.
    pub(super) places: Vec<Place>,
    /// A signed token: where it stands, and the algorithm that it names.
    pub(super) jws: Option<(String, JwsAlgorithm)>,
    pub(super) query: Vec<(String, String)>,
    /// Fields of a form body that can be written one by one.
    pub(super) form: Vec<(String, String)>,
    /// Any other body, if it is text.
    pub(super) raw: String,
    /// What the author must know about the example.
    pub(super) remarks: Vec<&'static str>,
}

impl Capture {
    pub(super) fn of(message: &Message) -> Result<Self> {
        let Message { method, target, headers, body } = message;
        let Some(method) = ["GET", "POST", "PUT"].into_iter().find(|known| known == method) else {
            bail!("a rule reads GET, POST and PUT, not `{}`", method.escape_debug());
        };
        let content_type = header(headers, "content-type").unwrap_or_default();
        // An editor ends the last line; no writer of forms does.
        let unended = body.trim_ascii_end();
        let is_form = body_kind(method, &content_type, unended) == "form";
        let body: &[u8] = if is_form { unended } else { body };
        let body_kind = body_kind(method, &content_type, body);
        let query = target.split_once('?').map_or("", |(_, query)| query);
        let mut capture = Self {
            method,
            body: body_kind,
            charset: None,
            fields: Vec::new(),
            headers: Vec::new(),
            credentials: header(headers, "authorization").filter(|line| are_credentials(line)),
            payloads: Vec::new(),
            places: Vec::new(),
            jws: None,
            query: Vec::new(),
            form: Vec::new(),
            raw: String::new(),
            remarks: Vec::new(),
        };
        capture.query(query);
        capture.body(body, &content_type);
        capture.headers(headers);
        capture.payload(body);
        Ok(capture)
    }

    fn query(&mut self, query: &str) {
        let Ok(pairs) = pairs(query.as_bytes()) else {
            self.remarks.push("the query is left out: it is malformed");
            return;
        };
        for (name, value) in pairs {
            match (String::from_utf8(name), String::from_utf8(value)) {
                (Ok(name), Ok(value)) if self.field(&name, &value, true) => {
                    self.query.push((name, value));
                }
                _ => self
                    .remarks
                    .push("a field of the query is left out: it comes twice, or is not UTF-8"),
            }
        }
    }

    fn body(&mut self, body: &[u8], content_type: &str) {
        if let Ok(text) = std::str::from_utf8(body) {
            text.clone_into(&mut self.raw);
        } else {
            self.remarks.push("the body is left out: it is not UTF-8");
        }
        if self.body != "form" {
            let ends = body.ends_with(b"\n");
            self.remarks.extend(
                ends.then_some("did the body end with this line break, or did an editor add it?"),
            );
            return;
        }
        let found = pairs(body).unwrap_or_default();
        let is_text = |bytes: &[u8]| std::str::from_utf8(bytes).is_ok();
        if !found.iter().all(|(name, value)| is_text(name) && is_text(value)) {
            let named = content_type.split("charset=").nth(1).unwrap_or_default();
            let named = Charset::from_word(named.trim_matches(['"', ' ']));
            self.charset = Some(named.unwrap_or(Charset::Windows1251).as_str());
        }
        let mut one_by_one = self.charset.is_none();
        for (name, value) in found {
            let shown = |bytes: Vec<u8>| match String::from_utf8(bytes) {
                Ok(text) => text,
                Err(error) => error.as_bytes().iter().map(|&byte| char::from(byte)).collect(),
            };
            let (name, value) = (shown(name), shown(value));
            one_by_one &= self.field(&name, &value, false);
            self.form.push((name, value));
        }
        if !one_by_one {
            self.form.clear();
        }
    }

    /// A field, unless there is one of that name.
    fn field(&mut self, name: &str, value: &str, in_query: bool) -> bool {
        if name.trim().is_empty() || self.fields.iter().any(|known| known.name == name) {
            return false;
        }
        let is_empty = value.is_empty();
        self.fields.push(Field { name: name.to_owned(), in_query, is_empty });
        self.place(Kind::Field, "field", &[name], value, false);
        true
    }

    /// Headers that look like a signature, or stand beside one.
    fn headers(&mut self, headers: &[(String, Vec<u8>)]) {
        for (name, value) in headers {
            let name = name.to_ascii_lowercase();
            let Ok(value) = std::str::from_utf8(value) else { continue };
            let known = self.headers.iter().any(|known| known.name == name);
            if is_of_the_way(&name) || value.is_empty() || known {
                continue;
            }
            if name == "authorization" && self.credentials.is_some() {
                if !value.to_ascii_lowercase().starts_with("basic ") {
                    self.headers.push(Header { name, value: value.to_owned(), pairs: Vec::new() });
                }
                continue;
            }
            let says = look::says_tag(&name) || look::says_secret(&name) || look::says_stamp(&name);
            let is_tag = !matches!(look(value), Look::Words);
            if !says && !is_tag {
                continue;
            }
            let parts = if is_tag { Vec::new() } else { taken_apart(value) };
            if parts.is_empty() {
                self.place(Kind::Header, "header", &[&name], value, false);
            }
            for (key, part) in &parts {
                self.place(Kind::Header, "header", &[&name, key], part, false);
            }
            self.headers.push(Header { name, value: value.to_owned(), pairs: parts });
        }
    }

    /// What is packed: in the body, in a field, and once more within.
    fn payload(&mut self, body: &[u8]) {
        let is_form = self.body == "form";
        let packed = if is_form { None } else { document(body) };
        if let Some((format, value)) = packed {
            self.payloads.push(Payload { name: "payload", from: "body".to_owned(), format });
            self.leaves("payload", &value);
        } else if let (false, Ok(text)) = (is_form, std::str::from_utf8(body)) {
            self.token("body", text.trim());
        } else {
            self.packed_in(Kind::Field, "payload");
        }
        if let [outer] = self.payloads.as_slice()
            && !outer.from.starts_with("claims")
        {
            self.packed_in(Kind::Leaf, "inner");
        }
    }

    /// The first value that something is packed in.
    fn packed_in(&mut self, kind: Kind, name: &'static str) {
        let places: Vec<Place> =
            self.places.iter().filter(|place| place.kind == kind).cloned().collect();
        for place in places {
            if let Some((steps, bytes)) = unpacked(&place.value)
                && let Some((format, value)) = document(&bytes)
            {
                let from = format!("{}{steps}", place.reference);
                self.payloads.push(Payload { name, from, format });
                self.leaves(name, &value);
                return;
            }
            if self.token(&place.reference, &place.value) {
                return;
            }
        }
    }

    /// A signed token, and what it claims.
    fn token(&mut self, reference: &str, text: &str) -> bool {
        let Look::Jws(algorithm) = look(text) else { return false };
        self.jws = Some((reference.to_owned(), algorithm));
        let name = if self.payloads.is_empty() { "payload" } else { "inner" };
        let claims = text.split('.').nth(1).unwrap_or_default().as_bytes();
        if let Some(claims) = Encoding::Base64UrlNoPad.decode(claims)
            && let Some((format, value)) = document(&claims)
        {
            self.payloads.push(Payload { name, from: "claims".to_owned(), format });
            self.leaves(name, &value);
        }
        true
    }

    fn leaves(&mut self, root: &str, value: &Value<'_>) {
        self.walk(root, &mut Vec::new(), value);
    }

    fn walk(&mut self, root: &str, path: &mut Vec<String>, value: &Value<'_>) {
        if self.places.len() >= PLACES_MAX || path.len() >= DEPTH_MAX {
            return;
        }
        let names: Vec<&str> = path.iter().map(String::as_str).collect();
        match value {
            Value::Null => {}
            Value::Bool(truth) => {
                self.place(Kind::Leaf, root, &names, &truth.to_string(), true);
            }
            Value::Number(text) => self.place(Kind::Leaf, root, &names, text, false),
            Value::Text(text) => self.place(Kind::Leaf, root, &names, text, false),
            Value::List(items) => {
                if let Some(first) = items.first() {
                    path.push("[0]".to_owned());
                    self.walk(root, path, first);
                    path.pop();
                }
            }
            Value::Object(object) => {
                for (name, value) in object.members() {
                    path.push(name.clone().into_owned());
                    self.walk(root, path, value);
                    path.pop();
                }
            }
        }
    }

    /// A place, unless the reference language has no way to write it.
    fn place(&mut self, kind: Kind, root: &str, path: &[&str], value: &str, is_bool: bool) {
        let mut reference = root.to_owned();
        for name in path {
            let is_plain = !name.is_empty()
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
            if *name == "[0]" {
                reference.push_str(name);
            } else if is_plain {
                reference.extend([".", name]);
            } else if name.is_empty()
                || name.contains(|c: char| "'|\\".contains(c) || c.is_control())
            {
                return;
            } else {
                reference.extend(["['", name, "']"]);
            }
        }
        // What an element of XML holds beside attributes is what the element is named after.
        let named = path.iter().rev().find(|name| !["[0]", xml::TEXT].contains(name));
        let name = named.copied().unwrap_or_default();
        let (name, value) = (name.to_owned(), value.to_owned());
        self.places.push(Place { kind, reference, name, value, depth: path.len(), is_bool });
    }
}

/// Credentials that go with every request, in contrast to a signature of this one.
fn are_credentials(line: &str) -> bool {
    let line = line.to_ascii_lowercase();
    ["basic ", "bearer "]
        .iter()
        .any(|scheme| line.len() > scheme.len() + 3 && line.starts_with(scheme))
}

fn header(headers: &[(String, Vec<u8>)], wanted: &str) -> Option<String> {
    let found = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
    found.and_then(|(_, value)| String::from_utf8(value.clone()).ok())
}

/// What the body is by its type, if its bytes agree.
fn body_kind(method: &str, content_type: &str, body: &[u8]) -> &'static str {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.as_str() {
        _ if method == "GET" && body.is_empty() => "form",
        "application/x-www-form-urlencoded" if !body.starts_with(b"{") && pairs(body).is_ok() => {
            "form"
        }
        "application/json" if json::parse(body).is_ok() => "json",
        _ => "any",
    }
}

type Bytes = Vec<u8>;

fn pairs(text: &[u8]) -> Result<Vec<(Bytes, Bytes)>, form::FormError> {
    form::pairs(text)
        .map(|pair| pair.map(|(name, value)| (name.into_owned(), value.into_owned())))
        .collect()
}
