//! A message for whoever follows a rule: as it came, and explained once more away from its connection.

use super::describe::{Held, Surroundings, describe};
use super::draws::Draws;
use crate::client::Client;
use crate::flow::outside::Desk;
use crate::gateway::Gateway;
use bus::Record;
use mqtt::Publish;
use rules::Explanation;
use rules::definition::{Definition, Filled};
use rules::outside::Answers;
use uuid::Uuid;

/// A message as it came.
#[derive(Debug)]
pub(crate) struct Seen {
    client: Option<Client>,
    publish: Publish,
    base: Uuid,
    accepted_at_ms: u64,
}

/// What a rule makes of a message.
pub(crate) struct Explained {
    pub(crate) explanation: Explanation,
    /// The settings of each action that gets the result.
    pub(crate) actions: Vec<Vec<Filled>>,
}

/// Hands the message to those who follow a rule that it is about.
#[cold]
pub(super) fn show(gateway: &Gateway, client: Option<&Client>, publish: &Publish, record: &Record) {
    let active = gateway.definitions.active();
    let seen = || Seen {
        client: client.cloned(),
        publish: publish.clone(),
        base: record.base,
        accepted_at_ms: record.accepted_at_ms,
    };
    let rule = |name: &str| active.get(name).map(AsRef::as_ref);
    gateway.traces.show(&publish.topic, client.map(Client::client_id), rule, seen);
}

impl Seen {
    /// The topic that it was published to.
    pub(crate) fn topic(&self) -> &str {
        &self.publish.topic
    }

    /// Who published it; `None` for the gateway itself.
    pub(crate) fn client_id(&self) -> Option<&str> {
        self.client.as_ref().map(Client::client_id)
    }

    /// The payload.
    pub(crate) fn payload(&self) -> &[u8] {
        &self.publish.payload
    }

    /// Its length.
    pub(crate) fn payload_bytes(&self) -> usize {
        self.publish.payload.len()
    }

    /// When it came, in milliseconds since 1970.
    pub(crate) fn accepted_at_ms(&self) -> u64 {
        self.accepted_at_ms
    }

    /// The id of the event that `rule` makes of it, if it makes one.
    pub(crate) fn event_id(&self, rule: &str) -> String {
        format!("{}:{rule}", self.base)
    }

    /// What `rule` makes of it. Blocks for as long as a large statement takes. What is drawn at random is drawn again, and functions
    /// outside the gateway are not called again.
    pub(crate) fn explain(&self, gateway: &Gateway, rule: &Definition) -> Explained {
        let (draws, answers) = (Draws::default(), Answers::default());
        let desk = Desk::new(gateway, Some("a trace calls no function"));
        let held = Held::of(&self.publish.properties, self.base);
        let surroundings = Surroundings { draws: &draws, desk: &desk, answers: &answers };
        let message =
            describe(gateway, self.client.as_ref(), &self.publish, &held, self.accepted_at_ms, &surroundings);
        let explanation = rule.statement.explain(&message);
        let actions = match explanation.is_match() {
            true => rule.actions.iter().map(|action| action.filled(&message)).collect(),
            false => Vec::new(),
        };
        Explained { explanation, actions }
    }

    #[cfg(test)]
    pub(crate) fn of_payload(payload: &'static [u8]) -> Self {
        let publish = Publish {
            dup: false,
            qos: mqtt::Qos::AtMostOnce,
            retain: false,
            topic: mqtt::Text::from_static("plant/a").unwrap(),
            packet_id: None,
            properties: mqtt::Properties::default(),
            payload: bytes::Bytes::from_static(payload),
        };
        Self { client: None, publish, base: Uuid::nil(), accepted_at_ms: 0 }
    }
}
