//! When to try again: arithmetic, nothing else.

use crate::config::Retry;
use crate::engine::inbound::UnixSeconds;

/// An upstream that could not be reached is tried again after so many seconds at most.
const PROBE_SECONDS_MAX: i64 = 5;

/// Failures in a row after which an upstream is unwell.
const FAILURES: u32 = 3;

/// Seconds until an event that has failed `attempts` times (the first is 1) is sent again; `None`:
/// with `age` seconds it is too old and is given up. `chance` is any number; of each wait at least
/// half is kept.
pub(super) fn next_attempt(retry: &Retry, attempts: u32, age: i64, chance: u64) -> Option<i64> {
    if is_over(retry, age) {
        return None;
    }
    let [first, longest] = [retry.first, retry.longest].map(|wait| wait.as_secs().max(1));
    let doubled = first.saturating_mul(1 << attempts.saturating_sub(1).min(32));
    let wait = doubled.min(longest);
    // Spread by a multiplication (Knuth), so that neighbours do not come back together.
    let chance = chance.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    let wait = wait / 2 + chance % (wait - wait / 2) + 1;
    i64::try_from(wait.min(longest)).ok()
}

/// Whether an event of `age` seconds is too old to be sent again.
pub(super) fn is_over(retry: &Retry, age: i64) -> bool {
    age >= i64::try_from(retry.horizon.as_secs()).unwrap_or(i64::MAX)
}

/// How an upstream has been lately. One that fails again and again is left alone for a while, then
/// tried with one message.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Health {
    failures: u32,
    /// Not before this.
    retry_at: UnixSeconds,
}

impl Health {
    /// Whether callbacks may go to it while their gateway waits.
    pub(super) fn is_well(&self) -> bool {
        self.failures < FAILURES
    }

    /// When it may be tried.
    pub(super) fn retry_at(&self) -> UnixSeconds {
        self.retry_at
    }

    /// It has answered.
    pub(super) fn answered(&mut self) {
        *self = Self::default();
    }

    /// It could not be reached, or said that it cannot serve now.
    pub(super) fn failed(&mut self, now: UnixSeconds) {
        self.failures = self.failures.saturating_add(1);
        let beyond = self.failures.saturating_sub(FAILURES);
        if !self.is_well() {
            self.retry_at = now.saturating_add((1 << beyond.min(8)).min(PROBE_SECONDS_MAX));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const RETRY: Retry = Retry {
        first: Duration::from_secs(5),
        longest: Duration::from_secs(3600),
        horizon: Duration::from_secs(7 * 24 * 3600),
    };

    #[test]
    fn waits_double_up_to_the_longest_and_half_of_each_is_chance() {
        for (attempts, least, most) in [
            (1, 3, 5),
            (2, 6, 10),
            (3, 11, 20),
            (4, 21, 40),
            (10, 1281, 2560),
            (11, 1801, 3600),
            (12, 1801, 3600),
            (u32::MAX, 1801, 3600),
        ] {
            let mut seen = Vec::new();
            for chance in 0..20_000 {
                seen.push(next_attempt(&RETRY, attempts, 0, chance));
            }
            seen.sort_unstable();
            assert_eq!(seen.first(), Some(&Some(least)), "{attempts}");
            assert_eq!(seen.last(), Some(&Some(most)), "{attempts}");
        }
    }

    #[test]
    fn what_is_older_than_the_horizon_is_given_up() {
        let week = 7 * 24 * 3600;
        assert!(next_attempt(&RETRY, 1, week - 1, 0).is_some());
        assert_eq!(next_attempt(&RETRY, 1, week, 0), None);
        // The clock was set back.
        assert!(next_attempt(&RETRY, 1, -week, 0).is_some());
    }

    #[test]
    fn an_upstream_is_unwell_after_three_failures_in_a_row_and_well_after_one_answer() {
        let mut health = Health::default();
        let mut at = Vec::new();
        for _ in 0..9 {
            at.push((health.is_well(), health.retry_at()));
            health.failed(100);
        }
        let want = [0, 0, 0, 101, 102, 104, 105, 105, 105];
        let want: Vec<_> = want.iter().enumerate().map(|(n, at)| (n < 3, *at)).collect();
        assert_eq!(at, want);
        health.answered();
        assert_eq!(health, Health::default());
    }
}
