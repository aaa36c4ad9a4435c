//! What can be asked of the writer. Closed: every way to change the database is listed here.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::oneshot;

use super::gate::Abandoned;
use super::lease::Lease;
use crate::error::{DdlError, ExecuteError, SchemaError, UserError};
use crate::schema::ddl::{Ddl, DdlOutcome};
use crate::schema::model::Schema;
use crate::schema::{Report, SchemaFile};
use crate::store::{Durability, Limits, Outcome, Room, RowSink, Statement};
use crate::users::UserChange;

/// Where an answer goes. A caller that dropped its future simply does not get it.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, ExecuteError>>;

/// Sends the answer; a caller that went away does not want it.
pub(crate) fn answer<T, E>(reply: oneshot::Sender<Result<T, E>>, result: Result<T, E>) {
    drop(reply.send(result));
}

/// One autocommit write: a member of the next group commit.
pub(crate) struct WriteJob {
    /// The schema's version that the statement was planned for; `None`: any will do.
    pub(crate) planned_for: Option<u64>,
    pub(crate) statement: Statement,
    pub(crate) durability: Durability,
    pub(crate) limits: Limits,
    pub(crate) sink: RowSink,
    pub(crate) reply: Reply<Outcome>,
}

/// A session that wants the writer for an interactive transaction.
pub(crate) struct LeaseJob {
    pub(crate) limits: Limits,
    /// The commit counter of the snapshot that the transaction has read so far.
    pub(crate) snapshot: Option<u64>,
    pub(crate) reply: Reply<Lease>,
}

/// Schema files to be applied in one transaction of their own.
pub(crate) struct SchemaFilesJob {
    pub(crate) files: Vec<SchemaFile>,
    pub(crate) reply: oneshot::Sender<Result<Report, SchemaError>>,
}

/// A change of the users, in a transaction of its own.
pub(crate) struct UserJob {
    pub(crate) change: UserChange,
    pub(crate) reply: oneshot::Sender<Result<(), UserError>>,
}

/// What waits for the writer, in order of arrival.
pub(crate) enum Command {
    Write(WriteJob),
    Lease(LeaseJob),
    SchemaFiles(SchemaFilesJob),
    User(UserJob),
}

/// What the holder of the lease asks for.
pub(crate) enum LeaseOp {
    Run {
        statement: Statement,
        limits: Limits,
        abandoned: Abandoned,
        sink: RowSink,
        room: Option<Room>,
        reply: Reply<Outcome>,
    },
    Ddl {
        ddl: Ddl,
        reply: oneshot::Sender<Result<(DdlOutcome, Arc<Schema>), DdlError>>,
    },
    Savepoint {
        name: String,
        reply: Reply<()>,
    },
    RollbackTo {
        name: String,
        reply: Reply<Arc<Schema>>,
    },
    Release {
        name: String,
        reply: Reply<()>,
    },
    Commit {
        durability: Durability,
        reply: Reply<()>,
    },
    /// Also what a dropped lease sends, without anybody to answer.
    Rollback {
        reply: Option<Reply<()>>,
    },
}

/// Something in a bounded queue whose caller may lose patience.
pub(crate) trait Waiting {
    /// Why it is no longer wanted, if so.
    fn expired(&self, now: Instant) -> Option<ExecuteError>;
    /// Answers it without running it.
    fn refuse(self, error: ExecuteError);
}

/// Why a statement under these limits must not start.
pub(crate) fn expired(limits: &Limits, now: Instant) -> Option<ExecuteError> {
    if limits.interrupt.is_cancelled() {
        Some(ExecuteError::Interrupted)
    } else if limits.deadline.is_some_and(|deadline| now >= deadline) {
        Some(ExecuteError::DeadlineExceeded)
    } else {
        None
    }
}

impl Waiting for Command {
    fn expired(&self, now: Instant) -> Option<ExecuteError> {
        match self {
            Self::Write(job) => expired(&job.limits, now),
            Self::Lease(job) if job.reply.is_closed() => Some(ExecuteError::Interrupted),
            Self::Lease(job) => expired(&job.limits, now),
            Self::SchemaFiles(_) | Self::User(_) => None,
        }
    }

    fn refuse(self, error: ExecuteError) {
        match self {
            Self::Write(job) => answer(job.reply, Err(error)),
            Self::Lease(job) => answer(job.reply, Err(error)),
            Self::SchemaFiles(job) => answer(job.reply, Err(error.into())),
            Self::User(job) => answer(job.reply, Err(error.into())),
        }
    }
}

/// Answers and removes what is no longer wanted.
pub(crate) fn expire<T: Waiting>(queue: &mut std::collections::VecDeque<T>, now: Instant) {
    if !queue.iter().any(|waiting| waiting.expired(now).is_some()) {
        return;
    }
    for waiting in std::mem::take(queue) {
        match waiting.expired(now) {
            Some(error) => waiting.refuse(error),
            None => queue.push_back(waiting),
        }
    }
}
