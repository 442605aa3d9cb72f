//! Who is due a message.

use super::client::Subscription;
use super::ledger::{Due, Routed};
use super::{CLIENTS, Retained, World, topics};
use broker::Message;
use mqtt::Qos;
use std::collections::BTreeSet;

impl World {
    /// Decided when a message is received.
    pub(super) fn route(&self, message: &Message) -> Routed {
        let mut routed = Routed { plain: Vec::new(), groups: Vec::new() };
        let mut groups = BTreeSet::new();
        for client in &self.clients {
            let Some(session) = &client.session else { continue };
            let is_own = *client.id == *message.publisher;
            let mut due: Option<Due> = None;
            for held in session.hearing(&message.topic, is_own) {
                let next = copy(session.number, held, message);
                due = Some(match due {
                    None => next,
                    Some(due) => merged(due, next),
                });
            }
            routed.plain.extend(due);
            let shared = session.subscriptions.keys().filter(|filter| topics::is_shared(filter));
            groups.extend(shared.filter(|filter| topics::matches(filter, &message.topic)).cloned());
        }
        routed.groups.extend(groups);
        routed
    }

    /// Sessions that subscribed between the receipt of a retained message and its commit get it as a live one.
    pub(super) fn add_late(&self, message: &Message, routed: &mut Routed) {
        if !message.retain {
            return;
        }
        for at in 0..CLIENTS {
            let Some(session) = &self.clients[at].session else { continue };
            let is_own = *self.clients[at].id == *message.publisher;
            if routed.plain.iter().any(|due| due.session == session.number) {
                continue;
            }
            let copies =
                session.hearing(&message.topic, is_own).map(|held| copy(session.number, held, message));
            routed.plain.extend(copies.reduce(merged).map(|due| Due { is_exact: false, ..due }));
        }
    }

    /// Keeps or clears the retained message of a topic.
    pub(super) fn retain(&mut self, label: &str, message: &Message) {
        if !message.retain {
            return;
        }
        let topic = message.topic.to_string();
        if message.payload.is_empty() || message.expires_at_ms.is_some_and(|at| at <= self.stage.now_ms) {
            self.retained.remove(&topic);
        } else if self.retained.contains_key(&topic)
            || self.retained.len() < self.limits.retained_messages_max
        {
            let kept = Retained {
                label: label.to_owned(),
                publisher: message.publisher.to_string(),
                expires_at_ms: message.expires_at_ms,
            };
            self.retained.insert(topic, kept);
        }
    }
}

fn copy(session: usize, held: &Subscription, message: &Message) -> Due {
    Due {
        session,
        qos: message.qos.min(held.options.qos),
        retain: message.retain && held.options.retain_as_published,
        identifiers: (held.identifier != 0).then_some(held.identifier).into_iter().collect(),
        is_exact: true,
    }
}

/// One copy for a client with several subscriptions that match `[MQTT-3.3.4-2]` `[MQTT-3.3.4-3]`.
fn merged(mut one: Due, other: Due) -> Due {
    one.qos = Qos::max(one.qos, other.qos);
    one.retain |= other.retain;
    one.identifiers.extend(other.identifiers);
    one
}
