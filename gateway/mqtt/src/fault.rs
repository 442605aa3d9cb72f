//! Everything that can be wrong with the bytes of a packet: one list, with the clause each breaks and the code to answer with.

use crate::{ReasonCode, Version};

macro_rules! faults {
    ($($name:ident = $reason:ident, $sentence:literal, $v3:literal, $v5:literal;)*) => {
        /// What was wrong with a packet. Each is named by the clause of MQTT 3.1.1 and of MQTT 5 that it breaks.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Fault {
            $(#[doc = concat!($sentence, " `[", $v5, "]`")] $name,)*
        }

        impl Fault {
            /// Every fault.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// What was wrong, as the end of a sentence that starts with the name of the packet.
            pub const fn sentence(self) -> &'static str {
                match self {
                    $(Self::$name => $sentence,)*
                }
            }

            /// The clause broken: a numbered statement of the standard (`MQTT-2.1.3-1`), or a section where it numbers none.
            pub const fn clause(self, version: Version) -> &'static str {
                match (self, version) {
                    $((Self::$name, Version::V3_1_1) => $v3, (Self::$name, Version::V5) => $v5,)*
                }
            }

            /// The reason code to answer with.
            pub const fn reason_code(self) -> ReasonCode {
                match self {
                    $(Self::$name => ReasonCode::$reason,)*
                }
            }
        }
    };
}

faults! {
    // The fixed header.
    PacketTypeForbidden = ProtocolError, "the packet type does not exist in this version", "section 2.2.1", "section 2.1.2";
    FirstPacketNotConnect = ProtocolError, "the first packet must be a CONNECT", "MQTT-3.1.0-1", "MQTT-3.1.0-1";
    ReservedFlags = MalformedPacket, "a reserved flag of the fixed header has the wrong value", "MQTT-2.2.2-2", "MQTT-2.1.3-1";
    QosThree = MalformedPacket, "both QoS bits are set", "MQTT-3.3.1-4", "MQTT-3.3.1-4";
    DupWithQosZero = MalformedPacket, "the DUP flag is set at QoS 0", "MQTT-3.3.1-2", "MQTT-3.3.1-2";
    LengthTooLong = MalformedPacket, "a variable byte integer goes on after its fourth byte", "section 2.2.3", "section 1.5.5";
    LengthNotMinimal = MalformedPacket, "a variable byte integer has more bytes than it needs", "section 2.2.3", "MQTT-1.5.5-1";
    PacketTooLarge = PacketTooLarge, "the packet is larger than the receiver takes", "section 2.2.3", "MQTT-3.2.2-15";

    // Fields of every packet.
    Truncated = MalformedPacket, "the packet ends inside a field", "section 2.2.3", "section 2.1.4";
    TrailingBytes = MalformedPacket, "bytes are left after the last field", "section 2.2.3", "section 2.1.4";
    TextNotUtf8 = MalformedPacket, "a string is not well-formed UTF-8", "MQTT-1.5.3-1", "MQTT-1.5.4-1";
    TextWithNull = MalformedPacket, "a string contains the null character U+0000", "MQTT-1.5.3-2", "MQTT-1.5.4-2";
    PacketIdZero = ProtocolError, "the packet identifier is 0", "MQTT-2.3.1-1", "MQTT-2.2.1-3";
    ReasonCodeForbidden = MalformedPacket, "the reason code is not one of this packet's", "section 3", "section 2.4";

    // Properties.
    PropertyUnknown = MalformedPacket, "a property identifier does not exist", "section 3", "section 2.2.2.2";
    PropertyMisplaced = MalformedPacket, "a property does not belong in this packet", "section 3", "section 2.2.2.2";
    PropertyRepeated = ProtocolError, "a property appears more than once", "section 3", "section 2.2.2.2";
    PropertyZero = ProtocolError, "a property has the forbidden value 0", "section 3", "section 2.2.2.2";
    PropertyNotFlag = ProtocolError, "a property of one byte is neither 0 nor 1", "section 3", "section 2.2.2.2";
    TopicAliasZero = TopicAliasInvalid, "the topic alias is 0", "section 3.3", "MQTT-3.3.2-8";
    ResponseTopicWildcard = ProtocolError, "the response topic contains a wildcard", "section 3.3", "MQTT-3.3.2-14";
    ResponseTopicEmpty = ProtocolError, "the response topic is empty", "section 3.3", "MQTT-4.7.3-1";
    AuthDataWithoutMethod = ProtocolError, "authentication data comes without an authentication method", "section 3.1", "section 3.1.2.11.10";
    AuthMethodMissing = ProtocolError, "the authentication method is missing", "section 3", "section 3.15.2.2.2";

    // CONNECT and CONNACK.
    ProtocolName = UnsupportedProtocolVersion, "the protocol name is not `MQTT`", "MQTT-3.1.2-1", "MQTT-3.1.2-1";
    ProtocolVersion = UnsupportedProtocolVersion, "the protocol version is neither 4 nor 5", "MQTT-3.1.2-2", "MQTT-3.1.2-2";
    ConnectReservedFlag = MalformedPacket, "the reserved connect flag is set", "MQTT-3.1.2-3", "MQTT-3.1.2-3";
    WillQosWithoutWill = MalformedPacket, "a will QoS is given without a will", "MQTT-3.1.2-13", "MQTT-3.1.2-11";
    WillQosThree = MalformedPacket, "both will QoS bits are set", "MQTT-3.1.2-14", "MQTT-3.1.2-12";
    WillRetainWithoutWill = MalformedPacket, "the will retain flag is set without a will", "MQTT-3.1.2-15", "MQTT-3.1.2-13";
    PasswordWithoutUserName = MalformedPacket, "a password comes without a user name", "MQTT-3.1.2-22", "section 3.1.2.9";
    ClientIdMissing = ClientIdentifierNotValid, "the client identifier is empty and clean session is not set", "MQTT-3.1.3-8", "MQTT-3.1.3-8";
    ConnAckReservedFlag = MalformedPacket, "a reserved connect acknowledge flag is set", "section 3.2.2.1", "MQTT-3.2.2-1";
    SessionPresentWithError = ProtocolError, "session present is set beside a refusal", "MQTT-3.2.2-4", "MQTT-3.2.2-6";

    // Topics.
    TopicWildcard = MalformedPacket, "the topic name contains a wildcard", "MQTT-3.3.2-2", "MQTT-3.3.2-2";
    TopicEmpty = MalformedPacket, "the topic name is empty", "MQTT-4.7.3-1", "MQTT-4.7.3-1";
    TopicEmptyWithoutAlias = ProtocolError, "the topic name is empty and no topic alias stands for it", "MQTT-4.7.3-1", "section 3.3.2.1";
    WillTopicWildcard = MalformedPacket, "the will topic contains a wildcard", "MQTT-4.7.1-1", "MQTT-4.7.0-1";

    // SUBSCRIBE, UNSUBSCRIBE and their acknowledgements.
    NoSubscribeFilter = ProtocolError, "it holds no topic filter", "MQTT-3.8.3-3", "MQTT-3.8.3-2";
    NoUnsubscribeFilter = ProtocolError, "it holds no topic filter", "MQTT-3.10.3-2", "MQTT-3.10.3-2";
    SubscribeReservedBits = MalformedPacket, "a reserved bit of the subscription options is set", "MQTT-3-8.3-4", "MQTT-3.8.3-5";
    SubscribeQosThree = ProtocolError, "the requested QoS is 3", "MQTT-3-8.3-4", "section 3.8.3.1";
    RetainHandlingThree = ProtocolError, "retain handling is 3", "MQTT-3-8.3-4", "section 3.8.3.1";
    NoLocalShared = ProtocolError, "no local is set on a shared subscription", "section 3.8.3", "MQTT-3.8.3-4";
    NoSubAckCode = ProtocolError, "it holds no reason code", "MQTT-3.8.4-5", "MQTT-3.8.4-6";
    NoUnsubAckCode = ProtocolError, "it holds no reason code", "MQTT-3.10.4-4", "MQTT-3.11.3-2";

    // Direction, checked by the receiver who knows which side it is.
    NotFromClient = ProtocolError, "a client does not send this packet", "section 2.2.1", "section 2.1.2";
    SubscriptionIdFromClient = ProtocolError, "a client's PUBLISH carries a subscription identifier", "section 3.3", "MQTT-3.3.4-6";
    ServerReferenceFromClient = ProtocolError, "a client's DISCONNECT carries a server reference", "section 3.14", "section 3.14.2.2.5";
    FilterEmpty = MalformedPacket, "a topic filter is empty", "MQTT-4.7.3-1", "MQTT-4.7.3-1";
    FilterMultiLevel = MalformedPacket, "`#` is not the whole of a topic filter's last level", "MQTT-4.7.1-2", "MQTT-4.7.1-1";
    FilterSingleLevel = MalformedPacket, "`+` is not the whole of a topic filter's level", "MQTT-4.7.1-3", "MQTT-4.7.1-2";
    ShareName = MalformedPacket, "the share name is empty or contains a wildcard", "section 4.7", "MQTT-4.8.2-1";
    ShareFilterMissing = MalformedPacket, "no topic filter follows the share name", "section 4.7", "MQTT-4.8.2-2";
    ControlCharacter = MalformedPacket, "a name contains a control character", "section 1.5.3", "section 1.5.4";
    ClientIdControlCharacter = ClientIdentifierNotValid, "the client identifier contains a control character", "section 1.5.3", "section 1.5.4";
    ReasonCodeFromClient = ProtocolError, "the reason code is one that only a server sends", "section 3.14", "section 3.14.2.1";
}
