//! A map that can take back what a transaction did to it.

use std::collections::BTreeMap;
use std::ops::RangeBounds;

/// Room for changes that is kept from one transaction to the next.
const KEPT: usize = 1 << 14;

/// Changes are final with [`Undoable::keep`]; until then [`Undoable::undo`] takes them back.
pub(super) struct Undoable<K, V> {
    map: BTreeMap<K, V>,
    /// What stood there before, the latest last.
    before: Vec<(K, Option<V>)>,
}

impl<K, V> Default for Undoable<K, V> {
    fn default() -> Self {
        Self { map: BTreeMap::new(), before: Vec::new() }
    }
}

impl<K: Ord + Clone, V: Clone> Undoable<K, V> {
    pub(super) fn insert(&mut self, key: K, value: V) {
        let before = self.map.insert(key.clone(), value);
        self.before.push((key, before));
    }

    pub(super) fn remove(&mut self, key: &K) -> Option<V> {
        let before = self.map.remove(key)?;
        self.before.push((key.clone(), Some(before.clone())));
        Some(before)
    }

    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.map.get(key)
    }

    pub(super) fn contains(&self, key: &K) -> bool {
        self.map.contains_key(key)
    }

    pub(super) fn range(
        &self,
        range: impl RangeBounds<K>,
    ) -> impl DoubleEndedIterator<Item = (&K, &V)> {
        self.map.range(range)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.map.iter()
    }

    pub(super) fn len(&self) -> usize {
        self.map.len()
    }

    pub(super) fn keep(&mut self) {
        self.before.clear();
        // A transaction has some hundred changes; the first load of a file has millions.
        self.before.shrink_to(KEPT);
    }

    pub(super) fn undo(&mut self) {
        while let Some((key, before)) = self.before.pop() {
            match before {
                Some(value) => self.map.insert(key, value),
                None => self.map.remove(&key),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_kept_can_be_taken_back() {
        let mut map = Undoable::default();
        map.insert(1, "a");
        map.insert(2, "b");
        map.keep();
        map.insert(1, "c");
        map.remove(&2);
        map.insert(3, "d");
        map.insert(3, "e");
        map.undo();
        assert_eq!(map.iter().collect::<Vec<_>>(), [(&1, &"a"), (&2, &"b")]);
    }
}
