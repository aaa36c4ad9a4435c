//! Names in expressions: columns, calls with their clauses, and types in front of a string.

use super::Parser;
use crate::error::SqlError;
use crate::sql::ast::{Call, Expr, ExprKind, ObjectName, Over};
use crate::sql::keyword;
use crate::sql::lexer::Kind;

impl Parser<'_> {
    /// A name of one to three parts, `t.*`, or a call.
    pub(super) fn name_or_call(&mut self) -> Result<Expr, SqlError> {
        let at = self.at();
        let call = self.call_ahead();
        if call {
            let name = self.function_name()?;
            if self.type_literal_ahead() {
                return self.string_as(name);
            }
            return self.call(name, at);
        }
        let mut parts = vec![self.column_name()?];
        while self.eat_punct(b'.') {
            if self.is_operator("*") {
                self.advance();
                return Ok(Expr { at, kind: ExprKind::Star(parts) });
            }
            parts.push(self.label()?);
        }
        Ok(Expr { at, kind: ExprKind::Column(parts) })
    }

    pub(super) fn type_literal_ahead(&self) -> bool {
        matches!(self.token().kind, Kind::String | Kind::EscapeString | Kind::DollarString | Kind::UnicodeString)
    }

    /// Whether `name [. name ..]` followed by `(` or by a string stands here.
    pub(super) fn call_ahead(&self) -> bool {
        let mut count = 1;
        while self.ahead(count).kind == Kind::Punct(b'.') {
            count += 2;
        }
        match self.ahead(count).kind {
            Kind::Punct(b'(') | Kind::String | Kind::EscapeString | Kind::DollarString | Kind::UnicodeString => true,
            Kind::Word
            | Kind::Quoted
            | Kind::UnicodeQuoted
            | Kind::Parameter(_)
            | Kind::Int4
            | Kind::Int8
            | Kind::Numeric
            | Kind::BitString
            | Kind::Operator
            | Kind::Punct(_)
            | Kind::Typecast
            | Kind::Assign
            | Kind::Arrow
            | Kind::End => false,
        }
    }

    /// A function's or type's name.
    pub(super) fn function_name(&mut self) -> Result<ObjectName, SqlError> {
        let qualified = self.ahead(1).kind == Kind::Punct(b'.');
        let mut parts = vec![if qualified { self.column_name()? } else { self.named(keyword::may_name_function)? }];
        while self.eat_punct(b'.') {
            parts.push(self.label()?);
        }
        Ok(ObjectName { parts })
    }

    /// `type 'string'`
    pub(super) fn string_as(&mut self, name: ObjectName) -> Result<Expr, SqlError> {
        let target = crate::sql::ast::TypeName {
            at: name.at(),
            schema: name.schema().map(str::to_owned),
            name: name.last().to_owned(),
            modifiers: Vec::new(),
            array: false,
            quoted: false,
        };
        let at = target.at;
        let arg = Box::new(self.primary()?);
        Ok(Expr { at, kind: ExprKind::Cast { arg, target } })
    }

    /// The arguments and what follows them, after the name.
    pub(super) fn call(&mut self, name: ObjectName, at: u32) -> Result<Expr, SqlError> {
        let call = self.call_parts(name)?;
        Ok(Expr { at, kind: ExprKind::Call(Box::new(call)) })
    }

    pub(super) fn call_parts(&mut self, name: ObjectName) -> Result<Call, SqlError> {
        self.expect_punct(b'(')?;
        let mut call = Call {
            name,
            args: Vec::new(),
            star: false,
            distinct: false,
            variadic: false,
            order_by: Vec::new(),
            filter: None,
            over: None,
        };
        if self.is_operator("*") {
            self.advance();
            call.star = true;
        } else if !self.is_punct(b')') {
            call.distinct = self.eat_word("distinct");
            if !call.distinct {
                self.eat_word("all");
            }
            loop {
                call.variadic |= self.eat_word("variadic");
                if matches!(self.ahead(1).kind, Kind::Arrow | Kind::Assign) {
                    return Err(SqlError::unsupported("named arguments are not supported").at(self.at()));
                }
                call.args.push(self.expr()?);
                if !self.eat_punct(b',') {
                    break;
                }
            }
            if self.is_word("order") {
                call.order_by = self.order_by()?;
            }
        }
        self.expect_punct(b')')?;
        if self.is_word("within") {
            return Err(SqlError::unsupported("WITHIN GROUP is not supported").at(self.at()));
        }
        if self.is_word("filter") && self.ahead(1).kind == Kind::Punct(b'(') {
            self.advance();
            self.advance();
            self.expect_word("where")?;
            call.filter = Some(self.expr()?);
            self.expect_punct(b')')?;
        }
        if self.eat_word("over") {
            call.over = Some(if self.is_punct(b'(') {
                Over::Window(Box::new(self.window()?))
            } else {
                Over::Named(self.column_name()?)
            });
        }
        Ok(call)
    }
}
