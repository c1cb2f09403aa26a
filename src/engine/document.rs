//! Opens what is packed in a request, and the answers of exchanges.

use std::borrow::Cow;

use crate::engine::form;
use crate::engine::json::{self, JsonError};
use crate::engine::plan::{AnswerFormat, Document, DocumentField, Format};
use crate::engine::reason::{Reason, Reject};
use crate::engine::scope::Scope;
use crate::engine::value::Value;
use crate::engine::xml::{self, Names, XmlError};

/// Opens the document of that index, once.
pub(crate) fn open<'s>(
    document: &'s Document,
    index: usize,
    scope: Scope<'s>,
) -> Result<(), Reject> {
    let (Some(packed), Some(cell)) =
        (scope.room.packed.get(index), scope.room.documents.get(index))
    else {
        return Ok(());
    };
    if cell.get().is_some() {
        return Ok(());
    }
    let malformed = || Reject::new(Reason::PayloadMalformed, &*document.from.text);
    let bytes = match scope.bytes(&document.from) {
        Ok(None) if document.optional => return Ok(()),
        found => found.ok().flatten().ok_or_else(malformed)?,
    };
    let bytes = packed.get_or_init(|| bytes);
    let value = read(document.format, bytes).map_err(|error| match error {
        JsonError::DuplicateKey => Reject::new(Reason::DuplicateField, &*document.from.text),
        _ => malformed(),
    })?;
    let value = cell.get_or_init(|| value);
    if let (Some(closed), Some(top)) = (&document.closed, value.as_object()) {
        let stranger =
            top.members().iter().any(|(name, _)| !closed.allows(name.as_bytes(), scope.params));
        if stranger {
            return Err(Reject::new(Reason::UnexpectedField, &*document.name));
        }
    }
    check_places(&document.fields, scope)
}

fn read(format: Format, bytes: &[u8]) -> Result<Value<'_>, JsonError> {
    let json = match format {
        Format::Json | Format::JsonList => true,
        Format::JsonOrForm => bytes.trim_ascii_start().starts_with(b"{"),
        Format::Form => false,
        Format::Xml { lower } => return read_xml(lower, bytes),
    };
    let value = if json {
        json::parse(bytes)?
    } else {
        form::parse_flat(bytes).map_err(|error| match error {
            form::FormError::DuplicateKey => JsonError::DuplicateKey,
            form::FormError::Malformed | form::FormError::TooMany => JsonError::Malformed,
        })?
    };
    match (&value, format) {
        (Value::List(_), Format::JsonList)
        | (Value::Object(_), Format::Json | Format::JsonOrForm | Format::Form) => Ok(value),
        _ => Err(JsonError::Malformed),
    }
}

fn read_xml(lower: bool, bytes: &[u8]) -> Result<Value<'_>, JsonError> {
    let names = if lower { Names::Lower } else { Names::AsWritten };
    xml::parse(bytes, names).map_err(|error| match error {
        XmlError::DuplicateKey => JsonError::DuplicateKey,
        _ => JsonError::Malformed,
    })
}

/// Reads the answer of an exchange; `None`: it is no answer.
pub(crate) fn answer<'b>(format: &AnswerFormat, bytes: &'b [u8]) -> Option<Value<'b>> {
    match format {
        AnswerFormat::Form => read(Format::Form, bytes).ok(),
        AnswerFormat::Json => read(Format::Json, bytes).ok(),
        AnswerFormat::Xml { lower } => read_xml(*lower, bytes).ok(),
        AnswerFormat::Keys | AnswerFormat::Words { .. } => {
            std::str::from_utf8(bytes).ok().map(|text| Value::Text(Cow::Borrowed(text)))
        }
    }
}

/// What places must look like.
pub(crate) fn check_places<'s>(
    fields: &'s [DocumentField],
    scope: Scope<'s>,
) -> Result<(), Reject> {
    for field in fields {
        let reject = |reason| Err(Reject::new(reason, &*field.at.text));
        match scope.text(&field.at)? {
            None if field.optional => {}
            None => return reject(Reason::FieldMissing),
            Some(text) => {
                if field.pattern.as_ref().is_some_and(|pattern| !pattern.matches(text.as_bytes())) {
                    return reject(field.otherwise);
                }
            }
        }
    }
    Ok(())
}
