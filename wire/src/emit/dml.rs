//! INSERT, UPDATE and DELETE as SQLite's SQL. The target's alias is its relation number.

use super::Emitter;
use super::query::Collate;
use crate::error::SqlError;
use crate::ir::{Assignment, Delete, Expr, Insert, InsertRows, OnConflict, Update};

impl Emitter {
    pub(super) fn insert(&mut self, insert: &Insert) -> Result<(), SqlError> {
        self.with(&insert.ctes, insert.recursive)?;
        self.push("INSERT INTO main.");
        self.name(&insert.table.name);
        self.push(" AS ");
        self.relation(insert.id);
        if insert.columns.is_empty() {
            self.push(" DEFAULT VALUES");
        } else {
            self.push("(");
            self.list(&insert.columns, ", ", |emitter, column| {
                emitter.name(column);
                Ok(())
            })?;
            self.push(")");
            match &insert.on_conflict {
                Some(OnConflict::Update { target, .. }) => self.distinct_rows(insert, target)?,
                Some(OnConflict::Nothing { .. }) | None => self.insert_rows(&insert.rows)?,
            }
        }
        if let Some(on_conflict) = &insert.on_conflict {
            self.on_conflict(on_conflict)?;
        }
        self.returning(insert.id, &insert.table.name, &insert.returning)
    }

    /// Adds the query for the key of the new rows that the table has already, if the statement writes a whole key.
    pub(super) fn duplicate_probe(&mut self, insert: &Insert) -> Result<(), SqlError> {
        let table = &insert.table;
        let (InsertRows::Values(values) | InsertRows::Query { values, .. }) = &insert.rows;
        let key: Option<Vec<(&str, &Expr)>> = table
            .primary_key
            .iter()
            .map(|index| {
                let column = table.columns.get(*index).filter(|column| !column.hidden)?;
                let written = insert.columns.iter().position(|name| *name == column.name)?;
                Some((column.name.as_str(), values.get(written)?))
            })
            .collect();
        // After ON CONFLICT DO UPDATE the key that is there twice is one that SET gave.
        let sets_key = matches!(insert.on_conflict, Some(OnConflict::Update { .. }));
        let Some(key) = key.filter(|key| !key.is_empty() && insert.ctes.is_empty() && !sets_key) else {
            return Ok(());
        };
        let statement = std::mem::take(&mut self.out.sql);
        let (slots, literals) = (self.out.slots.len(), self.out.literals.len());
        self.push("SELECT ");
        self.list(&key, ", ", |emitter, (_, value)| emitter.expr(value))?;
        if slots > 0 {
            // So that it takes as many bound values as the statement itself.
            self.push(&format!(", ?{slots}"));
        }
        if let InsertRows::Query { id, query, .. } = &insert.rows {
            self.push(" FROM (");
            self.query(query, Collate::No)?;
            self.push(") AS ");
            self.relation(*id);
        }
        self.push(" WHERE EXISTS (SELECT 1 FROM main.");
        self.name(&table.name);
        let known = self.helper();
        self.push(&format!(" AS {known} WHERE "));
        self.list(&key, " AND ", |emitter, (column, value)| {
            emitter.push(&format!("{known}."));
            emitter.name(column);
            emitter.push(" = ");
            emitter.expr(value)
        })?;
        self.push(") LIMIT 1");
        let probe = std::mem::replace(&mut self.out.sql, statement);
        self.keep_probe(probe, slots, literals);
        Ok(())
    }

    /// Adds the query for the first new key that another row of the table has, if the statement changes the key.
    pub(super) fn update_probe(&mut self, update: &Update) -> Result<(), SqlError> {
        let table = &update.table;
        let assigned = |name: &str| update.assignments.iter().find(|assignment| assignment.column == name);
        let key: Vec<&str> = table
            .primary_key
            .iter()
            .filter_map(|index| table.columns.get(*index))
            .filter(|column| !column.hidden)
            .map(|column| column.name.as_str())
            .collect();
        if !update.ctes.is_empty() || !key.iter().any(|name| assigned(name).is_some()) {
            return Ok(());
        }
        let statement = std::mem::take(&mut self.out.sql);
        let (slots, literals) = (self.out.slots.len(), self.out.literals.len());
        let new_cell = |emitter: &mut Self, name: &str| match assigned(name) {
            Some(assignment) => emitter.expr(&assignment.value),
            None => {
                emitter.relation(update.id);
                emitter.push(".");
                emitter.name(name);
                Ok(())
            }
        };
        self.push("SELECT ");
        self.list(&key, ", ", |emitter, name| new_cell(emitter, name))?;
        if slots > 0 {
            self.push(&format!(", ?{slots}"));
        }
        self.push(" FROM main.");
        self.name(&table.name);
        self.push(" AS ");
        self.relation(update.id);
        for source in &update.from {
            self.push(" JOIN ");
            self.source(source)?;
        }
        let other = self.helper();
        self.push(" WHERE EXISTS (SELECT 1 FROM main.");
        self.name(&table.name);
        self.push(&format!(" AS {other} WHERE "));
        self.list(&key, " AND ", |emitter, name| {
            emitter.push(&format!("{other}."));
            emitter.name(name);
            emitter.push(" = ");
            new_cell(emitter, name)
        })?;
        self.push(" AND NOT (");
        self.list(&key, " AND ", |emitter, name| {
            emitter.push(&format!("{other}."));
            emitter.name(name);
            emitter.push(" = ");
            emitter.relation(update.id);
            emitter.push(".");
            emitter.name(name);
            Ok(())
        })?;
        self.push("))");
        if let Some(filter) = &update.filter {
            self.push(" AND ");
            self.expr(filter)?;
        }
        self.push(" LIMIT 1");
        let probe = std::mem::replace(&mut self.out.sql, statement);
        self.keep_probe(probe, slots, literals);
        Ok(())
    }

    /// A probe must take the same bound values as its statement.
    fn keep_probe(&mut self, probe: String, slots: usize, literals: usize) {
        if self.out.slots.len() == slots && self.out.literals.len() == literals {
            self.out.duplicate_probe = Some(probe);
        } else {
            self.out.slots.truncate(slots);
            self.out.literals.truncate(literals);
        }
    }

    fn insert_rows(&mut self, rows: &InsertRows) -> Result<(), SqlError> {
        match rows {
            InsertRows::Values(values) => {
                self.push(" VALUES (");
                self.list(values, ", ", Self::expr)?;
                self.push(")");
            }
            InsertRows::Query { id, query, values } => {
                self.push(" SELECT ");
                self.list(values, ", ", Self::expr)?;
                self.push(" FROM (");
                self.query(query, Collate::No)?;
                self.push(") AS ");
                self.relation(*id);
                // Without it ON CONFLICT would be read as a join's ON.
                self.push(" WHERE 1");
            }
        }
        Ok(())
    }

    /// The rows of ON CONFLICT DO UPDATE, which must not propose a key twice: SQLite would update its own row, PostgreSQL
    /// raises 21000.
    fn distinct_rows(&mut self, insert: &Insert, target: &[String]) -> Result<(), SqlError> {
        let key: Option<Vec<usize>> =
            target.iter().map(|name| insert.columns.iter().position(|column| column == name)).collect();
        let (InsertRows::Query { id, query, values }, Some(key)) = (&insert.rows, key) else {
            return self.insert_rows(&insert.rows);
        };
        let helper = self.helper();
        let columns: Vec<String> = (1..=values.len()).map(|index| format!("{helper}.c{index}")).collect();
        self.push(&format!(" SELECT {} FROM (SELECT ", columns.join(", ")));
        for (index, value) in values.iter().enumerate() {
            self.expr(value)?;
            self.push(&format!(" AS c{}, ", index + 1));
        }
        self.push("count(*) OVER (PARTITION BY ");
        self.list(&key, ", ", |emitter, index| emitter.collated(&values[*index]))?;
        self.push(") AS n FROM (");
        self.query(query, Collate::No)?;
        self.push(") AS ");
        self.relation(*id);
        self.push(&format!(") AS {helper} WHERE CASE {helper}.n WHEN 1 THEN 1 ELSE pg_raise_twice() END"));
        Ok(())
    }

    fn on_conflict(&mut self, on_conflict: &OnConflict) -> Result<(), SqlError> {
        self.push(" ON CONFLICT");
        let (OnConflict::Nothing { target } | OnConflict::Update { target, .. }) = on_conflict;
        if !target.is_empty() {
            self.push(" (");
            self.list(target, ", ", |emitter, column| {
                emitter.name(column);
                Ok(())
            })?;
            self.push(")");
        }
        match on_conflict {
            OnConflict::Nothing { .. } => self.push(" DO NOTHING"),
            OnConflict::Update { assignments, filter, .. } => {
                self.push(" DO UPDATE SET ");
                self.assignments(assignments)?;
                self.filter(filter.as_ref())?;
            }
        }
        Ok(())
    }

    fn assignments(&mut self, assignments: &[Assignment]) -> Result<(), SqlError> {
        self.list(assignments, ", ", |emitter, assignment| {
            emitter.name(&assignment.column);
            emitter.push(" = ");
            emitter.expr(&assignment.value)
        })
    }

    fn filter(&mut self, filter: Option<&Expr>) -> Result<(), SqlError> {
        if let Some(filter) = filter {
            self.push(" WHERE ");
            self.expr(filter)?;
        }
        Ok(())
    }

    fn returning(&mut self, target: u32, table: &str, returning: &[Expr]) -> Result<(), SqlError> {
        if returning.is_empty() {
            return Ok(());
        }
        self.push(" RETURNING ");
        self.returning = Some((target, table.to_owned()));
        let written = self.list(returning, ", ", Self::expr);
        self.returning = None;
        written
    }

    pub(super) fn update(&mut self, update: &Update) -> Result<(), SqlError> {
        self.with(&update.ctes, update.recursive)?;
        self.push("UPDATE main.");
        self.name(&update.table.name);
        self.push(" AS ");
        self.relation(update.id);
        self.push(" SET ");
        self.assignments(&update.assignments)?;
        self.from(&update.from)?;
        self.filter(update.filter.as_ref())?;
        self.returning(update.id, &update.table.name, &update.returning)
    }

    pub(super) fn delete(&mut self, delete: &Delete) -> Result<(), SqlError> {
        self.with(&delete.ctes, delete.recursive)?;
        self.push("DELETE FROM main.");
        self.name(&delete.table.name);
        self.push(" AS ");
        self.relation(delete.id);
        if delete.using.is_empty() {
            self.filter(delete.filter.as_ref())?;
        } else {
            self.push(" WHERE EXISTS (SELECT 1");
            self.from(&delete.using)?;
            self.filter(delete.filter.as_ref())?;
            self.push(")");
        }
        self.returning(delete.id, &delete.table.name, &delete.returning)
    }
}
