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
        Kind::UnicodeString => {
            let (body, escape) = without_escape(raw.get(2..).unwrap_or_default());
            return unicode(&parts(body), escape, token.start).map(Cow::Owned);
        }
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
        Kind::UnicodeQuoted => {
            let (body, escape) = without_escape(raw.get(2..).unwrap_or_default());
            unicode(&inner(body), escape, token.start)?
        }
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
            // Between parts, where a line comment may hold quotes.
            '-' if chars.peek() == Some(&'-') => while chars.next_if(|&c| c != '\n').is_some() {},
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
            let mut code = u32::from_str_radix(&text, 16).map_err(|_| bad())?;
            if is_high_surrogate(code) {
                let pair = chars.next() == Some('\\') && matches!(chars.next(), Some('u' | 'U'));
                let low: String = chars.by_ref().take(4).collect();
                code = Some(low)
                    .filter(|_| pair)
                    .and_then(|low| joined(code, &low))
                    .ok_or_else(|| SqlError::new("42601", "invalid Unicode surrogate pair").at(at))?;
            }
            let c = char::from_u32(code).ok_or_else(bad)?;
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
        c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
    }
    Ok(())
}

fn is_high_surrogate(code: u32) -> bool {
    (0xD800..0xDC00).contains(&code)
}

/// The code of a surrogate pair, whose second half is given in digits.
fn joined(high: u32, low: &str) -> Option<u32> {
    let low = u32::from_str_radix(low, 16).ok().filter(|low| (0xDC00..0xE000).contains(low))?;
    Some(0x1_0000 + ((high - 0xD800) << 10) + (low - 0xDC00))
}

/// Parts a `U&` token from the `UESCAPE 'c'` that may end it, and gives the escape character. The lexer has checked it.
fn without_escape(raw: &str) -> (&str, char) {
    let tail = || {
        let rest = raw.strip_suffix('\'')?;
        let escape = rest.chars().next_back()?;
        let word = rest[..rest.len() - escape.len_utf8()].strip_suffix('\'')?.trim_end();
        let start = word.len().checked_sub(7)?;
        word.get(start..).filter(|word| word.eq_ignore_ascii_case("uescape"))?;
        Some((word[..start].trim_end(), escape))
    };
    tail().unwrap_or((raw, '\\'))
}

/// The escapes of `U&` strings.
fn unicode(inner: &str, escape: char, at: u32) -> Result<String, SqlError> {
    let bad =
        || SqlError::new("42601", "invalid Unicode escape").hint("Unicode escapes must be \\XXXX or \\+XXXXXX.").at(at);
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars().peekable();
    while let Some(c) = chars.next() {
        if c != escape {
            out.push(c);
            continue;
        }
        if chars.next_if_eq(&escape).is_some() {
            out.push(escape);
            continue;
        }
        let length = if chars.next_if_eq(&'+').is_some() { 6 } else { 4 };
        let digits: String = chars.by_ref().take(length).collect();
        let valid = digits.len() == length && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let mut code = u32::from_str_radix(&digits, 16).ok().filter(|_| valid).ok_or_else(bad)?;
        if is_high_surrogate(code) {
            let pair = chars.next() == Some(escape);
            let low: String = chars.by_ref().take(4).collect();
            code = Some(low)
                .filter(|_| pair)
                .and_then(|low| joined(code, &low))
                .ok_or_else(|| SqlError::new("42601", "invalid Unicode surrogate pair").at(at))?;
        }
        out.push(char::from_u32(code).ok_or_else(bad)?);
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
        check("U&'d!0061t!!' uescape '!'", "dat!");
        check(r"U&'\D83D\DE00'", "\u{1F600}");
        check(r"E'\ud83d\ude00'", "\u{1F600}");
        check("E'a' -- it's\n'b'", "ab");
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
