//! Filters as people read them.

use std::fmt;

use super::{Filter, Range};
use crate::number::Number;

impl fmt::Display for Filter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(formatter, "`\"{text}\"`"),
            Self::Number(number) => write!(formatter, "`{number}`"),
            Self::True => formatter.write_str("`true`"),
            Self::False => formatter.write_str("`false`"),
            Self::Null => formatter.write_str("`null`"),
            Self::Prefix(text) => write!(formatter, "a text that begins with `{text}`"),
            Self::Suffix(text) => write!(formatter, "a text that ends with `{text}`"),
            Self::IgnoringCase(text) => write!(formatter, "`\"{text}\"` in any case"),
            Self::PrefixIgnoringCase(text) => {
                write!(formatter, "a text that begins with `{text}` in any case")
            }
            Self::SuffixIgnoringCase(text) => write!(formatter, "a text that ends with `{text}` in any case"),
            Self::Wildcard(wildcard) => write!(formatter, "a text like `{}`", wildcard.pieces.join("*")),
            Self::Numeric(range) => write!(formatter, "a number {range}"),
            Self::Cidr(network) => write!(formatter, "an address in `{network}`"),
            Self::AnythingBut(filters) => {
                let filters: Vec<String> = filters.iter().map(Self::to_string).collect();
                write!(formatter, "anything but {}", filters.join(" or "))
            }
            Self::Exists => formatter.write_str("any value"),
            Self::Absent => formatter.write_str("no value at all"),
        }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign =
            |step: i8, strict: &'static str, other: &'static str| if step == 0 { other } else { strict };
        let lower = self.lower.iter().map(|(number, step)| (sign(*step, ">", ">="), number));
        let upper = self.upper.iter().map(|(number, step)| (sign(*step, "<", "<="), number));
        let bounds: Vec<String> =
            lower.chain(upper).map(|(sign, number): (_, &Number)| format!("{sign} {number}")).collect();
        formatter.write_str(&bounds.join(" and "))
    }
}
