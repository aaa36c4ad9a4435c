//! Bytes and bits of `bytea`, and aggregates of bits.

use std::collections::VecDeque;

use storage::Value;
use storage::rusqlite::{self, Connection};

use super::Form::Call;
use super::aggregate::{self, State};
use super::body::{Arguments, strict};
use super::{Function, function_table};
use crate::error::SqlError;

pub(super) static FUNCTIONS: &[Function] = function_table! {
    "get_byte"(BYTEA, INT4) -> INT4, Immutable, Call("pg_get_byte");
    "set_byte"(BYTEA, INT4, INT4) -> BYTEA, Immutable, Call("pg_set_byte");
    "get_bit"(BYTEA, INT8) -> INT4, Immutable, Call("pg_get_bit");
    "set_bit"(BYTEA, INT8, INT4) -> BYTEA, Immutable, Call("pg_set_bit");
    "bit_count"(BYTEA) -> INT8, Immutable, Call("pg_bit_count");
    "ltrim"(BYTEA, BYTEA) -> BYTEA, Immutable, Call("pg_ltrim_bytea");
    "rtrim"(BYTEA, BYTEA) -> BYTEA, Immutable, Call("pg_rtrim_bytea");
    "btrim"(BYTEA, BYTEA) -> BYTEA, Immutable, Call("pg_btrim_bytea");
    Aggregate "string_agg"(BYTEA, BYTEA) -> BYTEA, Immutable, Call("pg_bytea_agg");
    Aggregate "bit_and"(INT2) -> INT2, Immutable, Call("pg_bit_and");
    Aggregate "bit_and"(INT4) -> INT4, Immutable, Call("pg_bit_and");
    Aggregate "bit_and"(INT8) -> INT8, Immutable, Call("pg_bit_and");
    Aggregate "bit_or"(INT2) -> INT2, Immutable, Call("pg_bit_or");
    Aggregate "bit_or"(INT4) -> INT4, Immutable, Call("pg_bit_or");
    Aggregate "bit_or"(INT8) -> INT8, Immutable, Call("pg_bit_or");
    Aggregate "bit_xor"(INT2) -> INT2, Immutable, Call("pg_bit_xor_agg");
    Aggregate "bit_xor"(INT4) -> INT4, Immutable, Call("pg_bit_xor_agg");
    Aggregate "bit_xor"(INT8) -> INT8, Immutable, Call("pg_bit_xor_agg");
};

/// The place `at` of `length`.
fn place(at: i64, length: u64) -> Result<usize, SqlError> {
    u64::try_from(at).ok().filter(|at| *at < length).and_then(|at| usize::try_from(at).ok()).ok_or_else(|| {
        let last = i128::from(length) - 1;
        SqlError::new("2202E", format!("index {at} out of valid range, 0..{last}"))
    })
}

/// A bit's byte and its mask; bits count from the lowest of the first byte.
fn bit(a: &Arguments<'_>, bytes: &[u8]) -> Result<(usize, u8), SqlError> {
    let at = place(a.int(1)?, bytes.len() as u64 * 8)?;
    Ok((at / 8, 1 << (at % 8)))
}

fn trimmed(a: &Arguments<'_>, start: bool, end: bool) -> Result<Value, SqlError> {
    let (mut bytes, cut) = (a.blob(0)?, a.blob(1)?);
    while let (true, Some((first, rest))) = (start, bytes.split_first()) {
        if !cut.contains(first) {
            break;
        }
        bytes = rest;
    }
    while let (true, Some((last, rest))) = (end, bytes.split_last()) {
        if !cut.contains(last) {
            break;
        }
        bytes = rest;
    }
    Ok(Value::Blob(bytes.to_vec()))
}

/// Values combined by an operation; kept, because a window may drop the oldest.
#[derive(Default)]
struct Combined<const OPERATION: char>(VecDeque<i64>);

impl<const OPERATION: char> State for Combined<OPERATION> {
    fn add(&mut self, a: &Arguments<'_>) -> Result<(), SqlError> {
        self.0.push_back(a.int(0)?);
        Ok(())
    }

    fn remove(&mut self, _: &Arguments<'_>) -> Result<(), SqlError> {
        self.0.pop_front();
        Ok(())
    }

    fn result(&self) -> Result<Value, SqlError> {
        let combined = self.0.iter().copied().reduce(|left, right| match OPERATION {
            '&' => left & right,
            '|' => left | right,
            _ => left ^ right,
        });
        Ok(combined.map_or(Value::Null, Value::Integer))
    }
}

/// Byte strings, each with the separator before it.
#[derive(Default)]
struct Bytes(VecDeque<(Vec<u8>, Vec<u8>)>);

impl State for Bytes {
    fn add(&mut self, a: &Arguments<'_>) -> Result<(), SqlError> {
        let separator = if a.is_null(1) { Vec::new() } else { a.blob(1)?.to_vec() };
        self.0.push_back((separator, a.blob(0)?.to_vec()));
        Ok(())
    }

    fn remove(&mut self, _: &Arguments<'_>) -> Result<(), SqlError> {
        self.0.pop_front();
        Ok(())
    }

    fn result(&self) -> Result<Value, SqlError> {
        let Some((_, first)) = self.0.front() else { return Ok(Value::Null) };
        let mut joined = first.clone();
        for (separator, value) in self.0.iter().skip(1) {
            joined.extend_from_slice(separator);
            joined.extend_from_slice(value);
        }
        Ok(Value::Blob(joined))
    }
}

pub(super) fn register(conn: &Connection) -> rusqlite::Result<()> {
    strict(conn, "pg_get_byte", 2, |a| {
        let bytes = a.blob(0)?;
        Ok(Value::Integer(bytes[place(a.int(1)?, bytes.len() as u64)?].into()))
    })?;
    strict(conn, "pg_set_byte", 3, |a| {
        let mut bytes = a.blob(0)?.to_vec();
        let at = place(a.int(1)?, bytes.len() as u64)?;
        // The low eight bits count, as in PostgreSQL.
        bytes[at] = a.int(2)? as u8;
        Ok(Value::Blob(bytes))
    })?;
    strict(conn, "pg_get_bit", 2, |a| {
        let bytes = a.blob(0)?;
        let (at, mask) = bit(a, bytes)?;
        Ok(Value::Integer(i64::from(bytes[at] & mask != 0)))
    })?;
    strict(conn, "pg_set_bit", 3, |a| {
        let mut bytes = a.blob(0)?.to_vec();
        let (at, mask) = bit(a, &bytes)?;
        match a.int(2)? {
            0 => bytes[at] &= !mask,
            1 => bytes[at] |= mask,
            _ => return Err(SqlError::new("22023", "new bit must be 0 or 1")),
        }
        Ok(Value::Blob(bytes))
    })?;
    strict(conn, "pg_bit_count", 1, |a| {
        Ok(Value::Integer(a.blob(0)?.iter().map(|byte| i64::from(byte.count_ones())).sum()))
    })?;
    strict(conn, "pg_ltrim_bytea", 2, |a| trimmed(a, true, false))?;
    strict(conn, "pg_rtrim_bytea", 2, |a| trimmed(a, false, true))?;
    strict(conn, "pg_btrim_bytea", 2, |a| trimmed(a, true, true))?;
    aggregate::add::<Combined<'&'>>(conn, "pg_bit_and", 1)?;
    aggregate::add::<Combined<'|'>>(conn, "pg_bit_or", 1)?;
    aggregate::add::<Combined<'#'>>(conn, "pg_bit_xor_agg", 1)?;
    aggregate::add::<Bytes>(conn, "pg_bytea_agg", 2)
}

#[cfg(test)]
mod tests {
    use super::super::tests::check;

    #[test]
    fn bytes_and_bits_are_counted_from_the_first() {
        check("pg_get_byte(x'00ff', 1)", "255");
        check("pg_get_byte(x'00', 1)", "index 1 out of valid range, 0..0 (2202E)");
        check("hex(pg_set_byte(x'0000', 1, 257))", "0001");
        check("pg_get_bit(x'02', 1)", "1");
        check("hex(pg_set_bit(x'00', 7, 1))", "80");
        check("pg_set_bit(x'00', 0, 2)", "new bit must be 0 or 1 (22023)");
        check("pg_bit_count(x'ff01')", "9");
        check("hex(pg_btrim_bytea(x'000100', x'00'))", "01");
    }

    #[test]
    fn bits_and_bytes_are_aggregated() {
        let over = |call: &str| format!("(SELECT {call} FROM (SELECT column1 AS x FROM (VALUES (12), (10), (NULL))))");
        check(&over("pg_bit_and(x)"), "8");
        check(&over("pg_bit_or(x)"), "14");
        check(&over("pg_bit_xor_agg(x)"), "6");
        check("(SELECT hex(pg_bytea_agg(column1, x'2c')) FROM (VALUES (x'01'), (NULL), (x'02')))", "012C02");
    }
}
