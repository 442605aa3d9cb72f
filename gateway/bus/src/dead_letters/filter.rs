//! Which dead letters are meant.

use super::DeadLetter;
use crate::TargetName;

/// Which dead letters are meant. An empty filter means all; of a filter with several conditions all must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeadLetterFilter {
    /// Only of this target.
    pub target: Option<TargetName>,
    /// Only of this rule.
    pub rule: Option<String>,
    /// Only with this error code.
    pub error_code: Option<String>,
    /// Only those that failed last at this time or later, milliseconds since the Unix epoch.
    pub from_ms: Option<u64>,
    /// Only those that failed last before this time.
    pub to_ms: Option<u64>,
    /// Only those whose topic contains this text.
    pub topic: Option<String>,
    /// Only those whose partition key contains this text.
    pub key: Option<String>,
}

impl DeadLetterFilter {
    /// Whether this letter is meant, of whatever target it is.
    pub(super) fn matches(&self, letter: &DeadLetter) -> bool {
        let is =
            |wanted: &Option<String>, actual: &str| wanted.as_ref().is_none_or(|wanted| wanted == actual);
        let contains = |wanted: &Option<String>, actual: &str| {
            wanted.as_ref().is_none_or(|wanted| actual.contains(wanted.as_str()))
        };
        let (delivery, failure) = (&letter.delivery, &letter.failure);
        let failed_ms = failure.last_failed_at_ms;
        is(&self.rule, &delivery.rule)
            && is(&self.error_code, &failure.error_code)
            && self.from_ms.is_none_or(|from_ms| failed_ms >= from_ms)
            && self.to_ms.is_none_or(|to_ms| failed_ms < to_ms)
            && contains(&self.topic, &delivery.topic)
            && contains(&self.key, &delivery.partition_key)
    }
}
