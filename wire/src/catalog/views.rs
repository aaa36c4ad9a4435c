//! Views of `pg_catalog` over the relations that have rows: `pg_tables`, `pg_indexes`, `pg_stat_*_tables`.
//!
//! Pure. Counters that this server does not keep are NULL.

use super::build::{Options, Source};
use super::definition::{Naming, index_definition, key_index_definition};
use super::oids::Derived;
use super::relation::{RelationKind, named, relations};
use super::rows::{Rows, flag, int, text};

/// Rows about system relations.
pub(super) fn system(options: &Options) -> Vec<Rows> {
    let mut tables = Rows::new(named("pg_tables"));
    for relation in relations().filter(|r| r.kind == RelationKind::Table) {
        tables.push([
            ("schemaname", text(relation.schema)),
            ("tablename", text(relation.name)),
            ("tableowner", text(&options.owner)),
            ("hasindexes", flag(false)),
            ("hasrules", flag(false)),
            ("hastriggers", flag(false)),
            ("rowsecurity", flag(false)),
        ]);
    }
    vec![tables]
}

/// Rows about the user's tables.
pub(super) fn user(source: &Source<'_>) -> Vec<Rows> {
    let mut tables = Rows::new(named("pg_tables"));
    let mut indexes = Rows::new(named("pg_indexes"));
    let mut statistics = ["pg_stat_user_tables", "pg_stat_all_tables", "pg_statio_user_tables", "pg_statio_all_tables"]
        .map(|name| Rows::new(named(name)));
    let mut index_statistics = ["pg_stat_user_indexes", "pg_stat_all_indexes"].map(|name| Rows::new(named(name)));
    for table in source.schema.tables.values() {
        tables.push([
            ("schemaname", text("public")),
            ("tablename", text(&table.name)),
            ("tableowner", text(&source.options.owner)),
            ("hasindexes", flag(table.primary_key_name.is_some() || !table.indexes.is_empty())),
            ("hasrules", flag(false)),
            ("hastriggers", flag(false)),
            ("rowsecurity", flag(false)),
        ]);
        for rows in &mut statistics {
            rows.push([("relid", int(table.oid)), ("schemaname", text("public")), ("relname", text(&table.name))]);
        }
        let key = table.primary_key_name.iter().map(|name| {
            let oid = source.oids.oid(table.oid, Derived::KeyIndex);
            (oid, name, key_index_definition(table, name, Naming::Qualified))
        });
        let secondary = table.indexes.iter().map(|i| (i.oid, &i.name, index_definition(table, i, Naming::Qualified)));
        for (oid, name, definition) in key.chain(secondary) {
            indexes.push([
                ("schemaname", text("public")),
                ("tablename", text(&table.name)),
                ("indexname", text(name)),
                ("indexdef", text(definition)),
            ]);
            for rows in &mut index_statistics {
                rows.push([
                    ("relid", int(table.oid)),
                    ("indexrelid", int(oid)),
                    ("schemaname", text("public")),
                    ("relname", text(&table.name)),
                    ("indexrelname", text(name)),
                ]);
            }
        }
    }
    let mut all = vec![tables, indexes];
    all.extend(statistics);
    all.extend(index_statistics);
    all
}
