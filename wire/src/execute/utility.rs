//! Statements that act on the session: transaction commands, settings, prepared statements.

use std::sync::Arc;

use storage::Value;

use super::executor::{Executor, Failure};
use super::run::Progress;
use super::{rows, values};
use crate::error::{SqlError, sqlstate};
use crate::plan::{Action, Isolation, Plan, Planned, Tag, Utility};
use crate::session::guc;
use crate::session::statement::Prepared;
use crate::session::transaction::{Class, Command, ModeChange};

/// Whether a failed block lets the statement through.
pub(super) fn ends_transaction(utility: &Utility) -> bool {
    matches!(utility, Utility::Commit { .. } | Utility::Rollback { .. } | Utility::RollbackTo(_))
}

/// The statement that EXECUTE names, and its arguments decoded.
pub(super) type Executed = (Arc<Prepared>, Vec<Value>);

impl Executor {
    /// Runs one; rows that it answers are in the outbox.
    pub(super) async fn run_utility(&mut self, utility: &Utility, plan: &Plan) -> Result<Progress, Failure> {
        let tag = match &plan.tag {
            Tag::Fixed(text) => text,
            Tag::Select | Tag::Insert | Tag::Update | Tag::Delete => "SELECT",
        };
        if let Some((command, savepoint)) = transaction_command(utility) {
            let decision = self.decide(&command)?;
            self.apply(decision.effect, savepoint).await?;
            return Ok(Progress::Complete(decision.tag.unwrap_or(tag).to_owned()));
        }
        self.decide(&Command::Statement(class(utility)))?;
        self.run_session_command(utility)?;
        Ok(Progress::Complete(tag.to_owned()))
    }

    fn run_session_command(&mut self, utility: &Utility) -> Result<(), SqlError> {
        match utility {
            Utility::Set { name, value, local } => self.set(name, value.as_deref(), *local),
            Utility::Reset(Some(name)) => self.set(name, None, false),
            Utility::Reset(None) => {
                self.settings.reset_all();
                Ok(())
            }
            Utility::SetTransaction { isolation, read_only, .. } => self.set_session_mode(*isolation, *read_only),
            Utility::Show(name) => {
                let value = self.setting(name).ok_or_else(|| guc::unknown(name))?.into_owned();
                rows::text_row(&mut self.outbox.buf, &[&value]);
                Ok(())
            }
            Utility::ShowAll => {
                for (name, value, description) in self.settings.all() {
                    rows::text_row(&mut self.outbox.buf, &[name, value, description]);
                }
                Ok(())
            }
            Utility::DiscardAll => {
                self.portals.clear();
                self.statements.clear();
                self.settings.reset_all();
                self.give_back_session_locks();
                self.unlisten(None)
            }
            Utility::Deallocate(Some(name)) => self.statements.deallocate(name),
            Utility::Deallocate(None) => {
                self.statements.clear();
                Ok(())
            }
            Utility::Close(Some(name)) => {
                self.portals.find(name).map_err(|_| super::cursor::undefined_cursor(name))?;
                self.portals.close(name);
                Ok(())
            }
            Utility::Close(None) => {
                self.portals.clear();
                Ok(())
            }
            Utility::Prepare { name, types, text } => self.prepare(name, types, text),
            Utility::Listen(channel) => self.listen(channel),
            Utility::Unlisten(channel) => self.unlisten(channel.as_deref()),
            Utility::Notify { channel, payload } => self.notify(channel, payload),
            // Taken apart before anything runs (`resolve_execute`, `run`), or without an effect of their own.
            Utility::Execute { .. }
            | Utility::Declare(_)
            | Utility::Fetch { .. }
            | Utility::Discard
            | Utility::NoOperation
            | Utility::Begin { .. }
            | Utility::Commit { .. }
            | Utility::Rollback { .. }
            | Utility::Savepoint(_)
            | Utility::RollbackTo(_)
            | Utility::Release(_) => Ok(()),
        }
    }

    /// SET, SET LOCAL and RESET of one parameter.
    pub(super) fn set(&mut self, name: &str, value: Option<&str>, local: bool) -> Result<(), SqlError> {
        if let Some(change) = mode_change(name, value)? {
            return self.decide(&Command::SetTransaction(change)).map(|_| ());
        }
        if !local {
            return self.settings.set(name, value);
        }
        if self.tx.in_block() {
            return self.settings.set_local(name, value);
        }
        // Outside a block it warns (`class`) and lasts to the end of its own statement.
        self.settings.set_local(name, value)
    }

    /// SET SESSION CHARACTERISTICS AS TRANSACTION: the defaults of transactions to come.
    fn set_session_mode(&mut self, isolation: Option<Isolation>, read_only: Option<bool>) -> Result<(), SqlError> {
        if let Some(isolation) = isolation {
            let name = super::executor::isolation_name(isolation);
            self.settings.set("default_transaction_isolation", Some(name))?;
        }
        if let Some(read_only) = read_only {
            self.settings.set("default_transaction_read_only", Some(if read_only { "on" } else { "off" }))?;
        }
        Ok(())
    }

    fn prepare(&mut self, name: &str, types: &[u32], text: &str) -> Result<(), SqlError> {
        self.statements.check_free(name)?;
        let schema = self.schema();
        let planned = self.plan(text, types, &schema)?;
        if !matches!(planned.plan.action, Action::Sql(_)) {
            return Err(SqlError::new(
                sqlstate::SYNTAX_ERROR,
                "only SELECT, INSERT, UPDATE, DELETE and VALUES can be prepared",
            ));
        }
        let statement =
            Prepared { text: text.into(), declared: types.to_vec(), planned, schema_version: schema.version };
        self.statements.insert(name, Arc::new(statement))
    }

    /// For EXECUTE: the statement it names, planned for the schema of now.
    ///
    /// # Errors
    /// 26000 and what planning says.
    pub(super) fn executed_statement(&mut self, planned: &Planned) -> Result<Option<Arc<Prepared>>, SqlError> {
        let Action::Utility(Utility::Execute { name, .. }) = &planned.plan.action else {
            return Ok(None);
        };
        let statement = self.statements.find(name)?;
        self.refreshed(name, statement).map(Some)
    }

    /// For EXECUTE, what really runs: the statement it names, with its arguments as parameters.
    ///
    /// # Errors
    /// As [`Self::executed_statement`], and for arguments that do not fit.
    pub(super) fn resolve_execute(&mut self, planned: &Planned) -> Result<Option<Executed>, SqlError> {
        let Some(inner) = self.executed_statement(planned)? else { return Ok(None) };
        let Action::Utility(Utility::Execute { name, arguments }) = &planned.plan.action else { return Ok(None) };
        let values = values::decode_arguments(name, &inner.planned.plan, arguments, self.settings.formats())?;
        Ok(Some((inner, values)))
    }
}

fn transaction_command(utility: &Utility) -> Option<(Command<'_>, &str)> {
    let change = |isolation: &Option<Isolation>, read_only: &Option<bool>| ModeChange {
        isolation: *isolation,
        read_only: *read_only,
    };
    let command = match utility {
        Utility::Begin { isolation, read_only } => (Command::Begin(change(isolation, read_only)), ""),
        Utility::Commit { chain } => (Command::Commit { chain: *chain }, ""),
        Utility::Rollback { chain } => (Command::Rollback { chain: *chain }, ""),
        Utility::Savepoint(name) => (Command::Savepoint(name), name.as_str()),
        Utility::RollbackTo(name) => (Command::RollbackTo(name), name.as_str()),
        Utility::Release(name) => (Command::Release(name), name.as_str()),
        Utility::SetTransaction { isolation, read_only, session: false } => {
            (Command::SetTransaction(change(isolation, read_only)), "")
        }
        Utility::SetTransaction { session: true, .. }
        | Utility::Set { .. }
        | Utility::Reset(_)
        | Utility::Show(_)
        | Utility::ShowAll
        | Utility::DiscardAll
        | Utility::Discard
        | Utility::Deallocate(_)
        | Utility::Close(_)
        | Utility::Prepare { .. }
        | Utility::Execute { .. }
        | Utility::Declare(_)
        | Utility::Fetch { .. }
        | Utility::Listen(_)
        | Utility::Unlisten(_)
        | Utility::Notify { .. }
        | Utility::NoOperation => return None,
    };
    Some(command)
}

fn class(utility: &Utility) -> Class {
    match utility {
        Utility::Set { local: true, .. } => Class::NeedsBlock("SET LOCAL"),
        Utility::DiscardAll => Class::OutsideBlock("DISCARD ALL"),
        Utility::Set { local: false, .. }
        | Utility::SetTransaction { .. }
        | Utility::Reset(_)
        | Utility::Show(_)
        | Utility::ShowAll
        | Utility::Discard
        | Utility::Deallocate(_)
        | Utility::Close(_)
        | Utility::Prepare { .. }
        | Utility::Execute { .. }
        | Utility::Declare(_)
        | Utility::Fetch { .. }
        | Utility::Listen(_)
        | Utility::Unlisten(_)
        | Utility::Notify { .. }
        | Utility::NoOperation
        | Utility::Begin { .. }
        | Utility::Commit { .. }
        | Utility::Rollback { .. }
        | Utility::Savepoint(_)
        | Utility::RollbackTo(_)
        | Utility::Release(_) => Class::Session,
    }
}

/// `SET transaction_isolation = ..` and `SET transaction_read_only = ..` are SET TRANSACTION.
fn mode_change(name: &str, value: Option<&str>) -> Result<Option<ModeChange>, SqlError> {
    let Some(parameter) = guc::find(name) else { return Ok(None) };
    let text = guc::check(parameter, value.unwrap_or(parameter.default), parameter.default);
    match parameter.name {
        "transaction_isolation" => {
            let isolation = match text?.as_str() {
                "serializable" => Isolation::Serializable,
                "repeatable read" => Isolation::RepeatableRead,
                _ => Isolation::ReadCommitted,
            };
            Ok(Some(ModeChange { isolation: Some(isolation), read_only: None }))
        }
        "transaction_read_only" => Ok(Some(ModeChange { isolation: None, read_only: guc::parse_bool(&text?) })),
        _ => Ok(None),
    }
}
