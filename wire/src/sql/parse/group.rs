//! GROUP BY: expressions, ROLLUP, CUBE, GROUPING SETS.

use super::Parser;
use crate::error::SqlError;
use crate::sql::ast::{Expr, ExprKind, GroupItem};
use crate::sql::lexer::Kind;

impl Parser<'_> {
    pub(super) fn group_items(&mut self) -> Result<Vec<GroupItem>, SqlError> {
        let mut items = vec![self.group_item()?];
        while self.eat_punct(b',') {
            items.push(self.group_item()?);
        }
        Ok(items)
    }

    fn group_item(&mut self) -> Result<GroupItem, SqlError> {
        if self.is_punct(b'(') && self.ahead(1).kind == Kind::Punct(b')') {
            self.advance();
            self.advance();
            return Ok(GroupItem::List(Vec::new()));
        }
        if self.eat_words(&["grouping", "sets"]) {
            self.expect_punct(b'(')?;
            let items = self.nested(Self::group_items)?;
            self.expect_punct(b')')?;
            return Ok(GroupItem::Sets(items));
        }
        let paren = self.ahead(1).kind == Kind::Punct(b'(');
        if paren && self.eat_word("rollup") {
            return self.group_lists().map(GroupItem::Rollup);
        }
        if paren && self.eat_word("cube") {
            return self.group_lists().map(GroupItem::Cube);
        }
        let parenthesised = self.is_punct(b'(');
        let expr = self.expr()?;
        Ok(match listed(expr, parenthesised) {
            Ok(list) => GroupItem::List(list),
            Err(expr) => GroupItem::Expr(expr),
        })
    }

    /// `(a, (b, c))`
    fn group_lists(&mut self) -> Result<Vec<Vec<Expr>>, SqlError> {
        self.expect_punct(b'(')?;
        let mut lists = Vec::new();
        loop {
            let parenthesised = self.is_punct(b'(');
            let expr = self.expr()?;
            lists.push(listed(expr, parenthesised).unwrap_or_else(|expr| vec![expr]));
            if !self.eat_punct(b',') {
                break;
            }
        }
        self.expect_punct(b')')?;
        Ok(lists)
    }
}

/// `(a, b)` is a list of keys; ROW(a, b) is one key.
fn listed(expr: Expr, parenthesised: bool) -> Result<Vec<Expr>, Expr> {
    if let (ExprKind::Row(list), true) = (&expr.kind, parenthesised) { Ok(list.clone()) } else { Err(expr) }
}
