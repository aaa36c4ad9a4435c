//! Schema changes and capture together: what changes in a table is what other nodes hear of.

use rusqlite::Connection;

use super::ddl::{ColumnSpec, Ddl, DefaultSpec, IndexKeySpec, StorageType, TableSpec};
use super::model::{Origin, PgType, Schema};
use super::{SchemaFile, apply_files, execute_ddl};
use crate::change::ids::{DbVersion, Timestamp};
use crate::engine::{CaptureMode, Engine, EngineOptions};
use crate::error::{DdlError, SchemaError};
use crate::value::Value;

/// A database whose transactions end, so that their changes can be read.
struct Node {
    engine: Engine,
    schema: Schema,
    _dir: tempfile::TempDir,
}

impl Node {
    fn new(capture: CaptureMode) -> Self {
        let dir = tempfile::tempdir().expect("directory");
        let options = EngineOptions { capture, ..EngineOptions::default() };
        let engine = Engine::open(&dir.path().join("db"), &options).expect("open");
        Self { engine, schema: Schema::default(), _dir: dir }
    }

    fn conn(&self) -> &Connection {
        self.engine.connection()
    }

    fn begin(&mut self) {
        self.engine.begin().expect("begin");
        self.engine.begin_version(Timestamp(1)).expect("begin version");
    }

    fn commit(&mut self) {
        self.engine.end_version().expect("end version");
        self.engine.commit().expect("commit");
    }

    fn write(&mut self, sql: &str) {
        self.begin();
        self.conn().execute_batch(sql).expect("write");
        self.commit();
    }

    fn files(&mut self, text: &str) -> Result<(), SchemaError> {
        let file = SchemaFile { path: "f.sql".to_owned(), text: text.to_owned() };
        self.schema = apply_files(&mut self.engine, &self.schema, &[file])?.1;
        Ok(())
    }

    fn ddl(&mut self, ddl: &Ddl) -> Result<(), DdlError> {
        self.schema = execute_ddl(&mut self.engine, &self.schema, ddl)?.1;
        Ok(())
    }

    /// Table, column, value and causal length of every change, in order.
    fn changes(&self) -> Vec<String> {
        let sql = "SELECT \"table\" || ' ' || cid || ' ' || coalesce(val, 'NULL') || ' ' || cl FROM crsql_changes ORDER BY db_version, seq";
        let mut statement = self.conn().prepare(sql).expect("prepare");
        let rows = statement.query_map([], |row| row.get(0)).expect("query");
        rows.collect::<Result<_, _>>().expect("rows")
    }
}

fn both(test: impl Fn(&mut Node)) {
    for capture in [CaptureMode::Hook, CaptureMode::Trigger] {
        test(&mut Node::new(capture));
    }
}

fn text_column(name: &str, default: Option<&str>) -> ColumnSpec {
    let default =
        default.map(|text| DefaultSpec { pg_text: format!("'{text}'"), constant: Some(Value::Text(text.to_owned())) });
    let pg_type = PgType { oid: 25, typmod: -1 };
    ColumnSpec { name: name.to_owned(), pg_type, storage: StorageType::Text, not_null: false, default }
}

fn create(columns: &[&str], key: &[&str]) -> Ddl {
    let table = TableSpec {
        name: "t".to_owned(),
        columns: columns.iter().map(|name| text_column(name, None)).collect(),
        primary_key: key.iter().map(|name| (*name).to_owned()).collect(),
        primary_key_name: None,
    };
    Ddl::CreateTable { table, if_not_exists: false }
}

#[test]
fn rows_of_an_adopted_table_become_changes() {
    both(|node| {
        node.write("CREATE TABLE t (k INTEGER PRIMARY KEY, a TEXT); INSERT INTO t VALUES (1, 'x')");
        node.begin();
        node.files("CREATE TABLE t (k INTEGER PRIMARY KEY, a TEXT)").expect("apply");
        node.commit();
        assert_eq!(node.changes(), ["t a x 1"]);
    });
}

#[test]
fn an_added_column_replicates_from_its_first_write() {
    both(|node| {
        node.begin();
        node.ddl(&create(&["k", "a"], &["k"])).expect("create");
        node.commit();
        node.write("INSERT INTO t VALUES ('1', 'x'), ('2', 'y')");
        node.begin();
        let column = text_column("c", Some("new"));
        node.ddl(&Ddl::AddColumn { table: "t".to_owned(), column, if_not_exists: false }).expect("add");
        node.commit();
        assert_eq!(node.changes(), ["t a x 1", "t a y 1"], "no row is written for the new column");
        node.write("UPDATE t SET c = 'z' WHERE k = '2'");
        assert_eq!(node.changes(), ["t a x 1", "t a y 1", "t c z 1"]);
    });
}

#[test]
fn truncate_is_a_replicated_delete_of_every_row() {
    both(|node| {
        node.begin();
        node.ddl(&create(&["k", "a"], &["k"])).expect("create");
        node.commit();
        node.write("INSERT INTO t VALUES ('1', 'x'), ('2', 'y')");
        node.begin();
        node.ddl(&Ddl::Truncate { names: vec!["t".to_owned()] }).expect("truncate");
        node.commit();
        assert_eq!(node.changes(), ["t -1 NULL 2", "t -1 NULL 2"]);
    });
}

#[test]
fn a_table_made_anew_with_another_shape_replicates_in_that_shape() {
    both(|node| {
        node.begin();
        node.conn().execute_batch("SAVEPOINT s").expect("savepoint");
        let before = node.schema.clone();
        node.ddl(&create(&["k", "a"], &["k"])).expect("create");
        node.conn().execute_batch("INSERT INTO t VALUES ('1', 'x'); ROLLBACK TO s; RELEASE s").expect("undo");
        node.schema = before;
        node.ddl(&create(&["b", "k", "l"], &["k", "l"])).expect("create in another shape");
        node.conn().execute_batch("INSERT INTO t VALUES ('x', '1', '2')").expect("insert");
        node.commit();
        assert_eq!(node.changes(), ["t b x 1"]);
        node.begin();
        node.ddl(&Ddl::DropTable { names: vec!["t".to_owned()], if_exists: false }).expect("drop");
        node.ddl(&create(&["c", "k"], &["k"])).expect("create again");
        node.conn().execute_batch("INSERT INTO t VALUES ('y', '1')").expect("insert");
        node.commit();
        assert_eq!(node.changes(), ["t c y 1"]);
    });
}

#[test]
fn a_key_added_to_an_emptied_table_starts_its_history() {
    both(|node| {
        node.begin();
        node.ddl(&create(&["k", "a"], &[])).expect("create");
        node.conn()
            .execute_batch("INSERT INTO t (__corro_key, k, a) VALUES (corro_hidden_key(), '1', 'x'); DELETE FROM t")
            .expect("write");
        let columns = vec!["k".to_owned()];
        node.ddl(&Ddl::AddPrimaryKey { table: "t".to_owned(), name: None, columns }).expect("add key");
        node.conn().execute_batch("INSERT INTO t VALUES ('1', 'y')").expect("insert");
        node.commit();
        assert_eq!(node.changes(), ["t a y 1"]);
    });
}

#[test]
fn files_that_are_refused_leave_capture_as_it_was() {
    both(|node| {
        node.begin();
        node.files("CREATE TABLE t (k INTEGER PRIMARY KEY, a TEXT)").expect("apply");
        node.conn().execute_batch("INSERT INTO t VALUES (1, 'x')").expect("insert");
        let refused = "CREATE TABLE s (k INTEGER PRIMARY KEY); CREATE TABLE t (k INTEGER PRIMARY KEY, a TEXT, b INT, c DEFAULT CURRENT_TIMESTAMP)";
        node.files(refused).expect_err("a default that is not constant");
        node.conn().execute_batch("UPDATE t SET a = 'y'").expect("update");
        node.commit();
        assert_eq!(node.changes(), ["t a y 1"]);
        node.begin();
        node.files(
            "CREATE TABLE s (k TEXT NOT NULL PRIMARY KEY, v); CREATE TABLE t (k INTEGER PRIMARY KEY, a TEXT, b INT)",
        )
        .expect("apply");
        node.conn().execute_batch("UPDATE t SET b = 2; INSERT INTO s VALUES ('k', 'v')").expect("write");
        node.commit();
        assert_eq!(node.changes(), ["t a y 1", "t b 2 1", "s v v 1"]);
    });
}

#[test]
fn a_merge_is_never_refused_by_check_or_strict() {
    both(|node| {
        node.begin();
        node.files(
            "CREATE TABLE c (k INTEGER PRIMARY KEY, n INT CHECK (n < 10)); CREATE TABLE s (k INTEGER PRIMARY KEY, n INT) STRICT",
        )
        .expect("apply");
        node.commit();
        let mut origin = Node::new(CaptureMode::Hook);
        origin.begin();
        origin
            .files("CREATE TABLE c (k INTEGER PRIMARY KEY, n INT); CREATE TABLE s (k INTEGER PRIMARY KEY, n INT)")
            .expect("apply");
        origin.commit();
        origin.write("INSERT INTO c VALUES (1, 99); INSERT INTO s VALUES (1, 'text')");
        node.begin();
        copy_changes(&origin, node);
        node.commit();
        let rows = "SELECT c.n || ' ' || s.n FROM c, s";
        let merged: String = node.conn().query_row(rows, [], |row| row.get(0)).expect("merged rows");
        assert_eq!(merged, "99 text");
        node.begin();
        let refused = node.conn().execute_batch("INSERT INTO c VALUES (2, 99)").expect_err("a local write is refused");
        assert!(refused.to_string().contains("CHECK constraint failed"), "{refused}");
        node.engine.rollback().expect("rollback");
    });
}

fn copy_changes(from: &Node, to: &Node) {
    let columns = "\"table\", pk, cid, val, col_version, db_version, site_id, cl, seq, ts";
    let mut read = from.conn().prepare(&format!("SELECT {columns} FROM crsql_changes")).expect("prepare");
    let insert = format!("INSERT INTO crsql_changes ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    let mut write = to.conn().prepare(&insert).expect("prepare");
    let mut rows = read.query([]).expect("query");
    while let Some(row) = rows.next().expect("row") {
        let values: Vec<rusqlite::types::Value> = (0..10).map(|i| row.get(i).expect("value")).collect();
        write.execute(rusqlite::params_from_iter(values)).expect("merge");
    }
}

#[test]
fn whole_versions_are_merged_past_check_and_strict() {
    both(|node| {
        node.begin();
        node.files("CREATE TABLE s (k INTEGER PRIMARY KEY, n INT CHECK (n <> 3), x TEXT DEFAULT 'd') STRICT")
            .expect("apply");
        node.commit();
        let mut origin = Node::new(CaptureMode::Hook);
        origin.begin();
        origin.files("CREATE TABLE s (k INTEGER PRIMARY KEY, n INT, x TEXT DEFAULT 'd')").expect("apply");
        origin.commit();
        origin.write("INSERT INTO s (k, n) SELECT value, value FROM json_each('[1,2,3,4,5,6,7,8]')");
        origin.write("UPDATE s SET n = 'text' WHERE k > 6");
        let site = origin.engine.site_id();
        for version in [1, 2] {
            let changeset = origin.engine.changeset(site, DbVersion(version)).expect("serve").expect("a version");
            node.begin();
            let applied = node.engine.apply(&[changeset]).expect("merge");
            node.commit();
            assert_eq!((applied.known, applied.parked), (0, 0));
        }
        let rows = "SELECT group_concat(n) FROM (SELECT n FROM s ORDER BY k)";
        let merged: String = node.conn().query_row(rows, [], |row| row.get(0)).expect("merged rows");
        assert_eq!(merged, "1,2,3,4,5,6,text,text");
    });
}

#[test]
fn a_table_of_a_schema_file_changes_in_its_file() {
    let mut node = Node::new(CaptureMode::Hook);
    let text = "CREATE TABLE f (k INTEGER PRIMARY KEY, a TEXT); CREATE INDEX i ON f (a);";
    node.begin();
    node.files(text).expect("apply");
    let column = text_column("c", None);
    for (ddl, message) in [
        (
            Ddl::DropTable { names: vec!["f".to_owned()], if_exists: false },
            "cannot drop table \"f\": it is declared in a schema file",
        ),
        (
            Ddl::AddColumn { table: "f".to_owned(), column, if_not_exists: false },
            "cannot alter table \"f\": it is declared in a schema file",
        ),
        (
            Ddl::DropIndex { names: vec!["i".to_owned()], if_exists: false },
            "cannot drop index \"i\": it is declared in a schema file",
        ),
    ] {
        assert_eq!(node.ddl(&ddl).expect_err("refused").to_string(), message);
    }
    let key = IndexKeySpec { column: "a".to_owned(), descending: true };
    let index = Ddl::CreateIndex { name: None, table: "f".to_owned(), columns: vec![key], if_not_exists: false };
    node.ddl(&index).expect("clients may add indexes");
    node.files(text).expect("apply again");
    let indexes: Vec<&str> = node.schema.tables["f"].indexes.iter().map(|index| index.name.as_str()).collect();
    assert_eq!(indexes, ["f_a_idx", "i"], "a client's index outlives a reload");
    node.commit();
}

#[test]
fn a_table_of_a_client_is_not_declared_in_a_file() {
    let mut node = Node::new(CaptureMode::Hook);
    node.begin();
    node.ddl(&create(&["k", "a"], &["k"])).expect("create");
    let refused = node.files("CREATE TABLE t (k TEXT NOT NULL PRIMARY KEY, a TEXT)").expect_err("refused");
    assert!(refused.to_string().starts_with("f.sql:1: table \"t\" exists already, made by a client"), "{refused}");
    node.files("CREATE INDEX i ON t (a)").expect("a file may index it");
    assert_eq!(node.schema.tables["t"].indexes[0].origin, Origin::File);
    node.files("").expect("apply");
    assert!(node.schema.tables["t"].indexes.is_empty(), "the index follows the files");
    node.commit();
}

#[test]
fn a_null_for_a_column_that_is_not_null_here_waits_and_holds_up_nothing_else() {
    both(|node| {
        let mut source = Node::new(CaptureMode::Hook);
        source.begin();
        source.files("CREATE TABLE t (k INTEGER PRIMARY KEY, a TEXT)").expect("apply");
        source.commit();
        for sql in [
            "INSERT INTO t VALUES (1, NULL), (2, 'kept back')",
            "INSERT INTO t VALUES (3, 'x')",
            "UPDATE t SET a = 'y' WHERE k = 3",
        ] {
            source.write(sql);
        }
        node.begin();
        node.files("CREATE TABLE t (k INTEGER PRIMARY KEY, a TEXT NOT NULL DEFAULT '')").expect("apply");
        node.commit();
        let site = source.engine.site_id();
        let versions = (1..=3).map(|v| source.engine.changeset(site, DbVersion(v)).expect("read").expect("known"));
        let all: Vec<_> = versions.collect();
        node.engine.begin().expect("begin");
        let applied = node.engine.apply(&all).expect("a merge never fails on data");
        assert_eq!((applied.parked, applied.known), (1, 0));
        assert_eq!(node.engine.apply(&all).expect("again").known, 3, "not tried again with each message");
        node.engine.commit().expect("commit");
        let text =
            |node: &Node, sql: &str| node.conn().query_row(sql, [], |row| row.get::<_, String>(0)).expect("query");
        assert_eq!(text(node, "SELECT group_concat(k || a) FROM t"), "3y", "parked whole, and nothing else with it");
        assert_eq!(text(node, "SELECT reason FROM crsql_partials"), "NOT NULL constraint failed: t.a");
        let known: Vec<_> = node.engine.known_versions(site).expect("ledger").iter().collect();
        assert_eq!(known, [(2, 3)], "it can be asked for, and is not taken for merged");
        // Once the cell is superseded at its origin, what is left of the version can be merged.
        source.write("UPDATE t SET a = '' WHERE k = 1");
        let again = [1, 4].map(|v| source.engine.changeset(site, DbVersion(v)).expect("read").expect("known"));
        node.engine.begin().expect("begin");
        assert_eq!(node.engine.apply(&again).expect("apply").parked, 0);
        node.engine.commit().expect("commit");
        assert_eq!(text(node, "SELECT group_concat(k || a) FROM t"), "1,2kept back,3y");
    });
}
