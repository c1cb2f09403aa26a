//! New entries of a transaction and their messages, until their sheet is full or somebody must see
//! them.

use rusqlite::Connection;

use super::facts::{self, Birth};
use super::fault::Fault;
use super::pack;
use super::sheet::{Sheet, Table, bit};

/// Bytes of the messages of a sheet, at which it is full: what is read to send one of them.
const BYTES_MAX: usize = 64 << 10;

/// Room that is kept for the next sheet.
const KEPT_MAX: usize = 4 * BYTES_MAX;

/// What is not written yet. Nothing is where no entry is there.
pub(super) struct Fresh {
    entries: Sheet,
    /// Of the same entries.
    messages: Vec<u8>,
}

impl Default for Fresh {
    fn default() -> Self {
        let parts = Vec::with_capacity(BYTES_MAX / 4);
        let entries = Sheet { first: 0, there: 0, parts };
        Self { entries, messages: Vec::with_capacity(2 * BYTES_MAX) }
    }
}

impl Fresh {
    /// Whether the next entry may have no place.
    pub(super) fn is_full(&self) -> bool {
        self.entries.there == u32::MAX || self.messages.len() >= BYTES_MAX
    }

    /// Numbers come one after another.
    pub(super) fn add(&mut self, seq: i64, facts: &[u8], birth: &Birth, message: &[u8]) {
        let Self { entries, messages } = self;
        if entries.there == 0 {
            entries.first = seq;
        }
        entries.there |= bit(entries.first, seq).expect("it is written when it is full");
        facts::put(&mut entries.parts, seq, facts, birth);
        pack::put(messages, message);
    }

    /// Whether an entry is among these: their numbers are the highest.
    pub(super) fn may_hold(&self, seq: i64) -> bool {
        self.entries.there != 0 && self.entries.first <= seq
    }

    /// Writes all of it; which sheet that was, and whose parts are there.
    pub(super) fn write(&mut self, conn: &Connection) -> Result<Option<(i64, u32)>, Fault> {
        let Sheet { first, there, .. } = self.entries;
        if there == 0 {
            return Ok(None);
        }
        self.entries.write(conn, Table::Entries)?;
        let messages = Sheet { first, there, parts: std::mem::take(&mut self.messages) };
        messages.write(conn, Table::Messages)?;
        self.messages = messages.parts;
        self.forget();
        Ok(Some((first, there)))
    }

    pub(super) fn forget(&mut self) {
        self.entries.there = 0;
        for parts in [&mut self.entries.parts, &mut self.messages] {
            parts.clear();
            parts.shrink_to(KEPT_MAX);
        }
    }
}
