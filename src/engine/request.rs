//! From an untrusted inbound to a reading: the method, type, fields and headers that the rule
//! declares, each once and where it belongs. Cheap checks only; nothing is believed yet.

use std::borrow::Cow;
use std::net::IpAddr;

use crate::engine::charset::Charset;
use crate::engine::form;
use crate::engine::inbound::Inbound;
use crate::engine::pattern::Pattern;
use crate::engine::plan::{
    BodyKind, Closed, Field, FieldPlace, Header, Pairs, RequestCharset, RequestPlan,
};
use crate::engine::reason::{Reason, Reject};
use crate::engine::secret::Secret;

/// Values of one repeated key of pairs, at most. More is no rotation of secrets any more.
const VALUES_OF_A_KEY_MAX: usize = 16;

/// Lines of `X-Forwarded-For` that are looked at.
const FORWARDED_LINES_MAX: usize = 16;

/// What the rule declares, found. Still unproved.
pub(crate) struct Reading<'a> {
    /// As it came, for signatures over the message itself.
    pub(crate) inbound: Inbound<'a>,
    pub(crate) target: &'a str,
    pub(crate) body: &'a [u8],
    pub(crate) peer: Option<IpAddr>,
    /// `X-Forwarded-For`, line by line.
    pub(crate) forwarded_for: Vec<&'a [u8]>,
    /// The credentials, if the header is there, once.
    pub(crate) authorization: Option<&'a [u8]>,
    /// One for each declared field.
    pub(crate) fields: Vec<ValueReading<'a>>,
    /// Every name and value in the order they were sent, if the rule wants them.
    pub(crate) all: Vec<Sent<'a>>,
    /// One for each declared header.
    pub(crate) headers: Vec<ValueReading<'a>>,
}

/// One field or header.
#[derive(Clone, Default)]
pub(crate) struct ValueReading<'a> {
    /// `None`: absent or empty.
    pub(crate) value: Option<Cow<'a, [u8]>>,
    /// The values of each declared key, for a value of pairs.
    pub(crate) parts: Vec<Vec<Vec<u8>>>,
}

/// Reads an inbound as the rule declares it.
pub(crate) fn read<'a>(
    plan: &RequestPlan,
    params: &[Vec<Secret>],
    inbound: &Inbound<'a>,
) -> Result<Reading<'a>, Reject> {
    if !plan.methods.iter().any(|method| method == inbound.method) {
        return Err(Reject::new(Reason::MethodNotAllowed, "method"));
    }
    media_type(plan.body, inbound)?;
    let (fields, all) = fields(plan, params, inbound)?;
    let headers =
        plan.headers.iter().map(|header| read_header(header, inbound)).collect::<Result<_, _>>()?;
    Ok(Reading {
        inbound: *inbound,
        target: inbound.target,
        body: inbound.body,
        peer: inbound.remote_addr,
        forwarded_for: inbound.header_lines("x-forwarded-for").take(FORWARDED_LINES_MAX).collect(),
        authorization: authorization(inbound)?,
        fields,
        all,
        headers,
    })
}

fn authorization<'a>(inbound: &Inbound<'a>) -> Result<Option<&'a [u8]>, Reject> {
    let mut lines = inbound.header_lines("authorization");
    let found = lines.next();
    if lines.next().is_some() {
        return Err(Reject::new(Reason::DuplicateHeader, "header.authorization"));
    }
    Ok(found)
}

/// The content type must be the rule's; it never chooses the parser. A bodiless GET has none.
pub(crate) fn media_type(body: BodyKind, inbound: &Inbound<'_>) -> Result<(), Reject> {
    let wanted: &[&[u8]] = match body {
        BodyKind::Form => &[b"application/x-www-form-urlencoded"],
        BodyKind::FormOrJson => &[b"application/x-www-form-urlencoded", b"application/json"],
        BodyKind::Json => &[b"application/json"],
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
    let essence = found.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
    if wanted.iter().any(|wanted| essence.eq_ignore_ascii_case(wanted)) {
        Ok(())
    } else {
        Err(Reject::new(Reason::UnsupportedMediaType, "header.content-type"))
    }
}

/// A name, its value and where it stood.
pub(crate) type Sent<'a> = (Cow<'a, [u8]>, Cow<'a, [u8]>, FieldPlace);

/// The fields that are declared, and all of them where the rule wants them.
type Found<'a> = (Vec<ValueReading<'a>>, Vec<Sent<'a>>);

/// Every declared field, once over query and body. `name[…]` is not the field, but beside the
/// field it is a second one to a parser that nests (PHP), so the two together are refused.
fn fields<'a>(
    plan: &RequestPlan,
    params: &[Vec<Secret>],
    inbound: &Inbound<'a>,
) -> Result<Found<'a>, Reject> {
    let declared = &plan.fields;
    if declared.is_empty() && plan.absent.is_empty() && plan.closed.is_none() && !plan.keep_all {
        return Ok((Vec::new(), Vec::new()));
    }
    let charset = charset(plan, inbound)?;
    let mut found: Vec<ValueReading<'a>> = vec![ValueReading::default(); declared.len()];
    let mut all = Vec::new();
    // How often, and whether as `name[…]`.
    let mut times = vec![(0_u8, false); declared.len()];
    for sent in sent(plan, inbound) {
        let (name, value, here) = sent?;
        let (name, value) = (recoded(name, charset)?, recoded(value, charset)?);
        if let Some(index) = declared.iter().position(|field| field.name.as_bytes() == &*name) {
            times[index].0 = times[index].0.saturating_add(1);
            let place = declared[index].place;
            if (place == here || place == FieldPlace::Either) && !value.is_empty() {
                found[index].value = Some(value.clone());
            }
        } else {
            undeclared(plan, params, &name, &mut times)?;
        }
        if plan.keep_all {
            all.push((name, value, here));
        }
    }
    for (index, field) in declared.iter().enumerate() {
        let (times, nested) = times[index];
        let times = times.saturating_add(u8::from(nested));
        check_field(field, times, found[index].value.as_deref())?;
        if let (Some(pairs), Some(value)) = (&field.pairs, &found[index].value) {
            found[index].parts = take_apart(&format!("field.{}", field.name), pairs, value)?;
        }
    }
    Ok((found, all))
}

/// Every pair of the query, then of a form.
fn sent<'a>(
    plan: &RequestPlan,
    inbound: &Inbound<'a>,
) -> impl Iterator<Item = Result<Sent<'a>, Reject>> + use<'a> {
    let body: &[u8] = if plan.body == BodyKind::Form { inbound.body } else { b"" };
    [(inbound.query().as_bytes(), FieldPlace::Query), (body, FieldPlace::Body)]
        .into_iter()
        .flat_map(|(bytes, here)| form::pairs(bytes).map(move |pair| (pair, here)))
        .map(|(pair, here)| match pair {
            Ok((name, value)) => Ok((name, value, here)),
            Err(_) => Err(Reject::new(Reason::PayloadMalformed, "form")),
        })
}

/// What the fields are written in. A field that names it is ASCII in every charset here.
fn charset(plan: &RequestPlan, inbound: &Inbound<'_>) -> Result<Option<Charset>, Reject> {
    let (index, otherwise) = match &plan.charset {
        None => return Ok(None),
        Some(RequestCharset::Fixed(charset)) => return Ok(Some(*charset)),
        Some(RequestCharset::Field(index, otherwise)) => (*index, *otherwise),
    };
    let name = plan.fields.get(index).map_or("", |field| field.name.as_str());
    for sent in sent(plan, inbound) {
        let (found, value, _) = sent?;
        if &*found == name.as_bytes() && !value.is_empty() {
            let charset = std::str::from_utf8(&value).ok().and_then(Charset::from_word);
            let malformed = || Reject::new(Reason::FieldMalformed, format!("field.{name}"));
            return charset.ok_or_else(malformed).map(Some);
        }
    }
    Ok(Some(otherwise))
}

/// Bytes of a charset as UTF-8.
fn recoded(bytes: Cow<'_, [u8]>, charset: Option<Charset>) -> Result<Cow<'_, [u8]>, Reject> {
    let Some(charset) = charset else { return Ok(bytes) };
    if bytes.is_ascii() {
        return Ok(bytes);
    }
    let text = charset.decode(&bytes).ok_or(Reject::new(Reason::PayloadMalformed, "form"))?;
    Ok(Cow::Owned(text.into_owned().into_bytes()))
}

/// What becomes of a name that is not declared.
fn undeclared(
    plan: &RequestPlan,
    params: &[Vec<Secret>],
    name: &[u8],
    times: &mut [(u8, bool)],
) -> Result<(), Reject> {
    let unexpected = || Err(Reject::new(Reason::UnexpectedField, "form"));
    if plan.absent.iter().any(|absent| absent.as_bytes() == name) {
        return unexpected();
    }
    let stem = name.split(|&byte| byte == b'[').next().unwrap_or_default();
    if stem.len() < name.len() {
        for (index, field) in plan.fields.iter().enumerate() {
            times[index].1 |= field.name.as_bytes() == stem;
        }
    }
    // A declared field is flat: nested it would pass for absent.
    let is_declared = plan.fields.iter().any(|field| field.name.as_bytes() == stem);
    match &plan.closed {
        Some(closed) if is_declared || !closed.allows(stem, params) => unexpected(),
        _ => Ok(()),
    }
}

impl Closed {
    /// Whether a name may be there.
    pub(crate) fn allows(&self, name: &[u8], params: &[Vec<Secret>]) -> bool {
        let listed = self.param.and_then(|index| params.get(index));
        self.names.iter().any(|known| known.as_bytes() == name)
            || self.prefixes.iter().any(|prefix| name.starts_with(prefix.as_bytes()))
            || listed.is_some_and(|names| names.iter().any(|known| known.expose() == name))
    }
}

fn check_field(field: &Field, times: u8, value: Option<&[u8]>) -> Result<(), Reject> {
    let reject = |reason| Err(Reject::new(reason, format!("field.{}", field.name)));
    match (value, &field.pattern) {
        _ if times > 1 => reject(Reason::DuplicateField),
        (None, _) if !field.optional => reject(Reason::FieldMissing),
        (Some(value), Some(pattern)) if !pattern.matches(value) => reject(field.otherwise),
        _ => Ok(()),
    }
}

fn read_header<'a>(header: &Header, inbound: &Inbound<'a>) -> Result<ValueReading<'a>, Reject> {
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
        return Ok(ValueReading { value: None, parts: vec![Vec::new(); parts] });
    };
    if header
        .pattern
        .as_ref()
        .is_some_and(|pattern: &std::sync::Arc<Pattern>| !pattern.matches(value))
    {
        return reject(header.otherwise);
    }
    let parts = match &header.pairs {
        Some(pairs) => take_apart(&format!("header.{}", header.name), pairs, value)?,
        None => Vec::new(),
    };
    Ok(ValueReading { value: Some(Cow::Borrowed(value)), parts })
}

/// Keys that are not declared are ignored, so that a gateway may add some and a weaker signature
/// beside ours never counts.
fn take_apart(at: &str, pairs: &Pairs, value: &[u8]) -> Result<Vec<Vec<Vec<u8>>>, Reject> {
    let mut parts = vec![Vec::new(); pairs.keys.len()];
    for pair in value.split(|&byte| byte == pairs.separator) {
        let pair = if pairs.trim { pair.trim_ascii() } else { pair };
        let Some(place) = memchr::memchr(pairs.equals, pair) else { continue };
        let (name, rest) = pair.split_at(place);
        let known = |name: &[u8]| pairs.keys.iter().position(|key| key.name.as_bytes() == name);
        let Some(index) = known(name).or_else(|| known(b"*")) else { continue };
        let (key, value) = (&pairs.keys[index], &rest[1..]);
        let found: &mut Vec<Vec<u8>> = &mut parts[index];
        let most = if key.many { VALUES_OF_A_KEY_MAX } else { 1 };
        if found.len() == most
            || key.pattern.as_ref().is_some_and(|pattern| !pattern.matches(value))
        {
            return Err(Reject::new(Reason::SignatureMalformed, format!("{at}.{}", key.name)));
        }
        found.push(value.to_vec());
    }
    Ok(parts)
}
