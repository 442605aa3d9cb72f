//! A topic filter as subscribed, with the name of its share group if it has one.

use super::{TopicError, check_text, levels, matches};
use crate::Text;
use std::fmt;

pub(super) const SHARE_PREFIX: &str = "$share/";

/// A topic filter whose syntax is right (sections 4.7.1 and 4.8.2). Cloning shares the bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Filter {
    whole: Text,
    share_name: Option<Text>,
    pattern: Text,
}

impl Filter {
    /// The filter that `text` is, `$share/name/filter` included; nothing is copied.
    ///
    /// # Errors
    /// When the syntax is wrong.
    pub fn parse(text: &Text) -> Result<Self, TopicError> {
        check_text(text)?;
        let Some(shared) = text.strip_prefix(SHARE_PREFIX) else {
            check_pattern(text)?;
            return Ok(Self { whole: text.clone(), share_name: None, pattern: text.clone() });
        };
        let (name, pattern) = match shared.split_once('/') {
            Some((name, pattern)) => (name, pattern),
            None => (shared, ""),
        };
        if name.is_empty() {
            return Err(TopicError::ShareNameEmpty);
        }
        if name.contains(['+', '#']) {
            return Err(TopicError::ShareNameWildcard(name.to_owned()));
        }
        if pattern.is_empty() {
            return Err(TopicError::ShareFilterMissing(name.to_owned()));
        }
        check_pattern(pattern)?;
        Ok(Self { whole: text.clone(), share_name: Some(text.part(name)), pattern: text.part(pattern) })
    }

    /// The filter as subscribed, which is the key of the subscription: with share name.
    pub fn as_text(&self) -> &Text {
        &self.whole
    }

    /// The name of the share group, when the subscription is shared.
    pub fn share_name(&self) -> Option<&Text> {
        self.share_name.as_ref()
    }

    /// What is matched against topic names: without share name.
    pub fn pattern(&self) -> &Text {
        &self.pattern
    }

    /// The levels of the pattern, from the left.
    pub fn levels(&self) -> impl Iterator<Item = &str> {
        levels(&self.pattern)
    }

    /// Whether the pattern has a wildcard.
    pub fn has_wildcard(&self) -> bool {
        super::has_wildcard(self.pattern.as_bytes())
    }

    /// Whether the pattern matches a topic name.
    pub fn matches(&self, topic: &str) -> bool {
        matches(&self.pattern, topic)
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.whole.fmt(formatter)
    }
}

fn check_pattern(pattern: &str) -> Result<(), TopicError> {
    let mut rest = levels(pattern).peekable();
    while let Some(level) = rest.next() {
        if level.contains('#') && (level != "#" || rest.peek().is_some()) {
            return Err(TopicError::MultiLevelMisplaced);
        }
        if level.contains('+') && level != "+" {
            return Err(TopicError::SingleLevelMisplaced(level.to_owned()));
        }
    }
    Ok(())
}
