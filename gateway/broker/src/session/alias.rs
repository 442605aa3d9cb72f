//! Topic aliases of one connection, both ways `[MQTT-3.3.2-7]`.

use crate::Violation;
use mqtt::{ReasonCode, Text};
use std::collections::HashMap;

/// Aliases the client set up.
#[derive(Debug, Default)]
pub(crate) struct Inbound(Vec<Option<Text>>);

impl Inbound {
    /// Sets or resolves an alias: `topic` is empty when the alias stands for it.
    pub(crate) fn resolve(&mut self, alias: u16, topic: &Text, aliases_max: u16) -> Result<Text, Violation> {
        if alias == 0 || alias > aliases_max {
            return Err(Violation::new(
                ReasonCode::TopicAliasInvalid,
                "topic alias above the maximum",
                "MQTT-3.3.2-9",
            ));
        }
        let at = usize::from(alias) - 1;
        if topic.is_empty() {
            return self.0.get(at).cloned().flatten().ok_or(Violation::new(
                ReasonCode::ProtocolError,
                "topic alias that was not set up on this connection",
                "3.3.2.3.4",
            ));
        }
        if self.0.len() <= at {
            self.0.resize(at + 1, None);
        }
        if self.0[at].as_ref() != Some(topic) {
            // A copy of its own: the packet's slice would keep the whole read buffer alive.
            self.0[at] = Text::try_from(topic.as_str()).ok();
        }
        Ok(topic.clone())
    }
}

/// Aliases this server set up. An alias belongs to a topic, never to a filter.
#[derive(Debug, Default)]
pub(crate) struct Outbound {
    by_topic: HashMap<Box<str>, u16>,
}

/// How to name a topic in an outbound PUBLISH.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Naming {
    /// By its text alone.
    Topic,
    /// By its text, setting up this alias.
    Introduce(u16),
    /// By this alias alone.
    Alias(u16),
}

impl Outbound {
    /// How to name `topic` when the client accepts aliases up to `aliases_max`. First come, first served: an alias is never given to
    /// another topic, so its cost is a lookup.
    pub(crate) fn naming(&self, topic: &str, aliases_max: u16) -> Naming {
        if aliases_max == 0 {
            return Naming::Topic;
        }
        match self.by_topic.get(topic) {
            Some(alias) => Naming::Alias(*alias),
            None if self.by_topic.len() < usize::from(aliases_max) => {
                Naming::Introduce(u16::try_from(self.by_topic.len() + 1).unwrap_or(u16::MAX))
            }
            None => Naming::Topic,
        }
    }

    /// Remembers an alias whose introduction was written.
    pub(crate) fn introduced(&mut self, topic: &str, alias: u16) {
        self.by_topic.insert(topic.into(), alias);
    }
}
