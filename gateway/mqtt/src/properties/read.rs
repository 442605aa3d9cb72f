//! Properties parsed when asked for.

use super::catalogue::{Form, id};
use super::wire::{Span, span_at};
use super::{Properties, Property};
use crate::{Qos, Text};
use bytes::Bytes;

impl Properties {
    /// Every property, in the order sent.
    pub fn iter(&self) -> impl Iterator<Item = Property> + '_ {
        self.spans().filter_map(|span| self.property(&span))
    }

    /// The user properties as name and value, in the order sent.
    pub fn user_properties(&self) -> impl Iterator<Item = (Text, Text)> + '_ {
        self.spans_of(id::USER_PROPERTY)
            .filter_map(|span| Some((self.text(span.first.clone())?, self.text(span.second)?)))
    }

    /// The value of the first user property with this name.
    pub fn user_property(&self, name: &str) -> Option<Text> {
        self.spans_of(id::USER_PROPERTY)
            .find(|span| self.bytes[span.first.clone()] == *name.as_bytes())
            .and_then(|span| self.text(span.second))
    }

    /// The subscription identifiers, in the order sent; a SUBSCRIBE has at most one.
    pub fn subscription_identifiers(&self) -> impl Iterator<Item = u32> + '_ {
        self.spans_of(id::SUBSCRIPTION_IDENTIFIER).map(|span| span.number)
    }

    pub(crate) fn spans(&self) -> impl Iterator<Item = Span> + '_ {
        let mut at = 0;
        std::iter::from_fn(move || {
            let span = span_at(&self.bytes, at).ok()?;
            at = span.whole.end;
            Some(span)
        })
    }

    fn spans_of(&self, id: u8) -> impl Iterator<Item = Span> + '_ {
        let absent = self.present() & (1 << id) == 0;
        self.spans().take_while(move |_| !absent).filter(move |span| span.kind.id == id)
    }

    fn number(&self, id: u8) -> Option<u32> {
        self.spans_of(id).next().map(|span| span.number)
    }

    fn short(&self, id: u8) -> Option<u16> {
        self.number(id).and_then(|number| u16::try_from(number).ok())
    }

    fn flag(&self, id: u8) -> Option<bool> {
        self.number(id).map(|number| number == 1)
    }

    fn binary(&self, id: u8) -> Option<Bytes> {
        self.spans_of(id).next().map(|span| self.bytes.slice(span.first))
    }

    fn string(&self, id: u8) -> Option<Text> {
        self.spans_of(id).next().and_then(|span| self.text(span.first))
    }

    fn text(&self, range: std::ops::Range<usize>) -> Option<Text> {
        Text::from_bytes(self.bytes.slice(range)).ok()
    }

    fn property(&self, span: &Span) -> Option<Property> {
        match span.kind.form {
            Form::Text => self.text(span.first.clone()).and_then(|text| text_property(span.kind.id, text)),
            Form::Binary => binary_property(span.kind.id, self.bytes.slice(span.first.clone())),
            Form::Pair => {
                Some(Property::UserProperty(self.text(span.first.clone())?, self.text(span.second.clone())?))
            }
            Form::Flag => flag_property(span.kind.id, span.number == 1),
            Form::TwoByte => {
                u16::try_from(span.number).ok().and_then(|number| short_property(span.kind.id, number))
            }
            Form::FourByte | Form::Variable => number_property(span.kind.id, span.number),
        }
    }
}

fn text_property(id: u8, text: Text) -> Option<Property> {
    Some(match id {
        id::CONTENT_TYPE => Property::ContentType(text),
        id::RESPONSE_TOPIC => Property::ResponseTopic(text),
        id::ASSIGNED_CLIENT_IDENTIFIER => Property::AssignedClientIdentifier(text),
        id::AUTHENTICATION_METHOD => Property::AuthenticationMethod(text),
        id::RESPONSE_INFORMATION => Property::ResponseInformation(text),
        id::SERVER_REFERENCE => Property::ServerReference(text),
        id::REASON_STRING => Property::ReasonString(text),
        _ => return None,
    })
}

fn binary_property(id: u8, data: Bytes) -> Option<Property> {
    Some(match id {
        id::CORRELATION_DATA => Property::CorrelationData(data),
        id::AUTHENTICATION_DATA => Property::AuthenticationData(data),
        _ => return None,
    })
}

fn flag_property(id: u8, flag: bool) -> Option<Property> {
    Some(match id {
        id::PAYLOAD_FORMAT_INDICATOR => Property::PayloadFormatIndicator(flag),
        id::REQUEST_PROBLEM_INFORMATION => Property::RequestProblemInformation(flag),
        id::REQUEST_RESPONSE_INFORMATION => Property::RequestResponseInformation(flag),
        id::MAXIMUM_QOS => Property::MaximumQos(if flag { Qos::AtLeastOnce } else { Qos::AtMostOnce }),
        id::RETAIN_AVAILABLE => Property::RetainAvailable(flag),
        id::WILDCARD_SUBSCRIPTION_AVAILABLE => Property::WildcardSubscriptionAvailable(flag),
        id::SUBSCRIPTION_IDENTIFIER_AVAILABLE => Property::SubscriptionIdentifierAvailable(flag),
        id::SHARED_SUBSCRIPTION_AVAILABLE => Property::SharedSubscriptionAvailable(flag),
        _ => return None,
    })
}

fn short_property(id: u8, number: u16) -> Option<Property> {
    Some(match id {
        id::SERVER_KEEP_ALIVE => Property::ServerKeepAlive(number),
        id::RECEIVE_MAXIMUM => Property::ReceiveMaximum(number),
        id::TOPIC_ALIAS_MAXIMUM => Property::TopicAliasMaximum(number),
        id::TOPIC_ALIAS => Property::TopicAlias(number),
        _ => return None,
    })
}

fn number_property(id: u8, number: u32) -> Option<Property> {
    Some(match id {
        id::MESSAGE_EXPIRY_INTERVAL => Property::MessageExpiryInterval(number),
        id::SESSION_EXPIRY_INTERVAL => Property::SessionExpiryInterval(number),
        id::WILL_DELAY_INTERVAL => Property::WillDelayInterval(number),
        id::MAXIMUM_PACKET_SIZE => Property::MaximumPacketSize(number),
        id::SUBSCRIPTION_IDENTIFIER => Property::SubscriptionIdentifier(number),
        _ => return None,
    })
}

macro_rules! accessors {
    ($($(#[doc = $doc:literal])* $name:ident -> $type:ty = $read:ident($id:ident);)*) => {
        impl Properties {
            $($(#[doc = $doc])* pub fn $name(&self) -> Option<$type> {
                self.$read(id::$id)
            })*
        }
    };
}

accessors! {
    /// Payload Format Indicator: `true` says the payload is UTF-8.
    payload_is_utf8 -> bool = flag(PAYLOAD_FORMAT_INDICATOR);
    /// Message Expiry Interval, seconds.
    message_expiry_secs -> u32 = number(MESSAGE_EXPIRY_INTERVAL);
    /// Content Type.
    content_type -> Text = string(CONTENT_TYPE);
    /// Response Topic.
    response_topic -> Text = string(RESPONSE_TOPIC);
    /// Correlation Data.
    correlation_data -> Bytes = binary(CORRELATION_DATA);
    /// Session Expiry Interval, seconds; `u32::MAX` never expires.
    session_expiry_secs -> u32 = number(SESSION_EXPIRY_INTERVAL);
    /// Assigned Client Identifier.
    assigned_client_id -> Text = string(ASSIGNED_CLIENT_IDENTIFIER);
    /// Server Keep Alive, seconds.
    server_keep_alive_secs -> u16 = short(SERVER_KEEP_ALIVE);
    /// Authentication Method.
    authentication_method -> Text = string(AUTHENTICATION_METHOD);
    /// Authentication Data.
    authentication_data -> Bytes = binary(AUTHENTICATION_DATA);
    /// Request Problem Information; absent means `true`.
    request_problem_information -> bool = flag(REQUEST_PROBLEM_INFORMATION);
    /// Will Delay Interval, seconds; absent means 0.
    will_delay_secs -> u32 = number(WILL_DELAY_INTERVAL);
    /// Request Response Information; absent means `false`.
    request_response_information -> bool = flag(REQUEST_RESPONSE_INFORMATION);
    /// Response Information.
    response_information -> Text = string(RESPONSE_INFORMATION);
    /// Server Reference.
    server_reference -> Text = string(SERVER_REFERENCE);
    /// Reason String.
    reason_string -> Text = string(REASON_STRING);
    /// Receive Maximum; absent means 65,535.
    receive_maximum -> u16 = short(RECEIVE_MAXIMUM);
    /// Topic Alias Maximum; absent means 0.
    topic_alias_maximum -> u16 = short(TOPIC_ALIAS_MAXIMUM);
    /// Topic Alias.
    topic_alias -> u16 = short(TOPIC_ALIAS);
    /// Maximum Packet Size; absent means no limit beyond the protocol's.
    packet_bytes_max -> u32 = number(MAXIMUM_PACKET_SIZE);
    /// Retain Available; absent means `true`.
    retain_available -> bool = flag(RETAIN_AVAILABLE);
    /// Wildcard Subscription Available; absent means `true`.
    wildcard_subscription_available -> bool = flag(WILDCARD_SUBSCRIPTION_AVAILABLE);
    /// Subscription Identifier Available; absent means `true`.
    subscription_identifier_available -> bool = flag(SUBSCRIPTION_IDENTIFIER_AVAILABLE);
    /// Shared Subscription Available; absent means `true`.
    shared_subscription_available -> bool = flag(SHARED_SUBSCRIPTION_AVAILABLE);
}

impl Properties {
    /// Maximum QoS; absent means QoS 2.
    pub fn maximum_qos(&self) -> Option<Qos> {
        self.number(id::MAXIMUM_QOS)
            .map(|number| if number == 1 { Qos::AtLeastOnce } else { Qos::AtMostOnce })
    }
}
