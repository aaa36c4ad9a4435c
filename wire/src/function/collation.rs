//! Collations under which storage forms compare as PostgreSQL's values do (see [`crate::types::catalog::collation`]).
//!
//! A text that is no value of the type sorts after all values, by its bytes, so that the order is total whatever a file
//! holds.

use std::cmp::Ordering;

use storage::rusqlite::{self, Connection};

use crate::types::numeric::Numeric;

/// Orders texts by the values they parse to.
fn by_value<T>(a: &str, b: &str, parse: impl Fn(&str) -> Option<T>, compare: impl Fn(&T, &T) -> Ordering) -> Ordering {
    match (parse(a), parse(b)) {
        (Some(left), Some(right)) => compare(&left, &right),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => a.cmp(b),
    }
}

pub(super) fn register(conn: &Connection) -> rusqlite::Result<()> {
    conn.create_collation("pg_numeric", |a, b| {
        if a == b { Ordering::Equal } else { by_value(a, b, |text| Numeric::parse(text).ok(), Numeric::cmp) }
    })
}
