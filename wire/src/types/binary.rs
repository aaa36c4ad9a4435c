//! Binary format: PostgreSQL's `send` and `recv` functions.
//!
//! Pure. Malformed bytes are 22P03 (or 08P01 where the message itself is too short); they never panic (tested on random
//! bytes), and what [`encode`] writes [`decode`] reads back.

use storage::{Value, ValueRef};

use super::array::{Array, DIMENSIONS_MAX};
use super::datetime::interval::{self, Interval};
use super::datetime::timetz::{OFFSET_MAX, TimeTz};
use super::datetime::{DAY, Date, Time, Timestamp};
use super::numeric::Numeric;
use super::text::{self, element_text, element_value};
use super::{catalog, json, object_name, oid, utf8};
use crate::error::SqlError;

fn malformed(what: &str) -> SqlError {
    SqlError::new("22P03", format!("incorrect binary data format in {what}"))
}

fn fixed<const N: usize>(bytes: &[u8], what: &str) -> Result<[u8; N], SqlError> {
    bytes.try_into().map_err(|_| malformed(what))
}

/// Reads a value of type `type_oid` in binary format into its storage form.
///
/// # Errors
/// 22P03, 22021, 22P02, 22008; 0A000 for types without a binary format here.
pub fn decode(type_oid: u32, bytes: &[u8]) -> Result<Value, SqlError> {
    let name = || catalog::format_type(type_oid, None);
    Ok(match type_oid {
        oid::BOOL => Value::Integer(i64::from(fixed::<1>(bytes, "boolean")?[0] != 0)),
        oid::INT2 => Value::Integer(i16::from_be_bytes(fixed(bytes, "smallint")?).into()),
        oid::INT4 => Value::Integer(i32::from_be_bytes(fixed(bytes, "integer")?).into()),
        oid::INT8 => Value::Integer(i64::from_be_bytes(fixed(bytes, "bigint")?)),
        oid::OID
        | oid::XID
        | oid::REGCLASS
        | oid::REGTYPE
        | oid::REGPROC
        | oid::REGPROCEDURE
        | oid::REGOPER
        | oid::REGOPERATOR
        | oid::REGNAMESPACE
        | oid::REGROLE => Value::Integer(u32::from_be_bytes(fixed(bytes, "oid")?).into()),
        oid::FLOAT4 => text::real(f32::from_be_bytes(fixed(bytes, "real")?).into()),
        oid::FLOAT8 => text::real(f64::from_be_bytes(fixed(bytes, "double precision")?)),
        oid::NUMERIC => Value::Text(Numeric::from_binary(bytes)?.to_string()),
        oid::BYTEA => Value::Blob(bytes.to_vec()),
        oid::TEXT | oid::VARCHAR | oid::BPCHAR | oid::UNKNOWN => Value::Text(utf8(bytes)?.to_owned()),
        oid::NAME => Value::Text(text::name(utf8(bytes)?).to_owned()),
        oid::CHAR => Value::Text(text::char_text(fixed::<1>(bytes, "\"char\"")?[0])),
        oid::UUID => Value::Text(uuid_text(fixed(bytes, "uuid")?)),
        oid::JSON => {
            let text = utf8(bytes)?;
            json::parse(text)?;
            Value::Text(text.to_owned())
        }
        oid::JSONB => match bytes.split_first() {
            Some((1, rest)) => Value::Text(json::parse_canonical(utf8(rest)?)?.to_string()),
            Some((version, _)) => {
                return Err(SqlError::new("22P03", format!("unsupported jsonb version number {version}")));
            }
            None => return Err(malformed("jsonb")),
        },
        oid::DATE => Value::Text(date(i32::from_be_bytes(fixed(bytes, "date")?))?.store()),
        oid::TIME => Value::Text(time(i64::from_be_bytes(fixed(bytes, "time")?))?.show()),
        oid::TIMETZ => Value::Text(time_zoned(bytes)?.show()),
        oid::TIMESTAMP => Value::Text(timestamp(i64::from_be_bytes(fixed(bytes, "timestamp")?))?.store()),
        oid::TIMESTAMPTZ => Value::Text(timestamp(i64::from_be_bytes(fixed(bytes, "timestamp")?))?.store_zoned()),
        oid::INTERVAL => Value::Text(interval_value(bytes)?.to_string()),
        oid::INT2VECTOR | oid::OIDVECTOR => {
            let element = if type_oid == oid::OIDVECTOR { oid::OID } else { oid::INT2 };
            let numbers: Vec<String> = array(element, bytes)?.elements.into_iter().flatten().collect();
            Value::Text(numbers.join(" "))
        }
        other => match catalog::element_of(other) {
            Some(element) => Value::Text(array(element, bytes)?.to_string()),
            None => return Err(SqlError::unsupported(format!("binary input of type {} is not supported", name()))),
        },
    })
}

fn date(days: i32) -> Result<Date, SqlError> {
    let date = Date(days);
    if date.is_infinite() {
        return Ok(date);
    }
    Date::from_days(days.into()).ok_or_else(|| SqlError::new("22008", "date out of range"))
}

fn time(micros: i64) -> Result<Time, SqlError> {
    if (0..=DAY).contains(&micros) { Ok(Time(micros)) } else { Err(SqlError::new("22008", "time out of range")) }
}

fn timestamp(micros: i64) -> Result<Timestamp, SqlError> {
    let timestamp = Timestamp(micros);
    if timestamp.is_infinite() {
        return Ok(timestamp);
    }
    Timestamp::from_micros(micros.into()).ok_or_else(|| SqlError::new("22008", "timestamp out of range"))
}

fn interval_value(bytes: &[u8]) -> Result<Interval, SqlError> {
    let bytes: [u8; 16] = fixed(bytes, "interval")?;
    let (micros, rest) = bytes.split_at(8);
    let (days, months) = rest.split_at(4);
    Ok(Interval {
        micros: i64::from_be_bytes(fixed(micros, "interval")?),
        days: i32::from_be_bytes(fixed(days, "interval")?),
        months: i32::from_be_bytes(fixed(months, "interval")?),
    })
}

fn uuid_text(bytes: [u8; 16]) -> String {
    let digits = text::hex_digits(&bytes);
    format!("{}-{}-{}-{}-{}", &digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..])
}

/// Microseconds, then seconds west of Greenwich.
fn time_zoned(bytes: &[u8]) -> Result<TimeTz, SqlError> {
    let mut cursor = Cursor(bytes);
    let time_of_day = time(i64::from_be_bytes(fixed(cursor.take(8)?, "time with time zone")?))?;
    let west = cursor.int()?;
    if !cursor.0.is_empty() {
        return Err(malformed("time with time zone"));
    }
    if west.unsigned_abs() > OFFSET_MAX.unsigned_abs() {
        return Err(SqlError::new("22009", "time zone displacement out of range"));
    }
    Ok(TimeTz { time: time_of_day, offset: -west })
}

/// A reader that runs out with an error instead of a panic.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], SqlError> {
        let (head, rest) = self
            .0
            .split_at_checked(count)
            .ok_or_else(|| SqlError::new("08P01", "insufficient data left in message"))?;
        self.0 = rest;
        Ok(head)
    }

    fn int(&mut self) -> Result<i32, SqlError> {
        Ok(i32::from_be_bytes(fixed(self.take(4)?, "array")?))
    }
}

fn array(element_oid: u32, bytes: &[u8]) -> Result<Array, SqlError> {
    let mut cursor = Cursor(bytes);
    let dimension_count = usize::try_from(cursor.int()?).map_err(|_| malformed("array"))?;
    if dimension_count > DIMENSIONS_MAX {
        return Err(SqlError::new(
            "54000",
            format!("number of array dimensions ({dimension_count}) exceeds the maximum allowed ({DIMENSIONS_MAX})"),
        ));
    }
    cursor.int()?;
    let given = cursor.int()? as u32;
    if given != element_oid {
        return Err(SqlError::new(
            "42804",
            format!("binary data has array element type {given} instead of expected {element_oid}"),
        ));
    }
    let mut dimensions = Vec::with_capacity(dimension_count);
    for _ in 0..dimension_count {
        let length = usize::try_from(cursor.int()?).map_err(|_| malformed("array"))?;
        dimensions.push((length, cursor.int()?));
    }
    let count = dimensions.iter().try_fold(1usize, |count, (length, _)| count.checked_mul(*length));
    let count = if dimensions.is_empty() { Some(0) } else { count };
    // Every element takes at least its length word.
    let count = count.filter(|count| *count <= cursor.0.len() / 4).ok_or_else(|| malformed("array"))?;
    let mut elements = Vec::with_capacity(count);
    for _ in 0..count {
        let length = cursor.int()?;
        elements.push(match usize::try_from(length) {
            Ok(length) => {
                let value = decode(element_oid, cursor.take(length)?)?;
                Some(element_text(element_oid, value.as_ref()))
            }
            Err(_) if length == -1 => None,
            Err(_) => return Err(malformed("array")),
        });
    }
    if !cursor.0.is_empty() {
        return Err(malformed("array"));
    }
    Ok(if count == 0 { Array::default() } else { Array { dimensions, elements } })
}

/// A cell that is no value of its column's type.
fn misfit(type_oid: u32, value: ValueRef<'_>) -> SqlError {
    let mut shown = Vec::new();
    text::encode(oid::TEXT, value, &crate::session::settings::Formats::default(), &mut shown);
    SqlError::new(
        "22P02",
        format!(
            "invalid input syntax for type {}: \"{}\"",
            catalog::format_type(type_oid, None),
            String::from_utf8_lossy(&shown)
        ),
    )
    .hint("The column is declared in a schema file and holds values of other types; read it in text format.")
}

/// Appends a cell in binary format. NULL writes nothing: the caller marks it.
///
/// # Errors
/// 22P02 for a cell that is no value of the type, which only columns of schema files can hold.
pub fn encode(type_oid: u32, value: ValueRef<'_>, out: &mut Vec<u8>) -> Result<(), SqlError> {
    let refuse = || misfit(type_oid, value);
    match (type_oid, value) {
        // The value of a function that returns nothing has no bytes.
        (_, ValueRef::Null) | (oid::VOID, _) => {}
        (oid::BOOL, ValueRef::Integer(value @ (0 | 1))) => out.push(value as u8),
        (oid::INT2, ValueRef::Integer(value)) => {
            out.extend_from_slice(&i16::try_from(value).map_err(|_| refuse())?.to_be_bytes());
        }
        (oid::INT4, ValueRef::Integer(value)) => {
            out.extend_from_slice(&i32::try_from(value).map_err(|_| refuse())?.to_be_bytes());
        }
        (oid::INT8, ValueRef::Integer(value)) => out.extend_from_slice(&value.to_be_bytes()),
        (
            oid::OID
            | oid::XID
            | oid::REGCLASS
            | oid::REGTYPE
            | oid::REGPROC
            | oid::REGPROCEDURE
            | oid::REGOPER
            | oid::REGOPERATOR
            | oid::REGNAMESPACE
            | oid::REGROLE,
            ValueRef::Integer(value),
        ) => out.extend_from_slice(&u32::try_from(value).map_err(|_| refuse())?.to_be_bytes()),
        (oid::FLOAT4, _) => out.extend_from_slice(&(float(value).ok_or_else(refuse)? as f32).to_be_bytes()),
        (oid::FLOAT8, _) => out.extend_from_slice(&float(value).ok_or_else(refuse)?.to_be_bytes()),
        (oid::NUMERIC, ValueRef::Text(text)) => Numeric::parse(text).map_err(|_| refuse())?.to_binary(out),
        (oid::NUMERIC, ValueRef::Integer(value)) => Numeric::from(value).to_binary(out),
        (oid::NUMERIC, ValueRef::Real(value)) => Numeric::from_f64(value, 15).to_binary(out),
        (oid::BYTEA, ValueRef::Blob(bytes)) => out.extend_from_slice(bytes),
        // A key such as 'some-id' in a BLOB column: its bytes.
        (oid::BYTEA, ValueRef::Text(text)) => out.extend_from_slice(text.as_bytes()),
        (oid::CHAR, ValueRef::Text(text)) => out.push(text::char_byte(text)),
        (oid::JSONB, ValueRef::Text(text)) => {
            out.push(1);
            out.extend_from_slice(text.as_bytes());
        }
        (oid::UUID, ValueRef::Text(text)) => {
            let digits: String = text.chars().filter(|c| *c != '-').collect();
            let bytes = text::from_hex_digits(&digits).map_err(|_| refuse())?;
            out.extend_from_slice(&fixed::<16>(&bytes, "uuid").map_err(|_| refuse())?);
        }
        (oid::DATE, ValueRef::Text(text)) => {
            out.extend_from_slice(&Date::load(text).ok_or_else(refuse)?.0.to_be_bytes());
        }
        (oid::TIME, ValueRef::Text(text)) => {
            out.extend_from_slice(&Time::load(text).ok_or_else(refuse)?.0.to_be_bytes());
        }
        (oid::TIMETZ, ValueRef::Text(text)) => {
            let value = TimeTz::load(text).ok_or_else(refuse)?;
            out.extend_from_slice(&value.time.0.to_be_bytes());
            out.extend_from_slice(&(-value.offset).to_be_bytes());
        }
        (oid::TIMESTAMP | oid::TIMESTAMPTZ, ValueRef::Text(text)) => {
            out.extend_from_slice(&Timestamp::load(text).ok_or_else(refuse)?.0.to_be_bytes());
        }
        (oid::INTERVAL, ValueRef::Text(text)) => {
            let interval = interval::parse(text).map_err(|_| refuse())?;
            out.extend_from_slice(&interval.micros.to_be_bytes());
            out.extend_from_slice(&interval.days.to_be_bytes());
            out.extend_from_slice(&interval.months.to_be_bytes());
        }
        (oid::INT2VECTOR | oid::OIDVECTOR, ValueRef::Text(text)) => {
            let element = if type_oid == oid::OIDVECTOR { oid::OID } else { oid::INT2 };
            let elements: Vec<Option<String>> =
                text.split_ascii_whitespace().map(|part| Some(part.to_owned())).collect();
            // The vectors are arrays from 0, of one dimension even when empty.
            let array = Array { dimensions: vec![(elements.len(), 0)], elements };
            encode_array(element, &array, out)?;
        }
        // The text types, json, and whatever else is text on the wire too: any cell in its own text form.
        (oid::TEXT | oid::VARCHAR | oid::BPCHAR | oid::NAME | oid::JSON | oid::UNKNOWN | oid::PG_NODE_TREE, _) => {
            text::encode(oid::TEXT, value, &crate::session::settings::Formats::default(), out);
        }
        (reg, ValueRef::Text(text)) if object_name::is_object_type(reg) => {
            out.extend_from_slice(&object_name::split(text).ok_or_else(refuse)?.0.to_be_bytes());
        }
        (_, ValueRef::Text(text)) => match catalog::element_of(type_oid) {
            Some(element) => encode_array(element, &Array::parse(text).map_err(|_| refuse())?, out)?,
            None => return Err(refuse()),
        },
        (_, ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Blob(_)) => return Err(refuse()),
    }
    Ok(())
}

fn float(value: ValueRef<'_>) -> Option<f64> {
    match value {
        ValueRef::Real(value) => Some(value),
        ValueRef::Integer(value) => Some(value as f64),
        ValueRef::Text("NaN") => Some(f64::NAN),
        ValueRef::Null | ValueRef::Text(_) | ValueRef::Blob(_) => None,
    }
}

fn encode_array(element_oid: u32, array: &Array, out: &mut Vec<u8>) -> Result<(), SqlError> {
    out.extend_from_slice(&(array.dimensions.len() as i32).to_be_bytes());
    out.extend_from_slice(&i32::from(array.elements.contains(&None)).to_be_bytes());
    out.extend_from_slice(&element_oid.to_be_bytes());
    for (length, lower) in &array.dimensions {
        out.extend_from_slice(&(*length as i32).to_be_bytes());
        out.extend_from_slice(&lower.to_be_bytes());
    }
    for element in &array.elements {
        let Some(text) = element else {
            out.extend_from_slice(&(-1i32).to_be_bytes());
            continue;
        };
        let start = out.len();
        out.extend_from_slice(&[0; 4]);
        encode(element_oid, element_value(element_oid, text)?.as_ref(), out)?;
        let length = (out.len() - start - 4) as i32;
        out[start..start + 4].copy_from_slice(&length.to_be_bytes());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::session::settings::Formats;

    /// Text in, binary out as PostgreSQL's `send` functions give it, and back.
    fn check(type_oid: u32, input: &str, expected: &str) {
        let value = text::decode(type_oid, input, &Formats::default()).expect("text");
        let mut bytes = Vec::new();
        encode(type_oid, value.as_ref(), &mut bytes).expect("encodes");
        assert_eq!(text::hex_digits(&bytes), expected, "{input}");
        assert_eq!(decode(type_oid, &bytes).expect("decodes"), value, "{input}");
    }

    #[test]
    fn what_returns_nothing_has_no_bytes() {
        let mut bytes = Vec::new();
        encode(oid::VOID, ValueRef::Text(""), &mut bytes).expect("encodes");
        assert_eq!(bytes, b"");
    }

    #[test]
    fn bytes_are_postgresql_s() {
        check(oid::BOOL, "t", "01");
        check(oid::INT2, "-2", "fffe");
        check(oid::INT4, "258", "00000102");
        check(oid::INT8, "-1", "ffffffffffffffff");
        check(oid::FLOAT4, "1.5", "3fc00000");
        check(oid::FLOAT8, "NaN", "7ff8000000000000");
        check(oid::NUMERIC, "-1234567.8900", "0003000140000004007b11d722c4");
        check(oid::NUMERIC, "0.00", "0000000000000002");
        check(oid::UUID, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "a0eebc999c0b4ef8bb6d6bb9bd380a11");
        check(oid::DATE, "2024-01-01", "0000223e");
        check(oid::DATE, "-infinity", "80000000");
        check(oid::TIMESTAMPTZ, "2000-01-01 00:00:01+00", "00000000000f4240");
        check(oid::TIME, "00:00:01", "00000000000f4240");
        check(oid::TIMETZ, "00:00:01-02", "00000000000f424000001c20");
        check(oid::CHAR, "\\360", "f0");
        check(oid::INTERVAL, "1 mon 2 days 00:00:01", "00000000000f42400000000200000001");
        check(oid::JSONB, "{\"a\":1}", "017b2261223a20317d");
        check(oid::INT4_ARRAY, "{1,NULL}", "00000001000000010000001700000002000000010000000400000001ffffffff");
        check(oid::TEXT_ARRAY, "{}", "000000000000000000000019");
        check(oid::BOOL_ARRAY, "{t,f}", "000000010000000000000010000000020000000100000001010000000100");
        check(oid::INT2VECTOR, "1 2", "0000000100000000000000150000000200000000000000020001000000020002");
    }

    #[test]
    fn cells_that_do_not_fit_the_type_are_refused() {
        let mut out = Vec::new();
        let error = encode(oid::INT8, ValueRef::Text("x"), &mut out).expect_err("text as int8");
        assert_eq!(error.to_string(), "invalid input syntax for type bigint: \"x\" (22P02)");
        assert!(encode(oid::TEXT, ValueRef::Integer(5), &mut out).is_ok());
        assert_eq!(out, b"5");
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64), at in 0..catalog::TYPES.len()) {
            let type_oid = catalog::TYPES[at].oid;
            if let Ok(value) = decode(type_oid, &bytes) {
                let mut out = Vec::new();
                prop_assert!(encode(type_oid, value.as_ref(), &mut out).is_ok());
                prop_assert_eq!(decode(type_oid, &out).expect("own bytes"), value);
            }
        }
    }
}
