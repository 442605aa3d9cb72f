//! Numbers of JSON by their value, exactly: 300, 300.0 and 3.0e2 are one number, and no digit is lost to binary fractions.

use std::cmp::Ordering;
use std::fmt;

/// Exponents beyond this are taken for it; no two numbers that anybody sends differ by that.
const EXPONENT_MAX: i64 = 1 << 40;

/// ± 0.DIGITS × 10^exponent, the first and the last digit no zeros. Zero has no digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Number {
    is_negative: bool,
    exponent: i64,
    digits: Box<[u8]>,
}

impl Number {
    /// The value of a number as JSON writes it.
    pub(crate) fn of(written: &str) -> Self {
        let (is_negative, unsigned) = match written.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, written),
        };
        let (mantissa, power) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = || whole.bytes().chain(fraction.bytes());
        let leading = digits().take_while(|digit| *digit == b'0').count();
        let mut significant: Vec<u8> = digits().skip(leading).collect();
        significant.truncate(significant.iter().rposition(|digit| *digit != b'0').map_or(0, |last| last + 1));
        if significant.is_empty() {
            return Self { is_negative: false, exponent: 0, digits: Box::default() };
        }
        let power = power.parse::<i64>().unwrap_or(if power.starts_with('-') { i64::MIN } else { i64::MAX });
        let power = power.clamp(-EXPONENT_MAX, EXPONENT_MAX);
        // Both lengths are lengths of texts in memory, far below 2^62.
        let exponent = power + whole.len() as i64 - leading as i64;
        Self { is_negative, exponent, digits: significant.into() }
    }

    /// How many digits there are.
    pub(crate) fn digits(&self) -> usize {
        self.digits.len()
    }

    /// Compares magnitudes.
    fn magnitude(&self, other: &Self) -> Ordering {
        match (self.digits.is_empty(), other.digits.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) => self.exponent.cmp(&other.exponent).then_with(|| self.digits.cmp(&other.digits)),
        }
    }
}

/// Plainly where that is short, else with an exponent.
impl fmt::Display for Number {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits: String = self.digits.iter().map(|digit| char::from(*digit)).collect();
        let sign = if self.is_negative { "-" } else { "" };
        match usize::try_from(self.exponent) {
            _ if digits.is_empty() => formatter.write_str("0"),
            Ok(0) => write!(formatter, "{sign}0.{digits}"),
            Ok(whole) if whole < digits.len() => {
                write!(formatter, "{sign}{}.{}", &digits[..whole], &digits[whole..])
            }
            Ok(whole) if whole <= 21 => {
                write!(formatter, "{sign}{digits}{}", "0".repeat(whole - digits.len()))
            }
            _ => write!(formatter, "{sign}0.{digits}e{}", self.exponent),
        }
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.is_negative, other.is_negative) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, false) => self.magnitude(other),
            (true, true) => other.magnitude(self),
        }
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_are_equal_by_value() {
        for group in [
            &["300", "300.0", "3.0e2", "3E+2", "0.3e3", "30000e-2"][..],
            &["0", "-0", "0.000", "0e99999999999999999999"],
            &["0.1", "1e-1", "0.10"],
            &["-12.5", "-1.25e1"],
        ] {
            for written in group {
                assert_eq!(Number::of(written), Number::of(group[0]), "`{written}`");
            }
        }
        assert_ne!(Number::of("9007199254740993"), Number::of("9007199254740992"), "beyond 53 bits");
        assert_ne!(Number::of("0.1"), Number::of("0.1000000000000000055511151231257827"));
    }

    #[test]
    fn numbers_are_ordered_by_value() {
        let ordered = [
            "-1e99999999999999999999",
            "-301",
            "-300.5",
            "-300",
            "-0.001",
            "0",
            "1e-99",
            "0.1",
            "0.11",
            "0.9",
            "1",
            "9",
            "10",
            "10.0000000000000000001",
            "1e30",
        ];
        for pair in ordered.windows(2) {
            assert!(Number::of(pair[0]) < Number::of(pair[1]), "`{}` < `{}`", pair[0], pair[1]);
        }
    }

    proptest! {
        #[test]
        fn order_is_that_of_integers(left in any::<i64>(), right in any::<i64>(), shift in -9_i32..9) {
            let number = |value: i64| Number::of(&format!("{value}e{shift}"));
            prop_assert_eq!(number(left).cmp(&number(right)), left.cmp(&right));
        }

        #[test]
        fn order_is_that_of_fractions(left in -1e9..1e9_f64, right in -1e9..1e9_f64) {
            let number = |value: f64| Number::of(&format!("{value}"));
            prop_assert_eq!(number(left).partial_cmp(&number(right)), left.partial_cmp(&right));
        }
    }
}
