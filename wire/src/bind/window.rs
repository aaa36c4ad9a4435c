//! Window functions: OVER, named windows, frames.

use super::Binder;
use super::call::Resolved;
use super::cast::type_name;
use super::plain;
use crate::error::SqlError;
use crate::function::CastContext;
use crate::ir::{Bound, Expr, Frame, Node, OrderItem, Window};
use crate::sql::ast::{self, FrameUnit, Over};
use crate::types::oid;

/// Where a window function's arguments are bound, no other may stand.
pub(super) const WINDOW_ARGUMENT: &str = "a window function's argument";

impl Binder<'_> {
    pub(super) fn window_call(&mut self, call: &ast::Call, resolved: Resolved, at: u32) -> Result<Expr, SqlError> {
        let name = call.name.last();
        let Some(over) = &call.over else {
            return Err(SqlError::new("42809", format!("window function {name} requires an OVER clause")).at(at));
        };
        if let Some(clause) = self.scope().no_windows {
            let message = if clause == WINDOW_ARGUMENT {
                "window function calls cannot be nested".to_owned()
            } else {
                format!("window functions are not allowed in {clause}")
            };
            return Err(SqlError::new("42P20", message).at(at));
        }
        if call.distinct {
            return Err(SqlError::unsupported("DISTINCT is not implemented for window functions").at(at));
        }
        if !call.order_by.is_empty() {
            return Err(SqlError::unsupported("aggregate ORDER BY is not implemented for window functions").at(at));
        }
        let mut aggregate = self.aggregate_parts(call, resolved.function.form, resolved.args, at)?;
        let outer = self.scope().no_windows.replace("a window definition");
        let window = self.over(over);
        self.scope().no_windows = outer;
        aggregate.over = Some(window?);
        self.scope().has_windows = true;
        Ok(Expr::new(Node::Aggregate(Box::new(aggregate)), resolved.result, at))
    }

    fn over(&mut self, over: &Over) -> Result<Window, SqlError> {
        match over {
            Over::Named(name) => {
                let window = self.named_window(name)?;
                self.window(&window, 0)
            }
            Over::Window(window) => self.window(window, 0),
        }
    }

    fn named_window(&mut self, name: &ast::Name) -> Result<ast::Window, SqlError> {
        let found =
            self.scope().windows.iter().find(|(known, _)| known.text == name.text).map(|(_, window)| window.clone());
        found.ok_or_else(|| SqlError::new("42704", format!("window \"{}\" does not exist", name.text)).at(name.at))
    }

    fn window(&mut self, window: &ast::Window, depth: usize) -> Result<Window, SqlError> {
        let base = match &window.base {
            None => None,
            Some(name) if depth > 16 => return Err(SqlError::new("54001", "windows are nested too deeply").at(name.at)),
            Some(name) => {
                let base = self.named_window(&ast::Name { at: window.at, ..name.clone() })?;
                Some(self.window(&base, depth + 1)?)
            }
        };
        let mut partition_by = Vec::with_capacity(window.partition_by.len());
        for expr in &window.partition_by {
            let expr = self.expr(expr)?;
            let expr = self.settle(expr)?;
            self.check_groupable(expr.ty.oid, expr.at)?;
            partition_by.push(expr);
        }
        let mut order_by = self.order_keys(&window.order_by)?;
        if let Some(base) = base {
            if !partition_by.is_empty() {
                return Err(override_refused("PARTITION BY", window));
            }
            partition_by = base.partition_by;
            if order_by.is_empty() {
                order_by = base.order_by;
            } else if !base.order_by.is_empty() {
                return Err(override_refused("ORDER BY", window));
            }
        }
        let frame = match &window.frame {
            None => None,
            Some(frame) => Some(self.frame(frame, &order_by, window.at)?),
        };
        Ok(Window { partition_by, order_by, frame })
    }

    fn frame(&mut self, frame: &ast::Frame, order_by: &[OrderItem], at: u32) -> Result<Frame, SqlError> {
        if frame.unit == FrameUnit::Groups && order_by.is_empty() {
            return Err(SqlError::new("42P20", "GROUPS mode requires an ORDER BY clause").at(at));
        }
        let start = self.bound(&frame.start, frame.unit, order_by, at)?;
        let end = self.bound(&frame.end, frame.unit, order_by, at)?;
        if start == Bound::UnboundedFollowing {
            return Err(SqlError::new("42P20", "frame start cannot be UNBOUNDED FOLLOWING").at(frame.start_at));
        }
        if end == Bound::UnboundedPreceding {
            return Err(SqlError::new("42P20", "frame end cannot be UNBOUNDED PRECEDING").at(frame.end_at));
        }
        let backwards = match (&start, &end) {
            (Bound::CurrentRow, Bound::Preceding(_)) => {
                Some("frame starting from current row cannot have preceding rows")
            }
            (Bound::Following(_), Bound::Preceding(_)) => {
                Some("frame starting from following row cannot have preceding rows")
            }
            (Bound::Following(_), Bound::CurrentRow) => {
                Some("frame starting from following row cannot end with current row")
            }
            _ => None,
        };
        if let Some(message) = backwards {
            return Err(SqlError::new("42P20", message).at(frame.end_at));
        }
        Ok(Frame { unit: frame.unit, start, end, exclude: frame.exclude })
    }

    fn bound(
        &mut self,
        bound: &ast::Bound,
        unit: FrameUnit,
        order_by: &[OrderItem],
        at: u32,
    ) -> Result<Bound, SqlError> {
        let mut offset = |expr: &ast::Expr| match unit {
            FrameUnit::Range => self.range_offset(expr, order_by, at),
            FrameUnit::Rows | FrameUnit::Groups => self.row_offset(expr, unit),
        };
        Ok(match bound {
            ast::Bound::UnboundedPreceding => Bound::UnboundedPreceding,
            ast::Bound::Preceding(expr) => Bound::Preceding(offset(expr)?),
            ast::Bound::CurrentRow => Bound::CurrentRow,
            ast::Bound::Following(expr) => Bound::Following(offset(expr)?),
            ast::Bound::UnboundedFollowing => Bound::UnboundedFollowing,
        })
    }

    /// A count of rows or groups: not NULL and not negative, checked when it runs.
    fn row_offset(&mut self, expr: &ast::Expr, unit: FrameUnit) -> Result<Expr, SqlError> {
        let word = if unit == FrameUnit::Rows { "ROWS" } else { "GROUPS" };
        let expr = self.expr(expr)?;
        let (from, at) = (expr.ty.oid, expr.at);
        let Some(count) = self.try_coerce(expr, plain(oid::INT8), CastContext::Assignment)? else {
            let message = format!("argument of {word} must be type bigint, not type {}", type_name(from));
            return Err(SqlError::new("42804", message).at(at));
        };
        plain_offset(count)
    }

    /// A distance from the current row's value of the only sort key.
    fn range_offset(&mut self, expr: &ast::Expr, order_by: &[OrderItem], at: u32) -> Result<Expr, SqlError> {
        let [key] = order_by else {
            let message = "RANGE with offset PRECEDING/FOLLOWING requires exactly one ORDER BY column";
            return Err(SqlError::new("42P20", message).at(at));
        };
        let expr = self.expr(expr)?;
        let (from, offset_at) = (expr.ty.oid, expr.at);
        match key.type_oid {
            oid::INT2 | oid::INT4 | oid::INT8 | oid::FLOAT4 | oid::FLOAT8 => {}
            oid::NUMERIC | oid::DATE | oid::TIME | oid::TIMETZ | oid::TIMESTAMP | oid::TIMESTAMPTZ | oid::INTERVAL => {
                let message = format!(
                    "RANGE with offset PRECEDING/FOLLOWING over a column of type {} is not supported",
                    type_name(key.type_oid)
                );
                return Err(SqlError::unsupported(message).at(offset_at));
            }
            other => {
                let message = format!(
                    "RANGE with offset PRECEDING/FOLLOWING is not supported for column type {}",
                    type_name(other)
                );
                return Err(SqlError::unsupported(message).at(offset_at));
            }
        }
        let Some(distance) = self.try_coerce(expr, plain(key.type_oid), CastContext::Assignment)? else {
            let message = format!(
                "RANGE with offset PRECEDING/FOLLOWING is not supported for column type {} and offset type {}",
                type_name(key.type_oid),
                type_name(from)
            );
            return Err(SqlError::unsupported(message)
                .hint("Cast the offset value to an appropriate type.")
                .at(offset_at));
        };
        plain_offset(distance)
    }
}

/// SQLite takes constants and bound values as offsets.
fn plain_offset(offset: Expr) -> Result<Expr, SqlError> {
    if let Node::Literal { .. } | Node::Parameter { .. } | Node::Constant(_) = &offset.node {
        return Ok(offset);
    }
    let message = "a window frame's offset other than a constant or a parameter is not supported";
    Err(SqlError::unsupported(message).at(offset.at))
}

fn override_refused(clause: &str, window: &ast::Window) -> SqlError {
    let base = window.base.as_ref().map_or("", |name| name.text.as_str());
    SqlError::new("42P20", format!("cannot override {clause} clause of window \"{base}\"")).at(window.at)
}
