//! The savepoints of one client transaction: PostgreSQL's rules over SQLite's.
//!
//! Pure. PostgreSQL lets names repeat and keeps their case apart; SQLite folds case. So each open savepoint gets a SQLite
//! name from its depth, and this stack remembers which name of the client it stands for.

use std::sync::Arc;

use crate::schema::model::Schema;

/// Savepoints one transaction may have open; each costs SQLite memory until the transaction ends.
pub(crate) const SAVEPOINTS_MAX: usize = 10_000;

/// The open savepoints, oldest first, each with the schema as it was there.
#[derive(Debug, Default)]
pub(crate) struct SavepointStack(Vec<(String, Arc<Schema>)>);

impl SavepointStack {
    /// The statement that opens a savepoint; `None` if there are too many.
    pub(crate) fn open(&self) -> Option<String> {
        (self.0.len() < SAVEPOINTS_MAX).then(|| format!("SAVEPOINT client_{}", self.0.len()))
    }

    /// The savepoint was opened.
    pub(crate) fn opened(&mut self, name: String, schema: Arc<Schema>) {
        self.0.push((name, schema));
    }

    /// The depth of the newest savepoint of that name.
    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        self.0.iter().rposition(|(open, _)| open == name)
    }

    /// The statement that undoes everything since the savepoint at `depth`.
    pub(crate) fn rollback_to(depth: usize) -> String {
        format!("ROLLBACK TO client_{depth}")
    }

    /// Everything since was undone; the savepoint stays. Returns the schema as it was there.
    pub(crate) fn rolled_back_to(&mut self, depth: usize) -> Option<Arc<Schema>> {
        self.0.truncate(depth + 1);
        self.0.last().map(|(_, schema)| Arc::clone(schema))
    }

    /// The statement that forgets the savepoint at `depth` and those inside it.
    pub(crate) fn release(depth: usize) -> String {
        format!("RELEASE client_{depth}")
    }

    /// It was released.
    pub(crate) fn released(&mut self, depth: usize) {
        self.0.truncate(depth);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stack(names: &[&str]) -> SavepointStack {
        let mut stack = SavepointStack::default();
        for name in names {
            stack.opened((*name).to_owned(), Arc::new(Schema::default()));
        }
        stack
    }

    #[test]
    fn a_repeated_name_means_the_newest() {
        assert_eq!(stack(&["a", "b", "a"]).find("a"), Some(2));
    }

    #[test]
    fn names_differ_by_case() {
        assert_eq!(stack(&["a"]).find("A"), None);
    }

    #[test]
    fn rolling_back_keeps_the_savepoint_and_drops_those_inside() {
        let mut stack = stack(&["a", "b", "c"]);
        stack.rolled_back_to(0).expect("open");
        assert_eq!((stack.find("a"), stack.find("b")), (Some(0), None));
    }

    #[test]
    fn releasing_uncovers_the_older_one_of_that_name() {
        let mut stack = stack(&["a", "a"]);
        stack.released(1);
        assert_eq!(stack.find("a"), Some(0));
    }

    #[test]
    fn there_is_a_limit() {
        let names = vec!["s"; SAVEPOINTS_MAX];
        assert_eq!(stack(&names).open(), None);
        assert!(stack(&names[1..]).open().is_some());
    }
}
