//! What is in the outbox, kept up with every change.

use std::sync::Arc;

use super::money::Sum;
use super::row::Row;
use super::undo::Undoable;
use crate::engine::inbound::UnixSeconds;
use crate::store::State;

#[derive(Default)]
pub(super) struct Counts {
    entries: Undoable<(i64, State), u64>,
    /// Upstream and entry, of those that wait; when they came.
    waiting: Undoable<(i64, i64), UnixSeconds>,
    money: Undoable<(State, Arc<str>), Sum>,
}

impl Counts {
    /// An entry is there, or stands there now.
    pub(super) fn enter(&mut self, row: &Row) {
        if let State::Delivered | State::Dropped = row.turn.state {
            return;
        }
        self.count(row, |count| count + 1);
        if row.turn.state == State::Waiting {
            self.waiting.insert((row.upstream, row.seq), row.received_at);
        }
        self.add(row, Sum::add);
    }

    /// It stands there no longer.
    pub(super) fn leave(&mut self, row: &Row) {
        if let State::Delivered | State::Dropped = row.turn.state {
            return;
        }
        self.count(row, |count| count.saturating_sub(1));
        if row.turn.state == State::Waiting {
            self.waiting.remove(&(row.upstream, row.seq));
        }
        self.add(row, Sum::remove);
    }

    fn count(&mut self, row: &Row, change: impl Fn(u64) -> u64) {
        let key = (row.upstream, row.turn.state);
        let count = change(self.entries.get(&key).copied().unwrap_or_default());
        self.entries.insert(key, count);
    }

    fn add(&mut self, row: &Row, change: fn(&mut Sum, &str)) {
        let held = matches!(row.turn.state, State::Waiting | State::Held | State::Dead);
        let Some(amount) = row.amount.as_ref().filter(|_| held && row.credit) else { return };
        let key = (row.turn.state, Arc::from(amount.currency.as_str()));
        let mut sum = self.money.get(&key).copied().unwrap_or_default();
        change(&mut sum, &amount.value);
        if sum.is_empty() {
            self.money.remove(&key);
        } else {
            self.money.insert(key, sum);
        }
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> u64 {
        self.waiting.len() as u64
    }

    /// By upstream and state.
    pub(super) fn entries(&self) -> impl Iterator<Item = (i64, State, u64)> {
        let some = self.entries.iter().filter(|(_, count)| **count > 0);
        some.map(|(&(upstream, state), &count)| (upstream, state, count))
    }

    /// When the oldest came that waits for an upstream.
    pub(super) fn oldest(&self, upstream: i64) -> Option<UnixSeconds> {
        self.waiting.range((upstream, i64::MIN)..=(upstream, i64::MAX)).map(|(_, at)| *at).next()
    }

    /// By state and currency.
    pub(super) fn money(&self) -> impl Iterator<Item = (State, &str, Sum)> {
        self.money.iter().map(|((state, currency), sum)| (*state, &**currency, *sum))
    }

    pub(super) fn keep(&mut self) {
        let Self { entries, waiting, money } = self;
        entries.keep();
        waiting.keep();
        money.keep();
    }

    pub(super) fn undo(&mut self) {
        let Self { entries, waiting, money } = self;
        entries.undo();
        waiting.undo();
        money.undo();
    }
}
