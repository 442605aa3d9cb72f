//! Misfits: what is Undefined although everything it was made of is there, such as `'abc' - 1`.
//!
//! AWS's rules make such a thing Undefined and say no more; here it is noted while a statement runs, and
//! [`Statement::misfits`] finds the places when somebody asks. What counts and what doesn't is in `DIALECT.md`. Noting must
//! cost nothing where all is well, so it knows kinds alone.

mod examine;
#[cfg(test)]
mod tests;

use base64::Engine as _;

use crate::functions::Function;
use crate::message::Message;
use crate::statement::Statement;
use crate::syntax::{Form, Operator};
use crate::value::Value;

/// What kind of thing did not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MisfitKind {
    /// A value that can't be converted to what an operator, `cast`, WHERE or a nested SELECT takes.
    Conversion,
    /// Numbers without a result: a division by zero, or a result out of range.
    Arithmetic,
    /// A function that could make nothing of its arguments.
    Function,
}

impl MisfitKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Conversion, Self::Arithmetic, Self::Function];

    /// The name of the kind, as metrics have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Conversion => "conversion",
            Self::Arithmetic => "arithmetic",
            Self::Function => "function",
        }
    }

    /// Why `operator` gives Undefined for two values that are there.
    pub(crate) fn of_operation(operator: Operator, left: &Value<'_>, right: &Value<'_>) -> Self {
        let is_logic = matches!(operator, Operator::And | Operator::Or);
        match left.to_number().zip(right.to_number()) {
            Some(_) if !is_logic => Self::Arithmetic,
            _ => Self::Conversion,
        }
    }
}

/// A set of kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MisfitKinds(u8);

impl MisfitKinds {
    /// The set and this kind.
    pub(crate) fn with(self, kind: MisfitKind) -> Self {
        Self(self.0 | 1 << kind as u8)
    }

    /// Both sets together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether there is no misfit.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether this kind is among them.
    pub fn contains(self, kind: MisfitKind) -> bool {
        self.0 & 1 << kind as u8 != 0
    }

    /// The kinds in it.
    pub fn iter(self) -> impl Iterator<Item = MisfitKind> {
        MisfitKind::ALL.into_iter().filter(move |kind| self.contains(*kind))
    }
}

/// One thing that did not fit, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// What kind of thing it is.
    pub kind: MisfitKind,
    /// The piece as it is written, cut to 200 characters.
    pub sql: String,
    /// Line of the piece in the statement, from 1.
    pub line: usize,
    /// Column of the piece in characters, from 1.
    pub column: usize,
    /// What is wrong, naming types but no values: fit for a log.
    pub message: String,
    /// What the piece was made of, as JSON, each cut to 100 characters.
    pub inputs: Vec<String>,
}

/// Functions for which Undefined is an answer: they look for something that may not be there.
const LOOKUPS: &[&str] = &[
    "get",
    "get_dynamodb",
    "get_mqtt_property",
    "get_or_default",
    "get_registry_data",
    "get_thing_shadow",
    "get_user_properties",
    "nanvl",
    "topic",
    "traceid",
];

/// Functions that deal with Undefined or Null: whoever writes them expects misfits in their arguments.
const EXPECTING: &[&str] = &["get_or_default", "isNull", "isUndefined", "nanvl"];

pub(crate) fn expects_misfits(function: &Function) -> bool {
    EXPECTING.contains(&function.name)
}

/// Whether a function that got what is there and gave Undefined or Null has failed.
/// `is_pattern` says whether a text is a pattern that can be searched for.
pub(crate) fn is_failure(
    function: &Function,
    arguments: &[Value<'_>],
    result: &Value<'_>,
    is_pattern: &dyn Fn(&str) -> bool,
) -> bool {
    match (function.name, result) {
        // Where others give Undefined, `decode` gives Null.
        ("decode", Value::Null) => !holds_null(arguments),
        (_, Value::Null) => false,
        // No match is an answer, a bad pattern is none.
        ("regexp_substr", _) => match arguments {
            [text, pattern] => {
                text.to_text().is_none() || !pattern.to_text().is_some_and(|pattern| is_pattern(&pattern))
            }
            _ => true,
        },
        (name, _) => !LOOKUPS.contains(&name) && !arguments.is_empty(),
    }
}

/// Whether Null is what the base64 holds.
fn holds_null(arguments: &[Value<'_>]) -> bool {
    let Some(Value::String(text)) = arguments.first() else { return false };
    base64::engine::general_purpose::STANDARD
        .decode(text.as_bytes())
        .is_ok_and(|json| json.trim_ascii() == b"null")
}

/// What is wrong with an expression that gives nothing although its inputs are there; `None` where nothing is.
pub(crate) fn describe(
    form: &Form,
    inputs: &[Value<'_>],
    result: &Value<'_>,
    message: &Message<'_>,
) -> Option<String> {
    examine::misfit(form, inputs, result, message).map(|(_, message)| message)
}

impl Statement {
    /// The misfits of one message with their places, at most 16. Slow: to be asked for when [`Statement::run`] noted some.
    pub fn misfits(&self, message: &Message<'_>) -> Vec<Misfit> {
        examine::examine(self, message)
    }
}
