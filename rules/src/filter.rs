//! Topic filters of `FROM` and the topic prefix of Basic Ingest.
//!
//! Knows topics as text; must not know messages or statements.

use thiserror::Error;

/// A checked topic filter: what stands after `FROM`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TopicFilter {
    text: String,
}

/// Why a text is no topic filter.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FilterError {
    /// A filter has at least one character `[MQTT-4.7.3-1]`.
    #[error("topic filter is empty")]
    Empty,
    /// `[MQTT-4.7.3-3]`: UTF-8 length is a two-byte number.
    #[error("topic filter has {bytes} bytes; the most is {bytes_max}")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// `[MQTT-4.7.1-1]`
    #[error("`#` must be the whole last level of a topic filter")]
    HashNotLast,
    /// `[MQTT-4.7.1-2]`
    #[error("`+` must be a whole level of a topic filter")]
    PlusInsideLevel,
    /// `[MQTT-4.7.3-2]`
    #[error("topic filter contains the character U+0000")]
    Nul,
}

/// The longest topic filter, in bytes of UTF-8 `[MQTT-4.7.3-3]`.
pub const FILTER_BYTES_MAX: usize = 65_535;

impl TopicFilter {
    /// Checks `text` against the rules for topic filters.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        if text.is_empty() {
            return Err(FilterError::Empty);
        }
        if text.len() > FILTER_BYTES_MAX {
            return Err(FilterError::TooLong { bytes: text.len(), bytes_max: FILTER_BYTES_MAX });
        }
        if text.contains('\0') {
            return Err(FilterError::Nul);
        }
        let mut levels = text.split('/').peekable();
        while let Some(level) = levels.next() {
            if level.contains('#') && (level != "#" || levels.peek().is_some()) {
                return Err(FilterError::HashNotLast);
            }
            if level.contains('+') && level != "+" {
                return Err(FilterError::PlusInsideLevel);
            }
        }
        Ok(Self { text: text.to_owned() })
    }

    /// The filter as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether a message on `topic` is seen by this filter.
    ///
    /// As in AWS IoT, `plant/#` doesn't match `plant` itself; wildcards in first place exclude topics that start
    /// with `$` `[MQTT-4.7.2-1]`.
    pub fn matches(&self, topic: &str) -> bool {
        if topic.starts_with('$') && (self.text.starts_with('#') || self.text.starts_with('+')) {
            return false;
        }
        let mut levels = topic.split('/');
        for wanted in self.text.split('/') {
            match (wanted, levels.next()) {
                ("#", level) => return level.is_some(),
                (_, None) => return false,
                ("+", Some(_)) => {}
                (wanted, Some(level)) if wanted == level => {}
                _ => return false,
            }
        }
        levels.next().is_none()
    }
}

impl std::fmt::Display for TopicFilter {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.text)
    }
}

/// A topic of Basic Ingest taken apart: `$aws/rules/{rule}/{rest}` goes to that one rule, past the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BasicIngest<'t> {
    /// The rule that alone gets the message.
    pub rule: &'t str,
    /// What `topic()` shows; empty when the topic ends with the rule's name.
    pub rest: &'t str,
}

/// Takes a Basic Ingest topic apart; `None` for every other topic and for a missing rule name.
pub fn basic_ingest(topic: &str) -> Option<BasicIngest<'_>> {
    let after = topic.strip_prefix("$aws/rules/")?;
    let (rule, rest) = after.split_once('/').unwrap_or((after, ""));
    (!rule.is_empty()).then_some(BasicIngest { rule, rest })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(filter: &str, topic: &str) -> bool {
        TopicFilter::parse(filter).unwrap().matches(topic)
    }

    #[test]
    fn filters_match_as_in_aws_iot() {
        assert!(matches("plant/#", "plant/a/b"));
        assert!(matches("plant/#", "plant/"));
        assert!(!matches("plant/#", "plant"));
        assert!(matches("plant/+/telemetry", "plant/kiln/telemetry"));
        assert!(!matches("plant/+", "plant/a/b"));
        assert!(matches("+", ""));
        assert!(!matches("Plant/a", "plant/a"));
    }

    #[test]
    fn leading_wildcards_do_not_see_dollar_topics() {
        assert!(!matches("#", "$aws/things/a"));
        assert!(!matches("+/things/a", "$aws/things/a"));
        assert!(matches("$aws/#", "$aws/things/a"));
        assert!(matches("a/#", "a/$b"));
    }

    #[test]
    fn bad_filters_are_refused() {
        assert_eq!(TopicFilter::parse(""), Err(FilterError::Empty));
        assert_eq!(TopicFilter::parse("a/#/b"), Err(FilterError::HashNotLast));
        assert_eq!(TopicFilter::parse("a#"), Err(FilterError::HashNotLast));
        assert_eq!(TopicFilter::parse("a/b+"), Err(FilterError::PlusInsideLevel));
        assert_eq!(TopicFilter::parse("a\0"), Err(FilterError::Nul));
        assert!(matches!(TopicFilter::parse(&"a".repeat(70_000)), Err(FilterError::TooLong { .. })));
    }

    #[test]
    fn basic_ingest_topics_come_apart() {
        assert_eq!(basic_ingest("$aws/rules/Hall/a/b"), Some(BasicIngest { rule: "Hall", rest: "a/b" }));
        assert_eq!(basic_ingest("$aws/rules/Hall"), Some(BasicIngest { rule: "Hall", rest: "" }));
        assert_eq!(basic_ingest("$aws/rules//a"), None);
        assert_eq!(basic_ingest("aws/rules/Hall/a"), None);
    }
}
