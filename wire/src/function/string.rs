//! String and byte-string functions.
//!
//! Characters are Unicode code points; `upper`, `lower` and `initcap` follow Unicode. Results longer than [`RESULT_MAX`]
//! are 54000, as PostgreSQL refuses strings beyond its allocation limit.

use storage::Value;
use storage::rusqlite::{self, Connection};

use super::Form::{Call, Pattern};
use super::body::{Arguments, boolean, lenient, strict, text};
use super::{Function, function_table};
use crate::error::SqlError;
use crate::types::text as codec;

/// Longest string a function makes, in bytes: a bound on the memory one call can take.
const RESULT_MAX: usize = 256 << 20;

pub(super) static FUNCTIONS: &[Function] = function_table! {
    "length"(TEXT) -> INT4, Immutable, Call("length");
    "length"(BPCHAR) -> INT4, Immutable, Pattern("length(rtrim({0}, ' '))");
    "length"(BYTEA) -> INT4, Immutable, Call("length");
    "char_length"(TEXT) -> INT4, Immutable, Call("length");
    "char_length"(BPCHAR) -> INT4, Immutable, Pattern("length(rtrim({0}, ' '))");
    "character_length"(TEXT) -> INT4, Immutable, Call("length");
    "character_length"(BPCHAR) -> INT4, Immutable, Pattern("length(rtrim({0}, ' '))");
    "octet_length"(TEXT) -> INT4, Immutable, Call("octet_length");
    "octet_length"(BPCHAR) -> INT4, Immutable, Call("octet_length");
    "octet_length"(BYTEA) -> INT4, Immutable, Call("octet_length");
    "bit_length"(TEXT) -> INT4, Immutable, Pattern("(8 * octet_length({0}))");
    "bit_length"(BYTEA) -> INT4, Immutable, Pattern("(8 * octet_length({0}))");
    "lower"(TEXT) -> TEXT, Immutable, Call("pg_lower");
    "upper"(TEXT) -> TEXT, Immutable, Call("pg_upper");
    "initcap"(TEXT) -> TEXT, Immutable, Call("pg_initcap");
    "substring"(TEXT, INT4) -> TEXT, Immutable, Call("pg_substring");
    "substring"(TEXT, INT4, INT4) -> TEXT, Immutable, Call("pg_substring");
    "substring"(BYTEA, INT4) -> BYTEA, Immutable, Call("pg_substring");
    "substring"(BYTEA, INT4, INT4) -> BYTEA, Immutable, Call("pg_substring");
    "substr"(TEXT, INT4) -> TEXT, Immutable, Call("pg_substring");
    "substr"(TEXT, INT4, INT4) -> TEXT, Immutable, Call("pg_substring");
    "substr"(BYTEA, INT4) -> BYTEA, Immutable, Call("pg_substring");
    "substr"(BYTEA, INT4, INT4) -> BYTEA, Immutable, Call("pg_substring");
    "position"(TEXT, TEXT) -> INT4, Immutable, Call("instr");
    "position"(BYTEA, BYTEA) -> INT4, Immutable, Call("instr");
    "strpos"(TEXT, TEXT) -> INT4, Immutable, Call("instr");
    "overlay"(TEXT, TEXT, INT4) -> TEXT, Immutable, Call("pg_overlay");
    "overlay"(TEXT, TEXT, INT4, INT4) -> TEXT, Immutable, Call("pg_overlay");
    "btrim"(TEXT) -> TEXT, Immutable, Pattern("trim({0}, ' ')");
    "btrim"(TEXT, TEXT) -> TEXT, Immutable, Call("trim");
    "ltrim"(TEXT) -> TEXT, Immutable, Pattern("ltrim({0}, ' ')");
    "ltrim"(TEXT, TEXT) -> TEXT, Immutable, Call("ltrim");
    "rtrim"(TEXT) -> TEXT, Immutable, Pattern("rtrim({0}, ' ')");
    "rtrim"(TEXT, TEXT) -> TEXT, Immutable, Call("rtrim");
    "replace"(TEXT, TEXT, TEXT) -> TEXT, Immutable, Call("pg_replace");
    "translate"(TEXT, TEXT, TEXT) -> TEXT, Immutable, Call("pg_translate");
    "split_part"(TEXT, TEXT, INT4) -> TEXT, Immutable, Call("pg_split_part");
    "left"(TEXT, INT4) -> TEXT, Immutable, Call("pg_left");
    "right"(TEXT, INT4) -> TEXT, Immutable, Call("pg_right");
    "lpad"(TEXT, INT4) -> TEXT, Immutable, Pattern("pg_lpad({0}, {1}, ' ')");
    "lpad"(TEXT, INT4, TEXT) -> TEXT, Immutable, Call("pg_lpad");
    "rpad"(TEXT, INT4) -> TEXT, Immutable, Pattern("pg_rpad({0}, {1}, ' ')");
    "rpad"(TEXT, INT4, TEXT) -> TEXT, Immutable, Call("pg_rpad");
    "repeat"(TEXT, INT4) -> TEXT, Immutable, Call("pg_repeat");
    "reverse"(TEXT) -> TEXT, Immutable, Call("pg_reverse");
    "starts_with"(TEXT, TEXT) -> BOOL, Immutable, Call("pg_starts_with");
    "ascii"(TEXT) -> INT4, Immutable, Call("pg_ascii");
    "chr"(INT4) -> TEXT, Immutable, Call("pg_chr");
    "to_hex"(INT4) -> TEXT, Immutable, Pattern("pg_to_hex({0} & 4294967295)");
    "to_hex"(INT8) -> TEXT, Immutable, Call("pg_to_hex");
    "md5"(TEXT) -> TEXT, Immutable, Call("pg_md5");
    "md5"(BYTEA) -> TEXT, Immutable, Call("pg_md5");
    "encode"(BYTEA, TEXT) -> TEXT, Immutable, Call("pg_encode");
    "decode"(TEXT, TEXT) -> BYTEA, Immutable, Call("pg_decode");
    "convert_to"(TEXT, NAME) -> BYTEA, Stable, Call("pg_convert_to");
    "convert_from"(BYTEA, NAME) -> TEXT, Stable, Call("pg_convert_from");
    "quote_ident"(TEXT) -> TEXT, Immutable, Call("pg_quote_ident");
    "quote_literal"(TEXT) -> TEXT, Immutable, Call("pg_quote_literal");
    "quote_nullable"(TEXT) -> TEXT, Immutable, Call("pg_quote_nullable");
    "quote_literal"(ANYELEMENT) -> TEXT, Stable, Pattern("pg_quote_literal(pg_shown({timezone}, {types}, {0}))");
    "quote_nullable"(ANYELEMENT) -> TEXT, Stable, Pattern("pg_quote_nullable(pg_shown({timezone}, {types}, {0}))");
    "num_nulls"() variadic ANY -> INT4, Immutable, Pattern("pg_num_nulls({*})");
    "num_nonnulls"() variadic ANY -> INT4, Immutable, Pattern("pg_num_nonnulls({*})");
    "concat"() variadic ANY -> TEXT, Stable, Pattern("pg_concat({timezone}, {types}{, *})");
    "concat_ws"(TEXT) variadic ANY -> TEXT, Stable, Pattern("pg_concat_ws({timezone}, {types}{, *})");
    "format"(TEXT) -> TEXT, Stable, Pattern("pg_format({timezone}, {types}{, *})");
    "format"(TEXT) variadic ANY -> TEXT, Stable, Pattern("pg_format({timezone}, {types}{, *})");
};

fn too_long() -> SqlError {
    SqlError::new("54000", "requested length too large")
}

fn invalid(message: impl Into<String>) -> SqlError {
    SqlError::new("22023", message)
}

pub(super) fn register(conn: &Connection) -> rusqlite::Result<()> {
    register_letters(conn)?;
    register_parts(conn)?;
    register_padding(conn)?;
    register_encodings(conn)?;
    super::format::register(conn)
}

fn register_letters(conn: &Connection) -> rusqlite::Result<()> {
    strict(conn, "pg_lower", 1, |a| Ok(text(a.text(0)?.to_lowercase())))?;
    strict(conn, "pg_upper", 1, |a| Ok(text(a.text(0)?.chars().flat_map(upper_single).collect::<String>())))?;
    strict(conn, "pg_initcap", 1, |a| {
        let mut in_word = false;
        let mut out = String::new();
        for c in a.text(0)?.chars() {
            if in_word {
                out.extend(c.to_lowercase());
            } else {
                out.extend(upper_single(c));
            }
            in_word = c.is_alphanumeric();
        }
        Ok(text(out))
    })?;
    strict(conn, "pg_reverse", 1, |a| Ok(text(a.text(0)?.chars().rev().collect::<String>())))?;
    strict(conn, "pg_starts_with", 2, |a| Ok(boolean(a.text(0)?.starts_with(&*a.text(1)?))))?;
    strict(conn, "pg_ascii", 1, |a| {
        Ok(Value::Integer(a.text(0)?.chars().next().map_or(0, |c| i64::from(u32::from(c)))))
    })?;
    strict(conn, "pg_chr", 1, |a| match a.int(0)? {
        0 => Err(SqlError::new("54000", "null character not permitted")),
        code if code < 0 => Err(SqlError::new("22023", "character number must be positive")),
        code => u32::try_from(code)
            .ok()
            .and_then(char::from_u32)
            .map(text)
            .ok_or_else(|| SqlError::new("54000", format!("requested character not valid for encoding: {code}"))),
    })?;
    strict(conn, "pg_to_hex", 1, |a| Ok(text(format!("{:x}", a.int(0)?))))?;
    strict(conn, "pg_translate", 3, |a| {
        let (from, to) = (a.text(1)?, a.text(2)?);
        let to: Vec<char> = to.chars().collect();
        let replaced = |c: char| match from.chars().position(|candidate| candidate == c) {
            None => Some(c),
            Some(at) => to.get(at).copied(),
        };
        Ok(text(a.text(0)?.chars().filter_map(replaced).collect::<String>()))
    })
}

/// Upper case where it is one character; PostgreSQL maps characters one to one (so `ß` stays).
fn upper_single(c: char) -> impl Iterator<Item = char> {
    let mut upper = c.to_uppercase();
    let single = if upper.len() == 1 { upper.next() } else { None };
    std::iter::once(single.unwrap_or(c))
}

/// The range `[from, from + count)` of positions from 1, cut to `0..length`; `count` `None` is to the end.
fn span(from: i64, count: Option<i64>, length: usize) -> Result<(usize, usize), SqlError> {
    if count.is_some_and(|count| count < 0) {
        return Err(SqlError::new("22011", "negative substring length not allowed"));
    }
    let length = i64::try_from(length).unwrap_or(i64::MAX);
    let start = (from - 1).clamp(0, length);
    let end = count.map_or(length, |count| from.saturating_sub(1).saturating_add(count).clamp(start, length));
    Ok((start as usize, end as usize))
}

fn substring(a: &Arguments<'_>) -> Result<Value, SqlError> {
    let from = a.int(1)?;
    let count = if a.len() > 2 { Some(a.int(2)?) } else { None };
    if let storage::ValueRef::Blob(bytes) = a.value(0) {
        let (start, end) = span(from, count, bytes.len())?;
        return Ok(Value::Blob(bytes[start..end].to_vec()));
    }
    let value = a.text(0)?;
    let (start, end) = span(from, count, value.chars().count())?;
    Ok(text(value.chars().skip(start).take(end - start).collect::<String>()))
}

/// Where the `count`-th character ends; negative counts are from the end.
fn cut(value: &str, count: i64) -> usize {
    let length = value.chars().count() as i64;
    let wanted = if count < 0 { (length + count).max(0) } else { count };
    value.char_indices().nth(usize::try_from(wanted).unwrap_or(usize::MAX)).map_or(value.len(), |(at, _)| at)
}

fn register_parts(conn: &Connection) -> rusqlite::Result<()> {
    strict(conn, "pg_substring", 2, substring)?;
    strict(conn, "pg_substring", 3, substring)?;
    strict(conn, "pg_left", 2, |a| {
        let value = a.text(0)?;
        Ok(text(&value[..cut(&value, a.int(1)?)]))
    })?;
    strict(conn, "pg_right", 2, |a| {
        let (value, count) = (a.text(0)?, a.int(1)?);
        // The last n characters are all but the first `length - n`; with n negative all but the first -n.
        let skipped = if count < 0 { -count } else { (value.chars().count() as i64 - count).max(0) };
        Ok(text(&value[cut(&value, skipped)..]))
    })?;
    strict(conn, "pg_split_part", 3, |a| split_part(&a.text(0)?, &a.text(1)?, a.int(2)?))?;
    strict(conn, "pg_overlay", 3, |a| overlay(a, None))?;
    strict(conn, "pg_overlay", 4, |a| overlay(a, Some(a.int(3)?)))?;
    strict(conn, "pg_replace", 3, |a| {
        let (value, from, to) = (a.text(0)?, a.text(1)?, a.text(2)?);
        if from.is_empty() {
            return Ok(text(value));
        }
        if value.matches(&*from).count().saturating_mul(to.len()) > RESULT_MAX {
            return Err(too_long());
        }
        Ok(text(value.replace(&*from, &to)))
    })
}

fn overlay(a: &Arguments<'_>, count: Option<i64>) -> Result<Value, SqlError> {
    let (value, inserted, from) = (a.text(0)?, a.text(1)?, a.int(2)?);
    if from <= 0 {
        return Err(SqlError::new("22011", "negative substring length not allowed"));
    }
    let count = count.unwrap_or_else(|| inserted.chars().count() as i64);
    let (head, tail) = (cut(&value, from - 1), cut(&value, (from - 1 + count).max(0)));
    Ok(text(format!("{}{}{}", &value[..head], inserted, &value[tail..])))
}

fn split_part(value: &str, separator: &str, field: i64) -> Result<Value, SqlError> {
    if field == 0 {
        return Err(invalid("field position must not be zero"));
    }
    if separator.is_empty() {
        return Ok(text(if field == 1 || field == -1 { value } else { "" }));
    }
    let at = usize::try_from(field.unsigned_abs() - 1).unwrap_or(usize::MAX);
    let part = if field > 0 { value.split(separator).nth(at) } else { value.rsplit(separator).nth(at) };
    Ok(text(part.unwrap_or("")))
}

fn pad(a: &Arguments<'_>) -> Result<(String, String), SqlError> {
    let (value, length, fill) = (a.text(0)?, a.int(1)?.max(0), a.text(2)?);
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if length.saturating_mul(4) > RESULT_MAX {
        return Err(too_long());
    }
    let kept: String = value.chars().take(length).collect();
    let missing = length - kept.chars().count();
    let filling = if fill.is_empty() { String::new() } else { fill.chars().cycle().take(missing).collect() };
    Ok((kept, filling))
}

fn register_padding(conn: &Connection) -> rusqlite::Result<()> {
    strict(conn, "pg_lpad", 3, |a| pad(a).map(|(kept, filling)| text(filling + &kept)))?;
    strict(conn, "pg_rpad", 3, |a| pad(a).map(|(kept, filling)| text(kept + &filling)))?;
    strict(conn, "pg_repeat", 2, |a| {
        let (value, count) = (a.text(0)?, usize::try_from(a.int(1)?.max(0)).unwrap_or(usize::MAX));
        if value.len().saturating_mul(count) > RESULT_MAX {
            return Err(too_long());
        }
        Ok(text(value.repeat(count)))
    })
}

fn register_encodings(conn: &Connection) -> rusqlite::Result<()> {
    strict(conn, "pg_md5", 1, |a| Ok(text(format!("{:x}", md5::compute(a.blob(0)?)))))?;
    strict(conn, "pg_bytea_concat", 2, |a| Ok(Value::Blob([a.blob(0)?, a.blob(1)?].concat())))?;
    strict(conn, "pg_encode", 2, |a| {
        let (bytes, format) = (a.blob(0)?, a.text(1)?.to_ascii_lowercase());
        match format.as_str() {
            "hex" => Ok(text(codec::hex_digits(bytes))),
            "base64" => Ok(text(base64_lines(bytes))),
            "escape" => Ok(text(escaped(bytes))),
            _ => Err(invalid(format!("unrecognized encoding: \"{format}\""))),
        }
    })?;
    strict(conn, "pg_decode", 2, |a| {
        let (value, format) = (a.text(0)?, a.text(1)?.to_ascii_lowercase());
        match format.as_str() {
            "hex" => codec::from_hex_digits(&value),
            "base64" => from_base64(&value),
            "escape" => codec::from_escape(&value),
            _ => Err(invalid(format!("unrecognized encoding: \"{format}\""))),
        }
        .map(Value::Blob)
    })?;
    strict(conn, "pg_convert_to", 2, |a| {
        utf8_only(&a.text(1)?)?;
        Ok(Value::Blob(a.text(0)?.into_owned().into_bytes()))
    })?;
    strict(conn, "pg_convert_from", 2, |a| {
        utf8_only(&a.text(1)?)?;
        crate::types::utf8(a.blob(0)?).map(text)
    })?;
    strict(conn, "pg_quote_ident", 1, |a| Ok(text(quote_identifier(&a.text(0)?))))?;
    strict(conn, "pg_quote_literal", 1, |a| Ok(text(quote_literal(&a.text(0)?))))?;
    lenient(conn, "pg_quote_nullable", 1, |a| {
        Ok(text(if a.is_null(0) { "NULL".to_owned() } else { quote_literal(&a.text(0)?) }))
    })
}

fn utf8_only(name: &str) -> Result<(), SqlError> {
    if name.eq_ignore_ascii_case("utf8") || name.eq_ignore_ascii_case("utf-8") {
        Ok(())
    } else {
        Err(SqlError::unsupported(format!("conversion between UTF8 and \"{name}\" is not supported")))
    }
}

/// `encode(.., 'escape')`: zero bytes and bytes beyond ASCII in octal.
fn escaped(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            0 | 0x80.. => out.push_str(&format!("\\{byte:03o}")),
            b'\\' => out.push_str("\\\\"),
            _ => out.push(char::from(*byte)),
        }
    }
    out
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Base64 with a line break after every 76 characters (RFC 2045), as PostgreSQL writes it.
fn base64_lines(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4 + bytes.len() / 57);
    for (at, chunk) in bytes.chunks(3).enumerate() {
        if at > 0 && at % 19 == 0 {
            out.push('\n');
        }
        let word = chunk.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for digit in 0..4 {
            if digit <= chunk.len() {
                out.push(char::from(BASE64[(word >> (18 - 6 * digit)) as usize & 63]));
            } else {
                out.push('=');
            }
        }
    }
    out
}

fn from_base64(value: &str) -> Result<Vec<u8>, SqlError> {
    let mut out = Vec::with_capacity(value.len() / 4 * 3);
    let (mut word, mut count, mut padding) = (0u32, 0, 0);
    for c in value.chars().filter(|c| !matches!(c, ' ' | '\t' | '\n' | '\r')) {
        if c == '=' {
            if padding == 0 && !matches!(count, 2 | 3) {
                return Err(invalid("unexpected \"=\" while decoding base64 sequence"));
            }
            padding += 1;
        } else {
            let digit = u8::try_from(c).ok().and_then(|byte| BASE64.iter().position(|candidate| *candidate == byte));
            let (Some(digit), 0) = (digit, padding) else {
                return Err(invalid(format!("invalid symbol \"{c}\" found while decoding base64 sequence")));
            };
            word = word << 6 | digit as u32;
            count += 1;
        }
        if count + padding == 4 {
            let bytes = (word << (6 * padding)).to_be_bytes();
            out.extend_from_slice(&bytes[1..4 - padding.min(2)]);
            (word, count, padding) = (0, 0, 0);
        }
    }
    if count + padding != 0 {
        return Err(invalid("invalid base64 end sequence")
            .hint("Input data is missing padding, is truncated, or is otherwise corrupted."));
    }
    Ok(out)
}

/// An identifier as SQL writes it: in double quotes unless it is plain and no keyword.
pub fn quote_identifier(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if plain && !super::keyword::is_keyword(name) {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

/// A string literal; with backslashes in the `E''` form.
pub fn quote_literal(value: &str) -> String {
    let doubled = value.replace('\'', "''");
    if value.contains('\\') { format!("E'{}'", doubled.replace('\\', "\\\\")) } else { format!("'{doubled}'") }
}

#[cfg(test)]
mod tests {
    use super::super::tests::check;

    #[test]
    fn parts_of_strings_are_counted_in_characters() {
        check("pg_substring('héllo', 2, 3)", "éll");
        check("pg_substring('abc', 0, 2)", "a");
        check("pg_substring('abc', -5)", "abc");
        check("pg_substring('abc', 1, -1)", "negative substring length not allowed (22011)");
        check("pg_substring('abc', 2147483647, 2147483647)", "");
        check("pg_substring(x'010203', 2)", "\\x0203");
        check("pg_left('héllo', -2)", "hél");
        check("pg_right('héllo', 4)", "éllo");
        check("pg_right('héllo', -2)", "llo");
        check("pg_split_part('a,b,c', ',', -1)", "c");
        check("pg_split_part('a,b', ',', 0)", "field position must not be zero (22023)");
        check("pg_overlay('Txxxxas', 'hom', 2, 4)", "Thomas");
    }

    #[test]
    fn letters_follow_unicode() {
        check("pg_upper('äß')", "Äß");
        check("pg_lower('ÄB')", "äb");
        check("pg_initcap('hi THOMAS-x')", "Hi Thomas-X");
        check("pg_translate('12345', '143', 'ax')", "a2x5");
        check("pg_chr(0)", "null character not permitted (54000)");
        check("pg_reverse('añb')", "bña");
    }

    #[test]
    fn padding_cuts_and_is_bounded() {
        check("pg_lpad('hi', 5, 'xy')", "xyxhi");
        check("pg_rpad('hello', 3, 'x')", "hel");
        check("pg_repeat('x', -1)", "");
        check("pg_repeat('xxxxxxxxxx', 2000000000)", "requested length too large (54000)");
    }

    #[test]
    fn encodings_round_trip() {
        check("pg_md5('a')", "0cc175b9c0f1b6a831c399e269772661");
        check("pg_encode(x'0001ff', 'base64')", "AAH/");
        check("pg_encode(x'00', 'base64')", "AA==");
        check("pg_decode('AA==', 'base64')", "\\x00");
        check("pg_decode('A', 'base64')", "invalid base64 end sequence (22023)");
        check("pg_encode(x'5c41ff', 'escape')", "\\\\A\\377");
        check("pg_encode(x'00', 'rot13')", "unrecognized encoding: \"rot13\" (22023)");
        check("pg_convert_from(x'ff', 'UTF8')", "invalid byte sequence for encoding \"UTF8\": 0xff (22021)");
    }

    #[test]
    fn quoting_protects_what_needs_it() {
        check("pg_quote_ident('todos')", "todos");
        check("pg_quote_ident('select')", "\"select\"");
        check("pg_quote_ident('a\"b')", "\"a\"\"b\"");
        check("pg_quote_literal('o''k\\')", "E'o''k\\\\'");
        check("pg_quote_nullable(NULL)", "NULL");
    }

    #[test]
    fn values_of_any_type_are_shown_by_their_output_function() {
        check("pg_concat('UTC', '25,16,23', 'a', 1, NULL)", "at");
        check("pg_concat_ws('UTC', '25,25,23,25', '-', 'a', NULL, 'b')", "a-b");
        check("pg_format('UTC', '25,25,25,23', 'x %s %I %L', 'a', 'B c', 5)", "x a \"B c\" '5'");
        check("pg_format('UTC', '25,25', '|%5s|', 'ab')", "|   ab|");
        check("pg_format('UTC', '25,25,25', '%2$s %1$s %%', 'a', 'b')", "b a %");
        check("pg_format('UTC', '25', '%s')", "too few arguments for format() (22023)");
        check("pg_format('UTC', '25,25', '%-4s|', 'ab')", "ab  |");
    }
}
