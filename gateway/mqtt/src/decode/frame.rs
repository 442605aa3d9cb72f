//! The fixed header (section 2.1): what can be refused before the rest of a packet has come.

use crate::error::Failure;
use crate::properties::wire::variable_integer;
use crate::{Fault, PacketType, Qos, Version};

#[derive(Debug)]
pub(super) struct FixedHeader {
    pub(super) packet: PacketType,
    /// The lower four bits of the first byte.
    pub(super) flags: u8,
    /// Bytes of the header itself, 2 to 5.
    pub(super) bytes: usize,
    /// Bytes after the header.
    remaining: usize,
}

impl FixedHeader {
    pub(super) fn whole_bytes(&self) -> usize {
        self.bytes + self.remaining
    }
}

/// The type named by the first byte, if there is one and it exists.
pub(super) fn packet_type(buffer: &[u8]) -> Option<PacketType> {
    buffer.first().and_then(|first| PacketType::from_number(first >> 4))
}

/// The fixed header; `None` when it is not complete yet.
pub(super) fn read(
    buffer: &[u8],
    version: Option<Version>,
    packet_bytes_max: usize,
) -> Result<Option<FixedHeader>, Failure> {
    let Some(first) = buffer.first() else { return Ok(None) };
    let packet =
        packet_type(buffer).ok_or_else(|| Fault::PacketTypeForbidden.with_number(u32::from(first >> 4)))?;
    let flags = first & 0x0F;
    check_first(packet, flags, version)?;
    let Some((remaining, bytes)) = variable_integer(buffer, 1)? else { return Ok(None) };
    let header = FixedHeader { packet, flags, bytes, remaining: remaining as usize };
    if header.whole_bytes() > packet_bytes_max {
        let announced = u32::try_from(header.whole_bytes()).unwrap_or(u32::MAX);
        return Err(Fault::PacketTooLarge.with_number(announced));
    }
    Ok(Some(header))
}

fn check_first(packet: PacketType, flags: u8, version: Option<Version>) -> Result<(), Fault> {
    match version {
        None if packet != PacketType::Connect => return Err(Fault::FirstPacketNotConnect),
        Some(Version::V3_1_1) if packet == PacketType::Auth => return Err(Fault::PacketTypeForbidden),
        _ => {}
    }
    if packet != PacketType::Publish {
        return if flags == packet.reserved_flags() { Ok(()) } else { Err(Fault::ReservedFlags) };
    }
    match Qos::from_number(flags >> 1 & 0b11) {
        None => Err(Fault::QosThree),
        Some(Qos::AtMostOnce) if flags & 0b1000 != 0 => Err(Fault::DupWithQosZero),
        Some(_) => Ok(()),
    }
}
