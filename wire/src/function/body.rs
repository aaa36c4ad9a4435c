//! What bodies of SQL functions share: typed arguments, results, and registration.
//!
//! A body is a plain function from [`Arguments`] to a [`Value`] or a [`SqlError`]; the edge to SQLite is here only.
//! An argument whose storage class does not fit the declared type (possible for columns of schema files) is 22P02.

use std::borrow::Cow;

use storage::rusqlite::functions::{Context, FunctionFlags};
use storage::rusqlite::types::{ToSqlOutput, Value as SqliteValue, ValueRef as SqliteRef};
use storage::rusqlite::{self, Connection, ToSql};
use storage::{Value, ValueRef};

use crate::error::SqlError;
use crate::types::float;
use crate::types::numeric::Numeric;

pub(super) type Body = fn(&Arguments<'_>) -> Result<Value, SqlError>;

/// The arguments of one call.
pub(super) struct Arguments<'a>(Vec<ValueRef<'a>>);

impl<'a> Arguments<'a> {
    pub(super) fn new(values: Vec<ValueRef<'a>>) -> Self {
        Self(values)
    }

    pub(super) fn of(ctx: &'a Context<'_>) -> Result<Self, SqlError> {
        (0..ctx.len()).map(|at| borrowed(ctx.get_raw(at))).collect::<Result<_, _>>().map(Self)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn value(&self, at: usize) -> ValueRef<'a> {
        self.0.get(at).copied().unwrap_or(ValueRef::Null)
    }

    pub(super) fn is_null(&self, at: usize) -> bool {
        self.value(at) == ValueRef::Null
    }

    pub(super) fn int(&self, at: usize) -> Result<i64, SqlError> {
        match self.value(at) {
            ValueRef::Integer(value) => Ok(value),
            other @ (ValueRef::Null | ValueRef::Real(_) | ValueRef::Text(_) | ValueRef::Blob(_)) => {
                Err(mismatch("bigint", other))
            }
        }
    }

    /// An argument of a type with 32 bits.
    pub(super) fn int32(&self, at: usize) -> Result<i32, SqlError> {
        i32::try_from(self.int(at)?).map_err(|_| SqlError::new("22003", "integer out of range"))
    }

    pub(super) fn float(&self, at: usize) -> Result<f64, SqlError> {
        match self.value(at) {
            ValueRef::Integer(value) => Ok(value as f64),
            ValueRef::Real(value) => Ok(value),
            ValueRef::Text("NaN") => Ok(f64::NAN),
            other @ (ValueRef::Null | ValueRef::Text(_) | ValueRef::Blob(_)) => {
                Err(mismatch("double precision", other))
            }
        }
    }

    /// Text; other storage classes in their own text form.
    pub(super) fn text(&self, at: usize) -> Result<Cow<'a, str>, SqlError> {
        Ok(own_text(self.value(at)))
    }

    pub(super) fn blob(&self, at: usize) -> Result<&'a [u8], SqlError> {
        match self.value(at) {
            ValueRef::Blob(value) => Ok(value),
            ValueRef::Text(value) => Ok(value.as_bytes()),
            other @ (ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_)) => Err(mismatch("bytea", other)),
        }
    }

    pub(super) fn numeric(&self, at: usize) -> Result<Numeric, SqlError> {
        match self.value(at) {
            ValueRef::Integer(value) => Ok(Numeric::from(value)),
            ValueRef::Text(value) => Numeric::parse(value),
            ValueRef::Real(value) => Numeric::parse(&float::text8(value)),
            other @ (ValueRef::Null | ValueRef::Blob(_)) => Err(mismatch("numeric", other)),
        }
    }
}

/// A cell in its own text form, whatever its type says: what a client sees of a cell that does not fit its column's type.
pub(super) fn own_text(value: ValueRef<'_>) -> Cow<'_, str> {
    match value {
        ValueRef::Null => Cow::Borrowed(""),
        ValueRef::Integer(value) => Cow::Owned(value.to_string()),
        ValueRef::Real(value) => Cow::Owned(float::text8(value)),
        ValueRef::Text(value) => Cow::Borrowed(value),
        ValueRef::Blob(value) => Cow::Owned(crate::types::text::hex(value)),
    }
}

fn mismatch(type_name: &str, value: ValueRef<'_>) -> SqlError {
    SqlError::new("22P02", format!("invalid input syntax for type {type_name}: \"{}\"", own_text(value)))
}

pub(super) fn borrowed(value: SqliteRef<'_>) -> Result<ValueRef<'_>, SqlError> {
    Ok(match value {
        SqliteRef::Null => ValueRef::Null,
        SqliteRef::Integer(value) => ValueRef::Integer(value),
        SqliteRef::Real(value) => ValueRef::Real(value),
        SqliteRef::Text(bytes) => ValueRef::Text(
            std::str::from_utf8(bytes)
                .map_err(|_| SqlError::new("22021", "invalid byte sequence for encoding \"UTF8\""))?,
        ),
        SqliteRef::Blob(bytes) => ValueRef::Blob(bytes),
    })
}

/// A result on its way to SQLite.
pub(super) struct Out(pub(super) Value);

impl ToSql for Out {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match &self.0 {
            Value::Null => ToSqlOutput::Owned(SqliteValue::Null),
            Value::Integer(value) => ToSqlOutput::Owned(SqliteValue::Integer(*value)),
            Value::Real(value) => ToSqlOutput::Owned(SqliteValue::Real(*value)),
            Value::Text(value) => ToSqlOutput::Borrowed(SqliteRef::Text(value.as_bytes())),
            Value::Blob(value) => ToSqlOutput::Borrowed(SqliteRef::Blob(value)),
        })
    }
}

/// Carries an error through SQLite, which knows only a text.
pub(super) fn raise(error: &SqlError) -> rusqlite::Error {
    rusqlite::Error::UserFunctionError(crate::error::to_function_message(error).into())
}

/// The storage form of a float8: NaN is text.
pub(super) fn real(value: f64) -> Value {
    if value.is_nan() { Value::Text("NaN".into()) } else { Value::Real(value) }
}

pub(super) fn boolean(value: bool) -> Value {
    Value::Integer(i64::from(value))
}

pub(super) fn text(value: impl Into<String>) -> Value {
    Value::Text(value.into())
}

fn flags(deterministic: bool) -> FunctionFlags {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_INNOCUOUS;
    if deterministic { flags | FunctionFlags::SQLITE_DETERMINISTIC } else { flags }
}

/// Registers a strict, immutable function. `arity` -1: any number of arguments.
pub(super) fn strict(conn: &Connection, name: &str, arity: i32, body: Body) -> rusqlite::Result<()> {
    conn.create_scalar_function(name, arity, flags(true), move |ctx| {
        let arguments = Arguments::of(ctx).map_err(|error| raise(&error))?;
        if arguments.0.contains(&ValueRef::Null) {
            return Ok(Out(Value::Null));
        }
        body(&arguments).map(Out).map_err(|error| raise(&error))
    })
}

/// Registers an immutable function that sees NULL arguments.
pub(super) fn lenient(conn: &Connection, name: &str, arity: i32, body: Body) -> rusqlite::Result<()> {
    conn.create_scalar_function(name, arity, flags(true), move |ctx| {
        let arguments = Arguments::of(ctx).map_err(|error| raise(&error))?;
        body(&arguments).map(Out).map_err(|error| raise(&error))
    })
}

/// Registers a strict function whose result differs from call to call.
pub(super) fn volatile(conn: &Connection, name: &str, arity: i32, body: Body) -> rusqlite::Result<()> {
    conn.create_scalar_function(name, arity, flags(false), move |ctx| {
        let arguments = Arguments::of(ctx).map_err(|error| raise(&error))?;
        if arguments.0.contains(&ValueRef::Null) {
            return Ok(Out(Value::Null));
        }
        body(&arguments).map(Out).map_err(|error| raise(&error))
    })
}
