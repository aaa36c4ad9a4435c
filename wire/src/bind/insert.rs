//! INSERT: which value each column gets, ON CONFLICT, RETURNING.

use std::sync::Arc;

use storage::schema::model::{Column, Origin, Table};

use super::assign::{is_simple, null_of};
use super::from::{Target, table_columns};
use super::scope::{Scope, ScopeItem, column};
use super::{Binder, plain};
use crate::error::SqlError;
use crate::function::Form;
use crate::ir::{self, Body, Expr, InsertRows, Node, Output, Query};
use crate::sql::ast::{self, ConflictAction, ConflictTarget, ExprKind, InsertSource, Name};
use crate::types::oid;

/// The query that gives the rows, as a relation, and the value of each target column.
type Given = (Option<(u32, Query)>, Vec<Expr>);

/// The relation number of `excluded`.
pub(crate) const EXCLUDED: u32 = u32::MAX;

impl Binder<'_> {
    pub(super) fn insert(&mut self, insert: &ast::Insert) -> Result<(ir::Statement, Vec<Output>), SqlError> {
        let (ctes, recursive) = self.with(insert.with.as_ref())?;
        let table = self.target(&insert.table)?;
        let targets = insert_targets(&table, &insert.columns)?;
        self.scopes.push(Scope::default());
        let id = self.new_relation();
        let (query, given) = self.source(insert, &table, &targets)?;
        let (columns, rows) = self.complete(&table, &targets, query, given)?;
        let alias = insert.alias.as_ref().map_or(table.name.as_str(), |alias| alias.text.as_str());
        self.from_names.push((table.name.clone(), alias.to_owned()));
        let item = ScopeItem::new(Some(alias.to_owned()), table_columns(id, &table));
        self.scope().items = vec![item.clone()];
        let on_conflict = match &insert.on_conflict {
            None => None,
            Some(clause) => Some(self.on_conflict(clause, &table, id)?),
        };
        self.scope().items = vec![item];
        let (returning, outputs) = self.returning(&insert.returning, id)?;
        self.scopes.pop();
        let statement = ir::Insert { id, table, columns, rows, on_conflict, ctes, recursive, returning };
        Ok((ir::Statement::Insert(Box::new(statement)), outputs))
    }

    /// The table that a write names.
    pub(super) fn target(&mut self, name: &ast::ObjectName) -> Result<Arc<Table>, SqlError> {
        match self.relation(name)? {
            Target::Table(table) => Ok(table),
            Target::Catalog(relation) => {
                let message = format!("permission denied: \"{}\" is a system catalog", relation.name);
                Err(SqlError::new("42501", message).at(name.at()))
            }
        }
    }

    /// The values of the target columns: of one row without relations, or of a query as relation.
    fn source(&mut self, insert: &ast::Insert, table: &Arc<Table>, targets: &[usize]) -> Result<Given, SqlError> {
        let query = match &insert.source {
            InsertSource::DefaultValues => return Ok((None, Vec::new())),
            InsertSource::Query(query) => query,
        };
        let bare = query.with.is_none() && query.order_by.is_empty() && query.limit.is_none() && query.offset.is_none();
        if let (ast::Body::Values { rows, .. }, true) = (&query.body, bare) {
            return self.value_rows(rows, insert, table, targets);
        }
        let bound = self.query(query)?;
        let places = result_places(query);
        let extra = places.get(targets.len()).copied().unwrap_or(query.at);
        check_count(bound.outputs.len(), insert, targets.len(), extra)?;
        let types: Vec<u32> = bound
            .outputs
            .iter()
            .zip(targets)
            .map(|(output, target)| match output.ty.oid {
                oid::UNKNOWN => crate::catalog::reported_type(&table.columns[*target]).oid,
                known => known,
            })
            .collect();
        let bound = self.convert_outputs(bound, &types)?;
        let id = self.new_relation();
        let mut values = Vec::with_capacity(types.len());
        for (index, (output, target)) in bound.outputs.iter().zip(targets).enumerate() {
            let at = places.get(index).copied().unwrap_or(query.at);
            let expr = Expr { at, ..column(id, &format!("c{}", index + 1), output.ty) };
            let declared = &table.columns[*target];
            refuse_generated(declared, "insert", at)?;
            values.push(self.assign(expr, table, declared)?);
        }
        Ok((Some((id, bound)), values))
    }

    fn value_rows(
        &mut self,
        rows: &[Vec<ast::Expr>],
        insert: &ast::Insert,
        table: &Arc<Table>,
        targets: &[usize],
    ) -> Result<Given, SqlError> {
        let width = rows.first().map_or(0, Vec::len);
        let mut bound = Vec::with_capacity(rows.len());
        // Of several rows none may have a set-returning function.
        self.scope().may_lift = rows.len() == 1;
        for row in rows {
            let at = row.first().map_or(0, |expr| expr.at);
            if row.len() != width {
                return Err(SqlError::new("42601", "VALUES lists must all be the same length").at(at));
            }
            let extra = row.get(targets.len()).map_or(at, |expr| expr.at);
            check_count(row.len(), insert, targets.len(), extra)?;
            let mut values = Vec::with_capacity(width);
            for (cell, target) in row.iter().zip(targets) {
                values.push(self.cell(cell, table, &table.columns[*target])?);
            }
            bound.push(values);
        }
        self.scope().may_lift = false;
        if bound.len() > 1 {
            return Ok(self.as_relation(bound));
        }
        let values = bound.pop().unwrap_or_default();
        let (lifted, _) = self.lifted_sources();
        if lifted.is_empty() {
            return Ok((None, values));
        }
        // One row with set-returning functions is a SELECT.
        let (query, references) = self.as_relation(vec![values]);
        let query = query.map(|(id, mut query)| {
            if let Body::Values(rows) = &mut query.body {
                let items = rows.pop().unwrap_or_default();
                query.body = Body::Select(Box::new(ir::Select { from: lifted, ..ir::Select::of(items) }));
            }
            (id, query)
        });
        Ok((query, references))
    }

    /// Rows as a derived table, and the references to its columns.
    fn as_relation(&mut self, rows: Vec<Vec<Expr>>) -> Given {
        let id = self.new_relation();
        let first = rows.first().cloned().unwrap_or_default();
        let values: Vec<Expr> =
            first.iter().enumerate().map(|(index, expr)| column(id, &format!("c{}", index + 1), expr.ty)).collect();
        let outputs = first
            .iter()
            .map(|expr| Output {
                name: String::new(),
                ty: expr.ty,
                table_oid: 0,
                attribute: 0,
                representation: crate::types::Representation::Typed,
            })
            .collect();
        let query = Query {
            ctes: Vec::new(),
            recursive: false,
            body: Body::Values(rows),
            order_by: Vec::new(),
            limit: None,
            offset: None,
            outputs,
        };
        (Some((id, query)), values)
    }

    fn cell(&mut self, cell: &ast::Expr, table: &Arc<Table>, column: &Column) -> Result<Expr, SqlError> {
        if matches!(cell.kind, ExprKind::Default) {
            if table.origin == Origin::Wire {
                return self.default_of(column);
            }
            if column.generated {
                let message = "DEFAULT for a generated column is supported only by leaving the column out";
                return Err(SqlError::unsupported(message).at(cell.at));
            }
            return super::assign::file_default(column, cell.at);
        }
        refuse_generated(column, "insert", cell.at)?;
        let scope = self.scope();
        let aggregates = scope.no_aggregates.replace("VALUES");
        let windows = scope.no_windows.replace("VALUES");
        let expr = self.expr(cell);
        let scope = self.scope();
        scope.no_aggregates = aggregates;
        scope.no_windows = windows;
        self.assign(expr?, table, column)
    }

    /// Adds defaults and the hidden key, and checks NOT NULL.
    fn complete(
        &mut self,
        table: &Arc<Table>,
        targets: &[usize],
        query: Option<(u32, Query)>,
        given: Vec<Expr>,
    ) -> Result<(Vec<String>, InsertRows), SqlError> {
        let mut values: Vec<Option<Expr>> = vec![None; table.columns.len()];
        for (target, expr) in targets.iter().zip(given) {
            values[*target] = Some(expr);
        }
        for (value, declared) in values.iter_mut().zip(&table.columns) {
            if value.is_some() || declared.generated {
                continue;
            }
            if declared.hidden {
                let node = Node::Apply { form: Form::Call(storage::schema::HIDDEN_KEY_FUNCTION), args: Vec::new() };
                *value = Some(Expr::new(node, oid::INT8, 0));
            } else if table.origin == Origin::Wire {
                *value = Some(self.default_of(declared)?);
            }
        }
        let visible = |declared: &&Column| !declared.hidden;
        let row = |values: &[Option<Expr>]| -> Vec<Expr> {
            let pairs = table.columns.iter().zip(values).filter(|(declared, _)| visible(declared));
            pairs.map(|(declared, value)| value.clone().unwrap_or_else(|| null_of(declared))).collect()
        };
        let mut query = query;
        let needs_row = table.columns.iter().zip(&values).any(|(declared, value)| {
            value.as_ref().is_some_and(|value| self.not_null(value.clone(), table, declared, &[]) != *value)
        });
        let writable = |expr: &Expr| is_simple(expr) || matches!(expr.node, Node::Column(_));
        if needs_row && !row(&values).iter().all(writable) && query.is_none() {
            // The row is named in an error: its expressions are computed once, in a derived table.
            let present: Vec<usize> =
                (0..values.len()).filter(|index| values[*index].is_some() && !table.columns[*index].hidden).collect();
            let computed: Vec<Expr> = present.iter().filter_map(|index| values[*index].clone()).collect();
            let (relation, references) = self.as_relation(vec![computed]);
            for (index, reference) in present.into_iter().zip(references) {
                values[index] = Some(reference);
            }
            query = relation;
        }
        let row = row(&values);
        let mut columns = Vec::new();
        let mut exprs = Vec::new();
        for (declared, value) in table.columns.iter().zip(values) {
            let Some(value) = value else { continue };
            columns.push(declared.name.clone());
            exprs.push(self.not_null(value, table, declared, &row));
        }
        let rows = match query {
            None => InsertRows::Values(exprs),
            Some((id, query)) => InsertRows::Query { id, query: Box::new(query), values: exprs },
        };
        Ok((columns, rows))
    }

    fn on_conflict(
        &mut self,
        clause: &ast::OnConflict,
        table: &Arc<Table>,
        id: u32,
    ) -> Result<ir::OnConflict, SqlError> {
        let target = match &clause.target {
            None => Vec::new(),
            Some(ConflictTarget::Columns(names)) => conflict_columns(table, names, clause.target_at)?,
            Some(ConflictTarget::Constraint(name)) => {
                if table.primary_key_name.as_deref() != Some(&name.text) {
                    let message = format!("constraint \"{}\" for table \"{}\" does not exist", name.text, table.name);
                    return Err(SqlError::new("42704", message));
                }
                key_names(table)
            }
        };
        let (assignments, filter) = match &clause.action {
            ConflictAction::Nothing => return Ok(ir::OnConflict::Nothing { target }),
            ConflictAction::Update { assignments, filter } => (assignments, filter),
        };
        if target.is_empty() {
            return Err(SqlError::new(
                "42601",
                "ON CONFLICT DO UPDATE requires inference specification or constraint name",
            )
            .hint("For example, ON CONFLICT (column_name).")
            .at(clause.at));
        }
        let excluded = ScopeItem::new(Some("excluded".into()), table_columns(EXCLUDED, table));
        self.scope().items.push(excluded);
        let assignments = self.assignments(assignments, table, id)?;
        let filter = self.clause(filter.as_ref(), "WHERE")?;
        Ok(ir::OnConflict::Update { target, assignments, filter })
    }

    /// RETURNING, which may name the target's columns only.
    pub(super) fn returning(
        &mut self,
        list: &[ast::SelectItem],
        target: u32,
    ) -> Result<(Vec<Expr>, Vec<Output>), SqlError> {
        self.scope().no_aggregates = Some("RETURNING");
        self.scope().no_windows = Some("RETURNING");
        let (items, mut outputs) = self.select_items(list)?;
        let others: Vec<u32> = self.scope().relations.iter().copied().filter(|relation| *relation != target).collect();
        let mut settled = Vec::with_capacity(items.len());
        for (item, output) in items.into_iter().zip(&mut outputs) {
            let item = self.settle(item)?;
            if super::group::expr_refers_to(&item, &others) {
                return Err(SqlError::unsupported("RETURNING columns of other tables is not supported").at(item.at));
            }
            if output.ty.oid == oid::UNKNOWN {
                output.ty = plain(oid::TEXT);
            }
            settled.push(item);
        }
        if !self.scope().lifted.is_empty() {
            return Err(SqlError::new("0A000", "set-returning functions are not allowed in RETURNING"));
        }
        Ok((settled, outputs))
    }
}

/// Where the expressions of a query's results stand, for errors about them; empty where `*` hides them.
fn result_places(query: &ast::Query) -> Vec<u32> {
    match &query.body {
        ast::Body::Select(select) if !select.items.iter().any(|item| matches!(item.expr.kind, ExprKind::Star(_))) => {
            select.items.iter().map(|item| item.expr.at).collect()
        }
        ast::Body::Select(_) => Vec::new(),
        ast::Body::Values { rows } => {
            rows.first().map_or_else(Vec::new, |row| row.iter().map(|expr| expr.at).collect())
        }
        ast::Body::Set { left, .. } => result_places(left),
    }
}

/// Positions of the columns an INSERT names; without a list the visible ones.
fn insert_targets(table: &Table, names: &[Name]) -> Result<Vec<usize>, SqlError> {
    if names.is_empty() {
        return Ok((0..table.columns.len()).filter(|index| !table.columns[*index].hidden).collect());
    }
    let mut targets: Vec<usize> = Vec::with_capacity(names.len());
    for name in names {
        let index = column_index(table, name)?;
        if targets.contains(&index) {
            return Err(
                SqlError::new("42701", format!("column \"{}\" specified more than once", name.text)).at(name.at)
            );
        }
        targets.push(index);
    }
    Ok(targets)
}

/// The position of a column that a write names.
pub(super) fn column_index(table: &Table, name: &Name) -> Result<usize, SqlError> {
    let found = table.columns.iter().position(|column| !column.hidden && column.name == name.text);
    found.ok_or_else(|| {
        let message = format!("column \"{}\" of relation \"{}\" does not exist", name.text, table.name);
        SqlError::new("42703", message).at(name.at)
    })
}

pub(super) fn refuse_generated(column: &Column, verb: &str, at: u32) -> Result<(), SqlError> {
    if !column.generated {
        return Ok(());
    }
    let message = if verb == "insert" {
        format!("cannot insert a non-DEFAULT value into column \"{}\"", column.name)
    } else {
        format!("column \"{}\" can only be updated to DEFAULT", column.name)
    };
    Err(SqlError::new("428C9", message).detail(format!("Column \"{}\" is a generated column.", column.name)).at(at))
}

fn check_count(given: usize, insert: &ast::Insert, targets: usize, at: u32) -> Result<(), SqlError> {
    if given > targets {
        return Err(SqlError::new("42601", "INSERT has more expressions than target columns").at(at));
    }
    if given < insert.columns.len() {
        let at = insert.columns.get(given).map_or(at, |name| name.at);
        return Err(SqlError::new("42601", "INSERT has more target columns than expressions").at(at));
    }
    Ok(())
}

fn key_names(table: &Table) -> Vec<String> {
    table.primary_key.iter().filter_map(|index| table.columns.get(*index)).map(|column| column.name.clone()).collect()
}

/// `at` is where the list opens, which is where PostgreSQL points for a column that is missing.
fn conflict_columns(table: &Table, names: &[Name], at: u32) -> Result<Vec<String>, SqlError> {
    for name in names {
        column_index(table, name)
            .map_err(|_| SqlError::new("42703", format!("column \"{}\" does not exist", name.text)).at(at))?;
    }
    let key = key_names(table);
    let same = key.iter().all(|column| names.iter().any(|name| name.text == *column))
        && names.iter().all(|name| key.contains(&name.text));
    if !same {
        let message = "there is no unique or exclusion constraint matching the ON CONFLICT specification";
        return Err(SqlError::new("42P10", message));
    }
    Ok(key)
}
