//! What a proof does not notice moves nothing, and a key that is none opens nothing.

use super::*;
use crate::engine::verdict::Verdict;

fn compiled(text: &str) -> Rule {
    compile("acme.yaml", text).unwrap_or_else(|found| panic!("{}", found.render(text)))
}

/// What a rule that does not compile is told.
fn complaints(text: &str) -> String {
    compile("acme.yaml", text).err().expect("must not compile").render(text)
}

/// What becomes of the first example's request with another body.
fn judged(rule: &Rule, body: &str) -> Verdict {
    let example = &rule.examples()[0];
    let bound = rule.bind(&example.params).expect("parameters that fit");
    let mut request = example.request.clone();
    request.body = request::Body::Raw(body.into());
    request.encode().with(|inbound| bound.judge(inbound, example.at, &[]))
}

#[track_caller]
fn is_refused(verdict: &Verdict, reason: &str) {
    match verdict {
        Verdict::Rejected(reject) => assert_eq!(reject.reason.as_str(), reason),
        other => panic!("{other:?}"),
    }
}

/// Acme joins its values with nothing between them.
const FORM: &str = r#"gateway: acme
title: Acme
docs: https://docs.acme.example
params:
  secret: { type: secret }
request:
  method: POST
  body: form
  fields:
    order: { pattern: "[0-9]+" }
    sum: { pattern: "[0-9.]+" }
    state: { pattern: "[a-z]+" }
    sign: {}
proofs:
  - hmac:
      algorithm: sha256
      key: param.secret
      over: [field.order, field.sum, field.state]
      tag: field.sign
      encoding: hex
      ambiguous: Acme puts nothing between them
event:
  order_id: field.order
  amount: { value: field.sum, currency: { text: EUR }, unit: major }
  status: { from: field.state, map: { paid: succeeded } }
  dedupe: field.order
examples:
  - name: paid
    params: { secret: made-up-key }
    # HMAC-SHA256 of `1712.50paid`.
    request: { form: { order: "17", sum: "12.50", state: paid, sign: 62a3f2632de61b0ac6f29bed45d36de827aec3c96bacd391f1ac55f9ac012e63 } }
    expect: { accept: { order_id: "17", amount: { value: "12.50", currency: EUR }, credit: true } }
"#;

#[test]
fn a_fact_that_may_never_be_unsigned_is_not_excused_by_being_covered() {
    let found = complaints(FORM);
    assert!(found.contains("accepts a forgery of example `paid`"), "{found}");
    let excused =
        FORM.replace("  dedupe:", "  unsigned: { order_id: because, amount: because }\n  dedupe:");
    let found = complaints(&excused);
    for fact in ["order_id", "amount"] {
        let wanted = format!("`{fact}` may never be unsigned");
        assert_eq!(found.matches(&wanted).count(), 1, "{found}");
    }
    // Nor by being no fact of this rule at all; nor is it said for each place that it is taken from.
    for facts in ["refunded_of: because", "status: because"] {
        let excused = FORM.replace("[field.order, field.sum, field.state]", "[field.order]");
        let excused =
            excused.replace("  dedupe:", &format!("  unsigned: {{ {facts} }}\n  dedupe:"));
        let found = complaints(&excused);
        assert_eq!(found.matches("may never be unsigned").count(), 1, "{found}");
    }
}

/// Acme signs what stands at the top of its JSON.
const SET: &str = r#"gateway: acme
title: Acme
docs: https://docs.acme.example
params:
  secret: { type: secret }
request: { method: POST, body: json }
proofs:
  - hmac:
      algorithm: sha256
      key: param.secret
      over:
        - set: { of: payload, except: [note], order: bytes, pattern: "[^&=]*", render: "${name}=${value}", separator: "&" }
      tag: payload.sign
      encoding: hex
payload: { from: body, as: json }
event:
  order_id: payload.order
  amount: { value: payload.sum, currency: { text: EUR }, unit: major }
  cases:
    - { when: { payload.paid_at: { present: true } }, status: succeeded }
    - { when: { payload.order: { present: true } }, status: pending }
  dedupe: payload.order
examples:
  - name: ordered
    params: { secret: made-up-key }
    # HMAC-SHA256 of `order=17&sum=12.50`.
    request: { body: '{"order":"17","sum":"12.50","sign":"SIGN"}' }
    expect: { accept: { order_id: "17", status: pending, credit: false } }
"#;

#[test]
fn a_set_of_a_payload_takes_no_member_that_it_cannot_write() {
    let sign = "ba12b8ba6da131d75ff341715b72d2c9ebfb0e5c60a0f61979c39ed5b100dbb0";
    let rule = compiled(&SET.replace("SIGN", sign));
    let with = |more: &str| {
        judged(&rule, &format!(r#"{{"order":"17","sum":"12.50",{more}"sign":"{sign}"}}"#))
    };
    for more in [r#""paid_at":{},"#, r#""paid_at":[],"#, r#""paid_at":{"a":"b"},"#, r#""x":[1],"#] {
        is_refused(&with(more), "field_malformed");
    }
    for more in ["", r#""note":{"a":"b"},"#] {
        let verdict = with(more);
        assert!(matches!(verdict, Verdict::Accepted(_)), "{more}: {verdict:?}");
    }
}

/// Acme signs values, and those of JSON as their text.
const VALUES: &str = r#"gateway: acme
title: Acme
docs: https://docs.acme.example
params:
  secret: { type: secret }
request: { method: POST, body: json }
proofs:
  - hmac:
      algorithm: sha256
      key: param.secret
      over: [payload.order, payload.sum, payload.test]
      separator: ";"
      tag: payload.sign
      encoding: hex
payload:
  from: body
  as: json
  fields: { payload.order: { pattern: "[0-9]+" }, payload.sum: { pattern: "[0-9.]+" } }
event:
  order_id: payload.order
  amount: { value: payload.sum, currency: { text: EUR }, unit: major }
  cases: [{ when: { payload.order: { present: true } }, status: succeeded }]
  test: { when: { payload.test: true } }
  dedupe: payload.order
examples:
  - name: paid
    params: { secret: made-up-key }
    # HMAC-SHA256 of `17;12.50;false`.
    request: { body: '{"order":"17","sum":"12.50","test":false,"sign":"6a55f52eb6efe8e81233231f5658403024ad95b82f74f7153d99f382f3fde2f1"}' }
    expect: { accept: { order_id: "17", amount: { value: "12.50", currency: EUR }, test: false, credit: true } }
"#;

#[test]
fn true_is_its_text_as_a_proof_signs_it() {
    // HMAC-SHA256 of `17;12.50;true`.
    let sign = "a524c905caf1cb8bbfc80c1332e3fadde4fe5020e4b851fc017f172defd37f21";
    let rule = compiled(VALUES);
    for written in ["true", r#""true""#] {
        let body = format!(r#"{{"order":"17","sum":"12.50","test":{written},"sign":"{sign}"}}"#);
        is_refused(&judged(&rule, &body), "test_in_live");
    }
    let rule =
        compiled(&VALUES.replace("{ payload.test: true }", "{ payload.test | lower: true }"));
    let body = format!(r#"{{"order":"17","sum":"12.50","test":true,"sign":"{sign}"}}"#);
    is_refused(&judged(&rule, &body), "test_in_live");
}

#[test]
fn a_secret_of_which_nothing_is_left_is_no_key() {
    let separated = FORM
        .replace("      ambiguous: Acme puts nothing between them\n", "      separator: \";\"\n");
    // HMAC-SHA256 of `17;12.50;paid`.
    let form = separated.replace(
        "62a3f2632de61b0ac6f29bed45d36de827aec3c96bacd391f1ac55f9ac012e63",
        "b1d4f65edfce669d3ebf64db5cd6f856f20c396b0d54b017bdcc979e63b35f3a",
    );
    for (steps, genuine, refused, why) in [
        ("| strip sk_live_", "sk_live_made-up-key", "sk_live_", "nothing is left of it"),
        ("| base64", "bWFkZS11cC1rZXk=", "AA==", "zero bytes"),
        ("", "made-up-key", "\0\0", "zero bytes"),
    ] {
        let text = form
            .replace("key: param.secret", &format!("key: param.secret {steps}"))
            .replace("secret: made-up-key", &format!("secret: {genuine}"));
        let rule = compiled(&text);
        let mut params = rule.examples()[0].params.clone();
        params.set("secret", vec![refused.into()]);
        let errors = rule.bind(&params).err().unwrap_or_else(|| panic!("{refused:?} is no key"));
        assert_eq!(errors.len(), 1, "{errors:?}");
        let error = errors[0].to_string();
        assert!(error.contains("`secret`") && error.contains(why), "{error}");
    }
}

#[test]
fn a_secret_among_the_parts_of_a_digest_is_a_key_too() {
    let digest = FORM
        .replace("  - hmac:", "  - digest:")
        .replace("      key: param.secret\n", "")
        .replace("      ambiguous: Acme puts nothing between them\n", "      separator: \";\"\n")
        .replace("over: [field.order,", "over: [param.secret | strip sk_live_, field.order,")
        .replace("secret: made-up-key", "secret: sk_live_made-up-key")
        // SHA-256 of `made-up-key;17;12.50;paid`.
        .replace(
            "62a3f2632de61b0ac6f29bed45d36de827aec3c96bacd391f1ac55f9ac012e63",
            "0962d2e7b09755877aa371ca921550095964e94653b7e8b6ca76a2afe8b3ef59",
        );
    let rule = compiled(&digest);
    let mut params = rule.examples()[0].params.clone();
    params.set("secret", vec!["sk_live_".into()]);
    let errors = rule.bind(&params).err().expect("no key");
    assert!(errors[0].to_string().contains("nothing is left of it"), "{errors:?}");
}
