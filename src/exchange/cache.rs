//! Answers that may be given again for a while. Time is an argument.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};

use super::Given;
use crate::engine::exchange::Exchange;

/// Answers that are kept.
const ENTRIES_MAX: usize = 256;
/// Bytes of their bodies together. A body that is longer is not kept.
const BYTES_MAX: usize = 4 * 1024 * 1024;

/// How long an answer that was asked for anew does for those who want it anew.
const RENEWAL_REST: Duration = Duration::from_secs(10);

/// On what terms an answer is kept.
#[derive(Clone, Copy)]
pub(super) struct Keep {
    pub(super) seconds: u32,
    /// What was kept before it had not done.
    pub(super) renewed: bool,
}

/// Stands for everything that makes two questions equal.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub(super) struct Key([u8; 32]);

impl Key {
    pub(super) fn new(gateway: &str, exchange: &Exchange) -> Self {
        // Its name in the rule and the terms of keeping it make no other question of it.
        let Exchange { name: _, method, url, headers, body, cache_seconds: _, refresh: _ } =
            exchange;
        let mut hash = Sha256::new();
        // With its length before each part, none can flow into the next.
        let mut part = |part: &[u8]| {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        };
        part(gateway.as_bytes());
        part(method.as_bytes());
        part(url.as_bytes());
        part(body);
        for (name, value) in headers {
            part(name.as_bytes());
            part(value.as_bytes());
        }
        Self(hash.finalize().into())
    }
}

/// What is kept.
#[derive(Default)]
pub(super) struct Cache {
    entries: HashMap<Key, Entry>,
    bytes: usize,
}

struct Entry {
    given: Given,
    until: Instant,
    /// When it was asked for anew, because what was kept had not done.
    renewed: Option<Instant>,
}

impl Cache {
    /// The answer to an equal question, if it is not too old.
    pub(super) fn get(&self, key: Key, now: Instant) -> Option<Given> {
        let entry = self.entries.get(&key)?;
        (now < entry.until).then(|| entry.given.clone())
    }

    /// The same, if it has been asked for anew a moment ago: asking once more would say the same,
    /// and whoever can make us ask anew (a token that names a key which does not exist) must not
    /// make us ask as often as he likes.
    pub(super) fn renewed(&self, key: Key, now: Instant) -> Option<Given> {
        let entry = self.entries.get(&key)?;
        let recent = entry.renewed.is_some_and(|at| now.duration_since(at) < RENEWAL_REST);
        (recent && now < entry.until).then(|| entry.given.clone())
    }

    /// Keeps an answer instead of the one that was kept so far. `asked`: from when on its age is
    /// counted. Makes room by what ends first.
    pub(super) fn put(&mut self, key: Key, given: Given, asked: Instant, keep: Keep) {
        let Keep { seconds, renewed } = keep;
        self.remove(key);
        if given.body.len() > BYTES_MAX || seconds == 0 {
            return;
        }
        while self.entries.len() >= ENTRIES_MAX || self.bytes + given.body.len() > BYTES_MAX {
            let first = self.entries.iter().min_by_key(|(_, entry)| entry.until);
            let Some(first) = first.map(|(key, _)| *key) else { return };
            self.remove(first);
        }
        self.bytes += given.body.len();
        let until = asked + Duration::from_secs(seconds.into());
        let renewed = renewed.then_some(asked);
        self.entries.insert(key, Entry { given, until, renewed });
    }

    fn remove(&mut self, key: Key) {
        if let Some(entry) = self.entries.remove(&key) {
            self.bytes -= entry.given.body.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn given(body: &[u8]) -> Given {
        Given { status: 200, body: body.into() }
    }

    fn keep(seconds: u32) -> Keep {
        Keep { seconds, renewed: false }
    }

    fn key(n: usize) -> Key {
        Key(std::array::from_fn(|index| n.to_be_bytes().get(index).copied().unwrap_or_default()))
    }

    fn exchange() -> Exchange {
        Exchange {
            name: "token".into(),
            method: "POST",
            url: Zeroizing::new("https://a/b".into()),
            headers: vec![("x", Zeroizing::new("yz".into())), ("w", Zeroizing::new("v".into()))],
            body: Zeroizing::new(b"body".to_vec()),
            cache_seconds: Some(1),
            refresh: false,
        }
    }

    #[test]
    fn an_answer_is_kept_for_its_time() {
        let (mut cache, start) = (Cache::default(), Instant::now());
        cache.put(key(1), given(b"one"), start, keep(60));
        let body = |now| cache.get(key(1), now).map(|given| given.body.to_vec());
        assert_eq!(body(start + 59 * SECOND), Some(b"one".to_vec()));
        assert_eq!(body(start + 60 * SECOND), None);
        assert!(cache.get(key(2), start).is_none());
        cache.put(key(1), given(b"two"), start + 59 * SECOND, keep(60));
        let later = cache.get(key(1), start + 118 * SECOND);
        assert_eq!(later.map(|given| given.body.to_vec()), Some(b"two".to_vec()));
        assert_eq!((cache.entries.len(), cache.bytes), (1, 3));
    }

    #[test]
    fn what_may_be_kept_for_no_time_is_not_kept() {
        let (mut cache, start) = (Cache::default(), Instant::now());
        cache.put(key(1), given(b"one"), start, keep(60));
        cache.put(key(1), given(b"two"), start, keep(0));
        assert_eq!((cache.entries.len(), cache.bytes), (0, 0));
    }

    #[test]
    fn of_too_many_answers_those_go_that_end_first() {
        let (mut cache, start) = (Cache::default(), Instant::now());
        for n in 0..=ENTRIES_MAX {
            let seconds = if n == 7 { 1 } else { 60 };
            cache.put(key(n), given(b"x"), start, keep(seconds));
        }
        assert_eq!((cache.entries.len(), cache.bytes), (ENTRIES_MAX, ENTRIES_MAX));
        assert!(cache.get(key(7), start).is_none());
        assert!(cache.get(key(0), start).is_some());
    }

    #[test]
    fn of_too_many_bytes_those_go_that_end_first() {
        let (mut cache, start) = (Cache::default(), Instant::now());
        let half = vec![0; BYTES_MAX / 2];
        cache.put(key(1), given(&half), start, keep(60));
        cache.put(key(2), given(&half), start, keep(50));
        assert!(cache.get(key(1), start).is_some() && cache.get(key(2), start).is_some());
        cache.put(key(3), given(b"x"), start, keep(70));
        assert!(cache.get(key(1), start).is_some() && cache.get(key(3), start).is_some());
        assert!(cache.get(key(2), start).is_none());
        cache.put(key(4), given(&vec![0; BYTES_MAX + 1]), start, keep(60));
        assert!(cache.get(key(4), start).is_none());
        assert_eq!((cache.entries.len(), cache.bytes), (2, BYTES_MAX / 2 + 1));
    }

    #[test]
    fn questions_are_equal_where_everything_that_is_sent_is_equal() {
        type Change = fn(&mut Exchange);
        let text = |text: &str| Zeroizing::new(text.to_owned());
        let changed = |change: Change| {
            let mut exchange = exchange();
            change(&mut exchange);
            Key::new("acme", &exchange)
        };
        let key = Key::new("acme", &exchange());
        let same: [Change; 3] =
            [|e| e.name = "other".into(), |e| e.cache_seconds = None, |e| e.refresh = true];
        assert!(same.into_iter().all(|change| changed(change) == key));
        let other: [Change; 8] = [
            |e| e.method = "GET",
            |e| e.url.push('c'),
            |e| e.body.push(0),
            |e| e.headers.clear(),
            |e| e.headers.reverse(),
            |e| e.headers[0].0 = "X",
            |e| e.headers[0].1.push('z'),
            |e| e.body.clear(),
        ];
        assert!(other.into_iter().all(|change| changed(change) != key));
        assert!(Key::new("acne", &exchange()) != key);
        let mut moved = exchange();
        moved.headers[0] = ("xy", text("z"));
        assert!(Key::new("acme", &moved) != key);
    }

    #[test]
    fn what_was_asked_for_anew_does_for_a_while_for_those_who_want_it_anew() {
        let (mut cache, start) = (Cache::default(), Instant::now());
        cache.put(key(1), given(b"old"), start, keep(60));
        assert!(cache.renewed(key(1), start).is_none());
        cache.put(key(1), given(b"new"), start, Keep { seconds: 60, renewed: true });
        let at = |seconds: u32| cache.renewed(key(1), start + seconds * SECOND).is_some();
        assert_eq!([at(0), at(9), at(10)], [true, true, false]);
    }
}
