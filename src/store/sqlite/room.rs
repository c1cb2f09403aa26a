//! Whether there is room for deposits. What is settled, ordered and forgotten always finds some:
//! deposits leave a part of the file to it.

use rusqlite::Connection;

use super::fault::Fault;

/// Of the file, this part is not for deposits.
const RESERVE: i64 = 16;

/// Bytes that an entry takes beside its message, generously.
const ENTRY_BYTES: i64 = 1024;

pub(super) struct Room {
    pub(super) waiting_max: u64,
    /// Bytes that deposits may still take, as far as is known without asking.
    left: i64,
}

impl Room {
    pub(super) fn new(conn: &Connection, waiting_max: u64) -> Result<Self, Fault> {
        Ok(Self { waiting_max, left: left(conn)? })
    }

    /// Looks anew: what has been delivered meanwhile has made room.
    pub(super) fn measure(&mut self, conn: &Connection) -> Result<(), Fault> {
        self.left = left(conn)?;
        Ok(())
    }

    /// Takes room for a message, if there is some.
    pub(super) fn take(&mut self, conn: &Connection, message: usize) -> Result<bool, Fault> {
        let wanted = ENTRY_BYTES.saturating_add(i64::try_from(message).unwrap_or(i64::MAX));
        if self.left < wanted {
            self.measure(conn)?;
        }
        let fits = self.left >= wanted;
        if fits {
            self.left -= wanted;
        }
        Ok(fits)
    }

    /// Whether the next deposit may find none.
    pub(super) fn is_full(&self) -> bool {
        self.left < 2 * ENTRY_BYTES
    }
}

fn left(conn: &Connection) -> Result<i64, Fault> {
    let pragma = |name| conn.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let (used, free) = (pragma("page_count")?, pragma("freelist_count")?);
    let (most, page) = (pragma("max_page_count")?, pragma("page_size")?);
    Ok((most - most / RESERVE - (used - free)).saturating_mul(page))
}
