//! Hides card numbers: what looks like one keeps its first six and last four digits, which is
//! what PCI DSS 3.4 lets people see.

use std::borrow::Cow;

/// Digits of a card number (ISO/IEC 7812-1).
const FEWEST: usize = 13;
const MOST: usize = 19;
const SHOWN_FIRST: usize = 6;
const SHOWN_LAST: usize = 4;

/// The text with `*` for the middle digits of every card number: whole groups of digits with
/// single spaces or dashes between them, 13 to 19 digits together, the first one 2 to 6, the last
/// one right (Luhn). Where several readings are possible, the first and longest counts. A longer
/// row of digits is no card number.
#[inline]
pub fn mask(text: &str) -> Cow<'_, str> {
    if may_hold_card(text.as_bytes()) { mask_any(text) } else { Cow::Borrowed(text) }
}

#[cold]
fn mask_any(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    let mut out = String::new();
    let mut copied = 0;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if !byte.is_ascii_digit() {
            at += 1;
        } else if let Some(card) = Card::at(bytes, at) {
            out.push_str(text.get(copied..at).unwrap_or_default());
            card.write(text.get(at..card.end).unwrap_or_default(), &mut out);
            copied = card.end;
            at = card.end;
        } else {
            while bytes.get(at).is_some_and(u8::is_ascii_digit) {
                at += 1;
            }
        }
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(text.get(copied..).unwrap_or_default());
    Cow::Owned(out)
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

/// A card number in a text.
struct Card {
    /// Behind its last digit.
    end: usize,
    /// How many digits.
    count: usize,
}

impl Card {
    /// The longest one that begins with the group of digits at `start`.
    fn at(bytes: &[u8], start: usize) -> Option<Self> {
        let is_digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
        let mut digits = [0; MOST];
        let mut count = 0;
        let mut at = start;
        let mut longest = None;
        while let Some(&byte) = bytes.get(at) {
            at += 1;
            match byte {
                b'0'..=b'9' if count < MOST => {
                    digits[count] = byte - b'0';
                    count += 1;
                    if !is_digit(at) && is_card(&digits[..count]) {
                        longest = Some(Self { end: at, count });
                    }
                }
                b' ' | b'-' if is_digit(at) => {}
                _ => break,
            }
        }
        longest
    }

    fn write(&self, text: &str, out: &mut String) {
        let hidden = SHOWN_FIRST..self.count - SHOWN_LAST;
        let mut digits = 0;
        for character in text.chars() {
            let is_digit = character.is_ascii_digit();
            out.push(if is_digit && hidden.contains(&digits) { '*' } else { character });
            digits += usize::from(is_digit);
        }
    }
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
            let found = (0..text.len()).any(|at| {
                let first = at == 0 || !text.as_bytes()[at - 1].is_ascii_digit();
                first && Card::at(text.as_bytes(), at).is_some()
            });
            prop_assert!(!found || may_hold_card(text.as_bytes()));
            prop_assert_eq!(found, mask(&text) != text);
        }
    }
}
