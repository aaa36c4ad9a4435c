//! Expressions: literals, columns, operators, casts, CASE and its like, subqueries.

use storage::Value;

use super::cast::type_name;
use super::overload::{self, Choice};
use super::{Binder, plain, resolve_type};
use crate::error::SqlError;
use crate::function::{self, CastContext, Form};
use crate::ir::{Body, Expr, Node, Output, Query, Select, Source};
use crate::plan::SessionValue;
use crate::sql::ast::{self, Builtin, ExprKind, LiteralKind, LiteralRef, OperatorName, SessionWord};
use crate::types::oid;

impl Binder<'_> {
    /// Binds an expression; untyped literals and parameters stay `unknown` until something asks for a type.
    pub(super) fn expr(&mut self, expr: &ast::Expr) -> Result<Expr, SqlError> {
        let at = expr.at;
        match &expr.kind {
            ExprKind::Literal(kind, literal) => self.literal(*kind, *literal, at),
            ExprKind::Integer(value) => Ok(Expr::new(Node::Constant(Value::Integer(i64::from(*value))), oid::INT4, at)),
            ExprKind::Word(text) => Ok(Expr::new(Node::Constant(Value::Text(text.clone())), oid::TEXT, at)),
            ExprKind::Bool(value) => Ok(Expr::new(Node::Constant(Value::Integer(i64::from(*value))), oid::BOOL, at)),
            ExprKind::Null => Ok(Expr::new(Node::Null, oid::UNKNOWN, at)),
            ExprKind::Default => Err(SqlError::new("42601", "DEFAULT is not allowed in this context").at(at)),
            ExprKind::Parameter(index) if !self.has_parameters => {
                Err(SqlError::new("42P02", format!("there is no parameter ${}", u32::from(*index) + 1)).at(at))
            }
            ExprKind::Parameter(index) => {
                let known = self.parameter(*index).unwrap_or(oid::UNKNOWN);
                self.typed_parameter(*index, known, at)
            }
            ExprKind::Column(parts) => self.resolve_column(parts, at),
            ExprKind::Star(_) => Err(SqlError::new("42601", "row expansion via \"*\" is not supported here").at(at)),
            ExprKind::Unary { op, arg } => {
                let arg = self.expr(arg)?;
                self.operator(op, None, arg, at)
            }
            ExprKind::Binary { op, left, right } => self.binary(op, left, right, at),
            ExprKind::And(..) | ExprKind::Or(..) => self.connective(expr),
            ExprKind::Not(arg) => {
                let arg = self.expr(arg)?;
                let arg = Box::new(self.coerce_to_bool(arg, "NOT")?);
                Ok(Expr::new(Node::Not(arg), oid::BOOL, at))
            }
            ExprKind::IsNull { arg, negated } => self.is_null(arg, *negated, at),
            ExprKind::IsBool { arg, test, negated } => self.is_bool(arg, *test, *negated, at),
            ExprKind::IsDistinct { left, right, negated } => self.is_distinct(left, right, *negated, at),
            ExprKind::InList { arg, list, negated } => self.in_list(arg, list, *negated, at),
            ExprKind::InQuery { arg, query, negated } => self.in_query(arg, query, *negated, at),
            ExprKind::Between { .. } => self.between(expr),
            ExprKind::Like { .. } => self.like(expr),
            ExprKind::QuantifiedArray { left, op, quantifier, array } => {
                self.quantified_array(left, op, *quantifier, array, at)
            }
            ExprKind::QuantifiedQuery { left, op, quantifier, query } => {
                self.quantified_query(left, op, *quantifier, query, at)
            }
            ExprKind::Call(call) => self.call(call, at),
            ExprKind::Builtin { which: which @ Builtin::Coalesce, args } => {
                self.without_sets("COALESCE", |binder| binder.builtin(*which, args, at))
            }
            ExprKind::Builtin { which, args } => self.builtin(*which, args, at),
            ExprKind::Session { word, precision } => self.session_word(*word, *precision, at),
            ExprKind::Cast { arg, target } => {
                let target = resolve_type(target)?;
                let arg = self.cast_argument(arg, target.oid)?;
                self.cast_explicitly(arg, target, at)
            }
            ExprKind::Case { operand, whens, otherwise } => {
                self.without_sets("CASE", |binder| binder.case(operand.as_deref(), whens, otherwise.as_deref(), at))
            }
            ExprKind::Array(list) => self.array(list, at),
            ExprKind::ArrayQuery(query) => self.array_query(query, at),
            ExprKind::Subscript { base, index } => self.subscript(base, index, at),
            ExprKind::Slice { .. } => Err(SqlError::unsupported("array slices are not supported").at(at)),
            ExprKind::Field { base, field } => self.field(base, &field.text, at),
            ExprKind::Row(cells) if self.rows_as_json => {
                self.rows_as_json = false;
                let mut named = Vec::with_capacity(cells.len());
                for (index, cell) in cells.iter().enumerate() {
                    let cell = self.expr(cell)?;
                    named.push((format!("f{}", index + 1), self.settle(cell)?));
                }
                Ok(super::scope::json_row(named, at))
            }
            ExprKind::Row(_) => Err(SqlError::unsupported("row values are not supported here").at(at)),
            ExprKind::Grouping(list) => self.grouping(list, at),
            ExprKind::QueryColumn { query, index, width } => self.query_column(query, *index, *width, at),
            ExprKind::Exists(query) => {
                let query = self.subquery(query)?;
                Ok(Expr::new(Node::Exists(Box::new(query)), oid::BOOL, at))
            }
            ExprKind::Subquery(query) => self.scalar_subquery(query, at),
            ExprKind::Collate { arg, collation } => self.collate(arg, collation, at),
        }
    }

    /// `(value).field`. The one composite type whose fields have names here is what `_pg_expandarray` gives; drivers
    /// take it apart to list the columns of keys and indexes.
    fn field(&mut self, base: &ast::Expr, field: &str, at: u32) -> Result<Expr, SqlError> {
        let unsupported = || SqlError::unsupported(format!("field \"{field}\" of a composite value is not supported"));
        let base = self.expr(base)?;
        let whole_row = matches!(base.node, Node::Apply { .. });
        match function::expanded_field(field) {
            Some((form, ty)) if base.ty.oid == oid::RECORD && !whole_row => {
                Ok(Expr::new(Node::Apply { form, args: vec![base] }, ty, at))
            }
            Some(_) | None => Err(unsupported().at(at)),
        }
    }

    /// Runs `inner` where a set-returning call is an error.
    fn without_sets<T>(
        &mut self,
        construct: &'static str,
        inner: impl FnOnce(&mut Self) -> Result<T, SqlError>,
    ) -> Result<T, SqlError> {
        let outer = self.scope().no_sets.replace(construct);
        let result = inner(self);
        self.scope().no_sets = outer;
        result
    }

    fn literal(&mut self, kind: LiteralKind, literal: LiteralRef, at: u32) -> Result<Expr, SqlError> {
        let literal = self.share(literal)?;
        let node = Node::Literal { literal, loose: false };
        Ok(match kind {
            LiteralKind::String => Expr::new(node, oid::UNKNOWN, at),
            LiteralKind::Bits => return Err(SqlError::unsupported("bit strings are not supported").at(at)),
            LiteralKind::Int4 => Expr::new(node, oid::INT4, at),
            LiteralKind::Int8 | LiteralKind::Numeric if literal.negative => {
                // -2147483648 is an int4 although 2147483648 is none: the value decides at the borders.
                let text = self.literal_text(literal)?;
                let border = text == "-2147483648" || text == "-9223372036854775808";
                if border {
                    self.pinned.insert(literal.index);
                }
                let wide = if kind == LiteralKind::Int8 { oid::INT8 } else { oid::NUMERIC };
                let narrow = if kind == LiteralKind::Int8 { oid::INT4 } else { oid::INT8 };
                Expr::new(node, if border { narrow } else { wide }, at)
            }
            LiteralKind::Int8 => Expr::new(node, oid::INT8, at),
            LiteralKind::Numeric => Expr::new(node, oid::NUMERIC, at),
        })
    }

    /// AND and OR chains in one node each: their depth does not grow with their length.
    fn connective(&mut self, expr: &ast::Expr) -> Result<Expr, SqlError> {
        let conjunction = matches!(expr.kind, ExprKind::And(..));
        let mut operands = Vec::new();
        let mut rest = expr;
        loop {
            match (&rest.kind, conjunction) {
                (ExprKind::And(left, right), true) | (ExprKind::Or(left, right), false) => {
                    operands.push(right.as_ref());
                    rest = left;
                }
                _ => {
                    operands.push(rest);
                    break;
                }
            }
        }
        let word = if conjunction { "AND" } else { "OR" };
        let mut bound = Vec::with_capacity(operands.len());
        for operand in operands.into_iter().rev() {
            let operand = self.expr(operand)?;
            bound.push(self.coerce_to_bool(operand, word)?);
        }
        Ok(Expr::new(if conjunction { Node::And(bound) } else { Node::Or(bound) }, oid::BOOL, expr.at))
    }

    fn binary(&mut self, op: &OperatorName, left: &ast::Expr, right: &ast::Expr, at: u32) -> Result<Expr, SqlError> {
        if let (ExprKind::Row(lefts), ExprKind::Row(rights)) = (&left.kind, &right.kind) {
            return self.row_comparison(op, lefts, rights, at);
        }
        if let (ExprKind::Row(lefts), ExprKind::Subquery(query)) = (&left.kind, &right.kind) {
            return self.row_against_query(op, lefts, query, at);
        }
        let left = self.expr(left)?;
        let right = self.expr(right)?;
        self.operator(op, Some(left), right, at)
    }

    /// Resolves an operator and converts its operands.
    ///
    /// # Errors
    /// 42883 and 42725 in PostgreSQL's words.
    pub(super) fn operator(
        &mut self,
        op: &OperatorName,
        left: Option<Expr>,
        right: Expr,
        at: u32,
    ) -> Result<Expr, SqlError> {
        let left_type = left.as_ref().map(|expr| expr.ty.oid);
        let shown = match left_type {
            Some(left) => format!("{} {} {}", type_name(left), op.name, type_name(right.ty.oid)),
            None => format!("{} {}", op.name, type_name(right.ty.oid)),
        };
        let overloads = if op.schema.as_deref().is_none_or(|schema| schema == "pg_catalog") {
            function::operators_named(&op.name)
        } else {
            &[]
        };
        let found = match overload::operator(overloads, left_type, right.ty.oid) {
            Choice::One(found) => found,
            Choice::Ambiguous => {
                return Err(SqlError::new("42725", format!("operator is not unique: {shown}"))
                    .hint("Could not choose a best candidate operator. You might need to add explicit type casts.")
                    .at(at));
            }
            Choice::Missing => {
                let hint = match left_type {
                    Some(_) => {
                        "No operator matches the given name and argument types. You might need to add explicit type casts."
                    }
                    None => {
                        "No operator matches the given name and argument type. You might need to add an explicit type cast."
                    }
                };
                return Err(SqlError::new("42883", format!("operator does not exist: {shown}")).hint(hint).at(at));
            }
        };
        if let (Form::Special(_), "||", Some(left)) = (found.form, found.name, left.as_ref()) {
            return self.concatenate(left.clone(), right, at);
        }
        let (declared, args): (Vec<u32>, Vec<Expr>) = match (found.left, left) {
            (Some(declared), Some(left)) => (vec![declared, found.right], vec![left, right]),
            (_, _) => (vec![found.right], vec![right]),
        };
        let (args, result) = self.coerce_arguments(args, &declared, found.result, at)?;
        let args = loosen(args);
        Ok(Expr::new(Node::Apply { form: found.form, args }, result, at))
    }

    /// `text || anything`: the other side as text.
    fn concatenate(&mut self, left: Expr, right: Expr, at: u32) -> Result<Expr, SqlError> {
        let left = self.cast_explicitly(left, plain(oid::TEXT), at)?;
        let right = self.cast_explicitly(right, plain(oid::TEXT), at)?;
        Ok(Expr::new(Node::Apply { form: Form::Infix("||"), args: vec![left, right] }, oid::TEXT, at))
    }

    /// Converts arguments to the declared types; tells the actual result type of polymorphic ones.
    pub(super) fn coerce_arguments(
        &mut self,
        args: Vec<Expr>,
        declared: &[u32],
        result: u32,
        at: u32,
    ) -> Result<(Vec<Expr>, u32), SqlError> {
        let element = args.iter().zip(declared).find_map(|(arg, declared)| match *declared {
            _ if arg.ty.oid == oid::UNKNOWN => None,
            oid::ANYELEMENT | oid::ANYNONARRAY => Some(arg.ty.oid),
            oid::ANYARRAY => overload::element_type(arg.ty.oid),
            _ => None,
        });
        let polymorphic = declared.iter().any(|oid| matches!(*oid, oid::ANYELEMENT | oid::ANYNONARRAY | oid::ANYARRAY));
        if polymorphic && element.is_none() {
            let message = "could not determine polymorphic type because input has type unknown";
            return Err(SqlError::new("42804", message).at(at));
        }
        let array = element.and_then(crate::types::catalog::array_of);
        let concrete = |declared: u32, actual: u32| match declared {
            oid::ANYELEMENT | oid::ANYNONARRAY => element.unwrap_or(actual),
            oid::ANYARRAY if actual == oid::UNKNOWN => array.unwrap_or(actual),
            oid::ANYARRAY => actual,
            oid::ANY if actual == oid::UNKNOWN => oid::TEXT,
            oid::ANY => actual,
            other => other,
        };
        let mut out = Vec::with_capacity(args.len());
        for (arg, declared) in args.into_iter().zip(declared) {
            if *declared == oid::ANY
                && let Node::Parameter { index, .. } = arg.node
                && arg.ty.oid == oid::UNKNOWN
            {
                self.fix_parameter(index, oid::ANY, arg.at)?;
            }
            let target = concrete(*declared, arg.ty.oid);
            out.push(self.coerce(arg, target)?);
        }
        let result = match result {
            oid::ANYELEMENT | oid::ANYNONARRAY => element.unwrap_or(oid::TEXT),
            oid::ANYARRAY => match array {
                Some(array) => array,
                None => {
                    let name = element.map_or_else(|| "unknown".to_owned(), type_name);
                    return Err(
                        SqlError::new("42704", format!("could not find array type for data type {name}")).at(at)
                    );
                }
            },
            other => other,
        };
        Ok((out, result))
    }

    fn cast_argument(&mut self, arg: &ast::Expr, target: u32) -> Result<Expr, SqlError> {
        // `ARRAY[]::int[]` and `ARRAY[$1]::int[]` take the element type from the cast.
        if let (ExprKind::Array(list), Some(element)) = (&arg.kind, crate::types::catalog::element_of(target)) {
            return self.typed_array(list, element, arg.at);
        }
        self.expr(arg)
    }

    fn builtin(&mut self, which: Builtin, args: &[ast::Expr], at: u32) -> Result<Expr, SqlError> {
        let mut bound = Vec::with_capacity(args.len());
        for arg in args {
            bound.push(self.expr(arg)?);
        }
        let context = match which {
            Builtin::Coalesce => "COALESCE",
            Builtin::Greatest => "GREATEST",
            Builtin::Least => "LEAST",
            Builtin::Nullif => return self.nullif(bound, at),
        };
        let (args, ty) = self.unify(bound, context)?;
        let node = match which {
            Builtin::Coalesce => Node::Coalesce(args),
            Builtin::Greatest => Node::Extreme { greatest: true, args },
            Builtin::Least | Builtin::Nullif => Node::Extreme { greatest: false, args },
        };
        Ok(Expr { node, ty, at })
    }

    fn nullif(&mut self, args: Vec<Expr>, at: u32) -> Result<Expr, SqlError> {
        let mut args = args.into_iter();
        let (Some(left), Some(right)) = (args.next(), args.next()) else {
            return Err(SqlError::new("42601", "NULLIF takes two arguments").at(at));
        };
        let equal = OperatorName { name: "=".into(), schema: None };
        let test = self.operator(&equal, Some(left), right, at)?;
        let value = if let Node::Apply { args, .. } = &test.node { args.first().cloned() } else { None };
        let Some(value) = value else { return Err(SqlError::new("XX000", "equality without operands").at(at)) };
        let ty = value.ty;
        Ok(Expr { node: Node::Nullif { test: Box::new(test), value: Box::new(value) }, ty, at })
    }

    fn session_word(&mut self, word: SessionWord, precision: Option<u32>, at: u32) -> Result<Expr, SqlError> {
        let call = |name: &str| {
            let name = ast::ObjectName { parts: vec![ast::Name { text: name.to_owned(), at }] };
            ast::Call {
                name,
                args: Vec::new(),
                star: false,
                distinct: false,
                variadic: false,
                order_by: Vec::new(),
                filter: None,
                over: None,
            }
        };
        let session = |value: SessionValue, oid: u32| Ok(Expr::new(Node::Session(value), oid, at));
        let now = Expr::new(Node::Session(SessionValue::TransactionTimestamp), oid::TIMESTAMPTZ, at);
        let target = match word {
            SessionWord::CurrentUser | SessionWord::CurrentRole | SessionWord::User => {
                return session(SessionValue::CurrentUser, oid::NAME);
            }
            SessionWord::SessionUser => return session(SessionValue::SessionUser, oid::NAME),
            SessionWord::CurrentCatalog => return session(SessionValue::CurrentDatabase, oid::NAME),
            SessionWord::CurrentSchema => return self.call(&call("current_schema"), at),
            SessionWord::CurrentTimestamp => oid::TIMESTAMPTZ,
            SessionWord::CurrentDate => oid::DATE,
            SessionWord::CurrentTime => oid::TIMETZ,
            SessionWord::LocalTime => oid::TIME,
            SessionWord::LocalTimestamp => oid::TIMESTAMP,
        };
        let typmod = precision.map_or(-1, |precision| i32::try_from(precision.min(6)).unwrap_or(6));
        self.cast_explicitly(now, storage::schema::model::PgType { oid: target, typmod }, at)
    }

    fn case(
        &mut self,
        operand: Option<&ast::Expr>,
        whens: &[(ast::Expr, ast::Expr)],
        otherwise: Option<&ast::Expr>,
        at: u32,
    ) -> Result<Expr, SqlError> {
        let equal = OperatorName { name: "=".into(), schema: None };
        let mut operand = match operand {
            None => None,
            Some(expr) => {
                let bound = self.expr(expr)?;
                Some(self.settle(bound)?)
            }
        };
        let mut conditions = Vec::with_capacity(whens.len());
        let mut branches = Vec::with_capacity(whens.len() + 1);
        for (condition, result) in whens {
            let bound = self.expr(condition)?;
            conditions.push(match operand.as_mut() {
                None => self.coerce_to_bool(bound, "CASE/WHEN")?,
                Some(operand) => self.operator(&equal, Some(operand.clone()), bound, condition.at)?,
            });
            branches.push(self.expr(result)?);
        }
        // PostgreSQL lets the ELSE branch speak first when types are matched.
        let has_otherwise = otherwise.is_some();
        if let Some(expr) = otherwise {
            branches.insert(0, self.expr(expr)?);
        }
        let (branches, ty) = self.unify(branches, "CASE")?;
        let mut branches = branches.into_iter();
        let otherwise = if has_otherwise { branches.next().map(Box::new) } else { None };
        let whens = conditions.into_iter().zip(branches).collect();
        Ok(Expr { node: Node::Case { whens, otherwise }, ty, at })
    }

    fn array(&mut self, list: &[ast::Expr], at: u32) -> Result<Expr, SqlError> {
        if list.is_empty() {
            return Err(SqlError::new("42P18", "cannot determine type of empty array")
                .hint("Explicitly cast to the desired type, for example ARRAY[]::integer[].")
                .at(at));
        }
        let mut bound = Vec::with_capacity(list.len());
        for expr in list {
            bound.push(self.expr(expr)?);
        }
        let (elements, ty) = self.unify(bound, "ARRAY")?;
        self.array_of(elements, ty.oid, at)
    }

    fn typed_array(&mut self, list: &[ast::Expr], element: u32, at: u32) -> Result<Expr, SqlError> {
        let mut elements = Vec::with_capacity(list.len());
        for expr in list {
            let bound = self.expr(expr)?;
            elements.push(self.cast_explicitly(bound, plain(element), expr.at)?);
        }
        self.array_of(elements, element, at)
    }

    fn array_of(&mut self, elements: Vec<Expr>, element: u32, at: u32) -> Result<Expr, SqlError> {
        match crate::types::catalog::array_of(element) {
            Some(array) => Ok(Expr::new(Node::Array(elements), array, at)),
            None => {
                let message = format!("could not find array type for data type {}", type_name(element));
                Err(SqlError::new("42704", message).at(at))
            }
        }
    }

    fn array_query(&mut self, query: &ast::Query, at: u32) -> Result<Expr, SqlError> {
        let query = self.one_column(query, at)?;
        let element = query.outputs.first().map_or(oid::TEXT, |output| output.ty.oid);
        let Some(array) = crate::types::catalog::array_of(element) else {
            let message = format!("could not find array type for data type {}", type_name(element));
            return Err(SqlError::new("42704", message).at(at));
        };
        Ok(Expr::new(Node::ArrayQuery(Box::new(query)), array, at))
    }

    fn subscript(&mut self, base: &ast::Expr, index: &ast::Expr, at: u32) -> Result<Expr, SqlError> {
        let base = self.expr(base)?;
        let Some(element) = overload::element_type(base.ty.oid) else {
            let message =
                format!("cannot subscript type {} because it does not support subscripting", type_name(base.ty.oid));
            return Err(SqlError::new("42804", message).at(base.at));
        };
        let index = self.expr(index)?;
        let (from, index_at) = (index.ty.oid, index.at);
        let Some(index) = self.try_coerce(index, plain(oid::INT4), CastContext::Assignment)? else {
            let message = format!("array subscript must have type integer, not {}", type_name(from));
            return Err(SqlError::new("42804", message).at(index_at));
        };
        Ok(Expr::new(
            Node::Apply { form: Form::Pattern("pg_array_get({0}, {type0}, {1})"), args: vec![base, index] },
            element,
            at,
        ))
    }

    /// A query inside an expression or FROM: its columns are settled.
    pub(super) fn subquery(&mut self, query: &ast::Query) -> Result<Query, SqlError> {
        let query = self.query(query)?;
        self.settle_query(query)
    }

    pub(super) fn one_column(&mut self, query: &ast::Query, at: u32) -> Result<Query, SqlError> {
        let query = self.subquery(query)?;
        if query.outputs.len() != 1 {
            return Err(SqlError::new("42601", "subquery must return only one column").at(at));
        }
        Ok(query)
    }

    fn scalar_subquery(&mut self, query: &ast::Query, at: u32) -> Result<Expr, SqlError> {
        let query = self.one_column(query, at)?;
        let ty = query.outputs.first().map_or_else(|| plain(oid::TEXT), |output| output.ty);
        Ok(Expr { node: Node::Subquery(Box::new(query)), ty, at })
    }

    /// One column of the only row of a query: `(a, b) = (SELECT ..)` in SET.
    fn query_column(&mut self, query: &ast::Query, index: usize, width: usize, at: u32) -> Result<Expr, SqlError> {
        let query = self.subquery(query)?;
        if query.outputs.len() != width {
            return Err(SqlError::new("42601", "number of columns does not match number of values").at(at));
        }
        let id = self.new_relation();
        let column = super::scope::column(id, &format!("c{}", index + 1), query.outputs[index].ty);
        let (ty, outputs) = (column.ty, vec![Output::computed("", column.ty)]);
        let from = vec![Source::Query { id, query: Box::new(query) }];
        let select = Select { from, ..Select::of(vec![column]) };
        let query = Query::of(Body::Select(Box::new(select)), outputs);
        Ok(Expr { node: Node::Subquery(Box::new(query)), ty, at })
    }

    /// Text compares by bytes: `"C"`, `"POSIX"`, `ucs_basic` and the default are the same here.
    fn collate(&mut self, arg: &ast::Expr, collation: &ast::ObjectName, at: u32) -> Result<Expr, SqlError> {
        let arg = self.expr(arg)?;
        let arg = self.settle(arg)?;
        let known = matches!(collation.last(), "default" | "C" | "POSIX" | "ucs_basic");
        if !known || collation.schema().is_some_and(|schema| schema != "pg_catalog") {
            let message = format!("collation \"{}\" for encoding \"UTF8\" does not exist", collation.display());
            return Err(SqlError::new("42704", message).at(at));
        }
        if super::cast::category(arg.ty.oid) != 'S' {
            let message = format!("collations are not supported by type {}", type_name(arg.ty.oid));
            return Err(SqlError::new("42804", message).at(at));
        }
        Ok(arg)
    }
}

/// Beside a BLOB column of a schema file, an untyped literal or parameter may be text.
pub(super) fn loosen(mut args: Vec<Expr>) -> Vec<Expr> {
    let dynamic = args.iter().any(|arg| matches!(&arg.node, Node::Column(column) if column.representation == crate::types::Representation::Dynamic));
    if dynamic {
        for arg in &mut args {
            arg.loosen();
        }
    }
    args
}
