//! From an untrusted inbound to a reading: the method, type, fields and headers that the rule
//! declares, each once and where it belongs. Cheap checks only; nothing is believed yet.

use std::borrow::Cow;

use crate::engine::form;
use crate::engine::inbound::Inbound;
use crate::engine::plan::{BodyKind, Field, FieldPlace, Header, Pairs, RequestPlan};
use crate::engine::reason::{Reason, Reject};

/// Values of one repeated header key, at most. More is no rotation of secrets any more.
const VALUES_OF_A_KEY_MAX: usize = 16;

/// What the rule declares, found. Still unproved.
pub(crate) struct Reading<'a> {
    pub(crate) body: &'a [u8],
    /// One for each declared field; `None`: absent or empty.
    pub(crate) fields: Vec<Option<Cow<'a, [u8]>>>,
    /// One for each declared header.
    pub(crate) headers: Vec<HeaderReading<'a>>,
}

/// One header.
#[derive(Default)]
pub(crate) struct HeaderReading<'a> {
    /// `None`: absent or empty.
    pub(crate) value: Option<&'a [u8]>,
    /// The values of each declared key, for a header of pairs.
    pub(crate) parts: Vec<Vec<&'a [u8]>>,
}

/// Reads an inbound as the rule declares it.
pub(crate) fn read<'a>(plan: &RequestPlan, inbound: &Inbound<'a>) -> Result<Reading<'a>, Reject> {
    if !plan.methods.iter().any(|method| method == inbound.method) {
        return Err(Reject::new(Reason::MethodNotAllowed, "method"));
    }
    media_type(plan.body, inbound)?;
    let fields = fields(plan, inbound)?;
    let headers =
        plan.headers.iter().map(|header| read_header(header, inbound)).collect::<Result<_, _>>()?;
    Ok(Reading { body: inbound.body, fields, headers })
}

/// The content type must be the rule's; it never chooses the parser. A bodiless GET has none.
fn media_type(body: BodyKind, inbound: &Inbound<'_>) -> Result<(), Reject> {
    let wanted: &[u8] = match body {
        BodyKind::Form => b"application/x-www-form-urlencoded",
        BodyKind::Json => b"application/json",
        BodyKind::Any => return Ok(()),
    };
    if inbound.method == "GET" && inbound.body.is_empty() {
        return Ok(());
    }
    let mut lines = inbound.header_lines("content-type");
    let found = lines.next().unwrap_or_default();
    if lines.next().is_some() {
        return Err(Reject::new(Reason::DuplicateHeader, "header.content-type"));
    }
    let essence = found.split(|&byte| byte == b';').next().unwrap_or_default();
    if essence.trim_ascii().eq_ignore_ascii_case(wanted) {
        Ok(())
    } else {
        Err(Reject::new(Reason::UnsupportedMediaType, "header.content-type"))
    }
}

/// Every declared field, once over query and body. `name[…]` is not the field, but beside the
/// field it is a second one to a parser that nests (PHP), so the two together are refused.
fn fields<'a>(
    plan: &RequestPlan,
    inbound: &Inbound<'a>,
) -> Result<Vec<Option<Cow<'a, [u8]>>>, Reject> {
    let declared = &plan.fields;
    let mut found: Vec<Option<Cow<'a, [u8]>>> = vec![None; declared.len()];
    if declared.is_empty() && plan.absent.is_empty() {
        return Ok(found);
    }
    // How often, and whether as `name[…]`.
    let mut times = vec![(0_u8, false); declared.len()];
    let body: &[u8] = if plan.body == BodyKind::Form { inbound.body } else { b"" };
    for (bytes, here) in [(inbound.query().as_bytes(), FieldPlace::Query), (body, FieldPlace::Body)]
    {
        for pair in form::pairs(bytes) {
            let (name, value) = pair.map_err(|_| Reject::new(Reason::PayloadMalformed, "form"))?;
            if let Some(index) = declared.iter().position(|field| field.name.as_bytes() == &*name) {
                times[index].0 = times[index].0.saturating_add(1);
                let place = declared[index].place;
                if (place == here || place == FieldPlace::Either) && !value.is_empty() {
                    found[index] = Some(value);
                }
            } else if plan.absent.iter().any(|absent| absent.as_bytes() == &*name) {
                return Err(Reject::new(Reason::UnexpectedField, "form"));
            } else if let Some(stem) = name.split(|&byte| byte == b'[').next()
                && stem.len() < name.len()
            {
                for (index, field) in declared.iter().enumerate() {
                    times[index].1 |= field.name.as_bytes() == stem;
                }
            }
        }
    }
    for (index, field) in declared.iter().enumerate() {
        let (times, nested) = times[index];
        let times = times.saturating_add(u8::from(nested));
        check_field(field, times, found[index].as_deref())?;
    }
    Ok(found)
}

fn check_field(field: &Field, times: u8, value: Option<&[u8]>) -> Result<(), Reject> {
    let reject = |reason| Err(Reject::new(reason, format!("field.{}", field.name)));
    match (value, &field.pattern) {
        _ if times > 1 => reject(Reason::DuplicateField),
        (None, _) if !field.optional => reject(Reason::FieldMissing),
        (Some(value), Some(pattern)) if !pattern.matches(value) => reject(Reason::FieldMalformed),
        _ => Ok(()),
    }
}

fn read_header<'a>(header: &Header, inbound: &Inbound<'a>) -> Result<HeaderReading<'a>, Reject> {
    let reject = |reason| Err(Reject::new(reason, format!("header.{}", header.name)));
    let mut lines = inbound.header_lines(&header.name);
    let value = lines.next().map(<[u8]>::trim_ascii).filter(|value| !value.is_empty());
    if lines.next().is_some() {
        return reject(Reason::DuplicateHeader);
    }
    let Some(value) = value else {
        if !header.optional {
            return reject(Reason::FieldMissing);
        }
        let parts = header.pairs.as_ref().map_or(0, |pairs| pairs.keys.len());
        return Ok(HeaderReading { value: None, parts: vec![Vec::new(); parts] });
    };
    if header.pattern.as_ref().is_some_and(|pattern| !pattern.matches(value)) {
        return reject(Reason::FieldMalformed);
    }
    let parts = match &header.pairs {
        Some(pairs) => take_apart(&header.name, pairs, value)?,
        None => Vec::new(),
    };
    Ok(HeaderReading { value: Some(value), parts })
}

/// Keys that are not declared are ignored, so that a gateway may add some and a weaker signature
/// beside ours never counts.
fn take_apart<'a>(
    header: &str,
    pairs: &Pairs,
    value: &'a [u8],
) -> Result<Vec<Vec<&'a [u8]>>, Reject> {
    let mut parts = vec![Vec::new(); pairs.keys.len()];
    for pair in value.split(|&byte| byte == pairs.separator) {
        let Some(at) = memchr::memchr(pairs.equals, pair) else { continue };
        let (name, rest) = pair.split_at(at);
        let Some(index) = pairs.keys.iter().position(|key| key.name.as_bytes() == name) else {
            continue;
        };
        let (key, value) = (&pairs.keys[index], &rest[1..]);
        let found = &mut parts[index];
        let most = if key.many { VALUES_OF_A_KEY_MAX } else { 1 };
        if found.len() == most
            || key.pattern.as_ref().is_some_and(|pattern| !pattern.matches(value))
        {
            let at = format!("header.{header}.{}", key.name);
            return Err(Reject::new(Reason::SignatureMalformed, at));
        }
        found.push(value);
    }
    Ok(parts)
}
