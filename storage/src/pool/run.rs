//! Runs one statement on one connection to its end: bind, step, give rows away, count.
//!
//! The statement is always finished when this returns, so that no read transaction outlives it.

use rusqlite::types::ToSqlOutput;
use rusqlite::{Connection, ToSql};

use super::gate::Gate;
use crate::error::ExecuteError;
use crate::store::{Flow, Outcome, Row, SinkStop, Statement};
use crate::value::Value;

/// Statements each connection keeps prepared; the least recently used one is dropped.
pub(crate) const STATEMENTS_CACHED_MAX: usize = 256;

/// Receives rows; borrowed form of [`crate::store::RowSink`].
pub(crate) type OnRow<'a> = &'a mut dyn FnMut(&Row<'_>) -> Result<Flow, SinkStop>;

struct Param<'a>(&'a Value);

impl ToSql for Param<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        use rusqlite::types::ValueRef;
        Ok(ToSqlOutput::Borrowed(match self.0 {
            Value::Null => ValueRef::Null,
            Value::Integer(i) => ValueRef::Integer(*i),
            Value::Real(r) => ValueRef::Real(*r),
            Value::Text(t) => ValueRef::Text(t.as_bytes()),
            Value::Blob(b) => ValueRef::Blob(b),
        }))
    }
}

/// Runs `statement` under a gate that the caller has armed, and disarms it.
///
/// Values beyond the parameters of the text are ignored; a missing one is an error.
///
/// # Errors
/// What SQLite said, what the gate was stopped for, or [`ExecuteError::Sink`]. SQLite may have rolled back the whole open
/// transaction (interrupted write, IO error, full disk): the caller looks at `is_autocommit`.
pub(crate) fn run(
    conn: &Connection,
    gate: &Gate,
    statement: &Statement,
    on_row: OnRow<'_>,
) -> Result<Outcome, ExecuteError> {
    let result = step(conn, gate, statement, on_row);
    let stopped = gate.disarm();
    result.map_err(|error| match (&error, stopped) {
        (ExecuteError::Interrupted, Some(stop)) => stop.into(),
        _ => error,
    })
}

fn step(conn: &Connection, gate: &Gate, statement: &Statement, on_row: OnRow<'_>) -> Result<Outcome, ExecuteError> {
    let changes_before = conn.total_changes();
    let mut prepared = gate.prepare(conn, &statement.sql)?;
    let wanted = prepared.parameter_count();
    if statement.params.len() < wanted {
        let message = format!("statement has {wanted} parameters, {} values were bound", statement.params.len());
        return Err(ExecuteError::Sqlite { code: 1, extended_code: 1, message });
    }
    for (index, value) in statement.params.iter().take(wanted).enumerate() {
        prepared.raw_bind_parameter(index + 1, Param(value))?;
    }
    let columns = prepared.column_count();
    let mut rows = prepared.raw_query();
    let mut count = 0;
    while let Some(row) = rows.next()? {
        if columns == 0 {
            continue;
        }
        count += 1;
        match on_row(&Row::new(row, columns)) {
            Ok(Flow::Continue) => {}
            Ok(Flow::Stop) => break,
            Err(SinkStop) => return Err(ExecuteError::Sink),
        }
    }
    drop(rows);
    drop(prepared);
    // `changes` keeps the count of an earlier statement when this one changes nothing.
    let changes = if conn.total_changes() == changes_before { 0 } else { conn.changes() };
    Ok(Outcome { rows: count, changes })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::store::Limits;

    fn outcome(sql: &str, params: Vec<Value>) -> Result<Outcome, ExecuteError> {
        let mut conn = Connection::open_in_memory()?;
        conn.execute_batch("CREATE TABLE t (a); INSERT INTO t VALUES (1), (2), (3)")?;
        let gate = Gate::install(&mut conn, Box::new(|_| None))?;
        gate.arm(&Limits::default(), None)?;
        let statement = Statement { sql: Arc::from(sql), params, uses_catalog: false };
        run(&conn, &gate, &statement, &mut |_| Ok(Flow::Continue))
    }

    #[test]
    fn a_read_after_a_write_reports_no_changes() {
        assert_eq!(outcome("SELECT a FROM t", vec![]).expect("read"), Outcome { rows: 3, changes: 0 });
    }

    #[test]
    fn an_update_reports_its_changes() {
        assert_eq!(
            outcome("UPDATE t SET a = ?1 WHERE a > 1", vec![Value::Integer(7)]).expect("update"),
            Outcome { rows: 0, changes: 2 }
        );
    }

    #[test]
    fn returning_reports_rows_and_changes() {
        assert_eq!(
            outcome("DELETE FROM t WHERE a < 3 RETURNING a", vec![]).expect("delete"),
            Outcome { rows: 2, changes: 2 }
        );
    }

    #[test]
    fn a_missing_value_is_an_error_and_not_null() {
        assert!(matches!(outcome("SELECT ?2", vec![Value::Null]), Err(ExecuteError::Sqlite { code: 1, .. })));
    }

    #[test]
    fn a_constraint_keeps_sqlites_code() {
        let error = outcome("INSERT INTO t SELECT a FROM missing", vec![]).expect_err("no such table");
        assert!(matches!(error, ExecuteError::Sqlite { code: 1, .. }), "{error:?}");
    }
}
