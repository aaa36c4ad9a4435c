//! `pg_class`: tables, their indexes, and the system relations.
//!
//! Pure.

use storage::Value;
use storage::schema::model::Table;

use super::build::{OWNER, Source};
use super::oids::Derived;
use super::relation::{
    INFORMATION_SCHEMA_NAMESPACE, PG_CATALOG_NAMESPACE, PUBLIC_NAMESPACE, RelationKind, named, relations,
};
use super::rows::{Rows, count, flag, int, text};

/// `pg_am.oid` of tables and of btree indexes.
const HEAP: u32 = 2;
const BTREE: u32 = 403;

/// What differs between the rows of `pg_class`.
struct Entry<'a> {
    oid: u32,
    name: &'a str,
    namespace: u32,
    kind: &'static str,
    access_method: u32,
    columns: usize,
    has_index: bool,
    persistent_file: bool,
    replica_identity: &'static str,
}

/// The system relations. Their own indexes are not listed.
pub(super) fn system() -> Rows {
    let mut rows = Rows::new(named("pg_class"));
    for relation in relations() {
        let is_table = relation.kind == RelationKind::Table;
        push(
            &mut rows,
            &Entry {
                oid: relation.oid,
                name: relation.name,
                namespace: match relation.schema {
                    "information_schema" => INFORMATION_SCHEMA_NAMESPACE,
                    _ => PG_CATALOG_NAMESPACE,
                },
                kind: if is_table { "r" } else { "v" },
                access_method: if is_table { HEAP } else { 0 },
                columns: relation.columns.len(),
                has_index: false,
                persistent_file: is_table,
                replica_identity: "n",
            },
        );
    }
    rows
}

/// The user's tables and indexes.
pub(super) fn user(source: &Source<'_>) -> Rows {
    let mut rows = Rows::new(named("pg_class"));
    for table in source.schema.tables.values() {
        push(
            &mut rows,
            &Entry {
                oid: table.oid,
                name: &table.name,
                namespace: PUBLIC_NAMESPACE,
                kind: "r",
                access_method: HEAP,
                columns: visible_columns(table),
                has_index: table.primary_key_name.is_some() || !table.indexes.is_empty(),
                persistent_file: true,
                replica_identity: "d",
            },
        );
        if let Some(name) = &table.primary_key_name {
            let oid = source.oids.oid(table.oid, Derived::KeyIndex);
            push(&mut rows, &index(oid, name, table.primary_key.len()));
        }
        for secondary in &table.indexes {
            push(&mut rows, &index(secondary.oid, &secondary.name, secondary.columns.len()));
        }
    }
    rows
}

/// How many columns the catalog shows of a table.
pub(super) fn visible_columns(table: &Table) -> usize {
    table.columns.iter().filter(|c| !c.hidden).count()
}

fn index(oid: u32, name: &str, columns: usize) -> Entry<'_> {
    Entry {
        oid,
        name,
        namespace: PUBLIC_NAMESPACE,
        kind: "i",
        access_method: BTREE,
        columns,
        has_index: false,
        persistent_file: true,
        replica_identity: "n",
    }
}

fn push(rows: &mut Rows, entry: &Entry<'_>) {
    rows.push([
        ("oid", int(entry.oid)),
        ("relname", text(entry.name)),
        ("relnamespace", int(entry.namespace)),
        ("relowner", int(OWNER)),
        ("relam", int(entry.access_method)),
        ("relfilenode", int(if entry.persistent_file { entry.oid } else { 0 })),
        // Never analysed: how many rows there are is not known.
        ("reltuples", Value::Real(-1.0)),
        ("relhasindex", flag(entry.has_index)),
        ("relpersistence", text("p")),
        ("relkind", text(entry.kind)),
        ("relnatts", count(entry.columns)),
        ("relispopulated", flag(true)),
        ("relreplident", text(entry.replica_identity)),
    ]);
}
