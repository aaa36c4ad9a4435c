//! Expressions, by precedence climbing over PostgreSQL's table of precedence.
//!
//! Source: <https://www.postgresql.org/docs/15/sql-syntax-lexical.html#SQL-PRECEDENCE>

use super::{CHAINED_OPERATORS_MAX, CONNECTIVE_OPERANDS_MAX, Parser};
use crate::error::SqlError;
use crate::sql::ast::{
    BoolTest, Call, Expr, ExprKind, LikeKind, LiteralKind, LiteralRef, Name, ObjectName, OperatorName, Quantifier,
};
use crate::sql::lexer::Kind;

/// Binding powers, low to high.
const OR: u8 = 1;
const AND: u8 = 2;
const NOT: u8 = 3;
const IS: u8 = 4;
const COMPARISON: u8 = 5;
pub(super) const RANGE_POWER: u8 = 6;
const RANGE: u8 = RANGE_POWER;
const OTHER: u8 = 7;
const ADD: u8 = 8;
const MULTIPLY: u8 = 9;
const POWER: u8 = 10;
const AT_ZONE: u8 = 11;
const COLLATE: u8 = 12;
const SIGN: u8 = 13;

/// What stands after an operand.
enum Infix {
    Operator(u8),
    And,
    Or,
    Is,
    IsNullWord(bool),
    Range { negated: bool },
    AtTimeZone,
    Collate,
}

impl Infix {
    fn power(&self) -> u8 {
        match self {
            Self::Operator(power) => *power,
            Self::And => AND,
            Self::Or => OR,
            Self::Is | Self::IsNullWord(_) => IS,
            Self::Range { .. } => RANGE,
            Self::AtTimeZone => AT_ZONE,
            Self::Collate => COLLATE,
        }
    }
}

fn operator_power(name: &str) -> u8 {
    match name {
        "<" | ">" | "=" | "<=" | ">=" | "<>" | "!=" => COMPARISON,
        "+" | "-" => ADD,
        "*" | "/" | "%" => MULTIPLY,
        "^" => POWER,
        _ => OTHER,
    }
}

impl Parser<'_> {
    pub(crate) fn expr(&mut self) -> Result<Expr, SqlError> {
        if self.expressions == 0 {
            self.chained = 0;
        }
        self.expressions += 1;
        let parsed = self.nested(|parser| parser.expr_above(0));
        self.expressions -= 1;
        parsed
    }

    /// Counts one more operator over an operator.
    fn chain(&mut self, connective: bool, length: u32) -> Result<(), SqlError> {
        if !connective {
            self.chained += 1;
        }
        if self.chained > CHAINED_OPERATORS_MAX || length > CONNECTIVE_OPERANDS_MAX {
            return Err(SqlError::new("54001", "stack depth limit exceeded")
                .hint("The expression has too many operators.")
                .at(self.at()));
        }
        Ok(())
    }

    /// `a, b, ..`
    pub(super) fn exprs(&mut self) -> Result<Vec<Expr>, SqlError> {
        let mut list = vec![self.expr()?];
        while self.eat_punct(b',') {
            list.push(self.expr()?);
        }
        Ok(list)
    }

    /// An expression of operators that bind tighter than `floor`.
    pub(super) fn expr_above(&mut self, floor: u8) -> Result<Expr, SqlError> {
        let mut left = self.prefix()?;
        // Comparison and IN, LIKE, BETWEEN do not associate: `a = b = c` is an error.
        let mut ceiling = u8::MAX;
        let mut length = 0;
        while let Some(infix) = self.infix()? {
            let power = infix.power();
            if power <= floor || power >= ceiling && matches!(power, COMPARISON | RANGE) {
                break;
            }
            ceiling = if matches!(power, COMPARISON | RANGE) { power } else { u8::MAX };
            if length > 0 {
                self.chain(matches!(infix, Infix::And | Infix::Or), length)?;
            }
            length += 1;
            left = self.nested(|parser| parser.apply(left, infix))?;
        }
        Ok(left)
    }

    fn prefix(&mut self) -> Result<Expr, SqlError> {
        let at = self.at();
        if self.eat_word("not") {
            let arg = self.nested(|parser| parser.expr_above(NOT - 1))?;
            return Ok(Expr { at, kind: ExprKind::Not(Box::new(arg)) });
        }
        if self.token().kind == Kind::Operator {
            let name = self.operator_name()?;
            if name.name == "*" {
                return Err(SqlError::new("42601", "syntax error at or near \"*\"").at(at));
            }
            let sign = matches!(name.name.as_str(), "-" | "+");
            let arg = self.nested(|parser| parser.expr_above(if sign { SIGN } else { OTHER }))?;
            return Ok(negate(at, name, arg));
        }
        if self.is_word("operator") && self.ahead(1).kind == Kind::Punct(b'(') {
            let op = self.operator_name()?;
            let arg = self.nested(|parser| parser.expr_above(OTHER))?;
            return Ok(Expr { at, kind: ExprKind::Unary { op, arg: Box::new(arg) } });
        }
        let primary = self.primary()?;
        self.postfix(primary)
    }

    /// `::type`, `[index]`, `.field` bind tightest.
    fn postfix(&mut self, mut expr: Expr) -> Result<Expr, SqlError> {
        loop {
            let at = self.at();
            if self.token().kind == Kind::Typecast {
                self.advance();
                let target = self.type_name()?;
                expr = Expr { at, kind: ExprKind::Cast { arg: Box::new(expr), target } };
            } else if self.eat_punct(b'[') {
                expr = self.subscript(expr, at)?;
            } else if self.is_punct(b'.') && !matches!(expr.kind, ExprKind::Column(_)) {
                self.advance();
                let field = self.label()?;
                expr = Expr { at, kind: ExprKind::Field { base: Box::new(expr), field } };
            } else {
                return Ok(expr);
            }
        }
    }

    fn subscript(&mut self, base: Expr, at: u32) -> Result<Expr, SqlError> {
        let base = Box::new(base);
        if self.eat_punct(b':') {
            if !self.is_punct(b']') {
                self.expr()?;
            }
            self.expect_punct(b']')?;
            return Ok(Expr { at, kind: ExprKind::Slice { base } });
        }
        let index = Box::new(self.expr()?);
        if self.eat_punct(b':') {
            if !self.is_punct(b']') {
                self.expr()?;
            }
            self.expect_punct(b']')?;
            return Ok(Expr { at, kind: ExprKind::Slice { base } });
        }
        self.expect_punct(b']')?;
        Ok(Expr { at, kind: ExprKind::Subscript { base, index } })
    }

    /// `op` or `OPERATOR(schema.op)`, consumed.
    pub(super) fn operator_name(&mut self) -> Result<OperatorName, SqlError> {
        if self.eat_word("operator") {
            self.expect_punct(b'(')?;
            let mut schema = None;
            while self.token().kind == Kind::Word || self.token().kind == Kind::Quoted {
                schema = Some(self.label()?.text);
                self.expect_punct(b'.')?;
            }
            if self.token().kind != Kind::Operator {
                return Err(self.unexpected());
            }
            let name = self.token_text().to_owned();
            self.advance();
            self.expect_punct(b')')?;
            return Ok(OperatorName { name, schema });
        }
        let name = match self.token_text() {
            "!=" => "<>",
            name => name,
        }
        .to_owned();
        self.advance();
        Ok(OperatorName { name, schema: None })
    }

    /// Looks at what stands after an operand, without consuming it.
    fn infix(&mut self) -> Result<Option<Infix>, SqlError> {
        let token = self.token();
        if token.kind == Kind::Operator {
            let name = if self.token_text() == "!=" { "<>" } else { self.token_text() };
            let power = operator_power(name);
            return Ok(Some(Infix::Operator(power)));
        }
        if token.kind != Kind::Word {
            return Ok(None);
        }
        let word = self.word_at(0).unwrap_or_default();
        Ok(match word.as_str() {
            "and" => Some(Infix::And),
            "or" => Some(Infix::Or),
            "is" => Some(Infix::Is),
            "isnull" => Some(Infix::IsNullWord(false)),
            "notnull" => Some(Infix::IsNullWord(true)),
            "between" | "in" | "like" | "ilike" | "similar" => Some(Infix::Range { negated: false }),
            "not"
                if self
                    .word_at(1)
                    .is_some_and(|word| matches!(word.as_str(), "between" | "in" | "like" | "ilike" | "similar")) =>
            {
                Some(Infix::Range { negated: true })
            }
            "at" if self.is_word_at(1, "time") && self.is_word_at(2, "zone") => Some(Infix::AtTimeZone),
            "collate" => Some(Infix::Collate),
            "operator" if self.ahead(1).kind == Kind::Punct(b'(') => Some(Infix::Operator(OTHER)),
            "overlaps" => return Err(SqlError::unsupported("OVERLAPS is not supported").at(token.start)),
            _ => None,
        })
    }

    fn apply(&mut self, left: Expr, infix: Infix) -> Result<Expr, SqlError> {
        let at = self.at();
        match infix {
            Infix::Operator(power) => {
                let op = self.operator_name()?;
                self.operator(left, op, at, power)
            }
            Infix::And => {
                self.advance();
                let right = self.expr_above(AND)?;
                Ok(Expr { at, kind: ExprKind::And(Box::new(left), Box::new(right)) })
            }
            Infix::Or => {
                self.advance();
                let right = self.expr_above(OR)?;
                Ok(Expr { at, kind: ExprKind::Or(Box::new(left), Box::new(right)) })
            }
            Infix::Is => self.is_test(left, at),
            Infix::IsNullWord(negated) => {
                self.advance();
                Ok(Expr { at, kind: ExprKind::IsNull { arg: Box::new(left), negated } })
            }
            Infix::Range { negated } => {
                if negated {
                    self.advance();
                }
                self.range(left, negated)
            }
            Infix::AtTimeZone => {
                for _ in 0..3 {
                    self.advance();
                }
                let zone = self.expr_above(AT_ZONE)?;
                Ok(plain_call(at, "timezone", vec![zone, left]))
            }
            Infix::Collate => {
                self.advance();
                let collation = self.any_name()?;
                Ok(Expr { at, kind: ExprKind::Collate { arg: Box::new(left), collation } })
            }
        }
    }

    /// A collation's name may be a word like `default`.
    fn any_name(&mut self) -> Result<ObjectName, SqlError> {
        let mut parts = vec![self.label()?];
        while self.eat_punct(b'.') {
            parts.push(self.label()?);
        }
        Ok(ObjectName { parts })
    }

    fn operator(&mut self, left: Expr, op: OperatorName, at: u32, power: u8) -> Result<Expr, SqlError> {
        let quantifier = match self.word_at(0).as_deref() {
            Some("any" | "some") => Some(Quantifier::Any),
            Some("all") => Some(Quantifier::All),
            _ => None,
        };
        if let Some(quantifier) = quantifier.filter(|_| self.ahead(1).kind == Kind::Punct(b'(')) {
            self.advance();
            self.advance();
            let left = Box::new(left);
            let kind = if self.starts_subquery(0) {
                let query = Box::new(self.query()?);
                ExprKind::QuantifiedQuery { left, op, quantifier, query }
            } else {
                let array = Box::new(self.expr()?);
                ExprKind::QuantifiedArray { left, op, quantifier, array }
            };
            self.expect_punct(b')')?;
            return Ok(Expr { at, kind });
        }
        let right = self.expr_above(power)?;
        Ok(Expr { at, kind: ExprKind::Binary { op, left: Box::new(left), right: Box::new(right) } })
    }

    fn is_test(&mut self, left: Expr, at: u32) -> Result<Expr, SqlError> {
        self.expect_word("is")?;
        let negated = self.eat_word("not");
        let arg = Box::new(left);
        let Some(word) = self.word_at(0) else { return Err(self.unexpected()) };
        let kind = match word.as_str() {
            "null" => ExprKind::IsNull { arg, negated },
            "true" => ExprKind::IsBool { arg, test: BoolTest::True, negated },
            "false" => ExprKind::IsBool { arg, test: BoolTest::False, negated },
            "unknown" => ExprKind::IsBool { arg, test: BoolTest::Unknown, negated },
            "distinct" => {
                self.advance();
                self.expect_word("from")?;
                let right = Box::new(self.expr_above(IS)?);
                return Ok(Expr { at, kind: ExprKind::IsDistinct { left: arg, right, negated } });
            }
            "json" | "document" | "normalized" | "nfc" | "nfd" | "nfkc" | "nfkd" => {
                return Err(
                    SqlError::unsupported(format!("IS {} is not supported", word.to_ascii_uppercase())).at(self.at())
                );
            }
            _ => return Err(self.unexpected()),
        };
        self.advance();
        Ok(Expr { at, kind })
    }

    fn range(&mut self, left: Expr, negated: bool) -> Result<Expr, SqlError> {
        let at = self.at();
        let arg = Box::new(left);
        if self.eat_word("between") {
            let symmetric = self.eat_word("symmetric");
            if !symmetric {
                self.eat_word("asymmetric");
            }
            let low = Box::new(self.expr_above(RANGE)?);
            self.expect_word("and")?;
            let high = Box::new(self.expr_above(RANGE)?);
            return Ok(Expr { at, kind: ExprKind::Between { arg, low, high, symmetric, negated } });
        }
        if self.eat_word("in") {
            self.expect_punct(b'(')?;
            let kind = if self.starts_subquery(0) {
                ExprKind::InQuery { arg, query: Box::new(self.query()?), negated }
            } else {
                ExprKind::InList { arg, list: self.exprs()?, negated }
            };
            self.expect_punct(b')')?;
            return Ok(Expr { at, kind });
        }
        let kind = if self.eat_word("like") {
            LikeKind::Like
        } else if self.eat_word("ilike") {
            LikeKind::ILike
        } else {
            self.expect_word("similar")?;
            self.expect_word("to")?;
            LikeKind::SimilarTo
        };
        if matches!(self.word_at(0).as_deref(), Some("any" | "some" | "all")) && self.ahead(1).kind == Kind::Punct(b'(')
        {
            let name = match kind {
                LikeKind::Like if negated => "!~~",
                LikeKind::Like => "~~",
                LikeKind::ILike if negated => "!~~*",
                LikeKind::ILike => "~~*",
                LikeKind::SimilarTo => return Err(self.unexpected()),
            };
            return self.operator(*arg, OperatorName { name: name.to_owned(), schema: None }, at, RANGE);
        }
        let pattern = Box::new(self.expr_above(RANGE)?);
        let escape = if self.eat_word("escape") { Some(Box::new(self.expr_above(RANGE)?)) } else { None };
        Ok(Expr { at, kind: ExprKind::Like { kind, arg, pattern, escape, negated } })
    }

    pub(super) fn primary(&mut self) -> Result<Expr, SqlError> {
        let token = self.token();
        let at = token.start;
        let literal = |kind: LiteralKind, parser: &mut Self| {
            let index = parser.literals;
            parser.advance();
            parser.lifted.push(index);
            Ok(Expr { at, kind: ExprKind::Literal(kind, LiteralRef { index, negative: false }) })
        };
        match token.kind {
            Kind::Int4 => literal(LiteralKind::Int4, self),
            Kind::Int8 => literal(LiteralKind::Int8, self),
            Kind::Numeric => literal(LiteralKind::Numeric, self),
            Kind::String | Kind::EscapeString | Kind::DollarString | Kind::UnicodeString => {
                literal(LiteralKind::String, self)
            }
            Kind::BitString => literal(LiteralKind::Bits, self),
            Kind::Parameter(number) => {
                self.advance();
                Ok(Expr { at, kind: ExprKind::Parameter(number - 1) })
            }
            Kind::Punct(b'(') => self.parenthesised(),
            Kind::Word => self.word_primary(),
            Kind::Quoted | Kind::UnicodeQuoted => self.name_or_call(),
            Kind::Operator | Kind::Punct(_) | Kind::Typecast | Kind::Assign | Kind::Arrow | Kind::End => {
                Err(self.unexpected())
            }
        }
    }

    fn parenthesised(&mut self) -> Result<Expr, SqlError> {
        let at = self.at();
        if self.starts_subquery(1) {
            self.expect_punct(b'(')?;
            let query = Box::new(self.query()?);
            self.expect_punct(b')')?;
            return Ok(Expr { at, kind: ExprKind::Subquery(query) });
        }
        self.expect_punct(b'(')?;
        let first = self.expr()?;
        if self.eat_punct(b',') {
            let mut list = vec![first];
            list.extend(self.exprs()?);
            self.expect_punct(b')')?;
            return Ok(Expr { at, kind: ExprKind::Row(list) });
        }
        self.expect_punct(b')')?;
        // `(a).b` is a field, `a.b` a column: the parentheses must be kept apart.
        if self.is_punct(b'.') {
            self.advance();
            let field = self.label()?;
            return Ok(Expr { at, kind: ExprKind::Field { base: Box::new(first), field } });
        }
        Ok(first)
    }

    /// Whether a query stands here, possibly after opening parentheses.
    pub(super) fn starts_query(&self) -> bool {
        let mut count = 0;
        while self.ahead(count).kind == Kind::Punct(b'(') {
            count += 1;
        }
        ["select", "values", "with", "table"].iter().any(|word| self.is_word_at(count, word))
            && !(self.is_word_at(count, "values") && self.ahead(count + 1).kind != Kind::Punct(b'('))
    }

    /// Whether parentheses whose inside begins `count` tokens ahead hold a query. A parenthesised query there may be the
    /// operand of an expression: then something else than the rest of a query follows it.
    fn starts_subquery(&self, count: usize) -> bool {
        if self.ahead(count).kind != Kind::Punct(b'(') {
            return ["select", "values", "with", "table"].iter().any(|word| self.is_word_at(count, word))
                && !(self.is_word_at(count, "values") && self.ahead(count + 1).kind != Kind::Punct(b'('));
        }
        if !self.starts_subquery(count + 1) {
            return false;
        }
        let mut depth = 0;
        let mut at = count;
        loop {
            let kind = self.ahead(at).kind;
            if kind == Kind::Punct(b'(') {
                depth += 1;
            } else if kind == Kind::Punct(b')') {
                depth -= 1;
            }
            if depth == 0 || kind == Kind::End {
                break;
            }
            at += 1;
        }
        const CONTINUES: [&str; 8] = ["union", "intersect", "except", "order", "limit", "offset", "fetch", "for"];
        matches!(self.ahead(at + 1).kind, Kind::Punct(b')') | Kind::End)
            || CONTINUES.iter().any(|word| self.is_word_at(at + 1, word))
    }
}

/// A call without anything special.
pub(super) fn plain_call(at: u32, name: &str, args: Vec<Expr>) -> Expr {
    let name = ObjectName { parts: vec![Name { text: name.to_owned(), at }] };
    let call = Call {
        name,
        args,
        star: false,
        distinct: false,
        variadic: false,
        order_by: Vec::new(),
        filter: None,
        over: None,
    };
    Expr { at, kind: ExprKind::Call(Box::new(call)) }
}

/// A minus before a number is part of the number.
fn negate(at: u32, op: OperatorName, arg: Expr) -> Expr {
    if op.name == "-"
        && let ExprKind::Literal(kind @ (LiteralKind::Int4 | LiteralKind::Int8 | LiteralKind::Numeric), literal) =
            &arg.kind
    {
        // Also of a negative one: `-(-2147483648)` is the number 2147483648, which is no int4.
        let literal = LiteralRef { index: literal.index, negative: !literal.negative };
        return Expr { at, kind: ExprKind::Literal(*kind, literal) };
    }
    Expr { at, kind: ExprKind::Unary { op, arg: Box::new(arg) } }
}
