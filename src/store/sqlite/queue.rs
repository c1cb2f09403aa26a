//! The order of what is under way: which entries of a payment stand before which, which are leased,
//! which are due. In memory, some hundred bytes for each entry that waits: the file has no index for
//! any of it, which is most of the speed of the store.

use super::many::Many;
use super::undo::Undoable;
use crate::engine::inbound::UnixSeconds;

/// The payments of an entry: its order and its transaction. Each is a line in which it stands.
pub(super) type Lanes = [Option<i64>; 2];

/// An entry that was given out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lease {
    /// Until when.
    pub(super) until: UnixSeconds,
    /// Told from every other lease of this process.
    pub(super) token: i64,
    /// For which upstream, by its number.
    pub(super) upstream: i64,
    /// It came from an intake, not from a claim: nothing has been promised of it yet.
    pub(super) fresh: bool,
}

#[derive(Default)]
pub(super) struct Queue {
    /// By lane, all that are being sent or wait.
    lanes: Many,
    /// By lane, those that are leased.
    leased: Many,
    /// Upstream, time, entry: what may be claimed.
    due: Undoable<(i64, UnixSeconds, i64), ()>,
    leases: Undoable<i64, Lease>,
    ends: Undoable<(UnixSeconds, i64), ()>,
}

impl Queue {
    /// An entry takes its place in its lanes.
    pub(super) fn enter(&mut self, seq: i64, lanes: Lanes) {
        for lane in lanes.into_iter().flatten() {
            self.lanes.insert(lane, seq);
        }
    }

    /// It stands in them no longer.
    pub(super) fn leave(&mut self, seq: i64, lanes: Lanes) {
        for lane in lanes.into_iter().flatten() {
            self.lanes.remove(lane, seq);
        }
    }

    /// Whether an entry stands in one of these lanes that a new one must not overtake: any but those
    /// after `first` that are being sent, for they were deposited together with it.
    pub(super) fn is_behind(&self, lanes: Lanes, first: i64) -> bool {
        let other =
            |lane| self.lanes.of(lane).any(|seq| seq <= first || !self.leases.contains(&seq));
        lanes.into_iter().flatten().any(other)
    }

    /// Whether it may be sent: first in each of its lanes, and none in them is being sent.
    pub(super) fn is_free(&self, seq: i64, lanes: Lanes) -> bool {
        let free = |lane| {
            let is_first = self.first(lane).is_none_or(|first| first == seq);
            is_first && self.leased.of(lane).next().is_none()
        };
        lanes.into_iter().flatten().all(free)
    }

    /// The first in a lane.
    pub(super) fn first(&self, lane: i64) -> Option<i64> {
        self.lanes.of(lane).next()
    }

    /// The first in a lane after an entry.
    pub(super) fn after(&self, lane: i64, seq: i64) -> Option<i64> {
        self.lanes.after(lane, seq)
    }

    pub(super) fn schedule(&mut self, upstream: i64, due: UnixSeconds, seq: i64) {
        self.due.insert((upstream, due, seq), ());
    }

    pub(super) fn unschedule(&mut self, upstream: i64, due: UnixSeconds, seq: i64) {
        self.due.remove(&(upstream, due, seq));
    }

    /// At most `max` entries that are due, the earliest first.
    pub(super) fn due(&self, upstream: i64, now: UnixSeconds, max: usize) -> Vec<i64> {
        let range = (upstream, UnixSeconds::MIN, i64::MIN)..=(upstream, now, i64::MAX);
        self.due.range(range).map(|(&(_, _, seq), ())| seq).take(max).collect()
    }

    /// When the next is due, or a lease ends.
    pub(super) fn next_due(&self, upstream: i64) -> Option<UnixSeconds> {
        let range = (upstream, UnixSeconds::MIN, i64::MIN)..=(upstream, UnixSeconds::MAX, i64::MAX);
        self.due.range(range).map(|(&(_, due, _), ())| due).next()
    }

    /// When the first lease of this upstream ends, but those of intakes.
    pub(super) fn next_end(&self, upstream: i64) -> Option<UnixSeconds> {
        let of = |(_, lease): &(&i64, &Lease)| lease.upstream == upstream;
        self.leases.iter().filter(of).map(|(_, lease)| lease.until).min()
    }

    pub(super) fn lease(&mut self, seq: i64, lanes: Lanes, lease: Lease) {
        for lane in lanes.into_iter().flatten() {
            self.leased.insert(lane, seq);
        }
        self.ends.insert((lease.until, seq), ());
        self.leases.insert(seq, lease);
    }

    pub(super) fn release(&mut self, seq: i64, lanes: Lanes) {
        if let Some(lease) = self.leases.remove(&seq) {
            self.ends.remove(&(lease.until, seq));
            for lane in lanes.into_iter().flatten() {
                self.leased.remove(lane, seq);
            }
        }
    }

    pub(super) fn leased(&self, seq: i64) -> Option<Lease> {
        self.leases.get(&seq).copied()
    }

    /// The first lease that has ended.
    pub(super) fn ended(&self, now: UnixSeconds) -> Option<i64> {
        self.ends.range(..=(now, i64::MAX)).map(|(&(_, seq), ())| seq).next()
    }

    /// Every lease.
    pub(super) fn leases(&self) -> Vec<(i64, Lease)> {
        self.leases.iter().map(|(seq, lease)| (*seq, *lease)).collect()
    }

    pub(super) fn keep(&mut self) {
        let Self { lanes, leased, due, leases, ends } = self;
        lanes.keep();
        leased.keep();
        due.keep();
        leases.keep();
        ends.keep();
    }

    pub(super) fn undo(&mut self) {
        let Self { lanes, leased, due, leases, ends } = self;
        lanes.undo();
        leased.undo();
        due.undo();
        leases.undo();
        ends.undo();
    }
}
