//! One YAML document as a tree that knows where everything stands. The only file that names
//! `serde_yaml`.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_yaml::options::{DuplicateKeyPolicy, MergeKeyPolicy, NonFiniteFloatPolicy};
use serde_yaml::{DefaultMessageFormatter, MessageFormatter, Options, Spanned};

use crate::text::problem::{Place, Problem, Problems};

/// Bytes of one file.
pub const FILE_BYTES_MAX: usize = 1024 * 1024;
/// Maps and lists within each other.
pub const DEPTH_MAX: usize = 64;

/// A value and where it stands. What an alias stands for is where its anchor is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Node {
    /// Its first character; of a text over several lines only the first is meant.
    pub place: Place,
    /// The value.
    pub kind: Kind,
}

/// A value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Kind {
    /// `true` or `false`; `yes` and `no` are text.
    Bool(bool),
    /// Items.
    List(Vec<Node>),
    /// Entries in the order of the file, each key once.
    Map(Vec<(Key, Node)>),
    /// Nothing, `~` or `null`.
    Null,
    /// A JSON number, exactly as written: `1.50` stays `1.50`.
    Number(String),
    /// Everything else; also `0755`, `+5`, `1_000`, `0x1F` and `.inf`, as written.
    Text(String),
}

/// A key and where it stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Key {
    /// As written where it is not text: `0`, `true`.
    pub text: String,
    /// Its first character.
    pub place: Place,
}

impl Node {
    /// Parses one document, or says everything that is wrong with it.
    pub fn parse(file: &str, source: &str) -> Result<Self, Problems> {
        let mut problems = Problems::new(file);
        let start = Place { line: 1, column: 1, len: 1 };
        if source.len() > FILE_BYTES_MAX {
            problems.add(start, format!("the file is larger than {FILE_BYTES_MAX} bytes"));
            return Err(problems);
        }
        match serde_yaml::from_str_with_options::<Raw>(source, options()) {
            Ok(raw) => {
                let node = Reader { source, problems: &mut problems }.node(raw);
                problems.into_result(node)
            }
            Err(error) => {
                let error = error.without_snippet();
                let place = error.location().map_or(start, |location| place(source, location));
                let message = DefaultMessageFormatter.format_message(error);
                problems.push(syntax_problem(error, place, &message));
                Err(problems)
            }
        }
    }

    /// Text, or a number as it is written.
    pub fn as_text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text(text) | Kind::Number(text) => Some(text),
            Kind::Bool(_) | Kind::List(_) | Kind::Map(_) | Kind::Null => None,
        }
    }

    /// `true` or `false`.
    pub fn as_bool(&self) -> Option<bool> {
        if let Kind::Bool(value) = self.kind { Some(value) } else { None }
    }

    /// A whole number without sign `+`, leading zeros, point and exponent.
    pub fn as_integer(&self) -> Option<i64> {
        if let Kind::Number(digits) = &self.kind { digits.parse().ok() } else { None }
    }

    /// The value of a key; `None` also where this is no map.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.entries().iter().find(|(found, _)| found.text == key).map(|(_, node)| node)
    }

    /// The items of a list; none where this is no list.
    pub fn items(&self) -> &[Self] {
        if let Kind::List(items) = &self.kind { items } else { &[] }
    }

    /// This, or each item where this is a list.
    pub fn one_or_many(&self) -> &[Self] {
        if let Kind::List(items) = &self.kind { items } else { std::slice::from_ref(self) }
    }

    /// The entries of a map; none where this is no map.
    pub fn entries(&self) -> &[(Key, Self)] {
        if let Kind::Map(entries) = &self.kind { entries } else { &[] }
    }

    /// What it is, for messages: `a list`.
    pub fn describe(&self) -> &'static str {
        match self.kind {
            Kind::Bool(_) => "true or false",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a map",
            Kind::Null => "nothing",
            Kind::Number(_) => "a number",
            Kind::Text(_) => "text",
        }
    }
}

fn options() -> Options {
    serde_yaml::options! {
        budget: serde_yaml::budget! {
            flow_nesting_limit: DEPTH_MAX,
            max_aliases: 256,
            max_anchors: 256,
            max_depth: DEPTH_MAX,
            // The second is refused by its own message.
            max_documents: 2,
            max_events: 200_000,
            max_nodes: 100_000,
            max_total_scalar_bytes: FILE_BYTES_MAX,
        },
        alias_limits: serde_yaml::alias_limits! {
            max_alias_expansions_per_anchor: 256,
            max_replay_stack_depth: 8,
            max_total_replayed_events: 20_000,
        },
        // Passed on, so that every duplicate of the file is named at once.
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        leading_zero_numbers_as_strings: true,
        merge_keys: MergeKeyPolicy::Error,
        // Passed on, for the digits are taken from the source: `1e999` is kept as written.
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        reject_unsupported_tags: true,
        strict_booleans: true,
        underscored_numbers_as_strings: true,
        with_snippet: false,
    }
}

fn syntax_problem(error: &serde_yaml::Error, place: Place, message: &str) -> Problem {
    let problem = |message: &str, help: &str| Problem::new(place, message).help(help);
    match error {
        serde_yaml::Error::MultipleDocuments { .. } => {
            problem("a second document starts here", "a file holds one document: remove the `---`")
        }
        serde_yaml::Error::MergeKeyNotAllowed { .. } => {
            problem("merge keys (`<<`) are not supported", "write the keys out")
        }
        serde_yaml::Error::Budget { .. } => problem(
            "the file is too large, too deeply nested or too full of aliases",
            &format!("at most {DEPTH_MAX} levels, 100000 values and 256 aliases"),
        ),
        _ => Problem::new(place, format!("not YAML: {message}")),
    }
}

/// Where a location of the parser is, ending at the end of its line.
fn place(source: &str, location: serde_yaml::Location) -> Place {
    let number = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
    let len = slice(source, location).map_or(location.span().len(), |text| {
        text.chars().take_while(|char| !matches!(char, '\n' | '\r')).count() as u64
    });
    Place {
        line: number(location.line()).max(1),
        column: number(location.column()).max(1),
        len: number(len).max(1),
    }
}

fn slice(source: &str, location: serde_yaml::Location) -> Option<&str> {
    let start = usize::try_from(location.span().byte_offset()?).ok()?;
    let len = usize::try_from(location.span().byte_len()?).ok()?;
    source.get(start..start.checked_add(len)?)
}

/// Turns what the parser saw into nodes, with the source at hand.
struct Reader<'a> {
    source: &'a str,
    problems: &'a mut Problems,
}

impl Reader<'_> {
    fn node(&mut self, Raw(raw): Raw) -> Node {
        let place = place(self.source, raw.defined);
        let kind = match raw.value {
            Value::Bool(value) => Kind::Bool(value),
            Value::List(items) => {
                Kind::List(items.into_iter().map(|item| self.node(item)).collect())
            }
            Value::Map(entries) => Kind::Map(self.entries(entries)),
            Value::Null => Kind::Null,
            Value::Number => self.number(raw.defined, place),
            Value::Text(text) => Kind::Text(text),
        };
        Node { place, kind }
    }

    /// The parser only says that it is a number; what counts is how it is written.
    fn number(&mut self, location: serde_yaml::Location, place: Place) -> Kind {
        let digits = slice(self.source, location).unwrap_or_default();
        if !digits.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) {
            self.problems.add(place, "YAML tags are not supported here");
        }
        let kind = if is_json_number(digits) { Kind::Number } else { Kind::Text };
        kind(digits.to_owned())
    }

    fn entries(&mut self, raw: Vec<(Raw, Raw)>) -> Vec<(Key, Node)> {
        let mut seen = std::collections::HashMap::with_capacity(raw.len());
        let mut entries = Vec::with_capacity(raw.len());
        for (raw_key, value) in raw {
            let place = place(self.source, raw_key.0.defined);
            let text = match raw_key.0.value {
                Value::Text(text) => text,
                Value::Bool(_) | Value::Null | Value::Number => {
                    slice(self.source, raw_key.0.defined).unwrap_or_default().to_owned()
                }
                Value::List(_) | Value::Map(_) => {
                    self.problems.add(place, "a key must be text");
                    continue;
                }
            };
            let value = self.node(value);
            if let Some(first) = seen.insert(text.clone(), place.line) {
                self.problems.add_with_help(
                    place,
                    format!("duplicate key `{text}`"),
                    format!("it is first given in line {first}"),
                );
            } else {
                entries.push((Key { text, place }, value));
            }
        }
        entries
    }
}

/// RFC 8259 §6.
fn is_json_number(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let text = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(|text| digits(text.strip_prefix(['+', '-']).unwrap_or(text)))
}

/// What the parser saw, with its location.
struct Raw(Spanned<Value>);

enum Value {
    Bool(bool),
    List(Vec<Raw>),
    Map(Vec<(Raw, Raw)>),
    Null,
    /// Its digits are in the source.
    Number,
    Text(String),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Spanned::deserialize(deserializer).map(Self)
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Value, E> {
        Ok(Value::Number)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Value, E> {
        Ok(Value::Number)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Number)
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Value::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic fails the test")]

    use super::*;

    fn parse(source: &str) -> Node {
        Node::parse("f.yaml", source).map_err(|problems| problems.render(source)).unwrap()
    }

    /// The tree on one line per value: `line:column+len kind`.
    fn outline(node: &Node) -> Vec<String> {
        let at = |Place { line, column, len }: Place| format!("{line}:{column}+{len}");
        let place = at(node.place);
        match &node.kind {
            Kind::List(items) => {
                let mut out = vec![format!("{place} list")];
                out.extend(items.iter().flat_map(outline));
                out
            }
            Kind::Map(entries) => {
                let mut out = vec![format!("{place} map")];
                for (key, value) in entries {
                    out.push(format!("{} key {}", at(key.place), key.text));
                    out.extend(outline(value));
                }
                out
            }
            other => vec![format!("{place} {other:?}")],
        }
    }

    #[track_caller]
    fn check(source: &str, want: &[&str]) {
        assert_eq!(outline(&parse(source)), want, "{source:?}");
    }

    #[track_caller]
    fn refuse(source: &str, want: &[&str]) {
        let problems = Node::parse("f", source).unwrap_err().list;
        let at = |p: &Problem| format!("{}:{} {}", p.place.line, p.place.column, p.message);
        assert_eq!(problems.iter().map(at).collect::<Vec<_>>(), want, "{source:?}");
    }

    #[test]
    fn every_value_of_block_and_flow_style_knows_its_place() {
        check(
            "a: 1\nb:\n  - x\n  - {c: 1.50, 'd e': [2, \"z\"]}\nlast:\n    deep: ok # no\n",
            &[
                "1:1+1 map",
                "1:1+1 key a",
                "1:4+1 Number(\"1\")",
                "2:1+1 key b",
                "3:3+1 list",
                "3:5+1 Text(\"x\")",
                "4:5+1 map",
                "4:6+1 key c",
                "4:9+4 Number(\"1.50\")",
                "4:15+5 key d e",
                "4:22+1 list",
                "4:23+1 Number(\"2\")",
                "4:26+3 Text(\"z\")",
                "5:1+4 key last",
                "6:5+1 map",
                "6:5+4 key deep",
                "6:11+2 Text(\"ok\")",
            ],
        );
    }

    #[test]
    fn columns_are_characters_and_places_end_with_their_line() {
        check(
            "\u{feff}ш: 'жук'\r\nb: x",
            &[
                "1:1+1 map",
                "1:1+1 key ш",
                "1:4+5 Text(\"жук\")",
                "2:1+1 key b",
                "2:4+1 Text(\"x\")",
            ],
        );
        check(
            "a: |\n  one\n  two\nb: >-\n  p\n  q\nc: p\n  q\n",
            &[
                "1:1+1 map",
                "1:1+1 key a",
                "2:3+3 Text(\"one\\ntwo\\n\")",
                "4:1+1 key b",
                "5:3+1 Text(\"p q\")",
                "7:1+1 key c",
                "7:4+1 Text(\"p q\")",
            ],
        );
    }

    #[test]
    fn numbers_keep_their_digits_and_words_stay_words() {
        for (source, want) in [
            ("10", Kind::Number("10".into())),
            ("-0.10", Kind::Number("-0.10".into())),
            ("1e3", Kind::Number("1e3".into())),
            ("1e999", Kind::Number("1e999".into())),
            (
                "12345678901234567890123456789012345678901",
                Kind::Number("12345678901234567890123456789012345678901".into()),
            ),
            ("0755", Kind::Text("0755".into())),
            ("+5", Kind::Text("+5".into())),
            ("1_000", Kind::Text("1_000".into())),
            ("0x1F", Kind::Text("0x1F".into())),
            (".inf", Kind::Text(".inf".into())),
            ("5.", Kind::Text("5.".into())),
            ("'10'", Kind::Text("10".into())),
            ("!!str 10", Kind::Text("10".into())),
            ("no", Kind::Text("no".into())),
            ("true", Kind::Bool(true)),
            ("~", Kind::Null),
            ("", Kind::Null),
        ] {
            assert_eq!(parse(source).kind, want, "{source:?}");
        }
    }

    #[test]
    fn keys_that_are_not_text_are_as_written() {
        let node = parse("0: a\n007: b\ntrue: c\n~: d\n1.0: e\n");
        let keys: Vec<&str> = node.entries().iter().map(|(key, _)| key.text.as_str()).collect();
        assert_eq!(keys, ["0", "007", "true", "~", "1.0"]);
        assert_eq!(node.get("007").and_then(Node::as_text), Some("b"));
    }

    #[test]
    fn an_alias_stands_where_its_anchor_is() {
        let node = parse("a: &x {n: 5}\nb: *x\n");
        assert_eq!(node.get("a"), node.get("b"));
    }

    #[test]
    fn every_duplicate_key_is_named() {
        refuse(
            "a: 1\nb: {c: 1, c: 2}\na: 2\n'a': 3\n",
            &["2:11 duplicate key `c`", "3:1 duplicate key `a`", "4:1 duplicate key `a`"],
        );
    }

    #[test]
    fn what_is_not_plain_yaml_is_refused_where_it_stands() {
        refuse("a: b: c\n", &["1:5 not YAML: mapping values are not allowed in this context"]);
        refuse("x: 1\nk: \"x\n", &["2:4 not YAML: unclosed quote"]);
        refuse("a: 1\n---\nb: 1\n", &["3:1 a second document starts here"]);
        refuse("<<: {a: 1}\n", &["1:1 merge keys (`<<`) are not supported"]);
        refuse("a: !foo x\n", &["1:9 not YAML: unsupported tag `!foo`"]);
        refuse("a: !!int '5'\n", &["1:10 YAML tags are not supported here"]);
        refuse("[a]: 1\n{b: c}: 2\n", &["1:1 a key must be text", "2:1 a key must be text"]);
        refuse("a: *x\n", &["1:4 not YAML: alias references unknown anchor"]);
    }

    #[test]
    fn size_depth_and_aliases_are_bounded() {
        let nested = |n: usize| format!("{}1{}", "[".repeat(n), "]".repeat(n));
        let deep = DEPTH_MAX - 1;
        assert!(Node::parse("f", &nested(deep)).is_ok());
        for source in [
            "#".repeat(FILE_BYTES_MAX + 1),
            nested(DEPTH_MAX + 1),
            nested(100_000),
            "- ".repeat(DEPTH_MAX + 1),
            format!("a: &a [{}]\nb: [{}]", "x,".repeat(1000), "*a,".repeat(200)),
            format!("a: &a x\nb: [{}]", "*a,".repeat(300)),
            format!("[{}]", "x,".repeat(200_000)),
        ] {
            assert!(Node::parse("f", &source).is_err(), "{}", source.len());
        }
    }
}
