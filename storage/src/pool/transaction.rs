//! The writer's side of a lease: one interactive transaction, one call of its holder after the other.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::command::{LeaseJob, LeaseOp, Reply, answer, expired};
use super::gate::{Abandoned, Gate};
use super::lease::Lease;
use super::mailbox::{EXPIRY_INTERVAL, LeaseClock, Mailbox, NextOp};
use super::savepoint::SavepointStack;
use super::shared::{Counters, Shared};
use super::time;
use super::writer::{Failure, Writer, is_fatal};
use crate::error::{DdlError, ExecuteError, LeaseLoss};
use crate::schema::ddl::{Ddl, DdlOutcome};
use crate::schema::execute_ddl;
use crate::schema::model::Schema;
use crate::store::{Durability, Limits, Outcome, Room, Row, RowSink, SinkStop, Statement};

/// The savepoint that undoes a statement whose rows its reader refused. The client's own names never look like this.
const STATEMENT_SAVEPOINT: &str = "statement";

struct Transaction {
    schema: Arc<Schema>,
    schema_changed: bool,
    changed: bool,
    savepoints: SavepointStack,
    clock: LeaseClock,
}

/// Who takes a statement's rows.
struct Rows {
    sink: RowSink,
    room: Option<Room>,
}

/// What may end a statement that waits for its reader.
struct RoomWatch {
    gate: Gate,
    mailbox: Arc<Mailbox>,
    shared: Arc<Shared>,
    clock: LeaseClock,
}

impl RoomWatch {
    /// Waits for room. Gives the reason if the statement has to end instead.
    fn wait(&self, room: &mut Room) -> Option<ExecuteError> {
        if room(Duration::ZERO) {
            return None;
        }
        let clock = LeaseClock { idle_since: time::now(), ..self.clock };
        loop {
            let now = time::now();
            if let Some(stop) = self.gate.reason(now) {
                return Some(stop.into());
            }
            if self.shared.is_closing() {
                return Some(ExecuteError::Closed);
            }
            self.mailbox.expire(now);
            let loss = if self.mailbox.len() > 0 { clock.loss(now) } else { None };
            if let Some(loss) = loss {
                return Some(ExecuteError::LeaseLost(loss));
            }
            if room(EXPIRY_INTERVAL) {
                return None;
            }
        }
    }
}

/// How a transaction ends: the error its holder gets from later calls, if it did not end by its own wish.
type End = ControlFlow<Option<ExecuteError>>;

impl Writer {
    /// Grants the lease and serves it to its end.
    pub(super) fn serve_lease(&mut self, job: LeaseJob) {
        if let Some(error) = expired(&job.limits, time::now()) {
            return answer(job.reply, Err(error));
        }
        let commits = self.shared.counters.commits.load(std::sync::atomic::Ordering::Acquire);
        if job.snapshot.is_some_and(|snapshot| snapshot != commits) {
            return answer(job.reply, Err(ExecuteError::SnapshotStale));
        }
        let begun = self.begin_group().and_then(|()| self.begin_version());
        if let Err(error) = begun {
            let error = match self.undo_group(error) {
                Failure::Fatal(error) => self.fail(&error),
                Failure::Alone(error) | Failure::Undone(error) => error,
            };
            return answer(job.reply, Err(error));
        }
        let (ended, status) = watch::channel(None);
        self.lease_id_last += 1;
        self.mailbox.grant(self.lease_id_last);
        let lease = Lease::new(self.lease_id_last, Arc::clone(&self.mailbox), status, self.shared.schema());
        // If the session went away meanwhile, the lease is dropped here, which asks for a rollback.
        answer(job.reply, Ok(lease));
        let transaction = self.transaction();
        self.hold(Some(transaction.clock.started));
        let reason = self.serve_ops(transaction);
        self.hold(None);
        if !self.engine.connection().is_autocommit() {
            self.rollback();
        }
        if let Some(reason) = reason {
            if matches!(reason, ExecuteError::LeaseLost(_)) {
                Counters::add(&self.shared.counters.leases_lost);
            }
            ended.send_replace(Some(reason));
        }
        self.mailbox.end_lease();
    }

    fn transaction(&self) -> Transaction {
        let now = time::now();
        let options = &self.shared.options;
        Transaction {
            schema: self.shared.schema(),
            schema_changed: false,
            changed: false,
            savepoints: SavepointStack::default(),
            clock: LeaseClock {
                started: now,
                idle_since: now,
                idle_max: options.lease_idle_max,
                held_max: options.lease_held_max,
            },
        }
    }

    fn serve_ops(&mut self, mut transaction: Transaction) -> Option<ExecuteError> {
        loop {
            let end = match self.mailbox.next_op(&transaction.clock) {
                NextOp::Op(op) => self.op(&mut transaction, op),
                NextOp::Lost(loss) => ControlFlow::Break(Some(ExecuteError::LeaseLost(loss))),
                NextOp::Stopped => ControlFlow::Break(Some(ExecuteError::Closed)),
            };
            if let ControlFlow::Break(reason) = end {
                return reason;
            }
            transaction.clock.idle_since = time::now();
        }
    }

    fn op(&mut self, transaction: &mut Transaction, op: LeaseOp) -> End {
        match op {
            LeaseOp::Run { statement, limits, abandoned, sink, room, reply } => {
                let rows = Rows { sink, room };
                let result = self.statement(transaction, &statement, &limits, &abandoned, rows);
                self.after(result, reply)
            }
            LeaseOp::Ddl { ddl, reply } => self.ddl(transaction, &ddl, reply),
            LeaseOp::Savepoint { name, reply } => {
                let result = self.savepoint(transaction, name);
                self.after(result, reply)
            }
            LeaseOp::RollbackTo { name, reply } => {
                let result = self.rollback_to(transaction, &name);
                self.after(result, reply)
            }
            LeaseOp::Release { name, reply } => {
                let result = self.release(transaction, &name);
                self.after(result, reply)
            }
            LeaseOp::Commit { durability, reply } => {
                answer(reply, self.commit_lease(transaction, durability));
                ControlFlow::Break(None)
            }
            LeaseOp::Rollback { reply } => {
                self.rollback();
                if let Some(reply) = reply {
                    answer(reply, Ok(()));
                }
                ControlFlow::Break(None)
            }
        }
    }

    /// Answers a call and tells whether the transaction is still there.
    fn after<T>(&mut self, result: Result<T, ExecuteError>, reply: Reply<T>) -> End {
        match result {
            Ok(value) => {
                answer(reply, Ok(value));
                ControlFlow::Continue(())
            }
            Err(error) => {
                let (error, end) = self.after_error(error);
                answer(reply, Err(error));
                end
            }
        }
    }

    /// What the holder is told about the failed call, and whether the transaction is still there.
    fn after_error(&mut self, error: ExecuteError) -> (ExecuteError, End) {
        if is_fatal(&error) {
            let error = self.fail(&error);
            return (error.clone(), ControlFlow::Break(Some(error)));
        }
        if matches!(error, ExecuteError::LeaseLost(_) | ExecuteError::Closed) {
            return (error.clone(), ControlFlow::Break(Some(error)));
        }
        if self.engine.connection().is_autocommit() {
            return (error, ControlFlow::Break(Some(ExecuteError::LeaseLost(LeaseLoss::Undone))));
        }
        (error, ControlFlow::Continue(()))
    }

    fn statement(
        &mut self,
        transaction: &mut Transaction,
        statement: &Statement,
        limits: &Limits,
        abandoned: &Abandoned,
        rows: Rows,
    ) -> Result<Outcome, ExecuteError> {
        // A write that returns rows has made all its changes before its reader can refuse the first of them.
        let guarded = self.returns_from_write(statement)?;
        if guarded {
            self.batch(&format!("SAVEPOINT {STATEMENT_SAVEPOINT}"))?;
        }
        let schema = Arc::clone(&transaction.schema);
        let Rows { mut sink, mut room } = rows;
        let watch = RoomWatch {
            gate: self.gate.clone(),
            mailbox: Arc::clone(&self.mailbox),
            shared: Arc::clone(&self.shared),
            clock: transaction.clock,
        };
        let mut given_up = None;
        let mut on_row = |row: &Row<'_>| {
            let flow = sink(row)?;
            given_up = room.as_mut().and_then(|room| watch.wait(room));
            if given_up.is_some() { Err(SinkStop) } else { Ok(flow) }
        };
        let result = self.run(statement, limits, Some(abandoned), &schema, &mut on_row);
        let result = given_up.map_or(result, Err);
        if guarded && !self.engine.connection().is_autocommit() {
            if result.is_err() {
                self.batch(&format!("ROLLBACK TO {STATEMENT_SAVEPOINT}"))?;
            }
            self.batch(&format!("RELEASE {STATEMENT_SAVEPOINT}"))?;
        }
        transaction.changed |= result.as_ref().is_ok_and(|outcome| outcome.changes > 0);
        result
    }

    fn returns_from_write(&self, statement: &Statement) -> Result<bool, ExecuteError> {
        let prepared = self.gate.prepare(self.engine.connection(), &statement.sql)?;
        Ok(!prepared.readonly() && prepared.column_count() > 0)
    }

    fn ddl(
        &mut self,
        transaction: &mut Transaction,
        ddl: &Ddl,
        reply: tokio::sync::oneshot::Sender<Result<(DdlOutcome, Arc<Schema>), DdlError>>,
    ) -> End {
        match self.run_ddl(transaction, ddl) {
            Ok(outcome) => {
                answer(reply, Ok((outcome, Arc::clone(&transaction.schema))));
                ControlFlow::Continue(())
            }
            Err(DdlError::Execute(error)) => {
                let (error, end) = self.after_error(error);
                answer(reply, Err(error.into()));
                end
            }
            Err(error) => {
                answer(reply, Err(error));
                ControlFlow::Continue(())
            }
        }
    }

    fn run_ddl(&mut self, transaction: &mut Transaction, ddl: &Ddl) -> Result<DdlOutcome, DdlError> {
        let before = Arc::clone(&transaction.schema);
        let (outcome, schema) = self.gated(|writer| execute_ddl(&mut writer.engine, &before, ddl))?;
        transaction.schema_changed |= schema.version != transaction.schema.version;
        transaction.changed = true;
        transaction.schema = Arc::new(schema);
        Ok(outcome)
    }

    fn savepoint(&mut self, transaction: &mut Transaction, name: String) -> Result<(), ExecuteError> {
        let Some(sql) = transaction.savepoints.open() else {
            let message = "too many open savepoints in one transaction".to_owned();
            return Err(ExecuteError::Sqlite { code: rusqlite::ffi::SQLITE_NOMEM, extended_code: 7, message });
        };
        self.batch(&sql)?;
        transaction.savepoints.opened(name, Arc::clone(&transaction.schema));
        Ok(())
    }

    fn rollback_to(&mut self, transaction: &mut Transaction, name: &str) -> Result<Arc<Schema>, ExecuteError> {
        let depth = transaction.savepoints.find(name).ok_or_else(|| no_savepoint(name))?;
        self.batch(&SavepointStack::rollback_to(depth))?;
        self.catalog.forget();
        if let Some(schema) = transaction.savepoints.rolled_back_to(depth) {
            transaction.schema = schema;
        }
        Ok(Arc::clone(&transaction.schema))
    }

    fn release(&mut self, transaction: &mut Transaction, name: &str) -> Result<(), ExecuteError> {
        let depth = transaction.savepoints.find(name).ok_or_else(|| no_savepoint(name))?;
        self.batch(&SavepointStack::release(depth))?;
        transaction.savepoints.released(depth);
        Ok(())
    }

    fn commit_lease(&mut self, transaction: &Transaction, durability: Durability) -> Result<(), ExecuteError> {
        let committed = self.engine.end_version().and_then(|_| {
            let schema = transaction.schema_changed.then(|| Arc::clone(&transaction.schema));
            self.commit_and_publish(transaction.changed, schema)
        });
        committed.map_err(|error| self.told(error))?;
        Counters::add(&self.shared.counters.transactions);
        match durability {
            Durability::Committed => Ok(()),
            Durability::Fsynced => self.sync(),
        }
    }

    fn batch(&self, sql: &str) -> Result<(), ExecuteError> {
        self.engine.connection().execute_batch(sql).map_err(ExecuteError::from)
    }
}

fn no_savepoint(name: &str) -> ExecuteError {
    let message = format!("no such savepoint: {name}");
    ExecuteError::Sqlite { code: rusqlite::ffi::SQLITE_ERROR, extended_code: 1, message }
}
