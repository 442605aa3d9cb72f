//! What return codes and reason codes say, in words that are the same each time, so that they can be counted.

use super::Version;

/// Every version's word for "done".
pub const SUCCESS: u8 = 0;
/// The code of a DISCONNECT that ends a connection in order.
pub const CLOSED_IN_ORDER: u8 = 0;

/// Whether a reason code, or a return code of CONNACK or SUBACK, says no.
pub fn is_refused(version: Version, code: u8) -> bool {
    match version {
        Version::V3 => code != SUCCESS,
        Version::V5 => code >= 0x80,
    }
}

/// The words of the standard for a code of CONNACK, an acknowledgement or DISCONNECT.
pub fn words(version: Version, code: u8) -> &'static str {
    let list: &[(u8, &str)] = match version {
        Version::V3 => RETURN_CODES,
        Version::V5 => REASON_CODES,
    };
    list.iter().find(|(number, _)| *number == code).map_or("unknown code", |(_, words)| words)
}

/// Of a CONNACK of MQTT 3.1.1, and a SUBACK's `0x80` [MQTT-3.2.2.3, MQTT-3.9.3].
const RETURN_CODES: &[(u8, &str)] = &[
    (0x00, "success"),
    (0x01, "refused protocol version"),
    (0x02, "bad client id"),
    (0x03, "service unavailable"),
    (0x04, "bad user name password"),
    (0x05, "not authorized"),
    (0x80, "failure"),
];

/// Of MQTT 5 [MQTT-2.4].
const REASON_CODES: &[(u8, &str)] = &[
    (0x00, "success"),
    (0x01, "granted QoS 1"),
    (0x02, "granted QoS 2"),
    (0x04, "disconnect with will message"),
    (0x10, "no matching subscribers"),
    (0x11, "no subscription existed"),
    (0x18, "continue authentication"),
    (0x19, "re-authenticate"),
    (0x80, "unspecified error"),
    (0x81, "malformed packet"),
    (0x82, "protocol error"),
    (0x83, "implementation specific error"),
    (0x84, "unsupported protocol version"),
    (0x85, "client identifier not valid"),
    (0x86, "bad user name or password"),
    (0x87, "not authorized"),
    (0x88, "server unavailable"),
    (0x89, "server busy"),
    (0x8A, "banned"),
    (0x8B, "server shutting down"),
    (0x8C, "bad authentication method"),
    (0x8D, "keep alive timeout"),
    (0x8E, "session taken over"),
    (0x8F, "topic filter invalid"),
    (0x90, "topic name invalid"),
    (0x91, "packet identifier in use"),
    (0x92, "packet identifier not found"),
    (0x93, "receive maximum exceeded"),
    (0x94, "topic alias invalid"),
    (0x95, "packet too large"),
    (0x96, "message rate too high"),
    (0x97, "quota exceeded"),
    (0x98, "administrative action"),
    (0x99, "payload format invalid"),
    (0x9A, "retain not supported"),
    (0x9B, "QoS not supported"),
    (0x9C, "use another server"),
    (0x9D, "server moved"),
    (0x9E, "shared subscriptions not supported"),
    (0x9F, "connection rate exceeded"),
    (0xA0, "maximum connect time"),
    (0xA1, "subscription identifiers not supported"),
    (0xA2, "wildcard subscriptions not supported"),
];
