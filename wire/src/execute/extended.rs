//! The extended protocol: Parse, Bind, Describe, Execute, Close.
//!
//! Source: <https://www.postgresql.org/docs/15/protocol-flow.html#PROTOCOL-FLOW-EXT-QUERY>

use std::sync::Arc;

use super::executor::{Executor, Failure, Job};
use super::run::{Execution, Progress, Source};
use super::values;
use crate::error::{SqlError, sqlstate};
use crate::plan::{Access, Action, Planned};
use crate::protocol::backend;
use crate::protocol::frontend::{Bind, Target};
use crate::session::portal::{FormatsOf, Portal, State, widen_formats};
use crate::session::statement::Prepared;
use crate::session::transaction::aborted;

impl Executor {
    pub(super) fn parse(&mut self, name: &str, text: &str, types: Vec<u32>) -> Result<(), SqlError> {
        if !name.is_empty() {
            self.statements.check_free(name)?;
        }
        let pieces = self.worker.planner.borrow_mut().split(text)?;
        if pieces.len() > 1 {
            return Err(SqlError::new(
                sqlstate::SYNTAX_ERROR,
                "cannot insert multiple commands into a prepared statement",
            ));
        }
        let schema = self.schema();
        let planned = match self.plan(text, &types, &schema) {
            Ok(planned) => planned,
            Err(error) if self.tx.is_failed() && !super::simple::is_syntax_error(&error) => return Err(aborted()),
            Err(error) => return Err(error),
        };
        self.check_not_failed(&planned.plan.action)?;
        let statement = Prepared { text: text.into(), declared: types, planned, schema_version: schema.version };
        self.statements.insert(name, Arc::new(statement))
    }

    pub(super) fn bind(&mut self, bind: &Bind<'_>) -> Result<(), SqlError> {
        let statement = self.statements.find(bind.statement)?;
        self.check_not_failed(&statement.planned.plan.action)?;
        let statement = self.refreshed(bind.statement, statement)?;
        let plan = &statement.planned.plan;
        let params = values::decode_params(bind, plan, self.settings.formats())?;
        let columns = self.columns(&statement.planned)?;
        let formats = match self.fetched_formats(&statement.planned.plan) {
            Some(formats) => formats,
            None => widen_formats(&bind.result_formats, columns.plan.columns.len(), FormatsOf::Columns)?,
        };
        let portal = Portal {
            statement,
            statement_name: bind.statement.to_owned(),
            params,
            number: 0,
            hold: false,
            formats,
            state: State::Ready,
        };
        self.portals.insert(bind.portal, portal)
    }

    pub(super) fn describe(&mut self, target: Target<'_>) -> Result<(), SqlError> {
        match target {
            Target::Statement(name) => {
                let statement = self.statements.find(name)?;
                let statement = self.refreshed(name, statement)?;
                let described = self.columns(&statement.planned)?;
                self.check_describable(&described)?;
                backend::parameter_description(&mut self.outbox.buf, &statement.planned.plan.param_types);
                self.describe_rows(&described, &[]);
            }
            Target::Portal(name) => {
                let portal = self.portals.find(name)?;
                let (statement, formats) = (portal.statement.clone(), portal.formats.clone());
                let described = self.columns(&statement.planned)?;
                self.check_describable(&described)?;
                self.describe_rows(&described, &formats);
            }
        }
        Ok(())
    }

    /// In a failed block only what returns no rows can be described: types may need the catalog.
    fn check_describable(&self, described: &Planned) -> Result<(), SqlError> {
        if self.tx.is_failed() && !described.plan.columns.is_empty() { Err(aborted()) } else { Ok(()) }
    }

    fn describe_rows(&mut self, described: &Planned, formats: &[crate::protocol::Format]) {
        if !described.plan.returns_rows() {
            backend::bare(&mut self.outbox.buf, b'n');
        } else {
            backend::row_description(&mut self.outbox.buf, &described.plan.columns, formats);
        }
    }

    /// The plan whose columns a statement returns: for EXECUTE that of the statement it names, for FETCH that of its cursor.
    fn columns(&mut self, planned: &Planned) -> Result<Planned, SqlError> {
        if let Some(plan) = self.fetched_plan(&planned.plan)? {
            return Ok(Planned { plan, literals: Vec::new() });
        }
        Ok(self.executed_statement(planned)?.map_or_else(|| planned.clone(), |inner| inner.planned.clone()))
    }

    pub(super) async fn execute(
        &mut self,
        name: &str,
        max_rows: usize,
        sync_follows: bool,
        job: &Job,
    ) -> Result<(), Failure> {
        let portal = self.portals.find(name)?;
        let statement = portal.statement.clone();
        let statement_name = portal.statement_name.clone();
        let formats = portal.formats.clone();
        let limit = (max_rows > 0).then_some(max_rows);
        let before = std::mem::replace(&mut portal.state, State::Completed);
        let params = std::mem::take(&mut portal.params);
        self.check_not_failed(&statement.planned.plan.action)?;
        let lone = self.held_nothing() && !self.tx.in_block();
        self.open_implicit();
        let progress = match before {
            State::Completed => {
                return Err(SqlError::new(
                    sqlstate::NOT_IN_PREREQUISITE_STATE,
                    format!("portal \"{name}\" cannot be run"),
                )
                .into());
            }
            State::Exhausted => Progress::Complete("SELECT 0".to_owned()),
            State::Suspended(stream) => {
                self.slot.resume(&stream.interrupt);
                self.fetch(stream, limit, job, &statement.planned.plan.tag).await?
            }
            State::Ready => {
                // The unnamed statement may have been replaced since Bind: only a refreshed copy for this portal is made then.
                let statement = self.refreshed_for_portal(&statement_name, statement.clone())?;
                let executed = self.resolve_execute(&statement.planned)?;
                let (run, params) = match &executed {
                    Some((inner, arguments)) => (&**inner, &arguments[..]),
                    None => (&*statement, &params[..]),
                };
                let (planned, source) = (&run.planned, Source::from(run));
                let alone = sync_follows && lone;
                let execution = Execution { planned, source, params, formats, max_rows: limit, alone, job };
                self.run(execution).await?
            }
        };
        let state = match progress {
            Progress::Complete(tag) => {
                backend::command_complete(&mut self.outbox.buf, &tag);
                if is_query(&statement.planned) { State::Exhausted } else { State::Completed }
            }
            Progress::Suspended(stream) => {
                backend::bare(&mut self.outbox.buf, b's');
                State::Suspended(stream)
            }
            Progress::Empty => {
                backend::bare(&mut self.outbox.buf, b'I');
                State::Ready
            }
        };
        // A statement that ended the transaction has ended its portal too.
        if let Ok(portal) = self.portals.find(name) {
            portal.state = state;
        }
        self.outbox.flush_full().await?;
        Ok(())
    }

    fn held_nothing(&self) -> bool {
        matches!(self.held, super::transact::Backend::Nothing)
    }

    fn refreshed_for_portal(&mut self, name: &str, statement: Arc<Prepared>) -> Result<Arc<Prepared>, SqlError> {
        let current = self.statements.find(name).ok();
        if current.is_some_and(|current| Arc::ptr_eq(&current, &statement)) {
            return self.refreshed(name, statement);
        }
        let schema = self.schema();
        if statement.schema_version == schema.version {
            return Ok(statement);
        }
        let planned = self.plan(&statement.text, &statement.declared, &schema)?;
        let (text, declared) = (statement.text.clone(), statement.declared.clone());
        Ok(Arc::new(Prepared { text, declared, planned, schema_version: schema.version }))
    }

    pub(super) fn close(&mut self, target: Target<'_>) {
        match target {
            Target::Statement(name) => self.statements.close(name),
            Target::Portal(name) => self.portals.close(name),
        }
    }
}

/// Executing its portal again gives an empty rest, not an error.
fn is_query(planned: &Planned) -> bool {
    match &planned.plan.action {
        Action::Sql(sql) => sql.access == Access::Read,
        Action::Ddl(_) | Action::Utility(_) | Action::Refused(_) | Action::Empty => false,
    }
}
