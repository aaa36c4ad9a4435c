//! The holder's side of an interactive transaction on the writer.

use std::sync::Arc;

use tokio::sync::{oneshot, watch};

use super::command::{LeaseOp, Reply};
use super::gate::Abandoned;
use super::mailbox::{Mailbox, PushOpError};
use crate::error::{DdlError, ExecuteError};
use crate::schema::ddl::{Ddl, DdlOutcome};
use crate::schema::model::Schema;
use crate::store::{Durability, Limits, Outcome, Room, RowSink, Statement};

/// An open transaction on the writer. Dropping it rolls back.
///
/// While others wait for the writer it is taken away after being idle or held for too long; SQLite itself takes it away
/// when a write is interrupted or the disk is full. Every later call but [`Self::rollback`] then fails with the reason, and
/// [`Self::loss`] tells it at once.
#[derive(Debug)]
pub struct Lease {
    id: u64,
    mailbox: Arc<Mailbox>,
    ended: watch::Receiver<Option<ExecuteError>>,
    schema: Arc<Schema>,
    finished: bool,
}

/// Tells that a lease was lost, to whoever waits for its session.
#[derive(Debug, Clone)]
pub struct LossSignal(watch::Receiver<Option<ExecuteError>>);

impl LossSignal {
    /// Why the lease was lost, if it was.
    pub fn reason(&self) -> Option<ExecuteError> {
        self.0.borrow().clone()
    }

    /// Returns when the lease is lost; never for one that ends by commit or rollback. Dropping the future leaves nothing
    /// behind.
    pub async fn lost(&mut self) -> ExecuteError {
        loop {
            let reason = self.0.borrow_and_update().clone();
            if let Some(reason) = reason {
                return reason;
            }
            if self.0.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

impl Lease {
    pub(crate) fn new(
        id: u64,
        mailbox: Arc<Mailbox>,
        ended: watch::Receiver<Option<ExecuteError>>,
        schema: Arc<Schema>,
    ) -> Self {
        Self { id, mailbox, ended, schema, finished: false }
    }

    /// The schema as this transaction sees it.
    pub fn schema(&self) -> Arc<Schema> {
        Arc::clone(&self.schema)
    }

    /// A handle that tells when this lease is lost.
    pub fn loss(&self) -> LossSignal {
        LossSignal(self.ended.clone())
    }

    /// Runs a statement, reading or writing. A failed statement leaves no effect; the transaction stays open, unless the
    /// statement was an interrupted write: SQLite then undoes the whole transaction and the lease is lost. Dropping the
    /// future interrupts the statement.
    pub async fn run(&mut self, statement: Statement, limits: Limits, sink: RowSink) -> Result<Outcome, ExecuteError> {
        self.run_with(statement, limits, sink, None).await
    }

    /// As [`Self::run`], with a reader that may be slow: the statement waits for `room` between its rows. While others wait for the
    /// writer, that wait counts as idling.
    pub async fn run_streaming(
        &mut self,
        statement: Statement,
        limits: Limits,
        sink: RowSink,
        room: Room,
    ) -> Result<Outcome, ExecuteError> {
        self.run_with(statement, limits, sink, Some(room)).await
    }

    async fn run_with(
        &mut self,
        statement: Statement,
        limits: Limits,
        sink: RowSink,
        room: Option<Room>,
    ) -> Result<Outcome, ExecuteError> {
        let abandoned = Abandoned::default();
        let guard = abandoned.guard();
        let result = self.call(|reply| LeaseOp::Run { statement, limits, abandoned, sink, room, reply }).await;
        guard.defuse();
        result
    }

    /// Runs a schema change. Dropping the future does not stop it.
    pub async fn ddl(&mut self, ddl: Ddl) -> Result<DdlOutcome, DdlError> {
        let (reply, answer) = oneshot::channel();
        self.push(LeaseOp::Ddl { ddl, reply })?;
        let Ok(result) = answer.await else {
            return Err(self.reason().into());
        };
        let (outcome, schema) = result?;
        self.schema = schema;
        Ok(outcome)
    }

    /// Opens a savepoint. Names may repeat, as in PostgreSQL; the caller checks existence before the other two.
    pub async fn savepoint(&mut self, name: &str) -> Result<(), ExecuteError> {
        self.call(|reply| LeaseOp::Savepoint { name: name.to_owned(), reply }).await
    }

    /// Undoes everything since the newest savepoint of that name, which stays.
    pub async fn rollback_to(&mut self, name: &str) -> Result<(), ExecuteError> {
        self.schema = self.call(|reply| LeaseOp::RollbackTo { name: name.to_owned(), reply }).await?;
        Ok(())
    }

    /// Forgets the newest savepoint of that name and those inside it; keeps their changes.
    pub async fn release(&mut self, name: &str) -> Result<(), ExecuteError> {
        self.call(|reply| LeaseOp::Release { name: name.to_owned(), reply }).await
    }

    /// Commits; returns when `durability` is reached. Dropping the future does not undo it.
    pub async fn commit(mut self, durability: Durability) -> Result<(), ExecuteError> {
        self.finished = true;
        self.call(|reply| LeaseOp::Commit { durability, reply }).await
    }

    /// Rolls back. A lost lease is rolled back already, which is success.
    pub async fn rollback(mut self) -> Result<(), ExecuteError> {
        self.finished = true;
        let (reply, answer) = oneshot::channel();
        if self.push(LeaseOp::Rollback { reply: Some(reply) }).is_err() {
            return Ok(());
        }
        answer.await.unwrap_or(Ok(()))
    }

    async fn call<T>(&mut self, op: impl FnOnce(Reply<T>) -> LeaseOp) -> Result<T, ExecuteError> {
        let (reply, answer) = oneshot::channel();
        self.push(op(reply))?;
        match answer.await {
            Ok(result) => result,
            Err(_) => Err(self.reason()),
        }
    }

    fn push(&self, op: LeaseOp) -> Result<(), ExecuteError> {
        match self.mailbox.push_op(self.id, op) {
            Ok(()) => Ok(()),
            Err(PushOpError::NotHolder) => Err(self.reason()),
            Err(PushOpError::Full) => Err(ExecuteError::QueueFull),
        }
    }

    fn reason(&self) -> ExecuteError {
        self.ended.borrow().clone().unwrap_or(ExecuteError::Closed)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if !self.finished {
            // Not holding it any more means that it is rolled back already.
            let _gone = self.mailbox.push_op(self.id, LeaseOp::Rollback { reply: None });
        }
    }
}
