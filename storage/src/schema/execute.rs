//! Schema changes asked for over the wire, run inside the caller's transaction with PostgreSQL's outcomes.
//!
//! Each change first decides on the snapshot and then acts inside a savepoint, so a refused change leaves nothing behind.

use rusqlite::{Connection, OptionalExtension};

use super::check::{
    INDEX_COLUMNS_MAX, TABLE_COLUMNS_MAX, check_added_to_rows, check_column, check_columns, check_key,
    same_but_for_case, too_many_columns, unsupported,
};
use super::ddl::{ColumnSpec, Ddl, DdlOutcome, IndexKeySpec, TableSpec};
use super::hidden_key::HIDDEN_KEY;
use super::lexer::quote_name;
use super::load::reload;
use super::model::{Origin, PgType, Schema, Table};
use super::naming::{index_name, primary_key_name};
use super::physical::{WireColumn, create_wire_table};
use super::rules::is_reserved;
use super::stored::{self, ColumnEntry, Entry, EntryKind};
use crate::engine::Engine;
use crate::error::{DdlError, ExecuteError, SchemaError};

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

    fn create_index(
        &mut self,
        name: Option<&str>,
        table: &str,
        columns: &[IndexKeySpec],
        if_not_exists: bool,
    ) -> Result<(), DdlError> {
        let on = self.relation(table)?;
        for key in columns {
            if !on.columns.iter().any(|column| column.name == key.column && !column.hidden) {
                return Err(DdlError::UndefinedIndexColumn(key.column.clone()));
            }
        }
        if columns.len() > INDEX_COLUMNS_MAX {
            let message = format!("cannot use more than {INDEX_COLUMNS_MAX} columns in an index");
            return Err(DdlError::TooManyColumns(message));
        }
        let name = match name {
            Some(name) if self.is_free(name)? => name.to_owned(),
            Some(name) => return self.already_exists(name, if_not_exists),
            None => {
                let names: Vec<&str> = columns.iter().map(|key| key.column.as_str()).collect();
                index_name(table, &names, |name| is_name_taken(self.conn(), name).unwrap_or(true))
            }
        };
        let sql = create_index_sql(&name, table, columns);
        self.sql(&sql)?;
        stored::put(self.conn(), &index_entry(table, &name, Origin::Wire, &sql))?;
        self.refresh(table)
    }

    fn drop_index(&mut self, name: &str, if_exists: bool) -> Result<(), DdlError> {
        let found = self.schema.index(name).filter(|(_, index)| index.name == name);
        let Some((table, origin)) = found.map(|(table, index)| (table.name.clone(), index.origin)) else {
            return self.no_such_index(name, if_exists);
        };
        if origin == Origin::File {
            return Err(declared_in_file("drop", "index", name));
        }
        self.sql(&format!("DROP INDEX {}", quote_name(name)))?;
        stored::remove_index(self.conn(), name)?;
        self.refresh(&table)
    }

    fn no_such_index(&mut self, name: &str, if_exists: bool) -> Result<(), DdlError> {
        if self.schema.table(name).is_some() {
            return Err(DdlError::WrongObjectType {
                message: format!("\"{name}\" is not an index"),
                hint: "Use DROP TABLE to remove a table.".to_owned(),
            });
        }
        let of_key = self.schema.tables.values().find(|table| table.primary_key_name.as_deref() == Some(name));
        if let Some(table) = of_key {
            let table = &table.name;
            return Err(DdlError::Required {
                message: format!("cannot drop index {name} because constraint {name} on table {table} requires it"),
                hint: format!("You can drop constraint {name} on table {table} instead."),
            });
        }
        if !if_exists {
            return Err(DdlError::UndefinedIndex(name.to_owned()));
        }
        self.notice("00000", format!("index \"{name}\" does not exist, skipping"));
        Ok(())
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

fn index_entry(table: &str, name: &str, origin: Origin, sql: &str) -> Entry {
    Entry { table: table.to_owned(), kind: EntryKind::Index, name: name.to_owned(), sql: sql.to_owned(), origin }
}

fn create_index_sql(name: &str, table: &str, columns: &[IndexKeySpec]) -> String {
    let key = |key: &IndexKeySpec| format!("{}{}", quote_name(&key.column), if key.descending { " DESC" } else { "" });
    let keys: Vec<String> = columns.iter().map(key).collect();
    format!("CREATE INDEX {} ON {} ({})", quote_name(name), quote_name(table), keys.join(", "))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::ids::Timestamp;
    use crate::schema::ddl::{DefaultSpec, StorageType};
    use crate::schema::load;
    use crate::value::Value;

    const INT4: u32 = 23;
    const TEXT: u32 = 25;

    /// An engine with an open version, where schema changes run.
    struct Database {
        engine: Engine,
        schema: Schema,
    }

    impl Database {
        fn new() -> Self {
            let mut engine = Engine::memory(1).expect("engine");
            crate::schema::register_hidden_key(engine.connection(), Some(1)).expect("register");
            engine.begin().expect("begin");
            engine.begin_version(Timestamp(1)).expect("begin version");
            Self { engine, schema: Schema::default() }
        }

        fn run(&mut self, ddl: Ddl) -> Result<Vec<(&'static str, String)>, DdlError> {
            let (outcome, schema) = execute_ddl(&mut self.engine, &self.schema, &ddl)?;
            let loaded = load(self.engine.connection())?;
            assert_eq!(loaded.tables, schema.tables, "the returned schema is the one in the file");
            assert!(schema.tables == self.schema.tables || schema.version > self.schema.version);
            self.schema = schema;
            Ok(outcome.notices)
        }

        fn refused(&mut self, ddl: Ddl) -> String {
            let before = self.dump();
            let error = self.run(ddl).expect_err("refused");
            assert_eq!(self.dump(), before, "a refused change leaves nothing behind");
            error.to_string()
        }

        fn dump(&self) -> Vec<String> {
            let sql = "SELECT type || ' ' || name || ' ' || coalesce(sql, '') FROM sqlite_schema ORDER BY 1";
            let mut statement = self.engine.connection().prepare(sql).expect("prepare");
            let rows = statement.query_map([], |row| row.get(0)).expect("query");
            rows.collect::<Result<_, _>>().expect("rows")
        }

        fn sql(&self, sql: &str) {
            self.engine.connection().execute_batch(sql).expect("run statement");
        }

        fn text(&self, sql: &str) -> String {
            self.engine.connection().query_row(sql, [], |row| row.get(0)).expect("query")
        }
    }

    fn column(name: &str, oid: u32, storage: StorageType) -> ColumnSpec {
        let pg_type = PgType { oid, typmod: -1 };
        ColumnSpec { name: name.to_owned(), pg_type, storage, not_null: false, default: None }
    }

    fn with_default(name: &str, pg_text: &str, constant: Option<Value>) -> ColumnSpec {
        let default = Some(DefaultSpec { pg_text: pg_text.to_owned(), constant });
        ColumnSpec { default, ..column(name, TEXT, StorageType::Text) }
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    /// Table `t` with int4 `a` and text `b`.
    fn create(name: &str, key: &[&str]) -> Ddl {
        let columns = vec![column("a", INT4, StorageType::Integer), column("b", TEXT, StorageType::Text)];
        let table = TableSpec { name: name.to_owned(), columns, primary_key: names(key), primary_key_name: None };
        Ddl::CreateTable { table, if_not_exists: false }
    }

    fn drop_table(name: &str, if_exists: bool) -> Ddl {
        Ddl::DropTable { names: names(&[name]), if_exists }
    }

    fn add(table: &str, column: ColumnSpec) -> Ddl {
        Ddl::AddColumn { table: table.to_owned(), column, if_not_exists: false }
    }

    fn add_key(table: &str, columns: &[&str]) -> Ddl {
        Ddl::AddPrimaryKey { table: table.to_owned(), name: None, columns: names(columns) }
    }

    fn index(name: Option<&str>, columns: &[&str]) -> Ddl {
        let key = |column: &&str| IndexKeySpec { column: (*column).to_owned(), descending: false };
        Ddl::CreateIndex {
            name: name.map(str::to_owned),
            table: "t".to_owned(),
            columns: columns.iter().map(key).collect(),
            if_not_exists: false,
        }
    }

    fn drop_index(name: &str, if_exists: bool) -> Ddl {
        Ddl::DropIndex { names: names(&[name]), if_exists }
    }

    #[test]
    fn a_table_keeps_postgres_types_and_has_storage_types_without_constraints() {
        let mut database = Database::new();
        let mut spec = vec![
            column("id", TEXT, StorageType::Text),
            with_default("title", "''::text", Some(Value::Text("it's".into()))),
        ];
        spec[1].not_null = true;
        let table =
            TableSpec { name: "todos".into(), columns: spec, primary_key: names(&["id"]), primary_key_name: None };
        database.run(Ddl::CreateTable { table, if_not_exists: false }).expect("create");
        assert_eq!(
            database.text("SELECT sql FROM sqlite_schema WHERE name = 'todos'"),
            r#"CREATE TABLE "todos" ("id" TEXT NOT NULL, "title" TEXT DEFAULT 'it''s', PRIMARY KEY ("id"))"#
        );
        let table = database.schema.table("todos").expect("table");
        assert_eq!(table.primary_key_name.as_deref(), Some("todos_pkey"));
        assert_eq!(table.primary_key, [0]);
        assert_eq!(table.origin, Origin::Wire);
        let title = table.column("title").expect("column");
        assert_eq!((title.number, title.not_null, title.default.as_deref()), (2, true, Some("''::text")));
        assert_eq!(title.pg_type, Some(PgType { oid: TEXT, typmod: -1 }));
    }

    #[test]
    fn an_integer_key_is_the_rowid() {
        let mut database = Database::new();
        database.run(create("t", &["a"])).expect("create");
        assert_eq!(
            database.text("SELECT sql FROM sqlite_schema WHERE name = 't'"),
            r#"CREATE TABLE "t" ("a" INTEGER PRIMARY KEY, "b" TEXT)"#
        );
    }

    #[test]
    fn a_table_without_a_key_gets_a_hidden_one() {
        let mut database = Database::new();
        database.run(create("t", &[])).expect("create");
        let table = database.schema.table("t").expect("table");
        assert!(table.has_hidden_key());
        assert_eq!(table.primary_key, [0]);
        assert_eq!(
            table.columns.iter().map(|c| (c.name.as_str(), c.number)).collect::<Vec<_>>(),
            [(HIDDEN_KEY, 0), ("a", 1), ("b", 2)]
        );
        assert_eq!(table.primary_key_name, None);
    }

    #[test]
    fn an_empty_table_takes_a_key_and_keeps_its_columns_and_indexes() {
        let mut database = Database::new();
        database.run(create("t", &[])).expect("create");
        database.run(add("t", with_default("c", "'x'::text", Some(Value::Text("x".into()))))).expect("add column");
        database.run(index(None, &["b"])).expect("index");
        let oid = database.schema.table("t").expect("table").oid;
        database.run(add_key("t", &["a"])).expect("add key");
        let table = database.schema.table("t").expect("table");
        assert!(!table.has_hidden_key());
        assert_eq!((table.primary_key_name.as_deref(), table.oid), (Some("t_pkey"), oid));
        assert!(table.column("a").expect("a").not_null);
        assert_eq!(table.indexes.iter().map(|i| i.name.as_str()).collect::<Vec<_>>(), ["t_b_idx"]);
        assert_eq!(
            database.text("SELECT sql FROM sqlite_schema WHERE name = 't'"),
            r#"CREATE TABLE "t" ("a" INTEGER PRIMARY KEY, "b" TEXT, "c" TEXT DEFAULT 'x')"#
        );
    }

    #[test]
    fn a_key_is_refused_on_rows_and_beside_another_key() {
        let mut database = Database::new();
        database.run(create("t", &[])).expect("create");
        assert_eq!(database.refused(add_key("t", &["x"])), "column \"x\" named in key does not exist");
        assert_eq!(database.refused(add_key("t", &[HIDDEN_KEY])), "column \"__corro_key\" named in key does not exist");
        assert_eq!(database.refused(add_key("t", &["a", "a"])), "column \"a\" appears twice in primary key constraint");
        database.sql("INSERT INTO t (__corro_key, a) VALUES (corro_hidden_key(), 1)");
        assert_eq!(database.refused(add_key("t", &["a"])), "cannot add a primary key to table \"t\", which has rows");
        database.run(create("u", &["a"])).expect("create");
        assert_eq!(database.refused(add_key("u", &["b"])), "multiple primary keys for table \"u\" are not allowed");
    }

    #[test]
    fn existing_relations_are_reported_as_postgres_does() {
        let mut database = Database::new();
        database.run(create("t", &["a"])).expect("create");
        assert_eq!(database.refused(create("t", &["a"])), "relation \"t\" already exists");
        assert_eq!(database.refused(create("t_pkey", &["a"])), "relation \"t_pkey\" already exists");
        let Ddl::CreateTable { table, .. } = create("t", &[]) else { unreachable!("create makes this variant") };
        let notices = database.run(Ddl::CreateTable { table, if_not_exists: true }).expect("skip");
        assert_eq!(notices, [("42P07", "relation \"t\" already exists, skipping".to_owned())]);
        assert!(database.refused(create("T", &["a"])).contains("differs only in case"));
        assert!(database.refused(create("sqlite_t", &["a"])).contains("reserved"));
    }

    #[test]
    fn missing_relations_are_reported_as_postgres_does() {
        let mut database = Database::new();
        assert_eq!(database.refused(drop_table("t", false)), "table \"t\" does not exist");
        let skipped = |text: &str| vec![("00000", text.to_owned())];
        assert_eq!(database.run(drop_table("t", true)).expect("skip"), skipped("table \"t\" does not exist, skipping"));
        assert_eq!(database.refused(drop_index("i", false)), "index \"i\" does not exist");
        assert_eq!(database.run(drop_index("i", true)).expect("skip"), skipped("index \"i\" does not exist, skipping"));
        assert_eq!(database.refused(index(None, &["a"])), "relation \"t\" does not exist");
        assert_eq!(database.refused(Ddl::Truncate { names: names(&["t"]) }), "relation \"t\" does not exist");
        assert_eq!(database.refused(add("t", column("c", TEXT, StorageType::Text))), "relation \"t\" does not exist");
    }

    #[test]
    fn tables_and_indexes_are_not_taken_for_each_other() {
        let mut database = Database::new();
        database.run(create("t", &["a"])).expect("create");
        database.run(index(Some("i"), &["b"])).expect("index");
        assert_eq!(database.refused(drop_table("i", false)), "\"i\" is not a table");
        assert_eq!(database.refused(drop_index("t", false)), "\"t\" is not an index");
        assert_eq!(
            database.refused(drop_index("t_pkey", false)),
            "cannot drop index t_pkey because constraint t_pkey on table t requires it"
        );
    }

    #[test]
    fn indexes_without_a_name_are_numbered() {
        let mut database = Database::new();
        database.run(create("t", &["a"])).expect("create");
        database.run(index(None, &["a", "b"])).expect("first");
        database.run(index(None, &["a", "b"])).expect("second");
        let table = database.schema.table("t").expect("table");
        let found: Vec<&str> = table.indexes.iter().map(|index| index.name.as_str()).collect();
        assert_eq!(found, ["t_a_b_idx", "t_a_b_idx1"]);
        assert_ne!(table.indexes[0].oid, table.indexes[1].oid);
        database.run(drop_index("t_a_b_idx", false)).expect("drop");
        assert_eq!(database.schema.table("t").expect("table").indexes.len(), 1);
        assert_eq!(database.refused(index(Some("t_a_b_idx1"), &["a"])), "relation \"t_a_b_idx1\" already exists");
        assert_eq!(database.refused(index(None, &["x"])), "column \"x\" does not exist");
    }

    #[test]
    fn rows_that_lack_an_added_column_show_its_constant_default() {
        let mut database = Database::new();
        database.run(create("t", &["a"])).expect("create");
        database.sql("INSERT INTO t VALUES (1, 'one')");
        database.run(add("t", with_default("c", "'x'::text", Some(Value::Text("x".into()))))).expect("add");
        assert_eq!(database.text("SELECT c FROM t"), "x");
        assert_eq!(
            database.refused(add("t", with_default("c", "'x'::text", None))),
            "column \"c\" of relation \"t\" already exists"
        );
        let volatile = database.refused(add("t", with_default("d", "random()", None)));
        assert!(volatile.contains("default that is not constant"), "{volatile}");
        let not_null = ColumnSpec { not_null: true, ..column("d", TEXT, StorageType::Text) };
        assert_eq!(database.refused(add("t", not_null)), "column \"d\" of relation \"t\" contains null values");
    }

    #[test]
    fn every_constant_reads_back_as_it_was() {
        let values = [
            Value::Integer(i64::MIN),
            Value::Integer(-1),
            Value::Real(1e300),
            Value::Real(f64::NEG_INFINITY),
            Value::Real(0.1),
            Value::Text("a'b\"c\u{e9}".into()),
            Value::Blob(vec![0, 255]),
        ];
        for value in values {
            let mut database = Database::new();
            database.run(create("t", &["a"])).expect("create");
            database.sql("INSERT INTO t VALUES (1, 'one')");
            let storage = match value {
                Value::Integer(_) => StorageType::Integer,
                Value::Real(_) => StorageType::Real,
                Value::Blob(_) | Value::Null => StorageType::Blob,
                Value::Text(_) => StorageType::Text,
            };
            let default = Some(DefaultSpec { pg_text: String::new(), constant: Some(value.clone()) });
            database.run(add("t", ColumnSpec { default, ..column("c", TEXT, storage) })).expect("add");
            let sql = "SELECT c FROM t";
            let read: rusqlite::types::Value =
                database.engine.connection().query_row(sql, [], |row| row.get(0)).expect("query");
            let expected = match value {
                Value::Null => rusqlite::types::Value::Null,
                Value::Integer(number) => number.into(),
                Value::Real(number) => number.into(),
                Value::Text(text) => text.into(),
                Value::Blob(bytes) => bytes.into(),
            };
            assert_eq!(read, expected);
        }
    }

    #[test]
    fn dropping_a_table_leaves_no_trace() {
        let mut database = Database::new();
        database.run(Ddl::Vacuum).expect("our own tables exist");
        let before = database.dump();
        database.run(create("t", &[])).expect("create");
        database.run(index(None, &["a"])).expect("index");
        database.run(drop_table("t", false)).expect("drop");
        assert_eq!(database.dump(), before);
        let rows = "SELECT (SELECT count(*) FROM __corro_schema) || ' ' || (SELECT count(*) FROM __corro_columns)";
        assert_eq!(database.text(rows), "0 0");
    }

    #[test]
    fn truncate_empties_the_named_tables() {
        let mut database = Database::new();
        database.run(create("t", &["a"])).expect("create");
        database.sql("INSERT INTO t VALUES (1, 'one'), (2, 'two')");
        database.run(Ddl::Truncate { names: names(&["t"]) }).expect("truncate");
        assert_eq!(database.text("SELECT CAST(count(*) AS TEXT) FROM t"), "0");
    }

    #[test]
    fn analyze_feeds_the_query_planner() {
        let mut database = Database::new();
        database.run(create("t", &["a"])).expect("create");
        database.run(index(None, &["b"])).expect("index");
        database.sql("INSERT INTO t VALUES (1, 'one'), (2, 'two')");
        database.run(Ddl::Analyze { tables: Vec::new() }).expect("analyze");
        assert_eq!(database.text("SELECT stat FROM sqlite_stat1 WHERE idx = 't_b_idx'"), "2 1");
        assert_eq!(database.refused(Ddl::Analyze { tables: names(&["x"]) }), "relation \"x\" does not exist");
    }
}
