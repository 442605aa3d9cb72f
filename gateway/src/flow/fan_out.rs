//! Step 6: what was committed reaches MQTT subscribers, and the publisher its acknowledgement.

use super::commit::Accepted;
use crate::client::Client;
use crate::gateway::Gateway;
use broker::{Answer, Change, Session};
use bytes::BytesMut;
use mqtt::{Packet, ReasonCode, Version};

/// What is to be done with the connection after an acknowledgement.
#[derive(Debug)]
pub(super) enum Next {
    GoOn,
    Close(broker::Violation),
}

/// Hands the copies of a message that is durable, or need not be, to the sessions that get it. What comes back is to be persisted, with no
/// hurry: it says only which copies are owed no more, or by whom.
pub(super) fn fan_out(gateway: &Gateway, accepted: &Accepted) -> Vec<Change> {
    let Some(route) = &accepted.route else { return Vec::new() };
    let offset = accepted.offset.map(|offset| offset.0);
    gateway.broker.deliver(route, &accepted.message, offset, gateway.now_ms()).changes
}

/// Writes the PUBACK or PUBREC of a message, in the order in which the messages came `[MQTT-4.6.0-2]`.
pub(super) fn acknowledge(
    session: &Session<Client>,
    accepted: Accepted,
    reason: ReasonCode,
    told: &str,
    out: &mut BytesMut,
) -> Next {
    let Some(token) = accepted.token else { return Next::GoOn };
    match session.acknowledge(token, reason, told) {
        Answer::Send(packet) => {
            encode(&packet, session.version(), out);
            Next::GoOn
        }
        Answer::Close(violation) => Next::Close(violation),
        Answer::Nothing => Next::GoOn,
    }
}

/// Writes a packet that the gateway itself made.
pub(super) fn encode(packet: &Packet, version: Version, out: &mut BytesMut) {
    if let Err(error) = mqtt::encode(packet, version, out) {
        tracing::error!(%error, "a packet of our own could not be encoded");
    }
}
