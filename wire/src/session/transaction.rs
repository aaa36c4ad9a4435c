//! Transaction status of a session: what each command does in each status, with PostgreSQL's errors and warnings.
//!
//! Pure. [`Transaction::on_command`] changes the status and yields the [`Effect`] that the caller carries out on storage. An
//! effect that fails is reported with [`Transaction::on_error`] or, for a failed commit, [`Transaction::on_end`].
//! Sources: <https://www.postgresql.org/docs/15/sql-begin.html> and its neighbours; `src/backend/access/transam/xact.c` for
//! which command warns and which fails. The whole table status x command is tested below.

use crate::error::{SqlError, sqlstate};
use crate::plan::Isolation;
use crate::protocol::ReadyStatus;

/// Most savepoints open at once in one transaction: more are 54000.
pub(crate) const SAVEPOINTS_MAX: usize = 1_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    /// No transaction.
    Idle,
    /// Statements of one message or pipeline, committed at its end.
    Implicit,
    /// Between BEGIN and its end.
    Block,
    /// A block that failed: waits for its end.
    Failed,
}

/// The properties of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mode {
    pub isolation: Isolation,
    pub read_only: bool,
}

/// Who decides whether transactions are READ ONLY.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadOnly {
    /// The session, as in [`Mode`].
    AsSaid,
    /// Its listener: they always are, and nothing changes that (I11).
    Always,
}

/// Changes to a mode; None leaves as is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct ModeChange {
    pub isolation: Option<Isolation>,
    pub read_only: Option<bool>,
}

/// What a statement is to the rules of transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// Needs no snapshot: SET, SHOW, DEALLOCATE, ..
    Session,
    Read,
    /// Named in 25006: `INSERT`, `CREATE TABLE`, ..
    Write(&'static str),
    /// A write that cannot run inside a block: VACUUM.
    OutsideBlock(&'static str),
    /// Needs a block to mean anything; outside it warns: SET LOCAL, ..
    NeedsBlock(&'static str),
}

/// A command as far as transactions go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command<'a> {
    Begin(ModeChange),
    Commit { chain: bool },
    Rollback { chain: bool },
    Savepoint(&'a str),
    RollbackTo(&'a str),
    Release(&'a str),
    SetTransaction(ModeChange),
    Statement(Class),
}

/// What the caller does to storage and settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    None,
    /// A new transaction begins; nothing was open.
    Start,
    Commit,
    Rollback,
    /// Commit, then a new transaction with the same mode begins.
    CommitAndChain,
    RollbackAndChain,
    /// The new savepoint's number, counted from 0.
    Savepoint(usize),
    RollbackTo(usize),
    Release(usize),
}

/// An effect, and the warning that goes with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decision {
    pub effect: Effect,
    pub warning: Option<SqlError>,
    /// CommandComplete's text where it is not the plan's: COMMIT of a failed block answers ROLLBACK.
    pub tag: Option<&'static str>,
}

impl Decision {
    fn effect(effect: Effect) -> Self {
        Self { effect, warning: None, tag: None }
    }

    fn warned(effect: Effect, warning: SqlError) -> Self {
        Self { effect, warning: Some(warning), tag: None }
    }
}

/// The transaction of one session.
#[derive(Debug)]
pub(crate) struct Transaction {
    status: Status,
    mode: Mode,
    /// A statement that took a snapshot has run: the mode is fixed.
    queried: bool,
    savepoints: Vec<Savepoint>,
    /// Storage took the transaction away: no savepoint can bring it back.
    lost: bool,
    read_only: ReadOnly,
}

#[derive(Debug)]
struct Savepoint {
    name: String,
    read_only: bool,
}

impl Transaction {
    pub(crate) fn new(mode: Mode, read_only: ReadOnly) -> Self {
        let mut new =
            Self { status: Status::Idle, mode, queried: false, savepoints: Vec::new(), lost: false, read_only };
        new.set_mode(mode);
        new
    }

    fn set_mode(&mut self, mode: Mode) {
        self.mode = Mode { read_only: mode.read_only || self.read_only == ReadOnly::Always, ..mode };
    }

    pub(crate) fn ready_status(&self) -> ReadyStatus {
        match self.status {
            Status::Idle | Status::Implicit => ReadyStatus::Idle,
            Status::Block => ReadyStatus::InTransaction,
            Status::Failed => ReadyStatus::Failed,
        }
    }

    /// Whether a block is open, failed or not.
    pub(crate) fn in_block(&self) -> bool {
        matches!(self.status, Status::Block | Status::Failed)
    }

    /// Whether no transaction is open, not even that of an unfinished pipeline.
    pub(crate) fn is_idle(&self) -> bool {
        self.status == Status::Idle
    }

    pub(crate) fn is_failed(&self) -> bool {
        self.status == Status::Failed
    }

    pub(crate) fn mode(&self) -> Mode {
        self.mode
    }

    /// Names of the open savepoints, oldest first: what a writer that joins late has to make too.
    pub(crate) fn savepoint_names(&self) -> impl Iterator<Item = &str> {
        self.savepoints.iter().map(|s| s.name.as_str())
    }

    /// Nothing can bring this failed transaction back, so that what it holds may be let go before its end.
    pub(crate) fn is_hopeless(&self) -> bool {
        self.status == Status::Failed && (self.savepoints.is_empty() || self.lost)
    }

    /// Statements of a message or pipeline begin. Does nothing inside a transaction; true if one began.
    pub(crate) fn on_message(&mut self, defaults: Mode) -> bool {
        if self.status != Status::Idle {
            return false;
        }
        self.open(Status::Implicit, defaults);
        true
    }

    /// The message or pipeline ended: what to do with its implicit transaction. Blocks stay.
    pub(crate) fn on_message_end(&mut self, failed: bool) -> Effect {
        if self.status != Status::Implicit {
            return Effect::None;
        }
        self.close();
        if failed { Effect::Rollback } else { Effect::Commit }
    }

    /// Decides about a command. On an error nothing has changed; the caller follows with [`Self::on_error`].
    ///
    /// # Errors
    /// 25P02 in a failed block, 25001, 25006, 25P01, 3B001, 54000 as PostgreSQL.
    pub(crate) fn on_command(&mut self, command: &Command<'_>) -> Result<Decision, SqlError> {
        if self.status == Status::Failed {
            return self.on_command_failed(command);
        }
        match *command {
            Command::Begin(change) => self.on_begin(change),
            Command::Commit { chain } => self.on_commit(chain),
            Command::Rollback { chain } => self.on_rollback(chain),
            Command::Savepoint(name) => {
                self.need_block("SAVEPOINT")?;
                self.push_savepoint(name)
            }
            Command::RollbackTo(name) => {
                self.need_block("ROLLBACK TO SAVEPOINT")?;
                self.roll_back_to(name)
            }
            Command::Release(name) => {
                self.need_block("RELEASE SAVEPOINT")?;
                let number = self.find_savepoint(name)?;
                self.savepoints.truncate(number);
                Ok(Decision::effect(Effect::Release(number)))
            }
            Command::SetTransaction(change) => self.on_set_transaction(change),
            Command::Statement(class) => self.on_statement(class),
        }
    }

    fn on_command_failed(&mut self, command: &Command<'_>) -> Result<Decision, SqlError> {
        match *command {
            Command::Commit { chain } => {
                let decision = self.end(Effect::Rollback, chain);
                Ok(Decision { tag: Some("ROLLBACK"), ..decision })
            }
            Command::Rollback { chain } => Ok(self.end(Effect::Rollback, chain)),
            Command::RollbackTo(name) => self.roll_back_to(name),
            Command::Begin(_)
            | Command::Savepoint(_)
            | Command::Release(_)
            | Command::SetTransaction(_)
            | Command::Statement(_) => Err(aborted()),
        }
    }

    fn on_begin(&mut self, change: ModeChange) -> Result<Decision, SqlError> {
        let effect = match self.status {
            Status::Idle => Effect::Start,
            Status::Implicit => Effect::None,
            Status::Block | Status::Failed => {
                let warning = warning(sqlstate::ACTIVE_TRANSACTION, "there is already a transaction in progress");
                self.change_mode(change)?;
                return Ok(Decision::warned(Effect::None, warning));
            }
        };
        self.change_mode(change)?;
        self.status = Status::Block;
        Ok(Decision::effect(effect))
    }

    fn on_commit(&mut self, chain: bool) -> Result<Decision, SqlError> {
        if self.status == Status::Block {
            return Ok(self.end(Effect::Commit, chain));
        }
        if chain {
            return Err(needs_block("COMMIT AND CHAIN"));
        }
        let effect = if self.status == Status::Implicit { Effect::Commit } else { Effect::None };
        self.close();
        Ok(Decision::warned(effect, warning(sqlstate::NO_ACTIVE_TRANSACTION, "there is no transaction in progress")))
    }

    fn on_rollback(&mut self, chain: bool) -> Result<Decision, SqlError> {
        if self.status == Status::Block {
            return Ok(self.end(Effect::Rollback, chain));
        }
        if chain {
            return Err(needs_block("ROLLBACK AND CHAIN"));
        }
        let effect = if self.status == Status::Implicit { Effect::Rollback } else { Effect::None };
        self.close();
        Ok(Decision::warned(effect, warning(sqlstate::NO_ACTIVE_TRANSACTION, "there is no transaction in progress")))
    }

    fn on_set_transaction(&mut self, change: ModeChange) -> Result<Decision, SqlError> {
        if self.status == Status::Block {
            self.change_mode(change)?;
            return Ok(Decision::effect(Effect::None));
        }
        let message = "SET TRANSACTION can only be used in transaction blocks";
        Ok(Decision::warned(Effect::None, warning(sqlstate::NO_ACTIVE_TRANSACTION, message)))
    }

    fn on_statement(&mut self, class: Class) -> Result<Decision, SqlError> {
        let mut warned = None;
        match class {
            Class::Session => {}
            Class::Read => self.queried = true,
            Class::Write(what) => {
                if self.mode.read_only {
                    return Err(SqlError::new(
                        sqlstate::READ_ONLY_TRANSACTION,
                        format!("cannot execute {what} in a read-only transaction"),
                    ));
                }
                self.queried = true;
            }
            Class::OutsideBlock(what) => {
                if self.status == Status::Block {
                    return Err(SqlError::new(
                        sqlstate::ACTIVE_TRANSACTION,
                        format!("{what} cannot run inside a transaction block"),
                    ));
                }
                self.queried = true;
            }
            Class::NeedsBlock(what) => {
                if self.status != Status::Block {
                    let message = format!("{what} can only be used in transaction blocks");
                    warned = Some(warning(sqlstate::NO_ACTIVE_TRANSACTION, message));
                }
            }
        }
        Ok(Decision { effect: Effect::None, warning: warned, tag: None })
    }

    /// A statement failed.
    pub(crate) fn on_error(&mut self) {
        if self.status == Status::Block {
            self.status = Status::Failed;
        }
    }

    /// Storage rolled the transaction back on its own (lease lost, snapshot too old): savepoints are gone too.
    pub(crate) fn on_lost(&mut self) {
        self.lost = true;
        self.on_error();
    }

    /// The transaction is over, whatever it was: for a commit that failed.
    pub(crate) fn on_end(&mut self) {
        self.close();
    }

    fn end(&mut self, effect: Effect, chain: bool) -> Decision {
        let mode = self.mode;
        self.close();
        if !chain {
            return Decision::effect(effect);
        }
        self.open(Status::Block, mode);
        Decision::effect(if effect == Effect::Commit { Effect::CommitAndChain } else { Effect::RollbackAndChain })
    }

    fn open(&mut self, status: Status, mode: Mode) {
        self.close();
        self.status = status;
        self.set_mode(mode);
    }

    fn close(&mut self) {
        self.status = Status::Idle;
        self.queried = false;
        self.savepoints.clear();
        self.lost = false;
    }

    fn change_mode(&mut self, change: ModeChange) -> Result<(), SqlError> {
        let isolation = change.isolation.unwrap_or(self.mode.isolation);
        if isolation != self.mode.isolation {
            if self.queried {
                return Err(too_late("SET TRANSACTION ISOLATION LEVEL must be called before any query"));
            }
            if !self.savepoints.is_empty() {
                return Err(too_late("SET TRANSACTION ISOLATION LEVEL must not be called in a subtransaction"));
            }
        }
        let read_only = change.read_only.unwrap_or(self.mode.read_only);
        if self.read_only == ReadOnly::Always && !read_only {
            let text = "cannot set transaction read-write mode on a read-only listener";
            return Err(SqlError::new(sqlstate::FEATURE_NOT_SUPPORTED, text));
        }
        if self.mode.read_only && !read_only {
            if !self.savepoints.is_empty() {
                return Err(too_late("cannot set transaction read-write mode inside a read-only transaction"));
            }
            if self.queried {
                return Err(too_late("transaction read-write mode must be set before any query"));
            }
        }
        self.set_mode(Mode { isolation, read_only });
        Ok(())
    }

    fn push_savepoint(&mut self, name: &str) -> Result<Decision, SqlError> {
        if self.savepoints.len() >= SAVEPOINTS_MAX {
            return Err(SqlError::new(
                sqlstate::PROGRAM_LIMIT_EXCEEDED,
                format!("a transaction may have at most {SAVEPOINTS_MAX} savepoints"),
            ));
        }
        self.savepoints.push(Savepoint { name: name.to_owned(), read_only: self.mode.read_only });
        Ok(Decision::effect(Effect::Savepoint(self.savepoints.len() - 1)))
    }

    fn roll_back_to(&mut self, name: &str) -> Result<Decision, SqlError> {
        let number = self.find_savepoint(name)?;
        if self.lost {
            return Err(SqlError::new(
                sqlstate::SERIALIZATION_FAILURE,
                "the transaction was rolled back as a whole, with its savepoints",
            )
            .hint("End the transaction with ROLLBACK and run it again."));
        }
        self.savepoints.truncate(number + 1);
        if let Some(savepoint) = self.savepoints.last() {
            self.mode.read_only = savepoint.read_only;
        }
        self.status = Status::Block;
        Ok(Decision::effect(Effect::RollbackTo(number)))
    }

    fn find_savepoint(&self, name: &str) -> Result<usize, SqlError> {
        self.savepoints
            .iter()
            .rposition(|s| s.name == name)
            .ok_or_else(|| SqlError::new(sqlstate::UNDEFINED_SAVEPOINT, format!("savepoint \"{name}\" does not exist")))
    }

    fn need_block(&self, what: &str) -> Result<(), SqlError> {
        if self.status == Status::Block { Ok(()) } else { Err(needs_block(what)) }
    }
}

/// 25P02: what every statement but an end gets in a failed block.
pub(crate) fn aborted() -> SqlError {
    SqlError::new(
        sqlstate::IN_FAILED_TRANSACTION,
        "current transaction is aborted, commands ignored until end of transaction block",
    )
}

fn needs_block(what: &str) -> SqlError {
    SqlError::new(sqlstate::NO_ACTIVE_TRANSACTION, format!("{what} can only be used in transaction blocks"))
}

fn too_late(message: &str) -> SqlError {
    SqlError::new(sqlstate::ACTIVE_TRANSACTION, message)
}

fn warning(code: &'static str, message: impl Into<String>) -> SqlError {
    SqlError::new(code, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODE: Mode = Mode { isolation: Isolation::ReadCommitted, read_only: false };
    const NO_CHANGE: ModeChange = ModeChange { isolation: None, read_only: None };

    fn in_status(status: Status) -> Transaction {
        let mut tx = Transaction::new(MODE, ReadOnly::AsSaid);
        match status {
            Status::Idle => {}
            Status::Implicit => assert!(tx.on_message(MODE)),
            Status::Block | Status::Failed => {
                run(&mut tx, &Command::Begin(NO_CHANGE));
                run(&mut tx, &Command::Savepoint("s"));
                if status == Status::Failed {
                    tx.on_error();
                }
            }
        }
        tx
    }

    fn run(tx: &mut Transaction, command: &Command<'_>) -> Decision {
        tx.on_command(command).expect("allowed")
    }

    /// `status after; effect; code of the warning or error`
    fn cell(status: Status, command: &Command<'_>) -> String {
        let mut tx = in_status(status);
        match tx.on_command(command) {
            Ok(decision) => {
                let warning = decision.warning.map(|w| format!(" warns {}", w.sqlstate)).unwrap_or_default();
                let tag = decision.tag.map(|t| format!(" tag {t}")).unwrap_or_default();
                format!("{:?} {:?}{warning}{tag}", tx.status, decision.effect)
            }
            Err(error) => {
                tx.on_error();
                format!("{:?} {}", tx.status, error.sqlstate)
            }
        }
    }

    #[test]
    fn every_command_in_every_status_does_what_postgresql_does() {
        let rows: [(Command<'_>, [&str; 4]); 15] = [
            (Command::Begin(NO_CHANGE), ["Block Start", "Block None", "Block None warns 25001", "Failed 25P02"]),
            (
                Command::Commit { chain: false },
                ["Idle None warns 25P01", "Idle Commit warns 25P01", "Idle Commit", "Idle Rollback tag ROLLBACK"],
            ),
            (
                Command::Commit { chain: true },
                ["Idle 25P01", "Implicit 25P01", "Block CommitAndChain", "Block RollbackAndChain tag ROLLBACK"],
            ),
            (
                Command::Rollback { chain: false },
                ["Idle None warns 25P01", "Idle Rollback warns 25P01", "Idle Rollback", "Idle Rollback"],
            ),
            (
                Command::Rollback { chain: true },
                ["Idle 25P01", "Implicit 25P01", "Block RollbackAndChain", "Block RollbackAndChain"],
            ),
            (Command::Savepoint("t"), ["Idle 25P01", "Implicit 25P01", "Block Savepoint(1)", "Failed 25P02"]),
            (Command::RollbackTo("s"), ["Idle 25P01", "Implicit 25P01", "Block RollbackTo(0)", "Block RollbackTo(0)"]),
            (Command::RollbackTo("x"), ["Idle 25P01", "Implicit 25P01", "Failed 3B001", "Failed 3B001"]),
            (Command::Release("s"), ["Idle 25P01", "Implicit 25P01", "Block Release(0)", "Failed 25P02"]),
            (
                Command::SetTransaction(NO_CHANGE),
                ["Idle None warns 25P01", "Implicit None warns 25P01", "Block None", "Failed 25P02"],
            ),
            (Command::Statement(Class::Session), ["Idle None", "Implicit None", "Block None", "Failed 25P02"]),
            (Command::Statement(Class::Read), ["Idle None", "Implicit None", "Block None", "Failed 25P02"]),
            (Command::Statement(Class::Write("INSERT")), ["Idle None", "Implicit None", "Block None", "Failed 25P02"]),
            (
                Command::Statement(Class::OutsideBlock("VACUUM")),
                ["Idle None", "Implicit None", "Failed 25001", "Failed 25P02"],
            ),
            (
                Command::Statement(Class::NeedsBlock("SET LOCAL")),
                ["Idle None warns 25P01", "Implicit None warns 25P01", "Block None", "Failed 25P02"],
            ),
        ];
        for (command, expected) in &rows {
            for (status, expected) in
                [Status::Idle, Status::Implicit, Status::Block, Status::Failed].into_iter().zip(expected)
            {
                assert_eq!(cell(status, command), *expected, "{command:?} in {status:?}");
            }
        }
    }

    #[test]
    fn the_indicator_follows_the_status() {
        assert_eq!(in_status(Status::Idle).ready_status(), ReadyStatus::Idle);
        assert_eq!(in_status(Status::Block).ready_status(), ReadyStatus::InTransaction);
        assert_eq!(in_status(Status::Failed).ready_status(), ReadyStatus::Failed);
    }

    #[test]
    fn an_implicit_transaction_ends_with_its_message() {
        let mut tx = in_status(Status::Implicit);
        assert_eq!(tx.on_message_end(false), Effect::Commit);
        assert!(!tx.in_block());
        let mut tx = in_status(Status::Implicit);
        assert_eq!(tx.on_message_end(true), Effect::Rollback);
        let mut tx = in_status(Status::Block);
        assert_eq!(tx.on_message_end(true), Effect::None);
        assert!(tx.in_block());
    }

    #[test]
    fn begin_inside_a_message_keeps_what_ran_before_it() {
        let mut tx = in_status(Status::Implicit);
        run(&mut tx, &Command::Statement(Class::Write("INSERT")));
        assert_eq!(run(&mut tx, &Command::Begin(NO_CHANGE)).effect, Effect::None);
        assert_eq!(tx.on_message_end(false), Effect::None);
    }

    #[test]
    fn read_only_transactions_refuse_writes_and_chain_keeps_the_mode() {
        let mut tx = in_status(Status::Idle);
        run(&mut tx, &Command::Begin(ModeChange { read_only: Some(true), ..NO_CHANGE }));
        let error = tx.on_command(&Command::Statement(Class::Write("INSERT"))).expect_err("refused");
        assert_eq!(error.message, "cannot execute INSERT in a read-only transaction");
        run(&mut tx, &Command::Commit { chain: true });
        assert!(tx.mode().read_only);
        assert_eq!(tx.on_command(&Command::Statement(Class::Write("DELETE"))).expect_err("refused").sqlstate, "25006");
    }

    #[test]
    fn the_mode_is_fixed_by_the_first_query() {
        let serializable = ModeChange { isolation: Some(Isolation::Serializable), read_only: None };
        let mut tx = in_status(Status::Idle);
        run(&mut tx, &Command::Begin(NO_CHANGE));
        run(&mut tx, &Command::Statement(Class::Session));
        run(&mut tx, &Command::SetTransaction(serializable));
        assert_eq!(tx.mode().isolation, Isolation::Serializable);
        run(&mut tx, &Command::Statement(Class::Read));
        run(&mut tx, &Command::SetTransaction(serializable));
        let back = ModeChange { isolation: Some(Isolation::ReadCommitted), read_only: None };
        assert_eq!(tx.on_command(&Command::SetTransaction(back)).expect_err("too late").sqlstate, "25001");
        run(&mut tx, &Command::SetTransaction(ModeChange { isolation: None, read_only: Some(true) }));
        let write = ModeChange { isolation: None, read_only: Some(false) };
        assert_eq!(tx.on_command(&Command::SetTransaction(write)).expect_err("too late").sqlstate, "25001");
    }

    #[test]
    fn the_newest_savepoint_of_a_name_counts() {
        let mut tx = in_status(Status::Block);
        assert_eq!(run(&mut tx, &Command::Savepoint("s")).effect, Effect::Savepoint(1));
        assert_eq!(run(&mut tx, &Command::Release("s")).effect, Effect::Release(1));
        assert_eq!(run(&mut tx, &Command::RollbackTo("s")).effect, Effect::RollbackTo(0));
        assert_eq!(tx.savepoint_names().collect::<Vec<_>>(), ["s"]);
    }

    #[test]
    fn a_lost_transaction_cannot_be_recovered_by_its_savepoints() {
        let mut tx = in_status(Status::Block);
        tx.on_lost();
        assert!(tx.is_hopeless());
        assert_eq!(tx.on_command(&Command::RollbackTo("s")).expect_err("lost").sqlstate, "40001");
        assert!(tx.is_failed());
        assert_eq!(run(&mut tx, &Command::Rollback { chain: false }).effect, Effect::Rollback);
        assert!(!in_status(Status::Failed).is_hopeless());
    }

    #[test]
    fn savepoints_are_bounded() {
        let mut tx = in_status(Status::Block);
        for _ in 1..SAVEPOINTS_MAX {
            run(&mut tx, &Command::Savepoint("x"));
        }
        assert_eq!(tx.on_command(&Command::Savepoint("x")).expect_err("limit").sqlstate, "54000");
    }
}
