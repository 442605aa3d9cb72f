//! Topic names and topic filters (section 4.7): their syntax, and which filter matches which name.

mod filter;
#[cfg(test)]
mod tests;

pub use filter::Filter;

/// Why a topic name or filter is refused: the fault of who sent it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TopicError {
    /// Not one character.
    #[error("is empty [MQTT-4.7.3-1]")]
    Empty,
    /// A name or filter contains U+0000.
    #[error("contains the null character U+0000 [MQTT-4.7.3-2]")]
    Null,
    /// A name has a wildcard in it.
    #[error("contains `{0}`, which only a topic filter may [MQTT-4.7.0-1]")]
    WildcardInName(char),
    /// A `#` is not the last level, or does not fill it.
    #[error("`#` must be the whole of the last level [MQTT-4.7.1-1]")]
    MultiLevelMisplaced,
    /// A `+` does not fill its level.
    #[error("`+` must be the whole of its level, not part of `{0}` [MQTT-4.7.1-2]")]
    SingleLevelMisplaced(String),
    /// `$share//…`.
    #[error("the share name after `$share/` is empty [MQTT-4.8.2-1]")]
    ShareNameEmpty,
    /// A `+` or `#` in the share name.
    #[error("the share name `{0}` contains a wildcard [MQTT-4.8.2-2]")]
    ShareNameWildcard(String),
    /// `$share/group` or `$share/group/`.
    #[error("no topic filter follows the share name; write `$share/{0}/filter` [MQTT-4.8.2-2]")]
    ShareFilterMissing(String),
    /// Longer than permitted.
    #[error("has `{bytes}` bytes, `{bytes_max}` are permitted")]
    TooLong {
        /// Bytes it has.
        bytes: usize,
        /// Bytes permitted.
        bytes_max: usize,
    },
    /// Deeper than permitted.
    #[error("has `{levels}` levels, `{levels_max}` are permitted")]
    TooDeep {
        /// Levels it has.
        levels: usize,
        /// Levels permitted.
        levels_max: usize,
    },
}

/// How long and how deep topic names and filters may be, beyond what the standard says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicLimits {
    /// Most bytes of a name or filter; the standard's own limit is 65,535 `[MQTT-4.7.3-3]`.
    pub bytes_max: usize,
    /// Most levels: one more than slashes.
    pub levels_max: usize,
}

impl TopicLimits {
    /// Checks a topic name, or the filter of a subscription without its share name.
    ///
    /// # Errors
    /// When it is longer or deeper than permitted.
    pub fn check(&self, topic: &str) -> Result<(), TopicError> {
        let (bytes, bytes_max) = (topic.len(), self.bytes_max);
        if bytes > bytes_max {
            return Err(TopicError::TooLong { bytes, bytes_max });
        }
        let levels_max = self.levels_max;
        let levels = levels(topic).count();
        if levels > levels_max {
            return Err(TopicError::TooDeep { levels, levels_max });
        }
        Ok(())
    }
}

/// Checks the syntax of a topic name.
///
/// # Errors
/// When it is empty, longer than 65,535 bytes, or contains a wildcard or U+0000.
pub fn check_name(name: &str) -> Result<(), TopicError> {
    check_text(name)?;
    match name.chars().find(|character| matches!(character, '+' | '#')) {
        Some(wildcard) => Err(TopicError::WildcardInName(wildcard)),
        None => Ok(()),
    }
}

fn check_text(text: &str) -> Result<(), TopicError> {
    if text.is_empty() {
        return Err(TopicError::Empty);
    }
    if text.len() > usize::from(u16::MAX) {
        return Err(TopicError::TooLong { bytes: text.len(), bytes_max: usize::from(u16::MAX) });
    }
    if text.as_bytes().contains(&0) {
        return Err(TopicError::Null);
    }
    Ok(())
}

/// The levels of a name or filter, from the left; an empty one counts (section 4.7.1.1).
pub fn levels(topic: &str) -> impl Iterator<Item = &str> {
    topic.split('/')
}

/// Whether a well-formed filter, without share name, matches a topic name.
///
/// A wildcard in the first level does not match a name that starts with `$` `[MQTT-4.7.2-1]`; `a/#` matches `a` too (section 4.7.1.2).
pub fn matches(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let mut names = levels(topic);
    for level in levels(filter) {
        if level == "#" {
            return true;
        }
        match names.next() {
            Some(name) if level == "+" || level == name => {}
            _ => return false,
        }
    }
    names.next().is_none()
}

/// Whether there is a wildcard anywhere.
#[inline]
pub(crate) fn has_wildcard(topic: &[u8]) -> bool {
    crate::scan::holds_any(topic, *b"+#")
}

/// Whether a filter is of a shared subscription (section 4.8.2).
pub(crate) fn is_shared(filter: &str) -> bool {
    filter.starts_with(filter::SHARE_PREFIX)
}
