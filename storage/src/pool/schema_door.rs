//! Where the writer meets the schema: loading it at open, changing it inside a transaction.

use rusqlite::Connection;

use crate::engine::Engine;
use crate::error::{DdlError, ExecuteError};
use crate::schema::ddl::{Ddl, DdlOutcome};
use crate::schema::model::Schema;

/// The schema of the file.
pub(crate) fn load(_conn: &Connection) -> Result<Schema, ExecuteError> {
    Ok(Schema::default())
}

/// Runs a schema change in the open version of `engine`.
pub(crate) fn execute_ddl(
    _engine: &mut Engine,
    _schema: &Schema,
    _ddl: &Ddl,
) -> Result<(DdlOutcome, Schema), DdlError> {
    Err(DdlError::Unsupported { message: "schema changes are not connected yet".to_owned(), hint: None })
}
