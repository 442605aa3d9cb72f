//! Reason codes of MQTT 5, also used inside for MQTT 3.1.1, whose few return codes are a projection of them.

use crate::PacketType;

macro_rules! reason_codes {
    ($($(#[$meta:meta])* $name:ident = $value:literal, $text:literal;)*) => {
        /// A reason code (section 2.4 of MQTT 5). `Success` doubles as `Granted QoS 0` and `Normal disconnection`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum ReasonCode {
            $($(#[$meta])* #[doc = $text] $name = $value,)*
        }

        impl ReasonCode {
            /// Every reason code the standard names.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The code with this number, or `None` when the standard names none.
            pub const fn from_number(number: u8) -> Option<Self> {
                match number {
                    $($value => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// The name the standard gives it, for logs and reason strings.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

reason_codes! {
    Success = 0x00, "success";
    GrantedQos1 = 0x01, "granted QoS 1";
    GrantedQos2 = 0x02, "granted QoS 2";
    DisconnectWithWill = 0x04, "disconnect with will message";
    NoMatchingSubscribers = 0x10, "no matching subscribers";
    NoSubscriptionExisted = 0x11, "no subscription existed";
    ContinueAuthentication = 0x18, "continue authentication";
    ReAuthenticate = 0x19, "re-authenticate";
    UnspecifiedError = 0x80, "unspecified error";
    MalformedPacket = 0x81, "malformed packet";
    ProtocolError = 0x82, "protocol error";
    ImplementationSpecificError = 0x83, "implementation specific error";
    UnsupportedProtocolVersion = 0x84, "unsupported protocol version";
    ClientIdentifierNotValid = 0x85, "client identifier not valid";
    BadUserNameOrPassword = 0x86, "bad user name or password";
    NotAuthorized = 0x87, "not authorized";
    ServerUnavailable = 0x88, "server unavailable";
    ServerBusy = 0x89, "server busy";
    Banned = 0x8A, "banned";
    ServerShuttingDown = 0x8B, "server shutting down";
    BadAuthenticationMethod = 0x8C, "bad authentication method";
    KeepAliveTimeout = 0x8D, "keep alive timeout";
    SessionTakenOver = 0x8E, "session taken over";
    TopicFilterInvalid = 0x8F, "topic filter invalid";
    TopicNameInvalid = 0x90, "topic name invalid";
    PacketIdentifierInUse = 0x91, "packet identifier in use";
    PacketIdentifierNotFound = 0x92, "packet identifier not found";
    ReceiveMaximumExceeded = 0x93, "receive maximum exceeded";
    TopicAliasInvalid = 0x94, "topic alias invalid";
    PacketTooLarge = 0x95, "packet too large";
    MessageRateTooHigh = 0x96, "message rate too high";
    QuotaExceeded = 0x97, "quota exceeded";
    AdministrativeAction = 0x98, "administrative action";
    PayloadFormatInvalid = 0x99, "payload format invalid";
    RetainNotSupported = 0x9A, "retain not supported";
    QosNotSupported = 0x9B, "QoS not supported";
    UseAnotherServer = 0x9C, "use another server";
    ServerMoved = 0x9D, "server moved";
    SharedSubscriptionsNotSupported = 0x9E, "shared subscriptions not supported";
    ConnectionRateExceeded = 0x9F, "connection rate exceeded";
    MaximumConnectTime = 0xA0, "maximum connect time";
    SubscriptionIdentifiersNotSupported = 0xA1, "subscription identifiers not supported";
    WildcardSubscriptionsNotSupported = 0xA2, "wildcard subscriptions not supported";
}

impl ReasonCode {
    /// The number on the wire.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// Whether the code says that something failed: 0x80 and above.
    pub const fn is_error(self) -> bool {
        self as u8 >= 0x80
    }
}

impl ReasonCode {
    /// Whether MQTT 5 lets a packet carry this code (section 2.4).
    pub const fn allowed_in(self, packet: PacketType) -> bool {
        match packet {
            PacketType::ConnAck => self.is_connect_code(),
            PacketType::PubAck | PacketType::PubRec => self.is_publish_code(),
            PacketType::PubRel | PacketType::PubComp => {
                matches!(self, Self::Success | Self::PacketIdentifierNotFound)
            }
            PacketType::SubAck => self.is_subscribe_code(),
            PacketType::UnsubAck => self.is_unsubscribe_code(),
            PacketType::Disconnect => self.is_disconnect_code(),
            PacketType::Auth => {
                matches!(self, Self::Success | Self::ContinueAuthentication | Self::ReAuthenticate)
            }
            _ => false,
        }
    }

    /// `[MQTT-3.2.2-8]`
    const fn is_connect_code(self) -> bool {
        match self {
            Self::Success | Self::BadAuthenticationMethod | Self::TopicNameInvalid => true,
            Self::PacketTooLarge | Self::QuotaExceeded | Self::PayloadFormatInvalid => true,
            Self::RetainNotSupported | Self::QosNotSupported => true,
            Self::UseAnotherServer | Self::ServerMoved | Self::ConnectionRateExceeded => true,
            _ => self.number() >= 0x80 && self.number() <= 0x8A,
        }
    }

    /// `[MQTT-3.4.2-1]` `[MQTT-3.5.2-1]`
    const fn is_publish_code(self) -> bool {
        matches!(
            self,
            Self::Success
                | Self::NoMatchingSubscribers
                | Self::UnspecifiedError
                | Self::ImplementationSpecificError
                | Self::NotAuthorized
                | Self::TopicNameInvalid
                | Self::PacketIdentifierInUse
                | Self::QuotaExceeded
                | Self::PayloadFormatInvalid
        )
    }

    /// `[MQTT-3.9.3-2]`
    const fn is_subscribe_code(self) -> bool {
        matches!(
            self,
            Self::Success
                | Self::GrantedQos1
                | Self::GrantedQos2
                | Self::UnspecifiedError
                | Self::ImplementationSpecificError
                | Self::NotAuthorized
                | Self::TopicFilterInvalid
                | Self::PacketIdentifierInUse
                | Self::QuotaExceeded
                | Self::SharedSubscriptionsNotSupported
                | Self::SubscriptionIdentifiersNotSupported
                | Self::WildcardSubscriptionsNotSupported
        )
    }

    /// `[MQTT-3.11.3-2]`
    const fn is_unsubscribe_code(self) -> bool {
        matches!(
            self,
            Self::Success
                | Self::NoSubscriptionExisted
                | Self::UnspecifiedError
                | Self::ImplementationSpecificError
                | Self::NotAuthorized
                | Self::TopicFilterInvalid
                | Self::PacketIdentifierInUse
        )
    }

    /// `[MQTT-3.14.2-1]`; section 2.4 adds 0x8C to the table of section 3.14.2.1.
    const fn is_disconnect_code(self) -> bool {
        match self {
            Self::Success | Self::DisconnectWithWill => true,
            Self::UnsupportedProtocolVersion
            | Self::ClientIdentifierNotValid
            | Self::BadUserNameOrPassword
            | Self::ServerUnavailable
            | Self::Banned
            | Self::PacketIdentifierInUse
            | Self::PacketIdentifierNotFound => false,
            _ => self.is_error(),
        }
    }

    /// The return code of a CONNACK of MQTT 3.1.1 (its table 3.1); `None` when none of them says it, and then no CONNACK is to be sent
    /// `[MQTT-3.2.2-6]`.
    pub const fn connect_return_code(self) -> Option<u8> {
        Some(match self {
            Self::Success => 0,
            Self::UnsupportedProtocolVersion => 1,
            Self::ClientIdentifierNotValid => 2,
            Self::ServerUnavailable | Self::ServerBusy | Self::QuotaExceeded => 3,
            Self::ConnectionRateExceeded | Self::UseAnotherServer | Self::ServerMoved => 3,
            Self::BadUserNameOrPassword | Self::BadAuthenticationMethod => 4,
            Self::NotAuthorized | Self::Banned => 5,
            _ => return None,
        })
    }

    /// The code that stands for a return code of a CONNACK of MQTT 3.1.1; `None` above 5, which is reserved.
    pub const fn from_connect_return_code(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Success,
            1 => Self::UnsupportedProtocolVersion,
            2 => Self::ClientIdentifierNotValid,
            3 => Self::ServerUnavailable,
            4 => Self::BadUserNameOrPassword,
            5 => Self::NotAuthorized,
            _ => return None,
        })
    }
}
