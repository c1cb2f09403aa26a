//! Which messages are kept. What is over is to be sent no more, and is kept no longer than others of
//! its sheet need: when nothing of that is open it is deleted, and before that whenever half of what
//! is there is over, so that it is neither written anew for each nor mostly waste.

use rusqlite::Connection;

use super::fault::Fault;
use super::sheet::{Sheet, Table, bit};
use super::undo::Undoable;

/// Of a sheet.
#[derive(Clone, Copy)]
struct Masks {
    /// What is not over.
    open: u32,
    /// Whose messages are there.
    there: u32,
}

#[derive(Default)]
pub(super) struct Kept(Undoable<i64, Masks>);

impl Kept {
    /// A sheet is there.
    pub(super) fn begin(&mut self, first: i64, open: u32, there: u32) {
        self.0.insert(first, Masks { open, there });
    }

    /// An entry is over.
    pub(super) fn close(&mut self, conn: &Connection, seq: i64) -> Result<(), Fault> {
        let Some((&first, &masks)) = self.0.range(..=seq).next_back() else { return Ok(()) };
        let Some(bit) = bit(first, seq).filter(|bit| masks.open & bit != 0) else { return Ok(()) };
        let Masks { open, there } = Masks { open: masks.open & !bit, ..masks };
        if open == 0 {
            self.0.remove(&first);
            return Sheet::delete(conn, Table::Messages, first);
        }
        let left = there & open;
        let rewrite = left != there && 2 * left.count_ones() <= there.count_ones();
        if rewrite && let Some(sheet) = Sheet::at(conn, Table::Messages, first)? {
            sheet.only(left)?.write(conn, Table::Messages)?;
        }
        let there = if rewrite { left } else { there };
        self.0.insert(first, Masks { open, there });
        Ok(())
    }

    pub(super) fn keep(&mut self) {
        self.0.keep();
    }

    pub(super) fn undo(&mut self) {
        self.0.undo();
    }
}
