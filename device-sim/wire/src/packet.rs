//! The packets as a client sees them: what it writes, and what it reads.

use super::{Qos, Version};

/// The first packet of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connect<'a> {
    /// The version spoken from here on.
    pub version: Version,
    /// The client id; empty lets the server choose one.
    pub client_id: &'a str,
    /// Begin without what an earlier connection left: "clean session" in 3.1.1, "clean start" in 5.
    pub clean: bool,
    /// The longest silence of the client; 0 for any.
    pub keep_alive_secs: u16,
    /// Who this is.
    pub user_name: Option<&'a str>,
    /// And the proof of it. With 3.1.1 it needs a user name beside it [MQTT-3.1.2-22].
    pub password: Option<&'a [u8]>,
    /// What the server publishes when the connection ends without a DISCONNECT.
    pub will: Option<Will<'a>>,
    /// MQTT 5: how long the session outlives its connection; 0 ends it with the connection.
    pub session_expiry_secs: u32,
    /// MQTT 5: messages of QoS 1 and 2 that the client takes at once; not 0.
    pub receive_max: u16,
    /// MQTT 5: the longest packet that the client takes; not 0.
    pub packet_bytes_max: u32,
    /// MQTT 5: topics that the server may abbreviate.
    pub topic_alias_max: u16,
}

impl<'a> Connect<'a> {
    /// A clean CONNECT without will, name or limits.
    pub fn new(version: Version, client_id: &'a str) -> Self {
        Self {
            version,
            client_id,
            clean: true,
            keep_alive_secs: 0,
            user_name: None,
            password: None,
            will: None,
            session_expiry_secs: 0,
            receive_max: u16::MAX,
            packet_bytes_max: super::PACKET_BYTES_MAX,
            topic_alias_max: 0,
        }
    }
}

/// The message of the dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Will<'a> {
    /// Where it is published.
    pub topic: &'a str,
    /// What it says; at most 65,535 bytes.
    pub payload: &'a [u8],
    /// How.
    pub qos: Qos,
    /// Whether it is kept for later subscribers.
    pub retain: bool,
    /// MQTT 5: how long after the connection ended.
    pub delay_secs: u32,
}

/// A message, in either direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Publish<'a> {
    /// Where. May be empty with MQTT 5 if there is an alias.
    pub topic: &'a str,
    /// What.
    pub payload: &'a [u8],
    /// How.
    pub qos: Qos,
    /// 0 with QoS 0, otherwise not.
    pub packet_id: u16,
    /// It was sent before on an earlier connection.
    pub dup: bool,
    /// To be kept, or sent because it was kept.
    pub retain: bool,
    /// MQTT 5: the number that stands for the topic.
    pub topic_alias: Option<u16>,
    /// MQTT 5: how long it is of use.
    pub expiry_secs: Option<u32>,
    /// MQTT 5: where an answer is expected.
    pub response_topic: Option<&'a str>,
    /// MQTT 5: what the answer shall carry.
    pub correlation: Option<&'a [u8]>,
}

/// What a client wants to hear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subscription<'a> {
    /// The topic filter.
    pub filter: &'a str,
    /// The highest quality of service wanted.
    pub qos: Qos,
}

/// What a server says when it accepts or refuses a connection. What MQTT 3.1.1 cannot say has the value that the
/// standard gives to its absence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted<'a> {
    /// The session of an earlier connection goes on.
    pub session_present: bool,
    /// The return code or reason code; [`words`](super::words) tells what it says.
    pub code: u8,
    /// Messages of QoS 1 and 2 that the server takes at once.
    pub receive_max: u16,
    /// The highest quality of service that the server takes.
    pub qos_max: Qos,
    /// Whether the server keeps retained messages.
    pub retain_available: bool,
    /// The longest packet that the server takes.
    pub packet_bytes_max: u32,
    /// Topics that the client may abbreviate.
    pub topic_alias_max: u16,
    /// The keep-alive time that counts instead of the client's.
    pub keep_alive_secs: Option<u16>,
    /// How long the session outlives its connection, if not as long as the client asked for.
    pub session_expiry_secs: Option<u32>,
    /// The client id that the server chose.
    pub client_id: Option<&'a str>,
    /// Why, for people.
    pub reason: Option<&'a str>,
}

impl Default for Accepted<'_> {
    fn default() -> Self {
        Self {
            session_present: false,
            code: super::SUCCESS,
            receive_max: u16::MAX,
            qos_max: Qos::ExactlyOnce,
            retain_available: true,
            packet_bytes_max: super::PACKET_BYTES_MAX,
            topic_alias_max: 0,
            keep_alive_secs: None,
            session_expiry_secs: None,
            client_id: None,
            reason: None,
        }
    }
}

/// A packet of a server. Codes are 0 where the packet has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Incoming<'a> {
    /// The answer to a CONNECT.
    ConnAck(Accepted<'a>),
    /// A message for this client.
    Publish(Publish<'a>),
    /// A message of QoS 1 is in the server's hands, or refused.
    PubAck {
        /// Of the message.
        packet_id: u16,
        /// MQTT 5: whether.
        code: u8,
    },
    /// A message of QoS 2 is in the server's hands, or refused.
    PubRec {
        /// Of the message.
        packet_id: u16,
        /// MQTT 5: whether.
        code: u8,
    },
    /// A message of QoS 2 to this client may be forgotten.
    PubRel {
        /// Of the message.
        packet_id: u16,
        /// MQTT 5: whether it was known.
        code: u8,
    },
    /// A message of QoS 2 is done with.
    PubComp {
        /// Of the message.
        packet_id: u16,
        /// MQTT 5: whether it was known.
        code: u8,
    },
    /// The answer to a SUBSCRIBE.
    SubAck {
        /// Of the SUBSCRIBE.
        packet_id: u16,
        /// One for each filter: the quality of service granted, or `0x80` and above.
        codes: &'a [u8],
    },
    /// The answer to an UNSUBSCRIBE.
    UnsubAck {
        /// Of the UNSUBSCRIBE.
        packet_id: u16,
        /// MQTT 5: one for each filter. Empty in 3.1.1.
        codes: &'a [u8],
    },
    /// The answer to a PINGREQ.
    PingResp,
    /// MQTT 5: the server ends the connection.
    Disconnect {
        /// Why.
        code: u8,
        /// Why, for people.
        reason: Option<&'a str>,
    },
    /// MQTT 5: a step of extended authentication, which this client never asks for.
    Auth {
        /// Which.
        code: u8,
    },
}
