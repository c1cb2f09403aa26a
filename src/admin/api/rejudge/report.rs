//! What would change, in captures and in money, and what was released.

use std::collections::{BTreeMap, HashSet};

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

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

/// An event, and what it credits.
pub(super) struct Credited {
    id: EventId,
    credit: Option<Amount>,
}

impl Credited {
    pub(super) fn of(event: &Event) -> Self {
        let credit = event.amount.clone().filter(|_| event.credit);
        Self { id: event_id(&event.id), credit }
    }

    fn said(said: &Said) -> Self {
        Self { id: event_id(&said.id), credit: said.amount.clone().filter(|_| said.credit) }
    }
}

/// As much of a digest as makes two of one event: ids have no length that is known.
type EventId = [u8; 16];

fn event_id(id: &str) -> EventId {
    let digest: [u8; 32] = Sha256::digest(id).into();
    let mut short = EventId::default();
    short.copy_from_slice(&digest[..16]);
    short
}

/// Events and their credits: however often a gateway has told of one, it counts once. What is
/// remembered of each is 16 bytes, and there are no more of them than captures hold.
#[derive(Default)]
struct Distinct {
    seen: HashSet<EventId>,
    credits: Sums,
}

impl Distinct {
    fn add(&mut self, event: &Credited) {
        if self.seen.insert(event.id)
            && let Some(credit) = &event.credit
        {
            self.credits.add(credit);
        }
    }

    fn sums(&self) -> Value {
        show::sums(&self.credits)
    }
}

/// Captures or messages, and the events in them.
#[derive(Default)]
struct Worth {
    count: u64,
    events: Distinct,
}

impl Worth {
    fn add(&mut self, events: &[Credited]) {
        self.count += 1;
        for event in events {
            self.events.add(event);
        }
    }

    fn to_json(&self) -> Value {
        let Self { count, events } = self;
        json!({ "count": count, "events": events.seen.len(), "credits": events.sums() })
    }
}

/// See the module.
pub(super) struct Report {
    captures: u64,
    kinds: [Counted; Kind::ALL.len()],
    /// By the reason that was counted, and the reason now.
    reasons: BTreeMap<(String, &'static str), u64>,
    gained: Distinct,
    lost: Distinct,
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
            gained: Distinct::default(),
            lost: Distinct::default(),
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
            let events: Vec<Credited> = events.iter().map(Credited::of).collect();
            self.deliverable.add(&events);
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
        for event in events {
            self.gained.add(&Credited::of(event));
        }
    }

    fn lose(&mut self, said: Option<&Said>) {
        if let Some(said) = said {
            self.lost.add(&Credited::said(said));
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
        let credits = json!({ "gained": self.gained.sums(), "lost": self.lost.sums() });
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
    pub(super) fn add(&mut self, admission: &Admission, events: &[Credited]) {
        let worth = match admission {
            Admission::Queued(_) => &mut self.queued,
            Admission::Held(_) => &mut self.held,
            Admission::Duplicate { .. } => &mut self.duplicates,
            // Nobody is given one to send who has not asked for it.
            Admission::InFlight | Admission::Send(_) => &mut self.in_flight,
        };
        worth.add(events);
    }

    /// Messages that are in the outbox now and were not before.
    pub(super) fn changed(&self) -> u64 {
        self.queued.count + self.held.count
    }

    /// For the audit trail.
    pub(super) fn note(&self) -> String {
        let sums: Vec<String> = self
            .queued
            .events
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
