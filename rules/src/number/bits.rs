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
