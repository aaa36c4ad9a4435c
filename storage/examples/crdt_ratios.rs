//! Measures the engine against plain SQLite doing the same operation on the same rows with the same pragmas, interleaved, and
//! prints the ratios of CPU time: `cargo run --release -p storage --example crdt_ratios`.
#![expect(clippy::print_stdout, reason = "a command that prints figures")]

use std::path::Path;

use rusqlite::Connection;
use storage::change::ids::{DbVersion, SiteId, Timestamp};
use storage::engine::{Engine, EngineOptions};
use storage::rusqlite;

const ROWS: i64 = 100_000;
const TABLE: &str = "CREATE TABLE t (id INTEGER PRIMARY KEY NOT NULL, a TEXT, b INTEGER, c INTEGER)";
const INSERT: &str = "INSERT INTO t VALUES (?1, ?2, ?3, ?4)";

/// CPU time of this thread so far, in seconds.
fn cpu() -> f64 {
    let schedule = std::fs::read_to_string("/proc/thread-self/schedstat").expect("proc");
    let nanoseconds = schedule.split_whitespace().next().and_then(|n| n.parse::<f64>().ok());
    nanoseconds.expect("nanoseconds on the processor") / 1e9
}

fn timed(work: impl FnOnce()) -> f64 {
    let before = cpu();
    work();
    cpu() - before
}

fn raw(path: &Path) -> Connection {
    let conn = Connection::open(path).expect("open");
    conn.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -65536").expect("pragmas");
    conn.execute_batch(TABLE).expect("schema");
    conn
}

fn engine(path: &Path, site: u8) -> Engine {
    let options = EngineOptions { site_id: Some(SiteId([site; 16])), ..EngineOptions::default() };
    let mut engine = Engine::open(path, &options).expect("open");
    engine.begin().expect("begin");
    let declare = TABLE.replace("CREATE TABLE", "CREATE TABLE IF NOT EXISTS");
    engine.connection().execute_batch(&declare).expect("schema");
    engine.as_crr("t").expect("replicate");
    engine.commit().expect("commit");
    engine
}

fn insert(conn: &Connection, id: i64) {
    let text = format!("value {id}");
    conn.prepare_cached(INSERT).expect("prepare").execute((id, text, id * 3, 7)).expect("insert");
}

fn scattered(i: i64) -> i64 {
    (i.wrapping_mul(0x9E37_79B9_7F4A_7C15u64 as i64) >> 16) & 0x7fff_ffff_ffff
}

fn transaction(engine: &mut Engine, work: impl FnOnce(&Connection)) {
    engine.begin().expect("begin");
    engine.begin_version(Timestamp(1 << 62)).expect("version");
    work(engine.connection());
    engine.end_version().expect("end");
    engine.commit().expect("commit");
}

#[derive(Default)]
struct Series(Vec<(&'static str, f64, f64)>);

impl Series {
    fn add(&mut self, name: &'static str, raw: f64, ours: f64) {
        self.0.push((name, raw, ours));
    }
}

fn round(directory: &Path, series: &mut Series) {
    let plain = raw(&directory.join("raw.db"));
    let mut ours = engine(&directory.join("ours.db"), 1);
    let r = timed(|| {
        plain.execute_batch("BEGIN").expect("begin");
        (1..=ROWS).for_each(|i| insert(&plain, i));
        plain.execute_batch("COMMIT").expect("commit");
    });
    let raw_insert = r;
    let o = timed(|| transaction(&mut ours, |conn| (1..=ROWS).for_each(|i| insert(conn, i))));
    series.add("insert", r, o);
    let pages = |conn: &Connection, name: &str| -> i64 {
        conn.query_row("SELECT coalesce(sum(pgsize), 0) FROM dbstat WHERE name = ?1", [name], |row| row.get(0))
            .unwrap_or(-1)
    };
    println!(
        "metadata bytes a row after the bulk insert: rows {} log {}",
        pages(ours.connection(), "t__crsql_rows") as f64 / ROWS as f64,
        pages(ours.connection(), "crsql_log") as f64 / ROWS as f64
    );
    let changeset = ours.changeset(SiteId([1; 16]), DbVersion(1)).expect("read").expect("known");

    let mut target = engine(&directory.join("target.db"), 2);
    let batch = [changeset];
    let o = timed(|| {
        target.begin().expect("begin");
        assert_eq!(target.apply(&batch).expect("apply").impacted, 3 * ROWS as u64);
        target.commit().expect("commit");
    });
    series.add("merge, dense, empty database (raw: insert)", raw_insert, o);
    let o = timed(|| {
        for _ in 0..20 {
            target.begin().expect("begin");
            assert_eq!(target.apply(&batch).expect("apply").known, 1);
            target.commit().expect("commit");
        }
    });
    series.add("merge of known versions x20", raw_insert * 20.0, o);
    target.connection().execute_batch("DELETE FROM crsql_known").expect("forget");
    target.close().expect("close");
    let mut target = engine(&directory.join("target.db"), 2);
    let o = timed(|| {
        target.begin().expect("begin");
        assert_eq!(target.apply(&batch).expect("apply").impacted, 0);
        target.commit().expect("commit");
    });
    series.add("merge of known cells, unknown version", raw_insert, o);

    let sql = "UPDATE t SET b = b + 1";
    let r = timed(|| {
        for _ in 0..3 {
            plain.execute_batch(sql).expect("update");
        }
    });
    let o = timed(|| {
        for _ in 0..3 {
            transaction(&mut ours, |conn| conn.execute_batch(sql).expect("update"));
        }
    });
    series.add("update of every row x3", r, o);
    let single = 20_000;
    let r = timed(|| (1..=single).for_each(|i| insert(&plain, ROWS + i)));
    let o = timed(|| (1..=single).for_each(|i| transaction(&mut ours, |conn| insert(conn, ROWS + i))));
    series.add("single-row insert transactions", r, o);
    let update = |conn: &Connection, i: i64| {
        conn.prepare_cached("UPDATE t SET c = ?2 WHERE id = ?1")
            .expect("prepare")
            .execute((scattered(i) % ROWS + 1, i))
            .expect("update");
    };
    let r = timed(|| (1..=single).for_each(|i| update(&plain, i)));
    let o = timed(|| (1..=single).for_each(|i| transaction(&mut ours, |conn| update(conn, i))));
    series.add("single-row random update transactions", r, o);
    let r = timed(|| plain.execute_batch("DELETE FROM t WHERE id > 0").expect("delete"));
    let o = timed(|| transaction(&mut ours, |conn| conn.execute_batch("DELETE FROM t WHERE id > 0").expect("delete")));
    series.add("delete of every row", r, o);
}

fn scattered_round(directory: &Path, series: &mut Series) {
    let plain = raw(&directory.join("raw2.db"));
    let mut target = engine(&directory.join("target2.db"), 2);
    let fill = |conn: &Connection| (0..1_000_000).for_each(|i| insert(conn, scattered(i)));
    plain.execute_batch("BEGIN").expect("begin");
    fill(&plain);
    plain.execute_batch("COMMIT").expect("commit");
    transaction(&mut target, fill);
    let mut source = engine(&directory.join("source2.db"), 1);
    transaction(&mut source, |conn| (2_000_000..2_000_000 + ROWS).for_each(|i| insert(conn, scattered(i))));
    let batch = [source.changeset(SiteId([1; 16]), DbVersion(1)).expect("read").expect("known")];
    let r = timed(|| {
        plain.execute_batch("BEGIN").expect("begin");
        (2_000_000..2_000_000 + ROWS).for_each(|i| insert(&plain, scattered(i)));
        plain.execute_batch("COMMIT").expect("commit");
    });
    let o = timed(|| {
        target.begin().expect("begin");
        target.apply(&batch).expect("apply");
        target.commit().expect("commit");
    });
    series.add("merge, scattered into 1,000,000 rows (raw: scattered insert)", r, o);
}

fn main() {
    let rounds = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(3);
    let mut series = Series::default();
    for _ in 0..rounds {
        let directory = tempfile::tempdir().expect("temporary directory");
        round(directory.path(), &mut series);
    }
    let directory = tempfile::tempdir().expect("temporary directory");
    scattered_round(directory.path(), &mut series);
    let mut names: Vec<&str> = series.0.iter().map(|s| s.0).collect();
    names.dedup();
    names.sort_unstable();
    names.dedup();
    for name in names {
        let mut ratios: Vec<f64> = series.0.iter().filter(|s| s.0 == name).map(|s| s.2 / s.1).collect();
        ratios.sort_by(f64::total_cmp);
        let (r, o) = series.0.iter().filter(|s| s.0 == name).map(|s| (s.1, s.2)).next_back().unwrap_or_default();
        println!(
            "{name}: {:.2}x (min {:.2}, max {:.2}; last raw {r:.2}s ours {o:.2}s)",
            ratios[ratios.len() / 2],
            ratios[0],
            ratios[ratios.len() - 1]
        );
    }
}
