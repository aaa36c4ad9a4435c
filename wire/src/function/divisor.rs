//! Divisors, multiples and factorials, buckets of histograms, and trigonometry in degrees.
//!
//! Angles in degrees are exact where PostgreSQL's are: results are scaled so that `sind(30)` is 0.5.

use std::f64::consts::PI;

use storage::Value;
use storage::rusqlite::{self, Connection};

use super::Form::{Call, Pattern};
use super::body::{Arguments, real, strict, text};
use super::{Function, function_table};
use crate::error::SqlError;
use crate::types::numeric::Numeric;

pub(super) static FUNCTIONS: &[Function] = function_table! {
    "gcd"(INT4, INT4) -> INT4, Immutable, Pattern("pg_gcd({0}, {1}, 32)");
    "gcd"(INT8, INT8) -> INT8, Immutable, Pattern("pg_gcd({0}, {1}, 64)");
    "gcd"(NUMERIC, NUMERIC) -> NUMERIC, Immutable, Call("pg_gcd_numeric");
    "lcm"(INT4, INT4) -> INT4, Immutable, Pattern("pg_lcm({0}, {1}, 32)");
    "lcm"(INT8, INT8) -> INT8, Immutable, Pattern("pg_lcm({0}, {1}, 64)");
    "lcm"(NUMERIC, NUMERIC) -> NUMERIC, Immutable, Call("pg_lcm_numeric");
    "factorial"(INT8) -> NUMERIC, Immutable, Call("pg_factorial");
    "min_scale"(NUMERIC) -> INT4, Immutable, Pattern("pg_scale_numeric(pg_trim_scale({0}))");
    "width_bucket"(FLOAT8, FLOAT8, FLOAT8, INT4) -> INT4, Immutable, Call("pg_width_bucket_float");
    "sind"(FLOAT8) -> FLOAT8, Immutable, Call("pg_sind");
    "cosd"(FLOAT8) -> FLOAT8, Immutable, Call("pg_cosd");
    "tand"(FLOAT8) -> FLOAT8, Immutable, Call("pg_tand");
    "cotd"(FLOAT8) -> FLOAT8, Immutable, Call("pg_cotd");
    "asind"(FLOAT8) -> FLOAT8, Immutable, Call("pg_asind");
    "acosd"(FLOAT8) -> FLOAT8, Immutable, Call("pg_acosd");
    "atand"(FLOAT8) -> FLOAT8, Immutable, Call("pg_atand");
    "atan2d"(FLOAT8, FLOAT8) -> FLOAT8, Immutable, Call("pg_atan2d");
    "cot"(FLOAT8) -> FLOAT8, Immutable, Call("pg_cot");
};

/// Largest argument of `factorial` whose result fits `numeric`.
const FACTORIAL_MAX: i64 = 32_177;

fn divisor(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// A result in the width of the arguments, which is the third.
fn fitted(value: Option<u64>, a: &Arguments<'_>) -> Result<Value, SqlError> {
    let (name, max) = if a.int(2)? == 32 { ("integer", i32::MAX as u64) } else { ("bigint", i64::MAX as u64) };
    match value.filter(|value| *value <= max) {
        Some(value) => Ok(Value::Integer(value as i64)),
        None => Err(SqlError::new("22003", format!("{name} out of range"))),
    }
}

fn absolute_pair(a: &Arguments<'_>) -> Result<(u64, u64), SqlError> {
    Ok((a.int(0)?.unsigned_abs(), a.int(1)?.unsigned_abs()))
}

fn numeric_divisor(left: &Numeric, right: &Numeric) -> Result<Numeric, SqlError> {
    let scale = left.scale().max(right.scale());
    if !matches!((left, right), (Numeric::Finite(_), Numeric::Finite(_))) {
        return Ok(Numeric::NaN);
    }
    let (mut a, mut b) = (left.absolute(), right.absolute());
    while b != Numeric::zero() && b.cmp(&Numeric::zero()).is_ne() {
        let rest = a.remainder(&b)?;
        a = b;
        b = rest;
    }
    Ok(a.round(scale))
}

fn register_divisors(conn: &Connection) -> rusqlite::Result<()> {
    strict(conn, "pg_gcd", 3, |a| {
        let (left, right) = absolute_pair(a)?;
        fitted(Some(divisor(left, right)), a)
    })?;
    strict(conn, "pg_lcm", 3, |a| {
        let (left, right) = absolute_pair(a)?;
        if left == 0 || right == 0 {
            return Ok(Value::Integer(0));
        }
        fitted((left / divisor(left, right)).checked_mul(right), a)
    })?;
    strict(conn, "pg_gcd_numeric", 2, |a| Ok(text(numeric_divisor(&a.numeric(0)?, &a.numeric(1)?)?.to_string())))?;
    strict(conn, "pg_lcm_numeric", 2, |a| {
        let (left, right) = (a.numeric(0)?, a.numeric(1)?);
        let scale = left.scale().max(right.scale());
        let common = numeric_divisor(&left, &right)?;
        if common.cmp(&Numeric::zero()).is_eq() {
            return Ok(text(common.to_string()));
        }
        let multiple = left.divide_whole(&common)?.multiply(&right)?.absolute();
        Ok(text(multiple.round(scale).to_string()))
    })?;
    strict(conn, "pg_factorial", 1, |a| {
        let number = a.int(0)?;
        if number < 0 {
            return Err(SqlError::new("22003", "factorial of a negative number is undefined"));
        }
        if number > FACTORIAL_MAX {
            return Err(SqlError::new("22003", "value overflows numeric format"));
        }
        let mut product = Numeric::from(1i64);
        for factor in 2..=number {
            product = product.multiply(&Numeric::from(factor))?;
        }
        Ok(text(product.to_string()))
    })?;
    strict(conn, "pg_width_bucket_float", 4, width_bucket)
}

fn width_bucket(a: &Arguments<'_>) -> Result<Value, SqlError> {
    let refuse = |message: &str| Err(SqlError::new("2201G", message));
    let (operand, low, high, count) = (a.float(0)?, a.float(1)?, a.float(2)?, a.int(3)?);
    if count <= 0 {
        return refuse("count must be greater than zero");
    }
    if operand.is_nan() || low.is_nan() || high.is_nan() {
        return refuse("operand, lower bound, and upper bound cannot be NaN");
    }
    if low.is_infinite() || high.is_infinite() {
        return refuse("lower and upper bounds must be finite");
    }
    let beyond = |count: i64| {
        i32::try_from(count + 1)
            .map(|count| Value::Integer(count.into()))
            .map_err(|_| SqlError::new("22003", "integer out of range"))
    };
    let (start, end, position) = match low.partial_cmp(&high) {
        Some(std::cmp::Ordering::Less) => (low, high, operand),
        Some(std::cmp::Ordering::Greater) => (-low, -high, -operand),
        _ => return refuse("lower bound cannot equal upper bound"),
    };
    if position < start {
        return Ok(Value::Integer(0));
    }
    if position >= end {
        return beyond(count);
    }
    let share = if (end - start).is_finite() {
        (position - start) / (end - start)
    } else {
        (position / 2.0 - start / 2.0) / (end / 2.0 - start / 2.0)
    };
    // Rounding may reach the bound that the operand is below.
    Ok(Value::Integer(((count as f64 * share) as i64).min(count - 1) + 1))
}

const RADIANS: f64 = PI / 180.0;

fn sine_to_30(degrees: f64) -> f64 {
    (degrees * RADIANS).sin() / (30.0 * RADIANS).sin() / 2.0
}

fn cosine_to_60(degrees: f64) -> f64 {
    1.0 - (1.0 - (degrees * RADIANS).cos()) / (1.0 - (60.0 * RADIANS).cos()) / 2.0
}

/// Sine of 0 to 90 degrees.
fn sine(degrees: f64) -> f64 {
    if degrees <= 30.0 { sine_to_30(degrees) } else { cosine_to_60(90.0 - degrees) }
}

/// Cosine of 0 to 90 degrees.
fn cosine(degrees: f64) -> f64 {
    if degrees <= 60.0 { cosine_to_60(degrees) } else { sine_to_30(90.0 - degrees) }
}

/// Arcsine of 0 to 1 in degrees.
fn arcsine(value: f64) -> f64 {
    if value <= 0.5 { value.asin() / 0.5f64.asin() * 30.0 } else { 90.0 - value.acos() / 0.5f64.acos() * 60.0 }
}

/// Arccosine of 0 to 1 in degrees.
fn arccosine(value: f64) -> f64 {
    if value <= 0.5 { 90.0 - value.asin() / 0.5f64.asin() * 30.0 } else { value.acos() / 0.5f64.acos() * 60.0 }
}

fn out_of_range() -> SqlError {
    SqlError::new("22003", "input is out of range")
}

/// An angle as one of the first quadrant, and the signs its sine and cosine take.
struct Quadrant {
    degrees: f64,
    sine: f64,
    cosine: f64,
}

fn quadrant(a: &Arguments<'_>) -> Result<Option<Quadrant>, SqlError> {
    let degrees = a.float(0)?;
    if degrees.is_infinite() {
        return Err(out_of_range());
    }
    if degrees.is_nan() {
        return Ok(None);
    }
    let mut found = Quadrant { degrees: degrees % 360.0, sine: 1.0, cosine: 1.0 };
    if found.degrees < 0.0 {
        found.degrees = -found.degrees;
        found.sine = -found.sine;
    }
    if found.degrees > 180.0 {
        found.degrees = 360.0 - found.degrees;
        found.sine = -found.sine;
    }
    if found.degrees > 90.0 {
        found.degrees = 180.0 - found.degrees;
        found.cosine = -found.cosine;
    }
    Ok(Some(found))
}

/// A function of an angle; NaN for NaN.
fn of_angle(a: &Arguments<'_>, function: fn(&Quadrant) -> f64) -> Result<Value, SqlError> {
    Ok(real(quadrant(a)?.map_or(f64::NAN, |found| function(&found))))
}

/// Without the sign of zero.
fn unsigned_zero(value: f64) -> f64 {
    if value == 0.0 { 0.0 } else { value }
}

fn register_angles(conn: &Connection) -> rusqlite::Result<()> {
    strict(conn, "pg_sind", 1, |a| of_angle(a, |angle| angle.sine * sine(angle.degrees)))?;
    strict(conn, "pg_cosd", 1, |a| of_angle(a, |angle| angle.cosine * cosine(angle.degrees)))?;
    strict(conn, "pg_tand", 1, |a| {
        of_angle(a, |angle| {
            let scaled = sine(angle.degrees) / cosine(angle.degrees) / (sine(45.0) / cosine(45.0));
            unsigned_zero(angle.sine * angle.cosine * scaled)
        })
    })?;
    strict(conn, "pg_cotd", 1, |a| {
        of_angle(a, |angle| {
            let scaled = cosine(angle.degrees) / sine(angle.degrees) / (cosine(45.0) / sine(45.0));
            unsigned_zero(angle.sine * angle.cosine * scaled)
        })
    })?;
    strict(conn, "pg_cot", 1, |a| match a.float(0)? {
        value if value.is_infinite() => Err(out_of_range()),
        value => Ok(real(1.0 / value.tan())),
    })?;
    strict(conn, "pg_asind", 1, |a| match a.float(0)? {
        value if value.abs() > 1.0 => Err(out_of_range()),
        value if value < 0.0 => Ok(real(-arcsine(-value))),
        value => Ok(real(arcsine(value))),
    })?;
    strict(conn, "pg_acosd", 1, |a| match a.float(0)? {
        value if value.abs() > 1.0 => Err(out_of_range()),
        value if value < 0.0 => Ok(real(90.0 + arcsine(-value))),
        value => Ok(real(arccosine(value))),
    })?;
    strict(conn, "pg_atand", 1, |a| Ok(real(a.float(0)?.atan() / 1f64.atan() * 45.0)))?;
    strict(conn, "pg_atan2d", 2, |a| Ok(real(a.float(0)?.atan2(a.float(1)?) / 1f64.atan() * 45.0)))
}

pub(super) fn register(conn: &Connection) -> rusqlite::Result<()> {
    register_divisors(conn)?;
    register_angles(conn)
}

#[cfg(test)]
mod tests {
    use super::super::tests::check;

    #[test]
    fn divisors_and_multiples_are_positive_and_checked() {
        check("pg_gcd(-12, 18, 32)", "6");
        check("pg_gcd(-2147483648, 0, 32)", "integer out of range (22003)");
        check("pg_lcm(4, -6, 32)", "12");
        check("pg_lcm(2147483647, 2147483646, 32)", "integer out of range (22003)");
        check("pg_lcm(0, 5, 64)", "0");
        check("pg_gcd_numeric('1.5', '0.25')", "0.25");
        check("pg_lcm_numeric('1.5', '0.25')", "1.50");
        check("pg_gcd_numeric('NaN', '1')", "NaN");
        check("pg_factorial(20)", "2432902008176640000");
        check("pg_factorial(-1)", "factorial of a negative number is undefined (22003)");
        check("pg_factorial(40000)", "value overflows numeric format (22003)");
    }

    #[test]
    fn buckets_are_counted_from_either_end() {
        check("pg_width_bucket_float(5.35, 0.024, 10.06, 5)", "3");
        check("pg_width_bucket_float(11.0, 0.0, 10.0, 5)", "6");
        check("pg_width_bucket_float(2.0, 10.0, 0.0, 5)", "5");
        check("pg_width_bucket_float(1.0, 1.0, 1.0, 5)", "lower bound cannot equal upper bound (2201G)");
    }

    #[test]
    fn angles_in_degrees_are_exact_where_they_can_be() {
        check("pg_sind(30.0)", "0.5");
        check("pg_cosd(60.0)", "0.5");
        check("pg_tand(225.0)", "1.0");
        check("pg_asind(-0.5)", "-30.0");
        check("pg_acosd(-1.0)", "180.0");
        check("pg_sind(9e999)", "input is out of range (22003)");
    }
}
