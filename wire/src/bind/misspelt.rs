//! PostgreSQL's hint for a column that does not exist: the nearest name, two if they are equally near, none if there are more.
//!
//! Pure. The rule is PostgreSQL 15's, found by comparing: at most three edits in all, at most half of the written name's
//! bytes within the name; a table written wrongly costs its own edits.

/// Edits beyond which a name is another one.
const EDITS_MAX: usize = 3;

/// The nearest columns so far.
#[derive(Debug)]
pub(super) struct Nearest<'a> {
    table: Option<&'a str>,
    column: &'a str,
    distance: usize,
    first: Option<String>,
    second: Option<String>,
}

impl<'a> Nearest<'a> {
    /// `table` if it was written.
    pub(super) fn new(table: Option<&'a str>, column: &'a str) -> Self {
        Self { table, column, distance: EDITS_MAX + 1, first: None, second: None }
    }

    /// Considers a column, in the order of the relations and their columns.
    pub(super) fn offer(&mut self, table: &str, column: &str) {
        let penalty = self.table.map_or(0, |written| edits(written, table));
        let within = edits(self.column, column);
        if within > self.column.len() / 2 || within + penalty > self.distance {
            return;
        }
        let offered = Some(format!("{table}.{column}"));
        if within + penalty < self.distance {
            (self.distance, self.first, self.second) = (within + penalty, offered, None);
        } else if self.second.is_some() {
            // Three are no help; only nearer ones are.
            (self.first, self.second) = (None, None);
            self.distance = self.distance.saturating_sub(1);
        } else if self.first.is_some() {
            self.second = offered;
        } else if self.distance <= EDITS_MAX {
            self.first = offered;
        }
    }

    pub(super) fn hint(self) -> Option<String> {
        let first = self.first?;
        Some(match self.second {
            None => format!("Perhaps you meant to reference the column \"{first}\"."),
            Some(second) => {
                format!("Perhaps you meant to reference the column \"{first}\" or the column \"{second}\".")
            }
        })
    }
}

/// Levenshtein's distance, for short names.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let cost = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = cost.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hint(table: Option<&str>, written: &str, columns: &[&str]) -> String {
        let mut nearest = Nearest::new(table, written);
        for column in columns {
            nearest.offer("t", column);
        }
        nearest.hint().map_or_else(String::new, |hint| hint.replace("Perhaps you meant to reference the column ", ""))
    }

    #[test]
    fn a_name_is_suggested_within_half_of_the_written_ones_length_and_three_edits() {
        assert_eq!(hint(None, "nope", &["id", "title", "done", "at"]), "\"t.done\".");
        assert_eq!(hint(None, "nop", &["done"]), "");
        assert_eq!(hint(None, "ix", &["id"]), "\"t.id\".");
        assert_eq!(hint(None, "i", &["id"]), "");
        assert_eq!(hint(None, "abcdwxyz", &["abcdefgh"]), "");
        assert_eq!(hint(None, "abcdexyz", &["abcdefgh"]), "\"t.abcdefgh\".");
    }

    #[test]
    fn two_equally_near_are_both_suggested_and_three_are_not() {
        assert_eq!(hint(None, "vx", &["va", "vb"]), "\"t.va\" or the column \"t.vb\".");
        assert_eq!(hint(None, "vx", &["va", "vb", "vc"]), "");
        assert_eq!(hint(None, "valx", &["va", "vala", "valb", "valc", "val"]), "");
    }

    #[test]
    fn edits_in_the_tables_name_count_too() {
        assert_eq!(hint(Some("t"), "titel", &["title"]), "\"t.title\".");
        assert_eq!(hint(Some("tabl"), "title", &["title"]), "\"t.title\".");
        assert_eq!(hint(Some("tabl"), "titel", &["title"]), "");
    }
}
