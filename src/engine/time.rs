//! Unix time as RFC 3339 text.

use crate::engine::inbound::UnixSeconds;

/// `2026-11-23T10:00:00Z`. A time outside the years 0000 to 9999 is shown as the nearest one
/// inside.
pub fn rfc3339(seconds: UnixSeconds) -> String {
    let (min, max) = (jiff::Timestamp::MIN, jiff::Timestamp::MAX);
    jiff::Timestamp::from_second(seconds).unwrap_or(if seconds < 0 { min } else { max }).to_string()
}
