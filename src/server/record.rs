//! What the operator learns of one request: one count, one line. Never a body, a header value, a
//! query, a signature or a secret.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hyper::StatusCode;

use super::wiring::Wired;
use crate::config;
use crate::engine::Bound;
use crate::engine::event::Event;
use crate::engine::inbound::{Inbound, UnixSeconds};
use crate::metrics::{Held, Metrics, NONE, Outcome, Stage};
use crate::store::captures::{Capture, Captures, Kept, Said, Summary};

/// Ids of a batch that one line names.
const IDS_MAX: usize = 8;

/// One request from its head to its answer. Dropped unfinished, it counts as aborted: hyper drops
/// what it was doing for a sender that has gone away.
pub(super) struct Record<'a> {
    metrics: &'a Metrics,
    limiter: &'a Limiter,
    captures: Option<&'a Captures>,
    route: Option<&'a Wired>,
    /// Whom it comes from, as far as anybody knows.
    pub(super) client: IpAddr,
    /// The place in the rule that decided, in the words of the rule.
    pub(super) at: String,
    begun: Instant,
    stage_begun: Instant,
    bytes: usize,
    events: String,
    at_time: UnixSeconds,
    keys: Vec<String>,
    said: Option<Said>,
    kept: Option<Kept>,
    closed: bool,
    _in_flight: Held,
}

impl<'a> Record<'a> {
    pub(super) fn open(
        metrics: &'a Metrics,
        limiter: &'a Limiter,
        captures: Option<&'a Captures>,
        route: Option<&'a Wired>,
        client: IpAddr,
    ) -> Self {
        let begun = Instant::now();
        Self {
            metrics,
            limiter,
            captures: captures.filter(|_| route.is_some_and(captured)),
            route,
            client,
            at: String::new(),
            begun,
            stage_begun: begun,
            bytes: 0,
            events: String::new(),
            at_time: 0,
            keys: Vec::new(),
            said: None,
            kept: None,
            closed: false,
            _in_flight: metrics.request_begun(),
        }
    }

    /// The body is there.
    pub(super) fn received(&mut self, bytes: usize) {
        self.bytes = bytes;
        self.stage(Stage::Receive);
    }

    /// There is a verdict, with these events if it was a good one.
    pub(super) fn judged(&mut self, events: &[Event], now: UnixSeconds) {
        self.stage(Stage::Judge);
        self.at_time = now;
        if self.captures.is_some() {
            self.said = events.first().map(Said::of);
            let proofs = events.first().map_or(&[][..], |event| &event.proofs);
            self.keys = proofs.iter().map(|proof| proof.key.to_string()).collect();
        }
        for (index, event) in events.iter().enumerate() {
            if index < IDS_MAX {
                self.events.push_str(if index == 0 { "" } else { " " });
                self.events.push_str(&event.id);
            }
            for proof in &event.proofs {
                if let Some(route) = self.route {
                    route.metrics.key_matched(&proof.key, now);
                }
            }
        }
    }

    /// The upstream has had its say.
    pub(super) fn delivered(&mut self) {
        self.stage(Stage::Deliver);
    }

    /// It may be looked into later.
    pub(super) fn keep(&mut self, inbound: &Inbound<'_>, accepted: bool) {
        let Some(route) = self.route.filter(|_| self.captures.is_some()) else { return };
        let wanted = match route.route.capture {
            config::Capture::All => true,
            config::Capture::None => false,
            config::Capture::Rejected => !accepted,
        };
        self.kept = wanted.then(|| Kept::of(inbound));
    }

    fn capture(&mut self, outcome: Outcome, reason: &'static str, answered: u16) {
        let (Some(captures), Some(wired), Some(inbound)) =
            (self.captures, self.route, self.kept.take())
        else {
            return;
        };
        let route = &wired.route;
        let summary = Summary {
            at: self.at_time,
            route: route.name.clone(),
            gateway: route.gateway.clone(),
            outcome: outcome.as_str().to_owned(),
            reason: reason.to_owned(),
            place: self.at.clone(),
            answered,
            rule: route.bound.as_ref().map_or("", Bound::rule_hash).to_owned(),
            keys: std::mem::take(&mut self.keys),
            said: self.said.take(),
            peer: self.client.to_string(),
            bytes: self.bytes as u64,
        };
        // What is lost is counted there.
        captures.put(Capture { summary, inbound });
    }

    fn stage(&mut self, stage: Stage) {
        let now = Instant::now();
        if let Some(route) = self.route {
            route.metrics.took(stage, now - self.stage_begun);
        }
        self.stage_begun = now;
    }

    /// The answer is known.
    pub(super) fn close(mut self, outcome: Outcome, reason: &'static str, status: StatusCode) {
        self.end(outcome, reason, status.as_u16());
    }

    fn end(&mut self, outcome: Outcome, reason: &'static str, status: u16) {
        self.closed = true;
        self.capture(outcome, reason, status);
        let took = self.begun.elapsed();
        let (name, gateway) = if let Some(wired) = self.route {
            wired.metrics.callback(outcome, reason);
            wired.metrics.took(Stage::Total, took);
            (wired.route.name.as_str(), wired.route.gateway.as_str())
        } else {
            self.metrics.refused_before_route(outcome, reason);
            (NONE, NONE)
        };
        if outcome != Outcome::Accepted && !self.limiter.admit(name, reason, Instant::now()) {
            return;
        }
        macro_rules! line {
            ($level:expr, $message:literal) => {
                tracing::event!(
                    target: "countersign::callback",
                    $level,
                    route = name,
                    gateway,
                    outcome = outcome.as_str(),
                    reason,
                    at = self.at,
                    status,
                    events = self.events,
                    peer = %self.client,
                    bytes = self.bytes,
                    duration_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
                    $message
                )
            };
        }
        match outcome {
            Outcome::Accepted | Outcome::ObservedAccepted => {
                line!(tracing::Level::INFO, "callback accepted");
            }
            Outcome::Aborted | Outcome::ObservedRejected | Outcome::Rejected => {
                line!(tracing::Level::WARN, "callback refused");
            }
            Outcome::Unavailable | Outcome::Undelivered => {
                line!(tracing::Level::ERROR, "callback not delivered");
            }
        }
    }
}

/// Whether anything that comes on it is kept.
fn captured(route: &Wired) -> bool {
    match route.route.capture {
        config::Capture::All | config::Capture::Rejected => true,
        config::Capture::None => false,
    }
}

impl Drop for Record<'_> {
    fn drop(&mut self) {
        if !self.closed {
            // 499 as nginx has it: nobody was there to be told.
            self.end(Outcome::Aborted, "aborted", 499);
        }
    }
}

/// Lines of one route and reason in one second.
const LINES_MAX: u64 = 10;

const WINDOW: Duration = Duration::from_secs(1);

/// Keeps a flood of refusals from filling a disk: the first ten of each route and reason in a
/// second are logged, the others counted. Bounded by routes times reasons.
#[derive(Default)]
pub(super) struct Limiter(Mutex<HashMap<(String, &'static str), Window>>);

struct Window {
    begun: Instant,
    seen: u64,
}

impl Limiter {
    /// Whether to write this line.
    pub(super) fn admit(&self, route: &str, reason: &'static str, now: Instant) -> bool {
        let mut windows = self.windows();
        let window =
            windows.entry((route.to_owned(), reason)).or_insert(Window { begun: now, seen: 0 });
        if now.saturating_duration_since(window.begun) >= WINDOW && window.seen <= LINES_MAX {
            *window = Window { begun: now, seen: 0 };
        }
        window.seen += 1;
        window.seen <= LINES_MAX
    }

    /// Logs how many lines were not written, and begins anew.
    pub(super) fn report(&self, now: Instant, metrics: &Metrics) {
        for (route, reason, suppressed) in self.suppressed(now) {
            metrics.log_lines_suppressed(suppressed);
            tracing::warn!(
                target: "countersign::callback",
                route,
                reason,
                suppressed,
                "more of the same were counted, not logged"
            );
        }
    }

    /// Takes out every window that is over, and says what was held back in it.
    fn suppressed(&self, now: Instant) -> Vec<(String, &'static str, u64)> {
        self.windows()
            .extract_if(|_, window| now.saturating_duration_since(window.begun) >= WINDOW)
            .filter(|(_, window)| window.seen > LINES_MAX)
            .map(|((route, reason), window)| (route, reason, window.seen - LINES_MAX))
            .collect()
    }

    fn windows(&self) -> MutexGuard<'_, HashMap<(String, &'static str), Window>> {
        // A panic while it was held can only have lost a count.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_ten_refusals_of_a_second_are_logged_and_the_rest_counted() {
        let (limiter, begun) = (Limiter::default(), Instant::now());
        let written =
            (0..1000).filter(|_| limiter.admit("pay", "signature_missing", begun)).count();
        assert_eq!(written, 10);
        assert!(limiter.admit("pay", "too_large", begun), "another reason has its own ten");
        assert!(limiter.admit("other", "signature_missing", begun), "so has another route");
        assert_eq!(
            limiter.suppressed(begun + WINDOW),
            [("pay".to_owned(), "signature_missing", 990)]
        );
        assert!(limiter.admit("pay", "signature_missing", begun + WINDOW));
        assert_eq!(limiter.windows().len(), 1, "what is over is forgotten");
    }

    #[test]
    fn a_quiet_second_begins_a_new_window() {
        let (limiter, begun) = (Limiter::default(), Instant::now());
        for second in 0..100 {
            assert!(limiter.admit("pay", "busy", begun + WINDOW * second));
        }
        assert!(limiter.suppressed(begun + WINDOW * 200).is_empty());
    }
}
