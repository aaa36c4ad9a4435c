//! GROUP BY, its sets, and the grouping rule: what is selected from a group must be grouped by, aggregated, or determined by a grouped key.

use std::collections::BTreeSet;

use super::Binder;
use crate::error::SqlError;
use crate::ir::{Body, ColumnRef, Expr, Node, OrderItem, OrderKey, Output, Query, Select, Source};
use crate::sql::ast::{self, ExprKind, GroupItem};
use crate::types::oid;

/// Most grouping sets of one query: beyond it 54001. Each is a branch of a compound SELECT, of which SQLite takes 500.
const SETS_MAX: usize = 256;

/// A bound GROUP BY.
pub(super) struct Grouping {
    /// Each key once.
    pub(super) keys: Vec<Expr>,
    /// Keys of each grouping set by index; `None` where GROUP BY is a plain list, which is one set of all keys.
    pub(super) sets: Option<Vec<Vec<usize>>>,
}

impl Grouping {
    /// The keys that are in all sets.
    pub(super) fn common_keys(&self) -> Vec<Expr> {
        let in_all = |index: &usize| self.sets.as_ref().is_none_or(|sets| sets.iter().all(|set| set.contains(index)));
        (0..self.keys.len()).filter(in_all).map(|index| self.keys[index].clone()).collect()
    }
}

/// What keys of GROUP BY may name besides columns of FROM.
struct Results<'a> {
    items: &'a [Expr],
    outputs: &'a [Output],
}

impl Binder<'_> {
    pub(super) fn group_by(
        &mut self,
        select: &ast::Select,
        items: &[Expr],
        outputs: &[Output],
    ) -> Result<Grouping, SqlError> {
        let results = Results { items, outputs };
        let mut keys = Vec::with_capacity(select.group_by.len());
        let mut sets: Vec<Vec<usize>> = vec![Vec::new()];
        let mut plain = true;
        for item in &select.group_by {
            plain &= matches!(item, GroupItem::Expr(_)) || matches!(item, GroupItem::List(list) if !list.is_empty());
            let alternatives = self.group_sets(item, &results, &mut keys)?;
            // Elements of the list multiply.
            let combined = sets.iter().flat_map(|set| alternatives.iter().map(move |more| joined(set, more)));
            sets = combined.take(SETS_MAX + 1).collect();
            check_count(&sets)?;
        }
        if select.group_distinct {
            let mut seen: Vec<BTreeSet<usize>> = Vec::new();
            sets.retain(|set| {
                let set: BTreeSet<usize> = set.iter().copied().collect();
                let new = !seen.contains(&set);
                seen.push(set);
                new
            });
        }
        Ok(Grouping { keys, sets: (!plain).then_some(sets) })
    }

    /// The grouping sets that one element of GROUP BY stands for.
    fn group_sets(
        &mut self,
        item: &GroupItem,
        results: &Results<'_>,
        keys: &mut Vec<Expr>,
    ) -> Result<Vec<Vec<usize>>, SqlError> {
        match item {
            GroupItem::Expr(expr) => Ok(vec![vec![self.key_index(expr, results, keys)?]]),
            GroupItem::List(list) => Ok(vec![self.key_indexes(list, results, keys)?]),
            GroupItem::Rollup(lists) => {
                let lists = self.key_lists(lists, results, keys)?;
                Ok((0..=lists.len()).rev().map(|length| lists[..length].concat()).collect())
            }
            GroupItem::Cube(lists) => {
                let at = lists.iter().flatten().map(|expr| expr.at).next().unwrap_or(0);
                if lists.len() > 12 {
                    return Err(SqlError::new("54011", "CUBE is limited to 12 elements").at(at));
                }
                let lists = self.key_lists(lists, results, keys)?;
                let subset = |mask: usize| -> Vec<usize> {
                    let chosen = lists.iter().enumerate().filter(|(index, _)| mask >> index & 1 == 1);
                    chosen.flat_map(|(_, list)| list.iter().copied()).collect()
                };
                Ok((0..1_usize << lists.len()).rev().map(subset).collect())
            }
            GroupItem::Sets(items) => {
                let mut sets = Vec::new();
                for item in items {
                    sets.extend(self.group_sets(item, results, keys)?);
                    check_count(&sets)?;
                }
                Ok(sets)
            }
        }
    }

    fn key_lists(
        &mut self,
        lists: &[Vec<ast::Expr>],
        results: &Results<'_>,
        keys: &mut Vec<Expr>,
    ) -> Result<Vec<Vec<usize>>, SqlError> {
        lists.iter().map(|list| self.key_indexes(list, results, keys)).collect()
    }

    fn key_indexes(
        &mut self,
        list: &[ast::Expr],
        results: &Results<'_>,
        keys: &mut Vec<Expr>,
    ) -> Result<Vec<usize>, SqlError> {
        list.iter().map(|expr| self.key_index(expr, results, keys)).collect()
    }

    /// Binds a key; equal keys are one.
    fn key_index(&mut self, expr: &ast::Expr, results: &Results<'_>, keys: &mut Vec<Expr>) -> Result<usize, SqlError> {
        let key = self.group_key(expr, results.items, results.outputs)?;
        let key = self.settle(key)?;
        self.check_groupable(key.ty.oid, key.at)?;
        if let Some((what, at)) = first_computed_late(&key) {
            return Err(SqlError::new(what.0, format!("{} are not allowed in GROUP BY", what.1)).at(at));
        }
        match keys.iter().position(|known| *known == key) {
            Some(index) => Ok(index),
            None => {
                keys.push(key);
                Ok(keys.len() - 1)
            }
        }
    }

    fn group_key(&mut self, expr: &ast::Expr, items: &[Expr], outputs: &[Output]) -> Result<Expr, SqlError> {
        if let Some(position) = self.ordinal(expr, items.len(), "GROUP BY")? {
            return Ok(items[position].clone());
        }
        if let ExprKind::Row(_) = expr.kind {
            return Err(SqlError::unsupported("GROUP BY of a row is not supported").at(expr.at));
        }
        // A bare name is a column of FROM first, then a result column: the reverse of ORDER BY.
        if let ExprKind::Column(parts) = &expr.kind
            && let [name] = parts.as_slice()
        {
            let known = self.scope().items.iter().filter(|item| item.columns_visible).flat_map(|item| &item.columns);
            if !known.map(|column| &column.name).any(|known| *known == name.text)
                && let Some(position) = super::order::output_named(outputs, items, &name.text, expr.at, "GROUP BY")?
            {
                return Ok(items[position].clone());
            }
        }
        let aggregates = self.scope().no_aggregates.replace("GROUP BY");
        let key = self.expr(expr);
        self.scope().no_aggregates = aggregates;
        key
    }

    /// GROUPING(..): which of these keys the row's grouping set lacks, as bits.
    pub(super) fn grouping(&mut self, list: &[ast::Expr], at: u32) -> Result<Expr, SqlError> {
        if let Some(clause) = self.scope().no_aggregates {
            return Err(SqlError::new("42803", format!("grouping operations are not allowed in {clause}")).at(at));
        }
        if list.len() > 31 {
            return Err(SqlError::new("54023", "GROUPING must have fewer than 32 arguments").at(at));
        }
        let mut args = Vec::with_capacity(list.len());
        for arg in list {
            let arg = self.expr(arg)?;
            args.push(self.settle(arg)?);
        }
        self.scope().has_grouping = true;
        Ok(Expr::new(Node::Grouping(args), oid::INT4, at))
    }

    /// # Errors
    /// 42803 `column "t.a" must appear in the GROUP BY clause or be used in an aggregate function`.
    /// `common` are the keys that all grouping sets share: only they determine other columns.
    pub(super) fn check_grouping(
        &mut self,
        select: &Select,
        order_by: &[OrderItem],
        common: &[Expr],
        own: &[u32],
    ) -> Result<(), SqlError> {
        let determined = self.determined(own, common);
        for expr in select.items.iter().chain(&select.having).chain(&select.distinct_on) {
            self.check_grouped(expr, &select.group_by, own, &determined, false)?;
        }
        for item in order_by {
            if let OrderKey::Expr(expr) = &item.key {
                self.check_grouped(expr, &select.group_by, own, &determined, false)?;
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
        if matches!(&expr.node, Node::Aggregate(aggregate) if aggregate.over.is_none())
            || matches!(expr.node, Node::Grouping(_))
        {
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

fn joined(set: &[usize], more: &[usize]) -> Vec<usize> {
    let mut joined = set.to_vec();
    joined.extend(more.iter().filter(|key| !set.contains(key)));
    joined
}

fn check_count(sets: &[Vec<usize>]) -> Result<(), SqlError> {
    if sets.len() > SETS_MAX {
        let message = format!("too many grouping sets present (maximum {SETS_MAX})");
        return Err(SqlError::new("54001", message));
    }
    Ok(())
}

/// The first aggregate or window function in an expression: SQLSTATE, name in messages, and place.
fn first_computed_late(expr: &Expr) -> Option<((&'static str, &'static str), u32)> {
    if let Node::Aggregate(aggregate) = &expr.node {
        let window = aggregate.over.is_some();
        let what = if window { ("42P20", "window functions") } else { ("42803", "aggregate functions") };
        return Some((what, expr.at));
    }
    if let Node::Grouping(_) = &expr.node {
        return Some((("42803", "grouping operations"), expr.at));
    }
    let mut found = None;
    expr.for_each_part(&mut |part| found = found.or_else(|| first_computed_late(part)));
    found
}

/// Where the first aggregate of a SELECT stands.
pub(super) fn first_aggregate_in(select: &Select) -> Option<u32> {
    let exprs = select.items.iter().chain(&select.having);
    exprs.filter_map(first_computed_late).find(|((sqlstate, _), _)| *sqlstate == "42803").map(|(_, at)| at)
}

/// GROUPING takes grouping keys only.
///
/// # Errors
/// 42803 `arguments to GROUPING must be grouping expressions of the associated query level`.
pub(super) fn check_grouping_calls(select: &Select, order_by: &[OrderItem]) -> Result<(), SqlError> {
    fn check(expr: &Expr, keys: &[Expr]) -> Result<(), SqlError> {
        if let Node::Grouping(args) = &expr.node {
            if let Some(arg) = args.iter().find(|arg| !keys.contains(arg)) {
                let message = "arguments to GROUPING must be grouping expressions of the associated query level";
                return Err(SqlError::new("42803", message).at(arg.at));
            }
            return Ok(());
        }
        let mut failed = Ok(());
        expr.for_each_part(&mut |part| {
            if failed.is_ok() {
                failed = check(part, keys);
            }
        });
        failed
    }
    for expr in select.items.iter().chain(&select.having).chain(&select.distinct_on) {
        check(expr, &select.group_by)?;
    }
    for item in order_by {
        if let OrderKey::Expr(expr) = &item.key {
            check(expr, &select.group_by)?;
        }
    }
    Ok(())
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
        Source::Query { query, .. } | Source::Lateral { query, .. } => for_each_expr(query, visit),
        Source::Lockstep { functions, .. } => {
            functions.iter().for_each(|function| for_each_source_expr(function, visit));
        }
        Source::Function { args, .. } => args.iter().for_each(visit),
        Source::Scalar { value, .. } => visit(value),
        Source::Join { left, right, on, .. } => {
            for_each_source_expr(left, visit);
            for_each_source_expr(right, visit);
            on.iter().for_each(|expr| visit(expr));
        }
    }
}
