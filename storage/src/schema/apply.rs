//! Applies schema files: parse, compare, then every step inside one savepoint, so that all of it happens or nothing.

use std::collections::BTreeSet;

use super::declared::{ColumnDecl, Declared, IndexDecl, Location, SchemaFile, TableDecl, fold};
use super::diff::{Step, diff};
use super::lexer::quote_name;
use super::load::reload;
use super::model::{Origin, Schema};
use super::naming::primary_key_name;
use super::parse::{allow_double_quoted_strings, parse_files};
use super::rules::{Rule, Violation};
use super::stored::{self, Entry, EntryKind};
use super::{execute, existing};
use crate::engine::Engine;
use crate::error::{ExecuteError, SchemaError};

/// What applying the files did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    pub tables_created: Vec<String>,
    /// Tables that existed and became replicated.
    pub tables_adopted: Vec<String>,
    /// Table and column.
    pub columns_added: Vec<(String, String)>,
    pub indexes_created: Vec<String>,
    pub indexes_dropped: Vec<String>,
    /// What the operator should know, for example tables that no file declares any more.
    pub warnings: Vec<String>,
}

/// Makes the database have what the files declare. Runs inside the caller's open version: rows of adopted tables become
/// its changes. Returns the new schema, or the old one if nothing changed.
///
/// # Errors
/// [`SchemaError::Invalid`] with every broken rule, otherwise what SQLite or the catalog reported. Nothing was changed.
pub fn apply_files(
    engine: &mut Engine,
    schema: &Schema,
    files: &[SchemaFile],
) -> Result<(Report, Schema), SchemaError> {
    let declared = parse_files(files)?;
    execute::in_savepoint(engine, |engine| apply_declared(engine, schema, &declared))
}

fn apply_declared(engine: &mut Engine, schema: &Schema, declared: &Declared) -> Result<(Report, Schema), SchemaError> {
    let conn = engine.connection();
    stored::create(conn)?;
    allow_double_quoted_strings(conn)?;
    let existing = existing::read(conn, schema, declared)?;
    let plan = diff(&existing, declared).map_err(|violations| SchemaError::Invalid { violations })?;
    let mut run = Run {
        engine,
        declared,
        report: Report { warnings: plan.warnings, ..Report::default() },
        changed: BTreeSet::new(),
    };
    for step in &plan.steps {
        run.step(step)?;
    }
    let Run { report, changed, .. } = run;
    if changed.is_empty() {
        return Ok((report, schema.clone()));
    }
    // A name may have changed its case: the old spelling leaves the snapshot too.
    let mut names: BTreeSet<&str> = changed.iter().map(String::as_str).collect();
    let old: Vec<&str> = schema.tables.keys().map(String::as_str).filter(|n| contains_folded(&changed, n)).collect();
    names.extend(old);
    let new = reload(engine.connection(), schema, &names.into_iter().collect::<Vec<_>>())?;
    Ok((report, new))
}

fn contains_folded(names: &BTreeSet<String>, name: &str) -> bool {
    names.iter().any(|other| other.eq_ignore_ascii_case(name))
}

struct Run<'a> {
    engine: &'a mut Engine,
    declared: &'a Declared,
    report: Report,
    /// Tables whose snapshot is out of date.
    changed: BTreeSet<String>,
}

impl Run<'_> {
    fn step(&mut self, step: &Step) -> Result<(), SchemaError> {
        match step {
            Step::CreateTable(table) => {
                self.sql(&table.create).map_err(|error| refused(Rule::Syntax, &table.at, "", error))?;
                self.report.tables_created.push(table.name.clone());
                self.replicate(table)
            }
            Step::AdoptTable(table) => {
                self.report.tables_adopted.push(table.name.clone());
                self.replicate(table)
            }
            Step::AddColumn { table, column } => self.add_column(table, column),
            Step::RecordTable { stored_name, table } => {
                self.changed.insert(stored_name.clone());
                Ok(stored::put(self.engine.connection(), &table_entry(stored_name, table))?)
            }
            Step::DropIndex { name, table } => {
                self.sql(&format!("DROP INDEX {}", quote_name(name)))?;
                self.report.indexes_dropped.push(name.clone());
                self.changed.extend(self.snapshot_name(table)?);
                Ok(stored::remove_index(self.engine.connection(), name)?)
            }
            Step::CreateIndex(index) => {
                self.sql(&index.create).map_err(|error| refused(Rule::Syntax, &index.at, "", error))?;
                self.report.indexes_created.push(index.name.clone());
                self.record_index(index)
            }
            Step::RecordIndex(index) => self.record_index(index),
        }
    }

    fn sql(&self, sql: &str) -> Result<(), ExecuteError> {
        Ok(self.engine.connection().execute_batch(sql)?)
    }

    fn replicate(&mut self, table: &TableDecl) -> Result<(), SchemaError> {
        let conn = self.engine.connection();
        let declared = self.declared;
        let is_taken = |name: &str| {
            let key = fold(name);
            declared.indexes.contains_key(&key)
                || declared.tables.contains_key(&key)
                || execute::is_name_taken(conn, name).unwrap_or(true)
        };
        let key_name = primary_key_name(&table.name, is_taken);
        stored::put(conn, &table_entry(&table.name, table))?;
        let key = Entry {
            table: table.name.clone(),
            kind: EntryKind::PrimaryKey,
            name: key_name,
            sql: String::new(),
            origin: Origin::File,
        };
        stored::put(conn, &key)?;
        self.engine.as_crr(&table.name)?;
        self.changed.insert(table.name.clone());
        Ok(())
    }

    fn add_column(&mut self, table: &str, column: &ColumnDecl) -> Result<(), SchemaError> {
        self.engine.begin_alter(table)?;
        let sql = format!("ALTER TABLE {} ADD COLUMN {}", quote_name(table), column.definition);
        // Rows that exist came by merges too, which CHECKs do not bind; SQLite would test them all.
        self.sql("PRAGMA ignore_check_constraints = ON")?;
        let added = self.sql(&sql);
        self.sql("PRAGMA ignore_check_constraints = OFF")?;
        added.map_err(|error| {
            let context = format!("column \"{}\" cannot be added to table \"{table}\": ", column.name);
            refused(Rule::ColumnNotAddable, &column.at, &context, error)
        })?;
        self.engine.commit_alter(table)?;
        self.report.columns_added.push((table.to_owned(), column.name.clone()));
        self.changed.insert(table.to_owned());
        Ok(())
    }

    fn record_index(&mut self, index: &IndexDecl) -> Result<(), SchemaError> {
        let table = self.snapshot_name(&index.table)?.unwrap_or_else(|| index.table.clone());
        let entry = Entry {
            table: table.clone(),
            kind: EntryKind::Index,
            name: index.name.clone(),
            sql: index.create.clone(),
            origin: Origin::File,
        };
        stored::remove_index(self.engine.connection(), &index.name)?;
        stored::put(self.engine.connection(), &entry)?;
        self.changed.insert(table);
        Ok(())
    }

    /// The table's name as our catalog spells it.
    fn snapshot_name(&self, table: &str) -> Result<Option<String>, SchemaError> {
        Ok(stored::table_name(self.engine.connection(), table)?)
    }
}

fn table_entry(stored_name: &str, table: &TableDecl) -> Entry {
    Entry {
        table: stored_name.to_owned(),
        kind: EntryKind::Table,
        name: stored_name.to_owned(),
        sql: table.text.clone(),
        origin: Origin::File,
    }
}

/// SQLite's refusal of a declaration, with its place; other failures (disk, memory, interruption) stay what they are.
fn refused(rule: Rule, at: &Location, context: &str, error: ExecuteError) -> SchemaError {
    if let ExecuteError::Sqlite {
        code: rusqlite::ffi::SQLITE_ERROR | rusqlite::ffi::SQLITE_CONSTRAINT, message, ..
    } = &error
    {
        let violation = Violation { rule, at: at.clone(), message: format!("{context}{message}") };
        return SchemaError::Invalid { violations: vec![violation] };
    }
    SchemaError::Execute(error)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::change::ids::Timestamp;
    use crate::engine::EngineOptions;
    use crate::schema::load;

    /// An engine with an open version, where files are applied.
    struct Database {
        engine: Engine,
        schema: Schema,
    }

    impl Database {
        fn new() -> Self {
            Self::on(Engine::memory(1).expect("engine"))
        }

        fn on(mut engine: Engine) -> Self {
            engine.begin().expect("begin");
            engine.begin_version(Timestamp(1)).expect("begin version");
            Self { engine, schema: Schema::default() }
        }

        fn try_apply(&mut self, text: &str) -> Result<Report, SchemaError> {
            let file = SchemaFile { path: "f.sql".to_owned(), text: text.to_owned() };
            let (report, schema) = apply_files(&mut self.engine, &self.schema, &[file])?;
            assert_eq!(
                load(self.engine.connection())?.tables,
                schema.tables,
                "the returned schema is the one in the file"
            );
            self.schema = schema;
            Ok(report)
        }

        fn apply(&mut self, text: &str) -> Report {
            self.try_apply(text).expect("apply")
        }

        /// Refuses the text, with these violations but for their advice, and leaves nothing behind.
        fn refuses(&mut self, text: &str, expected: &[&str]) {
            let before = self.dump();
            let error = self.try_apply(text).expect_err("refused");
            assert_eq!(self.dump(), before, "a refused file leaves nothing behind");
            let SchemaError::Invalid { violations } = error else { unreachable!("not a broken rule: {error}") };
            let found: Vec<String> = violations.iter().map(|v| format!("{}: {}", v.at, v.message)).collect();
            assert_eq!(found, expected);
        }

        fn dump(&self) -> Vec<String> {
            let sql = "SELECT type || ' ' || name || ' ' || coalesce(sql, '') FROM sqlite_schema ORDER BY 1";
            let mut statement = self.engine.connection().prepare(sql).expect("prepare");
            let rows = statement.query_map([], |row| row.get(0)).expect("query");
            rows.collect::<Result<_, _>>().expect("rows")
        }

        fn sql(&self, sql: &str) -> Result<(), ExecuteError> {
            Ok(self.engine.connection().execute_batch(sql)?)
        }

        fn text(&self, sql: &str) -> String {
            self.engine.connection().query_row(sql, [], |row| row.get(0)).expect("query")
        }

        fn commit(&mut self) {
            self.engine.end_version().expect("end version");
            self.engine.commit().expect("commit");
        }
    }

    const T: &str = "CREATE TABLE t (k INTEGER PRIMARY KEY, a TEXT NOT NULL DEFAULT '', b INT);";

    #[test]
    fn applying_the_same_files_again_does_nothing() {
        let mut database = Database::new();
        let report = database.apply(&format!("{T} CREATE INDEX i ON t (a);"));
        assert_eq!((report.tables_created, report.indexes_created), (vec!["t".to_owned()], vec!["i".to_owned()]));
        let version = database.schema.version;
        let before = database.dump();
        assert_eq!(database.apply(&format!("{T} CREATE INDEX i ON t (a);")), Report::default());
        assert_eq!((database.schema.version, database.dump()), (version, before));
    }

    #[test]
    fn only_comments_and_case_changed_means_nothing_changed() {
        let mut database = Database::new();
        database.apply(&format!("{T} CREATE INDEX i ON t (a);"));
        let report = database.apply(
            "create table T (K integer primary key, -- the key
             A text not null default '', B int); create index I on T(a)",
        );
        assert_eq!(report, Report::default());
        assert_eq!(database.apply(T), Report { indexes_dropped: vec!["i".to_owned()], ..Report::default() });
    }

    #[test]
    fn a_table_that_disappears_stays_with_a_warning() {
        let mut database = Database::new();
        database.apply(&format!("{T} CREATE INDEX i ON t (a);"));
        let report = database.apply("");
        assert_eq!(report.warnings, ["table \"t\" is no longer declared in any schema file; it stays as it is"]);
        assert_eq!(database.schema.table("t").expect("table").indexes.len(), 1);
    }

    #[test]
    fn columns_are_added_in_any_place_of_the_declaration() {
        let mut database = Database::new();
        database.apply(T);
        database.sql("INSERT INTO t (k, a) VALUES (1, 'x')").expect("insert");
        let report = database.apply(
            "CREATE TABLE t (k INTEGER PRIMARY KEY, c TEXT NOT NULL DEFAULT 'new' /* why */, a TEXT NOT NULL DEFAULT '', b INT, d AS (a || c));",
        );
        let added = |name: &str| ("t".to_owned(), name.to_owned());
        assert_eq!(report.columns_added, [added("c"), added("d")]);
        assert_eq!(database.text("SELECT d FROM t"), "xnew");
        let table = database.schema.table("t").expect("table");
        let columns: Vec<(&str, i16, bool)> =
            table.columns.iter().map(|c| (c.name.as_str(), c.number, c.generated)).collect();
        assert_eq!(columns, [("k", 1, false), ("a", 2, false), ("b", 3, false), ("c", 4, false), ("d", 5, true)]);
    }

    #[test]
    fn destructive_changes_are_refused_all_at_once() {
        let mut database = Database::new();
        database.apply(T);
        database.refuses(
            "\nCREATE TABLE t (k INTEGER PRIMARY KEY,\na BLOB NOT NULL DEFAULT '', c INT);\nCREATE INDEX i ON u (a);",
            &[
                "f.sql:2: column \"b\" of table \"t\" is missing",
                "f.sql:3: column \"a\" of table \"t\" changes its type from TEXT to BLOB",
                "f.sql:4: index \"i\" is on table \"u\", which is not declared",
            ],
        );
        let one = |database: &mut Database, columns: &str, message: &str| {
            database.refuses(&format!("CREATE TABLE t (k {columns})"), &[&format!("f.sql:1: {message}")]);
        };
        one(
            &mut database,
            "INTEGER PRIMARY KEY, a TEXT DEFAULT '', b INT",
            "column \"a\" of table \"t\" changes it from NOT NULL to nullable",
        );
        one(
            &mut database,
            "INTEGER PRIMARY KEY, a TEXT NOT NULL DEFAULT 'x', b INT",
            "column \"a\" of table \"t\" changes its default from '' to 'x'",
        );
        one(
            &mut database,
            "INTEGER PRIMARY KEY, a TEXT NOT NULL DEFAULT '' COLLATE NOCASE, b INT",
            "column \"a\" of table \"t\" changes its collation from BINARY to NOCASE",
        );
        one(
            &mut database,
            "INTEGER PRIMARY KEY, a TEXT NOT NULL DEFAULT '', b INT CHECK (b > 0)",
            "column \"b\" of table \"t\" changes its CHECK",
        );
        one(
            &mut database,
            "INTEGER PRIMARY KEY, a TEXT NOT NULL DEFAULT '', b INT AS (k)",
            "column \"b\" of table \"t\" changes how it is generated",
        );
        one(
            &mut database,
            "INTEGER PRIMARY KEY, a TEXT NOT NULL DEFAULT '', b INT, CHECK (b > 0)",
            "a CHECK constraint of table \"t\" changes",
        );
        one(
            &mut database,
            "INTEGER NOT NULL, a TEXT NOT NULL DEFAULT '', b INT, PRIMARY KEY (k, a)",
            "the primary key of table \"t\" changes from (k) to (k, a)",
        );
        database.refuses(
            "CREATE TABLE t (k INTEGER PRIMARY KEY, a TEXT NOT NULL DEFAULT '', b INT) STRICT",
            &["f.sql:1: table \"t\" changes STRICT"],
        );
    }

    #[test]
    fn a_column_that_rows_cannot_get_is_refused_with_its_line() {
        let mut database = Database::new();
        database.apply(T);
        database.sql("INSERT INTO t (k) VALUES (1)").expect("insert");
        database.refuses(
            "CREATE TABLE u (k INTEGER PRIMARY KEY); CREATE TABLE t (k INTEGER PRIMARY KEY, a TEXT NOT NULL DEFAULT '', b INT,\n c DEFAULT CURRENT_TIMESTAMP)",
            &["f.sql:2: column \"c\" cannot be added to table \"t\": Cannot add a column with non-constant default"],
        );
    }

    #[test]
    fn indexes_are_replaced_when_they_mean_something_else() {
        let mut database = Database::new();
        database.apply(&format!("{T} CREATE INDEX i ON t (a); CREATE INDEX j ON t (b) WHERE a <> '';"));
        let report = database.apply(&format!("{T} CREATE INDEX i ON t (a DESC); DROP INDEX IF EXISTS j;"));
        assert_eq!(report.indexes_dropped, ["i", "j"]);
        assert_eq!(report.indexes_created, ["i"]);
        let table = database.schema.table("t").expect("table");
        assert_eq!(table.indexes.len(), 1);
        assert!(table.indexes[0].columns[0].descending);
        assert_eq!(table.indexes[0].origin, Origin::File);
    }

    #[test]
    fn names_of_keys_and_tables_are_not_given_to_indexes() {
        let mut database = Database::new();
        database.apply(T);
        database.refuses(
            &format!("{T} CREATE INDEX t_pkey ON t (a);"),
            &["f.sql:1: index name \"t_pkey\" is the name of the primary key of table \"t\""],
        );
        database.refuses(&format!("{T} CREATE INDEX t ON t (a);"), &["f.sql:1: there is already a table named t"]);
    }

    #[test]
    fn an_existing_table_of_the_same_definition_is_adopted() {
        let mut database = Database::new();
        database.sql("CREATE TABLE t (k INTEGER PRIMARY KEY, a TEXT NOT NULL DEFAULT '', b INT)").expect("create");
        database.sql("INSERT INTO t VALUES (1, 'x', 2)").expect("insert");
        let report = database.apply(T);
        assert_eq!(report.tables_adopted, ["t"]);
        assert_eq!(database.text("SELECT a FROM t"), "x");
        assert_eq!(database.schema.table("t").expect("table").primary_key_name.as_deref(), Some("t_pkey"));
    }

    #[test]
    fn an_existing_table_of_another_definition_is_not_touched() {
        let mut database = Database::new();
        let cases = [
            ("k INTEGER PRIMARY KEY, a TEXT NOT NULL DEFAULT ''", "it has no column \"b\""),
            (
                "k INT NOT NULL PRIMARY KEY, a TEXT NOT NULL DEFAULT '', b INT",
                "it differs in whether its key is the rowid",
            ),
            ("k INTEGER PRIMARY KEY, a TEXT NOT NULL DEFAULT '', b INT, c", "it has a column \"c\""),
            (
                "k INTEGER PRIMARY KEY, a TEXT NOT NULL DEFAULT '', b TEXT",
                "column \"b\" would change its type from TEXT to INT",
            ),
            (
                "k INTEGER PRIMARY KEY, a TEXT NOT NULL DEFAULT '', b INT UNIQUE",
                "UNIQUE constraints are not supported (table \"t\", column \"b\")",
            ),
        ];
        for (columns, reason) in cases {
            database.sql(&format!("DROP TABLE IF EXISTS t; CREATE TABLE t ({columns})")).expect("create");
            database.refuses(T, &[&format!("f.sql:1: table \"t\" exists already and is not replicated: {reason}")]);
        }
        database.sql("DROP TABLE t; CREATE VIEW t AS SELECT 1").expect("view");
        database.refuses(T, &["f.sql:1: table name \"t\" is the name of a view"]);
    }

    #[test]
    fn strict_and_check_bind_local_writes_and_give_way_to_merges() {
        let mut database = Database::new();
        database.apply(
            "CREATE TABLE s (k INT NOT NULL PRIMARY KEY, n INTEGER, r REAL, x TEXT DEFAULT 'd', y BLOB, z ANY -- any\n, CHECK (n < 10)) STRICT;",
        );
        let physical = database.text("SELECT group_concat(name || ' ' || type, ', ') FROM pragma_table_info('s')");
        assert_eq!(physical, "k INT, n INTEGER, r REAL, x TEXT, y BLOB, z ");
        database.sql("INSERT INTO s VALUES (1, '5', 2, 'x', x'00', '007')").expect("values that convert");
        assert_eq!(database.text("SELECT typeof(n) || typeof(r) || z FROM s"), "integerreal007");
        for (column, value) in [("n", "'x'"), ("n", "1.5"), ("r", "'x'"), ("x", "x'00'"), ("y", "'x'"), ("n", "10")] {
            let update = format!("UPDATE s SET {column} = {value}");
            let refused = database.sql(&update).expect_err("refused");
            assert!(refused.to_string().starts_with("CHECK constraint failed"), "{update}: {refused}");
            database
                .sql(&format!("PRAGMA ignore_check_constraints = ON; {update}; PRAGMA ignore_check_constraints = OFF"))
                .expect("a merge writes it");
        }
        let report = database.apply(
            "CREATE TABLE s (k INT NOT NULL PRIMARY KEY, n INTEGER, r REAL, x TEXT DEFAULT 'd', y BLOB, z ANY, w INT, CHECK (n < 10)) STRICT;",
        );
        assert_eq!(report.columns_added, [("s".to_owned(), "w".to_owned())]);
        assert!(database.sql("INSERT INTO s (k, w) VALUES (2, 'x')").is_err());
        let any = database.schema.table("s").and_then(|table| table.column("z").cloned()).expect("column");
        assert_eq!((any.declared_type.as_str(), any.affinity), ("ANY", crate::schema::model::Affinity::Blob));
    }

    #[test]
    fn plain_sqlite_checks_dumps_and_vacuums_the_file() {
        let dir = tempfile::tempdir().expect("directory");
        let path = dir.path().join("state.db");
        let mut database = Database::on(Engine::open(&path, &EngineOptions::default()).expect("open"));
        database.apply(
            "CREATE TABLE s (k TEXT NOT NULL PRIMARY KEY, j TEXT NOT NULL DEFAULT '{}', g AS (json_extract(j, '$.g'))) WITHOUT ROWID;
             CREATE TABLE t (k INT NOT NULL PRIMARY KEY, n INT CHECK (n > 0)) STRICT; CREATE INDEX i ON s (g) WHERE g > 0;",
        );
        database.sql("INSERT INTO s (k, j) VALUES ('a', '{\"g\":3}'); INSERT INTO t VALUES (1, 2)").expect("insert");
        database.commit();
        database.engine.close().expect("close");

        let plain = rusqlite::Connection::open(&path).expect("open as plain SQLite");
        let check: String = plain.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("check");
        assert_eq!(check, "ok");
        plain.execute_batch("VACUUM").expect("vacuum");
        let mut statement = plain
            .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
            .expect("tables");
        let tables: Vec<String> = statement.query_map([], |row| row.get(0)).expect("names").flatten().collect();
        for table in tables {
            let sql = format!("SELECT count(*) FROM {}", quote_name(&table));
            plain.query_row(&sql, [], |row| row.get::<_, i64>(0)).expect("every table can be read");
        }
        let rows: (i64, i64) =
            plain.query_row("SELECT g, n FROM s, t", [], |row| Ok((row.get(0)?, row.get(1)?))).expect("rows");
        assert_eq!(rows, (3, 2));
        drop(statement);
        drop(plain);

        let reopened = Engine::open(&path, &EngineOptions::default()).expect("reopen");
        assert_eq!(load(reopened.connection()).expect("load").tables, database.schema.tables);
    }

    #[test]
    fn adding_a_column_touches_no_row() {
        let dir = tempfile::tempdir().expect("directory");
        let path = dir.path().join("state.db");
        let mut database = Database::on(Engine::open(&path, &EngineOptions::default()).expect("open"));
        database.apply(T);
        let rows = "INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000) SELECT i, 'row', i FROM n";
        database.sql(rows).expect("insert");
        database.commit();
        // After a complete checkpoint the WAL is written from its start again, so its length is what follows.
        let frames = |database: &Database| {
            let sql = "PRAGMA wal_checkpoint(PASSIVE)";
            database.engine.connection().query_row(sql, [], |row| row.get::<_, i64>(1)).expect("frames in the WAL")
        };
        assert!(frames(&database) > 100, "the rows fill many pages");
        database.engine.begin().expect("begin");
        database.engine.begin_version(Timestamp(2)).expect("begin version");
        database.apply(
            "CREATE TABLE t (k INTEGER PRIMARY KEY, a TEXT NOT NULL DEFAULT '', b INT, c TEXT NOT NULL DEFAULT 'new');",
        );
        assert_eq!(database.text("SELECT c FROM t WHERE k = 50000"), "new");
        database.commit();
        let written = frames(&database);
        assert!(written < 20, "{written} pages written");
    }

    /// One evolution: which tables and columns are declared before and after, and the indexes before and after.
    #[derive(Debug, Clone)]
    struct Evolution {
        tables: Vec<TableCase>,
        indexes: Vec<(usize, u8, u8)>,
    }

    #[derive(Debug, Clone)]
    struct TableCase {
        before: bool,
        after: bool,
        key: u8,
        strict: bool,
        columns: u8,
        added: u8,
        reversed: bool,
    }

    fn evolutions() -> impl Strategy<Value = Evolution> {
        let table = (any::<bool>(), any::<bool>(), 0u8..4, any::<bool>(), any::<u8>(), any::<u8>(), any::<bool>())
            .prop_map(|(before, after, key, strict, columns, added, reversed)| TableCase {
                before,
                after,
                key,
                strict,
                columns,
                added,
                reversed,
            });
        (prop::collection::vec(table, 3), prop::collection::vec((0usize..3, 0u8..5, 0u8..5), 3))
            .prop_map(|(tables, indexes)| Evolution { tables, indexes })
    }

    impl TableCase {
        fn text(&self, name: &str, mask: u8, reversed: bool) -> String {
            let any = if self.strict { "ANY" } else { "" };
            let pool = [
                "c0 INT".to_owned(),
                "c1 TEXT NOT NULL DEFAULT \"it's\"".to_owned(),
                "c2 REAL DEFAULT -1.5 CHECK (c2 < 0)".to_owned(),
                format!("c3 {any}"),
                "c4 BLOB DEFAULT x'00'".to_owned(),
                "c5 TEXT AS (k || 'x')".to_owned(),
                "c6 TEXT COLLATE NOCASE".to_owned(),
                "\"c 7\" INT DEFAULT NULL".to_owned(),
            ];
            let mut columns: Vec<String> =
                pool.into_iter().enumerate().filter(|(i, _)| mask & (1 << i) != 0).map(|(_, column)| column).collect();
            if reversed {
                columns.reverse();
            }
            columns.insert(0, if self.key == 0 { "k INTEGER PRIMARY KEY" } else { "k TEXT NOT NULL" }.to_owned());
            let mut options = Vec::new();
            match self.key {
                0 => {}
                1 => columns.push("PRIMARY KEY (k)".to_owned()),
                2 => {
                    columns.insert(1, "l INT NOT NULL".to_owned());
                    columns.push("PRIMARY KEY (l, k)".to_owned());
                }
                _ => {
                    columns.push("PRIMARY KEY (k)".to_owned());
                    options.push("WITHOUT ROWID");
                }
            }
            if self.strict {
                options.push("STRICT");
            }
            format!("CREATE TABLE {name} ({}) {};\n", columns.join(", "), options.join(", "))
        }
    }

    impl Evolution {
        fn before(&self) -> String {
            let tables = self.tables.iter().enumerate().filter(|(_, t)| t.before);
            let tables: String = tables.map(|(i, t)| t.text(&format!("t{i}"), t.columns, false)).collect();
            tables + &self.index_text(|t| t.before, |&(_, before, _)| before)
        }

        fn after(&self) -> String {
            let tables = self.tables.iter().enumerate().filter(|(_, t)| t.after);
            let tables: String = tables
                .map(|(i, t)| {
                    t.text(&format!("t{i}"), if t.before { t.columns | t.added } else { t.added }, t.reversed)
                })
                .collect();
            tables + &self.index_text(|t| t.after, |&(_, _, after)| after)
        }

        fn index_text(
            &self,
            declared: impl Fn(&TableCase) -> bool,
            variant: impl Fn(&(usize, u8, u8)) -> u8,
        ) -> String {
            let mut text = String::new();
            for (number, index) in self.indexes.iter().enumerate() {
                let on = match variant(index) {
                    1 => "k",
                    2 => "k DESC",
                    3 => "lower(k), k",
                    4 => "k) WHERE (k IS NOT NULL",
                    _ => continue,
                };
                if declared(&self.tables[index.0]) {
                    text.push_str(&format!("CREATE INDEX i{number} ON t{} ({on});\n", index.0));
                }
            }
            text
        }
    }

    /// What a schema means, whatever the order in which columns came.
    fn meaning(schema: &Schema) -> Vec<String> {
        let table = |table: &crate::schema::model::Table| {
            let mut columns: Vec<String> = table
                .columns
                .iter()
                .map(|c| format!("{:?}", crate::schema::model::Column { number: 0, ..c.clone() }))
                .collect();
            columns.sort();
            let key: Vec<&str> = table.primary_key.iter().map(|&i| table.columns[i].name.as_str()).collect();
            format!(
                "{} {} {key:?} {:?} {} {columns:?} {:?}",
                table.name, table.oid, table.primary_key_name, table.without_rowid, table.indexes
            )
        };
        schema.tables.values().map(|t| table(t)).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn evolving_a_schema_gives_what_declaring_it_gives(evolution in evolutions()) {
            let mut evolved = Database::new();
            evolved.apply(&evolution.before());
            let kept: Vec<String> = evolution.tables.iter().enumerate().filter(|(_, t)| t.before && !t.after).map(|(i, _)| format!("t{i}")).collect();
            let before = evolved.schema.clone();
            let report = evolved.apply(&evolution.after());
            prop_assert_eq!(report.warnings.len(), kept.len());

            let mut declared = Database::new();
            declared.apply(&evolution.after());
            for name in &kept {
                let table = before.table(name).expect("kept table").clone();
                declared.schema.tables.insert(name.clone(), table);
            }
            prop_assert_eq!(meaning(&evolved.schema), meaning(&declared.schema));
            prop_assert_eq!(Report { warnings: Vec::new(), ..evolved.apply(&evolution.after()) }, Report::default());
        }
    }
}
