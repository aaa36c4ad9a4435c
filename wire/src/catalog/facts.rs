//! Rows that never change: PostgreSQL 15's built-in types, functions, operators, casts and small relations.
//!
//! Pure. A facts file has `#` comments, a line `@<tab>relation<tab>column..` that starts a relation, and its rows:
//! cells separated by tabs, `\N` for NULL. Cells are read by the column's type; booleans are 0 or 1.

use storage::Value;

use super::relation::{Relation, is_integer, is_real, relation};
use super::rows::Rows;

/// `pg_type`.
pub(crate) fn types() -> Vec<Rows> {
    parse(include_str!("facts/types.txt"))
}

/// `pg_proc`: every function that could be shown.
pub(crate) fn functions() -> Vec<Rows> {
    parse(include_str!("facts/functions.txt"))
}

/// `pg_operator`: every operator that could be shown.
pub(crate) fn operators() -> Vec<Rows> {
    parse(include_str!("facts/operators.txt"))
}

/// `pg_cast`: every cast that could be shown.
pub(crate) fn casts() -> Vec<Rows> {
    parse(include_str!("facts/casts.txt"))
}

/// Access methods, collations, languages, operator classes and families, tablespaces.
pub(crate) fn misc() -> Vec<Rows> {
    parse(include_str!("facts/misc.txt"))
}

/// Reads a facts file. Lines that do not fit are left out; `no_line_of_the_facts_is_left_out` checks that there are none.
fn parse(file: &'static str) -> Vec<Rows> {
    let mut all: Vec<Rows> = Vec::new();
    let mut columns: Vec<usize> = Vec::new();
    for line in file.lines().filter(|l| !l.starts_with('#')) {
        if let Some(header) = line.strip_prefix("@\t") {
            let mut words = header.split('\t');
            let Some(relation) = words.next().and_then(|name| relation("pg_catalog", name)) else { continue };
            columns = words.filter_map(|word| relation.position(word)).collect();
            all.push(Rows::new(relation));
        } else if let Some(rows) = all.last_mut() {
            rows.push([]);
            let relation = rows.relation;
            let Some(row) = rows.rows.last_mut() else { continue };
            for (cell, &position) in line.split('\t').zip(&columns) {
                row[position] = parse_cell(relation, position, cell);
            }
        }
    }
    all
}

fn parse_cell(relation: &Relation, position: usize, cell: &str) -> Value {
    let type_oid = relation.columns[position].type_oid;
    match cell {
        "\\N" => Value::Null,
        _ if is_integer(type_oid) => Value::Integer(cell.parse().unwrap_or_default()),
        _ if is_real(type_oid) => Value::Real(cell.parse().unwrap_or_default()),
        _ => Value::Text(cell.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_of_the_facts_is_left_out() {
        for file in
            [include_str!("facts/types.txt"), include_str!("facts/functions.txt"), include_str!("facts/misc.txt")]
        {
            let mut width = 0;
            let mut rows = 0;
            for line in file.lines().filter(|l| !l.starts_with('#')) {
                let words: Vec<&str> = line.split('\t').collect();
                if words[0] == "@" {
                    let relation = relation("pg_catalog", words[1]).expect(words[1]);
                    assert!(words[2..].iter().all(|w| relation.position(w).is_some()), "{line}");
                    width = words.len() - 2;
                } else {
                    assert_eq!(words.len(), width, "{line}");
                    rows += 1;
                }
            }
            assert_eq!(parse(file).iter().map(|r| r.rows.len()).sum::<usize>(), rows);
        }
    }
}
