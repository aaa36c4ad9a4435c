//! The triggers of a replicated table: capture in the loadable build, guard against foreign writers everywhere.
//!
//! A connection without the engine's function cannot write: SQLite says `no such function:` and the function's name, which is
//! why the name is a sentence. The second statement enlists the virtual table that SQLite tells about savepoints and commit.

use super::buffer::{Captured, Operation};
use crate::crsql::replica::Replica;
use crate::crsql::table::{Column, Table, quote};
use crate::record::log::Key;
use crate::sqlite::db::Result;
use crate::sqlite::{Arg, Cell, Context, SqliteError};
use crate::value::pack;

/// What a foreign connection's error shows.
pub const FUNCTION: &str = "write_through_corrosion_or_load_crsqlite_before_writing_to_this_table";

/// Appended to the table's name.
pub const SUFFIXES: [&str; 3] = ["__crsql_itrig", "__crsql_utrig", "__crsql_dtrig"];

/// Most columns whose old and new value one call passes, within SQLite's 127 arguments beside a key of [`KEY_COLUMNS_MAX`].
const COLUMNS_PER_CALL: usize = 40;

/// Most key columns of a replicated table.
pub const KEY_COLUMNS_MAX: usize = 20;

/// The statements that create the table's triggers. Arguments of the function: table number, operation, new key, for an
/// update old key, index of the first column passed, then new and old value of each captured column in table order.
pub fn definitions(table: &Table) -> [String; 3] {
    let keys = |row: &str| -> String { table.key.iter().map(|c| format!(", {row}.{}", quote(&c.name))).collect() };
    let call = |arguments: String| format!("SELECT {FUNCTION}({}, {arguments}); ", table.number);
    let pairs = |columns: &[Column]| -> String {
        columns.iter().map(|c| format!(", NEW.{name}, OLD.{name}", name = quote(&c.name))).collect()
    };
    let update = |first: usize, columns: &[Column]| {
        call(format!("'u'{}{}, {first}{}", keys("NEW"), keys("OLD"), pairs(columns)))
    };
    // The key change is reported once; further columns of the same row follow as updates under the new key.
    let more = |first: usize, columns: &[Column]| {
        call(format!("'u'{}{}, {first}{}", keys("NEW"), keys("NEW"), pairs(columns)))
    };
    let mut updates = String::new();
    for (index, columns) in table.columns.chunks(COLUMNS_PER_CALL).enumerate() {
        let first = index * COLUMNS_PER_CALL;
        updates += &if index == 0 { update(first, columns) } else { more(first, columns) };
    }
    if table.columns.is_empty() {
        updates = update(0, &[]);
    }
    let bodies = [
        ("INSERT", SUFFIXES[0], call(format!("'i'{}", keys("NEW")))),
        ("UPDATE", SUFFIXES[1], updates),
        ("DELETE", SUFFIXES[2], call(format!("'d'{}", keys("OLD")))),
    ];
    bodies.map(|(event, suffix, body)| {
        let name = quote(&format!("{}{suffix}", table.name));
        let on = quote(&table.name);
        format!("CREATE TRIGGER {name} AFTER {event} ON {on} BEGIN {body}INSERT INTO crsql_transaction SELECT 0 WHERE 0; END")
    })
}

/// The body of [`FUNCTION`].
pub fn capture(replica: &Replica, context: &mut Context, arguments: &[Arg]) -> Result<()> {
    context.result(Cell::Null);
    if replica.is_internal() {
        return Ok(());
    }
    let wrong = || {
        SqliteError::new(
            "the table's triggers do not fit its columns; run crsql_begin_alter and crsql_commit_alter around ALTER TABLE",
        )
    };
    let (head, rest) = arguments.split_at_checked(2).ok_or_else(wrong)?;
    let number = head[0].cell().integer().and_then(|n| u32::try_from(n).ok()).ok_or_else(wrong)?;
    let (index, table) = replica.table_for_capture(number)?;
    let key_columns = table.key.len();
    replica.with_buffer(|buffer, statement| {
        let mut key_of = |arguments: &[Arg]| {
            let values: Vec<Cell<'_>> = arguments.iter().map(|a| a.cell()).collect();
            match (table.integer_key, values.first()) {
                (true, Some(Cell::Integer(i))) => buffer.intern_key(Key::Integer(*i)),
                (true | false, _) => buffer.intern(&pack::pack(&values)),
            }
        };
        let (first, rest) = rest.split_at_checked(key_columns).ok_or_else(wrong)?;
        let key = key_of(first);
        let operation = match head[1].cell().text() {
            Some("i") => Operation::Insert,
            Some("d") => Operation::Delete,
            Some("u") => {
                let (second, values) = rest.split_at_checked(key_columns).ok_or_else(wrong)?;
                let key_changed = first.iter().zip(second).any(|(a, b)| !a.cell().same(b.cell()));
                let old = if key_changed { Some(key_of(second)) } else { None };
                let (first, values) = values.split_first().ok_or_else(wrong)?;
                let first = first.cell().integer().and_then(|n| usize::try_from(n).ok()).ok_or_else(wrong)?;
                let columns = table.columns.get(first..first + values.len() / 2).ok_or_else(wrong)?;
                let start = buffer.columns.len();
                for (pair, column) in values.chunks_exact(2).zip(columns) {
                    if !pair[0].cell().same(pair[1].cell()) {
                        buffer.columns.push(column.number);
                    }
                }
                let length = buffer.columns.len() - start;
                match old {
                    Some(old) => Operation::Rename { old, start, length },
                    None if length == 0 => return Ok(()),
                    None => Operation::Update { start, length },
                }
            }
            Some(_) | None => return Err(wrong()),
        };
        buffer.push(Captured { table: index, key, operation, statement, rowid: None });
        Ok(())
    })
}
