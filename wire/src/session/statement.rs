//! Prepared statements of a session, by name; those of the protocol and of SQL `PREPARE` share one namespace.
//!
//! Pure. The unnamed statement (empty name) is replaced by the next Parse without a name.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::{SqlError, sqlstate};
use crate::plan::Planned;

/// Most named statements in one session: more are 53400. Drivers' caches hold some hundreds.
pub(crate) const STATEMENTS_MAX: usize = 10_000;

/// A statement ready to be bound.
#[derive(Debug, Clone)]
pub(crate) struct Prepared {
    pub text: Arc<str>,
    /// The types its author declared, for when it must be planned again.
    pub declared: Vec<u32>,
    pub planned: Planned,
    /// The schema's version the plan was made for.
    pub schema_version: u64,
}

/// Statements by name.
#[derive(Debug, Default)]
pub(crate) struct Statements {
    unnamed: Option<Arc<Prepared>>,
    named: BTreeMap<String, Arc<Prepared>>,
}

impl Statements {
    /// Adds a statement; an unnamed one replaces the last.
    ///
    /// # Errors
    /// 42P05 if the name is taken, 53400 at the limit.
    pub(crate) fn insert(&mut self, name: &str, statement: Arc<Prepared>) -> Result<(), SqlError> {
        if name.is_empty() {
            self.unnamed = Some(statement);
            return Ok(());
        }
        self.check_free(name)?;
        if self.named.len() >= STATEMENTS_MAX {
            return Err(SqlError::new(
                sqlstate::LIMIT_EXCEEDED,
                format!("a session may have at most {STATEMENTS_MAX} prepared statements"),
            )
            .hint("Close or DEALLOCATE statements that are no longer used."));
        }
        self.named.insert(name.to_owned(), statement);
        Ok(())
    }

    /// 42P05 if the name is taken.
    pub(crate) fn check_free(&self, name: &str) -> Result<(), SqlError> {
        if self.named.contains_key(name) {
            return Err(SqlError::new(
                sqlstate::DUPLICATE_STATEMENT,
                format!("prepared statement \"{name}\" already exists"),
            ));
        }
        Ok(())
    }

    /// Puts a newly made plan in the place of an old one.
    pub(crate) fn replace(&mut self, name: &str, statement: Arc<Prepared>) {
        if name.is_empty() {
            self.unnamed = Some(statement);
        } else if let Some(slot) = self.named.get_mut(name) {
            *slot = statement;
        }
    }

    /// # Errors
    /// 26000 if there is none of that name.
    pub(crate) fn find(&self, name: &str) -> Result<Arc<Prepared>, SqlError> {
        let found = if name.is_empty() { self.unnamed.as_ref() } else { self.named.get(name) };
        found.cloned().ok_or_else(|| undefined(name))
    }

    /// Protocol Close: no error if there is none.
    pub(crate) fn close(&mut self, name: &str) {
        if name.is_empty() {
            self.unnamed = None;
        } else {
            self.named.remove(name);
        }
    }

    /// `DEALLOCATE name`.
    ///
    /// # Errors
    /// 26000 if there is none of that name.
    pub(crate) fn deallocate(&mut self, name: &str) -> Result<(), SqlError> {
        self.named.remove(name).map(|_| ()).ok_or_else(|| undefined(name))
    }

    /// `DEALLOCATE ALL`.
    pub(crate) fn clear(&mut self) {
        self.named.clear();
    }

    /// A simple Query destroys the unnamed statement.
    pub(crate) fn forget_unnamed(&mut self) {
        self.unnamed = None;
    }
}

fn undefined(name: &str) -> SqlError {
    let message = if name.is_empty() {
        "unnamed prepared statement does not exist".to_owned()
    } else {
        format!("prepared statement \"{name}\" does not exist")
    };
    SqlError::new(sqlstate::UNDEFINED_STATEMENT, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Action, Plan, Tag};

    fn statement(text: &str) -> Arc<Prepared> {
        let plan = Plan { action: Action::Empty, tag: Tag::Select, param_types: Vec::new(), columns: Vec::new() };
        Arc::new(Prepared {
            text: text.into(),
            declared: Vec::new(),
            planned: Planned { plan: Arc::new(plan), literals: Vec::new() },
            schema_version: 0,
        })
    }

    #[test]
    fn names_are_unique_and_the_unnamed_statement_is_replaced() {
        let mut statements = Statements::default();
        statements.insert("a", statement("1")).expect("free");
        assert_eq!(statements.insert("a", statement("2")).expect_err("taken").sqlstate, "42P05");
        statements.insert("", statement("3")).expect("unnamed");
        statements.insert("", statement("4")).expect("replaces");
        assert_eq!(&*statements.find("").expect("there").text, "4");
        assert_eq!(&*statements.find("a").expect("there").text, "1");
    }

    #[test]
    fn a_missing_statement_is_26000_but_closing_it_is_fine() {
        let mut statements = Statements::default();
        statements.close("a");
        let error = statements.find("").expect_err("none");
        assert_eq!((&*error.sqlstate, error.message.as_str()), ("26000", "unnamed prepared statement does not exist"));
        assert_eq!(statements.deallocate("a").expect_err("none").message, "prepared statement \"a\" does not exist");
    }

    #[test]
    fn statements_are_bounded() {
        let mut statements = Statements::default();
        let shared = statement("1");
        for i in 0..STATEMENTS_MAX {
            statements.insert(&i.to_string(), shared.clone()).expect("below the limit");
        }
        assert_eq!(statements.insert("more", shared.clone()).expect_err("limit").sqlstate, "53400");
        statements.clear();
        statements.insert("more", shared).expect("free again");
    }
}
