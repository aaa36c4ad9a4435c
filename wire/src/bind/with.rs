//! WITH: its tables in order, recursive ones, and those that write.

use super::Binder;
use super::cast::type_name;
use super::from::CteEntry;
use super::query::check_width;
use crate::error::SqlError;
use crate::ir::{Body, Cte, Output, Query, Select, Source, Statement, Step};
use crate::sql::ast::{self, CteBody, SetOperator};
use crate::types::oid;

impl Binder<'_> {
    /// Binds WITH; its tables are visible until the caller forgets them.
    pub(super) fn with(&mut self, with: Option<&ast::With>) -> Result<(Vec<Cte>, bool), SqlError> {
        let Some(with) = with else { return Ok((Vec::new(), false)) };
        let outermost = self.scopes.is_empty() && self.with_depth == 0;
        let mut ctes: Vec<Cte> = Vec::with_capacity(with.tables.len());
        let mut writes = false;
        for (index, table) in with.tables.iter().enumerate() {
            if with.tables[..index].iter().any(|other| other.name.text == table.name.text) {
                let message = format!("WITH query name \"{}\" specified more than once", table.name.text);
                return Err(SqlError::new("42712", message).at(table.name.at));
            }
            self.next_cte += 1;
            let id = self.next_cte;
            self.with_depth += 1;
            let later = &with.tables[index..];
            let bound = self.with_table(with, table, id).map_err(|error| forward_reference(error, later));
            self.with_depth -= 1;
            match bound? {
                Statement::Query(query) => {
                    let outputs = renamed(&query.outputs, table)?;
                    self.ctes.push(CteEntry { name: table.name.text.clone(), id, outputs, has_rows: true });
                    ctes.push(Cte { id, at: table.name.at, materialized: table.materialized, query: *query });
                }
                statement @ (Statement::Insert(_) | Statement::Update(_) | Statement::Delete(_)) if outermost => {
                    writes = true;
                    // Tables before it are parts of their own, too: each is computed once.
                    self.steps_of(&mut ctes);
                    let outputs = renamed(&self.step_outputs, table)?;
                    let (has_rows, width) = (!outputs.is_empty(), outputs.len());
                    self.ctes.push(CteEntry { name: table.name.text.clone(), id, outputs, has_rows });
                    self.steps.push(Step { cte: id, at: table.name.at, width, statement });
                }
                Statement::Insert(_) | Statement::Update(_) | Statement::Delete(_) => {
                    let message = "WITH clause containing a data-modifying statement must be at the top level";
                    return Err(SqlError::unsupported(message).at(table.name.at));
                }
            }
        }
        if writes {
            self.steps_of(&mut ctes);
        }
        Ok((ctes, with.recursive))
    }

    /// Makes parts of the statement of tables that only read.
    fn steps_of(&mut self, ctes: &mut Vec<Cte>) {
        for cte in ctes.drain(..) {
            let (id, at, width) = (cte.id, cte.at, cte.query.outputs.len());
            let query = if super::steps::refers_to(&cte.query, id) { self.recursion_alone(cte) } else { cte.query };
            self.steps.push(Step { cte: id, at, width, statement: Statement::Query(Box::new(query)) });
        }
    }

    /// A recursive table as a query of its own.
    fn recursion_alone(&mut self, cte: Cte) -> Query {
        let (id, outputs) = (self.new_relation(), cte.query.outputs.clone());
        let columns = super::from::output_columns(id, &outputs).into_iter().map(|column| column.expr).collect();
        let select = Select { from: vec![Source::Cte { id, cte: cte.id }], ..Select::of(columns) };
        Query { ctes: vec![cte], recursive: true, ..Query::of(Body::Select(Box::new(select)), outputs) }
    }

    fn with_table(&mut self, with: &ast::With, table: &ast::Cte, id: u32) -> Result<Statement, SqlError> {
        let (statement, outputs) = match &table.body {
            CteBody::Query(query) => {
                let query =
                    if with.recursive { self.recursive_table(table, query, id)? } else { self.subquery(query)? };
                return Ok(Statement::Query(Box::new(query)));
            }
            CteBody::Insert(insert) => self.insert(insert)?,
            CteBody::Update(update) => self.update(update)?,
            CteBody::Delete(delete) => self.delete(delete)?,
        };
        self.step_outputs = outputs;
        Ok(statement)
    }

    /// A table of WITH RECURSIVE sees itself in the second branch of its UNION, with the first branch's columns.
    fn recursive_table(&mut self, table: &ast::Cte, query: &ast::Query, id: u32) -> Result<Query, SqlError> {
        let name = table.name.text.as_str();
        let invalid = |message: String, at: u32| SqlError::new("42P19", message).at(at);
        let ast::Body::Set { op: SetOperator::Union, all, left, right, .. } = &query.body else {
            if super::recursion::references(query, name).next().is_some() {
                let message = format!(
                    "recursive query \"{name}\" does not have the form non-recursive-term UNION [ALL] recursive-term"
                );
                return Err(invalid(message, table.name.at));
            }
            return self.subquery(query);
        };
        if let Some(at) = super::recursion::references(left, name).next() {
            let message =
                format!("recursive reference to query \"{name}\" must not appear within its non-recursive term");
            return Err(invalid(message, at));
        }
        let mut own = super::recursion::references(right, name);
        let Some(_) = own.next() else { return self.subquery(query) };
        if let Some(second) = own.next() {
            let message = format!("recursive reference to query \"{name}\" must not appear more than once");
            return Err(invalid(message, second));
        }
        super::recursion::check_tail(query)?;
        super::recursion::check_direct(right, name)?;
        let first = self.subquery(left)?;
        let outputs: Vec<Output> = renamed(&first.outputs, table)?
            .into_iter()
            .map(|output| Output { representation: output.representation, ..Output::computed(&output.name, output.ty) })
            .collect();
        self.ctes.push(CteEntry { name: name.to_owned(), id, outputs, has_rows: true });
        let second = self.query(right);
        self.ctes.pop();
        let second = second?;
        if let Body::Select(select) = &second.body
            && let Some(at) = super::group::first_aggregate_in(select)
        {
            let message = "aggregate functions are not allowed in a recursive query's recursive term";
            return Err(invalid(message.to_owned(), at));
        }
        check_width(&first, &second, "UNION", super::query::left_at(&second))?;
        self.unite(table, *all, first, second)
    }

    /// Checks the columns of both terms and makes the recursive query.
    fn unite(&mut self, table: &ast::Cte, all: bool, first: Query, second: Query) -> Result<Query, SqlError> {
        let targets: Vec<u32> = first.outputs.iter().map(|output| output.ty.oid).collect();
        for (index, (left, right)) in first.outputs.iter().zip(&second.outputs).enumerate() {
            if right.ty.oid == oid::UNKNOWN || left.ty == right.ty {
                continue;
            }
            let overall =
                self.common_type(&[(left.ty.oid, 0), (right.ty.oid, super::query::left_at(&second))], "UNION")?;
            // Types that differ in their modifier only meet without one.
            let overall = super::plain(overall);
            if left.ty == overall {
                continue;
            }
            let shown =
                |ty: storage::schema::model::PgType| crate::types::catalog::format_type(ty.oid, Some(ty.typmod));
            let message = format!(
                "recursive query \"{}\" column {} has type {} in non-recursive term but type {} overall",
                table.name.text,
                index + 1,
                shown(left.ty),
                type_name(overall.oid)
            );
            return Err(SqlError::new("42804", message)
                .hint("Cast the output of the non-recursive term to the correct type.")
                .at(super::query::output_at(&first, index)));
        }
        let second = self.convert_outputs(second, &targets)?;
        let outputs = first.outputs.iter().map(|output| Output {
            representation: output.representation,
            ..Output::computed(&output.name, output.ty)
        });
        let outputs = outputs.collect();
        let body = Body::Set { op: SetOperator::Union, all, left: Box::new(first), right: Box::new(second) };
        Ok(Query::of(body, outputs))
    }
}

/// A table that is missing may be one that WITH names later.
fn forward_reference(error: SqlError, later: &[ast::Cte]) -> SqlError {
    let missing = |table: &&ast::Cte| error.message == format!("relation \"{}\" does not exist", table.name.text);
    let Some(table) = later.iter().find(missing).filter(|_| error.sqlstate == "42P01") else { return error };
    let detail = format!(
        "There is a WITH item named \"{}\", but it cannot be referenced from this part of the query.",
        table.name.text
    );
    error.detail(detail).hint("Use WITH RECURSIVE, or re-order the WITH items to remove forward references.")
}

fn renamed(outputs: &[Output], table: &ast::Cte) -> Result<Vec<Output>, SqlError> {
    if table.columns.len() > outputs.len() {
        let message = format!(
            "WITH query \"{}\" has {} columns available but {} columns specified",
            table.name.text,
            outputs.len(),
            table.columns.len()
        );
        return Err(SqlError::new("42P10", message).at(table.name.at));
    }
    let mut outputs = outputs.to_vec();
    for (output, name) in outputs.iter_mut().zip(&table.columns) {
        output.name.clone_from(&name.text);
    }
    Ok(outputs)
}
