//! Packs a primary key into bytes, in the format of `crsql_pack_columns`.
//!
//! Pure. Layout: number of columns (1 byte), then per column one byte `length_of_length << 3 | type` and the value. Types:
//! 1 integer, 2 float, 3 text, 4 blob, 5 null. An integer takes the fewest big-endian bytes that hold it as an unsigned
//! number (none for 0, eight for a negative one); the same goes for the length of text and blobs. Floats are 8 bytes.
//! Decoding accepts longer forms of a length or integer; encoding what was decoded gives the one form used as a row's identity.

use crate::sqlite::Cell;

/// Why bytes are not a packed key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnpackError {
    #[error("packed columns end too early")]
    Truncated,
    #[error("packed columns have an unknown type {0}")]
    UnknownType(u8),
    #[error("packed columns have a length that does not fit")]
    BadLength,
    #[error("bytes follow the packed columns")]
    Trailing,
}

/// Most columns a packed key can have.
pub const COLUMNS_MAX: usize = 255;

/// Begins a key of `columns` columns, at most [`COLUMNS_MAX`].
pub fn begin(out: &mut Vec<u8>, columns: usize) {
    debug_assert!(columns <= COLUMNS_MAX);
    out.push(columns as u8);
}

/// Appends one column.
pub fn push(out: &mut Vec<u8>, value: Cell<'_>) {
    match value {
        Cell::Null => out.push(5),
        Cell::Integer(i) => unsigned(out, i as u64, 1),
        Cell::Real(r) => {
            out.push(2);
            out.extend_from_slice(&r.to_be_bytes());
        }
        Cell::Text(b) => {
            unsigned(out, b.len() as u64, 3);
            out.extend_from_slice(b);
        }
        Cell::Blob(b) => {
            unsigned(out, b.len() as u64, 4);
            out.extend_from_slice(b);
        }
    }
}

fn unsigned(out: &mut Vec<u8>, number: u64, kind: u8) {
    // The original has no form of five to seven bytes for numbers whose upper half is empty, nor needs one.
    let bytes = 8 - number.leading_zeros() as usize / 8;
    out.push((bytes as u8) << 3 | kind);
    out.extend_from_slice(&number.to_be_bytes()[8 - bytes..]);
}

/// Packs all columns of a key.
pub fn pack(values: &[Cell<'_>]) -> Vec<u8> {
    let mut out = Vec::with_capacity(values.len() * 8 + 1);
    begin(&mut out, values.len());
    for value in values {
        push(&mut out, *value);
    }
    out
}

/// Reads a packed key. The cells borrow from `packed`.
pub fn unpack(packed: &[u8]) -> Result<Vec<Cell<'_>>, UnpackError> {
    let mut out = Vec::new();
    unpack_into(packed, &mut out)?;
    Ok(out)
}

/// As [`unpack`], into a vector that is emptied first.
pub fn unpack_into<'a>(packed: &'a [u8], out: &mut Vec<Cell<'a>>) -> Result<(), UnpackError> {
    out.clear();
    let (&columns, mut rest) = packed.split_first().ok_or(UnpackError::Truncated)?;
    for _ in 0..columns {
        let (&head, after) = rest.split_first().ok_or(UnpackError::Truncated)?;
        rest = after;
        let length = usize::from(head >> 3);
        let cell = match head & 7 {
            1 => Cell::Integer(number(&mut rest, length)? as i64),
            2 => {
                let bytes = take(&mut rest, 8)?;
                Cell::Real(f64::from_be_bytes(bytes.try_into().map_err(|_| UnpackError::Truncated)?))
            }
            kind @ (3 | 4) => {
                let length = usize::try_from(number(&mut rest, length)?).map_err(|_| UnpackError::BadLength)?;
                let bytes = take(&mut rest, length)?;
                if kind == 3 { Cell::Text(bytes) } else { Cell::Blob(bytes) }
            }
            5 => Cell::Null,
            other => return Err(UnpackError::UnknownType(other)),
        };
        out.push(cell);
    }
    if rest.is_empty() { Ok(()) } else { Err(UnpackError::Trailing) }
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Result<&'a [u8], UnpackError> {
    let (head, tail) = rest.split_at_checked(length).ok_or(UnpackError::Truncated)?;
    *rest = tail;
    Ok(head)
}

fn number(rest: &mut &[u8], length: usize) -> Result<u64, UnpackError> {
    if length > 8 {
        return Err(UnpackError::BadLength);
    }
    Ok(take(rest, length)?.iter().fold(0, |n, &b| n << 8 | u64::from(b)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cells() -> impl Strategy<Value = Vec<crate::Value>> {
        let value = prop_oneof![
            Just(crate::Value::Null),
            any::<i64>().prop_map(crate::Value::Integer),
            (-300i64..70_000).prop_map(crate::Value::Integer),
            any::<f64>().prop_filter("NaN is never stored", |r| !r.is_nan()).prop_map(crate::Value::Real),
            ".{0,20}".prop_map(crate::Value::Text),
            prop::collection::vec(any::<u8>(), 0..400).prop_map(crate::Value::Blob),
        ];
        prop::collection::vec(value, 0..6)
    }

    proptest! {
        #[test]
        fn what_was_packed_is_unpacked(values in cells()) {
            let cells: Vec<Cell<'_>> = values.iter().map(Cell::from).collect();
            let packed = pack(&cells);
            prop_assert_eq!(unpack(&packed).expect("own packing"), cells);
        }

        #[test]
        fn random_bytes_never_panic_and_repack_to_one_form(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            if let Ok(cells) = unpack(&bytes) {
                let once = pack(&cells);
                let again = unpack(&once).expect("own packing");
                prop_assert_eq!(pack(&again), once);
            }
        }
    }

    #[test]
    fn the_books_key_has_the_books_bytes() {
        assert_eq!(pack(&[Cell::Integer(1)]), [1, 9, 1]);
        assert_eq!(pack(&[Cell::Text(b"q")]), [1, 0x0b, 1, b'q']);
        assert_eq!(pack(&[Cell::Integer(0), Cell::Null]), [2, 1, 5]);
    }

    #[test]
    fn integers_with_a_high_first_bit_stay_positive() {
        assert_eq!(unpack(&pack(&[Cell::Integer(200)])).expect("own packing"), [Cell::Integer(200)]);
        assert_eq!(pack(&[Cell::Integer(-1)]).len(), 10);
    }

    #[test]
    fn a_huge_stated_length_is_refused() {
        assert_eq!(unpack(&[1, 8 << 3 | 4, 255, 255, 255, 255, 255, 255, 255, 255]), Err(UnpackError::Truncated));
        assert_eq!(unpack(&[1, 9 << 3 | 1]), Err(UnpackError::BadLength));
        assert_eq!(unpack(&[]), Err(UnpackError::Truncated));
    }
}
