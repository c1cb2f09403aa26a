//! New entries of a transaction and their messages, until their sheet is full or somebody must see
//! them.

use rusqlite::Connection;

use super::facts::{self, Birth};
use super::fault::Fault;
use super::pack;
use super::sheet::{Sheet, Table, bit};

/// Bytes of the messages of a sheet, at which it is full: what is read to send one of them.
const BYTES_MAX: usize = 64 << 10;

/// What is not written yet.
#[derive(Default)]
pub(super) struct Fresh {
    /// `None`: nothing.
    sheet: Option<Draft>,
}

struct Draft {
    entries: Sheet,
    messages: Vec<u8>,
}

impl Fresh {
    /// Whether the next entry may have no place.
    pub(super) fn is_full(&self) -> bool {
        let is_full =
            |sheet: &Draft| sheet.entries.there == u32::MAX || sheet.messages.len() >= BYTES_MAX;
        self.sheet.as_ref().is_some_and(is_full)
    }

    /// Numbers come one after another.
    pub(super) fn add(&mut self, seq: i64, facts: &[u8], birth: &Birth, message: &[u8]) {
        let sheet = self.sheet.get_or_insert_with(|| Draft {
            entries: Sheet { first: seq, there: 0, parts: Vec::with_capacity(BYTES_MAX / 4) },
            messages: Vec::with_capacity(2 * BYTES_MAX),
        });
        sheet.entries.there |=
            bit(sheet.entries.first, seq).expect("it is written when it is full");
        facts::put(&mut sheet.entries.parts, seq, facts, birth);
        pack::put(&mut sheet.messages, message);
    }

    /// Whether an entry is among these: their numbers are the highest.
    pub(super) fn may_hold(&self, seq: i64) -> bool {
        self.sheet.as_ref().is_some_and(|sheet| sheet.entries.first <= seq)
    }

    /// Writes all of it; which sheet that was, and whose parts are there.
    pub(super) fn write(&mut self, conn: &Connection) -> Result<Option<(i64, u32)>, Fault> {
        let Some(Draft { entries, messages }) = self.sheet.take() else { return Ok(None) };
        entries.write(conn, Table::Entries)?;
        let messages = Sheet { parts: messages, ..entries };
        messages.write(conn, Table::Messages)?;
        Ok(Some((messages.first, messages.there)))
    }

    pub(super) fn forget(&mut self) {
        self.sheet = None;
    }
}
