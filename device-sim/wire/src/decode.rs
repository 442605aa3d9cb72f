//! The bytes of one whole packet to what they say.

use super::{Accepted, Incoming, Malformed, Publish, Qos, Version, number, properties};

/// The packets that a server sends: first byte without what is free in it, name, whether MQTT 3.1.1 has it.
const FIRST_BYTES: [(u8, &str, bool); 11] = [
    (0x20, "CONNACK", true),
    (0x30, "PUBLISH", true),
    (0x40, "PUBACK", true),
    (0x50, "PUBREC", true),
    (0x62, "PUBREL", true),
    (0x70, "PUBCOMP", true),
    (0x90, "SUBACK", true),
    (0xB0, "UNSUBACK", true),
    (0xD0, "PINGRESP", true),
    (0xE0, "DISCONNECT", false),
    (0xF0, "AUTH", false),
];

/// Refuses what cannot begin a packet to a client, before its length is believed.
pub(super) fn check_first(version: Version, first: u8) -> Result<&'static str, Malformed> {
    let fixed = if first & 0xF0 == 0x30 { 0x30 } else { first };
    FIRST_BYTES
        .iter()
        .find(|(byte, _, in_v3)| *byte == fixed && (*in_v3 || version == Version::V5))
        .map(|(_, name, _)| *name)
        .ok_or(Malformed::FirstByte(first))
}

/// The packet that begins with `first` and has `body` after its length.
pub(super) fn packet(version: Version, first: u8, body: &[u8]) -> Result<Incoming<'_>, Malformed> {
    let mut fields = Fields { packet: check_first(version, first)?, version, rest: body };
    let packet = match first & 0xF0 {
        0x20 => Incoming::ConnAck(accepted(&mut fields)?),
        0x30 => return publish(first, fields).map(Incoming::Publish),
        0x40 => {
            let (packet_id, code) = answer(&mut fields)?;
            Incoming::PubAck { packet_id, code }
        }
        0x50 => {
            let (packet_id, code) = answer(&mut fields)?;
            Incoming::PubRec { packet_id, code }
        }
        0x60 => {
            let (packet_id, code) = answer(&mut fields)?;
            Incoming::PubRel { packet_id, code }
        }
        0x70 => {
            let (packet_id, code) = answer(&mut fields)?;
            Incoming::PubComp { packet_id, code }
        }
        0x90 => {
            let (packet_id, codes) = answers(&mut fields)?;
            // One for each filter, and there is at least one filter.
            if codes.is_empty() {
                return Err(Malformed::Short(fields.packet));
            }
            Incoming::SubAck { packet_id, codes }
        }
        0xB0 if version == Version::V3 => Incoming::UnsubAck { packet_id: fields.packet_id()?, codes: &[] },
        0xB0 => {
            let (packet_id, codes) = answers(&mut fields)?;
            Incoming::UnsubAck { packet_id, codes }
        }
        0xE0 => {
            let (code, reason) = farewell(&mut fields)?;
            Incoming::Disconnect { code, reason }
        }
        0xF0 => Incoming::Auth { code: farewell(&mut fields)?.0 },
        _ => Incoming::PingResp,
    };
    fields.end()?;
    Ok(packet)
}

fn accepted<'a>(fields: &mut Fields<'a>) -> Result<Accepted<'a>, Malformed> {
    let flags = fields.byte()?;
    let code = fields.byte()?;
    if flags > 1 {
        return Err(Malformed::Value { packet: fields.packet, field: "flags", value: flags });
    }
    let mut accepted = Accepted { session_present: flags == 1, code, ..Accepted::default() };
    if fields.version == Version::V5 {
        let list = fields.properties()?;
        properties::of_accepted(list, &mut accepted)?;
    } else if code > 5 {
        return Err(Malformed::Value { packet: fields.packet, field: "return code", value: code });
    }
    Ok(accepted)
}

fn publish(first: u8, mut fields: Fields<'_>) -> Result<Publish<'_>, Malformed> {
    let qos = Qos::from_number(first >> 1 & 0x03);
    let qos = qos.ok_or(Malformed::Value { packet: fields.packet, field: "flags", value: first & 0x0F })?;
    let dup = first & 0x08 != 0;
    // [MQTT-3.3.1-2]
    if dup && qos == Qos::AtMostOnce {
        return Err(Malformed::Value { packet: fields.packet, field: "flags", value: first & 0x0F });
    }
    let topic = fields.text()?;
    let packet_id = if qos == Qos::AtMostOnce { 0 } else { fields.packet_id()? };
    let mut publish = Publish { topic, qos, packet_id, dup, retain: first & 0x01 != 0, ..Publish::default() };
    if fields.version == Version::V5 {
        let list = fields.properties()?;
        properties::of_publish(list, &mut publish)?;
    }
    let nameless = topic.is_empty() && publish.topic_alias.is_none();
    if nameless || topic.bytes().any(|byte| matches!(byte, b'+' | b'#')) {
        return Err(Malformed::Topic);
    }
    publish.payload = fields.rest;
    Ok(publish)
}

/// Of PUBACK, PUBREC, PUBREL and PUBCOMP. MQTT 5 leaves out a code of 0 and an empty list of properties.
fn answer(fields: &mut Fields<'_>) -> Result<(u16, u8), Malformed> {
    let packet_id = fields.packet_id()?;
    if fields.version == Version::V3 || fields.rest.is_empty() {
        return Ok((packet_id, super::SUCCESS));
    }
    let code = fields.byte()?;
    if !fields.rest.is_empty() {
        let list = fields.properties()?;
        properties::of_answer(list)?;
    }
    Ok((packet_id, code))
}

/// Of SUBACK and UNSUBACK.
fn answers<'a>(fields: &mut Fields<'a>) -> Result<(u16, &'a [u8]), Malformed> {
    let packet_id = fields.packet_id()?;
    if fields.version == Version::V5 {
        let list = fields.properties()?;
        properties::of_answer(list)?;
    }
    let codes = std::mem::take(&mut fields.rest);
    let unknown = |code: &&u8| matches!((fields.version, **code), (Version::V3, 3..=0x7F | 0x81..));
    match codes.iter().find(unknown) {
        Some(code) => Err(Malformed::Value { packet: fields.packet, field: "return code", value: *code }),
        None => Ok((packet_id, codes)),
    }
}

/// Of DISCONNECT and AUTH, both of MQTT 5 alone.
fn farewell<'a>(fields: &mut Fields<'a>) -> Result<(u8, Option<&'a str>), Malformed> {
    if fields.rest.is_empty() {
        return Ok((super::SUCCESS, None));
    }
    let code = fields.byte()?;
    let reason = if fields.rest.is_empty() {
        None
    } else {
        let list = fields.properties()?;
        properties::of_farewell(list)?
    };
    Ok((code, reason))
}

/// What is left of a packet.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a> {
    /// The packet's name, for errors.
    pub(super) packet: &'static str,
    version: Version,
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Malformed::Short(self.packet))?;
        self.rest = rest;
        Ok(taken)
    }

    pub(super) fn byte(&mut self) -> Result<u8, Malformed> {
        Ok(self.take(1)?[0])
    }

    pub(super) fn two_bytes(&mut self) -> Result<u16, Malformed> {
        let bytes = self.take(2)?;
        Ok(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    pub(super) fn four_bytes(&mut self) -> Result<u32, Malformed> {
        let bytes = self.take(4)?;
        Ok(u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    pub(super) fn number(&mut self) -> Result<u32, Malformed> {
        let (number, bytes) = number::read(self.rest)?.ok_or(Malformed::Short(self.packet))?;
        self.take(bytes)?;
        Ok(number)
    }

    pub(super) fn binary(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.two_bytes()?;
        self.take(usize::from(length))
    }

    /// UTF-8 without null characters [MQTT-1.5.4-1, MQTT-1.5.4-2].
    pub(super) fn text(&mut self) -> Result<&'a str, Malformed> {
        let text = std::str::from_utf8(self.binary()?).ok().filter(|text| !text.contains('\0'));
        text.ok_or(Malformed::Text(self.packet))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    fn packet_id(&mut self) -> Result<u16, Malformed> {
        match self.two_bytes()? {
            0 => Err(Malformed::PacketId(self.packet)),
            packet_id => Ok(packet_id),
        }
    }

    /// The properties as fields of their own.
    fn properties(&mut self) -> Result<Self, Malformed> {
        let length = self.number()?;
        Ok(Self { rest: self.take(length as usize)?, ..*self })
    }

    fn end(&self) -> Result<(), Malformed> {
        if self.rest.is_empty() { Ok(()) } else { Err(Malformed::Trailing(self.packet)) }
    }
}
