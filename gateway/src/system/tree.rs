//! The topics below `$SYS/broker/`, with the names and meanings of Mosquitto. To add one, add a line.

use super::numbers::Numbers;
use mqtt::PacketType;

/// One value: its topic below `$SYS/broker/`, and what it is now. A value that the system does not tell has no topic.
pub(super) type Value = (&'static str, fn(&Numbers) -> Option<u64>);

/// What is counted or measured.
pub(super) const VALUES: &[Value] = &[
    ("clients/total", |n| Some(n.broker.sessions)),
    ("clients/connected", |n| Some(n.broker.connected)),
    ("clients/active", |n| Some(n.broker.connected)),
    ("clients/disconnected", |n| Some(n.broker.sessions.saturating_sub(n.broker.connected))),
    ("clients/inactive", |n| Some(n.broker.sessions.saturating_sub(n.broker.connected))),
    ("clients/maximum", |n| Some(n.clients_most)),
    ("clients/expired", |n| Some(n.sessions_expired)),
    ("connections/socket/count", |n| Some(n.sockets)),
    ("bytes/received", |n| Some(n.received.bytes)),
    ("bytes/sent", |n| Some(n.sent.bytes)),
    ("messages/received", |n| Some(n.received.packets_all())),
    ("messages/sent", |n| Some(n.sent.packets_all())),
    ("messages/inflight", |n| Some(n.broker.in_flight)),
    ("messages/stored", |n| Some(n.stored_messages())),
    ("store/messages/count", |n| Some(n.stored_messages())),
    ("store/messages/bytes", |n| Some(n.broker.retained_bytes + n.broker.queued_bytes)),
    ("publish/messages/received", |n| Some(n.received.packets(PacketType::Publish))),
    ("publish/messages/sent", |n| Some(n.sent.packets(PacketType::Publish))),
    ("publish/messages/dropped", |n| Some(n.dropped)),
    ("publish/bytes/received", |n| Some(n.published_bytes)),
    ("publish/bytes/sent", |n| Some(n.broker.sent_payload_bytes)),
    ("packet/out/count", |n| Some(n.broker.queued_messages)),
    ("packet/out/bytes", |n| Some(n.broker.queued_bytes)),
    ("subscriptions/count", |n| Some(n.broker.subscriptions)),
    ("shared_subscriptions/count", |n| Some(n.broker.shared_subscriptions)),
    ("retained messages/count", |n| Some(n.broker.retained_messages)),
    ("heap/current", |n| n.memory.map(|memory| memory.resident_bytes)),
    ("heap/maximum", |n| n.memory.map(|memory| memory.resident_bytes_most)),
];

/// A counter: the name of its averages, and how far it is.
pub(super) type Counter = (&'static str, fn(&Numbers) -> u64);

/// What has moving averages below `load/…/1min`, `5min` and `15min`.
pub(super) const LOADS: &[Counter] = &[
    ("messages/received", |n| n.received.packets_all()),
    ("messages/sent", |n| n.sent.packets_all()),
    ("publish/received", |n| n.received.packets(PacketType::Publish)),
    ("publish/sent", |n| n.sent.packets(PacketType::Publish)),
    ("publish/dropped", |n| n.dropped),
    ("bytes/received", |n| n.received.bytes),
    ("bytes/sent", |n| n.sent.bytes),
    ("sockets", |n| n.sockets),
    ("connections", |n| n.received.packets(PacketType::Connect)),
];

/// Packets counted by type below `mqtt/{type}/received`.
pub(super) const RECEIVED: &[PacketType] = &[
    PacketType::Connect,
    PacketType::Publish,
    PacketType::PubAck,
    PacketType::PubRec,
    PacketType::PubRel,
    PacketType::PubComp,
    PacketType::Subscribe,
    PacketType::Unsubscribe,
    PacketType::PingReq,
    PacketType::Disconnect,
    PacketType::Auth,
];

/// Packets counted by type below `mqtt/{type}/sent`.
pub(super) const SENT: &[PacketType] = &[
    PacketType::ConnAck,
    PacketType::Publish,
    PacketType::PubAck,
    PacketType::PubRec,
    PacketType::PubRel,
    PacketType::PubComp,
    PacketType::SubAck,
    PacketType::UnsubAck,
    PacketType::PingResp,
    PacketType::Disconnect,
    PacketType::Auth,
];
