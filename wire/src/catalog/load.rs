//! Puts the catalog on a connection: two attached in-memory databases, one SQLite table a relation.
//!
//! [`attach`] runs when a connection opens, [`load`] before the first statement that reads the catalog after the schema
//! changed. The columns have no declared type, so that values stay in storage form. Besides a relation's own columns each
//! table has [`OWN`], true for rows of the user's schema: those are replaced when the schema changes, the others are
//! inserted once. The version that was loaded is kept in the attached database itself, so that rolling back a transaction
//! which loaded the catalog rolls the version back too.
//!
//! Memory: about 2 MB a connection for the rows that never change, and about 10 kB for each table of the user.

use rusqlite::{Connection, OptionalExtension, params_from_iter, types::ToSqlOutput};
use storage::{Schema, Value, rusqlite};

use super::build::{Options, Source, schema_rows, static_rows};
use super::definition::{KeyPart, Naming, index_definition, index_key, key_index_definition, primary_key_definition};
use super::oids::{Derived, DerivedOids};
use super::relation::{Relation, relations};
use super::rows::Rows;
use crate::function::quote_identifier;

/// The column that marks rows of the user's schema.
const OWN: &str = "~own";

/// Indexes besides those on `oid`: relation and columns.
const INDEXES: [(&str, &str); 14] = [
    ("pg_class", "relname"),
    ("pg_class", "relnamespace"),
    ("pg_attribute", "attrelid, attnum"),
    ("pg_attrdef", "adrelid, adnum"),
    ("pg_index", "indrelid"),
    ("pg_index", "indexrelid"),
    ("pg_constraint", "conrelid"),
    ("pg_type", "typname"),
    ("pg_proc", "proname"),
    ("pg_operator", "oprname"),
    ("pg_depend", "objid"),
    ("pg_depend", "refobjid"),
    ("pg_description", "objoid"),
    ("pg_roles", "oid"),
];

/// Tables of ours beside the relations: what is loaded, and the texts that `pg_get_indexdef` and others give.
/// `number` 0 is the whole definition, with `qualified` names or as visible; others are single keys.
const OWN_TABLES: &str = r#"
CREATE TABLE pg_catalog."~state" (version INTEGER NOT NULL);
CREATE TABLE pg_catalog."~indexdef" (index_oid, number, qualified, visible, PRIMARY KEY (index_oid, number)) WITHOUT ROWID;
CREATE TABLE pg_catalog."~constraintdef" (oid INTEGER PRIMARY KEY, definition);
"#;

/// Attaches the two databases, still empty.
///
/// # Errors
/// SQLite's, if the connection already has databases of these names or attached too many.
pub fn attach(connection: &Connection) -> rusqlite::Result<()> {
    // `mode=memory` keeps the databases writable on a connection that opened its file read-only.
    connection.execute_batch(
        "ATTACH 'file:pg_catalog?mode=memory' AS pg_catalog;
         ATTACH 'file:information_schema?mode=memory' AS information_schema;",
    )
}

/// Brings the catalog of a connection to a schema. Does nothing if it is there already.
///
/// # Errors
/// SQLite's. Nothing is changed then.
pub fn load(connection: &Connection, schema: &Schema, options: &Options) -> rusqlite::Result<()> {
    let version = i64::try_from(schema.version).unwrap_or(i64::MAX);
    let loaded = loaded_version(connection)?;
    if loaded == Some(version) {
        return Ok(());
    }
    connection.execute_batch("SAVEPOINT \"~catalog\"")?;
    match fill(connection, schema, options, loaded.is_some()) {
        Ok(()) => connection.execute_batch("RELEASE \"~catalog\""),
        Err(error) => {
            connection.execute_batch("ROLLBACK TO \"~catalog\"; RELEASE \"~catalog\"")?;
            Err(error)
        }
    }
}

/// The version that is loaded; None if nothing is.
fn loaded_version(connection: &Connection) -> rusqlite::Result<Option<i64>> {
    let made = connection
        .prepare("SELECT 1 FROM pg_catalog.sqlite_schema WHERE name = '~state'")?
        .query_row([], |_| Ok(()))
        .optional()?;
    match made {
        None => Ok(None),
        Some(()) => {
            connection.prepare("SELECT version FROM pg_catalog.\"~state\"")?.query_row([], |r| r.get(0)).optional()
        }
    }
}

fn fill(connection: &Connection, schema: &Schema, options: &Options, has_static_rows: bool) -> rusqlite::Result<()> {
    if !has_static_rows {
        create_tables(connection)?;
        for rows in static_rows(options) {
            insert(connection, &rows, 0)?;
        }
    }
    for rows in schema_rows(schema, options) {
        if has_static_rows {
            connection.execute(&format!("DELETE FROM {} WHERE \"{OWN}\"", table_name(rows.relation)), [])?;
        }
        insert(connection, &rows, 1)?;
    }
    definitions(connection, &Source { schema, options, oids: DerivedOids::of(schema) })?;
    connection.execute("DELETE FROM pg_catalog.\"~state\"", [])?;
    let version = i64::try_from(schema.version).unwrap_or(i64::MAX);
    connection.execute("INSERT INTO pg_catalog.\"~state\" VALUES (?1)", [version])?;
    Ok(())
}

fn create_tables(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(OWN_TABLES)?;
    for relation in relations() {
        let columns: Vec<String> = relation
            .columns
            .iter()
            .map(|c| match (c.name, relation.has_oid()) {
                ("oid", true) => "\"oid\" INTEGER PRIMARY KEY".to_owned(),
                (name, _) => format!("\"{name}\""),
            })
            .collect();
        let sql = format!("CREATE TABLE {} ({}, \"{OWN}\")", table_name(relation), columns.join(", "));
        connection.execute_batch(&sql)?;
    }
    for (number, (relation, columns)) in INDEXES.iter().enumerate() {
        connection.execute_batch(&format!("CREATE INDEX pg_catalog.\"~i{number}\" ON \"{relation}\" ({columns})"))?;
    }
    Ok(())
}

fn insert(connection: &Connection, rows: &Rows, own: i64) -> rusqlite::Result<()> {
    let places = vec!["?"; rows.relation.columns.len() + 1].join(", ");
    let mut statement = connection.prepare(&format!("INSERT INTO {} VALUES ({places})", table_name(rows.relation)))?;
    for row in &rows.rows {
        let own = [ToSqlOutput::from(own)];
        statement.execute(params_from_iter(row.iter().map(bound).chain(own)))?;
    }
    Ok(())
}

fn bound(value: &Value) -> ToSqlOutput<'_> {
    use rusqlite::types::ValueRef;
    ToSqlOutput::Borrowed(match value {
        Value::Null => ValueRef::Null,
        Value::Integer(i) => ValueRef::Integer(*i),
        Value::Real(r) => ValueRef::Real(*r),
        Value::Text(t) => ValueRef::Text(t.as_bytes()),
        Value::Blob(b) => ValueRef::Blob(b),
    })
}

/// Fills the tables of definitions.
fn definitions(connection: &Connection, source: &Source<'_>) -> rusqlite::Result<()> {
    connection.execute_batch("DELETE FROM pg_catalog.\"~indexdef\"; DELETE FROM pg_catalog.\"~constraintdef\";")?;
    let mut indexes = connection.prepare("INSERT INTO pg_catalog.\"~indexdef\" VALUES (?1, ?2, ?3, ?4)")?;
    let mut constraints = connection.prepare("INSERT INTO pg_catalog.\"~constraintdef\" VALUES (?1, ?2)")?;
    for table in source.schema.tables.values() {
        if let Some(name) = &table.primary_key_name {
            let index = source.oids.oid(table.oid, Derived::KeyIndex);
            let [qualified, visible] = [Naming::Qualified, Naming::Plain].map(|n| key_index_definition(table, name, n));
            indexes.execute((index, 0, qualified, visible))?;
            for (&position, number) in table.primary_key.iter().zip(1_i64..) {
                let key = quote_identifier(&table.columns[position].name);
                indexes.execute((index, number, &key, &key))?;
            }
            let constraint = source.oids.oid(table.oid, Derived::KeyConstraint);
            constraints.execute((constraint, primary_key_definition(table)))?;
        }
        for index in &table.indexes {
            let [qualified, visible] = [Naming::Qualified, Naming::Plain].map(|n| index_definition(table, index, n));
            indexes.execute((index.oid, 0, qualified, visible))?;
            for position in 0..index.columns.len() {
                let key = index_key(index, position, KeyPart::Alone);
                indexes.execute((index.oid, i64::try_from(position).unwrap_or(0) + 1, &key, &key))?;
            }
        }
    }
    Ok(())
}

fn table_name(relation: &Relation) -> String {
    format!("{}.\"{}\"", relation.schema, relation.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::fixture::schema;

    fn open() -> Connection {
        let connection = Connection::open_in_memory().expect("open");
        attach(&connection).expect("attach");
        connection
    }

    fn names(connection: &Connection) -> String {
        connection
            .query_row(
                "SELECT group_concat(relname, ' ') FROM (SELECT relname FROM pg_catalog.pg_class WHERE relnamespace = 2200 ORDER BY 1)",
                [],
                |r| r.get::<_, Option<String>>(0),
            )
            .expect("query")
            .unwrap_or_default()
    }

    #[test]
    fn user_rows_are_replaced_when_the_schema_changes_and_only_then() {
        let connection = open();
        let options = Options::default();
        let mut schema = schema();
        load(&connection, &schema, &options).expect("load");
        assert_eq!(names(&connection), "t2 t2_c t2_pkey todos todos_pkey");
        let types: i64 =
            connection.query_row("SELECT count(*) FROM pg_catalog.pg_type", [], |r| r.get(0)).expect("types");
        schema.tables.remove("t2");
        load(&connection, &schema, &options).expect("load");
        assert_eq!(names(&connection), "t2 t2_c t2_pkey todos todos_pkey", "same version: not loaded again");
        schema.version += 1;
        load(&connection, &schema, &options).expect("load");
        assert_eq!(names(&connection), "todos todos_pkey");
        let after: i64 =
            connection.query_row("SELECT count(*) FROM pg_catalog.pg_type", [], |r| r.get(0)).expect("types");
        assert_eq!(types, after);
    }

    #[test]
    fn a_rolled_back_load_is_done_again() {
        let connection = open();
        let schema = schema();
        connection.execute_batch("BEGIN").expect("begin");
        load(&connection, &schema, &Options::default()).expect("load");
        connection.execute_batch("ROLLBACK").expect("rollback");
        assert_eq!(loaded_version(&connection).expect("version"), None);
        load(&connection, &schema, &Options::default()).expect("load");
        assert_eq!(names(&connection), "t2 t2_c t2_pkey todos todos_pkey");
    }

    #[test]
    fn the_catalog_can_be_loaded_on_a_connection_that_reads_a_file_only() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("a.db");
        Connection::open(&path).expect("create").execute_batch("CREATE TABLE t (a)").expect("table");
        let connection = Connection::open_with_flags(
            &path,
            rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY | rusqlite::OpenFlags::SQLITE_OPEN_URI,
        )
        .expect("open");
        attach(&connection).expect("attach");
        load(&connection, &schema(), &Options::default()).expect("load");
        assert_eq!(names(&connection), "t2 t2_c t2_pkey todos todos_pkey");
    }
}
