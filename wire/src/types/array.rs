//! Arrays: PostgreSQL's text form `{1,NULL,"a b"}`, dimensions and lower bounds.
//!
//! Stored as text in output form with elements in the text of their storage form. At most [`DIMENSIONS_MAX`] dimensions.

use crate::error::SqlError;

/// PostgreSQL's limit (`MAXDIM`).
pub const DIMENSIONS_MAX: usize = 6;
/// Most elements of one array: a bound on what a short text of a large shape may ask for.
const ELEMENTS_MAX: usize = 16 << 20;

/// An array of element texts; `None` is NULL.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Array {
    /// Length and lower bound of each dimension; empty for an empty array.
    pub dimensions: Vec<(usize, i32)>,
    /// In row-major order.
    pub elements: Vec<Option<String>>,
}

impl Array {
    /// An array of one dimension from 1.
    pub fn of(elements: Vec<Option<String>>) -> Self {
        let dimensions = if elements.is_empty() { Vec::new() } else { vec![(elements.len(), 1)] };
        Self { dimensions, elements }
    }

    /// Reads an array's text.
    ///
    /// # Errors
    /// 22P02 with PostgreSQL's detail; 54000 beyond the limits.
    pub fn parse(text: &str) -> Result<Self, SqlError> {
        let fail = |detail: &str| {
            SqlError::new("22P02", format!("malformed array literal: \"{text}\"")).detail(detail.to_owned())
        };
        let trimmed = text.trim();
        let (bounds, body) = match trimmed.split_once('=') {
            Some((bounds, body)) if trimmed.starts_with('[') => {
                (Some(parse_bounds(bounds).ok_or_else(|| fail("Missing array dimension value."))?), body.trim_start())
            }
            _ => (None, trimmed),
        };
        if !body.starts_with('{') {
            return Err(fail(if bounds.is_some() {
                "Array contents must start with \"{\"."
            } else {
                "Array value must start with \"{\" or dimension information."
            }));
        }
        let mut reader = Reader { bytes: body.as_bytes(), text: body, at: 0 };
        let mut array = Self::default();
        let mut lengths: Vec<Option<usize>> = Vec::new();
        reader.level(0, &mut lengths, &mut array.elements).map_err(|fault| match fault {
            Fault::Shape(detail) => fail(detail),
            Fault::Unexpected(c) => fail(&format!("Unexpected \"{c}\" character.")),
            Fault::Limit => SqlError::new(
                "54000",
                format!("number of array dimensions exceeds the maximum allowed ({DIMENSIONS_MAX})"),
            ),
        })?;
        if reader.at < body.len() {
            return Err(fail("Junk after closing right brace."));
        }
        if array.elements.is_empty() {
            return Ok(array);
        }
        let lengths: Vec<usize> = lengths.into_iter().flatten().collect();
        let lowers = bounds.unwrap_or_else(|| vec![(1, None); lengths.len()]);
        let fits = lowers.len() == lengths.len()
            && lowers.iter().zip(&lengths).all(|((_, length), actual)| length.is_none_or(|length| length == *actual));
        if !fits {
            return Err(fail("Specified array dimensions do not match array contents."));
        }
        array.dimensions = lengths.into_iter().zip(lowers).map(|(length, (lower, _))| (length, lower)).collect();
        Ok(array)
    }

    /// Applies `f` to each element that is not NULL.
    ///
    /// # Errors
    /// Those of `f`.
    pub fn try_map<E>(self, mut f: impl FnMut(String) -> Result<String, E>) -> Result<Self, E> {
        let elements =
            self.elements.into_iter().map(|element| element.map(&mut f).transpose()).collect::<Result<_, E>>()?;
        Ok(Self { elements, ..self })
    }

    /// The upper bound of a dimension, counted from 1.
    pub fn upper(&self, dimension: i64) -> Option<i64> {
        self.bounds(dimension).map(|(length, lower)| i64::from(lower) + length as i64 - 1)
    }

    /// Length and lower bound of a dimension, counted from 1.
    pub fn bounds(&self, dimension: i64) -> Option<(usize, i32)> {
        usize::try_from(dimension - 1).ok().and_then(|at| self.dimensions.get(at)).copied()
    }

    /// The element at subscripts; `None` outside the array or for a NULL element.
    pub fn element(&self, subscripts: &[i64]) -> Option<&str> {
        if subscripts.len() != self.dimensions.len() {
            return None;
        }
        let mut at = 0;
        for ((length, lower), subscript) in self.dimensions.iter().zip(subscripts) {
            let offset = usize::try_from(subscript - i64::from(*lower)).ok().filter(|offset| offset < length)?;
            at = at * length + offset;
        }
        self.elements.get(at)?.as_deref()
    }
}

/// `[lower:upper]..`: each lower bound with the length, or `[upper]`.
fn parse_bounds(text: &str) -> Option<Vec<(i32, Option<usize>)>> {
    let inner = text.trim().strip_prefix('[')?.strip_suffix(']')?;
    inner
        .split("][")
        .map(|part| {
            let (lower, upper) = part.split_once(':').unwrap_or(("1", part));
            let (lower, upper): (i32, i32) = (lower.trim().parse().ok()?, upper.trim().parse().ok()?);
            let length = i64::from(upper) - i64::from(lower) + 1;
            usize::try_from(length).ok().map(|length| (lower, Some(length)))
        })
        .collect()
}

enum Fault {
    Shape(&'static str),
    Unexpected(char),
    Limit,
}

struct Reader<'a> {
    bytes: &'a [u8],
    text: &'a str,
    at: usize,
}

const RAGGED: &str = "Multidimensional arrays must have sub-arrays with matching dimensions.";

impl Reader<'_> {
    fn blanks(&mut self) {
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
    }

    fn peek(&mut self) -> Result<u8, Fault> {
        self.blanks();
        self.bytes.get(self.at).copied().ok_or(Fault::Shape("Unexpected end of input."))
    }

    /// Reads `{..}`, of which the brace is next.
    fn level(
        &mut self,
        depth: usize,
        lengths: &mut Vec<Option<usize>>,
        elements: &mut Vec<Option<String>>,
    ) -> Result<(), Fault> {
        if depth >= DIMENSIONS_MAX || elements.len() > ELEMENTS_MAX {
            return Err(Fault::Limit);
        }
        if lengths.len() == depth {
            lengths.push(None);
        }
        self.at += 1;
        let mut count = 0;
        if self.peek()? == b'}' {
            self.at += 1;
            // Only the whole array may be empty.
            return if depth == 0 { Ok(()) } else { Err(Fault::Shape(RAGGED)) };
        }
        loop {
            match self.peek()? {
                b'{' => {
                    if lengths.len() == depth + 1 && !elements.is_empty() {
                        return Err(Fault::Shape(RAGGED));
                    }
                    self.level(depth + 1, lengths, elements)?;
                }
                byte @ (b'}' | b',') => return Err(Fault::Unexpected(char::from(byte))),
                _ if lengths.len() > depth + 1 => return Err(Fault::Shape(RAGGED)),
                _ => {
                    let element = self.element()?;
                    elements.push(element);
                }
            }
            count += 1;
            let next = self.peek()?;
            self.at += 1;
            match next {
                b',' => {}
                b'}' => break,
                other => return Err(Fault::Unexpected(char::from(other))),
            }
        }
        match lengths[depth] {
            Some(length) if length != count => Err(Fault::Shape(RAGGED)),
            _ => {
                lengths[depth] = Some(count);
                Ok(())
            }
        }
    }

    fn element(&mut self) -> Result<Option<String>, Fault> {
        if self.bytes.get(self.at) == Some(&b'"') {
            return self.quoted().map(Some);
        }
        let mut out = String::new();
        let mut escaped = false;
        // Blanks at the end do not belong to the element, unless escaped.
        let mut kept = 0;
        let text = self.text;
        for c in text[self.at..].chars() {
            if escaped {
                out.push(c);
                kept = out.len();
                escaped = false;
                self.at += c.len_utf8();
                continue;
            }
            match c {
                ',' | '}' => break,
                '{' | '"' => return Err(Fault::Unexpected(c)),
                '\\' => escaped = true,
                c => {
                    out.push(c);
                    if !c.is_ascii_whitespace() {
                        kept = out.len();
                    }
                }
            }
            self.at += c.len_utf8();
        }
        let had_escape = escaped;
        out.truncate(kept);
        if had_escape {
            return Err(Fault::Shape("Unexpected end of input."));
        }
        Ok(if out.eq_ignore_ascii_case("null") { None } else { Some(out) })
    }

    fn quoted(&mut self) -> Result<String, Fault> {
        self.at += 1;
        let mut out = String::new();
        let text = self.text;
        let mut chars = text[self.at..].chars();
        while let Some(c) = chars.next() {
            self.at += c.len_utf8();
            match c {
                '"' => return Ok(out),
                '\\' => {
                    let Some(literal) = chars.next() else { break };
                    self.at += literal.len_utf8();
                    out.push(literal);
                }
                c => out.push(c),
            }
        }
        Err(Fault::Shape("Unexpected end of input."))
    }
}

impl std::fmt::Display for Array {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut out = String::new();
        if self.dimensions.iter().any(|(_, lower)| *lower != 1) {
            for (length, lower) in &self.dimensions {
                out.push_str(&format!("[{lower}:{}]", i64::from(*lower) + *length as i64 - 1));
            }
            out.push('=');
        }
        if self.dimensions.is_empty() {
            out.push_str("{}");
        } else {
            push_level(&mut out, &self.dimensions, &self.elements);
        }
        f.write_str(&out)
    }
}

fn push_level(out: &mut String, dimensions: &[(usize, i32)], elements: &[Option<String>]) {
    let Some(((length, _), inner)) = dimensions.split_first() else { return };
    out.push('{');
    let stride = elements.len() / (*length).max(1);
    for (at, part) in elements.chunks(stride.max(1)).enumerate() {
        if at > 0 {
            out.push(',');
        }
        if inner.is_empty() {
            push_element(out, part.first().and_then(|element| element.as_deref()));
        } else {
            push_level(out, inner, part);
        }
    }
    out.push('}');
}

fn push_element(out: &mut String, element: Option<&str>) {
    let Some(text) = element else {
        out.push_str("NULL");
        return;
    };
    let plain = !text.is_empty()
        && !text.eq_ignore_ascii_case("null")
        && !text.contains(|c: char| matches!(c, '{' | '}' | ',' | '"' | '\\' | '\x0b') || c.is_ascii_whitespace());
    if plain {
        out.push_str(text);
        return;
    }
    out.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(input: &str, expected: &str) {
        let shown = match Array::parse(input) {
            Ok(array) => array.to_string(),
            Err(error) => error.detail.clone().unwrap_or(error.message),
        };
        assert_eq!(shown, expected, "{input}");
    }

    #[test]
    fn texts_are_read_and_shown_as_postgresql_does() {
        check("{}", "{}");
        check(" { 1 , 2 } ", "{1,2}");
        check("{NULL,\"null\",\"\",a b}", "{NULL,\"null\",\"\",\"a b\"}");
        check("{{1,2},{3,4}}", "{{1,2},{3,4}}");
        check("[0:1]={1,2}", "[0:1]={1,2}");
        check("[1:2]={1,2}", "{1,2}");
        check("{a\\,b}", "{\"a,b\"}");
        check("{\"a\\\"b\"}", "{\"a\\\"b\"}");
    }

    #[test]
    fn malformed_texts_are_refused() {
        check("1,2", "Array value must start with \"{\" or dimension information.");
        check("{1,2", "Unexpected end of input.");
        check("{1,,2}", "Unexpected \",\" character.");
        check("{1}x", "Junk after closing right brace.");
        check("{{1},{2,3}}", RAGGED);
        check("{1,{2}}", RAGGED);
        check("[1:3]={1,2}", "Specified array dimensions do not match array contents.");
        check(&"{".repeat(10), "number of array dimensions exceeds the maximum allowed (6)");
    }

    #[test]
    fn elements_are_found_by_subscript() {
        let array = Array::parse("{{1,2},{3,4}}").expect("array");
        assert_eq!(array.element(&[2, 1]), Some("3"));
        assert_eq!(array.element(&[1]), None);
        assert_eq!(array.element(&[3, 1]), None);
        assert_eq!(array.upper(1), Some(2));
    }

    proptest! {
        #[test]
        fn any_elements_round_trip(elements in proptest::collection::vec(proptest::option::of("\\PC*"), 0..6)) {
            let array = Array::of(elements);
            prop_assert_eq!(Array::parse(&array.to_string()).expect("own text"), array);
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[{},\"\\\\a1 =:\\[\\]]{0,20}") {
            if let Ok(array) = Array::parse(&text) {
                prop_assert_eq!(Array::parse(&array.to_string()).expect("own text"), array);
            }
        }
    }
}
