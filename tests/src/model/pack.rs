//! The packed form of keys, written down a second time from its description so that the engine's own is checked against it.
//!
//! One byte with the number of values, then per value a byte whose lower three bits are the storage class (1 integer, 2 real,
//! 3 text, 4 blob, 5 null) and whose upper five bits give the bytes of the integer, or of the length, that follows, big-endian.

use rusqlite::types::Value;

/// Packs a key.
pub fn pack(values: &[Value]) -> Vec<u8> {
    let mut out = vec![u8::try_from(values.len()).expect("a key has at most 255 columns")];
    for value in values {
        match value {
            Value::Integer(i) => {
                let bytes = i.to_be_bytes();
                let skip = bytes.iter().take_while(|b| **b == 0).count();
                out.push(((8 - skip) as u8) << 3 | 1);
                out.extend_from_slice(&bytes[skip..]);
            }
            Value::Real(r) => {
                out.push(2);
                out.extend_from_slice(&r.to_be_bytes());
            }
            Value::Text(t) => push_bytes(&mut out, 3, t.as_bytes()),
            Value::Blob(b) => push_bytes(&mut out, 4, b),
            Value::Null => out.push(5),
        }
    }
    out
}

fn push_bytes(out: &mut Vec<u8>, class: u8, bytes: &[u8]) {
    let length = (bytes.len() as u32).to_be_bytes();
    let skip = length.iter().take_while(|b| **b == 0).count();
    out.push(((4 - skip) as u8) << 3 | class);
    out.extend_from_slice(&length[skip..]);
    out.extend_from_slice(bytes);
}

/// Unpacks a key that [`pack`] or the original made.
pub fn unpack(packed: &[u8]) -> Vec<Value> {
    let (count, mut rest) = (packed[0], &packed[1..]);
    (0..count)
        .map(|_| {
            let (class, width) = (rest[0] & 7, usize::from(rest[0] >> 3));
            rest = &rest[1..];
            match class {
                1 => Value::Integer(take_integer(&mut rest, width)),
                2 => Value::Real(f64::from_bits(take_integer(&mut rest, 8) as u64)),
                3 => {
                    let length = take_integer(&mut rest, width) as usize;
                    Value::Text(String::from_utf8(take(&mut rest, length).to_vec()).expect("keys of tests are UTF-8"))
                }
                4 => {
                    let length = take_integer(&mut rest, width) as usize;
                    Value::Blob(take(&mut rest, length).to_vec())
                }
                _ => Value::Null,
            }
        })
        .collect()
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> &'a [u8] {
    let (head, tail) = rest.split_at(length);
    *rest = tail;
    head
}

fn take_integer(rest: &mut &[u8], width: usize) -> i64 {
    take(rest, width).iter().fold(0u64, |value, byte| value << 8 | u64::from(*byte)) as i64
}
