//! The tables, and how connections to them are opened.
//!
//! `entry` is narrow, so that what changes with every delivery is small; `message` holds what is
//! sent, and only as long as it may be. Both grow at their end. `known` finds entries by the hash of
//! an id or a payment; it is filled in its own order, some time after the entries ([`super::known`]).

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::fault::Fault;
use crate::store::StoreError;

/// Version of the tables, in `user_version`.
const VERSION: i64 = 1;

/// Bytes of a page.
pub(super) const PAGE_BYTES: u32 = 8192;

const TABLES: &str = "
CREATE TABLE entry (
    seq INTEGER PRIMARY KEY,
    id ANY NOT NULL,
    content BLOB NOT NULL,
    credit BLOB,
    order_lane INTEGER,
    transaction_lane INTEGER,
    state INTEGER NOT NULL,
    flags INTEGER NOT NULL,
    status TEXT NOT NULL,
    gateway INTEGER NOT NULL,
    route INTEGER NOT NULL,
    upstream INTEGER NOT NULL,
    account TEXT,
    order_id TEXT,
    transaction_id TEXT,
    value TEXT,
    currency TEXT,
    received_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    due INTEGER,
    attempts INTEGER NOT NULL,
    why TEXT
) STRICT;
CREATE INDEX entry_open ON entry (state) WHERE state <> 3 AND state <> 5;
CREATE TABLE message (seq INTEGER PRIMARY KEY, message BLOB NOT NULL) STRICT;
CREATE TABLE known (key INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (key, seq))
    STRICT, WITHOUT ROWID;
CREATE TABLE name (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
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
            let tables = format!("BEGIN IMMEDIATE;{TABLES}PRAGMA user_version = {VERSION};COMMIT;");
            conn.execute_batch(&tables)?;
        }
        VERSION => {}
        other => {
            let text = format!("the file has version {other}, of a later program than this");
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
