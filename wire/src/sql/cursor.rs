//! SQL cursors: DECLARE, FETCH and MOVE.
//!
//! Cursors go forward only. Source: <https://www.postgresql.org/docs/15/sql-declare.html> and its neighbours.

use super::lexer::Kind;
use super::parse::Parser;
use crate::error::{SqlError, sqlstate};
use crate::plan::{Cursor, Utility};

impl Parser<'_> {
    /// `DECLARE name [BINARY] [INSENSITIVE] [[NO] SCROLL] CURSOR [WITH HOLD] FOR query`
    pub(super) fn declare(&mut self) -> Result<Utility, SqlError> {
        self.advance();
        let name = self.column_name()?.text;
        let mut binary = false;
        loop {
            let at = self.at();
            if self.eat_word("binary") {
                binary = true;
            } else if self.eat_word("scroll") {
                return Err(SqlError::unsupported("scrollable cursors are not supported").at(at));
            } else if !self.eat_words(&["no", "scroll"])
                && !self.eat_word("insensitive")
                && !self.eat_word("asensitive")
            {
                break;
            }
        }
        self.expect_word("cursor")?;
        let hold = self.eat_words(&["with", "hold"]);
        if !hold {
            self.eat_words(&["without", "hold"]);
        }
        self.expect_word("for")?;
        let query = ["select", "values", "with"];
        if !self.is_punct(b'(') && !self.word_at(0).is_some_and(|word| query.contains(&word.as_str())) {
            return Err(self.unexpected());
        }
        let start = self.at();
        while !self.at_end() {
            self.advance();
        }
        let text = self.source_between(start, self.end_of_last()).to_owned();
        Ok(Utility::Declare(Cursor { name, binary, hold, text, at: start }))
    }

    /// `FETCH [direction] [FROM | IN] name`, and MOVE likewise.
    pub(super) fn fetch_or_move(&mut self) -> Result<(Utility, &'static str), SqlError> {
        let moves = self.is_word("move");
        self.advance();
        let rows = self.rows_to_fetch()?;
        if !self.eat_word("from") {
            self.eat_word("in");
        }
        let name = self.column_name()?.text;
        let tag = if moves { "MOVE" } else { "FETCH" };
        Ok((Utility::Fetch { name, rows, moves }, tag))
    }

    /// How many rows; `None` is all of them.
    fn rows_to_fetch(&mut self) -> Result<Option<u64>, SqlError> {
        let at = self.at();
        // A word before FROM, IN or another name is a direction; alone it is the cursor.
        let has_more = self.ahead(1).kind != Kind::End && self.ahead(1).kind != Kind::Punct(b';');
        if has_more && self.eat_word("next") {
            return Ok(Some(1));
        }
        if has_more && self.eat_word("all") {
            return Ok(None);
        }
        if has_more && self.eat_word("forward") {
            if self.eat_word("all") {
                return Ok(None);
            }
            return if self.is_number_ahead() { self.row_count(at).map(Some) } else { Ok(Some(1)) };
        }
        let backward = ["prior", "first", "last", "absolute", "relative", "backward"];
        if has_more && self.word_at(0).is_some_and(|word| backward.contains(&word.as_str())) {
            return Err(forward_only().at(at));
        }
        if self.is_number_ahead() { self.row_count(at).map(Some) } else { Ok(Some(1)) }
    }

    fn is_number_ahead(&self) -> bool {
        matches!(self.token().kind, Kind::Int4 | Kind::Int8) || matches!(self.token_text(), "-" | "+")
    }

    fn row_count(&mut self, at: u32) -> Result<u64, SqlError> {
        self.eat_operator("+");
        if self.eat_operator("-") {
            return Err(forward_only().at(at));
        }
        let count = self.token_text().parse::<u64>();
        self.advance();
        match count {
            Ok(0) => Err(SqlError::unsupported("FETCH of the current row again is not supported").at(at)),
            Ok(count) => Ok(count),
            Err(_) => Err(self.unexpected()),
        }
    }
}

fn forward_only() -> SqlError {
    SqlError::new(sqlstate::NOT_IN_PREREQUISITE_STATE, "cursor can only scan forward")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::ast::Statement;
    use crate::sql::{lexer, parse};

    fn parsed(source: &str) -> Result<Utility, String> {
        let code = |error: SqlError| error.sqlstate.into_owned();
        let parsed = parse::statement(source, &lexer::tokens(source).map_err(code)?).map_err(code)?.0;
        let Statement::Utility(utility, _) = parsed else { panic!("{source}: {parsed:?}") };
        Ok(utility)
    }

    #[test]
    fn a_declaration_keeps_its_query() {
        let cursor = |binary, hold, at| {
            Ok(Utility::Declare(Cursor { name: "c".into(), binary, hold, text: "select 1".into(), at }))
        };
        assert_eq!(parsed("declare c cursor for select 1"), cursor(false, false, 21));
        assert_eq!(parsed("DECLARE c BINARY NO SCROLL CURSOR WITH HOLD FOR select 1;"), cursor(true, true, 48));
        assert_eq!(parsed("declare c scroll cursor for select 1"), Err("0A000".into()));
        assert_eq!(parsed("declare c cursor for insert into t values (1)"), Err("42601".into()));
    }

    #[test]
    fn directions_go_forward() {
        for (source, rows) in [
            ("fetch c", Some(1)),
            ("fetch next from c", Some(1)),
            ("fetch 5 c", Some(5)),
            ("fetch forward 7 in c", Some(7)),
            ("fetch forward from c", Some(1)),
            ("fetch forward all from c", None),
            ("fetch all c", None),
        ] {
            assert_eq!(parsed(source), Ok(Utility::Fetch { name: "c".into(), rows, moves: false }), "{source}");
        }
        assert_eq!(parsed("move 3 from c"), Ok(Utility::Fetch { name: "c".into(), rows: Some(3), moves: true }));
        assert_eq!(parsed("fetch next"), Ok(Utility::Fetch { name: "next".into(), rows: Some(1), moves: false }));
        for source in ["fetch prior from c", "fetch -1 from c", "fetch absolute 3 from c", "move backward all in c"] {
            assert_eq!(parsed(source), Err("55000".into()), "{source}");
        }
    }
}
