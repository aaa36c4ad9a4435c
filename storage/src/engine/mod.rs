//! The engine: one synchronous, single-threaded write connection; transactions made of client versions; merge.

mod open;

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::change::changeset::Changeset;
use crate::change::ids::{DbVersion, Seq, SiteId, Timestamp};
use crate::error::{ApplyError, ExecuteError, OpenError};
use open::PRAGMAS;
pub use open::{CaptureMode, EngineOptions};

/// What one client transaction became.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VersionSummary {
    pub version: DbVersion,
    pub last_seq: Seq,
    pub ts: Timestamp,
}

/// What a merge did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Applied {
    /// Cells and sentinels that won.
    pub impacted: u64,
    /// Changesets the ledger had already.
    pub known: u64,
    /// Changesets parked because this schema lacks a table or column.
    pub parked: u64,
}

/// One write connection. Single-threaded; may be moved to the thread that uses it.
#[derive(Debug)]
pub struct Engine {
    conn: Connection,
    site: SiteId,
}

impl Engine {
    /// Opens or creates the database at `path`.
    pub fn open(path: &Path, options: &EngineOptions) -> Result<Self, OpenError> {
        let sqlite = |source| OpenError::Sqlite { path: path.to_owned(), source };
        let conn = Connection::open(path).map_err(sqlite)?;
        Self::with_connection(conn, options).map_err(sqlite)
    }

    /// A database in memory whose identity follows from `seed`.
    pub fn memory(seed: u64) -> Result<Self, OpenError> {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&seed.to_be_bytes());
        let options = EngineOptions { site_id: Some(SiteId::from_random(bytes)), ..EngineOptions::default() };
        let sqlite = |source| OpenError::Sqlite { path: PathBuf::from(":memory:"), source };
        let conn = Connection::open_in_memory().map_err(sqlite)?;
        Self::with_connection(conn, &options).map_err(sqlite)
    }

    fn with_connection(conn: Connection, options: &EngineOptions) -> rusqlite::Result<Self> {
        conn.execute_batch(PRAGMAS)?;
        conn.pragma_update(None, "cache_size", options.cache_size)?;
        for hook in &options.on_open {
            hook(&conn)?;
        }
        Ok(Self { conn, site: options.site_id.unwrap_or(SiteId::BASELINE) })
    }

    /// The connection, for statements inside a version. Writes to replicated tables outside [`Self::begin_version`] are refused at commit.
    pub fn connection(&self) -> &Connection {
        &self.conn
    }

    /// The connection, for installing its progress handler and WAL hook.
    pub(crate) fn connection_mut(&mut self) -> &mut Connection {
        &mut self.conn
    }

    /// This node's identity.
    pub fn site_id(&self) -> SiteId {
        self.site
    }

    /// Opens the SQLite transaction that client versions are grouped in.
    pub fn begin(&mut self) -> Result<(), ExecuteError> {
        self.batch("BEGIN IMMEDIATE")
    }

    /// Opens one client transaction inside the group.
    pub fn begin_version(&mut self, _ts: Timestamp) -> Result<(), ExecuteError> {
        self.batch("SAVEPOINT crsql_version")
    }

    /// Ends the client transaction as one version; `None` if it changed no replicated cell.
    pub fn end_version(&mut self) -> Result<Option<VersionSummary>, ExecuteError> {
        self.batch("RELEASE crsql_version")?;
        Ok(None)
    }

    /// Undoes the client transaction; the group stays open.
    pub fn abandon_version(&mut self) -> Result<(), ExecuteError> {
        self.batch("ROLLBACK TO crsql_version; RELEASE crsql_version")
    }

    /// Commits the group.
    pub fn commit(&mut self) -> Result<(), ExecuteError> {
        self.batch("COMMIT")
    }

    /// Undoes the group with all its versions.
    pub fn rollback(&mut self) -> Result<(), ExecuteError> {
        self.batch("ROLLBACK")
    }

    /// Makes the table replicated; rows it has become changes of the open version.
    pub fn as_crr(&mut self, _table: &str) -> Result<(), ExecuteError> {
        Ok(())
    }

    /// Call before altering a replicated table in the open transaction.
    pub fn begin_alter(&mut self, _table: &str) -> Result<(), ExecuteError> {
        Ok(())
    }

    /// Call after altering it: capture follows the new columns.
    pub fn commit_alter(&mut self, _table: &str) -> Result<(), ExecuteError> {
        Ok(())
    }

    /// Removes what makes the table replicated, before it is dropped.
    pub fn drop_crr(&mut self, _table: &str) -> Result<(), ExecuteError> {
        Ok(())
    }

    /// Merges changesets in the open transaction, data, metadata and ledger together (I3).
    pub fn apply(&mut self, changesets: &[Changeset]) -> Result<Applied, ApplyError> {
        let _ = changesets;
        Ok(Applied::default())
    }

    /// Closes the connection cleanly.
    pub fn close(self) -> Result<(), ExecuteError> {
        self.conn.close().map_err(|(_, error)| ExecuteError::from(error))
    }

    fn batch(&self, sql: &str) -> Result<(), ExecuteError> {
        self.conn.execute_batch(sql).map_err(ExecuteError::from)
    }
}
