//! What is read as a form is written so that it is read as the same.
#![no_main]

use countersign::engine::form::{Pair, encode_pairs, pairs};

libfuzzer_sys::fuzz_target!(|text: &[u8]| {
    if let Ok(read) = pairs(text).collect::<Result<Vec<Pair<'_>>, _>>() {
        let written: Vec<(&[u8], &[u8])> = read.iter().map(|(name, value)| (&**name, &**value)).collect();
        let again = encode_pairs(&written);
        assert_eq!(pairs(&again).collect::<Result<Vec<_>, _>>(), Ok(read.clone()));
    }
});
