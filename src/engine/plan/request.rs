//! The request as it must be.

use std::sync::Arc;

use crate::engine::charset::Charset;
use crate::engine::pattern::Pattern;
use crate::engine::reason::Reason;

/// The request as it must be.
#[derive(Clone, Debug)]
pub struct RequestPlan {
    /// Accepted methods, upper case.
    pub methods: Vec<String>,
    /// What the body is.
    pub body: BodyKind,
    /// What the names and values of fields are written in; `None`: bytes are taken as they are.
    pub charset: Option<RequestCharset>,
    /// Named fields of query and body.
    pub fields: Vec<Field>,
    /// Names that must occur neither in query nor in body.
    pub absent: Vec<String>,
    /// No names but the declared ones and these, because a proof signs values and not their names.
    pub closed: Option<Closed>,
    /// A proof is made of a set of fields, so all of them are kept.
    pub keep_all: bool,
    /// Headers that are read.
    pub headers: Vec<Header>,
}

/// What the names and values of fields are written in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RequestCharset {
    /// The field of that index names it; absent: this one.
    Field(usize, Charset),
    /// This one.
    Fixed(Charset),
}

/// Names that may occur although they are not declared one by one.
#[derive(Clone, Debug, Default)]
pub struct Closed {
    /// These.
    pub names: Vec<String>,
    /// All that begin so.
    pub prefixes: Vec<String>,
    /// Those that this parameter lists.
    pub param: Option<usize>,
}

/// What the body is. It decides the content type that is accepted, never the other way round.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BodyKind {
    /// `application/x-www-form-urlencoded`
    Form,
    /// `application/x-www-form-urlencoded` or `application/json`: the body is a document, not fields.
    FormOrJson,
    /// `application/json`
    Json,
    /// Any bytes under any content type.
    Any,
}

/// A field of query or body. It may occur once over both, and only where it belongs.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its name, exactly.
    pub name: String,
    /// Where it belongs.
    pub place: FieldPlace,
    /// It may be missing. A field that only serves as the tag of a proof is optional here: the
    /// proof misses it.
    pub optional: bool,
    /// What a value looks like; `None`: anything.
    pub pattern: Option<Arc<Pattern>>,
    /// What it is if it looks otherwise.
    pub otherwise: Reason,
    /// How the value is taken apart, if it is.
    pub pairs: Option<Pairs>,
}

/// Where a field belongs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FieldPlace {
    /// The form body.
    Body,
    /// The query.
    Query,
    /// Either, never both.
    Either,
}

/// A header that is read. It may occur once.
#[derive(Clone, Debug)]
pub struct Header {
    /// Lower case.
    pub name: String,
    /// It may be missing.
    pub optional: bool,
    /// What the value looks like as a whole.
    pub pattern: Option<Arc<Pattern>>,
    /// What it is if it looks otherwise.
    pub otherwise: Reason,
    /// How the value is taken apart, if it is.
    pub pairs: Option<Pairs>,
}

/// A value of `key=value` pairs; keys that are not listed are ignored.
#[derive(Clone, Debug)]
pub struct Pairs {
    /// Between pairs.
    pub separator: u8,
    /// Between key and value.
    pub equals: u8,
    /// Blanks around pairs do not count.
    pub trim: bool,
    /// The keys that count.
    pub keys: Vec<PairKey>,
}

/// A key of pairs.
#[derive(Clone, Debug)]
pub struct PairKey {
    /// Exactly, blanks included; `*`: every key that is not listed.
    pub name: String,
    /// May come several times.
    pub many: bool,
    /// What a value looks like.
    pub pattern: Option<Arc<Pattern>>,
}
