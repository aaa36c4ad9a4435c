//! `information_schema`: schemata, tables, columns, constraints.
//!
//! Pure. What the SQL standard's views say of types follows PostgreSQL 15; lengths are in characters and bytes of UTF-8,
//! precisions in digits of the radix beside them.

use storage::Value;
use storage::schema::model::{PgType, Table};

use super::build::{Options, Source};
use super::builtin::{format_type, type_facts};
use super::column_type::reported_type;
use super::definition::default_text;
use super::pg_attribute::{has_default, is_not_null};
use super::relation::{PUBLIC_NAMESPACE, RelationKind, named, relations};
use super::rows::{Rows, int, maybe_text, text, yes_no};
use crate::types::oid;

/// Rows about the server and the system relations.
pub(super) fn system(options: &Options) -> Vec<Rows> {
    let catalog = || text(&options.database);
    let mut name = Rows::new(named("information_schema_catalog_name"));
    name.push([("catalog_name", catalog())]);
    let mut roles = Rows::new(named("enabled_roles"));
    roles.push([("role_name", text(&options.owner))]);
    let mut schemata = Rows::new(named("schemata"));
    for (schema, owner) in [
        ("information_schema", options.owner.as_str()),
        ("pg_catalog", options.owner.as_str()),
        ("public", "pg_database_owner"),
    ] {
        schemata.push([("catalog_name", catalog()), ("schema_name", text(schema)), ("schema_owner", text(owner))]);
    }
    let mut tables = Rows::new(named("tables"));
    let mut columns = Rows::new(named("columns"));
    for relation in relations() {
        let is_table = relation.kind == RelationKind::Table;
        push_table(&mut tables, options, (relation.schema, relation.name), is_table);
        for (column, ordinal) in relation.columns.iter().zip(1_i64..) {
            push_column(
                &mut columns,
                options,
                &ColumnEntry {
                    schema: relation.schema,
                    table: relation.name,
                    name: column.name,
                    ordinal,
                    default: None,
                    nullable: !column.not_null,
                    pg_type: PgType { oid: column.type_oid, typmod: -1 },
                    generated: false,
                    updatable: is_table,
                },
            );
        }
    }
    vec![name, roles, schemata, tables, columns]
}

/// Rows about the user's tables.
pub(super) fn user(source: &Source<'_>) -> Vec<Rows> {
    let options = source.options;
    let mut tables = Rows::new(named("tables"));
    let mut columns = Rows::new(named("columns"));
    for table in source.schema.tables.values() {
        push_table(&mut tables, options, ("public", &table.name), true);
        for (position, column) in table.columns.iter().enumerate().filter(|(_, c)| !c.hidden) {
            let pg_type = reported_type(column);
            let default = column.default.as_deref().filter(|_| has_default(column) && !column.generated);
            push_column(
                &mut columns,
                options,
                &ColumnEntry {
                    schema: "public",
                    table: &table.name,
                    name: &column.name,
                    ordinal: i64::from(column.number),
                    default: default.map(|d| default_text(d, table.origin, pg_type)),
                    nullable: !is_not_null(table, position),
                    pg_type,
                    generated: column.generated,
                    updatable: !column.generated,
                },
            );
        }
    }
    let mut all = vec![tables, columns];
    all.extend(constraints(source));
    all.extend(privileges(source));
    all
}

/// What the owner may do with each table: everything.
fn privileges(source: &Source<'_>) -> [Rows; 2] {
    ["table_privileges", "role_table_grants"].map(|name| {
        let mut rows = Rows::new(named(name));
        for table in source.schema.tables.values() {
            for privilege in ["INSERT", "SELECT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"] {
                rows.push([
                    ("grantor", text(&source.options.owner)),
                    ("grantee", text(&source.options.owner)),
                    ("table_catalog", text(&source.options.database)),
                    ("table_schema", text("public")),
                    ("table_name", text(&table.name)),
                    ("privilege_type", text(privilege)),
                    ("is_grantable", yes_no(true)),
                    ("with_hierarchy", yes_no(privilege == "SELECT")),
                ]);
            }
        }
        rows
    })
}

fn push_table(rows: &mut Rows, options: &Options, (schema, name): (&str, &str), is_table: bool) {
    rows.push([
        ("table_catalog", text(&options.database)),
        ("table_schema", text(schema)),
        ("table_name", text(name)),
        ("table_type", text(if is_table { "BASE TABLE" } else { "VIEW" })),
        ("is_insertable_into", yes_no(is_table)),
        ("is_typed", yes_no(false)),
    ]);
}

/// What differs between the rows of `information_schema.columns`.
struct ColumnEntry<'a> {
    schema: &'a str,
    table: &'a str,
    name: &'a str,
    ordinal: i64,
    default: Option<String>,
    nullable: bool,
    pg_type: PgType,
    generated: bool,
    updatable: bool,
}

fn push_column(rows: &mut Rows, options: &Options, entry: &ColumnEntry<'_>) {
    let catalog = || text(&options.database);
    let facts = type_facts(entry.pg_type.oid);
    let size = TypeSize::of(entry.pg_type);
    rows.push([
        ("table_catalog", catalog()),
        ("table_schema", text(entry.schema)),
        ("table_name", text(entry.table)),
        ("column_name", text(entry.name)),
        ("ordinal_position", int(entry.ordinal)),
        ("column_default", maybe_text(entry.default.as_deref())),
        ("is_nullable", yes_no(entry.nullable)),
        ("data_type", text(if facts.is_array { "ARRAY".into() } else { format_type(entry.pg_type.oid, None) })),
        ("character_maximum_length", size.characters),
        ("character_octet_length", size.octets),
        ("numeric_precision", size.precision),
        ("numeric_precision_radix", size.radix),
        ("numeric_scale", size.scale),
        ("datetime_precision", size.datetime),
        ("udt_catalog", catalog()),
        ("udt_schema", text("pg_catalog")),
        ("udt_name", text(&facts.name)),
        ("dtd_identifier", text(entry.ordinal.to_string())),
        ("is_self_referencing", yes_no(false)),
        ("is_identity", yes_no(false)),
        ("identity_cycle", yes_no(false)),
        ("is_generated", text(if entry.generated { "ALWAYS" } else { "NEVER" })),
        ("is_updatable", yes_no(entry.updatable)),
    ]);
}

/// Length and precision of a type, NULL where the type has none.
struct TypeSize {
    characters: Value,
    octets: Value,
    precision: Value,
    radix: Value,
    scale: Value,
    datetime: Value,
}

impl TypeSize {
    /// Source: <https://www.postgresql.org/docs/15/infoschema-columns.html>
    fn of(pg_type: PgType) -> Self {
        let mut size = Self {
            characters: Value::Null,
            octets: Value::Null,
            precision: Value::Null,
            radix: Value::Null,
            scale: Value::Null,
            datetime: Value::Null,
        };
        let typmod = i64::from(pg_type.typmod);
        match pg_type.oid {
            oid::VARCHAR | oid::BPCHAR if typmod >= 4 => {
                size.characters = int(typmod - 4);
                size.octets = int((typmod - 4) * 4);
            }
            oid::TEXT | oid::VARCHAR => size.octets = int(1_073_741_824),
            oid::INT2 => size.number(16, 2, Some(0)),
            oid::INT4 => size.number(32, 2, Some(0)),
            oid::INT8 => size.number(64, 2, Some(0)),
            oid::FLOAT4 => size.number(24, 2, None),
            oid::FLOAT8 => size.number(53, 2, None),
            oid::NUMERIC if typmod >= 4 => size.number((typmod - 4) >> 16, 10, Some((typmod - 4) & 0x7ff)),
            oid::NUMERIC => size.radix = int(10),
            oid::DATE => size.datetime = int(0),
            oid::TIME | oid::TIMETZ | oid::TIMESTAMP | oid::TIMESTAMPTZ | oid::INTERVAL => {
                size.datetime = int(if typmod >= 0 { typmod & 0xffff } else { 6 });
            }
            _ => {}
        }
        size
    }

    fn number(&mut self, precision: i64, radix: i64, scale: Option<i64>) {
        self.precision = int(precision);
        self.radix = int(radix);
        self.scale = scale.map_or(Value::Null, Value::Integer);
    }
}

fn constraints(source: &Source<'_>) -> Vec<Rows> {
    let mut constraints = Rows::new(named("table_constraints"));
    let mut checks = Rows::new(named("check_constraints"));
    let mut keys = Rows::new(named("key_column_usage"));
    let mut columns = Rows::new(named("constraint_column_usage"));
    for table in source.schema.tables.values() {
        if let Some(name) = &table.primary_key_name {
            push_constraint(&mut constraints, source.options, table, (name, "PRIMARY KEY"));
            for (&position, ordinal) in table.primary_key.iter().zip(1_i64..) {
                let column = &table.columns[position].name;
                keys.push(usage(source.options, table, name, column));
                keys.amend("ordinal_position", int(ordinal));
                columns.push(usage(source.options, table, name, column));
            }
        }
        for (position, column) in table.columns.iter().enumerate().filter(|(_, c)| !c.hidden) {
            if !is_not_null(table, position) {
                continue;
            }
            let name = format!("{PUBLIC_NAMESPACE}_{}_{}_not_null", table.oid, column.number);
            push_constraint(&mut constraints, source.options, table, (&name, "CHECK"));
            checks.push([
                ("constraint_catalog", text(&source.options.database)),
                ("constraint_schema", text("public")),
                ("constraint_name", text(name)),
                ("check_clause", text(format!("{} IS NOT NULL", column.name))),
            ]);
        }
    }
    vec![constraints, checks, keys, columns]
}

fn push_constraint(rows: &mut Rows, options: &Options, table: &Table, (name, kind): (&str, &str)) {
    rows.push([
        ("constraint_catalog", text(&options.database)),
        ("constraint_schema", text("public")),
        ("constraint_name", text(name)),
        ("table_catalog", text(&options.database)),
        ("table_schema", text("public")),
        ("table_name", text(&table.name)),
        ("constraint_type", text(kind)),
        ("is_deferrable", yes_no(false)),
        ("initially_deferred", yes_no(false)),
        ("enforced", yes_no(true)),
    ]);
}

/// The columns that `key_column_usage` and `constraint_column_usage` share.
fn usage(options: &Options, table: &Table, constraint: &str, column: &str) -> [(&'static str, Value); 7] {
    [
        ("constraint_catalog", text(&options.database)),
        ("constraint_schema", text("public")),
        ("constraint_name", text(constraint)),
        ("table_catalog", text(&options.database)),
        ("table_schema", text("public")),
        ("table_name", text(&table.name)),
        ("column_name", text(column)),
    ]
}
