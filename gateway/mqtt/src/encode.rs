//! Packets to bytes, for both versions.
//!
//! What a receiver of the version would refuse is refused here first, before a byte is written. One description of each body serves
//! both to count its bytes and to write them, so the two cannot disagree.

mod body;
mod check;
mod copy;
mod sink;

pub use copy::{OutboundAlias, PublishCopy, encode_publish, encode_publish_head};
pub(crate) use sink::put_variable_integer;

use crate::{EncodeError, Packet, PacketType, Publish, Version};
use bytes::{BufMut, BytesMut};
use sink::Counter;

/// The largest number a variable byte integer holds (section 1.5.5), and so the most bytes after a fixed header.
pub(crate) const VARIABLE_INTEGER_MAX: u32 = 268_435_455;

/// The most bytes of a fixed header: type and flags, and four of the length.
const HEADER_BYTES_MAX: usize = 5;

/// Appends `packet` to `out` as `version` writes it. A CONNECT is written in the version it names itself.
///
/// What MQTT 3.1.1 has no place for is left out: properties, and the reasons of acknowledgements and of DISCONNECT. Refusals become its
/// return codes: the nearest of the six in CONNACK, 0x80 in SUBACK. Acknowledgements without properties take their short forms.
///
/// # Errors
/// When a receiver would have to refuse the packet. Nothing has been appended then.
pub fn encode(packet: &Packet, version: Version, out: &mut BytesMut) -> Result<(), EncodeError> {
    let version = version_of(packet, version);
    check::check(packet, version)?;
    let remaining = remaining_bytes(packet, version);
    put_fixed_header(packet.packet_type(), flags(packet), remaining, remaining, out)?;
    body::write(packet, version, out);
    Ok(())
}

/// Bytes that [`encode`] appends for `packet`, fixed header included: what counts against a peer's Maximum Packet Size.
pub fn encoded_bytes(packet: &Packet, version: Version) -> usize {
    whole_bytes(remaining_bytes(packet, version_of(packet, version)))
}

fn version_of(packet: &Packet, version: Version) -> Version {
    match packet {
        Packet::Connect(connect) => connect.version,
        _ => version,
    }
}

fn remaining_bytes(packet: &Packet, version: Version) -> usize {
    let mut counter = Counter::default();
    body::write(packet, version, &mut counter);
    counter.bytes()
}

fn whole_bytes(remaining: usize) -> usize {
    1 + variable_integer_bytes(remaining) + remaining
}

/// Bytes of a variable byte integer.
const fn variable_integer_bytes(number: usize) -> usize {
    match number {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        0x4000..0x20_0000 => 3,
        _ => 4,
    }
}

fn flags(packet: &Packet) -> u8 {
    match packet {
        Packet::Publish(Publish { dup, qos, retain, .. }) => publish_flags(*dup, *qos, *retain),
        _ => packet.packet_type().reserved_flags(),
    }
}

fn publish_flags(dup: bool, qos: crate::Qos, retain: bool) -> u8 {
    u8::from(dup) << 3 | qos.number() << 1 | u8::from(retain)
}

/// Writes type, flags and remaining length, with room made for them and for the `body_bytes` the caller goes on to write.
fn put_fixed_header(
    packet: PacketType,
    flags: u8,
    remaining: usize,
    body_bytes: usize,
    out: &mut BytesMut,
) -> Result<(), EncodeError> {
    let length = u32::try_from(remaining)
        .ok()
        .filter(|length| *length <= VARIABLE_INTEGER_MAX)
        .ok_or(EncodeError::TooLarge { packet, bytes: remaining })?;
    out.reserve(HEADER_BYTES_MAX + body_bytes);
    out.put_u8(packet.number() << 4 | flags);
    put_variable_integer(out, length);
    Ok(())
}
