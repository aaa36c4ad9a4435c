//! Result columns of the `reg*` types show the object's name: the last step of binding.
//!
//! Pure. Inside a statement such a value is its OID. What leaves it carries the name too, in the form that
//! [`crate::types::object_name`] defines; so only the outermost list of results is changed.

use super::from::output_columns;
use crate::function::{self, Form};
use crate::ir::{Body, Expr, Node, OrderItem, OrderKey, Query, Select, Source, Statement};
use crate::types::object_name::is_object_type;

/// Adds the names. `new_relation` numbers a relation.
pub(super) fn with_names(statement: Statement, new_relation: impl FnOnce() -> u32) -> Statement {
    match statement {
        Statement::Query(query) if query.outputs.iter().any(|output| is_object_type(output.ty.oid)) => {
            Statement::Query(Box::new(query_with_names(*query, new_relation)))
        }
        Statement::Query(query) => Statement::Query(query),
        Statement::Insert(mut insert) => {
            insert.returning = insert.returning.into_iter().map(with_name).collect();
            Statement::Insert(insert)
        }
        Statement::Update(mut update) => {
            update.returning = update.returning.into_iter().map(with_name).collect();
            Statement::Update(update)
        }
        Statement::Delete(mut delete) => {
            delete.returning = delete.returning.into_iter().map(with_name).collect();
            Statement::Delete(delete)
        }
    }
}

/// A plain SELECT changes its list; order by a changed column stays the order of OIDs. Anything else becomes a derived table.
fn query_with_names(mut query: Query, new_relation: impl FnOnce() -> u32) -> Query {
    let Body::Select(select) = &mut query.body else { return wrapped(query, new_relation()) };
    if select.distinct || !select.distinct_on.is_empty() {
        return wrapped(query, new_relation());
    }
    for item in &mut query.order_by {
        if let OrderKey::Output(at) = item.key
            && is_object_type(item.type_oid)
        {
            item.key = OrderKey::Expr(select.items[at].clone());
        }
    }
    select.items = std::mem::take(&mut select.items).into_iter().map(with_name).collect();
    query
}

fn wrapped(inner: Query, id: u32) -> Query {
    let columns: Vec<Expr> = output_columns(id, &inner.outputs).into_iter().map(|column| column.expr).collect();
    // The inner order stays too: it may decide what a LIMIT keeps.
    let order_by = inner.order_by.iter().filter_map(|item| match item.key {
        OrderKey::Output(at) => Some(OrderItem { key: OrderKey::Expr(columns[at].clone()), ..item.clone() }),
        OrderKey::Expr(_) => None,
    });
    let order_by = order_by.collect();
    let outputs = inner.outputs.clone();
    let select = Select {
        distinct: false,
        distinct_on: Vec::new(),
        items: columns.into_iter().map(with_name).collect(),
        from: vec![Source::Query { id, query: Box::new(inner) }],
        filter: None,
        group_by: Vec::new(),
        grouped: false,
        having: None,
    };
    Query {
        ctes: Vec::new(),
        recursive: false,
        body: Body::Select(Box::new(select)),
        order_by,
        limit: None,
        offset: None,
        outputs,
    }
}

/// OID, blank, name; other expressions stay.
fn with_name(expr: Expr) -> Expr {
    if !is_object_type(expr.ty.oid) {
        return expr;
    }
    let Some(form) = function::output_form(expr.ty.oid) else { return expr };
    let (ty, at) = (expr.ty, expr.at);
    let name = Expr { node: Node::Apply { form, args: vec![expr.clone()] }, ty, at };
    Expr { node: Node::Apply { form: Form::Pattern("({0} || ' ' || {1})"), args: vec![expr, name] }, ty, at }
}
