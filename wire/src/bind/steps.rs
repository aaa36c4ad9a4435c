//! WITH whose tables write: the statement becomes a sequence, each part with the rows of those before it.
//!
//! PostgreSQL runs the parts of such a statement on one snapshot: none sees what another has changed, except through
//! RETURNING. Here they run one after the other, so what may see a change is refused, and what only reads and depends on no
//! change runs first. Pure.

use std::collections::BTreeSet;

use super::Binder;
use super::from::output_columns;
use crate::error::SqlError;
use crate::function::packed::PACKED_COLUMNS_MAX;
use crate::ir::OrderKey;
use crate::ir::{Body, Expr, InsertRows, OnConflict, Query, Select, Source, Statement, Step};

/// What a part of the statement reads and writes.
#[derive(Debug, Default)]
struct Footprint {
    tables: BTreeSet<String>,
    /// Tables of WITH.
    ctes: BTreeSet<u32>,
}

impl Binder<'_> {
    /// Puts the parts in an order in which each sees what it would see in PostgreSQL.
    ///
    /// # Errors
    /// 0A000 where there is none; 54011 for rows too wide to be handed on.
    pub(super) fn sequence(&mut self, main: &mut Statement) -> Result<(), SqlError> {
        let mut steps = std::mem::take(&mut self.steps);
        if steps.is_empty() {
            return Ok(());
        }
        let written: BTreeSet<String> = steps.iter().filter_map(|step| written_table(&step.statement)).collect();
        let mut dependent: BTreeSet<u32> = BTreeSet::new();
        for step in &steps {
            let footprint = Footprint::of(&step.statement);
            if written_table(&step.statement).is_some() || !footprint.ctes.is_disjoint(&dependent) {
                dependent.insert(step.cte);
            }
        }
        if let Statement::Query(query) = main {
            self.hoist(query, &written, &dependent, &mut steps);
        }
        // What no change can reach runs first; both groups keep their order.
        steps.sort_by_key(|step| dependent.contains(&step.cte));
        drop_unused(&mut steps, main);
        check_order(&steps, main)?;
        self.steps = steps;
        Ok(())
    }

    /// A branch of a set operation that reads a table which the statement changes, and depends on no change, becomes a
    /// part of its own: `WITH i AS (INSERT ..) SELECT id FROM i UNION ALL SELECT id FROM t ..`.
    fn hoist(
        &mut self,
        query: &mut Query,
        written: &BTreeSet<String>,
        dependent: &BTreeSet<u32>,
        steps: &mut Vec<Step>,
    ) {
        let Body::Set { left, right, .. } = &mut query.body else { return };
        for branch in [left, right] {
            if matches!(branch.body, Body::Set { .. }) {
                self.hoist(branch, written, dependent, steps);
                continue;
            }
            let mut footprint = Footprint::default();
            footprint.query(branch);
            if footprint.tables.is_disjoint(written) || !footprint.ctes.is_disjoint(dependent) {
                continue;
            }
            self.next_cte += 1;
            let (cte, id) = (self.next_cte, self.new_relation());
            let columns = output_columns(id, &branch.outputs).into_iter().map(|column| column.expr).collect();
            let select = Select { from: vec![Source::Cte { id, cte }], ..Select::of(columns) };
            let outputs = branch.outputs.clone();
            let reading = std::mem::replace(&mut **branch, Query::of(Body::Select(Box::new(select)), outputs));
            steps.push(Step {
                cte,
                at: 0,
                width: reading.outputs.len(),
                statement: Statement::Query(Box::new(reading)),
            });
        }
    }
}

/// Whether a query names a table of WITH.
pub(super) fn refers_to(query: &Query, cte: u32) -> bool {
    let mut footprint = Footprint::default();
    footprint.query(query);
    footprint.ctes.contains(&cte)
}

/// Reading parts whose rows nobody takes do not run, as in PostgreSQL.
fn drop_unused(steps: &mut Vec<Step>, main: &Statement) {
    let mut used = Footprint::of(main).ctes;
    for step in steps.iter().rev() {
        if written_table(&step.statement).is_some() || used.contains(&step.cte) {
            used.extend(Footprint::of(&step.statement).ctes);
            used.insert(step.cte);
        }
    }
    steps.retain(|step| used.contains(&step.cte));
}

fn check_order(steps: &[Step], main: &Statement) -> Result<(), SqlError> {
    let mut written: BTreeSet<String> = BTreeSet::new();
    let main_at = steps.iter().map(|step| step.at).max().unwrap_or(0);
    let parts = steps.iter().map(|step| (&step.statement, step.at)).chain([(main, main_at)]);
    for (statement, at) in parts {
        let footprint = Footprint::of(statement);
        if let Some(table) = footprint.tables.intersection(&written).next() {
            let message = format!("using \"{table}\" in a statement whose WITH changes it is not supported");
            return Err(SqlError::unsupported(message)
                .detail("Each part of such a statement must see the table as it was before the statement.")
                .hint("Run the parts as statements of one transaction.")
                .at(at));
        }
        written.extend(written_table(statement));
    }
    match steps.iter().find(|step| step.width > PACKED_COLUMNS_MAX) {
        Some(wide) => {
            let message = format!("a WITH table may have {PACKED_COLUMNS_MAX} columns beside statements that write");
            Err(SqlError::new("54011", message).at(wide.at))
        }
        None => Ok(()),
    }
}

fn written_table(statement: &Statement) -> Option<String> {
    match statement {
        Statement::Query(_) => None,
        Statement::Insert(insert) => Some(insert.table.name.clone()),
        Statement::Update(update) => Some(update.table.name.clone()),
        Statement::Delete(delete) => Some(delete.table.name.clone()),
    }
}

impl Footprint {
    fn of(statement: &Statement) -> Self {
        let mut footprint = Self::default();
        match statement {
            Statement::Query(query) => footprint.query(query),
            Statement::Insert(insert) => {
                match &insert.rows {
                    InsertRows::Values(values) => footprint.exprs(values),
                    InsertRows::Query { query, values, .. } => {
                        footprint.query(query);
                        footprint.exprs(values);
                    }
                }
                if let Some(conflict) = &insert.on_conflict {
                    // It looks for the rows that are there.
                    footprint.tables.insert(insert.table.name.clone());
                    if let OnConflict::Update { assignments, filter, .. } = conflict {
                        assignments.iter().for_each(|assignment| footprint.expr(&assignment.value));
                        filter.iter().for_each(|expr| footprint.expr(expr));
                    }
                }
                footprint.exprs(&insert.returning);
            }
            Statement::Update(update) => {
                footprint.tables.insert(update.table.name.clone());
                update.from.iter().for_each(|source| footprint.source(source));
                update.assignments.iter().for_each(|assignment| footprint.expr(&assignment.value));
                update.filter.iter().for_each(|expr| footprint.expr(expr));
                footprint.exprs(&update.returning);
            }
            Statement::Delete(delete) => {
                footprint.tables.insert(delete.table.name.clone());
                delete.using.iter().for_each(|source| footprint.source(source));
                delete.filter.iter().for_each(|expr| footprint.expr(expr));
                footprint.exprs(&delete.returning);
            }
        }
        footprint
    }

    fn query(&mut self, query: &Query) {
        query.ctes.iter().for_each(|cte| self.query(&cte.query));
        match &query.body {
            Body::Select(select) => {
                select.from.iter().for_each(|source| self.source(source));
                self.exprs(&select.items);
                self.exprs(&select.group_by);
                self.exprs(&select.distinct_on);
                select.filter.iter().chain(&select.having).for_each(|expr| self.expr(expr));
            }
            Body::Values(rows) => rows.iter().for_each(|row| self.exprs(row)),
            Body::Set { left, right, .. } => {
                self.query(left);
                self.query(right);
            }
        }
        for item in &query.order_by {
            if let OrderKey::Expr(expr) = &item.key {
                self.expr(expr);
            }
        }
        query.limit.iter().chain(&query.offset).for_each(|expr| self.expr(expr));
    }

    fn source(&mut self, source: &Source) {
        match source {
            Source::Table { schema: None, name, .. } => {
                self.tables.insert(name.clone());
            }
            Source::Table { schema: Some(_), .. } => {}
            Source::Cte { cte, .. } => {
                self.ctes.insert(*cte);
            }
            Source::Query { query, .. } | Source::Lateral { query, .. } => self.query(query),
            Source::Function { args, .. } => self.exprs(args),
            Source::Lockstep { functions, .. } => functions.iter().for_each(|function| self.source(function)),
            Source::Scalar { value, .. } => self.expr(value),
            Source::Join { left, right, on, .. } => {
                self.source(left);
                self.source(right);
                on.iter().for_each(|expr| self.expr(expr));
            }
        }
    }

    fn exprs(&mut self, exprs: &[Expr]) {
        exprs.iter().for_each(|expr| self.expr(expr));
    }

    fn expr(&mut self, expr: &Expr) {
        expr.for_each_part(&mut |part| self.expr(part));
        if let Some(query) = expr.queries() {
            self.query(query);
        }
    }
}
