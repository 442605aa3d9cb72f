//! Step 6: what was committed reaches MQTT subscribers, and the publisher its acknowledgement.

use super::commit::Accepted;
use super::fit::fit;
use super::wills;
use crate::client::Client;
use crate::connection::Transport;
use crate::gateway::Gateway;
use broker::{Answer, Change, Overflowed, Session};
use bytes::BytesMut;
use mqtt::{Packet, ReasonCode, Version};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};

/// What is to be done with the connection after an acknowledgement.
#[derive(Debug)]
pub(super) enum Next {
    GoOn,
    Close(broker::Violation),
}

/// Hands the copies of a message that is durable, or need not be, to the sessions that get it. What comes back is to be persisted before
/// the publisher is told that its message was taken: which copies are owed no more, or by whom, and which sessions ended.
pub(super) fn fan_out(gateway: &Arc<Gateway>, accepted: &Accepted) -> Vec<Change> {
    let Some(delivery) = &accepted.delivery else { return Vec::new() };
    let offset = accepted.offset.map(|offset| offset.0);
    let delivered = gateway.broker.deliver(&delivery.route, &delivery.message, offset, gateway.now_ms());
    for overflowed in delivered.overflowed {
        bury(gateway, overflowed);
    }
    delivered.changes
}

/// Says that a session ended because its client could not keep up, and publishes its will. A task of its own: the publisher does not wait
/// for it, and there is at most one for each session.
fn bury(gateway: &Arc<Gateway>, overflowed: Overflowed<Client>) {
    let Overflowed { client_id, copies_lost, will } = overflowed;
    let advice = "see why the client is slow, or raise `mqtt.queued_messages_per_client_max` and `mqtt.queued_bytes_per_client_max`";
    tracing::warn!(%client_id, copies_lost, advice, "session ended, its queue was full");
    let Some(will) = will else { return };
    let gateway = Arc::clone(gateway);
    gateway.connection_tasks.clone().spawn(async move { wills::publish(&gateway, will).await });
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

/// Writes a packet of the gateway's own if the client takes packets of that size. Whether it does.
pub(super) fn encode_within(
    packet: Packet,
    version: Version,
    transport: &mut Transport<impl AsyncRead + AsyncWrite + Unpin>,
) -> bool {
    let bytes_max = transport.peer_packet_bytes_max();
    let fitting = if bytes_max == usize::MAX { Some(packet) } else { fit(packet, version, bytes_max) };
    let Some(packet) = fitting else { return false };
    encode(&packet, version, transport.output());
    true
}

/// Writes a packet that the gateway itself made.
pub(super) fn encode(packet: &Packet, version: Version, out: &mut BytesMut) {
    if let Err(error) = mqtt::encode(packet, version, out) {
        tracing::error!(%error, "a packet of our own could not be encoded");
    }
}
