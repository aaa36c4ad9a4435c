//! What PostgreSQL, and the store under it, refuse in the columns and keys that a client declares.
//!
//! Pure. Messages are PostgreSQL's where it has one.

use super::ddl::{ColumnSpec, TableSpec};
use super::hidden_key::HIDDEN_KEY;
use crate::error::DdlError;
use crate::value::Value;

/// Most columns of a table, as in PostgreSQL.
pub(super) const TABLE_COLUMNS_MAX: usize = 1600;

/// Most columns of an index, as in PostgreSQL.
pub(super) const INDEX_COLUMNS_MAX: usize = 32;

pub(super) fn check_columns(table: &TableSpec) -> Result<(), DdlError> {
    if table.columns.len() > TABLE_COLUMNS_MAX {
        return Err(too_many_columns());
    }
    for (position, column) in table.columns.iter().enumerate() {
        check_column(column)?;
        let earlier = table.columns.get(..position).unwrap_or_default();
        if earlier.iter().any(|other| other.name == column.name) {
            return Err(DdlError::ColumnTwice(column.name.clone()));
        }
        if earlier.iter().any(|other| other.name.eq_ignore_ascii_case(&column.name)) {
            return Err(same_but_for_case(&column.name));
        }
    }
    Ok(())
}

pub(super) fn check_column(column: &ColumnSpec) -> Result<(), DdlError> {
    if column.name.eq_ignore_ascii_case(HIDDEN_KEY) {
        let message = format!("column name \"{}\" is reserved", column.name);
        return Err(unsupported(message, "Choose another name."));
    }
    let constant = column.default.as_ref().and_then(|default| default.constant.as_ref());
    if matches!(constant, Some(Value::Text(text)) if text.contains('\0')) {
        let message = format!("the default of column \"{}\" contains a null character", column.name);
        return Err(unsupported(message, "PostgreSQL's text has no null character either."));
    }
    Ok(())
}

/// Rows that exist must get a value for the new column, the same on every node.
pub(super) fn check_added_to_rows(table: &str, column: &ColumnSpec) -> Result<(), DdlError> {
    let value = column.default.as_ref().map(|default| default.constant.as_ref());
    match value {
        Some(None) => Err(unsupported(
            format!("cannot add column \"{}\" with a default that is not constant to a table with rows", column.name),
            "Every node has to show the same value for the rows that exist. Add the column with a constant default or none, then UPDATE the rows.",
        )),
        Some(Some(Value::Null)) | None if column.not_null => {
            Err(DdlError::ContainsNulls { table: table.to_owned(), column: column.name.clone() })
        }
        Some(Some(_)) | None => Ok(()),
    }
}

pub(super) fn check_key<'a>(
    table: &str,
    columns: impl Iterator<Item = &'a str>,
    key: &[String],
) -> Result<(), DdlError> {
    let columns: Vec<&str> = columns.collect();
    for (position, name) in key.iter().enumerate() {
        if !columns.contains(&name.as_str()) {
            return Err(DdlError::UndefinedKeyColumn(name.clone()));
        }
        if key.get(..position).unwrap_or_default().contains(name) {
            return Err(DdlError::KeyColumnTwice(name.clone()));
        }
    }
    if key.len() > INDEX_COLUMNS_MAX {
        let message = format!("cannot use more than {INDEX_COLUMNS_MAX} columns in the key of table \"{table}\"");
        return Err(DdlError::TooManyColumns(message));
    }
    Ok(())
}

pub(super) fn too_many_columns() -> DdlError {
    DdlError::TooManyColumns(format!("tables can have at most {TABLE_COLUMNS_MAX} columns"))
}

pub(super) fn same_but_for_case(column: &str) -> DdlError {
    unsupported(
        format!("column name \"{column}\" differs only in case from another one"),
        "SQLite, which stores the tables, does not tell such names apart. Choose another name.",
    )
}

pub(super) fn unsupported(message: String, hint: &str) -> DdlError {
    DdlError::Unsupported { message, hint: Some(hint.to_owned()) }
}
