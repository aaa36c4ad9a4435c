//! Schema changes asked for over the wire, run inside the caller's transaction with PostgreSQL's outcomes.
//!
//! Each change first decides on the snapshot and then acts inside a savepoint, so a refused change leaves nothing behind.

mod alter;
mod index;

#[cfg(test)]
mod tests;

use rusqlite::{Connection, OptionalExtension};

use super::check::{
    TABLE_COLUMNS_MAX, check_added_to_rows, check_column, check_columns, check_key, same_but_for_case,
    too_many_columns, unsupported,
};
use super::ddl::{ColumnSpec, Ddl, DdlOutcome, TableSpec};
use super::hidden_key::HIDDEN_KEY;
use super::lexer::quote_name;
use super::load::reload;
use super::model::{Origin, PgType, Schema, Table};
use super::naming::primary_key_name;
use super::physical::{WireColumn, create_wire_table};
use super::rules::is_reserved;
use super::stored::{self, ColumnEntry, Entry, EntryKind};
use crate::engine::Engine;
use crate::error::{DdlError, ExecuteError, SchemaError};
use index::index_entry;

/// Rows of each index that ANALYZE looks at: it runs on the writer, which others wait for.
const ANALYZE_ROWS_MAX: u32 = 1000;

/// Runs one change in the caller's open version and returns the schema after it.
///
/// # Errors
/// [`DdlError`]; the transaction is as before the call.
pub fn execute_ddl(engine: &mut Engine, schema: &Schema, ddl: &Ddl) -> Result<(DdlOutcome, Schema), DdlError> {
    in_savepoint(engine, |engine| {
        stored::create(engine.connection())?;
        let mut run = Run { engine, schema: schema.clone(), outcome: DdlOutcome::default() };
        run.change(ddl)?;
        Ok((run.outcome, run.schema))
    })
}

/// Runs `work` so that its failure undoes it.
pub(super) fn in_savepoint<T, E: From<ExecuteError>>(
    engine: &mut Engine,
    work: impl FnOnce(&mut Engine) -> Result<T, E>,
) -> Result<T, E> {
    let batch = |engine: &Engine, sql: &str| engine.connection().execute_batch(sql).map_err(ExecuteError::from);
    batch(engine, "SAVEPOINT __corro_schema_change")?;
    let result = work(engine);
    match result {
        Ok(done) => batch(engine, "RELEASE __corro_schema_change").map(|()| done).map_err(E::from),
        Err(reason) => {
            // Fails only if SQLite has rolled the whole transaction back already; the reason says more than that.
            let _ = batch(engine, "ROLLBACK TO __corro_schema_change; RELEASE __corro_schema_change");
            Err(reason)
        }
    }
}

/// Whether a table, index, view or primary key has the name, without regard to case.
pub(super) fn is_name_taken(conn: &Connection, name: &str) -> Result<bool, ExecuteError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM main.sqlite_schema WHERE name = ?1 COLLATE NOCASE AND type <> 'trigger' \
               UNION ALL SELECT 1 FROM \"__corro_schema\" WHERE name = ?1 COLLATE NOCASE)";
    Ok(conn.query_row(sql, [name], |row| row.get(0))?)
}

/// One change being made.
struct Run<'a> {
    engine: &'a mut Engine,
    schema: Schema,
    outcome: DdlOutcome,
}

impl Run<'_> {
    fn change(&mut self, ddl: &Ddl) -> Result<(), DdlError> {
        match ddl {
            Ddl::CreateTable { table, if_not_exists } => self.create_table(table, *if_not_exists),
            Ddl::DropTable { names, if_exists } => names.iter().try_for_each(|name| self.drop_table(name, *if_exists)),
            Ddl::Truncate { names } => names.iter().try_for_each(|name| self.truncate(name)),
            Ddl::AddColumn { table, column, if_not_exists } => self.add_column(table, column, *if_not_exists),
            Ddl::AddPrimaryKey { table, name, columns } => self.add_primary_key(table, name.as_deref(), columns),
            Ddl::SetDefault { table, column, default } => self.set_default(table, column, default.as_ref()),
            Ddl::SetNotNull { table, column } => self.set_not_null(table, column),
            Ddl::DropNotNull { table, column } => self.drop_not_null(table, column),
            Ddl::Several(changes) => changes.iter().try_for_each(|change| self.change(change)),
            Ddl::Skipped(what) => {
                self.notice("00000", what.clone());
                Ok(())
            }
            Ddl::CreateIndex { name, table, columns, if_not_exists } => {
                self.create_index(name.as_deref(), table, columns, *if_not_exists)
            }
            Ddl::DropIndex { names, if_exists } => names.iter().try_for_each(|name| self.drop_index(name, *if_exists)),
            // Nothing to do: SQLite reuses the space of deleted rows, and rewriting the file would stop every writer.
            Ddl::Vacuum => Ok(()),
            Ddl::Analyze { tables } => self.analyze(tables),
        }
    }

    fn conn(&self) -> &Connection {
        self.engine.connection()
    }

    fn sql(&self, sql: &str) -> Result<(), DdlError> {
        Ok(self.conn().execute_batch(sql).map_err(ExecuteError::from)?)
    }

    fn refresh(&mut self, table: &str) -> Result<(), DdlError> {
        self.schema = reload(self.engine.connection(), &self.schema, &[table])?;
        Ok(())
    }

    fn notice(&mut self, sqlstate: &'static str, text: String) {
        self.outcome.notices.push((sqlstate, text));
    }

    fn relation(&self, name: &str) -> Result<Table, DdlError> {
        match self.schema.table(name) {
            Some(table) => Ok(Table::clone(table)),
            None => Err(DdlError::UndefinedRelation(name.to_owned())),
        }
    }

    /// A table that clients may change; those of schema files change with their file.
    fn wire_relation(&self, name: &str) -> Result<Table, DdlError> {
        let table = self.relation(name)?;
        match table.origin {
            Origin::Wire => Ok(table),
            Origin::File => Err(declared_in_file("alter", "table", name)),
        }
    }

    /// Whether a new relation may have the name: `Ok(false)` if one of exactly that name exists.
    fn is_free(&self, name: &str) -> Result<bool, DdlError> {
        if is_reserved(name) {
            return Err(unsupported(
                format!("relation name \"{name}\" is reserved"),
                "Names that begin with sqlite_, crsql_ or __corro, or contain __crsql_, belong to the database.",
            ));
        }
        if self.is_relation(name) {
            return Ok(false);
        }
        if !is_name_taken(self.conn(), name)? {
            return Ok(true);
        }
        let sql = "SELECT 1 FROM main.sqlite_schema WHERE name = ?1";
        let same = self.conn().query_row(sql, [name], |_| Ok(())).optional().map_err(ExecuteError::from)?;
        if same.is_some() {
            return Ok(false);
        }
        Err(unsupported(
            format!("relation name \"{name}\" differs only in case from an existing one"),
            "SQLite, which stores the tables, does not tell such names apart. Choose another name.",
        ))
    }

    fn is_relation(&self, name: &str) -> bool {
        self.schema.tables.values().any(|table| {
            table.name == name
                || table.primary_key_name.as_deref() == Some(name)
                || table.indexes.iter().any(|index| index.name == name)
        })
    }

    fn create_table(&mut self, table: &TableSpec, if_not_exists: bool) -> Result<(), DdlError> {
        if !self.is_free(&table.name)? {
            return self.already_exists(&table.name, if_not_exists);
        }
        check_columns(table)?;
        check_key(&table.name, table.columns.iter().map(|c| c.name.as_str()), &table.primary_key)?;
        let columns: Vec<WireColumn> = table.columns.iter().map(WireColumn::new).collect();
        let entries = table.columns.iter().map(|column| column_entry(column, &table.primary_key));
        let new = NewTable {
            name: &table.name,
            columns: &columns,
            entries: entries.collect(),
            primary_key: &table.primary_key,
            primary_key_name: table.primary_key_name.as_deref(),
        };
        self.make_table(new)?;
        self.refresh(&table.name)
    }

    fn already_exists(&mut self, name: &str, if_not_exists: bool) -> Result<(), DdlError> {
        if !if_not_exists {
            return Err(DdlError::DuplicateRelation(name.to_owned()));
        }
        self.notice("42P07", format!("relation \"{name}\" already exists, skipping"));
        Ok(())
    }

    fn make_table(&mut self, new: NewTable<'_>) -> Result<(), DdlError> {
        self.sql(&create_wire_table(new.name, new.columns, new.primary_key))?;
        let entry = |kind, name: &str| Entry {
            table: new.name.to_owned(),
            kind,
            name: name.to_owned(),
            sql: String::new(),
            origin: Origin::Wire,
        };
        stored::put(self.conn(), &entry(EntryKind::Table, new.name))?;
        for column in &new.entries {
            stored::put_column(self.conn(), new.name, column)?;
        }
        if new.primary_key.is_empty() {
            let hidden = ColumnEntry {
                name: HIDDEN_KEY.to_owned(),
                pg_type: PgType { oid: INT8_OID, typmod: -1 },
                not_null: true,
                default: None,
                hidden: true,
            };
            stored::put_column(self.conn(), new.name, &hidden)?;
        } else {
            let key_name = self.key_name(new.name, new.primary_key_name)?;
            stored::put(self.conn(), &entry(EntryKind::PrimaryKey, &key_name))?;
        }
        Ok(self.engine.as_crr(new.name)?)
    }

    fn key_name(&self, table: &str, wanted: Option<&str>) -> Result<String, DdlError> {
        let conn = self.conn();
        match wanted {
            None => Ok(primary_key_name(table, |name| is_name_taken(conn, name).unwrap_or(true))),
            Some(name) if self.is_free(name)? => Ok(name.to_owned()),
            Some(name) => Err(DdlError::DuplicateRelation(name.to_owned())),
        }
    }

    fn drop_table(&mut self, name: &str, if_exists: bool) -> Result<(), DdlError> {
        let Some(table) = self.schema.table(name) else {
            if self.is_relation(name) {
                return Err(DdlError::WrongObjectType {
                    message: format!("\"{name}\" is not a table"),
                    hint: "Use DROP INDEX to remove an index.".to_owned(),
                });
            }
            if !if_exists {
                return Err(DdlError::UndefinedTable(name.to_owned()));
            }
            self.notice("00000", format!("table \"{name}\" does not exist, skipping"));
            return Ok(());
        };
        if table.origin == Origin::File {
            return Err(declared_in_file("drop", "table", name));
        }
        self.engine.drop_crr(name)?;
        self.sql(&format!("DROP TABLE {}", quote_name(name)))?;
        stored::remove_table(self.conn(), name)?;
        self.refresh(name)
    }

    /// A delete of every row, which replicates like any other.
    fn truncate(&mut self, name: &str) -> Result<(), DdlError> {
        self.relation(name)?;
        self.sql(&format!("DELETE FROM {}", quote_name(name)))
    }

    fn add_column(&mut self, name: &str, column: &ColumnSpec, if_not_exists: bool) -> Result<(), DdlError> {
        let table = self.wire_relation(name)?;
        if table.columns.iter().any(|existing| existing.name == column.name && !existing.hidden) {
            if !if_not_exists {
                return Err(DdlError::DuplicateColumn { table: name.to_owned(), column: column.name.clone() });
            }
            self.notice("42701", format!("column \"{}\" of relation \"{name}\" already exists, skipping", column.name));
            return Ok(());
        }
        check_column(column)?;
        if table.column(&column.name).is_some() {
            return Err(same_but_for_case(&column.name));
        }
        if table.columns.len() >= TABLE_COLUMNS_MAX {
            return Err(too_many_columns());
        }
        if !self.is_empty(name)? {
            check_added_to_rows(name, column)?;
        }
        self.engine.begin_alter(name)?;
        let definition = WireColumn::new(column).definition();
        self.sql(&format!("ALTER TABLE {} ADD COLUMN {definition}", quote_name(name)))?;
        self.engine.commit_alter(name)?;
        stored::put_column(self.conn(), name, &column_entry(column, &[]))?;
        self.refresh(name)
    }

    fn is_empty(&self, table: &str) -> Result<bool, DdlError> {
        let sql = format!("SELECT NOT EXISTS (SELECT 1 FROM {})", quote_name(table));
        Ok(self.conn().query_row(&sql, [], |row| row.get(0)).map_err(ExecuteError::from)?)
    }

    /// The identity of rows changes with the key, so the table is made anew, which only an empty one can be.
    fn add_primary_key(&mut self, name: &str, key_name: Option<&str>, key: &[String]) -> Result<(), DdlError> {
        let table = self.relation(name)?;
        if !table.has_hidden_key() {
            return Err(DdlError::MultiplePrimaryKeys(name.to_owned()));
        }
        let visible = table.columns.iter().filter(|column| !column.hidden);
        check_key(name, visible.map(|column| column.name.as_str()), key)?;
        if !self.is_empty(name)? {
            return Err(unsupported(
                format!("cannot add a primary key to table \"{name}\", which has rows"),
                "Rows are told apart across nodes by their key. Create a table with the key and copy the rows.",
            ));
        }
        let columns = self.physical_columns(name)?;
        let mut entries = stored::columns(self.conn(), name)?;
        entries.retain(|column| !column.hidden);
        for column in &mut entries {
            column.not_null |= key.contains(&column.name);
        }
        self.engine.drop_crr(name)?;
        self.sql(&format!("DROP TABLE {}", quote_name(name)))?;
        stored::remove_table(self.conn(), name)?;
        self.make_table(NewTable { name, columns: &columns, entries, primary_key: key, primary_key_name: key_name })?;
        for index in &table.indexes {
            self.sql(&index.sql)?;
            stored::put(self.conn(), &index_entry(name, &index.name, index.origin, &index.sql))?;
        }
        self.refresh(name)
    }

    fn physical_columns(&self, table: &str) -> Result<Vec<WireColumn>, DdlError> {
        let read = || -> rusqlite::Result<Vec<WireColumn>> {
            let sql = "SELECT name, type, dflt_value FROM pragma_table_xinfo(?1, 'main') WHERE name <> ?2";
            let mut statement = self.conn().prepare(sql)?;
            let rows = statement.query_map([table, HIDDEN_KEY], |row| {
                Ok(WireColumn { name: row.get(0)?, storage_type: row.get(1)?, default: row.get(2)? })
            })?;
            rows.collect()
        };
        Ok(read().map_err(ExecuteError::from)?)
    }

    fn analyze(&mut self, tables: &[String]) -> Result<(), DdlError> {
        for name in tables {
            self.relation(name)?;
        }
        let all = || self.schema.tables.keys().map(String::as_str).collect();
        let names: Vec<&str> = if tables.is_empty() { all() } else { tables.iter().map(String::as_str).collect() };
        self.sql(&format!("PRAGMA analysis_limit = {ANALYZE_ROWS_MAX}"))?;
        names.iter().try_for_each(|name| self.sql(&format!("ANALYZE main.{}", quote_name(name))))
    }
}

/// PostgreSQL's `int8`, the type of the hidden key.
const INT8_OID: u32 = 20;

/// A wire table to be made.
struct NewTable<'a> {
    name: &'a str,
    columns: &'a [WireColumn],
    entries: Vec<ColumnEntry>,
    primary_key: &'a [String],
    primary_key_name: Option<&'a str>,
}

fn column_entry(column: &ColumnSpec, primary_key: &[String]) -> ColumnEntry {
    ColumnEntry {
        name: column.name.clone(),
        pg_type: column.pg_type,
        not_null: column.not_null || primary_key.contains(&column.name),
        default: column.default.as_ref().map(|default| default.pg_text.clone()),
        hidden: false,
    }
}

fn declared_in_file(verb: &str, kind: &str, name: &str) -> DdlError {
    unsupported(
        format!("cannot {verb} {kind} \"{name}\": it is declared in a schema file"),
        "Change the schema file on every node and run: corrosion reload",
    )
}

impl From<SchemaError> for DdlError {
    fn from(error: SchemaError) -> Self {
        match error {
            SchemaError::Execute(error) => Self::Execute(error),
            SchemaError::Catalog { message } => Self::Catalog(message),
            invalid @ SchemaError::Invalid { .. } => Self::Catalog(invalid.to_string()),
        }
    }
}
