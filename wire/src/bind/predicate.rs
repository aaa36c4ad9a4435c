//! Predicates with their own syntax: IS, IN, BETWEEN, LIKE, ANY and ALL, row comparison.

use super::cast::type_name;
use super::{Binder, overload, plain};
use crate::error::SqlError;
use crate::function::{CastContext, Form};
use crate::ir::{Body, Expr, Node, Output, QuantifiedSource, Query, Select, Source};
use crate::sql::ast::{self, BoolTest, ExprKind, LikeKind, OperatorName, Quantifier};
use crate::types::{Representation, catalog, oid};

fn named(name: &str) -> OperatorName {
    OperatorName { name: name.to_owned(), schema: None }
}

fn negate(expr: Expr, negated: bool) -> Expr {
    if negated {
        let at = expr.at;
        Expr::new(Node::Not(Box::new(expr)), oid::BOOL, at)
    } else {
        expr
    }
}

/// `a LIKE pattern`, and that `a` lies between what begins as the pattern does: that an index can answer.
fn within_prefix(mut test: Expr) -> Expr {
    const FORM: &str = "({0} >= pg_like_low({1}) AND {0} < pg_like_high({1}) AND pg_like({0}, {1}))";
    if let Node::Apply { form: form @ Form::Call("pg_like"), .. } = &mut test.node {
        *form = Form::Pattern(FORM);
    }
    test
}

impl Binder<'_> {
    pub(super) fn is_null(&mut self, arg: &ast::Expr, negated: bool, at: u32) -> Result<Expr, SqlError> {
        if let ExprKind::Row(cells) = &arg.kind {
            // Of a row both tests hold for all cells or fail: one is not the other's negation.
            let mut tests = Vec::with_capacity(cells.len());
            for cell in cells {
                tests.push(self.is_null(cell, negated, at)?);
            }
            return Ok(Expr::new(Node::And(tests), oid::BOOL, at));
        }
        let arg = self.expr(arg)?;
        let undetermined = matches!(arg.node, Node::Parameter { .. }) && arg.ty.oid == oid::UNKNOWN;
        let arg = if undetermined { arg } else { self.settle(arg)? };
        Ok(Expr::new(Node::IsNull { arg: Box::new(arg), negated }, oid::BOOL, at))
    }

    pub(super) fn is_bool(
        &mut self,
        arg: &ast::Expr,
        test: BoolTest,
        negated: bool,
        at: u32,
    ) -> Result<Expr, SqlError> {
        let word = match test {
            BoolTest::True => "TRUE",
            BoolTest::False => "FALSE",
            BoolTest::Unknown => "UNKNOWN",
        };
        let clause = if negated { format!("IS NOT {word}") } else { format!("IS {word}") };
        let arg = self.expr(arg)?;
        let arg = Box::new(self.coerce_to_bool(arg, &clause)?);
        Ok(Expr::new(Node::IsBool { arg, test, negated }, oid::BOOL, at))
    }

    pub(super) fn is_distinct(
        &mut self,
        left: &ast::Expr,
        right: &ast::Expr,
        negated: bool,
        at: u32,
    ) -> Result<Expr, SqlError> {
        if let (ExprKind::Row(lefts), ExprKind::Row(rights)) = (&left.kind, &right.kind) {
            if lefts.len() != rights.len() {
                return Err(SqlError::new("42601", "unequal number of entries in row expressions").at(at));
            }
            let mut tests = Vec::with_capacity(lefts.len());
            for (left, right) in lefts.iter().zip(rights) {
                tests.push(self.is_distinct(left, right, negated, at)?);
            }
            return Ok(Expr::new(if negated { Node::And(tests) } else { Node::Or(tests) }, oid::BOOL, at));
        }
        let left = self.expr(left)?;
        let right = self.expr(right)?;
        let equal = self.operator(&named("="), Some(left), right, at)?;
        let Node::Apply { form, args } = equal.node else {
            return Err(SqlError::new("XX000", "equality without operands").at(at));
        };
        let mut args = args.into_iter();
        let (Some(left), Some(right)) = (args.next(), args.next()) else {
            return Err(SqlError::new("XX000", "equality without operands").at(at));
        };
        Ok(Expr::new(Node::IsDistinct { form, left: Box::new(left), right: Box::new(right), negated }, oid::BOOL, at))
    }

    pub(super) fn row_comparison(
        &mut self,
        op: &OperatorName,
        lefts: &[ast::Expr],
        rights: &[ast::Expr],
        at: u32,
    ) -> Result<Expr, SqlError> {
        if lefts.len() != rights.len() {
            return Err(SqlError::new("42601", "unequal number of entries in row expressions").at(at));
        }
        let mut pairs = Vec::with_capacity(lefts.len());
        for (left, right) in lefts.iter().zip(rights) {
            let left = self.expr(left)?;
            let right = self.expr(right)?;
            pairs.push((left, right));
        }
        self.compare_pairs(op, pairs, at)
    }

    /// Compares rows cell by cell: `=` and `<>` all cells, an order by the first cells that differ.
    pub(super) fn compare_pairs(
        &mut self,
        op: &OperatorName,
        pairs: Vec<(Expr, Expr)>,
        at: u32,
    ) -> Result<Expr, SqlError> {
        let strict = match op.name.as_str() {
            "=" | "<>" => {
                let mut tests = Vec::with_capacity(pairs.len());
                for (left, right) in pairs {
                    tests.push(self.operator(op, Some(left), right, at)?);
                }
                return Ok(Expr::new(if op.name == "=" { Node::And(tests) } else { Node::Or(tests) }, oid::BOOL, at));
            }
            "<" | "<=" => "<",
            ">" | ">=" => ">",
            other => {
                let message = format!("could not determine interpretation of row comparison operator {other}");
                return Err(SqlError::unsupported(message)
                    .hint("Row comparison operators must be associated with btree operator families.")
                    .at(at));
            }
        };
        let weak = named(if strict == "<" { "<=" } else { ">=" });
        // `(a, b) < (x, y)` is `a <= x AND (a < x OR b < y)`: the first part alone may use an index.
        let mut pairs = pairs.into_iter().rev();
        let Some((left, right)) = pairs.next() else {
            return Err(SqlError::unsupported("cannot compare rows of zero length").at(at));
        };
        let mut test = self.operator(op, Some(left), right, at)?;
        for (left, right) in pairs {
            let bound = self.operator(&weak, Some(left.clone()), right.clone(), at)?;
            let (left, right) = (self.refreshed(left), self.refreshed(right));
            let decided = self.operator(&named(strict), Some(left), right, at)?;
            let rest = Expr::new(Node::Or(vec![decided, test]), oid::BOOL, at);
            test = Expr::new(Node::And(vec![bound, rest]), oid::BOOL, at);
        }
        Ok(test)
    }

    /// `(a, b) op (SELECT x, y ..)`: NULL without a row, 21000 with two.
    pub(super) fn row_against_query(
        &mut self,
        op: &OperatorName,
        lefts: &[ast::Expr],
        query: &ast::Query,
        at: u32,
    ) -> Result<Expr, SqlError> {
        let query = self.subquery(query)?;
        if query.outputs.len() != lefts.len() {
            let which = if query.outputs.len() > lefts.len() { "many" } else { "few" };
            return Err(SqlError::new("42601", format!("subquery has too {which} columns")).at(at));
        }
        let id = self.new_relation();
        let mut pairs = Vec::with_capacity(lefts.len());
        for (index, left) in lefts.iter().enumerate() {
            let left = self.expr(left)?;
            pairs.push((left, super::scope::column(id, &format!("c{}", index + 1), query.outputs[index].ty)));
        }
        let test = self.compare_pairs(op, pairs, at)?;
        let from = vec![Source::Query { id, query: Box::new(query) }];
        let select = Select { from, ..Select::of(vec![test]) };
        let output = Output::computed("?column?", plain(oid::BOOL));
        let query = Query::of(Body::Select(Box::new(select)), vec![output]);
        Ok(Expr::new(Node::Subquery(Box::new(query)), oid::BOOL, at))
    }

    /// `a IN (b, c)`: one list under one type if the members meet in it, else a chain of comparisons, as in PostgreSQL.
    pub(super) fn in_list(
        &mut self,
        arg: &ast::Expr,
        list: &[ast::Expr],
        negated: bool,
        at: u32,
    ) -> Result<Expr, SqlError> {
        let equal = named("=");
        if let ExprKind::Row(lefts) = &arg.kind {
            let mut tests = Vec::with_capacity(list.len());
            for member in list {
                let ExprKind::Row(rights) = &member.kind else {
                    return Err(SqlError::new("42601", "unequal number of entries in row expressions").at(member.at));
                };
                tests.push(self.row_comparison(&equal, lefts, rights, at)?);
            }
            return Ok(negate(Expr::new(Node::Or(tests), oid::BOOL, at), negated));
        }
        let arg = self.expr(arg)?;
        let mut members = Vec::with_capacity(list.len());
        for member in list {
            members.push(self.expr(member)?);
        }
        let types: Vec<(u32, u32)> = std::iter::once(&arg).chain(&members).map(|expr| (expr.ty.oid, expr.at)).collect();
        let fits =
            |common: u32| types.iter().all(|(oid, _)| super::cast::can_coerce(*oid, common, CastContext::Implicit));
        if let Ok(common) = self.common_type(&types, "IN")
            && members.len() > 1
            && fits(common)
            && self.lists_by_value(common)
        {
            let mut converted = Vec::with_capacity(members.len() + 1);
            for member in std::iter::once(arg).chain(members) {
                converted.push(self.coerce(member, common)?);
            }
            let mut list = super::expr::loosen(converted);
            let arg = Box::new(list.remove(0));
            return Ok(Expr::new(Node::In { arg, list, negated }, oid::BOOL, at));
        }
        let mut tests = Vec::with_capacity(members.len());
        for member in members {
            tests.push(self.operator(&equal, Some(arg.clone()), member, at)?);
        }
        let any = match (tests.len(), tests.pop()) {
            (1, Some(only)) => only,
            (_, last) => {
                tests.extend(last);
                Expr::new(Node::Or(tests), oid::BOOL, at)
            }
        };
        Ok(negate(any, negated))
    }

    /// Whether equality of the type is SQLite's equality under the type's collation.
    fn lists_by_value(&self, type_oid: u32) -> bool {
        let equality = overload::operator(crate::function::operators_named("="), Some(type_oid), type_oid);
        match equality {
            overload::Choice::One(found) => found.form == Form::Infix("=") || catalog::collation(type_oid).is_some(),
            overload::Choice::Ambiguous | overload::Choice::Missing => false,
        }
    }

    pub(super) fn in_query(
        &mut self,
        arg: &ast::Expr,
        query: &ast::Query,
        negated: bool,
        at: u32,
    ) -> Result<Expr, SqlError> {
        let lefts: Vec<&ast::Expr> =
            if let ExprKind::Row(list) = &arg.kind { list.iter().collect() } else { vec![arg] };
        let query = self.subquery(query)?;
        if query.outputs.len() != lefts.len() {
            let which = if query.outputs.len() > lefts.len() { "many" } else { "few" };
            return Err(SqlError::new("42601", format!("subquery has too {which} columns")).at(at));
        }
        let mut args = Vec::with_capacity(lefts.len());
        let mut targets = Vec::with_capacity(lefts.len());
        for (left, output) in lefts.into_iter().zip(&query.outputs) {
            let left = self.expr(left)?;
            // Equality resolves the operands' types; the query's column is then converted inside the query.
            let probe = super::scope::column(0, "c1", output.ty);
            let equal = self.operator(&named("="), Some(left), probe, at)?;
            let Node::Apply { args: operands, .. } = equal.node else { continue };
            let mut operands = operands.into_iter();
            let (Some(left), Some(right)) = (operands.next(), operands.next()) else { continue };
            targets.push(right.ty.oid);
            if !self.lists_by_value(left.ty.oid) {
                let message = format!("IN with a subquery over type {} is not supported", type_name(left.ty.oid));
                return Err(SqlError::unsupported(message).at(at));
            }
            args.push(left);
        }
        let query = self.convert_outputs(query, &targets)?;
        Ok(Expr::new(Node::InQuery { args, query: Box::new(query), negated }, oid::BOOL, at))
    }

    pub(super) fn between(&mut self, expr: &ast::Expr) -> Result<Expr, SqlError> {
        let at = expr.at;
        let ExprKind::Between { arg, low, high, symmetric, negated } = &expr.kind else {
            return Err(SqlError::new("XX000", "not a BETWEEN").at(at));
        };
        let arg = self.expr(arg)?;
        let low = self.expr(low)?;
        let high = self.expr(high)?;
        let range = |binder: &mut Self, arg: Expr, low: Expr, high: Expr| -> Result<Expr, SqlError> {
            let from = binder.operator(&named(">="), Some(arg.clone()), low, at)?;
            // The parameter's type may be known now.
            let arg = binder.refreshed(arg);
            let to = binder.operator(&named("<="), Some(arg), high, at)?;
            Ok(Expr::new(Node::And(vec![from, to]), oid::BOOL, at))
        };
        let test = if *symmetric {
            let forward = range(self, arg.clone(), low.clone(), high.clone())?;
            let (arg, low, high) = (self.refreshed(arg), self.refreshed(low), self.refreshed(high));
            let backward = range(self, arg, high, low)?;
            Expr::new(Node::Or(vec![forward, backward]), oid::BOOL, at)
        } else {
            range(self, arg, low, high)?
        };
        Ok(negate(test, *negated))
    }

    /// A parameter that was unknown when it was bound may have its type by now.
    pub(super) fn refreshed(&mut self, expr: Expr) -> Expr {
        if let (Node::Parameter { index, .. }, oid::UNKNOWN) = (&expr.node, expr.ty.oid) {
            let known = self.parameter(*index).unwrap_or(oid::UNKNOWN);
            return Expr { ty: plain(known), ..expr };
        }
        expr
    }

    pub(super) fn like(&mut self, expr: &ast::Expr) -> Result<Expr, SqlError> {
        let at = expr.at;
        let ExprKind::Like { kind, arg, pattern, escape, negated } = &expr.kind else {
            return Err(SqlError::new("XX000", "not a LIKE").at(at));
        };
        let name = match (kind, negated) {
            (LikeKind::Like, false) => "~~",
            (LikeKind::Like, true) => "!~~",
            (LikeKind::ILike, false) => "~~*",
            (LikeKind::ILike, true) => "!~~*",
            (LikeKind::SimilarTo, false) => "~",
            (LikeKind::SimilarTo, true) => "!~",
        };
        let left = self.expr(arg)?;
        let mut right = self.expr(pattern)?;
        let similar = *kind == LikeKind::SimilarTo;
        if let Some(escape) = escape {
            let escape = self.expr(escape)?;
            let converted = if similar { "similar_to_escape" } else { "like_escape" };
            right = self.function_of(converted, vec![right, escape], at)?;
        } else if similar {
            right = self.function_of("similar_to_escape", vec![right], at)?;
        }
        let indexed = *kind == LikeKind::Like && !*negated && self.leads_an_index(&left);
        let test = self.operator(&named(name), Some(left), right, at)?;
        Ok(if indexed { within_prefix(test) } else { test })
    }

    /// Whether a text column of a table declared over the wire is the first of its key or of an index.
    fn leads_an_index(&self, expr: &Expr) -> bool {
        let Node::Column(column) = &expr.node else { return false };
        if !matches!(expr.ty.oid, oid::TEXT | oid::VARCHAR) || column.representation != Representation::Typed {
            return false;
        }
        let Some(table) = self.env.schema.tables.values().find(|table| table.oid == column.table_oid) else {
            return false;
        };
        let key = table.primary_key.first().and_then(|index| table.columns.get(*index)).map(|key| key.name.as_str());
        let mut indexed =
            table.indexes.iter().filter_map(|index| index.columns.first()).map(|first| first.name.as_str());
        key == Some(&*column.name) || indexed.any(|name| name == &*column.name)
    }

    /// `left op ANY (array)`.
    pub(super) fn quantified_array(
        &mut self,
        left: &ast::Expr,
        op: &OperatorName,
        quantifier: Quantifier,
        array: &ast::Expr,
        at: u32,
    ) -> Result<Expr, SqlError> {
        let left = self.expr(left)?;
        let array = self.expr(array)?;
        let id = self.new_relation();
        // An untyped array beside a typed operand is an array of the operand's type, and the reverse.
        let element = if array.ty.oid == oid::UNKNOWN {
            if left.ty.oid == oid::UNKNOWN { oid::TEXT } else { left.ty.oid }
        } else {
            match overload::element_type(array.ty.oid) {
                Some(element) => element,
                None => return Err(SqlError::new("42809", "op ANY/ALL (array) requires array on right side").at(at)),
            }
        };
        let member = super::scope::column(id, "value", plain(element));
        let test = self.operator(op, Some(left), member, at)?;
        if test.ty.oid != oid::BOOL {
            return Err(SqlError::new("42809", "op ANY/ALL (array) requires operator to yield boolean").at(at));
        }
        let array = match catalog::array_of(element) {
            Some(target) if array.ty.oid == oid::UNKNOWN => self.coerce(array, target)?,
            _ => array,
        };
        let source = QuantifiedSource::Array { id, array: Box::new(array) };
        Ok(Expr::new(Node::Quantified { quantifier, test: Box::new(test), source }, oid::BOOL, at))
    }

    /// `left op ANY (query)`.
    pub(super) fn quantified_query(
        &mut self,
        left: &ast::Expr,
        op: &OperatorName,
        quantifier: Quantifier,
        query: &ast::Query,
        at: u32,
    ) -> Result<Expr, SqlError> {
        let negated = quantifier == Quantifier::All && op.name == "<>";
        if (quantifier == Quantifier::Any && op.name == "=") || negated {
            return self.in_query(left, query, negated, at);
        }
        let left = self.expr(left)?;
        let query = self.one_column(query, at)?;
        let id = self.new_relation();
        let ty = query.outputs.first().map_or_else(|| plain(oid::TEXT), |output| output.ty);
        let member = super::scope::column(id, "c1", ty);
        let test = self.operator(op, Some(left), member, at)?;
        if test.ty.oid != oid::BOOL {
            return Err(SqlError::new("42809", "op ANY/ALL (array) requires operator to yield boolean").at(at));
        }
        let source = QuantifiedSource::Query { id, query: Box::new(query) };
        Ok(Expr::new(Node::Quantified { quantifier, test: Box::new(test), source }, oid::BOOL, at))
    }
}
