//! What a target is given of an event: a constant, a part of it, or a template filled in.
//!
//! What comes out is JSON whatever comes in, and small: a fault is told, never sent.

mod fill;
mod path;
mod template;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use crate::TransformError;
use crate::json::Reader;
use path::JsonPath;
use template::Template;

/// The longest constant and the longest template, in characters.
pub const TEMPLATE_CHARACTERS_MAX: usize = 8192;

/// The longest path, in characters.
pub const PATH_CHARACTERS_MAX: usize = 256;

/// The most variables of one template.
pub const VARIABLES_MAX: usize = 100;

/// The longest name of a variable, in characters.
pub const VARIABLE_CHARACTERS_MAX: usize = 256;

/// The longest result, in bytes.
pub const RESULT_BYTES_MAX: usize = 1024 * 1024;

/// Shapes events for a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transformer(Kind);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Constant(Box<str>),
    Path(JsonPath),
    Template(Template),
}

/// What a template may ask for beside the event.
#[derive(Debug, Clone, Copy)]
pub struct Context<'c> {
    /// `aws.events.rule-name`.
    pub rule_name: &'c str,
    /// `aws.events.rule-arn`.
    pub rule_arn: &'c str,
    /// `aws.events.event.ingestion-time`, RFC 3339.
    pub ingestion_time: &'c str,
}

/// Why an event could not be shaped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransformFault {
    /// The event is not JSON.
    #[error("event is not JSON: expected {expected} at byte {offset}")]
    NotJson {
        /// The byte at which it stops being JSON, from 0.
        offset: usize,
        /// What was expected there.
        expected: &'static str,
    },
    /// The result is too long.
    #[error("what the template makes of the event is longer than {RESULT_BYTES_MAX} bytes")]
    TooLarge,
}

impl Transformer {
    /// The same JSON text for every event.
    ///
    /// # Errors
    /// It is not JSON, or too long.
    pub fn constant(text: &str) -> Result<Self, TransformError> {
        check_length("constant input", text)?;
        let mut reader = Reader::new(text);
        reader.value(0).and_then(|_| reader.end()).map_err(|fault| {
            let (offset, expected) = (fault.offset, fault.expected);
            TransformError::new(format!(
                "constant input is not JSON: expected {expected} at byte {offset}; a text stands in quotes: `\"…\"`"
            ))
        })?;
        Ok(Self(Kind::Constant(text.into())))
    }

    /// A part of the event; `null` where the event has none.
    ///
    /// # Errors
    /// It is no path, or too long.
    pub fn path(path: &str) -> Result<Self, TransformError> {
        JsonPath::parse(path).map(|path| Self(Kind::Path(path)))
    }

    /// A template with variables, each a name and the path to its value.
    ///
    /// # Errors
    /// What is wrong with the template, a path or a name.
    pub fn template<'t>(
        variables: impl IntoIterator<Item = (&'t str, &'t str)>,
        template: &str,
    ) -> Result<Self, TransformError> {
        check_length("template", template)?;
        let mut paths = Vec::new();
        for (name, path) in variables {
            check_name(name)?;
            let path = JsonPath::parse(path)
                .map_err(|error| TransformError::new(format!("variable `{name}`: {error}")))?;
            paths.push((name.into(), path));
        }
        if paths.len() > VARIABLES_MAX {
            let count = paths.len();
            return Err(TransformError::new(format!(
                "template has {count} variables; the most is {VARIABLES_MAX}"
            )));
        }
        Template::parse(template, paths).map(|template| Self(Kind::Template(template)))
    }

    /// What a target gets of `event`: a JSON text.
    ///
    /// # Errors
    /// The event is not JSON, or the result would be too long.
    pub fn apply<'e>(
        &'e self,
        event: &'e str,
        context: &Context<'_>,
    ) -> Result<Cow<'e, str>, TransformFault> {
        match &self.0 {
            Kind::Constant(text) => Ok(Cow::Borrowed(text)),
            Kind::Path(path) => Ok(Cow::Borrowed(path.find(event)?.unwrap_or("null"))),
            Kind::Template(template) => template.fill(event, context).map(Cow::Owned),
        }
    }
}

fn check_length(what: &str, text: &str) -> Result<(), TransformError> {
    let characters = text.chars().count();
    if characters <= TEMPLATE_CHARACTERS_MAX {
        return Ok(());
    }
    let most = TEMPLATE_CHARACTERS_MAX;
    Err(TransformError::new(format!("{what} has {characters} characters; the most is {most}")))
}

fn check_name(name: &str) -> Result<(), TransformError> {
    let is_good = |character: char| character.is_ascii_alphanumeric() || "_-.".contains(character);
    if name.is_empty() || name.len() > VARIABLE_CHARACTERS_MAX || !name.chars().all(is_good) {
        let message = format!(
            "`{name}` can't be the name of a variable: it has 1 to {VARIABLE_CHARACTERS_MAX} letters, digits, `_`, `-` and `.`"
        );
        return Err(TransformError::new(message));
    }
    if name.to_ascii_lowercase().starts_with("aws.") {
        return Err(TransformError::new(format!(
            "variable `{name}`: names that begin with `aws.` are predefined"
        )));
    }
    Ok(())
}
