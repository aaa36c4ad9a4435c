//! What can go wrong in storage; each variant says what state is left.

use std::path::PathBuf;

use crate::schema::Violation;

/// Opening a database failed. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("open database {path}")]
    Sqlite {
        path: PathBuf,
        #[source]
        source: rusqlite::Error,
    },
    /// The file was written by a newer version.
    #[error(
        "database {path} has format {found}; this version reads up to {supported}. Start the version that wrote it, or newer"
    )]
    NewerFormat { path: PathBuf, found: u32, supported: u32 },
    #[error("database {path}: {message}")]
    Unusable { path: PathBuf, message: String },
}

/// Why a session lost the writer while others waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseLoss {
    /// Idle in its transaction for longer than the limit.
    Idle,
    /// Held the writer for longer than the limit.
    Held,
    /// SQLite undid the whole transaction with a write that was interrupted, or that found the disk or the memory full.
    Undone,
}

/// Running a statement failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ExecuteError {
    /// SQLite refused or failed the statement, which had no effect. An open transaction stays open; its owner decides.
    /// Functions registered by a front end report through `message`.
    #[error("{message}")]
    Sqlite { code: i32, extended_code: i32, message: String },
    /// Cancelled through its [`crate::store::Interrupt`]. The statement had no effect.
    #[error("statement interrupted")]
    Interrupted,
    /// Past the deadline of its [`crate::store::Limits`]. The statement had no effect.
    #[error("statement deadline exceeded")]
    DeadlineExceeded,
    /// An inline read used up its budget. It had no effect; run it on the pool.
    #[error("inline budget exceeded")]
    BudgetExceeded,
    /// The writer was taken away because others waited; the transaction is rolled back. SQLSTATE 40001.
    #[error("transaction rolled back: {0:?}")]
    LeaseLost(LeaseLoss),
    /// The snapshot was dropped because it kept the WAL from being reused past its limit. SQLSTATE 72000.
    #[error("snapshot too old")]
    SnapshotTooOld,
    /// A write after others had committed since this snapshot was taken. SQLSTATE 40001.
    #[error("could not serialize access due to concurrent update")]
    SnapshotStale,
    /// The writer stopped after an IO error; nothing was committed by this statement, reads go on. SQLSTATE 58030.
    #[error("writes have stopped after an IO error: {message}")]
    WriterFailed { message: String },
    /// The disk is full; nothing was committed. SQLSTATE 53100.
    #[error("disk full: {message}")]
    DiskFull { message: String },
    /// The schema changed after the statement was planned; nothing was done. To be planned again.
    #[error("the schema has changed since the statement was planned")]
    StalePlan,
    /// A bounded queue was full for as long as the caller may wait. SQLSTATE 53300.
    #[error("too many waiting statements")]
    QueueFull,
    /// The row sink stopped with an error (for example: the client went away, or a value does not fit its type).
    #[error("result refused by its reader")]
    Sink,
    /// The store is closing. SQLSTATE 57P01.
    #[error("the database is shutting down")]
    Closed,
}

/// A schema change was refused or failed. Nothing was changed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DdlError {
    /// 42P07
    #[error("relation \"{0}\" already exists")]
    DuplicateRelation(String),
    /// 42P01
    #[error("table \"{0}\" does not exist")]
    UndefinedTable(String),
    /// 42P01, of statements other than DROP TABLE.
    #[error("relation \"{0}\" does not exist")]
    UndefinedRelation(String),
    /// 42704
    #[error("index \"{0}\" does not exist")]
    UndefinedIndex(String),
    /// 42703
    #[error("column \"{column}\" of relation \"{table}\" does not exist")]
    UndefinedColumn { table: String, column: String },
    /// 42701
    #[error("column \"{column}\" of relation \"{table}\" already exists")]
    DuplicateColumn { table: String, column: String },
    /// 42P16
    #[error("multiple primary keys for table \"{0}\" are not allowed")]
    MultiplePrimaryKeys(String),
    /// 42P16: a key column is never NULL.
    #[error("column \"{0}\" is in a primary key")]
    InPrimaryKey(String),
    /// 42701
    #[error("column \"{0}\" specified more than once")]
    ColumnTwice(String),
    /// 42703
    #[error("column \"{0}\" named in key does not exist")]
    UndefinedKeyColumn(String),
    /// 42701
    #[error("column \"{0}\" appears twice in primary key constraint")]
    KeyColumnTwice(String),
    /// 42703
    #[error("column \"{0}\" does not exist")]
    UndefinedIndexColumn(String),
    /// 23502: adding the constraint to a table with rows.
    #[error("column \"{column}\" of relation \"{table}\" contains null values")]
    ContainsNulls { table: String, column: String },
    /// 42809: the name belongs to a relation of another kind.
    #[error("{message}")]
    WrongObjectType { message: String, hint: String },
    /// 2BP01: something else needs the object.
    #[error("{message}")]
    Required { message: String, hint: String },
    /// 54011
    #[error("{0}")]
    TooManyColumns(String),
    /// XX000: our own tables and SQLite's schema disagree; see [`SchemaError::Catalog`].
    #[error("the schema catalog is damaged: {0}")]
    Catalog(String),
    /// 0A000: what, and what to do instead.
    #[error("{message}")]
    Unsupported { message: String, hint: Option<String> },
    #[error(transparent)]
    Execute(#[from] ExecuteError),
}

/// A change of the users was refused or failed. Nothing was changed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum UserError {
    #[error("user \"{0}\" exists already")]
    Exists(String),
    #[error("user \"{0}\" does not exist")]
    Unknown(String),
    #[error("\"{name}\" cannot be the name of a user: {reason}")]
    BadName { name: String, reason: &'static str },
    #[error("a verifier has at most {max} bytes", max = crate::users::VERIFIER_BYTES_MAX)]
    LongVerifier,
    #[error("a node has at most {max} users", max = crate::users::USERS_MAX)]
    TooMany,
    #[error(transparent)]
    Execute(#[from] ExecuteError),
}

impl From<rusqlite::Error> for UserError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Execute(error.into())
    }
}

impl From<rusqlite::Error> for ExecuteError {
    /// Keeps SQLite's codes and message; a full disk and an interrupt get their own variants.
    fn from(error: rusqlite::Error) -> Self {
        let message = if let rusqlite::Error::SqliteFailure(_, Some(message)) = &error {
            message.clone()
        } else {
            error.to_string()
        };
        let Some(failure) = error.sqlite_error() else {
            return Self::Sqlite { code: 1, extended_code: 1, message };
        };
        let (code, extended_code) = (failure.extended_code & 0xff, failure.extended_code);
        if code == rusqlite::ffi::SQLITE_FULL {
            Self::DiskFull { message }
        } else if code == rusqlite::ffi::SQLITE_INTERRUPT {
            Self::Interrupted
        } else {
            Self::Sqlite { code, extended_code, message }
        }
    }
}

impl From<crate::sqlite::SqliteError> for ExecuteError {
    fn from(error: crate::sqlite::SqliteError) -> Self {
        let (code, message) = (error.code & 0xff, error.message);
        if code == rusqlite::ffi::SQLITE_FULL {
            Self::DiskFull { message }
        } else if code == rusqlite::ffi::SQLITE_INTERRUPT {
            Self::Interrupted
        } else {
            Self::Sqlite { code, extended_code: error.code, message }
        }
    }
}

/// Merging changesets failed. The caller rolls the transaction back; the ledger is then unchanged (I3).
#[derive(Debug, Clone, thiserror::Error)]
pub enum ApplyError {
    /// The peer sent something that no correct node sends: an unreadable key, an even causal length with cells. Nothing of
    /// this changeset was written.
    #[error("malformed changeset: {reason}")]
    Malformed { reason: String },
    /// SQLite refused the write.
    #[error("apply changes: {0}")]
    Execute(#[from] ExecuteError),
}

/// Reading or applying schema files failed. Nothing was changed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SchemaError {
    /// The files break rules: every one of them, in the order of file and line.
    #[error("{}", lines(violations))]
    Invalid { violations: Vec<Violation> },
    /// Our own tables and SQLite's schema disagree: something other than the database changed the file.
    #[error("the schema catalog is damaged: {message}")]
    Catalog { message: String },
    #[error(transparent)]
    Execute(#[from] ExecuteError),
}

fn lines(violations: &[Violation]) -> String {
    violations.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
