//! The `crsql_*` functions, registered on every connection.

use std::rc::Rc;

use super::changes::ChangesTable;
use super::clocks::ClocksTable;
use super::replica::{Replica, newest_version};
use super::table;
use super::unpack::UnpackTable;
use crate::apply::execute;
use crate::apply::incoming::IncomingTable;
use crate::capture::buffer::{Captured, Operation};
use crate::capture::trigger;
use crate::capture::vtab::{StagedTable, TransactionTable};
use crate::record::log::Key;
use crate::sqlite::db::Result;
use crate::sqlite::ffi::{DETERMINISTIC, INNOCUOUS};
use crate::sqlite::function::create_function;
use crate::sqlite::vtab::create_module;
use crate::sqlite::{Arg, Cell, Context, SqliteError};
use crate::value::pack;

/// Registers functions and virtual tables.
pub fn register(replica: &Rc<Replica>) -> Result<()> {
    let db = replica.db;
    type Body = fn(&Replica, &mut Context, &[Arg]) -> Result<()>;
    let functions: [(&str, i32, i32, Body); 18] = [
        (trigger::FUNCTION, -1, INNOCUOUS, trigger::capture),
        ("crsql_as_crr", 1, 0, as_crr),
        ("crsql_as_crr", 2, 0, as_crr),
        ("crsql_begin_alter", 1, 0, begin_alter),
        ("crsql_begin_alter", 2, 0, begin_alter),
        ("crsql_commit_alter", 1, 0, commit_alter),
        ("crsql_commit_alter", 2, 0, commit_alter),
        ("crsql_commit_alter", 3, 0, commit_alter),
        ("crsql_site_id", 0, INNOCUOUS, site_id),
        ("crsql_db_version", 0, INNOCUOUS, db_version),
        ("crsql_rows_impacted", 0, INNOCUOUS, rows_impacted),
        ("crsql_set_ts", 1, 0, set_ts),
        ("crsql_pack_columns", -1, INNOCUOUS | DETERMINISTIC, pack_columns),
        ("crsql_unpack_column", 2, INNOCUOUS | DETERMINISTIC, unpack_column),
        ("crsql_config_get", 1, INNOCUOUS, config_get),
        ("crsql_config_set", 2, 0, config_set),
        ("crsql_finalize", 0, 0, finalize),
        ("crsql_version", 0, INNOCUOUS | DETERMINISTIC, version),
    ];
    for (name, arguments, flags, body) in functions {
        create_function(db, name, arguments, flags, replica, body)?;
    }
    create_module::<TransactionTable>(db, "crsql_transaction", replica)?;
    create_module::<StagedTable>(db, "crsql_staged", replica)?;
    create_module::<IncomingTable>(db, "crsql_incoming", replica)?;
    create_module::<ChangesTable>(db, "crsql_changes", replica)?;
    create_module::<ClocksTable>(db, "crsql_clocks", replica)?;
    create_module::<UnpackTable>(db, "crsql_unpack_columns", replica)
}

/// The table an argument list names: the last of `schema, table`.
fn table_argument(arguments: &[Arg]) -> Result<String> {
    let position = usize::from(arguments.len() > 1);
    let name = arguments.get(position).and_then(|a| a.cell().text().map(str::to_owned));
    name.ok_or_else(|| SqliteError::new("expected the name of a table"))
}

fn as_crr(replica: &Replica, context: &mut Context, arguments: &[Arg]) -> Result<()> {
    make_replicated(replica, &table_argument(arguments)?)?;
    context.result(Cell::Text(b"OK"));
    Ok(())
}

fn begin_alter(replica: &Replica, context: &mut Context, arguments: &[Arg]) -> Result<()> {
    prepare_alteration(replica, &table_argument(arguments)?)?;
    context.result(Cell::Text(b"OK"));
    Ok(())
}

fn commit_alter(replica: &Replica, context: &mut Context, arguments: &[Arg]) -> Result<()> {
    finish_alteration(replica, &table_argument(arguments)?)?;
    context.result(Cell::Text(b"OK"));
    Ok(())
}

/// Makes a table replicated. Rows it has become one transaction of changes.
pub fn make_replicated(replica: &Replica, name: &str) -> Result<()> {
    in_savepoint(replica, || {
        replica.flush()?;
        let is_new = replica.as_internal(|| table::register(replica.db, name))?;
        enlist(replica)?;
        replica.inner.borrow_mut().refresh_catalog(replica.db)?;
        if is_new {
            capture_existing_rows(replica, name)?;
            replica.flush()?;
        }
        execute::retry_parked(replica).map(|_| ())
    })
}

/// Lets a replicated table be altered: captured changes are flushed under the old shape, and the guard triggers go.
pub fn prepare_alteration(replica: &Replica, name: &str) -> Result<()> {
    in_savepoint(replica, || {
        replica.flush()?;
        replica.as_internal(|| table::drop_triggers(replica.db, name))
    })
}

/// Follows the new shape of an altered table.
pub fn finish_alteration(replica: &Replica, name: &str) -> Result<()> {
    in_savepoint(replica, || {
        replica.flush()?;
        replica.as_internal(|| table::follow_alteration(replica.db, name))?;
        replica.inner.borrow_mut().refresh_catalog(replica.db)?;
        execute::retry_parked(replica).map(|_| ())
    })
}

/// Removes what makes a table replicated.
pub fn drop_replicated(replica: &Replica, name: &str) -> Result<()> {
    in_savepoint(replica, || {
        replica.flush()?;
        replica.as_internal(|| table::unregister(replica.db, name))?;
        replica.inner.borrow_mut().refresh_catalog(replica.db)
    })
}

/// Several statements as one; an open transaction stays usable when they fail.
fn in_savepoint(replica: &Replica, body: impl FnOnce() -> Result<()>) -> Result<()> {
    replica.db.exec("SAVEPOINT crsql_schema_change")?;
    match body() {
        Ok(()) => replica.db.exec("RELEASE crsql_schema_change"),
        Err(error) => {
            replica.db.exec("ROLLBACK TO crsql_schema_change; RELEASE crsql_schema_change")?;
            Err(error)
        }
    }
}

/// Joins the open transaction, so that SQLite reports savepoints and commit.
pub fn enlist(replica: &Replica) -> Result<()> {
    replica.db.exec("INSERT INTO crsql_transaction SELECT 0 WHERE 0")
}

fn capture_existing_rows(replica: &Replica, name: &str) -> Result<()> {
    let Some((index, table)) = ({
        let inner = replica.inner.borrow();
        inner.catalog.by_name.get(name).map(|&i| (i, Rc::clone(&inner.catalog.tables[i])))
    }) else {
        return Err(SqliteError::new(format!("table {name} was not registered")));
    };
    let keys: Vec<String> = table.key.iter().map(|c| table::quote(&c.name)).collect();
    let list = keys.join(", ");
    let mut rows = replica.db.prepare(&format!("SELECT {list} FROM {} ORDER BY {list}", table::quote(name)))?;
    rows.each(&[], |row| {
        replica.with_buffer(|buffer, statement| {
            let key = match (table.integer_key, row.column(0)) {
                (true, Cell::Integer(i)) => buffer.intern_key(Key::Integer(i)),
                (true | false, _) => {
                    let cells: Vec<Cell<'_>> = (0..table.key.len()).map(|i| row.column(i)).collect();
                    buffer.intern(&pack::pack(&cells))
                }
            };
            buffer.push(Captured { table: index as u32, key, operation: Operation::Insert, statement, rowid: None });
            Ok(())
        })
    })
}

fn site_id(replica: &Replica, context: &mut Context, _arguments: &[Arg]) -> Result<()> {
    context.result(Cell::Blob(&replica.site_id()?.0));
    Ok(())
}

fn db_version(replica: &Replica, context: &mut Context, _arguments: &[Arg]) -> Result<()> {
    let version = match replica.inner.try_borrow() {
        Ok(inner) if inner.buffer.open.is_some() => inner.buffer.open.map_or(0, |o| o.number - 1),
        Ok(_) | Err(_) => newest_version(replica.db)?,
    };
    context.result(Cell::Integer(i64::try_from(version).unwrap_or(i64::MAX)));
    Ok(())
}

fn rows_impacted(replica: &Replica, context: &mut Context, _arguments: &[Arg]) -> Result<()> {
    context.result(Cell::Integer(replica.inner.borrow().buffer.impacted));
    Ok(())
}

/// Takes the ts of the open transaction as decimal text or integer.
fn set_ts(replica: &Replica, context: &mut Context, arguments: &[Arg]) -> Result<()> {
    let ts = arguments
        .first()
        .and_then(|a| timestamp(a.cell()))
        .ok_or_else(|| SqliteError::new("crsql_set_ts expects a timestamp of 64 bits"))?;
    replica.ts.set(ts);
    context.result(Cell::Text(b"OK"));
    Ok(())
}

/// Reads a ts given as decimal text or integer.
pub fn timestamp(cell: Cell<'_>) -> Option<u64> {
    match cell {
        Cell::Integer(i) => u64::try_from(i).ok(),
        Cell::Text(_) => cell.text()?.parse().ok(),
        Cell::Null | Cell::Real(_) | Cell::Blob(_) => None,
    }
}

fn pack_columns(_replica: &Replica, context: &mut Context, arguments: &[Arg]) -> Result<()> {
    if arguments.len() > pack::COLUMNS_MAX {
        return Err(SqliteError::new("too many columns to pack"));
    }
    let cells: Vec<Cell<'_>> = arguments.iter().map(|a| a.cell()).collect();
    context.result(Cell::Blob(&pack::pack(&cells)));
    Ok(())
}

fn unpack_column(_replica: &Replica, context: &mut Context, arguments: &[Arg]) -> Result<()> {
    let [packed, index] = arguments else { return Err(SqliteError::new("expected packed columns and an index")) };
    let packed = packed.cell().bytes().unwrap_or_default();
    let cells = pack::unpack(packed).map_err(|e| SqliteError::new(e.to_string()))?;
    let index = index.cell().integer().and_then(|i| usize::try_from(i).ok()).unwrap_or(usize::MAX);
    context.result(cells.get(index).copied().unwrap_or(Cell::Null));
    Ok(())
}

const MERGE_EQUAL_VALUES: &str = "merge-equal-values";

fn setting_name(arguments: &[Arg]) -> Result<&'static str> {
    match arguments.first().and_then(|a| a.cell().text()) {
        Some(MERGE_EQUAL_VALUES) => Ok(MERGE_EQUAL_VALUES),
        Some(_) | None => Err(SqliteError::new("Unknown setting name")),
    }
}

fn config_get(replica: &Replica, context: &mut Context, arguments: &[Arg]) -> Result<()> {
    setting_name(arguments)?;
    context.result(Cell::Integer(i64::from(replica.merges_equal_values.get())));
    Ok(())
}

fn config_set(replica: &Replica, context: &mut Context, arguments: &[Arg]) -> Result<()> {
    let name = setting_name(arguments)?;
    let value = arguments.get(1).and_then(|a| a.cell().integer()).filter(|v| matches!(v, 0 | 1));
    let value = value.ok_or_else(|| SqliteError::new("the setting's value is 0 or 1"))?;
    let key = format!("config.{name}");
    replica
        .db
        .prepare("INSERT OR REPLACE INTO crsql_master (key, value) VALUES (?1, ?2)")?
        .run(&[Cell::Text(key.as_bytes()), Cell::Integer(value)])?;
    replica.merges_equal_values.set(value == 1);
    context.result(Cell::Integer(value));
    Ok(())
}

fn finalize(replica: &Replica, context: &mut Context, _arguments: &[Arg]) -> Result<()> {
    replica.finalize();
    context.result(Cell::Null);
    Ok(())
}

fn version(_replica: &Replica, context: &mut Context, _arguments: &[Arg]) -> Result<()> {
    context.result(Cell::Integer(170_000));
    Ok(())
}
