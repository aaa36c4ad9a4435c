//! What each change of the schema over the wire does, and what it refuses.

use super::*;
use crate::change::ids::Timestamp;
use crate::schema::ddl::{DefaultSpec, IndexKeySpec, StorageType};
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
    let table = TableSpec { name: "todos".into(), columns: spec, primary_key: names(&["id"]), primary_key_name: None };
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
