//! The rows of set-returning functions (see [`super::set_returning`]): pure iterators over argument values.

use storage::Value;

use super::Form::{self, Call, Pattern};
use super::body::Arguments;
use super::cast::formats;
use super::pattern::{compiled, with_flags};
use super::set_returning::Make;
use super::{Function, function_table};
use crate::error::SqlError;
use crate::types::catalog;
use crate::types::datetime::interval::Interval;
use crate::types::datetime::{Timestamp, arithmetic, interval, zone};
use crate::types::json::{self, Json};
use crate::types::numeric::Numeric;
use crate::types::{oid, text};

/// The rows of one call, made as they are asked for.
pub(super) type Rows = Box<dyn Iterator<Item = Result<Value, SqlError>>>;

pub(super) static FUNCTIONS: &[Function] = function_table! {
    SetReturning "generate_series"(INT4, INT4) -> INT4, Immutable, Pattern("pg_series_int({0}, {1}, 1)");
    SetReturning "generate_series"(INT4, INT4, INT4) -> INT4, Immutable, Call("pg_series_int");
    SetReturning "generate_series"(INT8, INT8) -> INT8, Immutable, Pattern("pg_series_int({0}, {1}, 1)");
    SetReturning "generate_series"(INT8, INT8, INT8) -> INT8, Immutable, Call("pg_series_int");
    SetReturning "generate_series"(NUMERIC, NUMERIC) -> NUMERIC, Immutable, Pattern("pg_series_numeric({0}, {1}, '1')");
    SetReturning "generate_series"(NUMERIC, NUMERIC, NUMERIC) -> NUMERIC, Immutable, Call("pg_series_numeric");
    SetReturning "generate_series"(TIMESTAMP, TIMESTAMP, INTERVAL) -> TIMESTAMP, Immutable, Call("pg_series_timestamp");
    SetReturning "generate_series"(TIMESTAMPTZ, TIMESTAMPTZ, INTERVAL) -> TIMESTAMPTZ, Stable, Pattern("pg_series_timestamptz({0}, {1}, {2}, {timezone})");
    SetReturning "generate_subscripts"(ANYARRAY, INT4) -> INT4, Immutable, Call("pg_subscripts");
    SetReturning "unnest"(ANYARRAY) -> ANYELEMENT, Immutable, Pattern("pg_unnest({0}, {type0})");
    SetReturning "_pg_expandarray"(INT2VECTOR) -> RECORD, Immutable, Pattern("pg_expand({0}, {type0})");
    SetReturning "_pg_expandarray"(INT2_ARRAY) -> RECORD, Immutable, Pattern("pg_expand({0}, {type0})");
    SetReturning "string_to_table"(TEXT, TEXT) -> TEXT, Immutable, Call("pg_string_to_table");
    SetReturning "regexp_split_to_table"(TEXT, TEXT) -> TEXT, Immutable, Call("pg_regexp_split");
    SetReturning "regexp_matches"(TEXT, TEXT) -> TEXT_ARRAY, Immutable, Pattern("pg_regexp_matches({0}, {1}, '')");
    SetReturning "regexp_matches"(TEXT, TEXT, TEXT) -> TEXT_ARRAY, Immutable, Call("pg_regexp_matches");
    SetReturning "json_array_elements"(JSON) -> JSON, Immutable, Pattern("pg_json_elements({0}, 0)");
    SetReturning "jsonb_array_elements"(JSONB) -> JSONB, Immutable, Pattern("pg_json_elements({0}, 0)");
    SetReturning "json_array_elements_text"(JSON) -> TEXT, Immutable, Pattern("pg_json_elements({0}, 1)");
    SetReturning "jsonb_array_elements_text"(JSONB) -> TEXT, Immutable, Pattern("pg_json_elements({0}, 1)");
    SetReturning "json_object_keys"(JSON) -> TEXT, Immutable, Call("pg_json_keys");
    SetReturning "jsonb_object_keys"(JSONB) -> TEXT, Immutable, Call("pg_json_keys");
};

/// The table-valued functions to register.
pub(super) static BODIES: &[(&str, Make)] = &[
    ("pg_series_int", integers),
    ("pg_series_numeric", numerics),
    ("pg_series_timestamp", timestamps),
    ("pg_series_timestamptz", zoned_timestamps),
    ("pg_subscripts", subscripts),
    ("pg_unnest", unnest),
    ("pg_expand", expand),
    ("pg_string_to_table", split),
    ("pg_regexp_split", regexp_split),
    ("pg_regexp_matches", regexp_matches),
    ("pg_json_elements", json_elements),
    ("pg_json_keys", json_keys),
    ("pg_rows", super::packed::rows),
];

fn arguments(values: &[Value]) -> Arguments<'_> {
    Arguments::new(values.iter().map(Value::as_ref).collect())
}

fn zero_step() -> SqlError {
    SqlError::new("22023", "step size cannot equal zero")
}

fn integers(values: &[Value]) -> Result<Rows, SqlError> {
    let a = arguments(values);
    let (start, stop, step) = (a.int(0)?, a.int(1)?, a.int(2)?);
    if step == 0 {
        return Err(zero_step());
    }
    // The series ends, too, where the next number would overflow.
    let series = std::iter::successors(Some(start), move |value| value.checked_add(step));
    Ok(Box::new(
        series
            .take_while(move |value| if step > 0 { *value <= stop } else { *value >= stop })
            .map(|v| Ok(Value::Integer(v))),
    ))
}

fn numerics(values: &[Value]) -> Result<Rows, SqlError> {
    let a = arguments(values);
    let (start, stop, step) = (a.numeric(0)?, a.numeric(1)?, a.numeric(2)?);
    for (value, name) in [(&start, "start"), (&stop, "stop"), (&step, "step size")] {
        if !matches!(value, Numeric::Finite(_)) {
            let what = if *value == Numeric::NaN { "NaN" } else { "infinity" };
            return Err(SqlError::new("22023", format!("{name} value cannot be {what}")));
        }
    }
    let sign = step.cmp(&Numeric::zero());
    if sign.is_eq() {
        return Err(zero_step());
    }
    let series = std::iter::successors(Some(Ok(start)), move |value: &Result<Numeric, SqlError>| match value {
        Ok(value) => Some(value.add(&step)),
        Err(_) => None,
    });
    Ok(Box::new(
        series
            .take_while(move |value| value.as_ref().map_or(true, |value| value.cmp(&stop) != sign))
            .map(|value| value.map(|value| Value::Text(value.to_string()))),
    ))
}

/// Start, stop and step of a series of moments.
fn moments(a: &Arguments<'_>) -> Result<(Timestamp, Timestamp, Interval), SqlError> {
    let moment = |at: usize| {
        let text = a.text(at)?;
        Timestamp::load(&text)
            .ok_or_else(|| SqlError::new("22007", format!("invalid input syntax for type timestamp: \"{text}\"")))
    };
    let step = interval::parse(&a.text(2)?)?;
    if step == Interval::default() { Err(zero_step()) } else { Ok((moment(0)?, moment(1)?, step)) }
}

fn moment_series(
    (start, stop, step): (Timestamp, Timestamp, Interval),
    advance: impl Fn(Timestamp) -> Result<Timestamp, SqlError> + 'static,
    store: fn(Timestamp) -> String,
) -> Rows {
    let forward = step > Interval::default();
    let series = std::iter::successors(Some(Ok(start)), move |value: &Result<Timestamp, SqlError>| match value {
        Ok(value) => Some(advance(*value)),
        Err(_) => None,
    });
    Box::new(
        series
            .take_while(move |value| {
                value.as_ref().map_or(true, |value| if forward { *value <= stop } else { *value >= stop })
            })
            .map(move |value| value.map(|value| Value::Text(store(value)))),
    )
}

fn timestamps(values: &[Value]) -> Result<Rows, SqlError> {
    let bounds = moments(&arguments(values))?;
    Ok(moment_series(bounds, move |value| value.plus(bounds.2), Timestamp::store))
}

fn zoned_timestamps(values: &[Value]) -> Result<Rows, SqlError> {
    let a = arguments(values);
    let bounds = moments(&a)?;
    let zone = zone::find(&formats(None, Some(&a.text(3)?)).time_zone)?;
    let advance = move |value: Timestamp| match value.is_infinite() {
        // An infinite start would never end.
        true => Err(arithmetic::out_of_range("timestamp")),
        false => value.add_zoned(bounds.2, &zone),
    };
    Ok(moment_series(bounds, advance, Timestamp::store_zoned))
}

fn subscripts(values: &[Value]) -> Result<Rows, SqlError> {
    let a = arguments(values);
    let array = super::array::read(&a.text(0)?)?;
    let (length, lower) = array.bounds(a.int(1)?).unwrap_or((0, 1));
    let first = i64::from(lower);
    Ok(Box::new((first..first + length as i64).map(|at| Ok(Value::Integer(at)))))
}

fn unnest(values: &[Value]) -> Result<Rows, SqlError> {
    let a = arguments(values);
    let type_oid = super::cast::type_argument(&a, 1)?;
    // Calls name the array's type or that of its elements.
    let element_oid = catalog::subscripted(type_oid).unwrap_or(type_oid);
    let array = super::array::read(&a.text(0)?)?;
    Ok(Box::new(array.elements.into_iter().map(move |element| match element {
        None => Ok(Value::Null),
        Some(element) => text::element_value(element_oid, &element),
    })))
}

/// `information_schema._pg_expandarray`: each element with its number from 1, as a composite value `(x,n)`.
fn expand(values: &[Value]) -> Result<Rows, SqlError> {
    let array = super::array::read(&arguments(values).text(0)?)?;
    let numbered = (1..).zip(array.elements);
    Ok(Box::new(numbered.map(|(n, x): (u32, _)| Ok(Value::Text(format!("({},{n})", x.unwrap_or_default()))))))
}

/// How a field of what `_pg_expandarray` gives is taken out of it, and the field's type.
pub(crate) fn expanded_field(name: &str) -> Option<(Form, u32)> {
    match name {
        "x" => Some((Pattern("CAST(nullif(substr({0}, 2, instr({0}, ',') - 2), '') AS INTEGER)"), oid::INT2)),
        "n" => Some((Pattern("CAST(substr({0}, instr({0}, ',') + 1) AS INTEGER)"), oid::INT4)),
        _ => None,
    }
}

fn texts(values: Vec<String>) -> Rows {
    Box::new(values.into_iter().map(|value| Ok(Value::Text(value))))
}

fn split(values: &[Value]) -> Result<Rows, SqlError> {
    let a = arguments(values);
    let (value, separator) = (a.text(0)?, a.text(1)?);
    if value.is_empty() {
        return Ok(texts(Vec::new()));
    }
    Ok(texts(if separator.is_empty() {
        vec![value.into_owned()]
    } else {
        value.split(&*separator).map(str::to_owned).collect()
    }))
}

fn regexp_split(values: &[Value]) -> Result<Rows, SqlError> {
    let a = arguments(values);
    let regex = compiled(&a.text(1)?, false)?;
    Ok(texts(super::pattern::split(&regex, &a.text(0)?)))
}

fn regexp_matches(values: &[Value]) -> Result<Rows, SqlError> {
    let a = arguments(values);
    let (regex, all) = with_flags(&a.text(1)?, &a.text(2)?)?;
    let value = a.text(0)?;
    let found: Vec<String> = regex
        .captures_iter(&value)
        .take(if all { usize::MAX } else { 1 })
        .map(|found| super::pattern::groups(&found).to_string())
        .collect();
    Ok(texts(found))
}

fn json_elements(values: &[Value]) -> Result<Rows, SqlError> {
    let a = arguments(values);
    let as_text = a.int(1)? != 0;
    match json::parse(&a.text(0)?)? {
        Json::Array(items) => Ok(Box::new(items.into_iter().map(move |item| {
            Ok(if as_text { item.as_text().map_or(Value::Null, Value::Text) } else { Value::Text(item.to_string()) })
        }))),
        Json::Object(_) => Err(SqlError::new("22023", "cannot extract elements from an object")),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {
            Err(SqlError::new("22023", "cannot extract elements from a scalar"))
        }
    }
}

fn json_keys(values: &[Value]) -> Result<Rows, SqlError> {
    match json::parse(&arguments(values).text(0)?)? {
        Json::Object(members) => Ok(texts(members.into_iter().map(|(key, _)| key).collect())),
        Json::Array(_) => Err(SqlError::new("22023", "cannot call json_object_keys on an array")),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {
            Err(SqlError::new("22023", "cannot call json_object_keys on a scalar"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::check;

    /// All rows of a call, joined.
    fn rows(call: &str, expected: &str) {
        check(&format!("(SELECT group_concat(coalesce(value, 'NULL'), ' ') FROM {call})"), expected);
    }

    #[test]
    fn series_of_numbers_include_their_end() {
        rows("pg_series_int(1, 5, 2)", "1 3 5");
        rows("pg_series_int(3, 1, -1)", "3 2 1");
        rows("pg_series_int(1, 0, 1)", "NULL");
        rows("pg_series_int(9223372036854775806, 9223372036854775807, 1)", "9223372036854775806 9223372036854775807");
        rows("pg_series_int(1, 2, 0)", "step size cannot equal zero (22023)");
        rows("pg_series_int(1, NULL, 1)", "NULL");
        rows("pg_series_numeric('1', '2', '0.5')", "1 1.5 2.0");
        check("(SELECT sum(value) FROM pg_series_int(1, 100000, 1))", "5000050000");
        check("(SELECT max(ordinality) FROM pg_series_int(5, 7, 1))", "3");
    }

    #[test]
    fn series_of_moments_follow_the_calendar() {
        rows(
            "pg_series_timestamp('2024-01-31 00:00:00', '2024-03-31 00:00:00', '1 mon')",
            "2024-01-31 00:00:00 2024-02-29 00:00:00 2024-03-29 00:00:00",
        );
        rows(
            "pg_series_timestamptz('2024-03-30 12:00:00+00', '2024-03-31 12:00:00+00', '1 day', 'Europe/Berlin')",
            "2024-03-30 12:00:00+00 2024-03-31 11:00:00+00",
        );
    }

    #[test]
    fn arguments_may_come_from_another_table() {
        check(
            "(SELECT group_concat(a.value || b.value, ' ') FROM pg_series_int(1, 3, 1) a, pg_series_int(1, a.value, 1) b)",
            "11 21 22 31 32 33",
        );
    }

    #[test]
    fn values_are_taken_apart() {
        rows("pg_unnest('{1,2}', 1007)", "1 2");
        rows("pg_unnest('{a,NULL,\"b c\"}', 25)", "a NULL b c");
        check("(SELECT sum(value) FROM pg_unnest('{1,2}', 23))", "3");
        rows("pg_string_to_table('a,b', ',')", "a b");
        rows("pg_regexp_split('a1b22c', '[0-9]+')", "a b c");
        rows("pg_regexp_matches('abcb', 'b(.?)', 'g')", "{c} {\"\"}");
        rows("pg_json_elements('[1, {\"a\": 2}, \"x\"]', 1)", "1 {\"a\": 2} x");
        rows("pg_json_elements('1', 1)", "cannot extract elements from a scalar (22023)");
        rows("pg_json_keys('{\"b\": 1, \"a\": 2}')", "b a");
        rows("pg_subscripts('[0:1]={1,2}', 1)", "0 1");
    }
}
