//! Sum, difference, product, quotient, remainder and rounding of numbers.

use std::cmp::Ordering;

use super::wide::Wide;
use super::{COEFFICIENT_LIMIT, DIGITS_MAX, Number, digits};

/// Beyond this distance of weights the smaller operand of a sum is less than half a unit of the last digit.
const ALIGNMENT_MAX: i32 = 36;

impl Number {
    /// The sum, rounded to 34 digits.
    pub fn plus(self, other: Self) -> Option<Self> {
        let decimal = self.decimal || other.decimal;
        if self.is_zero() || other.is_zero() {
            let rest = if self.is_zero() { other } else { self };
            return Some(Self { decimal: decimal || rest.decimal, ..rest });
        }
        let (upper, lower) = if self.exponent >= other.exponent { (self, other) } else { (other, self) };
        let gap = upper.exponent - lower.exponent;
        if let Some(sum) = sum_in_one_word(upper, lower, gap) {
            return Self::new(sum, lower.exponent, decimal);
        }
        let distance = self.adjusted_exponent() - other.adjusted_exponent();
        if distance.abs() > ALIGNMENT_MAX {
            let larger = if distance > 0 { self } else { other };
            return Some(Self { decimal: decimal || larger.decimal, ..larger });
        }
        Self::sum_of_aligned(upper, lower, gap.unsigned_abs(), decimal)
    }

    /// The sum of two numbers whose weights are near enough for 256 bits.
    fn sum_of_aligned(upper: Self, lower: Self, gap: u32, decimal: bool) -> Option<Self> {
        let a = Wide::scaled(upper.coefficient.unsigned_abs(), gap);
        let b = Wide::from(lower.coefficient.unsigned_abs());
        if upper.is_negative() == lower.is_negative() {
            return Self::from_wide(upper.is_negative(), a.plus(b), lower.exponent, false, decimal);
        }
        match a.compare(b) {
            Ordering::Less => {
                Self::from_wide(lower.is_negative(), b.minus(a), lower.exponent, false, decimal)
            }
            _ => Self::from_wide(upper.is_negative(), a.minus(b), lower.exponent, false, decimal),
        }
    }

    /// The difference, rounded to 34 digits.
    pub fn minus(self, other: Self) -> Option<Self> {
        self.plus(other.negated())
    }

    /// The product, rounded to 34 digits.
    pub fn times(self, other: Self) -> Option<Self> {
        let decimal = self.decimal || other.decimal;
        let exponent = self.exponent.checked_add(other.exponent)?;
        if let Some(product) = self.coefficient.checked_mul(other.coefficient) {
            return Self::new(product, exponent, decimal);
        }
        let wide = Wide::product(self.coefficient.unsigned_abs(), other.coefficient.unsigned_abs());
        Self::from_wide(self.is_negative() != other.is_negative(), wide, exponent, false, decimal)
    }

    /// The quotient, rounded to 34 digits: an Int when it is whole and both operands are, else a Decimal. `None` for a
    /// zero divisor.
    pub fn divided_by(self, other: Self) -> Option<Self> {
        if other.is_zero() {
            return None;
        }
        let decimal = self.decimal || other.decimal;
        let (a, b) = (self.coefficient.unsigned_abs(), other.coefficient.unsigned_abs());
        let negative = self.is_negative() != other.is_negative();
        if self.exponent == other.exponent && a % b == 0 {
            let quotient = i128::try_from(a / b).ok()?;
            return Self::new(if negative { -quotient } else { quotient }, 0, decimal);
        }
        // Two digits more than are kept, so that what remains never decides more than the last rounding.
        let power = (DIGITS_MAX + 2 + digits(b)).saturating_sub(digits(a));
        let (quotient, remains) = Wide::scaled(a, power).divided(b);
        let exponent = self.exponent.checked_sub(other.exponent)?.checked_sub(i32::try_from(power).ok()?)?;
        let rounded = Self::from_wide(negative, quotient, exponent, remains, decimal)?;
        Some(Self { decimal: decimal || !rounded.is_whole(), ..rounded })
    }

    /// What remains of a division that truncates: it has the sign of `self`. `None` for a zero divisor.
    pub fn remainder(self, other: Self) -> Option<Self> {
        if other.is_zero() {
            return None;
        }
        let decimal = self.decimal || other.decimal;
        let unchanged = Some(Self { decimal: decimal || self.decimal, ..self });
        let (mut a, b) = (self.coefficient.unsigned_abs(), other.coefficient.unsigned_abs());
        let (modulus, exponent) = if self.exponent >= other.exponent {
            // Both exponents lie within ±1033, so this is at most some two thousand cheap steps.
            for _ in other.exponent..self.exponent {
                a = a % b * 10;
            }
            (b, other.exponent)
        } else {
            let gap = self.exponent.abs_diff(other.exponent);
            match 10u128.checked_pow(gap).and_then(|power| b.checked_mul(power)) {
                Some(scaled) => (scaled, self.exponent),
                None => return unchanged,
            }
        };
        let magnitude = i128::try_from(a % modulus).ok()?;
        Self::new(if self.is_negative() { -magnitude } else { magnitude }, exponent, decimal)
    }

    /// The number with the other sign.
    #[must_use]
    pub fn negated(self) -> Self {
        Self { coefficient: -self.coefficient, ..self }
    }

    /// The magnitude.
    #[must_use]
    pub fn abs(self) -> Self {
        Self { coefficient: self.coefficient.abs(), ..self }
    }

    /// The largest whole number that is not above.
    #[must_use]
    pub fn floor(self) -> Self {
        self.whole(|quotient, remainder| if remainder < 0 { quotient - 1 } else { quotient })
    }

    /// The smallest whole number that is not below.
    #[must_use]
    pub fn ceiling(self) -> Self {
        self.whole(|quotient, remainder| if remainder > 0 { quotient + 1 } else { quotient })
    }

    /// The nearest whole number, halves away from zero.
    #[must_use]
    pub fn round(self) -> Self {
        let places = self.exponent.min(0).unsigned_abs();
        // With more places than an `i128` has digits the number is far below a half.
        let tenth = places.checked_sub(1).and_then(|places| 10i128.checked_pow(places));
        self.whole(|quotient, remainder| match tenth {
            Some(tenth) if remainder.abs() / 5 >= tenth => quotient + self.coefficient.signum(),
            _ => quotient,
        })
    }

    /// The number without the decimal places beyond `places`.
    #[must_use]
    pub fn truncated(self, places: u32) -> Self {
        let surplus = self.exponent.saturating_add_unsigned(places);
        if surplus >= 0 {
            return self;
        }
        match 10i128.checked_pow(surplus.unsigned_abs()) {
            Some(power) => Self::canonical(self.coefficient / power, -(places as i32), self.decimal),
            None => None,
        }
        .unwrap_or(Self { decimal: self.decimal, ..Self::ZERO })
    }

    /// Takes the fraction off and lets `adjust` correct the whole part by looking at what was taken.
    fn whole(self, adjust: impl Fn(i128, i128) -> i128) -> Self {
        if self.exponent >= 0 {
            return self.as_int_if_whole();
        }
        let (quotient, remainder) = match 10i128.checked_pow(self.exponent.unsigned_abs()) {
            Some(power) => (self.coefficient / power, self.coefficient % power),
            None => (0, self.coefficient),
        };
        Self::canonical(adjust(quotient, remainder), 0, false).unwrap_or(Self::ZERO)
    }
}

/// The aligned sum when it can be had without leaving `i128`.
fn sum_in_one_word(upper: Number, lower: Number, gap: i32) -> Option<i128> {
    let power = 10i128.checked_pow(u32::try_from(gap).ok()?)?;
    let aligned = upper.coefficient.checked_mul(power)?;
    let sum = aligned.checked_add(lower.coefficient)?;
    (sum.unsigned_abs() < COEFFICIENT_LIMIT.unsigned_abs()).then_some(sum)
}
