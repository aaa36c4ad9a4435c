//! PostgreSQL's types: OIDs, and the way of a value between the wire and SQLite.
//!
//! Storage form, also the form of intermediate values inside emitted SQL: bool INTEGER 0/1; int2/4/8, oid INTEGER; float8
//! REAL, with NaN as TEXT `NaN` (which sorts above every number, as in PostgreSQL); numeric TEXT in PostgreSQL's output
//! form (scale kept), compared under collation `pg_numeric`; text, varchar, bpchar, name TEXT; bytea BLOB; uuid TEXT lower
//! case with hyphens; date, timestamp TEXT in ISO form that sorts; timestamptz the same in UTC with suffix `+00`;
//! json TEXT verbatim; jsonb TEXT in PostgreSQL's canonical form; arrays TEXT in PostgreSQL's output form.

pub mod oid;

/// How the cells of a result column are held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Representation {
    /// In the storage form of the column's type.
    Typed,
    /// A column of a schema file: any storage class may appear. A cell whose class differs from the reported type is sent
    /// in its own text form (in binary format too where the type is text; otherwise 22P02 names the cell).
    Dynamic,
}
