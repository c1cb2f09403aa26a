//! What a proof looks at only after it has been folded.

use super::*;

/// A made-up gateway that signs one value of a JSON body, however that is written.
const MILL: &str = r#"gateway: mill
title: Mill
docs: https://docs.mill.example
params:
  secret: { type: secret }
request: { method: POST, body: json, headers: { x-sign: {} } }
payload: { from: body, as: json }
proofs:
  - hmac: { algorithm: sha256, key: param.secret, over: [SIGNED, { text: ";" }, payload.state], tag: header.x-sign, encoding: hex, ambiguous: because }
event:
  order_id: FACT
  SUM
  status: { from: payload.state, map: { held: on_hold } }
  dedupe: [FACT]
examples:
  - name: held
    params: { secret: made-up-key }
    request: { headers: { x-sign: "00" }, body: '{"order":"Ab1x","state":"held"}' }
    expect: { accept: {} }
"#;

#[test]
fn law_3_of_what_is_folded_only_what_comes_of_it_is_covered() {
    let cases = [
        ("payload.order", "payload.order", true),
        ("payload.order", "payload.order | lower", true),
        ("payload.order | strip A", "payload.order", true),
        ("payload.order | hex", "payload.order", true),
        ("payload.order | lower", "payload.order | lower", true),
        ("payload.order | lower", "payload.order | lower | strip a", true),
        ("payload.order | strip A | lower", "payload.order | strip A | lower", true),
        ("payload.order | lower", "payload.order", false),
        ("payload.order | lower", "payload.order | upper", false),
        ("payload.order | upper", "payload.order", false),
        ("payload.order | number", "payload.order", false),
        ("payload.order | currency", "payload.order", false),
        ("payload.order | unwrap", "payload.order", false),
        ("payload.order | hex-any", "payload.order", false),
        ("payload.order | base64-any", "payload.order", false),
        ("payload.order | strip A | lower", "payload.order | lower", false),
        ("{ template: '${payload.order | lower}' }", "payload.order", false),
        ("{ template: '${payload.order | lower}' }", "payload.order | lower", true),
        ("{ template: '${payload.order | last /}' }", "payload.order", false),
    ];
    for (signed, fact, covered) in cases {
        let text = MILL.replace("SIGNED", signed).replace("FACT", fact).replace("  SUM\n", "");
        let found = compile("mill.yaml", &text).err().expect("nobody signed it").render(&text);
        assert_eq!(!found.contains("no proof covers"), covered, "{signed}: {fact}\n{found}");
        let helps = found.contains("take it so as well");
        assert_eq!(helps, !covered && !signed.contains("last"), "{signed}: {fact}\n{found}");
    }
}

#[test]
fn law_3_a_sum_is_covered_however_it_is_written() {
    let sum = "amount: { value: payload.sum, currency: payload.code, unit: major }";
    let signed = "payload.order, payload.sum | number, payload.code | currency";
    let text = MILL.replace("SIGNED", signed).replace("FACT", "payload.order");
    let found = |text: &str| compile("mill.yaml", text).err().expect("unsigned").render(text);
    let as_sum = found(&text.replace("SUM", sum));
    assert!(!as_sum.contains("no proof covers"), "{as_sum}");
    let as_text = found(&text.replace("SUM", "transaction_id: payload.sum"));
    assert!(as_text.contains("no proof covers `payload.sum`"), "{as_text}");
}
