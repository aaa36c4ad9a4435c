//! Functions in FROM: one, or several side by side.

use super::from::Bound;
use super::scope::{ScopeColumn, ScopeItem, column};
use super::{Binder, plain};
use crate::error::SqlError;
use crate::function::{self, Form, Kind, Volatility};
use crate::ir::{Expr, Node, Source};
use crate::sql::ast::{self, Alias};
use crate::types::oid;

impl Binder<'_> {
    pub(super) fn function_item(
        &mut self,
        call: &ast::Call,
        ordinality: bool,
        alias: Option<&Alias>,
        left: &[ScopeItem],
        at: u32,
    ) -> Result<Bound, SqlError> {
        let set_returning =
            function::functions_named(call.name.last()).iter().any(|function| function.kind == Kind::SetReturning);
        let outer = self.scope().no_aggregates.replace("functions in FROM");
        let value = if set_returning {
            self.with_items(left.to_vec(), |binder| binder.resolve_call(call, at)).map(|resolved| {
                let ty = plain(resolved.result);
                (None, resolved.function.form, resolved.args, ty, resolved.function.volatility)
            })
        } else {
            self.with_items(left.to_vec(), |binder| binder.call(call, at)).map(|expr| {
                let ty = expr.ty;
                (Some(expr), Form::Same, Vec::new(), ty, Volatility::Immutable)
            })
        };
        self.scope().no_aggregates = outer;
        let (scalar, form, args, ty, volatility) = value?;
        self.facts.volatile |= volatility == Volatility::Volatile;
        let id = self.new_relation();
        let name = alias.map_or_else(|| call.name.last(), |alias| alias.name.text.as_str()).to_owned();
        // A function whose result has a name of its own keeps it under an alias.
        let named = call.name.last().starts_with("json") && call.name.last().contains("_array_elements");
        let column_name = if named { "value".to_owned() } else { name.clone() };
        let mut columns = vec![ScopeColumn { name: column_name, expr: column(id, "value", ty), hidden: false }];
        if ordinality {
            let expr = if scalar.is_some() {
                Expr::new(Node::Constant(storage::Value::Integer(1)), oid::INT8, at)
            } else {
                column(id, "ordinality", plain(oid::INT8))
            };
            columns.push(ScopeColumn { name: "ordinality".into(), expr, hidden: false });
        }
        let item = self.aliased(&name, None, columns, alias)?;
        let source = match scalar {
            Some(value) => Source::Scalar { id, value: Box::new(value) },
            None => Source::Function { id, form, args, result: ty },
        };
        Ok((source, vec![item]))
    }

    /// Functions side by side.
    pub(super) fn functions_item(
        &mut self,
        calls: &[(ast::Call, u32)],
        ordinality: bool,
        alias: Option<&Alias>,
        left: &[ScopeItem],
    ) -> Result<Bound, SqlError> {
        let id = self.new_relation();
        let mut functions = Vec::with_capacity(calls.len());
        let mut columns = Vec::with_capacity(calls.len());
        for (call, at) in calls {
            let outer = self.scope().no_aggregates.replace("functions in FROM");
            let resolved = self.with_items(left.to_vec(), |binder| binder.resolve_call(call, *at));
            self.scope().no_aggregates = outer;
            let resolved = resolved?;
            if resolved.function.kind != Kind::SetReturning {
                return Err(SqlError::unsupported("ROWS FROM takes set-returning functions only").at(*at));
            }
            self.facts.volatile |= resolved.function.volatility == Volatility::Volatile;
            let own = self.new_relation();
            let result = plain(resolved.result);
            columns.push(ScopeColumn {
                name: call.name.last().to_owned(),
                expr: column(own, "value", result),
                hidden: false,
            });
            functions.push(Source::Function { id: own, form: resolved.function.form, args: resolved.args, result });
        }
        if ordinality {
            let expr = column(id, "value", plain(oid::INT8));
            columns.push(ScopeColumn { name: "ordinality".into(), expr, hidden: false });
        }
        let name = calls.first().map_or("", |(call, _)| call.name.last());
        let item = self.aliased(name, None, columns, alias)?;
        Ok((Source::Lockstep { id, functions }, vec![item]))
    }
}
