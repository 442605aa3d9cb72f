//! One accepted message as one journal record.
//!
//! # Format, version 4
//!
//! Integers are little endian. `text` is a `u16` length and that many bytes of UTF-8; `bytes` is a `u32`
//! length and that many bytes. The checksum is the journal's.
//!
//! ```text
//! head       u8 version = 4
//!            u8 origin: 1 device, 2 direct, 3 redriven, 4 error action, 5 gateway, 6 replayed
//!            u8 flags: 1 retained, 2 traceparent, 4 resend key, 8 message, 16 event id or failed target, 32 source,
//!               64 republished, 128 replay
//!            u8 zero
//!            u32 length of the rest of the head
//!            16 bytes base id (UUID version 7)
//!            u64 accepted at, milliseconds since the Unix epoch
//!            source: u8 1, u64 session, u16 packet id; or u8 2, u64 will     (flag 32)
//!            u16 count, then that many texts: targets, each once
//!            u16 count, then that many texts: rules, each once
//!            u16 count, then that many routes: u16 event, u16 rule, u16 target, u32 bytes of data
//! body       text client id, text principal, text topic
//!            text traceparent                               (flag 2)
//!            u16 packet id, u64 content digest              (flag 4)
//!            text event id (redriven, replayed), or text failed target (flag 16)
//!            u8 how often it was republished                (flag 64)
//!            u64 replayed at, milliseconds since the Unix epoch, text name of the replay (flag 128)
//!            u16 count, then that many events:
//!                u16 rule, u16 number, text content type, bytes data
//!                u16 count of attributes: text name, text data type, bytes value
//!                u16 count of routes: u16 target, destination
//!                u8 has an error route: text target, destination
//!            message: bytes payload, bytes properties, u8 quality of service,
//!                u8 retain, u64 expires at in milliseconds or 0          (flag 8)
//!            u32 count, then that many owed copies:
//!                text session, u8 quality of service, u8 retain, u16 count of u32 subscription ids
//! destination  u8 format: 0 data, 1 CloudEvents; u8 has a partition key: text
//!              u16 count of parameters: text name, bytes value
//! ```
//!
//! Version 3 is the same without flag 128 and origin 6, version 2 without parameters and flag 64, too, version 1 without the source, too; they are read for as long as
//! journals may hold them.
//!
//! The head says which targets and rules the record concerns, so a lane skips what is not its own
//! without reading the body. A reader refuses a version it does not know and never guesses. The copies
//! owed to MQTT sessions stand last, after everything a lane needs.
//!
//! This module must not know what MQTT does with an owed copy, nor what a target does with an event.

mod decode;
mod encode;
mod head;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use uuid::Uuid;

pub use decode::DecodeError;
pub use encode::EncodeError;
pub use head::{Head, RouteHead, holds_message, source};

use crate::{EventId, TargetName};

/// The version this build writes.
pub const VERSION: u8 = 4;

/// The oldest version this build reads.
pub const VERSION_OLDEST: u8 = 1;

/// The number of the document about what failed while a rule was evaluated.
pub const FAULT_NUMBER: u16 = u16::MAX;

/// Stands in place of a rule for what was sent straight to a target through the API. No rule can be
/// called so: rule names are letters, digits and `_`.
pub const DIRECT_RULE: &str = "$direct";

/// One accepted message: its events, and the copies of it owed to MQTT sessions.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Made at acceptance; every event id begins with it. A resend of the same publish reuses it.
    pub base: Uuid,
    /// Milliseconds since the Unix epoch.
    pub accepted_at_ms: u64,
    /// How the record came to be.
    pub origin: Origin,
    /// The publisher's client id; empty when no device sent it.
    pub client_id: String,
    /// Thing name or a short form of the certificate's fingerprint; empty when no device sent it.
    pub principal: String,
    /// The topic published to; empty when it was not published.
    pub topic: String,
    /// W3C Trace Context `traceparent`, when the publisher sent one.
    pub traceparent: Option<String>,
    /// Recognises the same publish when the device sends it again.
    pub resend: Option<ResendKey>,
    /// How often rules have published it again; 0 for what came from outside. It bounds loops of rules.
    pub republished: u8,
    /// The replay that sent the events again from an archive; consumers see its name.
    pub replay: Option<Replay>,
    /// What the state of the sessions owes to this record's being durable.
    pub source: Option<Source>,
    /// What the rules made of the message, at most 65,535.
    pub events: Vec<Event>,
    /// True when the message is to replace the topic's retained message ([MQTT-3.3.1-5]).
    pub retained: bool,
    /// The message itself; present when it is retained or copies are owed.
    pub message: Option<Message>,
    /// Copies of `message` owed to MQTT sessions that outlive their connection.
    pub owed: Vec<Owed>,
}

/// How a record came to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A device published a message.
    Device,
    /// Sent straight to a target through the API (`SendMessage`, `PutRecord`).
    Direct,
    /// A dead letter sent again. The record has that one event.
    Redriven {
        /// The id that the event had the first time.
        event_id: String,
    },
    /// An event of an archive sent again. The record has that one event.
    Replayed {
        /// The id that the event had the first time.
        event_id: String,
    },
    /// The document that tells a rule's error target about a failed delivery.
    ErrorAction {
        /// The target that could not be served.
        failed_target: TargetName,
    },
    /// The gateway's own message, such as a lifecycle event; it has a topic, but no client.
    Gateway,
}

/// What sent an event again from an archive. The event keeps its id and the time at which it was accepted first.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Replay {
    /// The replay's name.
    pub name: String,
    /// When the event was sent again, milliseconds since the Unix epoch: retention counts from here.
    pub at_ms: u64,
}

/// Recognises a publish that a device sends again after a lost acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ResendKey {
    /// The MQTT packet identifier.
    pub packet_id: u16,
    /// A 64-bit digest of topic and payload.
    pub content_digest: u64,
}

/// Where a message came from that is to be taken once: the state of the sessions is derived from the record, so that neither is
/// durable without the other. The numbers are the broker's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The first half of a QoS 2 exchange with a session that outlives its connection.
    Exchange {
        /// The session.
        session: u64,
        /// The exchange's packet identifier.
        packet_id: u16,
    },
    /// A will that was kept; it is not to be published again.
    Will {
        /// The will.
        will: u64,
    },
}

/// One event: what one rule made of the message, and where it goes.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The rule's name, or [`DIRECT_RULE`].
    pub rule: String,
    /// Tells the events of one rule in one message apart, from zero; [`Record::add`] sets it. [`FAULT_NUMBER`] is the document
    /// about what failed while the rule was evaluated.
    pub number: u16,
    /// The result of the rule's SQL, or the body sent through the API.
    pub data: Bytes,
    /// The media type of `data`.
    pub content_type: String,
    /// Attributes of a message sent through the API; empty for a rule's event.
    pub attributes: Vec<Attribute>,
    /// Where the event goes.
    pub routes: Vec<Route>,
    /// Where a document about a failed delivery goes, when the rule says so.
    pub error_route: Option<Route>,
}

/// A typed attribute of a message sent through the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// The attribute's name.
    pub name: String,
    /// `String`, `Number`, `Binary`, or one of these with a suffix, as in the SQS API.
    pub data_type: String,
    /// The value; UTF-8 unless the type is binary.
    pub value: Bytes,
}

/// One way out of the gateway for an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Which target.
    pub target: TargetName,
    /// Events with the same key stay in order; the client id when absent.
    pub partition_key: Option<String>,
    /// What the body is.
    pub format: Format,
    /// Further values of the action, filled in for this event: headers of a request, say. The target knows the names; of names
    /// that come more than once each value counts.
    pub parameters: Vec<Parameter>,
}

/// A name and a value, as in a header.
pub type Parameter = (String, String);

/// What the body handed to a target is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Format {
    /// The event's data alone.
    #[default]
    Data,
    /// A CloudEvent in structured mode that holds the data.
    CloudEvents,
}

/// The message as it was published, for sessions and the retained store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The payload, at most 4 GiB.
    pub payload: Bytes,
    /// The MQTT 5 properties to hand on, as encoded by the MQTT codec; empty for MQTT 3.1.1.
    pub properties: Bytes,
    /// The quality of service it was published with, 0 to 2.
    pub quality_of_service: u8,
    /// The retain flag it was published with.
    pub retain: bool,
    /// When it expires ([MQTT-3.3.2-5]), milliseconds since the Unix epoch.
    pub expires_at_ms: Option<u64>,
}

/// One copy owed to an MQTT session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owed {
    /// The session's key, as the broker chose it.
    pub session: String,
    /// The quality of service of the copy, 0 to 2.
    pub quality_of_service: u8,
    /// The retain flag of the copy ([MQTT-3.3.1-12], [MQTT-3.3.1-13]).
    pub retain: bool,
    /// The identifiers of the subscriptions that matched ([MQTT-3.3.4-3]).
    pub subscription_ids: Vec<u32>,
}

impl Record {
    /// An empty record with a fresh base id.
    #[must_use]
    pub fn new(origin: Origin, accepted_at_ms: u64) -> Self {
        Self {
            base: Uuid::now_v7(),
            accepted_at_ms,
            origin,
            client_id: String::new(),
            principal: String::new(),
            topic: String::new(),
            traceparent: None,
            resend: None,
            republished: 0,
            replay: None,
            source: None,
            events: Vec::new(),
            retained: false,
            message: None,
            owed: Vec::new(),
        }
    }

    /// Adds an event and gives it its number among those of its rule.
    pub fn add(&mut self, mut event: Event) {
        let is_earlier = |earlier: &&Event| earlier.rule == event.rule && earlier.number != FAULT_NUMBER;
        let earlier = self.events.iter().filter(is_earlier).count();
        // More events than that are refused by `encode`.
        event.number = u16::try_from(earlier).unwrap_or(u16::MAX);
        self.events.push(event);
    }

    /// Adds the document about what failed while a rule was evaluated for this message; there is one for each rule at most.
    pub fn add_fault_document(&mut self, event: Event) {
        self.events.push(Event { number: FAULT_NUMBER, ..event });
    }

    /// The id of one of this record's events.
    #[must_use]
    pub fn event_id(&self, event: &Event) -> EventId {
        EventId::new(self.base, &event.rule, event.number, &self.origin)
    }

    /// The events for `target` with the route that leads there, in order; an event may come twice.
    pub fn routes_to<'a>(&'a self, target: &'a TargetName) -> impl Iterator<Item = (&'a Event, &'a Route)> {
        let pairs = self.events.iter().flat_map(|event| event.routes.iter().map(move |route| (event, route)));
        pairs.filter(move |(_, route)| route.target == *target)
    }

    /// True when nothing in it has to be durable, so that it need not be written at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.owed.is_empty() && !self.retained && self.events.iter().all(|event| event.routes.is_empty())
    }
}

impl Event {
    /// An event of `rule` with JSON data and no route yet.
    #[must_use]
    pub fn json(rule: impl Into<String>, data: impl Into<Bytes>) -> Self {
        Self {
            rule: rule.into(),
            number: 0,
            data: data.into(),
            content_type: "application/json".to_owned(),
            attributes: Vec::new(),
            routes: Vec::new(),
            error_route: None,
        }
    }
}

impl Route {
    /// A route with the default key and format.
    #[must_use]
    pub fn to(target: TargetName) -> Self {
        Self { target, partition_key: None, format: Format::Data, parameters: Vec::new() }
    }
}
