//! The table of keys: pairs of a key and an entry, in their order, some hundred to a row. Many that
//! are put in their order share rows; one by one each would cost as much as a row.

use rusqlite::{Connection, OptionalExtension as _};

use super::fault::Fault;
use super::pack::Unpack;
use crate::store::StoreError;

/// A key and an entry that has it.
pub(super) type Pair = (i64, i64);

/// Pairs of a row, at most: as many as a page has room for.
const PAIRS_MAX: usize = 480;

/// A row of `known`: all pairs from its first on, to the first of the next.
struct Run {
    /// Its number, in no order; `None`: it is new.
    id: Option<i64>,
    first: Pair,
    pairs: Vec<Pair>,
}

impl Run {
    /// The row that has this pair, or would have it.
    fn holding(conn: &Connection, (key, seq): Pair) -> Result<Option<Self>, Fault> {
        let mut select = conn.prepare_cached(
            "SELECT id, key, seq, pairs FROM known WHERE (key, seq) <= (?1, ?2) \
             ORDER BY key DESC, seq DESC LIMIT 1",
        )?;
        let found = select.query_row([key, seq], |row| {
            let bytes = row.get_ref(3)?.as_blob()?;
            Ok((row.get(0)?, (row.get(1)?, row.get(2)?), pairs(bytes)))
        });
        let Some((id, first, pairs)) = found.optional()? else { return Ok(None) };
        let pairs = pairs.ok_or_else(|| Fault::new(StoreError::Corrupt, "keys cannot be read"))?;
        Ok(Some(Self { id: Some(id), first, pairs }))
    }

    /// Where the next row begins.
    fn next(conn: &Connection, (key, seq): Pair) -> Result<Option<Pair>, Fault> {
        let mut select = conn.prepare_cached(
            "SELECT key, seq FROM known WHERE (key, seq) > (?1, ?2) ORDER BY key, seq LIMIT 1",
        )?;
        Ok(select.query_row([key, seq], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
    }

    fn write(&self, conn: &Connection) -> Result<(), Fault> {
        let mut bytes = Vec::with_capacity(16 * self.pairs.len());
        for (key, seq) in &self.pairs {
            bytes.extend_from_slice(&key.to_be_bytes());
            bytes.extend_from_slice(&seq.to_be_bytes());
        }
        if let Some(id) = self.id {
            let mut update = conn.prepare_cached("UPDATE known SET pairs = ?2 WHERE id = ?1")?;
            update.execute((id, bytes))?;
        } else {
            let mut insert =
                conn.prepare_cached("INSERT INTO known (key, seq, pairs) VALUES (?1, ?2, ?3)")?;
            insert.execute((self.first.0, self.first.1, bytes))?;
        }
        Ok(())
    }
}

/// `None`: damaged.
fn pairs(bytes: &[u8]) -> Option<Vec<Pair>> {
    let mut rest = Unpack(bytes);
    let pairs = (0..bytes.len() / 16).map(|_| Some((rest.integer()?, rest.integer()?)));
    let pairs: Vec<Pair> = pairs.collect::<Option<_>>()?;
    (rest.0.is_empty() && pairs.is_sorted()).then_some(pairs)
}

/// Puts these in, which are in their order.
pub(super) fn put(conn: &Connection, mut new: &[Pair]) -> Result<(), Fault> {
    while let Some(&least) = new.first() {
        // Before the first row is nothing: it begins where pairs begin.
        let run = Run::holding(conn, least)?;
        let mut run =
            run.unwrap_or(Run { id: None, first: (i64::MIN, i64::MIN), pairs: Vec::new() });
        let end = Run::next(conn, run.first)?;
        let count = end.map_or(new.len(), |end| new.partition_point(|pair| *pair < end));
        let (here, rest) = new.split_at(count);
        run.pairs.extend_from_slice(here);
        run.pairs.sort_unstable();
        run.pairs.dedup();
        if run.pairs.len() <= PAIRS_MAX {
            run.write(conn)?;
        } else {
            // In halves, so that each has room for as many again.
            let parts = run.pairs.chunks(PAIRS_MAX / 2).enumerate();
            for (at, part) in parts {
                let is_first = at == 0;
                let first = if is_first { run.first } else { part[0] };
                let id = run.id.filter(|_| is_first);
                Run { id, first, pairs: part.to_vec() }.write(conn)?;
            }
        }
        new = rest;
    }
    Ok(())
}

/// At most `max` entries with a key, the newest first.
pub(super) fn find(conn: &Connection, key: i64, max: usize) -> Result<Vec<i64>, Fault> {
    let mut found = Vec::new();
    let mut last = Some((key, i64::MAX));
    while let Some(run) = last.map_or(Ok(None), |last| Run::holding(conn, last))? {
        let of_key = run.pairs.iter().rev().filter(|pair| pair.0 == key).map(|pair| pair.1);
        found.extend(of_key.take(max - found.len()));
        // More of them may be in the row before.
        let goes_on = run.first.0 == key && found.len() < max;
        last = goes_on.then(|| run.first.1.checked_sub(1)).flatten().map(|seq| (key, seq));
    }
    Ok(found)
}

/// Takes one out, if it is there.
pub(super) fn remove(conn: &Connection, pair: Pair) -> Result<(), Fault> {
    let Some(mut run) = Run::holding(conn, pair)? else { return Ok(()) };
    let Ok(at) = run.pairs.binary_search(&pair) else { return Ok(()) };
    run.pairs.remove(at);
    match run.id {
        // What would have been in it is in the row before from now on; the first of all stays.
        Some(id) if run.pairs.is_empty() && run.first != (i64::MIN, i64::MIN) => {
            conn.prepare_cached("DELETE FROM known WHERE id = ?1")?.execute([id])?;
            Ok(())
        }
        _ => run.write(conn),
    }
}

/// Every key, some hundred at a time, none after `wanted` has said no.
pub(super) fn each(
    conn: &Connection,
    mut wanted: impl FnMut(&[Pair]) -> bool,
) -> Result<bool, Fault> {
    let mut at = (i64::MIN, i64::MIN);
    loop {
        // Each by itself: no transaction holds the log.
        if let Some(run) = Run::holding(conn, at)?
            && !wanted(&run.pairs)
        {
            return Ok(false);
        }
        let Some(next) = Run::next(conn, at)? else { return Ok(true) };
        at = next;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn it_is_a_set_of_pairs() {
        let conn = Connection::open_in_memory().unwrap();
        conn.execute_batch(super::super::schema::KNOWN).unwrap();
        let mut plain = BTreeSet::new();
        let mut number = 1_u64;
        let mut next = || {
            number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (number >> 16).cast_signed()
        };
        for round in 0..60 {
            // Some keys have very many entries.
            let mut some: Vec<Pair> = (0..400)
                .map(|_| (if next() % 3 == 0 { next() % 2 } else { next() << 20 }, next() % 5000))
                .chain([(i64::MIN, i64::MIN), (i64::MAX, i64::MAX)])
                .collect();
            some.sort_unstable();
            put(&conn, &some).unwrap();
            plain.extend(some);
            for pair in plain.clone().into_iter().step_by(3 + round % 5) {
                remove(&conn, pair).unwrap();
                remove(&conn, (pair.0, pair.1.wrapping_add(1_000_000))).unwrap();
                plain.remove(&pair);
            }
            let mut all = Vec::new();
            assert!(
                each(&conn, |pairs| {
                    all.extend_from_slice(pairs);
                    true
                })
                .unwrap()
            );
            assert_eq!(all, plain.iter().copied().collect::<Vec<_>>(), "round {round}");
            let some_key = plain.iter().nth(plain.len() / 2).map_or(0, |pair| pair.0);
            for key in [0, 1, 2, i64::MIN, i64::MAX, some_key] {
                let of: Vec<i64> =
                    plain.range((key, i64::MIN)..=(key, i64::MAX)).rev().map(|p| p.1).collect();
                assert_eq!(find(&conn, key, usize::MAX).unwrap(), of);
                assert_eq!(find(&conn, key, 100).unwrap(), of[..of.len().min(100)]);
            }
        }
        assert!(plain.len() > 3 * PAIRS_MAX, "{}", plain.len());
        assert!(!each(&conn, |_| false).unwrap());
    }
}
