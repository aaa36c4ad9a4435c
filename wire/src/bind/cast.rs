//! Casts: unknown literals and parameters take the type asked for; others go by `pg_cast` and its contexts.
//!
//! Source: <https://www.postgresql.org/docs/15/typeconv.html>

use storage::Value;
use storage::schema::model::PgType;

use super::Binder;
use crate::error::SqlError;
use crate::function::{self, CastContext, Form};
use crate::ir::{Expr, Node};
use crate::types::{catalog, oid};

/// Types whose text form needs the catalog to be read: their literals are cast when the statement runs.
fn needs_lookup(oid: u32) -> bool {
    matches!(oid, oid::REGCLASS | oid::REGTYPE | oid::REGPROC | oid::REGNAMESPACE | oid::REGROLE)
}

pub(super) fn is_polymorphic(oid: u32) -> bool {
    matches!(oid, oid::ANY | oid::ANYELEMENT | oid::ANYARRAY | oid::ANYNONARRAY)
}

/// Whether a value of type `from` can be given where `to` is wanted.
pub(super) fn can_coerce(from: u32, to: u32, context: CastContext) -> bool {
    if from == to || from == oid::UNKNOWN {
        return true;
    }
    match to {
        oid::ANY | oid::ANYELEMENT => true,
        oid::ANYARRAY => catalog::subscripted(from).is_some(),
        oid::ANYNONARRAY => catalog::element_of(from).is_none(),
        _ => function::cast(from, to).is_some_and(|cast| cast.context <= context),
    }
}

pub(super) fn category(oid: u32) -> char {
    catalog::by_oid(oid).map_or('X', |info| info.category)
}

pub(super) fn is_preferred(oid: u32) -> bool {
    catalog::by_oid(oid).is_some_and(|info| info.preferred)
}

/// PostgreSQL's name of a type in messages.
pub(super) fn type_name(oid: u32) -> String {
    if oid == oid::UNKNOWN { "unknown".into() } else { catalog::format_type(oid, None) }
}

impl Binder<'_> {
    /// Converts `expr` to `target`, its modifier included.
    ///
    /// # Errors
    /// 42846 for an explicit cast that does not exist; the caller words other refusals by [`Self::try_coerce`].
    pub(super) fn cast_explicitly(&mut self, expr: Expr, target: PgType, at: u32) -> Result<Expr, SqlError> {
        let from = expr.ty.oid;
        match self.try_coerce(expr, target, CastContext::Explicit)? {
            Some(expr) => Ok(expr),
            None => {
                let message = format!("cannot cast type {} to {}", type_name(from), type_name(target.oid));
                Err(SqlError::new("42846", message).at(at))
            }
        }
    }

    /// Converts where the grammar or an operator has chosen the type: it is known to be possible.
    pub(super) fn coerce(&mut self, expr: Expr, target: u32) -> Result<Expr, SqlError> {
        let (from, at) = (expr.ty.oid, expr.at);
        match self.try_coerce(expr, PgType { oid: target, typmod: -1 }, CastContext::Implicit)? {
            Some(expr) => Ok(expr),
            None => {
                let message = format!("cannot cast type {} to {}", type_name(from), type_name(target));
                Err(SqlError::new("42846", message).at(at))
            }
        }
    }

    /// Converts if the context allows it; `None` if not.
    pub(super) fn try_coerce(
        &mut self,
        expr: Expr,
        target: PgType,
        context: CastContext,
    ) -> Result<Option<Expr>, SqlError> {
        let at = expr.at;
        let source_modifier = expr.ty.typmod;
        let (base, fitted) = if expr.ty.oid == oid::UNKNOWN {
            (self.resolve_unknown(expr, target.oid)?, false)
        } else if expr.ty.oid == target.oid {
            let same = target.typmod < 0 || source_modifier == target.typmod;
            (expr, same)
        } else if let Some(literal) = widened(&expr, target.oid) {
            (literal, false)
        } else {
            let Some(cast) = function::cast(expr.ty.oid, target.oid).filter(|cast| cast.context <= context) else {
                return Ok(None);
            };
            (self.apply_cast(expr, cast.form, target.oid, at), false)
        };
        if fitted {
            return Ok(Some(base));
        }
        Ok(Some(self.fit(base, target, context, at)))
    }

    fn apply_cast(&self, expr: Expr, form: Form, target: u32, at: u32) -> Expr {
        match form {
            // The storage form stays: only the type changes. A literal is read by its own type's rules, so that it keeps
            // its type inside: `'t'::bool::int4` is no integer's text.
            // So does a call that is told its result's type.
            Form::Same if is_read_by_type(&expr.node) && !same_input(expr.ty.oid, target) => {
                Expr::new(Node::Apply { form, args: vec![expr] }, target, at)
            }
            Form::Same => Expr { ty: PgType { oid: target, typmod: -1 }, node: expr.node, at },
            form @ (Form::Call(_) | Form::Infix(_) | Form::Prefix(_) | Form::Pattern(_) | Form::Special(_)) => {
                Expr::new(Node::Apply { form, args: vec![expr] }, target, at)
            }
        }
    }

    /// Applies a type modifier: rounds, pads, or raises.
    fn fit(&self, expr: Expr, target: PgType, context: CastContext, at: u32) -> Expr {
        let Some(fit) = catalog::typmod_coercion(target.oid).filter(|_| target.typmod >= 0) else { return expr };
        if expr.node == Node::Null {
            return Expr { ty: target, ..expr };
        }
        let explicit = i64::from(context == CastContext::Explicit);
        let modifier = Expr::new(Node::Constant(Value::Integer(i64::from(target.typmod))), oid::INT4, at);
        let explicit = Expr::new(Node::Constant(Value::Integer(explicit)), oid::BOOL, at);
        Expr { node: Node::Apply { form: Form::Call(fit), args: vec![expr, modifier, explicit] }, ty: target, at }
    }

    /// Gives an untyped literal, NULL or parameter its type.
    fn resolve_unknown(&mut self, expr: Expr, target: u32) -> Result<Expr, SqlError> {
        let at = expr.at;
        if let Node::Parameter { index, .. } = expr.node {
            self.fix_parameter(index, target, at)?;
            return self.typed_parameter(index, target, at);
        }
        if let (Node::Literal { literal, .. }, true) = (&expr.node, needs_lookup(target)) {
            let text = Expr::new(Node::Literal { literal: *literal, loose: false }, oid::TEXT, at);
            let Some(cast) = function::cast(oid::TEXT, target) else {
                return Err(
                    SqlError::unsupported(format!("values of type {} are not supported", type_name(target))).at(at)
                );
            };
            return Ok(self.apply_cast(text, cast.form, target, at));
        }
        Ok(Expr::new(expr.node, target, at))
    }

    /// A parameter whose type is known. The name of a catalog object comes as text and is looked up when the statement
    /// runs; its OID in digits or in binary is looked at the same way, as text.
    pub(super) fn typed_parameter(&self, index: u16, ty: u32, at: u32) -> Result<Expr, SqlError> {
        let parameter = Expr::new(Node::Parameter { index, loose: false }, ty, at);
        let Some(cast) = function::cast(oid::TEXT, ty).filter(|_| needs_lookup(ty)) else { return Ok(parameter) };
        let as_text = Form::Pattern("CAST({0} AS TEXT)");
        let text = Expr::new(Node::Apply { form: as_text, args: vec![parameter] }, oid::TEXT, at);
        Ok(self.apply_cast(text, cast.form, ty, at))
    }

    /// Converts to bool for a clause that wants it.
    pub(super) fn coerce_to_bool(&mut self, expr: Expr, clause: &str) -> Result<Expr, SqlError> {
        let (from, at) = (expr.ty.oid, expr.at);
        match self.try_coerce(expr, PgType { oid: oid::BOOL, typmod: -1 }, CastContext::Assignment)? {
            Some(expr) => Ok(expr),
            None => {
                let message = format!("argument of {clause} must be type boolean, not type {}", type_name(from));
                Err(SqlError::new("42804", message).at(at))
            }
        }
    }

    /// Converts a result column that is still unknown: PostgreSQL makes it text.
    pub(super) fn settle(&mut self, expr: Expr) -> Result<Expr, SqlError> {
        if expr.ty.oid == oid::UNKNOWN { self.coerce(expr, oid::TEXT) } else { Ok(expr) }
    }

    /// The type in which the branches of `context` (CASE, COALESCE, UNION, ..) meet.
    ///
    /// # Errors
    /// 42804 `CASE types text and integer cannot be matched`.
    pub(super) fn common_type(&self, branches: &[(u32, u32)], context: &str) -> Result<u32, SqlError> {
        let mut known = branches.iter().filter(|(oid, _)| *oid != oid::UNKNOWN);
        let Some((first, _)) = known.next() else { return Ok(oid::TEXT) };
        let mut common = *first;
        for (next, at) in known {
            if *next == common {
                continue;
            }
            if category(*next) != category(common) {
                let message =
                    format!("{context} types {} and {} cannot be matched", type_name(common), type_name(*next));
                return Err(SqlError::new("42804", message).at(*at));
            }
            let forward = can_coerce(common, *next, CastContext::Implicit);
            let backward = can_coerce(*next, common, CastContext::Implicit);
            if !is_preferred(common) && forward && !backward {
                common = *next;
            }
        }
        Ok(common)
    }

    /// Converts all branches to their common type, keeping a modifier that all share.
    pub(super) fn unify(&mut self, branches: Vec<Expr>, context: &str) -> Result<(Vec<Expr>, PgType), SqlError> {
        let types: Vec<(u32, u32)> = branches.iter().map(|expr| (expr.ty.oid, expr.at)).collect();
        let common = self.common_type(&types, context)?;
        let typmod = shared_modifier(&branches, common);
        let mut out = Vec::with_capacity(branches.len());
        for expr in branches {
            let (from, at) = (expr.ty.oid, expr.at);
            match self.try_coerce(expr, PgType { oid: common, typmod: -1 }, CastContext::Implicit)? {
                Some(expr) => out.push(expr),
                None => {
                    let message =
                        format!("{context} could not convert type {} to {}", type_name(from), type_name(common));
                    return Err(SqlError::new("42846", message).at(at));
                }
            }
        }
        Ok((out, PgType { oid: common, typmod }))
    }
}

fn shared_modifier(branches: &[Expr], common: u32) -> i32 {
    let mut modifiers = branches.iter().map(|expr| if expr.ty.oid == common { expr.ty.typmod } else { -1 });
    let first = modifiers.next().unwrap_or(-1);
    if modifiers.all(|modifier| modifier == first) { first } else { -1 }
}

/// Whether the SQL written for a node depends on its type.
fn is_read_by_type(node: &Node) -> bool {
    if let Node::Apply { form: Form::Pattern(pattern), .. } = node {
        return pattern.contains("{result}");
    }
    matches!(node, Node::Literal { .. })
}

/// Whether a literal of either type is read alike: its text is its value.
fn same_input(from: u32, target: u32) -> bool {
    [from, target].iter().all(|oid| matches!(*oid, oid::TEXT | oid::VARCHAR | oid::BPCHAR))
}

/// A number literal as a literal of the wider type: no conversion is left for each row.
fn widened(expr: &Expr, target: u32) -> Option<Expr> {
    let Node::Literal { literal, .. } = &expr.node else { return None };
    let wider = match expr.ty.oid {
        oid::INT4 => matches!(target, oid::INT8 | oid::NUMERIC | oid::FLOAT8),
        oid::INT8 => matches!(target, oid::NUMERIC | oid::FLOAT8),
        oid::NUMERIC => target == oid::FLOAT8,
        _ => false,
    };
    wider.then(|| Expr::new(Node::Literal { literal: *literal, loose: false }, target, expr.at))
}
