//! Measures the pool: point reads, group commits, and what one open transaction costs everybody else.
//!
//! `cargo run --release -p storage --features testing --example pool_load`. Takes about two minutes. It writes to a directory of
//! its own in the system's temporary one, or in `CORROSION_LOAD_DIR`; the disk decides the durable figures.

#![expect(clippy::print_stdout, reason = "printing the figures is what this is for")]
#![expect(clippy::disallowed_methods, reason = "measures elapsed time")]

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use storage::schema::SchemaFile;
use storage::store::{Flow, Interrupt, RowSink};
use storage::testing::block_on;
use storage::value::Value;
use storage::{Durability, ExecuteError, Lease, Limits, Outcome, Statement, Store, StoreOptions};

const ROWS: i64 = 100_000;
const WRITERS: i64 = 16;
const PHASE: Duration = Duration::from_secs(5);

fn main() -> Result<()> {
    let base = std::env::var_os("CORROSION_LOAD_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    let dir = tempfile::tempdir_in(base).context("make a directory")?;
    let store = Store::open(StoreOptions {
        path: dir.path().join("db"),
        cache_size: -65_536,
        wal_size_max: 64 << 20,
        lease_idle_max: Duration::from_secs(5),
        lease_held_max: Duration::from_secs(10),
        pool_threads: 4,
        on_open: Vec::new(),
        on_schema: Vec::new(),
    })?;
    prepare(&store)?;
    point_reads(&store)?;
    for durability in [Durability::Committed, Durability::Fsynced] {
        for clients in [1, 8, 32] {
            group_commits(&store, clients, durability)?;
        }
    }
    one_open_transaction(&store, &dir.path().join("db-wal"))?;
    block_on(store.close());
    Ok(())
}

fn prepare(store: &Store) -> Result<()> {
    let text = "CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, a TEXT, b INTEGER, c INTEGER);";
    block_on(store.apply_schema_files(vec![SchemaFile { path: "t.sql".to_owned(), text: text.to_owned() }]))?;
    let fill = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1) \
                INSERT INTO t SELECT i, 'text ' || i, i, 0 FROM n";
    write(store, statement(fill, vec![Value::Integer(ROWS)]), Durability::Fsynced)?;
    Ok(())
}

fn statement(sql: &str, params: Vec<Value>) -> Statement {
    Statement { sql: Arc::from(sql), params, uses_catalog: false }
}

fn ignore() -> RowSink {
    Box::new(|_| Ok(Flow::Continue))
}

fn write(store: &Store, statement: Statement, durability: Durability) -> Result<Outcome, ExecuteError> {
    block_on(store.write(statement, durability, Limits::default(), ignore()))
}

/// splitmix64: keys that hit the table all over.
fn scatter(n: i64) -> i64 {
    let z = (n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (z >> 1) as i64
}

fn point_reads(store: &Store) -> Result<()> {
    const READS: i64 = 200_000;
    let mut reader = store.inline_reader()?;
    let (interrupt, budget) = (Interrupt::default(), Duration::from_millis(5));
    let mut point = statement("SELECT a, b FROM t WHERE id = ?1", vec![Value::Null]);
    let begun = Instant::now();
    for n in 0..READS {
        point.params[0] = Value::Integer(scatter(n) % ROWS + 1);
        let outcome = reader.run(&point, budget, &interrupt, &mut |_| Ok(Flow::Continue))?;
        ensure!(outcome.rows == 1, "row not found");
    }
    let each = begun.elapsed() / u32::try_from(READS)?;
    println!("inline point read: {each:?}");
    let begun = Instant::now();
    for n in 0..READS / 10 {
        point.params[0] = Value::Integer(scatter(n) % ROWS + 1);
        block_on(store.read(point.clone(), Limits::default(), ignore()))?;
    }
    println!("pool point read: {:?}", begun.elapsed() / u32::try_from(READS / 10)?);
    Ok(())
}

fn group_commits(store: &Store, clients: i64, durability: Durability) -> Result<()> {
    static KEYS: AtomicI64 = AtomicI64::new(1);
    let insert: Arc<str> = Arc::from("INSERT INTO t VALUES (?1, 'text', 1, 2)");
    let (before, begun) = (store.stats(), Instant::now());
    let threads = (0..clients).map(|_| {
        let (store, insert) = (store.clone(), Arc::clone(&insert));
        thread::spawn(move || -> Result<(), ExecuteError> {
            while begun.elapsed() < PHASE {
                let key = scatter(KEYS.fetch_add(1, Ordering::Relaxed)) | 1 << 40;
                let params = vec![Value::Integer(key)];
                write(&store, Statement { sql: Arc::clone(&insert), params, uses_catalog: false }, durability)?;
            }
            Ok(())
        })
    });
    join_all(threads.collect())?;
    let after = store.stats();
    let (transactions, groups) = (after.transactions - before.transactions, after.groups - before.groups);
    let rate = transactions as f64 / begun.elapsed().as_secs_f64();
    println!(
        "{clients:2} clients, {durability:?}: {rate:6.0} inserts/s with random keys, {:.1} a group",
        transactions as f64 / groups as f64
    );
    Ok(())
}

fn join_all(threads: Vec<thread::JoinHandle<Result<(), ExecuteError>>>) -> Result<()> {
    for thread in threads {
        thread.join().map_err(|_| anyhow::anyhow!("a client panicked"))??;
    }
    Ok(())
}

/// Sixteen durable writers, before, beside and after: an idle open transaction, a long one, and a reader with a snapshot.
fn one_open_transaction(store: &Store, wal: &std::path::Path) -> Result<()> {
    let report = |name: &str, mut latencies: Vec<Duration>| {
        latencies.sort_unstable();
        let at = |share: usize| latencies.get(latencies.len() * share / 1000).copied().unwrap_or_default();
        let max = latencies.last().copied().unwrap_or_default();
        let size = std::fs::metadata(wal).map_or(0, |file| file.len()) >> 20;
        println!(
            "{name}: {} writes, p50 {:?}, p99 {:?}, p99.9 {:?}, max {max:?}; WAL {size} MiB",
            latencies.len(),
            at(500),
            at(990),
            at(999)
        );
    };
    report("16 writers alone", writers_while(store, || thread::sleep(PHASE))?);

    let mut idle = None;
    let beside = writers_while(store, || {
        idle = Some(hold_idle(store));
        thread::sleep(Duration::from_secs(7));
    })?;
    report("beside an idle BEGIN; UPDATE", beside);
    let told = idle.context("not held")?.map(|mut lease| block_on(lease.run(update(1), Limits::default(), ignore())));
    println!("  its holder: {told:?}");

    let mut told = None;
    let beside = writers_while(store, || told = Some(update_all(store)))?;
    report("beside one transaction of 100,000 updates", beside);
    println!("  its holder: {told:?}");

    let mut snapshot = block_on(store.snapshot())?;
    let beside = writers_while(store, || thread::sleep(PHASE * 2))?;
    report("beside a reader with a snapshot", beside);
    let read = statement("SELECT count(*) FROM t", Vec::new());
    println!("  its holder: {:?}", block_on(snapshot.run(read, Limits::default(), ignore())));
    drop(snapshot);
    report("16 writers after", writers_while(store, || thread::sleep(PHASE))?);
    println!("{:?}", store.stats());
    Ok(())
}

fn update(id: i64) -> Statement {
    statement("UPDATE t SET c = c + 1 WHERE id = ?1", vec![Value::Integer(id)])
}

fn hold_idle(store: &Store) -> Result<Lease, ExecuteError> {
    let mut lease = block_on(store.lease(Limits::default()))?;
    block_on(lease.run(update(1), Limits::default(), ignore()))?;
    Ok(lease)
}

fn update_all(store: &Store) -> Result<Duration, ExecuteError> {
    let begun = Instant::now();
    let mut lease = block_on(store.lease(Limits::default()))?;
    for id in 1..=ROWS {
        block_on(lease.run(update(id), Limits::default(), ignore()))?;
    }
    block_on(lease.commit(Durability::Fsynced))?;
    Ok(begun.elapsed())
}

/// The latencies of durable single-row updates by 16 clients while `offender` runs.
fn writers_while(store: &Store, offender: impl FnOnce()) -> Result<Vec<Duration>> {
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..WRITERS)
        .map(|client| {
            let (store, stop) = (store.clone(), Arc::clone(&stop));
            thread::spawn(move || -> Result<Vec<Duration>, ExecuteError> {
                let mut latencies = Vec::new();
                let mut n = client;
                while !stop.load(Ordering::Acquire) {
                    n += WRITERS;
                    let begun = Instant::now();
                    write(&store, update(scatter(n) % ROWS + 1), Durability::Fsynced)?;
                    latencies.push(begun.elapsed());
                }
                Ok(latencies)
            })
        })
        .collect();
    offender();
    stop.store(true, Ordering::Release);
    let mut all = Vec::new();
    for client in clients {
        all.extend(client.join().map_err(|_| anyhow::anyhow!("a client panicked"))??);
    }
    Ok(all)
}
