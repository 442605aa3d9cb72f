//! A publish as rules see it.

use super::draws::Draws;
use crate::client::Client;
use crate::flow::outside::Desk;
use crate::gateway::Gateway;
use bytes::Bytes;
use mqtt::{Properties, Publish, Text};
use rules::outside::Answers;
use rules::{Message, PublishProperties};
use uuid::Uuid;

/// What rules find beside the publish itself.
pub(super) struct Surroundings<'m> {
    pub(super) draws: &'m Draws,
    pub(super) desk: &'m Desk<'m>,
    pub(super) answers: &'m Answers,
}

/// What rules are told about `publish`; `held` lends it the properties of the packet.
pub(super) fn describe<'m>(
    gateway: &'m Gateway,
    client: Option<&'m Client>,
    publish: &'m Publish,
    held: &'m Held,
    now_ms: u64,
    surroundings: &Surroundings<'m>,
) -> Message<'m> {
    let mut message = Message::new(&publish.topic, &publish.payload, now_ms, surroundings.draws);
    message.outside = surroundings.desk;
    message.answers = Some(surroundings.answers);
    // A publish by request has none.
    message.client_id = client.map(Client::client_id).filter(|client_id| !client_id.is_empty());
    message.principal = client.map(Client::principal_name);
    message.source_ip = client.map(Client::source_ip);
    message.account_id = Some(&gateway.settings.raw.account_id);
    message.trace_id = Some(&held.trace_id);
    message.properties = held.lend();
    message
}

/// What a statement may ask of the packet beside topic and payload, held while the rules look at it.
#[derive(Default)]
pub(super) struct Held {
    /// The message's id, with which the ids of its events begin.
    trace_id: String,
    content_type: Option<Text>,
    payload_is_utf8: Option<bool>,
    response_topic: Option<Text>,
    correlation_data: Option<Bytes>,
    user_properties: Vec<(Text, Text)>,
}

impl Held {
    pub(super) fn of(properties: &Properties, base: Uuid) -> Self {
        let trace_id = base.to_string();
        if properties.is_empty() {
            return Self { trace_id, ..Self::default() };
        }
        Self {
            trace_id,
            content_type: properties.content_type(),
            payload_is_utf8: properties.payload_is_utf8(),
            response_topic: properties.response_topic(),
            correlation_data: properties.correlation_data(),
            user_properties: properties.user_properties().collect(),
        }
    }

    fn lend(&self) -> PublishProperties<'_> {
        PublishProperties {
            content_type: self.content_type.as_deref(),
            payload_is_utf8: self.payload_is_utf8,
            response_topic: self.response_topic.as_deref(),
            correlation_data: self.correlation_data.as_deref(),
            user_properties: self.user_properties.iter().map(|(name, value)| (&**name, &**value)).collect(),
        }
    }
}
