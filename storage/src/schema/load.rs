//! The schema snapshot of a connection: SQLite's own schema joined with what our tables keep.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::Connection;

use super::lexer::tokens;
use super::model::{Affinity, Column, Index, IndexColumn, Origin, Schema, Table};
use super::oid::assign;
use super::parse::{Scratch, parse_table};
use super::stored::{self, ColumnEntry, Entry, EntryKind};
use super::syntax::create_index;
use crate::error::{ExecuteError, SchemaError};
use crate::users::{self, Users};

/// Reads the schema as the connection sees it, inside its open transaction if there is one.
///
/// Tables that are not replicated are left out. The version is higher than that of every schema made before in this
/// process.
///
/// # Errors
/// [`SchemaError::Catalog`] if our tables and SQLite's schema disagree, [`SchemaError::Execute`] if reading fails.
pub fn load(conn: &Connection) -> Result<Schema, SchemaError> {
    let users = Arc::new(users::load(conn)?);
    let mut schema = Schema { version: next_version(), tables: BTreeMap::new(), users };
    if !stored::exists(conn)? {
        return Ok(schema);
    }
    let entries = stored::entries(conn)?;
    let scratch = Scratch::open()?;
    for entry in entries.iter().filter(|entry| entry.kind == EntryKind::Table) {
        let table = load_table(conn, &scratch, entry, &entries)?;
        schema.tables.insert(table.name.clone(), Arc::new(table));
    }
    assign_oids(&mut schema);
    Ok(schema)
}

/// `old` with these tables read again: those that are gone leave it, new ones join it. Costs nothing for the others.
pub(super) fn reload(conn: &Connection, old: &Schema, changed: &[&str]) -> Result<Schema, SchemaError> {
    let mut schema = Schema { version: next_version(), tables: old.tables.clone(), users: Arc::clone(&old.users) };
    let entries = stored::entries(conn)?;
    let scratch = Scratch::open()?;
    for name in changed {
        schema.tables.remove(*name);
        let found = entries.iter().find(|entry| entry.kind == EntryKind::Table && entry.table == *name);
        if let Some(entry) = found {
            let table = load_table(conn, &scratch, entry, &entries)?;
            schema.tables.insert(table.name.clone(), Arc::new(table));
        }
    }
    assign_oids(&mut schema);
    Ok(schema)
}

/// `old` with other users. Its version is new, as the catalog shows them and plans may depend on them.
pub(crate) fn with_users(old: &Schema, users: Users) -> Schema {
    Schema { version: next_version(), tables: old.tables.clone(), users: Arc::new(users) }
}

/// Versions count schemas made in this process, not changes of the file: a change that is rolled back and another one
/// made in its place must not share a number, because plans are kept by it.
fn next_version() -> u64 {
    static VERSIONS: AtomicU64 = AtomicU64::new(1);
    VERSIONS.fetch_add(1, Ordering::Relaxed)
}

fn load_table(conn: &Connection, scratch: &Scratch, entry: &Entry, entries: &[Entry]) -> Result<Table, SchemaError> {
    let physical = physical_columns(conn, &entry.name)?;
    if physical.is_empty() {
        return Err(SchemaError::Catalog { message: format!("table \"{}\" is missing from the file", entry.name) });
    }
    let columns = match entry.origin {
        Origin::File => file_columns(scratch, entry, &physical)?,
        Origin::Wire => wire_columns(conn, entry, &physical)?,
    };
    let mut key: Vec<(i64, usize)> =
        physical.iter().enumerate().filter(|(_, c)| c.key_position > 0).map(|(i, c)| (c.key_position, i)).collect();
    key.sort_unstable();
    let key_name = entries.iter().find(|other| other.kind == EntryKind::PrimaryKey && other.table == entry.name);
    Ok(Table {
        name: entry.name.clone(),
        oid: 0,
        origin: entry.origin,
        columns,
        primary_key: key.into_iter().map(|(_, index)| index).collect(),
        primary_key_name: key_name.map(|key| key.name.clone()),
        without_rowid: is_without_rowid(conn, &entry.name)?,
        indexes: indexes(conn, entry, entries)?,
    })
}

/// A column of the table in the file.
struct PhysicalColumn {
    name: String,
    declared_type: String,
    not_null: bool,
    key_position: i64,
    generated: bool,
}

fn physical_columns(conn: &Connection, table: &str) -> Result<Vec<PhysicalColumn>, ExecuteError> {
    let sql = "SELECT name, type, \"notnull\", pk, hidden FROM pragma_table_xinfo(?1, 'main')";
    let mut statement = conn.prepare(sql)?;
    let rows = statement.query_map([table], |row| {
        Ok(PhysicalColumn {
            name: row.get(0)?,
            declared_type: row.get(1)?,
            not_null: row.get(2)?,
            key_position: row.get(3)?,
            generated: matches!(row.get(4)?, 2_i64 | 3),
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Columns in the file's order, which an added column may change against the declaration's.
fn file_columns(scratch: &Scratch, entry: &Entry, physical: &[PhysicalColumn]) -> Result<Vec<Column>, SchemaError> {
    let origin = format!("declaration of table \"{}\"", entry.name);
    let table = parse_table(scratch, &origin, &entry.sql)?;
    let mut columns = Vec::with_capacity(physical.len());
    for (number, seen) in (1..).zip(physical) {
        let declared = table.column(&seen.name).map(|(_, column)| column);
        let Some(declared) = declared else {
            let message = format!("{origin} lacks column \"{}\"", seen.name);
            return Err(SchemaError::Catalog { message });
        };
        let is_any = table.strict && declared.declared_type.eq_ignore_ascii_case("any");
        columns.push(Column {
            name: declared.name.clone(),
            number,
            affinity: if is_any { Affinity::Blob } else { Affinity::of_type(&declared.declared_type) },
            declared_type: declared.declared_type.clone(),
            pg_type: None,
            not_null: seen.not_null || seen.key_position > 0,
            default: declared.default.clone(),
            generated: seen.generated,
            hidden: false,
        });
    }
    Ok(columns)
}

fn wire_columns(conn: &Connection, entry: &Entry, physical: &[PhysicalColumn]) -> Result<Vec<Column>, SchemaError> {
    let stored: BTreeMap<String, ColumnEntry> =
        stored::columns(conn, &entry.name)?.into_iter().map(|column| (column.name.clone(), column)).collect();
    let mut columns = Vec::with_capacity(physical.len());
    let mut number = 0;
    for seen in physical {
        let Some(column) = stored.get(&seen.name) else {
            let message = format!("column \"{}\" of table \"{}\" has no type", seen.name, entry.name);
            return Err(SchemaError::Catalog { message });
        };
        if !column.hidden {
            number += 1;
        }
        columns.push(Column {
            name: column.name.clone(),
            number: if column.hidden { 0 } else { number },
            declared_type: seen.declared_type.clone(),
            affinity: Affinity::of_type(&seen.declared_type),
            pg_type: Some(column.pg_type),
            not_null: column.not_null,
            default: column.default.clone(),
            generated: false,
            hidden: column.hidden,
        });
    }
    Ok(columns)
}

fn is_without_rowid(conn: &Connection, table: &str) -> Result<bool, ExecuteError> {
    let sql = "SELECT wr FROM pragma_table_list(?1) WHERE schema = 'main'";
    Ok(conn.prepare(sql)?.query_row([table], |row| row.get(0))?)
}

fn indexes(conn: &Connection, table: &Entry, entries: &[Entry]) -> Result<Vec<Index>, SchemaError> {
    let sql = "SELECT name, sql FROM main.sqlite_schema \
               WHERE type = 'index' AND tbl_name = ?1 COLLATE NOCASE AND sql IS NOT NULL ORDER BY name";
    let mut statement = conn.prepare(sql).map_err(ExecuteError::from)?;
    let mut rows = statement.query([&table.name]).map_err(ExecuteError::from)?;
    let mut indexes = Vec::new();
    while let Some(row) = rows.next().map_err(ExecuteError::from)? {
        let name: String = row.get(0).map_err(ExecuteError::from)?;
        let sql: String = row.get(1).map_err(ExecuteError::from)?;
        let declared = entries.iter().find(|e| e.kind == EntryKind::Index && e.name.eq_ignore_ascii_case(&name));
        let origin = declared.map_or(Origin::Wire, |entry| entry.origin);
        indexes.push(index_of(name, sql, origin)?);
    }
    Ok(indexes)
}

fn index_of(name: String, sql: String, origin: Origin) -> Result<Index, SchemaError> {
    let unreadable = |_| SchemaError::Catalog { message: format!("index \"{name}\" is not understood") };
    let found = tokens(&sql).map_err(|open| unreadable(open.offset))?;
    let syntax = create_index(&sql, &found).map_err(|error| unreadable(error.offset))?;
    let columns = syntax
        .keys
        .into_iter()
        .map(|key| IndexColumn { name: key.text, is_expression: key.is_expression, descending: key.descending })
        .collect();
    Ok(Index { name, oid: 0, origin, columns, sql, predicate: syntax.predicate })
}

/// Gives every table and index its OID. Depends on the names alone, so it is the same on every node with the same objects.
fn assign_oids(schema: &mut Schema) {
    let names = schema.tables.values().flat_map(|table| {
        let indexes = table.indexes.iter().map(|index| index.name.as_str());
        indexes.chain([table.name.as_str()])
    });
    let oids = assign(names);
    let oid = |name: &str| oids.get(name).copied().unwrap_or(0);
    for table in schema.tables.values_mut() {
        let mut numbered = Table::clone(table);
        numbered.oid = oid(&table.name);
        for index in &mut numbered.indexes {
            index.oid = oid(&index.name);
        }
        if **table != numbered {
            *table = Arc::new(numbered);
        }
    }
}
