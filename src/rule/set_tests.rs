//! Sets of fields: one reading only, whatever stands in them.

use super::*;

/// A made-up gateway that signs all fields of a form, sorted.
const SHELF: &str = r#"gateway: shelf
title: Shelf
docs: https://docs.shelf.example
params:
  secret: { type: secret }
request:
  method: POST
  body: form
  closed: CLOSED
  fields:
    note: NOTE
    order: { pattern: "[0-9]+" }
    state: { pattern: "[a-z]+" }
    sign: {}
proofs:
  - hmac:
      algorithm: sha256
      key: param.secret
      over: [{ set: { of: form, order: bytes, SET } }]
      tag: field.sign
      encoding: hex
event:
  order_id: field.order
  status: { from: field.state, map: { held: on_hold } }
  dedupe: field.order
examples:
  - name: held
    params: { secret: made-up-key }
    request: { form: { order: "17", state: held, sign: "00" } }
    expect: { accept: { order_id: "17" } }
"#;

/// What is wrong with a set, but for its example, which nobody has signed.
fn problems(set: &str, closed: &str, note: &str) -> String {
    let text = SHELF.replace("SET", set).replace("CLOSED", closed).replace("NOTE", note);
    compile("shelf.yaml", &text).err().expect("nobody has signed it").render(&text)
}

#[test]
fn law_4_names_and_values_of_a_set_are_told_apart_by_what_stands_between_them() {
    let cases = [
        ("${name}=${value}", ";", None),
        ("${name}=${value};", "", None),
        ("${name};${value}", ";", None),
        ("<${name}>${value}", "", None),
        ("${value}=${name}", ";", None),
        ("${name}${value}", ";", Some("nothing stands between")),
        ("${name}${value};", ",", Some("nothing stands between")),
        ("<${name}${value}>", "", Some("nothing stands between")),
        ("${name}=${value}", "", Some("nothing stands between")),
        ("${name}:${value}", ";", Some("may occur in them as well")),
        ("${name}=${value}", "and", Some("may occur in them as well")),
    ];
    for (render, separator, wanted) in cases {
        let set = format!("pattern: '[^;,<>=]*', render: \"{render}\", separator: \"{separator}\"");
        let found = problems(&set, "{}", "{ optional: true }");
        match wanted {
            Some(wanted) => assert!(found.contains(wanted), "{set}\n{found}"),
            None => assert!(!found.contains("set"), "{set}\n{found}"),
        }
    }
}

#[test]
fn law_4_what_is_flattened_or_inserted_into_a_set_is_told_apart_as_well() {
    let with = |more: &str| {
        let set = "pattern: '[^;=]*', render: \"${name}=${value}\", separator: \";\", ";
        problems(&format!("{set}{more}"), "{}", "{ optional: true }")
    };
    for (more, wanted) in [
        ("flatten: true", "flattened names may be those of other fields"),
        ("insert: { x: field.note }", "what is inserted as `x` may be anything"),
        ("insert: { 'x=1': param.secret }", "what is inserted as `x=1` may be anything"),
    ] {
        let found = with(more);
        assert!(found.contains(wanted), "{more}\n{found}");
    }
    assert!(!with("insert: { x: param.secret }").contains("set"));
}

#[test]
fn law_4_a_value_without_its_name_cannot_hold_what_stands_between_values() {
    let (closed, patterned) = ("{}", "{ optional: true, pattern: '[^;]*' }");
    let cases = [
        ("", closed, "{ optional: true }", Some("`note`")),
        ("", closed, "{ optional: true, pattern: '[a-z;]*' }", Some("`note`")),
        ("", closed, patterned, None),
        ("pattern: '[^;]*', ", closed, "{ optional: true }", None),
        ("pattern: '[^,]*', ", closed, "{ optional: true }", Some("`note`")),
        ("except: [note], ", closed, "{ optional: true }", None),
        ("", "{ names: [lang, note] }", patterned, Some("`lang`")),
        ("pattern: '[^;]*', ", "{ names: [lang], prefixes: [x_] }", patterned, None),
        ("", "{ prefixes: [x_] }", patterned, Some("`x_`")),
        ("insert: { z: field.sign }, ", closed, patterned, Some("`z`")),
        ("insert: { z: param.secret }, ", closed, patterned, None),
    ];
    for (set, closed, note, wanted) in cases {
        let text = format!("{set}separator: \";\" }} }}]\n      ambiguous: because # ");
        let found = problems(&text, closed, note);
        let swallows = "may hold the `;` that stands between values";
        match wanted {
            Some(name) => {
                let wanted = format!("names are not signed, and {name} {swallows}");
                assert!(found.contains(&wanted), "{set} {closed} {note}\n{found}");
            }
            None => assert!(!found.contains(swallows), "{set} {closed} {note}\n{found}"),
        }
    }
}

#[test]
fn law_3_what_may_be_missing_is_covered_by_a_set_of_all_fields_only_where_it_may_stand() {
    let set = "pattern: '[^;=]*', render: \"${name}=${value}\", separator: \";\"";
    let cases = [
        ("form", "optional: true", true),
        ("fields", "in: either, optional: true", true),
        ("fields", "in: body", true),
        ("fields", "in: body, optional: true", false),
        ("fields", "in: query, optional: true", false),
        ("form", "in: query", false),
    ];
    for (of, note, covered) in cases {
        let text = SHELF
            .replace("of: form", &format!("of: {of}"))
            .replace("SET", set)
            .replace("CLOSED", "{}")
            .replace("NOTE", &format!("{{ {note} }}"))
            .replace("  dedupe:", "  raw_type: field.note\n  dedupe:");
        let found = compile("shelf.yaml", &text).err().expect("not signed").render(&text);
        assert_eq!(
            !found.contains("no proof covers `field.note`"),
            covered,
            "{of} {note}\n{found}"
        );
    }
}
