//! Sum, product, quotient, remainder and rounding of `numeric`, with PostgreSQL's rules for the result's scale.

use super::{BASE, Decimal, GROUP, Numeric, RESULT_SCALE_MAX, SCALE_MAX, SIGNIFICANT_DIGITS_MIN};
use crate::error::SqlError;

fn division_by_zero() -> SqlError {
    SqlError::new("22012", "division by zero")
}

impl Decimal {
    fn negated(&self) -> Self {
        Self { negative: !self.negative && !self.is_zero(), ..self.clone() }
    }

    pub(super) fn add(&self, other: &Self) -> Self {
        let scale = self.scale.max(other.scale);
        if self.negative == other.negative {
            return self.add_magnitude(other, scale);
        }
        match self.compare_magnitude(other) {
            std::cmp::Ordering::Equal => Self::zero(scale),
            std::cmp::Ordering::Greater => self.subtract_magnitude(other, scale),
            std::cmp::Ordering::Less => other.subtract_magnitude(self, scale),
        }
    }

    pub(super) fn subtract(&self, other: &Self) -> Self {
        self.add(&other.negated())
    }

    fn bounds(&self, other: &Self) -> (i32, i32) {
        match (self.is_zero(), other.is_zero()) {
            (true, _) => (other.low(), other.weight),
            (_, true) => (self.low(), self.weight),
            (false, false) => (self.low().min(other.low()), self.weight.max(other.weight)),
        }
    }

    fn add_magnitude(&self, other: &Self, scale: i32) -> Self {
        let (low, high) = self.bounds(other);
        let mut digits = Vec::with_capacity((high - low + 2).max(0) as usize);
        let mut carry = 0u32;
        for weight in low..=high + 1 {
            let sum = u32::from(self.digit(weight)) + u32::from(other.digit(weight)) + carry;
            carry = sum / BASE;
            digits.push((sum % BASE) as u16);
        }
        digits.reverse();
        Self::new(self.negative || (self.is_zero() && other.negative), high + 1, digits, scale)
    }

    /// `|self| - |other|` with the sign of `self`; `|self|` is the greater.
    fn subtract_magnitude(&self, other: &Self, scale: i32) -> Self {
        let (low, high) = self.bounds(other);
        let mut digits = Vec::with_capacity((high - low + 1).max(0) as usize);
        let mut borrow = 0i32;
        for weight in low..=high {
            let difference = i32::from(self.digit(weight)) - i32::from(other.digit(weight)) - borrow;
            borrow = i32::from(difference < 0);
            digits.push((difference + borrow * BASE as i32) as u16);
        }
        digits.reverse();
        Self::new(self.negative, high, digits, scale)
    }

    /// The exact product; its scale is the sum of the scales and may exceed the limit.
    pub(super) fn multiply(&self, other: &Self) -> Self {
        let scale = self.scale + other.scale;
        if self.is_zero() || other.is_zero() {
            return Self::zero(scale);
        }
        let mut sums = vec![0u64; self.digits.len() + other.digits.len()];
        for (i, a) in self.digits.iter().enumerate() {
            for (j, b) in other.digits.iter().enumerate() {
                sums[i + j + 1] += u64::from(*a) * u64::from(*b);
            }
        }
        let mut carry = 0u64;
        for sum in sums.iter_mut().rev() {
            let total = *sum + carry;
            *sum = total % u64::from(BASE);
            carry = total / u64::from(BASE);
        }
        let digits = sums.into_iter().map(|digit| digit as u16).collect();
        Self::new(self.negative != other.negative, self.weight + other.weight + 1, digits, scale)
    }

    /// The quotient, cut (not rounded) behind the base-10000 digit of weight `low`. `other` is not zero.
    fn quotient(&self, other: &Self, low: i32) -> Self {
        // The quotient of two runs taken as integers: the dividend is extended (or cut) so that its last digit stands at
        // the weight whose quotient digit has weight `low`.
        let end = low + other.low();
        let mut dividend: Vec<u16> = (end..=self.weight).rev().map(|weight| self.digit(weight)).collect();
        dividend.insert(0, 0);
        let digits = divide_runs(dividend, &other.digits);
        let weight = low + digits.len() as i32 - 1;
        Self::new(self.negative != other.negative, weight, digits, 0)
    }

    /// The quotient rounded to `scale` digits behind the point.
    pub(super) fn divide_to_scale(&self, other: &Self, scale: i32) -> Self {
        // One whole group more than shown holds the digit that decides the rounding.
        let low = -(scale.div_euclid(GROUP) + 2);
        self.quotient(other, low).to_scale(scale, false)
    }

    /// The scale of a quotient: at least 16 significant digits, and no less than either side shows.
    pub(super) fn quotient_scale(&self, other: &Self) -> i32 {
        let leading = |value: &Self| (value.weight, value.digits.first().copied().unwrap_or(0));
        let ((weight, first), (other_weight, other_first)) = (leading(self), leading(other));
        let quotient_weight = weight - other_weight - i32::from(first <= other_first);
        (SIGNIFICANT_DIGITS_MIN - quotient_weight * GROUP).max(self.scale).max(other.scale).clamp(0, RESULT_SCALE_MAX)
    }

    fn remainder(&self, other: &Self) -> Self {
        let whole = self.quotient(other, 0);
        let product = whole.multiply(other);
        let rest = self.subtract(&product);
        Self { scale: self.scale.max(other.scale), ..rest }
    }
}

/// Long division of base-10000 integers, most significant digit first; gives as many digits as the dividend has.
fn divide_runs(dividend: Vec<u16>, divisor: &[u16]) -> Vec<u16> {
    let mut quotient = vec![0u16; dividend.len()];
    let mut rest: Vec<u32> = dividend.into_iter().map(u32::from).collect();
    if let [single] = divisor {
        let mut carry = 0u32;
        for (digit, out) in rest.iter().zip(&mut quotient) {
            let current = carry * BASE + digit;
            *out = (current / u32::from(*single)) as u16;
            carry = current % u32::from(*single);
        }
        return quotient;
    }
    // Knuth's algorithm D: scaling makes the first divisor digit at least half the base, so that an estimate from the
    // leading digits is at most two too large.
    let factor = BASE / (u32::from(divisor[0]) + 1);
    let scaled = |run: &[u32]| {
        let mut carry = 0;
        let mut out = vec![0u32; run.len()];
        for (digit, out) in run.iter().zip(&mut out).rev() {
            let product = digit * factor + carry;
            *out = product % BASE;
            carry = product / BASE;
        }
        (out, carry)
    };
    let wide: Vec<u32> = divisor.iter().copied().map(u32::from).collect();
    let (divisor, _) = scaled(&wide);
    let (scaled_rest, carry) = scaled(&rest);
    rest = scaled_rest;
    rest.insert(0, carry);
    let length = divisor.len();
    let (first, second) = (u64::from(divisor[0]), u64::from(divisor[1]));
    let base = u64::from(BASE);
    for at in 0..(rest.len() - 1).saturating_sub(length - 1) {
        let head = u64::from(rest[at]) * base + u64::from(rest[at + 1]);
        let mut guess = (head / first).min(base - 1);
        let mut left = head - guess * first;
        while left < base && guess * second > left * base + u64::from(rest[at + 2]) {
            guess -= 1;
            left += first;
        }
        let mut borrow = 0i64;
        for (offset, digit) in divisor.iter().enumerate().rev() {
            let value = i64::from(rest[at + offset + 1]) - (guess * u64::from(*digit)) as i64 - borrow;
            rest[at + offset + 1] = value.rem_euclid(base as i64) as u32;
            borrow = -value.div_euclid(base as i64);
        }
        let top = i64::from(rest[at]) - borrow;
        if top < 0 {
            guess -= 1;
            let mut carry = 0;
            for (offset, digit) in divisor.iter().enumerate().rev() {
                let sum = rest[at + offset + 1] + digit + carry;
                rest[at + offset + 1] = sum % BASE;
                carry = sum / BASE;
            }
        }
        rest[at] = 0;
        quotient[at + length - 1] = guess as u16;
    }
    quotient
}

use Numeric::{Finite, Infinity, NaN, NegativeInfinity};

impl Numeric {
    fn sign(&self) -> i32 {
        match self {
            NaN => 0,
            Infinity => 1,
            NegativeInfinity => -1,
            Finite(value) if value.is_zero() => 0,
            Finite(value) => {
                if value.negative {
                    -1
                } else {
                    1
                }
            }
        }
    }

    fn infinite(sign: i32) -> Self {
        match sign {
            0 => NaN,
            1.. => Infinity,
            _ => NegativeInfinity,
        }
    }

    /// `-self`.
    pub fn negate(&self) -> Self {
        match self {
            NaN => NaN,
            Infinity => NegativeInfinity,
            NegativeInfinity => Infinity,
            Finite(value) => Finite(value.negated()),
        }
    }

    /// `|self|`.
    pub fn absolute(&self) -> Self {
        if self.sign() < 0 { self.negate() } else { self.clone() }
    }

    /// -1, 0, 1 or NaN.
    pub fn signum(&self) -> Self {
        if *self == NaN { NaN } else { Self::from(i64::from(self.sign())) }
    }

    /// `self + other`.
    ///
    /// # Errors
    /// 22003 beyond the limits of the type; so for all arithmetic here.
    pub fn add(&self, other: &Self) -> Result<Self, SqlError> {
        Ok(match (self, other) {
            (Finite(a), Finite(b)) => Finite(a.add(b).checked()?),
            (NaN, _) | (_, NaN) | (Infinity, NegativeInfinity) | (NegativeInfinity, Infinity) => NaN,
            (infinite @ (Infinity | NegativeInfinity), _) | (_, infinite) => infinite.clone(),
        })
    }

    /// `self - other`.
    ///
    /// # Errors
    /// As [`Self::add`].
    pub fn subtract(&self, other: &Self) -> Result<Self, SqlError> {
        self.add(&other.negate())
    }

    /// `self * other`.
    ///
    /// # Errors
    /// As [`Self::add`].
    pub fn multiply(&self, other: &Self) -> Result<Self, SqlError> {
        Ok(match (self, other) {
            (Finite(a), Finite(b)) => {
                let product = a.multiply(b);
                let scale = product.scale;
                let product = if scale > SCALE_MAX { product.to_scale(SCALE_MAX, false) } else { product };
                Finite(product.checked()?)
            }
            (NaN, _) | (_, NaN) => NaN,
            _ => Self::infinite(self.sign() * other.sign()),
        })
    }

    /// `self / other`.
    ///
    /// # Errors
    /// 22012 for a zero divisor.
    pub fn divide(&self, other: &Self) -> Result<Self, SqlError> {
        Ok(match (self, other) {
            (NaN, _) | (_, NaN) => NaN,
            (Infinity | NegativeInfinity, Infinity | NegativeInfinity) => NaN,
            (_, Finite(b)) if b.is_zero() => return Err(division_by_zero()),
            (Finite(a), Finite(b)) => Finite(a.divide_to_scale(b, a.quotient_scale(b)).checked()?),
            (Infinity | NegativeInfinity, Finite(_)) => Self::infinite(self.sign() * other.sign()),
            (Finite(_), Infinity | NegativeInfinity) => Self::zero(),
        })
    }

    /// The quotient cut to an integer (`div`).
    ///
    /// # Errors
    /// 22012 for a zero divisor.
    pub fn divide_whole(&self, other: &Self) -> Result<Self, SqlError> {
        match (self, other) {
            (Finite(a), Finite(b)) if !b.is_zero() => Ok(Finite(a.quotient(b, 0).checked()?)),
            _ => self.divide(other),
        }
    }

    /// The remainder with the sign of the dividend (`%`).
    ///
    /// # Errors
    /// 22012 for a zero divisor.
    pub fn remainder(&self, other: &Self) -> Result<Self, SqlError> {
        Ok(match (self, other) {
            (NaN, _) | (_, NaN) => NaN,
            (_, Finite(b)) if b.is_zero() => return Err(division_by_zero()),
            (Finite(a), Finite(b)) => Finite(a.remainder(b)),
            (Infinity | NegativeInfinity, _) => NaN,
            (Finite(a), Infinity | NegativeInfinity) => Finite(a.clone()),
        })
    }

    /// Rounds half away from zero; a negative scale rounds before the point.
    pub fn round(&self, scale: i32) -> Self {
        self.map(|value| value.to_scale(scale.clamp(-SCALE_MAX * 10, SCALE_MAX), false))
    }

    /// Cuts digits behind `scale`.
    pub fn truncate(&self, scale: i32) -> Self {
        self.map(|value| value.to_scale(scale.clamp(-SCALE_MAX * 10, SCALE_MAX), true))
    }

    /// The nearest integer not below.
    pub fn ceiling(&self) -> Self {
        self.negate().floor().negate()
    }

    /// The nearest integer not above.
    pub fn floor(&self) -> Self {
        self.map(|value| {
            let cut = value.to_scale(0, true);
            let one = Decimal { negative: true, weight: 0, digits: vec![1], scale: 0 };
            if value.negative && value.compare(&cut).is_lt() { cut.add(&one) } else { cut }
        })
    }

    fn map(&self, f: impl Fn(&Decimal) -> Decimal) -> Self {
        match self {
            Finite(value) => Finite(f(value)),
            NaN | Infinity | NegativeInfinity => self.clone(),
        }
    }
}
