//! Arithmetic compared with a library of decimals without limits, whose exact results are rounded to 34 digits.

use std::num::NonZeroU64;

use bigdecimal::rounding::RoundingMode;
use bigdecimal::{BigDecimal, Zero};
use proptest::prelude::*;

use super::super::{DIGITS_MAX, EXPONENT_MAX, Number};

/// Numbers of all sizes, with many that are near a tie or a power of ten.
fn decimal() -> impl Strategy<Value = String> {
    let digits = prop_oneof!["[1-9][0-9]{0,33}", "[1-9]0{0,30}[0-9]", "9{1,34}", "[1-9][0-9]{0,15}5", "0"];
    (any::<bool>(), digits, prop_oneof![-40i32..40, -990i32..960]).prop_map(|(negative, digits, exponent)| {
        format!("{}{digits}e{exponent}", if negative { "-" } else { "" })
    })
}

fn ours(text: &str) -> Number {
    Number::parse_json(text).expect("the strategy stays in range")
}

fn exact(text: &str) -> BigDecimal {
    text.parse().expect("the strategy makes decimals")
}

/// What the exact result is as a number of the SQL; `None` when it is out of range.
fn rounded(exact: &BigDecimal) -> Option<Number> {
    let digits = NonZeroU64::new(u64::from(DIGITS_MAX)).expect("34 is not 0");
    let rounded = exact.with_precision_round(digits, RoundingMode::HalfEven);
    let (coefficient, scale) = rounded.normalized().into_bigint_and_exponent();
    let written = coefficient.to_string();
    let adjusted = written.trim_start_matches('-').len() as i64 - 1 - scale;
    if adjusted > i64::from(EXPONENT_MAX) {
        return None;
    }
    if adjusted < -i64::from(EXPONENT_MAX) {
        return Some(Number::ZERO);
    }
    Number::parse_json(&format!("{written}e{}", -scale))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn sums_differences_and_products_are_those_of_exact_arithmetic(a in decimal(), b in decimal()) {
        let (x, y) = (exact(&a), exact(&b));
        prop_assert_eq!(ours(&a).plus(ours(&b)), rounded(&(&x + &y)), "{} + {}", a, b);
        prop_assert_eq!(ours(&a).minus(ours(&b)), rounded(&(&x - &y)), "{} - {}", a, b);
        prop_assert_eq!(ours(&a).times(ours(&b)), rounded(&(&x * &y)), "{} * {}", a, b);
        prop_assert_eq!(ours(&a).cmp(&ours(&b)), x.cmp(&y), "{} and {}", a, b);
    }

    /// The library divides to 100 digits, far beyond what can decide a tie between numbers of 34.
    #[test]
    fn quotients_are_those_of_exact_arithmetic(a in decimal(), b in decimal()) {
        let (x, y) = (exact(&a), exact(&b));
        let expected = if y.is_zero() { None } else { rounded(&(&x / &y)) };
        prop_assert_eq!(ours(&a).divided_by(ours(&b)), expected, "{} / {}", a, b);
    }

    #[test]
    fn remainders_are_those_of_exact_arithmetic(a in decimal(), b in decimal()) {
        let (x, y) = (exact(&a), exact(&b));
        let expected = if y.is_zero() { None } else { rounded(&(&x % &y)) };
        prop_assert_eq!(ours(&a).remainder(ours(&b)), expected, "{} % {}", a, b);
    }

    #[test]
    fn reading_rounds_as_exact_arithmetic(text in "-?[0-9]{1,60}(\\.[0-9]{1,60})?(e-?[0-9]{1,3})?") {
        prop_assert_eq!(Number::parse_json(&text), rounded(&exact(&text)), "{}", text);
    }
}
