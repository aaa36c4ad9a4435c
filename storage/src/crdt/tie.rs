//! The total order of values that decides between cells of equal column version.
//!
//! Pure. Integers are above floats, floats above text, text above blobs, blobs above NULL; within a class by number or
//! bytes. The order is cr-sqlite's, made total: nodes that differ in it would diverge (I6).

use std::cmp::Ordering;

use crate::sqlite::Cell;

/// Compares two values; the greater one wins. Equal only for values that are stored alike: `-0.0` is below `0.0`, which
/// cr-sqlite calls equal, so that nodes keep whichever came first.
pub fn compare(left: Cell<'_>, right: Cell<'_>) -> Ordering {
    match (left, right) {
        (Cell::Integer(l), Cell::Integer(r)) => l.cmp(&r),
        // SQLite stores no NaN; all others are in the order of their numbers.
        (Cell::Real(l), Cell::Real(r)) => l.total_cmp(&r),
        (Cell::Text(l), Cell::Text(r)) | (Cell::Blob(l), Cell::Blob(r)) => l.cmp(r),
        (Cell::Null, Cell::Null) => Ordering::Equal,
        (
            Cell::Null | Cell::Integer(_) | Cell::Real(_) | Cell::Text(_) | Cell::Blob(_),
            Cell::Null | Cell::Integer(_) | Cell::Real(_) | Cell::Text(_) | Cell::Blob(_),
        ) => rank(left).cmp(&rank(right)),
    }
}

fn rank(value: Cell<'_>) -> u8 {
    match value {
        Cell::Null => 0,
        Cell::Blob(_) => 1,
        Cell::Text(_) => 2,
        Cell::Real(_) => 3,
        Cell::Integer(_) => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_ordered_before_values() {
        let ascending = [
            Cell::Null,
            Cell::Blob(b""),
            Cell::Blob(b"\xff"),
            Cell::Text(b""),
            Cell::Text(b"Z"),
            Cell::Text(b"a"),
            Cell::Text("é".as_bytes()),
            Cell::Real(-1.0),
            Cell::Real(-0.0),
            Cell::Real(0.0),
            Cell::Real(1e100),
            Cell::Integer(i64::MIN),
            Cell::Integer(0),
        ];
        for (i, left) in ascending.iter().enumerate() {
            for (j, right) in ascending.iter().enumerate() {
                assert_eq!(compare(*left, *right), i.cmp(&j), "{left:?} against {right:?}");
            }
        }
    }
}
