//! `pg_proc`, `pg_operator`, `pg_cast`: of PostgreSQL's built-ins those that this server has.
//!
//! Pure. A function or operator is shown when the tables of [`crate::function`] have that overload, a cast when there is a
//! way to do it; a function also when a shown type, operator, cast, access method or language names it.

use std::collections::BTreeSet;

use storage::Value;

use super::builtin::{number, string};
use super::facts;
use super::rows::Rows;
use crate::function;

/// Columns of the facts that name functions.
const FUNCTION_COLUMNS: [(&str, &[&str]); 5] = [
    (
        "pg_type",
        &["typinput", "typoutput", "typreceive", "typsend", "typmodin", "typmodout", "typanalyze", "typsubscript"],
    ),
    ("pg_am", &["amhandler"]),
    ("pg_language", &["lanvalidator"]),
    ("pg_operator", &["oprcode", "oprrest", "oprjoin"]),
    ("pg_cast", &["castfunc"]),
];

/// The three relations.
pub(super) fn rows() -> Vec<Rows> {
    let mut operators = facts::operators();
    operators.iter_mut().for_each(|rows| retain(rows, has_operator));
    let mut casts = facts::casts();
    casts.iter_mut().for_each(|rows| retain(rows, has_cast));
    let mut named = BTreeSet::new();
    for rows in facts::types().iter().chain(&facts::misc()).chain(&operators).chain(&casts) {
        for (_, columns) in FUNCTION_COLUMNS.iter().filter(|(relation, _)| *relation == rows.relation.name) {
            named.extend(rows.rows.iter().flat_map(|row| columns.iter().map(|c| number(rows, row, c))));
        }
    }
    let mut functions = facts::functions();
    for rows in &mut functions {
        retain(rows, |rows, row| named.contains(&number(rows, row, "oid")) || has_function(rows, row));
    }
    operators.into_iter().chain(casts).chain(functions).collect()
}

/// Keeps the rows that `keep` says yes to.
fn retain(rows: &mut Rows, keep: impl Fn(&Rows, &[Value]) -> bool) {
    let all = std::mem::take(&mut rows.rows);
    rows.rows = all.into_iter().filter(|row| keep(rows, row)).collect();
}

fn has_function(rows: &Rows, row: &[Value]) -> bool {
    let arguments: Vec<u32> =
        string(rows, row, "proargtypes").split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let variadic = u32::try_from(number(rows, row, "provariadic")).ok().filter(|oid| *oid != 0);
    function::functions_named(&string(rows, row, "proname")).iter().any(|f| match variadic {
        // PostgreSQL lists the variadic argument, as an array, behind the others.
        Some(_) => {
            f.variadic.is_some() && arguments.len() == f.arguments.len() + 1 && arguments.starts_with(f.arguments)
        }
        None => f.variadic.is_none() && f.arguments == arguments,
    })
}

fn has_operator(rows: &Rows, row: &[Value]) -> bool {
    let oid = |column| u32::try_from(number(rows, row, column)).unwrap_or(0);
    let left = Some(oid("oprleft")).filter(|left| *left != 0);
    let right = oid("oprright");
    function::operators_named(&string(rows, row, "oprname")).iter().any(|o| o.left == left && o.right == right)
}

fn has_cast(rows: &Rows, row: &[Value]) -> bool {
    let oid = |column| u32::try_from(number(rows, row, column)).unwrap_or(0);
    function::cast(oid("castsource"), oid("casttarget")).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_and_operators_are_those_of_the_function_tables() {
        let sets = rows();
        let names = |relation: &str, column: &str| -> BTreeSet<String> {
            let rows = sets.iter().filter(|r| r.relation.name == relation);
            rows.flat_map(|r| r.rows.iter().map(|row| string(r, row, column))).collect()
        };
        let functions = names("pg_proc", "proname");
        assert!(functions.contains("lower") && functions.contains("pg_get_userbyid") && functions.contains("int4in"));
        assert!(!functions.contains("lo_import"));
        assert!(names("pg_operator", "oprname").contains("||"));
    }
}
