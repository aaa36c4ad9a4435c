//! Queries: WITH, SELECT, VALUES, set operations, ORDER BY, LIMIT.

use super::cast::type_name;
use super::label::label;
use super::scope::Scope;
use super::{Binder, plain};
use crate::error::SqlError;
use crate::function::CastContext;
use crate::ir::{Body, Cte, Expr, Node, OrderItem, OrderKey, Output, Query, Select};
use crate::plan::RowLock;
use crate::sql::ast::{self, Distinct, ExprKind, SetOperator};
use crate::types::{Representation, oid};

impl Binder<'_> {
    /// Binds a query; columns that nothing typed stay unknown until [`Self::settle_query`] or a target decides.
    pub(super) fn query(&mut self, query: &ast::Query) -> Result<Query, SqlError> {
        let visible = self.ctes.len();
        let result = self.query_with_ctes(query);
        self.ctes.truncate(visible);
        result
    }

    fn query_with_ctes(&mut self, query: &ast::Query) -> Result<Query, SqlError> {
        let (ctes, recursive) = self.with(query.with.as_ref())?;
        let known = self.from_names.len();
        self.scopes.push(Scope::default());
        let result = self.query_in_scope(query, ctes, recursive);
        self.scopes.pop();
        self.from_names.truncate(known);
        result
    }

    fn query_in_scope(&mut self, query: &ast::Query, ctes: Vec<Cte>, recursive: bool) -> Result<Query, SqlError> {
        let bound = self.bound_in_scope(query, ctes, recursive)?;
        if let Some(locking) = &query.locking {
            self.check_locking(locking, query)?;
        }
        Ok(bound)
    }

    /// FOR UPDATE and its like are refused where PostgreSQL refuses them, and noted for the plan.
    fn check_locking(&mut self, locking: &ast::Locking, query: &ast::Query) -> Result<(), SqlError> {
        let strength = locking.strength;
        let refused = |with: &str| Err(SqlError::unsupported(format!("{strength} is not allowed with {with}")));
        let ast::Body::Select(select) = &query.body else {
            return match query.body {
                ast::Body::Set { .. } => refused("UNION/INTERSECT/EXCEPT"),
                ast::Body::Values { .. } | ast::Body::Select(_) => {
                    Err(SqlError::unsupported(format!("{strength} cannot be applied to VALUES")))
                }
            };
        };
        if !matches!(select.distinct, Distinct::All) {
            return refused("DISTINCT clause");
        }
        if !select.group_by.is_empty() {
            return refused("GROUP BY clause");
        }
        if select.having.is_some() {
            return refused("HAVING clause");
        }
        let scope = self.scope();
        if scope.has_aggregates {
            return refused("aggregate functions");
        }
        if scope.has_windows {
            return refused("window functions");
        }
        for name in &locking.of {
            if !scope.items.iter().any(|item| item.name_visible && item.name.as_deref() == Some(name.last())) {
                let message = format!("relation \"{}\" in {strength} clause not found in FROM clause", name.display());
                return Err(SqlError::new("42P01", message).at(name.at()));
            }
        }
        let statement = match strength {
            "FOR UPDATE" => "SELECT FOR UPDATE",
            "FOR NO KEY UPDATE" => "SELECT FOR NO KEY UPDATE",
            "FOR SHARE" => "SELECT FOR SHARE",
            _ => "SELECT FOR KEY SHARE",
        };
        self.facts.row_lock = Some(RowLock { statement, nowait: locking.nowait });
        Ok(())
    }

    fn bound_in_scope(&mut self, query: &ast::Query, ctes: Vec<Cte>, recursive: bool) -> Result<Query, SqlError> {
        let (body, outputs, order_by) = match &query.body {
            ast::Body::Select(select) => {
                let (select, outputs, order_by) = self.select(select, &query.order_by)?;
                (Body::Select(Box::new(select)), outputs, order_by)
            }
            ast::Body::Values { rows, .. } => {
                let (body, outputs) = self.values(rows)?;
                let order_by = self.order_by_output(&query.order_by, &outputs)?;
                (body, outputs, order_by)
            }
            ast::Body::Set { op, all, left, right, .. } => {
                let (body, outputs) = self.set_operation(*op, *all, left, right)?;
                let order_by = self
                    .order_by_output(&query.order_by, &outputs)
                    .map_err(|error| super::order::hidden_in_branch(error, &query.order_by, &body))?;
                (body, outputs, order_by)
            }
        };
        let offset = self.row_count(query.offset.as_ref(), "OFFSET")?;
        let limit = self.row_count(query.limit.as_ref(), "LIMIT")?;
        Ok(Query { ctes, recursive, body, order_by, limit, offset, outputs })
    }

    fn select(
        &mut self,
        select: &ast::Select,
        order_by: &[ast::OrderItem],
    ) -> Result<(Select, Vec<Output>, Vec<OrderItem>), SqlError> {
        let grouping = !select.group_by.is_empty();
        let outer_literals = if grouping { self.shared_literals.replace(Vec::new()) } else { None };
        let result = self.select_inner(select, order_by);
        if grouping {
            self.shared_literals = outer_literals;
        }
        result
    }

    fn select_inner(
        &mut self,
        select: &ast::Select,
        order_by: &[ast::OrderItem],
    ) -> Result<(Select, Vec<Output>, Vec<OrderItem>), SqlError> {
        for (index, (name, window)) in select.windows.iter().enumerate() {
            if select.windows[..index].iter().any(|(other, _)| other.text == name.text) {
                let message = format!("window \"{}\" is already defined", name.text);
                return Err(SqlError::new("42P20", message).at(window.at));
            }
        }
        self.scope().windows.clone_from(&select.windows);
        let from = self.from(&select.from)?;
        // PostgreSQL's order, so that of two mistakes the same one is told, and parameters get the same types.
        let (items, outputs) = self.select_items(&select.items)?;
        let filter = self.clause(select.filter.as_ref(), "WHERE")?;
        let having = self.having(select.having.as_ref())?;
        let mut order_by = self.select_order(order_by, &items, &outputs, select)?;
        let grouping = self.group_by(select, &items, &outputs)?;
        let (distinct, distinct_on) = self.distinct(&select.distinct, &items, &outputs, &order_by)?;
        let (lifted, lifted_ids) = self.lifted_sources();
        let grouped = !grouping.keys.is_empty()
            || grouping.sets.is_some()
            || self.scope().has_aggregates
            || self.scope().has_grouping
            || having.is_some();
        let group_by = grouping.keys.clone();
        let mut bound = Select { distinct, distinct_on, items, from, filter, group_by, grouped, having };
        if !grouped {
            bound.from.extend(lifted);
            return Ok((bound, outputs, order_by));
        }
        let mut own = self.scope().relations.clone();
        own.retain(|relation| !lifted_ids.contains(relation));
        let common = grouping.common_keys();
        self.check_grouping(&bound, &order_by, &common, &own)?;
        let has_grouping = self.scope().has_grouping;
        if has_grouping {
            super::group::check_grouping_calls(&bound, &order_by)?;
        }
        if has_grouping || grouping.sets.is_some() || !lifted.is_empty() {
            let all = (0..grouping.keys.len()).collect();
            let sets = grouping.sets.unwrap_or_else(|| vec![all]);
            let id = self.new_relation();
            bound = super::regroup::regrouped(bound, &mut order_by, &sets, lifted, (id, own));
        }
        Ok((bound, outputs, order_by))
    }

    /// A condition that holds no aggregates or windows.
    pub(super) fn clause(&mut self, expr: Option<&ast::Expr>, clause: &'static str) -> Result<Option<Expr>, SqlError> {
        let Some(expr) = expr else { return Ok(None) };
        let aggregates = self.scope().no_aggregates.replace(clause);
        let windows = self.scope().no_windows.replace(clause);
        let bound = self.expr(expr).and_then(|bound| self.coerce_to_bool(bound, clause));
        let scope = self.scope();
        scope.no_aggregates = aggregates;
        scope.no_windows = windows;
        bound.map(Some)
    }

    fn having(&mut self, expr: Option<&ast::Expr>) -> Result<Option<Expr>, SqlError> {
        let Some(expr) = expr else { return Ok(None) };
        let windows = self.scope().no_windows.replace("HAVING");
        let bound = self.expr(expr).and_then(|bound| self.coerce_to_bool(bound, "HAVING"));
        self.scope().no_windows = windows;
        bound.map(Some)
    }

    /// The select list, `*` expanded.
    pub(super) fn select_items(&mut self, list: &[ast::SelectItem]) -> Result<(Vec<Expr>, Vec<Output>), SqlError> {
        let mut items = Vec::with_capacity(list.len());
        let mut outputs = Vec::with_capacity(list.len());
        for item in list {
            if let ExprKind::Star(parts) = &item.expr.kind {
                for column in self.star(parts, item.expr.at)? {
                    outputs.push(output(column.name, &column.expr));
                    items.push(Expr { at: item.expr.at, ..column.expr });
                }
                continue;
            }
            self.scope().may_lift = true;
            let expr = self.expr(&item.expr);
            self.scope().may_lift = false;
            let expr = expr?;
            let name = item.alias.clone().unwrap_or_else(|| label(&item.expr));
            outputs.push(output(name, &expr));
            items.push(expr);
        }
        Ok((items, outputs))
    }

    fn values(&mut self, rows: &[Vec<ast::Expr>]) -> Result<(Body, Vec<Output>), SqlError> {
        let width = rows.first().map_or(0, Vec::len);
        let mut bound: Vec<Vec<Expr>> = Vec::with_capacity(rows.len());
        for row in rows {
            if row.len() != width {
                let at = row.first().map_or(0, |expr| expr.at);
                return Err(SqlError::new("42601", "VALUES lists must all be the same length").at(at));
            }
            let mut exprs = Vec::with_capacity(width);
            for expr in row {
                exprs.push(self.expr(expr)?);
            }
            bound.push(exprs);
        }
        let mut outputs = Vec::with_capacity(width);
        for index in 0..width {
            let column: Vec<Expr> = bound.iter().map(|row| row[index].clone()).collect();
            // A column of untyped members may get its type from an INSERT; it stays unknown here.
            let ty = if column.iter().all(|expr| expr.ty.oid == oid::UNKNOWN) {
                plain(oid::UNKNOWN)
            } else {
                let (column, ty) = self.unify(column, "VALUES")?;
                for (row, expr) in bound.iter_mut().zip(column) {
                    row[index] = expr;
                }
                ty
            };
            let name = format!("column{}", index + 1);
            outputs.push(Output { name, ty, table_oid: 0, attribute: 0, representation: Representation::Typed });
        }
        Ok((Body::Values(bound), outputs))
    }

    fn set_operation(
        &mut self,
        op: SetOperator,
        all: bool,
        left: &ast::Query,
        right: &ast::Query,
    ) -> Result<(Body, Vec<Output>), SqlError> {
        let word = match op {
            SetOperator::Union => "UNION",
            SetOperator::Intersect => "INTERSECT",
            SetOperator::Except => "EXCEPT",
        };
        let left = self.query(left)?;
        let right = self.query(right)?;
        check_width(&left, &right, word, left_at(&right))?;
        let mut targets = Vec::with_capacity(left.outputs.len());
        let mut outputs = Vec::with_capacity(left.outputs.len());
        for (index, (first, second)) in left.outputs.iter().zip(&right.outputs).enumerate() {
            let common = self.common_type(&[(first.ty.oid, 0), (second.ty.oid, left_at(&right))], word)?;
            if !all {
                self.check_groupable(common, output_at(&left, index))?;
            }
            let same = first.ty == second.ty && first.ty.oid == common;
            let ty = if same { first.ty } else { plain(common) };
            let dynamic = [first, second].iter().any(|output| output.representation == Representation::Dynamic);
            let representation = if dynamic { Representation::Dynamic } else { Representation::Typed };
            targets.push(common);
            outputs.push(Output { name: first.name.clone(), ty, table_oid: 0, attribute: 0, representation });
        }
        let left = Box::new(self.convert_outputs(left, &targets)?);
        let right = Box::new(self.convert_outputs(right, &targets)?);
        Ok((Body::Set { op, all, left, right }, outputs))
    }

    /// Gives text to columns that are still unknown.
    pub(super) fn settle_query(&mut self, query: Query) -> Result<Query, SqlError> {
        let unknown = query.outputs.iter().any(|output| output.ty.oid == oid::UNKNOWN);
        if !unknown {
            return Ok(query);
        }
        let settled = |output: &Output| if output.ty.oid == oid::UNKNOWN { oid::TEXT } else { output.ty.oid };
        let targets: Vec<u32> = query.outputs.iter().map(settled).collect();
        self.convert_outputs(query, &targets)
    }

    /// Converts the result columns to these types, inside the query.
    pub(super) fn convert_outputs(&mut self, mut query: Query, targets: &[u32]) -> Result<Query, SqlError> {
        let changed = query.outputs.iter().zip(targets).any(|(output, target)| output.ty.oid != *target);
        if !changed {
            return Ok(query);
        }
        query.body = match query.body {
            Body::Select(mut select) => {
                select.items = self.convert_row(select.items, targets)?;
                Body::Select(select)
            }
            Body::Values(rows) => {
                let mut converted = Vec::with_capacity(rows.len());
                for row in rows {
                    converted.push(self.convert_row(row, targets)?);
                }
                Body::Values(converted)
            }
            Body::Set { op, all, left, right } => {
                let left = Box::new(self.convert_outputs(*left, targets)?);
                let right = Box::new(self.convert_outputs(*right, targets)?);
                Body::Set { op, all, left, right }
            }
        };
        for (output, target) in query.outputs.iter_mut().zip(targets) {
            if output.ty.oid != *target {
                *output = Output { name: std::mem::take(&mut output.name), ty: plain(*target), ..output.clone() };
                output.table_oid = 0;
                output.attribute = 0;
                output.representation = Representation::Typed;
            }
        }
        for item in &mut query.order_by {
            if let OrderKey::Output(position) = item.key {
                item.type_oid = targets.get(position).copied().unwrap_or(item.type_oid);
            }
        }
        Ok(query)
    }

    fn convert_row(&mut self, row: Vec<Expr>, targets: &[u32]) -> Result<Vec<Expr>, SqlError> {
        let mut converted = Vec::with_capacity(row.len());
        for (expr, target) in row.into_iter().zip(targets) {
            converted.push(self.coerce(expr, *target)?);
        }
        Ok(converted)
    }

    fn row_count(&mut self, expr: Option<&ast::Expr>, clause: &'static str) -> Result<Option<Box<Expr>>, SqlError> {
        let Some(expr) = expr else { return Ok(None) };
        let aggregates = self.scope().no_aggregates.replace(clause);
        // LIMIT sees no columns.
        let items = std::mem::take(&mut self.scope().items);
        let bound = self.expr(expr);
        let scope = self.scope();
        scope.no_aggregates = aggregates;
        scope.items = items;
        let bound = match bound {
            Err(error) if error.sqlstate == "42703" => {
                return Err(
                    SqlError::new("42P10", format!("argument of {clause} must not contain variables")).at(expr.at)
                );
            }
            other => other?,
        };
        let (from, at) = (bound.ty.oid, bound.at);
        match self.try_coerce(bound, plain(oid::INT8), CastContext::Assignment)? {
            Some(bound) => Ok(Some(Box::new(bound))),
            None => {
                let message = format!("argument of {clause} must be type bigint, not type {}", type_name(from));
                Err(SqlError::new("42804", message).at(at))
            }
        }
    }
}

fn output(name: String, expr: &Expr) -> Output {
    let mut output = Output { name, ty: expr.ty, table_oid: 0, attribute: 0, representation: Representation::Typed };
    if let Node::Column(column) = &expr.node {
        output.table_oid = column.table_oid;
        output.attribute = column.attribute;
        output.representation = column.representation;
    }
    output
}

/// Where a result column's expression stands.
pub(super) fn output_at(query: &Query, index: usize) -> u32 {
    match &query.body {
        Body::Select(select) => select.items.get(index).map_or(0, |item| item.at),
        Body::Values(rows) => rows.first().and_then(|row| row.get(index)).map_or(0, |expr| expr.at),
        Body::Set { left, .. } => output_at(left, index),
    }
}

pub(super) fn left_at(query: &Query) -> u32 {
    match &query.body {
        Body::Select(select) => select.items.first().map_or(0, |item| item.at),
        Body::Values(rows) => rows.first().and_then(|row| row.first()).map_or(0, |expr| expr.at),
        Body::Set { left, .. } => left_at(left),
    }
}

pub(super) fn check_width(left: &Query, right: &Query, word: &str, at: u32) -> Result<(), SqlError> {
    if left.outputs.len() == right.outputs.len() {
        return Ok(());
    }
    Err(SqlError::new("42601", format!("each {word} query must have the same number of columns")).at(at))
}
