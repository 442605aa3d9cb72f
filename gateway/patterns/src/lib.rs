//! Event patterns as EventBridge has them, and the input transformer that shapes what matched.
//!
//! Text in, answers out: a [`Pattern`] is read from JSON, a [`PatternSet`] finds those of many patterns that an event matches, a
//! [`Transformer`] makes of an event what a target is to get. `PATTERNS.md` is the reference of both languages.
//!
//! | Read | for |
//! | --- | --- |
//! | [`pattern`] | what a pattern says, and how it is read |
//! | [`set`] | how the cost of matching stays apart from the number of patterns |
//! | [`explain`] | why an event does not match |
//! | [`transform`] | constant input, a part of the event, templates |
//!
//! What this crate must not know: rules, topics, targets, files, clocks. An event is a JSON text.

mod diagnostic;
pub mod event;
pub mod explain;
mod json;
mod number;
pub mod pattern;
pub mod set;
pub mod transform;

pub use diagnostic::{PatternError, TransformError};
pub use event::EventError;
pub use explain::{Explanation, FieldVerdict, Verdict, explain};
pub use pattern::{PATTERN_CHARACTERS_MAX, Pattern};
pub use set::{PatternSet, SetError};
pub use transform::{Context, TransformFault, Transformer};

/// Whether a text is JSON, nested at most 320 deep.
#[must_use]
pub fn is_json(text: &str) -> bool {
    let mut reader = json::Reader::new(text);
    reader.value(0).and_then(|_| reader.end()).is_ok()
}
