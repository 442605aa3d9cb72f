//! Implicit conversions between types, as the conversion table of the AWS IoT SQL reference has them.

use std::borrow::Cow;

use super::{Value, write_text};
use crate::number::Number;

impl<'v> Value<'v> {
    /// The number this is or, as a String, stands for.
    pub fn to_number(&self) -> Option<Number> {
        match self {
            Self::Number(number) => Some(*number),
            Self::LongNumber(text) => Number::parse_json(text),
            // A String converts to a Decimal, whatever digits it has.
            Self::String(text) => Number::parse_sql(text).map(Number::as_decimal),
            _ => None,
        }
    }

    /// The Boolean this is or, as the String `true` or `false` in any case, stands for.
    pub fn to_boolean(&self) -> Option<bool> {
        match self {
            Self::Boolean(value) => Some(*value),
            Self::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
            Self::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
            _ => None,
        }
    }

    /// The text this converts to; `None` for Null and Undefined.
    pub fn to_text(&self) -> Option<Cow<'v, str>> {
        self.to_text_keeping(false)
    }

    /// The text this converts to; with `keep_decimal_point` (SQL version 2015-10-08) the Decimal 10.0 becomes `10.0`.
    pub(crate) fn to_text_keeping(&self, keep_decimal_point: bool) -> Option<Cow<'v, str>> {
        match self {
            Self::String(text) => Some(text.clone()),
            Self::Undefined | Self::Null => None,
            other => {
                let mut text = String::new();
                write_text(other, keep_decimal_point, &mut text);
                Some(Cow::Owned(text))
            }
        }
    }

    /// The index this is as an argument that is rounded down, so that 1.9 is 1.
    pub(crate) fn to_index(&self) -> Option<i64> {
        self.to_number().map(|number| saturated(number.floor()))
    }

    /// The Int this converts to: a Decimal becomes the nearest, a String is cut.
    pub(crate) fn to_int(&self) -> Option<i64> {
        let number = self.to_number()?;
        Some(saturated(if matches!(self, Self::String(_)) { number.truncated(0) } else { number.round() }))
    }
}

/// A whole number in 64 bits; beyond them only the side matters, as indices are clamped to the text.
fn saturated(number: Number) -> i64 {
    let far = if number.is_negative() { i64::MIN } else { i64::MAX };
    number.to_i64().unwrap_or(far)
}
