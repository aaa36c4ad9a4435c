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
    pub data_type: Option<String>,
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
            data_type: None,
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
    pub fn hint(mut self, text: impl Into<String>) -> Self {
        self.hint = Some(text.into());
        self
    }
}
