//! Properties of MQTT 5 packets: checked once when decoded, kept as raw bytes, parsed when asked for.

mod builder;
pub(crate) mod catalogue;
mod forward;
mod read;
#[cfg(test)]
mod tests;
pub(crate) mod wire;

pub use builder::PropertiesBuilder;
pub(crate) use forward::Forwarded;

use crate::error::Failure;
use crate::{Qos, Text};
use bytes::Bytes;
use catalogue::Place;

/// One property (section 2.2.2.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Property {
    /// 0x01; `true` says the payload is UTF-8.
    PayloadFormatIndicator(bool),
    /// 0x02, seconds.
    MessageExpiryInterval(u32),
    /// 0x03.
    ContentType(Text),
    /// 0x08; a topic name.
    ResponseTopic(Text),
    /// 0x09; at most 65,535 bytes.
    CorrelationData(Bytes),
    /// 0x0B, 1 to 268,435,455.
    SubscriptionIdentifier(u32),
    /// 0x11, seconds; `u32::MAX` never expires.
    SessionExpiryInterval(u32),
    /// 0x12.
    AssignedClientIdentifier(Text),
    /// 0x13, seconds.
    ServerKeepAlive(u16),
    /// 0x15.
    AuthenticationMethod(Text),
    /// 0x16; at most 65,535 bytes.
    AuthenticationData(Bytes),
    /// 0x17.
    RequestProblemInformation(bool),
    /// 0x18, seconds.
    WillDelayInterval(u32),
    /// 0x19.
    RequestResponseInformation(bool),
    /// 0x1A.
    ResponseInformation(Text),
    /// 0x1C.
    ServerReference(Text),
    /// 0x1F.
    ReasonString(Text),
    /// 0x21, never 0.
    ReceiveMaximum(u16),
    /// 0x22.
    TopicAliasMaximum(u16),
    /// 0x23, never 0.
    TopicAlias(u16),
    /// 0x24; QoS 0 or 1. QoS 2 is said by leaving it out, and building it leaves it out.
    MaximumQos(Qos),
    /// 0x25.
    RetainAvailable(bool),
    /// 0x26; may appear many times, order is kept.
    UserProperty(Text, Text),
    /// 0x27, bytes, never 0.
    MaximumPacketSize(u32),
    /// 0x28.
    WildcardSubscriptionAvailable(bool),
    /// 0x29.
    SubscriptionIdentifierAvailable(bool),
    /// 0x2A.
    SharedSubscriptionAvailable(bool),
}

/// The properties of one packet, in the order sent. Cloning shares the bytes; the default is empty.
///
/// Asking for a property that is absent costs one bit test; asking for one that is present walks the bytes up to it.
///
/// Invariant: the bytes (without the leading length) are well formed, so reading them back cannot fail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Properties {
    bytes: Bytes,
    /// Which properties are there, one bit for each number. The highest byte is not a set: it holds the number of the first property
    /// that a builder was given with a forbidden value or twice, 0 when there was none. Encoding refuses such properties.
    present: u64,
}

const REFUSED_SHIFT: u32 = 56;

impl Properties {
    /// The properties in `bytes`, which has no leading length, as they may stand in `place`.
    pub(crate) fn checked(bytes: Bytes, place: Place) -> Result<Self, Failure> {
        let present = wire::check(&bytes, place)?;
        Ok(Self { bytes, present })
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Bytes on the wire, without the leading property length.
    pub fn len_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The bytes as on the wire, without the leading property length: what to store, and what
    /// [`Properties::from_publish_bytes`] reads back.
    pub fn as_bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The same properties in memory of their own, for keeping: a slice of the read buffer keeps the whole buffer alive.
    #[must_use]
    pub fn detached(&self) -> Self {
        Self { bytes: Bytes::copy_from_slice(&self.bytes), present: self.present }
    }

    /// The set of properties there are, as bits by number.
    pub(crate) fn present(&self) -> u64 {
        self.present & !(0xFF << REFUSED_SHIFT)
    }

    /// The number of a property that a builder was given and must not be sent.
    pub(crate) fn refused(&self) -> Option<u8> {
        let id = (self.present >> REFUSED_SHIFT) as u8;
        (id != 0).then_some(id)
    }
}
