//! PostgreSQL's types: OIDs, and the way of a value between the wire and SQLite.
//!
//! Storage form, also the form of intermediate values inside emitted SQL: bool INTEGER 0/1; int2/4/8, oid INTEGER; float8
//! REAL, with NaN as TEXT `NaN` (which sorts above every number, as in PostgreSQL); numeric TEXT in PostgreSQL's output
//! form (scale kept), compared under collation `pg_numeric`; text, varchar, bpchar, name TEXT; bytea BLOB; uuid TEXT lower
//! case with hyphens; date, timestamp TEXT in ISO form that sorts; timestamptz the same in UTC with suffix `+00`;
//! json TEXT verbatim; jsonb TEXT in PostgreSQL's canonical form; arrays TEXT in PostgreSQL's output form.

pub mod array;
pub mod binary;
pub mod catalog;
pub mod datetime;
pub mod float;
pub mod json;
pub mod numeric;
pub mod object_name;
pub mod oid;
pub mod text;

use storage::{Value, ValueRef};

use crate::error::SqlError;
use crate::session::settings::Formats;

/// How a value is written in messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    #[default]
    Text,
    Binary,
}

/// Reads a parameter's or literal's bytes into the storage form of the type.
///
/// # Errors
/// As [`text::decode`] and [`binary::decode`].
pub fn decode(type_oid: u32, format: Format, bytes: &[u8], formats: &Formats) -> Result<Value, SqlError> {
    match format {
        Format::Text => text::decode(type_oid, utf8(bytes)?, formats),
        Format::Binary => binary::decode(type_oid, bytes),
    }
}

/// Appends a cell in text format. NULL writes nothing: the caller marks it.
pub fn encode_text(type_oid: u32, value: ValueRef<'_>, formats: &Formats, out: &mut Vec<u8>) {
    text::encode(type_oid, value, formats, out);
}

/// Appends a cell in binary format. NULL writes nothing: the caller marks it.
///
/// # Errors
/// 22P02 for a cell that is no value of the type, which only columns of schema files can hold.
pub fn encode_binary(type_oid: u32, value: ValueRef<'_>, out: &mut Vec<u8>) -> Result<(), SqlError> {
    binary::encode(type_oid, value, out)
}

/// What a text for a BLOB column of a schema file becomes: bytes when it is in hex format, else the text itself, so that
/// `'some-id'` is one key through every door.
///
/// # Errors
/// 22023 for malformed hex after `\x`.
pub fn bytea_or_text(text: &str) -> Result<Value, SqlError> {
    if text.starts_with("\\x") { text::bytea(text).map(Value::Blob) } else { Ok(Value::Text(text.to_owned())) }
}

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
