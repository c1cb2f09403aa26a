//! What is decoded is encoded as the same bytes, and what is encoded decoded as the same text.
#![no_main]

use countersign::engine::charset::Charset;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    for charset in Charset::ALL {
        if let Some(text) = charset.decode(bytes) {
            assert_eq!(charset.encode(&text).as_deref(), Some(bytes), "{charset:?}");
        }
        if let Ok(text) = std::str::from_utf8(bytes)
            && let Some(again) = charset.encode(text)
        {
            assert_eq!(charset.decode(&again).as_deref(), Some(text), "{charset:?}");
        }
    }
});
