//! Rows of one relation under construction: cells are given by column name, the rest is filled in.
//!
//! Pure. A column not given is NULL, or, where the relation says NOT NULL, the type's empty value (0, false, '').

use storage::Value;

use super::relation::{Column, Relation, is_integer, is_real};

/// The rows of one relation.
#[derive(Debug, Clone)]
pub struct Rows {
    pub relation: &'static Relation,
    /// Each as long as `relation.columns`.
    pub rows: Vec<Vec<Value>>,
}

impl Rows {
    /// No rows yet.
    pub(crate) fn new(relation: &'static Relation) -> Self {
        Self { relation, rows: Vec::new() }
    }

    /// Changes a cell of the last row.
    pub(crate) fn amend(&mut self, column: &str, value: Value) {
        let position = self.relation.position(column);
        debug_assert!(position.is_some(), "{} has no column {column}", self.relation.name);
        if let (Some(position), Some(row)) = (position, self.rows.last_mut()) {
            row[position] = value;
        }
    }

    /// Appends a row. A name the relation does not have is a mistake in the builder: it panics in tests and is left out
    /// otherwise.
    pub(crate) fn push<const N: usize>(&mut self, cells: [(&str, Value); N]) {
        let mut row: Vec<Value> = self.relation.columns.iter().map(empty).collect();
        for (name, value) in cells {
            match self.relation.position(name) {
                Some(position) => row[position] = value,
                None => debug_assert!(false, "{} has no column {name}", self.relation.name),
            }
        }
        self.rows.push(row);
    }
}

fn empty(column: &Column) -> Value {
    match column.not_null {
        false => Value::Null,
        true if is_integer(column.type_oid) => Value::Integer(0),
        true if is_real(column.type_oid) => Value::Real(0.0),
        true => Value::Text(String::new()),
    }
}

/// A text cell.
pub(crate) fn text(value: impl Into<String>) -> Value {
    Value::Text(value.into())
}

/// A text cell, or NULL.
pub(crate) fn maybe_text(value: Option<impl Into<String>>) -> Value {
    value.map_or(Value::Null, |v| Value::Text(v.into()))
}

/// An integer or OID cell.
pub(crate) fn int(value: impl Into<i64>) -> Value {
    Value::Integer(value.into())
}

/// A boolean cell.
pub(crate) fn flag(value: bool) -> Value {
    Value::Integer(i64::from(value))
}

/// A count as a cell.
pub(crate) fn count(value: usize) -> Value {
    Value::Integer(i64::try_from(value).unwrap_or(i64::MAX))
}

/// `yes_or_no` of information_schema.
pub(crate) fn yes_no(value: bool) -> Value {
    text(if value { "YES" } else { "NO" })
}

/// Numbers in the output form of an array, `{1,2}`.
pub(crate) fn array(items: impl IntoIterator<Item = i64>) -> Value {
    let items: Vec<String> = items.into_iter().map(|i| i.to_string()).collect();
    Value::Text(format!("{{{}}}", items.join(",")))
}

/// Numbers in the output form of int2vector and oidvector, `1 2`.
pub(crate) fn vector(items: impl IntoIterator<Item = i64>) -> Value {
    let items: Vec<String> = items.into_iter().map(|i| i.to_string()).collect();
    Value::Text(items.join(" "))
}
