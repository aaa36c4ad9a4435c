//! Expressions as SQLite's SQL. Each writes itself in parentheses where it is not a single term.

use storage::Value;

use super::{Emitter, LiteralUse};
use crate::error::SqlError;
use crate::function::{self, Form};
use crate::ir::{Expr, Node, QuantifiedSource, Query};
use crate::plan::{SessionValue, Slot};
use crate::sql::ast::{BoolTest, Quantifier};
use crate::types::catalog;

impl Emitter {
    pub(super) fn expr(&mut self, expr: &Expr) -> Result<(), SqlError> {
        self.depth += 1;
        if self.depth > super::DEPTH_MAX {
            return Err(SqlError::new("54001", "stack depth limit exceeded")
                .hint("The expression is nested too deeply.")
                .at(expr.at));
        }
        let written = self.node(expr);
        self.depth -= 1;
        written
    }

    fn node(&mut self, expr: &Expr) -> Result<(), SqlError> {
        match &expr.node {
            Node::Null => self.push("NULL"),
            Node::Literal { literal, loose } => {
                self.literal(LiteralUse { literal: *literal, type_oid: expr.ty.oid, loose: *loose });
            }
            Node::Constant(value) => self.constant(value),
            Node::Parameter { index, loose: false } => self.slot(Slot::Parameter(*index)),
            Node::Parameter { index, loose: true } => self.slot(Slot::LooseParameter(*index)),
            Node::Session(value) => self.slot(Slot::Session(value.clone())),
            Node::Column(column) => {
                self.relation(column.relation);
                self.push(".");
                self.name(&column.name);
            }
            Node::Apply { form, args } => self.apply(*form, args, expr)?,
            Node::Aggregate(aggregate) => self.aggregate(aggregate, expr)?,
            Node::Grouping(_) => return Err(SqlError::new("XX000", "GROUPING was not resolved").at(expr.at)),
            Node::And(args) => self.joined(args, " AND ")?,
            Node::Or(args) => self.joined(args, " OR ")?,
            Node::Not(arg) => {
                self.push("(NOT ");
                self.expr(arg)?;
                self.push(")");
            }
            Node::IsNull { arg, negated } => {
                self.push("(");
                self.expr(arg)?;
                self.push(if *negated { " IS NOT NULL)" } else { " IS NULL)" });
            }
            Node::IsBool { arg, test, negated } => self.is_bool(arg, *test, *negated)?,
            Node::IsDistinct { form, left, right, negated } => self.is_distinct(*form, left, right, *negated)?,
            Node::In { arg, list, negated } => {
                self.push("(");
                self.collated(arg)?;
                self.push(if *negated { " NOT IN (" } else { " IN (" });
                self.list(list, ", ", Self::expr)?;
                self.push("))");
            }
            Node::InQuery { args, query, negated } => self.in_query(args, query, *negated)?,
            Node::Quantified { quantifier, test, source } => self.quantified(*quantifier, test, source)?,
            Node::Case { whens, otherwise } => self.case(whens, otherwise.as_deref())?,
            Node::Coalesce(args) => self.coalesce(args)?,
            Node::Nullif { test, value } => {
                self.push("(CASE WHEN ");
                self.expr(test)?;
                self.push(" THEN NULL ELSE ");
                self.expr(value)?;
                self.push(" END)");
            }
            Node::Extreme { greatest, args } => self.extreme(*greatest, args)?,
            Node::Array(args) => self.array(args, expr)?,
            Node::ArrayQuery(query) => self.array_query(query, expr)?,
            Node::Exists(query) => {
                self.push("EXISTS (");
                self.query(query, super::query::Collate::No)?;
                self.push(")");
            }
            Node::Subquery(query) => self.scalar_subquery(query)?,
            Node::NotNull { value, check, row } => {
                self.push("coalesce(");
                self.expr(value)?;
                self.push(", pg_raise_not_null(");
                self.slot(Slot::Constant(Value::Text(check.table.clone())));
                self.push(", ");
                self.slot(Slot::Constant(Value::Text(check.column.clone())));
                self.push(", ");
                self.slot(Slot::Constant(Value::Text(type_list(row))));
                for cell in row.iter().take(super::support::ROW_CELLS_MAX) {
                    self.push(", ");
                    self.expr(cell)?;
                }
                self.push("))");
            }
        }
        Ok(())
    }

    /// Integers are written as digits; everything else is bound.
    fn constant(&mut self, value: &Value) {
        match value {
            Value::Null => self.push("NULL"),
            Value::Integer(value) => self.push(&if *value < 0 { format!("({value})") } else { value.to_string() }),
            Value::Real(_) | Value::Text(_) | Value::Blob(_) => self.slot(Slot::Constant(value.clone())),
        }
    }

    fn joined(&mut self, args: &[Expr], separator: &str) -> Result<(), SqlError> {
        match args {
            [] => self.push(if separator == " AND " { "1" } else { "0" }),
            [only] => self.expr(only)?,
            // In halves, so that a long chain is not a deep tree.
            _ => {
                let (left, right) = args.split_at(args.len() / 2);
                self.push("(");
                self.joined(left, separator)?;
                self.push(separator);
                self.joined(right, separator)?;
                self.push(")");
            }
        }
        Ok(())
    }

    /// The expression under its type's collation.
    pub(super) fn collated(&mut self, expr: &Expr) -> Result<(), SqlError> {
        self.expr(expr)?;
        self.collation(expr.ty.oid);
        Ok(())
    }

    pub(super) fn collation(&mut self, type_oid: u32) {
        if let Some(collation) = catalog::collation(type_oid) {
            self.push(" COLLATE ");
            self.push(collation);
        }
    }

    fn is_bool(&mut self, arg: &Expr, test: BoolTest, negated: bool) -> Result<(), SqlError> {
        self.push("(");
        self.expr(arg)?;
        self.push(if negated { " IS NOT " } else { " IS " });
        self.push(match test {
            BoolTest::True => "TRUE)",
            BoolTest::False => "FALSE)",
            BoolTest::Unknown => "NULL)",
        });
        Ok(())
    }

    fn is_distinct(&mut self, form: Form, left: &Expr, right: &Expr, negated: bool) -> Result<(), SqlError> {
        if form == Form::Infix("=") || catalog::collation(left.ty.oid).is_some() {
            self.push("(");
            self.expr(left)?;
            self.push(if negated { " IS " } else { " IS NOT " });
            self.collated(right)?;
            self.push(")");
            return Ok(());
        }
        self.push(if negated { "coalesce(" } else { "(NOT coalesce(" });
        let args = [left.clone(), right.clone()];
        self.apply(form, &args, left)?;
        self.push(", (");
        self.expr(left)?;
        self.push(" IS NULL AND ");
        self.expr(right)?;
        self.push(if negated { " IS NULL))" } else { " IS NULL)))" });
        Ok(())
    }

    fn in_query(&mut self, args: &[Expr], query: &Query, negated: bool) -> Result<(), SqlError> {
        self.push("(");
        if args.len() > 1 {
            self.push("(");
        }
        self.list(args, ", ", Self::collated)?;
        if args.len() > 1 {
            self.push(")");
        }
        self.push(if negated { " NOT IN (" } else { " IN (" });
        self.query(query, super::query::Collate::No)?;
        self.push("))");
        Ok(())
    }

    /// ANY is true if any member is, else NULL if any is NULL, else false; ALL the other way round.
    fn quantified(&mut self, quantifier: Quantifier, test: &Expr, source: &QuantifiedSource) -> Result<(), SqlError> {
        if let Some((left, negated)) = membership(quantifier, test, source) {
            self.push("(");
            self.collated(left)?;
            self.push(if negated { " NOT IN (SELECT \"value\" FROM " } else { " IN (SELECT \"value\" FROM " });
            self.quantified_source(source)?;
            // A NULL array gives NULL, as a NULL member does; an empty one does not.
            if let QuantifiedSource::Array { array, .. } = source {
                self.push(" UNION ALL SELECT NULL WHERE ");
                self.expr(array)?;
                self.push(" IS NULL");
            }
            self.push("))");
            return Ok(());
        }
        let (extreme, decided, otherwise) = match quantifier {
            Quantifier::Any => ("max", "1", "0"),
            Quantifier::All => ("min", "0", "1"),
        };
        self.push("(SELECT CASE WHEN ");
        if let QuantifiedSource::Array { array, .. } = source {
            self.expr(array)?;
            self.push(" IS NULL THEN NULL WHEN ");
        }
        self.push(extreme);
        self.push("(");
        self.expr(test)?;
        self.push(&format!(") = {decided} THEN {decided} WHEN count(*) > count("));
        self.expr(test)?;
        self.push(&format!(") THEN NULL ELSE {otherwise} END FROM "));
        self.quantified_source(source)?;
        self.push(")");
        Ok(())
    }

    fn quantified_source(&mut self, source: &QuantifiedSource) -> Result<(), SqlError> {
        match source {
            QuantifiedSource::Array { id, array } => {
                let unnest = function::functions_named("unnest").first();
                let Some(unnest) = unnest else {
                    return Err(SqlError::unsupported("arrays are not supported").at(array.at));
                };
                let element = catalog::element_of(array.ty.oid).unwrap_or(array.ty.oid);
                let member = Expr::new(Node::Null, element, array.at);
                self.apply(unnest.form, std::slice::from_ref(array), &member)?;
                self.push(" AS ");
                self.relation(*id);
            }
            QuantifiedSource::Query { id, query } => {
                self.push("(");
                self.query(query, super::query::Collate::No)?;
                self.push(") AS ");
                self.relation(*id);
            }
        }
        Ok(())
    }

    fn case(&mut self, whens: &[(Expr, Expr)], otherwise: Option<&Expr>) -> Result<(), SqlError> {
        self.push("(CASE");
        for (condition, result) in whens {
            self.push(" WHEN ");
            self.expr(condition)?;
            self.push(" THEN ");
            self.expr(result)?;
        }
        if let Some(otherwise) = otherwise {
            self.push(" ELSE ");
            self.expr(otherwise)?;
        }
        self.push(" END)");
        Ok(())
    }

    fn coalesce(&mut self, args: &[Expr]) -> Result<(), SqlError> {
        if let [only] = args {
            return self.expr(only);
        }
        self.push("coalesce(");
        self.list(args, ", ", Self::expr)?;
        self.push(")");
        Ok(())
    }

    /// The aggregates skip NULLs, as GREATEST and LEAST do, and compare under the type's collation.
    fn extreme(&mut self, greatest: bool, args: &[Expr]) -> Result<(), SqlError> {
        if let [only] = args {
            return self.expr(only);
        }
        let helper = self.helper();
        self.push(&format!("(SELECT {}({helper}.v", if greatest { "max" } else { "min" }));
        if let Some(first) = args.first() {
            self.collation(first.ty.oid);
        }
        self.push(") FROM (");
        for (index, arg) in args.iter().enumerate() {
            self.push(if index == 0 { "SELECT " } else { " UNION ALL SELECT " });
            self.expr(arg)?;
            if index == 0 {
                self.push(" AS v");
            }
        }
        self.push(&format!(") AS {helper})"));
        Ok(())
    }

    fn array(&mut self, args: &[Expr], expr: &Expr) -> Result<(), SqlError> {
        let element = catalog::element_of(expr.ty.oid).unwrap_or(crate::types::oid::TEXT);
        self.push(&format!("pg_array({element}"));
        for arg in args {
            self.push(", ");
            self.expr(arg)?;
        }
        self.push(")");
        Ok(())
    }

    fn array_query(&mut self, query: &Query, expr: &Expr) -> Result<(), SqlError> {
        let element = catalog::element_of(expr.ty.oid).unwrap_or(crate::types::oid::TEXT);
        let helper = self.helper();
        self.push(&format!("(SELECT coalesce(pg_array_agg({helper}.c1, {element}), '{{}}') FROM ("));
        self.query(query, super::query::Collate::No)?;
        self.push(&format!(") AS {helper})"));
        Ok(())
    }

    /// More than one row is an error, where SQLite would take the first.
    fn scalar_subquery(&mut self, query: &Query) -> Result<(), SqlError> {
        if query.is_single_row() {
            self.push("(");
            self.query(query, super::query::Collate::No)?;
            self.push(")");
            return Ok(());
        }
        let helper = self.helper();
        self.push(&format!("(SELECT pg_only_row({helper}.c1) FROM ("));
        self.query(query, super::query::Collate::No)?;
        self.push(&format!(") AS {helper})"));
        Ok(())
    }

    /// Writes a call in its form.
    pub(super) fn apply(&mut self, form: Form, args: &[Expr], expr: &Expr) -> Result<(), SqlError> {
        match form {
            Form::Call(name) => {
                self.push(name);
                self.push("(");
                self.list(args, ", ", Self::expr)?;
                self.push(")");
            }
            Form::Infix(operator) => {
                self.push("(");
                self.list(args, &format!(" {operator} "), Self::expr)?;
                self.push(")");
            }
            Form::Prefix(operator) => {
                self.push("(");
                self.push(operator);
                self.push(" ");
                self.list(args, ", ", Self::expr)?;
                self.push(")");
            }
            Form::Same => self.list(args, ", ", Self::expr)?,
            Form::Pattern(pattern) => self.pattern(pattern, args, expr)?,
            Form::Special(what) => {
                return Err(SqlError::unsupported(format!("{what} is not supported here")).at(expr.at));
            }
        }
        Ok(())
    }

    pub(super) fn pattern(&mut self, pattern: &str, args: &[Expr], expr: &Expr) -> Result<(), SqlError> {
        let mut rest = pattern;
        while let Some(open) = rest.find('{') {
            self.push(&rest[..open]);
            let Some(close) = rest[open..].find('}') else { break };
            self.placeholder(&rest[open + 1..open + close], args, expr)?;
            rest = &rest[open + close + 1..];
        }
        self.push(rest);
        Ok(())
    }

    fn placeholder(&mut self, name: &str, args: &[Expr], expr: &Expr) -> Result<(), SqlError> {
        let numbered = |prefix: &str| name.strip_prefix(prefix).and_then(|index| index.parse::<usize>().ok());
        let session = |value: SessionValue| Slot::Session(value);
        if let Some(arg) = numbered("").and_then(|index| args.get(index)) {
            return self.expr(arg);
        }
        if let Some(arg) = numbered("type").and_then(|index| args.get(index)) {
            self.push(&arg.ty.oid.to_string());
            return Ok(());
        }
        if let Some(arg) = numbered("collate").and_then(|index| args.get(index)) {
            self.collation(arg.ty.oid);
            return Ok(());
        }
        match name {
            "*" => self.list(args, ", ", Self::expr)?,
            ", *" => {
                for arg in args {
                    self.push(", ");
                    self.expr(arg)?;
                }
            }
            "types" => self.push(&format!("'{}'", type_list(args))),
            "result" => self.push(&expr.ty.oid.to_string()),
            "now" => self.slot(session(SessionValue::TransactionTimestamp)),
            "statement_timestamp" => self.slot(session(SessionValue::StatementTimestamp)),
            "timezone" => self.slot(session(SessionValue::TimeZone)),
            "current_user" => self.slot(session(SessionValue::CurrentUser)),
            "session_user" => self.slot(session(SessionValue::SessionUser)),
            "current_database" => self.slot(session(SessionValue::CurrentDatabase)),
            "backend_pid" => self.slot(session(SessionValue::BackendPid)),
            "session" => self.slot(session(SessionValue::Calls)),
            "listening" => self.slot(session(SessionValue::ListeningChannels)),
            "datestyle" => self.slot(session(SessionValue::Setting("datestyle".into()))),
            "search_path" => self.slot(session(SessionValue::Setting("search_path".into()))),
            // An array in a form's text.
            other => self.push(&format!("{{{other}}}")),
        }
        Ok(())
    }
}

/// `x = ANY (..)` and `x <> ALL (..)` are membership, which SQLite can answer from an index.
fn membership<'a>(quantifier: Quantifier, test: &'a Expr, source: &QuantifiedSource) -> Option<(&'a Expr, bool)> {
    let QuantifiedSource::Array { id, .. } = source else { return None };
    let Node::Apply { form, args } = &test.node else { return None };
    let negated = match (quantifier, form) {
        (Quantifier::Any, Form::Infix("=")) => false,
        (Quantifier::All, Form::Infix("<>")) => true,
        _ => return None,
    };
    let [left, right] = args.as_slice() else { return None };
    let member = matches!(&right.node, Node::Column(column) if column.relation == *id);
    member.then_some((left, negated))
}

fn type_list(args: &[Expr]) -> String {
    args.iter().map(|arg| arg.ty.oid.to_string()).collect::<Vec<_>>().join(",")
}
