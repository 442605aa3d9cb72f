//! Numbers from text and as text.

use std::fmt::Write as _;

use super::{DIGITS_MAX, Number};

/// A JSON number that was read, and whether all its digits were kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) number: Number,
    pub(crate) exact: bool,
}

impl Number {
    /// Reads what a JSON number may look like, rounding to 34 digits; `None` when it is none or out of range.
    pub fn parse_json(text: &str) -> Option<Self> {
        Self::read(text).map(|reading| reading.number)
    }

    /// Reads what AWS IoT converts from a String: `-?digits[.digits][E[-]digits]`.
    ///
    /// So ` 5`, `+5`, `.5`, `5.`, `0x5` and `1E+3` are not numbers.
    pub fn parse_sql(text: &str) -> Option<Self> {
        if text.contains("e+") || text.contains("E+") { None } else { Self::parse_json(text) }
    }

    /// Reads a JSON number; leading zeros are let through because the tape and the lexer judge those.
    pub(crate) fn read(text: &str) -> Option<Reading> {
        match Self::read_short(text.as_bytes()) {
            Some(number) => Some(Reading { number, exact: true }),
            None => Self::read_any(text.as_bytes()),
        }
    }

    /// Reads up to 18 bytes of digits with or without a point: what nearly all numbers of messages are. Nothing is rounded, nothing out of range.
    fn read_short(bytes: &[u8]) -> Option<Self> {
        let digits = bytes.strip_prefix(b"-").unwrap_or(bytes);
        if digits.len() > 18 || !digits.last()?.is_ascii_digit() || !digits[0].is_ascii_digit() {
            return None;
        }
        let (mut coefficient, mut point) = (0i64, None);
        for (at, byte) in digits.iter().enumerate() {
            match byte {
                b'0'..=b'9' => coefficient = coefficient * 10 + i64::from(byte - b'0'),
                b'.' if point.is_none() => point = Some(at),
                _ => return None,
            }
        }
        let decimal = point.is_some();
        if coefficient == 0 {
            return Some(Self { coefficient: 0, exponent: 0, decimal });
        }
        let mut exponent = point.map_or(0, |point| point as i32 + 1 - digits.len() as i32);
        while coefficient % 10 == 0 {
            coefficient /= 10;
            exponent += 1;
        }
        let coefficient = if digits.len() < bytes.len() { -coefficient } else { coefficient };
        Some(Self { coefficient: i128::from(coefficient), exponent, decimal })
    }

    fn read_any(bytes: &[u8]) -> Option<Reading> {
        let negative = bytes.first() == Some(&b'-');
        let mut rest = &bytes[usize::from(negative)..];
        let mut digits = Digits::default();
        rest = digits.take(rest)?;
        let mut decimal = false;
        let mut exponent = 0i32;
        if let Some((b'.', fraction)) = rest.split_first() {
            decimal = true;
            let before = digits.seen;
            rest = digits.take(fraction)?;
            exponent = -i32::try_from(digits.seen - before).ok()?;
        }
        if let Some((b'e' | b'E', power)) = rest.split_first() {
            decimal = true;
            exponent = exponent.saturating_add(read_exponent(power)?);
            rest = &[];
        }
        if !rest.is_empty() {
            return None;
        }
        digits.finish(negative, exponent, decimal)
    }

    /// Appends the number as AWS IoT prints it: plain digits, or scientific when very small or beyond 34 digits.
    ///
    /// With `keep_decimal_point` (SQL version 2015-10-08) a whole Decimal is printed with `.0`.
    pub fn print(self, keep_decimal_point: bool, out: &mut String) {
        // Writing to a String can't fail, here and below.
        if self.exponent == 0
            && let Ok(small) = i64::try_from(self.coefficient)
        {
            let _ = write!(out, "{small}");
        } else if self.exponent < 0 && self.adjusted_exponent() >= -6 {
            self.print_with_point(out);
        } else if self.exponent >= 0 && self.adjusted_exponent() < DIGITS_MAX as i32 {
            let _ = write!(
                out,
                "{}{:0<width$}",
                self.coefficient,
                "",
                width = self.exponent.unsigned_abs() as usize
            );
        } else {
            self.print_scientific(out);
            return;
        }
        if keep_decimal_point && self.decimal && self.exponent >= 0 {
            out.push_str(".0");
        }
    }

    fn print_with_point(self, out: &mut String) {
        let places = self.exponent.unsigned_abs() as usize;
        if self.coefficient < 0 {
            out.push('-');
        }
        let start = out.len();
        let magnitude = self.coefficient.unsigned_abs();
        let _ = match u64::try_from(magnitude) {
            Ok(small) => write!(out, "{small:0>width$}", width = places + 1),
            Err(_) => write!(out, "{magnitude:0>width$}", width = places + 1),
        };
        let point = out.len() - places;
        debug_assert!(point > start, "at least one digit stands before the point");
        out.insert(point, '.');
    }

    fn print_scientific(self, out: &mut String) {
        if self.coefficient < 0 {
            out.push('-');
        }
        let digits = self.coefficient.unsigned_abs().to_string();
        out.push_str(&digits[..1]);
        if digits.len() > 1 {
            out.push('.');
            out.push_str(&digits[1..]);
        }
        let _ = write!(out, "E{}", self.adjusted_exponent());
    }
}

impl std::fmt::Display for Number {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = String::new();
        self.print(false, &mut text);
        formatter.write_str(&text)
    }
}

fn read_exponent(text: &[u8]) -> Option<i32> {
    let (negative, digits) = match text.split_first()? {
        (b'-', digits) => (true, digits),
        (b'+', digits) => (false, digits),
        _ => (false, text),
    };
    if digits.is_empty() {
        return None;
    }
    let mut value = 0i32;
    for byte in digits {
        if !byte.is_ascii_digit() {
            return None;
        }
        // Saturates far outside the range, where only the sign still matters.
        value = value.saturating_mul(10).saturating_add(i32::from(byte - b'0')).min(1_000_000_000);
    }
    Some(if negative { -value } else { value })
}

/// Collects digits: all that fit, and of the rest what the rounding needs.
#[derive(Default)]
struct Digits {
    coefficient: u64,
    wide: i128,
    /// Digits taken, leading zeros included.
    seen: usize,
    significant: u32,
    /// Digits beyond the 38 that `wide` can hold.
    dropped: i32,
    /// Whether a dropped digit was not zero.
    sticky: bool,
}

/// The digits that fit in a `u64`, and in an `i128`.
const FAST_DIGITS: u32 = 19;
const WIDE_DIGITS: u32 = 38;

impl Digits {
    /// Takes the digits at the start of `text`; `None` when there is not even one.
    fn take<'t>(&mut self, text: &'t [u8]) -> Option<&'t [u8]> {
        let length = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
        if length == 0 {
            return None;
        }
        for byte in &text[..length] {
            self.push(byte - b'0');
        }
        self.seen += length;
        Some(&text[length..])
    }

    fn push(&mut self, digit: u8) {
        if self.significant == 0 && digit == 0 {
            return;
        }
        if self.significant < FAST_DIGITS {
            self.coefficient = self.coefficient * 10 + u64::from(digit);
        } else if self.significant < WIDE_DIGITS {
            if self.significant == FAST_DIGITS {
                self.wide = i128::from(self.coefficient);
            }
            self.wide = self.wide * 10 + i128::from(digit);
        } else {
            self.dropped = self.dropped.saturating_add(1);
            self.sticky |= digit != 0;
        }
        self.significant = self.significant.saturating_add(1);
    }

    fn finish(self, negative: bool, exponent: i32, decimal: bool) -> Option<Reading> {
        let mut coefficient =
            if self.significant <= FAST_DIGITS { i128::from(self.coefficient) } else { self.wide };
        if self.sticky && coefficient % 10 == 0 {
            // Keeps a tie from looking exact: the 38th digit is below all that is kept.
            coefficient += 1;
        }
        let coefficient = if negative { -coefficient } else { coefficient };
        let number = Number::new(coefficient, exponent.saturating_add(self.dropped), decimal)?;
        let kept = if self.significant <= DIGITS_MAX { true } else { !self.sticky && divides(coefficient) };
        // A magnitude below the range was cut to zero.
        Some(Reading { number, exact: kept && (coefficient == 0) == number.is_zero() })
    }
}

/// Whether a coefficient of up to 38 digits loses nothing when it is cut to 34.
fn divides(coefficient: i128) -> bool {
    let surplus = super::digits(coefficient.unsigned_abs()).saturating_sub(DIGITS_MAX);
    coefficient % 10i128.pow(surplus) == 0
}
