//! Arrays: construction, subscripts, bounds, concatenation, searching, conversion from and to text.
//!
//! The bodies take PostgreSQL's text form, and for int2vector and oidvector theirs (`1 2`, subscripts from 0). Elements are
//! compared by their text form, which is equal where the values are, but for numeric's trailing zeros: those are compared
//! as numbers. Results longer than SQLite's longest text are its error.

use storage::Value;
use storage::rusqlite::{self, Connection};

use super::Form::{Call, Pattern};
use super::body::{Arguments, boolean, lenient, strict, text};
use super::cast::type_argument;
use super::{Function, Operator, function_table};
use crate::error::SqlError;
use crate::types::array::{Array, DIMENSIONS_MAX};
use crate::types::numeric::Numeric;
use crate::types::text::{element_text, element_value};
use crate::types::{catalog, oid};

/// All functions of this file.
#[rustfmt::skip]
pub(super) static FUNCTIONS: &[Function] = function_table![
    "array_to_string"(ANYARRAY, TEXT) -> TEXT, Stable, Pattern("pg_array_to_string({0}, {1}, NULL)");
    "array_to_string"(ANYARRAY, TEXT, TEXT) -> TEXT, Stable, Pattern("pg_array_to_string({0}, {1}, {2})");
    "string_to_array"(TEXT, TEXT) -> TEXT_ARRAY, Immutable, Pattern("pg_string_to_array({0}, {1}, NULL)");
    "string_to_array"(TEXT, TEXT, TEXT) -> TEXT_ARRAY, Immutable, Pattern("pg_string_to_array({0}, {1}, {2})");
    "array_length"(ANYARRAY, INT4) -> INT4, Immutable, Pattern("pg_array_bound({0}, {1}, 'length')");
    "array_upper"(ANYARRAY, INT4) -> INT4, Immutable, Pattern("pg_array_bound({0}, {1}, 'upper')");
    "array_lower"(ANYARRAY, INT4) -> INT4, Immutable, Pattern("pg_array_bound({0}, {1}, 'lower')");
    "array_ndims"(ANYARRAY) -> INT4, Immutable, Pattern("pg_array_dimensions({0}, 'count')");
    "array_dims"(ANYARRAY) -> TEXT, Immutable, Pattern("pg_array_dimensions({0}, 'text')");
    "cardinality"(ANYARRAY) -> INT4, Immutable, Pattern("pg_array_dimensions({0}, 'elements')");
    "array_position"(ANYARRAY, ANYELEMENT) -> INT4, Immutable, Pattern("pg_array_position({0}, {1}, {type1})");
    "array_append"(ANYARRAY, ANYELEMENT) -> ANYARRAY, Immutable, Pattern("pg_array_append({0}, {1}, {type1})");
    "array_prepend"(ANYELEMENT, ANYARRAY) -> ANYARRAY, Immutable, Pattern("pg_array_prepend({0}, {1}, {type0})");
    "array_cat"(ANYARRAY, ANYARRAY) -> ANYARRAY, Immutable, Pattern("pg_array_cat({0}, {1})");
    "array_position"(ANYARRAY, ANYELEMENT, INT4) -> INT4, Immutable, Pattern("pg_array_position({0}, {1}, {type1}, {2})");
    "array_positions"(ANYARRAY, ANYELEMENT) -> INT4_ARRAY, Immutable, Pattern("pg_array_positions({0}, {1}, {type1})");
    "array_replace"(ANYARRAY, ANYELEMENT, ANYELEMENT) -> ANYARRAY, Immutable, Pattern("pg_array_replace({0}, {1}, {type1}, {2})");
    "trim_array"(ANYARRAY, INT4) -> ANYARRAY, Immutable, Call("pg_trim_array");
    "array_remove"(ANYARRAY, ANYELEMENT) -> ANYARRAY, Immutable, Pattern("pg_array_remove({0}, {1}, {type1})");
];

/// Comparisons, `||`, containment and overlap.
pub(super) fn operators(table: &mut Vec<Operator>) {
    use oid::{ANYARRAY, ANYELEMENT, BOOL};
    for (name, left, right, result, pattern) in [
        ("=", ANYARRAY, ANYARRAY, BOOL, "({0} = {1}{collate0})"),
        ("<>", ANYARRAY, ANYARRAY, BOOL, "({0} <> {1}{collate0})"),
        ("<", ANYARRAY, ANYARRAY, BOOL, "({0} < {1}{collate0})"),
        ("<=", ANYARRAY, ANYARRAY, BOOL, "({0} <= {1}{collate0})"),
        (">", ANYARRAY, ANYARRAY, BOOL, "({0} > {1}{collate0})"),
        (">=", ANYARRAY, ANYARRAY, BOOL, "({0} >= {1}{collate0})"),
        ("||", ANYARRAY, ANYARRAY, ANYARRAY, "pg_array_cat({0}, {1})"),
        ("||", ANYARRAY, ANYELEMENT, ANYARRAY, "pg_array_append({0}, {1}, {type1})"),
        ("||", ANYELEMENT, ANYARRAY, ANYARRAY, "pg_array_prepend({0}, {1}, {type0})"),
        ("@>", ANYARRAY, ANYARRAY, BOOL, "pg_array_contains({0}, {1}, {type0})"),
        ("<@", ANYARRAY, ANYARRAY, BOOL, "pg_array_contains({1}, {0}, {type0})"),
        ("&&", ANYARRAY, ANYARRAY, BOOL, "pg_array_overlaps({0}, {1}, {type0})"),
    ] {
        table.push(Operator { name, left: Some(left), right, result, form: Pattern(pattern) });
    }
}

/// Reads an array or a vector.
pub(super) fn read(value: &str) -> Result<Array, SqlError> {
    if value.trim_start().starts_with(['{', '[']) {
        return Array::parse(value);
    }
    let elements: Vec<Option<String>> = value.split_whitespace().map(|word| Some(word.to_owned())).collect();
    let dimensions = if elements.is_empty() { Vec::new() } else { vec![(elements.len(), 0)] };
    Ok(Array { dimensions, elements })
}

fn written(array: &Array) -> Value {
    text(array.to_string())
}

/// A bound or length of a dimension.
fn bound(a: &Arguments<'_>) -> Result<Value, SqlError> {
    let array = read(&a.text(0)?)?;
    let Some((length, lower)) = array.bounds(a.int(1)?) else { return Ok(Value::Null) };
    let length = i64::try_from(length).unwrap_or(i64::MAX);
    Ok(Value::Integer(match &*a.text(2)? {
        "length" => length,
        "lower" => i64::from(lower),
        _ => i64::from(lower) + length - 1,
    }))
}

fn dimensions(a: &Arguments<'_>) -> Result<Value, SqlError> {
    let array = read(&a.text(0)?)?;
    let count = |n: usize| Value::Integer(i64::try_from(n).unwrap_or(i64::MAX));
    Ok(match &*a.text(1)? {
        "elements" => count(array.elements.len()),
        _ if array.dimensions.is_empty() => Value::Null,
        "count" => count(array.dimensions.len()),
        _ => {
            let bounds = array.dimensions.iter().map(|(length, lower)| {
                format!("[{lower}:{}]", i64::from(*lower) + i64::try_from(*length).unwrap_or(i64::MAX) - 1)
            });
            text(bounds.collect::<String>())
        }
    })
}

/// Elements with a separator; NULLs are left out or replaced.
fn to_string(a: &Arguments<'_>) -> Result<Value, SqlError> {
    if a.is_null(0) || a.is_null(1) {
        return Ok(Value::Null);
    }
    let array = read(&a.text(0)?)?;
    let for_null = if a.is_null(2) { None } else { Some(a.text(2)?) };
    let shown = array.elements.iter().filter_map(|element| element.as_deref().or(for_null.as_deref()));
    Ok(text(shown.collect::<Vec<_>>().join(&a.text(1)?)))
}

/// Without a separator (NULL) each character is an element; an empty separator splits nothing.
fn from_string(a: &Arguments<'_>) -> Result<Value, SqlError> {
    if a.is_null(0) {
        return Ok(Value::Null);
    }
    let value = a.text(0)?;
    let separator = if a.is_null(1) { None } else { Some(a.text(1)?) };
    let parts: Vec<String> = match separator.as_deref() {
        _ if value.is_empty() => Vec::new(),
        None => value.chars().map(String::from).collect(),
        Some("") => vec![value.clone().into_owned()],
        Some(separator) => value.split(separator).map(str::to_owned).collect(),
    };
    let null = if a.is_null(2) { None } else { Some(a.text(2)?) };
    let elements = parts.into_iter().map(|part| (null.as_deref() != Some(part.as_str())).then_some(part));
    Ok(written(&Array::of(elements.collect())))
}

/// `pg_array(element type, values..)`; with arrays as values, an array of one more dimension.
fn construct(a: &Arguments<'_>) -> Result<Value, SqlError> {
    let type_oid = type_argument(a, 0)?;
    if catalog::element_of(type_oid).is_some() {
        return nested(a);
    }
    let element = |at: usize| (!a.is_null(at)).then(|| element_text(type_oid, a.value(at)));
    Ok(written(&Array::of((1..a.len()).map(element).collect())))
}

fn nested(a: &Arguments<'_>) -> Result<Value, SqlError> {
    let mismatch =
        || SqlError::new("2202E", "multidimensional arrays must have array expressions with matching dimensions");
    let mut parts = Vec::with_capacity(a.len());
    for at in 1..a.len() {
        // A NULL array counts as an empty one.
        parts.push(if a.is_null(at) { Array::default() } else { read(&a.text(at)?)? });
    }
    let Some(first) = parts.first() else { return Ok(written(&Array::default())) };
    if parts.iter().any(|part| part.dimensions != first.dimensions) {
        return Err(mismatch());
    }
    if first.dimensions.len() >= DIMENSIONS_MAX {
        let count = first.dimensions.len() + 1;
        let message = format!("number of array dimensions ({count}) exceeds the maximum allowed ({DIMENSIONS_MAX})");
        return Err(SqlError::new("54000", message));
    }
    if first.dimensions.is_empty() {
        return Ok(written(&Array::default()));
    }
    let dimensions = std::iter::once((parts.len(), 1)).chain(first.dimensions.iter().copied()).collect();
    let elements = parts.into_iter().flat_map(|part| part.elements).collect();
    Ok(written(&Array { dimensions, elements }))
}

/// `array[subscript]`; NULL outside.
fn element(a: &Arguments<'_>) -> Result<Value, SqlError> {
    let array = read(&a.text(0)?)?;
    let element_oid = catalog::subscripted(type_argument(a, 1)?).unwrap_or(oid::TEXT);
    array.element(&[a.int(2)?]).map_or(Ok(Value::Null), |found| element_value(element_oid, found))
}

/// Whether two elements of a type are equal.
fn same(element_oid: u32, left: &str, right: &str) -> bool {
    if left == right {
        return true;
    }
    element_oid == oid::NUMERIC
        && match (Numeric::parse(left), Numeric::parse(right)) {
            (Ok(left), Ok(right)) => left.cmp(&right).is_eq(),
            (Err(_), _) | (_, Err(_)) => false,
        }
}

/// The wanted element of a call `(array, element, element type)`.
fn wanted(a: &Arguments<'_>) -> Result<(Array, Option<String>, u32), SqlError> {
    let element_oid = type_argument(a, 2)?;
    let array = if a.is_null(0) { Array::default() } else { read(&a.text(0)?)? };
    Ok((array, (!a.is_null(1)).then(|| element_text(element_oid, a.value(1))), element_oid))
}

fn equal(element_oid: u32, left: Option<&str>, right: Option<&str>) -> bool {
    match (left, right) {
        (None, None) => true,
        (Some(left), Some(right)) => same(element_oid, left, right),
        (None, Some(_)) | (Some(_), None) => false,
    }
}

fn one_dimension(array: &Array, message: &str) -> Result<(), SqlError> {
    if array.dimensions.len() > 1 { Err(SqlError::unsupported(message)) } else { Ok(()) }
}

fn position(a: &Arguments<'_>) -> Result<Value, SqlError> {
    if a.is_null(0) {
        return Ok(Value::Null);
    }
    let (array, wanted, element_oid) = wanted(a)?;
    one_dimension(&array, "searching for elements in multidimensional arrays is not supported")?;
    let lower = array.dimensions.first().map_or(1, |(_, lower)| i64::from(*lower));
    // Searching begins at a subscript, if one is given.
    let start = if a.len() > 3 {
        if a.is_null(3) {
            return Err(SqlError::new("22004", "initial position must not be null"));
        }
        a.int(3)?
    } else {
        lower
    };
    let found = (lower..)
        .zip(&array.elements)
        .find(|(at, e)| *at >= start && equal(element_oid, e.as_deref(), wanted.as_deref()));
    Ok(found.map_or(Value::Null, |(at, _)| Value::Integer(at)))
}

fn positions(a: &Arguments<'_>) -> Result<Value, SqlError> {
    if a.is_null(0) {
        return Ok(Value::Null);
    }
    let (array, wanted, element_oid) = wanted(a)?;
    one_dimension(&array, "searching for elements in multidimensional arrays is not supported")?;
    let lower = array.dimensions.first().map_or(1, |(_, lower)| i64::from(*lower));
    let found = (lower..).zip(&array.elements).filter(|(_, e)| equal(element_oid, e.as_deref(), wanted.as_deref()));
    Ok(written(&Array::of(found.map(|(at, _)| Some(at.to_string())).collect())))
}

fn replace(a: &Arguments<'_>) -> Result<Value, SqlError> {
    if a.is_null(0) {
        return Ok(Value::Null);
    }
    let (mut array, wanted, element_oid) = wanted(a)?;
    let replacement = (!a.is_null(3)).then(|| element_text(element_oid, a.value(3)));
    for element in &mut array.elements {
        if equal(element_oid, element.as_deref(), wanted.as_deref()) {
            element.clone_from(&replacement);
        }
    }
    Ok(written(&array))
}

/// Without the last elements of the first dimension.
fn trim(a: &Arguments<'_>) -> Result<Value, SqlError> {
    let (mut array, cut) = (read(&a.text(0)?)?, a.int(1)?);
    let length = array.dimensions.first().map_or(0, |(length, _)| *length);
    let Some(kept) = usize::try_from(cut).ok().and_then(|cut| length.checked_sub(cut)) else {
        let message = format!("number of elements to trim must be between 0 and {length}");
        return Err(SqlError::new("2202E", message));
    };
    if kept == 0 {
        return Ok(written(&Array::default()));
    }
    array.elements.truncate(array.elements.len() / length * kept);
    array.dimensions[0].0 = kept;
    for dimension in &mut array.dimensions {
        dimension.1 = 1;
    }
    Ok(written(&array))
}

fn remove(a: &Arguments<'_>) -> Result<Value, SqlError> {
    if a.is_null(0) {
        return Ok(Value::Null);
    }
    let (array, wanted, element_oid) = wanted(a)?;
    one_dimension(&array, "removing elements from multidimensional arrays is not supported")?;
    let kept = array.elements.into_iter().filter(|e| !equal(element_oid, e.as_deref(), wanted.as_deref()));
    let mut left = Array::of(kept.collect());
    // The lower bound stays.
    if let (Some(new), Some(old)) = (left.dimensions.first_mut(), array.dimensions.first()) {
        new.1 = old.1;
    }
    Ok(written(&left))
}

/// Adds an element at one end.
fn extend(mut array: Array, element: Option<String>, at_end: bool) -> Result<Value, SqlError> {
    if array.dimensions.len() > 1 {
        return Err(SqlError::new("22000", "argument must be empty or one-dimensional array"));
    }
    if array.dimensions.is_empty() {
        return Ok(written(&Array::of(vec![element])));
    }
    let at = if at_end { array.elements.len() } else { 0 };
    array.elements.insert(at, element);
    array.dimensions[0].0 += 1;
    Ok(written(&array))
}

fn append(a: &Arguments<'_>) -> Result<Value, SqlError> {
    let (array, element, _) = wanted(a)?;
    extend(array, element, true)
}

fn prepend(a: &Arguments<'_>) -> Result<Value, SqlError> {
    let element_oid = type_argument(a, 2)?;
    let array = if a.is_null(1) { Array::default() } else { read(&a.text(1)?)? };
    extend(array, (!a.is_null(0)).then(|| element_text(element_oid, a.value(0))), false)
}

/// Concatenation; one side may have one dimension less, and then is an element of the other.
fn concatenate(a: &Arguments<'_>) -> Result<Value, SqlError> {
    if a.is_null(0) || a.is_null(1) {
        let other = if a.is_null(0) { 1 } else { 0 };
        return Ok(if a.is_null(other) { Value::Null } else { text(a.text(other)?) });
    }
    let (left, right) = (read(&a.text(0)?)?, read(&a.text(1)?)?);
    if left.dimensions.is_empty() {
        return Ok(written(&right));
    }
    if right.dimensions.is_empty() {
        return Ok(written(&left));
    }
    // Inner dimensions must agree in length and lower bound.
    let lengths = |array: &Array, from: usize| array.dimensions[from..].to_vec();
    let (l, r) = (left.dimensions.len(), right.dimensions.len());
    let dimensions = if l == r && lengths(&left, 1) == lengths(&right, 1) {
        let mut dimensions = left.dimensions.clone();
        dimensions[0].0 += right.dimensions[0].0;
        dimensions
    } else if l == r + 1 && lengths(&left, 1) == lengths(&right, 0) {
        let mut dimensions = left.dimensions.clone();
        dimensions[0].0 += 1;
        dimensions
    } else if l + 1 == r && lengths(&left, 0) == lengths(&right, 1) {
        let mut dimensions = right.dimensions.clone();
        dimensions[0].0 += 1;
        dimensions
    } else {
        return Err(SqlError::new("2202E", "cannot concatenate incompatible arrays"));
    };
    let elements = left.elements.into_iter().chain(right.elements).collect();
    Ok(written(&Array { dimensions, elements }))
}

/// Whether the first array has an element equal to `element`, which is not NULL.
fn has(array: &Array, element_oid: u32, element: &str) -> bool {
    array.elements.iter().flatten().any(|e| same(element_oid, e, element))
}

/// Two arrays of a type given third.
fn pair(a: &Arguments<'_>) -> Result<(Array, Array, u32), SqlError> {
    let element_oid = catalog::element_of(type_argument(a, 2)?).unwrap_or(oid::TEXT);
    Ok((read(&a.text(0)?)?, read(&a.text(1)?)?, element_oid))
}

/// Registers the bodies.
///
/// # Errors
/// SQLite's, if the connection refuses a registration.
pub(super) fn register(conn: &Connection) -> rusqlite::Result<()> {
    lenient(conn, "pg_array_to_string", 3, to_string)?;
    lenient(conn, "pg_string_to_array", 3, from_string)?;
    strict(conn, "pg_array_bound", 3, bound)?;
    strict(conn, "pg_array_dimensions", 2, dimensions)?;
    lenient(conn, "pg_array", -1, construct)?;
    strict(conn, "pg_array_get", 3, element)?;
    lenient(conn, "pg_array_position", 3, position)?;
    lenient(conn, "pg_array_position", 4, position)?;
    lenient(conn, "pg_array_positions", 3, positions)?;
    lenient(conn, "pg_array_replace", 4, replace)?;
    strict(conn, "pg_trim_array", 2, trim)?;
    lenient(conn, "pg_array_remove", 3, remove)?;
    lenient(conn, "pg_array_append", 3, append)?;
    lenient(conn, "pg_array_prepend", 3, prepend)?;
    lenient(conn, "pg_array_cat", 2, concatenate)?;
    strict(conn, "pg_array_contains", 3, |a| {
        let (left, right, element_oid) = pair(a)?;
        // NULL is equal to nothing, so that an array with NULL is contained in none.
        let contains = |e: &Option<String>| e.as_deref().is_some_and(|e| has(&left, element_oid, e));
        Ok(boolean(right.elements.iter().all(contains)))
    })?;
    strict(conn, "pg_array_overlaps", 3, |a| {
        let (left, right, element_oid) = pair(a)?;
        Ok(boolean(right.elements.iter().flatten().any(|e| has(&left, element_oid, e))))
    })?;
    // A vector as an array keeps its subscripts from 0.
    strict(conn, "pg_vector_to_array", 1, |a| Ok(written(&read(&a.text(0)?)?)))
}

#[cfg(test)]
mod tests {
    use super::super::tests::check;

    #[test]
    fn arrays_become_text_and_back() {
        check("pg_array_to_string('{a,NULL,\"b c\"}', ',', NULL)", "a,b c");
        check("pg_array_to_string('{a,NULL}', ',', '-')", "a,-");
        check("pg_array_to_string(NULL, ',', NULL)", "NULL");
        check("pg_array_to_string('1 2', '/', NULL)", "1/2");
        check("pg_string_to_array('a,,b', ',', '')", "{a,NULL,b}");
        check("pg_string_to_array('ab', NULL, NULL)", "{a,b}");
        check("pg_string_to_array('', ',', NULL)", "{}");
    }

    #[test]
    fn bounds_follow_the_arrays_own() {
        check("pg_array_bound('{1,2,3}', 1, 'upper')", "3");
        check("pg_array_bound('[0:1]={1,2}', 1, 'upper')", "1");
        check("pg_array_bound('1 2', 1, 'upper')", "1");
        check("pg_array_bound('{}', 1, 'length')", "NULL");
        check("pg_array_bound('{1}', 2, 'length')", "NULL");
        check("pg_array_dimensions('{{1,2},{3,4}}', 'text')", "[1:2][1:2]");
        check("pg_array_dimensions('{}', 'elements')", "0");
    }

    #[test]
    fn subscripts_read_elements_as_their_type() {
        check("pg_array_get('{1,2}', 1007, 2)", "2");
        check("pg_array_get('{1,2}', 1007, 3)", "NULL");
        check("pg_array_get('5 6', 22, 0)", "5");
        check("(SELECT sum(value) FROM pg_unnest('5 6', 21))", "11");
        check("pg_array_get('{t}', 1000, 1)", "1");
        check("pg_array_get('[0:1]={7,8}', 1005, 0)", "7");
        check("pg_vector_to_array('7 8')", "[0:1]={7,8}");
    }

    #[test]
    fn arrays_are_built_from_values_and_arrays() {
        check("pg_array(25, 'a', NULL, 'b,c')", "{a,NULL,\"b,c\"}");
        check("pg_array(23)", "{}");
        check("pg_array(1007, '{1,2}', '{3,4}')", "{{1,2},{3,4}}");
        check(
            "pg_array(1007, '{1,2}', '{3}')",
            "multidimensional arrays must have array expressions with matching dimensions (2202E)",
        );
    }

    #[test]
    fn concatenation_takes_arrays_and_elements() {
        check("pg_array_cat('{1}', '{2}')", "{1,2}");
        check("pg_array_cat(NULL, '{2}')", "{2}");
        check("pg_array_cat('{}', '{2}')", "{2}");
        check("pg_array_cat('{{1,2}}', '{3,4}')", "{{1,2},{3,4}}");
        check("pg_array_cat('{{1,2}}', '{3}')", "cannot concatenate incompatible arrays (2202E)");
        check("pg_array_append('{1}', 2, 23)", "{1,2}");
        check("pg_array_append(NULL, NULL, 23)", "{NULL}");
        check("pg_array_prepend('x', '{a}', 25)", "{x,a}");
    }

    #[test]
    fn elements_are_found_by_value() {
        check("pg_array_position('{a,b}', 'b', 25)", "2");
        check("pg_array_position('{a,NULL}', NULL, 25)", "2");
        check("pg_array_position('{a}', 'b', 25)", "NULL");
        check("pg_array_position('{1.50}', '1.5', 1700)", "1");
        check("pg_array_remove('{1,2,1}', 1, 23)", "{2}");
        check("pg_array_position('{1,2,1}', 1, 23, 2)", "3");
        check("pg_array_positions('{1,NULL,1}', 1, 23)", "{1,3}");
        check("pg_array_replace('{1,NULL,1}', NULL, 23, 7)", "{1,7,1}");
        check("pg_trim_array('[0:2]={1,2,3}', 1)", "{1,2}");
        check("pg_trim_array('{1}', 2)", "number of elements to trim must be between 0 and 1 (2202E)");
        check("pg_array_contains('{1,2,3}', '{3,1}', 1007)", "1");
        check("pg_array_contains('{1,NULL}', '{NULL}', 1007)", "0");
        check("pg_array_overlaps('{1,2}', '{2,9}', 1007)", "1");
        check("pg_array_overlaps('{1}', '{}', 1007)", "0");
    }
}
