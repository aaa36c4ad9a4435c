//! The simple protocol: a text of any number of statements, in one implicit transaction.
//!
//! Source: <https://www.postgresql.org/docs/15/protocol-flow.html#id-1.10.6.7.4>

use std::ops::Range;
use std::sync::Arc;

use storage::error::ExecuteError;

use super::executor::{Executor, Failure, Job};
use super::run::{Execution, Progress, Source};
use crate::error::{SqlError, sqlstate};
use crate::plan::{Action, Planned};
use crate::planner::NO_PARAMETERS;
use crate::protocol::Format;
use crate::protocol::backend;
use crate::session::portal::{FormatsOf, widen_formats};
use crate::session::transaction::aborted;

impl Executor {
    /// Acts on a Query message. The whole text is checked for syntax before its first statement runs.
    ///
    /// # Errors
    /// The first failing statement's; those after it do not run.
    pub(super) async fn query(&mut self, text: &str, job: &Job) -> Result<(), Failure> {
        self.statements.forget_unnamed();
        self.portals.close("");
        let pieces = self.worker.planner.borrow_mut().split(text)?;
        if pieces.is_empty() {
            backend::bare(&mut self.outbox.buf, b'I');
            return Ok(());
        }
        let last = pieces.len() - 1;
        for (index, piece) in pieces.into_iter().enumerate() {
            if job.interrupt.is_cancelled() {
                return Err(self.storage_failure(&ExecuteError::Interrupted));
            }
            self.open_implicit();
            let position = if index == last { Position::Last } else { Position::Before };
            self.query_piece(text, piece, position, job).await?;
        }
        Ok(())
    }

    async fn query_piece(
        &mut self,
        text: &str,
        piece: Range<usize>,
        position: Position,
        job: &Job,
    ) -> Result<(), Failure> {
        let before = text.get(..piece.start).unwrap_or_default();
        let statement = text.get(piece).unwrap_or_default();
        let schema = self.schema();
        let planned = match self.plan(statement, NO_PARAMETERS, &schema) {
            Ok(planned) => planned,
            Err(error) if self.tx.is_failed() && !is_syntax_error(&error) => return Err(aborted().into()),
            Err(error) => return Err(shifted(at_end_of(text, error, before, statement), before).into()),
        };
        let source = Source { text: statement, declared: NO_PARAMETERS, schema_version: schema.version };
        self.run_simple(&planned, source, position, job).await.map_err(|failure| match failure {
            Failure::Sql(error) => Failure::Sql(shifted(error, before)),
            Failure::Gone => Failure::Gone,
        })
    }

    async fn run_simple(
        &mut self,
        planned: &Planned,
        source: Source<'_>,
        position: Position,
        job: &Job,
    ) -> Result<(), Failure> {
        self.check_not_failed(&planned.plan.action)?;
        let executed = self.resolve_execute(planned)?;
        let (planned, params, source) = match &executed {
            Some((inner, arguments)) => (&inner.planned, &arguments[..], Source::from(&**inner)),
            None => (planned, &[][..], source),
        };
        // Before the columns are told.
        self.follow_users(source.schema_version)?;
        let fetched = self.fetched_plan(&planned.plan)?;
        let columns = &fetched.as_ref().unwrap_or(&planned.plan).columns;
        let formats: Arc<[Format]> = match self.fetched_formats(&planned.plan) {
            Some(formats) => formats,
            None => widen_formats(&[], columns.len(), FormatsOf::Columns)?,
        };
        if fetched.is_some() || planned.plan.returns_rows() {
            backend::row_description(&mut self.outbox.buf, columns, &formats);
        }
        // If others wrote before it, the writer is held, and being the last changes nothing.
        let alone = position == Position::Last && !self.tx.in_block();
        let execution = Execution { planned, source, params, formats, max_rows: None, alone, job };
        match self.run(execution).await? {
            Progress::Complete(tag) => {
                if position == Position::Last {
                    // Before CommandComplete, so that a failed commit is the statement's failure.
                    self.end_message().await?;
                }
                backend::command_complete(&mut self.outbox.buf, &tag);
            }
            Progress::Empty => backend::bare(&mut self.outbox.buf, b'I'),
            // Without a row limit nothing is suspended.
            Progress::Suspended(_) => {}
        }
        self.outbox.flush_full().await?;
        Ok(())
    }

    /// 25P02 early, where more than the statement's own run depends on it.
    pub(super) fn check_not_failed(&self, action: &Action) -> Result<(), SqlError> {
        let allowed = match action {
            Action::Utility(utility) => super::utility::ends_transaction(utility),
            Action::Empty => true,
            Action::Sql(_) | Action::Ddl(_) | Action::Refused(_) => false,
        };
        if self.tx.is_failed() && !allowed { Err(aborted()) } else { Ok(()) }
    }
}

/// Where in its message a statement stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Position {
    Before,
    Last,
}

/// A text that cannot be parsed is told so even in a failed block; what needs the catalog is 25P02 there.
pub(super) fn is_syntax_error(error: &SqlError) -> bool {
    error.sqlstate == sqlstate::SYNTAX_ERROR
}

/// The end of the input is the end of the message, blanks included.
fn at_end_of(text: &str, mut error: SqlError, before: &str, statement: &str) -> SqlError {
    let rest = text.get(before.len() + statement.len()..).unwrap_or_default();
    if error.message == "syntax error at end of input" && rest.trim().is_empty() {
        let blanks = u32::try_from(rest.chars().count()).unwrap_or(0);
        error.position = error.position.map(|position| position.saturating_add(blanks));
    }
    error
}

/// An error's position counted over the whole text rather than its statement.
fn shifted(mut error: SqlError, before: &str) -> SqlError {
    if let Some(position) = &mut error.position {
        *position = position.saturating_add(u32::try_from(before.chars().count()).unwrap_or(u32::MAX));
    }
    error
}
