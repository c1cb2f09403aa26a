//! Documents that are JSON, and documents that are not.
#![allow(clippy::unwrap_used, reason = "a test that panics fails, which is what it is for")]

use proptest::prelude::*;

use super::*;

/// In the manner of `JSONTestSuite`: `y_` must be read.
const GOOD: &[&str] = &[
    "[]",
    "{}",
    " [] ",
    "\t\r\n{ }\n",
    "null",
    "true",
    "false",
    "0",
    "-0",
    "-0.0",
    "-1",
    "123",
    "1.5",
    "1e1",
    "1E1",
    "1e+1",
    "1E-2",
    "0e1",
    "0e+1",
    "123.456e78",
    "123e65",
    "[123.456789]",
    "[-0.000000000000000000000000000000000000000000000000000000000000000000000000000001]",
    "99999999999999999999999999999999",
    "1e99999",
    r#""""#,
    r#""a""#,
    r#"" ""#,
    "\"\u{7f}\"",
    "\"\u{20ac}\u{1d11e}\"",
    "\"\u{2028}\u{feff}\"",
    r#""\"\\\/\b\f\n\r\t""#,
    r#""\u0000""#,
    r#""\u0012""#,
    r#""\uD834\uDd1e""#,
    r#""\u0061\u30af\u30EA\u30b9""#,
    r#""\uFFFF""#,
    r#""\uDBFF\uDFFF""#,
    r#""\\u0000""#,
    "[null, 1, \"1\", {}]",
    "[[]   ]",
    r#"{"":0}"#,
    r#"{"a":[]}"#,
    r#"{"a":"b","b":"a"}"#,
    r#"{"a":{"a":{"a":1}}}"#,
    "{\"a\":\n1 , \"b\" : 2 }",
    r#"{"foo\u0000bar": 42}"#,
];

/// `n_` must be refused.
const BAD: &[&str] = &[
    "",
    " ",
    "[",
    "]",
    "{",
    "}",
    "[}",
    "{]",
    "[1",
    "[1,",
    "[1,]",
    "[,1]",
    "[,]",
    "[1,,2]",
    "[1 2]",
    "[]]",
    "[],",
    "[]1",
    "{}{}",
    "null null",
    "1 2",
    "[\u{a0}]",
    "[\u{c}]",
    "\u{feff}{}",
    "nul",
    "nulL",
    "nullx",
    "True",
    "tru",
    "falsey",
    "undefined",
    "NaN",
    "-NaN",
    "Infinity",
    "-Infinity",
    "+1",
    "-",
    "--1",
    "- 1",
    "01",
    "-01",
    "00",
    "0x1",
    "1.",
    "1.e1",
    ".5",
    "-.5",
    "1e",
    "1e+",
    "1eE2",
    "1.5.2",
    "1+1",
    "1_000",
    "\u{ff11}",
    "[-foo]",
    "'a'",
    "\"",
    "\"a",
    "\"\\\"",
    "\"\\",
    "\"\n\"",
    "\"\t\"",
    "\"\0\"",
    "\"\u{1f}\"",
    "\"01234567\n\"",
    "\"0123456701234567",
    r#""\a""#,
    r#""\x00""#,
    r#""\U0061""#,
    r#""\u""#,
    r#""\u006""#,
    r#""\u00g1""#,
    r#""\u+061""#,
    r#""\u 061""#,
    r#""\ud800""#,
    r#""\udc00""#,
    r#""\ud800x""#,
    r#""\ud800\n""#,
    r#""\ud800\u0061""#,
    r#""\ud800\ud800""#,
    r#""\udc00\ud800""#,
    r#""\ud800\u""#,
    r#""a"b"#,
    "{a:1}",
    "{1:1}",
    "{null:1}",
    "{'a':1}",
    r#"{"a"}"#,
    r#"{"a":}"#,
    r#"{"a",1}"#,
    r#"{"a" 1}"#,
    r#"{"a"::1}"#,
    r#"{"a":1,}"#,
    r#"{,"a":1}"#,
    r#"{"a":1,,"b":2}"#,
    r#"{"a":1 "b":2}"#,
    r#"{"a":1"#,
    r#"{"a":1]"#,
    r#"["a":1]"#,
    "[1]//",
    "/**/[1]",
    "[1]#",
    "[1]\0",
];

#[test]
fn what_is_json_is_read() {
    for text in GOOD {
        assert!(parse(text.as_bytes()).is_ok(), "{text:?}");
    }
}

#[test]
fn what_is_not_json_is_refused() {
    for text in BAD {
        assert_eq!(parse(text.as_bytes()), Err(JsonError::Malformed), "{text:?}");
    }
}

#[test]
fn what_is_not_utf8_is_refused() {
    for bytes in [
        b"\"\xff\"".as_slice(),
        b"\"\xc0\xaf\"",
        b"\"\xed\xa0\x80\"",
        b"\"\xf4\x90\x80\x80\"",
        b"\"\xe2\x82\"",
        b"\xfe\xff\0[\0]",
        b"[\xe9]",
    ] {
        assert_eq!(parse(bytes), Err(JsonError::Malformed), "{bytes:?}");
    }
}

#[test]
fn numbers_are_kept_as_sent() {
    for text in ["12.50", "-0", "1E+2", "100000000000000000000.10", "0.1e-7"] {
        assert_eq!(parse(text.as_bytes()), Ok(Value::Number(text)));
    }
}

#[test]
fn a_string_without_escapes_is_borrowed() {
    let Ok(Value::Text(text)) = parse(b"\"0123456789 \xd0\x96\"") else { panic!("not text") };
    assert!(matches!(text, Cow::Borrowed("0123456789 \u{416}")));
}

#[test]
fn escapes_are_undone() {
    let text = br#" "12345678\"\\\/\b\f\n\r\tabcdefgh\u20ac\ud834\udd1e\u0000z" "#;
    let plain = "12345678\"\\/\u{8}\u{c}\n\r\tabcdefgh\u{20ac}\u{1d11e}\0z";
    assert_eq!(parse(text), Ok(Value::Text(plain.into())));
}

#[test]
fn a_name_that_comes_twice_is_refused_at_any_depth_however_it_is_written() {
    for text in [
        r#"{"a":1,"a":1}"#,
        r#"{"a":1,"b":2,"a":null}"#,
        r#"{"a":1,"\u0061":1}"#,
        r#"{"/":1,"\/":1}"#,
        r#"{"":1,"":1}"#,
        r#"[{"x":[{"y":{"z":1,"z":2}}]}]"#,
    ] {
        assert_eq!(parse(text.as_bytes()), Err(JsonError::DuplicateKey), "{text}");
    }
    // Equal to the eye is not equal.
    assert!(parse("{\"\u{e9}\":1,\"e\u{301}\":2,\"A\":3,\"a\":4}".as_bytes()).is_ok());
}

#[test]
fn depth_is_bounded() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(parse(nested(DEPTH_MAX).as_bytes()).is_ok());
    assert_eq!(parse(nested(DEPTH_MAX + 1).as_bytes()), Err(JsonError::TooDeep));
    assert_eq!(parse("[".repeat(1_000_000).as_bytes()), Err(JsonError::TooDeep));
    assert_eq!(parse(r#"{"":"#.repeat(1_000_000).as_bytes()), Err(JsonError::TooDeep));
}

#[test]
fn the_number_of_members_and_items_is_bounded() {
    let list = |items: usize| format!("[{}]", vec!["0"; items].join(","));
    assert!(parse(list(NODES_MAX).as_bytes()).is_ok());
    assert_eq!(parse(list(NODES_MAX + 1).as_bytes()), Err(JsonError::TooMany));
    let names: Vec<String> = (0..NODES_MAX).map(|n| format!("\"{n}\":0")).collect();
    let object = |names: &[String]| format!("{{{}}}", names.join(","));
    assert!(parse(object(&names).as_bytes()).is_ok());
    let with_list = object(&names).replacen(":0", ":[0]", 1);
    assert_eq!(parse(with_list.as_bytes()), Err(JsonError::TooMany));
}

#[test]
fn a_small_object_after_a_large_one_takes_no_more_room_than_it_needs() {
    let large: Vec<String> = (0..5000).map(|n| format!("\"{n}\":0")).collect();
    let text = format!("[{{{}}},{{\"a\":[1]}}]", large.join(","));
    let Ok(Value::List(items)) = parse(text.as_bytes()) else { panic!("not a list") };
    let Some(Value::Object(small)) = items.last() else { panic!("not an object") };
    assert_eq!(small.capacity(), 1);
}

/// The dev oracle sees what we see: same types, same texts, same order.
fn same(ours: &Value<'_>, theirs: &serde_json::Value) -> bool {
    match (ours, theirs) {
        (Value::Null, serde_json::Value::Null) => true,
        (Value::Bool(a), serde_json::Value::Bool(b)) => a == b,
        // The oracle writes `e` for `E` and adds a plus sign.
        (Value::Number(a), serde_json::Value::Number(b)) => {
            a.to_lowercase().replace('+', "") == b.as_str().to_lowercase().replace('+', "")
        }
        (Value::Text(a), serde_json::Value::String(b)) => a == b,
        (Value::List(a), serde_json::Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Object(a), serde_json::Value::Object(b)) => {
            a.len() == b.len() && b.iter().all(|(name, b)| a.get(name).is_some_and(|a| same(a, b)))
        }
        _ => false,
    }
}

/// Both refuse, or both read the same; only a name that comes twice is ours alone to refuse.
fn agrees(bytes: &[u8]) -> Result<(), TestCaseError> {
    let theirs = serde_json::from_slice::<serde_json::Value>(bytes);
    match (parse(bytes), theirs) {
        (Ok(ours), Ok(theirs)) => {
            prop_assert!(same(&ours, &theirs), "{:?} is not {:?}", ours, theirs);
        }
        (Err(JsonError::Malformed), Err(_)) | (Err(JsonError::DuplicateKey), _) => {}
        (ours, theirs) => prop_assert!(false, "{:?}\n{:?}\n{:?}", bytes, ours, theirs),
    }
    Ok(())
}

fn document() -> impl Strategy<Value = String> {
    let string = prop_oneof![
        "\"[ -!#-\\[\\]-~]{0,20}\"",
        r#""([a-z]{0,9}(\\["\\/bfnrt]|\\u[0-9a-fA-F]{4}|\\ud8[0-9a-f]{2}\\udc[0-9a-f]{2}|é|𝄞)){0,3}""#,
    ];
    let leaf = prop_oneof![
        string.clone(),
        "-?(0|[1-9][0-9]{0,25})(\\.[0-9]{1,9})?([eE][-+]?[0-9]{1,3})?",
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("false".to_owned()),
    ];
    leaf.prop_recursive(4, 64, 12, move |inner| {
        let space = "[ \t\r\n]{0,2}";
        prop_oneof![
            (prop::collection::vec(inner.clone(), 0..12), space).prop_map(
                |(items, space)| format!("[{}]{space}", items.join(&format!("{space},")))
            ),
            (prop::collection::vec((string.clone(), inner), 0..12), space).prop_map(
                |(members, space)| {
                    let members: Vec<String> = members
                        .iter()
                        .map(|(name, value)| format!("{name}{space}:{value}"))
                        .collect();
                    format!("{{{space}{}}}", members.join(","))
                }
            ),
        ]
    })
}

proptest! {
    #[test]
    fn documents_are_read_as_the_oracle_reads_them(text in document()) {
        agrees(text.as_bytes())?;
    }

    #[test]
    fn damaged_documents_are_judged_as_the_oracle_judges_them(
        text in document(),
        changes in prop::collection::vec(
            (any::<prop::sample::Index>(), prop::sample::select(&b"\"\\{}[],:0e-.u \n\x00\x80a"[..]), 0..3),
            1..4,
        ),
    ) {
        let mut bytes = text.into_bytes();
        for (place, byte, how) in changes {
            let at = place.index(bytes.len().max(1));
            match how {
                0 => bytes.insert(at.min(bytes.len()), byte),
                1 if !bytes.is_empty() => { bytes.remove(at); }
                _ => if let Some(old) = bytes.get_mut(at) { *old = byte },
            }
        }
        agrees(&bytes)?;
    }

    #[test]
    fn any_bytes_are_judged_as_the_oracle_judges_them(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        agrees(&bytes)?;
    }

    #[test]
    fn the_end_of_plain_text_is_the_first_byte_that_is_not_plain(
        bytes in prop::collection::vec(
            prop_oneof![8 => any::<u8>(), 30 => Just(b'a'), 1 => Just(b'"'), 1 => Just(b'!'), 1 => Just(0x20)], 0..40),
        from in 0_usize..40,
    ) {
        let from = from.min(bytes.len());
        let plain = |byte: &u8| *byte >= 0x20 && *byte != b'"' && *byte != b'\\';
        let expected = from + bytes[from..].iter().take_while(|byte| plain(byte)).count();
        prop_assert_eq!(plain_until(&bytes, from), expected);
    }
}
