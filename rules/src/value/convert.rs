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
        match self {
            Self::String(text) => Some(text.clone()),
            Self::Undefined | Self::Null => None,
            other => {
                let mut text = String::new();
                write_text(other, false, &mut text);
                Some(Cow::Owned(text))
            }
        }
    }

    /// The index this is as an argument: floored, so that 1.9 is 1.
    pub(crate) fn to_index(&self) -> Option<i64> {
        let floored = self.to_number()?.floor();
        // Beyond 64 bits only the side matters: indices are clamped to the text.
        let far = if floored.is_negative() { i64::MIN } else { i64::MAX };
        Some(floored.to_i64().unwrap_or(far))
    }
}
