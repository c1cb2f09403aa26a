//! What makes a callback genuine.

use std::sync::Arc;

use crate::engine::certificate::Names;
use crate::engine::charset::Charset;
use crate::engine::cipher::Cipher;
use crate::engine::digest::HashAlgorithm;
use crate::engine::encoding::Encoding;
use crate::engine::event::Strength;
use crate::engine::http_signature::Component;
use crate::engine::jws::JwsAlgorithm;
use crate::engine::pattern::Pattern;
use crate::engine::plan::{Condition, Expr, Ref, Step};
use crate::engine::signature::SignatureAlgorithm;

/// One authenticator.
#[derive(Clone, Debug)]
pub enum Proof {
    /// HTTP Basic credentials (RFC 7617): the sender knows them. They cover nothing.
    Basic {
        /// The user.
        user: Expr,
        /// The password.
        password: Expr,
    },
    /// The gateway, asked, says so itself.
    Confirm {
        /// The exchange that asks.
        exchange: usize,
        /// Only where this holds.
        when: Option<Condition>,
        /// Places that are sent whole and vouched for by the answer.
        vouches: Vec<Expr>,
    },
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
    /// A signature over parts of the HTTP message (RFC 9421).
    HttpSignature(HttpSignaturePlan),
    /// A signed token (RFC 7515): what it says is covered.
    Jws(JwsPlan),
    /// The peer has shown a certificate of one of these. Says who sends all of it.
    Mtls(MtlsPlan),
    /// The peer is one of these networks. Covers nothing.
    Source {
        /// The parameter that lists them.
        networks: usize,
        /// The parameter that lists networks whose `X-Forwarded-For` is believed.
        proxies: Option<usize>,
    },
    /// A tag that must be right.
    Tag(TagProof),
    /// A value that the sender knows. Covers nothing.
    Token {
        /// Where it stands.
        place: Expr,
        /// The parameter.
        secret: Expr,
    },
}

/// A certificate that the peer has shown in the handshake.
#[derive(Clone, Debug)]
pub struct MtlsPlan {
    /// The parameter that lists trusted roots.
    pub roots: usize,
    /// The parameter with intermediates that senders may leave out.
    pub intermediates: Option<usize>,
    /// The parameter that lists whom it may name; `None`: anybody.
    pub names: Option<usize>,
}

/// A signed token.
#[derive(Clone, Debug)]
pub struct JwsPlan {
    /// Where it stands.
    pub token: Expr,
    /// The one algorithm.
    pub algorithm: JwsAlgorithm,
    /// Where its key comes from.
    pub key: JwsKey,
    /// It says who sends, and of the rest of the request nothing.
    pub bearer: bool,
}

/// Where the key of a signed token comes from.
#[derive(Clone, Debug)]
pub enum JwsKey {
    /// A parameter.
    Param(Expr),
    /// A key set (RFC 7517) that this exchange fetches.
    Set(usize),
    /// The chain in its own header, up to a trusted root.
    X5c {
        /// The parameter that lists trusted roots.
        roots: usize,
        /// What its certificates must have.
        names: Names,
    },
}

/// A signature over parts of the HTTP message.
#[derive(Clone, Debug)]
pub struct HttpSignaturePlan {
    /// Which of the signatures: words, or a parameter.
    pub label: Expr,
    /// What must be covered, at least. `content-digest` among them covers the body.
    pub components: Vec<Component>,
    /// The one algorithm; `None`: HMAC with SHA-256.
    pub algorithm: Option<SignatureAlgorithm>,
    /// The parameter with the keys.
    pub key: Expr,
    /// The parameter that says what the sender calls us.
    pub origin: usize,
    /// The parameter that says how many seconds `created` may be away.
    pub max_age: Option<usize>,
}

/// A tag that must be right for what it covers.
#[derive(Clone, Debug)]
pub struct TagProof {
    /// How it is made.
    pub scheme: Scheme,
    /// What it is made of, in order.
    pub over: Vec<Part>,
    /// What stands between the parts.
    pub separator: Vec<u8>,
    /// Where it stands. Every value of a repeated key is tried.
    pub tag: Expr,
    /// How it is written.
    pub encoding: Encoding,
    /// Why an algorithm that is no longer trusted is let pass here; `None`: it is trusted.
    pub weak: Option<String>,
    /// Why a boundary that can move between the parts does no harm.
    pub ambiguous: Option<String>,
}

/// One part of what a tag is made of.
#[derive(Clone, Debug)]
pub struct Part {
    /// What it is.
    pub kind: PartKind,
    /// Stands before it, where it is.
    pub before: Vec<u8>,
    /// Stands after it, where it is.
    pub after: Vec<u8>,
    /// What becomes of it where the value is missing.
    pub missing: Missing,
    /// Only where this holds.
    pub when: Option<Condition>,
}

/// What a part is.
#[derive(Clone, Debug)]
pub enum PartKind {
    /// One value.
    Value(Expr),
    /// A set of fields.
    Set(Box<SetPlan>),
}

/// What becomes of a part whose value is missing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Missing {
    /// It counts as an empty value.
    Empty,
    /// The callback is refused.
    Reject,
    /// It is left out with everything that belongs to it.
    Skip,
}

/// A set of fields, ordered and written one after the other.
#[derive(Clone, Debug)]
pub struct SetPlan {
    /// Of what.
    pub of: SetOf,
    /// Names that take no part. The tag is always among them.
    pub except: Vec<String>,
    /// Only names that begin so, in any letter case.
    pub prefix: Option<String>,
    /// In which order.
    pub order: Order,
    /// Sorted in as if they were fields.
    pub insert: Vec<(String, Expr)>,
    /// Empty values take no part.
    pub skip_empty: bool,
    /// Names like `a[b][]` are written as parent, key and position in three digits.
    pub flatten: bool,
    /// Every distinct value of a name that comes several times, sorted; else such a name is refused.
    pub repeats: bool,
    /// What names and values must look like, so that the joined text has one reading.
    pub pattern: Option<Arc<Pattern>>,
    /// How each is written.
    pub render: Vec<Render>,
    /// Between them.
    pub separator: Vec<u8>,
    /// What they are written in; `None`: as they came.
    pub charset: Option<Charset>,
}

/// The fields of a set.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SetOf {
    /// Scalar members at the top of a document.
    Document(usize),
    /// Fields of query and form.
    Fields,
    /// Fields of the form.
    Form,
}

/// The order of a set.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Order {
    /// By name, letters of any case alike (folded to lower case, as PHP's `strcasecmp` does).
    AnyCase,
    /// By name, byte for byte.
    Bytes,
    /// As they were sent.
    Sent,
}

/// A piece of how a field of a set is written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Render {
    /// Its name.
    Name,
    /// Words.
    Text(String),
    /// Its value.
    Value,
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
        /// Where the key comes from.
        key: KeySource,
    },
}

/// Where a public key comes from.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// The first certificate of what an exchange fetched.
    Certificate {
        /// The exchange.
        exchange: usize,
        /// The parameter that lists trusted roots.
        roots: usize,
        /// The parameter that lists intermediates.
        intermediates: Option<usize>,
        /// Whose certificate it must be.
        names: Names,
    },
    /// A parameter: PEM keys or certificates.
    Param(Expr),
}

/// The algorithms that a proof accepts.
#[derive(Clone, Debug)]
pub enum Algorithms {
    /// Fixed by the rule.
    Fixed(HashAlgorithm),
    /// Chosen by the route: the parameter of that index.
    Param(usize),
}

impl SetPlan {
    /// Whether names are written beside the values.
    pub fn signs_names(&self) -> bool {
        self.render.contains(&Render::Name)
    }

    /// Whether a field of that name is one of them.
    pub fn takes(&self, name: &[u8]) -> bool {
        let begins = |prefix: &String| {
            let head = name.get(..prefix.len());
            head.is_some_and(|head| head.eq_ignore_ascii_case(prefix.as_bytes()))
        };
        self.prefix.as_ref().is_none_or(begins)
            && !self.except.iter().any(|except| except.as_bytes() == name)
    }
}

impl TagProof {
    /// Every value among its parts.
    pub fn values(&self) -> Vec<&Expr> {
        let mut values = Vec::new();
        for part in &self.over {
            match &part.kind {
                PartKind::Value(expr) => values.push(expr),
                PartKind::Set(set) => values.extend(set.insert.iter().map(|(_, expr)| expr)),
            }
        }
        values
    }

    /// Whether it stands in, or is made of, the items of a batch.
    pub fn is_of_items(&self) -> bool {
        let mut values = self.values();
        values.push(&self.tag);
        values.iter().flat_map(|expr| expr.places()).any(|place| matches!(place, Ref::Item(_)))
    }

    /// What it is worth under that algorithm: over a checksum, nothing is worth more than that.
    pub fn strength(&self, algorithm: SignatureAlgorithm) -> Strength {
        self.worth(if algorithm.is_weak() { Strength::Weak } else { Strength::Strong })
    }

    /// What it is worth where its algorithm is worth that.
    pub fn worth(&self, algorithm: Strength) -> Strength {
        if self.is_over_checksum() { Strength::Weak } else { algorithm }
    }

    /// Whether a part is a checksum of what it stands for.
    pub fn is_over_checksum(&self) -> bool {
        let is_checksum = |expr: &&Expr| expr.steps.contains(&Step::Crc32);
        self.values().iter().any(is_checksum)
    }
}
