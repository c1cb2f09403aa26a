//! Hides card numbers: what looks like one keeps its first six and last four digits, which is
//! what PCI DSS 3.4 lets people see.

pub mod packed;

use std::borrow::Cow;

/// Digits of a card number (ISO/IEC 7812-1).
const FEWEST: usize = 13;
const MOST: usize = 19;
const SHOWN_FIRST: usize = 6;
const SHOWN_LAST: usize = 4;

/// Readings hidden in one pass make new groups of digits, in which others may show. Few texts need
/// a second pass.
const PASSES_MAX: usize = 64;

/// The text with `*` for the middle digits of every card number: whole groups of digits with
/// single spaces or dashes between them, 13 to 19 digits together, the first one 2 to 6, the last
/// one right (Luhn). Where several readings overlap, the middle digits of each are hidden: nobody
/// knows which one is the card. A longer row of digits is no card number.
#[inline]
pub fn mask(text: &str) -> Cow<'_, str> {
    if may_hold_card(text.as_bytes()) { mask_any(text) } else { Cow::Borrowed(text) }
}

#[cold]
fn mask_any(text: &str) -> Cow<'_, str> {
    let mut bytes = text.as_bytes().to_vec();
    for pass in 0..PASSES_MAX {
        let hidden = to_hide(&bytes);
        if hidden.is_empty() {
            if pass == 0 {
                return Cow::Borrowed(text);
            }
            break;
        }
        for at in hidden {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = b'*';
            }
        }
    }
    // A digit became another ASCII character, so it is still UTF-8.
    Cow::Owned(String::from_utf8(bytes).unwrap_or_default())
}

/// The places of the middle digits of every reading as a card number.
fn to_hide(bytes: &[u8]) -> Vec<usize> {
    let is_digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let mut hidden = Vec::new();
    for start in 0..bytes.len() {
        if is_digit(start) && (start == 0 || !is_digit(start - 1)) {
            readings(bytes, start, &mut hidden);
        }
    }
    hidden
}

/// Those of the readings that begin with the group of digits at `start`.
fn readings(bytes: &[u8], start: usize, hidden: &mut Vec<usize>) {
    let is_digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let (mut digits, mut places) = ([0; MOST], [0; MOST]);
    let mut count = 0;
    for (at, &byte) in bytes.iter().enumerate().skip(start) {
        match byte {
            b'0'..=b'9' if count < MOST => {
                digits[count] = byte - b'0';
                places[count] = at;
                count += 1;
                if !is_digit(at + 1) && is_card(&digits[..count]) {
                    hidden.extend(&places[SHOWN_FIRST..count - SHOWN_LAST]);
                }
            }
            b' ' | b'-' if is_digit(at + 1) => {}
            _ => break,
        }
    }
}

/// Whether there can be a card number. One takes up 13 bytes or more, so it covers a thirteenth
/// place.
fn may_hold_card(bytes: &[u8]) -> bool {
    let belongs = |byte: &&u8| matches!(byte, b'0'..=b'9' | b' ' | b'-');
    let mut at = FEWEST - 1;
    while let Some((before, after)) = bytes.split_at_checked(at) {
        // From here in both directions.
        let length = || {
            let behind = before.iter().rev().take_while(belongs).count();
            behind + after.iter().take_while(belongs).count()
        };
        if after.first().as_ref().is_some_and(belongs) && length() >= FEWEST {
            return true;
        }
        at += FEWEST;
    }
    false
}

fn is_card(digits: &[u8]) -> bool {
    digits.len() >= FEWEST && matches!(digits.first(), Some(2..=6)) && luhn(digits)
}

/// ISO/IEC 7812-1, annex B: every second digit from the last but one counts double.
fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = (0..)
        .zip(digits.iter().rev())
        .map(|(place, &digit)| match (place % 2, u32::from(digit)) {
            (0, digit) => digit,
            (_, digit) => digit / 5 + digit * 2 % 10,
        })
        .sum();
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn card_numbers_are_hidden_and_nothing_else() {
        let cases = [
            ("", ""),
            ("4111111111111111", "411111******1111"),
            ("4111 1111 1111 1111", "4111 11** **** 1111"),
            ("4111-1111-1111-1111", "4111-11**-****-1111"),
            ("3782 822463 10005", "3782 82**** *0005"),
            ("5555555555554444", "555555******4444"),
            ("2223003122003222", "222300******3222"),
            ("6011111111111117", "601111******1117"),
            ("4222222222222", "422222***2222"),
            ("6304000000000000000", "630400*********0000"),
            ("card 4111111111111111, paid", "card 411111******1111, paid"),
            ("x4111111111111111x5555555555554444", "x411111******1111x555555******4444"),
            ("\u{416}4111111111111111\u{416}", "\u{416}411111******1111\u{416}"),
            // Other numbers beside it, in the same run.
            ("12 4111111111111111", "12 411111******1111"),
            // The digits before it make a reading of their own with its first ones.
            ("2000 0000 0004 4111 1111 1111 1111", "2000 00** **** 4111 11** **** 1111"),
            ("4111111111111111 12", "411111******1111 12"),
            ("4111 1111 1111 1111 12/29", "4111 11** **** 1111 12/29"),
            ("1234567890123456789012 4111111111111111", "1234567890123456789012 411111******1111"),
            // Not card numbers.
            ("4111111111111112", "4111111111111112"),
            ("0000000000000000", "0000000000000000"),
            ("7992739871300000", "7992739871300000"),
            ("411111111111", "411111111111"),
            ("41111111111111110000", "41111111111111110000"),
            ("4111  1111 1111 1111", "4111  1111 1111 1111"),
            ("4111.1111.1111.1111", "4111.1111.1111.1111"),
            ("411111******1111", "411111******1111"),
            ("2026-11-23 10:00:00", "2026-11-23 10:00:00"),
            ("\u{664}111111111111111", "\u{664}111111111111111"),
        ];
        for (text, expected) in cases {
            assert_eq!(mask(text), expected, "{text}");
        }
    }

    /// With Luhn's digit added.
    fn card(digits: &str) -> String {
        (0..10)
            .map(|last| format!("{digits}{last}"))
            .find(|text| luhn(&text.bytes().map(|byte| byte - b'0').collect::<Vec<_>>()))
            .unwrap_or_default()
    }

    proptest! {
        #[test]
        fn no_card_number_gets_through_wherever_it_stands(
            before in "([a-z0-9]{0,30}[a-z:])?",
            digits in "[2-6][0-9]{11,17}",
            gap in prop::sample::select(&["", " ", "-"][..]),
            after in "([a-z:][a-z0-9]{0,30})?",
        ) {
            let number = card(&digits);
            let groups: Vec<&str> =
                number.as_bytes().chunks(4).map(|group| std::str::from_utf8(group).unwrap_or("")).collect();
            let text = format!("{before}{}{after}", groups.join(gap));
            let masked = mask(&text);
            prop_assert!(!masked.contains(&groups.join(gap)), "{} {}", text, masked);
            prop_assert_eq!(masked.len(), text.len());
            let again = mask(&masked);
            prop_assert_eq!(again.as_ref(), masked.as_ref());
        }

        #[test]
        fn a_short_cut_never_hides_a_card_number(text in "[0-9a -]{0,60}") {
            let found = !to_hide(text.as_bytes()).is_empty();
            prop_assert!(!found || may_hold_card(text.as_bytes()));
            prop_assert!(to_hide(mask(&text).as_bytes()).is_empty());
            prop_assert_eq!(found, mask(&text) != text);
        }
    }
}
