//! JSON: operators, construction from values of any type, changing, aggregation.
//!
//! `->` gives a part as it is written, so that `json` keeps its spelling and `jsonb` its canonical form.

use std::collections::VecDeque;

use storage::rusqlite::{self, Connection};
use storage::{Value, ValueRef};

use super::Form::{Call, Pattern};
use super::aggregate::{self, State};
use super::body::{Arguments, boolean, lenient, strict, text};
use super::cast::{formats, output};
use super::format::type_list;
use super::{Cast, CastContext, Function, Operator, function_table};
use crate::error::SqlError;
use crate::session::settings::Formats;
use crate::types::array::Array;
use crate::types::datetime::{Timestamp, zone};
use crate::types::json::{self, Json, Spans, Step, push_string};
use crate::types::text::element_value;
use crate::types::{catalog, oid};

pub(super) static FUNCTIONS: &[Function] = function_table! {
    "to_json"(ANYELEMENT) -> JSON, Stable, Pattern("pg_to_json({timezone}, {types}, {0})");
    "to_jsonb"(ANYELEMENT) -> JSONB, Stable, Pattern("pg_canonical_json(pg_to_json({timezone}, {types}, {0}))");
    "row_to_json"(RECORD) -> JSON, Stable, Pattern("{0}");
    "array_to_json"(ANYARRAY) -> JSON, Stable, Pattern("pg_to_json({timezone}, {types}, {0})");
    "json_build_object"() variadic ANY -> JSON, Stable, Pattern("pg_json_build_object({timezone}, {types}{, *})");
    "jsonb_build_object"() variadic ANY -> JSONB, Stable, Pattern("pg_canonical_json(pg_json_build_object({timezone}, {types}{, *}))");
    "json_build_array"() variadic ANY -> JSON, Stable, Pattern("pg_json_build_array({timezone}, {types}{, *})");
    "jsonb_build_array"() variadic ANY -> JSONB, Stable, Pattern("pg_canonical_json(pg_json_build_array({timezone}, {types}{, *}))");
    "json_typeof"(JSON) -> TEXT, Immutable, Call("pg_json_typeof");
    "jsonb_typeof"(JSONB) -> TEXT, Immutable, Call("pg_json_typeof");
    "json_array_length"(JSON) -> INT4, Immutable, Call("pg_json_array_length");
    "jsonb_array_length"(JSONB) -> INT4, Immutable, Call("pg_json_array_length");
    "json_extract_path"(JSON) variadic TEXT -> JSON, Immutable, Pattern("pg_json_path({*})");
    "jsonb_extract_path"(JSONB) variadic TEXT -> JSONB, Immutable, Pattern("pg_json_path({*})");
    "json_extract_path_text"(JSON) variadic TEXT -> TEXT, Immutable, Pattern("pg_json_text(pg_json_path({*}))");
    "jsonb_extract_path_text"(JSONB) variadic TEXT -> TEXT, Immutable, Pattern("pg_json_text(pg_json_path({*}))");
    "jsonb_set"(JSONB, TEXT_ARRAY, JSONB) -> JSONB, Immutable, Pattern("pg_jsonb_set({0}, {1}, {2}, 1)");
    "jsonb_set"(JSONB, TEXT_ARRAY, JSONB, BOOL) -> JSONB, Immutable, Call("pg_jsonb_set");
    "jsonb_insert"(JSONB, TEXT_ARRAY, JSONB) -> JSONB, Immutable, Pattern("pg_jsonb_insert({0}, {1}, {2}, 0)");
    "jsonb_insert"(JSONB, TEXT_ARRAY, JSONB, BOOL) -> JSONB, Immutable, Call("pg_jsonb_insert");
    "jsonb_pretty"(JSONB) -> TEXT, Immutable, Call("pg_jsonb_pretty");
    "jsonb_strip_nulls"(JSONB) -> JSONB, Immutable, Call("pg_jsonb_strip_nulls");
    Aggregate "json_agg"(ANYELEMENT) -> JSON, Stable, Pattern("pg_json_agg({timezone}, {types}, {0})");
    Aggregate "jsonb_agg"(ANYELEMENT) -> JSONB, Stable, Pattern("pg_jsonb_agg({timezone}, {types}, {0})");
    Aggregate "json_object_agg"(ANY, ANY) -> JSON, Stable, Pattern("pg_json_object_agg({timezone}, {types}, {0}, {1})");
    Aggregate "jsonb_object_agg"(ANY, ANY) -> JSONB, Stable, Pattern("pg_jsonb_object_agg({timezone}, {types}, {0}, {1})");
};

pub(super) fn operators(table: &mut Vec<Operator>) {
    use oid::{BOOL, INT4, JSON, JSONB, TEXT, TEXT_ARRAY};
    let mut add = |name: &'static str, left: u32, right: u32, result: u32, form| {
        table.push(Operator { name, left: Some(left), right, result, form });
    };
    for document in [JSON, JSONB] {
        add("->", document, TEXT, document, Call("pg_json_member"));
        let item = if document == JSONB { Call("pg_jsonb_item") } else { Call("pg_json_item") };
        add("->", document, INT4, document, item);
        add("->>", document, TEXT, TEXT, Pattern("pg_json_text(pg_json_member({0}, {1}))"));
        let item_text = if document == JSONB {
            "pg_json_text(pg_jsonb_item({0}, {1}))"
        } else {
            "pg_json_text(pg_json_item({0}, {1}))"
        };
        add("->>", document, INT4, TEXT, Pattern(item_text));
        add("#>", document, TEXT_ARRAY, document, Call("pg_json_at"));
        add("#>>", document, TEXT_ARRAY, TEXT, Pattern("pg_json_text(pg_json_at({0}, {1}))"));
    }
    for (name, right, result, form) in [
        ("@>", JSONB, BOOL, Call("pg_jsonb_contains")),
        ("<@", JSONB, BOOL, Pattern("pg_jsonb_contains({1}, {0})")),
        ("?", TEXT, BOOL, Call("pg_jsonb_has")),
        ("?|", TEXT_ARRAY, BOOL, Pattern("pg_jsonb_has_keys({0}, {1}, 0)")),
        ("?&", TEXT_ARRAY, BOOL, Pattern("pg_jsonb_has_keys({0}, {1}, 1)")),
        ("||", JSONB, JSONB, Call("pg_jsonb_concat")),
        ("-", TEXT, JSONB, Call("pg_jsonb_delete_key")),
        ("-", INT4, JSONB, Call("pg_jsonb_delete_item")),
        ("-", TEXT_ARRAY, JSONB, Call("pg_jsonb_delete_keys")),
        ("#-", TEXT_ARRAY, JSONB, Call("pg_jsonb_delete_path")),
    ] {
        add(name, JSONB, right, result, form);
    }
}

pub(super) fn casts(table: &mut Vec<Cast>) {
    use oid::{BOOL, FLOAT4, FLOAT8, INT2, INT4, INT8, JSON, JSONB, NUMERIC};
    let mut add = |from, to, context, form| table.push(Cast { from, to, context, form });
    add(JSON, JSONB, CastContext::Assignment, Call("pg_canonical_json"));
    add(JSONB, JSON, CastContext::Assignment, super::Form::Same);
    for (to, form) in [
        (BOOL, Pattern("pg_jsonb_scalar({0}, 'boolean')")),
        (NUMERIC, Pattern("pg_jsonb_scalar({0}, 'numeric')")),
        (INT2, Pattern("pg_numeric_to_int(pg_jsonb_scalar({0}, 'smallint'), 16)")),
        (INT4, Pattern("pg_numeric_to_int(pg_jsonb_scalar({0}, 'integer'), 32)")),
        (INT8, Pattern("pg_numeric_to_int(pg_jsonb_scalar({0}, 'bigint'), 64)")),
        (FLOAT4, Pattern("pg_float4(pg_numeric_to_float(pg_jsonb_scalar({0}, 'real')))")),
        (FLOAT8, Pattern("pg_numeric_to_float(pg_jsonb_scalar({0}, 'double precision'))")),
    ] {
        add(JSONB, to, CastContext::Explicit, form);
    }
}

/// A value of any type as JSON, as `to_json` gives it.
fn push_value(out: &mut String, type_oid: u32, value: ValueRef<'_>, formats: &Formats) -> Result<(), SqlError> {
    let shown = |value| output(type_oid, value, formats);
    match (type_oid, value) {
        (_, ValueRef::Null) => out.push_str("null"),
        (oid::BOOL, ValueRef::Integer(value)) => out.push_str(if value == 0 { "false" } else { "true" }),
        (oid::INT2 | oid::INT4 | oid::INT8 | oid::FLOAT4 | oid::FLOAT8 | oid::NUMERIC, value) => {
            let number = shown(value);
            // NaN and the infinities are no JSON numbers.
            if number.ends_with(|c: char| c.is_ascii_digit()) {
                out.push_str(&number)
            } else {
                push_string(out, &number)
            }
        }
        // A row is carried as its object.
        (oid::JSON | oid::JSONB | oid::RECORD, ValueRef::Text(document)) => out.push_str(document),
        (oid::TIMESTAMP, value) => push_string(out, &shown(value).replacen(' ', "T", 1)),
        (oid::TIMESTAMPTZ, ValueRef::Text(stored)) => push_string(out, &zoned(stored, formats)?),
        (array, ValueRef::Text(elements)) => match catalog::element_of(array) {
            Some(element_oid) => push_array(out, element_oid, &Array::parse(elements)?, formats)?,
            None => push_string(out, &shown(value)),
        },
        (_, value) => push_string(out, &shown(value)),
    }
    Ok(())
}

/// A moment in ISO 8601 with minutes in its offset.
fn zoned(stored: &str, formats: &Formats) -> Result<String, SqlError> {
    let Some(moment) = Timestamp::load(stored).filter(|moment| !moment.is_infinite()) else {
        return Ok(stored.to_owned());
    };
    let mut shown = moment.show_in(&*zone::find(&formats.time_zone)?).replacen(' ', "T", 1);
    let era = if shown.ends_with(" BC") { shown.split_off(shown.len() - 3) } else { String::new() };
    let offset = shown.rfind(['+', '-']).map_or("", |at| &shown[at..]);
    if !offset.contains(':') {
        shown.push_str(":00");
    }
    shown.push_str(&era);
    Ok(shown)
}

fn push_array(out: &mut String, element_oid: u32, array: &Array, formats: &Formats) -> Result<(), SqlError> {
    push_level(out, element_oid, &array.dimensions, &array.elements, formats)
}

fn push_level(
    out: &mut String,
    element_oid: u32,
    dimensions: &[(usize, i32)],
    elements: &[Option<String>],
    formats: &Formats,
) -> Result<(), SqlError> {
    out.push('[');
    if let Some(((length, _), inner)) = dimensions.split_first() {
        let stride = (elements.len() / (*length).max(1)).max(1);
        for (at, part) in elements.chunks(stride).enumerate() {
            if at > 0 {
                out.push(',');
            }
            match (inner.is_empty(), part) {
                (true, [None]) => out.push_str("null"),
                (true, [Some(element)]) => {
                    push_value(out, element_oid, element_value(element_oid, element)?.as_ref(), formats)?;
                }
                _ => push_level(out, element_oid, inner, part, formats)?,
            }
        }
    }
    out.push(']');
    Ok(())
}

/// The arguments of `f(time zone, types, value, ..)` as JSON.
fn values(a: &Arguments<'_>) -> Result<Vec<String>, SqlError> {
    let formats = formats(None, Some(&a.text(0)?));
    (2..a.len())
        .zip(type_list(a, 1)?)
        .map(|(at, type_oid)| {
            let mut out = String::new();
            push_value(&mut out, type_oid, a.value(at), &formats).map(|()| out)
        })
        .collect()
}

/// Argument `at` of `f(time zone, types, value, ..)` as the text of a key.
fn key(a: &Arguments<'_>, at: usize) -> Result<String, SqlError> {
    if a.is_null(at + 2) {
        return Err(SqlError::new("22004", format!("argument {}: key must not be null", at + 1)));
    }
    let type_oid = type_list(a, 1)?.get(at).copied().unwrap_or(oid::TEXT);
    let mut out = String::new();
    push_string(&mut out, &output(type_oid, a.value(at + 2), &formats(None, Some(&a.text(0)?))));
    Ok(out)
}

fn build_object(a: &Arguments<'_>) -> Result<Value, SqlError> {
    let values = values(a)?;
    if values.len() % 2 != 0 {
        return Err(SqlError::new("22023", "argument list must have even number of elements")
            .hint("The arguments of json_build_object() must consist of alternating keys and values."));
    }
    let members = (0..values.len())
        .step_by(2)
        .map(|at| Ok(format!("{} : {}", key(a, at)?, values[at + 1])))
        .collect::<Result<Vec<_>, SqlError>>()?;
    Ok(text(format!("{{{}}}", members.join(", "))))
}

/// `f(time zone, types, name, value, ..)`: a row as `row_to_json` shows it.
fn build_row(a: &Arguments<'_>) -> Result<Value, SqlError> {
    let values = values(a)?;
    let member = |at: usize| Ok(format!("{}:{}", key(a, at)?, values[at + 1]));
    let members = (0..values.len() / 2).map(|pair| member(pair * 2)).collect::<Result<Vec<_>, SqlError>>()?;
    Ok(text(format!("{{{}}}", members.join(","))))
}

fn part(found: Option<&str>) -> Value {
    found.map_or(Value::Null, text)
}

/// The steps of a path.
fn path(a: &Arguments<'_>, at: usize) -> Result<Vec<Option<String>>, SqlError> {
    Ok(Array::parse(&a.text(at)?)?.elements)
}

fn keys(a: &Arguments<'_>, at: usize) -> Result<Vec<String>, SqlError> {
    Ok(Array::parse(&a.text(at)?)?.elements.into_iter().flatten().collect())
}

fn document(a: &Arguments<'_>, at: usize) -> Result<Json, SqlError> {
    json::parse_canonical(&a.text(at)?)
}

fn shown(value: Json) -> Value {
    text(value.canonical().to_string())
}

pub(super) fn register(conn: &Connection) -> rusqlite::Result<()> {
    register_access(conn)?;
    register_construction(conn)?;
    register_changes(conn)?;
    aggregate::add::<Items<false>>(conn, "pg_json_agg", 3)?;
    aggregate::add::<Items<true>>(conn, "pg_jsonb_agg", 3)?;
    aggregate::add::<Members<false>>(conn, "pg_json_object_agg", 4)?;
    aggregate::add::<Members<true>>(conn, "pg_jsonb_object_agg", 4)
}

fn register_access(conn: &Connection) -> rusqlite::Result<()> {
    strict(conn, "pg_json_member", 2, |a| Ok(part(json::locate(&a.text(0)?, &[Step::Key(&a.text(1)?)])?)))?;
    strict(conn, "pg_json_item", 2, |a| Ok(part(json::locate(&a.text(0)?, &[Step::Item(a.int(1)?)])?)))?;
    strict(conn, "pg_jsonb_item", 2, |a| {
        let value = a.text(0)?;
        // A scalar counts as a list of itself, as in PostgreSQL.
        match (value.as_bytes().first(), a.int(1)?) {
            (Some(b'[' | b'{'), at) => Ok(part(json::locate(&value, &[Step::Item(at)])?)),
            (_, 0 | -1) => Ok(text(value.into_owned())),
            _ => Ok(Value::Null),
        }
    })?;
    strict(conn, "pg_json_at", 2, |a| {
        let path = path(a, 1)?;
        // A NULL step leads nowhere.
        let Some(steps) = path.iter().map(|step| step.as_deref().map(Step::Either)).collect::<Option<Vec<_>>>() else {
            return Ok(Value::Null);
        };
        Ok(part(json::locate(&a.text(0)?, &steps)?))
    })?;
    strict(conn, "pg_json_path", -1, |a| {
        let path = (1..a.len()).map(|at| a.text(at)).collect::<Result<Vec<_>, _>>()?;
        let steps: Vec<Step<'_>> = path.iter().map(|step| Step::Either(step)).collect();
        Ok(part(json::locate(&a.text(0)?, &steps)?))
    })?;
    strict(conn, "pg_json_text", 1, |a| {
        let value = a.text(0)?;
        // Containers and numbers are shown as they are written.
        Ok(match value.as_bytes().first() {
            Some(b'"') => json::parse(&value)?.as_text().map_or(Value::Null, Value::Text),
            _ if value == "null" => Value::Null,
            _ => text(value),
        })
    })?;
    strict(conn, "pg_json_typeof", 1, |a| Ok(text(json::parse(&a.text(0)?)?.type_name())))?;
    strict(conn, "pg_json_array_length", 1, |a| match json::spans(&a.text(0)?)? {
        Spans::Array(items) => Ok(Value::Integer(items.len() as i64)),
        Spans::Object(_) => Err(SqlError::new("22023", "cannot get array length of a non-array")),
        Spans::Scalar => Err(SqlError::new("22023", "cannot get array length of a scalar")),
    })?;
    strict(conn, "pg_jsonb_contains", 2, |a| Ok(boolean(document(a, 0)?.contains(&document(a, 1)?))))?;
    strict(conn, "pg_jsonb_has", 2, |a| Ok(boolean(has(&document(a, 0)?, &a.text(1)?))))?;
    strict(conn, "pg_jsonb_has_keys", 3, |a| {
        let (value, keys) = (document(a, 0)?, keys(a, 1)?);
        let all = a.int(2)? != 0;
        Ok(boolean(if all { keys.iter().all(|key| has(&value, key)) } else { keys.iter().any(|key| has(&value, key)) }))
    })?;
    strict(conn, "pg_jsonb_scalar", 2, |a| {
        let wanted = a.text(1)?;
        match (document(a, 0)?, &*wanted) {
            (Json::Bool(value), "boolean") => Ok(boolean(value)),
            (Json::Number(number), type_name) if type_name != "boolean" => Ok(text(number)),
            (other, type_name) => {
                Err(SqlError::new("22023", format!("cannot cast jsonb {} to type {type_name}", other.type_name())))
            }
        }
    })
}

/// `?`: a key of an object, a string in an array, or the string itself.
fn has(value: &Json, key: &str) -> bool {
    match value {
        Json::Object(_) => value.member(key).is_some(),
        Json::Array(items) => items.iter().any(|item| matches!(item, Json::String(text) if text == key)),
        Json::String(text) => text == key,
        Json::Null | Json::Bool(_) | Json::Number(_) => false,
    }
}

fn register_construction(conn: &Connection) -> rusqlite::Result<()> {
    strict(conn, "pg_canonical_json", 1, |a| Ok(text(document(a, 0)?.to_string())))?;
    lenient(conn, "pg_to_json", 3, |a| {
        if a.is_null(2) {
            return Ok(Value::Null);
        }
        Ok(text(values(a)?.concat()))
    })?;
    lenient(conn, "pg_json_build_object", -1, build_object)?;
    lenient(conn, "pg_json_row", -1, build_row)?;
    lenient(conn, "pg_json_build_array", -1, |a| Ok(text(format!("[{}]", values(a)?.join(", ")))))?;
    strict(conn, "pg_jsonb_pretty", 1, |a| {
        let mut out = String::new();
        push_pretty(&mut out, &document(a, 0)?, 0);
        Ok(text(out))
    })?;
    strict(conn, "pg_jsonb_strip_nulls", 1, |a| Ok(shown(without_nulls(document(a, 0)?))))
}

fn push_pretty(out: &mut String, value: &Json, depth: usize) {
    let indent = |out: &mut String, depth: usize| {
        out.push('\n');
        out.extend(std::iter::repeat_n(' ', depth * 4));
    };
    match value {
        Json::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                indent(out, depth + 1);
                push_pretty(out, item, depth + 1);
            }
            indent(out, depth);
            out.push(']');
        }
        Json::Object(members) => {
            out.push('{');
            for (at, (key, item)) in members.iter().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                indent(out, depth + 1);
                push_string(out, key);
                out.push_str(": ");
                push_pretty(out, item, depth + 1);
            }
            indent(out, depth);
            out.push('}');
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => out.push_str(&value.to_string()),
    }
}

fn without_nulls(value: Json) -> Json {
    match value {
        Json::Object(members) => Json::Object(
            members
                .into_iter()
                .filter(|(_, value)| *value != Json::Null)
                .map(|(key, value)| (key, without_nulls(value)))
                .collect(),
        ),
        Json::Array(items) => Json::Array(items.into_iter().map(without_nulls).collect()),
        other @ (Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_)) => other,
    }
}

/// What happens where a path ends.
enum Change {
    /// Replace, and create the last step where it is missing if so told.
    Set {
        value: Json,
        create: bool,
    },
    /// Insert before or after an item; a key must be new.
    Insert {
        value: Json,
        after: bool,
    },
    Delete,
}

fn register_changes(conn: &Connection) -> rusqlite::Result<()> {
    strict(conn, "pg_jsonb_set", 4, |a| {
        let change = Change::Set { value: document(a, 2)?, create: a.int(3)? != 0 };
        changed(document(a, 0)?, &path(a, 1)?, change)
    })?;
    strict(conn, "pg_jsonb_insert", 4, |a| {
        let change = Change::Insert { value: document(a, 2)?, after: a.int(3)? != 0 };
        changed(document(a, 0)?, &path(a, 1)?, change)
    })?;
    strict(conn, "pg_jsonb_delete_path", 2, |a| changed(document(a, 0)?, &path(a, 1)?, Change::Delete))?;
    strict(conn, "pg_jsonb_concat", 2, |a| Ok(shown(concatenated(document(a, 0)?, document(a, 1)?))))?;
    strict(conn, "pg_jsonb_delete_key", 2, |a| delete_keys(document(a, 0)?, &[a.text(1)?.into_owned()]))?;
    strict(conn, "pg_jsonb_delete_keys", 2, |a| delete_keys(document(a, 0)?, &keys(a, 1)?))?;
    strict(conn, "pg_jsonb_delete_item", 2, |a| match document(a, 0)? {
        Json::Array(mut items) => {
            if let Some(at) = position(items.len(), a.int(1)?) {
                items.remove(at);
            }
            Ok(shown(Json::Array(items)))
        }
        Json::Object(_) => Err(SqlError::new("22023", "cannot delete from object using integer index")),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {
            Err(SqlError::new("22023", "cannot delete from scalar"))
        }
    })
}

/// The place of a position that may count from the end.
fn position(length: usize, at: i64) -> Option<usize> {
    let at = if at < 0 { at + length as i64 } else { at };
    usize::try_from(at).ok().filter(|at| *at < length)
}

fn delete_keys(value: Json, keys: &[String]) -> Result<Value, SqlError> {
    match value {
        Json::Object(mut members) => {
            members.retain(|(key, _)| !keys.contains(key));
            Ok(shown(Json::Object(members)))
        }
        Json::Array(mut items) => {
            items.retain(|item| !matches!(item, Json::String(text) if keys.contains(text)));
            Ok(shown(Json::Array(items)))
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {
            Err(SqlError::new("22023", "cannot delete from scalar"))
        }
    }
}

/// Objects are merged; anything else is a list of items.
fn concatenated(left: Json, right: Json) -> Json {
    match (left, right) {
        (Json::Object(mut left), Json::Object(right)) => {
            left.extend(right);
            Json::Object(left)
        }
        (Json::Array(mut left), Json::Array(right)) => {
            left.extend(right);
            Json::Array(left)
        }
        (Json::Array(mut left), right) => {
            left.push(right);
            Json::Array(left)
        }
        (left, Json::Array(mut right)) => {
            right.insert(0, left);
            Json::Array(right)
        }
        (left, right) => Json::Array(vec![left, right]),
    }
}

fn changed(mut value: Json, path: &[Option<String>], change: Change) -> Result<Value, SqlError> {
    if matches!(value, Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_)) {
        let verb = if matches!(change, Change::Delete) { "delete path in scalar" } else { "set path in scalar" };
        return Err(SqlError::new("22023", format!("cannot {verb}")));
    }
    // An empty document has nothing to delete or replace.
    let empty = match &value {
        Json::Object(members) => members.is_empty(),
        Json::Array(items) => items.is_empty(),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => false,
    };
    let nothing_to_change = empty && matches!(change, Change::Delete | Change::Set { create: false, .. });
    if !path.is_empty() && !nothing_to_change {
        apply(&mut value, path, 1, change)?;
    }
    Ok(shown(value))
}

fn apply(value: &mut Json, path: &[Option<String>], depth: usize, change: Change) -> Result<(), SqlError> {
    let Some((step, rest)) = path.split_first() else { return Ok(()) };
    let Some(step) = step else {
        return Err(SqlError::new("22004", format!("path element at position {depth} is null")));
    };
    match value {
        Json::Object(members) => {
            let at = members.iter().position(|(key, _)| key == step);
            match (at, rest.is_empty()) {
                (Some(at), false) => return apply(&mut members[at].1, rest, depth + 1, change),
                (None, false) => {}
                (at, true) => change_member(members, at, step, change)?,
            }
        }
        Json::Array(items) => {
            let number: i64 = step.trim().parse().map_err(|_| {
                SqlError::new("22P02", format!("path element at position {depth} is not an integer: \"{step}\""))
            })?;
            let at = position(items.len(), number);
            match (at, rest.is_empty()) {
                (Some(at), false) => return apply(&mut items[at], rest, depth + 1, change),
                (None, false) => {}
                (at, true) => change_item(items, at, number, change),
            }
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
    }
    Ok(())
}

fn change_member(
    members: &mut Vec<(String, Json)>,
    at: Option<usize>,
    key: &str,
    change: Change,
) -> Result<(), SqlError> {
    match (at, change) {
        (Some(at), Change::Set { value, .. }) => members[at].1 = value,
        (Some(at), Change::Delete) => {
            members.remove(at);
        }
        (Some(_), Change::Insert { .. }) => {
            return Err(SqlError::new("22023", "cannot replace existing key")
                .hint("Try using the function jsonb_set to replace key value."));
        }
        (None, Change::Set { value, create: true } | Change::Insert { value, .. }) => {
            members.push((key.to_owned(), value));
        }
        (None, Change::Set { create: false, .. } | Change::Delete) => {}
    }
    Ok(())
}

fn change_item(items: &mut Vec<Json>, at: Option<usize>, number: i64, change: Change) {
    match (at, change) {
        (Some(at), Change::Set { value, .. }) => items[at] = value,
        (Some(at), Change::Delete) => {
            items.remove(at);
        }
        (Some(at), Change::Insert { value, after }) => items.insert(at + usize::from(after), value),
        // Beyond either end: at that end.
        (None, Change::Set { value, create: true } | Change::Insert { value, .. }) => {
            items.insert(if number < 0 { 0 } else { items.len() }, value);
        }
        (None, Change::Set { create: false, .. } | Change::Delete) => {}
    }
}

/// The items of `json_agg`, and whether they are rows or arrays, each of which stands on a line of its own.
#[derive(Default)]
struct Items<const CANONICAL: bool>(VecDeque<String>, bool);

impl<const CANONICAL: bool> State for Items<CANONICAL> {
    const TAKES_NULL: bool = true;

    fn add(&mut self, a: &Arguments<'_>) -> Result<(), SqlError> {
        self.0.push_back(values(a)?.concat());
        let element = type_list(a, 1)?.first().copied().unwrap_or(oid::TEXT);
        self.1 = element == oid::RECORD || catalog::element_of(element).is_some();
        Ok(())
    }

    fn remove(&mut self, _: &Arguments<'_>) -> Result<(), SqlError> {
        self.0.pop_front();
        Ok(())
    }

    fn result(&self) -> Result<Value, SqlError> {
        if self.0.is_empty() {
            return Ok(Value::Null);
        }
        let items: Vec<&str> = self.0.iter().map(String::as_str).collect();
        finished::<CANONICAL>(format!("[{}]", items.join(if self.1 { ", \n " } else { ", " })))
    }
}

/// The members of `json_object_agg`.
#[derive(Default)]
struct Members<const CANONICAL: bool>(VecDeque<String>);

impl<const CANONICAL: bool> State for Members<CANONICAL> {
    const TAKES_NULL: bool = true;

    fn add(&mut self, a: &Arguments<'_>) -> Result<(), SqlError> {
        if a.is_null(2) {
            return Err(SqlError::new("22023", "field name must not be null"));
        }
        let values = values(a)?;
        self.0.push_back(format!("{} : {}", key(a, 0)?, values.get(1).map_or("null", String::as_str)));
        Ok(())
    }

    fn remove(&mut self, _: &Arguments<'_>) -> Result<(), SqlError> {
        self.0.pop_front();
        Ok(())
    }

    fn result(&self) -> Result<Value, SqlError> {
        if self.0.is_empty() {
            return Ok(Value::Null);
        }
        let members: Vec<&str> = self.0.iter().map(String::as_str).collect();
        finished::<CANONICAL>(format!("{{ {} }}", members.join(", ")))
    }
}

fn finished<const CANONICAL: bool>(document: String) -> Result<Value, SqlError> {
    if CANONICAL { json::parse_canonical(&document).map(|value| text(value.to_string())) } else { Ok(text(document)) }
}

#[cfg(test)]
mod tests;
