//! Grouped queries that SQLite cannot write as one: grouping sets, and set-returning functions over groups.
//!
//! The groups become a derived table: its columns are the grouping keys, the aggregates and the GROUPING() masks that the
//! query uses, one branch of UNION ALL for each grouping set. What stands outside (results, HAVING, ORDER BY, windows) refers
//! to those columns. Pure.

use super::scope::column;
use crate::function::Form;
use crate::ir::{Aggregate, Body, Expr, Node, OrderItem, OrderKey, Output, Query, Select, Source};
use crate::sql::ast::SetOperator;
use crate::types::oid;
use storage::Value;

/// What a grouped query computes for each group: the columns of the derived table.
struct Groups {
    /// The relation number of the derived table.
    id: u32,
    /// Relations of the grouped query itself.
    own: Vec<u32>,
    /// First the grouping keys, then what was found outside of them.
    columns: Vec<Expr>,
    keys: usize,
}

/// Rewrites a grouped SELECT over a derived table with number `id`. `sets` name keys by their index in the SELECT's list;
/// `own` are the relations of its FROM; `lifted` are the set-returning functions of its results.
pub(super) fn regrouped(
    mut select: Select,
    order_by: &mut [OrderItem],
    sets: &[Vec<usize>],
    lifted: Vec<Source>,
    (id, own): (u32, Vec<u32>),
) -> Select {
    let mut groups = Groups { id, own, columns: select.group_by.clone(), keys: select.group_by.len() };
    let outside = select.items.iter_mut().chain(&mut select.distinct_on).chain(&mut select.having);
    outside.for_each(|expr| groups.refer(expr));
    for item in order_by {
        if let OrderKey::Expr(expr) = &mut item.key {
            groups.refer(expr);
        }
    }
    let mut lifted = lifted;
    for source in &mut lifted {
        source.for_each_expr_mut(&mut |expr| groups.refer(expr));
    }
    let inner = groups.query(&select, sets);
    let mut from = vec![Source::Query { id, query: Box::new(inner) }];
    from.extend(lifted);
    Select { from, filter: select.having.take(), group_by: Vec::new(), grouped: false, ..select }
}

impl Groups {
    /// Replaces what a group has one value of by the derived table's column.
    fn refer(&mut self, expr: &mut Expr) {
        if let Some(found) = self.column_of(expr) {
            let at = expr.at;
            *expr = Expr { at, ..found };
            return;
        }
        expr.for_each_part_mut(&mut |part| self.refer(part));
        if let Some(query) = expr.query_mut() {
            self.refer_in(query);
        }
    }

    fn refer_in(&mut self, query: &mut Query) {
        query.for_each_expr_mut(&mut |expr| self.refer(expr));
    }

    fn column_of(&mut self, expr: &Expr) -> Option<Expr> {
        let own_column = matches!(&expr.node, Node::Column(column) if self.own.contains(&column.relation));
        let grouped = matches!(&expr.node, Node::Aggregate(aggregate) if aggregate.over.is_none())
            || matches!(expr.node, Node::Grouping(_))
            || own_column;
        let known = self.columns.iter().position(|known| known == expr);
        let index = match known {
            Some(index) => index,
            // An aggregate of an inner query over its own rows is not of this query's groups.
            None if grouped && (own_column || self.belongs(expr)) => {
                self.columns.push(expr.clone());
                self.columns.len() - 1
            }
            None => return None,
        };
        let mut found = column(self.id, &format!("c{}", index + 1), expr.ty);
        if let (Node::Column(to), Node::Column(from)) = (&mut found.node, &expr.node) {
            to.table_oid = from.table_oid;
            to.attribute = from.attribute;
            to.representation = from.representation;
        }
        Some(found)
    }

    /// Whether an aggregate or GROUPING() is over this query's rows: it refers to them, or to nothing at all.
    fn belongs(&self, expr: &Expr) -> bool {
        super::group::expr_refers_to(expr, &self.own) || !has_column(expr)
    }

    /// The derived table: a branch for each grouping set.
    fn query(&self, select: &Select, sets: &[Vec<usize>]) -> Query {
        let mut outputs: Vec<Output> = self.columns.iter().map(|expr| Output::computed("", expr.ty)).collect();
        // A set without keys and aggregates is still one group: counting makes it so.
        let count = count_rows();
        outputs.push(Output::computed("", count.ty));
        let branch = |set: &Vec<usize>| {
            let mut items: Vec<Expr> =
                self.columns.iter().enumerate().map(|(index, expr)| self.in_set(index, expr, set)).collect();
            items.push(count.clone());
            let body = Body::Select(Box::new(Select {
                from: select.from.clone(),
                filter: select.filter.clone(),
                group_by: set.iter().filter_map(|key| select.group_by.get(*key).cloned()).collect(),
                grouped: true,
                ..Select::of(items)
            }));
            Query::of(body, outputs.clone())
        };
        let mut branches = sets.iter().map(branch);
        let first = branches.next().unwrap_or_else(|| Query::of(Body::Values(Vec::new()), outputs.clone()));
        branches.fold(first, |left, right| {
            let body = Body::Set { op: SetOperator::Union, all: true, left: Box::new(left), right: Box::new(right) };
            Query::of(body, outputs.clone())
        })
    }

    /// A column of the derived table in one set: keys that are not in it are NULL.
    fn in_set(&self, index: usize, expr: &Expr, set: &[usize]) -> Expr {
        if let Node::Grouping(args) = &expr.node {
            let absent = |arg: &Expr| {
                let key = self.columns[..self.keys].iter().position(|key| key == arg);
                i64::from(!key.is_some_and(|key| set.contains(&key)))
            };
            let mask = args.iter().fold(0, |mask, arg| mask << 1 | absent(arg));
            return Expr { node: Node::Constant(Value::Integer(mask)), ..expr.clone() };
        }
        if index < self.keys && !set.contains(&index) {
            return Expr { node: Node::Null, ..expr.clone() };
        }
        expr.clone()
    }
}

fn has_column(expr: &Expr) -> bool {
    let mut found = matches!(expr.node, Node::Column(_)) || expr.queries().is_some();
    expr.for_each_part(&mut |part| found |= has_column(part));
    found
}

fn count_rows() -> Expr {
    let aggregate = Aggregate {
        form: Form::Pattern("count(*)"),
        args: Vec::new(),
        star: true,
        distinct: false,
        order_by: Vec::new(),
        filter: None,
        over: None,
    };
    Expr::new(Node::Aggregate(Box::new(aggregate)), oid::INT8, 0)
}
