//! Walking the typed tree.

use super::{Aggregate, Expr, Node, OrderItem, OrderKey, QuantifiedSource, Query};

impl Expr {
    /// Calls `visit` on each direct part, stopping at queries.
    pub(crate) fn for_each_part<'a>(&'a self, visit: &mut dyn FnMut(&'a Self)) {
        match &self.node {
            Node::Null
            | Node::Literal { .. }
            | Node::Constant(_)
            | Node::Parameter { .. }
            | Node::Session(_)
            | Node::Column(_) => {}
            Node::Apply { args, .. }
            | Node::And(args)
            | Node::Or(args)
            | Node::Coalesce(args)
            | Node::Array(args)
            | Node::Grouping(args) => {
                args.iter().for_each(visit);
            }
            Node::Extreme { args, .. } | Node::InQuery { args, .. } => args.iter().for_each(visit),
            Node::Aggregate(aggregate) => aggregate.for_each_part(visit),
            Node::Not(arg) | Node::IsNull { arg, .. } | Node::IsBool { arg, .. } => visit(arg),
            Node::IsDistinct { left, right, .. } => {
                visit(left);
                visit(right);
            }
            Node::In { arg, list, .. } => {
                visit(arg);
                list.iter().for_each(visit);
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
                otherwise.iter().for_each(|expr| visit(expr));
            }
            Node::Nullif { test, value } => {
                visit(test);
                visit(value);
            }
            Node::ArrayQuery(_) | Node::Exists(_) | Node::Subquery(_) => {}
            Node::NotNull { value, row, .. } => {
                visit(value);
                row.iter().for_each(visit);
            }
        }
    }

    /// The queries directly inside this expression.
    pub(crate) fn queries(&self) -> Option<&Query> {
        match &self.node {
            Node::ArrayQuery(query) | Node::Exists(query) | Node::Subquery(query) | Node::InQuery { query, .. } => {
                Some(query)
            }
            Node::Quantified { source: QuantifiedSource::Query { query, .. }, .. } => Some(query),
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

impl Aggregate {
    fn for_each_part<'a>(&'a self, visit: &mut dyn FnMut(&'a Expr)) {
        let keys = |items: &'a [OrderItem], visit: &mut dyn FnMut(&'a Expr)| {
            for item in items {
                if let OrderKey::Expr(expr) = &item.key {
                    visit(expr);
                }
            }
        };
        self.args.iter().for_each(&mut *visit);
        keys(&self.order_by, visit);
        self.filter.iter().for_each(&mut *visit);
        if let Some(window) = &self.over {
            window.partition_by.iter().for_each(&mut *visit);
            keys(&window.order_by, visit);
        }
    }
}
