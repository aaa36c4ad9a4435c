//! Window functions: OVER, named windows, frames.

use super::Binder;
use super::call::Resolved;
use super::plain;
use crate::error::SqlError;
use crate::function::CastContext;
use crate::ir::{Bound, Expr, Frame, Node, Window};
use crate::sql::ast::{self, FrameUnit, Over};
use crate::types::oid;

impl Binder<'_> {
    pub(super) fn window_call(&mut self, call: &ast::Call, resolved: Resolved, at: u32) -> Result<Expr, SqlError> {
        let name = call.name.last();
        let Some(over) = &call.over else {
            return Err(SqlError::new("42809", format!("window function {name} requires an OVER clause")).at(at));
        };
        if let Some(clause) = self.scope().no_windows {
            return Err(SqlError::new("42P20", format!("window functions are not allowed in {clause}")).at(at));
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
                let base = self.named_window(name)?;
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
                return Err(SqlError::new("42P20", "cannot override PARTITION BY clause of a window").at(window.at));
            }
            partition_by = base.partition_by;
            if order_by.is_empty() {
                order_by = base.order_by;
            } else if !base.order_by.is_empty() {
                return Err(SqlError::new("42P20", "cannot override ORDER BY clause of a window").at(window.at));
            }
        }
        let frame = match &window.frame {
            None => None,
            Some(frame) => Some(self.frame(frame, window.at)?),
        };
        Ok(Window { partition_by, order_by, frame })
    }

    fn frame(&mut self, frame: &ast::Frame, at: u32) -> Result<Frame, SqlError> {
        let start = self.bound(&frame.start, frame.unit, at)?;
        let end = self.bound(&frame.end, frame.unit, at)?;
        if start == Bound::UnboundedFollowing {
            return Err(SqlError::new("42P20", "frame start cannot be UNBOUNDED FOLLOWING").at(at));
        }
        if end == Bound::UnboundedPreceding {
            return Err(SqlError::new("42P20", "frame end cannot be UNBOUNDED PRECEDING").at(at));
        }
        let backwards = matches!(
            (&start, &end),
            (Bound::CurrentRow | Bound::Following(_), Bound::Preceding(_)) | (Bound::Following(_), Bound::CurrentRow)
        );
        if backwards {
            return Err(SqlError::new("42P20", "frame ends before it starts").at(at));
        }
        Ok(Frame { unit: frame.unit, start, end })
    }

    fn bound(&mut self, bound: &ast::Bound, unit: FrameUnit, at: u32) -> Result<Bound, SqlError> {
        let mut offset = |expr: &ast::Expr| {
            if unit == FrameUnit::Range {
                return Err(SqlError::unsupported("RANGE with an offset is not supported").at(at));
            }
            let expr = self.expr(expr)?;
            match self.try_coerce(expr, plain(oid::INT8), CastContext::Implicit)? {
                Some(expr) => Ok(expr),
                None => Err(SqlError::new("42804", "argument of a window frame must be type bigint").at(at)),
            }
        };
        Ok(match bound {
            ast::Bound::UnboundedPreceding => Bound::UnboundedPreceding,
            ast::Bound::Preceding(expr) => Bound::Preceding(offset(expr)?),
            ast::Bound::CurrentRow => Bound::CurrentRow,
            ast::Bound::Following(expr) => Bound::Following(offset(expr)?),
            ast::Bound::UnboundedFollowing => Bound::UnboundedFollowing,
        })
    }
}
