//! Walks over the tokens of a statement: words, names, parentheses, clauses that are passed over whole.
//!
//! Pure, and used by `syntax.rs` alone. What does not match leaves the cursor where it was, or gives [`NotUnderstood`].

use std::ops::Range;

use super::lexer::{Token, TokenKind};

/// Text that this reader cannot follow.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotUnderstood {
    pub(super) offset: usize,
}

/// What reading gives.
pub(super) type Read<T> = Result<T, NotUnderstood>;

/// What stands between a parenthesis and its partner.
pub(super) struct Parenthesized<'a> {
    pub(super) inner: &'a [Token],
    pub(super) span: Range<usize>,
}

/// Reads tokens in order; words in any case.
pub(super) struct Cursor<'a> {
    pub(super) source: &'a str,
    tokens: &'a [Token],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(source: &'a str, tokens: &'a [Token]) -> Self {
        Self { source, tokens, at: 0 }
    }

    pub(super) fn peek(&self) -> Option<&'a Token> {
        self.tokens.get(self.at)
    }

    pub(super) fn next(&mut self) -> Option<&'a Token> {
        let token = self.peek()?;
        self.at += 1;
        Some(token)
    }

    /// Where the next token begins; at the end, where the last one ended.
    pub(super) fn offset(&self) -> usize {
        match self.peek() {
            Some(token) => token.span.start,
            None => self.tokens.last().map_or(0, |t| t.span.end),
        }
    }

    pub(super) fn rest(&self) -> &'a [Token] {
        self.tokens.get(self.at..).unwrap_or_default()
    }

    /// Takes all of these words, or none.
    pub(super) fn skip_words(&mut self, words: &[&str]) -> bool {
        let all = words
            .iter()
            .enumerate()
            .all(|(i, word)| self.tokens.get(self.at + i).is_some_and(|t| t.is_word(self.source, word)));
        if all {
            self.at += words.len();
        }
        all
    }

    pub(super) fn expect_words(&mut self, words: &[&str]) -> Read<()> {
        if self.skip_words(words) { Ok(()) } else { Err(NotUnderstood { offset: self.offset() }) }
    }

    pub(super) fn name(&mut self) -> Read<(String, usize)> {
        let offset = self.offset();
        let name = self.peek().and_then(|token| token.name(self.source)).ok_or(NotUnderstood { offset })?;
        self.at += 1;
        Ok((name, offset))
    }

    /// A name after an optional `main.`; another database's name is not understood.
    pub(super) fn qualified_name(&mut self) -> Read<(String, usize)> {
        let (first, offset) = self.name()?;
        if !self.peek().is_some_and(|t| t.is_symbol(self.source, '.')) {
            return Ok((first, offset));
        }
        self.at += 1;
        if !first.eq_ignore_ascii_case("main") {
            return Err(NotUnderstood { offset });
        }
        self.name()
    }

    pub(super) fn parenthesized(&mut self) -> Read<Parenthesized<'a>> {
        let offset = self.offset();
        let open = self.at;
        let mut depth = 0usize;
        while let Some(token) = self.next() {
            if token.is_symbol(self.source, '(') {
                depth += 1;
            } else if token.is_symbol(self.source, ')') {
                depth = depth.saturating_sub(1);
            }
            if depth == 0 {
                let inner = self.tokens.get(open + 1..self.at - 1).ok_or(NotUnderstood { offset })?;
                return Ok(Parenthesized { inner, span: offset..token.span.end });
            }
        }
        Err(NotUnderstood { offset })
    }

    pub(super) fn skip_default_value(&mut self) -> Read<()> {
        let offset = self.offset();
        if self.peek().is_some_and(|t| t.is_symbol(self.source, '(')) {
            return self.parenthesized().map(|_| ());
        }
        if self.peek().is_some_and(|t| t.is_symbol(self.source, '+') || t.is_symbol(self.source, '-')) {
            self.at += 1;
        }
        match self.next() {
            Some(value) if value.kind != TokenKind::Symbol => Ok(()),
            Some(_) | None => Err(NotUnderstood { offset }),
        }
    }

    pub(super) fn skip_conflict(&mut self) {
        if self.skip_words(&["on", "conflict"]) {
            self.next();
        }
    }

    /// Takes a `REFERENCES` clause with all it may carry.
    pub(super) fn skip_references(&mut self) -> bool {
        if !self.skip_words(&["references"]) {
            return false;
        }
        self.next();
        if self.peek().is_some_and(|t| t.is_symbol(self.source, '(')) {
            let _ = self.parenthesized();
        }
        loop {
            if self.skip_words(&["on", "delete"]) || self.skip_words(&["on", "update"]) {
                let _ = self.skip_words(&["set"]) || self.skip_words(&["no"]);
                self.next();
            } else if self.skip_words(&["match"]) || self.skip_words(&["initially"]) {
                self.next();
            } else if !(self.skip_words(&["not", "deferrable"]) || self.skip_words(&["deferrable"])) {
                return true;
            }
        }
    }
}

/// The text from the first to the last of `tokens`, as written.
pub(super) fn slice<'a>(source: &'a str, tokens: &[Token]) -> &'a str {
    match tokens {
        [] => "",
        [only] => only.text(source),
        [first, .., last] => source.get(first.span.start..last.span.end).unwrap_or_default(),
    }
}
