//! Runs one planned statement to its end, or to its row limit, and writes its rows.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use storage::error::ExecuteError;
use storage::store::{Flow, Limits, Outcome, Row, SinkStop};
use storage::{Ddl, Statement, Value};

use super::cursor::Fetch;
use super::effects::After;
use super::executor::{Executor, Failure, Job, result_type_changed};
use super::route::{Route, Situation, route};
use super::rows::{Gathered, RowEncoder};
use super::stream::{RowStream, StreamError};
use super::transact::Backend;
use crate::error::{SqlError, report, sqlstate};
use crate::plan::{Access, Action, Planned, SessionValue, Slot, SqlAction, Tag, Utility};
use crate::protocol::Format;
use crate::protocol::backend::Severity;
use crate::session::calls::OpenCalls;
use crate::session::settings::Formats;
use crate::session::statement::Prepared;
use crate::session::transaction::{Class, Command};
use crate::types::array::Array;

/// Time a read may take on its worker's thread, where it keeps all other sessions of the worker waiting. Longer ones start
/// again on the pool. Measured: with it the slowest of eight clients' point reads beside an endless query took 22 ms, not 1.3 s.
const INLINE_BUDGET: Duration = Duration::from_micros(500);

/// What a plan was made from, for when the schema changes before it runs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source<'a> {
    pub text: &'a str,
    /// Parameter types as the client declared them.
    pub declared: &'a [u32],
    pub schema_version: u64,
}

impl<'a> From<&'a Prepared> for Source<'a> {
    fn from(statement: &'a Prepared) -> Self {
        Self { text: &statement.text, declared: &statement.declared, schema_version: statement.schema_version }
    }
}

/// One statement about to run.
#[derive(Debug, Clone)]
pub(super) struct Execution<'a> {
    pub planned: &'a Planned,
    pub source: Source<'a>,
    pub params: &'a [Value],
    pub formats: Arc<[Format]>,
    /// Rows after which the portal is suspended.
    pub max_rows: Option<usize>,
    /// The statement is its whole transaction.
    pub alone: bool,
    pub job: &'a Job,
}

/// How far a statement came.
#[derive(Debug)]
pub(super) enum Progress {
    /// CommandComplete's text.
    Complete(String),
    /// The row limit was reached.
    Suspended(Box<RowStream<'static>>),
    /// There was no statement.
    Empty,
}

impl Executor {
    /// Runs a statement; its rows are in the outbox afterwards, its CommandComplete is not.
    ///
    /// # Errors
    /// The statement's; rows may have been written.
    pub(super) async fn run(&mut self, execution: Execution<'_>) -> Result<Progress, Failure> {
        let plan = &execution.planned.plan;
        self.follow_users(execution.source.schema_version)?;
        match &plan.action {
            Action::Empty => Ok(Progress::Empty),
            Action::Refused(error) => {
                self.decide(&Command::Statement(Class::Read))?;
                Err((**error).clone().into())
            }
            Action::Utility(Utility::Declare(cursor)) => self.declare(cursor, &execution).await,
            Action::Utility(Utility::Fetch { name, rows, moves }) => {
                let fetch = Fetch { name, rows: *rows, moves: *moves };
                self.fetch_cursor(fetch, &execution.formats, execution.job).await
            }
            Action::Utility(utility) => self.run_utility(utility, plan).await,
            Action::Ddl(ddl) => {
                self.decide(&Command::Statement(ddl_class(ddl, &plan.tag)))?;
                self.identity.rights.check(plan)?;
                self.run_ddl(ddl.clone(), execution.job).await?;
                Ok(Progress::Complete(tag_text(&plan.tag, Outcome::default())))
            }
            Action::Sql(sql) => {
                let class = match sql.access {
                    Access::Read => sql.row_lock.map_or(Class::Read, |lock| Class::Write(lock.statement)),
                    Access::Write => Class::Write(write_name(&plan.tag)),
                };
                self.decide(&Command::Statement(class))?;
                self.identity.rights.check(plan)?;
                let result = if sql.calls_session {
                    self.run_calling(sql, &execution).await
                } else {
                    self.run_current(sql, &execution).await
                };
                match result {
                    Err(Failure::Sql(error)) => Err(Failure::Sql(self.explained(error, sql, &execution).await)),
                    other => other,
                }
            }
        }
    }

    /// Runs a statement that acts on the session, again when it had to wait for an advisory lock. Its rows are kept until it has
    /// ended, so that a run which comes to nothing has sent none.
    async fn run_calling(&mut self, sql: &SqlAction, execution: &Execution<'_>) -> Result<Progress, Failure> {
        loop {
            self.start_calls();
            let result = self.run_current(sql, execution).await;
            match self.settle_calls(result, execution.job).await? {
                After::Done(result) => return result,
                After::Again => {}
            }
        }
    }

    /// Follows a change of the users since the session last looked; the statement was planned after it.
    ///
    /// # Errors
    /// 57P01 if the session's user is gone.
    pub(super) fn follow_users(&mut self, schema_version: u64) -> Result<(), SqlError> {
        if self.identity.rights.is_older_than(schema_version) {
            let schema = self.schema();
            self.identity.rights.refresh(&self.identity.user, &schema)?;
        }
        Ok(())
    }

    async fn run_ddl(&mut self, ddl: Ddl, job: &Job) -> Result<(), Failure> {
        self.take_lease(job).await?;
        let Backend::Lease(lease) = &mut self.held else {
            return Err(SqlError::new(sqlstate::INTERNAL_ERROR, "the writer was not taken").into());
        };
        match lease.ddl(ddl).await {
            Ok(outcome) => {
                for (code, text) in outcome.notices {
                    self.notice(Severity::Notice, &SqlError::new(code, text));
                }
                Ok(())
            }
            Err(storage::DdlError::Execute(error)) => Err(self.storage_failure(&error)),
            Err(error) => Err(report::from_ddl(&error, &self.schema()).into()),
        }
    }

    /// Runs a statement; if another session changed the schema after it was planned, and it failed for that, once more with
    /// a plan for the schema as it is now.
    async fn run_current(&mut self, sql: &SqlAction, execution: &Execution<'_>) -> Result<Progress, Failure> {
        let failure = match self.run_sql(sql, execution).await {
            Err(Failure::Sql(error)) if error.sqlstate == sqlstate::INTERNAL_ERROR && self.is_stale(execution) => error,
            other => return other,
        };
        let source = execution.source;
        let schema = self.schema();
        let planned = self.plan(source.text, source.declared, &schema)?;
        let Action::Sql(again) = &planned.plan.action else { return Err(failure.into()) };
        let old = &execution.planned.plan;
        if planned.plan.columns != old.columns || planned.plan.param_types != old.param_types {
            return Err(result_type_changed().into());
        }
        let source = Source { schema_version: schema.version, ..source };
        self.run_sql(again, &Execution { planned: &planned, source, ..execution.clone() }).await
    }

    fn is_stale(&self, execution: &Execution<'_>) -> bool {
        self.schema().version != execution.source.schema_version
    }

    async fn run_sql(&mut self, sql: &SqlAction, execution: &Execution<'_>) -> Result<Progress, Failure> {
        let handed_on = if sql.steps.is_empty() { Vec::new() } else { self.run_steps(sql, execution).await? };
        let params = self.slots(&sql.slots, execution, &handed_on)?;
        let statement = Statement { sql: sql.sql.clone(), params, uses_catalog: sql.uses_catalog };
        let encoder = RowEncoder {
            plan: execution.planned.plan.clone(),
            formats: execution.formats.clone(),
            settings: self.settings.formats().clone(),
        };
        // A statement alone has nothing to keep rows locked for.
        let locks = sql.row_lock.filter(|_| !execution.alone);
        if let Some(lock) = locks {
            self.take_row_lock(lock, execution.job).await?;
        }
        let situation = Situation {
            access: if locks.is_some() { Access::Write } else { sql.access },
            isolation: self.tx.mode().isolation,
            held: self.held.held(),
            // Notifications are in the order of commits only for those who hold the writer.
            // In a group nobody watches how long a write waits for the writer.
            alone: execution.alone && !sql.calls_session && self.settings.timeouts().lock.is_none(),
            repeatable: sql.repeatable,
            offload: sql.offload,
            limited: execution.max_rows.is_some(),
        };
        match route(&situation) {
            Route::Inline => {
                let offload = self.worker.offloads.borrow_mut().take(&statement.sql);
                if !offload && let Some(outcome) = self.run_inline(&statement, &encoder, execution.job)? {
                    return Ok(Progress::Complete(tag_text(&execution.planned.plan.tag, outcome)));
                }
                self.run_on_pool(statement, encoder, execution).await
            }
            Route::Pool if sql.calls_session => self.run_on_pool_whole(statement, encoder, execution).await,
            Route::Pool => self.run_on_pool(statement, encoder, execution).await,
            Route::Snapshot => {
                self.take_snapshot().await?;
                self.run_in_snapshot(statement, encoder, execution, sql.calls_session).await
            }
            Route::Lease => {
                self.take_lease(execution.job).await?;
                // Others may have changed the schema while this session waited; defaults, say, are part of the plan.
                if self.is_stale(execution) {
                    return Err(SqlError::new(sqlstate::INTERNAL_ERROR, "the plan is for another schema").into());
                }
                self.run_on_lease(statement, encoder, execution, sql.calls_session).await
            }
            Route::GroupCommit => self.run_in_group(statement, encoder, execution).await,
        }
    }

    /// Runs what a WITH that writes does before its statement, on the writer, which the statement itself then finds held.
    /// Returns the rows of each part, packed. A failure leaves the parts before it done, in a transaction that has failed.
    async fn run_steps(&mut self, sql: &SqlAction, execution: &Execution<'_>) -> Result<Vec<Value>, Failure> {
        self.take_lease(execution.job).await?;
        if self.is_stale(execution) {
            return Err(SqlError::new(sqlstate::INTERNAL_ERROR, "the plan is for another schema").into());
        }
        let mut handed_on: Vec<Value> = Vec::with_capacity(sql.steps.len());
        for step in &sql.steps {
            let params = self.slots(&step.slots, execution, &handed_on)?;
            let statement = Statement { sql: step.sql.clone(), params, uses_catalog: step.uses_catalog };
            let packed: Arc<Mutex<Result<Vec<u8>, SqlError>>> = Arc::new(Mutex::new(Ok(Vec::new())));
            let sink = {
                let (packed, width) = (packed.clone(), step.width);
                Box::new(move |row: &Row<'_>| {
                    let cells: Vec<_> = (0..width).map(|index| row.value(index)).collect();
                    let mut packed = packed.lock().unwrap_or_else(PoisonError::into_inner);
                    let pushed = match packed.as_mut() {
                        Ok(rows) => crate::function::packed::push_row(rows, &cells),
                        Err(_) => return Err(SinkStop),
                    };
                    pushed.map(|()| Flow::Continue).map_err(|error| {
                        *packed = Err(error);
                        SinkStop
                    })
                })
            };
            let Backend::Lease(lease) = &mut self.held else {
                return Err(SqlError::new(sqlstate::INTERNAL_ERROR, "the writer was not taken").into());
            };
            let result = lease.run(statement, execution.job.limits(), sink).await;
            let packed = std::mem::replace(&mut *packed.lock().unwrap_or_else(PoisonError::into_inner), Ok(Vec::new()));
            let rows = packed?;
            self.checked(result)?;
            handed_on.push(Value::Blob(rows));
        }
        Ok(handed_on)
    }

    /// Runs on this thread. None: the budget was not enough, nothing has happened.
    fn run_inline(
        &mut self,
        statement: &Statement,
        encoder: &RowEncoder,
        job: &Job,
    ) -> Result<Option<Outcome>, Failure> {
        let mark = self.outbox.buf.len();
        let mut refused = None;
        let out = &mut self.outbox.buf;
        let result = match self.worker.reader.borrow_mut().as_mut() {
            Some(reader) => reader.run(statement, INLINE_BUDGET, &job.interrupt, &mut |row| {
                encoder.encode(row, out).map(|()| Flow::Continue).map_err(|error| {
                    refused = Some(error);
                    SinkStop
                })
            }),
            None => Err(ExecuteError::Closed),
        };
        let error = match result {
            Ok(outcome) => {
                self.worker.shared.counters.inline_reads.fetch_add(1, Ordering::Relaxed);
                return Ok(Some(outcome));
            }
            Err(error) => error,
        };
        self.outbox.buf.truncate(mark);
        if let Some(refused) = refused {
            return Err(refused.into());
        }
        if matches!(error, ExecuteError::BudgetExceeded) {
            self.worker.shared.counters.offloaded_reads.fetch_add(1, Ordering::Relaxed);
            self.worker.offloads.borrow_mut().note(&statement.sql);
            return Ok(None);
        }
        Err(self.storage_failure(&error))
    }

    async fn run_on_pool(
        &mut self,
        statement: Statement,
        encoder: RowEncoder,
        execution: &Execution<'_>,
    ) -> Result<Progress, Failure> {
        self.worker.shared.counters.pool_reads.fetch_add(1, Ordering::Relaxed);
        // Between fetches a suspended statement's clock stands still, so its deadline is kept here and not by storage.
        let deadline = if execution.max_rows.is_some() { None } else { execution.job.deadline };
        let limits = Limits { deadline, interrupt: execution.job.interrupt.clone() };
        let stream = Box::new(RowStream::start(&self.worker.store, statement, limits, encoder));
        self.fetch(stream, execution.max_rows, execution.job, &execution.planned.plan.tag).await
    }

    async fn run_on_pool_whole(
        &mut self,
        statement: Statement,
        encoder: RowEncoder,
        execution: &Execution<'_>,
    ) -> Result<Progress, Failure> {
        self.worker.shared.counters.pool_reads.fetch_add(1, Ordering::Relaxed);
        let gathered = Gathered::default();
        let sink = gathered.buffering_sink(encoder, self.buffered_result_size_max);
        let result = self.worker.store.read(statement, execution.job.limits(), sink).await;
        self.finish(result, &gathered, execution).await
    }

    /// Sends a stream's rows, up to `max_rows`.
    ///
    /// # Errors
    /// The stream's, or 57014 past the deadline; the stream is dropped.
    pub(super) async fn fetch(
        &mut self,
        mut stream: Box<RowStream<'static>>,
        max_rows: Option<usize>,
        job: &Job,
        tag: &Tag,
    ) -> Result<Progress, Failure> {
        let Some(limit) = max_rows else {
            let sent = stream.send_all(&mut self.outbox).await.map_err(|error| self.stream_failure(error))?;
            return Ok(Progress::Complete(tag_text(tag, Outcome { rows: sent, changes: stream.changes })));
        };
        let fetch = async {
            if limit == 0 {
                // A cursor sees the data of its declaration.
                stream.prime().await?;
            }
            stream.fetch(limit, &mut self.outbox.buf).await
        };
        let fetched = match job.deadline {
            Some(deadline) => tokio::time::timeout_at(deadline.into(), fetch)
                .await
                .unwrap_or(Err(StreamError::Storage(ExecuteError::DeadlineExceeded))),
            None => fetch.await,
        };
        let fetched = fetched.map_err(|error| self.stream_failure(error))?;
        if fetched == limit {
            return Ok(Progress::Suspended(stream));
        }
        Ok(Progress::Complete(tag_text(tag, Outcome { rows: fetched as u64, changes: stream.changes })))
    }

    pub(super) fn stream_failure(&mut self, error: StreamError) -> Failure {
        match error {
            StreamError::Encode(error) => error.into(),
            StreamError::Gone => Failure::Gone,
            StreamError::Storage(error) => self.storage_failure(&error),
        }
    }

    async fn run_in_snapshot(
        &mut self,
        statement: Statement,
        encoder: RowEncoder,
        execution: &Execution<'_>,
        keep_rows: bool,
    ) -> Result<Progress, Failure> {
        let Backend::Snapshot(snapshot) = &mut self.held else {
            return Err(SqlError::new(sqlstate::INTERNAL_ERROR, "the snapshot was not taken").into());
        };
        let limits = execution.job.limits();
        if execution.max_rows.is_some() || keep_rows {
            // A portal must not keep the snapshot from the statements between its fetches, so its rows are kept instead.
            let gathered = Gathered::default();
            let sink = gathered.buffering_sink(encoder, self.buffered_result_size_max);
            let result = snapshot.run(statement, limits, sink).await;
            return self.finish(result, &gathered, execution).await;
        }
        let interrupt = limits.interrupt.clone();
        let mut stream = RowStream::over(encoder, interrupt, |sink| Box::pin(snapshot.run(statement, limits, sink)));
        let sent = stream.send_all(&mut self.outbox).await;
        drop(stream);
        let rows = sent.map_err(|error| self.stream_failure(error))?;
        Ok(Progress::Complete(tag_text(&execution.planned.plan.tag, Outcome { rows, changes: 0 })))
    }

    async fn run_on_lease(
        &mut self,
        statement: Statement,
        encoder: RowEncoder,
        execution: &Execution<'_>,
        keep_rows: bool,
    ) -> Result<Progress, Failure> {
        let Backend::Lease(lease) = &mut self.held else {
            return Err(SqlError::new(sqlstate::INTERNAL_ERROR, "the writer was not taken").into());
        };
        let limits = execution.job.limits();
        // The statements between the fetches of a portal need the writer too, so its rows are kept.
        if keep_rows || execution.max_rows.is_some() || execution.planned.plan.columns.is_empty() {
            let gathered = Gathered::default();
            let sink = gathered.buffering_sink(encoder, self.buffered_result_size_max);
            let result = lease.run(statement, limits, sink).await;
            return self.finish(result, &gathered, execution).await;
        }
        let interrupt = limits.interrupt.clone();
        let mut stream = RowStream::in_lease(encoder, interrupt, |sink, room| {
            Box::pin(lease.run_streaming(statement, limits, sink, room))
        });
        let sent = stream.send_all(&mut self.outbox).await;
        let changes = stream.changes;
        drop(stream);
        let rows = sent.map_err(|error| self.stream_failure(error))?;
        Ok(Progress::Complete(tag_text(&execution.planned.plan.tag, Outcome { rows, changes })))
    }

    async fn run_in_group(
        &mut self,
        statement: Statement,
        encoder: RowEncoder,
        execution: &Execution<'_>,
    ) -> Result<Progress, Failure> {
        self.identity.rights.check_writer()?;
        self.worker.shared.counters.group_writes.fetch_add(1, Ordering::Relaxed);
        let gathered = Gathered::default();
        let sink = gathered.buffering_sink(encoder, self.buffered_result_size_max);
        let (version, limits) = (execution.source.schema_version, execution.job.limits());
        let result = self.worker.store.write_planned(statement, version, self.durability(), limits, sink).await;
        self.finish(result, &gathered, execution).await
    }

    /// Sends a result that was gathered whole.
    async fn finish(
        &mut self,
        result: Result<Outcome, ExecuteError>,
        gathered: &Gathered,
        execution: &Execution<'_>,
    ) -> Result<Progress, Failure> {
        if let Some(error) = gathered.take_error() {
            return Err(error.into());
        }
        let outcome = self.checked(result)?;
        let bytes = gathered.take();
        let tag = &execution.planned.plan.tag;
        if let Some(limit) = execution.max_rows
            && outcome.rows >= limit as u64
        {
            let stream = Box::new(RowStream::whole(bytes, outcome.changes, execution.job.interrupt.clone()));
            return self.fetch(stream, Some(limit), execution.job, tag).await;
        }
        self.outbox.buf.extend_from_slice(&bytes);
        self.outbox.flush_full().await?;
        Ok(Progress::Complete(tag_text(tag, outcome)))
    }

    /// Adds to a duplicate key's error which key it was. SQLite does not tell, so it is looked up; where others have removed
    /// the row meanwhile, or the statement repeats a key within itself, the error stays without detail.
    async fn explained(&mut self, mut error: SqlError, sql: &SqlAction, execution: &Execution<'_>) -> SqlError {
        let Some(probe) = sql.duplicate_probe.as_ref().filter(|_| error.sqlstate == sqlstate::UNIQUE_VIOLATION) else {
            return error;
        };
        let Ok(params) = self.slots(&sql.slots, execution, &[]) else { return error };
        let statement = Statement { sql: probe.sql.clone(), params, uses_catalog: sql.uses_catalog };
        let found: Arc<Mutex<Vec<Value>>> = Arc::default();
        let sink = {
            let (found, width) = (found.clone(), probe.key.len());
            Box::new(move |row: &Row<'_>| {
                let key = (0..width).map(|index| row.value(index).to_owned()).collect();
                *found.lock().unwrap_or_else(PoisonError::into_inner) = key;
                Ok(Flow::Stop)
            })
        };
        let limits = execution.job.limits();
        let result = match &mut self.held {
            Backend::Lease(lease) => lease.run(statement, limits, sink).await,
            Backend::Nothing | Backend::Snapshot(_) => self.worker.store.read(statement, limits, sink).await,
        };
        let key = std::mem::take(&mut *found.lock().unwrap_or_else(PoisonError::into_inner));
        if result.is_ok() && !key.is_empty() {
            error.detail = Some(duplicate_detail(&probe.key, &key, self.settings.formats()));
        }
        error
    }

    /// The values of a statement's slots; `handed_on` are the rows of the steps before it.
    fn slots(&self, slots: &[Slot], execution: &Execution<'_>, handed_on: &[Value]) -> Result<Vec<Value>, SqlError> {
        let missing = || SqlError::new(sqlstate::INTERNAL_ERROR, "a plan names a value that was not bound");
        let parameter = |n: &u16| execution.params.get(usize::from(*n)).cloned().ok_or_else(missing);
        let value = |slot: &Slot| match slot {
            Slot::Parameter(n) => execution.planned.plan.typed(usize::from(*n), parameter(n)?),
            Slot::LooseParameter(n) => parameter(n),
            Slot::Literal(n) => execution.planned.literals.get(usize::from(*n)).cloned().ok_or_else(missing),
            Slot::Step(n) => handed_on.get(usize::from(*n)).cloned().ok_or_else(missing),
            Slot::Session(fact) => Ok(self.session_value(fact)),
            Slot::Constant(value) => Ok(value.clone()),
        };
        slots.iter().map(value).collect()
    }

    fn session_value(&self, fact: &SessionValue) -> Value {
        let text = match fact {
            SessionValue::TransactionTimestamp => self.transaction_time().to_storage(),
            SessionValue::StatementTimestamp => self.statement_time.to_storage(),
            SessionValue::CurrentUser | SessionValue::SessionUser => self.identity.user.clone(),
            SessionValue::CurrentDatabase => self.identity.database.clone(),
            SessionValue::TimeZone => self.settings.formats().time_zone.clone(),
            SessionValue::Calls => return Value::Integer(self.calls.as_ref().map_or(-1, OpenCalls::number)),
            SessionValue::ListeningChannels => {
                let channels = self.listening.mailbox.channels();
                Array::of(channels.into_iter().map(Some).collect()).to_string()
            }
            SessionValue::BackendPid => return Value::Integer(i64::from(self.identity.pid)),
            SessionValue::Setting(name) => {
                return self.setting(name).map_or(Value::Null, |v| Value::Text(v.into_owned()));
            }
        };
        Value::Text(text)
    }
}

fn duplicate_detail(columns: &[(String, u32)], key: &[Value], formats: &Formats) -> String {
    let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
    let shown = columns.iter().zip(key).map(|((_, oid), value)| {
        let mut text = Vec::new();
        crate::types::encode_text(*oid, value.as_ref(), formats, &mut text);
        String::from_utf8_lossy(&text).into_owned()
    });
    format!("Key ({})=({}) already exists.", names.join(", "), shown.collect::<Vec<_>>().join(", "))
}

fn ddl_class(ddl: &Ddl, tag: &Tag) -> Class {
    match ddl {
        Ddl::Vacuum => Class::OutsideBlock("VACUUM"),
        Ddl::CreateTable { .. }
        | Ddl::DropTable { .. }
        | Ddl::Truncate { .. }
        | Ddl::AddColumn { .. }
        | Ddl::AddPrimaryKey { .. }
        | Ddl::SetDefault { .. }
        | Ddl::SetNotNull { .. }
        | Ddl::DropNotNull { .. }
        | Ddl::Several(_)
        | Ddl::Skipped(_)
        | Ddl::CreateIndex { .. }
        | Ddl::DropIndex { .. }
        | Ddl::Analyze { .. } => Class::Write(write_name(tag)),
    }
}

/// The command's name in 25006.
fn write_name(tag: &Tag) -> &'static str {
    match tag {
        Tag::Select => "SELECT",
        Tag::Insert => "INSERT",
        Tag::Update => "UPDATE",
        Tag::Delete => "DELETE",
        Tag::Fixed(text) => text,
    }
}

fn tag_text(tag: &Tag, outcome: Outcome) -> String {
    match tag {
        Tag::Select => format!("SELECT {}", outcome.rows),
        Tag::Insert => format!("INSERT 0 {}", outcome.changes),
        Tag::Update => format!("UPDATE {}", outcome.changes),
        Tag::Delete => format!("DELETE {}", outcome.changes),
        Tag::Fixed(text) => (*text).to_owned(),
    }
}
