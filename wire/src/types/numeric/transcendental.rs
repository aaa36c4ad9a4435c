//! Roots, exponentials, logarithms and powers of `numeric`, to the number of digits that PostgreSQL shows.
//!
//! The scale of a result is chosen from an estimate of its weight in floating point, as PostgreSQL chooses it, so that the
//! same number of digits is shown; the digits themselves are computed in decimal with [`GUARD_DIGITS`] to spare.
//! Source: the rules were read off PostgreSQL 15's answers and its documentation of `numeric`.

use std::cmp::Ordering;
use std::f64::consts::{LN_10, LOG10_E};

use super::{BASE, Decimal, GROUP, Numeric, RESULT_SCALE_MAX, SIGNIFICANT_DIGITS_MIN, WEIGHT_MAX, overflow};
use crate::error::SqlError;

/// Digits beyond those shown that decide the last one.
const GUARD_DIGITS: i32 = 10;
/// Powers of e beyond which a result surely overflows, or is zero at any scale that can be shown.
const EXPONENT_MAX: f64 = 6000.0;

fn undefined(message: &str) -> SqlError {
    SqlError::new("2201F", message)
}

impl Decimal {
    pub(super) fn one() -> Self {
        Self { negative: false, weight: 0, digits: vec![1], scale: 0 }
    }

    fn small(value: u16) -> Self {
        Self::new(false, 0, vec![value], 0)
    }

    /// The square root of a value that is not negative, to `scale` digits.
    fn square_root(&self, scale: i32) -> Self {
        if self.is_zero() {
            return Self::zero(scale);
        }
        let working = scale + GUARD_DIGITS;
        let half = Self { negative: false, weight: -1, digits: vec![5000], scale: 1 };
        // A power of ten of half the magnitude; Newton's method doubles the right digits each time from there.
        let exponent = self.decimal_weight().div_euclid(2) + 1;
        let mut root = Self::power_of_ten(exponent);
        loop {
            let next = root.add(&self.divide_to_scale(&root, working)).multiply(&half).to_scale(working, true);
            // From above the iteration falls until it has converged.
            if next.compare_magnitude(&root).is_ge() {
                return root.to_scale(scale, false);
            }
            root = next;
        }
    }

    fn power_of_ten(exponent: i32) -> Self {
        let weight = exponent.div_euclid(GROUP);
        let digit = 10u16.pow(exponent.rem_euclid(GROUP) as u32);
        Self { negative: false, weight, digits: vec![digit], scale: (-exponent).max(0) }
    }

    /// The product rounded to `scale` digits.
    fn product(&self, other: &Self, scale: i32) -> Self {
        self.multiply(other).to_scale(scale, false)
    }

    /// The nearest float; infinite where it overflows.
    fn approximate(&self) -> f64 {
        self.to_string().parse().unwrap_or(f64::INFINITY)
    }

    /// About log10 of the magnitude; the value is not zero.
    fn log10_estimate(&self) -> f64 {
        let mut mantissa = 0.0;
        let mut exponent = (self.weight + 1) * GROUP;
        for digit in self.digits.iter().take(4) {
            mantissa = mantissa * f64::from(BASE) + f64::from(*digit);
            exponent -= GROUP;
        }
        mantissa.log10() + f64::from(exponent)
    }

    /// Estimated decimal weight of the natural logarithm.
    fn logarithm_weight(&self) -> i32 {
        if self.is_zero() || self.negative {
            return 0;
        }
        let near_one = |tenths: u16| Self { negative: false, weight: 0, digits: vec![tenths], scale: 0 };
        let tenfold = self.multiply(&Self::small(10));
        if tenfold.compare(&near_one(9)).is_ge() && tenfold.compare(&near_one(11)).is_le() {
            // ln(x) is about x - 1 there.
            let distance = self.subtract(&Self::one());
            return distance
                .digits
                .first()
                .map_or(0, |first| distance.weight * GROUP + f64::from(*first).log10() as i32);
        }
        let mut leading = f64::from(self.digits[0]);
        let mut exponent = self.weight * GROUP;
        if let Some(second) = self.digits.get(1) {
            leading = leading * f64::from(BASE) + f64::from(*second);
            exponent -= GROUP;
        }
        let logarithm = leading.ln() + f64::from(exponent) * LN_10;
        logarithm.abs().log10() as i32
    }

    /// The natural logarithm of a positive value, to `scale` digits.
    fn logarithm(&self, scale: i32) -> Self {
        let working = scale + GUARD_DIGITS + 8;
        // Square roots bring the value near 1, where the series converges fast; each halves the logarithm.
        let (low, high) = (Self::new(false, -1, vec![9000], 1), Self::new(false, 0, vec![1, 1000], 1));
        let mut value = self.clone();
        let mut doublings = 0;
        while value.compare(&low).is_le() || value.compare(&high).is_ge() {
            // Small values need more digits behind the point to keep as many significant ones.
            let digits = working + doublings / 3 + (-value.decimal_weight()).max(0);
            value = value.square_root(digits);
            doublings += 1;
        }
        let working = working + doublings / 3 + 1;
        // ln(x) = 2 (z + z^3/3 + z^5/5 + ..), z = (x - 1) / (x + 1)
        let z = value.subtract(&Self::one()).divide_to_scale(&value.add(&Self::one()), working);
        let square = z.product(&z, working);
        let (mut power, mut sum, mut divisor) = (z.clone(), z, 1);
        loop {
            power = power.product(&square, working);
            divisor += 2;
            let term = power.divide_to_scale(&Self::small(divisor), working);
            if term.is_zero() {
                break;
            }
            sum = sum.add(&term);
        }
        for _ in 0..=doublings {
            sum = sum.add(&sum);
        }
        sum.to_scale(scale, false)
    }

    /// e to this power, to `scale` digits; the power is within [`EXPONENT_MAX`].
    fn exponential(&self, scale: i32) -> Self {
        let weight = (self.approximate() * LOG10_E) as i32;
        // Halving the power until it is small makes the series short; each squaring back doubles the error.
        let mut halvings = 0;
        let mut size = self.approximate().abs();
        while size > 0.01 {
            size /= 2.0;
            halvings += 1;
        }
        let working = scale + weight.max(0) + GUARD_DIGITS + halvings;
        let half = Self { negative: false, weight: -1, digits: vec![5000], scale: 1 };
        let mut power = self.clone();
        for _ in 0..halvings {
            power = power.product(&half, working + halvings);
        }
        let (mut term, mut sum, mut divisor) = (Self::one(), Self::one(), 0);
        loop {
            divisor += 1;
            term = term.product(&power, working + halvings).divide_to_scale(&Self::small(divisor), working + halvings);
            if term.is_zero() {
                break;
            }
            sum = sum.add(&term);
        }
        for _ in 0..halvings {
            sum = sum.product(&sum, working + halvings);
        }
        sum.to_scale(scale, false)
    }

    /// The scale of a result of this estimated decimal weight, beside operands of these scales.
    fn result_scale(weight: i32, scales: &[i32]) -> i32 {
        let least = scales.iter().copied().max().unwrap_or(0);
        (SIGNIFICANT_DIGITS_MIN - weight).max(least).clamp(0, RESULT_SCALE_MAX)
    }

    fn is_integral(&self) -> bool {
        self.is_zero() || self.low() >= 0
    }

    fn is_odd(&self) -> bool {
        self.digit(0) % 2 == 1
    }

    /// A whole power that fits 32 bits, by repeated squaring.
    fn whole_power(&self, exponent: i32) -> Result<Self, SqlError> {
        let estimate = if self.is_zero() { 0.0 } else { f64::from(exponent) * self.log10_estimate() };
        if estimate > f64::from((WEIGHT_MAX + 1) * GROUP) {
            return Err(overflow());
        }
        // Unlike other powers, whole ones show the same number of digits behind the point whatever their size.
        let scale = SIGNIFICANT_DIGITS_MIN.max(self.scale).min(RESULT_SCALE_MAX);
        if estimate + 1.0 < -f64::from(scale) {
            return Ok(Self::zero(scale));
        }
        if exponent == 0 {
            return Ok(Self { scale, ..Self::one() });
        }
        if self.is_zero() {
            return if exponent < 0 { Err(SqlError::new("22012", "division by zero")) } else { Ok(Self::zero(scale)) };
        }
        // Enough significant digits that the error of all multiplications stays behind the last one shown.
        let significant = 1 + scale + estimate as i32 + f64::from(exponent).abs().ln() as i32 + GUARD_DIGITS;
        let rounded = |value: Self| {
            let kept = significant - value.decimal_weight();
            if kept < value.scale { value.to_scale(kept, false) } else { value }
        };
        let mut base = self.clone();
        let mut result = Self::one();
        let mut rest = exponent.unsigned_abs();
        while rest > 0 {
            if rest & 1 == 1 {
                result = rounded(result.multiply(&base));
            }
            rest >>= 1;
            if rest > 0 {
                base = rounded(base.multiply(&base));
            }
            if result.weight > WEIGHT_MAX || base.weight > WEIGHT_MAX && rest > 0 {
                return if exponent > 0 { Err(overflow()) } else { Ok(Self::zero(scale)) };
            }
        }
        let result =
            if exponent < 0 { Self::one().divide_to_scale(&result, scale) } else { result.to_scale(scale, false) };
        Ok(Self { scale, ..result })
    }

    /// Any other power, through the logarithm.
    fn real_power(&self, exponent: &Self) -> Result<Self, SqlError> {
        if self.is_zero() {
            return Ok(Self::zero(SIGNIFICANT_DIGITS_MIN));
        }
        let negative = self.negative && exponent.is_odd();
        let magnitude = Self { negative: false, ..self.clone() };
        let rough_scale = (8 - magnitude.logarithm_weight()).max(0);
        let rough = magnitude.logarithm(rough_scale).product(exponent, rough_scale).approximate();
        if rough.abs() > EXPONENT_MAX * 1.003_4 {
            return if rough > 0.0 { Err(overflow()) } else { Ok(Self::zero(RESULT_SCALE_MAX)) };
        }
        let weight = (rough * LOG10_E) as i32;
        let scale = Self::result_scale(weight, &[self.scale, exponent.scale]);
        let working = scale + weight.abs() + GUARD_DIGITS + exponent.decimal_weight().max(0);
        let power = magnitude.logarithm(working).product(exponent, working);
        let result = power.bounded_exponential(scale)?;
        Ok(Self { negative: negative && !result.is_zero(), ..result })
    }

    fn bounded_exponential(&self, scale: i32) -> Result<Self, SqlError> {
        let size = self.approximate();
        if size.abs() >= EXPONENT_MAX {
            return if size > 0.0 { Err(overflow()) } else { Ok(Self::zero(scale)) };
        }
        Ok(Self { scale, ..self.exponential(scale) })
    }
}

use Numeric::{Finite, Infinity, NaN, NegativeInfinity};

/// The argument of a logarithm.
fn positive(value: &Numeric) -> Result<(), SqlError> {
    let refuse = |what: &str| Err(SqlError::new("2201E", format!("cannot take logarithm of {what}")));
    match value {
        NegativeInfinity => refuse("a negative number"),
        Finite(value) if value.is_zero() => refuse("zero"),
        Finite(value) if value.negative => refuse("a negative number"),
        Finite(_) | Infinity | NaN => Ok(()),
    }
}

impl Numeric {
    /// The square root, with at least 16 significant digits.
    ///
    /// # Errors
    /// 2201F for negative values.
    pub fn square_root(&self) -> Result<Self, SqlError> {
        let negative = || undefined("cannot take square root of a negative number");
        match self {
            NaN => Ok(NaN),
            Infinity => Ok(Infinity),
            NegativeInfinity => Err(negative()),
            Finite(value) if value.negative => Err(negative()),
            Finite(value) => {
                let whole_digits = value.weight * GROUP / 2 + 1;
                let scale = (SIGNIFICANT_DIGITS_MIN - whole_digits).max(value.scale).clamp(0, RESULT_SCALE_MAX);
                Ok(Finite(value.square_root(scale)))
            }
        }
    }

    /// e to this power.
    ///
    /// # Errors
    /// 22003 when it overflows.
    pub fn exponential(&self) -> Result<Self, SqlError> {
        match self {
            NaN => Ok(NaN),
            Infinity => Ok(Infinity),
            NegativeInfinity => Ok(Self::zero()),
            Finite(value) => {
                let weight = (value.approximate() * LOG10_E).clamp(-2000.0, 2000.0) as i32;
                let scale = Decimal::result_scale(weight, &[value.scale]);
                value.bounded_exponential(scale).map(Finite)
            }
        }
    }

    /// The natural logarithm.
    ///
    /// # Errors
    /// 2201E for zero and below.
    pub fn natural_logarithm(&self) -> Result<Self, SqlError> {
        positive(self)?;
        match self {
            Finite(value) => {
                let scale = Decimal::result_scale(value.logarithm_weight(), &[value.scale]);
                Ok(Finite(value.logarithm(scale)))
            }
            NaN | Infinity | NegativeInfinity => Ok(self.clone()),
        }
    }

    /// The logarithm to a base.
    ///
    /// # Errors
    /// 2201E for zero and below in either, 22012 for base 1.
    pub fn logarithm(base: &Self, value: &Self) -> Result<Self, SqlError> {
        if *base == NaN || *value == NaN {
            return Ok(NaN);
        }
        positive(base)?;
        positive(value)?;
        match (base, value) {
            (Infinity, Infinity) => Ok(NaN),
            (Infinity, _) => Ok(Self::zero()),
            (_, Infinity) => Ok(Infinity),
            (Finite(base), Finite(value)) => {
                let weight = value.logarithm_weight() - base.logarithm_weight();
                let scale = Decimal::result_scale(weight, &[base.scale, value.scale]);
                let working = scale + weight.abs() + GUARD_DIGITS;
                let divisor = base.logarithm(working - base.logarithm_weight().min(0));
                if divisor.is_zero() {
                    return Err(SqlError::new("22012", "division by zero"));
                }
                let dividend = value.logarithm(working - value.logarithm_weight().min(0));
                Ok(Finite(dividend.divide_to_scale(&divisor, scale)))
            }
            (NaN | NegativeInfinity | Finite(_), _) => Ok(NaN),
        }
    }

    /// This value to a power.
    ///
    /// # Errors
    /// 2201F where no real number is the result, 22003 when it overflows.
    pub fn power(&self, exponent: &Self) -> Result<Self, SqlError> {
        match (self, exponent) {
            (Finite(base), Finite(exponent)) => finite_power(base, exponent).map(Finite),
            _ => self.special_power(exponent),
        }
    }

    /// Powers with NaN or an infinity, as POSIX defines them for `pow`.
    fn special_power(&self, exponent: &Self) -> Result<Self, SqlError> {
        let is_one = |value: &Self| matches!(value, Finite(value) if value.compare(&Decimal::one()).is_eq());
        let is_zero = |value: &Self| matches!(value, Finite(value) if value.is_zero());
        if *self == NaN {
            return Ok(if is_zero(exponent) { Finite(Decimal::one()) } else { NaN });
        }
        if *exponent == NaN {
            return Ok(if is_one(self) { Finite(Decimal::one()) } else { NaN });
        }
        if is_zero(exponent) || is_one(self) {
            return Ok(Finite(Decimal::one()));
        }
        match (self, exponent) {
            (base, NegativeInfinity) if is_zero(base) => Err(undefined(ZERO_TO_NEGATIVE)),
            (Finite(base), Infinity | NegativeInfinity) => {
                let magnitude = Decimal { negative: false, ..base.clone() };
                let grows = *exponent == Infinity;
                Ok(match magnitude.compare(&Decimal::one()) {
                    Ordering::Equal => Finite(Decimal::one()),
                    Ordering::Greater if grows => Infinity,
                    Ordering::Less if !grows => Infinity,
                    Ordering::Greater | Ordering::Less => Self::zero(),
                })
            }
            (_, Infinity) => Ok(Infinity),
            (_, NegativeInfinity) => Ok(Self::zero()),
            (Infinity, Finite(exponent)) => Ok(if exponent.negative { Self::zero() } else { Infinity }),
            (_, Finite(exponent)) => {
                if !exponent.is_integral() {
                    return Err(undefined(COMPLEX));
                }
                Ok(match (exponent.negative, exponent.is_odd()) {
                    (true, _) => Self::zero(),
                    (false, true) => NegativeInfinity,
                    (false, false) => Infinity,
                })
            }
            (_, NaN) => Ok(NaN),
        }
    }
}

const ZERO_TO_NEGATIVE: &str = "zero raised to a negative power is undefined";
const COMPLEX: &str = "a negative number raised to a non-integer power yields a complex result";

fn finite_power(base: &Decimal, exponent: &Decimal) -> Result<Decimal, SqlError> {
    if base.is_zero() && exponent.negative {
        return Err(undefined(ZERO_TO_NEGATIVE));
    }
    if base.negative && !exponent.is_integral() {
        return Err(undefined(COMPLEX));
    }
    let whole = exponent.is_integral().then(|| exponent.to_i128()).flatten();
    match whole.and_then(|whole| i32::try_from(whole).ok()) {
        Some(whole) => base.whole_power(whole),
        None => base.real_power(exponent),
    }
}
