//! One session: what it is told, what it holds, and where its answers go.
//!
//! Call order: [`Executor::new`], then for each message [`Executor::act`]; after an error [`Executor::fail`]; where the protocol
//! says so [`Executor::ready`]. Dropping it gives back everything it holds and rolls back its transaction.

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Instant;

use storage::schema::model::Schema;
use storage::store::{Interrupt, Limits};

use super::clock::{self, WallTime};
use super::effects::Listening;
use super::outbox::Outbox;
use super::stream::RowStream;
use super::transact::Backend;
use crate::auth::rights::{ListenerMode, Rights};
use crate::error::{SqlError, sqlstate};
use crate::net::worker::Worker;
use crate::notify::pending::Pending;
use crate::plan::{Isolation, Planned};
use crate::planner::Env;
use crate::protocol::backend::{self, Severity};
use crate::protocol::cancel::CancelSlot;
use crate::protocol::frontend::Frontend;
use crate::session::calls::OpenCalls;
use crate::session::lock_list::LockList;
use crate::session::portal::Portals;
use crate::session::settings::Settings;
use crate::session::statement::{Prepared, Statements};
use crate::session::transaction::{Mode, ReadOnly, Transaction};

/// Why acting on a message ended early.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The statement failed; the session goes on.
    Sql(SqlError),
    /// The client is gone.
    Gone,
}

impl From<SqlError> for Failure {
    fn from(error: SqlError) -> Self {
        Self::Sql(error)
    }
}

impl From<std::io::Error> for Failure {
    /// A socket that failed leaves nobody to tell why.
    fn from(_: std::io::Error) -> Self {
        Self::Gone
    }
}

/// Who the session belongs to.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub user: String,
    pub database: String,
    pub pid: i32,
    pub rights: Rights,
}

/// One running message that executes something: what stops it.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub interrupt: Interrupt,
    pub deadline: Option<Instant>,
}

impl Job {
    pub(crate) fn limits(&self) -> Limits {
        Limits { deadline: self.deadline, interrupt: self.interrupt.clone() }
    }
}

/// See the file's header.
#[derive(Debug)]
pub(crate) struct Executor {
    pub(super) worker: Rc<Worker>,
    pub(crate) outbox: Outbox,
    pub(super) identity: Identity,
    pub(crate) settings: Settings,
    pub(crate) tx: Transaction,
    pub(super) held: Backend,
    pub(super) statements: Statements,
    pub(super) portals: Portals<Box<RowStream<'static>>>,
    pub(super) slot: Arc<CancelSlot>,
    pub(super) transaction_time: WallTime,
    pub(super) statement_time: WallTime,
    pub(super) buffered_result_size_max: usize,
    pub(crate) listening: Listening,
    /// What the open transaction does to channels when it commits.
    pub(super) pending: Pending,
    /// Opened by the first statement that needs it.
    pub(super) calls: Option<OpenCalls>,
    pub(super) transaction_locks: LockList,
}

impl Executor {
    pub(crate) fn new(
        worker: Rc<Worker>,
        outbox: Outbox,
        identity: Identity,
        settings: Settings,
        slot: Arc<CancelSlot>,
        buffered_result_size_max: usize,
    ) -> Self {
        let now = WallTime::now();
        let mode = Mode { isolation: settings.default_isolation(), read_only: settings.default_read_only() };
        let listening = Listening::new(Rc::clone(&worker), identity.pid);
        let read_only = match identity.rights.mode() {
            ListenerMode::ReadOnly => ReadOnly::Always,
            ListenerMode::ReadWrite => ReadOnly::AsSaid,
        };
        Self {
            worker,
            outbox,
            identity,
            settings,
            tx: Transaction::new(mode, read_only),
            held: Backend::Nothing,
            statements: Statements::default(),
            portals: Portals::default(),
            slot,
            transaction_time: now,
            statement_time: now,
            buffered_result_size_max,
            listening,
            pending: Pending::default(),
            calls: None,
            transaction_locks: LockList::default(),
        }
    }

    /// Acts on one message. `sync_follows`: the next message is here already and is Sync.
    ///
    /// # Errors
    /// What went wrong; follow with [`Self::fail`].
    pub(crate) async fn act(&mut self, message: Frontend<'_>, sync_follows: bool) -> Result<(), Failure> {
        match message {
            Frontend::Query(text) => {
                let job = self.start_job();
                let result = self.query(text, &job).await;
                self.slot.end();
                result
            }
            Frontend::Parse { name, text, types } => Ok(self.parse(name, text, types)?),
            Frontend::Bind(bind) => Ok(self.bind(&bind)?),
            Frontend::Describe(target) => Ok(self.describe(target)?),
            Frontend::Execute { portal, max_rows } => {
                let job = self.start_job();
                let result = self.execute(portal, max_rows as usize, sync_follows, &job).await;
                self.slot.end();
                result
            }
            Frontend::Close(target) => {
                self.close(target);
                Ok(())
            }
            Frontend::Sync => self.end_message().await,
            Frontend::Flush => Ok(()),
            Frontend::FunctionCall => {
                Err(SqlError::unsupported("function calls through the protocol are not supported")
                    .hint("Call the function with SELECT.")
                    .into())
            }
            // The machine lets none of these through.
            Frontend::Terminate | Frontend::StrayCopy | Frontend::Password => Ok(()),
        }
    }

    fn start_job(&mut self) -> Job {
        self.statement_time = WallTime::now();
        self.worker.shared.counters.statements.fetch_add(1, Ordering::Relaxed);
        let deadline = self.settings.timeouts().statement.map(|timeout| clock::now() + timeout);
        Job { interrupt: self.slot.begin(), deadline }
    }

    /// Reports an error and does to the transaction what it demands.
    pub(crate) async fn fail(&mut self, error: &SqlError) {
        self.worker.shared.counters.errors.fetch_add(1, Ordering::Relaxed);
        backend::report(&mut self.outbox.buf, Severity::Error, error);
        self.tx.on_error();
        self.undo_implicit().await;
        if self.tx.is_hopeless() {
            // Nothing can come of this transaction: let others go on while its client finds out.
            self.let_go().await;
            self.forget_effects();
        }
    }

    /// Sends the reported settings that the client does not know yet.
    pub(crate) fn report_settings(&mut self) {
        for (name, value) in self.settings.poll_reports() {
            backend::parameter_status(&mut self.outbox.buf, name, &value);
        }
    }

    /// Sends what settings changed, notifications that waited for the end of the transaction, and ReadyForQuery.
    pub(crate) fn ready(&mut self) {
        self.report_settings();
        if self.tx.is_idle() {
            self.write_notifications();
        }
        backend::ready_for_query(&mut self.outbox.buf, self.tx.ready_status());
    }

    /// Attends to suspended portals while the session idles. Never ready; dropping it loses nothing.
    pub(crate) fn attend_portals(&mut self) -> impl Future<Output = std::convert::Infallible> {
        std::future::poll_fn(|cx| {
            self.portals.suspended().for_each(|rows| rows.poll_suspended(cx));
            Poll::Pending
        })
    }

    /// Sends a notice or warning, if the session wants to hear of it.
    pub(super) fn notice(&mut self, severity: Severity, notice: &SqlError) {
        let wanted = match self.settings.value("client_min_messages") {
            Some("error") => false,
            Some("warning") => severity == Severity::Warning,
            Some(_) | None => true,
        };
        if wanted {
            backend::report(&mut self.outbox.buf, severity, notice);
        }
    }

    /// The schema that the next statement sees.
    pub(super) fn schema(&self) -> Arc<Schema> {
        match &self.held {
            Backend::Lease(lease) => lease.schema(),
            Backend::Snapshot(snapshot) => snapshot.schema(),
            Backend::Nothing => self.worker.store.schema(),
        }
    }

    /// Translates one statement.
    pub(super) fn plan(&self, text: &str, declared: &[u32], schema: &Schema) -> Result<Planned, SqlError> {
        let env = Env {
            schema,
            formats: self.settings.formats(),
            search_path: self.settings.value("search_path").unwrap_or_default(),
            user: &self.identity.user,
            database: &self.identity.database,
        };
        self.worker.planner.borrow_mut().plan(text, declared, &env)
    }

    /// The statement with a plan for the schema as it is now.
    ///
    /// # Errors
    /// 0A000 when its result columns changed, and what planning says.
    pub(super) fn refreshed(&mut self, name: &str, statement: Arc<Prepared>) -> Result<Arc<Prepared>, SqlError> {
        let schema = self.schema();
        if statement.schema_version == schema.version {
            return Ok(statement);
        }
        let planned = self.plan(&statement.text, &statement.declared, &schema)?;
        if planned.plan.columns != statement.planned.plan.columns
            || planned.plan.param_types != statement.planned.plan.param_types
        {
            return Err(result_type_changed());
        }
        let fresh = Arc::new(Prepared {
            text: statement.text.clone(),
            declared: statement.declared.clone(),
            planned,
            schema_version: schema.version,
        });
        self.statements.replace(name, fresh.clone());
        Ok(fresh)
    }

    /// A parameter's value as SHOW and `current_setting` see it.
    pub(super) fn setting(&self, name: &str) -> Option<Cow<'_, str>> {
        let mode = self.tx.mode();
        match name.to_ascii_lowercase().as_str() {
            "transaction_isolation" => Some(Cow::Borrowed(isolation_name(mode.isolation))),
            "transaction_read_only" => Some(Cow::Borrowed(if mode.read_only { "on" } else { "off" })),
            _ => self.settings.value(name).map(Cow::Borrowed),
        }
    }
}

/// The client was told other columns or parameters than those a plan for the schema of now has.
pub(super) fn result_type_changed() -> SqlError {
    SqlError::new(sqlstate::FEATURE_NOT_SUPPORTED, "cached plan must not change result type")
}

pub(super) fn isolation_name(isolation: Isolation) -> &'static str {
    match isolation {
        Isolation::ReadCommitted => "read committed",
        Isolation::RepeatableRead => "repeatable read",
        Isolation::Serializable => "serializable",
    }
}
