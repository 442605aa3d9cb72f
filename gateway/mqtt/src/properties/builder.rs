//! Properties of packets that are to be sent.

use super::catalogue::{find, id};
use super::wire::{check_value, span_at};
use super::{Properties, Property, REFUSED_SHIFT};
use crate::{Qos, Text};
use bytes::{BufMut, BytesMut};

/// Collects properties for a packet that is to be sent, in the order they are pushed.
///
/// A value the standard forbids (a topic alias of 0, correlation data of more than 65,535 bytes) or a property pushed twice, when it
/// may stand only once, is remembered: the built properties are then refused by [`crate::encode`] with the name of the property.
#[derive(Debug, Default)]
pub struct PropertiesBuilder {
    bytes: BytesMut,
    present: u64,
    refused: u8,
}

/// Numbers that may stand more than once.
const REPEATING: u64 = 1 << id::USER_PROPERTY | 1 << id::SUBSCRIPTION_IDENTIFIER;

impl PropertiesBuilder {
    /// An empty collection.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a property and returns the collection.
    #[must_use]
    pub fn with(mut self, property: Property) -> Self {
        self.push(property);
        self
    }

    /// Adds a property.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a caller has no use for a property after it is pushed"
    )]
    pub fn push(&mut self, property: Property) {
        if property == Property::MaximumQos(Qos::ExactlyOnce) {
            return;
        }
        let start = self.bytes.len();
        let number = number_of(&property);
        self.bytes.put_u8(number);
        let fits = self.put_value(&property);
        let repeats = self.present & (1 << number) & !REPEATING != 0;
        let legal = fits
            && !repeats
            && span_at(&self.bytes, start).is_ok_and(|span| check_value(&self.bytes, &span).is_ok());
        if legal {
            self.present |= 1 << number;
        } else {
            self.bytes.truncate(start);
            self.refuse(number);
        }
    }

    /// The finished properties.
    pub fn build(self) -> Properties {
        Properties {
            bytes: self.bytes.freeze(),
            present: self.present | u64::from(self.refused) << REFUSED_SHIFT,
        }
    }

    fn refuse(&mut self, number: u8) {
        if self.refused == 0 {
            self.refused = number;
        }
    }

    /// Whether the value had a form to be written in.
    fn put_value(&mut self, property: &Property) -> bool {
        match property {
            Property::PayloadFormatIndicator(flag)
            | Property::RequestProblemInformation(flag)
            | Property::RequestResponseInformation(flag)
            | Property::RetainAvailable(flag)
            | Property::WildcardSubscriptionAvailable(flag)
            | Property::SubscriptionIdentifierAvailable(flag)
            | Property::SharedSubscriptionAvailable(flag) => self.bytes.put_u8(u8::from(*flag)),
            Property::MaximumQos(qos) => self.bytes.put_u8(qos.number()),
            Property::ServerKeepAlive(number)
            | Property::ReceiveMaximum(number)
            | Property::TopicAliasMaximum(number)
            | Property::TopicAlias(number) => self.bytes.put_u16(*number),
            Property::MessageExpiryInterval(number)
            | Property::SessionExpiryInterval(number)
            | Property::WillDelayInterval(number)
            | Property::MaximumPacketSize(number) => self.bytes.put_u32(*number),
            Property::SubscriptionIdentifier(number) => return self.put_variable(*number),
            Property::ContentType(text)
            | Property::ResponseTopic(text)
            | Property::AssignedClientIdentifier(text)
            | Property::AuthenticationMethod(text)
            | Property::ResponseInformation(text)
            | Property::ServerReference(text)
            | Property::ReasonString(text) => return self.put_text(text),
            Property::UserProperty(name, value) => return self.put_text(name) && self.put_text(value),
            Property::CorrelationData(data) | Property::AuthenticationData(data) => {
                return self.put_binary(data);
            }
        }
        true
    }

    fn put_text(&mut self, text: &Text) -> bool {
        self.put_binary(text.as_bytes())
    }

    fn put_binary(&mut self, data: &[u8]) -> bool {
        let Ok(length) = u16::try_from(data.len()) else { return false };
        self.bytes.put_u16(length);
        self.bytes.put_slice(data);
        true
    }

    fn put_variable(&mut self, number: u32) -> bool {
        let fits = number <= crate::encode::VARIABLE_INTEGER_MAX;
        if fits {
            crate::encode::put_variable_integer(&mut self.bytes, number);
        }
        fits
    }
}

/// The number of a property on the wire.
pub(super) fn number_of(property: &Property) -> u8 {
    match property {
        Property::PayloadFormatIndicator(_) => id::PAYLOAD_FORMAT_INDICATOR,
        Property::MessageExpiryInterval(_) => id::MESSAGE_EXPIRY_INTERVAL,
        Property::ContentType(_) => id::CONTENT_TYPE,
        Property::ResponseTopic(_) => id::RESPONSE_TOPIC,
        Property::CorrelationData(_) => id::CORRELATION_DATA,
        Property::SubscriptionIdentifier(_) => id::SUBSCRIPTION_IDENTIFIER,
        Property::SessionExpiryInterval(_) => id::SESSION_EXPIRY_INTERVAL,
        Property::AssignedClientIdentifier(_) => id::ASSIGNED_CLIENT_IDENTIFIER,
        Property::ServerKeepAlive(_) => id::SERVER_KEEP_ALIVE,
        Property::AuthenticationMethod(_) => id::AUTHENTICATION_METHOD,
        Property::AuthenticationData(_) => id::AUTHENTICATION_DATA,
        Property::RequestProblemInformation(_) => id::REQUEST_PROBLEM_INFORMATION,
        Property::WillDelayInterval(_) => id::WILL_DELAY_INTERVAL,
        Property::RequestResponseInformation(_) => id::REQUEST_RESPONSE_INFORMATION,
        Property::ResponseInformation(_) => id::RESPONSE_INFORMATION,
        Property::ServerReference(_) => id::SERVER_REFERENCE,
        Property::ReasonString(_) => id::REASON_STRING,
        Property::ReceiveMaximum(_) => id::RECEIVE_MAXIMUM,
        Property::TopicAliasMaximum(_) => id::TOPIC_ALIAS_MAXIMUM,
        Property::TopicAlias(_) => id::TOPIC_ALIAS,
        Property::MaximumQos(_) => id::MAXIMUM_QOS,
        Property::RetainAvailable(_) => id::RETAIN_AVAILABLE,
        Property::UserProperty(..) => id::USER_PROPERTY,
        Property::MaximumPacketSize(_) => id::MAXIMUM_PACKET_SIZE,
        Property::WildcardSubscriptionAvailable(_) => id::WILDCARD_SUBSCRIPTION_AVAILABLE,
        Property::SubscriptionIdentifierAvailable(_) => id::SUBSCRIPTION_IDENTIFIER_AVAILABLE,
        Property::SharedSubscriptionAvailable(_) => id::SHARED_SUBSCRIPTION_AVAILABLE,
    }
}

impl Property {
    /// The name the standard gives it.
    pub fn name(&self) -> &'static str {
        find(number_of(self)).map_or("", |kind| kind.name)
    }
}

impl FromIterator<Property> for Properties {
    fn from_iter<I: IntoIterator<Item = Property>>(properties: I) -> Self {
        let mut builder = PropertiesBuilder::new();
        properties.into_iter().for_each(|property| builder.push(property));
        builder.build()
    }
}
