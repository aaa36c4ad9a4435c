//! Differences that are known and documented (docs/src/reference/types.md): what they look like and why they stay.

use crate::raw::{Answer, Request};

/// A known difference.
pub struct Listed {
    pub reason: &'static str,
    matches: fn(&Request, &Answer, &Answer) -> bool,
}

fn state(answer: &Answer) -> &str {
    match answer {
        Answer::Error { sqlstate, .. } => sqlstate,
        Answer::Rows { .. } => "",
    }
}

/// The only value, as a number.
fn number(answer: &Answer, binary: bool) -> Option<f64> {
    let Answer::Rows { rows, .. } = answer else { return None };
    let bytes = rows.first()?.first()?.as_ref()?;
    if binary {
        let single = || <[u8; 4]>::try_from(bytes.as_slice()).ok().map(|bytes| f32::from_be_bytes(bytes).into());
        return <[u8; 8]>::try_from(bytes.as_slice()).ok().map(f64::from_be_bytes).or_else(single);
    }
    std::str::from_utf8(bytes).ok()?.parse().ok()
}

/// All of them, first match counts.
pub static LISTED: &[Listed] = &[
    Listed {
        reason: "the sign of NaN, which only the binary format shows",
        matches: |request, ours, theirs| {
            let numbers = (number(ours, request.binary), number(theirs, request.binary));
            matches!(numbers, (Some(ours), Some(theirs)) if ours.is_nan() && theirs.is_nan())
        },
    },
    Listed {
        reason: "the last bit of a cube root",
        matches: |request, ours, theirs| {
            let numbers = (number(ours, request.binary), number(theirs, request.binary));
            let close = |a: f64, b: f64| (a - b).abs() <= a.abs() * 4e-16;
            (request.sql.contains("cbrt(") || request.sql.contains("||/"))
                && matches!(numbers, (Some(ours), Some(theirs)) if close(ours, theirs))
        },
    },
    Listed {
        reason: "age() of an infinity is refused; PostgreSQL 15 computes with its internal number",
        matches: |request, ours, _| request.sql.contains("age(") && state(ours) == "22008",
    },
    Listed {
        reason: "pg_typeof of an untyped literal is text",
        matches: |request, ours, theirs| {
            request.sql.contains("pg_typeof(") && ours.shown() == "text" && theirs.shown() == "unknown"
        },
    },
    Listed {
        reason: "a polymorphic call with untyped arguments only is refused (42804); PostgreSQL takes text",
        matches: |_, ours, _| state(ours) == "42804",
    },
    Listed {
        reason: "a timestamp beyond the type's range, by rounding, by zone or by truncation, is refused (22008)",
        matches: |_, ours, _| matches!(ours, Answer::Error { message, .. } if message.starts_with("timestamp out of range")),
    },
    Listed {
        reason: "to_char shows NaN, infinities and negative zero in its own way",
        matches: |request, ours, theirs| {
            let shown = theirs.shown();
            request.sql.contains("to_char(")
                && (ours.shown().contains('#') || shown.contains("NaN") || shown.contains("-.0"))
        },
    },
    Listed {
        reason: "a parameter whose type is open is reported (42P18) before other errors of the statement",
        matches: |_, ours, theirs| state(ours) == "42P18" && !state(theirs).is_empty(),
    },
    Listed {
        reason: "one parameter beside values of a type and untyped ones takes that type; PostgreSQL reports 42P08",
        matches: |_, ours, theirs| state(ours).is_empty() && state(theirs) == "42P08",
    },
    Listed {
        reason: "trim_array's binary result says that there is a NULL only if there is one left",
        matches: |request, ours, theirs| {
            request.sql.contains("trim_array(")
                && request.binary
                && state(ours).is_empty()
                && ours.shown().len() == theirs.shown().len()
        },
    },
    Listed {
        reason: "to_date reads a digit field that begins with a separator strictly (22007)",
        matches: |request, ours, _| request.sql.contains("to_date(") && state(ours) == "22007",
    },
    Listed {
        reason: "a zero \"char\" becomes the empty string; PostgreSQL 15 makes a string with a zero byte",
        matches: |_, ours, theirs| {
            let cell = |answer: &Answer| match answer {
                Answer::Rows { rows, .. } => rows.first().and_then(|row| row.first().cloned().flatten()),
                Answer::Error { .. } => None,
            };
            cell(ours).is_some_and(|ours| ours.is_empty()) && cell(theirs).is_some_and(|theirs| theirs == [0])
        },
    },
];

impl std::fmt::Debug for Listed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.reason)
    }
}

/// Why a difference is known, if it is.
pub fn reason(request: &Request, ours: &Answer, theirs: &Answer) -> Option<&'static str> {
    LISTED.iter().find(|listed| (listed.matches)(request, ours, theirs)).map(|listed| listed.reason)
}
