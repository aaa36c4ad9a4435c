//! The PostgreSQL type that a user's column is reported as.
//!
//! Pure. Columns declared over the wire have the type they were declared with. Columns of schema files have SQLite's types:
//! integers are reported as int8, reals as float8, text as text, blobs as bytea; booleans, dates and JSON by their names;
//! everything else, and a column without a type, as text.

use storage::schema::model::{Affinity, Column, PgType};

use crate::types::oid;

/// The type of a column in RowDescription, in `pg_attribute` and in expressions.
pub fn reported_type(column: &Column) -> PgType {
    column.pg_type.unwrap_or_else(|| PgType { oid: declared_oid(&column.declared_type, column.affinity), typmod: -1 })
}

fn declared_oid(declared: &str, affinity: Affinity) -> u32 {
    let name = declared.split('(').next().unwrap_or_default().trim().to_ascii_uppercase();
    match name.as_str() {
        "BOOLEAN" | "BOOL" => oid::BOOL,
        "DATE" => oid::DATE,
        "TIME" => oid::TIME,
        "TIMESTAMP" | "DATETIME" | "TIMESTAMP WITHOUT TIME ZONE" => oid::TIMESTAMP,
        "TIMESTAMPTZ" | "TIMESTAMP WITH TIME ZONE" => oid::TIMESTAMPTZ,
        "JSON" => oid::JSON,
        "JSONB" => oid::JSONB,
        "NUMERIC" | "DECIMAL" => oid::NUMERIC,
        "" | "ANY" => oid::TEXT,
        _ => match affinity {
            Affinity::Integer => oid::INT8,
            Affinity::Real => oid::FLOAT8,
            Affinity::Blob => oid::BYTEA,
            Affinity::Text | Affinity::Numeric => oid::TEXT,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declared_types_of_schema_files_are_reported_by_affinity_or_name() {
        for (declared, affinity, expected) in [
            ("INTEGER", Affinity::Integer, oid::INT8),
            ("BIGINT", Affinity::Integer, oid::INT8),
            ("VARCHAR(20)", Affinity::Text, oid::TEXT),
            ("REAL", Affinity::Real, oid::FLOAT8),
            ("BLOB", Affinity::Blob, oid::BYTEA),
            ("", Affinity::Blob, oid::TEXT),
            ("boolean", Affinity::Numeric, oid::BOOL),
            ("DateTime", Affinity::Numeric, oid::TIMESTAMP),
            ("json", Affinity::Numeric, oid::JSON),
            ("DECIMAL(10, 2)", Affinity::Numeric, oid::NUMERIC),
            ("SOMETHING", Affinity::Numeric, oid::TEXT),
        ] {
            assert_eq!(declared_oid(declared, affinity), expected, "{declared}");
        }
    }
}
