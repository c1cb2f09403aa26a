//! Entries by key: most keys have one, some have many. What a transaction did to it can be taken
//! back.
//!
//! Keys are hashes. Looked up in an order that they do not have, a tree of a million of them costs a
//! dozen misses of the cache each time; a table costs one. But a table that grows is made anew, and
//! whoever waits then waits for all of it; so there are some, for keys from one bound to the next.

use std::collections::hash_map::Entry as Slot;
use std::collections::{BTreeSet, HashMap};

use foldhash::fast::RandomState;

/// Tables; a power of two.
pub(super) const TABLES: usize = 1 << 8;

/// Room that is kept although it is not needed just now, in each table.
const KEPT: usize = 64;

/// Changes of one transaction, at which room for them is not kept.
const CHANGES_KEPT: usize = 1 << 14;

/// Stands for the entry of a key that has several. No entry has this number.
const SEVERAL: i64 = i64::MIN;

/// Changes are final with [`Many::keep`]; until then [`Many::undo`] takes them back.
pub(super) struct Many {
    /// By the upper bits of the key, in the order of keys.
    one: Vec<HashMap<i64, i64, RandomState>>,
    /// Key and entry, of keys that have several.
    several: BTreeSet<(i64, i64)>,
    len: usize,
    /// Key, entry, and whether it came or went; the latest last.
    changes: Vec<(i64, i64, bool)>,
}

impl Default for Many {
    fn default() -> Self {
        let one = (0..TABLES).map(|_| HashMap::default()).collect();
        Self { one, several: BTreeSet::new(), len: 0, changes: Vec::new() }
    }
}

/// In which table a key is.
fn table(key: i64) -> usize {
    // Without their sign, in the same order.
    let upper = (key.cast_unsigned() ^ (1 << 63)) >> (64 - TABLES.trailing_zeros());
    usize::try_from(upper).unwrap_or_default()
}

impl Many {
    fn one(&self, key: i64) -> Option<i64> {
        self.one[table(key)].get(&key).copied()
    }

    pub(super) fn insert(&mut self, key: i64, seq: i64) {
        if self.put(key, seq) {
            self.changes.push((key, seq, true));
        }
    }

    pub(super) fn remove(&mut self, key: i64, seq: i64) {
        if self.take(key, seq) {
            self.changes.push((key, seq, false));
        }
    }

    /// The entries of a key, in their order.
    pub(super) fn of(&self, key: i64) -> impl DoubleEndedIterator<Item = i64> {
        let found = self.one(key);
        let several = (found == Some(SEVERAL)).then(|| self.several_of(key));
        let one = found.filter(|seq| *seq != SEVERAL);
        one.into_iter().chain(several.into_iter().flatten())
    }

    /// The entries of a key after one.
    pub(super) fn after(&self, key: i64, seq: i64) -> Option<i64> {
        match self.one(key)? {
            SEVERAL => {
                let range = (key, seq.saturating_add(1))..=(key, i64::MAX);
                self.several.range(range).map(|(_, seq)| *seq).next()
            }
            one => Some(one).filter(|one| *one > seq),
        }
    }

    #[cfg(test)]
    fn contains(&self, key: i64, seq: i64) -> bool {
        match self.one(key) {
            Some(SEVERAL) => self.several.contains(&(key, seq)),
            one => one == Some(seq),
        }
    }

    /// Keys and their entries of one of [`TABLES`], in their order. All of a table are before all of
    /// the next.
    pub(super) fn of_table(&self, at: usize) -> Vec<(i64, i64)> {
        let mut found = Vec::new();
        for (&key, &seq) in &self.one[at] {
            if seq == SEVERAL {
                found.extend(self.several_of(key).map(|seq| (key, seq)));
            } else {
                found.push((key, seq));
            }
        }
        found.sort_unstable();
        found
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn keep(&mut self) {
        // What a long outage has filled is given back.
        for (key, _, came) in &self.changes {
            let one = &mut self.one[table(*key)];
            if !came && one.capacity() / 8 > one.len() + KEPT {
                one.shrink_to(2 * one.len());
            }
        }
        self.changes.clear();
        // A transaction has some hundred changes; the first load of a file has millions.
        self.changes.shrink_to(CHANGES_KEPT);
    }

    pub(super) fn undo(&mut self) {
        while let Some((key, seq, came)) = self.changes.pop() {
            if came {
                self.take(key, seq)
            } else {
                self.put(key, seq)
            };
        }
    }

    fn several_of(&self, key: i64) -> impl DoubleEndedIterator<Item = i64> {
        self.several.range((key, i64::MIN)..=(key, i64::MAX)).map(|(_, seq)| *seq)
    }

    /// Whether it was not there.
    fn put(&mut self, key: i64, seq: i64) -> bool {
        let is_new = match self.one[table(key)].entry(key) {
            Slot::Vacant(slot) => {
                slot.insert(seq);
                true
            }
            Slot::Occupied(slot) if *slot.get() == SEVERAL => self.several.insert((key, seq)),
            Slot::Occupied(slot) if *slot.get() == seq => false,
            Slot::Occupied(mut slot) => {
                let other = slot.insert(SEVERAL);
                self.several.extend([(key, other), (key, seq)]);
                true
            }
        };
        self.len += usize::from(is_new);
        is_new
    }

    /// Whether it was there.
    fn take(&mut self, key: i64, seq: i64) -> bool {
        let was_there = match self.one(key) {
            Some(SEVERAL) => {
                let was_there = self.several.remove(&(key, seq));
                let mut left = self.several_of(key);
                if let (Some(last), None) = (left.next(), left.next()) {
                    drop(left);
                    self.several.remove(&(key, last));
                    self.one[table(key)].insert(key, last);
                }
                was_there
            }
            Some(one) if one == seq => self.one[table(key)].remove(&key).is_some(),
            _ => false,
        };
        self.len -= usize::from(was_there);
        was_there
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn all(many: &Many) -> BTreeSet<(i64, i64)> {
        (0..TABLES).flat_map(|at| many.of_table(at)).collect()
    }

    #[test]
    fn it_is_a_set_that_can_be_undone() {
        let (mut many, mut plain) = (Many::default(), BTreeSet::new());
        let mut number = 1_u64;
        for step in 0..20_000 {
            number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let (key, seq) = ((number >> 33).cast_signed() % 5, (number >> 40).cast_signed() % 4);
            if number >> 63 == 0 {
                many.insert(key, seq);
                plain.insert((key, seq));
            } else {
                many.remove(key, seq);
                plain.remove(&(key, seq));
            }
            let of: Vec<i64> = plain.range((key, 0)..=(key, 9)).map(|(_, seq)| *seq).collect();
            assert_eq!(many.of(key).collect::<Vec<_>>(), of, "step {step}");
            assert_eq!(many.after(key, seq), of.iter().copied().find(|other| *other > seq));
            assert_eq!(many.contains(key, seq), plain.contains(&(key, seq)));
            assert_eq!((all(&many), many.len()), (plain.clone(), plain.len()));
            match step % 7 {
                3 => many.keep(),
                5 => {
                    let before = all(&many);
                    many.keep();
                    for seq in 0..4 {
                        many.insert(key, seq);
                        many.remove(key + 1, seq);
                    }
                    many.undo();
                    assert_eq!(all(&many), before, "step {step}");
                }
                _ => {}
            }
        }
    }
}
