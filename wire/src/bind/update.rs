//! UPDATE and DELETE.

use std::sync::Arc;

use storage::schema::model::{Origin, Table};

use super::Binder;
use super::from::table_columns;
use super::insert::{column_index, refuse_generated};
use super::scope::{Scope, ScopeItem};
use crate::error::SqlError;
use crate::ir::{self, Assignment, Expr, Output};
use crate::sql::ast::{self, ExprKind};

impl Binder<'_> {
    pub(super) fn update(&mut self, update: &ast::Update) -> Result<(ir::Statement, Vec<Output>), SqlError> {
        let (ctes, recursive) = self.with(update.with.as_ref())?;
        let table = self.target(&update.table)?;
        self.scopes.push(Scope::default());
        let (id, item) = self.target_item(&table, update.alias.as_ref());
        let from = self.joined_from(&update.from, &item)?;
        // PostgreSQL binds SET last.
        let filter = self.clause(update.filter.as_ref(), "WHERE")?;
        let (returning, outputs) = self.returning(&update.returning, id)?;
        let assignments = self.assignments(&update.assignments, &table, id)?;
        self.scopes.pop();
        let statement = ir::Update { id, table, assignments, from, filter, ctes, recursive, returning };
        Ok((ir::Statement::Update(Box::new(statement)), outputs))
    }

    pub(super) fn delete(&mut self, delete: &ast::Delete) -> Result<(ir::Statement, Vec<Output>), SqlError> {
        let (ctes, recursive) = self.with(delete.with.as_ref())?;
        let table = self.target(&delete.table)?;
        self.scopes.push(Scope::default());
        let (id, item) = self.target_item(&table, delete.alias.as_ref());
        let using = self.joined_from(&delete.using, &item)?;
        let filter = self.clause(delete.filter.as_ref(), "WHERE")?;
        let (returning, outputs) = self.returning(&delete.returning, id)?;
        self.scopes.pop();
        let statement = ir::Delete { id, table, using, filter, ctes, recursive, returning };
        Ok((ir::Statement::Delete(Box::new(statement)), outputs))
    }

    fn target_item(&mut self, table: &Arc<Table>, alias: Option<&ast::Name>) -> (u32, ScopeItem) {
        let id = self.new_relation();
        let name = alias.map_or(table.name.as_str(), |alias| alias.text.as_str());
        self.from_names.push((table.name.clone(), name.to_owned()));
        (id, ScopeItem::new(Some(name.to_owned()), table_columns(id, table)))
    }

    /// The other relations of the write; the scope then shows the target before them.
    fn joined_from(&mut self, list: &[ast::FromItem], target: &ScopeItem) -> Result<Vec<ir::Source>, SqlError> {
        let from = self.from(list)?;
        let twice = self.scope().items.iter().any(|item| item.name_visible && item.name == target.name);
        if twice {
            let name = target.name.clone().unwrap_or_default();
            return Err(SqlError::new("42712", format!("table name \"{name}\" specified more than once")));
        }
        self.scope().items.insert(0, target.clone());
        Ok(from)
    }

    /// SET: each column once, converted to its type, NOT NULL checked.
    pub(super) fn assignments(
        &mut self,
        list: &[ast::Assignment],
        table: &Arc<Table>,
        id: u32,
    ) -> Result<Vec<Assignment>, SqlError> {
        let mut values: Vec<Option<Expr>> = vec![None; table.columns.len()];
        for assignment in list {
            let index = column_index(table, &assignment.column)?;
            if let Some(at) = assignment.part {
                return Err(SqlError::unsupported("assignment to a part of a column is not supported").at(at));
            }
            let column = &table.columns[index];
            if values[index].is_some() {
                let message = format!("multiple assignments to same column \"{}\"", column.name);
                return Err(SqlError::new("42601", message));
            }
            values[index] = Some(self.assigned(&assignment.value, table, index)?);
        }
        let row: Vec<Expr> = table_columns(id, table)
            .into_iter()
            .filter(|column| !column.hidden)
            .map(|column| {
                let index = table.columns.iter().position(|declared| declared.name == column.name);
                index.and_then(|index| values[index].clone()).unwrap_or(column.expr)
            })
            .collect();
        let mut assignments = Vec::with_capacity(list.len());
        for (declared, value) in table.columns.iter().zip(values) {
            let Some(value) = value else { continue };
            let value = self.not_null(value, table, declared, &row);
            assignments.push(Assignment { column: declared.name.clone(), value });
        }
        Ok(assignments)
    }

    fn assigned(&mut self, value: &ast::Expr, table: &Arc<Table>, index: usize) -> Result<Expr, SqlError> {
        let column = &table.columns[index];
        if matches!(value.kind, ExprKind::Default) {
            if column.generated {
                return Err(SqlError::unsupported("SET to DEFAULT of a generated column is not supported").at(value.at));
            }
            if table.origin == Origin::Wire {
                return self.default_of(column);
            }
            return super::assign::file_default(column, value.at);
        }
        refuse_generated(column, "update", value.at)?;
        let scope = self.scope();
        let aggregates = scope.no_aggregates.replace("UPDATE");
        let windows = scope.no_windows.replace("UPDATE");
        let expr = self.expr(value);
        let scope = self.scope();
        scope.no_aggregates = aggregates;
        scope.no_windows = windows;
        self.assign(expr?, table, column)
    }
}
