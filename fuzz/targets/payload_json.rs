//! What is read as JSON has a canonical form, and that form is its own.
#![no_main]

use countersign::engine::{canonical::Writer, json, value::Value};

fn canonical(value: &Value<'_>) -> String {
    let mut writer = Writer::with_capacity(64);
    writer.write_value(value);
    writer.into_string()
}

libfuzzer_sys::fuzz_target!(|text: &[u8]| {
    if let Ok(value) = json::parse(text) {
        let once = canonical(&value);
        assert_eq!(json::parse(once.as_bytes()).map(|value| canonical(&value)), Ok(once.clone()));
    }
});
