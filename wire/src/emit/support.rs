//! SQL functions that emitted statements need beyond PostgreSQL's own: checks that raise PostgreSQL's errors.
//!
//! | function | does |
//! |---|---|
//! | `pg_raise(sqlstate, message)` | raises |
//! | `pg_raise_not_null(table, column, types, values..)` | raises 23502 with the failing row |
//! | `pg_raise_twice()` | raises 21000 for a row that ON CONFLICT DO UPDATE would meet twice |
//! | `pg_limit(n)`, `pg_offset(n)` | NULL is no limit and no offset; a negative one is 2201W or 2201X |
//! | `pg_only_row(value)` | aggregate: the only row's value; 21000 at the second row |

use storage::Value;
use storage::rusqlite::functions::{Aggregate, Context, FunctionFlags};
use storage::rusqlite::types::{ToSqlOutput, Value as SqliteValue, ValueRef as SqliteRef};
use storage::rusqlite::{self, Connection};

use crate::error::{SqlError, to_function_message};
use crate::session::settings::Formats;
use crate::types::text;

/// Cells of a failing row that its error shows: SQLite takes 127 arguments in a call, and three are taken.
pub(super) const ROW_CELLS_MAX: usize = 120;

/// Registers the functions.
///
/// # Errors
/// SQLite's, if the connection refuses a registration.
pub(crate) fn register(conn: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
    conn.create_scalar_function("pg_raise", 2, FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_INNOCUOUS, |ctx| {
        let (sqlstate, message) = (ctx.get::<String>(0)?, ctx.get::<String>(1)?);
        Err::<SqliteValue, _>(raise(&SqlError { sqlstate: sqlstate.into(), ..SqlError::new("XX000", message) }))
    })?;
    conn.create_scalar_function(
        "pg_raise_twice",
        0,
        FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_INNOCUOUS,
        |_| {
            let error = SqlError::new("21000", "ON CONFLICT DO UPDATE command cannot affect row a second time").hint(
                "Ensure that no rows proposed for insertion within the same command have duplicate constrained values.",
            );
            Err::<SqliteValue, _>(raise(&error))
        },
    )?;
    conn.create_scalar_function(
        "pg_raise_not_null",
        -1,
        FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_INNOCUOUS,
        |ctx| Err::<SqliteValue, _>(raise(&not_null(ctx)?)),
    )?;
    conn.create_scalar_function("pg_limit", 1, flags, |ctx| match ctx.get::<Option<i64>>(0)? {
        None => Ok(-1),
        Some(count) if count < 0 => Err(raise(&SqlError::new("2201W", "LIMIT must not be negative"))),
        Some(count) => Ok(count),
    })?;
    conn.create_scalar_function("pg_offset", 1, flags, |ctx| match ctx.get::<Option<i64>>(0)? {
        None => Ok(0),
        Some(count) if count < 0 => Err(raise(&SqlError::new("2201X", "OFFSET must not be negative"))),
        Some(count) => Ok(count),
    })?;
    conn.create_aggregate_function("pg_only_row", 1, flags, OnlyRow)
}

fn raise(error: &SqlError) -> rusqlite::Error {
    rusqlite::Error::UserFunctionError(to_function_message(error).into())
}

/// The text of an error as SQLite reports it.
pub(crate) fn message(error: &rusqlite::Error) -> String {
    if let rusqlite::Error::SqliteFailure(_, Some(message)) = error { message.clone() } else { error.to_string() }
}

fn not_null(ctx: &Context<'_>) -> rusqlite::Result<SqlError> {
    let (table, column, types) = (ctx.get::<String>(0)?, ctx.get::<String>(1)?, ctx.get::<String>(2)?);
    let formats = Formats::default();
    let mut cells = Vec::new();
    for (index, type_oid) in types.split(',').enumerate().take(ROW_CELLS_MAX) {
        let at = index + 3;
        if at >= ctx.len() {
            break;
        }
        let value = value(ctx.get_raw(at));
        let mut shown = Vec::new();
        if value == Value::Null {
            shown.extend_from_slice(b"null");
        } else {
            text::encode(type_oid.parse().unwrap_or(0), value.as_ref(), &formats, &mut shown);
        }
        cells.push(String::from_utf8_lossy(&shown).into_owned());
    }
    let mut error = SqlError::new(
        "23502",
        format!("null value in column \"{column}\" of relation \"{table}\" violates not-null constraint"),
    );
    error.table = Some(table);
    error.column = Some(column);
    Ok(error.detail(format!("Failing row contains ({}).", cells.join(", "))))
}

/// Copies a value out of SQLite.
pub(crate) fn value(value: SqliteRef<'_>) -> Value {
    match value {
        SqliteRef::Null => Value::Null,
        SqliteRef::Integer(value) => Value::Integer(value),
        SqliteRef::Real(value) => Value::Real(value),
        SqliteRef::Text(bytes) => Value::Text(String::from_utf8_lossy(bytes).into_owned()),
        SqliteRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
    }
}

/// Lends a value to SQLite.
pub(crate) fn bound(value: &Value) -> ToSqlOutput<'_> {
    match value {
        Value::Null => ToSqlOutput::Owned(SqliteValue::Null),
        Value::Integer(value) => ToSqlOutput::Owned(SqliteValue::Integer(*value)),
        Value::Real(value) => ToSqlOutput::Owned(SqliteValue::Real(*value)),
        Value::Text(value) => ToSqlOutput::Borrowed(SqliteRef::Text(value.as_bytes())),
        Value::Blob(value) => ToSqlOutput::Borrowed(SqliteRef::Blob(value)),
    }
}

/// A subquery used as a value must not give two rows.
struct OnlyRow;

impl Aggregate<Option<SqliteValue>, SqliteValue> for OnlyRow {
    fn init(&self, _ctx: &mut Context<'_>) -> rusqlite::Result<Option<SqliteValue>> {
        Ok(None)
    }

    fn step(&self, ctx: &mut Context<'_>, seen: &mut Option<SqliteValue>) -> rusqlite::Result<()> {
        if seen.is_some() {
            return Err(raise(&SqlError::new(
                "21000",
                "more than one row returned by a subquery used as an expression",
            )));
        }
        *seen = Some(ctx.get::<SqliteValue>(0)?);
        Ok(())
    }

    fn finalize(&self, _ctx: &mut Context<'_>, seen: Option<Option<SqliteValue>>) -> rusqlite::Result<SqliteValue> {
        Ok(seen.flatten().unwrap_or(SqliteValue::Null))
    }
}
