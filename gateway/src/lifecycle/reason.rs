//! Why a connection ended, in the words of AWS IoT.

use mqtt::ReasonCode;

macro_rules! disconnect_reasons {
    ($($(#[$meta:meta])* $name:ident = $text:literal;)*) => {
        /// The values of `disconnectReason` that this gateway has a use for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum DisconnectReason { $($(#[$meta])* $name,)* }

        impl DisconnectReason {
            /// The word in the event.
            pub(crate) const fn word(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

disconnect_reasons! {
    /// What the client showed, or what it may do, was not enough.
    AuthError = "AUTH_ERROR";
    /// The client sent DISCONNECT.
    ClientInitiatedDisconnect = "CLIENT_INITIATED_DISCONNECT";
    /// The client broke the protocol or a limit.
    ClientError = "CLIENT_ERROR";
    /// The client is gone, or its network.
    ConnectionLost = "CONNECTION_LOST";
    /// Another connection came with the same client id.
    DuplicateClientId = "DUPLICATE_CLIENTID";
    /// The client may not be connected at all.
    ForbiddenAccess = "FORBIDDEN_ACCESS";
    /// Nothing was heard for one and a half times its keep alive.
    KeepAliveTimeout = "MQTT_KEEP_ALIVE_TIMEOUT";
    /// Something failed here.
    ServerError = "SERVER_ERROR";
    /// The server wanted it so.
    ServerInitiatedDisconnect = "SERVER_INITIATED_DISCONNECT";
    /// The client did more than it may in the time, or takes less than is sent to it.
    Throttled = "THROTTLED";
}

impl DisconnectReason {
    /// What AWS IoT calls the end of a connection that the server closes with `code`.
    pub(crate) const fn of(code: ReasonCode) -> Self {
        match code {
            ReasonCode::NotAuthorized
            | ReasonCode::BadUserNameOrPassword
            | ReasonCode::BadAuthenticationMethod => Self::AuthError,
            ReasonCode::Banned => Self::ForbiddenAccess,
            ReasonCode::SessionTakenOver => Self::DuplicateClientId,
            ReasonCode::KeepAliveTimeout => Self::KeepAliveTimeout,
            ReasonCode::UnspecifiedError
            | ReasonCode::ImplementationSpecificError
            | ReasonCode::ServerUnavailable => Self::ServerError,
            ReasonCode::ServerShuttingDown
            | ReasonCode::AdministrativeAction
            | ReasonCode::UseAnotherServer
            | ReasonCode::ServerMoved
            | ReasonCode::MaximumConnectTime => Self::ServerInitiatedDisconnect,
            ReasonCode::ServerBusy
            | ReasonCode::MessageRateTooHigh
            | ReasonCode::QuotaExceeded
            | ReasonCode::ConnectionRateExceeded => Self::Throttled,
            _ => Self::ClientError,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every code that a DISCONNECT of the server may carry (section 3.14.2.1), and 0x8C, which section 2.4 adds.
    const EXPECTED: &str = "
        0x80 unspecified error                       SERVER_ERROR
        0x81 malformed packet                        CLIENT_ERROR
        0x82 protocol error                          CLIENT_ERROR
        0x83 implementation specific error           SERVER_ERROR
        0x87 not authorized                          AUTH_ERROR
        0x89 server busy                             THROTTLED
        0x8B server shutting down                    SERVER_INITIATED_DISCONNECT
        0x8C bad authentication method               AUTH_ERROR
        0x8D keep alive timeout                      MQTT_KEEP_ALIVE_TIMEOUT
        0x8E session taken over                      DUPLICATE_CLIENTID
        0x8F topic filter invalid                    CLIENT_ERROR
        0x90 topic name invalid                      CLIENT_ERROR
        0x93 receive maximum exceeded                CLIENT_ERROR
        0x94 topic alias invalid                     CLIENT_ERROR
        0x95 packet too large                        CLIENT_ERROR
        0x96 message rate too high                   THROTTLED
        0x97 quota exceeded                          THROTTLED
        0x98 administrative action                   SERVER_INITIATED_DISCONNECT
        0x99 payload format invalid                  CLIENT_ERROR
        0x9A retain not supported                    CLIENT_ERROR
        0x9B QoS not supported                       CLIENT_ERROR
        0x9C use another server                      SERVER_INITIATED_DISCONNECT
        0x9D server moved                            SERVER_INITIATED_DISCONNECT
        0x9E shared subscriptions not supported      CLIENT_ERROR
        0x9F connection rate exceeded                THROTTLED
        0xA0 maximum connect time                    SERVER_INITIATED_DISCONNECT
        0xA1 subscription identifiers not supported  CLIENT_ERROR
        0xA2 wildcard subscriptions not supported    CLIENT_ERROR
    ";

    #[test]
    fn every_reason_to_disconnect_has_its_word() {
        let codes = ReasonCode::ALL
            .iter()
            .filter(|code| code.is_error() && code.allowed_in(mqtt::PacketType::Disconnect));
        let table: Vec<String> = codes
            .map(|code| {
                format!("{:#04X} {:<38}  {}", code.number(), code.name(), DisconnectReason::of(*code).word())
                    .replace("0X", "0x")
            })
            .collect();
        let expected: Vec<&str> = EXPECTED.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        assert_eq!(table, expected);
    }
}
