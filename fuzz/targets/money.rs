//! An amount is plain decimal text that reads as itself, whatever it was made from.
#![no_main]

use countersign::engine::money::{Decimals, MoneyRule, Notation, Unit, amount};

libfuzzer_sys::fuzz_target!(|input: (&str, &str, bool, bool, bool)| {
    let (text, code, minor, javascript, foreign_codes) = input;
    let unit = if minor { Unit::Minor } else { Unit::Major };
    let notation = if javascript { Notation::JavaScript } else { Notation::Plain };
    let rule = MoneyRule { unit, notation, decimals: Decimals::default(), foreign_codes };
    if let Ok(found) = amount(text, code, &rule) {
        assert!(found.value.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'));
        let plain = MoneyRule { unit: Unit::Major, notation: Notation::Plain, ..rule };
        assert_eq!(amount(&found.value, &found.currency, &plain), Ok(found));
    }
});
