//! Arithmetic and mathematical functions over integers, floats and `numeric`.
//!
//! Integers are checked against the width of the result type (22003), division by zero is 22012, and floats that overflow
//! or underflow are 22003, as in PostgreSQL.

use storage::Value;
use storage::rusqlite::{self, Connection};

use super::Form::{Call, Pattern};
use super::body::{Arguments, real, strict, text, volatile};
use super::{Function, function_table};
use crate::error::SqlError;
use crate::types::numeric::Numeric;

pub(super) static FUNCTIONS: &[Function] = function_table! {
    "abs"(INT2) -> INT2, Immutable, Call("pg_abs_int2");
    "abs"(INT4) -> INT4, Immutable, Call("pg_abs_int4");
    "abs"(INT8) -> INT8, Immutable, Call("pg_abs_int8");
    "abs"(FLOAT4) -> FLOAT4, Immutable, Call("pg_abs_float");
    "abs"(FLOAT8) -> FLOAT8, Immutable, Call("pg_abs_float");
    "abs"(NUMERIC) -> NUMERIC, Immutable, Call("pg_abs_numeric");
    "mod"(INT2, INT2) -> INT2, Immutable, Call("pg_modulo_int");
    "mod"(INT4, INT4) -> INT4, Immutable, Call("pg_modulo_int");
    "mod"(INT8, INT8) -> INT8, Immutable, Call("pg_modulo_int");
    "mod"(NUMERIC, NUMERIC) -> NUMERIC, Immutable, Call("pg_modulo_numeric");
    "div"(NUMERIC, NUMERIC) -> NUMERIC, Immutable, Call("pg_div_numeric");
    "round"(FLOAT8) -> FLOAT8, Immutable, Call("pg_round_float");
    "round"(NUMERIC) -> NUMERIC, Immutable, Pattern("pg_round_numeric({0}, 0)");
    "round"(NUMERIC, INT4) -> NUMERIC, Immutable, Call("pg_round_numeric");
    "trunc"(FLOAT8) -> FLOAT8, Immutable, Call("pg_trunc_float");
    "trunc"(NUMERIC) -> NUMERIC, Immutable, Pattern("pg_trunc_numeric({0}, 0)");
    "trunc"(NUMERIC, INT4) -> NUMERIC, Immutable, Call("pg_trunc_numeric");
    "ceil"(FLOAT8) -> FLOAT8, Immutable, Call("pg_ceil_float");
    "ceil"(NUMERIC) -> NUMERIC, Immutable, Call("pg_ceil_numeric");
    "ceiling"(FLOAT8) -> FLOAT8, Immutable, Call("pg_ceil_float");
    "ceiling"(NUMERIC) -> NUMERIC, Immutable, Call("pg_ceil_numeric");
    "floor"(FLOAT8) -> FLOAT8, Immutable, Call("pg_floor_float");
    "floor"(NUMERIC) -> NUMERIC, Immutable, Call("pg_floor_numeric");
    "sign"(FLOAT8) -> FLOAT8, Immutable, Call("pg_sign_float");
    "sign"(NUMERIC) -> NUMERIC, Immutable, Call("pg_sign_numeric");
    "scale"(NUMERIC) -> INT4, Immutable, Call("pg_scale_numeric");
    "trim_scale"(NUMERIC) -> NUMERIC, Immutable, Call("pg_trim_scale");
    "sqrt"(FLOAT8) -> FLOAT8, Immutable, Call("pg_sqrt_float");
    "sqrt"(NUMERIC) -> NUMERIC, Immutable, Call("pg_sqrt_numeric");
    "cbrt"(FLOAT8) -> FLOAT8, Immutable, Call("pg_cbrt");
    "power"(FLOAT8, FLOAT8) -> FLOAT8, Immutable, Call("pg_power_float");
    "pow"(FLOAT8, FLOAT8) -> FLOAT8, Immutable, Call("pg_power_float");
    "power"(NUMERIC, NUMERIC) -> NUMERIC, Immutable, Call("pg_power_numeric");
    "pow"(NUMERIC, NUMERIC) -> NUMERIC, Immutable, Call("pg_power_numeric");
    "exp"(NUMERIC) -> NUMERIC, Immutable, Call("pg_exp_numeric");
    "ln"(NUMERIC) -> NUMERIC, Immutable, Call("pg_ln_numeric");
    "log"(NUMERIC) -> NUMERIC, Immutable, Pattern("pg_log_numeric('10', {0})");
    "log10"(NUMERIC) -> NUMERIC, Immutable, Pattern("pg_log_numeric('10', {0})");
    "log"(NUMERIC, NUMERIC) -> NUMERIC, Immutable, Call("pg_log_numeric");
    "exp"(FLOAT8) -> FLOAT8, Immutable, Call("pg_exp_float");
    "ln"(FLOAT8) -> FLOAT8, Immutable, Call("pg_ln_float");
    "log"(FLOAT8) -> FLOAT8, Immutable, Call("pg_log_float");
    "log10"(FLOAT8) -> FLOAT8, Immutable, Call("pg_log_float");
    "sin"(FLOAT8) -> FLOAT8, Immutable, Call("pg_sin");
    "cos"(FLOAT8) -> FLOAT8, Immutable, Call("pg_cos");
    "tan"(FLOAT8) -> FLOAT8, Immutable, Call("pg_tan");
    "asin"(FLOAT8) -> FLOAT8, Immutable, Call("pg_asin");
    "acos"(FLOAT8) -> FLOAT8, Immutable, Call("pg_acos");
    "atan"(FLOAT8) -> FLOAT8, Immutable, Call("pg_atan");
    "atan2"(FLOAT8, FLOAT8) -> FLOAT8, Immutable, Call("pg_atan2");
    "degrees"(FLOAT8) -> FLOAT8, Immutable, Call("pg_degrees");
    "radians"(FLOAT8) -> FLOAT8, Immutable, Call("pg_radians");
    "pi"() -> FLOAT8, Immutable, Pattern("3.141592653589793");
    "random"() -> FLOAT8, Volatile, Call("pg_random");
};

fn out_of_range(type_name: &str) -> SqlError {
    SqlError::new("22003", format!("{type_name} out of range"))
}

fn division_by_zero() -> SqlError {
    SqlError::new("22012", "division by zero")
}

fn fit16(value: Option<i64>) -> Result<Value, SqlError> {
    value.filter(|v| i16::try_from(*v).is_ok()).map(Value::Integer).ok_or_else(|| out_of_range("smallint"))
}

fn fit32(value: Option<i64>) -> Result<Value, SqlError> {
    value.filter(|v| i32::try_from(*v).is_ok()).map(Value::Integer).ok_or_else(|| out_of_range("integer"))
}

fn fit64(value: Option<i64>) -> Result<Value, SqlError> {
    value.map(Value::Integer).ok_or_else(|| out_of_range("bigint"))
}

fn quotient(a: &Arguments<'_>) -> Result<Option<i64>, SqlError> {
    let (dividend, divisor) = (a.int(0)?, a.int(1)?);
    if divisor == 0 { Err(division_by_zero()) } else { Ok(dividend.checked_div(divisor)) }
}

/// Checks a float's result: an infinity from finite arguments is an overflow, a zero from others an underflow.
fn checked(value: f64, infinite_argument: bool, zero_allowed: bool) -> Result<Value, SqlError> {
    if value.is_infinite() && !infinite_argument {
        return Err(SqlError::new("22003", "value out of range: overflow"));
    }
    if value == 0.0 && !zero_allowed {
        return Err(SqlError::new("22003", "value out of range: underflow"));
    }
    Ok(real(value))
}

#[derive(Clone, Copy)]
enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
}

fn float_arithmetic(a: &Arguments<'_>, operation: Arithmetic, single: bool) -> Result<Value, SqlError> {
    let (left, right) = (a.float(0)?, a.float(1)?);
    let infinite = left.is_infinite() || right.is_infinite();
    let (value, zero_allowed) = match operation {
        Arithmetic::Add => (left + right, true),
        Arithmetic::Subtract => (left - right, true),
        Arithmetic::Multiply => (left * right, left == 0.0 || right == 0.0),
        Arithmetic::Divide if right == 0.0 && !left.is_nan() => return Err(division_by_zero()),
        Arithmetic::Divide => (left / right, left == 0.0 || right.is_infinite()),
    };
    let value = if single { f64::from(value as f32) } else { value };
    checked(value, infinite, zero_allowed)
}

macro_rules! integer_bodies {
    ($conn:expr, $($suffix:literal $fit:ident),*) => {
        $(
            strict($conn, concat!("pg_add_", $suffix), 2, |a| $fit(a.int(0)?.checked_add(a.int(1)?)))?;
            strict($conn, concat!("pg_subtract_", $suffix), 2, |a| $fit(a.int(0)?.checked_sub(a.int(1)?)))?;
            strict($conn, concat!("pg_multiply_", $suffix), 2, |a| $fit(a.int(0)?.checked_mul(a.int(1)?)))?;
            strict($conn, concat!("pg_divide_", $suffix), 2, |a| $fit(quotient(a)?))?;
            strict($conn, concat!("pg_abs_", $suffix), 1, |a| $fit(a.int(0)?.checked_abs()))?;
        )*
    };
}

macro_rules! float_bodies {
    ($conn:expr, $($suffix:literal $single:literal),*) => {
        $(
            strict($conn, concat!("pg_add_", $suffix), 2, |a| float_arithmetic(a, Arithmetic::Add, $single))?;
            strict($conn, concat!("pg_subtract_", $suffix), 2, |a| float_arithmetic(a, Arithmetic::Subtract, $single))?;
            strict($conn, concat!("pg_multiply_", $suffix), 2, |a| float_arithmetic(a, Arithmetic::Multiply, $single))?;
            strict($conn, concat!("pg_divide_", $suffix), 2, |a| float_arithmetic(a, Arithmetic::Divide, $single))?;
        )*
    };
}

pub(super) fn register(conn: &Connection) -> rusqlite::Result<()> {
    integer_bodies!(conn, "int2" fit16, "int4" fit32, "int8" fit64);
    float_bodies!(conn, "float4" true, "float8" false);
    register_integers(conn)?;
    register_floats(conn)?;
    register_numerics(conn)
}

fn register_integers(conn: &Connection) -> rusqlite::Result<()> {
    strict(conn, "pg_modulo_int", 2, |a| match a.int(1)? {
        0 => Err(division_by_zero()),
        // The remainder of the smallest integer by -1 is 0, though the quotient overflows.
        divisor => Ok(Value::Integer(a.int(0)?.wrapping_rem(divisor))),
    })?;
    strict(conn, "pg_bit_xor", 2, |a| Ok(Value::Integer(a.int(0)? ^ a.int(1)?)))?;
    strict(conn, "pg_shift_left", 3, |a| shift(a, true))?;
    strict(conn, "pg_shift_right", 3, |a| shift(a, false))?;
    strict(conn, "pg_fit_integer", 2, |a| {
        let value = a.int(0)?;
        match a.int(1)? {
            16 => fit16(Some(value)),
            32 => fit32(Some(value)),
            _ => fit64(Some(value)),
        }
    })
}

/// Shifts within the width; the count wraps around it, as the machine's shifts do that PostgreSQL uses.
fn shift(a: &Arguments<'_>, left: bool) -> Result<Value, SqlError> {
    let (value, width) = (a.int(0)?, a.int(2)?);
    // 16-bit operands are shifted as 32-bit ones.
    let count = (a.int(1)? & if width == 64 { 63 } else { 31 }) as u32;
    let shifted = match (left, width) {
        (false, _) => value >> count,
        (true, 16) => i64::from(((value as i32) << count) as i16),
        (true, 32) => i64::from((value as i32) << count),
        (true, _) => value << count,
    };
    Ok(Value::Integer(shifted))
}

fn register_floats(conn: &Connection) -> rusqlite::Result<()> {
    strict(conn, "pg_negate_float", 1, |a| Ok(real(-a.float(0)?)))?;
    strict(conn, "pg_abs_float", 1, |a| Ok(real(a.float(0)?.abs())))?;
    strict(conn, "pg_round_float", 1, |a| Ok(real(a.float(0)?.round_ties_even())))?;
    strict(conn, "pg_trunc_float", 1, |a| Ok(real(a.float(0)?.trunc())))?;
    strict(conn, "pg_ceil_float", 1, |a| Ok(real(a.float(0)?.ceil())))?;
    strict(conn, "pg_floor_float", 1, |a| Ok(real(a.float(0)?.floor())))?;
    strict(conn, "pg_sign_float", 1, |a| {
        let value = a.float(0)?;
        Ok(real(if value > 0.0 {
            1.0
        } else if value < 0.0 {
            -1.0
        } else {
            0.0
        }))
    })?;
    strict(conn, "pg_sqrt_float", 1, |a| match a.float(0)? {
        value if value < 0.0 => Err(SqlError::new("2201F", "cannot take square root of a negative number")),
        value => Ok(real(value.sqrt())),
    })?;
    strict(conn, "pg_cbrt", 1, |a| Ok(real(cube_root(a.float(0)?))))?;
    strict(conn, "pg_power_float", 2, |a| power(a.float(0)?, a.float(1)?))?;
    strict(conn, "pg_exp_float", 1, |a| {
        let value = a.float(0)?;
        checked(value.exp(), value.is_infinite(), value.is_infinite())
    })?;
    strict(conn, "pg_ln_float", 1, |a| logarithm(a.float(0)?).map(|value| real(value.ln())))?;
    strict(conn, "pg_log_float", 1, |a| logarithm(a.float(0)?).map(|value| real(value.log10())))?;
    strict(conn, "pg_degrees", 1, |a| {
        let value = a.float(0)?;
        checked(value / RADIANS_PER_DEGREE, value.is_infinite(), value == 0.0)
    })?;
    strict(conn, "pg_radians", 1, |a| {
        let value = a.float(0)?;
        checked(value * RADIANS_PER_DEGREE, value.is_infinite(), value == 0.0)
    })?;
    strict(conn, "pg_atan", 1, |a| Ok(real(a.float(0)?.atan())))?;
    strict(conn, "pg_atan2", 2, |a| Ok(real(a.float(0)?.atan2(a.float(1)?))))?;
    strict(conn, "pg_sin", 1, |a| in_domain(a.float(0)?, f64::sin))?;
    strict(conn, "pg_cos", 1, |a| in_domain(a.float(0)?, f64::cos))?;
    strict(conn, "pg_tan", 1, |a| in_domain(a.float(0)?, f64::tan))?;
    strict(conn, "pg_asin", 1, |a| in_domain(a.float(0)?, f64::asin))?;
    strict(conn, "pg_acos", 1, |a| in_domain(a.float(0)?, f64::acos))?;
    volatile(conn, "pg_random", 0, |_| Ok(Value::Real(random_unit())))
}

const RADIANS_PER_DEGREE: f64 = 0.017_453_292_519_943_295;

/// The cube root; one step of Newton's method makes the last bit right.
fn cube_root(value: f64) -> f64 {
    let root = value.cbrt();
    if root == 0.0 || !root.is_finite() {
        return root;
    }
    let square = root * root;
    root - square.mul_add(root, -value) / (3.0 * square)
}

/// A uniform number in [0, 1), of 53 random bits. Not for secrets, as in PostgreSQL.
fn random_unit() -> f64 {
    fastrand::f64()
}

/// A trigonometric function, which gives NaN outside its domain.
fn in_domain(value: f64, function: fn(f64) -> f64) -> Result<Value, SqlError> {
    let result = function(value);
    if result.is_nan() && !value.is_nan() {
        Err(SqlError::new("22003", "input is out of range"))
    } else {
        Ok(real(result))
    }
}

fn logarithm(value: f64) -> Result<f64, SqlError> {
    if value == 0.0 {
        return Err(SqlError::new("2201E", "cannot take logarithm of zero"));
    }
    if value < 0.0 {
        return Err(SqlError::new("2201E", "cannot take logarithm of a negative number"));
    }
    Ok(value)
}

fn power(base: f64, exponent: f64) -> Result<Value, SqlError> {
    if base == 0.0 && exponent < 0.0 {
        return Err(SqlError::new("2201F", "zero raised to a negative power is undefined"));
    }
    if base.is_nan() {
        return Ok(real(if exponent == 0.0 { 1.0 } else { base }));
    }
    if base < 0.0 && exponent.is_finite() && exponent.floor() != exponent {
        return Err(SqlError::new("2201F", "a negative number raised to a non-integer power yields a complex result"));
    }
    let infinite = base.is_infinite() || exponent.is_infinite();
    checked(base.powf(exponent), infinite, infinite || base == 0.0)
}

fn numeric(value: Result<Numeric, SqlError>) -> Result<Value, SqlError> {
    value.map(|value| text(value.to_string()))
}

fn register_numerics(conn: &Connection) -> rusqlite::Result<()> {
    strict(conn, "pg_add_numeric", 2, |a| numeric(a.numeric(0)?.add(&a.numeric(1)?)))?;
    strict(conn, "pg_subtract_numeric", 2, |a| numeric(a.numeric(0)?.subtract(&a.numeric(1)?)))?;
    strict(conn, "pg_multiply_numeric", 2, |a| numeric(a.numeric(0)?.multiply(&a.numeric(1)?)))?;
    strict(conn, "pg_divide_numeric", 2, |a| numeric(a.numeric(0)?.divide(&a.numeric(1)?)))?;
    strict(conn, "pg_modulo_numeric", 2, |a| numeric(a.numeric(0)?.remainder(&a.numeric(1)?)))?;
    strict(conn, "pg_div_numeric", 2, |a| numeric(a.numeric(0)?.divide_whole(&a.numeric(1)?)))?;
    strict(conn, "pg_negate_numeric", 1, |a| numeric(Ok(a.numeric(0)?.negate())))?;
    strict(conn, "pg_abs_numeric", 1, |a| numeric(Ok(a.numeric(0)?.absolute())))?;
    strict(conn, "pg_round_numeric", 2, |a| numeric(Ok(a.numeric(0)?.round(a.int32(1)?))))?;
    strict(conn, "pg_trunc_numeric", 2, |a| numeric(Ok(a.numeric(0)?.truncate(a.int32(1)?))))?;
    strict(conn, "pg_ceil_numeric", 1, |a| numeric(Ok(a.numeric(0)?.ceiling())))?;
    strict(conn, "pg_floor_numeric", 1, |a| numeric(Ok(a.numeric(0)?.floor())))?;
    strict(conn, "pg_sign_numeric", 1, |a| numeric(Ok(a.numeric(0)?.signum())))?;
    strict(conn, "pg_power_numeric", 2, |a| numeric(a.numeric(0)?.power(&a.numeric(1)?)))?;
    strict(conn, "pg_exp_numeric", 1, |a| numeric(a.numeric(0)?.exponential()))?;
    strict(conn, "pg_ln_numeric", 1, |a| numeric(a.numeric(0)?.natural_logarithm()))?;
    strict(conn, "pg_log_numeric", 2, |a| numeric(Numeric::logarithm(&a.numeric(0)?, &a.numeric(1)?)))?;
    strict(conn, "pg_sqrt_numeric", 1, |a| numeric(a.numeric(0)?.square_root()))?;
    strict(conn, "pg_trim_scale", 1, |a| numeric(Ok(a.numeric(0)?.without_trailing_zeros())))?;
    strict(conn, "pg_scale_numeric", 1, |a| match a.numeric(0)? {
        Numeric::Finite(value) => Ok(Value::Integer(i64::from(Numeric::Finite(value).scale()))),
        Numeric::NaN | Numeric::Infinity | Numeric::NegativeInfinity => Ok(Value::Null),
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::check;

    #[test]
    fn integer_arithmetic_is_checked() {
        check("pg_add_int4(2147483647, 1)", "integer out of range (22003)");
        check("pg_add_int8(9223372036854775807, 1)", "bigint out of range (22003)");
        check("pg_multiply_int2(300, 300)", "smallint out of range (22003)");
        check("pg_divide_int4(7, -2)", "-3");
        check("pg_divide_int4(1, 0)", "division by zero (22012)");
        check("pg_divide_int8(-9223372036854775807 - 1, -1)", "bigint out of range (22003)");
        check("pg_modulo_int(-9223372036854775807 - 1, -1)", "0");
        check("pg_modulo_int(-7, 3)", "-1");
        check("pg_shift_left(1, 33, 32)", "2");
        check("pg_shift_left(1, 31, 32)", "-2147483648");
        check("pg_bit_xor(5, 3)", "6");
        check("pg_add_int4(NULL, 1)", "NULL");
        check("pg_add_int4('abc', 1)", "invalid input syntax for type bigint: \"abc\" (22P02)");
    }

    #[test]
    fn floats_overflow_loudly_and_keep_nan() {
        check("pg_multiply_float8(1e300, 1e300)", "value out of range: overflow (22003)");
        check("pg_multiply_float8(1e-300, 1e-300)", "value out of range: underflow (22003)");
        check("pg_divide_float8(1.0, 0.0)", "division by zero (22012)");
        check("pg_subtract_float8(9e999, 9e999)", "NaN");
        check("pg_add_float8('NaN', 1)", "NaN");
        check("pg_divide_float8(1.0, 9e999)", "0.0");
        check("pg_sqrt_float(-1.0)", "cannot take square root of a negative number (2201F)");
        check("pg_ln_float(0.0)", "cannot take logarithm of zero (2201E)");
        check(
            "pg_power_float(-8.0, 0.5)",
            "a negative number raised to a non-integer power yields a complex result (2201F)",
        );
        check("pg_round_float(2.5)", "2.0");
        check("pg_random() BETWEEN 0 AND 1", "1");
    }

    #[test]
    fn numerics_keep_their_scale_and_order_by_value() {
        check("pg_add_numeric('1.10', '2.2')", "3.30");
        check("pg_divide_numeric('1', '3')", "0.33333333333333333333");
        check("pg_add_numeric('1.10', 2)", "3.10");
        check("'10' > '9.5' COLLATE pg_numeric", "1");
        check("'1.0' = '1.000' COLLATE pg_numeric", "1");
        check("'NaN' > 'Infinity' COLLATE pg_numeric", "1");
        check("pg_round_numeric('2.5', 0)", "3");
        check("pg_sqrt_numeric('2')", "1.414213562373095");
        check("pg_sqrt_numeric('1000000')", "1000.0000000000000");
        check("pg_sqrt_numeric('0.01')", "0.10000000000000000");
    }
}
