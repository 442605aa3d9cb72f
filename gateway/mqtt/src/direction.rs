//! What a server must not take from a client, though it is a well-formed packet.

use crate::error::Failure;
use crate::properties::catalogue::id;
use crate::{DecodeError, Fault, Packet, ReasonCode, Version};

/// Refuses a packet that only a server sends, or that carries what only a server says.
///
/// # Errors
/// A protocol error: the connection is to be closed.
pub fn check_from_client(packet: &Packet, version: Version) -> Result<(), DecodeError> {
    fault_from_client(packet).map_or(Ok(()), |fault| {
        Err(Failure::from(fault).in_packet(Some(version), Some(packet.packet_type())))
    })
}

fn fault_from_client(packet: &Packet) -> Option<Fault> {
    match packet {
        Packet::ConnAck(_) | Packet::SubAck(_) | Packet::UnsubAck(_) | Packet::PingResp => {
            Some(Fault::NotFromClient)
        }
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
