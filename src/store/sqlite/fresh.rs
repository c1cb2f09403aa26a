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
    messages: Sheet,
}

impl Default for Fresh {
    fn default() -> Self {
        let empty = |bytes| Sheet { first: 0, there: 0, parts: Vec::with_capacity(bytes) };
        Self { entries: empty(BYTES_MAX / 4), messages: empty(2 * BYTES_MAX) }
    }
}

impl Fresh {
    /// Whether the next entry may have no place.
    pub(super) fn is_full(&self) -> bool {
        self.entries.there == u32::MAX || self.messages.parts.len() >= BYTES_MAX
    }

    /// Numbers come one after another.
    pub(super) fn add(&mut self, seq: i64, facts: &[u8], birth: &Birth, message: &[u8]) {
        let Self { entries, messages } = self;
        if entries.there == 0 {
            (entries.first, messages.first) = (seq, seq);
        }
        entries.there |= bit(entries.first, seq).expect("it is written when it is full");
        messages.there = entries.there;
        facts::put(&mut entries.parts, seq, facts, birth);
        pack::put(&mut messages.parts, message);
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
        self.messages.write(conn, Table::Messages)?;
        self.forget();
        Ok(Some((first, there)))
    }

    pub(super) fn forget(&mut self) {
        for sheet in [&mut self.entries, &mut self.messages] {
            sheet.there = 0;
            sheet.parts.clear();
            sheet.parts.shrink_to(KEPT_MAX);
        }
    }
}
