//! Statements that act on the session: transactions, settings, prepared statements.
//!
//! Source: the commands' pages under <https://www.postgresql.org/docs/15/sql-commands.html>

use super::ast::Statement;
use super::lexer::Kind;
use super::parse::Parser;
use crate::error::SqlError;
use crate::plan::{Isolation, Utility};

/// A session statement, or `None` (nothing consumed) if none begins here.
pub(crate) fn parse(parser: &mut Parser<'_>) -> Result<Option<Statement>, SqlError> {
    let Some(word) = parser.word_at(0) else { return Ok(None) };
    let second = parser.word_at(1);
    let (utility, tag) = match (word.as_str(), second.as_deref()) {
        ("prepare", Some("transaction")) | ("commit" | "rollback", Some("prepared")) => return Ok(None),
        ("begin", _) => (parser.begin()?, "BEGIN"),
        ("start", Some("transaction")) => (parser.begin()?, "START TRANSACTION"),
        ("commit" | "end", _) => {
            parser.advance();
            (Utility::Commit { chain: parser.transaction_end()? }, "COMMIT")
        }
        ("abort", _) => {
            parser.advance();
            (Utility::Rollback { chain: parser.transaction_end()? }, "ROLLBACK")
        }
        ("rollback", _) => (parser.rollback()?, "ROLLBACK"),
        ("savepoint", _) => {
            parser.advance();
            (Utility::Savepoint(parser.column_name()?.text), "SAVEPOINT")
        }
        ("release", _) => {
            parser.advance();
            parser.eat_word("savepoint");
            (Utility::Release(parser.column_name()?.text), "RELEASE")
        }
        ("set", _) => (parser.set()?, "SET"),
        ("reset", _) => {
            parser.advance();
            let name = if parser.eat_word("all") { None } else { Some(parser.setting_name()?) };
            (Utility::Reset(name), "RESET")
        }
        ("show", _) => {
            parser.advance();
            let utility = if parser.eat_word("all") { Utility::ShowAll } else { Utility::Show(parser.setting_name()?) };
            (utility, "SHOW")
        }
        ("discard", _) => parser.discard()?,
        ("deallocate", _) => {
            parser.advance();
            parser.eat_word("prepare");
            let all = parser.eat_word("all");
            let name = if all { None } else { Some(parser.column_name()?.text) };
            (Utility::Deallocate(name), if all { "DEALLOCATE ALL" } else { "DEALLOCATE" })
        }
        ("close", _) => {
            parser.advance();
            let all = parser.eat_word("all");
            let name = if all { None } else { Some(parser.column_name()?.text) };
            (Utility::Close(name), if all { "CLOSE CURSOR ALL" } else { "CLOSE CURSOR" })
        }
        ("prepare", _) => return parser.prepare().map(Some),
        ("execute", _) => (parser.execute()?, "EXECUTE"),
        ("declare", _) => (parser.declare()?, "DECLARE CURSOR"),
        ("fetch" | "move", _) => parser.fetch_or_move()?,
        ("listen", _) => {
            parser.advance();
            (Utility::Listen(parser.column_name()?.text), "LISTEN")
        }
        ("unlisten", _) => {
            parser.advance();
            let all = parser.eat_operator("*");
            (Utility::Unlisten(if all { None } else { Some(parser.column_name()?.text) }), "UNLISTEN")
        }
        ("notify", _) => {
            parser.advance();
            let channel = parser.column_name()?.text;
            let payload = if parser.eat_punct(b',') { parser.string()? } else { String::new() };
            (Utility::Notify { channel, payload }, "NOTIFY")
        }
        ("checkpoint", _) => {
            parser.advance();
            (Utility::NoOperation, "CHECKPOINT")
        }
        _ => return Ok(None),
    };
    Ok(Some(Statement::Utility(utility, tag)))
}

/// What the modes of a transaction say; `None`: not said.
#[derive(Debug, Clone, Copy, Default)]
struct Modes {
    isolation: Option<Isolation>,
    read_only: Option<bool>,
}

impl Parser<'_> {
    fn begin(&mut self) -> Result<Utility, SqlError> {
        self.advance();
        let _ = self.eat_word("transaction") || self.eat_word("work");
        let modes = self.modes()?;
        Ok(Utility::Begin { isolation: modes.isolation, read_only: modes.read_only })
    }

    fn modes(&mut self) -> Result<Modes, SqlError> {
        let mut modes = Modes::default();
        while !self.at_end() {
            if self.eat_words(&["isolation", "level"]) {
                modes.isolation = Some(self.isolation()?);
            } else if self.eat_words(&["read", "only"]) {
                modes.read_only = Some(true);
            } else if self.eat_words(&["read", "write"]) {
                modes.read_only = Some(false);
            } else if !self.eat_words(&["not", "deferrable"]) && !self.eat_word("deferrable") {
                return Err(self.unexpected());
            }
            self.eat_punct(b',');
        }
        Ok(modes)
    }

    fn isolation(&mut self) -> Result<Isolation, SqlError> {
        if self.eat_words(&["read", "committed"]) || self.eat_words(&["read", "uncommitted"]) {
            // PostgreSQL's READ UNCOMMITTED is its READ COMMITTED.
            return Ok(Isolation::ReadCommitted);
        }
        if self.eat_words(&["repeatable", "read"]) {
            return Ok(Isolation::RepeatableRead);
        }
        self.expect_word("serializable")?;
        Ok(Isolation::Serializable)
    }

    /// `[WORK | TRANSACTION] [AND [NO] CHAIN]`: whether it chains.
    fn transaction_end(&mut self) -> Result<bool, SqlError> {
        let _ = self.eat_word("transaction") || self.eat_word("work");
        if !self.eat_word("and") {
            return Ok(false);
        }
        let no = self.eat_word("no");
        self.expect_word("chain")?;
        Ok(!no)
    }

    fn rollback(&mut self) -> Result<Utility, SqlError> {
        self.advance();
        let _ = self.eat_word("transaction") || self.eat_word("work");
        if self.eat_word("to") {
            self.eat_word("savepoint");
            return Ok(Utility::RollbackTo(self.column_name()?.text));
        }
        Ok(Utility::Rollback { chain: self.transaction_end()? })
    }

    fn set(&mut self) -> Result<Utility, SqlError> {
        self.advance();
        if self.eat_words(&["session", "characteristics", "as", "transaction"]) {
            let modes = self.modes()?;
            return Ok(Utility::SetTransaction {
                isolation: modes.isolation,
                read_only: modes.read_only,
                session: true,
            });
        }
        if self.is_word("constraints") {
            return self.set_constraints();
        }
        let local = self.eat_word("local");
        if !local && self.is_word("session") && !self.is_word_at(1, "authorization") {
            self.advance();
        }
        if self.is_word("transaction") {
            self.advance();
            if self.is_word("snapshot") {
                return Err(SqlError::unsupported("SET TRANSACTION SNAPSHOT is not supported").at(self.at()));
            }
            let modes = self.modes()?;
            return Ok(Utility::SetTransaction {
                isolation: modes.isolation,
                read_only: modes.read_only,
                session: false,
            });
        }
        if self.eat_words(&["time", "zone"]) {
            let value = if self.eat_word("local") || self.eat_word("default") { None } else { Some(self.time_zone()?) };
            return Ok(Utility::Set { name: "timezone".into(), value, local });
        }
        // What connection pools send: nobody is another user than the one that logged in.
        let nobody_else = self.eat_words(&["session", "authorization", "default"]);
        if nobody_else || self.eat_words(&["role", "none"]) {
            return Ok(Utility::NoOperation);
        }
        if self.eat_words(&["session", "authorization"]) || self.eat_word("role") || self.eat_word("xml") {
            return Err(SqlError::unsupported("SET ROLE and SET SESSION AUTHORIZATION are not supported").at(self.at()));
        }
        if self.eat_word("names") {
            let value = if self.at_end() || self.eat_word("default") { None } else { Some(self.string()?) };
            return Ok(Utility::Set { name: "client_encoding".into(), value, local });
        }
        let name = self.setting_name()?;
        if !self.eat_word("to") && !self.eat_operator("=") {
            return Err(self.unexpected());
        }
        if self.eat_word("default") {
            return Ok(Utility::Set { name, value: None, local });
        }
        let mut values = vec![self.setting_value()?];
        while self.eat_punct(b',') {
            values.push(self.setting_value()?);
        }
        Ok(Utility::Set { name, value: Some(values.join(", ")), local })
    }

    /// No constraint here is deferrable, so nothing changes.
    fn set_constraints(&mut self) -> Result<Utility, SqlError> {
        self.advance();
        self.expect_word("all")?;
        if !self.eat_word("deferred") {
            self.expect_word("immediate")?;
        }
        Ok(Utility::NoOperation)
    }

    fn time_zone(&mut self) -> Result<String, SqlError> {
        let at = self.at();
        if self.is_word("interval") {
            return Err(SqlError::unsupported("SET TIME ZONE INTERVAL is not supported").at(at));
        }
        self.setting_value()
    }

    /// A setting's name, folded; `SHOW TRANSACTION ISOLATION LEVEL` and `TIME ZONE` have names of several words.
    fn setting_name(&mut self) -> Result<String, SqlError> {
        if self.eat_words(&["transaction", "isolation", "level"]) {
            return Ok("transaction_isolation".into());
        }
        if self.eat_words(&["time", "zone"]) {
            return Ok("timezone".into());
        }
        if self.eat_words(&["session", "authorization"]) {
            return Ok("session_authorization".into());
        }
        let mut name = self.column_name()?.text;
        while self.eat_punct(b'.') {
            name.push('.');
            name.push_str(&self.label()?.text);
        }
        Ok(name.to_ascii_lowercase())
    }

    fn setting_value(&mut self) -> Result<String, SqlError> {
        match self.token().kind {
            Kind::String | Kind::EscapeString | Kind::DollarString | Kind::UnicodeString => self.string(),
            Kind::Int4 | Kind::Int8 | Kind::Numeric => {
                let text = self.token_text().to_owned();
                self.advance();
                Ok(text)
            }
            Kind::Operator if self.token_text() == "-" || self.token_text() == "+" => {
                let sign = if self.token_text() == "-" { "-" } else { "" };
                self.advance();
                if !matches!(self.token().kind, Kind::Int4 | Kind::Int8 | Kind::Numeric) {
                    return Err(self.unexpected());
                }
                let text = format!("{sign}{}", self.token_text());
                self.advance();
                Ok(text)
            }
            Kind::Word | Kind::Quoted | Kind::UnicodeQuoted => Ok(self.label()?.text),
            Kind::BitString
            | Kind::Parameter(_)
            | Kind::Operator
            | Kind::Punct(_)
            | Kind::Typecast
            | Kind::Assign
            | Kind::Arrow
            | Kind::End => Err(self.unexpected()),
        }
    }

    fn discard(&mut self) -> Result<(Utility, &'static str), SqlError> {
        self.advance();
        if self.eat_word("all") {
            return Ok((Utility::DiscardAll, "DISCARD ALL"));
        }
        let tag = if self.eat_word("plans") {
            "DISCARD PLANS"
        } else if self.eat_word("sequences") {
            "DISCARD SEQUENCES"
        } else if self.eat_word("temp") || self.eat_word("temporary") {
            "DISCARD TEMP"
        } else {
            return Err(self.unexpected());
        };
        Ok((Utility::Discard, tag))
    }

    fn prepare(&mut self) -> Result<Statement, SqlError> {
        self.advance();
        let name = self.column_name()?.text;
        let mut types = Vec::new();
        if self.eat_punct(b'(') {
            loop {
                types.push(self.type_name()?);
                if !self.eat_punct(b',') {
                    break;
                }
            }
            self.expect_punct(b')')?;
        }
        self.expect_word("as")?;
        let known = ["select", "values", "with", "insert", "update", "delete"];
        if !self.is_punct(b'(') && !self.word_at(0).is_some_and(|word| known.contains(&word.as_str())) {
            return Err(self.unexpected());
        }
        let start = self.at();
        while !self.at_end() {
            self.advance();
        }
        let text = self.source_between(start, self.end_of_last()).to_owned();
        Ok(Statement::Prepare { name, types, text })
    }

    fn execute(&mut self) -> Result<Utility, SqlError> {
        self.advance();
        let name = self.column_name()?.text;
        let mut arguments = Vec::new();
        if self.eat_punct(b'(') {
            loop {
                arguments.push(self.execute_argument()?);
                if !self.eat_punct(b',') {
                    break;
                }
            }
            self.expect_punct(b')')?;
        }
        Ok(Utility::Execute { name, arguments })
    }

    /// A constant in text form; `'..'::type` is read as its text, for the parameter's type decides.
    fn execute_argument(&mut self) -> Result<Option<String>, SqlError> {
        let at = self.at();
        let value = if self.eat_word("null") { None } else { Some(self.setting_value()?) };
        if self.is_punct(b',') || self.is_punct(b')') {
            return Ok(value);
        }
        Err(SqlError::unsupported("arguments of EXECUTE must be constants").at(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::{lexer, parse};

    fn check(source: &str, expected: Utility, expected_tag: &str) {
        let parsed = parse::statement(source, &lexer::tokens(source).expect("lexes")).expect(source).0;
        let Statement::Utility(utility, tag) = parsed else { panic!("{source}: {parsed:?}") };
        assert_eq!((utility, tag), (expected, expected_tag), "{source}");
    }

    fn set(name: &str, value: Option<&str>, local: bool) -> Utility {
        Utility::Set { name: name.into(), value: value.map(str::to_owned), local }
    }

    #[test]
    fn transactions_say_their_modes() {
        let serializable = Utility::Begin { isolation: Some(Isolation::Serializable), read_only: Some(true) };
        check("BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY", serializable, "BEGIN");
        check("start transaction", Utility::Begin { isolation: None, read_only: None }, "START TRANSACTION");
        check("end work", Utility::Commit { chain: false }, "COMMIT");
        check("rollback and chain", Utility::Rollback { chain: true }, "ROLLBACK");
        check("rollback to savepoint A", Utility::RollbackTo("a".into()), "ROLLBACK");
        check("release \"A\"", Utility::Release("A".into()), "RELEASE");
    }

    #[test]
    fn settings_take_lists_words_and_defaults() {
        check("SET search_path TO public, \"Other\"", set("search_path", Some("public, Other"), false), "SET");
        check("set local Work_Mem = -1", set("work_mem", Some("-1"), true), "SET");
        check("set session x.y to default", set("x.y", None, false), "SET");
        check("set time zone 'UTC'", set("timezone", Some("UTC"), false), "SET");
        check("show transaction isolation level", Utility::Show("transaction_isolation".into()), "SHOW");
        check("reset all", Utility::Reset(None), "RESET");
        check("set session authorization default", Utility::NoOperation, "SET");
        check("set role none", Utility::NoOperation, "SET");
        check("discard all", Utility::DiscardAll, "DISCARD ALL");
    }

    #[test]
    fn channels_are_identifiers_and_payloads_strings() {
        check("LISTEN Events", Utility::Listen("events".into()), "LISTEN");
        check("unlisten *", Utility::Unlisten(None), "UNLISTEN");
        check("UNLISTEN \"Events\"", Utility::Unlisten(Some("Events".into())), "UNLISTEN");
        check("notify a", Utility::Notify { channel: "a".into(), payload: String::new() }, "NOTIFY");
        check("notify a, E'x\\ty'", Utility::Notify { channel: "a".into(), payload: "x\ty".into() }, "NOTIFY");
    }

    #[test]
    fn prepared_statements_keep_their_text() {
        let source = "PREPARE p (int, text) AS select $1, $2 ;";
        let parsed = parse::statement(source, &lexer::tokens(source).expect("lexes")).expect("parses").0;
        let Statement::Prepare { name, types, text } = parsed else { panic!("{parsed:?}") };
        assert_eq!((name.as_str(), types.len(), text.as_str()), ("p", 2, "select $1, $2"));
        let arguments = vec![Some("1".into()), None, Some("it's".into())];
        check("execute p (1, null, 'it''s')", Utility::Execute { name: "p".into(), arguments }, "EXECUTE");
    }
}
