//! Documents that are XML, documents that are not, and those that are and are refused all the same.
#![allow(clippy::unwrap_used, reason = "a test that panics fails, which is what it is for")]

use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;
use crate::engine::canonical::Writer;

const BAD: &[&str] = &[
    "",
    " ",
    "x",
    "<",
    "<a",
    "<a>",
    "<a>x",
    "<a></a",
    "<a></",
    "</a>",
    "<a></b>",
    "<a></A>",
    "<a></ab>",
    "<ab></a>",
    "<a><b></a></b>",
    "<a></ a>",
    "<a></a b='1'>",
    "<a/ >",
    "< a/>",
    "<a / >",
    "<1/>",
    "<-a/>",
    "<.a/>",
    "<a,b/>",
    "<a\u{d7}/>",
    "<\u{300}a/>",
    "<a\u{2c}/>",
    "<a/><b/>",
    "<a/>x",
    "x<a/>",
    "<a/>&amp;",
    "&#32;<a/>",
    "<a/><![CDATA[]]>",
    "<![CDATA[x]]>",
    "<a b/>",
    "<a b=1/>",
    "<a b=/>",
    "<a b=='1'/>",
    "<a ='1'/>",
    "<a 'b'='1'/>",
    "<a 1='1'/>",
    "<a b='1'c='2'/>",
    "<a b='1/>",
    "<a b='1\"/>",
    "<a b='<'/>",
    "<a b='&'/>",
    "<a b='&lt'/>",
    "<ab='1'/>",
    "<a b='1''/>",
    "<a b='1'>",
    "<a b='1'/",
    "<a\u{a0}b='1'/>",
    "<a\u{85}b='1'/>",
    "<a>&</a>",
    "<a>&;</a>",
    "<a>& amp;</a>",
    "<a>&amp</a>",
    "<a>&AMP;</a>",
    "<a>&nbsp;</a>",
    "<a>&#;</a>",
    "<a>&#x;</a>",
    "<a>&#X41;</a>",
    "<a>&#+65;</a>",
    "<a>&#-1;</a>",
    "<a>&# 65;</a>",
    "<a>&#65 ;</a>",
    "<a>&#6_5;</a>",
    "<a>&#4294967361;</a>",
    "<a>&#x100000041;</a>",
    "<a>&#\u{663};</a>",
    "<a>&#0;</a>",
    "<a>&#1;</a>",
    "<a>&#x1f;</a>",
    "<a>&#xD800;</a>",
    "<a>&#xFFFE;</a>",
    "<a>&#x110000;</a>",
    "<a>\0</a>",
    "<a>\u{1}</a>",
    "<a>\u{b}</a>",
    "<a>\u{fffe}</a>",
    "<a>\u{ffff}</a>",
    "<a b='\u{8}'/>",
    "<a><!--\u{c}--></a>",
    "<a/>\0",
    "<a\0/>",
    "<a>]]></a>",
    "<a>x]]>y</a>",
    "<a><![CDATA[x]]></a",
    "<a><![CDATA[x]]</a>",
    "<a><![cdata[x]]></a>",
    "<a><![CDATA [x]]></a>",
    "<a><!-- -- --></a>",
    "<a><!-- ---></a>",
    "<a><!--></a>",
    "<a><!--->x</a>",
    "<a><!-- x</a>",
    "<!-- x",
    "<a/><!--",
    "<a><!x></a>",
    "<a><! -- x --></a>",
    "\u{feff}\u{feff}<a/>",
    " \u{feff}<a/>",
    "<a/>\u{feff}",
    "<a\u{37e}/>",
    // More than white space in more than one place.
    "<a>x<b/>y</a>",
    "<a>x<b/>&amp;</a>",
    "<a>x<b/><![CDATA[y]]></a>",
    "<a>1<!-- -->2</a>",
    "<a b='1'>1<!-- --> <!-- -->2</a>",
    "<a>1<!-- --><![CDATA[2]]></a>",
    "<a>1<!-- --><b/>2</a>",
];

/// As JSON, which is shorter to write down.
fn json(value: &Value<'_>) -> String {
    let mut writer = Writer::with_capacity(64);
    writer.write_value(value);
    writer.into_string()
}

fn read(text: &str, names: Names) -> Result<String, XmlError> {
    parse(text.as_bytes(), names).map(|value| json(&value))
}

#[track_caller]
fn check(text: &str, expected: &str) {
    assert_eq!(read(text, Names::AsWritten).as_deref(), Ok(expected), "{text:?}");
}

#[test]
fn an_element_is_its_text_or_an_object() {
    for (text, expected) in [
        ("<a/>", r#"{"a":""}"#),
        ("<a></a>", r#"{"a":""}"#),
        ("<a>x</a>", r#"{"a":"x"}"#),
        ("<a> x\n</a>", r#"{"a":" x\n"}"#),
        ("<a> </a>", r#"{"a":" "}"#),
        (r#"<a b="1"/>"#, r#"{"a":{"b":"1"}}"#),
        ("<a b='1'>x</a>", r##"{"a":{"#text":"x","b":"1"}}"##),
        ("<a b='1'> x </a>", r##"{"a":{"#text":" x ","b":"1"}}"##),
        ("<a nil='true'/>", r#"{"a":null}"#),
        ("<a type='date' nil='true'> </a>", r#"{"a":null}"#),
        ("<a nil='true'>x</a>", r##"{"a":{"#text":"x","nil":"true"}}"##),
        ("<a nil='true'><b/></a>", r#"{"a":{"b":"","nil":"true"}}"#),
        ("<a nil='false'/>", r#"{"a":{"nil":"false"}}"#),
        ("<a b='1'> \r\n\t</a>", r#"{"a":{"b":"1"}}"#),
        ("<a>\n <b>1</b>\n <c/>\n</a>", r#"{"a":{"b":"1","c":""}}"#),
        ("<a>x<b/> </a>", r##"{"a":{"#text":"x","b":""}}"##),
        ("<a> <b/>x</a>", r##"{"a":{"#text":"x","b":""}}"##),
        ("<a>&#32;<b/></a>", r#"{"a":{"b":""}}"#),
        ("<a><b/><b>1</b></a>", r#"{"a":{"b":["","1"]}}"#),
        ("<a><b>1</b><c>2</c><b>3</b><b><d/></b></a>", r#"{"a":{"b":["1","3",{"d":""}],"c":"2"}}"#),
        ("<a><a><a>x</a></a></a>", r#"{"a":{"a":{"a":"x"}}}"#),
        ("<n:a xmlns:n='urn:x' n:b='1'/>", r#"{"n:a":{"n:b":"1","xmlns:n":"urn:x"}}"#),
        ("<_é.1-\u{b7}/>", "{\"_é.1-\u{b7}\":\"\"}"),
    ] {
        check(text, expected);
    }
}

#[test]
fn members_stand_where_their_name_came_first_and_text_stands_last() {
    let root = parse(b"<a z='1' y='2'>x<c/><b/><c/></a>", Names::AsWritten).unwrap();
    let element = root.as_object().unwrap().get("a").unwrap().as_object().unwrap();
    let names: Vec<&str> = element.members().iter().map(|(name, _)| name.as_ref()).collect();
    assert_eq!(names, ["z", "y", "c", "b", TEXT]);
}

#[test]
fn text_says_what_it_stands_for() {
    for (text, expected) in [
        ("<a>&lt;&gt;&amp;&apos;&quot;</a>", r#"{"a":"<>&'\""}"#),
        ("<a>&#65;&#x42;&#x0000000000043;&#x1F600;&#9;</a>", "{\"a\":\"ABC\u{1f600}\\t\"}"),
        ("<a>&amp;lt;&#38;lt;</a>", r#"{"a":"&lt;&lt;"}"#),
        ("<a>1\r2\r\n3\n4\r\r\n</a>", r#"{"a":"1\n2\n3\n4\n\n"}"#),
        ("<a>&#13;&#xD;\n</a>", r#"{"a":"\r\r\n"}"#),
        ("<a b='1\r2\r\n3\n4\t5&#10;&#13;&#9;'/>", r#"{"a":{"b":"1 2 3 4 5\n\r\t"}}"#),
        (r#"<a b="'&quot;>" c='"&apos;]]>'/>"#, r#"{"a":{"b":"'\">","c":"\"']]>"}}"#),
        ("<a><![CDATA[<b>&amp;]]]]><![CDATA[>\r\n]]></a>", r#"{"a":"<b>&amp;]]>\n"}"#),
        ("<a>1<![CDATA[]]>2<![CDATA[3]]></a>", r#"{"a":"123"}"#),
        ("<a>]]&gt;]] ></a>", r#"{"a":"]]>]] >"}"#),
    ] {
        check(text, expected);
    }
}

#[test]
fn text_without_references_is_borrowed() {
    let Value::Object(root) = parse(b"<a>\n1 \xd0\x96</a>", Names::Lower).unwrap() else {
        panic!("not an object")
    };
    let [(Cow::Borrowed("a"), Value::Text(Cow::Borrowed("\n1 \u{416}")))] = root.members() else {
        panic!("not borrowed: {root:?}")
    };
}

#[test]
fn comments_and_the_declaration_say_nothing() {
    for text in [
        "<?xml version=\"1.0\"?><a>x</a>",
        "<?xml version='1.0' encoding='UTF-8'?>\n<a>x</a>\n",
        "<?xml\n version = '1.0'\tencoding=\"utf-8\" standalone='no' ?><a>x</a>",
        "<?xml version='1.0' standalone='yes'?><a>x</a>",
        "\u{feff}<?xml version='1.0'?><a>x</a>",
        "\u{feff}<a>x</a>",
        " <!-- <b> & --> <!----><a>x</a><!-- - --> ",
        "<a><!-- c -->x</a>",
        "<a>x<!-- c --></a>",
        "<a\n>x</a\t>",
    ] {
        check(text, r#"{"a":"x"}"#);
    }
    check("<a> <!-- 1 --> <b/> <!-- 2 --> </a>", r#"{"a":{"b":""}}"#);
    check("<a>x<!-- c --> </a>", r#"{"a":"x "}"#);
}

#[test]
fn what_is_not_xml_is_refused() {
    for text in BAD {
        assert_eq!(read(text, Names::AsWritten), Err(XmlError::Malformed), "{text:?}");
        assert_eq!(read(text, Names::Lower), Err(XmlError::Malformed), "{text:?}");
    }
}

#[test]
fn a_dtd_a_processing_instruction_and_another_declaration_are_refused() {
    for text in [
        "<!DOCTYPE a><a/>",
        "<!DOCTYPE html><html/>",
        "<!doctype a><a/>",
        "<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>",
        "<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>",
        "<?xml version='1.0'?><!DOCTYPE a><a/>",
        "<a><!DOCTYPE a></a>",
        "<a/><!DOCTYPE a>",
        "<a><!ENTITY x 'y'></a>",
        "<a><!ELEMENT a></a>",
        "<?x?><a/>",
        "<?xml-stylesheet href='x'?><a/>",
        "<a><?x?></a>",
        "<a/><?x?>",
        "<a><?xml version='1.0'?></a>",
        "<a/><?xml version='1.0'?>",
        " <?xml version='1.0'?><a/>",
        "<!-- --><?xml version='1.0'?><a/>",
        "<?xml version='1.0'?><?xml version='1.0'?><a/>",
        "<?XML version='1.0'?><a/>",
        "<?xml?><a/>",
        "<?xml ?><a/>",
        "<?xmlversion='1.0'?><a/>",
        "<?xml encoding='utf-8'?><a/>",
        "<?xml version=1.0?><a/>",
        "<?xml version='1.1'?><a/>",
        "<?xml version='2.0'?><a/>",
        "<?xml version=''?><a/>",
        "<?xml version='1.0'><a/>",
        "<?xml version='1.0'? ><a/>",
        "<?xml version='1.0'/><a/>",
        "<?xml version='1.0'encoding='utf-8'?><a/>",
        "<?xml version='1.0' encoding='utf-8'standalone='no'?><a/>",
        "<?xml version='1.0' standalone='no' encoding='utf-8'?><a/>",
        "<?xml version='1.0' encoding='utf-8' encoding='utf-8'?><a/>",
        "<?xml version='1.0' standalone='maybe'?><a/>",
        "<?xml version='1.0' x='1'?><a/>",
        "<?xml version='1.0' version='1.0'?><a/>",
        "<?xml version='1.0' encoding='windows-1251'?><a/>",
        "<?xml version='1.0' encoding='us-ascii'?><a/>",
        "<?xml version='1.0' encoding='utf-16'?><a/>",
        "<?xml version='1.0' encoding='utf8'?><a/>",
        "<?xml version='1.0' encoding=' utf-8'?><a/>",
    ] {
        assert_eq!(read(text, Names::AsWritten), Err(XmlError::Malformed), "{text:?}");
    }
}

#[test]
fn what_is_not_utf8_is_refused() {
    for bytes in [
        b"<a>\xff</a>".as_slice(),
        b"<a>\xc0\xaf</a>",
        b"<a>\xed\xa0\x80</a>",
        b"<a>\xcf\xf0\xe8</a>",
        b"<?xml version='1.0' encoding='windows-1251'?><a>\xcf\xf0\xe8</a>",
        b"\xff\xfe<\0a\0/\0>\0",
        b"\xfe\xff\0<\0a\0/\0>",
        b"\xef\xbb<a/>",
    ] {
        assert_eq!(parse(bytes, Names::AsWritten), Err(XmlError::Malformed), "{bytes:?}");
    }
}

#[test]
fn a_name_that_means_two_things_is_refused() {
    for text in [
        "<a b='1' b='1'/>",
        "<a b='1' c='2' b='3'/>",
        "<a b='1'><b/></a>",
        "<a b='1'><c/><b>1</b></a>",
        "<r><x><a b='1' b='2'/></x></r>",
    ] {
        assert_eq!(read(text, Names::AsWritten), Err(XmlError::DuplicateKey), "{text:?}");
    }
    let many: Vec<String> = (0..1000).map(|n| format!(" a{n}='1'")).collect();
    let many = many.concat();
    assert!(read(&format!("<a{many}/>"), Names::AsWritten).is_ok());
    let twice = read(&format!("<a{many} a500=''/>"), Names::AsWritten);
    assert_eq!(twice, Err(XmlError::DuplicateKey));
}

#[test]
fn names_in_any_letter_case_are_one_name_where_the_caller_says_so() {
    let text = "<GetState SUCCESS='True' Éa='1'><Item/><ITEM/></GetState>";
    let lower = "{\"getstate\":{\"item\":[\"\",\"\"],\"success\":\"True\",\"Éa\":\"1\"}}";
    assert_eq!(read(text, Names::Lower).as_deref(), Ok(lower));
    let written = "{\"GetState\":{\"ITEM\":\"\",\"Item\":\"\",\"SUCCESS\":\"True\",\"Éa\":\"1\"}}";
    check(text, written);
    for text in ["<a B='1' b='1'/>", "<a B='1'><b/></a>", "<a b='1'><B/></a>"] {
        assert!(read(text, Names::AsWritten).is_ok(), "{text}");
        assert_eq!(read(text, Names::Lower), Err(XmlError::DuplicateKey), "{text}");
    }
    assert_eq!(read("<A></a>", Names::Lower), Err(XmlError::Malformed));
}

#[test]
fn depth_is_bounded() {
    let nested = |depth: usize| format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
    assert!(read(&nested(DEPTH_MAX), Names::AsWritten).is_ok());
    assert_eq!(read(&nested(DEPTH_MAX + 1), Names::AsWritten), Err(XmlError::TooDeep));
    assert_eq!(read(&"<a>".repeat(1_000_000), Names::AsWritten), Err(XmlError::TooDeep));
}

#[test]
fn the_number_of_elements_and_attributes_is_bounded() {
    let children = |count: usize| format!("<a>{}</a>", "<b/>".repeat(count - 1));
    assert!(read(&children(NODES_MAX), Names::AsWritten).is_ok());
    assert_eq!(read(&children(NODES_MAX + 1), Names::AsWritten), Err(XmlError::TooMany));
    let mut attributes = String::new();
    for n in 2..NODES_MAX {
        write!(attributes, " b{n}=''").unwrap();
    }
    assert!(read(&format!("<a{attributes}><b/></a>"), Names::AsWritten).is_ok());
    assert_eq!(
        read(&format!("<a{attributes}><b c=''/></a>"), Names::Lower),
        Err(XmlError::TooMany)
    );
}

#[test]
fn the_length_of_a_name_is_bounded() {
    let name = "a".repeat(NAME_BYTES_MAX);
    assert!(read(&format!("<{name} {name}=''></{name}>"), Names::AsWritten).is_ok());
    for text in [format!("<{name}a/>"), format!("<a {name}a=''/>")] {
        assert_eq!(read(&text, Names::AsWritten), Err(XmlError::TooLong));
    }
}

/// Quadratic, each of these would take minutes.
#[test]
fn a_document_is_read_in_linear_time() {
    let long = 1_000_000;
    let many = |piece: &str| piece.repeat(long / piece.len());
    let blanks = " ".repeat(long / 2);
    for text in [
        format!("<a>{}</a>", many("&amp;")),
        format!("<a>{}</a>", many("&")),
        format!("<a>{blanks}{}</a>", many("<!---->")),
        format!("<a>{blanks}{}</a>", many("<![CDATA[]]>")),
        format!("<a>{}</a>", many("<![CDATA[ ]]>")),
        format!("<a>{}</a>", many("]]")),
        format!("<a b='{}'/>", many("\t&#9;")),
        format!("<a><!--{}--></a>", many("- ")),
        format!("<a>{}</a>", many("&#x0000000000000000000000000000000041;")),
        format!("<{}/>", many("a")),
        format!("<a{blanks}b{blanks}=''/>"),
        many("<!---->"),
    ] {
        // Read or refused, what counts is that it ends.
        let length = parse(text.as_bytes(), Names::Lower).map_or(0, |value| json(&value).len());
        assert!(length <= text.len() * 2);
    }
}

/// A document like the published answers of gateways.
#[test]
fn an_answer_is_read() {
    let text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<GetState Success=\"True\" \
        OrderId=\"c9a1f7d4\" State=\"Charged\" Forwarded=\"False\" Amount=\"12677\"/>\n";
    let root = parse(text.as_bytes(), Names::Lower).unwrap();
    let state = root.as_object().unwrap().get("getstate").unwrap().as_object().unwrap();
    let texts = ["success", "amount", "Amount"].map(|name| state.get(name)?.as_text());
    assert_eq!(texts, [Some("True"), Some("12677"), None]);

    let text = "<notification>\n  <timestamp type=\"datetime\">2026-01-01T00:00:00Z</timestamp>\n  \
        <subject>\n    <transaction>\n      <amount>10.00</amount>\n      <refunds type=\"array\">\
        <refund>1</refund><refund>2</refund></refunds>\n      <note nil=\"true\"/>\n    \
        </transaction>\n  </subject>\n</notification>";
    check(
        text,
        r##"{"notification":{"subject":{"transaction":{"amount":"10.00","note":null,"refunds":{"refund":["1","2"],"type":"array"}}},"timestamp":{"#text":"2026-01-01T00:00:00Z","type":"datetime"}}}"##,
    );
}

/// Writes a member so that it is read as the same: texts before all else are attributes.
fn written(name: &str, value: &Value<'_>, out: &mut String) {
    let escape = |text: &str| {
        text.chars().fold(String::new(), |mut out, c| {
            match c {
                '<' | '&' | '>' | '"' | '\r' | '\n' | '\t' => {
                    write!(out, "&#{};", u32::from(c)).unwrap();
                }
                _ => out.push(c),
            }
            out
        })
    };
    match value {
        Value::Text(text) => write!(out, "<{name}>{}</{name}>", escape(text)).unwrap(),
        Value::List(items) => items.iter().for_each(|item| written(name, item, out)),
        Value::Object(object) => {
            write!(out, "<{name}").unwrap();
            let attributes = object.members().iter().map_while(|(name, value)| {
                Some(name).zip(value.as_text().filter(|_| name != TEXT))
            });
            let count = attributes.clone().count();
            for (name, text) in attributes {
                write!(out, " {name}=\"{}\"", escape(text)).unwrap();
            }
            out.push('>');
            for (name, value) in &object.members()[count..] {
                match value {
                    Value::Text(text) if name == TEXT => out.push_str(&escape(text)),
                    value => written(name, value, out),
                }
            }
            write!(out, "</{name}>").unwrap();
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => panic!("XML has none: {value:?}"),
    }
}

/// What was read has a written form that is read as the same.
fn holds(text: &str) -> Result<(), TestCaseError> {
    for names in [Names::AsWritten, Names::Lower] {
        let Ok(value) = parse(text.as_bytes(), names) else { continue };
        let Some([(name, root)]) = value.as_object().map(Object::members) else {
            panic!("not one root: {value:?}")
        };
        let mut again = String::new();
        written(name, root, &mut again);
        prop_assert_eq!(
            parse(again.as_bytes(), Names::AsWritten),
            Ok(value),
            "{} as {}",
            text,
            again
        );
    }
    Ok(())
}

/// Pieces of text as they are written, and what they stand for: in content, in an attribute.
const PIECES: [(&str, &str, Option<&str>); 16] = [
    ("a", "a", Some("a")),
    ("1.50", "1.50", Some("1.50")),
    ("\u{416}\u{1f600}", "\u{416}\u{1f600}", Some("\u{416}\u{1f600}")),
    (" ", " ", Some(" ")),
    ("\t", "\t", Some(" ")),
    ("\r\n", "\n", Some(" ")),
    ("\n", "\n", Some(" ")),
    ("&#13;", "\r", Some("\r")),
    ("&lt;", "<", Some("<")),
    ("&amp;", "&", Some("&")),
    ("&#x416;", "\u{416}", Some("\u{416}")),
    ("'", "'", None),
    (">", ">", Some(">")),
    ("<![CDATA[<b>&amp;\r\n]]>", "<b>&amp;\n", None),
    ("<![CDATA[]]>", "", None),
    ("]] ", "]] ", Some("]] ")),
];

type Element = (String, Value<'static>);

fn text() -> impl Strategy<Value = Element> {
    prop::collection::vec(prop::sample::select(&PIECES[..]), 0..5).prop_map(|pieces| {
        let raw: String = pieces.iter().map(|piece| piece.0).collect();
        let text: String = pieces.iter().map(|piece| piece.1).collect();
        (raw, Value::Text(text.into()))
    })
}

fn attributes() -> impl Strategy<Value = (String, Vec<Member<'static>>)> {
    let value = prop::collection::vec(prop::sample::select(&PIECES[..]), 0..4);
    let space = prop::sample::select(&[" ", "\n\t"][..]);
    let names = prop::sample::subsequence(vec!["b", "x:b", "C", "_d-1"], 0..4);
    (names, prop::collection::vec((value, space, any::<bool>()), 4)).prop_map(|(names, values)| {
        let mut raw = String::new();
        let mut members = Vec::new();
        for (name, (pieces, space, double)) in names.into_iter().zip(values) {
            let pieces = pieces.iter().filter_map(|piece| Some((piece.0, piece.2?)));
            let (written, text): (String, String) = pieces.unzip();
            let mark = if double { '"' } else { '\'' };
            write!(raw, "{space}{name}{space}={mark}{written}{mark}").unwrap();
            members.push((name.into(), Value::Text(text.into())));
        }
        (raw, members)
    })
}

/// An element's attributes and content, and what that is.
fn element() -> impl Strategy<Value = Element> {
    let leaf = (attributes(), text()).prop_map(|((attributes, mut members), (raw, text))| {
        let blank = text.as_text().unwrap().trim_matches([' ', '\t', '\r', '\n']).is_empty();
        let value = if members.is_empty() {
            text
        } else {
            members.extend((!blank).then_some((TEXT.into(), text)));
            Value::Object(Object::new(members).unwrap())
        };
        (format!("{attributes}>{raw}"), value)
    });
    leaf.prop_recursive(4, 32, 6, |inner| {
        let name = prop::sample::select(&["k", "K", "k.2", "\u{416}"][..]);
        let between = prop::sample::select(&["", "\r\n ", "<!-- k > -->", " <!----> "][..]);
        let children = prop::collection::vec((name, inner, between), 1..6);
        (attributes(), children).prop_map(|((attributes, mut members), children)| {
            let mut raw = format!("{attributes}>");
            for (name, (content, value), between) in children {
                write!(raw, "<{name}{content}</{name} >{between}").unwrap();
                match members.iter_mut().find(|(found, _)| found == name) {
                    Some((_, Value::List(items))) => items.push(value),
                    Some((_, first)) => *first = Value::List(vec![first.clone(), value]),
                    None => members.push((name.into(), value)),
                }
            }
            (raw, Value::Object(Object::new(members).unwrap()))
        })
    })
}

proptest! {
    #[test]
    fn documents_are_read_as_they_were_made((raw, value) in element()) {
        let text = format!("<?xml version='1.0'?>\n<r{raw}</r>");
        let expected = Value::Object(Object::new(vec![("r".into(), value)]).unwrap());
        prop_assert_eq!(parse(text.as_bytes(), Names::AsWritten), Ok(expected), "{}", text);
        holds(&text)?;
    }

    #[test]
    fn damaged_documents_are_read_as_something_or_refused(
        (raw, _) in element(),
        changes in prop::collection::vec(
            (any::<prop::sample::Index>(), prop::sample::select(&b"<>/!?&#;'\"=-[]x: \n\x00\x80"[..]), 0..3),
            1..4,
        ),
    ) {
        let mut bytes = format!("<r{raw}</r>").into_bytes();
        for (place, byte, how) in changes {
            let at = place.index(bytes.len());
            match how {
                0 => bytes.insert(at, byte),
                1 => bytes[at] = byte,
                _ => { bytes.remove(at); }
            }
        }
        if let Ok(text) = std::str::from_utf8(&bytes) {
            holds(text)?;
        } else {
            prop_assert_eq!(parse(&bytes, Names::AsWritten), Err(XmlError::Malformed));
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        prop_assert!(parse(&bytes, Names::Lower).is_err() || bytes.contains(&b'<'));
    }
}
