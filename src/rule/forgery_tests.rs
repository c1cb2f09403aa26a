//! Forgeries of what an example writes in one way and a forger may write in another.

use super::*;

/// A made-up gateway that joins the values of a form with nothing between them.
const SHED: &str = r#"gateway: shed
title: Shed
docs: https://docs.shed.example
params:
  secret: { type: secret }
request:
  method: POST
  body: form
  closed: {}
  fields:
    order: { pattern: "[0-9]+" }
    pay: { pattern: "[0-9]+" }
    state: { pattern: "[a-z]+" }
    sign: {}
proofs:
  - hmac:
      algorithm: sha256
      key: param.secret
      over: [{ set: { of: form, order: bytes } }]
      tag: field.sign
      encoding: hex
      ambiguous: because
event:
  order_id: field.order
  status: { from: field.state, map: { held: on_hold } }
  dedupe: field.order
examples:
  - name: held
    params: { secret: made-up-key }
    request: { WRITTEN }
    expect: { accept: { order_id: "17" } }
"#;

/// HMAC-SHA256 of `1725held` under `made-up-key`, by `openssl dgst -sha256 -hmac`.
const SIGN: &str = "dc2246c28976fd0c151ca5fc8a20f5bd5d96864d13e89d6a961743c616a1069a";

#[test]
fn law_5_a_form_is_forged_field_by_field_however_its_example_is_written() {
    for written in [
        "form: { order: '17', pay: '25', state: held, sign: SIGN }",
        "body: 'order=17&pay=25&state=he%6Cd&sign=SIGN'",
    ] {
        let text = SHED.replace("WRITTEN", written).replace("SIGN", SIGN);
        let found = compile("shed.yaml", &text).err().expect("boundaries move").render(&text);
        let wanted = "a forgery of example `held`: the boundary between `order` and `pay` moved";
        assert!(found.contains(wanted), "{written}\n{found}");
        assert!(!found.contains("must be accepted"), "{written}\n{found}");
    }
}

/// A made-up gateway that is asked about what it has told.
const PIER: &str = r#"gateway: pier
title: Pier
docs: https://docs.pier.example
params:
  place: { type: url }
request: { method: POST, body: json }
payload: { from: body, as: json, fields: { payload.id: { pattern: "[A-Za-z0-9]+" } } }
exchanges:
  state:
    method: GET
    url: { template: "${param.place}/${payload.id STEP}" }
    answer: { as: json, fields: { state.order: {}, state.state: {} } }
proofs:
  - confirm: { by: state, vouches: [payload.id] }
event:
  order_id: state.order
  transaction_id: payload.id
  status: { from: state.state, map: { held: on_hold } }
  dedupe: [payload.id, state.state]
examples:
  - name: held
    params: { place: "https://api.pier.example" }
    request: { body: '{"x":"ab1x","id":"ab1x"}' }
    exchanges: [{ url: "https://api.pier.example/ab1x", answer: '{"order":"17","state":"held"}' }]
    expect: { accept: { order_id: "17", transaction_id: ab1x } }
"#;

#[test]
fn law_5_a_value_of_json_is_written_in_other_ways_as_well() {
    let found = |step: &str| {
        let text = PIER.replace(" STEP", step);
        let found = compile("pier.yaml", &text).err();
        found.map(|found| found.render(&text)).unwrap_or_default()
    };
    assert_eq!(found(""), "");
    let wanted = "accepts a forgery of example `held`: `payload.id` written as `AB1X`";
    assert!(found(" | lower").contains(wanted), "{}", found(" | lower"));
}
