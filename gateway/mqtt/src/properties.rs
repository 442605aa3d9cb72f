//! Properties of MQTT 5 packets: checked once when decoded, kept as raw bytes, parsed when asked for.

use crate::{Qos, Text};
use bytes::{BufMut, Bytes, BytesMut};

/// One property (section 2.2.2.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Property {
    /// 0x01; `true` says the payload is UTF-8.
    PayloadFormatIndicator(bool),
    /// 0x02, seconds.
    MessageExpiryInterval(u32),
    /// 0x03.
    ContentType(Text),
    /// 0x08.
    ResponseTopic(Text),
    /// 0x09.
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
    /// 0x16.
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
    /// 0x24; QoS 0 or 1.
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
/// Invariant: the bytes (without the leading length) are well formed, so reading them back cannot fail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Properties(Bytes);

/// Collects properties for a packet that is to be sent.
#[derive(Debug, Default)]
pub struct PropertiesBuilder(BytesMut);

impl PropertiesBuilder {
    /// An empty collection.
    pub fn new() -> Self {
        Self::default()
    }
}
