//! Commands to a device, and its answers.

use super::super::load::Message;
use super::super::role::{micros, qos};
use super::{Device, Turn};
use crate::wire::{Publish, Qos};

/// Answers that a device keeps in mind; commands beyond that are not answered.
const ANSWERS_MAX: usize = 1000;

/// An answer that is being thought about.
#[derive(Debug)]
pub(super) struct Thought {
    pub(super) due: u64,
    topic: Box<str>,
    /// What the command wants to see again.
    correlation: Option<Box<[u8]>>,
}

impl Device {
    /// Notes what is to be answered, if a message is a command.
    pub(super) fn think(&mut self, command: &Publish<'_>, now: u64) {
        let Some(answer) = &self.role.fleet.answer else { return };
        let identity = self.role.identity(self.place, &self.name);
        if self.thoughts.len() >= ANSWERS_MAX || !matches(&answer.filter.render(&identity), command.topic) {
            return;
        }
        let own = answer.topic.as_ref().map(|topic| topic.render(&identity));
        let Some(topic) = own.or_else(|| command.response_topic.map(str::to_owned)) else { return };
        self.thoughts.push_back(Thought {
            due: now + micros(answer.after),
            topic: topic.into(),
            correlation: command.correlation.map(Into::into),
        });
    }

    /// Whether an answer is due and may be written.
    pub(super) fn may_answer(&self, now: u64) -> bool {
        let Some(answer) = &self.role.fleet.answer else { return false };
        let room = qos(answer.qos) == Qos::AtMostOnce || self.flight.len() < self.flying_max;
        room && self.thoughts.front().is_some_and(|thought| thought.due <= now)
    }

    /// The next answer.
    pub(super) fn answer(&mut self, turn: &mut Turn<'_>) -> Option<Message> {
        let answer = self.role.fleet.answer.as_ref()?;
        let Thought { due, topic, correlation } = self.thoughts.pop_front()?;
        let payload = answer.payload.render(&self.role.identity(self.place, &self.name)).into_bytes();
        turn.tally.answered += 1;
        Some(Message::answer(due, qos(answer.qos), topic, correlation, payload))
    }
}

/// Whether a topic is one of those that a filter stands for [MQTT-4.7].
fn matches(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let (mut levels, mut names) = (filter.split('/'), topic.split('/'));
    loop {
        match (levels.next(), names.next()) {
            (Some("#"), _) | (None, None) => return true,
            (Some(level), Some(name)) if level == "+" || level == name => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_stand_for_topics() {
        for (filter, topic, expected) in [
            ("a/b", "a/b", true),
            ("a/+", "a/b", true),
            ("a/+", "a/b/c", false),
            ("a/#", "a", true),
            ("a/#", "a/b/c", true),
            ("#", "$SYS/x", false),
            ("+/b", "a/b", true),
            ("a/b", "a", false),
            ("a", "a/b", false),
        ] {
            assert_eq!(matches(filter, topic), expected, "{filter} {topic}");
        }
    }
}
