//! Aggregates, windows and sort keys as SQLite's SQL.

use storage::Value;

use super::Emitter;
use crate::error::SqlError;
use crate::function::Form;
use crate::ir::{Aggregate, Bound, Expr, Frame, Node, OrderItem, OrderKey, Window};
use crate::plan::Slot;
use crate::sql::ast::{Exclude, FrameUnit};

impl Emitter {
    pub(super) fn aggregate(&mut self, aggregate: &Aggregate, expr: &Expr) -> Result<(), SqlError> {
        match aggregate.form {
            Form::Call(name) => {
                self.push(name);
                self.push("(");
                self.aggregate_args(aggregate)?;
                self.push(")");
            }
            Form::Pattern(pattern) => {
                let plain = !aggregate.distinct && aggregate.order_by.is_empty();
                if plain {
                    self.pattern(pattern, &aggregate.args, expr)?;
                } else {
                    self.modified_pattern(pattern, aggregate, expr)?;
                }
            }
            Form::Infix(_) | Form::Prefix(_) | Form::Same | Form::Special(_) => {
                return Err(SqlError::unsupported("this aggregate is not supported here").at(expr.at));
            }
        }
        if let Some(filter) = &aggregate.filter {
            self.push(" FILTER (WHERE ");
            self.expr(filter)?;
            self.push(")");
        }
        if let Some(window) = &aggregate.over {
            self.push(" OVER (");
            self.window(window)?;
            self.push(")");
        }
        Ok(())
    }

    pub(super) fn aggregate_args(&mut self, aggregate: &Aggregate) -> Result<(), SqlError> {
        if aggregate.distinct {
            self.push("DISTINCT ");
            self.list(&aggregate.args, ", ", Self::collated)?;
        } else {
            self.list(&aggregate.args, ", ", Self::expr)?;
        }
        self.aggregate_order(&aggregate.order_by)
    }

    pub(super) fn aggregate_order(&mut self, order_by: &[OrderItem]) -> Result<(), SqlError> {
        if order_by.is_empty() {
            return Ok(());
        }
        self.push(" ORDER BY ");
        self.order_items(order_by)
    }

    /// `name(..)` with DISTINCT after its parenthesis and ORDER BY before the closing one.
    pub(super) fn modified_pattern(
        &mut self,
        pattern: &str,
        aggregate: &Aggregate,
        expr: &Expr,
    ) -> Result<(), SqlError> {
        let open = pattern.find('(');
        let simple = pattern.ends_with(')') && pattern.matches('(').count() == 1;
        let (Some(open), true) = (open, simple) else {
            return Err(SqlError::unsupported("DISTINCT or ORDER BY in this aggregate is not supported").at(expr.at));
        };
        if aggregate.distinct && pattern.matches(',').count() > 0 {
            return Err(SqlError::unsupported("DISTINCT in this aggregate is not supported").at(expr.at));
        }
        self.push(&pattern[..=open]);
        if aggregate.distinct {
            self.push("DISTINCT ");
        }
        self.pattern(&pattern[open + 1..pattern.len() - 1], &aggregate.args, expr)?;
        if aggregate.distinct
            && !pattern.contains("{collate0}")
            && let Some(first) = aggregate.args.first()
        {
            self.collation(first.ty.oid);
        }
        self.aggregate_order(&aggregate.order_by)?;
        self.push(")");
        Ok(())
    }

    pub(super) fn window(&mut self, window: &Window) -> Result<(), SqlError> {
        if !window.partition_by.is_empty() {
            self.push("PARTITION BY ");
            self.list(&window.partition_by, ", ", Self::collated)?;
            self.push(" ");
        }
        if !window.order_by.is_empty() {
            self.push("ORDER BY ");
            self.order_items(&window.order_by)?;
            self.push(" ");
        }
        if let Some(frame) = &window.frame {
            self.frame(frame)?;
        }
        Ok(())
    }

    pub(super) fn frame(&mut self, frame: &Frame) -> Result<(), SqlError> {
        self.push(match frame.unit {
            FrameUnit::Rows => "ROWS BETWEEN ",
            FrameUnit::Range => "RANGE BETWEEN ",
            FrameUnit::Groups => "GROUPS BETWEEN ",
        });
        self.bound(&frame.start)?;
        self.push(" AND ");
        self.bound(&frame.end)?;
        self.push(match frame.exclude {
            Exclude::NoOthers => "",
            Exclude::CurrentRow => " EXCLUDE CURRENT ROW",
            Exclude::Group => " EXCLUDE GROUP",
            Exclude::Ties => " EXCLUDE TIES",
        });
        Ok(())
    }

    pub(super) fn bound(&mut self, bound: &Bound) -> Result<(), SqlError> {
        match bound {
            Bound::UnboundedPreceding => self.push("UNBOUNDED PRECEDING"),
            Bound::Preceding(expr) => {
                self.expr(expr)?;
                self.push(" PRECEDING");
            }
            Bound::CurrentRow => self.push("CURRENT ROW"),
            Bound::Following(expr) => {
                self.expr(expr)?;
                self.push(" FOLLOWING");
            }
            Bound::UnboundedFollowing => self.push("UNBOUNDED FOLLOWING"),
        }
        Ok(())
    }

    /// Sort keys, NULLs placed explicitly.
    pub(super) fn order_items(&mut self, items: &[OrderItem]) -> Result<(), SqlError> {
        self.list(items, ", ", |emitter, item| {
            match &item.key {
                OrderKey::Output(position) => emitter.push(&(position + 1).to_string()),
                // A bare integer would be an ordinal.
                OrderKey::Expr(Expr { node: Node::Constant(Value::Integer(value)), .. }) => {
                    emitter.slot(Slot::Constant(Value::Integer(*value)));
                }
                OrderKey::Expr(expr) => emitter.expr(expr)?,
            }
            emitter.collation(item.type_oid);
            emitter.push(if item.descending { " DESC" } else { " ASC" });
            emitter.push(if item.nulls_first { " NULLS FIRST" } else { " NULLS LAST" });
            Ok(())
        })
    }
}
