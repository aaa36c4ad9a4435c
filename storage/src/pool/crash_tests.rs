//! The writer over a disk that crashes, fails and fills up (I5).
//!
//! `CORROSION_CRASH_SEEDS=2000 cargo test -p storage crash` runs more seeds than the default.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rusqlite::Connection;

use crate::error::ExecuteError;
use crate::schema::SchemaFile;
use crate::store::{Durability, Flow, Limits, Outcome, RowSink, Statement, Store, StoreOptions};
use crate::testing::{CrashVfs, Fault, block_on, wait_until};
use crate::value::Value;

/// Rows that each transaction inserts: all of them survive, or none.
const ROWS: i64 = 3;
const CLIENTS: i64 = 4;
/// A client stops after this many transactions if nothing crashes first.
const TRANSACTIONS_MAX: i64 = 400;

fn seeds() -> u64 {
    std::env::var("CORROSION_CRASH_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(60)
}

fn open(vfs: &CrashVfs) -> Store {
    let options = StoreOptions {
        path: vfs.path(),
        cache_size: -2048,
        // Small, so that checkpoints and restarts of the WAL are among what the crash interrupts.
        wal_size_max: 128 << 10,
        lease_idle_max: Duration::from_secs(60),
        lease_held_max: Duration::from_secs(60),
        pool_threads: 1,
        on_open: Vec::new(),
        on_schema: Vec::new(),
    };
    Store::open(options).expect("open")
}

fn statement(sql: &str, params: Vec<Value>) -> Statement {
    Statement { sql: Arc::from(sql), params, uses_catalog: false }
}

fn ignore() -> RowSink {
    Box::new(|_| Ok(Flow::Continue))
}

fn write(store: &Store, sql: &str, params: Vec<Value>) -> Result<Outcome, ExecuteError> {
    block_on(store.write(statement(sql, params), Durability::Fsynced, Limits::default(), ignore()))
}

fn create(store: &Store) {
    let text = "CREATE TABLE t (tx INT NOT NULL, part INT NOT NULL, filler BLOB, PRIMARY KEY (tx, part))".to_owned();
    block_on(store.apply_schema_files(vec![SchemaFile { path: "t.sql".to_owned(), text }])).expect("create");
}

/// One transaction of several rows: by turns one statement, and an interactive transaction.
fn insert(store: &Store, tx: i64) -> Result<(), ExecuteError> {
    let one = "INSERT INTO t VALUES (?1, ?2, randomblob(900))";
    if tx % 3 != 0 {
        let all = "INSERT INTO t SELECT ?1, column1, randomblob(900) FROM (VALUES (0), (1), (2))";
        return write(store, all, vec![Value::Integer(tx)]).map(|_| ());
    }
    let mut lease = block_on(store.lease(Limits::default()))?;
    for part in 0..ROWS {
        let values = vec![Value::Integer(tx), Value::Integer(part)];
        block_on(lease.run(statement(one, values), Limits::default(), ignore()))?;
    }
    block_on(lease.commit(Durability::Fsynced))
}

/// Clients write until the disk fails them; the transactions that were acknowledged.
fn load(store: &Store) -> Vec<i64> {
    let clients = (0..CLIENTS).map(|client| {
        let store = store.clone();
        thread::spawn(move || {
            let mut acknowledged = Vec::new();
            for n in 0..TRANSACTIONS_MAX {
                let tx = n * CLIENTS + client;
                match insert(&store, tx) {
                    Ok(()) => acknowledged.push(tx),
                    Err(_) => break,
                }
            }
            acknowledged
        })
    });
    let clients: Vec<_> = clients.collect();
    clients.into_iter().flat_map(|client| client.join().expect("no panic")).collect()
}

/// What plain SQLite finds in the file: transactions, and that each is whole and the file is sound.
fn survivors(vfs: &CrashVfs) -> Vec<i64> {
    let conn = Connection::open(vfs.path()).expect("open what is left");
    let check: String = conn.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("check");
    assert_eq!(check, "ok");
    let mut counts = conn.prepare("SELECT tx, count(*) FROM t GROUP BY tx ORDER BY tx").expect("prepare");
    let counts = counts.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("query");
    counts
        .map(|row| {
            let (tx, rows): (i64, i64) = row.expect("row");
            assert_eq!(rows, ROWS, "transaction {tx} is neither whole nor absent");
            tx
        })
        .collect()
}

#[test]
fn acknowledged_transactions_survive_a_crash_and_others_are_whole_or_absent() {
    let mut crashed = 0;
    for seed in 0..seeds() {
        let vfs = CrashVfs::register(seed);
        let store = open(&vfs);
        create(&store);
        vfs.inject(Fault::CrashAfter(1 + seed * 37 % 1500));
        let acknowledged = load(&store);
        crashed += u64::from(vfs.is_off());
        block_on(store.close());
        vfs.repair();
        let survived = survivors(&vfs);
        for tx in acknowledged {
            assert!(survived.binary_search(&tx).is_ok(), "seed {seed}: transaction {tx} was lost");
        }
    }
    assert!(crashed * 10 >= seeds() * 9, "the crash came too late in {} runs", seeds() - crashed);
}

#[test]
fn after_a_crash_the_store_opens_and_writes_again() {
    for seed in 0..seeds() / 6 + 1 {
        let vfs = CrashVfs::register(seed);
        let store = open(&vfs);
        create(&store);
        vfs.inject(Fault::CrashAfter(40 + seed * 13));
        load(&store);
        block_on(store.close());
        vfs.repair();
        let again = open(&vfs);
        insert(&again, 1_000_001).expect("writes go on");
        block_on(again.close());
        assert!(survivors(&vfs).contains(&1_000_001));
    }
}

#[test]
fn a_failed_fsync_stops_writes_acknowledges_none_of_them_and_reads_go_on() {
    for nth in 1..8 {
        let vfs = CrashVfs::register(nth);
        let store = open(&vfs);
        create(&store);
        vfs.inject(Fault::SyncFailsAfter(nth));
        let acknowledged = load(&store);
        let error = insert(&store, -1).expect_err("writes have stopped");
        assert!(matches!(error, ExecuteError::WriterFailed { .. }), "{error:?}");
        let read = store.read(statement("SELECT count(*) FROM t", vec![]), Limits::default(), ignore());
        assert_eq!(block_on(read).expect("reads go on").rows, 1);
        vfs.crash();
        block_on(store.close());
        vfs.repair();
        let survived = survivors(&vfs);
        for tx in acknowledged {
            assert!(survived.binary_search(&tx).is_ok(), "transaction {tx} was acknowledged and lost");
        }
    }
}

#[test]
fn a_write_error_stops_writes_and_reads_go_on() {
    let vfs = CrashVfs::register(1);
    let store = open(&vfs);
    create(&store);
    insert(&store, 1).expect("insert");
    vfs.inject(Fault::WritesFail);
    for tx in [2, 3] {
        let error = insert(&store, tx).expect_err("the disk fails");
        assert!(matches!(error, ExecuteError::WriterFailed { .. }), "{error:?}");
    }
    let read = store.read(statement("SELECT count(*) FROM t", vec![]), Limits::default(), ignore());
    assert_eq!(block_on(read).expect("reads go on").rows, 1);
    block_on(store.close());
    vfs.repair();
    assert_eq!(survivors(&vfs), [1]);
}

#[test]
fn a_full_disk_fails_writes_until_there_is_room_and_reads_go_on() {
    let vfs = CrashVfs::register(1);
    let store = open(&vfs);
    create(&store);
    insert(&store, 1).expect("insert");
    vfs.inject(Fault::Full);
    // What fits into the WAL's old length is still written.
    let mut acknowledged = vec![1];
    let error = (2..100).find_map(|tx| insert(&store, tx).map(|()| acknowledged.push(tx)).err()).expect("no room");
    assert!(matches!(error, ExecuteError::DiskFull { .. }), "{error:?}");
    let read = store.read(statement("SELECT count(*) FROM t", vec![]), Limits::default(), ignore());
    assert_eq!(block_on(read).expect("reads go on").rows, 1);
    vfs.repair();
    insert(&store, 100).expect("there is room again");
    acknowledged.push(100);
    block_on(store.close());
    assert_eq!(survivors(&vfs), acknowledged);
}

#[test]
fn a_clean_close_leaves_no_wal_on_the_disk() {
    let vfs = CrashVfs::register(1);
    let store = open(&vfs);
    create(&store);
    insert(&store, 1).expect("insert");
    block_on(store.close());
    assert!(!vfs.has_wal());
    vfs.crash();
    vfs.repair();
    assert_eq!(survivors(&vfs), [1], "the checkpoint was synced");
}

#[test]
fn after_a_failed_fsync_what_was_queued_with_the_failed_group_is_not_written() {
    // The second write was taken from the queue together with the first, whose group had run out of time. It used to commit
    // and to be acknowledged after the fsync of the first had failed, and was lost with it.
    let vfs = CrashVfs::register(1);
    let store = open(&vfs);
    create(&store);
    let holder = block_on(store.lease(Limits::default())).expect("lease");
    let slow = "INSERT INTO t SELECT ?1, count(*), NULL FROM (WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c \
                LIMIT 1000000) SELECT n FROM c)";
    let quick = "INSERT INTO t VALUES (?1, 0, NULL)";
    let clients = [slow, quick].map(|sql| {
        let (client, queued) = (store.clone(), store.stats().writer_queue_len + 1);
        let client = thread::spawn(move || write(&client, sql, vec![Value::Integer(1)]));
        wait_until(Duration::from_secs(30), "the write is queued", || store.stats().writer_queue_len >= queued);
        client
    });
    vfs.inject(Fault::SyncFailsAfter(1));
    drop(holder);
    for client in clients {
        let result = client.join().expect("no panic");
        assert!(matches!(result, Err(ExecuteError::WriterFailed { .. })), "{result:?}");
    }
    block_on(store.close());
}
