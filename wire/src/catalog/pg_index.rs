//! `pg_index`: primary keys and secondary indexes.
//!
//! Pure. Expressions and conditions are kept as text; `pg_get_expr` gives them back.

use storage::Value;
use storage::schema::model::{Index, Table};

use super::build::Source;
use super::builtin::type_facts;
use super::column_type::reported_type;
use super::oids::Derived;
use super::relation::named;
use super::rows::{Rows, count, flag, int, maybe_text, vector};
use crate::types::oid;

/// `pg_index.indoption` of a descending key: DESC, and NULLs first as that implies.
const DESCENDING: i64 = 3;

/// What differs between the rows of `pg_index`.
struct Entry {
    index: u32,
    table: u32,
    primary: bool,
    /// Column number (0: an expression), collation, operator class, option of each key.
    keys: Vec<(i64, i64, i64, i64)>,
    expressions: Option<String>,
    predicate: Option<String>,
}

/// All indexes of the user's tables.
pub(super) fn rows(source: &Source<'_>) -> Rows {
    let mut rows = Rows::new(named("pg_index"));
    for table in source.schema.tables.values() {
        if table.primary_key_name.is_some() {
            push(&mut rows, &primary(table, source.oids.oid(table.oid, Derived::KeyIndex)));
        }
        for index in &table.indexes {
            push(&mut rows, &secondary(table, index));
        }
    }
    rows
}

fn primary(table: &Table, index: u32) -> Entry {
    let keys = table.primary_key.iter().map(|&position| column_key(table, position, false)).collect();
    Entry { index, table: table.oid, primary: true, keys, expressions: None, predicate: None }
}

fn secondary(table: &Table, index: &Index) -> Entry {
    let keys = index.columns.iter().map(|key| {
        let position = table.columns.iter().position(|c| !key.is_expression && c.name == key.name);
        position.map_or_else(|| expression_key(key.descending), |p| column_key(table, p, key.descending))
    });
    let expressions: Vec<&str> = index.columns.iter().filter(|k| k.is_expression).map(|k| k.name.as_str()).collect();
    Entry {
        index: index.oid,
        table: table.oid,
        primary: false,
        keys: keys.collect(),
        expressions: (!expressions.is_empty()).then(|| expressions.join(", ")),
        predicate: index.predicate.clone(),
    }
}

fn column_key(table: &Table, position: usize, descending: bool) -> (i64, i64, i64, i64) {
    let column = &table.columns[position];
    let facts = type_facts(reported_type(column).oid);
    (i64::from(column.number), facts.collation, facts.btree_class, if descending { DESCENDING } else { 0 })
}

fn expression_key(descending: bool) -> (i64, i64, i64, i64) {
    let facts = type_facts(oid::TEXT);
    (0, facts.collation, facts.btree_class, if descending { DESCENDING } else { 0 })
}

fn push(rows: &mut Rows, entry: &Entry) {
    rows.push([
        ("indexrelid", int(entry.index)),
        ("indrelid", int(entry.table)),
        ("indnatts", count(entry.keys.len())),
        ("indnkeyatts", count(entry.keys.len())),
        ("indisunique", flag(entry.primary)),
        ("indisprimary", flag(entry.primary)),
        ("indimmediate", flag(true)),
        ("indisvalid", flag(true)),
        ("indisready", flag(true)),
        ("indislive", flag(true)),
        ("indkey", vector(entry.keys.iter().map(|k| k.0))),
        ("indcollation", vector(entry.keys.iter().map(|k| k.1))),
        ("indclass", vector(entry.keys.iter().map(|k| k.2))),
        ("indoption", vector(entry.keys.iter().map(|k| k.3))),
        ("indexprs", maybe_text(entry.expressions.as_deref())),
        ("indpred", entry.predicate.as_deref().map_or(Value::Null, |p| Value::Text(p.to_owned()))),
    ]);
}
