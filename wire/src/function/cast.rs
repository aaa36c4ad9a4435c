//! The cast table (`pg_cast` for the types here) and the input and output functions of types as SQL.

use storage::Value;
use storage::rusqlite::{self, Connection};

use super::CastContext::{Assignment, Explicit, Implicit};
use super::Form::{Call, Pattern, Same};
use super::body::{self, Arguments, lenient, real, strict, text};
use super::{Cast, CastContext, Form};
use crate::error::SqlError;
use crate::session::settings::{DateOrder, Formats};
use crate::types::array::Array;
use crate::types::{self, catalog, float, numeric::Numeric, oid};

/// All entries, unsorted.
pub(super) fn table() -> Vec<Cast> {
    let mut table = Vec::new();
    numbers(&mut table);
    strings(&mut table);
    object_ids(&mut table);
    add(&mut table, oid::INT2VECTOR, oid::INT2_ARRAY, Implicit, Call("pg_vector_to_array"));
    add(&mut table, oid::OIDVECTOR, oid::OID_ARRAY, Implicit, Call("pg_vector_to_array"));
    super::datetime::casts(&mut table);
    super::timetz::casts(&mut table);
    super::json::casts(&mut table);
    table
}

fn add(table: &mut Vec<Cast>, from: u32, to: u32, context: CastContext, form: Form) {
    table.push(Cast { from, to, context, form });
}

const TO_REAL: Form = Pattern("CAST({0} AS REAL)");
const TO_TEXT: Form = Pattern("CAST({0} AS TEXT)");

fn numbers(table: &mut Vec<Cast>) {
    use oid::{BOOL, FLOAT4, FLOAT8, INT2, INT4, INT8, NUMERIC};
    let to_int2 = Pattern("pg_fit_integer({0}, 16)");
    let to_int4 = Pattern("pg_fit_integer({0}, 32)");
    for (from, to, context, form) in [
        (INT2, INT4, Implicit, Same),
        (INT2, INT8, Implicit, Same),
        (INT4, INT8, Implicit, Same),
        (INT4, INT2, Assignment, to_int2),
        (INT8, INT2, Assignment, to_int2),
        (INT8, INT4, Assignment, to_int4),
        (INT4, BOOL, Explicit, Pattern("({0} <> 0)")),
        (BOOL, INT4, Explicit, Same),
        (FLOAT4, FLOAT8, Implicit, Same),
        (FLOAT8, FLOAT4, Assignment, Call("pg_float4")),
        (FLOAT4, NUMERIC, Assignment, Pattern("pg_float_to_numeric({0}, 6)")),
        (FLOAT8, NUMERIC, Assignment, Pattern("pg_float_to_numeric({0}, 15)")),
        (NUMERIC, FLOAT4, Implicit, Pattern("pg_float4(pg_numeric_to_float({0}))")),
        (NUMERIC, FLOAT8, Implicit, Call("pg_numeric_to_float")),
    ] {
        add(table, from, to, context, form);
    }
    for integer in [INT2, INT4, INT8] {
        add(table, integer, FLOAT4, Implicit, Call("pg_float4"));
        add(table, integer, FLOAT8, Implicit, TO_REAL);
        add(table, integer, NUMERIC, Implicit, TO_TEXT);
    }
    for (to, from_float, from_numeric) in [
        (INT2, Pattern("pg_float_to_int({0}, 16)"), Pattern("pg_numeric_to_int({0}, 16)")),
        (INT4, Pattern("pg_float_to_int({0}, 32)"), Pattern("pg_numeric_to_int({0}, 32)")),
        (INT8, Pattern("pg_float_to_int({0}, 64)"), Pattern("pg_numeric_to_int({0}, 64)")),
    ] {
        add(table, FLOAT4, to, Assignment, from_float);
        add(table, FLOAT8, to, Assignment, from_float);
        add(table, NUMERIC, to, Assignment, from_numeric);
    }
}

fn strings(table: &mut Vec<Cast>) {
    use oid::{BOOL, BPCHAR, CHAR, INT4, NAME, TEXT, VARCHAR};
    let trimmed = Pattern("rtrim({0}, ' ')");
    let word = Pattern("(CASE {0} WHEN 1 THEN 'true' WHEN 0 THEN 'false' END)");
    for (from, to, context, form) in [
        (TEXT, VARCHAR, Implicit, Same),
        (TEXT, BPCHAR, Implicit, Same),
        (TEXT, NAME, Implicit, Call("pg_name")),
        (TEXT, CHAR, Assignment, Call("pg_char")),
        (VARCHAR, TEXT, Implicit, Same),
        (VARCHAR, BPCHAR, Implicit, Same),
        (VARCHAR, NAME, Implicit, Call("pg_name")),
        (VARCHAR, CHAR, Assignment, Call("pg_char")),
        (BPCHAR, TEXT, Implicit, trimmed),
        (BPCHAR, VARCHAR, Implicit, trimmed),
        (BPCHAR, NAME, Implicit, Pattern("pg_name(rtrim({0}, ' '))")),
        (BPCHAR, CHAR, Assignment, Call("pg_char")),
        (NAME, TEXT, Implicit, Same),
        (NAME, VARCHAR, Assignment, Same),
        (NAME, BPCHAR, Assignment, Same),
        (CHAR, TEXT, Implicit, Same),
        (CHAR, VARCHAR, Assignment, Same),
        (CHAR, BPCHAR, Assignment, Same),
        (CHAR, INT4, Explicit, Call("pg_char_to_int4")),
        (INT4, CHAR, Explicit, Call("pg_int4_to_char")),
        (BOOL, TEXT, Assignment, word),
        (BOOL, VARCHAR, Assignment, word),
        (BOOL, BPCHAR, Assignment, word),
    ] {
        add(table, from, to, context, form);
    }
}

fn object_ids(table: &mut Vec<Cast>) {
    use oid::{INT2, INT4, INT8, OID, REGPROC, REGPROCEDURE};
    let wrapped = Pattern("({0} & 4294967295)");
    for oid_like in [
        OID,
        REGPROC,
        REGPROCEDURE,
        oid::REGOPER,
        oid::REGOPERATOR,
        oid::REGCLASS,
        oid::REGTYPE,
        oid::REGNAMESPACE,
        oid::REGROLE,
    ] {
        add(table, INT2, oid_like, Implicit, wrapped);
        add(table, INT4, oid_like, Implicit, wrapped);
        add(table, INT8, oid_like, Implicit, Call("pg_int8_to_oid"));
        add(table, oid_like, INT4, Assignment, Call("pg_oid_to_int4"));
        add(table, oid_like, INT8, Assignment, Same);
        if oid_like != OID {
            add(table, OID, oid_like, Implicit, Same);
            add(table, oid_like, OID, Implicit, Same);
        }
    }
    add(table, REGPROC, REGPROCEDURE, Implicit, Same);
    add(table, REGPROCEDURE, REGPROC, Implicit, Same);
}

/// See [`super::output_form`].
pub(super) fn output_form(from: u32) -> Option<Form> {
    if let Some(form) = super::regtype::output_form(from) {
        return Some(form);
    }
    Some(match from {
        oid::INT2 | oid::INT4 | oid::INT8 | oid::OID | oid::XID => TO_TEXT,
        oid::TEXT
        | oid::VARCHAR
        | oid::BPCHAR
        | oid::NAME
        | oid::CHAR
        | oid::NUMERIC
        | oid::UUID
        | oid::INTERVAL
        | oid::TIME
        | oid::TIMETZ
        | oid::JSON
        | oid::JSONB
        | oid::INT2VECTOR
        | oid::OIDVECTOR
        | oid::PG_NODE_TREE
        | oid::UNKNOWN => Same,
        oid::TIMESTAMPTZ => Pattern("pg_out({0}, {type0}, {timezone})"),
        other if catalog::element_of(other) == Some(oid::TIMESTAMPTZ) => Pattern("pg_out({0}, {type0}, {timezone})"),
        other => {
            let info = catalog::by_oid(other)?;
            if info.category == 'P' {
                return None;
            }
            Pattern("pg_out({0}, {type0})")
        }
    })
}

/// See [`super::input_form`].
pub(super) fn input_form(to: u32) -> Option<Form> {
    if let Some(form) = super::regtype::input_form(to) {
        return Some(form);
    }
    Some(match catalog::element_of(to).unwrap_or(to) {
        oid::TEXT | oid::VARCHAR | oid::BPCHAR if catalog::element_of(to).is_none() => Same,
        oid::DATE | oid::TIMESTAMP | oid::TIMESTAMPTZ | oid::TIME | oid::TIMETZ => {
            Pattern("pg_in({0}, {result}, {datestyle}, {timezone})")
        }
        other => {
            if catalog::by_oid(other)?.category == 'P' {
                return None;
            }
            Pattern("pg_in({0}, {result})")
        }
    })
}

/// The formats that bodies work with: those of the session as far as the call passes them.
pub(super) fn formats(date_style: Option<&str>, time_zone: Option<&str>) -> Formats {
    let mut formats = Formats::default();
    if let Some(style) = date_style {
        let style = style.to_ascii_uppercase();
        if style.contains("DMY") {
            formats.date_order = DateOrder::Dmy;
        } else if style.contains("YMD") {
            formats.date_order = DateOrder::Ymd;
        }
    }
    if let Some(zone) = time_zone {
        formats.time_zone = zone.to_owned();
    }
    formats
}

/// The type OID that an emitted call passes as an argument.
pub(super) fn type_argument(a: &Arguments<'_>, at: usize) -> Result<u32, SqlError> {
    u32::try_from(a.int(at)?).map_err(|_| SqlError::new("22003", "OID out of range"))
}

/// A value's text form as its type's output function gives it.
pub(super) fn output(type_oid: u32, value: storage::ValueRef<'_>, formats: &Formats) -> String {
    let mut out = Vec::new();
    types::text::encode(type_oid, value, formats, &mut out);
    // Text forms are made of valid UTF-8 only.
    String::from_utf8_lossy(&out).into_owned()
}

pub(super) fn register(conn: &Connection) -> rusqlite::Result<()> {
    register_io(conn)?;
    register_numbers(conn)?;
    register_strings(conn)?;
    register_fits(conn)
}

fn register_io(conn: &Connection) -> rusqlite::Result<()> {
    strict(conn, "pg_in", 2, |a| types::text::decode(type_argument(a, 1)?, &a.text(0)?, &Formats::default()))?;
    strict(conn, "pg_in", 4, |a| {
        let formats = formats(Some(&a.text(2)?), Some(&a.text(3)?));
        types::text::decode(type_argument(a, 1)?, &a.text(0)?, &formats)
    })?;
    strict(conn, "pg_array_cast", 3, |a| array_cast(&a.text(0)?, type_argument(a, 1)?, type_argument(a, 2)?))?;
    strict(conn, "pg_out", 2, |a| Ok(text(output(type_argument(a, 1)?, a.value(0), &Formats::default()))))?;
    strict(conn, "pg_out", 3, |a| {
        let formats = formats(None, Some(&a.text(2)?));
        Ok(text(output(type_argument(a, 1)?, a.value(0), &formats)))
    })
}

/// Casts the elements of an array through their text forms, as input of the target type reads them. Numbers are rounded
/// first where the target is an integer.
fn array_cast(array: &str, from: u32, to: u32) -> Result<Value, SqlError> {
    let (from, to) = (catalog::element_of(from).unwrap_or(from), catalog::element_of(to).unwrap_or(to));
    let formats = Formats::default();
    let array = Array::parse(array)?.try_map(|element| {
        let value = types::text::element_value(from, &element)?;
        let shown = match (from, to, &value) {
            (oid::BOOL, _, Value::Integer(value)) if catalog::is_string(to) => (*value != 0).to_string(),
            (oid::NUMERIC, oid::INT2 | oid::INT4 | oid::INT8, Value::Text(text)) => {
                Numeric::parse(text)?.round(0).to_string()
            }
            (oid::FLOAT4 | oid::FLOAT8, oid::INT2 | oid::INT4 | oid::INT8, Value::Real(value)) => {
                Numeric::from_f64(value.round_ties_even(), 17).to_string()
            }
            _ => output(from, value.as_ref(), &formats),
        };
        Ok(types::text::element_text(to, types::text::decode(to, &shown, &formats)?.as_ref()))
    })?;
    Ok(text(array.to_string()))
}

fn width_name(width: i64) -> (&'static str, i64, i64) {
    match width {
        16 => ("smallint", i64::from(i16::MIN), i64::from(i16::MAX)),
        32 => ("integer", i64::from(i32::MIN), i64::from(i32::MAX)),
        _ => ("bigint", i64::MIN, i64::MAX),
    }
}

fn register_numbers(conn: &Connection) -> rusqlite::Result<()> {
    strict(conn, "pg_float4", 1, |a| {
        let value = a.float(0)?;
        let single = value as f32;
        if single.is_infinite() && value.is_finite() {
            return Err(SqlError::new("22003", "value out of range: overflow"));
        }
        if single == 0.0 && value != 0.0 {
            return Err(SqlError::new("22003", "value out of range: underflow"));
        }
        Ok(real(f64::from(single)))
    })?;
    strict(conn, "pg_float_to_int", 2, |a| {
        let (name, min, max) = width_name(a.int(1)?);
        let rounded = a.float(0)?.round_ties_even();
        // The upper bound as a float is one too large for 64 bits, hence `<`.
        if rounded >= min as f64 && rounded < max as f64 + 1.0 {
            Ok(Value::Integer(rounded as i64))
        } else {
            Err(SqlError::new("22003", format!("{name} out of range")))
        }
    })?;
    strict(conn, "pg_numeric_to_int", 2, |a| {
        let (name, min, max) = width_name(a.int(1)?);
        let value = a.numeric(0)?.to_i64(name)?;
        if (min..=max).contains(&value) {
            Ok(Value::Integer(value))
        } else {
            Err(SqlError::new("22003", format!("{name} out of range")))
        }
    })?;
    strict(conn, "pg_float_to_numeric", 2, |a| {
        let digits = usize::try_from(a.int(1)?).unwrap_or(15);
        Ok(text(Numeric::from_f64(a.float(0)?, digits).to_string()))
    })?;
    strict(conn, "pg_numeric_to_float", 1, |a| match a.numeric(0)? {
        value @ Numeric::Finite(_) => value.to_f64().map(real),
        other @ (Numeric::NaN | Numeric::Infinity | Numeric::NegativeInfinity) => {
            float::parse8(&other.to_string()).map(real)
        }
    })?;
    strict(conn, "pg_int8_to_oid", 1, |a| {
        let value = a.int(0)?;
        u32::try_from(value)
            .map(|value| Value::Integer(i64::from(value)))
            .map_err(|_| SqlError::new("22003", "OID out of range"))
    })?;
    strict(conn, "pg_oid_to_int4", 1, |a| Ok(Value::Integer(i64::from(a.int(0)? as u32 as i32))))
}

fn register_strings(conn: &Connection) -> rusqlite::Result<()> {
    strict(conn, "pg_name", 1, |a| Ok(text(types::text::name(&a.text(0)?))))?;
    strict(conn, "pg_char", 1, |a| Ok(text(types::text::char_text(types::text::char_byte(&a.text(0)?)))))?;
    strict(conn, "pg_char_to_int4", 1, |a| Ok(Value::Integer(i64::from(types::text::char_byte(&a.text(0)?) as i8))))?;
    strict(conn, "pg_int4_to_char", 1, |a| match i8::try_from(a.int(0)?) {
        Ok(value) => Ok(text(types::text::char_text(value as u8))),
        Err(_) => Err(SqlError::new("22003", "\"char\" out of range")),
    })
}

/// Cuts a string to `max` characters; beyond them only blanks may be lost, unless the cast is explicit.
fn fit_string(value: &str, max: usize, explicit: bool, type_name: &str) -> Result<String, SqlError> {
    let Some((end, _)) = value.char_indices().nth(max) else { return Ok(value.to_owned()) };
    let (kept, lost) = value.split_at(end);
    if !explicit && lost.chars().any(|c| c != ' ') {
        return Err(SqlError::new("22001", format!("value too long for type {type_name}({max})")));
    }
    Ok(kept.to_owned())
}

/// Fits `value` to a string type's modifier; -1 leaves it.
fn fit_argument(a: &Arguments<'_>, type_name: &str, pad: bool) -> Result<Value, SqlError> {
    let value = a.text(0)?;
    let Ok(max) = usize::try_from(a.int(1)? - 4) else { return Ok(text(value)) };
    let mut fitted = fit_string(&value, max, a.int(2)? != 0, type_name)?;
    if pad {
        let count = fitted.chars().count();
        fitted.extend(std::iter::repeat_n(' ', max.saturating_sub(count)));
    }
    Ok(text(fitted))
}

fn register_fits(conn: &Connection) -> rusqlite::Result<()> {
    strict(conn, "pg_fit_varchar", 3, |a| fit_argument(a, "character varying", false))?;
    strict(conn, "pg_fit_bpchar", 3, |a| fit_argument(a, "character", true))?;
    strict(conn, "pg_fit_numeric", 3, |a| {
        let value = a.numeric(0)?;
        let typmod = a.int32(1)?;
        if typmod < 4 {
            return Ok(text(value.to_string()));
        }
        let (precision, scale) = catalog::numeric_modifier(typmod);
        value.fit(precision, scale).map(|value| text(value.to_string()))
    })?;
    // `pg_raise(sqlstate, message)`: an error where an expression stands, evaluated only when reached.
    lenient(conn, "pg_raise", 2, |a| {
        Err(SqlError { sqlstate: a.text(0)?.into_owned().into(), ..SqlError::new("XX000", body::own_text(a.value(1))) })
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::check;

    #[test]
    fn arrays_are_cast_element_by_element() {
        check("pg_array_cast('{1,NULL}', 1007, 1009)", "{1,NULL}");
        check("pg_array_cast('{1.5,2.4}', 1231, 1007)", "{2,2}");
        check("pg_array_cast('{t}', 1000, 1009)", "{true}");
        check("pg_array_cast('{x}', 1009, 1007)", "invalid input syntax for type integer: \"x\" (22P02)");
    }

    #[test]
    fn numbers_round_and_overflow_as_in_postgresql() {
        check("pg_numeric_to_int('2.5', 32)", "3");
        check("pg_float_to_int(2.5, 32)", "2");
        check("pg_float_to_int(1e300, 64)", "bigint out of range (22003)");
        check("pg_numeric_to_int('NaN', 32)", "cannot convert NaN to integer (0A000)");
        check("pg_fit_integer(40000, 16)", "smallint out of range (22003)");
        check("pg_in('12abc', 23)", "invalid input syntax for type integer: \"12abc\" (22P02)");
    }

    #[test]
    fn strings_are_fitted_to_their_length() {
        check("pg_fit_varchar('abcd', 7, 0)", "value too long for type character varying(3) (22001)");
        check("pg_fit_varchar('abcd', 7, 1)", "abc");
        check("pg_fit_varchar('abc  ', 7, 0)", "abc");
        check("pg_fit_bpchar('a', 7, 0) || '|'", "a  |");
        check("pg_fit_numeric('1.005', 327686, 0)", "1.01");
    }
}
