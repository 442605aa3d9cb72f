//! What a server must not take from a client, though it is a well-formed packet.

use crate::error::Failure;
use crate::properties::catalogue::id;
use crate::topic::{Filter, TopicError};
use crate::{Connect, DecodeError, Fault, Packet, PacketType, ReasonCode, Text, Version};

/// Refuses a packet that only a server sends, that carries what only a server says, or whose names no server need take: a topic filter
/// whose syntax is wrong, a control character in a client identifier, user name, topic name or topic filter (sections 1.5.3 of MQTT 3.1.1
/// and 1.5.4 of MQTT 5 leave those to the receiver).
///
/// # Errors
/// The connection is to be closed.
pub fn check_from_client(packet: &Packet, version: Version) -> Result<(), DecodeError> {
    fault_from_client(packet, version).map_or(Ok(()), |fault| {
        Err(Failure::from(fault).in_packet(Some(version), Some(packet.packet_type())))
    })
}

/// What was wrong with the bytes of a packet, as a server sees it: it need not read what only a server sends, so such a packet is that
/// before it is anything else its body could be.
#[must_use]
pub fn fault_seen_by_server(error: DecodeError) -> DecodeError {
    match error.packet() {
        Some(PacketType::ConnAck | PacketType::SubAck | PacketType::UnsubAck | PacketType::PingResp)
            if error.version().is_some() && error.fault() != Fault::ReservedFlags =>
        {
            Failure::from(Fault::NotFromClient).in_packet(error.version(), error.packet())
        }
        _ => error,
    }
}

fn fault_from_client(packet: &Packet, version: Version) -> Option<Fault> {
    match packet {
        Packet::ConnAck(_) | Packet::SubAck(_) | Packet::UnsubAck(_) | Packet::PingResp => {
            Some(Fault::NotFromClient)
        }
        Packet::Connect(connect) => fault_of_names(connect),
        Packet::Subscribe(request) => {
            request.filters.iter().find_map(|asked| fault_of_filter(&asked.filter, version))
        }
        Packet::Unsubscribe(request) => {
            request.filters.iter().find_map(|filter| fault_of_filter(filter, version))
        }
        Packet::Publish(publish) if publish.topic.has_control_character() => Some(Fault::ControlCharacter),
        Packet::Publish(publish) if publish.properties.present() & 1 << id::SUBSCRIPTION_IDENTIFIER != 0 => {
            Some(Fault::SubscriptionIdFromClient)
        }
        Packet::Disconnect(disconnect)
            if disconnect.properties.present() & 1 << id::SERVER_REFERENCE != 0 =>
        {
            Some(Fault::ServerReferenceFromClient)
        }
        Packet::Disconnect(disconnect) if !client_disconnects_with(disconnect.reason) => {
            Some(Fault::ReasonCodeFromClient)
        }
        _ => None,
    }
}

fn fault_of_names(connect: &Connect) -> Option<Fault> {
    if connect.client_id.has_control_character() {
        return Some(Fault::ClientIdControlCharacter);
    }
    let will_topic = connect.will.as_ref().map(|will| &will.topic);
    let mut names = connect.username.iter().chain(will_topic);
    names.any(Text::has_control_character).then_some(Fault::ControlCharacter)
}

/// MQTT 3.1.1 knows no shared subscriptions, so there a bad share name is not the protocol's affair.
fn fault_of_filter(filter: &Text, version: Version) -> Option<Fault> {
    let shared = |fault| (version == Version::V5).then_some(fault);
    match Filter::parse(filter) {
        Ok(_) if filter.has_control_character() => Some(Fault::ControlCharacter),
        Ok(_) => None,
        Err(TopicError::MultiLevelMisplaced) => Some(Fault::FilterMultiLevel),
        Err(TopicError::SingleLevelMisplaced(_)) => Some(Fault::FilterSingleLevel),
        Err(TopicError::ShareNameEmpty | TopicError::ShareNameWildcard(_)) => shared(Fault::ShareName),
        Err(TopicError::ShareFilterMissing(_)) => shared(Fault::ShareFilterMissing),
        // What else can be wrong with a string was refused when it was read.
        Err(_) => Some(Fault::FilterEmpty),
    }
}

/// The codes of section 3.14.2.1 whose column says that a client may send them.
const fn client_disconnects_with(reason: ReasonCode) -> bool {
    matches!(
        reason,
        ReasonCode::Success
            | ReasonCode::DisconnectWithWill
            | ReasonCode::UnspecifiedError
            | ReasonCode::MalformedPacket
            | ReasonCode::ProtocolError
            | ReasonCode::ImplementationSpecificError
            | ReasonCode::BadAuthenticationMethod
            | ReasonCode::TopicNameInvalid
            | ReasonCode::ReceiveMaximumExceeded
            | ReasonCode::TopicAliasInvalid
            | ReasonCode::PacketTooLarge
            | ReasonCode::MessageRateTooHigh
            | ReasonCode::QuotaExceeded
            | ReasonCode::AdministrativeAction
            | ReasonCode::PayloadFormatInvalid
    )
}
