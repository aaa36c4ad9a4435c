//! What PostgreSQL demands of a recursive WITH table before it is bound: where its own name may stand. Pure, over syntax.

use crate::error::SqlError;
use crate::sql::ast::{Body, CteBody, FromItem, Query};

/// Where a query's FROM clauses name a table of WITH.
pub(super) fn references<'a>(query: &'a Query, name: &'a str) -> impl Iterator<Item = u32> + use<> {
    let mut found = Vec::new();
    in_query(query, name, &mut found);
    found.into_iter()
}

fn in_query(query: &Query, name: &str, found: &mut Vec<u32>) {
    if let Some(with) = &query.with {
        for table in &with.tables {
            if let CteBody::Query(inner) = &table.body {
                in_query(inner, name, found);
            }
            if table.name.text == name {
                // From here on the name means that table.
                return;
            }
        }
    }
    match &query.body {
        Body::Select(select) => select.from.iter().for_each(|item| in_item(item, name, found)),
        Body::Values { .. } => {}
        Body::Set { left, right, .. } => {
            in_query(left, name, found);
            in_query(right, name, found);
        }
    }
}

fn in_item(item: &FromItem, name: &str, found: &mut Vec<u32>) {
    match item {
        FromItem::Table { name: table, .. } if table.schema().is_none() && table.last() == name => {
            found.push(table.at())
        }
        FromItem::Table { .. } | FromItem::Function { .. } | FromItem::RowsFrom { .. } => {}
        FromItem::Query { query, .. } => in_query(query, name, found),
        FromItem::Join { left, right, .. } => {
            in_item(left, name, found);
            in_item(right, name, found);
        }
    }
}

/// A recursive query is the union alone.
///
/// # Errors
/// 0A000 `ORDER BY in a recursive query is not implemented` and its like.
pub(super) fn check_tail(query: &Query) -> Result<(), SqlError> {
    let clauses = [
        ("ORDER BY", query.order_by.first().map(|item| item.expr.at)),
        ("OFFSET", query.offset.as_ref().map(|expr| expr.at)),
        ("LIMIT", query.limit.as_ref().map(|expr| expr.at)),
        ("FOR UPDATE/SHARE", query.locking.as_ref().map(|locking| locking.at)),
    ];
    for (clause, at) in clauses {
        if let Some(at) = at {
            return Err(SqlError::unsupported(format!("{clause} in a recursive query is not implemented")).at(at));
        }
    }
    Ok(())
}

/// SQLite wants the recursive reference in the FROM clause of the second term itself.
///
/// # Errors
/// 0A000 at a reference inside of a derived table, or where the term has clauses of its own.
pub(super) fn check_direct(term: &Query, name: &str) -> Result<(), SqlError> {
    let plain = term.with.is_none() && term.order_by.is_empty() && term.limit.is_none() && term.offset.is_none();
    let mut direct = Vec::new();
    if let (Body::Select(select), true) = (&term.body, plain) {
        select.from.iter().for_each(|item| in_joins(item, name, &mut direct));
    }
    match references(term, name).next() {
        Some(at) if direct.is_empty() => {
            Err(SqlError::unsupported("a recursive reference inside a subquery is not supported").at(at))
        }
        Some(_) | None => Ok(()),
    }
}

fn in_joins(item: &FromItem, name: &str, found: &mut Vec<u32>) {
    match item {
        FromItem::Table { .. } => in_item(item, name, found),
        FromItem::Query { .. } | FromItem::Function { .. } | FromItem::RowsFrom { .. } => {}
        FromItem::Join { left, right, .. } => {
            in_joins(left, name, found);
            in_joins(right, name, found);
        }
    }
}
