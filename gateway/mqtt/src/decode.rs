//! Bytes to packets, strictly: what either standard calls malformed or a protocol error is refused with the clause it breaks.
//!
//! Knows neither side of the connection: packets of both directions are read. [`crate::check_from_client`] tells a server which of them
//! no client may send. Topic filters are only checked to be strings here, their syntax is checked there.

mod acknowledge;
mod connect;
mod end;
mod frame;
mod publish;
mod reader;
mod subscribe;

use crate::error::Failure;
use crate::{DecodeError, Fault, Packet, PacketType, Version};
use bytes::{Bytes, BytesMut};
use frame::FixedHeader;
use reader::Reader;

/// Takes one packet from the front of `buffer`; `None` when it is not complete yet, and then the buffer is left as it is.
///
/// Text, payload and properties are slices of the buffer's memory: nothing is copied, and nothing is allocated for what a packet merely
/// announces. `version` is that of the connection; `None` before its CONNECT, when no other packet is legal `[MQTT-3.1.0-1]`.
/// `packet_bytes_max` limits the whole packet, fixed header included; a larger one is refused as soon as its length is known.
///
/// # Errors
/// When the bytes break the standard. The connection is then to be closed `[MQTT-4.13.1-1]`: what is left in the buffer means nothing.
pub fn decode(
    buffer: &mut BytesMut,
    version: Option<Version>,
    packet_bytes_max: usize,
) -> Result<Option<Packet>, DecodeError> {
    let header = match frame::read(buffer, version, packet_bytes_max) {
        Ok(Some(header)) => header,
        Ok(None) => return Ok(None),
        Err(failure) => return Err(failure.in_packet(version, frame::packet_type(buffer))),
    };
    if buffer.len() < header.whole_bytes() {
        return Ok(None);
    }
    let whole = buffer.split_to(header.whole_bytes()).freeze();
    packet(&header, whole, version)
}

/// How many bytes must still come before [`decode`] finds a whole packet at the front of `buffer`: 0 when it is there, and at least 1
/// while its length is not known.
///
/// # Errors
/// As [`decode`], for the fixed header.
pub fn bytes_missing(
    buffer: &[u8],
    version: Option<Version>,
    packet_bytes_max: usize,
) -> Result<usize, DecodeError> {
    match frame::read(buffer, version, packet_bytes_max) {
        Ok(Some(header)) => Ok(header.whole_bytes().saturating_sub(buffer.len())),
        Ok(None) => Ok(1),
        Err(failure) => Err(failure.in_packet(version, frame::packet_type(buffer))),
    }
}

#[inline]
fn packet(
    header: &FixedHeader,
    whole: Bytes,
    version: Option<Version>,
) -> Result<Option<Packet>, DecodeError> {
    let kind = header.packet;
    if kind == PacketType::Connect {
        return connect::connect(Reader::new(whole, header.bytes, Version::V5)).map(Some);
    }
    let Some(version) = version else {
        return Err(Failure::from(Fault::FirstPacketNotConnect).in_packet(None, Some(kind)));
    };
    let reader = Reader::new(whole, header.bytes, version);
    let packet = match kind {
        PacketType::Publish => publish::publish(header.flags, reader),
        PacketType::PubAck => acknowledge::ack(reader, kind).map(Packet::PubAck),
        PacketType::PubRec => acknowledge::ack(reader, kind).map(Packet::PubRec),
        PacketType::PubRel => acknowledge::ack(reader, kind).map(Packet::PubRel),
        PacketType::PubComp => acknowledge::ack(reader, kind).map(Packet::PubComp),
        PacketType::Connect | PacketType::ConnAck => connect::connack(reader),
        PacketType::Subscribe => subscribe::subscribe(reader),
        PacketType::SubAck => subscribe::suback(reader),
        PacketType::Unsubscribe => subscribe::unsubscribe(reader),
        PacketType::UnsubAck => subscribe::unsuback(reader),
        PacketType::PingReq => reader.finish().map(|()| Packet::PingReq),
        PacketType::PingResp => reader.finish().map(|()| Packet::PingResp),
        PacketType::Disconnect => end::disconnect(reader),
        PacketType::Auth => end::auth(reader),
    };
    match packet {
        Ok(packet) => Ok(Some(packet)),
        Err(failure) => Err(failure.in_packet(Some(version), Some(kind))),
    }
}
