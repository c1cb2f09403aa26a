//! Reads the places that a rule names: request, parameters, what was decrypted, documents.

use std::borrow::Cow;
use std::cell::OnceCell;

use crate::engine::inbound::UnixSeconds;
use crate::engine::plan::{Condition, Expr, PathStep, Predicate, Ref};
use crate::engine::reason::{Reason, Reject};
use crate::engine::request::Reading;
use crate::engine::secret::Secret;
use crate::engine::step;
use crate::engine::value::Value;

/// What is found out while an inbound is judged. Each cell is filled once.
pub(crate) struct Room<'s> {
    /// The bytes of each document.
    pub(crate) packed: Vec<OnceCell<Cow<'s, [u8]>>>,
    /// Each document, opened.
    pub(crate) documents: Vec<OnceCell<Value<'s>>>,
    pub(crate) decrypted: OnceCell<Vec<u8>>,
    pub(crate) claims: OnceCell<Vec<u8>>,
}

impl Room<'_> {
    pub(crate) fn new(documents: usize) -> Self {
        Self {
            packed: std::iter::repeat_with(OnceCell::new).take(documents).collect(),
            documents: std::iter::repeat_with(OnceCell::new).take(documents).collect(),
            decrypted: OnceCell::new(),
            claims: OnceCell::new(),
        }
    }
}

/// Everything that an expression can see.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'s> {
    pub(crate) reading: &'s Reading<'s>,
    /// Resolved values, by the index of the parameter.
    pub(crate) params: &'s [Vec<Secret>],
    pub(crate) room: &'s Room<'s>,
    /// The item of the batch.
    pub(crate) item: Option<&'s Value<'s>>,
    pub(crate) now: UnixSeconds,
}

/// What stands at a place before the steps.
enum Found<'s> {
    Bytes(Cow<'s, [u8]>),
    Value(&'s Value<'s>),
}

impl<'s> Scope<'s> {
    /// The bytes at a place, steps applied; `None`: absent or empty.
    pub(crate) fn bytes(&self, expr: &'s Expr) -> Result<Option<Cow<'s, [u8]>>, Reject> {
        let start = match self.find(&expr.source)? {
            None => return Ok(None),
            Some(Found::Bytes(bytes)) => bytes,
            Some(Found::Value(value)) => match scalar(value) {
                Scalar::Absent => return Ok(None),
                Scalar::Text(text) => Cow::Borrowed(text.as_bytes()),
                Scalar::Compound => return Err(malformed(expr)),
            },
        };
        let end = expr.steps.iter().try_fold(start, |bytes, step| step::apply(step, bytes));
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
            Condition::Value(expr, predicate) => {
                let text = self.text(expr);
                match predicate {
                    Predicate::Present(wanted) => match text {
                        Ok(text) => text.is_some() == *wanted,
                        // A list or an object is there, though it has no text.
                        Err(_) => *wanted,
                    },
                    Predicate::Prefix(prefix) => {
                        matches!(text, Ok(Some(text)) if text.starts_with(prefix.as_str()))
                    }
                    Predicate::Suffix(suffix) => {
                        matches!(text, Ok(Some(text)) if text.ends_with(suffix.as_str()))
                    }
                    Predicate::Matches(pattern) => {
                        matches!(text, Ok(Some(text)) if pattern.matches(text.as_bytes()))
                    }
                    Predicate::Text(words) => {
                        matches!(text, Ok(Some(text)) if words.iter().any(|word| *word == *text))
                    }
                }
            }
        }
    }

    /// The value at a place of a document or an item, whatever it is.
    pub(crate) fn value(&self, expr: &'s Expr) -> Option<&'s Value<'s>> {
        match self.find(&expr.source) {
            Ok(Some(Found::Value(value))) => Some(value),
            _ => None,
        }
    }

    fn find(&self, source: &'s Ref) -> Result<Option<Found<'s>>, Reject> {
        Ok(match source {
            Ref::Joined(parts) => {
                let mut joined = Vec::new();
                for part in parts {
                    match self.bytes(part)? {
                        Some(bytes) => joined.extend_from_slice(&bytes),
                        None => return Ok(None),
                    }
                }
                Some(Found::Bytes(Cow::Owned(joined)))
            }
            Ref::Now => Some(Found::Bytes(Cow::Owned(self.now.to_string().into_bytes()))),
            Ref::Document(index, path) => {
                let document = self.room.documents.get(*index).and_then(OnceCell::get);
                document.and_then(|value| walk(value, path)).map(Found::Value)
            }
            Ref::Item(path) => self.item.and_then(|item| walk(item, path)).map(Found::Value),
            place => self.borrowed(place).map(|bytes| Found::Bytes(Cow::Borrowed(bytes))),
        })
    }

    /// The bytes of a place that has them as they are.
    fn borrowed(&self, place: &'s Ref) -> Option<&'s [u8]> {
        let part =
            |values: &'s [Vec<Vec<u8>>], part: usize| values.get(part)?.first().map(Vec::as_slice);
        Some(match place {
            Ref::Body => self.reading.body,
            Ref::Claims => self.room.claims.get()?,
            Ref::Decrypted => self.room.decrypted.get()?,
            Ref::Field(index) => self.reading.fields.get(*index)?.value.as_deref()?,
            Ref::FieldPart(index, key) => part(&self.reading.fields.get(*index)?.parts, *key)?,
            Ref::Header(index) => self.reading.headers.get(*index)?.value.as_deref()?,
            Ref::HeaderPart(index, key) => part(&self.reading.headers.get(*index)?.parts, *key)?,
            Ref::Literal(words) => words.as_bytes(),
            Ref::Param(index) => self.params.get(*index)?.first()?.expose(),
            Ref::Path => self.reading.target.split('?').next()?.as_bytes(),
            Ref::Target => self.reading.target.as_bytes(),
            Ref::Document(..) | Ref::Item(_) | Ref::Joined(_) | Ref::Now | Ref::ReplyTag => {
                return None;
            }
        })
    }
}

/// The value at a path below `value`.
pub(crate) fn walk<'v>(value: &'v Value<'v>, path: &[PathStep]) -> Option<&'v Value<'v>> {
    path.iter().try_fold(value, |value, step| match (value, step) {
        (Value::Object(object), PathStep::Key(key)) => object.get(key),
        (Value::List(items), PathStep::Index(index)) => items.get(*index),
        (Value::List(items), PathStep::Where(key, wanted)) => {
            items.iter().find(|item| says(item, key, wanted))
        }
        // In XML one child is no list.
        (item @ Value::Object(_), PathStep::Where(key, wanted)) => {
            says(item, key, wanted).then_some(item)
        }
        _ => None,
    })
}

fn says(item: &Value<'_>, key: &str, wanted: &str) -> bool {
    let found = item.as_object().and_then(|item| item.get(key));
    found.and_then(Value::as_text) == Some(wanted)
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

/// The text of a scalar; `None` for null, lists and objects.
pub(crate) fn scalar_text<'v>(value: &'v Value<'v>) -> Option<&'v str> {
    match scalar(value) {
        Scalar::Text(text) => Some(text),
        Scalar::Absent | Scalar::Compound => None,
    }
}

fn malformed(expr: &Expr) -> Reject {
    Reject::new(Reason::FieldMalformed, &*expr.text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::xml;

    #[test]
    fn an_item_is_found_by_what_it_says_also_where_it_is_the_only_one() {
        let path = [
            PathStep::Key("r".to_owned()),
            PathStep::Key("o".to_owned()),
            PathStep::Where("s".to_owned(), "PAID".to_owned()),
            PathStep::Key("n".to_owned()),
        ];
        for (text, found) in [
            ("<r><o><s>PAID</s><n>1</n></o></r>", Some("1")),
            ("<r><o><s>NEW</s><n>1</n></o><o><s>PAID</s><n>2</n></o></r>", Some("2")),
            ("<r><o><s>NEW</s><n>1</n></o></r>", None),
            ("<r><o>PAID</o></r>", None),
        ] {
            let read = xml::parse(text.as_bytes(), xml::Names::AsWritten).expect("well-formed");
            assert_eq!(walk(&read, &path).and_then(Value::as_text), found, "{text}");
        }
    }
}
