//! Whether FROM lets a topic through, and which level differs if not.

use super::TopicVerdict;
use crate::filter::TopicFilter;
use crate::message::Message;

pub(super) fn verdict(filter: Option<&TopicFilter>, message: &Message<'_>) -> TopicVerdict {
    let topic = message.topic();
    let (matches, why) = match filter {
        _ if message.is_basic_ingest() => {
            (true, Some("Basic Ingest names the rule, so FROM is not asked".to_owned()))
        }
        None => (false, Some("the rule has no FROM: only Basic Ingest reaches it".to_owned())),
        Some(filter) if filter.matches(topic) => (true, None),
        Some(filter) => (false, Some(difference(filter.as_str(), topic))),
    };
    TopicVerdict { filter: filter.map(ToString::to_string), topic: topic.to_owned(), matches, why }
}

/// The first level in which a topic isn't what a filter wants.
fn difference(filter: &str, topic: &str) -> String {
    if topic.starts_with('$') && (filter.starts_with('#') || filter.starts_with('+')) {
        return "the topic begins with `$`, which no wildcard at the first level matches".to_owned();
    }
    let mut levels = topic.split('/');
    let mut count = 0;
    for wanted in filter.split('/') {
        match (wanted, levels.next()) {
            (wanted, None) => {
                return format!(
                    "the topic ends after level {count}; the rule wants `{wanted}` at level {}",
                    count + 1
                );
            }
            (wanted, Some(level)) if wanted != "+" && wanted != "#" && wanted != level => {
                return format!("level {} of the topic is `{level}`; the rule wants `{wanted}`", count + 1);
            }
            _ => count += 1,
        }
    }
    format!("the topic has more than the {count} levels that the rule wants")
}
