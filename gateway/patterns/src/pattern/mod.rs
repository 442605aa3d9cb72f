//! What a pattern says: alternatives, each of which is fields that must all hold.
//!
//! `$or` is multiplied out when a pattern is read, which is why its combinations are bounded.

mod alternatives;
mod describe;
mod filter;
mod fold;
mod network;
mod object;
mod parse;
mod read_filter;
mod wildcard;

use std::sync::Arc;

pub(crate) use filter::{Filter, Range};
pub(crate) use fold::fold;
pub(crate) use network::Network;
pub(crate) use wildcard::Wildcard;

use crate::PatternError;

/// The longest pattern, in characters.
pub const PATTERN_CHARACTERS_MAX: usize = 4096;

/// The most combinations that the `$or`s of a pattern make together.
pub const COMBINATIONS_MAX: u64 = 1000;

/// The most fields of all combinations together.
pub const CONDITIONS_MAX: u64 = 10_000;

/// The most `*` in the wildcards of one pattern.
pub const STARS_MAX: usize = 64;

/// How deep the fields of a pattern may lie.
pub const PATTERN_DEPTH_MAX: usize = 100;

/// A checked pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: Arc<str>,
    pub(crate) alternatives: Arc<[Conjunction]>,
}

/// Fields that must all hold, those of one object of the pattern in one object of the event. The fields of one object stand together.
pub(crate) type Conjunction = Vec<Field>;

/// One field of a pattern with what its value may be.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Field {
    pub(crate) path: Arc<[Box<str>]>,
    /// Any of them is enough. Sorted, each once.
    pub(crate) filters: Arc<[Filter]>,
}

impl Pattern {
    /// Reads and checks a pattern, a JSON object.
    ///
    /// # Errors
    /// The first thing that is wrong with it, with its place and what to write instead.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let characters = text.chars().count();
        if characters > PATTERN_CHARACTERS_MAX {
            let message =
                format!("pattern has {characters} characters; the most is {PATTERN_CHARACTERS_MAX}");
            return Err(
                PatternError::new(text, 0, message).with_hint("share the work among several patterns")
            );
        }
        let object = parse::parse(text)?;
        let alternatives = alternatives::alternatives(text, &object)?;
        Ok(Self { text: text.into(), alternatives: alternatives.into() })
    }

    /// The pattern as its author wrote it.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// How many alternatives its `$or`s make: 1 without any.
    #[must_use]
    pub fn combinations(&self) -> usize {
        self.alternatives.len()
    }
}

/// A path as people write it: `detail.tags.name`.
pub(crate) fn written(path: &[Box<str>]) -> String {
    path.join(".")
}
