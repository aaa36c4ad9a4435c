//! Errors as PostgreSQL reports them.

pub mod report;
pub mod sqlstate;

use std::borrow::Cow;

/// An ErrorResponse in the making. Texts follow PostgreSQL's wording.
///
/// Source: <https://www.postgresql.org/docs/15/protocol-error-fields.html>
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} ({sqlstate})")]
pub struct SqlError {
    pub sqlstate: Cow<'static, str>,
    pub message: String,
    pub detail: Option<String>,
    pub hint: Option<String>,
    /// Counted in characters from 1 over the statement text the client sent.
    pub position: Option<u32>,
    pub table: Option<String>,
    pub column: Option<String>,
    pub constraint: Option<String>,
    /// What was being done, field W.
    pub context: Option<String>,
}

impl SqlError {
    /// An error with a SQLSTATE of PostgreSQL's appendix A and its message.
    pub fn new(sqlstate: &'static str, message: impl Into<String>) -> Self {
        Self {
            sqlstate: Cow::Borrowed(sqlstate),
            message: message.into(),
            detail: None,
            hint: None,
            position: None,
            table: None,
            column: None,
            constraint: None,
            context: None,
        }
    }

    /// 0A000: a construct this server does not have.
    pub fn unsupported(what: impl Into<String>) -> Self {
        Self::new("0A000", what)
    }

    #[must_use]
    pub fn at(mut self, position: u32) -> Self {
        self.position = self.position.or(Some(position));
        self
    }

    #[must_use]
    pub fn detail(mut self, text: impl Into<String>) -> Self {
        self.detail = Some(text.into());
        self
    }

    #[must_use]
    pub fn context(mut self, text: impl Into<String>) -> Self {
        self.context = Some(text.into());
        self
    }

    #[must_use]
    pub fn hint(mut self, text: impl Into<String>) -> Self {
        self.hint = Some(text.into());
        self
    }
}

/// Begins the message of an error that a function body raised. Readable as it is for doors that do not decode it.
const FUNCTION_MESSAGE_PREFIX: &str = "SQLSTATE ";
/// Separates message, detail, hint, table, column and context in such a message; control characters do not occur in our texts.
const FUNCTION_MESSAGE_SEPARATOR: char = '\u{1f}';

/// Writes an error as the one text that SQLite carries from a function body to the statement that called it:
/// `SQLSTATE 22012: division by zero`, then detail, hint, table, column and context where present.
pub fn to_function_message(error: &SqlError) -> String {
    let mut text = format!("{FUNCTION_MESSAGE_PREFIX}{}: {}", error.sqlstate, error.message.replace('\0', ""));
    let parts = [&error.detail, &error.hint, &error.table, &error.column, &error.context];
    let present = parts.iter().rposition(|part| part.is_some()).map_or(0, |last| last + 1);
    for part in &parts[..present] {
        text.push(FUNCTION_MESSAGE_SEPARATOR);
        text.push_str(part.as_deref().unwrap_or(""));
    }
    text
}

/// Reads [`to_function_message`]'s text back. `None`: the message is SQLite's own.
pub fn from_function_message(text: &str) -> Option<SqlError> {
    let (sqlstate, rest) = text.strip_prefix(FUNCTION_MESSAGE_PREFIX)?.split_once(": ")?;
    if sqlstate.len() != 5 || !sqlstate.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase()) {
        return None;
    }
    let mut parts = rest.split(FUNCTION_MESSAGE_SEPARATOR);
    let message = parts.next().unwrap_or("");
    let mut optional = || parts.next().filter(|part| !part.is_empty()).map(str::to_owned);
    let (detail, hint, table, column, context) = (optional(), optional(), optional(), optional(), optional());
    let sqlstate = Cow::Owned(sqlstate.to_owned());
    Some(SqlError { sqlstate, detail, hint, table, column, context, ..SqlError::new("XX000", message) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_survive_the_way_through_sqlite() {
        for error in [
            SqlError::new("22012", "division by zero"),
            SqlError::new("22P02", "invalid input: \"a: b\"").detail("line\nbreak"),
            SqlError::new("22007", "x").hint("perhaps"),
            SqlError { table: Some("t".into()), column: Some("c".into()), ..SqlError::new("23502", "null") },
        ] {
            assert_eq!(from_function_message(&to_function_message(&error)), Some(error));
        }
    }

    #[test]
    fn messages_of_sqlite_are_not_taken_for_ours() {
        assert_eq!(from_function_message("no such table: t"), None);
        assert_eq!(from_function_message("SQLSTATE abc: x"), None);
    }
}
