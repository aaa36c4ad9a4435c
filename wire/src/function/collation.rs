//! Collations under which storage forms compare as PostgreSQL's values do (see [`crate::types::catalog::collation`]).
//!
//! A text that is no value of the type sorts after all values, by its bytes, so that the order is total whatever a file
//! holds.

use std::cmp::Ordering;

use storage::rusqlite::{self, Connection};

use crate::types::array::Array;
use crate::types::datetime::interval;
use crate::types::datetime::timetz::TimeTz;
use crate::types::json;
use crate::types::numeric::Numeric;

/// Orders texts by the values they parse to.
fn by_value<T>(a: &str, b: &str, parse: impl Fn(&str) -> Option<T>, compare: impl Fn(&T, &T) -> Ordering) -> Ordering {
    if a == b {
        return Ordering::Equal;
    }
    match (parse(a), parse(b)) {
        (Some(left), Some(right)) => compare(&left, &right),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => a.cmp(b),
    }
}

fn numbers(a: &str, b: &str) -> Ordering {
    by_value(a, b, |text| Numeric::parse(text).ok(), Numeric::cmp)
}

fn intervals(a: &str, b: &str) -> Ordering {
    by_value(a, b, |text| interval::parse(text).ok(), interval::Interval::cmp)
}

fn zoned_times(a: &str, b: &str) -> Ordering {
    by_value(a, b, TimeTz::load, TimeTz::cmp)
}

fn documents(a: &str, b: &str) -> Ordering {
    by_value(a, b, |text| json::parse(text).ok(), json::Json::compare)
}

fn padded(a: &str, b: &str) -> Ordering {
    a.trim_end_matches(' ').cmp(b.trim_end_matches(' '))
}

/// Orders arrays element by element, NULL last, then by length, then by shape, as PostgreSQL does.
pub(super) fn arrays(a: &Array, b: &Array, compare: fn(&str, &str) -> Ordering) -> Ordering {
    let elements = a.elements.iter().zip(&b.elements).map(|pair| match pair {
        (Some(left), Some(right)) => compare(left, right),
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
    });
    elements
        .into_iter()
        .find(|order| order.is_ne())
        .unwrap_or_else(|| a.elements.len().cmp(&b.elements.len()))
        .then_with(|| a.dimensions.len().cmp(&b.dimensions.len()))
        .then_with(|| a.dimensions.cmp(&b.dimensions))
}

/// How the elements of a collation's arrays compare.
pub(super) fn element_order(collation: &str) -> fn(&str, &str) -> Ordering {
    match collation {
        "pg_numeric" | "pg_array_number" => numbers,
        "pg_interval" | "pg_array_interval" => intervals,
        "pg_timetz" | "pg_array_timetz" => zoned_times,
        "pg_jsonb" | "pg_array_jsonb" => documents,
        "rtrim" | "pg_array_bpchar" => padded,
        _ => |a, b| a.cmp(b),
    }
}

pub(super) fn register(conn: &Connection) -> rusqlite::Result<()> {
    conn.create_collation("pg_numeric", numbers)?;
    conn.create_collation("pg_interval", intervals)?;
    conn.create_collation("pg_jsonb", documents)?;
    conn.create_collation("pg_timetz", zoned_times)?;
    const ARRAYS: [&str; 6] = [
        "pg_array_number",
        "pg_array_interval",
        "pg_array_timetz",
        "pg_array_bpchar",
        "pg_array_jsonb",
        "pg_array_text",
    ];
    for name in ARRAYS {
        let order = element_order(name);
        conn.create_collation(name, move |a, b| {
            by_value(a, b, |text| Array::parse(text).ok(), |a, b| arrays(a, b, order))
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::tests::check;

    #[test]
    fn values_compare_as_in_postgresql() {
        check("'1 mon' = '30 days' COLLATE pg_interval", "1");
        check("'[1]' < '[1, 2]' COLLATE pg_jsonb", "1");
        check("'1.0' = '1.00' COLLATE pg_jsonb", "1");
        check("'{2}' < '{10}' COLLATE pg_array_number", "1");
        check("'{1,NULL}' > '{1,2}' COLLATE pg_array_number", "1");
        check("'{1,2}' < '{1,2,3}' COLLATE pg_array_text", "1");
        check("'ab  ' = 'ab' COLLATE rtrim", "1");
    }

    #[test]
    fn texts_that_are_no_values_sort_last_and_by_bytes() {
        check("'x' > '99' COLLATE pg_numeric", "1");
        check("'x' < 'y' COLLATE pg_numeric", "1");
    }
}
