//! A read snapshot that lasts: its connection waits in a cell between statements, and any pool thread may run the next one.
//!
//! An idle snapshot costs a connection, not a thread.

use std::sync::{Arc, Mutex, PoisonError, TryLockError};

use tokio::sync::oneshot;

use super::command::{Command, LeaseJob};
use super::gate::Abandoned;
use super::lease::Lease;
use super::mailbox::Mailbox;
use super::reader::{PoolConnection, ReadJob, ReadPool, Work};
use crate::error::ExecuteError;
use crate::schema::model::Schema;
use crate::store::{Limits, Outcome, RowSink, Statement};

/// Where a snapshot's connection waits. Dropping the last handle gives the connection back to the pool.
#[derive(Debug)]
pub(crate) struct SnapshotCell {
    /// `None` once it had to let go.
    connection: Mutex<Option<PoolConnection>>,
    pool: Arc<ReadPool>,
    schema: Arc<Schema>,
    commits: u64,
}

impl SnapshotCell {
    pub(crate) fn new(connection: PoolConnection, pool: Arc<ReadPool>, schema: Arc<Schema>, commits: u64) -> Self {
        Self { connection: Mutex::new(Some(connection)), pool, schema, commits }
    }

    /// Runs `job` with the connection, on a pool thread.
    pub(crate) fn run(&self, job: ReadJob) {
        let mut held = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(connection) = held.as_mut() else {
            return job.refuse_with(self.gone());
        };
        connection.run(job, &self.schema);
        if connection.slot.is_too_old()
            && let Some(connection) = held.take()
        {
            self.pool.take_back(connection);
        }
    }

    /// Ends the snapshot if the WAL policy said so. A statement that runs meanwhile does it itself when it ends.
    pub(crate) fn let_go_if_too_old(&self) {
        let mut held = match self.connection.try_lock() {
            Ok(held) => held,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        if held.as_ref().is_some_and(|connection| connection.slot.is_too_old())
            && let Some(connection) = held.take()
        {
            self.pool.take_back(connection);
        }
    }

    /// Ends the snapshot, unless a statement runs in it.
    pub(crate) fn let_go(&self) {
        if let Ok(mut held) = self.connection.try_lock()
            && let Some(connection) = held.take()
        {
            self.pool.take_back(connection);
        }
    }

    fn gone(&self) -> ExecuteError {
        if self.pool.shared.is_closing() { ExecuteError::Closed } else { ExecuteError::SnapshotTooOld }
    }
}

impl Drop for SnapshotCell {
    fn drop(&mut self) {
        let held = self.connection.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(connection) = held.take() {
            self.pool.take_back(connection);
        }
        self.pool.snapshot_ended();
    }
}

/// A read snapshot held on a pool connection. Dropping it ends it.
#[derive(Debug)]
pub struct Snapshot {
    cell: Arc<SnapshotCell>,
    mailbox: Arc<Mailbox>,
}

impl Snapshot {
    pub(crate) fn new(cell: Arc<SnapshotCell>, mailbox: Arc<Mailbox>) -> Self {
        Self { cell, mailbox }
    }

    /// The schema of the snapshot.
    pub fn schema(&self) -> Arc<Schema> {
        Arc::clone(&self.cell.schema)
    }

    /// Runs a read in the snapshot, on a pool thread; waits while none is free. Dropping the future interrupts it.
    ///
    /// # Errors
    /// [`ExecuteError::SnapshotTooOld`] after the WAL limit took the snapshot away. It may come while the sink is blocked:
    /// what the sink sends to must be dropped then.
    pub async fn run(&mut self, statement: Statement, limits: Limits, sink: RowSink) -> Result<Outcome, ExecuteError> {
        self.cell.pool.call(Work::Snapshot(Arc::clone(&self.cell)), statement, limits, sink).await
    }

    /// Turns the snapshot into a write transaction. Dropping the future leaves nothing behind.
    ///
    /// # Errors
    /// [`ExecuteError::SnapshotStale`] if anything was committed since.
    pub async fn into_lease(self, limits: Limits) -> Result<Lease, ExecuteError> {
        let commits = self.cell.commits;
        let counters = &self.cell.pool.shared.counters;
        if counters.commits.load(std::sync::atomic::Ordering::Acquire) != commits {
            return Err(ExecuteError::SnapshotStale);
        }
        let (reply, answer) = oneshot::channel();
        self.mailbox.push(Command::Lease(LeaseJob { limits, snapshot: Some(commits), reply }));
        answer.await.unwrap_or(Err(ExecuteError::Closed))
    }
}

/// A caller that does not come back interrupts its statement.
pub(crate) async fn await_answer(
    abandoned: &Abandoned,
    answer: oneshot::Receiver<Result<Outcome, ExecuteError>>,
) -> Result<Outcome, ExecuteError> {
    let guard = abandoned.guard();
    let result = answer.await.unwrap_or(Err(ExecuteError::Closed));
    // Told early (snapshot too old), the statement may still be running: the guard stays armed then.
    if result.is_ok() {
        guard.defuse();
    }
    result
}
