//! The pool through its public handles: real threads, waiting on conditions.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use rusqlite::functions::FunctionFlags;

use crate::error::{ExecuteError, LeaseLoss, SchemaError};
use crate::schema::SchemaFile;
use crate::schema::ddl::{ColumnSpec, Ddl, StorageType, TableSpec};
use crate::schema::model::PgType;
use crate::store::{
    Durability, Flow, Interrupt, Lease, Limits, Outcome, RowSink, SinkStop, Snapshot, Statement, Store, StoreOptions,
};
use crate::testing::{block_on, wait_until};
use crate::value::Value;

const PATIENCE: Duration = Duration::from_secs(30);
/// Runs until it is stopped, and writes: SQLite undoes the whole transaction then.
const ENDLESS_WRITE: &str = "INSERT INTO t (v) WITH RECURSIVE c(n) AS (SELECT entered() UNION ALL SELECT n + 1 FROM c) \
     SELECT count(*) FROM c";
const ENDLESS_READ: &str =
    "WITH RECURSIVE c(n) AS (SELECT entered() UNION ALL SELECT n + 1 FROM c) SELECT count(*) FROM c";

struct Fixture {
    store: Store,
    path: std::path::PathBuf,
    /// How many endless statements have begun to run.
    entered: Arc<AtomicUsize>,
    _dir: tempfile::TempDir,
}

fn fixture() -> Fixture {
    fixture_with(|_| {})
}

/// A store with a table `t (id INTEGER PRIMARY KEY, v)`.
fn fixture_with(change: impl FnOnce(&mut StoreOptions)) -> Fixture {
    let dir = tempfile::tempdir().expect("make a directory");
    let path = dir.path().join("db");
    let mut options = options(&path);
    let entered = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&entered);
    options.on_open.push(Arc::new(move |conn| {
        let counted = Arc::clone(&counted);
        conn.create_scalar_function("entered", 0, FunctionFlags::SQLITE_UTF8, move |_| {
            counted.fetch_add(1, Ordering::AcqRel);
            Ok(1)
        })
    }));
    change(&mut options);
    let store = Store::open(options).expect("open");
    let text = "CREATE TABLE t (id INTEGER PRIMARY KEY, v)".to_owned();
    block_on(store.apply_schema_files(vec![SchemaFile { path: "t.sql".to_owned(), text }])).expect("create");
    Fixture { store, path, entered, _dir: dir }
}

pub(super) fn options(path: &std::path::Path) -> StoreOptions {
    StoreOptions {
        path: path.to_owned(),
        cache_size: -8192,
        wal_size_max: 64 << 20,
        lease_idle_max: Duration::from_secs(60),
        lease_held_max: Duration::from_secs(60),
        pool_threads: 2,
        on_open: Vec::new(),
        on_schema: Vec::new(),
    }
}

fn statement(sql: &str) -> Statement {
    Statement { sql: Arc::from(sql), params: Vec::new(), uses_catalog: false }
}

fn ignore() -> RowSink {
    Box::new(|_| Ok(Flow::Continue))
}

fn write(store: &Store, sql: &str) -> Result<Outcome, ExecuteError> {
    block_on(store.write(statement(sql), Durability::Committed, Limits::default(), ignore()))
}

fn lease(store: &Store) -> Lease {
    block_on(store.lease(Limits::default())).expect("lease")
}

fn run(lease: &mut Lease, sql: &str) -> Result<Outcome, ExecuteError> {
    block_on(lease.run(statement(sql), Limits::default(), ignore()))
}

/// A sink that keeps the first cell of every row.
fn collecting() -> (RowSink, Arc<Mutex<Vec<Value>>>) {
    let rows = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&rows);
    let sink = Box::new(move |row: &crate::store::Row<'_>| {
        kept.lock().expect("not poisoned").push(row.value(0).to_owned());
        Ok(Flow::Continue)
    });
    (sink, rows)
}

fn read(store: &Store, sql: &str) -> Vec<Value> {
    let (sink, rows) = collecting();
    block_on(store.read(statement(sql), Limits::default(), sink)).expect("read");
    taken(&rows)
}

fn taken(rows: &Mutex<Vec<Value>>) -> Vec<Value> {
    std::mem::take(&mut *rows.lock().expect("not poisoned"))
}

fn read_in(snapshot: &mut Snapshot, sql: &str) -> Result<Vec<Value>, ExecuteError> {
    let (sink, rows) = collecting();
    let result = block_on(snapshot.run(statement(sql), Limits::default(), sink));
    result.map(|_| taken(&rows))
}

fn count(store: &Store) -> Value {
    read(store, "SELECT count(*) FROM t").remove(0)
}

/// Starts writes on threads of their own and returns when all of them wait for the writer.
fn queue_writes(
    store: &Store,
    writes: Vec<(String, Limits)>,
) -> Vec<thread::JoinHandle<Result<Outcome, ExecuteError>>> {
    let mut threads = Vec::new();
    for (sql, limits) in writes {
        let queued = store.stats().writer_queue_len + 1;
        let writer = store.clone();
        threads.push(thread::spawn(move || {
            block_on(writer.write(statement(&sql), Durability::Fsynced, limits, ignore()))
        }));
        wait_until(PATIENCE, "the write is queued", || store.stats().writer_queue_len >= queued);
    }
    threads
}

fn join<T>(thread: thread::JoinHandle<T>) -> T {
    thread.join().expect("no panic")
}

fn insert(n: i64) -> String {
    format!("INSERT INTO t (v) VALUES ({n})")
}

#[test]
fn a_write_is_seen_by_the_next_read_on_every_kind_of_reader() {
    let Fixture { store, _dir, .. } = fixture();
    let mut inline = store.inline_reader().expect("inline reader");
    write(&store, &insert(1)).expect("insert");
    assert_eq!(count(&store), Value::Integer(1));
    let mut seen = None;
    let mut on_row = |row: &crate::store::Row<'_>| {
        seen = Some(row.value(0).to_owned());
        Ok(Flow::Continue)
    };
    let budget = Duration::from_secs(10);
    inline.run(&statement("SELECT count(*) FROM t"), budget, &Interrupt::default(), &mut on_row).expect("inline read");
    assert_eq!(seen, Some(Value::Integer(1)));
}

#[test]
fn writes_that_wait_together_share_commits_and_syncs() {
    let Fixture { store, _dir, .. } = fixture();
    let holder = lease(&store);
    let before = store.stats();
    let threads = queue_writes(&store, (0..8).map(|n| (insert(n), Limits::default())).collect());
    block_on(holder.rollback()).expect("rollback");
    for thread in threads {
        assert_eq!(join(thread).expect("insert").changes, 1);
    }
    let after = store.stats();
    assert_eq!(after.transactions - before.transactions, 8);
    // One, unless the machine is so busy that a group's time is up before its last member has run.
    let groups = after.groups - before.groups;
    assert!(groups < 8, "{groups} groups for 8 writes");
    assert_eq!(after.syncs - before.syncs, groups);
}

#[test]
fn a_failing_write_leaves_its_neighbours_alone() {
    let Fixture { store, _dir, .. } = fixture();
    let holder = lease(&store);
    let writes = [insert(1), "INSERT INTO t (id, v) VALUES (1, 1), (9, 9), (9, 9)".to_owned(), insert(2)];
    let threads = queue_writes(&store, writes.map(|sql| (sql, Limits::default())).to_vec());
    drop(holder);
    let results: Vec<_> = threads.into_iter().map(join).collect();
    assert!(results[0].is_ok() && results[2].is_ok(), "{results:?}");
    assert!(matches!(results[1], Err(ExecuteError::Sqlite { code: 19, .. })), "{results:?}");
    assert_eq!(read(&store, "SELECT v FROM t ORDER BY id"), [Value::Integer(1), Value::Integer(2)]);
}

#[test]
fn an_interrupted_write_leaves_its_neighbours_alone() {
    let Fixture { store, entered, _dir, .. } = fixture();
    let holder = lease(&store);
    let limits = Limits::default();
    let writes = vec![
        ("INSERT INTO t (v) VALUES (1) RETURNING id".to_owned(), Limits::default()),
        (ENDLESS_WRITE.to_owned(), limits.clone()),
        (insert(2), Limits::default()),
    ];
    let mut threads = queue_writes(&store, writes);
    drop(holder);
    wait_until(PATIENCE, "the endless write runs", || entered.load(Ordering::Acquire) == 1);
    limits.interrupt.cancel();
    assert_eq!(join(threads.remove(0)).expect("first"), Outcome { rows: 1, changes: 1 });
    assert!(matches!(join(threads.remove(0)), Err(ExecuteError::Interrupted)));
    assert_eq!(join(threads.remove(0)).expect("last").changes, 1);
    assert_eq!(read(&store, "SELECT v FROM t ORDER BY id"), [Value::Integer(1), Value::Integer(2)]);
}

#[test]
fn a_deadline_stops_a_write_that_runs() {
    let Fixture { store, _dir, .. } = fixture();
    let limits =
        Limits { deadline: Some(super::time::now() + Duration::from_millis(30)), interrupt: Interrupt::default() };
    let result = block_on(store.write(statement(ENDLESS_WRITE), Durability::Committed, limits, ignore()));
    assert!(matches!(result, Err(ExecuteError::DeadlineExceeded)), "{result:?}");
    write(&store, &insert(1)).expect("the writer goes on");
}

#[test]
fn a_deadline_reaches_a_write_that_waits_for_a_lease() {
    let Fixture { store, _dir, .. } = fixture();
    let _holder = lease(&store);
    let limits =
        Limits { deadline: Some(super::time::now() + Duration::from_millis(30)), interrupt: Interrupt::default() };
    let result = block_on(store.write(statement(&insert(1)), Durability::Committed, limits, ignore()));
    assert!(matches!(result, Err(ExecuteError::DeadlineExceeded)), "{result:?}");
}

#[test]
fn a_lease_sees_its_own_writes_and_others_do_not_until_it_commits() {
    let Fixture { store, _dir, .. } = fixture();
    let mut lease = lease(&store);
    run(&mut lease, &insert(1)).expect("insert");
    let (sink, rows) = collecting();
    block_on(lease.run(statement("SELECT count(*) FROM t"), Limits::default(), sink)).expect("read");
    assert_eq!(taken(&rows), [Value::Integer(1)]);
    assert_eq!(count(&store), Value::Integer(0));
    block_on(lease.commit(Durability::Fsynced)).expect("commit");
    assert_eq!(count(&store), Value::Integer(1));
}

#[test]
fn a_dropped_lease_is_rolled_back() {
    let Fixture { store, _dir, .. } = fixture();
    let mut first = lease(&store);
    run(&mut first, &insert(1)).expect("insert");
    drop(first);
    drop(lease(&store));
    assert_eq!(count(&store), Value::Integer(0));
}

#[test]
fn savepoints_follow_postgresqls_rules_for_names() {
    let Fixture { store, _dir, .. } = fixture();
    let mut lease = lease(&store);
    for (n, name) in [(1, "a"), (2, "A"), (3, "a")] {
        block_on(lease.savepoint(name)).expect("savepoint");
        run(&mut lease, &insert(n)).expect("insert");
    }
    block_on(lease.rollback_to("a")).expect("undoes 3");
    block_on(lease.release("a")).expect("uncovers the older one");
    block_on(lease.rollback_to("A")).expect("undoes 2");
    assert!(block_on(lease.rollback_to("b")).is_err());
    block_on(lease.commit(Durability::Committed)).expect("commit");
    assert_eq!(read(&store, "SELECT v FROM t"), [Value::Integer(1)]);
}

#[test]
fn a_failed_statement_leaves_the_leases_transaction_open_and_without_effect() {
    let Fixture { store, _dir, .. } = fixture();
    let mut lease = lease(&store);
    run(&mut lease, &insert(1)).expect("insert");
    assert!(run(&mut lease, "INSERT INTO t (id) VALUES (5), (5)").is_err());
    run(&mut lease, &insert(2)).expect("insert");
    block_on(lease.commit(Durability::Committed)).expect("commit");
    assert_eq!(count(&store), Value::Integer(2));
}

#[test]
fn a_write_whose_rows_are_refused_leaves_no_effect() {
    let Fixture { store, _dir, .. } = fixture();
    let mut lease = lease(&store);
    let refuse: RowSink = Box::new(|_| Err(SinkStop));
    let result = block_on(lease.run(statement("INSERT INTO t (v) VALUES (1) RETURNING v"), Limits::default(), refuse));
    assert!(matches!(result, Err(ExecuteError::Sink)));
    block_on(lease.commit(Durability::Committed)).expect("commit");
    let refuse: RowSink = Box::new(|_| Err(SinkStop));
    let insert = statement("INSERT INTO t (v) VALUES (1) RETURNING v");
    assert!(block_on(store.write(insert, Durability::Committed, Limits::default(), refuse)).is_err());
    assert_eq!(count(&store), Value::Integer(0));
}

#[test]
fn an_idle_lease_is_lost_while_others_wait_and_they_proceed() {
    let Fixture { store, _dir, .. } = fixture_with(|o| o.lease_idle_max = Duration::from_millis(50));
    let mut holder = lease(&store);
    let mut loss = holder.loss();
    run(&mut holder, &insert(1)).expect("insert");
    write(&store, &insert(2)).expect("gets the writer");
    let lost = |error| matches!(error, ExecuteError::LeaseLost(LeaseLoss::Idle));
    assert!(lost(block_on(loss.lost())));
    assert!(lost(run(&mut holder, &insert(3)).expect_err("lost")));
    assert!(lost(block_on(holder.commit(Durability::Fsynced)).expect_err("lost")));
    assert_eq!(read(&store, "SELECT v FROM t"), [Value::Integer(2)]);
    assert_eq!(store.stats().leases_lost, 1);
}

#[test]
fn an_idle_lease_is_kept_while_nobody_waits() {
    let Fixture { store, _dir, .. } = fixture_with(|o| o.lease_idle_max = Duration::from_millis(1));
    let mut holder = lease(&store);
    let begun = super::time::now();
    wait_until(PATIENCE, "longer than the limit", || begun.elapsed() > Duration::from_millis(20));
    run(&mut holder, &insert(1)).expect("still there");
    block_on(holder.commit(Durability::Committed)).expect("commit");
}

#[test]
fn a_statement_that_holds_the_writer_for_too_long_is_stopped_while_others_wait() {
    let Fixture { store, entered, _dir, .. } = fixture_with(|o| o.lease_held_max = Duration::from_millis(50));
    let mut holder = lease(&store);
    let running = thread::spawn(move || {
        let lost = run(&mut holder, ENDLESS_READ);
        (lost, block_on(holder.rollback()))
    });
    wait_until(PATIENCE, "the statement runs", || entered.load(Ordering::Acquire) == 1);
    write(&store, &insert(1)).expect("gets the writer");
    let (lost, rolled_back) = join(running);
    assert!(matches!(lost, Err(ExecuteError::LeaseLost(LeaseLoss::Held))), "{lost:?}");
    rolled_back.expect("a lost lease is rolled back already");
}

#[test]
fn an_interrupted_read_in_a_lease_leaves_its_transaction_open() {
    let Fixture { store, _dir, .. } = fixture();
    let mut holder = lease(&store);
    run(&mut holder, &insert(1)).expect("insert");
    let limits =
        Limits { deadline: Some(super::time::now() + Duration::from_millis(20)), interrupt: Interrupt::default() };
    let result = block_on(holder.run(statement(ENDLESS_READ), limits, ignore()));
    assert!(matches!(result, Err(ExecuteError::DeadlineExceeded)));
    block_on(holder.commit(Durability::Committed)).expect("commit");
    assert_eq!(count(&store), Value::Integer(1));
}

#[test]
fn an_interrupted_write_in_a_lease_loses_the_lease() {
    let Fixture { store, entered, _dir, .. } = fixture();
    let mut holder = lease(&store);
    run(&mut holder, &insert(1)).expect("insert");
    let limits = Limits::default();
    let interrupt = limits.interrupt.clone();
    let running = thread::spawn(move || {
        let stopped = block_on(holder.run(statement(ENDLESS_WRITE), limits, ignore()));
        (stopped, run(&mut holder, &insert(2)))
    });
    wait_until(PATIENCE, "the statement runs", || entered.load(Ordering::Acquire) == 1);
    interrupt.cancel();
    let (stopped, lost) = join(running);
    assert!(matches!(stopped, Err(ExecuteError::Interrupted)), "{stopped:?}");
    assert!(matches!(lost, Err(ExecuteError::LeaseLost(LeaseLoss::Undone))), "{lost:?}");
    assert_eq!(count(&store), Value::Integer(0));
}

#[test]
fn a_snapshot_does_not_see_later_commits_and_cannot_write_after_them() {
    let Fixture { store, _dir, .. } = fixture();
    let mut snapshot = block_on(store.snapshot()).expect("snapshot");
    write(&store, &insert(1)).expect("insert");
    assert_eq!(read_in(&mut snapshot, "SELECT count(*) FROM t").expect("read"), [Value::Integer(0)]);
    assert!(matches!(block_on(snapshot.into_lease(Limits::default())), Err(ExecuteError::SnapshotStale)));
}

#[test]
fn a_snapshot_that_is_still_current_becomes_a_lease() {
    let Fixture { store, _dir, .. } = fixture();
    let mut snapshot = block_on(store.snapshot()).expect("snapshot");
    assert_eq!(read_in(&mut snapshot, "SELECT count(*) FROM t").expect("read"), [Value::Integer(0)]);
    let mut lease = block_on(snapshot.into_lease(Limits::default())).expect("lease");
    run(&mut lease, &insert(1)).expect("insert");
    block_on(lease.commit(Durability::Committed)).expect("commit");
    assert_eq!(count(&store), Value::Integer(1));
}

#[test]
fn idle_snapshots_hold_no_threads() {
    let Fixture { store, _dir, .. } = fixture();
    let snapshots: Vec<_> = (0..8).map(|_| block_on(store.snapshot()).expect("snapshot")).collect();
    assert_eq!(count(&store), Value::Integer(0));
    drop(snapshots);
}

#[test]
fn a_dropped_read_is_interrupted() {
    let Fixture { store, entered, _dir, .. } = fixture_with(|o| o.pool_threads = 1);
    {
        let mut endless = Box::pin(store.read(statement(ENDLESS_READ), Limits::default(), ignore()));
        let waker = std::task::Waker::noop();
        let mut context = std::task::Context::from_waker(waker);
        assert!(endless.as_mut().poll(&mut context).is_pending());
        wait_until(PATIENCE, "the read runs", || entered.load(Ordering::Acquire) == 1);
    }
    assert_eq!(count(&store), Value::Integer(0), "the only thread is free again");
}

#[test]
fn readers_cannot_write() {
    let Fixture { store, _dir, .. } = fixture();
    let result = block_on(store.read(statement(&insert(1)), Limits::default(), ignore()));
    assert!(matches!(result, Err(ExecuteError::Sqlite { code: 8, .. })), "{result:?}");
}

#[test]
fn an_inline_read_past_its_budget_is_given_up() {
    let Fixture { store, _dir, .. } = fixture();
    let mut inline = store.inline_reader().expect("inline reader");
    let budget = Duration::from_millis(1);
    let result = inline.run(&statement(ENDLESS_READ), budget, &Interrupt::default(), &mut |_| Ok(Flow::Continue));
    assert!(matches!(result, Err(ExecuteError::BudgetExceeded)), "{result:?}");
}

/// Writes until the WAL has been started anew `restarts` times.
fn churn(store: &Store, restarts: u64) {
    let target = store.stats().wal_restarts + restarts;
    let big = "INSERT INTO t (v) SELECT randomblob(20000)";
    let begun = super::time::now();
    while store.stats().wal_restarts < target {
        assert!(begun.elapsed() < PATIENCE, "{:?}", store.stats());
        write(store, big).expect("insert");
    }
}

fn wal_len(path: &std::path::Path) -> u64 {
    let mut wal = path.as_os_str().to_owned();
    wal.push("-wal");
    std::fs::metadata(wal).map_or(0, |metadata| metadata.len())
}

#[test]
fn the_wal_is_reused_and_keeps_its_size() {
    let limit = 1 << 20;
    let Fixture { store, path, _dir, .. } = fixture_with(|o| o.wal_size_max = limit);
    churn(&store, 2);
    let size = wal_len(&path);
    churn(&store, 5);
    assert!(wal_len(&path) >= size && wal_len(&path) < limit, "{size} {}", wal_len(&path));
}

#[test]
fn a_snapshot_that_keeps_the_wal_past_its_limit_is_lost_and_the_wal_stays_bounded() {
    let limit = 2 << 20;
    let Fixture { store, path, _dir, .. } = fixture_with(|o| o.wal_size_max = limit);
    let mut snapshot = block_on(store.snapshot()).expect("snapshot");
    churn(&store, 2);
    assert!(matches!(read_in(&mut snapshot, "SELECT count(*) FROM t"), Err(ExecuteError::SnapshotTooOld)));
    assert!(wal_len(&path) < limit * 3 / 2, "{}", wal_len(&path));
    assert_eq!(store.stats().snapshots_lost, 1);
}

#[test]
fn reads_that_are_stuck_in_their_sinks_do_not_hold_up_others() {
    let Fixture { store, _dir, .. } = fixture_with(|o| o.pool_threads = 1);
    write(&store, &insert(1)).expect("insert");
    let stuck = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let (unblock, readers): (Vec<_>, Vec<_>) = (0..5)
        .map(|_| {
            let (unblock, blocked) = mpsc::channel::<()>();
            let (reading, entered) = (store.clone(), Arc::clone(&stuck));
            let sink: RowSink = Box::new(move |_| {
                entered.fetch_add(1, Ordering::AcqRel);
                blocked.recv().map_err(|_| SinkStop)?;
                Ok(Flow::Continue)
            });
            let read = statement("SELECT v FROM t");
            (unblock, thread::spawn(move || block_on(reading.read(read, Limits::default(), sink))))
        })
        .unzip();
    wait_until(PATIENCE, "all of them are stuck", || stuck.load(Ordering::Acquire) == 5);
    assert_eq!(count(&store), Value::Integer(1));
    drop(unblock);
    for reader in readers {
        assert!(matches!(join(reader), Err(ExecuteError::Sink)));
    }
    assert_eq!(count(&store), Value::Integer(1));
    block_on(store.close());
}

#[test]
fn a_sink_that_panics_takes_its_own_statement_and_no_reader_with_it() {
    let Fixture { store, _dir, .. } = fixture_with(|o| o.pool_threads = 1);
    write(&store, &insert(1)).expect("insert");
    let panics: RowSink = Box::new(|_| panic!("a sink panics in a test"));
    let result = block_on(store.read(statement("SELECT v FROM t"), Limits::default(), panics));
    assert!(matches!(result, Err(ExecuteError::Closed)));
    assert_eq!(count(&store), Value::Integer(1));
}

#[test]
fn a_sink_that_panics_on_the_writer_leaves_nobody_waiting() {
    let Fixture { store, _dir, .. } = fixture();
    let panics: RowSink = Box::new(|_| panic!("a sink panics in a test"));
    let write_it = statement("INSERT INTO t (v) VALUES (1) RETURNING v");
    let result = block_on(store.write(write_it, Durability::Fsynced, Limits::default(), panics));
    assert!(matches!(result, Err(ExecuteError::Closed)));
    assert!(matches!(write(&store, &insert(2)), Err(ExecuteError::Closed)));
    assert_eq!(count(&store), Value::Integer(0), "reads go on");
    block_on(store.close());
}

#[test]
fn a_read_stuck_in_its_sink_learns_that_it_keeps_the_wal() {
    let Fixture { store, _dir, .. } = fixture_with(|o| o.wal_size_max = 1 << 20);
    write(&store, &insert(1)).expect("insert");
    let (unblock, blocked) = mpsc::channel::<()>();
    let stuck = Arc::new(AtomicBool::new(false));
    let entered = Arc::clone(&stuck);
    let sink: RowSink = Box::new(move |_| {
        entered.store(true, Ordering::Release);
        // Returns when the other end is dropped, as a channel to a client does.
        blocked.recv().map_err(|_| SinkStop)?;
        Ok(Flow::Continue)
    });
    let reading = store.clone();
    let reader = thread::spawn(move || {
        let result = block_on(reading.read(statement("SELECT v FROM t"), Limits::default(), sink));
        drop(unblock);
        result
    });
    wait_until(PATIENCE, "the sink blocks", || stuck.load(Ordering::Acquire));
    churn(&store, 1);
    assert!(matches!(join(reader), Err(ExecuteError::SnapshotTooOld)));
}

#[test]
fn closing_leaves_no_wal_and_keeps_the_data() {
    let Fixture { store, path, _dir, .. } = fixture();
    write(&store, &insert(1)).expect("insert");
    let snapshot = block_on(store.snapshot()).expect("snapshot");
    block_on(store.close());
    let mut wal = path.as_os_str().to_owned();
    wal.push("-wal");
    assert!(!std::path::Path::new(&wal).exists());
    drop(snapshot);
    assert!(matches!(write(&store, &insert(2)), Err(ExecuteError::Closed)));
    let again = Store::open(options(&path)).expect("open again");
    assert_eq!(count(&again), Value::Integer(1));
}

#[test]
fn closing_stops_what_runs() {
    let Fixture { store, _dir, .. } = fixture();
    let mut holder = lease(&store);
    let reading = store.clone();
    let reader = thread::spawn(move || block_on(reading.read(statement(ENDLESS_READ), Limits::default(), ignore())));
    let waiting = queue_writes(&store, vec![(insert(1), Limits::default())]);
    block_on(store.close());
    assert!(matches!(join(reader), Err(ExecuteError::Closed)));
    assert!(matches!(run(&mut holder, &insert(1)), Err(ExecuteError::Closed)));
    for thread in waiting {
        assert!(matches!(join(thread), Err(ExecuteError::Closed)));
    }
}

#[test]
fn the_catalog_hook_runs_only_for_statements_that_use_it_and_only_when_the_schema_is_newer() {
    let runs = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let Fixture { store, _dir, .. } = fixture_with(|o| {
        o.on_open.push(Arc::new(|conn| conn.execute_batch("ATTACH ':memory:' AS cat; CREATE TABLE cat.c (n)")));
        o.on_schema.push(Arc::new(move |conn, schema| {
            counted.fetch_add(1, Ordering::AcqRel);
            conn.execute("INSERT INTO cat.c VALUES (?1)", [schema.version.to_string()]).map(|_| ())
        }));
    });
    let mut inline = store.inline_reader().expect("inline reader");
    let mut rows = |uses_catalog| {
        let statement = Statement { sql: Arc::from("SELECT n FROM cat.c"), params: Vec::new(), uses_catalog };
        let budget = Duration::from_secs(10);
        inline.run(&statement, budget, &Interrupt::default(), &mut |_| Ok(Flow::Continue)).expect("read").rows
    };
    assert_eq!((rows(false), rows(true), rows(true)), (0, 1, 1));
    assert_eq!(runs.load(Ordering::Acquire), 1);
}

fn create_table(name: &str) -> Ddl {
    let column = |name: &str, not_null| ColumnSpec {
        name: name.to_owned(),
        pg_type: PgType { oid: 25, typmod: -1 },
        storage: StorageType::Text,
        not_null,
        default: None,
    };
    let table = TableSpec {
        name: name.to_owned(),
        columns: vec![column("id", true), column("title", false)],
        primary_key: vec!["id".to_owned()],
        primary_key_name: None,
    };
    Ddl::CreateTable { table, if_not_exists: false }
}

fn has(store: &Store, table: &str) -> bool {
    store.schema().table(table).is_some()
}

#[test]
fn a_schema_change_is_published_when_its_transaction_commits_and_not_before() {
    let Fixture { store, path, _dir, .. } = fixture();
    let mut holder = lease(&store);
    block_on(holder.ddl(create_table("todos"))).expect("create");
    assert!(holder.schema().table("todos").is_some() && !has(&store, "todos"));
    run(&mut holder, "INSERT INTO todos (id) VALUES ('a')").expect("the holder uses it at once");
    block_on(holder.commit(Durability::Committed)).expect("commit");
    assert!(has(&store, "todos"));
    assert_eq!(read(&store, "SELECT count(*) FROM todos"), [Value::Integer(1)]);
    block_on(store.close());
    assert!(has(&Store::open(options(&path)).expect("open again"), "todos"));
}

#[test]
fn a_schema_change_that_is_rolled_back_leaves_no_trace() {
    let Fixture { store, _dir, .. } = fixture();
    let mut holder = lease(&store);
    block_on(holder.savepoint("s")).expect("savepoint");
    block_on(holder.ddl(create_table("todos"))).expect("create");
    block_on(holder.rollback_to("s")).expect("rollback");
    assert!(holder.schema().table("todos").is_none());
    block_on(holder.ddl(create_table("todos"))).expect("the name is free again");
    assert!(block_on(holder.ddl(create_table("todos"))).is_err());
    drop(holder);
    drop(lease(&store));
    assert!(!has(&store, "todos"));
}

#[test]
fn a_snapshot_keeps_the_schema_it_was_taken_with() {
    let Fixture { store, _dir, .. } = fixture();
    let snapshot = block_on(store.snapshot()).expect("snapshot");
    let mut holder = lease(&store);
    block_on(holder.ddl(create_table("todos"))).expect("create");
    block_on(holder.commit(Durability::Committed)).expect("commit");
    assert!(snapshot.schema().table("todos").is_none());
    let later = block_on(store.snapshot()).expect("snapshot");
    assert!(later.schema().table("todos").is_some());
}

#[test]
fn schema_files_apply_as_a_whole_or_not_at_all() {
    let Fixture { store, _dir, .. } = fixture();
    let file = |text: &str| vec![SchemaFile { path: "todo.sql".to_owned(), text: text.to_owned() }];
    let good = "CREATE TABLE a (id TEXT NOT NULL PRIMARY KEY, n INTEGER);";
    let bad =
        "CREATE TABLE b (id TEXT NOT NULL PRIMARY KEY); CREATE TABLE c (id TEXT NOT NULL PRIMARY KEY, n INT UNIQUE);";
    let report = block_on(store.apply_schema_files(file(good))).expect("apply");
    assert_eq!(report.tables_created, ["a"]);
    let error = block_on(store.apply_schema_files(file(&format!("{good} {bad}")))).expect_err("UNIQUE is refused");
    assert!(matches!(error, SchemaError::Invalid { .. }), "{error:?}");
    assert_eq!((has(&store, "a"), has(&store, "b")), (true, false));
    write(&store, "INSERT INTO a (id) VALUES ('x')").expect("the writer goes on");
}

#[test]
fn readers_see_the_changes_of_tables_made_after_they_were_opened() {
    let Fixture { store, _dir, .. } = fixture_with(|o| o.pool_threads = 1);
    let changes = "SELECT \"table\" FROM crsql_changes WHERE cid = 'title'";
    assert_eq!(read(&store, changes), []);
    for name in ["a", "b"] {
        let mut holder = lease(&store);
        block_on(holder.ddl(create_table(name))).expect("create");
        block_on(holder.commit(Durability::Committed)).expect("commit");
        write(&store, &format!("INSERT INTO {name} VALUES ('x', 'y')")).expect("insert");
    }
    assert_eq!(read(&store, changes), [Value::Text("a".to_owned()), Value::Text("b".to_owned())]);
    assert_eq!(read(&store, "SELECT crsql_db_version()"), [Value::Integer(2)]);
}

#[test]
fn members_of_a_group_are_versions_of_their_own_and_failed_ones_leave_none() {
    let Fixture { store, entered, _dir, .. } = fixture();
    let mut holder = lease(&store);
    block_on(holder.ddl(create_table("a"))).expect("create");
    block_on(holder.commit(Durability::Committed)).expect("commit");
    let holder = lease(&store);
    let limits = Limits::default();
    let endless = ENDLESS_WRITE.replace("INTO t (v)", "INTO a (id)");
    let writes = vec![
        ("INSERT INTO a VALUES ('1', 'x')".to_owned(), Limits::default()),
        ("INSERT INTO a VALUES ('2', 'x'), ('1', 'x')".to_owned(), Limits::default()),
        (endless, limits.clone()),
        ("INSERT INTO a VALUES ('3', 'x')".to_owned(), Limits::default()),
    ];
    let threads = queue_writes(&store, writes);
    drop(holder);
    wait_until(PATIENCE, "the endless write runs", || entered.load(Ordering::Acquire) == 1);
    limits.interrupt.cancel();
    let ok: Vec<bool> = threads.into_iter().map(|thread| join(thread).is_ok()).collect();
    assert_eq!(ok, [true, false, false, true]);
    let versions = "SELECT db_version FROM crsql_changes WHERE cid = 'title' ORDER BY db_version";
    assert_eq!(read(&store, versions), [Value::Integer(1), Value::Integer(2)]);
}

#[test]
fn a_file_that_a_node_has_open_is_refused_to_another() {
    let Fixture { store, path, _dir, .. } = fixture();
    let refused = Store::open(options(&path)).expect_err("in use");
    assert!(refused.to_string().contains("has this database open"), "{refused}");
    block_on(store.close());
    Store::open(options(&path)).expect("free again");
}

#[test]
fn an_idle_writer_removes_the_records_of_superseded_versions() {
    let f = fixture();
    let rows = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 5000)";
    write(&f.store, &format!("INSERT INTO t (id, v) {rows} SELECT n, 0 FROM c")).expect("insert");
    write(&f.store, "UPDATE t SET v = 1").expect("update");
    wait_until(PATIENCE, "a record is removed", || f.store.stats().log_records_removed > 0);
    assert_eq!(read(&f.store, "SELECT count(DISTINCT version) FROM crsql_log WHERE site = 0"), [Value::Integer(1)]);
    assert_eq!(read(&f.store, "SELECT count(*) FROM t WHERE v = 1"), [Value::Integer(5000)]);
}
