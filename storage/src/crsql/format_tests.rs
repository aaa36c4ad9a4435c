//! Files of other formats: an older one is brought to this format in one transaction, a newer one is refused by name.
//!
//! `testdata/format-1.db` was written by the version before users: a table `notes` from a schema file, three rows, of which
//! one was updated and one deleted.

use std::path::Path;

use rusqlite::Connection;

use super::replica::FORMAT;
use crate::change::ids::Timestamp;
use crate::engine::{Engine, EngineOptions};
use crate::error::OpenError;

const FORMAT_1: &[u8] = include_bytes!("testdata/format-1.db");

/// Rows of a query, their cells in SQL's notation.
fn rows(conn: &Connection, sql: &str) -> Vec<String> {
    let mut statement = conn.prepare(sql).expect(sql);
    let width = statement.column_count();
    let rows = statement.query_map([], |row| {
        let cells: Result<Vec<_>, _> = (0..width).map(|i| row.get_ref(i).map(|cell| format!("{cell:?}"))).collect();
        cells.map(|cells| cells.join("|"))
    });
    rows.expect(sql).collect::<Result<_, _>>().expect(sql)
}

fn kept_file(dir: &Path) -> std::path::PathBuf {
    let path = dir.join("node.db");
    std::fs::write(&path, FORMAT_1).expect("write the kept file");
    path
}

fn format(conn: &Connection) -> Vec<String> {
    rows(conn, "SELECT value FROM crsql_master WHERE key = 'format'")
}

/// Everything that replication and the user know of the file.
const CONTENTS: [&str; 5] = [
    "SELECT * FROM notes ORDER BY id",
    "SELECT * FROM notes__crsql_rows",
    "SELECT * FROM crsql_log",
    "SELECT * FROM crsql_site_id",
    "SELECT * FROM __corro_schema",
];

#[test]
fn a_file_of_format_1_is_migrated_and_loses_nothing() {
    let dir = tempfile::tempdir().expect("directory");
    let path = kept_file(dir.path());
    let conn = Connection::open(&path).expect("open");
    assert_eq!(format(&conn), ["Integer(1)"]);
    let before = CONTENTS.map(|sql| rows(&conn, sql));
    assert_eq!(before[0].len(), 2);
    drop(conn);

    let mut engine = Engine::open(&path, &EngineOptions::default()).expect("migrate");
    assert_eq!(format(engine.connection()), [format!("Integer({FORMAT})")]);
    assert_eq!(CONTENTS.map(|sql| rows(engine.connection(), sql)), before);
    let schema = crate::schema::load(engine.connection()).expect("schema");
    assert_eq!(schema.users.secret().len(), 32);

    // It goes on where it stopped.
    engine.begin().and_then(|()| engine.begin_version(Timestamp(9))).expect("begin");
    engine.connection().execute_batch("UPDATE notes SET body = 'x' WHERE id = 'a'").expect("update");
    let version = engine.end_version().expect("end").expect("a version");
    engine.commit().expect("commit");
    assert_eq!(version.version.0, 4);
    let secret = schema.users.secret().to_vec();
    engine.close().expect("close");

    let again = Engine::open(&path, &EngineOptions::default()).expect("open again");
    assert_eq!(crate::schema::load(again.connection()).expect("schema").users.secret(), secret);
}

#[test]
fn a_migration_that_fails_leaves_the_file_as_it_was() {
    let dir = tempfile::tempdir().expect("directory");
    let path = kept_file(dir.path());
    // A view in the way of the second table: its first table is made, then undone.
    Connection::open(&path)
        .expect("open")
        .execute_batch("CREATE VIEW __corro_secrets AS SELECT 1 AS name, 2 AS value")
        .expect("view");
    let error = Engine::open(&path, &EngineOptions::default()).expect_err("the migration fails");
    assert!(matches!(error, OpenError::Unusable { .. }), "{error}");
    let conn = Connection::open(&path).expect("open");
    assert_eq!(format(&conn), ["Integer(1)"]);
    assert_eq!(rows(&conn, "SELECT name FROM sqlite_schema WHERE name = '__corro_users'"), [""; 0]);
}

#[test]
fn a_newer_file_is_refused_by_name_and_left_alone() {
    let dir = tempfile::tempdir().expect("directory");
    let path = kept_file(dir.path());
    let conn = Connection::open(&path).expect("open");
    conn.execute_batch("UPDATE crsql_master SET value = 1000 WHERE key = 'format'").expect("update");
    drop(conn);
    let error = Engine::open(&path, &EngineOptions::default()).expect_err("newer");
    assert!(error.to_string().contains("has format 1000; this version reads up to 2"), "{error}");
    let conn = Connection::open(&path).expect("open");
    assert_eq!(rows(&conn, "SELECT name FROM sqlite_schema WHERE name LIKE '__corro_users'"), [""; 0]);
}
