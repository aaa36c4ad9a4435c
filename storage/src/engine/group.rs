//! The SQLite transaction that client versions are grouped in: its statements, and what undoes one version of it.
//!
//! The first version of a group needs no savepoint: what undoes it undoes the group, and the group is begun again. A savepoint
//! would copy every page that the version writes before the write, which single-row transactions pay for.

use crate::sqlite::db::{Result, Stmt};
use crate::sqlite::{Db, SqliteError};

/// The group of one write connection. Drop it before the connection closes.
#[derive(Debug)]
pub(super) struct Group {
    db: Db,
    begin: Stmt,
    /// Makes `crsql_transaction` part of the transaction: SQLite tells it about savepoints, commit and rollback.
    join: Stmt,
    savepoint: Stmt,
    release: Stmt,
    commit: Stmt,
    /// Whether the group holds nothing but the open version.
    first: bool,
    /// Whether the open version began with a savepoint.
    in_savepoint: bool,
}

impl Group {
    /// Prepares the statements; `crsql_transaction` must be registered.
    pub(super) fn prepare(db: Db) -> Result<Self> {
        Ok(Self {
            db,
            begin: db.prepare("BEGIN IMMEDIATE")?,
            join: db.prepare("INSERT INTO crsql_transaction SELECT 0 WHERE 0")?,
            savepoint: db.prepare("SAVEPOINT crsql_version")?,
            release: db.prepare("RELEASE crsql_version")?,
            commit: db.prepare("COMMIT")?,
            first: false,
            in_savepoint: false,
        })
    }

    /// Opens the transaction.
    pub(super) fn begin(&mut self) -> Result<()> {
        self.begin.run(&[])?;
        (self.first, self.in_savepoint) = (true, false);
        self.join.run(&[])
    }

    /// Opens a version.
    pub(super) fn begin_version(&mut self) -> Result<()> {
        self.in_savepoint = false;
        if !self.first {
            self.savepoint.run(&[])?;
            self.in_savepoint = true;
        }
        Ok(())
    }

    /// The open version stays in the group.
    pub(super) fn end_version(&mut self) -> Result<()> {
        self.first = false;
        if std::mem::take(&mut self.in_savepoint) { self.release.run(&[]) } else { Ok(()) }
    }

    /// The group holds work that is no version: from now on undoing a version must spare it.
    pub(super) fn keep(&mut self) {
        self.first = false;
    }

    /// Undoes the open version and nothing else. After an error the group may be gone.
    pub(super) fn abandon_version(&mut self) -> Result<()> {
        if std::mem::take(&mut self.in_savepoint) {
            return self.db.exec("ROLLBACK TO crsql_version; RELEASE crsql_version");
        }
        if !self.first {
            return Err(SqliteError::new("no version is open"));
        }
        self.rollback()?;
        self.begin()
    }

    /// Commits.
    pub(super) fn commit(&mut self) -> Result<()> {
        self.commit.run(&[])?;
        self.first = false;
        Ok(())
    }

    /// Undoes everything.
    pub(super) fn rollback(&mut self) -> Result<()> {
        (self.first, self.in_savepoint) = (false, false);
        self.db.exec("ROLLBACK")
    }
}
