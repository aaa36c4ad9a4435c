//! `pg_attribute`: the columns of tables, of their indexes, and of the system relations.
//!
//! Pure. System columns (`tableoid`, `ctid`, ..) are not listed.

use storage::schema::model::{Column, PgType, Table};

use super::build::Source;
use super::builtin::type_facts;
use super::column_type::reported_type;
use super::oids::Derived;
use super::relation::{named, relations};
use super::rows::{Rows, flag, int, text};
use crate::types::oid;

/// What differs between the rows of `pg_attribute`.
struct Entry<'a> {
    relation: u32,
    name: &'a str,
    number: i16,
    pg_type: PgType,
    not_null: bool,
    has_default: bool,
    generated: bool,
}

/// The columns of the system relations.
pub(super) fn system() -> Rows {
    let mut rows = Rows::new(named("pg_attribute"));
    for relation in relations() {
        for (column, number) in relation.columns.iter().zip(1_i16..) {
            let entry = Entry {
                relation: relation.oid,
                name: column.name,
                number,
                pg_type: PgType { oid: column.type_oid, typmod: -1 },
                not_null: column.not_null,
                has_default: false,
                generated: false,
            };
            push(&mut rows, &entry);
        }
    }
    rows
}

/// The columns of the user's tables and indexes.
pub(super) fn user(source: &Source<'_>) -> Rows {
    let mut rows = Rows::new(named("pg_attribute"));
    for table in source.schema.tables.values() {
        for (position, column) in table.columns.iter().enumerate().filter(|(_, c)| !c.hidden) {
            let entry = Entry {
                relation: table.oid,
                name: &column.name,
                number: column.number,
                pg_type: reported_type(column),
                not_null: is_not_null(table, position),
                has_default: has_default(column),
                generated: column.generated,
            };
            push(&mut rows, &entry);
        }
        if table.primary_key_name.is_some() {
            let index = source.oids.oid(table.oid, Derived::KeyIndex);
            for (&position, number) in table.primary_key.iter().zip(1_i16..) {
                let column = &table.columns[position];
                push(&mut rows, &index_entry(index, &column.name, number, reported_type(column)));
            }
        }
        for index in &table.indexes {
            for (key, number) in index.columns.iter().zip(1_i16..) {
                let column = table.columns.iter().find(|c| !key.is_expression && c.name == key.name);
                let pg_type = column.map_or(PgType { oid: oid::TEXT, typmod: -1 }, reported_type);
                let name = column.map_or("expr", |c| &c.name);
                push(&mut rows, &index_entry(index.oid, name, number, pg_type));
            }
        }
    }
    rows
}

/// Whether a column cannot be NULL: declared so, or part of the key.
pub(super) fn is_not_null(table: &Table, position: usize) -> bool {
    table.columns[position].not_null || (table.primary_key_name.is_some() && table.primary_key.contains(&position))
}

/// Whether `pg_attrdef` has a row for the column. `DEFAULT NULL` is no default, as in PostgreSQL.
pub(super) fn has_default(column: &Column) -> bool {
    column.default.as_ref().is_some_and(|d| !d.eq_ignore_ascii_case("null"))
}

fn index_entry(relation: u32, name: &str, number: i16, pg_type: PgType) -> Entry<'_> {
    Entry { relation, name, number, pg_type, not_null: false, has_default: false, generated: false }
}

fn push(rows: &mut Rows, entry: &Entry<'_>) {
    let facts = type_facts(entry.pg_type.oid);
    rows.push([
        ("attrelid", int(entry.relation)),
        ("attname", text(entry.name)),
        ("atttypid", int(entry.pg_type.oid)),
        ("attstattarget", int(-1)),
        ("attlen", int(facts.len)),
        ("attnum", int(entry.number)),
        ("attndims", int(i32::from(facts.is_array))),
        ("attcacheoff", int(-1)),
        ("atttypmod", int(entry.pg_type.typmod)),
        ("attbyval", int(facts.by_value)),
        ("attalign", text(facts.align)),
        ("attstorage", text(facts.storage)),
        ("attnotnull", flag(entry.not_null)),
        ("atthasdef", flag(entry.has_default)),
        ("attgenerated", text(if entry.generated { "s" } else { "" })),
        ("attislocal", flag(true)),
        ("attcollation", int(facts.collation)),
    ]);
}
