//! Questions: told from callbacks, and answered only after the gateway has been asked.

use super::*;
use crate::engine::verdict::Reply;

/// A made-up gateway: JSON under an HMAC, a ping that is a form, and a confirmation that the
/// gateway wants to hear from us elsewhere.
const BELL: &str = r#"gateway: bell
title: Bell
docs: https://docs.bell.example
params:
  secret: { type: secret }
  api: { type: url }
request:
  method: POST
  body: json
  headers: { x-sign: {} }
proofs:
  - hmac: { algorithm: sha256, key: param.secret, over: [body], tag: header.x-sign, encoding: hex }
payload:
  from: body
  as: json
  fields: { payload.token: { optional: true, pattern: "[a-z0-9-]+" } }
exchanges:
  confirm:
    method: GET
    url: { template: "${param.api}/confirm/${payload.token}" }
    answer: { as: words, yes: OK, no: NO }
questions:
  - name: ping
    request: { method: POST, body: form, fields: { id: { pattern: "[0-9]+" } } }
    reply: { body: pong }
  - name: confirmation
    when: { payload.type: confirm }
    proved: true
    ask: confirm
    reply: { body: confirmed }
event:
  event_id: payload.id
  status: { from: payload.type, map: { held: on_hold } }
  dedupe: payload.id
examples:
  - name: paid
    params: { secret: made-up-key, api: "https://api.bell.example" }
    request:
      headers: { x-sign: d09dc05d2da0b130919ff73db2ffad377fa6d53fc38fb1baec874360902e4324 }
      body: '{"id":"8","type":"paid"}'
    expect: { accept: { event_id: "8" } }
  - name: ping
    params: { secret: made-up-key, api: "https://api.bell.example" }
    request: { headers: { content-type: application/x-www-form-urlencoded }, form: { id: "1" } }
    expect: { reply: pong }
  - name: confirmation
    params: { secret: made-up-key, api: "https://api.bell.example" }
    request:
      headers: { x-sign: 4f99a25fecafc7af63e9b6a22e28058a5728e75b78d4c9e967fafffa7b39e64c }
      body: '{"id":"7","type":"confirm","token":"abc-1"}'
    exchanges: [{ url: "https://api.bell.example/confirm/abc-1", answer: OK }]
    expect: { reply: confirmed }
"#;

/// The text of every problem that a change of the rule makes.
#[track_caller]
fn problems(from: &str, to: &str) -> String {
    assert!(BELL.contains(from), "the rule has no {from:?}");
    let text = BELL.replace(from, to);
    match compile("bell.yaml", &text) {
        Ok(_) => String::new(),
        Err(problems) => problems.render(&text),
    }
}

#[track_caller]
fn check(from: &str, to: &str, wanted: &str) {
    let found = problems(from, to);
    assert!(found.contains(wanted), "expected {wanted:?} in:\n{found}");
}

#[test]
fn a_question_is_told_by_its_content_type_and_answered_once_the_gateway_has_been_asked() {
    assert_eq!(problems("title: Bell", "title: Bell and Sons"), "");
}

#[test]
fn a_question_is_not_answered_unless_the_gateway_says_yes() {
    let refused = "must be accepted, and was rejected: confirmation_refused (exchange.confirm)";
    check("answer: OK }", "answer: NO }", refused);
    let unavailable = "was rejected: confirmation_unavailable (exchange.confirm)";
    check("answer: OK }", "fails: true }", unavailable);
    check("/confirm/abc-1\", ", "/confirm/abc-2\", ", "asks what is not among its exchanges");
    check("    ask: confirm\n", "", "did not ask all of its exchanges");
}

#[test]
fn nobody_makes_us_ask_who_has_not_proved_himself() {
    check("    proved: true\n", "", "nobody makes us ask who has not proved himself");
    check("ask: confirm\n", "ask: confirmm\n", "did you mean `confirm`?");
}

#[test]
fn a_question_that_could_be_a_callback_does_not_compile() {
    let wanted = "such a question cannot be told from a callback";
    check("request: { method: POST, body: form,", "request: { method: POST, body: json,", wanted);
    check("request: { method: POST, body: form,", "request: { method: POST, body: any,", wanted);
    let both = "request:\n  method: [GET, POST]\n  body: json";
    assert_eq!(problems("request:\n  method: POST\n  body: json", both), "");
}

#[test]
fn credentials_are_given_once() {
    let own = "    headers: { authorization: { template: \"token ${param.secret}\" } }\n";
    let both = format!("{own}    bearer: param.secret\n    answer: {{ as: words");
    check("    answer: { as: words", &both, "credentials are given once");
    let one = format!("{own}    answer: {{ as: words");
    assert_eq!(problems("    answer: { as: words", &one), "");
}

#[test]
fn a_certificate_is_somebodys() {
    let hmac = "hmac: { algorithm: sha256, key: param.secret, over: [body], tag: header.x-sign, encoding: hex }";
    let signature = |names: &str| {
        format!(
            "signature: {{ algorithm: rsa-sha256, over: [body], tag: header.x-sign, encoding: base64, \
             key: {{ certificate: confirm, roots: param.secret{names} }} }}"
        )
    };
    let wanted = "give either `common_name` or `dns_name`";
    check(hmac, &signature(""), wanted);
    check(hmac, &signature(", common_name: a.example, dns_name: a.example"), wanted);
    assert!(!problems(hmac, &signature(", dns_name: a.example")).contains(wanted));
}

#[test]
fn a_key_that_only_questions_need_is_another_only_where_one_is_asked() {
    let asked = BELL
        .replace("  api: { type: url }\n", "  api: { type: url }\n  key: { type: secret }\n")
        .replace("    answer: { as: words", "    bearer: param.key\n    answer: { as: words")
        .replace("api: \"https", "key: api-key-1, api: \"https");
    let compiled =
        |text: &str| compile("bell.yaml", text).map(drop).map_err(|found| found.render(text));
    // The examples that ask are answers, of which no forgeries are bred; the one that is a callback
    // asks nothing.
    assert!(compiled(&asked).is_ok(), "{:?}", compiled(&asked).err());
    let confirmed =
        asked.replace("payload:\n", "  - confirm: { by: confirm }\npayload:\n").replace(
            "    expect: { accept: { event_id: \"8\" } }",
            "    exchanges: [{ url: \"https://api.bell.example/confirm/abc-1\", answer: OK }]\n    \
         expect: { accept: { event_id: \"8\" } }",
        );
    let found = compiled(&confirmed.replace("${payload.token}", "abc-1")).unwrap_err();
    assert!(
        found.contains("accepts a forgery of example `paid`: judged with another `key`"),
        "{found}"
    );
}

/// The bell's answers.
fn replying(duplicate: &str) -> String {
    format!(
        "reply:\n  duplicate: {duplicate}\n  refused: {{ status: 410 }}\n  \
         try_again: {{ status: 502, body: later }}\nevent:\n"
    )
}

#[test]
fn each_outcome_has_an_answer_of_its_own() {
    let text = BELL.replace("event:\n", &replying("{ status: 208, body: known }"));
    let rule =
        compile("bell.yaml", &text).unwrap_or_else(|found| panic!("{}", found.render(&text)));
    let bound = rule.bind(&rule.examples()[0].params).map_err(|errors| errors.len()).unwrap();
    let replies = bound.replies();
    let said = |reply: &Option<Arc<Reply>>| {
        let reply = reply.as_deref().unwrap();
        (reply.status, String::from_utf8(reply.body.clone()).unwrap())
    };
    assert_eq!(said(&replies.duplicate), (208, "known".to_owned()));
    assert_eq!(said(&replies.refused), (410, String::new()));
    assert_eq!(said(&replies.try_again), (502, "later".to_owned()));
}

#[test]
fn a_repetition_is_answered_with_success_and_always_the_same() {
    check("event:\n", &replying("{ status: 409 }"), "known already is answered by a 2xx status");
    let made = replying("{ template: \"${payload.id}\" }");
    check("event:\n", &made, "`template` has no place in `duplicate`, which is always the same");
}
