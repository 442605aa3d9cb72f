//! Saying no: to a packet that breaks the protocol, to a connection, to a filter.

use mqtt::{ConnAck, Disconnect, Packet, Properties, ReasonCode};

/// A breach of the protocol by the client; the connection has to close.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{sentence} [{clause}]")]
pub struct Violation {
    /// The reason code for the DISCONNECT.
    pub reason: ReasonCode,
    /// What the client did, for the log and the reason string.
    pub sentence: &'static str,
    /// The clause of the standard, or the name of the limit.
    pub clause: &'static str,
}

impl Violation {
    pub(crate) const fn new(reason: ReasonCode, sentence: &'static str, clause: &'static str) -> Self {
        Self { reason, sentence, clause }
    }

    /// The DISCONNECT that says so; MQTT 5 only, a server has none in MQTT 3.1.1.
    pub fn disconnect(&self) -> Packet {
        Packet::Disconnect(Disconnect { reason: self.reason, properties: Properties::default() })
    }
}

/// Why a CONNECT is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{sentence}")]
pub struct Refusal {
    /// The reason code for the CONNACK.
    pub reason: ReasonCode,
    /// What is wrong and what to do.
    pub sentence: &'static str,
}

impl Refusal {
    /// The CONNACK that says so `[MQTT-3.2.2-6]`.
    pub fn connack(&self) -> Packet {
        Packet::ConnAck(ConnAck {
            session_present: false,
            reason: self.reason,
            properties: Properties::default(),
        })
    }
}

/// Why the caller does not let a client do something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// The reason code to answer with; 0x80 or above.
    pub reason: ReasonCode,
    /// Sent as reason string where the client's limits allow it; empty for none.
    pub sentence: String,
}

impl Denial {
    /// A denial with a sentence.
    pub fn new(reason: ReasonCode, sentence: impl Into<String>) -> Self {
        Self { reason, sentence: sentence.into() }
    }
}
