//! Durations and sizes as people write them.

use std::time::Duration;

/// `10ms`, `2s`, `5m`, `1h` or `7d`; nothing else, and nothing between number and unit.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let (number, unit) = split(text)?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(millis).map(Duration::from_millis)
}

/// Bytes: `200`, `200B`, `64KiB`, `1MiB` or `1GiB`.
pub fn parse_size(text: &str) -> Option<u64> {
    let (number, unit) = split(text)?;
    let bytes = match unit {
        "" | "B" => 1,
        "KiB" => 1024,
        "MiB" => 1024 * 1024,
        "GiB" => 1024 * 1024 * 1024,
        _ => return None,
    };
    number.checked_mul(bytes)
}

/// A duration as [`parse_duration`] reads it, in the largest unit that fits.
pub fn show_duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    let fits = |(size, _): &(u128, &str)| millis.is_multiple_of(*size) && millis >= *size;
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    let (size, unit) = units.into_iter().find(fits).unwrap_or((1, "ms"));
    format!("{}{unit}", millis / size)
}

/// A size as [`parse_size`] reads it, in the largest unit that fits.
pub fn show_size(bytes: u64) -> String {
    let fits = |(size, _): &(u64, &str)| bytes.is_multiple_of(*size) && bytes >= *size;
    let units = [(1024 * 1024 * 1024, "GiB"), (1024 * 1024, "MiB"), (1024, "KiB")];
    let (size, unit) = units.into_iter().find(fits).unwrap_or((1, "B"));
    format!("{}{unit}", bytes / size)
}

fn split(text: &str) -> Option<(u64, &str)> {
    let (number, unit) =
        text.split_at_checked(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))?;
    // `u64::from_str` would take a sign.
    (!number.is_empty()).then_some(())?;
    Some((number.parse().ok()?, unit))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic fails the test")]

    use super::*;

    #[test]
    fn durations_have_one_number_and_one_unit() {
        for (text, want) in [
            ("10ms", Some(10)),
            ("2s", Some(2_000)),
            ("5m", Some(300_000)),
            ("1h", Some(3_600_000)),
            ("0s", Some(0)),
            ("", None),
            ("s", None),
            ("5", None),
            ("5 s", None),
            ("-5s", None),
            ("+5s", None),
            ("1.5s", None),
            ("5d", Some(432_000_000)),
            ("99999999999999999999s", None),
            ("18446744073709551615h", None),
        ] {
            assert_eq!(parse_duration(text), want.map(Duration::from_millis), "{text:?}");
        }
    }

    #[test]
    fn sizes_are_bytes_in_powers_of_1024() {
        for (text, want) in [
            ("200", Some(200)),
            ("200B", Some(200)),
            ("64KiB", Some(65_536)),
            ("1MiB", Some(1_048_576)),
            ("1GiB", Some(1_073_741_824)),
            ("1MB", None),
            ("KiB", None),
            ("1 KiB", None),
            ("18446744073709551615MiB", None),
        ] {
            assert_eq!(parse_size(text), want, "{text:?}");
        }
    }

    #[test]
    fn what_is_shown_reads_back() {
        for text in ["10ms", "1500ms", "2s", "90s", "5m", "1h", "0ms"] {
            assert_eq!(show_duration(parse_duration(text).unwrap()), text);
        }
        for text in ["0B", "200B", "1KiB", "1025B", "1MiB"] {
            assert_eq!(show_size(parse_size(text).unwrap()), text);
        }
    }
}
