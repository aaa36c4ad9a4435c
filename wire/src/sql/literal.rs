//! The values that string tokens and quoted names stand for.

use std::borrow::Cow;

use super::lexer::{Kind, Token};
use crate::error::SqlError;

/// The text a literal token stands for: digits as written, strings unquoted and unescaped.
///
/// # Errors
/// 42601, 22025 or 22021 for bad escapes.
pub(crate) fn text<'a>(source: &'a str, token: &Token) -> Result<Cow<'a, str>, SqlError> {
    let raw = token.text(source);
    let value = match token.kind {
        Kind::String => plain(raw.strip_prefix(['n', 'N']).unwrap_or(raw)),
        Kind::EscapeString => return escaped(raw.get(1..).unwrap_or_default(), token.start + 1).map(Cow::Owned),
        Kind::UnicodeString => return unicode(&parts(raw.get(2..).unwrap_or_default()), token.start).map(Cow::Owned),
        Kind::DollarString => {
            let tag = raw.get(1..).and_then(|rest| rest.find('$')).map_or(0, |end| end + 2);
            Cow::Borrowed(raw.get(tag..raw.len() - tag).unwrap_or_default())
        }
        Kind::BitString => plain(raw.get(1..).unwrap_or_default()),
        Kind::Word
        | Kind::Quoted
        | Kind::UnicodeQuoted
        | Kind::Parameter(_)
        | Kind::Int4
        | Kind::Int8
        | Kind::Numeric
        | Kind::Operator
        | Kind::Punct(_)
        | Kind::Typecast
        | Kind::Assign
        | Kind::Arrow
        | Kind::End => Cow::Borrowed(raw),
    };
    if value.contains('\0') {
        return Err(SqlError::new("22021", "invalid byte sequence for encoding \"UTF8\": 0x00").at(token.start));
    }
    Ok(value)
}

/// The name a word or quoted token stands for, folded where it is not quoted.
///
/// # Errors
/// 42601 for bad escapes in `U&".."`.
pub(crate) fn name(source: &str, token: &Token) -> Result<String, SqlError> {
    let raw = token.text(source);
    let inner = |text: &str| text.get(1..text.len().saturating_sub(1)).unwrap_or_default().replace("\"\"", "\"");
    let mut name = match token.kind {
        Kind::Quoted => inner(raw),
        Kind::UnicodeQuoted => unicode(&inner(raw.get(2..).unwrap_or_default()), token.start)?,
        Kind::Word
        | Kind::Parameter(_)
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
        | Kind::End => raw.to_ascii_lowercase(),
    };
    truncate(&mut name);
    Ok(name)
}

/// PostgreSQL keeps 63 bytes of a name (NAMEDATALEN - 1), on a character boundary.
fn truncate(name: &mut String) {
    if name.len() > 63 {
        let end = (0..=63).rev().find(|&end| name.is_char_boundary(end)).unwrap_or(0);
        name.truncate(end);
    }
}

/// The inside of `'..' '..'`, still with doubled quotes resolved, parts joined.
fn plain(raw: &str) -> Cow<'_, str> {
    let inner = raw.get(1..raw.len().saturating_sub(1)).unwrap_or_default();
    if inner.contains('\'') { Cow::Owned(parts(raw)) } else { Cow::Borrowed(inner) }
}

fn parts(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut chars = raw.chars().peekable();
    let mut inside = false;
    while let Some(c) = chars.next() {
        match c {
            '\'' if inside && chars.peek() == Some(&'\'') => {
                out.push('\'');
                chars.next();
            }
            '\'' => inside = !inside,
            c if inside => out.push(c),
            _ => {
                // Between parts: blanks and comments, of which a comment may hold quotes.
                if c == '-' && chars.peek() == Some(&'-') {
                    while chars.next_if(|&c| c != '\n').is_some() {}
                }
            }
        }
    }
    out
}

/// `E'..'` from its first quote on.
fn escaped(raw: &str, at: u32) -> Result<String, SqlError> {
    let mut out: Vec<u8> = Vec::with_capacity(raw.len());
    let mut chars = raw.chars().peekable();
    let mut inside = false;
    while let Some(c) = chars.next() {
        match c {
            '\'' if inside && chars.peek() == Some(&'\'') => {
                out.push(b'\'');
                chars.next();
            }
            '\'' => inside = !inside,
            '\\' if inside => escape(&mut chars, &mut out, at)?,
            c if inside => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            _ => {}
        }
    }
    match String::from_utf8(out) {
        Ok(text) if !text.contains('\0') => Ok(text),
        Ok(_) => Err(SqlError::new("22021", "invalid byte sequence for encoding \"UTF8\": 0x00").at(at)),
        Err(error) => {
            let bad = error.as_bytes().get(error.utf8_error().valid_up_to()).copied().unwrap_or(0);
            Err(SqlError::new("22021", format!("invalid byte sequence for encoding \"UTF8\": 0x{bad:02x}")).at(at))
        }
    }
}

fn escape(chars: &mut std::iter::Peekable<std::str::Chars<'_>>, out: &mut Vec<u8>, at: u32) -> Result<(), SqlError> {
    let Some(c) = chars.next() else { return Ok(()) };
    let mut digits = |radix: u32, max: usize, first: Option<char>| {
        let mut text: String = first.into_iter().collect();
        while text.len() < max {
            match chars.next_if(|c| c.is_digit(radix)) {
                Some(c) => text.push(c),
                None => break,
            }
        }
        text
    };
    match c {
        'b' => out.push(8),
        'f' => out.push(12),
        'n' => out.push(b'\n'),
        'r' => out.push(b'\r'),
        't' => out.push(b'\t'),
        '0'..='7' => {
            let text = digits(8, 3, Some(c));
            out.push((u32::from_str_radix(&text, 8).unwrap_or(0) & 0xff) as u8);
        }
        'x' => match u8::from_str_radix(&digits(16, 2, None), 16) {
            Ok(byte) => out.push(byte),
            Err(_) => out.push(b'x'),
        },
        'u' | 'U' => {
            let length = if c == 'u' { 4 } else { 8 };
            let text = digits(16, length, None);
            let bad = || {
                SqlError::new("22025", "invalid Unicode escape")
                    .hint("Unicode escapes must be \\uXXXX or \\UXXXXXXXX.")
                    .at(at)
            };
            if text.len() != length {
                return Err(bad());
            }
            let code = u32::from_str_radix(&text, 16).ok().and_then(char::from_u32).ok_or_else(bad)?;
            out.extend_from_slice(code.encode_utf8(&mut [0; 4]).as_bytes());
        }
        c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
    }
    Ok(())
}

/// The escapes of `U&` strings with the default escape character.
fn unicode(inner: &str, at: u32) -> Result<String, SqlError> {
    let bad =
        || SqlError::new("42601", "invalid Unicode escape").hint("Unicode escapes must be \\XXXX or \\+XXXXXX.").at(at);
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        if chars.next_if_eq(&'\\').is_some() {
            out.push('\\');
            continue;
        }
        let length = if chars.next_if_eq(&'+').is_some() { 6 } else { 4 };
        let digits: String = chars.by_ref().take(length).collect();
        let valid = digits.len() == length && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let code = u32::from_str_radix(&digits, 16).ok().filter(|_| valid).and_then(char::from_u32).ok_or_else(bad)?;
        out.push(code);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::lexer::tokens;

    fn check(source: &str, expected: &str) {
        let token = tokens(source).expect("lexes")[0];
        assert_eq!(text(source, &token).expect("decodes"), expected);
    }

    #[test]
    fn literals_unescape_as_postgresql_does() {
        check("'a''b'", "a'b");
        check(r"'x\'", r"x\");
        check("'a'\n'b'", "ab");
        check(r"E'a\tb\x41\101\u00e4\'c'", "a\tbAAä'c");
        check(r"U&'d\0061t\+000061'", "data");
        check("$$a'b$$", "a'b");
        check("$q$a$$b$q$", "a$$b");
    }

    #[test]
    fn names_fold_unless_quoted_and_end_at_63_bytes() {
        let of = |source: &str| name(source, &tokens(source).expect("lexes")[0]).expect("a name");
        assert_eq!(of("Todo"), "todo");
        assert_eq!(of("\"To\"\"do\""), "To\"do");
        assert_eq!(of(&"x".repeat(70)).len(), 63);
    }

    #[test]
    fn bad_bytes_in_escapes_are_refused() {
        let source = r"E'\xff'";
        assert_eq!(text(source, &tokens(source).expect("lexes")[0]).expect_err("bad").sqlstate, "22021");
    }
}
