//! Test vectors: one JSON object a line, a request with its configuration and what must become of
//! it. The format is that of `tests/vectors/README.md`.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::engine::Bound;
use crate::engine::event::{Amount, Event};
use crate::engine::exchange::Answer;
use crate::engine::inbound::{Inbound, UnixSeconds};
use crate::engine::params::Params;
use crate::engine::secret::Secret;
use crate::engine::verdict::{Reply, Verdict};
use crate::rule::Rule;
use crate::rule::canned::{self, Canned};
use crate::rule::example::{FactValue, fact};

/// One vector.
#[derive(Clone)]
pub struct Vector {
    /// Name of the rule.
    pub gateway: String,
    /// Unique within the gateway.
    pub name: String,
    /// `own`, `published` or `third_party`.
    pub provenance: String,
    params: Params,
    now: UnixSeconds,
    method: String,
    target: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
    remote_addr: Option<IpAddr>,
    canned: Vec<Canned>,
    expect: Value,
}

impl Vector {
    /// Reads one line; the error says what is wrong with it.
    pub fn parse(line: &str) -> Result<Self, String> {
        let value: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
        let text = |value: &Value, key: &str| {
            value.get(key).and_then(Value::as_str).map(str::to_owned).ok_or(format!("no `{key}`"))
        };
        let request = value.get("request").ok_or("no `request`")?;
        let mut headers = Vec::new();
        for line in request.get("headers").and_then(Value::as_array).ok_or("no `headers`")? {
            match (line.get(0).and_then(Value::as_str), line.get(1).and_then(Value::as_str)) {
                (Some(name), Some(value)) => {
                    headers.push((name.to_owned(), value.trim_ascii().as_bytes().to_vec()));
                }
                _ => return Err("a header is not [name, value]".to_owned()),
            }
        }
        let body = STANDARD
            .decode(text(request, "body_base64")?)
            .map_err(|_| "`body_base64` is not base64")?;
        Ok(Self {
            gateway: text(&value, "gateway")?,
            name: text(&value, "name")?,
            provenance: text(&value, "provenance")?,
            params: params(value.get("params").ok_or("no `params`")?)?,
            now: value.get("now").and_then(Value::as_i64).unwrap_or(0),
            method: text(request, "method")?,
            target: text(request, "target")?,
            headers,
            body,
            remote_addr: text(request, "remote_addr").ok().and_then(|text| text.parse().ok()),
            canned: canned(&value)?,
            expect: value.get("expect").ok_or("no `expect`")?.clone(),
        })
    }

    /// Judges the vector by a rule; the error says what came out otherwise.
    pub fn run(&self, rule: &Rule) -> Result<(), String> {
        let bound = Bound::with_published_secrets(rule.compiled(), &self.params);
        let bound = bound.map_err(|errors| {
            errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
        })?;
        let headers: Vec<(&str, &[u8])> =
            self.headers.iter().map(|(name, value)| (name.as_str(), &value[..])).collect();
        let inbound = Inbound {
            method: &self.method,
            target: &self.target,
            headers: &headers,
            body: &self.body,
            remote_addr: self.remote_addr,
            client_certificates: &[],
        };
        let outcome = canned::judge(&bound, &inbound, self.now, &self.canned);
        // An address that the sender chose must not be contacted, whatever becomes of it.
        if let Some(question) = outcome.unexpected {
            return Err(format!("asks what is not listed: {question}"));
        }
        let wanted = self.expect.get("verdict").and_then(Value::as_str).unwrap_or_default();
        match (outcome.verdict, wanted) {
            (Verdict::Ask(exchange), _) => Err(format!("asks without end: {exchange:?}")),
            (Verdict::Rejected(reject), "reject") => {
                let reasons = self.expect.get("reasons").and_then(Value::as_array);
                let found = reject.reason.as_str();
                if reasons.is_some_and(|reasons| reasons.iter().any(|reason| reason == found)) {
                    return Ok(());
                }
                Err(format!("rejected for `{found}` ({}), not for {reasons:?}", reject.at))
            }
            (Verdict::Rejected(reject), _) => {
                Err(format!("rejected: {} ({})", reject.reason.as_str(), reject.at))
            }
            (Verdict::Accepted(_), "reject") => Err("accepted, and must be rejected".to_owned()),
            (Verdict::Accepted(accepted), _) => {
                let in_order: Vec<usize> = (0..self.canned.len()).collect();
                if outcome.given != in_order {
                    return Err("not every listed question was asked, in order".to_owned());
                }
                check_event(self.expect.get("event"), accepted.events.first())?;
                check_reply(self.expect.get("reply"), &accepted.reply)
            }
        }
    }
}

/// The canned answers of `exchanges`.
fn canned(vector: &Value) -> Result<Vec<Canned>, String> {
    let bytes = |value: &Value| -> Result<Vec<u8>, String> {
        let text = value.get("body_base64").and_then(Value::as_str);
        if let Some(text) = value.get("body").and_then(Value::as_str) {
            return Ok(text.as_bytes().to_vec());
        }
        STANDARD.decode(text.unwrap_or_default()).map_err(|_| "`body_base64` is not base64".into())
    };
    let mut all = Vec::new();
    for exchange in vector.get("exchanges").and_then(Value::as_array).into_iter().flatten() {
        let request = exchange.get("request").ok_or("an exchange has no `request`")?;
        let response = exchange.get("response").ok_or("an exchange has no `response`")?;
        let text = |key| request.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let pair = |line: &Value| {
            Some((line.get(0)?.as_str()?.to_owned(), line.get(1)?.as_str()?.to_owned()))
        };
        let headers = request.get("headers").and_then(Value::as_array);
        let status = response.get("status").and_then(Value::as_u64);
        all.push(Canned {
            method: text("method"),
            url: text("url"),
            headers: headers.into_iter().flatten().filter_map(pair).collect(),
            body: bytes(request)?,
            answer: match status.and_then(|status| u16::try_from(status).ok()) {
                Some(status) => {
                    Answer::Given { status, body: bytes(response)?.into(), cached: false }
                }
                None => Answer::Unavailable,
            },
        });
    }
    Ok(all)
}

fn params(value: &Value) -> Result<Params, String> {
    let mut params = Params::new();
    for (name, value) in value.as_object().ok_or("`params` is not an object")? {
        let values = match value {
            Value::Array(values) => values.as_slice(),
            value => std::slice::from_ref(value),
        };
        for value in values {
            let text = match value {
                Value::String(text) => text.clone(),
                Value::Number(number) => number.to_string(),
                _ => return Err(format!("parameter `{name}` is neither text nor a number")),
            };
            params.push(name.clone(), Secret::from(text.as_str()));
        }
    }
    Ok(params)
}

fn check_event(wanted: Option<&Value>, event: Option<&Event>) -> Result<(), String> {
    let (wanted, event) = match (wanted.and_then(Value::as_object), event) {
        (None, None) => return Ok(()),
        (None, Some(_)) => return Err("an event, where there is none to say".to_owned()),
        (Some(_), None) => return Err("no event".to_owned()),
        (Some(wanted), Some(event)) => (wanted, event),
    };
    for (name, value) in wanted {
        let wanted = match value {
            Value::Null => FactValue::Absent,
            Value::Bool(truth) => FactValue::Truth(*truth),
            Value::String(text) => FactValue::Text(text.clone()),
            Value::Object(amount) => {
                let text = |key: &str| amount.get(key).and_then(Value::as_str).map(str::to_owned);
                match (text("value"), text("currency")) {
                    (Some(value), Some(currency)) => FactValue::Amount(Amount { value, currency }),
                    _ => return Err(format!("`{name}` is no amount in the vector")),
                }
            }
            Value::Array(_) | Value::Number(_) => {
                return Err(format!("`{name}` is no fact in the vector"));
            }
        };
        let found = fact(event, name).ok_or_else(|| format!("no fact is called `{name}`"))?;
        if found != wanted {
            return Err(format!("`{name}` is {found}, not {wanted}"));
        }
    }
    Ok(())
}

fn check_reply(wanted: Option<&Value>, reply: &Reply) -> Result<(), String> {
    let Some(wanted) = wanted else { return Ok(()) };
    let text = |key| wanted.get(key).and_then(Value::as_str);
    let status = wanted.get("status").and_then(Value::as_u64).unwrap_or(200);
    if u64::from(reply.status) != status {
        return Err(format!("answers {}, not {status}", reply.status));
    }
    if let Some(body) = text("body") {
        let same = if text("content_type").is_some_and(|kind| kind.starts_with("application/json"))
        {
            let read = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).ok();
            read(body.as_bytes()) == read(&reply.body)
        } else {
            body.as_bytes() == reply.body
        };
        if !same {
            return Err("answers another body".to_owned());
        }
    }
    match (text("content_type"), &reply.content_type) {
        (Some(wanted), Some(found)) if found.split(';').next() == Some(wanted) => Ok(()),
        (Some(wanted), found) => Err(format!("answers as {found:?}, not {wanted}")),
        (None, _) => Ok(()),
    }
}
