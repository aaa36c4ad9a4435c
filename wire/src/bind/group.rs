//! The grouping rule: what is selected from a group must be grouped by, aggregated, or determined by a grouped key.

use super::Binder;
use crate::error::SqlError;
use crate::ir::{Body, ColumnRef, Expr, Node, OrderItem, OrderKey, Query, Select, Source};

impl Binder<'_> {
    /// # Errors
    /// 42803 `column "t.a" must appear in the GROUP BY clause or be used in an aggregate function`.
    pub(super) fn check_grouping(&mut self, select: &Select, order_by: &[OrderItem]) -> Result<(), SqlError> {
        let own = self.scope().relations.clone();
        let determined = self.determined(&own, &select.group_by);
        for expr in select.items.iter().chain(&select.having).chain(&select.distinct_on) {
            self.check_grouped(expr, &select.group_by, &own, &determined, false)?;
        }
        for item in order_by {
            if let OrderKey::Expr(expr) = &item.key {
                self.check_grouped(expr, &select.group_by, &own, &determined, false)?;
            }
        }
        Ok(())
    }

    /// Relations whose whole primary key is grouped by: their columns have one value a group.
    fn determined(&self, own: &[u32], keys: &[Expr]) -> Vec<u32> {
        let columns: Vec<&ColumnRef> = keys
            .iter()
            .filter_map(|key| if let Node::Column(column) = &key.node { Some(column) } else { None })
            .collect();
        let covers = |relation: &u32| {
            let grouped: Vec<&&ColumnRef> = columns.iter().filter(|column| column.relation == *relation).collect();
            let Some(table_oid) = grouped.first().map(|column| column.table_oid) else { return false };
            let Some(table) = self.env.schema.tables.values().find(|table| table.oid == table_oid) else {
                return false;
            };
            !table.primary_key.is_empty()
                && table.primary_key.iter().all(|key| {
                    table
                        .columns
                        .get(*key)
                        .is_some_and(|column| grouped.iter().any(|grouped| grouped.name.as_ref() == column.name))
                })
        };
        own.iter().copied().filter(|relation| covers(relation)).collect()
    }

    fn check_grouped(
        &self,
        expr: &Expr,
        keys: &[Expr],
        own: &[u32],
        determined: &[u32],
        inside: bool,
    ) -> Result<(), SqlError> {
        if keys.contains(expr) {
            return Ok(());
        }
        if let Node::Column(column) = &expr.node
            && own.contains(&column.relation)
            && !determined.contains(&column.relation)
        {
            let name = self.shown(column);
            let message = if inside {
                format!("subquery uses ungrouped column \"{name}\" from outer query")
            } else {
                format!("column \"{name}\" must appear in the GROUP BY clause or be used in an aggregate function")
            };
            return Err(SqlError::new("42803", message).at(expr.at));
        }
        if matches!(&expr.node, Node::Aggregate(aggregate) if aggregate.over.is_none()) {
            return Ok(());
        }
        let mut failed = Ok(());
        expr.for_each_part(&mut |part| {
            if failed.is_ok() {
                failed = self.check_grouped(part, keys, own, determined, inside);
            }
        });
        failed?;
        if let Some(query) = expr.queries() {
            let mut failed = Ok(());
            for_each_expr(query, &mut |expr| {
                if failed.is_ok() {
                    failed = self.check_grouped(expr, keys, own, determined, true);
                }
            });
            failed?;
        }
        Ok(())
    }

    /// `table.column` as PostgreSQL shows it.
    fn shown(&self, column: &ColumnRef) -> String {
        for scope in self.scopes.iter().rev() {
            for item in &scope.items {
                let Some(table) = &item.name else { continue };
                let found = item.columns.iter().find(|known| {
                    matches!(&known.expr.node, Node::Column(known) if known.relation == column.relation && known.name == column.name)
                });
                if let Some(found) = found {
                    return format!("{table}.{}", found.name);
                }
            }
        }
        column.name.to_string()
    }
}

/// Whether an expression holds an aggregate of its own query.
pub(super) fn holds_aggregate(expr: &Expr) -> bool {
    let mut found = matches!(&expr.node, Node::Aggregate(_));
    expr.for_each_part(&mut |part| found |= holds_aggregate(part));
    found
}

/// Whether a query refers to one of these relations.
pub(super) fn refers_to(query: &Query, relations: &[u32]) -> bool {
    let mut found = false;
    for_each_expr(query, &mut |expr| found |= expr_refers_to(expr, relations));
    found
}

pub(super) fn expr_refers_to(expr: &Expr, relations: &[u32]) -> bool {
    let mut found = matches!(&expr.node, Node::Column(column) if relations.contains(&column.relation));
    expr.for_each_part(&mut |part| found |= expr_refers_to(part, relations));
    found || expr.queries().is_some_and(|query| refers_to(query, relations))
}

/// Calls `visit` on the expressions that stand directly in a query and its derived tables.
fn for_each_expr<'a>(query: &'a Query, visit: &mut dyn FnMut(&'a Expr)) {
    for cte in &query.ctes {
        for_each_expr(&cte.query, visit);
    }
    match &query.body {
        Body::Select(select) => {
            for source in &select.from {
                for_each_source_expr(source, visit);
            }
            let parts = select
                .items
                .iter()
                .chain(&select.filter)
                .chain(&select.group_by)
                .chain(&select.having)
                .chain(&select.distinct_on);
            parts.for_each(&mut *visit);
        }
        Body::Values(rows) => rows.iter().flatten().for_each(&mut *visit),
        Body::Set { left, right, .. } => {
            for_each_expr(left, visit);
            for_each_expr(right, visit);
        }
    }
    for item in &query.order_by {
        if let OrderKey::Expr(expr) = &item.key {
            visit(expr);
        }
    }
    query.limit.iter().chain(&query.offset).for_each(|expr| visit(expr));
}

fn for_each_source_expr<'a>(source: &'a Source, visit: &mut dyn FnMut(&'a Expr)) {
    match source {
        Source::Table { .. } | Source::Cte { .. } => {}
        Source::Query { query, .. } => for_each_expr(query, visit),
        Source::Function { args, .. } => args.iter().for_each(visit),
        Source::Scalar { value, .. } => visit(value),
        Source::Join { left, right, on, .. } => {
            for_each_source_expr(left, visit);
            for_each_source_expr(right, visit);
            on.iter().for_each(|expr| visit(expr));
        }
    }
}
