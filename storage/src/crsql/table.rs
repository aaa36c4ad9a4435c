//! Replicated tables: their shape, their numbers in metadata records, and what makes a table replicated.

use std::collections::HashMap;
use std::rc::Rc;

use crate::capture::trigger;
use crate::sqlite::db::Result;
use crate::sqlite::{Cell, Db, SqliteError};
use crate::value::affinity::Affinity;

/// A captured column: neither key nor generated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its number in metadata records. Stays when columns before it are dropped; never given twice.
    pub number: u16,
    /// Its position in the table.
    pub position: usize,
    pub name: String,
    pub not_null: bool,
    pub affinity: Affinity,
}

/// A column of the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyColumn {
    pub position: usize,
    pub name: String,
}

/// A replicated table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its number in log records.
    pub number: u32,
    pub name: String,
    /// The key is the rowid: metadata rows are keyed by it.
    pub integer_key: bool,
    pub without_rowid: bool,
    /// In key order.
    pub key: Vec<KeyColumn>,
    /// In table order.
    pub columns: Vec<Column>,
    /// Columns of the stored row, generated ones included.
    pub width: usize,
    /// Column numbers are 0, 1, 2, ..
    pub dense: bool,
}

impl Table {
    /// The captured column with that name.
    pub fn column_named(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|c| c.name == name)
    }

    /// Whether the record of a row that this node creates is one run from column 0 on.
    pub fn has_short_records(&self) -> bool {
        self.dense && !self.columns.is_empty()
    }

    /// The captured column with that number, and its index in `columns`.
    pub fn column_numbered(&self, number: u16) -> Option<(usize, &Column)> {
        if self.dense {
            return self.columns.get(usize::from(number)).map(|c| (usize::from(number), c));
        }
        self.columns.iter().enumerate().find(|(_, c)| c.number == number)
    }

    /// `"a" = ?1 AND "b" = ?2`, parameters counted from `first`.
    pub fn key_condition(&self, first: usize) -> String {
        let terms: Vec<String> =
            self.key.iter().enumerate().map(|(i, c)| format!("{} = ?{}", quote(&c.name), first + i)).collect();
        terms.join(" AND ")
    }

    /// The name of its metadata table, quoted.
    pub fn rows_name(&self) -> String {
        quote(&format!("{}__crsql_rows", self.name))
    }
}

/// Quotes an identifier.
pub fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Quotes a text literal.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The replicated tables as of one schema version.
#[derive(Debug, Default)]
pub struct Catalog {
    /// `PRAGMA schema_version` it was read at; `None` before the first reading.
    pub schema_version: Option<i64>,
    pub tables: Vec<Rc<Table>>,
    pub by_name: HashMap<String, usize>,
    pub by_number: HashMap<u32, usize>,
}

impl Catalog {
    /// Reads the replicated tables. `version` is the schema version they are read at.
    pub fn read(db: Db, version: i64) -> Result<Self> {
        let mut found: Vec<(u32, String)> = Vec::new();
        db.prepare("SELECT number, name FROM crsql_tables WHERE name IN (SELECT name FROM main.sqlite_schema WHERE type = 'table') ORDER BY number")?
            .each(&[], |row| {
                found.push((u32::try_from(row.integer(0)).unwrap_or(0), row.string(1)));
                Ok(())
            })?;
        let mut catalog = Self { schema_version: Some(version), ..Self::default() };
        for (number, name) in found {
            let table = read_table(db, number, &name)?;
            catalog.by_name.insert(name, catalog.tables.len());
            catalog.by_number.insert(number, catalog.tables.len());
            catalog.tables.push(Rc::new(table));
        }
        Ok(catalog)
    }

    /// The table of that name.
    pub fn named(&self, name: &str) -> Option<&Rc<Table>> {
        self.by_name.get(name).and_then(|&i| self.tables.get(i))
    }

    /// The table with that number.
    pub fn numbered(&self, number: u32) -> Option<&Rc<Table>> {
        self.by_number.get(&number).and_then(|&i| self.tables.get(i))
    }
}

/// One row of `pragma_table_xinfo`.
struct Declared {
    position: usize,
    name: String,
    not_null: bool,
    key_position: usize,
    generated: bool,
    affinity: Affinity,
}

fn declared_columns(db: Db, table: &str) -> Result<Vec<Declared>> {
    let mut columns = Vec::new();
    db.prepare("SELECT cid, name, \"notnull\", pk, hidden, type FROM pragma_table_xinfo(?1)")?.each(
        &[Cell::Text(table.as_bytes())],
        |row| {
            columns.push(Declared {
                position: usize::try_from(row.integer(0)).unwrap_or(0),
                name: row.string(1),
                not_null: row.integer(2) != 0,
                key_position: usize::try_from(row.integer(3)).unwrap_or(0),
                generated: row.integer(4) >= 2,
                affinity: Affinity::of_type(&row.string(5)),
            });
            Ok(())
        },
    )?;
    Ok(columns)
}

fn count(db: Db, sql: &str, table: &str) -> Result<i64> {
    Ok(db.prepare(sql)?.first(&[Cell::Text(table.as_bytes())], |row| row.integer(0))?.unwrap_or(0))
}

/// Whether the key is the rowid itself: a rowid table whose key has no index of its own.
fn has_integer_key(db: Db, table: &str) -> Result<bool> {
    let key_indexes = count(db, "SELECT count(*) FROM pragma_index_list(?1) WHERE origin = 'pk'", table)?;
    Ok(!is_without_rowid(db, table)? && key_indexes == 0)
}

fn is_without_rowid(db: Db, table: &str) -> Result<bool> {
    Ok(count(db, "SELECT count(*) FROM pragma_table_list WHERE schema = 'main' AND name = ?1 AND wr = 1", table)? != 0)
}

fn read_table(db: Db, number: u32, name: &str) -> Result<Table> {
    let mut numbers: HashMap<String, u16> = HashMap::new();
    db.prepare("SELECT name, number FROM crsql_columns WHERE tbl = ?1")?.each(
        &[Cell::Integer(i64::from(number))],
        |row| {
            numbers.insert(row.string(0), u16::try_from(row.integer(1)).unwrap_or(u16::MAX));
            Ok(())
        },
    )?;
    let declared = declared_columns(db, name)?;
    let mut key: Vec<(usize, KeyColumn)> = declared
        .iter()
        .filter(|c| c.key_position > 0)
        .map(|c| (c.key_position, KeyColumn { position: c.position, name: c.name.clone() }))
        .collect();
    key.sort_by_key(|(order, _)| *order);
    let columns: Vec<Column> = declared
        .iter()
        .filter(|c| c.key_position == 0 && !c.generated)
        .filter_map(|c| {
            let number = *numbers.get(&c.name)?;
            let (position, name) = (c.position, c.name.clone());
            Some(Column { number, position, name, not_null: c.not_null, affinity: c.affinity })
        })
        .collect();
    Ok(Table {
        number,
        name: name.to_owned(),
        integer_key: has_integer_key(db, name)?,
        without_rowid: is_without_rowid(db, name)?,
        key: key.into_iter().map(|(_, c)| c).collect(),
        dense: columns.iter().enumerate().all(|(i, c)| usize::from(c.number) == i),
        columns,
        width: declared.len(),
    })
}

/// Why the table cannot be replicated, in a message for its author.
fn refuse_unsuitable(db: Db, table: &str) -> Result<()> {
    let columns = declared_columns(db, table)?;
    if columns.is_empty() {
        return Err(SqliteError::new(format!("no such table: {table}")));
    }
    let refuse = |reason: &str| Err(SqliteError::new(format!("table {table} {reason}")));
    let keys: Vec<&Declared> = columns.iter().filter(|c| c.key_position > 0).collect();
    if keys.is_empty() {
        return refuse("has no primary key; a replicated table needs one");
    }
    if keys.len() > trigger::KEY_COLUMNS_MAX {
        return refuse("has too many key columns");
    }
    if !is_without_rowid(db, table)? && !has_integer_key(db, table)? && keys.iter().any(|c| !c.not_null) {
        return refuse("has a nullable primary key; declare its columns NOT NULL");
    }
    if count(db, "SELECT count(*) FROM pragma_index_list(?1) WHERE origin <> 'pk' AND \"unique\" = 1", table)? != 0 {
        return refuse("has unique indices besides the primary key, which merges could violate");
    }
    if count(db, "SELECT count(*) FROM pragma_foreign_key_list(?1)", table)? != 0 {
        return refuse("has checked foreign key constraints, which merges could violate");
    }
    if count(
        db,
        "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?1 AND sql LIKE '%autoincrement%'",
        table,
    )? != 0
    {
        return refuse("has auto-increment primary keys; concurrent nodes would give one key to unrelated rows");
    }
    Ok(())
}

/// Makes the table replicated, without its rows. Returns whether it was not before.
pub fn register(db: Db, table: &str) -> Result<bool> {
    refuse_unsuitable(db, table)?;
    let is_new = count(db, "SELECT count(*) FROM crsql_tables WHERE name = ?1", table)? == 0;
    if is_new {
        db.prepare("INSERT INTO crsql_tables (name) VALUES (?1)")?.run(&[Cell::Text(table.as_bytes())])?;
    }
    follow_columns(db, table)?;
    let rows = quote(&format!("{table}__crsql_rows"));
    let layout = if has_integer_key(db, table)? {
        format!("CREATE TABLE IF NOT EXISTS {rows} (key INTEGER PRIMARY KEY, meta BLOB NOT NULL)")
    } else {
        format!("CREATE TABLE IF NOT EXISTS {rows} (key BLOB PRIMARY KEY NOT NULL, meta BLOB NOT NULL) WITHOUT ROWID")
    };
    db.exec(&layout)?;
    refresh_triggers(db, table)?;
    create_views(db, table)?;
    Ok(is_new)
}

/// Gives numbers to columns that lack one, and new guard triggers to the table.
pub fn follow_alteration(db: Db, table: &str) -> Result<()> {
    refuse_unsuitable(db, table)?;
    follow_columns(db, table)?;
    refresh_triggers(db, table)?;
    create_views(db, table)
}

fn follow_columns(db: Db, table: &str) -> Result<()> {
    let name = Cell::Text(table.as_bytes());
    for column in declared_columns(db, table)?.iter().filter(|c| c.key_position == 0 && !c.generated) {
        db.prepare(
            "INSERT INTO crsql_columns (tbl, number, name) \
             SELECT t.number, (SELECT coalesce(max(c.number) + 1, 0) FROM crsql_columns c WHERE c.tbl = t.number), ?2 \
             FROM crsql_tables t WHERE t.name = ?1 \
             AND NOT EXISTS (SELECT 1 FROM crsql_columns c WHERE c.tbl = t.number AND c.name = ?2)",
        )?
        .run(&[name, Cell::Text(column.name.as_bytes())])?;
    }
    // The number of a dropped column is not used again: metadata that names it must not come back to life.
    db.prepare(
        "UPDATE crsql_columns SET name = NULL WHERE tbl = (SELECT number FROM crsql_tables WHERE name = ?1) \
         AND name NOT IN (SELECT name FROM pragma_table_xinfo(?1))",
    )?
    .run(&[name])
}

fn refresh_triggers(db: Db, table: &str) -> Result<()> {
    drop_triggers(db, table)?;
    let number = u32::try_from(count(db, "SELECT number FROM crsql_tables WHERE name = ?1", table)?).unwrap_or(0);
    for sql in trigger::definitions(&read_table(db, number, table)?) {
        db.exec(&sql)?;
    }
    Ok(())
}

/// Removes the guard triggers, so that the table can be altered.
pub fn drop_triggers(db: Db, table: &str) -> Result<()> {
    for suffix in trigger::SUFFIXES {
        db.exec(&format!("DROP TRIGGER IF EXISTS {}", quote(&format!("{table}{suffix}"))))?;
    }
    Ok(())
}

/// `<t>__crsql_clock` and `<t>__crsql_pks`: readable where the engine's functions are registered.
fn create_views(db: Db, table: &str) -> Result<()> {
    drop_views(db, table)?;
    let keys: Vec<String> = {
        let mut keys: Vec<Declared> = declared_columns(db, table)?.into_iter().filter(|c| c.key_position > 0).collect();
        keys.sort_by_key(|c| c.key_position);
        keys.iter().enumerate().map(|(i, c)| format!("crsql_unpack_column(pk, {i}) AS {}", quote(&c.name))).collect()
    };
    let name = literal(table);
    db.exec(&format!(
        "CREATE VIEW {} AS SELECT key, col_name, col_version, db_version, site_id, seq, ts FROM crsql_clocks WHERE tbl = {name}",
        quote(&format!("{table}__crsql_clock"))
    ))?;
    db.exec(&format!(
        "CREATE VIEW {} AS SELECT DISTINCT key AS __crsql_key, {} FROM crsql_clocks WHERE tbl = {name}",
        quote(&format!("{table}__crsql_pks")),
        keys.join(", ")
    ))
}

fn drop_views(db: Db, table: &str) -> Result<()> {
    for suffix in ["__crsql_clock", "__crsql_pks"] {
        db.exec(&format!("DROP VIEW IF EXISTS {}", quote(&format!("{table}{suffix}"))))?;
    }
    Ok(())
}

/// Removes all that makes the table replicated. Its number stays taken, so that log records never name another table.
pub fn unregister(db: Db, table: &str) -> Result<()> {
    drop_triggers(db, table)?;
    drop_views(db, table)?;
    db.exec(&format!("DROP TABLE IF EXISTS {}", quote(&format!("{table}__crsql_rows"))))?;
    db.prepare("DELETE FROM crsql_columns WHERE tbl = (SELECT number FROM crsql_tables WHERE name = ?1)")?
        .run(&[Cell::Text(table.as_bytes())])?;
    db.prepare("UPDATE crsql_tables SET name = NULL WHERE name = ?1")?.run(&[Cell::Text(table.as_bytes())])
}
