//! FROM: tables, derived tables, table functions, joins.

use super::Parser;
use crate::error::SqlError;
use crate::sql::ast::{Alias, FromItem, JoinCondition, JoinKind};
use crate::sql::lexer::Kind;

impl Parser<'_> {
    /// `a, b join c ..`
    pub(super) fn relations(&mut self) -> Result<Vec<FromItem>, SqlError> {
        let mut items = vec![self.joined()?];
        while self.eat_punct(b',') {
            items.push(self.joined()?);
        }
        Ok(items)
    }

    fn joined(&mut self) -> Result<FromItem, SqlError> {
        let mut left = self.relation()?;
        loop {
            let at = self.at();
            let natural = self.eat_word("natural");
            let Some(kind) = self.join_kind()? else {
                return if natural { Err(self.unexpected()) } else { Ok(left) };
            };
            let right = if kind == JoinKind::Cross { self.relation()? } else { self.join_right()? };
            let condition = if kind == JoinKind::Cross {
                JoinCondition::None
            } else if natural {
                JoinCondition::Natural
            } else if self.eat_word("on") {
                JoinCondition::On(self.expr()?)
            } else if self.eat_word("using") {
                let names = self.parenthesised_names()?;
                if names.is_empty() {
                    return Err(self.unexpected());
                }
                let alias = if self.eat_word("as") { Some(self.column_name()?) } else { None };
                JoinCondition::Using(names, alias)
            } else {
                return Err(self.unexpected());
            };
            left = FromItem::Join { at, kind, left: Box::new(left), right: Box::new(right), condition, alias: None };
        }
    }

    /// `a join b join c on .. on ..`: the inner join comes first when a condition is still due.
    fn join_right(&mut self) -> Result<FromItem, SqlError> {
        let right = self.nested(Self::relation)?;
        let join_follows = ["join", "inner", "left", "right", "full"].iter().any(|word| self.is_word(word));
        if !join_follows {
            return Ok(right);
        }
        let at = self.at();
        let Some(kind) = self.join_kind()? else { return Ok(right) };
        let inner = self.nested(Self::join_right)?;
        self.expect_word("on")?;
        let condition = JoinCondition::On(self.expr()?);
        Ok(FromItem::Join { at, kind, left: Box::new(right), right: Box::new(inner), condition, alias: None })
    }

    fn join_kind(&mut self) -> Result<Option<JoinKind>, SqlError> {
        let kind = match self.word_at(0).as_deref() {
            Some("join") => {
                self.advance();
                return Ok(Some(JoinKind::Inner));
            }
            Some("inner") => JoinKind::Inner,
            Some("left") => JoinKind::Left,
            Some("right") => JoinKind::Right,
            Some("full") => JoinKind::Full,
            Some("cross") => JoinKind::Cross,
            _ => return Ok(None),
        };
        self.advance();
        if matches!(kind, JoinKind::Left | JoinKind::Right | JoinKind::Full) {
            self.eat_word("outer");
        }
        self.expect_word("join")?;
        Ok(Some(kind))
    }

    fn relation(&mut self) -> Result<FromItem, SqlError> {
        let at = self.at();
        let lateral = self.eat_word("lateral");
        if self.is_punct(b'(') {
            if self.starts_query() {
                return self.derived(at, lateral);
            }
            self.advance();
            let mut item = self.nested(Self::joined)?;
            self.expect_punct(b')')?;
            if let Some(new) = self.alias()? {
                match &mut item {
                    FromItem::Join { alias, .. } => *alias = Some(new),
                    FromItem::Table { .. }
                    | FromItem::Query { .. }
                    | FromItem::Function { .. }
                    | FromItem::RowsFrom { .. } => {
                        return Err(self.unexpected());
                    }
                }
            }
            return Ok(item);
        }
        if self.is_word("rows") && self.is_word_at(1, "from") {
            return self.rows_from();
        }
        let only = self.is_word("only");
        if only {
            self.advance();
        }
        if !only && let Some(item) = self.function_item(at)? {
            return Ok(item);
        }
        let enclosed = only && self.eat_punct(b'(');
        let name = self.object_name()?;
        if enclosed {
            self.expect_punct(b')')?;
        }
        self.eat_operator("*");
        let alias = self.alias()?;
        if self.is_word("tablesample") {
            return Err(SqlError::unsupported("TABLESAMPLE is not supported").at(self.at()));
        }
        Ok(FromItem::Table { name, alias })
    }

    fn derived(&mut self, at: u32, lateral: bool) -> Result<FromItem, SqlError> {
        // `((select 1) union select 2) x` and `((select 1) x join y ..)` both begin with a query: try the query first.
        let start = self.save();
        self.expect_punct(b'(')?;
        if let Ok(query) = self.query()
            && self.eat_punct(b')')
        {
            let alias = self.alias()?;
            return Ok(FromItem::Query { at, lateral, query: Box::new(query), alias });
        }
        self.restore(start);
        self.expect_punct(b'(')?;
        if self.is_punct(b'(') {
            let item = self.nested(Self::joined)?;
            self.expect_punct(b')')?;
            return Ok(item);
        }
        let query = self.query()?;
        self.expect_punct(b')')?;
        let alias = self.alias()?;
        Ok(FromItem::Query { at, lateral, query: Box::new(query), alias })
    }

    fn function_item(&mut self, at: u32) -> Result<Option<FromItem>, SqlError> {
        let mut count = 1;
        while self.ahead(count).kind == Kind::Punct(b'.') {
            count += 2;
        }
        let session_function =
            self.is_word("current_schema") || self.is_word("current_user") || self.is_word("current_date");
        if self.ahead(count).kind != Kind::Punct(b'(') {
            if session_function {
                return Err(SqlError::unsupported("this function in FROM is not supported").at(at));
            }
            return Ok(None);
        }
        let name = self.function_name()?;
        let call = self.call_parts(name)?;
        let ordinality = self.eat_words(&["with", "ordinality"]);
        let alias = self.alias()?;
        Ok(Some(FromItem::Function { call: Box::new(call), at, ordinality, alias }))
    }

    /// `ROWS FROM (f(..), g(..))`
    fn rows_from(&mut self) -> Result<FromItem, SqlError> {
        self.advance();
        self.advance();
        self.expect_punct(b'(')?;
        let mut calls = Vec::new();
        loop {
            let call_at = self.at();
            let name = self.function_name()?;
            calls.push((self.call_parts(name)?, call_at));
            if self.is_word("as") {
                return Err(SqlError::unsupported("a column definition list is not supported").at(self.at()));
            }
            if !self.eat_punct(b',') {
                break;
            }
        }
        self.expect_punct(b')')?;
        let ordinality = self.eat_words(&["with", "ordinality"]);
        let alias = self.alias()?;
        Ok(FromItem::RowsFrom { calls, ordinality, alias })
    }

    fn alias(&mut self) -> Result<Option<Alias>, SqlError> {
        let name = if self.eat_word("as") {
            if self.is_punct(b'(') {
                return Err(SqlError::unsupported("a column definition list is not supported").at(self.at()));
            }
            self.column_name()?
        } else if self.is_column_name() {
            self.column_name()?
        } else {
            return Ok(None);
        };
        let columns = self.parenthesised_names()?;
        Ok(Some(Alias { name, columns }))
    }
}
