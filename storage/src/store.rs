//! The handle front ends hold: cloneable, async, over one writer thread, pool readers and per-worker inline readers.

#![expect(clippy::unused_async, dead_code, reason = "the pool behind this surface lands separately")]

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::error::{DdlError, ExecuteError, OpenError};
use crate::pool::inline::InlineReader;
use crate::schema::ddl::{Ddl, DdlOutcome};
use crate::schema::model::Schema;
use crate::value::{Value, ValueRef};

/// Called on every new connection: registers a front end's functions, collations and attached in-memory databases.
pub type OnOpen = Arc<dyn Fn(&rusqlite::Connection) -> rusqlite::Result<()> + Send + Sync>;
/// Called before a statement with [`Statement::uses_catalog`] when the connection's catalog is older than the schema.
pub type OnSchema = Arc<dyn Fn(&rusqlite::Connection, &Schema) -> rusqlite::Result<()> + Send + Sync>;

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
/// must not: buffer, with a limit.
pub type RowSink = Box<dyn FnMut(&Row<'_>) -> Result<Flow, SinkStop> + Send>;

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

/// The node's database.
#[derive(Debug, Clone)]
pub struct Store {}

impl Store {
    /// Opens or creates the database and starts its threads.
    pub fn open(_options: StoreOptions) -> Result<Self, OpenError> {
        Ok(Self {})
    }

    /// The committed schema.
    pub fn schema(&self) -> Arc<Schema> {
        Arc::new(Schema::default())
    }

    /// A read connection for the calling worker thread.
    pub fn inline_reader(&self) -> Result<InlineReader, OpenError> {
        unimplemented!("lands with the pool")
    }

    /// Runs one autocommit read on a pool thread. Dropping the future interrupts it.
    pub async fn read(&self, _statement: Statement, _limits: Limits, _sink: RowSink) -> Result<Outcome, ExecuteError> {
        Err(ExecuteError::Closed)
    }

    /// Runs one autocommit write in the next group commit; returns after its durability is reached. Dropping the future
    /// does not undo it.
    pub async fn write(
        &self,
        _statement: Statement,
        _durability: Durability,
        _limits: Limits,
        _sink: RowSink,
    ) -> Result<Outcome, ExecuteError> {
        Err(ExecuteError::Closed)
    }

    /// Waits for the writer and opens a transaction on it.
    pub async fn lease(&self, _limits: Limits) -> Result<Lease, ExecuteError> {
        Err(ExecuteError::Closed)
    }

    /// Takes a read snapshot on a pool connection (REPEATABLE READ, suspended portals).
    pub async fn snapshot(&self) -> Result<Snapshot, ExecuteError> {
        Err(ExecuteError::Closed)
    }

    /// Checkpoints, closes the files cleanly and stops the threads. Running statements get [`ExecuteError::Closed`].
    pub async fn close(&self) {}
}

/// An open transaction on the writer. Dropping it rolls back.
#[derive(Debug)]
pub struct Lease {}

impl Lease {
    /// The schema as this transaction sees it.
    pub fn schema(&self) -> Arc<Schema> {
        Arc::new(Schema::default())
    }

    /// Runs a statement, reading or writing. A failed statement leaves no effect; the transaction stays open.
    pub async fn run(&mut self, _: Statement, _: Limits, _: RowSink) -> Result<Outcome, ExecuteError> {
        Err(ExecuteError::Closed)
    }

    /// Runs a schema change.
    pub async fn ddl(&mut self, _ddl: Ddl) -> Result<DdlOutcome, DdlError> {
        Err(DdlError::Execute(ExecuteError::Closed))
    }

    /// Opens a savepoint. Names may repeat, as in PostgreSQL; the caller checks existence before the other two.
    pub async fn savepoint(&mut self, _name: &str) -> Result<(), ExecuteError> {
        Err(ExecuteError::Closed)
    }

    /// Undoes everything since the newest savepoint of that name, which stays.
    pub async fn rollback_to(&mut self, _name: &str) -> Result<(), ExecuteError> {
        Err(ExecuteError::Closed)
    }

    /// Forgets the newest savepoint of that name and those inside it; keeps their changes.
    pub async fn release(&mut self, _name: &str) -> Result<(), ExecuteError> {
        Err(ExecuteError::Closed)
    }

    /// Commits; returns when `durability` is reached.
    pub async fn commit(self, _durability: Durability) -> Result<(), ExecuteError> {
        Err(ExecuteError::Closed)
    }

    /// Rolls back.
    pub async fn rollback(self) -> Result<(), ExecuteError> {
        Err(ExecuteError::Closed)
    }
}

/// A read snapshot held on a pool connection.
#[derive(Debug)]
pub struct Snapshot {}

impl Snapshot {
    /// Runs a read in the snapshot.
    ///
    /// # Errors
    /// [`ExecuteError::SnapshotTooOld`] after the WAL limit took the snapshot away.
    pub async fn run(&mut self, _: Statement, _: Limits, _: RowSink) -> Result<Outcome, ExecuteError> {
        Err(ExecuteError::Closed)
    }

    /// Turns the snapshot into a write transaction.
    ///
    /// # Errors
    /// [`ExecuteError::SnapshotStale`] if anything was committed since.
    pub async fn into_lease(self, _limits: Limits) -> Result<Lease, ExecuteError> {
        Err(ExecuteError::Closed)
    }
}
