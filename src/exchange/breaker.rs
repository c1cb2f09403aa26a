//! Leaves a host alone that fails and fails. Arithmetic only: time is an argument.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// After this many failures in a row a host is left alone.
const FAILURES_MAX: u32 = 5;
/// For this long; then one question is let through, and its fate decides.
const OPEN_FOR: Duration = Duration::from_secs(10);
/// Hosts that are remembered. Each is a metrics label.
const HOSTS_MAX: usize = 64;

/// The breakers of all hosts.
#[derive(Default)]
pub(super) struct Breakers {
    hosts: HashMap<String, Breaker>,
}

struct Breaker {
    /// In a row, up to [`FAILURES_MAX`].
    failures: u32,
    /// Until when nobody may ask; `None`: everybody may.
    open_until: Option<Instant>,
    noted: Instant,
}

/// What has come of a note.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Noted {
    /// The host is left alone.
    pub(super) open: bool,
    /// Another host had to make room.
    pub(super) forgotten: Option<String>,
}

impl Breakers {
    /// Whether the host may be asked now. While it is left alone, a yes is given once in ten
    /// seconds: whoever has it finds out how the host is. Should he go away without a word, the
    /// next one is let through ten seconds later.
    pub(super) fn admits(&mut self, host: &str, now: Instant) -> bool {
        match self.hosts.get_mut(host).and_then(|breaker| breaker.open_until.as_mut()) {
            None => true,
            Some(until) if now < *until => false,
            Some(until) => {
                *until = now + OPEN_FOR;
                true
            }
        }
    }

    /// The host was asked, and has worked or has not.
    pub(super) fn note(&mut self, host: &str, worked: bool, now: Instant) -> Noted {
        let known = self.hosts.contains_key(host);
        let forgotten = if known { None } else { self.make_room() };
        let breaker = self.hosts.entry(host.to_owned()).or_insert(Breaker {
            failures: 0,
            open_until: None,
            noted: now,
        });
        breaker.noted = now;
        breaker.failures = if worked { 0 } else { (breaker.failures + 1).min(FAILURES_MAX) };
        breaker.open_until = (breaker.failures == FAILURES_MAX).then(|| now + OPEN_FOR);
        Noted { open: breaker.open_until.is_some(), forgotten }
    }

    /// Forgets the host that was noted first, of those that are not left alone if there are any.
    fn make_room(&mut self) -> Option<String> {
        if self.hosts.len() < HOSTS_MAX {
            return None;
        }
        let oldest = self
            .hosts
            .iter()
            .min_by_key(|(_, breaker)| (breaker.open_until.is_some(), breaker.noted))
            .map(|(host, _)| host.clone())?;
        self.hosts.remove(&oldest);
        Some(oldest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn fail(breakers: &mut Breakers, host: &str, times: u32, now: Instant) {
        for _ in 0..times {
            assert!(breakers.admits(host, now));
            breakers.note(host, false, now);
        }
    }

    #[test]
    fn the_fifth_failure_in_a_row_opens_for_ten_seconds() {
        let (mut breakers, start) = (Breakers::default(), Instant::now());
        fail(&mut breakers, "a", 4, start);
        assert!(breakers.admits("a", start));
        assert_eq!(breakers.note("a", false, start), Noted { open: true, forgotten: None });
        assert!(!breakers.admits("a", start));
        assert!(!breakers.admits("a", start + Duration::from_millis(9_999)));
        assert!(breakers.admits("b", start), "another host is another matter");
    }

    #[test]
    fn a_success_between_begins_the_count_anew() {
        let (mut breakers, start) = (Breakers::default(), Instant::now());
        fail(&mut breakers, "a", 4, start);
        assert_eq!(breakers.note("a", true, start), Noted { open: false, forgotten: None });
        fail(&mut breakers, "a", 4, start);
        assert!(breakers.admits("a", start));
    }

    #[test]
    fn after_ten_seconds_one_question_decides() {
        for worked in [true, false] {
            let (mut breakers, start) = (Breakers::default(), Instant::now());
            fail(&mut breakers, "a", 5, start);
            let later = start + OPEN_FOR;
            assert!(breakers.admits("a", later));
            assert!(!breakers.admits("a", later), "only one");
            assert_eq!(breakers.note("a", worked, later + MS).open, !worked);
            assert_eq!(breakers.admits("a", later + MS), worked);
            assert!(worked || !breakers.admits("a", later + OPEN_FOR), "ten more seconds");
            assert!(breakers.admits("a", later + MS + OPEN_FOR));
        }
    }

    #[test]
    fn a_question_that_is_never_answered_for_does_not_close_the_way_for_good() {
        let (mut breakers, start) = (Breakers::default(), Instant::now());
        fail(&mut breakers, "a", 5, start);
        assert!(breakers.admits("a", start + OPEN_FOR));
        assert!(!breakers.admits("a", start + Duration::from_millis(19_999)));
        assert!(breakers.admits("a", start + 2 * OPEN_FOR));
    }

    #[test]
    fn of_too_many_hosts_the_oldest_that_works_is_forgotten() {
        let (mut breakers, start) = (Breakers::default(), Instant::now());
        fail(&mut breakers, "open", 5, start);
        for n in 1..64 {
            assert_eq!(breakers.note(&n.to_string(), false, start + n * MS).forgotten, None);
        }
        assert_eq!(breakers.note("1", true, start + 64 * MS).forgotten, None, "it is known");
        let forgotten = |host: &str| Some(host.to_owned());
        assert_eq!(breakers.note("new", true, start + 65 * MS).forgotten, forgotten("2"));
        assert_eq!(breakers.note("2", true, start + 66 * MS).forgotten, forgotten("3"));
        assert!(!breakers.admits("open", start + 66 * MS));
        assert_eq!(breakers.hosts.len(), 64);
    }

    #[test]
    fn where_all_are_left_alone_the_oldest_is_forgotten() {
        let (mut breakers, start) = (Breakers::default(), Instant::now());
        for n in 0..64 {
            fail(&mut breakers, &n.to_string(), 5, start + n * MS);
        }
        let noted = breakers.note("new", false, start + 64 * MS);
        assert_eq!(noted, Noted { open: false, forgotten: Some("0".to_owned()) });
    }
}
