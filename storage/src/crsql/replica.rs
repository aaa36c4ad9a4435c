//! The state behind one connection: identity, catalog, captured operations, cached statements.
//!
//! Everything that SQLite calls back into (functions, virtual tables, the hook) shares one [`Replica`]. While it runs its own
//! statements it is *internal*: callbacks for those are ignored, which also keeps the inner borrow exclusive.

use std::cell::{Cell as Flag, RefCell};
use std::path::Path;
use std::rc::Rc;

use super::node_lock::NodeLock;
use super::site::Sites;
use super::table::{Catalog, Table};
use crate::apply::incoming::IncomingRows;
use crate::capture::buffer::Buffer;
use crate::capture::flush;
use crate::capture::metadata::{Staging, Statements};
use crate::change::ids::SiteId;
use crate::ledger::known::Ledger;
use crate::sqlite::db::Result;
use crate::sqlite::{Cell, Db, SqliteError};

/// The version that the open transaction writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenVersion {
    pub number: u64,
    pub next_seq: u64,
    /// The ts of its log record.
    pub ts: u64,
    /// The next log record's chunk.
    pub chunk: u64,
}

/// What the callbacks share mutably.
#[derive(Debug, Default)]
pub struct Inner {
    pub catalog: Rc<Catalog>,
    /// As the open transaction found it; what a rollback returns to.
    catalog_at_begin: Rc<Catalog>,
    pub sites: Sites,
    pub buffer: Buffer,
    /// This node's newest version before the open one; `None` until read in this transaction.
    pub own_version: Option<u64>,
    pub statements: Statements,
    pub ledger: Ledger,
}

/// See the module.
#[derive(Debug)]
pub struct Replica {
    pub db: Db,
    internal: Flag<bool>,
    enlisted: Flag<bool>,
    pub ts: Flag<u64>,
    pub merges_equal_values: Flag<bool>,
    pub inner: RefCell<Inner>,
    pub staging: RefCell<Staging>,
    pub incoming: RefCell<IncomingRows>,
    /// Held by the node that runs on this file; a foreign writer takes it for each transaction.
    guard: RefCell<Option<NodeLock>>,
}

/// Format of the tables below and of the records in them. 2 added [`USER_TABLES`].
pub const FORMAT: u32 = 2;

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS crsql_master (key TEXT PRIMARY KEY, value ANY);
    CREATE TABLE IF NOT EXISTS crsql_site_id (site_id BLOB NOT NULL, ordinal INTEGER PRIMARY KEY);
    CREATE UNIQUE INDEX IF NOT EXISTS crsql_site_id_site_id ON crsql_site_id (site_id);
    CREATE TABLE IF NOT EXISTS crsql_tables (number INTEGER PRIMARY KEY, name TEXT);
    CREATE TABLE IF NOT EXISTS crsql_columns (tbl INTEGER NOT NULL, number INTEGER NOT NULL, name TEXT, PRIMARY KEY (tbl, number)) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS crsql_log (site INTEGER NOT NULL, version INTEGER NOT NULL, chunk INTEGER NOT NULL, body BLOB NOT NULL,
        PRIMARY KEY (site, version, chunk)) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS crsql_heads (site INTEGER PRIMARY KEY, version INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS crsql_known (site INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
        PRIMARY KEY (site, first)) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS crsql_partials (site INTEGER NOT NULL, version INTEGER NOT NULL, first INTEGER NOT NULL,
        last INTEGER NOT NULL, last_seq INTEGER NOT NULL, ts INTEGER NOT NULL, reason TEXT, body BLOB NOT NULL,
        PRIMARY KEY (site, version, first)) WITHOUT ROWID;
    CREATE VIEW IF NOT EXISTS crsql_db_versions AS
        SELECT s.site_id AS site_id, max(coalesce(h.version, 0),
            coalesce((SELECT max(l.version) FROM crsql_log l WHERE l.site = s.ordinal), 0)) AS db_version
        FROM crsql_site_id s LEFT JOIN crsql_heads h ON h.site = s.ordinal;
";

/// Who may connect to this node, and what only it knows: local, and empty of meaning to the engine.
const USER_TABLES: &str = "
    CREATE TABLE IF NOT EXISTS __corro_users (name TEXT PRIMARY KEY, role TEXT NOT NULL, verifier TEXT);
    CREATE TABLE IF NOT EXISTS __corro_secrets (name TEXT PRIMARY KEY, value BLOB NOT NULL);
";

impl Replica {
    /// Prepares the file for replication, or brings it to this format, in one transaction; and reads its settings. The caller
    /// has refused newer formats.
    pub fn open(db: Db, site: Option<SiteId>) -> Result<Rc<Self>> {
        let replica = Self::attach(db);
        let mut probe = db.prepare("SELECT count(*) FROM main.sqlite_schema WHERE name = 'crsql_partials'")?;
        let present = probe.first(&[], |row| row.integer(0))? == Some(1);
        drop(probe);
        if !present {
            in_one_transaction(db, || bootstrap(db, site))?;
        } else if Self::format(db)? != Some(FORMAT) {
            in_one_transaction(db, || migrate(db))?;
        }
        replica.read_settings()?;
        Ok(replica)
    }

    /// From now on a transaction is refused while a node runs on the database at `path`; empty: nothing to guard.
    pub fn guard_against_node(&self, path: &str) {
        if !path.is_empty() {
            *self.guard.borrow_mut() = Some(NodeLock::new(Path::new(path)));
        }
    }

    /// The state for a connection that only reads.
    pub fn attach(db: Db) -> Rc<Self> {
        Rc::new(Self {
            db,
            internal: Flag::new(false),
            enlisted: Flag::new(false),
            ts: Flag::new(0),
            merges_equal_values: Flag::new(true),
            inner: RefCell::default(),
            staging: RefCell::default(),
            incoming: RefCell::default(),
            guard: RefCell::default(),
        })
    }

    /// Reads the settings kept in `crsql_master`.
    pub fn read_settings(&self) -> Result<()> {
        let setting = self.setting("config.merge-equal-values")?;
        self.merges_equal_values.set(setting != Some(0));
        Ok(())
    }

    /// The format of an existing file; `None` before it has one.
    pub fn format(db: Db) -> Result<Option<u32>> {
        let mut probe = db.prepare("SELECT count(*) FROM main.sqlite_schema WHERE name = 'crsql_master'")?;
        if probe.first(&[], |row| row.integer(0))? != Some(1) {
            return Ok(None);
        }
        let value =
            db.prepare("SELECT value FROM crsql_master WHERE key = 'format'")?.first(&[], |row| row.integer(0))?;
        Ok(value.map(|v| u32::try_from(v).unwrap_or(u32::MAX)))
    }

    /// An integer setting of `crsql_master`.
    pub fn setting(&self, key: &str) -> Result<Option<i64>> {
        self.db
            .prepare("SELECT value FROM crsql_master WHERE key = ?1")?
            .first(&[Cell::Text(key.as_bytes())], |row| row.integer(0))
    }

    /// Whether the engine itself is writing.
    #[inline]
    pub fn is_internal(&self) -> bool {
        self.internal.get()
    }

    /// Runs `body` as the engine's own writing.
    pub fn as_internal<T>(&self, body: impl FnOnce() -> Result<T>) -> Result<T> {
        let before = self.internal.replace(true);
        let result = body();
        self.internal.set(before);
        result
    }

    /// This node's identity.
    pub fn site_id(&self) -> Result<SiteId> {
        Sites::default().id(self.db, 0)
    }

    /// This node's newest version; one being written does not count.
    pub fn db_version(&self) -> Result<u64> {
        let open = self.inner.borrow().buffer.open;
        if let Some(open) = open {
            return Ok(open.number - 1);
        }
        newest_version(self.db)
    }

    /// The table with that number, with its index, for capture.
    pub fn table_for_capture(&self, number: u32) -> Result<(u32, Rc<Table>)> {
        let mut inner = self.inner.borrow_mut();
        if !inner.catalog.by_number.contains_key(&number) {
            inner.refresh_catalog(self.db)?;
        }
        let index =
            *inner.catalog.by_number.get(&number).ok_or_else(|| SqliteError::new("the table is not replicated"))?;
        Ok((index as u32, Rc::clone(&inner.catalog.tables[index])))
    }

    /// Gives the buffer to `body`, with the mark of the running statement.
    pub fn with_buffer<T>(&self, body: impl FnOnce(&mut Buffer, i32) -> Result<T>) -> Result<T> {
        let statement = self.db.total_changes();
        body(&mut self.inner.borrow_mut().buffer, statement)
    }

    /// Writes metadata and log of what was captured so far.
    pub fn flush(&self) -> Result<()> {
        if self.is_internal() {
            return Ok(());
        }
        let mut inner = self.inner.borrow_mut();
        if let Some(failure) = &inner.buffer.failure {
            return Err(SqliteError::new(failure.clone()));
        }
        if inner.buffer.is_flushed() {
            return Ok(());
        }
        self.as_internal(|| flush::flush(self, &mut inner))
    }

    /// Flushes captured operations, so that what is merged next meets their metadata.
    pub fn flush_operations(&self) -> Result<()> {
        let waiting = {
            let inner = self.inner.borrow();
            inner.buffer.operations_flushed < inner.buffer.operations.len()
        };
        if waiting { self.flush() } else { Ok(()) }
    }

    /// Flushes and ends the version being written; `None` if nothing was.
    pub fn end_version(&self) -> Result<Option<OpenVersion>> {
        self.flush()?;
        let mut inner = self.inner.borrow_mut();
        let open = inner.buffer.open;
        if let Some(open) = open {
            inner.own_version = Some(open.number);
        }
        inner.buffer.clear();
        Ok(open)
    }

    /// A transaction was joined.
    pub fn on_begin(&self) -> Result<()> {
        if self.is_internal() || self.enlisted.replace(true) {
            return Ok(());
        }
        if let Some(guard) = &mut *self.guard.borrow_mut()
            && let Err(error) = guard.acquire()
        {
            self.enlisted.set(false);
            return Err(SqliteError::new(error.to_string()));
        }
        let mut inner = self.inner.borrow_mut();
        inner.own_version = None;
        let db = self.db;
        let before = self.internal.replace(true);
        let result = inner.refresh_catalog(db);
        self.internal.set(before);
        inner.catalog_at_begin = Rc::clone(&inner.catalog);
        result
    }

    /// Before commit.
    pub fn on_sync(&self) -> Result<()> {
        if self.is_internal() {
            return Ok(());
        }
        self.flush()
    }

    /// The transaction committed.
    pub fn on_commit(&self) {
        self.finish_transaction();
    }

    /// The transaction was rolled back: cached readings may be of undone rows.
    pub fn on_rollback(&self) {
        self.finish_transaction();
        if let Ok(mut inner) = self.inner.try_borrow_mut() {
            inner.forget();
        }
    }

    fn finish_transaction(&self) {
        self.enlisted.set(false);
        self.ts.set(0);
        if let Some(guard) = &mut *self.guard.borrow_mut() {
            guard.release();
        }
        if let Ok(mut inner) = self.inner.try_borrow_mut() {
            inner.own_version = None;
            inner.buffer.clear();
        }
    }

    /// A savepoint was opened, released or rolled back to.
    pub fn on_savepoint(&self, change: SavepointChange, depth: i32) {
        if self.is_internal() {
            return;
        }
        let mut inner = self.inner.borrow_mut();
        match change {
            SavepointChange::Open => {
                let catalog = Rc::clone(&inner.catalog);
                inner.buffer.savepoint(depth, catalog);
            }
            SavepointChange::Release => inner.buffer.release(depth),
            SavepointChange::RollbackTo => {
                let before = inner.buffer.rollback_to(depth);
                if let Some(catalog) = before.filter(|c| !Rc::ptr_eq(c, &inner.catalog)) {
                    inner.catalog = catalog;
                    inner.statements.clear();
                }
                inner.own_version = None;
                inner.sites.clear();
                inner.ledger.clear();
            }
        }
    }

    /// Whether captured operations wait that no commit would flush.
    pub fn has_stray_operations(&self) -> bool {
        !self.is_internal()
            && self.inner.try_borrow().is_ok_and(|inner| !inner.buffer.is_flushed() || inner.buffer.failure.is_some())
    }

    /// Finalises cached statements, so that the connection can close.
    pub fn finalize(&self) {
        if let Ok(mut inner) = self.inner.try_borrow_mut() {
            inner.statements.clear();
        }
    }
}

/// What happened to a savepoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SavepointChange {
    Open,
    Release,
    RollbackTo,
}

impl Inner {
    /// Reads the catalog if the schema changed. Buffered operations name tables by index, so their tables must stay where they
    /// are: tables are only appended within a transaction.
    pub fn refresh_catalog(&mut self, db: Db) -> Result<()> {
        let version = self.statements.schema_version(db)?;
        if self.catalog.schema_version != Some(version) {
            self.catalog = Rc::new(Catalog::read(db, version)?);
            self.statements.clear();
        }
        Ok(())
    }

    /// The newest own version that is not open.
    pub fn own_version(&mut self, db: Db) -> Result<u64> {
        if let Some(version) = self.own_version {
            return Ok(version);
        }
        let version = self.statements.newest_version(db)?;
        self.own_version = Some(version);
        Ok(version)
    }

    /// Forgets what was read of sites, versions and the ledger: it may not be so any more.
    pub fn forget_readings(&mut self) {
        self.sites.clear();
        self.ledger.clear();
        self.own_version = None;
    }

    /// The transaction was undone: what was read in it may never have been.
    fn forget(&mut self) {
        self.forget_readings();
        // Read inside the transaction it would carry a schema version that another schema may get. Kept otherwise: statements
        // that fail are undone this way, and reading it for each costs more than the statement.
        if !Rc::ptr_eq(&self.catalog, &self.catalog_at_begin) {
            self.catalog = Rc::default();
            self.statements.clear();
        }
    }
}

/// This node's newest version in the file.
pub fn newest_version(db: Db) -> Result<u64> {
    let version =
        db.prepare("SELECT max(version) FROM crsql_log WHERE site = 0")?.first(&[], |row| row.integer(0))?.unwrap_or(0);
    Ok(u64::try_from(version).unwrap_or(0))
}

fn in_one_transaction(db: Db, body: impl FnOnce() -> Result<()>) -> Result<()> {
    db.exec("SAVEPOINT crsql_open")?;
    if let Err(error) = body() {
        db.exec("ROLLBACK TO crsql_open; RELEASE crsql_open")?;
        return Err(error);
    }
    db.exec("RELEASE crsql_open")
}

/// Brings a file of an older format to this one. Each step leaves what it finds done alone.
fn migrate(db: Db) -> Result<()> {
    // From 1.
    create_user_tables(db)?;
    db.prepare("INSERT OR REPLACE INTO crsql_master (key, value) VALUES ('format', ?1)")?
        .run(&[Cell::Integer(i64::from(FORMAT))])
}

fn create_user_tables(db: Db) -> Result<()> {
    db.exec(USER_TABLES)?;
    let secret = [db.random_bytes(), db.random_bytes()].concat();
    db.prepare("INSERT OR IGNORE INTO __corro_secrets (name, value) VALUES ('authentication', ?1)")?
        .run(&[Cell::Blob(&secret)])
}

fn bootstrap(db: Db, site: Option<SiteId>) -> Result<()> {
    db.exec(TABLES)?;
    create_user_tables(db)?;
    let site = site.unwrap_or_else(|| SiteId::from_random(db.random_bytes()));
    db.prepare("INSERT OR IGNORE INTO crsql_site_id (ordinal, site_id) VALUES (0, ?1)")?.run(&[Cell::Blob(&site.0)])?;
    let mut set = db.prepare("INSERT OR IGNORE INTO crsql_master (key, value) VALUES (?1, ?2)")?;
    set.run(&[Cell::Text(b"format"), Cell::Integer(i64::from(FORMAT))])?;
    set.run(&[Cell::Text(b"crsqlite_version"), Cell::Integer(170_000)])?;
    // Equal values are decided by site: nodes that differ in this setting would not converge.
    set.run(&[Cell::Text(b"config.merge-equal-values"), Cell::Integer(1)])
}
