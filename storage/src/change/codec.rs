//! Bytes of a changeset's tables, for versions that wait in the file: partial ones, and ones this schema cannot hold.
//!
//! Pure. All numbers are varints, values as [`crate::value::pack`] writes them. A decoder's memory is bounded by the bytes it is
//! given.

use std::sync::Arc;

use super::changeset::{CellChange, RowChange, TableChanges};
use super::ids::Seq;
use crate::record::varint::{Malformed, read, write};
use crate::sqlite::Cell;
use crate::value::pack;

/// Encodes the tables of a changeset.
pub fn encode(tables: &[TableChanges]) -> Vec<u8> {
    let mut out = Vec::new();
    for table in tables {
        bytes(&mut out, table.table.as_bytes());
        write(&mut out, table.columns.len() as u64);
        for column in &table.columns {
            bytes(&mut out, column.as_bytes());
        }
        write(&mut out, table.rows.len() as u64);
        for row in &table.rows {
            bytes(&mut out, &row.pk);
            write(&mut out, row.cl);
            write(&mut out, row.sentinel.map_or(0, |s| s.0.saturating_add(1)));
            let cells = table.cells.get(row.cells.clone()).unwrap_or_default();
            write(&mut out, cells.len() as u64);
            for cell in cells {
                write(&mut out, u64::from(cell.column));
                write(&mut out, cell.col_version);
                write(&mut out, cell.seq.0);
                bytes(&mut out, &pack::pack(&[Cell::from(&cell.value)]));
            }
        }
    }
    out
}

fn bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    write(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Decodes what [`encode`] wrote.
pub fn decode(mut input: &[u8]) -> Result<Vec<TableChanges>, Malformed> {
    let mut tables = Vec::new();
    while !input.is_empty() {
        tables.push(decode_table(&mut input)?);
    }
    Ok(tables)
}

fn decode_table(input: &mut &[u8]) -> Result<TableChanges, Malformed> {
    let mut table = TableChanges { table: take_name(input)?, ..TableChanges::default() };
    for _ in 0..count(input)? {
        table.columns.push(take_name(input)?);
    }
    for _ in 0..count(input)? {
        let pk = take(input)?.into();
        let cl = read(input)?;
        let sentinel = read(input)?.checked_sub(1).map(Seq);
        let start = table.cells.len();
        for _ in 0..count(input)? {
            table.cells.push(decode_cell(input, table.columns.len())?);
        }
        table.rows.push(RowChange { pk, cl, sentinel, cells: start..table.cells.len() });
    }
    Ok(table)
}

fn decode_cell(input: &mut &[u8], columns: usize) -> Result<CellChange, Malformed> {
    let column = u16::try_from(read(input)?).map_err(|_| Malformed)?;
    if usize::from(column) >= columns {
        return Err(Malformed);
    }
    let (col_version, seq) = (read(input)?, Seq(read(input)?));
    let packed = take(input)?;
    let cells = pack::unpack(packed).map_err(|_| Malformed)?;
    let [value] = cells.as_slice() else { return Err(Malformed) };
    Ok(CellChange { column, col_version, seq, value: value.to_value() })
}

/// A number of items; each takes at least one byte, so more than the bytes left is malformed.
fn count(input: &mut &[u8]) -> Result<u64, Malformed> {
    let count = read(input)?;
    if count > input.len() as u64 { Err(Malformed) } else { Ok(count) }
}

fn take<'a>(input: &mut &'a [u8]) -> Result<&'a [u8], Malformed> {
    let length = usize::try_from(read(input)?).map_err(|_| Malformed)?;
    let (head, rest) = input.split_at_checked(length).ok_or(Malformed)?;
    *input = rest;
    Ok(head)
}

fn take_name(input: &mut &[u8]) -> Result<Arc<str>, Malformed> {
    std::str::from_utf8(take(input)?).map(Arc::from).map_err(|_| Malformed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::value::Value;

    #[test]
    fn tables_read_back_as_written() {
        let cell = |column, value| CellChange { column, col_version: 3, seq: Seq(9), value };
        let table = TableChanges {
            table: "t".into(),
            columns: vec!["a".into(), "b".into()],
            rows: vec![
                RowChange { pk: [1, 9, 1].into(), cl: 1, sentinel: None, cells: 0..2 },
                RowChange { pk: [1, 9, 2].into(), cl: 2, sentinel: Some(Seq(0)), cells: 2..2 },
            ],
            cells: vec![cell(0, Value::Text("x".to_owned())), cell(1, Value::Null)],
        };
        let tables = vec![table.clone(), TableChanges { table: "u".into(), ..table }];
        assert_eq!(decode(&encode(&tables)), Ok(tables));
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = decode(&bytes);
        }
    }
}
