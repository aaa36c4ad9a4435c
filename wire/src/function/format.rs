//! Functions that show values of any type: `concat`, `concat_ws`, `format`.
//!
//! The emitted call carries the session's time zone and the list of its arguments' types, so that each value is shown by
//! its type's output function.

use storage::rusqlite::{self, Connection};
use storage::{Value, ValueRef};

use super::body::{Arguments, lenient, text};
use super::cast::{formats, output};
use super::string::{quote_identifier, quote_literal};
use crate::error::SqlError;
use crate::types::oid;

/// The arguments of a call `f(time zone, 'oid,oid,..', value, ..)`, shown; `None` is NULL.
pub(super) fn shown(a: &Arguments<'_>) -> Result<Vec<Option<String>>, SqlError> {
    let formats = formats(None, Some(&a.text(0)?));
    let types = type_list(a, 1)?;
    Ok((2..a.len())
        .zip(types)
        .map(|(at, type_oid)| (!a.is_null(at)).then(|| output(type_oid, a.value(at), &formats)))
        .collect())
}

/// The `{types}` argument of a call.
pub(super) fn type_list(a: &Arguments<'_>, at: usize) -> Result<Vec<u32>, SqlError> {
    a.text(at)?
        .split(',')
        .filter(|part| !part.is_empty())
        .map(|part| part.parse().map_err(|_| SqlError::new("XX000", "malformed list of argument types")))
        .collect()
}

fn nulls(a: &Arguments<'_>) -> i64 {
    (0..a.len()).filter(|at| a.is_null(*at)).count() as i64
}

pub(super) fn register(conn: &Connection) -> rusqlite::Result<()> {
    lenient(conn, "pg_concat", -1, |a| Ok(text(shown(a)?.into_iter().flatten().collect::<String>())))?;
    lenient(conn, "pg_shown", 3, |a| {
        // As the cast to text shows it, which writes out booleans.
        let shown = match (type_list(a, 1)?.as_slice(), a.value(2)) {
            ([oid::BOOL], ValueRef::Integer(value)) => Some(if value == 0 { "false" } else { "true" }.to_owned()),
            _ => shown(a)?.into_iter().flatten().next(),
        };
        Ok(shown.map_or(Value::Null, text))
    })?;
    lenient(conn, "pg_num_nulls", -1, |a| Ok(Value::Integer(nulls(a))))?;
    lenient(conn, "pg_num_nonnulls", -1, |a| Ok(Value::Integer(a.len() as i64 - nulls(a))))?;
    lenient(conn, "pg_concat_ws", -1, |a| {
        let mut values = shown(a)?.into_iter();
        let Some(Some(separator)) = values.next() else { return Ok(Value::Null) };
        Ok(text(values.flatten().collect::<Vec<_>>().join(&separator)))
    })?;
    lenient(conn, "pg_format", -1, |a| {
        let mut values = shown(a)?.into_iter();
        let Some(Some(pattern)) = values.next() else { return Ok(Value::Null) };
        format(&pattern, &values.collect::<Vec<_>>()).map(text)
    })
}

/// One `%` specifier: `%[position$][-][width | * | *position$]type`.
#[derive(Default)]
struct Specifier {
    position: Option<usize>,
    left: bool,
    width: Width,
}

#[derive(Default)]
enum Width {
    #[default]
    None,
    Fixed(i64),
    Next,
    Argument(usize),
}

/// Widest field that `format` pads to: a bound on what a width from a value can allocate.
const WIDTH_MAX: i64 = 10_000_000;

fn format(pattern: &str, values: &[Option<String>]) -> Result<String, SqlError> {
    let mut out = String::new();
    let mut next = 0;
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        if let Some(after) = after.strip_prefix('%') {
            out.push('%');
            rest = after;
            continue;
        }
        let (mut specifier, kind, after) = specifier(after)?;
        if let Width::Next | Width::Argument(_) = specifier.width {
            let at = if let Width::Argument(at) = specifier.width { at } else { take(&mut next) };
            let width = argument(values, at)?.as_deref().unwrap_or("0");
            specifier.width =
                Width::Fixed(width.parse().map_err(|_| {
                    SqlError::new("22P02", format!("invalid input syntax for type integer: \"{width}\""))
                })?);
        }
        let at = match specifier.position {
            Some(at) => {
                next = at + 1;
                at
            }
            None => take(&mut next),
        };
        let value = argument(values, at)?;
        let text = match (kind, value) {
            ('s', value) => value.clone().unwrap_or_default(),
            ('I', Some(value)) => quote_identifier(value),
            ('I', None) => return Err(SqlError::new("22004", "null values cannot be formatted as an SQL identifier")),
            ('L', value) => value.as_deref().map_or_else(|| "NULL".to_owned(), quote_literal),
            (other, _) => {
                return Err(SqlError::new("22023", format!("unrecognized format() type specifier \"{other}\""))
                    .hint("For a single \"%\" use \"%%\"."));
            }
        };
        push_padded(&mut out, &text, &specifier)?;
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

fn take(next: &mut usize) -> usize {
    *next += 1;
    *next - 1
}

fn argument(values: &[Option<String>], at: usize) -> Result<&Option<String>, SqlError> {
    values.get(at).ok_or_else(|| SqlError::new("22023", "too few arguments for format()"))
}

fn push_padded(out: &mut String, text: &str, specifier: &Specifier) -> Result<(), SqlError> {
    let Width::Fixed(width) = specifier.width else {
        out.push_str(text);
        return Ok(());
    };
    if width.abs() > WIDTH_MAX {
        return Err(SqlError::new("22003", "number is out of range"));
    }
    let missing = usize::try_from(width.abs()).unwrap_or(0).saturating_sub(text.chars().count());
    let padding = " ".repeat(missing);
    // A negative width aligns left.
    if specifier.left || width < 0 {
        out.push_str(text);
        out.push_str(&padding);
    } else {
        out.push_str(&padding);
        out.push_str(text);
    }
    Ok(())
}

/// Leading digits as a number, and what follows.
fn number(text: &str) -> Result<(Option<usize>, &str), SqlError> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    if end == 0 {
        return Ok((None, text));
    }
    let value = text[..end].parse().map_err(|_| SqlError::new("22003", "number is out of range"))?;
    Ok((Some(value), &text[end..]))
}

fn specifier(text: &str) -> Result<(Specifier, char, &str), SqlError> {
    let position = |at: usize| {
        at.checked_sub(1)
            .ok_or_else(|| SqlError::new("22023", "format specifies argument 0, but arguments are numbered from 1"))
    };
    let mut specifier = Specifier::default();
    let (leading, mut rest) = number(text)?;
    match (leading, rest.strip_prefix('$')) {
        (Some(at), Some(after)) => {
            specifier.position = Some(position(at)?);
            rest = after;
        }
        (Some(width), None) => specifier.width = Width::Fixed(width as i64),
        (None, _) => {}
    }
    while let Some(after) = rest.strip_prefix('-') {
        specifier.left = true;
        rest = after;
    }
    if let Some(after) = rest.strip_prefix('*') {
        let (at, tail) = number(after)?;
        (specifier.width, rest) = match (at, tail.strip_prefix('$')) {
            (Some(at), Some(tail)) => (Width::Argument(position(at)?), tail),
            _ => (Width::Next, after),
        };
    } else if let (Some(width), after) = number(rest)? {
        specifier.width = Width::Fixed(width as i64);
        rest = after;
    }
    let mut chars = rest.chars();
    let Some(kind) = chars.next() else {
        return Err(
            SqlError::new("22023", "unterminated format() type specifier").hint("For a single \"%\" use \"%%\".")
        );
    };
    Ok((specifier, kind, chars.as_str()))
}
