//! Walking the typed tree in order to change it: where a query is rewritten over a derived table.

use super::{Body, Bound, Expr, Node, OrderItem, OrderKey, QuantifiedSource, Query, Source, Window};

impl Expr {
    /// Calls `visit` on each direct part, stopping at queries.
    pub(crate) fn for_each_part_mut(&mut self, visit: &mut dyn FnMut(&mut Self)) {
        match &mut self.node {
            Node::Null
            | Node::Literal { .. }
            | Node::Constant(_)
            | Node::Parameter { .. }
            | Node::Session(_)
            | Node::Column(_)
            | Node::ArrayQuery(_)
            | Node::Exists(_)
            | Node::Subquery(_) => {}
            Node::Apply { args, .. }
            | Node::And(args)
            | Node::Or(args)
            | Node::Coalesce(args)
            | Node::Array(args)
            | Node::Grouping(args)
            | Node::Extreme { args, .. }
            | Node::InQuery { args, .. } => args.iter_mut().for_each(visit),
            Node::Aggregate(aggregate) => {
                aggregate.args.iter_mut().for_each(&mut *visit);
                keys_mut(&mut aggregate.order_by, visit);
                aggregate.filter.iter_mut().for_each(&mut *visit);
                if let Some(window) = &mut aggregate.over {
                    window_mut(window, visit);
                }
            }
            Node::Not(arg) | Node::IsNull { arg, .. } | Node::IsBool { arg, .. } => visit(arg),
            Node::IsDistinct { left, right, .. } => {
                visit(left);
                visit(right);
            }
            Node::In { arg, list, .. } => {
                visit(arg);
                list.iter_mut().for_each(visit);
            }
            Node::Quantified { test, source, .. } => {
                visit(test);
                if let QuantifiedSource::Array { array, .. } = source {
                    visit(array);
                }
            }
            Node::Case { whens, otherwise } => {
                for (condition, result) in whens {
                    visit(condition);
                    visit(result);
                }
                otherwise.iter_mut().for_each(|expr| visit(expr));
            }
            Node::Nullif { test, value } => {
                visit(test);
                visit(value);
            }
            Node::NotNull { value, row, .. } => {
                visit(value);
                row.iter_mut().for_each(visit);
            }
        }
    }

    /// The query directly inside this expression.
    pub(crate) fn query_mut(&mut self) -> Option<&mut Query> {
        match &mut self.node {
            Node::ArrayQuery(query)
            | Node::Exists(query)
            | Node::Subquery(query)
            | Node::InQuery { query, .. }
            | Node::Quantified { source: QuantifiedSource::Query { query, .. }, .. } => Some(query),
            Node::Null
            | Node::Literal { .. }
            | Node::Constant(_)
            | Node::Parameter { .. }
            | Node::Session(_)
            | Node::Column(_)
            | Node::Apply { .. }
            | Node::Aggregate(_)
            | Node::Grouping(_)
            | Node::And(_)
            | Node::Or(_)
            | Node::Not(_)
            | Node::IsNull { .. }
            | Node::IsBool { .. }
            | Node::IsDistinct { .. }
            | Node::In { .. }
            | Node::Quantified { source: QuantifiedSource::Array { .. }, .. }
            | Node::Case { .. }
            | Node::Coalesce(_)
            | Node::Nullif { .. }
            | Node::Extreme { .. }
            | Node::Array(_)
            | Node::NotNull { .. } => None,
        }
    }
}

fn keys_mut(items: &mut [OrderItem], visit: &mut dyn FnMut(&mut Expr)) {
    for item in items {
        if let OrderKey::Expr(expr) = &mut item.key {
            visit(expr);
        }
    }
}

fn window_mut(window: &mut Window, visit: &mut dyn FnMut(&mut Expr)) {
    window.partition_by.iter_mut().for_each(&mut *visit);
    keys_mut(&mut window.order_by, visit);
    if let Some(frame) = &mut window.frame {
        for bound in [&mut frame.start, &mut frame.end] {
            if let Bound::Preceding(expr) | Bound::Following(expr) = bound {
                visit(expr);
            }
        }
    }
}

impl Query {
    /// Calls `visit` on the expressions that stand directly in this query, its WITH and its derived tables.
    pub(crate) fn for_each_expr_mut(&mut self, visit: &mut dyn FnMut(&mut Expr)) {
        for cte in &mut self.ctes {
            cte.query.for_each_expr_mut(visit);
        }
        match &mut self.body {
            Body::Select(select) => {
                select.from.iter_mut().for_each(|source| source.for_each_expr_mut(visit));
                select.items.iter_mut().for_each(&mut *visit);
                select.filter.iter_mut().for_each(&mut *visit);
                select.group_by.iter_mut().for_each(&mut *visit);
                select.having.iter_mut().for_each(&mut *visit);
                select.distinct_on.iter_mut().for_each(&mut *visit);
            }
            Body::Values(rows) => rows.iter_mut().flatten().for_each(&mut *visit),
            Body::Set { left, right, .. } => {
                left.for_each_expr_mut(visit);
                right.for_each_expr_mut(visit);
            }
        }
        keys_mut(&mut self.order_by, visit);
        self.limit.iter_mut().chain(&mut self.offset).for_each(|expr| visit(expr));
    }
}

impl Source {
    /// Calls `visit` on the expressions that stand directly in this part of FROM.
    pub(crate) fn for_each_expr_mut(&mut self, visit: &mut dyn FnMut(&mut Expr)) {
        match self {
            Self::Table { .. } | Self::Cte { .. } => {}
            Self::Query { query, .. } | Self::Lateral { query, .. } => query.for_each_expr_mut(visit),
            Self::Function { args, .. } => args.iter_mut().for_each(visit),
            Self::Lockstep { functions, .. } => {
                functions.iter_mut().for_each(|function| function.for_each_expr_mut(visit));
            }
            Self::Scalar { value, .. } => visit(value),
            Self::Join { left, right, on, .. } => {
                left.for_each_expr_mut(visit);
                right.for_each_expr_mut(visit);
                on.iter_mut().for_each(|expr| visit(expr));
            }
        }
    }
}
