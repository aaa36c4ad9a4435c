//! ORDER BY and DISTINCT: what their keys name.

use super::Binder;
use crate::error::SqlError;
use crate::ir::{Body, Expr, OrderItem, OrderKey, Output, Query};
use crate::sql::ast::{self, Distinct, ExprKind, LiteralKind};

impl Binder<'_> {
    /// An ordinal of the select list: `GROUP BY 1`, `ORDER BY 1`.
    pub(super) fn ordinal(&mut self, expr: &ast::Expr, count: usize, clause: &str) -> Result<Option<usize>, SqlError> {
        if let ExprKind::Null | ExprKind::Bool(_) = expr.kind {
            return Err(SqlError::new("42601", format!("non-integer constant in {clause}")).at(expr.at));
        }
        let ExprKind::Literal(kind, literal) = &expr.kind else { return Ok(None) };
        let LiteralKind::Int4 = *kind else {
            return Err(SqlError::new("42601", format!("non-integer constant in {clause}")).at(expr.at));
        };
        let text = self.pin(*literal)?;
        match text.parse::<usize>() {
            Ok(position) if (1..=count).contains(&position) => Ok(Some(position - 1)),
            Ok(_) | Err(_) => {
                Err(SqlError::new("42P10", format!("{clause} position {text} is not in select list")).at(expr.at))
            }
        }
    }

    /// ORDER BY of a SELECT: result columns by name or ordinal, else expressions over FROM.
    pub(super) fn select_order(
        &mut self,
        list: &[ast::OrderItem],
        items: &[Expr],
        outputs: &[Output],
        select: &ast::Select,
    ) -> Result<Vec<OrderItem>, SqlError> {
        let mut keys = Vec::with_capacity(list.len());
        for item in list {
            let (key, type_oid) = match self.output_key(&item.expr, items, outputs)? {
                Some(position) => (OrderKey::Output(position), outputs[position].ty.oid),
                None => {
                    let expr = self.expr(&item.expr)?;
                    let expr = self.settle(expr)?;
                    let type_oid = expr.ty.oid;
                    match items.iter().position(|item| *item == expr) {
                        Some(position) => (OrderKey::Output(position), type_oid),
                        None if matches!(select.distinct, Distinct::Rows) => {
                            let message = "for SELECT DISTINCT, ORDER BY expressions must appear in select list";
                            return Err(SqlError::new("42P10", message).at(item.expr.at));
                        }
                        None => (OrderKey::Expr(expr), type_oid),
                    }
                }
            };
            self.check_sortable(type_oid, item.expr.at)?;
            let nulls_first = item.nulls_first.unwrap_or(item.descending);
            keys.push(OrderItem { key, type_oid, descending: item.descending, nulls_first });
        }
        Ok(keys)
    }

    pub(super) fn output_key(
        &mut self,
        expr: &ast::Expr,
        items: &[Expr],
        outputs: &[Output],
    ) -> Result<Option<usize>, SqlError> {
        if let ExprKind::Column(parts) = &expr.kind
            && let [name] = parts.as_slice()
            && let Some(position) = output_named(outputs, items, &name.text, expr.at, "ORDER BY")?
        {
            return Ok(Some(position));
        }
        self.ordinal(expr, outputs.len(), "ORDER BY")
    }

    /// ORDER BY of a set operation or VALUES: result columns only.
    pub(super) fn order_by_output(
        &mut self,
        list: &[ast::OrderItem],
        outputs: &[Output],
    ) -> Result<Vec<OrderItem>, SqlError> {
        let mut keys = Vec::with_capacity(list.len());
        for item in list {
            let Some(position) = self.output_key(&item.expr, &[], outputs)? else {
                if let ExprKind::Column(parts) = &item.expr.kind
                    && let [name] = parts.as_slice()
                {
                    let message = format!("column \"{}\" does not exist", name.text);
                    return Err(SqlError::new("42703", message).at(item.expr.at));
                }
                return Err(SqlError::unsupported("invalid UNION/INTERSECT/EXCEPT ORDER BY clause")
                    .detail("Only result column names can be used, not expressions or functions.")
                    .hint("Add the expression/function to every SELECT, or move the UNION into a FROM clause.")
                    .at(start_of(&item.expr)));
            };
            let type_oid = outputs[position].ty.oid;
            self.check_sortable(type_oid, item.expr.at)?;
            let nulls_first = item.nulls_first.unwrap_or(item.descending);
            keys.push(OrderItem {
                key: OrderKey::Output(position),
                type_oid,
                descending: item.descending,
                nulls_first,
            });
        }
        Ok(keys)
    }

    pub(super) fn distinct(
        &mut self,
        distinct: &Distinct,
        items: &[Expr],
        outputs: &[Output],
        order_by: &[OrderItem],
    ) -> Result<(bool, Vec<Expr>), SqlError> {
        match distinct {
            Distinct::All => Ok((false, Vec::new())),
            Distinct::Rows => {
                for item in items {
                    self.check_groupable(item.ty.oid, item.at)?;
                }
                Ok((true, Vec::new()))
            }
            Distinct::On(list) => {
                let mut keys = Vec::with_capacity(list.len());
                for expr in list {
                    let key = match self.output_key(expr, items, outputs)? {
                        Some(position) => items[position].clone(),
                        None => self.expr(expr)?,
                    };
                    keys.push(self.settle(key)?);
                }
                let leads = order_by.iter().take(keys.len()).all(|item| {
                    let sorted = match &item.key {
                        OrderKey::Output(position) => &items[*position],
                        OrderKey::Expr(expr) => expr,
                    };
                    keys.contains(sorted)
                });
                if !leads {
                    let message = "SELECT DISTINCT ON expressions must match initial ORDER BY expressions";
                    return Err(SqlError::new("42P10", message).at(list.first().map_or(0, |expr| expr.at)));
                }
                Ok((false, keys))
            }
        }
    }
}

/// ORDER BY of a set operation sees the names of its first branch only: says so if another branch has the name.
pub(super) fn hidden_in_branch(error: SqlError, order_by: &[ast::OrderItem], body: &Body) -> SqlError {
    fn branches<'a>(body: &'a Body, found: &mut Vec<&'a Query>) {
        if let Body::Set { left, right, .. } = body {
            for branch in [left, right] {
                match &branch.body {
                    Body::Set { .. } => branches(&branch.body, found),
                    Body::Select(_) | Body::Values(_) => found.push(branch),
                }
            }
        }
    }
    if error.sqlstate != "42703" {
        return error;
    }
    let mut found = Vec::new();
    branches(body, &mut found);
    let name = |item: &ast::OrderItem| {
        let ExprKind::Column(parts) = &item.expr.kind else { return None };
        parts.last().filter(|_| Some(item.expr.at) == error.position).map(|name| name.text.clone())
    };
    let Some(name) = order_by.iter().find_map(name) else { return error };
    let has_name = |branch: &&Query| branch.outputs.iter().any(|output| output.name == name);
    match found.iter().position(has_name) {
        Some(index) => error.hint(format!(
            "There is a column named \"{name}\" in table \"*SELECT* {}\", but it cannot be referenced from this part of the query.",
            index + 1
        )),
        None => error,
    }
}

pub(super) fn output_named(
    outputs: &[Output],
    items: &[Expr],
    name: &str,
    at: u32,
    clause: &str,
) -> Result<Option<usize>, SqlError> {
    let mut found: Option<usize> = None;
    for (position, output) in outputs.iter().enumerate() {
        if output.name == name {
            let same = |first: usize| items.get(first) == items.get(position) && !items.is_empty();
            if found.is_some_and(|first| !same(first)) {
                return Err(SqlError::new("42702", format!("{clause} \"{name}\" is ambiguous")).at(at));
            }
            found = found.or(Some(position));
        }
    }
    Ok(found)
}

/// Where an expression begins: of an operator, its left operand.
pub(super) fn start_of(expr: &ast::Expr) -> u32 {
    if let ExprKind::Binary { left, .. } | ExprKind::And(left, _) | ExprKind::Or(left, _) = &expr.kind {
        return start_of(left);
    }
    expr.at
}
