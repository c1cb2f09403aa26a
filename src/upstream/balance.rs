//! Which address a request goes to: the one with the fewest under way among those that are well,
//! in turn among equals.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::endpoint::Endpoint;
use super::wellness::WHOLE;

/// What is known of an address.
#[derive(Clone, Copy, Debug)]
struct Standing {
    usable: bool,
    /// Of [`WHOLE`].
    share: u32,
    load: usize,
}

/// One that was not tried yet. `turn` is one more each time. If none is well, all are tried: an
/// upstream may be better than its reputation.
pub(super) fn choose<'a>(
    endpoints: &'a [Arc<Endpoint>],
    tried: &[Arc<Endpoint>],
    turn: usize,
    slow_start: Duration,
) -> Option<&'a Arc<Endpoint>> {
    if let [only] = endpoints {
        return tried.is_empty().then_some(only);
    }
    let now = Instant::now();
    let standing = |endpoint: &Arc<Endpoint>| {
        let (usable, share) = endpoint.standing(now, slow_start);
        let untried = !tried.iter().any(|tried| Arc::ptr_eq(tried, endpoint));
        untried.then(|| Standing { usable, share, load: endpoint.load() })
    };
    let standings: Vec<_> = endpoints.iter().map(standing).collect();
    best(&standings, turn).map(|at| &endpoints[at])
}

fn best(standings: &[Option<Standing>], turn: usize) -> Option<usize> {
    let rank = |at: usize| {
        let Standing { usable, share, load } = (*standings.get(at)?)?;
        // One that gets less than its share is passed over so often.
        let passed_over = share < WHOLE && chance(turn, at) >= share;
        Some((!usable, passed_over, load))
    };
    let best = (0..standings.len()).filter_map(rank).min()?;
    let equals = || (0..standings.len()).filter(|at| rank(*at) == Some(best));
    equals().nth(turn % equals().count().max(1))
}

/// A number below [`WHOLE`] that is another one each turn, spread by a multiplication (Knuth).
fn chance(turn: usize, at: usize) -> u32 {
    let spread = (turn as u64).wrapping_add((at as u64) << 32).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    u32::try_from((spread >> 32) % u64::from(WHOLE)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unnecessary_wraps, reason = "what was tried is `None`")]

    use super::*;

    fn counts(standings: &[Option<Standing>], turns: usize) -> Vec<usize> {
        let mut counts = vec![0; standings.len()];
        for turn in 0..turns {
            if let Some(at) = best(standings, turn) {
                counts[at] += 1;
            }
        }
        counts
    }

    fn well(load: usize) -> Option<Standing> {
        Some(Standing { usable: true, share: WHOLE, load })
    }

    fn out(load: usize) -> Option<Standing> {
        Some(Standing { usable: false, share: WHOLE, load })
    }

    fn slow(share: u32) -> Option<Standing> {
        Some(Standing { usable: true, share, load: 0 })
    }

    #[test]
    fn equals_take_turns_and_the_busier_wait() {
        assert_eq!(counts(&[well(2), well(2), well(2)], 300), [100, 100, 100]);
        assert_eq!(counts(&[well(2), well(1), well(3)], 300), [0, 300, 0]);
    }

    #[test]
    fn what_is_unwell_gets_nothing_unless_all_are() {
        assert_eq!(counts(&[well(9), out(0), well(9)], 300), [150, 0, 150]);
        assert_eq!(counts(&[out(0), out(0), out(1)], 300), [150, 150, 0]);
        assert_eq!(counts(&[None, out(5), None], 3), [0, 3, 0]);
        assert_eq!(best(&[None, None], 0), None);
        assert_eq!(best(&[], 7), None);
    }

    #[test]
    fn what_has_come_back_gets_a_part_of_its_share() {
        for (share, least, most) in [(100, 400, 600), (500, 2300, 2700), (900, 4300, 4700)] {
            let counts = counts(&[well(0), slow(share)], 10_000);
            assert!((least..=most).contains(&counts[1]), "{share}: {counts:?}");
        }
        assert_eq!(counts(&[slow(100), out(0)], 100), [100, 0]);
    }
}
