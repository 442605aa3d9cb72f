//! Keeps the gateway's own packets within the Maximum Packet Size of the client that gets them.

use mqtt::{Packet, PropertiesBuilder, Property, Version};

/// What a packet can do without, the least needed first: what is said to people, then what the client may know of the gateway's limits.
const OPTIONAL: [fn(&Property) -> bool; 3] = [
    |property| matches!(property, Property::ReasonString(_) | Property::UserProperty(..)),
    |property| matches!(property, Property::MaximumPacketSize(_)),
    |property| matches!(property, Property::TopicAliasMaximum(_)),
];

/// The packet with as many of its properties as fit `[MQTT-3.2.2-19]` `[MQTT-3.14.2-3]`; `None` when it is too large without them, and then
/// it must not be sent `[MQTT-3.1.2-24]`.
pub(super) fn fit(mut packet: Packet, version: Version, bytes_max: usize) -> Option<Packet> {
    for is_optional in OPTIONAL {
        if mqtt::encoded_bytes(&packet, version) <= bytes_max {
            return Some(packet);
        }
        let properties = match &mut packet {
            Packet::ConnAck(connack) => &mut connack.properties,
            Packet::Disconnect(disconnect) => &mut disconnect.properties,
            _ => return None,
        };
        let mut builder = PropertiesBuilder::new();
        properties
            .iter()
            .filter(|property| !is_optional(property))
            .for_each(|property| builder.push(property));
        *properties = builder.build();
    }
    (mqtt::encoded_bytes(&packet, version) <= bytes_max).then_some(packet)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mqtt::{ConnAck, Disconnect, Properties, ReasonCode, Text};

    fn bytes(packet: Option<Packet>) -> Option<usize> {
        packet.map(|packet| mqtt::encoded_bytes(&packet, Version::V5))
    }

    #[test]
    fn a_disconnect_says_why_where_there_is_room() {
        let why = Property::ReasonString(Text::try_from("because").unwrap());
        let properties = PropertiesBuilder::new().with(why).build();
        let packet = Packet::Disconnect(Disconnect { reason: ReasonCode::MalformedPacket, properties });
        assert_eq!(bytes(fit(packet.clone(), Version::V5, 14)), Some(14));
        assert_eq!(bytes(fit(packet.clone(), Version::V5, 13)), Some(3));
        assert_eq!(bytes(fit(packet, Version::V5, 2)), None);
    }

    #[test]
    fn a_connack_keeps_the_terms_that_a_client_must_know() {
        let properties = PropertiesBuilder::new()
            .with(Property::ReceiveMaximum(100))
            .with(Property::MaximumPacketSize(1000))
            .with(Property::TopicAliasMaximum(8))
            .build();
        let connack = |properties: Properties| {
            Packet::ConnAck(ConnAck { session_present: false, reason: ReasonCode::Success, properties })
        };
        let fitted = |bytes_max| bytes(fit(connack(properties.clone()), Version::V5, bytes_max));
        assert_eq!(fitted(16), Some(16));
        assert_eq!(fitted(15), Some(11));
        assert_eq!(fitted(10), Some(8));
        assert_eq!(fitted(7), None);
    }
}
