//! One variant of a rule, compiled: what is asked of a request, proved, read and said. Closed forms
//! only; judging interprets no text. Values of parameters are not in it, only their places.

mod event;

use std::sync::Arc;

use crate::engine::cipher::Cipher;
use crate::engine::digest::HashAlgorithm;
use crate::engine::encoding::Encoding;
use crate::engine::pattern::Pattern;
use crate::engine::reason::Reason;
use crate::engine::signature::SignatureAlgorithm;
use crate::engine::verdict::Replies;

pub use event::{AmountFact, Case, EventPlan, Facts, Outcome, StatusRule, TestGuard, TimeFact};

/// Everything that judging needs but the parameters' values. The indices in it (`Ref::Field(2)`)
/// point into its own lists; the compiler of rules makes them, nobody else.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The request as it must be.
    pub request: RequestPlan,
    /// All must hold. Never empty.
    pub proofs: Vec<Proof>,
    /// Times that must be near.
    pub fresh: Vec<Freshness>,
    /// What is packed in the request, if anything is.
    pub payload: Option<Payload>,
    /// What must be equal, or the callback is not for us.
    pub guards: Vec<Guard>,
    /// What the callback says.
    pub event: EventPlan,
    /// What is shown as the gateway's own fields.
    pub raw: Raw,
    /// What the gateway is answered.
    pub replies: Replies,
}

/// What is shown as the gateway's own fields: only what a proof covers, and no tag.
#[derive(Clone, Debug)]
pub enum Raw {
    /// These fields of the request, in the order of their names.
    Fields(Vec<usize>),
    /// The payload.
    Payload,
}

/// The request as it must be.
#[derive(Clone, Debug)]
pub struct RequestPlan {
    /// Accepted methods, upper case.
    pub methods: Vec<String>,
    /// What the body is.
    pub body: BodyKind,
    /// Named fields of query and body.
    pub fields: Vec<Field>,
    /// Names that must occur neither in query nor in body.
    pub absent: Vec<String>,
    /// Headers that are read.
    pub headers: Vec<Header>,
}

/// What the body is. It decides the content type that is accepted, never the other way round.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BodyKind {
    /// `application/x-www-form-urlencoded`
    Form,
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
    /// How the value is taken apart, if it is.
    pub pairs: Option<Pairs>,
}

/// A header value of `key=value` pairs; keys that are not listed are ignored.
#[derive(Clone, Debug)]
pub struct Pairs {
    /// Between pairs.
    pub separator: u8,
    /// Between key and value.
    pub equals: u8,
    /// The keys that count.
    pub keys: Vec<PairKey>,
}

/// A key of a header of pairs.
#[derive(Clone, Debug)]
pub struct PairKey {
    /// Exactly, blanks included.
    pub name: String,
    /// May come several times.
    pub many: bool,
    /// What a value looks like.
    pub pattern: Option<Arc<Pattern>>,
}

/// Where a value comes from, and what is done with it.
#[derive(Clone, Debug)]
pub struct Expr {
    /// The place.
    pub source: Ref,
    /// Applied in order.
    pub steps: Vec<Step>,
    /// As the rule's author wrote it: what a [`crate::engine::reason::Reject`] names.
    pub text: Arc<str>,
}

/// A place that a value can be read from.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Ref {
    /// The whole body, byte for byte.
    Body,
    /// What a `decrypt` proof opened.
    Decrypted,
    /// A declared field, decoded once.
    Field(usize),
    /// A declared header.
    Header(usize),
    /// A key of a header of pairs.
    HeaderPart(usize, usize),
    /// Words of the rule itself.
    Literal(String),
    /// A parameter of the route.
    Param(usize),
    /// A place in the payload.
    Payload(Vec<PathStep>),
}

/// One step into a payload.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum PathStep {
    /// The item of that position, from 0.
    Index(usize),
    /// The member of that name.
    Key(String),
}

/// Something that is done with a value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    /// Text to bytes.
    Decode(Encoding),
    /// Cut to, or padded with NUL to, that many bytes.
    Fit(usize),
    /// ASCII letters to lower case.
    Lower,
    /// ASCII letters to upper case.
    Upper,
}

/// One authenticator.
#[derive(Clone, Debug)]
pub enum Proof {
    /// The value opens under our key, which nobody else has.
    Decrypt {
        /// How.
        cipher: Cipher,
        /// Nonce, ciphertext and tag, one after the other.
        from: Expr,
        /// The key.
        key: Expr,
    },
    /// The first of these whose tag is present decides, alone.
    FirstPresent(Vec<TagProof>),
    /// A tag that must be right.
    Tag(TagProof),
}

/// A tag that must be right for what it covers.
#[derive(Clone, Debug)]
pub struct TagProof {
    /// How it is made.
    pub scheme: Scheme,
    /// What it is made of, in order.
    pub over: Vec<Expr>,
    /// Where it stands. Every value of a repeated key is tried.
    pub tag: Expr,
    /// How it is written.
    pub encoding: Encoding,
    /// Why an algorithm that is no longer trusted is let pass here; `None`: it is trusted.
    pub weak: Option<String>,
}

/// How a tag is made. The algorithm comes from the rule and the route, never from the message.
#[derive(Clone, Debug)]
pub enum Scheme {
    /// A plain digest over parts, the secret among them.
    Digest(Algorithms),
    /// HMAC under each value of the key.
    Hmac {
        /// One, or those that the route allows.
        algorithms: Algorithms,
        /// The key, or keys.
        key: Expr,
    },
    /// A public-key signature.
    Signature {
        /// The one algorithm.
        algorithm: SignatureAlgorithm,
        /// PEM keys or certificates.
        key: Expr,
    },
}

/// The algorithms that a proof accepts.
#[derive(Clone, Debug)]
pub enum Algorithms {
    /// Fixed by the rule.
    Fixed(HashAlgorithm),
    /// Chosen by the route: the parameter of that index.
    Param(usize),
}

/// A time that must be near.
#[derive(Clone, Debug)]
pub struct Freshness {
    /// The time, as an integer.
    pub time: Expr,
    /// Milliseconds instead of seconds.
    pub milliseconds: bool,
    /// The parameter that says how many seconds it may be away, in both directions; not configured:
    /// not checked.
    pub max_age: usize,
}

/// What is packed in the request.
#[derive(Clone, Debug)]
pub struct Payload {
    /// Where.
    pub from: Expr,
    /// As what it is read.
    pub format: Format,
    /// What some of its places must look like.
    pub fields: Vec<PayloadField>,
}

/// How a payload is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    /// A flat list of names and values, as in a query.
    Form,
    /// One JSON object.
    Json,
}

/// What a place of the payload must look like.
#[derive(Clone, Debug)]
pub struct PayloadField {
    /// The place.
    pub at: Expr,
    /// It may be missing.
    pub optional: bool,
    /// What it looks like as text.
    pub pattern: Option<Arc<Pattern>>,
}

/// Two values that must be equal, byte for byte; absent equals absent only.
#[derive(Clone, Debug)]
pub struct Guard {
    /// One.
    pub left: Expr,
    /// The other.
    pub right: Expr,
    /// What it is if they are not.
    pub otherwise: Reason,
}

/// Something that is true of a callback or not.
#[derive(Clone, Debug)]
pub enum Condition {
    /// All of these.
    All(Vec<Condition>),
    /// One of these at least.
    Any(Vec<Condition>),
    /// Not this.
    Not(Box<Condition>),
    /// Something about one value.
    Value(Expr, Predicate),
}

/// Something about one value.
#[derive(Clone, Debug)]
pub enum Predicate {
    /// It is there (not absent, null or empty), or it is not.
    Present(bool),
    /// Its text begins so.
    Prefix(String),
    /// Its text is one of these. JSON numbers are compared as they are written.
    Text(Vec<String>),
    /// It is this JSON truth value.
    Truth(bool),
}
