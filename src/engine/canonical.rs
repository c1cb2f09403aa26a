//! Writes RFC 8785 text. The caller gives keys in their order; the writer does the rest. A
//! [`Value`] is put in order here.

use std::cmp::Ordering;

use crate::engine::json::plain_until;
use crate::engine::pan;
use crate::engine::value::{Member, Object, Value};

/// Builds one JSON text.
pub struct Writer {
    out: String,
    first: bool,
}

impl Writer {
    /// Room for that many bytes before the first reallocation.
    pub fn with_capacity(bytes: usize) -> Self {
        Self { out: String::with_capacity(bytes), first: true }
    }
    /// `{`
    pub fn open(&mut self) {
        self.out.push('{');
        self.first = true;
    }
    /// `}`
    pub fn close(&mut self) {
        self.out.push('}');
        self.first = false;
    }
    /// `[`
    pub fn open_list(&mut self) {
        self.out.push('[');
        self.first = true;
    }
    /// `]`
    pub fn close_list(&mut self) {
        self.out.push(']');
        self.first = false;
    }
    /// Before each item of a list.
    pub fn item(&mut self) {
        if !self.first {
            self.out.push(',');
        }
        self.first = false;
    }
    /// A key; its value must follow.
    pub fn key(&mut self, key: &str) {
        self.key_and(key, "\":");
    }
    /// What follows the key is written in as few steps as can be: each costs more than its bytes.
    #[expect(clippy::inline_always, reason = "so that `after` is a constant")]
    #[inline(always)]
    fn key_and(&mut self, key: &str, after: &str) {
        if self.first {
            self.out.push('"');
            self.first = false;
        } else {
            self.out.push_str(",\"");
        }
        self.escaped(key);
        self.out.push_str(after);
    }
    /// A key and text.
    pub fn text(&mut self, key: &str, value: &str) {
        self.key(key);
        self.string(value);
    }
    /// A key and text, if there is any.
    pub fn text_if(&mut self, key: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(key, value);
        }
    }
    /// A key and a truth value.
    pub fn bool(&mut self, key: &str, value: bool) {
        self.key(key);
        self.out.push_str(if value { "true" } else { "false" });
    }
    /// A key and text that is canonical JSON already.
    pub fn verbatim(&mut self, key: &str, json: &str) {
        self.key(key);
        self.out.push_str(json);
    }
    /// A string, escaped as RFC 8785 §3.2.2.2 wants it.
    pub fn string(&mut self, text: &str) {
        self.out.push('"');
        self.escaped(text);
        self.out.push('"');
    }
    #[inline]
    fn escaped(&mut self, text: &str) {
        let plain = plain_until(text.as_bytes(), 0);
        if plain == text.len() {
            self.out.push_str(text);
        } else {
            self.escape_from(text, plain);
        }
    }
    /// `end` is the first byte to escape.
    #[cold]
    fn escape_from(&mut self, text: &str, mut end: usize) {
        let mut rest = text;
        // What is escaped is ASCII, so there always is a split.
        while let Some((plain, from)) = rest.split_at_checked(end) {
            self.out.push_str(plain);
            let Some(&byte) = from.as_bytes().first() else { break };
            self.escape(byte);
            rest = from.get(1..).unwrap_or_default();
            end = plain_until(rest.as_bytes(), 0);
        }
    }
    fn escape(&mut self, byte: u8) {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let short = match byte {
            0x08 => 'b',
            0x09 => 't',
            0x0a => 'n',
            0x0c => 'f',
            0x0d => 'r',
            0x00..=0x1f => {
                self.out.push_str("\\u00");
                self.out.push(char::from(HEX[usize::from(byte >> 4)]));
                self.out.push(char::from(HEX[usize::from(byte & 15)]));
                return;
            }
            _ => char::from(byte),
        };
        self.out.push('\\');
        self.out.push(short);
    }
    /// A value, after [`Writer::key`] or [`Writer::item`]. Objects get their keys in order;
    /// **numbers are written as strings**, their text as sent, because RFC 8785 would have them
    /// rounded to a double; card numbers in texts and numbers are masked. Keys stay as they are.
    pub fn write_value(&mut self, value: &Value<'_>) {
        match value {
            Value::Null => self.out.push_str("null"),
            Value::Bool(value) => self.out.push_str(if *value { "true" } else { "false" }),
            Value::Number(text) => self.string(&pan::mask(text)),
            Value::Text(text) => self.string(&pan::mask(text)),
            Value::List(items) => {
                self.open_list();
                for item in items {
                    self.item();
                    self.write_value(item);
                }
                self.close_list();
            }
            Value::Object(object) => self.object(object),
        }
    }
    fn object(&mut self, object: &Object<'_>) {
        let members = object.members();
        self.open();
        let (mut keys, mut order) = ([0; FEW], [0; FEW]);
        if members.len() <= FEW {
            // Most gateways send keys nearly in order, which is what sorting by insertion is good
            // at, and without an allocation.
            for (member, (name, _)) in (0_u8..).zip(members) {
                let key = sort_key(name);
                let mut at = usize::from(member);
                while let Some(before) = at.checked_sub(1) {
                    let (other_name, _) = &members[usize::from(order[before])];
                    if keys[before].cmp(&key).then_with(|| utf16_order(other_name, name)).is_le() {
                        break;
                    }
                    (keys[at], order[at]) = (keys[before], order[before]);
                    at = before;
                }
                (keys[at], order[at]) = (key, member);
            }
            for &member in order.iter().take(members.len()) {
                self.member(&members[usize::from(member)]);
            }
        } else {
            let mut members: Vec<&Member<'_>> = members.iter().collect();
            members.sort_unstable_by(|(a, _), (b, _)| utf16_order(a, b));
            for member in members {
                self.member(member);
            }
        }
        self.close();
    }
    fn member(&mut self, (name, value): &Member<'_>) {
        let text = match value {
            Value::Null => return self.key_and(name, "\":null"),
            Value::Number(text) => text,
            Value::Text(text) => text.as_ref(),
            Value::Bool(_) | Value::List(_) | Value::Object(_) => {
                self.key(name);
                return self.write_value(value);
            }
        };
        self.key_and(name, "\":\"");
        self.escaped(&pan::mask(text));
        self.out.push('"');
    }
    /// The text as bytes.
    pub fn into_bytes(self) -> Vec<u8> {
        self.out.into_bytes()
    }
    /// The text.
    pub fn into_string(self) -> String {
        self.out
    }
}

/// Up to this many keys, an object is sorted on the stack.
const FEW: usize = 64;

/// The order of UTF-16 code units (RFC 8785 §3.2.3).
fn utf16_order(a: &str, b: &str) -> Ordering {
    match a.bytes().zip(b.bytes()).find(|(a, b)| a != b) {
        Some((a, b)) => rank(a).cmp(&rank(b)),
        None => a.len().cmp(&b.len()),
    }
}

/// Puts UTF-8 bytes in the order of UTF-16: surrogates, which stand for lead bytes from F0 up, come
/// before U+E000 to U+FFFF, which have the lead bytes EE and EF. All other bytes are in order.
fn rank(byte: u8) -> u8 {
    if matches!(byte, 0xee | 0xef) { byte | 0x10 } else { byte }
}

/// Orders names by their first eight bytes, as [`utf16_order`] does, or leaves it open.
fn sort_key(name: &str) -> u64 {
    let bytes = name.as_bytes();
    match bytes.first_chunk::<8>() {
        Some(eight) if eight.is_ascii() => u64::from_be_bytes(*eight),
        Some(eight) => u64::from_be_bytes(eight.map(rank)),
        None => {
            let shift = 8 * (8 - bytes.len());
            let sum = bytes.iter().fold(0, |sum, &byte| sum << 8 | u64::from(rank(byte)));
            sum.unbounded_shl(u32::try_from(shift).unwrap_or(u64::BITS))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::engine::json;

    fn canonical(text: &str) -> String {
        let mut writer = Writer::with_capacity(text.len());
        writer.write_value(&json::parse(text.as_bytes()).expect("the test's JSON is JSON"));
        writer.into_string()
    }

    #[test]
    fn rfc_8785_s_own_examples_hold_with_numbers_as_text() {
        // §3.2.2
        let sample = r#"{
            "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
            "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
            "literals": [null, true, false]
        }"#;
        let expected = concat!(
            r#"{"literals":[null,true,false],"#,
            r#""numbers":["333333333.33333329","1E30","4.50","2e-3","0.000000000000000000000000001"],"#,
            r#""string":"€$\u000f\nA'B\"\\\\\"/"}"#,
        );
        assert_eq!(canonical(sample), expected);
        // §3.2.3
        let sample = r#"{
            "\u20ac": "Euro Sign", "\r": "Carriage Return", "\ufb33": "Hebrew Letter Dalet With Dagesh",
            "1": "One", "\ud83d\ude00": "Emoji: Grinning Face", "\u0080": "Control",
            "\u00f6": "Latin Small Letter O With Diaeresis"
        }"#;
        let expected = concat!(
            "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\u{80}\":\"Control\",",
            "\"\u{f6}\":\"Latin Small Letter O With Diaeresis\",\"\u{20ac}\":\"Euro Sign\",",
            "\"\u{1f600}\":\"Emoji: Grinning Face\",",
            "\"\u{fb33}\":\"Hebrew Letter Dalet With Dagesh\"}",
        );
        assert_eq!(canonical(sample), expected);
    }

    #[test]
    fn every_control_character_is_escaped_in_its_only_form() {
        let text: String = (0..0x21_u8).chain([0x7f]).map(char::from).collect();
        let mut writer = Writer::with_capacity(0);
        writer.string(&text);
        let expected = concat!(
            r#""\u0000\u0001\u0002\u0003\u0004\u0005\u0006\u0007\b\t\n\u000b\f\r\u000e\u000f"#,
            r"\u0010\u0011\u0012\u0013\u0014\u0015\u0016\u0017",
            r"\u0018\u0019\u001a\u001b\u001c\u001d\u001e\u001f ",
            "\u{7f}\"",
        );
        assert_eq!(writer.into_string(), expected);
    }

    #[test]
    fn empty_and_nested_values_keep_their_commas() {
        let text = r#"{"a":[],"b":{},"c":[[],{},[{"x":[null]}]],"d":""}"#;
        assert_eq!(canonical(text), text);
    }

    #[test]
    fn objects_of_every_size_are_put_in_order() {
        for size in [1, 2, 20, 63, 64, 65, 1000] {
            let names = (0..size).map(|n| format!("\"{n:04}\":null"));
            let sorted = format!("{{{}}}", names.clone().collect::<Vec<_>>().join(","));
            let backwards = format!("{{{}}}", names.rev().collect::<Vec<_>>().join(","));
            assert_eq!(canonical(&sorted), sorted);
            assert_eq!(canonical(&backwards), sorted);
        }
    }

    #[test]
    fn card_numbers_are_masked_in_texts_and_numbers() {
        let text = r#"["4111111111111111",4111111111111111,{"pan":"4111 1111 1111 1111"}]"#;
        let masked = r#"["411111******1111","411111******1111",{"pan":"4111 11** **** 1111"}]"#;
        assert_eq!(canonical(text), masked);
    }

    proptest! {
        #[test]
        fn keys_stand_in_the_order_of_their_utf16_code_units(
            a in "[a\u{7f}\u{80}\u{7ff}\u{800}\u{d7ff}\u{e000}\u{ffff}\u{10000}\u{10ffff}]{0,4}",
            b in "[a\u{7f}\u{80}\u{7ff}\u{800}\u{d7ff}\u{e000}\u{ffff}\u{10000}\u{10ffff}]{0,4}",
        ) {
            let expected = a.encode_utf16().cmp(b.encode_utf16());
            prop_assert_eq!(utf16_order(&a, &b), expected);
            prop_assert!([expected, Ordering::Equal].contains(&sort_key(&a).cmp(&sort_key(&b))));
        }

        #[test]
        fn a_string_is_read_back_as_it_was(text in "(.|[\"\\\\\n\0\u{1f}]){0,40}") {
            let mut writer = Writer::with_capacity(0);
            writer.string(&text);
            let written = writer.into_string();
            prop_assert_eq!(serde_json::from_str::<String>(&written).ok(), Some(text.clone()));
            let ours = json::parse(written.as_bytes());
            prop_assert_eq!(ours, Ok(Value::Text(text.into())));
        }
    }
}
