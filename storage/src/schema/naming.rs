//! Names that PostgreSQL makes up: of primary keys and of indexes declared without a name.
//!
//! Pure. Clients look these names up, so they follow PostgreSQL to the letter: `t_pkey`, `t_a_b_idx`, a number when the
//! name is taken, and 63 bytes at most. Fact source: PostgreSQL's documentation of CREATE INDEX and identifiers
//! (<https://www.postgresql.org/docs/15/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS>), behaviour checked on version 15.

/// Longest identifier in bytes.
const NAME_BYTES_MAX: usize = 63;

/// The name of a primary key constraint.
pub(super) fn primary_key_name(table: &str, is_taken: impl Fn(&str) -> bool) -> String {
    first_free(table, "", "pkey", is_taken)
}

/// The name of an index on these columns; an expression counts as column `expr`.
pub(super) fn index_name(table: &str, columns: &[&str], is_taken: impl Fn(&str) -> bool) -> String {
    first_free(table, &joined(columns), "idx", is_taken)
}

fn first_free(table: &str, middle: &str, label: &str, is_taken: impl Fn(&str) -> bool) -> String {
    let plain = object_name(table, middle, label);
    if !is_taken(&plain) {
        return plain;
    }
    (1u64..)
        .map(|number| object_name(table, middle, &format!("{label}{number}")))
        .find(|name| !is_taken(name))
        .unwrap_or(plain)
}

/// Column names joined by `_`, a repeated one numbered, cut where the whole name could hold no more anyway.
fn joined(columns: &[&str]) -> String {
    let mut distinct: Vec<String> = Vec::new();
    for column in columns {
        let mut name = (*column).to_owned();
        let mut number = 1;
        while distinct.contains(&name) {
            name = format!("{column}{number}");
            number += 1;
        }
        distinct.push(name);
    }
    let mut text = String::new();
    for name in distinct {
        if !text.is_empty() {
            text.push('_');
        }
        text.push_str(&name);
        if text.len() > NAME_BYTES_MAX {
            break;
        }
    }
    text
}

/// `first_second_label`; the longer of the first two gives way until it fits.
fn object_name(first: &str, second: &str, label: &str) -> String {
    let separators = if second.is_empty() { 1 } else { 2 };
    let room = NAME_BYTES_MAX.saturating_sub(label.len() + separators);
    let (mut first_len, mut second_len) = (first.len(), second.len());
    while first_len + second_len > room {
        if first_len > second_len {
            first_len -= 1;
        } else {
            second_len -= 1;
        }
    }
    let (first, second) = (cut(first, first_len), cut(second, second_len));
    if second.is_empty() { format!("{first}_{label}") } else { format!("{first}_{second}_{label}") }
}

/// The longest beginning of whole characters within `bytes`.
fn cut(text: &str, bytes: usize) -> &str {
    (0..=bytes.min(text.len())).rev().find_map(|end| text.get(..end)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(table: &str, columns: &[&str], taken: &[&str], expected: &str) {
        assert_eq!(index_name(table, columns, |name| taken.contains(&name)), expected);
    }

    #[test]
    fn indexes_are_named_after_table_and_columns() {
        check("t", &["a"], &[], "t_a_idx");
        check("t", &["a", "b"], &[], "t_a_b_idx");
        check("t", &["a", "a"], &[], "t_a_a1_idx");
    }

    #[test]
    fn a_taken_name_is_numbered() {
        check("t", &["a"], &["t_a_idx"], "t_a_idx1");
        check("t", &["a"], &["t_a_idx", "t_a_idx1"], "t_a_idx2");
        assert_eq!(primary_key_name("t", |name| name == "t_pkey"), "t_pkey1");
    }

    #[test]
    fn long_names_are_cut_to_63_bytes_at_the_longer_part() {
        let table = "t".repeat(60);
        let name = index_name(&table, &["column"], |_| false);
        assert_eq!(name, format!("{}_column_idx", "t".repeat(52)));
        assert_eq!(name.len(), 63);
        let key = primary_key_name(&"é".repeat(40), |_| false);
        assert_eq!(key, format!("{}_pkey", "é".repeat(29)));
    }
}
