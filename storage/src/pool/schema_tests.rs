//! Schema changes through the store's handles: what the writer commits is what everybody sees.

use std::sync::Arc;

use super::tests::options;
use crate::error::{DdlError, SchemaError};
use crate::schema::SchemaFile;
use crate::schema::ddl::{ColumnSpec, Ddl, StorageType, TableSpec};
use crate::schema::model::{Origin, PgType};
use crate::store::{Durability, Flow, Lease, Limits, Statement, Store};
use crate::testing::block_on;

fn open(path: &std::path::Path) -> Store {
    Store::open(options(path)).expect("open")
}

fn create_table(name: &str) -> Ddl {
    let pg_type = PgType { oid: 25, typmod: -1 };
    let column =
        ColumnSpec { name: "a".to_owned(), pg_type, storage: StorageType::Text, not_null: false, default: None };
    let table =
        TableSpec { name: name.to_owned(), columns: vec![column], primary_key: Vec::new(), primary_key_name: None };
    Ddl::CreateTable { table, if_not_exists: false }
}

fn lease(store: &Store) -> Lease {
    block_on(store.lease(Limits::default())).expect("lease")
}

fn file(text: &str) -> Vec<SchemaFile> {
    vec![SchemaFile { path: "f.sql".to_owned(), text: text.to_owned() }]
}

#[test]
fn a_schema_change_is_seen_by_others_when_its_transaction_commits() {
    let dir = tempfile::tempdir().expect("directory");
    let store = open(&dir.path().join("db"));
    let mut first = lease(&store);
    block_on(first.ddl(create_table("t"))).expect("create");
    assert!(first.schema().table("t").is_some());
    assert!(store.schema().table("t").is_none());
    let duplicate = block_on(first.ddl(create_table("t"))).expect_err("duplicate");
    assert!(matches!(duplicate, DdlError::DuplicateRelation(_)), "{duplicate}");
    let insert = "INSERT INTO t (__corro_key, a) VALUES (corro_hidden_key(), 'x')";
    let statement = Statement { sql: Arc::from(insert), params: Vec::new(), uses_catalog: false };
    block_on(first.run(statement, Limits::default(), Box::new(|_| Ok(Flow::Continue)))).expect("insert");
    block_on(first.commit(Durability::Fsynced)).expect("commit");
    assert!(store.schema().table("t").is_some_and(|table| table.origin == Origin::Wire));
    block_on(store.close());
}

#[test]
fn a_schema_change_that_is_rolled_back_never_was() {
    let dir = tempfile::tempdir().expect("directory");
    let store = open(&dir.path().join("db"));
    let version = store.schema().version;
    let mut first = lease(&store);
    block_on(first.savepoint("s")).expect("savepoint");
    block_on(first.ddl(create_table("t"))).expect("create");
    let inside = first.schema().version;
    block_on(first.rollback_to("s")).expect("roll back");
    assert!(first.schema().table("t").is_none());
    block_on(first.ddl(create_table("u"))).expect("create");
    assert_ne!(first.schema().version, inside, "plans made for the undone schema must not fit the new one");
    block_on(first.rollback()).expect("rollback");
    assert_eq!(store.schema().version, version);
    let mut second = lease(&store);
    block_on(second.ddl(create_table("t"))).expect("the name is free");
    block_on(second.rollback()).expect("rollback");
    block_on(store.close());
}

#[test]
fn schema_files_are_applied_at_once_and_read_again_at_open() {
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("db");
    let store = open(&path);
    let text = "CREATE TABLE t (k INTEGER PRIMARY KEY, a TEXT); CREATE INDEX i ON t (a);";
    let report = block_on(store.apply_schema_files(file(text))).expect("apply");
    assert_eq!((report.tables_created, report.indexes_created), (vec!["t".to_owned()], vec!["i".to_owned()]));
    let refused =
        block_on(store.apply_schema_files(file("CREATE TABLE u (k INTEGER PRIMARY KEY);\nCREATE TABLE t (k INT)")));
    assert!(matches!(refused, Err(SchemaError::Invalid { .. })));
    assert!(store.schema().table("u").is_none());
    let tables = store.schema().tables.clone();
    block_on(store.close());

    let reopened = open(&path);
    assert_eq!(reopened.schema().tables, tables);
    block_on(reopened.close());
}
