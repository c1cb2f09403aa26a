//! What may be asked of the gateway.

use std::sync::Arc;

use crate::engine::plan::{DocumentField, Expr};

/// One question, and what is taken for an answer.
#[derive(Clone, Debug)]
pub struct ExchangePlan {
    /// What references, metrics and logs call it.
    pub name: Arc<str>,
    /// `GET` or `POST`.
    pub method: &'static str,
    /// The address; its inserts are escaped.
    pub url: Expr,
    /// The only hosts it may name, lower case; empty: the rule or the operator wrote the host.
    pub hosts: Vec<String>,
    /// Names in lower case.
    pub headers: Vec<(&'static str, Expr)>,
    /// Credentials.
    pub auth: Auth,
    /// The body.
    pub body: ExchangeBody,
    /// Exchanges whose answers it needs.
    pub needs: Vec<usize>,
    /// Seconds for which an answer may be kept.
    pub cache_seconds: Option<u32>,
    /// Statuses by which the gateway says no.
    pub refused: Vec<u16>,
    /// As what the answer is read.
    pub answer: AnswerFormat,
    /// What some places of the answer must look like, or it is no answer.
    pub fields: Vec<DocumentField>,
}

/// Credentials of a question.
#[derive(Clone, Debug)]
pub enum Auth {
    /// `Basic` (RFC 7617). `None`: the password is empty, as where the user is a key.
    Basic(Expr, Option<Expr>),
    /// `Bearer` (RFC 6750).
    Bearer(Expr),
    /// None.
    None,
}

/// The body of a question.
#[derive(Clone, Debug)]
pub enum ExchangeBody {
    /// `application/x-www-form-urlencoded`, in this order.
    Form(Vec<(String, Expr)>),
    /// None.
    None,
    /// These bytes, as that content type.
    Raw(String, Expr),
}

/// As what an answer is read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum AnswerFormat {
    /// A list of names and values.
    Form,
    /// One JSON object.
    Json,
    /// PEM certificates or a key set: whoever needs it reads it.
    Keys,
    /// One of two words, exactly.
    Words {
        /// By this one the gateway says yes.
        yes: String,
        /// By this one it says no.
        no: String,
    },
    /// XML, names folded to lower case where wanted.
    Xml {
        /// Fold them.
        lower: bool,
    },
}
