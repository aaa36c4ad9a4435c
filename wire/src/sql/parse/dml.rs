//! INSERT, UPDATE, DELETE.

use super::Parser;
use crate::error::SqlError;
use crate::sql::ast::{
    Assignment, ConflictAction, ConflictTarget, Delete, Expr, ExprKind, Insert, InsertSource, Name, OnConflict,
    SelectItem, Statement, Update, With,
};

impl Parser<'_> {
    pub(super) fn insert(&mut self, with: Option<With>) -> Result<Statement, SqlError> {
        self.expect_word("insert")?;
        self.expect_word("into")?;
        let table = self.object_name()?;
        let alias = if self.eat_word("as") { Some(self.column_name()?) } else { None };
        let columns = if self.is_punct(b'(') && !self.starts_query() { self.insert_columns()? } else { Vec::new() };
        if self.is_word("overriding") {
            return Err(SqlError::unsupported("OVERRIDING is not supported").at(self.at()));
        }
        let source = if self.eat_words(&["default", "values"]) {
            InsertSource::DefaultValues
        } else {
            InsertSource::Query(Box::new(self.query()?))
        };
        let on_conflict = self.on_conflict()?;
        let returning = self.returning()?;
        Ok(Statement::Insert(Box::new(Insert { with, table, alias, columns, source, on_conflict, returning })))
    }

    fn insert_columns(&mut self) -> Result<Vec<Name>, SqlError> {
        self.expect_punct(b'(')?;
        let mut names = vec![self.column_name()?];
        self.refuse_indirection()?;
        while self.eat_punct(b',') {
            names.push(self.column_name()?);
            self.refuse_indirection()?;
        }
        self.expect_punct(b')')?;
        Ok(names)
    }

    /// `column[1]` and `column.field` as targets.
    fn refuse_indirection(&self) -> Result<(), SqlError> {
        if self.is_punct(b'[') {
            return Err(SqlError::unsupported("assignment to an array element is not supported").at(self.at()));
        }
        if self.is_punct(b'.') {
            return Err(SqlError::unsupported("assignment to a field is not supported").at(self.at()));
        }
        Ok(())
    }

    /// Skips `[index]` and `.field` after a column; tells where they stand.
    fn indirection(&mut self) -> Result<Option<u32>, SqlError> {
        let at = self.at();
        let mut found = None;
        loop {
            if self.eat_punct(b'.') {
                self.label()?;
            } else if self.eat_punct(b'[') {
                self.expr()?;
                self.expect_punct(b']')?;
            } else {
                return Ok(found);
            }
            found = Some(at);
        }
    }

    fn on_conflict(&mut self) -> Result<Option<OnConflict>, SqlError> {
        let at = self.at();
        if !self.eat_words(&["on", "conflict"]) {
            return Ok(None);
        }
        let mut target = None;
        let target_at = self.at();
        if self.is_punct(b'(') {
            self.advance();
            let mut names = Vec::new();
            loop {
                if self.is_punct(b'(') || self.ahead(1).kind == crate::sql::lexer::Kind::Punct(b'(') {
                    return Err(SqlError::unsupported("ON CONFLICT on an expression is not supported").at(self.at()));
                }
                names.push(self.column_name()?);
                if self.is_word("collate") {
                    return Err(SqlError::unsupported("COLLATE in ON CONFLICT is not supported").at(self.at()));
                }
                if !self.eat_punct(b',') {
                    break;
                }
            }
            self.expect_punct(b')')?;
            if self.is_word("where") {
                return Err(SqlError::unsupported("ON CONFLICT with an index predicate is not supported").at(self.at()));
            }
            target = Some(ConflictTarget::Columns(names));
        } else if self.eat_words(&["on", "constraint"]) {
            target = Some(ConflictTarget::Constraint(self.column_name()?));
        }
        self.expect_word("do")?;
        if self.eat_word("nothing") {
            return Ok(Some(OnConflict { at, target_at, target, action: ConflictAction::Nothing }));
        }
        self.expect_word("update")?;
        self.expect_word("set")?;
        let assignments = self.assignments()?;
        let filter = if self.eat_word("where") { Some(self.expr()?) } else { None };
        Ok(Some(OnConflict { at, target_at, target, action: ConflictAction::Update { assignments, filter } }))
    }

    fn assignments(&mut self) -> Result<Vec<Assignment>, SqlError> {
        let mut list = Vec::new();
        loop {
            if self.is_punct(b'(') {
                self.tuple_assignment(&mut list)?;
            } else {
                let column = self.column_name()?;
                let part = self.indirection()?;
                if !self.eat_operator("=") {
                    return Err(self.unexpected());
                }
                list.push(Assignment { column, part, value: self.expr()? });
            }
            if !self.eat_punct(b',') {
                return Ok(list);
            }
        }
    }

    /// `(a, b) = (1, 2)`
    fn tuple_assignment(&mut self, list: &mut Vec<Assignment>) -> Result<(), SqlError> {
        let columns = self.insert_columns()?;
        if !self.eat_operator("=") {
            return Err(self.unexpected());
        }
        let value = self.expr()?;
        let at = value.at;
        let width = columns.len();
        let values: Vec<Expr> = if let ExprKind::Row(values) = value.kind {
            values
        } else if let ExprKind::Subquery(query) = value.kind {
            let column = |index| Expr { at, kind: ExprKind::QueryColumn { query: query.clone(), index, width } };
            (0..width).map(column).collect()
        } else if columns.len() == 1 {
            vec![value]
        } else {
            let error = SqlError::new(
                "0A000",
                "source for a multiple-column UPDATE item must be a sub-SELECT or ROW() expression",
            );
            return Err(error.at(at));
        };
        if values.len() != columns.len() {
            return Err(SqlError::new("42601", "number of columns does not match number of values").at(at));
        }
        list.extend(columns.into_iter().zip(values).map(|(column, value)| Assignment { column, part: None, value }));
        Ok(())
    }

    fn returning(&mut self) -> Result<Vec<SelectItem>, SqlError> {
        if self.eat_word("returning") { self.select_items() } else { Ok(Vec::new()) }
    }

    fn target_alias(&mut self, stop: &str) -> Result<Option<Name>, SqlError> {
        if self.eat_word("as") {
            return self.column_name().map(Some);
        }
        if self.is_column_name() && !self.is_word(stop) { self.column_name().map(Some) } else { Ok(None) }
    }

    pub(super) fn update(&mut self, with: Option<With>) -> Result<Statement, SqlError> {
        self.expect_word("update")?;
        self.eat_word("only");
        let table = self.object_name()?;
        self.eat_operator("*");
        let alias = self.target_alias("set")?;
        self.expect_word("set")?;
        let assignments = self.assignments()?;
        let from = if self.eat_word("from") { self.relations()? } else { Vec::new() };
        let filter = self.dml_filter()?;
        let returning = self.returning()?;
        Ok(Statement::Update(Box::new(Update { with, table, alias, assignments, from, filter, returning })))
    }

    pub(super) fn delete(&mut self, with: Option<With>) -> Result<Statement, SqlError> {
        self.expect_word("delete")?;
        self.expect_word("from")?;
        self.eat_word("only");
        let table = self.object_name()?;
        self.eat_operator("*");
        let alias = self.target_alias("using")?;
        let using = if self.eat_word("using") { self.relations()? } else { Vec::new() };
        let filter = self.dml_filter()?;
        let returning = self.returning()?;
        Ok(Statement::Delete(Box::new(Delete { with, table, alias, using, filter, returning })))
    }

    fn dml_filter(&mut self) -> Result<Option<Expr>, SqlError> {
        if !self.eat_word("where") {
            return Ok(None);
        }
        if self.is_word("current") && self.is_word_at(1, "of") {
            return Err(SqlError::unsupported("WHERE CURRENT OF is not supported").at(self.at()));
        }
        self.expr().map(Some)
    }
}
