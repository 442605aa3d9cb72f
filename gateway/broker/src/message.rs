//! An application message, independent of the packet it came in and of those it leaves in.

use bytes::{Bytes, BytesMut};
use mqtt::{Properties, Publish, Qos, Text, Will};
use std::sync::Arc;

/// An application message: what all copies of it share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Topic name, never empty, without wildcards.
    pub topic: Text,
    /// Payload; empty together with `retain` clears the retained message.
    pub payload: Bytes,
    /// Quality of service it was published with.
    pub qos: Qos,
    /// Whether it was published with the retain flag.
    pub retain: bool,
    /// The properties that travel on, in the order sent. A message expiry among them is what the publisher said; what a subscriber is
    /// told is counted down from `expires_at_ms`.
    pub properties: Properties,
    /// When it expires, in milliseconds since the Unix epoch `[MQTT-3.3.2-5]`.
    pub expires_at_ms: Option<u64>,
    /// Client identifier of the publisher, for No Local; empty for the server's own messages.
    pub publisher: Arc<str>,
}

impl Message {
    /// The message in `publish`, whose topic must be resolved (as [`crate::Incoming::publish`] is). Shares its bytes.
    pub fn of(publish: &Publish, publisher: Arc<str>, now_ms: u64) -> Self {
        Self {
            topic: publish.topic.clone(),
            payload: publish.payload.clone(),
            qos: publish.qos,
            retain: publish.retain,
            properties: publish.properties.forwarded(),
            expires_at_ms: expires_at_ms(&publish.properties, now_ms),
            publisher,
        }
    }

    /// The message a will becomes when it is published at `now_ms`; its expiry interval starts then.
    pub fn of_will(will: &Will, publisher: Arc<str>, now_ms: u64) -> Self {
        Self {
            topic: will.topic.clone(),
            payload: will.payload.clone(),
            qos: will.qos,
            retain: will.retain,
            properties: will.properties.forwarded(),
            expires_at_ms: expires_at_ms(&will.properties, now_ms),
            publisher,
        }
    }

    /// Bytes of topic, payload and properties: what queue limits count.
    pub fn bytes(&self) -> usize {
        self.topic.as_bytes().len() + self.payload.len() + self.properties.len_bytes()
    }

    /// Whether its expiry has passed.
    pub fn is_expired(&self, now_ms: u64) -> bool {
        self.expires_at_ms.is_some_and(|at| at <= now_ms)
    }

    /// The same message in memory of its own, for keeping: slices of the read buffer would keep the whole buffer alive.
    pub(crate) fn detached(&self) -> Self {
        let topic_bytes = self.topic.as_bytes().len();
        let mut memory = BytesMut::with_capacity(topic_bytes + self.payload.len());
        memory.extend_from_slice(self.topic.as_bytes());
        memory.extend_from_slice(&self.payload);
        let mut memory = memory.freeze();
        let topic = Text::from_bytes(memory.split_to(topic_bytes)).unwrap_or_else(|_| self.topic.clone());
        Self { topic, payload: memory, properties: self.properties.detached(), ..self.clone() }
    }
}

fn expires_at_ms(properties: &Properties, now_ms: u64) -> Option<u64> {
    let secs = properties.message_expiry_secs()?;
    Some(now_ms.saturating_add(u64::from(secs) * 1_000))
}
