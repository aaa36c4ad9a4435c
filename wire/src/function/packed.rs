//! Rows in one value: how a subquery that runs once for each row of another relation hands over its rows (LATERAL), and
//! how the rows of one statement reach the next.
//!
//! `pg_pack_rows(a, b, ..)` is an aggregate; `pg_rows(packed)` is table-valued with the columns `c1`, `c2`, .. (see
//! [`super::set_returning`]). The form lives only while a statement runs. A cell is a tag and its value: 0 NULL; 1 an
//! integer and 2 a real in eight bytes, little endian; 3 a text and 4 a blob after their length in four bytes. A row is
//! its length in four bytes and its cells.

use storage::rusqlite::functions::{Aggregate, Context, FunctionFlags};
use storage::rusqlite::{self, Connection};
use storage::{Value, ValueRef};

use super::body::{Arguments, Out, raise};
use super::series::Rows;
use crate::error::SqlError;

/// Most bytes of rows in one value: beyond it 54000. A value lives in memory.
const PACKED_BYTES_MAX: usize = 64 << 20;

/// Most columns that packed rows have: SQLite takes 127 arguments in a call.
pub(crate) const PACKED_COLUMNS_MAX: usize = 100;

/// Registers the aggregate.
pub(super) fn register(conn: &Connection) -> rusqlite::Result<()> {
    conn.create_aggregate_function("pg_pack_rows", -1, FunctionFlags::SQLITE_UTF8, Pack)
}

struct Pack;

impl Aggregate<Vec<u8>, Out> for Pack {
    fn init(&self, _ctx: &mut Context<'_>) -> rusqlite::Result<Vec<u8>> {
        Ok(Vec::new())
    }

    fn step(&self, ctx: &mut Context<'_>, packed: &mut Vec<u8>) -> rusqlite::Result<()> {
        let row = Arguments::of(ctx).map_err(|error| raise(&error))?;
        let cells: Vec<ValueRef<'_>> = (0..row.len()).map(|at| row.value(at)).collect();
        push_row(packed, &cells).map_err(|error| raise(&error))
    }

    fn finalize(&self, _ctx: &mut Context<'_>, packed: Option<Vec<u8>>) -> rusqlite::Result<Out> {
        Ok(Out(Value::Blob(packed.unwrap_or_default())))
    }
}

/// Adds a row to packed rows.
///
/// # Errors
/// 54000 if they would become too large; `packed` then ends in a part of the row and is of no use.
pub(crate) fn push_row(packed: &mut Vec<u8>, cells: &[ValueRef<'_>]) -> Result<(), SqlError> {
    let start = packed.len();
    packed.extend_from_slice(&[0; 4]);
    for cell in cells {
        match cell {
            ValueRef::Null => packed.push(0),
            ValueRef::Integer(value) => {
                packed.push(1);
                packed.extend_from_slice(&value.to_le_bytes());
            }
            ValueRef::Real(value) => {
                packed.push(2);
                packed.extend_from_slice(&value.to_le_bytes());
            }
            ValueRef::Text(value) => push_bytes(packed, 3, value.as_bytes())?,
            ValueRef::Blob(value) => push_bytes(packed, 4, value)?,
        }
    }
    if packed.len() > PACKED_BYTES_MAX {
        return Err(too_large());
    }
    let length = (packed.len() - start - 4) as u32;
    packed[start..start + 4].copy_from_slice(&length.to_le_bytes());
    Ok(())
}

fn push_bytes(packed: &mut Vec<u8>, tag: u8, bytes: &[u8]) -> Result<(), SqlError> {
    if bytes.len() > PACKED_BYTES_MAX {
        return Err(too_large());
    }
    packed.push(tag);
    packed.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    packed.extend_from_slice(bytes);
    Ok(())
}

fn too_large() -> SqlError {
    SqlError::new("54000", "the rows of a subquery take too much memory")
        .hint(format!("The rows of a LATERAL subquery or of a statement in WITH may take {PACKED_BYTES_MAX} bytes."))
}

/// The rows of a packed value, each packed for itself: the body of `pg_rows`.
pub(super) fn rows(values: &[Value]) -> Result<Rows, SqlError> {
    let Some(Value::Blob(packed)) = values.first() else { return Err(damaged()) };
    let mut rest = packed.clone();
    rest.reverse();
    // Reversed, so that taking a row from the front is cutting off the end.
    Ok(Box::new(std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        Some(take_row(&mut rest).ok_or_else(damaged))
    })))
}

fn take_row(reversed: &mut Vec<u8>) -> Option<Value> {
    let mut length = [0; 4];
    for byte in &mut length {
        *byte = reversed.pop()?;
    }
    let cut = reversed.len().checked_sub(u32::from_le_bytes(length) as usize)?;
    let mut row = reversed.split_off(cut);
    row.reverse();
    Some(Value::Blob(row))
}

/// The cell with this index of one row; NULL beyond the last.
pub(super) fn cell(row: &[u8], index: usize) -> Result<Value, SqlError> {
    let mut rest = row;
    for at in 0..=index {
        if rest.is_empty() {
            return Ok(Value::Null);
        }
        let (value, after) = first_cell(rest).ok_or_else(damaged)?;
        if at == index {
            return value_of(value);
        }
        rest = after;
    }
    Ok(Value::Null)
}

/// A cell's tag and bytes.
type Cell<'a> = (u8, &'a [u8]);

/// The first cell and what follows it.
fn first_cell(bytes: &[u8]) -> Option<(Cell<'_>, &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let (length, rest) = match tag {
        0 => (0, rest),
        1 | 2 => (8, rest),
        _ => {
            let (length, rest) = rest.split_first_chunk::<4>()?;
            (u32::from_le_bytes(*length) as usize, rest)
        }
    };
    let (value, rest) = rest.split_at_checked(length)?;
    Some(((*tag, value), rest))
}

fn value_of((tag, bytes): Cell<'_>) -> Result<Value, SqlError> {
    let eight = || <[u8; 8]>::try_from(bytes).map_err(|_| damaged());
    match tag {
        0 => Ok(Value::Null),
        1 => Ok(Value::Integer(i64::from_le_bytes(eight()?))),
        2 => Ok(Value::Real(f64::from_le_bytes(eight()?))),
        3 => String::from_utf8(bytes.to_vec()).map(Value::Text).map_err(|_| damaged()),
        4 => Ok(Value::Blob(bytes.to_vec())),
        _ => Err(damaged()),
    }
}

fn damaged() -> SqlError {
    SqlError::new("XX000", "packed rows are damaged")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unpacked(packed: Vec<u8>, width: usize) -> Vec<Vec<Value>> {
        let rows = rows(&[Value::Blob(packed)]).expect("a blob");
        rows.map(|row| {
            let Value::Blob(row) = row.expect("a whole row") else { panic!("a row is a blob") };
            (0..width).map(|index| cell(&row, index).expect("a cell")).collect()
        })
        .collect()
    }

    #[test]
    fn rows_come_back_as_they_were_packed() {
        let table = vec![
            vec![Value::Integer(i64::MIN), Value::Text("ä".into()), Value::Null],
            vec![Value::Real(-0.5), Value::Blob(vec![0, 255]), Value::Text(String::new())],
        ];
        let mut packed = Vec::new();
        for row in &table {
            let cells: Vec<ValueRef<'_>> = row.iter().map(Value::as_ref).collect();
            push_row(&mut packed, &cells).expect("small");
        }
        assert_eq!(unpacked(packed, 3), table);
        assert!(unpacked(Vec::new(), 3).is_empty());
    }

    #[test]
    fn cut_rows_are_an_error_and_not_a_panic() {
        let mut packed = Vec::new();
        push_row(&mut packed, &[ValueRef::Text("abc"), ValueRef::Integer(1)]).expect("small");
        for length in 1..packed.len() {
            let mut rows = rows(&[Value::Blob(packed[..length].to_vec())]).expect("a blob");
            assert!(rows.next().expect("a row").is_err(), "cut at {length}");
        }
        assert!(cell(&[3, 9, 0, 0, 0, b'x'], 0).is_err());
        assert!(cell(&[9], 0).is_err());
    }
}
