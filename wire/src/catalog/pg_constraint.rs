//! `pg_constraint` (primary keys), `pg_attrdef` (defaults), `pg_depend` (what belongs to what).
//!
//! Pure. `pg_attrdef.adbin` holds the default's text; `pg_get_expr` gives it back.

use storage::schema::model::Table;

use super::build::Source;
use super::column_type::reported_type;
use super::definition::default_text;
use super::oids::Derived;
use super::pg_attribute::has_default;
use super::relation::{PUBLIC_NAMESPACE, named};
use super::rows::{Rows, array, flag, int, text};

/// `tableoid` of the catalogs that `pg_depend` names.
const PG_CLASS: u32 = 1259;
const PG_ATTRDEF: u32 = 2604;
const PG_CONSTRAINT: u32 = 2606;
const PG_NAMESPACE: u32 = 2615;

/// The three relations.
pub(super) fn rows(source: &Source<'_>) -> [Rows; 3] {
    let mut constraints = Rows::new(named("pg_constraint"));
    let mut defaults = Rows::new(named("pg_attrdef"));
    let mut depends = Rows::new(named("pg_depend"));
    for table in source.schema.tables.values() {
        depend(&mut depends, (PG_CLASS, table.oid), (PG_NAMESPACE, PUBLIC_NAMESPACE, 0), "n");
        primary_key(source, table, &mut constraints, &mut depends);
        for column in table.columns.iter().filter(|c| !c.hidden && has_default(c)) {
            let oid = source.oids.oid(table.oid, Derived::Default(column.number));
            let default = column.default.as_deref().unwrap_or_default();
            defaults.push([
                ("oid", int(oid)),
                ("adrelid", int(table.oid)),
                ("adnum", int(column.number)),
                ("adbin", text(default_text(default, table.origin, reported_type(column)))),
            ]);
            depend(&mut depends, (PG_ATTRDEF, oid), (PG_CLASS, table.oid, column.number), "a");
        }
        for index in &table.indexes {
            for key in &index.columns {
                let number = table.columns.iter().find(|c| c.name == key.name).map_or(0, |c| c.number);
                depend(&mut depends, (PG_CLASS, index.oid), (PG_CLASS, table.oid, number), "a");
            }
        }
    }
    [constraints, defaults, depends]
}

fn primary_key(source: &Source<'_>, table: &Table, constraints: &mut Rows, depends: &mut Rows) {
    let Some(name) = &table.primary_key_name else { return };
    let constraint = source.oids.oid(table.oid, Derived::KeyConstraint);
    let index = source.oids.oid(table.oid, Derived::KeyIndex);
    let numbers: Vec<i16> = table.primary_key.iter().map(|&i| table.columns[i].number).collect();
    constraints.push([
        ("oid", int(constraint)),
        ("conname", text(name)),
        ("connamespace", int(PUBLIC_NAMESPACE)),
        ("contype", text("p")),
        ("convalidated", flag(true)),
        ("conrelid", int(table.oid)),
        ("conindid", int(index)),
        ("confupdtype", text(" ")),
        ("confdeltype", text(" ")),
        ("confmatchtype", text(" ")),
        ("conislocal", flag(true)),
        ("connoinherit", flag(true)),
        ("conkey", array(numbers.iter().map(|&n| i64::from(n)))),
    ]);
    for number in numbers {
        depend(depends, (PG_CONSTRAINT, constraint), (PG_CLASS, table.oid, number), "a");
    }
    depend(depends, (PG_CLASS, index), (PG_CONSTRAINT, constraint, 0), "i");
}

fn depend(rows: &mut Rows, object: (u32, u32), on: (u32, u32, i16), kind: &str) {
    rows.push([
        ("classid", int(object.0)),
        ("objid", int(object.1)),
        ("refclassid", int(on.0)),
        ("refobjid", int(on.1)),
        ("refobjsubid", int(on.2)),
        ("deptype", text(kind)),
    ]);
}
