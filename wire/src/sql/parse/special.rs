//! Primary expressions that begin with a word of the language: CASE, CAST, EXTRACT, typed literals, CURRENT_DATE and so on.

use super::Parser;
use super::expr::plain_call;
use crate::error::SqlError;
use crate::sql::ast::{Builtin, Expr, ExprKind, LiteralKind, LiteralRef, SessionWord, TypeName};
use crate::sql::lexer::Kind;

impl Parser<'_> {
    pub(super) fn word_primary(&mut self) -> Result<Expr, SqlError> {
        let at = self.at();
        let word = self.word_at(0).unwrap_or_default();
        let paren = self.ahead(1).kind == Kind::Punct(b'(');
        if let Some(session) = session_word(&word).filter(|word| !paren || has_precision(*word)) {
            self.advance();
            let precision = self.precision()?;
            return Ok(Expr { at, kind: ExprKind::Session { word: session, precision } });
        }
        let kind = match word.as_str() {
            "true" => self.constant(ExprKind::Bool(true)),
            "false" => self.constant(ExprKind::Bool(false)),
            "null" => self.constant(ExprKind::Null),
            "default" => self.constant(ExprKind::Default),
            "case" => self.case()?,
            "cast" if paren => self.cast()?,
            "exists" if paren => {
                self.advance();
                self.expect_punct(b'(')?;
                let query = Box::new(self.query()?);
                self.expect_punct(b')')?;
                ExprKind::Exists(query)
            }
            "array" if self.ahead(1).kind == Kind::Punct(b'[') => {
                self.advance();
                self.array()?
            }
            "array" if paren => {
                self.advance();
                self.expect_punct(b'(')?;
                let query = Box::new(self.query()?);
                self.expect_punct(b')')?;
                ExprKind::ArrayQuery(query)
            }
            "row" if paren => {
                self.advance();
                self.expect_punct(b'(')?;
                let list = if self.is_punct(b')') { Vec::new() } else { self.exprs()? };
                self.expect_punct(b')')?;
                ExprKind::Row(list)
            }
            "coalesce" if paren => self.builtin(Builtin::Coalesce)?,
            "nullif" if paren => self.builtin(Builtin::Nullif)?,
            "greatest" if paren => self.builtin(Builtin::Greatest)?,
            "least" if paren => self.builtin(Builtin::Least)?,
            "extract" | "position" | "substring" | "trim" | "overlay" if paren => return self.worded_call(&word),
            "grouping" if paren => {
                self.advance();
                self.expect_punct(b'(')?;
                let list = self.exprs()?;
                self.expect_punct(b')')?;
                ExprKind::Grouping(list)
            }
            "xmlelement" | "xmlforest" | "xmlparse" | "xmlpi" | "xmlroot" | "xmlserialize" | "xmlexists"
            | "xmlconcat" | "normalize" | "treat"
                if paren =>
            {
                return Err(SqlError::unsupported(format!("{} is not supported", word.to_ascii_uppercase())).at(at));
            }
            _ if self.builtin_type_ahead() => return self.typed_literal(),
            _ => return self.name_or_call(),
        };
        Ok(Expr { at, kind })
    }

    fn constant(&mut self, kind: ExprKind) -> ExprKind {
        self.advance();
        kind
    }

    fn precision(&mut self) -> Result<Option<u32>, SqlError> {
        if !self.eat_punct(b'(') {
            return Ok(None);
        }
        let precision = if self.token().kind == Kind::Int4 { self.token_text().parse().ok() } else { None };
        if precision.is_none() {
            return Err(self.unexpected());
        }
        self.advance();
        self.expect_punct(b')')?;
        Ok(precision)
    }

    fn case(&mut self) -> Result<ExprKind, SqlError> {
        self.expect_word("case")?;
        let operand = if self.is_word("when") { None } else { Some(Box::new(self.expr()?)) };
        let mut whens = Vec::new();
        while self.eat_word("when") {
            let condition = self.expr()?;
            self.expect_word("then")?;
            whens.push((condition, self.expr()?));
        }
        if whens.is_empty() {
            return Err(self.unexpected());
        }
        let otherwise = if self.eat_word("else") { Some(Box::new(self.expr()?)) } else { None };
        self.expect_word("end")?;
        Ok(ExprKind::Case { operand, whens, otherwise })
    }

    fn cast(&mut self) -> Result<ExprKind, SqlError> {
        self.expect_word("cast")?;
        self.expect_punct(b'(')?;
        let arg = Box::new(self.expr()?);
        self.expect_word("as")?;
        let target = self.type_name()?;
        self.expect_punct(b')')?;
        Ok(ExprKind::Cast { arg, target })
    }

    fn array(&mut self) -> Result<ExprKind, SqlError> {
        self.expect_punct(b'[')?;
        let mut list = Vec::new();
        if !self.is_punct(b']') {
            loop {
                if self.is_punct(b'[') {
                    return Err(SqlError::unsupported("arrays of several dimensions are not supported").at(self.at()));
                }
                list.push(self.expr()?);
                if !self.eat_punct(b',') {
                    break;
                }
            }
        }
        self.expect_punct(b']')?;
        Ok(ExprKind::Array(list))
    }

    fn builtin(&mut self, which: Builtin) -> Result<ExprKind, SqlError> {
        self.advance();
        self.expect_punct(b'(')?;
        let args = self.exprs()?;
        if which == Builtin::Nullif && args.len() != 2 {
            return Err(self.unexpected());
        }
        self.expect_punct(b')')?;
        Ok(ExprKind::Builtin { which, args })
    }

    /// `EXTRACT(f FROM x)`, `POSITION(a IN b)`, `SUBSTRING(x FROM a FOR b)`, `TRIM(..)`, `OVERLAY(..)`: calls in words.
    fn worded_call(&mut self, word: &str) -> Result<Expr, SqlError> {
        let at = self.at();
        self.advance();
        self.expect_punct(b'(')?;
        let (name, args) = match word {
            "extract" => ("extract", self.extract_args()?),
            "position" => {
                let needle = self.expr_above(super::expr::RANGE_POWER)?;
                self.expect_word("in")?;
                let hay = self.expr_above(super::expr::RANGE_POWER)?;
                ("position", vec![hay, needle])
            }
            "substring" => ("substring", self.substring_args()?),
            "trim" => self.trim_args()?,
            _ => ("overlay", self.overlay_args()?),
        };
        self.expect_punct(b')')?;
        Ok(plain_call(at, name, args))
    }

    fn extract_args(&mut self) -> Result<Vec<Expr>, SqlError> {
        let at = self.at();
        // The field is a word; it becomes a constant that the binder reads from the text.
        let field = if matches!(self.token().kind, Kind::Word | Kind::Quoted) {
            let name = self.label()?;
            Expr { at, kind: ExprKind::Word(name.text) }
        } else {
            self.expr_above(super::expr::RANGE_POWER)?
        };
        self.expect_word("from")?;
        Ok(vec![field, self.expr()?])
    }

    fn substring_args(&mut self) -> Result<Vec<Expr>, SqlError> {
        let mut args = vec![self.expr()?];
        if self.is_word("similar") {
            return Err(SqlError::unsupported("SUBSTRING .. SIMILAR is not supported").at(self.at()));
        }
        if self.eat_word("from") {
            args.push(self.expr()?);
            if self.eat_word("for") {
                args.push(self.expr()?);
            }
            return Ok(args);
        }
        if self.eat_word("for") {
            let at = self.at();
            let length = self.expr()?;
            args.push(Expr { at, kind: ExprKind::Integer(1) });
            args.push(length);
            return Ok(args);
        }
        while self.eat_punct(b',') {
            args.push(self.expr()?);
        }
        Ok(args)
    }

    fn trim_args(&mut self) -> Result<(&'static str, Vec<Expr>), SqlError> {
        let name = if self.eat_word("leading") {
            "ltrim"
        } else if self.eat_word("trailing") {
            "rtrim"
        } else {
            self.eat_word("both");
            "btrim"
        };
        if self.eat_word("from") {
            return Ok((name, self.exprs()?));
        }
        let first = self.expr()?;
        if self.eat_word("from") {
            let mut args = self.exprs()?;
            args.push(first);
            return Ok((name, args));
        }
        let mut args = vec![first];
        while self.eat_punct(b',') {
            args.push(self.expr()?);
        }
        Ok((name, args))
    }

    fn overlay_args(&mut self) -> Result<Vec<Expr>, SqlError> {
        let mut args = vec![self.expr()?];
        if self.is_punct(b',') {
            while self.eat_punct(b',') {
                args.push(self.expr()?);
            }
            return Ok(args);
        }
        self.expect_word("placing")?;
        args.push(self.expr()?);
        self.expect_word("from")?;
        args.push(self.expr()?);
        if self.eat_word("for") {
            args.push(self.expr()?);
        }
        Ok(args)
    }

    /// `timestamp with time zone '..'`, `interval '..' day` or a name that is also a type's word (`time`).
    fn typed_literal(&mut self) -> Result<Expr, SqlError> {
        let at = self.at();
        let start = self.save();
        if let Ok(target) = self.type_name()
            && matches!(self.token().kind, Kind::String | Kind::EscapeString | Kind::DollarString | Kind::UnicodeString)
        {
            return self.literal_as(at, target);
        }
        self.restore(start);
        self.name_or_call()
    }

    fn literal_as(&mut self, at: u32, target: TypeName) -> Result<Expr, SqlError> {
        let literal = LiteralRef { index: self.literals, negative: false };
        let literal_at = self.at();
        self.lifted.push(self.literals);
        self.advance();
        let fields = ["year", "month", "day", "hour", "minute", "second"];
        if target.name == "interval" && self.word_at(0).is_some_and(|word| fields.contains(&word.as_str())) {
            return Err(SqlError::unsupported("fields of type interval are not supported").at(self.at()));
        }
        let arg = Box::new(Expr { at: literal_at, kind: ExprKind::Literal(LiteralKind::String, literal) });
        Ok(Expr { at, kind: ExprKind::Cast { arg, target } })
    }
}

fn session_word(word: &str) -> Option<SessionWord> {
    Some(match word {
        "current_date" => SessionWord::CurrentDate,
        "current_time" => SessionWord::CurrentTime,
        "current_timestamp" => SessionWord::CurrentTimestamp,
        "localtime" => SessionWord::LocalTime,
        "localtimestamp" => SessionWord::LocalTimestamp,
        "current_user" => SessionWord::CurrentUser,
        "current_role" => SessionWord::CurrentRole,
        "user" => SessionWord::User,
        "session_user" => SessionWord::SessionUser,
        "current_catalog" => SessionWord::CurrentCatalog,
        "current_schema" => SessionWord::CurrentSchema,
        _ => return None,
    })
}

fn has_precision(word: SessionWord) -> bool {
    match word {
        SessionWord::CurrentTime
        | SessionWord::CurrentTimestamp
        | SessionWord::LocalTime
        | SessionWord::LocalTimestamp => true,
        SessionWord::CurrentDate
        | SessionWord::CurrentUser
        | SessionWord::CurrentRole
        | SessionWord::User
        | SessionWord::SessionUser
        | SessionWord::CurrentCatalog
        | SessionWord::CurrentSchema => false,
    }
}
