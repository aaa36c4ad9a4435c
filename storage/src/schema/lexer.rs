//! Tokens of SQLite's SQL, with their byte ranges: what splitting, locating and comparing declarations needs.
//!
//! Pure. SQLite itself decides what is valid SQL (`parse.rs` runs every statement in a scratch database); this lexer only
//! has to agree with it on where tokens begin and end. Any input gives tokens or an error, never a panic.
//! Source: <https://www.sqlite.org/lang.html>, <https://www.sqlite.org/lang_comment.html>.

use std::ops::Range;

/// What a token is. Comments and white space are not tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// An unquoted name or keyword.
    Word,
    /// A name in `"`, `` ` `` or `[ ]`.
    Quoted,
    /// A string in single quotes.
    String,
    /// A blob literal, `x'..'`.
    Blob,
    Number,
    /// One character of an operator or of punctuation.
    Symbol,
}

/// One token and where it stands in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) span: Range<usize>,
}

impl Token {
    /// The token as written.
    pub(super) fn text<'a>(&self, source: &'a str) -> &'a str {
        source.get(self.span.clone()).unwrap_or_default()
    }

    /// Whether it is this unquoted keyword, in any case.
    pub(super) fn is_word(&self, source: &str, word: &str) -> bool {
        self.kind == TokenKind::Word && self.text(source).eq_ignore_ascii_case(word)
    }

    /// Whether it is this punctuation character.
    pub(super) fn is_symbol(&self, source: &str, symbol: char) -> bool {
        self.kind == TokenKind::Symbol && self.text(source).starts_with(symbol)
    }

    /// The name it stands for, where SQLite accepts it as a name: quotes removed, doubled quotes undone.
    pub(super) fn name(&self, source: &str) -> Option<String> {
        let text = self.text(source);
        match self.kind {
            TokenKind::Word => Some(text.to_owned()),
            TokenKind::Quoted | TokenKind::String => Some(unquote(text)),
            TokenKind::Blob | TokenKind::Number | TokenKind::Symbol => None,
        }
    }
}

/// A string, name or blob without its closing quote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unterminated {
    /// Where it begins.
    pub(super) offset: usize,
}

/// Splits `source` into tokens.
///
/// # Errors
/// [`Unterminated`] for a quote that is not closed. An unclosed `/*` comment runs to the end, as in SQLite.
pub(super) fn tokens(source: &str) -> Result<Vec<Token>, Unterminated> {
    let bytes = source.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if byte.is_ascii_whitespace() {
            at += 1;
            continue;
        }
        if let Some(end) = comment_end(bytes, at) {
            at = end;
            continue;
        }
        let (kind, end) = token_at(bytes, at, byte)?;
        found.push(Token { kind, span: at..end });
        at = end;
    }
    Ok(found)
}

/// The tokens' text in one canonical form, for comparing declarations: no comments, single spaces, words in lower case.
pub(super) fn normalized(source: &str, tokens: &[Token]) -> String {
    let mut text = String::new();
    for token in tokens {
        if !text.is_empty() {
            text.push(' ');
        }
        match token.kind {
            TokenKind::Word => text.push_str(&token.text(source).to_ascii_lowercase()),
            TokenKind::Quoted => {
                text.push('"');
                text.push_str(&token.name(source).unwrap_or_default());
                text.push('"');
            }
            TokenKind::String | TokenKind::Blob | TokenKind::Number | TokenKind::Symbol => {
                text.push_str(token.text(source));
            }
        }
    }
    text
}

/// The line of a byte offset, counted from 1.
pub(super) fn line_of(source: &str, offset: usize) -> usize {
    1 + source.bytes().take(offset).filter(|&byte| byte == b'\n').count()
}

/// `name` as a quoted SQL identifier.
pub fn quote_name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// `text` as an SQL string literal.
pub(super) fn quote_text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Undoes quoting of a name or string; text that is not quoted is returned as it is.
pub(super) fn unquote(text: &str) -> String {
    let mut chars = text.chars();
    let (open, close) = match chars.next() {
        Some('[') => ('[', ']'),
        Some(quote @ ('"' | '`' | '\'')) => (quote, quote),
        Some(_) | None => return text.to_owned(),
    };
    let Some(inner) = chars.as_str().strip_suffix(close) else { return text.to_owned() };
    if open == '[' {
        return inner.to_owned();
    }
    inner.replace(&format!("{close}{close}"), &close.to_string())
}

fn comment_end(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = bytes.get(at..)?;
    if rest.starts_with(b"--") {
        return Some(rest.iter().position(|&b| b == b'\n').map_or(bytes.len(), |i| at + i + 1));
    }
    if rest.starts_with(b"/*") {
        let body = rest.get(2..)?;
        return Some(body.windows(2).position(|w| w == b"*/").map_or(bytes.len(), |i| at + 2 + i + 2));
    }
    None
}

fn token_at(bytes: &[u8], at: usize, byte: u8) -> Result<(TokenKind, usize), Unterminated> {
    Ok(match byte {
        b'\'' => (TokenKind::String, quoted_end(bytes, at, at, b'\'')?),
        b'"' | b'`' => (TokenKind::Quoted, quoted_end(bytes, at, at, byte)?),
        b'[' => {
            let rest = bytes.get(at..).unwrap_or_default();
            let length = rest.iter().position(|&b| b == b']').ok_or(Unterminated { offset: at })?;
            (TokenKind::Quoted, at + length + 1)
        }
        b'x' | b'X' if bytes.get(at + 1) == Some(&b'\'') => (TokenKind::Blob, quoted_end(bytes, at, at + 1, b'\'')?),
        b'0'..=b'9' => (TokenKind::Number, number_end(bytes, at)),
        b'.' if bytes.get(at + 1).is_some_and(u8::is_ascii_digit) => (TokenKind::Number, number_end(bytes, at)),
        byte if is_name_byte(byte) => (TokenKind::Word, run_end(bytes, at, is_name_byte)),
        _ => (TokenKind::Symbol, at + 1),
    })
}

/// The end of a quoted run whose opening quote is at `open`; a doubled quote is part of it.
fn quoted_end(bytes: &[u8], start: usize, open: usize, quote: u8) -> Result<usize, Unterminated> {
    let mut at = open + 1;
    loop {
        match bytes.get(at) {
            None => return Err(Unterminated { offset: start }),
            Some(&byte) if byte == quote => {
                if bytes.get(at + 1) != Some(&quote) {
                    return Ok(at + 1);
                }
                at += 2;
            }
            Some(_) => at += 1,
        }
    }
}

/// Numbers are compared and copied, never evaluated here, so letters and digits after the first are taken as they come.
fn number_end(bytes: &[u8], at: usize) -> usize {
    let mut end = run_end(bytes, at, |byte| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'_');
    let exponent = bytes.get(at..end).and_then(<[u8]>::last).is_some_and(|b| matches!(b, b'e' | b'E'));
    let is_hex = bytes.get(at..at + 2).is_some_and(|head| head.eq_ignore_ascii_case(b"0x"));
    if exponent && !is_hex && matches!(bytes.get(end), Some(b'+' | b'-')) {
        end = run_end(bytes, end + 1, |byte| byte.is_ascii_digit());
    }
    end
}

fn run_end(bytes: &[u8], at: usize, belongs: impl Fn(u8) -> bool) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    rest.iter().position(|&byte| !belongs(byte)).map_or(bytes.len(), |length| at + length)
}

/// SQLite takes every byte above 0x7f as part of a name.
fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(source: &str, expected: &[&str]) {
        let found = tokens(source).expect("tokens");
        assert_eq!(found.iter().map(|t| t.text(source)).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn comments_and_space_are_not_tokens() {
        check("a -- b; 'c\n/* d ; */ e /* to the end", &["a", "e"]);
    }

    #[test]
    fn quotes_keep_semicolons_and_doubled_quotes() {
        check("'a;''b' \"c\"\"d\" [e;f] `g``h` x'0a'", &["'a;''b'", "\"c\"\"d\"", "[e;f]", "`g``h`", "x'0a'"]);
    }

    #[test]
    fn numbers_keep_their_exponent() {
        check("1.5e-3+2 0xE-1 .5", &["1.5e-3", "+", "2", "0xE", "-", "1", ".5"]);
    }

    #[test]
    fn names_lose_their_quotes() {
        for (text, name) in [("\"a\"\"b\"", "a\"b"), ("[a]", "a"), ("`a`", "a"), ("'a''b'", "a'b"), ("é", "é")] {
            let found = tokens(text).expect("tokens");
            assert_eq!(found.first().and_then(|t| t.name(text)).as_deref(), Some(name));
        }
    }

    #[test]
    fn an_open_quote_is_located() {
        assert_eq!(tokens("a 'b"), Err(Unterminated { offset: 2 }));
    }

    #[test]
    fn lines_count_from_one() {
        assert_eq!((line_of("a\nb", 0), line_of("a\nb", 2), line_of("a", 99)), (1, 2, 1));
    }

    proptest! {
        #[test]
        fn any_text_gives_tokens_in_order_or_an_error(text in "\\PC*") {
            if let Ok(found) = tokens(&text) {
                let mut end = 0;
                for token in &found {
                    prop_assert!(token.span.start >= end && token.span.end > token.span.start);
                    prop_assert!(text.is_char_boundary(token.span.start) && text.is_char_boundary(token.span.end));
                    end = token.span.end;
                }
                normalized(&text, &found);
            }
        }

        #[test]
        fn a_quoted_name_comes_back(name in "\\PC*") {
            let quoted = quote_name(&name);
            prop_assert_eq!(unquote(&quoted), name);
        }
    }
}
