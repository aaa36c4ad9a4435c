//! PostgreSQL's types: OIDs, and the way of a value between the wire and SQLite.
//!
//! Storage form, also the form of intermediate values inside emitted SQL: bool INTEGER 0/1; int2/4/8, oid INTEGER; float8
//! REAL, with NaN as TEXT `NaN` (which sorts above every number, as in PostgreSQL); numeric TEXT in PostgreSQL's output
//! form (scale kept), compared under collation `pg_numeric`; text, varchar, bpchar, name TEXT; bytea BLOB; uuid TEXT lower
//! case with hyphens; date, timestamp TEXT in ISO form that sorts; timestamptz the same in UTC with suffix `+00`;
//! json TEXT verbatim; jsonb TEXT in PostgreSQL's canonical form; arrays TEXT in PostgreSQL's output form.

pub mod catalog;
pub mod float;
pub mod numeric;
pub mod object_name;
pub mod oid;
pub mod text;

use crate::error::SqlError;

/// Checks bytes that are to be text.
///
/// # Errors
/// 22021 names the first bytes that are no UTF-8, or a zero byte, as PostgreSQL does.
pub fn utf8(bytes: &[u8]) -> Result<&str, SqlError> {
    let invalid = |at: usize, length: usize| {
        let shown: Vec<String> = bytes[at..].iter().take(length).map(|byte| format!("0x{byte:02x}")).collect();
        SqlError::new("22021", format!("invalid byte sequence for encoding \"UTF8\": {}", shown.join(" ")))
    };
    match std::str::from_utf8(bytes) {
        Ok(text) => text.find('\0').map_or(Ok(text), |at| Err(invalid(at, 1))),
        Err(error) => {
            let at = error.valid_up_to();
            // PostgreSQL shows as many bytes as the first one announces.
            let announced = match bytes[at] {
                0xF0..=0xF7 => 4,
                0xE0..=0xEF => 3,
                0xC0..=0xDF => 2,
                _ => 1,
            };
            Err(invalid(at, announced))
        }
    }
}

/// How the cells of a result column are held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Representation {
    /// In the storage form of the column's type.
    Typed,
    /// A column of a schema file: any storage class may appear. A cell whose class differs from the reported type is sent
    /// in its own text form (in binary format too where the type is text; otherwise 22P02 names the cell).
    Dynamic,
}
