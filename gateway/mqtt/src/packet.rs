//! The fifteen packets, in the form both versions share.
//!
//! A field that only MQTT 5 carries is empty ([`Properties::default`], [`ReasonCode::Success`]) in a packet of MQTT 3.1.1, and is left
//! out when one is encoded for it. Text, payload and properties are slices of the buffer the packet was read from.

use crate::{PacketId, PacketType, Properties, Qos, ReasonCode, Text};
use bytes::Bytes;

/// The protocol versions served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// MQTT 3.1.1, protocol level 4.
    V3_1_1,
    /// MQTT 5, protocol version 5.
    V5,
}

/// Any packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet {
    /// Type 1, client to server.
    Connect(Box<Connect>),
    /// Type 2, server to client.
    ConnAck(ConnAck),
    /// Type 3, both ways.
    Publish(Publish),
    /// Type 4, both ways.
    PubAck(Ack),
    /// Type 5, both ways.
    PubRec(Ack),
    /// Type 6, both ways.
    PubRel(Ack),
    /// Type 7, both ways.
    PubComp(Ack),
    /// Type 8, client to server.
    Subscribe(Subscribe),
    /// Type 9, server to client.
    SubAck(SubAck),
    /// Type 10, client to server.
    Unsubscribe(Unsubscribe),
    /// Type 11, server to client.
    UnsubAck(UnsubAck),
    /// Type 12, client to server.
    PingReq,
    /// Type 13, server to client.
    PingResp,
    /// Type 14, both ways in MQTT 5, client to server in MQTT 3.1.1.
    Disconnect(Disconnect),
    /// Type 15, both ways, MQTT 5 only.
    Auth(Auth),
}

impl Packet {
    /// Its kind.
    pub const fn packet_type(&self) -> PacketType {
        match self {
            Self::Connect(_) => PacketType::Connect,
            Self::ConnAck(_) => PacketType::ConnAck,
            Self::Publish(_) => PacketType::Publish,
            Self::PubAck(_) => PacketType::PubAck,
            Self::PubRec(_) => PacketType::PubRec,
            Self::PubRel(_) => PacketType::PubRel,
            Self::PubComp(_) => PacketType::PubComp,
            Self::Subscribe(_) => PacketType::Subscribe,
            Self::SubAck(_) => PacketType::SubAck,
            Self::Unsubscribe(_) => PacketType::Unsubscribe,
            Self::UnsubAck(_) => PacketType::UnsubAck,
            Self::PingReq => PacketType::PingReq,
            Self::PingResp => PacketType::PingResp,
            Self::Disconnect(_) => PacketType::Disconnect,
            Self::Auth(_) => PacketType::Auth,
        }
    }

    /// Its properties; `None` for the two that have no place for them. Those of a will belong to the [`Will`].
    pub fn properties(&self) -> Option<&Properties> {
        match self {
            Self::Connect(packet) => Some(&packet.properties),
            Self::ConnAck(packet) => Some(&packet.properties),
            Self::Publish(packet) => Some(&packet.properties),
            Self::PubAck(packet) | Self::PubRec(packet) | Self::PubRel(packet) | Self::PubComp(packet) => {
                Some(&packet.properties)
            }
            Self::Subscribe(packet) => Some(&packet.properties),
            Self::SubAck(packet) => Some(&packet.properties),
            Self::Unsubscribe(packet) => Some(&packet.properties),
            Self::UnsubAck(packet) => Some(&packet.properties),
            Self::PingReq | Self::PingResp => None,
            Self::Disconnect(packet) => Some(&packet.properties),
            Self::Auth(packet) => Some(&packet.properties),
        }
    }
}

/// Asks for a connection (section 3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connect {
    /// The version the client speaks.
    pub version: Version,
    /// Clean Start of MQTT 5, Clean Session of MQTT 3.1.1.
    pub clean_start: bool,
    /// Keep Alive in seconds; 0 switches it off.
    pub keep_alive_secs: u16,
    /// Properties of the connection.
    pub properties: Properties,
    /// The client identifier; may be empty, then the server assigns one.
    pub client_id: Text,
    /// The message to publish when the client is lost.
    pub will: Option<Will>,
    /// User name.
    pub username: Option<Text>,
    /// Password; binary.
    pub password: Option<Bytes>,
}

/// The message a client leaves behind (section 3.1.2.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Will {
    /// Quality of service to publish it with.
    pub qos: Qos,
    /// Whether it is to be retained.
    pub retain: bool,
    /// Will properties: delay, expiry, content type and the like.
    pub properties: Properties,
    /// Topic to publish it to.
    pub topic: Text,
    /// The payload.
    pub payload: Bytes,
}

/// Answers a CONNECT (section 3.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnAck {
    /// Whether the server has kept a session of this client.
    pub session_present: bool,
    /// Outcome; for MQTT 3.1.1 it is encoded as the nearest of its six return codes.
    pub reason: ReasonCode,
    /// Properties, MQTT 5 only.
    pub properties: Properties,
}

/// Carries an application message (section 3.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publish {
    /// Set when this may be a repeat of an earlier attempt.
    pub dup: bool,
    /// Quality of service.
    pub qos: Qos,
    /// Retain flag.
    pub retain: bool,
    /// Topic name; empty in MQTT 5 when a topic alias stands for it.
    pub topic: Text,
    /// Present exactly when `qos` is above 0 `[MQTT-2.2.1-2]`.
    pub packet_id: Option<PacketId>,
    /// Properties, MQTT 5 only.
    pub properties: Properties,
    /// The payload; may be empty.
    pub payload: Bytes,
}

/// The four acknowledgements of a publish: PUBACK, PUBREC, PUBREL, PUBCOMP (sections 3.4 to 3.7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ack {
    /// The publish it belongs to.
    pub packet_id: PacketId,
    /// Outcome; always [`ReasonCode::Success`] in MQTT 3.1.1.
    pub reason: ReasonCode,
    /// Properties, MQTT 5 only.
    pub properties: Properties,
}

/// Asks for subscriptions (section 3.8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscribe {
    /// Packet identifier.
    pub packet_id: PacketId,
    /// Properties: subscription identifier and user properties.
    pub properties: Properties,
    /// At least one filter `[MQTT-3.8.3-2]`.
    pub filters: Vec<SubscribeFilter>,
}

/// One filter of a SUBSCRIBE, syntax not yet checked: a bad filter is answered in the SUBACK, not by closing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscribeFilter {
    /// The topic filter as sent.
    pub filter: Text,
    /// Its options.
    pub options: SubscriptionOptions,
}

/// Subscription options (section 3.8.3.1); MQTT 3.1.1 has only the quality of service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SubscriptionOptions {
    /// Highest quality of service wanted.
    pub qos: Qos,
    /// Do not send back what the same client published.
    pub no_local: bool,
    /// Keep the retain flag as it was published.
    pub retain_as_published: bool,
    /// When retained messages are sent.
    pub retain_handling: RetainHandling,
}

/// When retained messages are sent to a new subscription.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum RetainHandling {
    /// At every SUBSCRIBE.
    #[default]
    SendAtSubscribe = 0,
    /// Only if the subscription did not exist before.
    SendIfNew = 1,
    /// Never.
    DoNotSend = 2,
}

/// Answers a SUBSCRIBE, one code for each filter (section 3.9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubAck {
    /// Packet identifier of the SUBSCRIBE.
    pub packet_id: PacketId,
    /// Properties, MQTT 5 only.
    pub properties: Properties,
    /// One code for each filter, in order; every error is 0x80 in MQTT 3.1.1.
    pub reasons: Vec<ReasonCode>,
}

/// Ends subscriptions (section 3.10).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsubscribe {
    /// Packet identifier.
    pub packet_id: PacketId,
    /// Properties, MQTT 5 only.
    pub properties: Properties,
    /// At least one filter `[MQTT-3.10.3-2]`.
    pub filters: Vec<Text>,
}

/// Answers an UNSUBSCRIBE (section 3.11).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnsubAck {
    /// Packet identifier of the UNSUBSCRIBE.
    pub packet_id: PacketId,
    /// Properties, MQTT 5 only.
    pub properties: Properties,
    /// One code for each filter, in order; absent on the wire in MQTT 3.1.1.
    pub reasons: Vec<ReasonCode>,
}

/// Ends a connection (section 3.14).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disconnect {
    /// Why; always [`ReasonCode::Success`] from a client of MQTT 3.1.1.
    pub reason: ReasonCode,
    /// Properties, MQTT 5 only.
    pub properties: Properties,
}

/// Carries enhanced authentication (section 3.15).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Auth {
    /// Success, continue or re-authenticate.
    pub reason: ReasonCode,
    /// Authentication method and data, reason string, user properties.
    pub properties: Properties,
}

impl Publish {
    /// Whether the payload is what the Payload Format Indicator says: UTF-8 when it is 1 (section 3.3.2.3.2). Not part of decoding, for a
    /// receiver may choose not to look; one that looks answers [`ReasonCode::PayloadFormatInvalid`].
    pub fn payload_format_holds(&self) -> bool {
        payload_format_holds(&self.properties, &self.payload)
    }

    /// The same packet in memory of its own, for keeping: slices of the read buffer keep the whole buffer alive.
    #[must_use]
    pub fn detached(&self) -> Self {
        Self {
            topic: self.topic.detached(),
            properties: self.properties.detached(),
            payload: Bytes::copy_from_slice(&self.payload),
            ..*self
        }
    }
}

impl Will {
    /// As [`Publish::payload_format_holds`].
    pub fn payload_format_holds(&self) -> bool {
        payload_format_holds(&self.properties, &self.payload)
    }
}

fn payload_format_holds(properties: &Properties, payload: &[u8]) -> bool {
    properties.payload_is_utf8() != Some(true) || std::str::from_utf8(payload).is_ok()
}
