//! The tables, and how connections to them are opened.
//!
//! What entries say (`sheet`) and what is sent for them (`message`) is written as it comes, some of
//! them to a row, and not touched again until it is over; what changes with every delivery is narrow
//! (`turn`). All grow at their end. A sheet of which something is not over has a row in `message`, even
//! where nothing is left in that. `known` finds entries by the hash of an id or a payment; it is
//! filled in its own order, some time after the entries ([`super::known`]).

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::fault::Fault;
use crate::store::StoreError;

/// Version of the tables, in `user_version`.
const VERSION: i64 = 2;

/// Bytes of a page.
pub(super) const PAGE_BYTES: u32 = 8 << 10;

/// The table of [`super::keys`].
pub(super) const KNOWN: &str = "
CREATE TABLE known (
    id INTEGER PRIMARY KEY,
    key INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    pairs BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX known_first ON known (key, seq);
";

const TABLES: &str = "
CREATE TABLE sheet (first INTEGER PRIMARY KEY, there INTEGER NOT NULL, parts BLOB NOT NULL) STRICT;
CREATE TABLE message (first INTEGER PRIMARY KEY, there INTEGER NOT NULL, parts BLOB NOT NULL) STRICT;
CREATE TABLE turn (
    seq INTEGER PRIMARY KEY,
    state INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    due INTEGER,
    attempts INTEGER NOT NULL,
    why TEXT
) STRICT;
CREATE TABLE act (
    number INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    by TEXT NOT NULL,
    verb TEXT NOT NULL,
    what TEXT NOT NULL,
    changed INTEGER NOT NULL
) STRICT;
CREATE TABLE progress (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    known INTEGER NOT NULL,
    newest INTEGER NOT NULL,
    touched INTEGER NOT NULL
) STRICT;
INSERT INTO progress VALUES (1, 0, 0, 0);
";

/// The connection that writes. Makes the tables if the file is new.
pub(super) fn writer(path: &Path, bytes_max: u64) -> Result<Connection, Fault> {
    let conn = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    // A reader holds the log for moments only.
    conn.busy_timeout(Duration::from_secs(1))?;
    conn.set_prepared_statement_cache_capacity(64);
    // Else a statement is prepared anew whenever it is given another key.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    conn.pragma_update(None, "page_size", PAGE_BYTES)?;
    conn.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    let mode: String =
        conn.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if mode != "wal" {
        return Err(Fault::new(StoreError::Disk, format!("journal mode {mode} instead of wal")));
    }
    // What FULL would do in each commit, a thread does that the commits need not wait for.
    conn.pragma_update(None, "synchronous", "NORMAL")?;
    // The log is checkpointed by a thread of its own, off the way of commits.
    conn.pragma_update(None, "wal_autocheckpoint", 0)?;
    conn.pragma_update(None, "journal_size_limit", 128 << 20)?;
    conn.pragma_update(None, "cache_size", -(32 << 10))?;
    conn.pragma_update(None, "cell_size_check", true)?;
    conn.pragma_update(None, "temp_store", "MEMORY")?;
    let version: i64 = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
    match version {
        0 => {
            let tables =
                format!("BEGIN IMMEDIATE;{KNOWN}{TABLES}PRAGMA user_version = {VERSION};COMMIT;");
            conn.execute_batch(&tables)?;
        }
        VERSION => {}
        other => {
            let text = format!(
                "it has form {other}, and this program reads form {VERSION}: deliver what waits with \
                 the program that wrote it, then remove the file"
            );
            return Err(Fault::new(StoreError::Disk, text));
        }
    }
    let page: u32 = conn.pragma_query_value(None, "page_size", |row| row.get(0))?;
    let pages = u32::try_from(bytes_max / u64::from(page)).unwrap_or(u32::MAX - 1).max(64);
    conn.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?;
    Ok(conn)
}

/// A connection that only reads.
pub(super) fn reader(path: &Path) -> Result<Connection, Fault> {
    let conn = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    conn.busy_timeout(Duration::from_secs(1))?;
    conn.pragma_update(None, "query_only", true)?;
    conn.pragma_update(None, "cell_size_check", true)?;
    conn.pragma_update(None, "cache_size", -(4 << 10))?;
    // The last to leave would write the log into the file: that is the writer's.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    Ok(conn)
}
