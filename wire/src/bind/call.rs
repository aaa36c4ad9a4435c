//! Function calls: overloads, aggregates, set-returning functions of the select list.

use super::cast::type_name;
use super::overload::{self, Choice};
use super::{Binder, plain, setting};
use crate::error::SqlError;
use crate::function::{self, Form, Function, Kind, Volatility};
use crate::ir::{Aggregate, Expr, Node, OrderItem, OrderKey, Source};
use crate::plan::SessionValue;
use crate::sql::ast::{self, ExprKind};
use crate::types::{catalog, oid};

/// Where an aggregate's arguments are bound, no aggregate and no set-returning function may stand.
const AGGREGATE_ARGUMENT: &str = "an aggregate's argument";

/// Whether a function shows rows as JSON objects.
fn takes_rows(name: &str) -> bool {
    const NAMES: [&str; 9] = [
        "row_to_json",
        "to_json",
        "to_jsonb",
        "json_agg",
        "jsonb_agg",
        "json_build_array",
        "jsonb_build_array",
        "json_build_object",
        "jsonb_build_object",
    ];
    NAMES.contains(&name)
}

/// Whether an argument may be a row itself: a name or a row constructor.
fn names_row(arg: &ast::Expr) -> bool {
    matches!(&arg.kind, ExprKind::Column(_) | ExprKind::Row(_))
}

/// A resolved call, before it becomes a node.
pub(super) struct Resolved {
    pub(super) function: &'static Function,
    pub(super) args: Vec<Expr>,
    pub(super) result: u32,
}

impl Binder<'_> {
    pub(super) fn call(&mut self, call: &ast::Call, at: u32) -> Result<Expr, SqlError> {
        if let Some(expr) = self.session_function(call, at)? {
            return Ok(expr);
        }
        if let Some(expr) = self.type_function(call, at)? {
            return Ok(expr);
        }
        let resolved = self.resolve_call(call, at)?;
        self.facts.volatile |= resolved.function.volatility == Volatility::Volatile;
        match resolved.function.kind {
            Kind::Scalar => self.scalar_call(call, resolved, at),
            Kind::Aggregate => self.aggregate_call(call, resolved, at),
            Kind::Window => self.window_call(call, resolved, at),
            Kind::SetReturning => self.lift(call, resolved, at),
        }
    }

    /// A call of a function known by name with bound arguments.
    pub(super) fn function_of(&mut self, name: &str, args: Vec<Expr>, at: u32) -> Result<Expr, SqlError> {
        let resolved = self.resolve_bound(name, None, args, at)?;
        self.facts.volatile |= resolved.function.volatility == Volatility::Volatile;
        Ok(Expr::new(Node::Apply { form: resolved.function.form, args: resolved.args }, resolved.result, at))
    }

    pub(super) fn resolve_call(&mut self, call: &ast::Call, at: u32) -> Result<Resolved, SqlError> {
        if call.variadic {
            return Err(SqlError::unsupported("VARIADIC arguments are not supported").at(at));
        }
        let aggregate =
            function::functions_named(call.name.last()).iter().any(|function| function.kind == Kind::Aggregate);
        let nested = aggregate && call.over.is_none();
        let outer = nested.then(|| self.scope().no_aggregates.replace(AGGREGATE_ARGUMENT));
        let windows = self.scope().no_windows;
        if call.over.is_some() && windows.is_none() {
            self.scope().no_windows = Some(super::window::WINDOW_ARGUMENT);
        }
        let mut args = Vec::with_capacity(call.args.len());
        let mut failed = None;
        let takes_rows = takes_rows(call.name.last());
        for arg in &call.args {
            let outer = std::mem::replace(&mut self.rows_as_json, takes_rows && names_row(arg));
            let bound = self.expr(arg);
            self.rows_as_json = outer;
            match bound {
                Ok(bound) => args.push(bound),
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            }
        }
        self.scope().no_windows = windows;
        if let Some(outer) = outer {
            self.scope().no_aggregates = outer;
        }
        if let Some(error) = failed {
            return Err(error);
        }
        self.resolve_bound(call.name.last(), call.name.schema(), args, at)
    }

    fn resolve_bound(
        &mut self,
        name: &str,
        schema: Option<&str>,
        args: Vec<Expr>,
        at: u32,
    ) -> Result<Resolved, SqlError> {
        let inputs: Vec<u32> = args.iter().map(|arg| arg.ty.oid).collect();
        let known_schema = schema.is_none_or(|schema| matches!(schema, "pg_catalog" | "information_schema"));
        let overloads = if known_schema { function::functions_named(name) } else { &[] };
        let shown = || {
            let types: Vec<String> = inputs.iter().map(|oid| type_name(*oid)).collect();
            let qualified = schema.map_or_else(|| name.to_owned(), |schema| format!("{schema}.{name}"));
            format!("{qualified}({})", types.join(", "))
        };
        let function = match overload::function(overloads, &inputs) {
            Choice::One(function) => function,
            Choice::Ambiguous => {
                return Err(SqlError::new("42725", format!("function {} is not unique", shown()))
                    .hint("Could not choose a best candidate function. You might need to add explicit type casts.")
                    .at(at));
            }
            Choice::Missing => {
                return Err(SqlError::new("42883", format!("function {} does not exist", shown()))
                    .hint("No function matches the given name and argument types. You might need to add explicit type casts.")
                    .at(at));
            }
        };
        let declared = overload::declared(function, args.len());
        let (args, result) = self.coerce_arguments(args, &declared, function.result, at)?;
        Ok(Resolved { function, args, result })
    }

    /// Functions that read the session: values bound at execution.
    fn session_function(&mut self, call: &ast::Call, at: u32) -> Result<Option<Expr>, SqlError> {
        if call.name.schema().is_some_and(|schema| schema != "pg_catalog") {
            return Ok(None);
        }
        let session = |value: SessionValue, oid: u32| Ok(Some(Expr::new(Node::Session(value), oid, at)));
        match (call.name.last(), call.args.as_slice()) {
            ("now" | "transaction_timestamp", []) => session(SessionValue::TransactionTimestamp, oid::TIMESTAMPTZ),
            ("statement_timestamp", []) => session(SessionValue::StatementTimestamp, oid::TIMESTAMPTZ),
            ("current_database", []) => session(SessionValue::CurrentDatabase, oid::NAME),
            ("pg_backend_pid", []) => session(SessionValue::BackendPid, oid::INT4),
            ("current_setting", [name, rest @ ..]) if rest.len() <= 1 => {
                self.current_setting(name, rest.first(), at).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// `current_setting(name [, missing_ok])`; the second argument is constant.
    fn current_setting(&mut self, name: &ast::Expr, missing_ok: Option<&ast::Expr>, at: u32) -> Result<Expr, SqlError> {
        let optional = match missing_ok.map(|expr| &expr.kind) {
            None => false,
            Some(ExprKind::Bool(value)) => *value,
            Some(_) => return Err(SqlError::unsupported("current_setting takes a constant second argument").at(at)),
        };
        let (name, value) = if let ExprKind::Literal(ast::LiteralKind::String, literal) = &name.kind {
            let setting = self.pin(*literal)?.to_ascii_lowercase();
            let name = Expr::new(Node::Constant(storage::Value::Text(setting.clone())), oid::TEXT, at);
            (name, Expr::new(Node::Session(SessionValue::Setting(setting)), oid::TEXT, at))
        } else {
            let name = self.expr(name)?;
            let name = self.coerce(name, oid::TEXT)?;
            (name.clone(), setting::by_name(name, None))
        };
        if optional {
            return Ok(value);
        }
        Ok(Expr::new(Node::Coalesce(vec![value, setting::unrecognized(name)]), oid::TEXT, at))
    }

    /// `int4(x)`: a type's name as a function is a cast, unless a function of that name takes the argument.
    fn type_function(&mut self, call: &ast::Call, at: u32) -> Result<Option<Expr>, SqlError> {
        let [arg] = call.args.as_slice() else { return Ok(None) };
        if !function::functions_named(call.name.last()).is_empty() || call.over.is_some() || call.distinct {
            return Ok(None);
        }
        let Some(info) = catalog::TYPES.iter().find(|info| info.name == call.name.last()) else { return Ok(None) };
        let arg = self.expr(arg)?;
        self.cast_explicitly(arg, plain(info.oid), at).map(Some)
    }

    fn scalar_call(&mut self, call: &ast::Call, resolved: Resolved, at: u32) -> Result<Expr, SqlError> {
        let name = call.name.last();
        let not_aggregate = |what: &str| {
            SqlError::new("42809", format!("{what} specified, but {name} is not an aggregate function")).at(at)
        };
        if call.star {
            return Err(SqlError::new(
                "42809",
                format!("{name}(*) specified, but {name} is not an aggregate function"),
            )
            .at(at));
        }
        if call.distinct {
            return Err(not_aggregate("DISTINCT"));
        }
        if call.filter.is_some() {
            return Err(not_aggregate("FILTER"));
        }
        if !call.order_by.is_empty() {
            return Err(not_aggregate("ORDER BY"));
        }
        if call.over.is_some() {
            let message = format!("OVER specified, but {name} is not a window function nor an aggregate function");
            return Err(SqlError::new("42809", message).at(at));
        }
        Ok(Expr::new(Node::Apply { form: resolved.function.form, args: resolved.args }, resolved.result, at))
    }

    fn aggregate_call(&mut self, call: &ast::Call, resolved: Resolved, at: u32) -> Result<Expr, SqlError> {
        if call.over.is_some() {
            return self.window_call(call, resolved, at);
        }
        if let Some(clause) = self.scope().no_aggregates {
            let message = if clause == AGGREGATE_ARGUMENT {
                "aggregate function calls cannot be nested".to_owned()
            } else {
                format!("aggregate functions are not allowed in {clause}")
            };
            return Err(SqlError::new("42803", message).at(at));
        }
        let aggregate = self.aggregate_parts(call, resolved.function.form, resolved.args, at)?;
        self.scope().has_aggregates = true;
        Ok(Expr::new(Node::Aggregate(Box::new(aggregate)), resolved.result, at))
    }

    /// DISTINCT, ORDER BY and FILTER of an aggregate.
    pub(super) fn aggregate_parts(
        &mut self,
        call: &ast::Call,
        form: Form,
        args: Vec<Expr>,
        at: u32,
    ) -> Result<Aggregate, SqlError> {
        if !call.star && call.args.is_empty() && call.name.last() == "count" {
            return Err(
                SqlError::new("42809", "count(*) must be used to call a parameterless aggregate function").at(at)
            );
        }
        let outer = self.scope().no_aggregates.replace("FILTER");
        let filter = match &call.filter {
            None => Ok(None),
            Some(filter) => self.expr(filter).and_then(|filter| self.coerce_to_bool(filter, "FILTER")).map(Some),
        };
        let order_by = self.order_keys(&call.order_by);
        self.scope().no_aggregates = outer;
        let (filter, order_by) = (filter?, order_by?);
        if call.distinct && order_by.iter().any(|item| !args.iter().any(|arg| item.key == OrderKey::Expr(arg.clone())))
        {
            let message = "in an aggregate with DISTINCT, ORDER BY expressions must appear in argument list";
            let stray = order_by.iter().find_map(|item| match &item.key {
                OrderKey::Expr(expr) if !args.contains(expr) => Some(expr.at),
                OrderKey::Expr(_) | OrderKey::Output(_) => None,
            });
            return Err(SqlError::new("42P10", message).at(stray.unwrap_or(at)));
        }
        if call.distinct && args.len() > 1 {
            return Err(SqlError::unsupported("DISTINCT in an aggregate of several arguments is not supported").at(at));
        }
        Ok(Aggregate { form, args, star: call.star, distinct: call.distinct, order_by, filter, over: None })
    }

    /// Sort keys of an aggregate or window: expressions, never ordinals.
    pub(super) fn order_keys(&mut self, items: &[ast::OrderItem]) -> Result<Vec<OrderItem>, SqlError> {
        let mut keys = Vec::with_capacity(items.len());
        for item in items {
            let expr = self.expr(&item.expr)?;
            let expr = self.settle(expr)?;
            self.check_sortable(expr.ty.oid, expr.at)?;
            let type_oid = expr.ty.oid;
            let nulls_first = item.nulls_first.unwrap_or(item.descending);
            keys.push(OrderItem { key: OrderKey::Expr(expr), type_oid, descending: item.descending, nulls_first });
        }
        Ok(keys)
    }

    pub(super) fn check_sortable(&self, type_oid: u32, at: u32) -> Result<(), SqlError> {
        if function::is_comparable(type_oid) {
            return Ok(());
        }
        Err(SqlError::new("42883", format!("could not identify an ordering operator for type {}", type_name(type_oid)))
            .hint("Use an explicit ordering operator or modify the query.")
            .at(at))
    }

    pub(super) fn check_groupable(&self, type_oid: u32, at: u32) -> Result<(), SqlError> {
        if function::is_comparable(type_oid) {
            return Ok(());
        }
        Err(SqlError::new("42883", format!("could not identify an equality operator for type {}", type_name(type_oid)))
            .at(at))
    }

    /// A set-returning function in the select list becomes a relation joined to the rest.
    fn lift(&mut self, call: &ast::Call, resolved: Resolved, at: u32) -> Result<Expr, SqlError> {
        self.check_set_allowed(at)?;
        if call.over.is_some() || call.distinct || call.filter.is_some() || !call.order_by.is_empty() {
            return self.scalar_call(call, resolved, at);
        }
        let inner = |(depth, source): &(usize, Source)| {
            let Source::Function { id, .. } = source else { return None };
            resolved.args.iter().any(|arg| super::group::expr_refers_to(arg, &[*id])).then_some(depth + 1)
        };
        let depth = self.scope().lifted.iter().filter_map(inner).max().unwrap_or(0);
        let id = self.new_relation();
        let ty = plain(resolved.result);
        let source = Source::Function { id, form: resolved.function.form, args: resolved.args, result: ty };
        self.scope().lifted.push((depth, source));
        Ok(Expr { at, ..super::scope::column(id, "value", ty) })
    }

    fn check_set_allowed(&mut self, at: u32) -> Result<(), SqlError> {
        const HINT: &str = "You might be able to move the set-returning function into a LATERAL FROM item.";
        let scope = self.scope();
        if scope.no_aggregates == Some(AGGREGATE_ARGUMENT) {
            let message = "aggregate function calls cannot contain set-returning function calls";
            return Err(SqlError::unsupported(message).hint(HINT).at(at));
        }
        if let Some(construct) = scope.no_sets {
            let message = format!("set-returning functions are not allowed in {construct}");
            return Err(SqlError::unsupported(message).hint(HINT).at(at));
        }
        if !scope.may_lift {
            let clause = scope.no_aggregates.or(scope.no_windows).unwrap_or("this place");
            return Err(SqlError::unsupported(format!("set-returning functions are not allowed in {clause}")).at(at));
        }
        Ok(())
    }

    /// The lifted functions as relations: those of one depth side by side. Also tells the numbers of these relations.
    pub(super) fn lifted_sources(&mut self) -> (Vec<Source>, Vec<u32>) {
        let mut lifted = std::mem::take(&mut self.scope().lifted);
        lifted.sort_by_key(|(depth, _)| *depth);
        let mut ids: Vec<u32> = Vec::with_capacity(lifted.len());
        let mut sources = Vec::new();
        for level in lifted.chunk_by(|(left, _), (right, _)| left == right) {
            let functions: Vec<Source> = level.iter().map(|(_, source)| source.clone()).collect();
            ids.extend(
                functions.iter().filter_map(
                    |source| {
                        if let Source::Function { id, .. } = source { Some(*id) } else { None }
                    },
                ),
            );
            if functions.len() == 1 {
                sources.extend(functions);
            } else {
                let id = self.new_relation();
                ids.push(id);
                sources.push(Source::Lockstep { id, functions });
            }
        }
        (sources, ids)
    }
}
