//! Keeps a flood of failures from filling a disk. All of them are counted; time is an argument.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Lines of one gateway and outcome in one second.
const LINES_MAX: u64 = 10;

const WINDOW: Duration = Duration::from_secs(1);

/// What has been written lately. Bounded by gateways times outcomes.
#[derive(Default)]
pub(super) struct Lines(HashMap<(String, &'static str), Window>);

struct Window {
    begun: Instant,
    seen: u64,
}

impl Lines {
    /// Whether to write this line, and how many of its kind were held back before it.
    pub(super) fn admit(
        &mut self,
        gateway: &str,
        outcome: &'static str,
        now: Instant,
    ) -> Option<u64> {
        let new = || Window { begun: now, seen: 0 };
        let window = self.0.entry((gateway.to_owned(), outcome)).or_insert_with(new);
        let mut held_back = 0;
        if now.saturating_duration_since(window.begun) >= WINDOW {
            held_back = window.seen.saturating_sub(LINES_MAX);
            *window = new();
        }
        window.seen += 1;
        (window.seen <= LINES_MAX).then_some(held_back)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_failures_of_a_second_are_logged_and_the_next_line_tells_of_the_others() {
        let (mut lines, begun) = (Lines::default(), Instant::now());
        let written = (0..1000).filter(|_| lines.admit("acme", "timeout", begun).is_some());
        assert_eq!(written.count(), 10);
        assert_eq!(lines.admit("acme", "broken", begun), Some(0), "another outcome has its own");
        assert_eq!(lines.admit("other", "timeout", begun), Some(0), "so has another gateway");
        assert_eq!(lines.admit("acme", "timeout", begun + WINDOW), Some(990));
        assert_eq!(lines.admit("acme", "timeout", begun + WINDOW), Some(0));
        assert_eq!(lines.admit("acme", "broken", begun + WINDOW), Some(0));
    }
}
