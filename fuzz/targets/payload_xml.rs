//! What is read as XML can be written so that it is read as the same.
#![no_main]

use countersign::engine::value::Value;
use countersign::engine::xml::{self, Names, TEXT};

fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '<' | '>' | '&' | '"' | '\t' | '\n' | '\r' => {
                out.push_str(&format!("&#{};", u32::from(c)))
            }
            _ => out.push(c),
        }
    }
}

/// Texts that come before all else are written as attributes, which no element is deeper for.
fn write(name: &str, value: &Value<'_>, out: &mut String) {
    match value {
        Value::Text(text) => {
            out.push_str(&format!("<{name}>"));
            escape(text, out);
            out.push_str(&format!("</{name}>"));
        }
        Value::List(items) => items.iter().for_each(|item| write(name, item, out)),
        Value::Object(object) => {
            out.push_str(&format!("<{name}"));
            let mut members = object.members().iter().peekable();
            while let Some((name, text)) =
                members.next_if(|(name, value)| name != TEXT && value.as_text().is_some())
            {
                out.push_str(&format!(" {name}=\""));
                escape(text.as_text().unwrap_or_default(), out);
                out.push('"');
            }
            out.push('>');
            for (name, value) in members {
                match value {
                    Value::Text(text) if name == TEXT => escape(text, out),
                    value => write(name, value, out),
                }
            }
            out.push_str(&format!("</{name}>"));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => panic!("XML has no {value:?}"),
    }
}

libfuzzer_sys::fuzz_target!(|text: &[u8]| {
    for names in [Names::AsWritten, Names::Lower] {
        if let Ok(value) = xml::parse(text, names) {
            let members = value.as_object().map(|root| root.members()).unwrap_or_default();
            let [(name, root)] = members else { panic!("not one root: {value:?}") };
            let mut again = String::new();
            write(name, root, &mut again);
            assert_eq!(xml::parse(again.as_bytes(), Names::AsWritten), Ok(value), "{again}");
        }
    }
});
