//! What may be stored in a column: assignment casts, defaults, NOT NULL.

use std::sync::Arc;

use storage::Value;
use storage::schema::model::{Column, Origin, PgType, Table};

use super::cast::type_name;
use super::{Binder, plain};
use crate::catalog::reported_type;
use crate::error::SqlError;
use crate::function::CastContext;
use crate::ir::{Expr, Node, NotNullCheck};
use crate::planner::Env;
use crate::sql::{lexer, parse};
use crate::types::oid;

impl Binder<'_> {
    /// Converts a value to the column's type, as an assignment.
    ///
    /// # Errors
    /// 42804 `column "a" is of type integer but expression is of type text`.
    pub(super) fn assign(&mut self, expr: Expr, table: &Table, column: &Column) -> Result<Expr, SqlError> {
        let (from, at) = (expr.ty.oid, expr.at);
        let target = reported_type(column);
        let Some(mut converted) = self.try_coerce(expr, target, CastContext::Assignment)? else {
            let message = format!(
                "column \"{}\" is of type {} but expression is of type {}",
                column.name,
                type_name(target.oid),
                type_name(from)
            );
            return Err(SqlError::new("42804", message)
                .hint("You will need to rewrite or cast the expression.")
                .at(at));
        };
        if table.origin == Origin::File {
            converted.loosen();
        }
        Ok(converted)
    }

    /// The value a column of a table declared over the wire gets when none is given.
    pub(super) fn default_of(&mut self, column: &Column) -> Result<Expr, SqlError> {
        let target = reported_type(column);
        let Some(text) = &column.default else { return Ok(Expr { node: Node::Null, ty: target, at: 0 }) };
        let bound = bind_default(self.env, text, target, &column.name);
        // A position in the stored text would mislead.
        let (expr, volatile) = bound.map_err(|error| SqlError { position: None, ..error })?;
        self.facts.volatile |= volatile;
        Ok(expr)
    }

    /// Checks NOT NULL of a column declared over the wire; SQLite checks those of schema files.
    pub(super) fn not_null(&self, value: Expr, table: &Table, column: &Column, row: &[Expr]) -> Expr {
        let key =
            table.primary_key.iter().any(|index| table.columns.get(*index).is_some_and(|key| key.name == column.name));
        let checked = table.origin == Origin::Wire && (column.not_null || key) && !column.hidden;
        let never_null = matches!(&value.node, Node::Literal { .. } | Node::Session(_))
            || matches!(&value.node, Node::Constant(constant) if *constant != storage::Value::Null);
        if !checked || never_null {
            return value;
        }
        let check = Arc::new(NotNullCheck { table: table.name.clone(), column: column.name.clone() });
        let (ty, at) = (value.ty, value.at);
        Expr { node: Node::NotNull { value: Box::new(value), check, row: row.to_vec() }, ty, at }
    }
}

/// What `DEFAULT` stands for in a table of a schema file, where SQLite's own expression applies: known if it is a constant.
/// The column's affinity is applied when it is written, as SQLite does with the default itself.
///
/// # Errors
/// 0A000 for other expressions.
pub(super) fn file_default(column: &Column, at: u32) -> Result<Expr, SqlError> {
    let ty = reported_type(column);
    let Some(text) = &column.default else { return Ok(Expr { node: Node::Null, ty, at }) };
    let value = constant_of(text.trim()).ok_or_else(|| {
        let message =
            format!("DEFAULT of column \"{}\", which a schema file computes, is not supported here", column.name);
        SqlError::unsupported(message).hint("Leave the column out.").at(at)
    })?;
    Ok(Expr { node: if value == Value::Null { Node::Null } else { Node::Constant(value) }, ty, at })
}

/// SQLite's constants: numbers, strings (in double quotes, too), NULL, TRUE and FALSE.
fn constant_of(text: &str) -> Option<Value> {
    let quoted = |quote: char| {
        let inner = text.strip_prefix(quote)?.strip_suffix(quote)?;
        let doubled = format!("{quote}{quote}");
        (!inner.replace(&doubled, "").contains(quote)).then(|| Value::Text(inner.replace(&doubled, &quote.to_string())))
    };
    if let Some(text) = quoted('\'').or_else(|| quoted('"')) {
        return Some(text);
    }
    match text.to_ascii_lowercase().as_str() {
        "null" => return Some(Value::Null),
        "true" => return Some(Value::Integer(1)),
        "false" => return Some(Value::Integer(0)),
        _ => {}
    }
    let digits = text.trim_start_matches(['-', '+']);
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') || text.len() > digits.len() + 1 {
        return None;
    }
    let number = text.trim_start_matches('+');
    number.parse().map(Value::Integer).ok().or_else(|| number.parse().map(Value::Real).ok())
}

/// Binds a DEFAULT's text and turns its literals into constants. Also tells whether it calls a volatile function.
pub(super) fn bind_default(env: &Env<'_>, text: &str, target: PgType, column: &str) -> Result<(Expr, bool), SqlError> {
    let tokens = lexer::tokens(text)?;
    let tree = parse::expression(text, &tokens)?;
    let literals: Vec<lexer::Token> = tokens.iter().filter(|token| token.kind.is_literal()).copied().collect();
    let mut binder = Binder::new(env, text, &literals, &[]);
    let bound = binder.bind_default(&tree, target, column)?;
    Ok((freeze(bound, env, text, &literals)?, binder.facts.volatile))
}

impl Binder<'_> {
    /// Binds a DEFAULT expression and converts it to the column's type.
    pub(super) fn bind_default(
        &mut self,
        tree: &crate::sql::ast::Expr,
        target: PgType,
        column: &str,
    ) -> Result<Expr, SqlError> {
        self.scope().no_aggregates = Some("DEFAULT expressions");
        self.scope().no_windows = Some("DEFAULT expressions");
        let bound = match self.expr(tree) {
            Err(error) if error.sqlstate == "42703" => {
                return Err(SqlError::unsupported("cannot use column reference in DEFAULT expression")
                    .at(error.position.unwrap_or(0)));
            }
            other => other?,
        };
        if has_query(&bound) {
            return Err(SqlError::unsupported("cannot use subquery in DEFAULT expression").at(tree.at));
        }
        let from = bound.ty.oid;
        match self.try_coerce(bound, target, CastContext::Assignment)? {
            Some(bound) => Ok(bound),
            None => {
                let message = format!(
                    "column \"{column}\" is of type {} but default expression is of type {}",
                    type_name(target.oid),
                    type_name(from)
                );
                Err(SqlError::new("42804", message).hint("You will need to rewrite or cast the expression."))
            }
        }
    }
}

fn has_query(expr: &Expr) -> bool {
    let mut found = expr.queries().is_some();
    expr.for_each_part(&mut |part| found |= has_query(part));
    found
}

/// Replaces literals by their values: the text they stand in is not the statement's.
pub(super) fn freeze(mut expr: Expr, env: &Env<'_>, text: &str, literals: &[lexer::Token]) -> Result<Expr, SqlError> {
    if let Node::Literal { literal, .. } = &expr.node {
        let raw = super::literal_text(text, literals, *literal)?;
        let value = crate::types::text::decode(expr.ty.oid, &raw, env.formats).map_err(|error| error.at(expr.at))?;
        return Ok(Expr { node: Node::Constant(value), ..expr });
    }
    let each = |part: &mut Expr| -> Result<(), SqlError> {
        let taken = std::mem::replace(part, Expr::new(Node::Null, oid::UNKNOWN, 0));
        *part = freeze(taken, env, text, literals)?;
        Ok(())
    };
    if matches!(expr.node, Node::Quantified { .. } | Node::Aggregate(_) | Node::Grouping(_) | Node::NotNull { .. }) {
        return Err(SqlError::unsupported("this DEFAULT expression is not supported").at(expr.at));
    }
    let mut failed = Ok(());
    expr.for_each_part_mut(&mut |part| {
        if failed.is_ok() {
            failed = each(part);
        }
    });
    failed?;
    Ok(expr)
}

/// An expression that may be written twice: it costs nothing and is the same each time.
pub(super) fn is_simple(expr: &Expr) -> bool {
    matches!(
        &expr.node,
        Node::Null | Node::Literal { .. } | Node::Constant(_) | Node::Parameter { .. } | Node::Session(_)
    )
}

/// NULL as a value of a column's type.
pub(super) fn null_of(column: &Column) -> Expr {
    Expr { node: Node::Null, ty: plain(reported_type(column).oid), at: 0 }
}
