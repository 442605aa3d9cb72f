//! Conversions between numbers and the machine's floating point, for the functions AWS computes in double precision.

use super::Number;

impl Number {
    /// The nearest double.
    pub fn to_f64(self) -> f64 {
        // Reading the digits back is the one conversion that is exact for every exponent.
        format!("{}e{}", self.coefficient, self.exponent).parse().unwrap_or(f64::NAN)
    }

    /// The shortest decimal that reads back as this double; `None` for NaN, the infinities and what is out of range.
    pub fn from_f64(value: f64) -> Option<Self> {
        if !value.is_finite() {
            return None;
        }
        Self::parse_json(&format!("{value:e}")).map(Self::as_decimal)
    }
}

impl Number {
    /// What [`Number::new`] makes the same number of: coefficient, exponent, and whether it is a Decimal.
    pub(crate) fn parts(self) -> (i128, i32, bool) {
        (self.coefficient, self.exponent, self.decimal)
    }

    /// The number with at most `digits` significant digits, halves away from zero; with none, the power of ten at or
    /// below its magnitude.
    pub(crate) fn with_digits(self, digits: u32) -> Self {
        let surplus = super::digits(self.coefficient.unsigned_abs()).saturating_sub(digits.max(1));
        // A coefficient has at most 34 digits, so the power always fits.
        let power = 10i128.pow(surplus);
        let (whole, rest) = (self.coefficient / power, self.coefficient % power);
        let coefficient = match digits {
            0 => self.coefficient.signum(),
            _ if rest.abs() * 2 >= power && surplus > 0 => whole + self.coefficient.signum(),
            _ => whole,
        };
        let exponent = self.exponent.saturating_add(surplus as i32);
        // Only the largest number that there is can be rounded out of range.
        Self::canonical(coefficient, exponent, self.decimal).unwrap_or(self)
    }
}
