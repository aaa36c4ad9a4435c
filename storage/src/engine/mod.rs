//! The engine: one synchronous, single-threaded write connection; transactions made of client versions; merge.

pub(crate) mod authorizer;
mod core;
mod group;
mod open;
pub(crate) mod reading;

use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use crate::apply::execute;
use crate::change::changeset::Changeset;
use crate::change::ids::{DbVersion, Seq, SiteId, Timestamp};
use crate::change::range::RangeSet;
use crate::crsql::replica::{FORMAT, Replica};
use crate::crsql::{functions, read};
use crate::error::{ApplyError, ExecuteError, OpenError};
use crate::maintenance::compaction::Compaction;
pub use crate::maintenance::compaction::CompactionStep;
use crate::maintenance::reseed;
use crate::sqlite::SqliteError;
use core::Core;
use group::Group;
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
    /// Parts of versions that wait for the rest.
    pub partial: u64,
    /// Changesets parked because this schema lacks a table or column.
    pub parked: u64,
}

/// One write connection. Single-threaded; may be moved to the thread that uses it.
#[derive(Debug)]
pub struct Engine {
    /// Declared before the connection: dropped first.
    core: Core,
    conn: Connection,
    site: SiteId,
    compaction: Compaction,
}

impl Engine {
    /// Opens or creates the database at `path`.
    pub fn open(path: &Path, options: &EngineOptions) -> Result<Self, OpenError> {
        let conn = Connection::open(path).map_err(|source| OpenError::Sqlite { path: path.to_owned(), source })?;
        Self::with_connection(conn, path, options)
    }

    /// A database in memory whose identity follows from `seed`.
    pub fn memory(seed: u64) -> Result<Self, OpenError> {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&seed.to_be_bytes());
        let options = EngineOptions { site_id: Some(SiteId::from_random(bytes)), ..EngineOptions::default() };
        let path = PathBuf::from(":memory:");
        let conn = Connection::open_in_memory().map_err(|source| OpenError::Sqlite { path: path.clone(), source })?;
        Self::with_connection(conn, &path, &options)
    }

    fn with_connection(conn: Connection, path: &Path, options: &EngineOptions) -> Result<Self, OpenError> {
        let sqlite = |source| OpenError::Sqlite { path: path.to_owned(), source };
        let unusable = |error: SqliteError| OpenError::Unusable { path: path.to_owned(), message: error.message };
        let db = core::db_of(&conn);
        match Replica::format(db).map_err(unusable)? {
            Some(found) if found > FORMAT => {
                return Err(OpenError::NewerFormat { path: path.to_owned(), found, supported: FORMAT });
            }
            Some(_) | None => {}
        }
        conn.execute_batch(PRAGMAS).map_err(sqlite)?;
        conn.pragma_update(None, "cache_size", options.cache_size).map_err(sqlite)?;
        let replica = Replica::open(db, options.site_id).map_err(unusable)?;
        functions::register(&replica).map_err(unusable)?;
        let triggers = options.capture == CaptureMode::Trigger;
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, triggers).map_err(sqlite)?;
        let site = replica.site_id().map_err(unusable)?;
        crate::schema::register_hidden_key(&conn, None).map_err(sqlite)?;
        for hook in &options.on_open {
            hook(&conn).map_err(sqlite)?;
        }
        let group = Group::prepare(db).map_err(unusable)?;
        let compaction = Compaction::open(&replica).map_err(unusable)?;
        Ok(Self { core: Core::new(replica, options.capture, group), conn, site, compaction })
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
        self.core.group().begin().map_err(ExecuteError::from)
    }

    /// Opens one client transaction inside the group. What was written in the group before its first version, other than by
    /// [`Self::apply`], counts as that version's.
    pub fn begin_version(&mut self, ts: Timestamp) -> Result<(), ExecuteError> {
        self.core.group().begin_version()?;
        self.core.replica().ts.set(ts.0);
        Ok(())
    }

    /// Ends the client transaction as one version; `None` if it changed no replicated cell.
    pub fn end_version(&mut self) -> Result<Option<VersionSummary>, ExecuteError> {
        let open = self.core.replica().end_version().map_err(ExecuteError::from)?;
        self.core.group().end_version()?;
        Ok(open.map(|open| VersionSummary {
            version: DbVersion(open.number),
            last_seq: Seq(open.next_seq.saturating_sub(1)),
            ts: Timestamp(open.ts),
        }))
    }

    /// Undoes the client transaction; the group stays open. After an error it may be gone: roll it back.
    pub fn abandon_version(&mut self) -> Result<(), ExecuteError> {
        self.core.group().abandon_version().map_err(ExecuteError::from)
    }

    /// Commits the group.
    pub fn commit(&mut self) -> Result<(), ExecuteError> {
        self.core.group().commit().map_err(ExecuteError::from)
    }

    /// Undoes the group with all its versions.
    pub fn rollback(&mut self) -> Result<(), ExecuteError> {
        self.core.group().rollback().map_err(ExecuteError::from)
    }

    /// Makes the table replicated; rows it has become changes of the open version.
    pub fn as_crr(&mut self, table: &str) -> Result<(), ExecuteError> {
        functions::make_replicated(self.core.replica(), table).map_err(ExecuteError::from)
    }

    /// Call before altering a replicated table in the open transaction.
    pub fn begin_alter(&mut self, table: &str) -> Result<(), ExecuteError> {
        functions::prepare_alteration(self.core.replica(), table).map_err(ExecuteError::from)
    }

    /// Call after altering it: capture follows the new columns.
    pub fn commit_alter(&mut self, table: &str) -> Result<(), ExecuteError> {
        functions::finish_alteration(self.core.replica(), table).map_err(ExecuteError::from)
    }

    /// Removes what makes the table replicated, before it is dropped.
    pub fn drop_crr(&mut self, table: &str) -> Result<(), ExecuteError> {
        functions::drop_replicated(self.core.replica(), table).map_err(ExecuteError::from)
    }

    /// Merges changesets in the open transaction, data, metadata and ledger together (I3).
    ///
    /// # Errors
    /// [`ApplyError::Malformed`] names what no correct peer sends. Roll the transaction back after any error.
    pub fn apply(&mut self, changesets: &[Changeset]) -> Result<Applied, ApplyError> {
        self.core.group().keep();
        match execute::apply(self.core.replica(), changesets) {
            Ok(done) => {
                Ok(Applied { impacted: done.impacted, known: done.known, partial: done.partial, parked: done.parked })
            }
            Err(error) if error.code == execute::MALFORMED => Err(ApplyError::Malformed { reason: error.message }),
            Err(error) => Err(ApplyError::Execute(error.into())),
        }
    }

    /// What is left of a version: its cells that nothing newer has superseded. `None` if this node does not know the version.
    pub fn changeset(&self, site: SiteId, version: DbVersion) -> Result<Option<Changeset>, ExecuteError> {
        read::changeset(self.core.replica(), site, version).map_err(ExecuteError::from)
    }

    /// The whole versions this node has of a site.
    pub fn known_versions(&self, site: SiteId) -> Result<RangeSet, ExecuteError> {
        read::known_versions(self.core.replica(), site).map_err(ExecuteError::from)
    }

    /// Drops the file's history and makes its rows the common start of a new cluster, in a transaction of its own; no
    /// transaction is open. Nodes that do this with copies of one file have nothing to send each other. The file gets the
    /// identity `site`, which must be a new one. Takes time in proportion to the rows.
    pub fn reseed(&mut self, site: SiteId) -> Result<(), ExecuteError> {
        reseed::reseed(self.core.replica(), site)?;
        self.site = site;
        self.compaction = Compaction::open(self.core.replica())?;
        Ok(())
    }

    /// Whether [`Self::compact`] has something to do. Cheap.
    pub fn compaction_is_due(&self) -> bool {
        self.compaction.is_due(self.core.replica())
    }

    /// Takes one short step in removing log records of versions that were superseded whole, in a transaction of its own that
    /// needs no sync. Call it while no transaction is open. What anybody reads stays the same.
    pub fn compact(&mut self) -> Result<CompactionStep, ExecuteError> {
        self.compaction.step(self.core.replica()).map_err(ExecuteError::from)
    }

    /// Closes the connection cleanly.
    pub fn close(self) -> Result<(), ExecuteError> {
        let Self { core, conn, .. } = self;
        drop(core);
        conn.close().map_err(|(_, error)| ExecuteError::from(error))
    }
}

#[cfg(test)]
mod compaction_tests;
#[cfg(test)]
mod reseed_tests;
#[cfg(test)]
mod tests;
