//! One variant of a rule, compiled: what is asked of a request, proved, read and said. Closed forms
//! only; judging interprets no text. Values of parameters are not in it, only their places.

mod event;
mod exchange;
mod proof;
mod request;
mod response;

use std::sync::Arc;

use crate::engine::charset::Charset;
use crate::engine::digest::HashAlgorithm;
use crate::engine::encoding::Encoding;
use crate::engine::pattern::Pattern;
use crate::engine::reason::Reason;

pub use event::{AmountFact, Case, EventPlan, Facts, Instant, Outcome, StatusRule, TestGuard};
pub use exchange::{AnswerFormat, Auth, ExchangeBody, ExchangePlan};
pub use proof::{
    Algorithms, HttpSignaturePlan, JwsKey, JwsPlan, KeySource, Missing, MtlsPlan, Order, Part,
    PartKind, Proof, Render, Scheme, SetOf, SetPlan, TagProof,
};
pub use request::{
    BodyKind, Closed, Field, FieldPlace, Header, PairKey, Pairs, RequestCharset, RequestPlan,
};
pub use response::{Question, QuestionAt, ReplyBody, ReplyPlan, ReplyPlans};

/// Everything that judging needs but the parameters' values. The indices in it (`Ref::Field(2)`)
/// point into its own lists; the compiler of rules makes them, nobody else.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The request as it must be.
    pub request: RequestPlan,
    /// What is packed in the request, each perhaps in one before it.
    pub documents: Vec<Document>,
    /// What may be asked of the gateway. Their answers are documents after those above.
    pub exchanges: Vec<ExchangePlan>,
    /// Requests that are answered and say nothing.
    pub questions: Vec<Question>,
    /// All must hold. Never empty.
    pub proofs: Vec<Proof>,
    /// Times that must be near.
    pub fresh: Vec<Freshness>,
    /// What must hold, or the callback is not for us.
    pub guards: Vec<Guard>,
    /// The list whose items are one event each; `None`: the callback is one event.
    pub batch: Option<Batch>,
    /// What the callback says.
    pub event: EventPlan,
    /// What is shown as the gateway's own fields.
    pub raw: Raw,
    /// What the gateway is answered.
    pub replies: ReplyPlans,
}

/// A list whose items are one event each.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The list.
    pub list: Expr,
    /// What some places of each item must look like.
    pub fields: Vec<DocumentField>,
}

/// What is shown as the gateway's own fields: only what a proof covers, and no tag.
#[derive(Clone, Debug)]
pub enum Raw {
    /// These places, under these names, in the order that RFC 8785 wants.
    Places(Vec<(String, Expr)>),
    /// A whole document.
    Document(usize),
    /// The item of the batch.
    Item,
}

/// Where a value comes from, and what is done with it.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
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
    /// What a `jws` proof vouches for.
    Claims,
    /// What a `decrypt` proof opened.
    Decrypted,
    /// A place in a document: what is packed in the request, or the answer of an exchange.
    Document(usize, Vec<PathStep>),
    /// A declared field, decoded once.
    Field(usize),
    /// A key of a field of pairs.
    FieldPart(usize, usize),
    /// A declared header.
    Header(usize),
    /// A key of a header of pairs.
    HeaderPart(usize, usize),
    /// A place in the item of the batch that is looked at.
    Item(Vec<PathStep>),
    /// Several values, one after the other; absent if one of them is.
    Joined(Vec<Expr>),
    /// Words of the rule itself.
    Literal(String),
    /// The time of judging, Unix seconds.
    Now,
    /// A parameter of the route.
    Param(usize),
    /// The path, as on the request line.
    Path,
    /// The tag that a signed reply carries.
    ReplyTag,
    /// Path and query, as on the request line.
    Target,
}

/// One step into a document.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum PathStep {
    /// The item of that position, from 0.
    Index(usize),
    /// The member of that name.
    Key(String),
    /// The first item whose member of that name is that text.
    Where(String, String),
}

/// Something that is done with a value.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Step {
    /// The letters of an ISO 4217 code, from letters of any case or the number.
    Currency,
    /// UTF-8 to another charset.
    Charset(Charset),
    /// CRC-32 (IEEE 802.3) as an unsigned decimal number.
    Crc32,
    /// Text to bytes.
    Decode(Encoding),
    /// The bare digest.
    Digest(HashAlgorithm),
    /// Bytes to text.
    Encode(Encoding),
    /// Made safe for what it is put into.
    Escape(Escape),
    /// Cut to, or padded with NUL to, that many bytes.
    Fit(usize),
    /// What stands behind the last such byte.
    Last(u8),
    /// ASCII letters to lower case.
    Lower,
    /// A decimal number in its shortest writing, so that `19.90` and `19.9` are the same.
    Number,
    /// Back to front.
    Reverse,
    /// Without these words at its beginning; what does not begin with them is malformed.
    Strip(String),
    /// The middle part of a compact JWS, decoded. Proves nothing.
    Unjws,
    /// Without line breaks, as around base64 in lines (RFC 2045).
    Unwrap,
    /// ASCII letters to upper case.
    Upper,
}

/// How a value is made safe for what it is put into.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Escape {
    /// The inside of a JSON string (RFC 8259 §7).
    Json,
    /// A component of a URL or form (RFC 3986 §2.3: all but unreserved characters escaped).
    Percent,
    /// Character data or an attribute value of XML.
    Xml,
}

/// A time that must be near.
#[derive(Clone, Debug)]
pub struct Freshness {
    /// The time.
    pub time: Instant,
    /// How near.
    pub limit: Limit,
}

/// How near a time must be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Limit {
    /// It must not have come yet.
    Ahead,
    /// It must have come.
    Behind,
    /// As many seconds away as the parameter says, in both directions; not configured: not checked.
    Within(usize),
}

/// What is packed in the request.
#[derive(Clone, Debug)]
pub struct Document {
    /// What references call it.
    pub name: String,
    /// Where it stands.
    pub from: Expr,
    /// As what it is read.
    pub format: Format,
    /// It may be missing; then so are its places.
    pub optional: bool,
    /// The only names at its top, where names are not signed.
    pub closed: Option<Closed>,
    /// What some of its places must look like.
    pub fields: Vec<DocumentField>,
    /// A proof or an exchange needs it, so it is opened before it is proved.
    pub early: bool,
}

/// How a document is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    /// A flat list of names and values, as in a query.
    Form,
    /// One JSON object.
    Json,
    /// JSON where it begins with `{`, else a form.
    JsonOrForm,
    /// One JSON list.
    JsonList,
    /// XML without a document type.
    Xml {
        /// Names of elements and attributes are folded to lower case.
        lower: bool,
    },
}

/// What a place of a document must look like.
#[derive(Clone, Debug)]
pub struct DocumentField {
    /// The place.
    pub at: Expr,
    /// It may be missing.
    pub optional: bool,
    /// What it looks like as text.
    pub pattern: Option<Arc<Pattern>>,
    /// What it is if it looks otherwise.
    pub otherwise: Reason,
}

/// Something that must hold.
#[derive(Clone, Debug)]
pub struct Guard {
    /// What.
    pub check: Check,
    /// Only where this holds.
    pub when: Option<Condition>,
    /// What it is if it does not hold.
    pub otherwise: Reason,
    /// When all that it looks at is known.
    pub phase: Phase,
}

/// When something can be checked. The earlier the better: what is refused is not asked about.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Phase {
    /// Before the gateway is asked.
    Local,
    /// With the gateway's answers.
    Asked,
    /// With an item of the batch.
    Item,
}

/// What a guard checks.
#[derive(Clone, Debug)]
pub enum Check {
    /// Amounts that are equal, whatever they are written in. A side that hangs on a parameter which
    /// is not configured is not checked.
    Amounts(Box<(AmountFact, AmountFact)>),
    /// Of these places, one at least holds one of the values of its parameter. Parameters that are
    /// not configured do not count; if none is, nothing is checked.
    Among(Vec<(Expr, Expr)>),
    /// Two values that are equal, byte for byte; absent equals absent only.
    Equal(Expr, Expr),
    /// A condition.
    Holds(Condition),
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
    /// Its text matches as a whole.
    Matches(Arc<Pattern>),
    /// It is there (not absent, null or empty), or it is not.
    Present(bool),
    /// Its text begins so.
    Prefix(String),
    /// Its text ends so.
    Suffix(String),
    /// Its text is one of these. JSON numbers are compared as they are written, truth values as
    /// their words: a proof over values may not tell them from text.
    Text(Vec<String>),
}

impl Expr {
    /// Every place that the value hangs on.
    pub fn places(&self) -> Vec<&Ref> {
        match &self.source {
            Ref::Joined(parts) => parts.iter().flat_map(Expr::places).collect(),
            place => vec![place],
        }
    }
}

impl Expr {
    /// When it is known, in a rule with that many documents packed in the request.
    pub fn phase(&self, documents: usize) -> Phase {
        let of = |place: &Ref| match place {
            Ref::Document(index, _) if *index >= documents => Phase::Asked,
            Ref::Item(_) => Phase::Item,
            _ => Phase::Local,
        };
        self.places().into_iter().map(of).max().unwrap_or(Phase::Local)
    }
}

impl Condition {
    /// Every value that it looks at.
    pub fn values(&self) -> Vec<&Expr> {
        match self {
            Self::All(all) | Self::Any(all) => all.iter().flat_map(Self::values).collect(),
            Self::Not(one) => one.values(),
            Self::Value(expr, _) => vec![expr],
        }
    }
}

impl Guard {
    /// Every value that it compares or hangs on.
    pub fn values(&self) -> Vec<&Expr> {
        let mut values: Vec<&Expr> = self.when.iter().flat_map(Condition::values).collect();
        values.extend(self.checked());
        values
    }

    /// Every value that it compares.
    pub fn checked(&self) -> Vec<&Expr> {
        let mut values = Vec::new();
        match &self.check {
            Check::Amounts(sides) => {
                for side in [&sides.0, &sides.1] {
                    values.push(&side.value);
                    values.extend(&side.currency);
                }
            }
            Check::Among(pairs) => {
                values.extend(pairs.iter().flat_map(|(place, param)| [place, param]));
            }
            Check::Equal(left, right) => values.extend([left, right]),
            Check::Holds(condition) => values.extend(condition.values()),
        }
        values
    }
}
