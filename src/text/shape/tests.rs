//! One grammar with every kind, and documents that fit it or do not.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use super::*;
use crate::text::schema::schema;

static ROOT: Shape = Shape {
    name: "root",
    doc: "The top.",
    exactly_one: false,
    keys: &[
        Key::required("name", Kind::Text, "Its name."),
        Key::optional("note", Kind::TextOrEmpty, "A note."),
        Key::optional("level", Kind::Choice(&[("debug", "All."), ("info", "Some.")]), "How much."),
        Key::optional("port", Kind::Integer { min: 1, max: 65535 }, "A port."),
        Key::optional(
            "timeout",
            Kind::Duration { min: Duration::from_millis(1), max: Duration::from_secs(60) },
            "How long.",
        ),
        Key::optional("body", Kind::Size { min: 1, max: 1024 }, "How much."),
        Key::optional("on", Kind::Bool, "Whether."),
        Key::optional("tags", Kind::NonEmptyList(&Kind::Text), "Tags."),
        Key::optional("many", Kind::OneOrMany(&Kind::Text), "One or several."),
        Key::optional("params", Kind::Named(&Kind::AnyOf(&[Kind::Text, Kind::Map(&PARAM)])), "P."),
        Key::optional("form", Kind::Map(&FORM), "Which."),
        Key::optional("parts", Kind::List(&Kind::Map(&ROOT)), "The same again."),
        Key::optional("free", Kind::Any, "Anything."),
    ],
};

static PARAM: Shape = Shape {
    name: "param",
    doc: "A parameter.",
    exactly_one: false,
    keys: &[Key::required("type", Kind::Text, "Its type.")],
};

static FORM: Shape = Shape {
    name: "form",
    doc: "One of two.",
    exactly_one: true,
    keys: &[
        Key::optional("digest", Kind::Map(&PARAM), "A digest."),
        Key::optional("hmac", Kind::Text, "An HMAC."),
    ],
};

fn problems(source: &str) -> Problems {
    let node = Node::parse("f", source).unwrap();
    let mut problems = Problems::new("f");
    check(&node, &ROOT, &mut problems);
    problems
}

/// `line:column message; help`, by place.
#[track_caller]
fn complain(source: &str, want: &[&str]) {
    let mut found = problems(source).list;
    found.sort_by_key(|problem| problem.place);
    let found: Vec<String> = found
        .into_iter()
        .map(|Problem { place, message, help, .. }| {
            let help = help.map(|help| format!("; {help}")).unwrap_or_default();
            format!("{}:{} {message}{help}", place.line, place.column)
        })
        .collect();
    assert_eq!(found, want, "{source}");
}

const GOOD: &str = "
name: 007
note: ''
level: info
port: 80
timeout: 10s
body: 1KiB
on: true
tags: [a, 1]
many: x
params: { a: text, b: { type: list } }
form: { hmac: x }
parts: [ { name: y, parts: [] } ]
free: [~, { x: 1 }]
";

#[test]
fn a_good_document_has_no_problems() {
    complain(GOOD, &[]);
}

#[test]
fn every_problem_is_named_at_its_place_at_once() {
    complain(
        "nme: x\nlevel: inof\nport: 0\ntimeout: 10\nbody: 2KiB\non: 'yes'\ntags: []\nmany: [x, '']\n\
         params: { a: [], b: { tipe: x } }\nform: { hmac: x, digest: { type: y } }\nparts: { a: b }\n",
        &[
            "1:1 the key `name` is missing; Its name.",
            "1:1 unknown key `nme`; did you mean `name`?",
            "2:8 `level`: there is no choice `inof`; did you mean `info`?",
            "3:7 `port`: expected a whole number from 1 to 65535",
            "4:10 `timeout`: expected a duration; a whole number and one of `ms`, `s`, `m`, `h`: `10s`",
            "5:7 `body`: expected a size from 1B to 1KiB",
            "6:5 `on`: expected true or false, found text; write `true` or `false`, without quotes",
            "7:7 `tags`: the list is empty",
            "8:11 `many`: the text is empty",
            "9:14 `a`: expected text or a map, found a list",
            "9:21 the key `type` is missing; Its type.",
            "9:23 unknown key `tipe`; did you mean `type`?",
            "10:18 `digest` cannot stand beside `hmac`; give one of `digest`, `hmac`",
            "11:8 `parts`: expected a list, found a map",
        ],
    );
}

#[test]
fn words_that_yaml_takes_for_something_else_must_be_quoted() {
    complain(
        "name: true\nmany:\nport: '80'\nlevel: wrong\nparts: [ { name: '  ' } ]\nform: {}\n",
        &[
            "1:7 `name`: expected text, found true or false; where the word is meant, quote it: 'true'",
            "2:5 `many`: expected text or a list, found nothing; write a value, or leave the key out",
            "3:7 `port`: expected a whole number, found text; write digits only, without quotes, sign `+` or leading zeros",
            "4:8 `level`: there is no choice `wrong`; choose one of `debug`, `info`",
            "5:18 `name`: the text is empty",
            "6:7 expected one of the keys `digest`, `hmac`",
        ],
    );
    complain("- a\n", &["1:1 expected a map, found a list"]);
    complain("", &["1:1 expected a map, found nothing; write a value, or leave the key out"]);
}

#[test]
fn bounds_are_kept() {
    for (source, good) in [
        ("port: 1", true),
        ("port: 65535", true),
        ("port: 65536", false),
        ("port: 1.0", false),
        ("port: 1e2", false),
        ("port: 99999999999999999999", false),
        ("timeout: 0s", false),
        ("timeout: 1m", true),
        ("timeout: 61s", false),
        ("body: 0", false),
        ("body: 1024", true),
        ("body: 10MiB", false),
    ] {
        assert_eq!(problems(&format!("name: x\n{source}")).is_empty(), good, "{source}");
    }
}

/// The document as JSON, numbers as numbers.
fn json(node: &Node) -> serde_json::Value {
    match &node.kind {
        NodeKind::Bool(value) => (*value).into(),
        NodeKind::List(items) => items.iter().map(json).collect(),
        NodeKind::Map(entries) => {
            let entries = entries.iter().map(|(key, value)| (key.text.clone(), json(value)));
            serde_json::Value::Object(entries.collect())
        }
        NodeKind::Null => serde_json::Value::Null,
        NodeKind::Number(digits) => serde_json::from_str(digits).unwrap(),
        NodeKind::Text(text) => text.as_str().into(),
    }
}

#[test]
fn the_json_schema_agrees_with_the_check() {
    let validator = jsonschema::validator_for(&schema("https://example.com/root", &ROOT)).unwrap();
    for source in [
        GOOD,
        "note: x",
        "name: ''",
        "name: [x]",
        "name: x\nlevel: wrong",
        "name: x\nport: 0",
        "name: x\ntimeout: 10",
        "name: x\nbody: 2000",
        "name: x\nbody: 1KB",
        "name: x\non: maybe",
        "name: x\ntags: []",
        "name: x\ntags: [[]]",
        "name: x\nmany: []",
        "name: x\nmany: [a, b]",
        "name: x\nparams: { a: { type: x } }",
        "name: x\nparams: { a: { tipe: x } }",
        "name: x\nform: {}",
        "name: x\nform: { hmac: x, digest: { type: x } }",
        "name: x\nparts: [ { nme: y } ]",
        "name: x\nunknown: y",
    ] {
        let document = json(&Node::parse("f", source).unwrap());
        assert_eq!(validator.is_valid(&document), problems(source).is_empty(), "{source}");
    }
}

#[test]
fn the_schema_carries_the_documentation() {
    let schema = schema("https://example.com/root", &ROOT);
    assert_eq!(schema["$defs"]["root"]["properties"]["name"]["description"], "Its name.");
    assert_eq!(schema["$defs"]["form"]["description"], "One of two.");
    assert_eq!(schema["$defs"]["root"]["properties"]["parts"]["items"]["$ref"], "#/$defs/root");
}

#[test]
fn the_grammar_is_printed_with_every_key_and_each_list_of_words_once() {
    static TOP: Shape = Shape {
        name: "top",
        doc: "The top.",
        exactly_one: false,
        keys: &[
            Key::required("at", Kind::Expr("a reference such as `a.b`"), "`a | b`."),
            Key::optional("level", LEVEL, "How much."),
            Key::optional("when", Kind::AnyOf(&[NAMES, Kind::NonEmptyList(&NAMES)]), "If."),
            Key::optional("forms", Kind::NonEmptyList(&Kind::Map(&PART)), "Which."),
            Key::optional("many", Kind::OneOrMany(&Kind::Text), "Some."),
        ],
    };
    static PART: Shape = Shape {
        name: "part",
        doc: "A part.",
        exactly_one: true,
        keys: &[Key::optional("level", LEVEL, "How much."), Key::optional("x", Kind::Any, "Any.")],
    };
    const LEVEL: Kind = Kind::Choice(&[("debug", "all"), ("info", "some")]);
    static NAMES: Kind = Kind::Named(&Kind::AnyOf(&[Kind::Bool, Kind::Text, Kind::Map(&TOP)]));
    let printed: Vec<(&str, String)> = print::sections(&TOP)
        .into_iter()
        .map(|print::Section { shape, text }| (shape.name, text))
        .collect();
    let top = "The top.\n\n\
        | key | | takes | meaning |\n|---|---|---|---|\n\
        | `at` | required | a reference | `a \\| b`. |\n\
        | `level` | | a word | How much. |\n\
        | `when` | | names, each with true or false, text or [top](#top); or a list of these | If. |\n\
        | `forms` | | a list, each [part](#part) | Which. |\n\
        | `many` | | text or a list | Some. |\n\n\
        `level`:\n\n- `debug`: all\n- `info`: some\n";
    let part = "A part. Exactly one of its keys.\n\n\
        | key | takes | meaning |\n|---|---|---|\n\
        | `level` | a word | How much. |\n\
        | `x` | anything | Any. |\n\n\
        `level`: the words are those of [top](#top).\n";
    assert_eq!(printed, [("top", top.to_owned()), ("part", part.to_owned())]);
}
