//! Whether an address is well: arithmetic, nothing else.

use std::time::{Duration, Instant};

/// Failures in a row after which an address is left alone for a while.
const FAILURES: u32 = 3;
/// How long, the first time; each further time twice as long.
const OUT_FIRST: Duration = Duration::from_secs(1);
/// At most.
const OUT_LONGEST: Duration = Duration::from_secs(60);
/// A whole share.
pub(super) const WHOLE: u32 = 1000;
/// The share of an address that has come back just now, or is tried again.
const LEAST: u32 = WHOLE / 10;

/// How one address has been lately.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Wellness {
    failures: u32,
    /// How often it was left alone without an answer in between.
    outs: u32,
    /// Left alone until then.
    out_until: Option<Instant>,
    /// Probes in a row that were unlike what is believed of it.
    contrary: u32,
    /// What probes say.
    probed_down: bool,
    /// Since when it has been well again.
    back_since: Option<Instant>,
}

/// What an operator may want to know.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Change {
    Up,
    Down,
}

impl Wellness {
    /// Of an address that has joined the others just now.
    pub(super) fn joined(now: Instant) -> Self {
        Self { back_since: Some(now), ..Self::default() }
    }

    /// It could not be reached, or said that it cannot serve now.
    pub(super) fn failed(&mut self, now: Instant) -> Option<Change> {
        self.failures = self.failures.saturating_add(1);
        if self.failures < FAILURES || self.is_out(now) {
            return None;
        }
        let longer = OUT_FIRST.saturating_mul(1 << self.outs.min(16));
        self.out_until = Some(now + longer.min(OUT_LONGEST));
        self.outs = self.outs.saturating_add(1);
        (self.outs == 1 && !self.probed_down).then_some(Change::Down)
    }

    /// It has answered.
    pub(super) fn answered(&mut self, now: Instant) -> Option<Change> {
        self.failures = 0;
        if self.outs == 0 {
            return None;
        }
        (self.outs, self.out_until, self.back_since) = (0, None, Some(now));
        (!self.probed_down).then_some(Change::Up)
    }

    /// What a probe says, and how many must say so in a row.
    pub(super) fn probed(&mut self, good: bool, enough: u32, now: Instant) -> Option<Change> {
        if good != self.probed_down {
            self.contrary = 0;
            return None;
        }
        self.contrary += 1;
        if self.contrary < enough {
            return None;
        }
        self.contrary = 0;
        self.probed_down = !good;
        if good {
            (self.failures, self.outs, self.out_until) = (0, 0, None);
            self.back_since = Some(now);
            return Some(Change::Up);
        }
        (self.outs == 0).then_some(Change::Down)
    }

    fn is_out(&self, now: Instant) -> bool {
        self.out_until.is_some_and(|until| now < until)
    }

    /// Whether requests may go to it, as long as any others may not do without.
    pub(super) fn is_usable(&self, now: Instant) -> bool {
        !self.probed_down && !self.is_out(now)
    }

    /// How much of its share it gets, of [`WHOLE`].
    pub(super) fn share(&self, now: Instant, slow_start: Duration) -> u32 {
        if self.outs > 0 {
            return LEAST;
        }
        let Some(since) = self.back_since else { return WHOLE };
        let (passed, whole) =
            (now.saturating_duration_since(since).as_millis(), slow_start.as_millis());
        if passed >= whole {
            return WHOLE;
        }
        u32::try_from(passed * u128::from(WHOLE) / whole).unwrap_or(WHOLE).max(LEAST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn an_address_is_left_alone_after_three_failures_each_time_for_longer() {
        let mut now = Instant::now();
        let mut it = Wellness::default();
        assert_eq!((it.failed(now), it.failed(now)), (None, None));
        assert!(it.is_usable(now));
        assert_eq!(it.failed(now), Some(Change::Down));
        for wait in [1, 2, 4, 8, 16, 32, 60, 60] {
            assert!(!it.is_usable(now + Duration::from_millis(wait * 1000 - 1)), "{wait}");
            // What was under way when it was taken out says nothing new.
            assert_eq!(it.failed(now), None);
            now += secs(wait);
            assert!(it.is_usable(now), "{wait}");
            assert_eq!(it.failed(now), None, "it was down all the time");
        }
    }

    #[test]
    fn an_answer_in_between_makes_failures_no_row() {
        let now = Instant::now();
        let mut it = Wellness::default();
        for _ in 0..10 {
            assert_eq!((it.failed(now), it.failed(now), it.answered(now)), (None, None, None));
        }
        assert_eq!(it.share(now, secs(10)), WHOLE);
    }

    #[test]
    fn an_address_that_comes_back_gets_a_growing_share() {
        let now = Instant::now();
        let mut it = Wellness::default();
        for _ in 0..FAILURES {
            it.failed(now);
        }
        let now = now + secs(1);
        assert_eq!(it.share(now, secs(10)), LEAST);
        assert_eq!(it.answered(now), Some(Change::Up));
        for (passed, share) in [(0, LEAST), (1, 100), (3, 300), (9, 900), (10, WHOLE), (99, WHOLE)]
        {
            assert_eq!(it.share(now + secs(passed), secs(10)), share, "{passed}");
        }
        assert_eq!(it.share(now, Duration::ZERO), WHOLE);
        assert_eq!(Wellness::joined(now).share(now + secs(5), secs(10)), 500);
    }

    #[test]
    fn probes_in_a_row_take_an_address_out_and_bring_it_back() {
        let now = Instant::now();
        let mut it = Wellness::default();
        assert_eq!(it.probed(false, 2, now), None);
        assert_eq!(it.probed(true, 2, now), None);
        assert_eq!(it.probed(false, 2, now), None);
        assert_eq!(it.probed(false, 2, now), Some(Change::Down));
        // An answer to a request does not overrule what it says of itself.
        assert_eq!(it.answered(now), None);
        assert!(!it.is_usable(now));
        assert_eq!(it.probed(true, 2, now), None);
        assert_eq!(it.probed(true, 2, now), Some(Change::Up));
        assert!(it.is_usable(now));
        assert_eq!(it.share(now, secs(10)), LEAST);
    }
}
