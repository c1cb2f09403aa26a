//! A made-up gateway, Ledger: JSON under HMAC-SHA256, told apart by the ids of its notifications.

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::json;
use sha2::Sha256;

use super::gateways::hex;
use super::wire::Callback;

/// What both it and the shop know.
pub(crate) const SECRET: &str = "a secret of the crash test, made up";

const RULE: &str = r#"
gateway: ledger
title: Ledger (crash test)
docs: https://ledger.example/
params: { secret: { type: secret } }
request:
  method: POST
  body: json
  headers: { x-signature: {} }
proofs:
  - hmac:
      { algorithm: sha256, key: param.secret, over: [body], tag: header.x-signature, encoding: hex }
payload: { from: body, as: json }
event:
  event_id: payload.id
  order_id: payload.order
  transaction_id: payload.payment
  raw_type: payload.state
  amount: { value: payload.amount, currency: payload.currency, unit: major }
  dedupe: [payload.id]
  status:
    from: payload.state
    map: { pending: pending, authorized: authorized, succeeded: succeeded, refunded: refunded }
reply:
  accepted: { status: 200 }
examples:
  - name: paid
    params: { secret: "made-up" }
    request:
      headers: { x-signature: "SIGNATURE" }
      body: 'BODY'
    expect:
      accept:
        event_id: e1
        order_id: o1
        amount: { value: "10.00", currency: EUR }
        status: succeeded
        credit: true
"#;

fn sign(secret: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    hex(mac.finalize().into_bytes())
}

/// Its rule.
pub(crate) fn rule() -> String {
    let body = r#"{"id":"e1","order":"o1","payment":"p1","state":"succeeded","amount":"10.00","currency":"EUR"}"#;
    RULE.replace("SIGNATURE", &sign("made-up", body)).replace("BODY", body)
}

/// What it says of a payment of 10.00 EUR.
pub(crate) fn word(id: &str, payment: &str, state: &str) -> Callback {
    let body = json!({
        "id": id, "order": format!("o-{payment}"), "payment": format!("p-{payment}"),
        "state": state, "amount": "10.00", "currency": "EUR",
    })
    .to_string();
    let signature = sign(SECRET, &body);
    Callback::post("application/json", body).with("x-signature", signature)
}
