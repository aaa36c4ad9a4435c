//! `pg_proc`: of PostgreSQL's built-in functions those that this server has.
//!
//! Pure. A function is shown when a shown type, access method or language names it.

use std::collections::BTreeSet;

use super::builtin::number;
use super::facts;
use super::rows::Rows;

/// Columns of the facts that name functions.
const FUNCTION_COLUMNS: [(&str, &[&str]); 3] = [
    (
        "pg_type",
        &["typinput", "typoutput", "typreceive", "typsend", "typmodin", "typmodout", "typanalyze", "typsubscript"],
    ),
    ("pg_am", &["amhandler"]),
    ("pg_language", &["lanvalidator"]),
];

/// The relation.
pub(super) fn rows() -> Vec<Rows> {
    let mut named = BTreeSet::new();
    for rows in facts::types().iter().chain(&facts::misc()) {
        for (_, columns) in FUNCTION_COLUMNS.iter().filter(|(relation, _)| *relation == rows.relation.name) {
            named.extend(rows.rows.iter().flat_map(|row| columns.iter().map(|c| number(rows, row, c))));
        }
    }
    let mut functions = facts::functions();
    for rows in &mut functions {
        let all = std::mem::take(&mut rows.rows);
        rows.rows = all.into_iter().filter(|row| named.contains(&number(rows, row, "oid"))).collect();
    }
    functions
}
