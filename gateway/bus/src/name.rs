//! The name of a target: its kind and the name it was declared under.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use thiserror::Error;

/// Longest target name in bytes, kind and slash included.
pub const TARGET_NAME_BYTES_MAX: usize = 255;

/// `kind/name`, for example `queue/alerts`. Cheap to clone.
///
/// The kind is part of the identity: a queue and a function may both be called `notify`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TargetName(Arc<str>);

/// Why a text is not a target name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TargetNameError {
    /// There is no slash, or nothing on one side of it.
    #[error("`{0}` is not a target name; write it as kind and name, for example `queue/alerts`")]
    NotKindAndName(String),
    /// It is over [`TARGET_NAME_BYTES_MAX`].
    #[error("a target name of {0} bytes is too long; the limit is {TARGET_NAME_BYTES_MAX}")]
    TooLong(usize),
    /// It holds a control character.
    #[error("the target name {0:?} holds a control character; use letters, digits, `-` and `_`")]
    Control(String),
}

impl TargetName {
    /// Makes the name of the target `name` of `kind`.
    ///
    /// # Errors
    /// When either part is empty, the kind holds a slash, or the whole is too long.
    pub fn new(kind: &str, name: &str) -> Result<Self, TargetNameError> {
        if kind.contains('/') {
            return Err(TargetNameError::NotKindAndName(format!("{kind}/{name}")));
        }
        Self::parse(&format!("{kind}/{name}"))
    }

    /// Reads `kind/name`.
    ///
    /// # Errors
    /// When it is not of that form.
    pub fn parse(text: &str) -> Result<Self, TargetNameError> {
        if text.len() > TARGET_NAME_BYTES_MAX {
            return Err(TargetNameError::TooLong(text.len()));
        }
        match text.split_once('/') {
            Some((kind, name)) if !kind.is_empty() && !name.is_empty() => {}
            _ => return Err(TargetNameError::NotKindAndName(text.to_owned())),
        }
        if text.chars().any(char::is_control) {
            return Err(TargetNameError::Control(text.to_owned()));
        }
        Ok(Self(text.into()))
    }

    /// The part before the slash.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.0.split_once('/').map_or("", |(kind, _)| kind)
    }

    /// The part after the first slash.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.split_once('/').map_or("", |(_, name)| name)
    }

    /// The whole, `kind/name`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

// `Hash` and `Eq` are those of the text, so a map keyed by names can be asked with a text.
impl Borrow<str> for TargetName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TargetName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for TargetName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "`{}`", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kind_and_name_come_apart_at_the_first_slash() {
        let name = TargetName::parse("http/a/b").unwrap();
        assert_eq!((name.kind(), name.name(), name.to_string().as_str()), ("http", "a/b", "http/a/b"));
    }

    #[test]
    fn names_without_both_parts_are_refused() {
        for text in ["", "queue", "/alerts", "queue/", "queue/a\u{0}b"] {
            assert!(TargetName::parse(text).is_err(), "{text:?}");
        }
        assert!(TargetName::new("a/b", "c").is_err());
        assert!(TargetName::new("queue", &"x".repeat(250)).is_err());
    }
}
