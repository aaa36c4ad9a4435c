//! Tokens to syntax tree, by recursive descent over PostgreSQL's grammar.
//!
//! Promises: every failure is `syntax error at or near "token"` (or `at end of input`) at the token PostgreSQL names, or 0A000
//! that names a construct this server lacks; nesting is bounded ([`DEPTH_MAX`], 54001), so no text can exhaust the stack.
//!
//! Source: <https://www.postgresql.org/docs/15/sql-commands.html>

mod call;
mod ddl;
mod dml;
mod expr;
mod from;
mod group;
mod query;
mod special;
mod types;

use super::ast::{Name, ObjectName, Statement};
use super::lexer::{Kind, Token};
use super::{classify, keyword, literal, utility};
use crate::error::SqlError;

/// How deep expressions and queries may nest: beyond it 54001.
pub(crate) const DEPTH_MAX: u32 = 200;
/// Operators that take another operator's result as their left side, in one expression: `a + b + c` has one. They bound
/// how deep a tree grows without parentheses. Beyond it 54001.
const CHAINED_OPERATORS_MAX: u32 = 4_000;
/// Operands of one chain of AND or OR, which is bound and written without depth. Beyond it 54001.
const CONNECTIVE_OPERANDS_MAX: u32 = 10_000;

/// Parses the tokens of one statement; the last token is [`Kind::End`] or a semicolon.
///
/// Also tells which literals became expressions, by their index: the others (type modifiers, names in strings) are part of
/// the statement's shape.
pub(crate) fn statement(source: &str, tokens: &[Token]) -> Result<(Statement, Vec<u16>), SqlError> {
    let mut parser = Parser::new(source, tokens);
    let statement = parser.statement()?;
    if !parser.at_end() {
        return Err(parser.unexpected());
    }
    Ok((statement, parser.lifted))
}

/// Parses one expression that is the whole text: a stored DEFAULT.
pub(crate) fn expression(source: &str, tokens: &[Token]) -> Result<super::ast::Expr, SqlError> {
    let mut parser = Parser::new(source, tokens);
    let expr = parser.expr()?;
    if !parser.at_end() {
        return Err(parser.unexpected());
    }
    Ok(expr)
}

/// A cursor over tokens.
pub(crate) struct Parser<'a> {
    source: &'a str,
    tokens: &'a [Token],
    index: usize,
    /// Literal tokens before `index`.
    literals: u16,
    /// Literals that became expressions; all others are part of the statement's shape.
    lifted: Vec<u16>,
    depth: u32,
    /// Expressions that are open around the cursor.
    expressions: u32,
    /// Chained operators of the outermost open expression.
    chained: u32,
}

impl<'a> Parser<'a> {
    fn new(source: &'a str, tokens: &'a [Token]) -> Self {
        Self { source, tokens, index: 0, literals: 0, lifted: Vec::new(), depth: 0, expressions: 0, chained: 0 }
    }

    pub(crate) fn token(&self) -> Token {
        self.ahead(0)
    }

    pub(super) fn ahead(&self, count: usize) -> Token {
        let end = Token { kind: Kind::End, start: self.source.len() as u32, end: self.source.len() as u32 };
        self.tokens.get(self.index + count).copied().unwrap_or(end)
    }

    pub(crate) fn at(&self) -> u32 {
        self.token().start
    }

    /// Where the last consumed token ends.
    pub(crate) fn end_of_last(&self) -> u32 {
        self.index.checked_sub(1).and_then(|index| self.tokens.get(index)).map_or(0, |token| token.end)
    }

    pub(crate) fn source_between(&self, start: u32, end: u32) -> &'a str {
        self.source.get(start as usize..end as usize).unwrap_or_default()
    }

    pub(crate) fn advance(&mut self) -> Token {
        let token = self.token();
        if self.index < self.tokens.len() {
            self.index += 1;
        }
        if token.kind.is_literal() {
            self.literals = self.literals.saturating_add(1);
        }
        token
    }

    /// The state to come back to with [`Self::restore`].
    pub(super) fn save(&self) -> (usize, u16, usize) {
        (self.index, self.literals, self.lifted.len())
    }

    pub(super) fn restore(&mut self, (index, literals, lifted): (usize, u16, usize)) {
        self.index = index;
        self.literals = literals;
        self.lifted.truncate(lifted);
    }

    pub(crate) fn at_end(&self) -> bool {
        matches!(self.token().kind, Kind::End | Kind::Punct(b';'))
    }

    /// Runs `inner` one level deeper.
    pub(super) fn nested<T>(&mut self, inner: impl FnOnce(&mut Self) -> Result<T, SqlError>) -> Result<T, SqlError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            let error = SqlError::new("54001", "stack depth limit exceeded");
            return Err(error.hint(format!("Statements may nest {DEPTH_MAX} levels deep.")).at(self.at()));
        }
        let result = inner(self);
        self.depth -= 1;
        result
    }

    pub(crate) fn unexpected(&self) -> SqlError {
        self.unexpected_at(0)
    }

    fn unexpected_at(&self, count: usize) -> SqlError {
        let token = self.ahead(count);
        if token.kind == Kind::End {
            return SqlError::new("42601", "syntax error at end of input").at(self.source.len() as u32);
        }
        SqlError::new("42601", format!("syntax error at or near \"{}\"", token.text(self.source))).at(token.start)
    }

    pub(crate) fn word_at(&self, count: usize) -> Option<String> {
        let token = self.ahead(count);
        (token.kind == Kind::Word).then(|| token.text(self.source).to_ascii_lowercase())
    }

    pub(crate) fn is_word(&self, word: &str) -> bool {
        self.is_word_at(0, word)
    }

    pub(crate) fn is_word_at(&self, count: usize, word: &str) -> bool {
        let token = self.ahead(count);
        token.kind == Kind::Word && token.text(self.source).eq_ignore_ascii_case(word)
    }

    pub(crate) fn eat_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        if found {
            self.advance();
        }
        found
    }

    /// Eats all the words or none.
    pub(crate) fn eat_words(&mut self, words: &[&str]) -> bool {
        let found = words.iter().enumerate().all(|(count, word)| self.is_word_at(count, word));
        if found {
            for _ in words {
                self.advance();
            }
        }
        found
    }

    pub(crate) fn expect_word(&mut self, word: &str) -> Result<(), SqlError> {
        if self.eat_word(word) { Ok(()) } else { Err(self.unexpected()) }
    }

    pub(crate) fn is_punct(&self, byte: u8) -> bool {
        self.token().kind == Kind::Punct(byte)
    }

    pub(crate) fn eat_punct(&mut self, byte: u8) -> bool {
        let found = self.is_punct(byte);
        if found {
            self.advance();
        }
        found
    }

    pub(crate) fn expect_punct(&mut self, byte: u8) -> Result<(), SqlError> {
        if self.eat_punct(byte) { Ok(()) } else { Err(self.unexpected()) }
    }

    pub(super) fn is_operator(&self, name: &str) -> bool {
        let token = self.token();
        token.kind == Kind::Operator && token.text(self.source) == name
    }

    pub(crate) fn eat_operator(&mut self, name: &str) -> bool {
        let found = self.is_operator(name);
        if found {
            self.advance();
        }
        found
    }

    fn named(&mut self, allowed: fn(&str) -> bool) -> Result<Name, SqlError> {
        let token = self.token();
        let name = match token.kind {
            Kind::Quoted | Kind::UnicodeQuoted => literal::name(self.source, &token)?,
            Kind::Word => {
                let word = literal::name(self.source, &token)?;
                if !allowed(&word) {
                    return Err(self.unexpected());
                }
                word
            }
            Kind::Parameter(_)
            | Kind::Int4
            | Kind::Int8
            | Kind::Numeric
            | Kind::String
            | Kind::EscapeString
            | Kind::DollarString
            | Kind::UnicodeString
            | Kind::BitString
            | Kind::Operator
            | Kind::Punct(_)
            | Kind::Typecast
            | Kind::Assign
            | Kind::Arrow
            | Kind::End => return Err(self.unexpected()),
        };
        self.advance();
        Ok(Name { text: name, at: token.start })
    }

    /// A name of a column, table or alias.
    pub(crate) fn column_name(&mut self) -> Result<Name, SqlError> {
        self.named(keyword::may_name_column)
    }

    /// Any word: what may follow AS or a point.
    pub(crate) fn label(&mut self) -> Result<Name, SqlError> {
        self.named(|_| true)
    }

    pub(super) fn is_column_name(&self) -> bool {
        match self.token().kind {
            Kind::Quoted | Kind::UnicodeQuoted => true,
            Kind::Word => self.word_at(0).is_some_and(|word| keyword::may_name_column(&word)),
            Kind::Parameter(_)
            | Kind::Int4
            | Kind::Int8
            | Kind::Numeric
            | Kind::String
            | Kind::EscapeString
            | Kind::DollarString
            | Kind::UnicodeString
            | Kind::BitString
            | Kind::Operator
            | Kind::Punct(_)
            | Kind::Typecast
            | Kind::Assign
            | Kind::Arrow
            | Kind::End => false,
        }
    }

    /// `a` or `a.b` or `a.b.c`
    pub(crate) fn object_name(&mut self) -> Result<ObjectName, SqlError> {
        let mut parts = vec![self.column_name()?];
        while self.eat_punct(b'.') {
            parts.push(self.label()?);
        }
        Ok(ObjectName { parts })
    }

    pub(super) fn names(&mut self) -> Result<Vec<Name>, SqlError> {
        let mut names = vec![self.column_name()?];
        while self.eat_punct(b',') {
            names.push(self.column_name()?);
        }
        Ok(names)
    }

    pub(super) fn object_names(&mut self) -> Result<Vec<ObjectName>, SqlError> {
        let mut names = vec![self.object_name()?];
        while self.eat_punct(b',') {
            names.push(self.object_name()?);
        }
        Ok(names)
    }

    /// A string literal's text; such literals are parts of statements that are not cached.
    pub(crate) fn string(&mut self) -> Result<String, SqlError> {
        let token = self.token();
        if !matches!(token.kind, Kind::String | Kind::EscapeString | Kind::DollarString | Kind::UnicodeString) {
            return Err(self.unexpected());
        }
        self.advance();
        Ok(literal::text(self.source, &token)?.into_owned())
    }

    pub(crate) fn token_text(&self) -> &'a str {
        self.token().text(self.source)
    }

    fn statement(&mut self) -> Result<Statement, SqlError> {
        let at = self.at();
        if let Some(statement) = utility::parse(self)? {
            return Ok(statement);
        }
        if self.is_punct(b'(') {
            return self.query().map(|query| Statement::Query(Box::new(query)));
        }
        let Some(word) = self.word_at(0) else { return Err(self.unexpected()) };
        match word.as_str() {
            "select" | "values" | "table" => self.query().map(|query| Statement::Query(Box::new(query))),
            "with" => self.with_statement(),
            "insert" => self.insert(None),
            "update" => self.update(None),
            "delete" => self.delete(None),
            _ => match self.ddl()? {
                Some(statement) => Ok(statement),
                None => Err(self.unsupported_statement(at)),
            },
        }
    }

    fn unsupported_statement(&self, at: u32) -> SqlError {
        let words: Vec<String> = (0..4).map_while(|count| self.word_at(count)).collect();
        let alone = words.len() == 1 && matches!(words[0].as_str(), "alter" | "create" | "drop" | "grant" | "comment");
        if alone && self.ahead(1).kind != Kind::Word {
            return self.unexpected_at(1);
        }
        match classify::unsupported(&words) {
            Some(name) => SqlError::unsupported(format!("{name} is not supported")).at(at),
            None => self.unexpected_at(usize::from(matches!(
                words.first().map(String::as_str),
                Some("create" | "alter" | "drop")
            ))),
        }
    }

    fn with_statement(&mut self) -> Result<Statement, SqlError> {
        let at = self.at();
        let with = self.with()?;
        match self.word_at(0).as_deref() {
            Some("insert") => self.insert(with),
            Some("update") => self.update(with),
            Some("delete") => self.delete(with),
            _ => self.query_after_with(at, with).map(|query| Statement::Query(Box::new(query))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::lexer::tokens;

    fn check(source: &str) {
        statement(source, &tokens(source).expect("lexes")).unwrap_or_else(|error| panic!("{source}: {error:?}"));
    }

    fn check_error(source: &str, sqlstate: &str, message: &str, at: u32) {
        let error = statement(source, &tokens(source).expect("lexes")).expect_err(source);
        assert_eq!(
            (error.sqlstate.as_ref(), error.message.as_str(), error.position),
            (sqlstate, message, Some(at)),
            "{source}"
        );
    }

    #[test]
    fn statements_of_the_grammar_parse() {
        for source in [
            "select 1",
            "select a, t.b, t.*, * from s.t as x(a, b) where a = 1 and not b or c is not null order by 1 desc nulls last limit 1",
            "select distinct on (a) a from t",
            "select * from a join b using (x) left join (c cross join d) on true, lateral (select 1) y",
            "with recursive w(a) as (select 1 union all select a + 1 from w) select * from w",
            "select count(*) filter (where a > 1), sum(distinct b), array_agg(a order by b desc) from t group by a having true",
            "select row_number() over (partition by a order by b rows between unbounded preceding and current row) from t window w as ()",
            "select extract(year from a), substring('a' from 1 for 2), trim(both 'x' from a), position('a' in b), overlay(a placing b from 1)",
            "select a::int[], cast(a as numeric(10,2)), date '2024-01-01', interval '1 day', array[1,2], array(select 1), a[1]",
            "select x operator(pg_catalog.~) '^a' collate pg_catalog.default from t",
            "select a between symmetric 1 and 2, a not in (1, 2), a like 'x' escape '!', a = any ($1), a <> all (select 1)",
            "select case a when 1 then 2 else 3 end, case when true then 1 end, (1, 2), row(1), a is distinct from b",
            "insert into t (a, b) values (1, default), (2, 3) on conflict (a) do update set b = excluded.b where t.a > 1 returning *",
            "insert into t default values",
            "insert into t select 1",
            "update t as x set a = 1, (b, c) = (1, 2) from y where x.a = y.a returning x.a as z",
            "delete from only t using y where t.a = y.a",
            "create table if not exists t (a int primary key, b text not null default 'x' || 'y', constraint k primary key (a, b)) with (fillfactor=100)",
            "create index concurrently if not exists i on t using btree (a desc nulls first, b text_pattern_ops)",
            "alter table only t add column if not exists c int, add constraint k primary key (a)",
            "drop table if exists a, b cascade",
            "truncate table only a, b restart identity",
            "vacuum analyze t",
            "vacuum (verbose, analyze) t",
            "analyze",
            "select current_date, current_timestamp(3), current_user, session_user, a at time zone 'UTC'",
            "select from t",
            "(select 1) union all (select 2 order by 1) intersect select 3",
            "select * from generate_series(1, 2) with ordinality as g(a, b)",
            "select a from t for update of t skip locked",
            "select 1 fetch first 2 rows only",
        ] {
            check(source);
        }
    }

    #[test]
    fn syntax_errors_name_the_token_and_its_place() {
        check_error("selekt 1", "42601", "syntax error at or near \"selekt\"", 0);
        check_error("select 1 from", "42601", "syntax error at end of input", 13);
        check_error("select * from t where", "42601", "syntax error at end of input", 21);
        check_error("insert or ignore into t values (1)", "42601", "syntax error at or near \"or\"", 7);
        check_error("select 1 limit 1, 2", "42601", "LIMIT #,# syntax is not supported", 9);
        check_error("select a b c", "42601", "syntax error at or near \"c\"", 11);
        check_error("create view v as select 1", "0A000", "CREATE VIEW is not supported", 0);
        check_error("select 1 = 2 = 3", "42601", "syntax error at or near \"=\"", 13);
    }

    #[test]
    fn nesting_is_bounded() {
        for source in [
            format!("select {}1{}", "(".repeat(5000), ")".repeat(5000)),
            format!("select 1{}", " + 1".repeat(5000)),
            format!("select true{}", " and true".repeat(20_000)),
        ] {
            let parse = || statement(&source, &tokens(&source).expect("lexes")).map(|_| ());
            let parsed = std::thread::scope(|scope| {
                let big = std::thread::Builder::new().stack_size(64 << 20);
                big.spawn_scoped(scope, parse).expect("spawn").join().expect("parse")
            });
            assert_eq!(parsed.expect_err("too deep").sqlstate, "54001");
        }
    }
}
