//! Text format: what clients send as text and literals, and what they are sent.
//!
//! Pure. [`decode`] gives the storage form, [`encode`] takes it; for every type `decode(encode(v)) == v` (tested beside each
//! type and over random values here). Error texts are PostgreSQL's.

use std::borrow::Cow;

use storage::{Value, ValueRef};

use super::array::Array;
use super::datetime::{Date, Timestamp, interval, parse, zone};
use super::numeric::Numeric;
use super::{catalog, float, json, object_name, oid};
use crate::error::SqlError;
use crate::session::settings::{ByteaOutput, Formats};

/// Reads a text of type `type_oid` into its storage form.
///
/// # Errors
/// 22P02, 22003, 22007, 22008, 22021 and so on, with PostgreSQL's texts; 0A000 for types without values here.
pub fn decode(type_oid: u32, text: &str, formats: &Formats) -> Result<Value, SqlError> {
    if text.contains('\0') {
        return Err(SqlError::new("22021", "invalid byte sequence for encoding \"UTF8\": 0x00"));
    }
    Ok(match type_oid {
        oid::BOOL => Value::Integer(i64::from(boolean(text)?)),
        oid::INT2 => Value::Integer(integer(text, "smallint", i64::from(i16::MIN), i64::from(i16::MAX))?),
        oid::INT4 => Value::Integer(integer(text, "integer", i64::from(i32::MIN), i64::from(i32::MAX))?),
        oid::INT8 => Value::Integer(integer(text, "bigint", i64::MIN, i64::MAX)?),
        // Numbers are their own spelling; names are looked up by the catalog's casts.
        oid::OID
        | oid::REGCLASS
        | oid::REGTYPE
        | oid::REGPROC
        | oid::REGPROCEDURE
        | oid::REGOPER
        | oid::REGOPERATOR
        | oid::REGNAMESPACE
        | oid::REGROLE => Value::Integer(unsigned(text, "oid")?),
        oid::XID => Value::Integer(unsigned(text, "xid")?),
        oid::FLOAT4 => real(float::parse4(text)?),
        oid::FLOAT8 => real(float::parse8(text)?),
        oid::NUMERIC => Value::Text(Numeric::parse(text)?.to_string()),
        oid::TEXT | oid::VARCHAR | oid::BPCHAR | oid::UNKNOWN | oid::PG_NODE_TREE => Value::Text(text.to_owned()),
        oid::NAME => Value::Text(name(text).to_owned()),
        oid::CHAR => Value::Text(char_text(char_byte(text))),
        oid::BYTEA => Value::Blob(bytea(text)?),
        oid::UUID => Value::Text(uuid(text)?),
        oid::INT2VECTOR | oid::OIDVECTOR => Value::Text(vector(type_oid, text)?),
        oid::DATE => Value::Text(parse::date(text, formats.date_order)?.store()),
        oid::TIME => Value::Text(parse::time(text, formats.date_order)?.show()),
        oid::TIMETZ => Value::Text(parse::time_zoned(text, formats.date_order, &formats.time_zone)?.show()),
        oid::TIMESTAMP => Value::Text(parse::timestamp(text, formats.date_order)?.store()),
        oid::TIMESTAMPTZ => {
            Value::Text(parse::timestamp_zoned(text, formats.date_order, &formats.time_zone)?.store_zoned())
        }
        oid::INTERVAL => Value::Text(interval::parse(text)?.to_string()),
        oid::JSON => {
            json::parse(text)?;
            Value::Text(text.to_owned())
        }
        oid::JSONB => Value::Text(json::parse_canonical(text)?.to_string()),
        other if catalog::element_of(other).is_some() => Value::Text(array(other, text, formats)?),
        other => {
            return Err(SqlError::unsupported(format!(
                "input of type {} is not supported",
                catalog::format_type(other, None)
            )));
        }
    })
}

/// Reads an array: each element by its type's input, kept in the text of its storage form.
fn array(array_oid: u32, text: &str, formats: &Formats) -> Result<String, SqlError> {
    let element_oid = catalog::element_of(array_oid).unwrap_or(oid::TEXT);
    let array = Array::parse(text)?
        .try_map(|element| Ok(element_text(element_oid, decode(element_oid, &element, formats)?.as_ref())))?;
    Ok(array.to_string())
}

/// The text of an element inside a stored array: that of its storage form, booleans and bytes in output form.
fn stored_element(value: Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Integer(value) => value.to_string(),
        Value::Real(value) => float::text8(value),
        Value::Text(text) => text,
        Value::Blob(bytes) => hex(&bytes),
    }
}

/// The text of an element of a stored array, given in storage form.
pub fn element_text(element_oid: u32, value: ValueRef<'_>) -> String {
    match (element_oid, value) {
        (oid::BOOL, ValueRef::Integer(value)) => if value == 0 { "f" } else { "t" }.to_owned(),
        (oid::FLOAT4, ValueRef::Real(value)) => float::text4(value),
        (_, value) => stored_element(value.to_owned()),
    }
}

/// The storage form of an element of a stored array.
///
/// # Errors
/// As [`decode`], for arrays that were not written by this server.
pub fn element_value(element_oid: u32, text: &str) -> Result<Value, SqlError> {
    match element_oid {
        oid::DATE if Date::load(text).is_some() => Ok(Value::Text(text.to_owned())),
        oid::TIMESTAMP | oid::TIMESTAMPTZ if Timestamp::load(text).is_some() => Ok(Value::Text(text.to_owned())),
        _ => decode(element_oid, text, &Formats::default()),
    }
}

/// Appends the text form of a cell in the storage form of `type_oid`. A cell whose storage class does not fit the type is
/// written in its own text form. NULL writes nothing: the caller marks it.
pub fn encode(type_oid: u32, value: ValueRef<'_>, formats: &Formats, out: &mut Vec<u8>) {
    match (type_oid, value) {
        (_, ValueRef::Null) => {}
        (oid::BOOL, ValueRef::Integer(value @ (0 | 1))) => out.push(if value == 1 { b't' } else { b'f' }),
        (oid::FLOAT4, ValueRef::Real(value)) => out.extend_from_slice(float4(value, formats).as_bytes()),
        (oid::FLOAT8 | oid::FLOAT4, ValueRef::Integer(value)) => {
            out.extend_from_slice(float8(value as f64, formats).as_bytes());
        }
        (oid::BYTEA, ValueRef::Blob(value)) if formats.bytea_output == ByteaOutput::Escape => escape_bytea(value, out),
        (oid::DATE | oid::TIMESTAMP | oid::TIMESTAMPTZ, ValueRef::Text(value)) => {
            out.extend_from_slice(time_text(type_oid, value, formats).as_bytes());
        }
        (_, ValueRef::Integer(value)) => push_integer(value, out),
        (_, ValueRef::Real(value)) => out.extend_from_slice(float8(value, formats).as_bytes()),
        (reg, ValueRef::Text(value)) if object_name::is_object_type(reg) => {
            out.extend_from_slice(object_name::split(value).map_or(value, |(_, name)| name).as_bytes());
        }
        (_, ValueRef::Text(value)) => match catalog::element_of(type_oid) {
            Some(element @ (oid::DATE | oid::TIMESTAMP | oid::TIMESTAMPTZ)) => {
                out.extend_from_slice(time_array(element, value, formats).as_bytes());
            }
            _ => out.extend_from_slice(value.as_bytes()),
        },
        (_, ValueRef::Blob(value)) => out.extend_from_slice(hex(value).as_bytes()),
    }
}

/// A stored date or timestamp as clients see it; text that is none stays as it is.
fn time_text<'a>(type_oid: u32, stored: &'a str, formats: &Formats) -> Cow<'a, str> {
    // Years 1 to 9999 are shown as they are stored.
    let plain = stored.as_bytes().first().is_some_and(u8::is_ascii_digit);
    if plain && (type_oid != oid::TIMESTAMPTZ || (formats.time_zone == "UTC" && stored.ends_with("+00"))) {
        return Cow::Borrowed(stored);
    }
    let shown = match type_oid {
        oid::DATE => Date::load(stored).map(Date::show),
        oid::TIMESTAMP => Timestamp::load(stored).map(Timestamp::show),
        _ => Timestamp::load(stored)
            .and_then(|moment| zone::find(&formats.time_zone).ok().map(|zone| moment.show_in(&zone))),
    };
    shown.map_or(Cow::Borrowed(stored), Cow::Owned)
}

fn time_array<'a>(element_oid: u32, stored: &'a str, formats: &Formats) -> Cow<'a, str> {
    let shown = Array::parse(stored)
        .and_then(|array| array.try_map(|element| Ok(time_text(element_oid, &element, formats).into_owned())));
    shown.map_or(Cow::Borrowed(stored), |array| Cow::Owned(array.to_string()))
}

fn push_integer(value: i64, out: &mut Vec<u8>) {
    use std::io::Write as _;
    // Writing to a Vec cannot fail.
    let _ = write!(out, "{value}");
}

fn float8(value: f64, formats: &Formats) -> String {
    match formats.extra_float_digits {
        1.. => float::text8(value),
        fewer => float::text_rounded(value, 15 + fewer),
    }
}

fn float4(value: f64, formats: &Formats) -> String {
    match formats.extra_float_digits {
        1.. => float::text4(value),
        fewer => float::text_rounded(value, 6 + fewer),
    }
}

/// The storage form of a float: NaN is text.
pub fn real(value: f64) -> Value {
    if value.is_nan() { Value::Text("NaN".into()) } else { Value::Real(value) }
}

fn syntax(type_name: &str, text: &str) -> SqlError {
    SqlError::new("22P02", format!("invalid input syntax for type {type_name}: \"{text}\""))
}

fn is_space(c: char) -> bool {
    c.is_ascii_whitespace() || c == '\x0b'
}

/// Reads a boolean: a word or its unambiguous beginning, in any case.
///
/// # Errors
/// 22P02.
pub fn boolean(text: &str) -> Result<bool, SqlError> {
    let word = text.trim_matches(is_space).to_ascii_lowercase();
    let begins = |full: &str, least: usize| word.len() >= least && full.starts_with(&word);
    if word == "1" || begins("true", 1) || begins("yes", 1) || begins("on", 2) {
        Ok(true)
    } else if word == "0" || begins("false", 1) || begins("no", 1) || begins("off", 2) {
        Ok(false)
    } else {
        Err(syntax("boolean", text))
    }
}

fn integer(text: &str, type_name: &str, min: i64, max: i64) -> Result<i64, SqlError> {
    let number = text.trim_matches(is_space);
    let digits = number.strip_prefix(['+', '-']).unwrap_or(number);
    let leading = digits.bytes().take_while(u8::is_ascii_digit).count();
    if leading == 0 {
        return Err(syntax(type_name, text));
    }
    // Digits that overflow are reported before what follows them.
    let value = number[..number.len() - digits.len() + leading]
        .parse::<i64>()
        .ok()
        .filter(|value| (min..=max).contains(value))
        .ok_or_else(|| SqlError::new("22003", format!("value \"{text}\" is out of range for type {type_name}")))?;
    if leading == digits.len() { Ok(value) } else { Err(syntax(type_name, text)) }
}

/// An OID: 32 bits, and negative numbers wrap as in PostgreSQL.
fn unsigned(text: &str, type_name: &str) -> Result<i64, SqlError> {
    let value = integer(text, type_name, i64::from(i32::MIN), i64::from(u32::MAX))?;
    Ok(value & i64::from(u32::MAX))
}

/// The byte that a text means as `"char"`: its first, or the one that `\ooo` names.
pub fn char_byte(text: &str) -> u8 {
    match text.as_bytes() {
        [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7'] => (a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'),
        bytes => bytes.first().copied().unwrap_or(0),
    }
}

/// Storage form and output of a `"char"`: nothing for a zero byte, `\ooo` for those beyond ASCII.
pub fn char_text(byte: u8) -> String {
    match byte {
        0 => String::new(),
        1..=127 => char::from(byte).to_string(),
        128.. => format!("\\{byte:03o}"),
    }
}

/// Cuts a name to 63 bytes at a character boundary.
pub fn name(text: &str) -> &str {
    let mut end = text.len().min(63);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn uuid(text: &str) -> Result<String, SqlError> {
    let inner = match (text.strip_prefix('{'), text.strip_suffix('}')) {
        (Some(rest), Some(_)) => &rest[..rest.len() - 1],
        (None, None) => text,
        _ => return Err(syntax("uuid", text)),
    };
    let mut digits = String::with_capacity(36);
    let mut count = 0;
    let mut after_hyphen = true;
    for c in inner.chars() {
        if c == '-' {
            // Hyphens may stand after every group of four digits, singly.
            if after_hyphen || count % 4 != 0 || count == 32 {
                return Err(syntax("uuid", text));
            }
            after_hyphen = true;
            continue;
        }
        if !c.is_ascii_hexdigit() || count == 32 {
            return Err(syntax("uuid", text));
        }
        if matches!(count, 8 | 12 | 16 | 20) {
            digits.push('-');
        }
        digits.push(c.to_ascii_lowercase());
        count += 1;
        after_hyphen = false;
    }
    if count == 32 { Ok(digits) } else { Err(syntax("uuid", text)) }
}

/// Reads `int2vector` and `oidvector`: numbers separated by blanks.
fn vector(type_oid: u32, text: &str) -> Result<String, SqlError> {
    let numbers = text
        .split(is_space)
        .filter(|part| !part.is_empty())
        .map(|part| {
            if type_oid == oid::OIDVECTOR {
                unsigned(part, "oid")
            } else {
                integer(part, "smallint", i64::from(i16::MIN), i64::from(i16::MAX))
            }
        })
        .map(|number| number.map(|number| number.to_string()))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(numbers.join(" "))
}

/// `\x` and two lower-case digits a byte.
pub fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 + bytes.len() * 2);
    text.push_str("\\x");
    text.push_str(&hex_digits(bytes));
    text
}

/// Two lower-case digits a byte.
pub fn hex_digits(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|b| [DIGITS[usize::from(b >> 4)], DIGITS[usize::from(b & 15)]]).map(char::from).collect()
}

/// Reads digits as [`hex_digits`] writes them; blanks may stand between bytes.
///
/// # Errors
/// 22023 as in PostgreSQL.
pub fn from_hex_digits(text: &str) -> Result<Vec<u8>, SqlError> {
    let mut bytes = Vec::with_capacity(text.len() / 2);
    let mut high = None;
    for c in text.chars() {
        if high.is_none() && matches!(c, ' ' | '\n' | '\t' | '\r') {
            continue;
        }
        let digit =
            c.to_digit(16).ok_or_else(|| SqlError::new("22023", format!("invalid hexadecimal digit: \"{c}\"")))? as u8;
        match high.take() {
            None => high = Some(digit),
            Some(high) => bytes.push(high << 4 | digit),
        }
    }
    match high {
        None => Ok(bytes),
        Some(_) => Err(SqlError::new("22023", "invalid hexadecimal data: odd number of digits")),
    }
}

/// Reads a bytea in hex (`\x..`) or escape format.
///
/// # Errors
/// 22023 for bad hex, 22P02 for bad escapes.
pub fn bytea(text: &str) -> Result<Vec<u8>, SqlError> {
    if let Some(digits) = text.strip_prefix("\\x") {
        return from_hex_digits(digits);
    }
    from_escape(text)
}

/// Reads the escape format: `\\` and `\ooo`.
///
/// # Errors
/// 22P02.
pub fn from_escape(text: &str) -> Result<Vec<u8>, SqlError> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        match &bytes[at..] {
            [b'\\', b'\\', ..] => {
                out.push(b'\\');
                at += 2;
            }
            [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', ..] => {
                out.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                at += 4;
            }
            [b'\\', ..] => return Err(SqlError::new("22P02", "invalid input syntax for type bytea")),
            [byte, ..] => {
                out.push(*byte);
                at += 1;
            }
            [] => break,
        }
    }
    Ok(out)
}

/// Appends the escape format: printable ASCII as it is, others in octal.
pub fn escape_bytea(bytes: &[u8], out: &mut Vec<u8>) {
    for byte in bytes {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            0x20..=0x7e => out.push(*byte),
            _ => out.extend_from_slice(format!("\\{byte:03o}").as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(type_oid: u32, input: &str, expected: &str) {
        let formats = Formats::default();
        let shown = match decode(type_oid, input, &formats) {
            Ok(value) => {
                let mut out = Vec::new();
                encode(type_oid, value.as_ref(), &formats, &mut out);
                String::from_utf8(out).expect("text")
            }
            Err(error) => error.to_string(),
        };
        assert_eq!(shown, expected, "{input}");
    }

    #[test]
    fn booleans_take_words_and_their_beginnings() {
        for yes in ["t", "TRUE", " yes ", "on", "1", "y", "tr"] {
            check(oid::BOOL, yes, "t");
        }
        for no in ["f", "false", "no", "off", "0", "of"] {
            check(oid::BOOL, no, "f");
        }
        check(oid::BOOL, "o", "invalid input syntax for type boolean: \"o\" (22P02)");
        check(oid::BOOL, "", "invalid input syntax for type boolean: \"\" (22P02)");
    }

    #[test]
    fn integers_are_checked() {
        check(oid::INT4, " -12 ", "-12");
        check(oid::INT4, "+5", "5");
        check(oid::INT4, "12abc", "invalid input syntax for type integer: \"12abc\" (22P02)");
        check(oid::INT4, "1.0", "invalid input syntax for type integer: \"1.0\" (22P02)");
        check(oid::INT2, "40000", "value \"40000\" is out of range for type smallint (22003)");
        check(
            oid::INT8,
            "9223372036854775808",
            "value \"9223372036854775808\" is out of range for type bigint (22003)",
        );
        check(oid::OID, "4294967295", "4294967295");
        check(oid::OID, "-1", "4294967295");
    }

    #[test]
    fn bytea_is_read_in_both_formats() {
        check(oid::BYTEA, "\\xDEAD be", "\\xdeadbe");
        check(oid::BYTEA, "a\\\\b\\001", "\\x615c6201");
        check(oid::BYTEA, "\\xg0", "invalid hexadecimal digit: \"g\" (22023)");
        check(oid::BYTEA, "\\x0", "invalid hexadecimal data: odd number of digits (22023)");
        check(oid::BYTEA, "\\9", "invalid input syntax for type bytea (22P02)");
    }

    #[test]
    fn uuids_are_read_in_all_spellings() {
        let canonical = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";
        check(oid::UUID, "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", canonical);
        check(oid::UUID, "{a0eebc999c0b4ef8bb6d6bb9bd380a11}", canonical);
        check(oid::UUID, "a0ee-bc99-9c0b-4ef8-bb6d-6bb9-bd38-0a11", canonical);
        check(oid::UUID, "a0eebc99", "invalid input syntax for type uuid: \"a0eebc99\" (22P02)");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC*", type_at in 0..catalog::TYPES.len()) {
            let formats = Formats::default();
            if let Ok(value) = decode(catalog::TYPES[type_at].oid, &text, &formats) {
                prop_assert!(value != Value::Null);
            }
        }

        #[test]
        fn bytea_round_trips_in_both_formats(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            prop_assert_eq!(&bytea(&hex(&bytes)).expect("hex"), &bytes);
            let mut escaped = Vec::new();
            escape_bytea(&bytes, &mut escaped);
            let text = String::from_utf8(escaped).expect("ascii");
            // Text that begins with an escaped backslash and x is escape format all the same.
            prop_assert_eq!(&bytea(&text).expect("escape"), &bytes);
        }
    }
}
