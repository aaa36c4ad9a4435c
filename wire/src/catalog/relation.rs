//! Which relations `pg_catalog` and `information_schema` have: names, OIDs, columns in PostgreSQL 15's order.
//!
//! Pure. The definitions are read once from `facts/relations.txt`; the binder resolves names against them and
//! [`super::load`] makes one SQLite table of each.

use std::sync::LazyLock;

use crate::types::oid;

/// `pg_class.relkind` of a system relation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelationKind {
    Table,
    /// A view in PostgreSQL. Here it is a table like the others, filled when the schema changes.
    View,
}

/// One column of a system relation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    pub name: &'static str,
    pub type_oid: u32,
    pub not_null: bool,
}

/// One relation of `pg_catalog` or `information_schema`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relation {
    pub schema: &'static str,
    pub name: &'static str,
    /// `pg_class.oid`, also the `tableoid` of its rows.
    pub oid: u32,
    pub kind: RelationKind,
    pub columns: Vec<Column>,
}

impl Relation {
    /// Position of a column, counted from 0.
    pub fn position(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|c| c.name == column)
    }

    /// Whether rows are identified by a first column `oid`.
    pub fn has_oid(&self) -> bool {
        self.kind == RelationKind::Table && self.columns.first().is_some_and(|c| c.name == "oid")
    }
}

/// The namespace OIDs of the two system schemas and of the user's.
pub(super) const PG_CATALOG_NAMESPACE: u32 = 11;
pub(super) const PUBLIC_NAMESPACE: u32 = 2200;
pub(super) const INFORMATION_SCHEMA_NAMESPACE: u32 = 13207;

/// In order of schema and name.
static RELATIONS: LazyLock<Vec<Relation>> = LazyLock::new(|| {
    let mut relations: Vec<Relation> = include_str!("facts/relations.txt").lines().filter_map(parse_line).collect();
    relations.sort_by_key(|r| (r.schema, r.name));
    relations
});

/// The relation of that exact name; `schema` is `pg_catalog` or `information_schema`.
pub fn relation(schema: &str, name: &str) -> Option<&'static Relation> {
    let found = RELATIONS.binary_search_by(|r| (r.schema, r.name).cmp(&(schema, name)));
    found.ok().and_then(|position| RELATIONS.get(position))
}

/// A relation of `pg_catalog` that this crate's own code names.
pub(crate) fn named(name: &'static str) -> &'static Relation {
    static NONE: LazyLock<Relation> = LazyLock::new(|| Relation {
        schema: "pg_catalog",
        name: "",
        oid: 0,
        kind: RelationKind::View,
        columns: Vec::new(),
    });
    let found = relation("pg_catalog", name).or_else(|| relation("information_schema", name));
    debug_assert!(found.is_some(), "there is no system relation {name}");
    found.unwrap_or_else(|| &NONE)
}

/// All relations, by schema and name.
pub fn relations() -> impl Iterator<Item = &'static Relation> {
    RELATIONS.iter()
}

/// Whether cells of the type are INTEGER in storage form.
pub(crate) fn is_integer(type_oid: u32) -> bool {
    matches!(
        type_oid,
        oid::BOOL
            | oid::INT2
            | oid::INT4
            | oid::INT8
            | oid::OID
            | oid::XID
            | oid::REGPROC
            | oid::REGCLASS
            | oid::REGTYPE
    )
}

/// Whether cells of the type are REAL in storage form.
pub(crate) fn is_real(type_oid: u32) -> bool {
    matches!(type_oid, oid::FLOAT4 | oid::FLOAT8)
}

/// A comment or an empty line gives None; so would a malformed line, which `every_line_of_the_relations_is_read` excludes.
fn parse_line(line: &'static str) -> Option<Relation> {
    if line.starts_with('#') {
        return None;
    }
    let mut words = line.split(' ');
    let (schema, name) = (words.next()?, words.next()?);
    let oid = words.next()?.parse().ok()?;
    let kind = match words.next()? {
        "r" => RelationKind::Table,
        "v" => RelationKind::View,
        _ => return None,
    };
    let columns = words.map(parse_column).collect::<Option<Vec<_>>>()?;
    Some(Relation { schema, name, oid, kind, columns })
}

fn parse_column(word: &'static str) -> Option<Column> {
    let (name, rest) = word.split_once(':')?;
    let (type_oid, not_null) = rest.strip_suffix('!').map_or((rest, false), |oid| (oid, true));
    Some(Column { name, type_oid: type_oid.parse().ok()?, not_null })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_relations_is_read() {
        let lines = include_str!("facts/relations.txt").lines().filter(|l| !l.starts_with('#')).count();
        assert_eq!(RELATIONS.len(), lines);
        assert!(lines > 200, "{lines}");
    }

    #[test]
    fn pg_class_has_postgresql_15s_columns_in_order() {
        let names: Vec<_> =
            relation("pg_catalog", "pg_class").map(|r| r.columns.iter().map(|c| c.name).collect()).unwrap_or_default();
        assert_eq!(names.len(), 33);
        assert_eq!(names[..5], ["oid", "relname", "relnamespace", "reltype", "reloftype"]);
        assert_eq!(names[32], "relpartbound");
    }

    #[test]
    fn relation_oids_are_unique() {
        let oids: std::collections::BTreeSet<_> = relations().map(|r| r.oid).collect();
        assert_eq!(oids.len(), RELATIONS.len());
    }
}
