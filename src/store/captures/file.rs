//! The file: what stands in it, and every statement.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rusqlite::types::{FromSqlError, ToSql};
use rusqlite::{
    Connection, ErrorCode, MAIN_DB, OpenFlags, OptionalExtension as _, Row as Found,
    TransactionBehavior, ffi, params,
};

use super::{Filter, Listed, Said, Summary, Totals};
use crate::engine::event::{Amount, Status};
use crate::engine::inbound::UnixSeconds;
use crate::store::captures::queue::Step;
use crate::store::{ROWS_MAX, StoreError};

/// Number of the schema below.
const VERSION: i64 = 1;
/// What listings show stands apart from the requests, so that a search reads little. Triggers
/// keep the count: nothing is counted when the file is opened.
const SCHEMA: &str = "
    CREATE TABLE capture (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        at INTEGER NOT NULL, route TEXT NOT NULL, gateway TEXT NOT NULL, outcome TEXT NOT NULL,
        reason TEXT NOT NULL, place TEXT NOT NULL, answered INTEGER NOT NULL, rule TEXT NOT NULL,
        keys TEXT NOT NULL, peer TEXT NOT NULL, bytes INTEGER NOT NULL, masked INTEGER NOT NULL,
        event TEXT, status TEXT, credit INTEGER, order_id TEXT, transaction_id TEXT,
        amount TEXT, currency TEXT
    ) STRICT;
    CREATE INDEX capture_at ON capture (at);
    CREATE INDEX capture_order ON capture (order_id) WHERE order_id IS NOT NULL;
    CREATE INDEX capture_transaction ON capture (transaction_id) WHERE transaction_id IS NOT NULL;
    CREATE TABLE inbound (id INTEGER PRIMARY KEY, sealed BLOB NOT NULL) STRICT;
    CREATE TABLE kept (captures INTEGER NOT NULL) STRICT;
    INSERT INTO kept VALUES (0);
    CREATE TRIGGER came AFTER INSERT ON capture BEGIN
        UPDATE kept SET captures = captures + 1;
    END;
    CREATE TRIGGER went AFTER DELETE ON capture BEGIN
        DELETE FROM inbound WHERE id = old.id;
        UPDATE kept SET captures = captures - 1;
    END;
    PRAGMA user_version = 1;
";
const COLUMNS: &str = "id, at, route, gateway, outcome, reason, place, answered, rule, keys, peer, \
    bytes, masked, event, status, credit, order_id, transaction_id, amount, currency";

const PAGE_BYTES: u64 = 4096;
/// Rows that go in one transaction, and pages that they free.
const STEP_ROWS: u64 = 4096;
const STEP_PAGES: u64 = 4096;
/// Rows that go in one statement.
const DELETED_AT_ONCE: u64 = 16;
/// Free pages that stay in the file for what comes next, and those of the others that are given
/// back to the disk at once.
const SPARE_PAGES: u64 = 2048;
const RETURNED_PAGES: u64 = 2048;
/// Bytes of the log that stay when it has been worked off.
const LOG_BYTES: u64 = 4 * 1024 * 1024;

/// A capture as it is written.
pub(super) struct Row {
    pub(super) summary: Summary,
    pub(super) masked: bool,
    pub(super) sealed: Vec<u8>,
}

/// The right to write to a file; another process would set aside under our feet what it takes for
/// damaged.
pub(super) struct Lock {
    /// Locked until it is closed.
    _file: fs::File,
}

impl Lock {
    pub(super) fn take(path: &Path) -> Result<Self, StoreError> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(beside(path, ".lock")).map_err(|error| match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => StoreError::Full,
            _ => StoreError::Disk,
        })?;
        file.try_lock().map_err(|_| StoreError::Closed)?;
        Ok(Self { _file: file })
    }
}

/// The file, open to write.
pub(super) struct File {
    path: PathBuf,
    open: Connection,
}

impl File {
    pub(super) fn open(path: &Path) -> rusqlite::Result<Self> {
        // For nobody else's eyes, and so SQLite makes what stands beside it. If that fails, opening
        // does too, and says why.
        drop(OpenOptions::new().write(true).create_new(true).mode(0o600).open(path));
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut open = Connection::open_with_flags(path, flags)?;
        // Nothing has been read yet, so this is what the disk says, not the file.
        if open.is_readonly(MAIN_DB)? {
            return Err(rusqlite::Error::SqliteFailure(
                ffi::Error::new(ffi::SQLITE_CANTOPEN),
                None,
            ));
        }
        open.pragma_update(None, "cell_size_check", true)?;
        open.pragma_update(None, "trusted_schema", false)?;
        if version(&open)? == 0 {
            // In this order: both are settled when the first page is written.
            open.pragma_update(None, "page_size", PAGE_BYTES.cast_signed())?;
            open.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        }
        open.pragma_update(None, "journal_mode", "WAL")?;
        open.pragma_update(None, "synchronous", "NORMAL")?;
        open.pragma_update(None, "journal_size_limit", LOG_BYTES.cast_signed())?;
        let transaction = open.transaction_with_behavior(TransactionBehavior::Immediate)?;
        match version(&transaction)? {
            0 => transaction.execute_batch(SCHEMA)?,
            VERSION => {}
            // Not ours, or of a later version: nothing that we could go on with.
            _ => return Err(FromSqlError::InvalidType.into()),
        }
        transaction.commit()?;
        Ok(Self { path: path.to_owned(), open })
    }

    #[cfg(test)]
    pub(super) fn stop_growing(&self) {
        let set = self.open.pragma(None, "max_page_count", 1, |_| Ok(()));
        assert_eq!(set, Ok(()));
    }

    /// Without rows, tries whether the disk takes anything.
    pub(super) fn write(&mut self, rows: &[Row], bytes_max: u64) -> rusqlite::Result<()> {
        let transaction = self.open.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if rows.is_empty() {
            transaction.execute("UPDATE kept SET captures = captures", [])?;
        }
        for row in rows {
            insert(&transaction, row)?;
        }
        make_room(&transaction, bytes_max)?;
        transaction.commit()
    }

    /// Forgets what came before `before`, and the oldest above `bytes_max`.
    pub(super) fn prune(&mut self, before: UnixSeconds, bytes_max: u64) -> rusqlite::Result<Step> {
        let transaction = self.open.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let old = "DELETE FROM capture WHERE id IN
            (SELECT id FROM capture WHERE at < ?1 ORDER BY at LIMIT ?2)";
        let old = forget(&transaction, old, before, 0)?;
        let over = make_room(&transaction, bytes_max)?;
        transaction.commit()?;
        let free = pages(&self.open, "freelist_count")?;
        let returned = free.saturating_sub(SPARE_PAGES).min(RETURNED_PAGES);
        if returned > 0 {
            let pages = returned.cast_signed();
            self.open.pragma(None, "incremental_vacuum", pages, |_| Ok(()))?;
        }
        let more = old.more || over.more || returned > 0;
        Ok(Step { gone: old.gone + over.gone, more })
    }

    pub(super) fn totals(&self) -> rusqlite::Result<Totals> {
        let one = |sql| self.open.prepare_cached(sql);
        let count: i64 = one("SELECT captures FROM kept")?.query_row([], |row| row.get(0))?;
        let oldest = one("SELECT min(at) FROM capture")?.query_row([], |row| row.get(0))?;
        let log = fs::metadata(beside(&self.path, "-wal")).map_or(0, |log| log.len());
        let bytes = pages(&self.open, "page_count")? * PAGE_BYTES + log;
        Ok(Totals { count: count.try_into().unwrap_or_default(), bytes, oldest, lost: 0 })
    }
}

/// Opens the file to read it.
pub(super) fn open_to_read(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = Connection::open_with_flags(path, flags)?;
    open.pragma_update(None, "cell_size_check", true)?;
    open.pragma_update(None, "trusted_schema", false)?;
    Ok(open)
}

/// Moves the file away, with what stands beside it.
pub(super) fn set_aside(path: &Path) -> std::io::Result<()> {
    let mut written = fs::metadata(path)?.mtime();
    let name = |time: i64| beside(path, &format!(".corrupt-{time}"));
    let mut aside = name(written);
    while aside.exists() {
        written += 1;
        aside = name(written);
    }
    fs::rename(path, &aside)?;
    // The log belongs to it, the index of the log is made anew. Neither need be there.
    drop(fs::rename(beside(path, "-wal"), beside(&aside, "-wal")));
    drop(fs::remove_file(beside(path, "-shm")));
    Ok(())
}

/// What an error of `SQLite` means. What has no place in a sound file is damage.
pub(super) fn why(error: &rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::Full,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Closed,
        None
        | Some(
            ErrorCode::DatabaseCorrupt
            | ErrorCode::NotADatabase
            | ErrorCode::ConstraintViolation
            | ErrorCode::TypeMismatch
            | ErrorCode::TooBig
            | ErrorCode::InternalMalfunction
            // The disk lets us write, see [`File::open`]: the head of the file says this.
            | ErrorCode::ReadOnly
            | ErrorCode::Unknown,
        ) => StoreError::Corrupt,
        Some(_) => StoreError::Disk,
    }
}

pub(super) fn list(
    file: &Connection,
    filter: &Filter,
    before: Option<i64>,
    max: usize,
) -> rusqlite::Result<Vec<Listed>> {
    let Filter { gateway, route, outcome, reason, status, payment, since, until } = filter;
    let status = status.map(Status::as_str);
    let max = i64::try_from(max.min(ROWS_MAX)).unwrap_or_default();
    // `+`: in the order of numbers, not of an index.
    let conditions: [(&str, Option<&dyn ToSql>); 9] = [
        ("id < ?", before.as_ref().map(|value| value as _)),
        ("gateway = ?", gateway.as_ref().map(|value| value as _)),
        ("route = ?", route.as_ref().map(|value| value as _)),
        ("outcome = ?", outcome.as_ref().map(|value| value as _)),
        ("reason = ?", reason.as_ref().map(|value| value as _)),
        ("status = ?", status.as_ref().map(|value| value as _)),
        ("(order_id = ? OR transaction_id = ?)", payment.as_ref().map(|value| value as _)),
        ("+at >= ?", since.as_ref().map(|value| value as _)),
        ("+at < ?", until.as_ref().map(|value| value as _)),
    ];
    let mut sql = format!("SELECT {COLUMNS} FROM capture WHERE 1");
    let mut values: Vec<&dyn ToSql> = Vec::new();
    for (condition, value) in conditions {
        if let Some(value) = value {
            values.push(value);
            sql.extend([" AND ", &condition.replace('?', &format!("?{}", values.len()))]);
        }
    }
    sql.push_str(" ORDER BY id DESC LIMIT ?");
    values.push(&max);
    let mut statement = file.prepare_cached(&sql)?;
    statement.query_map(&values[..], listed)?.collect()
}

pub(super) fn get(file: &Connection, id: i64) -> rusqlite::Result<Option<(Listed, Vec<u8>)>> {
    let sql =
        format!("SELECT {COLUMNS}, sealed FROM capture JOIN inbound USING (id) WHERE id = ?1");
    let mut statement = file.prepare_cached(&sql)?;
    statement.query_row([id], |row| Ok((listed(row)?, row.get("sealed")?))).optional()
}

fn listed(row: &Found<'_>) -> rusqlite::Result<Listed> {
    let keys: String = row.get("keys")?;
    let bytes: i64 = row.get("bytes")?;
    let summary = Summary {
        at: row.get("at")?,
        route: row.get("route")?,
        gateway: row.get("gateway")?,
        outcome: row.get("outcome")?,
        reason: row.get("reason")?,
        place: row.get("place")?,
        answered: row.get("answered")?,
        rule: row.get("rule")?,
        keys: keys.lines().map(str::to_owned).collect(),
        said: said(row)?,
        peer: row.get("peer")?,
        bytes: bytes.try_into().unwrap_or_default(),
    };
    Ok(Listed { id: row.get("id")?, summary, masked: row.get("masked")? })
}

fn said(row: &Found<'_>) -> rusqlite::Result<Option<Said>> {
    let Some(id) = row.get("event")? else { return Ok(None) };
    let status: String = row.get("status")?;
    let status = Status::from_word(&status).ok_or(FromSqlError::InvalidType)?;
    let amount: Option<String> = row.get("amount")?;
    let currency: Option<String> = row.get("currency")?;
    Ok(Some(Said {
        id,
        status,
        credit: row.get("credit")?,
        order_id: row.get("order_id")?,
        transaction_id: row.get("transaction_id")?,
        amount: amount.zip(currency).map(|(value, currency)| Amount { value, currency }),
    }))
}

fn insert(open: &Connection, row: &Row) -> rusqlite::Result<()> {
    let Row { summary, masked, sealed } = row;
    let said = summary.said.as_ref();
    let amount = said.and_then(|said| said.amount.as_ref());
    let mut statement = open.prepare_cached(
        "INSERT INTO capture (at, route, gateway, outcome, reason, place, answered, rule, keys,
             peer, bytes, masked, event, status, credit, order_id, transaction_id, amount, currency)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?;
    statement.execute(params![
        summary.at,
        summary.route,
        summary.gateway,
        summary.outcome,
        summary.reason,
        summary.place,
        summary.answered,
        summary.rule,
        summary.keys.join("\n"),
        summary.peer,
        i64::try_from(summary.bytes).unwrap_or(i64::MAX),
        masked,
        said.map(|said| &said.id),
        said.map(|said| said.status.as_str()),
        said.map(|said| said.credit),
        said.and_then(|said| said.order_id.as_ref()),
        said.and_then(|said| said.transaction_id.as_ref()),
        amount.map(|amount| &amount.value),
        amount.map(|amount| &amount.currency),
    ])?;
    let mut statement = open.prepare_cached("INSERT INTO inbound (id, sealed) VALUES (?, ?)")?;
    statement.execute(params![open.last_insert_rowid(), sealed])?;
    Ok(())
}

/// Forgets the oldest above `bytes_max`.
fn make_room(open: &Connection, bytes_max: u64) -> rusqlite::Result<Step> {
    let oldest = "DELETE FROM capture WHERE id IN (SELECT id FROM capture WHERE id > ?1 ORDER BY id LIMIT ?2)";
    forget(open, oldest, i64::MIN, bytes_max / PAGE_BYTES)
}

/// A part of what there is to forget: until at most `enough` pages are used.
fn forget(open: &Connection, sql: &str, from: i64, enough: u64) -> rusqlite::Result<Step> {
    let begun = used_pages(open)?;
    let mut gone = 0;
    loop {
        let used = used_pages(open)?;
        if used <= enough {
            return Ok(Step { gone, more: false });
        }
        if gone >= STEP_ROWS || begun.saturating_sub(used) >= STEP_PAGES {
            return Ok(Step { gone, more: true });
        }
        let mut statement = open.prepare_cached(sql)?;
        let deleted = statement.execute(params![from, DELETED_AT_ONCE.cast_signed()])? as u64;
        gone += deleted;
        if deleted < DELETED_AT_ONCE {
            return Ok(Step { gone, more: false });
        }
    }
}

fn used_pages(open: &Connection) -> rusqlite::Result<u64> {
    Ok(pages(open, "page_count")?.saturating_sub(pages(open, "freelist_count")?))
}

fn pages(open: &Connection, what: &str) -> rusqlite::Result<u64> {
    let count: i64 =
        open.prepare_cached(&format!("PRAGMA {what}"))?.query_row([], |row| row.get(0))?;
    Ok(count.try_into().unwrap_or_default())
}

fn version(open: &Connection) -> rusqlite::Result<i64> {
    open.pragma_query_value(None, "user_version", |row| row.get(0))
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}
