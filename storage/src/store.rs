//! The handle front ends hold: cloneable, async, over one writer thread, pool readers and per-worker inline readers.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{oneshot, watch};
use tracing::warn;

use crate::crsql::node_lock::NodeLock;
use crate::error::{ExecuteError, OpenError, SchemaError, UserError};
use crate::pool::command::{Command, LeaseJob, SchemaFilesJob, UserJob, WriteJob};
use crate::pool::inline::InlineReader;
pub use crate::pool::lease::{Lease, LossSignal};
use crate::pool::mailbox::Mailbox;
use crate::pool::reader::{ReadPool, Work};
use crate::pool::shared::Shared;
use crate::pool::slot::Readers;
pub use crate::pool::snapshot::Snapshot;
use crate::pool::writer::Writer;
use crate::schema::model::Schema;
use crate::schema::{self, Report, SchemaFile};
use crate::users::UserChange;
use crate::value::{Value, ValueRef};

/// Called on every new connection: registers a front end's functions, collations and attached in-memory databases.
pub type OnOpen = Arc<dyn Fn(&rusqlite::Connection) -> rusqlite::Result<()> + Send + Sync>;
/// Called before a statement with [`Statement::uses_catalog`] when the connection's catalog is older than the schema.
pub type OnSchema = Arc<dyn Fn(&rusqlite::Connection, &Schema) -> rusqlite::Result<()> + Send + Sync>;

/// How long closing waits for statements that are stuck in their sinks; the WAL then stays behind, complete.
const CLOSE_PATIENCE: Duration = Duration::from_secs(5);

/// How a store is opened. Every limit says what happens there.
#[derive(Clone)]
pub struct StoreOptions {
    pub path: PathBuf,
    /// `PRAGMA cache_size` of the write connection (negative: KiB).
    pub cache_size: i64,
    /// Size of the WAL past which readers that keep it from being reused lose their snapshot (72000). `perf.wal_threshold_mb`.
    pub wal_size_max: u64,
    /// While others wait, a lease idle for this long is lost (40001).
    pub lease_idle_max: Duration,
    /// While others wait, a lease held for this long is lost (40001).
    pub lease_held_max: Duration,
    /// Threads for reads that must not run inline; further ones wait.
    pub pool_threads: usize,
    pub on_open: Vec<OnOpen>,
    pub on_schema: Vec<OnSchema>,
}

impl fmt::Debug for StoreOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreOptions").field("path", &self.path).finish_non_exhaustive()
    }
}

/// What a commit waits for before it is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// The commit is on disk: survives kill -9 and power loss (`synchronous_commit = on`).
    Fsynced,
    /// The commit survives kill -9, not power loss (`synchronous_commit = off`).
    Committed,
}

/// SQLite text with its bound values, `?1` first. Written by a front end's emitter, never by a user of the wire.
#[derive(Debug, Clone)]
pub struct Statement {
    /// Shared so that the same plan hits each connection's statement cache.
    pub sql: Arc<str>,
    pub params: Vec<Value>,
    /// Reads the attached catalog: it is brought up to date first.
    pub uses_catalog: bool,
}

/// One result row, valid inside the sink's call.
pub struct Row<'a> {
    inner: &'a rusqlite::Row<'a>,
    columns: usize,
}

impl fmt::Debug for Row<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Row").field("columns", &self.columns).finish_non_exhaustive()
    }
}

impl<'a> Row<'a> {
    pub(crate) fn new(inner: &'a rusqlite::Row<'a>, columns: usize) -> Self {
        Self { inner, columns }
    }

    /// Number of result columns.
    pub fn len(&self) -> usize {
        self.columns
    }

    /// Whether the row has no columns.
    pub fn is_empty(&self) -> bool {
        self.columns == 0
    }

    /// The cell at `index`, counted from 0. Text that is not UTF-8 comes as a blob.
    pub fn value(&self, index: usize) -> ValueRef<'_> {
        match self.inner.get_ref(index) {
            Ok(rusqlite::types::ValueRef::Integer(i)) => ValueRef::Integer(i),
            Ok(rusqlite::types::ValueRef::Real(r)) => ValueRef::Real(r),
            Ok(rusqlite::types::ValueRef::Text(t)) => std::str::from_utf8(t).map_or(ValueRef::Blob(t), ValueRef::Text),
            Ok(rusqlite::types::ValueRef::Blob(b)) => ValueRef::Blob(b),
            Ok(rusqlite::types::ValueRef::Null) | Err(_) => ValueRef::Null,
        }
    }
}

/// Whether a sink wants more rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    Continue,
    /// Enough: the statement ends successfully here.
    Stop,
}

/// The sink failed; the statement ends with [`ExecuteError::Sink`]. The sink keeps its own reason.
#[derive(Debug)]
pub struct SinkStop;

/// Receives rows on the thread that runs the statement. On pool threads it may block (bounded channel); on the writer it
/// must not: buffer, with a limit, or give a [`Room`] with it.
pub type RowSink = Box<dyn FnMut(&Row<'_>) -> Result<Flow, SinkStop> + Send>;

/// Waits until a sink's reader has room for more rows, at most that long; whether it has. Asked after each row of a statement in
/// a lease, on the writer, which goes on watching the lease's limits between such waits.
pub type Room = Box<dyn FnMut(Duration) -> bool + Send>;

/// Cancels the statement that runs with it, and only that one. Cloned handles share the flag.
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Asks the running statement to stop. Takes effect within some thousand SQLite instructions.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether it was asked to stop.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// Clears the flag before the next statement of the same session.
    pub fn reset(&self) {
        self.0.store(false, Ordering::Release);
    }
}

/// What may end a statement early.
#[derive(Debug, Clone, Default)]
pub struct Limits {
    pub deadline: Option<Instant>,
    pub interrupt: Interrupt,
}

/// What a statement did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Outcome {
    /// Rows given to the sink.
    pub rows: u64,
    /// Rows inserted, updated or deleted by the statement itself.
    pub changes: u64,
}

/// The node's database. Clones share it; dropping the last one closes it without waiting.
#[derive(Debug, Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
    mailbox: Arc<Mailbox>,
    pool: Arc<ReadPool>,
    closed: watch::Receiver<bool>,
}

/// Counters since opening and a few sizes, for metrics. Taken one by one: sums may be off by what happens meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// SQLite transactions committed by the writer.
    pub groups: u64,
    /// Client transactions in them.
    pub transactions: u64,
    /// Times the WAL was synced.
    pub syncs: u64,
    pub checkpoints: u64,
    /// Checkpoints after which the WAL is used from its start again.
    pub wal_restarts: u64,
    /// Bytes of the WAL in use; the file may be larger.
    pub wal_bytes: u64,
    /// Commands waiting for the writer.
    pub writer_queue_len: u64,
    /// Reads waiting for a pool thread.
    pub reader_queue_len: u64,
    /// Log records of superseded versions removed.
    pub log_records_removed: u64,
    pub leases_lost: u64,
    pub snapshots_lost: u64,
}

impl Store {
    /// Opens or creates the database and starts its threads.
    ///
    /// # Errors
    /// Also if another node, or a shell with the extension that is just writing, has the file open.
    pub fn open(options: StoreOptions) -> Result<Self, OpenError> {
        let path = options.path.clone();
        let node_lock = lock_against_others(&path)?;
        let engine = Writer::open(&options)?;
        let schema = schema::load(engine.connection())
            .map_err(|error| OpenError::Unusable { path: path.clone(), message: error.to_string() })?;
        let shared = Arc::new(Shared::new(options, schema));
        let readers = Arc::new(Readers::default());
        let mailbox = Arc::new(Mailbox::default());
        let writer = Writer::new(engine, Arc::clone(&mailbox), Arc::clone(&shared), &readers)?;
        let threads = |error: std::io::Error| OpenError::Unusable {
            path: path.clone(),
            message: format!("start threads: {error}"),
        };
        let pool = ReadPool::start(&shared, &readers).map_err(&threads)?;
        let (closing, closed) = watch::channel(false);
        let served = Arc::clone(&pool);
        let last = RefuseAtEnd(Arc::clone(&mailbox));
        let spawned = std::thread::Builder::new().name("writer".to_owned()).spawn(move || {
            let last = last;
            let engine = writer.serve();
            drop(last);
            served.close();
            if !served.join(CLOSE_PATIENCE) {
                warn!("a read is stuck in its sink; its connection stays open");
            }
            if let Err(error) = engine.close() {
                warn!(%error, "close database");
            }
            drop(node_lock);
            closing.send_replace(true);
        });
        if let Err(error) = spawned {
            pool.close();
            return Err(threads(error));
        }
        Ok(Self { inner: Arc::new(Inner { shared, mailbox, pool, closed }) })
    }

    /// The committed schema.
    pub fn schema(&self) -> Arc<Schema> {
        self.inner.shared.schema()
    }

    /// A read connection for the calling worker thread.
    pub fn inline_reader(&self) -> Result<InlineReader, OpenError> {
        InlineReader::open(&self.inner.shared)
    }

    /// Runs one autocommit read on a pool thread. Dropping the future interrupts it.
    ///
    /// # Errors
    /// [`ExecuteError::SnapshotTooOld`] if it kept the WAL for too long. That may come while the sink is blocked: what the
    /// sink sends to must be dropped then.
    pub async fn read(&self, statement: Statement, limits: Limits, sink: RowSink) -> Result<Outcome, ExecuteError> {
        self.inner.pool.call(Work::Autocommit, statement, limits, sink).await
    }

    /// Runs one autocommit write in the next group commit; returns after its durability is reached. Dropping the future
    /// does not undo it.
    ///
    /// # Errors
    /// Rows given to the sink count only if this succeeds. [`ExecuteError::QueueFull`] at once if too many wait.
    /// [`ExecuteError::SnapshotStale`] (try again) in the rare case that a cancelled neighbour made it run twice and it
    /// returned different rows the second time. [`ExecuteError::LeaseLost`] if it ran longer than
    /// [`StoreOptions::lease_held_max`] while others waited. None of them leaves an effect.
    pub async fn write(
        &self,
        statement: Statement,
        durability: Durability,
        limits: Limits,
        sink: RowSink,
    ) -> Result<Outcome, ExecuteError> {
        let (reply, answer) = oneshot::channel();
        let planned_for = None;
        self.inner.mailbox.push(Command::Write(WriteJob { planned_for, statement, durability, limits, sink, reply }));
        answer.await.unwrap_or(Err(ExecuteError::Closed))
    }

    /// As [`Self::write`], for a statement that depends on the schema it was planned for, such as one that fills in the defaults of
    /// columns.
    ///
    /// # Errors
    /// [`ExecuteError::StalePlan`] if the schema has another version than `planned_for` when the statement's turn comes.
    pub async fn write_planned(
        &self,
        statement: Statement,
        planned_for: u64,
        durability: Durability,
        limits: Limits,
        sink: RowSink,
    ) -> Result<Outcome, ExecuteError> {
        let (reply, answer) = oneshot::channel();
        let planned_for = Some(planned_for);
        self.inner.mailbox.push(Command::Write(WriteJob { planned_for, statement, durability, limits, sink, reply }));
        answer.await.unwrap_or(Err(ExecuteError::Closed))
    }

    /// Waits for the writer, in order of arrival, and opens a transaction on it. Dropping the future leaves nothing behind.
    pub async fn lease(&self, limits: Limits) -> Result<Lease, ExecuteError> {
        let (reply, answer) = oneshot::channel();
        self.inner.mailbox.push(Command::Lease(LeaseJob { limits, snapshot: None, reply }));
        answer.await.unwrap_or(Err(ExecuteError::Closed))
    }

    /// Makes the database have what the schema files declare: all of it or nothing, in one durable transaction, in order of
    /// arrival with other writes. Dropping the future does not undo it.
    ///
    /// # Errors
    /// [`SchemaError`]; the schema is as it was.
    pub async fn apply_schema_files(&self, files: Vec<SchemaFile>) -> Result<Report, SchemaError> {
        let (reply, answer) = oneshot::channel();
        self.inner.mailbox.push(Command::SchemaFiles(SchemaFilesJob { files, reply }));
        answer.await.unwrap_or(Err(SchemaError::Execute(ExecuteError::Closed)))
    }

    /// Changes the users of this node in one durable transaction, in order of arrival with other writes. The users are part
    /// of [`Self::schema`], which has them when this returns. Dropping the future does not undo it.
    ///
    /// # Errors
    /// [`UserError`]; the users are as they were.
    pub async fn change_user(&self, change: UserChange) -> Result<(), UserError> {
        let (reply, answer) = oneshot::channel();
        self.inner.mailbox.push(Command::User(UserJob { change, reply }));
        answer.await.unwrap_or(Err(UserError::Execute(ExecuteError::Closed)))
    }

    /// Takes a read snapshot on a pool connection (REPEATABLE READ, suspended portals). Dropping the future leaves nothing
    /// behind.
    pub async fn snapshot(&self) -> Result<Snapshot, ExecuteError> {
        let cell = self.inner.pool.open_snapshot().await?;
        Ok(Snapshot::new(cell, Arc::clone(&self.inner.mailbox)))
    }

    /// What happened so far.
    pub fn stats(&self) -> Stats {
        let counters = &self.inner.shared.counters;
        let read = |counter: &AtomicU64| counter.load(Ordering::Acquire);
        Stats {
            groups: read(&counters.groups),
            transactions: read(&counters.transactions),
            syncs: read(&counters.syncs),
            checkpoints: read(&counters.checkpoints),
            wal_restarts: read(&counters.wal_restarts),
            wal_bytes: read(&counters.wal_bytes),
            writer_queue_len: self.inner.mailbox.len() as u64,
            reader_queue_len: self.inner.pool.waiting() as u64,
            log_records_removed: read(&counters.log_records_removed),
            leases_lost: read(&counters.leases_lost),
            snapshots_lost: read(&counters.snapshots_lost),
        }
    }

    /// Checkpoints, closes the files cleanly and stops the threads. Running statements get [`ExecuteError::Closed`]. No WAL
    /// is left if all inline readers were dropped before. Dropping the future does not stop the closing.
    pub async fn close(&self) {
        self.inner.begin_close();
        let mut closed = self.inner.closed.clone();
        // An error means that the writer thread is gone, which is what is waited for.
        let _gone = closed.wait_for(|closed| *closed).await;
    }
}

/// Nobody waits for a writer that is gone, also if it died of a panic in a sink.
struct RefuseAtEnd(Arc<Mailbox>);

impl Drop for RefuseAtEnd {
    fn drop(&mut self) {
        self.0.refuse_all(&ExecuteError::Closed);
        self.0.end_lease();
    }
}

/// A path that is a URI names a file system of its own, which no other process sees.
fn lock_against_others(path: &Path) -> Result<Option<NodeLock>, OpenError> {
    if path.to_str().is_some_and(|path| path.starts_with("file:")) {
        return Ok(None);
    }
    let mut lock = NodeLock::new(path);
    match lock.acquire() {
        Ok(()) => Ok(Some(lock)),
        Err(error) => Err(OpenError::Unusable { path: path.to_owned(), message: error.to_string() }),
    }
}

impl Inner {
    fn begin_close(&self) {
        self.shared.close();
        self.mailbox.refuse_all(&ExecuteError::Closed);
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.begin_close();
    }
}
