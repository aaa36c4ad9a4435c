//! `json` and `jsonb`: reading, PostgreSQL's canonical `jsonb` text, order and containment.
//!
//! A [`Json`] keeps numbers as `numeric` text, so that no digit is lost. `jsonb` is stored in canonical form: keys ordered by
//! length, then bytes, the last of equal keys kept, one blank after `:` and `,`. `json` is stored verbatim.

use std::cmp::Ordering;

use super::numeric::Numeric;
use crate::error::SqlError;

/// Deepest nesting that is read: a bound on recursion, well below any thread's stack.
const DEPTH_MAX: usize = 500;

/// A JSON value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Json {
    Null,
    Bool(bool),
    Number(String),
    String(String),
    Array(Vec<Self>),
    /// In the order read.
    Object(Vec<(String, Self)>),
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

fn invalid(detail: impl Into<String>) -> SqlError {
    SqlError::new("22P02", "invalid input syntax for type json").detail(detail)
}

/// Reads a JSON text.
///
/// # Errors
/// 22P02 with PostgreSQL's detail; 54001 when nested too deep.
pub fn parse(text: &str) -> Result<Json, SqlError> {
    let mut reader = Reader { text, at: 0 };
    let value = reader.value(0)?;
    reader.blanks();
    if reader.at < text.len() {
        return Err(invalid(format!("Expected end of input, but found \"{}\".", reader.token())));
    }
    Ok(value)
}

/// Reads a `jsonb` value into canonical order.
///
/// # Errors
/// As [`parse`]; 22P05 for `\u0000`, which `jsonb` cannot hold.
pub fn parse_canonical(text: &str) -> Result<Json, SqlError> {
    let value = parse(text)?.canonical();
    if value.holds_zero() {
        return Err(SqlError::new("22P05", "unsupported Unicode escape sequence")
            .detail("\\u0000 cannot be converted to text."));
    }
    Ok(value)
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn blanks(&mut self) {
        self.at += self.rest().bytes().take_while(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r')).count();
    }

    /// What an error shows: a word, or one character.
    fn token(&self) -> String {
        let word: String =
            self.rest().chars().take_while(|c| c.is_alphanumeric() || *c == '_' || !c.is_ascii()).collect();
        if word.is_empty() { self.rest().chars().take(1).collect() } else { word }
    }

    fn unexpected(&self, wanted: &str) -> SqlError {
        if self.at >= self.text.len() {
            return invalid("The input string ended unexpectedly.");
        }
        let token = self.token();
        let word = token.starts_with(|c: char| c.is_alphanumeric() || c == '_' || !c.is_ascii());
        if word || !matches!(token.as_str(), "{" | "}" | "[" | "]" | "," | ":" | "\"") {
            return invalid(format!("Token \"{token}\" is invalid."));
        }
        invalid(format!("Expected {wanted}, but found \"{token}\"."))
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.text.as_bytes().get(self.at) == Some(&byte);
        self.at += usize::from(found);
        found
    }

    fn value(&mut self, depth: usize) -> Result<Json, SqlError> {
        if depth > DEPTH_MAX {
            return Err(SqlError::new("54001", "stack depth limit exceeded"));
        }
        self.blanks();
        match self.text.as_bytes().get(self.at) {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => self.string().map(Json::String),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => {
                for (word, value) in [("true", Json::Bool(true)), ("false", Json::Bool(false)), ("null", Json::Null)] {
                    if self.token() == word {
                        self.at += word.len();
                        return Ok(value);
                    }
                }
                Err(self.unexpected("JSON value"))
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Json, SqlError> {
        self.at += 1;
        let mut members = Vec::new();
        self.blanks();
        if self.take(b'}') {
            return Ok(Json::Object(members));
        }
        loop {
            self.blanks();
            if self.text.as_bytes().get(self.at) != Some(&b'"') {
                return Err(self.unexpected(if members.is_empty() { "string or \"}\"" } else { "string" }));
            }
            let key = self.string()?;
            self.blanks();
            if !self.take(b':') {
                return Err(self.unexpected("\":\""));
            }
            members.push((key, self.value(depth + 1)?));
            self.blanks();
            if self.take(b'}') {
                return Ok(Json::Object(members));
            }
            if !self.take(b',') {
                return Err(self.unexpected("\",\" or \"}\""));
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Json, SqlError> {
        self.at += 1;
        let mut items = Vec::new();
        self.blanks();
        if self.take(b']') {
            return Ok(Json::Array(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.blanks();
            if self.take(b']') {
                return Ok(Json::Array(items));
            }
            if !self.take(b',') {
                return Err(self.unexpected("\",\" or \"]\""));
            }
        }
    }

    fn number(&mut self) -> Result<Json, SqlError> {
        let start = self.at;
        let malformed = |reader: &Self| {
            let token: String = reader.text[start..]
                .chars()
                .take_while(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '+' | '_'))
                .collect();
            invalid(format!("Token \"{token}\" is invalid."))
        };
        self.take(b'-');
        let digits = |reader: &mut Self| {
            let count = reader.rest().bytes().take_while(u8::is_ascii_digit).count();
            reader.at += count;
            count
        };
        let leading_zero = self.rest().starts_with('0');
        let whole = digits(self);
        if whole == 0 || (leading_zero && whole > 1) {
            return Err(malformed(self));
        }
        if self.take(b'.') && digits(self) == 0 {
            return Err(malformed(self));
        }
        if self.take(b'e') || self.take(b'E') {
            if !self.take(b'+') {
                self.take(b'-');
            }
            if digits(self) == 0 {
                return Err(malformed(self));
            }
        }
        if self.rest().starts_with(|c: char| c.is_alphanumeric() || c == '_') {
            return Err(malformed(self));
        }
        Ok(Json::Number(self.text[start..self.at].to_owned()))
    }

    /// A string, of which the opening quote is next.
    fn string(&mut self) -> Result<String, SqlError> {
        self.at += 1;
        let mut out = String::new();
        loop {
            let Some(c) = self.rest().chars().next() else {
                return Err(invalid("The input string ended unexpectedly."));
            };
            self.at += c.len_utf8();
            match c {
                '"' => return Ok(out),
                '\\' => self.escape(&mut out)?,
                '\0'..='\x1f' => {
                    return Err(invalid(format!("Character with value 0x{:02x} must be escaped.", u32::from(c))));
                }
                c => out.push(c),
            }
        }
    }

    fn escape(&mut self, out: &mut String) -> Result<(), SqlError> {
        let Some(c) = self.rest().chars().next() else {
            return Err(invalid("The input string ended unexpectedly."));
        };
        self.at += c.len_utf8();
        let plain = match c {
            '"' | '\\' | '/' => c,
            'b' => '\x08',
            'f' => '\x0c',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => return self.unicode(out),
            other => return Err(invalid(format!("Escape sequence \"\\{other}\" is invalid."))),
        };
        out.push(plain);
        Ok(())
    }

    fn unicode(&mut self, out: &mut String) -> Result<(), SqlError> {
        let first = self.hex()?;
        let code = match first {
            0xD800..=0xDBFF => {
                if !self.rest().starts_with("\\u") {
                    return Err(invalid("Unicode low surrogate must follow a high surrogate."));
                }
                self.at += 2;
                let second = self.hex()?;
                if !(0xDC00..=0xDFFF).contains(&second) {
                    return Err(invalid("Unicode low surrogate must follow a high surrogate."));
                }
                0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00)
            }
            other => other,
        };
        let c = char::from_u32(code).ok_or_else(|| invalid("Unicode low surrogate must follow a high surrogate."))?;
        out.push(c);
        Ok(())
    }

    fn hex(&mut self) -> Result<u32, SqlError> {
        let digits = self.rest().get(..4).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        let code = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        self.at += 4;
        code.ok_or_else(|| invalid("\"\\u\" must be followed by four hexadecimal digits."))
    }
}

/// One step into a JSON value.
#[derive(Debug, Clone, Copy)]
pub enum Step<'a> {
    /// A member of an object.
    Key(&'a str),
    /// An item of an array; negative positions count from the end.
    Item(i64),
    /// A key or a position, as the value at hand has it.
    Either(&'a str),
}

/// Finds the value that steps lead to, as it is written in the text; `None` where there is none.
///
/// # Errors
/// As [`parse`].
pub fn locate<'a>(text: &'a str, steps: &[Step<'_>]) -> Result<Option<&'a str>, SqlError> {
    let mut found = text.trim_matches([' ', '\t', '\n', '\r']);
    for step in steps {
        let spans = spans(found)?;
        let at = match (&spans, step) {
            (Spans::Object(members), Step::Key(key) | Step::Either(key)) => {
                members.iter().rev().find(|(name, _)| name == key).map(|(_, value)| *value)
            }
            (Spans::Array(items), Step::Item(at)) => item_at(items, *at),
            (Spans::Array(items), Step::Either(text)) => text.trim().parse().ok().and_then(|at| item_at(items, at)),
            _ => None,
        };
        match at {
            Some(value) => found = value,
            None => return Ok(None),
        }
    }
    Ok(Some(found))
}

fn item_at<'a>(items: &[&'a str], at: i64) -> Option<&'a str> {
    let at = if at < 0 { at + items.len() as i64 } else { at };
    usize::try_from(at).ok().and_then(|at| items.get(at)).copied()
}

/// The parts of a container, as they are written.
#[derive(Debug)]
pub enum Spans<'a> {
    Scalar,
    Array(Vec<&'a str>),
    Object(Vec<(String, &'a str)>),
}

/// Takes the outermost container of a text apart.
///
/// # Errors
/// As [`parse`].
pub fn spans(text: &str) -> Result<Spans<'_>, SqlError> {
    let mut reader = Reader { text, at: 0 };
    reader.blanks();
    let opening = text.as_bytes().get(reader.at).copied();
    let (Some(b'{' | b'['), true) = (opening, parse(text).is_ok()) else {
        parse(text)?;
        return Ok(Spans::Scalar);
    };
    let is_object = opening == Some(b'{');
    reader.at += 1;
    let (mut items, mut members) = (Vec::new(), Vec::new());
    // The text is known to be well-formed, so that only the structure matters here.
    loop {
        reader.blanks();
        if reader.take(b'}') || reader.take(b']') {
            break;
        }
        let key = if is_object {
            let key = reader.string()?;
            reader.blanks();
            reader.take(b':');
            reader.blanks();
            Some(key)
        } else {
            None
        };
        let start = reader.at;
        reader.value(1)?;
        let value = &text[start..reader.at];
        match key {
            Some(key) => members.push((key, value)),
            None => items.push(value),
        }
        reader.blanks();
        reader.take(b',');
    }
    Ok(if is_object { Spans::Object(members) } else { Spans::Array(items) })
}

/// The order of keys in `jsonb`: shorter ones first.
fn compare_keys(a: &str, b: &str) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| a.as_bytes().cmp(b.as_bytes()))
}

impl Json {
    /// The value with numbers, keys and members as `jsonb` holds them.
    pub fn canonical(self) -> Self {
        match self {
            Self::Number(text) => {
                // JSON's syntax of numbers is part of numeric's; what is out of range stays as written.
                let number = Numeric::parse(&text).map_or(text, |number| number.to_string());
                Self::Number(if number.starts_with("-0") && number.bytes().all(|b| matches!(b, b'-' | b'0' | b'.')) {
                    number[1..].to_owned()
                } else {
                    number
                })
            }
            Self::Array(items) => Self::Array(items.into_iter().map(Self::canonical).collect()),
            Self::Object(members) => {
                let mut sorted: Vec<(String, Self)> =
                    members.into_iter().map(|(key, value)| (key, value.canonical())).collect();
                // The sort is stable: of equal keys the last is last.
                sorted.sort_by(|a, b| compare_keys(&a.0, &b.0));
                let mut unique: Vec<(String, Self)> = Vec::with_capacity(sorted.len());
                for member in sorted {
                    match unique.last_mut() {
                        Some(last) if last.0 == member.0 => *last = member,
                        _ => unique.push(member),
                    }
                }
                Self::Object(unique)
            }
            other @ (Self::Null | Self::Bool(_) | Self::String(_)) => other,
        }
    }

    fn holds_zero(&self) -> bool {
        match self {
            Self::String(text) => text.contains('\0'),
            Self::Array(items) => items.iter().any(Self::holds_zero),
            Self::Object(members) => members.iter().any(|(key, value)| key.contains('\0') || value.holds_zero()),
            Self::Null | Self::Bool(_) | Self::Number(_) => false,
        }
    }

    /// A member of an object.
    pub fn member(&self, name: &str) -> Option<&Self> {
        let Self::Object(members) = self else { return None };
        members.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// What `->>` gives: strings without quotes, `None` for null.
    pub fn as_text(&self) -> Option<String> {
        match self {
            Self::Null => None,
            Self::String(text) => Some(text.clone()),
            other @ (Self::Bool(_) | Self::Number(_) | Self::Array(_) | Self::Object(_)) => Some(other.to_string()),
        }
    }

    /// `json_typeof`.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "boolean",
            Self::Number(_) => "number",
            Self::String(_) => "string",
            Self::Array(_) => "array",
            Self::Object(_) => "object",
        }
    }

    /// `self @> other` on canonical values.
    pub fn contains(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Array(items), Self::Array(wanted)) => {
                wanted.iter().all(|wanted| items.iter().any(|item| item.contains_nested(wanted)))
            }
            // By exception an array contains a bare value.
            (Self::Array(items), scalar @ (Self::Null | Self::Bool(_) | Self::Number(_) | Self::String(_))) => {
                items.iter().any(|item| item.compare(scalar).is_eq())
            }
            _ => self.contains_nested(other),
        }
    }

    fn contains_nested(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Object(_), Self::Object(wanted)) => {
                wanted.iter().all(|(key, wanted)| self.member(key).is_some_and(|value| value.contains_nested(wanted)))
            }
            (Self::Array(_), Self::Array(_)) => self.contains(other),
            _ => self.compare(other).is_eq(),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Null => 0,
            Self::String(_) => 1,
            Self::Number(_) => 2,
            Self::Bool(_) => 3,
            Self::Array(_) => 4,
            Self::Object(_) => 5,
        }
    }

    /// The order of `jsonb`: null, strings, numbers, booleans, arrays (an empty one before all), objects; containers by
    /// size first.
    pub fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            // Only whole documents: inside others an empty array is an array like any.
            (Self::Array(items), _) if items.is_empty() && !matches!(other, Self::Array(_)) => Ordering::Less,
            (_, Self::Array(items)) if items.is_empty() && !matches!(self, Self::Array(_)) => Ordering::Greater,
            _ => self.compare_part(other),
        }
    }

    fn compare_part(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            (Self::String(a), Self::String(b)) => a.cmp(b),
            (Self::Number(a), Self::Number(b)) => match (Numeric::parse(a), Numeric::parse(b)) {
                (Ok(a), Ok(b)) => a.cmp(&b),
                _ => a.cmp(b),
            },
            (Self::Array(a), Self::Array(b)) => a.len().cmp(&b.len()).then_with(|| {
                a.iter().zip(b).map(|(a, b)| a.compare_part(b)).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
            }),
            (Self::Object(a), Self::Object(b)) => a.len().cmp(&b.len()).then_with(|| {
                a.iter()
                    .zip(b)
                    .map(|((key_a, a), (key_b, b))| compare_keys(key_a, key_b).then_with(|| a.compare_part(b)))
                    .find(|order| order.is_ne())
                    .unwrap_or(Ordering::Equal)
            }),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

/// Appends a string with JSON's escapes.
pub fn push_string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\x08' => out.push_str("\\b"),
            '\x0c' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0'..='\x1f' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

impl std::fmt::Display for Json {
    /// In the style of `jsonb`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut out = String::new();
        push(&mut out, self);
        f.write_str(&out)
    }
}

fn push(out: &mut String, value: &Json) {
    match value {
        Json::Null => out.push_str("null"),
        Json::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Json::Number(text) => out.push_str(text),
        Json::String(text) => push_string(out, text),
        Json::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push_str(", ");
                }
                push(out, item);
            }
            out.push(']');
        }
        Json::Object(members) => {
            out.push('{');
            for (at, (key, item)) in members.iter().enumerate() {
                if at > 0 {
                    out.push_str(", ");
                }
                push_string(out, key);
                out.push_str(": ");
                push(out, item);
            }
            out.push('}');
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(input: &str, expected: &str) {
        let shown = match parse_canonical(input) {
            Ok(value) => value.to_string(),
            Err(error) => format!("{}: {}", error, error.detail.as_deref().unwrap_or("")),
        };
        assert_eq!(shown, expected, "{input}");
    }

    #[test]
    fn canonical_form_is_postgresql_s() {
        check(r#"{"bb":1,"a":2,"a":3}"#, r#"{"a": 3, "bb": 1}"#);
        check(r#"[1.50, -0, 1e2, "é\u0041\n"]"#, r#"[1.50, 0, 100, "éA\n"]"#);
        check(" null ", "null");
        check("{}", "{}");
        check("\"\\ud83d\\ude00\"", "\"😀\"");
    }

    #[test]
    fn malformed_texts_have_postgresql_s_details() {
        let error = "invalid input syntax for type json (22P02): ";
        check("{a:1}", &format!("{error}Token \"a\" is invalid."));
        check("", &format!("{error}The input string ended unexpectedly."));
        check("[1,]", &format!("{error}Expected JSON value, but found \"]\"."));
        check("01", &format!("{error}Token \"01\" is invalid."));
        check("{\"a\" 1}", &format!("{error}Token \"1\" is invalid."));
        check("1 2", &format!("{error}Expected end of input, but found \"2\"."));
        check("\"\\u0000\"", "unsupported Unicode escape sequence (22P05): \\u0000 cannot be converted to text.");
        assert_eq!(parse(&"[".repeat(100_000)).expect_err("deep").sqlstate, "54001");
    }

    #[test]
    fn containment_is_postgresql_s() {
        let holds = |a: &str, b: &str| parse_canonical(a).expect("json").contains(&parse_canonical(b).expect("json"));
        assert!(holds(r#"{"a":1,"b":{"c":[1,2]}}"#, r#"{"b":{"c":[2]}}"#));
        assert!(holds("[1,2]", "1"));
        assert!(!holds("1", "[1]"));
        assert!(holds("[1, [2]]", "[[2]]"));
        assert!(!holds("[[1]]", "[1]"));
        assert!(holds("[1.0]", "[1.00]"));
    }

    proptest! {
        #[test]
        fn canonical_form_is_a_fixed_point(text in "[\\[\\]{}\",:0-9a-z ]{0,40}") {
            if let Ok(value) = parse_canonical(&text) {
                let shown = value.to_string();
                prop_assert_eq!(parse_canonical(&shown).expect("own text").to_string(), shown);
            }
        }

        #[test]
        fn any_string_survives(text in "\\PC*") {
            let mut out = String::new();
            push_string(&mut out, &text);
            prop_assert_eq!(parse(&out).expect("own text"), Json::String(text));
        }
    }
}
