//! PostgreSQL's `numeric`: decimal numbers of any precision with a display scale, NaN and the infinities.
//!
//! Pure. A finite value is a run of base-10000 digits, aligned at the decimal point, because PostgreSQL's rules for the
//! scale of quotients and roots count such digits. No operation goes through floating point. Limits are PostgreSQL's:
//! 131072 digits before the point, 16383 behind it; beyond them 22003.

mod arithmetic;
mod transcendental;

use std::cmp::Ordering;
use std::fmt;

use crate::error::SqlError;

/// Decimal digits in one base-10000 digit.
const GROUP: i32 = 4;
const BASE: u32 = 10_000;
/// Largest weight of a first digit: 131072 decimal digits before the point.
const WEIGHT_MAX: i32 = 131_072 / GROUP - 1;
/// Most decimal digits behind the point.
const SCALE_MAX: i32 = 16_383;
/// Significant digits that quotients and transcendental functions show at least.
const SIGNIFICANT_DIGITS_MIN: i32 = 16;
/// Most digits behind the point that a quotient or a transcendental function gives.
const RESULT_SCALE_MAX: i32 = 1000;

/// A value of type `numeric`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Numeric {
    NegativeInfinity,
    Finite(Decimal),
    Infinity,
    NaN,
}

/// A finite decimal number: `sign * sum(digits[i] * 10000^(weight - i))`, shown with `scale` digits behind the point.
///
/// Normalised: neither the first nor the last digit is zero; zero has no digits, weight 0 and no sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decimal {
    negative: bool,
    weight: i32,
    digits: Vec<u16>,
    scale: i32,
}

fn overflow() -> SqlError {
    SqlError::new("22003", "value overflows numeric format")
}

impl Decimal {
    fn zero(scale: i32) -> Self {
        Self { negative: false, weight: 0, digits: Vec::new(), scale }
    }

    /// Makes a value of digits that may begin or end with zeros.
    fn new(negative: bool, mut weight: i32, mut digits: Vec<u16>, scale: i32) -> Self {
        while digits.last() == Some(&0) {
            digits.pop();
        }
        let zeros = digits.iter().take_while(|digit| **digit == 0).count();
        digits.drain(..zeros);
        weight -= zeros as i32;
        if digits.is_empty() { Self::zero(scale) } else { Self { negative, weight, digits, scale } }
    }

    fn is_zero(&self) -> bool {
        self.digits.is_empty()
    }

    /// The digit at a weight; zero outside the run.
    fn digit(&self, weight: i32) -> u16 {
        usize::try_from(self.weight - weight).ok().and_then(|at| self.digits.get(at)).copied().unwrap_or(0)
    }

    /// The weight of the last digit.
    fn low(&self) -> i32 {
        self.weight + 1 - self.digits.len() as i32
    }

    fn checked(self) -> Result<Self, SqlError> {
        if self.weight > WEIGHT_MAX { Err(overflow()) } else { Ok(self) }
    }

    fn compare_magnitude(&self, other: &Self) -> Ordering {
        match (self.is_zero(), other.is_zero()) {
            (true, true) => return Ordering::Equal,
            (true, false) => return Ordering::Less,
            (false, true) => return Ordering::Greater,
            (false, false) => {}
        }
        // Normalised runs of equal weight compare digit by digit; a longer run with an equal start is greater.
        self.weight.cmp(&other.weight).then_with(|| self.digits.cmp(&other.digits))
    }

    fn compare(&self, other: &Self) -> Ordering {
        match (self.negative, other.negative) {
            (false, false) => self.compare_magnitude(other),
            (true, true) => other.compare_magnitude(self),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
        }
    }

    /// Decimal position of the first significant digit: 0 for 1..9, 2 for 100..999, -1 for 0.1; 0 for zero.
    fn decimal_weight(&self) -> i32 {
        self.digits.first().map_or(0, |first| self.weight * GROUP + first.ilog10() as i32)
    }

    /// Rounds half away from zero (or cuts, with `cut`) to `scale` digits behind the point, which may be negative.
    fn to_scale(&self, scale: i32, cut: bool) -> Self {
        let shown = scale.max(0);
        let low = -(scale + GROUP - 1).div_euclid(GROUP);
        if self.is_zero() || self.low() > low {
            return Self { scale: shown, ..self.clone() };
        }
        // A leading zero takes the carry.
        let top = self.weight.max(low) + 1;
        let mut digits: Vec<u16> = (low..=top).rev().map(|weight| self.digit(weight)).collect();
        let kept = scale - (-low - 1) * GROUP;
        let unit = 10u16.pow((GROUP - kept) as u32);
        let last = digits.len() - 1;
        let (up, rest) = if unit == 1 {
            (self.digit(low - 1) >= (BASE / 2) as u16, 0)
        } else {
            let rest = digits[last] % unit;
            (rest >= unit / 2, rest)
        };
        digits[last] -= rest;
        if up && !cut {
            let mut add = unit;
            for digit in digits.iter_mut().rev() {
                *digit += add;
                if *digit < BASE as u16 {
                    break;
                }
                *digit -= BASE as u16;
                add = 1;
            }
        }
        Self::new(self.negative, top, digits, shown)
    }

    /// The integer nearest to the value, half away from zero, if it fits.
    fn to_i128(&self) -> Option<i128> {
        let rounded = self.to_scale(0, false);
        if rounded.weight > 9 {
            return None;
        }
        let mut value: i128 = 0;
        for weight in (0..=rounded.weight).rev() {
            value = value.checked_mul(i128::from(BASE))?.checked_add(i128::from(rounded.digit(weight)))?;
        }
        Some(if rounded.negative { -value } else { value })
    }
}

impl From<i64> for Numeric {
    fn from(value: i64) -> Self {
        Self::from(i128::from(value))
    }
}

impl From<i128> for Numeric {
    fn from(value: i128) -> Self {
        let mut rest = value.unsigned_abs();
        let mut digits = Vec::new();
        while rest > 0 {
            digits.push((rest % u128::from(BASE)) as u16);
            rest /= u128::from(BASE);
        }
        digits.reverse();
        Self::Finite(Decimal::new(value < 0, digits.len() as i32 - 1, digits, 0))
    }
}

impl Ord for Numeric {
    /// PostgreSQL's order: -Infinity, the finite values whatever their scale, Infinity, NaN (equal to itself).
    fn cmp(&self, other: &Self) -> Ordering {
        let rank = |value: &Self| match value {
            Self::NegativeInfinity => 0,
            Self::Finite(_) => 1,
            Self::Infinity => 2,
            Self::NaN => 3,
        };
        match (self, other) {
            (Self::Finite(a), Self::Finite(b)) => a.compare(b),
            _ => rank(self).cmp(&rank(other)),
        }
    }
}

impl PartialOrd for Numeric {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Numeric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NegativeInfinity => f.write_str("-Infinity"),
            Self::Infinity => f.write_str("Infinity"),
            Self::NaN => f.write_str("NaN"),
            Self::Finite(value) => value.fmt(f),
        }
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        if self.negative {
            text.push('-');
        }
        if self.weight < 0 || self.is_zero() {
            text.push('0');
        } else {
            text.push_str(&self.digit(self.weight).to_string());
            for weight in (0..self.weight).rev() {
                text.push_str(&format!("{:04}", self.digit(weight)));
            }
        }
        if self.scale > 0 {
            text.push('.');
            let end = text.len() + self.scale as usize;
            let mut weight = -1;
            while text.len() < end {
                text.push_str(&format!("{:04}", self.digit(weight)));
                weight -= 1;
            }
            text.truncate(end);
        }
        f.write_str(&text)
    }
}

impl Numeric {
    /// Zero without digits behind the point.
    pub fn zero() -> Self {
        Self::Finite(Decimal::zero(0))
    }

    /// Reads PostgreSQL's input syntax.
    ///
    /// # Errors
    /// 22P02 for malformed text, 22003 beyond the limits.
    pub fn parse(text: &str) -> Result<Self, SqlError> {
        let syntax = || SqlError::new("22P02", format!("invalid input syntax for type numeric: \"{text}\""));
        let trimmed = text.trim_matches(|c: char| c.is_ascii_whitespace() || c == '\x0b');
        let (negative, unsigned) = match trimmed.as_bytes().first() {
            Some(b'-') => (true, &trimmed[1..]),
            Some(b'+') => (false, &trimmed[1..]),
            _ => (false, trimmed),
        };
        if unsigned.eq_ignore_ascii_case("infinity") || unsigned.eq_ignore_ascii_case("inf") {
            return Ok(if negative { Self::NegativeInfinity } else { Self::Infinity });
        }
        if trimmed.eq_ignore_ascii_case("nan") {
            return Ok(Self::NaN);
        }
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent).ok_or_else(syntax)?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all_digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if (whole.is_empty() && fraction.is_empty()) || !all_digits(whole) || !all_digits(fraction) {
            return Err(syntax());
        }
        if exponent.abs() > i64::from(i32::MAX / 2) {
            return Err(overflow());
        }
        Self::assemble(negative, whole, fraction, exponent as i32)
    }

    /// Puts decimal digits into groups of four aligned at the point.
    fn assemble(negative: bool, whole: &str, fraction: &str, exponent: i32) -> Result<Self, SqlError> {
        let decimals: Vec<u8> = whole.bytes().chain(fraction.bytes()).map(|b| b - b'0').collect();
        // How many of `decimals` stand before the point.
        let mut before = whole.len() as i64 + i64::from(exponent);
        let scale = fraction.len() as i64 - i64::from(exponent);
        let zeros = decimals.iter().take_while(|digit| **digit == 0).count();
        let decimals = &decimals[zeros..];
        before -= zeros as i64;
        if scale > i64::from(SCALE_MAX) && (exponent != 0 || scale > i64::from(i32::MAX / 2)) {
            return Err(overflow());
        }
        let scale = scale.clamp(0, i64::from(SCALE_MAX)) as i32;
        if decimals.is_empty() {
            return Ok(Self::Finite(Decimal::zero(scale)));
        }
        if before > i64::from((WEIGHT_MAX + 1) * GROUP) {
            return Err(overflow());
        }
        let before = before as i32;
        let weight = (before - 1).div_euclid(GROUP);
        let lead = ((weight + 1) * GROUP - before) as usize;
        let mut padded = vec![0u8; lead];
        padded.extend_from_slice(decimals);
        padded.resize(padded.len().next_multiple_of(GROUP as usize), 0);
        let digits = padded
            .chunks_exact(GROUP as usize)
            .map(|g| g.iter().fold(0u16, |sum, d| sum * 10 + u16::from(*d)))
            .collect();
        Ok(Self::Finite(Decimal::new(negative, weight, digits, scale).to_scale(scale, false)))
    }

    /// The display scale; 0 for NaN and the infinities.
    pub fn scale(&self) -> i32 {
        match self {
            Self::Finite(value) => value.scale,
            Self::NaN | Self::Infinity | Self::NegativeInfinity => 0,
        }
    }

    /// Fits the value to `numeric(precision, scale)`.
    ///
    /// # Errors
    /// 22003 `numeric field overflow` with PostgreSQL's detail.
    pub fn fit(self, precision: i32, scale: i32) -> Result<Self, SqlError> {
        let fail = |detail: String| Err(SqlError::new("22003", "numeric field overflow").detail(detail));
        match self {
            Self::NaN => Ok(Self::NaN),
            Self::Infinity | Self::NegativeInfinity => {
                fail(format!("A field with precision {precision}, scale {scale} cannot hold an infinite value."))
            }
            Self::Finite(value) => {
                let rounded = value.to_scale(scale, false);
                let digits_max = precision - scale;
                if rounded.is_zero() || rounded.decimal_weight() < digits_max {
                    return Ok(Self::Finite(rounded));
                }
                let power = if digits_max == 0 { "1".to_owned() } else { format!("10^{digits_max}") };
                fail(format!(
                    "A field with precision {precision}, scale {scale} must round to an absolute value less than {power}."
                ))
            }
        }
    }

    /// The nearest integer, half away from zero.
    ///
    /// # Errors
    /// 22003 `<type_name> out of range` outside 64 bits; 0A000 for NaN and the infinities.
    pub fn to_i64(&self, type_name: &str) -> Result<i64, SqlError> {
        match self {
            Self::NaN => Err(SqlError::unsupported(format!("cannot convert NaN to {type_name}"))),
            Self::Infinity | Self::NegativeInfinity => {
                Err(SqlError::unsupported(format!("cannot convert infinity to {type_name}")))
            }
            Self::Finite(value) => value
                .to_i128()
                .and_then(|value| i64::try_from(value).ok())
                .ok_or_else(|| SqlError::new("22003", format!("{type_name} out of range"))),
        }
    }

    /// The nearest float8.
    ///
    /// # Errors
    /// 22003 when it overflows.
    pub fn to_f64(&self) -> Result<f64, SqlError> {
        super::float::parse8(&self.to_string())
    }

    /// The decimal number a float shows at `digits` significant digits (15 for float8, 6 for float4), as PostgreSQL casts.
    pub fn from_f64(value: f64, digits: usize) -> Self {
        if value.is_nan() {
            return Self::NaN;
        }
        if value.is_infinite() {
            return if value > 0.0 { Self::Infinity } else { Self::NegativeInfinity };
        }
        let shown = format!("{:.*e}", digits.saturating_sub(1), value);
        // At most 15 digits and an exponent within +-324: inside the limits of `parse`.
        let parsed = Self::parse(&shown).unwrap_or(Self::NaN);
        parsed.without_trailing_zeros()
    }

    /// The same value with the smallest scale that shows it.
    pub fn without_trailing_zeros(self) -> Self {
        match self {
            Self::Finite(value) => {
                let scale = value.scale_min();
                Self::Finite(Decimal { scale, ..value })
            }
            other @ (Self::NaN | Self::Infinity | Self::NegativeInfinity) => other,
        }
    }

    /// PostgreSQL's binary format: group count, weight, sign, scale, groups; all 16 bit.
    pub fn to_binary(&self, out: &mut Vec<u8>) {
        let (weight, sign, scale, digits): (i32, u16, i32, &[u16]) = match self {
            Self::NaN => (0, 0xC000, 0, &[]),
            Self::Infinity => (0, 0xD000, 0x20, &[]),
            Self::NegativeInfinity => (0, 0xF000, 0x20, &[]),
            Self::Finite(value) => {
                (value.weight, if value.negative { 0x4000 } else { 0 }, value.scale, value.digits.as_slice())
            }
        };
        out.extend_from_slice(&(digits.len() as u16).to_be_bytes());
        out.extend_from_slice(&(weight as i16).to_be_bytes());
        out.extend_from_slice(&sign.to_be_bytes());
        out.extend_from_slice(&(scale as u16).to_be_bytes());
        for digit in digits {
            out.extend_from_slice(&digit.to_be_bytes());
        }
    }

    /// Reads [`Self::to_binary`]'s format.
    ///
    /// # Errors
    /// 22P03 for malformed bytes.
    pub fn from_binary(bytes: &[u8]) -> Result<Self, SqlError> {
        let invalid = |what: &str| SqlError::new("22P03", format!("invalid {what} in external \"numeric\" value"));
        let short = |at: usize| -> Result<u16, SqlError> {
            let pair = bytes.get(at..at + 2).ok_or_else(|| invalid("length"))?;
            Ok(u16::from_be_bytes([pair[0], pair[1]]))
        };
        let (count, weight, sign, scale) = (short(0)?, short(2)? as i16, short(4)?, short(6)?);
        if bytes.len() != 8 + 2 * usize::from(count) {
            return Err(invalid("length"));
        }
        match sign {
            0xC000 => return Ok(Self::NaN),
            0xD000 => return Ok(Self::Infinity),
            0xF000 => return Ok(Self::NegativeInfinity),
            0 | 0x4000 => {}
            _ => return Err(invalid("sign")),
        }
        if i32::from(scale) > SCALE_MAX {
            return Err(invalid("scale"));
        }
        let digits = (0..usize::from(count)).map(|at| short(8 + 2 * at)).collect::<Result<Vec<_>, _>>()?;
        if digits.iter().any(|digit| u32::from(*digit) >= BASE) {
            return Err(invalid("digit"));
        }
        let scale = i32::from(scale);
        let value = Decimal::new(sign != 0, i32::from(weight), digits, scale);
        Ok(Self::Finite(value.to_scale(scale, true).checked()?))
    }
}

impl Decimal {
    /// The smallest scale that shows all digits.
    fn scale_min(&self) -> i32 {
        let Some(last) = self.digits.last() else { return 0 };
        let zeros = (0..GROUP).take_while(|power| last % 10u16.pow(*power as u32 + 1) == 0).count() as i32;
        (-self.low() * GROUP - zeros).max(0)
    }
}

fn parse_exponent(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    // More digits than these are out of any range, and are capped so that they parse.
    let value =
        digits.trim_start_matches('0').get(..12).unwrap_or(digits).parse::<i64>().unwrap_or_else(|_| i32::MAX.into());
    Some(if text.starts_with('-') { -value } else { value })
}

#[cfg(test)]
mod tests;
