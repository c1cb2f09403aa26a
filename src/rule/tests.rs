//! The laws of the rule language, each broken on purpose.

use super::*;

/// A made-up gateway: a form, an HMAC over three fields, one accepted example.
const ACME: &str = r#"gateway: acme
title: Acme
docs: https://docs.acme.example
params:
  shop: { type: text }
  secret: { type: secret }
request:
  method: POST
  body: form
  fields:
    shop: { pattern: "[a-z]+" }
    order: { pattern: "[0-9]+" }
    sum: { pattern: "[0-9.]+" }
    state: { pattern: "[a-z]+" }
    note: { optional: true }
    sign: {}
proofs:
  - hmac:
      algorithm: sha256
      key: param.secret
      over: [field.shop, { text: ";" }, field.order, { text: ";" }, field.sum, { text: ";" }, field.state]
      tag: field.sign
      encoding: hex
guards:
  - { equal: [field.shop, param.shop], else: account_mismatch }
event:
  account: field.shop
  order_id: field.order
  amount: { value: field.sum, currency: { text: EUR }, unit: major }
  status: { from: field.state, map: { paid: succeeded } }
  dedupe: field.order
examples:
  - name: paid
    params: { shop: mine, secret: made-up-key }
    request: { form: { shop: mine, order: "17", sum: "12.50", state: paid, note: hello, sign: SIGN } }
    expect: { accept: { order_id: "17", amount: { value: "12.50", currency: EUR }, credit: true } }
"#;

/// HMAC-SHA256 of `mine;17;12.50;paid` under `made-up-key`, by `openssl dgst -sha256 -hmac`.
const SIGN: &str = "75fa757507db951644df85e80d41e96b0387b1d7401414b6921ccf614efcd956";

fn acme() -> String {
    ACME.replace("SIGN", SIGN)
}

/// The text of every problem that a change of the rule makes.
fn problems(from: &str, to: &str) -> String {
    let text = acme();
    assert!(text.contains(from), "the rule has no {from:?}");
    let text = text.replace(from, to);
    match compile("acme.yaml", &text) {
        Ok(_) => String::new(),
        Err(problems) => problems.render(&text),
    }
}

/// The change leaves a rule that compiles.
#[track_caller]
fn compiles(from: &str, to: &str) {
    let found = problems(from, to);
    assert!(found.is_empty(), "{found}");
}

#[track_caller]
fn check(from: &str, to: &str, wanted: &[&str]) {
    let found = problems(from, to);
    for wanted in wanted {
        assert!(found.contains(wanted), "expected {wanted:?} in:\n{found}");
    }
}

#[test]
fn a_rule_that_keeps_the_laws_compiles_and_refuses_its_forgeries() {
    let text = acme();
    let rule =
        compile("acme.yaml", &text).unwrap_or_else(|found| panic!("{}", found.render(&text)));
    assert!(rule.forgeries() > 100, "{}", rule.forgeries());
    let covered = &rule.variants()[0].coverage;
    let amount = covered.iter().find(|row| row.reference == "field.sum").expect("a row");
    assert_eq!((amount.fact, amount.covered_by.as_slice()), ("amount", &["hmac"][..]));
}

#[test]
fn the_fields_of_an_example_are_sent_in_the_charset_that_the_rule_reads() {
    let text = acme()
        .replace("  body: form\n", "  body: form\n  charset: windows-1251\n")
        .replace("note: hello", "note: \"тест №1\"");
    let rule =
        compile("acme.yaml", &text).unwrap_or_else(|found| panic!("{}", found.render(&text)));
    let mut request = rule.examples()[0].request.clone();
    let note = request.fields_mut("note").next().expect("the field");
    assert_eq!(note, b"\xf2\xe5\xf1\xf2 \xb91");
}

#[test]
fn a_list_of_names_is_closed_to_declared_fields_in_brackets() {
    let closed = acme().replace("    sign: {}\n", "    sign: {}\n  closed: { names: [other] }\n");
    let rule =
        compile("acme.yaml", &closed).unwrap_or_else(|found| panic!("{}", found.render(&closed)));
    let bound = rule.bind(&rule.examples()[0].params).expect("bound");
    for (name, reason) in
        [("other", None), ("other[1]", None), ("note[]", Some("unexpected_field"))]
    {
        let mut request = rule.examples()[0].request.clone();
        let request::Body::Form(pairs) = &mut request.body else { panic!("a form") };
        pairs.retain(|(name, _)| name != b"note");
        pairs.push((name.as_bytes().to_vec(), b"x".to_vec()));
        let verdict = request.encode().with(|inbound| bound.judge(inbound, 0, &[]));
        let found = match verdict {
            crate::engine::verdict::Verdict::Rejected(reject) => Some(reject.reason.as_str()),
            _ => None,
        };
        assert_eq!(found, reason, "{name}");
    }
}

#[test]
fn law_1_everything_that_is_not_known_is_a_problem_with_its_place() {
    check(
        "title: Acme",
        "titel: Acme",
        &[
            "acme.yaml:2:1: error: unknown key `titel`",
            "did you mean `title`?",
            "acme.yaml:1:1: error: the key `title` is missing",
        ],
    );
    check("field.sum,", "field.sun,", &["no field `sun` is declared", "did you mean `sum`?"]);
    check("key: param.secret", "key: param.secert", &["did you mean `secret`?"]);
    check("key: param.secret", "key: param.shop", &["a key is a parameter of type secret"]);
    check("algorithm: sha256", "algorithm: sha265", &["no such algorithm: `sha265`"]);
    check("encoding: hex", "encoding: hexx", &["did you mean `hex`?"]);
    check("paid: succeeded", "paid: suceeded", &["did you mean `succeeded`?"]);
    check("dedupe: field.order", "dedupe: field.order | lowr", &["no such step: `lowr`"]);
    check("else: account_mismatch", "else: acount_mismatch", &["did you mean `account_mismatch`?"]);
    check(
        "order_id: field.order",
        "order_id: payload.order",
        &["there is no payload to read from"],
    );
    check("order_id: field.order", "order_id: feild.order", &["did you mean `field`?"]);
    check("[0-9.]+", "[0-9.+", &["acme.yaml:13:21: error: not a pattern"]);
    check(
        "expect: { accept: { order_id",
        "expect: { accept: { ordr_id",
        &["did you mean `order_id`?"],
    );
}

#[test]
fn law_1_all_problems_come_at_once() {
    let text = acme()
        .replace("title: Acme", "titel: Acme")
        .replace("algorithm: sha256", "algorithm: sha265")
        .replace("paid: succeeded", "paid: payed")
        .replace("field.state, map", "field.stat, map");
    let found = compile("acme.yaml", &text).err().expect("four mistakes").render(&text);
    for wanted in ["`titel`", "`sha265`", "`payed`", "`stat`"] {
        assert!(found.contains(wanted), "expected {wanted} in:\n{found}");
    }
}

#[test]
fn a_broken_proof_is_one_problem_and_not_one_for_each_fact() {
    for (from, to) in [
        ("tag: field.sign", "tag: field.sing"),
        ("algorithm: sha256", "algorithm: sha265"),
        ("key: param.secret", "key: param.secert"),
    ] {
        let found = problems(from, to);
        assert_eq!(found.matches(": error: ").count(), 1, "{found}");
    }
}

#[test]
fn law_2_a_rule_without_a_proof_does_not_compile() {
    let text = acme();
    let (start, end) = (text.find("proofs:").unwrap(), text.find("guards:").unwrap());
    let without = format!("{}{}", text.get(..start).unwrap(), text.get(end..).unwrap());
    let found = compile("acme.yaml", &without).err().expect("no proof").render(&without);
    assert!(found.contains("the key `proofs` is missing"), "{found}");
    let text = acme();
    let optional =
        text.replace("      encoding: hex\n", "      encoding: hex\n      optional: true\n");
    let found = compile("acme.yaml", &optional).err().expect("optional").render(&optional);
    assert!(found.contains("unknown key `optional`"), "{found}");
}

#[test]
fn law_2_a_digest_without_a_secret_or_with_a_broken_algorithm_needs_a_word() {
    check(
        "  - hmac:\n      algorithm: sha256\n      key: param.secret\n",
        "  - digest:\n      algorithm: sha256\n",
        &["a digest without a secret proves nothing"],
    );
    check("algorithm: sha256", "algorithm: md5", &["no longer trusted", "`weak: <reason>`"]);
    check(
        "      encoding: hex",
        "      encoding: hex\n      weak: for no reason",
        &["on an algorithm that is trusted"],
    );
}

#[test]
fn law_3_a_fact_that_no_proof_covers_does_not_compile() {
    check(
        "order_id: field.order\n",
        "order_id: field.note\n",
        &["no proof covers `field.note`", "`order_id`"],
    );
    check(
        "  order_id: field.order\n",
        "  order_id: field.order\n  event_id: field.note\n",
        &["no proof covers `field.note`, which `event_id`", "`unsigned: { event_id: <reason> }`"],
    );
    check(
        "status: { from: field.state",
        "status: { from: field.note",
        &["which `status` is taken from"],
    );
    check("over: [field.shop, { text: \";\" }, ", "over: [", &["which `account` is taken from"]);
}

#[test]
fn law_3_what_may_be_unsigned_says_why_and_is_marked() {
    let text = acme().replace(
        "  order_id: field.order\n",
        "  order_id: field.order\n  event_id: field.note\n  unsigned: { event_id: only for the log }\n",
    );
    let rule =
        compile("acme.yaml", &text).unwrap_or_else(|found| panic!("{}", found.render(&text)));
    let bound = rule.bind(&rule.examples()[0].params).expect("binds");
    let verdict = rule.examples()[0].request.encode().with(|inbound| bound.judge(inbound, 0, &[]));
    let crate::engine::verdict::Verdict::Accepted(accepted) = verdict else { panic!("rejected") };
    assert_eq!(accepted.events[0].unsigned, ["event_id"]);
    assert_eq!(accepted.events[0].event_id.as_deref(), Some("hello"));
    check(
        "  order_id: field.order\n",
        "  order_id: field.note\n  unsigned: { order_id: because }\n",
        &["`order_id` may never be unsigned"],
    );
    check(
        "  dedupe: field.order\n",
        "  dedupe: field.order\n  unsigned: { event_id: because }\n",
        &["`event_id` is covered, or not a fact"],
    );
}

#[test]
fn law_4_parts_that_can_be_cut_in_two_ways_do_not_compile() {
    // One part with the separator in it can still be found from both ends; two cannot.
    compiles("order: { pattern: \"[0-9]+\" }", "order: { pattern: \"[0-9;]+\" }");
    check(
        "order: { pattern: \"[0-9]+\" }\n    sum: { pattern: \"[0-9.]+\" }",
        "order: { pattern: \"[0-9;]+\" }\n    sum: { pattern: \"[0-9.;]+\" }",
        &["the boundary between", "has two readings"],
    );
    check(
        "over: [field.shop, { text: \";\" }, field.order, { text: \";\" }, field.sum, ",
        "over: [field.shop, { text: \";\" }, field.order, field.sum, ",
        &["the boundary between `field.order` and `field.sum` can move"],
    );
}

#[test]
fn law_5_an_example_that_comes_out_otherwise_does_not_compile() {
    check("order_id: \"17\"", "order_id: \"18\"", &["`order_id` is `17`, not `18`"]);
    check(
        SIGN,
        &SIGN.replace("75fa", "0000"),
        &["must be accepted, and was rejected: signature_mismatch"],
    );
    check("secret: made-up-key", "secret: \"  \"", &["the text is empty"]);
    check("secret: made-up-key", "secret: changeme", &["placeholder"]);
    check(
        "expect: { accept: { order_id: \"17\", amount: { value: \"12.50\", currency: EUR }, credit: true } }",
        "expect: { reject: field_missing }",
        &["must be rejected, and was accepted", "no accepted example"],
    );
}

#[test]
fn law_5_an_example_that_shows_money_says_how_much() {
    check(
        ", amount: { value: \"12.50\", currency: EUR }",
        "",
        &[
            "example `paid` shows money, and does not say how much",
            "the rule makes 12.50 EUR of it",
        ],
    );
}

#[test]
fn law_5_a_variant_that_no_example_shows_does_not_compile() {
    compiles(
        "  secret: { type: secret }\n",
        "  secret: { type: secret }\n  place: { type: choice, of: [body, query], default: body }\n",
    );
    let text = acme()
        .replace(
            "  secret: { type: secret }\n",
            "  secret: { type: secret }\n  place: { type: choice, of: [body, query], default: body }\n",
        )
        .replace("sign: {}", "sign: { in: param.place }");
    let found = compile("acme.yaml", &text).err().expect("query is not shown").render(&text);
    assert!(found.contains("no accepted example for place: query"), "{found}");
}

#[test]
fn law_5_a_rule_that_accepts_a_forgery_does_not_load_and_names_it() {
    // Nothing compares the shop with ours: a genuine callback for another merchant is accepted.
    let text = acme();
    let (start, end) = (text.find("guards:").unwrap(), text.find("event:").unwrap());
    let text = format!("{}{}", text.get(..start).unwrap(), text.get(end..).unwrap());
    let text = text.replace("account: field.shop", "account: param.shop");
    let found = compile("acme.yaml", &text).err().expect("any shop will do").render(&text);
    assert!(
        found.contains("accepts a forgery of example `paid`: judged with another `shop`"),
        "{found}"
    );
}

#[test]
fn law_6_an_amount_is_exact_or_refused() {
    // Genuinely signed by the same key, and half a cent too exact.
    let sign = "8c5903548dcae182c9a03626d2b822446102b56c22f7a90e91f88ce5890b44e5";
    let text = acme().replace("sum: \"12.50\"", "sum: \"12.505\"").replace(SIGN, sign);
    let found = compile("acme.yaml", &text).err().expect("no such amount").render(&text);
    assert!(found.contains("was rejected: field_malformed (field.sum)"), "{found}");
    check("unit: major", "unit: cents", &["choose one of `major`, `milli`, `minor`"]);
    check("unit: major }", "unit: minor, codes: any }", &["minor units need ISO 4217 codes"]);
}

#[test]
fn a_currency_that_is_not_named_is_the_next_place_of_its_list() {
    let text = acme()
        .replace(
            "    sign: {}\n",
            "    cur: { optional: true, pattern: \"[A-Z]{3}\" }\n    sign: {}\n",
        )
        .replace("field.state]", "field.state, { place: field.cur, before: \";\", missing: skip }]")
        .replace("currency: { text: EUR }", "currency: [field.cur, { text: EUR }]");
    // The example expects EUR and names none.
    compile("acme.yaml", &text).unwrap_or_else(|found| panic!("{}", found.render(&text)));
    let named = text
        .replace("state: paid", "state: paid, cur: USD")
        .replace(SIGN, "0bc3ef3fc95eb8bd7fde2a729f3ceedf5aa806e191be7c75a5eeed81c08be895")
        .replace("value: \"12.50\", currency: EUR", "value: \"12.50\", currency: USD");
    compile("acme.yaml", &named).unwrap_or_else(|found| panic!("{}", found.render(&named)));
    check(
        "currency: { text: EUR }",
        "currency: [field.note, { text: EUR }]",
        &["no proof covers `field.note`, which `amount` is taken from"],
    );
}

#[test]
fn law_7_unknown_is_never_money() {
    let text = acme().replace("map: { paid: succeeded }", "map: { done: succeeded }");
    let found = compile("acme.yaml", &text).err().expect("paid is unknown now").render(&text);
    assert!(found.contains("`credit` is false, not true"), "{found}");
    check(
        "map: { paid: succeeded }",
        "map: { paid: succeeded }, otherwise: succeeded",
        &["unknown key `otherwise`"],
    );
}

#[test]
fn names_of_yaml_itself_are_no_way_around() {
    check("gateway: acme", "gateway: Acme/1", &["a rule's name is lower-case"]);
    check("gateway: acme", "gateway: acme\ngateway: acme", &["acme.yaml:2:1"]);
    compiles("params:\n", "params: &p\n");
}

/// The id of the event that the first example of a rule says.
fn id_of_the_example(text: &str) -> String {
    let rule = compile("acme.yaml", text).unwrap_or_else(|found| panic!("{}", found.render(text)));
    let example = &rule.examples()[0];
    let bound = rule.bind(&example.params).expect("parameters that fit");
    let outcome = example
        .request
        .encode()
        .with(|inbound| canned::judge(&bound, inbound, example.at, &example.canned));
    match outcome.verdict {
        crate::engine::verdict::Verdict::Accepted(accepted) => accepted.events[0].id.clone(),
        verdict => panic!("{verdict:?}"),
    }
}

#[test]
fn a_case_may_be_told_from_others_by_values_of_its_own() {
    let status = "status: { from: field.state, map: { paid: succeeded } }";
    let with = |own: &str| {
        let case = format!("cases: [{{ when: {{ field.state: paid }}, status: succeeded{own} }}]");
        id_of_the_example(&acme().replace(status, &case))
    };
    assert_eq!(with(""), id_of_the_example(&acme()), "the case has the values of the event");
    let by_sum = acme().replace("dedupe: field.order", "dedupe: field.sum");
    assert_eq!(with(", dedupe: field.sum"), id_of_the_example(&by_sum));
    assert_ne!(with(", dedupe: field.sum"), with(""));
}

#[test]
fn a_callback_that_nothing_tells_from_others_is_refused() {
    // There, but empty: what all callbacks without a note would have in common.
    let text = acme().replace("dedupe: field.order", "dedupe: payload.note");
    let payload = "payload: { from: field.state, as: form }\nevent:";
    let text = text.replace("event:", payload);
    let found = compile("acme.yaml", &text).err().expect("no id").render(&text);
    assert!(found.contains("field_missing (event.dedupe)"), "{found}");
}

/// Acme's callbacks in batches: each item has a tag of its own.
const BATCH: &str = r#"gateway: acme
title: Acme
docs: https://docs.acme.example
params:
  secret: { type: secret }
request: { method: POST, body: json }
payload: { from: body, as: json }
each:
  of: payload.items
  fields:
    item.order: { pattern: "[0-9]+" }
    item.sum: { pattern: "[0-9.]+" }
    item.state: { optional: true, pattern: "[a-z]+" }
proofs:
  - hmac:
      algorithm: sha256
      key: param.secret
      over: [item.order, item.sum, { place: item.state, missing: empty }]
      separator: ";"
      tag: item.sign
      encoding: hex
event:
  order_id: item.order
  amount: { value: item.sum, currency: { text: EUR }, unit: major }
  status: { from: item.state, map: { paid: succeeded } }
  dedupe: item.order
examples:
  - name: two
    params: { secret: made-up-key }
    request:
      body: '{"items":[
        {"order":17,"sum":"12.50","state":"paid","sign":"b1d4f65edfce669d3ebf64db5cd6f856f20c396b0d54b017bdcc979e63b35f3a"},
        {"order":18,"sum":"3.00","state":"paid","sign":"4feaf4e8fc444ec145c446f3cc53c98e054653b0d54c846f33f49b4f0df9e844"}]}'
    expect:
      accept:
        - { order_id: "17", amount: { value: "12.50", currency: EUR }, credit: true }
        - { order_id: "18", amount: { value: "3.00", currency: EUR }, credit: true }
"#;

#[track_caller]
fn check_batch(from: &str, to: &str, wanted: &str) {
    assert!(BATCH.contains(from), "the rule has no {from:?}");
    let text = BATCH.replace(from, to);
    let found = match compile("acme.yaml", &text) {
        Ok(_) => String::new(),
        Err(problems) => problems.render(&text),
    };
    assert!(found.contains(wanted), "expected {wanted:?} in:\n{found}");
    assert_eq!(found.is_empty(), wanted.is_empty(), "{found}");
}

#[test]
fn what_items_must_look_like_decides_whether_their_parts_can_be_told_apart() {
    check_batch("", "", "");
    // One part may be anything and is found from both ends; two may not.
    check_batch("    item.order: { pattern: \"[0-9]+\" }\n", "", "");
    let loose = "    item.order: { pattern: \"[0-9]+\" }\n    item.sum: { pattern: \"[0-9.]+\" }\n";
    check_batch(loose, "", "the boundary between `item.order` and");
}

#[test]
fn an_item_that_looks_otherwise_is_refused() {
    let found = "must be accepted, and was rejected: field_malformed (item.order)";
    check_batch("item.order: { pattern: \"[0-9]+\" }", "item.order: { pattern: \"17\" }", found);
    check_batch("item.state: { optional: true", "item.none: { optional: true", "");
    let found = "must be accepted, and was rejected: field_missing (item.none)";
    check_batch("item.state: { optional: true, pat", "item.none: { pat", found);
}

#[test]
fn what_is_empty_is_not_shown_among_the_fields() {
    let empty = "219fcd1399c9d3127cb79973e1d46f03c14fb0a74739b4e2d2ac43532ffad4a1";
    let text = BATCH.replace("\"state\":\"paid\",\"sign\":\"b1d4f65edfce669d3ebf64db5cd6f856f20c396b0d54b017bdcc979e63b35f3a\"",
        &format!("\"state\":\"\",\"sign\":\"{empty}\""));
    let text = text.replacen("credit: true", "credit: false", 1);
    let rule =
        compile("acme.yaml", &text).unwrap_or_else(|found| panic!("{}", found.render(&text)));
    let bound = rule.bind(&rule.examples()[0].params).expect("binds");
    let verdict = rule.examples()[0].request.encode().with(|inbound| bound.judge(inbound, 0, &[]));
    let crate::engine::verdict::Verdict::Accepted(accepted) = verdict else { panic!("rejected") };
    assert_eq!(accepted.events[0].raw, r#"{"order":"17","sum":"12.50"}"#);
    assert_eq!(accepted.events[1].raw, r#"{"order":"18","state":"paid","sum":"3.00"}"#);
}

#[test]
fn a_placeholder_is_a_secret_only_where_somebody_has_published_what_it_signs() {
    let text = acme();
    let rule =
        compile("acme.yaml", &text).unwrap_or_else(|found| panic!("{}", found.render(&text)));
    let mut params = rule.examples()[0].params.clone();
    params.set("secret", vec!["secret".into()]);
    let errors = rule.bind(&params).err().expect("no operator may configure it");
    assert_eq!(errors[0].to_string(), "parameter `secret`: this is a placeholder, not a secret");
    assert!(Bound::with_published_secrets(rule.compiled(), &params).is_ok());
    params.set("secret", vec!["".into()]);
    assert!(Bound::with_published_secrets(rule.compiled(), &params).is_err());
}

#[test]
fn a_payload_may_be_missing_only_where_the_rule_says_so() {
    let within = "payload:\n  - { from: body, as: json }\n  - { name: note, from: payload.note, as: json }\n";
    let broken = "must be accepted, and was rejected: payload_malformed (payload.note)";
    check_batch("payload: { from: body, as: json }\n", within, broken);
    let optional = within
        .replace("as: json }\n  - { name: note,", "as: json }\n  - { name: note, optional: true,");
    check_batch("payload: { from: body, as: json }\n", &optional, "");
    let (from, to) = ("'{\"items\"", "'{\"note\":\"no JSON\",\"items\"");
    let text = BATCH.replace("payload: { from: body, as: json }\n", &optional).replace(from, to);
    let found = compile("acme.yaml", &text).err().expect("it is there").render(&text);
    assert!(found.contains(broken), "{found}");
}

#[test]
fn an_exchange_may_go_elsewhere_for_each_environment() {
    let one = |environment: &str, host: &str| {
        format!(
            "    - only: {{ environment: {environment} }}\n      method: GET\n      url: {{ text: \
             'https://{host}/ping' }}\n      answer: {{ as: json, fields: {{ ping.at: {{}} }} }}\n"
        )
    };
    let live = one("live", "api.acme.example");
    let exchanges = format!("exchanges:\n  ping:\n{live}{}", one("test", "sandbox.acme.example"));
    let text = acme()
        .replace("guards:", "  - confirm: { by: ping }\nguards:")
        .replace("event:\n", &format!("{exchanges}event:\n  test: {{ route: true }}\n"))
        .replace("  dedupe:", "  dedupe: [field.order, ping.at]\n  #");
    let (head, example) = text.split_once("  - name: paid").expect("an example");
    let asked = |host: &str| {
        let url = format!("https://{host}/ping");
        format!("    exchanges: [{{ url: '{url}', answer: '{{\"at\":1}}' }}]\n    request:")
    };
    let live = example.replace("    request:", &asked("api.acme.example"));
    let test = example
        .replace("    request:", &asked("sandbox.acme.example"))
        .replace("params: {", "params: { environment: test,")
        .replace("credit: true", "credit: false");
    let both = format!("{head}  - name: live{live}  - name: test{test}");
    compile("acme.yaml", &both).unwrap_or_else(|problems| panic!("{}", problems.render(&both)));
    let swapped = both.replace("environment: test,", "environment: live,");
    let found = compile("acme.yaml", &swapped).err().expect("the other host").render(&swapped);
    assert!(found.contains("asks what is not among its exchanges"), "{found}");
    let loose = both.replace(", fields: { ping.at: {} }", "");
    let found = compile("acme.yaml", &loose).err().expect("any answer will do").render(&loose);
    assert!(
        found.contains("`live`: GET https://api.acme.example/ping answered with `{}`"),
        "{found}"
    );
}

#[test]
fn a_handshake_is_no_forgery_and_words_of_an_answer_judge_nothing() {
    let handshake = "questions:\n  - name: whose address this is\n    request: { method: GET, body: \
                     any }\n    reply: { template: 'I am ${param.hello}' }\nevent:\n";
    let text = acme()
        .replace("params:\n", "params:\n  hello: { type: text }\n")
        .replace("event:\n", handshake)
        .replace("params: {", "params: { hello: world,");
    compile("acme.yaml", &text).unwrap_or_else(|problems| panic!("{}", problems.render(&text)));
}

#[test]
fn law_4_what_a_fact_is_packed_in_needs_a_pattern_where_boundaries_move() {
    let set = "over: [{ set: { of: fields, order: bytes } }]\n      ambiguous: because\n      ";
    let over = "over: [field.shop, { text: \";\" }, field.order, { text: \";\" }, field.sum, { text: \";\" }, field.state]\n      ";
    let closed = acme().replace("  fields:\n", "  closed: {}\n  fields:\n").replace(over, set);
    let packed = |note: &str| {
        let note = format!("    note: {{ {note} }}\nproofs:\n");
        let text = closed.replace(
            "    note: { optional: true }\n    sign: {}\nproofs:\n",
            &format!("    sign: {{}}\n{note}"),
        );
        let payload = "payload: { from: field.note, as: json }\nguards:\n";
        let text = text.replace("guards:\n", payload);
        let text = text.replace("  dedupe:", "  raw_type: payload.type\n  dedupe:");
        compile("acme.yaml", &text).err().expect("its example has no note").render(&text)
    };
    let wanted = "`payload.type`, which `raw_type` is taken from, may be anything";
    assert!(packed("optional: true").contains(wanted), "{}", packed("optional: true"));
    assert!(!packed("pattern: \"[{].*\"").contains("may be anything"));
}

#[test]
fn of_several_accounts_one_must_be_ours_and_an_example_of_another_is_refused() {
    let among = "  - { among: { field.shop: param.shop, field.state: param.notes }, else: \
                 account_mismatch }\nevent:\n";
    let text = acme()
        .replace("  - { equal: [field.shop, param.shop], else: account_mismatch }\n", "")
        .replace("shop: { type: text }", "shop: { type: text, pattern: '[a-z]{4}' }")
        .replace("  secret:", "  notes: { type: text, list: true, optional: true }\n  secret:")
        .replace("event:\n", among);
    compile("acme.yaml", &text).unwrap_or_else(|problems| panic!("{}", problems.render(&text)));
    let unguarded = text.replace(among, "event:\n").replace("guards:\n", "");
    let unguarded = unguarded.replace("event:\n", "event:\n  transaction_id: param.shop\n");
    let found = compile("acme.yaml", &unguarded).err().expect("any shop").render(&unguarded);
    assert!(found.contains("judged with another `shop`"), "{found}");
}

#[test]
fn what_is_not_configured_and_not_looked_at_makes_no_account_another() {
    let sometimes = "  - { among: { field.shop: param.shops }, when: { field.state: refunded }, else: \
                     account_mismatch }\nevent:\n";
    let text = acme()
        .replace("  secret:", "  shops: { type: text, list: true, optional: true }\n  secret:")
        .replace("event:\n", sometimes);
    compile("acme.yaml", &text).unwrap_or_else(|problems| panic!("{}", problems.render(&text)));
    let configured = text.replace("params: {", "params: { shops: mine,");
    let found = compile("acme.yaml", &configured).err().expect("not looked at");
    assert!(found.render(&configured).contains("judged with another `shops`"));
}

#[test]
fn a_declared_field_does_not_nest_where_names_are_closed() {
    let form = "shop: mine, order: \"17\", sum: \"12.50\", state: paid, note: hello,";
    let nested = form.replace("note:", "\"note[]\":");
    compiles(form, &nested);
    let text = acme().replace(form, &nested).replace("  fields:\n", "  closed: {}\n  fields:\n");
    let found = compile("acme.yaml", &text).err().expect("names are closed").render(&text);
    assert!(found.contains("was rejected: unexpected_field (form)"), "{found}");
}
