//! Splits a statement's text into tokens by PostgreSQL's lexical rules, and derives the plan cache's key from them.
//!
//! Tokens are ranges of the text: nothing is copied, so a text whose plan is cached costs one pass. String tokens span all
//! their parts when they continue on further lines. An operator is taken as PostgreSQL takes it (longest match, a trailing
//! `+` or `-` given back unless the operator holds one of `~ ! @ # % ^ & | ` ?`).
//!
//! Source: <https://www.postgresql.org/docs/15/sql-syntax-lexical.html>

use std::ops::Range;

use crate::error::SqlError;

/// Longest statement text: beyond it 54000. Offsets fit `u32` with room to spare.
pub(crate) const TEXT_BYTES_MAX: usize = 256 << 20;

/// What a token is. Its text is the source at its range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// An unquoted word: keyword or name, folded to lower case when read as a name.
    Word,
    /// `"name"`
    Quoted,
    /// `U&"name"`
    UnicodeQuoted,
    /// `$n`, counted from 1.
    Parameter(u16),
    /// An integer that fits int4, int8, or neither.
    Int4,
    Int8,
    /// A number with a point or exponent, or an integer that fits no integer type.
    Numeric,
    /// `'..'`
    String,
    /// `E'..'`
    EscapeString,
    /// `$tag$..$tag$`
    DollarString,
    /// `U&'..'`
    UnicodeString,
    /// `B'..'` or `X'..'`
    BitString,
    /// An operator of one or more characters.
    Operator,
    /// One of `( ) [ ] , ; : .` as a byte, or two of them: see the next.
    Punct(u8),
    /// `::`
    Typecast,
    /// `:=`
    Assign,
    /// `=>`
    Arrow,
    /// The end of the text.
    End,
}

impl Kind {
    /// Whether the token is a literal that the cache key replaces by its class.
    pub(crate) fn is_literal(self) -> bool {
        match self {
            Self::Int4
            | Self::Int8
            | Self::Numeric
            | Self::String
            | Self::EscapeString
            | Self::DollarString
            | Self::UnicodeString
            | Self::BitString => true,
            Self::Word
            | Self::Quoted
            | Self::UnicodeQuoted
            | Self::Parameter(_)
            | Self::Operator
            | Self::Punct(_)
            | Self::Typecast
            | Self::Assign
            | Self::Arrow
            | Self::End => false,
        }
    }
}

/// One token: what it is and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    /// Byte offsets into the text.
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Token {
    pub(crate) fn text<'a>(&self, source: &'a str) -> &'a str {
        source.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

/// Splits `source` into tokens; the last is [`Kind::End`].
///
/// # Errors
/// 42601 for an unterminated string, comment or quoted name, junk after a number; 54000 for a text too long.
pub(crate) fn tokens(source: &str) -> Result<Vec<Token>, SqlError> {
    if source.len() > TEXT_BYTES_MAX {
        return Err(SqlError::new("54000", "statement text is too long"));
    }
    let mut lexer = Lexer { source, bytes: source.as_bytes(), at: 0 };
    let mut tokens = Vec::with_capacity(source.len() / 5 + 4);
    loop {
        let token = lexer.next()?;
        tokens.push(token);
        if token.kind == Kind::End {
            return Ok(tokens);
        }
    }
}

/// The ranges of the statements between semicolons; empty ones are left out.
pub(crate) fn statements(tokens: &[Token]) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let mut first: Option<Range<usize>> = None;
    for token in tokens {
        if matches!(token.kind, Kind::Punct(b';') | Kind::End) {
            ranges.extend(first.take());
        } else {
            let start = first.as_ref().map_or(token.start as usize, |range| range.start);
            first = Some(start..token.end as usize);
        }
    }
    ranges
}

/// Writes the cache key: the tokens with words folded and literals replaced by their class.
pub(crate) fn write_key(source: &str, tokens: &[Token], key: &mut Vec<u8>) {
    for token in tokens {
        let text = token.text(source).as_bytes();
        match token.kind {
            Kind::Word => key.extend(text.iter().map(u8::to_ascii_lowercase)),
            Kind::Int4 => key.push(1),
            Kind::Int8 => key.push(2),
            Kind::Numeric => key.push(3),
            Kind::BitString => {
                key.push(4);
                key.extend_from_slice(text);
            }
            Kind::String | Kind::EscapeString | Kind::DollarString | Kind::UnicodeString => key.push(5),
            Kind::Quoted
            | Kind::UnicodeQuoted
            | Kind::Parameter(_)
            | Kind::Operator
            | Kind::Punct(_)
            | Kind::Typecast
            | Kind::Assign
            | Kind::Arrow
            | Kind::End => key.extend_from_slice(text),
        }
        key.push(0);
    }
}

struct Lexer<'a> {
    source: &'a str,
    bytes: &'a [u8],
    at: usize,
}

impl Lexer<'_> {
    fn peek(&self, ahead: usize) -> u8 {
        self.bytes.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn next(&mut self) -> Result<Token, SqlError> {
        self.skip_blank()?;
        let start = self.at;
        if start >= self.bytes.len() {
            return Ok(self.token(Kind::End, start));
        }
        let kind = match self.peek(0) {
            b'\'' => self.quoted_string(start, Kind::String, Escapes::Quote)?,
            b'"' => self.quoted_name(start, Kind::Quoted)?,
            b'$' => self.dollar(start)?,
            b'0'..=b'9' => self.number(start)?,
            b'.' if self.peek(1).is_ascii_digit() => self.number(start)?,
            b':' if self.peek(1) == b':' => self.take(2, Kind::Typecast),
            b':' if self.peek(1) == b'=' => self.take(2, Kind::Assign),
            byte @ (b'(' | b')' | b'[' | b']' | b',' | b';' | b':' | b'.') => self.take(1, Kind::Punct(byte)),
            byte if is_word_start(byte) => self.word(start)?,
            byte if is_operator(byte) => self.operator(),
            _ => return Err(self.error_near(start, "syntax error")),
        };
        Ok(self.token(kind, start))
    }

    fn token(&self, kind: Kind, start: usize) -> Token {
        // Lengths were checked against TEXT_BYTES_MAX, which fits.
        Token { kind, start: start as u32, end: self.at as u32 }
    }

    fn take(&mut self, length: usize, kind: Kind) -> Kind {
        self.at += length;
        kind
    }

    fn error_near(&self, start: usize, what: &str) -> SqlError {
        let rest = self.source.get(start..).unwrap_or_default();
        let near = rest.split(|c: char| c.is_whitespace()).next().unwrap_or_default();
        SqlError::new("42601", format!("{what} at or near \"{near}\"")).at(start as u32)
    }

    fn skip_blank(&mut self) -> Result<bool, SqlError> {
        let mut newline = false;
        loop {
            match self.peek(0) {
                b' ' | b'\t' | 0x0c if self.at < self.bytes.len() => self.at += 1,
                b'\n' | b'\r' => {
                    newline = true;
                    self.at += 1;
                }
                b'-' if self.peek(1) == b'-' => {
                    while self.at < self.bytes.len() && !matches!(self.peek(0), b'\n' | b'\r') {
                        self.at += 1;
                    }
                }
                b'/' if self.peek(1) == b'*' => self.skip_comment()?,
                _ => return Ok(newline),
            }
        }
    }

    /// Comments nest.
    fn skip_comment(&mut self) -> Result<(), SqlError> {
        let start = self.at;
        let mut depth = 0usize;
        loop {
            if self.at >= self.bytes.len() {
                let rest = self.source.get(start..).unwrap_or_default();
                let message = format!("unterminated /* comment at or near \"{rest}\"");
                return Err(SqlError::new("42601", message).at(start as u32));
            }
            if self.peek(0) == b'/' && self.peek(1) == b'*' {
                depth += 1;
                self.at += 2;
            } else if self.peek(0) == b'*' && self.peek(1) == b'/' {
                depth -= 1;
                self.at += 2;
                if depth == 0 {
                    return Ok(());
                }
            } else {
                self.at += 1;
            }
        }
    }

    fn quoted_string(&mut self, start: usize, kind: Kind, escapes: Escapes) -> Result<Kind, SqlError> {
        loop {
            self.one_string(start, escapes)?;
            // Parts separated by blanks with a newline are one string.
            let end = self.at;
            if self.skip_to_next_part() && self.peek(0) == b'\'' {
                continue;
            }
            self.at = end;
            return Ok(kind);
        }
    }

    /// Skips blanks and line comments, not other comments, and tells whether a newline was among them.
    fn skip_to_next_part(&mut self) -> bool {
        let mut newline = false;
        loop {
            match self.peek(0) {
                b' ' | b'\t' | 0x0c if self.at < self.bytes.len() => self.at += 1,
                b'\n' | b'\r' => {
                    newline = true;
                    self.at += 1;
                }
                b'-' if self.peek(1) == b'-' => {
                    while self.at < self.bytes.len() && !matches!(self.peek(0), b'\n' | b'\r') {
                        self.at += 1;
                    }
                }
                _ => return newline,
            }
        }
    }

    fn skip_white(&mut self) {
        while self.at < self.bytes.len() && self.peek(0).is_ascii_whitespace() {
            self.at += 1;
        }
    }

    /// The `UESCAPE 'c'` after a `U&` string or name belongs to it.
    fn unicode_escape(&mut self, kind: Kind) -> Result<Kind, SqlError> {
        let end = self.at;
        self.skip_white();
        let word = self.bytes.get(self.at..self.at + 7);
        if !word.is_some_and(|word| word.eq_ignore_ascii_case(b"uescape")) || is_word_part(self.peek(7)) {
            self.at = end;
            return Ok(kind);
        }
        let start = self.at;
        self.at += 7;
        self.skip_white();
        if self.peek(0) != b'\'' {
            return Err(self.error_near(start, "UESCAPE must be followed by a simple string literal"));
        }
        let quote = self.at;
        self.one_string(quote, Escapes::Quote)?;
        // One byte between quotes that can be told from digits, quotes and blanks.
        match self.bytes[quote + 1..self.at - 1] {
            [c] if c.is_ascii() && !c.is_ascii_hexdigit() && !c.is_ascii_whitespace() && !b"+'\"".contains(&c) => {
                Ok(kind)
            }
            _ => Err(self.error_near(quote, "invalid Unicode escape character")),
        }
    }

    fn one_string(&mut self, start: usize, escapes: Escapes) -> Result<(), SqlError> {
        self.at += 1;
        loop {
            if self.at >= self.bytes.len() {
                return Err(self.error_near(start, "unterminated quoted string"));
            }
            match (self.peek(0), escapes) {
                (b'\'', _) if self.peek(1) == b'\'' => self.at += 2,
                (b'\'', _) => {
                    self.at += 1;
                    return Ok(());
                }
                (b'\\', Escapes::Backslash) => self.at = (self.at + 2).min(self.bytes.len()),
                _ => self.at += 1,
            }
        }
    }

    fn quoted_name(&mut self, start: usize, kind: Kind) -> Result<Kind, SqlError> {
        let open = self.at;
        self.at += 1;
        loop {
            if self.at >= self.bytes.len() {
                return Err(self.error_near(start, "unterminated quoted identifier"));
            }
            if self.peek(0) != b'"' {
                self.at += 1;
            } else if self.peek(1) == b'"' {
                self.at += 2;
            } else {
                self.at += 1;
                break;
            }
        }
        if self.at == open + 2 {
            return Err(self.error_near(start, "zero-length delimited identifier"));
        }
        Ok(kind)
    }

    fn dollar(&mut self, start: usize) -> Result<Kind, SqlError> {
        if self.peek(1).is_ascii_digit() {
            self.at += 1;
            let digits = self.at;
            while self.peek(0).is_ascii_digit() {
                self.at += 1;
            }
            let number = self.source.get(digits..self.at).and_then(|text| text.parse::<u16>().ok());
            return match number {
                Some(number) if is_word_start(self.peek(0)) => {
                    let _ = number;
                    Err(self.error_near(start, "trailing junk after parameter"))
                }
                Some(number) if number > 0 => Ok(Kind::Parameter(number)),
                _ => Err(SqlError::new("42P02", format!("there is no parameter {}", &self.source[start..self.at]))
                    .at(start as u32)),
            };
        }
        let mut length = 1;
        while is_word_start(self.peek(length)) || (length > 1 && self.peek(length).is_ascii_digit()) {
            length += 1;
        }
        if self.peek(length) != b'$' {
            return Err(self.error_near(start, "syntax error"));
        }
        let tag = &self.source[start..=start + length];
        match self.source[start + tag.len()..].find(tag) {
            Some(offset) => Ok(self.take(tag.len() * 2 + offset, Kind::DollarString)),
            None => Err(self.error_near(start, "unterminated dollar-quoted string")),
        }
    }

    fn number(&mut self, start: usize) -> Result<Kind, SqlError> {
        let mut plain = true;
        while self.peek(0).is_ascii_digit() {
            self.at += 1;
        }
        if self.peek(0) == b'.' && self.peek(1) != b'.' {
            plain = false;
            self.at += 1;
            while self.peek(0).is_ascii_digit() {
                self.at += 1;
            }
        }
        if matches!(self.peek(0), b'e' | b'E') {
            let sign = usize::from(matches!(self.peek(1), b'+' | b'-'));
            if self.peek(1 + sign).is_ascii_digit() {
                plain = false;
                self.at += 1 + sign;
                while self.peek(0).is_ascii_digit() {
                    self.at += 1;
                }
            }
        }
        if is_word_start(self.peek(0)) {
            while is_word_part(self.peek(0)) {
                self.at += 1;
            }
            let near = &self.source[start..self.at];
            return Err(SqlError::new("42601", format!("trailing junk after numeric literal at or near \"{near}\""))
                .at(start as u32));
        }
        let text = &self.source[start..self.at];
        Ok(match text.parse::<i64>() {
            Ok(value) if plain && i32::try_from(value).is_ok() => Kind::Int4,
            Ok(_) if plain => Kind::Int8,
            Ok(_) | Err(_) => Kind::Numeric,
        })
    }

    fn word(&mut self, start: usize) -> Result<Kind, SqlError> {
        match (self.peek(0) | 0x20, self.peek(1)) {
            (b'e', b'\'') => {
                self.at += 1;
                return self.quoted_string(start, Kind::EscapeString, Escapes::Backslash);
            }
            (b'b' | b'x', b'\'') => {
                self.at += 1;
                return self.quoted_string(start, Kind::BitString, Escapes::Quote);
            }
            (b'n', b'\'') => {
                self.at += 1;
                return self.quoted_string(start, Kind::String, Escapes::Quote);
            }
            (b'u', b'&') if self.peek(2) == b'\'' => {
                self.at += 2;
                let kind = self.quoted_string(start, Kind::UnicodeString, Escapes::Quote)?;
                return self.unicode_escape(kind);
            }
            (b'u', b'&') if self.peek(2) == b'"' => {
                self.at += 2;
                let kind = self.quoted_name(start, Kind::UnicodeQuoted)?;
                return self.unicode_escape(kind);
            }
            _ => {}
        }
        while is_word_part(self.peek(0)) {
            self.at += 1;
        }
        Ok(Kind::Word)
    }

    fn operator(&mut self) -> Kind {
        let mut length = 0;
        while is_operator(self.peek(length)) {
            let comment = matches!((self.peek(length), self.peek(length + 1)), (b'-', b'-') | (b'/', b'*'));
            if comment {
                break;
            }
            length += 1;
        }
        let text = &self.bytes[self.at..self.at + length];
        let keeps_sign = text.iter().any(|byte| b"~!@#%^&|`?".contains(byte));
        while length > 1 && !keeps_sign && matches!(self.peek(length - 1), b'+' | b'-') {
            length -= 1;
        }
        let arrow = length == 2 && self.peek(0) == b'=' && self.peek(1) == b'>';
        self.take(length, if arrow { Kind::Arrow } else { Kind::Operator })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Escapes {
    /// Only `''`.
    Quote,
    /// `''` and backslash sequences.
    Backslash,
}

fn is_word_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

fn is_word_part(byte: u8) -> bool {
    is_word_start(byte) || byte.is_ascii_digit() || byte == b'$'
}

fn is_operator(byte: u8) -> bool {
    b"+-*/<>=~!@#%^&|`?".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(source: &str, expected: &str) {
        let texts: Vec<&str> = tokens(source).expect("lexes").iter().map(|token| token.text(source)).collect();
        assert_eq!(texts.join(" "), expected);
    }

    fn check_error(source: &str, sqlstate: &str, message: &str) {
        let error = tokens(source).expect_err("must not lex");
        assert_eq!((error.sqlstate.as_ref(), error.message.as_str()), (sqlstate, message));
    }

    fn key(source: &str) -> Vec<u8> {
        let mut key = Vec::new();
        write_key(source, &tokens(source).expect("lexes"), &mut key);
        key
    }

    #[test]
    fn operators_give_back_a_trailing_sign_unless_they_hold_a_special_character() {
        check("1<>-1", "1 <> - 1 ");
        check("7%-3", "7 %- 3 ");
        check("a*-b", "a * - b ");
        check("a->>-1", "a ->> - 1 ");
        check("a=-1", "a = - 1 ");
    }

    #[test]
    fn strings_span_escapes_continuations_and_dollars() {
        check("'a''b'", "'a''b' ");
        check("'a\\'", "'a\\' ");
        check("E'a\\'b'", "E'a\\'b' ");
        check("'a'\n 'b'", "'a'\n 'b' ");
        check("'a' 'b'", "'a' 'b' ");
        assert_eq!(tokens("'a' 'b'").expect("lexes").len(), 3);
        check("$x$ ' $y$ $x$", "$x$ ' $y$ $x$ ");
    }

    #[test]
    fn comments_nest_and_end_operators() {
        check("1 /* a /* b */ c */ + 2 -- x", "1 + 2 ");
        check("1+--x\n2", "1 + 2 ");
        check_error("/* a", "42601", "unterminated /* comment at or near \"/* a\"");
    }

    #[test]
    fn numbers_have_the_class_of_the_type_they_fit() {
        let kinds = |source| tokens(source).expect("lexes").iter().map(|token| token.kind).collect::<Vec<_>>();
        assert_eq!(kinds("2147483647 2147483648"), [Kind::Int4, Kind::Int8, Kind::End]);
        assert_eq!(
            kinds("9223372036854775808 1.5 .5 1e3"),
            [Kind::Numeric, Kind::Numeric, Kind::Numeric, Kind::Numeric, Kind::End]
        );
        check_error("1x", "42601", "trailing junk after numeric literal at or near \"1x\"");
    }

    #[test]
    fn keys_differ_by_class_and_name_and_not_by_value() {
        assert_eq!(key("SELECT a FROM t WHERE x = 'a' AND y=1"), key("select A from T where x='b' and y = 2"));
        assert_ne!(key("select 1"), key("select 2147483648"));
        assert_ne!(key("select \"A\""), key("select \"a\""));
        assert_ne!(key("select 1"), key("select '1'"));
    }

    #[test]
    fn statements_are_what_lies_between_semicolons() {
        let source = " ; select 1 ;; select ';' -- x";
        let ranges = statements(&tokens(source).expect("lexes"));
        let texts: Vec<&str> = ranges.into_iter().map(|range| &source[range]).collect();
        assert_eq!(texts, ["select 1", "select ';'"]);
    }

    #[test]
    fn unterminated_things_are_syntax_errors() {
        check_error("select 'a", "42601", "unterminated quoted string at or near \"'a\"");
        check_error("select \"a", "42601", "unterminated quoted identifier at or near \"\"a\"");
        check_error("select \"\"", "42601", "zero-length delimited identifier at or near \"\"\"\"");
    }
}
