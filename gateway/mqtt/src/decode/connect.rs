//! CONNECT and CONNACK (sections 3.1 and 3.2).

use super::reader::Reader;
use crate::error::Failure;
use crate::properties::catalogue::{Place, id};
use crate::topic::has_wildcard;
use crate::{
    ConnAck, Connect, DecodeError, Fault, Packet, PacketType, Properties, Qos, ReasonCode, Version, Will,
};
use bytes::Bytes;

/// The version is the packet's own, so its errors are too.
pub(super) fn connect(mut reader: Reader) -> Result<Packet, DecodeError> {
    let named = |version| move |failure: Failure| failure.in_packet(version, Some(PacketType::Connect));
    let (name, level) = protocol(&mut reader).map_err(named(None))?;
    let nearest = if level > 4 { Version::V5 } else { Version::V3_1_1 };
    // MQTT 3.1 had another name: a version that is not served, rather than another protocol.
    let is_of_3_1 = name.as_ref() == b"MQIsdp" && level == 3;
    let supported = if name.as_ref() != b"MQTT" && !is_of_3_1 {
        Err(Fault::ProtocolName.into())
    } else if level != 4 && level != 5 {
        Err(Fault::ProtocolVersion.with_number(u32::from(level)))
    } else {
        Ok(())
    };
    supported.map_err(named(Some(nearest)))?;
    reader.version = nearest;
    fields(reader).map(|connect| Packet::Connect(Box::new(connect))).map_err(named(Some(nearest)))
}

fn protocol(reader: &mut Reader) -> Result<(Bytes, u8), Failure> {
    Ok((reader.binary()?, reader.byte()?))
}

fn fields(mut reader: Reader) -> Result<Connect, Failure> {
    let flags = reader.byte()?;
    check_flags(flags, reader.version)?;
    let keep_alive_secs = reader.short()?;
    let properties = reader.properties(Place::Packet(PacketType::Connect))?;
    check_authentication(&properties)?;
    let client_id = reader.text()?;
    let clean_start = flags & 0b10 != 0;
    if reader.version == Version::V3_1_1 && client_id.is_empty() && !clean_start {
        return Err(Fault::ClientIdMissing.into());
    }
    let will = if flags & 0b100 != 0 { Some(will(flags, &mut reader)?) } else { None };
    let username = if flags & 0x80 != 0 { Some(reader.text()?) } else { None };
    let password = if flags & 0x40 != 0 { Some(reader.binary()?) } else { None };
    reader.finish()?;
    let version = reader.version;
    Ok(Connect { version, clean_start, keep_alive_secs, properties, client_id, will, username, password })
}

fn check_flags(flags: u8, version: Version) -> Result<(), Fault> {
    let has_will = flags & 0b100 != 0;
    let will_qos = flags >> 3 & 0b11;
    if flags & 1 != 0 {
        return Err(Fault::ConnectReservedFlag);
    }
    if !has_will && will_qos != 0 {
        return Err(Fault::WillQosWithoutWill);
    }
    if will_qos == 3 {
        return Err(Fault::WillQosThree);
    }
    if !has_will && flags & 0b10_0000 != 0 {
        return Err(Fault::WillRetainWithoutWill);
    }
    if version == Version::V3_1_1 && flags & 0xC0 == 0x40 {
        return Err(Fault::PasswordWithoutUserName);
    }
    Ok(())
}

/// Authentication data means something to a method only (section 3.1.2.11.10).
fn check_authentication(properties: &Properties) -> Result<(), Fault> {
    let present = properties.present() & (1 << id::AUTHENTICATION_METHOD | 1 << id::AUTHENTICATION_DATA);
    if present == 1 << id::AUTHENTICATION_DATA { Err(Fault::AuthDataWithoutMethod) } else { Ok(()) }
}

fn will(flags: u8, reader: &mut Reader) -> Result<Will, Failure> {
    let qos = Qos::from_number(flags >> 3 & 0b11).ok_or(Fault::WillQosThree)?;
    let properties = reader.properties(Place::Will)?;
    let topic = reader.text()?;
    if topic.is_empty() {
        return Err(Fault::TopicEmpty.into());
    }
    if has_wildcard(topic.as_bytes()) {
        return Err(Fault::WillTopicWildcard.into());
    }
    Ok(Will { qos, retain: flags & 0b10_0000 != 0, properties, topic, payload: reader.binary()? })
}

pub(super) fn connack(mut reader: Reader) -> Result<Packet, Failure> {
    let flags = reader.byte()?;
    if flags > 1 {
        return Err(Fault::ConnAckReservedFlag.into());
    }
    let reason = match reader.version {
        Version::V3_1_1 => {
            let number = reader.byte()?;
            ReasonCode::from_connect_return_code(number)
                .ok_or_else(|| Fault::ReasonCodeForbidden.with_number(u32::from(number)))?
        }
        Version::V5 => reader.reason(PacketType::ConnAck)?,
    };
    let session_present = flags == 1;
    if session_present && reason != ReasonCode::Success {
        return Err(Fault::SessionPresentWithError.into());
    }
    let properties = reader.properties(Place::Packet(PacketType::ConnAck))?;
    check_authentication(&properties)?;
    reader.finish()?;
    Ok(Packet::ConnAck(ConnAck { session_present, reason, properties }))
}
