//! Magnitudes of 256 bits: enough for the product of two coefficients of 34 digits, or a sum aligned over 36 places.
//!
//! Knows unsigned whole numbers only.

use std::cmp::Ordering;

/// Limbs of 64 bits, the least significant first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wide([u64; 4]);

/// The largest power of ten in one limb.
const LIMB_DIGITS: u32 = 19;

impl From<u128> for Wide {
    fn from(value: u128) -> Self {
        Self([low(value), high(value), 0, 0])
    }
}

fn low(value: u128) -> u64 {
    (value & u128::from(u64::MAX)) as u64
}

fn high(value: u128) -> u64 {
    (value >> 64) as u64
}

impl Wide {
    const ZERO: Self = Self([0; 4]);

    /// The product of two magnitudes; every product of two `u128` fits.
    pub(super) fn product(left: u128, right: u128) -> Self {
        let mut limbs = [0u64; 4];
        for (i, a) in [low(left), high(left)].into_iter().enumerate() {
            let mut carry = 0u128;
            for (j, b) in [low(right), high(right)].into_iter().enumerate() {
                let sum = u128::from(limbs[i + j]) + u128::from(a) * u128::from(b) + carry;
                limbs[i + j] = low(sum);
                carry = sum >> 64;
            }
            limbs[i + 2] = low(carry);
        }
        Self(limbs)
    }

    /// `value` × 10^`power`. Callers keep the product below 10^77, which always fits.
    pub(super) fn scaled(value: u128, power: u32) -> Self {
        let first = power.min(38);
        let mut wide = Self::product(value, 10u128.pow(first));
        for _ in first..power {
            wide = wide.times_ten();
        }
        wide
    }

    fn times_ten(self) -> Self {
        let mut carry = 0u128;
        Self(self.0.map(|limb| {
            let sum = u128::from(limb) * 10 + carry;
            carry = sum >> 64;
            low(sum)
        }))
    }

    /// The sum, which callers keep below 10^77.
    pub(super) fn plus(self, other: Self) -> Self {
        let mut carry = 0u128;
        let mut limbs = [0u64; 4];
        for (limb, (a, b)) in limbs.iter_mut().zip(self.0.into_iter().zip(other.0)) {
            let sum = u128::from(a) + u128::from(b) + carry;
            *limb = low(sum);
            carry = sum >> 64;
        }
        Self(limbs)
    }

    /// The difference; `other` must not be the larger.
    pub(super) fn minus(self, other: Self) -> Self {
        let mut borrow = false;
        let mut limbs = [0u64; 4];
        for (limb, (a, b)) in limbs.iter_mut().zip(self.0.into_iter().zip(other.0)) {
            let (difference, first) = a.overflowing_sub(b);
            let (difference, second) = difference.overflowing_sub(u64::from(borrow));
            *limb = difference;
            borrow = first || second;
        }
        Self(limbs)
    }

    pub(super) fn compare(self, other: Self) -> Ordering {
        self.0.iter().rev().cmp(other.0.iter().rev())
    }

    fn to_u128(self) -> Option<u128> {
        let [a, b, c, d] = self.0;
        (c == 0 && d == 0).then(|| u128::from(b) << 64 | u128::from(a))
    }

    /// Quotient and remainder by one limb; a zero divisor leaves the number as it is.
    fn divided_by_limb(self, divisor: u64) -> (Self, u64) {
        if divisor == 0 {
            return (self, 0);
        }
        let mut remainder = 0u128;
        let mut limbs = [0u64; 4];
        for (quotient, limb) in limbs.iter_mut().zip(self.0).rev() {
            let part = remainder << 64 | u128::from(limb);
            *quotient = low(part / u128::from(divisor));
            remainder = part % u128::from(divisor);
        }
        (Self(limbs), low(remainder))
    }

    /// Quotient and whether something remained.
    pub(super) fn divided(self, divisor: u128) -> (Self, bool) {
        if let Ok(limb) = u64::try_from(divisor) {
            let (quotient, remainder) = self.divided_by_limb(limb);
            return (quotient, remainder != 0);
        }
        // Long division bit by bit. The divisor has at most 34 digits, so the remainder never leaves `u128`.
        let mut quotient = Self::ZERO;
        let mut remainder = 0u128;
        for bit in (0..256).rev() {
            remainder = remainder << 1 | u128::from(self.0[bit / 64] >> (bit % 64) & 1);
            if remainder >= divisor {
                remainder -= divisor;
                quotient.0[bit / 64] |= 1 << (bit % 64);
            }
        }
        (quotient, remainder != 0)
    }

    /// How many decimal digits the number has; zero has one.
    fn digits(self) -> u32 {
        match self.to_u128() {
            Some(small) => super::digits(small),
            None => LIMB_DIGITS + self.divided_by_limb(10u64.pow(LIMB_DIGITS)).0.digits(),
        }
    }

    /// Cuts the number to `digits_max` digits, rounding half to even, and says how many digits went.
    ///
    /// `sticky`: digits other than zero were cut off below this number already.
    pub(super) fn round_to_digits(self, digits_max: u32, sticky: bool) -> (u128, u32) {
        let excess = self.digits().saturating_sub(digits_max);
        if excess == 0 {
            // What was cut below is less than half a unit, because callers leave a guard digit when they cut.
            return (self.to_u128().unwrap_or(u128::MAX), 0);
        }
        let mut number = self;
        let mut sticky = sticky;
        let mut left = excess - 1;
        while left > 0 {
            let step = left.min(LIMB_DIGITS);
            let (quotient, remainder) = number.divided_by_limb(10u64.pow(step));
            sticky |= remainder != 0;
            number = quotient;
            left -= step;
        }
        let (quotient, last) = number.divided_by_limb(10);
        let kept = quotient.to_u128().unwrap_or(u128::MAX);
        let up = last > 5 || last == 5 && (sticky || kept % 2 == 1);
        // Rounding 99…9 up gives 10^34: one digit more, which ends in zeros and is shortened by the caller.
        (kept.saturating_add(u128::from(up)), excess)
    }
}
