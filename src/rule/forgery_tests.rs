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
