//! How often each client address may call: the generic cell rate algorithm (ITU-T I.371), in integers.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::owner;
use crate::config::Rate;

/// Addresses that are remembered at a time. Of one that could not be, nobody knows how often it
/// calls: they share one budget.
const ADDRESSES_MAX: usize = 100_000;

/// How often it is looked whether an address can be forgotten.
const SWEEP: Duration = Duration::from_secs(1);

/// The calls of one route.
#[derive(Debug)]
pub(in crate::server) struct Meter {
    rate: Rate,
    calls: Mutex<Calls>,
}

#[derive(Debug)]
struct Calls {
    /// When an address would be back at rest, if it did not call any more.
    until: HashMap<IpAddr, Instant>,
    others: Option<Instant>,
    swept: Option<Instant>,
}

impl Meter {
    /// At rest.
    fn new(rate: Rate) -> Self {
        let calls = Calls { until: HashMap::new(), others: None, swept: None };
        Self { rate, calls: Mutex::new(calls) }
    }

    /// For what is configured; the one of before goes on where that has not changed.
    pub(in crate::server) fn of(
        rate: Option<Rate>,
        before: Option<&Arc<Self>>,
    ) -> Option<Arc<Self>> {
        let rate = rate?;
        let kept = before.filter(|before| before.rate == rate);
        Some(kept.map_or_else(|| Arc::new(Self::new(rate)), Arc::clone))
    }

    /// Counts a call; `Err`: it is one too many, and how long to wait.
    pub(in crate::server) fn call(&self, address: IpAddr, now: Instant) -> Result<(), Duration> {
        let Rate { requests, per, burst } = self.rate;
        let interval = per / requests.max(1);
        // The first of a burst needs no allowance.
        let allowance = interval * burst.saturating_sub(1);
        let mut calls = self.calls();
        let until = calls.of(owner(address), now).max(now);
        let ahead = until.duration_since(now);
        if let Some(wait) = ahead.checked_sub(allowance).filter(|wait| !wait.is_zero()) {
            return Err(wait);
        }
        calls.set(owner(address), until + interval);
        Ok(())
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        // A panic while it was held can only have lost a call.
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Calls {
    fn of(&mut self, owner: IpAddr, now: Instant) -> Instant {
        let is_due = self.swept.is_none_or(|swept| now.saturating_duration_since(swept) >= SWEEP);
        if is_due && self.until.len() >= ADDRESSES_MAX / 2 {
            self.until.retain(|_, until| *until > now);
            self.swept = Some(now);
        }
        self.until.get(&owner).copied().or(self.others.filter(|_| self.is_full())).unwrap_or(now)
    }

    fn set(&mut self, owner: IpAddr, until: Instant) {
        if self.is_full() && !self.until.contains_key(&owner) {
            self.others = Some(until);
        } else {
            self.until.insert(owner, until);
        }
    }

    fn is_full(&self) -> bool {
        self.until.len() >= ADDRESSES_MAX
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const ONE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

    fn meter(requests: u32, burst: u32) -> Meter {
        Meter::new(Rate { requests, per: SECOND, burst })
    }

    #[test]
    fn a_burst_passes_and_what_comes_after_it_is_spread() {
        let (meter, begun) = (meter(10, 5), Instant::now());
        for _ in 0..5 {
            assert_eq!(meter.call(ONE, begun), Ok(()));
        }
        assert_eq!(meter.call(ONE, begun), Err(SECOND / 10));
        assert_eq!(meter.call(ONE, begun + SECOND / 10), Ok(()));
        assert_eq!(meter.call(ONE, begun + SECOND / 10), Err(SECOND / 10));
    }

    #[test]
    fn over_a_long_time_the_rate_is_kept_exactly() {
        let (meter, begun) = (meter(10, 10), Instant::now());
        let passed = |n: &u32| meter.call(ONE, begun + SECOND / 100 * *n).is_ok();
        // 100 calls a second for 100 seconds.
        let passed = (0..10_000).filter(passed).count();
        assert!((1000..=1010).contains(&passed), "{passed}");
    }

    #[test]
    fn each_address_has_its_own_and_a_network_of_ipv6_is_one() {
        let (meter, now) = (meter(1, 1), Instant::now());
        let address = |text: &str| text.parse().unwrap();
        assert_eq!(meter.call(address("192.0.2.1"), now), Ok(()));
        assert_eq!(meter.call(address("192.0.2.2"), now), Ok(()));
        assert_eq!(meter.call(address("::ffff:192.0.2.2"), now), Err(SECOND));
        assert_eq!(meter.call(address("2001:db8::1"), now), Ok(()));
        assert_eq!(meter.call(address("2001:db8::2"), now), Err(SECOND));
    }

    #[test]
    fn a_flood_of_addresses_fills_no_memory_and_those_beyond_share_one_budget() {
        let (meter, now) = (meter(1, 1), Instant::now());
        let address = |n: usize| Ipv4Addr::from_bits(u32::try_from(n).unwrap()).into();
        for n in 0..ADDRESSES_MAX {
            assert_eq!(meter.call(address(n), now), Ok(()));
        }
        assert_eq!(meter.call(address(ADDRESSES_MAX), now), Ok(()));
        assert_eq!(meter.call(address(ADDRESSES_MAX + 1), now), Err(SECOND));
        assert_eq!(meter.calls().until.len(), ADDRESSES_MAX);
        let later = now + 2 * SECOND;
        assert_eq!(meter.call(address(ADDRESSES_MAX + 1), later), Ok(()));
        assert_eq!(meter.calls().until.len(), 1, "who is at rest is forgotten");
    }
}
