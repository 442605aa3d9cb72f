//! PUBACK, PUBREC, PUBREL and PUBCOMP (sections 3.4 to 3.7).

use super::reader::Reader;
use crate::error::Failure;
use crate::properties::catalogue::Place;
use crate::{Ack, PacketType, Properties, ReasonCode, Version};

pub(super) fn ack(mut reader: Reader, packet: PacketType) -> Result<Ack, Failure> {
    let packet_id = reader.packet_id()?;
    let (reason, properties) = match reader.version {
        Version::V3_1_1 => (ReasonCode::Success, Properties::default()),
        Version::V5 => reason_and_properties(&mut reader, packet)?,
    };
    reader.finish()?;
    Ok(Ack { packet_id, reason, properties })
}

/// A reason and properties that may be left out from the end (sections 3.4.2.1 and 3.14.2.1).
pub(super) fn reason_and_properties(
    reader: &mut Reader,
    packet: PacketType,
) -> Result<(ReasonCode, Properties), Failure> {
    if reader.is_at_end() {
        return Ok((ReasonCode::Success, Properties::default()));
    }
    let reason = reader.reason(packet)?;
    if reader.is_at_end() {
        return Ok((reason, Properties::default()));
    }
    Ok((reason, reader.properties(Place::Packet(packet))?))
}
