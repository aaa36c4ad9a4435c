//! Pattern matching: LIKE, and PostgreSQL's regular expressions on top of crate `regex`.
//!
//! An advanced regular expression is rewritten to the crate's syntax; what the crate cannot do (back references, look
//! around) is 0A000, malformed patterns are 2201B. Matching takes time linear in the text. Among alternatives that match
//! at the same place PostgreSQL takes the longest text and this implementation the first branch; that can be seen in what
//! a pattern with such branches extracts or replaces, never in whether it matches.

use std::cell::RefCell;
use std::rc::Rc;

use regex::{Regex, RegexBuilder};
use storage::Value;
use storage::rusqlite::{self, Connection};

use super::Form::{Call, Pattern};
use super::body::{Arguments, boolean, lenient, strict, text};
use super::{Function, function_table};
use crate::error::SqlError;
use crate::types::array::Array;

/// Compiled patterns kept a thread: enough for the patterns of a few statements.
const CACHE_MAX: usize = 64;
/// Memory that one compiled pattern may take, in bytes.
const COMPILED_MAX: usize = 4 << 20;

pub(super) static FUNCTIONS: &[Function] = function_table! {
    "like"(TEXT, TEXT) -> BOOL, Immutable, Call("pg_like");
    "notlike"(TEXT, TEXT) -> BOOL, Immutable, Pattern("(NOT pg_like({0}, {1}))");
    "like_escape"(TEXT, TEXT) -> TEXT, Immutable, Call("pg_like_escape");
    "similar_to_escape"(TEXT) -> TEXT, Immutable, Pattern("pg_similar_escape({0}, '\\')");
    "similar_to_escape"(TEXT, TEXT) -> TEXT, Immutable, Call("pg_similar_escape");
    "regexp_like"(TEXT, TEXT) -> BOOL, Immutable, Call("pg_regex");
    "regexp_like"(TEXT, TEXT, TEXT) -> BOOL, Immutable, Call("pg_regex_flags");
    "regexp_count"(TEXT, TEXT) -> INT4, Immutable, Call("pg_regex_count");
    "regexp_substr"(TEXT, TEXT) -> TEXT, Immutable, Call("pg_regex_find");
    "regexp_match"(TEXT, TEXT) -> TEXT_ARRAY, Immutable, Pattern("pg_regex_match({0}, {1}, '')");
    "regexp_match"(TEXT, TEXT, TEXT) -> TEXT_ARRAY, Immutable, Call("pg_regex_match");
    "regexp_split_to_array"(TEXT, TEXT) -> TEXT_ARRAY, Immutable, Call("pg_regex_split_array");
    "regexp_replace"(TEXT, TEXT, TEXT) -> TEXT, Immutable, Call("pg_regex_replace");
    "regexp_replace"(TEXT, TEXT, TEXT, TEXT) -> TEXT, Immutable, Call("pg_regex_replace");
    "substring"(TEXT, TEXT) -> TEXT, Immutable, Call("pg_regex_substring");
};

pub(super) fn register(conn: &Connection) -> rusqlite::Result<()> {
    strict(conn, "pg_like", 2, |a| like(&a.text(0)?, &a.text(1)?).map(boolean))?;
    strict(conn, "pg_ilike", 2, |a| like(&a.text(0)?.to_lowercase(), &a.text(1)?.to_lowercase()).map(boolean))?;
    strict(conn, "pg_like_bytea", 2, |a| matches_like(a.blob(0)?, a.blob(1)?, b'%', b'_', b'\\').map(boolean))?;
    strict(conn, "pg_like_low", 1, |a| Ok(text(like_prefix(&a.text(0)?))))?;
    strict(conn, "pg_like_high", 1, |a| Ok(after_prefix(&like_prefix(&a.text(0)?))))?;
    strict(conn, "pg_like_escape", 2, |a| like_escape(&a.text(0)?, &a.text(1)?).map(text))?;
    lenient(conn, "pg_similar_escape", 2, |a| {
        if a.is_null(0) || a.is_null(1) {
            return Ok(Value::Null);
        }
        similar_to_regex(&a.text(0)?, &a.text(1)?).map(text)
    })?;
    strict(conn, "pg_regex", 2, |a| Ok(boolean(compiled(&a.text(1)?, false)?.is_match(&a.text(0)?))))?;
    strict(conn, "pg_iregex", 2, |a| Ok(boolean(compiled(&a.text(1)?, true)?.is_match(&a.text(0)?))))?;
    strict(conn, "pg_regex_flags", 3, |a| {
        let (regex, _) = with_flags(&a.text(1)?, &a.text(2)?)?;
        Ok(boolean(regex.is_match(&a.text(0)?)))
    })?;
    strict(conn, "pg_regex_count", 2, |a| {
        Ok(Value::Integer(compiled(&a.text(1)?, false)?.find_iter(&a.text(0)?).count() as i64))
    })?;
    strict(conn, "pg_regex_find", 2, |a| {
        let value = a.text(0)?;
        Ok(compiled(&a.text(1)?, false)?.find(&value).map_or(Value::Null, |found| text(found.as_str())))
    })?;
    strict(conn, "pg_regex_substring", 2, |a| {
        let value = a.text(0)?;
        let Some(found) = compiled(&a.text(1)?, false)?.captures(&value) else { return Ok(Value::Null) };
        // The first parenthesised group, if there is one, else all that matched.
        let group = if found.len() > 1 { found.get(1) } else { found.get(0) };
        Ok(group.map_or(Value::Null, |group| text(group.as_str())))
    })?;
    strict(conn, "pg_regex_match", 3, |a| {
        let (regex, all) = with_flags(&a.text(1)?, &a.text(2)?)?;
        if all {
            return Err(SqlError::new("22023", "regexp_match() does not support the \"global\" option")
                .hint("Use the regexp_matches function instead."));
        }
        let value = a.text(0)?;
        Ok(regex.captures(&value).map_or(Value::Null, |found| text(groups(&found).to_string())))
    })?;
    strict(conn, "pg_regex_split_array", 2, |a| {
        let parts = split(&*compiled(&a.text(1)?, false)?, &a.text(0)?);
        Ok(text(Array::of(parts.into_iter().map(Some).collect()).to_string()))
    })?;
    strict(conn, "pg_regex_replace", 3, |a| replace(a, ""))?;
    strict(conn, "pg_regex_replace", 4, |a| replace(a, &a.text(3)?))
}

/// Whether a text matches a LIKE pattern whose escape character is the backslash.
///
/// # Errors
/// 22025 when matching reaches a backslash that ends the pattern.
pub(super) fn like(value: &str, pattern: &str) -> Result<bool, SqlError> {
    let value: Vec<char> = value.chars().collect();
    let pattern: Vec<char> = pattern.chars().collect();
    matches_like(&value, &pattern, '%', '_', '\\')
}

/// Matches with one point of return: after a mismatch the last `%` takes one more character.
fn matches_like<T: PartialEq + Copy>(value: &[T], pattern: &[T], many: T, one: T, escape: T) -> Result<bool, SqlError> {
    let (mut at, mut next) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    loop {
        let step = match pattern.get(next) {
            None if at == value.len() => return Ok(true),
            None => None,
            Some(wildcard) if *wildcard == many => {
                retry = Some((at, next + 1));
                next += 1;
                continue;
            }
            Some(wildcard) if *wildcard == one => (at < value.len()).then_some(1),
            // A text that has ended does not match, before the pattern's own fault is seen.
            Some(_) if at == value.len() => None,
            Some(escaping) if *escaping == escape => {
                let Some(literal) = pattern.get(next + 1) else {
                    return Err(SqlError::new("22025", "LIKE pattern must not end with escape character"));
                };
                (value.get(at) == Some(literal)).then_some(2)
            }
            Some(literal) => (value.get(at) == Some(literal)).then_some(1),
        };
        if let Some(width) = step {
            at += 1;
            next += width;
            continue;
        }
        match retry {
            Some((from, resume)) if from < value.len() => {
                retry = Some((from + 1, resume));
                (at, next) = (from + 1, resume);
            }
            _ => return Ok(false),
        }
    }
}

/// Rewrites a pattern with another escape character (or none) to one with the backslash.
/// What every string that fits a LIKE pattern begins with.
fn like_prefix(pattern: &str) -> String {
    let mut prefix = String::new();
    let mut rest = pattern.chars();
    while let Some(c) = rest.next() {
        match c {
            '%' | '_' => break,
            '\\' => match rest.next() {
                Some(escaped) => prefix.push(escaped),
                // Such a pattern fits nothing, or is an error.
                None => break,
            },
            other => prefix.push(other),
        }
    }
    prefix
}

/// The first value, in the order of bytes, behind all strings with the prefix. A blob is behind every string.
fn after_prefix(prefix: &str) -> Value {
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        let next = (u32::from(last) + 1..=u32::from(char::MAX)).find_map(char::from_u32);
        if let Some(next) = next {
            chars.push(next);
            return text(chars.into_iter().collect::<String>());
        }
    }
    Value::Blob(Vec::new())
}

fn like_escape(pattern: &str, escape: &str) -> Result<String, SqlError> {
    let mut escapes = escape.chars();
    let (escape, None) = (escapes.next(), escapes.next()) else {
        return Err(
            SqlError::new("22025", "invalid escape string").hint("Escape string must be empty or one character.")
        );
    };
    let mut out = String::with_capacity(pattern.len());
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        if Some(c) == escape {
            out.push('\\');
            out.extend(chars.next());
        } else if c == '\\' {
            out.push_str("\\\\");
        } else {
            out.push(c);
        }
    }
    Ok(out)
}

/// Rewrites a SIMILAR TO pattern to a regular expression.
fn similar_to_regex(pattern: &str, escape: &str) -> Result<String, SqlError> {
    let mut escapes = escape.chars();
    let (escape, None) = (escapes.next(), escapes.next()) else {
        return Err(
            SqlError::new("22025", "invalid escape string").hint("Escape string must be empty or one character.")
        );
    };
    let mut out = String::from("^(?:");
    let mut in_set = false;
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            c if Some(c) == escape => {
                if let Some(literal) = chars.next() {
                    out.push('\\');
                    out.push(literal);
                }
            }
            ']' => {
                in_set = false;
                out.push(']');
            }
            c if in_set => out.push(c),
            '[' => {
                in_set = true;
                out.push('[');
            }
            '%' => out.push_str(".*"),
            '_' => out.push('.'),
            '(' => out.push_str("(?:"),
            '\\' | '.' | '^' | '$' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out.push_str(")$");
    Ok(out)
}

thread_local! {
    /// Most recently used last.
    static CACHE: RefCell<Vec<(String, Rc<Regex>)>> = const { RefCell::new(Vec::new()) };
}

/// How a pattern is to be read, from the flags argument of a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Flags {
    ignore_case: bool,
    newline_sensitive: bool,
    extended: bool,
    all: bool,
}

fn flags(text: &str) -> Result<Flags, SqlError> {
    let mut flags = Flags { ignore_case: false, newline_sensitive: false, extended: false, all: false };
    for c in text.chars() {
        match c {
            'i' => flags.ignore_case = true,
            'c' => flags.ignore_case = false,
            'n' | 'm' => flags.newline_sensitive = true,
            's' => flags.newline_sensitive = false,
            'x' => flags.extended = true,
            't' => flags.extended = false,
            'g' => flags.all = true,
            other => {
                return Err(SqlError::new("22023", format!("invalid regular expression option: \"{other}\"")));
            }
        }
    }
    Ok(flags)
}

/// The compiled pattern, and whether all matches are wanted.
pub(super) fn with_flags(pattern: &str, text: &str) -> Result<(Rc<Regex>, bool), SqlError> {
    let flags = flags(text)?;
    Ok((cached(pattern, flags)?, flags.all))
}

/// The compiled pattern, matched with or without regard to case.
pub(super) fn compiled(pattern: &str, ignore_case: bool) -> Result<Rc<Regex>, SqlError> {
    cached(pattern, Flags { ignore_case, newline_sensitive: false, extended: false, all: false })
}

fn cached(pattern: &str, flags: Flags) -> Result<Rc<Regex>, SqlError> {
    let key = format!("{}{}{}{pattern}", flags.ignore_case as u8, flags.newline_sensitive as u8, flags.extended as u8);
    CACHE.with_borrow_mut(|cache| {
        if let Some(at) = cache.iter().rposition(|(known, _)| *known == key) {
            let entry = cache.remove(at);
            let regex = Rc::clone(&entry.1);
            cache.push(entry);
            return Ok(regex);
        }
        let regex = Rc::new(compile(pattern, flags)?);
        if cache.len() >= CACHE_MAX {
            cache.remove(0);
        }
        cache.push((key, Rc::clone(&regex)));
        Ok(regex)
    })
}

fn compile(pattern: &str, flags: Flags) -> Result<Regex, SqlError> {
    let rewritten = if let Some(literal) = pattern.strip_prefix("***=") {
        regex::escape(literal)
    } else {
        rewrite(pattern.strip_prefix("***:").unwrap_or(pattern))?
    };
    RegexBuilder::new(&rewritten)
        .case_insensitive(flags.ignore_case)
        .dot_matches_new_line(!flags.newline_sensitive)
        .multi_line(flags.newline_sensitive)
        .ignore_whitespace(flags.extended)
        .size_limit(COMPILED_MAX)
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => {
                SqlError::new("2201B", "invalid regular expression: regular expression is too complex")
            }
            other @ (regex::Error::Syntax(_) | _) => {
                SqlError::new("2201B", format!("invalid regular expression: {}", last_line(&other.to_string())))
            }
        })
}

/// The reason without the drawing of where it is.
fn last_line(text: &str) -> &str {
    let line = text.lines().last().unwrap_or(text);
    line.strip_prefix("error: ").unwrap_or(line)
}

fn unsupported(what: &str) -> SqlError {
    SqlError::unsupported(format!("{what} in regular expressions is not supported"))
}

/// Rewrites PostgreSQL's advanced syntax to the crate's.
fn rewrite(pattern: &str) -> Result<String, SqlError> {
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                let escape = chars
                    .next()
                    .ok_or_else(|| SqlError::new("2201B", "invalid regular expression: invalid escape \\ sequence"))?;
                push_escape(&mut out, escape)?;
            }
            '[' => {
                let set = bracket(&mut chars)?;
                out.push_str(&set);
            }
            // A brace that begins no bound is an ordinary character.
            '{' if !chars.peek().is_some_and(char::is_ascii_digit) => out.push_str("\\{"),
            '(' if chars.peek() == Some(&'?') => {
                out.push('(');
                let rest: String = chars.clone().skip(1).take(2).collect();
                if rest.starts_with('=') || rest.starts_with('!') || rest.starts_with("<=") || rest.starts_with("<!") {
                    return Err(unsupported("look-around"));
                }
            }
            other => out.push(other),
        }
    }
    Ok(out)
}

fn push_escape(out: &mut String, escape: char) -> Result<(), SqlError> {
    match escape {
        'y' => out.push_str("\\b"),
        'Y' => out.push_str("\\B"),
        'm' => out.push_str("\\b{start}"),
        'M' => out.push_str("\\b{end}"),
        'Z' => out.push_str("\\z"),
        'A' | 'd' | 'D' | 's' | 'S' | 'w' | 'W' | 'n' | 't' | 'r' | 'f' | 'v' | 'a' | 'x' | 'u' | 'U' => {
            out.push('\\');
            out.push(escape);
        }
        'b' => out.push_str("\\x08"),
        'B' => out.push_str("\\\\"),
        'e' => out.push_str("\\x1b"),
        '0' => out.push_str("\\x00"),
        '1'..='9' => return Err(unsupported("a back reference")),
        c if c.is_ascii_alphabetic() => {
            return Err(SqlError::new("2201B", "invalid regular expression: invalid escape \\ sequence"));
        }
        c => out.push_str(&regex::escape(&c.to_string())),
    }
    Ok(())
}

/// Rewrites a bracket expression, of which `[` has been read.
fn bracket(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<String, SqlError> {
    let unbalanced = || SqlError::new("2201B", "invalid regular expression: brackets [] not balanced");
    let mut out = String::from("[");
    if chars.next_if_eq(&'^').is_some() {
        out.push('^');
    }
    let mut first = true;
    loop {
        let c = chars.next().ok_or_else(unbalanced)?;
        match c {
            ']' if !first => break,
            '[' if matches!(chars.peek(), Some(':' | '.' | '=')) => {
                let kind = chars.next().ok_or_else(unbalanced)?;
                let mut class = String::new();
                loop {
                    let c = chars.next().ok_or_else(unbalanced)?;
                    if c == kind && chars.next_if_eq(&']').is_some() {
                        break;
                    }
                    class.push(c);
                }
                match kind {
                    ':' => out.push_str(&format!("[:{class}:]")),
                    _ if class.chars().count() == 1 => out.push_str(&regex::escape(&class)),
                    _ => return Err(unsupported("a collating element")),
                }
            }
            '\\' => push_escape(&mut out, chars.next().ok_or_else(unbalanced)?)?,
            // Characters that begin the crate's set operations, and brackets, stand for themselves.
            '[' | ']' | '&' | '~' | '^' => {
                out.push('\\');
                out.push(c);
            }
            other => out.push(other),
        }
        first = false;
    }
    out.push(']');
    Ok(out)
}

fn replace(a: &Arguments<'_>, flag_text: &str) -> Result<Value, SqlError> {
    let value = a.text(0)?;
    let (regex, all) = with_flags(&a.text(1)?, flag_text)?;
    let replacement = a.text(2)?;
    let mut out = String::with_capacity(value.len());
    let mut end = 0;
    for found in regex.captures_iter(&value).take(if all { usize::MAX } else { 1 }) {
        let Some(whole) = found.get(0) else { continue };
        out.push_str(&value[end..whole.start()]);
        push_replacement(&mut out, &replacement, &found);
        end = whole.end();
    }
    out.push_str(&value[end..]);
    Ok(text(out))
}

/// What a match captured: its groups, or all of it where there are none.
pub(super) fn groups(found: &regex::Captures<'_>) -> Array {
    let first = usize::from(found.len() > 1);
    Array::of(found.iter().skip(first).map(|group| group.map(|group| group.as_str().to_owned())).collect())
}

/// The parts of a text between matches; empty matches at either end do not count.
pub(super) fn split(regex: &Regex, value: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let mut end = 0;
    for found in regex.find_iter(value) {
        if found.is_empty() && (found.start() == 0 || found.start() == value.len()) {
            continue;
        }
        parts.push(value[end..found.start()].to_owned());
        end = found.end();
    }
    parts.push(value[end..].to_owned());
    parts
}

/// Appends the replacement: `\1` to `\9` are groups, `\&` is the whole match, `\\` a backslash.
fn push_replacement(out: &mut String, replacement: &str, found: &regex::Captures<'_>) {
    let mut chars = replacement.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('&') => out.push_str(found.get(0).map_or("", |group| group.as_str())),
            Some(digit @ '1'..='9') => {
                let group = digit.to_digit(10).and_then(|group| found.get(group as usize));
                out.push_str(group.map_or("", |group| group.as_str()));
            }
            Some('\\') | None => out.push('\\'),
            Some(other) => {
                out.push('\\');
                out.push(other);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::check;

    #[test]
    fn like_knows_case_and_escapes() {
        check("pg_like('A', 'a')", "0");
        check("pg_ilike('A', 'a')", "1");
        check("pg_like('a_b', 'a\\_b')", "1");
        check("pg_like('axb', 'a\\_b')", "0");
        check("pg_like('abcabd', '%b_')", "1");
        check("pg_like('', '%')", "1");
        check("pg_like('é', '_')", "1");
        check("pg_like('a', 'a\\')", "0");
        check("pg_like('ab', 'a\\')", "LIKE pattern must not end with escape character (22025)");
        check("pg_like('a%', pg_like_escape('a!%', '!'))", "1");
        check("pg_like_low('a\\%b%c')", "a%b");
        check("pg_like_high('ab%')", "ac");
        check("typeof(pg_like_high('%'))", "blob");
        check("pg_like_high('a' || char(1114111) || '%')", "b");
        check("pg_like_escape('a', 'xy')", "invalid escape string (22025)");
    }

    #[test]
    fn regular_expressions_are_postgresql_s() {
        check("pg_regex('abc', '^a.c$')", "1");
        check("pg_regex('a' || char(10) || 'c', 'a.c')", "1");
        check("pg_iregex('ABC', 'b')", "1");
        check("pg_regex('foo bar', '\\mbar\\M')", "1");
        check("pg_regex('a]b', '[]x]')", "1");
        check("pg_regex('a{b', 'a{b')", "1");
        check("pg_regex('pg_class', '^(pg_class)$')", "1");
        check("pg_regex('x', '(')", "invalid regular expression: unclosed group (2201B)");
        check("pg_regex('aa', '(a)\\1')", "a back reference in regular expressions is not supported (0A000)");
        check("pg_regex('a&&b', '[&&]')", "1");
        check("pg_regex('ab1', '^[[:alpha:]]+[0-9]$')", "1");
    }

    #[test]
    fn replacing_and_extracting() {
        check("pg_regex_replace('foobarbaz', 'b(..)', 'X\\1Y', 'g')", "fooXarYXazY");
        check("pg_regex_replace('foobarbaz', 'b..', 'X')", "fooXbaz");
        check("pg_regex_replace('a', 'a', 'b', 'q?')", "invalid regular expression option: \"q\" (22023)");
        check("pg_regex_substring('foobar', 'o(.)b')", "o");
        check("pg_regex_substring('foobar', 'zz')", "NULL");
        check("pg_regex('abc', pg_similar_escape('%(b|d)%', '\\'))", "1");
        check("pg_regex_count('abab', 'a')", "2");
    }
}
