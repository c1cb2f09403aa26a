//! Reads the places that a rule names: request, parameters, what was decrypted, the payload.

use std::borrow::Cow;

use crate::engine::plan::{Condition, Expr, PathStep, Predicate, Ref, Step};
use crate::engine::reason::{Reason, Reject};
use crate::engine::request::Reading;
use crate::engine::secret::Secret;
use crate::engine::value::Value;

/// Everything that an expression can see.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'s> {
    pub(crate) reading: &'s Reading<'s>,
    /// Resolved values, by the index of the parameter.
    pub(crate) params: &'s [Vec<Secret>],
    pub(crate) decrypted: Option<&'s [u8]>,
    pub(crate) payload: Option<&'s Value<'s>>,
}

/// What stands at a place before the steps.
enum Found<'s> {
    Bytes(&'s [u8]),
    Value(&'s Value<'s>),
}

impl<'s> Scope<'s> {
    /// The bytes at a place, steps applied; `None`: absent or empty.
    pub(crate) fn bytes(&self, expr: &'s Expr) -> Result<Option<Cow<'s, [u8]>>, Reject> {
        let start = match self.find(&expr.source) {
            None => return Ok(None),
            Some(Found::Bytes(bytes)) => Cow::Borrowed(bytes),
            Some(Found::Value(value)) => match scalar(value) {
                Scalar::Absent => return Ok(None),
                Scalar::Text(text) => Cow::Borrowed(text.as_bytes()),
                Scalar::Compound => return Err(malformed(expr)),
            },
        };
        let end = expr.steps.iter().try_fold(start, |bytes, step| apply(*step, bytes));
        match end {
            Some(bytes) if bytes.is_empty() => Ok(None),
            Some(bytes) => Ok(Some(bytes)),
            None => Err(Reject::new(Reason::PayloadMalformed, &*expr.text)),
        }
    }

    /// The text at a place, steps applied; `None`: absent, null or empty.
    pub(crate) fn text(&self, expr: &'s Expr) -> Result<Option<Cow<'s, str>>, Reject> {
        match self.bytes(expr)? {
            None => Ok(None),
            Some(Cow::Borrowed(bytes)) => std::str::from_utf8(bytes)
                .map(|text| Some(Cow::Borrowed(text)))
                .map_err(|_| malformed(expr)),
            Some(Cow::Owned(bytes)) => String::from_utf8(bytes)
                .map(|text| Some(Cow::Owned(text)))
                .map_err(|_| malformed(expr)),
        }
    }

    /// The text at the first of these places that has any.
    pub(crate) fn first_text(&self, exprs: &'s [Expr]) -> Result<Option<Cow<'s, str>>, Reject> {
        for expr in exprs {
            if let Some(text) = self.text(expr)? {
                return Ok(Some(text));
            }
        }
        Ok(None)
    }

    /// Whether a condition holds. What cannot be read as the condition needs it does not hold.
    pub(crate) fn holds(&self, condition: &'s Condition) -> bool {
        match condition {
            Condition::All(all) => all.iter().all(|one| self.holds(one)),
            Condition::Any(any) => any.iter().any(|one| self.holds(one)),
            Condition::Not(one) => !self.holds(one),
            Condition::Value(expr, Predicate::Truth(wanted)) => {
                matches!(self.find(&expr.source), Some(Found::Value(Value::Bool(is))) if is == wanted)
            }
            Condition::Value(expr, predicate) => {
                let text = self.text(expr);
                match predicate {
                    Predicate::Present(wanted) => {
                        text.as_ref().is_ok_and(|text| text.is_some() == *wanted)
                    }
                    Predicate::Prefix(prefix) => {
                        matches!(text, Ok(Some(text)) if text.starts_with(prefix.as_str()))
                    }
                    Predicate::Text(words) => {
                        matches!(text, Ok(Some(text)) if words.iter().any(|word| *word == *text))
                    }
                    Predicate::Truth(_) => false,
                }
            }
        }
    }

    fn find(&self, source: &'s Ref) -> Option<Found<'s>> {
        let bytes = match source {
            Ref::Body => self.reading.body,
            Ref::Decrypted => self.decrypted?,
            Ref::Field(index) => self.reading.fields.get(*index)?.as_deref()?,
            Ref::Header(index) => self.reading.headers.get(*index)?.value?,
            Ref::HeaderPart(header, part) => {
                self.reading.headers.get(*header)?.parts.get(*part)?.first().copied()?
            }
            Ref::Literal(words) => words.as_bytes(),
            Ref::Param(index) => self.params.get(*index)?.first()?.expose(),
            Ref::Payload(path) => return walk(self.payload?, path).map(Found::Value),
        };
        Some(Found::Bytes(bytes))
    }
}

/// The value at a path below `value`.
pub(crate) fn walk<'v>(value: &'v Value<'v>, path: &[PathStep]) -> Option<&'v Value<'v>> {
    path.iter().try_fold(value, |value, step| match (value, step) {
        (Value::Object(object), PathStep::Key(key)) => object.get(key),
        (Value::List(items), PathStep::Index(index)) => items.get(*index),
        _ => None,
    })
}

enum Scalar<'v> {
    Absent,
    Text(&'v str),
    Compound,
}

/// JSON types drift (ids and amounts come as text or number), so both are read as their text.
fn scalar<'v>(value: &'v Value<'v>) -> Scalar<'v> {
    match value {
        Value::Null => Scalar::Absent,
        Value::Bool(true) => Scalar::Text("true"),
        Value::Bool(false) => Scalar::Text("false"),
        Value::Number(digits) => Scalar::Text(digits),
        Value::Text(text) => Scalar::Text(text),
        Value::List(_) | Value::Object(_) => Scalar::Compound,
    }
}

/// One step; `None`: the value cannot be taken so.
pub(crate) fn apply(step: Step, bytes: Cow<'_, [u8]>) -> Option<Cow<'_, [u8]>> {
    match step {
        Step::Decode(encoding) => encoding.decode(&bytes).map(Cow::Owned),
        Step::Fit(len) => {
            let mut bytes = bytes.into_owned();
            bytes.resize(len, 0);
            Some(Cow::Owned(bytes))
        }
        Step::Lower => Some(Cow::Owned(bytes.to_ascii_lowercase())),
        Step::Upper => Some(Cow::Owned(bytes.to_ascii_uppercase())),
    }
}

fn malformed(expr: &Expr) -> Reject {
    Reject::new(Reason::FieldMalformed, &*expr.text)
}
