//! All rows of the catalog: those that never change, and those of a schema.
//!
//! Pure. Relations named by neither function are empty: this server has no such objects.

use std::sync::LazyLock;

use storage::Schema;

use super::oids::DerivedOids;
use super::rows::Rows;
use super::{
    facts, information_schema, pg_attribute, pg_class, pg_constraint, pg_index, pg_misc, pg_proc, pg_settings, views,
};

/// What the catalog says about the server itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The one database: `pg_database.datname`, `information_schema`'s catalog.
    pub database: String,
    /// The role with OID 10, which owns everything.
    pub owner: String,
}

impl Default for Options {
    fn default() -> Self {
        Self { database: "corrosion".into(), owner: "postgres".into() }
    }
}

/// OID of the role that owns everything.
pub(crate) const OWNER: u32 = 10;

/// A schema with what its rows need besides.
#[derive(Debug)]
pub(crate) struct Source<'a> {
    pub(crate) schema: &'a Schema,
    pub(crate) options: &'a Options,
    pub(crate) oids: DerivedOids,
}

/// Rows that do not depend on the schema.
pub fn static_rows(options: &Options) -> Vec<Rows> {
    static BUILTIN: LazyLock<Vec<Rows>> = LazyLock::new(|| {
        let mut all = facts::types();
        all.extend(facts::misc());
        all.extend(pg_proc::rows());
        all.push(pg_settings::rows());
        all.push(pg_class::system());
        all.push(pg_attribute::system());
        all.iter_mut().for_each(pg_misc::complete);
        all
    });
    let mut all = BUILTIN.clone();
    all.extend(pg_misc::server(options));
    all.extend(views::system(options));
    all.extend(information_schema::system(options));
    all
}

/// Rows of the user's tables, indexes and constraints, and of the users themselves.
pub fn schema_rows(schema: &Schema, options: &Options) -> Vec<Rows> {
    let source = Source { schema, options, oids: DerivedOids::of(schema) };
    let mut all = vec![pg_class::user(&source), pg_attribute::user(&source), pg_index::rows(&source)];
    all.extend(pg_constraint::rows(&source));
    all.extend(views::user(&source));
    all.extend(information_schema::user(&source));
    all.extend(pg_misc::roles(&source));
    all
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::catalog::fixture::schema;
    use crate::catalog::relation::{is_integer, is_real};
    use storage::Value;

    fn all() -> Vec<Rows> {
        let options = Options::default();
        static_rows(&options).into_iter().chain(schema_rows(&schema(), &options)).collect()
    }

    #[test]
    fn every_cell_is_in_the_storage_form_of_its_column() {
        for rows in all() {
            for row in &rows.rows {
                assert_eq!(row.len(), rows.relation.columns.len());
                for (cell, column) in row.iter().zip(&rows.relation.columns) {
                    let fits = match cell {
                        Value::Null => !column.not_null,
                        Value::Integer(_) => is_integer(column.type_oid),
                        Value::Real(_) => is_real(column.type_oid),
                        Value::Text(_) => !is_integer(column.type_oid) && !is_real(column.type_oid),
                        Value::Blob(_) => false,
                    };
                    assert!(fits, "{}.{} holds {cell:?}", rows.relation.name, column.name);
                }
            }
        }
    }

    #[test]
    fn oids_are_unique_within_a_relation() {
        let mut seen: BTreeMap<&str, std::collections::BTreeSet<i64>> = BTreeMap::new();
        for rows in all().iter().filter(|r| r.relation.has_oid()) {
            for row in &rows.rows {
                let Value::Integer(oid) = row[0] else { panic!("{}: {row:?}", rows.relation.name) };
                assert!(seen.entry(rows.relation.name).or_default().insert(oid), "{} {oid}", rows.relation.name);
            }
        }
    }

    /// One row as `column=value`, columns that are NULL, 0 or empty left out.
    fn shown(relation: &str, column: &str, value: &str) -> String {
        let text = |cell: &Value| match cell {
            Value::Null => String::new(),
            Value::Integer(i) => i.to_string(),
            Value::Real(r) => r.to_string(),
            Value::Text(t) => t.clone(),
            Value::Blob(b) => format!("{b:?}"),
        };
        let sets = all();
        let (rows, row) = sets
            .iter()
            .filter(|r| r.relation.name == relation)
            .flat_map(|r| r.rows.iter().map(move |row| (r, row)))
            .find(|(r, row)| r.relation.position(column).is_some_and(|i| text(&row[i]) == value))
            .expect("such a row");
        let cells = rows.relation.columns.iter().zip(row).map(|(c, v)| (c.name, text(v)));
        let cells = cells.filter(|(_, v)| !matches!(v.as_str(), "" | "0"));
        cells.map(|(name, v)| format!("{name}={v}")).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_tables_row_is_what_postgresql_15_has_but_for_oids() {
        assert_eq!(
            shown("pg_class", "relname", "todos"),
            "oid=20001 relname=todos relnamespace=2200 relowner=10 relam=2 relfilenode=20001 reltuples=-1 relhasindex=1 \
             relpersistence=p relkind=r relnatts=4 relispopulated=1 relreplident=d"
        );
    }

    #[test]
    fn a_columns_row_is_what_postgresql_15_has() {
        assert_eq!(
            shown("pg_attribute", "attname", "title"),
            "attrelid=20001 attname=title atttypid=25 attstattarget=-1 attlen=-1 attnum=2 attcacheoff=-1 atttypmod=-1 \
             attalign=i attstorage=x attnotnull=1 atthasdef=1 attislocal=1 attcollation=100"
        );
    }

    #[test]
    fn a_composite_key_with_its_index_is_what_postgresql_15_has_but_for_oids() {
        let index = shown("pg_index", "indkey", "1 2");
        assert!(
            index.ends_with(
                "indrelid=20002 indnatts=2 indnkeyatts=2 indisunique=1 indisprimary=1 indimmediate=1 indisvalid=1 \
                 indisready=1 indislive=1 indkey=1 2 indcollation=0 100 indclass=1978 3126 indoption=0 0"
            ),
            "{index}"
        );
        let secondary = shown("pg_index", "indexrelid", "20003");
        assert!(
            secondary.ends_with(
                "indkey=3 0 indcollation=0 100 indclass=3125 3126 indoption=3 0 indexprs=lower(b) indpred=a > 5"
            ),
            "{secondary}"
        );
        let constraint = shown("pg_constraint", "conname", "t2_pkey");
        assert!(constraint.ends_with("conislocal=1 connoinherit=1 conkey={1,2}"), "{constraint}");
    }

    #[test]
    fn information_schema_describes_numeric_with_its_precision() {
        assert_eq!(
            shown("columns", "column_default", "1.5"),
            "table_catalog=corrosion table_schema=public table_name=t2 column_name=c ordinal_position=3 \
             column_default=1.5 is_nullable=YES data_type=numeric numeric_precision=12 numeric_precision_radix=10 \
             numeric_scale=2 udt_catalog=corrosion udt_schema=pg_catalog udt_name=numeric dtd_identifier=3 \
             is_self_referencing=NO is_identity=NO identity_cycle=NO is_generated=NEVER is_updatable=YES"
        );
    }

    #[test]
    fn a_hidden_key_is_in_no_relation() {
        let mut schema = schema();
        let mut table = schema.tables["todos"].as_ref().clone();
        table.columns[0].hidden = true;
        table.columns[0].name = "hidden_key".into();
        table.primary_key_name = None;
        schema.tables.insert("todos".into(), std::sync::Arc::new(table));
        for rows in schema_rows(&schema, &Options::default()) {
            let shown =
                rows.rows.iter().any(|row| row.iter().any(|c| matches!(c, Value::Text(t) if t.contains("hidden_key"))));
            assert!(!shown, "{}", rows.relation.name);
        }
    }

    #[test]
    fn equal_schemas_have_equal_rows() {
        let rows = |schema| schema_rows(schema, &Options::default()).into_iter().map(|r| r.rows).collect::<Vec<_>>();
        assert_eq!(rows(&schema()), rows(&schema()));
    }
}
