//! Roots of `numeric`, to the number of digits that PostgreSQL shows.

use super::{Decimal, Numeric, RESULT_SCALE_MAX, SIGNIFICANT_DIGITS_MIN};
use crate::error::SqlError;

/// Digits beyond those shown that decide the last one.
const GUARD_DIGITS: i32 = 8;

impl Decimal {
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
        let weight = exponent.div_euclid(super::GROUP);
        let digit = 10u16.pow(exponent.rem_euclid(super::GROUP) as u32);
        Self { negative: false, weight, digits: vec![digit], scale: (-exponent).max(0) }
    }
}

impl Numeric {
    /// The square root, with at least 16 significant digits.
    ///
    /// # Errors
    /// 2201F for negative values.
    pub fn square_root(&self) -> Result<Self, SqlError> {
        let negative = || SqlError::new("2201F", "cannot take square root of a negative number");
        match self {
            Self::NaN => Ok(Self::NaN),
            Self::Infinity => Ok(Self::Infinity),
            Self::NegativeInfinity => Err(negative()),
            Self::Finite(value) if value.negative => Err(negative()),
            Self::Finite(value) => {
                let whole_digits = value.weight * super::GROUP / 2 + 1;
                let scale = (SIGNIFICANT_DIGITS_MIN - whole_digits).max(value.scale).clamp(0, RESULT_SCALE_MAX);
                Ok(Self::Finite(value.square_root(scale)))
            }
        }
    }
}
