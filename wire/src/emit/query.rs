//! Queries as SQLite's SQL. Result columns are always named `c1`, `c2`, ..

use super::Emitter;
use crate::error::SqlError;
use crate::function::Form;
use crate::ir::{Body, Cte, Expr, Node, OrderItem, OrderKey, Query, Select, Source};
use crate::plan::Slot;
use crate::sql::ast::{JoinKind, SetOperator};
use storage::schema::model::PgType;

/// Whether result columns must carry their collation: where rows are compared whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Collate {
    Yes,
    No,
}

impl Query {
    /// Whether it has neither WITH nor ORDER BY, LIMIT, OFFSET.
    fn is_bare(&self) -> bool {
        self.ctes.is_empty() && self.order_by.is_empty() && self.limit.is_none() && self.offset.is_none()
    }

    /// Whether it gives one row at most by its shape.
    pub(super) fn is_single_row(&self) -> bool {
        match &self.body {
            Body::Select(select) => (select.grouped && select.group_by.is_empty()) || select.from.is_empty(),
            Body::Values(rows) => rows.len() == 1,
            Body::Set { .. } => false,
        }
    }
}

impl Emitter {
    pub(super) fn query(&mut self, query: &Query, collate: Collate) -> Result<(), SqlError> {
        self.with(&query.ctes, query.recursive)?;
        match &query.body {
            Body::Select(select) if !select.distinct_on.is_empty() => return self.distinct_on(query, select),
            Body::Select(select) => self.select(select, collate)?,
            // SQLite takes no ORDER BY or LIMIT after VALUES.
            Body::Values(rows) if rows.len() > 1 && !query.is_bare() => {
                let inner = Query {
                    ctes: Vec::new(),
                    recursive: false,
                    body: Body::Values(rows.clone()),
                    order_by: Vec::new(),
                    limit: None,
                    offset: None,
                    outputs: query.outputs.clone(),
                };
                self.wrapped(&inner, collate)?;
            }
            Body::Values(rows) => self.values(rows, collate)?,
            Body::Set { op: op @ (SetOperator::Intersect | SetOperator::Except), all: true, left, right } => {
                self.counted_set(*op, left, right)?;
            }
            Body::Set { op, all, left, right } => {
                let inner = if *all { collate } else { Collate::Yes };
                self.operand(left, inner)?;
                self.push(match (op, all) {
                    (SetOperator::Union, true) => " UNION ALL ",
                    (SetOperator::Union, false) => " UNION ",
                    (SetOperator::Intersect, _) => " INTERSECT ",
                    (SetOperator::Except, _) => " EXCEPT ",
                });
                self.wrapped(right, inner)?;
            }
        }
        self.tail(query)
    }

    /// INTERSECT ALL and EXCEPT ALL, which SQLite lacks: equal rows are numbered, and numbers count as part of the row.
    fn counted_set(&mut self, op: SetOperator, left: &Query, right: &Query) -> Result<(), SqlError> {
        let outer = self.helper();
        let columns = |relation: &str| -> Vec<String> {
            (1..=left.outputs.len()).map(|index| format!("{relation}.c{index} AS c{index}")).collect()
        };
        let shown = columns(&outer).join(", ");
        self.push(&format!("SELECT {} FROM (", if shown.is_empty() { "1 AS c1" } else { &shown }));
        self.numbered(left)?;
        self.push(if op == SetOperator::Intersect { " INTERSECT " } else { " EXCEPT " });
        self.numbered(right)?;
        self.push(&format!(") AS {outer}"));
        Ok(())
    }

    /// A query's rows, each with its number among the rows equal to it.
    fn numbered(&mut self, query: &Query) -> Result<(), SqlError> {
        let helper = self.helper();
        let columns: Vec<(usize, u32)> =
            query.outputs.iter().enumerate().map(|(index, output)| (index + 1, output.ty.oid)).collect();
        let column = |emitter: &mut Self, (index, type_oid): &(usize, u32)| {
            emitter.push(&format!("{helper}.c{index}"));
            emitter.collation(*type_oid);
            Ok(())
        };
        self.push("SELECT ");
        self.list(&columns, ", ", |emitter, entry| {
            column(emitter, entry)?;
            emitter.push(&format!(" AS c{}", entry.0));
            Ok(())
        })?;
        self.push(if columns.is_empty() { "row_number() OVER (" } else { ", row_number() OVER (PARTITION BY " });
        self.list(&columns, ", ", column)?;
        self.push(") AS n FROM (");
        self.query(query, Collate::No)?;
        self.push(&format!(") AS {helper}"));
        Ok(())
    }

    pub(super) fn with(&mut self, ctes: &[Cte], recursive: bool) -> Result<(), SqlError> {
        if ctes.is_empty() {
            return Ok(());
        }
        self.push(if recursive { "WITH RECURSIVE " } else { "WITH " });
        self.list(ctes, ", ", |emitter, cte| {
            emitter.push(&format!("w{}(", cte.id));
            let columns: Vec<String> = (1..=cte.query.outputs.len()).map(|index| format!("c{index}")).collect();
            emitter.push(&columns.join(", "));
            emitter.push(match cte.materialized {
                Some(true) => ") AS MATERIALIZED (",
                Some(false) => ") AS NOT MATERIALIZED (",
                None => ") AS (",
            });
            emitter.query(&cte.query, Collate::No)?;
            emitter.push(")");
            Ok(())
        })?;
        self.push(" ");
        Ok(())
    }

    fn tail(&mut self, query: &Query) -> Result<(), SqlError> {
        if !query.order_by.is_empty() {
            self.push(" ORDER BY ");
            self.order_items(&query.order_by)?;
        }
        match (&query.limit, &query.offset) {
            (None, None) => {}
            (limit, offset) => {
                self.push(" LIMIT ");
                match limit {
                    Some(limit) => self.count("pg_limit", limit)?,
                    None => self.push("-1"),
                }
                if let Some(offset) = offset {
                    self.push(" OFFSET ");
                    self.count("pg_offset", offset)?;
                }
            }
        }
        Ok(())
    }

    fn count(&mut self, check: &str, count: &Expr) -> Result<(), SqlError> {
        self.push(check);
        self.push("(");
        self.expr(count)?;
        self.push(")");
        Ok(())
    }

    /// The left side of a set operation may be one itself: SQLite reads them from the left.
    fn operand(&mut self, query: &Query, collate: Collate) -> Result<(), SqlError> {
        let bare =
            query.ctes.is_empty() && query.order_by.is_empty() && query.limit.is_none() && query.offset.is_none();
        match &query.body {
            Body::Set { .. } if bare => self.query(query, collate),
            Body::Select(select) if bare && select.distinct_on.is_empty() => self.query(query, collate),
            Body::Select(_) | Body::Values(_) | Body::Set { .. } => self.wrapped(query, collate),
        }
    }

    fn wrapped(&mut self, query: &Query, collate: Collate) -> Result<(), SqlError> {
        let plain = query.is_bare() && matches!(&query.body, Body::Select(select) if select.distinct_on.is_empty());
        if plain {
            return self.query(query, collate);
        }
        let helper = self.helper();
        self.push("SELECT ");
        let outputs: Vec<(usize, u32)> =
            query.outputs.iter().enumerate().map(|(index, output)| (index + 1, output.ty.oid)).collect();
        self.list(&outputs, ", ", |emitter, (index, type_oid)| {
            emitter.push(&format!("{helper}.c{index}"));
            if collate == Collate::Yes {
                emitter.collation(*type_oid);
            }
            emitter.push(&format!(" AS c{index}"));
            Ok(())
        })?;
        self.push(" FROM (");
        self.query(query, Collate::No)?;
        self.push(&format!(") AS {helper}"));
        Ok(())
    }

    fn items(&mut self, items: &[Expr], collate: Collate) -> Result<(), SqlError> {
        if items.is_empty() {
            self.push("1 AS c1");
        }
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.push(", ");
            }
            if collate == Collate::Yes {
                self.collated(item)?
            } else {
                self.expr(item)?
            }
            self.push(&format!(" AS c{}", index + 1));
        }
        Ok(())
    }

    fn select(&mut self, select: &Select, collate: Collate) -> Result<(), SqlError> {
        self.push(if select.distinct { "SELECT DISTINCT " } else { "SELECT " });
        let collate = if select.distinct { Collate::Yes } else { collate };
        // SQLite takes HAVING without GROUP BY only beside an aggregate in the result.
        let needs_aggregate = select.having.is_some() && select.group_by.is_empty();
        if let (true, Some((first, rest))) = (needs_aggregate, select.items.split_first()) {
            let anchored =
                Node::Apply { form: Form::Pattern("CASE WHEN count(*) >= 0 THEN {0} END"), args: vec![first.clone()] };
            let mut items = vec![Expr { node: anchored, ty: first.ty, at: first.at }];
            items.extend_from_slice(rest);
            self.items(&items, collate)?;
        } else {
            self.items(&select.items, collate)?;
        }
        self.select_rest(select)
    }

    fn select_rest(&mut self, select: &Select) -> Result<(), SqlError> {
        self.from(&select.from)?;
        if let Some(filter) = &select.filter {
            self.push(" WHERE ");
            self.expr(filter)?;
        }
        if !select.group_by.is_empty() {
            self.push(" GROUP BY ");
            self.list(&select.group_by, ", ", |emitter, key| {
                // A bare integer would be an ordinal.
                if let Node::Constant(value) = &key.node {
                    emitter.slot(Slot::Constant(value.clone()));
                    return Ok(());
                }
                emitter.collated(key)
            })?;
        }
        if let Some(having) = &select.having {
            self.push(" HAVING ");
            self.expr(having)?;
        }
        Ok(())
    }

    /// DISTINCT ON: the first row of each partition by the query's order.
    fn distinct_on(&mut self, query: &Query, select: &Select) -> Result<(), SqlError> {
        let helper = self.helper();
        let width = select.items.len();
        let columns: Vec<String> = (1..=width).map(|index| format!("{helper}.c{index} AS c{index}")).collect();
        self.push(&format!("SELECT {} FROM (SELECT ", columns.join(", ")));
        self.items(&select.items, Collate::No)?;
        let order: Vec<OrderItem> = query
            .order_by
            .iter()
            .map(|item| match item.key {
                OrderKey::Output(position) => {
                    OrderItem { key: OrderKey::Expr(select.items[position].clone()), ..item.clone() }
                }
                OrderKey::Expr(_) => item.clone(),
            })
            .collect();
        self.push(", row_number() OVER (PARTITION BY ");
        self.list(&select.distinct_on, ", ", Self::collated)?;
        if !order.is_empty() {
            self.push(" ORDER BY ");
            self.order_items(&order)?;
        }
        self.push(") AS n");
        for (index, item) in order.iter().enumerate() {
            if let OrderKey::Expr(expr) = &item.key {
                self.push(", ");
                self.expr(expr)?;
                self.push(&format!(" AS o{index}"));
            }
        }
        self.select_rest(select)?;
        self.push(&format!(") AS {helper} WHERE {helper}.n = 1"));
        for (index, item) in order.iter().enumerate() {
            self.push(if index == 0 { " ORDER BY " } else { ", " });
            self.push(&format!("{helper}.o{index}"));
            self.collation(item.type_oid);
            self.push(if item.descending { " DESC" } else { " ASC" });
            self.push(if item.nulls_first { " NULLS FIRST" } else { " NULLS LAST" });
        }
        let rest = Query { order_by: Vec::new(), ctes: Vec::new(), ..query.clone() };
        self.tail(&rest)
    }

    /// SQLite names VALUES columns `column1`, ..: they are renamed by the first row as a SELECT.
    fn values(&mut self, rows: &[Vec<Expr>], collate: Collate) -> Result<(), SqlError> {
        let Some((first, rest)) = rows.split_first() else { return Ok(()) };
        self.push("SELECT ");
        self.items(first, collate)?;
        if rest.is_empty() {
            return Ok(());
        }
        // A VALUES clause has no limit on rows, where a chain of SELECT has.
        self.push(" UNION ALL VALUES ");
        self.list(rest, ", ", |emitter, row| {
            emitter.push("(");
            emitter.list(row, ", ", Self::expr)?;
            emitter.push(")");
            Ok(())
        })
    }

    pub(super) fn from(&mut self, sources: &[Source]) -> Result<(), SqlError> {
        if sources.is_empty() {
            return Ok(());
        }
        self.push(" FROM ");
        for (index, source) in sources.iter().enumerate() {
            if index > 0 {
                self.push(" JOIN ");
            }
            // RIGHT and FULL joins must not take in what stands before them.
            let apart = index > 0 && has_outer_right(source);
            if apart {
                self.push("(");
            }
            self.source(source)?;
            if apart {
                self.push(")");
            }
        }
        Ok(())
    }

    pub(super) fn source(&mut self, source: &Source) -> Result<(), SqlError> {
        match source {
            Source::Table { id, schema, name } => {
                self.name(schema.unwrap_or("main"));
                self.push(".");
                self.name(name);
                self.push(" AS ");
                self.relation(*id);
            }
            Source::Cte { id, cte } => {
                match self.steps.get(cte).copied() {
                    Some(step) => {
                        self.push("pg_rows(");
                        self.slot(Slot::Step(step));
                        self.push(") AS ");
                    }
                    None => self.push(&format!("w{cte} AS ")),
                }
                self.relation(*id);
            }
            Source::Query { id, query } => {
                self.push("(");
                self.query(query, Collate::No)?;
                self.push(") AS ");
                self.relation(*id);
            }
            Source::Function { id, form, args, result } => {
                self.table_function(*form, args, *result)?;
                self.push(" AS ");
                self.relation(*id);
            }
            Source::Lateral { id, query } => self.lateral(*id, query)?,
            Source::Lockstep { id, functions } => self.lockstep(*id, functions)?,
            Source::Scalar { id, value } => {
                self.push("(SELECT ");
                self.expr(value)?;
                self.push(" AS \"value\") AS ");
                self.relation(*id);
            }
            Source::Join { kind, left, right, on } => self.join(*kind, left, right, on.as_deref())?,
        }
        Ok(())
    }

    /// SQLite has no LATERAL, but a table-valued function may take an argument from the relations before it: the rows.
    fn lateral(&mut self, id: u32, query: &Query) -> Result<(), SqlError> {
        let helper = self.helper();
        let cells: Vec<String> = (1..=query.outputs.len().max(1)).map(|index| format!("{helper}.c{index}")).collect();
        self.push(&format!("pg_rows((SELECT pg_pack_rows({}) FROM (", cells.join(", ")));
        self.query(query, Collate::No)?;
        self.push(&format!(") AS {helper})) AS "));
        self.relation(id);
        Ok(())
    }

    /// A series as long as the longest, and each function joined to it by its row's number.
    fn lockstep(&mut self, id: u32, functions: &[Source]) -> Result<(), SqlError> {
        self.push("pg_series_int(1, max(0");
        for function in functions {
            let Source::Function { form, args, result, .. } = function else { continue };
            self.push(", (SELECT count(*) FROM ");
            self.table_function(*form, args, *result)?;
            self.push(")");
        }
        self.push("), 1) AS ");
        self.relation(id);
        for function in functions {
            let Source::Function { id: own, form, args, result } = function else { continue };
            if args.iter().any(has_column) {
                self.push(" LEFT JOIN ");
                self.source(function)?;
            } else {
                // LIMIT keeps it a table of its own, which SQLite indexes: rows are not counted anew for each row.
                self.push(" LEFT JOIN (SELECT \"value\", ordinality FROM ");
                self.table_function(*form, args, *result)?;
                self.push(" LIMIT -1) AS ");
                self.relation(*own);
            }
            self.push(" ON ");
            self.relation(*own);
            self.push(".ordinality = ");
            self.relation(id);
            self.push(".\"value\"");
        }
        Ok(())
    }

    fn table_function(&mut self, form: Form, args: &[Expr], result: PgType) -> Result<(), SqlError> {
        let at = args.first().map_or(0, |arg| arg.at);
        if matches!(form, Form::Special(_)) {
            return Err(SqlError::unsupported("this function in FROM is not supported").at(at));
        }
        self.apply(form, args, &Expr { node: Node::Null, ty: result, at })
    }

    fn join(&mut self, kind: JoinKind, left: &Source, right: &Source, on: Option<&Expr>) -> Result<(), SqlError> {
        self.source(left)?;
        self.push(match kind {
            JoinKind::Inner | JoinKind::Cross => " JOIN ",
            JoinKind::Left => " LEFT JOIN ",
            JoinKind::Right => " RIGHT JOIN ",
            JoinKind::Full => " FULL JOIN ",
        });
        let nested = matches!(right, Source::Join { .. });
        if nested {
            self.push("(");
        }
        self.source(right)?;
        if nested {
            self.push(")");
        }
        if let Some(on) = on {
            self.push(" ON ");
            self.expr(on)?;
        }
        Ok(())
    }
}

/// Whether an expression refers to a relation.
fn has_column(expr: &Expr) -> bool {
    let mut found = matches!(expr.node, Node::Column(_)) || expr.queries().is_some();
    expr.for_each_part(&mut |part| found |= has_column(part));
    found
}

fn has_outer_right(source: &Source) -> bool {
    match source {
        Source::Join { kind, left, .. } => matches!(kind, JoinKind::Right | JoinKind::Full) || has_outer_right(left),
        Source::Table { .. }
        | Source::Query { .. }
        | Source::Lateral { .. }
        | Source::Cte { .. }
        | Source::Function { .. }
        | Source::Lockstep { .. }
        | Source::Scalar { .. } => false,
    }
}
