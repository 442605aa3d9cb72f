//! SUBSCRIBE, SUBACK, UNSUBSCRIBE and UNSUBACK (sections 3.8 to 3.11).

use super::reader::Reader;
use crate::error::Failure;
use crate::properties::catalogue::Place;
use crate::topic::is_shared;
use crate::{
    Fault, Packet, PacketType, Qos, ReasonCode, RetainHandling, SubAck, Subscribe, SubscribeFilter,
    SubscriptionOptions, UnsubAck, Unsubscribe, Version,
};

pub(super) fn subscribe(mut reader: Reader) -> Result<Packet, Failure> {
    let packet_id = reader.packet_id()?;
    let properties = reader.properties(Place::Packet(PacketType::Subscribe))?;
    let mut filters = Vec::new();
    while !reader.is_at_end() {
        filters.push(subscribe_filter(&mut reader)?);
    }
    if filters.is_empty() {
        return Err(Fault::NoSubscribeFilter.into());
    }
    Ok(Packet::Subscribe(Subscribe { packet_id, properties, filters }))
}

fn subscribe_filter(reader: &mut Reader) -> Result<SubscribeFilter, Failure> {
    let filter = reader.text()?;
    let byte = reader.byte()?;
    let options = options(byte, reader.version)?;
    if options.no_local && is_shared(&filter) {
        return Err(Fault::NoLocalShared.into());
    }
    Ok(SubscribeFilter { filter, options })
}

fn options(byte: u8, version: Version) -> Result<SubscriptionOptions, Fault> {
    let reserved = match version {
        Version::V3_1_1 => 0b1111_1100,
        Version::V5 => 0b1100_0000,
    };
    if byte & reserved != 0 {
        return Err(Fault::SubscribeReservedBits);
    }
    Ok(SubscriptionOptions {
        qos: Qos::from_number(byte & 0b11).ok_or(Fault::SubscribeQosThree)?,
        no_local: byte & 0b100 != 0,
        retain_as_published: byte & 0b1000 != 0,
        retain_handling: match byte >> 4 {
            0 => RetainHandling::SendAtSubscribe,
            1 => RetainHandling::SendIfNew,
            2 => RetainHandling::DoNotSend,
            _ => return Err(Fault::RetainHandlingThree),
        },
    })
}

pub(super) fn suback(mut reader: Reader) -> Result<Packet, Failure> {
    let packet_id = reader.packet_id()?;
    let properties = reader.properties(Place::Packet(PacketType::SubAck))?;
    let codes = reader.unread();
    if codes.is_empty() {
        return Err(Fault::NoSubAckCode.into());
    }
    let version = reader.version;
    let reasons = codes.iter().map(|code| suback_code(*code, version)).collect::<Result<_, _>>()?;
    Ok(Packet::SubAck(SubAck { packet_id, properties, reasons }))
}

fn suback_code(number: u8, version: Version) -> Result<ReasonCode, Failure> {
    ReasonCode::from_number(number)
        .filter(|code| code.allowed_in(PacketType::SubAck))
        .filter(|_| version == Version::V5 || matches!(number, 0..=2 | 0x80))
        .ok_or_else(|| Fault::ReasonCodeForbidden.with_number(u32::from(number)))
}

pub(super) fn unsubscribe(mut reader: Reader) -> Result<Packet, Failure> {
    let packet_id = reader.packet_id()?;
    let properties = reader.properties(Place::Packet(PacketType::Unsubscribe))?;
    let mut filters = Vec::new();
    while !reader.is_at_end() {
        filters.push(reader.text()?);
    }
    if filters.is_empty() {
        return Err(Fault::NoUnsubscribeFilter.into());
    }
    Ok(Packet::Unsubscribe(Unsubscribe { packet_id, properties, filters }))
}

pub(super) fn unsuback(mut reader: Reader) -> Result<Packet, Failure> {
    let packet_id = reader.packet_id()?;
    let properties = reader.properties(Place::Packet(PacketType::UnsubAck))?;
    let mut reasons = Vec::new();
    if reader.version == Version::V5 {
        while !reader.is_at_end() {
            reasons.push(reader.reason(PacketType::UnsubAck)?);
        }
        if reasons.is_empty() {
            return Err(Fault::NoUnsubAckCode.into());
        }
    }
    reader.finish()?;
    Ok(Packet::UnsubAck(UnsubAck { packet_id, properties, reasons }))
}
