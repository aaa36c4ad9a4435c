//! Measures the storage engine against raw SQLite in one run: `cargo run --release -p tests --bin bench-storage`.
//!
//! Both sides do the plain operation on the same rows with the same pragmas, interleaved, five times; printed are the medians of
//! CPU time (of the process's thread, user and system), their spread, and the ratio next to its floor.
#![expect(clippy::print_stdout, reason = "a report for a person")]

use std::path::Path;

use anyhow::{Context, Result};
use rusqlite::{Connection, params};
use rustix::time::{ClockId, clock_gettime};
use storage::change::changeset::Changeset;
use storage::change::ids::{DbVersion, Timestamp};
use storage::engine::{Engine, EngineOptions};
use tests::rng::Rng;

const ROWS: i64 = 100_000;
const SINGLE: i64 = 20_000;
const SCATTERED: i64 = 50_000;
const LARGE: i64 = 1_000_000;
const ROUNDS: usize = 5;
const CREATE: &str = "CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, a TEXT, b INT, c INT)";
const INSERT: &str = "INSERT INTO t (id, a, b, c) VALUES (?1, ?2, ?3, ?4)";

fn main() -> Result<()> {
    let mut report = Report::default();
    for round in 0..ROUNDS {
        let directory = tempfile::tempdir()?;
        local(directory.path(), &mut report)?;
        single_rows(directory.path(), &mut report)?;
        merges(directory.path(), &mut report)?;
        if round < 3 {
            scattered(directory.path(), &mut report)?;
        }
    }
    sizes(&mut report)?;
    report.print();
    Ok(())
}

/// Insert, update and delete of all rows, each in one transaction.
fn local(directory: &Path, report: &mut Report) -> Result<()> {
    let mut raw = raw(directory, "local-raw.db")?;
    let mut engine = engine(directory, "local.db")?;
    let insert = |conn: &Connection| fill(conn, 0, ROWS);
    let update = |conn: &Connection| Ok(conn.execute_batch("UPDATE t SET b = b + 1")?);
    let delete = |conn: &Connection| Ok(conn.execute_batch("DELETE FROM t WHERE id > 0")?);
    let base = report.pair("insert, one transaction", 2.5, &mut raw, &mut engine, insert)?;
    report.base_insert.push(base);
    report.pair("one-column update of every row", 8.0, &mut raw, &mut engine, update)?;
    report.pair("delete of every row", f64::NAN, &mut raw, &mut engine, delete)?;
    Ok(())
}

/// One transaction a row, as the write-ahead log of a busy node sees them.
fn single_rows(directory: &Path, report: &mut Report) -> Result<()> {
    let raw = raw(directory, "single-raw.db")?;
    let mut engine = engine(directory, "single.db")?;
    let mut keys: Vec<i64> = (0..SINGLE).collect();
    Rng::new(7).shuffle(&mut keys);
    let by_raw = cpu(|| keys.iter().try_for_each(|key| raw_transaction(&raw, INSERT, *key, *key)))?;
    let by_engine = cpu(|| keys.iter().try_for_each(|key| engine_transaction(&mut engine, INSERT, *key, *key)))?;
    report.add("single-row insert transactions", 2.5, by_raw, by_engine);

    raw_batch(&raw, |conn| fill(conn, SINGLE, ROWS))?;
    engine_batch(&mut engine, |conn| fill(conn, SINGLE, ROWS))?;
    let update = "UPDATE t SET a = ?2, b = ?3, c = ?4 WHERE id = ?1";
    let mut rng = Rng::new(8);
    let keys: Vec<i64> = (0..SINGLE).map(|_| rng.below(ROWS as u64) as i64).collect();
    // Negative and another each time: a row that keeps its values is no change, and costs the engine next to nothing.
    let updates: Vec<(i64, i64)> = keys.into_iter().zip((1..).map(|n: i64| -n)).collect();
    let by_raw = cpu(|| updates.iter().try_for_each(|(key, value)| raw_transaction(&raw, update, *key, *value)))?;
    let by_engine =
        cpu(|| updates.iter().try_for_each(|(key, value)| engine_transaction(&mut engine, update, *key, *value)))?;
    report.add("single-row random update transactions", 3.0, by_raw, by_engine);
    Ok(())
}

/// The rows as changes of another site: into an empty database, the same versions again, the same cells in unknown versions.
fn merges(directory: &Path, report: &mut Report) -> Result<()> {
    let mut engine = engine(directory, "merge.db")?;
    let base = *report.base_insert.last().context("the local insert comes first")?;
    let changes = [changeset(directory, "merge-source.db", &(0..ROWS).collect::<Vec<_>>())?];
    let merged = cpu(|| apply(&mut engine, &changes))?;
    report.add("merge of 300k changes into an empty database", 2.5, base, merged);
    let again = cpu(|| apply(&mut engine, &changes))?;
    report.add("merge of known versions again", 0.05, base, again);
    // The same cells once more, to a node whose ledger has forgotten the version.
    engine.connection().execute_batch("DELETE FROM crsql_known")?;
    engine.close()?;
    let mut engine = reopen(directory, "merge.db")?;
    let known = cpu(|| apply(&mut engine, &changes))?;
    report.add("merge of known cells in unknown versions", 1.0, base, known);
    Ok(())
}

/// New rows between a million others: raw inserts against a merge.
fn scattered(directory: &Path, report: &mut Report) -> Result<()> {
    let raw = raw(directory, "scattered-raw.db")?;
    let mut engine = engine(directory, "scattered.db")?;
    let spread = "WITH RECURSIVE n(i) AS (VALUES (0) UNION ALL SELECT i + 1 FROM n WHERE i + 1 < 1000000) \
                  INSERT INTO t (id, a, b, c) SELECT i * 64, 'row number ' || i, i, i * 3 FROM n";
    raw_batch(&raw, |conn| Ok(conn.execute_batch(spread)?))?;
    engine_batch(&mut engine, |conn| Ok(conn.execute_batch(spread)?))?;
    let mut rng = Rng::new(9);
    let mut keys: Vec<i64> = (0..SCATTERED).map(|_| rng.below(LARGE as u64) as i64 * 64 + 1).collect();
    keys.sort_unstable();
    keys.dedup();
    rng.shuffle(&mut keys);
    let changes = [changeset(directory, "scattered-source.db", &keys)?];
    let by_raw = cpu(|| raw_batch(&raw, |conn| insert_all(conn, &keys)))?;
    let merged = cpu(|| apply(&mut engine, &changes))?;
    report.add("merge scattered into 1,000,000 rows", 3.5, by_raw, merged);
    Ok(())
}

/// Bytes of metadata a row, counted in pages.
fn sizes(report: &mut Report) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let mut bulk = engine(directory.path(), "bulk.db")?;
    engine_batch(&mut bulk, |conn| fill(conn, 0, ROWS))?;
    report.size("metadata and log, bytes a row, bulk insert", 25.0, metadata_bytes(&bulk)? / ROWS as f64);
    engine_batch(&mut bulk, |conn| Ok(conn.execute_batch("DELETE FROM t WHERE id >= 0")?))?;
    bulk.connection().execute_batch("VACUUM")?;
    report.size("tombstone, bytes", 20.0, bytes_of(&bulk, "t__crsql_rows")? / ROWS as f64);

    let mut single = engine(directory.path(), "single.db")?;
    for key in 0..ROWS {
        engine_transaction(&mut single, INSERT, key, key)?;
    }
    report.size("metadata and log, bytes a row, single-row transactions", 45.0, metadata_bytes(&single)? / ROWS as f64);
    compaction(&mut single, report)
}

/// Every row written once more in a transaction of its own, and the log swept after that.
fn compaction(engine: &mut Engine, report: &mut Report) -> Result<()> {
    let update = "UPDATE t SET a = ?2, b = ?3, c = ?4 WHERE id = ?1";
    let writing = cpu(|| (0..ROWS).try_for_each(|key| engine_transaction(engine, update, key, -1 - key)))?;
    report.size("  the same after one update of each row", f64::NAN, metadata_bytes(engine)? / ROWS as f64);
    let (mut sweeping, mut longest, mut finished) = (0.0, 0.0, false);
    while !finished {
        let step = cpu(|| {
            finished = engine.compact()?.finished;
            Ok(())
        })?;
        sweeping += step;
        longest = step.max(longest);
    }
    report.size("  and after the log was compacted", 45.0, metadata_bytes(engine)? / ROWS as f64);
    report.size("compaction, share of those updates' CPU time in percent", f64::NAN, sweeping / writing * 100.0);
    report.size("compaction, longest step in microseconds", f64::NAN, longest * 1e6);
    Ok(())
}

fn raw(directory: &Path, name: &str) -> Result<Connection> {
    let conn = Connection::open(directory.join(name))?;
    conn.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -65536;")?;
    conn.execute_batch(CREATE)?;
    Ok(conn)
}

fn reopen(directory: &Path, name: &str) -> Result<Engine> {
    Ok(Engine::open(&directory.join(name), &EngineOptions::default())?)
}

fn engine(directory: &Path, name: &str) -> Result<Engine> {
    let mut engine = reopen(directory, name)?;
    engine.begin()?;
    engine.connection().execute_batch(CREATE)?;
    engine.begin_version(Timestamp(1))?;
    engine.as_crr("t")?;
    engine.end_version()?;
    engine.commit()?;
    Ok(engine)
}

fn fill(conn: &Connection, from: i64, to: i64) -> Result<()> {
    insert_all(conn, &(from..to).collect::<Vec<_>>())
}

fn insert_all(conn: &Connection, keys: &[i64]) -> Result<()> {
    let mut statement = conn.prepare_cached(INSERT)?;
    for key in keys {
        statement.execute(params![key, text(*key), key, key * 3])?;
    }
    Ok(())
}

fn text(key: i64) -> String {
    format!("row number {key}")
}

fn raw_batch(conn: &Connection, work: impl FnOnce(&Connection) -> Result<()>) -> Result<()> {
    conn.execute_batch("BEGIN IMMEDIATE")?;
    work(conn)?;
    Ok(conn.execute_batch("COMMIT")?)
}

fn engine_batch(engine: &mut Engine, work: impl FnOnce(&Connection) -> Result<()>) -> Result<()> {
    engine.begin()?;
    engine.begin_version(Timestamp(2))?;
    work(engine.connection())?;
    engine.end_version()?;
    Ok(engine.commit()?)
}

/// Writes a row made of `value` under the key, in a transaction of its own.
fn raw_transaction(conn: &Connection, sql: &str, key: i64, value: i64) -> Result<()> {
    conn.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
    conn.prepare_cached(sql)?.execute(params![key, text(value), value, value * 3])?;
    conn.prepare_cached("COMMIT")?.execute([])?;
    Ok(())
}

/// As [`raw_transaction`].
fn engine_transaction(engine: &mut Engine, sql: &str, key: i64, value: i64) -> Result<()> {
    engine.begin()?;
    engine.begin_version(Timestamp(3))?;
    engine.connection().prepare_cached(sql)?.execute(params![key, text(value), value, value * 3])?;
    engine.end_version()?;
    Ok(engine.commit()?)
}

fn apply(engine: &mut Engine, changes: &[Changeset]) -> Result<()> {
    engine.begin()?;
    engine.apply(changes)?;
    Ok(engine.commit()?)
}

/// What inserting those rows is on another site.
fn changeset(directory: &Path, name: &str, keys: &[i64]) -> Result<Changeset> {
    let mut source = engine(directory, name)?;
    engine_batch(&mut source, |conn| insert_all(conn, keys))?;
    source.changeset(source.site_id(), DbVersion(1))?.context("the source has made one version")
}

fn metadata_bytes(engine: &Engine) -> Result<f64> {
    let sql = "SELECT sum(pgsize) FROM dbstat WHERE name LIKE '%\\_\\_crsql\\_%' ESCAPE '\\' OR name LIKE 'crsql\\_%' ESCAPE '\\'";
    Ok(engine.connection().query_row(sql, [], |r| r.get::<_, f64>(0))?)
}

fn bytes_of(engine: &Engine, table: &str) -> Result<f64> {
    Ok(engine
        .connection()
        .query_row("SELECT sum(pgsize) FROM dbstat WHERE name = ?1", [table], |r| r.get::<_, f64>(0))?)
}

/// Seconds of CPU that `work` takes on this thread.
fn cpu(work: impl FnOnce() -> Result<()>) -> Result<f64> {
    let before = clock_gettime(ClockId::ThreadCPUTime);
    work()?;
    let after = clock_gettime(ClockId::ThreadCPUTime);
    Ok((after.tv_sec - before.tv_sec) as f64 + (after.tv_nsec - before.tv_nsec) as f64 / 1e9)
}

/// One operation.
struct Line {
    name: &'static str,
    /// Largest ratio that is good enough; NaN: none is set.
    floor: f64,
    /// Seconds of raw SQLite and of the engine in each round.
    rounds: Vec<(f64, f64)>,
}

#[derive(Default)]
struct Report {
    lines: Vec<Line>,
    sizes: Vec<(&'static str, f64, f64)>,
    base_insert: Vec<f64>,
}

impl Report {
    /// Runs the same work on both sides, each in one transaction; returns the raw side's time.
    fn pair(
        &mut self,
        name: &'static str,
        floor: f64,
        raw: &mut Connection,
        engine: &mut Engine,
        work: impl Fn(&Connection) -> Result<()>,
    ) -> Result<f64> {
        let by_raw = cpu(|| raw_batch(raw, &work))?;
        let by_engine = cpu(|| engine_batch(engine, &work))?;
        self.add(name, floor, by_raw, by_engine);
        Ok(by_raw)
    }

    fn add(&mut self, name: &'static str, floor: f64, raw: f64, engine: f64) {
        match self.lines.iter_mut().find(|line| line.name == name) {
            Some(line) => line.rounds.push((raw, engine)),
            None => self.lines.push(Line { name, floor, rounds: vec![(raw, engine)] }),
        }
    }

    fn size(&mut self, name: &'static str, limit: f64, bytes: f64) {
        self.sizes.push((name, limit, bytes));
    }

    fn print(&self) {
        println!(
            "{:<52} {:>10} {:>10} {:>7} {:>13} {:>6}",
            "CPU seconds, median", "raw", "engine", "ratio", "spread", "floor"
        );
        for Line { name, floor, rounds } in &self.lines {
            let raw = median(rounds.iter().map(|r| r.0).collect());
            let engine = median(rounds.iter().map(|r| r.1).collect());
            let ratios: Vec<f64> = rounds.iter().map(|r| r.1 / r.0).collect();
            let spread = format!("{:.2}-{:.2}", least(&ratios), most(&ratios));
            println!("{name:<52} {raw:>10.4} {engine:>10.4} {:>6.2}x {spread:>13} {floor:>5}x", median(ratios));
        }
        println!();
        for (name, limit, bytes) in &self.sizes {
            println!("{name:<58} {bytes:>7.1}   limit {limit}");
        }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn least(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

fn most(values: &[f64]) -> f64 {
    values.iter().copied().fold(0.0, f64::max)
}
