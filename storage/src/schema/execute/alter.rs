//! ALTER COLUMN of a table declared over the wire: its default, and whether it may be NULL.
//!
//! Both are rules for writes on this side of replication, so they change in our catalog only: SQLite's own default stays what
//! rows older than the column show.

use super::super::ddl::DefaultSpec;
use super::super::lexer::quote_name;
use super::super::stored::{self, ColumnEntry};
use super::Run;
use crate::error::{DdlError, ExecuteError};

impl Run<'_> {
    pub(super) fn set_default(
        &mut self,
        table: &str,
        column: &str,
        default: Option<&DefaultSpec>,
    ) -> Result<(), DdlError> {
        self.change_column(table, column, |entry| entry.default = default.map(|default| default.pg_text.clone()))
    }

    pub(super) fn set_not_null(&mut self, table: &str, column: &str) -> Result<(), DdlError> {
        self.altered_column(table, column)?;
        let sql = format!("SELECT EXISTS (SELECT 1 FROM {} WHERE {} IS NULL)", quote_name(table), quote_name(column));
        let has_nulls: bool = self.conn().query_row(&sql, [], |row| row.get(0)).map_err(ExecuteError::from)?;
        if has_nulls {
            return Err(DdlError::ContainsNulls { table: table.to_owned(), column: column.to_owned() });
        }
        self.change_column(table, column, |entry| entry.not_null = true)
    }

    pub(super) fn drop_not_null(&mut self, table: &str, column: &str) -> Result<(), DdlError> {
        let declared = self.wire_relation(table)?;
        let is_key = |index: &usize| declared.columns.get(*index).is_some_and(|key| key.name == column);
        if declared.primary_key.iter().any(is_key) {
            return Err(DdlError::InPrimaryKey(column.to_owned()));
        }
        self.change_column(table, column, |entry| entry.not_null = false)
    }

    /// The stored entry of a visible column.
    fn altered_column(&self, table: &str, column: &str) -> Result<ColumnEntry, DdlError> {
        self.wire_relation(table)?;
        let entries = stored::columns(self.conn(), table)?;
        let found = entries.into_iter().find(|entry| entry.name == column && !entry.hidden);
        found.ok_or_else(|| DdlError::UndefinedColumn { table: table.to_owned(), column: column.to_owned() })
    }

    fn change_column(
        &mut self,
        table: &str,
        column: &str,
        change: impl FnOnce(&mut ColumnEntry),
    ) -> Result<(), DdlError> {
        let mut entry = self.altered_column(table, column)?;
        change(&mut entry);
        stored::put_column(self.conn(), table, &entry)?;
        self.refresh(table)
    }
}
