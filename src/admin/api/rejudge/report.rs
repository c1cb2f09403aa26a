//! What would change, in captures and in money, and what was released.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::verdict::Now;
use crate::admin::api::show;
use crate::engine::event::{Amount, Event};
use crate::engine::money::Sums;
use crate::store::Admission;
use crate::store::captures::{Listed, Said};

/// Numbers of captures that are named of each kind.
const EXAMPLES_MAX: usize = 5;

/// What the rules on disk would change of one capture.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Kind {
    Same,
    NowAccepted,
    NowRejected,
    /// Accepted then and now, and it says something else.
    Changed,
    Undecided,
}

impl Kind {
    const ALL: [Self; 5] =
        [Self::Same, Self::NowAccepted, Self::NowRejected, Self::Changed, Self::Undecided];

    fn as_str(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::NowAccepted => "now_accepted",
            Self::NowRejected => "now_rejected",
            Self::Changed => "changed",
            Self::Undecided => "undecided",
        }
    }
}

/// Of captures of one kind.
#[derive(Default)]
struct Counted {
    captures: u64,
    examples: Vec<i64>,
}

/// Captures or events, and the credits among them.
#[derive(Default)]
struct Worth {
    count: u64,
    credits: Sums,
}

impl Worth {
    fn add<'a>(&mut self, credits: impl IntoIterator<Item = &'a Amount>) {
        self.count += 1;
        credits.into_iter().for_each(|credit| self.credits.add(credit));
    }

    fn to_json(&self) -> Value {
        json!({ "count": self.count, "credits": show::sums(&self.credits) })
    }
}

/// See the module. However many captures there are, it stays small.
pub(super) struct Report {
    captures: u64,
    kinds: [Counted; Kind::ALL.len()],
    /// By the reason that was counted, and the reason now.
    reasons: BTreeMap<(String, &'static str), u64>,
    gained: Sums,
    lost: Sums,
    deliverable: Worth,
    /// `None`: nothing is to be released.
    pub(super) released: Option<Released>,
}

impl Report {
    pub(super) fn new(release: bool) -> Self {
        Self {
            captures: 0,
            kinds: Default::default(),
            reasons: BTreeMap::new(),
            gained: Sums::default(),
            lost: Sums::default(),
            deliverable: Worth::default(),
            released: release.then(Released::default),
        }
    }

    pub(super) fn judged(&mut self, listed: &Listed, now: &Now) {
        let kind = self.compare(listed, now);
        self.captures += 1;
        let counted = &mut self.kinds[kind as usize];
        counted.captures += 1;
        if counted.examples.len() < EXAMPLES_MAX {
            counted.examples.push(listed.id);
        }
        *self.reasons.entry((listed.summary.reason.clone(), now.word())).or_default() += 1;
        if let Now::Accepted(events) = now
            && is_deliverable(listed)
        {
            let credits: Vec<Amount> = events.iter().filter_map(credit).collect();
            self.deliverable.add(&credits);
        }
    }

    fn compare(&mut self, listed: &Listed, now: &Now) -> Kind {
        let said = &listed.summary.said;
        match (now, was_accepted(listed)) {
            (Now::Undecided(_), _) => Kind::Undecided,
            (Now::Rejected(_), false) => Kind::Same,
            (Now::Rejected(_), true) => {
                self.lose(said.as_ref());
                Kind::NowRejected
            }
            (Now::Accepted(events), false) => {
                self.gain(events);
                Kind::NowAccepted
            }
            (Now::Accepted(events), true) if events.first().map(Said::of) == *said => Kind::Same,
            (Now::Accepted(events), true) => {
                self.lose(said.as_ref());
                // Of a batch nobody has kept more than the first event.
                self.gain(events.get(..1).unwrap_or_default());
                Kind::Changed
            }
        }
    }

    fn gain(&mut self, events: &[Event]) {
        events.iter().filter_map(credit).for_each(|amount| self.gained.add(&amount));
    }

    fn lose(&mut self, said: Option<&Said>) {
        if let Some(amount) = said.filter(|said| said.credit).and_then(|said| said.amount.as_ref())
        {
            self.lost.add(amount);
        }
    }

    pub(super) fn into_json(self) -> Value {
        let mut body = Map::new();
        let mut kinds = Map::new();
        for (kind, Counted { captures, examples }) in Kind::ALL.iter().zip(&self.kinds) {
            let counted = json!({ "captures": captures, "examples": examples });
            kinds.insert(kind.as_str().to_owned(), counted);
        }
        let reasons: Value = self
            .reasons
            .iter()
            .map(|((before, after), captures)| {
                json!({ "before": before, "after": after, "captures": captures })
            })
            .collect();
        body.insert("captures".to_owned(), self.captures.into());
        body.insert("kinds".to_owned(), kinds.into());
        body.insert("reasons".to_owned(), reasons);
        let credits = json!({ "gained": show::sums(&self.gained), "lost": show::sums(&self.lost) });
        body.insert("credits".to_owned(), credits);
        body.insert("deliverable".to_owned(), self.deliverable.to_json());
        if let Some(released) = &self.released {
            body.insert("released".to_owned(), released.to_json());
        }
        body.into()
    }
}

/// Whether the rule of then had verified it, whatever became of it afterwards.
fn was_accepted(listed: &Listed) -> bool {
    let summary = &listed.summary;
    summary.said.is_some() || matches!(summary.outcome.as_str(), "accepted" | "observed_accepted")
}

/// Whether it has not gone upstream yet. What was observed has, as it came.
pub(super) fn is_deliverable(listed: &Listed) -> bool {
    matches!(
        listed.summary.outcome.as_str(),
        "aborted" | "rejected" | "unavailable" | "undelivered"
    )
}

/// What may be booked.
pub(super) fn credit(event: &Event) -> Option<Amount> {
    event.amount.clone().filter(|_| event.credit)
}

/// What has become of the messages that were released.
#[derive(Default)]
pub(super) struct Released {
    queued: Worth,
    held: Worth,
    duplicates: Worth,
    /// Being sent by somebody else just now.
    in_flight: Worth,
}

impl Released {
    pub(super) fn add(&mut self, admission: &Admission, credits: &[Option<Amount>]) {
        let worth = match admission {
            Admission::Queued(_) => &mut self.queued,
            Admission::Held(_) => &mut self.held,
            Admission::Duplicate { .. } => &mut self.duplicates,
            // Nobody is given one to send who has not asked for it.
            Admission::InFlight | Admission::Send(_) => &mut self.in_flight,
        };
        worth.add(credits.iter().flatten());
    }

    /// Messages that are in the outbox now and were not before.
    pub(super) fn changed(&self) -> u64 {
        self.queued.count + self.held.count
    }

    /// For the audit trail.
    pub(super) fn note(&self) -> String {
        let sums: Vec<String> = self
            .queued
            .credits
            .amounts()
            .map(|Amount { value, currency }| format!("{value} {currency}"))
            .collect();
        let Self { queued, held, duplicates, in_flight } = self;
        format!(
            "{} queued ({}), {} held, {} duplicates, {} in flight",
            queued.count,
            if sums.is_empty() { "no credit".to_owned() } else { sums.join(", ") },
            held.count,
            duplicates.count,
            in_flight.count
        )
    }

    fn to_json(&self) -> Value {
        let Self { queued, held, duplicates, in_flight } = self;
        json!({
            "queued": queued.to_json(),
            "held": held.to_json(),
            "duplicates": duplicates.to_json(),
            "in_flight": in_flight.to_json(),
        })
    }
}
