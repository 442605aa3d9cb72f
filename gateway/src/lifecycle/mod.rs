//! Lifecycle events in the form of AWS IoT: who connects, who leaves and why, who subscribes to what.
//!
//! They are published below `$aws/events/` by the gateway itself (see [`crate::flow::announce`]). While no rule and no subscription names a
//! topic that begins with `$`, nothing is made. Client ids that hold `+` or `#` have no events, as in AWS IoT: no topic can name them.

mod presence;
mod reason;

pub(crate) use presence::{Presence, Versions};
pub(crate) use reason::DisconnectReason;

use crate::client::Client;
use crate::flow::announce::Announcement;
use crate::gateway::Gateway;
use broker::Session;
use mqtt::{Qos, Text};
use serde::Serialize;
use std::sync::Arc;
use uuid::Uuid;

/// One event; what a kind of event does not have is left out.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    client_id: &'a str,
    /// Milliseconds since the Unix epoch.
    timestamp: u64,
    event_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    connect_failure_reason: Option<&'static str>,
    session_identifier: Uuid,
    principal_identifier: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip_address: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_initiated_disconnect: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disconnect_reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version_number: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    topics: Option<&'a [&'a str]>,
}

/// How the class of an event is called in its topic.
const PRESENCE: &str = "presence";
const SUBSCRIPTIONS: &str = "subscriptions";

impl<'a> Event<'a> {
    fn new(
        gateway: &Gateway,
        client: &'a Client,
        session_identifier: Uuid,
        event_type: &'static str,
    ) -> Self {
        Self {
            client_id: client.client_id(),
            timestamp: gateway.now_ms(),
            event_type,
            connect_failure_reason: None,
            session_identifier,
            principal_identifier: client.principal_identifier(),
            ip_address: None,
            client_initiated_disconnect: None,
            disconnect_reason: None,
            version_number: None,
            topics: None,
        }
    }

    fn leave(&self, gateway: &Gateway, class: &str, about: &Arc<str>) {
        let topic = format!("$aws/events/{class}/{}/{}", self.event_type, self.client_id);
        // A topic is shorter than 64 KiB, and a client id may be as long.
        let Ok(topic) = Text::try_from(topic) else { return };
        let payload = serde_json::to_vec(self).expect("an event has only texts and numbers");
        gateway.announcements.leave(Announcement::new(about, topic, payload, Qos::AtLeastOnce, false));
    }
}

/// Whether anybody could want an event about this client: the one check when nobody does.
fn is_wanted(gateway: &Gateway, client: &Client) -> bool {
    let heard = gateway.broker.hears_reserved() || gateway.definitions.active().selects_reserved();
    heard && !client.client_id().contains(['+', '#'])
}

/// The part that a new connection has in events.
pub(crate) fn arriving(gateway: &Gateway) -> Presence {
    Presence::new(gateway.versions.next(gateway.now_ms()))
}

/// A connection was let in and its client is about to be told.
pub(crate) fn connected(gateway: &Gateway, client: &Client, session: &Session<Client>) {
    let presence = client.presence();
    let connection = (!session.is_durable()).then_some(presence.version_number);
    let session = presence::session_identifier(client.client_id(), session.key().0, connection);
    presence.begin(session, || {
        if !is_wanted(gateway, client) {
            return;
        }
        let mut event = Event::new(gateway, client, session, "connected");
        event.ip_address = Some(client.source_ip());
        event.version_number = Some(presence.version_number);
        event.leave(gateway, PRESENCE, client.shared_client_id());
    });
}

/// A connection is over, for the reason given. The first to notice says so: the connection itself, or the one that took its session.
pub(crate) fn disconnected(gateway: &Gateway, client: &Client, reason: DisconnectReason) {
    let presence = client.presence();
    presence.end(|session| {
        if !is_wanted(gateway, client) {
            return;
        }
        let mut event = Event::new(gateway, client, session, "disconnected");
        event.client_initiated_disconnect = Some(reason == DisconnectReason::ClientInitiatedDisconnect);
        event.disconnect_reason = Some(reason.word());
        event.version_number = Some(presence.version_number);
        event.leave(gateway, PRESENCE, client.shared_client_id());
    });
}

/// A client that showed who it is was not allowed to connect as it wanted to, or to leave its will.
pub(crate) fn connect_failed(gateway: &Gateway, client: &Client) {
    if is_wanted(gateway, client) {
        let mut event = Event::new(gateway, client, Uuid::new_v4(), "connect_failed");
        event.connect_failure_reason = Some("AUTHORIZATION_FAILED");
        event.ip_address = Some(client.source_ip());
        event.leave(gateway, PRESENCE, client.shared_client_id());
    }
}

/// A client subscribed to these filters.
pub(crate) fn subscribed<'a>(gateway: &Gateway, client: &Client, topics: impl Iterator<Item = &'a str>) {
    subscription(gateway, client, "subscribed", topics);
}

/// A client unsubscribed from these filters.
pub(crate) fn unsubscribed<'a>(gateway: &Gateway, client: &Client, topics: impl Iterator<Item = &'a str>) {
    subscription(gateway, client, "unsubscribed", topics);
}

fn subscription<'a>(
    gateway: &Gateway,
    client: &Client,
    event_type: &'static str,
    topics: impl Iterator<Item = &'a str>,
) {
    if !is_wanted(gateway, client) {
        return;
    }
    let topics: Vec<&str> = topics.collect();
    let Some(session) = client.presence().session().filter(|_| !topics.is_empty()) else { return };
    let mut event = Event::new(gateway, client, session, event_type);
    event.topics = Some(&topics);
    event.leave(gateway, SUBSCRIPTIONS, client.shared_client_id());
}
