//! `float4` and `float8`: PostgreSQL's text forms, shortest and exact.

use crate::error::SqlError;

/// Reads a float8.
///
/// # Errors
/// 22P02 for malformed text, 22003 for values that overflow or underflow.
pub fn parse8(text: &str) -> Result<f64, SqlError> {
    parse(text, "double precision", |number| number.parse::<f64>().ok().map(|value| (value, value.is_infinite())))
}

/// Reads a float4; the value has a float4's precision.
///
/// # Errors
/// As [`parse8`].
pub fn parse4(text: &str) -> Result<f64, SqlError> {
    parse(text, "real", |number| number.parse::<f32>().ok().map(|value| (f64::from(value), value.is_infinite())))
}

fn parse(text: &str, type_name: &str, read: impl Fn(&str) -> Option<(f64, bool)>) -> Result<f64, SqlError> {
    let syntax = || SqlError::new("22P02", format!("invalid input syntax for type {type_name}: \"{text}\""));
    let number = text.trim_matches(|c: char| c.is_ascii_whitespace() || c == '\x0b');
    let unsigned = number.strip_prefix(['+', '-']).unwrap_or(number);
    let negative = number.starts_with('-');
    if unsigned.eq_ignore_ascii_case("infinity") || unsigned.eq_ignore_ascii_case("inf") {
        return Ok(if negative { f64::NEG_INFINITY } else { f64::INFINITY });
    }
    if number.eq_ignore_ascii_case("nan") {
        return Ok(f64::NAN);
    }
    if !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return Err(syntax());
    }
    let (value, overflow) = read(number).ok_or_else(syntax)?;
    let mantissa = unsigned.split(['e', 'E']).next().unwrap_or(unsigned);
    let underflow = value == 0.0 && mantissa.bytes().any(|b| (b'1'..=b'9').contains(&b));
    if overflow || underflow {
        return Err(SqlError::new("22003", format!("\"{number}\" is out of range for type {type_name}")));
    }
    Ok(value)
}

/// The shortest text that reads back as the same float8 (`extra_float_digits` 1 or more).
pub fn text8(value: f64) -> String {
    let short = format!("{value:e}");
    // Of two shortest texts equally near, the even digit is taken, as correct rounding to that many digits gives it.
    let digits = short.bytes().take_while(|byte| *byte != b'e').filter(u8::is_ascii_digit).count();
    let even = format!("{:.*e}", digits.max(1) - 1, value);
    let same = even.parse() == Ok(value);
    shortest(value, if same { even } else { short }, 15)
}

/// The shortest text that reads back as the same float4.
pub fn text4(value: f64) -> String {
    shortest(value, format!("{:e}", value as f32), 6)
}

/// The text of a float at `15 + extra` (float8) or `6 + extra` (float4) significant digits, for `extra_float_digits` 0 or
/// less.
pub fn text_rounded(value: f64, digits: i32) -> String {
    let digits = digits.max(1);
    let scientific = format!("{:.*e}", digits as usize - 1, value);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let mantissa = if mantissa.contains('.') { mantissa.trim_end_matches('0').trim_end_matches('.') } else { mantissa };
    shortest(value, format!("{mantissa}e{exponent}"), digits)
}

/// Lays digits out as C's `%g` does: scientific below 1e-4 and from `10^precision` on.
fn shortest(value: f64, scientific: String, precision: i32) -> String {
    if value.is_nan() {
        return "NaN".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity".into() } else { "-Infinity".into() };
    }
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    if exponent < -4 || exponent >= precision {
        let exponent_sign = if exponent < 0 { '-' } else { '+' };
        return format!("{sign}{mantissa}e{exponent_sign}{:02}", exponent.abs());
    }
    let digits: String = mantissa.chars().filter(|c| *c != '.').collect();
    let point = exponent + 1;
    if point <= 0 {
        format!("{sign}0.{}{digits}", "0".repeat(point.unsigned_abs() as usize))
    } else if digits.len() <= point as usize {
        format!("{sign}{digits}{}", "0".repeat(point as usize - digits.len()))
    } else {
        let (whole, fraction) = digits.split_at(point as usize);
        format!("{sign}{whole}.{fraction}")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_forms_are_postgresql_s() {
        for (value, text) in [
            (1.0, "1"),
            (1e15, "1e+15"),
            (123_456_789_012_345.0, "123456789012345"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (1e20, "1e+20"),
            (-0.5, "-0.5"),
            (0.1 + 0.2, "0.30000000000000004"),
            (-0.0, "-0"),
            (1e-300, "1e-300"),
            (f64::INFINITY, "Infinity"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(text8(value), text);
        }
        assert_eq!(text4(f64::from(0.1f32)), "0.1");
        assert_eq!(text4(1_000_000.0), "1e+06");
        assert_eq!(text_rounded(0.1 + 0.2, 15), "0.3");
    }

    #[test]
    fn bad_input_has_postgresql_s_text() {
        assert_eq!(
            parse8("abc").expect_err("letters").to_string(),
            "invalid input syntax for type double precision: \"abc\" (22P02)"
        );
        assert_eq!(
            parse8("1e400").expect_err("large").to_string(),
            "\"1e400\" is out of range for type double precision (22003)"
        );
        assert_eq!(parse4("1e-60").expect_err("small").sqlstate, "22003");
        assert!(parse8("").is_err());
        assert!(parse8("infinit").is_err());
    }

    proptest! {
        #[test]
        fn text_reads_back_exactly(value in any::<f64>()) {
            let back = parse8(&text8(value)).expect("own text");
            prop_assert!(back == value || (back.is_nan() && value.is_nan()));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\PC*") {
            if let Ok(value) = parse8(&text) {
                prop_assert!(!text8(value).is_empty());
            }
        }
    }
}
