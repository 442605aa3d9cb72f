//! One filter, and whether a value passes it.

use super::{Network, Wildcard, fold};
use crate::event::Value;
use crate::number::Number;

/// What a value may be.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Filter {
    Text(Box<str>),
    Number(Number),
    True,
    False,
    Null,
    Prefix(Box<str>),
    Suffix(Box<str>),
    /// Folded, as are the next two.
    IgnoringCase(Box<str>),
    PrefixIgnoringCase(Box<str>),
    SuffixIgnoringCase(Box<str>),
    Wildcard(Wildcard),
    Numeric(Range),
    Cidr(Network),
    /// Some value that passes none of these.
    AnythingBut(Box<[Filter]>),
    Exists,
    /// No value at all.
    Absent,
}

/// Numbers between two cuts; at least one is there.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Range {
    pub(crate) lower: Option<Cut>,
    pub(crate) upper: Option<Cut>,
}

/// A place among numbers: on one, just above it (1) or just below it (-1).
pub(crate) type Cut = (Number, i8);

impl Range {
    pub(crate) fn holds(&self, place: &Cut) -> bool {
        self.lower.as_ref().is_none_or(|lower| lower <= place)
            && self.upper.as_ref().is_none_or(|upper| place <= upper)
    }
}

impl Filter {
    /// Whether a value that is there passes.
    pub(crate) fn passes(&self, value: &Value<'_>) -> bool {
        match (self, value) {
            (Self::Exists, _) => true,
            (Self::AnythingBut(filters), value) => !filters.iter().any(|filter| filter.passes(value)),
            (Self::True, Value::Bool(value)) => *value,
            (Self::False, Value::Bool(value)) => !value,
            (Self::Null, Value::Null) => true,
            (Self::Number(number), Value::Number(value)) => number == value,
            (Self::Numeric(range), Value::Number(value)) => range.holds(&(value.clone(), 0)),
            (filter, Value::Text(text)) => filter.passes_text(text),
            _ => false,
        }
    }

    fn passes_text(&self, value: &str) -> bool {
        match self {
            Self::Text(text) => **text == *value,
            Self::Prefix(text) => value.starts_with(&**text),
            Self::Suffix(text) => value.ends_with(&**text),
            Self::IgnoringCase(text) => **text == *fold(value),
            Self::PrefixIgnoringCase(text) => fold(value).starts_with(&**text),
            Self::SuffixIgnoringCase(text) => fold(value).ends_with(&**text),
            Self::Wildcard(wildcard) => wildcard.matches(value),
            Self::Cidr(network) => Network::address(value).is_some_and(|address| network.holds(address)),
            _ => false,
        }
    }

    /// How many values are likely to pass: few (0), some (1) or most (2).
    pub(crate) fn breadth(&self) -> u8 {
        match self {
            Self::Text(_)
            | Self::Number(_)
            | Self::True
            | Self::False
            | Self::Null
            | Self::IgnoringCase(_) => 0,
            Self::Numeric(_) | Self::AnythingBut(_) | Self::Exists | Self::Absent => 2,
            _ => 1,
        }
    }
}
