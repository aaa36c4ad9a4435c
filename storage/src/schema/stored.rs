//! Our own tables in the database file: where each table was declared, and what SQLite's schema cannot say about it.
//!
//! `__corro_schema` has a row for each table, index and primary key we know; `source` is `file` or `wire`, `sql` the
//! statement of the schema file (empty for the wire). `__corro_columns` has PostgreSQL's view of each column of a wire
//! table. Both are plain tables that any SQLite reads, and change in the same transaction as the tables they describe.

use rusqlite::{Connection, OptionalExtension, params};

use super::model::{Origin, PgType};
use crate::error::ExecuteError;

const CREATE: &str = r#"
CREATE TABLE IF NOT EXISTS "__corro_schema" (
    tbl_name TEXT NOT NULL, type TEXT NOT NULL, name TEXT NOT NULL, sql TEXT NOT NULL, source TEXT NOT NULL,
    PRIMARY KEY (tbl_name, type, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS "__corro_columns" (
    tbl_name TEXT NOT NULL, name TEXT NOT NULL, type_oid INTEGER NOT NULL, typmod INTEGER NOT NULL,
    not_null INTEGER NOT NULL, default_text TEXT, hidden INTEGER NOT NULL,
    PRIMARY KEY (tbl_name, name)) WITHOUT ROWID;
"#;

/// What an entry of `__corro_schema` describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EntryKind {
    Table,
    Index,
    PrimaryKey,
}

impl EntryKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Index => "index",
            Self::PrimaryKey => "primary key",
        }
    }
}

/// An entry of `__corro_schema`.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) table: String,
    pub(super) kind: EntryKind,
    pub(super) name: String,
    pub(super) sql: String,
    pub(super) origin: Origin,
}

/// An entry of `__corro_columns`.
#[derive(Debug, Clone)]
pub(super) struct ColumnEntry {
    pub(super) name: String,
    pub(super) pg_type: PgType,
    pub(super) not_null: bool,
    pub(super) default: Option<String>,
    pub(super) hidden: bool,
}

/// Makes the tables where they are missing.
pub(super) fn create(conn: &Connection) -> Result<(), ExecuteError> {
    Ok(conn.execute_batch(CREATE)?)
}

/// Whether the tables exist: they are made with the first table.
pub(super) fn exists(conn: &Connection) -> Result<bool, ExecuteError> {
    let sql = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = '__corro_schema'";
    Ok(conn.query_row(sql, [], |_| Ok(())).optional()?.is_some())
}

/// All entries in name order; those of a kind this version does not know are left alone.
pub(super) fn entries(conn: &Connection) -> Result<Vec<Entry>, ExecuteError> {
    let mut statement =
        conn.prepare("SELECT tbl_name, type, name, sql, source FROM \"__corro_schema\" ORDER BY tbl_name, type, name")?;
    let mut rows = statement.query([])?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next()? {
        let kind = match row.get_ref(1)?.as_str() {
            Ok("table") => EntryKind::Table,
            Ok("index") => EntryKind::Index,
            Ok("primary key") => EntryKind::PrimaryKey,
            Ok(_) | Err(_) => continue,
        };
        let origin =
            if row.get_ref(4)?.as_str().is_ok_and(|source| source == "wire") { Origin::Wire } else { Origin::File };
        entries.push(Entry { table: row.get(0)?, kind, name: row.get(2)?, sql: row.get(3)?, origin });
    }
    Ok(entries)
}

/// The columns of a wire table, in no particular order.
pub(super) fn columns(conn: &Connection, table: &str) -> Result<Vec<ColumnEntry>, ExecuteError> {
    let sql =
        "SELECT name, type_oid, typmod, not_null, default_text, hidden FROM \"__corro_columns\" WHERE tbl_name = ?1";
    let mut statement = conn.prepare(sql)?;
    let rows = statement.query_map([table], |row| {
        Ok(ColumnEntry {
            name: row.get(0)?,
            pg_type: PgType { oid: row.get(1)?, typmod: row.get(2)? },
            not_null: row.get(3)?,
            default: row.get(4)?,
            hidden: row.get(5)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Writes an entry, replacing one of the same table, kind and name.
pub(super) fn put(conn: &Connection, entry: &Entry) -> Result<(), ExecuteError> {
    let source = match entry.origin {
        Origin::File => "file",
        Origin::Wire => "wire",
    };
    conn.execute(
        "INSERT OR REPLACE INTO \"__corro_schema\" (tbl_name, type, name, sql, source) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![entry.table, entry.kind.as_str(), entry.name, entry.sql, source],
    )?;
    Ok(())
}

/// Writes a column of a wire table, replacing one of the same name.
pub(super) fn put_column(conn: &Connection, table: &str, column: &ColumnEntry) -> Result<(), ExecuteError> {
    conn.execute(
        "INSERT OR REPLACE INTO \"__corro_columns\" (tbl_name, name, type_oid, typmod, not_null, default_text, hidden) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            table,
            column.name,
            column.pg_type.oid,
            column.pg_type.typmod,
            column.not_null,
            column.default,
            column.hidden
        ],
    )?;
    Ok(())
}

/// The name of a table we know as its entry spells it, found without regard to case.
pub(super) fn table_name(conn: &Connection, name: &str) -> Result<Option<String>, ExecuteError> {
    let sql = "SELECT name FROM \"__corro_schema\" WHERE type = 'table' AND name = ?1 COLLATE NOCASE";
    Ok(conn.query_row(sql, [name], |row| row.get(0)).optional()?)
}

/// Removes the entry of an index.
pub(super) fn remove_index(conn: &Connection, name: &str) -> Result<(), ExecuteError> {
    conn.execute("DELETE FROM \"__corro_schema\" WHERE type = 'index' AND name = ?1 COLLATE NOCASE", [name])?;
    Ok(())
}

/// Removes everything about a table, its indexes and key included.
pub(super) fn remove_table(conn: &Connection, table: &str) -> Result<(), ExecuteError> {
    conn.execute("DELETE FROM \"__corro_schema\" WHERE tbl_name = ?1", [table])?;
    conn.execute("DELETE FROM \"__corro_columns\" WHERE tbl_name = ?1", [table])?;
    Ok(())
}
