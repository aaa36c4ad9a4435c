//! Puts the rows of one UPDATE or DELETE in the order of their rowids, or of their keys where there are none.
//!
//! Pure. Sequence numbers follow this order. Triggers see it (SQLite collects the rows of such a statement first); the hook
//! sees the order of whatever index the statement walked. Operations that create rows or change keys keep their order, which
//! matters; among rows of one UPDATE or DELETE it does not. The updates of a many-row INSERT .. ON CONFLICT cannot be told
//! from an UPDATE's and are ordered with them.

use std::cmp::Ordering;

use super::buffer::{Captured, Operation, resolve};
use crate::crsql::table::Table;
use crate::record::log::Key;
use crate::sqlite::Cell;
use crate::value::pack;

/// Orders the operations of each statement. `table_at` gives the table that an operation names; `bytes` holds packed keys.
pub fn order_statements<'a>(operations: &mut [Captured], bytes: &[u8], table_at: impl Fn(u32) -> Option<&'a Table>) {
    let same_run = |a: &Captured, b: &Captured| {
        let class = matches!(
            (a.operation, b.operation),
            (Operation::Update { .. }, Operation::Update { .. }) | (Operation::Delete, Operation::Delete)
        );
        class && a.table == b.table && a.statement == b.statement && a.rowid.is_some() && b.rowid.is_some()
    };
    for run in operations.chunk_by_mut(same_run).filter(|run| run.len() > 1) {
        if table_at(run[0].table).is_some_and(|t| t.without_rowid) {
            run.sort_by(|a, b| compare_keys(resolve(bytes, a.key), resolve(bytes, b.key)));
        } else if !run.is_sorted_by_key(|o| o.rowid) {
            run.sort_by_key(|o| o.rowid);
        }
    }
}

/// SQLite's order of keys under the BINARY collation.
fn compare_keys(a: Key<'_>, b: Key<'_>) -> Ordering {
    let (Key::Packed(a), Key::Packed(b)) = (a, b) else { return a.cmp(&b) };
    match (pack::unpack(a), pack::unpack(b)) {
        (Ok(a), Ok(b)) => {
            a.iter().zip(&b).map(|(a, b)| compare_cells(*a, *b)).find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
        }
        (Ok(_) | Err(_), _) => a.cmp(b),
    }
}

fn compare_cells(a: Cell<'_>, b: Cell<'_>) -> Ordering {
    let rank = |cell: Cell<'_>| match cell {
        Cell::Null => 0,
        Cell::Integer(_) | Cell::Real(_) => 1,
        Cell::Text(_) => 2,
        Cell::Blob(_) => 3,
    };
    let real = |cell: Cell<'_>| match cell {
        Cell::Integer(i) => i as f64,
        Cell::Real(r) => r,
        Cell::Null | Cell::Text(_) | Cell::Blob(_) => 0.0,
    };
    rank(a).cmp(&rank(b)).then_with(|| match (a, b) {
        (Cell::Integer(a), Cell::Integer(b)) => a.cmp(&b),
        (Cell::Null | Cell::Integer(_) | Cell::Real(_) | Cell::Text(_) | Cell::Blob(_), _) => {
            match (a.bytes(), b.bytes()) {
                (Some(a), Some(b)) => a.cmp(b),
                (Some(_) | None, _) => real(a).partial_cmp(&real(b)).unwrap_or(Ordering::Equal),
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::buffer::KeyRef;

    fn operation(operation: Operation, rowid: i64, statement: i32) -> Captured {
        Captured { table: 0, key: KeyRef::Integer(rowid), operation, statement, rowid: Some(rowid) }
    }

    fn rowids(operations: &[Captured]) -> Vec<Option<i64>> {
        operations.iter().map(|o| o.rowid).collect()
    }

    #[test]
    fn deletions_of_one_statement_are_ordered_by_rowid() {
        let mut operations =
            [(3, 0), (1, 0), (2, 1), (0, 1)].map(|(rowid, statement)| operation(Operation::Delete, rowid, statement));
        order_statements(&mut operations, &[], |_| None);
        assert_eq!(rowids(&operations), [Some(1), Some(3), Some(0), Some(2)]);
    }

    #[test]
    fn insertions_keep_their_order() {
        let mut operations = [3, 1, 2].map(|rowid| operation(Operation::Insert, rowid, 0));
        order_statements(&mut operations, &[], |_| None);
        assert_eq!(rowids(&operations), [Some(3), Some(1), Some(2)]);
    }

    #[test]
    fn keys_are_ordered_as_sqlite_orders_them() {
        let ascending = [
            Cell::Null,
            Cell::Integer(-1),
            Cell::Integer(2),
            Cell::Real(2.5),
            Cell::Integer(300),
            Cell::Text(b"b"),
            Cell::Text(b"ba"),
            Cell::Blob(b""),
        ];
        for pair in ascending.windows(2) {
            let (a, b) = (pack::pack(&pair[..1]), pack::pack(&pair[1..]));
            assert_eq!(compare_keys(Key::Packed(&a), Key::Packed(&b)), Ordering::Less, "{pair:?}");
        }
    }
}
