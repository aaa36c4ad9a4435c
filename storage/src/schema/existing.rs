//! Reads what `diff` compares the files with: the declarations kept in the database, and the names others hold.

use rusqlite::Connection;

use super::declared::{Declared, fold};
use super::diff::{Existing, ExistingIndex, PlainTable};
use super::lexer::tokens;
use super::model::{Origin, Schema};
use super::parse::{Scratch, canonical_target, parse_existing, parse_table};
use super::rules::is_reserved;
use super::stored::{self, EntryKind};
use super::syntax::create_index;
use crate::error::{ExecuteError, SchemaError};

/// Reads the state of the open transaction. Plain tables are read only where `declared` has their name.
pub(super) fn read(conn: &Connection, schema: &Schema, declared: &Declared) -> Result<Existing, SchemaError> {
    let mut existing = Existing::default();
    let scratch = Scratch::open()?;
    for entry in stored::entries(conn)? {
        match (entry.kind, entry.origin) {
            (EntryKind::Table, Origin::File) => {
                let table = parse_table(&scratch, &format!("declaration of table \"{}\"", entry.name), &entry.sql)?;
                existing.file_tables.insert(fold(&entry.name), table);
            }
            (EntryKind::Table, Origin::Wire) => {
                existing.wire_tables.insert(fold(&entry.name), entry.name);
            }
            (EntryKind::PrimaryKey, _) => {
                existing.key_names.insert(fold(&entry.name), entry.table);
            }
            (EntryKind::Index, _) => {}
        }
    }
    for object in objects(conn)? {
        place(conn, schema, declared, &scratch, object, &mut existing)?;
    }
    Ok(existing)
}

/// A row of SQLite's schema table.
struct Object {
    kind: String,
    name: String,
    table: String,
    sql: String,
}

fn objects(conn: &Connection) -> Result<Vec<Object>, ExecuteError> {
    let sql = "SELECT type, name, tbl_name, sql FROM main.sqlite_schema WHERE sql IS NOT NULL AND type <> 'trigger'";
    let mut statement = conn.prepare(sql)?;
    let rows = statement.query_map([], |row| {
        Ok(Object { kind: row.get(0)?, name: row.get(1)?, table: row.get(2)?, sql: row.get(3)? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn place(
    conn: &Connection,
    schema: &Schema,
    declared: &Declared,
    scratch: &Scratch,
    object: Object,
    existing: &mut Existing,
) -> Result<(), SchemaError> {
    let key = fold(&object.name);
    let is_ours = existing.file_tables.contains_key(&key) || existing.wire_tables.contains_key(&key);
    if is_ours || is_reserved(&object.name) {
        return Ok(());
    }
    match object.kind.as_str() {
        "index" => {
            let origin = schema.index(&object.name).map(|(_, index)| index.origin);
            let index =
                ExistingIndex { canonical: canonical(&object.sql), name: object.name, table: object.table, origin };
            existing.indexes.insert(key, index);
        }
        "table" if !is_virtual(&object.sql) => {
            if declared.tables.contains_key(&key) {
                existing.plain_tables.insert(key, plain_table(conn, scratch, &object)?);
            } else {
                existing.other_names.insert(key, "a table that is not replicated".to_owned());
            }
        }
        kind => {
            let kind = if kind == "table" { "virtual table" } else { kind };
            existing.other_names.insert(key, format!("a {kind}"));
        }
    }
    Ok(())
}

fn is_virtual(sql: &str) -> bool {
    tokens(sql).is_ok_and(|found| found.get(1).is_some_and(|token| token.is_word(sql, "virtual")))
}

/// An index that is not understood has a canonical form that no declared one has, so it would be replaced.
fn canonical(sql: &str) -> String {
    let Ok(found) = tokens(sql) else { return String::new() };
    create_index(sql, &found).map_or_else(|_| String::new(), |syntax| canonical_target(sql, &found, &syntax.target))
}

fn plain_table(conn: &Connection, scratch: &Scratch, object: &Object) -> Result<PlainTable, SchemaError> {
    let (table, broken) = parse_existing(scratch, &format!("table \"{}\"", object.name), &object.sql)?;
    let sql = "SELECT EXISTS (SELECT 1 FROM pragma_index_list(?1) WHERE \"unique\" AND origin = 'c')";
    let unique: bool = conn.query_row(sql, [&object.name], |row| row.get(0)).map_err(ExecuteError::from)?;
    let obstacle = if unique {
        Some("it has a unique index".to_owned())
    } else {
        broken.into_iter().next().map(|violation| violation.message)
    };
    Ok(PlainTable { table, obstacle })
}
