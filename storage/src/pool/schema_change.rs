//! The writer's side of schema changes: schema files and users in a transaction of their own, DDL inside a lease.

use std::sync::Arc;

use super::command::{SchemaFilesJob, UserJob, answer};
use super::writer::{Failure, Writer, is_fatal};
use crate::error::{ExecuteError, SchemaError, UserError};
use crate::schema::model::Schema;
use crate::schema::{Report, apply_files, with_users};
use crate::store::Limits;
use crate::users::{self, UserChange};

impl Writer {
    /// Applies schema files, all or nothing, and answers when the result is durable.
    pub(super) fn serve_schema_files(&mut self, job: SchemaFilesJob) {
        let result = self.apply_schema_files(&job);
        answer(job.reply, result);
    }

    fn apply_schema_files(&mut self, job: &SchemaFilesJob) -> Result<Report, SchemaError> {
        let schema = self.shared.schema();
        self.begin_group()?;
        let applied = match self.begin_version() {
            Ok(()) => self.gated(|writer| apply_files(&mut writer.engine, &schema, &job.files)),
            Err(error) => Err(error.into()),
        };
        let committed = applied.and_then(|(report, new)| {
            self.engine.end_version()?;
            let new = (new.version != schema.version).then(|| Arc::new(new));
            self.commit_and_publish(new.is_some(), new)?;
            self.sync()?;
            Ok(report)
        });
        committed.map_err(|error| self.undo_schema_files(error))
    }

    fn undo_schema_files(&mut self, error: SchemaError) -> SchemaError {
        match error {
            SchemaError::Execute(error) => match self.undo_group(error) {
                Failure::Fatal(error) => self.fail(&error).into(),
                Failure::Alone(error) | Failure::Undone(error) => error.into(),
            },
            SchemaError::Invalid { .. } | SchemaError::Catalog { .. } => {
                self.rollback();
                error
            }
        }
    }

    /// Changes the users, and answers when the change is durable.
    pub(super) fn serve_user(&mut self, job: UserJob) {
        let result = self.change_users(&job.change);
        answer(job.reply, result);
    }

    fn change_users(&mut self, change: &UserChange) -> Result<(), UserError> {
        let schema = self.shared.schema();
        self.begin_group()?;
        let changed = self.gated(|writer| users::change(writer.engine.connection(), &schema.users, change));
        let committed = changed.and_then(|users| {
            self.commit_and_publish(true, Some(Arc::new(with_users(&schema, users))))?;
            Ok(self.sync()?)
        });
        committed.map_err(|error| match error {
            UserError::Execute(error) => match self.undo_group(error) {
                Failure::Fatal(error) => self.fail(&error).into(),
                Failure::Alone(error) | Failure::Undone(error) => error.into(),
            },
            UserError::Exists(_)
            | UserError::Unknown(_)
            | UserError::BadName { .. }
            | UserError::LongVerifier
            | UserError::TooMany => {
                self.rollback();
                error
            }
        })
    }

    /// Runs engine work that only closing, and others who have waited for too long, may stop.
    pub(super) fn gated<T, E: From<ExecuteError>>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, E> {
        self.gate.arm(&Limits::default(), None)?;
        let result = work(self);
        match (result, self.gate.disarm()) {
            (Err(_), Some(stop)) => Err(ExecuteError::from(stop).into()),
            (result, _) => result,
        }
    }

    /// Commits; a snapshot that is pinned meanwhile waits, so that it never pairs the old schema with the new tables.
    pub(super) fn commit_and_publish(
        &mut self,
        changed: bool,
        schema: Option<Arc<Schema>>,
    ) -> Result<(), ExecuteError> {
        let Some(schema) = schema else {
            return self.commit(changed);
        };
        let shared = Arc::clone(&self.shared);
        let mut published = shared.publishing();
        self.commit(changed)?;
        *published = schema;
        Ok(())
    }

    /// What a caller is told about an error of the engine: an IO error stops the writer.
    pub(super) fn told(&mut self, error: ExecuteError) -> ExecuteError {
        if is_fatal(&error) { self.fail(&error) } else { error }
    }
}
