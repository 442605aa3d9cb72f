//! One message to many subscribers: each copy is written straight from the shared message, nothing is cloned or allocated.

use super::sink::{Sink, put_length};
use super::{check, publish_flags, put_fixed_header, variable_integer_bytes, whole_bytes};
use crate::properties::Forwarded;
use crate::properties::catalogue::{Place, id};
use crate::{EncodeError, Fault, PacketId, PacketType, Properties, Qos, Text, Version};
use bytes::BytesMut;
use std::num::NonZeroU16;

/// How a topic alias is used in a copy (section 3.3.2.3.4). The subscriber's Topic Alias Maximum is the caller's to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutboundAlias {
    /// Sends the topic and says which alias stands for it from now on.
    Introduces(NonZeroU16),
    /// Sends the alias in place of the topic, which the subscriber knows.
    Replaces(NonZeroU16),
}

/// The copy of a message that one subscriber gets: references to what all copies share, and what is this subscriber's own.
///
/// The topic is not looked at again: the PUBLISH that brought it was checked when it was decoded.
#[derive(Clone, Copy, Debug)]
pub struct PublishCopy<'a> {
    /// Topic the message was published to.
    pub topic: &'a Text,
    /// Properties as published. Topic alias and subscription identifiers among them are left out.
    pub properties: &'a Properties,
    /// The payload.
    pub payload: &'a [u8],
    /// Whether an earlier copy may have reached the subscriber.
    pub dup: bool,
    /// Quality of service of this copy.
    pub qos: Qos,
    /// Retain flag of this copy.
    pub retain: bool,
    /// Present exactly when `qos` is above 0 `[MQTT-2.2.1-2]`.
    pub packet_id: Option<PacketId>,
    /// Topic alias, MQTT 5 only; `None` sends the topic.
    pub alias: Option<OutboundAlias>,
    /// Identifiers of the subscriptions that matched, 1 to 268,435,455 each, MQTT 5 only `[MQTT-3.3.4-3]`.
    pub subscription_ids: &'a [u32],
    /// Seconds of life that remain, sent in place of the published Message Expiry Interval `[MQTT-3.3.2-6]`; `None` leaves that as it is.
    pub message_expiry_secs: Option<u32>,
}

/// Appends a copy to `out`. The caller has made sure that [`PublishCopy::encoded_bytes`] is within the subscriber's limit.
///
/// # Errors
/// When a receiver would have to refuse the packet. Nothing has been appended then.
pub fn encode_publish(
    copy: &PublishCopy<'_>,
    version: Version,
    out: &mut BytesMut,
) -> Result<(), EncodeError> {
    copy.put_head(version, copy.payload.len(), out)?;
    out.slice(copy.payload);
    Ok(())
}

/// Appends a copy without its payload, which must follow on the wire: for a large payload that is written from where it lies.
///
/// # Errors
/// As [`encode_publish`].
pub fn encode_publish_head(
    copy: &PublishCopy<'_>,
    version: Version,
    out: &mut BytesMut,
) -> Result<(), EncodeError> {
    copy.put_head(version, 0, out)
}

struct Sizes {
    /// Bytes after the fixed header.
    remaining: usize,
    /// Bytes of the properties without their length.
    properties: usize,
}

impl PublishCopy<'_> {
    /// Bytes of the encoded copy, fixed header included: what counts against the subscriber's Maximum Packet Size `[MQTT-3.1.2-24]`.
    pub fn encoded_bytes(&self, version: Version) -> usize {
        whole_bytes(self.sizes(version).remaining)
    }

    /// Writes all but the payload, with room made for the `payload_bytes` of it that follow in the same buffer.
    fn put_head(
        &self,
        version: Version,
        payload_bytes: usize,
        out: &mut BytesMut,
    ) -> Result<(), EncodeError> {
        self.check(version)?;
        let sizes = self.sizes(version);
        let flags = publish_flags(self.dup, self.qos, self.retain);
        let body_bytes = sizes.remaining - self.payload.len() + payload_bytes;
        put_fixed_header(PacketType::Publish, flags, sizes.remaining, body_bytes, out)?;
        out.prefixed(self.sent_topic(version));
        if let Some(packet_id) = self.packet_id {
            out.short(packet_id.get());
        }
        if version == Version::V5 {
            self.put_properties(sizes.properties, out);
        }
        Ok(())
    }

    fn check(&self, version: Version) -> Result<(), EncodeError> {
        check::publish_fields(self.dup, self.qos, self.packet_id.is_some(), version)?;
        if self.topic.is_empty() {
            let fault = Fault::TopicEmpty;
            return Err(EncodeError::Forbidden { packet: PacketType::Publish, version, fault });
        }
        check::properties(Some(self.properties), Place::Packet(PacketType::Publish), version)?;
        if self.subscription_ids.iter().any(|id| *id == 0 || *id > super::VARIABLE_INTEGER_MAX) {
            return Err(EncodeError::Property {
                packet: PacketType::Publish,
                property: "Subscription Identifier",
            });
        }
        Ok(())
    }

    fn sent_topic(&self, version: Version) -> &[u8] {
        match (version, self.alias) {
            (Version::V5, Some(OutboundAlias::Replaces(_))) => &[],
            _ => self.topic.as_bytes(),
        }
    }

    fn forwarded(&self) -> Forwarded<'_> {
        Forwarded::new(self.properties, self.message_expiry_secs.is_some())
    }

    fn sizes(&self, version: Version) -> Sizes {
        let fields = 2 + self.sent_topic(version).len() + if self.packet_id.is_some() { 2 } else { 0 };
        let mut sizes = Sizes { remaining: fields + self.payload.len(), properties: 0 };
        if version == Version::V5 {
            let identifiers: usize =
                self.subscription_ids.iter().map(|id| 1 + variable_integer_bytes(*id as usize)).sum();
            sizes.properties = self.forwarded().len_bytes()
                + identifiers
                + if self.message_expiry_secs.is_some() { 5 } else { 0 }
                + if self.alias.is_some() { 3 } else { 0 };
            sizes.remaining += variable_integer_bytes(sizes.properties) + sizes.properties;
        }
        sizes
    }

    fn put_properties(&self, length: usize, out: &mut BytesMut) {
        put_length(out, length);
        if let Some(OutboundAlias::Introduces(alias) | OutboundAlias::Replaces(alias)) = self.alias {
            out.byte(id::TOPIC_ALIAS);
            out.short(alias.get());
        }
        if let Some(seconds) = self.message_expiry_secs {
            out.byte(id::MESSAGE_EXPIRY_INTERVAL);
            out.long(seconds);
        }
        for identifier in self.subscription_ids {
            out.byte(id::SUBSCRIPTION_IDENTIFIER);
            super::put_variable_integer(out, *identifier);
        }
        self.forwarded().for_each_part(|part| out.slice(part));
    }
}
