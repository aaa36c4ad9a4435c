//! From what storage says to what the client is told: the one place that maps to SQLSTATE, severity and PostgreSQL's wording.
//!
//! Pure.

use storage::error::{DdlError, ExecuteError, LeaseLoss};
use storage::rusqlite::ffi;
use storage::schema::model::{Schema, Table};

use super::{SqlError, sqlstate};

/// Maps a failed statement. `schema` is what the statement was planned for; it turns SQLite's column lists into constraint names.
pub fn from_execute(error: &ExecuteError, schema: &Schema) -> SqlError {
    match error {
        ExecuteError::Sqlite { code, extended_code, message } => from_sqlite(*code, *extended_code, message, schema),
        ExecuteError::Interrupted => SqlError::new(sqlstate::QUERY_CANCELED, "canceling statement due to user request"),
        ExecuteError::DeadlineExceeded => {
            SqlError::new(sqlstate::QUERY_CANCELED, "canceling statement due to statement timeout")
        }
        ExecuteError::LeaseLost(loss) => from_lease_loss(*loss),
        ExecuteError::SnapshotTooOld => SqlError::new(sqlstate::SNAPSHOT_TOO_OLD, "snapshot too old").hint(
            "The transaction or result was kept open for so long that the write-ahead log could not be reused. \
             Read in shorter transactions, or raise perf.wal_threshold_mb.",
        ),
        ExecuteError::SnapshotStale => {
            SqlError::new(sqlstate::SERIALIZATION_FAILURE, "could not serialize access due to concurrent update")
                .hint("The transaction might succeed if retried.")
        }
        ExecuteError::WriterFailed { message } => {
            SqlError::new(sqlstate::IO_ERROR, "writes have stopped after an input/output error; reads go on")
                .detail(message.clone())
                .hint("Repair the storage and restart the node.")
        }
        ExecuteError::DiskFull { message } => {
            SqlError::new(sqlstate::DISK_FULL, "the disk is full; nothing was written, reads go on")
                .detail(message.clone())
                .hint("Free disk space and restart the node.")
        }
        // The session plans it again; a client sees this if the schema changes each time.
        ExecuteError::StalePlan => SqlError::new(sqlstate::INTERNAL_ERROR, "the plan is for another schema"),
        ExecuteError::QueueFull => SqlError::new(sqlstate::TOO_MANY_CONNECTIONS, "too many statements are waiting")
            .hint("Retry later, or use fewer clients at once."),
        ExecuteError::Closed => {
            SqlError::new(sqlstate::ADMIN_SHUTDOWN, "terminating connection due to administrator command")
        }
        // Both are dealt with where they arise; seeing one here is a mistake of ours, which the client may know.
        ExecuteError::BudgetExceeded | ExecuteError::Sink => internal(&error.to_string()),
    }
}

/// Maps a refused schema change.
pub fn from_ddl(error: &DdlError, schema: &Schema) -> SqlError {
    let text = error.to_string();
    let with_table = |code, table: &str| {
        let mut mapped = SqlError::new(code, text.clone());
        mapped.table = Some(table.to_owned());
        mapped
    };
    match error {
        DdlError::DuplicateRelation(_) => SqlError::new(sqlstate::DUPLICATE_TABLE, text),
        DdlError::UndefinedTable(_) | DdlError::UndefinedRelation(_) => SqlError::new(sqlstate::UNDEFINED_TABLE, text),
        DdlError::UndefinedIndex(_) => SqlError::new(sqlstate::UNDEFINED_OBJECT, text),
        DdlError::UndefinedColumn { .. } | DdlError::UndefinedKeyColumn(_) | DdlError::UndefinedIndexColumn(_) => {
            SqlError::new(sqlstate::UNDEFINED_COLUMN, text)
        }
        DdlError::DuplicateColumn { .. } | DdlError::ColumnTwice(_) | DdlError::KeyColumnTwice(_) => {
            SqlError::new(sqlstate::DUPLICATE_COLUMN, text)
        }
        DdlError::ContainsNulls { table, column } => {
            let mut mapped = with_table(sqlstate::NOT_NULL_VIOLATION, table);
            mapped.column = Some(column.clone());
            mapped
        }
        DdlError::WrongObjectType { hint, .. } => SqlError::new(sqlstate::WRONG_OBJECT_TYPE, text).hint(hint.clone()),
        DdlError::Required { hint, .. } => {
            SqlError::new(sqlstate::DEPENDENT_OBJECTS_STILL_EXIST, text).hint(hint.clone())
        }
        DdlError::TooManyColumns(_) => SqlError::new(sqlstate::TOO_MANY_COLUMNS, text),
        DdlError::Catalog(_) => SqlError::new(sqlstate::DATA_CORRUPTED, text),
        // PostgreSQL finds these without looking at rows, and names no table.
        DdlError::MultiplePrimaryKeys(_) | DdlError::InPrimaryKey(_) => {
            SqlError::new(sqlstate::INVALID_TABLE_DEFINITION, text)
        }
        DdlError::Unsupported { hint, .. } => {
            let mapped = SqlError::unsupported(text);
            match hint {
                Some(hint) => mapped.hint(hint.clone()),
                None => mapped,
            }
        }
        DdlError::Execute(cause) => from_execute(cause, schema),
    }
}

fn from_lease_loss(loss: LeaseLoss) -> SqlError {
    const FOR_OTHERS: &str = "transaction was rolled back to let others write";
    let (message, detail) = match loss {
        LeaseLoss::Idle => (FOR_OTHERS, "The transaction was idle after a write while others waited to write."),
        LeaseLoss::Held => (FOR_OTHERS, "The transaction held the writer for too long while others waited to write."),
        LeaseLoss::Undone => (
            "transaction was rolled back with its last statement",
            "A write that is cancelled, or that runs out of space, undoes the whole transaction.",
        ),
    };
    SqlError::new(sqlstate::SERIALIZATION_FAILURE, message)
        .detail(detail)
        .hint("Run the transaction again; keep transactions that write short.")
}

fn from_sqlite(code: i32, extended_code: i32, message: &str, schema: &Schema) -> SqlError {
    if let Some(own) = super::from_function_message(message) {
        return own;
    }
    match extended_code {
        ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY | ffi::SQLITE_CONSTRAINT_ROWID => {
            return unique_violation(message, schema);
        }
        ffi::SQLITE_CONSTRAINT_NOTNULL => return not_null_violation(message),
        ffi::SQLITE_CONSTRAINT_CHECK => return check_violation(message),
        ffi::SQLITE_CONSTRAINT_FOREIGNKEY => {
            return SqlError::new(sqlstate::FOREIGN_KEY_VIOLATION, "a foreign key constraint is violated");
        }
        ffi::SQLITE_CONSTRAINT_DATATYPE => return SqlError::new(sqlstate::DATATYPE_MISMATCH, message),
        _ => {}
    }
    match code {
        ffi::SQLITE_NOMEM => SqlError::new(sqlstate::OUT_OF_MEMORY, "out of memory"),
        ffi::SQLITE_FULL => SqlError::new(sqlstate::DISK_FULL, "the disk is full"),
        ffi::SQLITE_IOERR | ffi::SQLITE_CANTOPEN => SqlError::new(sqlstate::IO_ERROR, message),
        ffi::SQLITE_CORRUPT | ffi::SQLITE_NOTADB => SqlError::new(sqlstate::DATA_CORRUPTED, message),
        ffi::SQLITE_TOOBIG => SqlError::new(sqlstate::PROGRAM_LIMIT_EXCEEDED, message),
        ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED => SqlError::new(sqlstate::LOCK_NOT_AVAILABLE, message),
        ffi::SQLITE_READONLY => SqlError::new(sqlstate::READ_ONLY_TRANSACTION, message),
        ffi::SQLITE_AUTH => SqlError::new(sqlstate::INSUFFICIENT_PRIVILEGE, message),
        ffi::SQLITE_MISMATCH => SqlError::new(sqlstate::DATATYPE_MISMATCH, message),
        ffi::SQLITE_INTERRUPT => SqlError::new(sqlstate::QUERY_CANCELED, "canceling statement due to user request"),
        _ if message.starts_with("frame ") && message.ends_with(" must be a non-negative integer") => {
            let which = message.trim_end_matches(" must be a non-negative integer");
            SqlError::new("22013", format!("{which} must not be negative"))
        }
        _ if message.starts_with("frame ") && message.ends_with(" must be a non-negative number") => {
            SqlError::new("22013", "invalid preceding or following size in window function")
        }
        _ if message.starts_with("argument of ntile") => {
            SqlError::new("22014", "argument of ntile must be greater than zero")
        }
        _ if message.starts_with("second argument to nth_value") => {
            SqlError::new("22016", "argument of nth_value must be greater than zero")
        }
        _ if message.ends_with("integer overflow") => {
            SqlError::new(sqlstate::NUMERIC_OUT_OF_RANGE, "bigint out of range")
        }
        _ => internal(message),
    }
}

/// SQLite says `UNIQUE constraint failed: t.a, t.b`, or for an index on expressions `.. failed: index 'name'`.
fn unique_violation(message: &str, schema: &Schema) -> SqlError {
    let failed = after_colon(message);
    if let Some(index) = failed.strip_prefix("index '").and_then(|rest| rest.strip_suffix('\'')) {
        let mut error = duplicate_key(index);
        error.constraint = Some(index.to_owned());
        return error;
    }
    let columns: Vec<(&str, &str)> = failed.split(", ").filter_map(|pair| pair.split_once('.')).collect();
    let Some((table_name, _)) = columns.first() else {
        return SqlError::new(sqlstate::UNIQUE_VIOLATION, message);
    };
    let names: Vec<&str> = columns.iter().map(|(_, column)| *column).collect();
    let constraint = schema
        .table(table_name)
        .and_then(|table| constraint_name(table, &names))
        .unwrap_or_else(|| format!("{table_name}_pkey"));
    let mut error = duplicate_key(&constraint);
    error.table = Some((*table_name).to_owned());
    error.constraint = Some(constraint);
    error
}

fn duplicate_key(constraint: &str) -> SqlError {
    SqlError::new(
        sqlstate::UNIQUE_VIOLATION,
        format!("duplicate key value violates unique constraint \"{constraint}\""),
    )
}

fn constraint_name(table: &Table, columns: &[&str]) -> Option<String> {
    let key: Vec<&str> =
        table.primary_key.iter().filter_map(|i| table.columns.get(*i)).map(|c| c.name.as_str()).collect();
    if key == columns {
        return table.primary_key_name.clone();
    }
    let same = |index: &&storage::schema::model::Index| {
        index.columns.iter().map(|c| c.name.as_str()).eq(columns.iter().copied())
    };
    table.indexes.iter().find(same).map(|index| index.name.clone())
}

/// SQLite says `NOT NULL constraint failed: t.c`.
fn not_null_violation(message: &str) -> SqlError {
    let Some((table, column)) = after_colon(message).split_once('.') else {
        return SqlError::new(sqlstate::NOT_NULL_VIOLATION, message);
    };
    let text = format!("null value in column \"{column}\" of relation \"{table}\" violates not-null constraint");
    let mut error = SqlError::new(sqlstate::NOT_NULL_VIOLATION, text);
    error.table = Some(table.to_owned());
    error.column = Some(column.to_owned());
    error
}

/// SQLite says `CHECK constraint failed: name`, or the condition's text if it has no name.
fn check_violation(message: &str) -> SqlError {
    let constraint = after_colon(message);
    let mut error =
        SqlError::new(sqlstate::CHECK_VIOLATION, format!("new row violates check constraint \"{constraint}\""));
    error.constraint = Some(constraint.to_owned());
    error
}

fn after_colon(message: &str) -> &str {
    message.split_once("failed: ").map_or("", |(_, rest)| rest)
}

fn internal(message: &str) -> SqlError {
    SqlError::new(sqlstate::INTERNAL_ERROR, message)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use storage::schema::model::{Affinity, Column, Index, IndexColumn, Origin};

    use super::*;

    fn column(name: &str) -> Column {
        Column {
            name: name.into(),
            number: 1,
            declared_type: "TEXT".into(),
            affinity: Affinity::Text,
            pg_type: None,
            not_null: false,
            default: None,
            generated: false,
            hidden: false,
        }
    }

    fn schema() -> Schema {
        let index = Index {
            name: "t_b_idx".into(),
            oid: 16_385,
            origin: Origin::Wire,
            columns: vec![IndexColumn { name: "b".into(), is_expression: false, descending: false }],
            sql: String::new(),
            predicate: None,
        };
        let table = Table {
            name: "t".into(),
            oid: 16_384,
            origin: Origin::Wire,
            columns: vec![column("a"), column("b")],
            primary_key: vec![0],
            primary_key_name: Some("t_key".into()),
            without_rowid: false,
            indexes: vec![index],
        };
        Schema { version: 1, tables: [("t".to_owned(), Arc::new(table))].into(), ..Schema::default() }
    }

    fn sqlite(extended_code: i32, message: &str) -> SqlError {
        let error = ExecuteError::Sqlite { code: extended_code & 0xff, extended_code, message: message.into() };
        from_execute(&error, &schema())
    }

    #[test]
    fn a_duplicate_key_names_the_constraint() {
        let error = sqlite(ffi::SQLITE_CONSTRAINT_PRIMARYKEY, "UNIQUE constraint failed: t.a");
        assert_eq!(error.sqlstate, "23505");
        assert_eq!(error.message, "duplicate key value violates unique constraint \"t_key\"");
        assert_eq!((error.table.as_deref(), error.constraint.as_deref()), (Some("t"), Some("t_key")));
        let error = sqlite(ffi::SQLITE_CONSTRAINT_UNIQUE, "UNIQUE constraint failed: t.b");
        assert_eq!(error.constraint.as_deref(), Some("t_b_idx"));
        let error = sqlite(ffi::SQLITE_CONSTRAINT_UNIQUE, "UNIQUE constraint failed: index 'u'");
        assert_eq!(error.constraint.as_deref(), Some("u"));
    }

    #[test]
    fn missing_values_name_table_and_column() {
        let error = sqlite(ffi::SQLITE_CONSTRAINT_NOTNULL, "NOT NULL constraint failed: t.b");
        assert_eq!(error.message, "null value in column \"b\" of relation \"t\" violates not-null constraint");
        assert_eq!((error.table.as_deref(), error.column.as_deref()), (Some("t"), Some("b")));
    }

    #[test]
    fn conditions_of_the_machine_have_their_codes() {
        for (code, expected) in [
            (ffi::SQLITE_FULL, "53100"),
            (ffi::SQLITE_IOERR, "58030"),
            (ffi::SQLITE_CORRUPT, "XX001"),
            (ffi::SQLITE_NOMEM, "53200"),
            (ffi::SQLITE_ERROR, "XX000"),
        ] {
            assert_eq!(sqlite(code, "x").sqlstate, expected);
        }
        assert_eq!(sqlite(ffi::SQLITE_CONSTRAINT_CHECK, "CHECK constraint failed: c").sqlstate, "23514");
        assert_eq!(sqlite(ffi::SQLITE_ERROR, "integer overflow").sqlstate, "22003");
    }

    #[test]
    fn a_lost_lease_is_a_serialization_failure_with_a_hint() {
        let error = from_execute(&ExecuteError::LeaseLost(LeaseLoss::Idle), &schema());
        assert_eq!(error.sqlstate, "40001");
        assert!(error.hint.is_some());
        assert_eq!(from_execute(&ExecuteError::SnapshotStale, &schema()).sqlstate, "40001");
        assert_eq!(from_execute(&ExecuteError::SnapshotTooOld, &schema()).sqlstate, "72000");
    }

    #[test]
    fn schema_changes_fail_with_postgresqls_codes() {
        let code = |error| from_ddl(&error, &schema()).sqlstate.into_owned();
        assert_eq!(code(DdlError::DuplicateRelation("t".into())), "42P07");
        assert_eq!(code(DdlError::UndefinedTable("t".into())), "42P01");
        assert_eq!(code(DdlError::UndefinedIndex("t".into())), "42704");
        assert_eq!(code(DdlError::MultiplePrimaryKeys("t".into())), "42P16");
        assert_eq!(code(DdlError::Unsupported { message: "m".into(), hint: None }), "0A000");
        assert_eq!(code(DdlError::Execute(ExecuteError::Closed)), "57P01");
    }
}
