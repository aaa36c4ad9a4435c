//! A reading connection: opened with the front ends' hooks, kept read-only, with its gate and its copy of the catalog.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::gate::{Gate, Watch};
use super::run::STATEMENTS_CACHED_MAX;
use super::shared::Shared;
use crate::engine::reading::Reading;
use crate::error::{ExecuteError, OpenError};
use crate::schema::model::Schema;
use crate::store::OnSchema;

/// How long a reader waits when SQLite itself must recover or restart the WAL under it.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// One reading connection.
#[derive(Debug)]
pub(crate) struct ReadConnection {
    /// Declared before the connection: dropped first.
    _reading: Reading,
    pub(crate) conn: Connection,
    pub(crate) gate: Gate,
    catalog: CatalogVersion,
}

impl ReadConnection {
    /// Opens the store's file for reading. The file exists: the writer made it.
    pub(crate) fn open(shared: &Shared, watch: Watch) -> Result<Self, OpenError> {
        let path = &shared.options.path;
        let sqlite = |source| OpenError::Sqlite { path: path.clone(), source };
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
        let mut conn = Connection::open_with_flags(path, flags).map_err(sqlite)?;
        let reading = Reading::register(&conn)
            .map_err(|error| OpenError::Unusable { path: path.clone(), message: error.message })?;
        prepare(&conn, shared).map_err(sqlite)?;
        let gate = Gate::install(&mut conn, watch).map_err(sqlite)?;
        Ok(Self { _reading: reading, conn, gate, catalog: CatalogVersion::default() })
    }

    /// Brings the attached catalog to `schema`. Only outside a statement.
    pub(crate) fn refresh_catalog(&mut self, hooks: &[OnSchema], schema: &Schema) -> Result<(), ExecuteError> {
        if !self.catalog.is_older_than(schema) {
            return Ok(());
        }
        self.conn.pragma_update(None, "query_only", false)?;
        let refreshed = self.catalog.refresh(&self.conn, hooks, schema);
        self.conn.pragma_update(None, "query_only", true)?;
        refreshed
    }

    /// Pins a snapshot of the database for the statements to come.
    pub(crate) fn begin(&self) -> Result<(), ExecuteError> {
        self.conn.execute_batch("BEGIN DEFERRED")?;
        let pinned = self.conn.prepare_cached("SELECT 1 FROM sqlite_schema").and_then(|mut probe| probe.exists([]));
        if let Err(error) = pinned {
            self.conn.execute_batch("ROLLBACK")?;
            return Err(error.into());
        }
        Ok(())
    }

    /// Ends the snapshot. The catalog may have been filled inside it, and is then gone.
    pub(crate) fn end(&mut self) -> Result<(), ExecuteError> {
        self.catalog.forget();
        if !self.conn.is_autocommit() {
            self.conn.execute_batch("ROLLBACK")?;
        }
        Ok(())
    }
}

fn prepare(conn: &Connection, shared: &Shared) -> rusqlite::Result<()> {
    conn.busy_timeout(BUSY_TIMEOUT)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS_CACHED_MAX);
    // The triggers that guard replicated tables would say that a function is missing; `query_only` says what is the matter.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
    // Sorts and hashes of reads never touch the disk that the writer syncs.
    conn.pragma_update(None, "temp_store", "MEMORY")?;
    for hook in &shared.options.on_open {
        hook(conn)?;
    }
    conn.pragma_update(None, "query_only", true)
}

/// Which schema the catalog attached to a connection shows.
#[derive(Debug, Default)]
pub(crate) struct CatalogVersion(Option<u64>);

impl CatalogVersion {
    pub(crate) fn is_older_than(&self, schema: &Schema) -> bool {
        self.0 != Some(schema.version)
    }

    /// Runs the hooks. After an error the catalog counts as unknown and the next statement tries again.
    pub(crate) fn refresh(
        &mut self,
        conn: &Connection,
        hooks: &[OnSchema],
        schema: &Schema,
    ) -> Result<(), ExecuteError> {
        self.0 = None;
        for hook in hooks {
            hook(conn, schema)?;
        }
        self.0 = Some(schema.version);
        Ok(())
    }

    /// The transaction that filled the catalog was undone.
    pub(crate) fn forget(&mut self) {
        self.0 = None;
    }
}

/// The watch of a connection that only closing stops from outside.
pub(crate) fn watch_closing(shared: &Arc<Shared>) -> Watch {
    let shared = Arc::clone(shared);
    Box::new(move |_| shared.is_closing().then_some(super::gate::Stop::Closed))
}
