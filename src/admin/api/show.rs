//! What is kept, as JSON. Absent facts are left out; times are RFC 3339; money is decimal text.

use serde_json::{Map, Value, json};

use crate::engine::event::Amount;
use crate::engine::inbound::UnixSeconds;
use crate::engine::money::Sums;
use crate::engine::time::rfc3339;
use crate::store::captures::shown::{Shown, shown};
use crate::store::captures::{Kept, Listed, Said, Summary};
use crate::store::{Act, Entry, Form, Marks, Message};

/// An object without the keys that have no value.
fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
    let there = members.into_iter().filter(|(_, value)| !value.is_null());
    there.map(|(key, value)| (key.to_owned(), value)).collect::<Map<_, _>>().into()
}

pub(super) fn amount(amount: &Amount) -> Value {
    json!({ "value": amount.value, "currency": amount.currency })
}

pub(super) fn sums(sums: &Sums) -> Value {
    sums.amounts().map(|sum| amount(&sum)).collect()
}

pub(super) fn time(seconds: UnixSeconds) -> Value {
    rfc3339(seconds).into()
}

pub(super) fn entry(entry: &Entry) -> Value {
    // No `..`: a new fact does not compile until somebody has thought about it here.
    let Entry {
        seq,
        id,
        state,
        marks: Marks { equivocation, regressive },
        gateway,
        route,
        upstream,
        account,
        status,
        credit,
        order_id,
        transaction_id,
        amount: paid,
        received_at,
        changed_at,
        due,
        attempts,
        why,
    } = entry;
    object([
        ("seq", json!(seq)),
        ("id", json!(id)),
        ("state", json!(state.as_str())),
        ("equivocation", json!(equivocation)),
        ("regressive", json!(regressive)),
        ("gateway", json!(gateway)),
        ("route", json!(route)),
        ("upstream", json!(upstream)),
        ("account", json!(account)),
        ("status", json!(status.as_str())),
        ("credit", json!(credit)),
        ("order_id", json!(order_id)),
        ("transaction_id", json!(transaction_id)),
        ("amount", paid.as_ref().map_or(Value::Null, amount)),
        ("received_at", time(*received_at)),
        ("changed_at", time(*changed_at)),
        ("due", due.map_or(Value::Null, time)),
        ("attempts", json!(attempts)),
        ("why", json!(why)),
    ])
}

/// What is sent: a canonical event as it stands, an original without what nobody may see.
pub(super) fn message(message: &Message) -> Value {
    let Message { to, form, body } = message;
    match form {
        Form::Canonical => {
            let event = serde_json::from_slice(body).unwrap_or(Value::Null);
            object([("form", json!("canonical")), ("to", json!(to)), ("event", event)])
        }
        Form::Original { method, headers } => {
            let kept = Kept {
                method: method.clone(),
                target: to.clone(),
                headers: headers.clone(),
                body: body.to_vec(),
                masked: false,
            };
            let to = to.split('?').next().unwrap_or_default();
            object([("form", json!("original")), ("to", json!(to)), ("request", request(&kept))])
        }
    }
}

pub(super) fn capture(listed: &Listed) -> Value {
    let Listed { id, summary, masked } = listed;
    let Summary {
        at,
        route,
        gateway,
        outcome,
        reason,
        place,
        answered,
        rule,
        keys,
        said,
        peer,
        bytes,
    } = summary;
    let given = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    object([
        ("id", json!(id)),
        ("received_at", time(*at)),
        ("route", json!(route)),
        ("gateway", json!(gateway)),
        ("outcome", json!(outcome)),
        ("reason", json!(reason)),
        ("place", json!(given(place))),
        ("answered", json!(answered)),
        ("rule", json!(given(rule))),
        ("keys", json!(keys)),
        ("said", said.as_ref().map_or(Value::Null, self::said)),
        ("peer", json!(peer)),
        ("bytes", json!(bytes)),
        ("masked", json!(masked)),
    ])
}

fn said(said: &Said) -> Value {
    let Said { id, status, credit, order_id, transaction_id, amount: paid } = said;
    object([
        ("id", json!(id)),
        ("status", json!(status.as_str())),
        ("credit", json!(credit)),
        ("order_id", json!(order_id)),
        ("transaction_id", json!(transaction_id)),
        ("amount", paid.as_ref().map_or(Value::Null, amount)),
    ])
}

/// A request without what nobody may see.
pub(super) fn request(kept: &Kept) -> Value {
    let Shown { method, target, headers, body } = shown(kept);
    let headers: Value =
        headers.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
    json!({ "method": method, "target": target, "headers": headers, "body": body })
}

pub(super) fn act(act: &Act) -> Value {
    let Act { at, by, verb, what, changed } = act;
    json!({ "at": time(*at), "by": by, "verb": verb, "what": what, "changed": changed })
}
