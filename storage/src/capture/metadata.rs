//! Reads and writes metadata records, one by one or many at a time.

use std::collections::HashMap;

use crate::capture::buffer::KeyRef;
use crate::crsql::table::{Table, quote};
use crate::record::log::Key;
use crate::sqlite::db::Result;
use crate::sqlite::{Cell, Db, Stmt};

/// Rows from which one statement over many beats one each.
const MANY: usize = 8;

/// Records to be written by one statement that reads them through the virtual table `crsql_staged`.
#[derive(Debug, Default)]
pub struct Staging {
    pub rows: Vec<StagedRow>,
    /// Packed keys and records.
    pub bytes: Vec<u8>,
}

/// A staged record.
#[derive(Debug, Clone, Copy)]
pub struct StagedRow {
    pub key: KeyRef,
    pub start: usize,
    pub length: usize,
}

impl Staging {
    /// Forgets the rows; keeps a moderate amount of memory.
    pub fn clear(&mut self) {
        self.rows.clear();
        self.bytes.clear();
        self.bytes.shrink_to(1 << 20);
        self.rows.shrink_to(1 << 16);
    }
}

/// What a cached statement does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    Get,
    Put,
    PutNew,
    PutMany,
    Scan,
    DeleteRow,
    CreateRow,
    /// Writes that column (by number) of a row that may not exist yet.
    SetColumn(u16),
    /// Reads that column.
    Column(u16),
}

/// Statements kept per table and purpose. Bounded by tables x (columns x 2 + 9).
#[derive(Debug, Default)]
pub struct Statements {
    by_purpose: HashMap<(u32, Purpose), Stmt>,
    newest_version: Option<Stmt>,
    schema_version: Option<Stmt>,
    put_log: Option<Stmt>,
    waiting: Option<Stmt>,
    /// By table number, columns written, and whether many rows come at once.
    upserts: HashMap<(u32, Vec<u16>, bool), Stmt>,
    /// Rows written so far that had a record already: each may have superseded what was left of a version.
    pub overwritten: u64,
}

/// Most upserts kept; past it all are dropped and made again as needed.
const UPSERTS_MAX: usize = 512;

impl Statements {
    /// Finalises all.
    pub fn clear(&mut self) {
        self.by_purpose.clear();
        self.newest_version = None;
        self.schema_version = None;
        self.put_log = None;
        self.waiting = None;
        self.upserts.clear();
    }

    /// SQLite's counter of schema changes.
    pub fn schema_version(&mut self, db: Db) -> Result<i64> {
        if self.schema_version.is_none() {
            self.schema_version = Some(db.prepare("PRAGMA main.schema_version")?);
        }
        let found = match &mut self.schema_version {
            Some(stmt) => stmt.first(&[], |row| row.integer(0))?,
            None => None,
        };
        Ok(found.unwrap_or(0))
    }

    /// The table's statement for that purpose, prepared from `sql` the first time.
    pub fn get(&mut self, db: Db, table: &Table, purpose: Purpose, sql: impl FnOnce() -> String) -> Result<&mut Stmt> {
        match self.by_purpose.entry((table.number, purpose)) {
            std::collections::hash_map::Entry::Occupied(entry) => Ok(entry.into_mut()),
            std::collections::hash_map::Entry::Vacant(entry) => Ok(entry.insert(db.prepare(&sql())?)),
        }
    }

    /// This node's newest version in the file.
    pub fn newest_version(&mut self, db: Db) -> Result<u64> {
        if self.newest_version.is_none() {
            self.newest_version = Some(db.prepare("SELECT max(version) FROM crsql_log WHERE site = 0")?);
        }
        let found = match &mut self.newest_version {
            Some(stmt) => stmt.first(&[], |row| row.integer(0))?,
            None => None,
        };
        Ok(found.and_then(|v| u64::try_from(v).ok()).unwrap_or(0))
    }

    /// Whether parts of the version wait for the rest, or it is parked.
    pub fn is_waiting(&mut self, db: Db, site: u32, version: u64) -> Result<bool> {
        if self.waiting.is_none() {
            self.waiting = Some(db.prepare("SELECT 1 FROM crsql_partials WHERE site = ?1 AND version = ?2")?);
        }
        let found = match &mut self.waiting {
            Some(stmt) => stmt.first(&[Cell::Integer(i64::from(site)), integer(version)], |_| ())?,
            None => None,
        };
        Ok(found.is_some())
    }

    /// Writes a log record.
    pub fn put_log(&mut self, db: Db, site: u32, version: u64, chunk: u64, body: &[u8]) -> Result<()> {
        if self.put_log.is_none() {
            self.put_log = Some(
                db.prepare("INSERT OR REPLACE INTO crsql_log (site, version, chunk, body) VALUES (?1, ?2, ?3, ?4)")?,
            );
        }
        match &mut self.put_log {
            Some(stmt) => {
                stmt.run(&[Cell::Integer(i64::from(site)), integer(version), integer(chunk), Cell::Blob(body)])
            }
            None => Ok(()),
        }
    }

    /// Writes key and columns of rows that come from `source` (a SELECT or VALUES), whether they exist or not.
    pub fn upsert(&mut self, db: Db, table: &Table, columns: &[u16], many: bool, source: &str) -> Result<&mut Stmt> {
        if self.upserts.len() >= UPSERTS_MAX {
            self.upserts.clear();
        }
        match self.upserts.entry((table.number, columns.to_vec(), many)) {
            std::collections::hash_map::Entry::Occupied(entry) => Ok(entry.into_mut()),
            std::collections::hash_map::Entry::Vacant(entry) => {
                Ok(entry.insert(db.prepare(&upsert_sql(table, columns, source))?))
            }
        }
    }

    /// Gives a row's record to `read`; `None` if it has none.
    pub fn get_meta<T>(
        &mut self,
        db: Db,
        table: &Table,
        key: Key<'_>,
        read: impl FnOnce(&[u8]) -> T,
    ) -> Result<Option<T>> {
        let stmt =
            self.get(db, table, Purpose::Get, || format!("SELECT meta FROM {} WHERE key = ?1", table.rows_name()))?;
        stmt.first(&[key_cell(key)], |row| read(row.column(0).bytes().unwrap_or_default()))
    }

    /// Writes a row's record.
    pub fn put_meta(&mut self, db: Db, table: &Table, key: Key<'_>, meta: &[u8]) -> Result<()> {
        self.get(db, table, Purpose::Put, || {
            format!("INSERT OR REPLACE INTO {} (key, meta) VALUES (?1, ?2)", table.rows_name())
        })?
        .run(&[key_cell(key), Cell::Blob(meta)])
    }

    /// Writes a row's record unless it has one; returns whether it did.
    pub fn put_new_meta(&mut self, db: Db, table: &Table, key: Key<'_>, meta: &[u8]) -> Result<bool> {
        let before = db.total_changes();
        self.get(db, table, Purpose::PutNew, || {
            format!("INSERT INTO {} (key, meta) VALUES (?1, ?2) ON CONFLICT DO NOTHING", table.rows_name())
        })?
        .run(&[key_cell(key), Cell::Blob(meta)])?;
        Ok(db.total_changes() != before)
    }

    /// Writes all staged records.
    pub fn put_staged(&mut self, db: Db, table: &Table, staging: &std::cell::RefCell<Staging>) -> Result<()> {
        let count = staging.borrow().rows.len();
        if count >= MANY {
            return self
                .get(db, table, Purpose::PutMany, || {
                    format!(
                        "INSERT OR REPLACE INTO {} (key, meta) SELECT key, meta FROM crsql_staged",
                        table.rows_name()
                    )
                })?
                .run(&[]);
        }
        let staging = staging.borrow();
        for row in &staging.rows {
            let key = super::buffer::resolve(&staging.bytes, row.key);
            self.put_meta(db, table, key, &staging.bytes[row.start..row.start + row.length])?;
        }
        Ok(())
    }

    /// Loads the records of `keys` (ascending, distinct), which are to be written, and gives each found one to `found` with
    /// its index.
    ///
    /// Many keys that lie densely are read by one scan beside them; keys beyond the largest stored one are not looked up.
    pub fn load(&mut self, db: Db, table: &Table, keys: &[Key<'_>], mut found: impl FnMut(usize, &[u8])) -> Result<()> {
        let (mut from, mut count) = (0, 0);
        let mut found = |index: usize, meta: &[u8]| {
            count += 1;
            found(index, meta);
        };
        if keys.len() >= MANY {
            from = self.load_by_scan(db, table, keys, &mut found)?;
        }
        for (index, key) in keys.iter().enumerate().skip(from) {
            self.get_meta(db, table, *key, |meta| found(index, meta))?;
        }
        self.overwritten += count;
        Ok(())
    }

    /// Scans from the first key on. Returns how many keys were decided before the stored rows turned out to be too sparse.
    fn load_by_scan(
        &mut self,
        db: Db,
        table: &Table,
        keys: &[Key<'_>],
        found: &mut impl FnMut(usize, &[u8]),
    ) -> Result<usize> {
        let stmt = self.get(db, table, Purpose::Scan, || {
            format!("SELECT key, meta FROM {} WHERE key >= ?1 ORDER BY key", table.rows_name())
        })?;
        stmt.bind(1, key_cell(keys[0]))?;
        let (mut index, mut skipped) = (0, 0usize);
        loop {
            if !stmt.step()? {
                index = keys.len();
                break;
            }
            let stored = stmt.column(0);
            while index < keys.len() && before(keys[index], stored) {
                index += 1;
            }
            let Some(key) = keys.get(index) else { break };
            if same(*key, stored) {
                found(index, stmt.column(1).bytes().unwrap_or_default());
                index += 1;
            } else {
                skipped += 1;
                // A point look-up costs as much as some ten steps.
                if skipped > 64 + index * 10 {
                    break;
                }
            }
        }
        stmt.reset();
        Ok(index)
    }
}

fn upsert_sql(table: &Table, columns: &[u16], source: &str) -> String {
    let keys: Vec<String> = table.key.iter().map(|c| quote(&c.name)).collect();
    let names: Vec<String> =
        columns.iter().filter_map(|n| table.column_numbered(*n)).map(|(_, c)| quote(&c.name)).collect();
    let all: Vec<&str> = keys.iter().chain(&names).map(String::as_str).collect();
    let sets: Vec<String> = names.iter().map(|n| format!("{n} = excluded.{n}")).collect();
    let action = if sets.is_empty() { "NOTHING".to_owned() } else { format!("UPDATE SET {}", sets.join(", ")) };
    format!(
        "INSERT INTO {} ({}) {source} ON CONFLICT ({}) DO {action}",
        quote(&table.name),
        all.join(", "),
        keys.join(", ")
    )
}

/// A key as SQLite stores it.
pub fn key_cell(key: Key<'_>) -> Cell<'_> {
    match key {
        Key::Integer(i) => Cell::Integer(i),
        Key::Packed(bytes) => Cell::Blob(bytes),
    }
}

/// A version or sequence number as SQLite stores it. Values past `i64` cannot be stored and are refused where they enter.
pub fn integer(number: u64) -> Cell<'static> {
    Cell::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}

fn before(key: Key<'_>, stored: Cell<'_>) -> bool {
    match (key, stored) {
        (Key::Integer(k), Cell::Integer(s)) => k < s,
        (Key::Packed(k), Cell::Blob(s)) => k < s,
        (Key::Integer(_) | Key::Packed(_), _) => false,
    }
}

fn same(key: Key<'_>, stored: Cell<'_>) -> bool {
    match (key, stored) {
        (Key::Integer(k), Cell::Integer(s)) => k == s,
        (Key::Packed(k), Cell::Blob(s)) => k == s,
        (Key::Integer(_) | Key::Packed(_), _) => false,
    }
}
