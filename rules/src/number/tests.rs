use proptest::prelude::*;

use super::*;

mod oracle;

fn number(text: &str) -> Number {
    Number::parse_json(text).unwrap_or_else(|| panic!("`{text}` is a number"))
}

fn text(result: Option<Number>) -> String {
    result.map_or("out of range".to_owned(), |value| value.to_string())
}

#[test]
fn prints_the_way_aws_does() {
    for (written, printed) in [
        ("0", "0"),
        ("-0", "0"),
        ("10.0", "10"),
        ("81.30", "81.3"),
        ("-0.5", "-0.5"),
        ("1e3", "1000"),
        ("0.000001", "0.000001"),
        ("0.0000001", "1E-7"),
        ("-1.25e-9", "-1.25E-9"),
        ("1e34", "1E34"),
        ("9999999999999999999999999999999999", "9999999999999999999999999999999999"),
        ("1e33", "1000000000000000000000000000000000"),
        ("12345678901234567890.5", "12345678901234567890.5"),
        ("99999999999999999999999999999999995", "1E35"),
        ("1.00000000000000000000000000000000005", "1"),
        (
            "1.000000000000000000000000000000000500000000000000000000001",
            "1.000000000000000000000000000000001",
        ),
        ("1e-2000", "0"),
    ] {
        assert_eq!(number(written).to_string(), printed, "`{written}`");
    }
    assert_eq!(Number::parse_json("1e1000"), None);
}

#[test]
fn version_2015_keeps_the_point_of_whole_decimals() {
    let print = |text: &str| {
        let mut out = String::new();
        number(text).print(true, &mut out);
        out
    };
    assert_eq!(print("10.0"), "10.0");
    assert_eq!(print("10"), "10");
    assert_eq!(print("2.5"), "2.5");
}

#[test]
fn strings_convert_only_in_the_documented_shape() {
    for bad in ["", " 5", "+5", ".5", "5.", "0x5", "1E+3", "--5", "5 ", "1e", "1e-", "NaN", "٣"] {
        assert_eq!(Number::parse_sql(bad), None, "`{bad}`");
    }
    for good in ["5", "-5", "5.25", "5E-1", "1e3", "007"] {
        assert!(Number::parse_sql(good).is_some(), "`{good}`");
    }
}

#[test]
fn arithmetic_is_exact_to_34_digits() {
    assert_eq!(text(number("0.1").plus(number("0.2"))), "0.3");
    assert_eq!(text(number("1").divided_by(number("3"))), "0.3333333333333333333333333333333333");
    assert_eq!(text(number("2").divided_by(number("3"))), "0.6666666666666666666666666666666667");
    assert_eq!(text(number("7.5").divided_by(number("2.5"))), "3");
    assert_eq!(text(number("20").divided_by(number("5"))), "4");
    assert_eq!(
        text(number("43").times(number("5")).and_then(|n| n.divided_by(number("9")))),
        "23.88888888888888888888888888888889"
    );
    assert_eq!(text(number("1").plus(number("1e-50"))), "1");
    assert_eq!(text(number("1e999").times(number("10"))), "out of range");
    assert_eq!(text(number("9999999999999999999999999999999999").plus(number("1"))), "1E34");
    assert_eq!(text(number("1").divided_by(Number::ZERO)), "out of range");
    assert_eq!(text(number("17").remainder(number("5"))), "2");
    assert_eq!(text(number("-17.5").remainder(number("5"))), "-2.5");
    assert_eq!(text(number("1e999").remainder(number("7"))), "6");
    assert_eq!(text(number("1e-900").remainder(number("1e900"))), "1E-900");
}

#[test]
fn rounding_goes_where_the_documentation_says() {
    for (written, floor, ceiling, round) in [
        ("1.5", "1", "2", "2"),
        ("-1.5", "-2", "-1", "-2"),
        ("2.4", "2", "3", "2"),
        ("-0.4", "-1", "0", "0"),
        ("0.05", "0", "1", "0"),
        ("1e-900", "0", "1", "0"),
        ("7", "7", "7", "7"),
    ] {
        let value = number(written);
        assert_eq!(value.floor().to_string(), floor, "floor of {written}");
        assert_eq!(value.ceiling().to_string(), ceiling, "ceiling of {written}");
        assert_eq!(value.round().to_string(), round, "round of {written}");
    }
    assert_eq!(number("2.987").truncated(1).to_string(), "2.9");
    assert_eq!(number("-2.987").truncated(0).to_string(), "-2");
    assert_eq!(number("1e-900").truncated(3).to_string(), "0");
}

#[test]
fn digits_that_do_not_fit_are_reported() {
    assert!(Number::read("1234567890123456789012345678901234").is_some_and(|reading| reading.exact));
    assert!(Number::read("12345678901234567890123456789012345").is_some_and(|reading| !reading.exact));
    assert!(Number::read(&format!("1{}", "0".repeat(60))).is_some_and(|reading| reading.exact));
    assert!(Number::read("1e-2000").is_some_and(|reading| !reading.exact));
}

/// A whole number of any length as decimal digits, the least first: slow and plain, to compare with.
mod reference {
    pub(super) fn digits(text: &str) -> Vec<u8> {
        text.bytes().rev().map(|byte| byte - b'0').collect()
    }

    pub(super) fn sum(a: &[u8], b: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut carry = 0;
        for place in 0..a.len().max(b.len()) + 1 {
            let total = a.get(place).unwrap_or(&0) + b.get(place).unwrap_or(&0) + carry;
            out.push(total % 10);
            carry = total / 10;
        }
        out
    }

    pub(super) fn product(a: &[u8], b: &[u8]) -> Vec<u8> {
        let mut out = vec![0u32; a.len() + b.len() + 1];
        for (i, x) in a.iter().enumerate() {
            for (j, y) in b.iter().enumerate() {
                out[i + j] += u32::from(*x) * u32::from(*y);
            }
        }
        let mut carry = 0;
        out.into_iter()
            .map(|place| {
                let total = place + carry;
                carry = total / 10;
                (total % 10) as u8
            })
            .collect()
    }

    /// Rounds to 34 digits, half to even, and prints as `digits E exponent` without trailing zeros.
    pub(super) fn rounded(mut digits: Vec<u8>) -> String {
        while digits.len() > 1 && digits.last() == Some(&0) {
            digits.pop();
        }
        let excess = digits.len().saturating_sub(34);
        if excess > 0 {
            let cut: Vec<u8> = digits.drain(..excess).collect();
            let first = cut[excess - 1];
            let rest = cut[..excess - 1].iter().any(|digit| *digit != 0);
            if first > 5 || first == 5 && (rest || digits[0] % 2 == 1) {
                digits = sum(&digits, &[1]);
            }
        }
        let text: String = digits.iter().rev().map(|digit| char::from(b'0' + digit)).collect();
        format!("{text}e{excess}")
    }
}

fn whole() -> impl Strategy<Value = String> {
    "[1-9][0-9]{0,33}"
}

proptest! {
    #[test]
    fn short_numbers_are_read_as_long_ones_are(text in "-?[0-9]{0,10}\\.?[0-9]{0,9}") {
        // The zeros in front make it too long for the short way.
        let digits = text.trim_start_matches('-');
        let padded = format!("{}{}{digits}", &text[..text.len() - digits.len()], "0".repeat(20));
        let short = Number::read(&text);
        if digits.starts_with(|first: char| first.is_ascii_digit()) {
            prop_assert_eq!(short, Number::read(&padded));
            prop_assert_eq!(short.map(|reading| reading.number.is_decimal()), Number::read(&padded).map(|reading| reading.number.is_decimal()));
        } else {
            prop_assert_eq!(short, None);
        }
    }

    #[test]
    fn sums_agree_with_plain_arithmetic(a in whole(), b in whole(), shift in 0usize..60) {
        let shifted = format!("{a}{}", "0".repeat(shift));
        let expected = reference::rounded(reference::sum(&reference::digits(&shifted), &reference::digits(&b)));
        let sum = number(&format!("{a}e{shift}")).plus(number(&b));
        prop_assert_eq!(sum, Number::parse_json(&expected));
    }

    #[test]
    fn products_agree_with_plain_arithmetic(a in whole(), b in whole()) {
        let expected = reference::rounded(reference::product(&reference::digits(&a), &reference::digits(&b)));
        prop_assert_eq!(number(&a).times(number(&b)), Number::parse_json(&expected));
    }

    #[test]
    fn a_difference_undoes_a_sum(a in "[1-9][0-9]{0,15}", b in "[1-9][0-9]{0,15}", exponent in -15i32..15) {
        let b = number(&format!("{b}e{exponent}"));
        let sum = number(&a).plus(b).unwrap();
        prop_assert_eq!(sum.minus(b), Some(number(&a)));
    }

    #[test]
    fn a_quotient_undoes_a_product(a in "[1-9][0-9]{0,15}", b in "[1-9][0-9]{0,15}", exponent in -300i32..300) {
        let b = number(&format!("{b}e{exponent}"));
        let product = number(&a).times(b).unwrap();
        prop_assert_eq!(product.divided_by(b), Some(number(&a)));
    }

    #[test]
    fn a_quotient_is_the_nearest(a in whole(), b in whole()) {
        let (a, b) = (number(&a), number(&b));
        let quotient = a.divided_by(b).unwrap();
        let back = quotient.times(b).unwrap();
        let off = back.minus(a).unwrap().abs();
        let bound = a.times(number("2e-33")).unwrap();
        prop_assert!(off <= bound, "{a} / {b} = {quotient}");
    }

    #[test]
    fn printing_and_reading_agree(text in "-?[0-9]{1,40}(\\.[0-9]{1,40})?([eE]-?[0-9]{1,4})?") {
        if let Some(value) = Number::parse_json(&text) {
            prop_assert_eq!(Number::parse_json(&value.to_string()), Some(value));
            prop_assert_eq!(Number::parse_sql(&value.to_string()), Some(value));
        }
    }

    #[test]
    fn order_agrees_with_the_difference(
        a in "-?[0-9]{1,20}(\\.[0-9]{1,10})?", b in "-?[0-9]{1,20}(\\.[0-9]{1,10})?",
    ) {
        let (a, b) = (number(&a), number(&b));
        let difference = a.minus(b).unwrap();
        prop_assert_eq!(a.cmp(&b), difference.cmp(&Number::ZERO));
    }

    #[test]
    fn nothing_panics(
        a in any::<i128>(), x in any::<i32>(), b in any::<i128>(), y in any::<i32>(), places in any::<u32>(),
    ) {
        if let (Some(a), Some(b)) = (Number::new(a, x % 1100, true), Number::new(b, y % 1100, false)) {
            let results = [a.plus(b), a.minus(b), a.times(b), a.divided_by(b), a.remainder(b)];
            for value in results.into_iter().flatten() {
                prop_assert!(value.coefficient.unsigned_abs() < COEFFICIENT_LIMIT.unsigned_abs());
                let _ = (value.floor(), value.ceiling(), value.round(), value.truncated(places), value.to_f64());
                let _ = (value.to_string(), value.to_i64(), value.cmp(&a));
            }
        }
        let _ = (Number::new(a, x, true), Number::new(b, y, false));
    }

    #[test]
    fn reading_never_panics(text in "\\PC{0,30}") {
        let _ = Number::parse_json(&text);
    }
}
