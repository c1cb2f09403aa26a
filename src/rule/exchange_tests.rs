//! Questions to the gateway: what a sender puts in stays where it was put.

use super::*;

/// A made-up gateway that has to be asked by a form.
const DESK: &str = r#"gateway: desk
title: Desk
docs: https://docs.desk.example
params:
  key: { type: text }
request:
  method: POST
  body: form
  fields: { order: { pattern: "[A-Za-z0-9&=]+" } }
exchanges:
  state:
    method: POST
    url: { text: "https://api.desk.example/state" }
    body: { type: TYPE, of: { template: "TEMPLATE" } }
    answer: { as: json, fields: { state.order: {}, state.state: {} } }
proofs:
  - confirm: { by: state }
event:
  order_id: state.order
  status: { from: state.state, map: { held: on_hold } }
  dedupe: [state.order, state.state]
examples:
  - name: held
    params: { key: "1017" }
    request: { form: { order: "A1&shop=666" } }
    exchanges: [{ method: POST, url: "https://api.desk.example/state", body: "ASKED", answer: '{"order":"A1","state":"held"}' }]
    expect: { accept: { order_id: A1 } }
"#;

#[test]
fn what_is_put_into_a_form_adds_no_fields_to_it_but_the_form_that_goes_back_is_as_it_came() {
    let form = "application/x-www-form-urlencoded";
    let typed = format!("\"{form}; charset=utf-8\"");
    let template = "shop=${param.key}&order=${field.order}";
    let cases = [
        (form, template, "shop=1017&order=A1%26shop%3D666"),
        (&typed, template, "shop=1017&order=A1%26shop%3D666"),
        (form, "cmd=_check&${body}", "cmd=_check&order=A1%26shop%3D666"),
        ("text/plain", template, "shop=1017&order=A1&shop=666"),
    ];
    for (media_type, template, asked) in cases {
        let text =
            DESK.replace("TYPE", media_type).replace("TEMPLATE", template).replace("ASKED", asked);
        let found = compile("desk.yaml", &text).map_err(|found| found.render(&text));
        let found = found.err().unwrap_or_default();
        assert!(!found.contains("asks what is not among"), "{media_type} {template}\n{found}");
        assert!(!found.contains("may be anything"), "{media_type} {template}\n{found}");
    }
}
