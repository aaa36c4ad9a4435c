//! The session's transaction on storage: begins, commits, rolls back, takes the writer when the first write comes.

use std::sync::atomic::Ordering;
use std::time::Duration;

use storage::error::ExecuteError;
use storage::store::{Durability, Limits};
use storage::{Lease, Snapshot};

use super::clock::{WallTime, now};
use super::executor::{Executor, Failure, Job};
use super::route::Held;
use crate::error::{SqlError, report, sqlstate};
use crate::plan::RowLock;
use crate::protocol::backend::Severity;
use crate::session::transaction::{Command, Decision, Effect, Mode};

/// What of storage a session holds across statements.
#[derive(Debug, Default)]
pub(crate) enum Backend {
    #[default]
    Nothing,
    Snapshot(Snapshot),
    Lease(Lease),
}

impl Backend {
    pub(super) fn held(&self) -> Held {
        match self {
            Self::Nothing => Held::Nothing,
            Self::Snapshot(_) => Held::Snapshot,
            Self::Lease(_) => Held::Lease,
        }
    }
}

/// How long `NOWAIT` waits for the writer: a group commit that is under way locks no row, and takes some milliseconds.
const NOWAIT_PATIENCE: Duration = Duration::from_millis(50);

impl Executor {
    /// A statement begins: outside a block it opens an implicit transaction, unless one is open.
    pub(super) fn open_implicit(&mut self) {
        let defaults =
            Mode { isolation: self.settings.default_isolation(), read_only: self.settings.default_read_only() };
        if self.tx.on_message(defaults) {
            self.start_transaction();
        }
    }

    fn start_transaction(&mut self) {
        self.transaction_time = self.statement_time;
        self.settings.begin();
        self.portals.begin();
        self.pending.begin();
    }

    /// The message or pipeline ended well: commits its implicit transaction.
    ///
    /// # Errors
    /// The commit's; nothing is open then.
    pub(super) async fn end_message(&mut self) -> Result<(), Failure> {
        match self.tx.on_message_end(false) {
            Effect::Commit => self.commit().await,
            Effect::None
            | Effect::Start
            | Effect::Rollback
            | Effect::CommitAndChain
            | Effect::RollbackAndChain
            | Effect::Savepoint(_)
            | Effect::RollbackTo(_)
            | Effect::Release(_) => Ok(()),
        }
    }

    /// A statement failed: its implicit transaction is undone.
    pub(super) async fn undo_implicit(&mut self) {
        if self.tx.on_message_end(true) == Effect::Rollback {
            self.roll_back().await;
        }
    }

    /// Lets the rules decide about a command, and warns if they do.
    ///
    /// # Errors
    /// The rules'.
    pub(super) fn decide(&mut self, command: &Command<'_>) -> Result<Decision, SqlError> {
        let decision = self.tx.on_command(command)?;
        if let Some(warning) = &decision.warning {
            self.notice(Severity::Warning, warning);
        }
        Ok(decision)
    }

    /// Carries out a transaction command; `savepoint` is its name where it has one.
    ///
    /// # Errors
    /// Storage's.
    pub(super) async fn apply(&mut self, effect: Effect, savepoint: &str) -> Result<(), Failure> {
        match effect {
            Effect::None => {}
            Effect::Start => self.start_transaction(),
            Effect::Commit => self.commit().await?,
            Effect::Rollback => self.roll_back().await,
            Effect::CommitAndChain => {
                self.commit().await?;
                self.start_transaction();
            }
            Effect::RollbackAndChain => {
                self.roll_back().await;
                self.start_transaction();
            }
            Effect::Savepoint(_) => {
                self.settings.savepoint();
                self.portals.savepoint();
                self.pending.savepoint();
                self.transaction_locks.savepoint();
                if let Backend::Lease(lease) = &mut self.held {
                    let result = lease.savepoint(savepoint).await;
                    self.checked(result)?;
                }
            }
            Effect::RollbackTo(number) => {
                self.settings.rollback_to(number);
                self.portals.rollback_to(number);
                self.pending.rollback_to(number);
                let locks = self.transaction_locks.rollback_to(number);
                self.give_back(&locks);
                if let Backend::Lease(lease) = &mut self.held {
                    let result = lease.rollback_to(savepoint).await;
                    self.checked(result)?;
                }
            }
            Effect::Release(number) => {
                self.settings.release(number);
                self.portals.release(number);
                self.pending.release(number);
                self.transaction_locks.release(number);
                if let Backend::Lease(lease) = &mut self.held {
                    let result = lease.release(savepoint).await;
                    self.checked(result)?;
                }
            }
        }
        Ok(())
    }

    async fn commit(&mut self) -> Result<(), Failure> {
        self.portals.commit();
        // While the writer is held, so that tickets are in the order of commits.
        let ticket = self.notification_ticket();
        let result = match std::mem::take(&mut self.held) {
            Backend::Nothing | Backend::Snapshot(_) => Ok(()),
            Backend::Lease(lease) => lease.commit(self.durability()).await,
        };
        match result {
            Ok(()) => {
                self.settings.commit();
                self.committed(ticket).await;
                Ok(())
            }
            Err(error) => {
                self.settings.rollback();
                self.forget_effects();
                self.tx.on_end();
                Err(report::from_execute(&error, &self.worker.store.schema()).into())
            }
        }
    }

    async fn roll_back(&mut self) {
        self.portals.rollback();
        self.settings.rollback();
        self.forget_effects();
        self.let_go().await;
    }

    /// Gives back the writer or snapshot; what was written is undone. An error means that storage did so before.
    pub(super) async fn let_go(&mut self) {
        if let Backend::Lease(lease) = std::mem::take(&mut self.held)
            && let Err(error) = lease.rollback().await
        {
            tracing::debug!(%error, "rollback of a transaction that is over");
        }
    }

    /// What a commit of this session waits for.
    pub(super) fn durability(&self) -> Durability {
        match self.settings.value("synchronous_commit") {
            Some("off") => Durability::Committed,
            Some(_) | None => Durability::Fsynced,
        }
    }

    /// Takes the writer for the rest of the transaction, with the savepoints that are open already.
    ///
    /// # Errors
    /// 55P03 after `lock_timeout`, 57014, 40001 when the snapshot is stale, 53300.
    pub(super) async fn take_lease(&mut self, job: &Job) -> Result<(), Failure> {
        if matches!(self.held, Backend::Lease(_)) {
            return Ok(());
        }
        self.identity.rights.check_writer()?;
        let lock_deadline = self.settings.timeouts().lock.map(|timeout| now() + timeout);
        let lock_is_first = match (lock_deadline, job.deadline) {
            (Some(lock), Some(statement)) => lock < statement,
            (Some(_), None) => true,
            (None, Some(_) | None) => false,
        };
        let limits = Limits {
            deadline: if lock_is_first { lock_deadline } else { job.deadline },
            interrupt: job.interrupt.clone(),
        };
        let acquired = self.wait_for_lease(limits, job).await;
        let mut lease = match acquired {
            Err(ExecuteError::DeadlineExceeded) if lock_is_first => {
                return Err(
                    SqlError::new(sqlstate::LOCK_NOT_AVAILABLE, "canceling statement due to lock timeout").into()
                );
            }
            other => self.checked(other)?,
        };
        let mut made = Ok(());
        for name in self.tx.savepoint_names() {
            made = lease.savepoint(name).await;
            if made.is_err() {
                break;
            }
        }
        self.checked(made)?;
        self.worker.shared.counters.leases.fetch_add(1, Ordering::Relaxed);
        self.held = Backend::Lease(lease);
        Ok(())
    }

    /// Takes the writer for `FOR UPDATE` and its like.
    ///
    /// # Errors
    /// As [`Self::take_lease`], and 55P03 if it shall not wait and others write.
    pub(super) async fn take_row_lock(&mut self, lock: RowLock, job: &Job) -> Result<(), Failure> {
        if !lock.nowait {
            return self.take_lease(job).await;
        }
        let soon = now() + NOWAIT_PATIENCE;
        if job.deadline.is_some_and(|deadline| deadline < soon) {
            return self.take_lease(job).await;
        }
        let hurried = Job { interrupt: job.interrupt.clone(), deadline: Some(soon) };
        self.take_lease(&hurried).await.map_err(|failure| match failure {
            Failure::Sql(error) if error.sqlstate == sqlstate::QUERY_CANCELED && !job.interrupt.is_cancelled() => {
                let text = "could not obtain lock on rows: another transaction writes";
                SqlError::new(sqlstate::LOCK_NOT_AVAILABLE, text).into()
            }
            Failure::Sql(_) | Failure::Gone => failure,
        })
    }

    async fn wait_for_lease(&mut self, limits: Limits, job: &Job) -> Result<Lease, ExecuteError> {
        let store = self.worker.store.clone();
        let slot = self.slot.clone();
        let held = std::mem::take(&mut self.held);
        let acquire = async move {
            match held {
                Backend::Snapshot(snapshot) => snapshot.into_lease(limits).await,
                Backend::Nothing => store.lease(limits).await,
                Backend::Lease(lease) => Ok(lease),
            }
        };
        tokio::select! {
            acquired = acquire => acquired,
            () = slot.cancelled(&job.interrupt) => Err(ExecuteError::Interrupted),
        }
    }

    /// Takes the snapshot that the rest of the transaction reads from.
    ///
    /// # Errors
    /// Storage's.
    pub(super) async fn take_snapshot(&mut self) -> Result<(), Failure> {
        if matches!(self.held, Backend::Nothing) {
            let taken = self.worker.store.snapshot().await;
            self.held = Backend::Snapshot(self.checked(taken)?);
        }
        Ok(())
    }

    /// Passes a result on, with the error mapped and its meaning for the transaction drawn.
    pub(super) fn checked<T>(&mut self, result: Result<T, ExecuteError>) -> Result<T, Failure> {
        result.map_err(|error| self.storage_failure(&error))
    }

    /// Maps a storage error; where it ended the transaction, so it is here.
    pub(super) fn storage_failure(&mut self, error: &ExecuteError) -> Failure {
        let mapped = report::from_execute(error, &self.schema());
        match error {
            ExecuteError::LeaseLost(_)
            | ExecuteError::SnapshotTooOld
            | ExecuteError::SnapshotStale
            | ExecuteError::WriterFailed { .. }
            | ExecuteError::DiskFull { .. }
            | ExecuteError::Closed => {
                self.tx.on_lost();
                self.held = Backend::Nothing;
            }
            ExecuteError::Sqlite { .. }
            | ExecuteError::Interrupted
            | ExecuteError::DeadlineExceeded
            | ExecuteError::BudgetExceeded
            | ExecuteError::StalePlan
            | ExecuteError::QueueFull
            | ExecuteError::Sink => {}
        }
        Failure::Sql(mapped)
    }

    /// The wall time that `now()` has in this transaction.
    pub(super) fn transaction_time(&self) -> WallTime {
        self.transaction_time
    }
}
