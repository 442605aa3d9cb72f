//! The numbers of the SQL: exact decimals of up to 34 significant digits, as AWS IoT has them.
//!
//! Knows arithmetic, parsing and printing; must not know values, messages or SQL. Nothing here panics: a result out of
//! range is `None`, which the evaluator turns into Undefined.

mod arithmetic;
mod bits;
mod text;
mod wide;

#[cfg(test)]
mod tests;

use std::cmp::Ordering;

use wide::Wide;

/// The most significant digits a number keeps; further digits are rounded half to even.
pub(crate) const DIGITS_MAX: u32 = 34;

/// The largest decimal exponent of a number in scientific form: 9.99…E999.
pub(crate) const EXPONENT_MAX: i32 = 999;

/// One more than the largest coefficient: 10^34.
const COEFFICIENT_LIMIT: i128 = 10i128.pow(DIGITS_MAX);

/// An exact decimal number: `coefficient` × 10^`exponent`.
///
/// Kept in one form per value: the coefficient doesn't end in zero unless the number is zero, whose exponent is zero.
#[derive(Debug, Clone, Copy)]
pub struct Number {
    coefficient: i128,
    exponent: i32,
    /// Whether it is a Decimal rather than an Int. Only printing under SQL version 2015-10-08 sees the difference
    /// between 10 and 10.0.
    decimal: bool,
}

impl Number {
    /// Zero, as an Int.
    pub const ZERO: Self = Self { coefficient: 0, exponent: 0, decimal: false };

    /// The number `coefficient` × 10^`exponent`, rounded to 34 digits; `None` when its magnitude is out of range.
    ///
    /// Magnitudes below 1E-999 become zero.
    pub fn new(coefficient: i128, exponent: i32, decimal: bool) -> Option<Self> {
        if coefficient.unsigned_abs() < COEFFICIENT_LIMIT.unsigned_abs() {
            return Self::canonical(coefficient, exponent, decimal);
        }
        let wide = Wide::from(coefficient.unsigned_abs());
        Self::from_wide(coefficient < 0, wide, exponent, false, decimal)
    }

    /// Brings a coefficient of at most 34 digits into the one form.
    fn canonical(mut coefficient: i128, mut exponent: i32, decimal: bool) -> Option<Self> {
        if coefficient == 0 {
            return Some(Self { coefficient: 0, exponent: 0, decimal });
        }
        // Most coefficients fit a machine word, where the division is many times faster.
        if let Ok(mut small) = i64::try_from(coefficient) {
            while small % 10 == 0 {
                small /= 10;
                exponent = exponent.saturating_add(1);
            }
            coefficient = i128::from(small);
        } else {
            while coefficient % 10 == 0 {
                coefficient /= 10;
                exponent = exponent.saturating_add(1);
            }
        }
        let number = Self { coefficient, exponent, decimal };
        let adjusted = number.adjusted_exponent();
        if adjusted > EXPONENT_MAX {
            return None;
        }
        if adjusted < -EXPONENT_MAX {
            return Some(Self { coefficient: 0, exponent: 0, decimal });
        }
        // An Int has at most 34 digits; a longer whole number can only be a Decimal.
        let decimal = decimal || exponent < 0 || adjusted >= DIGITS_MAX as i32;
        Some(Self { decimal, ..number })
    }

    /// Rounds a magnitude of any width to 34 digits; `sticky` says that digits other than zero were cut off before.
    fn from_wide(negative: bool, wide: Wide, exponent: i32, sticky: bool, decimal: bool) -> Option<Self> {
        let (magnitude, dropped) = wide.round_to_digits(DIGITS_MAX, sticky);
        let coefficient = i128::try_from(magnitude).ok()?;
        let exponent = exponent.checked_add(i32::try_from(dropped).ok()?)?;
        Self::canonical(if negative { -coefficient } else { coefficient }, exponent, decimal)
    }

    /// The exponent the number has when written with one digit before the point.
    fn adjusted_exponent(self) -> i32 {
        self.exponent.saturating_add(digits(self.coefficient.unsigned_abs()) as i32 - 1)
    }

    /// Whether the number has no fraction.
    pub fn is_whole(self) -> bool {
        self.exponent >= 0
    }

    /// Whether the number is a Decimal under SQL version 2015-10-08, where 10.0 is not an Int.
    pub fn is_decimal(self) -> bool {
        self.decimal
    }

    /// Whether the number is zero.
    pub fn is_zero(self) -> bool {
        self.coefficient == 0
    }

    /// Whether the number is below zero.
    pub fn is_negative(self) -> bool {
        self.coefficient < 0
    }

    /// The same value as a Decimal.
    #[must_use]
    pub fn as_decimal(self) -> Self {
        Self { decimal: true, ..self }
    }

    /// The same value, an Int if it is whole.
    #[must_use]
    pub fn as_int_if_whole(self) -> Self {
        let fits = self.exponent >= 0 && self.adjusted_exponent() < DIGITS_MAX as i32;
        Self { decimal: self.decimal && !fits, ..self }
    }

    /// The whole number as `i64`; `None` when it has a fraction or doesn't fit.
    pub fn to_i64(self) -> Option<i64> {
        if self.exponent < 0 || self.exponent > 18 {
            return None;
        }
        let value = self.coefficient.checked_mul(10i128.pow(self.exponent.unsigned_abs()))?;
        i64::try_from(value).ok()
    }
}

impl From<i64> for Number {
    fn from(value: i64) -> Self {
        // Nineteen digits are always in range.
        Self::canonical(i128::from(value), 0, false).unwrap_or(Self::ZERO)
    }
}

impl PartialEq for Number {
    /// Equality by value: 10 equals 10.0.
    fn eq(&self, other: &Self) -> bool {
        self.coefficient == other.coefficient && self.exponent == other.exponent
    }
}

impl Eq for Number {}

impl std::hash::Hash for Number {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.coefficient.hash(state);
        self.exponent.hash(state);
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        let signs = self.coefficient.signum().cmp(&other.coefficient.signum());
        if signs != Ordering::Equal || self.coefficient == 0 {
            return signs;
        }
        if self.exponent == other.exponent {
            return self.coefficient.cmp(&other.coefficient);
        }
        if let Some(order) = compare_small(*self, *other) {
            return order;
        }
        let magnitudes = self
            .adjusted_exponent()
            .cmp(&other.adjusted_exponent())
            .then_with(|| compare_aligned(*self, *other));
        if self.coefficient < 0 { magnitudes.reverse() } else { magnitudes }
    }
}

/// Compares numbers of few digits and near exponents, which nearly all are, with one multiplication.
fn compare_small(left: Number, right: Number) -> Option<Ordering> {
    let fits = |number: Number| i64::try_from(number.coefficient).ok();
    let (a, b) = (i128::from(fits(left)?), i128::from(fits(right)?));
    let power = |exponent: u32| SMALL_POWERS.get(exponent as usize).copied();
    let gap = power(left.exponent.abs_diff(right.exponent))?;
    Some(if left.exponent > right.exponent { (a * gap).cmp(&b) } else { a.cmp(&(b * gap)) })
}

/// Powers of ten whose product with any `i64` fits an `i128`.
const SMALL_POWERS: [i128; 19] = {
    let mut powers = [1; 19];
    let mut at = 1;
    while at < powers.len() {
        powers[at] = powers[at - 1] * 10;
        at += 1;
    }
    powers
};

/// Compares the magnitudes of two numbers whose first digits have the same weight: as texts, the shorter filled up.
fn compare_aligned(left: Number, right: Number) -> Ordering {
    let (a, b) = (left.coefficient.unsigned_abs(), right.coefficient.unsigned_abs());
    // Same leading weight, so the exponents differ by at most 33 and the products have at most 34 digits.
    let gap = left.exponent.abs_diff(right.exponent).min(DIGITS_MAX);
    if left.exponent > right.exponent {
        a.saturating_mul(10u128.pow(gap)).cmp(&b)
    } else {
        a.cmp(&b.saturating_mul(10u128.pow(gap)))
    }
}

/// How many decimal digits a magnitude has; zero has one.
fn digits(magnitude: u128) -> u32 {
    magnitude.checked_ilog10().map_or(1, |log| log + 1)
}
