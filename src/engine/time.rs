//! Times as gateways write them, and Unix time as RFC 3339 text.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

use crate::engine::inbound::UnixSeconds;

/// How a time is written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum TimeFormat {
    /// Date and time of day in the words of `strptime` (`%d.%m.%Y %H:%M:%S`), so many seconds ahead
    /// of UTC.
    Local(String, i32),
    /// Unix milliseconds.
    Milliseconds,
    /// RFC 3339; a fraction of a second is dropped.
    Rfc3339,
    /// Unix seconds.
    Seconds,
    /// Unix seconds up to 10^11 (the year 5138), milliseconds above (1973 and later).
    SecondsOrMilliseconds,
}

/// Where seconds end and milliseconds begin.
const MILLISECONDS_FROM: i64 = 100_000_000_000;

impl TimeFormat {
    /// The time; `None`: it is not written so.
    pub fn read(&self, text: &str) -> Option<UnixSeconds> {
        let number = || -> Option<i64> {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            digits.then(|| text.parse().ok()).flatten()
        };
        match self {
            Self::Local(format, offset) => {
                let local = DateTime::strptime(format, text).ok()?;
                let offset = Offset::from_seconds(*offset).ok()?;
                offset.to_timestamp(local).ok().map(Timestamp::as_second)
            }
            Self::Milliseconds => Some(number()? / 1000),
            Self::Rfc3339 => text.parse::<Timestamp>().ok().map(Timestamp::as_second),
            Self::Seconds => number(),
            Self::SecondsOrMilliseconds => {
                let number = number()?;
                Some(if number < MILLISECONDS_FROM { number } else { number / 1000 })
            }
        }
    }

    /// The text of a time; the inverse of [`Self::read`] for whole seconds.
    pub fn write(&self, seconds: UnixSeconds) -> String {
        match self {
            Self::Local(format, offset) => {
                let shown = Timestamp::from_second(seconds).ok().and_then(|time| {
                    let local = Offset::from_seconds(*offset).ok()?.to_datetime(time);
                    jiff::fmt::strtime::format(format, local).ok()
                });
                shown.unwrap_or_default()
            }
            Self::Milliseconds => seconds.saturating_mul(1000).to_string(),
            Self::Rfc3339 => rfc3339(seconds),
            Self::Seconds | Self::SecondsOrMilliseconds => seconds.to_string(),
        }
    }
}

/// `2026-11-23T10:00:00Z`. A time outside the years 0000 to 9999 is shown as the nearest one
/// inside.
pub fn rfc3339(seconds: UnixSeconds) -> String {
    let (min, max) = (Timestamp::MIN, Timestamp::MAX);
    Timestamp::from_second(seconds).unwrap_or(if seconds < 0 { min } else { max }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_in_the_way_that_its_gateway_writes_it() {
        let local = || TimeFormat::Local("%d.%m.%Y %H:%M:%S".to_owned(), 3 * 3600);
        let cases = [
            (TimeFormat::Seconds, "1760000000", Some(1_760_000_000)),
            (TimeFormat::Seconds, "-1", None),
            (TimeFormat::Seconds, "1.5", None),
            (TimeFormat::Seconds, "", None),
            (TimeFormat::Milliseconds, "1760000000123", Some(1_760_000_000)),
            (TimeFormat::SecondsOrMilliseconds, "1760000000", Some(1_760_000_000)),
            (TimeFormat::SecondsOrMilliseconds, "1760000000123", Some(1_760_000_000)),
            (TimeFormat::Rfc3339, "2025-10-09T08:53:20Z", Some(1_760_000_000)),
            (TimeFormat::Rfc3339, "2025-10-09T11:53:20.73+03:00", Some(1_760_000_000)),
            (TimeFormat::Rfc3339, "2025-10-09", None),
            (local(), "09.10.2025 11:53:20", Some(1_760_000_000)),
            (local(), "09.10.2025", None),
        ];
        for (format, text, want) in cases {
            assert_eq!(format.read(text), want, "{format:?} {text:?}");
        }
        for format in [
            local(),
            TimeFormat::Seconds,
            TimeFormat::Milliseconds,
            TimeFormat::Rfc3339,
            TimeFormat::SecondsOrMilliseconds,
        ] {
            assert_eq!(
                format.read(&format.write(1_760_000_000)),
                Some(1_760_000_000),
                "{format:?}"
            );
        }
    }
}
