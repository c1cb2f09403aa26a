//! Says of most keys that they are not in the table, without looking there: nearly every event is
//! new, and a look for what is not there costs as much as one for what is.
//!
//! A Bloom filter, of one word for each key. It is filled by a thread of its own after the file was
//! opened, and by the writer with all that it puts meanwhile; until then it says nothing. What is
//! forgotten stays in it and costs a look, no more.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use super::fault::Fault;
use super::{keys, schema};

/// Keys for each word: of sixty-four bits each sets four.
const CROWD: usize = 8;

/// Words: half a megabyte at least; at most 64, and it says less then.
const WORDS_MIN: usize = 1 << 16;
const WORDS_MAX: usize = 1 << 23;

pub(super) struct Sieve {
    words: Box<[AtomicU64]>,
    is_filled: AtomicBool,
}

impl Sieve {
    /// One with room for about as many keys again. It is filled from the file.
    pub(super) fn start(path: &Path, keys: usize) -> Arc<Self> {
        let words =
            (keys / CROWD).saturating_mul(2).clamp(WORDS_MIN, WORDS_MAX).next_power_of_two();
        let words = (0..words).map(|_| AtomicU64::new(0)).collect();
        let sieve = Arc::new(Self { words, is_filled: AtomicBool::new(false) });
        let (filled, path) = (Arc::clone(&sieve), path.to_owned());
        let work = move || {
            // What cannot be read the writer will come across by itself.
            if let Err(fault) = filled.fill(&path) {
                tracing::debug!(error = %fault.text, "known keys are looked up one by one");
            }
        };
        let thread = thread::Builder::new().name("outbox-keys".to_owned()).spawn(work);
        if let Err(error) = thread {
            tracing::warn!(%error, "known keys are looked up one by one");
        }
        sieve
    }

    /// Whether it has room for so many.
    pub(super) fn fits(&self, keys: usize) -> bool {
        self.words.len() == WORDS_MAX || keys <= CROWD * self.words.len()
    }

    pub(super) fn add(&self, key: i64) {
        let (word, bits) = self.place(key);
        word.fetch_or(bits, Ordering::Relaxed);
    }

    /// Whether the key may be in the table.
    pub(super) fn may_hold(&self, key: i64) -> bool {
        let (word, bits) = self.place(key);
        !self.is_filled.load(Ordering::Acquire) || word.load(Ordering::Relaxed) & bits == bits
    }

    /// Keys are hashes: their upper bits choose the word, their lower ones four bits of it.
    fn place(&self, key: i64) -> (&AtomicU64, u64) {
        let key = key.cast_unsigned();
        let bits =
            (0..4).map(|i| 1 << ((key >> (6 * i)) & 63)).fold(0, |bits, bit: u64| bits | bit);
        let at = usize::try_from(key >> 32).unwrap_or_default() & (self.words.len() - 1);
        (&self.words[at], bits)
    }

    /// Until whoever has let go of this.
    fn fill(self: &Arc<Self>, path: &Path) -> Result<(), Fault> {
        let conn = schema::reader(path)?;
        let is_filled = keys::each(&conn, |pairs| {
            for (key, _) in pairs {
                self.add(*key);
            }
            Arc::strong_count(self) > 1
        })?;
        self.is_filled.store(is_filled, Ordering::Release);
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn what_it_was_told_it_does_not_deny() {
        let words = (0..WORDS_MIN).map(|_| AtomicU64::new(0)).collect();
        let sieve = Sieve { words, is_filled: AtomicBool::new(true) };
        let key = |number: i64| number.wrapping_mul(0x1e37_79b9_7f4a_7c15).rotate_left(32);
        let many = i64::try_from(CROWD * WORDS_MIN).unwrap();
        (0..many).for_each(|number| sieve.add(key(number)));
        assert!((0..many).all(|number| sieve.may_hold(key(number))));
        let wrong = (many..2 * many).filter(|number| sieve.may_hold(key(*number))).count();
        assert!(wrong < CROWD * WORDS_MIN / 5, "{wrong} of {many}");
        sieve.is_filled.store(false, Ordering::Release);
        assert!(sieve.may_hold(key(-1)), "it cannot know yet");
    }
}
